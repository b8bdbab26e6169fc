"""Where samples and events go beside this cloud's own store: addresses and files of the operator's.

Samples of a poll go batch by batch while it runs. A publisher that does not keep up holds the poll up for some seconds
at most; what it does not take then is lost, as the next poll brings newer ones, and the log says how many. Events are
rows until they are taken (`outgoing`), so they are told at least once; those of a publisher that takes nothing are kept
up to a number, of each project up to a part of it.

Source: Ceilometer's documentation, "Publishers"; decision 0099.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import os
import stat
from collections.abc import Sequence
from io import FileIO
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import msgspec
import sqlalchemy as sa
from sqlalchemy import bindparam

from hanok.base.threads import in_thread
from hanok.drivers.image_stores.web import NotAllowed, WebBroken, post
from hanok.services.metric.logic import samples
from hanok.services.metric.logic.definitions import Happened
from hanok.services.metric.logic.pipelines import Pipeline, Publisher
from hanok.services.metric.logic.samples import Sample
from hanok.services.metric.room import Metric
from hanok.services.metric.tables import outgoing
from hanok.store import Transaction

log = logging.getLogger(__name__)

BATCH = 500  # samples of a request
AHEAD = 4  # batches of a publisher that wait in memory
PATIENCE_S = 10.0  # for which a publisher may hold up a poll, in all
LAST_S = 60.0  # for what is left when the poll has ended
EVENTS = 100  # of a request
KEPT, OF_PROJECT = 10_000, 2_500  # events that wait for a publisher, in all and of a project
RETRY_S, LONGEST_S = 2.0, 60.0  # between tries

_next = (
    sa.select(outgoing)
    .where(outgoing.c.publisher == bindparam("of"))
    .order_by(outgoing.c.sequence)
    .limit(EVENTS)
)
_gone = outgoing.delete().where(outgoing.c.sequence.in_(bindparam("ids", expanding=True)))
_others = outgoing.delete().where(outgoing.c.publisher.not_in(bindparam("known", expanding=True)))
_place = (
    sa.func.row_number()
    .over(partition_by=outgoing.c.project_id, order_by=outgoing.c.sequence.desc())
    .label("place")
)
_whole = sa.func.row_number().over(order_by=outgoing.c.sequence.desc()).label("whole")
_ranked = (
    sa.select(outgoing.c.sequence, _place, _whole)
    .where(outgoing.c.publisher == bindparam("of"))
    .subquery()
)
_too_many = (
    sa.select(_ranked.c.sequence)
    .where(sa.or_(_ranked.c.place > OF_PROJECT, _ranked.c.whole > KEPT))
    .limit(1000)
)


# ---- reaching them ----


async def deliver(to: Publisher, content: bytes, kind: str, headers: dict[str, str]) -> None:
    """
    Raises:
        WebBroken: nobody takes it, or there is no room for it.
    """
    if to.scheme == "file":
        try:
            await in_thread(append, to, content)
        except OSError as error:
            raise WebBroken(error.strerror or str(error)) from None
        return
    sent = {"Content-Type": kind, **headers}
    retries = to.option("max_retries", 2)
    for number in range(retries + 1):
        try:
            await post(None, to.target, content, sent, within_s=to.option("timeout", 5))
            return
        except WebBroken:
            if number == retries:
                raise
            await asyncio.sleep(min(RETRY_S * 2**number, LONGEST_S))


def append(to: Publisher, content: bytes) -> None:
    """Write lines to a file, all or none of them; when it is full, it is the newest of those that are kept.

    Raises:
        OSError: also where it is no plain file: a pipe that nobody reads would hold up its writer for ever.
    """
    path, largest, kept = Path(to.target), to.option("max_bytes", 0), to.option("backup_count", 0)
    if largest and path.exists() and path.stat().st_size + len(content) > largest:
        for number in range(kept, 0, -1):
            older = path if number == 1 else Path(f"{path}.{number - 1}")
            if older.exists():
                older.replace(f"{path}.{number}")
        path.unlink(missing_ok=True)
    with open(path, "ab", buffering=0, opener=_plain) as opened:
        _write_whole(opened, content)


def _plain(path: str, flags: int) -> int:
    """Open a file, without waiting for whoever is at the other end of what is none.

    Raises:
        OSError
    """
    opened = os.open(path, flags | os.O_NONBLOCK | os.O_NOCTTY, 0o666)
    if not stat.S_ISREG(os.fstat(opened).st_mode):
        os.close(opened)
        raise OSError(errno.EINVAL, f"{path} is not a plain file")
    return opened


def _write_whole(opened: FileIO, content: bytes) -> None:
    """Raises OSError: the disk is full; then nothing of it is in the file, since it comes once more."""
    before = os.fstat(opened.fileno()).st_size
    left = memoryview(content)
    try:
        while left:
            left = left[opened.write(left) :]
    except OSError:
        opened.truncate(before)
        raise


def _lines(some: Sequence[Any]) -> bytes:
    return b"".join(msgspec.json.encode(one) + b"\n" for one in some)


_REMOTE = {"Content-Encoding": "snappy", "X-Prometheus-Remote-Write-Version": "0.1.0"}
_Form = tuple[bytes, str, dict[str, str]]


def _forms(to: Publisher, some: Sequence[Sample]) -> list[_Form]:
    """What is sent, request by request."""
    if to.scheme == "remotewrite":
        return [(samples.snapped(samples.written(some)), "application/x-protobuf", _REMOTE)]
    if to.scheme == "prometheus":
        page = samples.exposed(some, timed=False).encode()
        return [(page, "text/plain; version=0.0.4", {})]
    return _in_json(to, [samples.plain(one) for one in some])


def _in_json(to: Publisher, some: Sequence[Any]) -> list[_Form]:
    if to.scheme == "file":
        return [(_lines(some), "", {})]
    batches = [some] if to.option("batch", True) else [[one] for one in some]
    return [(samples.encoded(one), "application/json", {}) for one in batches]


# ---- samples ----


class Out:
    """A poll on its way to one publisher."""

    def __init__(self, to: Publisher) -> None:
        self._to = to
        self._queue: asyncio.Queue[list[Sample] | None] = asyncio.Queue(AHEAD)
        self._gathered: list[Sample] = []
        self._patience_s = PATIENCE_S
        self.lost = 0

    async def take(self, some: Sequence[Sample]) -> None:
        self._gathered += some
        while len(self._gathered) >= BATCH:
            batch, self._gathered = self._gathered[:BATCH], self._gathered[BATCH:]
            await self._put(batch)

    async def _put(self, batch: list[Sample]) -> None:
        loop = asyncio.get_running_loop()
        began = loop.time()
        try:
            async with asyncio.timeout(max(self._patience_s, 0)):
                await self._queue.put(batch)
        except TimeoutError:
            self.lost += len(batch)
        self._patience_s -= loop.time() - began

    async def run(self) -> None:
        """Send what comes, until there is no more."""
        while (batch := await self._queue.get()) is not None:
            try:
                for content, kind, headers in await in_thread(_forms, self._to, batch):
                    await deliver(self._to, content, kind, headers)
            except (WebBroken, NotAllowed) as error:
                self.lost += len(batch)
                log.warning("%s takes no samples: %s", _where(self._to), error)
            except Exception:  # an outermost loop: a poll is for others, too
                self.lost += len(batch)
                log.exception("samples for %s are lost", _where(self._to))

    async def end(self) -> None:
        """There is no more."""
        if self._gathered:
            await self._put(self._gathered)
        await self._queue.put(None)


def _where(to: Publisher) -> str:
    """A publisher as a log has it, without what may be a secret."""
    return f"{to.scheme}://{urlsplit(to.target).netloc.rpartition('@')[2] or to.target}"


class Poll:
    """One poll, on its way to all that want some of it."""

    def __init__(self, pipeline: Pipeline) -> None:
        self._pipeline = pipeline
        self._outs = {one: Out(one) for one in pipeline.publishers if one.leads_out}

    @property
    def some(self) -> bool:
        """Whether it leads out at all."""
        return bool(self._outs)

    async def take(self, some: Sequence[Sample]) -> None:
        """Give samples to those that want them."""
        requested: dict[Publisher, list[Sample]] = {}
        for one in some:
            for to in self._pipeline.of(one.name):
                if to in self._outs:
                    requested.setdefault(to, []).append(one)
        for to, theirs in requested.items():
            await self._outs[to].take(theirs)

    async def __aenter__(self) -> Poll:
        self._tasks = [asyncio.ensure_future(one.run()) for one in self._outs.values()]
        return self

    async def __aexit__(self, *error: object) -> None:
        try:
            if error[0] is None and self._tasks:
                async with asyncio.timeout(LAST_S):
                    await asyncio.gather(*(one.end() for one in self._outs.values()))
                    await asyncio.gather(*self._tasks)
        except TimeoutError:
            log.warning("some publishers do not keep up with what is measured")
        finally:
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)
        for to, out in self._outs.items():
            if out.lost:
                log.warning("%s: %d samples were not taken, and are lost", _where(to), out.lost)


# ---- events ----


async def enqueue(tx: Transaction, event: Happened, to: Publisher) -> None:
    """An event waits for a publisher; one that waits already stays as it is."""
    row = {
        "publisher": to.key,
        "message_id": f"{event.message_id}:{event.event_type}"[:128],
        "project_id": event.project_id or "",
        "payload": samples.encoded(event.plain),
    }
    await tx.insert_missing(outgoing, row)


async def publish(room: Metric, publishers: Sequence[Publisher]) -> None:
    """Send events to these, until cancelled; what waits for others is forgotten."""
    async with room.database.write() as tx:
        await tx.execute(_others, {"known": [one.key for one in publishers] or [""]})
    async with asyncio.TaskGroup() as group:
        for one in publishers:
            group.create_task(_publish(room, one))
        if not publishers:
            await asyncio.Event().wait()


async def _publish(room: Metric, to: Publisher) -> None:
    wait_s = RETRY_S
    while True:
        try:
            sent = await send_some(room, to)
            wait_s = RETRY_S
        except (WebBroken, NotAllowed) as error:
            log.warning("%s takes no events: %s", _where(to), error)
            wait_s, sent = min(wait_s * 2, LONGEST_S), 0
            await trim(room, to)
        except Exception:  # an outermost loop
            log.exception("events for %s wait", _where(to))
            wait_s, sent = LONGEST_S, 0
        if sent < EVENTS:
            await asyncio.sleep(wait_s)


async def part(tx: Transaction) -> None:
    """Forget what waits: it is another cloud's to send."""
    await tx.execute(outgoing.delete())


async def send_some(room: Metric, to: Publisher) -> int:
    """Send the oldest events that wait for a publisher; gives how many.

    Raises:
        WebBroken, NotAllowed
    """
    async with room.database.read() as tx:
        rows = await tx.all(_next, {"of": to.key})
    if rows:
        some = [msgspec.json.decode(row.payload) for row in rows]
        for content, kind, headers in _in_json(to, some):
            await deliver(to, content, kind, headers)
        async with room.database.write() as tx:
            await tx.execute(_gone, {"ids": [row.sequence for row in rows]})
    return len(rows)


async def trim(room: Metric, to: Publisher) -> int:
    """Forget the oldest events that wait where there are too many; gives how many."""
    async with room.database.read() as tx:
        ids = list(await tx.scalars(_too_many, {"of": to.key}))
    if ids:
        async with room.database.write() as tx:
            await tx.execute(_gone, {"ids": ids})
        log.warning("%s: %d events were not taken in time, and are lost", _where(to), len(ids))
    return len(ids)
