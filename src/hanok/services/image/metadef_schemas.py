"""Metadata definitions: the schemas that the API hands out, and bodies held against them.

Source: Image API reference, "Metadata definition schemas".
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from sqlalchemy import Row

from hanok.base.clock import zulu
from hanok.base.errors import BadInput, Forbidden
from hanok.base.ids import in_address

NAME = 80
DESCRIPTION = 500
TYPES = ("array", "boolean", "integer", "number", "object", "string", None)
_COUNT = {"$ref": "#/definitions/positiveInteger"}
_COUNT_0 = {"$ref": "#/definitions/positiveIntegerDefault0"}
_WORDS = {"$ref": "#/definitions/stringArray"}
_KIND = {"type": "string", "enum": list(TYPES)}

PROPERTY: dict[str, Any] = {
    "name": {"type": "string", "maxLength": NAME},
    "title": {"type": "string"},
    "description": {"type": "string"},
    "operators": {"type": "array", "items": {"type": "string"}},
    "type": _KIND,
    "required": _WORDS,
    "minimum": {"type": "number"},
    "maximum": {"type": "number"},
    "maxLength": _COUNT,
    "minLength": _COUNT_0,
    "pattern": {"type": "string", "format": "regex"},
    "enum": {"type": "array"},
    "readonly": {"type": "boolean"},
    "default": {},
    "items": {"type": "object", "properties": {"type": _KIND, "enum": {"type": "array"}}},
    "maxItems": _COUNT,
    "minItems": _COUNT_0,
    "uniqueItems": {"type": "boolean", "default": False},
    "additionalItems": {"type": "boolean"},
}
DEFINITIONS: dict[str, Any] = {
    "positiveInteger": {"type": "integer", "minimum": 0},
    "positiveIntegerDefault0": {
        "allOf": [{"$ref": "#/definitions/positiveInteger"}, {"default": 0}]
    },
    "stringArray": {"type": "array", "items": {"type": "string"}, "uniqueItems": True},
    "property": {
        "type": "object",
        "additionalProperties": {
            "type": "object",
            "required": ["title", "type"],
            "properties": PROPERTY,
        },
    },
}


def _time(what: str) -> dict[str, Any]:
    return {"type": "string", "readOnly": True, "description": what, "format": "date-time"}


_TIMES = {"created_at": _time("When it was made"), "updated_at": _time("When it last changed")}
_LINKS = {
    "schema": {"type": "string", "readOnly": True},
    "self": {"type": "string", "readOnly": True},
}


def property_schema() -> dict[str, Any]:
    return {
        "name": "property",
        "properties": PROPERTY,
        "required": ["type", "title", "name"],
        "definitions": {
            **{k: v for k, v in DEFINITIONS.items() if k != "property"},
            "stringArray": {**DEFINITIONS["stringArray"], "minItems": 1},
        },
        "additionalProperties": False,
    }


def object_schema() -> dict[str, Any]:
    return {
        "name": "object",
        "properties": {
            "name": {"type": "string", "maxLength": NAME},
            "description": {"type": "string"},
            "required": _WORDS,
            "properties": {"$ref": "#/definitions/property"},
            **_LINKS,
            **_TIMES,
        },
        "required": ["name"],
        "definitions": DEFINITIONS,
        "additionalProperties": False,
    }


def tag_schema() -> dict[str, Any]:
    return {
        "name": "tag",
        "properties": {"name": {"type": "string", "maxLength": NAME}, **_TIMES},
        "required": ["name"],
        "additionalProperties": False,
    }


def association_schema() -> dict[str, Any]:
    def text(what: str) -> dict[str, Any]:
        return {"type": "string", "maxLength": NAME, "description": what}

    return {
        "name": "resource_type_association",
        "properties": {
            "name": text("A type of resource, named as the orchestration service names it"),
            "prefix": text("What stands before a property's name on this type, separator included"),
            "properties_target": text("Which of a resource's kinds of metadata is meant"),
            **_TIMES,
        },
        "required": ["name"],
        "additionalProperties": False,
    }


def namespace_schema() -> dict[str, Any]:
    name = {"name": {"type": "string"}}
    return {
        "name": "namespace",
        "properties": {
            "namespace": {"type": "string", "description": "Its unique name", "maxLength": NAME},
            "display_name": {
                "type": "string",
                "description": "A name for people",
                "maxLength": NAME,
            },
            "description": {
                "type": "string",
                "description": "What it is for",
                "maxLength": DESCRIPTION,
            },
            "visibility": {
                "type": "string",
                "description": "Who may see it",
                "enum": ["public", "private"],
            },
            "protected": {
                "type": "boolean",
                "description": "Whether it is kept from being deleted",
            },
            "owner": {
                "type": "string",
                "description": "The project it belongs to",
                "maxLength": 255,
            },
            **_TIMES,
            **_LINKS,
            "resource_type_associations": {
                "type": "array",
                "items": {
                    "type": "object",
                    "properties": {
                        **name,
                        "prefix": {"type": "string"},
                        "properties_target": {"type": "string"},
                    },
                },
            },
            "properties": {"$ref": "#/definitions/property"},
            "objects": {
                "type": "array",
                "items": {
                    "type": "object",
                    "properties": {
                        **name,
                        "description": {"type": "string"},
                        "required": _WORDS,
                        "properties": {"$ref": "#/definitions/property"},
                    },
                },
            },
            "tags": {"type": "array", "items": {"type": "object", "properties": name}},
        },
        "required": ["namespace"],
        "definitions": DEFINITIONS,
        "additionalProperties": False,
    }


_PAGE_LINKS = [
    {"href": "{first}", "rel": "first"},
    {"href": "{next}", "rel": "next"},
    {"href": "{schema}", "rel": "describedby"},
]


def _page(name: str, one: Callable[[], dict[str, Any]]) -> Callable[[], dict[str, Any]]:
    def make() -> dict[str, Any]:
        inner = one()
        definitions = inner.pop("definitions", None)
        made: dict[str, Any] = {
            "name": name,
            "properties": {
                name: {"type": "array", "items": inner},
                "first": {"type": "string"},
                "next": {"type": "string"},
                "schema": {"type": "string"},
            },
            "links": _PAGE_LINKS,
        }
        return made if definitions is None else {**made, "definitions": definitions}

    return make


def properties_schema() -> dict[str, Any]:
    inner = property_schema()
    definitions = inner.pop("definitions")
    inner["required"] = ["type", "title"]
    return {
        "name": "properties",
        "properties": {
            "properties": {"type": "object", "additionalProperties": inner},
            "first": {"type": "string"},
            "next": {"type": "string"},
            "schema": {"type": "string"},
        },
        "links": _PAGE_LINKS,
        "definitions": definitions,
    }


tags_schema = _page("tags", tag_schema)

SCHEMAS: dict[str, Callable[[], dict[str, Any]]] = {
    "namespace": namespace_schema,
    "namespaces": _page("namespaces", namespace_schema),
    "resource_type": association_schema,
    "resource_types": _page("resource_type_associations", association_schema),
    "property": property_schema,
    "properties": properties_schema,
    "object": object_schema,
    "objects": _page("objects", object_schema),
    "tag": tag_schema,
    "tags": tags_schema,
}


# ---- reading ----


def _is(value: Any, kind: str) -> bool:
    if kind == "number":
        return isinstance(value, int | float) and not isinstance(value, bool)
    if kind == "count":
        return isinstance(value, int) and not isinstance(value, bool) and value >= 0
    if kind == "texts":
        return isinstance(value, list) and all(isinstance(one, str) for one in value)
    return isinstance(value, {"text": str, "flag": bool, "list": list, "object": dict}[kind])


_KINDS = {
    "title": "text", "description": "text", "operators": "texts", "required": "texts", "minimum": "number",
    "maximum": "number", "maxLength": "count", "minLength": "count", "pattern": "text", "enum": "list",
    "readonly": "flag", "confidential": "flag", "items": "object", "maxItems": "count", "minItems": "count",
    "uniqueItems": "flag", "additionalItems": "flag",
}  # fmt: skip


def _wrong(name: str, why: str) -> BadInput:
    return BadInput(f"Provided object does not match schema: {name[:100]} {why}")


def _thing(body: Any, known: Sequence[str], what: str) -> dict[str, Any]:
    if not isinstance(body, dict):
        raise _wrong(what, "is not an object")
    for name in ("self", "schema", "created_at", "updated_at"):
        if name in body:
            raise Forbidden(f"Attribute '{name}' is read-only.")
    for name in body:
        if name not in known:
            raise _wrong(name, f"is not an attribute of this {what}")
    return body


def read_name(value: Any, what: str = "name", *, length: int = NAME) -> str:
    """A name as definitions have them: a text of at most 80 characters, which an address can name."""
    if not isinstance(value, str) or not value or len(value) > length:
        raise _wrong(what, f"is not a text of 1 to {length} characters")
    if not in_address(value):
        raise _wrong(what, "has a '/' in it, or is '.' or '..': no address could name it")
    return value


def _text(value: Any, name: str, length: int | None = None) -> str | None:
    if value is None:
        return None
    if not isinstance(value, str) or (length is not None and len(value) > length):
        raise _wrong(name, "is not a text" + (f" of at most {length} characters" if length else ""))
    return value


def read_property(body: Any, *, named: bool) -> dict[str, Any]:
    """A property's definition; with its name, where it stands alone."""
    known = ("type", "default", *_KINDS, *(("name",) if named else ()))
    if isinstance(body, dict) and not named and "name" in body:
        body = {k: v for k, v in body.items() if k != "name"}
    thing = _thing(body, known, "property")
    for name in ("title", "type"):
        if name not in thing:
            raise _wrong(f"'{name}'", "is a required property")
    if thing["type"] not in TYPES:
        raise _wrong("type", f"is not one of {', '.join(str(one) for one in TYPES)}")
    for name, value in thing.items():
        if name in _KINDS and not _is(value, _KINDS[name]):
            raise _wrong(name, "is not of the right type")
    if named:
        read_name(thing.get("name"))
    return dict(thing)


