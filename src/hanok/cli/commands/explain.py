"""`hanok explain SERVER`: why a server is on its host, or on none, from what was kept when that was decided."""

from __future__ import annotations

import argparse
from typing import Any
from urllib.parse import quote

from hanok.cli import api
from hanok.cli.main import as_json, state_dir
from hanok.cli.output import Failure, print_json, say, table
from hanok.cli.place import cloud_of


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("server", metavar="SERVER", help="its id or its name")
    state_dir(parser)
    as_json(parser)


def run(args: argparse.Namespace) -> int:
    client = api.API(cloud_of(args))
    try:
        client.sign_in()
        found = client("GET", f"/hanok/v1/servers/{quote(args.server, safe='')}/scheduling")
    except api.Refused as error:
        raise Failure(str(error)) from error
    if args.json:
        print_json(found)
        return 0
    say(_head(found))
    if not found["records"]:
        say("Nothing was kept of how it got its host: that was before this version.")
    for record in found["records"]:
        say("")
        for line in lines(record):
            say(line)
    return 0


def _head(found: dict[str, Any]) -> str:
    where = f"is on host {found['host']}" if found["host"] else "is on no host"
    state = "is deleted" if found["deleted"] else where
    more = " Other servers have this name, too; the newest is told of." if found["several"] else ""
    return f"Server {found['name']} ({found['id']}) {state}.{more}"


def lines(record: dict[str, Any]) -> list[str]:
    """A record in words."""
    if record["host"] is None:
        head = f"{record['at']}: no host took it. {record['among']}"
        return [head, *(_reason(one) for one in record["reasons"])]
    found = [f"{record['at']}: host {record['host']} took it; {record['left']} could."]
    if record["lost"]:
        found.append(
            f"  Others were faster at, or it no longer fitted: {', '.join(record['lost'])}"
        )
    hosts = record["hosts"]
    names = sorted({name for one in hosts for name in one["weights"]})
    if len(hosts) > 1:
        rows = [
            (
                one["host"],
                f"{one['weight']:g}",
                *(f"{one['weights'].get(name, 0):g}" for name in names),
            )
            for one in hosts
        ]
        found.append(table(("Host", "Weight", *names), rows))
    return found


def _reason(one: dict[str, Any]) -> str:
    named = ", ".join(one["hosts"])
    if one["count"] > len(one["hosts"]):
        named += f" and {one['count'] - len(one['hosts'])} more"
    return f"  {one['what']}" + (f" ({named})" if named else "")
