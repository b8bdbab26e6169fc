"""Images by way of compute, as clients from before 2.36 ask for them: the image service's own rules hold."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.cloud import Client, Cloud, an_image, running

IMAGES = "/compute/v2.1/images"


@pytest.fixture
async def cloud(tmp_path: Path) -> AsyncIterator[Cloud]:
    async with running(tmp_path) as made:
        yield made


@pytest.fixture
async def user(cloud: Cloud) -> Client:
    return await cloud.project_with("team", "member")


def names(answer: Any) -> list[str]:
    return [one["name"] for one in answer["images"]]


async def test_an_image_in_older_words(user: Client) -> None:
    image_id = await an_image(user, min_ram=32, min_disk=1, os_distro="debian")
    shown = (await user.get(f"{IMAGES}/{image_id}"))["image"]
    new = await user.get(f"/image/v2/images/{image_id}")
    links = shown.pop("links")
    assert shown == {
        "id": image_id,
        "name": "cirros",
        "minRam": 32,
        "minDisk": 1,
        "metadata": {"os_distro": "debian"},
        "created": new["created_at"],
        "updated": new["updated_at"],
        "status": "ACTIVE",
        "progress": 100,
        "OS-EXT-IMG-SIZE:size": new["size"],
    }
    assert [one["rel"] for one in links] == ["self", "bookmark", "alternate"]
    assert links[0]["href"] == f"http://cloud:5000{IMAGES}/{image_id}"
    listed = (await user.get(IMAGES))["images"]
    assert [set(one) for one in listed] == [{"id", "name", "links"}]
    assert (await user.get(f"{IMAGES}/detail"))["images"][0]["status"] == "ACTIVE"


async def test_an_image_of_a_server_names_it(user: Client) -> None:
    server = "9c0d0000-0000-4000-8000-000000000001"
    image_id = await an_image(user, instance_uuid=server, auto_disk_config="True")
    shown = (await user.get(f"{IMAGES}/{image_id}"))["image"]
    assert shown["server"]["id"] == server and shown["OS-DCF:diskConfig"] == "AUTO"
    assert [one["rel"] for one in shown["server"]["links"]] == ["self", "bookmark"]
    await an_image(user, "other")
    for value in (server, f"http://cloud:5000/compute/v2.1/servers/{server}"):
        assert names(await user.get(f"{IMAGES}?server={value}")) == ["cirros"]


async def test_lists_filter_and_have_pages(user: Client) -> None:
    first = await an_image(user, "a", min_ram=1, image_type="snapshot", colour="red")
    moment = (await user.get(f"/image/v2/images/{first}"))["created_at"]
    await an_image(user, "b")
    body = {"name": "c", "disk_format": "qcow2", "container_format": "bare"}
    await user.post("/image/v2/images", body)
    for query, requested in (
        ("name=a", ["a"]),
        ("status=ACTIVE", ["b", "a"]),
        ("status=queued", ["c"]),
        ("minRam=1", ["a"]),
        ("type=snapshot", ["a"]),
        ("property-colour=red", ["a"]),
        (f"changes-since={moment}", ["c", "b", "a"]),
        ("changes-since=2999-01-01T00:00:00Z", []),
        ("unknown=x", ["c", "b", "a"]),
    ):
        assert names(await user.get(f"{IMAGES}?{query}")) == requested, query
    page = await user.get(f"{IMAGES}/detail?limit=2")
    assert names(page) == ["c", "b"]
    link = page["images_links"][0]
    assert link["rel"] == "next" and link["href"].startswith(
        "http://cloud:5000/compute/v2.1/images/detail?"
    )
    page = await user.get(link["href"].removeprefix("http://cloud:5000"))
    assert names(page) == ["a"] and "images_links" not in page
    await user("GET", f"{IMAGES}?limit=x", status=400)
    await user("GET", f"{IMAGES}?marker={'0' * 36}", status=400)


async def test_metadata(user: Client) -> None:
    path = f"{IMAGES}/{await an_image(user, os_distro='debian')}/metadata"
    made = await user.post(path, {"metadata": {"a.b": "1", "c:d": "2"}}, 200)
    assert made == {"metadata": {"os_distro": "debian", "a.b": "1", "c:d": "2"}}
    assert await user.get(path) == made
    assert (await user("PUT", path, {"metadata": {"k": "v"}}, status=200)).json() == {
        "metadata": {"k": "v"}
    }
    assert await user.get(path) == {"metadata": {"k": "v"}}
    item = {"meta": {"k": "w"}}
    assert (await user("PUT", f"{path}/k", item, status=200)).json() == item
    assert await user.get(f"{path}/k") == item
    await user("PUT", f"{path}/other", item, status=400)
    await user("PUT", f"{path}/k", {"meta": {}}, status=400)
    await user("DELETE", f"{path}/k", status=204)
    await user("DELETE", f"{path}/k", status=404)
    await user("GET", f"{path}/k", status=404)
    assert await user.get(path) == {"metadata": {}}
    for bad in ({"status": "active"}, {"": "x"}, {"k": "x" * 256}, {"k": 1}):
        await user("POST", path, {"metadata": bad}, status=400)
    many = {f"k{number}": "v" for number in range(129)}
    await user("POST", path, {"metadata": many}, status=403)
    assert await user.get(path) == {"metadata": {}}


async def test_the_image_services_rules_hold(cloud: Cloud, user: Client) -> None:
    admin = await cloud.sign_in()
    mine, public = await an_image(user, "mine"), await an_image(admin, "p", visibility="public")
    private = await an_image(admin, "hers", visibility="private")
    await user("GET", f"{IMAGES}/{private}", status=404)
    await user("DELETE", f"{IMAGES}/{private}", status=404)
    await user("GET", f"{IMAGES}/no-id", status=404)
    await user("DELETE", f"{IMAGES}/{public}", status=403)
    await user("POST", f"{IMAGES}/{public}/metadata", {"metadata": {"a": "b"}}, status=403)
    await cloud.anonymous("GET", f"{IMAGES}/{public}", status=401)
    assert sorted(names(await user.get(IMAGES))) == ["mine", "p"]
    await user("DELETE", f"{IMAGES}/{mine}", status=204)
    await user("GET", f"{IMAGES}/{mine}", status=404)
    newer = {"OpenStack-API-Version": "compute 2.36"}
    await user("GET", IMAGES, headers=newer, status=404)
    await user("GET", f"{IMAGES}/{public}/metadata", headers=newer, status=200)
    newer = {"OpenStack-API-Version": "compute 2.39"}
    await user("GET", f"{IMAGES}/{public}/metadata", headers=newer, status=404)
