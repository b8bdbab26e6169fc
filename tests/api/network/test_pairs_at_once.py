"""Pairs of requests that each go well alone and not together, sent at once to two processes: one of them is refused."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.cloud import Client, Cloud, running

V2 = "/network/v2.0"
TIMES = 3
Ask = tuple[str, str, Any]


class Site:
    """Two processes of one cloud, an external network, and a member beside the administrator."""

    def __init__(self, clouds: list[Cloud]) -> None:
        self.clouds = clouds
        self.number = 0

    async def build(self) -> None:
        self.admin = await self.clouds[0].sign_in()
        self.admins = [self.admin, await self.clouds[1].sign_in()]
        self.member = await self.clouds[0].project_with("p", "member")
        self.outside = await self.external()

    async def make(self, path: str, noun: str, /, **values: Any) -> str:
        return str((await self.admin.post(f"{V2}/{path}", {noun: values}))[noun]["id"])

    async def external(self) -> str:
        made = await self.make("networks", "network", **{"router:external": True})
        await self.make("subnets", "subnet", network_id=made, ip_version=4, cidr="172.30.0.0/20")
        return made

    async def lab(self) -> None:
        """A network with two ports behind a router, and two floating IPs."""
        self.number += 1
        self.network, self.subnet = await self.inside()
        self.router = await self.make(
            "routers", "router", external_gateway_info={"network_id": self.outside}
        )
        path = f"{V2}/routers/{self.router}/add_router_interface"
        await self.admin("PUT", path, {"subnet_id": self.subnet}, status=200)
        self.port, self.other = [
            await self.make("ports", "port", network_id=self.network) for _ in range(2)
        ]
        self.floating = await self.make(
            "floatingips", "floatingip", floating_network_id=self.outside
        )

    async def inside(self) -> tuple[str, str]:
        self.number += 1
        network = await self.make("networks", "network")
        cidr = f"10.{self.number}.0.0/24"
        subnet = await self.make("subnets", "subnet", network_id=network, ip_version=4, cidr=cidr)
        return network, subnet

    async def at_once(self, *asks: Ask, by: list[Client] | None = None) -> None:
        senders = by or self.admins
        answers = await asyncio.gather(
            *(who(method, V2 + path, body) for method, path, body in asks for who in senders)
        )
        assert all(one.status_code < 500 for one in answers), [one.text for one in answers]

    async def one(self, path: str, noun: str) -> Any:
        answer = await self.admin("GET", f"{V2}/{path}")
        return answer.json()[noun] if answer.status_code == 200 else None

    async def interfaces(self) -> list[Any]:
        owner = "device_owner=network:router_interface"
        found: list[Any] = await self.one(f"ports?device_id={self.router}&{owner}", "ports")
        return found


@pytest.fixture
async def site(tmp_path: Path, database_url: str) -> AsyncIterator[Site]:
    async with AsyncExitStack() as stack:
        found = Site(
            [
                await stack.enter_async_context(
                    running(tmp_path, database=database_url, node_name=f"control-{number}")
                )
                for number in range(2)
            ]
        )
        await found.build()
        yield found


async def test_a_floating_ip_has_a_way_or_leads_nowhere(site: Site) -> None:
    for _ in range(TIMES):
        await site.lab()
        leads: Ask = (
            "PUT",
            f"/floatingips/{site.floating}",
            {"floatingip": {"port_id": site.port}},
        )
        path = f"/routers/{site.router}"
        await site.at_once(leads, ("PUT", path, {"router": {"external_gateway_info": {}}}))
        floating = await site.one(f"floatingips/{site.floating}", "floatingip")
        router = await site.one(f"routers/{site.router}", "router")
        assert not floating["router_id"] or router["external_gateway_info"]
    for _ in range(TIMES):
        await site.lab()
        body = {"floatingip": {"floating_network_id": site.outside, "port_id": site.port}}
        path = f"/routers/{site.router}/remove_router_interface"
        await site.at_once(
            ("POST", "/floatingips", body), ("PUT", path, {"subnet_id": site.subnet})
        )
        led = await site.one(f"floatingips?port_id={site.port}", "floatingips")
        assert not led or await site.interfaces()


async def test_a_port_is_one_thing(site: Site) -> None:
    """A router's, or a second router's, or a trunk's, or what its owner says."""
    await site.lab()
    for _ in range(TIMES):
        network, _ = await site.inside()
        port = await site.make("ports", "port", network_id=network)
        second = await site.make("routers", "router")
        asks = [
            ("PUT", f"/routers/{router}/add_router_interface", {"port_id": port})
            for router in (site.router, second)
        ]
        owned = {"device_id": "x", "device_owner": "compute:nova"}
        await site.at_once(
            *asks,
            ("PUT", f"/ports/{port}", {"port": owned}),
            ("POST", "/trunks", {"trunk": {"port_id": port}}),
        )
        shown = await site.one(f"ports/{port}", "port")
        trunks = await site.one(f"trunks?port_id={port}", "trunks")
        joined = []
        for router in (site.router, second):
            body = {"port_id": port}
            answer = await site.admin("PUT", f"{V2}/routers/{router}/remove_router_interface", body)
            joined += [router] if answer.status_code == 200 else []
        routed = shown["device_owner"] == "network:router_interface"
        assert joined == ([shown["device_id"]] if routed else [])
        assert not (routed and trunks)


