"""What tests of S3 share: a client that signs as the documents say, without code of the service."""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote
from xml.etree import ElementTree

import httpx
from tests.api.object_storage.objects import Swift
from tests.cloud import Cloud

HOST = "cloud:8080"
Pairs = list[tuple[str, str]]


def _hmac(key: bytes, text: str) -> bytes:
    return hmac.new(key, text.encode(), "sha256").digest()


class S3:
    """A user with a key."""

    def __init__(self, http: httpx.AsyncClient, access: str, secret: str, account: str) -> None:
        self.http, self.access, self.secret, self.account = http, access, secret, account
        self.seed = ""
        self.now: Callable[[], datetime] = lambda: datetime.now(UTC)

    def key(self, day: str, region: str = "us-east-1") -> bytes:
        found = b"AWS4" + self.secret.encode()
        for part in (day, region, "s3", "aws4_request"):
            found = _hmac(found, part)
        return found

    def sign(
        self,
        method: str,
        path: str,
        query: Pairs,
        headers: dict[str, str],
        at: datetime,
        digest: str,
    ) -> tuple[str, str]:
        """The credential's scope and the signature of a request; path is percent-encoded."""
        moment = f"{at:%Y%m%dT%H%M%SZ}"
        scope = f"{at:%Y%m%d}/us-east-1/s3/aws4_request"
        pairs = "&".join(
            f"{quote(name, safe='')}={quote(value, safe='')}" for name, value in sorted(query)
        )
        names = sorted(headers)
        lines = "".join(f"{name}:{headers[name].strip()}\n" for name in names)
        canonical = "\n".join((method, path, pairs, lines, ";".join(names), digest))
        text = "\n".join(
            ("AWS4-HMAC-SHA256", moment, scope, hashlib.sha256(canonical.encode()).hexdigest())
        )
        return scope, _hmac(self.key(f"{at:%Y%m%d}"), text).hex()

    async def __call__(
        self,
        method: str,
        path: str,
        status: int | None = None,
        *,
        query: Pairs | None = None,
        headers: dict[str, str] | None = None,
        content: bytes = b"",
        at: datetime | None = None,
        digest: str = "",
        unsigned: dict[str, str] | None = None,
    ) -> httpx.Response:
        """A signed request.

        Args:
            path: as it is, not encoded. digest: what is said of the body. unsigned: further headers.
        """
        query, at = query or [], at or self.now()
        digest = digest or hashlib.sha256(content).hexdigest()
        path = quote(path, safe="/-_.~")
        sent = {name.lower(): value for name, value in (headers or {}).items()}
        sent |= {"host": HOST, "x-amz-date": f"{at:%Y%m%dT%H%M%SZ}", "x-amz-content-sha256": digest}
        scope, self.seed = self.sign(method, path, query, sent, at, digest)
        names = ";".join(sorted(sent))
        sent["authorization"] = (
            f"AWS4-HMAC-SHA256 Credential={self.access}/{scope}, SignedHeaders={names}, Signature={self.seed}"
        )
        return await self.send(method, path, query, {**sent, **(unsigned or {})}, content, status)

    async def send(
        self,
        method: str,
        path: str,
        query: Pairs,
        headers: dict[str, str],
        content: bytes,
        status: int | None,
    ) -> httpx.Response:
        told = "&".join(f"{quote(n, safe='')}={quote(v, safe='')}" for n, v in query)
        url = f"http://{HOST}{path}{'?' if told else ''}{told}"
        response = await self.http.request(method, url, headers=headers, content=content)
        if status is not None:
            assert response.status_code == status, (
                f"{method} {path}: {response.status_code}, not {status}: {response.text[:600]}"
            )
        return response

    def address(
        self, method: str, path: str, *, at: datetime, expires: int = 600, more: Pairs | None = None
    ) -> Pairs:
        """The query of a signed address."""
        query = [
            ("X-Amz-Algorithm", "AWS4-HMAC-SHA256"),
            ("X-Amz-Credential", f"{self.access}/{at:%Y%m%d}/us-east-1/s3/aws4_request"),
            ("X-Amz-Date", f"{at:%Y%m%dT%H%M%SZ}"),
            ("X-Amz-Expires", str(expires)),
            ("X-Amz-SignedHeaders", "host"),
            *(more or []),
        ]  # fmt: skip
        _, made = self.sign(method, path, query, {"host": HOST}, at, "UNSIGNED-PAYLOAD")
        return [*query, ("X-Amz-Signature", made)]

    def version_2(self, method: str, path: str, date: str, kind: str = "") -> str:
        text = f"{method}\n\n{kind}\n{date}\n{path}"
        return base64.b64encode(
            hmac.new(self.secret.encode(), text.encode(), "sha1").digest()
        ).decode()

    async def xml(
        self, path: str, query: Pairs | None = None, status: int = 200, **more: Any
    ) -> Any:
        """What is said of something."""
        return parsed(await self("GET", path, status, query=query, **more))

    async def put(
        self, path: str, content: bytes = b"", status: int = 200, **more: Any
    ) -> httpx.Response:
        return await self("PUT", path, status, content=content, **more)

    async def versioned(self, bucket: str, status: str = "Enabled") -> None:
        body = f"<VersioningConfiguration><Status>{status}</Status></VersioningConfiguration>"
        await self.put(bucket, body.encode(), query=[("versioning", "")])


def parsed(response: httpx.Response) -> ElementTree.Element:
    root = ElementTree.fromstring(response.content)
    for one in root.iter():
        one.tag = one.tag.rpartition("}")[2]
    return root


def code(response: httpx.Response) -> str:
    """The code of an error."""
    return parsed(response).findtext("Code", "")


def texts(root: ElementTree.Element, path: str) -> list[str]:
    return [one.text or "" for one in root.findall(path)]


async def user(cloud: Cloud, name: str = "p", role: str = "member") -> tuple[S3, Swift]:
    """A member of a new project, with a key, and as Swift's user."""
    client = await cloud.project_with(name, role)
    path = f"/identity/v3/users/{client.user_id}/credentials/OS-EC2"
    made = (await client.post(path, {"tenant_id": client.project_id}))["credential"]
    s3 = S3(client.http, made["access"], made["secret"], client.project_id)
    return s3, Swift(client)
