"""`hanok logs`: what all parts wrote, in one place and in order."""

from __future__ import annotations

import argparse
import json
import os
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from hanok.cli.main import as_json, state_dir
from hanok.cli.output import Failure, say
from hanok.cli.place import cloud_of, needs_root

LOOK_S = 0.2
READ_BYTES = 4 << 20  # of each part's end: older lines are in <part>.log.1
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


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("part", nargs="?", help="control, node, supervisor, ovn-northd, …")
    parser.add_argument("-f", "--follow", action="store_true", help="go on as lines come")
    parser.add_argument(
        "-n", "--lines", type=int, default=200, metavar="N", help="the last N (200)"
    )
    parser.add_argument("--request", metavar="ID", help="only what belongs to this request")
    parser.add_argument(
        "--level", choices=["debug", "info", "warning", "error"], default="debug", help="at least"
    )
    state_dir(parser)
    as_json(parser)


def run(args: argparse.Namespace) -> int:
    cloud = cloud_of(args)
    needs_root(cloud, "hanok logs")
    paths = {path.stem: path for path in sorted(cloud.logs.glob("*.log"))}
    if args.part and args.part not in paths:
        raise Failure(f"no part {args.part!r} has a log; there are: {', '.join(paths) or 'none'}")
    readers = [Reader(path) for part, path in paths.items() if args.part in (None, part)]
    lines = sorted((line for reader in readers for line in reader.new()), key=lambda one: one.at)
    for line in [line for line in lines if _wanted(line, args)][-args.lines :]:
        show(line, args)
    while args.follow:
        time.sleep(LOOK_S)
        for line in sorted((one for r in readers for one in r.new()), key=lambda one: one.at):
            if _wanted(line, args):
                show(line, args)
    return 0


def _wanted(line: Line, args: argparse.Namespace) -> bool:
    order = ["debug", "info", "warning", "error"]
    if line.level in order and order.index(line.level) < order.index(args.level):
        return False
    return not args.request or args.request in (line.request_id, f"req-{line.request_id}")


def show(line: Line, args: argparse.Namespace) -> None:
    if args.json:
        found = {name: value for name, value in vars(line).items() if value}
        say(json.dumps(found, ensure_ascii=False))
        return
    mark = f"  [{line.request_id}]" if line.request_id else ""
    say(f"{line.at[:23].replace('T', ' ')}  {line.part:<14} {line.level:<7}  {line.message}{mark}")
    if line.error:
        say("\n".join(f"    {row}" for row in line.error.splitlines()))


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
