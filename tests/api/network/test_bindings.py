"""Ports are bound to hosts: one binding is active, others wait for their server to arrive."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
import sqlalchemy as sa

from hanok.drivers.ovn.rows import SwitchPort
from hanok.services.network.logic.scopes import port_scope
from hanok.services.network.tables import bindings, scopes
from hanok.store import Duplicate
from tests.api.network.test_networks import V2, network, port, refused, subnet
from tests.cloud import Client, Cloud, a_flavor, a_server, an_image, settle


async def bound(cloud: Cloud) -> tuple[Client, str]:
    """A service's user, and a port that is bound to host-1 as a server's."""
    service = await cloud.project_with("nova", "admin", "service")
    made = await network(service)
    await subnet(service, made["id"])
    values: Any = {"binding:host_id": "host-1", "device_owner": "compute:nova", "device_id": "vm"}
    return service, str((await port(service, made["id"], **values))["id"])


async def _options(cloud: Cloud, port_id: str) -> dict[str, str]:
    """What OVN is told of the port."""
    known = sa.select(scopes).where(scopes.c.scope == port_scope(port_id))
    async with asyncio.timeout(60):
        while True:
            async with cloud.control.database.read() as tx:
                scope = await tx.first(known)
            if scope is not None and scope.applied >= scope.wanted:
                break
            await asyncio.sleep(0.01)
    (row,) = await cloud.network.northbound.dump(port_scope(port_id))
    assert isinstance(row, SwitchPort)
    return dict(row.options)


async def test_a_port_moves_from_binding_to_binding(cloud: Cloud) -> None:
    service, port_id = await bound(cloud)
    base = f"{V2}/ports/{port_id}/bindings"
    (first,) = (await service.get(base))["bindings"]
    assert first == {
        "host": "host-1",
        "vif_type": "ovs",
        "vif_details": {"port_filter": True, "connectivity": "l2"},
        "vnic_type": "normal",
        "profile": {},
        "status": "ACTIVE",
    }
    body = {"binding": {"host": "host-2", "profile": {"migrating_to": "host-2"}}}
    waiting = (await service.post(base, body))["binding"]
    assert (waiting["status"], waiting["vif_type"]) == ("INACTIVE", "ovs")
    assert await _options(cloud, port_id) == {
        "requested-chassis": "host-1,host-2",
        "activation-strategy": "rarp",
    }
    assert (await service.get(f"{V2}/ports/{port_id}"))["port"]["binding:host_id"] == "host-1"

    active = (await service("PUT", f"{base}/host-2/activate", status=200)).json()["binding"]
    assert (active["host"], active["status"]) == ("host-2", "ACTIVE")
    shown = (await service.get(f"{V2}/ports/{port_id}"))["port"]
    assert shown["binding:host_id"] == "host-2"
    assert shown["binding:profile"] == {"migrating_to": "host-2"}
    assert [one["id"] for one in (await service.get(f"{V2}/ports?binding:host_id=host-2"))["ports"]]
    assert (await service.get(f"{V2}/ports?binding:host_id=host-1"))["ports"] == []
    options = await _options(cloud, port_id)
    assert options["requested-chassis"] == "host-2,host-1"

    await service("DELETE", f"{base}/host-1", status=204)
    assert await _options(cloud, port_id) == {"requested-chassis": "host-2"}
    states = [one["status"] for one in (await service.get(base))["bindings"]]
    assert states == ["ACTIVE"]


async def test_bindings_refuse_what_makes_no_sense(cloud: Cloud) -> None:
    service, port_id = await bound(cloud)
    base = f"/ports/{port_id}/bindings"
    there = {"binding": {"host": "host-1"}}
    assert (await refused(service, "POST", base, there, 409))["type"] == "PortBindingAlreadyExists"
    for odd in (
        {},
        {"host": ""},
        {"host": 3},
        {"host": "h", "status": "ACTIVE"},
        {"host": "h" * 256},
    ):
        await refused(service, "POST", base, {"binding": odd}, 400)
    missing = await refused(service, "PUT", f"{base}/host-9/activate", None, 404)
    assert missing["type"] == "PortBindingNotFound"
    error = await refused(service, "PUT", f"{base}/host-1/activate", None, 409)
    assert error["type"] == "PortBindingAlreadyActive"
    await service("DELETE", f"{V2}{base}/host-9", status=404)
    await service.get(f"{V2}{base}?color=red", 400)

    await service("PUT", f"{V2}{base}/host-1", {"binding": {"profile": {"a": 1}}}, status=200)
    assert (await service.get(f"{V2}{base}/host-1"))["binding"]["profile"] == {"a": 1}
    await service.post(f"{V2}{base}", {"binding": {"host": "host-2"}})
    await refused(service, "PUT", f"{base}/host-2", {"binding": {"host": "host-1"}}, 409)
    moved = await service("PUT", f"{V2}{base}/host-2", {"binding": {"host": "host-3"}}, status=200)
    assert moved.json()["binding"]["status"] == "INACTIVE"
    await service("DELETE", f"{V2}{base}/host-1", status=204)
    shown = (await service.get(f"{V2}/ports/{port_id}"))["port"]
    assert (shown["binding:host_id"], shown["binding:vif_type"]) == ("", "unbound")
    await service("PUT", f"{V2}{base}/host-3/activate", status=200)
    assert len((await service.get(f"{V2}{base}"))["bindings"]) == 1
    await service("DELETE", f"{V2}/ports/{port_id}", status=204)
    await service.get(f"{V2}{base}", 404)


async def test_only_services_move_ports_and_only_those_of_servers(cloud: Cloud) -> None:
    admin = await cloud.sign_in()
    member = await cloud.project_with("p", "member")
    made = await network(member)
    plain = await port(member, made["id"])
    base = f"{V2}/ports/{plain['id']}/bindings"
    await member("GET", base, status=403)
    await member("POST", base, {"binding": {"host": "h"}}, status=403)
    await member("PUT", f"{base}/h/activate", status=403)
    await member("DELETE", f"{base}/h", status=403)
    stranger = await cloud.project_with("q", "member")
    await stranger("GET", base, status=404)
    answer = await admin("GET", base, status=400)
    assert "not owned by a compute instance" in answer.text
    aliases = {one["alias"] for one in (await admin.get(f"{V2}/extensions"))["extensions"]}
    assert "binding-extended" in aliases


async def test_a_host_that_is_set_takes_the_place_of_the_binding_that_waited(cloud: Cloud) -> None:
    service, port_id = await bound(cloud)
    base = f"{V2}/ports/{port_id}/bindings"
    await service.post(base, {"binding": {"host": "host-2"}})
    body = {"port": {"binding:host_id": "host-2"}}
    await service("PUT", f"{V2}/ports/{port_id}", body, status=200)
    (only,) = (await service.get(base))["bindings"]
    assert (only["host"], only["status"]) == ("host-2", "ACTIVE")


async def test_a_servers_port_is_bound_and_let_go(cloud: Cloud) -> None:
    admin = await cloud.sign_in()
    made = await network(admin)
    await subnet(admin, made["id"])
    own = await port(admin, made["id"])
    requested: Any = [{"port": own["id"]}]
    server = await a_server(admin, await an_image(admin), await a_flavor(admin), networks=requested)
    await settle(cloud)
    (bound,) = (await admin.get(f"{V2}/ports/{own['id']}/bindings"))["bindings"]
    assert (bound["host"], bound["status"]) == ("host-1", "ACTIVE")
    await admin("DELETE", f"/compute/v2.1/servers/{server}", status=204)
    await settle(cloud)
    left = (await admin.get(f"{V2}/ports/{own['id']}"))["port"]
    assert (left["binding:host_id"], left["binding:vif_type"]) == ("", "unbound")


async def test_the_database_holds_one_active_binding_a_port(cloud: Cloud) -> None:
    _, port_id = await bound(cloud)
    async with cloud.control.database.write() as tx:
        row = await tx.first(sa.select(bindings).where(bindings.c.port_id == port_id))
        assert row is not None
        with pytest.raises(Duplicate):
            await tx.insert(bindings, {**row._mapping, "host": "host-2"})


async def test_ports_are_tagged_sorted_and_paged_by_their_hosts(cloud: Cloud) -> None:
    service, port_id = await bound(cloud)
    made = (await service.get(f"{V2}/ports/{port_id}"))["port"]["network_id"]
    others = [(await port(service, made, **_at(host)))["id"] for host in ("host-3", "host-2")]
    await service("PUT", f"{V2}/ports/{port_id}/tags", {"tags": ["a"]}, status=200)
    shown = (await service.get(f"{V2}/ports?tags=a&binding:vnic_type=normal"))["ports"]
    assert [one["id"] for one in shown] == [port_id]
    found: list[str] = []
    url = f"{V2}/ports?network_id={made}&sort_key=binding:host_id&sort_dir=desc&limit=1"
    while len(found) < 3:
        page = (await service.get(url + (f"&marker={found[-1]}" if found else "")))["ports"]
        found.append(page[0]["id"])
    assert found == [others[0], others[1], port_id]


def _at(host: str) -> dict[str, Any]:
    return {"binding:host_id": host}
