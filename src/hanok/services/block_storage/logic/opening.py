"""Opening volumes at their hosts, and closing them; no transaction is held meanwhile."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Row

from hanok.base.errors import Conflict, Unavailable
from hanok.base.log import request_id
from hanok.bus import NobodyThere
from hanok.commands import CloseVolume, Command, Done, Failed, OpenVolume, Stale, VolumeAddress
from hanok.commands.wire import ask
from hanok.services.block_storage.logic import keys
from hanok.services.block_storage.room import Volumes

ASK_S = 30.0


async def _ask(room: Volumes, host: str, command: Command) -> Any:
    """Raises Unavailable, or Conflict where the host cannot do it."""
    try:
        reply = await ask(room.bus, host, command, timeout_s=ASK_S)
    except NobodyThere as error:
        raise Unavailable(f"Host {host} does not answer.", detail=str(error)) from error
    if isinstance(reply, Failed):
        if reply.transient:
            raise Unavailable(reply.message, detail=reply.detail)
        raise Conflict(reply.message, detail=reply.detail)
    return reply


async def open_volume(
    room: Volumes,
    volume: Row[Any],
    attachment_id: str,
    *,
    host: str,
    read_only: bool,
    generation: int = 0,
    beside: bool = False,
) -> VolumeAddress:
    """The volume can be reached by one user. host: whose guest it is for; "": the volume's own.

    generation: of the attachment; 0 where there is none. beside: also from where it is reached already.

    Raises:
        Unavailable: its host does not answer, or it was closed meanwhile. Conflict: it is nowhere, or cannot be opened.
    """
    if volume.host is None:
        raise Conflict(f"Volume {volume.id} is in no back end.")
    command = OpenVolume(
        volume_id=volume.id,
        attachment_id=attachment_id,
        backend=volume.backend,
        generation=generation,
        read_only=read_only,
        key=keys.of(room, volume),
        host="" if host == volume.host else host,
        beside=beside,
        request_id=request_id.get(),
    )
    reply = await _ask(room, volume.host, command)
    if isinstance(reply, Stale):
        raise Unavailable("The volume was closed meanwhile.")
    # A host that named another one's export would have somebody's guest use it.
    if (
        not isinstance(reply, VolumeAddress)
        or reply.export != attachment_id
        or (reply.host and reply.name != volume.host)
    ):
        raise Conflict("The volume's host gave an answer that does not fit the request.")
    return reply


async def close_volume(
    room: Volumes, volume: Row[Any], attachment_id: str, generation: int = 0
) -> None:
    """The attachment reaches the volume no more. Raises as `open_volume`.

    generation: of what is closed; 0: whatever is open.
    """
    if volume.host is None:
        return
    command = CloseVolume(
        volume_id=volume.id,
        attachment_id=attachment_id,
        backend=volume.backend,
        generation=generation,
        request_id=request_id.get(),
    )
    reply = await _ask(room, volume.host, command)
    if not isinstance(reply, Done):
        raise Conflict("The volume's host gave an answer that does not fit the request.")


def host_of(connector: Mapping[str, Any]) -> str:
    """The host that a connector is of."""
    return str(connector.get("host") or "")
