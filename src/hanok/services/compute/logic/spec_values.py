"""What a flavor wants of a value: texts as they are, or an operator and what it is held against.

    s== text, s!= text, s< s<= s> s>= text      compared as texts
    = number (at least), == != <= >= number     compared as numbers
    <in> part                                    the value has this part
    <all-in> one two                             the value, a list of words, has all of these
    <or> one <or> two                            the value is one of these

Source: Flavor extra specs and "Compute schedulers" in the guides of OpenStack.
"""

from __future__ import annotations

import operator
from collections.abc import Callable

_TEXTS: dict[str, Callable[[str, str], bool]] = {
    "s==": operator.eq,
    "s!=": operator.ne,
    "s<": operator.lt,
    "s<=": operator.le,
    "s>": operator.gt,
    "s>=": operator.ge,
}
_NUMBERS: dict[str, Callable[[float, float], bool]] = {
    "=": operator.ge,
    "==": operator.eq,
    "!=": operator.ne,
    "<=": operator.le,
    ">=": operator.ge,
}


def fits(wish: str, value: str) -> bool:
    """Whether a value is what a flavor wants."""
    words = wish.split()
    if not words:
        return value == wish
    first, rest = words[0], words[1:]
    if first in _TEXTS and len(rest) == 1:
        return _TEXTS[first](value, rest[0])
    if first in _NUMBERS and len(rest) == 1:
        return _numbers_fit(_NUMBERS[first], value, rest[0])
    if first == "<in>" and len(rest) == 1:
        return rest[0] in value
    if first == "<all-in>" and rest:
        return set(rest) <= set(value.replace(",", " ").split())
    if first == "<or>" and rest:
        return value in [one for one in rest if one != "<or>"]
    return value == wish


def _numbers_fit(compare: Callable[[float, float], bool], value: str, wish: str) -> bool:
    try:
        return compare(float(value), float(wish))
    except ValueError:
        return False
