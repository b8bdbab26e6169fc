"""Transactions over SQLite or PostgreSQL behind one awaitable face.

SQLite (WAL) runs inline on the event loop: a look-up is shorter than a hop to a thread and back. Because nothing
yields inside a statement, one reading and one writing connection serve the whole process; writers queue on a lock.
Another process that holds the file's write lock is waited for without blocking the loop, and who has waited for long
comes before all others (a lock on a file beside the database says so). PostgreSQL goes through asyncpg and a pool.

A transaction must not be held across an await that leaves the process (messages, OVSDB, HTTP): read, close, act, save.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import functools
import logging
import os
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import sqlalchemy as sa
from msgspec import Struct
from sqlalchemy import Connection, Dialect, Executable, Row, event
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError, InterfaceError, OperationalError
from sqlalchemy.pool import NullPool
from sqlalchemy.sql.dml import UpdateBase

from hanok.base.errors import BadInput, DatabaseAway, Raced, Unavailable
from hanok.base.pieces import Pieces
from hanok.store import moved, server
from hanok.store.inline import Inline, Parameters
from hanok.store.plans import Plans
from hanok.store.schema import metadata
from hanok.store.sizes import TOO_LARGE, is_too_large
from hanok.store.sqlstates import AWAY, RACED, UNFIT, why
from hanok.store.syncing import Log

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncEngine

    from hanok.store.direct import Direct

log = logging.getLogger(__name__)

BUSY_S = 30.0  # a writer in another process: longer than any transaction of ours
COMPILED = 1500  # statements that are kept compiled
PREPARED = 300  # statements that a connection to SQLite keeps prepared, of some kilobytes each
CONNECTIONS = 16  # of a process, for reading and for writing each
OPENING_S = 2.0  # a connection that is being opened while others are closed: longer than that, nobody answers
PATIENT_S = 0.02  # some transactions long: who waits longer than that is next
LOOK_S = 0.02  # between two looks of those who read at whether the rows have moved
SPARE = 4  # connections for answers of many rows that are kept
_master = sa.table("sqlite_master", sa.column("type"), sa.column("name"))
_IS_THERE = sa.select(_master.c.name).where(
    _master.c.type == "table", _master.c.name == sa.bindparam("of")
)


class Duplicate(Exception):
    """A row with these unique values exists already."""


def still_there(row: Row[Any] | None) -> Row[Any]:
    """A row that this transaction found before and changed since.

    Raises:
        Raced: another transaction removed it in between; what was written around it must not stay.
    """
    if row is None:
        raise Raced(detail="a row went while it was changed")
    return row


class Changes(Struct, frozen=True, kw_only=True):
    """Which changes of a table matter to whoever watches it. but: columns whose update alone does not."""

    insert: bool = False
    update: bool = False
    delete: bool = False
    but: frozenset[str] = frozenset()


class _Watch(Struct, frozen=True):
    tables: Mapping[sa.FromClause, Changes]
    call: Callable[[Transaction], Awaitable[None]]


def _matters(
    statement: Any, parameters: Parameters, tables: Mapping[sa.FromClause, Changes]
) -> bool:
    """Whether a statement that changes rows is one of those that are watched for."""
    changes = tables.get(statement.table)
    if changes is None:
        return False
    if statement.is_insert:
        return changes.insert
    if statement.is_delete:
        return changes.delete
    return changes.update and (
        not changes.but or not _written(statement, parameters) <= changes.but
    )


def _written(statement: Any, parameters: Parameters) -> set[str]:
    """The columns that an update writes, whether it has their values in itself or they come with it."""
    one = parameters if isinstance(parameters, Mapping) else next(iter(parameters or ()), {})
    inside = {getattr(column, "key", column) for column in statement._values or ()}
    return inside | (set(one) & set(statement.table.c.keys()))


class Transaction:
    """What statements run in. Leaving the block that gave it commits; an exception rolls back."""

    __slots__ = (
        "_after", "_direct", "_due", "_inline", "_long", "_watches", "dialect", "pieces",
    )  # fmt: skip

    def __init__(
        self,
        connection: Inline | Direct,
        dialect: str,
        *,
        long: Callable[[], AbstractContextManager[Inline]] | None = None,
        watches: Sequence[_Watch] = (),
    ) -> None:
        """
        Args:
            connection: to SQLite, or to PostgreSQL.
            long: gives a connection of its own to an answer of many rows, where this one is everybody's.
            watches: who wants to hear of changes.
        """
        self._inline = connection if isinstance(connection, Inline) else None
        self._direct = None if isinstance(connection, Inline) else connection
        self._watches = watches
        self._due: dict[int, _Watch] = {}
        self._after: list[Callable[[], None]] = []
        self._long = long
        self.dialect = dialect
        self.pieces: Pieces | None = (
            None  # of long work that this is a part of: it rests between statements
        )

    async def execute(self, statement: Executable, parameters: Parameters = None) -> None:
        """Run one statement for what it changes."""
        await self._run(statement, parameters)

    async def _run(
        self, statement: Executable, parameters: Parameters
    ) -> tuple[Sequence[Row[Any]], int]:
        """All rows of a statement, and how many it changed."""
        if self._direct is not None:
            rows, changed = await self._direct.run(statement, parameters)
        else:
            assert self._inline is not None
            rows, changed = self._inline.run(statement, parameters)
        if self._watches and isinstance(statement, UpdateBase) and changed:
            for watch in self._watches:
                if _matters(statement, parameters, watch.tables):
                    self._due[id(watch)] = watch
        return rows, changed

    async def all(
        self, statement: Executable, parameters: Mapping[str, Any] | None = None
    ) -> Sequence[Row[Any]]:
        """All rows; many of them are read in pieces, between which others get their turn."""
        if self.pieces is not None and self.pieces.enough:
            await self.pieces.rest()
        if not _looks(statement):
            return (await self._run(statement, parameters))[0]
        if self._direct is not None:
            return await self._direct.all(statement, parameters or {})
        assert self._inline is not None
        if self._long is None:
            return self._inline.run(statement, parameters)[0]
        # Not on the connection that is everybody's: while a statement is open, it shows everybody the rows of
        # that moment.
        with self._long() as inline:
            return await inline.all(statement, parameters or {})

    async def first(
        self, statement: Executable, parameters: Mapping[str, Any] | None = None
    ) -> Row[Any] | None:
        """The first row, or None."""
        if not _looks(statement):
            return next(iter((await self._run(statement, parameters))[0]), None)
        if self._direct is not None:
            return await self._direct.first(statement, parameters or {})
        assert self._inline is not None
        return self._inline.first(statement, parameters or {})

    async def scalar(
        self, statement: Executable, parameters: Mapping[str, Any] | None = None
    ) -> Any:
        """The first column of the first row, or None."""
        row = await self.first(statement, parameters)
        return None if row is None else row[0]

    async def scalars(
        self, statement: Executable, parameters: Mapping[str, Any] | None = None
    ) -> Sequence[Any]:
        """The first column of each row."""
        return [row[0] for row in await self.all(statement, parameters)]

    async def count(self, statement: Executable, parameters: Parameters = None) -> int:
        """How many rows a change touched."""
        return (await self._run(statement, parameters))[1]

    @asynccontextmanager
    async def savepoint(self) -> AsyncIterator[None]:
        """A part that is undone as a whole when an exception leaves it; the transaction itself goes on."""
        connection = self._direct or self._inline
        assert connection is not None
        async with connection.savepoint():
            yield

    async def insert(self, table: sa.Table, values: Parameters) -> None:
        """Insert one row or several.

        Raises:
            Duplicate: a unique value is taken. The transaction goes on as if the insert had not been tried.
        """
        if (
            self._direct is None
            or not isinstance(values, Mapping)
            or not Plans.takes(_insert(table))
        ):
            await self._unique(_insert(table), values)
        elif not await self.count(_insert_unless_there(table), values):
            raise Duplicate(f"a unique value of a row of {table.name} is taken")

    async def insert_missing(self, table: sa.Table, values: Mapping[str, Any]) -> bool:
        """Insert a row unless one with its unique values is there. Returns whether it was inserted."""
        try:
            await self.insert(table, values)
        except Duplicate:
            return False
        return True

    async def alter(self, statement: Executable, parameters: Parameters = None) -> None:
        """Change rows in a way that may touch unique values.

        Raises:
            Duplicate: a unique value is taken. The transaction goes on as if the change had not been tried.
        """
        await self._unique(statement, parameters)

    async def _unique(self, statement: Executable, parameters: Parameters) -> None:
        # SQLite takes back what one statement did, and no more.
        alone = self._inline is not None and isinstance(parameters, Mapping | None)
        try:
            async with contextlib.nullcontext() if alone else self.savepoint():
                await self.execute(statement, parameters)
        except IntegrityError as error:
            text = str(error.orig).lower()
            if "unique" in text or "duplicate" in text:
                raise Duplicate(text[:200]) from error
            raise

    async def serialize(self, *what: str) -> None:
        """Wait until no other transaction holds the same names; they are held until this one ends.

        SQLite has one writer at a time anyway. For quotas and the like, where rows are counted and then added.
        """
        if self.dialect == "postgresql":
            await self.first(_take_turns, {"name": "/".join(what)})

    async def take_turn(self, *requested: str) -> None:
        """Wait until no other transaction changes what has these ids: what is decided is decided on it as it is.

        Before it is looked at, and before names are serialized that others serialize while they hold it. A request
        does so for all ids of its path.
        """
        for one in sorted(requested):  # in one order, so that no two wait for each other
            await self.serialize("change", one)

    async def keep(self, requested: str) -> None:
        """Wait until no other transaction changes what has this id, and let none until this one ends.

        For what is only referred to: others may keep it, too.
        """
        if self.dialect == "postgresql":
            await self.first(_take_part, {"name": f"change/{requested}"})

    def after_commit(self, call: Callable[[], None]) -> None:
        """Call this once the transaction is durable; never when it is rolled back."""
        self._after.append(call)

    async def _before_commit(self) -> None:
        """Tell whoever watches what was changed, once, as a part of the same transaction."""
        for watch in self._due.values():
            await watch.call(self)

    def _committed(self) -> None:
        for call in self._after:
            call()


@functools.cache
def _insert(table: sa.Table) -> sa.Insert:
    """The one that is found again by itself."""
    return table.insert()


@functools.cache
def _insert_unless_there(table: sa.Table) -> sa.Insert:
    """PostgreSQL breaks off a whole transaction for a row that is there already; this way it only counts none."""
    from sqlalchemy.dialects import postgresql  # only here: a cloud on SQLite does without

    return postgresql.insert(table).on_conflict_do_nothing()


_take_turns = sa.select(
    sa.func.pg_advisory_xact_lock(sa.func.hashtextextended(sa.bindparam("name", type_=sa.Text), 0))
)


_take_part = sa.select(
    sa.func.pg_advisory_xact_lock_shared(
        sa.func.hashtextextended(sa.bindparam("name", type_=sa.Text), 0)
    )
)


def _looks(statement: Executable) -> bool:
    """Whether a statement only looks; of a plain text, nobody knows."""
    return isinstance(statement, sa.Select | sa.CompoundSelect)


@functools.cache
def _plans() -> Plans:
    """The plans for SQLite.

    Once a process and not once a database: a process of tests opens one database after another.
    """
    engine = sa.create_engine("sqlite://")
    with engine.connect():  # the dialect asks the library once what it can do
        return Plans(engine.dialect)


def plans_made() -> int:
    """How many statements for SQLite were planned in this process; a constant is planned once."""
    return _plans().made


_for_postgresql: list[Plans] = []


def _plans_for(dialect: Dialect) -> Plans:
    """The plans for PostgreSQL: once a process, too; made when the first connection has told what the server is."""
    if not _for_postgresql:
        _for_postgresql.append(Plans(dialect))
    return _for_postgresql[0]


def _sqlite(path: str, *, durable: bool) -> sa.Engine:
    """An engine for a file."""
    engine = sa.create_engine(
        f"sqlite:///{path}",
        poolclass=NullPool,
        connect_args={
            "cached_statements": PREPARED,
            "check_same_thread": False,
            "isolation_level": None,
            "timeout": 0,
        },
    )
    engine.dialect = _plans().dialect
    event.listen(engine, "connect", _pragmas(durable))
    return engine


class Database:
    """One database. `read()` for looking, `write()` for everything that changes something."""

    def __init__(self, url: str, *, durable: bool = True, connections: int = CONNECTIONS) -> None:
        """
        Args:
            url: sqlite:///absolute/path or postgresql://user:password@host/name (a socket directory as ?host=).
            durable: whether a commit waits for the disk. The simulated cloud and tests do without.
            connections: how many to a server, at most, for reading and for writing each.
        """
        self._connections = connections
        self.url = url
        self.dialect = "sqlite" if url.startswith("sqlite") else "postgresql"
        self._lock = asyncio.Lock()
        self._reader: Inline | None = None
        self._writer: Inline | None = None
        self._spare: list[Inline] = []
        self._engine: sa.Engine | None = None
        self._turn: BinaryIO | None = None
        self._log: Log | None = None
        self._path = ""
        self._async_engine: AsyncEngine | None = None
        self._watches: list[_Watch] = []
        self._look_at = 0.0
        self._following = asyncio.Lock()
        self._left: list[Inline] = []
        self._readers: _Connections
        self._writers: _Connections
        if self.dialect == "sqlite":
            path = self._path = url.removeprefix("sqlite:///")
            Path(path).parent.mkdir(parents=True, exist_ok=True)
            self._engine = _sqlite(path, durable=durable)
            self._log = Log(path) if durable else None
        else:
            self._to_server(url)

    def _to_server(self, url: str) -> None:
        # Imported where it is used: it brings the object mapper, a tenth of the time that a start takes.
        from sqlalchemy.ext.asyncio import create_async_engine

        self._async_engine = create_async_engine(
            server.DRIVER,
            poolclass=NullPool,
            isolation_level="AUTOCOMMIT",  # what begins and ends stands below
            query_cache_size=COMPILED,
            connect_args=server.arguments(url)
            | {
                "prepared_statement_cache_size": COMPILED,
                "statement_cache_size": COMPILED,
            },
        )
        self._readers = _Connections(self._async_engine, self._connections)
        self._writers = _Connections(self._async_engine, self._connections)

    async def open(self) -> None:
        """Connect.

        Raises:
            Unavailable: the file cannot be opened, is no database, or the server does not answer.
        """
        with _translated():
            if self._engine is not None:
                # Each statement of the reader stands alone: nothing is ever begun, so nothing needs an end.
                self._reader = Inline(self._engine, _plans())
                self._writer = Inline(self._engine, _plans())
                self._turn = beside(self._path)
                await self._look()
            elif self._async_engine is not None:
                async with self._readers.one():
                    pass

    async def close(self) -> None:
        """Disconnect; transactions under way are rolled back."""
        if self._log is not None:
            await self._log.close()
        for connection in (self._reader, self._writer, *self._spare, *self._left):
            if connection is not None:
                connection.close()
        self._reader = self._writer = None
        self._spare.clear()
        self._left.clear()
        if self._turn is not None:
            self._turn.close()
            self._turn = None
        if self._engine is not None:
            self._engine.dispose()
        if self._async_engine is not None:
            await self._readers.close()
            await self._writers.close()
            await self._async_engine.dispose()

    @asynccontextmanager
    async def read(self) -> AsyncIterator[Transaction]:
        """Look at committed rows. Each statement sees what is committed when it runs."""
        with _translated():
            if self._reader is not None and time.monotonic() >= self._look_at:
                await self._look()
            if self._reader is not None:
                yield Transaction(self._reader, self.dialect, long=self._long)
            else:
                assert self._async_engine is not None, "the database is not open"
                async with self._readers.one() as direct:
                    yield Transaction(direct, self.dialect)

    # ---- rows that have moved to PostgreSQL while this was open (hanok.store.moving)

    async def _look(self) -> None:
        """Go after the rows if they have moved. Readers look from time to time, writers each time."""
        self._look_at = time.monotonic() + LOOK_S
        if self._reader is not None and self._reader.number(moved.NUMBER) == moved.MOVED:
            await self._follow()

    async def _follow(self) -> None:
        """Use the server that has the rows now. Who reads in the file at this moment, reads on there.

        Raises:
            DatabaseAway: the server does not answer; the next one tries again.
        """
        async with self._following:
            if self._reader is None or self._writer is None:
                return
            # Others that read in this file have looked before the first row changes elsewhere.
            await asyncio.sleep(2 * LOOK_S)
            url = self._reader.text(moved.URL)
            self._to_server(url)
            async with self._readers.one():
                pass
            self._left += [self._reader, self._writer]
            self._reader = self._writer = None
            self.url, self.dialect = url, "postgresql"
            log.info("the rows have moved to PostgreSQL, and are used there")

    @property
    def _file(self) -> sa.Engine | None:
        """Of the file that has the rows; None: a server has them."""
        return self._engine if self.dialect == "sqlite" else None

    async def _begun(self) -> Inline | None:
        """A transaction in the file, begun, and the lock is held; None: a server has the rows."""
        while self._writer is not None:
            await self._lock.acquire()
            kept = False
            try:
                if (writer := self._writer) is None:
                    break
                await self._begin(writer.say)
                kept = not await self._moved_on(writer)
                if kept:
                    return writer
            finally:
                if not kept:
                    self._lock.release()
        return None

    async def _moved_on(self, writer: Inline) -> bool:
        """Whether the rows are elsewhere, where the next statement goes; a transaction in the file ends with that."""
        there = False
        try:
            there = writer.number(moved.NUMBER) != moved.MOVED
        finally:
            if not there:
                writer.say("ROLLBACK")
        if not there:
            await self._follow()
        return not there

    @contextlib.contextmanager
    def _long(self) -> Iterator[Inline]:
        """A reading connection that nobody else uses meanwhile; some are kept for the next who needs one."""
        assert self._engine is not None  # also of who began to read before the rows moved
        inline = self._spare.pop() if self._spare else Inline(self._engine, _plans())
        try:
            yield inline
        except BaseException:
            inline.close()
            raise
        if len(self._spare) < SPARE and self._reader is not None:
            self._spare.append(inline)
        else:
            inline.close()

    def watch(
        self,
        tables: Mapping[sa.FromClause, Changes],
        call: Callable[[Transaction], Awaitable[None]],
    ) -> None:
        """Call this at the end of each transaction that changed one of these tables so, as a part of it."""
        self._watches.append(_Watch(tables, call))

    @asynccontextmanager
    async def write(self) -> AsyncIterator[Transaction]:
        """Change rows: all of it or nothing, durable when the block is left.

        Raises:
            DatabaseAway: the database does not answer, is locked by another process, or the disk is full.
        """
        with _translated():
            if (writer := await self._begun()) is not None:
                try:
                    tx = Transaction(writer, self.dialect, watches=self._watches)
                    before = writer.changes
                    try:
                        yield tx
                        await tx._before_commit()
                        writer.say("COMMIT")
                    except BaseException:
                        if writer.in_transaction:
                            writer.say("ROLLBACK")
                        raise
                    changed = writer.changes != before
                finally:
                    self._lock.release()
                if self._log is not None and changed:
                    await self._durable(self._log, tx)
            else:
                assert self._async_engine is not None, "the database is not open"
                async with self._writers.one() as direct, direct.transaction():
                    tx = Transaction(direct, self.dialect, watches=self._watches)
                    yield tx
                    await tx._before_commit()
        tx._committed()

    async def _durable(self, log: Log, tx: Transaction) -> None:
        """What was committed is on the disk. Who is stopped meanwhile has committed all the same."""
        waiting = log.on_disk()
        try:
            await asyncio.shield(waiting)
        except asyncio.CancelledError:
            waiting.add_done_callback(lambda done: None if done.exception() else tx._committed())
            raise

    async def _begin(self, say: Callable[[str], object]) -> None:
        """Begin to write. A process that has waited for PATIENT_S holds the turn, and others let it go first."""
        assert self._turn is not None, "the database is not open"
        loop = asyncio.get_running_loop()
        began, wait_s, next_is_me = loop.time(), 0.001, False
        try:
            while True:
                late = loop.time() - began
                if not next_is_me and late > PATIENT_S:
                    next_is_me = _locked(self._turn, fcntl.LOCK_EX)
                if late > BUSY_S or next_is_me or self._nobody_is_next():
                    try:
                        say("BEGIN IMMEDIATE")
                        return
                    except OperationalError as error:
                        if "locked" not in str(error.orig) or late > BUSY_S:
                            raise
                await asyncio.sleep(wait_s)
                wait_s = min(wait_s * 1.5, 0.01)
        finally:
            if next_is_me:
                fcntl.flock(self._turn, fcntl.LOCK_UN)

    def _nobody_is_next(self) -> bool:
        assert self._turn is not None
        free = _locked(self._turn, fcntl.LOCK_SH)
        if free:
            fcntl.flock(self._turn, fcntl.LOCK_UN)
        return free

    async def create_tables(self) -> None:
        """Make all tables as they are in the code; for tests. Installations go through `migrations`."""
        with _translated():
            if self._file is not None:
                metadata.create_all(self._file)
            elif self._async_engine is not None:
                async with self._async_engine.begin() as connection:
                    await connection.run_sync(metadata.create_all)

    async def make_tables(self, tables: Sequence[sa.Table]) -> None:
        """Make those of these tables that are not there."""

        def make(connection: Connection) -> None:
            for table in tables:
                table.create(connection, checkfirst=True)

        await self.run_sync(make)

    async def has_table(self, table: sa.Table) -> bool:
        """Whether the database has this table yet."""
        if (
            self._file is not None
        ):  # a connection more would read all that the file says of its tables again
            async with self.read() as tx:
                return await tx.first(_IS_THERE, {"of": table.name}) is not None
        found: list[bool] = []
        await self.run_sync(
            lambda connection: found.append(sa.inspect(connection).has_table(table.name))
        )
        return found[0]

    async def run_sync(self, work: Callable[[Connection], None]) -> None:
        """Run work that wants a plain connection, in one transaction."""
        with _translated():
            await self._look()
            if self._file is not None:
                with self._file.connect() as connection:
                    await self._begin(connection.exec_driver_sql)
                    work(connection)
                    connection.exec_driver_sql("COMMIT")
                await self._written()
            elif self._async_engine is not None:
                async with self._async_engine.begin() as opened:
                    await opened.run_sync(work)

    async def rebuild(self, work: Callable[[Connection], None]) -> None:
        """Run work that may build tables anew (migrations), in one transaction.

        SQLite obeys foreign keys at once, also while a table is dropped to be replaced: its rows' children would be
        deleted, or the drop refused. So they are off meanwhile, and all of them are checked before the commit.

        Raises:
            Unavailable: a row would refer to one that is not there; nothing was changed.
        """
        if self._file is None:
            await self.run_sync(work)
            return
        with _translated(), self._file.connect() as connection:
            connection.exec_driver_sql(
                "PRAGMA foreign_keys=OFF"
            )  # has no effect inside a transaction
            connection.rollback()
            await self._begin(connection.exec_driver_sql)
            try:
                before = _broken_references(connection)
                work(connection)
                if broken := sorted(_broken_references(connection) - before):
                    raise Unavailable(
                        "The database was not changed: rows would refer to others that are not there.",
                        detail=", ".join(f"{child} to {parent}" for child, parent in broken),
                    )
                connection.exec_driver_sql("COMMIT")
            except BaseException:
                if _in_transaction(connection):
                    connection.exec_driver_sql("ROLLBACK")
                raise
            await self._written()

    async def _written(self) -> None:
        """What was committed by another connection than the writer's is on the disk."""
        if self._log is not None:
            await self._log.on_disk()


