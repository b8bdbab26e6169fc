"""Tokens: sign-in, validation, revocation; and what the caller may choose between."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import msgspec
from sqlalchemy import Row
from starlette.responses import Response

from hanok.base.clock import zulu_micro
from hanok.base.errors import Forbidden, NotFound, NotSignedIn
from hanok.services.identity import schemas
from hanok.services.identity.logic import (
    application_credentials,
    catalog,
    federation,
    projects,
    rights,
    signin,
    tokens,
    trusts,
)
from hanok.services.identity.logic.proofs import Attempt, Proof
from hanok.services.identity.room import Identity
from hanok.services.identity.routes import lists
from hanok.services.identity.routes.projects import listed, listed_domains
from hanok.store import Transaction
from hanok.web.request import Request, json_answer, no_content
from hanok.web.routes import PUBLIC, Route
from hanok.web.token import Token


def _nocatalog(request: Request) -> bool:
    return "nocatalog" in request.query


async def token_body(
    request: Request, room: Identity, tx: Transaction, token: Token, with_catalog: bool
) -> dict[str, Any]:
    """A token as its holder sees it."""
    body: dict[str, Any] = {
        "methods": list(token.methods),
        "user": {
            "id": token.user_id,
            "name": token.user_name,
            "domain": {"id": token.user_domain_id, "name": token.user_domain_name},
            "password_expires_at": zulu_micro(token.password_expires_at),
        },
        "audit_ids": list(token.audit_ids),
        "expires_at": zulu_micro(token.expires_at),
        "issued_at": zulu_micro(token.issued_at),
    }
    scoped = token.project_id or token.domain_id or token.system
    if token.project_id:
        body["project"] = {
            "id": token.project_id,
            "name": token.project_name,
            "domain": {"id": token.project_domain_id, "name": token.project_domain_name},
        }
        if not token.trust_id:
            body["is_domain"] = token.project_id == token.project_domain_id
    elif token.domain_id:
        body["domain"] = {"id": token.domain_id, "name": token.domain_name}
    elif token.system:
        body["system"] = {"all": True}
    if scoped:
        body["roles"] = [
            {"id": role_id, "name": name}
            for role_id, name in zip(token.role_ids, token.roles, strict=True)
        ]
        if with_catalog:
            body["catalog"], providers = await _catalog(request, room, tx, token)
            if providers:
                body["service_providers"] = providers
    if token.trust_id:
        body["OS-TRUST:trust"] = {
            "id": token.trust_id,
            "trustor_user": {"id": token.trustor_user_id},
            "trustee_user": {"id": token.trustee_user_id},
            "impersonation": token.impersonation,
        }
    if token.thumbprint:
        body["oauth2_credential"] = {"x5t#S256": token.thumbprint}
    if token.access_token_id:
        body["OS-OAUTH1"] = {
            "access_token_id": token.access_token_id,
            "consumer_id": token.consumer_id,
        }
    if token.application_credential_id:
        credential = await application_credentials.find(tx, token.application_credential_id)
        if credential is not None:
            body["application_credential"] = _credential(token, credential)
    if token.identity_provider_id:
        groups = await federation.groups_now(tx, token.user_id, token.identity_provider_id)
        body["user"]["OS-FEDERATION"] = {
            "identity_provider": {"id": token.identity_provider_id},
            "protocol": {"id": token.protocol_id},
            "groups": [{"id": one} for one in groups],
        }
    return body


def _credential(token: Token, row: Row[Any]) -> dict[str, Any]:
    """The application credential that a token is of."""
    shown = {"id": row.id, "name": row.name, "restricted": not row.unrestricted}
    if token.access_rules is not None:
        shown["access_rules"] = [
            {"service": service, "method": method, "path": path}
            for service, method, path in token.access_rules
        ]
    return shown


async def _catalog(
    request: Request, room: Identity, tx: Transaction, token: Token
) -> tuple[list[dict[str, Any]], list[dict[str, str]]]:
    """The catalog of a token's scope, and the service providers that it tells of."""
    rows, providers = await room.catalogs.of(tx, token.project_id)
    found = catalog.catalog(
        rows,
        project_id=token.project_id,
        user_id=token.trustor_user_id or token.user_id,
        origin=request.origin,
        own_origins=request.own_origins,
    )
    return found, providers


def attempt_of(request: Request, room: Identity) -> Attempt:
    """The request as sign-in methods look at it."""
    return Attempt(
        database=request.database,
        room=room,
        http_method=request.method,
        urls=request.same_urls,
        query=request.pairs,
        headers=request.headers,
    )


async def create_token(request: Request, room: Identity) -> Response:
    """POST /v3/auth/tokens: 201 with the token in X-Subject-Token; 401 with a receipt when methods are missing.

    Source: Identity API reference, "Authentication and token management".
    """
    requested = await request.body(schemas.Auth, key="auth")
    attempt = attempt_of(request, room)
    proof = await signin.prove(attempt, requested.identity)
    receipt = request.headers.get("openstack-auth-receipt", "")
    proof, missing = await signin.enough(attempt, proof, receipt)
    if missing is not None:
        return await _receipt(request, room, proof, missing)
    text, token = await issue(request, room, proof, requested.scope)
    async with request.reading() as tx:
        body = await token_body(request, room, tx, token, not _nocatalog(request))
    return json_answer({"token": body}, 201, {"X-Subject-Token": text})


