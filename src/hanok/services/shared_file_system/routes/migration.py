"""Shares are moved to other back ends, in two phases.

Source: Shared File Systems API reference, "Share migration".
"""

from __future__ import annotations

from typing import Any

from starlette.responses import Response

from hanok.base.errors import BadInput
from hanok.services.shared_file_system.logic import moving, shares
from hanok.services.shared_file_system.operations import begin
from hanok.services.shared_file_system.room import Shares
from hanok.services.shared_file_system.routes.share_actions import action, empty
from hanok.services.shared_file_system.routes.shares import find
from hanok.services.shared_file_system.schemas import answers, bodies
from hanok.services.shared_file_system.schemas.values import given, truth
from hanok.web.microversions import Version
from hanok.web.request import Request, json_answer, no_content
from hanok.web.routes import Handler, Route

FLAGS = ("preserve_metadata", "writable", "nondisruptive", "preserve_snapshots")
GRADUATED: Version = (2, 96)


async def start(request: Request, room: Shares) -> Response:
    body = await request.body(bodies.Migration, key="migration_start")
    flags = {name: truth(getattr(body, name), name) for name in FLAGS}
    copied = truth(
        given(body.force_host_assisted_migration) or False, "force_host_assisted_migration"
    )
    if copied and any(flags.values()):
        raise BadInput(
            'Invalid input received: Invalid parameter combination. Cannot set parameters "nondisruptive", '
            '"writable", "preserve_snapshots" or "preserve_metadata" to True when enabling the '
            '"force_host_assisted_migration" option.'
        )
    requested = moving.Requested(
        place=body.host,
        copied=copied,
        writable=flags["writable"],
        nondisruptive=flags["nondisruptive"],
        snapshots=flags["preserve_snapshots"],
        network_id=given(body.new_share_network_id) or None,
        type_id=given(body.new_share_type_id) or None,
    )
    async with request.transaction() as tx:
        row = await find(request, tx)
        shares.check_not_binned(row, "Migration cannot start for share")
        begun = await begin.migrate(tx, room, request.reaching(), row, requested)
    return no_content(202 if begun else 200)


async def complete(request: Request, room: Shares) -> Response:
    await empty(request)
    async with request.transaction() as tx:
        row = await find(request, tx)
        await begin.complete_migration(tx, room, request.reaching(), row)
    return no_content(202)


async def cancel(request: Request, room: Shares) -> Response:
    await empty(request)
    async with request.transaction() as tx:
        row = await find(request, tx)
        await begin.cancel_migration(tx, room, request.reaching(), row)
    return no_content(202)


async def progress(request: Request, room: Shares) -> Response:
    await empty(request)
    return await show_progress(request, room)


async def show_progress(request: Request, room: Shares) -> Response:
    async with request.reading() as tx:
        row = await find(request, tx)
    found = {
        "total_progress": moving.progress(row),
        "task_state": row.task_state,
        "details": {},
    }
    return json_answer(request.shown(answers.PROGRESS)(found))


def _both(
    key: str, handler: Handler, since: Version, *, maximum: Version | None = None, **more: Any
) -> tuple[Route, Route]:
    """An action that was experimental before 2.96."""
    rule = f"share:{key}"
    return (
        action(key, handler, rule, minimum=since, maximum=(2, 95), experimental=True, **more),
        action(key, handler, rule, minimum=GRADUATED, maximum=maximum, **more),
    )


ROUTES = (
    *_both("migration_start", start, (2, 29), body=bodies.Migration),
    *_both("migration_complete", complete, (2, 22)),
    *_both("migration_cancel", cancel, (2, 22)),
    *_both("migration_get_progress", progress, (2, 22), maximum=(2, 97)),
    Route(
        "GET", "/v2/shares/{share_id}/migration-progress", show_progress,
        ("share:migration_get_progress",), minimum=(2, 98),
    ),
)  # fmt: skip
