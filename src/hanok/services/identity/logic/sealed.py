"""Secrets at rest: sealed with keys that the database holds only sealed.

A row that holds one has the columns `sealed` and `sealed_with` (the key's name), so that rotation finds what an older
key has sealed.
"""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy import Row

from hanok.base.errors import Unavailable
from hanok.services.identity.logic.keys import Key, Keys
from hanok.services.identity.tables import (
    credentials,
    domain_options,
    oauth_access_tokens,
    oauth_consumers,
    oauth_request_tokens,
)
from hanok.store import Database

TABLES = (credentials, domain_options, oauth_consumers, oauth_request_tokens, oauth_access_tokens)
AT_ONCE = 200  # rows a transaction seals anew: short enough for other writers


def seal(keys: Keys, secret: str, key: Key | None = None) -> dict[str, str]:
    """The columns that keep a secret. key: what to seal it with, when not the one that seals now."""
    key = key or keys.sealing()
    return {"sealed": keys.seal(secret.encode(), key), "sealed_with": key.name}


def unseal(keys: Keys, row: Row[tuple[str, ...]]) -> str:
    """The secret of a row.

    Raises:
        Unavailable: the key that sealed it is gone, or so new that this process does not know it yet.
    """
    opened = keys.open(row.sealed)
    if opened is None:
        keys.missed()
        raise Unavailable(
            "The secret cannot be opened.", detail=f"key {row.sealed_with} is not known here"
        )
    return opened.decode()


async def rotate(database: Database, keys: Keys) -> int:
    """Seal every secret anew with a new key; gives their number.

    The key before it stays until the next rotation: another process may just be sealing with it.
    """
    await keys.add(database)
    return await seal_anew(database, keys)


async def seal_anew(database: Database, keys: Keys) -> int:
    """Seal with the newest key what an older one has sealed. May be repeated after it broke off."""
    newest = keys.newest()
    done = 0
    for table in TABLES:
        older = (
            sa.select(table.c.sealed, table.c.sealed_with)
            .where(table.c.sealed_with != newest.name, table.c.sealed != "")
            .limit(AT_ONCE)
        )
        while True:
            async with database.write() as tx:
                rows = await tx.all(older)
                for row in rows:
                    # No two are sealed alike; one that was changed meanwhile is not there any more.
                    await tx.execute(
                        table.update()
                        .where(table.c.sealed == row.sealed)
                        .values(**seal(keys, unseal(keys, row), newest))
                    )
            done += len(rows)
            if len(rows) < AT_ONCE:
                break
    await keys.prune(database)
    return done
