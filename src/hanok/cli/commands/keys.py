"""`hanok keys rotate`: new keys for tokens and for secrets in the database. Nobody is signed out."""

from __future__ import annotations

import argparse

from hanok.cli import api
from hanok.cli.main import as_json, state_dir
from hanok.cli.output import Failure, print_json, say
from hanok.cli.place import cloud_of


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("action", choices=["rotate"], help="replace the keys now")
    state_dir(parser)
    as_json(parser)


def run(args: argparse.Namespace) -> int:
    cloud = cloud_of(args)
    client = api.API(cloud)
    try:
        client.sign_in()
        done = client.post("/hanok/v1/keys/rotate", {})
    except api.Refused as error:
        raise Failure(f"the keys were not replaced: {error}") from error
    if args.json:
        print_json(done)
    else:
        say(f"New keys are in use; {done['secrets']} secrets in the database were sealed anew.")
    return 0
