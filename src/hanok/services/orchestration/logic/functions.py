"""The functions of templates.

A template is a stranger's program: what a function would make is counted before it is made (`Budget`), names are looked
up in what the stack has, and nothing leads out of it. A value that is not known yet, an attribute of what is not there,
is UNKNOWN, and so is what is made of it.

Source: the template guide, "Intrinsic functions"; the template reference of CloudFormation.
"""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from urllib.parse import quote, urlencode

import msgspec

from hanok.base.errors import BadInput
from hanok.services.orchestration.logic import texts

LARGEST = 4 << 20  # characters and items that one evaluation may make
DEEPEST = 100  # values in each other, of what is made
LONGEST_EXPRESSION = 10_000  # characters of yaql
_LOOKED_AT = 64  # characters that are searched or hashed for the price of one that is made


class Unknown:
    """A value that is not known before a resource is there."""

    def __repr__(self) -> str:
        return "UNKNOWN"


UNKNOWN = Unknown()


class Wrong(BadInput):
    """A function cannot be worked out; the message says why."""

    def __init__(self, message: str) -> None:
        super().__init__(message, code="StackValidationFailed")


class Missing(Wrong):
    """A parameter has no value."""


class Costly(Wrong):
    """More would be made than may be."""


class Undecided(BadInput):
    """Conditions have expressions of yaql that were not worked out yet: it is done aside, and the same begun again.

    some: each with what it is about. secret: whether that may hold a hidden value.
    """

    def __init__(self, some: list[tuple[str, Any]], *, secret: bool = True) -> None:
        super().__init__(
            "A condition with an expression of yaql cannot be decided here.",
            code="StackValidationFailed",
        )
        self.some, self.secret = some, secret


class Meeting:
    """Several things are begun; what they need to be decided is told at once, and not one after the other."""

    def __init__(self) -> None:
        self._some: list[tuple[str, Any]] = []
        self._secret = False

    @contextmanager
    def each(self) -> Iterator[None]:
        """One of them; the next is begun whether it could be decided or not."""
        try:
            yield
        except Undecided as error:
            self._some.extend(error.some)
            self._secret |= error.secret

    def end(self) -> None:
        """
        Raises:
            Undecided: one of them could not be decided.
        """
        if self._some:
            raise Undecided(self._some, secret=self._secret)


def never(expression: str, data: Any) -> Any:
    raise Undecided([(expression, data)])


class Budget:
    """What an evaluation may still make."""

    def __init__(self, left: int = LARGEST) -> None:
        self.left = left

    def take(self, value: Any) -> Any:
        """Pay for a value that comes from outside of the template; gives it.

        Raises:
            Wrong: it is more than is left, or too deep.
        """
        level = [value]
        for _ in range(DEEPEST):
            self.spend(len(level))
            below: list[Any] = []
            for one in level:
                if isinstance(one, str):
                    self.spend(len(one))
                elif isinstance(one, dict):
                    self.spend(sum(len(name) for name in one))
                    below.extend(one.values())
                elif isinstance(one, list):
                    below.extend(one)
            if not below:
                return value
            level = below
        raise Wrong(f"A value is nested more than {DEEPEST} levels deep.")

    def spend(self, size: int) -> None:
        """Raises Wrong when it is more than is left."""
        self.left -= size
        if self.left < 0:
            raise Costly(f"The template's functions would make more than {LARGEST} characters.")


