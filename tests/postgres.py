"""A PostgreSQL server for the tests: Debian's programs, in a folder of its own, on a socket only."""

from __future__ import annotations

import asyncio
import io
import itertools
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections import Counter, defaultdict, deque
from collections.abc import AsyncIterator, Coroutine, Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import asyncpg

from hanok.store import Database, migrate
from hanok.store.new_migration import import_all_tables

# Copies of databases cost a tenth in memory of what they cost on some disks; few are there at once, of some 10 MB.
MEMORY, ENOUGH = Path("/dev/shm"), 2 << 30
EMPTY, TABLES, ROWS = "template0", "tables", "rows"  # what new databases are copies of
USES = 50  # what the catalogue keeps of rows that were taken away makes it slower in the end

# To set a database back costs a third of making a copy, for which the server writes all that it has, twice.
# What a test may leave otherwise is in the shape: a database of another one is not set back.
SHAPE = """
SELECT (SELECT array_agg(oid ORDER BY oid) FROM pg_class WHERE oid >= 16384 AND relkind <> 't'),
    (SELECT (count(*), max(xmin::text::bigint))::text FROM pg_attribute),
    (SELECT (count(*), max(xmin::text::bigint))::text FROM pg_constraint),
    (SELECT (count(*), max(xmin::text::bigint))::text FROM pg_index),
    (SELECT (count(*), max(xmin::text::bigint))::text FROM pg_trigger),
    (SELECT count(*) FROM pg_proc), (SELECT count(*) FROM pg_type), (SELECT count(*) FROM pg_namespace),
    (SELECT count(*) FROM pg_statistic),
    (SELECT count(*) FROM pg_db_role_setting s JOIN pg_database d ON d.oid = s.setdatabase
        WHERE d.datname = current_database())
"""
FILLED = """
SELECT relname::text FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace
    AND pg_relation_size(oid) > 0 ORDER BY oid
"""
SEQUENCES = "SELECT sequencename::text, last_value FROM pg_sequences WHERE last_value IS NOT NULL"
OTHERS = """
SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid()
"""
ALONE = "SET session_replication_role = replica; SET client_min_messages = error"
T = TypeVar("T")


class OtherShape(Exception):
    """A database cannot be set back."""


# Those that have the first rows of a cloud and were not used yet, with the folder of that cloud's key.
untouched: dict[str, tuple[Server, Path]] = {}
_numbers = itertools.count(1)


async def _make_tables(url: str) -> None:
    import_all_tables()
    database = Database(url, durable=False)
    await database.open()
    await migrate.ensure(database)
    await database.close()


async def _make_rows(url: str, folder: Path) -> None:
    from tests.cloud import first_rows  # which asks here what was used

    await first_rows(folder, url)


