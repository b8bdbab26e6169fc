"""What an extra spec of a type asks of a capability: a plain text, or an operator with its operands.

Source: Block Storage administration guide, "Capabilities filter".
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from typing import Any

_NUMBERS: dict[str, Callable[[Any, Any], bool]] = {
    "=": operator.ge,  # as everywhere in these specs: at least
    "==": operator.eq,
    "!=": operator.ne,
    ">=": operator.ge,
    "<=": operator.le,
}
_TEXTS: dict[str, Callable[[Any, Any], bool]] = {
    "s==": operator.eq,
    "s!=": operator.ne,
    "s<": operator.lt,
    "s<=": operator.le,
    "s>": operator.gt,
    "s>=": operator.ge,
}
TRUE = ("true", "1", "yes", "on", "t", "y")


def satisfies(capability: str | None, requested: str) -> bool:
    """Whether a capability is what is requested; one that is not there (None) is nothing."""
    if capability is None:
        return False
    words = requested.split()
    if not words:
        return capability == requested
    first, rest = words[0], words[1:]
    if first in _NUMBERS and rest:
        return _compared(_NUMBERS[first], capability, rest[0])
    if first in _TEXTS and rest:
        return _TEXTS[first](capability, rest[0])
    if first == "<in>":
        return all(one in capability for one in rest)
    if first == "<is>":
        return (capability.lower() in TRUE) == (" ".join(rest).lower() in TRUE)
    if first == "<or>":
        return capability in [one for one in rest if one != "<or>"]
    return capability == requested


def _compared(compare: Callable[[Any, Any], bool], capability: str, requested: str) -> bool:
    try:
        return compare(float(capability), float(requested))
    except ValueError:
        return False


def is_true(requested: str | None) -> bool:
    """Whether a spec asks for a flag: "<is> True"."""
    return requested is not None and satisfies("True", requested) and requested.strip() != ""


def unmet(capabilities: Mapping[str, str], specs: Mapping[str, str]) -> list[str]:
    """The specs that capabilities do not satisfy. Specs of other scopes are for others ("key:…")."""
    return [
        name
        for name, requested in specs.items()
        if (key := _key(name)) and not satisfies(capabilities.get(key), requested)
    ]


def _key(name: str) -> str:
    """The capability that a spec is about; empty: none."""
    scope, colon, key = name.partition(":")
    if not colon:
        return name
    return key if scope == "capabilities" else ""
