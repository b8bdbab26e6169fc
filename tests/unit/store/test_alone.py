"""SQLite's locks are taken off before it is used, and never while somebody uses it."""

from __future__ import annotations

import subprocess
import sys

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


def test_nothing_is_taken_from_under_an_open_connection() -> None:
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT], capture_output=True, text=True, timeout=60
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "True\n", "")
