"""Local disks of servers through the API: what is described, what a guest is told, and what actions do to them."""

from __future__ import annotations

import asyncio
import base64
import io
import json
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pycdlib
import pytest

from hanok.base import failpoints
from hanok.commands import DescribeHost, HostState, wire
from hanok.commands.wire import ask
from hanok.node.records import Record
from tests.api.compute.ground import SERVERS, Ground, at, standing
from tests.api.compute.test_metadata import served_to
from tests.cloud import NEWEST, a_flavor, an_image, settle

EPHEMERAL = "OS-FLV-EXT-DATA:ephemeral"
BLANK = {"source_type": "blank", "destination_type": "local", "boot_index": -1}


class Disks(Ground):
    """A ground whose flavor has further disks."""

    state: Path

    def root(self, **values: Any) -> dict[str, Any]:
        return {
            "source_type": "image", "destination_type": "local", "uuid": self.image, "boot_index": 0,
            "delete_on_termination": True, **values,
        }  # fmt: skip

    def body(self, **values: Any) -> dict[str, Any]:
        base = {"name": "vm", "imageRef": self.image, "flavorRef": self.flavor, "networks": "none"}
        return {"server": {**base, **values}}

    def record(self, server_id: str) -> Record:
        """What the server's host keeps of it."""
        [path] = self.state.glob(f"**/{server_id}/record.json")
        return msgspec.json.decode(path.read_bytes(), type=Record)

    def shape(self, server_id: str) -> list[tuple[str, str, int]]:
        disks = self.record(server_id).spec.disks
        return [(one.name, one.bus, one.size_mib) for one in disks]


@pytest.fixture
async def ground(tmp_path: Path) -> AsyncIterator[Disks]:
    async with standing(tmp_path, records=tmp_path / "hosts") as plain:
        one = Disks(plain.cloud, plain.admin, plain.user, plain.image, plain.flavor, plain.network)
        one.state = tmp_path / "hosts"
        for name, ephemeral in (("roomy", 3), ("roomier", 5), ("narrow", 1)):
            values = {EPHEMERAL: ephemeral, "swap": 1025}
            await a_flavor(one.admin, name, **values)
        one.flavor = "roomy"
        yield one


PLAIN = [("root", "virtio", 0), ("ephemeral0", "virtio", 3072), ("swap", "virtio", 1025)]


async def test_a_flavors_own_disks_are_made_when_nothing_is_said(ground: Disks) -> None:
    server_id = await ground.server()
    assert ground.shape(server_id) == PLAIN
    assert await ground.usages() == {"VCPU": 1, "MEMORY_MB": 64, "DISK_GB": 1 + 3 + 2}
    await ground.delete(server_id)
    await ground.assert_nothing_left()


async def test_described_disks_are_made_and_told(ground: Disks) -> None:
    devices = [
        ground.root(disk_bus="scsi", tag="system"),
        {**BLANK, "volume_size": 1, "guest_format": "vfat", "tag": "scratch"},
        {**BLANK, "guest_format": "swap", "volume_size": 64, "disk_bus": "scsi", "tag": "swap"},
    ]
    server_id = await ground.server(block_device_mapping_v2=devices)
    assert ground.shape(server_id) == [
        ("root", "scsi", 0), ("ephemeral0", "virtio", 1024), ("swap", "scsi", 64),
    ]  # fmt: skip
    assert (await ground.show(server_id))["OS-EXT-SRV-ATTR:root_device_name"] == "/dev/sda"
    found = await served_to(ground, server_id)
    told = json.loads(found["openstack/latest/meta_data.json"])["devices"]
    names = ("bus", "address", "serial", "path", "tags")
    assert [tuple(one[name] for name in names) for one in told] == [
        ("scsi", "0:0:0:0", server_id[:20], "/dev/sda", ["system"]),
        ("pci", "0000:02:00.0", "ephemeral0", "/dev/vda", ["scratch"]),
        ("scsi", "0:0:1:0", "swap", "/dev/sdb", ["swap"]),
    ]
    mapping = "latest/meta-data/block-device-mapping/"
    assert {k.removeprefix(mapping): v for k, v in found.items() if k.startswith(mapping)} == {
        "ami": b"sda", "root": b"/dev/sda", "ephemeral0": b"/dev/vda", "swap": b"/dev/sdb",
    }  # fmt: skip
    assert (await ground.usages())["DISK_GB"] == 6  # the flavor counts, whatever is mapped
    scsi = await ground.admin.get(f"{SERVERS}?root_device_name=/dev/sda&all_tenants=1")
    other = await ground.admin.get(f"{SERVERS}?root_device_name=/dev/vda&all_tenants=1")
    assert ([one["id"] for one in scsi["servers"]], other["servers"]) == ([server_id], [])


