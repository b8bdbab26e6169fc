"""What a key of EC2 and S3 is worth: the token that a request signed with it would come with.

What was found is remembered until something changes that a token's worth hangs on (`rights.FACTS`), or the token ends.
"""

from __future__ import annotations

from typing import Any

from msgspec import Struct
from sqlalchemy import Row

from hanok.base.errors import NotSignedIn
from hanok.services.identity.logic import credentials, proofs, rights, standing, trusts, users
from hanok.services.identity.logic.tokens import EC2_METHOD, Bounds, Payload, since, trustor_since
from hanok.services.identity.room import Identity
from hanok.store import Transaction
from hanok.web.token import Token


class Key(Struct, frozen=True):
    """A key that may be used now. secret: what signs; it is for comparing signatures, and for nothing else."""

    secret: str
    token: Token


async def key(tx: Transaction, room: Identity, access: str) -> Key | None:
    """The key with this access key; None: there is none, or it is worth nothing any more."""
    revision = await rights.revision(tx)
    known = room.ec2_keys.get(access)
    if known is not None and known[0] == revision:
        found: Key = known[1]
        if found.token.expires_at > room.clock.now():
            return found
    row = await credentials.by_access(tx, access)
    if row is None:
        return None
    _, secret = credentials.ec2_parts(room.secrets, row)
    try:
        _, payload = await issue(tx, room, row)
    except NotSignedIn:
        return None
    token = await room.tokens.worth(tx, payload)
    if token is None or not secret:
        return None
    found = Key(secret, token)
    room.ec2_keys.put(access, (revision, found))
    return found


async def issue(tx: Transaction, room: Identity, row: Row[Any]) -> tuple[str, Payload]:
    """A token with the rights of a key, and its payload.

    Raises:
        NotSignedIn: the key is worth nothing any more.
    """
    owner = await proofs.user_by_id(tx, row.user_id)
    if owner is None or not standing.is_enabled(owner, room):
        raise proofs.refused("the owner of the key is switched off")
    holder = await users.get(tx, await _holder(tx, row))
    return room.tokens.issue(
        user_id=holder.id,
        methods=(EC2_METHOD,),
        scope="p",
        scope_id=row.project_id,
        bounds=Bounds(
            credential_id=row.id,
            trust_id=row.trust_id or "",
            application_credential_id=row.application_credential_id or "",
            access_token_id=row.access_token_id or "",
            since_us=since(holder),
            trustor_since_us=await _trustor_since(tx, row),
        ),
    )


async def _holder(tx: Transaction, row: Row[Any]) -> str:
    """Whose token a key gives: that of a trust is the trustee's, though the key may bear the trustor's name."""
    if row.trust_id is None:
        return str(row.user_id)
    trust = await trusts.find(tx, row.trust_id)
    if trust is None:
        raise proofs.refused("the trust of the key is gone")
    speaks_for = trust.trustor_user_id if trust.impersonation else trust.trustee_user_id
    if row.user_id != speaks_for:
        raise proofs.refused("the key is not of the trust's user")
    return str(trust.trustee_user_id)


async def _trustor_since(tx: Transaction, row: Row[Any]) -> int:
    trust = None if row.trust_id is None else await trusts.find(tx, row.trust_id)
    return 0 if trust is None else await trustor_since(tx, trust)
