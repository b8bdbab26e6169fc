"""Signing in and out, and going from one project to another: all by identity's public API."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any

import msgspec
from msgspec import Struct
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from hanok.rooms import CatalogEntry
from hanok.services.dashboard import through
from hanok.services.dashboard.room import Dashboard
from hanok.services.dashboard.sessions import Session, ended
from hanok.services.dashboard.through import Answer, Headers

__all__ = [
    "CatalogEntry",
    "change_password",
    "change_scope",
    "sign_in",
    "sign_out",
    "who",
    "within",
]

BODY_BYTES = 16 << 10
TOKENS, PROJECTS, DOMAINS, SYSTEM = (
    "/v3/auth/tokens",
    "/v3/auth/projects",
    "/v3/auth/domains",
    "/v3/auth/system",
)
_RECEIPT = b"dashboard-receipt:"
_EXPIRED = re.compile(r"needs to be changed for user: ([0-9a-f]{1,64})\.")


class SignIn(Struct, frozen=True, forbid_unknown_fields=True):
    """domain: a name. project: an id, of the project that is preferred. more: what an earlier try gave back."""

    user: str
    password: str
    domain: str = "Default"
    passcode: str = ""
    project: str = ""
    more: str = ""


class Scope(Struct, frozen=True, forbid_unknown_fields=True):
    """scope: "project:<id>", "domain:<id>" or "system"."""

    scope: str


class NewPassword(Struct, frozen=True, forbid_unknown_fields=True):
    user_id: str
    original_password: str
    password: str


class BadBody(Exception):
    """What a browser sent cannot be read."""


async def body_of(request: Request, kind: type[Any]) -> Any:
    parts, size = list[bytes](), 0
    async for part in request.stream():
        size += len(part)
        if size > BODY_BYTES:
            raise BadBody("The body is too large.")
        parts.append(part)
    try:
        return msgspec.json.decode(b"".join(parts), type=kind)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise BadBody(f"Invalid body: {error}") from None


def refused(status: int, code: str, message: str, **more: Any) -> Response:
    shown = {"code": status, "title": code, "message": message, **more}
    return JSONResponse({"error": shown}, status)


def _message(answer: Answer) -> str:
    error = answer.body.get("error")
    return str(error.get("message", "")) if isinstance(error, dict) else ""


def _secure(request: Request) -> bool:
    return bool(request.url.scheme == "https")


# ---- who ----


async def who(room: Dashboard, request: Request, session: Session | None) -> Response:
    """GET: who is signed in and where; signed_in false when nobody is."""
    if session is None:
        return _nobody(room, request)
    answer = await through.ask(
        room.door,
        request.scope,
        "GET",
        TOKENS,
        token=session.token,
        headers=[(b"x-subject-token", session.token.encode())],
    )
    if answer.status not in (200, 401, 403, 404):  # it did not say that the session has ended
        return refused(answer.status, "unavailable", _message(answer))
    if answer.status != 200:
        response = _nobody(room, request)
        response.headers.append("Set-Cookie", ended(secure=_secure(request)))
        return response
    return JSONResponse(_shown(room, request, session, answer.body["token"]))


def _nobody(room: Dashboard, request: Request) -> Response:
    return JSONResponse(
        {"signed_in": False, "secure": _secure(request), "region": room.house.region}
    )


def _shown(room: Dashboard, request: Request, session: Session, token: Any) -> dict[str, Any]:
    """What a page is told of its session. No part of it is the token."""
    return {
        "signed_in": True,
        "secure": _secure(request),
        "region": room.house.region,
        "scope": session.scope,
        "user": token["user"],
        "project": token.get("project"),
        "domain": token.get("domain"),
        "roles": [role["name"] for role in token.get("roles", ())],
        "expires_at": token["expires_at"],
        "services": _services(room, token),
        "endpoints": _endpoints(token),
    }


def _endpoints(token: Any) -> list[dict[str, str]]:
    return [
        {"type": one["type"], "name": one["name"], "url": endpoint["url"]}
        for one in token.get("catalog", ())
        for endpoint in one["endpoints"]
        if endpoint["interface"] == "public"
    ]


def _services(room: Dashboard, token: Any) -> dict[str, str]:
    """Where a page reaches each service of this house that is on: a path under ours."""
    project = (token.get("project") or {}).get("id", "")
    found = {"hanok": "/dashboard/api/hanok"}
    for entry in room.house.catalog():
        path = entry.path.replace("%(project_id)s", project).replace("$(project_id)s", project)
        prefix = f"/dashboard/api/{entry.type}" if entry.own_port else "/dashboard/api"
        found[entry.type] = f"{prefix}{path}"
    return found


# ---- in ----


async def sign_in(room: Dashboard, request: Request, old: Session | None) -> Response:
    """POST: a new session; whatever session the browser had ends."""
    try:
        given: SignIn = await body_of(request, SignIn)
    except BadBody as error:
        return refused(400, "badRequest", str(error))
    headers: Headers = []
    if given.more and (opened := _opened(room, given.more)):
        headers.append((b"openstack-auth-receipt", opened))
    body = {"auth": {"identity": _methods(given), "scope": "unscoped"}}
    answer = await through.ask(room.door, request.scope, "POST", TOKENS, body, headers=headers)
    if answer.status != 201:
        return _not_in(room, answer)
    if old is not None:
        await _revoke(room, request, old.first)
    return await _enter(room, request, answer.headers["x-subject-token"], given.project)


def _methods(given: SignIn) -> dict[str, Any]:
    user = {"name": given.user, "domain": {"name": given.domain}}
    found: dict[str, Any] = {"methods": []}
    if given.password:
        found["methods"].append("password")
        found["password"] = {"user": {**user, "password": given.password}}
    if given.passcode:
        found["methods"].append("totp")
        found["totp"] = {"user": {**user, "passcode": given.passcode}}
    return found


def _not_in(room: Dashboard, answer: Answer) -> Response:
    receipt = answer.headers.get("openstack-auth-receipt", "")
    if receipt:
        more = room.key.seal(_RECEIPT + receipt.encode())
        missing = answer.body.get("required_auth_methods", [])
        text = "Another authentication method is required."
        return refused(401, "moreNeeded", text, more=more, methods=missing)
    message = _message(answer)
    if expired := _EXPIRED.search(message):
        text = "The password has expired. Choose a new one."
        return refused(401, "passwordExpired", text, user_id=expired[1])
    return refused(answer.status, "notSignedIn", message or "Sign-in failed.")


def _opened(room: Dashboard, sealed: str) -> bytes | None:
    raw = room.key.open(sealed, ttl_s=900) if sealed.isascii() and len(sealed) < 4096 else None
    return raw.removeprefix(_RECEIPT) if raw is not None and raw.startswith(_RECEIPT) else None


async def _enter(room: Dashboard, request: Request, token: str, preferred: str) -> Response:
    """A session in a project: the preferred one, else the first; in a domain or the system where there is none."""
    for scope in await _places(room, request, token, preferred):
        answer = await _scoped(room, request, token, scope)
        if answer.status == 201:
            return _session(room, request, scope, answer, token)
    return await _unscoped(room, request, token)


async def _places(room: Dashboard, request: Request, token: str, preferred: str) -> list[str]:
    """Where a user may work, the best first; a few."""
    projects = await _list(room, request, token, PROJECTS, "projects")
    ids = [f"project:{one['id']}" for one in projects if one.get("enabled", True)]
    first = f"project:{preferred}"
    if first in ids:
        ids.insert(0, first)
    if ids:
        return ids[:3]
    domains = await _list(room, request, token, DOMAINS, "domains")
    return [*(f"domain:{one['id']}" for one in domains[:2]), "system"]


async def _list(
    room: Dashboard, request: Request, token: str, path: str, name: str
) -> list[dict[str, Any]]:
    answer = await through.ask(room.door, request.scope, "GET", path, token=token)
    found = answer.body.get(name, [])
    return found if isinstance(found, list) else []


async def _unscoped(room: Dashboard, request: Request, token: str) -> Response:
    answer = await through.ask(
        room.door,
        request.scope,
        "GET",
        TOKENS,
        token=token,
        headers=[(b"x-subject-token", token.encode())],
    )
    return _session(room, request, "none", answer, token)


async def within(
    room: Dashboard, request: Request, session: Session, project_id: str
) -> tuple[int, str]:
    """A token of the session's user for another project of theirs: identity's status (201), and the token."""
    answer = await _scoped(room, request, session.first, f"project:{project_id}")
    return answer.status, answer.headers.get("x-subject-token", "")


async def _scoped(room: Dashboard, request: Request, token: str, scope: str) -> Answer:
    kind, _, subject = scope.partition(":")
    into: dict[str, Any] = (
        {"system": {"all": True}} if kind == "system" else {kind: {"id": subject}}
    )
    identity = {"methods": ["token"], "token": {"id": token}}
    body = {"auth": {"identity": identity, "scope": into}}
    return await through.ask(room.door, request.scope, "POST", TOKENS, body)


def _session(room: Dashboard, request: Request, scope: str, answer: Answer, first: str) -> Response:
    """The answer that begins a session. first: the token of the sign-in."""
    said: Any = answer.body.get("token")
    if answer.status not in (200, 201) or said is None:
        return refused(answer.status, "notSignedIn", _message(answer) or "Sign-in failed.")
    until = datetime.fromisoformat(said["expires_at"]).timestamp()
    token = first if scope == "none" else answer.headers["x-subject-token"]
    session = Session(token, first, scope, until)
    try:
        cookie = room.sessions.cookie(session, secure=_secure(request))
    except ValueError:
        text = "The session of this account is too large for a cookie."
        return refused(403, "tooLong", text)
    response = JSONResponse(_shown(room, request, session, said), 201)
    response.headers.append("Set-Cookie", cookie)
    return response


# ---- elsewhere, and out ----


async def change_scope(room: Dashboard, request: Request, session: Session) -> Response:
    """PUT: the same user in another project, domain or the system; the session before ends."""
    try:
        given: Scope = await body_of(request, Scope)
    except BadBody as error:
        return refused(400, "badRequest", str(error))
    kind = given.scope.partition(":")[0]
    if kind not in ("project", "domain", "system"):
        return refused(400, "badRequest", f"{given.scope[:80]} is not a valid scope.")
    answer = await _scoped(room, request, session.first, given.scope)
    if answer.status != 201:
        return refused(answer.status, "notThere", _message(answer))
    if session.token != session.first:
        await _revoke(room, request, session.token)
    return _session(room, request, given.scope, answer, session.first)


async def sign_out(room: Dashboard, request: Request, session: Session | None) -> Response:
    """DELETE: the token is revoked, so that no copy of the cookie is worth anything."""
    if session is not None and not await _revoke(room, request, session.first):
        text = "You are not signed out: identity does not answer. Try again."
        return refused(503, "unavailable", text)
    response = Response(status_code=204)
    response.headers.append("Set-Cookie", ended(secure=_secure(request)))
    return response


async def _revoke(room: Dashboard, request: Request, token: str) -> bool:
    """Whether the token is worth nothing now."""
    subject = [(b"x-subject-token", token.encode())]
    answer = await through.ask(
        room.door, request.scope, "DELETE", TOKENS, token=token, headers=subject
    )
    return answer.status in (204, 401, 404)


async def change_password(room: Dashboard, request: Request) -> Response:
    """POST: a password that has expired is changed by who knows it; no session is needed."""
    try:
        given: NewPassword = await body_of(request, NewPassword)
    except BadBody as error:
        return refused(400, "badRequest", str(error))
    if not re.fullmatch(r"[0-9a-f]{1,64}", given.user_id):
        return refused(400, "badRequest", "user_id is not a valid id.")
    user = {"original_password": given.original_password, "password": given.password}
    answer = await through.ask(
        room.door, request.scope, "POST", f"/v3/users/{given.user_id}/password", {"user": user}
    )
    if answer.status != 204:
        return refused(answer.status, "passwordRefused", _message(answer))
    return Response(status_code=204)
