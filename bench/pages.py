"""A page of 20 servers costs the same however many there are: `python -m bench.pages`.

The servers are rows only, put through the store into the database of a simulated cloud that does not run.
"""

from __future__ import annotations

import asyncio
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
COUNT, TIMES = 500, 3
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


def costs(cloud: Server) -> dict[str, float]:
    cloud.sign_in()
    page = cloud.ask("GET", PATHS["page of 20 servers"], None, NEWEST)[2]
    assert len(page["servers"]) == 20
    last = page["servers"][-1]["id"]
    asked = PATHS | {"the page after": f"/compute/v2.1/servers?limit=20&marker={last}"}
    return {
        name: median(cloud.cost_ms("GET", path, COUNT, None, NEWEST) for _ in range(TIMES))
        for name, path in asked.items()
    }


def main() -> None:
    found = []
    with tempfile.TemporaryDirectory(prefix="hanok-bench-") as folder:
        with serving("cloud", state=folder) as cloud:
            prepare(cloud)
        for count in (FEW, MANY):
            asyncio.run(fill(Path(folder), count))
            with serving("cloud", state=folder) as cloud:
                found.append(costs(cloud))
    few, many = found
    print(f"| {'request':<30} | of {FEW:,}, CPU ms | of {MANY:,}, CPU ms | ratio |")
    print(f"|{'-' * 32}|----------------|--------------------|-------|")
    for name in few:
        print(
            f"| {name:<30} | {few[name]:14.3f} | {many[name]:18.3f} | {many[name] / few[name]:5.2f} |"
        )


if __name__ == "__main__":
    main()
