"""Images: create, list, show, update, delete, tags, switching off and on."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sqlalchemy import Row
from starlette.responses import Response

from hanok.base.errors import BadInput, Conflict, Forbidden, NotFound, UnsupportedType
from hanok.services.image import schemas
from hanok.services.image.logic import cache, data, image_search, images, quotas
from hanok.services.image.room import Images
from hanok.services.image.routes import guards, locations
from hanok.services.image.routes.views import allow, answer, answers, paged, readable
from hanok.services.image.tables import images as table
from hanok.store import still_there
from hanok.web.listing import Where
from hanok.web.pages import Direction, limit_of, number_of
from hanok.web.request import Request, json_answer, no_content
from hanok.web.routes import Route

PAGE = 25
MOST = 1000


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
        request.made(row.id, shown)
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
    "owner",
)
_OTHERWISE = (  # not filters on what an image says of itself
    "limit", "marker", "sort", "sort_key", "sort_dir", "visibility", "member_status", "os_hidden", "tag",
    "changes-since",
)  # fmt: skip
_NUMBERS = {
    "size": table.c.size,
    "virtual_size": table.c.virtual_size,
    "size_min": table.c.size,
    "size_max": table.c.size,
    "min_ram": table.c.min_ram,
    "min_disk": table.c.min_disk,
}
_OF_IMAGES = frozenset((*_TEXTS, *_NUMBERS, "protected", "created_at", "updated_at"))


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


def _conditions(request: Request) -> Iterator[Where]:
    """What a query wants of the images' own columns."""
    query = request.query
    for name, value in query.items():
        if name in _OTHERWISE:
            continue
        if name in _TEXTS:
            yield table.c[name].in_(_choices(value) if name != "owner" else [value])
        elif name in _NUMBERS:
            yield _by_number(name, value)
        elif name == "protected":
            yield table.c.protected.is_(_flag(value, name))
        elif name in ("created_at", "updated_at"):
            yield image_search.at(table.c[name], value)


def _by_number(name: str, value: str) -> Where:
    if value.startswith("-"):
        raise BadInput(f"The filter {name} must not be negative.")
    number = number_of(value)
    if number is None:
        raise BadInput(f"Cannot convert '{value[:50]}' to an integer for {name}.")
    column = _NUMBERS[name]
    if name == "size_min":
        return column >= number
    return column <= number if name == "size_max" else column == number


def _properties(request: Request) -> list[tuple[str, str]]:
    """The further properties that images are to have."""
    aside = _OF_IMAGES.union(_OTHERWISE)
    return [(name, value) for name, value in request.query.items() if name not in aside]


def _sorting(request: Request) -> list[tuple[Any, Direction]]:
    keys, directions = request.query_all("sort_key"), request.query_all("sort_dir")
    if "sort" in request.query:
        if keys or directions:
            raise BadInput("Old and new sorting syntax cannot be combined")
        for item in request.query["sort"].split(","):
            key, _, direction = item.strip().partition(":")
            keys.append(key)
            directions.append(direction or "desc")
    if len(directions) > 1 and len(directions) != len(keys):
        raise BadInput("Number of sort dirs does not match the number of sort keys")
    found: list[tuple[Any, Direction]] = []
    for place, key in enumerate(keys or ["created_at"]):
        if key not in _SORT:
            raise BadInput(
                f"Invalid sort key: {key[:50]}. It must be one of: {', '.join(sorted(_SORT))}."
            )
        direction = directions[place] if len(directions) > 1 else (directions or ["desc"])[0]
        if direction not in ("asc", "desc"):
            raise BadInput(f"Invalid sort direction: {direction[:50]}. It must be asc or desc.")
        found.append((_SORT[key], "asc" if direction == "asc" else "desc"))
    last = found[-1][1]
    for key in ("created_at", "id"):
        if not any(column is _SORT[key] for column, _ in found):
            found.append((_SORT[key], last))
    return found


async def list_images(request: Request, room: Images) -> Response:
    """GET /v2/images: a page with three statements, and one more for each tag and property that is asked for."""
    allow(request, "get_images", {"project_id": request.token.project_id})
    query = request.query
    sought = image_search.Sought(
        shown=_shown(request),
        conditions=list(_conditions(request)),
        tags=request.query_all("tag"),
        properties=_properties(request),
        keys=_sorting(request),
        limit=limit_of(query.get("limit"), maximum=MOST) if "limit" in query else PAGE,
        marker=query.get("marker"),
    )
    async with request.reading() as tx:
        rows = await image_search.found(tx, request.reaching(), sought)
        shown = await answers(request, room, tx, rows)
    further = bool(sought.limit) and len(rows) == sought.limit
    following = rows[-1].id if further else None
    return json_answer(paged(request, "/v2/images", "images", shown, following))


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
        if len(further) > schemas.MOST_PROPERTIES:
            raise BadInput(f"An image has at most {schemas.MOST_PROPERTIES} further properties.")
        if "owner" in own and own["owner"] != row.owner and not request.reaching().everywhere:
            raise Forbidden("Changing the owner of an image is not allowed.")
        if "visibility" in own and own["visibility"] != row.visibility:
            _check_visibility(request, own["visibility"], row.owner)
        await images.change(tx, row.id, own, room.clock.now())
        await images.set_properties(tx, row.id, further)
        await images.set_tags(tx, row.id, words)
        fresh = still_there(await images.get_any(tx, row.id))
        shown = await answer(request, room, tx, fresh)
        request.made(row.id, shown)
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
        names = ("id", "name", "owner", "size", "visibility", "disk_format", "container_format")
        request.made(row.id, {**{name: getattr(row, name) for name in names}, "status": "deleted"})
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
        wanted = list(dict.fromkeys([*mine, tag])) if there else [t for t in mine if t != tag]
        if len(wanted) > schemas.MOST_TAGS:
            raise BadInput(f"An image has at most {schemas.MOST_TAGS} tags.")
        await images.set_tags(tx, row.id, wanted)
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
    return no_content()


async def deactivate(request: Request, room: Images) -> Response:
    """POST actions/deactivate: its data is for admins only until it is reactivated."""
    return await _switch(request, room, "deactivate", "active", "deactivated")


async def reactivate(request: Request, room: Images) -> Response:
    return await _switch(request, room, "reactivate", "deactivated", "active")


_ONE = "/v2/images/{image_id}"
_FILTERS = (*_OTHERWISE, *_TEXTS, *_NUMBERS, "protected", "created_at", "updated_at")
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
        query=_FILTERS,
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
    Route("PUT", _ONE + "/tags/{tag}", add_tag, ("modify_image",)),
    Route("DELETE", _ONE + "/tags/{tag}", remove_tag, ("modify_image",)),
    Route(
        "POST", _ONE + "/actions/deactivate", deactivate, ("deactivate",), event="image.deactivate"
    ),
    Route(
        "POST", _ONE + "/actions/reactivate", reactivate, ("reactivate",), event="image.reactivate"
    ),
)
