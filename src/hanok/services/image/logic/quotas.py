"""Image's limits: what is counted, and the service's words when a limit would be passed.

Sizes are in MiB, as the limits are.

Source: Image service administration guide, "Image service quotas" (unified limits).
"""

from __future__ import annotations

from collections.abc import Mapping

import sqlalchemy as sa
from sqlalchemy import bindparam

from hanok.base.errors import TooLarge
from hanok.limits import OverLimit, Resource
from hanok.services.image.room import Images
from hanok.services.image.tables import image_locations, images
from hanok.store import Transaction

SIZE, STAGE, COUNT, UPLOADING = (
    "image_size_total",
    "image_stage_total",
    "image_count_total",
    "image_count_uploading",
)
MIB = 1 << 20

_mine = images.c.owner == bindparam("owner")
_bytes = sa.select(sa.func.coalesce(sa.func.sum(images.c.size), 0))
_number = sa.select(sa.func.count()).select_from(images)
_of = {
    # A copy in each store counts.
    SIZE: _bytes.select_from(
        images.join(image_locations, image_locations.c.image_id == images.c.id)
    ).where(_mine),
    STAGE: _bytes.where(_mine, images.c.status.in_(("uploading", "importing"))),
    COUNT: _number.where(_mine),
    UPLOADING: _number.where(_mine, images.c.status.in_(("saving", "uploading", "importing"))),
}


def resources(limits: Mapping[str, int]) -> tuple[Resource, ...]:
    """What is limited; limits: an operator's, for projects that no unified limit is registered for."""
    return tuple(
        Resource(
            name=name,
            default=limits.get(name, -1),
            count=count,
            unit=MIB if name in (SIZE, STAGE) else 1,
            registered=name,
        )
        for name, count in _of.items()
    )


async def check(
    tx: Transaction, room: Images, project_id: str, resource: str, *, more: int = 0
) -> None:
    """Go on only if what the project has, and this much more, is within its limit.

    Args:
        more: bytes or images that are not in the database yet.

    Raises:
        TooLarge: it is not.
    """
    try:
        await room.limits.check(tx, project_id, {resource: more})
    except OverLimit as error:
        [over] = error.over
        raise TooLarge(
            f"Request exceeds the limit of {resource} of project {project_id}: {over.maximum} allowed, "
            f"{over.used} used, {over.requested} requested."
        ) from error


async def usage(tx: Transaction, room: Images, project_id: str) -> dict[str, dict[str, int]]:
    """Usage and limit by resource."""
    maximums = await room.limits.maximums(tx, project_id)
    used = await room.limits.used(tx, project_id)
    return {name: {"usage": used[name], "limit": maximums[name]} for name in used}
