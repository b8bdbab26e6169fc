"""What operations on shares and snapshots have in common."""

from __future__ import annotations

from typing import Any, ClassVar

from sqlalchemy import Row

from hanok.base.errors import StepFailed, Unavailable
from hanok.commands import Command
from hanok.commands.shares import ShareState
from hanok.operations import Operation, Run
from hanok.services.shared_file_system.logic import instances, messages, shares, snapshots
from hanok.services.shared_file_system.room import Shares
from hanok.store import Transaction

ASK_S = 60.0  # a host answers after at most `wait_s` how far it is
WORK_S = 6 * 3600.0  # a copy of 2 TiB at 100 MiB/s


class OnShare(Operation, frozen=True, kw_only=True):
    """An operation on a share.

    happens: what its events are called; "": it has none. action: as messages to users have it.
    to: the status of what it failed on; "": the one that it has stays.
    """

    happens: ClassVar[str] = ""
    action: ClassVar[str] = "create"
    to: ClassVar[str] = "error"
    deadline_s = 2 * WORK_S

    share_id: str

    @property
    def resource(self) -> str:
        return f"share:{self.share_id}"

    @property
    def event(self) -> str:
        return f"shared_file_system.share.{self.happens}" if self.happens else ""

    async def news(self, run: Run[Any, Shares], tx: Transaction) -> dict[str, Any]:
        row = await shares.get_any(tx, self.share_id)
        if row is None:
            return {"id": self.share_id}
        return {
            "id": row.id, "name": row.name, "project_id": row.project_id, "status": row.status,
            "size": row.size_gib, "protocol": row.protocol, "share_type_id": row.type_id,
        }  # fmt: skip

    async def failed(self, run: Run[Any, Shares], tx: Transaction, why: str) -> None:
        row = await shares.get_any(tx, self.share_id)
        if row is None:
            return
        if self.to:
            await show(tx, run.tools, row, self.to)
        await self.tell(run, tx, row, why)

    async def stuck(self, run: Run[Any, Shares], tx: Transaction, why: str) -> None:
        await self.failed(run, tx, why)

    async def tell(
        self, run: Run[Any, Shares], tx: Transaction, row: Row[Any], why: str, **more: str
    ) -> None:
        """Say to a share's users that it failed."""
        await messages.tell(
            tx, run.tools, project_id=row.project_id, resource_type=messages.SHARE,
            resource_id=row.id, text=why, **{"action": self.action, **more},
        )  # fmt: skip


class OnSnapshot(Operation, frozen=True, kw_only=True):
    """An operation on a snapshot. to, happens: as of OnShare."""

    happens: ClassVar[str] = ""
    action: ClassVar[str] = "create"
    to: ClassVar[str] = "error"
    deadline_s = 2 * WORK_S

    snapshot_id: str

    @property
    def resource(self) -> str:
        return f"share_snapshot:{self.snapshot_id}"

    @property
    def event(self) -> str:
        return f"shared_file_system.snapshot.{self.happens}" if self.happens else ""

    async def news(self, run: Run[Any, Shares], tx: Transaction) -> dict[str, Any]:
        row = await snapshots.get_any(tx, self.snapshot_id)
        if row is None:
            return {"id": self.snapshot_id}
        return {
            "id": row.id, "name": row.name, "project_id": row.project_id, "status": row.status,
            "share_id": row.share_id, "size": row.size_gib,
        }  # fmt: skip

    async def failed(self, run: Run[Any, Shares], tx: Transaction, why: str) -> None:
        row = await snapshots.get_any(tx, self.snapshot_id)
        if row is None:
            return
        if self.to:
            await snapshots.turn(tx, run.tools, row.id, self.to)
        await messages.tell(
            tx, run.tools, project_id=row.project_id, resource_type=messages.SNAPSHOT,
            resource_id=row.id, text=why, action=self.action,
        )  # fmt: skip

    async def stuck(self, run: Run[Any, Shares], tx: Transaction, why: str) -> None:
        await self.failed(run, tx, why)


async def show(tx: Transaction, room: Shares, row: Row[Any], status: str) -> None:
    """A share and its instances have a status."""
    for one in await instances.of_share(tx, row.id):
        await instances.settle(tx, room, one, status)
    await shares.change(tx, room, row.id, status=status)


async def existing(run: Run[Any, Shares], share_id: str = "") -> Row[Any]:
    """The share's row.

    Raises:
        StepFailed: it is gone.
    """
    row = await run.read(shares.get_any, share_id or run.args.share_id)
    if row is None:
        raise StepFailed("The share was deleted meanwhile.")
    return row


async def instance_of(run: Run[Any, Shares], share_id: str = "") -> Row[Any]:
    """The instance that a share shows as itself, which is somewhere.

    Raises:
        StepFailed: it has none, or it is nowhere.
    """
    row = await run.read(instances.main_of, share_id or run.args.share_id)
    if row is None or row.node is None:
        raise StepFailed("The share is in no back end.")
    return row


async def until_done(run: Run[Any, Shares], host: str, request: Command) -> ShareState:
    """Ask a host until it says that it is done."""
    while True:
        state = await run.ask(host, request, ShareState, timeout_s=ASK_S)
        if state.done:
            return state
        await run.progress(state.progress)
        run.check_cancelled()


async def ask_or_owe(run: Run[Any, Shares], host: str, request: Command, answer: Any) -> None:
    """Ask, or leave what was asked as a debt of a host that does not answer."""
    try:
        await run.ask(host, request, answer, timeout_s=ASK_S)
    except Unavailable:
        run.debts.append((host, request))
