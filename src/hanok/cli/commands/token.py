"""`hanok token`: one line with which one more machine joins, within the hour, once."""

from __future__ import annotations

import argparse
import os
from typing import Any

from hanok.base.cloud_key import CloudKey
from hanok.base.errors import Unavailable
from hanok.cli import api
from hanok.cli.main import as_json, state_dir
from hanok.cli.output import Failure, print_json, say
from hanok.cli.place import cloud_of
from hanok.control import controllers
from hanok.supervisor.settings import Cloud


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--roles",
        default="compute",
        metavar="ROLES",
        help="what the machine may be: compute; controller,compute: it is given the cloud's own keys",
    )
    state_dir(parser)
    as_json(parser)


def _proof(cloud: Cloud) -> str:
    """Raises Failure where this is not root on a controller."""
    path = cloud.state / "control" / "cloud-key"
    if not cloud.has_control or not os.access(path, os.R_OK):
        raise Failure("a token for a controller is made by root on a controller")
    try:
        return controllers.proof(CloudKey(path))
    except Unavailable as error:
        raise Failure(error.message) from None


def roles_of(text: str) -> list[str]:
    return [one.strip() for one in text.split(",") if one.strip()]


def run(args: argparse.Namespace) -> int:
    cloud = cloud_of(args)
    client = api.API(cloud)
    wish: dict[str, Any] = {"roles": roles_of(args.roles)}
    if "controller" in wish["roles"]:
        wish["proof"] = _proof(cloud)
    try:
        client.sign_in()
        made = client.post("/hanok/v1/hosts/tokens", wish)
    except api.Refused as error:
        raise Failure(error.message) from error
    if args.json:
        print_json(made)
    else:
        say(made["token"])
    return 0
