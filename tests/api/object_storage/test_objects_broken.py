"""Object storage broken at each failpoint: an object is the old one or the new one, and nothing is left over."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest
import sqlalchemy as sa
from tests.api.object_storage.objects import Swift, member
from tests.cloud import Cloud, running

from hanok.base import failpoints
from hanok.base.failpoints import armed
from hanok.drivers.byte_store import Files, Full
from hanok.drivers.image_stores import StoreBroken
from hanok.events.tables import events
from hanok.services.object_storage import facade
from hanok.services.object_storage.facade import ObjectStorageSettings, ObjectStore
from hanok.services.object_storage.tables import object_containers, objects

PLACES = [
    "objects.put.between_pieces", "objects.put.before_whole", "objects.put.after_whole",
    "objects.put.before_row", "objects.put.after_row",
]  # fmt: skip
BIG = bytes(range(256)) * 12 * 1024  # three pieces


async def _pieces(data: bytes) -> AsyncIterator[bytes]:
    for at in range(0, len(data), 1 << 18):
        yield data[at : at + (1 << 18)]


def _store(cloud: Cloud) -> ObjectStore:
    return cloud.control.house.facade(ObjectStore)


async def _blobs(cloud: Cloud) -> list[tuple[str, bool]]:
    return [(one.blob, one.whole) async for one in _store(cloud).store.list()]


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("how", ["raise", "cancel"])
async def test_a_broken_put_leaves_the_old_or_the_new(tmp_path: Path, place: str, how: str) -> None:
    settings = ObjectStorageSettings(swept_after_s=0.0, let_go_after_s=0.0, durable=False)
    async with running(tmp_path, hosts=0, object_storage=settings) as cloud:
        swift = await member(cloud)
        await swift.put("/c")
        await swift.put("/c/o", b"old")
        if how == "raise":
            with armed(place, "raise"):
                await swift("PUT", "/c/o", 500, content=_pieces(BIG))
        else:
            with armed(place, "hang"):
                putting = asyncio.ensure_future(swift("PUT", "/c/o", content=_pieces(BIG)))
                while not failpoints.waiting(place):
                    await asyncio.sleep(0.001)
                putting.cancel()
                await asyncio.gather(putting, return_exceptions=True)
        read = (await swift("GET", "/c/o", 200)).content
        assert read == (BIG if place == "objects.put.after_row" else b"old")
        account = (await swift("HEAD", "")).headers
        assert account["x-account-bytes-used"] == str(len(read))
        await facade.sweep(_store(cloud), everything=True)
        assert len(await _blobs(cloud)) == 1
        assert (await swift("GET", "/c/o", 200)).content == read
        assert await facade.differences(_store(cloud), mend=False) == []


async def test_what_is_said_of_an_object_is_said_of_what_it_is_now(cloud: Cloud) -> None:
    swift = await member(cloud)
    await swift.put("/c")
    await swift.put("/c/part", b"part")
    await swift.put("/c/o", b"plain")
    place = "objects.post.before_row"
    with armed(place, "hang"):
        posting = asyncio.ensure_future(swift("POST", "/c/o", headers={"X-Object-Meta-A": "1"}))
        while not failpoints.waiting(place):
            await asyncio.sleep(0.001)
        manifest = [{"path": "/c/part"}, {"path": "/c/part"}]
        await swift("PUT", "/c/o?multipart-manifest=put", 201, json=manifest)
        failpoints.release(place)
        assert (await posting).status_code == 202
    read = await swift("GET", "/c/o", 200)
    assert (read.content, read.headers["x-object-meta-a"]) == (b"partpart", "1")


async def test_two_writers_of_one_name(cloud: Cloud) -> None:
    swift = await member(cloud)
    await swift.put("/c")
    bodies = [bytes([number]) * (1 << 20) for number in range(8)]
    await asyncio.gather(*(swift("PUT", "/c/o", 201, content=_pieces(one)) for one in bodies))
    assert (await swift("GET", "/c/o", 200)).content in bodies
    head = (await swift("HEAD", "/c")).headers
    assert (head["x-container-object-count"], head["x-container-bytes-used"]) == ("1", str(1 << 20))
    await facade.sweep(_store(cloud), everything=False)
    assert len(await _blobs(cloud)) == 1


async def test_writers_that_wait_for_one_another_all_write(cloud: Cloud) -> None:
    swift = await member(cloud)
    for one, other in (("a", "b"), ("b", "a")):
        await swift.put(f"/{one}", headers={"X-Versions-Location": other})
        await swift.put(f"/{one}/o", b"old")
    for _ in range(2):
        names = [f"/{container}/o" for container in "ab"] * 3
        await asyncio.gather(*(swift("PUT", name, 201, content=b"new") for name in names))
        gone = await asyncio.gather(*(swift("DELETE", name) for name in names[:2]))
        assert {one.status_code for one in gone} == {204}


async def test_who_waits_for_a_word_before_the_body_gets_the_last_one(cloud: Cloud) -> None:
    swift = await member(cloud)
    waits = {"Expect": "100-continue"}
    away = {**waits, "X-Auth-Token": "none"}
    assert (await swift("PUT", "/c/o", 401, headers=away)).headers["connection"] == "close"
    assert (await swift("PUT", "/c/o", 404, headers=waits)).headers["connection"] == "close"
    await swift.put("/c")
    made = await swift("PUT", "/c/o", 201, content=b"x", headers=waits)
    assert "connection" not in made.headers


async def test_quotas_hold_when_many_write_at_once(cloud: Cloud) -> None:
    swift = await member(cloud)
    await swift.put("/c", headers={"X-Container-Meta-Quota-Bytes": "1000"})
    puts = (swift("PUT", f"/c/{number}", content=_pieces(b"x" * 300)) for number in range(8))
    told = sorted(one.status_code for one in await asyncio.gather(*puts))
    assert told == [201] * 3 + [413] * 5
    assert len(await _blobs(cloud)) == 3


async def test_an_account_has_a_quota_before_anybody_sets_one(tmp_path: Path) -> None:
    settings = ObjectStorageSettings(quota_bytes=10, durable=False)
    async with running(tmp_path, hosts=0, object_storage=settings) as cloud:
        swift = await member(cloud)
        reseller = Swift(await cloud.project_with("s", "ResellerAdmin"), swift.account)
        await swift.put("/c")
        await swift.put("/c/o", b"x" * 10)
        await swift("PUT", "/c/p", 413, content=b"x")
        await reseller("POST", "", 204, headers={"X-Account-Meta-Quota-Bytes": "11"})
        await swift("PUT", "/c/p", 201, content=b"x")


async def test_what_is_read_is_read_to_its_end(cloud: Cloud) -> None:
    swift = await member(cloud)
    await swift.put("/c")
    await swift("PUT", "/c/o", 201, content=_pieces(BIG))
    store = _store(cloud).store
    ((blob, _),) = await _blobs(cloud)
    reading = await store.get(blob)
    first = await anext(reading)
    await swift("DELETE", "/c/o", 204)
    await facade.sweep(_store(cloud), everything=False)
    assert await _blobs(cloud) == []
    assert first + b"".join([one async for one in reading]) == BIG


async def test_doctor_names_what_is_not_as_the_rows_say(tmp_path: Path, database_url: str) -> None:
    settings = ObjectStorageSettings(swept_after_s=0.0, let_go_after_s=0.0, durable=False)
    async with running(tmp_path, hosts=0, database=database_url, object_storage=settings) as cloud:
        swift, room = await member(cloud), _store(cloud)
        await swift.put("/c")
        await swift.put("/c/lost", b"lost")
        await swift.put("/c/o", b"there")
        await swift.put("/c/cut", b"longer")
        assert await facade.differences(room, mend=False) == []
        async with cloud.control.database.write() as tx:
            rows = {row.name: row.blob for row in await tx.all(sa.select(objects))}
            await tx.execute(object_containers.update().values(bytes=1))
        folder = tmp_path / "control" / "objects"
        (folder / rows["lost"][:2] / rows["lost"]).unlink()
        (folder / rows["cut"][:2] / rows["cut"]).write_bytes(b"l")
        (folder / "new" / "left").write_bytes(b"left")
        found = await facade.differences(room, mend=True)
        assert [what for what, _, _ in found] == ["count", "stray", "object", "object"]
        assert {detail for what, detail, _ in found if what == "object"} == {
            f"object /{swift.account}/c/lost: its bytes are not there",
            f"object /{swift.account}/c/cut has 1 bytes, not 6",
        }
        left = await facade.differences(room, mend=False)
        assert [what for what, _, _ in left] == ["object", "object"]
        await swift("GET", "/c/lost", 503)
        await swift("GET", "/c/cut", 503)
        assert (await swift("HEAD", "/c")).headers["x-container-bytes-used"] == "15"


async def test_what_other_services_keep_is_read_as_they_wrote_it(cloud: Cloud) -> None:
    swift = await member(cloud)
    kept = facade.AccountStore(_store(cloud), swift.account, "kept")
    await kept.put("full", _pieces(b"data"), attempt="1")
    await kept.put("empty", _pieces(b""), attempt="1")
    assert [piece async for piece in kept.get("full", 1, 2)] == [b"at"]
    assert [piece async for piece in kept.get("empty", 0, 10)] == []
    await swift("PUT", "/kept/full", 201, headers={"X-Symlink-Target": "kept/empty"})
    await swift("PUT", "/kept/empty", 201, headers={"X-Object-Manifest": "kept/full"})
    for name in ("full", "empty"):
        with pytest.raises(StoreBroken, match="not what was written"):
            _ = [piece async for piece in kept.get(name, 0, 10)]


async def test_a_full_disk_is_said_and_reads_go_on(tmp_path: Path) -> None:
    async with running(tmp_path, hosts=0) as cloud:
        swift = await member(cloud)
        await swift.put("/c")
        await swift.put("/c/o", b"x")
    full = ObjectStorageSettings(reserve_mib=1 << 40, durable=False)
    async with running(tmp_path, hosts=0, object_storage=full) as cloud:
        swift = Swift(await cloud.sign_in("p", project="p"))
        await swift("PUT", "/c/new", 507, content=b"x")
        await swift("PUT", "/c/o", 507, content=_pieces(BIG))
        assert (await swift("GET", "/c/o", 200)).content == b"x"
        await swift("DELETE", "/c/o", 204)
        assert await _blobs(cloud) != []  # its bytes stay a while
        await swift("PUT", "/c/new", 507, content=b"x")
        assert await _blobs(cloud) == []  # not where they are in the way
    with pytest.raises(Full):
        await Files(tmp_path, reserve=1 << 60).put(_pieces(b"x"), limit=9)


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_every_change_is_told(cloud: Cloud) -> None:
    swift = await member(cloud)
    at = cloud.control.database

    async def told() -> list[str]:
        async with at.read() as tx:
            rows = await tx.all(sa.select(events).order_by(events.c.sequence))
        return [row.kind for row in rows if row.kind.startswith("object_storage.")]

    manifest = msgspec.json.encode([{"path": "/c/o"}])
    seen: list[str] = []
    for method, path, body, headers, what in (
        ("PUT", "/c", b"", {}, ["container.created"]),
        ("POST", "/c", b"", {"X-Container-Meta-A": "1"}, ["container.updated"]),
        ("PUT", "/c", b"", {}, ["container.updated"]),
        ("POST", "", b"", {"X-Account-Meta-A": "1"}, ["account.updated"]),
        ("PUT", "/c/o", b"x", {}, ["object.created"]),
        ("POST", "/c/o", b"", {}, ["object.updated"]),
        ("COPY", "/c/o", b"", {"Destination": "c/p"}, ["object.created"]),
        ("PUT", "/c/slo?multipart-manifest=put", manifest, {}, ["object.created"]),
        ("DELETE", "/c/slo?multipart-manifest=delete", b"", {}, ["object.deleted"] * 2),
        ("POST", "?bulk-delete", b"/c/p\n/c", {}, ["object.deleted", "container.deleted"]),
        ("GET", "", b"", {}, []),
    ):
        answer = await swift(method, path, content=body, headers=headers)
        assert answer.status_code < 300
        now = await told()
        assert now[len(seen) :] == [f"object_storage.{one}" for one in what], (method, path)
        seen = now


async def test_switched_off_and_on(cloud: Cloud) -> None:
    swift, admin = await member(cloud), await cloud.sign_in()
    await swift.put("/c")
    await swift.put("/c/o", b"x")
    services = "/hanok/v1/services/object_storage"
    await admin("PUT", services, {"enabled": False}, status=204)
    async with asyncio.timeout(60):
        while (await swift("GET", "/c/o")).status_code != 503:
            await asyncio.sleep(0.01)
    early = await swift("PUT", "/c/o", 503, headers={"Expect": "100-continue"})
    assert early.headers["connection"] == "close"
    again = await cloud.sign_in("p", project="p")
    assert "object-store" not in [one["type"] for one in again.body["catalog"]]
    await admin("PUT", services, {"enabled": True}, status=204)
    async with asyncio.timeout(60):
        while (await swift("GET", "/c/o")).status_code != 200:
            await asyncio.sleep(0.01)


# ---- ten writers, and processes that are killed ----


async def test_ten_writers_are_counted_exactly(cloud: Cloud) -> None:
    swift, room = await member(cloud), _store(cloud)
    await swift.put("/c")
    await swift.put("/v", headers={"X-Versions-Enabled": "true"})

    async def write(number: int) -> None:
        for round_ in range(4):
            name = f"{number if round_ % 2 else 'same'}"
            for container in ("c", "v"):
                await swift("PUT", f"/{container}/{name}", 201, content=b"x" * (number + 1))
            await swift("COPY", f"/c/{name}", headers={"Destination": f"c/copy{number}"})
            await swift("DELETE", "/c/same")

    await asyncio.gather(*(write(number) for number in range(10)))
    assert await facade.differences(room, mend=False) == []
    head = (await swift("HEAD", "/c", 204)).headers
    listed = (await swift("GET", "/c?format=json", 200)).json()
    assert head["x-container-object-count"] == str(len(listed))
    assert head["x-container-bytes-used"] == str(sum(one["bytes"] for one in listed))
    kept = (await swift("GET", "/v?versions&format=json", 200)).json()
    assert len(kept) == 40
    await facade.sweep(room, everything=False)
    assert len(await _blobs(cloud)) == len(listed) + 40
