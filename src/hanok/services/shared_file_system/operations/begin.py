"""Beginning operations on shares and snapshots, in the transaction that says so on their rows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Row

from hanok.base.errors import BadInput, Conflict, Forbidden, TooLarge
from hanok.operations import Operation
from hanok.services.shared_file_system.logic import (
    access,
    backends,
    creating,
    instances,
    moving,
    quotas,
    shares,
    snapshots,
    specs,
)
from hanok.services.shared_file_system.operations.access import UpdateAccess, UpdateSnapshotAccess
from hanok.services.shared_file_system.operations.create_share import CreateShare
from hanok.services.shared_file_system.operations.delete_share import DeleteInstance, DeleteShare
from hanok.services.shared_file_system.operations.ensure_shares import EnsureShares
from hanok.services.shared_file_system.operations.manage_share import ManageShare, UnmanageShare
from hanok.services.shared_file_system.operations.move_share import (
    CancelMigration,
    CompleteMigration,
    MigrateShare,
)
from hanok.services.shared_file_system.operations.resize_share import (
    ExtendShare,
    RevertShareOperation,
    ShrinkShare,
)
from hanok.services.shared_file_system.operations.snapshots import CreateSnapshot, DeleteSnapshot
from hanok.services.shared_file_system.room import Shares
from hanok.store import Transaction, still_there
from hanok.web.token import Caller


async def start(
    tx: Transaction, room: Shares, caller: Caller | None, row: Row[Any], operation: Operation
) -> None:
    """Start an operation on what is a project's."""
    user_id = row.user_id if caller is None else caller.user_id
    await room.operations.start(tx, operation, user_id=user_id, project_id=row.project_id)


# ---- shares ----


async def create(
    tx: Transaction, room: Shares, caller: Caller, requested: creating.Requested
) -> Row[Any]:
    """Write a new share, tell of it and begin to make it. Raises as `creating.create`."""
    row = await creating.create(tx, room, caller, requested)
    await instances.tell_state(tx, room, row.id, row.status)
    one = still_there(await instances.main_of(tx, row.id))
    await start(tx, room, caller, row, CreateShare(share_id=row.id, instance_id=one.id))
    return row


async def delete(
    tx: Transaction, room: Shares, caller: Caller | None, row: Row[Any], *, force: bool = False
) -> None:
    """Begin to delete a share; what is under way for it is stopped first, where it is forced.

    Raises:
        Forbidden, Conflict: its state, or what depends on it, does not allow it.
    """
    await shares.check_deletable(tx, room, row, force=force, binned=False)
    if room.locks is not None and caller is not None:
        await room.locks.check(tx, caller, row.id)
    if force:
        await room.operations.cancel(tx, f"share:{row.id}")
    await creating.forget_hints(tx, row)
    await _turn(tx, room, row, "deleting")
    await start(tx, room, caller, row, DeleteShare(share_id=row.id))


async def _turn(tx: Transaction, room: Shares, row: Row[Any], status: str) -> int:
    """A share and its instances have another status, and a higher generation; gives that of the one it shows."""
    found = 0
    main = await instances.main_of(tx, row.id)
    for one in await instances.of_share(tx, row.id):
        generation = await instances.turn(tx, room, one, status=status)
        found = generation if main is not None and one.id == main.id else found
    await shares.change(tx, room, row.id, status=status)
    return found


async def delete_instance(tx: Transaction, room: Shares, caller: Caller, row: Row[Any]) -> None:
    """Begin to delete one instance of a share, whatever its state."""
    share = await shares.again(tx, row.share_id)
    await room.operations.cancel(tx, f"share:{share.id}")
    await instances.turn(tx, room, row, status="deleting")
    await instances.follow(tx, room, share.id)
    operation = DeleteInstance(share_id=share.id, instance_id=row.id)
    await start(tx, room, caller, share, operation)


async def extend(
    tx: Transaction,
    room: Shares,
    caller: Caller,
    row: Row[Any],
    size_gib: int,
    *,
    force: bool,
    beyond: bool,
) -> None:
    """Begin to make a share larger.

    Args:
        force: whatever its back end has left. beyond: whether the type's bound of new shares does not hold.

    Raises:
        BadInput, Conflict: its state or size does not allow it. Forbidden, TooLarge: over a quota.
    """
    creating.check_available(row, "extend")
    shares.check_idle(row)
    if size_gib <= row.size_gib:
        raise BadInput(
            f"Invalid input received: New size for extend must be greater than current size. (current: "
            f"{row.size_gib}, extended: {size_gib})."
        )
    kind = await shares.type_of(tx, row)
    bound = specs.LARGEST_EXTENDED if beyond else specs.LARGEST
    specs.check_size(kind.extra_specs, kind.name, size_gib, smallest=False, largest=bound)
    await _hold_more(tx, room, row, size_gib)
    await _claim_more(tx, row, size_gib, force=force)
    generation = await _turn(tx, room, row, "extending")
    operation = ExtendShare(share_id=row.id, size_gib=size_gib, generation=generation)
    await start(tx, room, caller, row, operation)


