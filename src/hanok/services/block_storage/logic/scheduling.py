"""Where a volume goes: filters over all back ends, then the one with most room.

Source: Block Storage administration guide, "Scheduler filters" and "weights".
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from msgspec import Struct
from sqlalchemy import Row

from hanok.base.errors import BadInput, StepFailed
from hanok.base.ids import is_uuid
from hanok.base.spec_operators import is_true, unmet
from hanok.services.block_storage.logic import backends, volumes
from hanok.services.block_storage.room import Volumes
from hanok.store import Transaction
from hanok.web.token import Caller

HINTS = ("same_host", "different_host", "local_to_instance")
ZONES = "RESKEY:availability_zones"


class Request(Struct, frozen=True, kw_only=True):
    """What a volume asks of its back end.

    at: the only one that will do (where its snapshot is), "host@backend". but: one that will not. node: the only host.
    """

    size_gib: int
    zone: str
    specs: Mapping[str, str]
    hints: Mapping[str, Any]
    at: str = ""
    but: str = ""
    node: str = ""


async def check_hints(
    tx: Transaction, room: Volumes, caller: Caller, hints: Mapping[str, Any]
) -> dict[str, Any]:
    """Hints as they are kept.

    Raises:
        BadInput: one that nothing heeds, whose values are no ids, or that names what the caller does not see.
    """
    found: dict[str, Any] = {}
    for name, value in hints.items():
        if name not in HINTS:
            raise BadInput(f"Invalid scheduler hint: {name[:100]}.")
        ids = [value] if isinstance(value, str) else value
        if not isinstance(ids, list) or len(ids) > 100 or not all(map(is_uuid, ids)):
            raise BadInput(f"The scheduler hint {name} takes ids.")
        if name == "local_to_instance" and len(ids) != 1:
            raise BadInput("The scheduler hint local_to_instance takes the id of one server.")
        found[name] = ids
        for one in ids:
            if not await _sees(tx, room, caller, name, one):
                raise BadInput(
                    f"Invalid scheduler hint: {name} names {one}, which could not be found."
                )
    return found


async def _sees(tx: Transaction, room: Volumes, caller: Caller, hint: str, named: str) -> bool:
    """Whether there is what a hint names, and the caller sees it."""
    if hint == "local_to_instance":
        return room.servers is not None and await room.servers.server_visible(tx, caller, named)
    row = await volumes.get_any(tx, named)
    return row is not None and (caller.everywhere or row.project_id == caller.project_id)


async def place(tx: Transaction, room: Volumes, request: Request) -> tuple[str, str]:
    """Take a part of the best back end. Returns its host and name.

    Raises:
        StepFailed: none will do; the message says why.
    """
    left: list[Row[Any]] = []
    why: Counter[str] = Counter()
    rules = await _rules(tx, room, request)
    for row in await backends.backends(tx):
        reason = _unfit(row, room, request) or next(
            (text for text, fits in rules if not fits(row)), ""
        )
        if reason:
            why[reason] += 1
        else:
            left.append(row)
    for row in sorted(left, key=lambda one: (one.allocated_gib - one.capacity_gib, one.host)):
        if await backends.claim(tx, row.node, row.backend, request.size_gib):
            return row.node, row.backend
        why["lacks space"] += 1
    raise StepFailed(_said(why))


def no_place(why: str) -> StepFailed:
    return StepFailed(f"No valid back end was found. {why}")


def _said(why: Counter[str]) -> str:
    total = sum(why.values())
    if not total:
        return "No valid back end was found. No host has reported one."
    reasons = "; ".join(f"{number} {reason}" for reason, number in why.most_common())
    return f"No valid back end was found. {total} back end{'s' if total > 1 else ''}; {reasons}."


def _unfit(row: Row[Any], room: Volumes, request: Request) -> str:
    """Why a back end will not do; empty where it will."""
    if request.at and row.host != request.at:
        return "is not where its source is"
    if request.but and row.host == request.but:
        return "is where it is already"
    if request.node and row.node != request.node:
        return "is on another host"
    if row.disabled:
        return "is disabled"
    if row.frozen:
        return "is frozen"
    if not backends.is_ready(row, room):
        return "does not answer or does not work"
    zones = request.specs.get(ZONES)
    if row.zone != request.zone or (
        zones and row.zone not in [one.strip() for one in zones.split(",")]
    ):
        return f"is not in zone {request.zone}"
    if missing := wanting(row, request.specs):
        return f"lacks {missing[0]}"
    return ""


def wanting(row: Row[Any], specs: Mapping[str, str]) -> list[str]:
    """The extra specs that a back end does not satisfy."""
    state = backends.read_state(row)
    told = {
        "volume_backend_name": state.name,
        "driver": state.driver,
        "storage_protocol": "nbd",
        "vendor_name": "Hanok",
        "driver_version": "1.0",
        "free_capacity_gb": str(state.free_gib),
        "total_capacity_gb": str(state.total_gib),
        "reserved_percentage": str(state.reserved_percentage),
        **state.capabilities,
    }
    return unmet(told, {name: one for name, one in specs.items() if _asks(name, one)})


def _asks(name: str, value: str) -> bool:
    """Whether a spec asks anything of a back end: "multiattach" that is not true does not."""
    return name not in ("multiattach", "replication_enabled") or is_true(value)


async def _rules(tx: Transaction, room: Volumes, request: Request) -> Sequence[tuple[str, Any]]:
    """What hints ask: each a reason and a function of a back end's row."""
    found: list[tuple[str, Any]] = []
    same = await _places(tx, request.hints.get("same_host", ()))
    if request.hints.get("same_host"):
        found.append(("has not the volumes that it is to be with", lambda row: row.host in same))
    different = await _places(tx, request.hints.get("different_host", ()))
    if different:
        found.append(
            ("has volumes that it is to be apart from", lambda row: row.host not in different)
        )
    for server_id in request.hints.get("local_to_instance", ()):
        host = None if room.servers is None else await room.servers.host_of(tx, server_id)
        found.append(("is not on the server's host", lambda row, host=host: row.node == host))
    return found


async def _places(tx: Transaction, volume_ids: Sequence[str]) -> set[str]:
    """Where volumes are."""
    rows = [await volumes.get_any(tx, one) for one in volume_ids]
    return {backends.name_of(row.host, row.backend) for row in rows if row is not None and row.host}
