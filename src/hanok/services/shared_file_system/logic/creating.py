"""What a new share is to be: its type, size, place and what it is made of.

Source: Shared File Systems API reference, "Create share".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from msgspec import Struct
from sqlalchemy import Row

from hanok.base.errors import BadInput, Conflict, NotFound
from hanok.base.ids import is_uuid, new_uuid
from hanok.services.shared_file_system.logic import (
    backends,
    exports,
    instances,
    qos_types,
    quotas,
    shares,
    snapshots,
    specs,
    types,
)
from hanok.services.shared_file_system.room import Shares
from hanok.services.shared_file_system.schemas.values import whole
from hanok.services.shared_file_system.tables import shares as table
from hanok.store import Transaction
from hanok.web.token import Caller

SUPPORTED = ("NFS", "CIFS", "GLUSTERFS", "HDFS", "CEPHFS", "MAPRFS", "LUSTRE")
SAME, APART, ONLY = "same_host", "different_host", "only_host"
ANY_ZONE = "any_zone"  # of shares from before types named zones
HINT_KEYS = {SAME: "__affinity_same_host", APART: "__affinity_different_host"}
_MOUNT_POINT = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-")


class Requested(Struct, kw_only=True):
    """A new share as it is asked for. size: as it was sent. zoned: whether its type says in which zones it may be."""

    protocol: str
    size: object = None
    name: str | None = None
    description: str | None = None
    type: str | None = None
    snapshot_id: str | None = None
    zone: str | None = None
    is_public: bool = False
    metadata: Mapping[str, str] = {}
    share_network_id: str | None = None
    share_group_id: str | None = None
    group_snapshot_member_id: str | None = None
    source_backup_id: str | None = None
    mount_point_name: str | None = None
    encryption_key_ref: str | None = None
    hints: Mapping[str, Any] = {}
    zoned: bool = True


async def create(tx: Transaction, room: Shares, caller: Caller, requested: Requested) -> Row[Any]:
    """Write a new share and its instance (status creating), counted against the quotas.

    Raises:
        BadInput, NotFound, Conflict: it cannot be as it is asked for. TooLarge: over a quota.
    """
    check_protocol(room, requested.protocol)
    source = await _source(tx, caller, requested)
    kind = await _type(tx, room, caller, requested, source)
    size_gib = _size(requested, source)
    specs.check_size(kind.extra_specs, kind.name, size_gib, smallest=True, largest=specs.LARGEST)
    at, group_zone, group_network = await _group(tx, room, caller, requested, kind)
    zone = await _zone(tx, room, requested, kind, source) or group_zone
    await _check_network(tx, room, caller, requested, kind, source)
    _check_key(requested, kind)
    row = _row(room, caller, requested, kind, size_gib)
    row["share_network_id"] = await _network(tx, requested, source) or group_network
    row["qos_type_id"] = await qos_types.of_type(tx, kind)
    await hold(tx, room, caller, requested, row)
    row["scheduler_hints"] = await _hints(tx, caller, requested, row)
    if not requested.zoned:
        row["scheduler_hints"] = {**row["scheduler_hints"], ANY_ZONE: True}
    if at:
        row["scheduler_hints"] = {**row["scheduler_hints"], ONLY: at}
    await tx.insert(table, row)
    state = "active" if row["replication_type"] else None
    await instances.insert(
        tx, room, row, status="creating", zone=zone, progress=None if requested.snapshot_id is None else 0,
        replica_state=state,
    )  # fmt: skip
    return await shares.again(tx, row["id"])


async def keep(tx: Transaction, requested: Requested) -> None:
    """What a new share is made of, and what it is to be in, stays as long as it is written."""
    named = (requested.snapshot_id, requested.share_group_id, requested.share_network_id)
    for one in sorted(set(filter(None, named))):
        await tx.keep(one)


async def hold(
    tx: Transaction, room: Shares, caller: Caller, requested: Requested, row: Mapping[str, Any]
) -> None:
    """Hold a new share against the quotas. Raises TooLarge."""
    project_id = caller.own_project
    size_gib = row["size_gib"]
    await quotas.check_size(tx, room, project_id, size_gib)
    more = {"shares": 1, "gigabytes": size_gib}
    if row["replication_type"]:
        more |= {"share_replicas": 1, "replica_gigabytes": size_gib}
    if requested.encryption_key_ref:
        more["encryption_keys"] = 1
    await quotas.check(tx, room, project_id, caller.user_id, row["type_id"], **more)


def _row(
    room: Shares, caller: Caller, requested: Requested, kind: Row[Any], size_gib: int
) -> dict[str, Any]:
    return {
        "id": new_uuid(),
        "project_id": caller.own_project,
        "user_id": caller.user_id,
        "name": requested.name,
        "description": requested.description,
        "size_gib": size_gib,
        "protocol": requested.protocol.upper(),
        "is_public": requested.is_public,
        "status": "creating",
        "type_id": kind.id,
        "abilities": specs.abilities(kind.extra_specs),
        "replication_type": kind.extra_specs.get("replication_type"),
        "snapshot_id": requested.snapshot_id,
        "share_group_id": requested.share_group_id,
        "group_snapshot_member_id": requested.group_snapshot_member_id,
        "source_backup_id": requested.source_backup_id,
        "encryption_key_ref": requested.encryption_key_ref,
        "mount_point_name": mount_point(requested.mount_point_name, kind),
        "metadata": dict(requested.metadata),
        "scheduler_hints": {},
        "created_at": room.clock.now(),
    }


def check_protocol(room: Shares, protocol: str) -> None:
    """Raises BadInput for what no share can be reached by."""
    enabled = [one.upper() for one in room.settings.protocols]
    if protocol.upper() not in enabled:
        raise BadInput(
            f"Invalid input received: Invalid share protocol provided: {protocol[:32].upper()}. It is either disabled "
            f"or unsupported. Available protocols: {enabled}"
        )


async def _source(tx: Transaction, caller: Caller, requested: Requested) -> Source | None:
    """The snapshot that a share is made of, and its share.

    Raises:
        NotFound: there is none. BadInput: it cannot be used.
    """
    if requested.snapshot_id is None:
        return None
    snapshot = await snapshots.get(tx, caller, requested.snapshot_id)
    if snapshot.status != "available":
        raise BadInput("Invalid share snapshot: status must be 'available'")
    share = await shares.again(tx, snapshot.share_id)
    if not share.abilities["create_share_from_snapshot_support"]:
        raise BadInput(
            f"A new share may not be created from snapshot '{snapshot.id}', because the snapshot's parent share does "
            "not have that capability."
        )
    instance = await instances.main_of(tx, share.id)
    return Source(snapshot=snapshot, share=share, zone=None if instance is None else instance.zone)


class Source(Struct, frozen=True):
    """What a share is made of. zone: where that is."""

    snapshot: Any
    share: Any
    zone: str | None


async def _type(
    tx: Transaction, room: Shares, caller: Caller, requested: Requested, source: Source | None
) -> Row[Any]:
    """Raises NotFound, BadInput."""
    if requested.type:
        try:
            kind = await types.kept(tx, await types.named(tx, caller, requested.type))
        except NotFound:
            raise NotFound("Share type not found.") from None
    elif source is not None:
        return await shares.type_of(tx, source.share)
    else:
        default = await types.default(tx, room)
        if default is None:
            raise BadInput(
                "No default share type has been made available. You must specify a share type for creating shares."
            )
        kind = await types.kept(tx, default)
    if source is not None and kind.id != source.share.type_id:
        raise BadInput(
            "Invalid input received: Invalid share type specified: the requested share type must match the type of "
            "the source share."
        )
    return kind


def _size(requested: Requested, source: Source | None) -> int:
    """Raises BadInput."""
    if requested.size in (None, "") and source is not None:
        return int(source.snapshot.size_gib)
    size_gib = whole(requested.size, "size", least=1)
    if source is not None and size_gib < source.snapshot.size_gib:
        raise BadInput(
            f"Invalid input received: Share size '{size_gib}' must be equal or greater than snapshot size"
        )
    return size_gib


async def _zone(
    tx: Transaction, room: Shares, requested: Requested, kind: Row[Any], source: Source | None
) -> str | None:
    """Where a share is to be; None: anywhere that its type allows. Raises NotFound, BadInput."""
    zone = requested.zone and await backends.check_zone(tx, room.settings, requested.zone)
    if source is not None:
        if zone and source.zone and zone != source.zone:
            raise BadInput(
                "Invalid input received: The specified availability zone must be the same as the parent share when "
                "creating from snapshot."
            )
        zone = zone or source.zone
    of_type = specs.zones(kind.extra_specs) if requested.zoned else []
    if zone and of_type and zone not in of_type:
        raise BadInput(
            f"Share type {kind.name} is not supported within the availability zone chosen {zone}."
        )
    return zone or None


async def _check_network(
    tx: Transaction,
    room: Shares,
    caller: Caller,
    requested: Requested,
    kind: Row[Any],
    source: Source | None,
) -> None:
    """Raises BadInput where a share's type needs a network and it has none, or the other way round; NotFound."""
    servers = specs.says(kind.extra_specs, specs.SERVERS)
    sent = requested.share_network_id
    if source is not None and sent and sent != source.share.share_network_id:
        raise BadInput("Share network ID should be the same as snapshot's parent share's or empty")
    if servers and not (sent or source is not None or requested.share_group_id):
        raise BadInput("Share network must be set when the driver_handles_share_servers is true.")
    if sent and not servers:  # upstream takes it, and the share ends in error
        raise BadInput(
            "Share network must not be set when the driver_handles_share_servers is false."
        )
    if sent:
        if room.networks is None:
            raise NotFound(f"Share network {sent[:64]} could not be found.")
        await room.networks.check(tx, caller, sent, requested.zone)


