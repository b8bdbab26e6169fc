"""Servers that boot from volumes, and have more of them from the beginning."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from hanok.base import failpoints
from hanok.base.ids import new_uuid
from tests.api.compute.ground import SERVERS, at
from tests.api.compute.volume_ground import NEWEST, SNAPSHOTS, VolumeGround, with_volumes
from tests.cloud import a_flavor, a_server, settle

BLANK = {"source_type": "blank", "destination_type": "volume", "volume_size": 1}


@pytest.fixture
async def ground(tmp_path: Path) -> AsyncIterator[VolumeGround]:
    async with with_volumes(tmp_path) as one:
        yield one


def of_image(ground: VolumeGround, **values: Any) -> dict[str, Any]:
    return {
        "source_type": "image",
        "destination_type": "volume",
        "uuid": ground.image,
        "volume_size": 1,
        "boot_index": 0,
        **values,
    }


async def boot(
    ground: VolumeGround, *devices: dict[str, Any], flavor: str = "", **values: Any
) -> str:
    """A server without an image of its own."""
    body = {"block_device_mapping_v2": list(devices), **values}
    made = await a_server(ground.user, "", flavor or ground.flavor, ground.network, **body)
    await settle(ground.cloud)
    await ground.quiet(made)
    return made


async def volumes_of(ground: VolumeGround, server_id: str) -> list[str]:
    shown = await ground.show(server_id)
    return [one["id"] for one in shown["os-extended-volumes:volumes_attached"]]


async def test_a_server_boots_from_a_new_volume_of_an_image(ground: VolumeGround) -> None:
    server = await boot(ground, of_image(ground, delete_on_termination=True, tag="sys"))
    shown = await ground.show(server)
    assert (shown["status"], shown["image"]) == ("ACTIVE", ""), shown
    assert shown["OS-EXT-SRV-ATTR:root_device_name"] == "/dev/vda"
    (volume,) = await volumes_of(ground, server)
    (guest,) = ground.guest_volumes(server).values()
    assert (guest.volume_id, guest.boot_index, guest.size_gib) == (volume, 0, 1)
    found = await ground.volume_of(volume)
    assert (found["status"], found["bootable"]) == ("in-use", "true")
    assert found["attachments"][0]["device"] == "/dev/vda"
    assert (await ground.usages())["DISK_GB"] == 0
    (one,) = await ground.attachments(server)
    assert (one["tag"], one["delete_on_termination"]) == ("sys", True)
    assert [name for name, _ in await ground.actions(server)] == ["create"]
    await ground.detach(server, volume, 403)
    await ground.assert_clean()
    await ground.delete(server)
    assert await ground.volume_of(volume) is None
    await ground.assert_nothing_left()


async def test_every_source_of_a_volume(ground: VolumeGround) -> None:
    volume = await ground.volume(imageRef=ground.image)
    data = await ground.volume()
    body = {"snapshot": {"volume_id": data}}
    snapshot = (await ground.user.post(SNAPSHOTS, body, 202, headers=NEWEST))["snapshot"]["id"]
    await settle(ground.cloud)
    server = await boot(
        ground,
        {"source_type": "volume", "uuid": volume, "boot_index": 0},
        {"source_type": "snapshot", "uuid": snapshot, "volume_size": 2, "disk_bus": "scsi"},
        {**BLANK, "volume_size": 3},
    )
    assert (await ground.show(server))["status"] == "ACTIVE"
    made = await volumes_of(ground, server)
    assert made[0] == volume
    guest = list(ground.guest_volumes(server).values())
    assert [one.size_gib for one in guest] == [1, 2, 3]
    assert [one.bus for one in guest] == ["virtio", "scsi", "virtio"]
    devices = [one["device"] for one in await ground.attachments(server)]
    assert devices == ["/dev/vda", "/dev/sda", "/dev/vdb"]
    assert (await ground.volume_of(made[1]))["snapshot_id"] == snapshot
    await ground.delete(server)
    for one in made:
        assert (await ground.volume_of(one))["status"] == "available"
    await ground.assert_nothing_left()


async def test_an_image_and_a_volume_beside_it(ground: VolumeGround) -> None:
    root = {
        "source_type": "image",
        "destination_type": "local",
        "uuid": ground.image,
        "boot_index": 0,
    }
    server = await ground.server(block_device_mapping_v2=[root, BLANK])
    shown = await ground.show(server)
    assert shown["image"]["id"] == ground.image
    assert [one["device"] for one in await ground.attachments(server)] == ["/dev/vdb"]
    assert (await ground.usages())["DISK_GB"] == 1


async def test_a_blank_root_is_taken_where_an_image_is_named_as_well(
    ground: VolumeGround,
) -> None:
    """As upstream, which the SDK's own suite leans on; without the image it is refused."""
    blank = await ground.volume()
    root = {"source_type": "volume", "destination_type": "volume", "uuid": blank, "boot_index": 0}
    body = {"name": "s", "flavorRef": ground.flavor, "block_device_mapping_v2": [root]}
    refused = await ground.user("POST", SERVERS, {"server": body}, status=400, headers=NEWEST)
    assert f"Block Device {blank} is not bootable." in refused.text
    server = await ground.server(block_device_mapping_v2=[root])
    assert await volumes_of(ground, server) == [blank]


