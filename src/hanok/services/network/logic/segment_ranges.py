"""Ranges of segments: which numbers new networks get, of tunnels or of VLANs.

A project's own ranges are used up before those that are for all, and nobody else's networks get numbers of them. The
default ranges are the house's: all that there are.

Source: Networking API v2.0 reference, "Network Segment Ranges".
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from itertools import islice
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Row, bindparam

from hanok.base.errors import BadInput
from hanok.services.network.logic.errors import conflict, invalid_operation
from hanok.services.network.logic.reach import (
    Reach,
    change,
    project_of,
    set_tags,
    shown,
    standard,
    tags_of,
)
from hanok.services.network.room import Network
from hanok.services.network.tables import networks, segment_ranges
from hanok.store import Transaction

_NAMESPACE = uuid.UUID("7f1d4a52-57a5-4c1e-9a0e-0a3f0f8b9a22")
HIGHEST = {"geneve": 16_777_215, "vlan": 4094}
MAXIMUM_SHOWN = 1000  # of the numbers of a range that are free

Span = tuple[int, int]  # the first and the last

_all = sa.select(segment_ranges).where(
    segment_ranges.c.network_type == bindparam("type"), segment_ranges.c.default.is_(False)
)
_used = (
    sa.select(networks.c.segmentation_id, networks.c.project_id)
    .where(
        networks.c.network_type == bindparam("type"),
        sa.func.coalesce(networks.c.physical_network, "") == bindparam("physical"),
        networks.c.segmentation_id.between(bindparam("first"), bindparam("last")),
    )
    .order_by(networks.c.segmentation_id)
)
_there = sa.select(segment_ranges.c.id).where(
    segment_ranges.c.id.in_(bindparam("ids", expanding=True))
)


async def ensure_default(tx: Transaction, room: Network, now: datetime) -> None:
    """The ranges that are the house's, made once."""
    physical = room.settings.physical_network
    desired = {
        str(uuid.uuid5(_NAMESPACE, f"{type_}@{where}")): (type_, where)
        for type_, where in (("geneve", None), ("vlan", physical))
    }
    there = set(await tx.scalars(_there, {"ids": list(desired)}))
    for range_id, (type_, where) in desired.items():
        if range_id not in there:
            row = {
                **standard({}, "", now),
                "id": range_id,
                "default": True,
                "shared": True,
                "network_type": type_,
                "physical_network": where,
                "minimum": 1,
                "maximum": HIGHEST[type_],
            }
            await tx.insert(segment_ranges, row)


# ---- looking ----


async def _taken(tx: Transaction, row: Mapping[str, Any], span: Span) -> Sequence[Row[Any]]:
    where = {"type": row["network_type"], "physical": row["physical_network"] or ""}
    return await tx.all(_used, {**where, "first": span[0], "last": span[1]})


def _free(taken: Iterable[int], span: Span) -> Iterable[int]:
    """The numbers of a span that nobody has, from the lowest up."""
    others = set(taken)
    return (number for number in range(span[0], span[1] + 1) if number not in others)


async def show(tx: Transaction, rows: Sequence[Row[Any]]) -> list[dict[str, Any]]:
    their_tags = await tags_of(tx, [row.id for row in rows])
    found = []
    for row in rows:
        span = row.minimum, row.maximum
        used = await _taken(tx, row._mapping, span)  # type: ignore[arg-type]
        free = _free((one.segmentation_id for one in used), span)
        names = ("default", "shared", "network_type", "physical_network", "minimum", "maximum")
        owner = row.project_id or None
        found.append(
            {
                **shown(row, their_tags[row.id]),
                "project_id": owner,
                "tenant_id": owner,
                **{name: row._mapping[name] for name in names},
                "used": {str(one.segmentation_id): one.project_id for one in used[:MAXIMUM_SHOWN]},
                "available": list(islice(free, MAXIMUM_SHOWN)),
            }
        )
    return found


# ---- changing ----


async def create(tx: Transaction, room: Network, reach: Reach, values: Mapping[str, Any]) -> str:
    """Write a range.

    Raises:
        BadInput; Conflict: it overlaps with another one.
    """
    await tx.serialize("network.segments")
    if values["shared"] and isinstance(values.get("project_id"), str):
        raise BadInput("A shared network segment range cannot belong to a project.")
    names = ("shared", "network_type", "physical_network", "minimum", "maximum")
    row = {
        **standard(values, "" if values["shared"] else project_of(values, reach), room.clock.now()),
        **{name: values[name] for name in names},
        "default": False,
    }
    _sensible(room, row)
    await _apart(tx, row)
    await tx.insert(segment_ranges, row)
    await set_tags(tx, row["id"], values.get("tags", ()))
    return str(row["id"])


