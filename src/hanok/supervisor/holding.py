"""Who runs a cloud: the one process that holds the lock of its state directory."""

from __future__ import annotations

import fcntl
import os

from hanok.supervisor.settings import Cloud


class AlreadyRunning(Exception):
    """Another supervisor has this cloud."""


class locked:
    """Held by the one process that runs a cloud: the supervisor, or the simulated cloud itself."""

    def __init__(self, cloud: Cloud) -> None:
        self._path = cloud.state / "lock"

    def __enter__(self) -> None:
        self._handle = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(self._handle)
            raise AlreadyRunning(str(self._path.parent)) from None
        os.ftruncate(self._handle, 0)
        os.write(self._handle, f"{os.getpid()}\n".encode())

    def __exit__(self, *_: object) -> None:
        os.ftruncate(self._handle, 0)
        os.close(self._handle)


def holder(cloud: Cloud) -> int | None:
    """The process that runs a cloud; None when nobody does."""
    path = cloud.state / "lock"
    try:
        handle = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return None
    except BlockingIOError:
        text = path.read_text().strip()
        return int(text) if text.isdigit() else 0
    finally:
        os.close(handle)
