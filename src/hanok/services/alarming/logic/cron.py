"""Times of the week at which alarms are looked at: when they begin, as cron has it, and for how long.

Source: crontab(5); Aodh's REST API reference, "Time constraints".
"""

from __future__ import annotations

from datetime import datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

_BOUNDS = ((0, 59), (0, 23), (1, 31), (1, 12), (0, 7))
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_DAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
LONGEST_S = 366 * 86_400


class Wrong(ValueError):
    """It is no expression of cron's."""


class Cron:
    """When something begins: minutes, hours, days, months, days of the week."""

    def __init__(self, text: str) -> None:
        """
        Raises:
            Wrong
        """
        parts = text.lower().split()
        if len(parts) != 5 or len(text) > 200:
            raise Wrong("Exactly 5 columns have to be specified for iterator expression.")
        self.minutes, self.hours, self.days, self.months, week = (
            _set(part, place) for place, part in enumerate(parts)
        )
        self.week = {one % 7 for one in week}
        self._any_day, self._any_week = parts[2].startswith("*"), parts[4].startswith("*")

    def _begins_on(self, day: datetime) -> bool:
        if day.month not in self.months:
            return False
        of_month, of_week = day.day in self.days, day.isoweekday() % 7 in self.week
        if self._any_day or self._any_week:
            return of_month and of_week
        return of_month or of_week

    def covers(self, now: datetime, seconds: int) -> bool:
        """Whether it began within so many seconds before this time, in this time's zone."""
        seconds = min(seconds, LONGEST_S)
        first = now - timedelta(seconds=seconds)
        day = now
        while day.date() >= first.date():
            if self._begins_on(day) and self._in_day(day, first, now):
                return True
            day -= timedelta(days=1)
        return False

    def _in_day(self, day: datetime, first: datetime, now: datetime) -> bool:
        for hour in self.hours:
            for minute in self.minutes:
                begin = day.replace(hour=hour, minute=minute, second=0, microsecond=0)
                if first < begin <= now:
                    return True
        return False


def _set(part: str, place: int) -> set[int]:
    low, high = _BOUNDS[place]
    found: set[int] = set()
    for one in part.split(","):
        span, _, step = one.partition("/")
        if step and not (step.isdecimal() and 0 < int(step[:4]) <= high):
            raise Wrong(f"[{part[:50]}] is not acceptable")
        if span == "*":
            begin, end = low, high
        else:
            first, dash, last = span.partition("-")
            begin = _value(first, place, part)
            end = _value(last, place, part) if dash else (high if step else begin)
        if not low <= begin <= end <= high:
            raise Wrong(f"[{part[:50]}] is not acceptable, out of range")
        found |= set(range(begin, end + 1, int(step) if step else 1))
    return found


def _value(text: str, place: int, part: str) -> int:
    names = {3: dict(zip(_MONTHS, range(1, 13), strict=True)), 4: dict(zip(_DAYS, range(7), strict=True))}  # fmt: skip
    if text in names.get(place, {}):
        return names[place][text]
    if not text.isdecimal() or len(text) > 2:
        raise Wrong(f"[{part[:50]}] is not acceptable")
    return int(text)


@lru_cache(maxsize=256)
def cron(text: str) -> Cron:
    """
    Raises:
        Wrong
    """
    return Cron(text)


def covers(start: str, duration_s: int, zone: str, now: datetime) -> bool:
    """Whether a time is within one of the spans that begin so."""
    return cron(start).covers(now.astimezone(ZoneInfo(zone or "UTC")), duration_s)
