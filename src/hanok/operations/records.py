"""Starting operations inside a request's transaction, and reading what became of them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

import msgspec
import sqlalchemy as sa
from msgspec import Struct
from sqlalchemy import bindparam

from hanok.base.clock import Clock
from hanok.base.ids import new_uuid
from hanok.base.log import request_id as current_request_id
from hanok.operations.model import Operation
from hanok.operations.tables import operations, steps
from hanok.store import Transaction

_cancel_earlier = (
    operations.update()
    .where(operations.c.resource == bindparam("of"), operations.c.active.is_(True))
    .values(cancelled=True, not_before=None)
)
_operation_rows = (
    sa.select(operations)
    .where(operations.c.resource == bindparam("of"))
    .order_by(operations.c.sequence)
)
_step_rows = (
    sa.select(steps).where(steps.c.operation_id == bindparam("of")).order_by(steps.c.position)
)
_active_kind = sa.select(operations.c.arguments).where(
    operations.c.active.is_(True), operations.c.kind == sa.bindparam("kind")
)
_active = sa.select(operations.c.kind).where(
    operations.c.resource == bindparam("of"), operations.c.active.is_(True)
)


def kind_of(operation: type[Operation]) -> str:
    """The operation's tag ("compute.create_server")."""
    return str(operation.__struct_config__.tag)


class Starter:
    """Writes operations into requests' transactions and wakes a worker when those are committed."""

    def __init__(self, clock: Clock, wake: Callable[[], None]) -> None:
        self._clock = clock
        self._wake = wake

    async def cancel(self, tx: Transaction, resource: str) -> None:
        """Stop and undo what is under way for a resource; what is started after this runs after that.

        Workers lock an operation before the resource's own row: whoever cancels does this first, too.
        """
        await tx.execute(_cancel_earlier, {"of": resource})

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
        operation_id = new_uuid()
        await tx.execute(
            operations.insert(),
            {
                "id": operation_id,
                "kind": kind_of(type(operation)),
                "resource": operation.resource,
                "arguments": msgspec.to_builtins(operation),
                "state": "waiting",
                "active": True,
                "request_id": current_request_id.get(),
                "user_id": user_id,
                "project_id": project_id,
                "started_at": self._clock.now(),
            },
        )
        tx.after_commit(self._wake)
        return operation_id


class StepRecord(Struct, frozen=True, kw_only=True):
    """A step as it went. state: running, done, failed, undoing, undone."""

    name: str
    state: str
    started_at: datetime
    finished_at: datetime | None
    host: str | None
    error: str | None


class Record(Struct, frozen=True, kw_only=True):
    """An operation as it went. state: waiting, running, undoing, done, failed, cancelled."""

    id: str
    kind: str
    state: str
    request_id: str
    user_id: str | None
    project_id: str | None
    started_at: datetime
    finished_at: datetime | None
    error: str | None
    error_detail: str | None
    arguments: dict[str, Any]
    steps: tuple[StepRecord, ...] = ()


def _record(row: Any, step_rows: Any) -> Record:
    return Record(
        id=row.id,
        kind=row.kind,
        state=row.state,
        request_id=row.request_id,
        user_id=row.user_id,
        project_id=row.project_id,
        started_at=row.started_at,
        finished_at=row.finished_at,
        error=row.error,
        error_detail=row.error_detail,
        arguments=row.arguments,
        steps=tuple(
            StepRecord(
                name=step.name,
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
    """The operations of a resource, oldest first, without their steps."""
    return [_record(row, ()) for row in await tx.all(_operation_rows, {"of": resource})]


async def record(tx: Transaction, resource: str, request_id: str) -> Record | None:
    """The operation of a resource that a request started, with its steps."""
    for row in await tx.all(_operation_rows, {"of": resource}):
        if row.request_id == request_id:
            return _record(row, await tx.all(_step_rows, {"of": row.id}))
    return None


async def active_arguments(tx: Transaction, kind: str) -> list[dict[str, Any]]:
    """The arguments of the operations of a kind that wait or run."""
    return [row.arguments for row in await tx.all(_active_kind, {"kind": kind})]


async def is_active(tx: Transaction, resource: str) -> bool:
    """Whether an operation of the resource waits or runs."""
    return await tx.first(_active, {"of": resource}) is not None
