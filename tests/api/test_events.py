"""The outbox: what happened is told once it is committed, in order, also after a crash; and ends waiting."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from functools import partial
from typing import Any

import msgspec
import pytest
import sqlalchemy as sa

from hanok.base.errors import Raced, Unavailable
from hanok.base.log import request_id
from hanok.events import Event, outbox
from hanok.events.outbox import PAYLOAD_BYTES, SUBJECT, decode
from hanok.events.tables import events
from hanok.store import Transaction
from tests.cloud import Client, Cloud, a_flavor, a_network, a_server, an_image, settle
from tests.disks import qcow2


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
    requested = [
        f"compute.instance.{what}.{end}"
        for what in ("create", "power_off", "delete")
        for end in ("start", "end")
    ]
    assert await _kinds(cloud, f"server:{server_id}") == requested
    async with asyncio.timeout(60):
        while [one.kind for one in heard if one.resource == f"server:{server_id}"] != requested:
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
    assert data["trusted_image_certificates"] is None and data["tags"] == []
    assert data["instance_name"].startswith("instance-")
    assert data["flavor"]["nova_object.data"]["flavorid"] == flavor
    [address] = [one["nova_object.data"] for one in data["ip_addresses"]]
    assert address["version"] == 4 and address["label"] == "net"
    assert old["event_type"] == "compute.instance.create.end"
    assert old["payload"]["instance_id"] == server_id and old["payload"]["memory_mb"] == 64
    assert old["payload"]["fixed_ips"][0]["address"] == address["address"]
    ports = [one for one in heard if one.resource.startswith("port:")]
    told = [one.kind for one in ports]
    assert told == [f"network.port.{verb}.end" for verb in ("create", "update", "delete")]
    made, gone = ports[0].payload["port"], ports[-1].payload["port"]
    assert made["device_id"] == gone["device_id"] == server_id
    assert made["fixed_ips"][0]["ip_address"] == address["address"] and made["security_groups"]
    assert ports[-1].payload["port_id"] == gone["id"]


async def test_a_port_of_ones_own_is_told_when_a_server_takes_it_and_lets_go_of_it(
    cloud: Cloud,
) -> None:
    admin = await cloud.sign_in()
    network = {"network_id": await a_network(admin)}
    port = (await admin.post("/network/v2.0/ports", {"port": network}))["port"]["id"]
    flavor, image = await a_flavor(admin), await an_image(admin)
    server_id = await a_server(admin, image, flavor, networks=[{"port": port}])
    await settle(cloud)
    path = f"/compute/v2.1/servers/{server_id}/action"
    group = {"security_group": {"name": "web"}}
    await admin.post("/network/v2.0/security-groups", group)
    for action in ("addSecurityGroup", "removeSecurityGroup"):
        ask = partial(admin.post, path, {action: {"name": "web"}}, 202)
        changed = await _told_by(cloud, ask)
        assert [one.kind for one in changed] == [
            "network.port.update.end", "compute.instance.update"
        ]  # fmt: skip
        groups = changed[0].payload["port"]["security_groups"]
        assert len(groups) == (2 if action == "addSecurityGroup" else 1)

    async def remove() -> None:
        await admin("DELETE", f"/compute/v2.1/servers/{server_id}", status=204)
        await settle(cloud)

    freed = [one for one in await _told_by(cloud, remove) if one.resource == f"port:{port}"]
    assert [one.kind for one in freed] == ["network.port.update.end"]
    assert freed[0].payload["port"]["device_id"] == ""


async def test_what_is_rolled_back_is_not_told(cloud: Cloud) -> None:
    outbox = cloud.control.events
    with pytest.raises(ZeroDivisionError):
        async with cloud.control.database.write() as tx:
            await outbox.emit(tx, Event(kind="test.thing.lost", resource="thing:1"))
            raise ZeroDivisionError
    async with cloud.control.database.write() as tx:
        await outbox.emit(tx, Event(kind="test.thing.kept", resource="thing:1"))
    assert await _kinds(cloud, "thing:1") == ["test.thing.kept"]


@pytest.mark.parametrize("error", [ZeroDivisionError, partial(Unavailable, "A host is away.")])
async def test_a_listener_that_fails_holds_up_no_other(
    cloud: Cloud, error: Callable[[], Exception]
) -> None:
    told: list[str] = []

    async def broken(event: Event) -> None:
        raise error()

    async def fine(event: Event) -> None:
        told.append(event.kind)

    outbox = cloud.control.events
    outbox.on("test.", broken)
    outbox.on("test.", fine)
    async with cloud.control.database.write() as tx:
        for number in range(3):
            await outbox.emit(tx, Event(kind=f"test.n{number}", resource="thing:1"))
    async with asyncio.timeout(60):
        while len(told) < 3:
            await asyncio.sleep(0.01)
    assert told == ["test.n0", "test.n1", "test.n2"]
    left = sa.select(sa.func.count()).select_from(events).where(events.c.told.is_(False))
    async with asyncio.timeout(60), cloud.control.database.read() as tx:
        while await tx.scalar(left):  # their rows say it a little later
            await asyncio.sleep(0.01)


async def test_a_listener_that_never_ends_holds_up_no_other_and_is_told(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outbox, "LISTENER_S", 0.1)
    monkeypatch.setattr(outbox, "REST_S", 0.5)
    admin, told, heard = await cloud.sign_in(), [], []
    ends = asyncio.Event()

    async def endless(event: Event) -> None:
        await ends.wait()
        heard.append(event.kind)

    async def fine(event: Event) -> None:
        told.append(event.kind)

    async def emit(kind: str) -> None:
        async with cloud.control.database.write() as tx:
            await cloud.control.events.emit(tx, Event(kind=kind, resource="thing:1"))

    async def late() -> list[str]:
        found = (await admin.get("/hanok/v1/inventory"))["differences"]
        said = [one["detail"] for one in found if one["what"] == "events"]
        return [
            one for one in said if "endless" in one
        ]  # on a busy machine others may be late, too

    cloud.control.events.on("test.", endless)
    cloud.control.events.on("test.", fine)
    for number in range(3):
        await emit(f"test.n{number}")
    async with asyncio.timeout(60):
        while len(told) < 3:
            await asyncio.sleep(0.01)
    assert told == ["test.n0", "test.n1", "test.n2"] and heard == []
    [words] = await late()
    assert "endless did not end within 0.1 s of test.n0" in words
    ends.set()
    async with asyncio.timeout(60):
        while not heard:
            await emit("test.later")
            await asyncio.sleep(0.1)
        while await late():
            await asyncio.sleep(0.01)


async def test_of_told_events_the_newest_are_kept(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many a user causes within the time that they are kept for."""
    monkeypatch.setattr(outbox, "KEPT_MAXIMUM", 30)
    monkeypatch.setattr(outbox, "FORGET_AFTER", 10)
    for number in range(4):
        async with cloud.control.database.write() as tx:
            for more in range(20):
                event = Event(kind=f"test.n{number}.{more}", resource="thing:1")
                await cloud.control.events.emit(tx, event)
    async with asyncio.timeout(60):
        while len(kinds := await _kinds(cloud, "thing:1")) > 39:
            await asyncio.sleep(0.01)
    assert kinds[-1] == "test.n3.19"
    async with cloud.control.database.read() as tx:
        statement = sa.select(events.c.kind).where(events.c.told.is_(False))
        assert set(await tx.scalars(statement)) <= set(kinds)


