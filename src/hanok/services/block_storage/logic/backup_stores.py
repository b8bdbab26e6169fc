"""Where backups are kept: a folder, a bucket of an S3 server, or the project's own account of object storage.

All are `drivers.image_stores.Store`: bytes by key, there whole or not at all.
"""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from urllib.parse import quote

from hanok.drivers.image_stores import Store
from hanok.drivers.image_stores.files import FileStore
from hanok.drivers.image_stores.s3 import S3Store
from hanok.rooms import WrongSettings
from hanok.services.block_storage.room import BackupSettings
from hanok.services.object_storage.facade import AccountStore, ObjectStore

NAME = 100  # characters of a folder's name


def folder_of(container: str) -> str:
    """A container's name as that of a folder."""
    name = quote(container, safe="")
    if len(name) > NAME or name.startswith("."):
        name = "container-" + hashlib.sha256(container.encode()).hexdigest()
    return name


class Prefixed:
    """A part of a store: keys begin with a container's name."""

    def __init__(self, store: Store, container: str) -> None:
        self._store, self._prefix = store, folder_of(container)

    @property
    def kind(self) -> str:
        return self._store.kind

    def _key(self, key: str) -> str:
        return f"{self._prefix}/{key}"

    async def put(self, key: str, pieces: AsyncIterator[bytes], *, attempt: str) -> int:
        return await self._store.put(self._key(key), pieces, attempt=attempt)

    async def abandon(self, key: str, *, attempt: str) -> None:
        await self._store.abandon(self._key(key), attempt=attempt)

    def get(self, key: str, start: int, length: int) -> AsyncIterator[bytes]:
        return self._store.get(self._key(key), start, length)

    async def delete(self, key: str) -> None:
        await self._store.delete(self._key(key))

    async def size(self, key: str) -> int | None:
        return await self._store.size(self._key(key))

    def url(self, key: str) -> str:
        return self._store.url(self._key(key))

    def path(self, key: str) -> Path | None:
        return self._store.path(self._key(key))


def opener(
    settings: BackupSettings, usual: Path, objects: Callable[[], ObjectStore]
) -> Callable[[str, str], Store]:
    """What gives the store of a backup, by its project and its container.

    Args:
        usual: the folder where the settings name none. objects: gives object storage, where that is chosen.

    Raises:
        WrongSettings
    """
    if settings.kind == "objects":
        room = objects()
        return lambda project_id, container: AccountStore(room, project_id, container)
    if settings.kind == "s3":
        bucket = _bucket(settings)
        return lambda _project, container: Prefixed(bucket, container)
    folder = Path(settings.folder) if settings.folder else usual
    return lambda _project, container: FileStore(folder / folder_of(container))


def _bucket(settings: BackupSettings) -> S3Store:
    needed = (settings.endpoint, settings.bucket, settings.access_key, settings.secret_key_file)
    if not all(needed):
        raise WrongSettings("backups in S3 need endpoint, bucket, access_key and secret_key_file")
    try:
        secret = Path(settings.secret_key_file).read_text().strip()
    except OSError as error:
        raise WrongSettings(f"{settings.secret_key_file}: {error.strerror}") from error
    return S3Store(
        endpoint=settings.endpoint,
        bucket=settings.bucket,
        region=settings.region,
        access_key=settings.access_key,
        secret_key=secret,
    )
