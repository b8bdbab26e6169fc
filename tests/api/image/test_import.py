"""Import: staged data, addresses on the web, tasks."""

from __future__ import annotations

import asyncio
import hashlib
import os
import subprocess
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from hanok.base import failpoints
from hanok.drivers.image_stores.web import WebRules
from hanok.services.image.facade import ImageSettings
from tests.api.image.helpers import IMAGES, bring_in, data_of, files_in, image, stage, upload
from tests.cloud import Client, Cloud, running, settle
from tests.disks import qcow2
from tests.web import Page, Web, serving


@pytest.fixture
def web() -> Iterator[Web]:
    with serving() as made:
        yield made


@pytest.fixture
async def open_cloud(tmp_path: Path, database_url: str, web: Web) -> AsyncIterator[Cloud]:
    """A cloud whose operator allows downloads from the test's own server."""
    settings = ImageSettings(web=WebRules(ports=(web.port,), networks=("127.0.0.1/32",)))
    async with running(tmp_path / "state", database=database_url, image=settings) as cloud:
        yield cloud


async def tasks(client: Client, image_id: str) -> list[dict[str, object]]:
    return list((await client.get(f"{IMAGES}/{image_id}/tasks"))["tasks"])


async def test_staged_data_becomes_the_images(cloud: Cloud) -> None:
    one = await cloud.project_with("p", "member")
    image_id = await image(one)
    await bring_in(cloud, one, image_id, "glance-direct", 409)  # nothing is staged
    await stage(one, image_id, qcow2())
    assert (await one.get(f"{IMAGES}/{image_id}"))["status"] == "uploading"
    await stage(one, image_id, qcow2(), 409)
    await upload(one, image_id, qcow2(), 409)
    await one("GET", f"{IMAGES}/{image_id}/file", status=204)
    shown = await bring_in(cloud, one, image_id, "glance-direct")
    assert shown["status"] == "active" and shown["size"] == len(qcow2())
    assert shown["checksum"] == hashlib.md5(qcow2()).hexdigest()
    assert shown["os_hash_value"] == hashlib.sha512(qcow2()).hexdigest()
    assert shown["virtual_size"] == 1 << 20 and "os_glance_import_task" not in shown
    assert await data_of(one, image_id) == qcow2()
    (task,) = await tasks(one, image_id)
    assert task["status"] == "success" and task["type"] == "api_image_import"
    assert task["result"] == {"image_id": image_id}
    assert files_in(cloud.images.staging) == []
    await bring_in(cloud, one, image_id, "glance-direct", 409)


async def test_data_that_is_not_what_the_image_says_is_not_imported(cloud: Cloud) -> None:
    one = await cloud.project_with("p", "member")
    image_id = await image(one)
    await stage(one, image_id, qcow2(backing="/etc/passwd"))
    shown = await bring_in(cloud, one, image_id, "glance-direct")
    assert shown["status"] == "queued" and shown["size"] is None
    (task,) = await tasks(one, image_id)
    assert task["status"] == "failure" and "backing" in str(task["message"])
    assert files_in(cloud.images.staging) == []
    await upload(one, image_id, qcow2())


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({}, 400),
        ({"method": {}}, 400),
        ({"method": {"name": "magic"}}, 400),
        ({"method": "glance-direct"}, 400),
        ({"method": {"name": "glance-direct"}, "all_stores": "yes"}, 400),
        ({"method": {"name": "glance-direct"}, "all_stores_must_succeed": 1}, 400),
        ({"method": {"name": "web-download"}}, 400),
        ({"method": {"name": "web-download", "uri": "http://127.0.0.1/x"}}, 400),
        ({"method": {"name": "web-download", "uri": "file:///etc/passwd"}}, 400),
        ({"method": {"name": "web-download", "uri": 17}}, 400),
        ({"method": {"name": "web-download", "uri": "http://x.org/"}, "stores": ["no"]}, 409),
        ({"method": {"name": "web-download", "uri": "http://x.org/"}, "stores": "file"}, 400),
        ({"method": {"name": "copy-image"}}, 409),
    ],
)
async def test_what_cannot_be_imported_is_said(
    cloud: Cloud, body: dict[str, object], status: int
) -> None:
    one = await cloud.project_with("p", "member")
    image_id = await image(one)
    await one("POST", f"{IMAGES}/{image_id}/import", body, status=status)
    assert await tasks(one, image_id) == []
    assert (await one.get(f"{IMAGES}/{image_id}"))["status"] == "queued"


