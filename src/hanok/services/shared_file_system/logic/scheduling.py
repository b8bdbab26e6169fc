"""Where a share goes: filters over all back ends, then the one with most room.

Source: Shared File Systems administrator guide, "Share types", "Scheduling".
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from msgspec import Struct
from sqlalchemy import Row

from hanok.base.errors import StepFailed
from hanok.services.shared_file_system.logic import backends
from hanok.services.shared_file_system.room import Shares
from hanok.store import Transaction

ZONE, CAPABILITIES, CAPACITY, READY, REPLICATION, HINTS = "007", "008", "009", "028", "014", "012"

NO_PLACE = "No storage could be allocated for this share request."


class NoPlace(StepFailed):
    """No back end will do. detail_id: the number by which messages to users say which filter left none."""

    def __init__(self, why: str, detail_id: str) -> None:
        super().__init__(f"{NO_PLACE} {why}")
        self.detail_id = detail_id


class Request(Struct, frozen=True, kw_only=True):
    """What a share asks of its back end.

    zones: that it may be in; none: any. at: the only one that will do, "host@backend"; but: those that will not.
    same, apart: where the shares are that it is to be with, or not to be with; None: it does not ask.
    """

    size_gib: int
    extra: Mapping[str, str]
    zones: Sequence[str] = ()
    at: str = ""
    but: Sequence[str] = ()
    same: Sequence[str] | None = None
    apart: Sequence[str] = ()


async def place(tx: Transaction, room: Shares, request: Request) -> Row[Any]:
    """Take a part of the best back end. Returns its row.

    Raises:
        NoPlace: none will do; the message says why.
    """
    left: list[Row[Any]] = []
    why: Counter[str] = Counter()
    last = READY
    for row in await backends.backends(tx):
        reason, detail = unfit(row, room, request)
        if reason:
            why[reason] += 1
            last = max(last, detail, key=_ORDER.index)
        else:
            left.append(row)
    for row in sorted(left, key=lambda one: (one.allocated_gib - one.capacity_gib, one.host)):
        if await backends.claim(tx, row.node, row.backend, request.size_gib):
            return row
        why["lacks space"] += 1
        last = CAPACITY
    raise NoPlace(_said(why), last)


# The filters in the order in which they are asked.
_ORDER = (READY, HINTS, ZONE, CAPABILITIES, REPLICATION, CAPACITY)


def _said(why: Counter[str]) -> str:
    total = sum(why.values())
    if not total:
        return "No host has reported a back end."
    reasons = "; ".join(f"{number} {reason}" for reason, number in why.most_common())
    return f"{total} back end{'s' if total > 1 else ''}; {reasons}."


def unfit(row: Row[Any], room: Shares, request: Request) -> tuple[str, str]:
    """Why a back end will not do, and the filter that says so; empty where it will."""
    if not backends.is_ready(row, room):
        return "does not answer or does not work", READY
    if row.disabled:
        return "is disabled", READY
    if request.at and row.host != request.at:
        return "is not where it has to be", HINTS
    if row.host in request.but:
        return "is where it is already", HINTS
    if request.same is not None and row.host not in request.same:
        return "has not the shares that it is to be with", HINTS
    if row.host in request.apart:
        return "has shares that it is to be apart from", HINTS
    if request.zones and row.zone not in request.zones:
        return f"is not in zone {' or '.join(request.zones)}", ZONE
    if missing := backends.wanting(row, request.extra):
        return f"lacks {missing[0]}", CAPABILITIES
    return "", ""


async def why_none(tx: Transaction, room: Shares, request: Request) -> str:
    """The number of the filter that leaves no back end; the one of space where all would do."""
    last = READY
    for row in await backends.backends(tx):
        reason, detail = unfit(row, room, request)
        last = max(last, detail if reason else CAPACITY, key=_ORDER.index)
    return last
