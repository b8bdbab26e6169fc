"""The outbox: what happened is told once it is committed, in order, also after a crash; and ends waiting."""

from __future__ import annotations

import asyncio

import pytest
import sqlalchemy as sa

from hanok.events import Event
from hanok.events.outbox import SUBJECT, decode
from hanok.events.tables import events
from tests.cloud import Cloud, a_flavor, a_network, a_server, an_image, settle


async def _kinds(cloud: Cloud, resource: str) -> list[str]:
    statement = sa.select(events.c.kind).where(events.c.resource == resource)
    async with cloud.control.database.read() as tx:
        return list(await tx.scalars(statement.order_by(events.c.sequence)))


async def test_a_servers_life_is_told_in_the_fields_form(cloud: Cloud) -> None:
    heard: list[Event] = []

    async def hear(_subject: str, payload: bytes) -> None:
        heard.append(decode(payload))

    await cloud.control.bus.listen(f"{SUBJECT}.>", hear)
    admin = await cloud.sign_in()
    image, flavor, network = await an_image(admin), await a_flavor(admin), await a_network(admin)
    server_id = await a_server(admin, image, flavor, network)
    await settle(cloud)
    await admin("POST", f"/compute/v2.1/servers/{server_id}/action", {"os-stop": None}, status=202)
    await settle(cloud)
    await admin("DELETE", f"/compute/v2.1/servers/{server_id}", status=204)
    await settle(cloud)
    wanted = [
        f"compute.instance.{what}.{end}"
        for what in ("create", "power_off", "delete")
        for end in ("start", "end")
    ]
    assert await _kinds(cloud, f"server:{server_id}") == wanted
    async with asyncio.timeout(20):
        while [one.kind for one in heard if one.resource == f"server:{server_id}"] != wanted:
            await asyncio.sleep(0.01)
    created = heard[[one.kind for one in heard].index("compute.instance.create.end")]
    assert created.project_id == admin.project_id and created.user_id == admin.user_id
    assert created.payload["uuid"] == server_id and created.payload["state"] == "active"
    assert created.payload["flavor"]["memory_mb"] == 64
    new, old = cloud.control.house.notifications(created)
    assert new["event_type"] == "instance.create.end" and new["priority"] == "INFO"
    assert new["payload"]["nova_object.name"] == "InstanceCreatePayload"
    data = new["payload"]["nova_object.data"]
    assert data["power_state"] == "running" and data["fault"] is None
    assert data["flavor"]["nova_object.data"]["flavorid"] == flavor
    [address] = [one["nova_object.data"] for one in data["ip_addresses"]]
    assert address["version"] == 4 and address["label"] == "net"
    assert old["event_type"] == "compute.instance.create.end"
    assert old["payload"]["instance_id"] == server_id and old["payload"]["memory_mb"] == 64
    assert old["payload"]["fixed_ips"][0]["address"] == address["address"]
    assert {one.kind for one in heard if one.resource.startswith("port:")} == {
        "network.port.update.end"
    }


async def test_what_is_rolled_back_is_not_told(cloud: Cloud) -> None:
    outbox = cloud.control.events
    with pytest.raises(ZeroDivisionError):
        async with cloud.control.database.write() as tx:
            await outbox.emit(tx, Event(kind="test.thing.lost", resource="thing:1"))
            raise ZeroDivisionError
    async with cloud.control.database.write() as tx:
        await outbox.emit(tx, Event(kind="test.thing.kept", resource="thing:1"))
    assert await _kinds(cloud, "thing:1") == ["test.thing.kept"]


async def test_a_listener_that_fails_holds_up_no_other(cloud: Cloud) -> None:
    told: list[str] = []

    async def broken(event: Event) -> None:
        raise ZeroDivisionError

    async def fine(event: Event) -> None:
        told.append(event.kind)

    outbox = cloud.control.events
    outbox.on("test.", broken)
    outbox.on("test.", fine)
    async with cloud.control.database.write() as tx:
        for number in range(3):
            await outbox.emit(tx, Event(kind=f"test.n{number}", resource="thing:1"))
    async with asyncio.timeout(20):
        while len(told) < 3:
            await asyncio.sleep(0.01)
    assert told == ["test.n0", "test.n1", "test.n2"]
    await asyncio.sleep(0.05)
    async with cloud.control.database.read() as tx:
        left = sa.select(sa.func.count()).select_from(events).where(events.c.told.is_(False))
        assert await tx.scalar(left) == 0
