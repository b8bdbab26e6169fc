"""SQLite databases for tests, quickly: a copy of one whose tables were made once in this process."""

from __future__ import annotations

import atexit
import shutil
import tempfile
from pathlib import Path

from hanok.store import Database, metadata

_templates: dict[int, Path] = {}  # by how many tables the code that is loaded declares


async def opened(folder: Path, url: str = "") -> Database:
    """A database, open, with all tables that are declared and no rows: in the folder, or that of the URL."""
    if url:
        database = Database(url, durable=False)
        await database.open()
        return database
    file = folder / "db"
    shutil.copyfile(await _template(), file)
    database = Database(f"sqlite:///{file}", durable=False)
    await database.open()
    return database


async def _template() -> Path:
    if (number := len(metadata.tables)) not in _templates:
        folder = Path(tempfile.mkdtemp(prefix="hanok-tables-"))
        atexit.register(shutil.rmtree, folder, ignore_errors=True)
        database = Database(f"sqlite:///{folder / 'db'}", durable=False)
        await database.open()
        await database.create_tables()
        await database.close()
        _templates[number] = folder / "db"
    return _templates[number]