async def _hold_more(tx: Transaction, room: Shares, row: Row[Any], size_gib: int) -> None:
    """Hold a larger share against the quotas. Raises Forbidden, TooLarge."""
    await quotas.check_size(tx, room, row.project_id, size_gib)
    there = await instances.of_share(tx, row.id)
    more = size_gib - row.size_gib
    replicas = len([one for one in there if one.replica_state is not None])
    try:
        await quotas.check(
            tx, room, row.project_id, row.user_id, row.type_id,
            gigabytes=more, replica_gigabytes=more * replicas,
        )  # fmt: skip
    except TooLarge as error:
        raise Forbidden(error.message) from None


async def _claim_more(tx: Transaction, row: Row[Any], size_gib: int, *, force: bool) -> None:
    """Take the larger part of each back end. Raises BadInput where one has not so much left."""
    for one in await instances.of_share(tx, row.id):
        more = size_gib - one.size_gib
        if force:
            await backends.add(tx, one.node, one.backend, more)
        elif one.node is None or not await backends.claim(tx, one.node, one.backend, more):
            raise BadInput(
                f"The back end of share {row.id} has not enough space left for {size_gib} GiB."
            )


async def shrink(
    tx: Transaction, room: Shares, caller: Caller, row: Row[Any], size_gib: int
) -> None:
    """Begin to make a share smaller. Raises BadInput, Conflict."""
    if row.status not in ("available", "shrinking_possible_data_loss_error"):
        raise shares.invalid(
            f"Share {row.id} status must in (available, shrinking_possible_data_loss_error) to shrink, but current "
            f"status is: {row.status}."
        )
    shares.check_idle(row)
    if not 0 < size_gib < row.size_gib:
        raise BadInput(
            f"Invalid input received: New size for shrink must be less than current size and greater than 0 (current: "
            f"{row.size_gib}, new: {size_gib})"
        )
    kind = await shares.type_of(tx, row)
    specs.check_size(kind.extra_specs, kind.name, size_gib, smallest=True)
    generation = await _turn(tx, room, row, "shrinking")
    operation = ShrinkShare(share_id=row.id, size_gib=size_gib, generation=generation)
    await start(tx, room, caller, row, operation)


async def revert(
    tx: Transaction, room: Shares, caller: Caller, row: Row[Any], snapshot: Row[Any]
) -> None:
    """Begin to set a share back to its last snapshot. Raises BadInput, Conflict, TooLarge."""
    await _check_revertable(tx, row, snapshot)
    more = snapshot.size_gib - row.size_gib
    await quotas.check(tx, room, row.project_id, row.user_id, row.type_id, gigabytes=more)
    if more > 0:
        await _claim_more(tx, row, snapshot.size_gib, force=False)
    generation = await _turn(tx, room, row, "reverting")
    await snapshots.turn(tx, room, snapshot.id, "restoring")
    operation = RevertShareOperation(
        share_id=row.id, snapshot_id=snapshot.id, generation=generation
    )
    await start(tx, room, caller, row, operation)


async def _check_revertable(tx: Transaction, row: Row[Any], snapshot: Row[Any]) -> None:
    if not row.abilities["revert_to_snapshot_support"]:
        raise BadInput(
            f"Share {row.id} may not be reverted to snapshot {snapshot.id}, because the share does not have that "
            "capability."
        )
    if snapshot.share_id != row.id:
        raise BadInput(f"Snapshot {snapshot.id} is not associated with share {row.id}.")
    for what, one in (("Share", row), ("Snapshot", snapshot)):
        if one.status != "available":
            raise Conflict(
                f"{what} {one.id} is in '{one.status}' state, but it must be in 'available' state to be restored."
            )
    if row.task_state in shares.BUSY:
        raise Conflict(f"Share {row.id} may not be reverted while it has an active task.")
    newest = await snapshots.newest_of(tx, row.id)
    if newest != snapshot.id:
        raise Conflict(
            f"Snapshot {snapshot.id} may not be restored because it is not the most recent snapshot of share {row.id}. "
            f"Currently the latest snapshot is {newest}."
        )
    if instances.rules_status(await instances.of_share(tx, row.id)) != instances.ACTIVE:
        raise Conflict(
            f"Snapshot {snapshot.id} belongs to a share {row.id} which has access rules that are not active."
        )


