"""What was done to a server: actions, and the events each consists of. The record is the operation's own."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any

from starlette.responses import Response

from hanok.base.clock import naive_micro
from hanok.base.errors import BadInput, NotFound
from hanok.operations import Record, record, records_of
from hanok.services.compute.logic import servers
from hanok.services.compute.room import Compute
from hanok.services.compute.schemas import answers
from hanok.store import Transaction
from hanok.web.pages import limit_of, next_link
from hanok.web.request import Request, json_answer
from hanok.web.routes import Route

PAGE = 1000


def _name(one: Record) -> str:
    """The action's name as upstream has it."""
    if one.kind == "compute.change_power":
        return str(one.arguments["action"]).removesuffix("_hard")
    if one.kind == "compute.create_image":
        return "createImage" if one.arguments.get("rotation") is None else "createBackup"
    return one.kind.removeprefix("compute.").removesuffix("_server")


def _snake(name: str) -> str:
    return re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()


async def _server(request: Request, tx: Transaction, rule: str) -> Any:
    """The server, also after its deletion: from 2.21 its record outlives it."""
    server_id = request.path["server_id"]
    row = await servers.get_even_deleted(tx, server_id)
    if (
        row is None
        or (row.deleted and request.microversion < (2, 21))
        or (row.project_id != request.token.project_id and not request.token.is_admin)
    ):
        request.allowed_by_hand()
        raise servers.missing(server_id)
    request.allow(rule, project_id=row.project_id)
    return row


def _action(row: Any, one: Record, version: tuple[int, int]) -> dict[str, Any]:
    answer: dict[str, Any] = {
        "action": _name(one),
        "instance_uuid": row.id,
        "request_id": one.request_id,
        "user_id": one.user_id,
        "project_id": one.project_id,
        "start_time": naive_micro(one.started_at),
        "message": "Error" if one.state == "failed" else None,
    }
    if version >= (2, 58):
        answer["updated_at"] = naive_micro(one.finished_at or one.started_at)
    return answer


def _when(text: str, name: str) -> datetime:
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise BadInput(f"Invalid input for query parameters {name}. Value: {text[:100]}.") from None
    return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)


async def list_actions(request: Request, room: Compute) -> Response:
    """GET /servers/{id}/os-instance-actions: newest first."""
    query = request.query
    async with request.reading() as tx:
        row = await _server(request, tx, "os_compute_api:os-instance-actions:list")
        found = list(reversed(await records_of(tx, f"server:{row.id}")))
    answer: dict[str, Any] = {}
    if request.microversion >= (2, 58):
        limit = limit_of(query.get("limit"), maximum=PAGE)
        if "changes-since" in query:
            since = _when(query["changes-since"], "changes-since")
            found = [one for one in found if (one.finished_at or one.started_at) >= since]
        if "changes-before" in query and request.microversion >= (2, 66):
            before = _when(query["changes-before"], "changes-before")
            found = [one for one in found if (one.finished_at or one.started_at) <= before]
        if "marker" in query:
            ids = [one.request_id for one in found]
            if query["marker"] not in ids:
                raise BadInput(f"Marker {query['marker'][:100]} could not be found.")
            found = found[ids.index(query["marker"]) + 1 :]
        if limit is not None and len(found) > limit:
            found = found[:limit]
            link = next_link(request.full_url, request.pairs, found[-1].request_id) if found else ""
            answer["links"] = [{"rel": "next", "href": link}]
    answer["instanceActions"] = [_action(row, one, request.microversion) for one in found]
    return json_answer(answer)


async def show_action(request: Request, room: Compute) -> Response:
    """GET /servers/{id}/os-instance-actions/{request_id}: with its steps and their times."""
    request_id = request.path["request_id"]
    async with request.reading() as tx:
        row = await _server(request, tx, "os_compute_api:os-instance-actions:show")
        one = await record(tx, f"server:{row.id}", request_id)
    if one is None:
        raise NotFound(f"Action for request_id {request_id} on instance {row.id} not found")
    answer = _action(row, one, request.microversion)
    sees_events = request.may("os_compute_api:os-instance-actions:events")
    if sees_events or request.microversion >= (2, 51):
        details = request.may("os_compute_api:os-instance-actions:events:details")
        answer["events"] = _events(request, row, one, sees_events, details)
    return json_answer({"instanceAction": answer})


def _events(
    request: Request, row: Any, one: Record, for_admins: bool, details: bool
) -> list[dict[str, Any]]:
    events: list[dict[str, Any]] = []

    def add(
        name: str,
        start: datetime,
        end: datetime | None,
        result: str | None,
        host: str | None,
        why: str | None,
    ) -> None:
        event: dict[str, Any] = {
            "event": name,
            "start_time": naive_micro(start),
            "finish_time": naive_micro(end),
            "result": result,
        }
        if for_admins:
            event["traceback"] = why
        if request.microversion >= (2, 51):
            event["hostId"] = answers.host_id(row) if host else ""
            if for_admins:
                event["host"] = host
        if request.microversion >= (2, 84):
            event["details"] = why if details or result == "Error" else None
        events.append(event)

    add("request_accepted", one.started_at, one.started_at, "Success", None, None)
    taken = one.steps[0].started_at if one.steps else None
    add("operation_taken", one.started_at, taken, "Success" if taken else None, None, None)
    for step in one.steps:
        result = {"done": "Success", "failed": "Error", "undone": "Error"}.get(step.state)
        add(_snake(step.name), step.started_at, step.finished_at, result, step.host, step.error)
    return events


_A = "os_compute_api:os-instance-actions"
_ALL = "/v2.1/servers/{server_id}/os-instance-actions"
ROUTES = (
    Route(
        "GET",
        _ALL,
        list_actions,
        (f"{_A}:list",),
        query=("changes-before", "changes-since", "limit", "marker"),
    ),
    Route(
        "GET",
        _ALL + "/{request_id}",
        show_action,
        (f"{_A}:show", f"{_A}:events", f"{_A}:events:details"),
    ),
)
