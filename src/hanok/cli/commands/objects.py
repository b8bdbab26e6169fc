"""`hanok objects`: where the bytes of objects are kept; `move` brings them to another place while the cloud runs."""

from __future__ import annotations

import argparse
import time
from typing import Any

from hanok.cli import api
from hanok.cli.main import as_json, state_dir
from hanok.cli.output import Failure, print_json, say
from hanok.cli.place import cloud_of

PATH = "/hanok/v1/objects"
LOOK_S = 1.0


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "action", nargs="?", choices=["show", "move"], default="show",
        help="say where they are, or move them",
    )  # fmt: skip
    parser.add_argument("place", nargs="?", metavar="PLACE", help="folder, or bucket")
    parser.add_argument(
        "--no-wait", action="store_true", help="for move: do not wait until everything is there"
    )
    state_dir(parser)
    as_json(parser)


def run(args: argparse.Namespace) -> int:
    cloud = cloud_of(args)
    if (args.action == "show") != (args.place is None):
        wants = "takes no PLACE" if args.place else "needs a PLACE"
        raise Failure(f"hanok objects {args.action} {wants}")
    client = api.API(cloud)
    try:
        client.sign_in()
        if args.action == "move":
            client("PUT", PATH, {"place": args.place})
        found = client.get(PATH)
        while args.action == "move" and not args.no_wait and found["moving"]:
            time.sleep(LOOK_S)
            found = client.get(PATH)
            if found["name"] != args.place:
                raise Failure(f"they are being moved to {found['name']} now")
    except api.Refused as error:
        raise Failure(str(error)) from error
    if args.json:
        print_json(found)
    else:
        say(_words(found))
    return 0


def _words(found: dict[str, Any]) -> str:
    more = f"{found['moved_blobs']} files of {found['moved_bytes']} bytes were moved there"
    if found["moving"]:
        return f"The bytes of objects are being moved to the {found['name']}: {more} so far."
    others = " and ".join(one for one in found["places"] if one != found["name"])
    said = f"The bytes of objects are in the {found['name']}; {more}."
    return f"{said} They can be moved to the {others}." if others else said
