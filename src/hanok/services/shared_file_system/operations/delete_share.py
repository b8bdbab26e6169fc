"""From "deleting" to nothing left: who has it mounted, the share, its part of the back end."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Row

from hanok.base.errors import StepFailed
from hanok.commands import Done
from hanok.operations import Run, Step
from hanok.services.shared_file_system.logic import instances, shares
from hanok.services.shared_file_system.operations.create_share import removal
from hanok.services.shared_file_system.operations.on_share import WORK_S, OnShare, ask_or_owe
from hanok.services.shared_file_system.room import Shares
from hanok.store import Transaction


async def remove(run: Run[Any, Shares], row: Row[Any], keep: str = "") -> None:
    """Nothing of an instance is on its host; one that does not answer owes it."""
    if row.node is not None:
        await ask_or_owe(run, row.node, removal(run, row, keep), Done)


class RemoveInstances(Step["DeleteShare", Shares, None], name="remove_share"):
    """Nothing of the share is left on hosts."""

    deadline_s = WORK_S

    async def do(self, run: Run[DeleteShare, Shares]) -> None:
        for row in await run.read(instances.of_share, run.args.share_id):
            await remove(run, row, run.args.keep)

    async def save(self, run: Run[DeleteShare, Shares], tx: Transaction, result: None) -> None:
        if await shares.get_any(tx, run.args.share_id) is not None:
            await shares.gone(tx, run.tools, run.args.share_id)


class DeleteShare(OnShare, frozen=True, kw_only=True, tag="shared_file_system.delete_share"):
    """Delete a share. keep: its files stay under this name (unmanage)."""

    keep: str = ""
    happens = "delete"
    action = "delete"
    to = "error_deleting"
    steps = (RemoveInstances,)


class RemoveOne(Step["DeleteInstance", Shares, None], name="remove_instance"):
    """Nothing of one instance is left on its host."""

    deadline_s = WORK_S

    async def do(self, run: Run[DeleteInstance, Shares]) -> None:
        row = await run.read(instances.get_any, run.args.instance_id)
        if row is not None:
            await remove(run, row)

    async def save(self, run: Run[DeleteInstance, Shares], tx: Transaction, result: None) -> None:
        row = await instances.get_any(tx, run.args.instance_id)
        if row is None:
            return
        if len(await instances.of_share(tx, row.share_id)) > 1:
            await instances.gone(tx, row)
            await instances.follow(tx, run.tools, row.share_id)
        elif await shares.snapshots_of(tx, row.share_id):
            raise StepFailed("The share of the instance has snapshots.")
        else:
            await shares.gone(tx, run.tools, row.share_id)


class DeleteInstance(OnShare, frozen=True, kw_only=True, tag="shared_file_system.delete_instance"):
    """Delete one instance of a share; with the last one goes the share."""

    instance_id: str
    action = "delete"
    to = ""
    steps = (RemoveOne,)

    @property
    def event(self) -> str:
        return "shared_file_system.share_instance.delete"

    async def failed(self, run: Run[Any, Shares], tx: Transaction, why: str) -> None:
        row = await instances.get_any(tx, self.instance_id)
        if row is not None:
            await instances.settle(tx, run.tools, row, "error_deleting")
