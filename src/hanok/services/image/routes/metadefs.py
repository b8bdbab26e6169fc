"""Metadata definitions: which properties there are to set, on which resources, with which values.

Source: Image API reference, "Metadata definitions".
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from urllib.parse import quote

from sqlalchemy import Row
from starlette.responses import Response

from hanok.base.errors import BadInput, Conflict, NotFound
from hanok.services.image import metadef_schemas as schemas
from hanok.services.image.logic import metadefs
from hanok.services.image.room import Images
from hanok.services.image.routes.views import allow, paged
from hanok.services.image.tables import (
    metadef_associations,
    metadef_objects,
    metadef_properties,
    metadef_tags,
)
from hanok.store import Transaction
from hanok.web.pages import limit_of
from hanok.web.request import Request, json_answer, no_content
from hanok.web.routes import Route

PAGE, MOST = 25, 1000
_SORT = ("created_at", "updated_at", "namespace", "display_name", "visibility", "owner", "id")


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


def _direction(request: Request) -> Any:
    direction = request.query.get("sort_dir", "desc")
    if direction not in ("asc", "desc"):
        raise BadInput(f"Invalid sort direction: {direction[:50]}")
    return direction


def _check_visibility(request: Request) -> str | None:
    visibility = request.query.get("visibility")
    if visibility not in (None, "", "public", "private"):
        raise BadInput(f"Invalid visibility value: {visibility[:50]}")
    return visibility or None


# ---- namespaces ----


async def list_namespaces(request: Request, room: Images) -> Response:
    """GET namespaces: public ones and one's own; an administrator sees all."""
    token = request.token
    allow(request, "get_metadef_namespaces", {"project_id": token.project_id})
    allow(request, "list_metadef_resource_types", {"project_id": token.project_id})
    query, caller = request.query, request.reaching()
    key = query.get("sort_key", "created_at")
    if key not in _SORT:
        raise BadInput(f"Invalid sort key: {key[:50]}.")
    limit = limit_of(query.get("limit"), maximum=MOST) if "limit" in query else PAGE
    sought = metadefs.Sought(
        visibility=_check_visibility(request),
        about=query["resource_types"].split(",") if query.get("resource_types") else (),
        key=key,
        direction=_direction(request),
        marker=query.get("marker"),
        limit=limit,
    )
    async with request.reading() as tx:
        rows = await metadefs.listed(tx, caller, sought)
        about = await metadefs.associations_of(tx, [row.id for row in rows])
    shown = []
    for row in rows:
        if request.may("get_metadef_namespace", _target(row)):
            kinds = [schemas.association(one) for one in about[row.id]]
            more = {"resource_type_associations": kinds} if kinds else {}
            shown.append({**schemas.namespace(row), **more})
    following = rows[-1].namespace if limit and len(rows) == limit else None
    path = "/v2/metadefs/namespaces"
    return json_answer(paged(request, path, "namespaces", shown, following))


async def create_namespace(request: Request, room: Images) -> Response:
    """POST namespaces: with objects, properties, tags and types of resources, if they are sent."""
    token = request.token
    body = await request.json()
    target = {"project_id": token.project_id}
    allow(request, "add_metadef_namespace", target)
    wanted = schemas.read_namespace(body)
    for name, rule in (
        ("associations", "add_metadef_resource_type_association"),
        ("objects", "add_metadef_object"),
        ("properties", "add_metadef_property"),
        ("tags", "add_metadef_tag"),
    ):
        if wanted[name]:
            allow(request, rule, target)
    async with request.transaction() as tx:
        row = await metadefs.create(tx, wanted, token.project_id or "", room.clock.now())
        shown = await _whole(tx, row)
    where = f"/v2/metadefs/namespaces/{quote(row.namespace)}"
    return json_answer(shown, 201, {"Location": where})


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
    _check_visibility(request)
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
        wanted = schemas.read_namespace(body)
        columns = ("namespace", "display_name", "description", "visibility", "protected")
        values = {name: wanted[name] for name in columns}
        values["owner"] = wanted["owner"] or request.token.project_id or row.owner
        fresh = await metadefs.update(tx, row, values, room.clock.now())
    return json_answer(schemas.namespace(fresh))


async def delete_namespace(request: Request, room: Images) -> Response:
    async with request.transaction() as tx:
        row = await _namespace(request, tx, "delete_metadef_namespace")
        await metadefs.delete(tx, row)
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
    return json_answer(schemas.association(made), 201)


