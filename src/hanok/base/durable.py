"""Files that are there, whole, whatever dies meanwhile: this process, or the machine's power."""

from __future__ import annotations

import os
from pathlib import Path


def settle(path: Path | str) -> None:
    """Wait until the disk has a file's bytes, or the names in a folder.

    Raises:
        OSError
    """
    _settle(path, 0)


def _settle(path: Path | str, how: int) -> None:
    handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | how)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def put_in_place(new: Path, path: Path, *, settled: bool = False) -> None:
    """Give a whole file its name: whoever looks, also after a loss of power, finds all of the old one or of this one.

    Args:
        new: on the same file system, and no link. settled: whether the disk has its bytes already.

    Raises:
        OSError
    """
    if not settled:
        _settle(new, os.O_NOFOLLOW)
    new.replace(path)
    settle(path.parent)
