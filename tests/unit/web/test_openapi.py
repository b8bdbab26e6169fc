"""The document made from the route tables, and that the tables name what handlers read."""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections.abc import Callable, Iterator
from contextlib import suppress
from types import FunctionType
from typing import Any

from hanok.cli.commands.routes import documented, mount, openapi_document, tables
from hanok.services.identity import schemas
from hanok.web import openapi
from hanok.web.listing import Listing, PageStyle
from hanok.web.plain_lists import ItemList, OffsetList, PlainList
from hanok.web.routes import PUBLIC, Handler, Route, parameter_names
from hanok.web.versions import Query

DOORS = ("hanok.services", "hanok.web.doors")  # where handlers are


def wrong(fits: Callable[[Route], bool]) -> list[str]:
    """The routes of all services that do not fit."""
    return [
        f"{service} {route.method} {route.path} {route.body_key}"
        for service, routes in tables().items()
        for route in routes
        if not fits(route)
    ]


def test_a_route_names_the_body_that_its_handler_reads() -> None:
    assert not wrong(_names_its_body)


def _names_its_body(route: Route) -> bool:
    read = list(_reads(route.handler, set()))
    return not read or (route.body_key or route.member, route.body) in read


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


def test_a_route_names_the_query_that_its_handler_reads() -> None:
    assert not wrong(_names_its_query)


def _names_its_query(route: Route) -> bool:
    reading = _Reading()
    reading.follow(route.handler)
    declared = set(route.query)
    if isinstance(route.query, Query):  # a check reads, too
        reading.names |= {one.name for one in route.query.parameters if one.check is not None}
    if reading.any_name:  # by a table; there are parameters beside those that are read by name
        return declared >= reading.names and bool(declared)
    return declared == reading.names


class _Reading:
    """The parameters of the query that a handler reads, itself or through functions that it hands the request.

    names: by name. any_name: whether it also goes through whatever was sent.
    """

    def __init__(self) -> None:
        self.names: set[str] = set()
        self.any_name = False
        self._visited: set[FunctionType] = set()

    def follow(self, function: Any) -> None:
        if function in self._visited or not function.__module__.startswith(DOORS):
            return
        self._visited.add(function)
        names = {**function.__globals__, **inspect.getclosurevars(function).nonlocals}
        tree = ast.parse(textwrap.dedent(inspect.getsource(function)))
        loops = _loops(tree, names)
        for node in ast.walk(tree):
            if isinstance(node, ast.Subscript) and _is_query(node.value):
                self._read(node.slice, loops)
            elif isinstance(node, ast.Compare) and _is_query(node.comparators[0]):
                if isinstance(node.ops[0], ast.In | ast.NotIn):
                    self._read(node.left, loops)
            elif isinstance(node, ast.Call):
                self._call(node, names, loops)
            if isinstance(node, ast.For | ast.comprehension):
                self.any_name |= ast.unparse(node.iter) in (
                    "request.pairs",
                    "request.parameters",
                    "query.items()",
                )
            self.any_name |= ast.unparse(node) == "set(query)"

    def _call(self, call: ast.Call, names: dict[str, Any], loops: dict[str, set[str]]) -> None:
        function = call.func
        if isinstance(function, ast.Attribute) and function.attr == "get":
            if _is_query(function.value):
                self._read(call.args[0], loops)
        elif ast.unparse(function) == "request.query_all":
            named = names.get(ast.unparse(call.args[0]))  # a parameter that is the API's to name
            self.names |= {named} if isinstance(named, str) and named else set()
            self._read(call.args[0], loops)
        elif isinstance(function, ast.Attribute) and self._list(function, names):
            pass
        elif any(ast.unparse(arg) == "request" or _is_query(arg) for arg in call.args):
            for argument in call.args:  # a list is handed on to what reads its page
                with suppress(NameError, AttributeError, SyntaxError):
                    named = isinstance(argument, ast.Name | ast.Attribute)
                    if named and isinstance(listing := _value(argument, names), Listing):
                        self.names |= set(listing.parameters)
            with suppress(NameError, AttributeError):
                inner = _value(function, names)
                if isinstance(inner, FunctionType):
                    self.follow(inner)

    def _list(self, method: ast.Attribute, names: dict[str, Any]) -> bool:
        """Whether this is a list's own reading of a query."""
        with suppress(NameError, AttributeError, SyntaxError):
            listing = _value(method.value, names)
            if isinstance(listing, ItemList):
                shown = method.attr == "shown"
                self.names |= {listing.fields} if shown else set(listing.parameters)
                return True
            if isinstance(listing, Listing | PlainList) and method.attr == "page":
                self.names |= set(listing.parameters)
                return True
            if isinstance(listing, OffsetList) and method.attr == "place":
                self.names |= set(listing.parameters)
                return True
            if isinstance(listing, PlainList) and method.attr == "kept":
                self.names |= set(listing.conditions)
                return True
            return isinstance(listing, PageStyle) and self._style(listing, method.attr)
        return False

    def _style(self, style: PageStyle, method: str) -> bool:
        """Whether this is the reading of what one style has in common."""
        self.names |= set({"limit": style.sizes, "marker": ("marker",)}.get(method, ()))
        self.any_name |= method == "filters"
        return method in ("limit", "marker", "filters")

    def _read(self, key: ast.expr, loops: dict[str, set[str]]) -> None:
        if isinstance(key, ast.Constant):
            self.names.add(str(key.value))
        elif isinstance(key, ast.Name) and (found := loops.get(key.id)):
            self.names |= found


def _is_query(node: ast.expr) -> bool:
    return ast.unparse(node) in ("query", "request.query")


def _loops(tree: ast.AST, names: dict[str, Any]) -> dict[str, set[str]]:
    """The texts that a loop's variable stands for, one after the other."""
    found: dict[str, set[str]] = {}
    for node in ast.walk(tree):
        if not isinstance(node, ast.For | ast.comprehension):
            continue
        first = node.target.elts[0] if isinstance(node.target, ast.Tuple) else node.target
        iterated = node.iter
        if isinstance(iterated, ast.Call) and ast.unparse(iterated.func).endswith(".items"):
            iterated = iterated.func.value  # type: ignore[attr-defined]
        if isinstance(iterated, ast.Tuple) and isinstance(node.target, ast.Tuple):
            iterated = ast.Tuple([each.elts[0] for each in iterated.elts], ast.Load())  # type: ignore[attr-defined]
        with suppress(NameError, TypeError, AttributeError, SyntaxError):
            values = _value(iterated, names)
            if isinstance(first, ast.Name):
                found.setdefault(first.id, set()).update(x for x in values if isinstance(x, str))
    return found


def _value(node: ast.expr | None, names: dict[str, Any]) -> Any:
    return "" if node is None else eval(ast.unparse(node), names)


def test_the_document_has_every_route_once() -> None:
    found = openapi_document()
    assert found["openapi"].startswith("3.1")
    for service, routes in documented().items():
        document = openapi_document(service)
        operations = {
            (method, openapi._NAME.sub("{}", path))
            for path, item in document["paths"].items()
            for method in item
        }
        assert operations == {
            (route.method.lower(), openapi._NAME.sub("{}", f"{mount(service)}{route.path}"))
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
    assert form["required"] == ["network_id", "ip_version"]
    assert form["properties"]["cidr"]["examples"] == [None, "10.20.0.0/24"]
