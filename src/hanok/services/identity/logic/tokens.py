"""Tokens: sealed payloads, nothing stored; and what a valid one is worth at this moment.

A payload names the user, the methods, the scope, when it was issued and ends, its audit ids and the credential it came
from. Rights are not in it: they are read when the token is used.
"""

from __future__ import annotations

import base64
import secrets
from datetime import UTC, datetime, timedelta

import msgspec
import sqlalchemy as sa
from msgspec import Struct
from sqlalchemy import bindparam

from hanok.base.clock import Clock
from hanok.services.identity.logic import rights
from hanok.services.identity.logic.keys import Keys
from hanok.services.identity.tables import (
    access_rules,
    application_credentials,
    projects,
    revoked_tokens,
    users,
)
from hanok.store import Database, Transaction
from hanok.web.token import Token

CACHE_MOST = 4096

_domain = projects.alias("domain")
_user = (
    sa.select(users, _domain.c.name.label("domain_name"), _domain.c.enabled.label("domain_enabled"))
    .join(_domain, _domain.c.id == users.c.domain_id)
    .where(users.c.id == bindparam("id"))
)
_project = sa.select(projects).where(projects.c.id == bindparam("id"))
_revoked = sa.select(revoked_tokens.c.audit_id).where(
    revoked_tokens.c.audit_id.in_(bindparam("ids", expanding=True))
)
_credential = sa.select(application_credentials).where(
    application_credentials.c.id == bindparam("id")
)
_rules = sa.select(access_rules).where(access_rules.c.id.in_(bindparam("ids", expanding=True)))


class Payload(Struct, frozen=True, kw_only=True, array_like=True):
    """What is sealed. scope: "" (none), "p" (project), "d" (domain), "s" (system). Times in seconds since 1970."""

    user_id: str
    methods: tuple[str, ...]
    scope: str
    scope_id: str
    issued_us: int
    expires_us: int
    audit_ids: tuple[str, ...]
    application_credential_id: str = ""


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Payload).decode


def _time(microseconds: int) -> datetime:
    return datetime.fromtimestamp(microseconds / 1_000_000, UTC)


def new_audit_id() -> str:
    return base64.urlsafe_b64encode(secrets.token_bytes(16)).decode().rstrip("=")


