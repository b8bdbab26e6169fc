"""`hanok routes`: the API operations that are implemented, from the route tables."""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import json
import pkgutil
from collections.abc import Iterator

import hanok.services
from hanok.cli.output import say, table
from hanok.web.routes import Route


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="one JSON line an operation")
    parser.add_argument("--service", metavar="NAME", help="of this service only")


def run(args: argparse.Namespace) -> int:
    rows = sorted({row for row in operations() if args.service in (None, row[0])})
    if args.json:
        for service, method, path, body_key in rows:
            line = {"service": service, "method": method, "path": path, "body_key": body_key}
            say(json.dumps(line))
    else:
        say(table(["Service", "Method", "Path", "Action"], rows))
    return 0


def operations() -> Iterator[tuple[str, str, str, str]]:
    """Service, method, path from the version segment on, body key: of every room that has doors."""
    for room in pkgutil.iter_modules(hanok.services.__path__):
        name = f"hanok.services.{room.name}"
        routes: tuple[Route, ...] = ()
        if importlib.util.find_spec(f"{name}.routes") is not None:
            routes = importlib.import_module(f"{name}.routes").ROUTES
        for route in routes:
            yield room.name, route.method, route.path, route.body_key
