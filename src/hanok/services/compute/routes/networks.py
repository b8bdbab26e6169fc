"""Networks by way of compute, for clients from before 2.36: the network service is asked, in the caller's name.

Source: Compute API reference, "Networks (os-networks) (DEPRECATED)", "Project networks (DEPRECATED)".
"""

from __future__ import annotations

from typing import Any

from starlette.responses import Response

from hanok.base.errors import NotFound
from hanok.base.ids import is_uuid
from hanok.services.compute.room import Compute
from hanok.services.compute.routes.proxied import ask
from hanok.web.request import Request, json_answer
from hanok.web.routes import Route

_NETWORKS = "/network/v2.0/networks"
_FIELDS = "fields=id&fields=name"
# What networks had when compute had them itself. Clients still read it; there is nothing to tell.
_ONCE = "cidr netmask gateway broadcast dns1 dns2 cidr_v6 gateway_v6 netmask_v6".split()
_ONCE_FOR_ADMINS = (
    "created_at updated_at deleted_at deleted injected bridge vlan vpn_public_address vpn_public_port "
    "vpn_private_address dhcp_start project_id host bridge_interface multi_host priority rxtx_base mtu "
    "dhcp_server enable_dhcp share_address"
).split()


def _old(request: Request, network: dict[str, Any]) -> dict[str, Any]:
    names = _ONCE + _ONCE_FOR_ADMINS if request.reaching("network").everywhere else _ONCE
    return {"id": network["id"], "label": network["name"], **dict.fromkeys(names)}


def _tenants(network: dict[str, Any]) -> dict[str, Any]:
    return {"id": network["id"], "label": network["name"], "cidr": "None"}  # the word, as ever


async def _all(request: Request, room: Compute) -> list[dict[str, Any]]:
    answer = await ask(request, room, "GET", f"{_NETWORKS}?{_FIELDS}")
    return list(answer["networks"])


async def _one(request: Request, room: Compute) -> dict[str, Any]:
    network_id = request.path["network_id"]
    try:
        if not is_uuid(network_id):
            raise NotFound("")
        answer = await ask(request, room, "GET", f"{_NETWORKS}/{network_id}?{_FIELDS}")
    except NotFound as error:
        raise NotFound("Network not found") from error
    return dict(answer["network"])


async def list_networks(request: Request, room: Compute) -> Response:
    """GET /os-networks: all that the caller sees."""
    request.allow(project_id=request.token.project_id)
    found = await _all(request, room)
    return json_answer({"networks": [_old(request, one) for one in found]})


async def show_network(request: Request, room: Compute) -> Response:
    """GET /os-networks/{id}."""
    request.allow(project_id=request.token.project_id)
    return json_answer({"network": _old(request, await _one(request, room))})


async def list_tenant_networks(request: Request, room: Compute) -> Response:
    """GET /os-tenant-networks: the same networks, in fewer words."""
    request.allow(project_id=request.token.project_id)
    return json_answer({"networks": [_tenants(one) for one in await _all(request, room)]})


async def show_tenant_network(request: Request, room: Compute) -> Response:
    """GET /os-tenant-networks/{id}."""
    request.allow(project_id=request.token.project_id)
    return json_answer({"network": _tenants(await _one(request, room))})


def _route(path: str, handler: Any, rule: str) -> Route:
    return Route("GET", f"/v2.1/{path}", handler, (f"os_compute_api:{rule}",), maximum=(2, 35))


ROUTES = (
    _route("os-networks", list_networks, "os-networks:list"),
    _route("os-networks/{network_id}", show_network, "os-networks:show"),
    _route("os-tenant-networks", list_tenant_networks, "os-tenant-networks:list"),
    _route("os-tenant-networks/{network_id}", show_tenant_network, "os-tenant-networks:show"),
)
