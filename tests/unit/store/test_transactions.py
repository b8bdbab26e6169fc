"""Transactions: all or nothing, one writer at a time, hooks only after the commit."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from hanok.base.errors import BadInput, DatabaseAway, Raced
from hanok.store import Database, Duplicate, metadata
from hanok.store.database import BUSY_S

pytestmark = pytest.mark.no_tables

counters = sa.Table(
    "test_counters",
    metadata,
    sa.Column("name", sa.String(20), primary_key=True),
    sa.Column("value", sa.Integer, nullable=False),
    info={"test": True},
)
metadata.remove(counters)  # only these tests make it


@pytest.fixture
async def database(tmp_path: Path, database_url: str) -> AsyncIterator[Database]:
    made = Database(database_url or f"sqlite:///{tmp_path}/db", durable=False)
    await made.open()
    await made.run_sync(lambda connection: counters.create(connection))
    async with made.write() as tx:
        await tx.insert(counters, {"name": "a", "value": 0})
    yield made
    await made.close()


async def value(database: Database) -> int:
    async with database.read() as tx:
        return int(await tx.scalar(sa.select(counters.c.value).where(counters.c.name == "a")))


async def test_an_exception_rolls_everything_back_and_calls_no_hook(database: Database) -> None:
    called: list[int] = []
    with pytest.raises(RuntimeError):
        async with database.write() as tx:
            await tx.execute(counters.update().values(value=5))
            tx.after_commit(lambda: called.append(1))
            raise RuntimeError
    assert await value(database) == 0 and called == []


async def test_a_value_that_cannot_be_kept_is_bad_input(database: Database) -> None:
    unfit: list[dict[str, object]] = [{"name": "n", "value": 2**63}, {"name": "\ud800", "value": 1}]
    if database.dialect == "postgresql":  # SQLite keeps the character NUL
        unfit.append({"name": "a\0b", "value": 1})
        unfit.append({"name": "n" * 21, "value": 1})
    for row in unfit:
        with pytest.raises(BadInput):
            async with database.write() as tx:
                await tx.execute(counters.update().values(value=5))
                await tx.insert(counters, row)
    assert await value(database) == 0


async def test_a_statement_that_is_too_large_is_bad_input(database: Database) -> None:
    """Not "the database does not answer": clients would send the same again."""
    if database.dialect == "postgresql":
        many: sa.ColumnElement[bool] = counters.c.name.in_([str(one) for one in range(40_000)])
    else:
        many = sa.or_(*(counters.c.name == str(one) for one in range(1_500)))
    for statement in (sa.select(counters).where(many), counters.delete().where(many)):
        with pytest.raises(BadInput, match="more at once than the database takes"):
            async with database.write() as tx:
                await tx.execute(statement)
    with pytest.raises(BadInput, match="more at once than the database takes"):
        async with database.read() as tx:
            await tx.all(sa.select(counters).where(many))
    assert await value(database) == 0


async def test_a_duplicate_leaves_the_transaction_usable(database: Database) -> None:
    async with database.write() as tx:
        with pytest.raises(Duplicate):
            await tx.insert(counters, {"name": "a", "value": 1})
        await tx.insert(counters, {"name": "b", "value": 1})
    async with database.read() as tx:
        assert list(await tx.scalars(sa.select(counters.c.name).order_by(counters.c.name))) == [
            "a",
            "b",
        ]


@pytest.mark.parametrize("many", [3, 200])
async def test_a_change_with_many_lists_changes_all_of_them(database: Database, many: int) -> None:
    """Lists of any length, also several of one length."""
    names = [f"n{number}" for number in range(many * 3 + 1)]
    change = counters.update().where(counters.c.name.in_(sa.bindparam("names", expanding=True)))
    sets: list[dict[str, object]] = [
        {"names": names[:many], "to": 1},
        {"names": names[many : 2 * many], "to": 2},
        {"names": names[2 * many : -1], "to": 3},
        {"names": names[-1:], "to": 4},
        {"names": [], "to": 5},
    ]
    async with database.write() as tx:
        await tx.insert(counters, [{"name": name, "value": 0} for name in names])
        await tx.execute(change.values(value=sa.bindparam("to")), sets)
    async with database.read() as tx:
        found = await tx.all(sa.select(counters.c.value, sa.func.count()).group_by(sa.text("1")))
    assert {tuple(row) for row in found} == {(0, 1), (1, many), (2, many), (3, many), (4, 1)}


async def test_a_commit_that_keeps_nothing_is_told(database: Database) -> None:
    """An error that somebody swallowed: PostgreSQL answers COMMIT with ROLLBACK, and no error."""
    called: list[int] = []
    expected = (
        pytest.raises(Raced) if database.dialect == "postgresql" else contextlib.nullcontext()
    )
    with expected:
        async with database.write() as tx:
            tx.after_commit(lambda: called.append(1))
            await tx.execute(counters.update().values(value=5))
            with contextlib.suppress(sa.exc.IntegrityError):
                await tx.execute(counters.insert(), {"name": "a", "value": 1})
    kept = await value(database) == 5
    assert kept == bool(called) == (database.dialect == "sqlite")


disks = sa.Table(
    "test_disks",
    metadata,
    sa.Column("name", sa.String(20), primary_key=True),
    sa.Column("disk_gib", sa.Integer, nullable=False),
    info={"test": True},
)
metadata.remove(disks)


async def test_a_broken_rule_of_a_table_of_disks_is_no_disk_that_is_full(
    database: Database,
) -> None:
    """Operations wait for a database that is away; for this they would wait forever."""
    await database.make_tables([disks])
    with pytest.raises(sa.exc.IntegrityError):
        async with database.write() as tx:
            await tx.execute(disks.insert(), {"name": "a", "disk_gib": None})
    row = {"name": "a", "disk_gib": 1}
    with pytest.raises(sa.exc.IntegrityError if database.dialect == "sqlite" else Raced):
        async with database.write() as tx:
            await tx.execute(disks.insert(), row)
            await tx.execute(disks.insert(), row)


async def test_writers_that_yield_inside_do_not_lose_updates(database: Database) -> None:
    async def add() -> None:
        async with database.write() as tx:
            await tx.serialize("counter")
            before = await tx.scalar(sa.select(counters.c.value).where(counters.c.name == "a"))
            await asyncio.sleep(0)
            await tx.execute(
                counters.update().where(counters.c.name == "a").values(value=before + 1)
            )

    await asyncio.gather(*(add() for _ in range(20)))
    assert await value(database) == 20


async def test_a_writer_of_another_connection_is_waited_for(tmp_path: Path) -> None:
    one = Database(f"sqlite:///{tmp_path}/db", durable=False)
    two = Database(f"sqlite:///{tmp_path}/db", durable=False)
    await one.open()
    await two.open()
    await one.run_sync(lambda connection: counters.create(connection))

    async def hold() -> None:
        async with one.write() as tx:
            await tx.insert(counters, {"name": "a", "value": 1})
            await asyncio.sleep(0.1)

    async def wait() -> None:
        await asyncio.sleep(0.02)
        async with two.write() as tx:
            await tx.execute(counters.update().values(value=counters.c.value + 1))

    await asyncio.gather(hold(), wait())
    assert await value(one) == 2
    await one.close()
    await two.close()


HAMMER = """
import asyncio, sys
import sqlalchemy as sa
from hanok.store import Database

