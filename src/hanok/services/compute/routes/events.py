"""What was done to a server: actions, and the events each consists of. The record is the operation's own."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime
from typing import Any

from msgspec.structs import replace
from starlette.responses import Response

from hanok.base.clock import naive_micro
from hanok.base.errors import BadInput, NotFound
from hanok.operations import Record, record, records_of
from hanok.services.compute.logic import servers
from hanok.services.compute.room import Compute
from hanok.services.compute.routes.server_lists import check_changes, moment, second_after
from hanok.services.compute.schemas import answers
from hanok.store import Transaction
from hanok.web.listing import COMPUTE, Links
from hanok.web.plain_lists import PlainList
from hanok.web.request import Request, json_answer
from hanok.web.routes import Handler, Route
from hanok.web.versions import Parameter, Query

# Where the kind of an operation does not say it.
NAMES = {
    "compute.create_server_with_volumes": "create",
    "compute.create_image_of_volumes": "createImage",
    "compute.rebuild_volume_backed": "rebuild",
    "compute.shelve_volume_backed": "shelve",
    "compute.offload_server": "shelveOffload",
    "compute.wake_server": "unshelve",
    "compute.soft_delete_server": "delete",
    "compute.change_password": "changePassword",
    "compute.confirm_resize": "confirmResize",
    "compute.revert_resize": "revertResize",
    "compute.live_migrate_server": "live-migration",
}
# What upstream calls the work of a host that an action comes down to: clients wait for its end by this name.
WORK = {
    "compute.soft_delete_server": "compute_soft_delete_instance",
    "attach_interface": "compute_attach_interface",
    "attach_volume": "compute_attach_volume",
    "changePassword": "compute_set_admin_password",
    "confirmResize": "compute_confirm_resize",
    "create": "compute__do_build_and_run_instance",
    "createBackup": "compute_backup_instance",
    "createImage": "compute_snapshot_instance",
    "delete": "compute_terminate_instance",
    "detach_interface": "compute_detach_interface",
    "detach_volume": "compute_detach_volume",
    "extend_volume": "compute_extend_volume",
    "live-migration": "compute_live_migration",
    "migrate": "compute_finish_resize",
    "pause": "compute_pause_instance",
    "reboot": "compute_reboot_instance",
    "rebuild": "compute_rebuild_instance",
    "rescue": "compute_rescue_instance",
    "resize": "compute_finish_resize",
    "restore": "compute_restore_instance",
    "resume": "compute_resume_instance",
    "revertResize": "compute_finish_revert_resize",
    "shelve": "compute_shelve_instance",
    "shelveOffload": "compute_shelve_offload_instance",
    "start": "compute_start_instance",
    "stop": "compute_stop_instance",
    "suspend": "compute_suspend_instance",
    "trigger_crash_dump": "compute_trigger_crash_dump",
    "unpause": "compute_unpause_instance",
    "unrescue": "compute_unrescue_instance",
    "unshelve": "compute_unshelve_instance",
}


def _links(answer: dict[str, Any], name: str, links: Links) -> None:
    if links.next is not None:
        answer["links"] = [{"rel": "next", "href": links.next}]


def _changed(one: Record) -> datetime:
    return one.finished_at or one.started_at


def _since(values: list[str]) -> Callable[[Record], bool]:
    since = moment(values[-1], "changes-since")
    return lambda one: _changed(one) >= since


def _before(values: list[str]) -> Callable[[Record], bool]:
    before = second_after(moment(values[-1], "changes-before"))
    return lambda one: _changed(one) < before


ACTIONS = PlainList[Record](
    name="instanceActions",
    style=replace(
        COMPUTE,
        put=_links,
        missing=lambda marker: BadInput(f"Marker {marker[:100]} could not be found."),
    ),
    key=lambda one: one.request_id,
    conditions={"changes-since": _since, "changes-before": _before},
)


def _name(one: Record) -> str:
    """The action's name as upstream has it."""
    if one.kind == "compute.change_power":
        return str(one.arguments["action"]).removesuffix("_hard")
    if one.kind == "compute.note_guest":
        return str(one.arguments["action"])
    if one.kind == "compute.create_image":
        return "createImage" if one.arguments.get("rotation") is None else "createBackup"
    return NAMES.get(one.kind) or one.kind.removeprefix("compute.").removesuffix("_server")


def _snake(name: str) -> str:
    return re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()