class _Connections:
    """Connections to PostgreSQL that stay open, with what they have prepared.

    A pool that cleans each connection when it comes back costs five times what a look-up does. Nothing is to be cleaned
    here: those for reading begin no transaction, those for writing end theirs before they come back.
    """

    def __init__(self, engine: AsyncEngine, maximum: int) -> None:
        self._engine = engine
        self._slots = asyncio.Semaphore(maximum)
        self._free: list[Direct] = []
        self._opening: set[asyncio.Task[Direct]] = set()  # what nobody waits for any more

    @asynccontextmanager
    async def one(self) -> AsyncIterator[Direct]:
        """A connection, which nobody else uses meanwhile.

        Raises:
            DatabaseAway: none comes free within BUSY_S.
        """
        try:
            async with asyncio.timeout(BUSY_S):
                await self._slots.acquire()
        except TimeoutError:
            raise DatabaseAway("The database is busy.") from None
        try:
            held = await self._kept() or await self._open()
            whole = False
            try:
                yield held
                whole = True
            except Exception:
                whole = held.usable
                raise
            finally:
                if whole:
                    self._free.append(held)
                else:  # it may be in the middle of a statement, or lost
                    await asyncio.shield(held.end())
        finally:
            self._slots.release()

    async def _kept(self) -> Direct | None:
        """One that was used before. Those that the server has closed meanwhile are nobody's trouble."""
        while self._free:
            held = self._free.pop()
            if held.usable:
                return held
            await asyncio.shield(held.end())
        return None

    async def _open(self) -> Direct:
        """A new one. Who goes while it is being opened leaves it to others, not half-open to the garbage collector."""
        opening = asyncio.ensure_future(self._made())
        try:
            return await asyncio.shield(opening)
        except asyncio.CancelledError:
            self._opening.add(opening)
            opening.add_done_callback(self._keep)
            raise

    def _keep(self, opening: asyncio.Task[Direct]) -> None:
        self._opening.discard(opening)
        if not opening.cancelled() and opening.exception() is None:
            self._free.append(opening.result())

    async def _made(self) -> Direct:
        from hanok.store.direct import (  # a cloud on SQLite has no use for the driver
            Direct,
            refusals,
        )

        with refusals():
            toolkit = await self._engine.connect()
            raw = await toolkit.get_raw_connection()
        server.notice_silence(getattr(raw.driver_connection, "_transport", None))
        return Direct(toolkit, raw.driver_connection, _plans_for(self._engine.dialect))

    async def close(self) -> None:
        if self._opening:
            await asyncio.wait(self._opening, timeout=OPENING_S)
        while self._free:
            await self._free.pop().end()