async def test_what_happens_after_a_long_silence_is_told(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All that was told before has been forgotten meanwhile."""
    told: list[str] = []

    async def hear(event: Event) -> None:
        told.append(event.kind)

    cloud.control.events.on("test.", hear)
    monkeypatch.setattr(outbox, "KEPT", timedelta(minutes=-1))
    monkeypatch.setattr(outbox, "FORGET_S", 0.0)
    monkeypatch.setattr(outbox, "FORGET_AFTER", 1)
    for number in range(3):
        async with cloud.control.database.write() as tx:
            for more in range(5):
                event = Event(kind=f"test.n{number}.{more}", resource="thing:1")
                await cloud.control.events.emit(tx, event)
        async with asyncio.timeout(20):
            while len(await _kinds(cloud, "thing:1")) > 1 or len(told) < 5 * (number + 1):
                await asyncio.sleep(0.01)
    assert told == [f"test.n{number}.{more}" for number in range(3) for more in range(5)]


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


V = "/compute/v2.1"
SPECS = f"{V}/flavors/nano/os-extra_specs"
AGGREGATE = f"{V}/os-aggregates/{{id}}"
METADEFS = "/image/v2/metadefs/namespaces"
PUBLIC_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGjdL5fEHL3EcLwXMJBDbcN9kVTWQKkKfdLRMwxAfBJ5 one"
FLAVOR = {"id": "nano", "name": "nano", "ram": 64, "vcpus": 1, "disk": 1}
Step = tuple[str, str, Any, list[str]]
# Requests one after another, and what each is told as. {id}: of what the first one made.
LIVES: dict[str, list[Step]] = {
    "flavor": [
        ("POST", f"{V}/flavors", {"flavor": FLAVOR}, ["flavor.create"]),
        ("PUT", f"{V}/flavors/nano", {"flavor": {"description": "small"}}, ["flavor.update"]),
        ("POST", SPECS, {"extra_specs": {"hw:cpu_policy": "shared"}}, ["flavor.update"]),
        ("PUT", f"{SPECS}/hw:cpu_policy", {"hw:cpu_policy": "mixed"}, ["flavor.update"]),
        ("DELETE", f"{SPECS}/hw:cpu_policy", None, ["flavor.update"]),
        ("DELETE", f"{V}/flavors/nano", None, ["flavor.delete"]),
    ],
    "keypair": [
        ("POST", f"{V}/os-keypairs", {"keypair": {"name": "made"}}, ["keypair.create.end"] * 2),
        (
            "POST",
            f"{V}/os-keypairs",
            {"keypair": {"name": "own", "public_key": PUBLIC_KEY}},
            ["keypair.import.end"] * 2,
        ),
        ("DELETE", f"{V}/os-keypairs/own", None, ["keypair.delete.end"] * 2),
    ],
    "aggregate": [
        (
            "POST",
            f"{V}/os-aggregates",
            {"aggregate": {"name": "a"}},
            ["aggregate.create.end", "aggregate.create.end"],
        ),
        (
            "PUT",
            AGGREGATE,
            {"aggregate": {"name": "b", "availability_zone": "z"}},
            [
                "aggregate.update_prop.end",
                "aggregate.updateprop.end",
                "aggregate.update_metadata.end",
                "aggregate.updatemetadata.end",
            ],
        ),
        (
            "POST",
            f"{AGGREGATE}/action",
            {"set_metadata": {"metadata": {"k": "v"}}},
            ["aggregate.update_metadata.end", "aggregate.updatemetadata.end"],
        ),
        (
            "POST",
            f"{AGGREGATE}/action",
            {"add_host": {"host": "host-1"}},
            ["aggregate.add_host.end", "aggregate.addhost.end"],
        ),
        (
            "POST",
            f"{AGGREGATE}/action",
            {"remove_host": {"host": "host-1"}},
            ["aggregate.remove_host.end", "aggregate.removehost.end"],
        ),
        ("DELETE", AGGREGATE, None, ["aggregate.delete.end"] * 2),
    ],
    "server_group": [
        (
            "POST",
            f"{V}/os-server-groups",
            {"server_group": {"name": "g", "policies": ["affinity"]}},
            ["server_group.create", "servergroup.create"],
        ),
        (
            "DELETE",
            f"{V}/os-server-groups/{{id}}",
            None,
            ["server_group.delete", "servergroup.delete"],
        ),
    ],
    "definition": [
        (
            "POST",
            METADEFS,
            {"namespace": "n", "tags": [{"name": "t"}]},
            ["metadef_namespace.create", "metadef_tag.create"],
        ),
        (
            "POST",
            f"{METADEFS}/n/properties",
            {"name": "p", "title": "P", "type": "string"},
            ["metadef_property.create"],
        ),
        (
            "PUT",
            f"{METADEFS}/n/properties/p",
            {"name": "q", "title": "Q", "type": "string"},
            ["metadef_property.update"],
        ),
        ("DELETE", f"{METADEFS}/n/properties/q", None, ["metadef_property.delete"]),
        ("POST", f"{METADEFS}/n/objects", {"name": "o"}, ["metadef_object.create"]),
        ("PUT", f"{METADEFS}/n/objects/o", {"name": "o"}, ["metadef_object.update"]),
        ("DELETE", f"{METADEFS}/n/objects/o", None, ["metadef_object.delete"]),
        ("POST", f"{METADEFS}/n/tags/u", None, ["metadef_tag.create"]),
        ("PUT", f"{METADEFS}/n/tags/u", {"name": "v"}, ["metadef_tag.update"]),
        ("DELETE", f"{METADEFS}/n/tags/v", None, ["metadef_tag.delete"]),
        (
            "POST",
            f"{METADEFS}/n/tags",
            {"tags": [{"name": "w"}, {"name": "x"}]},
            ["metadef_namespace.delete_tags", "metadef_tag.create", "metadef_tag.create"],
        ),
        (
            "POST",
            f"{METADEFS}/n/resource_types",
            {"name": "OS::Nova::Server"},
            ["metadef_resource_type.create"],
        ),
        (
            "DELETE",
            f"{METADEFS}/n/resource_types/OS::Nova::Server",
            None,
            ["metadef_resource_type.delete"],
        ),
        ("DELETE", f"{METADEFS}/n/objects", None, ["metadef_namespace.delete_objects"]),
        ("DELETE", f"{METADEFS}/n/properties", None, ["metadef_namespace.delete_properties"]),
        ("DELETE", f"{METADEFS}/n/tags", None, ["metadef_namespace.delete_tags"]),
        ("PUT", f"{METADEFS}/n", {"namespace": "m"}, ["metadef_namespace.update"]),
        ("DELETE", f"{METADEFS}/m", None, ["metadef_namespace.delete"]),
    ],
    "consumer": [
        (
            "POST",
            "/v3/OS-OAUTH1/consumers",
            {"consumer": {}},
            ["identity.OS-OAUTH1:consumer.created"],
        ),
        (
            "PATCH",
            "/v3/OS-OAUTH1/consumers/{id}",
            {"consumer": {"description": "d"}},
            ["identity.OS-OAUTH1:consumer.updated"],
        ),
        (
            "DELETE",
            "/v3/OS-OAUTH1/consumers/{id}",
            None,
            ["identity.OS-OAUTH1:consumer.deleted"],
        ),
    ],
    "project tag": [
        ("POST", "/v3/projects", {"project": {"name": "p"}}, ["identity.project.created"]),
        ("PUT", "/v3/projects/{id}/tags/t", None, ["identity.project.updated"]),
        ("DELETE", "/v3/projects/{id}/tags/t", None, ["identity.project.updated"]),
    ],
    "network tag": [
        (
            "POST",
            "/network/v2.0/networks",
            {"network": {"name": "n"}},
            ["network.create.end"],
        ),
        ("PUT", "/network/v2.0/networks/{id}/tags/t", None, ["tag.create.end"]),
        ("PUT", "/network/v2.0/networks/{id}/tags", {"tags": ["u"]}, ["tag.update.end"]),
        ("DELETE", "/network/v2.0/networks/{id}/tags/u", None, ["tag.delete.end"]),
        ("DELETE", "/network/v2.0/networks/{id}/tags", None, ["tag.delete_all.end"]),
    ],
}
LATEST = {"OpenStack-API-Version": "compute latest"}


def _id_in(answer: dict[str, Any]) -> str:
    """The id of what an answer shows."""
    one = (
        answer if "id" in answer else next((v for v in answer.values() if isinstance(v, dict)), {})
    )
    return str(one.get("id", ""))


async def _ask(
    answers: list[Any], client: Client, method: str, path: str, body: Any, headers: dict[str, str]
) -> None:
    answers.append(await client(method, path, body, headers=headers))


@pytest.mark.parametrize("what", LIVES)
async def test_what_is_told_has_the_names_that_the_field_knows(cloud: Cloud, what: str) -> None:
    admin, made = await cloud.sign_in(), ""
    for method, path, body, requested in LIVES[what]:
        answers: list[Any] = []
        headers = {} if "os-server-groups" in path or "os-keypairs" in path else LATEST
        told = await _told_by(
            cloud, partial(_ask, answers, admin, method, path.format(id=made), body, headers)
        )
        [answer] = answers
        assert answer.status_code < 300, f"{method} {path}: {answer.text}"
        if answer.content and not made:
            made = _id_in(answer.json())
        forms = [form for one in told for form in cloud.control.house.notifications(one)]
        assert [form["event_type"] for form in forms] == requested, f"{method} {path}"
        assert {one.user_id for one in told} == {admin.user_id}
        for form in forms:
            assert "private_key" not in str(form) and "secret" not in str(form["payload"])


async def test_an_image_is_told_from_its_row_to_its_data_and_its_members(cloud: Cloud) -> None:
    member = await cloud.project_with("p", "member")
    other = await cloud.project_with("q", "member")
    octets = {"Content-Type": "application/octet-stream"}
    image = {"name": "i", "disk_format": "qcow2", "container_format": "bare"}
    made: dict[str, Any] = {}

    async def live() -> None:
        made.update(await member.post("/image/v2/images", image))
        path = f"/image/v2/images/{made['id']}"
        await member("PUT", f"{path}/file", content=qcow2(), headers=octets, status=204)
        await member("PUT", f"{path}/tags/t", status=204)
        await member.post(f"{path}/members", {"member": other.project_id}, 200)
        await other("PUT", f"{path}/members/{other.project_id}", {"status": "accepted"})
        await member("DELETE", f"{path}/members/{other.project_id}", status=204)
        await member("DELETE", path, status=204)

    told = await _told_by(cloud, live)
    assert [one.kind for one in told] == [
        "image.create",
        "image.prepare",
        "image.upload",
        "image.activate",
        "image.update",
        "image.member.create",
        "image.member.update",
        "image.member.delete",
        "image.delete",
    ]
    assert {one.resource for one in told if one.kind.count(".") == 1} == {f"image:{made['id']}"}
    assert told[1].payload["status"] == "queued"
    assert told[3].payload["status"] == "active" and told[3].payload["size"] == len(qcow2())
    assert told[4].payload["tags"] == ["t"]
    assert told[6].payload["status"] == "accepted" and not told[6].payload["deleted"]
    assert told[7].payload["deleted"] and told[7].payload["member_id"] == other.project_id


async def test_what_is_renamed_in_the_metadata_catalog_is_told_with_both_names(
    cloud: Cloud,
) -> None:
    admin, inside = await cloud.sign_in(), {"type": "string", "title": "T"}
    await admin.post(METADEFS, {"namespace": "n"})
    for kind, body in (
        ("objects", {"name": "a"}),
        ("properties", {"name": "a", **inside}),
        ("tags", None),
    ):
        path = f"{METADEFS}/n/{kind}" + ("/a" if body is None else "")
        await admin.post(path, body)
        for new in ("b", "b"):
            [old] = (await admin.get(f"{METADEFS}/n/{kind}"))[kind]
            was = old if isinstance(old, str) else old["name"]
            change = {"name": new, **(inside if kind == "properties" else {})}
            ask = partial(admin, "PUT", f"{METADEFS}/n/{kind}/{was}", change, status=200)
            [told] = await _told_by(cloud, ask)
            assert (told.payload["name_old"], told.payload["name"]) == (was, new)
    for old, new in (("n", "m"), ("m", "m")):
        ask = partial(admin, "PUT", f"{METADEFS}/{old}", {"namespace": new}, status=200)
        [told] = await _told_by(cloud, ask)
        assert (told.payload["namespace_old"], told.payload["namespace"]) == (old, new)


async def test_an_import_tells_of_its_task_and_of_the_data(cloud: Cloud) -> None:
    member = await cloud.project_with("p", "member")
    image = {"name": "i", "disk_format": "qcow2", "container_format": "bare"}
    octets = {"Content-Type": "application/octet-stream"}
    made = await member.post("/image/v2/images", image)
    path = f"/image/v2/images/{made['id']}"
    await member("PUT", f"{path}/stage", content=qcow2(), headers=octets, status=204)

    async def live() -> None:
        method = {"method": {"name": "glance-direct"}}
        await member("POST", f"{path}/import", method, status=202)
        await settle(cloud)

    told = await _told_by(cloud, live)
    forms = [form["event_type"] for one in told for form in cloud.control.house.notifications(one)]
    assert [one for one in forms if not one.startswith("image.image.")] == [
        "task.create",
        "task.processing",
        "image.upload",
        "image.activate",
        "task.success",
    ]
    assert "input" not in told[0].payload


async def test_a_new_server_in_a_group_is_told_of_the_group(cloud: Cloud) -> None:
    admin = await cloud.sign_in()
    image, flavor = await an_image(admin), await a_flavor(admin)
    group = {"server_group": {"name": "g", "policies": ["affinity"]}}
    group_id = (await admin.post(f"{V}/os-server-groups", group, 200))["server_group"]["id"]
    server = {"name": "s", "imageRef": image, "flavorRef": flavor, "networks": "none"}
    made: dict[str, Any] = {}

    async def create() -> None:
        body = {"server": server, "os:scheduler_hints": {"group": group_id}}
        made.update((await admin("POST", f"{V}/servers", body, headers=LATEST, status=202)).json())

    told = [one for one in await _told_by(cloud, create) if "server_group" in one.kind]
    [new, old] = [form for one in told for form in cloud.control.house.notifications(one)]
    assert new["event_type"] == "server_group.add_member"
    assert new["payload"]["nova_object.data"]["members"] == [made["server"]["id"]]
    assert old["event_type"] == "servergroup.addmember"
    assert old["payload"]["instance_uuids"] == [made["server"]["id"]]


async def test_images_that_are_brought_to_an_aggregate_are_told(cloud: Cloud) -> None:
    admin = await cloud.sign_in()
    image = await an_image(admin)
    body: dict[str, Any] = {"aggregate": {"name": "a"}}
    made = (await admin.post(f"{V}/os-aggregates", body, 200))["aggregate"]["id"]

    async def bring() -> None:
        wish = {"cache": [{"id": image}]}
        path = f"{V}/os-aggregates/{made}/images"
        await admin("POST", path, wish, headers=LATEST, status=202)
        await settle(cloud)

    forms = [
        form["event_type"]
        for one in await _told_by(cloud, bring)
        for form in cloud.control.house.notifications(one)
    ]
    assert forms == ["aggregate.cache_images.start", "aggregate.cache_images.end"]


async def test_what_changes_nothing_is_not_told(cloud: Cloud) -> None:
    admin = await cloud.sign_in()
    image, flavor, network = await an_image(admin), await a_flavor(admin), await a_network(admin)
    server_id = await a_server(admin, image, flavor, network)
    await settle(cloud)
    tag = f"{V}/servers/{server_id}/tags/t"

    async def twice() -> None:
        await admin("PUT", tag, headers=LATEST, status=201)
        await admin("PUT", tag, headers=LATEST, status=204)

    assert [one.kind for one in await _told_by(cloud, twice)] == ["compute.instance.update"]


async def test_a_request_that_is_tried_again_tells_once_of_what_is_there(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    admin = await cloud.sign_in()
    commit, tries = Transaction._before_commit, [0]

    async def overtaken_once(tx: Transaction) -> None:
        if request_id.get():  # the cloud's own loops write, too
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
