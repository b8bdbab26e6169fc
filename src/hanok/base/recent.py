"""What was used lately: a memory with a bound, which forgets the oldest first."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, TypeVar

Key = TypeVar("Key")
Value = TypeVar("Value")


class Recent(Generic[Key, Value]):
    """At most so many values; what was longest not looked at goes first.

    Args:
        heaviest: what all of them may weigh; the newest is kept whatever it weighs. weigh: what one does.
    """

    def __init__(
        self, maximum: int, heaviest: int = 0, weigh: Callable[[Value], int] = lambda value: 0
    ) -> None:
        self._maximum, self._heaviest, self._weigh = maximum, heaviest, weigh
        self._weight = 0
        self._kept: dict[Key, Value] = {}  # the oldest first: a dictionary keeps its order

    def __len__(self) -> int:
        return len(self._kept)

    def get(self, key: Key) -> Value | None:
        value = self._kept.pop(key, None)
        if value is not None:
            self._kept[key] = value
        return value

    def put(self, key: Key, value: Value) -> None:
        self.forget(key)
        self._kept[key] = value
        self._weight += self._weigh(value)
        while len(self._kept) > self._maximum or (
            self._weight > self._heaviest and len(self._kept) > 1
        ):
            self.forget(next(iter(self._kept)))

    def forget(self, key: Key) -> None:
        value = self._kept.pop(key, None)
        if value is not None:
            self._weight -= self._weigh(value)
