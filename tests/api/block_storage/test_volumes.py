"""Volumes from their making to their end: conversations as clients have them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.api.block_storage.grounds import NEWEST, SNAPSHOTS, VOLUMES, Ground, at, standing
from tests.cloud import an_image, settle


@pytest.fixture
async def ground(tmp_path: Path, database_url: str) -> AsyncIterator[Ground]:
    async with standing(tmp_path, database=database_url) as ground:
        yield ground


async def test_a_blank_volume_comes_and_goes(ground: Ground) -> None:
    body = {"volume": {"size": 1, "name": " data ", "metadata": {"a": "b"}}}
    made = await ground.user("POST", VOLUMES, body, status=202)
    volume = made.json()["volume"]
    assert volume["status"] == "creating"
    assert volume["name"] == "data"
    assert volume["volume_type"] == "__DEFAULT__"
    assert "os-vol-host-attr:host" not in volume
    await settle(ground.cloud)
    shown = await ground.show(volume["id"])
    assert shown["status"] == "available"
    assert shown["size"] == 1
    assert shown["metadata"] == {"a": "b"}
    assert shown["bootable"] == "false"
    assert shown["os-vol-host-attr:host"] in ("host-1@files#files", "host-1@files2#files2")
    assert [one.size_bytes for one in (await ground.on_host()).volumes] == [1 << 30]
    await ground.assert_clean()
    await ground.delete(f"{VOLUMES}/{volume['id']}")
    assert await ground.status(volume["id"]) == "gone"
    await ground.assert_nothing_left()


async def test_what_nobody_knows_of_a_new_volume_is_passed_over(ground: Ground) -> None:
    """As upstream, whose schema is open there, and there alone."""
    body = {"volume": {"size": 1, "'imageRef": "x", "nosuch": 3}}
    made = (await ground.user("POST", VOLUMES, body, status=202)).json()["volume"]
    assert "nosuch" not in made
    await ground.user("POST", VOLUMES, {**body, "nosuch": 1}, status=400)
    shown = f"{VOLUMES}/{made['id']}"
    await ground.user("PUT", shown, {"volume": {"nosuch": 1}}, status=400)


async def test_a_volume_of_an_image_is_bootable_and_says_of_which(ground: Ground) -> None:
    image = await an_image(ground.user, hw_disk_bus="scsi")
    volume = await ground.volume(1, imageRef=image)
    shown = await ground.show(volume)
    assert shown["status"] == "available"
    assert shown["bootable"] == "true"
    assert shown["volume_image_metadata"]["image_id"] == image
    assert shown["volume_image_metadata"]["hw_disk_bus"] == "scsi"


async def test_clones_are_of_their_source_and_not_smaller(ground: Ground) -> None:
    source = await ground.volume(2)
    snapshot = await ground.snapshot(source)
    clone = await ground.volume(None, source_volid=source)
    other = await ground.volume(3, snapshot_id=snapshot)
    shown = await ground.show(clone)
    assert (shown["size"], shown["source_volid"], shown["status"]) == (2, source, "available")
    assert (await ground.show(other))["snapshot_id"] == snapshot
    body = {"volume": {"size": 1, "snapshot_id": snapshot}}
    answer = await ground.user("POST", VOLUMES, body, status=400)
    assert "cannot be smaller than the snapshot size" in answer.text
    await ground.user("DELETE", f"{VOLUMES}/{source}", status=400)
    for path in (
        f"{VOLUMES}/{clone}",
        f"{VOLUMES}/{other}",
        f"{SNAPSHOTS}/{snapshot}",
        f"{VOLUMES}/{source}",
    ):
        await ground.delete(path)
    await ground.assert_nothing_left()


async def test_deleting_with_cascade_takes_snapshots_along(ground: Ground) -> None:
    volume = await ground.volume()
    for _ in range(2):
        await ground.snapshot(volume)
    await ground.delete(f"{VOLUMES}/{volume}?cascade=true")
    assert (await ground.user.get(SNAPSHOTS))["snapshots"] == []
    await ground.assert_nothing_left()


async def test_a_volume_is_extended_and_never_shrunk(ground: Ground) -> None:
    volume = await ground.volume(1)
    await ground.act(volume, "os-extend", {"new_size": 3})
    assert ((await ground.show(volume))["size"], await ground.status(volume)) == (3, "available")
    answer = await ground.act(volume, "os-extend", {"new_size": 3}, 400)
    assert "(current: 3, extended: 3)" in answer.text
    assert (await ground.on_host()).volumes[0].size_bytes == 3 << 30
    await ground.assert_clean()


async def test_what_no_back_end_has_room_for_is_an_error_with_a_message(ground: Ground) -> None:
    await ground.admin(
        "PUT",
        f"/volume/v3/os-quota-sets/{ground.user.project_id}",
        {"quota_set": {"gigabytes": -1}},
        status=200,
    )
    volume = await ground.volume(1_000_000)
    assert await ground.status(volume) == "error"
    told = (await ground.user.get("/volume/v3/messages", headers=NEWEST))["messages"]
    assert [one["resource_uuid"] for one in told] == [volume]
    assert "lacks space" in told[0]["user_message"]
    await ground.delete(f"{VOLUMES}/{volume}")
    await ground.assert_nothing_left()


async def test_quotas_hold_and_count(ground: Ground) -> None:
    path = f"/volume/v3/os-quota-sets/{ground.user.project_id}"
    await ground.admin("PUT", path, {"quota_set": {"volumes": 1, "gigabytes": 2}}, status=200)
    await ground.volume(1)
    answer = await ground.user("POST", VOLUMES, {"volume": {"size": 1}}, status=413)
    assert (
        "VolumeLimitExceeded: Maximum number of volumes allowed (1) exceeded for quota 'volumes'."
        in answer.text
    )
    await ground.admin(
        "PUT", path, {"quota_set": {"volumes": 5, "volumes___DEFAULT__": 1}}, status=200
    )
    answer = await ground.user("POST", VOLUMES, {"volume": {"size": 1}}, status=413)
    assert "volumes___DEFAULT__" in answer.text
    await ground.admin("PUT", path, {"quota_set": {"volumes___DEFAULT__": -1}}, status=200)
    answer = await ground.user("POST", VOLUMES, {"volume": {"size": 2}}, status=413)
    assert "Requested 2G, quota is 2G and 1G has been consumed." in answer.text
    used = (await ground.user.get(f"{path}?usage=true"))["quota_set"]
    assert used["gigabytes"] == {"limit": 2, "in_use": 1, "reserved": 0}


async def test_other_projects_do_not_see_a_volume(ground: Ground) -> None:
    volume = await ground.volume()
    other = await ground.cloud.project_with("q", "member")
    await other("GET", f"{VOLUMES}/{volume}", status=404)
    assert (await other.get(VOLUMES))["volumes"] == []
    assert (await other.get(f"{VOLUMES}?all_tenants=1"))["volumes"] == []
    listed = (await ground.admin.get(f"{VOLUMES}/detail?all_tenants=1"))["volumes"]
    assert [one["id"] for one in listed] == [volume]


async def test_lists_are_filtered_sorted_and_cut(ground: Ground) -> None:
    ids = [
        await ground.volume(1, name=f"v{n}", metadata={"n": str(n), 'q"': "x"}) for n in range(3)
    ]
    listed = (await ground.user.get(f"{VOLUMES}?sort=name:asc"))["volumes"]
    assert [one["id"] for one in listed] == ids
    first = await ground.user.get(
        f"{VOLUMES}/detail?limit=2&sort=name:asc&with_count=true", headers=NEWEST
    )
    assert [one["name"] for one in first["volumes"]] == ["v0", "v1"]
    assert first["count"] == 3
    assert "marker=" in first["volumes_links"][0]["href"]
    rest = await ground.user.get(f"{VOLUMES}/detail?limit=2&sort=name:asc&marker={ids[1]}")
    assert [one["name"] for one in rest["volumes"]] == ["v2"]
    found = await ground.user.get(f"{VOLUMES}?metadata={{'n':'1'}}")
    assert [one["id"] for one in found["volumes"]] == [ids[1]]
    found = await ground.user.get(f"{VOLUMES}?name~=v&offset=1&sort=name:asc", headers=NEWEST)
    assert [one["id"] for one in found["volumes"]] == ids[1:]
    await ground.user("GET", f"{VOLUMES}?unheard=1", headers=NEWEST, status=400)


@pytest.mark.parametrize(
    "text",
    ["{[]:'x'}", "{{}}", "{'k':1}", "[" * 2000, "{" + "'a':'b'," * 600],
    ids=["list", "dict", "number", "deep", "long"],
)  # fmt: skip
async def test_a_filter_that_is_no_dictionary_of_texts_is_refused(
    ground: Ground, text: str
) -> None:
    answer = await ground.user("GET", f"{VOLUMES}?metadata={text}", headers=NEWEST, status=400)
    assert "Invalid value for the filter metadata" in answer.text


async def test_attributes_come_with_their_versions(ground: Ground) -> None:
    volume = await ground.volume()
    oldest = await ground.show(volume, version="3.0")
    newest = await ground.show(volume, version="3.71")
    assert "group_id" not in oldest
    assert newest["volume_type_id"]
    assert newest["shared_targets"] is None
    assert (await ground.show(volume, version="3.48"))["shared_targets"] is False


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"size": 0},
        {"size": -1},
        {"size": "x"},
        {"size": 1.5},
        {"size": True},
        {"size": 1, "name": "x" * 256},
        {"size": 1, "metadata": {"k": 1}},
        {"size": 1, "metadata": {"": "v"}},
        {"size": 1, "availability_zone": "nowhere"},
        {"size": 1, "imageRef": "no-id"},
        {"size": 1, "multiattach": True},
        {"size": 10**20},
    ],
)
async def test_what_cannot_be_a_volume_is_refused(ground: Ground, body: dict[str, object]) -> None:
    answer = await ground.user("POST", VOLUMES, {"volume": body}, headers=at("3.71"))
    assert answer.status_code in (400, 413), answer.text
    assert (await ground.user.get(VOLUMES))["volumes"] == []


async def test_metadata_is_kept_item_by_item(ground: Ground) -> None:
    volume = await ground.volume(metadata={"a": "b"})
    snapshot = await ground.snapshot(volume, metadata={"a": "b"})
    for path in (f"{VOLUMES}/{volume}/metadata", f"{SNAPSHOTS}/{snapshot}/metadata"):
        for method, more, body, status, left in (
            ("GET", "/a", None, 200, {"a": "b"}),
            ("GET", "/b", None, 404, {"a": "b"}),
            ("POST", "", {"metadata": {"c": "d"}}, 200, {"a": "b", "c": "d"}),
            ("POST", "", {"metadata": {"a": "e"}}, 200, {"a": "e", "c": "d"}),
            ("PUT", "/c", {"meta": {"c": "f"}}, 200, {"a": "e", "c": "f"}),
            ("PUT", "/g", {"meta": {"g": ""}}, 200, {"a": "e", "c": "f", "g": ""}),
            ("PUT", "/a", {"meta": {"c": "x"}}, 400, {"a": "e", "c": "f", "g": ""}),
            ("PUT", "/a", {"meta": {}}, 400, {"a": "e", "c": "f", "g": ""}),
            ("PUT", "/a", {"meta": {"a": "x", "c": "x"}}, 400, {"a": "e", "c": "f", "g": ""}),
            ("DELETE", "/b", None, 404, {"a": "e", "c": "f", "g": ""}),
            ("DELETE", "/g", None, 200, {"a": "e", "c": "f"}),
            ("DELETE", "/g", None, 404, {"a": "e", "c": "f"}),
            ("PUT", "", {"metadata": {"h": "i"}}, 200, {"h": "i"}),
            ("PUT", "", {"metadata": {}}, 200, {}),
        ):
            await ground.user(method, path + more, body, headers=NEWEST, status=status)
            found = await ground.user.get(path, headers=NEWEST)
            assert found == {"metadata": left}, f"{method} {path}{more}"
