"""Live pages: each has a stream of what changed, made of the outbox's events.

A stream says what kind of thing changed and which one, never how: the page asks the API for it, with the rights of its
session. It hears of its own project's events; of all, where the access rules let it. A page that is away, or too slow,
is told to look at everything again.
"""

from __future__ import annotations

import asyncio
from collections import Counter, deque

import msgspec

from hanok.events import Event

QUEUE = 200  # news that a page has not taken; beyond that it looks at everything again

_encode = msgspec.json.Encoder().encode
AGAIN = b"event: again\ndata: {}\n\n"


class TooManyStreams(Exception):
    """No further live page for this user, or for the whole cloud."""


class Stream:
    """One live page. everything: whether it hears of other projects, too."""

    def __init__(self, user_id: str, project_id: str | None, *, everything: bool) -> None:
        self.user_id, self.project_id, self.everything = user_id, project_id, everything
        self._waiting: deque[bytes] = deque()
        self._some = asyncio.Event()
        self._lost = False
        self.ended = False

    def hears(self, event: Event) -> bool:
        if self.everything:
            return True
        mine = event.project_id is not None and event.project_id == self.project_id
        return mine or (event.project_id is None and event.user_id == self.user_id)

    def tell(self, said: bytes) -> None:
        if len(self._waiting) >= QUEUE:
            self._waiting.clear()
            self._lost = True
        else:
            self._waiting.append(said)
        self._some.set()

    def end(self) -> None:
        self.ended = True
        self._some.set()

    async def next(self, *, timeout_s: float) -> bytes:
        """What to send now; empty: nothing for timeout_s seconds, or the stream has ended."""
        try:
            async with asyncio.timeout(timeout_s):
                await self._some.wait()
        except TimeoutError:
            return b""
        self._some.clear()
        said = (AGAIN if self._lost else b"") + b"".join(self._waiting)
        self._waiting.clear()
        self._lost = False
        return said


class Streams:
    """The live pages of a control process."""

    def __init__(self, maximum: int, each_user: int) -> None:
        self._maximum, self._each_user = maximum, each_user
        self._open: set[Stream] = set()
        self._of_users: Counter[str] = Counter()

    def open(self, user_id: str, project_id: str | None, *, everything: bool) -> Stream:
        """
        Raises:
            TooManyStreams
        """
        if len(self._open) >= self._maximum or self._of_users[user_id] >= self._each_user:
            raise TooManyStreams
        stream = Stream(user_id, project_id, everything=everything)
        self._open.add(stream)
        self._of_users[user_id] += 1
        return stream

    def close(self, stream: Stream) -> None:
        if stream in self._open:
            self._open.remove(stream)
            self._of_users[stream.user_id] -= 1
            self._of_users += Counter()  # without those who have none

    def tell(self, event: Event) -> None:
        """Tell everybody who may hear of an event."""
        said = b""
        for stream in self._open:
            if stream.hears(event):
                said = said or _said(event)
                stream.tell(said)

    def end(self) -> None:
        for stream in self._open:
            stream.end()


def _said(event: Event) -> bytes:
    kind, _, subject = event.resource.partition(":")
    news = {"kind": event.kind, "noun": kind, "id": subject, "request_id": event.request_id}
    return b"data: " + _encode(news) + b"\n\n"