async def test_the_older_form(ground: VolumeGround) -> None:
    volume = await ground.volume(imageRef=ground.image)
    mapping = [{"device_name": "vda", "volume_id": volume, "delete_on_termination": "1"}]
    server = await a_server(
        ground.user, "", ground.flavor, ground.network, block_device_mapping=mapping
    )
    await settle(ground.cloud)
    assert (await ground.show(server))["status"] == "ACTIVE"
    assert await volumes_of(ground, server) == [volume]
    await ground.delete(server)
    assert await ground.volume_of(volume) is None


async def test_a_flavor_without_a_disk(ground: VolumeGround) -> None:
    flavor = await a_flavor(ground.admin, "diskless", disk=0)
    server = await boot(ground, of_image(ground), flavor=flavor)
    assert (await ground.show(server))["status"] == "ACTIVE"


async def test_lists_show_no_image_and_all_volumes(ground: VolumeGround) -> None:
    server = await boot(ground, of_image(ground))
    plain = await ground.server()
    path = f"{SERVERS}/detail"
    found = {one["id"]: one for one in (await ground.user.get(path, headers=at(104)))["servers"]}
    assert found[server]["image"] == ""
    assert len(found[server]["os-extended-volumes:volumes_attached"]) == 1
    assert found[plain]["os-extended-volumes:volumes_attached"] == []
    (old,) = [one for one in (await ground.user.get(path))["servers"] if one["id"] == server]
    assert set(old["os-extended-volumes:volumes_attached"][0]) == {"id"}
    by_image = await ground.user.get(f"{SERVERS}?image={ground.image}", headers=at(104))
    assert [one["id"] for one in by_image["servers"]] == [plain]


REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"source_type": "volume", "uuid": new_uuid(), "boot_index": 0}, "failed to get volume"),
    ({"source_type": "snapshot", "uuid": new_uuid(), "boot_index": 0}, "failed to get snapshot"),
    ({**BLANK, "volume_size": None, "boot_index": 0}, "non-zero size"),
    ({**BLANK, "volume_type": "none", "boot_index": 0}, "could not be found"),
    ({**BLANK, "boot_index": 1}, "Boot sequence"),
]


@pytest.mark.parametrize(("device", "why"), REFUSED)
async def test_what_is_refused(ground: VolumeGround, device: dict[str, Any], why: str) -> None:
    body = {
        "name": "vm",
        "flavorRef": ground.flavor,
        "networks": "none",
        "block_device_mapping_v2": [device],
    }
    answer = await ground.user("POST", SERVERS, {"server": body}, headers=at(104), status=400)
    assert why in answer.text


async def test_odd_sizes_and_states_are_refused(ground: VolumeGround) -> None:
    blank, volume = await ground.volume(), await ground.volume(imageRef=ground.image)
    cases: list[tuple[list[dict[str, Any]], dict[str, Any], str]] = [
        ([{"source_type": "volume", "uuid": blank, "boot_index": 0}], {}, "not bootable"),
        ([of_image(ground, volume_size=None)], {}, "non-zero size"),
        (
            [{"source_type": "volume", "uuid": volume, "boot_index": 0}],
            {"max_count": 2},
            "multiple",
        ),
    ]
    for devices, values, why in cases:
        body = {
            "name": "vm",
            "flavorRef": ground.flavor,
            "networks": "none",
            "block_device_mapping_v2": devices,
            **values,
        }
        answer = await ground.user("POST", SERVERS, {"server": body}, headers=at(104), status=400)
        assert why in answer.text
    assert (await ground.volume_of(volume))["status"] == "available"


