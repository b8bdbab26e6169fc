"""Headers that say when an answer was true, and that it must not be kept. Versions before 1.15 are not told.

Source: Placement API microversion history, 1.15.
"""

from __future__ import annotations

from datetime import datetime
from email.utils import format_datetime

from hanok.services.placement.room import Placement


def fresh(room: Placement, at: datetime | None = None) -> dict[str, str]:
    """The headers of an answer that holds what changed last at that time; None: what is worked out now."""
    changed = (at or room.clock.now()).replace(microsecond=0)
    return {"Cache-Control": "no-cache", "Last-Modified": format_datetime(changed, usegmt=True)}
