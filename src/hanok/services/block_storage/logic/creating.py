"""New volumes: what they are made of, their type, size and place; and what each of that refuses.

Source: Block Storage API reference, "Create a volume".
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
from msgspec import Struct
from msgspec.structs import replace
from sqlalchemy import Row

from hanok.base.errors import BadInput, NotFound
from hanok.base.ids import new_uuid
from hanok.services.block_storage.logic import (
    backends,
    backups,
    group_members,
    keys,
    quotas,
    scheduling,
    snapshots,
    types,
    volumes,
)
from hanok.services.block_storage.room import Volumes
from hanok.services.block_storage.tables import volumes as table
from hanok.services.image import facade as images
from hanok.services.image.facade import ImageInfo
from hanok.store import Transaction, still_there
from hanok.web.token import Caller

GIB = 1 << 30
IMAGE_TYPE = "cinder_img_volume_type"  # the property of an image that names a type


class Requested(Struct, frozen=True, kw_only=True):
    """A volume that is wanted. Of snapshot_id, source_volume_id and image_id at most one is there.

    size_gib: None: that of what it is made of. type: id or name. zone: None: the usual one, or that of its source.
    """

    size_gib: int | None
    name: str | None = None
    description: str | None = None
    type: str | None = None
    zone: str | None = None
    snapshot_id: str | None = None
    source_volume_id: str | None = None
    image_id: str | None = None
    backup_id: str | None = None
    group_id: str | None = None
    metadata: Mapping[str, str] = {}
    hints: Mapping[str, Any] = {}


class _Source(Struct, frozen=True, kw_only=True):
    """What a volume is made of, as far as it decides something."""

    size_gib: int = 0
    volume: Any = None
    image: ImageInfo | None = None
    backup: Any = None


class _Device(Struct, frozen=True):
    """A disk as the image of a server names it."""

    boot_index: int | None = None
    source_type: str | None = None
    snapshot_id: str | None = None


async def create(
    tx: Transaction,
    room: Volumes,
    caller: Caller,
    requested: Requested,
    *,
    image_caller: Caller | None = None,
) -> Row[Any]:
    """The row of a new volume (status creating), counted against the quotas.

    Args:
        image_caller: the caller as the image service's rules see them.

    Raises:
        BadInput: it cannot be made so. NotFound: its source or type is not there. TooLarge: over a quota.
    """
    requested = await _of_servers_image(tx, image_caller or caller, requested)
    source = await _source(tx, caller, image_caller or caller, requested)
    kind = await _type(tx, room, caller, requested, source)
    if requested.group_id:
        await group_members.check_member(tx, caller, requested.group_id, kind.id)
    size_gib = _size(requested, source)
    project_id = caller.own_project
    await quotas.check_size(tx, room, project_id, size_gib)
    zone = await _zone(tx, room, requested, source)
    encryption = await types.encryption(tx, kind.id)
    _check_encryption(source, encryption is not None)
    await quotas.check(tx, room, project_id, kind, volumes=1, gigabytes=size_gib)
    volume_id = new_uuid()
    row = {
        "id": volume_id,
        "project_id": project_id,
        "user_id": caller.user_id,
        "name": requested.name,
        "description": requested.description,
        "size_gib": size_gib,
        "status": "creating",
        "attach_status": "detached",
        "type_id": kind.id,
        "zone": zone,
        "snapshot_id": requested.snapshot_id,
        "source_volume_id": requested.source_volume_id,
        "image_id": requested.image_id,
        "backup_id": requested.backup_id,
        "group_id": requested.group_id,
        "multiattach": types.multiattach(kind.extra_specs),
        "encrypted": encryption is not None,
        "sealed_key": None if encryption is None else _key(room, source, encryption),
        "key_id": None if encryption is None else new_uuid(),
        "metadata": {**_kept_metadata(source), **requested.metadata},
        "scheduler_hints": await scheduling.check_hints(tx, room, caller, requested.hints),
        "generation": 1,
        "created_at": room.clock.now(),
        **_of_source(source),
    }
    await tx.insert(table, row)
    if source.backup is not None:
        await backups.change(tx, source.backup.id, {"status": "restoring"}, room.clock.now())
    return still_there(await volumes.get_any(tx, volume_id))


async def _source(
    tx: Transaction, caller: Caller, image_caller: Caller, requested: Requested
) -> _Source:
    named = [
        requested.snapshot_id,
        requested.source_volume_id,
        requested.image_id,
        requested.backup_id,
    ]
    if len([one for one in named if one]) > 1:
        raise BadInput(
            "Invalid input received: At most one of snapshot, volume, image and backup may be given as the source "
            "of a volume."
        )
    if requested.snapshot_id:
        return await _of_snapshot(tx, caller, requested.snapshot_id)
    if requested.source_volume_id:
        return await _of_volume(tx, caller, requested.source_volume_id)
    if requested.image_id:
        return await _of_image(tx, image_caller, requested.image_id)
    if requested.backup_id:
        return await _of_backup(tx, caller, requested.backup_id)
    return _Source()


async def _of_servers_image(tx: Transaction, caller: Caller, requested: Requested) -> Requested:
    """The image of a server that boots from a volume has no data: it names the snapshot that is wanted.

    Raises:
        BadInput: it names none for its root disk.
    """
    if not requested.image_id:
        return requested
    try:
        image = await images.visible(tx, caller, requested.image_id)
    except NotFound:
        return requested  # it is told where images are looked at
    listed = image.properties.get("block_device_mapping")
    if not listed or image.size_bytes:
        return requested
    try:
        roots = [
            one for one in msgspec.json.decode(listed, type=list[_Device]) if one.boot_index == 0
        ]
    except (msgspec.MsgspecError, RecursionError):
        roots = []
    if not roots or roots[0].source_type != "snapshot" or not roots[0].snapshot_id:
        raise BadInput("Nova specific image is found, but boot block device is not a snapshot.")
    await tx.take_turn(roots[0].snapshot_id)
    return replace(requested, image_id=None, snapshot_id=roots[0].snapshot_id)


async def _of_snapshot(tx: Transaction, caller: Caller, snapshot_id: str) -> _Source:
    row = await snapshots.get(tx, caller, snapshot_id)
    if row.status != "available":
        raise snapshots.invalid(
            f"Originating snapshot status must be 'available', but current status is: {row.status}."
        )
    return _Source(size_gib=row.size_gib, volume=await volumes.get_any(tx, row.volume_id))


async def _of_volume(tx: Transaction, caller: Caller, volume_id: str) -> _Source:
    row = await volumes.get(tx, caller, volume_id)
    volumes.check_at_rest(row)
    if row.status not in ("available", "in-use"):
        raise volumes.invalid(
            f"Source volume status must be 'available' or 'in-use', but current status is: {row.status}."
        )
    return _Source(size_gib=row.size_gib, volume=row)


async def _of_backup(tx: Transaction, caller: Caller, backup_id: str) -> _Source:
    row = await backups.get(tx, caller, backup_id)
    backups.check_restorable(row)
    return _Source(size_gib=row.size_gib, backup=row)


async def _of_image(tx: Transaction, caller: Caller, image_id: str) -> _Source:
    try:
        image = await images.visible(tx, caller, image_id)
    except NotFound:
        raise BadInput("Invalid image identifier or unable to access requested image.") from None
    if image.status != "active":
        raise BadInput(f"Image {image_id} is not active.")
    bytes_ = max(image.size_bytes or 0, image.virtual_size_bytes or 0)
    return _Source(size_gib=-(-bytes_ // GIB), image=image)


async def _type(
    tx: Transaction, room: Volumes, caller: Caller, requested: Requested, source: _Source
) -> Row[Any]:
    """The type: the one that was named, else the source's, else the usual one."""
    named = requested.type
    if not named and source.image is not None:
        named = source.image.properties.get(IMAGE_TYPE)
    if not named and source.volume is not None:
        found = await types.get_any(tx, source.volume.type_id)
        if found is not None:
            return found
    if not named and source.backup is not None and source.backup.sealed_key is not None:
        found = await types.get_any(tx, source.backup.type_id or "")
        if found is not None:
            return found
    kind = await (
        types.requested(tx, caller, named) if named else types.default(tx, room, caller.project_id)
    )
    kind = await types.kept(tx, kind)
    if source.volume is not None and kind.id != source.volume.type_id:
        await _check_compatible(tx, kind, source.volume)
    return kind


