"""Alarms.

Source: Aodh's REST API reference, "Alarms".
"""

from __future__ import annotations

from starlette.responses import Response

from hanok.base.errors import BadInput
from hanok.services.alarming.logic import alarms, queries
from hanok.services.alarming.logic.alarms import AlarmBody, Who
from hanok.services.alarming.room import Alarming
from hanok.web.request import Request, json_answer, no_content
from hanok.web.routes import Route


def _who(request: Request) -> Who:
    return Who(caller=request.reaching(), origin=request.origin, token=request.token_text)


async def list_alarms(request: Request, room: Alarming) -> Response:
    request.allow("telemetry:get_alarms", request.own)
    pairs = [(name, value) for name, value in request.parameters]
    wishes = queries.conditions(pairs)
    everywhere = queries.everywhere(wishes)
    if everywhere:
        request.allow("telemetry:get_alarms:all_projects", request.own)
    async with request.reading() as tx:
        items = await queries.found(tx, request.reaching(), wishes, all_projects=everywhere)
    return json_answer(queries.page(items, pairs, queries.SORTS, "alarm_id"))


async def create_alarm(request: Request, room: Alarming) -> Response:
    request.allow("telemetry:create_alarm", request.own)
    body = await request.body(AlarmBody)
    async with request.transaction() as tx:
        row = await alarms.create(tx, room, body, _who(request))
        request.made(row.alarm_id)
    headers = {"Location": f"{request.base_url}/v2/alarms/{row.alarm_id}"}
    return json_answer(alarms.shown(row), 201, headers)


async def show_alarm(request: Request, room: Alarming) -> Response:
    async with request.reading() as tx:
        request.allowed_by_hand()
        row = await alarms.find(tx, request.reaching(), request.path["alarm_id"])
    request.allow("telemetry:get_alarm", project_id=row.project_id, user_id=row.user_id)
    return json_answer(alarms.shown(row))


async def update_alarm(request: Request, room: Alarming) -> Response:
    async with request.transaction() as tx:
        request.allowed_by_hand()
        row = await alarms.find(tx, request.reaching(), request.path["alarm_id"])
        request.allow("telemetry:change_alarm", project_id=row.project_id, user_id=row.user_id)
        body = await request.body(AlarmBody)
        row = await alarms.update(tx, room, row, body, _who(request))
    return json_answer(alarms.shown(row))


async def delete_alarm(request: Request, room: Alarming) -> Response:
    async with request.transaction() as tx:
        request.allowed_by_hand()
        row = await alarms.find(tx, request.reaching(), request.path["alarm_id"])
        request.allow("telemetry:delete_alarm", project_id=row.project_id, user_id=row.user_id)
        await alarms.delete(tx, row.alarm_id)
    return no_content()


async def show_history(request: Request, room: Alarming) -> Response:
    async with request.reading() as tx:
        request.allowed_by_hand()
        row = await alarms.find(tx, request.reaching(), request.path["alarm_id"])
        request.allow("telemetry:alarm_history", project_id=row.project_id, user_id=row.user_id)
        items = await alarms.history(tx, row.alarm_id)
    if any(name.startswith("q.") for name, _ in request.parameters):
        raise BadInput(
            "The history of one alarm does not support a query: POST /v2/query/alarms/history"
        )
    return json_answer(queries.page(items, request.parameters, queries.CHANGE_SORTS, "event_id"))


async def show_state(request: Request, room: Alarming) -> Response:
    async with request.reading() as tx:
        request.allowed_by_hand()
        row = await alarms.find(tx, request.reaching(), request.path["alarm_id"])
    request.allow("telemetry:get_alarm_state", project_id=row.project_id, user_id=row.user_id)
    return json_answer(row.state)


async def set_state(request: Request, room: Alarming) -> Response:
    async with request.transaction() as tx:
        request.allowed_by_hand()
        row = await alarms.find(tx, request.reaching(), request.path["alarm_id"])
        request.allow(
            "telemetry:change_alarm_state", project_id=row.project_id, user_id=row.user_id
        )
        state = await request.json()
        if not isinstance(state, str):
            raise BadInput("state invalid")
        await alarms.set_state(tx, room, row, state, request.reaching())
    return json_answer(state)


async def query_alarms(request: Request, room: Alarming) -> Response:
    request.allow("telemetry:query_alarm", request.own)
    caller = request.reaching()
    async with request.reading() as tx:
        items = await queries.found(tx, caller, {}, all_projects=caller.everywhere)
    return json_answer(queries.searched(items, await request.json(), queries.SORTS))


async def query_history(request: Request, room: Alarming) -> Response:
    request.allow("telemetry:query_alarm_history", request.own)
    async with request.reading() as tx:
        items = await queries.all_changes(tx, request.reaching())
    return json_answer(queries.searched(items, await request.json(), queries.CHANGE_SORTS))


_ALL, _ONE = "/v2/alarms", "/v2/alarms/{alarm_id}"
ROUTES = (
    Route(
        "GET",
        _ALL,
        list_alarms,
        ("telemetry:get_alarms", "telemetry:get_alarms:all_projects"),
        query=queries.PARAMETERS,
    ),
    Route(
        "POST",
        _ALL,
        create_alarm,
        ("telemetry:create_alarm",),
        body=AlarmBody,
        strict=True,
        event="alarming.alarm.created",
    ),
    Route("GET", _ONE, show_alarm, ("telemetry:get_alarm",)),
    Route(
        "PUT",
        _ONE,
        update_alarm,
        ("telemetry:change_alarm",),
        body=AlarmBody,
        strict=True,
        event="alarming.alarm.updated",
    ),
    Route(
        "DELETE", _ONE, delete_alarm, ("telemetry:delete_alarm",), event="alarming.alarm.deleted"
    ),
    Route(
        "GET",
        f"{_ONE}/history",
        show_history,
        ("telemetry:alarm_history",),
        query=queries.PARAMETERS,
    ),
    Route("GET", f"{_ONE}/state", show_state, ("telemetry:get_alarm_state",)),
    Route(
        "PUT",
        f"{_ONE}/state",
        set_state,
        ("telemetry:change_alarm_state",),
        event="alarming.alarm.state_transition",
    ),
    Route("POST", "/v2/query/alarms", query_alarms, ("telemetry:query_alarm",)),
    Route("POST", "/v2/query/alarms/history", query_history, ("telemetry:query_alarm_history",)),
)
