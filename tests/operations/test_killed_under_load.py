"""A cloud that is killed again and again while a hundred servers are being made.

Every server that was accepted ends ACTIVE, or in ERROR with the reason; nothing is left over, and what placement, quota
and the network count is what the servers come to.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.operations.test_import_killed import kill
from tests.operations.test_killed import NEWEST, SERVERS, Process

pytestmark = pytest.mark.slow

COUNT, AT_ONCE, HOSTS = 100, 20, 4
KILLS = (10, 40, 80)  # when so many have been accepted
SIZE = {"VCPU": 1, "MEMORY_MB": 64, "DISK_GB": 1}


@pytest.fixture
def cloud(tmp_path: Path) -> Iterator[Process]:
    made = Process(tmp_path / "cloud", hosts=HOSTS)
    made.start()
    made.wait(lambda: (made.folder / "admin-openrc.sh").exists())
    made.sign_in()
    yield made
    made.close()


class Creates:
    """A hundred requests for a server each, a few at a time; each is sent until somebody answers."""

    def __init__(self, cloud: Process, body: dict[str, Any]) -> None:
        self.cloud, self.body = cloud, body
        self.accepted: set[str] = set()
        self._up = threading.Event()
        self._up.set()

    def send(self, number: int) -> None:
        body = {"server": {**self.body, "name": f"vm-{number}"}}
        headers = {**NEWEST, "X-Auth-Token": self.cloud.http.headers["X-Auth-Token"]}
        for _ in range(50):
            self._up.wait(60)
            try:
                answer = httpx.post(
                    f"http://127.0.0.1:{self.cloud.port}{SERVERS}",
                    json=body, headers=headers, timeout=60,
                )  # fmt: skip
            except httpx.TransportError:
                time.sleep(0.2)
                continue
            assert answer.status_code in (202, 503), answer.text
            if answer.status_code == 202:
                self.accepted.add(answer.json()["server"]["id"])
                return
            time.sleep(0.2)
        raise AssertionError(f"server {number} was never accepted")

    def kill(self) -> None:
        """The process is gone without a word; another one is started."""
        self._up.clear()
        kill(self.cloud)
        self.cloud.start()
        self._up.set()


def listed(cloud: Process) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = cloud.get(f"{SERVERS}/detail?limit=1000")["servers"]
    return found


def recount(cloud: Process, servers: list[dict[str, Any]]) -> None:
    """Placement, quota and ports are those of these servers."""
    active = [one for one in servers if one["status"] == "ACTIVE"]
    used: dict[str, int] = dict.fromkeys(SIZE, 0)
    for provider in cloud.get("/placement/resource_providers")["resource_providers"]:
        path = f"/placement/resource_providers/{provider['uuid']}/usages"
        for name, amount in cloud.get(path)["usages"].items():
            used[name] += amount
    assert used == {name: amount * len(active) for name, amount in SIZE.items()}
    limits = cloud.get("/compute/v2.1/limits")["limits"]["absolute"]
    assert limits["totalInstancesUsed"] == limits["totalCoresUsed"] == len(servers)
    ports = cloud.get("/network/v2.0/ports")["ports"]
    owners = [one["device_id"] for one in ports if one["device_owner"].startswith("compute:")]
    assert sorted(owners) == sorted(one["id"] for one in active)


def test_a_hundred_creates_in_a_cloud_that_is_killed_three_times(cloud: Process) -> None:
    body = cloud.prepare()
    project_id = cloud.get("/v3/projects?name=admin")["projects"][0]["id"]
    quota = {"quota_set": {"instances": -1, "cores": -1, "ram": -1}}
    cloud.http.put(f"/compute/v2.1/os-quota-sets/{project_id}", json=quota)
    creates = Creates(cloud, body)
    with ThreadPoolExecutor(AT_ONCE) as pool:
        sent = [pool.submit(creates.send, number) for number in range(COUNT)]
        for accepted in KILLS:
            cloud.wait(lambda accepted=accepted: len(creates.accepted) >= accepted, timeout_s=120)
            creates.kill()
        for done in sent:
            done.result()
    cloud.wait(lambda: all(one["status"] != "BUILD" for one in listed(cloud)), timeout_s=180)
    servers = listed(cloud)
    assert len(creates.accepted) == COUNT
    assert creates.accepted <= {one["id"] for one in servers}
    broken = [one for one in servers if one["status"] != "ACTIVE"]
    assert all(one["status"] == "ERROR" and one["fault"]["message"] for one in broken), broken
    cloud.settled()
    recount(cloud, servers)
    for one in servers:
        cloud.http.delete(f"{SERVERS}/{one['id']}")
    cloud.wait(lambda: listed(cloud) == [], timeout_s=120)
    cloud.settled()
    recount(cloud, [])
