"""What was revoked, for services that look at tokens themselves; and doors from when tokens were certificates."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from starlette.responses import Response

from hanok.base.clock import zulu_micro
from hanok.base.errors import BadInput, Forbidden, Gone
from hanok.services.identity.room import Identity
from hanok.services.identity.tables import revoked_tokens, users
from hanok.web.request import Request, json_answer
from hanok.web.routes import PUBLIC, Route


def _since(text: str | None) -> datetime | None:
    if text is None:
        return None
    try:
        at = datetime.fromisoformat(text)
        return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
    except (ValueError, OverflowError):
        raise BadInput(f"invalidate date format {text}") from None


async def list_events(request: Request, room: Identity) -> Response:
    """GET /v3/OS-REVOKE/events: tokens that were revoked one by one, and users whose older tokens have ended.

    What takes rights away ends tokens without an event: rights are read when a token is used.
    Source: Identity API v3 extensions, "OS-REVOKE".
    """
    request.allow("identity:list_revoke_events")
    since = _since(request.query.get("since"))
    single = sa.select(revoked_tokens).order_by(revoked_tokens.c.expires_at)
    oldest = room.clock.now() - room.tokens.lifetime  # what was issued before is over anyway
    whole = sa.select(users.c.id, users.c.tokens_valid_from).where(
        users.c.tokens_valid_from > oldest
    )
    if since is not None:
        single = single.where(revoked_tokens.c.revoked_at >= since)
        whole = whole.where(users.c.tokens_valid_from >= since)
    async with request.reading() as tx:
        tokens = await tx.all(single)
        people = await tx.all(whole.order_by(users.c.tokens_valid_from))
    events: list[dict[str, Any]] = [
        {
            "audit_id": row.audit_id,
            "issued_before": zulu_micro(row.revoked_at or row.expires_at),
            "expires_at": zulu_micro(row.expires_at),
        }
        for row in tokens
    ]
    events += [
        {"user_id": row.id, "issued_before": zulu_micro(row.tokens_valid_from)} for row in people
    ]
    links = {"next": None, "self": request.full_url, "previous": None}
    return json_answer({"events": events, "links": links})


async def list_revoked(request: Request, room: Identity) -> Response:
    """GET /v3/auth/tokens/OS-PKI/revoked: tokens are not kept, so there is no list of them."""
    request.may("identity:revocation_list")
    raise Forbidden("There is no list of revoked tokens.")


async def show_certificate(request: Request, room: Identity) -> Response:
    """GET /v3/OS-SIMPLE-CERT/…: withdrawn upstream."""
    raise Gone("This API is no longer available due to the removal of support for PKI tokens.")


ROUTES = (
    Route("GET", "/v3/OS-REVOKE/events", list_events, ("identity:list_revoke_events",)),
    Route("GET", "/v3/auth/tokens/OS-PKI/revoked", list_revoked, ("identity:revocation_list",)),
    Route("GET", "/v3/OS-SIMPLE-CERT/ca", show_certificate, (PUBLIC,)),
    Route("GET", "/v3/OS-SIMPLE-CERT/certificates", show_certificate, (PUBLIC,)),
)
