"""What may be asked of a share's move to another back end, and how far it is.

A back end copies what a share holds at one moment. So the first phase makes a place, while guests go on writing; the
second one lets nobody in, copies, and lets guests in at the new place. Neither a share that is written to all the time
nor its snapshots can be moved so, and a request for that is refused.

Source: Shared File Systems administrator guide, "Share migration".
"""

from __future__ import annotations

from typing import Any

from msgspec import Struct
from sqlalchemy import Row

from hanok.base.errors import BadInput, Conflict, NotFound
from hanok.services.shared_file_system.logic import (
    backends,
    instances,
    quotas,
    shares,
    specs,
    types,
)
from hanok.services.shared_file_system.room import Shares
from hanok.store import Transaction

DRIVEN, COPIED = "migration_driver_phase1_done", "data_copying_completed"
FIRST_DONE = (DRIVEN, COPIED)
CANCELLABLE = (*FIRST_DONE, "migration_driver_in_progress", "data_copying_in_progress")
_BEGINNING = frozenset(
    (
        "migration_starting", "migration_in_progress", "migration_driver_starting", "data_copying_starting",
        "migration_driver_in_progress", "data_copying_in_progress",
    )
)  # fmt: skip


class Requested(Struct, frozen=True, kw_only=True):
    """A move as it is asked for. place: "host@backend#pool". copied: whether the back ends' own ways are left aside."""

    place: str
    copied: bool
    writable: bool
    nondisruptive: bool
    snapshots: bool
    network_id: str | None
    type_id: str | None


async def check(
    tx: Transaction, room: Shares, row: Row[Any], one: Row[Any], requested: Requested
) -> tuple[Row[Any], Row[Any]]:
    """The back end that a share is to move to, and the type that it has there.

    Raises:
        BadInput, Conflict, NotFound: it cannot be moved so.
    """
    await _check_state(tx, row, one)
    await _check_snapshots(tx, row, requested)
    place = await backends.get(tx, requested.place)
    kind = await _type(tx, row, requested)
    servers = specs.says(kind.extra_specs, specs.SERVERS)
    if servers and not (requested.network_id or one.share_network_id):
        raise BadInput(
            "Invalid input received: New share network must be provided when share type of given share "
            f"{row.id} has extra_spec 'driver_handles_share_servers' as True."
        )
    if requested.network_id and not servers:
        raise BadInput(
            f"Invalid input received: New share network must not be provided when share type of given share {row.id} "
            "has extra_spec 'driver_handles_share_servers' as False."
        )
    specs.check_size(
        kind.extra_specs, kind.name, row.size_gib, smallest=True, largest=specs.LARGEST
    )
    return place, kind


async def _check_state(tx: Transaction, row: Row[Any], one: Row[Any]) -> None:
    if instances.has_replicas(await instances.of_share(tx, row.id)):
        raise Conflict(
            f"Share {row.id} has replicas. Remove the replicas before attempting to migrate the share."
        )
    if row.share_group_id:
        raise shares.invalid(
            f"Share {row.id} is a member of a group. This operation is not currently supported for shares that are "
            "members of groups."
        )
    if one.status != "available":
        raise shares.invalid(
            f"Share instance {one.id} status must be available, but current status is: {one.status}."
        )
    if one.access_rules_status == "error":
        raise shares.invalid(
            f"Share instance {one.id} access rules status must not be in error when attempting to start a migration."
        )
    shares.check_idle(row)


async def _check_snapshots(tx: Transaction, row: Row[Any], requested: Requested) -> None:
    if requested.writable or requested.nondisruptive:
        raise BadInput(
            "Back ends here move no share while it is written to: writable and nondisruptive must be False."
        )
    if await shares.snapshots_of(tx, row.id):
        if requested.snapshots:
            raise BadInput(
                "Back ends here do not move snapshots: preserve_snapshots must be False."
            )
        raise Conflict(f"Share {row.id} must not have snapshots when it is migrated.")


async def _type(tx: Transaction, row: Row[Any], requested: Requested) -> Row[Any]:
    if requested.type_id is None:
        return await shares.type_of(tx, row)
    await tx.keep(requested.type_id)
    found = await types.get_any(tx, requested.type_id)
    if found is None:
        raise BadInput(f"Share type {requested.type_id[:64]} not found.")
    return found


def check_place(room: Shares, place: Row[Any], kind: Row[Any], one: Row[Any]) -> None:
    """Raises BadInput where a share of a type cannot be in a back end, or cannot get there."""
    if not backends.is_ready(place, room):
        raise BadInput(f"Service manila-share on host {place.host} is down.")
    if missing := backends.wanting(place, kind.extra_specs):
        raise BadInput(f"The back end {place.host} lacks {missing[0]}.")
    zones = specs.zones(kind.extra_specs)
    if zones and place.zone not in zones:
        raise shares.invalid(
            f"It cannot be migrated to host {place.host} because share type {kind.name} is not supported within the "
            f"availability zone ({place.zone}) that the host is in."
        )
    if place.node != one.node:
        raise BadInput("Shares are moved between the back ends of one host, not to other hosts.")


async def hold(tx: Transaction, room: Shares, row: Row[Any], kind: Row[Any]) -> None:
    """Hold a share that gets another type against the quotas of that. Raises TooLarge."""
    if kind.id != row.type_id:
        of = quotas.Of(room, row.project_id, type_id=kind.id)
        await quotas.check_of(tx, of, {"shares": 1, "gigabytes": row.size_gib})


def progress(row: Row[Any]) -> int:
    """How far a share's move is, in percent. Raises BadInput where there was none."""
    if row.task_state is None:
        raise shares.invalid(
            f"There is no migration being performed for share {row.id} at this moment."
        )
    return 0 if row.task_state in _BEGINNING else 100


async def both(tx: Transaction, share_id: str) -> tuple[Row[Any], Row[Any]]:
    """The instance that moves, and the one that it moves to. Raises NotFound."""
    there = await instances.of_share(tx, share_id)
    old = [one for one in there if one.status == "migrating"]
    new = [one for one in there if one.status == "migrating_to"]
    if not old or not new:
        raise NotFound(f"The instances of share {share_id} do not migrate.")
    return old[0], new[0]
