"""What is measured of accounts of object storage.

Source: Ceilometer's documentation, "Measurements", OpenStack Object Storage.
"""

from __future__ import annotations

from collections.abc import AsyncIterator

from hanok.base.metering import Meter, Metered
from hanok.services.object_storage.tables import object_accounts
from hanok.store import Database
from hanok.store.walking import every, part_of

_part = part_of(object_accounts)


async def of_accounts(database: Database) -> AsyncIterator[Metered]:
    async for row in every(database, _part):
        yield Metered(
            kind="swift_account",
            name=row.id,
            project_id=row.id,
            user_id=None,
            meters={
                "storage.objects": Meter(row.objects, "object"),
                "storage.objects.size": Meter(row.bytes, "B"),
                "storage.objects.containers": Meter(row.containers, "container"),
            },
        )
