"""All rows of a cloud go from SQLite to PostgreSQL while it runs, and are compared one by one.

    follow      triggers note the key of each row that is changed from now on
    copy        all rows as they are at one moment
    catch up    what was noted meanwhile, again and again, until it is little
    compare     each row of one moment with its copy
    hand over   writers wait: the rest is copied and compared, references are made, PostgreSQL commits, SQLite is marked

All that PostgreSQL gets is one transaction: what breaks before its commit leaves nothing there. One that breaks between
its commit and the mark leaves rows that nobody has used, which the next try knows as such and removes. The mark
(`hanok.store.moved`) is the moment in which the rows have moved. Writers wait for a second or so, readers for nothing.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import secrets
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from msgspec import Struct
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine
from sqlalchemy.pool import NullPool

from hanok.base.durable import put_in_place
from hanok.base.errors import Conflict, Unavailable
from hanok.base.failpoints import failpoint
from hanok.store import dump, migrate, moved, server
from hanok.store.database import beside
from hanok.store.direct import refusals
from hanok.store.migrate import VERSION
from hanok.store.moved import OURS

CHUNK = 500  # rows copied or compared at once
LITTLE = 200  # changed rows that are left for the time in which writers wait
ROUNDS = 20  # of catching up; who changes more than that is copied takes longer to wait for
OLDEST = 130000  # PostgreSQL 13
LEAVING_S = 5.0  # what the server takes to see that somebody has gone
WAIT_S = 30.0  # for the turn to write

_NUMBER = "moving_number"
_STAMP = sa.Table(f"{OURS}stamp", sa.MetaData(), sa.Column("stamp", sa.Text, nullable=False))


class Moved(Struct, frozen=True, kw_only=True):
    """rows: that were copied and compared. changed: of them, meanwhile. paused_s: how long writers waited."""

    rows: int
    changed: int
    paused_s: float


class Broken(Exception):
    """A row is not what it was; nothing has moved. The text says which."""


# ---- what is changed meanwhile


def _log_of(table: sa.Table) -> sa.Table:
    """Where the keys of a table's changed rows are noted."""
    keys = [sa.Column(str(one.name), one.type) for one in table.primary_key.columns]
    number = sa.Column(_NUMBER, sa.Integer, primary_key=True)
    return sa.Table(f"{OURS}{table.name}", sa.MetaData(), number, *keys)


