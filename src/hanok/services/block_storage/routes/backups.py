"""Backups: lists, show, create, change, delete, restore, records, actions.

Source: Block Storage API reference, "Backups", "Backup actions".
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from starlette.responses import Response

from hanok.base.errors import BadInput
from hanok.services.block_storage.logic import backups, creating, snapshots, volumes
from hanok.services.block_storage.operations import begin
from hanok.services.block_storage.room import Volumes
from hanok.services.block_storage.routes import lists
from hanok.services.block_storage.routes.volume_actions import empty
from hanok.services.block_storage.schemas import backups as shapes
from hanok.services.block_storage.schemas import bodies
from hanok.services.block_storage.schemas.bodies import given, stripped
from hanok.services.block_storage.tables import volume_backups as table
from hanok.store import Transaction
from hanok.web.request import Request, json_answer, no_content
from hanok.web.routes import Handler, Route
from hanok.web.versions import Query

PROJECT = "backup:backup_project_attribute"

LIST = lists.declared(
    table,
    "backups",
    "Backup",
    filters=(
        "id", "name", "status", "volume_id", "snapshot_id", "container", "size", "user_id", "project_id", "metadata",
    ),
    like=("name", "status"),
    sort=("id", "name", "status", "volume_id", "size", "created_at", "updated_at"),
    columns={"size": table.c.size_gib},
)  # fmt: skip
QUERY = Query(*lists.parameters(LIST, {"metadata": (3, 43)}))


readable = lists.finder(backups.get, "backup_id")


def _view(request: Request, row: Any, dependents: bool) -> dict[str, Any]:
    shown = shapes.detail(row, request.base_url, dependents=dependents)
    if request.may(PROJECT, project_id=row.project_id):
        shown["os-backup-project-attr:project_id"] = row.project_id
    return request.shown(shapes.BACKUP)(shown)


def _summary(request: Request, row: Any) -> dict[str, Any]:
    return shapes.summary(row, request.base_url)


async def _details(request: Request, tx: Transaction, rows: Sequence[Any]) -> lists.Show:
    needed = await backups.with_dependents(tx, [row.id for row in rows])
    return lambda row: _view(request, row, row.id in needed)


def _lister(prepare: lists.Prepare) -> Handler:
    return lists.lister(LIST, backups.of, backups.WHOLE, "backup:get_all", prepare)


list_backups, list_detailed = _lister(lists.shows(_summary)), _lister(_details)


async def show_backup(request: Request, room: Volumes) -> Response:
    async with request.reading() as tx:
        row = await readable(request, tx)
        needed = await backups.with_dependents(tx, [row.id])
    return json_answer({"backup": _view(request, row, bool(needed))})


def _truth(value: Any, name: str) -> bool:
    sent = given(value)
    return sent is not None and bodies.truth(sent, name)


async def create_backup(request: Request, room: Volumes) -> Response:
    """POST /backups: answers before it is made."""
    body = await request.body(shapes.NewBackup, key="backup")
    requested = backups.Requested(
        name=stripped(body.name),
        description=stripped(body.description),
        container=given(body.container) or None,
        zone=given(body.availability_zone) or None,
        incremental=_truth(body.incremental, "incremental"),
        force=_truth(body.force, "force"),
        metadata=given(body.metadata) or {},
    )
    async with request.transaction() as tx:
        request.allowed_by_hand()
        caller = request.reaching()
        volume = await volumes.to_change(tx, caller, body.volume_id)
        request.allow(project_id=volume.project_id, user_id=volume.user_id)
        snapshot = None
        if snapshot_id := given(body.snapshot_id):
            await tx.take_turn(snapshot_id)
            snapshot = await snapshots.get(tx, caller, snapshot_id)
            if snapshot.volume_id != volume.id:
                raise BadInput(
                    f"Invalid snapshot: snapshot {snapshot.id} is not one of volume {volume.id}."
                )
        row = await begin.create_backup(tx, room, caller, volume, snapshot, requested)
    return json_answer({"backup": shapes.summary(row, request.base_url)}, 202)


async def update_backup(request: Request, room: Volumes) -> Response:
    """PUT /backups/{id}: name, description, metadata."""
    body = await request.body(shapes.ChangedBackup, key="backup")
    values: dict[str, Any] = {
        name: stripped(value)
        for name, value in (("name", body.name), ("description", body.description))
        if isinstance(value, str | None)
    }
    if isinstance(body.metadata, dict):
        values["metadata"] = body.metadata
    if not values:
        raise BadInput("Invalid input received: There is nothing to change.")
    async with request.transaction() as tx:
        row = await readable(request, tx)
        await backups.change(tx, row.id, values, room.clock.now())
        changed = await backups.get(tx, request.reaching(), row.id)
    return json_answer({"backup": shapes.summary(changed, request.base_url)})


async def delete_backup(request: Request, room: Volumes) -> Response:
    async with request.transaction() as tx:
        row = await readable(request, tx)
        await begin.delete_backup(tx, room, request.reaching(), row)
    return no_content(202)


async def restore_backup(request: Request, room: Volumes) -> Response:
    """POST /backups/{id}/restore: onto a volume, or a new one."""
    body = await request.body(shapes.Restore, key="restore")
    async with request.transaction() as tx:
        row = await readable(request, tx)
        backups.check_restorable(row)
        if volume_id := given(body.volume_id):
            volume = await volumes.to_change(tx, request.reaching(), volume_id)
            await begin.restore_backup(tx, room, request.reaching(), row, volume)
        else:
            requested = creating.Requested(
                size_gib=row.size_gib,
                name=stripped(body.name) or f"restore_backup_{row.id}",
                description="auto-created_from_restore_from_backup",
                backup_id=row.id,
            )
            volume = await begin.create(tx, room, request.reaching(), requested)
    shown = {"backup_id": row.id, "volume_id": volume.id, "volume_name": volume.name}
    return json_answer({"restore": shown}, 202)


async def export_record(request: Request, room: Volumes) -> Response:
    """GET /backups/{id}/export_record: what the backup is known by again."""
    async with request.reading() as tx:
        row = await readable(request, tx)
    if row.status != "available":
        raise backups.invalid(
            f"Backup status must be available to be exported, but it is {row.status}."
        )
    return json_answer({"backup-record": backups.record(row)})


async def import_record(request: Request, room: Volumes) -> Response:
    """POST /backups/import_record."""
    request.allow()
    body = await request.body(shapes.Record, key="backup-record")
    async with request.transaction() as tx:
        row = await begin.take_in_backup(
            tx, room, request.reaching(), body.backup_service, body.backup_url
        )
    return json_answer({"backup": shapes.summary(row, request.base_url)}, 201)


async def reset_status(request: Request, room: Volumes) -> Response:
    body = await request.body(shapes.ResetBackup, key="os-reset_status")
    async with request.transaction() as tx:
        row = await readable(request, tx)
        await backups.change(tx, row.id, {"status": body.status}, room.clock.now())
    return no_content(202)


async def force_delete(request: Request, room: Volumes) -> Response:
    await empty(request, "os-force_delete")
    async with request.transaction() as tx:
        row = await readable(request, tx)
        await begin.delete_backup(tx, room, request.reaching(), row, force=True)
    return no_content(202)


_ALL, _ONE = "/v3/backups", "/v3/backups/{backup_id}"
_ADMIN = "volume_extension:backup_admin_actions"
_E = "block_storage.backup"
ROUTES = (
    Route("GET", _ALL, list_backups, ("backup:get_all",), query=QUERY),
    Route("GET", f"{_ALL}/detail", list_detailed, ("backup:get_all", PROJECT), query=QUERY),
    Route(
        "POST", _ALL, create_backup, ("backup:create",), body=shapes.NewBackup, member="backup",
        strict=True,
    ),
    Route(
        "POST", f"{_ALL}/import_record", import_record, ("backup:backup-import",),
        body=shapes.Record, member="backup-record", strict=True,
    ),
    Route("GET", _ONE, show_backup, ("backup:get", PROJECT)),
    Route(
        "PUT", _ONE, update_backup, ("backup:update",), minimum=(3, 9), body=shapes.ChangedBackup,
        member="backup", strict=True, event=f"{_E}.update.end",
    ),
    Route("DELETE", _ONE, delete_backup, ("backup:delete",)),
    Route("GET", f"{_ONE}/export_record", export_record, ("backup:export-import",)),
    Route(
        "POST", f"{_ONE}/restore", restore_backup, ("backup:restore",), body=shapes.Restore,
        member="restore", strict=True,
    ),
    Route(
        "POST", f"{_ONE}/action", reset_status, (f"{_ADMIN}:reset_status",),
        body_key="os-reset_status", body=shapes.ResetBackup, member="os-reset_status", strict=True,
        event=f"{_E}.reset_status.end",
    ),
    Route(
        "POST", f"{_ONE}/action", force_delete, (f"{_ADMIN}:force_delete",),
        body_key="os-force_delete",
    ),
)  # fmt: skip
