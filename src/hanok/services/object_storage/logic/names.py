"""Names, limits and times of object storage, and the error that says what is wrong with a request.

Source: the API reference; the service's own limits as /info shows them.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import format_datetime
from urllib.parse import quote, unquote_to_bytes

from msgspec import Struct

from hanok.base.errors import Refused

PREFIX = "AUTH_"
ACCOUNT_NAME = 256  # bytes of names
CONTAINER_NAME = 256
OBJECT_NAME = 1024
META_NAME = 128
META_VALUE = 256
META_COUNT = 90
META_OVERALL = 4096
HEADER_SIZE = 8192
LISTING = 10_000
POLICY = "Policy-0"  # the only storage policy


class Said(Refused):
    """An answer that is no success. text: its body; empty: what the status usually says."""

    def __init__(
        self, status: int, text: str = "", headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(text, headers=headers)
        self.status = status  # type: ignore[misc]


class Address(Struct, frozen=True):
    """What a request is about. account: a project's id; "" where a part is not named."""

    account: str
    container: str = ""
    object: str = ""

    @property
    def path(self) -> str:
        """As it stands behind /v1/ in addresses, percent-encoded."""
        whole = f"{PREFIX}{self.account}"
        if self.container:
            whole += f"/{self.container}"
        if self.object:
            whole += f"/{self.object}"
        return quote(whole)


def text_of(raw: bytes) -> str:
    """A name as text.

    Raises:
        Said
    """
    try:
        text = raw.decode()
    except UnicodeDecodeError:
        text = "\0"
    if "\0" in text:
        raise Said(412, "Invalid UTF8 or contains NULL")
    return text


def header_name(value: str) -> str:
    """A name that a header holds, percent-encoded or as its bytes of UTF-8 (which come as Latin-1).

    Raises:
        Said
    """
    return text_of(unquote_to_bytes(value.encode("latin-1", "replace")))


def address(raw_path: bytes) -> Address:
    """What a path below /v1/ names.

    Raises:
        Said: nothing that could be there.
    """
    path = text_of(unquote_to_bytes(raw_path))
    parts = path.removeprefix("/").split("/", 3)
    account, container, name = [*parts[1:], "", "", ""][:3]
    if not account or (name and not container):
        raise Said(404)
    if not account.startswith(PREFIX) or len(account) > 64 + len(PREFIX):
        raise Said(403)
    if len(container.encode()) > CONTAINER_NAME:
        length = len(container.encode())
        raise Said(400, f"Container name length of {length} longer than {CONTAINER_NAME}")
    if len(name.encode()) > OBJECT_NAME:
        raise Said(400, f"Object name length of {len(name.encode())} longer than {OBJECT_NAME}")
    return Address(account.removeprefix(PREFIX), container, name)


def named_object(value: str, header: str, account: str) -> Address:
    """An object that a header names as container/object, percent-encoded.

    Raises:
        Said
    """
    path = header_name(value).removeprefix("/")
    container, slash, name = path.partition("/")
    if not slash or not container or not name:
        raise Said(412, f"{header} header must be of the form <container name>/<object name>")
    if len(container.encode()) > CONTAINER_NAME or len(name.encode()) > OBJECT_NAME:
        raise Said(412, f"{header} header must be of the form <container name>/<object name>")
    return Address(account, container, name)


def after(prefix: str) -> str | None:
    """The least text that is greater than all that begin so, by their bytes; None: there is none."""
    while prefix:
        point = ord(prefix[-1]) + 1
        if point <= 0x10FFFF:
            return prefix[:-1] + chr(0xE000 if point == 0xD800 else point)
        prefix = prefix[:-1]
    return None


# ---- times ----


def stamp(us: int) -> str:
    """Seconds with five digits behind the point: X-Timestamp."""
    return f"{us // 1_000_000:010d}.{us % 1_000_000 // 10:05d}"


def http_date(us: int) -> str:
    """The second in which or before which it was: Last-Modified is never before the change."""
    seconds = -(-us // 1_000_000)
    return format_datetime(datetime.fromtimestamp(seconds, UTC), usegmt=True)


def iso(us: int) -> str:
    """2026-01-31T12:00:00.000000: as listings have it."""
    at = datetime.fromtimestamp(us // 1_000_000, UTC)
    return f"{at:%Y-%m-%dT%H:%M:%S}.{us % 1_000_000:06d}"
