"""What volumes cost: pages of them in detail as ratios to the bare framework, and a volume from create to delete; of few
and of many: `python -m bench.volume_pages`.

The many are rows only, put through the store into the database of a cloud that does not run.
"""

from __future__ import annotations

import asyncio
import shutil
import tempfile
import time
from datetime import timedelta
from pathlib import Path

import sqlalchemy as sa

from bench.client import Server, serving, wait
from hanok.base.ids import new_uuid
from hanok.services.block_storage.tables import volume_services, volumes
from hanok.store.database import Database

NEWEST = {"OpenStack-API-Version": "volume 3.71"}
BASE = "/volume/v3"
FEW, MANY, PAGE, LIVES, BATCH = 100, 10_000, 1000, 100, 5_000
POLL_S = 0.03


def prepare(cloud: Server) -> None:
    """No quota stands in the way, and there is one volume."""
    project_id = cloud.sign_in()
    unlimited = {"quota_set": {"volumes": -1, "gigabytes": -1, "snapshots": -1}}
    cloud.ask("PUT", f"{BASE}/os-quota-sets/{project_id}", unlimited)
    wait(lambda: cloud.ask("GET", f"{BASE}/scheduler-stats/get_pools")[2]["pools"])
    create(cloud)


def create(cloud: Server) -> str:
    status, _, made = cloud.ask(
        "POST", f"{BASE}/volumes", {"volume": {"size": 1, "name": "v"}}, NEWEST
    )
    assert status == 202, made
    path = f"{BASE}/volumes/{made['volume']['id']}"
    while cloud.ask("GET", path, None, NEWEST)[2]["volume"]["status"] == "creating":
        time.sleep(POLL_S)
    return path


def life(cloud: Server) -> None:
    """Create a volume, poll until it is there, delete it, poll until it is gone."""
    path = create(cloud)
    assert cloud.ask("DELETE", path, None, NEWEST)[0] == 202
    while cloud.ask("GET", path, None, NEWEST)[0] != 404:
        time.sleep(POLL_S)


def lives_ms(cloud: Server) -> float:
    """CPU of a volume's life, its polls included."""
    for _ in range(10):
        life(cloud)
    before = cloud.cpu_s()
    for _ in range(LIVES):
        life(cloud)
    return (cloud.cpu_s() - before) / LIVES * 1000


async def fill(state: Path, until: int) -> None:
    """Copies of one volume until there are so many."""
    database = Database(f"sqlite:///{state}/control/hanok.db")
    await database.open()
    try:
        async with database.read() as tx:
            model = dict((await tx.all(sa.select(volumes).limit(1)))[0]._mapping)
        del model["sequence"]
        for first in range(1, until, BATCH):
            rows = [
                model
                | {
                    "id": new_uuid(),
                    "created_at": model["created_at"] + timedelta(milliseconds=one),
                }
                for one in range(first, min(first + BATCH, until))
            ]
            async with database.write() as tx:
                await tx.execute(volumes.insert(), rows)
        async with database.write() as tx:
            await tx.execute(volume_services.update().values(allocated_gib=until // 2))
    finally:
        await database.close()


def main() -> None:
    with (
        tempfile.TemporaryDirectory(prefix="hanok-bench-") as folder,
        tempfile.TemporaryDirectory(prefix="hanok-bench-") as larger,
    ):
        with serving("cloud", state=folder) as cloud:
            prepare(cloud)
        shutil.copytree(folder, larger, dirs_exist_ok=True)
        asyncio.run(fill(Path(folder), FEW))
        asyncio.run(fill(Path(larger), MANY))
        with serving("bare") as bare:
            base = bare.cost_ms("GET", "/anything", 2000)
        print(f"bare framework: {base:.3f} ms CPU a request")
        for number, place in ((FEW, folder), (MANY, larger)):
            with serving("cloud", state=place) as cloud:
                cloud.sign_in()
                few = cloud.cost_ms("GET", f"{BASE}/volumes/detail?limit=20", 300, None, NEWEST)
                many = cloud.cost_ms("GET", f"{BASE}/volumes/detail?limit={PAGE}", 30, None, NEWEST)
                print(
                    f"of {number:,} volumes: a page of 20 in detail {few / base:.1f}x, of {PAGE:,} {many / base:.0f}x; "
                    f"create and delete {lives_ms(cloud):.1f} ms CPU"
                )


if __name__ == "__main__":
    main()
