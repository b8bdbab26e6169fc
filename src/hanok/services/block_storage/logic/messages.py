"""Messages that tell users why something failed which was accepted before.

Source: Block Storage API reference, "Messages"; contributor guide, "User messages".
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Row, bindparam

from hanok.base.ids import new_uuid
from hanok.base.log import request_id as current_request_id
from hanok.services.block_storage.room import Volumes
from hanok.services.block_storage.tables import volume_messages as table
from hanok.store import Transaction
from hanok.web.owned import Owned, missing

_owned = Owned(table, missing("Message"))
WHOLE, of, get = _owned.whole, _owned.of, _owned.get
_newest = (
    sa.select(table.c.text)
    .where(table.c.resource_id == bindparam("id"))
    .order_by(table.c.created_at.desc())
    .limit(1)
)
_expired = table.delete().where(table.c.expires_at < bindparam("now"))

# What was being done, by the number that stands in "event_id".
ACTIONS = {
    "schedule": "001",
    "attach": "002",
    "detach": "002",
    "upload": "003",
    "create": "004",
    "snapshot_create": "005",
    "snapshot_delete": "006",
    "extend": "007",
    "backup_create": "013",
    "backup_delete": "014",
    "backup_restore": "015",
    "reimage": "017",
    "delete": "004",
    "migrate": "001",
    "retype": "001",
    "revert": "005",
}


async def tell(
    tx: Transaction,
    room: Volumes,
    *,
    project_id: str,
    resource_type: str,
    resource_id: str,
    action: str,
    text: str,
) -> None:
    """Leave a message for the users of a project. resource_type: "VOLUME", "VOLUME_SNAPSHOT", "VOLUME_BACKUP"."""
    now = room.clock.now()
    row = {
        "id": new_uuid(),
        "project_id": project_id,
        "request_id": current_request_id.get(),
        "event_id": f"VOLUME_{resource_type}_{ACTIONS[action]}_001",
        "resource_type": resource_type,
        "resource_id": resource_id,
        "level": "ERROR",
        "text": f"{action}: {text}"[:2000],
        "created_at": now,
        "expires_at": now + timedelta(seconds=room.settings.message_ttl_s),
    }
    await tx.insert(table, row)


async def newest(tx: Transaction, resource_id: str) -> str | None:
    """The text of the last message about something; None: there is none."""
    found = await tx.scalar(_newest, {"id": resource_id})
    return None if found is None else str(found)


async def delete(tx: Transaction, row: Row[Any]) -> None:
    await tx.execute(table.delete().where(table.c.id == row.id))


async def forget_old(tx: Transaction, now: datetime) -> None:
    await tx.execute(_expired, {"now": now})
