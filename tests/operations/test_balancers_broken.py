"""What brings load balancers to what their rows say, broken at each of its places: it ends right and leaves nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest
import sqlalchemy as sa

from hanok.base import failpoints
from hanok.operations.tables import operations as table
from hanok.services.load_balancer.operations import ConvergeBalancer
from tests.api.load_balancer.balancing import BASE, NETWORK, Balancing, balancing
from tests.cloud import Cloud

POINT = "load_balancer.converge.Tell"
PLACES = ("before_do", "after_do", "before_save", "after_save")
pytestmark = pytest.mark.slow


@pytest.fixture
async def web(cloud: Cloud) -> Balancing:
    return await balancing(cloud)


@pytest.fixture(autouse=True)
def _whole() -> Iterator[None]:
    yield
    failpoints.disarm()


async def _settled(web: Balancing) -> None:
    async with asyncio.timeout(60):
        while True:
            async with web.cloud.control.database.read() as tx:
                active = table.c.active.is_(True)
                if not await tx.scalar(sa.select(sa.func.count()).select_from(table).where(active)):
                    return
            await asyncio.sleep(0.02)


async def _nothing_left(web: Balancing) -> None:
    """Whatever became of them, load balancers can be deleted, and with them goes all that they had."""
    for one in (await web.user.get(f"{BASE}/loadbalancers"))["loadbalancers"]:
        await web.user("DELETE", f"{BASE}/loadbalancers/{one['id']}?cascade=true", status=204)
        await web.gone(one["id"])
    await _settled(web)
    assert (await web.user.get(f"{NETWORK}/ports?device_owner=Octavia"))["ports"] == []
    scopes = await web.cloud.network.northbound.scopes()
    assert [one for one in scopes if one.startswith("load_balancer:")] == []
    admin = await web.cloud.sign_in()
    async with asyncio.timeout(30):
        while (await admin.get("/hanok/v1/inventory"))["differences"]:
            await asyncio.sleep(0.05)


async def _begun(web: Balancing) -> str:
    body = {"vip_subnet_id": web.subnet, "provider": "ovn"}
    made = await web.user.post(f"{BASE}/loadbalancers", {"loadbalancer": body})
    return str(made["loadbalancer"]["id"])


@pytest.mark.parametrize("place", PLACES)
async def test_whoever_takes_over_ends_it(web: Balancing, place: str) -> None:
    point = f"{POINT}.{place}"
    worker, room = web.cloud.control.worker, web.cloud.control.house.rooms["load_balancer"].facade
    failpoints.arm(point, "hang", 1)
    balancer = await _begun(web)
    async with asyncio.timeout(30):
        while not failpoints.waiting(point):
            await asyncio.sleep(0.001)
    worker.remove([(ConvergeBalancer, room)])
    async with asyncio.timeout(30):
        while worker.at_work():
            await asyncio.sleep(0.001)
    worker.add([(ConvergeBalancer, room)])
    worker.wake()
    await web.active(balancer)
    await _nothing_left(web)


@pytest.mark.parametrize("place", ["before_do", "after_do", "before_save"])
async def test_what_fails_says_so_and_can_be_deleted(web: Balancing, place: str) -> None:
    with failpoints.armed(f"{POINT}.{place}", "raise"):
        balancer = await _begun(web)
        found = await web.there(f"loadbalancers/{balancer}")
        assert found["provisioning_status"] == "ERROR"
        body = {"listener": {"protocol": "TCP", "protocol_port": 1, "loadbalancer_id": balancer}}
        await web.user("POST", f"{BASE}/listeners", body, status=409)
        await _settled(web)
    await _nothing_left(web)


async def test_twice_is_as_good_as_once(web: Balancing) -> None:
    with failpoints.armed(f"{POINT}.before_do", "twice"):
        await web.active(await _begun(web))
        await _nothing_left(web)


async def test_a_delete_that_failed_is_asked_for_again(web: Balancing) -> None:
    balancer = await web.active(await _begun(web))
    with failpoints.armed(f"{POINT}.after_do", "raise"):
        await web.user("DELETE", f"{BASE}/loadbalancers/{balancer}", status=204)
        found = await web.there(f"loadbalancers/{balancer}")
        assert found["provisioning_status"] == "ERROR"
        await _settled(web)
    await _nothing_left(web)
