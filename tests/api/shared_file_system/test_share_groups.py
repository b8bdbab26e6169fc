"""Share groups with their types and snapshots; QoS types; replicas where no back end keeps any."""

from __future__ import annotations

from typing import Any

import pytest

from tests.api.shared_file_system.sharing import BASE, NEWEST, Sharing, at, sharing
from tests.cloud import Cloud

TYPES, GROUPS = f"{BASE}/share-group-types", f"{BASE}/share-groups"
SNAPSHOTS = f"{BASE}/share-group-snapshots"


@pytest.fixture
async def files(cloud: Cloud) -> Sharing:
    return await sharing(cloud)


async def _kind(files: Sharing, **values: Any) -> str:
    default = (await files.admin.get(f"{BASE}/types/default", headers=NEWEST))["share_type"]["id"]
    body = {"share_group_type": {"name": "gt", "share_types": [default], **values}}
    made = await files.admin.post(TYPES, body, status=200, headers=NEWEST)
    return str(made["share_group_type"]["id"])


async def _group(files: Sharing, status: str = "available", **values: Any) -> dict[str, Any]:
    made = await files.user.post(GROUPS, {"share_group": values}, status=202, headers=NEWEST)
    path = f"share-groups/{made['share_group']['id']}"
    return await files.reach(path, "share_group", "status", status)


async def test_types_were_experimental(files: Sharing) -> None:
    await files.user("GET", TYPES, headers=at(2, 54), status=404)
    tried = {**at(2, 54), "X-OpenStack-Manila-API-Experimental": "true"}
    assert (await files.user.get(TYPES, headers=tried))["share_group_types"] == []
    await files.user("GET", TYPES, headers=at(2, 30), status=404)


async def test_private_types_and_their_specs(files: Sharing) -> None:
    kind = await _kind(files, is_public=False, group_specs={"a": "b"})
    path = f"{TYPES}/{kind}"
    await files.user("GET", path, headers=NEWEST, status=404)
    let = {"addProjectAccess": {"project": files.project_id}}
    await files.admin("POST", f"{path}/action", let, headers=NEWEST, status=202)
    await files.admin("POST", f"{path}/action", let, headers=NEWEST, status=409)
    await files.user("GET", path, headers=NEWEST, status=200)
    await files.user("GET", f"{path}/group-specs", headers=NEWEST, status=403)
    specs = f"{path}/group-specs"
    more = {"group_specs": {"c": "d"}}
    await files.admin("POST", specs, more, headers=NEWEST, status=200)
    await files.admin("DELETE", f"{specs}/a", headers=NEWEST, status=204)
    assert (await files.admin.get(specs, headers=NEWEST))["group_specs"] == {"c": "d"}
    unlet = {"removeProjectAccess": {"project": files.project_id}}
    await files.admin("POST", f"{path}/action", unlet, headers=NEWEST, status=202)
    await files.user("GET", path, headers=NEWEST, status=404)
    await files.admin("DELETE", path, headers=NEWEST, status=204)


async def test_a_group_is_kept_and_made_again(files: Sharing) -> None:
    kind = await _kind(files)
    group = await _group(files, share_group_type_id=kind, name="g")
    assert "share_server_id" not in group
    share = await files.share(share_group_id=group["id"])
    alone = await files.share()
    seen = (await files.admin.get(f"{BASE}/shares/{share['id']}", headers=NEWEST))["share"]
    assert seen["host"] == group["host"] and seen["share_group_id"] == group["id"]
    await files.user("DELETE", f"{GROUPS}/{group['id']}", headers=NEWEST, status=409)
    body = {"share_group_snapshot": {"share_group_id": group["id"]}}
    made = await files.user.post(SNAPSHOTS, body, status=202, headers=NEWEST)
    snapshot = made["share_group_snapshot"]
    assert [one["share_id"] for one in snapshot["members"]] == [share["id"]]
    path = f"share-group-snapshots/{snapshot['id']}"
    await files.reach(path, "share_group_snapshot", "status", "available")
    gone = f"{BASE}/shares/{share['id']}?share_group_id={group['id']}"
    await files.user("DELETE", gone, headers=NEWEST, status=403)
    copy = await _group(files, source_share_group_snapshot_id=snapshot["id"])
    listed = await files.user.get(f"{BASE}/shares?share_group_id={copy['id']}", headers=NEWEST)
    (made_again,) = listed["shares"]
    assert made_again["id"] not in (share["id"], alone["id"])
    await files.user("DELETE", f"{BASE}/{path}", headers=NEWEST, status=202)
    await files.gone(path)
    do = f"{GROUPS}/{copy['id']}/action"
    await files.user("POST", do, {"force_delete": None}, headers=NEWEST, status=403)
    await files.admin("POST", do, {"force_delete": None}, headers=NEWEST, status=202)
    await files.gone(f"share-groups/{copy['id']}")
    await files.gone(f"shares/{made_again['id']}")
    await files.user("DELETE", gone, headers=NEWEST, status=202)
    await files.gone(f"shares/{share['id']}")
    await files.user("DELETE", f"{GROUPS}/{group['id']}", headers=NEWEST, status=202)
    await files.gone(f"share-groups/{group['id']}")


