"""Starting operations inside a request's transaction, cancelling them, and reading what became of them."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from typing import Any

import msgspec
import sqlalchemy as sa
from msgspec import Struct
from sqlalchemy import bindparam

from hanok.base.clock import Clock
from hanok.base.ids import new_uuid
from hanok.base.log import request_id as current_request_id
from hanok.bus import Wakes
from hanok.operations.model import Operation
from hanok.operations.tables import operations, steps
from hanok.store import Transaction

_new = operations.insert()
_cancel = (
    operations.update()
    .where(operations.c.resource == bindparam("of"), operations.c.active.is_(True))
    .values(cancelled=True, not_before=None)
    .returning(operations.c.id)
)
_cancel_children = (
    operations.update()
    .where(operations.c.parent.in_(bindparam("of", expanding=True)), operations.c.active.is_(True))
    .values(cancelled=True, not_before=None)
    .returning(operations.c.id)
)
_operation_rows = (
    sa.select(operations)
    .where(operations.c.resource == bindparam("of"), operations.c.parent.is_(None))
    .order_by(operations.c.sequence.desc())
    .limit(1000)  # of a list that people read
)
_of_request = (
    sa.select(operations)
    .where(
        operations.c.resource == bindparam("of"),
        operations.c.request_id == bindparam("by"),
        operations.c.parent.is_(None),
    )
    .order_by(operations.c.sequence)
    .limit(1)
)
_step_rows = (
    sa.select(steps).where(steps.c.operation_id == bindparam("of")).order_by(steps.c.position)
)
_current_step = sa.select(steps.c.operation_id, steps.c.name).where(
    steps.c.operation_id.in_(bindparam("ids", expanding=True)), steps.c.finished_at.is_(None)
)
_active_kind = sa.select(operations.c.arguments).where(
    operations.c.active.is_(True), operations.c.kind == sa.bindparam("kind")
)
_active = sa.select(operations.c.kind).where(
    operations.c.resource == bindparam("of"), operations.c.active.is_(True)
)
_all_active = (
    sa.select(operations)
    .where(operations.c.active.is_(True))
    .order_by(operations.c.sequence)
    .limit(1000)  # of a list that people read
)
_stuck = _all_active.where(operations.c.stuck_since.is_not(None))


STARTED, CANCELLED = "operations.started", "operations.cancelled"  # topics of wake-ups


def kind_of(operation: type[Operation]) -> str:
    """The operation's tag ("compute.create_server")."""
    return str(operation.__struct_config__.tag)


_HUMP = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")


def step_name(kept: str) -> str:
    """A step's name as a row has it. Versions before this one wrote the names of classes ("FetchImage")."""
    return _HUMP.sub("_", kept).lower()


async def cancel_with_children(tx: Transaction, ids: list[str]) -> list[str]:
    """Ask the active descendants of these operations to stop. Returns the ids of all, those given included."""
    found, level = list(ids), ids
    while level:
        level = list(await tx.scalars(_cancel_children, {"of": level}))
        found += level
    return found


async def write(
    tx: Transaction,
    operation: Operation,
    *,
    now: datetime,
    request_id: str,
    operation_id: str = "",
    user_id: str | None = None,
    project_id: str | None = None,
    parent: str | None = None,
    parent_step: str | None = None,
) -> str:
    """Write an operation's row. Returns its id."""
    operation_id = operation_id or new_uuid()
    await tx.execute(
        _new,
        {
            "id": operation_id,
            "kind": kind_of(type(operation)),
            "resource": operation.resource,
            "arguments": msgspec.to_builtins(operation),
            "state": "waiting",
            "active": True,
            "request_id": request_id,
            "user_id": user_id,
            "project_id": project_id,
            "started_at": now,
            "parent": parent,
            "parent_step": parent_step,
            "queue": operation.queue,
            "pool": operation.pool,
            "deadline_at": now + timedelta(seconds=operation.deadline_s),
        },
    )
    return operation_id