async def _server(request: Request, tx: Transaction, rule: str, *, even_deleted: bool) -> Any:
    """The server; where that is asked for, also after its deletion, which its record outlives."""
    server_id, caller = request.path["server_id"], request.reaching()
    row = await servers.get_even_deleted(tx, server_id)
    if (
        row is None
        or (row.deleted and not even_deleted)
        or (row.project_id != caller.project_id and not caller.everywhere)
    ):
        request.allowed_by_hand()
        raise servers.missing(server_id)
    request.allow(rule, project_id=row.project_id)
    return row


def _action(row: Any, one: Record) -> dict[str, Any]:
    return {
        "action": _name(one),
        "instance_uuid": row.id,
        "request_id": one.request_id,
        "user_id": one.user_id,
        "project_id": one.project_id,
        "start_time": naive_micro(one.started_at),
        "message": "Error" if one.state == "failed" else None,
        "updated_at": naive_micro(one.finished_at or one.started_at),
    }


def _lister(*, even_deleted: bool) -> Handler:
    async def list_actions(request: Request, room: Compute) -> Response:
        """GET /servers/{id}/os-instance-actions: newest first."""
        shown = request.shown(answers.ACTION)
        check_changes(request)
        rule = f"{_A}:list"
        async with request.reading() as tx:
            row = await _server(request, tx, rule, even_deleted=even_deleted)
            found = list(reversed(await records_of(tx, f"server:{row.id}")))
        page, links = ACTIONS.page(request, found)
        items = [shown(_action(row, one)) for one in page]
        return json_answer(ACTIONS.answer_of({ACTIONS.name: items}, links))

    return list_actions


def _shower(*, even_deleted: bool) -> Handler:
    async def show_action(request: Request, room: Compute) -> Response:
        """GET /servers/{id}/os-instance-actions/{request_id}: with its steps and their times."""
        request_id = request.path["request_id"]
        async with request.reading() as tx:
            row = await _server(request, tx, f"{_A}:show", even_deleted=even_deleted)
            one = await record(tx, f"server:{row.id}", request_id)
        if one is None:
            raise NotFound(f"Action for request_id {request_id} on instance {row.id} not found")
        project = {"project_id": row.project_id}
        sees_all = request.may("os_compute_api:os-instance-actions:events", project)
        details = request.may("os_compute_api:os-instance-actions:events:details", project)
        answer = {
            **_action(row, one),
            "events": _events(request, row, one, sees_all, details),
            "_sees_all": sees_all,
        }
        return json_answer({"instanceAction": request.shown(answers.ACTION)(answer)})

    return show_action


def _events(
    request: Request, row: Any, one: Record, for_admins: bool, details: bool
) -> list[dict[str, Any]]:
    events: list[dict[str, Any]] = []
    shown = request.shown(answers.EVENT)

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
            "hostId": answers.host_id(row) if host else "",
        }
        if details:
            event["details"] = why
        if for_admins:
            event |= {"traceback": why, "host": host}
        events.append(shown(event))

    add("request_accepted", one.started_at, one.started_at, "Success", None, None)
    taken = one.steps[0].started_at if one.steps else None
    add("operation_taken", one.started_at, taken, "Success" if taken else None, None, None)
    if taken and (work := WORK.get(one.kind) or WORK.get(_name(one))):
        why = next((step.error for step in reversed(one.steps) if step.error), None)
        host = next((step.host for step in reversed(one.steps) if step.host), None)
        add(work, taken, one.finished_at, _RESULTS.get(one.state), host, why)
    for step in one.steps:
        result = _RESULTS.get(step.state)
        add(_snake(step.name), step.started_at, step.finished_at, result, step.host, step.error)
    return events


_RESULTS = {"done": "Success", "failed": "Error", "undone": "Error", "cancelled": "Error"}
_A = "os_compute_api:os-instance-actions"
_ALL = "/v2.1/servers/{server_id}/os-instance-actions"
_QUERY = Query(
    *(Parameter(name=name, since=(2, 58)) for name in ("limit", "marker", "changes-since")),
    Parameter(name="changes-before", since=(2, 66)),
    closed=(2, 58),
)
_SHOW = (f"{_A}:show", f"{_A}:events", f"{_A}:events:details")
_OLDER = _SHOW[:2]  # the details of events are shown from 2.84 on
ROUTES = (
    Route("GET", _ALL, _lister(even_deleted=False), (f"{_A}:list",), maximum=(2, 20), query=_QUERY),
    Route("GET", _ALL, _lister(even_deleted=True), (f"{_A}:list",), minimum=(2, 21), query=_QUERY),
    Route("GET", _ALL + "/{request_id}", _shower(even_deleted=False), _OLDER, maximum=(2, 20)),
    Route("GET", _ALL + "/{request_id}", _shower(even_deleted=True), _SHOW, minimum=(2, 21)),
)
