"""Times and spans as people write them; here they are nanoseconds.

Source: Gnocchi's REST API reference, "Timestamp format" and "Timespan format".
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any

NS = 1_000_000_000
_UNITS = {
    "w": 604_800, "week": 604_800, "weeks": 604_800, "d": 86_400, "day": 86_400, "days": 86_400, "h": 3600,
    "hr": 3600, "hrs": 3600, "hour": 3600, "hours": 3600, "m": 60, "min": 60, "mins": 60, "minute": 60,
    "minutes": 60, "s": 1, "sec": 1, "secs": 1, "second": 1, "seconds": 1,
}  # fmt: skip
_PART = re.compile(r"(\d+(?:\.\d+)?)\s*([a-z]+)")
_CLOCK = re.compile(r"(?:(\d+)\s*days?,\s*)?(\d+):(\d\d)(?::(\d\d(?:\.\d+)?))?")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
LATEST = (
    9_000_000_000 * NS
)  # the year 2255: behind it a number of nanoseconds has more than 63 bits


def span(value: Any, *, signed: bool = False) -> int:
    """A span of time.

    Args:
        value: seconds, "5 minutes", "0:05:00", "1d 12h".
        signed: whether it may point back ("-10 minutes"), or be none at all.

    Raises:
        ValueError
    """
    found = _span(value)
    if not signed and found <= 0:
        raise ValueError("Timespan must be positive")
    return found


def _span(value: Any) -> int:
    if isinstance(value, bool) or value is None:
        raise ValueError("Unable to parse timespan")
    try:
        seconds = float(value)
    except (TypeError, ValueError):
        if not isinstance(value, str):
            raise ValueError("Unable to parse timespan") from None
        seconds = _of_text(value[:100].strip().lower())
    if not abs(seconds) < LATEST / NS:
        raise ValueError("Unable to parse timespan")
    return round(seconds * NS)


def _of_text(text: str) -> float:
    sign = -1.0 if text.startswith("-") else 1.0
    text = text.lstrip("+-").strip()
    if clock := _CLOCK.fullmatch(text):
        days, first, second, third = clock.groups()
        if third is None:  # minutes and seconds
            return sign * (int(days or 0) * 86_400 + int(first) * 60 + int(second))
        hours = int(days or 0) * 24 + int(first)
        return sign * (hours * 3600 + int(second) * 60 + float(third))
    rest, total = text, 0.0
    while rest:
        part = _PART.match(rest)
        if part is None or part[2] not in _UNITS:
            raise ValueError("Unable to parse timespan")
        total += float(part[1]) * _UNITS[part[2]]
        rest = rest[part.end() :].lstrip(" ,")
    if not text:
        raise ValueError("Unable to parse timespan")
    return sign * total


@lru_cache(maxsize=4096)
def _iso(text: str) -> int:
    at = datetime.fromisoformat(text)
    since = (at if at.tzinfo is not None else at.replace(tzinfo=UTC)) - _EPOCH
    return (since.days * 86_400 + since.seconds) * NS + since.microseconds * 1000


def moment(value: Any, now: datetime) -> int:
    """A moment, in nanoseconds since 1970.

    Args:
        value: seconds since 1970, an ISO 8601 text, "now", "today", or a span from now on ("-10 minutes").

    Raises:
        ValueError
    """
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise ValueError("Unable to convert timestamps")
    try:
        found = round(float(value) * NS)
    except OverflowError:
        raise ValueError("Unable to convert timestamps") from None
    except ValueError:
        if not isinstance(value, str) or value.strip().lower() in ("nan", "-nan"):
            raise ValueError("Unable to convert timestamps") from None
        found = _of_words(value[:100].strip(), now)
    if found < 0:
        raise ValueError("Timestamp must be after Epoch")
    if found > LATEST:
        raise ValueError("Unable to convert timestamps")
    return found


def _of_words(text: str, now: datetime) -> int:
    if text == "now":
        return of_datetime(now)
    if text == "today":
        return of_datetime(now.replace(hour=0, minute=0, second=0, microsecond=0))
    try:
        return _iso(text)
    except ValueError:
        pass
    try:
        return of_datetime(now) + span(text, signed=True)
    except ValueError:
        raise ValueError("Unable to convert timestamps") from None


def of_datetime(at: datetime) -> int:
    """A time as nanoseconds since 1970."""
    since = at - _EPOCH
    return (since.days * 86_400 + since.seconds) * NS + since.microseconds * 1000


def to_datetime(ns: int) -> datetime:
    """The other way, to the microsecond."""
    return _EPOCH + timedelta(microseconds=ns // 1000)


@lru_cache(maxsize=16_384)
def text(ns: int) -> str:
    """2015-03-06T14:33:57+00:00."""
    return to_datetime(ns).isoformat()


def seconds(ns: int) -> float:
    return ns / NS


def words(ns: int | None) -> str | None:
    """A span as policies show it: 0:05:00, or "30 days, 0:00:00"."""
    return None if ns is None else str(timedelta(microseconds=ns // 1000))
