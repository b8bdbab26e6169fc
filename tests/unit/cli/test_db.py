"""`hanok db upgrade`, in a process of its own: which tables it knows is what it has loaded itself."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import sqlalchemy as sa

from hanok.store import Database

ALL = """
from hanok.store.new_migration import import_all_tables
from hanok.store.schema import metadata
import_all_tables()
print(*metadata.tables)
"""


def _python(*words: str) -> str:
    return subprocess.run(
        [sys.executable, *words], check=True, capture_output=True, text=True
    ).stdout


async def test_an_empty_database_gets_every_table_of_the_house_and_its_services(
    tmp_path: Path,
) -> None:
    settings = tmp_path / "control.toml"
    settings.write_text(f'state_dir = "{tmp_path}"\ndatabase = "sqlite:///{tmp_path}/db"\n')
    _python("-m", "hanok.cli", "db", "upgrade", "--settings", str(settings))
    database, names = Database(f"sqlite:///{tmp_path}/db", durable=False), set[str]()
    await database.open()
    await database.run_sync(lambda found: names.update(sa.inspect(found).get_table_names()))
    await database.close()
    assert not set(_python("-c", ALL).split()) - names
