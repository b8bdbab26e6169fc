"""From the row that the request wrote (creating) to a volume that is there (available)."""

from __future__ import annotations

from typing import Any, ClassVar

from hanok.base.errors import StepFailed
from hanok.commands import Done, EnsureImage, ImageState
from hanok.commands.volumes import RemoveVolume, VolumeSource
from hanok.operations import Run, Step
from hanok.rooms import NotHeardYet
from hanok.services.block_storage.logic import (
    backends,
    group_members,
    keys,
    scheduling,
    snapshots,
    types,
    volumes,
)
from hanok.services.block_storage.operations.on_volume import (
    ASK_S,
    WORK_S,
    OnVolume,
    command,
    existing,
    place_of,
    until_done,
)
from hanok.services.block_storage.room import Volumes
from hanok.services.image import facade as images
from hanok.store import Transaction

COPY_S = 600.0  # an image of tens of GiB on a slow disk


class PlaceVolume(Step["CreateVolume", Volumes, None], name="place_volume"):
    """The volume has a back end, and its part of what that can give."""

    async def do(self, run: Run[CreateVolume, Volumes]) -> None:
        if await run.read(backends.unsure, run.tools):
            raise NotHeardYet

    async def save(self, run: Run[CreateVolume, Volumes], tx: Transaction, result: None) -> None:
        row = await volumes.get_any(tx, run.args.volume_id)
        if row is None:
            raise StepFailed("The volume was deleted while it was being created.")
        if row.host is not None:
            return
        kind = await types.get_any(tx, row.type_id)
        request = scheduling.Request(
            size_gib=row.size_gib,
            zone=row.zone,
            specs={} if kind is None else kind.extra_specs,
            hints=row.scheduler_hints,
            at=await _at(tx, row),
        )
        host, backend = await scheduling.place(tx, run.tools, request)
        await volumes.change(tx, row.id, {"host": host, "backend": backend}, run.clock.now())

    async def unsave(self, run: Run[CreateVolume, Volumes], tx: Transaction) -> None:
        row = await volumes.get_any(tx, run.args.volume_id)
        if row is not None and row.host is not None:
            await backends.add(tx, row.host, row.backend, -row.size_gib)
            await volumes.change(tx, row.id, {"host": None, "backend": None}, run.clock.now())


async def _at(tx: Transaction, row: Any) -> str:
    """Where a volume has to be: where its source is, or its group."""
    source_id = row.source_volume_id
    if row.snapshot_id is not None:
        snapshot = await snapshots.get_any(tx, row.snapshot_id)
        source_id = None if snapshot is None else snapshot.volume_id
        if source_id is None:
            raise StepFailed("The snapshot was deleted while the volume was being created.")
    if source_id is None:
        return await _of_group(tx, row)
    source = await volumes.get_any(tx, source_id)
    if source is None or source.host is None:
        raise StepFailed("The source of the volume is gone, or in no back end.")
    place = backends.name_of(source.host, source.backend)
    if await _of_group(tx, row) not in ("", place):
        raise StepFailed("The volume's source and its group are in different back ends.")
    return place


async def _of_group(tx: Transaction, row: Any) -> str:
    if row.group_id is None:
        return ""
    group = await group_members.group_of(tx, row.group_id)
    if group is None or group.host is None:
        raise StepFailed("The group of the volume is gone, or in no back end.")
    return backends.name_of(group.host, group.backend)


class FetchImage(Step["CreateVolume", Volumes, None], name="fetch_image"):
    """The image is in the cache of the volume's host; a second volume of it copies nothing."""

    deadline_s = 3 * COPY_S

    async def do(self, run: Run[CreateVolume, Volumes]) -> None:
        row = await existing(run)
        await image_at(run, row.image_id, place_of(row)[0])


async def image_at(run: Run[Any, Volumes], image_id: str, host: str) -> None:
    """An image is in a host's cache.

    Raises:
        StepFailed: the image is not to be had any more.
    """
    async with run.reading() as tx:
        image = await images.get(tx, image_id)
    if image is None or image.status != "active":
        raise StepFailed("The image was deleted or deactivated while the volume was being created.")
    await images.bring(run.tools.images, image.id)
    size = image.size_bytes or 0
    request = EnsureImage(
        image_id=image.id,
        disk_format=image.disk_format or "raw",
        size_bytes=size,
        hash_algorithm=image.hash_algorithm or "",
        hash_value=image.hash_value or "",
        source=run.tools.tickets.to_read(image.id, host, size),
        request_id=run.request_id,
    )
    await run.ask(host, request, ImageState, timeout_s=COPY_S)


class MakeVolume(Step["CreateVolume", Volumes, None], name="make_volume"):
    """The volume is in its back end, with what it is made of on it."""

    deadline_s = WORK_S

    async def do(self, run: Run[CreateVolume, Volumes]) -> None:
        row = await existing(run)
        host, _ = place_of(row)
        request = await command(run, row, source=await source_of(run, row))
        await until_done(run, host, request)

    async def save(self, run: Run[CreateVolume, Volumes], tx: Transaction, result: None) -> None:
        now = run.clock.now()
        await volumes.settle(tx, run.tools, run.args.volume_id, "available", launched_at=now)

    async def undo(self, run: Run[CreateVolume, Volumes]) -> None:
        row = await run.read(volumes.get_any, run.args.volume_id)
        if row is not None and row.host is not None:
            await run.ask_or_owe(row.host, removal(run, row), Done, timeout_s=ASK_S)


def removal(run: Run[Any, Volumes], row: Any) -> RemoveVolume:
    return RemoveVolume(
        volume_id=row.id,
        generation=run.args.generation + 1,
        backend=row.backend,
        request_id=run.request_id,
    )


async def source_of(run: Run[Any, Volumes], row: Any) -> VolumeSource:
    """What is on a volume at first, as its host is told it."""
    if row.image_id is not None:
        return VolumeSource(kind="image", id=row.image_id)
    if row.snapshot_id is not None:
        snapshot = await run.read(snapshots.get_any, row.snapshot_id)
        if snapshot is None:
            raise StepFailed("The snapshot was deleted while the volume was being created.")
        origin = await existing(run, snapshot.volume_id)
        return VolumeSource(
            kind="snapshot", id=snapshot.id, volume_id=origin.id, key=keys.of(run.tools, origin)
        )
    if row.source_volume_id is not None:
        origin = await existing(run, row.source_volume_id)
        return VolumeSource(
            kind="volume", id=origin.id, volume_id=origin.id, key=keys.of(run.tools, origin)
        )
    return VolumeSource()


class CreateVolume(OnVolume, frozen=True, kw_only=True, tag="block_storage.create_volume"):
    """Make a volume that is blank, or of a snapshot or another volume."""

    happens = "create"
    steps: ClassVar[tuple[type[Step[Any, Any, Any]], ...]] = (PlaceVolume, MakeVolume)


class CreateVolumeOfImage(
    CreateVolume, frozen=True, kw_only=True, tag="block_storage.create_volume_of_image"
):
    """Make a volume of an image."""

    steps = (PlaceVolume, FetchImage, MakeVolume)
    pool = "transfer"
