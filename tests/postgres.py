"""A PostgreSQL server for the tests: Debian's programs, in a folder of its own, on a socket only."""

from __future__ import annotations

import itertools
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_numbers = itertools.count(1)


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

    def new_database(self) -> str:
        """The address of a new, empty database."""
        name = f"t{next(_numbers)}"
        self.run("createdb", "-h", str(self.folder), "-U", "hanok", "-T", "template0", name)
        return f"postgresql://hanok@/{name}?host={self.folder}"

    def drop(self, url: str) -> None:
        name = url.split("/")[3].partition("?")[0]
        self.run("dropdb", "-h", str(self.folder), "-U", "hanok", "--force", name)


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
            if _takes_connections(folder / ".s.PGSQL.5432"):
                break
            time.sleep(0.05)
        yield made
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(timeout=30)
        shutil.rmtree(folder, ignore_errors=True)


def _takes_connections(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.connect(str(path))
        except OSError:
            return False
    return True


def _known(name: str) -> bool:
    try:
        pwd.getpwnam(name)
    except KeyError:
        return False
    return True
