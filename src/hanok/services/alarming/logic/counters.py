"""How evaluations ended, by alarm."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy import bindparam

from hanok.services.alarming.logic.alarms import STATES
from hanok.services.alarming.tables import alarms
from hanok.store import Transaction

_all = (
    sa.select(alarms.c.alarm_id, alarms.c.project_id, alarms.c.evaluations)
    .order_by(alarms.c.sequence)
    .limit(10_000)
)
_of_project = _all.where(alarms.c.project_id == bindparam("project"))


async def of_project(tx: Transaction, project_id: str | None) -> list[dict[str, Any]]:
    """project_id: None: of all."""
    if project_id is None:
        rows = await tx.all(_all)
    else:
        rows = await tx.all(_of_project, {"project": project_id})
    return [
        {
            "alarm_id": row.alarm_id,
            "project_id": row.project_id,
            "state_counters": {state: row.evaluations.get(state, 0) for state in STATES},
        }
        for row in rows
    ]