def read_properties(value: Any) -> dict[str, dict[str, Any]]:
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise _wrong("properties", "is not an object")
    return {read_name(name): read_property(one, named=False) for name, one in value.items()}


def read_object(body: Any) -> dict[str, Any]:
    thing = _thing(body, ("name", "description", "required", "properties"), "object")
    required = thing.get("required")
    if required is not None and (not _is(required, "texts") or len(set(required)) != len(required)):
        raise _wrong("required", "is not a list of different texts")
    return {
        "name": read_name(thing.get("name")),
        "description": _text(thing.get("description"), "description"),
        "required": required,
        "properties": read_properties(thing.get("properties")),
    }


def read_association(body: Any) -> dict[str, Any]:
    thing = _thing(body, ("name", "prefix", "properties_target"), "resource type association")
    return {
        "name": read_name(thing.get("name")),
        "prefix": _text(thing.get("prefix"), "prefix", NAME),
        "properties_target": _text(thing.get("properties_target"), "properties_target", NAME),
    }


def read_tag(body: Any) -> str:
    return read_name(_thing(body, ("name",), "tag").get("name"))


def read_tags(value: Any) -> list[str]:
    if not isinstance(value, list):
        raise _wrong("tags", "is not a list")
    return [read_tag(one) for one in value]


