"""Work that goes on behind its request: a trust of who asked for it stands for it.

The trust is the user's to see and to end. It is for a user of ours, who has no password and no role: what the trust
gives is all that it has. Nobody signs in with it, whoever gives that user a password. Work goes on with the rights of
the token it was asked for with while these stand, and with those of the trust when they do not any more, as after a
change of the password. When the trust has ended, it stops.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

import sqlalchemy as sa

from hanok.base.errors import NotSignedIn
from hanok.base.ids import new_hex
from hanok.services.identity.logic import delegations, rights, stack_users, trusts, users
from hanok.services.identity.logic.tokens import Bounds, Payload, since, trustor_since
from hanok.services.identity.room import Identity
from hanok.services.identity.tables import users as user_rows
from hanok.store import Database, Transaction

WORKER = "heat"


async def _worker(tx: Transaction, now: datetime) -> str:
    """The id of the user that works on stacks; it cannot sign in."""
    domain_id = await stack_users.domain(tx)
    there = await tx.scalar(
        sa.select(user_rows.c.id).where(
            user_rows.c.domain_id == domain_id, user_rows.c.name == WORKER
        )
    )
    if there is not None:
        return str(there)
    user_id = new_hex()
    row = {
        "id": user_id,
        "name": WORKER,
        "domain_id": domain_id,
        "enabled": True,
        "options": {},
        "extra": {},
        "password_own": False,
        "past_hashes": [],
        "failed_sign_ins": 0,
        "created_at": now,
    }
    await tx.insert(user_rows, row)
    return user_id


def _may_entrust(payload: Payload) -> bool:
    """What was lent itself, or ends with something else, is not lent on."""
    bounds = (payload.application_credential_id, payload.trust_id, payload.access_token_id)
    others = (payload.credential_id, payload.idp_id, payload.thumbprint)
    return payload.scope == "p" and not any((*bounds, *others))


async def entrust(tx: Transaction, room: Identity, raw: bytes, before: str) -> str:
    """A trust for the work that is asked for with what was lent; gives its id, empty where there is none.

    Args:
        before: the trust of the same work until now; it is kept where it says the same, and ended where not.
    """
    now, payload = room.clock.now(), room.tokens.payload_of(raw)
    named: list[str] = []
    if _may_entrust(payload):
        named = await rights.on_project(tx, payload.user_id, payload.scope_id)
    if before and await _says_so(tx, before, payload, set(named), now):
        return before
    await end(tx, room, before)
    if not named:
        return ""
    requested = trusts.NewTrust(
        trustor_user_id=payload.user_id,
        trustee_user_id=await _worker(tx, now),
        impersonation=True,
        project_id=payload.scope_id,
        role_ids=named,
        remaining_uses=None,
        expires_at=None,
        allow_redelegation=False,
        redelegation_count=None,
        deferred=True,
    )
    row = await trusts.create(tx, requested, parent_id=None, maximum=0, now=now)
    return str(row.id)


async def _says_so(
    tx: Transaction, trust_id: str, payload: Payload, named: set[str], now: datetime
) -> bool:
    row = await trusts.alive(tx, trust_id, now)
    return (
        row is not None
        and trusts.is_deferred(row)
        and (row.trustor_user_id, row.project_id) == (payload.user_id, payload.scope_id)
        and set(await trusts.role_ids(tx, trust_id)) == named
    )


def _is_the_same(payload: Payload, row: sa.Row[Any]) -> bool:
    """Whether what was lent is its trustor's, with all the rights."""
    same = (payload.user_id, payload.scope_id) == (row.trustor_user_id, row.project_id)
    return same and _may_entrust(payload)


async def end(tx: Transaction, room: Identity, trust_id: str) -> None:
    """The work is done, or another trust stands for it."""
    if trust_id and await trusts.alive(tx, trust_id, room.clock.now()) is not None:
        await delegations.delete_trust(tx, trust_id, room.clock.now())


async def borrowed(database: Database, room: Identity, raw: bytes, trust_id: str) -> str:
    """A token of this hour to go on with: of what was lent, or of the trust where that is from the same person.

    Args:
        trust_id: empty where there is none.

    Raises:
        NotSignedIn: the trust has ended, or is somebody else's than what was lent, or reaches further; or neither is
            worth anything now, as where a user or a project is disabled.
    """
    async with database.read() as tx:
        row = await trusts.alive(tx, trust_id, room.clock.now()) if trust_id else None
        if trust_id and row is None:
            raise NotSignedIn("The trust with which this work was requested has ended.")
        if await room.tokens.stands(tx, raw):
            return room.tokens.borrowed(raw)
        if row is not None and _is_the_same(room.tokens.payload_of(raw), row):
            text = await _by_trust(tx, room, row)
            if await room.tokens.stands(tx, room.tokens.lent(text) or b""):
                return text
    raise NotSignedIn("The rights with which this work was requested have ended.")


async def _by_trust(tx: Transaction, room: Identity, row: sa.Row[Any]) -> str:
    worker = await users.get(tx, row.trustee_user_id)
    bounds = Bounds(
        trust_id=row.id, since_us=since(worker), trustor_since_us=await trustor_since(tx, row)
    )
    text, _ = room.tokens.issue(
        user_id=worker.id, methods=("password",), scope="p", scope_id=row.project_id, bounds=bounds
    )
    return text
