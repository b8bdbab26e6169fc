"""Maps of texts, as databases keep them."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from hanok.store import JSON


def has_text(column: sa.Column[Any], key: str, value: str) -> sa.ColumnElement[bool]:
    """Whether a map of texts, kept as JSON, has a key with this value: its text has, as quotes within are escaped."""
    item = f"{_json(key)}:{_json(value)}"
    text = sa.type_coerce(column, sa.Text)
    return sa.or_(*(sa.func.replace(text, f"{before}{item}", "") != text for before in "{,"))


def _json(text: str) -> str:
    found = JSON().process_bind_param(text, None)  # type: ignore[arg-type]
    return str(found)
