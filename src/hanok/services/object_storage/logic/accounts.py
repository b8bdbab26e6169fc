"""Accounts: made when they are first written to."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Row, bindparam

from hanok.services.object_storage.logic.names import Said
from hanok.services.object_storage.tables import object_accounts, object_containers
from hanok.store import Transaction

_A = object_accounts.c
_get = sa.select(object_accounts).where(_A.id == bindparam("account"))
_locked = _get.with_for_update()
_write_metadata = (
    object_accounts.update().where(_A.id == bindparam("account")).values(metadata=bindparam("meta"))
)
_count = (
    object_accounts.update()
    .where(_A.id == bindparam("account"))
    .values(
        containers=_A.containers + bindparam("containers_more"),
        objects=_A.objects + bindparam("objects_more"),
        bytes=_A.bytes + bindparam("bytes_more"),
    )
)
_remove = object_accounts.delete().where(_A.id == bindparam("account"))

QUOTA = "x-account-meta-quota-bytes"
QUOTA_COUNT = "x-account-quota-count"


async def get(tx: Transaction, account: str) -> Row[Any] | None:
    """An account's row; None: nothing was ever written to it."""
    return await tx.first(_get, {"account": account})


async def held(tx: Transaction, account: str, now_us: int) -> Row[Any]:
    """An account's row, which nobody else changes until the transaction ends; made where it is missing."""
    row = await tx.first(_locked, {"account": account})
    if row is None:
        values = {"created_us": now_us, "metadata": {}, "containers": 0, "objects": 0, "bytes": 0}
        await tx.insert_missing(object_accounts, {"id": account, **values})
        row = await tx.first(_locked, {"account": account})
        assert row is not None
    return row


async def write_metadata(tx: Transaction, account: str, metadata: Mapping[str, str]) -> None:
    await tx.execute(_write_metadata, {"account": account, "meta": dict(metadata)})


async def count(
    tx: Transaction, account: str, *, containers: int = 0, objects: int = 0, size: int = 0
) -> None:
    """Add to what an account has."""
    values = {"containers_more": containers, "objects_more": objects, "bytes_more": size}
    await tx.execute(_count, {"account": account, **values})


def quota(account: Row[Any], default: int) -> int | None:
    """How many bytes an account may hold; None: there is no limit."""
    text = account.metadata.get(QUOTA, "")
    return int(text) if text.isdigit() else default or None


def check_quota(account: Row[Any], more: int, default: int, *, objects: int) -> None:
    """Go on only if an account may hold so many bytes and objects more.

    Raises:
        Said
    """
    maximum = quota(account, default)
    if more > 0 and maximum is not None and account.bytes + more > maximum:
        raise Said(413, "Upload exceeds quota.")
    count = account.metadata.get(QUOTA_COUNT, "")
    if objects > 0 and count.isdigit() and int(count) < account.objects + objects:
        raise Said(413, "Upload exceeds quota.")


async def remove(tx: Transaction, account: str) -> None:
    """Remove an empty account.

    Raises:
        Said: it is not there, or has containers.
    """
    row = await tx.first(_locked, {"account": account})
    if row is None:
        raise Said(404)
    some = sa.select(object_containers.c.id).where(object_containers.c.account == account).limit(1)
    if await tx.first(some) is not None:
        raise Said(409, "The account has containers.")
    await tx.execute(_remove, {"account": account})
