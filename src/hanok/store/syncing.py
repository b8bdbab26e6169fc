"""What was committed to a SQLite file reaches the disk: one call for all who wait then, and not on the event loop.

SQLite itself would wait for the disk inside of each commit, with the whole process standing still. Here it writes its
log and goes on (its "NORMAL" mode, in which nothing is ever torn), and whoever committed is answered once the log is on
the disk. What is committed later stands behind in the log, so nobody is told of what rests on something that is not.
"""

from __future__ import annotations

import asyncio
import os
from concurrent.futures import ThreadPoolExecutor


class Log:
    """SQLite's log beside a database file."""

    def __init__(self, path: str) -> None:
        self._path = f"{path}-wal"
        self._file = -1
        self._threads: ThreadPoolExecutor | None = None
        self._waiting: list[asyncio.Future[None]] = []
        self._running: asyncio.Task[None] | None = None

    def on_disk(self) -> asyncio.Future[None]:
        """What was written so far is on the disk when this is done. Its error: OSError."""
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(waiter)
        if self._running is None:
            self._running = asyncio.ensure_future(self._run())
        return waiter

    async def _run(self) -> None:
        if self._threads is None:
            self._threads = ThreadPoolExecutor(1, thread_name_prefix="log")
        loop = asyncio.get_running_loop()
        try:
            while self._waiting:
                those, self._waiting = self._waiting, []
                error: OSError | None = None
                try:
                    await loop.run_in_executor(self._threads, self._sync)
                except OSError as caught:
                    error = caught
                _tell(those, error)
        finally:
            self._running = None

    def _sync(self) -> None:
        """In a thread."""
        try:
            there = os.stat(self._path)
        except FileNotFoundError:
            return  # all of it was moved into the database, which is on the disk
        if self._file < 0 or os.fstat(self._file).st_ino != there.st_ino:
            self._close_file()
            self._file = os.open(self._path, os.O_RDONLY | os.O_CLOEXEC)
        os.fdatasync(self._file)

    def _close_file(self) -> None:
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    async def close(self) -> None:
        """Who still waits is answered first."""
        if self._running is not None:
            await asyncio.wait([self._running])
        if self._threads is not None:
            self._threads.shutdown()
            self._threads = None
        self._close_file()


def _tell(those: list[asyncio.Future[None]], error: OSError | None) -> None:
    for waiter in those:
        if waiter.done():
            continue  # nobody waits any more
        if error is None:
            waiter.set_result(None)
        else:
            waiter.set_exception(error)
