"""What was used lately: a memory with a bound, which forgets the oldest first."""

from __future__ import annotations

from typing import Generic, TypeVar

Key = TypeVar("Key")
Value = TypeVar("Value")


class Recent(Generic[Key, Value]):
    """At most so many values; what was longest not looked at goes first."""

    def __init__(self, maximum: int) -> None:
        self._maximum = maximum
        self._kept: dict[Key, Value] = {}  # the oldest first: a dictionary keeps its order

    def __len__(self) -> int:
        return len(self._kept)

    def get(self, key: Key) -> Value | None:
        value = self._kept.pop(key, None)
        if value is not None:
            self._kept[key] = value
        return value

    def put(self, key: Key, value: Value) -> None:
        self._kept.pop(key, None)
        if len(self._kept) >= self._maximum:
            del self._kept[next(iter(self._kept))]
        self._kept[key] = value

    def forget(self, key: Key) -> None:
        self._kept.pop(key, None)
