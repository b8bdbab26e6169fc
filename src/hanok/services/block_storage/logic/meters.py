"""What is measured of volumes and their backups.

Source: Ceilometer's documentation, "Measurements", OpenStack Block Storage.
"""

from __future__ import annotations

from collections.abc import AsyncIterator

import sqlalchemy as sa
from sqlalchemy import bindparam

from hanok.base.metering import Meter, Metered
from hanok.services.block_storage.tables import volume_types, volumes
from hanok.store import Database

AT_ONCE = 500
_page = (
    sa.select(
        volumes.c.sequence,
        volumes.c.id,
        volumes.c.name,
        volumes.c.project_id,
        volumes.c.user_id,
        volumes.c.created_at,
        volumes.c.size_gib,
        volumes.c.image_id,
        volumes.c.type_id,
        volume_types.c.name.label("type_name"),
    )
    .select_from(volumes.outerjoin(volume_types, volume_types.c.id == volumes.c.type_id))
    .where(volumes.c.sequence > bindparam("behind"))
    .order_by(volumes.c.sequence)
    .limit(AT_ONCE)
)


async def of_volumes(database: Database) -> AsyncIterator[Metered]:
    behind = 0
    while True:
        async with database.read() as tx:
            rows = await tx.all(_page, {"behind": behind})
        for row in rows:
            yield Metered(
                kind="volume",
                name=row.id,
                project_id=row.project_id,
                user_id=row.user_id,
                started_at=row.created_at,
                attributes={
                    "display_name": row.name,
                    "volume_type": row.type_name,
                    "volume_type_id": row.type_id,
                    "image_id": row.image_id,
                },
                meters={"volume.size": Meter(row.size_gib, "GB")},
            )
        if len(rows) < AT_ONCE:
            return
        behind = rows[-1].sequence
