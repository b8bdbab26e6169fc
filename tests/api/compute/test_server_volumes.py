"""Volumes that servers get and lose: what is shown, refused and kept, and how it ends when it breaks."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from hanok.base.ids import new_uuid
from tests.api.compute.ground import PLACES, SERVERS, at
from tests.api.compute.volume_ground import NEWEST, VOLUMES, VolumeGround, with_volumes
from tests.cloud import settle


@pytest.fixture
async def ground(tmp_path: Path) -> AsyncIterator[VolumeGround]:
    async with with_volumes(tmp_path) as one:
        yield one


async def test_a_server_gets_a_volume_and_loses_it(ground: VolumeGround) -> None:
    server, volume = await ground.server(), await ground.volume()
    said = await ground.attach(server, volume, device="/dev/vdx", tag="data")
    assert said == {
        "id": volume,
        "serverId": server,
        "volumeId": volume,
        "device": "/dev/vdb",
        "tag": "data",
        "delete_on_termination": False,
    }
    (guest,) = ground.guest_volumes(server).values()
    assert (guest.size_gib, guest.bus, guest.read_only, guest.boot_index) == (
        1,
        "virtio",
        False,
        None,
    )
    shown = await ground.volume_of(volume)
    (attachment,) = shown["attachments"]
    assert (shown["status"], attachment["server_id"], attachment["device"]) == (
        "in-use",
        server,
        "/dev/vdb",
    )
    assert (await ground.show(server))["os-extended-volumes:volumes_attached"] == [
        {"id": volume, "delete_on_termination": False}
    ]
    await ground.assert_clean()

    await ground.detach(server, volume)
    assert ground.guest_volumes(server) == {}
    assert (await ground.volume_of(volume))["status"] == "available"
    assert await ground.attachments(server) == []
    assert [name for name, why in await ground.actions(server) if why is None] == [
        "detach_volume",
        "attach_volume",
        "create",
    ]
    assert await ground.exports() == set()
    await ground.assert_clean()


@pytest.mark.parametrize(
    ("minor", "names"),
    [
        (1, {"id"}),
        (70, {"id", "tag"}),
        (79, {"id", "tag", "delete_on_termination"}),
        (89, {"tag", "delete_on_termination", "attachment_id", "bdm_uuid"}),
    ],
)
async def test_each_version_shows_its_attributes(
    ground: VolumeGround, minor: int, names: set[str]
) -> None:
    server, volume = await ground.server(), await ground.volume()
    await ground.attach(server, volume)
    (one,) = await ground.attachments(server, minor)
    assert set(one) == names | {"volumeId", "serverId", "device"}
    path = f"{SERVERS}/{server}/os-volume_attachments/{volume}"
    assert (await ground.user.get(path, headers=at(minor)))["volumeAttachment"] == one
    await ground.user.get(f"{SERVERS}/{server}/os-volume_attachments/{new_uuid()}", 404)


async def test_newer_versions_answer_before_anything_is_there(ground: VolumeGround) -> None:
    server, volume = await ground.server(), await ground.volume()
    answer = await ground.attach(server, volume, 202, 101)
    assert answer.content == b""
    assert len(await ground.attachments(server)) == 1


async def test_pages_of_a_servers_volumes(ground: VolumeGround) -> None:
    server = await ground.server()
    made = [await ground.volume() for _ in range(3)]
    for one in made:
        await ground.attach(server, one)
    assert [one["volumeId"] for one in await ground.attachments(server)] == made
    assert [one["device"] for one in await ground.attachments(server)] == [
        "/dev/vdb",
        "/dev/vdc",
        "/dev/vdd",
    ]
    (one,) = await ground.attachments(server, query="?limit=1&offset=1")
    assert one["volumeId"] == made[1]
    path = f"{SERVERS}/{server}/os-volume_attachments?limit=x"
    await ground.user.get(path, 400, headers=at(104))


async def test_what_cannot_be_attached(ground: VolumeGround) -> None:
    server, volume = await ground.server(), await ground.volume()
    await ground.attach(server, new_uuid(), 404)
    await ground.attach(server, volume, 400, device="a b")
    await ground.attach(server, volume, 400, 48, tag="x")
    await ground.attach(server, volume, 400, 78, delete_on_termination=True)
    await ground.attach(server, volume)
    said = await ground.attach(server, volume, 400)
    assert "already attached" in said.text
    other = await ground.server()
    said = await ground.attach(other, volume, 400)
    assert "status must be available" in said.text
    await ground.detach(other, volume, 404)
    await ground.detach(server, new_uuid(), 404)
    await ground.act(server, "suspend")
    said = await ground.attach(server, await ground.volume(), 409)
    assert "vm_state suspended" in said.text
    await ground.detach(server, volume, 409)


async def test_a_locked_server_keeps_its_volumes(ground: VolumeGround) -> None:
    server, volume = await ground.server(), await ground.volume()
    await ground.attach(server, volume)
    await ground.act(server, "lock")
    await ground.detach(server, volume, 409)
    await ground.attach(server, await ground.volume(), 409)


async def test_strangers_volumes_are_not_there(ground: VolumeGround) -> None:
    other = await ground.cloud.project_with("other", "member")
    theirs = await ground.volume(client=other)
    server = await ground.server()
    await ground.attach(server, theirs, 404)
    await ground.attach(server, await ground.volume(), 404, client=other)


async def test_a_server_has_so_many_disks_and_no_more(tmp_path: Path) -> None:
    from hanok.services.compute.facade import ComputeSettings

    settings = ComputeSettings(max_disk_devices_to_attach=2)
    async with with_volumes(tmp_path, compute=settings) as ground:
        server = await ground.server()
        await ground.attach(server, await ground.volume())
        volume = await ground.volume()
        said = await ground.attach(server, volume, 403)
        assert "(2)" in said.text
        assert (await ground.volume_of(volume))["status"] == "available"


async def test_several_servers_share_a_volume(ground: VolumeGround) -> None:
    one, other = await ground.server(), await ground.server()
    volume = await ground.volume(volume_type=await ground.multiattach_type())
    said = await ground.attach(one, volume, 400, 59)
    assert "2.60" in said.text
    await ground.attach(one, volume, minor=60)
    await ground.attach(other, volume)
    assert len((await ground.volume_of(volume))["attachments"]) == 2
    await ground.detach(one, volume)
    shown = await ground.volume_of(volume)
    assert (shown["status"], len(shown["attachments"])) == ("in-use", 1)
    assert set(ground.guest_volumes(other)) == {volume}
    await ground.delete(other)
    assert (await ground.volume_of(volume))["status"] == "available"
    await ground.assert_clean()


async def test_a_volume_that_may_only_be_read(ground: VolumeGround) -> None:
    server, volume = await ground.server(), await ground.volume()
    path = f"{VOLUMES}/{volume}/action"
    await ground.user("POST", path, {"os-update_readonly_flag": {"readonly": True}}, status=202)
    await ground.attach(server, volume)
    assert ground.guest_volumes(server)[volume].read_only


async def test_what_of_a_volume_can_be_changed(ground: VolumeGround) -> None:
    server, volume = await ground.server(), await ground.volume()
    await ground.attach(server, volume)
    path = f"{SERVERS}/{server}/os-volume_attachments/{volume}"

    async def put(status: int, minor: int = 85, client: Any = None, **values: Any) -> str:
        body = {"volumeAttachment": {"volumeId": volume, **values}}
        answer = await (client or ground.user)("PUT", path, body, headers=at(minor), status=status)
        return answer.text

    await put(202, delete_on_termination=True)
    assert (await ground.attachments(server))[0]["delete_on_termination"] is True
    await put(202, device="/dev/vdb", serverId=server, delete_on_termination=True)
    assert "device" in await put(400, device="/dev/vdc")
    assert "tag" in await put(400, tag="other")
    await put(403, volumeId=new_uuid())
    assert "block storage" in await put(409, client=ground.admin, volumeId=new_uuid())
    await put(403, 84)
    await put(409, 84, ground.admin)
    await ground.delete(server)
    assert await ground.volume_of(volume) is None
    await ground.assert_nothing_left()


async def test_volumes_stay_when_their_server_goes(ground: VolumeGround) -> None:
    server = await ground.server()
    stays, goes, held = await ground.volume(), await ground.volume(), await ground.volume()
    await ground.attach(server, stays)
    for one in (goes, held):
        await ground.attach(server, one, delete_on_termination=True)
    body = {"snapshot": {"volume_id": held, "force": True}}
    await ground.user.post("/volume/v3/snapshots", body, 202, headers=NEWEST)
    await settle(ground.cloud)
    await ground.delete(server)
    assert (await ground.volume_of(stays))["status"] == "available"
    assert await ground.volume_of(goes) is None
    assert (await ground.volume_of(held))["status"] == "available"  # it has a snapshot
    await ground.assert_nothing_left()


async def test_a_guest_that_does_not_let_go(ground: VolumeGround) -> None:
    server, volume = await ground.server(), await ground.volume()
    await ground.attach(server, volume)
    ground.cloud.nodes["host-1"].hold_on(server)
    await ground.detach(server, volume)
    assert set(ground.guest_volumes(server)) == {volume}
    assert (await ground.volume_of(volume))["status"] == "in-use"
    assert len(await ground.attachments(server)) == 1
    (name, why), *_ = await ground.actions(server)
    assert (name, why) == ("detach_volume", "Error")
    messages = (await ground.user.get("/volume/v3/messages", headers=NEWEST))["messages"]
    assert any("did not let go" in one["user_message"] for one in messages), messages
    assert (await ground.show(server))["status"] == "ACTIVE"
    await ground.assert_clean()

    ground.cloud.nodes["host-1"].hold_on(server, False)
    await ground.detach(server, volume)
    assert ground.guest_volumes(server) == {}
    await ground.assert_clean()


@pytest.mark.parametrize("state", ["stopped", "paused"])
async def test_volumes_come_and_go_whatever_the_guest_does(
    ground: VolumeGround, state: str
) -> None:
    server, volume = await ground.server(), await ground.volume()
    await ground.act(server, "os-stop" if state == "stopped" else "pause")
    await ground.attach(server, volume)
    assert set(ground.guest_volumes(server)) == {volume}
    if state == "stopped":
        await ground.act(server, "os-start")
    else:
        await ground.act(server, "unpause")
    assert set(ground.guest_volumes(server)) == {volume}
    await ground.detach(server, volume)
    assert ground.guest_volumes(server) == {}


async def test_only_compute_takes_a_volume_from_a_guest(ground: VolumeGround) -> None:
    server, volume = await ground.server(), await ground.volume()
    await ground.attach(server, volume)
    (held,) = (await ground.volume_of(volume))["attachments"]
    identity = held["attachment_id"]
    one = f"/volume/v3/attachments/{identity}"
    ways: tuple[tuple[str, str, Any], ...] = (
        ("DELETE", one, None),
        ("POST", f"{VOLUMES}/{volume}/action", {"os-detach": {"attachment_id": identity}}),
        ("POST", f"{VOLUMES}/{volume}/action", {"os-terminate_connection": {"connector": {}}}),
        ("POST", f"{VOLUMES}/{volume}/action", {"os-force_detach": {"attachment_id": identity}}),
    )
    for client in (ground.user, ground.admin):
        for method, path, body in ways:
            if client is ground.user and body and "os-force_detach" in body:
                continue
            refused = await client(method, path, body, headers=NEWEST, status=409)
            said = refused.json()["conflictingRequest"]["message"]
            assert said == f"Detach volume from instance {server} using the Compute API"
    other, body = await ground.volume(), {"os-detach": {"attachment_id": identity}}
    attach = {"os-attach": {"instance_uuid": new_uuid(), "mountpoint": "/dev/vdb"}}
    await ground.admin("POST", f"{VOLUMES}/{other}/action", attach, headers=NEWEST, status=202)
    await ground.admin("POST", f"{VOLUMES}/{other}/action", body, headers=NEWEST, status=400)
    assert set(ground.guest_volumes(server)) == {volume}
    assert (await ground.volume_of(volume))["status"] == "in-use"
    await ground.detach(server, volume)
    assert (await ground.volume_of(volume))["status"] == "available"


async def test_a_larger_volume_is_seen_by_its_guest(ground: VolumeGround) -> None:
    server, volume = await ground.server(), await ground.volume()
    await ground.attach(server, volume)
    path = f"{VOLUMES}/{volume}/action"
    await ground.user("POST", path, {"os-extend": {"new_size": 3}}, headers=NEWEST, status=202)
    for _ in range(5):
        await settle(ground.cloud)
        await ground.cloud.control.events.tell()
    assert ground.guest_volumes(server)[volume].size_gib == 3
    assert ("extend_volume", None) in await ground.actions(server)
    told = (await ground.user.get(f"{SERVERS}/{server}/os-instance-actions"))["instanceActions"]
    begun = next(one for one in told if one["action"] == "create")
    assert {one["user_id"] for one in told} == {begun["user_id"]}
    extended = next(one for one in told if one["action"] == "extend_volume")
    path = f"{SERVERS}/{server}/os-instance-actions/{extended['request_id']}"
    shown = (await ground.admin.get(path))["instanceAction"]
    ended = {one["event"]: one["result"] for one in shown["events"] if one["finish_time"]}
    assert ended["compute_extend_volume"] == "Success"


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("step", ["OpenVolume", "PlugVolume"])
async def test_attaching_breaks_off(ground: VolumeGround, step: str, place: str) -> None:
    from hanok.base import failpoints

    server, volume = await ground.server(), await ground.volume()
    failpoints.arm(f"compute.attach_volume.{step}.{place}", "raise")
    await ground.attach(server, volume)
    failpoints.disarm()
    await settle(ground.cloud)
    assert ground.guest_volumes(server) == {}
    assert (await ground.volume_of(volume))["status"] == "available"
    assert await ground.attachments(server) == []
    assert await ground.exports() == set()
    await ground.assert_clean()
    await ground.attach(server, volume)
    assert set(ground.guest_volumes(server)) == {volume}


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("step", ["UnplugVolume", "CloseVolume"])
async def test_detaching_breaks_off(ground: VolumeGround, step: str, place: str) -> None:
    from hanok.base import failpoints

    server, volume = await ground.server(), await ground.volume()
    await ground.attach(server, volume)
    failpoints.arm(f"compute.detach_volume.{step}.{place}", "raise")
    await ground.detach(server, volume)
    failpoints.disarm()
    await settle(ground.cloud)
    assert set(ground.guest_volumes(server)) == {volume}
    assert (await ground.volume_of(volume))["status"] == "in-use"
    assert len(await ground.exports()) == 1
    await ground.assert_clean()
    await ground.detach(server, volume)
    await ground.assert_clean()


async def test_what_a_server_has_is_not_taken_from_it_by_way_of_block_storage(
    ground: VolumeGround,
) -> None:
    server, volume = await ground.server(), await ground.volume()
    await ground.attach(server, volume)
    (attachment,) = (await ground.volume_of(volume))["attachments"]
    path = f"/volume/v3/attachments/{attachment['attachment_id']}"
    action, connector = f"{VOLUMES}/{volume}/action", {"connector": {"host": "host-2"}}
    requested: tuple[tuple[str, str, Any], ...] = (
        ("DELETE", path, None),
        ("PUT", path, {"attachment": connector}),
        ("POST", f"{path}/action", {"os-complete": {}}),
        ("POST", action, {"os-detach": {}}),
        ("POST", action, {"os-force_detach": {"attachment_id": attachment["attachment_id"]}}),
    )
    for method, where, body in requested:
        answer = await ground.admin(method, where, body, headers=NEWEST, status=409)
        assert f"Detach volume from instance {server} using the Compute API" in answer.text
    assert set(ground.guest_volumes(server)) == {volume}
    assert await ground.exports() == {attachment["attachment_id"]}
    await ground.assert_clean()
    await ground.detach(server, volume)
    assert (await ground.volume_of(volume))["status"] == "available"


async def test_a_volume_of_a_shelved_server_is_not_taken_from_it_either(
    ground: VolumeGround,
) -> None:
    server, volume = await ground.server(), await ground.volume()
    await ground.act(server, "shelve")
    await ground.attach(server, volume)
    (attachment,) = (await ground.volume_of(volume))["attachments"]
    path = f"/volume/v3/attachments/{attachment['attachment_id']}"
    await ground.user("DELETE", path, headers=NEWEST, status=409)
    await ground.act(server, "unshelve")
    assert set(ground.guest_volumes(server)) == {volume}