async def test_only_the_owner_imports(cloud: Cloud) -> None:
    one, two = await cloud.project_with("p", "member"), await cloud.project_with("q", "member")
    mine, shown = await image(one), await image(one, visibility="community")
    for image_id, status in ((mine, 404), (shown, 403)):
        await bring_in(cloud, two, image_id, "web-download", status, uri="http://x.org/i")
        await two("PUT", f"{IMAGES}/{image_id}/stage", content=b"x", status=415)
        await stage(two, image_id, qcow2(), status)
    await two("GET", f"{IMAGES}/{mine}/tasks", status=404)


async def test_an_image_from_the_web(open_cloud: Cloud, web: Web) -> None:
    one = await open_cloud.project_with("p", "member")
    web.pages["/moved"] = Page(status=301, headers={"Location": "/disk.qcow2"})
    web.pages["/disk.qcow2"] = Page(data=qcow2())
    image_id = await image(one)
    shown = await bring_in(open_cloud, one, image_id, "web-download", uri=web.url("/moved"))
    assert shown["status"] == "active" and shown["stores"] == "file"
    assert await data_of(one, image_id) == qcow2()
    # Neither this cloud's token nor anything else of the user goes there.
    assert set(web.tokens) == {""}


async def test_a_download_that_fails_leaves_the_image_queued(open_cloud: Cloud, web: Web) -> None:
    one = await open_cloud.project_with("p", "member")
    with serving() as inner:
        inner.pages["/secret"] = Page(data=qcow2())
        web.pages["/inside"] = Page(status=302, headers={"Location": inner.url("/secret")})
        web.pages["/cut"] = Page(data=qcow2(), short=100)
        for path, word in (("/inside", "port"), ("/cut", "download"), ("/nothing", "404")):
            image_id = await image(one)
            shown = await bring_in(open_cloud, one, image_id, "web-download", uri=web.url(path))
            assert shown["status"] == "queued" and "stores" not in shown
            (task,) = await tasks(one, image_id)
            assert task["status"] == "failure" and word in str(task["message"])
        assert inner.requests == []
    assert files_in(open_cloud.images.staging) == []


async def test_an_image_that_is_deleted_while_it_is_imported(open_cloud: Cloud, web: Web) -> None:
    one = await open_cloud.project_with("p", "member")
    web.pages["/i"] = Page(data=qcow2())
    image_id = await image(one)
    place = "image.import_image.StoreData.before_do"
    with failpoints.armed(place, "hang"):
        body = {"method": {"name": "web-download", "uri": web.url("/i")}}
        await one("POST", f"{IMAGES}/{image_id}/import", body, status=202)
        while not failpoints.waiting(place):
            await asyncio.sleep(0.01)
        again = await one("POST", f"{IMAGES}/{image_id}/import", body, status=409)
        assert "queued" in again.text
        await one("DELETE", f"{IMAGES}/{image_id}", status=204)
        failpoints.release(place)
    await settle(open_cloud)
    await one("GET", f"{IMAGES}/{image_id}", status=404)
    assert files_in(open_cloud.control.settings.images) == []
    assert files_in(open_cloud.images.staging) == []


STEPS = ("FetchData", "LookAtData", "StoreData", "ForgetStaged")