def _broken_references(connection: Connection) -> set[tuple[str, str]]:
    """Tables with rows that refer to a row that is not there, each with the table referred to."""
    return {(row[0], row[2]) for row in connection.exec_driver_sql("PRAGMA foreign_key_check")}


def beside(path: str) -> BinaryIO:
    """The file beside a database that says who is next. Made by root, it is the database's owner's all the same."""
    file = open(f"{path}-turn", "ab")
    if os.geteuid() == 0:
        owner = os.stat(path)
        os.fchown(file.fileno(), owner.st_uid, owner.st_gid)
    return file


def _locked(file: BinaryIO, how: int) -> bool:
    """Lock a file, unless that would mean to wait for another process."""
    try:
        fcntl.flock(file, how | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _in_transaction(connection: Connection) -> bool:
    return bool(getattr(connection.connection.dbapi_connection, "in_transaction", False))


def _pragmas(durable: bool) -> Callable[[Any, Any], None]:
    def set_pragmas(connection: Any, _record: Any) -> None:
        cursor = connection.cursor()
        cursor.execute("PRAGMA busy_timeout=5000")
        cursor.execute("PRAGMA journal_mode=WAL")
        # In "NORMAL", SQLite waits for the disk before it moves its log into the database; `Log` does after commits.
        cursor.execute(f"PRAGMA synchronous={'NORMAL' if durable else 'OFF'}")
        cursor.execute("PRAGMA foreign_keys=ON")
        cursor.execute("PRAGMA cache_size=-8000")
        cursor.execute("PRAGMA busy_timeout=0")
        cursor.close()

    return set_pragmas


def _is_unfit(error: BaseException | None) -> bool:
    """Whether a value was sent that this database cannot hold; the drivers say so in many ways."""
    if isinstance(error, OverflowError | UnicodeEncodeError | DataError):
        return True
    return isinstance(error, DBAPIError) and _state(error) in UNFIT


def _state(error: DBAPIError) -> str:
    """What the server calls the error (SQLSTATE); empty: it did not say, or there is none."""
    return getattr(error.orig, "sqlstate", "") or ""


class _translated:
    """Turns what a driver says into DatabaseAway, when it is not there, or BadInput, when a value is unfit."""

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if _is_unfit(error):
            raise BadInput(
                "Invalid input: a value is out of range or holds a character that no text may."
            ) from error
        if isinstance(error, DBAPIError):
            if is_too_large(error.orig):
                raise BadInput(TOO_LARGE) from error
            if _state(error) in RACED:
                raise Raced(detail=str(error)) from error
        if isinstance(error, OperationalError | InterfaceError) or (
            isinstance(error, DBAPIError)
            and (error.connection_invalidated or _state(error).startswith(AWAY))
        ):
            raise DatabaseAway(why(str(error.orig)), detail=str(error)) from error
        if isinstance(error, OSError) and not isinstance(error, TimeoutError):
            raise DatabaseAway("The database does not answer.", detail=str(error)) from error
        # A constraint is told with the names of its columns, which may be of disks.
        if isinstance(error, DBAPIError) and not isinstance(error, IntegrityError):
            text = str(error.orig).lower()
            if "lock timeout" in text or "disk" in text:
                raise DatabaseAway(why(text), detail=str(error)) from error
            if "not a database" in text or "malformed" in text:
                raise DatabaseAway(why(text), detail=str(error)) from error
