"""Writing events into transactions, and telling them."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Collection
from datetime import datetime, timedelta
from typing import Any

import msgspec
import sqlalchemy as sa
from msgspec import Struct, field

from hanok.base.clock import Clock
from hanok.base.errors import DatabaseAway, Raced, Unavailable
from hanok.base.failpoints import failpoint
from hanok.base.ids import new_uuid
from hanok.base.log import request_id as current_request_id
from hanok.bus import Bus, Wakes
from hanok.events.tables import events
from hanok.store import Database, Transaction

log = logging.getLogger(__name__)

TOPIC = "events"  # of wake-ups
SUBJECT = "control.event"
BATCH = 200
MARK_AT, MARK_S = (
    16,
    0.25,
)  # events that were told are said to be so together: by number, or when nothing more comes
POLL_S = 5.0  # catches what a lost wake-up left lying
PAYLOAD_BYTES = (
    1 << 16
)  # of an event: a small request may change what is large, and each change is kept and sent
KEPT = timedelta(hours=1)  # told events stay for listeners that were away
KEPT_MAXIMUM = 10_000  # of those, the newest: with the largest payloads, 640 MiB
FORGET_S = 60.0
FORGET_AFTER = 1_000  # told events; without these, a minute of large ones fills a disk
LISTENER_S = (
    60.0  # a listener has to hear one event: longer than a writer waits for a busy database
)
REST_S = (
    60.0  # a listener that took longer is passed over, so that nobody waits for it again and again
)

_new = events.insert()
_by_request = (
    sa.select(events.c.resource)
    .where(events.c.request_id == sa.bindparam("of"))
    .order_by(events.c.sequence)
    .limit(1)
)
_untold = (
    sa.select(events)
    .where(
        events.c.told.is_(False),
        events.c.sequence > sa.bindparam("behind", type_=sa.BigInteger),
    )
    .order_by(events.c.sequence)
    .limit(BATCH)
)
_told = (
    events.update()
    .where(events.c.sequence.in_(sa.bindparam("those", expanding=True)))
    .values(told=True)
)
# The newest one stays: SQLite numbers a row by those that are there, and what is new is searched behind what was told.
_newest = sa.select(sa.func.max(events.c.sequence)).scalar_subquery()
_old = events.delete().where(
    sa.or_(
        events.c.created_at < sa.bindparam("before"),
        events.c.sequence <= sa.bindparam("last_forgotten", type_=sa.BigInteger),
    ),
    events.c.told.is_(True),
    events.c.sequence < _newest,
)


class Event(Struct, frozen=True, kw_only=True):
    """Something that happened.

    kind: "compute.instance.create.end": the service, and the event type as the field's notifications have it.
    resource: "server:<id>", what waiting operations wait on. payload: plain JSON; no secret is in it.
    """

    kind: str
    resource: str
    project_id: str | None = None
    user_id: str | None = None
    payload: dict[str, Any] = field(default_factory=dict)
    id: str = ""
    request_id: str = ""
    created_at: datetime | None = None


async def made_by(tx: Transaction, request_id: str) -> str | None:
    """The id of what a request of the last hour first told of: what it made. None: it did nothing, as far as is known.

    An event is written in the transaction in which the thing is made, so there is none of what was not.
    """
    resource: str | None = await tx.scalar(_by_request, {"of": request_id})
    return None if resource is None else resource.partition(":")[2]


def noun_of(kind: str) -> str:
    """What an event is about: "user" of "identity.user.created", "image" of "image.create"."""
    parts = kind.split(".")
    return parts[1] if len(parts) > 2 else parts[0]


Listener = Callable[[Event], Awaitable[None]]


class _Late(Struct):
    """A listener that did not come to an end. until_s: when it is tried again, of the clock that only goes on."""

    who: str
    kind: str = ""
    missed: int = 0
    until_s: float = 0.0

    def words(self) -> str:
        return (
            f"{self.who} did not end within {LISTENER_S:g} s of {self.kind}: it has missed "
            f"{self.missed} event{'' if self.missed == 1 else 's'}, and is tried again each {REST_S:g} s"
        )


def _called(listener: Listener) -> str:
    """What a listener is called in the log."""
    named = (getattr(listener, name, "") for name in ("__module__", "__qualname__"))
    return ".".join(filter(None, named)) or "a listener"


_encode = msgspec.msgpack.Encoder().encode
_to_json = msgspec.json.Encoder().encode
decode = msgspec.msgpack.Decoder(Event).decode


class Outbox:
    """The outbox of a cloud, as one process sees it."""

    def __init__(self, database: Database, bus: Bus, clock: Clock, wakes: Wakes) -> None:
        self._database = database
        self._bus = bus
        self._clock = clock
        self._wakes = wakes
        self._listeners: list[tuple[str, Listener]] = []
        self._some = asyncio.Event()
        self._forgot_s = float("-inf")
        self._told = 0  # events since older ones were forgotten
        self._last = 0  # the sequence of the event that was told last
        self._unmarked: set[int] = set()  # events that were told, which their rows do not say yet
        self._late: dict[Listener, _Late] = {}  # listeners that did not come to an end
        wakes.on(TOPIC, lambda _words: self._some.set())

    def on(self, prefix: str, listener: Listener) -> None:
        """Call listener, in the process that dispatches, for each event whose kind begins so ("compute.")."""
        self._listeners.append((prefix, listener))

    @property
    def listeners(self) -> tuple[tuple[str, Listener], ...]:
        """Who is called, for which beginning of events' kinds."""
        return tuple(self._listeners)

    def off(self, those: Collection[tuple[str, Listener]]) -> None:
        """Call these of `listeners` no more."""
        self._listeners = [one for one in self._listeners if one not in those]
        for _, listener in those:
            self._late.pop(listener, None)

    def late(self) -> list[str]:
        """What is to be said of listeners that did not come to an end, until one of their next events is heard."""
        return [one.words() for one in self._late.values()]

    async def emit(self, tx: Transaction, event: Event) -> None:
        """Write an event; it is told once the transaction is committed."""
        row = msgspec.structs.asdict(event)
        row |= {
            "id": event.id or new_uuid(),
            "request_id": event.request_id or current_request_id.get(),
            "created_at": event.created_at or self._clock.now(),
            "payload": _bounded(event.payload),
            "told": False,
        }
        await tx.execute(_new, row)
        tx.after_commit(self._wake)

    def _wake(self) -> None:
        self._wakes.wake(TOPIC)

    async def run(self) -> None:
        """Tell what is new, until cancelled. One process of a cloud does."""
        try:
            while True:
                await self._round()
        finally:
            with contextlib.suppress(Unavailable):
                await self._mark()

    async def _round(self) -> None:
        """Tell what there is, and wait for more."""
        self._some.clear()
        try:
            while await self.tell() >= BATCH:
                await self._forget()  # what comes meanwhile wakes this again
            await self._forget()
        except Unavailable as error:
            log.warning("events wait: %s", error.message)
        except Exception:
            log.exception("a round of telling events failed")
        try:
            async with asyncio.timeout(MARK_S if self._unmarked else POLL_S):
                await self._some.wait()
        except TimeoutError:
            pass

    async def tell(self) -> int:
        """Tell some events that nobody was told of. Returns how many.

        That they were told their rows say some later: whoever takes over from a process that died tells a few again.
        """
        # SQLite has one writer at a time, so what is committed later has a higher number; elsewhere not.
        behind = self._last if self._database.dialect == "sqlite" else 0
        async with self._database.read() as tx:
            rows = await tx.all(_untold, {"behind": behind})
        fresh = [row for row in rows if row.sequence not in self._unmarked]
        for row in fresh:
            event = _event(row)
            await failpoint("events.before_listeners")
            await self._tell_listeners(event)
            await failpoint("events.before_publish")
            await self._bus.publish(f"{SUBJECT}.{event.kind}", _encode(event))
            await failpoint("events.after_publish")
            self._unmarked.add(row.sequence)
            self._told, self._last = self._told + 1, row.sequence
        if len(self._unmarked) >= MARK_AT or not fresh:
            await self._mark()
        return len(fresh)

    async def _mark(self) -> None:
        """The rows of events that were told say so."""
        if self._unmarked:
            those = sorted(self._unmarked)
            await failpoint("events.before_mark")
            async with self._database.write() as tx:
                await tx.execute(_told, {"those": those})
            await failpoint("events.after_mark")
            self._unmarked.difference_update(those)

    async def _tell_listeners(self, event: Event) -> None:
        """What listeners begin belongs to the request that the event is of."""
        mark = current_request_id.set(event.request_id)
        try:
            await self._told_to_each(event)
        finally:
            current_request_id.reset(mark)

    async def _told_to_each(self, event: Event) -> None:
        for prefix, listener in self._listeners:
            if event.kind.startswith(prefix) and not self._rests(listener):
                try:
                    await self._told_to(listener, event)
                except (DatabaseAway, Raced):
                    raise  # it is told again when the database is back
                except Exception:
                    log.exception("a listener of %s failed", event.kind)

    def _rests(self, listener: Listener) -> bool:
        """Whether a listener is passed over; what it misses is counted."""
        late = self._late.get(listener)
        if late is None or self._clock.monotonic_s() >= late.until_s:
            return False
        late.missed += 1
        return True

    async def _told_to(self, listener: Listener, event: Event) -> None:
        """Have a listener hear an event, for so long and no longer: all others wait for it, in the whole cloud."""
        ends = asyncio.timeout(LISTENER_S)
        try:
            async with ends:
                await listener(event)
        except TimeoutError:
            if not ends.expired():
                raise
            late = self._late.setdefault(listener, _Late(who=_called(listener)))
            late.missed, late.kind = late.missed + 1, event.kind
            late.until_s = self._clock.monotonic_s() + REST_S
            log.error("events: %s", late.words())
        else:
            self._late.pop(listener, None)

    async def _forget(self) -> None:
        """Events are kept for a while, and so many at most: to look for old ones now and then is enough."""
        now_s = self._clock.monotonic_s()
        if now_s - self._forgot_s < FORGET_S and self._told < FORGET_AFTER:
            return
        old = {"before": self._clock.now() - KEPT, "last_forgotten": self._last - KEPT_MAXIMUM}
        async with self._database.write() as tx:
            await tx.execute(_old, old)
        self._forgot_s, self._told = now_s, 0


def _bounded(payload: dict[str, Any]) -> dict[str, Any]:
    """A payload; of one that is too large, what is short in it. Who wants the rest looks at the rows."""
    if len(_to_json(payload)) <= PAYLOAD_BYTES:
        return payload
    short = {
        name: value
        for name, value in payload.items()
        if not isinstance(value, dict | list | tuple) and len(str(value)) <= 255
    }
    return short if len(_to_json(short)) <= PAYLOAD_BYTES else {}


def _event(row: Any) -> Event:
    return Event(
        kind=row.kind,
        resource=row.resource,
        project_id=row.project_id,
        user_id=row.user_id,
        payload=row.payload,
        id=row.id,
        request_id=row.request_id,
        created_at=row.created_at,
    )
