"""Measures as InfluxDB's and Prometheus' clients send them. What is sent is bounded before it is unpacked.

Source: InfluxDB's documentation, "Line protocol"; Prometheus' "Remote-Write 1.0 specification"; Google's "Protocol
buffers encoding" and Snappy's "format description".
"""

from __future__ import annotations

import math
import re
import struct
from collections.abc import Iterator, Mapping

from hanok.base.errors import BadInput, TooLarge
from hanok.services.metric.logic import shapes, times
from hanok.services.metric.logic.series import Points

UNPACKED = 8 << 20  # bytes of a request of Prometheus'
Named = dict[str, dict[str, Points]]
"""Measures by what a resource is called, then by the metric's name."""


# ---- InfluxDB ----

_COMMA, _EQUALS = re.compile(r"(?<!\\),"), re.compile(r"(?<!\\)=")
_NUMBER = re.compile(r"[-+]?(\d+(\.\d*)?|\.\d+)([eE][-+]?\d{1,3})?[iu]?")
_UNITS = {"n": 1, "ns": 1, "u": 1000, "us": 1000, "ms": 1_000_000, "s": times.NS}
_UNITS |= {"m": 60 * times.NS, "h": 3600 * times.NS}
_TRUTH = {"t": 1.0, "true": 1.0, "f": 0.0, "false": 0.0}


def precision(text: str) -> int:
    """Nanoseconds of a unit of timestamps.

    Raises:
        BadInput
    """
    if text not in _UNITS:
        raise BadInput(f"Unable to parse `precision': {text[:20]!r} is not one")
    return _UNITS[text]


def _plain(text: str) -> str:
    return re.sub(r"\\([,= ])", r"\1", text)


def _pairs(text: str) -> Iterator[tuple[str, str]]:
    for one in _COMMA.split(text):
        name, mark, value = one.partition("=")
        parts = _EQUALS.split(one, 1)
        if not mark or len(parts) != 2 or not name or not value:
            raise ValueError("no key and value")
        yield _plain(parts[0]), parts[1]


def _fields(text: str) -> Iterator[tuple[str, float]]:
    """The fields that are numbers; texts are no measures."""
    for name, value in _pairs(text):
        if value.lower() in _TRUTH:
            yield name, _TRUTH[value.lower()]
        elif _NUMBER.fullmatch(value):
            yield name, float(value.rstrip("iu"))
        elif value != '""':
            raise ValueError("a value is not a number")


def lines(text: str, tag: str, now: int, unit: int) -> Named:
    """
    Args:
        tag: which names the resource. now: the moment of lines without one. unit: nanoseconds.

    Raises:
        BadInput
    """
    found: Named = {}
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip() or line.startswith("#"):
            continue
        try:
            _line(found, line.strip(), tag, now, unit)
        except (ValueError, OverflowError):
            raise shapes.structured("Value error", f"Unable to parse line {number}", "line") from None  # fmt: skip
    return found


def _words(line: str) -> list[str]:
    """A line at its spaces, but for those that are escaped or in quotes; what is in quotes is left out."""
    if '"' not in line and "\\" not in line:
        return line.split(" ")
    words, word, quoted, escaped = [], [""], False, False
    for one in line:
        if one == '"' and not escaped:
            quoted = not quoted
        if one == " " and not quoted and not escaped:
            words.append("".join(word))
            word = []
        elif not quoted or (one == '"' and not escaped):
            word.append(one)
        escaped = one == "\\" and not escaped
    if quoted:
        raise ValueError("a quote is not closed")
    return [*words, "".join(word)]


def _line(found: Named, line: str, tag: str, now: int, unit: int) -> None:
    parts = _words(line)
    if len(parts) not in (2, 3):
        raise ValueError("no measurement with fields")
    at = now if len(parts) == 2 else int(parts[2]) * unit
    if not 0 <= at <= times.LATEST:
        raise ValueError("no moment")
    series = _COMMA.split(parts[0], 1)
    tags = {name: _plain(value) for name, value in _pairs(series[1])} if len(series) == 2 else {}
    if tag not in tags:
        raise shapes.structured("Value error", f"Unable to find key `{tag[:100]}' in tags", "key")
    resource = tags.pop(tag)
    more = "@" + ",".join(f"{name}={tags[name]}" for name in sorted(tags)) if tags else ""
    for field, value in _fields(parts[1]):
        metric = f"{_plain(series[0])}.{field}{more}".replace("/", "_")[:255]
        if math.isfinite(value):
            found.setdefault(resource, {}).setdefault(metric, []).append((at, value))