class _Source:
    """The SQLite file."""

    def __init__(self, path: Path) -> None:
        self.path = path
        timeout = {"timeout": WAIT_S}
        self._engine = sa.create_engine(
            f"sqlite:///{path}", isolation_level="AUTOCOMMIT", connect_args=timeout
        )
        self.logs = {table.name: _log_of(table) for table in dump.tables()}
        self.copied = dict.fromkeys(self.logs, 0)

    def close(self) -> None:
        self._engine.dispose()

    @contextmanager
    def reading(self) -> Iterator[sa.Connection]:
        """One moment."""
        with self._engine.connect() as connection:
            connection.exec_driver_sql("BEGIN")
            yield connection
            connection.exec_driver_sql("ROLLBACK")

    @contextmanager
    def writing(self) -> Iterator[sa.Connection]:
        """Nobody else writes meanwhile; what is changed is on the disk when the block is left."""
        with beside(str(self.path)) as turn, self._engine.connect() as connection:
            connection.exec_driver_sql("PRAGMA synchronous = FULL")
            # Who has the turn comes before all others: see `Database._begin`.
            fcntl.flock(turn, fcntl.LOCK_EX)
            connection.exec_driver_sql("BEGIN IMMEDIATE")
            fcntl.flock(turn, fcntl.LOCK_UN)
            try:
                yield connection
            except BaseException:
                connection.exec_driver_sql("ROLLBACK")
                raise
            connection.exec_driver_sql("COMMIT")

    def follow(self) -> str:
        """From now on keys of changed rows are noted; returns the stamp of this move, and of its earlier tries."""
        stamp = self.stamp() or secrets.token_hex(16)
        with self.writing() as connection:
            forget(connection)  # with it the stamp, which is written again
            _STAMP.create(connection)
            connection.execute(_STAMP.insert().values(stamp=stamp))
            for table in dump.tables():
                self.logs[table.name].create(connection)
                for name, text in _triggers(table):
                    connection.exec_driver_sql(f'CREATE TRIGGER "{name}" {text}')
        return stamp

    def stamp(self) -> str:
        """Of a move that was begun; empty: none was."""
        with self.reading() as connection:
            if not sa.inspect(connection).has_table(_STAMP.name):
                return ""
            return str(connection.execute(sa.select(_STAMP.c.stamp)).scalar())

    def noted(self, connection: sa.Connection, name: str) -> int:
        """The number of the last note of a table."""
        largest = sa.select(sa.func.max(self.logs[name].c.moving_number))
        return connection.execute(largest).scalar() or 0

    def all_copied(self, connection: sa.Connection) -> None:
        """What was noted up to this moment is copied."""
        self.copied = {name: self.noted(connection, name) for name in self.logs}

    def behind(self) -> int:
        """How many notes were not looked at."""
        with self.reading() as connection:
            return sum(
                self.noted(connection, name) - copied for name, copied in self.copied.items()
            )

    def changed(
        self, connection: sa.Connection, table: sa.Table
    ) -> Iterator[tuple[list[dict[str, Any]], list[dict[str, Any]]]]:
        """The keys that were noted and not looked at, some at a time, and the rows that there are of these."""
        log, last = self.logs[table.name], self.noted(connection, table.name)
        number, keys = log.c.moving_number, _keys(log)
        same = sa.and_(*(table.c[one.name] == one for one in keys))
        for first in range(self.copied[table.name], last, CHUNK):
            some = (number > first) & (number <= min(first + CHUNK, last))
            noted = connection.execute(sa.select(*keys).where(some).distinct())
            there = sa.exists().where(same, some)
            rows = connection.execute(sa.select(*dump.written(table)).where(there))
            yield [dict(one) for one in noted.mappings()], [dict(one) for one in rows.mappings()]
        self.copied[table.name] = last


def _keys(log: sa.Table) -> list[sa.Column[Any]]:
    return [one for one in log.columns if one.name != _NUMBER]


def _triggers(table: sa.Table) -> Iterator[tuple[str, str]]:
    names = [str(one.name) for one in table.primary_key.columns]
    into = f'INSERT INTO "{OURS}{table.name}" ({", ".join(map(_quoted, names))}) VALUES '  # noqa: S608

    def note(which: str) -> str:
        return f"{into} ({', '.join(f'{which}.{_quoted(name)}' for name in names)});"

    for what, notes in (
        ("INSERT", note("NEW")),
        ("DELETE", note("OLD")),
        ("UPDATE", note("OLD") + " " + note("NEW")),
    ):
        name = f"{OURS}{table.name}_{what.lower()}"
        yield name, f"AFTER {what} ON {_quoted(str(table.name))} BEGIN {notes} END"


def _quoted(name: str) -> str:
    return f'"{name}"'


def forget(connection: sa.Connection, but: Sequence[str] = ()) -> None:
    """What a move that was broken off has left in the SQLite file is gone."""
    master = (
        "SELECT type, name FROM sqlite_master WHERE type IN ('trigger', 'table') ORDER BY type DESC"
    )
    for kind, name in connection.exec_driver_sql(master).all():
        if str(name).startswith(OURS) and name not in but:
            connection.exec_driver_sql(f'DROP {kind} "{name}"')


# ---- the copy


