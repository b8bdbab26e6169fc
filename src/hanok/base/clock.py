"""Time, handed in so that tests can move it.

Times are aware UTC datetimes inside and the API's text at the edge. Waits use the monotonic clock.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from functools import lru_cache

KEPT = 4096  # texts of times: those of what is asked for again and again


class Clock:
    """The machine's clock."""

    def now(self) -> datetime:
        """The time, aware, UTC, in microseconds."""
        return datetime.now(UTC)

    def monotonic_s(self) -> float:
        """Seconds since some moment; never goes back."""
        return time.monotonic()


class MovableClock(Clock):
    """A clock for tests: stands still until it is moved."""

    def __init__(self, start: datetime | None = None) -> None:
        self._now = start or datetime(2026, 1, 1, tzinfo=UTC)
        self._elapsed_s = 0.0

    def now(self) -> datetime:
        return self._now

    def monotonic_s(self) -> float:
        return self._elapsed_s

    def move(self, seconds: float) -> None:
        """Let this many seconds pass."""
        self._now += timedelta(seconds=seconds)
        self._elapsed_s += seconds


@lru_cache(maxsize=KEPT)
def zulu(at: datetime | None) -> str | None:
    """2026-01-31T12:00:00Z: the text of compute, image and network."""
    return None if at is None else f"{at.isoformat(timespec='seconds')[:19]}Z"


@lru_cache(maxsize=KEPT)
def zulu_micro(at: datetime | None) -> str | None:
    """2026-01-31T12:00:00.000000Z: the text of identity tokens."""
    return None if at is None else f"{at.isoformat(timespec='microseconds')[:26]}Z"


@lru_cache(maxsize=KEPT)
def naive_micro(at: datetime | None) -> str | None:
    """2026-01-31T12:00:00.000000: the text of compute's older fields, without a zone."""
    return None if at is None else at.isoformat(timespec="microseconds")[:26]
