"""What is refused of volumes: too much of something, what moves or is being read, and what others have."""

from __future__ import annotations

import base64
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from hanok.base import failpoints
from hanok.base.ids import new_uuid
from hanok.services.block_storage.logic import group_members
from hanok.services.block_storage.tables import volume_services as services
from hanok.services.block_storage.tables import volumes
from hanok.store import still_there
from tests.api.block_storage.grounds import (
    BASE,
    NEWEST,
    SNAPSHOTS,
    VOLUMES,
    Ground,
    gone_on,
    halted,
    standing,
)
from tests.cloud import an_image, settle

LONG = {f"k{number}": "v" for number in range(129)}


@pytest.fixture
async def ground(tmp_path: Path) -> AsyncIterator[Ground]:
    async with standing(tmp_path) as found:
        yield found


@pytest.fixture
async def on_both(tmp_path: Path, database_url: str) -> AsyncIterator[Ground]:
    async with standing(tmp_path, database=database_url) as found:
        yield found


async def _send(ground: Ground, method: str, path: str, body: Any, status: int) -> str:
    answer = await ground.user(method, path, body, headers=NEWEST, status=status)
    return answer.text


async def test_metadata_has_so_many_items_and_no_more(ground: Ground) -> None:
    volume = await ground.volume(metadata={"a": "b"})
    snapshot = await ground.snapshot(volume)
    new = {"volume_id": volume, "metadata": LONG}
    for method, path, body in (
        ("POST", VOLUMES, {"volume": {"size": 1, "metadata": LONG}}),
        ("PUT", f"{VOLUMES}/{volume}", {"volume": {"metadata": LONG}}),
        ("POST", SNAPSHOTS, {"snapshot": new}),
        ("POST", f"{BASE}/backups", {"backup": new}),
        ("PUT", f"{VOLUMES}/{volume}/metadata", {"metadata": LONG}),
        ("PUT", f"{SNAPSHOTS}/{snapshot}/metadata", {"metadata": LONG}),
    ):
        await _send(ground, method, path, body, 400)
    fitting = dict(list(LONG.items())[:128])
    said = await _send(ground, "POST", f"{VOLUMES}/{volume}/metadata", {"metadata": fitting}, 400)
    assert "at most 128 items" in said
    await _send(ground, "PUT", f"{VOLUMES}/{volume}", {"volume": {"metadata": fitting}}, 200)
    assert len((await ground.show(volume))["metadata"]) == 128


async def _group(ground: Ground) -> str:
    kind = await ground.admin(
        "POST", f"{BASE}/group_types", {"group_type": {"name": "g"}}, headers=NEWEST, status=202
    )
    volume_type = (await ground.user.get(f"{BASE}/types/default"))["volume_type"]["id"]
    group = {"group_type": kind.json()["group_type"]["id"], "volume_types": [volume_type]}
    made = await ground.user("POST", f"{BASE}/groups", {"group": group}, headers=NEWEST, status=202)
    await settle(ground.cloud)
    return str(made.json()["group"]["id"])


