"""Attachments: two steps, several users, the older way, and what is left when they end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from hanok.base import failpoints
from hanok.base.ids import new_uuid
from hanok.commands import RemoveVolume
from hanok.commands.wire import ask
from tests.api.block_storage.grounds import (
    BASE,
    NEWEST,
    VOLUMES,
    Ground,
    at,
    gone_on,
    halted,
    standing,
)
from tests.cloud import an_image

ATTACHMENTS = f"{BASE}/attachments"
HERE = {"connector": {"host": "host-1", "initiator": "a"}}


@pytest.fixture
async def ground(tmp_path: Path, database_url: str) -> AsyncIterator[Ground]:
    async with standing(tmp_path, database=database_url) as ground:
        yield ground


async def _reserved(ground: Ground, volume: str, **values: object) -> str:
    body = {"attachment": {"volume_uuid": volume, "instance_uuid": new_uuid(), **values}}
    made = await ground.user.post(ATTACHMENTS, body, 200, headers=NEWEST)
    return str(made["attachment"]["id"])


async def _shared_type(ground: Ground) -> str:
    body = {"volume_type": {"name": "shared", "extra_specs": {"multiattach": "<is> True"}}}
    return str((await ground.admin.post(f"{BASE}/types", body, 200))["volume_type"]["id"])


async def test_an_attachment_is_reserved_connected_completed_and_deleted(ground: Ground) -> None:
    volume = await ground.volume()
    attachment = await _reserved(ground, volume)
    path = f"{ATTACHMENTS}/{attachment}"
    assert await ground.status(volume) == "reserved"
    answer = await ground.user("PUT", path, {"attachment": HERE}, headers=NEWEST, status=200)
    info = answer.json()["attachment"]["connection_info"]
    assert info["driver_volume_type"] == "nbd"
    assert info["export"] == attachment
    assert await ground.status(volume) == "attaching"
    assert (await ground.on_host()).volumes[0].exports == (attachment,)
    await ground.user("POST", f"{path}/action", {"os-complete": {}}, headers=NEWEST, status=204)
    shown = await ground.show(volume)
    assert shown["status"] == "in-use"
    assert shown["attachments"][0]["attachment_id"] == attachment
    assert shown["metadata"]["attached_mode"] == "rw"
    await ground.user("DELETE", f"{VOLUMES}/{volume}", status=400)
    answer = await ground.user("DELETE", path, headers=NEWEST, status=200)
    assert answer.json() == {"attachments": []}
    assert await ground.status(volume) == "available"
    assert (await ground.on_host()).volumes[0].exports == ()
    await ground.assert_clean()


async def test_a_volume_has_one_user_unless_its_type_lets_it_have_more(ground: Ground) -> None:
    volume = await ground.volume()
    await _reserved(ground, volume)
    body = {"attachment": {"volume_uuid": volume, "instance_uuid": new_uuid()}}
    answer = await ground.user("POST", ATTACHMENTS, body, headers=NEWEST, status=400)
    assert "status must be available" in answer.text
    shared = await ground.volume(volume_type=await _shared_type(ground))
    assert (await ground.show(shared))["multiattach"] is True
    both = [await _reserved(ground, shared) for _ in range(2)]
    for one in both:
        path = f"{ATTACHMENTS}/{one}"
        await ground.user("PUT", path, {"attachment": HERE}, headers=NEWEST, status=200)
        await ground.user(
            "POST", f"{path}/action", {"os-complete": None}, headers=NEWEST, status=204
        )
    assert len((await ground.show(shared))["attachments"]) == 2
    await ground.user("DELETE", f"{ATTACHMENTS}/{both[0]}", headers=NEWEST, status=200)
    assert await ground.status(shared) == "in-use"


async def test_a_read_only_volume_is_not_attached_for_writing(ground: Ground) -> None:
    volume = await ground.volume()
    await ground.act(volume, "os-update_readonly_flag", {"readonly": True})
    assert (await ground.show(volume))["metadata"]["readonly"] == "True"
    body = {"attachment": {"volume_uuid": volume, "instance_uuid": new_uuid(), "mode": "rw"}}
    await ground.user("POST", ATTACHMENTS, body, headers=NEWEST, status=400)
    attachment = await _reserved(ground, volume)
    shown = await ground.user.get(f"{ATTACHMENTS}/{attachment}", headers=NEWEST)
    assert shown["attachment"]["attach_mode"] == "ro"


async def test_attachments_come_with_3_27(ground: Ground) -> None:
    await ground.user("GET", ATTACHMENTS, headers=at("3.26"), status=404)
    assert (await ground.user.get(ATTACHMENTS, headers=at("3.27")))["attachments"] == []


async def test_a_volume_in_use_is_extended_and_its_server_is_told_by_an_event(
    ground: Ground,
) -> None:
    volume = await ground.volume()
    attachment = await _reserved(ground, volume, **HERE)
    await ground.user(
        "POST",
        f"{ATTACHMENTS}/{attachment}/action",
        {"os-complete": {}},
        headers=NEWEST,
        status=204,
    )
    await ground.act(volume, "os-extend", {"new_size": 2}, 400, version="3.41")
    await ground.act(volume, "os-extend", {"new_size": 2}, version="3.42")
    shown = await ground.show(volume)
    assert (shown["size"], shown["status"]) == (2, "in-use")


async def test_the_older_way_of_attaching(ground: Ground) -> None:
    volume, server = await ground.volume(), new_uuid()
    await ground.act(volume, "os-reserve")
    assert await ground.status(volume) == "attaching"
    await ground.act(volume, "os-unreserve")
    assert await ground.status(volume) == "available"
    connector = {"connector": {"host": "host-1"}}
    answer = await ground.act(volume, "os-initialize_connection", connector, 200)
    assert answer.json()["connection_info"]["driver_volume_type"] == "nbd"
    await ground.act(volume, "os-attach", {"instance_uuid": server, "mountpoint": "/dev/vdb"})
    shown = await ground.show(volume)
    assert (shown["status"], shown["attachments"][0]["device"]) == ("in-use", "/dev/vdb")
    await ground.act(volume, "os-begin_detaching")
    await ground.act(volume, "os-roll_detaching")
    assert await ground.status(volume) == "in-use"
    await ground.act(volume, "os-begin_detaching")
    await ground.act(volume, "os-terminate_connection", connector)
    await ground.act(volume, "os-detach")
    assert await ground.status(volume) == "available"
    assert (await ground.on_host()).volumes[0].exports == ()
    await ground.delete(f"{VOLUMES}/{volume}")
    await ground.assert_nothing_left()


async def test_force_delete_takes_what_is_open_along(ground: Ground) -> None:
    volume = await ground.volume()
    await _reserved(ground, volume, **HERE)
    await ground.user("DELETE", f"{VOLUMES}/{volume}", status=400)
    await ground.act(volume, "os-force_delete", status=403)
    await ground.admin("POST", f"{VOLUMES}/{volume}/action", {"os-force_delete": {}}, status=400)
    await ground.act(volume, "os-force_detach", {"connector": None}, client=ground.admin)
    await ground.act(volume, "os-force_delete", client=ground.admin)
    await ground.assert_nothing_left()


async def _in_use(ground: Ground, volume: str) -> str:
    """The address of an attachment that somebody has."""
    path = f"{ATTACHMENTS}/{await _reserved(ground, volume, **HERE)}"
    await ground.user("POST", f"{path}/action", {"os-complete": {}}, headers=NEWEST, status=204)
    assert await ground.status(volume) == "in-use"
    return path


WORK = {
    "extend": ("os-extend", {"new_size": 2}, "extend_volume.Grow.before_do"),
    "upload": (
        "os-volume_upload_image", {"image_name": "i", "force": True}, "upload_volume.CopyOut.before_do",
    ),
    "backup": ("", {}, "create_backup.CopyVolume.before_do"),
}  # fmt: skip


@pytest.mark.parametrize("work", sorted(WORK))
async def test_a_volume_whose_user_goes_while_it_is_worked_on_is_free_after_that(
    ground: Ground, work: str
) -> None:
    volume = await ground.volume()
    path = await _in_use(ground, volume)
    action, value, point = WORK[work]
    point = f"block_storage.{point}"
    failpoints.arm(point, "hang")
    if action:
        asks, body = f"{VOLUMES}/{volume}/action", {action: value}
    else:
        asks, body = f"{BASE}/backups", {"backup": {"volume_id": volume, "force": True}}
    await ground.user("POST", asks, body, headers=NEWEST, status=202)
    await halted(point)
    await ground.user("DELETE", path, headers=NEWEST, status=200)
    await gone_on(ground, point)
    assert await ground.status(volume) == "available"
    await _in_use(ground, volume)
    await ground.assert_clean()


async def test_a_volume_onto_which_an_image_is_written_is_kept_for_nobody(ground: Ground) -> None:
    volume, image = await ground.volume(), await an_image(ground.user)
    point = "block_storage.reimage_volume.WriteImage.before_do"
    failpoints.arm(point, "hang")
    asks, body = f"{VOLUMES}/{volume}/action", {"os-reimage": {"image_id": image}}
    await ground.user("POST", asks, body, headers=NEWEST, status=202)
    await halted(point)
    body = {"attachment": {"volume_uuid": volume, "instance_uuid": new_uuid()}}
    answer = await ground.user("POST", ATTACHMENTS, body, headers=NEWEST, status=400)
    assert "current status is downloading" in answer.text
    await gone_on(ground, point)
    await _in_use(ground, volume)
    answer = await ground.user("POST", ATTACHMENTS, body, headers=NEWEST, status=400)
    assert "status must be available" in answer.text


async def test_a_volume_on_its_way_to_another_back_end_is_not_extended(ground: Ground) -> None:
    volume = await ground.volume()
    pools = (await ground.admin.get(f"{BASE}/scheduler-stats/get_pools"))["pools"]
    here = (await ground.show(volume))["os-vol-host-attr:host"]
    there = next(one["name"] for one in pools if one["name"] != here and "host-1@" in one["name"])
    point = "block_storage.migrate_volume.MoveData.before_do"
    failpoints.arm(point, "hang")
    asks, body = f"{VOLUMES}/{volume}/action", {"os-migrate_volume": {"host": there}}
    await ground.admin("POST", asks, body, headers=NEWEST, status=202)
    await halted(point)
    answer = await ground.user("POST", asks, {"os-extend": {"new_size": 2}}, status=400)
    assert "active migration" in answer.text
    await gone_on(ground, point)
    await ground.act(volume, "os-extend", {"new_size": 2})
    await ground.assert_clean()


async def test_detaching_by_the_older_way_closes_what_the_newer_one_opened(ground: Ground) -> None:
    volume = await ground.volume()
    await _in_use(ground, volume)
    await ground.act(volume, "os-detach")
    assert await ground.status(volume) == "available"
    assert (await ground.on_host()).volumes[0].exports == ()
    await ground.delete(f"{VOLUMES}/{volume}")
    await ground.assert_nothing_left()


async def test_what_cannot_be_opened_is_kept_for_nobody(ground: Ground) -> None:
    volume = await ground.volume()
    (found,) = (await ground.on_host()).volumes
    gone = RemoveVolume(volume_id=volume, generation=99, backend=found.backend)
    await ask(ground.cloud.control.bus, "host-1", gone, timeout_s=60)
    body = {"attachment": {"volume_uuid": volume, "instance_uuid": new_uuid(), **HERE}}
    answer = await ground.user("POST", ATTACHMENTS, body, headers=NEWEST)
    assert answer.status_code == 409
    assert await ground.status(volume) == "available"
    assert (await ground.user.get(ATTACHMENTS, headers=NEWEST))["attachments"] == []


async def test_an_attachment_that_goes_while_it_is_opened_leaves_nothing_open(
    ground: Ground,
) -> None:
    volume = await ground.volume()
    path = f"{ATTACHMENTS}/{await _reserved(ground, volume)}"
    point = "block_storage.connect_attachment.opened"
    failpoints.arm(point, "hang")
    async with asyncio.TaskGroup() as tasks:
        requested = tasks.create_task(
            ground.user("PUT", path, {"attachment": HERE}, headers=NEWEST)
        )
        await halted(point)
        await ground.user("DELETE", path, headers=NEWEST, status=200)
        await gone_on(ground, point)
    assert requested.result().status_code == 404
    assert (await ground.on_host()).volumes[0].exports == ()
    assert await ground.status(volume) == "available"
    await ground.assert_clean()


async def test_who_dies_after_opening_a_volume_leaves_what_deleting_closes(ground: Ground) -> None:
    volume = await ground.volume()
    path = f"{ATTACHMENTS}/{await _reserved(ground, volume)}"
    point = "block_storage.connect_attachment.opened"
    failpoints.arm(point, "hang")
    async with asyncio.TaskGroup() as tasks:
        requested = tasks.create_task(
            ground.user("PUT", path, {"attachment": HERE}, headers=NEWEST)
        )
        await halted(point)
        requested.cancel()
    assert len((await ground.on_host()).volumes[0].exports) == 1
    await ground.user("DELETE", path, headers=NEWEST, status=200)
    assert (await ground.on_host()).volumes[0].exports == ()
    await ground.assert_clean()


async def test_a_volume_is_connected_for_so_many_connectors_and_no_more(ground: Ground) -> None:
    volume = await ground.volume()
    for number in range(16):
        value = {"connector": {"host": f"there-{number}"}}
        await ground.act(volume, "os-initialize_connection", value, 200)
    again = {"connector": {"host": "there-3"}}
    await ground.act(volume, "os-initialize_connection", again, 200)
    more = {"connector": {"host": "there-16"}}
    answer = await ground.act(volume, "os-initialize_connection", more, 400)
    assert "16 connectors" in answer.text
    await ground.act(volume, "os-terminate_connection", again)
    await ground.act(volume, "os-initialize_connection", more, 200)
    assert len((await ground.on_host()).volumes[0].exports) == 16


async def test_a_shared_volume_has_so_many_users_and_no_more(ground: Ground) -> None:
    shared = await ground.volume(volume_type=await _shared_type(ground))
    for _ in range(100):
        await _reserved(ground, shared)
    body = {"attachment": {"volume_uuid": shared, "instance_uuid": new_uuid()}}
    answer = await ground.user("POST", ATTACHMENTS, body, headers=NEWEST, status=400)
    assert "100 attachments" in answer.text
