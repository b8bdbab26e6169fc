"""Volumes go to other projects by transfers."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.api.block_storage.grounds import BASE, NEWEST, SNAPSHOTS, VOLUMES, Ground, at, standing
from tests.cloud import Client

NEW, OLD = f"{BASE}/volume-transfers", f"{BASE}/os-volume-transfer"


@pytest.fixture
async def ground(tmp_path: Path, database_url: str) -> AsyncIterator[Ground]:
    async with standing(tmp_path, database=database_url) as ground:
        yield ground


@pytest.fixture
async def other(ground: Ground) -> Client:
    return await ground.cloud.project_with("q", "member")


async def offered(
    ground: Ground, volume: str, path: str = NEW, version: str = "latest", **more: Any
) -> Any:
    body = {"transfer": {"volume_id": volume, **more}}
    return (await ground.user.post(path, body, 202, headers=at(version)))["transfer"]


async def accept(client: Client, transfer: Any, status: int = 202, key: str = "") -> str:
    body = {"accept": {"auth_key": key or transfer["auth_key"]}}
    path = f"{NEW}/{transfer['id']}/accept"
    return (await client("POST", path, body, headers=NEWEST, status=status)).text


async def test_a_volume_goes_to_who_has_the_key(ground: Ground, other: Client) -> None:
    volume = await ground.volume(2, name="v")
    snapshot = await ground.snapshot(volume)
    made = await offered(ground, volume, name=" t ")
    assert (made["name"], made["no_snapshots"], made["accepted"]) == ("t", False, False)
    assert made["source_project_id"] == ground.user.project_id
    assert await ground.status(volume) == "awaiting-transfer"
    await ground.user("DELETE", f"{VOLUMES}/{volume}", status=400)
    shown = await ground.user.get(f"{NEW}/{made['id']}", headers=NEWEST)
    assert "auth_key" not in shown["transfer"]
    await other("GET", f"{NEW}/{made['id']}", headers=NEWEST, status=404)
    assert "invalid auth key" in await accept(other, made, 400, "0123456789abcdef")
    await accept(other, made)
    await ground.user("GET", f"{VOLUMES}/{volume}", status=404)
    theirs = (await other.get(f"{VOLUMES}/{volume}"))["volume"]
    assert (theirs["status"], theirs["user_id"]) == ("available", other.user_id)
    assert (await other.get(f"{SNAPSHOTS}/{snapshot}"))["snapshot"]["volume_id"] == volume
    await accept(other, made, 404)
    assert (await ground.user.get(NEW, headers=NEWEST))["transfers"] == []
    await other("DELETE", f"{VOLUMES}/{volume}?cascade=true", status=202)


async def test_the_older_address_is_the_same_transfer(ground: Ground, other: Client) -> None:
    volume = await ground.volume()
    made = await offered(ground, volume, OLD, "3.0")
    assert set(made) == {"id", "volume_id", "name", "links", "created_at", "auth_key"}
    listed = (await ground.user.get(f"{OLD}/detail"))["transfers"]
    assert [one["id"] for one in listed] == [made["id"]]
    assert (await other.get(f"{OLD}/detail?all_tenants=1"))["transfers"] == []
    every = await ground.admin.get(f"{NEW}/detail?all_tenants=1", headers=NEWEST)
    assert every["transfers"][0]["links"][0]["href"].endswith(f"volume-transfers/{made['id']}")
    await ground.user("DELETE", f"{OLD}/{made['id']}", status=202)
    assert await ground.status(volume) == "available"
    await ground.user("GET", f"{OLD}/{made['id']}", status=404)
    await ground.user("GET", f"{NEW}/{made['id']}", headers=at("3.54"), status=404)


async def test_what_may_not_go_stays(ground: Ground, other: Client) -> None:
    volume = await ground.volume(2)
    made = await offered(ground, volume)
    path = f"{BASE}/os-quota-sets/{other.project_id}"
    await ground.admin("PUT", path, {"quota_set": {"gigabytes": 1}}, status=200)
    assert "VolumeSizeExceedsAvailableQuota: " in await accept(other, made, 413)
    assert (await ground.show(volume, client=ground.user))["status"] == "awaiting-transfer"
    refused = {"transfer": {"volume_id": volume}}
    answer = await ground.user("POST", NEW, refused, headers=NEWEST, status=400)
    assert "status must be available" in answer.text
    await ground.act(volume, "os-reset_status", {"status": "available"}, client=ground.admin)
    assert "awaiting-transfer" in await accept(other, made, 400)
    await offered(ground, volume)


async def test_without_its_snapshots_they_stay(ground: Ground, other: Client) -> None:
    volume = await ground.volume()
    snapshot = await ground.snapshot(volume)
    made = await offered(ground, volume, no_snapshots=True)
    await accept(other, made)
    assert (await other.get(SNAPSHOTS))["snapshots"] == []
    shown = (await ground.user.get(f"{SNAPSHOTS}/{snapshot}"))["snapshot"]
    assert shown["volume_id"] == volume
    answer = await other("DELETE", f"{VOLUMES}/{volume}?cascade=true", status=400)
    assert "belongs to another project" in answer.text
    await ground.delete(f"{SNAPSHOTS}/{snapshot}")
    await other("DELETE", f"{VOLUMES}/{volume}?cascade=true", status=202)


async def test_encrypted_volumes_since_370_and_types_that_are_visible(
    ground: Ground, other: Client
) -> None:
    body = {"volume_type": {"name": "sealed", "os-volume-type-access:is_public": False}}
    kind = (await ground.admin.post(f"{BASE}/types", body, 200))["volume_type"]["id"]
    how = {"encryption": {"provider": "luks", "key_size": 256}}
    await ground.admin("POST", f"{BASE}/types/{kind}/encryption", how, status=200)
    path = f"{BASE}/types/{kind}/action"
    access = {"addProjectAccess": {"project": ground.user.project_id}}
    await ground.admin("POST", path, access, status=202)
    volume = await ground.volume(1, volume_type="sealed")
    sent = {"transfer": {"volume_id": volume}}
    answer = await ground.user("POST", NEW, sent, headers=at("3.69"), status=400)
    assert "transferring encrypted volume is not supported" in answer.text
    made = await offered(ground, volume)
    await accept(other, made, 404)
    for project in (other.project_id, "not-there-yet"):  # as upstream: nobody asks identity
        access = {"addProjectAccess": {"project": project}}
        await ground.admin("POST", path, access, status=202)
        await ground.admin("POST", path, access, status=409)
    await accept(other, made)
    assert (await other.get(f"{VOLUMES}/{volume}"))["volume"]["encrypted"] is True


async def test_pages_and_order_of_transfers(ground: Ground) -> None:
    made = [await offered(ground, await ground.volume(), name=f"t{n}") for n in range(3)]
    page = await ground.user.get(f"{NEW}?limit=2&sort=name:desc", headers=NEWEST)
    assert [one["name"] for one in page["transfers"]] == ["t2", "t1"]
    rest = await ground.user.get(
        f"{NEW}?limit=2&sort=name:desc&marker={made[1]['id']}", headers=NEWEST
    )
    assert [one["name"] for one in rest["transfers"]] == ["t0"]


async def test_who_has_no_project_makes_nothing_and_is_given_nothing(ground: Ground) -> None:
    volume = await ground.volume()
    system = await ground.cloud.sign_in(scope={"system": {"all": True}})
    for path, body in (
        (VOLUMES, {"volume": {"size": 1}}),
        (f"{BASE}/backups", {"backup": {"volume_id": volume}}),
    ):
        refused = await system("POST", path, body, headers=NEWEST, status=400)
        assert "not scoped to a project" in refused.text
    transfer = await offered(ground, volume)
    assert "not scoped to a project" in await accept(system, transfer, 400)
    there = await ground.admin.get(f"{VOLUMES}/detail?all_tenants=1")
    owners = [one["os-vol-tenant-attr:tenant_id"] for one in there["volumes"]]
    assert owners == [ground.user.project_id]
