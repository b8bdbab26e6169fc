"""Tokens: sealed payloads, nothing stored; and what a valid one is worth at this moment.

A payload names the user, the methods, the scope, when it was issued and ends, its audit ids and the credential it came
from. Rights are not in it: they are read when the token is used.

What ends all tokens of a user (a new password, being switched off) changes the user's `tokens_valid_from`. A payload
says which value was read together with what proved the sign-in, and the token is worth something as long as that one
stands. So no token outlives a change that its sign-in overlapped, whatever the clocks of several replicas say.
"""

from __future__ import annotations

import base64
import secrets
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import sqlalchemy as sa
from msgspec import Struct
from sqlalchemy import Row, bindparam

from hanok.base.clock import Clock
from hanok.base.recent import Recent
from hanok.services.identity.logic import revocations, rights, trusts
from hanok.services.identity.logic.keys import Keys
from hanok.services.identity.tables import (
    access_rules,
    application_credentials,
    credentials,
    federated_memberships,
    federation_protocols,
    identity_providers,
    oauth_access_tokens,
    projects,
    revoked_tokens,
    users,
)
from hanok.store import Database, Transaction
from hanok.web.token import Delegation, Token

CACHE_MAXIMUM = 4096
EC2_METHOD = "ec2credential"

_domain = projects.alias("domain")
_user = (
    sa.select(
        users,
        _domain.c.name.label("domain_name"),
        _domain.c.enabled.label("domain_enabled"),
        _domain.c.tokens_valid_from.label("domain_tokens_valid_from"),
    )
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
_used_credential = sa.select(credentials.c.id).where(credentials.c.id == bindparam("id"))
_access_token = sa.select(oauth_access_tokens).where(oauth_access_tokens.c.id == bindparam("id"))
_trusted = (
    sa.select(federation_protocols.c.id)
    .join(identity_providers, identity_providers.c.id == federation_protocols.c.idp_id)
    .where(
        federation_protocols.c.idp_id == bindparam("idp"),
        federation_protocols.c.id == bindparam("protocol"),
        identity_providers.c.enabled.is_(True),
    )
)
# A token ends with the first of the groups that a provider put its user into; those that have ended give nothing.
_membership_ends = (
    sa.select(federated_memberships.c.expires_at)
    .where(
        federated_memberships.c.user_id == bindparam("user"),
        federated_memberships.c.expires_at > bindparam("now", callable_=Clock().now),
    )
    .order_by(federated_memberships.c.expires_at)
    .limit(1)
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
    trust_id: str = ""
    access_token_id: str = ""
    credential_id: str = ""
    idp_id: str = ""
    protocol_id: str = ""
    since_us: int = 0
    trustor_since_us: int = 0
    thumbprint: str = ""


class Bounds(Struct, frozen=True, kw_only=True):
    """What a token ends with and is no wider than: the credentials and delegations it was got with, by id.

    since_us, trustor_since_us: `since` of the user, and of the trust's trustor, as it was when the sign-in was proved.
    thumbprint: of the certificate that every request with the token has to come with.
    """

    application_credential_id: str = ""
    trust_id: str = ""
    access_token_id: str = ""
    credential_id: str = ""
    idp_id: str = ""
    protocol_id: str = ""
    since_us: int = 0
    trustor_since_us: int = 0
    thumbprint: str = ""


class Receipt(Struct, frozen=True, kw_only=True, array_like=True):
    """What a receipt says: a user, and the methods that were right."""

    user_id: str
    methods: tuple[str, ...]
    issued_at: datetime
    expires_at: datetime
    bounds: Bounds = Bounds()


_RECEIPT = b"R"  # no token's payload begins with it: neither can stand for the other
_decode_receipt = msgspec.msgpack.Decoder(Receipt).decode
_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Payload).decode


def _time(microseconds: int) -> datetime:
    return datetime.fromtimestamp(microseconds / 1_000_000, UTC)


def since(user: Row[Any]) -> int:
    """From when on a user's tokens are worth something, in microseconds since 1970; 0: always were."""
    at: datetime | None = user.tokens_valid_from
    return 0 if at is None else round(at.timestamp() * 1_000_000)


def _is_older(payload: Payload, valid_from: datetime | None) -> bool:
    """Whether a token is older than the last time that what it hangs on was switched off."""
    return valid_from is not None and _time(payload.issued_us) <= valid_from


async def trustor_since(tx: Transaction, trust: Row[Any]) -> int:
    """`since` of the trustor of a trust."""
    trustor = await tx.first(_user, {"id": trust.trustor_user_id})
    return 0 if trustor is None else since(trustor)


def new_audit_id() -> str:
    return base64.urlsafe_b64encode(secrets.token_bytes(16)).decode().rstrip("=")


class _Bound:
    """What was found of a payload's bounds. role_ids: what it is no wider than; a trust's are held by the trustor."""

    def __init__(self) -> None:
        self.application_credential: Row[Any] | None = None
        self.access_token: Row[Any] | None = None
        self.trust: Row[Any] | None = None
        self.trustor: Row[Any] | None = None
        self.role_ids: list[str] | None = None
        self.ends: list[datetime] = []


def _delegation(payload: Payload) -> Delegation:
    if EC2_METHOD in payload.methods:
        return "ec2"
    if payload.trust_id:
        return "trust"
    if payload.access_token_id:
        return "oauth1"
    return "application_credential" if payload.application_credential_id else ""


async def _held(
    tx: Transaction, payload: Payload, user_id: str, project: Row[Any] | None
) -> list[str]:
    """Role ids that a user holds where the token is for."""
    if payload.scope == "s":
        return await rights.on_system(tx, user_id)
    if payload.scope == "d" or (project is not None and project.is_domain):
        return await rights.on_domain(tx, user_id, payload.scope_id)
    return await rights.on_project(tx, user_id, payload.scope_id) if payload.scope else []


class Tokens:
    """Issues tokens and says what one is worth."""

    def __init__(
        self, database: Database, keys: Keys, clock: Clock, *, lifetime_s: int = 3600
    ) -> None:
        self._database = database
        self.keys = keys
        self._clock = clock
        self.lifetime = timedelta(seconds=lifetime_s)
        self._opened: Recent[str, Payload] = Recent(CACHE_MAXIMUM)
        self._valid: Recent[str, tuple[int, Token]] = Recent(CACHE_MAXIMUM)
        self._fresh: Recent[tuple[object, ...], tuple[int, Token]] = Recent(CACHE_MAXIMUM)

    def issue(
        self,
        *,
        user_id: str,
        methods: tuple[str, ...],
        scope: str = "",
        scope_id: str = "",
        no_later_than: datetime | None = None,
        parent_audit_ids: tuple[str, ...] = (),
        bounds: Bounds,
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
            **msgspec.structs.asdict(bounds),
        )
        return self.keys.seal(_encode(payload)), payload

    async def rotate_keys(self) -> None:
        """Seal with a new key from now on; tokens that live go on."""
        await self.keys.rotate(self._database, self.lifetime.total_seconds())

    def open(self, text: str) -> Payload | None:
        """The payload of a token that is ours and has not ended; it may still be revoked."""
        payload = self._opened.get(text)
        if payload is None:
            raw = self.keys.open(text) if len(text) < 2048 and text.isascii() else None
            try:
                payload = None if raw is None else _decode(raw)
            except msgspec.DecodeError:
                payload = None
            if payload is not None:
                self._opened.put(text, payload)
        if payload is None or payload.expires_us <= self._clock.now().timestamp() * 1_000_000:
            return None
        return payload

    async def validate(self, text: str) -> Token | None:
        """What the token is worth now, or None: it ended, was revoked, or its rights are gone."""
        payload = self.open(text)
        if payload is None and await self.keys.look(self._database):
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
            self._valid.put(text, (revision, token_now))
        else:
            self._valid.forget(text)
        return token_now

    async def standing(self, text: str) -> Token | None:
        """What the rights behind a token are worth now, though the token itself may have ended meanwhile.

        For what was begun with a token and goes on: a console that is open closes when the rights go.
        """
        raw = self.keys.open(text)
        if raw is None and await self.keys.look(self._database):
            raw = self.keys.open(text)
        if raw is None:
            return None
        try:
            payload = _decode(raw)
        except msgspec.DecodeError:
            return None
        a_while = int((self._clock.now() + self.lifetime).timestamp() * 1_000_000)
        async with self._database.read() as tx:
            return await self.worth(tx, msgspec.structs.replace(payload, expires_us=a_while))

    def lent(self, text: str) -> bytes | None:
        """What stands behind a token, without its end: for work that outlives it. None: it is none of ours.

        It names the user, the scope and whatever bounds the token, and is worth nothing by itself: it is kept sealed.
        """
        payload = self.open(text)
        return None if payload is None else _encode(payload)

    @staticmethod
    def payload_of(raw: bytes) -> Payload:
        """What was lent."""
        return _decode(raw)

    async def stands(self, tx: Transaction, raw: bytes) -> bool:
        """Whether what was lent is worth anything now."""
        a_while = int((self._clock.now() + self.lifetime).timestamp() * 1_000_000)
        payload = msgspec.structs.replace(_decode(raw), expires_us=a_while)
        return await self.worth(tx, payload) is not None

    def borrowed(self, raw: bytes) -> str:
        """A token, good for as long as a new one, with the rights and the bounds of the one that was lent.

        What it is worth is read when it is used: it ends with the user's password, the credential, the trust.
        """
        payload = _decode(raw)
        text, _ = self.issue(
            user_id=payload.user_id,
            methods=payload.methods,
            scope=payload.scope,
            scope_id=payload.scope_id,
            bounds=self.bounds_of(payload),
        )
        return text

    async def worth(self, tx: Transaction, payload: Payload) -> Token | None:
        """What a payload is worth, read afresh."""
        user = await self._standing(tx, payload.user_id, payload.since_us)
        if user is None or _is_older(payload, user.domain_tokens_valid_from):
            return None
        if await tx.first(_revoked, {"ids": list(payload.audit_ids)}) is not None:
            return None
        bound = await self._bound(tx, payload)
        if bound is None:
            return None
        expires = min([_time(payload.expires_us), *bound.ends])
        if expires <= self._clock.now():
            return None
        project = domain = project_domain = None
        if payload.scope in ("p", "d"):
            row = await tx.first(_project, {"id": payload.scope_id})
            if row is None or not row.enabled or _is_older(payload, row.tokens_valid_from):
                return None
            if payload.scope == "p":
                project = row
                project_domain = await tx.first(_project, {"id": row.domain_id or row.id})
                if project_domain is None or not project_domain.enabled:
                    return None
                if _is_older(payload, project_domain.tokens_valid_from):
                    return None
            elif row.is_domain:
                domain = row
            else:
                return None
        trust = bound.trust
        role_ids = await _held(tx, payload, user.id, project) if trust is None else bound.role_ids
        if trust is None and bound.role_ids is not None:
            held = set(role_ids or ())
            role_ids = await rights.with_implied(tx, [r for r in bound.role_ids if r in held])
        named = await rights.named(tx, role_ids or ())
        if payload.scope and not named:
            return None
        if trust is not None and trust.impersonation:
            user = bound.trustor
            assert user is not None
        credential = bound.application_credential
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
            issued_at=_time(payload.issued_us),
            expires_at=expires,
            application_credential_id=payload.application_credential_id or None,
            application_credential_restricted=credential is None or not credential.unrestricted,
            access_rules=rules,
            trust_id=None if trust is None else trust.id,
            trustor_user_id=None if trust is None else trust.trustor_user_id,
            trustee_user_id=None if trust is None else trust.trustee_user_id,
            impersonation=trust is not None and trust.impersonation,
            access_token_id=payload.access_token_id or None,
            consumer_id=None if bound.access_token is None else bound.access_token.consumer_id,
            delegation=_delegation(payload),
            identity_provider_id=payload.idp_id or None,
            protocol_id=payload.protocol_id or None,
            thumbprint=payload.thumbprint,
        )

    async def _standing(self, tx: Transaction, user_id: str, since_us: int) -> Row[Any] | None:
        """The user whose rights a token carries, unless switched off, or its tokens were ended since the sign-in."""
        user = await tx.first(_user, {"id": user_id})
        if user is None or not user.enabled or not user.domain_enabled:
            return None
        return user if since(user) == since_us else None

    async def _bound(self, tx: Transaction, payload: Payload) -> _Bound | None:
        """What bounds a payload, or None: one of them is gone, or is not of this user and project."""
        found = _Bound()
        if payload.credential_id:
            used = await tx.first(_used_credential, {"id": payload.credential_id})
            if used is None:
                return None
        if payload.idp_id:
            named = {"idp": payload.idp_id, "protocol": payload.protocol_id}
            if await tx.first(_trusted, named) is None:
                return None
        membership_ends = await tx.scalar(_membership_ends, {"user": payload.user_id})
        found.ends += [membership_ends] if membership_ends is not None else []
        if payload.application_credential_id:
            row = await tx.first(_credential, {"id": payload.application_credential_id})
            if row is None or row.user_id != payload.user_id or row.project_id != payload.scope_id:
                return None
            found.application_credential = row
            found.role_ids = list(row.role_ids)
            found.ends += [row.expires_at] if row.expires_at is not None else []
        if payload.access_token_id:
            row = await tx.first(_access_token, {"id": payload.access_token_id})
            if row is None or row.user_id != payload.user_id or row.project_id != payload.scope_id:
                return None
            found.access_token = row
            found.role_ids = list(row.role_ids)
            found.ends += [row.expires_at] if row.expires_at is not None else []
        if payload.trust_id:
            trust = await trusts.alive(tx, payload.trust_id, self._clock.now(), spent=True)
            if (
                trust is None
                or trust.trustee_user_id != payload.user_id
                or (trust.project_id or "") != payload.scope_id
            ):
                return None
            found.trust = trust
            found.trustor = await self._standing(
                tx, trust.trustor_user_id, payload.trustor_since_us
            )
            if found.trustor is not None and _is_older(
                payload, found.trustor.domain_tokens_valid_from
            ):
                return None
            delegated = await trusts.delegated(tx, trust, self._clock.now())
            if found.trustor is None or delegated is None:
                return None
            found.role_ids = delegated
            found.ends += [trust.expires_at] if trust.expires_at is not None else []
        return found

    async def fresh(self, tx: Transaction, payload: Payload) -> Token | None:
        """What a payload is worth that was issued this moment; of the last one for the same, only the times differ."""
        what = (
            payload.user_id,
            payload.scope,
            payload.scope_id,
            payload.methods,
            self.bounds_of(payload),
        )
        revision = await rights.revision(tx)
        known = self._fresh.get(what)
        if known is None or known[0] != revision:
            token = await self.worth(tx, payload)
            if token is None:
                return None
            self._fresh.put(what, (revision, token))
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
        audit_id, now = payload.audit_ids[0], self._clock.now()
        row = {"audit_id": audit_id, "expires_at": _time(payload.expires_us)}
        if await tx.insert_missing(revoked_tokens, row):
            await revocations.note(tx, "audit", [audit_id], now)

    # ---- receipts: proof of some of the methods that a sign-in needs ----

    def issue_receipt(
        self, user_id: str, methods: tuple[str, ...], bounds: Bounds, lifetime: timedelta
    ) -> tuple[str, Receipt]:
        """A receipt for the methods that were right so far."""
        now = self._clock.now()
        receipt = Receipt(
            user_id=user_id,
            methods=methods,
            issued_at=now,
            expires_at=now + lifetime,
            bounds=bounds,
        )
        return self.keys.seal(_RECEIPT + _encode(receipt)), receipt

    def open_receipt(self, text: str) -> Receipt | None:
        """The content of a receipt that is ours and has not ended."""
        raw = self.keys.open(text) if len(text) < 2048 and text.isascii() else None
        if raw is None or not raw.startswith(_RECEIPT):
            return None
        try:
            receipt = _decode_receipt(raw.removeprefix(_RECEIPT))
        except msgspec.DecodeError:
            return None  # sealed by another version
        return receipt if receipt.expires_at > self._clock.now() else None

    @staticmethod
    def bounds_of(payload: Payload) -> Bounds:
        """What a token is bounded by, for one that is got with it."""
        return Bounds(**{name: getattr(payload, name) for name in Bounds.__struct_fields__})
