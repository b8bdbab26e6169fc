"""`hanok services`: which services are on; switching one off frees what it uses and keeps what it holds."""

from __future__ import annotations

import argparse
from typing import Any

from hanok.cli import api
from hanok.cli.main import as_json, state_dir
from hanok.cli.output import Failure, print_json, say, table
from hanok.cli.place import cloud_of


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "action", nargs="?", choices=["list", "enable", "disable"], default="list",
        help="list them, or switch one while the cloud runs",
    )  # fmt: skip
    parser.add_argument("name", nargs="?", metavar="NAME", help="the name of the service")
    state_dir(parser)
    as_json(parser)


def run(args: argparse.Namespace) -> int:
    cloud = cloud_of(args)
    if (args.action == "list") != (args.name is None):
        wants = "takes no NAME" if args.name else "needs a NAME"
        raise Failure(f"hanok services {args.action} {wants}")
    client = api.API(cloud)
    try:
        client.sign_in()
        if args.action == "list":
            _list(client.get("/hanok/v1/services")["services"], json=args.json)
        else:
            on = args.action == "enable"
            client("PUT", f"/hanok/v1/services/{args.name}", {"enabled": on})
            say(f"{args.name} is {'on' if on else 'off: its data is kept'}.")
    except api.Refused as error:
        raise Failure(str(error)) from error
    return 0


def _list(found: list[dict[str, Any]], *, json: bool) -> None:
    if json:
        print_json({"services": found})
        return
    rows = [
        (one["name"], "on" if one["enabled"] else "off", api.WHY_OFF[one["disabled_by"]])
        for one in found
    ]
    say(table(("Service", "State", "Switched off"), rows))
