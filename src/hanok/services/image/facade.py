"""What other rooms may ask of images."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

from msgspec import Struct
from sqlalchemy import Row

from hanok.base.clock import Clock
from hanok.base.errors import HanokError, Unavailable
from hanok.drivers.image_stores import Store, StoreBroken
from hanok.drivers.image_stores.files import FileStore
from hanok.drivers.image_stores.s3 import S3Store
from hanok.events import Outbox
from hanok.limits import Limits, Registered
from hanok.operations import Starter
from hanok.rooms import WrongSettings
from hanok.services.image import schemas
from hanok.services.image.logic import cache, data, images, metadefs, quotas, snapshots, tasks
from hanok.services.image.logic.certificates import Reader, check_trusted
from hanok.services.image.logic.inventory import differences, store_differences
from hanok.services.image.logic.meters import of_images
from hanok.services.image.logic.signatures import Certificate
from hanok.services.image.operations import OPERATIONS, CheckSignature
from hanok.services.image.room import (
    Endpoint,
    Images,
    ImageService,
    ImageSettings,
    KeyManagers,
    Sealer,
    StoreSettings,
)
from hanok.services.object_storage.facade import AccountStore, ObjectStore
from hanok.store import Database, Transaction
from hanok.web.token import Caller

__all__ = [
    "OPERATIONS",
    "Certificate",
    "CheckSignature",
    "ImageInfo",
    "ImageSettings",
    "Images",
    "Reader",
    "StoreSettings",
    "WrongSettings",
    "bootstrap",
    "bring",
    "build",
    "check_trusted",
    "close",
    "differences",
    "get",
    "mend",
    "of_images",
    "snapshots",
    "store_differences",
    "visible",
]

UPLOAD_DEAD_S = 120  # an upload under way says so every 10 s


class ImageInfo(Struct, frozen=True, kw_only=True):
    """An image as compute wants to know it. Sizes in the named units; properties: the further attributes."""

    id: str
    name: str | None
    status: str
    disk_format: str | None
    container_format: str | None
    size_bytes: int | None
    virtual_size_bytes: int | None
    checksum: str | None = None
    hash_algorithm: str | None
    hash_value: str | None
    min_disk_gib: int
    min_ram_mib: int
    owner: str | None
    visibility: str
    properties: dict[str, Any]


def build(
    database: Database,
    clock: Clock,
    files: Path,
    settings: ImageSettings,
    *,
    folder: Path,
    operations: Starter,
    events: Outbox,
    registered: Registered | None = None,
    endpoint: Endpoint | None = None,
    image_service: ImageService | None = None,
    keys: KeyManagers = lambda: None,
    secrets: Sealer | None = None,
    objects: Callable[[], ObjectStore] | None = None,
    remote_files: bool = False,
) -> Images:
    """The room.

    Args:
        files: the folder of the usual file store; hosts read it. folder: control's own, for staging and the cache.
        operations: starts the room's operations. events: where it tells what happened.
        registered: a project's unified limits. endpoint: where a kind of service is in the catalog.
        image_service: where a region's is. keys: this cloud's own key manager.
        secrets: seals tokens that wait for an import.
        objects: gives object storage, where a store is in it. remote_files: the folders are beside another process.

    Raises:
        WrongSettings: two stores have one name, or one is not described; a property cannot be set by imports.
    """

    async def no_endpoint(tx: Transaction, kind: str) -> str | None:
        return None

    async def no_image_service(tx: Transaction, region: str, interface: str) -> str | None:
        return None

    try:
        for name, value in settings.inject.items():
            schemas.checked(name, value)
    except HanokError as error:
        raise WrongSettings(f"inject: {error.message}") from error
    if "glance-download" in settings.import_methods and secrets is None:
        raise WrongSettings("glance-download needs keys that tokens are sealed with")
    stores = _stores(settings, files, objects)
    default = settings.default_store or next(iter(stores), "")
    if default not in stores:
        raise WrongSettings(f"the default store {default!r} keeps no images")
    return Images(
        database=database,
        clock=clock,
        settings=settings,
        stores=stores,
        default_store=default,
        web_store=next((one.id for one in settings.stores if one.kind == "http"), ""),
        folder=folder,
        operations=operations,
        events=events,
        limits=Limits("image", quotas.resources(settings.limits), registered),
        endpoint=endpoint or no_endpoint,
        image_service=image_service or no_image_service,
        keys=keys,
        secrets=secrets,
        remote_files=remote_files,
    )


def _stores(
    settings: ImageSettings, files: Path, objects: Callable[[], ObjectStore] | None
) -> dict[str, Store]:
    made: dict[str, Store] = {}
    ids = [one.id for one in settings.stores]
    if len(set(ids)) != len(ids) or [one.kind for one in settings.stores].count("http") > 1:
        raise WrongSettings("two stores have one name, or there is more than one store 'http'")
    for one in settings.stores:
        if not one.id or len(one.id) > 64 or "," in one.id:
            raise WrongSettings(f"{one.id!r} is not a valid name of a store")
        if one.kind == "file":
            made[one.id] = FileStore(Path(one.folder) if one.folder else files)
        elif one.kind == "swift":
            if not (one.container and one.project_id) or objects is None:
                raise WrongSettings(f"the store {one.id!r} needs container and project_id")
            made[one.id] = AccountStore(objects(), one.project_id, one.container)
        elif one.kind == "s3":
            if not (one.endpoint and one.bucket and one.access_key and one.secret_key_file):
                raise WrongSettings(
                    f"the store {one.id!r} needs endpoint, bucket, access_key and secret_key_file"
                )
            try:
                secret = Path(one.secret_key_file).read_text().strip()
            except OSError as error:
                raise WrongSettings(f"{one.secret_key_file}: {error.strerror}") from error
            made[one.id] = S3Store(
                endpoint=one.endpoint,
                bucket=one.bucket,
                region=one.region,
                access_key=one.access_key,
                secret_key=secret,
            )
    return made


async def bootstrap(tx: Transaction, clock: Clock) -> None:
    """First rows: the types of resources that definitions may be about."""
    await metadefs.ensure_resource_types(tx, clock.now())


def close(room: Images) -> None:
    """End connections to stores."""
    for store in room.stores.values():
        if isinstance(store, S3Store):
            store.close()


async def _info(tx: Transaction, row: Row[Any]) -> ImageInfo:
    properties, _ = await images.extras(tx, [row.id])
    return ImageInfo(
        id=row.id,
        name=row.name,
        status=row.status,
        disk_format=row.disk_format,
        container_format=row.container_format,
        size_bytes=row.size,
        virtual_size_bytes=row.virtual_size,
        checksum=row.checksum,
        hash_algorithm=row.os_hash_algo,
        hash_value=row.os_hash_value,
        min_disk_gib=row.min_disk,
        min_ram_mib=row.min_ram,
        owner=row.owner,
        visibility=row.visibility,
        properties=properties[row.id],
    )


async def visible(tx: Transaction, caller: Caller, image_id: str) -> ImageInfo:
    """An image with the caller's eyes.

    Raises:
        NotFound: there is none, or the caller may not see it.
    """
    return await _info(tx, await images.get(tx, caller, image_id))


async def get(tx: Transaction, image_id: str) -> ImageInfo | None:
    """An image, whoever asks; for operations."""
    row = await images.get_any(tx, image_id)
    return None if row is None else await _info(tx, row)


async def bring(room: Images, image_id: str) -> None:
    """Have the data where hosts of this house read it: the usual file store, or control's cache.

    Where the folders are beside another process, that one does so when a host asks it for the data.

    Raises:
        Unavailable: no store gives it, or there is no room for it.
    """
    if room.remote_files:
        return
    async with room.database.read() as tx:
        row = await images.get_any(tx, image_id)
        if row is None or row.size is None:
            return
        there = (await images.locations(tx, [image_id]))[image_id]
    usual = next((one.id for one in room.settings.stores if _is_usual(one)), None)
    if any(one.store == usual for one in there) or cache.copy_of(room, row) is not None:
        return
    try:
        size = await cache.fill(room, row, attempt="host")
    except StoreBroken as error:
        raise Unavailable("The image cannot be copied for its host.", detail=str(error)) from error
    async with room.database.write() as tx:
        await cache.queue(tx, image_id, room.clock.now())
        await cache.cached(tx, image_id, size, room.clock.now())


def _is_usual(one: StoreSettings) -> bool:
    return one.kind == "file" and not one.folder


async def mend(room: Images) -> None:
    """Take up what a process that died left: its uploads wait for data again, and their bytes are freed."""
    now = room.clock.now()
    async with room.database.read() as tx:
        broken = await images.broken_uploads(tx, now - timedelta(seconds=UPLOAD_DEAD_S))
    for row in broken:
        async with room.database.write() as tx:
            if await images.give_up_upload(tx, row.id, row.upload, now):
                await images.throw_away_upload(tx, row, now)
    async with room.database.write() as tx:
        await tasks.forget_old(tx, now)
    await data.empty_trash(room)
