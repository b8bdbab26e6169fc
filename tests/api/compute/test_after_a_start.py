"""Right after a start hosts are what they were when the cloud ended, until they are heard of or asked in vain."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from hanok.base.clock import Clock
from hanok.base.ids import new_uuid
from hanok.bus import MemoryBus
from hanok.commands import wire
from hanok.control.app import Control
from hanok.node.simulated import SimulatedHost
from hanok.services.compute import reconcilers
from hanok.store import metadata
from tests.api.compute.ground import Ground, standing
from tests.api.compute.test_hosts_go_silent import shown, until
from tests.cloud import PASSWORD, Cloud, a_server
from tests.in_process import InProcess

BOTH = {"host-1", "host-2"}
SHARES = {"X-OpenStack-Manila-API-Version": "2.65"}


class LaterClock(Clock):
    """Some minutes ahead."""

    def __init__(self, minutes: int) -> None:
        self._ahead = timedelta(minutes=minutes)

    def now(self) -> datetime:
        return super().now() + self._ahead


@asynccontextmanager
async def started_again(ground: Ground, *there: str, minutes: int = 10) -> AsyncIterator[Ground]:
    """The cloud, that has ended, later. there: its hosts that answer; none of them has said anything."""
    nodes: dict[str, SimulatedHost] = {name: ground.cloud.nodes[name] for name in there}
    bus = MemoryBus()
    for host in nodes.values():
        await host.leave()
        await host.listen(bus)
    settings, clock = ground.cloud.control.settings, LaterClock(minutes)
    running = Control.running(settings, admin_password=PASSWORD, clock=clock, bus=bus)
    try:
        async with running as control, InProcess(control.app, "http://cloud:5000") as http:
            cloud = Cloud(control, http, nodes)
            admin, user = await cloud.sign_in(), await cloud.sign_in("p", project="p")
            more = (ground.image, ground.flavor, ground.network)
            yield Ground(cloud, admin, user, *more)
    finally:
        await bus.close()


async def say(ground: Ground, host: str) -> None:
    """A host says that it is there."""
    state = ground.cloud.nodes[host].host_state()
    await ground.cloud.control.bus.publish(wire.from_host(wire.HEARTBEAT, host), wire.encode(state))


async def shares_of(ground: Ground, host: str) -> set[str]:
    services = (await ground.admin.get("/share/v2/services?binary=manila-share", headers=SHARES))[
        "services"
    ]
    return {one["state"] for one in services if one["host"].startswith(f"{host}@")}


async def silent_hosts(ground: Ground) -> list[str]:
    """What `hanok doctor` and `hypervisor list` have against the hosts."""
    found = (await ground.admin.get("/hanok/v1/inventory"))["differences"]
    listed = (await ground.admin.get("/compute/v2.1/os-hypervisors/detail"))["hypervisors"]
    down = [one["hypervisor_hostname"] for one in listed if one["state"] != "up"]
    return down + [one["detail"] for one in found if "host" in one["detail"]]


async def test_hosts_are_up_until_they_were_asked(
    tmp_path: Path, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with standing(tmp_path, hosts=2, database=database_url) as ground:
        for host in BOTH:
            assert await shown(ground, host) == {"up"}
    monkeypatch.setattr(reconcilers, "WATCH_S", 3600.0)
    async with started_again(ground, *BOTH) as again:
        assert await silent_hosts(again) == []
        for host in BOTH:
            assert await shown(again, host) == await shares_of(again, host) == {"up"}
    monkeypatch.setattr(reconcilers, "WATCH_S", 0.05)
    monkeypatch.setattr(reconcilers, "QUIET_S", 0.0)
    async with started_again(ground, "host-1", minutes=20) as again:
        await until(again, "host-2", "down")
        async with asyncio.timeout(60):
            while await shares_of(again, "host-2") != {"down"}:
                await asyncio.sleep(0.02)
        assert await shown(again, "host-1") == await shares_of(again, "host-1") == {"up"}


async def test_one_that_was_down_before_is_down_after(
    tmp_path: Path, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reconcilers, "WATCH_S", 0.05)
    monkeypatch.setattr(reconcilers, "QUIET_S", 0.0)
    async with standing(tmp_path, hosts=2, database=database_url) as ground:
        await ground.cloud.nodes["host-2"].leave()
        await until(ground, "host-2", "down")
    monkeypatch.setattr(reconcilers, "WATCH_S", 3600.0)
    async with started_again(ground, "host-1") as again:
        assert await shown(again, "host-2") == {"down"}
        assert await shown(again, "host-1") == {"up"}


@pytest.mark.parametrize(
    ("table", "listed"),
    [
        ("volume_services", "/volume/v3/os-services?binary=cinder-volume"),
        ("share_services", "/share/v2/services?binary=manila-share"),
    ],
)
async def test_a_back_end_that_its_host_has_no_more_is_down_once_the_host_has_answered(
    tmp_path: Path, database_url: str, table: str, listed: str
) -> None:
    """Else it would be waited for with each new volume and share, a minute after each start."""
    async with standing(tmp_path, hosts=1, database=database_url) as ground:
        rows = metadata.tables[table]
        async with ground.cloud.control.database.write() as tx:
            row = (await tx.all(sa.select(rows).where(rows.c.node == "host-1")))[0]
            other = {"id": new_uuid(), "host": "host-1@retired", "backend": "retired"}
            more = {"sequence": row.sequence + 1000}
            await tx.insert(rows, dict(row._mapping) | other | more)
    async with started_again(ground, "host-1") as again:
        down: set[str] = set()
        async with asyncio.timeout(40):  # a minute after the start all that is silent is down
            while down != {"host-1@retired"}:
                services = (await again.admin.get(listed, headers=SHARES))["services"]
                down = {one["host"] for one in services if one["state"] == "down"}
                await asyncio.sleep(0.02)
        assert len(services) > 1


async def test_a_server_waits_for_a_host_that_has_said_something(
    tmp_path: Path, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with standing(tmp_path, hosts=2, database=database_url) as ground:
        pass
    monkeypatch.setattr(reconcilers, "WATCH_S", 3600.0)
    async with started_again(ground, *BOTH) as again:
        server_id = await a_server(again.user, again.image, again.flavor, again.network)
        async with asyncio.timeout(60):
            while not any(
                "not been heard of" in (one["waits_for"] or "")
                for one in (await again.admin.get("/hanok/v1/operations"))["operations"]
            ):
                await asyncio.sleep(0.02)
        assert (await again.show(server_id))["status"] == "BUILD"
        await say(again, "host-2")
        async with asyncio.timeout(60):
            while (found := await again.show(server_id))["status"] == "BUILD":
                await asyncio.sleep(0.05)
        assert (found["status"], found["OS-EXT-SRV-ATTR:host"]) == ("ACTIVE", "host-2")