def programs() -> Path | None:
    """The folder of the server's programs, newest version; None where it is not installed."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda p: int(p.parts[-3]))
    return found[-1].parent if found else None


@dataclass(frozen=True)
class Content:
    """What a database that others are copies of has.

    shape: see SHAPE. rows: of each table that has some, as COPY writes them. marks: where its rows are and which
    transactions wrote them, which is so in copies, too. sequences: what those gave last that gave something.
    """

    shape: tuple[object, ...]
    rows: Mapping[str, bytes]
    marks: Mapping[str, str]
    sequences: Mapping[str, int]


class Server:
    """A running server."""

    def __init__(self, folder: Path, bin_dir: Path, user: str | None) -> None:
        self.folder = folder
        self._bin = bin_dir
        self._user = user
        self._beside = ThreadPoolExecutor(1)  # what is done while tests go on
        self._runner = asyncio.Runner()  # of that thread
        self._contents: dict[str, Content] = {}
        self._next: dict[str, deque[Future[str]]] = defaultdict(deque)
        self._copies: dict[str, str] = {}  # of what each database is one
        self._uses: Counter[str] = Counter()

    def run(self, program: str, *args: str) -> None:
        subprocess.run(
            [str(self._bin / program), *args],
            check=True,
            user=self._user,
            group=self._user,
            extra_groups=[] if self._user else None,
            cwd=self.folder,
            capture_output=True,
            timeout=60,
        )

    def is_ready(self) -> bool:
        """Whether it takes statements; its socket is there earlier."""
        try:
            self.run("pg_isready", "-h", str(self.folder))
        except subprocess.CalledProcessError:
            return False
        return True

    def new_database(self, template: str = TABLES) -> str:
        """The address of a new database: with nothing in it, with the tables of this version, or with first rows too.

        What has tables is made once, and the others are copies of it, or copies that were used and are set back.
        """
        if template == EMPTY:
            return self._do(self._copy(EMPTY, f"t{next(_numbers)}")).result()
        if template not in self._contents:
            self._make(template)
        if not self._next[template]:
            self._prepare(template)
        url = self._next[template].popleft().result()
        if template == ROWS:
            untouched[url] = self, self.folder / ROWS / "control"
        return url

    def _do(self, work: Coroutine[Any, Any, T]) -> Future[T]:
        return self._beside.submit(self._runner.run, work)

    def _make(self, template: str) -> None:
        """What others will be copies of; those with rows can be set back to those without."""
        rows = template == ROWS
        if rows and TABLES not in self._contents:
            self._make(TABLES)
        made = self._do(self._copy(TABLES if rows else EMPTY, template)).result()
        self._do(_make_rows(made, self.folder / ROWS) if rows else _make_tables(made)).result()
        self._contents[template] = self._do(self._look(template)).result()

    def _prepare(self, template: str) -> None:
        self._next[template].append(self._do(self._copy(template, f"t{next(_numbers)}")))

    def take_rows(self, url: str) -> None:
        """Of a database that is not used leave its tables alone."""
        self._do(self._set_back(_name(url), self._contents[TABLES])).result()

    async def _copy(self, template: str, name: str) -> str:
        async with self._connected("postgres") as connection:
            await connection.execute(
                f'CREATE DATABASE "{name}" TEMPLATE "{template}" STRATEGY file_copy'
            )
        self._copies[name] = template
        return f"postgresql://hanok@/{name}?host={self.folder}"

    def drop(self, url: str) -> None:
        """A database is used no more: some time soon it is set back for the next who needs one, or removed."""
        untouched.pop(url, None)
        name = _name(url)
        self._uses[name] += 1
        template = self._copies[name]
        if template == EMPTY or self._uses[name] == USES:
            self._do(self._drop(name))
        else:
            self._next[template].append(self._do(self._again(url, template)))

    async def _again(self, url: str, template: str) -> str:
        """A database as it was: this one, or a new one in its place where a test changed more than rows."""
        name = _name(url)
        try:
            await self._set_back(name, self._contents[template])
        except (OtherShape, asyncpg.PostgresError):
            await self._drop(name)
            return await self._copy(template, f"t{next(_numbers)}")
        return url

    async def _drop(self, name: str) -> None:
        async with self._connected("postgres") as connection:
            await connection.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')

    @asynccontextmanager
    async def _connected(self, name: str) -> AsyncIterator[asyncpg.Connection]:
        connection = await asyncpg.connect(host=str(self.folder), user="hanok", database=name)
        try:
            yield connection
        finally:
            await connection.close()

    async def _look(self, name: str) -> Content:
        """What a database has."""
        async with self._connected(name) as connection:
            rows = dict[str, bytes]()
            for table in [one[0] for one in await connection.fetch(FILLED)]:
                file = io.BytesIO()
                await connection.copy_from_table(table, output=file, format="binary")
                rows[table] = file.getvalue()
            marks = dict(await connection.fetch(_marks(rows)))
            sequences = dict(await connection.fetch(SEQUENCES))
            return Content(tuple(await connection.fetchrow(SHAPE)), rows, marks, sequences)

    async def _set_back(self, name: str, content: Content) -> None:
        """Have a database hold what one that it is a copy of did, to the place of each row.

        Raises:
            OtherShape: its tables are not what they were, or somebody does not let go of it.
        """
        async with self._connected(name) as connection:
            if not all([one[0] for one in await connection.fetch(OTHERS)]):
                raise OtherShape
            if tuple(await connection.fetchrow(SHAPE)) != content.shape:
                raise OtherShape
            await connection.execute(ALONE)
            async with connection.transaction():
                await _set_rows_back(connection, content)
            for sequence, value in await connection.fetch(SEQUENCES):
                if content.sequences.get(sequence) != value:
                    await _set_sequence(connection, sequence, content.sequences.get(sequence))

    def settle(self) -> None:
        """Wait for what is done beside."""
        self._beside.submit(self._runner.close)
        self._beside.shutdown()


async def _set_rows_back(connection: asyncpg.Connection, content: Content) -> None:
    """Tables whose rows were touched begin anew: one where some were taken away would put others in their places."""
    same = content.marks.items() & dict(await connection.fetch(_marks(content.rows))).items()
    untouched = {table for table, _ in same}
    filled = {one[0] for one in await connection.fetch(FILLED)}
    if changed := sorted(filled - untouched):
        names = ", ".join(f'"{one}"' for one in changed)
        await connection.execute(f"TRUNCATE {names} CASCADE")  # which empties others, too
        filled = {one[0] for one in await connection.fetch(FILLED)}
    for table in [one for one in content.rows if one not in filled]:
        file = io.BytesIO(content.rows[table])
        await connection.copy_to_table(table, source=file, format="binary")


def _marks(tables: Iterable[str]) -> str:
    return " UNION ALL ".join(
        f"SELECT '{one}', array_agg((ctid, xmin) ORDER BY ctid)::text FROM \"{one}\""
        for one in tables
    )


async def _set_sequence(connection: asyncpg.Connection, name: str, value: int | None) -> None:
    """value: that it gave last; None: it has not given one yet."""
    if value is None:
        await connection.execute(f'ALTER SEQUENCE "{name}" RESTART')
    else:
        await connection.fetchval("SELECT setval($1::text::regclass, $2)", f'"{name}"', value)


@contextmanager
def server() -> Iterator[Server]:
    """A server for the time of a with block."""
    bin_dir = programs()
    assert bin_dir is not None, "PostgreSQL's server programs are not installed"
    folder = Path(tempfile.mkdtemp(prefix="hanok-pg-", dir=_memory()))
    user = None
    if os.geteuid() == 0:  # the server refuses to run as root
        user = "postgres" if _known("postgres") else "nobody"
        shutil.chown(folder, user)
    made = Server(folder, bin_dir, user)
    made.run(
        "initdb",
        "-D",
        str(folder / "data"),
        "-U",
        "hanok",
        "-A",
        "trust",
        "-N",
        "--no-locale",
        "-E",
        "UTF8",
    )
    process = subprocess.Popen(
        [
            str(bin_dir / "postgres"),
            "-D",
            str(folder / "data"),
            "-k",
            str(folder),
            "-c",
            "listen_addresses=",
            "-c",
            "fsync=off",
            "-c",
            "full_page_writes=off",
            "-c",
            "autovacuum=off",
            "-c",
            "wal_level=minimal",
            "-c",
            "max_wal_senders=0",
            "-c",
            "max_connections=200",
        ],
        user=user,
        group=user,
        extra_groups=[] if user else None,
        cwd=folder,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        for _ in range(200):
            if made.is_ready():
                break
            time.sleep(0.05)
        yield made
    finally:
        made.settle()
        process.send_signal(signal.SIGINT)
        process.wait(timeout=30)
        shutil.rmtree(folder, ignore_errors=True)


def _memory() -> Path | None:
    """Where databases are in memory; None: where there is not enough of it."""
    if not MEMORY.is_dir() or shutil.disk_usage(MEMORY).free < ENOUGH:
        return None
    return MEMORY


def _name(url: str) -> str:
    return url.split("/")[3].partition("?")[0]


def _known(name: str) -> bool:
    try:
        pwd.getpwnam(name)
    except KeyError:
        return False
    return True