async def _empty(target: AsyncConnection, stamp: str) -> None:
    """
    Raises:
        Conflict: the database has tables of somebody's, or is not one for this.
    """
    number = int((await target.exec_driver_sql("SHOW server_version_num")).scalar() or 0)
    if number < OLDEST:
        raise Conflict("The server is older than PostgreSQL 13.")
    encoding = (await target.exec_driver_sql("SHOW server_encoding")).scalar()
    if encoding != "UTF8":
        raise Conflict(f"The database has the encoding {encoding}; it has to be UTF8.")
    names = await target.run_sync(lambda one: set(sa.inspect(one).get_table_names()))
    if not names:
        return
    ours = _STAMP.name in names and stamp
    if not ours or (await target.execute(sa.select(_STAMP.c.stamp))).scalar() != stamp:
        raise Conflict("The database is not empty.")
    # Of a try that ended in the moment between the two commits; no process of the cloud has seen it.
    for name in sorted(names):
        await target.exec_driver_sql(f'DROP TABLE "{name}" CASCADE')


def _make_tables(connection: sa.Connection, stamp: str) -> None:
    """Tables without references: rows come in any order until all of them are there."""
    for table in dump.tables():
        connection.execute(sa.schema.CreateTable(table, include_foreign_key_constraints=[]))
        for index in table.indexes:
            connection.execute(sa.schema.CreateIndex(index))
    VERSION.create(connection)
    connection.execute(VERSION.insert().values(version_num=migrate.head()))
    _STAMP.create(connection)
    connection.execute(_STAMP.insert().values(stamp=stamp))


def _references(dialect: sa.Dialect) -> str:
    """What makes all references, as one text: it is said while writers wait."""
    made = [
        sa.schema.AddConstraint(one, isolate_from_table=False).compile(dialect=dialect)
        for table in dump.tables()
        for one in sorted(table.foreign_key_constraints, key=lambda one: str(one.name))
    ]
    return ";\n".join(str(one) for one in made)


async def _copy(source: sa.Connection, target: AsyncConnection, table: sa.Table) -> int:
    count = 0
    for rows in _chunks(source, table):
        await _put(target, table, rows)
        count += len(rows)
    return count


async def _put(target: AsyncConnection, table: sa.Table, rows: list[dict[str, Any]]) -> None:
    """
    Raises:
        Broken: the server cannot hold a row: SQLite takes texts of any length and numbers of any size in any column.
    """
    try:
        await target.execute(table.insert(), rows)
    except sa.exc.DBAPIError as error:
        if error.connection_invalidated:
            raise
        raise Broken(f"a row of {table.name} does not fit: {_words(error)}") from error


def _words(error: Exception) -> str:
    """What the server said, without the statement and its values."""
    said = str(getattr(error, "orig", None) or error)
    return said.partition(": ")[2] or said


def _chunks(source: sa.Connection, table: sa.Table) -> Iterator[list[dict[str, Any]]]:
    found = source.execution_options(yield_per=CHUNK).execute(sa.select(*dump.written(table)))
    for part in found.mappings().partitions():
        yield [dict(one) for one in part]


async def _apply(
    source: _Source, moment: sa.Connection, target: AsyncConnection, *, compare: bool
) -> int:
    """What was noted is copied too; returns how many keys it was."""
    count = 0
    for table in dump.tables():
        for keys, rows in source.changed(moment, table):
            names = [str(one.name) for one in table.primary_key.columns]
            which = [table.c[name] == sa.bindparam(f"key_{name}") for name in names]
            gone = [{f"key_{name}": one[name] for name in names} for one in keys]
            await target.execute(table.delete().where(*which), gone)
            if rows:
                await _put(target, table, rows)
            if compare:
                await _compare_some(target, table, rows, keys)
            count += len(keys)
    return count


# ---- the comparison


async def compare(source: sa.Connection, target: AsyncConnection) -> int:
    """Each row of one moment has its copy, and nothing else is there; returns how many there are.

    Raises:
        Broken
    """
    total = 0
    for table in dump.tables():
        count = 0
        for rows in _chunks(source, table):
            await _compare_some(target, table, rows, rows)
            count += len(rows)
        await _count(target, table, count)
        total += count
    return total


