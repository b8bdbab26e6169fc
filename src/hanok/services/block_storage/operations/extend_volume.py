"""A volume becomes larger, also while servers use it."""

from __future__ import annotations

from typing import Any

from hanok.base.errors import StepFailed
from hanok.events import Event
from hanok.operations import Run, Step
from hanok.services.block_storage.logic import backends, volumes
from hanok.services.block_storage.operations.on_volume import (
    WORK_S,
    OnVolume,
    as_before,
    command,
    existing,
    place_of,
    until_done,
)
from hanok.services.block_storage.room import Volumes
from hanok.store import Transaction


class Grow(Step["ExtendVolume", Volumes, None], name="extend_volume"):
    """The volume is so large; servers that use it are told by who attached it."""

    deadline_s = WORK_S

    async def do(self, run: Run[ExtendVolume, Volumes]) -> None:
        row = await existing(run)
        host, _ = place_of(row)
        await until_done(run, host, await command(run, row, size_gib=run.args.size_gib))

    async def save(self, run: Run[ExtendVolume, Volumes], tx: Transaction, result: None) -> None:
        row = await volumes.get_any(tx, run.args.volume_id)
        if row is None:
            raise StepFailed("The volume was deleted meanwhile.")
        await as_before(tx, run.tools, row, size_gib=run.args.size_gib)
        servers = [one.server_id for one in await volumes.attachments(tx, row.id) if one.server_id]
        if servers:
            await self._tell(run, tx, servers)

    @staticmethod
    async def _tell(run: Run[Any, Volumes], tx: Transaction, servers: list[str]) -> None:
        args = run.args
        event = Event(
            kind="volume.extended",
            resource=f"volume:{args.volume_id}",
            user_id=run.user_id,
            payload={"id": args.volume_id, "size": args.size_gib, "server_ids": servers},
        )
        await run.tools.events.emit(tx, event)


class ExtendVolume(OnVolume, frozen=True, kw_only=True, tag="block_storage.extend_volume"):
    """Make a volume larger: size_gib in all. What it has more of its back end then, it has from the beginning."""

    size_gib: int
    happens = "resize"
    action = "extend"
    to = "error_extending"
    steps = (Grow,)

    async def failed(self, run: Run[Any, Volumes], tx: Transaction, why: str) -> None:
        await self._give_back(tx)
        await self.show(run, tx, why)

    async def cancelled(self, run: Run[Any, Volumes], tx: Transaction) -> None:
        await self._give_back(tx)

    async def _give_back(self, tx: Transaction) -> None:
        row = await volumes.get_any(tx, self.volume_id)
        if row is not None:
            await backends.add(tx, row.host, row.backend, row.size_gib - self.size_gib)