async def dissociate(request: Request, room: Images) -> Response:
    name = request.path["name"]
    async with request.transaction() as tx:
        row = await _namespace(request, tx, "remove_metadef_resource_type_association")
        await metadefs.remove(tx, row, metadef_associations, name)
    return no_content()


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
    return json_answer(_property(fresh))


async def delete_property(request: Request, room: Images) -> Response:
    async with request.transaction() as tx:
        row = await _namespace(request, tx, "remove_metadef_property")
        await metadefs.remove(tx, row, metadef_properties, request.path["property_name"])
    return no_content()


async def delete_properties(request: Request, room: Images) -> Response:
    async with request.transaction() as tx:
        row = await _namespace(request, tx, "delete_metadef_namespace")
        await metadefs.remove_all(tx, row, metadef_properties)
    return no_content()


# ---- objects ----


async def list_objects(request: Request, room: Images) -> Response:
    async with request.reading() as tx:
        row = await _namespace(request, tx, "get_metadef_objects")
        allow(request, "get_metadef_object", _target(row))
        rows = _cut(request, await metadefs.inside(tx, row, metadef_objects), zero=False)
    return json_answer(
        {
            "objects": [schemas.object_(one, row.namespace) for one in rows],
            "schema": "v2/schemas/metadefs/objects",
        }
    )


def _cut(request: Request, rows: Sequence[Row[Any]], *, zero: bool) -> Sequence[Row[Any]]:
    """A page of what is in a namespace: in order, behind the marker, at most so many."""
    key, way = request.query.get("sort_key", "created_at"), _direction(request)
    if key not in ("created_at", "updated_at", "name"):
        raise BadInput(f"Invalid sort key: {key[:50]}.")
    limit = limit_of(request.query.get("limit"), zero=zero)
    ordered_rows = sorted(
        rows, key=lambda row: (getattr(row, key), row.name), reverse=way == "desc"
    )
    marker = request.query.get("marker")
    if marker:
        names = [row.name for row in ordered_rows]
        if marker not in names:
            raise NotFound(f"There is nothing of the name {marker[:80]}.")
        ordered_rows = ordered_rows[names.index(marker) + 1 :]
    return ordered_rows if limit is None else ordered_rows[:limit]


async def create_object(request: Request, room: Images) -> Response:
    body = await request.json()
    async with request.transaction() as tx:
        row = await _namespace(request, tx, "add_metadef_object")
        values = schemas.read_object(body)
        made = await metadefs.add(tx, row, metadef_objects, values, room.clock.now())
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
    return json_answer(schemas.object_(fresh, row.namespace))


async def delete_object(request: Request, room: Images) -> Response:
    async with request.transaction() as tx:
        row = await _namespace(request, tx, "delete_metadef_object")
        await metadefs.remove(tx, row, metadef_objects, request.path["object_name"])
    return no_content()


async def delete_objects(request: Request, room: Images) -> Response:
    async with request.transaction() as tx:
        row = await _namespace(request, tx, "delete_metadef_namespace")
        await metadefs.remove_all(tx, row, metadef_objects)
    return no_content()


# ---- tags ----


async def list_tags(request: Request, room: Images) -> Response:
    async with request.reading() as tx:
        row = await _namespace(request, tx, "get_metadef_tags")
        rows = _cut(request, await metadefs.inside(tx, row, metadef_tags), zero=True)
    return json_answer({"tags": [{"name": one.name} for one in rows]})


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
        await metadefs.replace_tags(tx, row, names, room.clock.now(), append=append)
    return json_answer({"tags": [{"name": name} for name in names]}, 201)


async def create_tag(request: Request, room: Images) -> Response:
    async with request.transaction() as tx:
        row = await _namespace(request, tx, "add_metadef_tag")
        name = schemas.read_name(request.path["tag_name"])
        made = await metadefs.add(tx, row, metadef_tags, {"name": name}, room.clock.now())
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
        values = {"name": schemas.read_tag(body)}
        fresh = await metadefs.change(
            tx, row, metadef_tags, request.path["tag_name"], values, room.clock.now()
        )
    return json_answer(schemas.named(fresh))


async def delete_tag(request: Request, room: Images) -> Response:
    async with request.transaction() as tx:
        row = await _namespace(request, tx, "delete_metadef_tag")
        await metadefs.remove(tx, row, metadef_tags, request.path["tag_name"])
    return no_content()