async def _network(tx: Transaction, requested: Requested, source: Source | None) -> str | None:
    """The network of a share: that of what it is made of where it names none."""
    if requested.share_network_id or source is None:
        return requested.share_network_id
    found: str | None = source.share.share_network_id
    return found


async def _group(
    tx: Transaction, room: Shares, caller: Caller, requested: Requested, kind: Row[Any]
) -> tuple[str, str | None, str | None]:
    """Where the group is that a share is to be in, its zone and its share network. Raises NotFound, BadInput."""
    if not requested.share_group_id:
        return "", None, None
    if room.groups is None:
        raise NotFound(f"Share group {requested.share_group_id[:64]} could not be found.")
    network_id = requested.share_network_id
    return await room.groups.join(tx, caller, requested.share_group_id, kind, network_id)


def _check_key(requested: Requested, kind: Row[Any]) -> None:
    """Raises BadInput for a key that nothing would encrypt with."""
    if not requested.encryption_key_ref:
        return
    if kind.extra_specs.get("encryption_support") not in specs.ENCRYPTION:
        raise BadInput(
            f"Share type {kind.name} extra-specs 'encryption_support' is missing valid value e.g. share, share_server."
        )
    if not specs.says(kind.extra_specs, specs.SERVERS):
        raise BadInput(f"Share type {kind.name} must set dhss=True for share encryption.")
    if not is_uuid(requested.encryption_key_ref):
        raise BadInput("Invalid input received: Encryption key ref is not valid UUID")


