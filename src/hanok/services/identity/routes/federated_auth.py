"""Signing in with what another provider says: with a token of it, and in the browser.

In the browser the way leads to the provider and back; what was asked for travels along, sealed, and is tied to the
browser by a cookie, so that nobody finishes a sign-in that somebody else began.
"""

from __future__ import annotations

import hashlib
import hmac
import html
import secrets
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

import msgspec
from msgspec import Struct
from starlette.responses import HTMLResponse, RedirectResponse, Response

from hanok.base.errors import BadInput, NotFound, NotSignedIn
from hanok.services.identity.logic import federation, openid, signin, users
from hanok.services.identity.logic.openid import NotTrusted, OpenIDProvider
from hanok.services.identity.logic.proofs import Proof
from hanok.services.identity.logic.tokens import Bounds, since
from hanok.services.identity.room import Identity
from hanok.services.identity.routes import lists
from hanok.services.identity.routes.auth import (
    attempt_of,
    issue,
    list_own_domains,
    list_own_projects,
    token_body,
)
from hanok.web.request import Request, json_answer
from hanok.web.routes import PUBLIC, Route
from hanok.web.token import Token

COOKIE = "hanok_sso"
WAY_S = 600  # how long somebody may take at the provider
_SEAL = b"websso"  # nothing else that is sealed with these keys begins so


class Way(Struct, frozen=True, array_like=True):
    """What a browser set out for. browser: the hash of its cookie."""

    idp_id: str
    protocol_id: str
    origin: str
    nonce: str
    verifier: str
    browser: str
    expires_at: datetime


def _provider(room: Identity, idp_id: str) -> OpenIDProvider:
    found = room.openid.get(idp_id)
    if found is None:
        raise NotFound(
            f"Identity provider {idp_id[:64]} has no sign-in here: the operator's settings name no OpenID "
            "Connect issuer for it."
        )
    return found


async def _admitted(
    request: Request, room: Identity, idp_id: str, protocol_id: str, claims: Mapping[str, Any]
) -> tuple[str, Token]:
    """A token, for nothing in particular, for whom the provider means."""
    async with request.transaction() as tx:
        idp, via = await federation.trusted(tx, idp_id, protocol_id)
        user_id, theirs = await federation.admit(tx, room, idp, via, openid.assertion(claims))
        user = await users.get(tx, user_id)
    bounds = Bounds(since_us=since(user))
    if theirs:
        bounds = msgspec.structs.replace(bounds, idp_id=idp_id, protocol_id=protocol_id)
    proof = Proof(user_id=user_id, default_project_id=None, methods=(protocol_id,), bounds=bounds)
    proof, missing = await signin.enough(attempt_of(request, room), proof, "")
    if missing is not None:
        raise NotSignedIn(signin.REFUSED, detail="the user needs other methods, too")
    return await issue(request, room, proof, "unscoped")


async def sign_in(request: Request, room: Identity) -> Response:
    """GET or POST …/protocols/{id}/auth with a token of the provider: 201 with an unscoped one of ours."""
    idp_id, protocol_id = request.path["idp_id"], request.path["protocol_id"]
    async with request.reading() as tx:
        await federation.trusted(tx, idp_id, protocol_id)
    provider = _provider(room, idp_id)
    kind, _, text = request.headers.get("authorization", "").partition(" ")
    if kind.lower() != "bearer" or not text.strip():
        raise NotSignedIn(signin.REFUSED, detail="no token of the provider was sent")
    try:
        claims = await provider.claims_of(text.strip())
    except NotTrusted as error:
        raise NotSignedIn(signin.REFUSED, detail=str(error)) from error
    ours, token = await _admitted(request, room, idp_id, protocol_id, claims)
    async with request.reading() as tx:
        body = await token_body(request, room, tx, token, False)
    return json_answer({"token": body}, 201, {"X-Subject-Token": ours})


# ---- in the browser ----


def _origin(request: Request, room: Identity) -> str:
    """The page that is to be handed the token: one that the operator trusts."""
    origin = request.query.get("origin", "")
    if not origin:
        raise BadInput("Request must have an origin query parameter")
    if origin not in room.settings.trusted_dashboards:
        raise NotSignedIn(f"{origin[:200]} is not a trusted dashboard host")
    return origin


async def _of_protocol(request: Request, room: Identity, protocol_id: str) -> str:
    """The provider that is meant where none is named: the only one of this protocol with a sign-in here."""
    async with request.reading() as tx:
        found = await federation.providers_by(tx, protocol_id)
    known = [idp_id for idp_id in found if idp_id in room.openid]
    if len(known) != 1:
        raise NotFound(
            f"{len(known)} identity providers have a sign-in by {protocol_id[:64]} here; name one: "
            "/v3/auth/OS-FEDERATION/identity_providers/{id}/protocols/{id}/websso"
        )
    return str(known[0])


def _callback(request: Request) -> str:
    return f"{request.origin}/v3/auth/OS-FEDERATION/websso"