class Starter:
    """Writes operations into requests' transactions and wakes a worker when those are committed."""

    def __init__(self, clock: Clock, wakes: Wakes) -> None:
        self._clock = clock
        self._wakes = wakes

    async def cancel(self, tx: Transaction, resource: str) -> None:
        """Stop and undo what is under way for a resource; what is started after this runs after that.

        A step that runs is interrupted once the transaction is committed. Workers lock an operation before the
        resource's own row: whoever cancels does this first, too.
        """
        ids = list(await tx.scalars(_cancel, {"of": resource}))
        if ids:
            ids = await cancel_with_children(tx, ids)
            tx.after_commit(lambda: self._wakes.wake(CANCELLED, ids))

    async def start(
        self,
        tx: Transaction,
        operation: Operation,
        *,
        user_id: str | None = None,
        project_id: str | None = None,
    ) -> str:
        """Write an operation; a worker takes it up once the transaction is committed.

        Returns:
            The operation's id.
        """
        operation_id = await write(
            tx,
            operation,
            now=self._clock.now(),
            request_id=current_request_id.get(),
            user_id=user_id,
            project_id=project_id,
        )
        tx.after_commit(lambda: self._wakes.wake(STARTED))
        return operation_id


class StepRecord(Struct, frozen=True, kw_only=True):
    """A step as it went. state: running, done, failed, undone."""

    name: str
    state: str
    started_at: datetime
    finished_at: datetime | None
    host: str | None
    error: str | None


class Record(Struct, frozen=True, kw_only=True):
    """An operation as it went. state: waiting, running, undoing, done, failed, cancelled.

    progress: per cent, where it is known. waits_for: in words, while it waits without working.
    stuck_since, stuck_why: when it was found that it neither ends nor can be undone, and what to do.
    """

    id: str
    kind: str
    resource: str
    state: str
    queue: str
    request_id: str
    user_id: str | None
    project_id: str | None
    started_at: datetime
    finished_at: datetime | None
    error: str | None
    error_detail: str | None
    arguments: dict[str, Any]
    attempts: int
    progress: int | None
    waits_for: str | None
    stuck_since: datetime | None
    stuck_why: str | None
    parent: str | None
    step: str | None = None
    steps: tuple[StepRecord, ...] = ()


def _record(row: Any, step_rows: Any) -> Record:
    return Record(
        id=row.id,
        kind=row.kind,
        resource=row.resource,
        state=row.state,
        queue=row.queue,
        request_id=row.request_id,
        user_id=row.user_id,
        project_id=row.project_id,
        started_at=row.started_at,
        finished_at=row.finished_at,
        error=row.error,
        error_detail=row.error_detail,
        arguments=row.arguments,
        attempts=row.attempts,
        progress=row.progress,
        waits_for=row.waits_for,
        stuck_since=row.stuck_since,
        stuck_why=row.stuck_why,
        parent=row.parent,
        steps=tuple(
            StepRecord(
                name=step_name(step.name),
                state=step.state,
                started_at=step.started_at,
                finished_at=step.finished_at,
                host=step.host,
                error=step.error,
            )
            for step in step_rows
        ),
    )


async def records_of(tx: Transaction, resource: str) -> list[Record]:
    """The operations of a resource, oldest first, without their steps; of very many the newest."""
    rows = await tx.all(_operation_rows, {"of": resource})
    return [_record(row, ()) for row in reversed(rows)]


async def record(tx: Transaction, resource: str, request_id: str) -> Record | None:
    """The operation of a resource that a request started, with its steps."""
    row = await tx.first(_of_request, {"of": resource, "by": request_id})
    return None if row is None else _record(row, await tx.all(_step_rows, {"of": row.id}))


async def active_arguments(tx: Transaction, kind: str) -> list[dict[str, Any]]:
    """The arguments of the operations of a kind that wait or run."""
    return [row.arguments for row in await tx.all(_active_kind, {"kind": kind})]


async def is_active(tx: Transaction, resource: str) -> bool:
    """Whether an operation of the resource waits or runs."""
    return await tx.first(_active, {"of": resource}) is not None


async def active(tx: Transaction) -> list[Record]:
    """All operations that wait, run or are being undone, oldest first, each with the step it is at, if any."""
    rows = await tx.all(_all_active)
    at = {
        one.operation_id: step_name(one.name)
        for one in await tx.all(_current_step, {"ids": [row.id for row in rows]})
    }
    return [
        msgspec.structs.replace(_record(row, ()), step=at.get(row.id, row.failed_step))
        for row in rows
    ]


async def stuck(tx: Transaction) -> list[Record]:
    """The operations that neither end nor can be undone, oldest first."""
    return [_record(row, ()) for row in await tx.all(_stuck)]
