"""What the tests of actions on servers share."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from hanok.base import failpoints
from hanok.commands import HostInventory, ListInventory
from hanok.commands.wire import ask
from tests.cloud import (
    NEWEST,
    Client,
    Cloud,
    a_flavor,
    a_network,
    a_server,
    an_image,
    running,
    settle,
)

SERVERS = "/compute/v2.1/servers"
PLACES = ("before_do", "after_do", "before_save")


def at(minor: int) -> dict[str, str]:
    return {"OpenStack-API-Version": f"compute 2.{minor}"}


class Ground:
    """A project with what a server needs."""

    def __init__(
        self, cloud: Cloud, admin: Client, user: Client, image: str, flavor: str, network: str
    ) -> None:
        self.cloud, self.admin, self.user = cloud, admin, user
        self.image, self.flavor, self.network = image, flavor, network

    async def server(self, **values: Any) -> str:
        """A server that runs."""
        made = await a_server(self.user, self.image, self.flavor, self.network, **values)
        await settle(self.cloud)
        return made

    async def show(self, server_id: str, client: Client | None = None) -> Any:
        return (await (client or self.admin).get(f"{SERVERS}/{server_id}", headers=NEWEST))[
            "server"
        ]

    async def status(self, server_id: str) -> str:
        answer = await self.admin("GET", f"{SERVERS}/{server_id}", headers=NEWEST)
        return "gone" if answer.status_code == 404 else str(answer.json()["server"]["status"])

    async def ask(
        self,
        server_id: str,
        action: str,
        value: Any = None,
        status: int = 202,
        minor: int = 104,
        client: Client | None = None,
    ) -> Any:
        path = f"{SERVERS}/{server_id}/action"
        return await (client or self.user)(
            "POST", path, {action: value}, headers=at(minor), status=status
        )

    async def act(self, server_id: str, action: str, value: Any = None, **more: Any) -> Any:
        """Ask for an action, and wait until all is done that follows."""
        answer = await self.ask(server_id, action, value, **more)
        await settle(self.cloud)
        return answer

    async def delete(self, server_id: str) -> None:
        await self.user("DELETE", f"{SERVERS}/{server_id}", status=204)
        await settle(self.cloud)

    async def actions(self, server_id: str) -> list[tuple[str, Any]]:
        """The names of the actions on a server with what became of them, the newest first."""
        path = f"{SERVERS}/{server_id}/os-instance-actions"
        found = (await self.admin.get(path, headers=NEWEST))["instanceActions"]
        return [(one["action"], one["message"]) for one in found]

    async def assert_clean(self) -> None:
        found = (await self.admin.get("/hanok/v1/inventory"))["differences"]
        assert found == [], found

    async def usages(self) -> dict[str, int]:
        """What is allocated of all providers together, by class."""
        total: dict[str, int] = {}
        listed = await self.admin.get("/placement/resource_providers")
        for provider in listed["resource_providers"]:
            path = f"/placement/resource_providers/{provider['uuid']}/usages"
            for name, amount in (await self.admin.get(path))["usages"].items():
                total[name] = total.get(name, 0) + amount
        return total

    async def assert_nothing_left(self) -> None:
        await self.assert_clean()
        assert set((await self.usages()).values()) == {0}
        ports = (await self.admin.get("/network/v2.0/ports"))["ports"]
        left = [one for one in ports if one["device_owner"].startswith("compute:")]
        assert left == [], left

    async def guests(self, host: str = "host-1") -> dict[str, str]:
        """Power by server on a host."""
        found = await ask(self.cloud.control.bus, host, ListInventory(), timeout_s=60)
        assert isinstance(found, HostInventory)
        return {one.server_id: one.power for one in found.instances}


@asynccontextmanager
async def standing(state: Path, **more: Any) -> AsyncIterator[Ground]:
    """A cloud with a project; no failpoint is armed after it."""
    try:
        async with running(state, **more) as cloud:
            admin = await cloud.sign_in()
            user = await cloud.project_with("p", "member")
            image, flavor = await an_image(user), await a_flavor(admin)
            yield Ground(cloud, admin, user, image, flavor, await a_network(user))
    finally:
        failpoints.disarm()


__all__ = ["PLACES", "SERVERS", "Ground", "at", "standing"]
