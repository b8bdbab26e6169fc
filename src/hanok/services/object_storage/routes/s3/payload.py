"""The body of a request as S3's clients send it: as it is, or in signed chunks, with checksums before it or behind it.

What is promised of a body (its hash, its checksum, the signatures of its chunks, its size) is held against it while it
passes; who reads to the end has what was signed, or gets an error there.

Source: "Transferring payload in multiple chunks (chunked upload)", with trailing headers.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import AsyncIterator

from hanok.services.object_storage.routes.s3 import signatures
from hanok.services.object_storage.routes.s3.checksums import NAMES, PREFIX, Checksum, decoded
from hanok.services.object_storage.routes.s3.faults import S3Error
from hanok.services.object_storage.routes.s3.signatures import UNSIGNED, Signature
from hanok.web.request import Request

STREAMING = "STREAMING-"
SIGNED_CHUNKS = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"
SIGNED_TRAILER = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER"
UNSIGNED_TRAILER = "STREAMING-UNSIGNED-PAYLOAD-TRAILER"
_LINE = 4096  # bytes of a chunk's first line, and of a trailer
_TRAILERS = 16
_CHUNK = 1 << 40
_EMPTY = hashlib.sha256(b"").hexdigest()


class Payload:
    """A body. announced: how many bytes it says it has; 0 where it says nothing. checksum: its algorithm and value."""

    def __init__(
        self, request: Request, signature: Signature, secret: str, *, checksum: bool = True
    ) -> None:
        """
        Args:
            checksum: whether the checksum among the headers is the body's.
        """
        self._request = request
        self._signature = signature
        self._secret = secret
        self._hash = signatures.payload_hash(signature, request) if signature.scope else UNSIGNED
        if signature.scope and not self._hash:
            raise S3Error(
                "InvalidRequest", "Missing required header for this request: x-amz-content-sha256"
            )
        self.checksum: tuple[str, str] | None = _named(request) if checksum else None
        self._trailer = _trailer(request)
        if self._trailer and self.checksum:
            raise S3Error("InvalidRequest", "Expecting a single x-amz-checksum- header or trailer.")
        self.announced = self._announced()

    def _announced(self) -> int:
        headers = self._request.headers
        said = headers.get("content-length")
        if self._hash.startswith(STREAMING):
            said = headers.get("x-amz-decoded-content-length")
        if said is None:
            if self._hash.startswith(STREAMING) or "transfer-encoding" not in headers:
                raise S3Error("MissingContentLength")
            return 0
        if not (said.isascii() and said.isdigit() and len(said) < 19):
            raise S3Error("InvalidArgument", "The length of the body is not a number.")
        return int(said)

    def stream(self) -> AsyncIterator[bytes]:
        """What was meant to be stored."""
        return self._checked(self._chunks() if self._hash.startswith(STREAMING) else self._plain())

    async def _checked(self, source: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        name = self._trailer or (self.checksum[0] if self.checksum else "")
        found = Checksum(name) if name else None
        size = 0
        async for piece in source:
            size += len(piece)
            if found is not None:
                found.update(piece)
            yield piece
        if self._hash.startswith(STREAMING) and size != self.announced:
            raise S3Error("IncompleteBody")
        if found is None:
            return
        if self.checksum is None:
            raise S3Error("InvalidRequest", f"The trailer {PREFIX}{name} did not come.")
        if not hmac.compare_digest(found.value, self.checksum[1]):
            raise S3Error(
                "BadDigest",
                f"The {name.upper()} you specified did not match the calculated checksum.",
            )

    async def _plain(self) -> AsyncIterator[bytes]:
        checked = self._hash != UNSIGNED
        digest = hashlib.sha256() if checked else None
        async for piece in self._request.stream():
            if digest is not None:
                digest.update(piece)
            yield piece
        if digest is not None and digest.hexdigest() != self._hash:
            raise S3Error("XAmzContentSHA256Mismatch")

    # ---- chunks ----

    async def _chunks(self) -> AsyncIterator[bytes]:
        signed = self._hash in (SIGNED_CHUNKS, SIGNED_TRAILER)
        if not signed and self._hash != UNSIGNED_TRAILER:
            raise S3Error("NotImplemented", f"{self._hash[:64]} is not served here")
        reader = _Reader(self._request.stream())
        key = self._signature.key(self._secret) if signed else b""
        before = self._signature.value
        while True:
            size, told = _head(await reader.line())
            digest = hashlib.sha256()
            left = size
            while left:
                piece = await reader.some(left)
                left -= len(piece)
                if signed:
                    digest.update(piece)
                yield piece
            if signed:
                hashes = (before, _EMPTY, digest.hexdigest())
                before = self._check("AWS4-HMAC-SHA256-PAYLOAD", key, told, hashes)
            if size == 0:
                break
            if await reader.line():
                raise S3Error("IncompleteBody", "A chunk does not end where it said.")
        await self._end(reader, key, before)

    def _check(self, what: str, key: bytes, told: str, hashes: tuple[str, ...]) -> str:
        scope = "/".join((*self._signature.scope, "aws4_request"))
        text = "\n".join((what, self._signature.at, scope, *hashes))
        made = signatures.sign(key, text.encode()).hex()
        if not hmac.compare_digest(made.encode(), told.encode("utf-8", "replace")):
            raise S3Error("SignatureDoesNotMatch")
        return made

    async def _end(self, reader: _Reader, key: bytes, before: str) -> None:
        """What stands behind the last chunk."""
        lines: list[tuple[str, str]] = []
        told = ""
        for _ in range(_TRAILERS):
            line = await reader.last_line()
            if not line:
                break
            name, _, value = line.partition(":")
            if name.strip().lower() == "x-amz-trailer-signature":
                told = value.strip()
            else:
                lines.append((name.strip().lower(), value.strip()))
        if self._hash == SIGNED_TRAILER:
            text = "".join(f"{name}:{value}\n" for name, value in lines)
            digest = hashlib.sha256(text.encode("latin-1")).hexdigest()
            self._check("AWS4-HMAC-SHA256-TRAILER", key, told, (before, digest))
        for name, value in lines:
            if not self._trailer or name != PREFIX + self._trailer:
                raise S3Error("InvalidRequest", "A trailer came that was not announced.")
            decoded(self._trailer, value)
            self.checksum = (self._trailer, value)
        await reader.finish()


def _head(line: str) -> tuple[int, str]:
    """The size and the signature of a chunk."""
    size, _, rest = line.partition(";")
    try:
        found = int(size, 16) if size and size.isalnum() else -1
    except ValueError:
        found = -1
    if not 0 <= found < _CHUNK:
        raise S3Error("IncompleteBody", "A chunk has no valid size.")
    return found, rest.strip().partition("chunk-signature=")[2]


def _named(request: Request) -> tuple[str, str] | None:
    """The checksum that a request's headers say, if one does."""
    said = [
        (name, request.headers[PREFIX + name]) for name in NAMES if PREFIX + name in request.headers
    ]
    if len(said) > 1:
        raise S3Error("InvalidRequest", "Expecting a single x-amz-checksum- header.")
    for name, value in said:
        decoded(name, value)
    return said[0] if said else None


