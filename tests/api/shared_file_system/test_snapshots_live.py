"""Snapshots of shares, what is on back ends already, moves, quotas, and what operators see."""

from __future__ import annotations

import pytest

from tests.api.shared_file_system.sharing import BASE, NEWEST, Sharing, at, sharing
from tests.cloud import Cloud

EXPERIMENTAL = {**at(2, 95), "X-OpenStack-Manila-API-Experimental": "true"}


@pytest.fixture
async def files(cloud: Cloud) -> Sharing:
    return await sharing(cloud)


async def _snapshot(files: Sharing, share_id: str) -> str:
    body = {"snapshot": {"share_id": share_id, "name": "s"}}
    made = await files.user.post(f"{BASE}/snapshots", body, status=202, headers=NEWEST)
    found = await files.reach(
        f"snapshots/{made['snapshot']['id']}", "snapshot", "status", "available"
    )
    return str(found["id"])


async def test_a_snapshot_is_mounted_and_a_share_made_of_it(files: Sharing) -> None:
    share = await files.share()
    snapshot = await _snapshot(files, share["id"])
    path = f"{BASE}/snapshots/{snapshot}"
    places = await files.user.get(f"{path}/export-locations", headers=NEWEST)
    assert places["share_snapshot_export_locations"][0]["path"]
    body = {"allow_access": {"access_type": "ip", "access_to": "10.0.0.1"}}
    made = await files.user.post(f"{path}/action", body, status=202, headers=NEWEST)
    assert made["snapshot_access"]["state"] == "queued_to_apply"
    listed = f"snapshots/{snapshot}/access-list"
    await files.wait_for(listed, "snapshot_access_list", "state", "active")
    await files.user("DELETE", f"{BASE}/shares/{share['id']}", status=403)
    copy = await files.share(snapshot_id=snapshot)
    assert copy["size"] == 1 and copy["snapshot_id"] == snapshot
    await files.user("DELETE", path, status=202)
    await files.gone(f"snapshots/{snapshot}")


async def test_a_share_is_set_back_to_its_last_snapshot(files: Sharing) -> None:
    share = await files.share()
    first = await _snapshot(files, share["id"])
    await files.act(share["id"], "extend", {"new_size": 2})
    await files.there(share["id"])
    last = await _snapshot(files, share["id"])
    await files.act(share["id"], "revert", {"snapshot_id": first}, 409)
    await files.act(share["id"], "revert", {"snapshot_id": last})
    assert (await files.there(share["id"]))["size"] == 2
    await files.user("DELETE", f"{BASE}/snapshots/{last}", status=202)
    await files.gone(f"snapshots/{last}")
    await files.act(share["id"], "revert", {"snapshot_id": first})
    await files.reach(f"snapshots/{first}", "snapshot", "status", "available")
    assert (await files.there(share["id"]))["size"] == 1


async def test_what_is_let_go_of_is_taken_over_again(files: Sharing) -> None:
    share = await files.share(size=3)
    snapshot = await _snapshot(files, share["id"])
    path = f"{BASE}/snapshots/{snapshot}"
    location = (await files.admin.get(path, headers=NEWEST))["snapshot"]["provider_location"]
    await files.admin("POST", f"{path}/action", {"unmanage": None}, status=202, headers=NEWEST)
    await files.gone(f"snapshots/{snapshot}")
    body = {"share_id": share["id"], "provider_location": location}
    made = await files.admin.post(
        f"{BASE}/snapshots/manage", {"snapshot": body}, 202, headers=NEWEST
    )
    kept = made["snapshot"]["id"]
    await files.reach(f"snapshots/{kept}", "snapshot", "status", "available")
    one = f"{BASE}/shares/{share['id']}"
    await files.admin("POST", f"{one}/action", {"unmanage": None}, status=403, headers=NEWEST)
    await files.user("DELETE", f"{BASE}/snapshots/{kept}", status=202)
    await files.gone(f"snapshots/{kept}")
    host = (await files.admin.get(one, headers=NEWEST))["share"]["host"]
    place = (await files.user.get(f"{one}/export_locations", headers=NEWEST))["export_locations"][0]
    await files.admin("POST", f"{one}/action", {"unmanage": None}, status=202, headers=NEWEST)
    await files.gone(f"shares/{share['id']}")
    body = {"service_host": host, "export_path": place["path"], "protocol": "NFS"}
    made = await files.admin.post(f"{BASE}/shares/manage", {"share": body}, 200, headers=NEWEST)
    found = await files.wait_for(f"shares/{made['share']['id']}", "share", "status", "available")
    assert found["size"] >= 1
    body["export_path"] = "10.0.0.1:/nowhere"
    made = await files.admin.post(f"{BASE}/shares/manage", {"share": body}, 200, headers=NEWEST)
    await files.wait_for(f"shares/{made['share']['id']}", "share", "status", "manage_error")