# ---- Prometheus ----


def _varint(raw: bytes, at: int) -> tuple[int, int]:
    number = shift = 0
    while True:
        byte = raw[at]
        number |= (byte & 127) << shift
        at, shift = at + 1, shift + 7
        if byte < 128:
            return number, at
        if shift > 63:
            raise ValueError("a number is too long")


def unsnapped(raw: bytes) -> bytes:
    """What Snappy's block format holds.

    Raises:
        BadInput, TooLarge
    """
    try:
        size, at = _varint(raw, 0)
        if size > UNPACKED:
            raise TooLarge("Request is too large.")
        made = bytearray()
        while at < len(raw):
            at = _element(raw, at, made, size)
    except (IndexError, ValueError):
        raise BadInput("The body is not compressed by Snappy.") from None
    if len(made) != size:
        raise BadInput("The body is not compressed by Snappy.")
    return bytes(made)


def _element(raw: bytes, at: int, made: bytearray, size: int) -> int:
    """One literal or copy; gives where the next begins."""
    tag = raw[at]
    at += 1
    if tag & 3 == 0:
        length = tag >> 2
        if length >= 60:
            wide = length - 59
            length = int.from_bytes(raw[at : at + wide], "little")
            at += wide
        length += 1
        if at + length > len(raw) or len(made) + length > size:
            raise ValueError("a literal is too long")
        made += raw[at : at + length]
        return at + length
    if tag & 3 == 1:
        length, offset = (tag >> 2 & 7) + 4, (tag >> 5) << 8 | raw[at]
        at += 1
    else:
        wide = 2 if tag & 3 == 2 else 4
        length, offset = (tag >> 2) + 1, int.from_bytes(raw[at : at + wide], "little")
        at += wide
    if not 0 < offset <= len(made) or len(made) + length > size:
        raise ValueError("a copy refers to data that is not there")
    for _ in range(length):
        made.append(made[-offset])
    return at


def _parts(raw: bytes) -> Iterator[tuple[int, bytes | int]]:
    """The fields of a message: number and value."""
    at = 0
    while at < len(raw):
        key, at = _varint(raw, at)
        kind = key & 7
        if kind == 0:
            value, at = _varint(raw, at)
            yield key >> 3, value
            continue
        if kind == 2:
            length, at = _varint(raw, at)
        elif kind in (1, 5):
            length = 8 if kind == 1 else 4
        else:
            raise ValueError("an unknown kind of field")
        if at + length > len(raw):
            raise ValueError("a field is cut off")
        yield key >> 3, raw[at : at + length]
        at += length


def _labels(raw: bytes) -> dict[int, str]:
    return {number: value.decode() for number, value in _parts(raw) if isinstance(value, bytes)}


def _sample(raw: bytes) -> tuple[int, float]:
    found: Mapping[int, bytes | int] = dict(_parts(raw))
    value, at = found.get(1, bytes(8)), found.get(2, 0)
    if not isinstance(value, bytes) or not isinstance(at, int):
        raise ValueError("no sample")
    if not 0 <= at * 1_000_000 <= times.LATEST:
        raise ValueError("no moment")
    return at * 1_000_000, float(struct.unpack("<d", value)[0])


def written(raw: bytes) -> dict[tuple[str, str], dict[str, Points]]:
    """Measures of a remote write by job and instance, then by the metric's name.

    Raises:
        BadInput
    """
    found: dict[tuple[str, str], dict[str, Points]] = {}
    try:
        for number, one in _parts(raw):
            if number == 1 and isinstance(one, bytes):
                _series(one, found)
    except (IndexError, ValueError, UnicodeDecodeError, struct.error):
        raise BadInput("The body is not a write request of Prometheus.") from None
    return found


def _series(raw: bytes, found: dict[tuple[str, str], dict[str, Points]]) -> None:
    labels: dict[str, str] = {}
    points: Points = []
    for number, one in _parts(raw):
        if number == 1 and isinstance(one, bytes):
            pair = _labels(one)
            labels[pair.get(1, "")] = pair.get(2, "")
        elif number == 2 and isinstance(one, bytes):
            points.append(_sample(one))
    points = [one for one in points if math.isfinite(one[1])]
    if points and "__name__" in labels:
        whose = (labels.get("job", "none")[:255], labels.get("instance", "none")[:255])
        name = labels["__name__"].replace("/", "_")[:255]
        found.setdefault(whose, {}).setdefault(name, []).extend(points)
