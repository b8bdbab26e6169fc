"""Snapshots come and go."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Row

from hanok.base.errors import StepFailed
from hanok.commands import Done
from hanok.commands.shares import RemoveShareSnapshot, SnapshotShare
from hanok.operations import Run, Step
from hanok.services.shared_file_system.logic import exports, instances, snapshots
from hanok.services.shared_file_system.operations.on_share import (
    ASK_S,
    WORK_S,
    OnSnapshot,
    ask_or_owe,
    until_done,
)
from hanok.services.shared_file_system.room import Shares
from hanok.store import Transaction

Places = list[tuple[Row[Any], Row[Any]]]


async def places(run: Run[Any, Shares]) -> Places:
    """The instances of a snapshot, each with the share's instance that it is of and that is somewhere."""
    found = []
    for copy in await run.read(snapshots.copies, run.args.snapshot_id):
        one = await run.read(instances.get_any, copy.instance_id)
        if one is not None and one.node is not None:
            found.append((copy, one))
    return found


def removal(
    run: Run[Any, Shares], snapshot_id: str, row: Row[Any], keep: str = ""
) -> RemoveShareSnapshot:
    return RemoveShareSnapshot(
        snapshot_id=snapshot_id,
        share_id=row.id,
        generation=int(row.generation),
        backend=row.backend,
        keep=keep,
        request_id=run.request_id,
    )


class TakeSnapshot(Step["CreateSnapshot", Shares, "dict[str, list[str]]"], name="take_snapshot"):
    """The share as it was at one moment is kept, and can be mounted by whom it lets in."""

    deadline_s = WORK_S
    result_type = dict[str, list[str]]

    async def do(self, run: Run[CreateSnapshot, Shares]) -> dict[str, list[str]]:
        found = {}
        there = await places(run)
        if not there:
            raise StepFailed("The snapshot was deleted while it was being taken.")
        for copy, one in there:
            command = SnapshotShare(
                snapshot_id=run.args.snapshot_id,
                share_id=one.id,
                generation=int(one.generation),
                backend=one.backend,
                manage=run.args.manage,
                request_id=run.request_id,
            )
            state = await until_done(run, one.node, command)
            found[copy.id] = list(state.exports)
        return found

    async def save(
        self, run: Run[CreateSnapshot, Shares], tx: Transaction, result: dict[str, list[str]]
    ) -> None:
        if await snapshots.get_any(tx, run.args.snapshot_id) is None:
            raise StepFailed("The snapshot was deleted while it was being taken.")
        for copy_id, paths in result.items():
            await exports.replace_of_snapshot(tx, copy_id, paths, run.clock.now())
        await snapshots.turn(tx, run.tools, run.args.snapshot_id, "available", progress="100%")

    async def undo(self, run: Run[CreateSnapshot, Shares]) -> None:
        if run.args.manage:
            return
        for _, one in await places(run):
            command = removal(run, run.args.snapshot_id, one)
            await run.ask_or_owe(one.node, command, Done, timeout_s=ASK_S)


class CreateSnapshot(
    OnSnapshot, frozen=True, kw_only=True, tag="shared_file_system.create_snapshot"
):
    """From a row (creating) to a snapshot (available). manage: the name of what is taken over as it."""

    manage: str = ""
    happens = "create"
    steps = (TakeSnapshot,)

    async def failed(self, run: Run[Any, Shares], tx: Transaction, why: str) -> None:
        await super().failed(run, tx, why)
        if self.manage and await snapshots.get_any(tx, self.snapshot_id) is not None:
            await snapshots.turn(tx, run.tools, self.snapshot_id, "manage_error")


class RemoveSnapshot(Step["DeleteSnapshot", Shares, None], name="remove_snapshot"):
    """Nothing of the snapshot is left; a host that does not answer owes it."""

    deadline_s = WORK_S

    async def do(self, run: Run[DeleteSnapshot, Shares]) -> None:
        for copy, one in await places(run):
            keep = run.args.keep and (copy.provider_location or run.args.keep)
            await ask_or_owe(run, one.node, removal(run, run.args.snapshot_id, one, keep), Done)

    async def save(self, run: Run[DeleteSnapshot, Shares], tx: Transaction, result: None) -> None:
        await snapshots.gone(tx, run.args.snapshot_id)


class DeleteSnapshot(
    OnSnapshot, frozen=True, kw_only=True, tag="shared_file_system.delete_snapshot"
):
    """Delete a snapshot. keep: its files stay under this name (unmanage)."""

    keep: str = ""
    happens = "delete"
    action = "delete"
    to = "error_deleting"
    steps = (RemoveSnapshot,)
