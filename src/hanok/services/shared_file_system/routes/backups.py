"""Backups of shares.

Source: Shared File Systems API reference, "Share backups".
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import Row
from starlette.responses import Response

from hanok.base.errors import BadInput, NotFound
from hanok.base.ids import is_uuid
from hanok.services.shared_file_system.logic import backups, shares
from hanok.services.shared_file_system.operations import backups as work
from hanok.services.shared_file_system.room import Shares
from hanok.services.shared_file_system.routes import lists, project_lists
from hanok.services.shared_file_system.routes.security_services import sent
from hanok.services.shared_file_system.schemas import guards as shapes
from hanok.services.shared_file_system.schemas import networks
from hanok.services.shared_file_system.schemas.values import given
from hanok.services.shared_file_system.tables import share_backups as table
from hanok.store import Transaction
from hanok.web.request import Request, json_answer, no_content
from hanok.web.routes import Route

WIDE, HOST = "share_backup:get_all_project", "context_is_host_admin"
LIST = lists.declared(
    table,
    "share_backups",
    "Share backup",
    filters={
        **project_lists.equal(table, "id", "name", "description", "status", "share_id"),
        **project_lists.like(table, "name", "description"),
    },
    sort={
        name: table.c[name]
        for name in ("id", "name", "status", "share_id", "created_at", "updated_at")
    },
)
QUERY = project_lists.query_of(LIST, "all_tenants", "all_projects")
_mine = lists.finder(backups.get, "backup_id")


def _summary(request: Request, row: Any) -> dict[str, Any]:
    return shapes.backup_summary(row)


def _detail(request: Request, row: Any) -> dict[str, Any]:
    shown = request.shown(shapes.BACKUP)(shapes.backup(row))
    if request.may(HOST, {"project_id": row.project_id}):
        shown |= {"host": f"{row.node}@{row.backend}", "topic": "manila-share"}
    return shown


def _lister(show: Any) -> Any:
    prepare = project_lists.plainly(show)
    return project_lists.lister(LIST, backups.of, backups.WHOLE, prepare, wide=WIDE)


list_backups, list_detailed = _lister(_summary), _lister(_detail)


async def show_backup(request: Request, room: Shares) -> Response:
    async with request.reading() as tx:
        row = await _mine(request, tx)
    return json_answer({"share_backup": _detail(request, row)})


async def _share(request: Request, tx: Transaction, share_id: str) -> Row[Any]:
    """A share that a body names. Raises BadInput."""
    await tx.take_turn(share_id)
    try:
        return await shares.get(tx, request.reaching(), share_id)
    except NotFound:
        raise BadInput(f"No share exists with ID {share_id[:100]}.") from None


async def create_backup(request: Request, room: Shares) -> Response:
    request.allow("", request.own)
    body = await request.body(shapes.NewBackup, key="share_backup")
    async with request.transaction() as tx:
        share = await _share(request, tx, body.share_id)
        request.allow("", {"project_id": share.project_id, "user_id": share.user_id})
        row = await work.create(
            tx,
            room,
            request.reaching(),
            share,
            name=given(body.name),
            description=given(body.description),
            options=given(body.backup_options) or {},
        )
        request.made(row.id)
    return json_answer({"share_backup": _detail(request, row)}, 202)


async def update_backup(request: Request, room: Shares) -> Response:
    body = await request.body(shapes.ChangedBackup, key="share_backup")
    async with request.transaction() as tx:
        row = await _mine(request, tx)
        await backups.change(tx, room, row.id, **sent(body))
        row = await backups.get(tx, request.reaching(), row.id)
    return json_answer({"share_backup": _detail(request, row)})


async def delete_backup(request: Request, room: Shares) -> Response:
    async with request.transaction() as tx:
        row = await _mine(request, tx)
        await work.delete(tx, room, request.reaching(), row)
    return no_content(202)


async def restore_older(request: Request, room: Shares) -> Response:
    """Onto the share that it is of."""
    return await _restore(request, room, None)


async def restore(request: Request, room: Shares) -> Response:
    """From 2.91 on onto another share, too."""
    body = await request.json()
    target = body.get("restore") if isinstance(body, dict) else None
    if target is not None and not (isinstance(target, str) and is_uuid(target)):
        raise BadInput("Invalid input: 'restore' takes the ID of a share, or null.")
    return await _restore(request, room, target)


async def _restore(request: Request, room: Shares, target: str | None) -> Response:
    async with request.transaction() as tx:
        row = await _mine(request, tx)
        share = await _share(request, tx, target or row.share_id)
        await work.restore(tx, room, request.reaching(), row, share)
    return json_answer({"restore": {"backup_id": row.id, "share_id": share.id}}, 202)


async def reset_status(request: Request, room: Shares) -> Response:
    request.allow("", request.own)
    body = await request.body(networks.ResetStatus, key="reset_status")
    if body.status not in backups.STATUSES:
        raise BadInput(f"Invalid status specified: {body.status}.")
    async with request.transaction() as tx:
        row = await backups.get(tx, request.reaching(), request.path["backup_id"])
        await backups.change(tx, room, row.id, status=body.status)
    return no_content(202)


_ALL, _ONE = "/v2/share-backups", "/v2/share-backups/{backup_id}"
_DO, _R, _E = f"{_ONE}/action", "share_backup", "shared_file_system.share_backup"
_X: dict[str, Any] = {"minimum": (2, 80), "experimental": True}
ROUTES = (
    Route("GET", _ALL, list_backups, (f"{_R}:get_all", WIDE), query=QUERY, **_X),
    Route("GET", f"{_ALL}/detail", list_detailed, (f"{_R}:get_all", WIDE, HOST), query=QUERY, **_X),
    Route("GET", _ONE, show_backup, (f"{_R}:get", HOST), **_X),
    Route(
        "POST", _ALL, create_backup, (f"{_R}:create", HOST), body=shapes.NewBackup,
        member="share_backup", strict=True, event=f"{_E}.create", **_X,
    ),
    Route(
        "PUT", _ONE, update_backup, (f"{_R}:update", HOST), body=shapes.ChangedBackup,
        member="share_backup", strict=True, event=f"{_E}.update", **_X,
    ),
    Route("DELETE", _ONE, delete_backup, (f"{_R}:delete",), event=f"{_E}.delete", **_X),
    Route(
        "POST", _DO, restore_older, (f"{_R}:restore",), body_key="restore", **_X, maximum=(2, 90),
        event=f"{_E}.restore",
    ),
    Route(
        "POST", _DO, restore, (f"{_R}:restore",), body_key="restore", minimum=(2, 91),
        experimental=True, event=f"{_E}.restore",
    ),
    Route(
        "POST", _DO, reset_status, (f"{_R}:reset_status",), body_key="reset_status",
        body=networks.ResetStatus, member="reset_status", strict=True,
        event=f"{_E}.reset_status", **_X,
    ),
)  # fmt: skip
