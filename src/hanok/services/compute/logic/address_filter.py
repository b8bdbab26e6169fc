"""Filters of servers on their addresses, `ip` and `ip6`: regular expressions that an address has to begin with.

Only ids are read of the servers, and of their ports only the addresses, some hundred servers at a time.

Source: Compute API reference, "List Servers"; nova compares with Python's `re.match`, fixed addresses by version.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from hanok.base.errors import BadInput
from hanok.base.patterns import BadPattern
from hanok.base.pieces import Pieces
from hanok.services.compute.logic import name_filter
from hanok.store import Transaction

AddressesOf = Callable[
    [Transaction, Sequence[str]], Awaitable[Mapping[str, Sequence[tuple[int, str]]]]
]
"""Network's answer: of servers by id the addresses, each with its version."""


async def narrowed(
    tx: Transaction,
    statement: sa.Select[Any],
    key: sa.Column[Any],
    query: Mapping[str, str],
    addresses_of: AddressesOf,
) -> sa.Select[Any]:
    """The statement, held to servers with an address that fits one of the filters in the query.

    Raises:
        BadInput: a pattern is not one that is served, or too many servers fit.
    """
    forms = {
        version: name_filter.compiled(name, query[name])
        for version, name in ((4, "ip"), (6, "ip6"))
        if name in query
    }
    if not forms:
        return statement
    found: list[str] = []
    last = ""
    pieces = Pieces()
    bare = statement.with_only_columns(key.label("id"))
    while True:
        rows = await tx.all(bare.where(key > last).order_by(key).limit(name_filter.SLICE))
        if rows:
            try:
                theirs = await addresses_of(tx, [row.id for row in rows])
                async for one, addresses in pieces.each(theirs.items()):
                    if any(forms[v].match(text) for v, text in addresses if v in forms):
                        found.append(one)
            except BadPattern as error:
                raise BadInput(f"Invalid input for query parameters ip: {error}.") from None
        if len(found) > name_filter.MATCHES:
            raise BadInput("Invalid input for query parameters ip. Too many servers fit.")
        if len(rows) < name_filter.SLICE:
            return statement.where(key.in_(found))
        last = rows[-1].id
