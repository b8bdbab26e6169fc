"""What is measured of networking: floating IPs that are there.

Source: Ceilometer's documentation, "Measurements", OpenStack Networking.
"""

from __future__ import annotations

from collections.abc import AsyncIterator

from hanok.base.metering import Meter, Metered
from hanok.services.network.tables import floating_ips
from hanok.store import Database
from hanok.store.walking import every, part_of

_part = part_of(floating_ips)


async def of_floating_ips(database: Database) -> AsyncIterator[Metered]:
    async for row in every(database, _part):
        yield Metered(
            kind="network",
            name=row.id,
            project_id=row.project_id,
            user_id=None,
            started_at=row.created_at,
            meters={"ip.floating": Meter(1, "ip")},
        )
