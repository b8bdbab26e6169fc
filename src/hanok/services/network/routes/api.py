"""What all resources of this API have in common: its texts, its pages, and whose rows a caller reaches.

The doors themselves are made in `web/doors.py` from each resource's declaration (`kinds.py`).

Source: Networking API v2.0 reference, "Filtering and column selection", "Sorting", "Pagination", "Bulk operations".
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from msgspec import structs
from sqlalchemy import Row

from hanok.base.errors import BadInput
from hanok.services.network.logic.errors import disallowed, invalid, not_found
from hanok.services.network.logic.reach import Reach
from hanok.services.network.room import Network
from hanok.web.bodies import Bodies
from hanok.web.listing import PageStyle, links_beside
from hanok.web.pages import number_of
from hanok.web.request import Request
from hanok.web.resources import Api

BODIES = Bodies(
    invalid=invalid,
    no_object="Resource body required",
    no_member="Unable to find '{name}' in request body",
    unknown="Unrecognized attribute(s) '{names}'",
    missing="Failed to parse request. Required attribute '{name}' not specified",
    not_in_post="Attribute '{name}' not allowed in POST",
    not_in_put="Cannot update read-only attribute {name}",
    no_items="Resources required",
    odd_item="Invalid format of a resource in the list",
    beside="Unrecognized attribute(s) beside the list of resources",
    also={"tenant_id": "project_id"},
)


def as_sent(value: Any) -> Any:
    """The value of a filter that is compared as it is."""
    return value


def _odd_filters(names: Sequence[str]) -> BadInput:
    return BadInput(f"{[one[:100] for one in sorted(names)]} is invalid attribute for filtering")


PAGES = PageStyle(
    put=links_beside,
    missing=lambda marker: BadInput(f"Invalid marker: {marker[:100]}"),
    maximum=10_000,
    blank=True,
    no_marker=True,
    reverse="page_reverse",
    last="asc",
    paired=lambda: BadInput("The number of sort_keys and sort_dirs must be same"),
    odd_key=lambda name, known: BadInput(f"['{name}'] is invalid attribute for sort_keys"),
    odd_direction=lambda direction: BadInput("The sort direction must be 'asc' or 'desc'"),
    odd_filters=_odd_filters,
    others=("fields", "verbose"),
)


def reach_of(request: Request) -> Reach:
    """How far the caller sees."""
    everything = request.may("context_is_admin") or request.may("service_api")
    room: Network = request.service.room
    return Reach(
        request.token.project_id,
        everything=everything,
        user_id=request.token.user_id,
        dns_domain=room.settings.dns_domain,
    )


class RevisionDiffers(BadInput):
    status = 412


def _revision_fits(request: Request, row: Row[Any]) -> None:
    """A client may say which revision it has looked at ("If-Match: revision_number=3")."""
    requested = request.headers.get("if-match", "")
    name, _, number = requested.partition("=")
    if name.strip() != "revision_number":
        return
    revision = number_of(number.strip())
    if revision is None:
        raise BadInput(f"Invalid If-Match header: {requested[:100]}")
    if revision != row.revision_number:
        raise RevisionDiffers(
            f"Constrained to {revision}, but current revision is {row.revision_number}",
            code="RevisionNumberConstraintFailed",
        )


def _rule(verb: str, name: str) -> str:
    return f"{'get' if verb == 'list' else verb}_{name}"


API = Api[Reach](
    base="/v2.0",
    service="network",
    reach=reach_of,
    style=PAGES,
    bodies=BODIES,
    not_found=not_found,
    disallowed=lambda rules: disallowed(" and rule:".join(rules)),
    rule=_rule,
    fields="fields",
    fits=_revision_fits,
    bulk=True,
    doors=frozenset(("tags",)),
)
BEGINS_ANEW = structs.replace(API, style=structs.replace(PAGES, anew=True))
"""The same for lists that begin anew behind a marker out of reach, as upstream's of QoS policies do."""
