"""Machines without a hypervisor, until 2.35: this cloud has none, nor the service that would know of them.

Source: Compute API reference, "Bare metal nodes (os-baremetal-nodes) (DEPRECATED)".
"""

from __future__ import annotations

from starlette.responses import Response

from hanok.base.errors import NotSupported
from hanok.services.compute.room import Compute
from hanok.web.request import Request
from hanok.web.routes import Route


async def not_served(request: Request, room: Compute) -> Response:
    """501, as upstream where the bare metal service is not installed."""
    request.allow()
    raise NotSupported("The requested functionality is not supported.")


_RULE = "os_compute_api:os-baremetal-nodes"
_ALL = "/v2.1/os-baremetal-nodes"
ROUTES = (
    Route("GET", _ALL, not_served, (f"{_RULE}:list",), maximum=(2, 35)),
    Route("GET", _ALL + "/{node_id}", not_served, (f"{_RULE}:show",), maximum=(2, 35)),
)
