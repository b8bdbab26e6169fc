"""Metadata definitions: which properties there are to set, on which resources, with which values.

Source: Image API reference, "Metadata definitions".
"""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from msgspec.structs import replace
from sqlalchemy import Row, Table
from starlette.responses import Response

from hanok.base.errors import BadInput, Conflict, NotFound
from hanok.services.image import metadef_schemas as schemas
from hanok.services.image.logic import metadefs, news
from hanok.services.image.room import Images
from hanok.services.image.routes.views import PAGES, allow
from hanok.services.image.tables import (
    metadef_associations,
    metadef_namespaces,
    metadef_objects,
    metadef_properties,
    metadef_tags,
)
from hanok.store import Transaction
from hanok.web.listing import Listing, Where
from hanok.web.request import Request, json_answer, no_content
from hanok.web.routes import Route


def _visibility(values: list[str]) -> Where | None:
    visibility = values[-1]
    if visibility not in ("", "public", "private"):
        raise BadInput(f"Invalid visibility value: {visibility[:50]}")
    return metadef_namespaces.c.visibility == visibility if visibility else None


NAMESPACES = Listing(
    table=metadef_namespaces,
    name="namespaces",
    style=replace(
        PAGES, together="", missing=lambda marker: NotFound(f"Namespace {marker[:80]} not found")
    ),
    marker=metadef_namespaces.c.namespace,
    unique=metadef_namespaces.c.namespace,
    first=(metadef_namespaces.c.created_at, "desc"),
    default_direction="desc",
    sort={
        name: metadef_namespaces.c[name]
        for name in (
            "created_at", "updated_at", "namespace", "display_name", "visibility", "owner", "id",
        )
    },
    filters={
        "visibility": _visibility,
        "resource_types": lambda values: (
            metadefs.about(values[-1].split(",")) if values[-1] else None
        ),
    },
)  # fmt: skip


def _listing(table: Table, name: str, *, zero: bool) -> Listing:
    """A list of what is in a namespace: whole, unless a limit is asked for, and without links, as upstream."""
    return Listing(
        table=table,
        name=name,
        style=replace(
            PAGES,
            put=lambda answer, name, links: None,
            missing=lambda marker: NotFound(f"There is nothing of the name {marker[:80]}."),
            maximum=None,
            usual=None,
            zero=zero,
            no_marker=True,
            together="",
        ),
        marker=table.c.name,
        unique=table.c.name,
        first=(table.c.created_at, "desc"),
        default_direction="desc",
        sort={one: table.c[one] for one in ("created_at", "updated_at", "name")},
    )


OBJECTS = _listing(metadef_objects, "objects", zero=False)
TAGS = _listing(metadef_tags, "tags", zero=True)


async def _namespace(request: Request, tx: Transaction, rule: str) -> Row[Any]:
    """The namespace of the path, if the caller may see it and do this in it."""
    try:
        row = await metadefs.get(tx, request.reaching(), request.path["namespace_name"])
    except NotFound:
        request.allowed_by_hand()
        raise
    allow(request, rule, _target(row))
    return row


def _target(row: Row[Any]) -> dict[str, Any]:
    return {"project_id": row.owner, "owner": row.owner, "visibility": row.visibility}


# ---- namespaces ----


async def list_namespaces(request: Request, room: Images) -> Response:
    """GET namespaces: public ones and one's own; an administrator sees all."""
    token = request.token
    allow(request, "get_metadef_namespaces", {"project_id": token.project_id})
    allow(request, "list_metadef_resource_types", {"project_id": token.project_id})
    statement = metadefs.listed(request.reaching())
    async with request.reading() as tx:
        page = await NAMESPACES.page(request, tx, statement)
        about = await metadefs.associations_of(tx, [row.id for row in page.rows])
    shown = []
    for row in page.rows:
        if request.may("get_metadef_namespace", _target(row)):
            kinds = [schemas.association(one) for one in about[row.id]]
            more = {"resource_type_associations": kinds} if kinds else {}
            shown.append({**schemas.namespace(row), **more})
    return json_answer(NAMESPACES.answer(request, page, shown))