REFUSALS: list[tuple[dict[str, Any], int, str]] = [
    ({**BLANK, "volume_size": 4}, 104, "Ephemeral disks requested are larger"),
    ({**BLANK, "guest_format": "swap", "volume_size": 1026}, 104, "Swap drive requested is larger"),
    ({**BLANK, "destination_type": "volume"}, 104, "need to have non-zero size"),
    ({**BLANK, "source_type": "snapshot"}, 104, "Missing device UUID"),
    ({**BLANK, "source_type": "disk"}, 104, "source_type"),
    ({**BLANK, "destination_type": "tape"}, 104, "destination_type"),
    ({**BLANK, "volume_type": "fast"}, 66, "volume_type"),
    ({**BLANK, "volume_type": "fast"}, 67, "destination_type=local is not supported"),
    ({**BLANK, "tag": "a"}, 31, "tag"),
    ({**BLANK, "tag": "a"}, 33, "tag"),
    ({**BLANK, "tag": "a"}, 41, "tag"),
    ({**BLANK, "tag": "a/b"}, 42, "tag"),
    ({**BLANK, "surprise": 1}, 104, "surprise"),
]


@pytest.mark.parametrize(("device", "minor", "words"), REFUSALS)
async def test_what_is_refused(
    ground: Disks, device: dict[str, Any], minor: int, words: str
) -> None:
    body = ground.body(block_device_mapping_v2=[ground.root(), device])
    if minor < 37:
        body["server"].pop("networks")
    said = await ground.user("POST", SERVERS, body, headers=at(minor), status=400)
    assert words in said.text, said.text
    assert (await ground.user.get(SERVERS))["servers"] == []


@pytest.mark.parametrize("minor", [32, 42])
async def test_tags_are_taken_where_they_are_known(ground: Disks, minor: int) -> None:
    devices = [ground.root(tag="system"), {**BLANK, "tag": "data"}]
    body = ground.body(block_device_mapping_v2=devices)
    if minor < 37:
        body["server"].pop("networks")
    await ground.user("POST", SERVERS, body, headers=at(minor), status=202)


async def test_the_older_form_makes_the_same_disks(ground: Disks) -> None:
    devices = [
        {"device_name": "vdb", "virtual_name": "ephemeral0", "volume_size": 2},
        {"device_name": "vdc", "virtual_name": "swap"},
    ]
    server_id = await ground.server(block_device_mapping=devices)
    assert ground.shape(server_id) == [
        ("root", "virtio", 0), ("ephemeral0", "virtio", 2048), ("swap", "virtio", 1025),
    ]  # fmt: skip


@pytest.mark.parametrize("end", ["confirmResize", "revertResize"])
async def test_all_disks_go_with_a_resize(ground: Disks, end: str) -> None:
    server_id = await ground.server()
    said = await ground.ask(server_id, "resize", {"flavorRef": "narrow"}, status=400)
    assert "ephemeral disks do not shrink (3 GiB to 1 GiB)" in said.text
    await ground.act(server_id, "resize", {"flavorRef": "roomier"})
    assert ground.shape(server_id)[1] == ("ephemeral0", "virtio", 5120)
    assert (await ground.usages())["DISK_GB"] == 8
    await ground.act(server_id, end, status=204 if end == "confirmResize" else 202)
    kept = end == "confirmResize"
    assert ground.shape(server_id)[1] == ("ephemeral0", "virtio", 5120 if kept else 3072)
    assert (await ground.usages())["DISK_GB"] == (8 if kept else 6)
    await ground.delete(server_id)
    await ground.assert_nothing_left()


