"""Durable operations: work that outlives a request.

An operation is a row with its arguments and a list of steps. The row is written in the transaction that answers the
request, so what was acknowledged is never forgotten. A worker takes it under a lease, runs the steps in order and saves
the result of each in one transaction with the step's own effect on the database. When a worker dies, another takes the
operation up at the step where it stood. When a step fails, the steps are undone backwards, the failed one first.

A lease is not a lock. Each taking-over raises the operation's `taking` number; saving a step compares it, so a worker
that slept past its lease writes nothing. Effects outside are named by ids that are in the database before they exist
and carry the resource's generation, so doing one twice, or late, does no harm.

Operations of one resource run one after another in the order they were started; `Starter.cancel` makes those before
(a create under way, say) stop at once, wherever the running step is, and undo.

A step that has to wait raises `Waiting` and gives its slot back; it runs again when there is news of what it waits for,
or after a while. A step may start operations of its own that run side by side (`Run.children`).

Steps and operations have deadlines. A step that is late has failed. An operation that is late, or whose undo keeps
failing, is stuck: it is tried on, and the resource, the log and `hanok doctor` say so.

What a host that does not answer still has to do is kept as a debt and paid when it is back (`debts`). What must run
once in a cloud, however many processes it has, runs under a lease (`leases`). Operations that ended long ago are
forgotten, but for those whose end users read (`forgetting`).

Source: docs/architecture.md, "Long work"; docs/decisions/0025.
"""

from __future__ import annotations

from hanok.operations.debts import Debts, Owed, owed
from hanok.operations.forgetting import Forgetting
from hanok.operations.leases import Leases
from hanok.operations.model import Cancelled, Child, Operation, Run, Step, Waiting
from hanok.operations.records import (
    Record,
    Starter,
    StepRecord,
    active,
    active_arguments,
    is_active,
    record,
    records_of,
    stuck,
)
from hanok.operations.worker import Worker

__all__ = [
    "Cancelled",
    "Child",
    "Debts",
    "Forgetting",
    "Leases",
    "Operation",
    "Owed",
    "Record",
    "Run",
    "Starter",
    "Step",
    "StepRecord",
    "Waiting",
    "Worker",
    "active",
    "active_arguments",
    "is_active",
    "owed",
    "record",
    "records_of",
    "stuck",
]
