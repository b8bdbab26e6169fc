"""Shares from birth to end: mounted by whom they let in, resized, kept for a while, gone; other projects look on."""

from __future__ import annotations

from contextlib import AsyncExitStack
from typing import Any

import pytest

from hanok.commands.shares import EnsureShare, RemoveShare
from hanok.services.shared_file_system.facade import SharedFileSystems
from tests.api.shared_file_system.sharing import BASE, NEWEST, Sharing, at, sharing
from tests.cloud import Cloud


@pytest.fixture
async def files(cloud: Cloud) -> Sharing:
    return await sharing(cloud)


async def test_a_share_is_made_and_mounted_from_somewhere(files: Sharing) -> None:
    share = await files.share(name="home", metadata={"a": "b"})
    assert share["progress"] == "100%" and share["metadata"] == {"a": "b"}
    assert "host" not in share
    path = f"{BASE}/shares/{share['id']}/export_locations"
    places = (await files.user.get(path, headers=NEWEST))["export_locations"]
    assert places[0]["preferred"] is True and share["id"] not in places[0]["path"]
    assert "share_instance_id" not in places[0]
    old = (await files.user.get(f"{BASE}/shares/{share['id']}", headers=at(2, 0)))["share"]
    assert old["export_location"] == places[0]["path"] and old["share_type"] == "default"
    seen = (await files.admin.get(f"{BASE}/shares/{share['id']}", headers=NEWEST))["share"]
    assert seen["host"].endswith("#folder") or seen["host"].endswith("#folder2")
    one = await files.admin.get(f"{BASE}/shares/{share['id']}/instances", headers=NEWEST)
    assert one["share_instances"][0]["host"] == seen["host"]
    await files.user("DELETE", f"{BASE}/shares/{share['id']}", status=202)
    await files.gone(f"shares/{share['id']}")


async def test_who_is_let_in_is_what_the_rules_say(files: Sharing) -> None:
    share = await files.share()
    rule = await files.rule(share["id"], "10.0.0.0/24")
    await files.act(share["id"], "allow_access", _ip("10.0.0.0/24"), 400)
    for nobody in ("10.0.0.300", "fe80::1%eth0", "fe80::1%; } CLIENT { Clients = *;"):
        await files.act(share["id"], "allow_access", _ip(nobody), 400)
    await files.rule(share["id"], "fd00::5", access_level="ro")
    host = next(iter(files.cloud.nodes.values()))
    servers: Any = host.shares._servers
    (served,) = [one for exports in servers.served.values() for one in exports]
    assert [(str(one.network), one.writes) for one in served.clients] == [
        ("10.0.0.0/24", True),
        ("fd00::5/128", False),
    ]
    await files.act(share["id"], "deny_access", {"access_id": rule})
    await files.gone(f"share-access-rules/{rule}")
    listed = await files.user.get(
        f"{BASE}/share-access-rules?share_id={share['id']}", headers=NEWEST
    )
    assert [one["access_to"] for one in listed["access_list"]] == ["fd00::5"]


async def test_a_rule_that_is_being_denied_is_not_brought_back(files: Sharing) -> None:
    share = await files.share()
    rule = await files.rule(share["id"], "10.0.0.1")
    instance = await _instance_of(files, share["id"])
    async with AsyncExitStack() as held:
        for host in files.cloud.nodes.values():
            await held.enter_async_context(host.shares._alone(instance))
        await files.act(share["id"], "deny_access", {"access_id": rule})
        path, body = f"{BASE}/share-access-rules/{rule}", {"update_access": {"access_level": "ro"}}
        await files.user("PUT", path, body, headers=NEWEST, status=400)
    await files.gone(f"share-access-rules/{rule}")


async def test_a_rule_that_no_back_end_applies_says_so(files: Sharing) -> None:
    share = await files.share()
    await files.rule(share["id"], "somebody", "error", access_type="user")
    shown = await files.there(share["id"])
    assert shown["access_rules_status"] == "error"
    told = (await files.user.get(f"{BASE}/messages", headers=NEWEST))["messages"]
    assert [(one["resource_id"], one["detail_id"]) for one in told] == [(share["id"], "021")]


def _ip(access_to: str) -> dict[str, str]:
    return {"access_type": "ip", "access_to": access_to}


async def test_a_share_grows_and_shrinks(files: Sharing) -> None:
    share = await files.share(size=2)
    await files.act(share["id"], "extend", {"new_size": 2}, 400)
    await files.act(share["id"], "extend", {"new_size": 3})
    assert (await files.there(share["id"]))["size"] == 3
    instance = await _instance_of(files, share["id"])
    for pool in _pools(files):
        if instance in pool._held:
            pool.hold(instance, 2 << 30)
    await files.act(share["id"], "shrink", {"new_size": 1})
    await files.there(share["id"], "shrinking_possible_data_loss_error")
    assert (await files.user.get(f"{BASE}/shares/{share['id']}"))["share"]["size"] == 3
    await files.act(share["id"], "shrink", {"new_size": 2})
    assert (await files.there(share["id"]))["size"] == 2


