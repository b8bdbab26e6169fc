"""Payloads: of which content types, how they come and go.

Source: Key Manager API v1 reference, "Secret types and content types".
"""

from __future__ import annotations

import base64
import binascii
from typing import Any

from sqlalchemy import Row

from hanok.base.errors import (
    BadInput,
    NotAcceptable,
    NotFound,
    TooLarge,
    Unavailable,
    UnsupportedType,
)
from hanok.services.key_manager.logic.errors import unfit
from hanok.services.key_manager.room import KeyManager
from hanok.services.key_manager.schemas import NewSecret
from hanok.web.faults import preferred

TEXT, BYTES, PKCS8 = "text/plain", "application/octet-stream", "application/pkcs8"
ENCODED = (BYTES, PKCS8)
SUPPORTED = (TEXT, f"{TEXT};charset=utf-8", f"{TEXT}; charset=utf-8", BYTES, PKCS8)


def content_type(sent: str) -> str | None:
    """One of the three, or None: it is not taken."""
    kind, _, parameter = (part.strip().lower() for part in sent.partition(";"))
    if kind == TEXT and parameter.replace(" ", "") in ("", "charset=utf-8"):
        return TEXT
    return kind if kind in ENCODED and not parameter else None


def of_body(room: KeyManager, body: NewSecret) -> tuple[bytes, str] | None:
    """The payload and its type that a new secret comes with; None: it comes later.

    Raises:
        BadInput, TooLarge
    """
    if not isinstance(body.payload, str):
        if body.payload_content_type is not None:  # an encoding alone says nothing; clients send it
            why = "payload must be provided when payload_content_type is specified"
            raise unfit("Secret", why, "payload")
        return None
    if body.payload_content_type is None:
        why = "If 'payload' is supplied, 'payload_content_type' must also be supplied."
        raise unfit("Secret", why, "payload_content_type")
    kind = content_type(body.payload_content_type)
    if kind is None:
        why = f"payload_content_type is not one of {list(SUPPORTED)}"
        raise unfit("Secret", why, "payload_content_type")
    expected = None if kind == TEXT else "base64"
    if body.payload_content_encoding != expected:
        why = f"payload_content_encoding is not one of {expected and [expected]}"
        raise unfit("Secret", why, "payload_content_encoding")
    payload = body.payload.strip()
    if not payload:
        raise unfit("Secret", "If 'payload' specified, must be non empty", "payload")
    try:
        raw = payload.encode() if expected is None else _decoded(payload.encode())
    except ValueError:
        why = "Invalid payload for payload_content_encoding"
        raise unfit("Secret", why, "payload") from None
    return fitting(room, raw), kind


def _decoded(sent: bytes) -> bytes:
    """Raises ValueError."""
    try:
        return base64.b64decode(b"".join(sent.split()), validate=True)
    except binascii.Error as error:
        raise ValueError(str(error)) from None


def fitting(room: KeyManager, raw: bytes) -> bytes:
    """Raises BadInput: it is empty. TooLarge."""
    if not raw:
        raise BadInput("No information provided to process.")
    if len(raw) > room.settings.maximum_secret_bytes:
        raise TooLarge("Provided information too large to process")
    return raw


def of_upload(room: KeyManager, raw: bytes, sent_type: str, encoding: str) -> tuple[bytes, str]:
    """The payload and its type that come in the second step.

    Raises:
        BadInput, TooLarge, UnsupportedType
    """
    kind = content_type(sent_type)
    if kind is None:
        raise UnsupportedType(f"Content-Type of '{sent_type[:100]}' is not supported for PUT.")
    if kind == TEXT:
        _is_text(raw)
    coding = encoding.strip().lower()
    if coding not in ("", "identity", "binary") and (kind == TEXT or coding != "base64"):
        raise BadInput(f"Content-Encoding of '{coding[:100]}' is not supported for {kind}.")
    if coding == "base64":
        try:
            raw = _decoded(raw)
        except ValueError:
            raise BadInput("Unable to decode request data.") from None
    return fitting(room, raw), kind


def _is_text(raw: bytes) -> None:
    try:
        raw.decode()
    except UnicodeDecodeError:
        raise BadInput("Unable to decode request data.") from None


def opened(room: KeyManager, row: Row[Any]) -> bytes:
    """The payload of a secret.

    Raises:
        NotFound: it has none. Unavailable: the cloud's key is not the one that sealed it.
    """
    if row.sealed is None:
        raise NotFound("Not Found. Sorry but your secret has no payload.")
    raw = room.key.open(row.sealed)
    if raw is None:
        raise Unavailable("The secret cannot be opened with the cloud's key.")
    return raw


def offered(raw: bytes, kind: str, accept: str) -> str:
    """The content type that a payload is answered as.

    Raises:
        NotAcceptable
    """
    offers = [kind, *(one for one in ENCODED if one != kind)]
    if kind != TEXT and _reads_as_text(raw):
        offers.append(TEXT)
    found = preferred(accept, offers)
    if found is None:
        raise NotAcceptable(
            f"Secret payload retrieval issue seen - {accept[:100]} is not available."
        )
    return found


def _reads_as_text(raw: bytes) -> bool:
    try:
        raw.decode()
    except UnicodeDecodeError:
        return False
    return True