async def test_described_disks_stay_as_they_are_in_a_resize(ground: Disks) -> None:
    await a_flavor(ground.admin, "dry", **{EPHEMERAL: 3, "swap": 8})
    devices = [
        ground.root(), {**BLANK, "volume_size": 1},
        {**BLANK, "guest_format": "swap", "volume_size": 16},
    ]  # fmt: skip
    server_id = await ground.server(block_device_mapping_v2=devices)
    said = await ground.ask(server_id, "resize", {"flavorRef": "dry"}, status=400)
    assert "16 MiB of swap space" in said.text
    await ground.act(server_id, "resize", {"flavorRef": "roomier"})
    assert ground.shape(server_id)[1:] == [
        ("ephemeral0", "virtio", 1024), ("swap", "virtio", 16),
    ]  # fmt: skip


ACTIONS: list[tuple[str, Any, int]] = [
    ("rescue", None, 200),
    ("rebuild", {}, 202),
    ("shelve", None, 202),
]


@pytest.mark.parametrize(("action", "value", "status"), ACTIONS)
async def test_actions_know_every_disk(ground: Disks, action: str, value: Any, status: int) -> None:
    devices = [ground.root(disk_bus="scsi", tag="a"), {**BLANK, "volume_size": 2}]
    server_id = await ground.server(block_device_mapping_v2=devices)
    before = ground.shape(server_id)
    value = {"imageRef": ground.image} if value == {} else value
    await ground.act(server_id, action, value, status=status)
    if action == "rescue":
        await ground.act(server_id, "unrescue")
    elif action == "shelve":
        await ground.act(server_id, "unshelve")
    assert await ground.status(server_id) == "ACTIVE"
    assert ground.shape(server_id) == before
    await ground.delete(server_id)
    await ground.assert_nothing_left()


@pytest.mark.parametrize("place", ["before_do", "after_do", "before_save"])
async def test_a_create_that_breaks_leaves_nothing_of_its_disks(ground: Disks, place: str) -> None:
    failpoints.arm(f"compute.create_server.StartGuest.{place}", "raise", 10)
    devices = [ground.root(), {**BLANK, "volume_size": 1}]
    made = await ground.user.post(
        SERVERS, ground.body(block_device_mapping_v2=devices), 202, headers=NEWEST
    )
    await settle(ground.cloud)
    failpoints.disarm()
    server_id = made["server"]["id"]
    assert await ground.status(server_id) == "ERROR"
    await ground.delete(server_id)
    await ground.assert_nothing_left()


async def test_what_a_host_warns_of_is_told_by_doctor(ground: Disks) -> None:
    host = await ask(ground.cloud.control.bus, "host-1", DescribeHost(), timeout_s=60)
    assert isinstance(host, HostState)
    warned = msgspec.structs.replace(host, warnings=("its disk has 900 MiB free",))
    subject = wire.from_host(wire.HEARTBEAT, "host-1")
    await ground.cloud.control.bus.publish(subject, wire.encode(warned))
    found: list[dict[str, Any]] = []
    async with asyncio.timeout(60):
        while not found:
            found = (await ground.admin.get("/hanok/v1/inventory"))["differences"]
    assert [one["detail"] for one in found] == ["host host-1: its disk has 900 MiB free"]


# ---- images that say how they are started


async def an_iso(ground: Disks) -> str:
    disk, out = pycdlib.PyCdlib(), io.BytesIO()
    disk.new()
    disk.write_fp(out)
    disk.close()
    body = {"name": "iso", "disk_format": "iso", "container_format": "bare"}
    made = str((await ground.user.post("/image/v2/images", body))["id"])
    path, headers = f"/image/v2/images/{made}/file", {"Content-Type": "application/octet-stream"}
    await ground.user("PUT", path, content=out.getvalue(), headers=headers, status=204)
    return made