async def test_several_servers_each_have_their_own(ground: VolumeGround) -> None:
    body = {"block_device_mapping_v2": [of_image(ground)], "min_count": 2, "max_count": 2}
    await a_server(ground.user, "", ground.flavor, ground.network, **body)
    await settle(ground.cloud)
    found = (await ground.user.get(f"{SERVERS}/detail", headers=at(104)))["servers"]
    assert [one["status"] for one in found] == ["ACTIVE", "ACTIVE"]
    volumes = {one["os-extended-volumes:volumes_attached"][0]["id"] for one in found}
    assert len(volumes) == 2


async def test_a_volume_that_cannot_be_made_is_the_reason(ground: VolumeGround) -> None:
    path = f"/volume/v3/os-quota-sets/{ground.user.project_id}"
    await ground.admin("PUT", path, {"quota_set": {"volumes": 1}}, status=200)
    server = await boot(ground, of_image(ground), BLANK)
    shown = await ground.show(server)
    assert shown["status"] == "ERROR"
    assert "volume" in shown["fault"]["message"].lower()
    assert (await ground.user.get("/volume/v3/volumes"))["volumes"] == []
    assert await volumes_of(ground, server) == []
    await ground.delete(server)
    await ground.assert_nothing_left()


async def test_a_deleted_server_takes_the_volumes_along_that_are_being_made(
    ground: VolumeGround,
) -> None:
    failpoints.arm("block_storage.create_volume_of_image.MakeVolume.before_do", "hang")
    server = await a_server(
        ground.user, "", ground.flavor, ground.network, block_device_mapping_v2=[of_image(ground)]
    )
    async with asyncio.timeout(30):
        while not failpoints.waiting("block_storage.create_volume_of_image.MakeVolume.before_do"):
            await asyncio.sleep(0.01)
    await ground.user("DELETE", f"{SERVERS}/{server}", status=204)
    failpoints.disarm()
    await settle(ground.cloud)
    assert await ground.status(server) == "gone"
    assert (await ground.user.get("/volume/v3/volumes"))["volumes"] == []
    await ground.assert_nothing_left()


STEPS = ("ClaimHost", "FetchImage", "MakeVolumes", "BindPorts", "OpenVolumes", "StartGuest")


@pytest.mark.parametrize("place", ["before_do", "after_do", "before_save"])
@pytest.mark.parametrize("step", STEPS)
async def test_building_breaks_off(ground: VolumeGround, step: str, place: str) -> None:
    kept = await ground.volume()
    failpoints.arm(f"compute.create_server_with_volumes.{step}.{place}", "raise")
    server = await boot(ground, of_image(ground), {"source_type": "volume", "uuid": kept})
    failpoints.disarm()
    await settle(ground.cloud)
    assert (await ground.show(server))["status"] == "ERROR"
    assert [one["id"] for one in (await ground.user.get("/volume/v3/volumes"))["volumes"]] == [kept]
    assert (await ground.volume_of(kept))["status"] == "available"
    assert await ground.exports() == set()
    await ground.delete(server)
    await ground.assert_nothing_left()


async def test_a_server_keeps_its_volumes_whatever_is_done_to_it(ground: VolumeGround) -> None:
    server = await boot(ground, of_image(ground))
    data = await ground.volume()
    await ground.attach(server, data)
    large = await a_flavor(ground.admin, "large", ram=128, disk=2)
    (root, _) = await volumes_of(ground, server)
    for action, value in (
        ("os-stop", None),
        ("os-start", None),
        ("reboot", {"type": "HARD"}),
        ("suspend", None),
        ("resume", None),
        ("resize", {"flavorRef": large}),
    ):
        await ground.act(server, action, value)
        assert set(ground.guest_volumes(server)) == {root, data}, action
    await ground.act(server, "confirmResize", status=204)
    assert (await ground.show(server))["status"] == "ACTIVE"
    assert set(ground.guest_volumes(server)) == {root, data}
    assert (await ground.usages())["DISK_GB"] == 0
    await ground.assert_clean()
