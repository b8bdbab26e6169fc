"""What a host did not say while nobody listened is no silence of its own."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hanok.base.absence import Absence

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def seconds(number: int) -> timedelta:
    return timedelta(seconds=number)


def test_only_what_was_listened_for_counts() -> None:
    absence = Absence()
    assert absence.silence("host-1", NOW - seconds(630), NOW) == seconds(630)
    absence.ends(NOW - seconds(5))
    assert absence.silence("host-1", NOW - seconds(630), NOW) == seconds(5)
    assert absence.silence("host-1", NOW - seconds(3), NOW) == seconds(3)


def test_who_was_asked_is_silent_until_the_next_absence() -> None:
    absence = Absence()
    absence.ends(NOW - seconds(5))
    absence.over_for("host-1")
    assert absence.silence("host-1", NOW - seconds(630), NOW) == seconds(630)
    assert absence.silence("host-2", NOW - seconds(630), NOW) == seconds(5)
    absence.ends(NOW)
    assert absence.silence("host-1", NOW - seconds(630), NOW) == seconds(0)
