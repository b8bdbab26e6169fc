"""JSON that stands within a text of somebody else's: a document inside a document, as deep as they like."""

from __future__ import annotations

from typing import Any

import msgspec


def decoded(text: str | bytes) -> Any:
    """
    Raises:
        ValueError: it is no JSON, or nested too deep to be read.
    """
    try:
        return msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise ValueError(str(error)) from None
