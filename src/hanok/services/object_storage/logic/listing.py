"""Pages of names: of an account's containers and of a container's objects, in the order of their bytes.

What a page costs does not grow with what there is: names are found by an index, and where a delimiter folds names into
one line, the next name looked for is the first behind all of these.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from msgspec import Struct
from sqlalchemy import Row

from hanok.base.pieces import Pieces
from hanok.services.object_storage.logic.names import LISTING, after
from hanok.services.object_storage.tables import object_containers, objects
from hanok.store import Transaction

_FIRST, _LEAST, _MAXIMUM = 100, 8, 1000  # rows that are read at once where names are folded


class Page(Struct, frozen=True, kw_only=True):
    """What is asked for. path: None, or a folder whose own names are listed, and nothing below them."""

    limit: int = LISTING
    marker: str = ""
    end_marker: str = ""
    prefix: str = ""
    delimiter: str = ""
    reverse: bool = False
    path: str | None = None


async def of_containers(tx: Transaction, account: str, page: Page) -> list[Row[Any] | str]:
    """Containers of an account; texts stand for names that a delimiter folds."""
    return await _names(tx, object_containers, object_containers.c.account == account, page)


async def of_objects(tx: Transaction, container_id: int, page: Page) -> list[Row[Any] | str]:
    """Objects of a container; texts stand for names that a delimiter folds."""
    return await _names(tx, objects, objects.c.container_id == container_id, page)


async def _names(
    tx: Transaction, table: sa.Table, where: sa.ColumnElement[bool], page: Page
) -> list[Row[Any] | str]:
    tx.pieces = Pieces()
    prefix, delimiter, own_only = page.prefix, page.delimiter, page.path is not None
    if page.path is not None:
        prefix = f"{page.path.rstrip('/')}/" if page.path else ""
        delimiter = "/"
    name = table.c.name
    bounds = [where]
    low, high = (page.marker, page.end_marker)
    if page.reverse:
        low, high = high, low
    if low:
        bounds.append(name > low)
    if high:
        bounds.append(name < high)
    if prefix:
        bounds.append(name >= prefix)
        if (end := after(prefix)) is not None:
            bounds.append(name < end)
    query = sa.select(table).where(*bounds).order_by(name.desc() if page.reverse else name)
    if not delimiter:
        return list(await tx.all(query.limit(page.limit))) if page.limit else []
    found: list[Row[Any] | str] = []
    beyond: sa.ColumnElement[bool] | None = None
    size = _FIRST
    while len(found) < page.limit:
        some = query if beyond is None else query.where(beyond)
        before = len(found)
        rows = await tx.all(some.limit(size))
        beyond = _folded(rows, found, page, prefix, delimiter, own_only, name)
        if len(rows) < size or beyond is None:
            break
        # Where most of them were folded, the next ones will be.
        size = next_size(len(found) - before)
    return found


def next_size(found: int) -> int:
    """How many rows to read where the last ones gave so many lines."""
    return min(max(2 * found, _LEAST), _MAXIMUM)


def _folded(
    rows: Sequence[Row[Any]],
    found: list[Row[Any] | str],
    page: Page,
    prefix: str,
    delimiter: str,
    own_only: bool,
    name: sa.Column[str],
) -> sa.ColumnElement[bool] | None:
    """Add rows, folded, to what is found. Returns the condition of what comes next; None: nothing does."""
    group = ""
    for row in rows:
        if group and row.name.startswith(group):
            continue
        group = ""
        cut = row.name.find(delimiter, len(prefix))
        if cut >= 0 and not (own_only and cut == len(row.name) - len(delimiter)):
            group = row.name[: cut + len(delimiter)]
            if not own_only and not _is_past(group, page):
                found.append(group)
        elif not (own_only and row.name == prefix):
            found.append(row)
        if len(found) >= page.limit:
            return None
    if not rows:
        return None
    if group:
        if page.reverse:
            return name < sa.literal(group)
        end = after(group)
        return None if end is None else name >= sa.literal(end)
    last = sa.literal(rows[-1].name)
    return name < last if page.reverse else name > last


def _is_past(group: str, page: Page) -> bool:
    """Whether a folded line was on the page before: the marker is that line, or something in it."""
    if not page.marker:
        return False
    return group >= page.marker if page.reverse else group <= page.marker
