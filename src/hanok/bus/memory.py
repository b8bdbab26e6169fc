"""A bus inside one process: for the simulated cloud and for tests."""

from __future__ import annotations

import asyncio
import itertools
import logging

from hanok.base.errors import Unavailable
from hanok.bus.interface import Handler, Listening, NobodyThere

log = logging.getLogger(__name__)


def _matches(pattern: tuple[str, ...], subject: tuple[str, ...]) -> bool:
    for place, token in enumerate(pattern):
        if token == ">":
            return len(subject) > place
        if place >= len(subject) or token not in ("*", subject[place]):
            return False
    return len(pattern) == len(subject)


_Entry = tuple[tuple[str, ...], Handler, str]
"""What is listened to, by whom, as one of which group."""


class _Listener:
    def __init__(self, among: dict[str, list[_Entry]], key: str, mine: _Entry) -> None:
        self._among, self._key, self._mine = among, key, mine

    async def end(self) -> None:
        left = [one for one in self._among.get(self._key, ()) if one is not self._mine]
        if left:
            self._among[self._key] = left
        else:
            self._among.pop(self._key, None)


class MemoryBus:
    """The same contract as `NATSBus`, without a server."""

    def __init__(self) -> None:
        # By subject; patterns stand together under "". A thousand hosts listen to one subject each.
        self._listeners: dict[str, list[_Entry]] = {}
        self._tasks: set[asyncio.Future[bytes | None]] = set()
        self._turn = itertools.count()

    def _receivers(self, subject: str) -> list[Handler]:
        tokens = tuple(subject.split("."))
        groups: dict[str, list[Handler]] = {}
        single: list[Handler] = []
        both = (*self._listeners.get(subject, ()), *self._listeners.get("", ()))
        for pattern, handler, group in both:
            if _matches(pattern, tokens):
                if group:
                    groups.setdefault(group, []).append(handler)
                else:
                    single.append(handler)
        turn = next(self._turn)
        return single + [members[turn % len(members)] for members in groups.values()]

    async def publish(self, subject: str, payload: bytes) -> None:
        for handler in self._receivers(subject):
            self._start(handler, subject, payload).add_done_callback(self._report)

    async def ask(self, subject: str, payload: bytes, *, timeout_s: float) -> bytes:
        receivers = self._receivers(subject)
        if not receivers:
            raise NobodyThere(f"nothing listens on {subject}")
        try:
            async with asyncio.timeout(timeout_s):
                reply = await self._start(receivers[0], subject, payload)
        except TimeoutError:
            raise NobodyThere(f"no reply from {subject} within {timeout_s:g} s") from None
        except asyncio.CancelledError:
            raise
        except Exception as error:  # the other side broke: over a network this is silence
            raise NobodyThere(f"no reply from {subject}: it failed") from error
        if reply is None:
            raise NobodyThere(f"no reply from {subject}")
        return reply

    async def listen(self, subject: str, handler: Handler, *, group: str = "") -> Listening:
        tokens = tuple(subject.split("."))
        listener = (tokens, handler, group)
        key = "" if "*" in tokens or ">" in tokens else subject
        self._listeners.setdefault(key, []).append(listener)
        return _Listener(self._listeners, key, listener)

    async def close(self) -> None:
        self._listeners.clear()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _start(
        self, handler: Handler, subject: str, payload: bytes
    ) -> asyncio.Future[bytes | None]:
        task = asyncio.ensure_future(handler(subject, payload))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    @staticmethod
    def _report(task: asyncio.Future[bytes | None]) -> None:
        if not task.cancelled() and (error := task.exception()) is not None:
            if isinstance(error, Unavailable):
                log.warning("a message is lost: %s", error.message)
            else:
                log.error("a listener failed", exc_info=error)