async def test_a_share_moves_in_two_phases(files: Sharing) -> None:
    share = await files.share()
    await files.rule(share["id"], "10.0.0.0/24")
    path = f"{BASE}/shares/{share['id']}"
    host = (await files.admin.get(path))["share"]["host"]
    node = host.partition("@")[0]
    other = f"{node}@folder2#folder2" if host.endswith("#folder") else f"{node}@folder#folder"
    flags = dict.fromkeys(
        ("preserve_metadata", "writable", "nondisruptive", "preserve_snapshots"), False
    )
    body = {"migration_start": {"host": other, **flags}}
    await files.admin("POST", f"{path}/action", body, status=404, headers=at(2, 95))
    await files.admin("POST", f"{path}/action", body, status=202, headers=EXPERIMENTAL)
    await _at_state(files, path, "migration_driver_phase1_done")
    assert (await files.admin.get(path))["share"]["status"] == "migrating"
    await files.admin(
        "POST", f"{path}/action", {"migration_cancel": None}, status=202, headers=NEWEST
    )
    await _at_state(files, path, "migration_cancelled")
    assert (await files.admin.get(path))["share"]["host"] == host
    await files.admin("POST", f"{path}/action", body, status=202, headers=NEWEST)
    await _at_state(files, path, "migration_driver_phase1_done")
    await files.admin(
        "POST", f"{path}/action", {"migration_complete": None}, status=202, headers=NEWEST
    )
    await _at_state(files, path, "migration_success")
    moved = await files.there(share["id"])
    assert moved["access_rules_status"] == "active"
    assert (await files.admin.get(path))["share"]["host"] == other
    told = await files.admin.get(f"{path}/migration-progress", headers=NEWEST)
    assert told["total_progress"] == 100
    await files.wait_for(f"shares/{share['id']}/instances", "share_instances", "#", 1)


async def _at_state(files: Sharing, path: str, state: str) -> None:
    await files.wait_for(path.removeprefix(f"{BASE}/"), "share", "task_state", state)


async def test_quotas_hold_for_projects_users_and_types(files: Sharing) -> None:
    path = f"{BASE}/quota-sets/{files.project_id}"
    await files.share(size=2)
    await files.admin("PUT", path, {"quota_set": {"gigabytes": 1}}, status=400, headers=NEWEST)
    kind = (await files.user.get(f"{BASE}/types/default"))["share_type"]["id"]
    for query, sent in (
        (f"?share_type={kind}", {"shares": 1}),
        ("", {"gigabytes": 3, "shares": 2}),
    ):
        await files.admin("PUT", f"{path}{query}", {"quota_set": sent}, status=200, headers=NEWEST)
    detail = await files.user.get(f"{path}/detail?share_type={kind}", headers=NEWEST)
    assert detail["quota_set"]["shares"] == {"limit": 1, "in_use": 1, "reserved": 0}
    assert "share_networks" not in detail["quota_set"]
    body = {"share": {"share_proto": "NFS", "size": 1}}
    await files.user("POST", f"{BASE}/shares", body, status=413)
    await files.admin("DELETE", f"{path}?share_type={kind}", status=202, headers=NEWEST)
    user = {"quota_set": {"gigabytes": 2}}
    await files.admin(
        "PUT", f"{path}?user_id={files.user.user_id}", user, status=200, headers=NEWEST
    )
    await files.user("POST", f"{BASE}/shares", body, status=413)
    await files.admin("DELETE", path, status=202, headers=NEWEST)
    await files.user("POST", f"{BASE}/shares", body, status=200)
    limits = (await files.user.get(f"{BASE}/limits"))["limits"]["absolute"]
    assert limits["totalSharesUsed"] == 2 and limits["totalShareGigabytesUsed"] == 3


async def test_operators_see_and_switch_back_ends(files: Sharing) -> None:
    found = (await files.admin.get(f"{BASE}/services?binary=manila-share", headers=NEWEST))[
        "services"
    ]
    for one in found:
        body = {"host": one["host"], "binary": "manila-share", "disabled_reason": "tests"}
        await files.admin("PUT", f"{BASE}/services/disable", body, status=200, headers=NEWEST)
    share = await files.share("error")
    for one in found:
        body = {"host": one["host"], "binary": "manila-share"}
        await files.admin("PUT", f"{BASE}/services/enable", body, status=200, headers=NEWEST)
    await files.share(scheduler_hints={"only_host": f"{found[0]['host']}#x"})
    pools = (await files.admin.get(f"{BASE}/scheduler-stats/pools/detail", headers=NEWEST))["pools"]
    assert {one["capabilities"]["snapshot_support"] for one in pools} == {True}
    host = {"ensure_shares": {"host": found[0]["host"]}}
    await files.admin("POST", f"{BASE}/services/ensure-shares", host, status=202, headers=NEWEST)
    await files.user("GET", f"{BASE}/services", status=403, headers=NEWEST)
    zones = await files.user.get(f"{BASE}/availability-zones", headers=NEWEST)
    assert [one["name"] for one in zones["availability_zones"]] == ["nova"]
    assert share["status"] == "error"
    await files.wait_for("services?ensuring=true", "services", "#", 0)
