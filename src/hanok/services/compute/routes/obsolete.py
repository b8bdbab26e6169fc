"""Operations that were withdrawn: each answers 410, as upstream, whatever is sent.

Source: Compute API reference, the operations that it calls obsolete.
"""

from __future__ import annotations

from starlette.responses import Response

from hanok.base.errors import Gone
from hanok.services.compute.room import Compute
from hanok.web.request import Request
from hanok.web.routes import SIGNED_IN, Route


async def gone(request: Request, room: Compute) -> Response:
    raise Gone("This resource is no longer available. No forwarding address is given.")


_GONE = (
    "GET os-agents", "POST os-agents", "PUT os-agents/{agent_build_id}", "DELETE os-agents/{agent_build_id}",
    "GET os-cells", "POST os-cells", "GET os-cells/capacities", "GET os-cells/detail", "GET os-cells/info",
    "GET os-cells/{cell_id}", "PUT os-cells/{cell_id}", "DELETE os-cells/{cell_id}",
    "GET os-cells/{cell_id}/capacities",
    "POST os-certificates", "GET os-certificates/root",
    "GET os-cloudpipe", "POST os-cloudpipe", "PUT os-cloudpipe/configure-project",
    "GET servers/{server_id}/consoles", "POST servers/{server_id}/consoles",
    "GET servers/{server_id}/consoles/{console_id}", "DELETE servers/{server_id}/consoles/{console_id}",
    "GET servers/{server_id}/os-virtual-interfaces",
    "GET os-fixed-ips/{fixed_ip}", "POST os-fixed-ips/{fixed_ip}/action",
    "GET os-floating-ip-dns", "PUT os-floating-ip-dns/{domain}", "DELETE os-floating-ip-dns/{domain}",
    "GET os-floating-ip-dns/{domain}/entries/{name}", "PUT os-floating-ip-dns/{domain}/entries/{name}",
    "DELETE os-floating-ip-dns/{domain}/entries/{name}",
    "GET os-floating-ips-bulk", "POST os-floating-ips-bulk", "PUT os-floating-ips-bulk/delete",
    "GET os-floating-ips-bulk/{host_name}",
    "GET os-fping", "GET os-fping/{instance_id}",
    "POST os-networks", "POST os-networks/add", "DELETE os-networks/{network_id}",
    "POST os-networks/{network_id}/action",
    "GET os-security-group-default-rules", "POST os-security-group-default-rules",
    "GET os-security-group-default-rules/{security_group_default_rule_id}",
    "DELETE os-security-group-default-rules/{security_group_default_rule_id}",
    "POST os-tenant-networks", "DELETE os-tenant-networks/{network_id}",
)  # fmt: skip
_ACTIONS = ("resetNetwork", "os-getRDPConsole")


def _route(operation: str) -> Route:
    method, _, path = operation.partition(" ")
    return Route(method, f"/v2.1/{path}", gone, (SIGNED_IN,))


ROUTES = (
    *map(_route, _GONE),
    *(
        Route("POST", "/v2.1/servers/{server_id}/action", gone, (SIGNED_IN,), body_key=key)
        for key in _ACTIONS
    ),
)