async def test_a_group_that_no_back_end_suits_says_so(files: Sharing) -> None:
    kind = await _kind(files, group_specs={"consistent_snapshot_support": "pool"})
    group = await _group(files, "error", share_group_type_id=kind)
    told = await files.user.get(f"{BASE}/messages?resource_id={group['id']}", headers=NEWEST)
    assert told["messages"][0]["resource_type"] == "SHARE_GROUP"
    await files.user("DELETE", f"{GROUPS}/{group['id']}", headers=NEWEST, status=202)
    other = await files.cloud.project_with("others", "member", "reader")
    mine = await _group(files, "error", share_group_type_id=kind)
    await other("GET", f"{GROUPS}/{mine['id']}", headers=NEWEST, status=404)
    body = {"share_group_snapshot": {"share_group_id": mine["id"]}}
    await other("POST", SNAPSHOTS, body, headers=NEWEST, status=400)


async def test_qos_types(files: Sharing) -> None:
    path = f"{BASE}/qos-types"
    body = {"qos_type": {"name": "gold", "specs": {"iops": "10"}}}
    await files.user("POST", path, body, headers=NEWEST, status=403)
    made = (await files.admin.post(path, body, status=200, headers=NEWEST))["qos_type"]
    await files.admin("POST", path, body, headers=NEWEST, status=409)
    specs = f"{path}/{made['id']}/specs"
    await files.admin("PUT", f"{specs}/iops", {"iops": "20"}, headers=NEWEST, status=200)
    assert (await files.admin.get(specs, headers=NEWEST))["specs"] == {"iops": "20"}
    await files.user("GET", specs, headers=NEWEST, status=403)
    assert len((await files.user.get(path, headers=NEWEST))["qos_types"]) == 1
    kinds = {"driver_handles_share_servers": "False", "default_qos_type": "gold"}
    kind = {"share_type": {"name": "fast", "extra_specs": kinds}}
    await files.admin.post(f"{BASE}/types", kind, status=200, headers=NEWEST)
    share = {"share": {"share_proto": "NFS", "size": 1, "share_type": "fast"}}
    refused = await files.user("POST", f"{BASE}/shares", share, headers=NEWEST, status=400)
    assert "no back end holds shares to its specs: iops" in refused.text
    await files.admin("DELETE", f"{specs}/iops", headers=NEWEST, status=204)
    await files.share(share_type="fast")  # one that says nothing is a name
    late = await files.admin("POST", specs, {"specs": {"iops": "1"}}, headers=NEWEST, status=400)
    assert "is in use, and no back end holds shares to specs" in late.text
    await files.admin("DELETE", f"{path}/{made['id']}", headers=NEWEST, status=400)
    other = {"qos_type": {"name": "silver", "specs": {}}}
    made = (await files.admin.post(path, other, status=200, headers=NEWEST))["qos_type"]
    await files.admin("DELETE", f"{path}/{made['id']}", headers=NEWEST, status=204)


async def test_a_share_without_replication_has_no_replicas(files: Sharing) -> None:
    share = (await files.share())["id"]
    body = {"share_replica": {"share_id": share}}
    await files.user("POST", f"{BASE}/share-replicas", body, headers=NEWEST, status=400)
    assert (await files.user.get(f"{BASE}/share-replicas", headers=NEWEST))["share_replicas"] == []
    found = await files.user.get(f"{BASE}/share-replicas?share_id=x", headers=NEWEST)
    assert found["share_replicas"] == []