def mount_point(sent: str | None, kind: Row[Any]) -> str | None:
    """The mount point's name as it is kept. Raises BadInput."""
    if sent is None:
        return None
    if not specs.says(kind.extra_specs, "mount_point_name_support"):
        raise BadInput(
            "Invalid input received: Setting a mount point name is not supported by the share type used: "
            f"{kind.id}."
        )
    found = f"{kind.extra_specs.get(specs.PREFIX, '')}{sent}"
    if not 0 < len(found) <= 255 or not _MOUNT_POINT.issuperset(found):
        raise BadInput(f"Invalid input received: Invalid mount_point_name: {found[:255]}")
    return found


# ---- hints ----


async def _hints(
    tx: Transaction, caller: Caller, requested: Requested, row: dict[str, Any]
) -> dict[str, Any]:
    """Where a share is to be, as it is kept; it and those it names say so in their metadata.

    Raises:
        BadInput: a hint that nothing heeds. NotFound: a share that the caller does not see.
    """
    found: dict[str, Any] = {}
    for name, value in requested.hints.items():
        if name == ONLY:
            found[ONLY] = _only(value)
        elif name in HINT_KEYS:
            found[name] = await _named(tx, caller, name, value)
            row["metadata"][HINT_KEYS[name]] = ",".join(found[name])
            await _tell_named(tx, found[name], HINT_KEYS[name], row["id"])
        else:
            raise BadInput(f"Invalid scheduler hint: {name[:100]}.")
    return found