@pytest.mark.parametrize("place", ["before_do", "after_do", "before_save"])
@pytest.mark.parametrize("step", STEPS[:3])
async def test_a_step_that_breaks_is_undone(
    open_cloud: Cloud, web: Web, step: str, place: str
) -> None:
    one = await open_cloud.project_with("p", "member")
    web.pages["/i"] = Page(data=qcow2())
    image_id = await image(one)
    with failpoints.armed(f"image.import_image.{step}.{place}", "raise"):
        shown = await bring_in(open_cloud, one, image_id, "web-download", uri=web.url("/i"))
    assert shown["status"] == "queued" and "stores" not in shown
    assert files_in(open_cloud.images.staging) == []
    assert files_in(open_cloud.control.settings.images) == []
    shown = await bring_in(open_cloud, one, image_id, "web-download", uri=web.url("/i"))
    assert shown["status"] == "active"


@pytest.mark.parametrize("step", STEPS)
async def test_a_step_that_runs_twice_does_no_harm(open_cloud: Cloud, web: Web, step: str) -> None:
    one = await open_cloud.project_with("p", "member")
    web.pages["/i"] = Page(data=qcow2())
    image_id = await image(one)
    with failpoints.armed(f"image.import_image.{step}.before_do", "twice"):
        shown = await bring_in(open_cloud, one, image_id, "web-download", uri=web.url("/i"))
    assert shown["status"] == "active" and await data_of(one, image_id) == qcow2()
    assert files_in(open_cloud.images.staging) == []


async def test_imports_are_turned_into_the_operators_format(
    tmp_path: Path, database_url: str
) -> None:
    settings = ImageSettings(conversion="raw")
    disk = tmp_path / "disk.raw"
    disk.write_bytes(os.urandom(1 << 20))
    made = tmp_path / "disk.qcow2"
    subprocess.run(["qemu-img", "convert", "-O", "qcow2", str(disk), str(made)], check=True)
    async with running(tmp_path / "state", database=database_url, image=settings) as cloud:
        one = await cloud.project_with("p", "member")
        image_id = await image(one)
        await stage(one, image_id, made.read_bytes())
        shown = await bring_in(cloud, one, image_id, "glance-direct")
        assert (shown["status"], shown["disk_format"]) == ("active", "raw")
        assert await data_of(one, image_id) == disk.read_bytes()
        assert shown["os_hash_value"] == hashlib.sha512(disk.read_bytes()).hexdigest()
        assert files_in(cloud.images.staging) == []


async def test_tasks_are_for_administrators_and_page(open_cloud: Cloud, web: Web) -> None:
    one, admin = await open_cloud.project_with("p", "member"), await open_cloud.sign_in()
    web.pages["/i"] = Page(data=qcow2())
    await one("GET", "/image/v2/tasks", status=403)
    await one("POST", "/image/v2/tasks", {}, status=403)
    properties = {"name": "old", "disk_format": "qcow2", "container_format": "bare"}
    requested = {
        "type": "import",
        "input": {
            "import_from": web.url("/i"),
            "import_from_format": "qcow2",
            "image_properties": properties,
        },
    }
    made = await admin.post("/image/v2/tasks", requested)
    assert made["status"] == "pending" and made["input"] == requested["input"]
    await settle(open_cloud)
    shown = await admin.get(f"/image/v2/tasks/{made['id']}")
    assert shown["status"] == "success" and shown["expires_at"]
    created = await admin.get(f"{IMAGES}/{shown['result']['image_id']}")
    assert (created["name"], created["status"]) == ("old", "active")
    await admin.post("/image/v2/tasks", requested)
    await settle(open_cloud)
    first = await admin.get("/image/v2/tasks?limit=1")
    second = await admin.get(f"/image{first['next']}")
    assert {first["tasks"][0]["id"], second["tasks"][0]["id"]} > {made["id"]}
    assert "input" not in first["tasks"][0]
    assert (await admin.get("/image/v2/tasks?status=failure"))["tasks"] == []
    await admin("GET", "/image/v2/tasks?status=odd", status=400)
    await admin("GET", f"/image/v2/tasks/{created['id']}", status=404)
    await admin("DELETE", f"/image/v2/tasks/{made['id']}", status=405)
    for bad in (
        {},
        {"type": "import"},
        {"type": "export", "input": {}},
        {"type": "import", "input": {"import_from": "http://127.0.0.1:1/"}},
        {"type": "import", "input": {"import_from": 7, "image_properties": {}}},
    ):
        await admin("POST", "/image/v2/tasks", bad, status=400)


