"""Images that are made from disks, tasks, and what a caller of one project reaches: decided in one transaction each."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest
import sqlalchemy as sa

from hanok.base.errors import BadInput, StepFailed, TooLarge
from hanok.events.tables import events
from hanok.services.image.facade import ImageSettings
from hanok.services.image.logic import images, metadefs, news, remote, snapshots, tasks
from hanok.services.image.room import Images
from hanok.services.image.tables import image_tasks
from hanok.services.image.tables import images as table
from hanok.web.token import Caller
from tests.api.image.helpers import IMAGES, files_in, image
from tests.cloud import Client, Cloud, running
from tests.disks import qcow2

BASE = "/image/v2/metadefs/namespaces"


@pytest.fixture
async def cloud(tmp_path: Path) -> AsyncIterator[Cloud]:
    async with running(
        tmp_path / "state", image=ImageSettings(limits={"image_count_total": 20})
    ) as made:
        yield made


async def begun(cloud: Cloud, owner: Client, **values: Any) -> str:
    """An image that waits for a disk's data."""
    requested: dict[str, Any] = {
        "owner": owner.project_id,
        "name": "of a disk",
        "min_disk_gib": 1,
        "min_ram_mib": 0,
        "properties": {"os_distro": "debian"},
        **values,
    }
    async with cloud.control.database.write() as tx:
        return await snapshots.begin(tx, cloud.images, **requested)


async def test_an_image_of_a_disk_is_begun(cloud: Cloud) -> None:
    one, other = await cloud.project_with("p", "member"), await cloud.project_with("q", "member")
    made = await begun(cloud, one)
    shown = await one.get(f"{IMAGES}/{made}")
    assert (shown["visibility"], shown["status"], shown["os_distro"]) == (
        "private", "queued", "debian",
    )  # fmt: skip
    await other("GET", f"{IMAGES}/{made}", status=404)
    shared = await begun(cloud, one, shared_with=other.project_id)
    assert (await other.get(f"{IMAGES}/{shared}"))["visibility"] == "shared"
    assert (await other.get(f"{IMAGES}/{shared}/members"))["members"][0]["status"] == "pending"
    opened = await begun(cloud, one, shared_with=other.project_id, visibility="community")
    assert (await other.get(f"{IMAGES}/{opened}"))["visibility"] == "community"
    bad: tuple[tuple[dict[str, str], str], ...] = (
        ({f"p{n}": "v" for n in range(129)}, "at most 128"),
        ({"name": "other"}, "'name' is an attribute of images"),
        ({"os_glance_x": "v"}, "os_glance"),
    )
    for properties, why in bad:
        with pytest.raises(BadInput, match=why):
            await begun(cloud, one, properties=properties)
    full = {f"p{n}": "v" for n in range(128)}
    assert len(await one.get(f"{IMAGES}/{await begun(cloud, one, properties=full)}")) > 128
    for _ in range(16):
        await begun(cloud, one)
    with pytest.raises(TooLarge):
        await begun(cloud, one)
    assert snapshots.can_be_property("os_distro") and not snapshots.can_be_property("name")
    assert not snapshots.can_be_property("os_glance_x") and not snapshots.can_be_property("")


async def _taken(
    cloud: Cloud, image_id: str, path: Path, requested: list[str] | None = None
) -> snapshots.Stored:
    looks: list[str] = [] if requested is None else requested
    return await snapshots.take(
        cloud.images,
        image_id,
        path,
        "qcow2",
        attempt="1",
        still_requested=lambda: looks.append("still wanted?"),
    )