def _sensible(room: Network, row: Mapping[str, Any]) -> None:
    physical, type_ = row["physical_network"], row["network_type"]
    if type_ == "vlan" and physical != room.settings.physical_network:
        raise invalid_operation(f"physical_network '{physical}' unknown for {type_} segments")
    if type_ == "geneve" and physical is not None:
        raise invalid_operation(f"physical_network cannot be specified for {type_} segments")
    if not 1 <= row["minimum"] <= row["maximum"] <= HIGHEST[type_]:
        raise invalid_operation(
            f"a range of {type_} segments is from 1 up to {HIGHEST[type_]}, the minimum not above "
            "the maximum"
        )


async def _apart(tx: Transaction, row: Mapping[str, Any]) -> None:
    for other in await tx.all(_all, {"type": row["network_type"]}):
        if (
            other.id != row["id"]
            and other.physical_network == row["physical_network"]
            and other.minimum <= row["maximum"]
            and row["minimum"] <= other.maximum
        ):
            raise conflict(
                "NetworkSegmentRangeOverlaps",
                f"Network segment range {row['minimum']}-{row['maximum']} overlaps with range "
                f"{other.id}.",
            )


def _own(row: Row[Any]) -> None:
    """Raises BadInput for a range that is the house's."""
    if row.default:
        raise BadInput(
            f"Network segment range {row.id} is a default range, which cannot be changed.",
            code="NetworkSegmentRangeDefaultReadOnly",
        )


async def update(
    tx: Transaction, room: Network, reach: Reach, row: Row[Any], values: Mapping[str, Any]
) -> None:
    """Change a range.

    Raises:
        BadInput; Conflict: it overlaps, or networks have numbers that it would lose.
    """
    _own(row)
    await tx.serialize("network.segments")
    after = {**row._mapping, **values}
    _sensible(room, after)
    await _apart(tx, after)
    used = await _taken(tx, row._mapping, (row.minimum, row.maximum))  # type: ignore[arg-type]
    if any(not after["minimum"] <= one.segmentation_id <= after["maximum"] for one in used):
        raise _referenced(row)
    await change(tx, segment_ranges, row.id, room.clock.now(), values)


async def delete(tx: Transaction, room: Network, reach: Reach, row: Row[Any]) -> None:
    """Remove a range.

    Raises:
        BadInput; Conflict: networks have numbers of it.
    """
    _own(row)
    await tx.serialize("network.segments")
    if await _taken(tx, row._mapping, (row.minimum, row.maximum)):  # type: ignore[arg-type]
        raise _referenced(row)
    await set_tags(tx, row.id, ())
    await tx.execute(segment_ranges.delete().where(segment_ranges.c.id == row.id))


def _referenced(row: Row[Any]) -> Exception:
    return conflict(
        "NetworkSegmentRangeReferencedByProject",
        f"Network Segment Range {row.id} is referenced by one or more tenant networks.",
    )


# ---- numbers for networks ----


async def number_for(
    tx: Transaction, project_id: str, type_: str, physical: str | None
) -> int | None:
    """A number that a new network of a project gets: of its own ranges, of those for all, of the rest.

    None where there are no ranges but the house's for tunnels.

    Whoever asks holds what is held for all numbers.

    Raises:
        Conflict: none is left.
    """
    ranges = [
        one for one in await tx.all(_all, {"type": type_}) if one.physical_network == physical
    ]
    if not ranges and type_ == "geneve":
        return None
    mine = [one for one in ranges if not one.shared and one.project_id == project_id]
    shared = [one for one in ranges if one.shared]
    spans = [(one.minimum, one.maximum) for one in (*mine, *shared)]
    said = [(one.minimum, one.maximum) for one in ranges]
    whole = {"network_type": type_, "physical_network": physical}
    for span in [*spans, *_outside((1, HIGHEST[type_]), said)]:
        taken = [one.segmentation_id for one in await _taken(tx, whole, span)]
        for number in _free(taken, span):
            return number
    raise conflict(
        "NoNetworkAvailable",
        "Unable to create the network. No tenant network is available for allocation.",
    )


def _outside(whole: Span, others: Sequence[Span]) -> list[Span]:
    """What is left of a span without those that lie in it, which are apart."""
    found, first = [], whole[0]
    for start, end in sorted(others):
        if first < start:
            found.append((first, start - 1))
        first = end + 1
    if first <= whole[1]:
        found.append((first, whole[1]))
    return found
