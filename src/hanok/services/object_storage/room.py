"""What object storage's handlers work with."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from msgspec import Struct, field

from hanok.base.clock import Clock
from hanok.drivers.byte_bucket import Places
from hanok.events import Event, Outbox
from hanok.services.identity import facade as identity
from hanok.store import Database, Transaction


class BucketSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A bucket of an operator's S3 server that may hold the bytes of objects.

    endpoint: the server's address, without the bucket; empty: there is none. prefix: how names of its objects begin.
    """

    endpoint: str = ""
    bucket: str = ""
    prefix: str = "blobs/"
    region: str = "us-east-1"
    access_key: str = ""
    secret_key_file: str = ""


class ObjectStorageSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An operator's choices.

    objects_port: where it answers; 0: any that is free. durable: whether a write waits for the disk.
    folder: where the bytes are; empty for the usual one. reserve_mib: of the disk, that stay free.
    quota_bytes: what an account may hold for which nothing else is set; 0: there is no limit.
    maximum_object_bytes: of one object that is sent in one piece.
    swept_after_s: how old a blob must be that nobody refers to, to be taken for what a broken write left.
    let_go_after_s: how long the bytes of what was replaced or deleted stay: at least as long as it takes to copy the
        database and then the folder. They go at once where the disk is full.
    bucket: a second place for bytes; `hanok objects move` says which one is used.
    """

    objects_port: int = 8080
    durable: bool = True
    folder: str = ""
    reserve_mib: int = 256
    quota_bytes: int = 100 << 30
    maximum_object_bytes: int = (5 << 30) + 2
    swept_after_s: float = 24 * 3600.0
    let_go_after_s: float = 3600.0
    bucket: BucketSettings = BucketSettings()


class Counted:
    """Something by name that is counted up and down; what comes to nothing is forgotten."""

    def __init__(self) -> None:
        self._counts: dict[str, int] = {}

    def __contains__(self, name: str) -> bool:
        return name in self._counts

    def add(self, name: str, more: int) -> int:
        """Returns what it comes to."""
        count = self._counts.get(name, 0) + more
        if count:
            self._counts[name] = count
        else:
            self._counts.pop(name, None)
        return count


class ObjectStore(Struct, kw_only=True):
    """The room.

    freed: there are blobs to let go. ec2_key: what a key of S3 is worth, by its access key. coming: bytes that are sent
    and are no objects yet, by account. in_use: blobs that answers under way have yet to open, or
    that a place is tried out with.
    """

    database: Database
    clock: Clock
    events: Outbox
    store: Places
    settings: ObjectStorageSettings
    close: Callable[[], None]
    ec2_key: Callable[[str], Awaitable[identity.Key | None]]
    freed: asyncio.Event = field(default_factory=asyncio.Event)
    coming: Counted = field(default_factory=Counted)
    in_use: Counted = field(default_factory=Counted)
    sweeping: asyncio.Lock = field(default_factory=asyncio.Lock)

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