async def test_a_disk_is_taken_in(
    cloud: Cloud, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = await cloud.project_with("p", "member")
    made = await begun(cloud, one)
    copy, looks = tmp_path / "copy", list[str]()
    with pytest.raises(StepFailed, match="copy of the server's disk is gone"):
        await _taken(cloud, made, copy)
    assert (await one.get(f"{IMAGES}/{made}"))["status"] == "saving"
    copy.write_bytes(qcow2())
    stored = await _taken(cloud, made, copy, looks)
    assert looks == []  # it is small: nobody is asked
    monkeypatch.setattr(snapshots, "LOOK_EVERY", 1)
    assert await _taken(cloud, made, copy, looks) == stored and looks
    async with cloud.control.database.write() as tx:
        await snapshots.describe(tx, made, {"owner_id": "x"})
        await snapshots.finish(tx, cloud.images, made, stored, {"image_state": "available"})
    shown = await one.get(f"{IMAGES}/{made}")
    assert (shown["status"], shown["size"], shown["virtual_size"]) == (
        "active", len(qcow2()), 1 << 20,
    )  # fmt: skip
    assert (shown["os_distro"], shown["owner_id"], shown["image_state"]) == (
        "debian", "x", "available",
    )  # fmt: skip
    # Its step may be undone by mistake, or run late: what is active stays.
    await snapshots.forget(cloud.images, made, attempt="1")
    async with cloud.control.database.write() as tx:
        await snapshots.give_up(tx, cloud.images, made)
        with pytest.raises(StepFailed, match="deleted"):
            await snapshots.finish(tx, cloud.images, made, stored, {})
        with pytest.raises(StepFailed, match="deleted"):
            await snapshots.finish_without_data(tx, cloud.images, made)
    with pytest.raises(StepFailed, match="deleted"):
        await _taken(cloud, made, copy)
    assert (await one.get(f"{IMAGES}/{made}"))["status"] == "active"
    assert made in files_in(tmp_path / "state" / "images")


async def test_an_image_that_is_deleted_while_it_is_made(
    cloud: Cloud, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = await cloud.project_with("p", "member")
    gone, given_up, undone, empty = [await begun(cloud, one) for _ in range(4)]
    copy = tmp_path / "copy"
    copy.write_bytes(qcow2())
    stored = await _taken(cloud, undone, copy)
    folder = tmp_path / "state" / "images"
    assert undone in files_in(folder)
    await snapshots.forget(cloud.images, undone, attempt="1")
    assert undone not in files_in(folder)
    await one("DELETE", f"{IMAGES}/{gone}", status=204)
    async with cloud.control.database.write() as tx:
        await snapshots.give_up(tx, cloud.images, given_up)
        await snapshots.give_up(tx, cloud.images, gone)
        for act in (
            snapshots.finish(tx, cloud.images, gone, stored, {}),
            snapshots.finish_without_data(tx, cloud.images, gone),
        ):
            with pytest.raises(StepFailed, match="deleted"):
                await act
        await snapshots.finish_without_data(tx, cloud.images, empty)
    await one("GET", f"{IMAGES}/{given_up}", status=404)
    shown = await one.get(f"{IMAGES}/{empty}")
    assert (shown["status"], shown["size"], shown["disk_format"]) == ("active", 0, "raw")
    for image_id in (gone, given_up, "0" * 36):
        with pytest.raises(StepFailed, match="deleted"):
            await _taken(cloud, image_id, copy)
        with pytest.raises(StepFailed, match="deleted"):
            await snapshots._check(cloud.images, image_id)
        await snapshots.remove(cloud.images, image_id)
        await snapshots.forget(cloud.images, image_id, attempt="1")
    await snapshots._check(cloud.images, undone)
    async with cloud.control.database.write() as tx:
        await tx.execute(table.update().where(table.c.id == undone).values(import_task="other"))
    with pytest.raises(StepFailed, match="deleted"):
        await snapshots._check(cloud.images, undone)
    await snapshots.remove(cloud.images, undone)
    await one("GET", f"{IMAGES}/{undone}", status=404)


async def test_backups_that_are_too_many_go_the_oldest_first(cloud: Cloud) -> None:
    one, other = await cloud.project_with("p", "member"), await cloud.project_with("q", "member")
    same = {"image_type": "backup", "backup_type": "daily"}
    made = [await begun(cloud, one, properties=same) for _ in range(4)]
    weekly = await begun(cloud, one, properties={**same, "backup_type": "weekly"})
    theirs = await begun(cloud, other, properties=same)
    async with cloud.control.database.write() as tx:
        for number, image_id in enumerate(made):
            at = cloud.control.clock.now().replace(year=2020 + number)
            await tx.execute(table.update().where(table.c.id == image_id).values(created_at=at))
        await tx.execute(table.update().where(table.c.id == made[0]).values(protected=True))
    await snapshots.rotate(cloud.images, one.project_id, same, 2)
    left = {entry["id"] for entry in (await one.get(IMAGES))["images"]} & {*made, weekly}
    assert left == {made[0], made[2], made[3], weekly}
    await other("GET", f"{IMAGES}/{theirs}", status=200)


async def test_a_task_ends_once(cloud: Cloud) -> None:
    one = await cloud.project_with("p", "member")
    token = await cloud.identity.tokens.validate(one.token)
    unscoped = await cloud.sign_in("p", project=None, scope=None)
    nowhere = await cloud.identity.tokens.validate(unscoped.token)
    assert token is not None and nowhere is not None
    room, now = cloud.images, cloud.control.clock.now()
    requested: dict[str, Any] = {"kind": "import", "image_id": None, "given": {}, "now": now}
    async with cloud.control.database.write() as tx:
        await tasks.create(tx, room, token, task_id="one", **requested)
        other = await tasks.create(tx, room, nowhere, task_id="other", **requested)
        assert other.owner == ""
        for _ in range(2):
            await tasks.begun(tx, room, "one")
        await tasks.told(tx, "one", "it waits", now)
        row = await tasks.get(tx, "one")
        assert row is not None and (row.status, row.message) == ("processing", "it waits")
        await tasks.ended(tx, room, "one", result={"image_id": "i"})
        await tasks.ended(tx, room, "one", message="too late")
        await tasks.told(tx, "one", "too late", now)
        await tasks.begun(tx, room, "one")
        row = await tasks.get(tx, "one")
        assert row is not None and (row.status, row.message) == ("success", "")
        assert row.result == {"image_id": "i"} and row.expires_at == row.updated_at + tasks.KEPT
        await tasks.ended(tx, room, "other", message="broken")
        row = await tasks.get(tx, "other")
        assert row is not None and (row.status, row.message) == ("failure", "broken")
        said = [row.kind for row in await tx.all(sa.select(events))]
        kinds = [kind for kind in said if kind.startswith("image.task.")]
        await tasks.forget_old(tx, now + tasks.KEPT)
        assert await tasks.get(tx, "one") is not None
        reached = {
            who: set(await tx.scalars(tasks.listed(caller).with_only_columns(image_tasks.c.id)))
            for who, caller in (
                ("mine", Caller(user_id="u", project_id=one.project_id)),
                ("nobody", Caller(user_id="u", project_id=None)),
                ("all", Caller(user_id="u", project_id=one.project_id, everywhere=True)),
            )
        }
        later = now.replace(year=now.year + 1)
        await tasks.forget_old(tx, later)
        assert await tasks.get(tx, "one") is None
    assert reached == {"mine": {"one"}, "nobody": {"other"}, "all": {"one", "other"}}
    assert kinds == [
        "image.task.create", "image.task.create", "image.task.processing", "image.task.success",
        "image.task.failure",
    ]  # fmt: skip


async def test_whose_namespaces_and_members_are_seen(cloud: Cloud) -> None:
    one, admin = await cloud.project_with("p", "member"), await cloud.sign_in()
    whole = {"namespace": "Theirs", "owner": one.project_id, "visibility": "private"}
    await admin.post(BASE, whole)
    await admin.post(BASE, {**whole, "namespace": "Mine", "owner": admin.project_id})
    assert (await one.get(f"{BASE}/Theirs"))["owner"] == one.project_id
    await one("GET", f"{BASE}/Mine", status=404)
    async with cloud.control.database.write() as tx:
        nowhere = Caller(user_id="u", project_id=None)
        shown = {row.namespace for row in await tx.all(metadefs.listed(nowhere))}
        assert not shown & {"Theirs", "Mine"}
        before = len(await tx.all(sa.select(events)))
        await news.happened(tx, cloud.images, "0" * 36, "image.activate")
        assert len(await tx.all(sa.select(events))) == before  # nothing is told of what is gone
    made = await image(one, visibility="shared")
    await one.post(f"{IMAGES}/{made}/members", {"member": admin.project_id}, 200)
    await one.post(f"{IMAGES}/{made}/members", {"member": "a third"}, 200)
    assert len((await one.get(f"{IMAGES}/{made}/members"))["members"]) == 2
    assert len((await admin.get(f"{IMAGES}/{made}/members"))["members"]) == 2
    third = await cloud.project_with("q", "member")
    await one.post(f"{IMAGES}/{made}/members", {"member": third.project_id}, 200)
    (mine,) = (await third.get(f"{IMAGES}/{made}/members"))["members"]
    assert mine["member_id"] == third.project_id
    await third("GET", f"{IMAGES}/{made}/members/{admin.project_id}", status=404)


async def test_a_time_without_a_zone_is_utc(cloud: Cloud) -> None:
    one = await cloud.project_with("p", "member")
    made = await image(one)
    async with cloud.control.database.write() as tx:
        at = datetime(2026, 5, 4, 12, tzinfo=UTC)
        await tx.execute(table.update().where(table.c.id == made).values(created_at=at))
    for text, found in (
        ("2026-05-04T12:00:00", 1),
        ("2026-05-04T12:00:00Z", 1),
        ("2026-05-04T14:00:00%2B02:00", 1),
        ("2026-05-04T12:00:00%2B02:00", 0),
        ("gt:2026-05-04T12:00:00", 0),
        ("gte:2026-05-04T12:00:00", 1),
        ("neq:2026-05-04T12:00:00", 0),
    ):
        listed = (await one.get(f"{IMAGES}?created_at={text}&owner={one.project_id}"))["images"]
        assert len(listed) == found, text


async def test_the_token_of_an_import_may_be_gone(cloud: Cloud) -> None:
    room: Images = cloud.images
    there = remote.source("http://127.0.0.1:1/image", "http://here", "i", "not sealed by us")
    for one in (room, msgspec.structs.replace(room, secrets=None)):
        with pytest.raises(StepFailed, match="token of the user who requested"):
            await remote.describe(one, there, ())
    nowhere = remote.source(None, "http://here", "i", "")
    with pytest.raises(StepFailed, match="no such image service"):
        await remote.describe(room, nowhere, ())
    async with cloud.control.database.read() as tx:
        assert await images.get_any(tx, "0" * 36) is None
