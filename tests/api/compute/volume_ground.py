"""What the tests of servers with volumes share."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from hanok.commands import ListVolumes, VolumeInventory
from hanok.commands.wire import ask
from tests.api.block_storage.grounds import backends_told
from tests.api.compute.ground import SERVERS, Ground, at, standing
from tests.cloud import Client, settle

VOLUMES = "/volume/v3/volumes"
SNAPSHOTS = "/volume/v3/snapshots"
NEWEST = {"OpenStack-API-Version": "volume latest"}


class VolumeGround(Ground):
    """A project with servers and volumes."""

    async def volume(self, size: int = 1, client: Client | None = None, **values: Any) -> str:
        """A volume that is there; returns its id."""
        body = {"volume": {"size": size, **values}}
        made = await (client or self.user).post(VOLUMES, body, 202, headers=NEWEST)
        await settle(self.cloud)
        return str(made["volume"]["id"])

    async def act(self, server_id: str, action: str, value: Any = None, **more: Any) -> Any:
        """Ask for an action, and wait until all is done that follows: news of volumes may be under way."""
        answer = await super().act(server_id, action, value, **more)
        await self.quiet(server_id)
        return answer

    async def quiet(self, server_id: str) -> None:
        """Nothing is being done to a server."""
        path = f"{SERVERS}/{server_id}"
        async with asyncio.timeout(30):
            while (said := await self.admin("GET", path)).status_code == 200:
                if said.json()["server"]["OS-EXT-STS:task_state"] is None:
                    return
                await asyncio.sleep(0.02)

    async def multiattach_type(self) -> str:
        """The name of a type of volumes that several servers may have."""
        body = {"name": "shared", "extra_specs": {"multiattach": "<is> True"}}
        await self.admin.post("/volume/v3/types", {"volume_type": body}, 200)
        return "shared"

    async def volume_of(self, volume_id: str) -> Any:
        """A volume as block storage shows it; None: it is gone."""
        answer = await self.admin("GET", f"{VOLUMES}/{volume_id}", headers=NEWEST)
        return None if answer.status_code == 404 else answer.json()["volume"]

    async def attach(
        self,
        server_id: str,
        volume_id: str,
        status: int = 200,
        minor: int = 100,
        client: Client | None = None,
        **values: Any,
    ) -> Any:
        path = f"{SERVERS}/{server_id}/os-volume_attachments"
        body = {"volumeAttachment": {"volumeId": volume_id, **values}}
        answer = await (client or self.user)("POST", path, body, headers=at(minor), status=status)
        await settle(self.cloud)
        return answer.json().get("volumeAttachment") if status == 200 else answer

    async def detach(
        self, server_id: str, volume_id: str, status: int = 202, minor: int = 104
    ) -> Any:
        path = f"{SERVERS}/{server_id}/os-volume_attachments/{volume_id}"
        answer = await self.user("DELETE", path, headers=at(minor), status=status)
        await settle(self.cloud)
        return answer

    async def attachments(self, server_id: str, minor: int = 104, query: str = "") -> Any:
        path = f"{SERVERS}/{server_id}/os-volume_attachments{query}"
        return (await self.user.get(path, headers=at(minor)))["volumeAttachments"]

    def guest_volumes(self, server_id: str, host: str = "host-1") -> dict[str, Any]:
        """The volumes that the guest has, by id."""
        return {one.volume_id: one for one in self.cloud.nodes[host].volumes_of(server_id)}

    async def on_host(self, host: str = "host-1") -> VolumeInventory:
        found = await ask(self.cloud.control.bus, host, ListVolumes(), timeout_s=60)
        assert isinstance(found, VolumeInventory)
        return found

    async def exports(self, host: str = "host-1") -> set[str]:
        """The attachments by which volumes of a host are open."""
        return {one for volume in (await self.on_host(host)).volumes for one in volume.exports}

    async def assert_nothing_left(self) -> None:
        await super().assert_nothing_left()
        assert await self.exports() == set()


@asynccontextmanager
async def with_volumes(state: Path, **more: Any) -> AsyncIterator[VolumeGround]:
    """A cloud with a project; no failpoint is armed after it."""
    async with standing(state, **more) as one:
        await backends_told(one.admin)
        yield VolumeGround(one.cloud, one.admin, one.user, one.image, one.flavor, one.network)


__all__ = ["NEWEST", "SERVERS", "SNAPSHOTS", "VOLUMES", "VolumeGround", "with_volumes"]
