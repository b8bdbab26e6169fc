"""Messages that tell users why something failed which was accepted before.

Source: Shared File Systems API reference, "User messages".
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Row

from hanok.base.ids import new_uuid
from hanok.base.log import request_id as current_request_id
from hanok.services.shared_file_system.room import Shares
from hanok.services.shared_file_system.tables import share_messages as table
from hanok.store import Transaction
from hanok.web.owned import Owned, missing

_owned = Owned(table, missing("Message"))
WHOLE, of, get = _owned.whole, _owned.of, _owned.get
_expired = table.delete().where(table.c.expires_at < sa.bindparam("now"))

# What was being done, by the number and the word that tell it.
ACTIONS = {
    "allocate": ("001", "allocate host"),
    "create": ("002", "create"),
    "promote": ("004", "promote"),
    "update": ("005", "update"),
    "revert": ("006", "revert to snapshot"),
    "delete": ("007", "delete"),
    "extend": ("008", "extend"),
    "shrink": ("009", "shrink"),
    "access": ("010", "update access rules"),
    "transfer": ("026", "transfer accept"),
    "restore": ("028", "restore share backup"),
}
UNKNOWN, UNSUPPORTED_ACCESS = "001", "021"
UNJOINED = (
    "Share driver has failed to setup one or more security services that are associated with the used share network. "
    "The security service may be unsupported or the provided parameters are invalid. You may try again with a "
    "different set of configurations."
)
DETAILS = {UNJOINED: "022"}
"""The numbers of details by what they say, where that is all that is known of a failure."""
SHARE, SNAPSHOT = "SHARE", "SHARE_SNAPSHOT"


async def tell(
    tx: Transaction,
    room: Shares,
    *,
    project_id: str,
    resource_type: str,
    resource_id: str,
    action: str,
    text: str,
    detail_id: str = UNKNOWN,
) -> None:
    """Leave a message for the users of a project. action: of ACTIONS."""
    now = room.clock.now()
    number, word = ACTIONS[action]
    row = {
        "id": new_uuid(),
        "project_id": project_id,
        "request_id": current_request_id.get(),
        "action_id": number,
        "detail_id": DETAILS.get(text, detail_id),
        "resource_type": resource_type,
        "resource_id": resource_id,
        "level": "ERROR",
        "text": f"{word}: {text}"[:2000],
        "created_at": now,
        "expires_at": now + timedelta(seconds=room.settings.message_ttl_s),
    }
    await tx.insert(table, row)


async def delete(tx: Transaction, row: Row[Any]) -> None:
    await tx.execute(table.delete().where(table.c.id == row.id))


async def forget_old(tx: Transaction, now: datetime) -> None:
    await tx.execute(_expired, {"now": now})