async def main() -> None:
    database = Database(sys.argv[1], durable=False)
    await database.open()
    async def add() -> None:
        for _ in range(100):
            async with database.write() as tx:
                await tx.execute(sa.text("UPDATE test_counters SET value = value + 1"))
                await asyncio.sleep(0)
    await asyncio.gather(*(add() for _ in range(10)))
    await database.close()

asyncio.run(main())
"""


async def test_writers_of_several_processes_lose_nothing_and_none_is_refused(
    tmp_path: Path,
) -> None:
    url = f"sqlite:///{tmp_path}/db"
    database = Database(url, durable=False)
    await database.open()
    await database.run_sync(lambda connection: counters.create(connection))
    async with database.write() as tx:
        await tx.insert(counters, {"name": "a", "value": 0})
    started = [
        await asyncio.create_subprocess_exec(
            sys.executable,
            "-c",
            HAMMER,
            url,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        )
        for _ in range(3)
    ]
    for process in started:
        assert await process.wait() == 0
    assert await value(database) == 3000
    await database.close()


async def test_who_has_waited_comes_before_one_who_never_stops(tmp_path: Path) -> None:
    """Between two of its transactions the busy one leaves no more than a moment."""
    busy = Database(f"sqlite:///{tmp_path}/db", durable=False)
    late = Database(f"sqlite:///{tmp_path}/db", durable=False)
    await busy.open()
    await late.open()
    await busy.run_sync(lambda connection: counters.create(connection))
    written = asyncio.Event()

    async def never_stop() -> None:
        while not written.is_set():
            async with busy.write():
                await asyncio.sleep(0.03)

    async def once() -> None:
        await asyncio.sleep(0.01)
        async with late.write() as tx:
            await tx.insert(counters, {"name": "a", "value": 1})
        written.set()

    async with asyncio.timeout(BUSY_S / 2):
        await asyncio.gather(never_stop(), never_stop(), once())
    assert await value(busy) == 1
    await busy.close()
    await late.close()


async def test_tables_are_made_while_another_process_writes(tmp_path: Path) -> None:
    one = Database(f"sqlite:///{tmp_path}/db", durable=False)
    two = Database(f"sqlite:///{tmp_path}/db", durable=False)
    await one.open()
    await two.open()

    async def hold() -> None:
        async with one.write():
            await asyncio.sleep(0.05)

    await asyncio.gather(hold(), two.run_sync(lambda connection: counters.create(connection)))
    async with one.write() as tx:
        await tx.insert(counters, {"name": "a", "value": 7})
    assert await value(two) == 7
    await one.close()
    await two.close()


async def test_many_rows_are_read_whole_while_others_get_their_turn(database: Database) -> None:
    """A long answer is one moment's, also when somebody writes meanwhile, and readers see what was written."""
    rows = [{"name": f"n{number:05}", "value": number} for number in range(20_000)]
    async with database.write() as tx:
        await tx.insert(counters, rows)
    turns, written, seen = 0, 0, 0
    reading = True

    async def write() -> None:
        nonlocal written, seen
        while reading:
            async with database.write() as tx:
                await tx.execute(counters.update().values(value=counters.c.value + 1))
            written += 1
            seen += await value(database) == written
            await asyncio.sleep(0)

    async def count() -> None:
        nonlocal turns
        while reading:
            turns += 1
            await asyncio.sleep(0)

    async with asyncio.TaskGroup() as group:
        group.create_task(write())
        group.create_task(count())
        await asyncio.sleep(0)
        async with database.read() as tx:
            statement = sa.select(counters).where(counters.c.name != "a").order_by(counters.c.name)
            found = await tx.all(statement)
            names = await tx.scalars(sa.select(counters.c.name).order_by(counters.c.name))
        reading = False
    assert [row.name for row in found] == [row["name"] for row in rows]
    assert len({row.value - number for number, row in enumerate(found)}) == 1
    assert len(names) == len(rows) + 1
    assert turns > 20 and seen == written


