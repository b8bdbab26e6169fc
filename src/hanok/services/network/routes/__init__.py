"""Network's doors: one route table."""

from __future__ import annotations

from hanok.services.network.routes import agents, bindings, discovery, quotas, routers, tags
from hanok.services.network.routes.kinds import KINDS
from hanok.web.doors import routes
from hanok.web.routes import Route

ROUTES: tuple[Route, ...] = (
    *discovery.ROUTES,
    *(route for kind in KINDS for route in routes(kind)),
    *routers.ROUTES,
    *bindings.ROUTES,
    *tags.ROUTES,
    *quotas.ROUTES,
    *agents.ROUTES,
)
