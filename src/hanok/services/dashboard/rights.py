"""What the access rules let a session do, so that a page offers nothing that would be refused.

That is for showing only: each request is decided by the service that it goes to.
"""

from __future__ import annotations

import gzip
from typing import Any

from msgspec import Struct
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from hanok.services.dashboard.room import Dashboard
from hanok.services.dashboard.signin import BadBody, body_of, refused
from hanok.web.token import Token

RULES = 600  # that a page may ask about


class RightsQuery(Struct, frozen=True, forbid_unknown_fields=True):
    """rules: their names, by the kind of the service."""

    rules: dict[str, list[str]]


async def answer(room: Dashboard, request: Request, token: Token) -> Response:
    """POST: which of some rules hold for what is the caller's own."""
    try:
        requested: RightsQuery = await body_of(request, RightsQuery)
    except BadBody as error:
        return refused(400, "badRequest", str(error))
    pairs = [(kind, rule) for kind, rules in requested.rules.items() for rule in rules]
    if len(pairs) > RULES:
        return refused(400, "badRequest", f"At most {RULES} rules can be checked in one request.")
    own, credentials = _own(token), token.credentials
    found = [
        f"{kind}|{rule}"
        for kind, rule in pairs
        if (rules := room.rules_of(kind)) is not None and rules.allows(rule, own, credentials)
    ]
    response: Response = JSONResponse({"allowed": found})
    if "gzip" in request.headers.get("accept-encoding", ""):
        response = Response(gzip.compress(bytes(response.body), 5), media_type="application/json")
        response.headers["Content-Encoding"] = "gzip"
    return response


def _own(token: Token) -> dict[str, Any]:
    """A target that is the caller's own in every way that rules may look at."""
    project, user, domain = token.project_id, token.user_id, token.domain_id
    return {
        "project_id": project,
        "tenant_id": project,
        "user_id": user,
        "domain_id": domain,
        "owner": project,
        "network:tenant_id": project,
        "target.user.id": user,
        "target.user.domain_id": domain,
        "target.project.id": project,
        "target.project.domain_id": domain,
        "target.group.domain_id": domain,
        "target.domain.id": domain,
        "target.domain_id": domain,
        "target.role.domain_id": domain,
    }
