"""What real clients and public reports need of the image API, a table for each kind."""

from __future__ import annotations

import html
import re
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote

import pytest

from hanok.services.image.tables import VALUE_START, image_properties, image_tags, images
from tests.api.image.helpers import IMAGES, data_of, image, patch, upload
from tests.cloud import Client, Cloud
from tests.disks import qcow2
from tests.plans import fill, plans

FORMATS = ["ami", "ari", "aki", "raw", "qcow2", "iso", "vmdk", "vhd", "vhdx", "vdi"]


# ---- data ----


async def test_data_of_no_bytes_makes_an_active_image(cloud: Cloud) -> None:
    member = await cloud.project_with("p", "member")
    made = await image(member, disk_format="raw")
    await upload(member, made, b"")
    shown = await member.get(f"{IMAGES}/{made}")
    assert (shown["status"], shown["size"]) == ("active", 0)
    assert shown["checksum"] == "d41d8cd98f00b204e9800998ecf8427e"  # MD5 of nothing
    assert await data_of(member, made) == b""
    other = await image(member, disk_format="qcow2")
    text = await upload(member, other, b"", 415)
    assert "its data is raw" in text


@pytest.mark.parametrize(
    ("said", "data", "advice"),
    [
        ("raw", qcow2(), "--disk-format qcow2"),
        ("iso", qcow2(), "--disk-format qcow2"),
        ("qcow2", bytes(4096), "--disk-format raw"),
        ("raw", b"KDMV" + bytes(4092), "--disk-format vmdk"),
        ("raw", b"vhdxfile" + bytes(4088), "--disk-format vhdx"),
        ("raw", b"QED\0" + bytes(4092), "qemu-img convert -O qcow2"),
        ("vmdk", b"KDMV" + bytes(4092), "its header is not that of a disk"),
    ],
)
async def test_a_wrong_label_is_refused_and_told_what_to_type(
    cloud: Cloud, said: str, data: bytes, advice: str
) -> None:
    member = await cloud.project_with("p", "member")
    made = await image(member, disk_format=said)
    assert advice in await upload(member, made, data, 415)


# ---- formats ----


async def test_the_schema_lists_the_formats_that_are_taken(cloud: Cloud) -> None:
    member = await cloud.project_with("p", "member")
    schema = await member.get("/image/v2/schemas/image")
    assert schema["properties"]["disk_format"]["enum"] == [None, *FORMATS]
    page = await member.get("/image/v2/schemas/images")
    inner = page["properties"]["images"]["items"]["properties"]
    assert inner["disk_format"]["enum"] == [None, *FORMATS]
    for one in FORMATS:
        await image(member, disk_format=one)


@pytest.mark.parametrize("one", ["ploop", "luks"])
async def test_a_format_that_cannot_be_used_is_refused_at_once(cloud: Cloud, one: str) -> None:
    member = await cloud.project_with("p", "member")
    body = {"name": "i", "disk_format": one, "container_format": "bare"}
    refused = await member("POST", IMAGES, body, status=400)
    assert f"Disk format '{one}' is not supported here" in html.unescape(refused.text)
    assert "qemu-img convert" in refused.text
    made = await image(member)
    change = {"op": "replace", "path": "/disk_format", "value": one}
    assert "not supported here" in await patch(member, made, change, status=400)


# ---- properties ----


@pytest.mark.parametrize("name", ["properties", "members", "is_public", "hw_disk_bus", "x" * 255])
async def test_properties_are_kept_whatever_they_are(cloud: Cloud, name: str) -> None:
    member = await cloud.project_with("p", "member")
    made = await image(member, **{name: "any at all"})
    assert (await member.get(f"{IMAGES}/{made}"))[name] == "any at all"
    await patch(member, made, {"op": "replace", "path": f"/{name}", "value": "another"})
    found = (await member.get(f"{IMAGES}?{name}=another"))["images"]
    assert [one["id"] for one in found] == [made]


@pytest.mark.parametrize("name", ["location", "deleted", "deleted_at", "os_glance_x"])
async def test_names_that_are_the_services_own_are_reserved(cloud: Cloud, name: str) -> None:
    member = await cloud.project_with("p", "member")
    refused = await member("POST", IMAGES, {"name": "i", name: "v"}, status=403)
    assert "reserved" in refused.text


async def test_long_values_are_told_apart_at_their_end(cloud: Cloud) -> None:
    member = await cloud.project_with("p", "member")
    start = "x" * VALUE_START
    made = [await image(member, kind=start + end) for end in ("a", "b")]
    found = (await member.get(f"{IMAGES}?kind={start}b"))["images"]
    assert [one["id"] for one in found] == made[1:]


# ---- lists whose cost does not grow ----

MANY = 1200


