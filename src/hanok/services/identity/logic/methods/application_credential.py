"""Sign-in with an application credential: for its own project, with its own roles."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy import bindparam

from hanok.base.errors import BadInput
from hanok.services.identity import schemas
from hanok.services.identity.logic import proofs
from hanok.services.identity.logic.lookup import exact_first, named
from hanok.services.identity.logic.proofs import Attempt, Method, Proof
from hanok.services.identity.logic.tokens import Bounds, since
from hanok.services.identity.tables import application_credentials

_by_id = sa.select(application_credentials).where(application_credentials.c.id == bindparam("id"))
_by_name = (
    sa.select(application_credentials)
    .where(
        application_credentials.c.user_id == bindparam("user_id"),
        named(application_credentials, bindparam("name")),
    )
    .order_by(exact_first(application_credentials, bindparam("name")))
)


async def _prove(attempt: Attempt, requested: schemas.ApplicationCredentialMethod) -> Proof:
    room = attempt.room
    async with attempt.database.read() as tx:
        credential = None
        if requested.id is not None:
            credential = await tx.first(_by_id, {"id": requested.id})
        elif requested.name is not None and requested.user is not None:
            user = await proofs.user(tx, room, requested.user)
            if user is not None:
                credential = await tx.first(_by_name, {"user_id": user.id, "name": requested.name})
        else:
            raise BadInput("An application credential is named by id, or by name and user.")
        owner = None
        if credential is not None:
            owner = await proofs.user(tx, room, schemas.UserRef(id=credential.user_id))
    stored = None if credential is None or owner is None else credential.secret_hash
    if not await room.passwords.matches(requested.secret, stored):
        raise proofs.refused("wrong application credential")
    assert credential is not None and owner is not None
    if credential.expires_at is not None and credential.expires_at <= room.clock.now():
        raise proofs.refused("the application credential has expired")
    return Proof(
        user_id=credential.user_id,
        default_project_id=None,
        methods=("application_credential",),
        no_later_than=credential.expires_at,
        bounds=Bounds(application_credential_id=credential.id, since_us=since(owner)),
        bound_project_id=credential.project_id,
    )


METHOD = Method(
    name="application_credential", shape=schemas.ApplicationCredentialMethod, prove=_prove
)
