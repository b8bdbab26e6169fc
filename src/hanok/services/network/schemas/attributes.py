"""How this API reads a body: attribute by attribute, each with a validator, a default and the methods that take it.

The API's errors name one attribute and a reason ("Invalid input for cidr. Reason: …"), and which attributes may be sent
differs between POST and PUT; a table says that more plainly than two Structs a resource would.

Source: Networking API v2.0 reference, "Request parameters" of each resource.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Mapping
from typing import Any

import msgspec
from msgspec import Struct

from hanok.base.errors import BadInput
from hanok.base.ids import is_uuid

Validator = Callable[[Any], Any]
"""Gives the value in its one form, or raises Wrong with the reason."""

MOST_ITEMS = 200  # of a list in a body
MOST_BULK = 500  # resources in one request


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
    """An attribute that may be sent."""

    check: Validator
    default: Any = REQUIRED
    post: bool = True
    put: bool = True


def read_only() -> Attribute:
    """Shown and never sent."""
    return Attribute(check=lambda value: value, default=UNSET, post=False, put=False)


def say(value: object) -> str:
    """A value as a reason names it: short."""
    text = str(value)
    return text if len(text) <= 200 else f"{text[:200]}…"


# ---- validators ----


def text(most: int = 255, *, empty: bool = True) -> Validator:
    def check(value: Any) -> str:
        if not isinstance(value, str):
            raise Wrong(f"'{say(value)}' is not a valid string")
        if len(value) > most:
            raise Wrong(f"'{say(value)}' exceeds maximum length of {most}")
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


def whole(least: int | None = None, most: int | None = None) -> Validator:
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
        if most is not None and number > most:
            raise Wrong(f"'{number}' is too large - must be no larger than '{most}'")
        return number

    return check


def or_none(inner: Validator) -> Validator:
    return lambda value: None if value is None else inner(value)


def one_of(*values: Any) -> Validator:
    def check(value: Any) -> Any:
        if not isinstance(value, str | int) or value not in values:
            raise Wrong(f"'{say(value)}' is not in {list(values)}")
        return value

    return check


def uuid(value: Any) -> str:
    if not is_uuid(value):
        raise Wrong(f"'{say(value)}' is not a valid UUID")
    return str(value)


_MAC = re.compile(r"[0-9a-f]{2}([:-][0-9a-f]{2}){5}")


def mac(value: Any) -> str:
    """A unicast MAC address, in small letters with colons."""
    plain = value.lower().replace("-", ":") if isinstance(value, str) else ""
    if not _MAC.fullmatch(plain) or plain == "00:00:00:00:00:00" or int(plain[:2], 16) & 1:
        raise Wrong(f"'{say(value)}' is not a valid MAC address")
    return plain


def address(value: Any) -> str:
    """An IP address in its one spelling; zones and leading zeros are refused."""
    try:
        if not isinstance(value, str) or "%" in value:
            raise ValueError
        return str(ipaddress.ip_address(value))
    except ValueError:
        raise Wrong(f"'{say(value)}' is not a valid IP address") from None


def prefix(value: Any) -> str:
    """A prefix with its length; host bits are dropped."""
    try:
        if not isinstance(value, str) or "%" in value:
            raise ValueError
        found = ipaddress.ip_network(value, strict=False)
    except ValueError:
        raise Wrong(f"'{say(value)}' is not a valid IP subnet") from None
    if "/" not in value:
        raise Wrong(f"'{value}' isn't a recognized IP subnet cidr, '{found}' is recommended")
    return str(found)


def prefix_or_address(value: Any) -> str:
    """A prefix in its one spelling, with the host bits that were sent; a bare address is one of full length."""
    try:
        if not isinstance(value, str) or "%" in value:
            raise ValueError
        return str(ipaddress.ip_interface(value))
    except ValueError:
        raise Wrong(f"'{say(value)}' is not a valid CIDR") from None


def address_or_prefix(value: Any) -> str:
    """A bare address, or a prefix, in its one spelling."""
    found = prefix_or_address(value)
    return found if "/" in value else str(ipaddress.ip_address(value))


def items(inner: Validator, *, most: int = MOST_ITEMS, unique: bool = True) -> Validator:
    """A list. null is an empty one."""

    def check(value: Any) -> list[Any]:
        if value is None:
            return []
        if not isinstance(value, list):
            raise Wrong(f"'{say(value)}' is not a list")
        if len(value) > most:
            raise Wrong(f"the list has more than {most} items")
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


def only(wanted: Any, why: str) -> Validator:
    """For attributes of which one value is served."""

    def check(value: Any) -> Any:
        if value != wanted or isinstance(value, bool) != isinstance(wanted, bool):
            raise Wrong(why)
        return value

    return check


_TAG = re.compile(r"[^/,]{1,255}")


def tag(value: Any) -> str:
    if not isinstance(value, str) or not _TAG.fullmatch(value):
        raise Wrong(f"'{say(value)}' is not a tag of 1 to 255 characters without '/' and ','")
    return value


def tag_list(value: Any) -> list[str]:
    found = items(tag, most=50, unique=False)(value)
    return list(dict.fromkeys(found))


_SAMPLES: tuple[Any, ...] = (
    None, True, 1, 4, 6, 64, 4094, "text", "10.20.0.0/24", "10.20.0.9", "fa:16:3e:01:02:03", "tcp", "ingress", "IPv4",
    "ACTIVE", "ipv4", "00000000-0000-4000-8000-000000000000", [], {},
    ["00000000-0000-4000-8000-000000000000"], ["10.20.0.9"], ["text"],
    [{"start": "10.20.0.5", "end": "10.20.0.7"}], [{"destination": "10.30.0.0/24", "nexthop": "10.20.0.9"}],
    [{"ip_address": "10.20.0.8"}], {"network_id": "00000000-0000-4000-8000-000000000000"},
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


# ---- bodies ----


def checked(name: str, check: Validator, value: Any) -> Any:
    """A value through its validator.

    Raises:
        BadInput: in the API's words.
    """
    try:
        return check(value)
    except Wrong as wrong:
        raise BadInput(f"Invalid input for {name}. Reason: {wrong}.") from None


def _object(body: Any, key: str) -> dict[str, Any]:
    if not isinstance(body, dict):
        raise BadInput("Resource body required")
    found = body.get(key)
    if not isinstance(found, dict):
        raise BadInput(f"Unable to find '{key}' in request body")
    if odd := [name for name in body if name != key]:
        raise BadInput(f"Unrecognized attribute(s) '{say(', '.join(odd))}'")
    return found


def new(
    body: Any, name: str, plural: str, attributes: Mapping[str, Attribute]
) -> tuple[list[dict[str, Any]], list[set[str]], bool]:
    """The resources of a POST with every default filled in, what was really sent, and whether it was a bulk.

    Raises:
        BadInput
    """
    bulk = isinstance(body, dict) and plural in body and name not in body
    if bulk:
        each = body[plural]
        if not isinstance(each, list) or not each:
            raise BadInput("Resources required")
        if len(each) > MOST_BULK:
            raise BadInput(f"At most {MOST_BULK} resources in one request")
        if len(body) > 1:
            raise BadInput("Unrecognized attribute(s) beside the list of resources")
        # An item may stand in an object of its own, as older clients send it.
        bodies = [
            one[name] if isinstance(one, dict) and list(one) == [name] else one for one in each
        ]
    else:
        bodies = [_object(body, name)]
    found, sent = [], []
    for one in bodies:
        if not isinstance(one, dict):
            raise BadInput("Invalid format of a resource in the list")
        values = _project(one)
        _known(values, attributes)
        whole_one: dict[str, Any] = {}
        for key, attribute in attributes.items():
            if key in values:
                if not attribute.post:
                    raise BadInput(f"Attribute '{key}' not allowed in POST")
                whole_one[key] = checked(key, attribute.check, values[key])
            elif attribute.default is REQUIRED:
                raise BadInput(f"Failed to parse request. Required attribute '{key}' not specified")
            elif attribute.post:
                default = attribute.default
                whole_one[key] = list(default) if isinstance(default, list) else default
        found.append(whole_one)
        # Sending what is the default anyway asks for nothing.
        sent.append({k for k in values if whole_one[k] != attributes[k].default})
    return found, sent, bulk


def changed(body: Any, name: str, attributes: Mapping[str, Attribute]) -> dict[str, Any]:
    """The attributes of a PUT that were sent.

    Raises:
        BadInput
    """
    values = _project(_object(body, name))
    _known(values, attributes)
    for key in values:
        if not attributes[key].put:
            raise BadInput(f"Cannot update read-only attribute {key}")
    return {key: checked(key, attributes[key].check, value) for key, value in values.items()}


def _project(values: dict[str, Any]) -> dict[str, Any]:
    """The older name of the project is the same attribute."""
    if "tenant_id" not in values:
        return values
    if "project_id" in values and values["project_id"] != values["tenant_id"]:
        raise BadInput("'project_id' and 'tenant_id' do not match")
    return {"project_id" if k == "tenant_id" else k: v for k, v in values.items()}


def _known(values: Mapping[str, Any], attributes: Mapping[str, Attribute]) -> None:
    if odd := [name for name in values if name not in attributes]:
        raise BadInput(f"Unrecognized attribute(s) '{say(', '.join(odd))}'")