async def _instance_of(files: Sharing, share_id: str) -> str:
    found = await files.admin.get(f"{BASE}/shares/{share_id}/instances", headers=NEWEST)
    return str(found["share_instances"][0]["id"])


def _pools(files: Sharing) -> list:  # type: ignore[type-arg]
    return [pool for host in files.cloud.nodes.values() for pool in host.shares._backends.values()]


async def test_the_recycle_bin_keeps_a_share(files: Sharing) -> None:
    share = await files.share()
    await files.act(share["id"], "soft_delete", None)
    listed = await files.user.get(f"{BASE}/shares", headers=NEWEST)
    assert listed["shares"] == []
    binned = await files.user.get(f"{BASE}/shares/detail?is_soft_deleted=true", headers=NEWEST)
    assert [one["scheduled_to_be_deleted_at"] is None for one in binned["shares"]] == [False]
    await files.act(share["id"], "extend", {"new_size": 3}, 403)
    await files.act(share["id"], "restore", None)
    listed = await files.user.get(f"{BASE}/shares?with_count=true", headers=NEWEST)
    assert listed["count"] == 1


async def test_other_projects_see_nothing_but_what_is_public(files: Sharing) -> None:
    other = await files.cloud.project_with("other", "member", "reader")
    share = await files.share()
    rule = await files.rule(share["id"], "10.0.0.1")
    path = f"{BASE}/shares/{share['id']}"
    paths = (
        path,
        f"{path}/metadata",
        f"{path}/export_locations",
        f"{BASE}/share-access-rules/{rule}",
    )
    for one, status in zip(paths, (404, 404, 403, 404), strict=True):
        await other("GET", one, status=status, headers=NEWEST)
    await files.user("PUT", path, {"share": {"is_public": True}}, status=403)
    await files.admin("PUT", path, {"share": {"is_public": True}}, status=200)
    for one, status in zip(paths, (200, 200, 403, 404), strict=True):
        await other("GET", one, status=status, headers=NEWEST)
    await other("POST", f"{path}/metadata", {"metadata": {"a": "b"}}, status=403)
    await other("DELETE", path, status=403)
    await other(
        "GET", f"{BASE}/share-access-rules?share_id={share['id']}", status=403, headers=NEWEST
    )
    assert (await other.get(f"{BASE}/shares"))["shares"] == []
    assert len((await other.get(f"{BASE}/shares?is_public=true"))["shares"]) == 1
    for who, there in (
        (other, False),
        (files.user, True),
    ):  # versions that show them with the share
        shown = (await who.get(path, headers=at(2, 8)))["share"]
        listed = await who.get(f"{BASE}/shares/detail?is_public=true", headers=at(2, 8))
        for one in (shown, *listed["shares"]):
            assert bool(one["export_location"]) is bool(one["export_locations"]) is there


async def test_what_no_back_end_gives_is_said(files: Sharing) -> None:
    specs = {"driver_handles_share_servers": "False", "share_backend_name": "gold"}
    body = {"share_type": {"name": "gold", "extra_specs": specs}}
    await files.admin("POST", f"{BASE}/types", body, status=200, headers=NEWEST)
    share = await files.share("error", share_type="gold")
    told = (await files.user.get(f"{BASE}/messages", headers=NEWEST))["messages"]
    assert [(one["resource_id"], one["action_id"], one["detail_id"]) for one in told] == [
        (share["id"], "001", "008")
    ]
    await files.user("DELETE", f"{BASE}/shares/{share['id']}", status=202)
    await files.gone(f"shares/{share['id']}")


async def test_doctor_sees_what_hosts_and_rows_disagree_about(files: Sharing) -> None:
    share = await files.share()
    room = files.cloud.control.house.facade(SharedFileSystems)
    assert await room.differences(mend=False) == []
    instance = await _instance_of(files, share["id"])
    host = next(one for one in files.cloud.nodes.values() if _has(one, instance))
    left = EnsureShare(share_id=STRANGER, generation=1, backend="folder", size_gib=1)
    await host.shares.do(left)
    gone = RemoveShare(share_id=instance, generation=99, backend=_backend_of(host, instance))
    await host.shares.do(gone)
    found = await room.differences(mend=True)
    assert sorted(one.mended for one in found) == [False, True]
    assert [one.mended for one in await room.differences(mend=True)] == [False]


STRANGER = "00000000-0000-4000-8000-000000000001"


def _has(host: Any, instance: str) -> bool:
    return any(instance in pool._held for pool in host.shares._backends.values())


def _backend_of(host: Any, instance: str) -> str:
    pools = host.shares._backends.items()
    return str(next(name for name, pool in pools if instance in pool._held))
