"""What image's handlers work with."""

from __future__ import annotations

from pathlib import Path

from msgspec import Struct

from hanok.base.clock import Clock
from hanok.store import Database


class ImageSettings(Struct, frozen=True, kw_only=True):
    """An operator's choices.

    most_bytes: the largest image taken. match_format: whether bytes must be what disk_format says.
    """

    most_bytes: int = 1 << 40
    match_format: bool = True


class Images(Struct, frozen=True, kw_only=True):
    """files: the folder of the images' data, one file an image, named by its id."""

    clock: Clock
    database: Database
    files: Path
    settings: ImageSettings = ImageSettings()