class Scope:
    """What the functions of a template look into.

    parameters, files: of the stack. reference: what get_resource gives for a resource's name; attribute: what get_attr
    gives for name, attribute and path. condition: whether a named condition holds. facade: of the resource that this
    stack is in its parent. functions: that the template's version has. expression: what one of yaql makes of its data;
    UNKNOWN where it was not worked out yet. decided: the same in a condition; raises Undecided.
    """

    def __init__(
        self,
        *,
        functions: frozenset[str],
        parameters: Callable[[str], Any],
        reference: Callable[[str], Any],
        attribute: Callable[[str, str], Any],
        files: Mapping[str, Any],
        condition: Callable[[str], bool] = lambda name: False,
        conditions: frozenset[str] = frozenset(),
        mappings: Mapping[str, Any] | None = None,
        facade: Mapping[str, Any] | None = None,
        zones: Callable[[], list[str]] = list,
        is_resource: Callable[[str], bool] = lambda name: True,
        expression: Callable[[str, Any], Any] = lambda text, data: UNKNOWN,
        decided: Callable[[str, Any], Any] = never,
        budget: Budget | None = None,
    ) -> None:
        self.functions = functions
        self.conditions = conditions
        self.parameters = parameters
        self.reference = reference
        self.attribute = attribute
        self.files = files
        self.condition = condition
        self.mappings = mappings or {}
        self.facade = facade or {}
        self.zones = zones
        self.is_resource = is_resource
        self.expression = expression
        self.decided = decided
        self.budget = budget or Budget()

    def value(self, raw: Any) -> Any:
        """A value with its functions worked out.

        Raises:
            Wrong
        """
        self.budget.spend(len(raw) + 1 if isinstance(raw, str | list | dict) else 1)
        if isinstance(raw, list):
            return [self.value(one) for one in raw]
        if not isinstance(raw, dict):
            return raw
        if (named := self.function(raw)) is not None:
            return _FUNCTIONS[named](self, raw[named])
        return {name: self.value(one) for name, one in raw.items()}

    def function(self, raw: Any) -> str | None:
        """The function that a value is a call of, if it is one."""
        if isinstance(raw, dict) and len(raw) == 1:
            name = next(iter(raw))
            if name in self.functions and name in _FUNCTIONS:
                return str(name)
        return None

    def truth(self, raw: Any) -> bool:
        """Whether a condition holds: a name, a truth, or a function of conditions."""
        if isinstance(raw, bool):
            return raw
        if isinstance(raw, str):
            return self.condition(raw)
        if isinstance(raw, dict) and len(raw) == 1:
            name, argument = next(iter(raw.items()))
            if name == "yaql" and name in self.conditions:
                return _truth(self.decision(argument))
            if name in self.conditions and name in _CONDITIONS:
                return _CONDITIONS[name](self, argument)
            if name in self.conditions and name in _FUNCTIONS:
                return _truth(_FUNCTIONS[name](self, argument))
        raise Wrong(f'Invalid condition "{_shown(raw)}"')

    def operand(self, raw: Any) -> Any:
        """What a condition compares: a condition's own functions, too."""
        if isinstance(raw, dict) and len(raw) == 1:
            name, argument = next(iter(raw.items()))
            if name in _CONDITIONS:
                return self.truth(raw)
            if name == "yaql" and name in self.conditions:
                return self.decision(argument)
        return self.value(raw)

    def decision(self, raw: Any) -> Any:
        """What an expression of yaql in a condition makes of its data.

        Raises:
            Undecided; Wrong: what it is about is not known before resources are there.
        """
        expression, data = _expression(self, raw)
        if expression is UNKNOWN:
            raise Wrong("A condition is decided before resources are there, and cannot need them.")
        return self.budget.take(self.decided(expression, data))


def _shown(value: Any) -> str:
    text = value if isinstance(value, str) else msgspec.json.encode(value, enc_hook=repr).decode()
    return text[:100]


def _truth(value: Any) -> bool:
    if isinstance(value, bool):
        return value
    if isinstance(value, str) and value.lower() in ("true", "false"):
        return value.lower() == "true"
    raise Wrong("The condition value should be boolean")


def unknown_in(value: Any) -> bool:
    """Whether anything in a value is not known yet."""
    if isinstance(value, dict):
        return any(unknown_in(one) for one in value.values())
    if isinstance(value, list):
        return any(unknown_in(one) for one in value)
    return value is UNKNOWN


