"""Images brought to hosts ahead of time, broken at each place: the cloud is clean, and it can be asked for again."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from hanok.base import failpoints
from hanok.commands import HostInventory, ListInventory
from hanok.commands.wire import ask
from tests.cloud import NEWEST, Client, Cloud, an_image, running, settle

ALL = "/compute/v2.1/os-aggregates"
PLACES = ("before_do", "after_do", "before_save")
STEPS = ("cache_images.FindHosts", "cache_images.FetchThere", "cache_image.FetchOne")
HOSTS = ("host-1", "host-2")


class Site:
    def __init__(self, cloud: Cloud, admin: Client, image: str) -> None:
        self.cloud, self.admin, self.image = cloud, admin, image
        self.address = ""

    async def aggregate(self) -> None:
        made = await self.admin.post(ALL, {"aggregate": {"name": "a"}}, 200)
        self.address = f"{ALL}/{made['aggregate']['id']}"
        for host in HOSTS:
            body = {"add_host": {"host": host}}
            await self.admin("POST", f"{self.address}/action", body, status=200)

    async def warm(self) -> None:
        body = {"cache": [{"id": self.image}]}
        await self.admin("POST", f"{self.address}/images", body, headers=NEWEST, status=202)
        await settle(self.cloud)

    async def having(self) -> set[str]:
        found = set()
        for host in HOSTS:
            told = await ask(self.cloud.compute.bus, host, ListInventory(), timeout_s=60)
            assert isinstance(told, HostInventory)
            found |= {host} if self.image in told.images else set()
        return found


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    async with running(tmp_path, hosts=2) as cloud:
        admin = await cloud.sign_in()
        found = Site(cloud, admin, await an_image(admin))
        await found.aggregate()
        yield found
    failpoints.disarm()


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("step", STEPS)
async def test_what_breaks_can_be_asked_for_again(site: Site, step: str, place: str) -> None:
    with failpoints.armed(f"compute.{step}.{place}", "raise"):
        await site.warm()
    await site.warm()
    assert await site.having() == set(HOSTS)
    assert (await site.admin.get("/hanok/v1/inventory"))["differences"] == []


@pytest.mark.parametrize("step", STEPS)
async def test_each_step_may_happen_twice(site: Site, step: str) -> None:
    with failpoints.armed(f"compute.{step}.before_do", "twice"):
        await site.warm()
    assert await site.having() == set(HOSTS)


@pytest.mark.parametrize("mode", ["lose", "twice"])
async def test_a_reply_that_is_lost_or_doubled_does_no_harm(site: Site, mode: str) -> None:
    failpoints.arm("command.EnsureImage.send", mode, 1)
    await site.warm()
    await site.warm()
    assert await site.having() == set(HOSTS)


async def test_an_image_that_goes_meanwhile_holds_up_nothing(site: Site) -> None:
    point = "compute.cache_images.FindHosts.before_do"
    failpoints.arm(point, "hang", 1)
    body = {"cache": [{"id": site.image}]}
    await site.admin("POST", f"{site.address}/images", body, headers=NEWEST, status=202)
    while not failpoints.waiting(point):
        await asyncio.sleep(0)
    await site.admin("DELETE", f"/image/v2/images/{site.image}", status=204)
    failpoints.release(point)
    await settle(site.cloud)
    assert await site.having() == set()
    listed = await site.admin.get("/hanok/v1/operations")
    assert listed["operations"] == []