async def delete_tags(request: Request, room: Images) -> Response:
    async with request.transaction() as tx:
        row = await _namespace(request, tx, "delete_metadef_tags")
        await metadefs.remove_all(tx, row, metadef_tags)
    return no_content()


_ALL = "/v2/metadefs/namespaces"
_ONE = _ALL + "/{namespace_name}"
_TYPES = _ONE + "/resource_types"
_PROPERTIES, _PROPERTY = _ONE + "/properties", _ONE + "/properties/{property_name}"
_OBJECTS, _OBJECT = _ONE + "/objects", _ONE + "/objects/{object_name}"
_TAGS, _TAG = _ONE + "/tags", _ONE + "/tags/{tag_name}"
_KIND = ("resource_type",)
_PAGED = ("limit", "marker", "sort_dir", "sort_key")
ROUTES = (
    Route(
        "GET", _ALL, list_namespaces,
        ("get_metadef_namespaces", "get_metadef_namespace", "list_metadef_resource_types"),
    query=("limit", "marker", "resource_types", "sort_dir", "sort_key", "visibility")),
    Route(
        "POST", _ALL, create_namespace,
        (
            "add_metadef_namespace", "add_metadef_resource_type_association", "add_metadef_object",
            "add_metadef_property", "add_metadef_tag",
        ),
        strict=True,
        body=schemas.namespace_schema,
    ),
    Route(
        "GET", _ONE, show_namespace,
        (
            "get_metadef_namespace", "list_metadef_resource_types", "get_metadef_objects",
            "get_metadef_properties", "get_metadef_tags",
        ),
    query=("resource_type", "visibility")),
    Route("PUT", _ONE, update_namespace, ("modify_metadef_namespace",), strict=True, body=schemas.namespace_schema),
    Route("DELETE", _ONE, delete_namespace, ("delete_metadef_namespace",)),
    Route("GET", "/v2/metadefs/resource_types", list_resource_types, ("list_metadef_resource_types",)),
    Route("GET", _TYPES, list_associations, ("list_metadef_resource_types", "get_metadef_resource_type")),
    Route(
        "POST", _TYPES, associate, ("add_metadef_resource_type_association",), strict=True,
        body=schemas.association_schema,
    ),
    Route("DELETE", _TYPES + "/{name}", dissociate, ("remove_metadef_resource_type_association",)),
    Route("GET", _PROPERTIES, list_properties, ("get_metadef_properties",)),
    Route("POST", _PROPERTIES, create_property, ("add_metadef_property",), strict=True, body=schemas.property_schema),
    Route("DELETE", _PROPERTIES, delete_properties, ("delete_metadef_namespace",)),
    Route("GET", _PROPERTY, show_property, ("get_metadef_property", "get_metadef_resource_type"), query=_KIND),
    Route("PUT", _PROPERTY, update_property, ("modify_metadef_property",), strict=True, body=schemas.property_schema),
    Route("DELETE", _PROPERTY, delete_property, ("remove_metadef_property",)),
    Route("GET", _OBJECTS, list_objects, ("get_metadef_objects", "get_metadef_object"), query=_PAGED),
    Route("POST", _OBJECTS, create_object, ("add_metadef_object",), strict=True, body=schemas.object_schema),
    Route("DELETE", _OBJECTS, delete_objects, ("delete_metadef_namespace",)),
    Route("GET", _OBJECT, show_object, ("get_metadef_object",)),
    Route("PUT", _OBJECT, update_object, ("modify_metadef_object",), strict=True, body=schemas.object_schema),
    Route("DELETE", _OBJECT, delete_object, ("delete_metadef_object",)),
    Route("GET", _TAGS, list_tags, ("get_metadef_tags",), query=_PAGED),
    Route("POST", _TAGS, create_tags, ("add_metadef_tags",), strict=True, body=schemas.tags_schema),
    Route("DELETE", _TAGS, delete_tags, ("delete_metadef_tags",)),
    Route("GET", _TAG, show_tag, ("get_metadef_tag",)),
    Route("POST", _TAG, create_tag, ("add_metadef_tag",), body=schemas.tag_schema),
    Route("PUT", _TAG, update_tag, ("modify_metadef_tag",), strict=True, body=schemas.tag_schema),
    Route("DELETE", _TAG, delete_tag, ("delete_metadef_tag",)),
)  # fmt: skip
