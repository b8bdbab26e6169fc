"""What is measured of shares.

Source: Ceilometer's documentation, "Measurements", OpenStack File Share.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Row, bindparam

from hanok.base.metering import Meter, Metered
from hanok.services.shared_file_system.logic import instances
from hanok.services.shared_file_system.tables import shares
from hanok.store import Database

AT_ONCE = 500
_page = (
    sa.select(shares)
    .where(shares.c.sequence > bindparam("behind"))
    .order_by(shares.c.sequence)
    .limit(AT_ONCE)
)


async def of_shares(database: Database) -> AsyncIterator[Metered]:
    behind = 0
    while True:
        async with database.read() as tx:
            rows = await tx.all(_page, {"behind": behind})
            there = await instances.of_shares(tx, [row.id for row in rows])
        for row in rows:
            yield _of(row, there.get(row.id, []))
        if len(rows) < AT_ONCE:
            return
        behind = rows[-1].sequence


def _of(row: Row[Any], there: Sequence[Row[Any]]) -> Metered:
    """A share with its size. there: its instances. Its host is not told: a project sees this."""
    main = instances.main(there)
    return Metered(
        kind="manila_share",
        name=row.id,
        project_id=row.project_id,
        user_id=row.user_id,
        started_at=row.created_at,
        attributes={
            "name": row.name,
            "protocol": row.protocol,
            "status": row.status,
            "availability_zone": None if main is None else main.zone,
        },
        meters={"manila.share.size": Meter(row.size_gib, "GiB")},
    )
