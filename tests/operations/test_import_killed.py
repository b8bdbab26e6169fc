"""A cloud whose process is killed at each place of an import, and started again."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.disks import qcow2
from tests.operations.test_killed import PLACES, Process, cloud

__all__ = ["cloud"]

STEPS = ("DescribeData", "FetchData", "LookAtData", "StoreData", "ForgetStaged")
IMAGES = "/image/v2/images"
OCTETS = {"Content-Type": "application/octet-stream"}


def staged(cloud: Process) -> str:
    body = {"name": "i", "disk_format": "qcow2", "container_format": "bare"}
    image_id = str(cloud.http.post(IMAGES, json=body).json()["id"])
    answer = cloud.http.put(f"{IMAGES}/{image_id}/stage", content=qcow2(), headers=OCTETS)
    assert answer.status_code == 204, answer.text
    return image_id


def shown(cloud: Process, image_id: str) -> Any:
    return cloud.http.get(f"{IMAGES}/{image_id}").json()


@pytest.mark.parametrize("place", PLACES)
def test_an_import_goes_on_after_the_process_was_killed(cloud: Process, place: str) -> None:
    requested = {"method": {"name": "glance-direct"}}
    for step in STEPS:
        cloud.end()
        cloud.start(f"image.import_image.{step}.{place}=die:1")
        image_id = staged(cloud)
        answer = cloud.http.post(f"{IMAGES}/{image_id}/import", json=requested)
        assert answer.status_code == 202, answer.text
        cloud.wait(cloud.died)
        cloud.start()
        cloud.wait(lambda: shown(cloud, image_id)["status"] == "active")  # noqa: B023
        assert cloud.http.get(f"{IMAGES}/{image_id}/file").content == qcow2()
        (task,) = cloud.get(f"{IMAGES}/{image_id}/tasks")["tasks"]
        assert task["status"] == "success", step
        folder = cloud.folder / "control" / "images" / "staging"
        cloud.wait(lambda: list(folder.iterdir()) == [])  # noqa: B023
    assert cloud.differences() == []


def kill(cloud: Process) -> None:
    """End the whole cloud at once."""
    assert cloud.process is not None
    for one in reversed(family(cloud.process.pid)):
        os.kill(one, signal.SIGSTOP)  # nobody starts anybody anew meanwhile
    for one in family(cloud.process.pid):
        os.kill(one, signal.SIGKILL)
    cloud.process.wait()


def family(pid: int) -> list[int]:
    """A process and all that it has started, those before what they started."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [pid, *(one for child in children for one in family(int(child)))]


def test_an_upload_that_was_killed_leaves_nothing(cloud: Process) -> None:
    """What a process was taking in when it died is freed; the image waits for data again."""
    body = {"name": "i", "disk_format": "raw", "container_format": "bare"}
    image_id = str(cloud.http.post(IMAGES, json=body).json()["id"])

    def broken() -> Any:
        for _ in range(4):
            yield bytes(1 << 20)
        cloud.wait(lambda: list((cloud.folder / "images").glob(f".{image_id}.*")) != [])
        kill(cloud)
        for _ in range(64):
            yield bytes(1 << 20)

    with pytest.raises(httpx.TransportError):
        cloud.http.put(f"{IMAGES}/{image_id}/file", content=broken(), headers=OCTETS)
    cloud.start()
    assert shown(cloud, image_id)["status"] == "saving"
    # Whoever deletes it does not wait for that.
    assert cloud.http.delete(f"{IMAGES}/{image_id}").status_code == 204
    assert list((cloud.folder / "images").glob(f"*{image_id}*")) == []
