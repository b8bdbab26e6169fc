"""Brings a database to the tables of this version.

An empty database gets the tables as the code has them, and the number of the newest migration: that costs no migration
run. An older one is migrated, step by step, forward only. One that is newer than the code is refused.
"""

from __future__ import annotations

from pathlib import Path

import sqlalchemy as sa

from hanok.base.errors import Unavailable
from hanok.store.database import Database
from hanok.store.schema import metadata

FOLDER = Path(__file__).parent / "migrations"
_version = sa.Table(
    "alembic_version",
    sa.MetaData(),
    sa.Column("version_num", sa.String(32), primary_key=True),
)


def revisions() -> list[str]:
    """The numbers of all migrations, in order."""
    return sorted(path.name[:4] for path in (FOLDER / "versions").glob("[0-9]*.py"))


def head() -> str:
    """The number of the newest migration."""
    return revisions()[-1]


def _bring(connection: sa.Connection) -> None:
    if (
        connection.dialect.name == "postgresql"
    ):  # several may start at once; SQLite has one writer anyway
        name = sa.func.hashtextextended("migrations", 0)
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(name)))
    tables = set(sa.inspect(connection).get_table_names())
    if not tables:
        metadata.create_all(connection)
        _version.create(connection)
        connection.execute(_version.insert().values(version_num=head()))
        return
    found = None
    if "alembic_version" in tables:
        found = connection.execute(sa.select(_version.c.version_num)).scalar()
    if found == head():
        return
    if found is not None and found not in revisions():
        raise Unavailable(
            f"The database was made by a newer version of Hanok (its number is {found}, this one knows "
            f"{head()}). Use that version."
        )
    upgrade(connection)


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
    await database.run_sync(_bring)
