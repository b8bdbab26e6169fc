"""What a guest is held to on its host: processor time, what goes through its disks and interfaces."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

Limited = Literal["cpu", "disk", "inbound"]
"""A kind of limit, that a host can hold guests to or not."""


class DiskRate(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Most bytes and requests a second, of each disk that is the guest's own; 0 for no limit."""

    total_bytes: int = 0
    read_bytes: int = 0
    write_bytes: int = 0
    total_requests: int = 0
    read_requests: int = 0
    write_requests: int = 0


class NICRate(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Most kilobytes a second of each interface, and for how many kilobytes at once the peak holds; 0: not said."""

    average_kb: int = 0
    peak_kb: int = 0
    burst_kb: int = 0


class Limits(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """All limits of a guest.

    cpu_shares: its weight among guests, 1024 for each processor of one that is not told; 0: not said.
    cpu_quota_us: how long each of its processors runs in cpu_period_us at most; 0: as long as it likes.
    inbound: what the guest receives.
    """

    cpu_shares: int = 0
    cpu_period_us: int = 0
    cpu_quota_us: int = 0
    disk: DiskRate = DiskRate()
    inbound: NICRate = NICRate()

    def kinds(self) -> frozenset[Limited]:
        """What a host has to be able to do for it."""
        found: set[Limited] = set()
        if self.cpu_shares or self.cpu_quota_us:
            found.add("cpu")
        if self.disk != DiskRate():
            found.add("disk")
        if self.inbound != NICRate():
            found.add("inbound")
        return frozenset(found)
