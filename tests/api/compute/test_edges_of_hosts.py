"""What is said of servers and hosts where there is little to say: no host, no guest, no page more, two of a name."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from hanok.base import failpoints
from hanok.base.errors import Conflict
from hanok.commands import HostDevice, Topology
from hanok.services.compute import facade
from hanok.services.compute.logic import (
    bandwidth,
    bindings,
    hosts,
    meters,
    name_filter,
    server_groups,
    server_volumes,
    servers,
    topologies,
)
from hanok.services.compute.logic.volume_inventory import volume_differences
from hanok.web.token import Caller
from tests.api.compute.ground import SERVERS, Ground, at
from tests.api.compute.volume_ground import VolumeGround, with_volumes
from tests.cloud import NEWEST, a_server, settle

ROOT = "/compute/v2.1"
PLACEMENT = {"OpenStack-API-Version": "placement 1.39"}


@pytest.fixture
async def ground(tmp_path: Path) -> AsyncIterator[VolumeGround]:
    async with with_volumes(tmp_path, hosts=2) as one:
        yield one


async def nowhere(ground: Ground, **values: Any) -> Any:
    """A server that no host can have, as an administrator sees it."""
    body = {"flavor": {"id": "none", "name": "none", "ram": 64, "disk": 1, "vcpus": 1}}
    if (await ground.admin("POST", f"{ROOT}/flavors", body)).status_code == 200:
        specs = {"extra_specs": {"trait:CUSTOM_NOWHERE": "required"}}
        await ground.admin.post(f"{ROOT}/flavors/none/os-extra_specs", specs, 200)
    made = await a_server(ground.admin, ground.image, "none", **values)
    await settle(ground.cloud)
    return await ground.show(made)


async def test_lists_go_on_page_by_page(
    ground: VolumeGround, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number, name in enumerate(("web-1", "db-1", "web-2")):
        nics = [{"uuid": ground.network, "fixed_ip": f"10.1.0.2{number}"}]
        await ground.server(name=name, networks=nics)

    async def listed(query: str, status: int = 200) -> Any:
        answer = await ground.admin("GET", f"{SERVERS}?all_tenants=1&{query}", headers=NEWEST)
        assert answer.status_code == status, answer.text
        if status != 200:
            return answer.text
        return sorted(one["name"] for one in answer.json()["servers"])

    monkeypatch.setattr(name_filter, "SLICE", 1)
    assert await listed("name=^(web)-") == ["web-1", "web-2"]
    assert await listed("name=^(cache)-") == []
    assert await listed("ip=^10.1.0.2[12]$") == ["db-1", "web-2"]
    assert await listed("ip=10.2") == []
    monkeypatch.setattr(name_filter, "MATCHES", 1)
    assert await listed("name=^(web)-1") == ["web-1"]
    assert "There are too many servers for this pattern" in await listed("name=^(web)-", 400)
    assert await listed("ip=10.1.0.21") == ["db-1"]
    assert "Too many servers fit" in await listed("ip=10.1", 400)
    looks = name_filter.compiled("name", "^(cache)-").cost * len("web-1 db-1 web-2 ")
    monkeypatch.setattr(name_filter, "LOOKS", looks)
    assert await listed("name=^(cache)-") == []
    monkeypatch.setattr(name_filter, "LOOKS", looks - 1)
    assert "There are too many servers for this pattern" in await listed("name=^(cache)-", 400)


async def test_a_server_that_is_nowhere(ground: VolumeGround) -> None:
    server = await nowhere(ground)
    fault = server["fault"]["message"]
    assert fault == "No valid host was found. 2 hosts; 2 lack trait CUSTOM_NOWHERE."
    forced = await nowhere(ground, availability_zone="nova:host-1")
    fault = forced["fault"]["message"]
    assert fault == "No valid host was found. host host-1; 1 lacks trait CUSTOM_NOWHERE."
    zoneless = await nowhere(ground, availability_zone=":host-2")
    assert "host host-2; 1 lacks trait" in zoneless["fault"]["message"]
    console = f"{SERVERS}/{server['id']}/remote-consoles"
    body = {"remote_console": {"protocol": "vnc", "type": "novnc"}}
    answer = await ground.admin("POST", console, body, headers=NEWEST, status=409)
    assert "is not ready" in answer.text
    stopped = await ground.server()
    await ground.act(stopped, "os-stop")
    await ground.act(stopped, "os-resetState", {"state": "error"}, client=ground.admin)
    console = f"{SERVERS}/{stopped}/remote-consoles"
    await ground.user("POST", console, body, headers=NEWEST, status=409)
    control, now = ground.cloud.control, ground.cloud.control.clock.now()
    async with control.database.write() as tx:
        await bindings.depart(tx, server["id"], now)
        where = await servers.get_any(tx, stopped)
        assert where is not None
        for server_id, host in ((server["id"], "host-1"), (stopped, where.host)):
            with pytest.raises(Conflict, match=f"cannot be moved to {host}"):
                await bindings.expect(tx, server_id, host)
        for server_id in (server["id"], stopped):
            with pytest.raises(Conflict, match="is not on the way to host-2"):
                await bindings.arrive(tx, server_id, "host-2", now)
        assert await server_groups.placed(tx, stopped) == server_groups.Placed()
        assert await bandwidth.follow(tx, where, [], now)
        assert await bandwidth.follow(tx, await servers.get_any(tx, server["id"]), [], now)
    for one in (server, forced, zoneless):
        await ground.admin("DELETE", f"{SERVERS}/{one['id']}", status=204)
    await settle(ground.cloud)
    await ground.assert_clean()


async def test_two_of_a_name(ground: VolumeGround) -> None:
    async def several() -> Any:
        return (await ground.admin.get("/hanok/v1/servers/twin/scheduling"))["several"]

    async def looked() -> Any:
        async with ground.cloud.control.database.read() as tx:
            return await facade.look(tx, "twin")

    first = await ground.server(name="twin")
    assert await several() is False and await looked() == (first, "twin", "active")
    second = await ground.server(name="twin")
    assert await several() is True
    async with ground.cloud.control.database.read() as tx:
        own = {host: await servers.ids_on_host(tx, host) for host in ("host-1", "host-2")}
        assert own["host-1"] | own["host-2"] == {first, second}
        assert {host: await servers.count_on_host(tx, host) for host in own} == {
            host: len(those) for host, those in own.items()
        }
    with pytest.raises(Conflict, match="More than one server exists with the name twin"):
        await looked()
    await ground.delete(first)
    assert await several() is False and await looked() == (second, "twin", "active")
    await ground.delete(second)
    assert await several() is False and await looked() is None
    private = {"id": "own", "name": "own", "ram": 64, "disk": 1, "vcpus": 1}
    body = {"flavor": {**private, "os-flavor-access:is_public": False}}
    await ground.admin.post(f"{ROOT}/flavors", body, 200)
    await ground.admin.get(f"{ROOT}/flavors/own")
    await ground.user("GET", f"{ROOT}/flavors/own", status=404)


async def test_services_that_are_no_hosts(ground: VolumeGround) -> None:
    async def listed() -> dict[str, Any]:
        found = (await ground.admin.get(f"{ROOT}/os-services", headers=NEWEST))["services"]
        return {f"{one['binary']} {one['host']}": one for one in found}

    before = await listed()
    name = next(one for one in before if one.startswith("nova-conductor"))
    body = {"host": before[name]["host"], "binary": "nova-conductor"}
    await ground.admin("PUT", f"{ROOT}/os-services/disable", body, headers=at(1), status=200)
    assert (await listed())[name]["status"] == "disabled"
    server = await ground.server()
    path = f"{ROOT}/os-services/{before[name]['id']}"
    await ground.admin("DELETE", path, headers=NEWEST, status=204)
    assert name not in await listed()
    host = (await ground.show(server))["OS-EXT-SRV-ATTR:host"]
    path = f"{ROOT}/os-services/{before[f'nova-compute {host}']['id']}"
    said = await ground.admin("DELETE", path, headers=NEWEST, status=409)
    assert "hosting instances" in said.text


async def test_aggregates_that_say_what_is_so_already(ground: VolumeGround) -> None:
    """A host with servers may come into the zone that it is in; what others have in an aggregate is no difference."""
    await ground.server()
    await ground.server()
    made = await ground.admin.post(
        f"{ROOT}/os-aggregates", {"aggregate": {"name": "a"}}, 200, headers=NEWEST
    )
    one = f"{ROOT}/os-aggregates/{made['aggregate']['id']}"

    async def act(key: str, value: Any, status: int = 200) -> str:
        answer = await ground.admin(
            "POST", f"{one}/action", {key: value}, headers=NEWEST, status=status
        )
        return answer.text

    await act("set_metadata", {"metadata": {"availability_zone": "nova"}})
    await act("add_host", {"host": "host-1"})
    await act(
        "set_metadata", {"metadata": {"availability_zone": "nova", "cpu_allocation_ratio": "2.5"}}
    )
    other = {"metadata": {"availability_zone": "other"}}
    assert "contain instances in this zone" in await act("set_metadata", other, 400)
    await act("set_metadata", {"metadata": {"cpu_allocation_ratio": None}})
    own = await ground.admin(
        "POST", "/placement/resource_providers", {"name": "own"}, headers=PLACEMENT, status=200
    )
    provider = f"/placement/resource_providers/{own.json()['uuid']}"
    generation = own.json()["generation"]
    body = {"aggregates": [made["aggregate"]["uuid"]], "resource_provider_generation": generation}
    await ground.admin("PUT", f"{provider}/aggregates", body, headers=PLACEMENT, status=200)
    await ground.assert_clean()
    listed = (await ground.admin.get("/placement/resource_providers", headers=PLACEMENT))[
        "resource_providers"
    ]
    (host,) = [found for found in listed if found["name"] == "host-2"]
    body["resource_provider_generation"] = host["generation"]
    path = f"/placement/resource_providers/{host['uuid']}/aggregates"
    await ground.admin("PUT", path, body, headers=PLACEMENT, status=200)
    found = (await ground.admin.get("/hanok/v1/inventory"))["differences"]
    (difference,) = [str(each) for each in found]
    assert f"host host-2 is not in aggregate {made['aggregate']['uuid']}" in difference


async def test_volumes_that_one_side_alone_knows(ground: VolumeGround) -> None:
    room = ground.cloud.compute
    database, volumes = ground.cloud.control.database, ground.cloud.compute.volumes
    running, shelved = await ground.server(), await ground.server()
    kept = [await ground.volume(), await ground.volume(), await ground.volume()]
    await ground.attach(running, kept[0])
    await ground.act(shelved, "shelve")
    await ground.attach(shelved, kept[1])
    await ground.attach(running, kept[2])
    assert await volume_differences(room, mend=False) == []
    async with database.write() as tx:
        found = {one.volume_id: one for one in await volumes.attachments_of_servers(tx)}
        for volume_id in kept[:2]:
            await volumes.release(tx, found[volume_id].id)
    for mend in (False, True, True):
        lost = {one.detail.split()[1]: one for one in await volume_differences(room, mend=mend)}
        assert f"has volume {kept[0]}, whose attachment" in lost[running].detail
        assert (lost[running].mendable, lost[running].mended) == (False, False)  # the guest has it
        if shelved in lost:
            assert (lost[shelved].mendable, lost[shelved].mended) == (True, mend)
    assert set(lost) == {running} and await ground.attachments(shelved) == []
    # Of what block storage alone knows: a server that is there may be about to have what is kept for it.
    gone = await ground.server()
    await ground.delete(gone)
    others = [await ground.volume(), await ground.volume()]
    caller = Caller(user_id=ground.user.user_id, project_id=ground.user.project_id)
    async with database.write() as tx:
        (row,) = [
            one for one in await server_volumes.of_server(tx, running) if one.volume_id == kept[2]
        ]
        await server_volumes.forget(tx, row.id)
        await volumes.reserve(tx, caller, others[0], gone)
        await volumes.reserve(tx, caller, others[1], running)
    for mend in (False, True, True):
        stray = {one.detail.split()[1]: one for one in await volume_differences(room, mend=mend)}
        assert stray[kept[2]].detail.endswith(f"server {running}, which does not have it")
        assert (stray[kept[2]].mendable, stray[kept[2]].mended) == (False, False)
        assert others[1] not in stray
        if others[0] in stray:
            assert stray[others[0]].detail.endswith(f"server {gone}, which is deleted")
            assert (stray[others[0]].mendable, stray[others[0]].mended) == (True, mend)
    assert others[0] not in stray
    assert (await ground.volume_of(others[0]))["status"] == "available"
    # While something is done to a server, nothing is said of it.
    failpoints.arm("compute.create_image.CopyDisk.before_do", "hang")
    await ground.ask(running, "createImage", {"name": "copy"})
    async with asyncio.timeout(30):
        while not failpoints.waiting("compute.create_image.CopyDisk.before_do"):
            await asyncio.sleep(0.01)
    assert await volume_differences(room, mend=False) == []


async def test_what_a_server_that_is_shelved_cannot_have(ground: VolumeGround) -> None:
    server = await ground.server()
    shared = await ground.volume(volume_type=await ground.multiattach_type())
    plain = await ground.volume()
    said = await ground.attach(server, shared, 400, minor=59)
    assert "only supported starting with compute API version 2.60" in said.text
    await ground.act(server, "shelve")
    said = await ground.attach(server, shared, 400)
    assert "Attaching multiattach volumes is not supported for shelved-offloaded" in said.text
    said = await ground.attach(server, plain, 400, tag="data")
    assert "Tagged volume attachment is not supported for shelved-offloaded" in said.text
    assert (await ground.attach(server, plain))["device"] is None  # nothing has named it yet
    said = await ground.attach(server, plain, 400)
    assert "already attached" in said.text
    await ground.act(server, "unshelve")
    await ground.attach(server, shared, tag="data")
    assert set(
        ground.guest_volumes(server, (await ground.show(server))["OS-EXT-SRV-ATTR:host"])
    ) == {
        plain,
        shared,
    }


async def test_servers_are_measured_whatever_they_do(
    ground: VolumeGround, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(meters, "AT_ONCE", 1)
    running, stopped = await ground.server(), await ground.server()
    lost = (await nowhere(ground))["id"]
    await ground.act(stopped, "os-stop")
    gone = await ground.server()
    await ground.delete(gone)
    found = [one async for one in meters.of_servers(ground.cloud.compute)]
    of = {one.name: one for one in found if one.kind == "instance"}
    assert list(of) == [running, stopped, lost]
    assert "cpu" in of[running].meters
    assert "cpu" not in of[stopped].meters and "cpu" not in of[lost].meters
    parts = {one.attributes["instance_id"] for one in found if one.kind != "instance"}
    assert parts == {running}


async def test_flavors_without_a_disk(ground: VolumeGround) -> None:
    """A server without a disk of the flavor's may get another such flavor; what a flavor asks of CPUs stays so."""
    for name, values in (("none", {"disk": 0}), ("more", {"disk": 0, "ram": 128}), ("cells", {})):
        flavor = {"id": name, "name": name, "ram": 64, "disk": 1, "vcpus": 1, **values}
        await ground.admin.post(f"{ROOT}/flavors", {"flavor": flavor}, 200)
    await ground.admin.post(
        f"{ROOT}/flavors/cells/os-extra_specs", {"extra_specs": {"hw:numa_nodes": "1"}}, 200
    )
    body = {"name": "vm", "imageRef": ground.image, "flavorRef": "none", "networks": "none"}
    said = await ground.user("POST", SERVERS, {"server": body}, headers=NEWEST, status=403)
    assert "Only volume-backed servers are allowed for flavors with zero disk." in said.text
    made = await a_server(ground.admin, ground.image, "none")
    await settle(ground.cloud)
    assert await ground.status(made) == "ACTIVE"
    await ground.act(made, "resize", {"flavorRef": "more"}, client=ground.admin)
    assert await ground.status(made) == "VERIFY_RESIZE"
    exact = await a_server(ground.user, ground.image, "cells")
    await settle(ground.cloud)
    await ground.act(exact, "rebuild", {"imageRef": ground.image})
    assert await ground.status(exact) == "ACTIVE"


