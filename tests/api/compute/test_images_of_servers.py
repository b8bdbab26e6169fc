"""createImage and createBackup: what the image is, who may, what two requests at once do, what a failure leaves."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from hanok.base import failpoints
from hanok.drivers.image_format import inspect
from hanok.services.image.facade import ImageSettings
from tests.cloud import (
    NEWEST,
    Client,
    Cloud,
    a_flavor,
    a_network,
    a_server,
    an_image,
    running,
    settle,
)
from tests.disks import qcow2

SERVERS = "/compute/v2.1/servers"
IMAGES = "/image/v2/images"
PLACES = ("before_do", "after_do", "before_save")


@pytest.fixture
async def cloud(tmp_path: Path) -> AsyncIterator[Cloud]:
    async with running(tmp_path) as made:
        yield made
    failpoints.disarm()


class Site:
    """A project with a server, and somebody who works in it."""

    def __init__(self, cloud: Cloud, admin: Client, user: Client, server_id: str) -> None:
        self.cloud, self.admin, self.user, self.id = cloud, admin, user, server_id

    async def act(
        self,
        action: str,
        body: Any,
        status: int = 202,
        *,
        who: Client | None = None,
        version: str = "2.104",
    ) -> Any:
        path, headers = f"{SERVERS}/{self.id}/action", {"X-OpenStack-Nova-API-Version": version}
        who = who or self.user
        return await who("POST", path, {action: body}, status=status, headers=headers)

    async def image(self, image_id: str) -> Any:
        return await self.user.get(f"{IMAGES}/{image_id}")

    async def server(self) -> Any:
        return (await self.admin.get(f"{SERVERS}/{self.id}", headers=NEWEST))["server"]

    async def clean(self) -> None:
        assert (await self.admin.get("/hanok/v1/inventory"))["differences"] == []
        snapshots = self.cloud.control.settings.snapshots
        assert list(snapshots.iterdir()) == []

    async def images(self) -> list[str]:
        listed = (await self.user.get(f"{IMAGES}?sort=created_at:asc"))["images"]
        return [one["name"] for one in listed]


@pytest.fixture
async def site(cloud: Cloud) -> Site:
    admin = await cloud.sign_in()
    user = await cloud.project_with("team", "member")
    base = await an_image(
        admin,
        visibility="public",
        min_ram=32,
        hw_disk_bus="virtio",
        cache_in_nova="yes",
    )
    server = await a_server(user, base, await a_flavor(admin), await a_network(user))
    await settle(cloud)
    return Site(cloud, admin, user, server)


async def test_an_image_of_a_server_can_be_booted(site: Site) -> None:
    made = (await site.act("createImage", {"name": "kept", "metadata": {"why": "test"}})).json()
    assert list(made) == ["image_id"]
    await settle(site.cloud)
    image = await site.image(made["image_id"])
    before = await site.server()
    assert (image["name"], image["status"], image["visibility"]) == ("kept", "active", "private")
    assert (image["disk_format"], image["container_format"]) == ("qcow2", "bare")
    assert (image["min_disk"], image["min_ram"]) == (1, 32)
    assert image["image_type"] == "snapshot" and image["image_state"] == "available"
    assert image["instance_uuid"] == site.id and image["base_image_ref"] == before["image"]["id"]
    assert image["user_id"] == site.user.user_id and image["owner_id"] == site.user.project_id
    assert image["why"] == "test" and image["hw_disk_bus"] == "virtio"
    assert "cache_in_nova" not in image and "os_glance_import_task" not in image
    data = (await site.user("GET", f"{IMAGES}/{image['id']}/file", status=200)).content
    assert len(data) == image["size"] and inspect(data).format == "qcow2"
    assert (before["status"], before["OS-EXT-STS:task_state"]) == ("ACTIVE", None)
    again = await a_server(site.user, image["id"], "nano", name="again")
    await settle(site.cloud)
    found = (await site.user.get(f"{SERVERS}/{again}", headers=NEWEST))["server"]
    assert found["status"] == "ACTIVE"
    actions = await site.user.get(f"{SERVERS}/{site.id}/os-instance-actions", headers=NEWEST)
    assert [one["action"] for one in actions["instanceActions"]] == ["createImage", "create"]
    await site.clean()


async def test_older_clients_find_the_image_in_a_header(site: Site) -> None:
    answer = await site.act("createImage", {"name": "old"}, version="2.44")
    assert answer.content == b""
    image_id = answer.headers["location"].rsplit("/", 1)[1]
    assert "/image/v2/images/" in answer.headers["location"]
    await settle(site.cloud)
    assert (await site.image(image_id))["status"] == "active"


@pytest.mark.parametrize("state", ["os-stop", "pause", "suspend"])
async def test_a_server_that_does_not_run_has_a_disk_too(site: Site, state: str) -> None:
    await site.act(state, None)
    await settle(site.cloud)
    before = (await site.server())["status"]
    made = (await site.act("createImage", {"name": "kept"})).json()
    await settle(site.cloud)
    assert (await site.image(made["image_id"]))["status"] == "active"
    assert (await site.server())["status"] == before
    await site.clean()


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({}, 400),
        ({"name": ""}, 400),
        ({"name": "x" * 256}, 400),
        ({"name": " x "}, 400),
        ({"name": "x", "metadata": {"": "empty"}}, 400),
        ({"name": "x", "metadata": {"k": "v" * 256}}, 400),
        ({"name": "x", "metadata": {"status": "active"}}, 400),
        ({"name": "x", "metadata": {"owner": "me"}}, 400),
        ({"name": "x", "metadata": {"os_glance_x": "y"}}, 400),
        ({"name": "x", "other": 1}, 400),
        ("x", 400),
        ({"name": "x", "metadata": {f"k{n}": "v" for n in range(129)}}, 400),
    ],
)
async def test_what_cannot_be_an_image_is_refused_and_changes_nothing(
    site: Site, body: Any, status: int
) -> None:
    before = await site.images()
    await site.act("createImage", body, status)
    assert await site.images() == before
    assert (await site.server())["OS-EXT-STS:task_state"] is None


async def test_too_much_metadata_was_a_quota_once(site: Site) -> None:
    body = {"name": "x", "metadata": {f"k{n}": "v" for n in range(129)}}
    await site.act("createImage", body, 403, version="2.38")


async def test_a_limit_of_images_holds_here_too(tmp_path: Path) -> None:
    async with running(tmp_path, image=ImageSettings(limits={"image_count_total": 1})) as cloud:
        admin = await cloud.sign_in()
        server = await a_server(admin, await an_image(admin), await a_flavor(admin))
        await settle(cloud)
        path = f"{SERVERS}/{server}/action"
        answer = await admin("POST", path, {"createImage": {"name": "x"}}, status=403)
        assert "image_count_total" in answer.json()["forbidden"]["message"]


async def test_who_may_and_when(site: Site) -> None:
    reader = await site.cloud.project_with("other", "member")
    await site.act("createImage", {"name": "x"}, 404, who=reader)
    failpoints.arm("compute.create_image.CopyDisk.before_do", "hang", 1)
    first = (await site.act("createImage", {"name": "first"})).json()["image_id"]
    while not failpoints.waiting("compute.create_image.CopyDisk.before_do"):
        await asyncio.sleep(0)
    answer = await site.act("createImage", {"name": "second"}, 409)
    assert "image_snapshot_pending" in answer.json()["conflictingRequest"]["message"]
    assert (await site.image(first))["status"] == "queued"
    assert (await site.server())["status"] == "ACTIVE"
    octets = {"Content-Type": "application/octet-stream"}
    upload = await site.user("PUT", f"{IMAGES}/{first}/file", content=qcow2(), headers=octets)
    assert upload.status_code in (400, 409)
    failpoints.release("compute.create_image.CopyDisk.before_do")
    await settle(site.cloud)
    assert (await site.image(first))["status"] == "active"
    await site.admin(
        "POST", f"{SERVERS}/{site.id}/action", {"os-resetState": {"state": "error"}}, status=202
    )
    answer = await site.act("createImage", {"name": "third"}, 409)
    assert "vm_state error" in answer.json()["conflictingRequest"]["message"]
    assert await site.images() == ["cirros", "first"]


async def test_an_administrators_image_is_shared_with_the_servers_project(site: Site) -> None:
    made = (await site.act("createImage", {"name": "shared"}, who=site.admin)).json()["image_id"]
    await settle(site.cloud)
    image = await site.image(made)
    assert (image["visibility"], image["owner"]) == ("shared", site.admin.project_id)
    assert image["instance_owner"] == site.user.project_id
    members = (await site.admin.get(f"{IMAGES}/{made}/members"))["members"]
    assert [(one["member_id"], one["status"]) for one in members] == [
        (site.user.project_id, "pending")
    ]


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("step", ["CopyDisk", "StoreImage", "TidyUp"])
async def test_one_that_breaks_leaves_no_image_and_the_server_as_it_was(
    site: Site, step: str, place: str
) -> None:
    with failpoints.armed(f"compute.create_image.{step}.{place}", "raise"):
        await site.act("createImage", {"name": "broken"})
        await settle(site.cloud)
    server = await site.server()
    assert (server["status"], server["OS-EXT-STS:task_state"]) == ("ACTIVE", None)
    if step != "TidyUp":  # the image is complete by then
        assert await site.images() == ["cirros"]
    actions = await site.user.get(f"{SERVERS}/{site.id}/os-instance-actions", headers=NEWEST)
    assert actions["instanceActions"][0]["message"] == "Error"
    await site.act("createImage", {"name": "whole"})
    await settle(site.cloud)
    assert "whole" in await site.images()
    await site.clean()


@pytest.mark.parametrize("step", ["CopyDisk", "StoreImage", "TidyUp"])
async def test_each_step_may_happen_twice(site: Site, step: str) -> None:
    with failpoints.armed(f"compute.create_image.{step}.before_do", "twice"):
        made = (await site.act("createImage", {"name": "kept"})).json()["image_id"]
        await settle(site.cloud)
    assert (await site.image(made))["status"] == "active"
    await site.clean()


@pytest.mark.parametrize("mode", ["lose", "twice"])
@pytest.mark.parametrize("command", ["EnsureSnapshot", "ForgetSnapshot"])
async def test_a_reply_that_is_lost_or_doubled_does_no_harm(
    site: Site, command: str, mode: str
) -> None:
    failpoints.arm(f"command.{command}.send", mode, 1)
    made = (await site.act("createImage", {"name": "kept"})).json()["image_id"]
    await settle(site.cloud)
    await site.cloud.control.debts.pay()
    assert (await site.image(made))["status"] == "active"
    await site.clean()


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("step", ["CopyDisk", "StoreImage"])
@pytest.mark.parametrize("gone", ["server", "image"])
async def test_a_delete_wins_wherever_it_stands(
    site: Site, gone: str, step: str, place: str
) -> None:
    point = f"compute.create_image.{step}.{place}"
    failpoints.arm(point, "hang", 1)
    made = (await site.act("createImage", {"name": "kept"})).json()["image_id"]
    while not failpoints.waiting(point):
        await asyncio.sleep(0)
    path = f"{SERVERS}/{site.id}" if gone == "server" else f"{IMAGES}/{made}"
    await site.user("DELETE", path, status=204)
    failpoints.release(point)
    await settle(site.cloud)
    assert await site.images() == ["cirros"]
    if gone == "image":
        assert (await site.server())["OS-EXT-STS:task_state"] is None
    else:
        await site.user("GET", path, status=404)
    await site.clean()
    store = site.cloud.control.settings.images
    assert len([path for path in store.iterdir() if made in path.name]) == 0


async def test_a_copy_that_nobody_needs_is_found_and_removed(site: Site) -> None:
    left = site.cloud.control.settings.snapshots / site.id
    left.write_bytes(b"left over")
    found = (await site.admin.get("/hanok/v1/inventory"))["differences"]
    assert [(one["what"], one["mendable"]) for one in found] == [("copy", True)]
    await site.admin("POST", "/hanok/v1/inventory/mend", status=200)
    assert not left.exists()
    await site.clean()


async def test_backups_rotate_by_type(site: Site) -> None:
    async def back_up(name: str, kind: str, rotation: Any, version: str = "2.104") -> Any:
        body = {"name": name, "backup_type": kind, "rotation": rotation}
        answer = await site.act("createBackup", body, version=version)
        await settle(site.cloud)
        return answer

    made = (await back_up("mon", "daily", 2)).json()["image_id"]
    image = await site.image(made)
    assert (image["image_type"], image["backup_type"]) == ("backup", "daily")
    await back_up("week", "weekly", 1)
    await back_up("tue", "daily", "2")
    await back_up("wed", "daily", 2)
    assert await site.images() == ["cirros", "week", "tue", "wed"]
    answer = await back_up("none", "weekly", 0, version="2.44")
    assert "location" not in answer.headers
    assert await site.images() == ["cirros", "tue", "wed"]
    actions = await site.user.get(f"{SERVERS}/{site.id}/os-instance-actions", headers=NEWEST)
    assert actions["instanceActions"][0]["action"] == "createBackup"
    await site.act("createBackup", {"name": "x", "backup_type": "daily"}, 400)
    await site.act("createBackup", {"name": "x", "backup_type": "daily", "rotation": -1}, 400)
    await site.clean()
