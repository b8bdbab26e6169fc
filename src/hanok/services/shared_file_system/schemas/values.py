"""Values that bodies and queries of shared file systems have in common."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from msgspec import UNSET, Meta, UnsetType

from hanok.base.errors import BadInput

Text = Annotated[str, Meta(max_length=255)]
Name = Annotated[str, Meta(min_length=1, max_length=255)]
UUIDText = Annotated[str, Meta(pattern=r"^[0-9a-fA-F]{8}-?([0-9a-fA-F]{4}-?){3}[0-9a-fA-F]{12}$")]
OptionalText = Text | UnsetType | None
Flag = bool | str | int
KEY, VALUE, ITEMS = 255, 1023, 128  # of metadata
LARGEST = 2_147_483_647
TRUE = ("true", "1", "yes", "on", "t", "y")
FALSE = ("false", "0", "no", "off", "f", "n")


def given(value: Any) -> Any:
    """A field's value; None where it was not sent."""
    return None if value is UNSET else value


def truth(value: object, name: str) -> bool:
    """A flag that may come as text.

    Raises:
        BadInput: it is none.
    """
    text = str(value).strip().lower()
    if text in TRUE:
        return True
    if text in FALSE:
        return False
    raise BadInput(f"Invalid value '{str(value)[:100]}' for {name}: it must be a boolean.")


def whole(value: object, name: str, *, least: int = 0, maximum: int = LARGEST) -> int:
    """A whole number that may come as text.

    Raises:
        BadInput: it is none, or out of range.
    """
    try:
        if isinstance(value, bool | float) or len(str(value)) > 20:
            raise ValueError
        number = int(str(value))
    except ValueError:
        raise BadInput(
            f"Invalid value '{str(value)[:50]}' for {name}: it must be an integer."
        ) from None
    if not least <= number <= maximum:
        raise BadInput(f"Invalid value {number} for {name}: it must be {least} to {maximum}.")
    return number


def check_metadata(metadata: object) -> dict[str, str]:
    """Metadata as it is kept.

    Raises:
        BadInput: it is no map of texts, or a key or a value is too long or empty.
    """
    if not isinstance(metadata, Mapping):
        raise BadInput("Invalid metadata: it must be a map of keys and values.")
    if len(metadata) > ITEMS:
        raise BadInput(f"Invalid metadata: there are at most {ITEMS} items.")
    for key, value in metadata.items():
        if not isinstance(value, str):
            raise BadInput(f"Invalid metadata: the value of {key[:100]} must be a text.")
        if not 0 < len(key) <= KEY:
            raise BadInput(f"Invalid metadata: a key has 1 to {KEY} characters.")
        if not 0 < len(value) <= VALUE:
            raise BadInput(f"Invalid metadata: a value has 1 to {VALUE} characters.")
    return {str(key): str(value) for key, value in metadata.items()}
