"""The scheduler hint "query": a condition on what hosts tell of themselves, written in JSON.

    [">=", "$free_ram_mb", 1024]      operators: =, <, >, <=, >=, in, and, or, not; a name with $ is what a host tells

Source: administration guide, "Compute schedulers" (JSON filter).
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec

from hanok.base.errors import BadInput

DEEPEST = 8  # levels of conditions in each other
LONGEST = 100  # conditions and values in all

_COMPARING: dict[str, Callable[[Any, Any], bool]] = {
    "=": operator.eq,
    "<": operator.lt,
    ">": operator.gt,
    "<=": operator.le,
    ">=": operator.ge,
}
_JOINING: dict[str, Callable[[Sequence[bool]], bool]] = {
    "and": all,
    "or": any,
    "not": lambda parts: not any(parts),
}


def read(hint: Any) -> list[Any]:
    """The condition of a hint; an empty one is none.

    Raises:
        BadInput: it is no condition.
    """
    try:
        value = msgspec.json.decode(hint) if isinstance(hint, str) else hint
    except (msgspec.DecodeError, RecursionError):
        raise _odd("it is not JSON") from None
    if not value:
        return []
    left = [LONGEST]
    _check(value, 1, left)
    return list(value)


def _odd(why: str) -> BadInput:
    return BadInput(f"Invalid input for field/attribute query. It is not a condition: {why}.")


def _check(value: Any, depth: int, left: list[int]) -> None:
    left[0] -= 1
    if depth > DEEPEST:
        raise _odd("it is too long")
    if not isinstance(value, list) or not value:
        raise _odd("each is a list that begins with an operator")
    name, *parts = value
    if not isinstance(name, str):
        raise _odd("each is a list that begins with an operator")
    if name in _JOINING and parts:
        for part in parts:
            _check(part, depth + 1, left)
        return
    if name not in (*_COMPARING, "in") or len(parts) < 2:
        raise _odd(f"{str(name)[:50]} is not an operator, or lacks what it compares")
    left[0] -= len(parts)
    if left[0] < 0:
        raise _odd("it is too long")
    if not all(isinstance(part, str | int | float | bool) for part in parts):
        raise _odd("texts and numbers are compared")


def fits(condition: Sequence[Any], have: Mapping[str, Any]) -> bool:
    """Whether a host, of what it tells, fulfils a condition. What it does not tell fulfils no comparison."""
    if not condition:
        return True
    name, *parts = condition
    if name in _JOINING:
        return _JOINING[name]([fits(part, have) for part in parts])
    first, *others = (_value(part, have) for part in parts)
    if name == "in":
        return first in others
    return all(_compared(_COMPARING[name], first, other) for other in others)


def _value(part: Any, have: Mapping[str, Any]) -> Any:
    if not isinstance(part, str) or not part.startswith("$"):
        return part
    found: Any = have
    for name in part[1:].split("."):
        found = found.get(name) if isinstance(found, Mapping) else None
    return found


def _compared(compare: Callable[[Any, Any], bool], one: Any, other: Any) -> bool:
    if one is None:
        return False
    try:
        return bool(compare(one, other))
    except TypeError:
        return False
