"""What services say of the things that they have: who and what each is, and what was measured of it.

Source: Ceilometer's documentation, "Measurements" (meters and their units).
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from msgspec import Struct, field

RATED = "ceilometer-low-rate"  # the archive policy of what only grows: a counter


class Meter(Struct, frozen=True):
    """A value of one moment. policy: the archive policy; empty: the usual one."""

    value: float
    unit: str
    policy: str = ""


class Metered(Struct, frozen=True, kw_only=True):
    """A thing. kind: the type of the resource in metric; name: what it is called there, an id or more.

    attributes: of its type. meters: by name.
    """

    kind: str
    name: str
    project_id: str | None
    user_id: str | None
    started_at: datetime | None = None
    attributes: Mapping[str, Any] = field(default_factory=dict)
    meters: Mapping[str, Meter] = field(default_factory=dict)


def counter(value: float, unit: str) -> Meter:
    """A value that only grows."""
    return Meter(float(value), unit, RATED)