_others = sa.text(
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
    "WHERE datname = current_database() AND pid != pg_backend_pid()"
)


on_a_server = pytest.mark.parametrize(
    "database_url", [pytest.param("postgresql", marks=pytest.mark.postgres)], indirect=True
)


@on_a_server
@pytest.mark.parametrize("place", ["before", "within", "at the commit", "while rolled back"])
async def test_a_server_that_breaks_off_is_away_and_the_next_is_served(
    database: Database, place: str
) -> None:
    """As when PostgreSQL is started anew: its connections go, those that wait and those in use."""

    async def break_off() -> None:
        other = Database(database.url, durable=False)
        await other.open()
        async with other.write() as tx:
            await tx.execute(_others)
        await other.close()
        await asyncio.sleep(0.1)  # until the driver has heard of it

    await value(database)
    if place == "before":
        await break_off()
    else:
        with pytest.raises(RuntimeError if place == "while rolled back" else DatabaseAway):
            async with database.write() as tx:
                await tx.execute(counters.update().values(value=7))
                await break_off()
                if place == "while rolled back":
                    raise RuntimeError
                if place == "within":
                    await tx.execute(counters.update().values(value=8))
    for number in range(3):
        assert await value(database) == number
        async with database.write() as tx:
            await tx.execute(counters.update().values(value=number + 1))


@on_a_server
async def test_a_server_that_takes_no_connections_is_away(database: Database) -> None:
    """It says so by an error of its own: while it starts, or when it has as many as it may."""
    async with database.write() as tx:
        await tx.execute(sa.text("DROP ROLE IF EXISTS nobody_more"))
        await tx.execute(sa.text("CREATE ROLE nobody_more LOGIN CONNECTION LIMIT 0"))
    assert "hanok@" in database.url
    guest = Database(database.url.replace("hanok@", "nobody_more@"), durable=False)
    with pytest.raises(DatabaseAway):
        await guest.open()
        async with guest.write() as tx:
            await tx.execute(sa.text("SELECT 1"))


