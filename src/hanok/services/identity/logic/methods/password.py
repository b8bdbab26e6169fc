"""Sign-in with a password."""

from __future__ import annotations

from hanok.base.errors import NotSignedIn
from hanok.services.identity import schemas
from hanok.services.identity.logic import directories, proofs, standing
from hanok.services.identity.logic.directory import Directory
from hanok.services.identity.logic.proofs import Attempt, Method, Proof
from hanok.services.identity.logic.tokens import Bounds, since


async def _prove(attempt: Attempt, requested: schemas.PasswordMethod) -> Proof:
    room, ref = attempt.room, requested.user
    found = None
    async with attempt.database.read() as tx:
        somewhere = await room.directories.there_are(tx)
        user = await proofs.user(tx, room, ref)
    if somewhere and (found := await _in_directory(attempt, ref)) is not None:
        async with attempt.database.read() as tx:  # the row may have come just now
            user = await proofs.user(tx, room, ref)
    if standing.is_locked(user, room):
        await room.passwords.matches(ref.password, None)
        raise proofs.refused("the user is locked out")
    if found is not None:
        directory, user_id, dn = found
        # Not another user of that name who is no person of the directory.
        theirs = user is not None and user.id == user_id
        right = theirs and await directory.binds(dn, ref.password)
    else:
        hashed = None if user is None else user.password_hash
        right = await room.passwords.matches(ref.password, hashed)
    if not right:
        await standing.failed(attempt.database, room, user)
        raise proofs.refused("wrong name or password")
    assert user is not None
    if not await standing.succeeded(attempt.database, room, user):
        raise proofs.refused("the user was locked out meanwhile")
    if user.password_expires_at is not None and user.password_expires_at <= room.clock.now():
        raise NotSignedIn(f"The password is expired and needs to be changed for user: {user.id}.")
    return Proof(
        user_id=user.id,
        default_project_id=user.default_project_id,
        methods=("password",),
        bounds=Bounds(since_us=since(user)),
    )


async def _in_directory(
    attempt: Attempt, ref: schemas.PasswordUser
) -> tuple[Directory, str, str] | None:
    """Who is meant (the directory, the id here and the DN there), if the domain's accounts are in a directory."""
    known = attempt.room.directories
    if ref.id is not None:
        return await directories.seek_by_id(attempt.database, known, ref.id)
    if ref.name is None:
        return None
    async with attempt.database.read() as tx:
        home = await proofs.domain(tx, ref.domain)
    if home is None:
        return None
    return await directories.seek(attempt.database, known, domain_id=home.id, name=ref.name)


METHOD = Method(name="password", shape=schemas.PasswordMethod, prove=_prove)
