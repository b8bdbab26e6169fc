"""What the key manager's handlers and loop work with."""

from __future__ import annotations

from functools import cache
from typing import Any, Protocol

import sqlalchemy as sa
from msgspec import Struct, field

from hanok.base.aside import Aside
from hanok.base.clock import Clock
from hanok.limits import Limits, Resource
from hanok.operations import Starter
from hanok.services.key_manager import tables
from hanok.store import Database


class KeyManagerSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An operator's choices.

    quota_secrets, quota_containers, quota_consumers, quota_orders, quota_cas (certificate authorities, of
    which there are none yet): of a project that no other limit is
    set for; -1: any number.
    maximum_secret_bytes: of one payload. secrets_each, readers_each, metadata_each: of one container, ACL and secret.
    """

    quota_secrets: int = 1000
    quota_containers: int = 1000
    quota_consumers: int = 10000
    quota_orders: int = 1000
    quota_cas: int = -1
    maximum_secret_bytes: int = 20000
    secrets_each: int = 100
    readers_each: int = 100
    metadata_each: int = 100


class Sealer(Protocol):
    """Keeps a secret closed while it is in the database."""

    def seal(self, payload: bytes) -> str: ...

    def open(self, text: str) -> bytes | None: ...


class KeyManager(Struct, kw_only=True):
    """The room. key: seals payloads; the cloud's own. aside: makes pairs of keys."""

    clock: Clock
    database: Database
    limits: Limits
    key: Sealer
    operations: Starter
    aside: Aside = field(default_factory=lambda: Aside(cpu_s=60))
    settings: KeyManagerSettings = KeyManagerSettings()


_none = sa.select(sa.literal(0)).where(
    sa.bindparam("owner").is_not(None)
)  # nothing makes authorities


def resources(settings: KeyManagerSettings) -> list[Resource]:
    """What projects may have so many of."""
    return [
        _resource("secrets", tables.secrets, settings.quota_secrets),
        _resource("containers", tables.containers, settings.quota_containers),
        _resource("consumers", tables.consumers, settings.quota_consumers),
        _resource("orders", tables.orders, settings.quota_orders),
        Resource(name="cas", default=settings.quota_cas, count=_none, registered="cas"),
    ]


def _resource(name: str, table: sa.Table, default: Any) -> Resource:
    return Resource(name=name, default=default, count=_counted(table), registered=name)


@cache
def _counted(table: sa.Table) -> sa.Select[Any]:
    """How many rows of a table are a project's."""
    mine = table.c.project_id == sa.bindparam("owner")
    return sa.select(sa.func.count()).select_from(table).where(mine)
