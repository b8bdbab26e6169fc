"""Snapshots of stacks.

Source: Orchestration API reference, "Stack snapshots".
"""

from __future__ import annotations

from starlette.responses import Response

from hanok.base.errors import BadInput
from hanok.services.orchestration.logic import clouds, snapshots, stacks
from hanok.services.orchestration.room import Orchestration
from hanok.services.orchestration.routes import common, views
from hanok.services.orchestration.routes.common import STACK
from hanok.services.orchestration.schemas import SnapshotBody
from hanok.web.request import Request, json_answer, no_content
from hanok.web.routes import Route


async def create_snapshot(request: Request, room: Orchestration) -> Response:
    """POST …/snapshots: begun when it is answered."""
    body = await request.body(SnapshotBody)
    async with request.reading() as tx:
        await common.found(request, tx)
    lent = await clouds.lent(room, request.token_text, request.sure_origin)
    async with request.transaction() as tx:
        stack = await common.found(request, tx)
        common.free(stack)
        row = await snapshots.create(tx, room, stack, body.name)
        request.made(row.id, noun="snapshot")
        await stacks.begin(tx, room, stack, "SNAPSHOT", lent=lent, task={"snapshot": row.id})
    return json_answer(snapshots.shown(row))


async def list_snapshots(request: Request, room: Orchestration) -> Response:
    async with request.reading() as tx:
        stack = await common.found(request, tx)
        rows = await snapshots.of_stack(tx, stack.id)
    return json_answer({"snapshots": [snapshots.shown(row) for row in rows]})


async def show_snapshot(request: Request, room: Orchestration) -> Response:
    async with request.reading() as tx:
        stack = await common.found(request, tx)
        row = await snapshots.get(tx, stack, request.path["snapshot_id"])
    shown = await views.exported(request, room, stack)
    data = {**shown, **views.made_of(snapshots.source_of(room, row))}
    return json_answer({"snapshot": {**snapshots.shown(row), "data": data}})


async def delete_snapshot(request: Request, room: Orchestration) -> Response:
    async with request.transaction() as tx:
        stack = await common.found(request, tx)
        row = await snapshots.get(tx, stack, request.path["snapshot_id"])
        if row.status == "IN_PROGRESS":
            raise BadInput("Deleting in-progress snapshot is not supported.", code="NotSupported")
        await snapshots.delete(tx, row.id)
    return no_content(204)


async def restore_snapshot(request: Request, room: Orchestration) -> Response:
    """POST …/snapshots/{id}/restore: the stack becomes what it was."""
    async with request.reading() as tx:
        await common.found(request, tx)
    lent = await clouds.lent(room, request.token_text, request.sure_origin)
    async with request.transaction() as tx:
        stack = await common.found(request, tx)
        common.free(stack)
        row = await snapshots.get(tx, stack, request.path["snapshot_id"])
        if row.status != "COMPLETE":
            raise BadInput(
                f"Restoring a snapshot that is {row.status} is not supported.", code="NotSupported"
            )
        source = snapshots.source_of(room, row)
        await stacks.begin(
            tx, room, stack, "RESTORE", source=source, lent=lent, task={"restore": row.id}
        )
    return no_content(202)


_ONE = f"{STACK}/snapshots/{{snapshot_id}}"
ROUTES = (
    Route(
        "POST",
        f"{STACK}/snapshots",
        create_snapshot,
        ("stacks:snapshot",),
        body=SnapshotBody,
        strict=True,
        event="orchestration.snapshot.created",
    ),
    Route("GET", f"{STACK}/snapshots", list_snapshots, ("stacks:list_snapshots",)),
    Route("GET", _ONE, show_snapshot, ("stacks:show_snapshot",)),
    Route(
        "DELETE",
        _ONE,
        delete_snapshot,
        ("stacks:delete_snapshot",),
        event="orchestration.snapshot.deleted",
    ),
    Route(
        "POST",
        f"{_ONE}/restore",
        restore_snapshot,
        ("stacks:restore_snapshot",),
        event="orchestration.stack.restored",
    ),
)
