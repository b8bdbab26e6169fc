"""The version document, resource classes and traits."""

from __future__ import annotations

import re

from starlette.responses import Response

from hanok.base.errors import BadInput, Conflict
from hanok.services.placement import schemas
from hanok.services.placement.logic import classes, traits
from hanok.services.placement.room import Placement
from hanok.services.placement.routes.fresh import fresh
from hanok.services.placement.standard import CLASS_SET, CLASSES, TRAIT_SET, TRAITS
from hanok.web.request import Request, json_answer, no_content
from hanok.web.routes import PUBLIC, Route
from hanok.web.versions import Query


async def show_version(request: Request, room: Placement) -> Response:
    """GET /: one version, without a token."""
    return json_answer(
        {
            "versions": [
                {
                    "id": "v1.0",
                    "max_version": "1.39",
                    "min_version": "1.0",
                    "status": "CURRENT",
                    "links": [{"rel": "self", "href": ""}],
                }
            ]
        },
        200,
        fresh(room),
    )


def _class(name: str) -> dict[str, object]:
    return {"name": name, "links": [{"rel": "self", "href": f"/placement/resource_classes/{name}"}]}


async def list_classes(request: Request, room: Placement) -> Response:
    request.allow()
    async with request.reading() as tx:
        own = await classes.own(tx)
    return json_answer(
        {"resource_classes": [_class(name) for name in (*CLASSES, *own)]}, 200, fresh(room)
    )


async def create_class(request: Request, room: Placement) -> Response:
    request.allow()
    body = await request.body(schemas.ResourceClassBody)
    async with request.transaction() as tx:
        if not await classes.create(tx, body.name):
            raise Conflict(f"Conflicting resource class already exists: {body.name}")
    return no_content(201, {"Location": f"{request.base_url}/resource_classes/{body.name}"})


async def _known(request: Request) -> str:
    name = request.path["name"]
    async with request.reading() as tx:
        await classes.check_known(tx, name)
    return name


async def show_class(request: Request, room: Placement) -> Response:
    request.allow()
    return json_answer(_class(await _known(request)), 200, fresh(room))


async def rename_class(request: Request, room: Placement) -> Response:
    """PUT until 1.6: gives a class of an operator another name."""
    request.allow()
    body = await request.body(schemas.ResourceClassBody)
    name = await _known(request)
    if name in CLASS_SET:
        raise BadInput(f"Cannot update standard resource class {name}")
    async with request.transaction() as tx:
        await classes.rename(tx, name, body.name)
    return json_answer(_class(body.name))


async def ensure_class(request: Request, room: Placement) -> Response:
    """PUT from 1.7: 201 when it is new, 204 when it was there."""
    request.allow()
    name = request.path["name"]
    if re.fullmatch(schemas.CUSTOM, name) is None or len(name) > 255:
        raise BadInput(f"{name} does not match '{schemas.CUSTOM}'")
    where = {"Location": f"{request.base_url}/resource_classes/{name}"}
    async with request.transaction() as tx:
        if not await classes.create(tx, name):
            return no_content(204, where)
    return no_content(201, where)


async def delete_class(request: Request, room: Placement) -> Response:
    request.allow()
    name = await _known(request)
    if name in CLASS_SET:
        raise BadInput(f"Cannot delete standard resource class {name}")
    async with request.transaction() as tx:
        await classes.delete(tx, name)
    return no_content()


# ---- traits ----


async def list_traits(request: Request, room: Placement) -> Response:
    """GET /traits, with ?name=in:A,B or startswith:CUSTOM_ and ?associated=true."""
    request.allow()
    query = request.query
    async with request.reading() as tx:
        names = [*TRAITS, *await traits.own(tx)]
        if "associated" in query:
            requested = query["associated"].lower()
            if requested not in ("true", "false"):
                raise BadInput('The query parameter "associated" only accepts "true" or "false"')
            used = await traits.used(tx)
            names = [one for one in names if (one in used) == (requested == "true")]
    if "name" in query:
        how, _, value = query["name"].partition(":")
        if how == "in":
            names = [one for one in names if one in value.split(",")]
        elif how == "startswith":
            names = [one for one in names if one.startswith(value)]
        else:
            raise BadInput(
                f"Badly formatted name parameter. Expected in:… or startswith:…, not {how}"
            )
    return json_answer({"traits": sorted(names)}, 200, fresh(room))


async def _trait(request: Request) -> str:
    name = request.path["name"]
    async with request.reading() as tx:
        await traits.check_known(tx, name)
    return name


async def show_trait(request: Request, room: Placement) -> Response:
    request.allow()
    await _trait(request)
    return no_content(204, fresh(room))


async def ensure_trait(request: Request, room: Placement) -> Response:
    request.allow()
    name = request.path["name"]
    if re.fullmatch(schemas.CUSTOM, name) is None or len(name) > 255:
        raise BadInput(
            f"The trait is invalid. A valid trait must be no longer than 255 characters, start with the "
            f'prefix "CUSTOM_" and use following characters: "A"-"Z", "0"-"9" and "_": {name}'
        )
    where = {"Location": f"{request.base_url}/traits/{name}", **fresh(room)}
    async with request.transaction() as tx:
        if not await traits.create(tx, name):
            return no_content(204, where)
    return no_content(201, where)


async def delete_trait(request: Request, room: Placement) -> Response:
    request.allow()
    name = await _trait(request)
    if name in TRAIT_SET:
        raise BadInput(f"Cannot delete standard trait {name}")
    async with request.transaction() as tx:
        await traits.delete(tx, name)
    return no_content()


_CLASS = "/resource_classes/{name}"
ROUTES = (
    Route("GET", "/", show_version, (PUBLIC,)),
    Route(
        "GET",
        "/resource_classes",
        list_classes,
        ("placement:resource_classes:list",),
        minimum=(1, 2),
    ),
    Route(
        "POST",
        "/resource_classes",
        create_class,
        ("placement:resource_classes:create",),
        minimum=(1, 2),
        strict=True,
        body=schemas.ResourceClassBody,
    ),
    Route("GET", _CLASS, show_class, ("placement:resource_classes:show",), minimum=(1, 2)),
    Route(
        "PUT",
        _CLASS,
        rename_class,
        ("placement:resource_classes:update",),
        minimum=(1, 2),
        maximum=(1, 6),
        strict=True,
        body=schemas.ResourceClassBody,
    ),
    Route("PUT", _CLASS, ensure_class, ("placement:resource_classes:update",), minimum=(1, 7)),
    Route("DELETE", _CLASS, delete_class, ("placement:resource_classes:delete",), minimum=(1, 2)),
    Route(
        "GET",
        "/traits",
        list_traits,
        ("placement:traits:list",),
        minimum=(1, 6),
        query=Query("associated", "name", closed=(1, 0)),
    ),
    Route("GET", "/traits/{name}", show_trait, ("placement:traits:show",), minimum=(1, 6)),
    Route("PUT", "/traits/{name}", ensure_trait, ("placement:traits:update",), minimum=(1, 6)),
    Route("DELETE", "/traits/{name}", delete_trait, ("placement:traits:delete",), minimum=(1, 6)),
)
