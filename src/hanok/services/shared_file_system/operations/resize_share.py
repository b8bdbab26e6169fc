"""A share becomes larger or smaller, or what it was when a snapshot was taken; guests see it at once."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Row

from hanok.base.errors import StepFailed, Unavailable
from hanok.bus import NobodyThere
from hanok.commands.shares import ResizeShare, RevertShare, ShareRefused, ShareState
from hanok.commands.wire import ask
from hanok.operations import Run, Step
from hanok.services.shared_file_system.logic import backends, instances, shares, snapshots
from hanok.services.shared_file_system.operations.on_share import (
    ASK_S,
    WORK_S,
    OnShare,
    existing,
    instance_of,
    show,
    until_done,
)
from hanok.services.shared_file_system.room import Shares
from hanok.store import Transaction

REFUSED = "The share holds more than the size that it is to have."


class Extended(Step["ExtendShare", Shares, None], name="extend_share"):
    """The share has the new size, in each of its instances."""

    async def do(self, run: Run[ExtendShare, Shares]) -> None:
        for row in await placed(run):
            await until_done(run, row.node, resizing(run, row, run.args.size_gib))

    async def save(self, run: Run[ExtendShare, Shares], tx: Transaction, result: None) -> None:
        await resized(run, tx, run.args.size_gib)


class ExtendShare(OnShare, frozen=True, kw_only=True, tag="shared_file_system.extend_share"):
    """Make a share larger: size_gib in all. What it has more of its back end, it has from the beginning."""

    size_gib: int
    generation: int
    happens = "extend"
    action = "extend"
    to = "extending_error"
    steps = (Extended,)

    async def failed(self, run: Run[Any, Shares], tx: Transaction, why: str) -> None:
        await self._give_back(tx)
        await super().failed(run, tx, why)

    async def cancelled(self, run: Run[Any, Shares], tx: Transaction) -> None:
        await self._give_back(tx)

    async def _give_back(self, tx: Transaction) -> None:
        for row in await instances.of_share(tx, self.share_id):
            await backends.add(tx, row.node, row.backend, row.size_gib - self.size_gib)


async def placed(run: Run[Any, Shares]) -> list[Row[Any]]:
    """The instances of a share, which are somewhere. Raises StepFailed."""
    await existing(run)
    rows = [row for row in await run.read(instances.of_share, run.args.share_id) if row.node]
    if not rows:
        raise StepFailed("The share is in no back end.")
    return rows


def resizing(run: Run[Any, Shares], row: Row[Any], size_gib: int) -> ResizeShare:
    return ResizeShare(
        share_id=row.id,
        generation=int(row.generation),
        backend=row.backend,
        size_gib=size_gib,
        request_id=run.request_id,
    )


async def resized(
    run: Run[Any, Shares], tx: Transaction, size_gib: int, status: str = "available"
) -> None:
    """A share and its instances have a size; what of back ends was theirs and is not any more is free."""
    await existing_in(tx, run.args.share_id)
    for row in await instances.of_share(tx, run.args.share_id):
        if size_gib < row.size_gib:
            await backends.add(tx, row.node, row.backend, size_gib - row.size_gib)
        await instances.settle(tx, run.tools, row, status, size_gib=size_gib)
    await shares.change(tx, run.tools, run.args.share_id, size_gib=size_gib)


async def existing_in(tx: Transaction, share_id: str) -> None:
    if await shares.get_any(tx, share_id) is None:
        raise StepFailed("The share was deleted meanwhile.")


class Shrunk(Step["ShrinkShare", Shares, bool], name="shrink_share"):
    """The share has the new size; or it holds more than that, and has the one that it had."""

    result_type = bool

    async def do(self, run: Run[ShrinkShare, Shares]) -> bool:
        done: list[Row[Any]] = []
        for row in await placed(run):
            if not await self._shrink(run, row):
                for one in done:
                    await until_done(run, one.node, resizing(run, one, one.size_gib))
                return False
            done.append(row)
        return True

    async def _shrink(self, run: Run[ShrinkShare, Shares], row: Row[Any]) -> bool:
        """Whether there is room for all that a share holds."""
        command = resizing(run, row, run.args.size_gib)
        try:
            reply = await ask(run.bus, row.node, command, timeout_s=ASK_S)
        except NobodyThere as error:
            raise Unavailable(f"Host {row.node} does not answer.", detail=str(error)) from error
        if isinstance(reply, ShareRefused):
            return False
        if not isinstance(reply, ShareState):
            await run.ask(row.node, command, ShareState, timeout_s=ASK_S)
        return True

    async def save(self, run: Run[ShrinkShare, Shares], tx: Transaction, result: bool) -> None:
        if result:
            await resized(run, tx, run.args.size_gib)
            return
        row = await shares.get_any(tx, run.args.share_id)
        if row is None:
            raise StepFailed("The share was deleted meanwhile.")
        await show(tx, run.tools, row, "shrinking_possible_data_loss_error")
        await run.args.tell(run, tx, row, REFUSED, detail_id="018")


class ShrinkShare(OnShare, frozen=True, kw_only=True, tag="shared_file_system.shrink_share"):
    """Make a share smaller: size_gib in all."""

    size_gib: int
    generation: int
    happens = "shrink"
    action = "shrink"
    to = "shrinking_error"
    steps = (Shrunk,)


class Reverted(Step["RevertShareOperation", Shares, None], name="revert_share"):
    """The share holds what the snapshot does, and has its size."""

    deadline_s = WORK_S

    async def do(self, run: Run[RevertShareOperation, Shares]) -> None:
        row = await instance_of(run)
        snapshot = await run.read(snapshots.get_any, run.args.snapshot_id)
        if snapshot is None:
            raise StepFailed("The snapshot was deleted meanwhile.")
        command = RevertShare(
            share_id=row.id,
            generation=run.args.generation,
            backend=row.backend,
            snapshot_id=snapshot.id,
            size_gib=snapshot.size_gib,
            request_id=run.request_id,
        )
        await until_done(run, row.node, command)

    async def save(
        self, run: Run[RevertShareOperation, Shares], tx: Transaction, result: None
    ) -> None:
        snapshot = await snapshots.get_any(tx, run.args.snapshot_id)
        if snapshot is None:
            raise StepFailed("The snapshot was deleted meanwhile.")
        await resized(run, tx, snapshot.size_gib)
        await snapshots.turn(tx, run.tools, snapshot.id, "available")


class RevertShareOperation(
    OnShare, frozen=True, kw_only=True, tag="shared_file_system.revert_share"
):
    """Set a share back to its last snapshot."""

    snapshot_id: str
    generation: int
    happens = "revert"
    action = "revert"
    to = "reverting_error"
    steps = (Reverted,)

    async def failed(self, run: Run[Any, Shares], tx: Transaction, why: str) -> None:
        await super().failed(run, tx, why)
        if await snapshots.get_any(tx, self.snapshot_id) is not None:
            await snapshots.turn(tx, run.tools, self.snapshot_id, "available")
