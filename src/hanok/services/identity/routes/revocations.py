"""What was revoked, for services that look at tokens themselves; and doors from when tokens were certificates."""

from __future__ import annotations

from datetime import UTC, datetime

from starlette.responses import Response

from hanok.base.clock import zulu_micro
from hanok.base.errors import BadInput, Forbidden, Gone
from hanok.services.identity.logic import revocations
from hanok.services.identity.room import Identity
from hanok.web.request import Request, json_answer
from hanok.web.routes import PUBLIC, Route


def _since(text: str | None) -> datetime | None:
    if not text:
        return None
    try:
        at = datetime.fromisoformat(text)
        return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
    except (ValueError, OverflowError):
        raise BadInput(f"invalidate date format {text}") from None


# Names of what an event is about, as upstream writes them.
_NAMES = {
    "audit": "audit_id",
    "user": "user_id",
    "project": "project_id",
    "trust": "OS-TRUST:trust_id",
    "consumer": "OS-OAUTH1:consumer_id",
}


async def list_events(request: Request, room: Identity) -> Response:
    """GET /v3/OS-REVOKE/events: which tokens a service that keeps them is not to believe any more.

    Source: Identity API v3 extensions, "OS-REVOKE".
    """
    request.allow("identity:list_revoke_events")
    since = _since(request.query.get("since"))
    async with request.reading() as tx:
        rows = await revocations.told(tx, since, room.clock.now(), room.tokens.lifetime)
    events = [
        {
            _NAMES[row.kind]: row.subject,
            "issued_before": zulu_micro(row.issued_before),
            "revoked_at": zulu_micro(row.revoked_at),
        }
        for row in rows
    ]
    links = {"next": None, "self": request.full_url, "previous": None}
    return json_answer({"events": events, "links": links})


async def list_revoked(request: Request, room: Identity) -> Response:
    """GET /v3/auth/tokens/OS-PKI/revoked: tokens are not kept, so there is no list of them."""
    request.allow("identity:revocation_list")
    raise Forbidden("There is no list of revoked tokens.")


async def show_certificate(request: Request, room: Identity) -> Response:
    """GET /v3/OS-SIMPLE-CERT/…: withdrawn upstream."""
    raise Gone("This API is no longer available due to the removal of support for PKI tokens.")


ROUTES = (
    Route(
        "GET",
        "/v3/OS-REVOKE/events",
        list_events,
        ("identity:list_revoke_events",),
        query=("since",),
    ),
    Route("GET", "/v3/auth/tokens/OS-PKI/revoked", list_revoked, ("identity:revocation_list",)),
    Route("GET", "/v3/OS-SIMPLE-CERT/ca", show_certificate, (PUBLIC,)),
    Route("GET", "/v3/OS-SIMPLE-CERT/certificates", show_certificate, (PUBLIC,)),
)
