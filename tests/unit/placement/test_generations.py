"""Who writes on what somebody else has changed meanwhile is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from hanok.base.errors import BadInput, Conflict
from hanok.services.placement.logic import allocations, providers
from hanok.services.placement.tables import consumers
from hanok.services.placement.tables import providers as provider_table
from tests.unit.network.rows import row
from tests.unit.placement.worlds import NOW, Provider, database_of

HOST = Provider(name="h", has={"VCPU": 4})
SEEN = sa.select(provider_table).where(provider_table.c.id == "h")


async def test_a_provider_that_has_changed_since_it_was_read(tmp_path: Path) -> None:
    async with database_of(tmp_path, HOST) as database, database.write() as tx:
        seen = await tx.first(SEEN)
        assert seen is not None
        with pytest.raises(Conflict, match="generation conflict"):
            await providers.raise_generation(tx, seen, 7, NOW)
        assert await providers.raise_generation(tx, seen, 0, NOW) == 1
        for claimed in (0, None):  # what was read is old by now, and what it says is not so
            with pytest.raises(Conflict, match="generation conflict"):
                await providers.raise_generation(tx, seen, claimed, NOW)
        now = await tx.first(SEEN)
        assert now is not None
        assert await providers.raise_generation(tx, now, None, NOW) == 2


async def test_a_consumer_that_has_changed_since_it_was_read(tmp_path: Path) -> None:
    asks: Any = row(consumer_id="c", project_id="p", user_id="u", consumer_type=None)
    async with database_of(tmp_path, HOST) as database, database.write() as tx:
        await allocations._write_consumer(tx, asks, None)
        await allocations._write_consumer(tx, asks, 1)
        for generation in (None, 1, 3):
            with pytest.raises(Conflict, match="consumer generation conflict"):
                await allocations._write_consumer(tx, asks, generation)
        assert await tx.scalar(sa.select(consumers.c.generation)) == 2


async def test_why_a_claim_is_refused(tmp_path: Path) -> None:
    async with database_of(tmp_path, HOST) as database, database.write() as tx:
        for provider, name, error, why in (
            ("gone", "VCPU", BadInput, "provider 'gone' that does not exist"),
            ("h", "CUSTOM_UNKNOWN", BadInput, "No such resource class CUSTOM_UNKNOWN"),
            ("h", "DISK_GB", Conflict, "no such inventory"),
            ("h", "VCPU", Conflict, "5 requested, 4 free"),
        ):
            with pytest.raises(error, match=why):
                await allocations._refuse(tx, provider, name, 5)
