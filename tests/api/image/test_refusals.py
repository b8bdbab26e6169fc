"""What image refuses, and why; what its lists find; and what is right beside it."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.api.image.helpers import IMAGES, OCTETS, PATCH, image, patch, stage, upload
from tests.cloud import Client, Cloud, running
from tests.disks import qcow2

TASKS = "/image/v2/tasks"
NAMESPACES = "/image/v2/metadefs/namespaces"
NOWHERE = "00000000-0000-4000-8000-00000000dead"


@pytest.fixture
async def cloud(tmp_path: Path, database_url: str) -> AsyncIterator[Cloud]:
    """A cloud without hosts: nothing here needs one."""
    async with running(tmp_path, database=database_url, hosts=0) as cloud:
        yield cloud


async def says(
    client: Client, method: str, path: str, body: Any, status: int, why: str = "", **headers: str
) -> Any:
    """It is answered with this status, and these words are in what is said. Gives the body, if it is JSON."""
    answer = await client(method, path, body, headers=headers or None)
    got = f"{answer.status_code}: {answer.text[:300]}"
    assert answer.status_code == status and why in answer.text, f"{method} {path} {body}: {got}"
    return answer.json() if "json" in answer.headers.get("content-type", "") else None


# ---- images ----


async def test_a_new_image(cloud: Cloud) -> None:
    member = await cloud.project_with("p", "member")
    cases: Any = (
        ({"id": "x"}, 400, "not a valid UUID"),
        ({"name": "n" * 256}, 400, "255"),
        ({"name": 5}, 400, ""),
        ({"visibility": "perhaps"}, 400, "visibility"),
        ({"protected": "yes"}, 400, "protected"),
        ({"os_hidden": 1}, 400, "os_hidden"),
        ({"min_disk": -1}, 400, "min_disk"),
        ({"min_ram": True}, 400, "min_ram"),
        ({"min_ram": 2**31}, 400, "min_ram"),
        ({"disk_format": "perhaps"}, 400, ""),
        ({"container_format": "perhaps"}, 400, "container_format"),
        ({"tags": "a"}, 400, "tags"),
        ({"tags": ["t" * 256]}, 400, "tags"),
        ({"tags": [f"t{number}" for number in range(129)]}, 413, "128 tags"),
        ({f"p{number}": "1" for number in range(129)}, 413, "128 further properties"),
        ({"status": "active"}, 403, "read-only"),
        ({"size": 5}, 403, "read-only"),
        ({"locations": []}, 403, ""),
        ({"owner": NOWHERE}, 403, ""),
        ({"key": 5}, 400, ""),
    )
    for values, status, why in cases:
        await says(member, "POST", IMAGES, {"name": "i", **values}, status, why)
    full = {f"p{number}": "1" for number in range(128)}
    values = {"id": NOWHERE, "name": "n" * 255, "min_ram": 2**31 - 1, "tags": ["a", "a", "b"]}
    made = await says(member, "POST", IMAGES, {**full, **values}, 201)
    assert made["id"] == NOWHERE and sorted(made["tags"]) == ["a", "b"]
    await says(member, "POST", IMAGES, {"id": NOWHERE}, 409)
    assert [one["id"] for one in (await member.get(IMAGES))["images"]] == [NOWHERE]
    more = {"op": "add", "path": "/one_more", "value": "1"}
    assert "128 further" in await patch(member, NOWHERE, more, status=413)
    await patch(member, NOWHERE, {"op": "remove", "path": "/p0"}, more)


async def test_a_patch(cloud: Cloud) -> None:
    member = await cloud.project_with("p", "member")
    one = await image(member, key="v", tags=["a"])
    for lines, status in (
        ({}, 400),
        (["x"], 400),
        ([{"op": "move", "path": "/key"}], 400),
        ([{"op": "add", "path": "key", "value": "1"}], 400),
        ([{"op": "add", "path": 5, "value": "1"}], 400),
        ([{"op": "add", "path": "/a//b", "value": "1"}], 400),
        ([{"op": "add", "path": "/key/", "value": "1"}], 400),
        ([{"op": "add", "path": "/a~2", "value": "1"}], 400),
        ([{"op": "add", "path": "/a/b", "value": "1"}], 400),
        ([{"op": "add", "path": "/key"}], 400),
        ([{"op": "replace", "path": "/nobody", "value": "1"}], 409),
        ([{"op": "remove", "path": "/nobody"}], 409),
        ([{"op": "remove", "path": "/name"}], 403),
        ([{"op": "remove", "path": "/size"}], 403),
        ([{"op": "replace", "path": "/id", "value": NOWHERE}], 403),
        ([{"op": "replace", "path": "/status", "value": "active"}], 403),
        ([{"op": "replace", "path": "/owner", "value": NOWHERE}], 403),
        ([{"op": "replace", "path": "/visibility", "value": "perhaps"}], 400),
        ([{"op": "replace", "path": "/key", "value": "w"}], 200),
        ([{"op": "add", "path": "/a~1b", "value": "1"}], 200),
        ([{"op": "replace", "path": "/disk_format", "value": "raw"}], 200),
        ([{"op": "replace", "path": "/disk_format", "value": "qcow2"}], 200),
    ):
        content = json.dumps(lines).encode()
        answer = await member("PATCH", f"{IMAGES}/{one}", content=content, headers=PATCH)
        assert answer.status_code == status, f"{lines}: {answer.status_code} {answer.text[:200]}"
    oldest = {"Content-Type": "application/openstack-images-v2.0-json-patch"}
    older: Any = (
        ([{"add": "/old", "value": "1"}], 200),
        ([{"add": "/old", "remove": "/old"}], 400),
        ([{"value": "1"}], 400),
    )
    for lines, status in older:
        content = json.dumps(lines).encode()
        answer = await member("PATCH", f"{IMAGES}/{one}", content=content, headers=oldest)
        assert answer.status_code == status, f"{lines}: {answer.text[:200]}"
    await upload(member, one, qcow2())
    for name in ("disk_format", "container_format"):
        line = {"op": "replace", "path": f"/{name}", "value": "raw" if name[0] == "d" else "ovf"}
        assert "queued image" in await patch(member, one, line, status=403)
    shown = await member.get(f"{IMAGES}/{one}")
    assert (shown["key"], shown["a/b"], shown["old"]) == ("w", "1", "1")


async def test_an_images_tags(cloud: Cloud) -> None:
    member = await cloud.project_with("p", "member")
    one = await image(member, tags=[f"t{number}" for number in range(127)])
    path = f"{IMAGES}/{one}/tags"
    for tag, status in (("t" * 256, 400), ("last", 204), ("last", 204), ("more", 413)):
        await says(member, "PUT", f"{path}/{tag}", None, status)
    for tag, status in (("nobody", 404), ("last", 204), ("last", 404)):
        await says(member, "DELETE", f"{path}/{tag}", None, status)


async def test_which_images_are_shown(cloud: Cloud) -> None:
    admin = await cloud.sign_in()
    owner, guest = await cloud.project_with("p", "member"), await cloud.project_with("q", "member")
    known: dict[str, str] = {}
    for name in ("private", "shared", "community", "accepted", "pending", "rejected"):
        visibility = name if name in ("private", "community") else "shared"
        known[name] = await image(owner, name, visibility=visibility)
    known["public"] = await image(admin, "public", visibility="public")
    known["hidden"] = await image(owner, "hidden", os_hidden=True)
    for name in ("accepted", "pending", "rejected"):
        path = f"{IMAGES}/{known[name]}/members"
        await says(owner, "POST", path, {"member": guest.project_id}, 200)
        body = {"status": name}
        await says(guest, "PUT", f"{path}/{guest.project_id}", body, 200)
    mine = {"private", "shared", "accepted", "pending", "rejected"}
    everything = mine | {"community", "public"}
    for client, query, expected in (
        (owner, "", mine | {"public"}),
        (owner, "visibility=all", everything),
        (owner, "visibility=private", {"private"}),
        (owner, "visibility=shared", mine - {"private"}),
        (owner, "visibility=community", {"community"}),
        (owner, "visibility=public", {"public"}),
        (owner, "os_hidden=true", {"hidden"}),
        (guest, "", {"public", "accepted"}),
        (guest, "visibility=all", {"public", "community", "accepted"}),
        (guest, "visibility=private", set()),
        (guest, "visibility=shared", {"accepted"}),
        (guest, "visibility=shared&member_status=pending", {"pending"}),
        (guest, "visibility=shared&member_status=rejected", {"rejected"}),
        (guest, "visibility=shared&member_status=all", {"accepted", "pending", "rejected"}),
        (guest, "os_hidden=true", set()),
        (admin, "", mine | {"public"}),
        (admin, "visibility=all", everything),
        (admin, "visibility=private", {"private"}),
        (admin, "visibility=shared", mine - {"private"}),
    ):
        found = await client.get(f"{IMAGES}?limit=50&{query}")
        who = client.body["user"]["name"]
        assert {one["name"] for one in found["images"]} == expected, f"{who}: {query}"


async def test_images_are_found(cloud: Cloud) -> None:
    member = await cloud.project_with("p", "member")
    for name, values in (
        ("a", {"min_ram": 1, "protected": True, "tags": ["x", "y"]}),
        ("b", {"min_ram": 2, "tags": ["x"], "kind": "k"}),
        ("c,d", {"min_disk": 3, "disk_format": "raw"}),
    ):
        await image(member, name, **values)
    await upload(member, (await member.get(f"{IMAGES}?name=b"))["images"][0]["id"], qcow2())
    whole = ["a", "b", "c,d"]
    size = (await member.get(f"{IMAGES}?name=b"))["images"][0]["size"]
    for query, expected in (
        ("", whole),
        ("name=in:a,b", ["a", "b"]),
        ('name=in:"c,d",a', ["a", "c,d"]),
        ("protected=true", ["a"]),
        ("protected=False", ["b", "c,d"]),
        ("min_ram=2", ["b"]),
        (f"size_min={size}", ["b"]),
        (f"size_min={size + 1}", []),
        (f"size_max={size}", ["b"]),
        (f"size_max={size - 1}", []),
        ("tag=x", ["a", "b"]),
        ("tag=x&tag=y", ["a"]),
        ("kind=k", ["b"]),
        ("disk_format=raw", ["c,d"]),
        ("status=in:active,saving", ["b"]),
        ("created_at=gt:2001-01-01T00:00:00Z", whole),
        ("created_at=gte:2001-01-01T00:00:00Z", whole),
        ("created_at=lt:2001-01-01T00:00:00Z", []),
        ("created_at=lte:2001-01-01T00:00:00Z", []),
        ("created_at=eq:2001-01-01T00:00:00Z", []),
        ("created_at=2001-01-01T00:00:00Z", []),
        ("created_at=neq:2001-01-01T00:00:00Z", whole),
    ):
        found = (await member.get(f"{IMAGES}?{query}&sort=name:asc"))["images"]
        assert [one["name"] for one in found] == expected, query
    at = (await member.get(f"{IMAGES}?name=a"))["images"][0]["created_at"]
    for how in ("eq", "neq", "gt", "gte", "lt", "lte"):
        found = (await member.get(f"{IMAGES}?created_at={how}:{at}&name=a"))["images"]
        assert bool(found) is (how in ("eq", "gte", "lte")), how
    assert len((await member.get(f"{IMAGES}?created_at={at}&name=a"))["images"]) == 1
    for query in (
        "visibility=perhaps", "member_status=perhaps", "os_hidden=perhaps", "protected=perhaps",
        "min_ram=-1", "min_ram=x", "size_min=x", 'name=in:"a', "created_at=x", "created_at=gt:x",
        "sort=nobody", "sort=name:up", "sort_key=nobody", "sort_dir=up", "sort=name&sort_key=name",
        "sort_key=name&sort_dir=asc&sort_dir=desc", "limit=x", "limit=-1", f"marker={NOWHERE}",
        "changes-since=2026-01-01T00:00:00Z",
    ):  # fmt: skip
        answer = await member("GET", f"{IMAGES}?{query}")
        assert answer.status_code == 400, f"{query}: {answer.status_code} {answer.text[:200]}"


# ---- data ----


async def test_a_part_of_the_data(cloud: Cloud) -> None:
    member, data = await cloud.project_with("p", "member"), qcow2()
    one, size = await image(member), len(qcow2())
    path = f"{IMAGES}/{one}/file"
    assert (await member("GET", path)).status_code == 204
    await upload(member, one, data)
    for header, value, expected in (
        ("Range", "bytes=0-9", data[:10]),
        ("Range", "bytes=5-5", data[5:6]),
        ("Range", f"bytes={size - 3}-", data[-3:]),
        ("Range", "bytes=-4", data[-4:]),
        ("Range", f"bytes=-{size + 9}", data),
        ("Range", f"bytes=2-{size + 9}", data[2:]),
        ("Content-Range", f"bytes 0-9/{size}", data[:10]),
    ):
        answer = await member("GET", path, headers={header: value})
        assert (answer.status_code, answer.content) == (206, expected), f"{header}: {value}"
    for value in (
        "bytes=9-5", f"bytes={size}-", "bytes=-", "bytes=-0", "bytes=x", "lines=0-1", "bytes=0-1,3-4",
    ):  # fmt: skip
        answer = await member("GET", path, headers={"Range": value})
        assert answer.status_code == 416, f"{value}: {answer.status_code}"


async def test_an_image_that_is_deactivated(cloud: Cloud) -> None:
    admin, member = await cloud.sign_in(), await cloud.project_with("p", "member")
    one, queued = await image(member), await image(member)
    await upload(member, one, qcow2())
    for action in ("deactivate", "reactivate"):
        await says(admin, "POST", f"{IMAGES}/{queued}/actions/{action}", None, 403, "status")
    path = f"{IMAGES}/{one}"
    await says(admin, "POST", f"{path}/actions/deactivate", None, 204)
    await says(member, "GET", f"{path}/file", None, 403, "deactivated")
    assert (await admin("GET", f"{path}/file", status=200)).content == qcow2()
    await says(admin, "POST", f"{path}/actions/reactivate", None, 204)
    assert (await member("GET", f"{path}/file", status=200)).content == qcow2()


async def test_an_upload(cloud: Cloud) -> None:
    member = await cloud.project_with("p", "member")
    one, bare = await image(member), (await member.post(IMAGES, {"name": "bare"}))["id"]
    path = f"{IMAGES}/{one}/file"
    for headers, status in (
        ({"Content-Type": "text/plain"}, 415),
        ({**OCTETS, "Content-Length": "x"}, 400),
        ({**OCTETS, "X-Image-Meta-Store": "nobody"}, 400),
    ):
        await member("PUT", path, content=b"x", headers=headers, status=status)
    await upload(member, bare, qcow2(), 400)
    await upload(member, one, qcow2())
    assert "not allowed" in await upload(member, one, qcow2(), 409)
    assert (await member.get(f"{IMAGES}/{one}"))["status"] == "active"


async def test_an_import(cloud: Cloud) -> None:
    member = await cloud.project_with("p", "member")
    one, bare = await image(member), (await member.post(IMAGES, {"name": "bare"}))["id"]
    direct: dict[str, Any] = {"method": {"name": "glance-direct"}}
    path = f"{IMAGES}/{one}/import"
    await says(member, "POST", path, direct, 409, "needs to be staged")
    await stage(member, one, qcow2())
    for body, headers, status, why in (
        ({}, {}, 400, ""),
        ({"method": {"name": "magic"}}, {}, 400, ""),
        ({**direct, "all_stores": True, "stores": ["a"]}, {}, 400, "All_stores parameter"),
        ({**direct, "all_stores": True}, {"X-Image-Meta-Store": "a"}, 400, "All_stores parameter"),
        ({**direct, "stores": ["a"]}, {"X-Image-Meta-Store": "a"}, 400, "be both specified"),
        ({**direct, "stores": ["nobody"]}, {}, 409, "not available"),
    ):
        await says(member, "POST", path, body, status, why, **headers)
    await stage(member, bare, qcow2())
    await says(member, "POST", f"{IMAGES}/{bare}/import", direct, 409, "needs to be set")
    await says(member, "POST", path, direct, 202)
    await says(member, "POST", path, direct, 409)
    for query in (
        "status=perhaps", "type=perhaps", "sort_key=nobody", "sort_dir=up", "limit=x",
        "marker=x", f"marker={NOWHERE}",
    ):  # fmt: skip
        answer = await (await cloud.sign_in())("GET", f"{TASKS}?{query}")
        assert answer.status_code == 400, f"{query}: {answer.status_code} {answer.text[:200]}"


# ---- members ----


async def test_an_images_members(cloud: Cloud) -> None:
    owner, guest = await cloud.project_with("p", "member"), await cloud.project_with("q", "member")
    stranger = await cloud.project_with("r", "member")
    one, private = await image(owner), await image(owner, visibility="private")
    path = f"{IMAGES}/{one}/members"
    for member in (guest, stranger):
        await says(owner, "POST", path, {"member": member.project_id}, 200)
    await says(owner, "POST", path, {"member": guest.project_id}, 409)
    await says(owner, "POST", f"{IMAGES}/{private}/members", {"member": guest.project_id}, 403)
    for body, status in (({"status": "perhaps"}, 400), ({}, 400), ({"status": "accepted"}, 200)):
        await says(guest, "PUT", f"{path}/{guest.project_id}", body, status)
    body = {"status": "accepted"}
    await says(owner, "PUT", f"{path}/{guest.project_id}", body, 403)
    assert len((await owner.get(path))["members"]) == 2
    assert [m["member_id"] for m in (await guest.get(path))["members"]] == [guest.project_id]
    await says(owner, "GET", f"{path}/{NOWHERE}", None, 404)
    await says(guest, "GET", f"{path}/{stranger.project_id}", None, 404)
    await says(guest, "GET", f"{path}/{guest.project_id}", None, 200)
    await patch(owner, one, {"op": "replace", "path": "/visibility", "value": "community"})
    await says(guest, "PUT", f"{path}/{guest.project_id}", body, 403, "Only shared images")
    await patch(owner, one, {"op": "replace", "path": "/visibility", "value": "shared"})
    await says(owner, "DELETE", f"{path}/{stranger.project_id}", None, 204)
    await says(stranger, "GET", f"{IMAGES}/{one}", None, 404)
    for number in range(127):
        await says(owner, "POST", path, {"member": f"{number:032x}"}, 200)
    await says(owner, "POST", path, {"member": "f" * 32}, 413, "128 members")


# ---- metadata definitions ----


async def test_a_namespace(cloud: Cloud) -> None:
    admin = await cloud.sign_in()
    text: dict[str, Any] = {"title": "T", "type": "string"}
    cases: Any = (
        ({"namespace": ""}, 400),
        ({"namespace": "n" * 81}, 400),
        ({"display_name": 5}, 400),
        ({"display_name": "n" * 81}, 400),
        ({"description": "d" * 501}, 400),
        ({"visibility": "shared"}, 400),
        ({"visibility": ""}, 400),
        ({"protected": "yes"}, 400),
        ({"protected": 1}, 400),
        ({"nobody": 1}, 400),
        ({"created_at": "x"}, 403),
        ({"objects": {}}, 400),
        ({"objects": [{"name": "o", "required": ["a", "a"]}]}, 400),
        ({"objects": [{"name": "o", "required": "a"}]}, 400),
        ({"objects": [{"name": "o", "properties": []}]}, 400),
        ({"properties": {"p": {"title": "T"}}}, 400),
        ({"properties": {"p": {**text, "type": "perhaps"}}}, 400),
        ({"properties": {"p": {**text, "minLength": "x"}}}, 400),
        ({"properties": {"": text}}, 400),
        ({"tags": "a"}, 400),
        ({"tags": [{"name": ""}]}, 400),
        ({"resource_type_associations": [{"name": "r", "prefix": 5}]}, 400),
        ({"protected": False, "properties": {"p": {**text, "name": "p"}}}, 201),
    )
    for values, status in cases:
        await says(admin, "POST", NAMESPACES, {"namespace": "one", **values}, status)
    await says(admin, "POST", NAMESPACES, {"namespace": "one"}, 409)
    for query in ("visibility=shared", "sort_dir=up", "sort_key=nobody", "limit=x"):
        answer = await admin("GET", f"{NAMESPACES}?{query}")
        assert answer.status_code == 400, f"{query}: {answer.status_code} {answer.text[:200]}"


async def test_what_is_in_a_namespace(cloud: Cloud) -> None:
    admin = await cloud.sign_in()
    text = {"title": "T", "type": "string"}
    body = {
        "namespace": "one",
        "objects": [{"name": "o", "required": ["p"], "properties": {"p": text}}, {"name": "empty"}],
        "properties": {"q": text},
        "resource_type_associations": [{"name": "OS::Nova::Flavor", "prefix": "hw:"}],
        "tags": [{"name": name} for name in ("a", "b", "c")],
    }
    await says(admin, "POST", NAMESPACES, body, 201)
    path = f"{NAMESPACES}/one"
    plain = await admin.get(path)
    of = next(one for one in plain["objects"] if one["name"] == "o")
    assert of["required"] == ["p"] and list(plain["properties"]) == ["q"]
    shown = await admin.get(f"{path}?resource_type=OS::Nova::Flavor")
    of = next(one for one in shown["objects"] if one["name"] == "o")
    assert of["required"] == ["hw:p"] and list(of["properties"]) == ["hw:p"]
    assert list(shown["properties"]) == ["hw:q"]

    async def tags(query: str) -> list[str]:
        return [one["name"] for one in (await admin.get(f"{path}/tags?{query}"))["tags"]]

    for query, expected in (
        ("sort_key=name&sort_dir=asc", ["a", "b", "c"]),
        ("sort_key=name&sort_dir=desc", ["c", "b", "a"]),
        ("sort_key=name&sort_dir=asc&marker=a", ["b", "c"]),
        ("sort_key=name&sort_dir=asc&marker=a&limit=1", ["b"]),
    ):
        assert await tags(query) == expected, query
    for query, status in (("sort_key=nobody", 400), ("sort_dir=up", 400), ("marker=nobody", 404)):
        await says(admin, "GET", f"{path}/tags?{query}", None, status)
    more: dict[str, Any] = {"tags": [{"name": "d"}]}
    wrong: Any
    for wrong in ([], {"tags": "x"}, {**more, "more": 1}, {"tags": [{"name": 5}]}):
        await says(admin, "POST", f"{path}/tags", wrong, 400)
    append = {"X-Openstack-Append": "true"}
    await says(admin, "POST", f"{path}/tags", more, 201, **append)
    assert len(await tags("")) == 4
    await says(admin, "POST", f"{path}/tags", more, 201)
    assert await tags("") == ["d"]
