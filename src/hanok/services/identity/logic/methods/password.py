"""Sign-in with a password."""

from __future__ import annotations

from hanok.base.errors import NotSignedIn
from hanok.services.identity import schemas
from hanok.services.identity.logic import proofs, standing
from hanok.services.identity.logic.proofs import Attempt, Method, Proof


async def _prove(attempt: Attempt, wanted: schemas.PasswordMethod) -> Proof:
    room, ref = attempt.room, wanted.user
    async with attempt.database.read() as tx:
        user = await proofs.user(tx, room, ref)
    if standing.is_locked(user, room):
        await room.passwords.matches(ref.password, None)
        raise proofs.refused("the user is locked out")
    if not await room.passwords.matches(ref.password, None if user is None else user.password_hash):
        await standing.failed(attempt.database, room, user)
        raise proofs.refused("wrong name or password")
    assert user is not None
    if not await standing.succeeded(attempt.database, room, user):
        raise proofs.refused("the user was locked out meanwhile")
    if user.password_expires_at is not None and user.password_expires_at <= room.clock.now():
        raise NotSignedIn(f"The password is expired and needs to be changed for user: {user.id}.")
    return Proof(user_id=user.id, default_project_id=user.default_project_id, methods=("password",))


METHOD = Method(name="password", shape=schemas.PasswordMethod, prove=_prove)
