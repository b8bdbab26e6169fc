"""What block storage's handlers, operations and reconcilers work with."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, Protocol

from msgspec import Struct, field

from hanok.base.absence import Absence
from hanok.base.clock import Clock
from hanok.bus import Bus
from hanok.drivers.image_stores import Store
from hanok.events import Outbox
from hanok.limits import Registered
from hanok.operations import Starter
from hanok.services.image.facade import Images
from hanok.store import Database, Transaction
from hanok.web.tickets import Copies, Tickets
from hanok.web.token import Caller


class BackupSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where backups are kept.

    kind: "files", in folder (empty: the usual one); "objects": in the account of whose backup it is, in our object
    storage; "s3": in a bucket. container: of backups whose request names none.
    endpoint, bucket, region, access_key, secret_key_file: of an S3 server.
    """

    kind: Literal["files", "objects", "s3"] = "files"
    folder: str = ""
    container: str = "volumebackups"
    endpoint: str = ""
    bucket: str = ""
    region: str = "us-east-1"
    access_key: str = ""
    secret_key_file: str = ""


class BlockStorageSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An operator's choices.

    zone: that back ends are in. down_after_s: a back end that has not been heard of for so long counts as down.
    default_volume_type: what a volume gets whose request names none.
    allow_availability_zone_fallback: whether a zone that is not there is read as the usual one.
    quota_volumes, quota_snapshots, quota_gigabytes, quota_per_volume_gigabytes, quota_groups, quota_backups,
    quota_backup_gigabytes: what a project may have that no other limit is set for; -1: any number.
    no_snapshot_gb_quota: whether snapshots do not count as gigabytes.
    message_ttl_s: how long a message to users is kept. backups: where backups are kept.
    default_group_type: the type of groups that is shown as the usual one; empty: there is none.
    """

    zone: str = "nova"
    down_after_s: int = 60
    default_volume_type: str = "__DEFAULT__"
    allow_availability_zone_fallback: bool = False
    quota_volumes: int = 10
    quota_snapshots: int = 10
    quota_gigabytes: int = 1000
    quota_per_volume_gigabytes: int = -1
    quota_groups: int = 10
    quota_backups: int = 10
    quota_backup_gigabytes: int = 1000
    no_snapshot_gb_quota: bool = False
    message_ttl_s: int = 2_592_000
    backups: BackupSettings = BackupSettings()
    default_group_type: str = ""


class Sealer(Protocol):
    """Keeps a secret closed while it is in the database."""

    def seal(self, payload: bytes) -> str: ...

    def open(self, text: str) -> bytes | None: ...


class Servers(Protocol):
    """What block storage asks of compute, which is built later."""

    async def host_of(self, tx: Transaction, server_id: str) -> str | None:
        """The host that a server is on; None: there is no such server, or it is on none."""
        ...

    async def server_visible(self, tx: Transaction, caller: Caller, server_id: str) -> bool:
        """Whether there is such a server, and the caller sees it."""
        ...

    async def server_with(self, tx: Transaction, volume_id: str, attachment_id: str) -> str | None:
        """The server that has a volume, or is about to get it, by an attachment; None: none has."""
        ...


class Volumes(Struct, kw_only=True):
    """The room.

    copies: of volumes, that hosts have left. tickets: lets hosts move bytes from and to here.
    registered: a project's unified limits. secrets: seals the keys of volumes, with what is never rotated away.
    node_name: what this control process is called.
    servers: compute's; None: there is no compute.
    backup_store: gives the store that a backup is in, by its project and its container.
    absence: when nobody listened to hosts.
    """

    clock: Clock
    database: Database
    bus: Bus
    operations: Starter
    events: Outbox
    images: Images
    copies: Copies
    tickets: Tickets
    secrets: Sealer
    node_name: str
    backup_store: Callable[[str, str], Store]
    registered: Registered | None = None
    settings: BlockStorageSettings = BlockStorageSettings()
    absence: Absence = field(default_factory=Absence)
    servers: Servers | None = None
