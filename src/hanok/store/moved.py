"""The mark on a SQLite file whose rows have gone to PostgreSQL: whoever has it open goes after them.

It is in the file itself, written in the transaction that ends the move: nobody can write there any more without having
seen it, and whoever starts later with the old settings finds the rows all the same.
"""

from __future__ import annotations

import sqlite3  # noqa: TID251
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sqlalchemy import Connection

MOVED = 0x6D6F7665  # the file's `user_version`, which nothing else of this house sets
OURS = "_moving_"  # what names of tables and triggers that a move makes begin with
_TABLE = f"{OURS}to"
NUMBER = "PRAGMA user_version"
URL = f'SELECT url FROM "{_TABLE}"'  # noqa: S608  # a name of ours


def mark(connection: Connection, url: str) -> None:
    """The rows are at this address from the commit of this transaction on."""
    connection.exec_driver_sql(f'CREATE TABLE IF NOT EXISTS "{_TABLE}" (url TEXT NOT NULL)')
    connection.exec_driver_sql(f'DELETE FROM "{_TABLE}"')  # noqa: S608
    connection.exec_driver_sql(f'INSERT INTO "{_TABLE}" VALUES (?)', (url,))  # noqa: S608
    connection.exec_driver_sql(f"PRAGMA user_version = {MOVED}")


def is_begun(path: Path) -> bool:
    """Whether changes of rows are noted in the file, for a move that is under way or was broken off."""
    raw = sqlite3.connect(path)
    try:
        text = (
            "SELECT count(*) FROM sqlite_master WHERE type = 'trigger' AND substr(name, 1, ?) = ?"
        )
        return bool(raw.execute(text, (len(OURS), OURS)).fetchone()[0])
    except sqlite3.DatabaseError:
        return False
    finally:
        raw.close()


def place(url: str) -> str:
    """Where the rows of a database are that is at this address: there, or where they have gone to."""
    path = Path(url.removeprefix("sqlite:///"))
    if not url.startswith("sqlite:///") or not path.exists():
        return url
    raw = sqlite3.connect(path)
    try:
        if raw.execute(NUMBER).fetchone()[0] != MOVED:
            return url
        return str(raw.execute(URL).fetchone()[0])
    except sqlite3.DatabaseError:
        return url  # whoever opens it says what is wrong with it
    finally:
        raw.close()
