"""Sign-in with an OAuth 1 access token: the request to sign in is itself signed with it."""

from __future__ import annotations

from hanok.services.identity import schemas
from hanok.services.identity.logic import oauth1, proofs
from hanok.services.identity.logic.proofs import Attempt, Method, Proof
from hanok.services.identity.logic.tokens import Bounds, since


async def _prove(attempt: Attempt, requested: schemas.OAuth1Method) -> Proof:
    room = attempt.room
    signed = oauth1.read(attempt.http_method, attempt.urls, attempt.query, attempt.headers)
    row = await oauth1.prove_access(attempt.database, room, signed)
    async with attempt.database.read() as tx:
        user = await proofs.user(tx, room, schemas.UserRef(id=row.user_id))
    if user is None:
        raise proofs.refused("the user of the access token is gone")
    return Proof(
        user_id=row.user_id,
        default_project_id=None,
        methods=("oauth1",),
        no_later_than=row.expires_at,
        bounds=Bounds(access_token_id=row.id, since_us=since(user)),
        bound_project_id=row.project_id,
    )


METHOD = Method(name="oauth1", shape=schemas.OAuth1Method, prove=_prove)
