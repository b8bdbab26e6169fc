"""What is done to servers that boot from a volume: they are imaged, rebuilt, rescued, shelved and moved with it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from hanok.base import failpoints
from tests.api.block_storage.grounds import halted
from tests.api.compute.ground import SERVERS, at
from tests.api.compute.test_boot_from_volume import BLANK, boot, of_image, volumes_of
from tests.api.compute.volume_ground import SNAPSHOTS, VolumeGround, with_volumes
from tests.cloud import a_flavor, a_server, an_image, settle


@pytest.fixture
async def ground(tmp_path: Path) -> AsyncIterator[VolumeGround]:
    async with with_volumes(tmp_path) as one:
        yield one


async def settled(ground: VolumeGround) -> None:
    """All that follows is done; what waits is looked at once a second."""
    await settle(ground.cloud)


async def test_a_shelved_server_leaves_its_host_with_its_volumes_kept(ground: VolumeGround) -> None:
    server = await boot(ground, of_image(ground))
    data = await ground.volume()
    await ground.attach(server, data)
    (root, _) = await volumes_of(ground, server)
    await ground.act(server, "shelve")
    assert (await ground.show(server))["status"] == "SHELVED_OFFLOADED"
    assert await ground.exports() == set()
    assert {(await ground.volume_of(one))["status"] for one in (root, data)} == {"in-use"}
    assert [one["name"] for one in (await ground.user.get("/image/v2/images"))["images"]] == [
        "cirros"
    ]
    await ground.assert_clean()

    later = await ground.volume()
    await ground.attach(server, later, 409, 19)
    await ground.attach(server, later, 400, tag="x")
    await ground.attach(server, later)
    await ground.detach(server, data, 409, 19)
    await ground.detach(server, data)
    assert (await ground.volume_of(data))["status"] == "available"
    await ground.act(server, "unshelve")
    assert (await ground.show(server))["status"] == "ACTIVE"
    assert set(ground.guest_volumes(server)) == {root, later}
    devices = [one.get("device") for one in await ground.attachments(server)]
    assert devices == ["/dev/vda", "/dev/vdb"]
    await ground.assert_clean()
    await ground.delete(server)
    await ground.assert_nothing_left()


async def test_a_server_with_a_disk_of_its_own_takes_its_volumes_along(
    ground: VolumeGround,
) -> None:
    server, data = await ground.server(), await ground.volume()
    await ground.attach(server, data)
    await ground.act(server, "shelve")
    assert await ground.exports() == set()
    await ground.act(server, "unshelve")
    assert set(ground.guest_volumes(server)) == {data}
    await ground.assert_clean()


async def test_an_image_names_snapshots_of_the_volumes(ground: VolumeGround) -> None:
    server = await boot(ground, of_image(ground), BLANK)
    said = await ground.act(server, "createImage", {"name": "kept", "metadata": {"a": "b"}})
    image = await ground.user.get(f"/image/v2/images/{said.json()['image_id']}")
    assert (image["status"], image["size"], image["bdm_v2"], image["a"]) == (
        "active",
        0,
        "True",
        "b",
    )
    listed = msgspec.json.decode(image["block_device_mapping"])
    assert [one["boot_index"] for one in listed] == [0, None]
    taken = (await ground.user.get(SNAPSHOTS))["snapshots"]
    assert {one["id"] for one in taken} == {one["snapshot_id"] for one in listed}
    assert {one["name"] for one in taken} == {"snapshot for kept"}
    assert (await ground.show(server))["OS-EXT-STS:task_state"] is None
    assert ("createImage", None) in await ground.actions(server)
    await ground.assert_clean()

    root = await ground.volume(imageRef=image["id"])
    shown = await ground.volume_of(root)
    assert (shown["status"], shown["snapshot_id"]) == ("available", listed[0]["snapshot_id"])
    assert shown["bootable"] == "true"

    again = await a_server(ground.user, image["id"], ground.flavor, ground.network)
    await ground.quiet(again)
    assert (await ground.show(again))["status"] == "ACTIVE", await ground.show(again)
    made = await volumes_of(ground, again)
    assert len(made) == 2
    found = [await ground.volume_of(one) for one in made]
    assert [one["snapshot_id"] for one in found] == [one["snapshot_id"] for one in listed]
    assert (await ground.show(again))["image"] == ""
    await ground.assert_clean()


async def test_no_backup_of_a_server_that_boots_from_a_volume(ground: VolumeGround) -> None:
    server = await boot(ground, of_image(ground))
    body = {"name": "b", "backup_type": "daily", "rotation": 1}
    said = await ground.ask(server, "createBackup", body, status=400)
    assert "Backup is not supported for volume-backed instances" in said.text


@pytest.mark.parametrize("step", ["BeginSnapshots", "AwaitSnapshots"])
async def test_imaging_breaks_off(ground: VolumeGround, step: str) -> None:
    server = await boot(ground, of_image(ground))
    failpoints.arm(f"compute.create_image_of_volumes.{step}.before_save", "raise")
    await ground.act(server, "createImage", {"name": "kept"})
    failpoints.disarm()
    await settled(ground)
    assert (await ground.user.get(SNAPSHOTS))["snapshots"] == []
    assert len((await ground.user.get("/image/v2/images"))["images"]) == 1
    assert (await ground.show(server))["OS-EXT-STS:task_state"] is None
    await ground.assert_clean()


async def test_a_rebuild_writes_another_image_onto_the_volume(ground: VolumeGround) -> None:
    server = await boot(ground, of_image(ground))
    (root,) = await volumes_of(ground, server)
    other = await an_image(ground.user, "other", os_distro="debian")
    said = await ground.ask(server, "rebuild", {"imageRef": other}, status=400, minor=92)
    assert "different image" in said.text
    await ground.act(server, "rebuild", {"imageRef": ground.image}, minor=92)
    assert (await ground.show(server))["status"] == "ACTIVE"
    await ground.act(server, "rebuild", {"imageRef": other})
    shown = await ground.show(server)
    assert (shown["status"], shown["image"]) == ("ACTIVE", ""), shown
    assert await volumes_of(ground, server) == [root]
    volume = await ground.volume_of(root)
    assert volume["status"] == "in-use"
    assert volume["volume_image_metadata"]["image_id"] == other
    assert set(ground.guest_volumes(server)) == {root}
    assert (await ground.actions(server))[0] == ("rebuild", None)
    await ground.assert_clean()


async def test_a_rebuild_waits_for_what_is_made_of_the_volume(ground: VolumeGround) -> None:
    server = await boot(ground, of_image(ground))
    (root,) = await volumes_of(ground, server)
    other = await an_image(ground.user, "other", os_distro="debian")
    point = "block_storage.create_snapshot.TakeSnapshot.before_do"
    failpoints.arm(point, "hang")
    body = {"snapshot": {"volume_id": root, "force": True}}
    await ground.user("POST", SNAPSHOTS, body, status=202)
    await halted(point)
    requested = f"{SERVERS}/{server}/action"
    rebuild = {"rebuild": {"imageRef": other}}
    await ground.user("POST", requested, rebuild, headers=at(104), status=202)
    async with asyncio.timeout(30):
        while not await _waits(ground, root):
            await asyncio.sleep(0.02)
    assert (await ground.volume_of(root))["volume_image_metadata"]["image_id"] == ground.image
    failpoints.disarm(point)
    failpoints.release(point)
    await ground.quiet(server)
    assert (await ground.volume_of(root))["volume_image_metadata"]["image_id"] == other
    await ground.assert_clean()


async def _waits(ground: VolumeGround, volume_id: str) -> bool:
    """Whether what writes an image onto a volume waits for something."""
    told = (await ground.admin.get("/hanok/v1/operations"))["operations"]
    mine = [one for one in told if one["resource"] == f"volume:{volume_id}"]
    return any("is being made of" in (one["waits_for"] or "") for one in mine)


@pytest.mark.parametrize(
    ("step", "status"),
    [
        ("StopGuest", "ACTIVE"),
        ("CloseRoot", "ACTIVE"),
        ("WriteRoot", "ERROR"),
        ("MakeDisk", "ERROR"),
    ],
)
async def test_a_rebuild_breaks_off(ground: VolumeGround, step: str, status: str) -> None:
    server = await boot(ground, of_image(ground))
    other = await an_image(ground.user, "other")
    failpoints.arm(f"compute.rebuild_volume_backed.{step}.before_save", "raise")
    await ground.act(server, "rebuild", {"imageRef": other})
    failpoints.disarm()
    await settled(ground)
    assert (await ground.show(server))["status"] == status
    await ground.act(server, "rebuild", {"imageRef": other})
    assert (await ground.show(server))["status"] == "ACTIVE"
    await ground.assert_clean()
    await ground.delete(server)
    await ground.assert_nothing_left()


async def test_a_rescue_needs_an_image_that_keeps_places(ground: VolumeGround) -> None:
    server = await boot(ground, of_image(ground))
    (root,) = await volumes_of(ground, server)
    plain = await an_image(ground.user, "plain")
    stable = await an_image(ground.user, "stable", hw_rescue_bus="virtio")
    for image, minor in ((plain, 104), (stable, 86)):
        said = await ground.ask(
            server, "rescue", {"rescue_image_ref": image}, status=400, minor=minor
        )
        assert "volume-backed" in said.text
    await ground.act(server, "rescue", {"rescue_image_ref": stable}, status=200)
    assert (await ground.show(server))["status"] == "RESCUE"
    assert set(ground.guest_volumes(server)) == {root}
    await ground.act(server, "unrescue")
    assert set(ground.guest_volumes(server)) == {root}


@pytest.mark.parametrize("end", ["confirmResize", "revertResize"])
async def test_volumes_move_along(tmp_path: Path, end: str) -> None:
    async with with_volumes(tmp_path, hosts=2) as ground:
        server = await boot(ground, of_image(ground))
        (root,) = await volumes_of(ground, server)
        before = (await ground.show(server))["OS-EXT-SRV-ATTR:host"]
        await ground.act(server, "migrate", client=ground.admin)
        shown = await ground.show(server)
        assert shown["status"] == "VERIFY_RESIZE", shown
        after = shown["OS-EXT-SRV-ATTR:host"]
        assert after != before
        assert set(ground.guest_volumes(server, after)) == {root}
        await ground.act(server, end, status=204 if end == "confirmResize" else 202)
        host = after if end == "confirmResize" else before
        assert (await ground.show(server))["OS-EXT-SRV-ATTR:host"] == host
        assert set(ground.guest_volumes(server, host)) == {root}
        await ground.assert_clean()
        await ground.delete(server)
        await ground.assert_clean()


async def test_a_smaller_flavor_is_no_hindrance(ground: VolumeGround) -> None:
    server = await boot(ground, of_image(ground))
    small = await a_flavor(ground.admin, "small", ram=96, disk=0)
    await ground.act(server, "resize", {"flavorRef": small})
    assert (await ground.show(server))["status"] == "VERIFY_RESIZE"


async def test_guests_are_told_of_their_volumes(ground: VolumeGround) -> None:
    server = await boot(ground, of_image(ground, tag="sys"), config_drive=True)
    (root,) = await volumes_of(ground, server)
    drive = ground.cloud.nodes["host-1"].config_drive_of(server)
    path = (await ground.show(server))["OS-EXT-SRV-ATTR:root_device_name"]
    assert path == "/dev/vda"
    meta = msgspec.json.decode(drive["openstack/latest/meta_data.json"])
    assert meta["devices"] == [
        {
            "type": "disk", "bus": "pci", "address": "0000:01:00.0", "serial": root[:20], "path": path,
            "tags": ["sys"],
        }
    ]  # fmt: skip


async def test_without_block_storage_it_is_said(ground: VolumeGround) -> None:
    server = await ground.server()
    await ground.admin("PUT", "/hanok/v1/services/block_storage", {"enabled": False}, status=204)
    async with asyncio.timeout(60):
        while ground.cloud.compute.find_volumes() is not None:
            await asyncio.sleep(0.01)
    said = await ground.attach(server, "00000000-0000-4000-8000-000000000001", 503)
    assert "switched off" in said.text
    body: dict[str, Any] = {
        "name": "vm", "flavorRef": ground.flavor, "networks": "none",
        "block_device_mapping_v2": [of_image(ground)],
    }  # fmt: skip
    said = await ground.user("POST", SERVERS, {"server": body}, headers=at(104), status=503)
    assert "switched off" in said.text
    await ground.delete(server)
    assert await ground.status(server) == "gone"
