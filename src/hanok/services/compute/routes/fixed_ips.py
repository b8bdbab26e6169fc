"""More addresses for a server, and fewer, for clients from before 2.44: its ports are changed, in the caller's name.

Source: Compute API reference, "Add (Associate) Fixed Ip (addFixedIp Action) (DEPRECATED)" and its counterpart.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import Row
from starlette.responses import Response

from hanok.base.errors import BadInput, Conflict, NotFound, Refused
from hanok.services.compute.room import Compute
from hanok.services.compute.routes.proxied import ask
from hanok.services.compute.routes.servers import check_unlocked, readable
from hanok.services.compute.schemas import bodies
from hanok.services.network import facade as networks
from hanok.services.network.facade import ServerPort
from hanok.web.request import Request, convert, no_content
from hanok.web.routes import Route

_V2 = "/network/v2.0"


async def _server(request: Request, room: Compute) -> tuple[Row[Any], list[ServerPort]]:
    async with request.reading() as tx:
        row = await readable(request, tx)
        check_unlocked(request, row)
        return row, (await networks.ports_of(tx, [row.id])).get(row.id, [])


async def _give(
    request: Request, room: Compute, port: ServerPort, fixed_ips: list[dict[str, str]]
) -> None:
    """Have a port hold these addresses."""
    body = {"port": {"fixed_ips": fixed_ips}}
    await ask(request, room, "PUT", f"{_V2}/ports/{port.port_id}", body)


def _held(port: ServerPort, but: str = "") -> list[dict[str, str]]:
    return [
        {"subnet_id": ip.subnet_id, "ip_address": ip.address}
        for ip in port.fixed_ips
        if ip.address != but
    ]


async def add_fixed_ip(request: Request, room: Compute) -> Response:
    """addFixedIp: one more address of a network that the server is on, of the first subnet that has one left."""
    body = convert((await request.json())["addFixedIp"], bodies.AddFixedIP)
    requested = str(body.networkId)
    row, ports = await _server(request, room)
    port = next((one for one in ports if one.network_id == requested), None)
    if port is None:
        raise NotFound(f"Server {row.id} has no port on network {requested}.")
    path = f"{_V2}/subnets?network_id={port.network_id}&fields=id"
    refusal: Refused = BadInput(f"Network {port.network_id} has no subnet.")
    for subnet in (await ask(request, room, "GET", path))["subnets"]:
        try:
            await _give(request, room, port, [*_held(port), {"subnet_id": subnet["id"]}])
        except (BadInput, Conflict) as error:
            refusal = error
        else:
            return no_content(202)
    raise BadInput(refusal.message) from refusal


async def remove_fixed_ip(request: Request, room: Compute) -> Response:
    """removeFixedIp: the server loses an address."""
    body = convert((await request.json())["removeFixedIp"], bodies.AddressRef)
    address = bodies.ip_address(body.address, "address")
    row, ports = await _server(request, room)
    for port in ports:
        if any(ip.address == address for ip in port.fixed_ips):
            await _give(request, room, port, _held(port, but=address))
            return no_content(202)
    raise BadInput(f"Server {row.id} has no fixed IP {address}.")


_RULE = "os_compute_api:os-multinic"
_ACTION = "/v2.1/servers/{server_id}/action"
_LAST = (2, 43)
ROUTES = (
    Route(
        "POST",
        _ACTION,
        add_fixed_ip,
        (f"{_RULE}:add",),
        body_key="addFixedIp",
        maximum=_LAST,
        strict=True,
        body=bodies.AddFixedIP,
    ),
    Route(
        "POST",
        _ACTION,
        remove_fixed_ip,
        (f"{_RULE}:remove",),
        body_key="removeFixedIp",
        maximum=_LAST,
        strict=True,
        body=bodies.AddressRef,
    ),
)