async def _check_compatible(tx: Transaction, kind: Row[Any], volume: Row[Any]) -> None:
    """Raises BadInput where a volume of another type would be in another back end than its source."""
    theirs = await types.get_any(tx, volume.type_id)
    names = ("volume_backend_name", "capabilities:volume_backend_name")
    if theirs is None or any(
        kind.extra_specs.get(one) not in (None, theirs.extra_specs.get(one), volume.backend)
        for one in names
    ):
        raise BadInput(
            f"Invalid input received: Invalid volume_type provided: {kind.id} (requested type is not compatible; "
            "recommend omitting the type argument)."
        )


def _size(requested: Requested, source: _Source) -> int:
    size_gib = requested.size_gib
    if size_gib is None and source.image is None:
        size_gib = source.size_gib
    if not size_gib or size_gib < 1:
        raise BadInput(
            f"Invalid input received: Volume size '{requested.size_gib}' must be an integer and greater than 0"
        )
    if source.image is not None:
        _check_image_fits(source, source.image, size_gib)
    elif size_gib < source.size_gib:
        noun = "snapshot" if requested.snapshot_id else "original volume"
        noun = "backup" if requested.backup_id else noun
        raise BadInput(
            f"Invalid input received: Volume size '{size_gib}'GB cannot be smaller than the {noun} size "
            f"{source.size_gib}GB. They must be >= {noun} size."
        )
    return size_gib


