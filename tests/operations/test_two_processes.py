"""Two control processes on one database: each loop runs in one of them, and either takes up what the other left."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import msgspec
import pytest

from hanok.base import failpoints
from hanok.base.clock import MovableClock
from hanok.control.app import Control
from hanok.operations import Leases
from tests.cloud import PASSWORD, Client, Cloud, a_flavor, a_network, a_server, an_image, running
from tests.databases import opened

SERVERS = "/compute/v2.1/servers"
POINT = "compute.create_server.StartGuest.before_do"


@asynccontextmanager
async def second(cloud: Cloud, name: str = "two") -> AsyncIterator[Control]:
    """Another control process of the same cloud."""
    settings = msgspec.structs.replace(cloud.control.settings, node_name=name)
    async with Control.running(settings, admin_password=PASSWORD, bus=cloud.control.bus) as control:
        yield control


@pytest.fixture
async def cloud(tmp_path: Path, database_url: str) -> AsyncIterator[Cloud]:
    async with running(tmp_path, database=database_url, node_name="one") as cloud:
        yield cloud
    failpoints.disarm()


async def _server(admin: Client) -> str:
    image, flavor, network = await an_image(admin), await a_flavor(admin), await a_network(admin)
    return await a_server(admin, image, flavor, network)


async def _until(admin: Client, server_id: str, status: str) -> None:
    async with asyncio.timeout(60):
        while True:
            answer = await admin("GET", f"{SERVERS}/{server_id}")
            if answer.status_code == 404 and status == "gone":
                return
            if answer.status_code == 200 and answer.json()["server"]["status"] == status:
                return
            await asyncio.sleep(0.02)


async def _clean(admin: Client) -> None:
    """Nothing is left over, once the network has followed."""
    async with asyncio.timeout(30):
        while (await admin.get("/hanok/v1/inventory"))["differences"] != []:
            await asyncio.sleep(0.05)


async def test_each_loop_runs_in_one_process_and_moves_when_that_ends(cloud: Cloud) -> None:
    names = set(cloud.control.leases.running())
    assert {"debts", "events", "compute.reconciler", "image.mend", "identity.keys"} <= names
    async with second(cloud) as other:
        await asyncio.sleep(0.1)
        assert cloud.control.leases.running() & other.leases.running() == set()
        holders = await other.leases.holders()
        assert {holders[name] for name in names} == {"one"}
        await cloud.control.leases.remove(names)
        await cloud.control.leases.give_back()
        other.leases.look()
        async with asyncio.timeout(60):
            while not names <= other.leases.running():
                await asyncio.sleep(0.01)


async def _rest() -> None:
    await asyncio.Event().wait()


async def test_processes_that_know_loops_in_other_orders_do_not_wait_for_each_other(
    tmp_path: Path, database_url: str
) -> None:
    """As they do where services were switched off and on again since one of them began."""
    database, clock = await opened(tmp_path, database_url), MovableClock()
    names = [f"loop-{number:02}" for number in range(30)]
    known = []
    for holder, order in (("one", names), ("two", names[::-1])):
        known.append(leases := Leases(database, clock, holder))
        for name in order:
            leases.add(name, _rest)
    for _ in range(5):
        clock.move(60)  # all leases have ended: both want all of them
        held = await asyncio.gather(*(one.hold() for one in known))
        assert held[0] | held[1] == set(names) and not held[0] & held[1]
    await database.close()


async def test_servers_are_made_and_deleted_whichever_process_works(cloud: Cloud) -> None:
    admin = await cloud.sign_in()
    async with second(cloud):
        made = [await _server(admin)]
        image = (await admin.get("/image/v2/images"))["images"][0]["id"]
        network = (await admin.get("/network/v2.0/networks?name=net"))["networks"][0]["id"]
        made += [await a_server(admin, image, "nano", network) for _ in range(5)]
        for one in made:
            await _until(admin, one, "ACTIVE")
        for one in made:
            await admin("DELETE", f"{SERVERS}/{one}", status=204)
        for one in made:
            await _until(admin, one, "gone")
    await _clean(admin)


async def _begun_by(cloud: Cloud, other: Control, admin: Client) -> str:
    """A server that the other process is making: it hangs where POINT is armed."""
    cloud.control.worker.pause()
    server_id = await _server(admin)
    async with asyncio.timeout(60):
        while not failpoints.waiting(POINT):
            await asyncio.sleep(0.01)
    assert other.worker.at_work() == 1
    return server_id


@pytest.mark.slow  # the other waits until a lease has ended
async def test_what_a_process_had_begun_when_it_ended_goes_on_in_the_other(cloud: Cloud) -> None:
    admin = await cloud.sign_in()
    failpoints.arm(POINT, "hang", 1)
    async with AsyncExitStack() as stack:
        other = await stack.enter_async_context(second(cloud))
        server_id = await _begun_by(cloud, other, admin)
        await stack.aclose()  # it ends in the middle of a step
        cloud.control.worker.go_on()
        await _until(admin, server_id, "ACTIVE")
    await _clean(admin)


async def test_a_delete_in_one_process_ends_the_step_that_runs_in_the_other(cloud: Cloud) -> None:
    admin = await cloud.sign_in()
    failpoints.arm(POINT, "hang", 1)
    async with second(cloud) as other:
        server_id = await _begun_by(cloud, other, admin)
        await admin("DELETE", f"{SERVERS}/{server_id}", status=204)
        await _until(admin, server_id, "gone")
        cloud.control.worker.go_on()
    await _clean(admin)
