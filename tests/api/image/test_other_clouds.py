"""Import from another region's image service, and properties that an operator has imports set."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from hanok.base import failpoints
from hanok.services.image.facade import ImageSettings
from tests.api.image.helpers import IMAGES, bring_in, data_of, files_in, image, patch, stage
from tests.cloud import Client, Cloud, running
from tests.disks import qcow2
from tests.web import Page, Web, serving

THERE = "36d4b546-64a2-4bb9-bdd0-ba676aa48f2c"
SAID = {
    "id": THERE,
    "status": "active",
    "size": len(qcow2()),
    "disk_format": "qcow2",
    "container_format": "bare",
    "hw_cpu_cores": "5",
    "trait:STORAGE_DISK_SSD": "required",
    "os_distro": "rhel",
    "speed": "88mph",
    "os_glance_import_task": "x",
}


@pytest.fixture
def web() -> Iterator[Web]:
    """The image service of another region, with one image."""
    with serving() as made:
        say(made)
        made.pages[f"/glance/v2/images/{THERE}/file"] = Page(data=qcow2())
        yield made


def say(web: Web, **changes: Any) -> None:
    text = json.dumps({**SAID, **changes})
    web.pages[f"/glance/v2/images/{THERE}"] = Page(data=text.encode())


@asynccontextmanager
async def two_regions(state: Path, database: str, web: Web, **more: Any) -> AsyncIterator[Cloud]:
    settings = ImageSettings(import_methods=("glance-direct", "glance-download"), **more)
    async with running(state, database=database, image=settings) as cloud:
        admin = await cloud.sign_in()
        service = (await admin.get("/v3/services?type=image"))["services"][0]["id"]
        await admin.post("/v3/regions", {"region": {"id": "Two"}})
        body = {"service_id": service, "interface": "public", "region_id": "Two"}
        await admin.post("/v3/endpoints", {"endpoint": {**body, "url": web.url("/glance")}})
        yield cloud


@pytest.fixture
async def other(tmp_path: Path, database_url: str, web: Web) -> AsyncIterator[Cloud]:
    async with two_regions(tmp_path / "state", database_url, web) as cloud:
        yield cloud


async def fetch(
    cloud: Cloud, client: Client, image_id: str, status: int = 202, **changes: Any
) -> dict[str, Any]:
    method = {"name": "glance-download", "glance_image_id": THERE, "glance_region": "two"}
    requested = {k: v for k, v in {**method, **changes}.items() if v is not None}
    answer = await client(
        "POST", f"{IMAGES}/{image_id}/import", {"method": requested}, status=status
    )
    await cloud.control.worker.settled()
    return dict(await client.get(f"{IMAGES}/{image_id}")) | {"answer": answer.text}


async def why(client: Client, image_id: str) -> str:
    task = (await client.get(f"{IMAGES}/{image_id}/tasks"))["tasks"][0]
    assert task["status"] == "failure"
    return str(task["message"])


async def an_odd_image(client: Client) -> str:
    """One that says of itself what is not so of the image elsewhere."""
    properties = {"hw_cpu_cores": "1", "os_distro": "windows", "mine": "kept"}
    return await image(client, disk_format="iso", container_format="ovf", **properties)


async def test_an_image_of_another_region(other: Cloud, web: Web) -> None:
    one = await other.project_with("p", "member")
    assert "glance-download" in str(await one.get("/image/v2/info/import"))
    image_id = await an_odd_image(one)
    shown = await fetch(other, one, image_id)
    assert (shown["status"], shown["disk_format"], shown["container_format"]) == (
        "active", "qcow2", "bare",
    )  # fmt: skip
    assert (shown["hw_cpu_cores"], shown["os_distro"], shown["mine"]) == ("5", "rhel", "kept")
    assert shown["trait:STORAGE_DISK_SSD"] == "required" and "speed" not in shown
    assert await data_of(one, image_id) == qcow2()
    assert set(web.tokens) == {one.token}
    # The token is with the import, and nobody can read it there.
    async with other.control.database.read() as tx:
        rows = await tx.all(sa.text("select arguments from operations"))
    assert rows and one.token not in str(rows)


async def test_what_is_not_there_leaves_the_image_as_it_was(other: Cloud, web: Web) -> None:
    one = await other.project_with("p", "member")
    image_id = await an_odd_image(one)
    before = await one.get(f"{IMAGES}/{image_id}")
    elsewhere = Page(status=302, headers={"Location": web.url(f"/glance/v2/images/{THERE}")})
    web.pages["/glance/v2/images/9c0d0000-0000-4000-8000-000000000001"] = elsewhere
    cases: list[tuple[dict[str, Any], dict[str, Any], str]] = [
        ({"glance_region": "nowhere"}, {}, "no such image service"),
        ({"glance_service_interface": "odd"}, {}, "no such image service"),
        ({"glance_image_id": "c7edec8e-24b5-416a-9d42-b3e773bab62c"}, {}, "404"),
        ({"glance_image_id": "9c0d0000-0000-4000-8000-000000000001"}, {}, "leads to another place"),
        ({}, {"status": "queued"}, "queued, not active"),
        ({}, {"size": 3}, "not the 3"),
        ({}, {"size": "many"}, "does not say"),
        ({}, {"disk_format": "floppy"}, "cannot be taken"),
        ({}, {"hw_list": ["x"]}, "cannot be taken"),
        ({}, {"disk_format": "raw"}, "mismatch"),
    ]
    for changes, said, word in cases:
        say(web, **said)
        shown = await fetch(other, one, image_id, **changes)
        assert word in await why(one, image_id)
        assert shown["status"] == "queued" and shown["os_glance_failed_import"] == "file"
        for name in ("disk_format", "container_format", "hw_cpu_cores", "os_distro", "size"):
            assert shown[name] == before[name], name
        assert "trait:STORAGE_DISK_SSD" not in shown
    assert files_in(other.images.staging) == []


@pytest.mark.parametrize("step", ["DescribeData", "FetchData"])
async def test_it_survives_a_step_that_runs_twice(other: Cloud, step: str) -> None:
    one = await other.project_with("p", "member")
    image_id = await an_odd_image(one)
    with failpoints.armed(f"image.import_image.{step}.before_do", "twice"):
        shown = await fetch(other, one, image_id)
    assert (shown["status"], shown["mine"], shown["os_distro"]) == ("active", "kept", "rhel")


async def test_what_is_not_asked_well_is_refused(other: Cloud, web: Web) -> None:
    one = await other.project_with("p", "member")
    image_id = await an_odd_image(one)
    for changes, word in (
        ({"glance_image_id": "foo"}, "does not look like a UUID"),
        ({"glance_image_id": None}, "needs to be set"),
        ({"glance_region": None}, "needs to be set"),
        ({"glance_region": 7}, "needs to be set"),
        ({"glance_service_interface": []}, "public, internal or admin"),
    ):
        assert word in (await fetch(other, one, image_id, 400, **changes))["answer"]
    assert web.requests == []


async def test_where_we_were_reached_is_the_callers_word(other: Cloud, web: Web) -> None:
    """Our own catalog entry stands for the header Host: what that names is held against the rules."""
    one = await other.project_with("p", "member")
    image_id = await an_odd_image(one)
    method = {"name": "glance-download", "glance_image_id": THERE, "glance_region": "RegionOne"}
    headers = {"Host": f"127.0.0.1:{web.port}"}
    path = f"{IMAGES}/{image_id}/import"
    await one("POST", path, {"method": method}, headers=headers, status=202)
    await other.control.worker.settled()
    assert "port is not allowed" in await why(one, image_id)
    assert web.requests == []


async def test_protected_properties_do_not_come_from_elsewhere(
    tmp_path: Path, database_url: str, web: Web
) -> None:
    rules = tmp_path / "protections"
    rules.write_text(
        "[^hw_]\ncreate = admin\nread = @\nupdate = admin\ndelete = @\n"
        "[.*]\ncreate = @\nread = @\nupdate = @\ndelete = @\n"
    )
    state, more = tmp_path / "state", {"property_protections": str(rules)}
    async with two_regions(state, database_url, web, **more) as cloud:
        one, admin = await cloud.project_with("p", "member"), await cloud.sign_in()
        for client, cores in ((one, None), (admin, "5")):
            shown = await fetch(cloud, client, await image(client))
            assert (shown.get("hw_cpu_cores"), shown["os_distro"]) == (cores, "rhel")


async def test_properties_are_injected(tmp_path: Path, database_url: str) -> None:
    settings = ImageSettings(inject={"checked": "no", "from": "outside"})
    async with running(tmp_path / "state", database=database_url, image=settings) as cloud:
        one, admin = await cloud.project_with("p", "member"), await cloud.sign_in()
        mine, theirs = await image(one, checked="yes", own="x"), await image(admin)
        for client, image_id in ((one, mine), (admin, theirs)):
            await stage(client, image_id, qcow2())
            await bring_in(cloud, client, image_id, "glance-direct")
        shown = await one.get(f"{IMAGES}/{mine}")
        assert (shown["checked"], shown["from"], shown["own"]) == ("no", "outside", "x")
        assert "checked" not in await admin.get(f"{IMAGES}/{theirs}")
        # They are the image's own: whoever may change the image may change them.
        await patch(one, mine, {"op": "replace", "path": "/checked", "value": "yes"})


async def test_what_an_image_service_keeps_for_itself_is_not_taken_over(
    tmp_path: Path, database_url: str, web: Web
) -> None:
    """Not even where an operator takes all properties that begin so."""
    requested = {"glance_download_properties": ("os_",)}
    async with two_regions(tmp_path / "state", database_url, web, **requested) as cloud:
        one = await cloud.project_with("p", "member")
        shown = await fetch(cloud, one, await an_odd_image(one))
        assert shown["os_distro"] == "rhel" and "os_glance_import_task" not in shown
