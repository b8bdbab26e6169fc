"""What image's handlers work with."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Literal, Protocol

from msgspec import Struct, field

from hanok.base.clock import Clock
from hanok.drivers.image_stores import Store
from hanok.drivers.image_stores.web import WebRules
from hanok.events import Outbox
from hanok.limits import Limits
from hanok.operations import Starter
from hanok.services.key_manager.facade import Keys
from hanok.store import Database, Transaction

Endpoint = Callable[[Transaction, str], Awaitable[str | None]]
"""The address of a kind of service in the catalog; None without one."""


ImageService = Callable[[Transaction, str, str], Awaitable[str | None]]
"""The address of the image service of a region and interface, as the catalog has it; None without one."""


KeyManagers = Callable[[], Keys | None]
"""This cloud's own key manager; None while it is switched off."""


class Sealer(Protocol):
    """Keeps a secret closed while it is in the database."""

    def seal(self, payload: bytes) -> str: ...

    def open(self, text: str) -> bytes | None: ...


class StoreSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A store of images.

    id: its name in the API. weight: the store with the most is read from first.
    folder: of a file store, also readable by the hosts; empty for the usual one.
    endpoint, bucket, region, access_key, secret_key_file: of an S3 store.
    container, project_id: of a store "swift": in this cloud's own object storage, in that project's account.
    kind "http" keeps nothing: it lets images be locations on the web.
    """

    id: str
    kind: Literal["file", "s3", "swift", "http"] = "file"
    description: str = ""
    weight: int = 0
    folder: str = ""
    endpoint: str = ""
    bucket: str = ""
    container: str = ""
    project_id: str = ""
    region: str = "us-east-1"
    access_key: str = ""
    secret_key_file: str = ""


class ImageSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An operator's choices.

    maximum_bytes: the largest image taken. match_format: whether bytes must be what disk_format says.
    stores: where images are kept; default_store: where uploads go that name none, the first one when empty.
    import_methods: the ways of import that are served; glance-download (from another region of the catalog) only if
    named. web: where web-download and locations may lead.
    glance_download_properties: how names begin of properties that glance-download takes over.
    inject: properties that every import sets, unless who asks has a role of inject_ignore_roles.
    conversion: the disk format ("raw" or "qcow2") that imports are turned into; empty leaves them.
    show_multiple_locations: whether owners see and change the locations of their images.
    show_image_direct_url: whether images show their first location as direct_url.
    secure_hash: whether data at a new location is read and hashed.
    property_protections: a file that says who may create, read, update and delete which properties;
    protections_by: whether it names roles or policies.
    key_manager: the address of a key manager with certificates for signatures; empty: the one that the catalog has
    elsewhere, or this cloud's own.
    cache_bytes: how much pruning leaves of the cache.
    limits: for projects that no other limit is set for.
    look_s: how often it is looked, while bytes are moved or waited for, whether the image is still there.
    """

    maximum_bytes: int = 1 << 40
    match_format: bool = True
    stores: tuple[StoreSettings, ...] = (StoreSettings(id="file", description="Files"),)
    default_store: str = ""
    import_methods: tuple[
        Literal["glance-direct", "web-download", "copy-image", "glance-download"], ...
    ] = (
        "glance-direct",
        "web-download",
        "copy-image",
    )
    web: WebRules = WebRules()
    glance_download_properties: tuple[str, ...] = (
        "hw_", "trait:", "os_distro", "os_secure_boot", "os_type",
    )  # fmt: skip
    inject: dict[str, str] = field(default_factory=dict)
    inject_ignore_roles: tuple[str, ...] = ("admin",)
    conversion: Literal["", "raw", "qcow2"] = ""
    show_multiple_locations: bool = False
    show_image_direct_url: bool = False
    secure_hash: bool = True
    property_protections: str = ""
    protections_by: Literal["roles", "policies"] = "roles"
    key_manager: str = ""
    cache_bytes: int = 10 << 30
    limits: dict[str, int] = field(default_factory=dict)
    look_s: float = 1.0


class Images(Struct, frozen=True, kw_only=True):
    """stores: by id, those that keep bytes, the heaviest first. web_store: the id of the store "http", or "".

    folder: ours alone, for what is being staged and for the cache. secrets: None serves no glance-download.
    remote_files: whether the folders are beside another process, which answers what is asked of their bytes.
    """

    clock: Clock
    database: Database
    settings: ImageSettings
    stores: dict[str, Store]
    default_store: str
    web_store: str
    folder: Path
    operations: Starter
    limits: Limits
    events: Outbox
    endpoint: Endpoint
    image_service: ImageService
    keys: KeyManagers
    secrets: Sealer | None
    remote_files: bool = False

    def store_settings(self, store: str) -> StoreSettings:
        return next(one for one in self.settings.stores if one.id == store)

    @property
    def staging(self) -> Path:
        return self.folder / "staging"

    @property
    def cache(self) -> Path:
        """Named by the images' ids, like a file store: hosts read from it."""
        return self.folder / "cache"
