"""Small worlds of providers in a database of their own."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

import sqlalchemy as sa
from msgspec import Struct

from hanok.services.placement.tables import (
    inventories,
    provider_aggregates,
    provider_traits,
    providers,
)
from hanok.store import Database
from tests.databases import opened

NOW = datetime(2026, 1, 1, tzinfo=UTC)


class Provider(Struct, frozen=True, kw_only=True):
    """One provider; its name is its id. has: totals by class. used: by class. steps: smallest units by class."""

    name: str
    parent: str | None = None
    has: Mapping[str, int] = {}
    used: Mapping[str, int] = {}
    steps: Mapping[str, int] = {}
    traits: frozenset[str] = frozenset()
    aggregates: frozenset[str] = frozenset()


def root_of(world: Mapping[str, Provider], name: str) -> str:
    parent = world[name].parent
    return name if parent is None else root_of(world, parent)


@asynccontextmanager
async def database_of(folder: Path, *those: Provider) -> AsyncIterator[Database]:
    """A database with these providers. Parents come first."""
    database = await opened(folder)
    world = {one.name: one for one in those}
    rows: dict[sa.Table, list[dict[str, object]]] = {
        providers: [
            {
                "id": one.name, "name": one.name, "generation": 0, "parent_id": one.parent,
                "root_id": root_of(world, one.name), "updated_at": NOW,
            }
            for one in those
        ],
        inventories: [
            {
                "provider_id": one.name, "resource_class": name, "total": total, "reserved": 0,
                "min_unit": one.steps.get(name, 1), "max_unit": total,
                "step_size": one.steps.get(name, 1), "allocation_ratio": 1.0,
                "used": one.used.get(name, 0),
            }
            for one in those
            for name, total in one.has.items()
        ],
        provider_traits: [
            {"provider_id": one.name, "trait": trait} for one in those for trait in one.traits
        ],
        provider_aggregates: [
            {"provider_id": one.name, "aggregate_id": name}
            for one in those
            for name in one.aggregates
        ],
    }  # fmt: skip
    async with database.write() as tx:
        for table, values in rows.items():
            if values:
                await tx.execute(table.insert(), values)
    try:
        yield database
    finally:
        await database.close()
