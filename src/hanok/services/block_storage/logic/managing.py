"""What back ends have under names that are nobody's: taken over as volumes and snapshots, and left behind by them.

Source: Block Storage API reference, "Volume manage extension", "Snapshot manage extension".
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa
from msgspec import Struct
from sqlalchemy import Row, bindparam

from hanok.base.errors import BadInput, Conflict, NotFound, Unavailable
from hanok.base.ids import new_uuid
from hanok.base.log import request_id
from hanok.bus import NobodyThere
from hanok.commands import FoundVolume, ListVolumes, VolumeInventory
from hanok.commands.wire import ask
from hanok.services.block_storage.logic import backends, quotas, types, volumes
from hanok.services.block_storage.room import Volumes
from hanok.services.block_storage.tables import volume_snapshots
from hanok.services.block_storage.tables import volumes as table
from hanok.store import Transaction, still_there
from hanok.web.token import Caller

ASK_S = 30.0
GIB = 1 << 30
_snapshot_of = (
    sa.select(volume_snapshots.c.id).where(volume_snapshots.c.volume_id == bindparam("id")).limit(1)
)


def volume_name(volume_id: str) -> str:
    """What a volume that is let go of is called in its back end."""
    return f"volume-{volume_id}"


def snapshot_name(snapshot_id: str) -> str:
    """What a snapshot that is let go of is called in its back end."""
    return f"_snapshot-{snapshot_id}"


class Found(Struct, frozen=True, kw_only=True):
    """What a back end has. owner: the id of the volume or snapshot that it is already; "" for nobody's.

    volume_id: of a snapshot: the volume that it is of. volume_name: that of one which is nobody's.
    """

    name: str
    size_gib: int
    owner: str = ""
    volume_id: str = ""
    volume_name: str = ""


async def look(room: Volumes, row: Row[Any]) -> VolumeInventory:
    """Everything of volumes on a back end's host. Raises Unavailable."""
    try:
        reply = await ask(
            room.bus, row.node, ListVolumes(request_id=request_id.get()), timeout_s=ASK_S
        )
    except NobodyThere as error:
        raise Unavailable(f"Host {row.node} does not answer.", detail=str(error)) from error
    if not isinstance(reply, VolumeInventory):
        raise Unavailable(f"Host {row.node} gave an answer that does not fit the request.")
    return reply


def _gib(one: FoundVolume) -> int:
    return max(1, -(-one.size_bytes // GIB))


def volumes_in(inventory: VolumeInventory, backend: str) -> list[Found]:
    """The volumes that a back end has, those that are managed and those that are not."""
    ours = [
        Found(name=volume_name(one.volume_id), size_gib=_gib(one), owner=one.volume_id)
        for one in inventory.volumes
        if one.backend == backend
    ]
    others = [
        Found(name=one.name, size_gib=_gib(one))
        for one in inventory.others
        if one.backend == backend and one.name and not _is_snapshot(one)
    ]
    return sorted([*ours, *others], key=lambda one: one.name)


def _is_snapshot(one: FoundVolume) -> bool:
    """Whether something that nobody manages is a snapshot of a volume."""
    return bool(one.volume_id)


def snapshots_in(inventory: VolumeInventory, backend: str) -> list[Found]:
    """The snapshots that a back end has, those that are managed and those that are not."""
    ours = [
        Found(
            name=snapshot_name(snapshot),
            size_gib=_gib(one),
            owner=snapshot,
            volume_id=one.volume_id,
        )
        for one in inventory.volumes
        if one.backend == backend
        for snapshot in one.snapshots
    ]
    others = [
        Found(name=one.name, size_gib=_gib(one), volume_id=one.volume_id)
        for one in inventory.others
        if one.backend == backend and _is_snapshot(one)
    ]
    return sorted([*ours, *others], key=lambda one: one.name)


def pick(found: list[Found], name: str) -> Found:
    """What a back end has under a name.

    Raises:
        BadInput: nothing. Conflict: it is managed already.
    """
    for one in found:
        if one.name == name:
            if one.owner:
                raise Conflict(
                    f"Unable to manage existing resource. It is already managed, by {one.owner}."
                )
            return one
    raise BadInput(
        f"Manage existing resource failed due to invalid backend reference {name[:255]}: it does not exist."
    )


async def create_volume(
    tx: Transaction,
    room: Volumes,
    caller: Caller,
    place: Row[Any],
    found: Found,
    *,
    kind: Row[Any],
    name: str | None,
    description: str | None,
    metadata: Mapping[str, str],
    bootable: bool,
) -> Row[Any]:
    """The row of a volume that is taken over (status managing), counted against the quotas.

    Raises:
        TooLarge: over a quota. BadInput: its type is not one for that.
    """
    if await types.encryption(tx, kind.id) is not None:
        raise BadInput("Invalid input received: What is taken over cannot be of an encrypted type.")
    project_id = caller.own_project
    await quotas.check(tx, room, project_id, kind, volumes=1, gigabytes=found.size_gib)
    await backends.add(tx, place.node, place.backend, found.size_gib)
    row = {
        "id": new_uuid(),
        "project_id": project_id,
        "user_id": caller.user_id,
        "name": name,
        "description": description,
        "size_gib": found.size_gib,
        "status": "managing",
        "attach_status": "detached",
        "type_id": kind.id,
        "zone": place.zone,
        "host": place.node,
        "backend": place.backend,
        "multiattach": types.multiattach(kind.extra_specs),
        "encrypted": False,
        "bootable": bootable,
        "metadata": dict(metadata),
        "scheduler_hints": {},
        "provider_name": found.name,
        "generation": 1,
        "created_at": room.clock.now(),
    }
    await tx.insert(table, row)
    return still_there(await volumes.get_any(tx, str(row["id"])))


async def check_unmanageable(tx: Transaction, row: Row[Any]) -> None:
    """Raises BadInput where a volume cannot be let go of."""
    volumes.check_status(row, ("available", "error"), "unmanage")
    if row.encrypted:
        raise volumes.invalid("Unmanaging encrypted volumes is not supported.")
    if row.group_id is not None or await volumes.attachments(tx, row.id):
        raise volumes.invalid(f"Volume {row.id} is attached or belongs to a group.")
    if row.host is None:
        raise volumes.invalid(f"Volume {row.id} is in no back end.")
    if await tx.first(_snapshot_of, {"id": row.id}) is not None:
        raise volumes.invalid(f"Volume {row.id} still has snapshots.")


async def backend(tx: Transaction, room: Volumes, host: str) -> Row[Any]:
    """A back end that can be looked into.

    Raises:
        BadInput: there is none, or it does not answer.
    """
    try:
        row = await backends.get(tx, host)
    except NotFound as error:
        raise BadInput(error.message) from None
    if not backends.is_up(row, room):
        raise BadInput(f"Service {row.host} is down.")
    return row