async def leave(request: Request, room: Identity) -> Response:
    """GET …/websso?origin=…: to the provider's own sign-in."""
    origin = _origin(request, room)
    protocol_id = request.path["protocol_id"]
    idp_id = request.path.get("idp_id") or await _of_protocol(request, room, protocol_id)
    async with request.reading() as tx:
        await federation.trusted(tx, idp_id, protocol_id)
    provider = _provider(room, idp_id)
    browser = secrets.token_urlsafe(32)
    way = Way(
        idp_id,
        protocol_id,
        origin,
        nonce=secrets.token_urlsafe(16),
        verifier=secrets.token_urlsafe(48),
        browser=_hash(browser),
        expires_at=room.clock.now() + timedelta(seconds=WAY_S),
    )
    state = room.secrets.seal(_SEAL + msgspec.msgpack.encode(way))
    where = await provider.address(_callback(request), state, way.nonce, way.verifier)
    response = RedirectResponse(where, 302)
    response.set_cookie(
        COOKIE,
        browser,
        max_age=WAY_S,
        path="/v3/auth/OS-FEDERATION",
        httponly=True,
        samesite="lax",
        secure=request.origin.startswith("https:"),
    )
    return response


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _way(request: Request, room: Identity) -> Way:
    """What this browser set out for.

    Raises:
        NotSignedIn: it did not, or too long ago.
    """
    refused = NotSignedIn("This sign-in was not started in this browser, or took too long.")
    raw = room.secrets.open(request.query.get("state", ""))
    if raw is None or not raw.startswith(_SEAL):
        raise refused
    way = msgspec.msgpack.decode(raw.removeprefix(_SEAL), type=Way)
    browser = _hash(request.http.cookies.get(COOKIE, ""))
    if not hmac.compare_digest(way.browser, browser) or way.expires_at < room.clock.now():
        raise refused
    return way


async def come_back(request: Request, room: Identity) -> Response:
    """GET …/websso?code=…&state=…: from the provider; a page that hands the token to where it was asked for."""
    way = _way(request, room)
    if "code" not in request.query:
        words = request.query.get("error_description") or request.query.get("error") or "no code"
        raise NotSignedIn(f"The identity provider refused: {words[:200]}")
    provider = _provider(room, way.idp_id)
    try:
        claims = await provider.redeem(
            request.query["code"], _callback(request), way.nonce, way.verifier
        )
    except NotTrusted as error:
        raise NotSignedIn(signin.REFUSED, detail=str(error)) from error
    text, _ = await _admitted(request, room, way.idp_id, way.protocol_id, claims)
    response = _handed_over(way.origin, text)
    response.delete_cookie(COOKIE, path="/v3/auth/OS-FEDERATION")
    return response


def _handed_over(origin: str, token: str) -> Response:
    once = secrets.token_urlsafe(16)
    page = f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Signing in</title></head>
<body><form id="sso" method="post" action="{html.escape(origin)}">
<p>You are signed in. If nothing happens, press the button.</p>
<input type="hidden" name="token" value="{html.escape(token)}"><button>Go on</button></form>
<script nonce="{once}">document.getElementById("sso").submit()</script></body></html>
"""
    headers = {
        "Content-Security-Policy": f"default-src 'none'; script-src 'nonce-{once}'",
        "Cache-Control": "no-store",
        "Referrer-Policy": "no-referrer",
    }
    return HTMLResponse(page, headers=headers)


_ONE = "/v3/OS-FEDERATION/identity_providers/{idp_id}/protocols/{protocol_id}/auth"
_SSO = "/v3/auth/OS-FEDERATION"
_PUBLIC = (PUBLIC,)
ROUTES = (
    Route("GET", _ONE, sign_in, _PUBLIC),
    Route("POST", _ONE, sign_in, _PUBLIC),
    Route("GET", _SSO + "/websso/{protocol_id}", leave, _PUBLIC, query=("origin",)),
    Route(
        "GET",
        _SSO + "/identity_providers/{idp_id}/protocols/{protocol_id}/websso",
        leave,
        _PUBLIC,
        query=("origin",),
    ),
    # The API reference writes it so; clients use the other.
    Route(
        "GET",
        _SSO + "/identity_providers/{idp_id}/protocol/{protocol_id}/websso",
        leave,
        _PUBLIC,
        query=("origin",),
    ),
    Route(
        "GET",
        f"{_SSO}/websso",
        come_back,
        _PUBLIC,
        query=("code", "error", "error_description", "state"),
    ),
    Route(
        "GET",
        "/v3/OS-FEDERATION/projects",
        list_own_projects,
        ("identity:list_projects_for_user",),
        query=lists.PROJECTS.parameters,
    ),
    Route(
        "GET",
        "/v3/OS-FEDERATION/domains",
        list_own_domains,
        ("identity:list_domains_for_user",),
        query=lists.DOMAINS.parameters,
    ),
)
