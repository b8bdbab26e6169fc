"""Where secrets are kept. There is one place, the cloud's database, which a project may say to prefer.

Source: Key Manager API v1 reference, "Secret Stores".
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Row, bindparam

from hanok.base.ids import new_uuid
from hanok.services.key_manager.logic import common
from hanok.services.key_manager.logic.errors import no_preferred_store, no_store
from hanok.services.key_manager.room import KeyManager
from hanok.services.key_manager.tables import preferred_stores, stores
from hanok.store import Transaction

DEFAULT = "Sealed with the cloud's key"
_all = sa.select(stores).order_by(stores.c.name)
_by_id = sa.select(stores).where(stores.c.id == bindparam("id"))
_default = sa.select(stores).where(stores.c.name == DEFAULT)
_preferred = (
    sa.select(stores)
    .join(preferred_stores, preferred_stores.c.store_id == stores.c.id)
    .where(preferred_stores.c.project_id == bindparam("project"))
)


async def ensure(tx: Transaction, room: KeyManager) -> None:
    """The one that every project has is there."""
    if await tx.first(_default) is None:
        now = room.clock.now()
        row = {"id": new_uuid(), "name": DEFAULT, "created_at": now, "updated_at": now}
        await tx.insert(stores, row)


async def every(tx: Transaction) -> Sequence[Row[Any]]:
    return await tx.all(_all)


async def find(tx: Transaction, store_id: str) -> Row[Any]:
    """Raises NotFound."""
    row = await tx.first(_by_id, {"id": store_id})
    if row is None:
        raise no_store()
    return row


async def default(tx: Transaction) -> Row[Any]:
    """The one of projects that prefer none. Raises NotFound."""
    row = await tx.first(_default)
    if row is None:
        raise no_store()
    return row


async def preferred(tx: Transaction, project_id: str) -> Row[Any]:
    """Raises NotFound: the project prefers none."""
    row = await tx.first(_preferred, {"project": project_id})
    if row is None:
        raise no_preferred_store()
    return row


async def prefer(tx: Transaction, store_id: str, project_id: str) -> bool:
    """The project prefers this one; gives whether that is new. Raises NotFound."""
    await find(tx, store_id)
    row = {"project_id": project_id, "store_id": store_id}
    return await tx.insert_missing(preferred_stores, row)


async def prefer_none(tx: Transaction, store_id: str, project_id: str) -> None:
    """Raises NotFound: it does not prefer this one."""
    row = await tx.first(_preferred, {"project": project_id})
    if row is None or row.id != store_id:
        raise no_preferred_store()
    mine = preferred_stores.c.project_id == project_id
    await tx.execute(preferred_stores.delete().where(mine))


def shown(row: Row[Any], base_url: str) -> dict[str, Any]:
    return {
        "secret_store_ref": f"{base_url}/v1/secret-stores/{row.id}",
        "name": row.name,
        "status": "ACTIVE",
        "global_default": row.name == DEFAULT,
        "secret_store_plugin": "store_crypto",
        "crypto_plugin": "cloud_key",
        "created": common.text(row.created_at),
        "updated": common.text(row.updated_at),
    }