def walk(value: Any, path: list[Any]) -> Any:
    """What stands at a path within a value; nothing where there is nothing."""
    for step in path:
        if value is UNKNOWN or value is None:
            return value
        if isinstance(value, dict):
            value = value.get(step if isinstance(step, str) else str(step))
        elif isinstance(value, list) and _index(step) is not None:
            at = _index(step) or 0
            value = value[at] if -len(value) <= at < len(value) else None
        else:
            return None
    return value


def _index(step: Any) -> int | None:
    if isinstance(step, int) and not isinstance(step, bool):
        return step
    if isinstance(step, str) and step.removeprefix("-").isdecimal() and len(step) < 10:
        return int(step)
    return None


# ---- references ----


def _arguments(raw: Any, name: str, minimum: int) -> list[Any]:
    given = raw if isinstance(raw, list) else [raw]
    if len(given) < minimum:
        raise Wrong(
            f'Arguments to "{name}" must be of the form [resource_name, attribute, (path), ...]'
        )
    return given


def get_param(scope: Scope, raw: Any) -> Any:
    given = [scope.value(one) for one in _arguments(raw, "get_param", 1)]
    if not isinstance(given[0], str):
        raise Wrong('Function "get_param" must have a parameter name as its first argument')
    return scope.budget.take(walk(scope.parameters(given[0]), given[1:]))


def get_resource(scope: Scope, raw: Any) -> Any:
    return scope.budget.take(scope.reference(_name_of(scope, raw, "get_resource")))


def _name_of(scope: Scope, raw: Any, function: str) -> str:
    name = scope.value(raw)
    if not isinstance(name, str):
        raise Wrong(f'Arguments to "{function}" must be a resource name')
    return name


def get_attr(scope: Scope, raw: Any) -> Any:
    given = [scope.value(one) for one in _arguments(raw, "get_attr", 1)]
    if not all(isinstance(one, str) for one in given[:2]):
        return UNKNOWN if UNKNOWN in given else _bad_attr()
    if len(given) == 1:  # all of them, from 2015-10-15 on
        return scope.budget.take(scope.attribute(given[0], ""))
    return scope.budget.take(walk(scope.attribute(given[0], given[1]), given[2:]))


def _bad_attr() -> Any:
    raise Wrong(
        'Arguments to "get_attr" must be of the form [resource_name, attribute, (path), ...]'
    )


def get_att(scope: Scope, raw: Any) -> Any:
    given = raw
    if isinstance(raw, str):
        given = raw.split(".", 1)
    if not isinstance(given, list) or len(given) < 2:
        raise Wrong('Arguments to "Fn::GetAtt" must be of the form [resource_name, attribute]')
    return get_attr(scope, given)


def ref(scope: Scope, raw: Any) -> Any:
    name = _name_of(scope, raw, "Ref")
    found = scope.reference(name) if scope.is_resource(name) else scope.parameters(name)
    return scope.budget.take(found)


def get_file(scope: Scope, raw: Any) -> Any:
    name = scope.value(raw)
    if not isinstance(name, str):
        raise Wrong('Argument to "get_file" must be a string')
    if name not in scope.files:
        raise Wrong(f'No content found in the "files" section for get_file path: {name[:200]}')
    content = scope.files[name]
    scope.budget.spend(len(content))
    return content


def resource_facade(scope: Scope, raw: Any) -> Any:
    name = scope.value(raw)
    known = {"metadata": "metadata", "deletion_policy": "deletion_policy", "update_policy": "update_policy",
             "Metadata": "metadata", "DeletionPolicy": "deletion_policy",
             "UpdatePolicy": "update_policy"}  # fmt: skip
    if not isinstance(name, str) or name not in known:
        raise Wrong(
            f'Incorrect arguments to "resource_facade" should be one of: {", ".join(list(known)[:3])}'
        )
    return scope.budget.take(scope.facade.get(known[name]))


