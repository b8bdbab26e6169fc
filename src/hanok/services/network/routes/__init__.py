"""Network's doors: one route table."""

from __future__ import annotations

from hanok.services.network.routes import (
    agents,
    availability,
    bindings,
    discovery,
    flavors,
    logs,
    members,
    qos,
    quotas,
    routers,
    schedulers,
    tags,
    topologies,
    trunks,
    unserved,
)
from hanok.services.network.routes.kinds import ALIASES, KINDS, PARTS
from hanok.web.doors import routes
from hanok.web.routes import Route

ROUTES: tuple[Route, ...] = (
    *discovery.ROUTES,
    *(route for kind in (*KINDS, *PARTS) for route in routes(kind)),
    *(route for kind in ALIASES for route in routes(kind)[1:]),
    *qos.ROUTES,
    *routers.ROUTES,
    *bindings.ROUTES,
    *availability.ROUTES,
    *members.ROUTES,
    *topologies.ROUTES,
    *trunks.ROUTES,
    *tags.ROUTES,
    *quotas.ROUTES,
    *agents.ROUTES,
    *schedulers.ROUTES,
    *flavors.ROUTES,
    *logs.ROUTES,
    *unserved.ROUTES,
)
