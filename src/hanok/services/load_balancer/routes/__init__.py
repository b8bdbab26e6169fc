"""Load balancing's doors: one route table."""

from __future__ import annotations

from functools import wraps

from msgspec import structs
from starlette.responses import Response

from hanok.services.load_balancer.room import LoadBalancing
from hanok.services.load_balancer.routes import (
    load_balancers,
    members,
    providers,
    quotas,
    versions,
)
from hanok.services.load_balancer.routes.kinds import KINDS
from hanok.web.doors import routes
from hanok.web.request import Request
from hanok.web.routes import Route


def _reading(route: Route) -> Route:
    """A door whose references to PKCS#12 are read before it is done."""
    handler = route.handler

    @wraps(handler)
    async def answer(request: Request, room: LoadBalancing) -> Response:
        owner = request.token.project_id or ""
        return await room.bundles.reading(owner, lambda: handler(request, room))

    return structs.replace(route, handler=answer)


def _refers(route: Route) -> bool:
    return route.method in ("POST", "PUT") and route.path.startswith(
        ("/v2.0/lbaas/loadbalancers", "/v2.0/lbaas/listeners", "/v2.0/lbaas/pools")
    )


_ALL: tuple[Route, ...] = (
    *versions.ROUTES,
    *(route for kind in KINDS for route in routes(kind)),
    *load_balancers.ROUTES,
    *members.ROUTES,
    *quotas.ROUTES,
    *providers.ROUTES,
)
ROUTES: tuple[Route, ...] = tuple(_reading(one) if _refers(one) else one for one in _ALL)
