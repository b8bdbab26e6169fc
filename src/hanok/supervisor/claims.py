"""Which numbers a cloud takes, so that several stand side by side on one machine.

Each cloud has a slot, from which its user ids follow, an external network and a port for messages. What is taken is
written down in /var/lib/hanok/clouds, one file a cloud, until `hanok destroy` gives it back.
"""

from __future__ import annotations

import fcntl
import ipaddress
import json
import os
import secrets
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

CLOUDS = Path("/var/lib/hanok/clouds")
SLOTS = 13
FIRST_NETWORK = ipaddress.IPv4Network("172.24.4.0/24")
NATS_PORT = 14222


class NoneFree(Exception):
    """Too many clouds on this machine."""


def new_id() -> str:
    return secrets.token_hex(3)


@contextmanager
def claim(cloud_id: str, state: Path) -> Iterator[tuple[int, str, int]]:
    """Take a slot, an external network and a port for messages; given back when the block fails.

    Raises:
        NoneFree: all are taken.
    """
    CLOUDS.mkdir(parents=True, exist_ok=True)
    with open(CLOUDS / ".lock", "w") as turnstile:
        fcntl.flock(turnstile, fcntl.LOCK_EX)
        others = taken(prune=True)
        slots = {entry["slot"] for entry in others.values()}
        slot = next((number for number in range(SLOTS) if number not in slots), None)
        if slot is None:
            raise NoneFree(f"this machine holds {SLOTS} clouds already; destroy one first")
        network = _network({str(entry["cidr"]) for entry in others.values()})
        port = _port({int(str(entry["nats_port"])) for entry in others.values()})
        path = CLOUDS / f"{cloud_id}.json"
        path.write_text(
            json.dumps({"state": str(state), "slot": slot, "cidr": network, "nats_port": port})
        )
        try:
            yield slot, network, port
        except BaseException:
            path.unlink(missing_ok=True)
            raise


def give_back(cloud_id: str) -> None:
    (CLOUDS / f"{cloud_id}.json").unlink(missing_ok=True)


def taken(*, prune: bool = False) -> dict[str, dict[str, object]]:
    """What clouds have, by their ids. One whose directory is gone has nothing; prune: forget it (under the lock)."""
    found = {}
    for path in CLOUDS.glob("*.json"):
        with suppress(ValueError, OSError):
            entry = json.loads(path.read_text())
            if Path(entry["state"], "hanok.toml").exists():
                found[path.stem] = entry
            elif prune:
                path.unlink(missing_ok=True)
    return found


def _network(used: set[str]) -> str:
    """The next network that no cloud and no route of the host has."""
    there = [ipaddress.IPv4Network(text) for text in used] + _routes()
    network = FIRST_NETWORK
    for _ in range(200):
        if not any(network.overlaps(other) for other in there):
            return str(network)
        network = ipaddress.IPv4Network((int(network.network_address) + 256, 24))
    raise NoneFree("no network of 172.24.0.0/16 is free on this machine")


def _routes() -> list[ipaddress.IPv4Network]:
    done = subprocess.run(
        ["ip", "-4", "-j", "route", "show", "table", "all"], capture_output=True, text=True
    )
    found = []
    for route in json.loads(done.stdout or "[]"):
        with suppress(ValueError):
            network = ipaddress.IPv4Network(route["dst"])
            if network.prefixlen:
                found.append(network)
    return found


def _port(used: set[int]) -> int:
    for port in range(NATS_PORT, NATS_PORT + 1000):
        if port in used:
            continue
        with socket.socket() as trial:
            trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                trial.bind(("127.0.0.1", port))
            except OSError:
                continue
        return port
    raise NoneFree("no port is free for messages")


def can_pass(path: Path, uid: int) -> Path | None:
    """The first folder above `path` that another user may not pass; None when all let it.

    Args:
        uid: who it is; in no group of anybody's.
    """
    for folder in reversed(path.absolute().parents):
        try:
            status = os.stat(folder)
        except FileNotFoundError:
            return None  # made later, by us
        bit = 0o100 if status.st_uid == uid else 0o001
        if not status.st_mode & bit:
            return folder
    return None
