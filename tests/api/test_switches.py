"""Services are switched off and on while the cloud runs: doors, loops and catalog entry go and come, rows stay."""

from __future__ import annotations

import asyncio
import gc
import weakref
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import pytest

from hanok.base.errors import Unavailable
from hanok.bus import MemoryBus
from hanok.control import app
from hanok.control.settings import load
from hanok.rooms import WrongSettings
from tests.cloud import Client, Cloud, a_flavor, a_network, a_server, an_image, running, settle

DOOR = "/hanok/v1/services"


async def _until(look: Callable[[], Awaitable[int]], requested: int) -> None:
    async with asyncio.timeout(60):
        while await look() != requested:
            await asyncio.sleep(0.01)


async def _catalog(admin: Client) -> set[str]:
    return {one["type"] for one in (await admin.get("/v3/auth/catalog"))["catalog"]}


async def test_a_service_that_is_switched_off_is_gone_and_comes_back_with_its_rows(
    cloud: Cloud,
) -> None:
    admin = await cloud.sign_in()
    image, flavor, network = await an_image(admin), await a_flavor(admin), await a_network(admin)
    server_id = await a_server(admin, image, flavor, network)
    await settle(cloud)

    async def status() -> int:
        return (await admin("GET", "/compute/v2.1/servers")).status_code

    await admin("PUT", f"{DOOR}/compute", {"enabled": False}, status=204)
    await _until(status, 503)  # 404 would say of a server that it is gone
    answer = await admin("DELETE", f"/compute/v2.1/servers/{server_id}", status=503)
    assert "The service compute is switched off." in answer.text
    assert "compute" not in await _catalog(admin)
    listed = {one["name"]: one for one in (await admin.get(DOOR))["services"]}
    assert listed["compute"]["disabled_by"] == "operator" and listed["network"]["enabled"]
    assert "compute" not in cloud.control.house.rooms
    async with asyncio.timeout(60):
        while "compute.reconciler" in cloud.control.leases.running():
            await asyncio.sleep(0.01)

    await admin("PUT", f"{DOOR}/compute", {"enabled": True}, status=204)
    await _until(status, 200)
    assert "compute" in await _catalog(admin)
    shown = await admin.get(f"/compute/v2.1/servers/{server_id}")
    assert shown["server"]["status"] == "ACTIVE"
    await admin("DELETE", f"/compute/v2.1/servers/{server_id}", status=204)
    await settle(cloud)
    assert (await admin.get("/hanok/v1/inventory"))["differences"] == []


async def test_a_service_that_is_off_hears_of_nothing_and_hears_once_when_it_is_back(
    cloud: Cloud,
) -> None:
    admin = await cloud.sign_in()
    heard = cloud.control.events.listeners

    async def count() -> int:
        return len(cloud.control.events.listeners)

    for name in ("alarming", "load_balancer", "compute"):
        theirs = [one for one in heard if f".{name}." in getattr(one[1], "__module__", "")]
        assert theirs
        await admin("PUT", f"{DOOR}/{name}", {"enabled": False}, status=204)
        await _until(count, len(heard) - len(theirs))
        await admin("PUT", f"{DOOR}/{name}", {"enabled": True}, status=204)
        await _until(count, len(heard))


async def test_nothing_is_left_in_memory_of_services_that_are_off(cloud: Cloud) -> None:
    """But their code."""
    admin = await cloud.sign_in()
    rooms = cloud.control.house.rooms
    above = list(rooms)[:0:-1]
    before = {name: weakref.ref(rooms[name]) for name in above}
    before["network's"] = weakref.ref(rooms["network"].facade)
    for name in above:
        await admin("PUT", f"{DOOR}/{name}", {"enabled": False}, status=204)

    async def count() -> int:
        return len(rooms)

    await _until(count, 1)
    for _ in range(3):
        await asyncio.sleep(0.05)
        gc.collect()
    assert [name for name, one in before.items() if one() is not None] == []


async def test_the_inventory_is_looked_at_while_services_are_switched(cloud: Cloud) -> None:
    admin = await cloud.sign_in()

    async def off() -> int:
        return int("load_balancer" not in cloud.control.house.rooms)

    for on in (False, True, False, True):
        async with asyncio.TaskGroup() as group:
            for _ in range(5):
                group.create_task(admin.get("/hanok/v1/inventory"))
            switch = admin("PUT", f"{DOOR}/load_balancer", {"enabled": on}, status=204)
            group.create_task(switch)
        await _until(off, int(not on))