def find_in_map(scope: Scope, raw: Any) -> Any:
    given = scope.value(raw)
    if not isinstance(given, list) or len(given) != 3:
        raise Wrong('Arguments to "Fn::FindInMap" must be of the form [mapping, key, value]')
    found: Any = scope.mappings
    for name in given:
        if not isinstance(found, dict) or not isinstance(name, str) or name not in found:
            raise Wrong(f'"Fn::FindInMap": the mapping has no "{_shown(name)}"')
        found = found[name]
    return scope.budget.take(found)


def get_zones(scope: Scope, raw: Any) -> Any:
    return scope.zones()


# ---- texts ----


def _text(scope: Scope, value: Any, function: str) -> str:
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return str(value)
    if isinstance(value, int | float):
        return str(value)
    if isinstance(value, dict | list):
        scope.budget.take(value)
        return msgspec.json.encode(value).decode()
    raise Wrong(f'Items to "{function}" must be strings, numbers, maps or lists')


def list_join(scope: Scope, raw: Any) -> Any:
    if not isinstance(raw, list) or len(raw) < 2:
        raise Wrong(
            'Incorrect arguments to "list_join" should be: "list_join": [ <delimiter>, <string list>, …]'
        )
    given = [scope.value(one) for one in raw]
    if unknown_in(given):
        return UNKNOWN
    delimiter, lists = given[0], [one for one in given[1:] if one is not None]
    if not isinstance(delimiter, str) or not all(isinstance(one, list) for one in lists):
        raise Wrong(
            'Incorrect arguments to "list_join": a delimiter and lists of strings are needed'
        )
    items = [_text(scope, one, "list_join") for some in lists for one in some]
    scope.budget.spend(sum(map(len, items)) + len(delimiter) * len(items))
    return delimiter.join(items)


def str_split(scope: Scope, raw: Any) -> Any:
    given = scope.value(raw)
    if unknown_in(given):
        return UNKNOWN
    if not isinstance(given, list) or len(given) < 2 or not isinstance(given[0], str):
        raise Wrong(
            'Incorrect arguments to "str_split" should be: "str_split": [ <delimiter>, <string>, <index>]'
        )
    if given[1] is None:
        return None
    if not isinstance(given[1], str) or not given[0]:
        raise Wrong('Incorrect arguments to "str_split": a delimiter and a string are needed')
    parts = given[1].split(given[0])
    scope.budget.spend(len(given[1]) + len(parts))
    if len(given) < 3:
        return parts
    at = _index(given[2])
    if at is None or not -len(parts) <= at < len(parts):
        raise Wrong('Incorrect index to "str_split" should be between 0 and the number of parts')
    return parts[at]


def _replacing(strict: bool = False, very: bool = False) -> Callable[[Scope, Any], Any]:
    def str_replace(scope: Scope, raw: Any) -> Any:
        if not isinstance(raw, dict) or set(raw) != {"template", "params"}:
            raise Wrong('"str_replace" must have the keys "template" and "params"')
        text, params = scope.value(raw["template"]), scope.value(raw["params"])
        return _replaced(scope, text, params, strict=strict, very=very)

    return str_replace


