"""Looking for servers: the statement of a list, held to what is sought."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from msgspec import Struct

from hanok.services.compute.logic import address_filter, name_filter
from hanok.services.compute.logic.address_filter import AddressesOf
from hanok.services.compute.tables import servers
from hanok.store import Transaction
from hanok.web.token import Caller

WHOLE = sa.select(servers)
NAMES = sa.select(servers.c.id, servers.c.name)
PATTERNS = {
    "name": servers.c.name,
    "display_name": servers.c.name,
    "description": servers.c.description,
    "display_description": servers.c.description,
    "hostname": servers.c.hostname,
}
"""The filters that are patterns, by parameter."""


class Sought(Struct, frozen=True, kw_only=True):
    """What servers are to be.

    conditions: on their columns. patterns: texts to be found in a column, by parameter. addresses: patterns by version
    of address, as "ip" and "ip6".
    """

    conditions: Sequence[sa.ColumnElement[bool]]
    patterns: Mapping[str, str]
    addresses: Mapping[str, str]


def reached(caller: Caller) -> sa.Select[Any]:
    """The servers that a marker may name."""
    if caller.everywhere:
        return WHOLE
    return WHOLE.where(servers.c.project_id == caller.project_id)


async def narrowed(
    tx: Transaction, statement: sa.Select[Any], sought: Sought, addresses_of: AddressesOf
) -> sa.Select[Any]:
    """The statement, held to what is sought.

    Raises:
        BadInput: a pattern is not one that is served, or there is too much to look at.
    """
    if sought.conditions:
        statement = statement.where(*sought.conditions)
    for name, wanted in sought.patterns.items():
        column = PATTERNS[name]
        statement = await name_filter.narrowed(tx, statement, servers.c.id, column, name, wanted)
    return await address_filter.narrowed(
        tx, statement, servers.c.id, sought.addresses, addresses_of
    )
