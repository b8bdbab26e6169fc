"""Attachments: who uses a volume, from the moment it is kept for somebody to the moment it is let go.

Source: Block Storage API reference, "Attachments"; "Volume actions".
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Row, bindparam

from hanok.base.errors import BadInput, Conflict, NotFound
from hanok.base.ids import new_uuid
from hanok.commands import VolumeAddress
from hanok.services.block_storage.logic import volumes
from hanok.services.block_storage.room import Volumes
from hanok.services.block_storage.tables import volume_attachments as table
from hanok.services.block_storage.tables import volume_connections
from hanok.store import Transaction, still_there
from hanok.web.owned import Owned


def not_found(attachment_id: str) -> NotFound:
    return NotFound(
        f"Volume attachment could not be found with filter: attachment_id = {attachment_id[:255]}."
    )


_owned = Owned(table, not_found)
WHOLE, of, get_any, get = _owned.whole, _owned.of, _owned.get_any, _owned.get
_connections = sa.select(volume_connections).where(
    volume_connections.c.volume_id == bindparam("id")
)
_of_server = WHOLE.where(table.c.server_id == bindparam("id")).order_by(table.c.sequence)
_of_servers = WHOLE.where(table.c.server_id.is_not(None)).order_by(table.c.sequence)
# Statuses that say how a volume is attached, or that this went wrong.
FOLLOWING = (
    "reserved",
    "attaching",
    "in-use",
    "detaching",
    "error",
    "error_attaching",
    "error_detaching",
)
CONNECTORS = 16  # of one volume, by the older way
USERS = 100  # of one volume
_SPACE = uuid.UUID("0e0f3c2a-41f2-4f0f-9a52-9d4f0f2c6a11")


async def of_server(tx: Transaction, server_id: str) -> Sequence[Row[Any]]:
    return await tx.all(_of_server, {"id": server_id})


async def of_servers(tx: Transaction) -> Sequence[Row[Any]]:
    """All attachments that are a server's."""
    return await tx.all(_of_servers)


def check_free(volume: Row[Any], attached: Sequence[Row[Any]], server_id: str | None) -> None:
    """Raises BadInput where a volume may not be kept for one more user."""
    usable = ["available"]
    if volume.multiattach:
        usable += ["in-use", "reserved", "attaching"]
    if volume.status not in usable:
        raise volumes.invalid(
            f"Volume {volume.id} status must be {' or '.join(usable)} to reserve, but the current status is "
            f"{volume.status}."
        )
    volumes.check_at_rest(volume)
    if volume.host is None:
        raise volumes.invalid(f"Volume {volume.id} is in no back end.")
    if len(attached) >= USERS:
        raise volumes.invalid(f"Volume {volume.id} has {USERS} attachments already.")
    if server_id is not None and any(one.server_id == server_id for one in attached):
        raise volumes.invalid(f"Volume {volume.id} is already attached to server {server_id}.")


async def check_not_servers(tx: Transaction, room: Volumes, row: Row[Any]) -> None:
    """Raises Conflict: a server has it, so only compute, which knows what its guest does, may change it."""
    servers = room.servers
    server_id = None if servers is None else await servers.server_with(tx, row.volume_id, row.id)
    if server_id is not None:
        raise Conflict(f"Detach volume from instance {server_id} using the Compute API")


def may_be_open(row: Row[Any]) -> bool:
    """Whether its host may have been asked to open the volume for it."""
    return row.connector is not None or row.connection is not None


def check_mode(volume: Row[Any], mode: str) -> None:
    """Raises BadInput where a volume that may only be read is to be written to."""
    if volume.read_only and mode != "ro":
        raise volumes.invalid(
            f"Invalid attaching mode '{mode}' for volume {volume.id}: the volume is read-only."
        )


async def reserve(
    tx: Transaction,
    room: Volumes,
    volume: Row[Any],
    server_id: str | None,
    *,
    mode: str | None,
) -> Row[Any]:
    """Keep a volume for a user.

    Raises:
        BadInput: its state does not allow that.
    """
    attached = await volumes.attachments(tx, volume.id)
    check_free(volume, attached, server_id)
    if mode is not None:
        check_mode(volume, mode)
    now = room.clock.now()
    row = {
        "id": new_uuid(),
        "volume_id": volume.id,
        "project_id": volume.project_id,
        "server_id": server_id,
        "status": "reserved",
        "mode": mode or ("ro" if volume.read_only else "rw"),
        "created_at": now,
    }
    await tx.insert(table, row)
    if volume.status != "in-use":
        await volumes.change(tx, volume.id, {"status": "reserved"}, now)
    return still_there(await get_any(tx, str(row["id"])))


