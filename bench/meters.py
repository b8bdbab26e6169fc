"""What a day of meters costs: `python -m bench.meters [SERVERS] [HOURS]`.

So many servers with twenty meters each, whose values vary, are measured each five minutes as the cloud measures its own,
by the usual policies, into a database in a folder of its own. Told are the processor time of a poll with what follows, and
bytes of a point on disk when all is folded, both for as many servers and for 1000 servers each minute and a month.
"""

from __future__ import annotations

import asyncio
import random
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from pathlib import Path

from hanok.base.clock import MovableClock
from hanok.base.metering import Meter, Metered, counter
from hanok.services.metric import facade
from hanok.services.metric.facade import Metric, Metrics, MetricSettings
from hanok.store import Database

EVERY_S, MONTH_S = 300, 30 * 86_400
_COUNTERS, _GAUGES = 10, 10


class Fleet:
    """Servers whose meters vary."""

    def __init__(self, count: int) -> None:
        self._random = random.Random(1)
        self._totals = [[0.0] * _COUNTERS for _ in range(count)]

    async def servers(self) -> AsyncIterator[Metered]:
        for number, totals in enumerate(self._totals):
            meters = {}
            for place in range(_COUNTERS):
                totals[place] += self._random.randrange(10**9)
                meters[f"counter.{place}"] = counter(totals[place], "B")
            for place in range(_GAUGES):
                meters[f"gauge.{place}"] = Meter(self._random.uniform(100, 200), "MB")
            yield Metered(
                kind="instance",
                name=f"00000000-0000-4000-8000-{number:012d}",
                project_id="p",
                user_id="u",
                meters=meters,
            )


async def measure(servers: int, hours: int, folder: Path) -> None:
    clock, file = MovableClock(), folder / "hanok.db"
    database = Database(f"sqlite:///{file}", durable=False)
    await database.open()
    await database.create_tables()
    async with database.write() as tx:
        await facade.first_rows(tx)
    metrics = Metrics(Metric(clock=clock, database=database, settings=MetricSettings()))
    fleet, polls = Fleet(servers), hours * 3600 // EVERY_S
    await metrics.collect(fleet.servers, ("instance",))  # the rows of resources and metrics
    empty, began = file.stat().st_size, time.process_time()
    for _ in range(polls):
        clock.move(EVERY_S)
        await metrics.collect(fleet.servers, ("instance",))
        await metrics.fold()
    took = time.process_time() - began
    clock.move(3600)
    await metrics.fold()
    await database.close()
    points = polls * servers * (2 * _COUNTERS + _GAUGES)  # of counters, rates are kept as well
    size = sum(one.stat().st_size for one in folder.glob("hanok.db*")) - empty
    each = took / polls / servers
    print(
        f"{servers} servers, {polls} polls: {took:.1f} s of a processor, {each * 1e3:.2f} ms a server"
    )
    print(f"{size / points:.1f} bytes a point on disk ({points} points, {size >> 10} KiB)")
    print(f"1000 servers each minute: {each * 1000 / 60:.1%} of a processor")
    month = size / points * MONTH_S / EVERY_S * 1000 * (2 * _COUNTERS + _GAUGES)
    print(f"1000 servers, a month: {month / (1 << 30):.2f} GiB")


def main() -> None:
    servers, hours = (int(sys.argv[1]), int(sys.argv[2])) if len(sys.argv) > 2 else (50, 24)
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(measure(servers, hours, Path(folder)))


if __name__ == "__main__":
    main()
