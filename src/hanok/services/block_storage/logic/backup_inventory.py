"""Where backups disagree with what is in their stores, and copies of volumes with the work that needs them.

What is in a bucket or in a project's own account is looked for; what is there beside it may be somebody's, and is not.
"""

from __future__ import annotations

import asyncio
from pathlib import Path

import sqlalchemy as sa

from hanok.base.errors import Conflict
from hanok.base.ids import is_uuid
from hanok.commands.volumes import copy_name
from hanok.drivers.image_stores import StoreBroken
from hanok.operations import is_active
from hanok.rooms import Difference
from hanok.services.block_storage.logic import backups
from hanok.services.block_storage.logic.backup_data import manifest_name
from hanok.services.block_storage.room import Volumes
from hanok.services.block_storage.tables import volume_backups as table
from hanok.services.image import facade as images
from hanok.store import Transaction

_COPY = copy_name("")
_kept = sa.select(table.c.data_id, table.c.container)
_ids = sa.select(table.c.id)
_available = backups.WHOLE.where(table.c.status == "available").order_by(table.c.sequence)


async def differences(room: Volumes, *, mend: bool) -> list[Difference]:
    """Backups without data, data without backups, copies that nothing needs. mend: the last two are removed."""
    return [
        *await _lost(room),
        *await _stray_data(room, mend=mend),
        *await _stray_copies(room, mend=mend),
    ]


async def _lost(room: Volumes) -> list[Difference]:
    async with room.database.read() as tx:
        rows = await tx.all(_available)
    found = []
    for row in rows:
        try:
            there = await backups.store_of(room, row).size(manifest_name(row.data_id))
        except (StoreBroken, Conflict) as error:
            found.append(Difference(what="backup", detail=f"the store of backup {row.id}: {error}"))
            continue
        if there is None:
            detail = f"backup {row.id} is not in its store"
            found.append(Difference(what="backup", detail=detail))
    return found


async def _stray_data(room: Volumes, *, mend: bool) -> list[Difference]:
    """Files of backups that no row speaks of, where backups are kept in a folder."""
    async with room.database.read() as tx:
        rows = await tx.all(_kept)
    containers = {row.container for row in rows} | {room.settings.backups.container}
    found = []
    for container in sorted(containers):
        path = room.backup_store("", container).path("none")
        for file in [] if path is None else await asyncio.to_thread(_files, path.parent):
            data_id = _id_in(file.name)
            if data_id and not await _is_kept(room, data_id):
                found.append(await _stray(file, "backup data", "which no backup has", mend=mend))
    return found


async def _is_kept(room: Volumes, data_id: str) -> bool:
    """Asked of each, as backups are made and deleted meanwhile."""
    async with room.database.read() as tx:
        return await tx.first(_kept.where(table.c.data_id == data_id)) is not None


async def _stray_copies(room: Volumes, *, mend: bool) -> list[Difference]:
    """Copies of volumes that hosts have left here, or that hosts were to fetch."""
    found = []
    for file in await asyncio.to_thread(_files, room.copies.folder):
        name = file.name.lstrip(".")
        copy_id = _id_in(name.removeprefix(_COPY)) if name.startswith(_COPY) else ""
        if not copy_id:
            continue
        async with room.database.read() as tx:
            needed = await _is_needed(tx, copy_id)
        if not needed:
            found.append(await _stray(file, "volume copy", "which nothing needs", mend=mend))
    return found


async def _is_needed(tx: Transaction, copy_id: str) -> bool:
    """Whether a backup, a volume that is restored, or an image that is made of a volume needs a copy."""
    for kind in ("backup", "volume"):
        if await is_active(tx, f"{kind}:{copy_id}"):
            return True
    for child in await tx.all(_ids.where(table.c.parent_id == copy_id)):  # its host is told of it
        if await is_active(tx, f"backup:{child.id}"):
            return True
    image = await images.get(tx, copy_id)
    return image is not None and image.status != "active"


def _files(folder: Path) -> list[Path]:
    try:
        return sorted(one for one in folder.iterdir() if one.is_file())
    except FileNotFoundError:
        return []


def _id_in(name: str) -> str:
    """The id that a file's name begins with; "": none."""
    found = name.lstrip(".").partition(".")[0]
    return found if is_uuid(found) else ""


async def _stray(file: Path, what: str, why: str, *, mend: bool) -> Difference:
    if mend:
        await asyncio.to_thread(file.unlink, missing_ok=True)
    return Difference(what=what, detail=f"{file.name}, {why}", mendable=True, mended=mend)
