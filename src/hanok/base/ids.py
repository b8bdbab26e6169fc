"""Ids: who makes them and what they look like."""

from __future__ import annotations

import re
import uuid

_UUID = re.compile(r"[0-9a-f]{8}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{12}", re.I)


def new_uuid() -> str:
    """A random id with dashes: servers, images, ports."""
    return str(uuid.uuid4())


def new_hex() -> str:
    """A random id of 32 hex digits: identity's form."""
    return uuid.uuid4().hex


def new_request_id() -> str:
    """The id a request is known by in answers, events and logs."""
    return f"req-{uuid.uuid4()}"


def is_uuid(text: object) -> bool:
    """Whether text is a UUID, with dashes or without."""
    return isinstance(text, str) and _UUID.fullmatch(text) is not None


def in_address(text: str) -> bool:
    """Whether an address can name a thing of this name: it is one segment of a path, whoever reads it."""
    return bool(text) and "/" not in text and text not in (".", "..")
