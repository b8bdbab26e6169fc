"""What the handlers, operations and reconcilers of shared file systems work with."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Protocol

from msgspec import Struct, field
from sqlalchemy import Row

from hanok.base.absence import Absence
from hanok.base.clock import Clock
from hanok.bus import Bus
from hanok.events import Outbox
from hanok.limits import Registered
from hanok.operations import Run, Starter
from hanok.services.network.facade import Network
from hanok.store import Database, Transaction
from hanok.web.token import Caller


class SharedFileSystemSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An operator's choices.

    zone: that back ends are in. down_after_s: a back end that has not been heard of for so long counts as down.
    default_share_type, default_share_group_type: what a share and a share group get whose request names none.
    protocols: that shares may have. admin_only_metadata: keys of metadata that only those set whom a rule lets.
    retention_s: how long a share stays in the recycle bin. message_ttl_s: how long a message to users is kept.
    unused_server_s: how long a share server stays that no share is on.
    quota_*: what a project may have that no other limit is set for; -1: any number.
    """

    zone: str = "nova"
    down_after_s: int = 60
    default_share_type: str = "default"
    default_share_group_type: str = "default"
    protocols: tuple[str, ...] = ("NFS",)
    admin_only_metadata: tuple[str, ...] = ("__affinity_same_host", "__affinity_different_host")
    retention_s: int = 604_800
    message_ttl_s: int = 2_592_000
    unused_server_s: int = 600
    quota_shares: int = 50
    quota_gigabytes: int = 1000
    quota_per_share_gigabytes: int = -1
    quota_snapshots: int = 50
    quota_snapshot_gigabytes: int = 1000
    quota_share_networks: int = 10
    quota_share_groups: int = 50
    quota_share_group_snapshots: int = 50
    quota_share_replicas: int = 100
    quota_replica_gigabytes: int = 1000
    quota_backups: int = 10
    quota_backup_gigabytes: int = 1000
    quota_encryption_keys: int = 100


class Sealer(Protocol):
    """Keeps a secret closed while it is in the database."""

    def seal(self, payload: bytes) -> str: ...

    def open(self, text: str) -> bytes | None: ...


class Networks(Protocol):
    """What shares ask of share networks and their servers."""

    async def check(
        self, tx: Transaction, caller: Caller, share_network_id: str, zone: str | None
    ) -> None:
        """Raises NotFound, BadInput where a new share cannot be in a network, or not in this zone of it."""
        ...

    async def server(self, run: Run[Any, Any], instance: Row[Any]) -> str:
        """The id of a server that is there, on the instance's host, for an instance that has a network.

        It may be asked twice for one instance, and says the same. Raises StepFailed.
        """
        ...


class Locks(Protocol):
    """What is asked of locks."""

    async def check(self, tx: Transaction, caller: Caller, share_id: str) -> None:
        """Raises Conflict where a share must not be deleted or let go of."""
        ...

    async def hiding(
        self, tx: Transaction, caller: Caller, access_ids: Sequence[str]
    ) -> list[tuple[Row[Any], bool]]:
        """The locks that hide these access rules' clients, each with whether it is too high for the caller anyway."""
        ...

    async def lock(
        self,
        tx: Transaction,
        caller: Caller,
        rule: Row[Any],
        *,
        deletion: bool,
        visibility: bool,
        reason: str | None,
    ) -> None:
        """A new access rule is not deleted, or not shown, as long as it is locked."""
        ...

    async def release(
        self, tx: Transaction, caller: Caller, rule: Row[Any], *, unrestrict: bool
    ) -> None:
        """An access rule is about to be deleted. Raises Forbidden where a lock is against that."""
        ...


class Groups(Protocol):
    """What a new share asks of the group that it is to be in."""

    async def join(
        self, tx: Transaction, caller: Caller, group_id: str, kind: Row[Any], network_id: str | None
    ) -> tuple[str, str | None, str | None]:
        """Where a share of a group is ("host@backend", "" for nowhere yet), its zone, and its share network.

        Raises:
            NotFound, BadInput: it cannot be in the group.
        """
        ...


Holds = Callable[[Transaction, str], Awaitable[str]]
"""Says what there is that depends on a share, by its id, so that it cannot be deleted; "" for nothing."""


class Shares(Struct, kw_only=True):
    """The room.

    locks, groups: None: there are none. holds: what else depends on shares.
    networks: of shares; None: there are none.
    registered: a project's unified limits. node_name: what this control process is called.
    secrets: seals passwords of security services.
    absence: when nobody listened to hosts.
    """

    clock: Clock
    database: Database
    bus: Bus
    operations: Starter
    events: Outbox
    network: Network
    node_name: str
    secrets: Sealer
    networks: Networks | None = None
    locks: Locks | None = None
    groups: Groups | None = None
    holds: list[Holds] = []
    registered: Registered | None = None
    settings: SharedFileSystemSettings = SharedFileSystemSettings()
    absence: Absence = field(default_factory=Absence)
