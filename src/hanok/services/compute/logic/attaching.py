"""Attaching a volume to an existing server: when it may be, and the rows that keep it.

Source: Compute API reference, "Attach a volume to an instance".
"""

from __future__ import annotations

import re
from typing import Any

from sqlalchemy import Row

from hanok.base.errors import BadInput, Conflict
from hanok.services.block_storage.facade import VolumeInfo
from hanok.services.compute.logic import server_volumes
from hanok.services.compute.room import Compute
from hanok.store import Transaction
from hanok.web.token import Caller


def check_device(value: Any) -> None:
    """A device's name is the guest's own to give; what is sent is only held against the form of one.

    Raises:
        BadInput
    """
    if value is None:
        return
    text = str(value)
    if len(text) > 255 or not re.fullmatch(r"[a-zA-Z0-9._/-]+", text):
        raise BadInput(f"The supplied device path ({text[:100]}) is invalid.")


async def keep(
    tx: Transaction,
    room: Compute,
    caller: Caller,
    server: Row[Any],
    volume_id: str,
    *,
    knows_multiattach: bool = True,
    tag: str | None = None,
    delete_on_termination: bool = False,
) -> Row[Any]:
    """The volume is kept for the server, which has a row of it. Returns that.

    Args:
        caller: as block storage's rules see them. knows_multiattach: whether the caller's version knows volumes that
            several servers have.

    Raises:
        NotFound: the caller sees no such volume. BadInput: it, or the server, is in no state for it.
        Forbidden: the server has too many.
    """
    volume = await room.volumes.visible(tx, caller, volume_id)
    _check(volume, server, tag, knows_multiattach)
    rows = await server_volumes.of_server(tx, server.id)
    if any(row.volume_id == volume.id for row in rows):
        raise BadInput(f"Invalid volume: volume {volume.id} already attached")
    maximum = room.settings.max_disk_devices_to_attach
    server_volumes.check_count(server, len(rows) + 1, maximum)
    bus = server_volumes.bus_for(server.image_properties)
    values = {
        "volume_id": volume.id,
        "attachment_id": await reserve(tx, room, caller, volume.id, server.id),
        "device": server_volumes.next_device(server, rows, bus) if server.host else None,
        "bus": bus,
        "tag": tag,
        "delete_on_termination": delete_on_termination,
        "source_id": volume.id,
    }
    one = await server_volumes.add(tx, server.id, room.clock.now(), **values)
    row = await server_volumes.by_id(tx, one)
    assert row is not None
    return row


def _check(volume: VolumeInfo, server: Row[Any], tag: str | None, knows_multiattach: bool) -> None:
    if volume.multiattach and not knows_multiattach:
        raise BadInput(
            "Multiattach volumes are only supported starting with compute API version 2.60."
        )
    if server.vm_state != "shelved_offloaded":
        return
    if tag:
        raise BadInput("Tagged volume attachment is not supported for shelved-offloaded instances.")
    if volume.multiattach:
        raise BadInput(
            "Attaching multiattach volumes is not supported for shelved-offloaded instances."
        )


async def reserve(
    tx: Transaction, room: Compute, caller: Caller, volume_id: str, server_id: str
) -> str:
    """Keep a volume for a server. Returns the attachment's id.

    Raises:
        BadInput: its state does not allow that. NotFound.
    """
    try:
        return await room.volumes.reserve(tx, caller, volume_id, server_id)
    except Conflict as error:
        raise BadInput(error.message) from error
