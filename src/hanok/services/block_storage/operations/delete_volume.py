"""From "deleting" to nothing left: exports, snapshots, the volume, its part of the back end."""

from __future__ import annotations

from typing import Any

from hanok.base.errors import Unavailable
from hanok.commands import Command, Done
from hanok.commands.volumes import CloseVolume, RemoveVolume, RemoveVolumeSnapshot
from hanok.operations import Run, Step, Waiting, is_active
from hanok.services.block_storage.logic import attachments, keys, volumes
from hanok.services.block_storage.operations.on_volume import ASK_S, WORK_S, OnVolume
from hanok.services.block_storage.operations.snapshots import removed
from hanok.services.block_storage.room import Volumes
from hanok.store import Transaction


async def ask_or_owe(run: Run[Any, Volumes], host: str, request: Command, answer: Any) -> Any:
    """Ask, or leave what was asked as a debt of a host that does not answer."""
    try:
        return await run.ask(host, request, answer, timeout_s=ASK_S)
    except Unavailable:
        run.debts.append((host, request))
        return None


async def close_all(run: Run[Any, Volumes], row: Any) -> None:
    """Nobody reaches the volume any more."""
    async with run.reading() as tx:
        users = [one.id for one in await volumes.attachments(tx, row.id)]
        users += [one.id for one in await attachments.connections(tx, row.id)]
    for one in users:
        request = CloseVolume(
            volume_id=row.id, attachment_id=one, backend=row.backend, request_id=run.request_id
        )
        await ask_or_owe(run, row.host, request, Done)


async def remove_snapshots(run: Run[Any, Volumes], row: Any) -> None:
    """Nothing of the volume's snapshots is left in its back end."""
    async with run.reading() as tx:
        found = await volumes.snapshots(tx, row.id)
        busy = [one.id for one in found if await is_active(tx, f"snapshot:{one.id}")]
    if busy:
        raise Waiting("a snapshot of the volume is worked on", on=f"snapshot:{busy[0]}", poll_s=1.0)
    for one in reversed(found):
        request = RemoveVolumeSnapshot(
            snapshot_id=one.id,
            volume_id=row.id,
            backend=row.backend,
            key=keys.of(run.tools, row),
            request_id=run.request_id,
        )
        await removed(run, row.host, request)


class RemoveAll(Step["DeleteVolume", Volumes, None], name="remove_volume"):
    """Nothing of the volume is left on its host. A host that does not answer owes it."""

    deadline_s = WORK_S

    async def do(self, run: Run[DeleteVolume, Volumes]) -> None:
        row = await run.read(volumes.get_any, run.args.volume_id)
        if row is None or row.host is None:
            return
        await close_all(run, row)
        await remove_snapshots(run, row)
        request = RemoveVolume(
            volume_id=row.id,
            generation=run.args.generation,
            backend=row.backend,
            keep=run.args.keep,
            request_id=run.request_id,
        )
        await ask_or_owe(run, row.host, request, Done)

    async def save(self, run: Run[DeleteVolume, Volumes], tx: Transaction, result: None) -> None:
        row = await volumes.get_any(tx, run.args.volume_id)
        if row is not None:
            await volumes.gone(tx, run.tools, row)


class DeleteVolume(OnVolume, frozen=True, kw_only=True, tag="block_storage.delete_volume"):
    """Delete a volume with its snapshots. keep: its bytes stay under this name (unmanage)."""

    keep: str = ""
    happens = "delete"
    action = "delete"
    to = "error_deleting"
    steps = (RemoveAll,)
