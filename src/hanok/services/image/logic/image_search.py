"""Looking for images: which ones a project is shown, and which of those have what is asked for.

Source: Image API reference, "List images".
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

import sqlalchemy as sa
from msgspec import Struct
from sqlalchemy import bindparam

from hanok.base.errors import BadInput
from hanok.services.image.logic import images
from hanok.services.image.tables import image_members, image_properties, image_tags
from hanok.services.image.tables import images as table
from hanok.store import Transaction
from hanok.web.listing import Where

FEW = 90  # rows that a database hands over at once
_OPERATORS = {"eq", "neq", "gt", "gte", "lt", "lte"}


class Shown(Struct, frozen=True):
    """Which images a list shows.

    visibility: "all", or one of the API's; None: what a project looks at first. status: of its memberships, or "all".
    everywhere: whether the caller reaches what is other projects'. hidden: those with os_hidden, or those without.
    """

    visibility: str | None
    status: str
    everywhere: bool
    hidden: bool


def at(column: sa.Column[Any], value: str) -> Where:
    """A filter on a time, to the second: "gte:2026-01-01T00:00:00Z"; without an operator the same time.

    Raises:
        BadInput
    """
    how, _, text = value.partition(":")
    if how not in _OPERATORS:
        how, text = "eq", value
    try:
        moment = datetime.fromisoformat(text)
        moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError):
        raise BadInput(f"Invalid time value: {value[:100]}") from None
    low, high = moment.replace(microsecond=0), moment.replace(microsecond=999_999)
    return {
        "eq": sa.and_(column >= low, column <= high),
        "neq": sa.or_(column < low, column > high),
        "gt": column > high,
        "gte": column >= low,
        "lt": column < low,
        "lte": column <= high,
    }[how]


_ME = bindparam("me", type_=sa.String)


@lru_cache(maxsize=2)
def within(*, everywhere: bool) -> sa.Select[Any]:
    """The images that the project `me` may see, if it knows them: see `images.get`."""
    if everywhere:
        return sa.select(table)
    offered = sa.select(image_members.c.image_id).where(image_members.c.member_id == _ME)
    return sa.select(table).where(
        sa.or_(
            table.c.owner == _ME,
            table.c.visibility.in_(("public", "community")),
            sa.and_(table.c.visibility == "shared", table.c.id.in_(offered)),
        )
    )


@lru_cache(maxsize=64)
def listed(requested: Shown) -> sa.Select[Any]:
    """The images a list shows to the project `me`: by default its own, public ones, and shared ones it accepted."""
    me = _ME
    memberships = sa.select(image_members.c.image_id).where(image_members.c.member_id == me)
    if requested.status != "all":
        memberships = memberships.where(image_members.c.status == requested.status)
    own = table.c.owner == me
    shared = sa.and_(table.c.visibility == "shared", sa.or_(own, table.c.id.in_(memberships)))
    shown: Where
    visibility, everywhere = requested.visibility, requested.everywhere
    if visibility is None and everywhere:
        shown = table.c.visibility != "community"
    elif visibility is None:
        own_but_community = sa.and_(own, table.c.visibility != "community")
        shown = sa.or_(own_but_community, table.c.visibility == "public", shared)
    elif visibility == "all" and everywhere:
        shown = sa.true()
    elif visibility == "all":
        shown = sa.or_(own, table.c.visibility.in_(("public", "community")), shared)
    elif visibility in ("public", "community") or everywhere:
        shown = table.c.visibility == visibility
    elif visibility == "private":
        shown = sa.and_(table.c.visibility == "private", own)
    else:
        shown = shared
    return sa.select(table).where(shown, table.c.os_hidden.is_(requested.hidden))


async def described(
    tx: Transaction,
    statement: sa.Select[Any],
    tags: Sequence[str],
    properties: Sequence[tuple[str, str]],
) -> sa.Select[Any]:
    """The statement, held to images that have the tags and further properties.

    What few have is looked up. What many have is looked at image by image in the order of the list, which ends with the
    page: the cost of either does not grow with the number of images.
    """
    having = [(image_tags.c.image_id, image_tags.c.tag == tag) for tag in tags]
    having += [
        (image_properties.c.image_id, images.has_property(name, value))
        for name, value in properties
    ]
    for column, condition in having:
        few = list(await tx.scalars(sa.select(column).where(condition).limit(FEW + 1)))
        if len(few) <= FEW:
            statement = statement.where(table.c.id.in_(few))
        else:
            statement = statement.where(sa.exists().where(column == table.c.id, condition))
    return statement
