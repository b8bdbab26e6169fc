"""What goes with a user, a project, a role or a credential: everything that was delegated from it or to it.

One place, so that each way something ends takes the same things along. The caller says that rights have changed.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

import sqlalchemy as sa

from hanok.services.identity.logic import revocations
from hanok.services.identity.tables import (
    access_rules,
    application_credentials,
    credentials,
    oauth_access_tokens,
    oauth_consumers,
    oauth_nonces,
    oauth_request_tokens,
    trust_roles,
    trusts,
    used_passcodes,
)
from hanok.store import Transaction

REMEMBERED = timedelta(days=30)  # how long a deleted trust is told apart from one that never was

Ids = Sequence[str] | sa.Select[tuple[str]]


async def forget_users(tx: Transaction, ids: Ids) -> None:
    """Remove the credentials, trusts and OAuth tokens of users."""
    await tx.execute(credentials.delete().where(credentials.c.user_id.in_(ids)))
    await tx.execute(used_passcodes.delete().where(used_passcodes.c.user_id.in_(ids)))
    await tx.execute(
        application_credentials.delete().where(application_credentials.c.user_id.in_(ids))
    )
    await tx.execute(access_rules.delete().where(access_rules.c.user_id.in_(ids)))
    await tx.execute(oauth_request_tokens.delete().where(oauth_request_tokens.c.user_id.in_(ids)))
    await tx.execute(oauth_access_tokens.delete().where(oauth_access_tokens.c.user_id.in_(ids)))
    theirs = sa.or_(trusts.c.trustor_user_id.in_(ids), trusts.c.trustee_user_id.in_(ids))
    await _remove_trusts(tx, await tx.scalars(sa.select(trusts.c.id).where(theirs)))


async def forget_project(tx: Transaction, project_id: str) -> None:
    """Remove what was delegated on a project, and the keys for it."""
    for table in (
        credentials,
        application_credentials,
        oauth_request_tokens,
        oauth_access_tokens,
    ):
        await tx.execute(table.delete().where(table.c.project_id == project_id))
    there = sa.select(trusts.c.id).where(trusts.c.project_id == project_id)
    await _remove_trusts(tx, await tx.scalars(there))


async def forget_role(tx: Transaction, role_id: str) -> None:
    """Remove the trusts that delegate a role."""
    having = sa.select(trust_roles.c.trust_id).where(trust_roles.c.role_id == role_id)
    await _remove_trusts(tx, await tx.scalars(having))


async def forget_application_credential(tx: Transaction, credential_id: str) -> None:
    """Remove an application credential, those that were made with it, and the keys made with any of them."""
    table = application_credentials
    whole, step = [credential_id], [credential_id]
    while step:
        made = sa.select(table.c.id).where(table.c.parent_id.in_(step))
        step = [one for one in await tx.scalars(made) if one not in whole]
        whole += step
    await tx.execute(credentials.delete().where(credentials.c.application_credential_id.in_(whole)))
    await tx.execute(table.delete().where(table.c.id.in_(whole)))


async def forget_access_token(tx: Transaction, token_id: str) -> None:
    """Remove an OAuth access token and the keys that were made with it."""
    await tx.execute(credentials.delete().where(credentials.c.access_token_id == token_id))
    await tx.execute(oauth_access_tokens.delete().where(oauth_access_tokens.c.id == token_id))


async def forget_consumer(tx: Transaction, consumer_id: str, now: datetime) -> None:
    """Remove an OAuth consumer with all its tokens."""
    own = sa.select(oauth_access_tokens.c.id).where(
        oauth_access_tokens.c.consumer_id == consumer_id
    )
    await tx.execute(credentials.delete().where(credentials.c.access_token_id.in_(own)))
    for table in (oauth_access_tokens, oauth_request_tokens, oauth_nonces):
        await tx.execute(table.delete().where(table.c.consumer_id == consumer_id))
    await tx.execute(oauth_consumers.delete().where(oauth_consumers.c.id == consumer_id))
    await revocations.note(tx, "consumer", [consumer_id], now)


async def with_redelegated(tx: Transaction, trust_ids: Sequence[str]) -> list[str]:
    """These trusts and all that were handed on from them."""
    found = list(trust_ids)
    step = list(trust_ids)
    while step:
        below = sa.select(trusts.c.id).where(trusts.c.redelegated_trust_id.in_(step))
        step = [one for one in await tx.scalars(below) if one not in found]
        found += step
    return found


async def delete_trust(tx: Transaction, trust_id: str, now: datetime) -> None:
    """End a trust with all that were handed on from it, and the keys made with them."""
    ids = await with_redelegated(tx, [trust_id])
    alive = sa.select(trusts.c.id).where(trusts.c.id.in_(ids), trusts.c.deleted_at.is_(None))
    standing = set(await tx.scalars(alive))
    await revocations.note(tx, "trust", [one for one in reversed(ids) if one in standing], now)
    await tx.execute(credentials.delete().where(credentials.c.trust_id.in_(ids)))
    await tx.execute(trusts.update().where(trusts.c.id.in_(ids)).values(deleted_at=now))
    long_ago = sa.select(trusts.c.id).where(trusts.c.deleted_at < now - REMEMBERED)
    await _remove_trusts(tx, await tx.scalars(long_ago))


async def _remove_trusts(tx: Transaction, ids: Sequence[str]) -> None:
    whole = await with_redelegated(tx, ids)
    if not whole:
        return
    await tx.execute(credentials.delete().where(credentials.c.trust_id.in_(whole)))
    await tx.execute(trust_roles.delete().where(trust_roles.c.trust_id.in_(whole)))
    await tx.execute(trusts.delete().where(trusts.c.id.in_(whole)))
