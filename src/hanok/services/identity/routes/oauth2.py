"""OAuth 2.0 client credentials: a bearer token for an application credential, or for a user with a certificate.

Source: RFC 6749, section 4.4; RFC 8705, section 2; Identity API v3 extensions, "OS-OAUTH2".
"""

from __future__ import annotations

import base64
import binascii
from urllib.parse import parse_qsl

from starlette.responses import Response

from hanok.base.errors import Refused
from hanok.services.identity.logic import certificates, signin
from hanok.services.identity.logic.proofs import Attempt, Proof
from hanok.services.identity.room import Identity
from hanok.services.identity.routes.auth import attempt_of, issue
from hanok.web.request import Request, json_answer
from hanok.web.routes import PUBLIC, Route

FORM = "application/x-www-form-urlencoded"
FORM_LIMIT = 16_384
_UNCACHED = {"Cache-Control": "no-store", "Pragma": "no-cache"}


def _error(request: Request, status: int, error: str, description: str) -> Response:
    headers = dict(_UNCACHED)
    if status == 401:
        headers["WWW-Authenticate"] = f'Keystone uri="{request.origin}"'
    return json_answer({"error": error, "error_description": description}, status, headers)


async def _form(request: Request) -> dict[str, str]:
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    raw = await request.raw(FORM_LIMIT)
    if kind != FORM:
        return {}
    try:
        return dict(parse_qsl(raw.decode(), keep_blank_values=True, max_num_fields=50))
    except ValueError:
        return {}


def _client(request: Request, form: dict[str, str]) -> tuple[str, str]:
    """Id and secret, from the Authorization header before the form."""
    scheme, _, value = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "basic":
        try:
            name, _, secret = base64.b64decode(value, validate=True).decode().partition(":")
        except (binascii.Error, ValueError):
            return "", ""
        return name, secret
    return form.get("client_id", ""), form.get("client_secret", "")


async def _proved(request: Request, attempt: Attempt, form: dict[str, str]) -> Proof | None:
    """Who the client is: by its certificate, if it has one, else by its secret; None: it says neither.

    Raises:
        NotSignedIn: it is somebody else.
    """
    certificate = request.client_certificate
    if certificate is not None:
        name = form.get("client_id", "")
        return await certificates.prove(attempt, name, certificate) if name else None
    name, secret = _client(request, form)
    if not name or not secret:
        return None
    method = "application_credential"
    identity = {"methods": [method], method: {"id": name, "secret": secret}}
    return await signin.prove(attempt, identity)


async def create_access_token(request: Request, room: Identity) -> Response:
    """POST /v3/OS-OAUTH2/token."""
    form = await _form(request)
    grant = form.get("grant_type")
    if grant is None:
        return _error(request, 400, "invalid_request", "The parameter grant_type is required.")
    if grant != "client_credentials":
        message = f"The parameter grant_type {grant} is not supported."
        return _error(request, 400, "unsupported_grant_type", message)
    attempt = attempt_of(request, room)
    try:
        proof = await _proved(request, attempt, form)
        if proof is None:
            return _error(request, 401, "invalid_client", "Client authentication failed.")
        proof, missing = await signin.enough(attempt, proof, "")
        if missing is not None:
            return _error(request, 401, "invalid_client", "Client authentication failed.")
        text, token = await issue(request, room, proof, None)
    except Refused as error:
        if error.status == 401:
            return _error(request, 401, "invalid_client", error.message)
        return _error(request, 400, "invalid_request", error.message)
    left = token.expires_at - room.clock.now()
    body = {"access_token": text, "token_type": "Bearer", "expires_in": int(left.total_seconds())}
    return json_answer(body, 200, _UNCACHED)


ROUTES = (Route("POST", "/v3/OS-OAUTH2/token", create_access_token, (PUBLIC,)),)
