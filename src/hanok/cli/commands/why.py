"""`hanok why A B:22`: where a packet from A to B stops, and what would let it through."""

from __future__ import annotations

import argparse
import ipaddress
from typing import Any
from urllib.parse import urlencode

from hanok.cli import api
from hanok.cli.main import as_json, state_dir
from hanok.cli.output import Failure, print_json, say
from hanok.cli.place import cloud_of

EPILOG = """\
A and B are servers or ports (id or name), addresses, or the word outside.

  hanok why web db:5432           may web open a connection to port 5432 of db
  hanok why outside 172.24.4.20   does a ping from outside reach this floating IP
  hanok why web outside:443       may web open https connections
"""


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = EPILOG
    parser.add_argument("source", metavar="A", help="where the packet comes from")
    parser.add_argument("destination", metavar="B[:PORT]", help="where it is to go")
    parser.add_argument("--protocol", default="", help="tcp with a port, icmp (a ping) without")
    state_dir(parser)
    as_json(parser)


def run(args: argparse.Namespace) -> int:
    destination, port = split(args.destination)
    requested = {"from": args.source, "to": destination, "protocol": args.protocol, "port": port}
    client = api.API(cloud_of(args))
    try:
        client.sign_in()
        query = urlencode({name: value for name, value in requested.items() if value})
        found = client("GET", f"/hanok/v1/path?{query}")
    except api.Refused as error:
        raise Failure(str(error)) from error
    reaches = all(step["passes"] for step in found["steps"])
    if args.json:
        print_json({**found, "reaches": reaches})
    else:
        for line in lines(found, args.source, destination):
            say(line)
    return 0 if reaches else 1


def split(text: str) -> tuple[str, str]:
    """A destination and its port; "" without one. An IPv6 address that has a port stands in brackets."""
    try:
        return str(ipaddress.ip_address(text.removeprefix("[").removesuffix("]"))), ""
    except ValueError:
        name, _, port = text.rpartition(":")
    if not name or not (port.isascii() and port.isdigit()):
        return text, ""
    return name.removeprefix("[").removesuffix("]"), port


def lines(found: dict[str, Any], source: str, destination: str) -> list[str]:
    """The way in words."""
    what = found["protocol"] + (f" port {found['port']}" if found["port"] else "")
    shown = []
    for step in found["steps"]:
        shown.append(f"  {'ok  ' if step['passes'] else 'STOP'}  {step['says']}")
        if not step["passes"]:
            shown.append(f"        What helps: {step['helps']}")
    stopped = any(not step["passes"] for step in found["steps"])
    end = (
        f"{what} from {source} does not reach {destination}."
        if stopped
        else f"{what} from {source} reaches {destination}. Whether something listens there, and what a firewall in the "
        "guest says, the network does not know."
    )
    return [*shown, end]
