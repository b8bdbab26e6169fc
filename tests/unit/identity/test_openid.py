"""What is taken from a provider of OpenID Connect, and what is not: the provider is a server that the test plays."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qs, urlsplit

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from hanok.base.clock import MovableClock
from hanok.base.errors import Unavailable
from hanok.services.identity.logic.openid import (
    KEEP_S,
    LEEWAY_S,
    LOOK_AGAIN_S,
    NotTrusted,
    OpenIDProvider,
    OpenIDSettings,
    assertion,
)
from tests.web import Page, Web, serving

KEY, OTHER = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
DESCRIPTION, KEYS = "/idp/.well-known/openid-configuration", "/idp/keys"
REDIRECT = "http://cloud/back"


ODD = ec.generate_private_key(ec.SECP256K1())  # of a kind that the library takes, and we do not


def _public(key: ec.EllipticCurvePrivateKey, kid: str | None) -> dict[str, Any]:
    shown = dict(json.loads(jwt.algorithms.ECAlgorithm.to_jwk(key.public_key())))
    return shown if kid is None else {**shown, "kid": kid}


class Provider:
    """What the provider says at its addresses, and we who listen."""

    def __init__(self, web: Web) -> None:
        self.web, self.issuer, self.clock = web, web.url("/idp"), MovableClock()
        self.describe(**{
            f"{name}_endpoint": f"{self.issuer}/{name}"
            for name in ("authorization", "token", "userinfo", "introspection")
        })  # fmt: skip
        self.keys(_public(KEY, "1"))

    def describe(self, **endpoints: str) -> None:
        about = {"issuer": self.issuer, "jwks_uri": f"{self.issuer}/keys", **endpoints}
        self.says("", about, at=DESCRIPTION)

    def keys(self, *public: dict[str, Any]) -> None:
        self.says("", {"keys": list(public)}, at=KEYS)

    def says(self, name: str, what: Any, *, at: str = "", status: int = 200) -> None:
        data = what if isinstance(what, bytes) else json.dumps(what).encode()
        self.web.pages[at or f"/idp/{name}"] = Page(data=data, status=status)

    def known(self, **settings: Any) -> OpenIDProvider:
        given = {"issuer": self.issuer, "client_id": "us", "client_secret": "s", **settings}
        return OpenIDProvider(OpenIDSettings(**given), self.clock)

    def looked(self) -> int:
        """How often we asked the provider for its description."""
        return self.web.requests.count(("GET", DESCRIPTION))

    def token(
        self,
        *,
        key: Any = KEY,
        kid: str | None = "1",
        alg: str = "ES256",
        ends_in: int = 600,
        **said: Any,
    ) -> str:
        now = int(datetime.now(UTC).timestamp())
        claims = {"iss": self.issuer, "aud": "us", "sub": "ada", "exp": now + ends_in, **said}
        claims = {name: value for name, value in claims.items() if value is not None}
        return jwt.encode(claims, key, algorithm=alg, headers={"kid": kid} if kid else None)


@pytest.fixture
def provider() -> Iterator[Provider]:
    with serving() as web:
        yield Provider(web)


@pytest.mark.parametrize(
    ("said", "taken"),
    [
        ({}, True),
        ({"aud": ["x", "us"]}, True),
        ({"aud": "friends"}, True),
        ({"aud": "x"}, False),
        ({"aud": None}, False),
        ({"sub": None}, False),
        ({"exp": None}, False),
        ({"ends_in": -LEEWAY_S // 2}, True),
        ({"ends_in": -2 * LEEWAY_S}, False),
        ({"iss": "http://elsewhere"}, False),
        ({"azp": "us"}, True),
        ({"azp": "friends"}, True),
        ({"azp": "x"}, False),
        ({"kid": "2"}, False),
        ({"key": OTHER}, False),
        ({"key": "a secret of thirty-two characters", "alg": "HS256"}, False),
        ({"key": ODD, "alg": "ES256K", "kid": "odd"}, False),
    ],
)
async def test_which_tokens_are_taken(
    provider: Provider, said: dict[str, Any], taken: bool
) -> None:
    provider.keys(_public(KEY, "1"), _public(ODD, "odd"))
    ours = provider.known(audiences=("friends",))
    if taken:
        assert (await ours.claims(provider.token(**said)))["sub"] == "ada"
    else:
        with pytest.raises(NotTrusted):
            await ours.claims(provider.token(**said))


async def test_the_token_of_a_sign_in_is_that_sign_ins(provider: Provider) -> None:
    ours = provider.known()
    for nonce, said, taken in (("n", "n", True), ("n", "m", False), ("n", None, False), ("", "m", True)):  # fmt: skip
        token = provider.token(nonce=said)
        if taken:
            assert await ours.claims(token, nonce=nonce)
        else:
            with pytest.raises(NotTrusted, match="not requested by this sign-in"):
                await ours.claims(token, nonce=nonce)
    with pytest.raises(NotTrusted):
        await ours.claims("no token")


async def test_a_token_that_names_no_key_is_signed_by_the_only_one(provider: Provider) -> None:
    provider.keys(_public(KEY, "1"))
    assert await provider.known().claims(provider.token(kid=None))
    provider.keys(_public(KEY, None))
    assert await provider.known().claims(provider.token(kid=None))
    with pytest.raises(NotTrusted):
        await provider.known().claims(provider.token(kid="1"))
    provider.keys(_public(KEY, "1"), _public(OTHER, "2"))
    with pytest.raises(NotTrusted):
        await provider.known().claims(provider.token(kid=None))


async def test_keys_are_looked_at_again_no_more_often_than_is_polite(provider: Provider) -> None:
    ours = provider.known()
    await ours.claims(provider.token())
    provider.keys(_public(KEY, "1"), _public(OTHER, "2"))
    new = provider.token(key=OTHER, kid="2")
    provider.clock.move(LOOK_AGAIN_S)
    with pytest.raises(NotTrusted):
        await ours.claims(new)
    assert provider.looked() == 1
    provider.clock.move(1)
    assert await ours.claims(new) and provider.looked() == 2
    provider.clock.move(KEEP_S)
    assert await ours.claims(new) and provider.looked() == 2
    provider.keys(_public(OTHER, "2"))
    provider.clock.move(1)
    assert await ours.claims(new) and provider.looked() == 3
    with pytest.raises(NotTrusted):
        await ours.claims(provider.token())


async def test_a_description_is_kept_for_a_while(provider: Provider) -> None:
    ours = provider.known()
    for passes_s, looked in ((0, 1), (KEEP_S, 1), (1, 2)):
        provider.clock.move(passes_s)
        await ours.address(REDIRECT, "state", "nonce", "verifier")
        assert provider.looked() == looked


@pytest.mark.parametrize("base", ["/sign-in", "/sign-in?realm=a"])
async def test_where_a_browser_signs_in(provider: Provider, base: str) -> None:
    provider.describe(authorization_endpoint=provider.issuer + base)
    address = await provider.known().address(REDIRECT, "state", "nonce", "verifier")
    challenge = base64.urlsafe_b64encode(hashlib.sha256(b"verifier").digest()).decode()
    assert address.startswith(provider.issuer + base)
    query = {name: one for name, (one,) in parse_qs(urlsplit(address).query).items()}
    assert query.pop("realm", "a") == "a" and query.pop("scope").startswith("openid")
    assert query == {
        "response_type": "code", "client_id": "us", "redirect_uri": REDIRECT, "state": "state", "nonce": "nonce",
        "code_challenge": challenge.rstrip("="), "code_challenge_method": "S256",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("path", "said", "status", "text"),
    [
        (DESCRIPTION, {"issuer": "http://elsewhere"}, 200, "calls itself by another address"),
        (DESCRIPTION, b"<html>", 200, "cannot be read"),
        (DESCRIPTION, {}, 404, "answers 404"),
        (DESCRIPTION, b" " * (1 << 20) + b"{}", 200, "too long"),
        (KEYS, {"keys": []}, 200, "cannot be read"),
        (KEYS, {}, 500, "answers 500"),
    ],
)
async def test_a_provider_that_cannot_be_understood(
    provider: Provider, path: str, said: Any, status: int, text: str
) -> None:
    if isinstance(said, dict) and path == DESCRIPTION:
        said = {"jwks_uri": f"{provider.issuer}/keys", "issuer": provider.issuer, **said}
    provider.says("", said, at=path, status=status)
    with pytest.raises(Unavailable, match=text):
        await provider.known().claims(provider.token())


async def test_a_provider_without_a_place_to_sign_in_or_that_is_away(provider: Provider) -> None:
    provider.describe()
    with pytest.raises(Unavailable, match="no sign-in in the browser"):
        await provider.known().address(REDIRECT, "state", "nonce", "verifier")
    with pytest.raises(Unavailable, match="does not answer"):
        await provider.known(issuer="http://127.0.0.1:1").claims(provider.token())


async def _redeemed(provider: Provider, **settings: Any) -> dict[str, Any]:
    found = await provider.known(**settings).redeem("code", REDIRECT, "n", "verifier")
    return dict(found)


async def test_a_code_is_redeemed(provider: Provider) -> None:
    own = {"id_token": provider.token(nonce="n", name="Ada")}
    provider.says("token", own)
    assert (await _redeemed(provider))["name"] == "Ada"
    assert ("GET", "/idp/userinfo") not in provider.web.requests  # nothing to ask with
    provider.says("token", {**own, "access_token": "opaque"})
    provider.says("userinfo", {"sub": "ada", "name": "somebody", "email": "a@example.org"})
    found = await _redeemed(provider, client_secret="")
    assert (found["name"], found["email"]) == ("Ada", "a@example.org")  # what is signed wins
    secret, public = (parse_qs(one.decode()) for one in provider.web.told)
    form = {
        "grant_type": ["authorization_code"], "code": ["code"], "redirect_uri": [REDIRECT],
        "code_verifier": ["verifier"],
    }  # fmt: skip
    assert secret == form and public == {**form, "client_id": ["us"]}
    provider.says("userinfo", {"sub": "bob"})
    with pytest.raises(NotTrusted, match="another user"):
        await _redeemed(provider)
    provider.says("userinfo", b"[]")
    with pytest.raises(NotTrusted, match="whose the token is"):
        await _redeemed(provider)
    provider.describe(token_endpoint=f"{provider.issuer}/token")
    assert "email" not in await _redeemed(provider)


async def test_a_code_that_the_provider_does_not_know(provider: Provider) -> None:
    provider.says("token", {"error": "invalid_grant"}, status=400)
    with pytest.raises(NotTrusted, match="no token for the code"):
        await _redeemed(provider)
    provider.says("token", {"id_token": provider.token(nonce="m")})
    with pytest.raises(NotTrusted, match="not requested"):
        await _redeemed(provider)


@pytest.mark.parametrize(
    ("said", "text"),
    [
        ({"active": True, "client_id": "us"}, ""),
        ({"active": True, "aud": "us"}, ""),
        ({"active": True, "aud": ["x", "friends"]}, ""),
        ({"active": True, "aud": "us", "iss": "same"}, ""),
        ({"active": True, "aud": "us", "iss": "http://elsewhere"}, "another issuer"),
        ({"active": False, "client_id": "us"}, "has ended"),
        ({"active": True, "client_id": "x", "aud": ["y"]}, "not for us"),
        ({"active": True}, "not for us"),
        ({"client_id": "us"}, "does not say"),
    ],
)
async def test_a_token_that_only_the_provider_can_read(
    provider: Provider, said: dict[str, Any], text: str
) -> None:
    same = {"iss": provider.issuer} if said.get("iss") == "same" else {}
    provider.says("introspection", {**said, **same})
    provider.says("userinfo", {"sub": "ada", "iss": "whatever"})
    ours = provider.known(audiences=("friends",))
    if text:
        with pytest.raises(NotTrusted, match=text):
            await ours.claims_of("opaque")
    else:
        assert await ours.claims_of("opaque") == {"sub": "ada", "iss": provider.issuer}
        assert parse_qs(provider.web.told[-1].decode()) == {"token": ["opaque"]}


async def test_who_is_asked_about_a_token(provider: Provider) -> None:
    provider.says("introspection", {"active": True, "client_id": "us"})
    signed = await provider.known().claims_of(provider.token())
    assert signed["sub"] == "ada" and not provider.web.told
    with pytest.raises(NotTrusted, match="no introspection"):
        await provider.known(client_secret="").claims_of("opaque")
    provider.describe()
    with pytest.raises(NotTrusted, match="no introspection"):
        await provider.known().claims_of("opaque")
    provider.describe(introspection_endpoint=f"{provider.issuer}/introspection")
    assert await provider.known().claims_of("opaque") == {"iss": provider.issuer}


def test_claims_have_the_names_that_web_servers_give_them() -> None:
    said = {"sub": "ada", "groups": ["a", 1], "address": {"street": "x"}, "none": [], "e-mail": "m"}
    assert assertion(said) == {
        "OIDC-sub": ["ada"], "HTTP_OIDC_SUB": ["ada"],
        "OIDC-groups": ["a", "1"], "HTTP_OIDC_GROUPS": ["a", "1"],
        "OIDC-e-mail": ["m"], "HTTP_OIDC_E_MAIL": ["m"],
    }  # fmt: skip
