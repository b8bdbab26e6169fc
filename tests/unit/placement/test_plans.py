"""How a database goes about searches: those of a few trees do not look at all of them."""

from __future__ import annotations

from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.dialects import sqlite

from hanok.services.placement.logic import candidates
from hanok.services.placement.logic.candidates import Group
from hanok.services.placement.tables import (
    inventories,
    provider_aggregates,
    provider_traits,
    providers,
)

TABLES = [providers, inventories, provider_traits, provider_aggregates]


def plan(few: bool) -> str:
    """The steps of SQLite's plan for a search by class and aggregate."""
    group = Group(resources={"MEMORY_MB": 64}, member_of=(frozenset(["a"]),))
    shape = candidates._shape("", group)
    statement = candidates._trees(
        (shape,), shared=False, root_required=0, root_forbidden=False, emptiest=True, fullest=False,
        limited=True, few=few,
    )  # fmt: skip
    values: dict[str, Any] = {
        **candidates._values(0, group), "few": ["a", "b"], "limit": 20, "emptiest": "MEMORY_MB",
    }  # fmt: skip
    known = {name: values[name] for name in candidates._names(statement) if name in values}
    text = statement.params(**known).compile(
        dialect=sqlite.dialect(),
        compile_kwargs={"literal_binds": True},
    )
    engine = sa.create_engine("sqlite://")
    with engine.connect() as connection:
        for table in TABLES:
            table.create(connection)
        rows = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {text}").all()
    engine.dispose()
    return "\n".join(str(row[3]) for row in rows)


@pytest.mark.parametrize("few", [True, False])
def test_only_a_search_of_all_trees_goes_through_what_is_free(few: bool) -> None:
    assert ("ix_inventories_free" not in plan(few)) is few
