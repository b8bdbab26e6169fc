"""What tests of object storage share."""

from __future__ import annotations

from typing import Any

import httpx
from tests.cloud import Client, Cloud

PORT = "http://cloud:8080"


class Swift:
    """A user, or nobody, at the account of a project."""

    def __init__(self, client: Client, account: str = "") -> None:
        self.client = client
        self.account = account or client.project_id

    async def __call__(
        self, method: str, path: str = "", status: int | None = None, **more: Any
    ) -> httpx.Response:
        """A request below the account; path begins with a slash and is percent-encoded."""
        url = f"{PORT}/v1/AUTH_{self.account}{path}"
        headers = {name: value for name, value in more.pop("headers", {}).items()}
        sent = {"X-Auth-Token": self.client.token} if self.client.token else {}
        response = await self.client.http.request(method, url, headers={**sent, **headers}, **more)
        if status is not None:
            assert response.status_code == status, (
                f"{method} {path}: {response.status_code}, not {status}: {response.text[:500]}"
            )
        return response

    async def put(self, path: str, content: bytes = b"", status: int = 201, **more: Any) -> Any:
        return await self("PUT", path, status, content=content, **more)

    async def names(self, path: str = "") -> list[str]:
        """The lines of a plain list."""
        return (await self("GET", path)).text.splitlines()


async def member(cloud: Cloud, name: str = "p") -> Swift:
    """A new project's account, and a member of it."""
    return Swift(await cloud.project_with(name, "member"))


def nobody(cloud: Cloud, account: str) -> Swift:
    return Swift(cloud.anonymous, account)