@pytest.mark.parametrize(
    ("kind", "name"), [("vmdk", "vmdk"), ("vdi", "vdi"), ("vhd", "vpc"), ("vhdx", "vhdx")]
)
async def test_disks_of_other_hypervisors_are_started(
    ground: Disks, tmp_path: Path, kind: str, name: str
) -> None:
    file = tmp_path / "disk"
    command = ["qemu-img", "create", "-q", "-f", name, str(file), "1M"]
    subprocess.run(command, check=True, timeout=60)
    body = {"name": kind, "disk_format": kind, "container_format": "bare"}
    ground.image = str((await ground.user.post("/image/v2/images", body))["id"])
    path = f"/image/v2/images/{ground.image}/file"
    headers = {"Content-Type": "application/octet-stream"}
    await ground.user("PUT", path, content=file.read_bytes(), headers=headers, status=204)
    server_id = await ground.server()
    assert await ground.status(server_id) == "ACTIVE"
    assert ground.record(server_id).image_format == "qcow2"


async def test_what_was_installed_comes_back_without_the_cdrom(ground: Disks) -> None:
    ground.image, ground.flavor = await an_iso(ground), "nano"
    server_id = await ground.server()
    assert ground.shape(server_id) == [("root", "virtio", 0), ("installer", "sata", 0)]
    assert ground.record(server_id).blank_root
    await ground.act(server_id, "createImage", {"name": "copy"}, minor=45)
    await ground.act(server_id, "shelve")
    await ground.act(server_id, "unshelve")
    assert await ground.status(server_id) == "ACTIVE"
    assert ground.shape(server_id) == [("root", "virtio", 0)]
    assert not ground.record(server_id).blank_root
    await ground.act(server_id, "rebuild", {"imageRef": ground.image})
    assert ground.shape(server_id) == [("root", "virtio", 0), ("installer", "sata", 0)]
    await ground.delete(server_id)
    await ground.assert_nothing_left()


async def test_an_images_properties_choose_buses(ground: Disks) -> None:
    ground.image = await an_image(
        ground.user, "scsi", hw_disk_bus="scsi", hw_scsi_model="lsilogic", hw_cdrom_bus="ide"
    )
    server_id = await ground.server(config_drive=True)
    spec = ground.record(server_id).spec
    assert [(one.name, one.bus, one.device) for one in spec.disks] == [
        ("root", "scsi", "disk"), ("ephemeral0", "scsi", "disk"), ("swap", "scsi", "disk"),
        ("config", "ide", "cdrom"),
    ]  # fmt: skip
    assert spec.scsi_model == "lsilogic"


@pytest.mark.parametrize(
    ("name", "value"),
    [("hw_disk_bus", "fdc"), ("hw_cdrom_bus", "usb"), ("hw_scsi_model", "buslogic")],
)
async def test_what_no_host_has_is_refused(ground: Disks, name: str, value: str) -> None:
    ground.image = await an_image(ground.user, "odd", **{name: value})
    said = await ground.user("POST", SERVERS, ground.body(), headers=NEWEST, status=400)
    assert f"{name}={value}, which is not supported" in said.text


async def boot_files(ground: Disks) -> tuple[str, str]:
    found = []
    for one in ("aki", "ari"):
        made = await ground.user.post(
            "/image/v2/images", {"name": one, "disk_format": one, "container_format": one}
        )
        path = f"/image/v2/images/{made['id']}/file"
        headers = {"Content-Type": "application/octet-stream"}
        await ground.user("PUT", path, content=bytes(2048), headers=headers, status=204)
        found.append(made["id"])
    return found[0], found[1]