# ---- access ----


async def update_access(tx: Transaction, room: Shares, caller: Caller, share: Row[Any]) -> None:
    """Hosts are told of a share's rules as they are now."""
    await start(tx, room, caller, share, UpdateAccess(share_id=share.id))


async def update_snapshot_access(
    tx: Transaction, room: Shares, caller: Caller, snapshot: Row[Any]
) -> None:
    """Hosts are told of a snapshot's rules as they are now."""
    one = await instances.main_of(tx, snapshot.share_id)
    if one is None or one.node is None or snapshot.status != "available":
        raise BadInput(
            "New access rules cannot be applied while the snapshot or any of its replicas or migration copies lacks a "
            "valid host or is not in available state."
        )
    generation = await instances.turn(tx, room, one)
    operation = UpdateSnapshotAccess(snapshot_id=snapshot.id, generation=generation)
    await start(tx, room, caller, snapshot, operation)


async def deny(
    tx: Transaction, room: Shares, caller: Caller, share: Row[Any], rule: Row[Any]
) -> None:
    """Begin to take access away."""
    await access.change(tx, room, rule.id, state=access.DENIED)
    await access.syncing(tx, room, share.id)
    await update_access(tx, room, caller, share)


# ---- snapshots ----


async def create_snapshot(
    tx: Transaction,
    room: Shares,
    caller: Caller,
    share: Row[Any],
    *,
    name: str | None,
    description: str | None,
    metadata: Mapping[str, str],
) -> Row[Any]:
    """Write a new snapshot and begin to take it. Raises BadInput, Conflict, TooLarge."""
    if share.status != "available":
        raise shares.invalid("Source share status must be available")
    shares.check_idle(share)
    row = await snapshots.create(
        tx, room, caller, share, name=name, description=description, metadata=metadata
    )
    await start(tx, room, caller, row, CreateSnapshot(snapshot_id=row.id))
    return row


async def delete_snapshot(
    tx: Transaction, room: Shares, caller: Caller, row: Row[Any], *, force: bool = False
) -> None:
    """Begin to delete a snapshot. Raises BadInput where its state does not allow it."""
    if not force and row.status not in ("available", "error"):
        raise snapshots.invalid("Share Snapshot status must be one of ('available', 'error').")
    if row.share_group_snapshot_id is not None:
        raise snapshots.invalid("It belongs to a share group snapshot.")
    await snapshots.check_unread(tx, row)
    if force:
        await room.operations.cancel(tx, f"share_snapshot:{row.id}")
    await snapshots.turn(tx, room, row.id, "deleting")
    await start(tx, room, caller, row, DeleteSnapshot(snapshot_id=row.id))


# ---- taking over, and letting go of ----


async def manage(
    tx: Transaction,
    room: Shares,
    caller: Caller,
    requested: creating.Requested,
    place: Row[Any],
    path: str,
    *,
    server_id: str | None,
) -> Row[Any]:
    """Write a share that is on a back end already, and begin to take it over.

    Raises:
        BadInput, NotFound, Conflict: it cannot be taken over so.
    """
    row, one = await creating.take_over(tx, room, caller, requested, place, path, server_id)
    name = path.rstrip("/").rpartition("/")[2]
    operation = ManageShare(share_id=row.id, instance_id=one, name=name)
    await start(tx, room, caller, row, operation)
    return row


async def unmanage(tx: Transaction, room: Shares, caller: Caller, row: Row[Any]) -> None:
    """Begin to let go of a share: its files stay.

    Raises:
        Forbidden, Conflict: what depends on it, or what is done to it, does not allow it.
    """
    if held := await shares.snapshots_of(tx, row.id):
        raise Forbidden(
            f"Share '{row.id}' can not be unmanaged because it has '{len(held)}' dependent snapshot(s)."
        )
    await shares.check_deletable(tx, room, row, force=True, binned=False)
    if room.locks is not None:
        await room.locks.check(tx, caller, row.id)
    error = row.status == "manage_error"
    await creating.forget_hints(tx, row)
    await _turn(tx, room, row, "manage_error_unmanage_starting" if error else "unmanage_starting")
    one = await instances.main_of(tx, row.id)
    keep = "" if one is None else f"kept-{one.id}"
    await start(tx, room, caller, row, UnmanageShare(share_id=row.id, keep=keep))


