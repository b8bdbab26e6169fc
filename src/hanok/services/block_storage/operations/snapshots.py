"""Snapshots come and go."""

from __future__ import annotations

from typing import Any

from hanok.base.errors import StepFailed, Unavailable
from hanok.commands import Done
from hanok.commands.volumes import EnsureVolumeSnapshot, RemoveVolumeSnapshot, VolumeState
from hanok.operations import Run, Step
from hanok.services.block_storage.logic import keys, snapshots, volumes
from hanok.services.block_storage.operations.on_volume import (
    ASK_S,
    WORK_S,
    OnSnapshot,
    existing,
    place_of,
)
from hanok.services.block_storage.room import Volumes
from hanok.store import Transaction


async def removed(run: Run[Any, Volumes], host: str, request: RemoveVolumeSnapshot) -> None:
    """A host has removed a snapshot, or owes it. No key is kept with what is owed: with one it is waited for."""
    try:
        while not (await run.ask(host, request, VolumeState, timeout_s=ASK_S)).done:
            continue
    except Unavailable:
        if request.key is not None:
            raise
        run.debts.append((host, request))


class TakeSnapshot(Step["CreateSnapshot", Volumes, None], name="take_snapshot"):
    """The volume as it was at one moment is kept."""

    async def do(self, run: Run[CreateSnapshot, Volumes]) -> None:
        row = await run.read(snapshots.get_any, run.args.snapshot_id)
        if row is None:
            raise StepFailed("The snapshot was deleted while it was being taken.")
        volume = await existing(run, row.volume_id)
        host, backend = place_of(volume)
        request = EnsureVolumeSnapshot(
            snapshot_id=row.id,
            volume_id=volume.id,
            backend=backend,
            key=keys.of(run.tools, volume),
            manage=run.args.manage,
            request_id=run.request_id,
        )
        await run.ask(host, request, Done, timeout_s=ASK_S)

    async def save(self, run: Run[CreateSnapshot, Volumes], tx: Transaction, result: None) -> None:
        values = {"status": "available", "progress": 100}
        await snapshots.change(tx, run.args.snapshot_id, values, run.clock.now())

    async def undo(self, run: Run[CreateSnapshot, Volumes]) -> None:
        row = await run.read(snapshots.get_any, run.args.snapshot_id)
        volume = None if row is None else await run.read(volumes.get_any, row.volume_id)
        if row is None or volume is None or volume.host is None or run.args.manage:
            return
        request = RemoveVolumeSnapshot(
            snapshot_id=row.id,
            volume_id=volume.id,
            backend=volume.backend,
            key=keys.of(run.tools, volume),
            request_id=run.request_id,
        )
        await removed(run, volume.host, request)


class CreateSnapshot(OnSnapshot, frozen=True, kw_only=True, tag="block_storage.create_snapshot"):
    """From a row (creating) to a snapshot (available). manage: the name of what is taken over as it."""

    manage: str = ""
    happens = "create"
    steps = (TakeSnapshot,)


class RemoveSnapshot(Step["DeleteSnapshot", Volumes, None], name="remove_snapshot"):
    """Nothing of the snapshot is left; a host that does not answer owes it."""

    deadline_s = WORK_S

    async def do(self, run: Run[DeleteSnapshot, Volumes]) -> None:
        row = await run.read(snapshots.get_any, run.args.snapshot_id)
        volume = None if row is None else await run.read(volumes.get_any, row.volume_id)
        if row is None or volume is None or volume.host is None:
            return
        request = RemoveVolumeSnapshot(
            snapshot_id=row.id,
            volume_id=volume.id,
            backend=volume.backend,
            key=keys.of(run.tools, volume),
            keep=run.args.keep,
            request_id=run.request_id,
        )
        await removed(run, volume.host, request)

    async def save(self, run: Run[DeleteSnapshot, Volumes], tx: Transaction, result: None) -> None:
        await snapshots.gone(tx, run.args.snapshot_id)


class DeleteSnapshot(OnSnapshot, frozen=True, kw_only=True, tag="block_storage.delete_snapshot"):
    """Delete a snapshot. keep: its bytes stay under this name (unmanage)."""

    keep: str = ""
    happens = "delete"
    action = "snapshot_delete"
    to = "error_deleting"
    steps = (RemoveSnapshot,)
