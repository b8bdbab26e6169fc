"""Images: create, list, show, update, delete, tags, switching off and on."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sqlalchemy import Column, Row
from starlette.responses import Response

from hanok.base.errors import BadInput, Conflict, Forbidden, NotFound, TooLarge, UnsupportedType
from hanok.services.image import schemas
from hanok.services.image.logic import cache, data, image_search, images, news, quotas
from hanok.services.image.room import Images
from hanok.services.image.routes import guards, locations
from hanok.services.image.routes.views import PAGES, allow, answer, answers, readable
from hanok.services.image.tables import images as table
from hanok.store import still_there
from hanok.web.listing import Filter, Listing, Where
from hanok.web.pages import number_of
from hanok.web.request import Request, json_answer, no_content
from hanok.web.routes import Route


async def create_image(request: Request, room: Images) -> Response:
    """POST /v2/images: an image without data, queued."""
    body = await request.json()
    if not isinstance(body, dict):
        raise BadInput("The body is an object of attributes.")
    values, properties, tags = schemas.new_image(request.token.project_id, body)
    schemas.check_disk_format(values.get("disk_format"), matched=room.settings.match_format)
    allow(request, "add_image", {"project_id": values["owner"], "owner": values["owner"]})
    _check_visibility(request, values["visibility"], values["owner"])
    guards.of(request, room).check_change({}, properties)
    async with request.transaction() as tx:
        await quotas.check(tx, room, values["owner"], quotas.COUNT, more=1)
        row = await images.create(tx, values, properties, tags, room.clock.now())
        shown = await answer(request, room, tx, row)
        request.made(row.id, await news.image(tx, room, row))
    headers = {
        "Location": f"{request.base_url}/v2/images/{row.id}",
        "OpenStack-image-store-ids": ",".join(one.id for one in room.settings.stores),
    }
    if room.settings.import_methods:
        headers["OpenStack-image-import-methods"] = ",".join(room.settings.import_methods)
    return json_answer(shown, 201, headers)


def _check_visibility(request: Request, visibility: str, owner: str | None) -> None:
    rule = {"public": "publicize_image", "community": "communitize_image"}.get(visibility)
    if rule is not None:
        allow(request, rule, {"project_id": owner, "owner": owner})


# ---- list ----

_SORT = {
    name: table.c[name]
    for name in (
        "name", "status", "container_format", "disk_format", "size", "id", "created_at", "updated_at",
        "min_ram", "min_disk", "owner", "visibility", "protected", "virtual_size",
    )
}  # fmt: skip
_TEXTS = (
    "name",
    "status",
    "container_format",
    "disk_format",
    "id",
    "checksum",
    "os_hash_value",
    "os_hash_algo",
)
_WHICH = (
    "visibility",
    "member_status",
    "os_hidden",
    "tag",
)  # which images, rather than what they say


def _choices(value: str) -> list[str]:
    """A filter's values: one, or several behind "in:", where quotes keep commas."""
    if not value.startswith("in:"):
        return [value]
    made, piece, quoted = [], "", False
    for letter in value[3:]:
        if letter == '"':
            quoted = not quoted
        elif letter == "," and not quoted:
            made.append(piece)
            piece = ""
        else:
            piece += letter
    if quoted:
        raise BadInput(f"Invalid filter value {value[:100]}. The quote is not closed.")
    return [*made, piece]


def _flag(value: str, name: str) -> bool:
    if value.lower() not in ("true", "false"):
        raise BadInput(
            f"Invalid value '{value[:50]}' for '{name}' filter. Valid values are True and False."
        )
    return value.lower() == "true"


def _one_of(column: Column[Any]) -> Filter:
    return lambda values: column.in_(_choices(values[-1]))


def _number(name: str, condition: Callable[[int], Where]) -> Filter:
    def by(values: list[str]) -> Where:
        value = values[-1]
        if value.startswith("-"):
            raise BadInput(f"The filter {name} must not be negative.")
        number = number_of(value)
        if number is None:
            raise BadInput(f"Cannot convert '{value[:50]}' to an integer for {name}.")
        return condition(number)

    return by


def _time(column: Column[Any]) -> Filter:
    return lambda values: image_search.at(column, values[-1])


def _protected(values: list[str]) -> Where:
    return table.c.protected.is_(_flag(values[-1], "protected"))


def _since(values: list[str]) -> None:
    if values[-1]:
        raise BadInput('The "changes-since" filter is no longer available on v2.')


