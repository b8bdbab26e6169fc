"""Checksums of bodies, computed where the client sends one, and of objects in parts.

Source: "Checking object integrity in Amazon S3".
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import zlib
from collections.abc import Callable, Sequence
from typing import Any

from hanok.services.object_storage.routes.s3.faults import S3Error

PREFIX = "x-amz-checksum-"
SIZES = {"crc32": 4, "crc32c": 4, "crc64nvme": 8, "sha1": 20, "sha256": 32}
NAMES = tuple(SIZES)
_CYCLIC = ("crc32", "crc32c", "crc64nvme")


def _cyclic(name: str) -> Callable[[bytes, int], int]:
    if name == "crc32":
        return zlib.crc32
    from awscrt import checksums  # what it needs is loaded when it is used

    return checksums.crc32c if name == "crc32c" else checksums.crc64nvme  # type: ignore[no-any-return]


class Checksum:
    """One that is computed while bytes pass."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._value = 0
        self._digest = None if name in _CYCLIC else hashlib.new(name, usedforsecurity=False)
        self._step = _cyclic(name) if name in _CYCLIC else None

    def update(self, data: bytes) -> None:
        if self._step is not None:
            self._value = self._step(data, self._value)
        elif self._digest is not None:
            self._digest.update(data)

    @property
    def value(self) -> str:
        """Its bytes in base64."""
        if self._digest is not None:
            raw = self._digest.digest()
        else:
            raw = self._value.to_bytes(SIZES[self.name], "big")
        return base64.b64encode(raw).decode()


def decoded(name: str, said: str) -> bytes:
    """The bytes of a checksum.

    Raises:
        S3Error: it is none.
    """
    try:
        raw = base64.b64decode(said, validate=True)
    except (binascii.Error, ValueError):
        raw = b""
    if len(raw) != SIZES[name]:
        raise S3Error("InvalidRequest", f"Value for {PREFIX}{name} header is invalid.")
    return raw


def named(said: str) -> str:
    """An algorithm as headers name it: CRC32.

    Raises:
        S3Error
    """
    name = said.lower()
    if name not in SIZES:
        raise S3Error("InvalidRequest", "Checksum algorithm provided is unsupported.")
    return name


def of_parts(name: str, parts: Sequence[Any], *, whole: bool) -> str:
    """The checksum of an object of parts (rows with `checksum` and `size`).

    Args:
        whole: that of its bytes; else that of the parts' checksums, with their number.
    """
    raws = [base64.b64decode(row.checksum) for row in parts]
    if not whole:
        found = Checksum(name)
        found.update(b"".join(raws))
        return f"{found.value}-{len(raws)}"
    from awscrt import checksums

    combine = getattr(checksums, f"combine_{name}")
    value = 0
    for number, (raw, row) in enumerate(zip(raws, parts, strict=True)):
        one = int.from_bytes(raw, "big")
        value = combine(value, one, row.size) if number else one
    return base64.b64encode(value.to_bytes(SIZES[name], "big")).decode()