def _replaced(scope: Scope, text: Any, params: Any, *, strict: bool, very: bool) -> Any:
    if unknown_in(text) or unknown_in(params):
        return UNKNOWN
    if text is None:
        return None
    if not isinstance(text, str) or not isinstance(params, dict):
        raise Wrong('"str_replace" needs a string as "template" and a map as "params"')
    named = {name: _text(scope, value, "str_replace") for name, value in params.items() if name}
    scope.budget.spend(len(text) * len(named) // _LOOKED_AT)
    if very and (empty := [name for name, value in params.items() if value in (None, "")]):
        raise Wrong(f'str_replace_vstrict has an undefined or empty value for param "{empty[0]}"')
    if strict and (absent := [name for name in named if name not in text]):
        raise Wrong(f"The following params were not found in the template: {', '.join(absent)}")
    return _put_in(scope, text, named)


def _put_in(scope: Scope, text: str, named: dict[str, str]) -> str:
    """The text with each name's value, longest names first; what was put in is not looked at again."""
    pieces: list[tuple[str, bool]] = [(text, True)]
    for name in sorted(named, key=lambda one: (-len(one), one)):
        cut: list[tuple[str, bool]] = []
        for piece, open_ in pieces:
            found = piece.split(name) if open_ else [piece]
            looked_at = len(piece) // _LOOKED_AT if open_ else 0
            scope.budget.spend((len(found) - 1) * (len(named[name]) + 1) + 1 + looked_at)
            for number, part in enumerate(found):
                if number:
                    cut.append((named[name], False))
                if part or not open_:
                    cut.append((part, open_))
        pieces = cut
    return "".join(piece for piece, _ in pieces)


def fn_replace(scope: Scope, raw: Any) -> Any:
    given = scope.value(raw)
    if not isinstance(given, list) or len(given) != 2:
        raise Wrong('Arguments to "Fn::Replace" must be of the form [{names: values}, string]')
    return _replaced(scope, given[1], given[0], strict=False, very=False)


def base64(scope: Scope, raw: Any) -> Any:
    """As Heat does: the text itself, as user data is encoded later."""
    return scope.value(raw)


DIGESTS = ("md5", "sha1", "sha224", "sha256", "sha384", "sha512")


def digest(scope: Scope, raw: Any) -> Any:
    given = scope.value(raw)
    if unknown_in(given):
        return UNKNOWN
    if (
        not isinstance(given, list)
        or len(given) != 2
        or not all(isinstance(one, str) for one in given)
    ):
        raise Wrong('Argument to function "digest" must be of the form [algorithm, value]')
    if given[0].lower() not in DIGESTS:
        raise Wrong(f"Algorithm must be one of {', '.join(DIGESTS)}")
    scope.budget.spend(len(given[1]) // _LOOKED_AT)
    made = hashlib.new(given[0].lower(), given[1].encode(), usedforsecurity=False)
    return made.hexdigest()


URL_PARTS = ("scheme", "username", "password", "host", "port", "path", "query", "fragment")


def make_url(scope: Scope, raw: Any) -> Any:
    if not isinstance(raw, dict) or (odd := [name for name in raw if name not in URL_PARTS]):
        raise Wrong(
            f'Invalid argument to "make_url": {_shown(odd if isinstance(raw, dict) else raw)}'
        )
    given = scope.value(raw)
    if unknown_in(given):
        return UNKNOWN
    scope.budget.take(given)
    host = _text(scope, given.get("host"), "make_url")
    host = f"[{host}]" if ":" in host and not host.startswith("[") else host
    user = quote(_text(scope, given.get("username"), "make_url"), safe="")
    if given.get("password"):
        user += f":{quote(_text(scope, given['password'], 'make_url'), safe='')}"
    port = f":{_port(given['port'])}" if given.get("port") not in (None, "") else ""
    place = f"{user}@{host}{port}" if user else f"{host}{port}"
    return _url(scope, given, place)


def _port(value: Any) -> int:
    number = _index(value)
    if number is None or not 0 < number < 65536:
        raise Wrong(f'Invalid URL port "{_shown(value)}"')
    return number


def _url(scope: Scope, given: dict[str, Any], place: str) -> str:
    scheme = _text(scope, given.get("scheme"), "make_url")
    path = quote(_text(scope, given.get("path"), "make_url"), safe="/%")
    query = given.get("query") or {}
    if not isinstance(query, dict):
        raise Wrong('The "query" argument to "make_url" must be a map')
    text = f"{scheme}:" if scheme else ""
    text += f"//{place}" if place else ""
    if path and place and not path.startswith("/"):
        path = f"/{path}"
    text += path
    if query:
        text += "?" + urlencode(
            {name: _text(scope, one, "make_url") for name, one in query.items()}
        )
    fragment = given.get("fragment")
    return f"{text}#{quote(_text(scope, fragment, 'make_url'))}" if fragment else text


# ---- lists and maps ----


def select(scope: Scope, raw: Any) -> Any:
    given = scope.value(raw)
    if not isinstance(given, list) or len(given) != 2:
        raise Wrong('Arguments to "Fn::Select" must be of the form [index, collection]')
    at, some = given
    if UNKNOWN in (at, some):
        return UNKNOWN
    if isinstance(some, str):
        scope.budget.spend(len(some))
        some = _decoded(some)
    found = walk(some, [at])
    return "" if found is None else found


def _decoded(text: str) -> Any:
    try:
        return texts.from_json(text)
    except ValueError:
        return None


def member_list(scope: Scope, raw: Any) -> Any:
    given = scope.value(raw)
    if not isinstance(given, list) or len(given) != 3 or not isinstance(given[2], list):
        raise Wrong(
            'Arguments to "Fn::MemberListToMap" must be of the form [key, value, [members]]'
        )
    names: dict[str, str] = {}
    values: dict[str, str] = {}
    for item in given[2]:
        left, _, right = str(item).partition("=")
        _, number, *rest = [*left.lstrip(".").split("."), "", ""]
        kind = rest[0]
        if kind == given[0]:
            names[number] = right
        elif kind == given[1]:
            values[number] = right
    return {names[number]: values.get(number) for number in names}


def repeat(scope: Scope, raw: Any) -> Any:
    if not isinstance(raw, dict) or not {"for_each", "template"} <= set(raw) <= {
        "for_each", "template", "permutations"
    }:  # fmt: skip
        raise Wrong('"repeat" must have the keys "for_each" and "template"')
    each = scope.value(raw["for_each"])
    if unknown_in(each):
        return UNKNOWN
    if not isinstance(each, dict) or not each:
        raise Wrong('The "for_each" argument to "repeat" must contain a map')
    if "" in each:
        raise Wrong('The "for_each" argument to "repeat" must not name an empty string')
    lists = [_items(one) for one in each.values()]
    permute = _truth(scope.value(raw.get("permutations", True)))
    if not permute and len({len(one) for one in lists}) != 1:
        raise Wrong(
            'The lists of "for_each" must have the same length where "permutations" is false'
        )
    count = 1
    for one in lists:
        count = count * len(one) if permute else len(one)
        scope.budget.spend(max(count, 0))
    rounds = itertools.product(*lists) if permute else zip(*lists, strict=True)
    return [
        scope.value(_with(scope, raw["template"], dict(zip(each, some, strict=True))))
        for some in rounds
    ]


def _items(value: Any) -> list[Any]:
    if value is None:
        return []
    if isinstance(value, dict):
        return list(value)
    if not isinstance(value, list):
        raise Wrong('The values of the "for_each" argument to "repeat" must be lists')
    return value


def _with(scope: Scope, value: Any, named: dict[str, Any]) -> Any:
    """A template of `repeat` with a round's values."""
    if isinstance(value, dict):
        return {
            _with_text(scope, name, named): _with(scope, one, named) for name, one in value.items()
        }
    if isinstance(value, list):
        return [_with(scope, one, named) for one in value]
    if isinstance(value, str):
        for name, one in named.items():
            if value == name:
                return one
        return _with_text(scope, value, named)
    return value


def _with_text(scope: Scope, text: str, named: dict[str, Any]) -> str:
    scope.budget.spend(len(text) + len(text) * len(named) // _LOOKED_AT)
    if not any(name in text for name in named):
        return text
    return _put_in(scope, text, {name: _text(scope, one, "repeat") for name, one in named.items()})


def map_merge(scope: Scope, raw: Any) -> Any:
    given = scope.value(raw)
    if given is UNKNOWN or (isinstance(given, list) and UNKNOWN in given):
        return UNKNOWN
    if not isinstance(given, list) or not all(
        one is None or isinstance(one, dict) for one in given
    ):
        raise Wrong('Incorrect arguments to "map_merge": a list of maps is needed')
    merged: dict[str, Any] = {}
    scope.budget.spend(sum(len(one or ()) for one in given))
    for one in given:
        merged.update(one or {})
    return merged


def map_replace(scope: Scope, raw: Any) -> Any:
    given = scope.value(raw)
    if given is UNKNOWN or (isinstance(given, list) and UNKNOWN in given):
        return UNKNOWN
    if not isinstance(given, list) or len(given) != 2 or not isinstance(given[1], dict):
        raise Wrong('Incorrect arguments to "map_replace": a map and the replacements are needed')
    if given[0] is None:
        return {}
    keys, values = given[1].get("keys") or {}, given[1].get("values") or {}
    if not all(isinstance(one, dict) for one in (given[0], keys, values)):
        raise Wrong('Incorrect arguments to "map_replace": "keys" and "values" must be maps')
    made: dict[str, Any] = {}
    scope.budget.spend(len(given[0]))
    for name, one in given[0].items():
        new = _text(scope, keys.get(name, name), "map_replace")
        if new in made:
            raise Wrong(f"key replacement {new} collides with a key in the output map")
        made[new] = values.get(one, one) if isinstance(one, str) else one
    return made


def filter_(scope: Scope, raw: Any) -> Any:
    given = scope.value(raw)
    if given is UNKNOWN or (isinstance(given, list) and UNKNOWN in given):
        return UNKNOWN
    if not isinstance(given, list) or len(given) != 2 or not all(
        isinstance(one, list | None.__class__) for one in given
    ):  # fmt: skip
        raise Wrong('Argument to function "filter" must be of the form [values, sequence]')
    left_out = given[0] or []
    scope.budget.spend((len(left_out) + 1) * len(given[1] or ()))
    return [one for one in given[1] or () if one not in left_out]


def _concat(*, unique: bool) -> Callable[[Scope, Any], Any]:
    def list_concat(scope: Scope, raw: Any) -> Any:
        given = scope.value(raw)
        if given is UNKNOWN or (isinstance(given, list) and UNKNOWN in given):
            return UNKNOWN
        if not isinstance(given, list) or not all(
            one is None or isinstance(one, list) for one in given
        ):
            raise Wrong('Incorrect arguments to "list_concat": a list of lists is needed')
        scope.budget.spend(sum(len(some or ()) for some in given))
        items = [one for some in given for one in some or ()]
        if not unique:
            return items
        scope.budget.spend(len(items) ** 2)
        found: list[Any] = []
        for one in items:
            if one not in found:
                found.append(one)
        return found

    return list_concat


def contains(scope: Scope, raw: Any) -> Any:
    given = scope.value(raw)
    if not isinstance(given, list) or len(given) != 2:
        raise Wrong('Arguments to "contains" must be of the form [value, sequence]')
    if unknown_in(given):
        return UNKNOWN
    if not isinstance(given[1], list | str | dict):
        raise Wrong('Second argument to "contains" should be a sequence')
    scope.budget.spend(len(given[1]))
    if isinstance(given[1], str):
        return isinstance(given[0], str) and given[0] in given[1]
    return given[0] in list(given[1])


def _expression(scope: Scope, raw: Any) -> tuple[Any, Any]:
    """An expression of yaql, and what it is about; UNKNOWN twice where that is not known."""
    if not isinstance(raw, dict) or not {"expression"} <= set(raw) <= {"expression", "data"}:
        raise Wrong('"yaql" must have the key "expression", and may have "data"')
    expression, data = scope.value(raw["expression"]), scope.value(raw.get("data", {}))
    if unknown_in(expression) or unknown_in(data):
        return UNKNOWN, UNKNOWN
    if not isinstance(expression, str) or len(expression) > LONGEST_EXPRESSION:
        raise Wrong(
            'The "expression" argument to yaql must be a string of at most '
            f"{LONGEST_EXPRESSION} characters."
        )
    return expression, data


def yaql(scope: Scope, raw: Any) -> Any:
    expression, data = _expression(scope, raw)
    if expression is UNKNOWN:
        return UNKNOWN
    return scope.budget.take(scope.expression(expression, data))


# ---- conditions ----


def choose(scope: Scope, raw: Any) -> Any:
    if not isinstance(raw, list) or len(raw) not in (2, 3):
        raise Wrong(
            'Arguments to "if" must be of the form [condition_name, value_if_true, value_if_false]'
        )
    if scope.truth(raw[0]):
        return scope.value(raw[1])
    return scope.value(raw[2]) if len(raw) == 3 else None


def equals(scope: Scope, raw: Any) -> bool:
    if not isinstance(raw, list) or len(raw) != 2:
        raise Wrong('Arguments to "equals" must be of the form: [value_1, value_2]')
    one, other = (scope.operand(each) for each in raw)
    return bool(one == other)


def not_(scope: Scope, raw: Any) -> bool:
    if isinstance(raw, list):
        if len(raw) != 1:
            raise Wrong('Arguments to "not" must be of the form: [condition]')
        raw = raw[0]
    return not scope.truth(raw)


def _several(name: str, decide: Callable[[list[bool]], bool]) -> Callable[[Scope, Any], bool]:
    def several(scope: Scope, raw: Any) -> bool:
        if not isinstance(raw, list) or len(raw) < 2:
            raise Wrong(f'The minimum number of condition arguments to "{name}" is 2.')
        return decide([scope.truth(one) for one in raw])

    return several


def chosen(scope: Scope, value: Any) -> Any:
    """A value with its `if`s decided, and nothing else: what is not chosen refers to nothing."""
    if isinstance(value, list):
        return [chosen(scope, one) for one in value]
    if not isinstance(value, dict):
        return value
    name = scope.function(value)
    if name not in ("if", "Fn::If"):
        return {key: chosen(scope, one) for key, one in value.items()}
    raw = value[name]
    if not isinstance(raw, list) or len(raw) not in (2, 3):
        choose(scope, raw)
    branch = raw[1] if scope.truth(raw[0]) else raw[2] if len(raw) == 3 else None
    return chosen(scope, branch)


_FUNCTIONS: dict[str, Callable[[Scope, Any], Any]] = {
    "get_param": get_param, "get_resource": get_resource, "get_attr": get_attr, "get_file": get_file,
    "resource_facade": resource_facade, "Fn::ResourceFacade": resource_facade, "Ref": ref, "Fn::GetAtt": get_att,
    "Fn::FindInMap": find_in_map, "Fn::GetAZs": get_zones, "list_join": list_join, "Fn::Join": list_join,
    "str_split": str_split, "Fn::Split": str_split, "str_replace": _replacing(),
    "str_replace_strict": _replacing(strict=True), "str_replace_vstrict": _replacing(strict=True, very=True),
    "Fn::Replace": fn_replace, "Fn::Base64": base64, "digest": digest, "make_url": make_url, "Fn::Select": select,
    "Fn::MemberListToMap": member_list, "repeat": repeat, "map_merge": map_merge, "map_replace": map_replace,
    "filter": filter_, "list_concat": _concat(unique=False), "list_concat_unique": _concat(unique=True),
    "contains": contains, "yaql": yaql, "if": choose, "Fn::If": choose,
}  # fmt: skip
_CONDITIONS: dict[str, Callable[[Scope, Any], bool]] = {
    "equals": equals, "Fn::Equals": equals, "not": not_, "Fn::Not": not_,
    "and": _several("and", all), "Fn::And": _several("Fn::And", all),
    "or": _several("or", any), "Fn::Or": _several("Fn::Or", any),
}  # fmt: skip
