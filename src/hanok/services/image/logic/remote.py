"""Images of another image service of this catalog, read with the token of who asks.

Where a catalog's address is the operator's, it is trusted. One that stands for "where the caller reached us" is the
caller's own word and is held against the rules for users' addresses. No redirect is followed: a token goes
nowhere else.

Source: Image API reference, "Import an image" (glance-download).
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence

import msgspec
from msgspec import Struct

from hanok.base.errors import HanokError, StepFailed
from hanok.drivers.image_stores import web
from hanok.services.image import schemas
from hanok.services.image.room import Images

MAXIMUM_SAID = 1 << 20  # bytes of an image's description
ORIGIN = "$(origin)s"


class Source(Struct, frozen=True, kw_only=True):
    """An image elsewhere. url: of its description; token: sealed; trusted: whether the operator wrote the address."""

    url: str
    token: str
    trusted: bool


class Described(Struct, frozen=True, kw_only=True):
    """What is said of it. size in bytes; properties: those that are taken over."""

    size: int
    disk_format: str
    container_format: str
    properties: dict[str, str]


class _Answer(Struct):
    status: str
    size: int
    disk_format: str
    container_format: str


def source(address: str | None, origin: str, image_id: str, token: str) -> Source:
    """Where the image is.

    Args:
        address: of the image service, as the catalog has it; None when it has none: reading will say so.
        origin: where the caller reached us. token: sealed.
    """
    base = (address or "").replace(ORIGIN, origin).rstrip("/").removesuffix("/v2")
    return Source(
        url=f"{base}/v2/images/{image_id}" if address else "",
        token=token,
        trusted=ORIGIN not in (address or ""),
    )


async def describe(room: Images, there: Source, prefixes: Sequence[str]) -> Described:
    """Ask what the image is.

    Args:
        prefixes: of the names of properties that are taken over.

    Raises:
        StepFailed: it cannot be asked, or the image cannot be taken.
    """
    text = b""
    try:
        async for piece in _read(room, there, there.url, MAXIMUM_SAID):
            text += piece
        said = msgspec.json.decode(text)
        known = msgspec.convert(said, _Answer)
    except (web.NotAllowed, web.WebBroken, msgspec.MsgspecError) as error:
        raise StepFailed(f"The other cloud does not say what the image is: {error}.") from error
    if known.status != "active":
        raise StepFailed(f"The image in the other cloud is {known.status[:20]}, not active.")
    properties = {
        name: value
        for name, value in said.items()
        if name.startswith(tuple(prefixes)) and not name.startswith("os_glance")
    }
    try:
        for name, value in (properties | msgspec.to_builtins(known)).items():
            if name not in ("status", "size"):
                schemas.checked(name, value)
    except HanokError as error:
        raise StepFailed(
            f"The image in the other cloud cannot be taken: {error.message}"
        ) from error
    return Described(
        size=known.size,
        disk_format=known.disk_format,
        container_format=known.container_format,
        properties=properties,
    )


def data(room: Images, there: Source) -> AsyncIterator[bytes]:
    """Its bytes. Raises NotAllowed, WebBroken, StepFailed."""
    return _read(room, there, f"{there.url}/file", room.settings.maximum_bytes)


async def _read(room: Images, there: Source, url: str, maximum: int) -> AsyncIterator[bytes]:
    if not url.startswith("http"):
        raise StepFailed("There is no such image service in the catalog.")
    token = None if room.secrets is None else room.secrets.open(there.token)
    if token is None:
        raise StepFailed("The token of the user who requested the import is no longer kept.")
    rules = None if there.trusted else room.settings.web
    async for piece in web.read(rules, url, maximum=maximum, token=token.decode()):
        yield piece
