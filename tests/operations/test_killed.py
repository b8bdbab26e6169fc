"""A cloud whose process is killed at each place of a create and a delete, and started again."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.disks import qcow2
from tests.ports import free_port

CREATE = ("AskPlacement", "WeighHosts", "ClaimHost", "FetchImage", "BindPorts", "StartGuest")
DELETE = ("RemoveGuest", "ReleasePorts", "ForgetServer")
PLACES = ("before_do", "after_do", "before_save", "after_save")
NEWEST = {"OpenStack-API-Version": "compute 2.104"}
SERVERS = "/compute/v2.1/servers"


class Process:
    """A simulated cloud in a process of its own, its state in a folder."""

    def __init__(self, folder: Path, hosts: int = 1) -> None:
        self.folder, self.hosts = folder, hosts
        self.port = free_port()
        self.http = httpx.Client(base_url=f"http://127.0.0.1:{self.port}", timeout=30)
        self.process: subprocess.Popen[bytes] | None = None

    def start(self, failpoints: str = "") -> None:
        root = Path(__file__).parents[2]
        self.process = subprocess.Popen(
            [
                sys.executable, "-m", "hanok.cli", "up", "--simulated", "--foreground",
                "--state-dir", str(self.folder), "--port", str(self.port), "--hosts", str(self.hosts),
            ],
            env={**os.environ, "PYTHONPATH": str(root / "src"), "HANOK_FAILPOINTS": failpoints},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )  # fmt: skip
        self.wait(self._answers)

    def _answers(self) -> bool:
        try:
            return self.http.get("/v3").status_code == 200
        except httpx.TransportError:
            return False

    def sign_in(self) -> None:
        user = {
            "name": "admin",
            "domain": {"id": "default"},
            "password": _password(self.folder),
        }
        auth = {
            "identity": {"methods": ["password"], "password": {"user": user}},
            "scope": {"project": {"name": "admin", "domain": {"id": "default"}}},
        }
        answer = self.http.post("/v3/auth/tokens", json={"auth": auth})
        assert answer.status_code == 201, answer.text
        self.http.headers["X-Auth-Token"] = answer.headers["X-Subject-Token"]

    def died(self) -> bool:
        assert self.process is not None
        return self.process.poll() is not None

    def close(self) -> None:
        self.end()
        self.http.close()

    def end(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.terminate()
            self.process.wait(timeout=120)

    @staticmethod
    def wait(condition: Any, timeout_s: float = 60.0) -> None:
        deadline = time.monotonic() + timeout_s
        while not condition():
            assert time.monotonic() < deadline, f"waited {timeout_s:g} s"
            time.sleep(0.05)

    def get(self, path: str) -> Any:
        answer = self.http.get(path, headers=NEWEST)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def status(self, server_id: str) -> str:
        answer = self.http.get(f"{SERVERS}/{server_id}", headers=NEWEST)
        return "gone" if answer.status_code == 404 else str(answer.json()["server"]["status"])

    def wait_status(self, server_id: str, requested: str) -> None:
        self.wait(lambda: self.status(server_id) == requested)

    def prepare(self) -> dict[str, Any]:
        """An image, a flavor, a network; returns the body of a server."""
        body = {"name": "i", "disk_format": "qcow2", "container_format": "bare"}
        image = self.http.post("/image/v2/images", json=body).json()["id"]
        octets = {"Content-Type": "application/octet-stream"}
        self.http.put(f"/image/v2/images/{image}/file", content=qcow2(), headers=octets)
        made = self.http.post("/network/v2.0/networks", json={"network": {"name": "n"}})
        network = made.json()["network"]["id"]
        subnet = {"network_id": network, "cidr": "10.5.0.0/24", "ip_version": 4}
        self.http.post("/network/v2.0/subnets", json={"subnet": subnet})
        flavor = {"id": "nano", "name": "nano", "ram": 64, "disk": 1, "vcpus": 1}
        self.http.post("/compute/v2.1/flavors", json={"flavor": flavor})
        return {
            "name": "vm",
            "imageRef": image,
            "flavorRef": "nano",
            "networks": [{"uuid": network}],
        }

    def settled(self) -> None:
        """Nothing is left over. A host may be heard of a moment after the control process: debts are paid then."""
        self.wait(lambda: self.differences() == [])

    def differences(self) -> Any:
        return self.get("/hanok/v1/inventory")["differences"]


def _password(folder: Path) -> str:
    for line in (folder / "admin-openrc.sh").read_text().splitlines():
        if "OS_PASSWORD" in line:
            return line.partition("=")[2].strip().strip("'\"")
    raise AssertionError("the openrc has no password")


@pytest.fixture
def cloud(tmp_path: Path) -> Iterator[Process]:
    made = Process(tmp_path / "cloud")
    made.start()
    made.wait(lambda: (made.folder / "admin-openrc.sh").exists())
    made.sign_in()
    yield made
    made.close()


@pytest.mark.parametrize("place", PLACES)
def test_a_create_goes_on_after_the_process_was_killed(cloud: Process, place: str) -> None:
    body = cloud.prepare()
    made = []
    for step in CREATE:
        cloud.end()
        cloud.start(f"compute.create_server.{step}.{place}=die:1")
        answer = cloud.http.post(SERVERS, json={"server": body}, headers=NEWEST)
        assert answer.status_code == 202, answer.text
        made.append(answer.json()["server"]["id"])
        cloud.wait(cloud.died)
        cloud.start()
        cloud.wait(lambda: cloud.status(made[-1]) not in ("BUILD",))
        assert cloud.status(made[-1]) == "ACTIVE", (step, cloud.get(f"{SERVERS}/{made[-1]}"))
    cloud.settled()


@pytest.mark.parametrize("place", PLACES)
def test_a_delete_goes_on_after_the_process_was_killed(cloud: Process, place: str) -> None:
    body = cloud.prepare()
    for step in DELETE:
        answer = cloud.http.post(SERVERS, json={"server": body}, headers=NEWEST)
        server_id = answer.json()["server"]["id"]
        cloud.wait_status(server_id, "ACTIVE")
        cloud.end()
        cloud.start(f"compute.delete_server.{step}.{place}=die:1")
        assert cloud.http.delete(f"{SERVERS}/{server_id}").status_code == 204
        cloud.wait(cloud.died)
        cloud.start()
        cloud.wait_status(server_id, "gone")
    cloud.settled()
    ports = cloud.get("/network/v2.0/ports")["ports"]
    assert [p for p in ports if p["device_owner"].startswith("compute:")] == []


@pytest.mark.parametrize("place", ["after_do", "before_save"])
def test_an_image_of_a_server_is_made_though_the_process_was_killed(
    cloud: Process, place: str
) -> None:
    answer = cloud.http.post(SERVERS, json={"server": cloud.prepare()}, headers=NEWEST)
    path = f"{SERVERS}/{answer.json()['server']['id']}"
    cloud.wait_status(path.rpartition("/")[2], "ACTIVE")
    for step in ("CopyDisk", "StoreImage", "TidyUp"):
        cloud.end()
        cloud.start(f"compute.create_image.{step}.{place}=die:1")
        body = {"createImage": {"name": step}}
        answer = cloud.http.post(f"{path}/action", json=body, headers=NEWEST)
        assert answer.status_code == 202, answer.text
        image = f"/image/v2/images/{answer.json()['image_id']}"
        cloud.wait(cloud.died)
        cloud.start()
        cloud.wait(lambda image=image: cloud.get(image)["status"] == "active")
        cloud.wait(lambda: cloud.get(path)["server"]["OS-EXT-STS:task_state"] is None)
    cloud.settled()
    cloud.wait(lambda: not list((cloud.folder / "snapshots").iterdir()))


# What is done to an existing server, one after the other, with the status at its end.
CHANGES = (
    ("rebuild", "rebuild_server", ("FetchImage", "MakeDisk"), "ACTIVE"),
    ("rescue", "rescue_server", ("FetchImage", "StopGuest", "StartRescue"), "RESCUE"),
    ("unrescue", "unrescue_server", ("StopRescue", "StartOwn"), "ACTIVE"),
    ("resize", "resize_server", ("ClaimHost", "StopGuest", "StartResized"), "VERIFY_RESIZE"),
    ("revertResize", "revert_resize", ("StopGuest", "StartOld", "LeaveNew"), "ACTIVE"),
    ("confirmResize", "confirm_resize", ("DropOld",), "ACTIVE"),
    (
        "shelve", "shelve_server",
        ("StopGuest", "CopyDisk", "StoreImage", "TidyUp", "ReleaseHost", "RemoveGuest"),
        "SHELVED_OFFLOADED",
    ),
    (
        "unshelve", "unshelve_server",
        ("AskPlacement", "WeighHosts", "ClaimHost", "FetchImage", "BindPorts", "StartGuest"),
        "ACTIVE",
    ),
)  # fmt: skip
BEFORE = {
    "unrescue": "rescue",
    "revertResize": "resize",
    "confirmResize": "resize",
    "unshelve": "shelve",
}


class Changing:
    """A server in a cloud that is killed, and what brings it into a state."""

    def __init__(self, cloud: Process) -> None:
        self.cloud = cloud
        self.body = cloud.prepare()
        flavor = {"id": "two", "name": "two", "ram": 64, "disk": 1, "vcpus": 2}
        cloud.http.post("/compute/v2.1/flavors", json={"flavor": flavor})

    def server(self) -> str:
        made = self.cloud.http.post(SERVERS, json={"server": self.body}, headers=NEWEST)
        server_id = str(made.json()["server"]["id"])
        self.cloud.wait_status(server_id, "ACTIVE")
        return server_id

    def ask(self, server_id: str, action: str) -> None:
        values = {"rebuild": {"imageRef": self.body["imageRef"]}, "resize": {"flavorRef": "two"}}
        path = f"{SERVERS}/{server_id}/action"
        body = {action: values.get(action)}
        answer = self.cloud.http.post(path, json=body, headers=NEWEST)
        assert answer.status_code in (200, 202, 204), answer.text

    def ends(self, server_id: str, status: str) -> None:
        path = f"{SERVERS}/{server_id}"

        def there() -> bool:
            shown = self.cloud.get(path)["server"]
            return shown["OS-EXT-STS:task_state"] is None and shown["status"] == status

        self.cloud.wait(there)


@pytest.mark.parametrize("place", ["after_do", "after_save"])
@pytest.mark.parametrize(("action", "kind", "steps", "status"), CHANGES)
def test_a_change_of_a_server_goes_on_after_the_process_was_killed(
    cloud: Process, action: str, kind: str, steps: tuple[str, ...], status: str, place: str
) -> None:
    changing = Changing(cloud)
    ends = {name: end for name, _, _, end in CHANGES}
    for step in steps:
        server_id = changing.server()
        if before := BEFORE.get(action):
            changing.ask(server_id, before)
            changing.ends(server_id, ends[before])
        cloud.end()
        cloud.start(f"compute.{kind}.{step}.{place}=die:1")
        changing.ask(server_id, action)
        cloud.wait(cloud.died)
        cloud.start()
        changing.ends(server_id, status)
        cloud.settled()
        cloud.http.delete(f"{SERVERS}/{server_id}")
        cloud.wait_status(server_id, "gone")
    cloud.settled()


INTERFACES = (
    ("attach_interface", ("BindPort", "PlugInterface"), 2),
    ("detach_interface", ("UnplugInterface",), 0),
)


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize(("kind", "steps", "count"), INTERFACES)
def test_an_interface_comes_or_goes_after_the_process_was_killed(
    cloud: Process, kind: str, steps: tuple[str, ...], count: int, place: str
) -> None:
    changing = Changing(cloud)
    for step in steps:
        server_id = changing.server()
        path = f"{SERVERS}/{server_id}/os-interface"
        (first,) = cloud.get(path)["interfaceAttachments"]
        cloud.end()
        cloud.start(f"compute.{kind}.{step}.{place}=die:1")
        with suppress(httpx.TransportError):  # it dies before it answers
            if kind == "attach_interface":
                body = {"interfaceAttachment": {"net_id": first["net_id"]}}
                cloud.http.post(path, json=body, headers=NEWEST)
            else:
                cloud.http.delete(f"{path}/{first['port_id']}", headers=NEWEST)
        cloud.wait(cloud.died)
        cloud.start()
        cloud.wait(lambda path=path: len(cloud.get(path)["interfaceAttachments"]) == count)
        cloud.settled()
        cloud.http.delete(f"{SERVERS}/{server_id}")
        cloud.wait_status(server_id, "gone")
    cloud.settled()
