"""What values are searched for by: comparisons with numbers, put together.

    {"and": [{"≥": 50}, {"<": 80}]}

Source: Gnocchi's REST API reference, "Searching for values in metrics".
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable
from typing import Any

from hanok.base.errors import BadInput
from hanok.services.metric.logic import shapes, times

Test = Callable[[float], bool]
DEEPEST, MAXIMUM = 20, 100
_COMPARED: dict[str, Callable[[float, float], bool]] = {
    **dict.fromkeys(("=", "==", "eq"), operator.eq),
    **dict.fromkeys(("!=", "≠", "ne"), operator.ne),
    **dict.fromkeys(("<", "lt"), operator.lt),
    **dict.fromkeys((">", "gt"), operator.gt),
    **dict.fromkeys(("<=", "≤", "le"), operator.le),
    **dict.fromkeys((">=", "≥", "ge"), operator.ge),
}
_MADE: dict[str, Callable[[float, float], float]] = {
    **dict.fromkeys(("%", "mod"), operator.mod),
    **dict.fromkeys(("+", "add"), operator.add),
    **dict.fromkeys(("-", "sub"), operator.sub),
    **dict.fromkeys(("*", "✕", "mul"), operator.mul),
    **dict.fromkeys(("/", "÷", "div"), operator.truediv),
    **dict.fromkeys(("**", "^", "pow"), math.pow),
}


def span(text: str) -> int:
    """
    Raises:
        BadInput
    """
    try:
        return times.span(text)
    except ValueError as error:
        raise shapes.structured("Argument value error", str(error), "granularity") from None


def test_of(tree: Any) -> Test:
    """
    Raises:
        BadInput
    """
    return _Reader().test(tree, 0)


class _Reader:
    def __init__(self) -> None:
        self._count = 0

    def test(self, tree: Any, depth: int) -> Test:
        self._count += 1
        if self._count > MAXIMUM or depth > DEEPEST:
            raise BadInput("Invalid query: it has too many conditions")
        if not isinstance(tree, dict) or len(tree) != 1:
            raise BadInput("Invalid query: expected a dictionary with one key")
        name, inner = next(iter(tree.items()))
        if name in ("and", "∧", "or", "∨"):
            if not isinstance(inner, list) or not inner:
                raise BadInput("Invalid query: expected a list of conditions")
            tests = [self.test(one, depth + 1) for one in inner]
            if name in ("and", "∧"):
                return lambda value: all(test(value) for test in tests)
            return lambda value: any(test(value) for test in tests)
        if name not in _COMPARED:
            raise BadInput(f"Invalid operator {str(name)[:20]}")
        return self._leaf(_COMPARED[name], inner)

    def _leaf(self, compare: Callable[[float, float], bool], inner: Any) -> Test:
        if isinstance(inner, list) and len(inner) == 2 and isinstance(inner[0], dict):
            made, wish = self._made(inner[0]), _number(inner[1])
            return lambda value: compare(made(value), wish)
        wish = _number(inner)
        return lambda value: compare(value, wish)

    def _made(self, tree: dict[str, Any]) -> Callable[[float], float]:
        name, inner = next(iter(tree.items())) if len(tree) == 1 else ("", None)
        if name not in _MADE:
            raise BadInput(f"Invalid operator {str(name)[:20]}")
        function, other = _MADE[name], _number(inner)

        def call(value: float) -> float:
            try:
                return function(value, other)
            except (ArithmeticError, ValueError):
                return math.nan

        return call


def _number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise BadInput("Invalid query: expected a number")
    return float(value)