@on_a_server
@pytest.mark.parametrize(
    "limit",
    ["SET TRANSACTION READ ONLY", "SET LOCAL idle_in_transaction_session_timeout = '1ms'"],
)
async def test_a_server_that_takes_no_changes_is_away(database: Database, limit: str) -> None:
    """Another one takes over: the old one only reads meanwhile. Or a transaction rested for longer than it may."""
    with pytest.raises(DatabaseAway):
        async with database.write() as tx:
            await tx.execute(sa.text(limit))
            while True:
                await asyncio.sleep(0.01)
                await tx.execute(counters.update().values(value=7))
    assert await value(database) == 0


@on_a_server
async def test_an_account_that_is_not_let_in_any_more_is_away(database: Database) -> None:
    guest = Database(database.url.replace("hanok@", "not_there@"), durable=False)
    with pytest.raises(DatabaseAway):
        await guest.open()
    gone = Database(database.url.replace("?host=", "_not_there?host="), durable=False)
    with pytest.raises(DatabaseAway):
        await gone.open()


@on_a_server
async def test_a_table_that_an_upgrade_changes_is_no_error(database: Database) -> None:
    """Another process makes a column wider: what is prepared here no longer holds, and is prepared anew."""
    change = counters.update().values(value=counters.c.value + 1).returning(counters.c.value)

    async def add() -> None:
        async with database.write() as tx:
            await tx.execute(change)

    await add()
    other = Database(database.url, durable=False)
    await other.open()
    async with other.write() as tx:
        await tx.execute(sa.text("ALTER TABLE test_counters ALTER COLUMN value TYPE bigint"))
    await other.close()
    with pytest.raises(Raced):
        await add()
    await add()
    assert await value(database) == 2


@on_a_server
async def test_who_goes_at_any_moment_leaves_nothing_half_done(database: Database) -> None:
    """A request whose client goes is cancelled wherever it is, sometimes twice."""
    at_work = sa.text(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() "
        "AND pid != pg_backend_pid() AND state != 'idle'"
    )
    kept: set[str] = set()

    async def work(number: int) -> None:
        async with database.write() as tx:
            await tx.insert(counters, {"name": f"a{number}", "value": 1})
            with contextlib.suppress(KeyError):
                async with tx.savepoint():
                    await tx.insert(counters, {"name": f"within{number}", "value": 1})
                    with contextlib.suppress(Duplicate):
                        await tx.insert(counters, [{"name": "a", "value": 1}])
                    raise KeyError
            await tx.insert(counters, {"name": f"b{number}", "value": 1})
        kept.add(f"a{number}")

    turns = 0
    for number in range(0, 600, 4):
        tasks = [asyncio.ensure_future(work(number + one)) for one in range(4)]
        for task in tasks:
            for _ in range(turns % 40):  # each time some turns of the loop later
                await asyncio.sleep(0)
            task.cancel()
            if turns % 3 == 0:
                await asyncio.sleep(0)
                task.cancel()
            turns += 1
        for result in await asyncio.gather(*tasks, return_exceptions=True):
            assert result is None or isinstance(result, asyncio.CancelledError), result
    gc.collect()  # a connection that nobody ended says so here
    async with database.read() as tx:
        names = set(await tx.scalars(sa.select(counters.c.name))) - {"a"}
        async with asyncio.timeout(BUSY_S):
            while await tx.scalar(at_work):  # the server is still being told
                await asyncio.sleep(0.01)
    assert {name[1:] for name in names if name[0] == "a"} == {
        name[1:] for name in names if name[0] == "b"
    }
    assert not [name for name in names if name.startswith("within")] and kept <= names
    async with asyncio.timeout(BUSY_S):
        await asyncio.gather(*(work(number) for number in range(1000, 1040)))


@on_a_server
async def test_who_goes_while_a_connection_is_opened_leaves_none_behind(database: Database) -> None:
    gc.freeze()  # of what others made nothing is looked through sixty times
    for moment in range(60):
        new = Database(database.url, durable=False)
        opening = asyncio.ensure_future(new.open())
        await asyncio.sleep(moment / 4000)
        opening.cancel()
        await asyncio.gather(opening, return_exceptions=True)
        await new.close()
        del new, opening
        gc.collect()  # a connection that nobody ended says so here
