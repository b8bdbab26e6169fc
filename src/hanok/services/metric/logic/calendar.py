"""Aggregates made coarser: by a span, or by the weeks, months, quarters, halves and years of the calendar.

Source: Gnocchi's REST API reference, "Resample".
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from hanok.services.metric.logic import series, shapes, times
from hanok.services.metric.logic.series import Points

Resampling = int | str
MONTHS = {"Y": 12, "A": 12, "H": 6, "Q": 3, "M": 1}


def resampling(text: str) -> Resampling:
    """A span, or a letter of the calendar's.

    Raises:
        BadInput
    """
    if text in MONTHS or text == "W":
        return text
    try:
        return times.span(text)
    except ValueError as error:
        raise shapes.structured("Argument value error", str(error), "resample") from None


def _begin(at: int, how: Resampling) -> int:
    """Where the part of the calendar begins that a moment is in."""
    if isinstance(how, int):
        return at // how * how
    day = times.to_datetime(at).replace(hour=0, minute=0, second=0, microsecond=0)
    if how == "W":
        return times.of_datetime(day - timedelta(days=(day.weekday() + 1) % 7))
    months = MONTHS[how]
    first: datetime = day.replace(month=(day.month - 1) // months * months + 1, day=1)
    return times.of_datetime(first)


def resampled(points: Points, method: str, how: Resampling) -> list[list[Any]]:
    """Lines of an answer."""
    parts: dict[int, list[float]] = {}
    for at, value in points:
        parts.setdefault(_begin(at, how), []).append(value)
    size = times.seconds(how) if isinstance(how, int) else how
    made = ((at, series.aggregate(method, values)) for at, values in parts.items())
    return [[times.text(at), size, value] for at, value in made if value is not None]
