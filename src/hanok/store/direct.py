"""Looking at PostgreSQL without the way round that SQLAlchemy takes to reach an asynchronous driver.

SQLAlchemy compiles a statement and keeps what it compiled; here the compiled text goes straight to the driver, which
has it prepared, and rows come back as SQLAlchemy's own, converted by the columns' types. Everything that changes
something goes the usual way, on the same connection. Measured: docs/performance.md, "PostgreSQL".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import asyncpg
from sqlalchemy.engine import Dialect
from sqlalchemy.engine.result import IteratorResult, Result, SimpleResultMetaData
from sqlalchemy.sql import CompoundSelect, Executable, Select
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.types import Float, Numeric
from sqlalchemy.util import LRUCache

from hanok.base.errors import BadInput, Unavailable
from hanok.store.sizes import TOO_LARGE, is_too_large

# SQL's "data exception": too long, out of range, a character that no text may hold.
UNFIT = frozenset(("22000", "22001", "22003", "22008", "22021", "22P05"))
KEPT = 1500  # compiled statements: more than the house has


def _number(value: Any) -> Any:
    return None if value is None else float(value)


class Looker:
    """Runs the looking statements of a process over connections of asyncpg."""

    def __init__(self, dialect: Dialect) -> None:
        self._dialect = dialect
        self._compiled: Any = LRUCache(KEPT)
        self._shapes: Any = LRUCache(KEPT)

    @staticmethod
    def takes(statement: Executable) -> bool:
        """Whether this only looks, so that it may go the short way."""
        return isinstance(statement, Select | CompoundSelect)

    async def run(
        self, driver: asyncpg.Connection, statement: Any, parameters: Mapping[str, Any] | None
    ) -> Result[Any]:
        """Run one statement; all rows are read.

        Raises:
            BadInput: a value that no column holds. Unavailable: the server does not answer, or broke off.
        """
        given = dict(parameters or {})
        compiled, extracted, named, _ = statement._compile_w_cache(
            self._dialect, compiled_cache=self._compiled, column_keys=sorted(given)
        )
        text, values = self._bound(compiled, given, extracted, named)
        with _translated():
            rows = await driver.fetch(text, *values)
        return IteratorResult(self._shape(compiled), (tuple(row) for row in rows))

    @staticmethod
    def _bound(
        compiled: SQLCompiler, given: dict[str, Any], extracted: Any, named: Any
    ) -> tuple[str, list[Any]]:
        """The text that is sent, and the values for its numbered places."""
        values = compiled.construct_params(
            given, extracted_parameters=extracted, escape_names=False, _collected_params=named
        )
        processors: Mapping[str, Any] = compiled._bind_processors
        text: str = compiled.string
        places: Sequence[str] | None = compiled.positiontup
        if compiled.literal_execute_params or compiled.post_compile_params:
            expanded = compiled._process_parameters_for_postcompile(values)
            text, places = expanded.statement, expanded.positiontup
            processors = {**processors, **expanded.processors}
        assert places is not None
        return text, [
            processors[one](values[one]) if one in processors else values[one] for one in places
        ]

    def _shape(self, compiled: SQLCompiler) -> SimpleResultMetaData:
        """The names of a statement's columns, and what makes values of them."""
        shape: SimpleResultMetaData | None = self._shapes.get(compiled)
        if shape is None:
            columns = compiled._result_columns
            processors: list[Any] = [
                _number
                if isinstance(
                    one.type, Numeric | Float
                )  # whose own wants to know the server's type
                else one.type._cached_result_processor(self._dialect, None)
                for one in columns
            ]
            shape = self._shapes[compiled] = SimpleResultMetaData(
                [one.keyname for one in columns],
                extra=[tuple(one.objects) for one in columns],
                _processors=processors,
            )
        return shape


class _translated:
    """Turns what the driver says into the house's errors, as far as they are somebody's."""

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if error is None:
            return
        state = getattr(error, "sqlstate", None) or ""
        if isinstance(error, asyncpg.DataError | OverflowError) or state in UNFIT:
            raise BadInput(
                "Invalid input: a value is out of range or holds a character that no text may."
            ) from error
        if is_too_large(error):
            raise BadInput(TOO_LARGE) from error
        # Connection lost, resources used up, deadlock, lock not to be had, the server ends.
        if isinstance(error, asyncpg.InterfaceError | OSError) or state[:2] in (
            "08", "40", "53", "55", "57",
        ):  # fmt: skip
            if not isinstance(error, TimeoutError):
                raise Unavailable("The database does not answer.", detail=str(error)) from error