async def create_namespace(request: Request, room: Images) -> Response:
    """POST namespaces: with objects, properties, tags and types of resources, if they are sent."""
    token = request.token
    body = await request.json()
    target = {"project_id": token.project_id}
    allow(request, "add_metadef_namespace", target)
    requested = schemas.read_namespace(body)
    for name, rule in (
        ("associations", "add_metadef_resource_type_association"),
        ("objects", "add_metadef_object"),
        ("properties", "add_metadef_property"),
        ("tags", "add_metadef_tag"),
    ):
        if requested[name]:
            allow(request, rule, target)
    async with request.transaction() as tx:
        row = await metadefs.create(tx, requested, token.project_id or "", room.clock.now())
        shown = await _whole(tx, row)
        _told(request, row)
        for table in metadefs.INSIDE:
            for one in await metadefs.inside(tx, row, table):
                _told_inside(request, row, table, one, "create")
    where = f"/v2/metadefs/namespaces/{quote(row.namespace)}"
    return json_answer(shown, 201, {"Location": where})


def _told(request: Request, row: Row[Any], **more: Any) -> None:
    """Have the request's event tell of a namespace. more: what its payload says otherwise."""
    request.made(row.namespace, news.namespace(row) | more)


def _told_inside(
    request: Request, of: Row[Any], table: Table, row: Row[Any], verb: str, **more: Any
) -> None:
    """Have an event tell of something in a namespace. more: what its payload says otherwise."""
    kind = f"image.{news.NOUNS[table]}.{verb}"
    payload = news.inside(of, table, row) | more
    request.made(f"{of.namespace}/{row.name}", payload, event=kind)


async def _whole(tx: Transaction, row: Row[Any]) -> dict[str, Any]:
    """A namespace with everything in it."""
    shown = schemas.namespace(row)
    parts: dict[str, Any] = {
        "resource_type_associations": [
            schemas.association(one) for one in await metadefs.inside(tx, row, metadef_associations)
        ],
        "objects": [
            schemas.object_(one, row.namespace)
            for one in await metadefs.inside(tx, row, metadef_objects)
        ],
        "properties": {
            one.name: one.definition for one in await metadefs.inside(tx, row, metadef_properties)
        },
        "tags": [{"name": one.name} for one in await metadefs.inside(tx, row, metadef_tags)],
    }
    return {**shown, **{name: value for name, value in parts.items() if value}}


async def show_namespace(request: Request, room: Images) -> Response:
    """GET namespaces/{name}; ?resource_type= puts that type's prefix before the properties' names."""
    _visibility([request.query.get("visibility", "")])
    kind = request.query.get("resource_type")
    async with request.reading() as tx:
        row = await _namespace(request, tx, "get_metadef_namespace")
        for rule in (
            "list_metadef_resource_types",
            "get_metadef_objects",
            "get_metadef_properties",
            "get_metadef_tags",
        ):
            allow(request, rule, _target(row))
        shown = await _whole(tx, row)
        prefix = await _prefix(tx, row, kind) if kind else ""
    if prefix:
        _put_before(prefix, shown)
        for one in shown.get("objects", ()):
            _put_before(prefix, one)
            if one.get("required"):
                one["required"] = [f"{prefix}{name}" for name in one["required"]]
    return json_answer(shown)


async def _prefix(tx: Transaction, row: Row[Any], kind: str) -> str:
    found = await metadefs.one(tx, row, metadef_associations, kind)
    return str(found.prefix or "")


def _put_before(prefix: str, thing: dict[str, Any]) -> None:
    if thing.get("properties"):
        thing["properties"] = {f"{prefix}{k}": v for k, v in thing["properties"].items()}


