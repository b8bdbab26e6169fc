"""The outbox: what happened is told once it is committed, in order, also after a crash; and ends waiting."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
import pytest
import sqlalchemy as sa

from hanok.base.errors import Raced
from hanok.events import Event
from hanok.events.outbox import PAYLOAD_BYTES, SUBJECT, decode
from hanok.events.tables import events
from hanok.store import Transaction
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


# ---- what requests change by themselves ----


async def _told_by(cloud: Cloud, work: Callable[[], Awaitable[Any]]) -> list[Event]:
    """The events that some work writes."""
    async with cloud.control.database.read() as tx:
        before = await tx.scalar(sa.select(sa.func.max(events.c.sequence))) or 0
    await work()
    statement = sa.select(events).where(events.c.sequence > before).order_by(events.c.sequence)
    async with cloud.control.database.read() as tx:
        rows = await tx.all(statement)
    names = set(Event.__struct_fields__)
    return [Event(**{k: v for k, v in row._mapping.items() if k in names}) for row in rows]


IDENTITY: list[tuple[str, str, str, dict[str, Any], dict[str, Any]]] = [
    ("projects", "project", "project", {"name": "p"}, {"name": "q"}),
    ("domains", "domain", "domain", {"name": "d"}, {"enabled": False}),
    ("users", "user", "user", {"name": "u"}, {"name": "v"}),
    ("groups", "group", "group", {"name": "g"}, {"name": "h"}),
    ("roles", "role", "role", {"name": "r"}, {"name": "s"}),
    ("regions", "region", "region", {"id": "r" * 250}, {"description": "more"}),
    ("services", "service", "service", {"type": "t"}, {"type": "u"}),
    ("policies", "policy", "policy", {"blob": "{}", "type": "t"}, {"blob": "[]"}),
]


@pytest.mark.parametrize(("plural", "name", "noun", "first", "then"), IDENTITY)
async def test_what_identity_makes_changes_and_deletes_is_told(
    cloud: Cloud, plural: str, name: str, noun: str, first: dict[str, Any], then: dict[str, Any]
) -> None:
    admin = await cloud.sign_in()
    made: dict[str, Any] = {}

    async def live() -> None:
        answer = await admin("POST", f"/v3/{plural}", {name: first}, status=201)
        made.update(answer.json()[name])
        await admin("POST", f"/v3/{plural}", {name: {}}, status=400 if name != "region" else 201)
        await admin("PATCH", f"/v3/{plural}/{made['id']}", {name: then})
        await admin("DELETE", f"/v3/{plural}/{made['id']}", status=204)

    told = [
        one for one in await _told_by(cloud, live) if one.payload["resource_info"] == made["id"]
    ]
    assert [one.kind for one in told] == [
        f"identity.{noun}.{verb}" for verb in ("created", "updated", "deleted")
    ]
    assert {one.user_id for one in told} == {admin.user_id}
    [form] = cloud.control.house.notifications(told[0])
    assert form["event_type"] == f"identity.{noun}.created"
    assert form["payload"] == {"resource_info": made["id"]}


async def test_a_role_that_is_given_is_told_with_who_has_it_where(cloud: Cloud) -> None:
    admin = await cloud.sign_in()
    member = await cloud.project_with("p", "member")
    [role] = (await admin.get("/v3/roles?name=reader"))["roles"]
    path = f"/v3/projects/{member.project_id}/users/{member.user_id}/roles/{role['id']}"

    async def give() -> None:
        await admin("PUT", path, status=204)
        await member("DELETE", path, status=403)

    [one] = await _told_by(cloud, give)
    assert one.kind == "identity.role_assignment.created"
    assert one.payload == {
        "role": role["id"], "user": member.user_id, "project": member.project_id,
        "inherited_to_projects": False,
    }  # fmt: skip


async def test_what_happens_to_networks_is_told_as_the_field_calls_it(cloud: Cloud) -> None:
    member = await cloud.project_with("p", "member")
    both = {"networks": [{"name": "a"}, {"name": "b"}]}

    async def live() -> None:
        made = await member("POST", "/network/v2.0/networks", both, status=201)
        path = f"/network/v2.0/networks/{made.json()['networks'][0]['id']}"
        await member("PUT", path, {"network": {"name": "c"}})
        await member("PUT", path, {"network": {"shared": True}}, status=403)
        await member("DELETE", path, status=204)

    told = await _told_by(cloud, live)
    assert [(one.kind, one.payload["network"]["name"]) for one in told] == [
        ("network.network.create.end", "a"),
        ("network.network.create.end", "b"),
        ("network.network.update.end", "c"),
        ("network.network.delete.end", "c"),
    ]
    assert told[3].payload["network_id"] == told[0].payload["network"]["id"]
    assert {one.project_id for one in told} == {member.project_id}
    [form] = cloud.control.house.notifications(told[2])
    assert form["event_type"] == "network.update.end"


async def test_what_happens_to_images_and_servers_is_told(cloud: Cloud) -> None:
    admin = await cloud.sign_in()
    image, flavor, network = await an_image(admin), await a_flavor(admin), await a_network(admin)
    server_id = await a_server(admin, image, flavor, network)
    await settle(cloud)
    server = f"/compute/v2.1/servers/{server_id}"
    patch = [{"op": "add", "path": "/os_distro", "value": "debian"}]
    json_patch = {"Content-Type": "application/openstack-images-v2.1-json-patch"}

    async def live() -> None:
        await admin("PATCH", f"/image/v2/images/{image}", patch, headers=json_patch)
        await admin("PUT", server, {"server": {"name": "renamed"}})
        await admin("POST", f"{server}/metadata", {"metadata": {"metering.server_group": "g"}})
        await admin("POST", f"{server}/action", {"lock": None}, status=202)

    told = await _told_by(cloud, live)
    assert [one.kind for one in told] == [
        "image.update",
        "compute.instance.update",
        "compute.instance.update",
        "compute.instance.lock",
    ]
    assert told[0].payload["os_distro"] == "debian"
    assert told[1].payload["display_name"] == "renamed"
    assert told[2].payload["metadata"] == {"metering.server_group": "g"}
    assert told[3].payload["locked"] is True
    assert {one.resource for one in told[1:]} == {f"server:{server_id}"}


async def test_a_request_that_is_tried_again_tells_once_of_what_is_there(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    admin = await cloud.sign_in()
    commit, tries = Transaction._before_commit, [0]

    async def overtaken_once(tx: Transaction) -> None:
        tries[0] += 1
        if tries[0] == 1:
            raise Raced(detail="another request was faster")
        await commit(tx)

    made: dict[str, Any] = {}

    async def create() -> None:
        monkeypatch.setattr(Transaction, "_before_commit", overtaken_once)
        answer = await admin("POST", "/v3/groups", {"group": {"name": "g"}}, status=201)
        monkeypatch.setattr(Transaction, "_before_commit", commit)
        made.update(answer.json()["group"])

    told = await _told_by(cloud, create)
    assert tries[0] == 2
    assert [one.payload for one in told] == [{"resource_info": made["id"]}]


async def test_an_event_of_something_large_is_small(cloud: Cloud) -> None:
    member = await cloud.project_with("p", "member")
    body = {"name": "i", "disk_format": "raw", "container_format": "bare"}
    large = {f"p{number}": "x" * 60_000 for number in range(3)}
    made: dict[str, Any] = {}

    async def create() -> None:
        made.update(await member.post("/image/v2/images", {**body, **large}))

    [one] = await _told_by(cloud, create)
    assert len(msgspec.json.encode(one.payload)) < PAYLOAD_BYTES
    assert (one.payload["id"], one.payload["name"]) == (made["id"], "i")
    assert made["p0"] == large["p0"]
