"""Other types and other back ends for volumes that already are; what of that is refused.

Source: Block Storage API reference, "Retype a volume", "Migrate a volume".
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy import Row, bindparam

from hanok.base.errors import BadInput, NotFound
from hanok.services.block_storage.logic import backends, quotas, scheduling, types, volumes
from hanok.services.block_storage.room import Volumes
from hanok.services.block_storage.tables import volume_snapshots
from hanok.store import Transaction, still_there

_a_snapshot = (
    sa.select(volume_snapshots.c.id).where(volume_snapshots.c.volume_id == bindparam("id")).limit(1)
)
_retyped_snapshots = (
    volume_snapshots.update()
    .where(volume_snapshots.c.volume_id == bindparam("of"))
    .values(type_id=bindparam("to"))
)


async def check_movable(tx: Transaction, row: Row[Any]) -> None:
    """Raises BadInput where a volume cannot go to another back end."""
    if row.group_id is not None:
        raise volumes.invalid(f"Volume {row.id} belongs to a group and cannot be moved alone.")
    if await tx.first(_a_snapshot, {"id": row.id}) is not None:
        raise volumes.invalid(f"Volume {row.id} must not have snapshots to be moved.")


def check_idle(row: Row[Any], what: str) -> None:
    """Raises BadInput where a volume is not at rest or in use, or moves already."""
    volumes.check_status(row, ("available", "in-use"), what)


async def check_retype(
    tx: Transaction, room: Volumes, row: Row[Any], kind: Row[Any], policy: str
) -> None:
    """Raises BadInput, TooLarge where a volume cannot be of another type."""
    check_idle(row, "retype")
    if row.group_id is not None:
        raise volumes.invalid(f"Volume {row.id} belongs to a group and cannot be retyped.")
    if kind.id == row.type_id:
        raise BadInput(f"Invalid input received: New volume_type same as original: {kind.id}.")
    old = still_there(await types.get_any(tx, row.type_id))
    both = [await types.encryption(tx, one.id) for one in (old, kind)]
    if (both[0] is None) != (both[1] is None):
        raise BadInput(
            "Invalid input received: A volume cannot be retyped between types of which one is encrypted and one is not."
        )
    if row.status == "in-use" and types.multiattach(kind.extra_specs) != row.multiattach:
        raise BadInput(
            "Invalid input received: Retyping between multiattach types is not possible while the volume is in use."
        )
    more = {"volumes": 1, "gigabytes": row.size_gib}
    await quotas.check_type(tx, room, row.project_id, kind, more)
    if policy != "never" and not await _stays(tx, room, row, kind):
        await check_movable(tx, row)


async def _stays(tx: Transaction, room: Volumes, row: Row[Any], kind: Row[Any]) -> bool:
    place = None if row.host is None else await backends.find(tx, row.host, row.backend)
    return place is not None and not scheduling.wanting(place, kind.extra_specs)


async def target_of_retype(
    tx: Transaction, room: Volumes, row: Row[Any], kind: Row[Any], policy: str
) -> str:
    """The back end where a volume of another type goes, "" where it stays.

    Raises:
        StepFailed: there is none, or it may not go.
    """
    if await _stays(tx, room, row, kind):
        return ""
    if policy == "never":
        raise scheduling.no_place(
            "The volume's back end does not suit the new type, and migration_policy is 'never'."
        )
    request = scheduling.Request(
        size_gib=row.size_gib,
        zone=row.zone,
        specs=kind.extra_specs,
        hints={},
        but=backends.name_of(row.host, row.backend),
        node=row.host,
    )
    _, backend = await scheduling.place(tx, room, request)
    return backend


async def check_target(tx: Transaction, room: Volumes, row: Row[Any], host: str) -> Row[Any]:
    """The back end that a volume is to go to.

    Raises:
        NotFound: there is none. BadInput: it is there already, or it cannot go there.
    """
    place = await backends.get(tx, host)
    if row.host is None:
        raise volumes.invalid(f"Volume {row.id} is in no back end.")
    if place.host == backends.name_of(row.host, row.backend):
        raise BadInput("Invalid host: Destination host must be different than the current host.")
    if not backends.is_ready(place, room) or place.disabled:
        raise NotFound(f"No available service named cinder-volume on {place.host}.")
    if place.node != row.host:
        raise BadInput(
            f"Invalid host: volume {row.id} is on host {row.host}; it can be moved between back ends of that host."
        )
    kind = still_there(await types.get_any(tx, row.type_id))
    if missing := scheduling.wanting(place, kind.extra_specs):
        raise BadInput(f"Invalid host: {place.host} does not suit the volume's type: {missing[0]}.")
    return place


async def retyped(tx: Transaction, row: Row[Any], kind: Row[Any]) -> dict[str, Any]:
    """What a volume is once it has another type; its snapshots follow."""
    await tx.execute(_retyped_snapshots, {"of": row.id, "to": kind.id})
    return {"type_id": kind.id, "multiattach": types.multiattach(kind.extra_specs)}
