"""Times in which nobody listened to hosts.

A host that says nothing counts as down after a while. While a service did not run, hosts spoke and nobody heard them:
that time is no silence of theirs. So right after a start a host is what its row says, however old its last word is,
until it has been heard of or asked.
"""

from __future__ import annotations

from datetime import datetime, timedelta


class Absence:
    """The last time in which a service did not listen, in one process; none at first."""

    def __init__(self) -> None:
        self._until: datetime | None = None
        self._over_for: set[str] = set()

    def ends(self, now: datetime) -> None:
        """From now on hosts are heard."""
        self._until = now
        self._over_for.clear()

    def over_for(self, host: str) -> None:
        """It was asked after the absence: all that it did not say, then or before, counts against it."""
        self._over_for.add(host)

    def silence(self, host: str, heard_at: datetime, now: datetime) -> timedelta:
        """How long a host, heard of at a moment, has said nothing while somebody listened."""
        if self._until is None or host in self._over_for:
            return now - heard_at
        return now - max(heard_at, self._until)
