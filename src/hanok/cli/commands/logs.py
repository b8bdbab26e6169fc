"""`hanok logs`: what all parts wrote, in one place and in order; of this machine, or of all machines of the cloud."""

from __future__ import annotations

import argparse
import json
import time
from typing import Any
from urllib.parse import quote, urlencode

import msgspec

from hanok.base.log_files import LEVELS, Line, Reader, parts_in
from hanok.cli import api
from hanok.cli.main import as_json, state_dir
from hanok.cli.output import Failure, say, warn
from hanok.cli.place import cloud_of, needs_root
from hanok.commands.machines import LINES
from hanok.supervisor.settings import Cloud

LOOK_S = 0.2


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("part", nargs="?", help="control, node, supervisor, ovn-northd, …")
    parser.add_argument("-f", "--follow", action="store_true", help="go on as lines come")
    parser.add_argument(
        "-n", "--lines", type=int, default=200, metavar="N", help="the last N (200)"
    )
    where = parser.add_mutually_exclusive_group()
    where.add_argument("--host", metavar="HOST", help="the logs of that machine of the cloud")
    where.add_argument("--all", action="store_true", help="the logs of all machines of the cloud")
    parser.add_argument("--request", metavar="ID", help="only what belongs to this request")
    parser.add_argument(
        "--level", choices=LEVELS, default="debug", help="this level and above (debug)"
    )
    state_dir(parser)
    as_json(parser)


def run(args: argparse.Namespace) -> int:
    cloud = cloud_of(args)
    needs_root(cloud, "hanok logs")
    if args.host or args.all:
        return _of_other_machines(cloud, args)
    paths = parts_in(cloud.logs)
    if args.part and args.part not in paths:
        raise Failure(f"there is no log of {args.part!r}; there are: {', '.join(paths) or 'none'}")
    readers = [Reader(path) for part, path in paths.items() if args.part in (None, part)]
    lines = sorted((line for reader in readers for line in reader.new()), key=lambda one: one.at)
    for line in [line for line in lines if _matches(line, args)][-args.lines :]:
        show(line, args)
    while args.follow:
        time.sleep(LOOK_S)
        for line in sorted((one for r in readers for one in r.new()), key=lambda one: one.at):
            if _matches(line, args):
                show(line, args)
    return 0


def _matches(line: Line, args: argparse.Namespace) -> bool:
    return line.counts(args.level, args.request or "")


def _of_other_machines(cloud: Cloud, args: argparse.Namespace) -> int:
    """Other machines' logs, by way of the cloud; one that does not answer is named."""
    if args.follow:
        raise Failure("--follow goes with the logs of this machine; leave --host and --all out")
    client = api.API(cloud)
    lines: list[Line] = []
    status = 0
    try:
        client.sign_in()
        names = [args.host] if args.host else [one["name"] for one in machines(client)]
        for name in names:
            try:
                lines += _of(client, name, args)
            except api.Refused as refused:
                if args.host:
                    raise
                warn(f"{name}: {refused.message}")
                status = 1
    except api.Refused as refused:
        raise Failure(refused.message) from refused
    for line in sorted(lines, key=lambda one: one.at)[-args.lines :]:
        show(line, args)
    return status


def machines(client: api.API) -> list[dict[str, Any]]:
    """What each machine of the cloud says of itself."""
    found: list[dict[str, Any]] = client.get("/hanok/v1/machines")["machines"]
    return found


def _of(client: api.API, name: str, args: argparse.Namespace) -> list[Line]:
    requested = {"lines": min(max(args.lines, 1), LINES), "level": args.level}
    more = {"part": args.part, "request": args.request}
    query = urlencode({**requested, **{key: value for key, value in more.items() if value}})
    answer = client.get(f"/hanok/v1/machines/{quote(name, safe='')}/logs?{query}")
    found = msgspec.convert(answer["lines"], list[Line])
    for line in found:
        line.part = f"{name}/{line.part}"
    return found


def show(line: Line, args: argparse.Namespace) -> None:
    if args.json:
        found = {name: value for name, value in vars(line).items() if value}
        say(json.dumps(found, ensure_ascii=False))
        return
    mark = f"  [{line.request_id}]" if line.request_id else ""
    say(f"{line.at[:23].replace('T', ' ')}  {line.part:<14} {line.level:<7}  {line.message}{mark}")
    if line.error:
        say("\n".join(f"    {row}" for row in line.error.splitlines()))
