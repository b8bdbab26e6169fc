"""A page of 20 servers costs the same however many there are: `python -m bench.pages`.

The servers are rows only, put through the store into the database of a simulated cloud that does not run.
"""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from datetime import timedelta
from pathlib import Path
from statistics import median

import sqlalchemy as sa

from bench.client import Server, serving
from bench.requests import NEWEST, prepare
from hanok.base.ids import new_uuid
from hanok.services.compute.tables import servers
from hanok.store.database import Database

FEW, MANY = 100, 100_000
COUNT, TIMES = 300, 5
BATCH = 5_000
PATHS = {
    "page of 20 servers": "/compute/v2.1/servers?limit=20",
    "page of 20 servers, in detail": "/compute/v2.1/servers/detail?limit=20",
    "page of 20 of a status": "/compute/v2.1/servers?status=SHUTOFF&limit=20",
}


async def fill(state: Path, until: int) -> None:
    """Copies of one server, stopped on a host that is not there, until there are so many."""
    database = Database(f"sqlite:///{state}/control/hanok.db")
    await database.open()
    try:
        async with database.read() as tx:
            there = await tx.scalar(sa.select(sa.func.count()).select_from(servers))
            model = dict((await tx.all(sa.select(servers).limit(1)))[0]._mapping)
        del model["sequence"]
        model |= {"host": "elsewhere", "vm_state": "stopped", "power_state": 4, "task_state": None}
        for first in range(there, until, BATCH):
            rows = [
                model
                | {
                    "id": new_uuid(),
                    "name": f"vm-{number}",
                    "created_at": model["created_at"] + timedelta(milliseconds=number),
                }
                for number in range(first, min(first + BATCH, until))
            ]
            async with database.write() as tx:
                await tx.execute(servers.insert(), rows)
    finally:
        await database.close()


def paths(cloud: Server) -> dict[str, str]:
    cloud.sign_in()
    page = cloud.ask("GET", PATHS["page of 20 servers"], None, NEWEST)[2]
    assert len(page["servers"]) == 20
    last = page["servers"][-1]["id"]
    return PATHS | {"the page after": f"/compute/v2.1/servers?limit=20&marker={last}"}


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
        print(f"| {'request':<30} | of {FEW:,}, CPU ms | of {MANY:,}, CPU ms | ratio |")
        print(f"|{'-' * 32}|----------------|--------------------|-------|")
        with serving("cloud", state=folder) as few, serving("cloud", state=larger) as many:
            both = [(cloud, paths(cloud)) for cloud in (few, many)]
            for name in both[0][1]:
                # In turns: the machine is not equally fast all the time.
                found = [
                    [
                        cloud.cost_ms("GET", path_of[name], COUNT, None, NEWEST)
                        for cloud, path_of in both
                    ]
                    for _ in range(TIMES)
                ]
                first, second = (median(one) for one in zip(*found, strict=True))
                print(f"| {name:<30} | {first:14.3f} | {second:18.3f} | {second / first:5.2f} |")


if __name__ == "__main__":
    main()
