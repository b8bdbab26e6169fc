"""Sign-in with a token one has: for another scope, never for longer."""

from __future__ import annotations

from hanok.base.errors import Forbidden, NotFound
from hanok.services.identity import schemas
from hanok.services.identity.logic import proofs
from hanok.services.identity.logic.proofs import Attempt, Method, Proof


async def _prove(attempt: Attempt, requested: schemas.TokenMethod) -> Proof:
    tokens = attempt.room.tokens
    token = await tokens.validate(requested.id)
    payload = tokens.open(requested.id)
    if token is None or payload is None:
        raise NotFound("Could not find token.")
    if token.delegated:
        # A delegated token is for what it was delegated for; it makes no other tokens.
        raise Forbidden("A delegated token cannot be exchanged for another.")
    async with attempt.database.read() as tx:
        user = await proofs.user_by_id(tx, token.user_id)
    return Proof(
        user_id=token.user_id,
        default_project_id=None if user is None else user.default_project_id,
        methods=tuple(dict.fromkeys(("token", *token.methods))),
        no_later_than=token.expires_at,
        parent_audit_ids=token.audit_ids,
        parent=payload,
        bounds=tokens.bounds_of(payload),
    )


METHOD = Method(name="token", shape=schemas.TokenMethod, prove=_prove)


async def _prove_federated(attempt: Attempt, requested: schemas.TokenMethod) -> Proof:
    proof = await _prove(attempt, requested)
    if not proof.bounds.idp_id:
        raise proofs.refused("the token is not from an identity provider")
    return proof


# Older clients name the way a token of an identity provider was got, and mean the token.
FEDERATED = tuple(
    Method(name=name, shape=schemas.TokenMethod, prove=_prove_federated)
    for name in ("mapped", "openid", "saml2")
)
