"""All rows of a database, as they were at one moment, as bytes; and back, into an empty one of either kind.

Whoever writes meanwhile goes on writing. A dump fits the version that made it: restored, it is migrated like any other
database of that version. Each table is a stream of msgpack arrays: first the names of the columns, then rows.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO, TypeVar

import msgspec
import sqlalchemy as sa

from hanok.base.errors import Unavailable
from hanok.store import moved, server
from hanok.store.migrate import FITS, VERSION, note_fitting
from hanok.store.schema import metadata

ROWS = 500  # read or written at once
_LENGTH = 4  # bytes before each array: how long it is
_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(list[Any]).decode
T = TypeVar("T")


def tables() -> list[sa.Table]:
    """All tables, those that others refer to first."""
    return list(metadata.sorted_tables)


async def run(url: str, work: Callable[[sa.Connection], T], *, write: bool = False) -> T:
    """Do something in one transaction that sees one moment.

    Raises:
        Unavailable: the database is not there, or refuses.
    """
    try:
        url = url if write else moved.place(url)
        if url.startswith("sqlite:///"):
            return await asyncio.to_thread(_on_sqlite, url, work, write)
        return await _on_postgresql(url, work)
    except (sa.exc.SQLAlchemyError, OSError) as error:
        raise Unavailable("The database cannot be read or written.", detail=str(error)) from error


def _on_sqlite(url: str, work: Callable[[sa.Connection], T], write: bool) -> T:
    path = Path(url.removeprefix("sqlite:///"))
    if not write and not path.exists():
        raise Unavailable(f"There is no database {path}.")
    engine = sa.create_engine(url, isolation_level="AUTOCOMMIT")
    try:
        with engine.connect() as connection:
            if write:
                connection.exec_driver_sql("PRAGMA journal_mode = WAL")
            connection.exec_driver_sql("BEGIN IMMEDIATE" if write else "BEGIN")
            found = work(connection)
            connection.exec_driver_sql("COMMIT")
            return found
    finally:
        engine.dispose()


async def copied(url: str, target: Path) -> None:
    """An SQLite database as it is now is in another file, too; whoever writes goes on.

    Raises:
        Unavailable: it is not there, or there is no room.
    """
    try:
        await asyncio.to_thread(_copy, url, target)
    except (sa.exc.SQLAlchemyError, OSError) as error:
        raise Unavailable("The database cannot be copied.", detail=str(error)) from error


def _copy(url: str, target: Path) -> None:
    engine = sa.create_engine(url, isolation_level="AUTOCOMMIT")
    try:
        with engine.connect() as connection:
            connection.exec_driver_sql("VACUUM INTO ?", (str(target),))
    finally:
        engine.dispose()


async def _on_postgresql(url: str, work: Callable[[sa.Connection], T]) -> T:
    from sqlalchemy.ext.asyncio import create_async_engine

    from hanok.store.direct import refusals

    engine = create_async_engine(
        server.DRIVER, isolation_level="REPEATABLE READ", connect_args=server.arguments(url)
    )
    try:
        with refusals():
            opened = await engine.connect()
        try:
            async with opened.begin():
                return await opened.run_sync(work)
        finally:
            await opened.close()
    finally:
        await engine.dispose()


def unknown(connection: sa.Connection) -> list[str]:
    """Tables that are there, and that nobody has declared."""
    known = {*metadata.tables, VERSION.name, FITS.name}
    found = set(sa.inspect(connection).get_table_names()) - known
    return sorted(one for one in found if not one.startswith(moved.OURS))


# ---- rows to bytes


def version_of(connection: sa.Connection) -> str:
    """The id of the migration that the database is at."""
    found = connection.execute(sa.select(VERSION.c.version_num)).scalar()
    return str(found)


def write_rows(connection: sa.Connection, table: sa.Table, target: BinaryIO) -> int:
    """Write a table; returns how many rows it has."""
    count = 0
    columns = written(table)
    _put(target, [str(column.name) for column in columns])
    for row in connection.execution_options(yield_per=ROWS).execute(sa.select(*columns)):
        _put(target, list(row))
        count += 1
    return count


def written(table: sa.Table) -> list[sa.Column[Any]]:
    """The columns that are not worked out by the database."""
    return [column for column in table.columns if column.computed is None]


def _put(target: BinaryIO, values: list[Any]) -> None:
    raw = _encode(values)
    target.write(len(raw).to_bytes(_LENGTH, "big") + raw)


# ---- bytes to rows


def read_rows(connection: sa.Connection, table: sa.Table, source: BinaryIO) -> int:
    """Fill an empty table; returns how many rows it got.

    Raises:
        ValueError: this is not what a dump of this table looks like.
    """
    arrays = _arrays(source)
    names = next(arrays, [])
    if set(names) != {column.name for column in written(table)}:
        raise ValueError(f"the columns of {table.name} are others than this version has")
    count, statement = 0, table.insert()
    while some := [dict(zip(names, row, strict=True)) for row, _ in zip(arrays, range(ROWS))]:  # noqa: B905
        connection.execute(statement, some)
        count += len(some)
    return count


def _arrays(source: BinaryIO) -> Iterator[list[Any]]:
    while head := source.read(_LENGTH):
        length = int.from_bytes(head, "big")
        raw = source.read(length)
        if len(head) < _LENGTH or len(raw) < length:
            raise ValueError("it ends early")
        try:
            yield _decode(raw)
        except msgspec.MsgspecError as error:
            raise ValueError("it is damaged") from error


def make_tables(connection: sa.Connection, version: str) -> None:
    """The tables of this version, empty.

    Raises:
        ValueError: there are tables.
    """
    if sa.inspect(connection).get_table_names():
        raise ValueError("the database is not empty")
    metadata.create_all(connection)
    VERSION.create(connection)
    connection.execute(VERSION.insert().values(version_num=version))
    note_fitting(connection, (version,))


def count_on(connection: sa.Connection, table: sa.Table) -> None:
    """Numbers that the database gives out go on behind the largest there is; SQLite does that by itself."""
    if connection.dialect.name != "postgresql":
        return
    for column in table.primary_key.columns:
        if not isinstance(column.type.dialect_impl(connection.dialect), sa.Integer):
            continue
        with contextlib.suppress(KeyError):
            sequence = connection.execute(
                sa.text("SELECT pg_get_serial_sequence(:table, :column)"),
                {"table": table.name, "column": column.name},
            ).scalar()
            if sequence is not None:
                largest = connection.execute(sa.select(sa.func.max(column))).scalar()
                if largest is not None:
                    connection.execute(sa.select(sa.func.setval(sequence, largest)))