async def issue(
    request: Request, room: Identity, proof: Proof, requested: schemas.ScopePart | str | None
) -> tuple[str, Token]:
    """A token for what was proved, and what it is worth.

    Raises:
        NotSignedIn: the user has no role there, or the trust has no use left.
    """
    async with request.reading() as tx:
        scope = await signin.scope(tx, room, proof, requested)
        ends = [proof.no_later_than, None if scope.trust is None else scope.trust.expires_at]
        known = [end for end in ends if end is not None]
        bounds = proof.bounds
        if scope.trust is not None:
            trustor_since_us = await tokens.trustor_since(tx, scope.trust)
            bounds = msgspec.structs.replace(
                bounds, trust_id=scope.trust.id, trustor_since_us=trustor_since_us
            )
        text, payload = room.tokens.issue(
            user_id=proof.user_id,
            methods=proof.methods,
            scope=scope.kind,
            scope_id=scope.id,
            no_later_than=min(known) if known else None,
            parent_audit_ids=proof.parent_audit_ids,
            bounds=bounds,
        )
        token = await room.tokens.fresh(tx, payload)
    if token is None:
        raise NotSignedIn(signin.REFUSED)
    if scope.trust is not None and scope.trust.remaining_uses is not None:
        async with request.transaction() as tx:
            if not await trusts.use(tx, scope.trust):
                raise NotSignedIn(signin.REFUSED, detail="the trust has no use left")
    return text, token


async def _receipt(
    request: Request, room: Identity, proof: Proof, missing: signin.Missing
) -> Response:
    lifetime = timedelta(seconds=room.settings.receipt_lifetime_s)
    text, receipt = room.tokens.issue_receipt(
        proof.user_id, missing.methods, proof.bounds, lifetime
    )
    user = missing.user
    async with request.reading() as tx:
        home = await projects.domain(tx, user.domain_id)
    body = {
        "receipt": {
            "methods": list(missing.methods),
            "user": {
                "id": user.id,
                "name": user.name,
                "domain": {"id": home.id, "name": home.name},
            },
            "issued_at": zulu_micro(receipt.issued_at),
            "expires_at": zulu_micro(receipt.expires_at),
        },
        "required_auth_methods": missing.required,
    }
    return json_answer(body, 401, {"Openstack-Auth-Receipt": text})


async def _subject(request: Request, room: Identity, rule: str) -> tuple[str, Token]:
    text = request.headers.get("x-subject-token", "")
    token = await room.tokens.validate(text) if text else None
    if token is None:
        request.allowed_by_hand()
        raise NotFound("Could not find token.")
    request.allow(rule, {"target.token.user_id": token.user_id, "user_id": token.user_id})
    return text, token


async def show_token(request: Request, room: Identity) -> Response:
    """GET /v3/auth/tokens: what a token is worth now."""
    text, token = await _subject(request, room, "identity:validate_token")
    async with request.reading() as tx:
        body = await token_body(request, room, tx, token, not _nocatalog(request))
    return json_answer({"token": body}, 200, {"X-Subject-Token": text})


async def check_token(request: Request, room: Identity) -> Response:
    """HEAD /v3/auth/tokens."""
    text, _ = await _subject(request, room, "identity:check_token")
    return no_content(200, {"X-Subject-Token": text})


async def revoke_token(request: Request, room: Identity) -> Response:
    """DELETE /v3/auth/tokens: dead from the next request on."""
    text, _ = await _subject(request, room, "identity:revoke_token")
    payload = room.tokens.open(text)
    if payload is None:
        raise NotFound("Could not find token.")
    async with request.transaction() as tx:
        await room.tokens.revoke(tx, payload)
    return no_content()


async def show_catalog(request: Request, room: Identity) -> Response:
    """GET /v3/auth/catalog."""
    request.allow()
    token = request.token
    if token.project_id is None:
        raise Forbidden("A project-scoped token is required to produce a service catalog.")
    async with request.reading() as tx:
        found, _ = await _catalog(request, room, tx, token)
    return json_answer({"catalog": found, "links": {"self": request.full_url}})


async def list_own_projects(request: Request, room: Identity) -> Response:
    """GET /v3/auth/projects: the projects the caller could have a token for."""
    request.allow()
    async with request.reading() as tx:
        ids = await rights.projects_of(tx, request.token.user_id)
        return await listed(request, tx, projects.among(ids, enabled=True))


async def list_own_domains(request: Request, room: Identity) -> Response:
    """GET /v3/auth/domains."""
    request.allow()
    async with request.reading() as tx:
        ids = await rights.domains_of(tx, request.token.user_id)
        return await listed_domains(request, tx, projects.domains(ids, enabled=True))


async def list_own_system(request: Request, room: Identity) -> Response:
    """GET /v3/auth/system."""
    request.allow()
    async with request.reading() as tx:
        held = await rights.on_system(tx, request.token.user_id)
    return json_answer(
        {
            "system": [{"all": True}] if held else [],
            "links": {"self": request.full_url, "next": None, "previous": None},
        }
    )


ROUTES = (
    Route(
        "POST",
        "/v3/auth/tokens",
        create_token,
        (PUBLIC,),
        body=schemas.Auth,
        member="auth",
        query=("nocatalog",),
    ),
    Route("GET", "/v3/auth/tokens", show_token, ("identity:validate_token",), query=("nocatalog",)),
    Route("HEAD", "/v3/auth/tokens", check_token, ("identity:check_token",)),
    Route(
        "DELETE", "/v3/auth/tokens", revoke_token, ("identity:revoke_token",), delegated="always"
    ),
    Route("GET", "/v3/auth/catalog", show_catalog, ("identity:get_auth_catalog",)),
    Route(
        "GET",
        "/v3/auth/projects",
        list_own_projects,
        ("identity:get_auth_projects",),
        query=lists.PROJECTS.parameters,
    ),
    Route(
        "GET",
        "/v3/auth/domains",
        list_own_domains,
        ("identity:get_auth_domains",),
        query=lists.DOMAINS.parameters,
    ),
    Route("GET", "/v3/auth/system", list_own_system, ("identity:get_auth_system",)),
)
