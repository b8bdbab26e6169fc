"""Identity's lists: which filters, in what order, and in what pages.

A page is asked for by `limit` and goes on behind `marker`; an answer that is not all there is says so (`truncated`) and
has the address of the next page in its links. Whom the caller may see is in the statements of `logic`.

Source: Identity API reference, "Filtering, searching, and pagination".
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType
from typing import Any

from sqlalchemy import Column, Row, Select, Table
from starlette.responses import Response

from hanok.services.identity import schemas, tables
from hanok.services.identity.logic import projects, users
from hanok.services.identity.logic.lookup import condition
from hanok.store import Transaction
from hanok.web.listing import IDENTITY, Filter, Listing, Page
from hanok.web.request import Request, list_answer


class Fields(Mapping[str, Filter]):
    """Filters on columns of a table, each also as `name__contains` and its like; and others.

    Of a filter that stands in a query twice, the last one counts.
    """

    def __init__(self, table: Table, *names: str, more: Mapping[str, Filter]) -> None:
        self._table, self._names, self._more = table, names, more

    def __iter__(self) -> Iterator[str]:
        """The filters without what may stand behind them."""
        return iter((*self._names, *self._more))

    def __len__(self) -> int:
        return len(self._names) + len(self._more)

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and (
            name in self._more or name.partition("__")[0] in self._names
        )

    def __getitem__(self, name: str) -> Filter:
        if name in self._more:
            return self._more[name]
        if name not in self:
            raise KeyError(name)
        return lambda values: condition(self._table, name, values[-1])


def _listing(
    name: str,
    table: Table,
    *fields: str,
    by: Column[Any] | None = None,
    then: tuple[Column[Any], ...] = (),
    more: Mapping[str, Filter] = MappingProxyType({}),
) -> Listing:
    """A list by a column (names when `by` is left out), then by others; with filters on fields, and more."""
    return Listing(
        table=table,
        name=name,
        style=IDENTITY,
        marker=table.c.id,
        unique=table.c.id,
        first=(table.c.name if by is None else by, "asc"),
        then=then,
        filters=Fields(table, *fields, more=more),
    )


def _by_id(name: str, table: Table, *fields: str) -> Listing:
    return _listing(name, table, *fields, by=table.c.id)


_T = tables
USERS = _listing(
    "users",
    _T.users,
    *("name", "domain_id", "enabled"),
    more={"password_expires_at": users.password_ends},
)
GROUPS = _listing("groups", _T.groups, "name", "domain_id")
PROJECTS = _listing(
    "projects",
    _T.projects,
    *("name", "domain_id", "parent_id", "enabled", "is_domain"),
    more={
        "tags": projects.tagged_by(negative=False, together=True),
        "tags-any": projects.tagged_by(negative=False, together=False),
        "not-tags": projects.tagged_by(negative=True, together=True),
        "not-tags-any": projects.tagged_by(negative=True, together=False),
    },
)
DOMAINS = _listing("domains", _T.projects, "name", "enabled")
ROLES = _listing("roles", _T.roles, "name")
REGIONS = _by_id("regions", _T.regions, "parent_region_id")
SERVICES = _listing("services", _T.services, "type", "name", by=_T.services.c.type)
ENDPOINTS = _listing(
    "endpoints",
    _T.endpoints,
    *("interface", "service_id", "region_id"),
    by=_T.endpoints.c.service_id,
)
ENDPOINT_GROUPS = _listing("endpoint_groups", _T.endpoint_groups, "name")
POLICIES = _by_id("policies", _T.policies, "type")
CREDENTIALS = _by_id("credentials", _T.credentials, "user_id", "type")
EC2_KEYS = _by_id("credentials", _T.credentials)
APPLICATION_CREDENTIALS = _listing("application_credentials", _T.application_credentials, "name")
ACCESS_RULES = _listing(
    "access_rules",
    _T.access_rules,
    by=_T.access_rules.c.service,
    then=(_T.access_rules.c.path, _T.access_rules.c.method),
)
TRUSTS = _by_id("trusts", _T.trusts, "trustor_user_id", "trustee_user_id")
CONSUMERS = _by_id("consumers", _T.oauth_consumers)
ACCESS_TOKENS = _by_id("access_tokens", _T.oauth_access_tokens)
IDENTITY_PROVIDERS = _by_id("identity_providers", _T.identity_providers, "id", "enabled")
PROTOCOLS = _by_id("protocols", _T.federation_protocols)
MAPPINGS = _by_id("mappings", _T.mappings)
SERVICE_PROVIDERS = _by_id("service_providers", _T.service_providers, "id", "enabled")
_RESOURCES = Fields(
    _T.registered_limits, "service_id", "region_id", "resource_name", more=MappingProxyType({})
)
REGISTERED_LIMITS = _listing(
    "registered_limits",
    _T.registered_limits,
    by=_T.registered_limits.c.resource_name,
    more=_RESOURCES,
)
LIMITS = _listing(
    "limits",
    _T.limits,
    *("project_id", "domain_id"),
    by=_T.registered_limits.c.resource_name,
    more=_RESOURCES,
)


async def answer(
    request: Request,
    tx: Transaction,
    listing: Listing,
    statement: Select[Any],
    show: Callable[[Request, Row[Any]], dict[str, Any]],
) -> Response:
    """The answer to a list: what a statement gives, as the query wants it, each row shown by a function."""
    page = await listing.page(request, tx, statement)
    return await paged(request, listing, page, [show(request, row) for row in page.rows])


async def paged(
    request: Request, listing: Listing, page: Page, items: list[dict[str, Any]]
) -> Response:
    """The answer to a list."""
    whole = schemas.collection(request, listing.name, items)
    return await list_answer(listing.answer(request, page, whole), listing.name)