@pytest.mark.parametrize("trouble", [LookupError("odd"), Unavailable("The database is away.")])
async def test_a_service_that_does_not_start_is_told_and_comes_when_it_can(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch, trouble: Exception
) -> None:
    """Whatever hinders it: what was begun of it is taken down, the others are switched, and it is tried again."""
    admin = await cloud.sign_in()
    monkeypatch.setattr(app, "FOLLOW_S", 0.05)
    room = cloud.control.settings.room_class("load_balancer")

    async def status(path: str) -> int:
        return (await admin("GET", path)).status_code

    balancers, secrets = "/load-balancer/v2/lbaas/loadbalancers", "/key-manager/v1/secrets"
    for name in ("load_balancer", "key_manager"):
        await admin("PUT", f"{DOOR}/{name}", {"enabled": False}, status=204)
    for path in (balancers, secrets):
        await _until(partial(status, path), 503)

    async def first_rows(self: Any, tx: Any) -> None:
        raise trouble

    with monkeypatch.context() as broken:
        broken.setattr(room, "first_rows", first_rows)
        for name in ("key_manager", "load_balancer"):
            await admin("PUT", f"{DOOR}/{name}", {"enabled": True}, status=204)
        await _until(partial(status, secrets), 200)
        async with asyncio.timeout(20):
            while not (found := (await admin.get("/hanok/v1/inventory"))["differences"]):
                await asyncio.sleep(0.01)
        assert [one["what"] for one in found] == ["service"]
        assert "The service load_balancer is enabled and does not run here" in found[0]["detail"]
        assert await status(balancers) == 503 and "load_balancer" not in cloud.control.house.rooms
    await _until(partial(status, balancers), 200)
    assert (await admin.get("/hanok/v1/inventory"))["differences"] == []


async def test_what_others_need_is_not_switched_off(cloud: Cloud) -> None:
    admin = await cloud.sign_in()
    answer = await admin("PUT", f"{DOOR}/network", {"enabled": False}, status=409)
    assert "network is needed by: compute" in answer.text
    await admin("PUT", f"{DOOR}/identity", {"enabled": False}, status=409)
    await admin("PUT", f"{DOOR}/nothing", {"enabled": False}, status=404)
    await admin("PUT", f"{DOOR}/compute", {"enabled": "no"}, status=400)
    member = await cloud.project_with("p", "member")
    await member("PUT", f"{DOOR}/compute", {"enabled": False}, status=403)
    await member("GET", DOOR, status=403)


async def test_a_switch_outlasts_a_restart(tmp_path: Path) -> None:
    async with running(tmp_path, hosts=0) as cloud:
        admin = await cloud.sign_in()
        await admin("PUT", f"{DOOR}/compute", {"enabled": False}, status=204)
    async with running(tmp_path, hosts=0) as cloud:
        admin = await cloud.sign_in()
        await admin("GET", "/compute/v2.1/servers", status=503)
        await admin("PUT", f"{DOOR}/compute", {"enabled": True}, status=204)
        async with asyncio.timeout(60):
            while (await admin("GET", "/compute/v2.1/servers")).status_code != 200:
                await asyncio.sleep(0.01)


async def test_settings_switch_services_off(tmp_path: Path) -> None:
    async with running(tmp_path, hosts=0, services_off=("compute",)) as cloud:
        admin = await cloud.sign_in()
        await admin("GET", "/compute/v2.1/servers", status=503)
        assert "compute" not in await _catalog(admin)
        answer = await admin("PUT", f"{DOOR}/compute", {"enabled": True}, status=409)
        assert "services_off" in answer.text


async def test_settings_that_leave_a_service_without_what_it_needs_are_refused(
    tmp_path: Path,
) -> None:
    with pytest.raises(WrongSettings, match="compute needs network"):
        async with running(tmp_path, hosts=0, services_off=("network",)):
            pass


def test_a_setting_that_nobody_reads_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "control.toml"
    for text in (
        'state_dir = "/x"\nodd = 1\n',
        'state_dir = "/x"\n[compute]\nodd = 1\n',
        'state_dir = "/x"\n[nosuch]\nodd = 1\n',
        'state_dir = "/x"\nservices_off = ["nosuch"]\n',
    ):
        file.write_text(text)
        with pytest.raises(msgspec.ValidationError):
            load(file)
    file.write_text('state_dir = "/x"\n[network]\ndns_domain = "a.example"\n')
    assert getattr(load(file).of_room("network"), "dns_domain", "") == "a.example"


def test_the_bus_forgets_who_listens_no_more() -> None:
    async def go() -> list[bytes]:
        bus, heard = MemoryBus(), list[bytes]()

        async def hear(_subject: str, payload: bytes) -> None:
            heard.append(payload)

        listening = await bus.listen("a.b", hear)
        await bus.publish("a.b", b"1")
        await asyncio.sleep(0)
        await listening.end()
        await bus.publish("a.b", b"2")
        await asyncio.sleep(0)
        await bus.close()
        return heard

    assert asyncio.run(go()) == [b"1"]