async def test_a_network_that_leads_outside_no_more_has_no_gateways(site: Site) -> None:
    for _ in range(TIMES):
        outside = await site.external()
        gateway = {"external_gateway_info": {"network_id": outside}}
        await site.at_once(
            ("PUT", f"/networks/{outside}", {"network": {"router:external": False}}),
            ("POST", "/floatingips", {"floatingip": {"floating_network_id": outside}}),
            ("POST", "/routers", {"router": gateway}),
        )
        network = await site.one(f"networks/{outside}", "network")
        floating = await site.one(f"floatingips?floating_network_id={outside}", "floatingips")
        ports = await site.one(f"ports?network_id={outside}", "ports")
        assert network["router:external"] or not (floating or ports)


async def test_groups_of_a_port_are_alike(site: Site) -> None:
    await site.lab()
    for _ in range(TIMES):
        groups = [await site.make("security-groups", "security_group", name="g") for _ in "ab"]
        await site.at_once(
            ("PUT", f"/security-groups/{groups[0]}", {"security_group": {"stateful": False}}),
            ("PUT", f"/ports/{site.port}", {"port": {"security_groups": groups}}),
        )
        group = await site.one(f"security-groups/{groups[0]}", "security_group")
        port = await site.one(f"ports/{site.port}", "port")
        assert group["stateful"] or groups[0] not in port["security_groups"]
        await site.admin("PUT", f"{V2}/ports/{site.port}", {"port": {"security_groups": []}})


USES: dict[str, tuple[tuple[str, str, dict[str, Any]], tuple[str, str, dict[str, Any]], str]] = {
    "network": (("networks", "network", {}), ("ports", "port", {"network_id": None}), ""),
    "qos_policy": (
        ("qos/policies", "policy", {"name": "q"}),
        ("networks", "network", {"qos_policy_id": None}),
        "",
    ),
    "address_scope": (
        ("address-scopes", "address_scope", {"name": "s", "ip_version": 4}),
        ("subnetpools", "subnetpool", {"prefixes": ["10.0.0.0/16"], "address_scope_id": None}),
        "",
    ),
    "subnetpool": (
        ("subnetpools", "subnetpool", {"name": "s", "prefixes": ["10.0.0.0/16"]}),
        ("subnets", "subnet", {"ip_version": 4, "prefixlen": 24, "subnetpool_id": None}),
        "network_id",
    ),
    "address_group": (
        ("address-groups", "address_group", {"name": "g"}),
        ("security-group-rules", "security_group_rule", {"remote_address_group_id": None}),
        "security_group_id",
    ),
    "security_group": (
        ("security-groups", "security_group", {"name": "g"}),
        ("ports", "port", {"security_groups": [None]}),
        "network_id",
    ),
}
"""What is shared, and what another project makes of it; at last the member's own thing that this names, too."""


def _naming(value: Any, shared: str) -> Any:
    """A value of USES, in which None stands for what is shared."""
    if isinstance(value, list):
        return [_naming(one, shared) for one in value]
    return shared if value is None else value


@pytest.mark.parametrize("object_type", USES)
async def test_what_is_used_stays_shared(site: Site, object_type: str) -> None:
    (path, noun, values), (use_path, use_noun, use), own = USES[object_type]
    for _ in range(TIMES):
        shared = await site.make(path, noun, **values)
        policy = await site.make(
            "rbac-policies",
            "rbac_policy",
            object_type=object_type,
            object_id=shared,
            action="access_as_shared",
            target_tenant=site.member.project_id,
        )
        body = {name: _naming(value, shared) for name, value in use.items()}
        if own == "network_id":
            made = await site.member.post(f"{V2}/networks", {"network": {}})
            body[own] = made["network"]["id"]
        elif own:
            made = await site.member.post(f"{V2}/security-groups", {"security_group": {}})
            body |= {own: made["security_group"]["id"], "direction": "ingress"}
        if use_noun == "subnetpool":
            body["name"] = "mine"
        answers = await asyncio.gather(
            site.admins[1]("DELETE", f"{V2}/rbac-policies/{policy}"),
            site.member("POST", f"{V2}/{use_path}", {use_noun: body}),
            site.admins[0]("DELETE", f"{V2}/rbac-policies/{policy}"),
        )
        assert all(one.status_code < 500 for one in answers)
        used = answers[1].status_code == 201
        assert not used or await site.one(f"rbac-policies/{policy}", "rbac_policy")
        if own == "security_group_id":
            await site.member("DELETE", f"{V2}/security-groups/{body[own]}", status=204)
