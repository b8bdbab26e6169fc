"""What is said of input that is wrong, in the words that clients know.

Source: Aodh's own texts of errors.
"""

from __future__ import annotations

from hanok.base.errors import BadInput


def invalid(field: str, value: object = None, why: str = "") -> BadInput:
    """A field of a body or a query is wrong. why: a sentence."""
    text = f"Invalid input for field/attribute {field}."
    if value is not None:
        text += f" Value: '{str(value)[:200]}'."
    return BadInput(f"{text} {why}".rstrip())
