"""Hosts let in whom the rules name, and nobody else: the whole list is told each time."""

from __future__ import annotations

from typing import Any

from hanok.commands.shares import EnsureShareAccess, ShareState
from hanok.operations import Run, Step
from hanok.services.shared_file_system.logic import access, instances, messages, shares, snapshots
from hanok.services.shared_file_system.operations.on_share import ASK_S, OnShare, OnSnapshot
from hanok.services.shared_file_system.room import Shares
from hanok.store import Transaction


class Begin(Step["UpdateAccess", Shares, None], name="begin"):
    """Rules that wait are under way."""

    async def do(self, run: Run[UpdateAccess, Shares]) -> None:
        return None

    async def save(self, run: Run[UpdateAccess, Shares], tx: Transaction, result: None) -> None:
        await access.begin(tx, run.tools, run.args.share_id)


class Apply(Step["UpdateAccess", Shares, None], name="apply_access"):
    """Each host of the share lets in whom its rules name."""

    async def do(self, run: Run[UpdateAccess, Shares]) -> None:
        rows = await run.read(access.of, run.args.share_id)
        for one in await run.read(instances.of_share, run.args.share_id):
            if one.node is None:
                continue
            command = EnsureShareAccess(
                share_id=one.id,
                generation=int(one.generation),
                backend=one.backend,
                rules=access.rules_of(rows, read_only=one.cast_rules_to_readonly),
                request_id=run.request_id,
            )
            await run.ask(one.node, command, ShareState, timeout_s=ASK_S)

    async def save(self, run: Run[UpdateAccess, Shares], tx: Transaction, result: None) -> None:
        share = await shares.get_any(tx, run.args.share_id)
        refused = await access.applied(tx, run.tools, run.args.share_id)
        if share is not None and refused:
            text = f"The back end does not support access of type {refused[0].access_type}."
            detail = messages.UNSUPPORTED_ACCESS
            await run.args.tell(run, tx, share, text, detail_id=detail)


class UpdateAccess(OnShare, frozen=True, kw_only=True, tag="shared_file_system.update_access"):
    """Tell the hosts of a share who is let in."""

    action = "access"
    to = ""
    steps = (Begin, Apply)
    deadline_s = 3600.0

    @property
    def resource(self) -> str:
        return f"share_access:{self.share_id}"

    async def failed(self, run: Run[Any, Shares], tx: Transaction, why: str) -> None:
        await access.failed(tx, run.tools, self.share_id)
        await super().failed(run, tx, why)


class ApplyToSnapshot(Step["UpdateSnapshotAccess", Shares, None], name="apply_snapshot_access"):
    """Each host of the snapshot lets in whom its rules name, to read."""

    async def do(self, run: Run[UpdateSnapshotAccess, Shares]) -> None:
        async with run.transaction() as tx:
            await access.begin_of_snapshot(tx, run.tools, run.args.snapshot_id)
        rows = await run.read(access.of_snapshot, run.args.snapshot_id)
        for copy in await run.read(snapshots.copies, run.args.snapshot_id):
            one = await run.read(instances.get_any, copy.instance_id)
            if one is None or one.node is None:
                continue
            command = EnsureShareAccess(
                share_id=one.id,
                generation=run.args.generation,
                backend=one.backend,
                rules=access.rules_of_snapshot(rows),
                snapshot_id=run.args.snapshot_id,
                request_id=run.request_id,
            )
            await run.ask(one.node, command, ShareState, timeout_s=ASK_S)

    async def save(
        self, run: Run[UpdateSnapshotAccess, Shares], tx: Transaction, result: None
    ) -> None:
        await access.applied_of_snapshot(tx, run.tools, run.args.snapshot_id, worked=True)


class UpdateSnapshotAccess(
    OnSnapshot, frozen=True, kw_only=True, tag="shared_file_system.update_snapshot_access"
):
    """Tell the hosts of a snapshot who is let in. generation: of the share's instance."""

    generation: int
    action = "access"
    to = ""
    steps = (ApplyToSnapshot,)
    deadline_s = 3600.0

    @property
    def resource(self) -> str:
        return f"share_snapshot_access:{self.snapshot_id}"

    async def failed(self, run: Run[Any, Shares], tx: Transaction, why: str) -> None:
        await access.applied_of_snapshot(tx, run.tools, self.snapshot_id, worked=False)
        await super().failed(run, tx, why)