class Tokens:
    """Issues tokens and says what one is worth."""

    def __init__(
        self, database: Database, keys: Keys, clock: Clock, *, lifetime_s: int = 3600
    ) -> None:
        self._database = database
        self._keys = keys
        self._clock = clock
        self.lifetime = timedelta(seconds=lifetime_s)
        self._opened: dict[str, Payload | None] = {}
        self._valid: dict[str, tuple[int, Token]] = {}
        self._fresh: dict[tuple[object, ...], tuple[int, Token]] = {}

    def issue(
        self,
        *,
        user_id: str,
        methods: tuple[str, ...],
        scope: str = "",
        scope_id: str = "",
        no_later_than: datetime | None = None,
        parent_audit_ids: tuple[str, ...] = (),
        application_credential_id: str = "",
    ) -> tuple[str, Payload]:
        """A new token and its payload.

        Args:
            no_later_than: the end of what it was got with; a token from a token never lives longer than the first.
            parent_audit_ids: of the token it was got with; the last one is the chain's.
        """
        now = self._clock.now().replace(microsecond=0)
        expires = now + self.lifetime
        if no_later_than is not None:
            expires = min(expires, no_later_than)
        payload = Payload(
            user_id=user_id,
            methods=methods,
            scope=scope,
            scope_id=scope_id,
            issued_us=int(self._clock.now().timestamp() * 1_000_000),
            expires_us=int(expires.timestamp() * 1_000_000),
            audit_ids=(new_audit_id(), *parent_audit_ids[-1:]),
            application_credential_id=application_credential_id,
        )
        return self._keys.seal(_encode(payload)), payload

    def open(self, text: str) -> Payload | None:
        """The payload of a token that is ours and has not ended; it may still be revoked."""
        if text in self._opened:
            payload = self._opened[text]
        else:
            raw = self._keys.open(text) if len(text) < 2048 and text.isascii() else None
            try:
                payload = None if raw is None else _decode(raw)
            except msgspec.DecodeError:
                payload = None
            if payload is not None:
                if len(self._opened) >= CACHE_MOST:
                    self._opened.clear()
                self._opened[text] = payload
        if payload is None or payload.expires_us <= self._clock.now().timestamp() * 1_000_000:
            return None
        return payload

    async def validate(self, text: str) -> Token | None:
        """What the token is worth now, or None: it ended, was revoked, or its rights are gone."""
        payload = self.open(text)
        if payload is None:
            return None
        async with self._database.read() as tx:
            revision = await rights.revision(tx)
            known = self._valid.get(text)
            if known is not None and known[0] == revision:
                token = known[1]
                return token if token.expires_at > self._clock.now() else None
            token_now = await self.worth(tx, payload)
        if token_now is not None:
            if len(self._valid) >= CACHE_MOST:
                self._valid.clear()
            self._valid[text] = (revision, token_now)
        else:
            self._valid.pop(text, None)
        return token_now

    async def standing(self, text: str) -> Token | None:
        """What the rights behind a token are worth now, though the token itself may have ended meanwhile.

        For what was begun with a token and goes on: a console that is open closes when the rights go.
        """
        raw = self._keys.open(text)
        if raw is None:
            return None
        try:
            payload = _decode(raw)
        except msgspec.DecodeError:
            return None
        async with self._database.read() as tx:
            return await self.worth(tx, payload)

    async def worth(self, tx: Transaction, payload: Payload) -> Token | None:
        """What a payload is worth, read afresh."""
        user = await tx.first(_user, {"id": payload.user_id})
        if user is None or not user.enabled or not user.domain_enabled:
            return None
        issued = _time(payload.issued_us)
        if user.tokens_valid_from is not None and issued < user.tokens_valid_from:
            return None
        if await tx.first(_revoked, {"ids": list(payload.audit_ids)}) is not None:
            return None
        expires = _time(payload.expires_us)
        credential = None
        if payload.application_credential_id:
            credential = await tx.first(_credential, {"id": payload.application_credential_id})
            if credential is None or credential.user_id != payload.user_id:
                return None
            if credential.expires_at is not None:
                expires = min(expires, credential.expires_at)
                if expires <= self._clock.now():
                    return None
        project = domain = project_domain = None
        role_ids: list[str] = []
        if payload.scope in ("p", "d"):
            row = await tx.first(_project, {"id": payload.scope_id})
            if row is None or not row.enabled:
                return None
            if payload.scope == "p":
                project = row
                project_domain = await tx.first(_project, {"id": row.domain_id or row.id})
                if project_domain is None or not project_domain.enabled:
                    return None
                if project.is_domain:
                    role_ids = await rights.on_domain(tx, user.id, row.id)
                else:
                    role_ids = await rights.on_project(tx, user.id, row.id)
            else:
                if not row.is_domain:
                    return None
                domain = row
                role_ids = await rights.on_domain(tx, user.id, row.id)
        elif payload.scope == "s":
            role_ids = await rights.on_system(tx, user.id)
        if credential is not None:
            held = set(role_ids)
            role_ids = await rights.with_implied(tx, [r for r in credential.role_ids if r in held])
        named = await rights.named(tx, role_ids)
        if payload.scope and not named:
            return None
        rules = None
        if credential is not None and credential.access_rule_ids is not None:
            rows = await tx.all(_rules, {"ids": list(credential.access_rule_ids)})
            rules = tuple((r.service, r.method, r.path) for r in rows)
        return Token(
            user_id=user.id,
            user_name=user.name,
            user_domain_id=user.domain_id,
            user_domain_name=user.domain_name,
            project_id=None if project is None else project.id,
            project_name=None if project is None else project.name,
            project_domain_id=None if project_domain is None else project_domain.id,
            project_domain_name=None if project_domain is None else project_domain.name,
            domain_id=None if domain is None else domain.id,
            domain_name=None if domain is None else domain.name,
            system=payload.scope == "s",
            roles=tuple(name for _, name in named),
            role_ids=tuple(role_id for role_id, _ in named),
            methods=payload.methods,
            audit_ids=payload.audit_ids,
            password_expires_at=user.password_expires_at,
            issued_at=issued,
            expires_at=expires,
            application_credential_id=payload.application_credential_id or None,
            application_credential_restricted=credential is None or not credential.unrestricted,
            access_rules=rules,
            delegated=bool(payload.application_credential_id),
        )

    async def fresh(self, tx: Transaction, payload: Payload) -> Token | None:
        """What a payload is worth that was issued this moment; of the last one for the same, only the times differ."""
        what = (
            payload.user_id,
            payload.scope,
            payload.scope_id,
            payload.application_credential_id,
            payload.methods,
        )
        revision = await rights.revision(tx)
        known = self._fresh.get(what)
        if known is None or known[0] != revision:
            token = await self.worth(tx, payload)
            if token is None:
                return None
            if len(self._fresh) >= CACHE_MOST:
                self._fresh.clear()
            self._fresh[what] = (revision, token)
            return token
        return msgspec.structs.replace(
            known[1],
            audit_ids=payload.audit_ids,
            issued_at=_time(payload.issued_us),
            expires_at=_time(payload.expires_us),
        )

    async def revoke(self, tx: Transaction, payload: Payload) -> None:
        """End one token (not those got with it), from the next request on, on every replica."""
        await tx.execute(
            revoked_tokens.delete().where(revoked_tokens.c.expires_at < self._clock.now())
        )
        if await tx.first(_revoked, {"ids": [payload.audit_ids[0]]}) is None:
            await tx.insert(
                revoked_tokens,
                {"audit_id": payload.audit_ids[0], "expires_at": _time(payload.expires_us)},
            )
        await rights.changed(tx)