async def _compare_some(
    target: AsyncConnection,
    table: sa.Table,
    rows: Sequence[dict[str, Any]],
    keys: Sequence[dict[str, Any]],
) -> None:
    columns = [table.c[str(one.name)] for one in table.primary_key.columns]
    names = [str(one.name) for one in columns]
    requested = [tuple(one[name] for name in names) for one in keys]
    which = (
        sa.tuple_(*columns).in_(requested)
        if len(columns) > 1
        else columns[0].in_([one[0] for one in requested])
    )
    found = await target.execute(sa.select(*dump.written(table)).where(which))
    copies = {tuple(one[name] for name in names): dict(one) for one in found.mappings()}
    for row in rows:
        key = tuple(row[name] for name in names)
        if copies.pop(key, None) != row:
            raise Broken(f"a row of {table.name} is not what it was: {key}")
    if copies:
        raise Broken(f"{table.name} has a row too many: {next(iter(copies))}")


async def _count(target: AsyncConnection, table: sa.Table, count: int) -> None:
    there = (await target.execute(sa.select(sa.func.count()).select_from(table))).scalar()
    if there != count:
        raise Broken(f"{table.name} has {there} rows, and had {count}")


async def _count_all(source: sa.Connection, target: AsyncConnection) -> int:
    """The number of rows of each table, once more when nobody writes; in one statement."""
    counted = [
        sa.select(sa.func.count()).select_from(one).scalar_subquery() for one in dump.tables()
    ]
    here = source.execute(sa.select(*counted)).one()
    there = (await target.execute(sa.select(*counted))).one()
    for table, had, has in zip(dump.tables(), here, there, strict=True):
        if had != has:
            raise Broken(f"{table.name} has {has} rows, and had {had}")
    return sum(here)


# ---- the whole


async def move(path: Path, url: str, tell: Callable[[str], None] = lambda text: None) -> Moved:
    """Move all rows of the SQLite file at path to an empty PostgreSQL database, while others use them.

    Args:
        tell: is told what is done now.

    Raises:
        Conflict: the file is of another version, or the database does not fit.
        Broken: a row was not what it was.
        Unavailable: the server does not answer. In all cases nothing has moved.
    """
    source = _Source(path)
    engine = create_async_engine(
        server.DRIVER, poolclass=NullPool, connect_args=server.arguments(url)
    )
    try:
        with refusals():
            target = await engine.connect()
        try:
            return await _move(source, target, url, tell)
        finally:
            await target.close()
    except (sa.exc.SQLAlchemyError, OSError) as error:
        raise Unavailable("The rows could not be moved.", detail=_words(error)) from error
    finally:
        source.close()
        await engine.dispose()


async def _move(
    source: _Source, target: AsyncConnection, url: str, tell: Callable[[str], None]
) -> Moved:
    _check_version(source)
    await _empty(target, source.stamp())
    try:
        stamp = source.follow()
        await target.run_sync(_make_tables, stamp)
        with source.reading() as moment:
            source.all_copied(moment)
            for table in dump.tables():
                count = await _copy(moment, target, table)
                if count > CHUNK:
                    tell(f"{count} rows of {table.name}")
        changed = await _catch_up(source, target, tell)
        with source.reading() as moment:
            changed += await _apply(source, moment, target, compare=False)
            rows = await compare(moment, target)
        tell(f"{rows} rows compared")
        await failpoint("moving.compared")
        changed += await _catch_up(source, target, tell)
        return await _hand_over(source, target, url, changed)
    except BaseException:
        with suppress(
            sa.exc.SQLAlchemyError, OSError
        ):  # of a lost connection, the server undoes all
            await target.rollback()
        with source.writing() as connection:
            if not _is_marked(connection):
                # But for the stamp, by which the next try knows what this one may have written.
                forget(connection, but=(_STAMP.name,))
        raise


