"""This cloud as a SAML 2 identity provider: its metadata, and assertions for other clouds.

Source: Identity API v3 extensions, "OS-FEDERATION", "Generate a SAML assertion" and after it.
"""

from __future__ import annotations

import secrets
from typing import Any

from sqlalchemy import Row
from starlette.responses import Response

from hanok.base.errors import Forbidden, NotFound
from hanok.services.identity import schemas
from hanok.services.identity.logic import providers
from hanok.services.identity.logic.saml import Said, SAMLProvider
from hanok.services.identity.room import Identity
from hanok.web.request import Request, answer
from hanok.web.routes import PUBLIC, Route

XML = "text/xml"


def _ours(room: Identity) -> SAMLProvider:
    if room.saml is None:
        raise NotFound(
            "This cloud is not a SAML identity provider: its operator's settings have no [identity.saml]."
        )
    return room.saml


async def show_metadata(request: Request, room: Identity) -> Response:
    """GET /v3/OS-FEDERATION/saml2/metadata."""
    return answer(await _ours(room).metadata(), XML)


async def _read_request(request: Request, room: Identity) -> tuple[Row[Any], Said]:
    """The service provider that is meant, and what it is told. The token in the body says who asks.

    Raises:
        NotFound: there is no such service provider, or the token is not valid.
        Forbidden: the provider is switched off, or the token is not for a project, or lends only a part of somebody's
            rights.
    """
    requested = await request.body(schemas.AssertionBody, key="auth")
    ours = _ours(room)
    token = await room.tokens.validate(requested.identity.token.id)
    if token is None or not request.may_use(token):
        raise NotFound("Could not find token.")
    if token.delegated:
        # An assertion tells of the user's groups, too, and opens a session elsewhere.
        raise Forbidden("A delegated token cannot be exchanged for an assertion.")
    async with request.reading() as tx:
        provider = await providers.service_provider(tx, requested.scope.service_provider.id)
        if not provider.enabled:
            raise Forbidden(f"Service Provider {provider.id} is disabled")
        if token.project_id is None:
            raise Forbidden("An assertion is made of a token for a project.")
        return provider, await ours.said(tx, token, provider.sp_url)


def _answered(document: bytes, provider: Row[Any]) -> Response:
    headers = {"X-sp-url": provider.sp_url, "X-auth-url": provider.auth_url}
    return answer(document, XML, headers=headers)


async def create_assertion(request: Request, room: Identity) -> Response:
    """POST /v3/auth/OS-FEDERATION/saml2: a signed assertion of who holds a token."""
    provider, said = await _read_request(request, room)
    return _answered(await _ours(room).assertion(said), provider)


async def create_enveloped(request: Request, room: Identity) -> Response:
    """POST /v3/auth/OS-FEDERATION/saml2/ecp: the same, ready to be handed to the service provider."""
    provider, said = await _read_request(request, room)
    relay_state = provider.relay_state_prefix + secrets.token_hex(16)
    return _answered(await _ours(room).enveloped(said, relay_state), provider)


_SAML = "/v3/auth/OS-FEDERATION/saml2"
ROUTES = (
    Route("GET", "/v3/OS-FEDERATION/saml2/metadata", show_metadata, (PUBLIC,)),
    Route(
        "POST",
        _SAML,
        create_assertion,
        (PUBLIC,),
        strict=True,
        body=schemas.AssertionBody,
        member="auth",
    ),
    Route(
        "POST",
        f"{_SAML}/ecp",
        create_enveloped,
        (PUBLIC,),
        strict=True,
        body=schemas.AssertionBody,
        member="auth",
    ),
)