async def test_a_provider_that_is_no_host_gets_no_server(ground: VolumeGround) -> None:
    made = await ground.admin(
        "POST", "/placement/resource_providers", {"name": "own"}, headers=PLACEMENT, status=200
    )
    path = f"/placement/resource_providers/{made.json()['uuid']}/inventories"
    inventories = {name: {"total": 100_000} for name in ("VCPU", "MEMORY_MB", "DISK_GB")}
    body = {"inventories": inventories, "resource_provider_generation": made.json()["generation"]}
    await ground.admin("PUT", path, body, headers=PLACEMENT, status=200)
    server = await ground.show(await ground.server())
    assert server["OS-EXT-SRV-ATTR:host"] in ("host-1", "host-2")
    fault = (await nowhere(ground))["fault"]["message"]
    assert fault == "No valid host was found. 2 hosts; 2 lack trait CUSTOM_NOWHERE."


async def test_a_host_may_get_devices_and_lose_them(ground: VolumeGround) -> None:
    room = ground.cloud.compute
    card = HostDevice(address="0000:01:00.0", vendor_id="10de", product_id="1eb8")

    async def children(*devices: HostDevice) -> list[str]:
        async with room.database.write() as tx:
            told = (await hosts.told(tx, ["host-1"]))["host-1"]
            new = msgspec.structs.replace(told, devices=devices)
            await hosts.heard(tx, [new], room.settings, room.clock.now())
        path = "/placement/resource_providers"
        found = (await ground.admin.get(path, headers=PLACEMENT))["resource_providers"]
        return sorted(one["name"] for one in found)

    assert await children() == ["host-1", "host-2"]
    assert await children(card) == ["host-1", "host-1_0000:01:00.0", "host-2"]
    assert await children() == ["host-1", "host-2"]


