"""The password that a guest leaves at the metadata address for its owner, encrypted with the owner's key.

Source: Compute API reference, "Servers password (servers, os-server-password)"; the compute service's user guide,
"Metadata" (password).
"""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy import bindparam

from hanok.services.compute.tables import server_passwords
from hanok.store import Duplicate, Transaction

_of = sa.select(server_passwords.c.password).where(
    server_passwords.c.server_id == bindparam("server")
)
_drop = server_passwords.delete().where(server_passwords.c.server_id == bindparam("of"))


async def of(tx: Transaction, server_id: str) -> str:
    """What a server's guest has left; "" for nothing."""
    row = await tx.first(_of, {"server": server_id})
    return "" if row is None else str(row.password)


async def leave(tx: Transaction, server_id: str, password: str) -> bool:
    """Keep what a guest leaves, the first time; whether it was the first."""
    if await of(tx, server_id):
        return False
    try:
        await tx.insert(server_passwords, {"server_id": server_id, "password": password})
    except Duplicate:
        return False
    return True


async def clear(tx: Transaction, server_id: str) -> None:
    """Nothing is kept; the guest may leave another one."""
    await tx.execute(_drop, {"of": server_id})
