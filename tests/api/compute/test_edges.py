"""Requests at the edge of what a server can be: each is refused with its reason, or comes true."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from hanok.base.ids import new_uuid
from hanok.services.compute.room import ComputeSettings
from tests.api.compute.ground import SERVERS, at
from tests.api.compute.volume_ground import NEWEST, SNAPSHOTS, VOLUMES, VolumeGround, with_volumes
from tests.cloud import a_flavor, a_server, an_image, settle
from tests.disks import qcow2

Body = dict[str, Any]
IMAGES = "/image/v2/images"


@pytest.fixture
async def ground(tmp_path: Path) -> AsyncIterator[VolumeGround]:
    settings = ComputeSettings(max_disk_devices_to_attach=3)
    async with with_volumes(tmp_path, compute=settings) as one:
        yield one


async def refused(
    ground: VolumeGround, values: Body, why: str, *, status: int = 400, minor: int = 104
) -> None:
    """A request for a server is answered so, and no server is there."""
    body = {"name": "vm", "imageRef": ground.image, "flavorRef": ground.flavor, "networks": "none"}
    sent = {name: one for name, one in {**body, **values}.items() if one is not ...}
    answer = await ground.admin("POST", SERVERS, {"server": sent}, headers=at(minor))
    got = f"{values}: {answer.status_code} {answer.text[:300]}"
    assert answer.status_code == status and why in answer.text, got


async def empty_image(ground: VolumeGround, **values: Any) -> str:
    body = {"name": "empty", "disk_format": "raw", "container_format": "bare", **values}
    return str((await ground.admin.post(IMAGES, body))["id"])


async def test_what_a_new_server_cannot_be(ground: VolumeGround) -> None:
    empty, large = await empty_image(ground), await an_image(ground.admin, "large", min_disk=2)
    kernel = await empty_image(ground, disk_format="aki", container_format="aki")
    await ground.admin(
        "PUT", f"{IMAGES}/{kernel}/file", content=b"a kernel",
        headers={"Content-Type": "application/octet-stream"}, status=204,
    )  # fmt: skip
    of_no_image = await an_image(ground.admin, "a", kernel_id=new_uuid())
    of_text = await an_image(ground.admin, "b", kernel_id="vmlinuz")
    of_empty = await an_image(ground.admin, "c", kernel_id=empty)
    of_disk = await an_image(ground.admin, "d", kernel_id=ground.image)
    ramdisk_alone = await an_image(ground.admin, "e", ramdisk_id=kernel)
    one = {"source_type": "blank", "destination_type": "volume", "volume_size": 1}
    root = {
        "source_type": "image",
        "destination_type": "local",
        "uuid": ground.image,
        "boot_index": 0,
    }
    cases: list[tuple[Body, str]] = [
        ({"flavorRef": ""}, "Invalid flavorRef provided."),
        ({"flavorRef": True}, "Invalid flavorRef provided."),
        ({"flavorRef": None}, "Invalid flavorRef provided."),
        ({"flavorRef": 1.5}, "Invalid flavorRef provided."),
        ({"flavorRef": "nowhere"}, "Flavor nowhere could not be found."),
        ({"imageRef": empty}, f"Image {empty} is not active."),
        ({"imageRef": kernel}, "is of format aki: qcow2, raw"),
        ({"imageRef": large}, "Flavor disk is 1 GiB, the image needs 2 GiB."),
        ({"imageRef": of_no_image}, "could not be found"),
        ({"imageRef": of_text}, "Image vmlinuz could not be found."),
        ({"imageRef": of_empty}, f"Image {empty} is not active."),
        ({"imageRef": of_disk}, "is of format qcow2: a kernel is aki or raw, a ramdisk ari or raw."),
        ({"imageRef": ramdisk_alone}, "names a ramdisk_id, and no kernel_id"),
        ({"imageRef": ""}, "Invalid imageRef provided."),
        ({"min_count": 3, "max_count": 2}, "min_count must be <= max_count"),
        ({"min_count": 0}, "min_count"),
        ({"max_count": 1001}, "At most 1000 servers"),
        ({"max_count": 2, "hostname": "web"}, "cannot have one and the same hostname"),
        ({"key_name": "nobodys"}, "Invalid key_name provided."),
        ({"availability_zone": "nova:host-1:host-2"}, "host-1 has no hypervisor host-2"),
        ({"availability_zone": "nova:host-1:host-1:more"}, "more parts than zone, host and node"),
        ({"OS-DCF:diskConfig": "auto"}, "AUTO or MANUAL is expected"),
        ({"networks": "some"}, "must be 'auto', 'none' or a list"),
    ]  # fmt: skip
    for values, why in cases:
        await refused(ground, values, why)
    await refused(
        ground, {"block_device_mapping_v2": [root, one, one, one]}, "devices (3)", status=403
    )
    hints = {"cidr": "/24"}
    body = {
        "server": {"name": "vm", "imageRef": ground.image, "flavorRef": ground.flavor, "networks": "none"},
        "os:scheduler_hints": hints,
    }  # fmt: skip
    said = await ground.user("POST", SERVERS, body, headers=at(104), status=400)
    assert "'cidr' needs the hint 'build_near_host_ip'" in said.text
    content = base64.b64encode(b"x").decode()
    for path, contents, status, why in (
        ("", content, 400, "It is not the path of a file"),
        ("/" + "p" * 255, content, 403, "file path exceeds maximum 255"),
        ("/a", base64.b64encode(bytes(10241)).decode(), 403, "content exceeds maximum 10240"),
    ):
        files = [{"path": path, "contents": contents}]
        await refused(ground, {"personality": files}, why, status=status, minor=56)
    assert (await ground.admin.get(f"{SERVERS}?all_tenants=1"))["servers"] == []


async def test_which_volumes_a_new_server_cannot_have(ground: VolumeGround) -> None:
    blank = await ground.volume(2, client=ground.admin)
    whole = await ground.volume(imageRef=ground.image, client=ground.admin)
    shared = await ground.volume(
        volume_type=await ground.multiattach_type(), imageRef=ground.image, client=ground.admin
    )
    made = {}
    for name in ("kept", "broken"):
        body = {"snapshot": {"volume_id": blank}}
        taken = await ground.admin.post(SNAPSHOTS, body, 202, headers=NEWEST)
        made[name] = taken["snapshot"]["id"]
    await settle(ground.cloud)
    broken = f"{SNAPSHOTS}/{made['broken']}/action"
    await ground.admin("POST", broken, {"os-reset_status": {"status": "error"}}, status=202)
    empty, large = await empty_image(ground), await an_image(ground.admin, "large", min_disk=2)
    a_volume = {"source_type": "volume", "destination_type": "volume", "boot_index": 0}
    a_snapshot = {**a_volume, "source_type": "snapshot"}
    of_image = {**a_volume, "source_type": "image", "volume_size": 1}
    beside = {"source_type": "volume", "destination_type": "volume", "uuid": blank}
    cases: list[tuple[list[Body], str]] = [
        ([{**a_volume, "uuid": new_uuid()}], "failed to get volume"),
        ([{**a_volume, "uuid": blank}], f"Block Device {blank} is not bootable."),
        ([{**a_volume, "uuid": whole}, beside, beside], f"volume {blank} is named twice."),
        ([{**a_volume, "uuid": whole, "volume_type": "fast"}], "volume_type is for new volumes"),
        ([{**a_snapshot, "uuid": new_uuid()}], "failed to get snapshot"),
        ([{**a_snapshot, "uuid": made["kept"]}], f"Block Device {blank} is not bootable."),
        ([{**a_snapshot, "uuid": made["broken"]}], "is not available; its status is error."),
        (
            [{**a_volume, "uuid": whole}, {**a_snapshot, "uuid": made["kept"], "boot_index": None, "volume_size": 1}],
            "the volume_size of 1 GiB is less than that of snapshot",
        ),
        ([{**of_image, "uuid": empty}], f"Image {empty} is not active."),
        ([{**of_image, "uuid": new_uuid()}], "failed to get image"),
        ([{**of_image, "uuid": ground.image, "volume_size": None}], "non-zero size specified"),
        ([{**of_image, "uuid": large}], "Volume is too small for requested image."),
        ([{**of_image, "uuid": ground.image, "volume_type": "none"}], "none could not be found"),
        ([{**of_image, "source_type": "blank", "volume_size": None}], "need to have non-zero size"),
    ]  # fmt: skip
    for devices, why in cases:
        await refused(ground, {"imageRef": ..., "block_device_mapping_v2": devices}, why)
    both = {"imageRef": ..., "block_device_mapping_v2": [{**a_volume, "uuid": shared}]}
    await refused(ground, both, "starting with compute API version 2.60", minor=59)
    await refused(ground, {**both, "max_count": 2}, "to multiple instances")
    for one in (blank, whole, shared):
        found = await ground.admin.get(f"/volume/v3/volumes/{one}", headers=NEWEST)
        assert found["volume"]["status"] == "available"


async def test_what_a_new_server_may_leave_empty(ground: VolumeGround) -> None:
    """Empty lists say nothing; a volume of a snapshot is as large as that; a shared volume may be had from 2.60 on."""
    server = await ground.server(security_groups=[], tags=[], trusted_image_certificates=None)
    shown = await ground.show(server)
    assert (shown["status"], shown["tags"]) == ("ACTIVE", [])
    assert [one["name"] for one in shown["security_groups"]] == ["default"]
    assert shown["OS-EXT-AZ:availability_zone"] == "nova"
    whole = await ground.volume(2, imageRef=ground.image)
    body = {"snapshot": {"volume_id": whole}}
    files = {"name": "vm", "flavorRef": ground.flavor, "imageRef": ground.image, "personality": []}
    await ground.user.post(SERVERS, {"server": files}, 202, headers=at(36))
    snapshot = (await ground.user.post(SNAPSHOTS, body, 202, headers=NEWEST))["snapshot"]["id"]
    await settle(ground.cloud)
    shared = await ground.volume(volume_type=await ground.multiattach_type())
    devices = [
        {"source_type": "snapshot", "destination_type": "volume", "uuid": snapshot, "boot_index": 0},
        {"source_type": "volume", "destination_type": "volume", "uuid": shared},
    ]  # fmt: skip
    values = {"block_device_mapping_v2": devices, "config_drive": ""}
    made = {"name": "vm", "flavorRef": ground.flavor, "networks": "none", **values}
    answer = await ground.user.post(SERVERS, {"server": made}, 202, headers=at(60))
    await settle(ground.cloud)
    await ground.quiet(answer["server"]["id"])
    root, other = ground.guest_volumes(answer["server"]["id"]).values()
    assert (root.size_gib, root.boot_index, other.volume_id) == (2, 0, shared)


async def test_a_server_keeps_what_its_image_says_of_it(ground: VolumeGround) -> None:
    """What is said when it is made anew: a config drive that an image forces, addresses, and what does not fit."""
    server = await ground.server()
    before = await ground.show(server)
    assert before["config_drive"] == ""
    forcing = await an_image(
        ground.user, "forcing", img_config_drive="mandatory", disk_format="qcow2"
    )
    body = {"imageRef": forcing, "accessIPv6": "2001:db8::9", "accessIPv4": "192.0.2.9"}
    await ground.act(server, "rebuild", body)
    shown = await ground.show(server)
    assert (shown["accessIPv6"], shown["accessIPv4"]) == ("2001:db8::9", "192.0.2.9")
    assert shown["config_drive"] == "True"
    await ground.act(server, "rebuild", {"imageRef": ground.image})
    shown = await ground.show(server)
    assert shown["accessIPv6"] == "2001:db8::9"  # what is not named stays
    for values, why in (
        ({"accessIPv6": "192.0.2.9"}, "accessIPv6"),
        ({"imageRef": await an_image(ground.user, "numa", hw_numa_nodes="1")}, "NUMA topology cannot be changed"),
        (
            {"imageRef": await an_image(ground.user, "arm", hw_architecture="aarch64")},
            "host-1 lacks what runs images of this kind",
        ),
        (
            {"imageRef": await an_image(ground.user, "pc", hw_machine_type="pc-q35-99.9")},
            "host-1 lacks machine:pc-q35-99.9",
        ),
        ({"imageRef": await an_image(ground.admin, "large", min_disk=2)}, "the image needs 2 GiB"),
    ):  # fmt: skip
        said = await ground.ask(
            server, "rebuild", {"imageRef": ground.image, **values}, status=400, client=ground.admin
        )
        assert why in said.text, said.text
    nothing = await a_flavor(ground.admin, "diskless", disk=0)
    for ref, why in (
        (nothing, "Resize to zero disk flavor is not allowed"),
        (True, "not a valid flavor"),
        ("", "not a valid flavor"),
        (ground.flavor, "must change flavor"),
    ):
        said = await ground.ask(server, "resize", {"flavorRef": ref}, status=400)
        assert why in said.text, said.text
    assert await ground.status(server) == "ACTIVE"


async def test_an_image_without_a_name_is_called_by_its_id(ground: VolumeGround) -> None:
    nameless = await empty_image(ground, name=None, disk_format="qcow2", hw_pmu="true")
    await ground.admin(
        "PUT", f"{IMAGES}/{nameless}/file", content=qcow2(),
        headers={"Content-Type": "application/octet-stream"}, status=204,
    )  # fmt: skip
    await a_flavor(ground.admin, "without")
    path = "/compute/v2.1/flavors/without/os-extra_specs"
    await ground.admin.post(path, {"extra_specs": {"hw:pmu": "false"}}, 200)
    why = f"Flavor without has hw:pmu extra spec explicitly set to False, conflicting with image {nameless} "
    await refused(ground, {"imageRef": nameless, "flavorRef": "without"}, why)
    plain = await a_server(ground.admin, ground.image, "without")
    pmu = await a_server(ground.admin, nameless, ground.flavor)
    await settle(ground.cloud)
    for server, action, body in (
        (plain, "rebuild", {"imageRef": nameless}),
        (pmu, "resize", {"flavorRef": "without"}),
    ):
        said = await ground.ask(server, action, body, status=400, client=ground.admin)
        assert why in said.text, said.text


async def test_what_an_image_lists_of_volumes_may_be_anything(ground: VolumeGround) -> None:
    nested = '[{"a": ' + "[" * 5000 + "]" * 5000 + "}]"
    odd = '[{"source_type": "snapshot", "snapshot_id": "x", "device_name": []}]'
    for listed, why in ((nested, "cannot be read"), (odd, "Device name empty or too long")):
        image = await an_image(ground.admin, "odd", block_device_mapping=listed)
        await refused(ground, {"imageRef": image}, why)
    left_out = {"device_name": [], "no_device": True}
    root = {
        "source_type": "image", "destination_type": "local", "uuid": image, "boot_index": 0,
    }  # fmt: skip
    devices = {"imageRef": image, "block_device_mapping_v2": [root, left_out]}
    await refused(ground, devices, "Device name empty or too long")
    without_data = await empty_image(ground, block_device_mapping=nested)
    body = {"volume": {"size": 1, "imageRef": without_data}}
    said = await ground.admin("POST", VOLUMES, body, headers=NEWEST, status=400)
    assert "boot block device is not a snapshot" in said.text


@pytest.mark.parametrize(
    ("limits", "made"),
    [({"instances": 3}, 3), ({"cores": 2}, 2), ({"ram": 64}, 1), ({"instances": 9}, 5)],
)
async def test_as_many_servers_as_the_quota_leaves_room_for(
    ground: VolumeGround, limits: dict[str, int], made: int
) -> None:
    path = f"/compute/v2.1/os-quota-sets/{ground.user.project_id}"
    await ground.admin("PUT", path, {"quota_set": limits}, status=200)
    both = {"name": "vm", "min_count": made + 1, "max_count": 5}
    server = {"imageRef": ground.image, "flavorRef": ground.flavor, "networks": "none", **both}
    if made < 5:
        refusal = await ground.user(
            "POST", SERVERS, {"server": server}, status=403, headers=at(104)
        )
        assert f"Quota exceeded for {next(iter(limits))}" in refusal.text
        assert (await ground.user.get(SERVERS))["servers"] == []
    server["min_count"] = 1
    await ground.user("POST", SERVERS, {"server": server}, status=202, headers=at(104))
    names = {one["name"] for one in (await ground.user.get(SERVERS))["servers"]}
    assert names == ({"vm"} if made == 1 else {f"vm-{number}" for number in range(1, made + 1)})


async def test_as_many_servers_as_the_limit_of_ports_leaves_room_for(ground: VolumeGround) -> None:
    limits, user = f"/network/v2.0/quotas/{ground.user.project_id}", ground.user
    used = (await ground.admin.get(f"{limits}/details.json"))["quota"]["port"]["used"]
    await ground.admin("PUT", limits, {"quota": {"port": used + 5}}, status=200)
    one = {"uuid": ground.network}
    made = 0
    for networks, least, maximum, more in (
        ([one, one], 3, 4, 0),
        ([one, one], 1, 4, 2),  # four of the five ports
        ([one, one], 1, 1, 0),
        ([one], 1, 3, 1),
        ("auto", 1, 1, 0),
        ("none", 2, 2, 2),
    ):
        wish = {"name": "vm", "min_count": least, "max_count": maximum, "networks": networks}
        body = {"server": {**wish, "imageRef": ground.image, "flavorRef": ground.flavor}}
        said = await user("POST", SERVERS, body, status=202 if more else 403, headers=at(104))
        assert more or "Maximum number of ports exceeded" in said.text
        await settle(ground.cloud)
        made += more
        shown = (await user.get(f"{SERVERS}/detail"))["servers"]
        assert [server["status"] for server in shown] == ["ACTIVE"] * made
    await ground.admin("PUT", limits, {"quota": {"port": -1}}, status=200)
    await user(
        "POST",
        SERVERS,
        {"server": {**body["server"], "networks": [one]}},
        status=202,
        headers=at(104),
    )
    assert len((await user.get(SERVERS))["servers"]) == made + 2
