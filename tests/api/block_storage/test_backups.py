"""Backups: made, chained, restored, exported, deleted, broken."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from hanok.base import failpoints
from hanok.base.ids import new_uuid
from hanok.commands.volumes import EnsureVolumeCopy, ForgetVolumeCopy, VolumeState, copy_name
from hanok.commands.wire import ask
from hanok.services.block_storage.operations.backups import OPERATIONS
from hanok.services.block_storage.room import BackupSettings, BlockStorageSettings
from hanok.services.identity.tables import sealing_keys
from tests.api.block_storage.grounds import BASE, NEWEST, VOLUMES, Ground, at, standing
from tests.cloud import an_image, settle

BACKUPS = f"{BASE}/backups"


class Backups(Ground):
    """And the way to backups."""

    async def backup(self, volume_id: str, status: int = 202, **values: Any) -> str:
        body = {"backup": {"volume_id": volume_id, **values}}
        answer = await self.user("POST", BACKUPS, body, headers=NEWEST, status=status)
        await settle(self.cloud)
        return str(answer.json()["backup"]["id"]) if status == 202 else answer.text

    async def backed_up(self, backup_id: str) -> Any:
        return (await self.user.get(f"{BACKUPS}/{backup_id}", headers=NEWEST))["backup"]

    async def restore(self, backup_id: str, status: int = 202, **values: Any) -> Any:
        path = f"{BACKUPS}/{backup_id}/restore"
        answer = await self.user("POST", path, {"restore": values}, status=status)
        await settle(self.cloud)
        return answer.json()["restore"] if status == 202 else answer.text

    async def content(self, volume_id: str) -> bytes:
        """What is on a volume, without the zeros behind it."""
        shown = await self.show(volume_id)
        backend = shown["os-vol-host-attr:host"].rpartition("#")[2]
        copy = new_uuid()
        request = EnsureVolumeCopy(copy_id=copy, volume_id=volume_id, backend=backend)
        bus = self.cloud.control.bus
        assert isinstance(await ask(bus, "host-1", request, timeout_s=60), VolumeState)
        found = self.copies().joinpath(copy_name(copy)).read_bytes()
        await ask(bus, "host-1", ForgetVolumeCopy(copy_id=copy), timeout_s=60)
        return found.rstrip(b"\0")

    def copies(self) -> Path:
        return self.cloud.control.house.copies.folder

    async def an_image_with(self, data: bytes) -> str:
        body = {"name": "i", "disk_format": "raw", "container_format": "bare"}
        image_id = str((await self.user.post("/image/v2/images", body))["id"])
        path = f"/image/v2/images/{image_id}/file"
        headers = {"Content-Type": "application/octet-stream"}
        await self.user("PUT", path, content=data, headers=headers, status=204)
        return image_id

    async def assert_no_copies(self) -> None:
        assert [one.name for one in self.copies().glob("*volume-*")] == []


@pytest.fixture
async def ground(tmp_path: Path, database_url: str) -> AsyncIterator[Backups]:
    async with standing(tmp_path, database=database_url) as made:
        yield Backups(made.cloud, made.admin, made.user)


def _objects(state: Path) -> list[Path]:
    return [one for one in (state / "control" / "backups").rglob("*") if one.is_file()]


async def test_a_backup_comes_back_as_a_new_volume(ground: Backups, tmp_path: Path) -> None:
    image = await an_image(ground.user)
    volume = await ground.volume(1, imageRef=image, metadata={"a": "b"})
    backup = await ground.backup(volume, name=" b ", description="d", metadata={"k": "v"})
    shown = await ground.backed_up(backup)
    assert (shown["status"], shown["name"], shown["size"]) == ("available", "b", 1)
    assert (shown["container"], shown["availability_zone"]) == ("volumebackups", "nova")
    assert shown["is_incremental"] is shown["has_dependent_backups"] is False
    assert shown["metadata"] == {"k": "v"}
    assert shown["object_count"] == len(_objects(tmp_path))
    assert await ground.status(volume) == "available"
    await ground.delete(f"{VOLUMES}/{volume}")
    made = await ground.restore(backup)
    assert made["volume_name"] == f"restore_backup_{backup}"
    again = await ground.show(made["volume_id"])
    assert (again["status"], again["bootable"], again["size"]) == ("available", "true", 1)
    assert again["volume_image_metadata"]["image_id"] == image
    assert again["metadata"] == {"a": "b"}
    assert (await ground.backed_up(backup))["status"] == "available"
    other = await ground.volume(2, backup_id=backup)
    assert await ground.status(other) == "available"
    await ground.assert_clean()
    await ground.assert_no_copies()
    await ground.delete(f"{BACKUPS}/{backup}")
    await ground.user("GET", f"{BACKUPS}/{backup}", status=404)
    assert _objects(tmp_path) == []


async def test_chains_are_kept_and_each_link_has_its_moment(
    ground: Backups, tmp_path: Path
) -> None:
    first, second = b"first" * 200_000, b"second" * 200_000
    volume = await ground.volume(1, imageRef=await ground.an_image_with(first))
    other = await ground.volume(1, imageRef=await ground.an_image_with(second))
    refused = await ground.backup(volume, 400, incremental=True)
    assert "No backups available to do an incremental backup." in refused
    full = await ground.backup(volume)
    same = await ground.backup(volume, incremental=True)
    theirs = await ground.backup(other)
    await ground.restore(theirs, volume_id=volume)
    assert await ground.content(volume) == second
    changed = await ground.backup(volume, incremental=True)
    chain = [await ground.backed_up(one) for one in (full, same, changed)]
    assert [one["is_incremental"] for one in chain] == [False, True, True]
    assert [one["has_dependent_backups"] for one in chain] == [True, True, False]
    assert [one["object_count"] for one in chain] == [2, 1, 2]
    for one in (full, same):
        answer = await ground.user("DELETE", f"{BACKUPS}/{one}", status=400)
        assert "Incremental backups exist for this backup." in answer.text
    path = f"{BACKUPS}/{full}/action"
    await ground.admin("POST", path, {"os-force_delete": {}}, status=400)
    for one, content in ((changed, second), (same, first), (full, first)):
        made = await ground.restore(one)
        assert await ground.content(made["volume_id"]) == content
    for one in (changed, same, full, theirs):
        await ground.delete(f"{BACKUPS}/{one}")
    assert _objects(tmp_path) == []
    await ground.assert_clean()


async def test_a_snapshot_is_backed_up_and_a_volume_in_use_when_forced(ground: Backups) -> None:
    volume = await ground.volume()
    snapshot = await ground.snapshot(volume)
    backup = await ground.backup(volume, snapshot_id=snapshot)
    assert (await ground.backed_up(backup))["snapshot_id"] == snapshot
    kept = (await ground.user.get(f"{BASE}/snapshots/{snapshot}"))["snapshot"]
    assert kept["status"] == "available"
    connector = {"instance_uuid": new_uuid(), "mountpoint": "/dev/vdb"}
    await ground.act(volume, "os-attach", connector)
    assert "must use the force flag" in await ground.backup(volume, 400)
    await ground.backup(volume, force=True)
    assert await ground.status(volume) == "in-use"
    stranger = await ground.volume()
    assert "is not one of volume" in await ground.backup(stranger, 400, snapshot_id=snapshot)


async def test_what_cannot_be_restored_is_refused(ground: Backups) -> None:
    large, small = await ground.volume(2), await ground.volume(1)
    backup = await ground.backup(large)
    text = await ground.restore(backup, 400, volume_id=small)
    assert "volume size 1 is too small to restore backup of size 2." in text
    await ground.restore(backup, 404, volume_id=new_uuid())
    path = f"{BACKUPS}/{backup}/action"
    await ground.admin("POST", path, {"os-reset_status": {"status": "error"}}, status=202)
    assert "Backup status must be available" in await ground.restore(backup, 400)
    await ground.admin("POST", path, {"os-reset_status": {"status": "odd"}}, status=400)
    await ground.user("POST", path, {"os-reset_status": {"status": "error"}}, status=403)


async def test_an_encrypted_backup_stays_one(ground: Backups, tmp_path: Path) -> None:
    secret = b"geheim" * 1000
    body = {"volume_type": {"name": "sealed"}}
    kind = (await ground.admin.post(f"{BASE}/types", body, 200))["volume_type"]["id"]
    how: dict[str, Any] = {"encryption": {"provider": "luks", "key_size": 256}}
    await ground.admin("POST", f"{BASE}/types/{kind}/encryption", how, status=200)
    image = await ground.an_image_with(secret)
    volume = await ground.volume(1, imageRef=image, volume_type="sealed")
    backup = await ground.backup(volume)
    shown = await ground.backed_up(backup)
    assert shown["encryption_key_id"] == (await ground.show(volume))["encryption_key_id"]
    plain = await ground.volume(1)
    other = await ground.volume(1, volume_type="sealed")
    for odd in (plain, other):
        text = await ground.restore(backup, 400, volume_id=odd)
        assert "encrypted with the same key" in text
    await ground.restore(backup, volume_id=volume)
    assert await ground.status(volume) == "available"
    made = await ground.restore(backup)
    again = await ground.show(made["volume_id"])
    assert (again["encrypted"], again["volume_type"]) == (True, "sealed")
    assert again["status"] == "available"


async def test_keys_of_volumes_outlive_rotations(ground: Backups) -> None:
    body = {"volume_type": {"name": "sealed"}}
    kind = (await ground.admin.post(f"{BASE}/types", body, 200))["volume_type"]["id"]
    how: dict[str, Any] = {"encryption": {"provider": "luks"}}
    await ground.admin("POST", f"{BASE}/types/{kind}/encryption", how, status=200)
    backup = await ground.backup(await ground.volume(1, volume_type="sealed"))
    for _ in range(3):
        await ground.admin.post("/hanok/v1/keys/rotate", {}, 200)
        async with ground.cloud.control.database.write() as tx:
            for key in await tx.all(sa.select(sealing_keys)):
                mine = (sealing_keys.c.purpose == key.purpose) & (
                    sealing_keys.c.number == key.number
                )
                made_at = key.made_at - timedelta(days=9)
                await tx.execute(sealing_keys.update().where(mine).values(made_at=made_at))
        ground.cloud.identity.secrets._keys = ()  # as a process that has just started
    made = await ground.restore(backup)
    assert await ground.status(made["volume_id"]) == "available"


async def test_records_find_what_the_database_forgot(ground: Backups, tmp_path: Path) -> None:
    data = b"kept" * 1000
    volume = await ground.volume(1, imageRef=await ground.an_image_with(data))
    backup = await ground.backup(volume)
    record = (await ground.admin.get(f"{BACKUPS}/{backup}/export_record"))["backup-record"]
    assert record["backup_service"].startswith("cinder.backup.drivers")
    path = f"{BACKUPS}/import_record"
    answer = await ground.admin("POST", path, {"backup-record": record}, status=400)
    assert "already exists" in answer.text
    said = json.loads(base64.b64decode(record["backup_url"]))
    said["id"] = new_uuid()
    other = {**record, "backup_url": base64.b64encode(json.dumps(said).encode()).decode()}
    made = await ground.admin.post(path, {"backup-record": other}, 201)
    assert made["backup"]["id"] == said["id"]
    await settle(ground.cloud)
    shown = (await ground.admin.get(f"{BACKUPS}/{said['id']}"))["backup"]
    assert (shown["status"], shown["object_count"]) == ("available", 2)
    await ground.delete(f"{BACKUPS}/{backup}")
    assert len(_objects(tmp_path)) == 2
    answer = await ground.admin("POST", f"{BACKUPS}/{said['id']}/restore", {"restore": {}})
    await settle(ground.cloud)
    assert await ground.content(answer.json()["restore"]["volume_id"]) == data
    await ground.admin("DELETE", f"{BACKUPS}/{said['id']}", status=202)
    await settle(ground.cloud)
    assert _objects(tmp_path) == []
    for odd in ({**record, "backup_url": "!"}, {**record, "backup_service": "x"}):
        await ground.admin("POST", path, {"backup-record": odd}, status=400)
    made = await ground.admin.post(path, {"backup-record": record}, 201)
    await settle(ground.cloud)
    shown = (await ground.admin.get(f"{BACKUPS}/{backup}"))["backup"]
    assert (shown["status"], shown["fail_reason"]) == (
        "error",
        "The backup's manifest is not in its store.",
    )


async def test_doctor_compares_backups_with_their_store(ground: Backups, tmp_path: Path) -> None:
    data = b"kept" * 1000
    volume = await ground.volume(1, imageRef=await ground.an_image_with(data))
    kept, lost = await ground.backup(volume), await ground.backup(volume)
    await ground.assert_clean()
    manifest = next(one for one in _objects(tmp_path) if one.name == f"{lost}.manifest")
    manifest.unlink()
    nobody = new_uuid()
    (manifest.parent / f"{nobody}.00000000").write_bytes(b"x")
    (manifest.parent / f".{nobody}.00000001.a.part").write_bytes(b"x")
    (manifest.parent / "notes.txt").write_bytes(b"x")
    ground.copies().mkdir(exist_ok=True)
    (ground.copies() / copy_name(nobody)).write_bytes(b"x")
    (ground.copies() / f".{copy_name(nobody)}.part").write_bytes(b"x")

    async def found() -> list[tuple[str, bool]]:
        told = (await ground.admin.get("/hanok/v1/inventory"))["differences"]
        return sorted((one["what"], one["mendable"]) for one in told)

    stray = [("backup data", True)] * 2 + [("volume copy", True)] * 2
    assert await found() == [("backup", False), *stray]
    await ground.admin("POST", "/hanok/v1/inventory/mend", status=200)
    assert await found() == [("backup", False)]
    assert (manifest.parent / "notes.txt").exists()
    restored = await ground.restore(kept)
    assert await ground.content(restored["volume_id"]) == data


async def test_quotas_and_lists(ground: Backups) -> None:
    volume = await ground.volume(1)
    path = f"{BASE}/os-quota-sets/{ground.user.project_id}"
    await ground.admin("PUT", path, {"quota_set": {"backups": 2, "backup_gigabytes": 5}})
    ids = [await ground.backup(volume, name=f"b{n}") for n in range(2)]
    text = await ground.backup(volume, 413)
    assert "BackupLimitExceeded: Maximum number of backups allowed (2) exceeded" in text
    await ground.admin("PUT", path, {"quota_set": {"backups": 5, "backup_gigabytes": 2}})
    assert "VolumeBackupSizeExceedsAvailableQuota: Requested backup" in await ground.backup(
        volume, 413
    )
    assert "Requested 1G, quota is 2G and 2G has been consumed." in await ground.backup(volume, 413)
    limits = (await ground.user.get(f"{BASE}/limits"))["limits"]["absolute"]
    assert (limits["totalBackupsUsed"], limits["totalBackupGigabytesUsed"]) == (2, 2)
    page = await ground.user.get(
        f"{BACKUPS}/detail?limit=1&sort=name:asc&with_count=true&volume_id={volume}", headers=NEWEST
    )
    assert [one["id"] for one in page["backups"]] == ids[:1]
    assert page["count"] == 2
    assert "marker=" in page["backups_links"][0]["href"]
    found = await ground.user.get(f"{BACKUPS}?name=b1", headers=NEWEST)
    assert [one["id"] for one in found["backups"]] == ids[1:]
    assert set(found["backups"][0]) == {"id", "name", "links"}
    await ground.user("GET", f"{BACKUPS}?odd=1", headers=NEWEST, status=400)
    other = await ground.cloud.project_with("q", "member")
    assert (await other.get(f"{BACKUPS}?all_tenants=1"))["backups"] == []
    await other("GET", f"{BACKUPS}/{ids[0]}", status=404)
    both = await ground.admin.get(f"{BACKUPS}/detail?all_tenants=1", headers=NEWEST)
    project = {one["os-backup-project-attr:project_id"] for one in both["backups"]}
    assert project == {ground.user.project_id}


async def test_it_is_changed_and_shown_by_version(ground: Backups) -> None:
    backup = await ground.backup(await ground.volume())
    path = f"{BACKUPS}/{backup}"
    body = {"backup": {"name": "n", "description": "d", "metadata": {"a": "b"}}}
    changed = await ground.user("PUT", path, body, headers=NEWEST, status=200)
    assert changed.json()["backup"]["name"] == "n"
    oldest = (await ground.user.get(path))["backup"]
    assert not {"metadata", "user_id", "os-backup-project-attr:project_id"} & set(oldest)
    newest = await ground.backed_up(backup)
    assert (newest["metadata"], newest["user_id"]) == ({"a": "b"}, ground.user.user_id)
    await ground.user("PUT", path, {"backup": {"name": "n"}}, status=404)
    await ground.user("PUT", path, {"backup": {"metadata": {}}}, headers=at("3.42"), status=400)
    await ground.user("PUT", path, {"backup": {}}, headers=NEWEST, status=400)


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"container": "a/b"},
        {"snapshot_id": "x"},
        {"incremental": "perhaps"},
        {"availability_zone": "nowhere"},
        {"unheard": 1},
        {"name": "x" * 256},
        {"metadata": {"k": 1}},
    ],
    ids=str,
)
async def test_what_cannot_be_a_backup_is_refused(ground: Backups, body: dict[str, Any]) -> None:
    volume = {"volume_id": await ground.volume()} if body else {}
    sent = {"backup": {**volume, **body}}
    await ground.user("POST", BACKUPS, sent, headers=NEWEST, status=400)
    assert (await ground.user.get(BACKUPS))["backups"] == []


async def test_backups_go_to_the_projects_own_objects(tmp_path: Path) -> None:
    settings = BlockStorageSettings(backups=BackupSettings(kind="objects"))
    async with standing(tmp_path, block_storage=settings) as made:
        ground = Backups(made.cloud, made.admin, made.user)
        data = b"mine" * 5000
        volume = await ground.volume(1, imageRef=await ground.an_image_with(data))
        backup = await ground.backup(volume, container="mine")
        shown = await ground.backed_up(backup)
        assert (shown["status"], shown["container"]) == ("available", "mine"), shown
        made_again = await ground.restore(backup)
        assert await ground.content(made_again["volume_id"]) == data
        await ground.delete(f"{BACKUPS}/{backup}")
        await ground.user("GET", f"{BACKUPS}/{backup}", status=404)
        await ground.assert_clean()


@pytest.mark.parametrize("step", ["CopyVolume", "StoreBackup", "DropCopy"])
async def test_what_is_being_made_is_stopped_and_deleted(
    ground: Backups, tmp_path: Path, step: str
) -> None:
    image = await ground.an_image_with(b"x" * 5000)
    volume = await ground.volume(1, imageRef=image)
    point = f"block_storage.create_backup.{step}.after_do"
    with failpoints.armed(point, "hang"):
        body = {"backup": {"volume_id": volume}}
        backup = (await ground.user.post(BACKUPS, body, 202))["backup"]["id"]
        async with asyncio.timeout(30):
            while not failpoints.waiting(point):
                await asyncio.sleep(0.001)
        assert await ground.status(volume) == "backing-up"
        await ground.user("DELETE", f"{BACKUPS}/{backup}", status=400)
        path = f"{BACKUPS}/{backup}/action"
        await ground.admin("POST", path, {"os-force_delete": {}}, status=202)
        await settle(ground.cloud)
    await ground.user("GET", f"{BACKUPS}/{backup}", status=404)
    assert await ground.status(volume) == "available"
    assert _objects(tmp_path) == []
    await ground.assert_no_copies()
    await ground.assert_clean()


# ---- broken at each place ----

PLACES = ("before_do", "after_do", "before_save")
KINDS = {str(one.__struct_config__.tag): one for one in OPERATIONS}
POINTS = [
    f"{tag}.{step.__name__}.{place}"
    for tag, kind in KINDS.items()
    for step in kind.steps
    for place in PLACES
]


@pytest.fixture
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hanok.operations.execution.RETRY_S", (0.0,) * 5)
    monkeypatch.setattr("hanok.operations.execution.UNDO_RETRY_S", (0.0,) * 5)


async def _whole_life(ground: Backups) -> None:
    """All operations of backups, whatever comes of each; in the end all is gone."""
    volume = await ground.volume(1, imageRef=await ground.an_image_with(b"x" * 5000))
    body = {"backup": {"volume_id": volume}}
    backup = (await ground.user.post(BACKUPS, body, 202))["backup"]["id"]
    await settle(ground.cloud)
    for values in ({"volume_id": volume}, {}):
        await ground.user("POST", f"{BACKUPS}/{backup}/restore", {"restore": values})
        await settle(ground.cloud)
    answer = await ground.admin("GET", f"{BACKUPS}/{backup}/export_record")
    if answer.status_code == 200:
        record = answer.json()["backup-record"]
        said = {**json.loads(base64.b64decode(record["backup_url"])), "id": new_uuid()}
        record["backup_url"] = base64.b64encode(json.dumps(said).encode()).decode()
        await ground.admin("POST", f"{BACKUPS}/import_record", {"backup-record": record})
        await settle(ground.cloud)
    for one in (await ground.user.get(f"{VOLUMES}/detail"))["volumes"]:
        assert one["status"] in ("available", "error", "error_restoring"), one
    for _ in range(2):
        listed = (await ground.admin.get(f"{BACKUPS}/detail?all_tenants=1"))["backups"]
        for one in listed:
            assert one["status"] in ("available", "error"), one
            await ground.admin("DELETE", f"{BACKUPS}/{one['id']}", status=202)
            await settle(ground.cloud)


@pytest.mark.slow
@pytest.mark.parametrize("action", ["raise", "twice"])
@pytest.mark.parametrize("point", POINTS)
@pytest.mark.usefixtures("_at_once")
async def test_broken_anywhere_nothing_is_left(tmp_path: Path, point: str, action: str) -> None:
    if action == "twice" and not point.endswith("before_do"):
        return
    async with standing(tmp_path) as made:
        ground = Backups(made.cloud, made.admin, made.user)
        times = -1 if action == "twice" else 1
        with failpoints.armed(point, action, times):
            await _whole_life(ground)
        await ground.assert_clean()
        await ground.assert_no_copies()
        assert (await ground.admin.get(f"{BACKUPS}?all_tenants=1"))["backups"] == []
        assert _objects(tmp_path) == []
        for one in (await ground.user.get(VOLUMES))["volumes"]:
            await ground.delete(f"{VOLUMES}/{one['id']}")
        await ground.assert_nothing_left()
