"""What was measured, in the forms in which others read it.

A sample is one value of one meter, as Ceilometer publishes it. Prometheus gets the same with the names and labels that
dashboards and alarms on Ceilometer's meters know: `ceilometer_cpu{resource="…", project="…"}`.

Source: Ceilometer's documentation, "Measurements" (samples); Prometheus' "Exposition formats" and "Remote-Write 1.0
specification"; Google's "Protocol buffers encoding" and Snappy's "format description".
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec
from msgspec import Struct

from hanok.base.ids import new_uuid
from hanok.base.metering import RATED, Metered

LONGEST = 1024  # characters of a label


class Sample(Struct, frozen=True):
    name: str
    value: float
    unit: str
    grows: bool
    thing: Metered
    at: datetime


def of_thing(thing: Metered, at: datetime) -> list[Sample]:
    """All that was measured of a thing."""
    return [
        Sample(name, float(one.value), one.unit, one.policy == RATED, thing, at)
        for name, one in thing.meters.items()
    ]


def plain(one: Sample) -> dict[str, Any]:
    """A sample as it is published."""
    return {
        "source": "openstack",
        "counter_name": one.name,
        "counter_type": "cumulative" if one.grows else "gauge",
        "counter_unit": one.unit,
        "counter_volume": one.value,
        "user_id": one.thing.user_id,
        "project_id": one.thing.project_id,
        "resource_id": one.thing.name,
        "timestamp": one.at.isoformat(),
        "resource_metadata": dict(one.thing.attributes),
        "message_id": new_uuid(),
        "monotonic_time": None,
    }


def encoded(some: Any) -> bytes:
    return msgspec.json.encode(some)


# ---- Prometheus ----

_ODD = re.compile(r"[^a-zA-Z0-9_]")


def series_name(meter: str) -> str:
    """A meter's name, as Prometheus takes it."""
    return f"ceilometer_{_ODD.sub('_', meter)}"


def labels(one: Sample) -> dict[str, str]:
    """By what Prometheus tells a sample from others; in order."""
    thing = one.thing
    found: dict[str, Any] = {
        "counter": one.name,
        "project": thing.project_id,
        "publisher": "hanok",
        "resource": thing.name,
        "resource_name": thing.attributes.get("display_name") or thing.attributes.get("name"),
        "type": one.name.partition(".")[0],
        "unit": one.unit,
        "user": thing.user_id,
        "vm_instance": thing.attributes.get("instance_id")
        or (thing.name if thing.kind == "instance" else None),
    }
    found |= {name: thing.attributes.get(name) for name in ("host", "flavor_name", "server_group")}
    shown = {name: str(value)[:LONGEST] for name, value in found.items() if value}
    return dict(sorted(shown.items()))


def _quoted(text: str) -> str:
    return text.replace("\\", r"\\").replace("\n", r"\n").replace('"', r"\"")


def line(one: Sample, *, timed: bool) -> str:
    """A sample in Prometheus' text format. timed: with its moment; a push gateway takes none."""
    said = ",".join(f'{name}="{_quoted(value)}"' for name, value in labels(one).items())
    moment = f" {milliseconds(one.at)}" if timed else ""
    return f"{series_name(one.name)}{{{said}}} {one.value!r}{moment}"


def milliseconds(at: datetime) -> int:
    return round(at.timestamp() * 1000)


def text(some: Iterable[tuple[str, bool, Sequence[str]]]) -> str:
    """A page of meters: name of the series, whether it only grows, lines."""
    return "".join(
        f"# TYPE {name} {'counter' if grows else 'gauge'}\n" + "".join(f"{one}\n" for one in lines)
        for name, grows, lines in some
    )


def exposed(some: Iterable[Sample], *, timed: bool) -> str:
    """Samples as a page, the lines of each meter together."""
    by_name: dict[str, tuple[bool, list[str]]] = {}
    for one in some:
        by_name.setdefault(series_name(one.name), (one.grows, []))[1].append(line(one, timed=timed))
    return text((name, grows, lines) for name, (grows, lines) in sorted(by_name.items()))


def _varint(number: int) -> bytes:
    made = bytearray()
    while number > 127:
        made.append(number & 127 | 128)
        number >>= 7
    return bytes((*made, number))


def _field(number: int, content: bytes) -> bytes:
    return _varint(number << 3 | 2) + _varint(len(content)) + content


def written(some: Iterable[Sample]) -> bytes:
    """Samples as a remote write, not compressed yet."""
    made = []
    for one in some:
        pairs: Mapping[str, str] = {"__name__": series_name(one.name), **labels(one)}
        series = b"".join(
            _field(1, _field(1, name.encode()) + _field(2, value.encode()))
            for name, value in pairs.items()
        )
        point = b"\x09" + struct.pack("<d", one.value) + b"\x10" + _varint(milliseconds(one.at))
        made.append(_field(1, series + _field(2, point)))
    return b"".join(made)


def snapped(raw: bytes) -> bytes:
    """Bytes in Snappy's block format: as they are, in literals."""
    made = [_varint(len(raw))]
    for start in range(0, len(raw), 1 << 16):
        piece = raw[start : start + (1 << 16)]
        made += [b"\xf4" + (len(piece) - 1).to_bytes(2, "little"), piece]
    return b"".join(made)
