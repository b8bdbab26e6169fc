"""Images whose container is not bare are looked at, too: a disk that leads to other files hides in none of them."""

from __future__ import annotations

import gzip

import pytest

from tests.api.image.helpers import IMAGES, bring_in, image, stage, upload
from tests.cloud import Cloud
from tests.disks import qcow2

LEADS = qcow2(backing="/etc/passwd")


@pytest.mark.parametrize(
    ("disk_format", "container_format"),
    [
        ("raw", "ova"),
        ("raw", "docker"),
        ("raw", "compressed"),
        ("qcow2", "ova"),
        ("qcow2", "ovf"),
        ("ami", "ami"),
        ("aki", "aki"),
        ("ari", "ari"),
        ("ami", "bare"),
        ("qcow2", "bare"),
    ],
)
async def test_a_disk_that_leads_elsewhere_is_taken_nowhere(
    cloud: Cloud, disk_format: str, container_format: str
) -> None:
    one = await cloud.project_with("p", "member")
    formats = {"disk_format": disk_format, "container_format": container_format}
    direct = await image(one, **formats)
    await upload(one, direct, LEADS, 415)
    assert (await one.get(f"{IMAGES}/{direct}"))["status"] == "queued"
    staged = await image(one, **formats)
    await stage(one, staged, LEADS)
    assert (await bring_in(cloud, one, staged, "glance-direct"))["status"] == "queued"


@pytest.mark.parametrize(
    ("disk_format", "container_format", "data"),
    [
        ("raw", "ova", b"disk.vmdk" + bytes(1015)),
        ("qcow2", "compressed", gzip.compress(qcow2(), mtime=0)),
        ("qcow2", "ovf", qcow2()),
        ("raw", "docker", b"manifest.json" + bytes(1011)),
        ("ami", "ami", bytes(4096)),
        ("aki", "aki", b"MZ" + bytes(4094)),
        ("ari", "ari", gzip.compress(b"070701" + bytes(4090), mtime=0)),
    ],
)
async def test_what_they_are_for_is_taken(
    cloud: Cloud, disk_format: str, container_format: str, data: bytes
) -> None:
    one = await cloud.project_with("p", "member")
    made = await image(one, disk_format=disk_format, container_format=container_format)
    await upload(one, made, data)
    assert (await one.get(f"{IMAGES}/{made}"))["status"] == "active"
