"""One request to S3: who signed it, what it is about, and what is shared by its handlers."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Row
from starlette.responses import Response

from hanok.services.object_storage.logic import containers, versions
from hanok.services.object_storage.logic.names import Address
from hanok.services.object_storage.room import ObjectStore
from hanok.services.object_storage.routes.call import Call
from hanok.services.object_storage.routes.s3 import xml
from hanok.services.object_storage.routes.s3.faults import S3Error
from hanok.services.object_storage.routes.s3.payload import Payload
from hanok.services.object_storage.routes.s3.signatures import Signature
from hanok.services.object_storage.routes.s3.xml import Element
from hanok.web.app import check_access_rules
from hanok.web.request import Request
from hanok.web.token import Token


class S3Call:
    """A request that was signed.

    query: the last value of each parameter. swift: the same request as Swift's parts see it.
    """

    def __init__(
        self,
        request: Request,
        room: ObjectStore,
        *,
        signature: Signature,
        secret: str,
        token: Token,
        query: Mapping[str, str],
        bucket: str,
        key: str,
    ) -> None:
        assert token.project_id is not None
        self.request = request
        self.room = room
        self.method = request.method
        self.headers = request.headers
        self.query = query
        self.signature = signature
        self.token = token
        self.account: str = token.project_id
        self.bucket = bucket
        self.key = key
        self.address = Address(self.account, bucket, key)
        self.swift = Call(request, room, self.address)
        self._secret = secret

    # ---- rights ----

    def check_owner(self) -> None:
        if not self.swift.owner:
            raise S3Error("AccessDenied")

    async def container(self) -> Row[Any]:
        """The bucket, whoever may do what with it.

        Raises:
            S3Error: it is not there.
        """
        async with self.room.database.read() as tx:
            row = await containers.get(tx, self.account, self.bucket)
        if row is None:
            raise S3Error("NoSuchBucket", fields={"BucketName": self.bucket})
        return row

    async def readable(self, *, listing: bool = False) -> Row[Any]:
        """The bucket, if the caller may read what is in it."""
        row = await self.container()
        if not self.swift.may_read(row, listing=listing):
            raise S3Error("AccessDenied")
        return row

    async def writable(self) -> Row[Any]:
        """The bucket, if the caller may write to it."""
        row = await self.container()
        if not self.swift.may_write(row):
            raise S3Error("AccessDenied")
        return row

    async def owned(self) -> Row[Any]:
        """The bucket, if the caller may change what is said of it."""
        self.check_owner()
        return await self.container()

    def check_rules(self, method: str, bucket: str, key: str) -> None:
        """Hold what the body or a header names against the access rules of the key, as if it were asked for by itself.

        Raises:
            Forbidden
        """
        check_rules(self.token, method, bucket, key)

    # ---- what was sent ----

    def payload(self, *, checksum: bool = True) -> Payload:
        """See Payload."""
        return Payload(self.request, self.signature, self._secret, checksum=checksum)

    def md5(self) -> str:
        """The hash of the body in hexadecimal digits, as it is promised; empty: it is not.

        Raises:
            S3Error
        """
        said = self.headers.get("content-md5")
        if said is None:
            return ""
        try:
            raw = base64.b64decode(said, validate=True)
        except (binascii.Error, ValueError):
            raw = b""
        if len(raw) != 16:
            raise S3Error("InvalidDigest")
        return raw.hex()

    async def body(self, limit: int = xml.SIZE, *, checksum: bool = True) -> bytes:
        """The body, whole.

        Raises:
            S3Error
        """
        md5, payload = self.md5(), self.payload(checksum=checksum)
        found = bytearray()
        if payload.announced <= limit:
            async for piece in payload.stream():
                found += piece
                if len(found) > limit:
                    break
        if payload.announced > limit or len(found) > limit:
            raise S3Error("MaxMessageLengthExceeded")
        made = hashlib.md5(found, usedforsecurity=False).hexdigest()
        if md5 and not hmac.compare_digest(md5, made):
            raise S3Error("BadDigest")
        return bytes(found)

    async def document(self, root: str, *, checksum: bool = True) -> xml.Node:
        """The body as XML. checksum: see Payload.

        Raises:
            S3Error
        """
        try:
            return xml.read(await self.body(checksum=checksum), root)
        except xml.Malformed:
            raise S3Error("MalformedXML") from None

    def version(self) -> int | None:
        """The version that is asked for; None: no certain one. Versions are the owner's, as they are to Swift.

        Raises:
            S3Error
        """
        said = self.query.get("versionId")
        if said is None:
            return None
        self.check_owner()
        found = versions.read(said)
        if found is None:
            raise S3Error(
                "InvalidArgument",
                "Invalid version id specified",
                fields={"ArgumentName": "versionId"},
            )
        return found

    def number(self, name: str, default: int, maximum: int, *, minimum: int = 0) -> int:
        """A number of the query; more than the maximum is that.

        Raises:
            S3Error
        """
        said = self.query.get(name)
        if said is None or said == "":
            return default
        if not (said.isascii() and said.isdigit() and len(said) < 11) or int(said) < minimum:
            raise S3Error("InvalidArgument", f"Provided {name} not an integer or within integer range",
                          fields={"ArgumentName": name})  # fmt: skip
        return min(int(said), maximum)


def check_rules(token: Token, method: str, bucket: str, key: str) -> None:
    """Hold a request against the access rules of an application credential's key, by the path that Swift has for it.

    Raises:
        Forbidden
    """
    if token.access_rules is not None:
        where = "/".join(one for one in (f"/v1/AUTH_{token.project_id}", bucket, key) if one)
        check_access_rules(token, "object-store", method, where)


def answer(root: Element, headers: Mapping[str, str] | None = None) -> Response:
    """XML as an answer."""
    return Response(xml.document(root), 200, {"Content-Type": xml.TYPE, **(headers or {})})


def nothing(status: int = 204, headers: Mapping[str, str] | None = None) -> Response:
    """An answer without a body."""
    own = {"Content-Length": "0"} if status != 204 else {}
    return Response(None, status, {**own, **(headers or {})})


def iso(us: int) -> str:
    """A time as S3's documents have it: the same second as Last-Modified says."""
    return f"{datetime.fromtimestamp(-(-us // 1_000_000), UTC):%Y-%m-%dT%H:%M:%S}.000Z"


def owner(call: S3Call, name: str = "Owner") -> Element:
    """The project that a bucket is of."""
    return xml.element(
        name,
        xml.element("ID", call.account),
        xml.element("DisplayName", call.token.project_name or ""),
    )


def version_headers(
    row_mode: str, version_us: int | None, *, marker: bool = False
) -> dict[str, str]:
    """Headers that say which version an answer is about; None: nothing to say.

    Args:
        row_mode: of the container.
    """
    found: dict[str, str] = {}
    if row_mode in versions.MODES and version_us is not None:
        found["x-amz-version-id"] = versions.shown(version_us)
    if marker:
        found["x-amz-delete-marker"] = "true"
    return found
