"""Addresses of names that users gave.

The system's resolver cannot be stopped: where a name's servers do not answer, it holds a thread for half a minute. The
loop's own few threads would soon all be held by one user's names. Here each project has threads of its own, a few, so
that names of others are looked up meanwhile.
"""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Callable
from typing import Any
from weakref import WeakKeyDictionary

from hanok.base import behalf

AT_ONCE = 4  # of a project

Find = Callable[[str, int], list[Any]]


def system(host: str, port: int) -> list[Any]:
    return socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)


class Lookups:
    """The look-ups of one process. find: what a thread does; see `socket.getaddrinfo`."""

    def __init__(self, find: Find = system) -> None:
        self._find = find
        self._gates: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[str, asyncio.Semaphore]]
        self._gates = WeakKeyDictionary()

    async def addresses(self, host: str, port: int) -> list[str]:
        """The addresses of a host, for the project on whose behalf this is done.

        Who is cancelled leaves its thread to its end, and the project has one less until then.

        Raises:
            OSError, UnicodeError
        """
        loop = asyncio.get_running_loop()
        gates = self._gates.setdefault(loop, {})
        gate = gates.setdefault(behalf.project.get(), asyncio.Semaphore(AT_ONCE))
        await gate.acquire()
        answer: asyncio.Future[list[Any]] = loop.create_future()

        def done(found: list[Any] | BaseException) -> None:
            gate.release()
            if answer.cancelled():
                return
            if isinstance(found, BaseException):
                answer.set_exception(found)
            else:
                answer.set_result(found)

        given = (loop, done, host, port)
        threading.Thread(target=self._look, args=given, name="lookup", daemon=True).start()
        return list(dict.fromkeys(str(entry[4][0]) for entry in await answer))

    def _look(
        self,
        loop: asyncio.AbstractEventLoop,
        done: Callable[[list[Any] | BaseException], None],
        host: str,
        port: int,
    ) -> None:
        found: list[Any] | BaseException
        try:
            found = self._find(host, port)
        except (OSError, UnicodeError) as error:
            found = error
        try:
            loop.call_soon_threadsafe(done, found)
        except RuntimeError:
            return  # the loop has ended, and with it whoever wanted to know


lookups = Lookups()