async def test_a_kernel_is_started_in_place_of_a_boot_loader(ground: Disks) -> None:
    kernel, ramdisk = await boot_files(ground)
    ground.image = await an_image(
        ground.user, "direct", kernel_id=kernel, ramdisk_id=ramdisk, os_command_line="quiet"
    )
    server_id = await ground.server()
    shown = await ground.show(server_id)
    assert shown["OS-EXT-SRV-ATTR:kernel_id"] == kernel
    assert shown["OS-EXT-SRV-ATTR:ramdisk_id"] == ramdisk
    told = ground.record(server_id).spec.kernel
    assert told is not None
    assert (told.kernel_id, told.ramdisk_id, told.command_line) == (kernel, ramdisk, "quiet")
    plain = await an_image(ground.user, "plain")
    await ground.act(server_id, "rebuild", {"imageRef": plain})
    assert ground.record(server_id).spec.kernel is None


@pytest.mark.parametrize(
    ("properties", "words"),
    [
        ({"kernel_id": "nobody"}, "could not be found"),
        ({"kernel_id": "9c0d0000-0000-4000-8000-00000000ffff"}, "could not be found"),
        ({"ramdisk_id": "ari"}, "no kernel_id"),
        ({"kernel_id": "qcow2"}, "a kernel is aki or raw"),
    ],
)
async def test_a_kernel_that_is_none_is_refused(
    ground: Disks, properties: dict[str, str], words: str
) -> None:
    _, ramdisk = await boot_files(ground)
    known = {"ari": ramdisk, "qcow2": ground.image}
    named = {name: known.get(value, value) for name, value in properties.items()}
    ground.image = await an_image(ground.user, "direct", **named)
    said = await ground.user("POST", SERVERS, ground.body(), headers=NEWEST, status=400)
    assert words in said.text


# ---- files


def file(path: str = "/etc/motd", content: bytes = b"hello") -> dict[str, str]:
    return {"path": path, "contents": base64.b64encode(content).decode()}


FILES: list[tuple[list[Any], int, int, str]] = [
    ([file(f"/{n}") for n in range(6)], 56, 403, "Personality file limit exceeded"),
    ([file("/" + "x" * 255)], 56, 403, "Personality file path exceeds maximum 255"),
    ([file(content=bytes(10241))], 56, 403, "Personality file content exceeds maximum 10240"),
    ([{"path": "/a", "contents": "x!"}], 56, 400, "not valid base64"),
    ([{"path": "/a"}], 56, 400, "contents"),
    ([{**file(), "mode": "600"}], 56, 400, "mode"),
    ([file()], 57, 400, "personality"),
]


@pytest.mark.parametrize(("files", "minor", "status", "words"), FILES)
async def test_files_that_are_refused(
    ground: Disks, files: list[Any], minor: int, status: int, words: str
) -> None:
    body = ground.body(personality=files)
    said = await ground.user("POST", SERVERS, body, headers=at(minor), status=status)
    assert words in said.text, said.text


async def test_files_are_told_to_the_guest_until_a_rebuild_brings_others(ground: Disks) -> None:
    files = [file(), file("/b", bytes(10240))]
    body = ground.body(personality=files, networks=[{"uuid": ground.network}], config_drive=True)
    made = await ground.user.post(SERVERS, body, 202, headers=at(56))
    await settle(ground.cloud)
    server_id = made["server"]["id"]
    served = await served_to(ground, server_id)
    drive = {one.path: one.content for one in ground.record(server_id).spec.config_drive}
    for found in (served, drive):
        told = json.loads(found["openstack/latest/meta_data.json"])["files"]
        assert told == [
            {"path": "/etc/motd", "content_path": "/content/0000"},
            {"path": "/b", "content_path": "/content/0001"},
        ]
        assert found["openstack/content/0000"] == b"hello"
        assert found["openstack/content/0001"] == bytes(10240)
    value = {"imageRef": ground.image, "personality": [file("/c")]}
    await ground.act(server_id, "rebuild", value, minor=56)
    served = await served_to(ground, server_id)
    assert [one for one in served if "content/" in one] == ["openstack/content/0000"]
    await ground.act(server_id, "rebuild", {"imageRef": ground.image})
    assert not [one for one in await served_to(ground, server_id) if "content/" in one]
    too_many = {"imageRef": ground.image, "personality": [file(f"/{n}") for n in range(6)]}
    await ground.ask(server_id, "rebuild", too_many, status=403, minor=56)
