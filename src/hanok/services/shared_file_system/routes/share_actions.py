"""Actions on shares: size, state, recycle bin, snapshots that they are set back to.

Source: Shared File Systems API reference, "Share actions".
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from starlette.responses import Response

from hanok.base.errors import BadInput, Forbidden
from hanok.services.shared_file_system.logic import instances, shares, snapshots
from hanok.services.shared_file_system.operations import begin
from hanok.services.shared_file_system.room import Shares
from hanok.services.shared_file_system.routes import metadata
from hanok.services.shared_file_system.routes.shares import find, see
from hanok.services.shared_file_system.schemas import bodies
from hanok.services.shared_file_system.schemas.values import given, truth, whole
from hanok.web.request import Request, no_content
from hanok.web.routes import Handler, Route

PATH = "/v2/shares/{share_id}/action"
BEYOND, FORCED = "share:extend_beyond_max_share_size_spec", "share:force_extend"


async def empty(request: Request) -> None:
    """Raises BadInput when an action that takes nothing is sent something."""
    key = request.route.body_key if request.route is not None else ""
    if (await request.json())[key] not in (None, {}, ""):
        raise BadInput(f"Invalid input for {key}: it takes no values.")


def _extender(key: str) -> Handler:
    async def extend(request: Request, room: Shares) -> Response:
        body = await request.body(bodies.Extended, key=key)
        size_gib = whole(body.new_size, "new_size")
        force = truth(given(body.force) if given(body.force) is not None else False, "force")
        async with request.transaction() as tx:
            row = await find(request, tx, FORCED if force else "share:extend")
            shares.check_not_binned(row, "Cannot extend share")
            beyond = request.may(BEYOND, {"project_id": row.project_id, "user_id": row.user_id})
            await begin.extend(
                tx, room, request.reaching(), row, size_gib, force=force, beyond=beyond
            )
        return no_content(202)

    return extend


def _shrinker(key: str) -> Handler:
    async def shrink(request: Request, room: Shares) -> Response:
        body = await request.body(bodies.Shrunk, key=key)
        size_gib = whole(body.new_size, "new_size")
        async with request.transaction() as tx:
            row = await find(request, tx)
            shares.check_not_binned(row, "Cannot shrink share")
            await begin.shrink(tx, room, request.reaching(), row, size_gib)
        return no_content(202)

    return shrink


async def revert(request: Request, room: Shares) -> Response:
    body = await request.body(bodies.Reverted, key="revert")
    async with request.transaction() as tx:
        row = await find(request, tx)
        await tx.take_turn(body.snapshot_id)
        snapshot = await snapshots.get_any(tx, body.snapshot_id)
        if snapshot is None or not shares.is_mine(request.reaching(), snapshot):
            raise BadInput(f"Snapshot {body.snapshot_id} could not be found.")
        shares.check_not_binned(row, "Cannot revert share")
        await begin.revert(tx, room, request.reaching(), row, snapshot)
    return no_content(202)


def _resetter(key: str) -> Handler:
    async def reset_status(request: Request, room: Shares) -> Response:
        body = await request.body(bodies.Status, key=key)
        async with request.transaction() as tx:
            row = await find(request, tx)
            shares.check_not_binned(row, "Cannot reset status of share")
            check_status(body.status, shares.RESETTABLE)
            one = await instances.main_of(tx, row.id)
            if one is not None:
                await instances.change(tx, room, one.id, status=body.status)
            await shares.change(tx, room, row.id, status=body.status)
        return no_content(202)

    return reset_status


def check_status(sent: str | None, known: Any) -> None:
    """Raises BadInput for a state that none can be set to."""
    if sent not in known:
        raise BadInput(
            f"Invalid state. Valid states: {', '.join(map(str, sorted(known, key=str)))}."
        )


async def reset_task_state(request: Request, room: Shares) -> Response:
    body = await request.body(bodies.TaskState, key="reset_task_state")
    async with request.transaction() as tx:
        row = await find(request, tx)
        shares.check_not_binned(row, "Cannot reset task state of share")
        check_status(body.task_state, (*shares.TASK_STATES, None))
        await shares.change(tx, room, row.id, task_state=body.task_state)
    return no_content(202)


def _forcer(key: str) -> Handler:
    async def force_delete(request: Request, room: Shares) -> Response:
        await empty(request)
        async with request.transaction() as tx:
            row = await find(request, tx)
            await begin.delete(tx, room, request.reaching(), row, force=True)
        return no_content(202)

    return force_delete


async def soft_delete(request: Request, room: Shares) -> Response:
    """The share goes into the recycle bin, and is deleted when its time there is over."""
    await empty(request)
    async with request.transaction() as tx:
        row = await find(request, tx)
        if shares.is_binned(row):
            raise Forbidden("Invalid share: The share has been soft deleted already")
        await shares.check_deletable(tx, room, row, force=False, binned=True)
        if room.locks is not None:
            await room.locks.check(tx, request.reaching(), row.id)
        until = room.clock.now() + timedelta(seconds=room.settings.retention_s)
        await shares.change(tx, room, row.id, deleted_from=until)
    return no_content(202)


async def restore(request: Request, room: Shares) -> Response:
    await empty(request)
    async with request.transaction() as tx:
        row = await find(request, tx)
        if not shares.is_binned(row):
            request.unchanged()
            return no_content(200)
        if row.status in ("deleting", "error_deleting"):
            raise Forbidden(
                f"Share {row.id} is being deleted or has suffered an error during deletion, cannot be restored."
            )
        await shares.change(tx, room, row.id, deleted_from=None)
    return no_content(202)


def action(
    key: str, handler: Handler, *rules: str, body: Any = None, told: str = "", **more: Any
) -> Route:
    """An action on shares. told: what its event is called; "": its operation tells it."""
    event = f"shared_file_system.share.{told}" if told else ""
    return Route(
        "POST", PATH, handler, rules, body_key=key, body=body, member=key if body else "",
        strict=body is not None, event=event, **more,
    )  # fmt: skip


def both(key: str, make: Callable[[str], Handler], *rules: str, **more: Any) -> tuple[Route, Route]:
    """An action that was spelled with "os-" before 2.7. make: gives its handler, by how it is spelled."""
    old = f"os-{key}"
    return (
        action(old, make(old), *rules, maximum=(2, 6), **more),
        action(key, make(key), *rules, minimum=(2, 7), **more),
    )


async def _keep(tx: Any, room: Shares, row: Any, found: dict[str, str]) -> None:
    await shares.change(tx, room, row.id, metadata=found)


METADATA = metadata.Kind(
    path="/v2/shares/{share_id}",
    get="share:get_share_metadata",
    put="share:update_share_metadata",
    drop="share:delete_share_metadata",
    whole="share:update_admin_only_metadata",
    find=see,
    change=find,
    keep=_keep,
    event="shared_file_system.share",
)
ROUTES = (
    action(
        "os-extend", _extender("os-extend"), "share:extend", BEYOND, body=bodies.Extended, maximum=(2, 6),
    ),
    action(
        "extend", _extender("extend"), "share:extend", FORCED, BEYOND, body=bodies.Extended,
        minimum=(2, 7),
    ),
    *both("shrink", _shrinker, "share:shrink", body=bodies.Shrunk),
    action("revert", revert, "share:revert_to_snapshot", body=bodies.Reverted, minimum=(2, 27)),
    *both(
        "reset_status", _resetter, "share:reset_status", body=bodies.Status, told="reset_status.end"
    ),
    *both("force_delete", _forcer, "share:force_delete"),
    action("soft_delete", soft_delete, "share:soft_delete", minimum=(2, 69), told="soft_delete.end"),
    action("restore", restore, "share:restore", minimum=(2, 69), told="restore.end"),
    action(
        "reset_task_state", reset_task_state, "share:reset_task_state", body=bodies.TaskState,
        minimum=(2, 22), maximum=(2, 95), experimental=True, told="reset_task_state.end",
    ),
    action(
        "reset_task_state", reset_task_state, "share:reset_task_state", body=bodies.TaskState,
        minimum=(2, 96), told="reset_task_state.end",
    ),
    *metadata.routes(METADATA),
)  # fmt: skip
