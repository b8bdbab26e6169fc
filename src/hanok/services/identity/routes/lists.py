"""Identity's lists: in what order, and in what pages.

A page is asked for by `limit` and goes on behind `marker`; an answer that is not all there is says so (`truncated`) and
has the address of the next page in its links.

Source: Identity API reference, "Pagination".
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from starlette.responses import Response

from hanok.services.identity import schemas
from hanok.services.identity.tables import (
    endpoints,
    groups,
    policies,
    projects,
    regions,
    roles,
    services,
    users,
)
from hanok.web.listing import IDENTITY, Listing, Page
from hanok.web.request import Request, list_answer

PAGING = ("limit", "marker")


def _listing(name: str, table: sa.Table, by: str = "name") -> Listing:
    return Listing(
        table=table,
        name=name,
        style=IDENTITY,
        marker=table.c.id,
        unique=table.c.id,
        first=(table.c[by], "asc"),
    )


USERS = _listing("users", users)
GROUPS = _listing("groups", groups)
PROJECTS = _listing("projects", projects)
DOMAINS = _listing("domains", projects)
ROLES = _listing("roles", roles)
REGIONS = _listing("regions", regions, "id")
SERVICES = _listing("services", services, "type")
ENDPOINTS = _listing("endpoints", endpoints, "service_id")
POLICIES = _listing("policies", policies, "id")


async def paged(
    request: Request, listing: Listing, page: Page, items: list[dict[str, Any]]
) -> Response:
    """The answer to a list."""
    whole = schemas.collection(request, listing.name, items)
    return await list_answer(listing.answer(request, page, whole), listing.name)
