"""A project that has shares, and who looks on."""

from __future__ import annotations

import asyncio
from typing import Any

from tests.cloud import Client, Cloud

BASE = "/share/v2"
HEADER = "X-OpenStack-Manila-API-Version"


def at(major: int, minor: int) -> dict[str, str]:
    """The headers that ask for a version."""
    return {HEADER: f"{major}.{minor}"}


NEWEST = at(2, 99)


class Sharing:
    """A cloud, its operator, and a member of a project in it."""

    def __init__(self, cloud: Cloud, user: Client, admin: Client) -> None:
        self.cloud, self.user, self.admin = cloud, user, admin
        self.project_id = user.project_id

    async def share(self, status: str = "available", **values: Any) -> dict[str, Any]:
        """A new share, when it has a status."""
        body = {"share_proto": "NFS", "size": 1, **values}
        made = await self.user.post(f"{BASE}/shares", {"share": body}, status=200, headers=NEWEST)
        return await self.there(made["share"]["id"], status)

    async def there(self, share_id: str, status: str = "available") -> dict[str, Any]:
        """A share, when it has a status."""
        return await self.reach(f"shares/{share_id}", "share", "status", status)

    async def reach(self, path: str, name: str, field: str, value: str) -> dict[str, Any]:
        """What is at a path, when a field of it has a value."""
        async with asyncio.timeout(60):
            while True:
                answer = await self.user.get(f"{BASE}/{path}", headers=NEWEST)
                found = answer[name]
                if found[field] == value:
                    return dict(found)
                assert value == "error" or "error" not in str(found[field]), found
                await asyncio.sleep(0.02)

    async def wait_for(self, path: str, name: str, field: str, value: Any) -> dict[str, Any]:
        """The same as an operator sees it, whatever else it shows first."""
        async with asyncio.timeout(30):
            while True:
                answer = (await self.admin.get(f"{BASE}/{path}", headers=NEWEST))[name]
                found = answer[0] if isinstance(answer, list) and answer else answer
                if (len(answer) if field == "#" else found[field]) == value:
                    return dict(found) if field != "#" else {}
                await asyncio.sleep(0.02)

    async def act(self, share_id: str, name: str, body: Any, status: int = 202) -> Any:
        """An action on a share, as its project."""
        path = f"{BASE}/shares/{share_id}/action"
        return await self.user("POST", path, {name: body}, status=status, headers=NEWEST)

    async def gone(self, path: str) -> None:
        async with asyncio.timeout(60):
            while (await self.user("GET", f"{BASE}/{path}", headers=NEWEST)).status_code != 404:
                await asyncio.sleep(0.02)

    async def rule(
        self, share_id: str, access_to: str, state: str = "active", **values: Any
    ) -> str:
        """A new access rule, when it has a state; gives its id."""
        body = {"access_type": "ip", "access_to": access_to, "access_level": "rw", **values}
        made = (await self.act(share_id, "allow_access", body, 200)).json()["access"]
        await self.reach(f"share-access-rules/{made['id']}", "access", "state", state)
        return str(made["id"])


async def sharing(cloud: Cloud) -> Sharing:
    user = await cloud.project_with("files", "member", "reader")
    return Sharing(cloud, user, await cloud.sign_in())
