"""What is measured of images.

Source: Ceilometer's documentation, "Measurements", OpenStack Image service.
"""

from __future__ import annotations

from collections.abc import AsyncIterator

from hanok.base.metering import Meter, Metered
from hanok.services.image.tables import images
from hanok.store import Database
from hanok.store.walking import every, part_of

_part = part_of(images, images.c.size.is_not(None))


async def of_images(database: Database) -> AsyncIterator[Metered]:
    async for row in every(database, _part):
        yield Metered(
            kind="image",
            name=row.id,
            project_id=row.owner,
            user_id=None,
            started_at=row.created_at,
            attributes={
                "name": row.name,
                "container_format": row.container_format,
                "disk_format": row.disk_format,
            },
            meters={"image.size": Meter(row.size, "B")},
        )
