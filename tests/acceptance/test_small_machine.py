"""`hanok up` on a machine with 4 GB of memory, played by a control group with the cloud inside."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from hanok.node import cgroups
from tests.acceptance.clouds import CLI, host
from tests.acceptance.test_reboot import ask

pytestmark = pytest.mark.host

MEMORY_MIB = 4096
GUEST_MIB = 1100
WAIT_S = 180
MOVE = 'echo $$ > "$0" && exec "$@"'


class Inside(CLI):
    """A cloud whose processes are in a control group."""

    group: Path

    def inside(self, argv: Sequence[str]) -> list[str]:
        return ["sh", "-c", MOVE, str(self.group / "cgroup.procs"), *super().inside(argv)]


@contextmanager
def small() -> Iterator[Inside]:
    """A place for a cloud with so much memory."""
    trees = cgroups.find("hanok-trial").trees
    if "memory" not in trees:
        pytest.skip("this machine lets nobody make control groups")
    tree = trees["memory"]
    outer = tree.folder / f"hanok-small-{os.getpid()}"
    inner = outer / "cloud"
    outer.mkdir()
    try:
        for name, value in cgroups.memory_values(tree.version, MEMORY_MIB).items():
            (outer / name).write_text(value)
        inner.mkdir()
        with host() as cli:
            within = Inside(cli.state, cli.netns)
            within.group = inner
            yield within
    finally:
        for folder in (inner, outer):
            with suppress(OSError):
                folder.rmdir()


def eventually(look: Any) -> Any:
    until = time.monotonic() + WAIT_S
    while not (seen := look()):
        assert time.monotonic() < until, f"waited {WAIT_S} s"
        time.sleep(0.5)
    return seen


def settled(cli: CLI, server_id: str) -> dict[str, Any]:
    def look() -> Any:
        one = ask(cli, "GET", f"/compute/v2.1/servers/{server_id}")["server"]
        return one if one["status"] != "BUILD" else None

    found: dict[str, Any] = eventually(look)
    return found


def reserved_mib(cli: CLI) -> int:
    """What placement keeps for the host and the processes of its guests; it learns of those from heartbeats."""
    (provider,) = ask(cli, "GET", "/placement/resource_providers")["resource_providers"]
    path = f"/placement/resource_providers/{provider['uuid']}/inventories/MEMORY_MB"
    return int(ask(cli, "GET", path)["reserved"])


def test_a_small_machine_says_how_much_fits_and_refuses_more() -> None:
    with small() as cli:
        cli("up")
        (host_,) = ask(cli, "GET", "/compute/v2.1/os-hypervisors/detail")["hypervisors"]
        assert host_["memory_mb"] == MEMORY_MIB
        room = cli.json("status")["room"]
        assert room.startswith("Room for ") and "m1.nano (128 MiB)" in room
        flavor = {"name": "third", "ram": GUEST_MIB, "disk": 1, "vcpus": 1}
        made = ask(cli, "POST", "/compute/v2.1/flavors", {"flavor": flavor})["flavor"]
        (image,) = ask(cli, "GET", "/image/v2/images?name=cirros")["images"]
        answers = []
        for number in range(3):
            body = {
                "name": f"s{number}",
                "flavorRef": made["id"],
                "imageRef": image["id"],
                "networks": "none",
            }
            before = reserved_mib(cli)
            server = ask(cli, "POST", "/compute/v2.1/servers", {"server": body})["server"]
            answers.append(settled(cli, server["id"]))
            if number < 2:
                eventually(lambda: reserved_mib(cli) > before)  # noqa: B023
                room = cli.json("status")["room"]
        assert [one["status"] for one in answers] == ["ACTIVE", "ACTIVE", "ERROR"]
        assert "No valid host was found" in answers[2]["fault"]["message"]
        assert "memory" in answers[2]["fault"]["message"]
        assert room == "Room for 3 more servers of m1.nano (128 MiB)."