async def to_change(tx: Transaction, attachment_id: str) -> Row[Any]:
    """An attachment, when no other transaction changes its volume's; none does until this one ends. Raises NotFound."""
    row = await get_any(tx, attachment_id)
    if row is not None:
        await tx.take_turn(row.volume_id)
        row = await get_any(tx, attachment_id)
    if row is None:
        raise not_found(attachment_id)
    return row


async def connecting(tx: Transaction, attachment_id: str, connector: Mapping[str, Any]) -> int:
    """The volume is about to be opened for a connector: who deletes the attachment closes it. Raises NotFound.

    Returns the generation of that opening.
    """
    row = await to_change(tx, attachment_id)
    values = {"connector": dict(connector), "generation": row.generation + 1}
    await tx.execute(table.update().where(table.c.id == row.id).values(**values))
    return int(row.generation) + 1


async def opened(
    tx: Transaction,
    room: Volumes,
    attachment_id: str,
    connector: Mapping[str, Any],
    connection: Mapping[str, Any],
    *,
    mode: str = "",
) -> Row[Any]:
    """The volume can be reached by the attachment.

    Raises:
        NotFound: it was deleted meanwhile.
    """
    now = room.clock.now()
    values: dict[str, Any] = {
        "connector": dict(connector),
        "connection": dict(connection),
        "updated_at": now,
    }
    if mode:
        values["mode"] = mode
    if host := connector.get("host"):
        values["attached_host"] = str(host)[:255]
    if mountpoint := connector.get("mountpoint"):
        values["mountpoint"] = str(mountpoint)[:255]
    row = await to_change(tx, attachment_id)
    if row.status != "attached":
        values["status"] = "attaching"
    await tx.execute(table.update().where(table.c.id == attachment_id).values(**values))
    volume = await volumes.get_any(tx, row.volume_id)
    if volume is not None and volume.status in ("reserved", "available"):
        await volumes.change(tx, volume.id, {"status": "attaching"}, now)
    return still_there(await get_any(tx, attachment_id))


async def complete(
    tx: Transaction, room: Volumes, row: Row[Any], device: str | None = None
) -> None:
    """The user has the volume. Raises NotFound: the attachment went meanwhile."""
    await tx.take_turn(row.volume_id)
    if await get_any(tx, row.id) is None:
        raise not_found(row.id)
    now = room.clock.now()
    values: dict[str, Any] = {"status": "attached", "attached_at": now, "updated_at": now}
    if device is not None:
        values["mountpoint"] = device[:255]
    await tx.execute(table.update().where(table.c.id == row.id).values(**values))
    await volumes.settle(tx, room, row.volume_id, "in-use", attach_status="attached")


async def release(tx: Transaction, room: Volumes, row: Row[Any]) -> Sequence[Row[Any]]:
    """The attachment is gone; the volume is as what is left of its attachments says. Returns these."""
    await tx.take_turn(row.volume_id)
    await tx.execute(table.delete().where(table.c.id == row.id))
    left = await volumes.attachments(tx, row.volume_id)
    await _follow(tx, room, row.volume_id, left)
    return left


async def follow(tx: Transaction, room: Volumes, volume_id: str) -> None:
    """Show on a volume what its attachments are: they may have gone while something was done with it."""
    await _follow(tx, room, volume_id, await volumes.attachments(tx, volume_id))


async def _follow(tx: Transaction, room: Volumes, volume_id: str, left: Sequence[Row[Any]]) -> None:
    """Show on a volume what its attachments are."""
    volume = await volumes.get_any(tx, volume_id)
    if volume is None:
        return
    states = {one.status for one in left}
    status = next(
        (
            shown
            for one, shown in (
                ("attached", "in-use"),
                ("attaching", "attaching"),
                ("reserved", "reserved"),
            )
            if one in states
        ),
        "available",
    )
    attach_status = "attached" if "attached" in states else "detached"
    if volume.status in FOLLOWING:
        await volumes.settle(tx, room, volume_id, status, attach_status=attach_status)
    else:
        await volumes.change(tx, volume_id, {"attach_status": attach_status}, room.clock.now())


def connection(
    volume: Row[Any], attachment_id: str, address: VolumeAddress, mode: str
) -> dict[str, Any]:
    """How a client reaches a volume, as attachments show it."""
    return {
        "driver_volume_type": "nbd",
        "export": address.export,
        "path": address.path,
        "host": address.host,
        "port": address.port,
        "tls": bool(address.host),
        "access_mode": mode,
        "encrypted": volume.encrypted,
        "qos_specs": None,
        "discard": True,
        "volume_id": volume.id,
        "attachment_id": attachment_id,
    }


