"""Logs of all parts as lines: ours (JSON), those of Open vSwitch and OVN, of NATS, and of anybody else."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

READ_BYTES = 4 << 20  # of each part's end: older lines are in <part>.log.1
LEVELS = ("debug", "info", "warning", "error")
_OVS = re.compile(r"(\d{4}-\d\d-\d\dT[\d:.]+)Z\|\d+\|([^|]*)\|([A-Z]+)\|(.*)")
_NATS = re.compile(r"\[\d+\] (\d{4}/\d\d/\d\d [\d:.]+) \[([A-Z]{3})\] (.*)")
_LEVELS = {"WRN": "warning", "ERR": "error", "FTL": "error", "INF": "info", "WARN": "warning",
           "EMER": "error", "DBG": "debug"}  # fmt: skip


@dataclass
class Line:
    """A line of a log. at: ISO 8601, UTC."""

    at: str
    part: str
    level: str
    message: str
    request_id: str = ""
    error: str = ""

    def counts(self, level: str, request: str) -> bool:
        """Whether it is of at least this level, and of this request ("": of any)."""
        if self.level in LEVELS and LEVELS.index(self.level) < LEVELS.index(level):
            return False
        return not request or request in (self.request_id, f"req-{self.request_id}")


def parts_in(folder: Path) -> dict[str, Path]:
    """The logs of a cloud's parts, by part."""
    return {path.stem: path for path in sorted(folder.glob("*.log"))}


class Reader:
    """One part's log: what was written since the last look. It may be cut short in between."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._at = max(0, _size(path) - READ_BYTES)
        self._last = ""

    def new(self) -> Iterator[Line]:
        size = _size(self.path)
        if size < self._at:
            self._at = 0
        if size == self._at:
            return
        with open(self.path, "rb") as file:
            file.seek(self._at)
            data = file.read(size - self._at)
        whole = data.rpartition(b"\n")[0]
        if not whole:
            return
        self._at += len(whole) + 1
        for text in whole.decode(errors="replace").splitlines():
            if text.strip():
                yield self._line(text)

    def _line(self, text: str) -> Line:
        line = parse(text, self.path.stem)
        # A line without a time (a traceback) belongs to the one before it.
        line.at = self._last = line.at or self._last
        return line


def parse(text: str, part: str) -> Line:
    """A line of ours (JSON), of Open vSwitch and OVN, of NATS, or of anybody else."""
    if text.startswith("{"):
        try:
            entry = json.loads(text)
        except ValueError:
            entry = None
        if isinstance(entry, dict):
            return Line(
                at=str(entry.get("at", "")),
                part=part,
                level=str(entry.get("level", "")),
                message=str(entry.get("message", "")),
                request_id=str(entry.get("request_id", "")),
                error=str(entry.get("error", "")),
            )
    if found := _OVS.match(text):
        at, module, level, message = found.groups()
        return Line(at, part, _LEVELS.get(level, level.lower()), f"{module}: {message}")
    if found := _NATS.match(text):
        at, level, message = found.groups()
        moment = datetime.strptime(at, "%Y/%m/%d %H:%M:%S.%f").astimezone(UTC)
        stamp = moment.isoformat(timespec="milliseconds")
        return Line(stamp, part, _LEVELS.get(level, "info"), message)
    return Line("", part, "", text)


def _size(path: Path) -> int:
    try:
        return os.stat(path).st_size
    except FileNotFoundError:
        return 0
