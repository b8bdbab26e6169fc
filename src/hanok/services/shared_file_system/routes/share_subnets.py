"""Subnets of share networks, with their metadata.

Source: Shared File Systems API reference, "Share network subnets", "Share network subnet metadata".
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import Row
from starlette.responses import Response

from hanok.base.errors import BadInput, Conflict
from hanok.services.shared_file_system.logic import share_networks, share_servers
from hanok.services.shared_file_system.room import Shares
from hanok.services.shared_file_system.routes import kept_metadata
from hanok.services.shared_file_system.routes import share_networks as networks
from hanok.services.shared_file_system.routes.security_services import sent
from hanok.services.shared_file_system.schemas import networks as shapes
from hanok.services.shared_file_system.schemas.values import check_metadata, given
from hanok.store import Transaction
from hanok.web.request import Request, json_answer, no_content
from hanok.web.routes import Route

MEMBER = "share-network-subnet"


def _view(request: Request, network: Row[Any], row: Row[Any]) -> dict[str, Any]:
    return _shown(request, network, row, whole=networks.secret(request))


def _shown(
    request: Request, network: Row[Any], row: Row[Any], *, whole: bool = False
) -> dict[str, Any]:
    """whole: whether the caller sees what is the operator's; a new one has nothing of that yet."""
    shown = {
        **shapes.subnet(row, whole=whole),
        "share_network_id": network.id,
        "share_network_name": network.name,
    }
    return request.shown(shapes.SUBNET)(shown)


async def _found(request: Request, tx: Transaction) -> tuple[Row[Any], Row[Any]]:
    """The network and the subnet of the path. Raises NotFound, Forbidden."""
    network = await networks.mine(request, tx)
    return network, await share_networks.subnet(tx, network, request.path["subnet_id"])


async def list_subnets(request: Request, room: Shares) -> Response:
    async with request.reading() as tx:
        network = await networks.mine(request, tx)
        found = (await share_networks.subnets_of(tx, [network.id]))[network.id]
    return json_answer({"share_network_subnets": [_view(request, network, row) for row in found]})


async def show_subnet(request: Request, room: Shares) -> Response:
    async with request.reading() as tx:
        network, row = await _found(request, tx)
    return json_answer({"share_network_subnet": _view(request, network, row)})


async def create_subnet(request: Request, room: Shares) -> Response:
    """From 2.70 on a zone may have several."""
    return await _create(request, room, several=True)


async def create_only(request: Request, room: Shares) -> Response:
    return await _create(request, room, several=False)


async def _create(request: Request, room: Shares, *, several: bool) -> Response:
    body = await request.body(shapes.NewSubnet, key=MEMBER)
    values = sent(body)
    zone_name = values.pop("availability_zone", None)
    if values.pop("share_network_id", None) not in (None, request.path["share_network_id"]):
        raise BadInput("Request body and URI mismatch")
    values["metadata"] = check_metadata(given(body.metadata) or {})
    share_networks.check_both(values)
    async with request.transaction() as tx:
        network = await networks.mine(request, tx)
        zone = await share_networks.check_zone(tx, zone_name)
        beside = await share_networks.siblings(tx, network, zone, several=several)
        await _check_unserved(tx, network, beside)
        row = await share_networks.add_subnet(tx, room, network.id, zone, values)
        request.made(row.id)
    return json_answer({"share_network_subnet": _shown(request, network, row)})


async def _check_unserved(tx: Transaction, network: Row[Any], beside: list[Row[Any]]) -> None:
    """Raises BadInput: share servers are there that would need an address in the new subnet, and cannot get one."""
    if not await share_networks.servers_on(tx, beside):
        return
    share_networks.check_active(network)
    raise BadInput(
        f"Updating network allocations is not supported on this share network ({network.id}) while it has shares. See "
        "the capability 'network_allocation_update_support'."
    )


async def delete_subnet(request: Request, room: Shares) -> Response:
    async with request.transaction() as tx:
        network, row = await _found(request, tx)
        servers = [
            await share_servers.get(tx, one) for one in await share_networks.servers_on(tx, [row])
        ]
        for one in servers:
            if await share_servers.in_use(tx, one.id):
                raise Conflict(
                    f"Cannot delete share network subnet {row.id} of share network {network.id}, it has one or more "
                    "shares."
                )
        await networks.take_servers(tx, room, request, servers)
        await share_networks.drop_subnet(tx, row.id)
    return no_content(202)


async def _keep(tx: Transaction, room: Shares, row: Row[Any], metadata: dict[str, str]) -> None:
    await share_networks.change_subnet(tx, room, row, {"metadata": metadata})


async def _with_metadata(request: Request, tx: Transaction) -> Row[Any]:
    return (await _found(request, tx))[1]


_ALL = "/v2/share-networks/{share_network_id}/subnets"
_ONE = f"{_ALL}/{{subnet_id}}"
_R, _E = "share_network_subnet", "shared_file_system.share_network_subnet"
_MIN: dict[str, Any] = {"minimum": (2, 51)}
ROUTES = (
    Route("GET", _ALL, list_subnets, (f"{_R}:index", networks.SECRET), **_MIN),
    Route("GET", _ONE, show_subnet, (f"{_R}:show", networks.SECRET), **_MIN),
    Route(
        "POST", _ALL, create_only, (f"{_R}:create",), body=shapes.NewSubnet,
        member=MEMBER, strict=True, event=f"{_E}.create", **_MIN, maximum=(2, 69),
    ),
    Route(
        "POST", _ALL, create_subnet, (f"{_R}:create",), body=shapes.NewSubnet,
        member=MEMBER, strict=True, event=f"{_E}.create", minimum=(2, 70),
    ),
    Route("DELETE", _ONE, delete_subnet, (f"{_R}:delete",), event=f"{_E}.delete", **_MIN),
    *kept_metadata.routes(
        _ONE, _with_metadata, _keep, minimum=(2, 78), event=f"{_E}.metadata", read=f"{_R}:get_metadata",
        write=f"{_R}:update_metadata", drop=f"{_R}:delete_metadata",
    ),
)  # fmt: skip
