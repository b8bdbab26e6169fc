"""The network interfaces of servers: list, show, attach, detach.

Source: Compute API reference, "Port interfaces (servers, os-interface)".
"""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import UNSET
from sqlalchemy import Row
from starlette.responses import Response

from hanok.base.errors import BadInput, Conflict, NotFound, OverQuota
from hanok.services.compute.logic import bandwidth, servers
from hanok.services.compute.operations import AttachInterface, DetachInterface
from hanok.services.compute.room import Compute
from hanok.services.compute.routes import acting
from hanok.services.compute.routes.servers import readable
from hanok.services.compute.schemas import answers, bodies
from hanok.services.network import facade as networks
from hanok.services.network.facade import NICPlan, NICWish
from hanok.store import Transaction
from hanok.web.request import Request, json_answer, no_content
from hanok.web.routes import Route

ANSWER_S = 30.0  # as long as an answer waits for the guest to have its interface
_NO_ADDRESS = ("IpAddressGenerationFailure", "IpAddressInUse")  # 400 here, as upstream


async def _shown(
    request: Request, tx: Transaction, row: Row[Any], port_id: str = ""
) -> list[dict[str, Any]]:
    """The interfaces of a server in their order, or that on one port."""
    ports = (await networks.ports_of(tx, [row.id])).get(row.id, [])
    tags = {plan["port_id"]: plan["tag"] for plan in row.nics}
    shown = request.shown(answers.INTERFACE)
    return [
        shown(
            {
                "port_id": port.port_id,
                "net_id": port.network_id,
                "mac_addr": port.mac,
                "port_state": port.status,
                "fixed_ips": [
                    {"subnet_id": ip.subnet_id, "ip_address": ip.address} for ip in port.fixed_ips
                ],
                "tag": tags.get(port.port_id),
            }
        )
        for port in ports
        if port_id in ("", port.port_id)
    ]


def _missing(row: Row[Any], port_id: str) -> NotFound:
    return NotFound(f"Server {row.id} has no network interface on port {port_id[:64]}.")


async def list_interfaces(request: Request, room: Compute) -> Response:
    """GET /servers/{id}/os-interface."""
    async with request.reading() as tx:
        row = await readable(request, tx)
        return json_answer({"interfaceAttachments": await _shown(request, tx, row)})


async def show_interface(request: Request, room: Compute) -> Response:
    """GET /servers/{id}/os-interface/{port}."""
    port_id = request.path["port_id"]
    async with request.reading() as tx:
        row = await readable(request, tx)
        found = await _shown(request, tx, row, port_id)
    if not found:
        raise _missing(row, port_id)
    return json_answer({"interfaceAttachment": found[0]})


async def attach_interface(request: Request, room: Compute) -> Response:
    """POST /servers/{id}/os-interface: answer when the guest has it, or after ANSWER_S seconds, while it goes on."""
    body = await request.body(bodies.InterfaceAttachment, key="interfaceAttachment")
    wish = _wish(body)
    async with request.transaction() as tx:
        await tx.serialize("compute.interfaces", request.path["server_id"])
        row = await acting.unlocked(request, tx, "attach_interface", f"{_RULES}:create")
        external = request.may("network:attach_external_network", request.own)
        plan = await networks.plan_another(tx, request.reaching("network"), wish, external=external)
        generation = await servers.begin(tx, row, "attach_interface", room.clock.now())
        await _bind(room, tx, row, plan)
        await _have_bandwidth(room, tx, row, plan)
        operation = AttachInterface(server_id=row.id, generation=generation, port_id=plan.port_id)
        await acting.start(request, room, tx, row, operation)
    if why := await acting.outcome(request, row, timeout_s=ANSWER_S):
        raise Conflict(f"Failed to attach network adapter device to {row.id}: {why}")
    async with request.reading() as tx:
        row = await servers.get(tx, request.reaching(), row.id)
        found = await _shown(request, tx, row, plan.port_id)
    if not found:
        raise _missing(row, plan.port_id)
    return json_answer({"interfaceAttachment": found[0]})


def _wish(body: bodies.InterfaceAttachment) -> NICWish:
    """What a body asks for; neither a port nor a network is the only network.

    Raises:
        BadInput: what it says does not go together.
    """
    port = body.port_id if body.port_id is not UNSET else None
    network = body.net_id if body.net_id is not UNSET else None
    fixed = body.fixed_ips[0].ip_address if body.fixed_ips is not UNSET else None
    if port and network:
        raise BadInput("Must not input both network_id and port_id")
    if fixed is not None and network is None:
        raise BadInput("Must input network_id when request IP address")
    tag = body.tag if body.tag is not UNSET else None
    return NICWish(port_id=port, network_id=network, fixed_ip=fixed, tag=tag)


async def _bind(room: Compute, tx: Transaction, row: Row[Any], plan: NICPlan) -> None:
    """The port is the server's, and its row says so."""
    place = await networks.next_place(tx, row.id)
    try:
        await networks.bind(
            tx,
            room.network,
            [plan],
            server_id=row.id,
            project_id=row.project_id,
            user_id=row.user_id,
            host=row.host,
            hostname=row.hostname,
            zone=row.availability_zone or "",
            security_groups=(),
            first=place,
        )
    except OverQuota as error:  # the network's is 409
        raise OverQuota(f"Maximum number of ports exceeded. {error.message}") from error
    except Conflict as error:
        if error.code in _NO_ADDRESS:
            raise BadInput(error.message) from error
        raise
    await servers.change(tx, row.id, {"nics": [*row.nics, msgspec.to_builtins(plan)]})


async def _have_bandwidth(room: Compute, tx: Transaction, row: Row[Any], plan: NICPlan) -> None:
    """The host gives the server what the port of another interface asks for.

    Raises:
        BadInput: it has not that much.
    """
    if not await networks.resource_requests(tx, [plan]):
        return
    nics = [*row.nics, msgspec.to_builtins(plan)]
    if not await bandwidth.follow(tx, row, nics, room.clock.now()):
        raise BadInput(
            f"Failed to allocate additional resources for port {plan.port_id} to instance {row.id}: its host "
            "has not that much left."
        )


async def detach_interface(request: Request, room: Compute) -> Response:
    """DELETE /servers/{id}/os-interface/{port}: answer 202 before the guest has let go of it."""
    port_id = request.path["port_id"]
    async with request.transaction() as tx:
        await tx.serialize("compute.interfaces", request.path["server_id"])
        row = await acting.unlocked(request, tx, "detach_interface", f"{_RULES}:delete")
        if not await _shown(request, tx, row, port_id):
            raise _missing(row, port_id)
        generation = await servers.begin(tx, row, "detach_interface", room.clock.now())
        operation = DetachInterface(server_id=row.id, generation=generation, port_id=port_id)
        await acting.start(request, room, tx, row, operation)
    return no_content(202)


_RULES = "os_compute_api:os-attach-interfaces"
_ALL = "/v2.1/servers/{server_id}/os-interface"
_ONE = _ALL + "/{port_id}"
ROUTES = (
    Route("GET", _ALL, list_interfaces, (f"{_RULES}:list",)),
    Route("GET", _ONE, show_interface, (f"{_RULES}:show",)),
    Route(
        "POST",
        _ALL,
        attach_interface,
        (f"{_RULES}:create", "network:attach_external_network"),
        strict=True,
        body=bodies.InterfaceAttachment,
        member="interfaceAttachment",
    ),
    Route("DELETE", _ONE, detach_interface, (f"{_RULES}:delete",)),
)
