"""`hanok load SERVER 80%`: let a simulated server be so busy, so that meters move and alarms ring."""

from __future__ import annotations

import argparse
from urllib.parse import quote

from hanok.cli import api
from hanok.cli.main import state_dir
from hanok.cli.output import Failure, say
from hanok.cli.place import cloud_of
from hanok.node import simulated_loads as loads


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("server", metavar="SERVER", help="its id or its name")
    parser.add_argument("load", metavar="LOAD", help="how much of its processors is busy: 80%%")
    state_dir(parser)


def run(args: argparse.Namespace) -> int:
    share = share_of(args.load)
    cloud = cloud_of(args)
    if not cloud.settings.simulated:
        raise Failure(
            "guests of a real cloud are as busy as what runs in them: the load of simulated ones alone can be set"
        )
    client = api.API(cloud)
    try:
        client.sign_in()
        name = quote(args.server, safe="")
        found = client("GET", f"/hanok/v1/servers/{name}/scheduling")
    except api.Refused as error:
        raise Failure(str(error)) from error
    file = cloud.state / "node" / loads.LOADS
    loads.write(file, {**loads.read(file), found["id"]: share})
    say(f"Server {found['name']} is busy to {share:.0%} of its processors from now on.")
    return 0


def share_of(text: str) -> float:
    """A share between 0 and 1.

    Raises:
        Failure
    """
    try:
        share = float(text.removesuffix("%")) / 100
    except ValueError:
        share = -1.0
    if not 0 <= share <= 1:
        raise Failure(f"{text!r} is not a load: it is between 0% and 100%")
    return share
