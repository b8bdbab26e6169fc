"""A PostgreSQL server for the tests: Debian's programs, in a folder of its own, on a socket only."""

from __future__ import annotations

import asyncio
import itertools
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from hanok.store import Database, migrate
from hanok.store.new_migration import import_all_tables

TABLES = "tables"

_numbers = itertools.count(1)


async def _make_tables(url: str) -> None:
    import_all_tables()
    database = Database(url, durable=False)
    await database.open()
    await migrate.ensure(database)
    await database.close()


def programs() -> Path | None:
    """The folder of the server's programs, newest version; None where it is not installed."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda p: int(p.parts[-3]))
    return found[-1].parent if found else None


class Server:
    """A running server."""

    def __init__(self, folder: Path, bin_dir: Path, user: str | None) -> None:
        self.folder = folder
        self._bin = bin_dir
        self._user = user
        self._beside = ThreadPoolExecutor(1)  # what is done while tests go on
        self._next: Future[str] | None = None

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

    def new_database(self, *, empty: bool = False) -> str:
        """The address of a new database with the tables of this version, or with nothing in it.

        The tables are made once, in a database of which the others are copies. The next copy is made while this one is
        used.
        """
        if empty:
            return self._copy("template0", f"t{next(_numbers)}")
        if self._next is None:
            made = self._copy("template0", TABLES)
            self._beside.submit(asyncio.run, _make_tables(made)).result()
            self._next = self._beside.submit(self._copy, TABLES, f"t{next(_numbers)}")
        url = self._next.result()
        self._next = self._beside.submit(self._copy, TABLES, f"t{next(_numbers)}")
        return url

    def _copy(self, template: str, name: str) -> str:
        where = ("-h", str(self.folder), "-U", "hanok")
        self.run("createdb", *where, "-S", "file_copy", "-T", template, name)
        return f"postgresql://hanok@/{name}?host={self.folder}"

    def drop(self, url: str) -> None:
        """Remove a database, some time soon."""
        name = url.split("/")[3].partition("?")[0]
        where = ("-h", str(self.folder), "-U", "hanok")
        self._beside.submit(self.run, "dropdb", *where, "--force", name)

    def settle(self) -> None:
        """Wait for what is done beside."""
        self._beside.shutdown()


@contextmanager
def server() -> Iterator[Server]:
    """A server for the time of a with block."""
    bin_dir = programs()
    assert bin_dir is not None, "PostgreSQL's server programs are not installed"
    folder = Path(tempfile.mkdtemp(prefix="hanok-pg-"))
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


def _known(name: str) -> bool:
    try:
        pwd.getpwnam(name)
    except KeyError:
        return False
    return True
