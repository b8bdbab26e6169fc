"""What control and other services may ask of object storage."""

from __future__ import annotations

from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path

from hanok.base.clock import Clock
from hanok.drivers.byte_bucket import Bucket, Places
from hanok.drivers.byte_store import ByteStore, Files, Full, Missing, TooLong
from hanok.drivers.image_stores import StoreBroken, StoreFull
from hanok.drivers.image_stores.s3 import S3Store
from hanok.events import Outbox
from hanok.rooms import WrongSettings
from hanok.services.identity import facade as identity
from hanok.services.object_storage.logic import containers, lifecycle, moving, objects, sweeping
from hanok.services.object_storage.logic.containers import Changes
from hanok.services.object_storage.logic.meters import of_accounts
from hanok.services.object_storage.logic.names import Said
from hanok.services.object_storage.logic.objects import Object
from hanok.services.object_storage.room import BucketSettings, ObjectStorageSettings, ObjectStore
from hanok.store import Database

__all__ = [
    "AccountStore",
    "ObjectStorageSettings",
    "ObjectStore",
    "build",
    "differences",
    "forget_place",
    "move_to",
    "of_accounts",
    "place",
    "sweep",
]


forget_place = moving.forget_place


def build(
    database: Database,
    clock: Clock,
    events: Outbox,
    settings: ObjectStorageSettings,
    folder: Path,
    keys: identity.Identity,
) -> ObjectStore:
    """
    Args:
        keys: whose EC2 keys S3's requests are signed with.
        folder: of the bytes, where the settings say nothing else.
    """
    files = Files(
        Path(settings.folder) if settings.folder else folder,
        durable=settings.durable,
        reserve=settings.reserve_mib << 20,
    )
    places: dict[str, ByteStore] = {moving.FOLDER: files}
    bucket = _bucket(settings.bucket)
    if bucket is not None:
        places[moving.BUCKET] = bucket

    def close() -> None:
        files.close()
        if bucket is not None:
            bucket.close()

    return ObjectStore(
        database=database,
        clock=clock,
        events=events,
        store=Places(places, moving.FOLDER),
        settings=settings,
        close=close,
        ec2_key=partial(identity.ec2_key, database, keys),
    )


def _bucket(settings: BucketSettings) -> Bucket | None:
    """Raises WrongSettings."""
    if not settings.endpoint:
        return None
    if not (settings.bucket and settings.access_key and settings.secret_key_file):
        raise WrongSettings(
            "the bucket of object storage needs bucket, access_key and secret_key_file"
        )
    try:
        secret = Path(settings.secret_key_file).read_text().strip()
    except OSError as error:
        raise WrongSettings(f"{settings.secret_key_file}: {error.strerror}") from error
    server = S3Store(
        endpoint=settings.endpoint,
        bucket=settings.bucket,
        region=settings.region,
        access_key=settings.access_key,
        secret_key=secret,
    )
    return Bucket(server, settings.prefix)


async def sweep(room: ObjectStore, *, everything: bool) -> None:
    """Remove what has expired, and let go of bytes that nobody needs.

    Args:
        everything: also do what buckets' rules say, and look for what broken writes left.
    """
    await sweeping.remove_expired(room)
    await sweeping.let_go(room)
    if everything:
        await lifecycle.run(room)
        await sweeping.let_go(room)
        await sweeping.strays(room, mend=True)


async def differences(room: ObjectStore, *, mend: bool) -> list[tuple[str, str, bool]]:
    """Where rows and bytes disagree: a stable word, what it is in plain English, and whether it can be mended."""
    found = [("count", one, True) for one in await sweeping.miscounted(room, mend=mend)]
    found += [("stray", one, True) for one in await sweeping.strays(room, mend=mend)]
    found += [("place", one, False) for one in await moving.unknown(room)]
    found += [("object", one, False) for one in await sweeping.missing(room)]
    return found


place = moving.place
move_to = moving.move_to


class AccountStore:
    """A container of a project's account as a store of other rooms (drivers.image_stores.Store).

    What is kept there is the project's: it sees it, and it counts against the account's quotas.
    """

    kind = "objects"

    def __init__(self, room: ObjectStore, project_id: str, container: str) -> None:
        self._room, self._account, self._container = room, project_id, container

    async def put(self, key: str, pieces: AsyncIterator[bytes], *, attempt: str) -> int:
        room = self._room
        try:
            stored = await room.store.put(pieces, limit=room.settings.maximum_object_bytes)
        except Full as error:
            raise StoreFull("the disk of object storage is full") from error
        except TooLong as error:
            raise StoreBroken("it is larger than an object may be") from error
        new = Object(
            blob=stored.blob if stored.size else "",
            size=stored.size,
            stored=stored.size,
            etag=stored.md5,
            content_type="application/octet-stream",
            headers={},
            created_us=room.now_us(),
        )
        try:
            await self._write(key, new)
        except Said as error:
            await room.store.delete(stored.blob)
            kind = StoreFull if error.status == 413 else StoreBroken
            raise kind(f"the account refuses it: {error.status} {error}") from error
        return stored.size

    async def _write(self, key: str, new: Object) -> None:
        room, nothing = self._room, Changes(metadata={})
        async with room.database.write() as tx:
            await containers.put(tx, self._account, self._container, nothing, new.created_us)
            await objects.put(
                tx,
                self._account,
                self._container,
                key,
                new,
                now_us=new.created_us,
                default_quota=room.settings.quota_bytes,
            )
            tx.after_commit(room.freed.set)

    async def abandon(self, key: str, *, attempt: str) -> None:
        """What is not whole has no name here, and is swept."""

    async def get(self, key: str, start: int, length: int) -> AsyncIterator[bytes]:
        found = await self._find(key)
        if found is None:
            raise StoreBroken(f"{self.url(key)} is not there")
        if found.kind:  # the project's people can write to it, too
            raise StoreBroken(f"{self.url(key)} is not what was written there")
        if not found.blob:
            return
        try:
            async for piece in await self._room.store.get(found.blob, start, length):
                yield piece
        except Missing as error:
            raise StoreBroken(f"{self.url(key)} has lost its bytes") from error

    async def _find(self, key: str) -> Object | None:
        async with self._room.database.read() as tx:
            container = await containers.get(tx, self._account, self._container)
            row = None if container is None else await objects.get(tx, container.id, key)
        if row is None or not objects.is_there(row, self._room.now_s()):
            return None
        return Object(**{name: getattr(row, name) for name in Object.__struct_fields__})

    async def delete(self, key: str) -> None:
        room = self._room
        try:
            async with room.database.write() as tx:
                await objects.remove(tx, self._account, self._container, key, room.now_us())
                tx.after_commit(room.freed.set)
        except Said as error:
            if error.status != 404:
                raise StoreBroken(f"{self.url(key)}: {error.status}") from error
        except objects.Expired:
            return

    async def size(self, key: str) -> int | None:
        found = await self._find(key)
        return None if found is None else found.size

    def url(self, key: str) -> str:
        return f"swift://{self._account}/{self._container}/{key}"

    def path(self, key: str) -> Path | None:
        return None