def read_namespace(body: Any) -> dict[str, Any]:
    """The columns of a namespace, and under their own names the things in it."""
    known = tuple(namespace_schema()["properties"])
    thing = _thing(body, known, "namespace")
    visibility = "private" if thing.get("visibility") is None else thing["visibility"]
    if visibility not in ("public", "private"):
        raise _wrong("visibility", "is not one of public, private")
    protected = thing.get("protected")
    if protected is not None and not isinstance(protected, bool):
        raise _wrong("protected", "is not true or false")

    def several(name: str) -> list[Any]:
        value = thing.get(name)
        if value is not None and not isinstance(value, list):
            raise _wrong(name, "is not a list")
        return value or []

    return {
        "namespace": read_name(thing.get("namespace"), "namespace"),
        "display_name": _text(thing.get("display_name"), "display_name", NAME),
        "description": _text(thing.get("description"), "description", DESCRIPTION),
        "visibility": visibility,
        "protected": bool(protected),
        "owner": _text(thing.get("owner"), "owner", 255),
        "associations": [read_association(one) for one in several("resource_type_associations")],
        "objects": [read_object(one) for one in several("objects")],
        "properties": read_properties(thing.get("properties")),
        "tags": read_tags(several("tags")),
    }


# ---- answers ----


def _with_times(row: Row[Any], values: dict[str, Any]) -> dict[str, Any]:
    kept = {name: value for name, value in values.items() if value is not None}
    return {**kept, "created_at": zulu(row.created_at), "updated_at": zulu(row.updated_at)}


def namespace(row: Row[Any]) -> dict[str, Any]:
    names = ("namespace", "display_name", "description", "visibility", "protected", "owner")
    return {
        **_with_times(row, {name: getattr(row, name) for name in names}),
        "self": f"/v2/metadefs/namespaces/{row.namespace}",
        "schema": "/v2/schemas/metadefs/namespace",
    }


def object_(row: Row[Any], namespace: str) -> dict[str, Any]:
    values = {
        "name": row.name,
        "description": row.description,
        "required": row.required,
        "properties": row.properties,
    }
    return {
        **_with_times(row, values),
        "self": f"/v2/metadefs/namespaces/{namespace}/objects/{row.name}",
        "schema": "/v2/schemas/metadefs/object",
    }


def association(row: Row[Any]) -> dict[str, Any]:
    names = ("name", "prefix", "properties_target")
    return _with_times(row, {name: getattr(row, name) for name in names})


def named(row: Row[Any]) -> dict[str, Any]:
    """A tag, or a type of resources."""
    return _with_times(row, {"name": row.name})
