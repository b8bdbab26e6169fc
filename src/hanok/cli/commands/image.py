"""`hanok image metadefs load`: definitions of well-known properties into the image service.

Without files: those that come with hanok. Files are in the form in which the field passes them around: a namespace with
its properties, objects, tags and types of resources, one JSON object a file.
"""

from __future__ import annotations

import argparse
import json
from importlib.resources import files
from pathlib import Path
from typing import Any
from urllib.parse import quote

from hanok.cli import api
from hanok.cli.main import state_dir
from hanok.cli.output import Failure, say
from hanok.cli.place import cloud_of

NAMESPACES = "/image/v2/metadefs/namespaces"


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("what", choices=["metadefs"])
    parser.add_argument("do", choices=["load"])
    parser.add_argument(
        "files", nargs="*", type=Path, metavar="FILE", help="JSON files, or folders of them"
    )
    parser.add_argument(
        "--replace", action="store_true", help="also those namespaces that are there already"
    )
    state_dir(parser)


def run(args: argparse.Namespace) -> int:
    requested = [read(path) for path in found(args.files)] if args.files else standard()
    client = api.API(cloud_of(args))
    try:
        client.sign_in()
        for one in requested:
            say(f"{one['namespace']}: {load(client, one, replace=args.replace)}")
    except api.Refused as error:
        raise Failure(str(error)) from None
    return 0


def standard() -> list[dict[str, Any]]:
    """The definitions that come with hanok."""
    folder = files("hanok.services.image").joinpath("definitions")
    named = sorted((one.name, one) for one in folder.iterdir() if one.name.endswith(".json"))
    return [json.loads(one.read_text("utf-8")) for _, one in named]


def found(paths: list[Path]) -> list[Path]:
    made: list[Path] = []
    for path in paths:
        made += sorted(path.glob("*.json")) if path.is_dir() else [path]
    return made


def read(path: Path) -> dict[str, Any]:
    try:
        value = json.loads(path.read_text("utf-8"))
    except ValueError as error:
        raise Failure(f"{path}: {error}") from None
    if not isinstance(value, dict) or not isinstance(value.get("namespace"), str):
        raise Failure(f"{path}: this is not a namespace of metadata definitions")
    return value


def load(client: api.API, requested: dict[str, Any], *, replace: bool) -> str:
    """Make a namespace; returns what was done, in a word."""
    address = f"{NAMESPACES}/{quote(requested['namespace'], safe='')}"
    done = "loaded"
    try:
        client("GET", address)
        if not replace:
            return "there already"
        client("PUT", address, {"namespace": requested["namespace"], "protected": False})
        client("DELETE", address)
        done = "replaced"
    except api.Refused as error:
        if error.status != 404:
            raise
    client.post(NAMESPACES, requested)
    return done
