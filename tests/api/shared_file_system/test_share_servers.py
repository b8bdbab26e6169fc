"""Shares in a project's own network: share servers come with the first share, and go."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.api.shared_file_system.sharing import BASE, NEWEST, Sharing, at, sharing
from tests.cloud import Cloud

NETWORKS, SERVERS = f"{BASE}/share-networks", f"{BASE}/share-servers"


@pytest.fixture
async def files(cloud: Cloud) -> Sharing:
    return await sharing(cloud)


async def tenant_network(files: Sharing) -> tuple[str, str]:
    """A network of the project with a subnet."""
    path = "/network/v2.0"
    made = await files.user.post(f"{path}/networks", {"network": {"name": "n"}}, status=201)
    network_id = made["network"]["id"]
    body = {"network_id": network_id, "ip_version": 4, "cidr": "10.20.0.0/24"}
    subnet = await files.user.post(f"{path}/subnets", {"subnet": body}, status=201)
    return network_id, subnet["subnet"]["id"]


async def share_network(files: Sharing, **values: Any) -> str:
    body = {"share_network": {"name": "sn", **values}}
    made = await files.user.post(NETWORKS, body, status=200, headers=NEWEST)
    return str(made["share_network"]["id"])


async def served_type(files: Sharing, name: str = "served") -> str:
    specs = {"driver_handles_share_servers": "True", "snapshot_support": "True"}
    body = {"share_type": {"name": name, "extra_specs": specs}}
    made = await files.admin.post(f"{BASE}/types", body, status=200, headers=at(2, 50))
    return str(made["share_type"]["id"])


async def test_a_share_is_reached_in_the_tenants_network(files: Sharing) -> None:
    network_id, subnet_id = await tenant_network(files)
    named = {"neutron_net_id": network_id, "neutron_subnet_id": subnet_id}
    network = await share_network(files, **named)
    kind = await served_type(files)
    for values, words in (
        ({"share_type": kind}, "must be set"),
        ({"share_network_id": network}, "must not be set"),  # the usual type has no share servers
    ):
        body = {"share": {"share_proto": "NFS", "size": 1, **values}}
        refused = await files.user("POST", f"{BASE}/shares", body, status=400, headers=NEWEST)
        assert f"Share network {words}" in refused.text
    share = await files.share(share_type=kind, share_network_id=network)
    servers = (await files.admin.get(SERVERS, headers=NEWEST))["share_servers"]
    assert [(one["share_network_id"], one["status"]) for one in servers] == [(network, "active")]
    assert servers[0]["share_network_name"] == "sn"
    locations = await files.user.get(
        f"{BASE}/shares/{share['id']}/export_locations", headers=NEWEST
    )
    assert locations["export_locations"][0]["path"].startswith("10.20.0.")
    shown = (await files.user.get(f"{NETWORKS}/{network}", headers=NEWEST))["share_network"]
    subnet = shown["share_network_subnets"][0]
    assert (subnet["cidr"], subnet["ip_version"]) == ("10.20.0.0/24", 4)
    ports = await files.admin.get("/network/v2.0/ports?device_owner=manila:share")
    assert [one["device_id"] for one in ports["ports"]] == [servers[0]["id"]]
    hints = {"same_host": share["id"]}
    again = await files.share(share_type=kind, share_network_id=network, scheduler_hints=hints)
    assert len((await files.admin.get(SERVERS, headers=NEWEST))["share_servers"]) == 1
    await files.user("DELETE", f"{NETWORKS}/{network}", headers=NEWEST, status=409)
    put = {"share_network": {"neutron_net_id": "x", "neutron_subnet_id": "y"}}
    await files.user("PUT", f"{NETWORKS}/{network}", put, headers=NEWEST, status=403)
    await files.admin("DELETE", f"{SERVERS}/{servers[0]['id']}", headers=NEWEST, status=409)
    for one in (share, again):
        await files.user("DELETE", f"{BASE}/shares/{one['id']}", headers=NEWEST, status=202)
        await files.gone(f"shares/{one['id']}")
    await files.user("DELETE", f"{NETWORKS}/{network}", headers=NEWEST, status=202)
    async with asyncio.timeout(30):
        while (await files.admin.get(SERVERS, headers=NEWEST))["share_servers"]:
            await asyncio.sleep(0.02)
    ports = await files.admin.get("/network/v2.0/ports?device_owner=manila:share")
    assert ports["ports"] == []


async def test_another_projects_network_is_not_there(files: Sharing) -> None:
    other = await files.cloud.project_with("others", "member", "reader")
    network_id, subnet_id = await tenant_network(Sharing(files.cloud, other, files.admin))
    named = {"neutron_net_id": network_id, "neutron_subnet_id": subnet_id}
    network = await share_network(files, **named)
    share = await files.share(
        "error", share_type=await served_type(files), share_network_id=network
    )
    told = await files.user.get(f"{BASE}/messages?resource_id={share['id']}", headers=NEWEST)
    assert "not found" in told["messages"][0]["user_message"]
    assert (await files.admin.get(SERVERS, headers=NEWEST))["share_servers"] == []


async def test_no_server_starts_where_nobody_joins_the_security_service(files: Sharing) -> None:
    network_id, subnet_id = await tenant_network(files)
    named = {"neutron_net_id": network_id, "neutron_subnet_id": subnet_id}
    network, kind = await share_network(files, **named), await served_type(files)
    body = {"security_service": {"type": "ldap", "server": "10.20.0.9", "domain": "d"}}
    made = await files.user.post(f"{BASE}/security-services", body, status=200, headers=NEWEST)
    service = {"security_service_id": made["security_service"]["id"]}
    do = f"{NETWORKS}/{network}/action"
    await files.user("POST", do, {"add_security_service": service}, headers=NEWEST, status=200)
    values = {"share_type": kind, "share_network_id": network}
    share = await files.share("error", **values)
    told = await files.user.get(f"{BASE}/messages?resource_id={share['id']}", headers=NEWEST)
    (message,) = told["messages"]
    assert (message["action_id"], message["detail_id"]) == ("002", "022")
    assert "failed to setup one or more security services" in message["user_message"]
    assert (await files.admin.get(SERVERS, headers=NEWEST))["share_servers"] == []
    ports = await files.admin.get("/network/v2.0/ports?device_owner=manila:share")
    assert ports["ports"] == []
    take = {"remove_security_service": service}
    await files.user("POST", do, take, headers=NEWEST, status=403)
    await files.user("DELETE", f"{BASE}/shares/{share['id']}", headers=NEWEST, status=202)
    await files.gone(f"shares/{share['id']}")
    await files.user("POST", do, take, headers=NEWEST, status=200)
    await files.share(**values)
    check = {"add_security_service_check": service}
    answer = await files.admin("POST", do, check, headers=NEWEST, status=202)
    (can,) = answer.json()["hosts_check_result"].values()
    assert (answer.json()["compatible"], can) == (False, False)
    refused = {"add_security_service": service}
    await files.user("POST", do, refused, headers=NEWEST, status=400)
    shown = (await files.user.get(f"{NETWORKS}/{network}", headers=NEWEST))["share_network"]
    assert shown["security_service_update_support"] is False


async def test_share_servers_are_the_operators(files: Sharing) -> None:
    for path in ("", "/x", "/x/details"):
        await files.user("GET", f"{SERVERS}{path}", headers=NEWEST, status=403)
    await files.admin("GET", f"{SERVERS}/x", headers=NEWEST, status=404)
    found = await files.admin.get(f"{SERVERS}?colour=blue", headers=NEWEST)
    assert found["share_servers"] == []
    network = await share_network(files)
    body = {"host": "h@b", "share_network_id": network, "identifier": "i"}
    await files.admin(
        "POST", f"{SERVERS}/manage", {"share_server": body}, headers=NEWEST, status=400
    )
