"""What shares have on a machine outside of files: servers and mounts, found by the folder that they are below."""

from __future__ import annotations

import asyncio
import os
import signal
from contextlib import suppress
from pathlib import Path

from hanok.drivers.nfs.errors import ServerFailed
from hanok.drivers.nfs.ganesha import BINARY
from hanok.drivers.nfs.tools import run
from hanok.drivers.qemu import process as processes

END_S = 10.0
POLL_S = 0.05


def servers(folder: Path) -> list[int]:
    """The processes that serve by a configuration below the folder."""
    found = []
    for entry in processes.PROC.iterdir():
        if entry.name.isdigit():
            words = processes.words(int(entry.name))
            if words[0].endswith(BINARY) and any(one.startswith(f"{folder}/") for one in words):
                found.append(int(entry.name))
    return found


def mounts(folder: Path) -> list[str]:
    """What is mounted below the folder, the newest first."""
    with open("/proc/self/mountinfo") as file:
        points = [line.split(" ", 5)[4] for line in file]
    return [one for one in reversed(points) if one.startswith(f"{folder}/")]


async def end(folder: Path) -> None:
    """Nothing serves from below the folder, and nothing is mounted there. Shares themselves stay.

    Raises:
        ServerFailed: a process does not end. ShareError: something cannot be unmounted.
    """
    try:
        async with asyncio.timeout(END_S):
            while found := servers(folder):
                for pid in found:
                    with suppress(ProcessLookupError):
                        os.kill(pid, signal.SIGKILL)
                await asyncio.sleep(POLL_S)
    except TimeoutError:
        raise ServerFailed("a share server does not end") from None
    for point in mounts(folder):
        await run("umount", "-l", point)
