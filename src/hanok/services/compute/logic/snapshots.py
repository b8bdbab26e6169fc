"""What a request for an image of a server means: the image's row, and the server busy with it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Row

from hanok.base.errors import BadInput, OverQuota, TooLarge
from hanok.services.compute.logic import quotas, servers
from hanok.services.compute.room import Compute
from hanok.services.image import facade as images
from hanok.store import Transaction
from hanok.web.token import Caller

# What says something of an image's own bytes, or of how they are kept, is not said of another's.
NOT_INHERITED = frozenset(
    (
        "cache_in_nova",
        "bittorrent",
        "cinder_encryption_key_id",
        "cinder_encryption_key_deletion_policy",
    )
)
NOT_INHERITED_PREFIXES = ("img_signature", "os_glance", "os_hash_", "os_hidden")


def inherited(properties: Mapping[str, str]) -> dict[str, str]:
    """Of the properties of a server's image those that hold for a copy of its disk."""
    return {
        name: value
        for name, value in properties.items()
        if name not in NOT_INHERITED and not name.startswith(NOT_INHERITED_PREFIXES)
    }


async def check_metadata(
    tx: Transaction, room: Compute, caller: Caller, metadata: Mapping[str, str]
) -> None:
    """Hold an image's metadata against the project's quota for servers' metadata.

    Raises:
        OverQuota
    """
    try:
        await quotas.check_metadata(tx, room, caller.project_id or "", metadata)
    except OverQuota as error:
        raise OverQuota("Image metadata limit exceeded") from error


async def begin(
    tx: Transaction,
    room: Compute,
    caller: Caller,
    row: Row[Any],
    name: str,
    metadata: Mapping[str, str],
    *,
    backup_type: str | None = None,
) -> str:
    """Write the row of the new image and have the server show that it is copied; returns the image's id.

    Args:
        backup_type: of a backup ("daily"); None for a plain snapshot.

    Raises:
        Conflict: the server's state does not allow it.
        OverQuota: too much metadata, or too many images.
        BadInput: metadata that no image can have.
    """
    action = "createImage" if backup_type is None else "createBackup"
    await servers.begin(tx, row, action, room.clock.now(), changes=False)
    return await new_image(tx, room, caller, row, name, metadata, backup_type=backup_type)


async def new_image(
    tx: Transaction,
    room: Compute,
    caller: Caller,
    row: Row[Any],
    name: str,
    metadata: Mapping[str, str],
    *,
    backup_type: str | None = None,
) -> str:
    """Write the row of an image of a server's disk; returns its id.

    Raises:
        BadInput: metadata that no image can have, or no project that could have the image. OverQuota: too many images.
    """
    if caller.project_id is None:
        raise BadInput("An image belongs to a project: use a project's token.")
    base = await images.get(tx, row.image_id) if row.image_id else None
    foreign = caller.project_id != row.project_id
    properties = {
        **inherited(row.image_properties),
        "base_image_ref": row.image_id,
        "instance_uuid": row.id,
        "user_id": caller.user_id,
        "image_type": "snapshot" if backup_type is None else "backup",
        **metadata,
        **({} if backup_type is None else {"backup_type": backup_type}),
        **({"instance_owner": row.project_id} if foreign else {}),
    }
    try:
        return await images.snapshots.begin(
            tx,
            room.images,
            owner=caller.project_id,
            name=name,
            min_disk_gib=max(row.disk_gib, base.min_disk_gib if base else 0) if row.image_id else 0,
            min_ram_mib=base.min_ram_mib if base else 0,
            properties=properties,
            shared_with=row.project_id if foreign else None,
        )
    except TooLarge as error:
        raise OverQuota(error.message) from error
