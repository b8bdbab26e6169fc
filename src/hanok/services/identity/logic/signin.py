"""Signing in: who somebody is, and what they ask a token for."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from msgspec import Struct
from sqlalchemy import Row, bindparam

from hanok.base.errors import BadInput, Forbidden, NotFound, NotSignedIn
from hanok.services.identity import schemas
from hanok.services.identity.logic import rights
from hanok.services.identity.logic.tokens import Payload
from hanok.services.identity.room import Identity
from hanok.services.identity.tables import application_credentials, projects, users
from hanok.store import Database, Transaction

REFUSED = "The request you have made requires authentication."

_domain_by_name = sa.select(projects).where(
    projects.c.name_scope == "*", projects.c.name == bindparam("name")
)
_project_by_name = sa.select(projects).where(
    projects.c.name_scope == bindparam("domain_id"), projects.c.name == bindparam("name")
)
_project_by_id = sa.select(projects).where(projects.c.id == bindparam("id"))
_user_by_name = sa.select(users).where(
    users.c.domain_id == bindparam("domain_id"), users.c.name == bindparam("name")
)
_user_by_id = sa.select(users).where(users.c.id == bindparam("id"))
_credential_by_id = sa.select(application_credentials).where(
    application_credentials.c.id == bindparam("id")
)
_credential_by_name = sa.select(application_credentials).where(
    application_credentials.c.user_id == bindparam("user_id"),
    application_credentials.c.name == bindparam("name"),
)


class Proof(Struct, frozen=True, kw_only=True):
    """Who signed in, how, and what bounds the token."""

    user_id: str
    default_project_id: str | None
    methods: tuple[str, ...]
    no_later_than: datetime | None = None
    parent_audit_ids: tuple[str, ...] = ()
    parent: Payload | None = None
    application_credential_id: str = ""
    bound_project_id: str = ""


def _refused(detail: str) -> NotSignedIn:
    return NotSignedIn(REFUSED, detail=detail)


async def _domain(tx: Transaction, ref: schemas.DomainRef | None) -> Row[Any] | None:
    if ref is None or (ref.id is None and ref.name is None):
        raise BadInput("A name needs its domain: expecting to find domain in request body.")
    if ref.id is not None:
        row = await tx.first(_project_by_id, {"id": ref.id})
        return row if row is not None and row.is_domain else None
    return await tx.first(_domain_by_name, {"name": ref.name})


async def _user(tx: Transaction, ref: schemas.PasswordUser) -> Row[Any] | None:
    """The user meant; None when there is none, or it or its domain is switched off."""
    if ref.id is not None:
        row = await tx.first(_user_by_id, {"id": ref.id})
    elif ref.name is not None:
        domain = await _domain(tx, ref.domain)
        row = None
        if domain is not None:
            row = await tx.first(_user_by_name, {"domain_id": domain.id, "name": ref.name})
    else:
        raise BadInput("Expecting to find id or name in user.")
    if row is None or not row.enabled:
        return None
    home = await tx.first(_project_by_id, {"id": row.domain_id})
    return row if home is not None and home.enabled else None


async def prove(database: Database, room: Identity, wanted: schemas.IdentityPart) -> Proof:
    """Check every method that the request names; all must be of the same user.

    Raises:
        NotSignedIn: one of them does not hold. The user is not told which.
        NotFound: the token is not valid.
    """
    proofs = []
    for method in dict.fromkeys(wanted.methods):
        if method == "password" and wanted.password is not None:
            proofs.append(await _by_password(database, room, wanted.password.user))
        elif method == "token" and wanted.token is not None:
            proofs.append(await _by_token(database, room, wanted.token.id))
        elif method == "application_credential" and wanted.application_credential is not None:
            proofs.append(await _by_credential(database, room, wanted.application_credential))
        elif method in ("password", "token", "application_credential"):
            raise BadInput(f"Expecting to find {method} in identity.")
        else:
            raise _refused(f"no such sign-in method: {method}")
    if len({proof.user_id for proof in proofs}) != 1:
        raise _refused("the methods name different users")
    if len(proofs) == 1:
        return proofs[0]
    ends = [proof.no_later_than for proof in proofs if proof.no_later_than is not None]
    return Proof(
        user_id=proofs[0].user_id,
        default_project_id=proofs[0].default_project_id,
        methods=tuple(dict.fromkeys(method for proof in proofs for method in proof.methods)),
        no_later_than=min(ends) if ends else None,
        parent_audit_ids=next((p.parent_audit_ids for p in proofs if p.parent_audit_ids), ()),
        parent=next((p.parent for p in proofs if p.parent is not None), None),
        application_credential_id=next(
            (p.application_credential_id for p in proofs if p.application_credential_id), ""
        ),
        bound_project_id=next((p.bound_project_id for p in proofs if p.bound_project_id), ""),
    )


async def _by_password(database: Database, room: Identity, ref: schemas.PasswordUser) -> Proof:
    async with database.read() as tx:
        user = await _user(tx, ref)
    settings = room.settings
    now = room.clock.now()
    counted = (
        settings.lock_after
        and user is not None
        and not user.options.get("ignore_lockout_failure_attempts")
    )
    if counted and user is not None and user.failed_sign_ins >= settings.lock_after:
        if user.failed_at is not None and user.failed_at + room.lock_for > now:
            await room.passwords.matches(ref.password, None)
            raise _refused(f"user {user.id} is locked out")
        async with database.write() as tx:
            await tx.execute(users.update().where(users.c.id == user.id).values(failed_sign_ins=0))
    if not await room.passwords.matches(ref.password, None if user is None else user.password_hash):
        if counted and user is not None:
            async with database.write() as tx:
                await tx.execute(
                    users.update()
                    .where(users.c.id == user.id)
                    .values(failed_sign_ins=users.c.failed_sign_ins + 1, failed_at=now)
                )
        raise _refused("wrong name or password")
    assert user is not None
    if user.failed_sign_ins:
        async with database.write() as tx:
            await tx.execute(users.update().where(users.c.id == user.id).values(failed_sign_ins=0))
    if user.password_expires_at is not None and user.password_expires_at <= now:
        raise NotSignedIn(
            "The password is expired and needs to be changed for user: " + user.id + "."
        )
    return Proof(user_id=user.id, default_project_id=user.default_project_id, methods=("password",))


async def _by_token(database: Database, room: Identity, text: str) -> Proof:
    token = await room.tokens.validate(text)
    payload = room.tokens.open(text)
    if token is None or payload is None:
        raise NotFound("Could not find token.")
    if token.delegated:
        # A delegated token is for what it was delegated for; it makes no other tokens.
        raise Forbidden("A token from an application credential cannot be exchanged for another.")
    async with database.read() as tx:
        user = await tx.first(_user_by_id, {"id": token.user_id})
    return Proof(
        user_id=token.user_id,
        default_project_id=None if user is None else user.default_project_id,
        methods=tuple(dict.fromkeys(("token", *token.methods))),
        no_later_than=token.expires_at,
        parent_audit_ids=token.audit_ids,
        parent=payload,
    )


async def _by_credential(
    database: Database, room: Identity, ref: schemas.ApplicationCredentialMethod
) -> Proof:
    async with database.read() as tx:
        credential = None
        if ref.id is not None:
            credential = await tx.first(_credential_by_id, {"id": ref.id})
        elif ref.name is not None and ref.user is not None:
            user = await _user(tx, ref.user)
            if user is not None:
                credential = await tx.first(
                    _credential_by_name, {"user_id": user.id, "name": ref.name}
                )
        else:
            raise BadInput("An application credential is named by id, or by name and user.")
        owner = None
        if credential is not None:
            owner = await _user(tx, schemas.PasswordUser(id=credential.user_id))
    stored = None if credential is None or owner is None else credential.secret_hash
    if not await room.passwords.matches(ref.secret, stored):
        raise _refused("wrong application credential")
    assert credential is not None
    if credential.expires_at is not None and credential.expires_at <= room.clock.now():
        raise _refused("the application credential has expired")
    return Proof(
        user_id=credential.user_id,
        default_project_id=None,
        methods=("application_credential",),
        no_later_than=credential.expires_at,
        application_credential_id=credential.id,
        bound_project_id=credential.project_id,
    )


async def scope(
    tx: Transaction, proof: Proof, wanted: schemas.ScopePart | str | None
) -> tuple[str, str]:
    """What the token is for: kind ("p", "d", "s" or "") and id. Whether the user has a role there is asked later.

    Raises:
        NotSignedIn: there is no such thing, or it is switched off.
    """
    if proof.bound_project_id:
        if isinstance(wanted, schemas.ScopePart):
            asked = wanted.project.id if wanted.project is not None else None
            if asked != proof.bound_project_id:
                raise _refused("an application credential is for its own project only")
        return "p", proof.bound_project_id
    if wanted is None:
        if proof.parent is not None and proof.parent.scope:
            return proof.parent.scope, proof.parent.scope_id
        return await _default_scope(tx, proof)
    if isinstance(wanted, str):
        if wanted != "unscoped":
            raise BadInput("Invalid input for field 'scope'.")
        return "", ""
    named = [
        name
        for name in ("project", "domain", "system", "unscoped")
        if getattr(wanted, name) is not None
    ]
    if len(named) != 1:
        raise BadInput("A scope names one of project, domain and system.")
    if wanted.project is not None:
        project = await _project(tx, wanted.project)
        if project is None or not project.enabled:
            raise _refused("no such project, or it is disabled")
        return "p", project.id
    if wanted.domain is not None:
        domain = await _domain(tx, wanted.domain)
        if domain is None or not domain.enabled:
            raise _refused("no such domain, or it is disabled")
        return "d", domain.id
    if wanted.system is not None:
        if not wanted.system.all:
            raise _refused("the system is taken whole")
        return "s", "all"
    return "", ""


async def _project(tx: Transaction, ref: schemas.ProjectRef) -> Row[Any] | None:
    if ref.id is not None:
        return await tx.first(_project_by_id, {"id": ref.id})
    if ref.name is None:
        raise BadInput("Expecting to find id or name in project.")
    domain = await _domain(tx, ref.domain)
    if domain is None:
        return None
    row = await tx.first(_project_by_name, {"domain_id": domain.id, "name": ref.name})
    return domain if row is None and domain.name == ref.name else row


async def _default_scope(tx: Transaction, proof: Proof) -> tuple[str, str]:
    """Without a wish: the user's default project if the user may be there, else none."""
    if proof.default_project_id is None:
        return "", ""
    project = await tx.first(_project_by_id, {"id": proof.default_project_id})
    if project is None or not project.enabled:
        return "", ""
    if not await rights.on_project(tx, proof.user_id, project.id):
        return "", ""
    return "p", project.id
