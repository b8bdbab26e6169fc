"""Looking for servers: the statement of a list, held to what is sought."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from msgspec import Struct, defstruct

from hanok.services.compute.logic import address_filter, name_filter
from hanok.services.compute.logic.address_filter import AddressesOf
from hanok.services.compute.tables import servers
from hanok.store import Transaction, kept
from hanok.store.schema import JSONText
from hanok.web.token import Caller

WHOLE = sa.select(servers)
# What no list shows: half of what it costs to read a row is in columns like these.
_NOT_SHOWN = (
    "deleted", "disk_generation", "disk_gib", "disk_tag", "disks", "files", "generation", "held_memory_mib",
    "held_vcpus", "image_format", "locked_by", "memory_mib", "nics", "public_key", "requested_host", "rescue",
    "shelved_at", "shelved_image_id", "soft_deleted_at", "vcpus",
)  # fmt: skip
_SHOWN = [column for column in servers.c if column.name not in _NOT_SHOWN]
# Values that are not taken apart only to be put together again: those that are shown as they are, and those that are
# the same in many rows, or empty.
_HANDED_ON: dict[str, Any] = {
    "metadata": JSONText,
    "image_properties": JSONText,
    "flavor": sa.Text,
    "scheduler_hints": sa.Text,
    "security_groups": sa.Text,
}
DETAILS = sa.select(
    *(
        sa.type_coerce(column, _HANDED_ON[column.name]).label(column.name)
        if column.name in _HANDED_ON
        else column
        for column in _SHOWN
    )
)
Details: Any = defstruct("Details", [str(column.name) for column in _SHOWN])
"""A row of DETAILS whose values are cheap to ask for: a list asks for forty of each."""
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
    return kept.held(WHOLE, kept.equal(servers.c.project_id, caller.project_id))


async def narrowed(
    tx: Transaction, statement: sa.Select[Any], sought: Sought, addresses_of: AddressesOf
) -> sa.Select[Any]:
    """The statement, held to what is sought.

    Raises:
        BadInput: a pattern is not one that is served, or there is too much to look at.
    """
    if sought.conditions:
        statement = kept.held(statement, *sought.conditions)
    for name, requested in sought.patterns.items():
        column = PATTERNS[name]
        statement = await name_filter.narrowed(tx, statement, servers.c.id, column, name, requested)
    return await address_filter.narrowed(
        tx, statement, servers.c.id, sought.addresses, addresses_of
    )
