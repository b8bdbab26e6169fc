"""Do the volumes of servers, as compute has them, and block storage's attachments speak of each other?"""

from __future__ import annotations

from typing import Any

from sqlalchemy import Row

from hanok.operations import is_active
from hanok.rooms import Difference
from hanok.services.block_storage.facade import AttachmentInfo, BlockStorage
from hanok.services.compute.logic import server_volumes, servers
from hanok.services.compute.room import Compute


async def volume_differences(room: Compute, *, mend: bool) -> list[Difference]:
    """What one of both has and the other has not, of servers that nothing works on.

    Args:
        mend: attachments to servers that are deleted are released; rows whose attachment is gone
            are forgotten where no guest has the volume.
    """
    if (volumes := room.find_volumes()) is None:
        return []
    async with room.database.read() as tx:
        rows = {row.attachment_id: row for row in await server_volumes.every(tx)}
        attached = {one.id: one for one in await volumes.attachments_of_servers(tx)}
        lost = [row for one, row in rows.items() if one not in attached]
        stray = [one for one in attached.values() if one.id not in rows]
        quiet = {
            one: not await is_active(tx, f"server:{one}")
            for one in {row.server_id for row in lost} | {str(one.server_id) for one in stray}
        }
    found = [await _lost(room, row, mend=mend) for row in lost if quiet[row.server_id]]
    for one in stray:
        if quiet[str(one.server_id)]:
            found += await _stray(room, volumes, one, mend=mend)
    return found


async def _lost(room: Compute, row: Row[Any], *, mend: bool) -> Difference:
    """A server has a volume that block storage no longer attaches to it."""
    async with room.database.write() if mend else room.database.read() as tx:
        server = await servers.get_any(tx, row.server_id)
        mendable = server is None or not server.host
        if mend and mendable:
            await server_volumes.forget(tx, row.id)
    detail = f"server {row.server_id} has volume {row.volume_id}, whose attachment {row.attachment_id} is gone"
    return Difference(what="attachment", detail=detail, mendable=mendable, mended=mend and mendable)


async def _stray(
    room: Compute, volumes: BlockStorage, one: AttachmentInfo, *, mend: bool
) -> list[Difference]:
    """Block storage attaches a volume to a server that is gone, or that does not have it.

    Whoever keeps a volume for a server that is there may be about to attach it.
    """
    async with room.database.read() as tx:
        server = await servers.get_even_deleted(tx, str(one.server_id))
    if server is None or (not server.deleted and one.status != "attached"):
        return []
    if mend and server.deleted:
        await volumes.close(one.id)
        async with room.database.write() as tx:
            await volumes.release(tx, one.id)
    detail = f"volume {one.volume_id} is attached to server {one.server_id}, which " + (
        "is deleted" if server.deleted else "does not have it"
    )
    mended = mend and server.deleted
    return [Difference(what="attachment", detail=detail, mendable=server.deleted, mended=mended)]
