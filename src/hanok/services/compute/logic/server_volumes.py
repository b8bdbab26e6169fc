"""The volumes of servers: their rows, what they are called in the guest, and how hosts are told of them.

Block storage knows of each attachment whose it is; here stands what the server has of it. A row is there from the
moment a volume is planned or kept for a server, and gone with the attachment.

Source: Compute API reference, "Servers with volume attachments"; Compute API guide, "Block Device Mapping".
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec
import sqlalchemy as sa
from msgspec.structs import replace
from sqlalchemy import Row, bindparam

from hanok.base.errors import Forbidden
from hanok.base.ids import new_uuid
from hanok.commands import GuestDisk, GuestVolume, VolumeAddress
from hanok.services.block_storage.facade import Opened
from hanok.services.compute.logic import disks
from hanok.services.compute.logic.disks import Placed
from hanok.services.compute.tables import server_volumes as table
from hanok.store import Transaction

PLANNED, RESERVED, ATTACHED, DETACHING = "planned", "reserved", "attached", "detaching"
HOT_BUSES = ("virtio", "scsi", "usb")
"""The buses that a guest takes a disk on while it runs."""

_WHOLE = sa.select(table)
_of_server = _WHOLE.where(table.c.server_id == bindparam("id")).order_by(table.c.sequence)
_of_servers = (
    sa.select(table.c.server_id, table.c.volume_id, table.c.delete_on_termination)
    .where(
        table.c.server_id.in_(bindparam("ids", expanding=True)),
        table.c.volume_id.is_not(None),
    )
    .order_by(table.c.sequence)
)
_one = _WHOLE.where(
    table.c.server_id == bindparam("server"), table.c.volume_id == bindparam("volume")
)
_by_id = _WHOLE.where(table.c.id == bindparam("id"))
_of_volume = _WHOLE.where(table.c.volume_id == bindparam("id")).order_by(table.c.sequence)
_all = _WHOLE.where(table.c.attachment_id.is_not(None)).order_by(table.c.sequence)
_forget = table.delete().where(table.c.id == bindparam("of"))


async def of_server(tx: Transaction, server_id: str) -> Sequence[Row[Any]]:
    """All of a server's, in the order in which its guest has them."""
    return await tx.all(_of_server, {"id": server_id})


async def of_servers(
    tx: Transaction, server_ids: Collection[str]
) -> dict[str, list[dict[str, Any]]]:
    """The volumes of those servers that have some, by server, as answers name them."""
    found: dict[str, list[dict[str, Any]]] = {}
    for row in await tx.all(_of_servers, {"ids": list(server_ids)}) if server_ids else ():
        shown = {"id": row.volume_id, "delete_on_termination": row.delete_on_termination}
        found.setdefault(row.server_id, []).append(shown)
    return found


async def get(tx: Transaction, server_id: str, volume_id: str) -> Row[Any] | None:
    return await tx.first(_one, {"server": server_id, "volume": volume_id})


async def by_id(tx: Transaction, one: str) -> Row[Any] | None:
    return await tx.first(_by_id, {"id": one})


async def of_volume(tx: Transaction, volume_id: str) -> Sequence[Row[Any]]:
    return await tx.all(_of_volume, {"id": volume_id})


async def every(tx: Transaction) -> Sequence[Row[Any]]:
    """All that have an attachment."""
    return await tx.all(_all)


def root_of(rows: Sequence[Row[Any]]) -> Row[Any] | None:
    """The volume that the server boots from; None: it boots from a disk of its own."""
    return next((row for row in rows if row.boot_index == 0), None)


async def add(tx: Transaction, server_id: str, now: datetime, **values: Any) -> str:
    """Write a row; returns its id."""
    row = {
        "id": new_uuid(),
        "server_id": server_id,
        "volume_id": None,
        "attachment_id": None,
        "state": RESERVED,
        "device": None,
        "boot_index": None,
        "bus": "virtio",
        "device_type": "disk",
        "tag": None,
        "delete_on_termination": False,
        "source_type": "volume",
        "source_id": None,
        "size_gib": None,
        "volume_type": None,
        "made": False,
        "address": None,
        "created_at": now,
    }
    await tx.insert(table, {**row, **values})
    return str(values.get("id", row["id"]))


async def change(tx: Transaction, one: str, **values: Any) -> None:
    await tx.execute(table.update().where(table.c.id == one).values(**values))


async def forget(tx: Transaction, one: str) -> None:
    await tx.execute(_forget, {"of": one})


# ---- what hosts are told ----