async def manage_snapshot(
    tx: Transaction,
    room: Shares,
    caller: Caller,
    share: Row[Any],
    *,
    location: str,
    name: str | None,
    description: str | None,
    metadata: Mapping[str, str],
    size_gib: int,
) -> Row[Any]:
    """Write a snapshot that is on a back end already, and begin to take it over. Raises Conflict, TooLarge."""
    if await snapshots.is_known(tx, share.id, location):
        raise Conflict(
            f"Invalid share snapshot: A share snapshot is already managed for provider location {location}."
        )
    row = await snapshots.create(
        tx, room, caller, share, name=name, description=description, metadata=metadata,
        status="manage_starting", location=location, size_gib=size_gib,
    )  # fmt: skip
    await start(tx, room, caller, row, CreateSnapshot(snapshot_id=row.id, manage=location))
    return row


async def unmanage_snapshot(tx: Transaction, room: Shares, caller: Caller, row: Row[Any]) -> None:
    """Begin to let go of a snapshot: its files stay, under its provider_location."""
    await snapshots.check_unread(tx, row)
    await snapshots.turn(tx, room, row.id, "unmanage_starting")
    there = await snapshots.copies(tx, row.id)
    keep = (there[0].provider_location if there else None) or f"kept-{row.id}"
    await start(tx, room, caller, row, DeleteSnapshot(snapshot_id=row.id, keep=keep))


# ---- moving ----


async def migrate(
    tx: Transaction, room: Shares, caller: Caller, row: Row[Any], requested: moving.Requested
) -> bool:
    """Begin to move a share; no: it is there already. Raises BadInput, Conflict, NotFound, TooLarge."""
    one = await instances.main_of(tx, row.id)
    if one is None or one.node is None:
        raise shares.invalid(f"Share {row.id} is in no back end.")
    place, kind = await moving.check(tx, room, row, one, requested)
    network = requested.network_id or one.share_network_id
    if (place.node, place.backend, network, kind.id) == (
        one.node, one.backend, one.share_network_id, one.type_id,
    ):  # fmt: skip
        await shares.change(tx, room, row.id, task_state="migration_success")
        return False
    moving.check_place(room, place, kind, one)
    if requested.network_id:
        if room.networks is None:
            raise BadInput(f"Share network {requested.network_id[:64]} not found.")
        await tx.keep(requested.network_id)
        await room.networks.check(tx, caller, requested.network_id, place.zone)
    await moving.hold(tx, room, row, kind)
    if not await backends.claim(tx, place.node, place.backend, row.size_gib):
        raise BadInput(f"The back end {place.host} has not enough space left.")
    await shares.change(tx, room, row.id, task_state="migration_starting")
    await instances.settle(tx, room, one, "migrating")
    share = {
        "id": row.id,
        "size_gib": row.size_gib,
        "type_id": kind.id,
        "share_network_id": network,
    }
    new = await instances.insert(
        tx, room, share, status="migrating_to", node=place.node, backend=place.backend,
        zone=place.zone, access_rules_status=instances.ACTIVE,
    )  # fmt: skip
    operation = MigrateShare(share_id=row.id, instance_id=new, copied=requested.copied)
    await start(tx, room, caller, row, operation)
    return True


async def complete_migration(tx: Transaction, room: Shares, caller: Caller, row: Row[Any]) -> None:
    """Begin the second phase of a share's move. Raises BadInput, NotFound."""
    if row.task_state not in moving.FIRST_DONE:
        raise shares.invalid(f"First migration phase of share {row.id} not completed yet.")
    old, new = await moving.both(tx, row.id)
    await instances.turn(tx, room, old)
    await instances.turn(tx, room, new)
    await shares.change(tx, room, row.id, task_state="migration_completing")
    operation = CompleteMigration(share_id=row.id, old_id=old.id, instance_id=new.id)
    await start(tx, room, caller, row, operation)


async def cancel_migration(tx: Transaction, room: Shares, caller: Caller, row: Row[Any]) -> None:
    """Call off a share's move. Raises BadInput, NotFound."""
    if row.task_state not in moving.CANCELLABLE:
        raise shares.invalid(
            f"Migration of share {row.id} cannot be cancelled at this moment, as its state is {row.task_state}."
        )
    _, new = await moving.both(tx, row.id)
    await room.operations.cancel(tx, f"share:{row.id}")
    await instances.turn(tx, room, new)
    operation = CancelMigration(share_id=row.id, instance_id=new.id)
    await start(tx, room, caller, row, operation)


# ---- putting right ----


async def ensure_shares(tx: Transaction, room: Shares, caller: Caller, service: Row[Any]) -> None:
    """Begin to tell a back end anew of all its shares. Raises Conflict where that is under way."""
    if service.ensuring:
        raise Conflict(f"The shares of {service.host} are being ensured already.")
    await backends.change(tx, service, ensuring=True)
    operation = EnsureShares(host=service.host)
    await room.operations.start(tx, operation, user_id=caller.user_id, project_id=caller.project_id)