async def update_namespace(request: Request, room: Images) -> Response:
    body = await request.json()
    async with request.transaction() as tx:
        row = await _namespace(request, tx, "modify_metadef_namespace")
        requested = schemas.read_namespace(body)
        columns = ("namespace", "display_name", "description", "visibility", "protected")
        values = {name: requested[name] for name in columns}
        values["owner"] = requested["owner"] or request.token.project_id or row.owner
        fresh = await metadefs.update(tx, row, values, room.clock.now())
        _told(request, fresh, namespace_old=row.namespace)
    return json_answer(schemas.namespace(fresh))


async def delete_namespace(request: Request, room: Images) -> Response:
    async with request.transaction() as tx:
        row = await _namespace(request, tx, "delete_metadef_namespace")
        await metadefs.delete(tx, row)
        _told(request, row, **news.gone(room.clock.now()))
    return no_content()


# ---- types of resources ----


async def list_resource_types(request: Request, room: Images) -> Response:
    allow(request, "list_metadef_resource_types", {"project_id": request.token.project_id})
    async with request.reading() as tx:
        rows = await metadefs.resource_types(tx)
    return json_answer({"resource_types": [schemas.named(row) for row in rows]})


async def list_associations(request: Request, room: Images) -> Response:
    async with request.reading() as tx:
        row = await _namespace(request, tx, "list_metadef_resource_types")
        allow(request, "get_metadef_resource_type", _target(row))
        rows = await metadefs.inside(tx, row, metadef_associations)
    return json_answer({"resource_type_associations": [schemas.association(one) for one in rows]})


async def associate(request: Request, room: Images) -> Response:
    body = await request.json()
    async with request.transaction() as tx:
        row = await _namespace(request, tx, "add_metadef_resource_type_association")
        made = await metadefs.associate(tx, row, schemas.read_association(body), room.clock.now())
        _told_inside(request, row, metadef_associations, made, "create")
    return json_answer(schemas.association(made), 201)


async def dissociate(request: Request, room: Images) -> Response:
    name = request.path["name"]
    async with request.transaction() as tx:
        row = await _namespace(request, tx, "remove_metadef_resource_type_association")
        await _remove(request, room, tx, row, metadef_associations, name)
    return no_content()


async def _remove(
    request: Request, room: Images, tx: Transaction, of: Row[Any], table: Table, name: str
) -> None:
    """Take something out of a namespace, and have the request's event tell of it."""
    gone = await metadefs.remove(tx, of, table, name)
    _told_inside(request, of, table, gone, "delete", **news.gone(room.clock.now()))


# ---- properties ----


def _property(row: Row[Any]) -> dict[str, Any]:
    return {"name": row.name, **row.definition}


async def list_properties(request: Request, room: Images) -> Response:
    async with request.reading() as tx:
        row = await _namespace(request, tx, "get_metadef_properties")
        rows = await metadefs.inside(tx, row, metadef_properties)
    return json_answer({"properties": {one.name: _property(one) for one in rows}})


async def create_property(request: Request, room: Images) -> Response:
    body = await request.json()
    async with request.transaction() as tx:
        row = await _namespace(request, tx, "add_metadef_property")
        definition = schemas.read_property(body, named=True)
        values = {"name": definition.pop("name"), "definition": definition}
        made = await metadefs.add(tx, row, metadef_properties, values, room.clock.now())
        _told_inside(request, row, metadef_properties, made, "create")
    return json_answer(_property(made), 201)


async def show_property(request: Request, room: Images) -> Response:
    """GET properties/{name}; with ?resource_type= the name carries that type's prefix."""
    name, kind = request.path["property_name"], request.query.get("resource_type")
    async with request.reading() as tx:
        row = await _namespace(request, tx, "get_metadef_property")
        prefix = ""
        if kind:
            allow(request, "get_metadef_resource_type", _target(row))
            prefix = await _prefix(tx, row, kind)
            if not name.startswith(prefix):
                raise NotFound(
                    f"Property {name} does not start with the expected resource type association prefix of '{prefix}'."
                )
        found = await metadefs.one(tx, row, metadef_properties, name.removeprefix(prefix))
    return json_answer(_property(found))