def _trailer(request: Request) -> str:
    said = request.headers.get("x-amz-trailer", "").strip().lower()
    if not said:
        return ""
    if not said.startswith(PREFIX) or said.removeprefix(PREFIX) not in NAMES:
        raise S3Error(
            "InvalidRequest", "The value specified in the x-amz-trailer header is not supported"
        )
    return said.removeprefix(PREFIX)


class _Reader:
    """Lines and bytes of a stream, in turn."""

    def __init__(self, source: AsyncIterator[bytes]) -> None:
        self._source = source
        self._kept = b""

    async def _more(self) -> bool:
        while True:
            try:
                piece = await anext(self._source)
            except StopAsyncIteration:
                return False
            if piece:
                self._kept += piece
                return True

    async def line(self) -> str:
        """A line, without its end.

        Raises:
            S3Error: there is none.
        """
        while (at := self._kept.find(b"\r\n")) < 0:
            if len(self._kept) > _LINE or not await self._more():
                raise S3Error("IncompleteBody")
        if at > _LINE:
            raise S3Error("IncompleteBody")
        found, self._kept = self._kept[:at], self._kept[at + 2 :]
        return found.decode("latin-1")

    async def last_line(self) -> str:
        """A line of the end; empty: there is none."""
        while b"\r\n" not in self._kept and len(self._kept) <= _LINE and await self._more():
            pass
        return await self.line() if b"\r\n" in self._kept else ""

    async def some(self, maximum: int) -> bytes:
        """At least one byte, and no more than so many.

        Raises:
            S3Error: there are no more.
        """
        if not self._kept and not await self._more():
            raise S3Error("IncompleteBody")
        found, self._kept = self._kept[:maximum], self._kept[maximum:]
        return found

    async def finish(self) -> None:
        """Raises S3Error: something stands behind the end."""
        if self._kept.strip() or await self._more():
            raise S3Error("IncompleteBody", "There is more behind the last chunk.")
