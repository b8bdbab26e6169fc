"""The doors to what machines run and have logged, asked of their nodes; for administrators."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import msgspec
from starlette.responses import Response

from hanok.base.code import code
from hanok.base.errors import BadInput, Conflict, NotFound, Unavailable
from hanok.base.log import request_id
from hanok.base.log_files import LEVELS
from hanok.bus import NobodyThere
from hanok.commands import Command, Failed
from hanok.commands.machines import LINES, DescribeMachine, LogLines, MachineState, ReadLogs
from hanok.commands.wire import ask
from hanok.services.compute import facade as compute
from hanok.web.policy import Rule
from hanok.web.request import Request, json_answer
from hanok.web.routes import Route

if TYPE_CHECKING:
    from hanok.control.app import Control

_RULE = "hanok:machines"
RULES = (Rule(_RULE, "role:admin", "See what the cloud's machines run, and their logs."),)
ASK_S = 10.0
AT_ONCE = 32
ID_LENGTH = 128


async def list_machines(request: Request, control: Control) -> Response:
    """GET /hanok/v1/machines: each machine with a node, its code, and its processes as its supervisor says them.

    state: "up"; "down": it does not answer, or says nothing of itself, which `trouble` explains.
    """
    request.allow()
    names = await _names(request)
    turns = asyncio.Semaphore(AT_ONCE)

    async def look(name: str) -> dict[str, Any]:
        async with turns:
            return await _look(control, name)

    found = await asyncio.gather(*map(look, names))
    return json_answer({"machines": found, "code": code()})


async def _names(request: Request) -> list[str]:
    async with request.reading() as tx:
        return await compute.hosts_known(tx)


async def _look(control: Control, name: str) -> dict[str, Any]:
    try:
        state = await _answer_of(control, name, DescribeMachine())
    except (Unavailable, Conflict) as error:
        return {
            "name": name,
            "state": "down",
            "trouble": error.message,
            "code": "",
            "processes": [],
        }
    assert isinstance(state, MachineState)
    processes = msgspec.to_builtins(state.processes)
    return {"name": name, "state": "up", "trouble": "", "code": state.code, "processes": processes}


async def show_logs(request: Request, control: Control) -> Response:
    """GET /hanok/v1/machines/{name}/logs?part=control&lines=200&level=warning&request=req-…: the last lines."""
    request.allow()
    requested = _reading(request.query)
    name = request.path["name"]
    if name not in await _names(request):
        raise NotFound(f"Machine {name[:64]} could not be found.")
    found = await _answer_of(control, name, requested)
    assert isinstance(found, LogLines)
    return json_answer({"lines": msgspec.to_builtins(found.lines)})


def _reading(query: Any) -> ReadLogs:
    """Raises BadInput for what no log is asked for by."""
    lines, level = query.get("lines", "200"), query.get("level", "debug")
    if not (lines.isascii() and lines.isdigit() and len(lines) < 6 and 1 <= int(lines) <= LINES):
        raise BadInput(f"{lines[:40]} is not a valid number of lines: 1 to {LINES}.")
    if level not in LEVELS:
        raise BadInput(f"{level[:40]} is not a valid level: {', '.join(LEVELS)}.")
    part, request = query.get("part", ""), query.get("request", "")
    if max(len(part), len(request)) > ID_LENGTH:
        raise BadInput("A part or a request's id is not that long.")
    return ReadLogs(part=part, lines=int(lines), level=level, request=request)


async def _answer_of(control: Control, name: str, command: Command) -> MachineState | LogLines:
    """
    Raises:
        Unavailable: it does not answer. Conflict: it says no.
    """
    command = msgspec.structs.replace(command, request_id=request_id.get())
    try:
        answer = await ask(control.bus, name, command, timeout_s=ASK_S)
    except NobodyThere as error:
        raise Unavailable(f"Machine {name} does not answer.", detail=str(error)) from error
    if isinstance(answer, Failed):
        raise Conflict(answer.message, detail=answer.detail)
    if not isinstance(answer, MachineState | LogLines):
        raise Conflict(f"Machine {name} gave an answer that does not fit the question.")
    return answer


ROUTES = (
    Route("GET", "/v1/machines", list_machines, (_RULE,)),
    Route(
        "GET",
        "/v1/machines/{name}/logs",
        show_logs,
        (_RULE,),
        query=("part", "lines", "level", "request"),
    ),
)
