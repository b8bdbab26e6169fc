"""What the house may ask of orchestration."""

from __future__ import annotations

from typing import Any

from hanok.services.orchestration.logic import stacks
from hanok.services.orchestration.operations import ConvergeStack
from hanok.services.orchestration.room import Orchestration, OrchestrationSettings
from hanok.store import Transaction

__all__ = ["OrchestrationSettings", "Stacks", "converge"]


async def converge(tx: Transaction, room: Orchestration, row: Any) -> None:
    """Begin to bring a stack to what its row says; what was under way stops between two passes."""
    operation = ConvergeStack(stack_id=row.id)
    await room.operations.cancel(tx, operation.resource)
    await room.operations.start(tx, operation, user_id=row.user_id, project_id=row.project_id)


class Stacks:
    """The room, for the house."""

    def __init__(self, room: Orchestration) -> None:
        self._room = room

    async def forget_old(self) -> int:
        """Forget stacks that have been gone for long; gives how many."""
        async with self._room.database.write() as tx:
            return await stacks.forget_old(tx, self._room)