LIST = Listing(
    table=table,
    name="images",
    style=PAGES,
    marker=table.c.id,
    unique=table.c.id,
    first=(table.c.created_at, "desc"),
    then=(table.c.created_at,),
    default_direction="desc",
    sort=_SORT,
    filters={
        **{name: _one_of(table.c[name]) for name in _TEXTS},
        "owner": lambda values: table.c.owner == values[-1],
        **{
            name: _number(name, table.c[name].__eq__)
            for name in ("size", "virtual_size", "min_ram", "min_disk")
        },
        "size_min": _number("size_min", table.c.size.__ge__),
        "size_max": _number("size_max", table.c.size.__le__),
        "protected": _protected,
        "created_at": _time(table.c.created_at),
        "updated_at": _time(table.c.updated_at),
        "changes-since": _since,
    },
)


def _shown(request: Request) -> image_search.Shown:
    """Which images a list shows, whatever they say of themselves."""
    query = request.query
    visibility = query.get("visibility")
    if visibility not in (None, "all", *schemas.VISIBILITIES):
        raise BadInput(f"Invalid visibility value: {visibility[:50]}")
    status = query.get("member_status", "accepted")
    if status not in ("pending", "accepted", "rejected", "all"):
        raise BadInput(f"Invalid status: {status[:50]}")
    hidden = _flag(query.get("os_hidden", "false"), "os_hidden")
    return image_search.Shown(visibility, status, request.reaching().everywhere, hidden)


def _properties(request: Request) -> list[tuple[str, str]]:
    """The further properties that images are to have: what is sent and is nothing else."""
    sent = PAGES.filters(request).items()
    known = (*LIST.filters, *_WHICH)
    return [(name, values[-1]) for name, values in sent if name not in known]


async def list_images(request: Request, room: Images) -> Response:
    """GET /v2/images: a page with three statements, and one more for each tag and property that is asked for."""
    allow(request, "get_images", {"project_id": request.token.project_id})
    shown = _shown(request)
    tags, properties = request.query_all("tag"), _properties(request)
    async with request.reading() as tx:
        statement = await image_search.described(tx, image_search.listed(shown), tags, properties)
        page = await LIST.page(
            request,
            tx,
            statement,
            within=image_search.within(everywhere=shown.everywhere),
            values={"me": request.token.project_id},
        )
        items = await answers(request, room, tx, page.rows)
    return json_answer(LIST.answer(request, page, items))


# ---- one ----


async def show_image(request: Request, room: Images) -> Response:
    async with request.reading() as tx:
        row = await readable(request, tx, "get_image")
        return json_answer(await answer(request, room, tx, row))


async def update_image(request: Request, room: Images) -> Response:
    """PATCH /v2/images/{id}: a JSON patch; all of it or nothing."""
    changes = await _patch(request)
    sizes = await locations.look_up(room, changes)
    async with request.transaction() as tx:
        row = await readable(request, tx, "modify_image")
        properties, tags = await images.extras(tx, [row.id])
        own: dict[str, Any] = {}
        guard = guards.of(request, room)
        further, words = guard.readable(properties[row.id]), tags[row.id]
        hidden = {k: v for k, v in properties[row.id].items() if k not in further}
        before = dict(further)
        for change in changes:
            if change.name == "locations":
                own |= await locations.change(request, room, tx, row, change, sizes)
            else:
                words = _apply(request, row, change, own, further, words)
        schemas.check_disk_format(own.get("disk_format"), matched=room.settings.match_format)
        guard.check_change({**before, **hidden}, {**hidden, **further})
        further = {**hidden, **further}
        if len(further) > schemas.MAXIMUM_PROPERTIES:
            raise TooLarge(f"An image has at most {schemas.MAXIMUM_PROPERTIES} further properties.")
        if "owner" in own and own["owner"] != row.owner and not request.reaching().everywhere:
            raise Forbidden("Changing the owner of an image is not allowed.")
        if "visibility" in own and own["visibility"] != row.visibility:
            _check_visibility(request, own["visibility"], row.owner)
        await images.change(tx, row.id, own, room.clock.now())
        await images.set_properties(tx, row.id, further)
        await images.set_tags(tx, row.id, words)
        fresh = still_there(await images.get_any(tx, row.id))
        shown = await answer(request, room, tx, fresh)
        told = await news.image(tx, room, fresh)
        request.made(row.id, told)
        if row.status != "active" and fresh.status == "active":
            request.made(row.id, told, event="image.activate")
    await data.empty_trash(room, row.id)
    return json_answer(shown)


