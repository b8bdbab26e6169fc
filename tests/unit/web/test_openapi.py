"""The document made from the route tables, and that the tables name what handlers read."""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections.abc import Iterator
from types import FunctionType
from typing import Any

import pytest

from hanok.cli.commands.routes import openapi_document, tables
from hanok.services.identity import schemas
from hanok.web import openapi
from hanok.web.routes import PUBLIC, Handler, Route, parameter_names


def handlers() -> list[Any]:
    return [
        pytest.param(route, id=f"{service} {route.method} {route.path} {route.body_key}")
        for service, routes in tables().items()
        for route in routes
    ]


@pytest.mark.parametrize("route", handlers())
def test_a_route_names_the_body_that_its_handler_reads(route: Route) -> None:
    read = list(_reads(route.handler, set()))
    if read:
        assert (route.body_key or route.member, route.body) in read


def _reads(handler: Handler | FunctionType, seen: set[str]) -> Iterator[tuple[str, Any]]:
    """Member and type of each body that a handler reads, itself or through functions of its module."""
    assert isinstance(handler, FunctionType)
    seen.add(handler.__name__)
    names = {**handler.__globals__, **inspect.getclosurevars(handler).nonlocals}
    for call in ast.walk(ast.parse(textwrap.dedent(inspect.getsource(handler)))):
        if not isinstance(call, ast.Call):
            continue
        function, args = ast.unparse(call.func), call.args
        keywords = {keyword.arg: keyword.value for keyword in call.keywords}
        if function == "request.body":
            yield _value(keywords.get("key"), names), _value(args[0], names)
        elif function == "schemas.read" and names.get("schemas") is schemas:
            yield _value(args[1], names), _value(args[2], names)
        elif function == "convert" and "request.json()" in ast.unparse(args[0]):
            member = args[0].slice if isinstance(args[0], ast.Subscript) else None
            yield _value(member, names), _value(args[1], names)
        elif any(ast.unparse(arg) == "request" for arg in args):
            inner = names.get(function)
            if (
                isinstance(inner, FunctionType)
                and inner.__module__ == handler.__module__
                and function not in seen
            ):
                yield from _reads(inner, seen)


def _value(node: ast.expr | None, names: dict[str, Any]) -> Any:
    return "" if node is None else eval(ast.unparse(node), names)


def test_the_document_has_every_route_once() -> None:
    found = openapi_document()
    assert found["openapi"].startswith("3.1")
    for service, routes in tables().items():
        document = openapi_document(service)
        operations = {
            (method, openapi._NAME.sub("{}", path))
            for path, item in document["paths"].items()
            for method in item
        }
        assert operations == {
            (route.method.lower(), openapi._NAME.sub("{}", f"/{service}{route.path}"))
            for route in routes
        }
        for path, item in document["paths"].items():
            for operation in item.values():
                names = [each["name"] for each in operation["parameters"] if each["in"] == "path"]
                assert names == parameter_names(path)


def test_references_lead_somewhere() -> None:
    document = openapi_document()

    def references(value: Any) -> Iterator[str]:
        if isinstance(value, list):
            for item in value:
                yield from references(item)
        elif isinstance(value, dict):
            if isinstance(value.get("$ref"), str):
                yield value["$ref"]
            for item in value.values():
                yield from references(item)

    known = {f"#/components/schemas/{name}" for name in document["components"]["schemas"]}
    found = set(references(document))
    assert found and found <= known


def test_what_is_public_says_so() -> None:
    paths = openapi_document("identity")["paths"]
    assert paths["/identity/v3/auth/tokens"]["post"]["security"] == []
    assert paths["/identity/v3/users"]["post"]["security"] == [{"token": []}, {"bearer": []}]
    assert PUBLIC not in str(paths)


def test_actions_of_one_path_are_the_forms_of_one_body() -> None:
    paths = openapi_document("compute")["paths"]
    body = paths["/compute/v2.1/servers/{server_id}/action"]["post"]["requestBody"]
    forms = body["content"]["application/json"]["schema"]["anyOf"]
    assert {"reboot", "os-start", "lock"} <= {key for form in forms for key in form["required"]}


def test_the_networks_attributes_are_told_by_what_they_take() -> None:
    paths = openapi_document("network")["paths"]
    body = paths["/network/v2.0/subnets"]["post"]["requestBody"]
    form = body["content"]["application/json"]["schema"]["anyOf"][0]["properties"]["subnet"]
    assert form["required"] == ["network_id", "ip_version", "cidr"]
    assert form["properties"]["cidr"]["examples"] == ["10.20.0.0/24"]
