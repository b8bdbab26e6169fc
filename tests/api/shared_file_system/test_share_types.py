"""Types of shares: what they ask for, who may use them, and how the versions tell them."""

from __future__ import annotations

import pytest

from tests.api.shared_file_system.sharing import BASE, NEWEST, Sharing, at, sharing
from tests.cloud import Cloud


@pytest.fixture
async def files(cloud: Cloud) -> Sharing:
    return await sharing(cloud)


async def test_a_new_cloud_has_a_type_that_is_the_default(files: Sharing) -> None:
    found = (await files.user.get(f"{BASE}/types/default", headers=at(2, 99)))["share_type"]
    assert found["is_default"] and found["name"] == "default"
    assert found["extra_specs"]["driver_handles_share_servers"] == "False"
    assert found["required_extra_specs"] == {"driver_handles_share_servers": "False"}
    listed = await files.user.get(f"{BASE}/types", headers=at(2, 0))
    assert [one["id"] for one in listed["share_types"]] == [found["id"]]
    assert "is_default" not in listed["share_types"][0]
    assert listed["share_types"][0]["os-share-type-access:is_public"] is True


async def test_a_private_type_is_seen_by_those_that_have_it(files: Sharing) -> None:
    body = {
        "name": "fast",
        "share_type_access:is_public": False,
        "extra_specs": {"driver_handles_share_servers": False, "secret": "x"},
    }
    made = await files.admin("POST", f"{BASE}/types", {"share_type": body}, headers=at(2, 50))
    path = f"{BASE}/types/{made.json()['share_type']['id']}"
    await files.user("GET", path, status=404)
    access = {"project": files.project_id}
    await files.admin("POST", f"{path}/action", {"addProjectAccess": access}, status=202)
    await files.admin("POST", f"{path}/action", {"addProjectAccess": access}, status=409)
    shown = (await files.user.get(path, headers=at(2, 50)))["share_type"]
    assert "secret" not in shown["extra_specs"]
    assert shown["extra_specs"]["snapshot_support"] == "False"
    listed = await files.admin.get(f"{path}/share_type_access", headers=at(2, 7))
    assert [one["project_id"] for one in listed["share_type_access"]] == [files.project_id]
    await files.admin("POST", f"{path}/action", {"removeProjectAccess": access}, status=202)
    await files.user("GET", path, status=404)


async def test_access_is_listed_at_both_addresses_and_given_before_a_project_is_there(
    files: Sharing,
) -> None:
    """gophercloud asks the newer address without a version, and names a project that nobody has."""
    body = {
        "name": "fast",
        "os-share-type-access:is_public": False,
        "extra_specs": {"driver_handles_share_servers": False},
    }
    made = (await files.admin.post(f"{BASE}/types", {"share_type": body}, 200))["share_type"]
    path = f"{BASE}/types/{made['id']}"
    access = {"project": "9e3a5a44e0134445867776ef53a37605"}
    await files.admin("POST", f"{path}/action", {"addProjectAccess": access}, status=202)
    for name in ("os-share-type-access", "share_type_access"):
        for version in ({}, at(2, 6), at(2, 7), at(2, 99)):
            listed = await files.admin.get(f"{path}/{name}", headers=version)
            assert [one["project_id"] for one in listed["share_type_access"]] == [access["project"]]
    odd = {"addProjectAccess": {"project": "demo"}}
    await files.admin("POST", f"{path}/action", odd, status=400)


async def test_odd_extra_specs_are_refused(files: Sharing) -> None:
    for specs in (
        {},
        {"driver_handles_share_servers": "perhaps"},
        {"driver_handles_share_servers": True, "snapshot_support": "x"},
        {"driver_handles_share_servers": True, "replication_type": "x"},
        {"driver_handles_share_servers": True, "provisioning:max_share_size": "0"},
        {"driver_handles_share_servers": True, "a" * 256: "x"},
        {"driver_handles_share_servers": True, "a": None},
    ):
        body = {"share_type": {"name": "odd", "extra_specs": specs}}
        await files.admin("POST", f"{BASE}/types", body, headers=at(2, 50), status=400)


