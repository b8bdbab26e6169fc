"""A real S3 server for the tests: Versity's gateway over a folder, built from its Go module."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from msgspec import Struct

from tests.ports import free_port

MODULE = Path(__file__).parent / "versitygw"
PROGRAM = "github.com/versity/versitygw/cmd/versitygw"
BUILD_S = 900
ACCESS, SECRET = "tester", "not-very-secret"


class Server(Struct, frozen=True, kw_only=True):
    """A running server. folder: a bucket is a folder in it, an object a file."""

    endpoint: str
    folder: Path


def program(folder: Path) -> str | None:
    """The server's program, built if need be; None where there is neither it nor Go."""
    found = shutil.which("versitygw")
    go = shutil.which("go") or shutil.which("/usr/local/go/bin/go")
    if found is not None or go is None:
        return found
    made = folder / "versitygw"
    subprocess.run(
        [go, "build", "-mod=readonly", "-o", str(made), PROGRAM],
        cwd=MODULE,
        check=True,
        timeout=BUILD_S,
    )
    return str(made)


@contextmanager
def server(path: str) -> Iterator[Server]:
    """The server for the time of a with block, with the bucket `images`."""
    with tempfile.TemporaryDirectory(prefix="hanok-s3-", dir="/var/tmp") as name:
        folder = Path(name)
        (folder / "images").mkdir()
        port = free_port()
        process = subprocess.Popen(
            [path, "--port", f"127.0.0.1:{port}", "--quiet", "posix", str(folder)],
            env={**os.environ, "ROOT_ACCESS_KEY": ACCESS, "ROOT_SECRET_KEY": SECRET},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            _wait(port, process)
            yield Server(endpoint=f"http://127.0.0.1:{port}", folder=folder)
        finally:
            process.terminate()
            process.wait(timeout=30)


def _wait(port: int, process: subprocess.Popen[bytes]) -> None:
    for _ in range(600):
        assert process.poll() is None, "the S3 server ended"
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        except OSError:
            time.sleep(0.1)
    raise AssertionError("the S3 server does not listen")
