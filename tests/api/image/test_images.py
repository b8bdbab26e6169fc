"""Images: data, visibility, members, patches, lists."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator
from typing import Any

from tests.cloud import Client, Cloud
from tests.disks import qcow2

OCTETS = {"Content-Type": "application/octet-stream"}
PATCH = {"Content-Type": "application/openstack-images-v2.1-json-patch"}


async def image(client: Client, name: str = "i", **values: Any) -> str:
    body = {"name": name, "disk_format": "qcow2", "container_format": "bare", **values}
    return str((await client.post("/image/v2/images", body))["id"])


async def upload(client: Client, image_id: str, data: bytes, status: int = 204) -> None:
    path = f"/image/v2/images/{image_id}/file"
    await client("PUT", path, content=data, headers=OCTETS, status=status)


async def patch(client: Client, image_id: str, *changes: dict[str, Any], status: int = 200) -> Any:
    import json

    response = await client(
        "PATCH",
        f"/image/v2/images/{image_id}",
        content=json.dumps(changes).encode(),
        headers=PATCH,
        status=status,
    )
    return response.json() if status == 200 else response.text


async def test_upload_and_download_give_the_same_bytes_and_hashes(cloud: Cloud) -> None:
    one = await cloud.project_with("p", "member")
    image_id = await image(one)
    data = qcow2()
    await upload(one, image_id, data)
    shown = await one.get(f"/image/v2/images/{image_id}")
    assert shown["status"] == "active" and shown["size"] == len(data)
    assert shown["virtual_size"] == 1 << 20
    assert shown["checksum"] == hashlib.md5(data).hexdigest()
    assert shown["os_hash_value"] == hashlib.sha512(data).hexdigest()
    got = await one("GET", f"/image/v2/images/{image_id}/file", status=200)
    assert got.content == data and got.headers["content-md5"] == shown["checksum"]
    part = await one(
        "GET", f"/image/v2/images/{image_id}/file", headers={"Range": "bytes=4-7"}, status=206
    )
    assert part.content == data[4:8]


async def test_what_must_not_be_opened_is_refused_and_says_why(cloud: Cloud) -> None:
    one = await cloud.project_with("p", "member")
    for data, word in (
        (qcow2(backing="/etc/passwd"), "backing"),
        (b"no disk at all" * 100, "mismatch"),
    ):
        image_id = await image(one)
        path = f"/image/v2/images/{image_id}/file"
        refused = await one("PUT", path, content=data, headers=OCTETS, status=415)
        assert word in refused.text
        shown = await one.get(f"/image/v2/images/{image_id}")
        assert shown["status"] == "queued" and shown["size"] is None
        await upload(one, image_id, qcow2())
    raw = await image(one, disk_format="raw")
    await one("PUT", f"/image/v2/images/{raw}/file", content=qcow2(), headers=OCTETS, status=415)


async def test_a_truncated_upload_leaves_the_image_queued_and_no_bytes(cloud: Cloud) -> None:
    one = await cloud.project_with("p", "member")
    image_id = await image(one)

    async def cut_short() -> AsyncIterator[bytes]:
        yield qcow2()[:1000]

    response = await one.http.request(
        "PUT",
        f"/image/v2/images/{image_id}/file",
        content=cut_short(),
        headers={**OCTETS, "X-Auth-Token": one.token, "X-OpenStack-Image-Size": "262144"},
    )
    assert response.status_code == 400 and "cut short" in response.text
    assert (await one.get(f"/image/v2/images/{image_id}"))["status"] == "queued"
    assert list(cloud.control.settings.images.iterdir()) == []


async def test_two_uploads_at_once_one_goes_on(cloud: Cloud) -> None:
    one = await cloud.project_with("p", "member")
    image_id = await image(one)
    path = f"/image/v2/images/{image_id}/file"
    answers = await asyncio.gather(
        *(one("PUT", path, content=qcow2(), headers=OCTETS) for _ in range(2))
    )
    assert sorted(answer.status_code for answer in answers) == [204, 409]
    assert (await one.get(f"/image/v2/images/{image_id}"))["status"] == "active"


async def test_protected_images_stay_until_they_are_not(cloud: Cloud) -> None:
    one = await cloud.project_with("p", "member")
    image_id = await image(one, protected=True)
    await one("DELETE", f"/image/v2/images/{image_id}", status=403)
    await patch(one, image_id, {"op": "replace", "path": "/protected", "value": False})
    await one("DELETE", f"/image/v2/images/{image_id}", status=204)
    await one("GET", f"/image/v2/images/{image_id}", status=404)
    await one.post("/image/v2/images", {"id": image_id}, 409)  # an id is used once


async def test_visibility_decides_who_sees_what(cloud: Cloud) -> None:
    admin = await cloud.sign_in()
    one = await cloud.project_with("one", "member")
    two = await cloud.project_with("two", "member")
    await one.post("/image/v2/images", {"visibility": "public"}, 403)
    private = await image(one, "private", visibility="private")
    community = await image(one, "community", visibility="community")
    public = await image(admin, "public", visibility="public")

    async def names(client: Client, query: str = "") -> set[str]:
        return {i["name"] for i in (await client.get(f"/image/v2/images{query}"))["images"]}

    assert await names(two) == {"public"}
    assert await names(two, "?visibility=community") == {"community"}
    assert await names(one) == {"private", "public"}
    await two("GET", f"/image/v2/images/{private}", status=404)
    await two("GET", f"/image/v2/images/{community}", status=200)
    await two("DELETE", f"/image/v2/images/{public}", status=403)


async def test_a_shared_image_shows_up_after_the_receiver_accepted(cloud: Cloud) -> None:
    one = await cloud.project_with("one", "member")
    two = await cloud.project_with("two", "member")
    image_id = await image(one, "gift")
    await one.post(f"/image/v2/images/{image_id}/members", {"member": two.project_id}, 200)
    assert (await two.get("/image/v2/images"))["images"] == []
    await two("GET", f"/image/v2/images/{image_id}", status=200)
    member = f"/image/v2/images/{image_id}/members/{two.project_id}"
    await one("PUT", member, {"status": "accepted"}, status=403)
    await two("PUT", member, {"status": "accepted"}, status=200)
    assert [i["name"] for i in (await two.get("/image/v2/images"))["images"]] == ["gift"]
    # Whoever it was shared with sees it no more when it is taken back.
    await patch(one, image_id, {"op": "replace", "path": "/visibility", "value": "private"})
    assert (await two.get("/image/v2/images"))["images"] == []
    await two("GET", f"/image/v2/images/{image_id}", status=404)


async def test_a_patch_is_all_or_nothing_and_read_only_stays(cloud: Cloud) -> None:
    one = await cloud.project_with("p", "member")
    image_id = await image(one)
    good = {"op": "add", "path": "/os_distro", "value": "debian"}
    bad = {"op": "replace", "path": "/status", "value": "active"}
    await patch(one, image_id, good, bad, status=403)
    assert "os_distro" not in await one.get(f"/image/v2/images/{image_id}")
    shown = await patch(one, image_id, good, {"op": "add", "path": "/tags", "value": ["a", "b"]})
    assert shown["os_distro"] == "debian" and shown["tags"] == ["a", "b"]
    await patch(one, image_id, {"op": "remove", "path": "/os_distro"})
    await patch(one, image_id, {"op": "remove", "path": "/os_distro"}, status=409)
    await patch(one, image_id, {"op": "remove", "path": "/name"}, status=403)


async def test_lists_page_sort_and_filter(cloud: Cloud) -> None:
    one = await cloud.project_with("p", "member")
    for number in range(5):
        await image(one, f"i{number}", min_ram=number, colour="red" if number % 2 else "blue")
    seen, url = [], "/image/v2/images?limit=2&sort=name:asc"
    while url:
        page = await one.get(url)
        seen += [i["name"] for i in page["images"]]
        url = f"/image{page['next']}" if "next" in page else ""
    assert seen == ["i0", "i1", "i2", "i3", "i4"]
    red = await one.get("/image/v2/images?colour=red&sort_key=name&sort_dir=asc")
    assert [i["name"] for i in red["images"]] == ["i1", "i3"]
    some = await one.get('/image/v2/images?name=in:i1,"i4"&sort=name:asc')
    assert [i["name"] for i in some["images"]] == ["i1", "i4"]
    await one("GET", "/image/v2/images?limit=-1", status=400)
    await one("GET", "/image/v2/images?marker=nothing", status=400)
    await one("GET", "/image/v2/images?sort=nonsense:asc", status=400)
    earliest = "0001-01-01T00:00:00%2B14:00"  # in UTC it lies before all years
    await one("GET", f"/image/v2/images?created_at=gt:{earliest}", status=400)
