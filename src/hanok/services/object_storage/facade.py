"""What control and other services may ask of object storage."""

from __future__ import annotations

from pathlib import Path

from hanok.base.clock import Clock
from hanok.drivers.byte_store import Files
from hanok.events import Outbox
from hanok.services.object_storage.logic import objects, sweeping
from hanok.services.object_storage.room import ObjectStorageSettings, ObjectStore
from hanok.store import Database

__all__ = ["ObjectStorageSettings", "ObjectStore", "build", "differences", "sweep"]


def build(
    database: Database,
    clock: Clock,
    events: Outbox,
    settings: ObjectStorageSettings,
    folder: Path,
) -> ObjectStore:
    """
    Args:
        folder: of the bytes, where the settings say nothing else.
    """
    files = Files(
        Path(settings.folder) if settings.folder else folder,
        durable=settings.durable,
        reserve=settings.reserve_mib << 20,
    )
    return ObjectStore(
        database=database,
        clock=clock,
        events=events,
        store=files,
        settings=settings,
        close=files.close,
    )


async def sweep(room: ObjectStore, *, everything: bool) -> None:
    """Remove what has expired, and let go of bytes that nobody needs.

    Args:
        everything: also look for what broken writes left.
    """
    await sweeping.remove_expired(room)
    await sweeping.let_go(room)
    if everything:
        await sweeping.strays(room, mend=True)


async def differences(room: ObjectStore, *, mend: bool) -> list[tuple[str, str, bool]]:
    """Where rows and bytes disagree: a stable word, what it is in plain English, and whether it can be mended."""
    async with room.database.write() as tx:
        found = [("count", one, True) for one in await objects.miscounted(tx, mend=mend)]
    found += [("stray", one, True) for one in await sweeping.strays(room, mend=mend)]
    found += [("object", one, False) for one in await sweeping.missing(room)]
    return found
