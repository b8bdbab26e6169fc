"""Bodies as Gnocchi reads them: what is wrong is told with its place.

Source: Gnocchi's REST API reference; its own texts of errors, which clients show.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from hanok.base.errors import BadInput

Path = tuple[str | int, ...]
Check = Callable[[Any, Path], Any]


def told(path: Path) -> str:
    """data['definition'][0]."""
    return "data" + "".join(f"[{one!r}]" for one in path)


def wrong(reason: str, path: Path, *, inside: bool = True) -> BadInput:
    """What is wrong, and where. inside: whether it is about a value under a key."""
    place = " for dictionary value" if inside and path else ""
    text = f"{reason}{place} @ {told(path)}" if path else reason
    detail = {"cause": "Invalid input", "reason": text, "detail": [str(one)[:100] for one in path]}
    return BadInput(f"Invalid input: {text}", extra={"description": detail})


def structured(cause: str, reason: str, detail: Any) -> BadInput:
    """An error that is told in three parts."""
    said = {"cause": cause, "reason": reason, "detail": detail}
    return BadInput(f"{cause}: {reason}" if reason else cause, extra={"description": said})


def mapping(
    value: Any,
    required: Mapping[str, Check] | None = None,
    optional: Mapping[str, Check] | None = None,
    path: Path = (),
) -> dict[str, Any]:
    """A dictionary with these keys and no others.

    Raises:
        BadInput
    """
    if not isinstance(value, dict):
        raise wrong("expected a dictionary", path)
    checks = {**(required or {}), **(optional or {})}
    for key in value:
        if key not in checks:
            raise wrong("extra keys not allowed", (*path, str(key)[:100]), inside=False)
    for key in required or ():
        if key not in value:
            raise wrong("required key not provided", (*path, key), inside=False)
    return {key: checks[key](one, (*path, key)) for key, one in value.items()}


def text(minimum: int = 0, maximum: int = 255) -> Check:
    def check(value: Any, path: Path) -> str:
        if not isinstance(value, str):
            raise wrong("expected str", path)
        if len(value) < minimum:
            raise wrong(f"length of value must be at least {minimum}", path)
        if len(value) > maximum:
            raise wrong(f"length of value must be at most {maximum}", path)
        return value

    return check


def optional_text(maximum: int = 255) -> Check:
    inner = text(0, maximum)
    return lambda value, path: None if value is None else inner(value, path)


def whole(minimum: int, maximum: int = 2**31 - 1) -> Check:
    def check(value: Any, path: Path) -> int:
        try:
            number = int(value) if not isinstance(value, bool) else None
        except (TypeError, ValueError, OverflowError):
            number = None
        if number is None:
            raise wrong("expected int", path)
        if number < minimum:
            raise wrong(f"value must be at least {minimum}", path)
        if number > maximum:
            raise wrong(f"value must be at most {maximum}", path)
        return number

    return check


def items(check: Check, minimum: int = 0, maximum: int = 1000) -> Check:
    def of_list(value: Any, path: Path) -> list[Any]:
        if not isinstance(value, list):
            raise wrong("expected a list", path)
        if len(value) < minimum:
            raise wrong(f"length of value must be at least {minimum}", path)
        if len(value) > maximum:
            raise wrong(f"length of value must be at most {maximum}", path)
        return [check(one, (*path, place)) for place, one in enumerate(value)]

    return of_list


def truth(value: Any, path: Path) -> bool:
    if not isinstance(value, bool):
        raise wrong("expected bool", path)
    return value


def anything(value: Any, path: Path) -> Any:
    return value


def flag(name: str, value: str) -> bool:
    """A parameter of the query that says yes or no.

    Raises:
        BadInput
    """
    if value.lower() in ("true", "1", "t", "yes", "y", "on"):
        return True
    if value.lower() in ("false", "0", "f", "no", "n", "off"):
        return False
    raise BadInput(f"Unable to parse `{name}': Unrecognized value '{value[:50]}'")
