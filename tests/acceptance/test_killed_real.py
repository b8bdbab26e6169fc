"""Control and node are killed while ten guests are being made for real."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from typing import Any

import pytest

from tests.acceptance.clouds import CLI, host
from tests.acceptance.test_interfaces_real import a_network
from tests.acceptance.test_reboot import ask
from tests.acceptance.test_up_real import pids

pytestmark = pytest.mark.host

COUNT, WAIT_S = 10, 300
SERVERS = "/compute/v2.1/servers"


def eventually(condition: Callable[[], bool]) -> None:
    until = time.monotonic() + WAIT_S
    while not condition():
        assert time.monotonic() < until, f"waited {WAIT_S} s"
        time.sleep(0.5)


def servers(cli: CLI) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = ask(cli, "GET", f"{SERVERS}/detail")["servers"]
    return found


def ended(cli: CLI, of: int) -> bool:
    return len([one for one in servers(cli) if one["status"] != "BUILD"]) >= of


def kill(cli: CLI, name: str) -> None:
    """The process is gone without a word; what watches over it starts another."""
    before = pids(cli)[name]
    os.kill(before, signal.SIGKILL)
    cli("up")
    assert pids(cli)[name] != before


def used(cli: CLI) -> list[int]:
    """What placement counts, and quota: processors, servers."""
    found = ask(cli, "GET", "/placement/resource_providers")["resource_providers"]
    path = f"/placement/resource_providers/{found[0]['uuid']}/usages"
    limits = ask(cli, "GET", "/compute/v2.1/limits")["limits"]["absolute"]
    return [
        ask(cli, "GET", path)["usages"].get("VCPU", 0),
        limits["totalCoresUsed"],
        limits["totalInstancesUsed"],
    ]


def guests_ports(cli: CLI) -> list[str]:
    ports = ask(cli, "GET", "/network/v2.0/ports")["ports"]
    return sorted(one["device_id"] for one in ports if one["device_owner"].startswith("compute:"))


def test_ten_creates_while_control_and_node_are_killed() -> None:
    with host() as cli:
        cli("up")
        flavor = {"id": "tiny", "name": "tiny", "ram": 64, "disk": 1, "vcpus": 1}
        ask(cli, "POST", "/compute/v2.1/flavors", {"flavor": flavor})
        image = ask(cli, "GET", "/image/v2/images")["images"][0]["id"]
        body = {"name": "vm", "imageRef": image, "flavorRef": "tiny", "min_count": COUNT}
        net_id = a_network(cli)
        ask(cli, "POST", SERVERS, {"server": {**body, "networks": [{"uuid": net_id}]}})
        kill(cli, "node")
        eventually(lambda: ended(cli, 1))
        kill(cli, "control")
        eventually(lambda: ended(cli, COUNT // 2))
        kill(cli, "node")
        kill(cli, "control")
        eventually(lambda: ended(cli, COUNT))
        made = servers(cli)
        active = sorted(one["id"] for one in made if one["status"] == "ACTIVE")
        broken = [one for one in made if one["status"] != "ACTIVE"]
        assert all(one["status"] == "ERROR" and one["fault"]["message"] for one in broken), broken
        assert len(made) == COUNT
        eventually(lambda: cli.json("doctor", status=None)["differences"] == [])
        assert sorted(cli.json("status")["guests"]) == active == guests_ports(cli)
        assert used(cli) == [len(active), COUNT, COUNT]
        for one in made:
            ask(cli, "DELETE", f"{SERVERS}/{one['id']}")
        eventually(lambda: servers(cli) == [])
        eventually(lambda: cli.json("doctor", status=None)["differences"] == [])
        assert not cli.json("status")["guests"] and guests_ports(cli) == []
        assert used(cli) == [0, 0, 0]
        assert cli.json("destroy", "--yes") == {"destroyed": True, "left": []}