# ---- the older way ----


def check_target(server_id: str | None, host_name: str | None) -> None:
    """Raises BadInput unless a volume is attached to a server, or else to a host."""
    if (server_id is None) == (host_name is None):
        raise BadInput("Invalid request to attach volume to an invalid target")


async def attach(
    tx: Transaction,
    room: Volumes,
    volume: Row[Any],
    *,
    server_id: str | None,
    host_name: str | None,
    mountpoint: str,
    mode: str,
) -> Row[Any]:
    """Say that a volume is attached, whoever did it.

    Raises:
        BadInput: its state does not allow that.
    """
    check_mode(volume, mode)
    attached = await volumes.attachments(tx, volume.id)
    usable = ["available", "attaching", "reserved"] + (["in-use"] if volume.multiattach else [])
    if volume.status not in usable:
        raise volumes.invalid(
            f"Volume {volume.id} status must be {' or '.join(usable)} to attach, but current status is: "
            f"{volume.status}."
        )
    now = room.clock.now()
    row = next(
        (one for one in attached if one.server_id == server_id and one.status != "attached"), None
    )
    values: dict[str, Any] = {
        "server_id": server_id,
        "attached_host": host_name,
        "mountpoint": mountpoint,
        "mode": mode,
        "status": "attached",
        "attached_at": now,
    }
    attachment_id = new_uuid() if row is None else row.id
    if row is not None:
        await check_not_servers(tx, room, row)
    if row is None:
        identity = {"id": attachment_id, "volume_id": volume.id, "project_id": volume.project_id}
        await tx.insert(table, {**identity, **values, "created_at": now})
    else:
        await tx.execute(table.update().where(table.c.id == row.id).values(**values))
    await volumes.settle(tx, room, volume.id, "in-use", attach_status="attached")
    return still_there(await get_any(tx, attachment_id))


async def to_detach(
    tx: Transaction, volume: Row[Any], attachment_id: str | None
) -> Row[Any] | None:
    """The attachment that is to go; None: the volume has none.

    Raises:
        BadInput: it has several, and none is named, or another volume has it. NotFound: there is none that is named so.
    """
    attached = await volumes.attachments(tx, volume.id)
    if attachment_id is not None:
        found = next((one for one in attached if one.id == attachment_id), None)
        if found is None and await get_any(tx, attachment_id) is not None:
            raise volumes.invalid(f"Attachment {attachment_id} is not of volume {volume.id}.")
        if found is None:
            raise not_found(attachment_id)
        return found
    if len(attached) > 1:
        raise volumes.invalid(
            "Detach volume failed: More than one attachment, but no attachment_id provided."
        )
    return attached[0] if attached else None


async def detached(tx: Transaction, room: Volumes, volume: Row[Any], row: Row[Any] | None) -> None:
    """The volume is attached there no longer."""
    if row is not None:
        await release(tx, room, row)
    else:
        await volumes.settle(tx, room, volume.id, "available", attach_status="detached")


def connection_id(volume_id: str, connector: Mapping[str, Any]) -> str:
    """What is opened for a connector by the older way: the same for the same host."""
    who = str(connector.get("host") or connector.get("initiator") or "")
    return str(uuid.uuid5(_SPACE, f"{volume_id} {who}"))


async def note_connection(
    tx: Transaction, room: Volumes, volume_id: str, connector: Mapping[str, Any]
) -> str:
    """Remember that a volume is opened for a connector, before it is. Returns the id of what is opened.

    Raises:
        BadInput: it is open for as many as may be.
    """
    await tx.take_turn(volume_id)
    identity = connection_id(volume_id, connector)
    known = {one.id for one in await connections(tx, volume_id)}
    if identity not in known and len(known) >= CONNECTORS:
        raise volumes.invalid(
            f"Volume {volume_id} is connected for {CONNECTORS} connectors already; terminate one of these connections "
            "first."
        )
    row = {"id": identity, "volume_id": volume_id, "connector": dict(connector)}
    await tx.insert_missing(volume_connections, {**row, "created_at": room.clock.now()})
    return identity


async def forget_connection(tx: Transaction, connection_id: str) -> None:
    await tx.execute(volume_connections.delete().where(volume_connections.c.id == connection_id))


async def connections(tx: Transaction, volume_id: str) -> Sequence[Row[Any]]:
    return await tx.all(_connections, {"id": volume_id})
