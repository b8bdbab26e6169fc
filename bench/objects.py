"""A container of 1,000,000 objects is listed and changed as one of 1,000 is: `python -m bench.objects`.

The objects are rows only, put through the store into the database of a simulated cloud in this process; CPU time is this
process's.
"""

from __future__ import annotations

import asyncio
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Any

import sqlalchemy as sa
from tests.api.object_storage.objects import Swift, member
from tests.cloud import Cloud, running

from hanok.services.object_storage.facade import ObjectStorageSettings
from hanok.services.object_storage.tables import object_containers, objects

SIZES = {"few": 1_000, "many": 1_000_000}
COUNT, TIMES, BATCH = 20, 3, 20_000
LISTS = {
    "page of 100": "?limit=100&format=json",
    "page of 100 from the middle": "?limit=100&format=json&marker=500/",
    "page of 100 backwards": "?limit=100&format=json&reverse=true",
    "100 folders": "?limit=100&format=json&delimiter=/",
    "a folder of 1": "?limit=100&format=json&prefix=500/0000500",
    "page of 100, with versions": "?versions&limit=100&format=json",
}


async def fill(cloud: Cloud, name: str, until: int) -> None:
    """Objects without bytes, in a thousand folders, beside the one that is there."""
    database = cloud.control.database
    async with database.write() as tx:
        query = sa.select(object_containers).where(object_containers.c.name == name)
        container = (await tx.all(query))[0]
        query = sa.select(objects).where(objects.c.container_id == container.id)
        model = dict((await tx.all(query))[0]._mapping)
    for first in range(0, until, BATCH):
        rows = [
            model | {"name": f"{number % 1000:03d}/{number:07d}"}
            for number in range(first, min(first + BATCH, until))
        ]
        async with database.write() as tx:
            await tx.execute(objects.insert(), rows)


async def cost_ms(swift: Swift, name: str, way: str, round_: int) -> float:
    """CPU milliseconds of one request."""
    before = time.process_time()
    for number in range(COUNT):
        object_ = f"/{name}/put-{round_}-{number}"
        if way == "put":
            await swift("PUT", object_, 201, content=b"x")
        elif way == "delete":
            await swift("DELETE", object_, 204)
        else:
            await swift("GET", f"/{name}{LISTS[way]}", 200)
    return (time.process_time() - before) / COUNT * 1000


async def measured() -> None:
    settings: Any = ObjectStorageSettings(durable=False, swept_after_s=1e9)
    with tempfile.TemporaryDirectory(prefix="hanok-bench-") as folder:
        async with running(Path(folder), hosts=0, object_storage=settings) as cloud:
            swift = await member(cloud)
            for name, size in SIZES.items():
                await swift.put(f"/{name}")
                await swift.put(f"/{name}/model")
                await fill(cloud, name, size)
            print("| request | of 1,000, CPU ms | of 1,000,000, CPU ms | ratio |")
            print("|---|---|---|---|")
            for way in (*LISTS, "put", "delete"):
                # In turns: the machine is not equally fast all the time.
                found = [
                    [await cost_ms(swift, name, way, round_) for name in SIZES]
                    for round_ in range(TIMES)
                ]
                few, many = (median(one) for one in zip(*found, strict=True))
                print(f"| {way} | {few:.2f} | {many:.2f} | {many / few:.2f} |")


if __name__ == "__main__":
    asyncio.run(measured())