async def update_property(request: Request, room: Images) -> Response:
    body = await request.json()
    name = request.path["property_name"]
    async with request.transaction() as tx:
        row = await _namespace(request, tx, "modify_metadef_property")
        definition = schemas.read_property(body, named=True)
        values = {"name": definition.pop("name"), "definition": definition}
        fresh = await metadefs.change(tx, row, metadef_properties, name, values, room.clock.now())
        _told_inside(request, row, metadef_properties, fresh, "update", name_old=name)
    return json_answer(_property(fresh))


async def delete_property(request: Request, room: Images) -> Response:
    async with request.transaction() as tx:
        row = await _namespace(request, tx, "remove_metadef_property")
        await _remove(request, room, tx, row, metadef_properties, request.path["property_name"])
    return no_content()


async def delete_properties(request: Request, room: Images) -> Response:
    async with request.transaction() as tx:
        row = await _namespace(request, tx, "delete_metadef_namespace")
        await metadefs.remove_all(tx, row, metadef_properties)
        _told(request, row)
    return no_content()


# ---- objects ----


async def list_objects(request: Request, room: Images) -> Response:
    async with request.reading() as tx:
        row = await _namespace(request, tx, "get_metadef_objects")
        allow(request, "get_metadef_object", _target(row))
        statement = metadefs.of_namespace(row, metadef_objects)
        page = await OBJECTS.page(request, tx, statement)
    items = [schemas.object_(one, row.namespace) for one in page.rows]
    content = {"objects": items, "schema": "v2/schemas/metadefs/objects"}
    return json_answer(OBJECTS.answer(request, page, content))


async def create_object(request: Request, room: Images) -> Response:
    body = await request.json()
    async with request.transaction() as tx:
        row = await _namespace(request, tx, "add_metadef_object")
        values = schemas.read_object(body)
        made = await metadefs.add(tx, row, metadef_objects, values, room.clock.now())
        _told_inside(request, row, metadef_objects, made, "create")
    return json_answer(schemas.object_(made, row.namespace), 201)


async def show_object(request: Request, room: Images) -> Response:
    async with request.reading() as tx:
        row = await _namespace(request, tx, "get_metadef_object")
        found = await metadefs.one(tx, row, metadef_objects, request.path["object_name"])
    return json_answer(schemas.object_(found, row.namespace))


async def update_object(request: Request, room: Images) -> Response:
    body = await request.json()
    name = request.path["object_name"]
    async with request.transaction() as tx:
        row = await _namespace(request, tx, "modify_metadef_object")
        values = schemas.read_object(body)
        fresh = await metadefs.change(tx, row, metadef_objects, name, values, room.clock.now())
        _told_inside(request, row, metadef_objects, fresh, "update", name_old=name)
    return json_answer(schemas.object_(fresh, row.namespace))


async def delete_object(request: Request, room: Images) -> Response:
    async with request.transaction() as tx:
        row = await _namespace(request, tx, "delete_metadef_object")
        await _remove(request, room, tx, row, metadef_objects, request.path["object_name"])
    return no_content()


async def delete_objects(request: Request, room: Images) -> Response:
    async with request.transaction() as tx:
        row = await _namespace(request, tx, "delete_metadef_namespace")
        await metadefs.remove_all(tx, row, metadef_objects)
        _told(request, row)
    return no_content()


# ---- tags ----


async def list_tags(request: Request, room: Images) -> Response:
    async with request.reading() as tx:
        row = await _namespace(request, tx, "get_metadef_tags")
        statement = metadefs.of_namespace(row, metadef_tags)
        page = await TAGS.page(request, tx, statement)
    return json_answer(TAGS.answer(request, page, [{"name": one.name} for one in page.rows]))


