"""What other rooms may ask of images."""

from __future__ import annotations

from typing import Any

from msgspec import Struct

from hanok.store import Transaction
from hanok.web.token import Token


class ImageInfo(Struct, frozen=True, kw_only=True):
    """An image as compute wants to know it. Sizes in the named units; properties: the further attributes."""

    id: str
    name: str | None
    status: str
    disk_format: str | None
    container_format: str | None
    size_bytes: int | None
    virtual_size_bytes: int | None
    sha512: str | None
    min_disk_gib: int
    min_ram_mib: int
    owner: str | None
    visibility: str
    properties: dict[str, Any]


async def visible(tx: Transaction, token: Token, image_id: str) -> ImageInfo:
    """An image with the caller's eyes.

    Raises:
        NotFound: there is none, or the caller may not see it.
    """
    raise NotImplementedError


async def get(tx: Transaction, image_id: str) -> ImageInfo | None:
    """An image, whoever asks; for operations."""
    raise NotImplementedError
