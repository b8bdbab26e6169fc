"""What object storage's handlers work with."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

from msgspec import Struct, field

from hanok.base.clock import Clock
from hanok.drivers.byte_store import ByteStore
from hanok.events import Event, Outbox
from hanok.store import Database, Transaction


class ObjectStorageSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An operator's choices.

    objects_port: where it answers; 0: any that is free. durable: whether a write waits for the disk.
    folder: where the bytes are; empty for the usual one. reserve_mib: of the disk, that stay free.
    quota_bytes: what an account may hold for which nothing else is set; 0: there is no limit.
    maximum_object_bytes: of one object that is sent in one piece.
    swept_after_s: how old a blob must be that nobody refers to, to be taken for what a broken write left.
    """

    objects_port: int = 8080
    durable: bool = True
    folder: str = ""
    reserve_mib: int = 256
    quota_bytes: int = 100 << 30
    maximum_object_bytes: int = (5 << 30) + 2
    swept_after_s: float = 24 * 3600.0


class ObjectStore(Struct, kw_only=True):
    """The room. freed: there are blobs to let go."""

    database: Database
    clock: Clock
    events: Outbox
    store: ByteStore
    settings: ObjectStorageSettings
    close: Callable[[], None]
    freed: asyncio.Event = field(default_factory=asyncio.Event)

    def now_us(self) -> int:
        """The time in microseconds, in steps of ten: five digits of a second are shown."""
        now = self.clock.now()
        return int(now.timestamp()) * 1_000_000 + now.microsecond // 10 * 10

    def now_s(self) -> float:
        return self.clock.now().timestamp()

    async def tell(
        self,
        tx: Transaction,
        what: str,
        account: str,
        name: str,
        *,
        user_id: str | None,
        payload: Mapping[str, Any] | None = None,
    ) -> None:
        """Tell of a change. what: "object.created". name: behind the account's: "container/object"."""
        noun = what.partition(".")[0]
        where = f"{account}/{name}" if name else account
        event = Event(
            kind=f"object_storage.{what}",
            resource=f"{noun}:{where}"[:100],
            project_id=account,
            user_id=user_id,
            payload={"account": account, "path": f"/{where}", **(payload or {})},
        )
        await self.events.emit(tx, event)
