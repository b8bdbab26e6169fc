"""What Prometheus reads at /metrics: the newest samples of all things of the cloud.

They are measured once for everybody: a poll leaves its samples as rows, and any control process shows them. What has
not been measured for longer than its interval is not shown.
"""

from __future__ import annotations

import logging
import zlib
from collections.abc import Sequence
from datetime import timedelta

import msgspec
import sqlalchemy as sa
from sqlalchemy import bindparam

from hanok.base.threads import in_thread
from hanok.services.metric.logic import samples
from hanok.services.metric.logic.samples import Sample
from hanok.services.metric.room import Metric
from hanok.services.metric.tables import exposed

log = logging.getLogger(__name__)

PIECE = 2000  # samples of a row
MAXIMUM = 200_000  # samples that are shown, of a source of polling and a service: some 50 MB

_Line = tuple[str, bool, str]
_decode = msgspec.msgpack.Decoder(list[_Line]).decode
_encode = msgspec.msgpack.Encoder().encode
_drop = exposed.delete().where(
    exposed.c.source == bindparam("of_source"), exposed.c.service == bindparam("of_service")
)
_drop_others = exposed.delete().where(exposed.c.source.not_in(bindparam("known", expanding=True)))
_fresh = sa.select(exposed.c.payload).where(exposed.c.until > bindparam("now"))


class Page:
    """The samples of one poll of a service, on their way to where Prometheus reads them."""

    def __init__(self, room: Metric, source: str, service: str, interval_s: int) -> None:
        self._room, self._source, self._service = room, source, service
        self._interval_s = interval_s
        self._lines: list[_Line] = []
        self._pieces: list[bytes] = []
        self._count = 0

    async def take(self, some: Sequence[Sample]) -> None:
        left = max(0, MAXIMUM - self._count)
        self._count += len(some)
        self._lines += [
            (samples.series_name(one.name), one.grows, samples.line(one, timed=True))
            for one in some[:left]
        ]
        if len(self._lines) >= PIECE:
            await self._pack()

    async def _pack(self) -> None:
        lines, self._lines = self._lines, []
        if lines:
            self._pieces.append(await in_thread(_packed, lines))

    async def write(self) -> None:
        """Show these in place of those of the poll before."""
        await self._pack()
        if self._count > MAXIMUM:
            log.warning("/metrics lacks %d samples of %s", self._count - MAXIMUM, self._service)
        until = self._room.clock.now() + timedelta(seconds=2 * self._interval_s + 60)
        whose = {"source": self._source, "service": self._service, "until": until}
        rows = [{**whose, "part": at, "payload": one} for at, one in enumerate(self._pieces)]
        async with self._room.database.write() as tx:
            await tx.execute(_drop, {"of_source": self._source, "of_service": self._service})
            if rows:
                await tx.insert(exposed, rows)


def _packed(lines: list[_Line]) -> bytes:
    return zlib.compress(_encode(lines), 1)


async def forget(room: Metric, known: Sequence[str]) -> None:
    """Take away what sources of polling have left that are no more."""
    async with room.database.write() as tx:
        await tx.execute(_drop_others, {"known": list(known) or [""]})


async def page(room: Metric) -> str:
    """All samples that are fresh, as Prometheus reads them."""
    async with room.database.read() as tx:
        pieces = list(await tx.scalars(_fresh, {"now": room.clock.now()}))
    return await in_thread(_page, pieces)


def _page(pieces: Sequence[bytes]) -> str:
    by_name: dict[str, tuple[bool, list[str]]] = {}
    for one in pieces:
        for name, grows, line in _decode(zlib.decompress(one)):
            by_name.setdefault(name, (grows, []))[1].append(line)
    return samples.text((name, grows, lines) for name, (grows, lines) in sorted(by_name.items()))
