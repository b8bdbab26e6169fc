"""Long work on the event loop in pieces, between which others get their turn.

Everything of one process runs on one loop: what takes half a second in one go is half a second that nobody else is
served. So work on many rows is done in pieces of a fraction of a millisecond, and after each piece those who wait get
as much time as it took. When nobody waits, it costs some microseconds and the work goes on at once.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Sequence
from time import perf_counter
from typing import TypeVar

PIECE_S = 0.0003  # about what a short request takes, so that one who waits is late by no more than another request
QUIET_S = 0.0001  # a round of the loop in which nobody did anything takes less
QUIET_ROUNDS = 3  # a request comes in one round, and begins in the next

T = TypeVar("T")


class Pieces:
    """Some work that is long perhaps, and where it is in its present piece."""

    __slots__ = ("_since",)

    def __init__(self) -> None:
        self._since = perf_counter()

    @property
    def enough(self) -> bool:
        """Whether this piece has been long enough."""
        return perf_counter() - self._since > PIECE_S

    async def rest(self) -> None:
        """Let others have as much time as this piece took."""
        owed = perf_counter() - self._since
        quiet = 0
        while owed > 0 and quiet < QUIET_ROUNDS:
            before = perf_counter()
            await asyncio.sleep(0)
            theirs = perf_counter() - before
            quiet = quiet + 1 if theirs < QUIET_S else 0
            owed -= theirs
        self._since = perf_counter()

    async def each(self, items: Iterable[T]) -> AsyncIterator[T]:
        """Each of the items, with rests between them as they are due."""
        for item in items:
            yield item
            if perf_counter() - self._since > PIECE_S:
                await self.rest()

    async def slices(self, items: Sequence[T], size: int) -> AsyncIterator[Sequence[T]]:
        """The items some at a time, with rests as they are due."""
        for start in range(0, len(items), size):
            if start and perf_counter() - self._since > PIECE_S:
                await self.rest()
            yield items[start : start + size]
