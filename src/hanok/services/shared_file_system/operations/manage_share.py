"""A share that is on a back end already is taken over under its instance's id, or let go of under another name."""

from __future__ import annotations

from hanok.base.errors import BadInput, StepFailed, Unavailable
from hanok.bus import NobodyThere
from hanok.commands.shares import (
    EnsureShare,
    FoundShare,
    ListShares,
    ShareInventory,
    ShareSource,
    ShareState,
)
from hanok.commands.wire import ask
from hanok.operations import Run, Step
from hanok.services.shared_file_system.logic import backends, creating, exports, instances, shares
from hanok.services.shared_file_system.operations.create_share import instance
from hanok.services.shared_file_system.operations.delete_share import DeleteShare
from hanok.services.shared_file_system.operations.on_share import (
    ASK_S,
    WORK_S,
    OnShare,
    existing,
    until_done,
)
from hanok.services.shared_file_system.room import Shares
from hanok.store import Transaction

GIB = 1 << 30


class TakeOver(Step["ManageShare", Shares, "ShareState"], name="take_over"):
    """What was found is the share, as large as it was."""

    deadline_s = WORK_S
    result_type = ShareState

    async def do(self, run: Run[ManageShare, Shares]) -> ShareState:
        row = await instance(run)
        await self._check(run)
        found = await self._find(run, row.node, row.backend)
        name, size = run.args.name, int(row.size_gib)
        if found is not None:
            name = found.name
            size = max(found.size_gib, -(-found.used_bytes // GIB), 1)
        command = EnsureShare(
            share_id=row.id,
            generation=int(row.generation),
            backend=row.backend,
            size_gib=size or 1,
            server_id=row.share_server_id or "",
            source=ShareSource(kind="manage", id=name),
            request_id=run.request_id,
        )
        return await until_done(run, row.node, command)

    async def _check(self, run: Run[ManageShare, Shares]) -> None:
        """Raises StepFailed for a share that could not be reached by its protocol."""
        share = await existing(run)
        try:
            creating.check_protocol(run.tools, share.protocol)
        except BadInput as error:
            raise StepFailed(error.message) from None

    async def _find(
        self, run: Run[ManageShare, Shares], node: str, backend: str
    ) -> FoundShare | None:
        """What is there under a name, or was let go of under it; None: it may be ours already."""
        try:
            reply = await ask(run.bus, node, ListShares(), timeout_s=ASK_S)
        except NobodyThere as error:
            raise Unavailable(f"Host {node} does not answer.", detail=str(error)) from error
        if not isinstance(reply, ShareInventory):
            raise StepFailed("The host gave an answer that does not fit the request.")
        names = (run.args.name, f"kept-{run.args.name}")
        there = [one for one in reply.others if one.backend == backend and one.name in names]
        mine = any(one.share_id == run.args.instance_id for one in reply.shares)
        if not there and not mine:
            raise StepFailed(f"The back end has no share {run.args.name[:100]}.")
        return there[0] if there else None

    async def save(
        self, run: Run[ManageShare, Shares], tx: Transaction, result: ShareState
    ) -> None:
        row = await instances.get_any(tx, run.args.instance_id)
        if row is None:
            raise StepFailed("The share was deleted meanwhile.")
        await backends.add(tx, row.node, row.backend, result.size_gib - row.size_gib)
        await exports.replace(tx, row.id, result.exports, run.clock.now())
        await instances.settle(
            tx, run.tools, row, "available", progress=100, size_gib=result.size_gib
        )
        await shares.change(tx, run.tools, row.share_id, size_gib=result.size_gib)


class ManageShare(OnShare, frozen=True, kw_only=True, tag="shared_file_system.manage_share"):
    """Take over a share. name: what it is called on its back end."""

    instance_id: str
    name: str
    happens = "manage"
    to = "manage_error"
    steps = (TakeOver,)


class UnmanageShare(
    DeleteShare, frozen=True, kw_only=True, tag="shared_file_system.unmanage_share"
):
    """Let go of a share; its files stay."""

    happens = "unmanage"
    to = "unmanage_error"
