"""Facts about a server that few ask for: its topology, the password that its guest made, its diagnostics.

Source: Compute API reference, "Servers - run an administrative action", "Server topology", "Server passwords",
"Server diagnostics".
"""

from __future__ import annotations

from starlette.responses import Response

from hanok.base.errors import Conflict, Unavailable
from hanok.bus import NobodyThere
from hanok.commands import Diagnostics, Failed, ReadDiagnostics
from hanok.commands.wire import ask
from hanok.services.compute import states
from hanok.services.compute.logic import passwords, topologies
from hanok.services.compute.room import Compute
from hanok.services.compute.routes.servers import check_unlocked, readable, told
from hanok.services.compute.schemas import answers
from hanok.web.request import Request, json_answer, no_content
from hanok.web.routes import Route

READ_S = 10.0


async def show_topology(request: Request, room: Compute) -> Response:
    """GET /servers/{id}/topology: the NUMA nodes of a guest, and for operators where on the host they are."""
    async with request.reading() as tx:
        row = await readable(request, tx)
        placed = await topologies.of_server(tx, row)
    host_too = request.may(f"{_TOPOLOGY}:host:index", project_id=row.project_id)
    return json_answer(topologies.shown(placed.topology, host_too=host_too))


async def show_diagnostics(request: Request, room: Compute) -> Response:
    """GET /servers/{id}/diagnostics: what a running guest has done."""
    async with request.reading() as tx:
        row = await readable(request, tx)
    if not row.host or row.vm_state == "building":
        raise Conflict(f"Instance {row.id} is not ready")
    if row.power_state != states.RUNNING:
        raise Conflict(f"Cannot 'get_diagnostics' instance {row.id} while it is not running")
    command = ReadDiagnostics(server_id=row.id, request_id=request.id)
    try:
        told = await ask(room.bus, row.host, command, timeout_s=READ_S)
    except NobodyThere as error:
        raise Unavailable(f"The host of instance {row.id} does not answer.") from error
    if not isinstance(told, Diagnostics):
        words = told.message if isinstance(told, Failed) else "The host cannot tell of it."
        raise Conflict(f"Cannot 'get_diagnostics' instance {row.id}: {words}")
    return json_answer(answers.diagnostics(request, row, told, room.clock.now()))


async def show_password(request: Request, room: Compute) -> Response:
    """GET /servers/{id}/os-server-password: what its guest left with the metadata service, as it left it."""
    async with request.reading() as tx:
        row = await readable(request, tx)
        password = await passwords.of(tx, row.id)
    return json_answer({"password": password})


async def clear_password(request: Request, room: Compute) -> Response:
    """DELETE /servers/{id}/os-server-password: there is none, then; the guest's own stays as it is."""
    async with request.transaction() as tx:
        row = await readable(request, tx)
        await passwords.clear(tx, row.id)
        await told(request, room, tx, row.id)
    return no_content()


async def inject_network_info(request: Request, room: Compute) -> Response:
    """injectNetworkInfo: taken; guests learn of their network by DHCP and metadata, as with QEMU upstream."""
    async with request.reading() as tx:
        row = await readable(request, tx, f"{_A}:os-admin-actions:inject_network_info")
        check_unlocked(request, row)
    return no_content(202)


_A, _TOPOLOGY = "os_compute_api", "compute:server:topology"
_ONE = "/v2.1/servers/{server_id}"
ROUTES = (
    Route("GET", _ONE + "/diagnostics", show_diagnostics, (f"{_A}:os-server-diagnostics",)),
    Route(
        "GET",
        _ONE + "/topology",
        show_topology,
        ("compute:server:topology:index", "compute:server:topology:host:index"),
        minimum=(2, 78),
    ),
    Route("GET", _ONE + "/os-server-password", show_password, (f"{_A}:os-server-password:show",)),
    Route(
        "DELETE",
        _ONE + "/os-server-password",
        clear_password,
        (f"{_A}:os-server-password:clear",),
        event="compute.instance.update",
    ),
    Route(
        "POST",
        _ONE + "/action",
        inject_network_info,
        (f"{_A}:os-admin-actions:inject_network_info",),
        body_key="injectNetworkInfo",
    ),
)
