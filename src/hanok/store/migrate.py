"""Brings a database to the tables of this version.

An empty database gets the tables as the code has them, and the id of the newest migration: that costs no migration
run. An older one is migrated, step by step, forward only. One that is newer than the code is refused.

A migration never deletes what it does not name. On SQLite a table is changed by building it anew, and while the old
one is dropped, foreign keys would delete the rows that refer to it: they are off for that time, and every reference is
checked before the commit (`Database.rebuild`). On PostgreSQL a migration that waits for a lock would hold up everybody
who asks after it, so it gives up after LOCK_S.

While a cloud is updated, processes of the version before work beside the new ones, and an operator may go back to it.
So a migration only adds: tables, columns that may be empty or have a default of the database's, indexes. One that takes
something away that the version before still uses says so (`contracts = "why"`, beside its ids), and comes a version
later than the code that does without. The database knows which versions may work on it (`schema_fits`); tests hold
migrations to it.

Ids are random, so that two migrations written side by side do not collide: which one comes after which stands in the
files. Two that come after the same one are refused here, and by a test.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

import sqlalchemy as sa

from hanok.base.errors import Unavailable
from hanok.store import written_tables
from hanok.store.database import Database
from hanok.store.schema import metadata

FOLDER = Path(__file__).parent / "migrations"
LOCK_S = 10  # much longer than any transaction of ours: what holds a table longer is somebody's own work on it
VERSION = sa.Table(
    "alembic_version",
    sa.MetaData(),
    sa.Column("version_num", sa.String(32), primary_key=True),
)
_version = sa.select(VERSION.c.version_num)

FITS = sa.Table(
    "schema_fits",
    sa.MetaData(),
    sa.Column("revision", sa.String(32), primary_key=True),
)
"""The newest migrations that versions know which may work on this database."""
BASELINE = "b7c41d20e6fa"
"""The last migration of the time before this was held: who knows less may not work beside who knows more."""

_ID = re.compile(r"^revision\b.*?= ['\"](\w+)['\"]", re.MULTILINE)
_AFTER = re.compile(r"^down_revision\b.*?= ['\"](\w+)['\"]", re.MULTILINE)
_CONTRACTS = re.compile(r"^contracts\b.*?= ['\"]", re.MULTILINE)
_HEAD_BYTES = 2000  # of a file: the ids stand at its top


@lru_cache(maxsize=1)
def revisions() -> tuple[str, ...]:
    """The ids of all migrations, in order. Read from the files' heads: Alembic takes 40 MB to do it.

    Raises:
        ValueError: they are not one line.
    """
    after: dict[str | None, list[str]] = {}
    for path in (FOLDER / "versions").glob("[0-9]*.py"):
        with path.open(encoding="utf-8") as file:
            head_of_file = file.read(_HEAD_BYTES)
        found, before = _ID.search(head_of_file), _AFTER.search(head_of_file)
        if found is None:
            raise ValueError(f"The migration {path.name} has no id.")
        after.setdefault(before[1] if before else None, []).append(found[1])
    line: list[str] = []
    while following := after.pop(line[-1] if line else None, None):
        if len(following) > 1:
            raise ValueError(f"Two migrations come after the same one: {', '.join(following)}.")
        line += following
    if after:
        raise ValueError(f"Migrations come after some that are not there: {list(after)}.")
    return tuple(line)


@lru_cache(maxsize=1)
def contracting() -> frozenset[str]:
    """The ids of migrations that take away what the version before them uses."""
    line = revisions()
    found = set(line[: line.index(BASELINE) + 1])
    for path in (FOLDER / "versions").glob("[0-9]*.py"):
        text = path.read_text(encoding="utf-8")[:_HEAD_BYTES]
        if _CONTRACTS.search(text) and (known := _ID.search(text)):
            found.add(known[1])
    return frozenset(found)


def fitting(before: str | None, known: Sequence[str]) -> tuple[str, ...]:
    """The migrations that versions know at the least which may work on a database, once it is migrated from one.

    Args:
        known: the same of the database before.
    """
    line = revisions()
    passed = line if before is None else line[line.index(before) + 1 :]
    taken = [one for one in passed if one in contracting()]
    if taken:
        return tuple(passed[passed.index(taken[-1]) :])
    return (*dict.fromkeys([*known, *([before] if before else []), *passed]),)


def head() -> str:
    """The id of the newest migration."""
    return revisions()[-1]


def _bring(connection: sa.Connection) -> None:
    if (
        connection.dialect.name == "postgresql"
    ):  # several may start at once; SQLite has one writer anyway
        name = sa.func.hashtextextended("migrations", 0)
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(name)))
        connection.exec_driver_sql(f"SET LOCAL lock_timeout = '{LOCK_S}s'")
    tables = set(sa.inspect(connection).get_table_names())
    if not tables:
        written_tables.create(connection, metadata)
        VERSION.create(connection)
        connection.execute(VERSION.insert().values(version_num=head()))
        note_fitting(connection, (head(),))
        return
    found = None
    if "alembic_version" in tables:
        found = connection.execute(sa.select(VERSION.c.version_num)).scalar()
    if found == head():
        return
    known = _known_fitting(connection)
    if head() in known:
        return  # of a newer version, beside which this one may work
    if found is not None and found not in revisions():
        raise Unavailable(
            f"The database was made by a newer version of Hanok (it is at {found}, this one knows "
            f"{head()}). Use that version."
        )
    upgrade(connection)
    note_fitting(connection, fitting(found, known))


def _known_fitting(connection: sa.Connection) -> tuple[str, ...]:
    if not sa.inspect(connection).has_table(FITS.name):
        return ()
    return tuple(connection.execute(sa.select(FITS.c.revision)).scalars())


def note_fitting(connection: sa.Connection, fits: Sequence[str]) -> None:
    FITS.create(connection, checkfirst=True)
    connection.execute(FITS.delete())
    connection.execute(FITS.insert(), [{"revision": one} for one in fits])


def upgrade(connection: sa.Connection, until: str = "head") -> None:
    """Run the migrations that are missing, over this connection."""
    from alembic import command  # only needed here: it costs a process 40 MB
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(FOLDER))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    command.upgrade(config, until)


async def ensure(database: Database) -> None:
    """Make the database fit this version.

    Raises:
        Unavailable: it is newer than this version, or cannot be reached.
    """
    if not await _fits(database):
        await database.rebuild(_bring)


async def _fits(database: Database) -> bool:
    """Whether there is nothing to do: a look, where `_bring` waits for its turn to write."""
    if not await database.has_table(VERSION):
        return False
    async with database.read() as tx:
        row = await tx.first(_version)
        if row is None or row.version_num == head():
            return row is not None
    if not await database.has_table(FITS):
        return False
    async with database.read() as tx:
        mine = sa.select(FITS.c.revision).where(FITS.c.revision == head())
        return await tx.first(mine) is not None
