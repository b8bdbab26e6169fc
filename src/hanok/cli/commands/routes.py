"""`hanok routes`: the API operations that are implemented, from the route tables."""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import json
import pkgutil
from collections.abc import Iterator, Sequence
from typing import Any

import hanok.services
from hanok import __version__
from hanok.cli.output import Failure, say, table
from hanok.web import openapi
from hanok.web.routes import Route


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="one JSON line an operation")
    parser.add_argument(
        "--openapi",
        nargs="?",
        const="",
        metavar="SERVICE",
        help="an OpenAPI 3.1 document, of this service or of all",
    )
    parser.add_argument("--service", metavar="NAME", help="only the operations of this service")


def run(args: argparse.Namespace) -> int:
    if args.openapi is not None:
        service = args.openapi or args.service
        if service not in (None, *documented()):
            raise Failure(f"there is no service {service}; there are {', '.join(documented())}")
        say(json.dumps(openapi_document(service), indent=1))
        return 0
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
    for service, routes in tables().items():
        for route in routes:
            yield service, route.method, route.path, route.body_key


def tables() -> dict[str, Sequence[Route]]:
    """The routes of every room that has doors."""
    found = {}
    for room in pkgutil.iter_modules(hanok.services.__path__):
        name = f"hanok.services.{room.name}.routes"
        if importlib.util.find_spec(name) is not None:
            found[room.name] = importlib.import_module(name).ROUTES
    return found


def documented() -> dict[str, Sequence[Route]]:
    """Those that an OpenAPI document can tell of: it has no method COPY, and no slashes in names."""
    return {name: routes for name, routes in tables().items() if name != "object_storage"}


def mount(service: str) -> str:
    """What stands before the version in a service's addresses: identity's are at the root, and behind its name, too."""
    room: Any = importlib.import_module(f"hanok.services.{service}.service")
    first = str(room.build.catalog.path).strip("/").partition("/")[0]
    return f"/{service}" if first.removeprefix("v").isdigit() else f"/{first}"


def openapi_document(service: str | None = None) -> dict[str, Any]:
    """The APIs of one service, or of all, at the addresses that the catalog has for them."""
    mounted = {
        name: (mount(name), routes)
        for name, routes in documented().items()
        if service in (None, name)
    }
    return openapi.document("Hanok", __version__, mounted)
