"""Consoles: the log of the serial line, and addresses for the screen in a browser."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Row
from starlette.responses import Response

from hanok.base.errors import BadInput, Conflict, NotFound, Unavailable
from hanok.bus import NobodyThere
from hanok.commands import ConsoleLog, Failed, ReadConsole
from hanok.commands.wire import ask
from hanok.services.compute.logic import consoles
from hanok.services.compute.room import Compute
from hanok.services.compute.routes.servers import readable
from hanok.services.compute.schemas import bodies
from hanok.web.request import Request, json_answer
from hanok.web.routes import Route
from hanok.web.versions import Query

READ_S = 10.0
MAXIMUM_LINES = 100_000


async def console_output(request: Request, room: Compute) -> Response:
    """os-getConsoleOutput: the end of the guest's serial log."""
    sent = (await request.json())["os-getConsoleOutput"]
    body = bodies.ConsoleOutput()
    if sent is not None:
        body = await request.body(bodies.ConsoleOutput, key="os-getConsoleOutput")
    lines: int | None = None
    if body.length is not None:
        lines = bodies.whole(body.length, "length", least=-1)
        lines = None if lines == -1 else min(lines, MAXIMUM_LINES)
    async with request.reading() as tx:
        row = await readable(request, tx, "os_compute_api:os-console-output")
    if not row.host or row.vm_state == "building":
        raise Conflict(f"Instance {row.id} is not ready")
    try:
        reply = await ask(
            room.bus,
            row.host,
            ReadConsole(server_id=row.id, lines=lines, request_id=request.id),
            timeout_s=READ_S,
        )
    except NobodyThere as error:
        raise Unavailable(f"The host of instance {row.id} does not answer.") from error
    if isinstance(reply, Failed):
        raise NotFound(reply.message, detail=reply.detail)
    assert isinstance(reply, ConsoleLog)
    return json_answer({"output": reply.text})


async def _console(request: Request, room: Compute, row: Row[Any], kind: str) -> str:
    """A new address for one server's console."""
    async with request.transaction() as tx:
        token = await consoles.create(tx, room, row, kind, request.token, request.token_text)
    if kind == "serial":
        socket = request.sure_origin.replace("http", "ws", 1)
        return f"{socket}/console/socket?token={token}"
    return (
        f"{request.sure_origin}/console/vnc.html?path=console%2Fsocket%3Ftoken%3D{token}"
        "&autoconnect=true&resize=scale"
    )


async def vnc_console(request: Request, room: Compute) -> Response:
    """os-getVNCConsole, until 2.5."""
    body = await request.body(bodies.VNCConsole, key="os-getVNCConsole")
    if body.type not in ("novnc", "xvpvnc"):
        raise BadInput(f"Invalid input for field/attribute type. Value: {body.type[:50]}.")
    if body.type == "xvpvnc":
        raise BadInput("Unavailable console type xvpvnc.")
    async with request.reading() as tx:
        row = await readable(request, tx, "os_compute_api:os-remote-consoles")
    url = await _console(request, room, row, "vnc")
    return json_answer({"console": {"type": body.type, "url": url}})


async def serial_console(request: Request, room: Compute) -> Response:
    """os-getSerialConsole, until 2.5."""
    body = await request.body(bodies.VNCConsole, key="os-getSerialConsole")
    if body.type != "serial":
        raise BadInput(f"Invalid input for field/attribute type. Value: {body.type[:50]}.")
    async with request.reading() as tx:
        row = await readable(request, tx, "os_compute_api:os-remote-consoles")
    url = await _console(request, room, row, "serial")
    return json_answer({"console": {"type": body.type, "url": url}})


async def spice_console(request: Request, room: Compute) -> Response:
    """os-getSPICEConsole, until 2.5: guests have no such screen, which is said as upstream says it."""
    body = await request.body(bodies.VNCConsole, key="os-getSPICEConsole")
    if body.type != "spice-html5":
        raise BadInput(f"Invalid input for field/attribute type. Value: {body.type[:50]}.")
    async with request.reading() as tx:
        await readable(request, tx, "os_compute_api:os-remote-consoles")
    raise BadInput(f"Unavailable console type {body.type}.")


_KINDS = {("vnc", "novnc"): "vnc", ("serial", "serial"): "serial"}
_KNOWN = {"vnc", "spice", "serial", "rdp", "mks"}


async def remote_console(request: Request, room: Compute) -> Response:
    """POST /servers/{id}/remote-consoles, from 2.6."""
    body = await request.body(bodies.RemoteConsole, key="remote_console")
    if body.protocol not in _KNOWN:
        raise BadInput(f"Invalid input for field/attribute protocol. Value: {body.protocol[:50]}.")
    async with request.reading() as tx:
        row = await readable(request, tx, "os_compute_api:os-remote-consoles")
    kind = _KINDS.get((body.protocol, body.type))
    if kind is None:
        raise BadInput(f"Unavailable console type {body.type[:50]}.")
    url = await _console(request, room, row, kind)
    return json_answer(
        {"remote_console": {"protocol": body.protocol, "type": body.type, "url": url}}
    )


async def show_token(request: Request, room: Compute) -> Response:
    """GET /os-console-auth-tokens/{token}: what a console address leads to; for admins."""
    request.allow()
    async with request.reading() as tx:
        row = await consoles.get(tx, request.path["console_token"], room.clock.now())
    return json_answer(
        {
            "console": {
                "instance_uuid": row.server_id,
                "host": "127.0.0.1",
                "port": 0,
                "internal_access_path": None,
            }
        }
    )


async def show_rdp_token(request: Request, room: Compute) -> Response:
    """GET /os-console-auth-tokens/{token}, until 2.30: told of RDP consoles only, and there are none."""
    request.allow()
    raise BadInput("The requested console type details are not accessible")


_A = "os_compute_api"
_ACTION = "/v2.1/servers/{server_id}/action"
_CONSOLE = (f"{_A}:os-remote-consoles",)
ROUTES = (
    Route(
        "POST",
        _ACTION,
        console_output,
        (f"{_A}:os-console-output",),
        body_key="os-getConsoleOutput",
        strict=True,
        body=bodies.ConsoleOutput,
    ),
    Route(
        "POST",
        _ACTION,
        vnc_console,
        _CONSOLE,
        body_key="os-getVNCConsole",
        maximum=(2, 5),
        body=bodies.VNCConsole,
    ),
    Route(
        "POST",
        _ACTION,
        serial_console,
        _CONSOLE,
        body_key="os-getSerialConsole",
        maximum=(2, 5),
        body=bodies.VNCConsole,
    ),
    Route(
        "POST",
        _ACTION,
        spice_console,
        _CONSOLE,
        body_key="os-getSPICEConsole",
        maximum=(2, 5),
        body=bodies.VNCConsole,
    ),
    Route(
        "POST",
        "/v2.1/servers/{server_id}/remote-consoles",
        remote_console,
        _CONSOLE,
        minimum=(2, 6),
        strict=True,
        body=bodies.RemoteConsole,
        member="remote_console",
    ),
    Route(
        "GET",
        "/v2.1/os-console-auth-tokens/{console_token}",
        show_token,
        (f"{_A}:os-console-auth-tokens",),
        minimum=(2, 31),
        query=Query(closed=(2, 99)),
    ),
    Route(
        "GET",
        "/v2.1/os-console-auth-tokens/{console_token}",
        show_rdp_token,
        (f"{_A}:os-console-auth-tokens",),
        maximum=(2, 30),
    ),
)
