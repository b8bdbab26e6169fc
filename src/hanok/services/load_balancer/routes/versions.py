"""Version documents. This API counts its versions and takes no header: each has all of those before it.

Source: Load Balancer API v2 reference, "API Versions".
"""

from __future__ import annotations

from typing import Any

from starlette.responses import Response

from hanok.services.load_balancer.room import LoadBalancing
from hanok.web.request import Request, json_answer
from hanok.web.routes import PUBLIC, Route

NEWEST = 30
_UPDATED = "2026-03-01T00:00:00Z"


def _version(request: Request, minor: int) -> dict[str, Any]:
    return {
        "id": f"v2.{minor}",
        "status": "CURRENT" if minor == NEWEST else "SUPPORTED",
        "updated": _UPDATED,
        "links": [{"href": f"{request.base_url}/v2", "rel": "self"}],
    }


async def list_versions(request: Request, room: LoadBalancing) -> Response:
    """GET /."""
    return json_answer({"versions": [_version(request, one) for one in range(NEWEST + 1)]})


ROUTES = (
    Route("GET", "/", list_versions, (PUBLIC,)),
    Route("GET", "/v2.0", list_versions, (PUBLIC,)),
)