def _check_image_fits(source: _Source, image: ImageInfo, size_gib: int) -> None:
    if source.size_gib > size_gib:
        raise BadInput(
            f"Invalid input received: Size of specified image {source.size_gib}GB is larger than volume size "
            f"{size_gib}GB."
        )
    if image.min_disk_gib > size_gib:
        raise BadInput(
            f"Invalid input received: Volume size {size_gib}GB cannot be smaller than the image minDisk size "
            f"{image.min_disk_gib}GB."
        )


async def _zone(tx: Transaction, room: Volumes, requested: Requested, source: _Source) -> str:
    if source.volume is not None:
        if requested.zone not in (None, source.volume.zone):
            raise BadInput(
                "Invalid input received: Volume must be in the same availability zone as its source"
            )
        return str(source.volume.zone)
    if requested.zone is None:
        return room.settings.zone
    return await backends.check_zone(tx, room.settings, requested.zone)


def _check_encryption(source: _Source, encrypted: bool) -> None:
    if source.backup is not None and source.backup.sealed_key is not None and not encrypted:
        raise BadInput(
            "Invalid input received: The backup of an encrypted volume is only restored to an encrypted one."
        )
    if source.volume is not None and source.volume.encrypted != encrypted:
        raise BadInput(
            "Invalid input received: A volume and what it is made of must both be encrypted, or neither."
        )


def _of_source(source: _Source) -> dict[str, Any]:
    """What a volume has of what it is made of."""
    if source.image is not None:
        return {"bootable": True, "image_metadata": image_metadata(source.image)}
    if source.volume is not None:
        return {"bootable": source.volume.bootable, "image_metadata": source.volume.image_metadata}
    if source.backup is not None:
        facts = source.backup.volume_facts
        return {
            "bootable": bool(facts.get("bootable")),
            "image_metadata": facts.get("image_metadata"),
        }
    return {"bootable": False, "image_metadata": None}


def _key(room: Volumes, source: _Source, encryption: Row[Any]) -> str:
    """A new key; that of what the volume is made of, whose bytes are encrypted with it."""
    origin = source.volume if source.backup is None else source.backup
    if origin is not None and origin.sealed_key is not None:
        return str(origin.sealed_key)
    return keys.new(room, encryption)


def _kept_metadata(source: _Source) -> dict[str, str]:
    """A backup brings its volume's metadata along."""
    return {} if source.backup is None else backups.metadata_of(source.backup)


def image_metadata(image: ImageInfo) -> dict[str, str]:
    """What a volume says of its image."""
    found = {
        "image_id": image.id,
        "image_name": image.name or "",
        "checksum": image.checksum or "",
        "container_format": image.container_format or "",
        "disk_format": image.disk_format or "",
        "min_disk": str(image.min_disk_gib),
        "min_ram": str(image.min_ram_mib),
        "size": str(image.size_bytes or 0),
    }
    return {**{name: str(value) for name, value in image.properties.items()}, **found}
