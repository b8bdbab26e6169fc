"""`hanok operations`: the work that is under way, and the two things to be done with what is stuck."""

from __future__ import annotations

import argparse
from typing import Any

from hanok.cli import api
from hanok.cli.main import as_json, state_dir
from hanok.cli.output import Failure, print_json, say, table
from hanok.cli.place import cloud_of

COLUMNS = ("ID", "Kind", "Resource", "State", "Step", "Since")


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "action", nargs="?", choices=["list", "retry", "abandon"], default="list",
        help="list: what is under way; retry: try one now; abandon: end one that is stuck as it is",
    )  # fmt: skip
    parser.add_argument(
        "id", nargs="?", metavar="ID", help="the id of the operation, for retry and abandon"
    )
    state_dir(parser)
    as_json(parser)


def run(args: argparse.Namespace) -> int:
    cloud = cloud_of(args)
    if (args.action == "list") != (args.id is None):
        raise Failure(
            f"hanok operations {args.action} " + ("takes no ID" if args.id else "needs an ID")
        )
    client = api.API(cloud)
    try:
        client.sign_in()
        if args.action == "list":
            _list(client("GET", "/hanok/v1/operations")["operations"], json=args.json)
        else:
            client("POST", f"/hanok/v1/operations/{args.id}/{args.action}")
            say(
                "It is being retried."
                if args.action == "retry"
                else "It has been ended. hanok doctor shows what it left."
            )
    except api.Refused as error:
        raise Failure(str(error)) from error
    return 0


def _list(found: list[dict[str, Any]], *, json: bool) -> None:
    if json:
        print_json({"operations": found})
        return
    if not found:
        say("Nothing is under way.")
        return
    say(table(COLUMNS, [_row(one) for one in found]))
    for one in found:
        if one["stuck_why"]:
            say(f"{one['id']} is stuck: {one['stuck_why']}")


def _row(one: dict[str, Any]) -> tuple[str, ...]:
    state = "stuck" if one["stuck_since"] else one["state"]
    step = (one["step"] or "").replace("_", " ")
    if one["progress"] is not None:
        step += f" ({one['progress']} %)"
    return one["id"], one["kind"], one["resource"], state, step, one["started_at"]
