"""What is done to shares, broken at each of its places: it ends right, can be deleted, and leaves nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import pytest
import sqlalchemy as sa

from hanok.base import failpoints
from hanok.operations.tables import operations as table
from tests.api.shared_file_system.sharing import BASE, NEWEST, Sharing, sharing
from tests.cloud import Cloud

pytestmark = pytest.mark.slow
PLACES = (("before_do", "twice"), ("after_do", "raise"), ("before_save", "raise"))
Begin = Callable[[Sharing], Awaitable[None]]


@pytest.fixture
async def files(cloud: Cloud) -> Sharing:
    return await sharing(cloud)


@pytest.fixture(autouse=True)
def _whole() -> Iterator[None]:
    yield
    failpoints.disarm()


async def _settled(files: Sharing) -> None:
    async with asyncio.timeout(60):
        while True:
            async with files.cloud.control.database.read() as tx:
                active = table.c.active.is_(True)
                if not await tx.scalar(sa.select(sa.func.count()).select_from(table).where(active)):
                    return
            await asyncio.sleep(0.02)


async def _all(files: Sharing, noun: str) -> list[dict[str, Any]]:
    found = await files.admin.get(f"{BASE}/{noun}/detail?all_tenants=1", headers=NEWEST)
    return list(found[noun])


async def _nothing_left(files: Sharing) -> None:
    """Whatever became of them, shares and snapshots are deleted, and with them goes all that hosts had."""
    for noun in ("snapshots", "shares"):
        for one in await _all(files, noun):
            path = f"{BASE}/{noun}/{one['id']}/action"
            await files.admin("POST", path, {"force_delete": None}, status=202, headers=NEWEST)
        await _settled(files)
        assert await _all(files, noun) == []
    async with asyncio.timeout(30):
        while (await files.admin.get("/hanok/v1/inventory"))["differences"]:
            await asyncio.sleep(0.05)


async def _create(files: Sharing) -> None:
    body = {"share": {"share_proto": "NFS", "size": 2}}
    await files.user.post(f"{BASE}/shares", body, status=200)


async def _one(files: Sharing) -> str:
    return str((await _all(files, "shares"))[0]["id"])


async def _delete(files: Sharing) -> None:
    await files.user("DELETE", f"{BASE}/shares/{await _one(files)}", status=202)


async def _extend(files: Sharing) -> None:
    await files.act(await _one(files), "extend", {"new_size": 3})


async def _shrink(files: Sharing) -> None:
    await files.act(await _one(files), "shrink", {"new_size": 1})


async def _allow(files: Sharing) -> None:
    body = {"access_type": "ip", "access_to": "10.0.0.1"}
    await files.act(await _one(files), "allow_access", body, 200)


async def _snapshot(files: Sharing) -> None:
    body = {"snapshot": {"share_id": await _one(files)}}
    await files.user.post(f"{BASE}/snapshots", body, status=202)


async def _drop_snapshot(files: Sharing) -> None:
    one = (await _all(files, "snapshots"))[0]["id"]
    await files.user("DELETE", f"{BASE}/snapshots/{one}", status=202)


async def _revert(files: Sharing) -> None:
    one = (await _all(files, "snapshots"))[0]["id"]
    await files.act(await _one(files), "revert", {"snapshot_id": one})


async def _migrate(files: Sharing) -> None:
    (share,) = await _all(files, "shares")
    host = share["host"]
    other = f"{host.partition('@')[0]}@" + (
        "folder2#folder2" if host.endswith("#folder") else "folder#folder"
    )
    flags = ("preserve_metadata", "writable", "nondisruptive", "preserve_snapshots")
    body = {"migration_start": {"host": other, **dict.fromkeys(flags, False)}}
    path = f"{BASE}/shares/{share['id']}/action"
    await files.admin("POST", path, body, status=202, headers=NEWEST)
    await _settled(files)


async def _complete(files: Sharing) -> None:
    path = f"{BASE}/shares/{await _one(files)}/action"
    await files.admin("POST", path, {"migration_complete": None}, status=202, headers=NEWEST)


WORK: dict[str, tuple[tuple[Begin, ...], Begin]] = {
    "create_share.MakeShare": ((), _create),
    "delete_share.RemoveInstances": ((_create,), _delete),
    "extend_share.Extended": ((_create,), _extend),
    "shrink_share.Shrunk": ((_create,), _shrink),
    "update_access.Apply": ((_create,), _allow),
    "create_snapshot.TakeSnapshot": ((_create,), _snapshot),
    "delete_snapshot.RemoveSnapshot": ((_create, _snapshot), _drop_snapshot),
    "revert_share.Reverted": ((_create, _snapshot), _revert),
    "complete_migration.LetNobodyIn": ((_create, _allow, _migrate), _complete),
    "complete_migration.Copy": ((_create, _allow, _migrate), _complete),
    "delete_instance.RemoveOne": ((_create, _allow, _migrate), _complete),
}


@pytest.mark.parametrize("step", WORK)
async def test_what_is_broken_ends_right_and_leaves_nothing(files: Sharing, step: str) -> None:
    before, work = WORK[step]
    for place, mode in PLACES:
        for one in before:
            await one(files)
            await _settled(files)
        with failpoints.armed(f"shared_file_system.{step}.{place}", mode):
            await work(files)
            await _settled(files)
        if mode == "twice":
            assert {one["status"] for one in await _all(files, "shares")} <= {"available"}
        await _nothing_left(files)
