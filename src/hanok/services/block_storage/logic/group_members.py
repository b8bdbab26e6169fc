"""What groups ask of new volumes that are to be in them.

Source: Block Storage API reference, "Create a volume" (group_id).
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy import Row, bindparam

from hanok.base.errors import BadInput, NotFound
from hanok.services.block_storage.tables import volume_groups, volumes
from hanok.store import Transaction
from hanok.web.token import Caller

MAXIMUM = 100  # volumes of one group
_count = sa.select(sa.func.count()).where(volumes.c.group_id == bindparam("id"))
_by_id = sa.select(volume_groups).where(volume_groups.c.id == bindparam("id"))


async def group_of(tx: Transaction, group_id: str) -> Row[Any] | None:
    return await tx.first(_by_id, {"id": group_id})


async def check_member(tx: Transaction, caller: Caller, group_id: str, type_id: str) -> None:
    """Go on only if a new volume of a type may be in a group, which nobody else changes meanwhile.

    Raises:
        NotFound: it is not there. BadInput: its state or its types do not allow it.
    """
    row = await group_of(tx, group_id)
    if row is None or not (caller.everywhere or row.project_id == caller.project_id):
        raise NotFound(f"Group {group_id[:255]} could not be found.")
    if type_id not in row.volume_types:
        raise BadInput(
            "Invalid input received: Invalid volume_type provided: "
            f"{type_id} (requested type must be supported by this group)."
        )
    if row.status not in ("available", "creating"):
        raise BadInput(
            f"Invalid group: group {row.id} status must be available, but it is {row.status}."
        )
    if int(await tx.scalar(_count, {"id": group_id}) or 0) >= MAXIMUM:
        raise BadInput(f"Invalid group: a group has at most {MAXIMUM} volumes.")
