"""A back end is told anew of all its shares: what it should have, and who is let in."""

from __future__ import annotations

from typing import Any

from hanok.commands.shares import EnsureShare, EnsureShareAccess, ShareState
from hanok.operations import Operation, Run, Step
from hanok.services.shared_file_system.logic import access, backends, exports, instances
from hanok.services.shared_file_system.operations.on_share import ASK_S, WORK_S, until_done
from hanok.services.shared_file_system.room import Shares
from hanok.store import Transaction


class TellAll(Step["EnsureShares", Shares, None], name="tell_all"):
    """Each share of the back end is there and lets in whom its rules name."""

    deadline_s = WORK_S

    async def do(self, run: Run[EnsureShares, Shares]) -> None:
        node, backend = backends.split(run.args.host)
        for row in await run.read(instances.available_at, node, backend):
            run.check_cancelled()
            command = EnsureShare(
                share_id=row.id, generation=int(row.generation), backend=backend,
                size_gib=row.size_gib, server_id=row.share_server_id or "",
                request_id=run.request_id,
            )  # fmt: skip
            state = await until_done(run, node, command)
            rules = await run.read(access.of, row.share_id)
            told = EnsureShareAccess(
                share_id=row.id, generation=int(row.generation), backend=backend,
                rules=access.rules_of(rules, read_only=row.cast_rules_to_readonly),
                request_id=run.request_id,
            )  # fmt: skip
            await run.ask(node, told, ShareState, timeout_s=ASK_S)
            async with run.transaction() as tx:
                await exports.replace(tx, row.id, state.exports, run.clock.now())

    async def save(self, run: Run[EnsureShares, Shares], tx: Transaction, result: None) -> None:
        await run.args.over(tx)


class EnsureShares(Operation, frozen=True, kw_only=True, tag="shared_file_system.ensure_shares"):
    """Put the shares of a back end right. host: "node@backend"."""

    host: str
    steps = (TellAll,)
    deadline_s = 2 * WORK_S

    @property
    def resource(self) -> str:
        return f"share_service:{self.host}"

    @property
    def event(self) -> str:
        return "shared_file_system.service.ensure_shares"

    async def news(self, run: Run[Any, Shares], tx: Transaction) -> dict[str, Any]:
        return {"host": self.host}

    async def over(self, tx: Transaction) -> None:
        """Nothing is put right any more."""
        await backends.change(tx, await backends.get(tx, self.host), ensuring=False)

    async def failed(self, run: Run[Any, Shares], tx: Transaction, why: str) -> None:
        await self.over(tx)

    async def cancelled(self, run: Run[Any, Shares], tx: Transaction) -> None:
        await self.over(tx)