async def test_what_is_given_out_of_a_host_is_without_the_server_that_asks(
    ground: VolumeGround,
) -> None:
    server = await ground.server()
    async with ground.cloud.control.database.write() as tx:
        row = await servers.get_any(tx, server)
        assert row is not None
        placed = topologies.Placed(topology=Topology(cells=()))
        await topologies.put(tx, row, row.host, placed)
        everything = await topologies.at_hosts(tx, [row.host])
        assert everything == {row.host: [placed.topology]}
        own, other = (server, row.flavor_id), (server, "another")
        assert await topologies.at_hosts(tx, [row.host], but=own) == {}
        assert await topologies.at_hosts(tx, [row.host], but=other) == everything
        devices = topologies.Placed(devices=("0000:01:00.0",))
        await topologies.put(tx, row, row.host, devices)
        assert await topologies.at_hosts(tx, [row.host]) == {}
        assert (await topologies.of_server(tx, row)).devices == devices.devices
        await topologies.put(tx, row, row.host, topologies.Placed(resources={"p": {"VCPU": 1}}))
        assert await topologies.of_server(tx, row) == topologies.Placed()


async def test_an_image_belongs_to_a_project(ground: VolumeGround) -> None:
    server = await ground.server()
    nobody = await ground.cloud.sign_in(project=None)
    ground.cloud.control.app.enforcer("compute").override({"context_is_admin": "@"})
    said = await ground.ask(server, "createImage", {"name": "copy"}, status=400, client=nobody)
    assert "An image belongs to a project: use a project's token." in said.text
    assert await ground.status(server) == "ACTIVE"
