"""Building and deleting a server, broken at each failpoint: it ends right, and nothing is left."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from hanok.base import failpoints
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
CREATE = ("AskPlacement", "WeighHosts", "ClaimHost", "FetchImage", "BindPorts", "StartGuest")
DELETE = ("RemoveGuest", "ReleasePorts", "ForgetServer")
PLACES = ("before_do", "after_do", "before_save")


class Site:
    def __init__(self, cloud: Cloud, admin: Client, image: str, flavor: str, network: str) -> None:
        self.cloud, self.admin = cloud, admin
        self.image, self.flavor, self.network = image, flavor, network

    async def create(self) -> str:
        return await a_server(self.admin, self.image, self.flavor, self.network)

    async def delete(self, server_id: str) -> None:
        await self.admin("DELETE", f"{SERVERS}/{server_id}", status=204)

    async def status(self, server_id: str) -> str:
        answer = await self.admin("GET", f"{SERVERS}/{server_id}", headers=NEWEST)
        return "gone" if answer.status_code == 404 else str(answer.json()["server"]["status"])

    async def assert_clean(self) -> None:
        assert (await self.admin.get("/hanok/v1/inventory"))["differences"] == []

    async def assert_nothing_left(self) -> None:
        await self.assert_clean()
        ports = (await self.admin.get("/network/v2.0/ports"))["ports"]
        assert [p for p in ports if p["device_owner"].startswith("compute:")] == []
        listed = await self.admin.get("/placement/resource_providers")
        for provider in listed["resource_providers"]:
            path = f"/placement/resource_providers/{provider['uuid']}/usages"
            assert set((await self.admin.get(path))["usages"].values()) == {0}


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    async with running(tmp_path) as cloud:
        admin = await cloud.sign_in()
        yield Site(
            cloud, admin, await an_image(admin), await a_flavor(admin), await a_network(admin)
        )
    failpoints.disarm()


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("step", CREATE)
async def test_a_create_that_breaks_ends_in_error_and_leaves_nothing(
    site: Site, step: str, place: str
) -> None:
    with failpoints.armed(f"compute.create_server.{step}.{place}", "raise"):
        server_id = await site.create()
        await settle(site.cloud)
    assert await site.status(server_id) == "ERROR"
    await site.assert_nothing_left()
    await site.delete(server_id)
    await settle(site.cloud)
    assert await site.status(server_id) == "gone"
    await site.assert_nothing_left()


@pytest.mark.parametrize("step", DELETE)
async def test_each_step_of_a_delete_may_happen_twice_and_a_broken_one_can_be_tried_again(
    site: Site, step: str
) -> None:
    server_id = await site.create()
    await settle(site.cloud)
    failpoints.arm(f"compute.delete_server.{step}.before_do", "raise", 1)
    await site.delete(server_id)
    await settle(site.cloud)
    assert await site.status(server_id) == "ERROR"
    failpoints.arm(f"compute.delete_server.{step}.before_do", "twice")
    await site.delete(server_id)
    await settle(site.cloud)
    assert await site.status(server_id) == "gone"
    await site.assert_nothing_left()


async def test_a_reply_that_is_lost_does_not_hold_a_delete(site: Site) -> None:
    server_id = await site.create()
    await settle(site.cloud)
    failpoints.arm("command.RemoveInstance.send", "lose", 1)
    await site.delete(server_id)
    await settle(site.cloud)
    assert await site.status(server_id) == "gone"
    assert await site.cloud.control.debts.pay() == 0
    await site.assert_nothing_left()


POWER = (
    ("os-stop", None, "ACTIVE", "SHUTOFF"),
    ("pause", None, "ACTIVE", "PAUSED"),
    ("suspend", None, "ACTIVE", "SUSPENDED"),
    ("reboot", {"type": "SOFT"}, "ACTIVE", "ACTIVE"),
    ("reboot", {"type": "HARD"}, "ERROR", "ACTIVE"),
)


async def act(site: Site, server_id: str, action: str, value: object) -> None:
    path = f"{SERVERS}/{server_id}/action"
    await site.admin("POST", path, {action: value}, headers=NEWEST, status=202)
    await settle(site.cloud)


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize(("action", "value", "broken", "done"), POWER)
async def test_a_change_of_power_that_breaks_says_so_and_can_be_asked_for_again(
    site: Site, action: str, value: object, broken: str, done: str, place: str
) -> None:
    server_id = await site.create()
    await settle(site.cloud)
    with failpoints.armed(f"compute.change_power.AskHost.{place}", "raise"):
        await act(site, server_id, action, value)
    assert await site.status(server_id) == broken
    path = f"{SERVERS}/{server_id}/os-instance-actions"
    actions = (await site.admin.get(path, headers=NEWEST))["instanceActions"]
    assert actions[0]["message"] == "Error"
    await act(site, server_id, "reboot", {"type": "HARD"})
    assert await site.status(server_id) == "ACTIVE"
    await act(site, server_id, action, value)
    assert await site.status(server_id) == done
    await site.assert_clean()
