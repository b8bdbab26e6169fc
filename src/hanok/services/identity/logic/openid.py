"""OpenID Connect: what a provider says of somebody, in tokens that it signed.

A token is taken if the provider's own keys signed it, it was issued by that provider for us, and it has not ended. The
provider's addresses and keys are fetched from it and kept for a while; an unknown key makes us look again, not more
often than the provider can stand.

Sources: OpenID Connect Core 1.0, sections 3.1.2 and 3.1.3; Discovery 1.0; RFC 7636.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import msgspec
from msgspec import Struct

from hanok.base.clock import Clock
from hanok.base.errors import Unavailable

if TYPE_CHECKING:  # loaded where they are used: most clouds trust no other provider
    import jwt

ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "EdDSA")
ANSWER_S = 10.0
ANSWER_BYTES = 1 << 20
KEEP_S = 3600.0
LOOK_AGAIN_S = 10.0
LEEWAY_S = 60


class OpenIDSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A provider that the operator trusts.

    issuer: its address, as its tokens name it. client_id, client_secret: who we are to it.
    audiences: for whom else its tokens may be, besides client_id. scopes: what we ask for in the browser.
    """

    issuer: str
    client_id: str
    client_secret: str = ""
    audiences: tuple[str, ...] = ()
    scopes: str = "openid email profile"


class _Document(Struct):
    issuer: str
    jwks_uri: str
    authorization_endpoint: str = ""
    token_endpoint: str = ""
    userinfo_endpoint: str = ""
    introspection_endpoint: str = ""


class _Answer(Struct):
    id_token: str
    access_token: str = ""


class _Introspection(Struct):
    active: bool
    client_id: str = ""
    aud: str | list[str] = []
    iss: str = ""


class NotTrusted(Exception):
    """A token, or a code, that the provider does not stand for. The text is for the log."""


