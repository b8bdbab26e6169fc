"""Members: the projects that a shared image was offered to."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Row, bindparam

from hanok.base.errors import Conflict, NotFound, TooLarge
from hanok.services.image.logic import images
from hanok.services.image.tables import image_members
from hanok.store import Duplicate, Transaction, still_there
from hanok.web.token import Caller

MAXIMUM = 128
_all = (
    sa.select(image_members)
    .where(image_members.c.image_id == bindparam("image"))
    .order_by(image_members.c.member_id)
)
_one_of = _all.where(image_members.c.member_id == bindparam("member"))
_count = (
    sa.select(sa.func.count())
    .select_from(image_members)
    .where(image_members.c.image_id == bindparam("image"))
)
_mine = (image_members.c.image_id == bindparam("image")) & (
    image_members.c.member_id == bindparam("member")
)


async def listed(tx: Transaction, caller: Caller, image: Row[Any]) -> Sequence[Row[Any]]:
    """All members for the owner, only itself for a member."""
    if caller.everywhere or image.owner == caller.project_id:
        return await tx.all(_all, {"image": image.id})
    return await tx.all(_one_of, {"image": image.id, "member": caller.project_id})


async def get(tx: Transaction, caller: Caller, image: Row[Any], member_id: str) -> Row[Any]:
    """A member as the owner sees it, or it sees itself.

    Raises:
        NotFound
    """
    mine = caller.everywhere or caller.project_id in (image.owner, member_id)
    found = await images.membership(tx, image.id, member_id) if mine else None
    if found is None:
        raise NotFound(f"{member_id} not found in the member list of the image {image.id}.")
    return found


async def offer(tx: Transaction, image_id: str, member_id: str, now: datetime) -> Row[Any]:
    """One more member, as `add` makes it.

    Raises:
        TooLarge: there are as many as there may be. Conflict: it is a member already.
    """
    if int(await tx.scalar(_count, {"image": image_id}) or 0) >= MAXIMUM:
        raise TooLarge(f"An image has at most {MAXIMUM} members.")
    return await add(tx, image_id, member_id, now)


async def add(tx: Transaction, image_id: str, member_id: str, now: datetime) -> Row[Any]:
    """A project may see the image; it shows in its lists when it has accepted.

    Raises:
        Conflict: it is a member already.
    """
    values = {
        "image_id": image_id,
        "member_id": member_id,
        "status": "pending",
        "created_at": now,
        "updated_at": now,
    }
    try:
        await tx.insert(image_members, values)
    except Duplicate as error:
        raise Conflict(f"Member {member_id} is duplicated for image {image_id}") from error
    return still_there(await images.membership(tx, image_id, member_id))


async def answer(
    tx: Transaction, image_id: str, member_id: str, status: str, now: datetime
) -> Row[Any]:
    """What the project says to the offer: "accepted", "rejected", or "pending" again."""
    changed = image_members.update().where(_mine).values(status=status, updated_at=now)
    await tx.execute(changed, {"image": image_id, "member": member_id})
    return still_there(await images.membership(tx, image_id, member_id))


async def remove(tx: Transaction, image_id: str, member_id: str) -> None:
    """The project does not see the image any more."""
    gone = image_members.delete().where(_mine)
    await tx.execute(gone, {"image": image_id, "member": member_id})