def _check_version(source: _Source) -> None:
    with source.reading() as connection:
        if dump.version_of(connection) != migrate.head():
            raise Conflict("The database is of another version; hanok db upgrade first.")
        if theirs := dump.unknown(connection):
            raise Conflict(
                f"The database has a table that is not one of this cloud's: {theirs[0]}."
            )


def _is_marked(connection: sa.Connection) -> bool:
    return connection.exec_driver_sql(moved.NUMBER).scalar() == moved.MOVED


async def _catch_up(source: _Source, target: AsyncConnection, tell: Callable[[str], None]) -> int:
    changed = 0
    for _ in range(ROUNDS):
        behind = source.behind()
        if behind <= LITTLE:
            break
        tell(f"{behind} changes")
        with source.reading() as moment:
            changed += await _apply(source, moment, target, compare=False)
    return changed


async def _hand_over(source: _Source, target: AsyncConnection, url: str, changed: int) -> Moved:
    references, given = _references(target.dialect), await target.run_sync(_given_by)
    raw = (await target.get_raw_connection()).driver_connection
    assert raw is not None
    with source.writing() as last:
        began = time.monotonic()
        changed += await _apply(source, last, target, compare=True)
        rows = await _count_all(last, target)
        await target.execute(_numbers_go_on(given, _sequences(last)))
        with refusals():
            await raw.execute(references)
        await target.commit()
        await failpoint("moving.before_mark")
        moved.mark(last, url)
    return Moved(rows=rows, changed=changed, paused_s=time.monotonic() - began)


def _sequences(source: sa.Connection) -> dict[str, int]:
    """The last number that SQLite gave out, of tables whose numbers are never given twice."""
    if not sa.inspect(source).has_table("sqlite_sequence"):
        return {}
    found = source.exec_driver_sql("SELECT name, seq FROM sqlite_sequence").all()
    return {str(name): int(number) for name, number in found}


def _given_by(target: sa.Connection) -> dict[str, tuple[str, str]]:
    """Of tables whose numbers the database gives: the column, and what counts there."""
    found = {}
    for table in dump.tables():
        for column in table.primary_key.columns:
            if isinstance(column.type.dialect_impl(target.dialect), sa.Integer):
                which = sa.func.pg_get_serial_sequence(str(table.name), str(column.name))
                if sequence := target.execute(sa.select(which)).scalar():
                    found[str(table.name)] = str(column.name), str(sequence)
    return found


def _numbers_go_on(given: dict[str, tuple[str, str]], last: dict[str, int]) -> sa.Select[Any]:
    """What sets all numbers behind the largest there is, or was (last); of none of these, nothing."""
    tables = {str(one.name): one for one in dump.tables()}
    said: list[Any] = []
    for name, (column, sequence) in given.items():
        largest = sa.select(sa.func.max(tables[name].c[column])).scalar_subquery()
        known = sa.cast(last.get(name) or None, sa.BigInteger)
        said.append(sa.func.setval(sequence, sa.func.greatest(largest, known)))
    return sa.select(*said)


async def finish(url: str) -> None:
    """The stamp of the move is no longer needed: the rows are in use.

    Raises:
        Unavailable: the server does not answer.
    """
    await dump.run(url, lambda connection: _STAMP.drop(connection, checkfirst=True))


def undo(path: Path) -> bool:
    """A move that was broken off has no effect any more; returns whether there was one.

    Its stamp stays, by which the next one knows what it may have left in PostgreSQL.

    Raises:
        Conflict: the rows have moved.
    """
    source = _Source(path)
    try:
        with source.reading() as connection:
            if _is_marked(connection):
                raise Conflict("The rows have moved.")
        if not moved.is_begun(path):
            return False
        with source.writing() as connection:
            if not _is_marked(connection):
                forget(connection, but=(_STAMP.name,))
        return True
    finally:
        source.close()


# ---- and back