async def _many(cloud: Cloud, client: Client) -> None:
    start = datetime(2026, 1, 1, tzinfo=UTC)
    rows = [
        {
            "id": f"00000000-0000-4000-8000-{number:012}",
            "name": f"image {number}", "owner": client.project_id, "status": "queued",
            "visibility": "private", "protected": False, "os_hidden": False, "min_disk": 0,
            "min_ram": 0, "upload": 0, "created_at": start + timedelta(seconds=number),
            "updated_at": start,
        }
        for number in range(MANY)
    ]  # fmt: skip
    database = cloud.control.database
    await fill(database, images, rows)
    common = [{"image_id": row["id"], "tag": "common"} for row in rows]
    await fill(database, image_tags, [*common, {"image_id": rows[7]["id"], "tag": "rare"}])
    properties = [("os_distro", "debian", row) for row in rows] + [("os_distro2", "one", rows[8])]
    await fill(
        database,
        image_properties,
        [
            {"image_id": row["id"], "name": name, "value": value, "value_start": value}
            for name, value, row in properties
        ],
    )


@pytest.mark.parametrize(
    ("query", "first", "count"),
    [
        ("tag=common", MANY - 1, 25),
        ("tag=rare", 7, 1),
        ("tag=common&tag=rare", 7, 1),
        ("os_distro=debian", MANY - 1, 25),
        ("os_distro2=one", 8, 1),
        ("os_distro2=one&tag=common", 8, 1),
    ],
)
async def test_tags_and_properties_find_the_same_whether_few_or_many_have_them(
    cloud: Cloud, query: str, first: int, count: int
) -> None:
    member = await cloud.project_with("p", "member")
    await _many(cloud, member)
    found: list[dict[str, Any]] = []
    found = (await member.get(f"{IMAGES}?{query}&limit=25"))["images"]
    assert (found[0]["name"], len(found)) == (f"image {first}", count)
    used = await plans(cloud.control.database, lambda: member.get(f"{IMAGES}?{query}&limit=25"))
    assert not [plan for plan in used if _WALK.search(plan)]


_WALK = re.compile(r"SCAN (images|image_tags|image_properties)$|Seq Scan on images ", re.M)


async def test_names_are_found_by_an_index(cloud: Cloud) -> None:
    member = await cloud.project_with("p", "member")
    await _many(cloud, member)
    used = await plans(cloud.control.database, lambda: member.get(f"{IMAGES}?name=image 500"))
    assert [plan for plan in used if "ix_images_name" in plan]


# ---- forms ----


async def test_schemas_have_upstreams_parts(cloud: Cloud) -> None:
    member = await cloud.project_with("p", "member")
    schema = await member.get("/image/v2/schemas/member")
    assert schema["properties"]["image_id"]["pattern"].startswith("^")
    page = await member.get("/image/v2/schemas/metadefs/properties")
    assert [one["rel"] for one in page["links"]] == ["first", "next", "describedby"]
    assert page["definitions"]["stringArray"]["minItems"] == 1


# ---- what no address names ----

PROPERTY = {"title": "p", "type": "string"}


@pytest.mark.parametrize("name", ["a/b", "/", ".", ".."])
async def test_a_definition_that_no_address_names_is_refused(cloud: Cloud, name: str) -> None:
    admin = await cloud.sign_in()
    base = "/image/v2/metadefs/namespaces"
    await admin.post(base, {"namespace": name}, 400)
    await admin.post(base, {"namespace": "ns"})
    for place, body in (
        ("objects", {"name": name}),
        ("properties", {"name": name, **PROPERTY}),
        ("tags", {"tags": [{"name": name}]}),
        ("resource_types", {"name": name}),
    ):
        await admin.post(f"{base}/ns/{place}", body, 400)
    for inside in (
        {"objects": [{"name": name}]},
        {"properties": {name: PROPERTY}},
        {"tags": [{"name": name}]},
    ):
        await admin.post(base, {"namespace": "other", **inside}, 400)


@pytest.mark.parametrize("name", ["OS::Compute::X", "a b", "ü", "a?b#c", "%2F", "..."])
async def test_any_other_name_is_found_at_its_address(cloud: Cloud, name: str) -> None:
    admin = await cloud.sign_in()
    base = "/image/v2/metadefs/namespaces"
    await admin.post(base, {"namespace": name})
    assert (await admin.get(f"{base}/{quote(name, safe='')}"))["namespace"] == name


async def test_no_part_of_an_image_without_data_is_handed_out(cloud: Cloud) -> None:
    member = await cloud.project_with("p", "member")
    made = await image(member, disk_format="raw")
    await upload(member, made, b"")
    for part in ("bytes=0-0", "bytes=-5", "bytes=0-"):
        await member("GET", f"{IMAGES}/{made}/file", headers={"Range": part}, status=416)
