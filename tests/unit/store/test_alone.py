"""SQLite's locks are taken off before it is used, and never while somebody uses it."""

from __future__ import annotations

import subprocess
import sys

import pytest

SCRIPT = """
import sqlite3
from hanok.store.alone import without_locks
first = without_locks()
connection = sqlite3.connect(":memory:")
connection.execute("CREATE TABLE t (a)")
assert not without_locks()
connection.execute("INSERT INTO t VALUES (1)")
assert connection.execute("SELECT a FROM t").fetchall() == [(1,)]
print(first)
"""

# As some systems build it: it does not count what it uses.
SILENT = """
import _sqlite3, ctypes
library = ctypes.CDLL(_sqlite3.__file__)
library.sqlite3_shutdown()
assert library.sqlite3_config(9, 0) == 0  # SQLITE_CONFIG_MEMSTATUS
library.sqlite3_initialize()
"""


@pytest.mark.parametrize(("before", "taken"), [("", "True\n"), (SILENT, "False\n")])
def test_nothing_is_taken_from_under_an_open_connection(before: str, taken: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", before + SCRIPT], capture_output=True, text=True, timeout=60
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, taken, "")
