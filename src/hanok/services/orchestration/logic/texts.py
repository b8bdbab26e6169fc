"""Templates and environments as texts: a stranger's YAML, held to what it may cost before it is built.

The events of a text are counted first: how deep it is nested, how many values it has, and how many it would have with
its aliases put in. Only then are its values made. Dates stay texts: a template's version is one.
"""

from __future__ import annotations

import math
from functools import cache
from typing import Any

import msgspec

from hanok.base.errors import BadInput

DEEPEST = 60  # values in each other
VALUES = 100_000  # of a text, with what its aliases stand for; the largest templates in public have 3,000
_ALIASES = 1_000


@cache
def _loader() -> Any:
    """What reads YAML: plain values; what YAML 1.1 reads as a date is a text."""
    import yaml  # 1.5 MiB that a cloud without stacks does not need

    base: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    resolvers = {
        first: [one for one in some if one[0] != "tag:yaml.org,2002:timestamp"]
        for first, some in base.yaml_implicit_resolvers.items()
    }
    return type("Loader", (base,), {"yaml_implicit_resolvers": resolvers})


class _Counted:
    """How large a text's values are, alias by alias."""

    def __init__(self) -> None:
        self.open: list[tuple[str | None, int]] = []
        self.size = 0
        self.named: dict[str, int] = {}
        self.aliases = 0

    def begin(self, anchor: str | None) -> None:
        self.open.append((anchor, self.size))
        self.size += 1
        if len(self.open) > DEEPEST:
            raise BadInput(f"The document is nested more than {DEEPEST} levels deep.")

    def end(self) -> None:
        anchor, before = self.open.pop()
        if anchor is not None:
            self.named[anchor] = self.size - before

    def one(self, anchor: str | None) -> None:
        self.size += 1
        if anchor is not None:
            self.named[anchor] = 1

    def alias(self, anchor: str) -> None:
        self.aliases += 1
        if any(name == anchor for name, _ in self.open) or anchor not in self.named:
            raise BadInput("A YAML alias refers to a value that contains it.")
        self.size += self.named[anchor]

    def check(self) -> None:
        if self.size > VALUES or self.aliases > _ALIASES:
            raise BadInput(f"The document has more than {VALUES} values.")


def _count(text: str) -> None:
    import yaml

    counted = _Counted()
    for event in yaml.parse(text, Loader=_loader()):
        if isinstance(event, yaml.MappingStartEvent | yaml.SequenceStartEvent):
            counted.begin(event.anchor)
        elif isinstance(event, yaml.MappingEndEvent | yaml.SequenceEndEvent):
            counted.end()
        elif isinstance(event, yaml.AliasEvent):
            counted.alias(event.anchor)
        elif isinstance(event, yaml.ScalarEvent):
            counted.one(event.anchor)
        counted.check()


def parse(text: str, what: str, *, maximum: int) -> Any:
    """The values of a text.

    Args:
        what: it is, for errors ("template"). maximum: bytes.

    Raises:
        BadInput: it is too large, no YAML, or would become too large.
    """
    import yaml

    size = len(text.encode("utf-8", "surrogatepass"))
    if size > maximum:
        raise BadInput(
            f"Request limit exceeded: {what.capitalize()} size ({size} bytes) exceeds maximum "
            f"allowed size ({maximum} bytes).",
            code="RequestLimitExceeded",
        )
    try:
        found = from_json(text)  # first, as upstream does: to YAML a tab is no blank
    except ValueError:
        pass
    else:
        if _size(found) > VALUES:
            raise BadInput(f"The document has more than {VALUES} values.")
        return found
    try:
        _count(text)
        return plain(yaml.load(text, Loader=_loader()))  # noqa: S506
    except (yaml.YAMLError, RecursionError, ValueError, TypeError) as error:
        where = getattr(error, "problem_mark", None)
        place = f" (line {where.line + 1})" if where is not None else ""
        why = str(getattr(error, "problem", None) or error)[:200]
        raise BadInput(f"Error parsing {what}{place}: {why}") from None


def _size(value: Any) -> int:
    """How many values it is, itself and names among them."""
    if isinstance(value, dict):
        return 1 + len(value) + sum(map(_size, value.values()))
    return 1 + sum(map(_size, value)) if isinstance(value, list) else 1


def from_json(raw: bytes | str) -> Any:
    """The values of a JSON text, no deeper than a template, without what a database cannot hold.

    Raises:
        ValueError
    """
    try:
        return plain(msgspec.json.decode(raw.encode() if isinstance(raw, str) else raw))
    except (msgspec.DecodeError, RecursionError) as error:
        raise ValueError(str(error) or "it is nested too deep") from None


def plain(value: Any, deep: int = 0) -> Any:
    """A value as JSON could say it: keys are texts.

    Raises:
        ValueError: it holds what JSON or a database has not, or is too deep.
    """
    if deep > DEEPEST:
        raise ValueError(f"it is nested more than {DEEPEST} levels deep")
    if isinstance(value, dict):
        return {_text(_key(name)): plain(one, deep + 1) for name, one in value.items()}
    if isinstance(value, list | tuple | set):
        return [plain(one, deep + 1) for one in value]
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, bytes):
        raise ValueError("binary values are not supported")
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError("a number is out of range")
    if isinstance(value, int) and not isinstance(value, bool):
        return whole(value)
    return value


def whole(number: int) -> int:
    """
    Raises:
        ValueError: it has more than 63 bits.
    """
    if not -(1 << 63) <= number < 1 << 63:
        raise ValueError("a number is out of range")
    return number


def _text(value: str) -> str:
    if "\0" in value or (not value.isascii() and any("\ud800" <= one <= "\udfff" for one in value)):
        raise ValueError("a string has characters that cannot be stored")
    return value


def _key(name: Any) -> str:
    if isinstance(name, bool) or name is None:
        return str(name).lower()
    return str(name)