def _only(value: object) -> str:
    text = str(value)
    if not isinstance(value, str) or not all(backends.split(text)) or len(text) > 255:
        raise BadInput("Invalid scheduler hint: only_host takes host@backend#pool.")
    return text.partition("#")[0]


async def _named(tx: Transaction, caller: Caller, name: str, value: object) -> list[str]:
    sent = value.split(",") if isinstance(value, str) else value
    if not isinstance(sent, list) or not 0 < len(sent) <= 100:
        raise BadInput(f"Invalid scheduler hint: {name} takes the ids of shares.")
    ids = [str(one).strip() for one in sent]
    for one in ids:
        await shares.get(tx, caller, one)
    return ids


async def _tell_named(tx: Transaction, ids: Sequence[str], key: str, share_id: str) -> None:
    for one in ids:
        await tx.take_turn(one)
        there = await shares.again(tx, one)
        said = there.metadata.get(key)
        metadata = {**there.metadata, key: f"{said},{share_id}" if said else share_id}
        await tx.execute(table.update().where(table.c.id == one).values(metadata=metadata))


async def forget_hints(tx: Transaction, row: Row[Any]) -> None:
    """Other shares say no more that they are to be with, or apart from, one that goes."""
    for key in HINT_KEYS.values():
        for one in str(row.metadata.get(key) or "").split(","):
            there = await shares.get_any(tx, one) if one else None
            if there is None:
                continue
            left = [of for of in str(there.metadata.get(key, "")).split(",") if of and of != row.id]
            metadata = {name: value for name, value in there.metadata.items() if name != key}
            if left:
                metadata[key] = ",".join(left)
            await tx.execute(table.update().where(table.c.id == one).values(metadata=metadata))


def check_available(row: Row[Any], what: str) -> None:
    """Raises BadInput for a share that is not there yet or any more. what: "extend"."""
    if row.status != "available":
        raise shares.invalid(
            f"Share {row.id} status must be 'available' to {what}, but current status is: {row.status}."
        )


# ---- taking over ----


async def take_over(
    tx: Transaction,
    room: Shares,
    caller: Caller,
    requested: Requested,
    place: Row[Any],
    path: str,
    server_id: str | None,
) -> tuple[Row[Any], str]:
    """Write a share that is on a back end already, as something (manage_starting), and its instance's id.

    Its size is known when its host has been asked.

    Raises:
        BadInput, NotFound, Conflict
    """
    if await exports.is_known(tx, place.node, place.backend, path):
        raise Conflict("Invalid share: A share already exists with the export path specified.")
    kind = await _type(tx, room, caller, requested, None)
    _check_server(kind, server_id)
    if missing := backends.wanting(place, kind.extra_specs):
        raise BadInput(f"The back end {place.host} lacks {missing[0]}.")
    row = {**_row(room, caller, requested, kind, 0), "status": "manage_starting"}
    await quotas.check(tx, room, row["project_id"], caller.user_id, kind.id, shares=1)
    await tx.insert(table, row)
    row["share_network_id"] = None
    one = await instances.insert(
        tx, room, row, status="manage_starting", node=place.node, backend=place.backend,
        zone=place.zone, share_server_id=server_id,
    )  # fmt: skip
    await exports.replace(tx, one, [path], room.clock.now())
    return await shares.again(tx, row["id"]), one


def _check_server(kind: Row[Any], server_id: str | None) -> None:
    """Raises BadInput where a type needs a share server and none is named, or the other way round."""
    servers = specs.says(kind.extra_specs, specs.SERVERS)
    if servers and not server_id:
        raise BadInput(
            "Invalid input received: Share Server ID parameter is required when managing a share using a share type "
            "with driver_handles_share_servers extra-spec set to True."
        )
    if server_id and not servers:
        raise BadInput(
            "Invalid input received: Share Server ID parameter is not expected when managing a share using a share "
            "type with driver_handles_share_servers extra-spec set to False."
        )
