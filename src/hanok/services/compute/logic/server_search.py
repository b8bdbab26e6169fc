"""Looking for servers: the statement of a list, held to what is sought."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec
import sqlalchemy as sa
from msgspec import Struct, defstruct
from sqlalchemy import Row

from hanok.services.compute.logic import address_filter, name_filter
from hanok.services.compute.logic.address_filter import AddressesOf
from hanok.services.compute.schemas.server_pages import OWN
from hanok.services.compute.tables import server_tags, server_volumes, servers
from hanok.store import Transaction, kept
from hanok.store.schema import JSON, JSONText, UTCDateTime, moment
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

_ROWS_OWN = [servers.c[name] for name in OWN]
_ROW = [*_ROWS_OWN, *(column for column in _SHOWN if column.name not in OWN)]
# Of values that stand in a database otherwise than they are used: the type as which they are read as they stand.
_AS_IT_IS: dict[type[Any], Any] = {
    UTCDateTime: sa.BigInteger,
    JSON: sa.Text,
    sa.Boolean: sa.Integer,
}
PAGE = sa.select(
    *(
        sa.type_coerce(column, _AS_IT_IS[type(column.type)]).label(column.name)
        if type(column.type) in _AS_IT_IS
        else column
        for column in _ROW
    )
)
"""The same for the newest version's pages, with no value converted: most are only looked at to be the same."""


def _json(text: str | None) -> Any:
    return None if text is None else msgspec.json.decode(text)


def _raw(text: str) -> msgspec.Raw:
    return msgspec.Raw(text.encode())


_BY_TYPE: dict[type[Any], Callable[[Any], Any]] = {UTCDateTime: moment, sa.Boolean: bool}
_BY_NAME: dict[str, Callable[[Any], Any]] = {
    "metadata": _raw,
    "image_properties": _raw,
    "fault": _json,
    "trusted_certificates": _json,
}
_CONVERTED = [
    (column.name, place, _BY_NAME.get(column.name) or _BY_TYPE.get(type(column.type)))
    for place, column in enumerate(_ROW)
]


def details(row: Row[Any]) -> Any:
    """The Details of a row of PAGE."""
    return Details(
        **{
            name: row[place] if convert is None else convert(row[place])
            for name, place, convert in _CONVERTED
        }
    )


_of_these: Any = sa.bindparam("ids", expanding=True)
_volumes = sa.select(
    server_volumes.c.server_id,
    server_volumes.c.volume_id,
    server_volumes.c.delete_on_termination,
    server_volumes.c.sequence,
    sa.type_coerce(sa.null(), sa.String).label("tag"),
).where(server_volumes.c.server_id.in_(_of_these), server_volumes.c.volume_id.is_not(None))
_tags = sa.select(
    server_tags.c.server_id, sa.null(), sa.null(), sa.null(), server_tags.c.tag
).where(server_tags.c.server_id.in_(_of_these))
_beside = _volumes.union_all(_tags).order_by("sequence", "tag")


async def beside(
    tx: Transaction, ids: Sequence[str]
) -> tuple[dict[str, list[str]], dict[str, list[dict[str, Any]]]]:
    """The tags and the volumes of those servers that have some, as answers name them; one look for both."""
    tags: dict[str, list[str]] = {}
    volumes: dict[str, list[dict[str, Any]]] = {}
    rows: Any = await tx.all(_beside, {"ids": ids})  # each is taken apart at once
    for server_id, volume_id, delete_on_termination, _, tag in rows:
        if tag is not None:
            tags.setdefault(server_id, []).append(tag)
        else:
            shown = {"id": volume_id, "delete_on_termination": delete_on_termination}
            volumes.setdefault(server_id, []).append(shown)
    return tags, volumes


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