async def create_tags(request: Request, room: Images) -> Response:
    """POST tags: these and no others; beside those that are there with X-Openstack-Append."""
    body = await request.json()
    append = request.headers.get("x-openstack-append", "").lower() in ("true", "1", "yes", "on")
    async with request.transaction() as tx:
        row = await _namespace(request, tx, "add_metadef_tags")
        if not isinstance(body, dict) or set(body) - {"tags"}:
            raise BadInput("The body is an object with tags.")
        names = schemas.read_tags(body.get("tags"))
        if len(set(names)) != len(names):
            raise Conflict("A tag is named twice.")
        made = await metadefs.replace_tags(tx, row, names, room.clock.now(), append=append)
        if not append:
            _told(request, row)
        elif not made:
            request.unchanged()
        for one in made:
            _told_inside(request, row, metadef_tags, one, "create")
    return json_answer({"tags": [{"name": name} for name in names]}, 201)


async def create_tag(request: Request, room: Images) -> Response:
    async with request.transaction() as tx:
        row = await _namespace(request, tx, "add_metadef_tag")
        name = schemas.read_name(request.path["tag_name"])
        made = await metadefs.add(tx, row, metadef_tags, {"name": name}, room.clock.now())
        _told_inside(request, row, metadef_tags, made, "create")
    return json_answer(schemas.named(made), 201)


async def show_tag(request: Request, room: Images) -> Response:
    async with request.reading() as tx:
        row = await _namespace(request, tx, "get_metadef_tag")
        found = await metadefs.one(tx, row, metadef_tags, request.path["tag_name"])
    return json_answer(schemas.named(found))


async def update_tag(request: Request, room: Images) -> Response:
    body = await request.json()
    async with request.transaction() as tx:
        row = await _namespace(request, tx, "modify_metadef_tag")
        values, name = {"name": schemas.read_tag(body)}, request.path["tag_name"]
        fresh = await metadefs.change(tx, row, metadef_tags, name, values, room.clock.now())
        _told_inside(request, row, metadef_tags, fresh, "update", name_old=name)
    return json_answer(schemas.named(fresh))


async def delete_tag(request: Request, room: Images) -> Response:
    async with request.transaction() as tx:
        row = await _namespace(request, tx, "delete_metadef_tag")
        await _remove(request, room, tx, row, metadef_tags, request.path["tag_name"])
    return no_content()


async def delete_tags(request: Request, room: Images) -> Response:
    async with request.transaction() as tx:
        row = await _namespace(request, tx, "delete_metadef_tags")
        await metadefs.remove_all(tx, row, metadef_tags)
        _told(request, row)
    return no_content()