class OpenIDProvider:
    """One provider, as we know it."""

    def __init__(self, settings: OpenIDSettings, clock: Clock) -> None:
        self.settings = settings
        self._clock = clock
        self._document: _Document | None = None
        self._keys: dict[str, jwt.PyJWK] = {}
        self._looked_at = -KEEP_S

    async def claims(self, token: str, *, nonce: str = "") -> Mapping[str, Any]:
        """What a signed token says.

        Raises:
            NotTrusted: it is not to be believed. Unavailable: the provider does not answer.
        """
        import jwt

        try:
            header = jwt.get_unverified_header(token)
            key = await self._key(str(header.get("kid") or ""))
            if header.get("alg") not in ALGORITHMS or key is None:
                raise NotTrusted("signed in a way, or with a key, that is not the provider's")
            found: dict[str, Any] = jwt.decode(
                token,
                key,
                algorithms=[header["alg"]],
                audience=[self.settings.client_id, *self.settings.audiences],
                issuer=self.settings.issuer,
                leeway=LEEWAY_S,
                options={"require": ["exp", "iss", "aud", "sub"]},
            )
        except jwt.PyJWTError as error:
            raise NotTrusted(f"not a token of this provider for us: {error}") from error
        authorized = found.get("azp", self.settings.client_id)
        if authorized not in (self.settings.client_id, *self.settings.audiences):
            raise NotTrusted("the token was issued to another client")
        if nonce and found.get("nonce") != nonce:
            raise NotTrusted("the token was not requested by this sign-in")
        return found

    async def address(self, redirect: str, state: str, nonce: str, verifier: str) -> str:
        """Where the browser is sent to sign in.

        Raises:
            Unavailable: the provider does not answer, or has no such place.
        """
        document = await self._known()
        if not document.authorization_endpoint:
            raise Unavailable("The identity provider has no sign-in in the browser.")
        challenge = hashlib.sha256(verifier.encode()).digest()
        query = {
            "response_type": "code",
            "client_id": self.settings.client_id,
            "redirect_uri": redirect,
            "scope": self.settings.scopes,
            "state": state,
            "nonce": nonce,
            "code_challenge": base64.urlsafe_b64encode(challenge).decode().rstrip("="),
            "code_challenge_method": "S256",
        }
        joint = "&" if "?" in document.authorization_endpoint else "?"
        return document.authorization_endpoint + joint + urlencode(query)

    async def redeem(
        self, code: str, redirect: str, nonce: str, verifier: str
    ) -> Mapping[str, Any]:
        """What the provider says of who came back with this code.

        Raises:
            NotTrusted: the provider does not know the code. Unavailable: it does not answer.
        """
        document = await self._known()
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": redirect,
            "code_verifier": verifier,
        }
        credentials = None
        if self.settings.client_secret:
            credentials = (self.settings.client_id, self.settings.client_secret)
        else:
            form["client_id"] = self.settings.client_id
        raw = await self._fetch("POST", document.token_endpoint, form, credentials)
        try:
            answer = msgspec.json.decode(raw, type=_Answer)
        except (msgspec.DecodeError, msgspec.ValidationError):
            raise NotTrusted("the provider gave no token for the code") from None
        found = await self.claims(answer.id_token, nonce=nonce)
        if not answer.access_token:
            return found
        return {**await self._told(document, answer.access_token, found["sub"]), **found}

    async def claims_of(self, token: str) -> Mapping[str, Any]:
        """What the provider says of whom it gave a token: one that it signed, or one that only it can read.

        Raises:
            NotTrusted: it is not to be believed. Unavailable: the provider does not answer.
        """
        if token.count(".") == 2:
            return await self.claims(token)
        document = await self._known()
        if not document.introspection_endpoint or not self.settings.client_secret:
            raise NotTrusted(
                "the token cannot be read, and the provider has no introspection endpoint"
            )
        own = (self.settings.client_id, self.settings.client_secret)
        raw = await self._fetch("POST", document.introspection_endpoint, {"token": token}, own)
        try:
            answer = msgspec.json.decode(raw, type=_Introspection)
        except (msgspec.DecodeError, msgspec.ValidationError):
            raise NotTrusted("the provider does not say whether the token is valid") from None
        meant = {answer.aud} if isinstance(answer.aud, str) else set(answer.aud)
        ours = {self.settings.client_id, *self.settings.audiences}
        if not answer.active or not ours & {*meant, answer.client_id}:
            raise NotTrusted("the token has ended, or is not for us")
        if answer.iss and answer.iss != self.settings.issuer:
            raise NotTrusted("the token is from another issuer")
        return {**await self._told(document, token, None), "iss": self.settings.issuer}

    async def _told(self, document: _Document, token: str, subject: str | None) -> dict[str, Any]:
        """What the provider tells beside its tokens. subject: of whom it must be."""
        if not document.userinfo_endpoint:
            return {}
        raw = await self._fetch("GET", document.userinfo_endpoint, bearer=token)
        try:
            found = msgspec.json.decode(raw, type=dict[str, Any])
        except (msgspec.DecodeError, msgspec.ValidationError):
            raise NotTrusted("the provider does not say whose the token is") from None
        if subject is not None and found.get("sub") != subject:
            raise NotTrusted("the provider describes another user")
        return found

    async def _key(self, kid: str) -> jwt.PyJWK | None:
        age_s = self._clock.monotonic_s() - self._looked_at
        if age_s > KEEP_S or (kid not in self._keys and age_s > LOOK_AGAIN_S):
            await self._look()
        if not kid and len(self._keys) == 1:
            return next(iter(self._keys.values()))
        return self._keys.get(kid)

    async def _known(self) -> _Document:
        if self._document is None or self._clock.monotonic_s() - self._looked_at > KEEP_S:
            await self._look()
        assert self._document is not None
        return self._document

    async def _look(self) -> None:
        import jwt

        base = self.settings.issuer.rstrip("/")
        raw = await self._fetch("GET", f"{base}/.well-known/openid-configuration")
        try:
            document = msgspec.json.decode(raw, type=_Document)
            if document.issuer != self.settings.issuer:
                raise Unavailable("The identity provider calls itself by another address.")
            found = jwt.PyJWKSet.from_json((await self._fetch("GET", document.jwks_uri)).decode())
        except (msgspec.DecodeError, msgspec.ValidationError, jwt.PyJWTError, ValueError) as error:
            raise Unavailable(
                "The identity provider's description cannot be read.", detail=str(error)
            ) from error
        self._document = document
        self._keys = {str(key.key_id or ""): key for key in found.keys}
        self._looked_at = self._clock.monotonic_s()

    async def _fetch(
        self,
        method: str,
        url: str,
        form: Mapping[str, str] | None = None,
        credentials: tuple[str, str] | None = None,
        bearer: str = "",
    ) -> bytes:
        """An answer; also one of refusal, to a form.

        Raises:
            Unavailable: there is none, or it is too long.
        """
        import httpx

        try:
            async with (
                httpx.AsyncClient(timeout=ANSWER_S, follow_redirects=False) as client,
                client.stream(
                    method,
                    url,
                    data=form,
                    auth=credentials,
                    headers={"Authorization": f"Bearer {bearer}"} if bearer else None,
                ) as response,
            ):
                raw = b""
                async for piece in response.aiter_bytes():
                    raw += piece
                    if len(raw) > ANSWER_BYTES:
                        raise Unavailable("The identity provider's answer is too long.")
                if response.status_code != 200 and form is None:
                    raise Unavailable(
                        f"The identity provider answers {response.status_code} at {url}."
                    )
                return raw
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise Unavailable(
                "The identity provider does not answer.", detail=repr(error)
            ) from error


def assertion(claims: Mapping[str, Any]) -> dict[str, list[str]]:
    """Claims under the names that web servers give them, which mappings are written for: OIDC-x and HTTP_OIDC_X."""
    found: dict[str, list[str]] = {}
    for name, value in claims.items():
        values = value if isinstance(value, list) else [value]
        texts = [str(one) for one in values if isinstance(one, str | int | float)]
        if texts:
            found[f"OIDC-{name}"] = texts
            found["HTTP_OIDC_" + name.upper().replace("-", "_")] = texts
    return found
