"""A store in a bucket of an S3 server: one object a key, larger ones in parts.

Requests are signed (SigV4) and sent from threads: hashing a part for its signature would hold up the event loop.

Source: Amazon S3 API reference (PutObject, multipart uploads, GetObject with ranges).
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from html import escape, unescape
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlsplit

from hanok.drivers.image_stores import StoreBroken, StoreFull, StoreMissing

if TYPE_CHECKING:
    import httpx

PART = (
    16 << 20
)  # of at least 5 MiB, except the last one; ours are also what an upload holds in memory
GROW_AFTER = (
    1000  # an object has at most 10,000 parts: later ones are larger, which makes room for 880 GiB
)
PIECE = 1 << 20
TIMEOUT_S = 60.0  # for a server to answer, or to take or give the next bytes
TRIES = 3

_UPLOAD_ID = re.compile(r"<UploadId>([^<]+)</UploadId>")
_KEY = re.compile(r"<Key>([^<]+)</Key>")
_SIZE = re.compile(r"<Size>(\d+)</Size>")
_WRITTEN = re.compile(r"<LastModified>([^<]+)</LastModified>")
_BEGUN = re.compile(r"<Initiated>([^<]+)</Initiated>")


def _parts(text: str, name: str) -> list[str]:
    """What is inside of each element of a name, in one pass, whatever the server has sent."""
    pieces = text.split(f"<{name}>")[1:]
    return [inner for inner, end, _ in (one.partition(f"</{name}>") for one in pieces) if end]


class S3Store:
    kind = "s3"

    def __init__(
        self, *, endpoint: str, bucket: str, region: str, access_key: str, secret_key: str
    ) -> None:
        """
        Args:
            endpoint: the server's address, without the bucket: https://s3.example.org.
        """
        self.endpoint = endpoint.rstrip("/")
        self.bucket = bucket
        self._auth = (access_key, secret_key, region)
        self._made: httpx.Client | None = None

    @property
    def _client(self) -> httpx.Client:
        if self._made is None:
            # Imported where it is used: a cloud without such a store starts without it.
            import httpx
            from httpx_auth import AWS4Auth

            access_key, secret_key, region = self._auth
            self._made = httpx.Client(
                auth=AWS4Auth(access_key, secret_key, region, "s3"),
                timeout=TIMEOUT_S,
                trust_env=False,
            )
        return self._made

    def close(self) -> None:
        if self._made is not None:
            self._made.close()
            self._made = None

    def _address(self, key: str) -> str:
        return f"{self.endpoint}/{self.bucket}/{quote(key)}"

    def _send(
        self,
        method: str,
        address: str,
        *,
        params: dict[str, str] | None = None,
        content: bytes = b"",
        good: tuple[int, ...] = (200, 204),
        tries: int = TRIES,
        timeout_s: float = TIMEOUT_S,
    ) -> httpx.Response:
        """One request, tried again when the server was in trouble (in a thread)."""
        import httpx

        why = ""
        for _ in range(tries):
            try:
                answer = self._client.request(
                    method, address, params=params, content=content, timeout=timeout_s
                )
            except httpx.TransportError as error:
                why = f"{type(error).__name__}: {error}"
                continue
            if answer.status_code in good:
                return answer
            why = f"{answer.status_code} {answer.text[:300]}"
            if answer.status_code < 500 or answer.status_code == 507:
                break
        if " XMinioStorageFull" in why or "507 " in why or "QuotaExceeded" in why:
            raise StoreFull(why)
        raise StoreBroken(f"{method} {address}: {why}")

    async def put(self, key: str, pieces: AsyncIterator[bytes], *, attempt: str) -> int:
        address = self._address(key)
        buffer, upload_id, size = bytearray(), "", 0
        tags: list[str] = []
        try:
            async for piece in pieces:
                buffer += piece
                size += len(piece)
                if len(buffer) >= PART * (1 + len(tags) // GROW_AFTER):
                    if not upload_id:
                        upload_id = await asyncio.to_thread(self._begin, address)
                    content, buffer = bytes(buffer), bytearray()
                    tags.append(
                        await asyncio.to_thread(
                            self._part, address, upload_id, len(tags) + 1, content
                        )
                    )
            if not upload_id:
                await asyncio.to_thread(self._send, "PUT", address, content=bytes(buffer))
                return size
            if buffer:
                last = bytes(buffer)
                tags.append(
                    await asyncio.to_thread(self._part, address, upload_id, len(tags) + 1, last)
                )
            await asyncio.to_thread(self._finish, address, upload_id, tags)
            upload_id = ""
            return size
        finally:
            if upload_id:
                await asyncio.shield(asyncio.to_thread(self._abort, address, upload_id))

    def _begin(self, address: str) -> str:
        answer = self._send("POST", address, params={"uploads": ""})
        found = _UPLOAD_ID.search(answer.text)
        if found is None:
            raise StoreBroken(f"{address}: the server began no upload: {answer.text[:300]}")
        return unescape(found[1])

    def _part(self, address: str, upload_id: str, number: int, content: bytes) -> str:
        params = {"partNumber": str(number), "uploadId": upload_id}
        return str(self._send("PUT", address, params=params, content=content).headers["etag"])

    def _finish(self, address: str, upload_id: str, tags: list[str]) -> None:
        parts = "".join(
            f"<Part><PartNumber>{number}</PartNumber><ETag>{escape(tag)}</ETag></Part>"
            for number, tag in enumerate(tags, 1)
        )
        body = f"<CompleteMultipartUpload>{parts}</CompleteMultipartUpload>".encode()
        answer = self._send("POST", address, params={"uploadId": upload_id}, content=body)
        if "<Error>" in answer.text:  # also this can come with 200
            raise StoreBroken(f"{address}: {answer.text[:300]}")

    def _abort(self, address: str, upload_id: str) -> None:
        self._send("DELETE", address, params={"uploadId": upload_id}, good=(200, 204, 404))

    async def abandon(self, key: str, *, attempt: str) -> None:
        await asyncio.to_thread(self._abandon, key)

    def _abandon(self, key: str) -> None:
        """A server does not know attempts: all unfinished uploads of the key are ended."""
        params = {"uploads": "", "prefix": key}
        answer = self._send("GET", f"{self.endpoint}/{self.bucket}", params=params)
        for upload in _parts(answer.text, "Upload"):
            name, upload_id = _KEY.search(upload), _UPLOAD_ID.search(upload)
            if name and upload_id and unescape(name[1]) == key:
                self._abort(self._address(key), unescape(upload_id[1]))

    async def get(self, key: str, start: int, length: int) -> AsyncIterator[bytes]:
        import httpx

        if not length:
            return
        headers = {"Range": f"bytes={start}-{start + length - 1}"}
        request = self._client.build_request("GET", self._address(key), headers=headers)
        try:
            answer = await asyncio.to_thread(self._client.send, request, stream=True)
            try:
                if answer.status_code == 404:
                    raise StoreMissing(f"{request.url} is not there")
                if answer.status_code not in (200, 206):
                    raise StoreBroken(f"{request.url}: {answer.status_code}")
                got = 0
                parts = answer.iter_bytes(PIECE)
                while piece := await asyncio.to_thread(_next, parts):
                    got += len(piece)
                    yield piece
                if got != length:
                    raise StoreBroken(f"{request.url} ends after {got} of {length} bytes")
            finally:
                answer.close()
        except httpx.TransportError as error:
            raise StoreBroken(f"{request.url}: {type(error).__name__}: {error}") from error

    async def delete(self, key: str) -> None:
        address = self._address(key)
        await asyncio.to_thread(self._send, "DELETE", address, good=(200, 204, 404))

    async def size(self, key: str) -> int | None:
        answer = await asyncio.to_thread(
            self._send, "HEAD", self._address(key), good=(200, 404, 403)
        )
        return int(answer.headers["content-length"]) if answer.status_code == 200 else None

    async def listed(self, after: str, *, timeout_s: float) -> tuple[dict[str, int], bool]:
        """Up to 1,000 objects whose keys come after this one, with their bytes; and whether these were the last."""
        params = {"list-type": "2", **({"start-after": after} if after else {})}
        answer = await asyncio.to_thread(
            self._send,
            "GET",
            f"{self.endpoint}/{self.bucket}",
            params=params,
            good=(200,),
            tries=1,
            timeout_s=timeout_s,
        )
        found = {}
        for one in _parts(answer.text, "Contents"):
            key, size = _KEY.search(one), _SIZE.search(one)
            if key and size:
                found[unescape(key[1])] = int(size[1])
        return found, not found or "<IsTruncated>true</IsTruncated>" not in answer.text

    async def entries(self, prefix: str, after: str) -> tuple[list[tuple[str, int, str]], bool]:
        """Up to 1,000 objects whose keys begin so and come after one; and whether these were the last.

        Returns:
            Of each its key, its bytes and when it was written, as the server says it.
        """
        params = {"list-type": "2", "prefix": prefix, **({"start-after": after} if after else {})}
        address = f"{self.endpoint}/{self.bucket}"
        answer = await asyncio.to_thread(self._send, "GET", address, params=params)
        found = []
        for one in _parts(answer.text, "Contents"):
            key, size, at = _KEY.search(one), _SIZE.search(one), _WRITTEN.search(one)
            if key and size and at:
                found.append((unescape(key[1]), int(size[1]), at[1]))
        return found, not found or "<IsTruncated>true</IsTruncated>" not in answer.text

    async def uploads(self, prefix: str) -> list[tuple[str, str, str]]:
        """Some uploads that have not ended, of keys that begin so: the key, the upload's id, when it began."""
        params = {"uploads": "", "prefix": prefix}
        address = f"{self.endpoint}/{self.bucket}"
        answer = await asyncio.to_thread(self._send, "GET", address, params=params)
        found = []
        for one in _parts(answer.text, "Upload"):
            key, upload, at = _KEY.search(one), _UPLOAD_ID.search(one), _BEGUN.search(one)
            if key and upload and at:
                found.append((unescape(key[1]), unescape(upload[1]), at[1]))
        return found

    async def end(self, key: str, upload: str) -> None:
        """End an upload; that there is none is no error."""
        await asyncio.to_thread(self._abort, self._address(key), upload)

    def url(self, key: str) -> str:
        return f"s3://{urlsplit(self.endpoint).netloc}/{self.bucket}/{key}"

    def path(self, key: str) -> Path | None:
        return None


def _next(parts: Any) -> bytes:
    return next(parts, b"")
