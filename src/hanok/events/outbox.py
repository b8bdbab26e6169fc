"""Writing events into transactions, and telling them."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import Any

import msgspec
import sqlalchemy as sa
from msgspec import Struct, field

from hanok.base.clock import Clock
from hanok.base.errors import Unavailable
from hanok.base.ids import new_uuid
from hanok.base.log import request_id as current_request_id
from hanok.bus import Bus, Wakes
from hanok.events.tables import events
from hanok.store import Database, Transaction

log = logging.getLogger(__name__)

TOPIC = "events"  # of wake-ups
SUBJECT = "control.event"
BATCH = 200
POLL_S = 5.0  # catches what a lost wake-up left lying
PAYLOAD_BYTES = (
    1 << 16
)  # of an event: a small request may change what is large, and each change is kept and sent
KEPT = timedelta(hours=1)  # told events stay for listeners that were away
KEPT_MAXIMUM = 10_000  # of those, the newest: with the largest payloads, 640 MiB
FORGET_S = 60.0
FORGET_AFTER = 1_000  # told events; without these, a minute of large ones fills a disk

_new = events.insert()
_untold = sa.select(events).where(events.c.told.is_(False)).order_by(events.c.sequence).limit(BATCH)
_told = (
    events.update()
    .where(events.c.sequence.in_(sa.bindparam("those", expanding=True)))
    .values(told=True)
)
_old = events.delete().where(
    sa.or_(
        events.c.created_at < sa.bindparam("before"),
        events.c.sequence <= sa.bindparam("last_forgotten", type_=sa.BigInteger),
    ),
    events.c.told.is_(True),
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


def noun_of(kind: str) -> str:
    """What an event is about: "user" of "identity.user.created", "image" of "image.create"."""
    parts = kind.split(".")
    return parts[1] if len(parts) > 2 else parts[0]


Listener = Callable[[Event], Awaitable[None]]

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
        wakes.on(TOPIC, lambda _words: self._some.set())

    def on(self, prefix: str, listener: Listener) -> None:
        """Call listener, in the process that dispatches, for each event whose kind begins so ("compute.")."""
        self._listeners.append((prefix, listener))

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
        while True:
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
                async with asyncio.timeout(POLL_S):
                    await self._some.wait()
            except TimeoutError:
                pass

    async def tell(self) -> int:
        """Tell some events that nobody was told of. Returns how many."""
        async with self._database.read() as tx:
            rows = await tx.all(_untold)
        for row in rows:
            event = _event(row)
            await self._tell_listeners(event)
            await self._bus.publish(f"{SUBJECT}.{event.kind}", _encode(event))
        if rows:
            async with self._database.write() as tx:
                await tx.execute(_told, {"those": [row.sequence for row in rows]})
            self._told, self._last = self._told + len(rows), rows[-1].sequence
        return len(rows)

    async def _tell_listeners(self, event: Event) -> None:
        for prefix, listener in self._listeners:
            if event.kind.startswith(prefix):
                try:
                    await listener(event)
                except Unavailable:
                    raise  # it is told again when the database is back
                except Exception:
                    log.exception("a listener of %s failed", event.kind)

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