@pytest.mark.parametrize(
    ("odd", "why"),
    [
        ({"disk_format": None}, "need disk_format"),
        ({"disk_format": ""}, "is not one of"),
        ({"container_format": None}, "need disk_format"),
        ({"disk_format": "nosuch"}, "is not one of"),
        ({"disk_format": "raw"}, "import_from_format must be"),
    ],
)
async def test_a_task_says_what_its_image_is(
    open_cloud: Cloud, web: Web, odd: dict[str, Any], why: str
) -> None:
    admin = await open_cloud.sign_in()
    web.pages["/i"] = Page(data=qcow2())
    properties = {"name": "n", "disk_format": "qcow2", "container_format": "bare", **odd}
    requested = {
        "import_from": web.url("/i"),
        "import_from_format": "qcow2",
        "image_properties": {
            name: value for name, value in properties.items() if value is not None
        },
    }
    refused = await admin(
        "POST", "/image/v2/tasks", {"type": "import", "input": requested}, status=400
    )
    assert why in refused.text
    assert (await admin.get("/image/v2/tasks"))["tasks"] == []
    assert (await admin.get(IMAGES))["images"] == [] and web.requests == []


async def test_a_task_of_somebody_without_a_project_is_nobodys(open_cloud: Cloud, web: Web) -> None:
    """An administrator of the system imports into an image of a project."""
    one, admin = await open_cloud.project_with("p", "member"), await open_cloud.sign_in()
    path = f"/v3/system/users/{admin.user_id}/roles"
    [role] = (await admin.get("/v3/roles?name=admin"))["roles"]
    await admin("PUT", f"{path}/{role['id']}", status=204)
    system = await open_cloud.sign_in(scope={"system": {"all": True}})
    web.pages["/i"] = Page(data=qcow2())
    image_id = await image(one)
    shown = await bring_in(open_cloud, system, image_id, "web-download", uri=web.url("/i"))
    assert shown["status"] == "active"
    [task] = await tasks(one, image_id)
    assert (task["status"], task["owner"]) == ("success", "")
    # An administrator's list has it, and that of whoever is let in but reaches their project alone has not.
    theirs = await bring_in(open_cloud, one, await image(one), "web-download", uri=web.url("/i"))
    [other] = await tasks(one, theirs["id"])
    listed = (await admin.get("/image/v2/tasks"))["tasks"]
    assert {found["id"] for found in listed} == {task["id"], other["id"]}


async def test_a_delete_ends_a_download_that_drips(open_cloud: Cloud, web: Web) -> None:
    """The far server would go on for hours; the image is gone, and nobody listens any more."""
    web.pages["/drip"] = Page(data=bytes(100_000), drip_s=0.2)
    one = await open_cloud.project_with("p", "member")
    image_id = await image(one)
    body = {"method": {"name": "web-download", "uri": web.url("/drip")}}
    await one("POST", f"{IMAGES}/{image_id}/import", body, status=202)
    async with asyncio.timeout(30):
        while not web.requests:
            await asyncio.sleep(0.05)
        (task,) = await tasks(one, image_id)
        assert (task["status"], task["message"]) == ("processing", "")
        await one("DELETE", f"{IMAGES}/{image_id}", status=204)
        await settle(open_cloud)
        while not web.hung_up:
            await asyncio.sleep(0.05)
    admin = await open_cloud.sign_in()
    ended = await admin.get(f"/image/v2/tasks/{task['id']}")
    assert ended["status"] == "failure" and "deleted" in ended["message"]
    assert files_in(open_cloud.images.staging) == []
