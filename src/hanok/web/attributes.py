"""Attributes as declarations: what a resource's body may hold, each with a validator, a default and the methods that
take it.

For APIs whose errors name one attribute and a reason, and where what may be sent differs between making a thing and
changing it: a table says that more plainly than two Structs a resource would. `web/bodies.py` reads bodies by it,
`web/resources.py` makes doors of it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import msgspec
from msgspec import Struct

from hanok.base.addresses import address_of
from hanok.base.ids import is_uuid
from hanok.web.microversions import Version
from hanok.web.versions import Span

Validator = Callable[[Any], Any]
"""Gives the value in its one form, or raises Wrong with the reason."""

MAXIMUM_ITEMS = 200  # of a list in a body


class Wrong(Exception):
    """Why a value does not fit."""


class _Required:
    def __repr__(self) -> str:
        return "REQUIRED"


class _Unset:
    """Not sent, and null means something else."""

    def __repr__(self) -> str:
        return "UNSET"


REQUIRED, UNSET = _Required(), _Unset()


class Attribute(Struct, frozen=True, kw_only=True):
    """An attribute of a resource.

    check: gives the value in its one form. default: what a POST without it means. post, put: whether it may be sent.
    since, until: the microversions that know it; outside of them it is neither taken nor shown.
    """

    check: Validator
    default: Any = REQUIRED
    post: bool = True
    put: bool = True
    since: Version | None = None
    until: Version | None = None

    @property
    def always(self) -> bool:
        """Whether every version knows it."""
        return self.since is None and self.until is None

    def holds(self, version: Version) -> bool:
        """Whether a version knows it."""
        return Span(self.since, self.until).holds(version)


def read_only() -> Attribute:
    """Shown and never sent."""
    return Attribute(check=lambda value: value, default=UNSET, post=False, put=False)


def say(value: object) -> str:
    """A value as a reason names it: short."""
    text = str(value)
    return text if len(text) <= 200 else f"{text[:200]}…"


# ---- validators ----


def text(maximum: int = 255, *, empty: bool = True) -> Validator:
    """A text of at most so many characters; empty: whether it may be blank."""

    def check(value: Any) -> str:
        if not isinstance(value, str):
            raise Wrong(f"'{say(value)}' is not a valid string")
        if len(value) > maximum:
            raise Wrong(f"'{say(value)}' exceeds maximum length of {maximum}")
        if not empty and not value.strip():
            raise Wrong(f"'{say(value)}' Blank strings are not permitted")
        return value

    return check


def truth(value: Any) -> bool:
    """True, false, and the spellings of both."""
    if isinstance(value, bool):
        return value
    if isinstance(value, int | str):
        plain = str(value).lower()
        if plain in ("true", "1"):
            return True
        if plain in ("false", "0"):
            return False
    raise Wrong(f"'{say(value)}' cannot be converted to boolean")


def whole(least: int | None = None, maximum: int | None = None) -> Validator:
    """A whole number, or its digits in a text, between these two."""

    def check(value: Any) -> int:
        if isinstance(value, bool) or not isinstance(value, int | str):
            raise Wrong(f"'{say(value)}' is not an integer")
        try:
            number = int(value) if len(str(value)) < 20 else None
        except ValueError:
            number = None
        if number is None:
            raise Wrong(f"'{say(value)}' is not an integer")
        if least is not None and number < least:
            raise Wrong(f"'{number}' is too small - must be at least '{least}'")
        if maximum is not None and number > maximum:
            raise Wrong(f"'{number}' is too large - must be no larger than '{maximum}'")
        return number

    return check


def or_none(inner: Validator) -> Validator:
    """null is a value, too."""
    return lambda value: None if value is None else inner(value)


def one_of(*values: Any) -> Validator:
    """One of these texts or numbers."""

    def check(value: Any) -> Any:
        if not isinstance(value, str | int) or value not in values:
            raise Wrong(f"'{say(value)}' is not in {list(values)}")
        return value

    return check


def uuid(value: Any) -> str:
    if not is_uuid(value):
        raise Wrong(f"'{say(value)}' is not a valid UUID")
    return str(value)


def address(value: Any) -> str:
    """An IP address in its one spelling; zones and leading zeros are refused."""
    try:
        return str(address_of(value))
    except ValueError:
        raise Wrong(f"'{say(value)}' is not a valid IP address") from None


def items(inner: Validator, *, maximum: int = MAXIMUM_ITEMS, unique: bool = True) -> Validator:
    """A list. null is an empty one."""

    def check(value: Any) -> list[Any]:
        if value is None:
            return []
        if not isinstance(value, list):
            raise Wrong(f"'{say(value)}' is not a list")
        if len(value) > maximum:
            raise Wrong(f"the list has more than {maximum} items")
        found = [inner(each) for each in value]
        if unique and any(each in found[:at] for at, each in enumerate(found)):
            raise Wrong(f"Duplicate items in the list: '{say(value)}'")
        return found

    return check


def record(required: Mapping[str, Validator], optional: Mapping[str, Validator]) -> Validator:
    """An object with these keys and no others."""
    known = {**required, **optional}

    def check(value: Any) -> dict[str, Any]:
        if not isinstance(value, dict):
            raise Wrong(f"'{say(value)}' is not a dictionary")
        if missing := [name for name in required if name not in value]:
            raise Wrong(f"Validation of dictionary's keys failed. Expected keys: {missing}")
        if odd := [name for name in value if name not in known]:
            raise Wrong(f"Unexpected keys supplied: {say(', '.join(odd))}")
        return {name: known[name](each) for name, each in value.items()}

    return check


def small_object(value: Any) -> dict[str, Any]:
    """Any object of modest size."""
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise Wrong(f"'{say(value)}' is not a dictionary")
    if len(msgspec.json.encode(value)) > 4095:
        raise Wrong("the object is too large")
    return value


def only(requested: Any, why: str) -> Validator:
    """For attributes of which one value is served."""

    def check(value: Any) -> Any:
        if value != requested or isinstance(value, bool) != isinstance(requested, bool):
            raise Wrong(why)
        return value

    return check


_SAMPLES: tuple[Any, ...] = (
    None, True, 1, 4, 6, 64, 4094, "text", "10.20.0.0/24", "10.20.0.9", "fa:16:3e:01:02:03", "tcp", "ingress", "IPv4",
    "ACTIVE", "ipv4", "00000000-0000-4000-8000-000000000000", [], {},
    ["00000000-0000-4000-8000-000000000000"], ["10.20.0.9"], ["text"],
    [{"start": "10.20.0.5", "end": "10.20.0.7"}], [{"destination": "10.30.0.0/24", "nexthop": "10.20.0.9"}],
    [{"ip_address": "10.20.0.8"}], [{"opt_name": "mtu", "opt_value": "1300"}],
    {"network_id": "00000000-0000-4000-8000-000000000000"},
)  # fmt: skip


def schema(attributes: Mapping[str, Attribute], method: str) -> dict[str, Any]:
    """The attributes that a POST or a PUT takes, as a JSON schema with examples.

    A validator is a function; what it takes is found by asking it.
    """
    sent = {
        name: attribute
        for name, attribute in attributes.items()
        if (attribute.post if method == "POST" else attribute.put)
    }
    return {
        "type": "object",
        "properties": {name: _examples(attribute.check) for name, attribute in sent.items()},
        "required": [
            name
            for name, attribute in sent.items()
            if method == "POST" and attribute.default is REQUIRED
        ],
        "additionalProperties": False,
    }


def _examples(check: Validator) -> dict[str, Any]:
    found = []
    for sample in _SAMPLES:
        try:
            check(sample)
        except Wrong:
            continue
        found.append(sample)
    return {"examples": found} if found else {}
