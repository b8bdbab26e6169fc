"""Groups of volumes, and snapshots of groups.

Source: Block Storage API reference, "Generic volume groups (groups)", "Group snapshots", "Group replication".
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Row
from starlette.responses import Response

from hanok.base.errors import BadInput, NotFound
from hanok.services.block_storage.logic import group_types, groups
from hanok.services.block_storage.operations import groups as work
from hanok.services.block_storage.room import Volumes
from hanok.services.block_storage.routes import lists
from hanok.services.block_storage.routes.volume_actions import empty
from hanok.services.block_storage.schemas import bodies
from hanok.services.block_storage.schemas import groups as shapes
from hanok.services.block_storage.schemas.bodies import given, stripped
from hanok.services.block_storage.tables import group_snapshots as snapshots_table
from hanok.services.block_storage.tables import volume_groups as table
from hanok.store import Transaction
from hanok.web.request import Request, json_answer, no_content
from hanok.web.routes import Handler, Route
from hanok.web.versions import Parameter, Query

PROJECT = "group:group_project_attribute"
SNAPSHOT_PROJECT = "group:group_snapshot_project_attribute"
FILTERED = (3, 29)  # from here on lists are filtered

LIST = lists.declared(
    table,
    "groups",
    "Group",
    filters=("id", "name", "status", "availability_zone", "group_type", "project_id"),
    sort=("id", "name", "status", "group_type", "availability_zone", "created_at", "updated_at"),
    columns={"availability_zone": table.c.zone, "group_type": table.c.group_type_id},
)
SNAPSHOT_LIST = lists.declared(
    snapshots_table,
    "group_snapshots",
    "GroupSnapshot",
    filters=("id", "name", "status", "group_id", "project_id"),
    sort=("id", "name", "status", "group_id", "group_type_id", "created_at", "updated_at"),
)
_LISTED = Parameter(name="list_volume", since=(3, 25))
_PARAMETERS = tuple(lists.parameters(LIST, dict.fromkeys(LIST.filters, FILTERED)))
QUERY, DETAIL_QUERY = Query(*_PARAMETERS), Query(_LISTED, *_PARAMETERS)
SNAPSHOT_QUERY = Query(
    *lists.parameters(SNAPSHOT_LIST, dict.fromkeys(SNAPSHOT_LIST.filters, FILTERED))
)


readable = lists.finder(groups.get, "group_id")


def _view(request: Request, row: Any, volume_ids: Sequence[str] | None) -> dict[str, Any]:
    shown = shapes.group(row)
    if volume_ids is not None:
        shown["volumes"] = list(volume_ids)
    if request.may(PROJECT, project_id=row.project_id):
        shown["project_id"] = row.project_id
    return request.shown(shapes.GROUP)(shown)


def _with_volumes(request: Request) -> bool:
    sent = request.query.get("list_volume")
    return bool(sent) and bodies.truth(sent, "list_volume")


def _summary(request: Request, row: Any) -> dict[str, Any]:
    return shapes.summary(row)


async def _details(request: Request, tx: Transaction, rows: Sequence[Any]) -> lists.Show:
    if not _with_volumes(request):
        return lambda row: _view(request, row, None)
    there = await groups.volume_ids(tx, [row.id for row in rows])
    return lambda row: _view(request, row, there.get(row.id, []))


def _lister(prepare: lists.Prepare) -> Handler:
    return lists.lister(LIST, groups.of, groups.WHOLE, "group:get_all", prepare)


list_groups, list_detailed = _lister(lists.shows(_summary)), _lister(_details)


async def show_group(request: Request, room: Volumes) -> Response:
    async with request.reading() as tx:
        row = await readable(request, tx)
        there = await groups.volume_ids(tx, [row.id])
    ids = there.get(row.id, []) if _with_volumes(request) else None
    return json_answer({"group": _view(request, row, ids)})


async def create_group(request: Request, room: Volumes) -> Response:
    """POST /groups."""
    request.allow(project_id=request.token.project_id)
    body = await request.body(shapes.NewGroup, key="group")
    requested = groups.Requested(
        name=stripped(body.name),
        description=stripped(body.description),
        volume_types=body.volume_types,
        zone=given(body.availability_zone) or None,
    )
    async with request.transaction() as tx:
        kind = await group_types.requested(tx, request.reaching(), body.group_type)
        _check_kind(kind)
        row = await groups.create(tx, room, request.reaching(), kind, requested)
        request.made(row.id)
    return json_answer({"group": shapes.summary(row)}, 202)


def _check_kind(kind: Row[Any]) -> None:
    if kind.name == group_types.OF_CONSISTENCY_GROUPS:
        raise BadInput(
            f"Group_type {kind.name} is reserved for migrating CGs to groups. Migrated group can only be operated by "
            "CG APIs."
        )


async def create_of_source(request: Request, room: Volumes) -> Response:
    """POST /groups/action, create-from-src."""
    request.allow(project_id=request.token.project_id)
    body = await request.body(shapes.GroupOfSource, key="create-from-src")
    async with request.transaction() as tx:
        row = await made_of_source(
            request,
            tx,
            room,
            snapshot_id=given(body.group_snapshot_id),
            group_id=given(body.source_group_id),
            name=stripped(body.name),
            description=stripped(body.description),
        )
    return json_answer({"group": shapes.summary(row)}, 202)


async def made_of_source(
    request: Request,
    tx: Transaction,
    room: Volumes,
    *,
    snapshot_id: str | None,
    group_id: str | None,
    name: str | None,
    description: str | None,
) -> Row[Any]:
    """A new group like another one, or like a snapshot of one. Raises BadInput, NotFound, TooLarge."""
    caller = request.reaching()
    if bool(snapshot_id) == bool(group_id):
        raise BadInput(
            "Either 'group_snapshot_id' or 'source_group_id' must be provided to create a group from source, not both."
        )
    snapshot = None
    if snapshot_id:
        await tx.take_turn(snapshot_id)
        snapshot = await groups.get_snapshot(tx, caller, snapshot_id)
    source_id = group_id if snapshot is None else snapshot.group_id
    await tx.take_turn(source_id or "")
    source = await groups.get(tx, caller, source_id or "")
    row, made = await groups.create_of(
        tx, room, caller, source, snapshot=snapshot, name=name, description=description
    )
    await work.begin_create_of(tx, room, caller.user_id, row, made)
    return row


def ids(text: Any) -> list[str]:
    """Ids with commas between them."""
    return [one.strip() for one in (given(text) or "").split(",") if one.strip()]


async def update_group(request: Request, room: Volumes) -> Response:
    return await changed(request, room, await request.body(shapes.ChangedGroup, key="group"))


async def changed(request: Request, room: Volumes, body: shapes.ChangedGroup) -> Response:
    """A group is called otherwise, or has other volumes."""
    values = {
        name: stripped(value)
        for name, value in (("name", body.name), ("description", body.description))
        if isinstance(value, str)
    }
    add, remove = ids(body.add_volumes), ids(body.remove_volumes)
    if not (values or add or remove):
        raise BadInput(
            "Invalid input received: At least one of the following must be provided: name, description, add_volumes, "
            "remove_volumes."
        )
    async with request.transaction() as tx:
        row = await readable(request, tx)
        await groups.update(tx, room, request.reaching(), row, values, add=add, remove=remove)
    return no_content(202)


async def delete_group(request: Request, room: Volumes) -> Response:
    body = await request.body(shapes.DeletedGroup, key="delete")
    sent = given(body.delete_volumes)
    async with request.transaction() as tx:
        row = await readable(request, tx)
        await work.begin_delete(
            tx,
            room,
            request.token.user_id,
            row,
            with_volumes=sent is not None and bodies.truth(sent, "delete-volumes"),
        )
    return no_content(202)


async def reset_status(request: Request, room: Volumes) -> Response:
    body = await request.body(bodies.ResetStatus, key="reset_status")
    status = body.status.lower()
    if status not in groups.STATUSES:
        raise BadInput(f"Invalid group status: '{status[:100]}'.")
    async with request.transaction() as tx:
        row = await readable(request, tx)
        await groups.change(tx, row.id, {"status": status}, room.clock.now())
    return no_content(202)


# ---- replicas, which no back end has ----


async def _not_replicated(request: Request) -> Response:
    async with request.reading() as tx:
        row = await readable(request, tx)
    raise BadInput(f"Invalid group type: Group {row.id} is not a replication group type.")


async def enable_replication(request: Request, room: Volumes) -> Response:
    await empty(request, "enable_replication")
    return await _not_replicated(request)


async def disable_replication(request: Request, room: Volumes) -> Response:
    await empty(request, "disable_replication")
    return await _not_replicated(request)


async def list_targets(request: Request, room: Volumes) -> Response:
    await empty(request, "list_replication_targets")
    return await _not_replicated(request)


async def fail_over(request: Request, room: Volumes) -> Response:
    body = await request.body(shapes.FailOverGroup, key="failover_replication")
    if given(body.allow_attached_volume) is not None:
        bodies.truth(body.allow_attached_volume, "allow_attached_volume")
    return await _not_replicated(request)


# ---- snapshots ----


readable_snapshot = lists.finder(groups.get_snapshot, "group_snapshot_id")


def _snapshot(request: Request, row: Any) -> dict[str, Any]:
    shown = shapes.snapshot(row)
    if request.may(SNAPSHOT_PROJECT, project_id=row.project_id):
        shown["project_id"] = row.project_id
    return request.shown(shapes.SNAPSHOT)(shown)


def _snapshot_summary(request: Request, row: Any) -> dict[str, Any]:
    return shapes.snapshot_summary(row)


def _snapshot_lister(show: Any) -> Handler:
    rule, of = "group:get_all_group_snapshots", groups.snapshots_of_caller
    return lists.lister(SNAPSHOT_LIST, of, groups.SNAPSHOTS, rule, lists.shows(show))


list_snapshots = _snapshot_lister(_snapshot_summary)
list_snapshots_detailed = _snapshot_lister(_snapshot)


async def show_snapshot(request: Request, room: Volumes) -> Response:
    async with request.reading() as tx:
        row = await readable_snapshot(request, tx)
    return json_answer({"group_snapshot": _snapshot(request, row)})


async def create_snapshot(request: Request, room: Volumes) -> Response:
    body = await request.body(shapes.NewGroupSnapshot, key="group_snapshot")
    async with request.transaction() as tx:
        row = await new_snapshot(
            request, tx, room, body.group_id, stripped(body.name), stripped(body.description)
        )
    return json_answer({"group_snapshot": shapes.snapshot_summary(row)}, 202)


async def new_snapshot(
    request: Request,
    tx: Transaction,
    room: Volumes,
    group_id: str,
    name: str | None,
    description: str | None,
) -> Row[Any]:
    """A snapshot of a group, begun. Raises BadInput, Forbidden, NotFound, TooLarge."""
    request.allowed_by_hand()
    caller = request.reaching()
    await tx.take_turn(group_id)
    group = await groups.get(tx, caller, group_id)
    request.allow("group:create_group_snapshot", project_id=group.project_id)
    row = await groups.create_snapshot(tx, room, caller, group, name=name, description=description)
    await work.begin_snapshot(tx, room, caller.user_id, row)
    return row


async def delete_snapshot(request: Request, room: Volumes) -> Response:
    async with request.transaction() as tx:
        row = await readable_snapshot(request, tx)
        await work.begin_delete_snapshot(tx, room, request.token.user_id, row)
    return no_content(202)


async def reset_snapshot_status(request: Request, room: Volumes) -> Response:
    body = await request.body(bodies.ResetStatus, key="reset_status")
    status = body.status.lower()
    if status not in groups.SNAPSHOT_STATUSES:
        raise BadInput(f"Invalid GroupSnapshot status: '{status[:100]}'.")
    async with request.transaction() as tx:
        row = await readable_snapshot(request, tx)
        now = room.clock.now()
        await groups.change_snapshot(tx, row.id, {"status": status}, now)
        await groups.set_snapshots(tx, row.id, {"status": status}, now)
    return no_content(202)


# ---- consistency groups: groups of one type, as they were called before ----


async def _consistent(tx: Transaction, row: Row[Any]) -> Row[Any]:
    """Raises NotFound for a group of another type."""
    kind = await group_types.of_consistency_groups(tx)
    if row.group_type_id != kind.id:
        raise NotFound(f"ConsistencyGroup {row.id} could not be found.")
    return row


async def list_consistency_groups(request: Request, room: Volumes) -> Response:
    return await _consistency_groups(request, detailed=False)


async def list_consistency_groups_detailed(request: Request, room: Volumes) -> Response:
    return await _consistency_groups(request, detailed=True)


async def _consistency_groups(request: Request, *, detailed: bool) -> Response:
    request.allow("group:get_all", project_id=request.token.project_id)
    statement = groups.of(request.reaching(), groups.WHOLE, everywhere=lists.everywhere(request))
    async with request.reading() as tx:
        kind = await group_types.of_consistency_groups(tx)
        page = await LIST.page(request, tx, groups.of_type(statement, kind.id))
    show = shapes.consistency_group if detailed else shapes.summary
    return json_answer({"consistencygroups": [show(row) for row in page.rows]})


async def show_consistency_group(request: Request, room: Volumes) -> Response:
    async with request.reading() as tx:
        row = await _consistent(tx, await readable(request, tx))
    return json_answer({"consistencygroup": shapes.consistency_group(row)})


async def create_consistency_group(request: Request, room: Volumes) -> Response:
    request.allow(project_id=request.token.project_id)
    body = await request.body(shapes.NewConsistencyGroup, key="consistencygroup")
    requested = groups.Requested(
        name=stripped(body.name),
        description=stripped(body.description),
        volume_types=ids(body.volume_types),
        zone=given(body.availability_zone) or None,
    )
    async with request.transaction() as tx:
        kind = await group_types.of_consistency_groups(tx)
        row = await groups.create(tx, room, request.reaching(), kind, requested)
        request.made(row.id)
    return json_answer({"consistencygroup": shapes.summary(row)}, 202)


async def create_consistency_group_of_source(request: Request, room: Volumes) -> Response:
    request.allow(project_id=request.token.project_id)
    body = await request.body(shapes.ConsistencyGroupOfSource, key="consistencygroup-from-src")
    async with request.transaction() as tx:
        row = await made_of_source(
            request,
            tx,
            room,
            snapshot_id=given(body.cgsnapshot_id),
            group_id=given(body.source_cgid),
            name=stripped(body.name),
            description=stripped(body.description),
        )
        await _consistent(tx, row)
    return json_answer({"consistencygroup": shapes.summary(row)}, 202)


async def update_consistency_group(request: Request, room: Volumes) -> Response:
    body = await request.body(shapes.ChangedGroup, key="consistencygroup")
    return await changed(request, room, body)


async def delete_consistency_group(request: Request, room: Volumes) -> Response:
    body = shapes.DeletedConsistencyGroup()
    if await request.json():
        body = await request.body(shapes.DeletedConsistencyGroup, key="consistencygroup")
    sent = given(body.force)
    force = sent is not None and bodies.truth(sent, "force")
    async with request.transaction() as tx:
        row = await _consistent(tx, await readable(request, tx))
        await work.begin_delete(tx, room, request.token.user_id, row, with_volumes=force)
    return no_content(202)


async def list_consistency_snapshots(request: Request, room: Volumes) -> Response:
    return await _consistency_snapshots(request, detailed=False)


async def list_consistency_snapshots_detailed(request: Request, room: Volumes) -> Response:
    return await _consistency_snapshots(request, detailed=True)


async def _consistency_snapshots(request: Request, *, detailed: bool) -> Response:
    request.allow("group:get_all_group_snapshots", project_id=request.token.project_id)
    statement = groups.snapshots_of_caller(
        request.reaching(), groups.SNAPSHOTS, everywhere=lists.everywhere(request)
    )
    async with request.reading() as tx:
        kind = await group_types.of_consistency_groups(tx)
        found = groups.snapshots_of_type(statement, kind.id)
        page = await SNAPSHOT_LIST.page(request, tx, found)
    show = shapes.consistency_snapshot if detailed else shapes.summary
    return json_answer({"cgsnapshots": [show(row) for row in page.rows]})


async def show_consistency_snapshot(request: Request, room: Volumes) -> Response:
    async with request.reading() as tx:
        row = await _consistent(tx, await readable_snapshot(request, tx))
    return json_answer({"cgsnapshot": shapes.consistency_snapshot(row)})


async def create_consistency_snapshot(request: Request, room: Volumes) -> Response:
    body = await request.body(shapes.NewConsistencySnapshot, key="cgsnapshot")
    async with request.transaction() as tx:
        row = await new_snapshot(
            request,
            tx,
            room,
            body.consistencygroup_id,
            stripped(body.name),
            stripped(body.description),
        )
        await _consistent(tx, row)
    return json_answer({"cgsnapshot": shapes.summary(row)}, 202)


async def delete_consistency_snapshot(request: Request, room: Volumes) -> Response:
    async with request.transaction() as tx:
        row = await _consistent(tx, await readable_snapshot(request, tx))
        await work.begin_delete_snapshot(tx, room, request.token.user_id, row)
    return no_content(202)


_ALL, _ONE = "/v3/groups", "/v3/groups/{group_id}"
_ACTION = f"{_ONE}/action"
_SALL, _SONE = "/v3/group_snapshots", "/v3/group_snapshots/{group_snapshot_id}"
_CALL, _CONE = "/v3/consistencygroups", "/v3/consistencygroups/{group_id}"
_CSALL, _CSONE = "/v3/cgsnapshots", "/v3/cgsnapshots/{group_snapshot_id}"
_E = "block_storage.group"
_REPLICAS = (
    ("enable_replication", enable_replication, None),
    ("disable_replication", disable_replication, None),
    ("failover_replication", fail_over, shapes.FailOverGroup),
    ("list_replication_targets", list_targets, None),
)
_GET_ALL, _GET_SNAPSHOTS = ("group:get_all",), ("group:get_all_group_snapshots",)
ROUTES = (
    Route("GET", _ALL, list_groups, _GET_ALL, minimum=(3, 13), query=QUERY),
    Route(
        "GET", f"{_ALL}/detail", list_detailed, (*_GET_ALL, PROJECT), minimum=(3, 13), query=DETAIL_QUERY
    ),
    Route(
        "POST", _ALL, create_group, ("group:create",), minimum=(3, 13), body=shapes.NewGroup,
        member="group", strict=True, event=f"{_E}.create.end",
    ),
    Route(
        "POST", f"{_ALL}/action", create_of_source, ("group:create",), minimum=(3, 14),
        body_key="create-from-src", body=shapes.GroupOfSource, member="create-from-src", strict=True,
    ),
    Route(
        "GET", _ONE, show_group, ("group:get", PROJECT), minimum=(3, 13), query=Query(_LISTED)
    ),
    Route(
        "PUT", _ONE, update_group, ("group:update",), minimum=(3, 13), body=shapes.ChangedGroup,
        member="group", strict=True, event=f"{_E}.update.end",
    ),
    Route(
        "POST", _ACTION, delete_group, ("group:delete",), minimum=(3, 13), body_key="delete",
        body=shapes.DeletedGroup, member="delete", strict=True,
    ),
    Route(
        "POST", _ACTION, reset_status, ("group:reset_status",), minimum=(3, 20),
        body_key="reset_status", body=bodies.ResetStatus, member="reset_status", strict=True,
        event=f"{_E}.reset_status.end",
    ),
    *(
        Route(
            "POST", _ACTION, handler, (f"group:{name}",), minimum=(3, 38), body_key=name, body=body,
            member=name if body else "", strict=body is not None,
        )
        for name, handler, body in _REPLICAS
    ),
    Route("GET", _SALL, list_snapshots, _GET_SNAPSHOTS, minimum=(3, 14), query=SNAPSHOT_QUERY),
    Route(
        "GET", f"{_SALL}/detail", list_snapshots_detailed, (*_GET_SNAPSHOTS, SNAPSHOT_PROJECT),
        minimum=(3, 14), query=SNAPSHOT_QUERY,
    ),
    Route(
        "POST", _SALL, create_snapshot, ("group:create_group_snapshot",), minimum=(3, 14),
        body=shapes.NewGroupSnapshot, member="group_snapshot", strict=True,
    ),
    Route(
        "GET", _SONE, show_snapshot, ("group:get_group_snapshot", SNAPSHOT_PROJECT), minimum=(3, 14)
    ),
    Route("DELETE", _SONE, delete_snapshot, ("group:delete_group_snapshot",), minimum=(3, 14)),
    Route(
        "POST", f"{_SONE}/action", reset_snapshot_status, ("group:reset_group_snapshot_status",),
        minimum=(3, 19), body_key="reset_status", body=bodies.ResetStatus, member="reset_status",
        strict=True, event=f"{_E}_snapshot.reset_status.end",
    ),
    Route(
        "GET", _CALL, list_consistency_groups, _GET_ALL, query=("all_tenants", *LIST.parameters)
    ),
    Route(
        "GET", f"{_CALL}/detail", list_consistency_groups_detailed, _GET_ALL,
        query=("all_tenants", *LIST.parameters),
    ),
    Route(
        "POST", _CALL, create_consistency_group, ("group:create",), body=shapes.NewConsistencyGroup,
        member="consistencygroup", strict=True, event=f"{_E}.create.end",
    ),
    Route(
        "POST", f"{_CALL}/create_from_src", create_consistency_group_of_source, ("group:create",),
        body=shapes.ConsistencyGroupOfSource, member="consistencygroup-from-src", strict=True,
    ),
    Route("GET", _CONE, show_consistency_group, ("group:get",)),
    *(
        Route(
            "PUT", path, update_consistency_group, ("group:update",), body=shapes.ChangedGroup,
            member="consistencygroup", strict=True, event=f"{_E}.update.end",
        )
        for path in (_CONE, f"{_CONE}/update")
    ),
    Route(
        "POST", f"{_CONE}/delete", delete_consistency_group, ("group:delete",),
        body=shapes.DeletedConsistencyGroup, member="consistencygroup", strict=True,
    ),
    Route(
        "GET", _CSALL, list_consistency_snapshots, _GET_SNAPSHOTS,
        query=("all_tenants", *SNAPSHOT_LIST.parameters),
    ),
    Route(
        "GET", f"{_CSALL}/detail", list_consistency_snapshots_detailed, _GET_SNAPSHOTS,
        query=("all_tenants", *SNAPSHOT_LIST.parameters),
    ),
    Route(
        "POST", _CSALL, create_consistency_snapshot, ("group:create_group_snapshot",),
        body=shapes.NewConsistencySnapshot, member="cgsnapshot", strict=True,
    ),
    Route("GET", _CSONE, show_consistency_snapshot, ("group:get_group_snapshot",)),
    Route("DELETE", _CSONE, delete_consistency_snapshot, ("group:delete_group_snapshot",)),
)  # fmt: skip
