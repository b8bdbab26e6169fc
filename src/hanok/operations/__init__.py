"""Durable operations: work that outlives a request.

An operation is a row with its arguments and a list of steps. The row is written in the transaction that answers the
request, so what was acknowledged is never forgotten. A worker takes it under a lease, runs the steps in order and saves
the result of each in one transaction with the step's own effect on the database. When a worker dies, another takes the
operation up at the step where it stood. When a step fails, the steps are undone backwards, the failed one first.

A lease is not a lock. Each taking-over raises the operation's `taking` number; saving a step compares it, so a worker
that slept past its lease writes nothing. Effects outside are named by ids that are in the database before they exist
and carry the resource's generation, so doing one twice, or late, does no harm.

Operations of one resource run one after another in the order they were started; `cancel_earlier` makes those before
(a create under way, say) stop at the next step and undo.

What a host that does not answer still has to do is kept as a debt and paid by a reconciler.

Source: docs/architecture.md, "A durable operation".
"""

from __future__ import annotations

from hanok.operations.model import Cancelled, Operation, Run, Step
from hanok.operations.records import (
    Record,
    Starter,
    StepRecord,
    active_arguments,
    is_active,
    record,
    records_of,
)
from hanok.operations.worker import Worker

__all__ = [
    "Cancelled",
    "Operation",
    "Record",
    "Run",
    "Starter",
    "Step",
    "StepRecord",
    "Worker",
    "active_arguments",
    "is_active",
    "record",
    "records_of",
]
