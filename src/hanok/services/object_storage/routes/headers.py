"""Headers as metadata: what is taken, its limits, and how it is shown.

Names are kept in small letters. Values are texts of UTF-8; on the wire they are its bytes, which the server below hands
on as Latin-1.
"""

from __future__ import annotations

import mimetypes
from collections.abc import Mapping

from hanok.services.object_storage.logic.names import (
    HEADER_SIZE,
    META_COUNT,
    META_NAME,
    META_OVERALL,
    META_VALUE,
    Said,
)
from hanok.services.object_storage.room import ObjectStore
from hanok.services.object_storage.routes.call import Call, is_true

KEPT = (
    "content-encoding", "content-disposition", "content-language", "cache-control", "expires",
    "x-robots-tag",
)  # fmt: skip
# What only owners see.
SECRET = (
    "x-account-meta-temp-url-key", "x-account-meta-temp-url-key-2", "x-container-meta-temp-url-key",
    "x-container-meta-temp-url-key-2", "x-container-sync-key",
)  # fmt: skip
# Of whoever wrote a container's access lists: where the names in them are from. No header of that name is kept.
DOMAIN = "domain"
# Of what S3 says of buckets and objects beside metadata; no header of such a name is kept.
S3 = "s3-"
LATEST = 9_999_999_999  # seconds since 1970 that X-Delete-At can say
OCTETS = "application/octet-stream"


def wire(value: str) -> str:
    """A text as the server below wants it."""
    return value.encode().decode("latin-1")


def text(value: str, name: str) -> str:
    """What was sent in a header.

    Raises:
        Said: it is no UTF-8.
    """
    try:
        found = value.encode("latin-1").decode()
    except (UnicodeDecodeError, UnicodeEncodeError):
        raise Said(400, f"{name} must be valid UTF-8") from None
    if any(character in found for character in "\0\r\n"):
        raise Said(400, f"{name} holds a character that no header may")
    return found


def metadata(call: Call, kind: str, *, removals: bool = False) -> dict[str, str]:
    """What a request says as X-<kind>-Meta-…; an empty value takes the name away, as X-Remove-<kind>-Meta-… does.

    Raises:
        Said: it is over a limit.
    """
    prefix = f"x-{kind}-meta-"
    found: dict[str, str] = {}
    for name, value in call.headers.items():
        if len(value) > HEADER_SIZE:
            raise Said(400, f"Header value too long: {name[:META_NAME]}")
        if removals and name.startswith(f"x-remove-{kind}-meta-"):
            found.setdefault(prefix + name.removeprefix(f"x-remove-{kind}-meta-"), "")
        elif name.startswith(prefix):
            found[name] = text(value, name)
    check(found, kind)
    return found


def check(found: Mapping[str, str], kind: str) -> None:
    """Hold metadata against its limits.

    Raises:
        Said
    """
    prefix = f"x-{kind}-meta-"
    overall = 0
    for name, value in found.items():
        key = name.removeprefix(prefix)
        size = len(value.encode())
        if not key:
            raise Said(400, "Metadata name cannot be empty")
        if len(key) > META_NAME:
            raise Said(400, f"Metadata name too long: {name}")
        if size > META_VALUE:
            raise Said(400, f"Metadata value longer than {META_VALUE}: {name}")
        overall += len(key) + size
    if sum(1 for value in found.values() if value) > META_COUNT:
        raise Said(400, f"Too many metadata items; max {META_COUNT}")
    if overall > META_OVERALL:
        raise Said(400, f"Total metadata too large; max {META_OVERALL}")


def shown(found: Mapping[str, str], *, owner: bool) -> dict[str, str]:
    """Metadata as headers of an answer."""
    return {
        _titled(name): wire(value)
        for name, value in found.items()
        if name != DOMAIN and not name.startswith(S3) and (owner or name not in SECRET)
    }


def _titled(name: str) -> str:
    return "-".join(part.capitalize() for part in name.split("-"))


def kept(call: Call) -> dict[str, str]:
    """The headers that an object keeps beside its metadata."""
    return {name: text(call.headers[name], name) for name in KEPT if call.headers.get(name)}


def guessed(name: str) -> str:
    """The type that a name looks like."""
    return mimetypes.guess_type(name, strict=False)[0] or OCTETS


def content_type(call: Call, name: str) -> str:
    """The type that an object gets: as said, or as its name looks.

    Raises:
        Said
    """
    said = call.headers.get("content-type", "")
    if is_true(call.headers.get("x-detect-content-type")) or not said:
        return guessed(name)
    return text(said, "Content-Type")


def of_s3(found: Mapping[str, str], *names: str) -> dict[str, str]:
    """What S3 says of an object among its headers; all of it, or what is named."""
    return {
        name: value
        for name, value in found.items()
        if (name in names if names else name.startswith(S3))
    }


def delete_at(call: Call, room: ObjectStore) -> int | None:
    """When an object is to end, in seconds since 1970.

    Raises:
        Said
    """
    if (later := call.headers.get("x-delete-after")) is not None:
        if not later.lstrip("-").isdigit() or not later.isascii() or len(later) > 18:
            raise Said(400, "Non-integer X-Delete-After")
        if int(later) < 1:
            raise Said(400, "X-Delete-After in past")
        return min(int(room.now_s()) + int(later), LATEST)
    if (at := call.headers.get("x-delete-at")) is not None:
        if not at.lstrip("-").isdigit() or not at.isascii() or len(at) > 4096:
            raise Said(400, "Non-integer X-Delete-At")
        if at.startswith("-") or (len(at) < 19 and int(at) <= room.now_s()):
            raise Said(400, "X-Delete-At in past")
        return min(int(at[:19]), LATEST)
    return None
