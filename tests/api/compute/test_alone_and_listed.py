"""A server is shown in a list as it is alone, whatever it is like, in each version, for whoever may see what."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.api.compute.ground import SERVERS, Ground, at, standing
from tests.cloud import NEWEST, Client, a_network, a_server, an_image, settle

V2 = "/network/v2.0"
VERSIONS = (1, 3, 8, 9, 16, 19, 26, 46, 47, 63, 71, 72, 73, 89, 90, 96, 98, 100, 104)
AGAIN = (104, 104)  # what is asked for often is written by patterns, which are made the second time
HOST = "OS-EXT-SRV-ATTR:host"
ACTIONS: dict[str, list[str]] = {
    "offloaded": ["shelve", "shelveOffload"],
    "stopped": ["os-stop"],
    "rescued": ["rescue"],
    "set aside": ["pause"],
}


@pytest.fixture
async def ground(tmp_path: Path, database_url: str) -> AsyncIterator[Ground]:
    async with standing(tmp_path, database=database_url) as ground:
        yield ground


async def rich(ground: Ground) -> str:
    """A server that has one of everything, in texts that have to be quoted."""
    flavor = {"id": "sp", "name": 's"p', "ram": 64, "disk": 1, "vcpus": 1, "swap": 64}
    await ground.admin.post("/compute/v2.1/flavors", {"flavor": flavor}, 200)
    specs = {"extra_specs": {"hw:cpu_policy": "shared", "mine:x": 'ü"\\'}}
    await ground.admin.post("/compute/v2.1/flavors/sp/os-extra_specs", specs, 200)
    image = await an_image(ground.user, "ü", hw_disk_bus="virtio", custom='x\n"\\')
    second = await a_network(ground.user, 'net " ü', "10.2.0.0/24")
    group = {"security_group": {"name": 's"g'}}
    await ground.user.post(f"{V2}/security-groups", group)
    server = {
        "name": 'ri"ch',
        "imageRef": image,
        "flavorRef": "sp",
        "networks": [{"uuid": ground.network}, {"uuid": second}, {"uuid": second}],
        "metadata": {"a": '"b\\', "c": "\n ü"},
        "tags": ["one", 'ü"'],
        "user_data": base64.b64encode(b"#!").decode(),
        "config_drive": True,
        "description": 'd"e',
        "security_groups": [{"name": 's"g'}, {"name": "default"}],
        "accessIPv4": "203.0.113.4",
    }
    hints = {"custom": ["a", 5, {"x": None}], "other": '"q'}
    body = {"server": server, "os:scheduler_hints": hints}
    made = await ground.user.post(SERVERS, body, 202, headers=NEWEST)
    await settle(ground.cloud)
    return str(made["server"]["id"])


async def with_floating_ips(ground: Ground, server_id: str) -> None:
    """A floating IP for each port of a server."""
    (public,) = (await ground.user.get(f"{V2}/networks?router:external=true"))["networks"]
    gateway = {"name": "r", "external_gateway_info": {"network_id": public["id"]}}
    router = (await ground.user.post(f"{V2}/routers", {"router": gateway}))["router"]["id"]
    ports = (await ground.user.get(f"{V2}/ports?device_id={server_id}"))["ports"]
    path = f"{V2}/routers/{router}/add_router_interface"
    for subnet in {port["fixed_ips"][0]["subnet_id"] for port in ports}:
        await ground.user("PUT", path, {"subnet_id": subnet}, status=200)
    for port in ports:
        body = {"floating_network_id": public["id"], "port_id": port["id"]}
        await ground.user.post(f"{V2}/floatingips", {"floatingip": body})


async def test_a_list_shows_what_a_server_shows(ground: Ground) -> None:
    ids = [await rich(ground), await a_server(ground.user, ground.image, ground.flavor)]
    await with_floating_ips(ground, ids[0])
    for name, actions in ACTIONS.items():
        ids.append(await ground.server(name=name))
        for action in actions:
            await ground.act(ids[-1], action, client=ground.admin, status=None)
    await ground.act(ids[1], "lock", {"locked_reason": '"why\\'})
    flavor = {"id": "big", "name": "big", "ram": 9_999_999, "disk": 1, "vcpus": 1}
    await ground.admin.post("/compute/v2.1/flavors", {"flavor": flavor}, 200)
    ids.append(await a_server(ground.user, ground.image, "big", ground.network))
    await settle(ground.cloud)
    statuses = {(await ground.show(one))["status"] for one in ids}
    assert statuses == {"ACTIVE", "SHELVED_OFFLOADED", "SHUTOFF", "RESCUE", "PAUSED", "ERROR"}
    for client in (ground.admin, ground.user):
        every = f"{SERVERS}/detail?all_tenants={client is ground.admin}"
        pages = [await client("GET", every, headers=at(minor)) for minor in (100, 104, *AGAIN)]
        assert len({page.content for page in pages}) == 1  # to the letter
        for minor in VERSIONS:
            found = await client.get(every, headers=at(minor))
            listed = {one["id"]: one for one in found["servers"]}
            assert set(listed) == set(ids)
            for server_id in ids:
                alone = (await client.get(f"{SERVERS}/{server_id}", headers=at(minor)))["server"]
                alone.pop("server_groups", None)  # as upstream: a list does not show it
                assert listed[server_id] == alone, minor


async def shown(ground: Ground, client: Client, server_id: str) -> list[dict[str, Any]]:
    """A server alone, and as the only one of a list."""
    alone = (await client.get(f"{SERVERS}/{server_id}", headers=NEWEST))["server"]
    (listed,) = (await client.get(f"{SERVERS}/detail", headers=NEWEST))["servers"]
    return [alone, listed]


@pytest.mark.parametrize(
    "check",
    [
        "project_id:%(project_id)s",
        "user_id:%(user_id)s",
        "role:x OR (role:Member And NOT role:ADMIN)",
    ],
)
async def test_rules_that_upstream_asks_without_a_target_are_asked_of_ones_own(
    ground: Ground, check: str
) -> None:
    """Public clouds let owners see more of their servers by such rules: they say whose, and a list is of many."""
    server_id = await ground.server()
    rules = ground.cloud.control.app.enforcer("compute")
    for one in await shown(ground, ground.user, server_id):
        assert HOST not in one and "host_status" not in one
    rules.override(
        {
            "os_compute_api:os-extended-server-attributes": check,
            "os_compute_api:servers:show:host_status": check,
        }
    )
    for one in await shown(ground, ground.user, server_id):
        assert (one[HOST], one["host_status"]) == ("host-1", "UP")
    rules.override({"os_compute_api:servers:detail:get_all_tenants": check})
    found = await ground.user.get(f"{SERVERS}/detail?all_tenants=1", headers=NEWEST)
    assert [one["id"] for one in found["servers"]] == [server_id]
    await ground.user("GET", f"{SERVERS}?all_tenants=1", headers=NEWEST, status=403)
