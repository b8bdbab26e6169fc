"""Numbers of bodies, which clients send as numbers or as texts."""

from __future__ import annotations

from hanok.base.errors import BadInput

MAXIMUM = 2_147_483_647  # what a column takes


def whole(value: object, name: str, *, least: int = 0, maximum: int = MAXIMUM) -> int:
    """A whole number that may come as text.

    Raises:
        BadInput: it is none, or out of range.
    """
    said = f"Invalid input for field/attribute {name}. Value: {str(value)[:50]}."
    try:
        if isinstance(value, bool | float) or len(str(value)) > 20:
            raise ValueError
        number = int(str(value))
    except ValueError:
        raise BadInput(f"{said} It is not an integer") from None
    if number < least:
        raise BadInput(f"{said} {number} is less than the minimum of {least}")
    if number > maximum:
        raise BadInput(f"{said} {number} is greater than the maximum of {maximum}")
    return number
