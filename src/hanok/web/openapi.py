"""An OpenAPI document from route tables: what is served, with what bodies, and who may ask without a token.

Actions that share a path are one operation with several bodies; so are the forms of a body in several microversions.

Source: OpenAPI Specification 3.1.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from types import FunctionType
from typing import Any

import msgspec

from hanok.web.routes import PUBLIC, Route, parameter_names

JSON = "application/json"
STREAM = "application/octet-stream"
_NAME = re.compile(r"\{[^}]*\}")
_REFS = "#/components/schemas/{name}"


def document(
    title: str, version: str, tables: Mapping[str, tuple[str, Sequence[Route]]]
) -> dict[str, Any]:
    """The document.

    Args:
        tables: by service, the path prefix where it is mounted and its routes.
    """
    kinds = _kinds(route for _, routes in tables.values() for route in routes)
    made, components = msgspec.json.schema_components(kinds, ref_template=_REFS)
    shapes = dict(zip(map(_key, kinds), made, strict=True))
    paths: dict[str, dict[str, Any]] = {}
    spelled: dict[str, str] = {}
    for service, (prefix, routes) in tables.items():
        for route in routes:
            # A path is one path, whatever its tables call its parameters.
            path = spelled.setdefault(_NAME.sub("{}", prefix + route.path), prefix + route.path)
            here = paths.setdefault(path, {})
            operation = here.get(route.method.lower())
            if operation is None:
                operation = here[route.method.lower()] = _operation(service, path, route)
            _add_body(operation, route, shapes)
    return {
        "openapi": "3.1.0",
        "info": {"title": title, "version": version},
        "paths": paths,
        "components": {
            "schemas": components,
            "securitySchemes": {
                "token": {"type": "apiKey", "in": "header", "name": "X-Auth-Token"},
                "bearer": {"type": "http", "scheme": "bearer"},
            },
        },
    }


def _kinds(routes: Iterable[Route]) -> list[Any]:
    """The types of bodies, each once."""
    found = {_key(route.body): route.body for route in routes if _is_type(route.body)}
    return list(found.values())


def _key(kind: Any) -> str:
    return repr(kind)


def _is_type(body: Any) -> bool:
    return body is not None and body is not bytes and not isinstance(body, FunctionType)


def _operation(service: str, path: str, route: Route) -> dict[str, Any]:
    parameters: list[dict[str, Any]] = [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string", "minLength": 1}}
        for name in parameter_names(path)
    ]
    parameters += [
        {"name": name, "in": "query", "schema": {"type": "string"}} for name in route.query
    ]
    return {
        "tags": [service],
        "parameters": parameters,
        "security": [] if route.rules[0] == PUBLIC else [{"token": []}, {"bearer": []}],
        "responses": {"default": {"description": "As the API's reference says."}},
    }


def _add_body(operation: dict[str, Any], route: Route, shapes: Mapping[str, Any]) -> None:
    if route.body is None and not route.body_key:
        return
    body = operation.setdefault("requestBody", {"content": {}})
    if route.body is bytes:
        body["content"][STREAM] = {}
        return
    if route.body is None:
        schema: dict[str, Any] = {}
    elif isinstance(route.body, FunctionType):
        schema = _inlined(route.body())
    else:
        schema = shapes[_key(route.body)]
    member = route.body_key or route.member
    if member:
        schema = {"type": "object", "properties": {member: schema}, "required": [member]}
    content = body["content"].setdefault(route.media_type or JSON, {"schema": {"anyOf": []}})
    options = content["schema"]["anyOf"]
    if schema not in options:
        options.append(schema)


def _inlined(schema: dict[str, Any]) -> dict[str, Any]:
    """A schema that stands for itself, with its own definitions put where they are referred to."""
    definitions = schema.get("definitions", {})

    def put(value: Any) -> Any:
        if isinstance(value, list):
            return [put(item) for item in value]
        if not isinstance(value, dict):
            return value
        if isinstance(reference := value.get("$ref"), str):
            return put(definitions[reference.rpartition("/")[2]])
        return {name: put(item) for name, item in value.items()}

    kept = {
        name: item for name, item in schema.items() if name not in ("definitions", "links", "name")
    }
    found: dict[str, Any] = put(kept)
    return {"type": "object", **found} if "properties" in found else found