async def _patch(request: Request) -> list[schemas.Change]:
    """The lines of a JSON patch, in the form of either version of it.

    Raises:
        UnsupportedType, BadInput
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip()
    if kind not in request.service.media_types[1:]:
        raise UnsupportedType(
            "A JSON patch is required, of type application/openstack-images-v2.1-json-patch.",
            headers={"Accept-Patch": ",".join(request.service.media_types[1:])},
        )
    return schemas.read_patch(await request.json(), oldest="v2.0" in kind)


def _apply(
    request: Request,
    row: Row[Any],
    change: schemas.Change,
    own: dict[str, Any],
    further: dict[str, str],
    tags: list[str],
) -> list[str]:
    """One line of a patch onto what will be written. Returns the tags as they are then."""
    name = change.name
    if name == "id":
        raise Forbidden("Attribute 'id' is read-only.")
    if change.op == "remove":
        if name in schemas.READ_ONLY or name in schemas.RESERVED:
            schemas.checked(name, None)
        if name in schemas.PROPERTIES:
            raise Forbidden(f"Property {name} may not be removed.")
        if name not in further:
            raise Conflict(f"Property {name} does not exist.")
        del further[name]
        return tags
    value = schemas.checked(name, change.value)
    if name == "tags":
        return list(value)
    if name in schemas.OWN:
        if name in ("disk_format", "container_format") and row.status != "queued":
            raise Forbidden(f"Attribute {name} can be only replaced for a queued image.")
        own[name] = value
        return tags
    if change.op == "replace" and name not in further:
        raise Conflict(f"Property {name} does not exist.")
    further[name] = value
    return tags


async def delete_image(request: Request, room: Images) -> Response:
    """DELETE /v2/images/{id}: frees its bytes, also those of an upload under way."""
    async with request.transaction() as tx:
        row = await readable(request, tx, "delete_image")
        if row.protected:
            raise Forbidden(f"Image {row.id} is protected and cannot be deleted.")
        now = room.clock.now()
        await room.operations.cancel(tx, f"image:{row.id}")
        await images.forget(tx, row, now)
        await images.throw_away(tx, data.STAGING, row.id, now)
        request.made(row.id, news.deleted(row, now))
    await data.empty_trash(room, row.id)
    await cache.drop(room, row.id)
    return no_content()


async def _tag(request: Request, room: Images, there: bool) -> Response:
    tag = request.path["tag"]
    if len(tag) > 255:
        raise BadInput("A tag has at most 255 characters.")
    async with request.transaction() as tx:
        row = await readable(request, tx, "modify_image")
        _, tags = await images.extras(tx, [row.id])
        mine = tags[row.id]
        if not there and tag not in mine:
            raise NotFound(f"Image {row.id} has no tag {tag}.")
        requested = list(dict.fromkeys([*mine, tag])) if there else [t for t in mine if t != tag]
        if len(requested) > schemas.MAXIMUM_TAGS:
            raise TooLarge(f"An image has at most {schemas.MAXIMUM_TAGS} tags.")
        await images.set_tags(tx, row.id, requested)
        request.made(row.id, await news.image(tx, room, row))
    return no_content()


async def add_tag(request: Request, room: Images) -> Response:
    return await _tag(request, room, True)


async def remove_tag(request: Request, room: Images) -> Response:
    return await _tag(request, room, False)


async def _switch(request: Request, room: Images, rule: str, before: str, after: str) -> Response:
    async with request.transaction() as tx:
        row = await readable(request, tx, rule)
        if row.status not in (before, after):
            raise Forbidden(f"Not allowed to {rule} image in status '{row.status}'")
        await images.switch(tx, row.id, before, after, room.clock.now())
        fresh = still_there(await images.get_any(tx, row.id))
        request.made(row.id, await news.image(tx, room, fresh))
    return no_content()


async def deactivate(request: Request, room: Images) -> Response:
    """POST actions/deactivate: its data is for admins only until it is reactivated."""
    return await _switch(request, room, "deactivate", "active", "deactivated")


async def reactivate(request: Request, room: Images) -> Response:
    return await _switch(request, room, "reactivate", "deactivated", "active")


_ONE = "/v2/images/{image_id}"
ROUTES = (
    Route(
        "POST",
        "/v2/images",
        create_image,
        ("add_image", "publicize_image", "communitize_image", "get_image_location"),
        body=schemas.new_image_body,
        event="image.create",
    ),
    Route(
        "GET",
        "/v2/images",
        list_images,
        ("get_images", "get_image_location"),
        query=(*LIST.parameters, *_WHICH),
    ),
    Route("GET", _ONE, show_image, ("get_image", "get_image_location")),
    Route(
        "PATCH",
        _ONE,
        update_image,
        (
            "modify_image",
            "publicize_image",
            "communitize_image",
            "set_image_location",
            "delete_image_location",
            "get_image_location",
        ),
        body=schemas.patch_body,
        media_type="application/openstack-images-v2.1-json-patch",
        event="image.update",
    ),
    Route("DELETE", _ONE, delete_image, ("delete_image",), event="image.delete"),
    Route("PUT", _ONE + "/tags/{tag}", add_tag, ("modify_image",), event="image.update"),
    Route("DELETE", _ONE + "/tags/{tag}", remove_tag, ("modify_image",), event="image.update"),
    Route(
        "POST", _ONE + "/actions/deactivate", deactivate, ("deactivate",), event="image.deactivate"
    ),
    Route(
        "POST", _ONE + "/actions/reactivate", reactivate, ("reactivate",), event="image.reactivate"
    ),
)