async def test_a_type_says_of_snapshots_by_version(files: Sharing) -> None:
    specs = {"driver_handles_share_servers": "False"}
    old = {"volume_type": {"name": "old", "extra_specs": specs}}
    made = (await files.admin("POST", f"{BASE}/types", old, headers=at(2, 23))).json()
    assert made["share_type"]["extra_specs"]["snapshot_support"] == "True"
    path = f"{BASE}/types/{made['share_type']['id']}/extra_specs"
    await files.admin("DELETE", f"{path}/snapshot_support", headers=at(2, 23), status=403)
    await files.admin("DELETE", f"{path}/snapshot_support", headers=at(2, 24), status=202)
    await files.admin("DELETE", f"{path}/driver_handles_share_servers", status=403)
    await files.admin("PUT", f"{path}/a", {"a": "b"})
    assert (await files.admin.get(path))["extra_specs"] == {**specs, "a": "b"}
    new = {"share_type": {"name": "new", "extra_specs": specs}}
    made = (await files.admin("POST", f"{BASE}/types", new, headers=at(2, 24))).json()
    assert "snapshot_support" not in made["share_type"]["extra_specs"]


async def test_the_versions_and_the_addresses_of_old(files: Sharing) -> None:
    found = await files.user("GET", "/share/", status=300)
    assert found.json()["versions"][0]["version"] == "2.99"
    answer = await files.user("GET", f"{BASE}/types", headers=at(2, 7))
    assert answer.headers["X-OpenStack-Manila-API-Version"] == "2.7"
    assert answer.headers["OpenStack-API-Version"] == "shared-file-system 2.7"
    old = await files.user("GET", f"/share/v1/{files.project_id}/types")
    assert old.headers["X-OpenStack-Manila-API-Version"] == "2.0"
    await files.user("GET", f"{BASE}/types", headers=at(2, 100), status=406)


async def test_shares_and_types_are_found_by_what_they_say(files: Sharing) -> None:
    """A map in a query means each of its keys with its value, and none that only begins or ends like it."""
    specs = {"driver_handles_share_servers": "False", "snapshot_support": "True"}
    for name, more in (("one", {"my:a": "b"}), ("two", {"my:a": "bc", "my:x": "y"})):
        body = {"share_type": {"name": name, "extra_specs": {**specs, **more}}}
        await files.admin("POST", f"{BASE}/types", body, headers=at(2, 50), status=200)
        metadata = {**more, 'q"': "1", "last": name}
        await files.share(name=name, share_type=name, metadata=metadata)
    for said, found in (
        ("{'my:a':'b'}", ["one"]),
        ("{'my:a':'bc'}", ["two"]),
        ("{'my:a':'bc','my:x':'y'}", ["two"]),
        ("{'my:a':'b','my:x':'y'}", []),
        ("{'my:x':'b'}", []),
        ("{'':''}", []),
    ):
        shares = await files.user.get(f"{BASE}/shares?metadata={said}", headers=NEWEST)
        assert [one["name"] for one in shares["shares"]] == found, said
        shares = await files.admin.get(
            f"{BASE}/shares?all_tenants=1&extra_specs={said}", headers=NEWEST
        )
        assert [one["name"] for one in shares["shares"]] == found, said
        types = await files.admin.get(f"{BASE}/types?extra_specs={said}", headers=NEWEST)
        assert [one["name"] for one in types["share_types"]] == found, said
    both = {"one", "two"}
    for said, named in (("{'q\"':'1'}", both), ("{'last':'one'}", {"one"}), ("{}", both)):
        shares = await files.user.get(f"{BASE}/shares?metadata={said}", headers=NEWEST)
        assert {one["name"] for one in shares["shares"]} == named, said
    for odd in ("a", "[1]", "{'a':", "{1:'a'}"):
        for path in ("shares?metadata", "types?extra_specs"):
            await files.user("GET", f"{BASE}/{path}={odd}", headers=NEWEST, status=400)
