"""A browser as the session room sees it: it keeps its cookie, and says where its pages are from."""

from __future__ import annotations

from typing import Any

import httpx

from tests.cloud import PASSWORD, Cloud

MARK = "X-Hanok-Dashboard"


class Browser:
    """One browser with its cookie."""

    def __init__(self, cloud: Cloud) -> None:
        transport = cloud.http._transport
        self.http = httpx.AsyncClient(transport=transport, base_url="http://cloud:5000")
        self.scope = ""

    async def __call__(
        self, method: str, path: str, json: Any = None, **headers: str
    ) -> httpx.Response:
        sent = {MARK: self.scope or "none", "Origin": "http://cloud:5000"}
        sent.update({name.replace("_", "-"): value for name, value in headers.items()})
        return await self.http.request(
            method, f"/dashboard/{path}", json=json, headers={k: v for k, v in sent.items() if v}
        )

    async def sign_in(
        self, user: str = "admin", password: str = PASSWORD, **more: str
    ) -> httpx.Response:
        response = await self("POST", "session", {"user": user, "password": password, **more})
        self.scope = response.json().get("scope", "")
        return response
