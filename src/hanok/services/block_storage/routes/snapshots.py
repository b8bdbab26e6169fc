"""Snapshots: lists, show, create, change, delete, actions.

Source: Block Storage API reference, "Volume snapshots", "Snapshot actions".
"""

from __future__ import annotations

from typing import Any

from starlette.responses import Response

from hanok.base.errors import BadInput
from hanok.services.block_storage.logic import snapshots, volumes
from hanok.services.block_storage.operations import begin
from hanok.services.block_storage.room import Volumes
from hanok.services.block_storage.routes import lists
from hanok.services.block_storage.routes.volumes import named
from hanok.services.block_storage.schemas import answers, bodies
from hanok.services.block_storage.schemas.bodies import given, stripped
from hanok.services.block_storage.tables import volume_snapshots as table
from hanok.web.request import Request, json_answer, no_content
from hanok.web.routes import Handler, Route
from hanok.web.versions import Query

PROJECT = "volume_extension:extended_snapshot_attributes"
NO_FORCE = (3, 66)  # from here on a volume in use needs no force

LIST = lists.declared(
    table,
    "snapshots",
    "Snapshot",
    filters=(
        "id", "name", "status", "volume_id", "volume_size", "metadata", "user_id", "project_id", "created_at",
        "updated_at",
    ),
    like=("name", "status"),
    sort=(
        "id", "name", "display_name", "status", "volume_id", "volume_size", "size", "created_at", "updated_at",
    ),
    columns={"volume_size": table.c.size_gib, "size": table.c.size_gib, "display_name": table.c.name},
)  # fmt: skip
QUERY = Query(
    *lists.parameters(LIST, {"metadata": (3, 22), "created_at": (3, 60), "updated_at": (3, 60)})
)


readable = lists.finder(snapshots.get, "snapshot_id")


def _view(request: Request, row: Any) -> dict[str, Any]:
    shown = answers.snapshot(row)
    if request.may(PROJECT, project_id=row.project_id):
        shown |= answers.snapshot_of_project(row)
    return request.shown(answers.SNAPSHOT)(shown)


def _made(request: Request, row: Any) -> dict[str, Any]:
    return request.shown(answers.SNAPSHOT)(answers.snapshot(row))


def _lister(show: Any) -> Handler:
    rule, prepare = "volume:get_all_snapshots", lists.shows(show)
    return lists.lister(LIST, snapshots.of, snapshots.WHOLE, rule, prepare)


list_snapshots, list_detailed = _lister(_made), _lister(_view)


async def show_snapshot(request: Request, room: Volumes) -> Response:
    async with request.reading() as tx:
        row = await readable(request, tx)
    return json_answer({"snapshot": _view(request, row)})


async def create_snapshot(request: Request, room: Volumes) -> Response:
    """POST /snapshots: of a volume in use only when it is forced."""
    body = await request.body(bodies.NewSnapshot, key="snapshot")
    sent = given(body.force)
    forced = sent is not None and bodies.truth(sent, "force")
    return await _create(request, room, body, force=forced)


async def create_snapshot_of_any(request: Request, room: Volumes) -> Response:
    """POST /snapshots: also of a volume in use; to forbid that is refused."""
    body = await request.body(bodies.NewSnapshot, key="snapshot")
    sent = given(body.force)
    if sent is not None and not bodies.truth(sent, "force"):
        raise BadInput(
            "Invalid value for 'force': since 3.66 volumes in use can always be snapshotted, and 'false' is not taken."
        )
    return await _create(request, room, body, force=True)


async def _create(
    request: Request, room: Volumes, body: bodies.NewSnapshot, *, force: bool
) -> Response:
    name, description = given(body.name), given(body.description)
    async with request.transaction() as tx:
        request.allowed_by_hand()
        volume = await volumes.to_change(tx, request.reaching(), str(body.volume_id))
        request.allow("volume:create_snapshot", project_id=volume.project_id)
        row = await snapshots.create(
            tx,
            room,
            request.reaching(),
            volume,
            name=stripped(name if name is not None else body.display_name),
            description=stripped(
                description if description is not None else body.display_description
            ),
            metadata=given(body.metadata) or {},
            force=force,
        )
        await begin.create_snapshot(tx, room, request.reaching(), row)
    return json_answer({"snapshot": _made(request, row)}, 202)


