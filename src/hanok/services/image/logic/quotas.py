"""What a project may have: counted in the transaction that adds to it.

Sizes are in MiB, as the limits are.

Source: Image service administration guide, "Image service quotas" (unified limits).
"""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy import bindparam

from hanok.base.errors import TooLarge
from hanok.services.image.room import Images
from hanok.services.image.tables import image_locations, images
from hanok.store import Transaction

SIZE, STAGE, COUNT, UPLOADING = (
    "image_size_total",
    "image_stage_total",
    "image_count_total",
    "image_count_uploading",
)
RESOURCES = (SIZE, STAGE, COUNT, UPLOADING)
MIB = 1 << 20

_mine = images.c.owner == bindparam("project")
_of = {
    # A copy in each store counts.
    SIZE: sa.select(sa.func.coalesce(sa.func.sum(images.c.size), 0))
    .select_from(images.join(image_locations, image_locations.c.image_id == images.c.id))
    .where(_mine),
    STAGE: sa.select(sa.func.coalesce(sa.func.sum(images.c.size), 0)).where(
        _mine, images.c.status.in_(("uploading", "importing"))
    ),
    COUNT: sa.select(sa.func.count()).select_from(images).where(_mine),
    UPLOADING: sa.select(sa.func.count())
    .select_from(images)
    .where(_mine, images.c.status.in_(("saving", "uploading", "importing"))),
}


async def used(tx: Transaction, project_id: str, resource: str) -> int:
    """What the project has of a resource: bytes or images."""
    return int(await tx.scalar(_of[resource], {"project": project_id}) or 0)


def _shown(resource: str, amount: int) -> int:
    return amount // MIB if resource in (SIZE, STAGE) else amount


async def check(
    tx: Transaction, room: Images, project_id: str, resource: str, *, more: int = 0
) -> None:
    """Go on only if what the project has, and this much more, is within its limit.

    Args:
        more: bytes or images that are not in the database yet.

    Raises:
        TooLarge: it is not.
    """
    limit = (await room.limits(tx, project_id)).get(resource, -1)
    if limit < 0:
        return
    await tx.serialize("image", "limits", project_id)
    amount = await used(tx, project_id, resource) + more
    top = limit * MIB if resource in (SIZE, STAGE) else limit
    if amount > top:
        raise TooLarge(
            f"Request exceeds the limit of {resource} of project {project_id}: {limit} allowed, "
            f"{_shown(resource, amount)} needed."
        )


async def usage(tx: Transaction, room: Images, project_id: str) -> dict[str, dict[str, int]]:
    """Usage and limit by resource."""
    limits = await room.limits(tx, project_id)
    return {
        one: {
            "usage": _shown(one, await used(tx, project_id, one)),
            "limit": limits.get(one, -1),
        }
        for one in RESOURCES
    }
