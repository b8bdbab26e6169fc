"""What is in a back end under a name becomes a volume."""

from __future__ import annotations

from hanok.base.errors import StepFailed
from hanok.commands.volumes import VolumeSource
from hanok.operations import Run, Step
from hanok.services.block_storage.logic import volumes
from hanok.services.block_storage.operations.on_volume import (
    OnVolume,
    command,
    existing,
    place_of,
    until_done,
)
from hanok.services.block_storage.room import Volumes
from hanok.store import Transaction


class TakeOver(Step["ManageVolume", Volumes, None], name="take_over"):
    """The host knows it as the volume."""

    async def do(self, run: Run[ManageVolume, Volumes]) -> None:
        row = await existing(run)
        host, _ = place_of(row)
        source = VolumeSource(kind="manage", id=run.args.name)
        await until_done(run, host, await command(run, row, source=source))

    async def save(self, run: Run[ManageVolume, Volumes], tx: Transaction, result: None) -> None:
        row = await volumes.get_any(tx, run.args.volume_id)
        if row is None:
            raise StepFailed("The volume was deleted meanwhile.")
        now = run.clock.now()
        await volumes.settle(tx, run.tools, row.id, "available", launched_at=now)


class ManageVolume(OnVolume, frozen=True, kw_only=True, tag="block_storage.manage_volume"):
    """Take over what a back end has under a name."""

    name: str
    happens = "manage"
    to = "error_managing"
    steps = (TakeOver,)