async def update_snapshot(request: Request, room: Volumes) -> Response:
    body = await request.body(bodies.ChangedSnapshot, key="snapshot")
    values = named(body)
    if not values:
        raise BadInput("Invalid input received: Must specify one or more of name, description.")
    async with request.transaction() as tx:
        row = await readable(request, tx)
        await snapshots.change(tx, row.id, values, room.clock.now())
        changed = await snapshots.get(tx, request.reaching(), row.id)
    return json_answer({"snapshot": _made(request, changed)})


async def delete_snapshot(request: Request, room: Volumes) -> Response:
    async with request.transaction() as tx:
        row = await readable(request, tx)
        await begin.delete_snapshot(tx, room, request.reaching(), row)
    return no_content(202)


# ---- actions ----


async def reset_status(request: Request, room: Volumes) -> Response:
    body = await request.body(bodies.ResetStatus, key="os-reset_status")
    status = body.status.lower()
    if status not in snapshots.STATUSES:
        raise BadInput(f"Must specify a valid status: '{status[:100]}' is not one.")
    async with request.transaction() as tx:
        row = await readable(request, tx)
        await snapshots.change(tx, row.id, {"status": status}, room.clock.now())
    return no_content(202)


async def force_delete(request: Request, room: Volumes) -> Response:
    sent = (await request.json())["os-force_delete"]
    if sent not in (None, {}, ""):
        raise BadInput("Invalid input for field/attribute os-force_delete. It takes no values.")
    async with request.transaction() as tx:
        row = await readable(request, tx)
        await begin.delete_snapshot(tx, room, request.reaching(), row, force=True)
    return no_content(202)


_NEXT = {
    "creating": ("creating", "available", "error"),
    "deleting": ("deleting", "error_deleting"),
}


async def update_status(request: Request, room: Volumes) -> Response:
    """os-update_snapshot_status: a back end says how far a snapshot is that it makes or deletes."""
    body = await request.body(bodies.SnapshotStatus, key="os-update_snapshot_status")
    progress = given(body.progress)
    async with request.transaction() as tx:
        row = await readable(request, tx)
        if row.status not in _NEXT:
            raise BadInput(f"Snapshot status {row.status} not allowed for update_snapshot_status")
        if body.status not in _NEXT[row.status]:
            raise BadInput(
                f"Provided snapshot status {body.status} not allowed for snapshot with status {row.status}."
            )
        values: dict[str, Any] = {"status": body.status}
        if progress is not None:
            values["progress"] = int(progress.rstrip("%"))
        await snapshots.change(tx, row.id, values, room.clock.now())
    return no_content(202)


_ONE = "/v3/snapshots/{snapshot_id}"
_ACTION = f"{_ONE}/action"
_ADMIN = "volume_extension:snapshot_admin_actions"
ROUTES = (
    Route("GET", "/v3/snapshots", list_snapshots, ("volume:get_all_snapshots",), query=QUERY),
    Route(
        "GET",
        "/v3/snapshots/detail",
        list_detailed,
        ("volume:get_all_snapshots", PROJECT),
        query=QUERY,
    ),
    Route(
        "POST",
        "/v3/snapshots",
        create_snapshot,
        ("volume:create_snapshot",),
        maximum=(3, 65),
        body=bodies.NewSnapshot,
        member="snapshot",
        strict=True,
    ),
    Route(
        "POST",
        "/v3/snapshots",
        create_snapshot_of_any,
        ("volume:create_snapshot",),
        minimum=NO_FORCE,
        body=bodies.NewSnapshot,
        member="snapshot",
        strict=True,
    ),
    Route("GET", _ONE, show_snapshot, ("volume:get_snapshot", PROJECT)),
    Route(
        "PUT",
        _ONE,
        update_snapshot,
        ("volume:update_snapshot",),
        body=bodies.ChangedSnapshot,
        member="snapshot",
        strict=True,
        event="block_storage.snapshot.update.end",
    ),
    Route("DELETE", _ONE, delete_snapshot, ("volume:delete_snapshot",)),
    Route(
        "POST",
        _ACTION,
        reset_status,
        (f"{_ADMIN}:reset_status",),
        body_key="os-reset_status",
        body=bodies.ResetStatus,
        member="os-reset_status",
        strict=True,
        event="block_storage.snapshot.reset_status.end",
    ),
    Route("POST", _ACTION, force_delete, (f"{_ADMIN}:force_delete",), body_key="os-force_delete"),
    Route(
        "POST",
        _ACTION,
        update_status,
        ("snapshot_extension:snapshot_actions:update_snapshot_status",),
        body_key="os-update_snapshot_status",
        body=bodies.SnapshotStatus,
        member="os-update_snapshot_status",
        strict=True,
        event="block_storage.snapshot.update.end",
    ),
)
