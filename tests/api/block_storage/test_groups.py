"""Groups of volumes, their types and snapshots, and what they were called before."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from hanok.base import failpoints
from hanok.base.ids import new_uuid
from hanok.services.block_storage.operations.groups import OPERATIONS
from tests.api.block_storage.grounds import BASE, NEWEST, SNAPSHOTS, VOLUMES, Ground, at, standing
from tests.cloud import settle

GROUPS, TYPES = f"{BASE}/groups", f"{BASE}/group_types"
GROUP_SNAPSHOTS = f"{BASE}/group_snapshots"
CONSISTENCY, CG_SNAPSHOTS = f"{BASE}/consistencygroups", f"{BASE}/cgsnapshots"


class Groups(Ground):
    """And the way to groups."""

    kind: str = ""
    volume_type: str = ""

    async def send(self, method: str, path: str, body: Any = None, status: int = 202) -> Any:
        answer = await self.user(method, path, body, headers=NEWEST, status=status)
        await settle(self.cloud)
        return answer.json() if answer.content else None

    async def group(self, **values: Any) -> str:
        body = {"group_type": self.kind, "volume_types": [self.volume_type], **values}
        return str((await self.send("POST", GROUPS, {"group": body}))["group"]["id"])

    async def shown(self, group_id: str) -> Any:
        path = f"{GROUPS}/{group_id}?list_volume=true"
        return (await self.user.get(path, headers=NEWEST))["group"]

    async def act(  # type: ignore[override]
        self, group_id: str, action: str, value: Any = None, status: int = 202
    ) -> Any:
        return await self.send("POST", f"{GROUPS}/{group_id}/action", {action: value}, status)

    async def group_snapshot(self, group_id: str, status: int = 202) -> Any:
        body = {"group_snapshot": {"group_id": group_id, "name": "s"}}
        found = await self.send("POST", GROUP_SNAPSHOTS, body, status)
        return found["group_snapshot"]["id"] if status == 202 else found


async def _made(ground: Ground) -> Groups:
    made = Groups(ground.cloud, ground.admin, ground.user)
    body = {"group_type": {"name": "together", "group_specs": {"a": "b"}}}
    answer = await ground.admin("POST", TYPES, body, headers=NEWEST, status=202)
    made.kind = answer.json()["group_type"]["id"]
    made.volume_type = (await ground.user.get(f"{BASE}/types/default"))["volume_type"]["id"]
    return made


@pytest.fixture
async def ground(tmp_path: Path, database_url: str) -> AsyncIterator[Groups]:
    async with standing(tmp_path, database=database_url) as ground:
        yield await _made(ground)


async def test_a_volume_of_a_group_keeps_its_type(ground: Groups) -> None:
    """Block Storage's retype wants a volume that is in no group: the group's types are what it was placed by."""
    group = await ground.group()
    inside, alone = await ground.volume(group_id=group), await ground.volume()
    body = {"volume_type": {"name": "another"}}
    await ground.admin.post(f"{BASE}/types", body, 200)
    refused = await Ground.act(ground, inside, "os-retype", {"new_type": "another"}, 400)
    assert "belongs to a group" in refused.text
    await ground.send("PUT", f"{GROUPS}/{group}", {"group": {"remove_volumes": inside}})
    for volume in (inside, alone):
        await Ground.act(ground, volume, "os-retype", {"new_type": "another"})
        assert (await ground.show(volume))["volume_type"] == "another"


async def test_volumes_of_a_group_are_in_one_back_end(ground: Groups) -> None:
    group = await ground.group(name=" g ", description="d")
    shown = await ground.shown(group)
    assert (shown["name"], shown["status"], shown["group_type"]) == ("g", "available", ground.kind)
    assert (shown["volumes"], shown["volume_types"]) == ([], [ground.volume_type])
    ids = [await ground.volume(group_id=group) for _ in range(4)]
    places = {(await ground.show(one))["os-vol-host-attr:host"] for one in ids}
    assert len(places) == 1
    assert (await ground.shown(group))["volumes"] == ids
    assert (await ground.show(ids[0]))["group_id"] == group
    answer = await ground.user("DELETE", f"{VOLUMES}/{ids[0]}", status=400)
    assert "belong to a group" in answer.text
    assert "delete-volumes flag" in str(await ground.act(group, "delete", {}, 400))
    await ground.act(group, "delete", {"delete-volumes": True})
    await ground.user("GET", f"{GROUPS}/{group}", headers=NEWEST, status=404)
    assert (await ground.user.get(VOLUMES))["volumes"] == []
    await ground.assert_nothing_left()


async def test_volumes_join_and_leave(ground: Groups) -> None:
    group, other = await ground.group(), await ground.group()
    inside = await ground.volume(group_id=group)
    alone = await ground.volume(group_id=group)
    path = f"{GROUPS}/{group}"
    change = {"group": {"remove_volumes": alone, "name": "n"}}
    await ground.send("PUT", path, change)
    assert (await ground.shown(group))["volumes"] == [inside]
    assert (await ground.shown(group))["name"] == "n"
    await ground.send("PUT", path, {"group": {"add_volumes": alone}})
    assert (await ground.shown(group))["volumes"] == [inside, alone]
    for odd in (
        {"add_volumes": new_uuid()},
        {"add_volumes": alone},
        {"remove_volumes": new_uuid()},
        {"add_volumes": alone, "remove_volumes": alone},
        {},
    ):
        await ground.send("PUT", path, {"group": odd}, 400)
    text = await ground.send("PUT", f"{GROUPS}/{other}", {"group": {"add_volumes": alone}}, 400)
    assert f"already in group {group}" in str(text)
    await ground.admin.post(f"{BASE}/types", {"volume_type": {"name": "odd"}}, 200)
    body = {"volume": {"size": 1, "volume_type": "odd", "group_id": group}}
    answer = await ground.user("POST", VOLUMES, body, headers=NEWEST, status=400)
    assert "must be supported by this group" in answer.text


async def test_a_group_is_snapshotted_and_made_again(ground: Groups) -> None:
    group = await ground.group()
    assert "Group is empty" in str(await ground.group_snapshot(group, 400))
    ids = [await ground.volume(2, group_id=group, name=f"v{n}") for n in range(2)]
    snapshot = await ground.group_snapshot(group)
    shown = await ground.user.get(f"{GROUP_SNAPSHOTS}/{snapshot}", headers=NEWEST)
    assert shown["group_snapshot"]["status"] == "available"
    assert shown["group_snapshot"]["group_id"] == group
    listed = (await ground.user.get(f"{SNAPSHOTS}/detail", headers=NEWEST))["snapshots"]
    assert {one["volume_id"] for one in listed} == set(ids)
    assert {(one["group_snapshot_id"], one["status"]) for one in listed} == {
        (snapshot, "available")
    }
    await ground.user("DELETE", f"{SNAPSHOTS}/{listed[0]['id']}", status=400)
    assert "existing group snapshots" in str(
        await ground.act(group, "delete", {"delete-volumes": True}, 400)
    )
    for source in ({"group_snapshot_id": snapshot}, {"source_group_id": group}):
        body = {"create-from-src": {"name": "again", **source}}
        made = (await ground.send("POST", f"{GROUPS}/action", body))["group"]["id"]
        again = await ground.shown(made)
        assert (again["status"], len(again["volumes"])) == ("available", 2), again
        assert (again["group_snapshot_id"], again["source_group_id"]) == (
            source.get("group_snapshot_id"),
            source.get("source_group_id"),
        )
        for one in again["volumes"]:
            volume = await ground.show(one)
            assert (volume["status"], volume["size"]) == ("available", 2)
        await ground.act(made, "delete", {"delete-volumes": True})
    both = {"group_snapshot_id": snapshot, "source_group_id": group}
    await ground.send("POST", f"{GROUPS}/action", {"create-from-src": both}, 400)
    await ground.send("POST", f"{GROUPS}/action", {"create-from-src": {}}, 400)
    await ground.send("DELETE", f"{GROUP_SNAPSHOTS}/{snapshot}")
    assert (await ground.user.get(SNAPSHOTS))["snapshots"] == []
    await ground.act(group, "delete", {"delete-volumes": True})
    await ground.assert_nothing_left()


async def test_types_of_groups_and_their_specs(ground: Groups) -> None:
    path = f"{TYPES}/{ground.kind}"
    shown = (await ground.admin.get(path, headers=NEWEST))["group_type"]
    assert (shown["name"], shown["group_specs"]) == ("together", {"a": "b"})
    assert "group_specs" not in (await ground.user.get(path, headers=NEWEST))["group_type"]
    body: dict[str, Any] = {"group_specs": {"k": "v"}}
    await ground.admin("POST", f"{path}/group_specs", body, headers=NEWEST, status=202)
    spec = f"{path}/group_specs/k"
    assert await ground.admin.get(spec, headers=NEWEST) == {"k": "v"}
    await ground.admin("PUT", spec, {"k": "w"}, headers=NEWEST, status=200)
    await ground.admin("PUT", spec, {"l": "w"}, headers=NEWEST, status=400)
    await ground.admin("DELETE", spec, headers=NEWEST, status=202)
    await ground.admin("DELETE", spec, headers=NEWEST, status=404)
    body = {"group_type": {"name": "n", "is_public": False}}
    changed = await ground.admin("PUT", path, body, headers=NEWEST, status=200)
    assert changed.json()["group_type"]["name"] == "n"
    await ground.user("GET", path, headers=NEWEST, status=404)
    every = await ground.admin.get(f"{TYPES}?is_public=none", headers=NEWEST)
    assert {one["name"] for one in every["group_types"]} == {"n", "default_cgsnapshot_type"}
    again = {"group_type": {"name": "n"}}
    await ground.admin("POST", TYPES, again, headers=NEWEST, status=409)
    await ground.admin("GET", f"{TYPES}/default", headers=NEWEST, status=404)
    await ground.admin("DELETE", path, headers=NEWEST, status=202)
    await ground.admin("DELETE", path, headers=NEWEST, status=404)


async def test_what_groups_have_no_type_may_not_change(ground: Groups) -> None:
    await ground.group()
    path = f"{TYPES}/{ground.kind}"
    await ground.admin("DELETE", path, headers=NEWEST, status=400)
    specs = f"{path}/group_specs"
    body = {"group_specs": {"group_replication_enabled": "<is> True"}}
    await ground.admin("POST", specs, body, headers=NEWEST, status=400)
    body = {"group_specs": {"k": "v"}}
    await ground.admin("POST", specs, body, headers=NEWEST, status=202)
    quotas = f"{BASE}/os-quota-sets/{ground.user.project_id}"
    await ground.admin("PUT", quotas, {"quota_set": {"groups": 1}}, status=200)
    more = {"group": {"group_type": ground.kind, "volume_types": [ground.volume_type]}}
    text = await ground.send("POST", GROUPS, more, 413)
    assert "Maximum number of groups allowed (1)" in str(text)


async def test_replicas_are_refused(ground: Groups) -> None:
    group = await ground.group()
    for action in ("enable_replication", "disable_replication", "list_replication_targets"):
        text = await ground.act(group, action, {}, 400)
        assert "not a replication group type" in str(text)
    await ground.act(group, "failover_replication", {"secondary_backend_id": "x"}, 400)
    specs = {"group_replication_enabled": "<is> True"}
    body = {"group_type": {"name": "twice", "group_specs": specs}}
    await ground.admin("POST", TYPES, body, headers=NEWEST, status=202)
    odd = {"group": {"group_type": "twice", "volume_types": [ground.volume_type]}}
    await ground.send("POST", GROUPS, odd, 400)


async def test_states_by_hand_lists_and_other_projects(ground: Groups) -> None:
    ids = [await ground.group(name=f"g{n}") for n in range(3)]
    path = f"{GROUPS}/{ids[0]}/action"
    body = {"reset_status": {"status": "error"}}
    await ground.admin("POST", path, body, headers=NEWEST, status=202)
    assert (await ground.shown(ids[0]))["status"] == "error"
    await ground.act(ids[0], "reset_status", {"status": "error"}, 403)
    odd = {"reset_status": {"status": "odd"}}
    await ground.admin("POST", path, odd, headers=NEWEST, status=400)
    page = await ground.user.get(f"{GROUPS}/detail?limit=2&sort=name:asc", headers=NEWEST)
    assert [one["name"] for one in page["groups"]] == ["g0", "g1"]
    assert "groups_links" in page
    found = await ground.user.get(f"{GROUPS}?status=error", headers=NEWEST)
    assert found["groups"] == [{"id": ids[0], "name": "g0"}]
    other = await ground.cloud.project_with("q", "member")
    assert (await other.get(GROUPS, headers=NEWEST))["groups"] == []
    await other("GET", f"{GROUPS}/{ids[0]}", headers=NEWEST, status=404)
    every = await ground.admin.get(f"{GROUPS}/detail?all_tenants=1", headers=NEWEST)
    assert {one["project_id"] for one in every["groups"]} == {ground.user.project_id}
    await ground.user("GET", GROUPS, headers=at("3.12"), status=404)


async def test_consistency_groups_are_groups_of_one_type(ground: Groups) -> None:
    body: dict[str, Any] = {"name": "cg", "volume_types": ground.volume_type}
    made = await ground.send("POST", CONSISTENCY, {"consistencygroup": body})
    group = made["consistencygroup"]["id"]
    shown = (await ground.user.get(f"{CONSISTENCY}/{group}"))["consistencygroup"]
    assert (shown["status"], shown["volume_types"]) == ("available", [ground.volume_type])
    plain = await ground.group()
    await ground.user("GET", f"{CONSISTENCY}/{plain}", status=404)
    listed = (await ground.user.get(f"{CONSISTENCY}/detail"))["consistencygroups"]
    assert [one["id"] for one in listed] == [group]
    volume = await ground.volume(consistencygroup_id=group)
    assert (await ground.show(volume))["group_id"] == group
    change = {"consistencygroup": {"name": "n", "remove_volumes": volume}}
    await ground.send("PUT", f"{CONSISTENCY}/{group}/update", change)
    change = {"consistencygroup": {"add_volumes": volume}}
    await ground.send("PUT", f"{CONSISTENCY}/{group}", change)
    body = {"cgsnapshot": {"consistencygroup_id": group, "name": "s"}}
    snapshot = (await ground.send("POST", CG_SNAPSHOTS, body))["cgsnapshot"]["id"]
    found = (await ground.user.get(f"{CG_SNAPSHOTS}/detail"))["cgsnapshots"]
    assert [(one["id"], one["status"]) for one in found] == [(snapshot, "available")]
    body = {"consistencygroup-from-src": {"cgsnapshot_id": snapshot, "name": "again"}}
    again = await ground.send("POST", f"{CONSISTENCY}/create_from_src", body)
    assert again["consistencygroup"]["name"] == "again"
    body = {"consistencygroup": {"force": True}}
    path = f"{CONSISTENCY}/{again['consistencygroup']['id']}/delete"
    await ground.send("POST", path, body)
    await ground.send("DELETE", f"{CG_SNAPSHOTS}/{snapshot}")
    await ground.send("POST", f"{CONSISTENCY}/{group}/delete", {}, 400)
    await ground.send("POST", f"{CONSISTENCY}/{group}/delete", body)
    assert (await ground.user.get(CONSISTENCY))["consistencygroups"] == []
    sent = {"group_type": "default_cgsnapshot_type", "volume_types": [ground.volume_type]}
    text = await ground.send("POST", GROUPS, {"group": sent}, 400)
    assert "reserved for migrating CGs" in str(text)
    await ground.assert_nothing_left()


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"volume_types": []},
        {"volume_types": ["nothing"]},
        {"group_type": "nothing"},
        {"availability_zone": "nowhere"},
        {"unheard": 1},
        {"name": "x" * 256},
    ],
    ids=str,
)
async def test_what_cannot_be_a_group_is_refused(ground: Groups, body: dict[str, Any]) -> None:
    good = {"group_type": ground.kind, "volume_types": [ground.volume_type]} if body else {}
    answer = await ground.user("POST", GROUPS, {"group": {**good, **body}}, headers=NEWEST)
    assert answer.status_code in (400, 404)
    assert (await ground.user.get(GROUPS, headers=NEWEST))["groups"] == []


POINTS = [
    f"{kind.__struct_config__.tag}.{step.__name__}.{place}"
    for kind in OPERATIONS
    for step in kind.steps
    for place in ("before_do", "after_do", "before_save")
]


@pytest.fixture
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hanok.operations.execution.RETRY_S", (0.0,) * 5)
    monkeypatch.setattr("hanok.operations.execution.UNDO_RETRY_S", (0.0,) * 5)
    monkeypatch.setattr("hanok.operations.execution.CHILDREN_S", 0.0)


@pytest.mark.slow
@pytest.mark.parametrize("action", ["raise", "twice"])
@pytest.mark.parametrize("point", POINTS)
@pytest.mark.usefixtures("_at_once")
async def test_broken_anywhere_nothing_is_left(tmp_path: Path, point: str, action: str) -> None:
    if action == "twice" and not point.endswith("before_do"):
        return
    async with standing(tmp_path) as made:
        ground = await _made(made)
        group = await ground.group()
        for _ in range(2):
            await ground.volume(group_id=group)
        with failpoints.armed(point, action, -1 if action == "twice" else 1):
            snapshot = await ground.group_snapshot(group)
            body: dict[str, Any] = {"create-from-src": {"source_group_id": group}}
            again = (await ground.send("POST", f"{GROUPS}/action", body))["group"]["id"]
            for _ in range(2):
                await ground.user("DELETE", f"{GROUP_SNAPSHOTS}/{snapshot}", headers=NEWEST)
                await settle(ground.cloud)
            for one in (again, group):
                for _ in range(2):
                    path, body = f"{GROUPS}/{one}/action", {"delete": {"delete-volumes": True}}
                    await ground.user("POST", path, body, headers=NEWEST)
                    await settle(ground.cloud)
        assert (await ground.user.get(GROUPS, headers=NEWEST))["groups"] == []
        assert (await ground.user.get(VOLUMES))["volumes"] == []
        await ground.assert_nothing_left()
