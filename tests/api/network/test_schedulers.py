"""Conversations about which hosts carry a router's gateways."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from hanok.drivers.ovn.rows import RouterPort
from hanok.services.network import facade as networks
from hanok.services.network.facade import NetworkSettings
from hanok.services.network.tables import router_hosts
from tests.api.network.test_engine import engine, settled
from tests.api.network.test_networks import V2, network, refused
from tests.api.network.test_routers import lab
from tests.cloud import Client, Cloud, running

HOSTS = ("h1", "h2", "h3")


class Hosts:
    """Three more hosts, and a router with a gateway."""

    def __init__(self, cloud: Cloud, admin: Client) -> None:
        self.cloud, self.admin = cloud, admin

    async def build(self) -> None:
        async with self.cloud.control.database.write() as tx:
            await networks.heard(tx, self.cloud.network, HOSTS)
        agents = (await self.admin.get(f"{V2}/agents?binary=ovn-controller"))["agents"]
        self.agents = {one["host"]: one["id"] for one in agents}
        member = await self.cloud.project_with("p", "member")
        self.member = member
        self.network, _, self.router = await lab(member)
        self.path = f"{V2}/routers/{self.router['id']}/l3-agents"

    async def shown(self) -> dict[str, int]:
        found = (await self.admin.get(self.path))["agents"]
        return {one["host"]: one["ha_chassis_priority"] for one in found}

    async def in_ovn(self) -> dict[str, int]:
        await settled(self.cloud)
        rows = await engine(self.cloud).dump(f"router:{self.router['id']}")
        (port,) = (one for one in rows if isinstance(one, RouterPort) and one.gateway_chassis)
        return {one.chassis: one.priority for one in port.gateway_chassis}

    def on(self, host: str) -> str:
        return f"/agents/{self.agents[host]}/l3-routers"

    async def add(self, host: str, **values: Any) -> None:
        body = {"router_id": self.router["id"], **values}
        answer = await self.admin("POST", f"{V2}{self.on(host)}", body, status=201)
        assert answer.json() is None

    async def remove(self, host: str) -> None:
        await self.admin("DELETE", f"{V2}{self.on(host)}/{self.router['id']}", status=204)


@pytest.fixture
async def hosts(cloud: Cloud) -> Hosts:
    found = Hosts(cloud, await cloud.sign_in())
    await found.build()
    return found


async def test_the_house_chooses_until_somebody_says_where_a_router_is(hosts: Hosts) -> None:
    chosen = await hosts.shown()
    assert set(chosen) == set(hosts.agents) and sorted(chosen.values()) == [1, 2, 3, 4]
    assert list(chosen.values()) == [4, 3, 2, 1]
    assert await hosts.in_ovn() == chosen
    for host in hosts.agents:
        found = (await hosts.admin.get(f"{V2}{hosts.on(host)}?fields=id"))["routers"]
        assert {"id": hosts.router["id"]} in found
    first, *others = chosen
    await hosts.remove(first)
    left = {host: chosen[host] for host in others}
    assert await hosts.shown() == left == await hosts.in_ovn()
    listed = (await hosts.admin.get(f"{V2}{hosts.on(first)}"))["routers"]
    assert hosts.router["id"] not in {one["id"] for one in listed}
    await hosts.add(first, ha_chassis_priority=40)
    assert await hosts.in_ovn() == {first: 40, **left}
    path = f"{V2}{hosts.on(others[0])}/{hosts.router['id']}"
    answer = await hosts.admin("PUT", path, {"ha_chassis_priority": 50}, status=200)
    assert answer.json() == {"ha_chassis_priority": 50}
    assert list(await hosts.shown()) == [others[0], first, *others[1:]]
    await hosts.remove(others[-1])
    await hosts.add(others[-1])  # behind all others
    assert (await hosts.in_ovn())[others[-1]] == 1
    for host in chosen:
        await hosts.remove(host)
    assert await hosts.in_ovn() == chosen


async def test_a_host_comes_behind_all_others_however_low_these_are(hosts: Hosts) -> None:
    first, *others = await hosts.shown()
    await hosts.remove(first)  # which leaves 3, 2 and 1
    await hosts.add(first)
    assert await hosts.in_ovn() == {others[0]: 4, others[1]: 3, others[2]: 2, first: 1}
    for host in (others[1], others[2]):
        await hosts.remove(host)
    await hosts.add(others[2])
    assert await hosts.in_ovn() == {others[0]: 4, first: 2, others[2]: 1}


async def test_what_does_not_go_together_is_refused(hosts: Hosts) -> None:
    one, other, *_ = hosts.agents
    router = hosts.router["id"]
    body: Any = {"router_id": router}

    async def no(method: str, path: str, body: Any, status: int) -> str:
        return str((await refused(hosts.admin, method, path, body, status))["type"])

    assert await no("POST", hosts.on(one), body, 409) == "RouterHostedByL3Agent"
    taken = {"ha_chassis_priority": (await hosts.shown())[other]}
    assert await no("PUT", f"{hosts.on(one)}/{router}", taken, 409) == "RouterSchedulingFailed"
    await no("PUT", f"{hosts.on(one)}/{router}", {}, 400)
    await no("PUT", f"{hosts.on(one)}/{router}", {"ha_chassis_priority": 32768}, 400)
    await no("POST", hosts.on(one), {"router_id": router, "odd": 1}, 400)
    await no("POST", hosts.on(one), [], 400)
    await hosts.remove(one)
    assert await no("DELETE", f"{hosts.on(one)}/{router}", None, 409) == "RouterNotHostedByL3Agent"
    answer = await no("PUT", f"{hosts.on(one)}/{router}", {"ha_chassis_priority": 9}, 409)
    assert answer == "RouterNotHostedByL3Agent"
    assert await no("POST", hosts.on(one), {**body, **taken}, 409) == "RouterSchedulingFailed"
    metadata = await hosts.admin.get(f"{V2}/agents?binary=neutron-ovn-metadata-agent")
    none = f"/agents/{metadata['agents'][0]['id']}/l3-routers"
    assert await no("POST", none, body, 404) == "InvalidL3Agent"
    assert (await hosts.admin.get(f"{V2}{none}"))["routers"] == []
    inner = (await hosts.member.post(f"{V2}/routers", {"router": {}}))["router"]["id"]
    assert (await hosts.admin.get(f"{V2}/routers/{inner}/l3-agents"))["agents"] == []
    answer = await no("POST", hosts.on(one), {"router_id": inner}, 409)
    assert answer == "RouterSchedulingFailed"
    for method, path in (("GET", hosts.path.removeprefix(V2)), ("GET", hosts.on(one))):
        await refused(hosts.member, method, path, None, 403)
    nobody = "00000000-0000-4000-8000-000000000000"
    await no("GET", f"/agents/{nobody}/l3-routers", None, 404)
    await no("GET", f"/routers/{nobody}/l3-agents", None, 404)


async def test_a_host_that_is_forgotten_carries_nothing_that_was_said(hosts: Hosts) -> None:
    first, *others = await hosts.shown()
    for host in others:
        await hosts.remove(host)
    assert list(await hosts.in_ovn()) == [first]
    await hosts.admin("DELETE", f"{V2}/agents/{hosts.agents[first]}", status=204)
    assert set(await hosts.in_ovn()) == set(others)


async def test_no_agent_answers_dhcp(hosts: Hosts) -> None:
    path = f"/agents/{hosts.agents['h1']}/dhcp-networks"
    made = (await network(hosts.member))["id"]
    assert (await hosts.admin.get(f"{V2}{path}")) == {"networks": []}
    assert (await hosts.admin.get(f"{V2}/networks/{made}/dhcp-agents")) == {"agents": []}
    error = await refused(hosts.admin, "POST", path, {"network_id": made}, 404)
    assert error["type"] == "InvalidDHCPAgent"
    error = await refused(hosts.admin, "DELETE", f"{path}/{made}", None, 409)
    assert error["type"] == "NetworkNotHostedByDhcpAgent"


async def test_only_hosts_that_the_operator_names_carry_gateways(tmp_path: Path) -> None:
    settings = NetworkSettings(chassis=("h1", "h3", "never-heard-of"))
    async with running(tmp_path, network=settings) as cloud:
        hosts = Hosts(cloud, await cloud.sign_in())
        await hosts.build()
        assert set(await hosts.in_ovn()) == {"h1", "h3", "never-heard-of"}
        assert set(await hosts.shown()) == {"h1", "h3"}  # what has no agent is not told
        body = {"router_id": hosts.router["id"]}
        error = await refused(hosts.admin, "POST", hosts.on("h2"), body, 404)
        assert error["type"] == "InvalidL3Agent"
        error = await refused(
            hosts.admin, "DELETE", f"{hosts.on('h2')}/{body['router_id']}", None, 404
        )
        assert error["type"] == "InvalidL3Agent"
        await hosts.remove("h3")
        assert set(await hosts.in_ovn()) == {"h1", "never-heard-of"}
        # What was said of a host that may carry none any more does not hold.
        async with cloud.control.database.write() as tx:
            said = router_hosts.update().where(router_hosts.c.host == "never-heard-of")
            await tx.execute(said.values(host="h2"))
        assert set(await hosts.shown()) == {"h1"}