def address_of(opened: Opened) -> dict[str, Any]:
    """What a row keeps of a volume that is open."""
    address: dict[str, Any] = msgspec.to_builtins(opened.address)
    return {"address": address, "size_gib": opened.size_gib, "read_only": opened.read_only}


def guest_volumes(rows: Sequence[Row[Any]], *, without: str = "") -> tuple[GuestVolume, ...]:
    """The volumes that are open, as a host is told them. without: the id of a row that is not among them."""
    return tuple(
        GuestVolume(
            volume_id=row.volume_id,
            attachment_id=row.attachment_id,
            address=msgspec.convert(row.address["address"], VolumeAddress),
            size_gib=row.address["size_gib"],
            read_only=row.address["read_only"],
            bus=row.bus,
            device=row.device_type,
            boot_index=row.boot_index,
        )
        for row in rows
        if row.address is not None and row.id != without
    )


# ---- names ----


def bus_for(properties: Mapping[str, Any]) -> str:
    """The bus of a volume that comes while the guest runs: the image's, where it takes disks then."""
    bus = disks.bus_of(properties, "disk")
    return bus if bus in HOT_BUSES else "virtio"


def next_device(server: Row[Any], rows: Sequence[Row[Any]], bus: str) -> str:
    """What Linux will call the next disk of this bus: the first letter that is free."""
    kind = "vd" if bus == "virtio" else "sd"
    named = [row for row in rows if row.device]
    taken = {one.path for one in placed(server, named)}
    return next(
        name for name in (f"/dev/{kind}{letters}" for letters in _letters()) if name not in taken
    )


def names(server: Row[Any], rows: Sequence[Row[Any]]) -> dict[str, str]:
    """What Linux will call the volumes of a server that is about to start, by the ids of their rows."""
    found = {one.name: one.path for one in _arranged(server, rows)}
    return {row.id: found[row.id] for row in rows}


def _letters() -> Any:
    """a to z, aa, ab and so on."""
    alphabet = "abcdefghijklmnopqrstuvwxyz"
    yield from alphabet
    for first in alphabet:
        for second in alphabet:
            yield first + second


def too_many(maximum: int) -> Forbidden:
    return Forbidden(
        f"The maximum allowed number of disk devices ({maximum}) to attach to a single instance has been exceeded."
    )


def check_count(server: Row[Any], count: int, maximum: int) -> None:
    """Raises Forbidden when a server would have more disks and volumes than it may."""
    if 0 <= maximum < len(disks.of(server)) + count:
        raise too_many(maximum)


def _boots_first(server: Row[Any], row: Row[Any]) -> bool:
    """Whether a volume comes before the disks: where the server has none of an image, those that are booted from do."""
    return not server.image_id and row.boot_index is not None


def _there_at_start(server: Row[Any], row: Row[Any]) -> bool:
    """Whether the guest has had a volume since it was started; it did not come later."""
    return server.launched_at is None or row.created_at < server.launched_at


def _split(server: Row[Any], rows: Sequence[Row[Any]]) -> tuple[list[Row[Any]], list[Row[Any]]]:
    """The volumes that a guest has before its disks and behind them, without those that came later."""
    there = [row for row in rows if _there_at_start(server, row)]
    first = [row for row in there if _boots_first(server, row)]
    return first, [row for row in there if row not in first]


def _disks(rows: Sequence[Row[Any]]) -> list[GuestDisk]:
    return [GuestDisk(name=row.id, bus=row.bus, device=row.device_type) for row in rows]


def _arranged(server: Row[Any], rows: Sequence[Row[Any]]) -> list[Placed]:
    first, last = _split(server, rows)
    return disks.placed(server, _disks(first), _disks(last))


def placed(server: Row[Any], rows: Sequence[Row[Any]]) -> list[Placed]:
    """Disks and volumes as the guest finds them.

    Volumes are known by their serial, the first 20 characters of their id; where those are that came later, only the
    guest knows.
    """
    known = {row.id: row for row in rows}
    found = [
        replace(one, **_of_row(known[one.name], one.path)) if one.name in known else one
        for one in _arranged(server, rows)
    ]
    later = [row for row in rows if not _there_at_start(server, row)]
    return found + [
        Placed(name=row.id, bus="none", address="none", **_of_row(row, "")) for row in later
    ]


def _of_row(row: Row[Any], path: str) -> dict[str, str]:
    serial = str(row.volume_id or "")[:20]
    return {"path": row.device or path, "serial": serial, "tag": row.tag or ""}


def ports(server: Row[Any], rows: Sequence[Row[Any]]) -> int:
    """How many PCIe ports disks and volumes take; network interfaces come after them."""
    first, last = _split(server, rows)
    return disks.ports([*_disks(first), *disks.of(server), *_disks(last)])
