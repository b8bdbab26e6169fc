"""Images as callers see them: which, whether they may, and what is shown."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

from sqlalchemy import Row

from hanok.base.errors import BadInput, Forbidden, NotFound
from hanok.services.image import schemas
from hanok.services.image.logic import data, images
from hanok.services.image.room import Images
from hanok.services.image.routes import guards
from hanok.store import Transaction
from hanok.web.listing import Links, PageStyle
from hanok.web.request import Request


def target(row: Row[Any], member_id: str | None = None) -> dict[str, Any]:
    return {
        "project_id": row.owner,
        "owner": row.owner,
        "visibility": row.visibility,
        "member_id": member_id,
    }


async def readable(request: Request, tx: Transaction, rule: str) -> Row[Any]:
    """The image of the path, if the caller may see it and do this to it."""
    image_id = request.path["image_id"]
    try:
        row = await images.get(tx, request.reaching(), image_id)
    except NotFound:
        request.allowed_by_hand()
        raise
    mine = await images.membership(tx, image_id, request.token.project_id)
    if not request.may(rule, target(row, None if mine is None else mine.member_id)):
        raise Forbidden(f"You are not authorized to complete {rule} action.")
    return row


async def answers(
    request: Request, room: Images, tx: Transaction, rows: Sequence[Row[Any]]
) -> list[dict[str, Any]]:
    """Images as the caller may see them."""
    ids = [row.id for row in rows]
    properties, tags = await images.extras(tx, ids)
    places = await images.locations(tx, ids)
    settings = room.settings
    guard = guards.of(request, room)
    made = []
    for row in rows:
        there = places[row.id]
        shown: list[dict[str, Any]] | None = None
        direct = None
        if settings.show_multiple_locations or settings.show_image_direct_url:
            may = request.may("get_image_location", target(row))
            if settings.show_multiple_locations:
                shown = [location(room, one) for one in there] if may else []
            if settings.show_image_direct_url and may and there:
                direct = location(room, data.by_weight(room, there)[0])["url"]
        view = schemas.View(
            properties=guard.readable(properties[row.id]),
            tags=tags[row.id],
            stores=[one.store for one in data.by_weight(room, there)],
            locations=shown,
            direct_url=direct,
        )
        made.append(schemas.image(row, view))
    return made


def location(room: Images, row: Row[Any]) -> dict[str, Any]:
    """A location as the API shows it."""
    if row.store in room.stores:
        url = room.stores[row.store].url(row.address)
    else:
        url = row.address
    return {"url": url, "metadata": {**row.metadata, "store": row.store}}


async def answer(request: Request, room: Images, tx: Transaction, row: Row[Any]) -> dict[str, Any]:
    return (await answers(request, room, tx, [row]))[0]


def _links(answer: dict[str, Any], name: str, links: Links) -> None:
    """Links are paths in this API, and the list names the schema that it has at its address."""
    first = links.first or ""
    answer["first"] = first
    answer["schema"] = first.partition("?")[0].replace("/v2/", "/v2/schemas/", 1)
    if links.next is not None:
        answer["next"] = links.next


def _odd_key(name: str, known: Collection[str]) -> BadInput:
    return BadInput(
        f"Invalid sort key: {name[:50]}. It must be one of: {', '.join(sorted(known))}."
    )


PAGES = PageStyle(
    put=_links,
    missing=lambda marker: BadInput("Invalid marker: image could not be found."),
    maximum=1000,
    usual=25,
    paths=True,
    paired=lambda: BadInput("Number of sort dirs does not match the number of sort keys"),
    spread=True,
    together="sort",
    odd_key=_odd_key,
    odd_direction=lambda way: BadInput(
        f"Invalid sort direction: {way[:50]}. It must be asc or desc."
    ),
)
"""Source: Image API reference, "Images", "Tasks", "Metadata definition namespaces"."""


def allow(request: Request, rule: str, fields: dict[str, Any]) -> None:
    if not request.may(rule, fields):
        raise Forbidden(f"You are not authorized to complete {rule} action.")
