"""Locks, transfers and backups of shares."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from hanok.services.shared_file_system.facade import SharedFileSystems
from tests.api.shared_file_system.sharing import BASE, HEADER, NEWEST, Sharing, sharing
from tests.cloud import PASSWORD, Client, Cloud

LOCKS, TRANSFERS = f"{BASE}/resource-locks", f"{BASE}/share-transfers"
BACKUPS = f"{BASE}/share-backups"
TRIED = {HEADER: "2.99", "X-OpenStack-Manila-API-Experimental": "True"}


@pytest.fixture
async def files(cloud: Cloud) -> Sharing:
    return await sharing(cloud)


async def _lock(client: Client, resource_id: str, status: int = 200, **more: Any) -> str:
    body = {"resource_lock": {"resource_id": resource_id, **more}}
    made = await client("POST", LOCKS, body, headers=NEWEST, status=status)
    return str(made.json()["resource_lock"]["id"]) if status == 200 else ""


async def _colleague(files: Sharing) -> Client:
    """Another member of the project."""
    user = {"user": {"name": "colleague", "password": PASSWORD}}
    made = (await files.admin.post("/v3/users", user))["user"]
    known = {role["name"]: role["id"] for role in (await files.admin.get("/v3/roles"))["roles"]}
    for role in ("member", "reader"):
        path = f"/v3/projects/{files.project_id}/users/{made['id']}/roles/{known[role]}"
        await files.admin("PUT", path, status=204)
    return await files.cloud.sign_in("colleague", PASSWORD, project="files")


async def test_a_locked_share_is_not_deleted(files: Sharing) -> None:
    share = (await files.share())["id"]
    mine, admins = await _lock(files.user, share), await _lock(files.admin, share)
    path = f"{BASE}/shares/{share}"
    await files.user("DELETE", path, headers=NEWEST, status=403)
    await files.act(share, "soft_delete", None, 403)
    await files.user("DELETE", f"{LOCKS}/{mine}", headers=NEWEST, status=204)
    await files.user("DELETE", f"{LOCKS}/{admins}", headers=NEWEST, status=404)
    await files.admin("DELETE", f"{LOCKS}/{admins}", headers=NEWEST, status=204)
    await files.user("DELETE", path, headers=NEWEST, status=202)
    await files.gone(f"shares/{share}")
    await _lock(files.user, share, 400)


async def test_what_locks_a_rule_goes_with_its_share(files: Sharing) -> None:
    share = (await files.share())["id"]
    rule = await files.rule(share, "10.0.0.7", lock_visibility=True)
    await _lock(files.user, rule, resource_type="access_rule")
    assert len((await files.user.get(LOCKS, headers=NEWEST))["resource_locks"]) == 2
    await files.user("DELETE", f"{BASE}/shares/{share}", headers=NEWEST, status=202)
    await files.gone(f"shares/{share}")
    assert (await files.user.get(LOCKS, headers=NEWEST))["resource_locks"] == []


async def test_a_rule_is_locked_and_hidden(files: Sharing) -> None:
    share = (await files.share())["id"]
    rule = await files.rule(share, "10.0.0.7", lock_deletion=True, lock_visibility=True)
    colleague = await _colleague(files)
    path = f"{BASE}/share-access-rules/{rule}"
    assert (await colleague.get(path, headers=NEWEST))["access"]["access_to"] == "******"
    assert (await files.user.get(path, headers=NEWEST))["access"]["access_to"] == "10.0.0.7"
    await files.user("DELETE", f"{BASE}/shares/{share}", headers=NEWEST, status=403)
    await files.act(share, "deny_access", {"access_id": rule}, 403)
    deny = {"deny_access": {"access_id": rule, "unrestrict": True}}
    await colleague("POST", f"{BASE}/shares/{share}/action", deny, headers=NEWEST, status=403)
    await files.user("POST", f"{BASE}/shares/{share}/action", deny, headers=NEWEST, status=202)
    await files.gone(f"share-access-rules/{rule}")
    assert (await files.user.get(LOCKS, headers=NEWEST))["resource_locks"] == []


async def test_who_is_let_in_is_not_guessed_where_it_is_hidden(files: Sharing) -> None:
    share = (await files.share())["id"]
    plain = await files.rule(share, "10.0.0.1", metadata={"a": "b"})
    hidden = await files.rule(share, "10.0.0.7", access_level="ro", lock_visibility=True)
    colleague, path = await _colleague(files), f"{BASE}/share-access-rules?share_id="
    both = {plain, hidden}
    for query, mine, theirs in (
        ("", both, both),
        ("&access_type=ip", both, both),
        ("&access_type=user", set(), set()),
        ("&access_level=ro", {hidden}, {hidden}),
        ("&access_type=ip&access_to=10.0.0.1", {plain}, {plain}),
        ("&access_type=ip&access_to=10.0.0.7", {hidden}, set()),
        ("&access_type=ip&access_to=10.0.0.8", set(), set()),
        ("&metadata={'a':'b'}", {plain}, {plain}),
        ("&metadata={'a':'c'}", set(), set()),
    ):
        for client, expected in ((files.user, mine), (colleague, theirs)):
            found = await client.get(path + share + query, headers=NEWEST)
            assert {one["id"] for one in found["access_list"]} == expected, query
    for query in ("&access_type=odd", "&access_to=10.0.0.1", "&access_level=rx", "&metadata=x"):
        await files.user("GET", path + share + query, headers=NEWEST, status=400)
    other = await files.cloud.project_with("others", "member", "reader")
    for client, one in ((files.user, ""), (files.user, "x"), (other, share)):
        await client("GET", path + one, headers=NEWEST, status=400)


async def test_locks_are_counted_filtered_and_changed(files: Sharing) -> None:
    share = (await files.share())["id"]
    first = await _lock(files.user, share, lock_reason="why")
    await _lock(files.user, share)
    found = await files.user.get(f"{LOCKS}?with_count=true&lock_reason=why", headers=NEWEST)
    assert (found["count"], [one["id"] for one in found["resource_locks"]]) == (1, [first])
    put = {"resource_lock": {"lock_reason": "because"}}
    await files.user("PUT", f"{LOCKS}/{first}", put, headers=NEWEST, status=200)
    odd = {"resource_lock": {"resource_action": "show"}}
    await files.user("PUT", f"{LOCKS}/{first}", odd, headers=NEWEST, status=400)
    await _lock(files.user, share, 400, resource_type="volume")
    other = await files.cloud.project_with("others", "member", "reader")
    await _lock(other, share, 400)
    assert (await other.get(f"{LOCKS}?all_projects=1", headers=NEWEST))["resource_locks"] == []


async def test_a_share_goes_to_who_has_the_key(files: Sharing) -> None:
    share = (await files.share())["id"]
    await files.rule(share, "10.0.0.7")
    body = {"transfer": {"share_id": share, "name": " gift "}}
    made = (await files.user.post(TRANSFERS, body, status=202, headers=NEWEST))["transfer"]
    assert made["name"] == "gift" and made["resource_id"] == share
    await files.there(share, "awaiting_transfer")
    await files.user("POST", TRANSFERS, body, headers=NEWEST, status=400)
    other = await files.cloud.project_with("others", "member", "reader")
    accept = f"{TRANSFERS}/{made['id']}/accept"
    await other("POST", accept, {"accept": {"auth_key": "no"}}, headers=NEWEST, status=400)
    key = {"accept": {"auth_key": made["auth_key"], "clear_access_rules": True}}
    system = await files.cloud.sign_in(scope={"system": {"all": True}})
    nobodys = await system("POST", accept, key, headers=NEWEST, status=400)
    assert "not scoped to a project" in nobodys.text
    await other("POST", accept, key, headers=NEWEST, status=202)
    await files.user("GET", f"{BASE}/shares/{share}", headers=NEWEST, status=404)
    theirs = (await other.get(f"{BASE}/shares/{share}", headers=NEWEST))["share"]
    assert theirs["project_id"] == other.project_id
    await other("POST", accept, key, headers=NEWEST, status=400)


async def test_who_offered_a_share_does_not_keep_it_locked(files: Sharing) -> None:
    other = await files.cloud.project_with("other", "member", "reader")
    share = (await files.share())["id"]
    rule = await files.rule(share, "10.0.0.7", lock_visibility=True)
    await _lock(files.user, share)
    body = {"transfer": {"share_id": share}}
    made = (await files.user("POST", TRANSFERS, body, headers=NEWEST, status=202)).json()[
        "transfer"
    ]
    taken = {"accept": {"auth_key": made["auth_key"]}}
    await other("POST", f"{TRANSFERS}/{made['id']}/accept", taken, headers=NEWEST, status=202)
    assert (await files.user.get(LOCKS, headers=NEWEST))["resource_locks"] == []
    shown = (await other.get(f"{BASE}/share-access-rules/{rule}", headers=NEWEST))["access"]
    assert shown["access_to"] == "10.0.0.7"
    await other("DELETE", f"{BASE}/shares/{share}", headers=NEWEST, status=202)


async def test_an_offer_is_taken_back(files: Sharing) -> None:
    share = (await files.share())["id"]
    body = {"transfer": {"share_id": share}}
    made = (await files.user.post(TRANSFERS, body, status=202, headers=NEWEST))["transfer"]
    other = await files.cloud.project_with("others", "member", "reader")
    await other("GET", f"{TRANSFERS}/{made['id']}", headers=NEWEST, status=404)
    listed = await files.user.get(f"{TRANSFERS}/detail", headers=NEWEST)
    assert [one["id"] for one in listed["transfers"]] == [made["id"]]
    await files.user("DELETE", f"{TRANSFERS}/{made['id']}", headers=NEWEST, status=200)
    await files.there(share)


async def _backup(files: Sharing, backup_id: str, status: str) -> dict[str, Any]:
    """A backup, when it has a status; with "", when it is gone."""
    async with asyncio.timeout(60):
        while True:
            answer = await files.user("GET", f"{BACKUPS}/{backup_id}", headers=TRIED)
            if answer.status_code == 404:
                return {}
            found = answer.json()["share_backup"]
            if found["status"] == status:
                return dict(found)
            assert "error" not in found["status"], found
            await asyncio.sleep(0.02)


async def test_a_backup_is_written_onto_its_share_and_onto_another(files: Sharing) -> None:
    share = (await files.share())["id"]
    other = (await files.share(size=2, scheduler_hints={"same_host": share}))["id"]
    await files.user("GET", BACKUPS, headers=NEWEST, status=404)
    body = {"share_backup": {"share_id": share, "name": "b"}}
    made = await files.user.post(BACKUPS, body, status=202, headers=TRIED)
    backup = made["share_backup"]["id"]
    assert (await _backup(files, backup, "available"))["progress"] == "100"
    await files.there(share)
    await files.user("DELETE", f"{BASE}/shares/{share}", headers=NEWEST, status=403)
    offer = {"transfer": {"share_id": share}}
    await files.user("POST", TRANSFERS, offer, headers=NEWEST, status=400)
    room = files.cloud.control.house.facade(SharedFileSystems)
    assert await room.differences(mend=True) == []
    for target in (None, other):
        do = f"{BACKUPS}/{backup}/action"
        await files.user("POST", do, {"restore": target}, headers=TRIED, status=202)
        done = await _backup(files, backup, "available")
        assert done["restore_progress"] == "100"
        await files.there(target or share)
    odd = {"share_backup": {"share_id": share, "backup_options": {"colour": "blue"}}}
    await files.user("POST", BACKUPS, odd, headers=TRIED, status=400)
    await files.user("DELETE", f"{BACKUPS}/{backup}", headers=TRIED, status=202)
    assert await _backup(files, backup, "") == {}
    await files.user("DELETE", f"{BASE}/shares/{share}", headers=NEWEST, status=202)
    await files.gone(f"shares/{share}")