async def back(path: Path, url: str) -> int:
    """All rows are in a new SQLite file at path, in place of what is there, and compared; nobody uses them meanwhile.

    Returns how many there are. What breaks leaves the rows where they are.

    Raises:
        Conflict: somebody uses the database, or it is of another version. Broken: a row was not what it was.
        Unavailable: the server does not answer, or the file cannot be written.
    """
    new = path.with_name(f"{path.name}.new")
    engine = create_async_engine(
        server.DRIVER,
        poolclass=NullPool,
        isolation_level="REPEATABLE READ",
        connect_args=server.arguments(url),
    )
    try:
        new.unlink(missing_ok=True)
        with refusals():
            source = await engine.connect()
        try:
            await _check_alone(source)
            rows = await _fill(new, source)
        finally:
            await source.close()
        _put_in_place(new, path)
    except (sa.exc.SQLAlchemyError, OSError) as error:
        raise Unavailable("The rows could not be moved.", detail=_words(error)) from error
    finally:
        new.unlink(missing_ok=True)
        await engine.dispose()
    return rows


_others = sa.text(
    "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() "
    "AND backend_type = 'client backend' AND pid <> pg_backend_pid()"
)


async def _check_alone(source: AsyncConnection) -> None:
    until = time.monotonic() + LEAVING_S
    while (await source.execute(_others)).scalar():
        if time.monotonic() > until:
            raise Conflict("The database is in use.")
        await source.rollback()  # within a transaction the answer stays the same
        await asyncio.sleep(0.1)
    if (await source.run_sync(dump.version_of)) != migrate.head():
        raise Conflict("The database is of another version; hanok db upgrade first.")
    if theirs := await source.run_sync(dump.unknown):
        raise Conflict(f"The database has a table that is not one of this cloud's: {theirs[0]}.")


async def _fill(new: Path, source: AsyncConnection) -> int:
    engine = sa.create_engine(f"sqlite:///{new}", isolation_level="AUTOCOMMIT")
    try:
        with engine.connect() as target:
            target.exec_driver_sql("PRAGMA synchronous = FULL")
            target.exec_driver_sql("BEGIN IMMEDIATE")
            dump.make_tables(target, migrate.head())
            for table in dump.tables():
                found = await source.stream(sa.select(*dump.written(table)))
                async for rows in found.mappings().partitions(CHUNK):
                    target.execute(table.insert(), [dict(one) for one in rows])
            for name, last in (await source.run_sync(_last_numbers)).items():
                target.exec_driver_sql("DELETE FROM sqlite_sequence WHERE name = ?", (name,))
                target.exec_driver_sql("INSERT INTO sqlite_sequence VALUES (?, ?)", (name, last))
            if broken := target.exec_driver_sql("PRAGMA foreign_key_check").first():
                raise Broken(f"a row of {broken[0]} refers to one that is not there")
            rows_there = await compare(target, source)
            target.exec_driver_sql("COMMIT")
            return rows_there
    finally:
        engine.dispose()


def _last_numbers(source: sa.Connection) -> dict[str, int]:
    """Of tables whose numbers are never given twice, the last one that was."""
    found = {}
    for table in dump.tables():
        if table.dialect_options["sqlite"]["autoincrement"]:
            name, column = str(table.name), next(iter(table.primary_key.columns)).name
            which = sa.select(sa.func.pg_get_serial_sequence(name, column))
            sequence = source.execute(which).scalar()
            last = sa.text(f"SELECT last_value FROM {sequence}")  # noqa: S608  # the server names it
            found[name] = int(source.execute(last).scalar() or 0)
    return found


def _put_in_place(new: Path, path: Path) -> None:
    """The log of the file that was there is none of the new one's: it goes first."""
    for one in (f"{path}-wal", f"{path}-shm", path):
        Path(one).unlink(missing_ok=True)
    owner = path.parent.stat()
    os.chown(new, owner.st_uid, owner.st_gid)
    put_in_place(new, path)
