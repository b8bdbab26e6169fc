"""What the tests of volumes share."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from hanok.base import failpoints
from hanok.commands import ListVolumes, VolumeInventory
from hanok.commands.wire import ask
from tests.cloud import Client, Cloud, running, settle

BASE = "/volume/v3"
VOLUMES = f"{BASE}/volumes"
SNAPSHOTS = f"{BASE}/snapshots"


def at(version: str) -> dict[str, str]:
    return {"OpenStack-API-Version": f"volume {version}"}


NEWEST = at("latest")


class Ground:
    """A project, its operator, and the way to volumes."""

    def __init__(self, cloud: Cloud, admin: Client, user: Client) -> None:
        self.cloud, self.admin, self.user = cloud, admin, user

    async def volume(
        self,
        size: int | None = 1,
        *,
        client: Client | None = None,
        version: str = "latest",
        **values: Any,
    ) -> str:
        """A volume that is there; returns its id."""
        body = {"volume": {"size": size, **values}}
        made = await (client or self.user).post(VOLUMES, body, 202, headers=at(version))
        await settle(self.cloud)
        return str(made["volume"]["id"])

    async def show(
        self, volume_id: str, *, client: Client | None = None, version: str = "latest"
    ) -> Any:
        asks = client or self.admin
        return (await asks.get(f"{VOLUMES}/{volume_id}", headers=at(version)))["volume"]

    async def status(self, volume_id: str) -> str:
        answer = await self.admin("GET", f"{VOLUMES}/{volume_id}")
        return "gone" if answer.status_code == 404 else str(answer.json()["volume"]["status"])

    async def act(
        self,
        volume_id: str,
        action: str,
        value: Any = None,
        status: int = 202,
        *,
        client: Client | None = None,
        version: str = "latest",
    ) -> Any:
        """Ask for an action, and wait until all is done that follows."""
        path = f"{VOLUMES}/{volume_id}/action"
        answer = await (client or self.user)(
            "POST", path, {action: value}, headers=at(version), status=status
        )
        await settle(self.cloud)
        return answer

    async def snapshot(self, volume_id: str, **values: Any) -> str:
        """A snapshot that is there; returns its id."""
        body = {"snapshot": {"volume_id": volume_id, **values}}
        made = await self.user.post(SNAPSHOTS, body, 202, headers=NEWEST)
        await settle(self.cloud)
        return str(made["snapshot"]["id"])

    async def delete(self, path: str, status: int = 202) -> None:
        await self.user("DELETE", path, status=status)
        await settle(self.cloud)

    async def on_host(self, host: str = "host-1") -> VolumeInventory:
        """What a host has of volumes."""
        found = await ask(self.cloud.control.bus, host, ListVolumes(), timeout_s=60)
        assert isinstance(found, VolumeInventory)
        return found

    async def assert_clean(self) -> None:
        found = (await self.admin.get("/hanok/v1/inventory"))["differences"]
        assert found == [], found

    async def assert_nothing_left(self) -> None:
        await self.assert_clean()
        assert (await self.on_host()).volumes == ()
        pools = await self.admin.get(f"{BASE}/scheduler-stats/get_pools?detail=true")
        assert {one["capabilities"]["allocated_capacity_gb"] for one in pools["pools"]} == {0}


async def backends_told(admin: Client) -> None:
    """Wait until hosts have told of their back ends."""
    async with asyncio.timeout(60):
        while not (await admin.get(f"{BASE}/os-services?binary=cinder-volume"))["services"]:
            await asyncio.sleep(0.01)


async def halted(point: str) -> None:
    """Wait until something hangs at a failpoint."""
    async with asyncio.timeout(60):
        while not failpoints.waiting(point):
            await asyncio.sleep(0.01)


async def gone_on(ground: Ground, point: str) -> None:
    """Let it go on, and wait until all is done that follows."""
    failpoints.disarm(point)
    failpoints.release(point)
    await settle(ground.cloud)


@asynccontextmanager
async def standing(state: Path, **more: Any) -> AsyncIterator[Ground]:
    """A cloud with a project; no failpoint is armed after it."""
    try:
        async with running(state, **more) as cloud:
            admin = await cloud.sign_in()
            user = await cloud.project_with("p", "member")
            await backends_told(admin)
            yield Ground(cloud, admin, user)
    finally:
        failpoints.disarm()
