"""A project whose stacks are looked at."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from tests.api.object_storage.objects import nobody
from tests.cloud import Client, Cloud, running

BASE = "/heat-api/v1"
STACKS = f"{BASE}/stacks"
HOT = "2016-10-14"


def template(resources: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"heat_template_version": HOT, "resources": resources, **more}


def random(**properties: Any) -> dict[str, Any]:
    return {"type": "OS::Heat::RandomString", "properties": properties}


def test_resource(**properties: Any) -> dict[str, Any]:
    return {"type": "OS::Heat::TestResource", "properties": properties}


class Stackery:
    """A cloud, and a member of a project in it."""

    def __init__(self, cloud: Cloud, user: Client) -> None:
        self.cloud = cloud
        self.user = user

    async def ended(self, path: str) -> dict[str, Any]:
        """A stack when nothing is under way any more."""
        async with asyncio.timeout(60):
            while True:
                stack: dict[str, Any] = (await self.user.get(path))["stack"]
                if not stack["stack_status"].endswith("IN_PROGRESS"):
                    return stack
                await asyncio.sleep(0.02)

    async def stack(
        self,
        resources: dict[str, Any],
        status: str = "CREATE_COMPLETE",
        name: str = "s",
        **more: Any,
    ) -> str:
        """A new stack; gives its path."""
        top = {"outputs": more.pop("outputs")} if "outputs" in more else {}
        body = {"stack_name": name, "template": template(resources, **top), **more}
        made = (await self.user.post(STACKS, body))["stack"]
        path = f"{STACKS}/{name}/{made['id']}"
        assert (await self.ended(path))["stack_status"] == status, await self.ended(path)
        return path

    async def update(
        self, path: str, resources: dict[str, Any], status: str = "UPDATE_COMPLETE", **more: Any
    ) -> dict[str, Any]:
        body = {"template": template(resources), **more}
        await self.user("PUT", path, body, status=202)
        stack = await self.ended(path)
        assert stack["stack_status"] == status, stack
        return stack

    async def act(self, path: str, action: str) -> str:
        await self.user("POST", f"{path}/actions", {action: None}, status=200)
        return str((await self.ended(path))["stack_status"])

    async def resources(self, path: str, query: str = "") -> dict[str, dict[str, Any]]:
        listed = (await self.user.get(f"{path}/resources{query}"))["resources"]
        return {one["resource_name"]: one for one in listed}

    async def until(self, path: str, name: str, status: str) -> None:
        """Wait until a resource has a status."""
        async with asyncio.timeout(60):
            while (await self.resources(path)).get(name, {}).get("resource_status") != status:
                await asyncio.sleep(0.02)

    async def outputs(self, path: str) -> dict[str, Any]:
        stack = (await self.user.get(path))["stack"]
        return {
            one["output_key"]: one.get("output_error", one["output_value"])
            for one in stack["outputs"]
        }

    async def refused(self, resources: dict[str, Any], **more: Any) -> str:
        """Why a stack is not begun."""
        body = {"stack_name": "bad", "template": template(resources), **more}
        return str((await self.user("POST", STACKS, body, status=400)).json()["error"]["message"])

    async def delete(self, path: str) -> None:
        await self.user("DELETE", path, status=204)
        assert (await self.ended(path))["stack_status"] == "DELETE_COMPLETE"


@asynccontextmanager
async def standing(state: Path, **settings: Any) -> AsyncIterator[Stackery]:
    async with running(state, **settings) as cloud:
        yield Stackery(cloud, await cloud.project_with("p", "member"))


async def put(stackery: Stackery, url: str, content: bytes) -> int:
    """Put an object where a signed address says, as a guest does that has the address and nothing else."""
    parts = urlsplit(url)
    assert (parts.scheme, parts.port) == ("http", 8080)
    account, rest = parts.path.removeprefix("/v1/AUTH_").split("/", 1)
    stranger = nobody(stackery.cloud, account)
    return int((await stranger("PUT", f"/{rest}?{parts.query}", content=content)).status_code)
