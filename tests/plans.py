"""How a database goes about what a request asks of it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from hanok.store import Database, Transaction

DIALECTS: dict[str, Any] = {"sqlite": sqlite.dialect, "postgresql": postgresql.dialect}


async def plans(database: Database, ask: Callable[[], Awaitable[Any]]) -> list[str]:
    """The plan of each statement that looks for many rows while `ask` runs, in one text each."""
    executed: list[tuple[Any, Any]] = []
    look = Transaction.all

    async def noting(self: Transaction, statement: Any, parameters: Any = None) -> Any:
        executed.append((statement, parameters))
        return await look(self, statement, parameters)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Transaction, "all", noting)
        await ask()
    found = []
    async with database.read() as tx:
        how = "EXPLAIN QUERY PLAN" if tx.dialect == "sqlite" else "EXPLAIN"
        for statement, parameters in executed:
            text = statement.params(**(parameters or {})).compile(
                dialect=DIALECTS[tx.dialect](), compile_kwargs={"literal_binds": True}
            )
            plain = str(text).replace(":", "\\:")  # no parameters are left
            rows = await tx.all(sa.text(f"{how} {plain}"))
            found.append("\n".join(str(row[-1]) for row in rows))
    return found


async def fill(database: Database, table: sa.Table, rows: list[dict[str, Any]]) -> None:
    """Rows by the thousand. PostgreSQL looks at what there is by itself, in time; here at once."""
    async with database.write() as tx:
        await tx.insert(table, rows)
    async with database.write() as tx:
        if tx.dialect == "postgresql":
            await tx.execute(sa.text("ANALYZE"))