_ALL = "/v2/metadefs/namespaces"
_ONE = _ALL + "/{namespace_name}"
_TYPES = _ONE + "/resource_types"
_PROPERTIES, _PROPERTY = _ONE + "/properties", _ONE + "/properties/{property_name}"
_OBJECTS, _OBJECT = _ONE + "/objects", _ONE + "/objects/{object_name}"
_TAGS, _TAG = _ONE + "/tags", _ONE + "/tags/{tag_name}"
_KIND = ("resource_type",)
ROUTES = (
    Route(
        "GET",
        _ALL,
        list_namespaces,
        ("get_metadef_namespaces", "get_metadef_namespace", "list_metadef_resource_types"),
        query=NAMESPACES.parameters,
    ),
    Route(
        "POST",
        _ALL,
        create_namespace,
        (
            "add_metadef_namespace",
            "add_metadef_resource_type_association",
            "add_metadef_object",
            "add_metadef_property",
            "add_metadef_tag",
        ),
        strict=True,
        body=schemas.namespace_schema,
        event="image.metadef_namespace.create",
    ),
    Route(
        "GET",
        _ONE,
        show_namespace,
        (
            "get_metadef_namespace",
            "list_metadef_resource_types",
            "get_metadef_objects",
            "get_metadef_properties",
            "get_metadef_tags",
        ),
        query=("resource_type", "visibility"),
    ),
    Route(
        "PUT",
        _ONE,
        update_namespace,
        ("modify_metadef_namespace",),
        strict=True,
        body=schemas.namespace_schema,
        event="image.metadef_namespace.update",
    ),
    Route(
        "DELETE",
        _ONE,
        delete_namespace,
        ("delete_metadef_namespace",),
        event="image.metadef_namespace.delete",
    ),
    Route(
        "GET", "/v2/metadefs/resource_types", list_resource_types, ("list_metadef_resource_types",)
    ),
    Route(
        "GET",
        _TYPES,
        list_associations,
        ("list_metadef_resource_types", "get_metadef_resource_type"),
    ),
    Route(
        "POST",
        _TYPES,
        associate,
        ("add_metadef_resource_type_association",),
        strict=True,
        body=schemas.association_schema,
        event="image.metadef_resource_type.create",
    ),
    Route(
        "DELETE",
        _TYPES + "/{name}",
        dissociate,
        ("remove_metadef_resource_type_association",),
        event="image.metadef_resource_type.delete",
    ),
    Route("GET", _PROPERTIES, list_properties, ("get_metadef_properties",)),
    Route(
        "POST",
        _PROPERTIES,
        create_property,
        ("add_metadef_property",),
        strict=True,
        body=schemas.property_schema,
        event="image.metadef_property.create",
    ),
    Route(
        "DELETE",
        _PROPERTIES,
        delete_properties,
        ("delete_metadef_namespace",),
        event="image.metadef_namespace.delete_properties",
    ),
    Route(
        "GET",
        _PROPERTY,
        show_property,
        ("get_metadef_property", "get_metadef_resource_type"),
        query=_KIND,
    ),
    Route(
        "PUT",
        _PROPERTY,
        update_property,
        ("modify_metadef_property",),
        strict=True,
        body=schemas.property_schema,
        event="image.metadef_property.update",
    ),
    Route(
        "DELETE",
        _PROPERTY,
        delete_property,
        ("remove_metadef_property",),
        event="image.metadef_property.delete",
    ),
    Route(
        "GET",
        _OBJECTS,
        list_objects,
        ("get_metadef_objects", "get_metadef_object"),
        query=OBJECTS.parameters,
    ),
    Route(
        "POST",
        _OBJECTS,
        create_object,
        ("add_metadef_object",),
        strict=True,
        body=schemas.object_schema,
        event="image.metadef_object.create",
    ),
    Route(
        "DELETE",
        _OBJECTS,
        delete_objects,
        ("delete_metadef_namespace",),
        event="image.metadef_namespace.delete_objects",
    ),
    Route("GET", _OBJECT, show_object, ("get_metadef_object",)),
    Route(
        "PUT",
        _OBJECT,
        update_object,
        ("modify_metadef_object",),
        strict=True,
        body=schemas.object_schema,
        event="image.metadef_object.update",
    ),
    Route(
        "DELETE",
        _OBJECT,
        delete_object,
        ("delete_metadef_object",),
        event="image.metadef_object.delete",
    ),
    Route("GET", _TAGS, list_tags, ("get_metadef_tags",), query=TAGS.parameters),
    Route(
        "POST",
        _TAGS,
        create_tags,
        ("add_metadef_tags",),
        strict=True,
        body=schemas.tags_schema,
        event="image.metadef_namespace.delete_tags",
    ),
    Route(
        "DELETE",
        _TAGS,
        delete_tags,
        ("delete_metadef_tags",),
        event="image.metadef_namespace.delete_tags",
    ),
    Route("GET", _TAG, show_tag, ("get_metadef_tag",)),
    Route(
        "POST",
        _TAG,
        create_tag,
        ("add_metadef_tag",),
        body=schemas.tag_schema,
        event="image.metadef_tag.create",
    ),
    Route(
        "PUT",
        _TAG,
        update_tag,
        ("modify_metadef_tag",),
        strict=True,
        body=schemas.tag_schema,
        event="image.metadef_tag.update",
    ),
    Route("DELETE", _TAG, delete_tag, ("delete_metadef_tag",), event="image.metadef_tag.delete"),
)