async def test_a_group_has_so_many_volumes_and_no_more(
    ground: Ground, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(group_members, "MAXIMUM", 2)
    group = await _group(ground)
    body = {"volume": {"size": 1, "group_id": group}}
    for _ in range(2):
        await _send(ground, "POST", VOLUMES, body, 202)
    assert "at most 2 volumes" in await _send(ground, "POST", VOLUMES, body, 400)
    await settle(ground.cloud)
    other = await ground.volume()
    change = {"group": {"add_volumes": other}}
    said = await _send(ground, "PUT", f"{BASE}/groups/{group}", change, 400)
    assert "at most 2 volumes" in said


async def test_what_is_read_gets_no_other_content_meanwhile(ground: Ground) -> None:
    volume, image = await ground.volume(), await an_image(ground.user)
    first = await ground.snapshot(volume)
    made = await ground.user.post(f"{BASE}/backups", {"backup": {"volume_id": volume}}, 202)
    await settle(ground.cloud)
    backup = f"{BASE}/backups/{made['backup']['id']}/restore"
    act = f"{VOLUMES}/{volume}/action"
    for point, path, body in (
        (
            "create_snapshot.TakeSnapshot.before_do",
            SNAPSHOTS,
            {"snapshot": {"volume_id": volume}},
        ),
        (
            "create_volume.MakeVolume.before_do",
            VOLUMES,
            {"volume": {"source_volid": volume}},
        ),
    ):
        failpoints.arm(f"block_storage.{point}", "hang")
        await _send(ground, "POST", path, body, 202)
        await halted(f"block_storage.{point}")
        assert "is being created" in await _send(
            ground, "POST", act, {"os-reimage": {"image_id": image}}, 400
        )
        restore = {"restore": {"volume_id": volume}}
        assert "is being created" in await _send(ground, "POST", backup, restore, 400)
        await _send(ground, "POST", act, {"revert": {"snapshot_id": first}}, 400)
        await gone_on(ground, f"block_storage.{point}")
    await ground.act(volume, "os-reimage", {"image_id": image})
    assert await ground.status(volume) == "available"
    await ground.assert_clean()


async def test_nothing_else_is_begun_with_what_moves(ground: Ground) -> None:
    volume = await ground.volume()
    pools = (await ground.admin.get(f"{BASE}/scheduler-stats/get_pools"))["pools"]
    here = (await ground.show(volume))["os-vol-host-attr:host"]
    there = next(one["name"] for one in pools if one["name"] != here and "host-1@" in one["name"])
    point = "block_storage.migrate_volume.MoveData.before_do"
    failpoints.arm(point, "hang")
    act = f"{VOLUMES}/{volume}/action"
    await ground.admin("POST", act, {"os-migrate_volume": {"host": there}}, status=202)
    await halted(point)
    for path, body in (
        (act, {"os-volume_upload_image": {"image_name": "i"}}),
        (act, {"os-reimage": {"image_id": await an_image(ground.user)}}),
        (act, {"os-update_readonly_flag": {"readonly": True}}),
        (f"{BASE}/backups", {"backup": {"volume_id": volume}}),
        (SNAPSHOTS, {"snapshot": {"volume_id": volume}}),
        (VOLUMES, {"volume": {"source_volid": volume}}),
        (f"{BASE}/volume-transfers", {"transfer": {"volume_id": volume}}),
        (f"{BASE}/attachments", {"attachment": {"volume_uuid": volume}}),
    ):
        assert "active migration" in await _send(ground, "POST", path, body, 400)
    await gone_on(ground, point)
    await ground.act(volume, "os-volume_upload_image", {"image_name": "i"})
    await ground.assert_clean()


async def test_hints_name_what_the_caller_sees(ground: Ground) -> None:
    other = await ground.cloud.project_with("other", "member")
    theirs, mine = await ground.volume(client=other), await ground.volume()
    for hint in ("same_host", "different_host", "local_to_instance"):
        for one in (theirs, new_uuid()):
            body = {"volume": {"size": 1}, "OS-SCH-HNT:scheduler_hints": {hint: one}}
            assert f"{hint} names {one}" in await _send(ground, "POST", VOLUMES, body, 400)
    body = {"volume": {"size": 1}, "OS-SCH-HNT:scheduler_hints": {"different_host": mine}}
    made = json.loads(await _send(ground, "POST", VOLUMES, body, 202))["volume"]["id"]
    await settle(ground.cloud)
    places = {(await ground.show(one))["os-vol-host-attr:host"] for one in (mine, made)}
    assert len(places) == 2
    body = {"volume": {"size": 1}, "OS-SCH-HNT:scheduler_hints": {"same_host": theirs}}
    await ground.admin("POST", VOLUMES, body, headers=NEWEST, status=202)


BAD_RECORDS: tuple[dict[str, Any], ...] = (
    {"size": 1 << 31},
    {"size": 0},
    {"display_name": "a\0b"},
    {"container": "c\0"},
    {"display_description": "d" * 256},
    {"snapshot_id": "s" * 37},
    {"volume_type_id": "t" * 300},
    {"encryption_key_id": "k" * 37},
    {"sealed_key": "k" * 5000},
    {"user_id": "u" * 65},
    {"data_project_id": "p" * 65},
    {"metadata": LONG},
    {"metadata": {"k": "v" * 256}},
    {"volume_facts": {"bootable": "x"}},
    {"data_timestamp": "2026-01-01T00:00:00"},
    {"data_timestamp": "0001-01-01T00:00:00+14:00"},
    {"id": "no id"},
)


async def test_a_record_that_no_backup_can_have_is_refused(on_both: Ground) -> None:
    ground = on_both
    volume = await ground.volume()
    made = await ground.user.post(f"{BASE}/backups", {"backup": {"volume_id": volume}}, 202)
    await settle(ground.cloud)
    path = f"{BASE}/backups/{made['backup']['id']}/export_record"
    record = (await ground.admin.get(path))["backup-record"]
    said = {**json.loads(base64.b64decode(record["backup_url"])), "id": new_uuid()}
    for odd in BAD_RECORDS:
        url = base64.b64encode(json.dumps({**said, **odd}).encode()).decode()
        body = {"backup-record": {**record, "backup_url": url}}
        answer = await ground.admin("POST", f"{BASE}/backups/import_record", body)
        assert (answer.status_code, odd) == (400, odd)
    url = base64.b64encode(json.dumps(said).encode()).decode()
    body = {"backup-record": {**record, "backup_url": url}}
    await ground.admin("POST", f"{BASE}/backups/import_record", body, status=201)
    await settle(ground.cloud)


GONE, GONE_TOO = "gone@files", "gone@files2"


async def _on_a_host_that_is_gone(ground: Ground, volume_id: str) -> None:
    """Both back ends of a host are down, and a volume is in one of them."""
    ground.cloud.control.house.absence("block_storage").over_for("gone")
    async with ground.cloud.control.house.database.write() as tx:
        row = still_there(await tx.first(sa.select(services).limit(1)))
        for name in (GONE, GONE_TOO):
            node, _, backend = name.partition("@")
            values = {**row._mapping, "id": new_uuid(), "binary": "cinder-volume", "host": name}
            values |= {
                "node": node,
                "backend": backend,
                "seen_at": datetime(2020, 1, 1, tzinfo=UTC),
            }
            del values["sequence"]
            await tx.insert(services, values)
        there = volumes.update().where(volumes.c.id == volume_id)
        await tx.execute(there.values(host="gone", backend="files"))


async def test_clean_up_is_asked_for_one_thing(ground: Ground) -> None:
    volume = await ground.volume()
    snapshot = await ground.snapshot(volume)
    await _on_a_host_that_is_gone(ground, volume)

    async def down(**values: Any) -> set[str]:
        path = f"{BASE}/workers/cleanup"
        answer = await ground.admin("POST", path, values, headers=NEWEST, status=202)
        return {one["host"] for one in answer.json()["unavailable"]}

    assert await down() == {GONE, GONE_TOO}
    assert await down(resource_type="Volume") == {GONE, GONE_TOO}
    assert await down(resource_id=volume) == {GONE}
    assert await down(resource_id=volume, resource_type="Volume") == {GONE}
    assert await down(resource_id=snapshot, resource_type="Snapshot") == {GONE}
    assert await down(resource_id=volume, resource_type="Snapshot") == set()
    assert await down(resource_id=new_uuid()) == set()
