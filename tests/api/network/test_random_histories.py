"""Whatever users do, and in whatever order: the network engine holds what a rebuild from the tables would write.

Several users work on the same few things at once. Each may be refused, and nothing may fail.
"""

from __future__ import annotations

import asyncio
import random
from collections import defaultdict
from typing import Any

import pytest
import sqlalchemy as sa

from hanok.drivers.ovn import topology
from hanok.drivers.ovn.simulated import SimulatedNorthbound
from hanok.services.network.logic import specs
from hanok.services.network.logic.inventory import lasting_differences
from hanok.services.network.reconcilers import ORDER
from hanok.services.network.tables import (
    address_groups,
    floating_ips,
    networks,
    ports,
    routers,
    security_groups,
)
from hanok.store import Transaction
from tests.api.network.test_engine import engine
from tests.cloud import Client, Cloud

V2 = "/network/v2.0"
USERS, ROUNDS, STEPS = 4, 6, 15
SCOPES = {
    "network": (networks, topology.network_scope),
    "port": (ports, topology.port_scope),
    "router": (routers, topology.router_scope),
    "floating_ip": (floating_ips, topology.floating_ip_scope),
    "security_group": (security_groups, topology.security_group_scope),
    "address_group": (address_groups, topology.address_group_scope),
}
CIDRS = ("10.0.0.0/28", "10.0.1.0/28", "10.0.2.0/28", "2001:db8:1::/64", "2001:db8:2::/64")
MODES: tuple[dict[str, Any], ...] = (
    {},
    {"ipv6_ra_mode": "slaac", "ipv6_address_mode": "slaac"},
    {"ipv6_ra_mode": "dhcpv6-stateful", "ipv6_address_mode": "dhcpv6-stateful"},
    {"ipv6_address_mode": "dhcpv6-stateless"},
)


class User:
    """Does one thing after the other, to what there may still be."""

    def __init__(self, client: Client, chance: random.Random, known: dict[str, list[str]]) -> None:
        self.client, self.chance, self.known = client, chance, known
        self.statuses: list[int] = []

    def any(self, kind: str) -> str:
        return self.chance.choice(self.known[kind] or ["00000000-0000-0000-0000-000000000000"])

    def some(self, kind: str) -> list[str]:
        return [one for one in self.known[kind] if self.chance.random() < 0.4][:3]

    async def send(self, method: str, path: str, body: Any = None) -> Any:
        answer = await self.client(method, f"{V2}/{path}", body)
        self.statuses.append(answer.status_code)
        assert answer.status_code < 500, f"{method} {path} {body}: {answer.text}"
        return answer.json() if answer.is_success and answer.content else None

    async def make(self, kind: str, path: str, **values: Any) -> None:
        made = await self.send("POST", path, {kind: values})
        if made is not None:
            self.known[kind].append(made[kind]["id"])

    async def change(self, kind: str, path: str, **values: Any) -> None:
        await self.send("PUT", f"{path}/{self.any(kind)}", {kind: values})

    async def drop(self, kind: str, path: str) -> None:
        one = self.any(kind)
        await self.send("DELETE", f"{path}/{one}")
        if self.statuses[-1] in (204, 404) and one in self.known[kind]:
            self.known[kind].remove(one)

    # ---- what there is to do

    async def network(self) -> None:
        await self.make("network", "networks", admin_state_up=self.chance.random() < 0.8)

    async def network_changes(self) -> None:
        await self.change("network", "networks", admin_state_up=self.chance.random() < 0.5)

    async def subnet(self) -> None:
        cidr = self.chance.choice(CIDRS)
        more = self.chance.choice(MODES) if ":" in cidr else {}
        await self.make(
            "subnet", "subnets", network_id=self.any("network"), cidr=cidr, ip_version=6 if ":" in cidr else 4,
            enable_dhcp=bool(more) or self.chance.random() < 0.8, **more,
        )  # fmt: skip

    async def subnet_changes(self) -> None:
        values: dict[str, Any] = self.chance.choice(
            (
                {"enable_dhcp": self.chance.random() < 0.5},
                {"dns_nameservers": ["192.0.2.53"]},
                {"gateway_ip": None},
                {"host_routes": [{"destination": "10.9.0.0/16", "nexthop": "10.0.0.9"}]},
            )
        )
        await self.change("subnet", "subnets", **values)

    def of_port(self) -> dict[str, Any]:
        return self.chance.choice(
            (
                {},
                {"security_groups": self.some("security_group")},
                {"security_groups": [], "port_security_enabled": False},
                {"allowed_address_pairs": [{"ip_address": "10.0.7.0/24"}]},
                {
                    "allowed_address_pairs": [
                        {"ip_address": "10.0.7.1", "mac_address": "fa:16:3e:77:00:01"}
                    ]
                },
                {"admin_state_up": False},
                {"fixed_ips": [{"subnet_id": self.any("subnet")}]},
                {"fixed_ips": []},
                {"dns_name": self.chance.choice(("web", "db"))},
                {"qos_policy_id": self.chance.choice([*self.known["policy"], None])},
            )
        )

    async def port(self) -> None:
        await self.make("port", "ports", network_id=self.any("network"), **self.of_port())

    async def port_changes(self) -> None:
        await self.change("port", "ports", **self.of_port())

    async def router(self) -> None:
        await self.make("router", "routers")

    async def router_changes(self) -> None:
        values: dict[str, Any] = self.chance.choice(
            (
                {"external_gateway_info": {"network_id": self.known["outside"][0]}},
                {
                    "external_gateway_info": {
                        "network_id": self.known["outside"][0],
                        "enable_snat": False,
                    }
                },
                {"external_gateway_info": {}},
                {"admin_state_up": self.chance.random() < 0.5},
                {"routes": [{"destination": "10.8.0.0/16", "nexthop": "10.0.0.9"}]},
                {"routes": []},
            )
        )
        await self.change("router", "routers", **values)

    async def joins(self) -> None:
        what = self.chance.choice(("subnet", "port"))
        path = f"routers/{self.any('router')}/add_router_interface"
        await self.send("PUT", path, {f"{what}_id": self.any(what)})

    async def leaves(self) -> None:
        path = f"routers/{self.any('router')}/remove_router_interface"
        await self.send("PUT", path, {"subnet_id": self.any("subnet")})

    async def floating_ip(self) -> None:
        to = self.chance.choice(({}, {"port_id": self.any("port")}))
        await self.make(
            "floatingip", "floatingips", floating_network_id=self.known["outside"][0], **to
        )

    async def floating_ip_moves(self) -> None:
        to = self.chance.choice((None, self.any("port"), self.any("port")))
        await self.change("floatingip", "floatingips", port_id=to)

    async def forwarding(self) -> None:
        port = await self.send("GET", f"ports/{self.any('port')}")
        if port is None or not port["port"]["fixed_ips"]:
            return
        values = {
            "protocol": "tcp", "external_port": self.chance.randrange(1, 5), "internal_port": 22,
            "internal_port_id": port["port"]["id"],
            "internal_ip_address": port["port"]["fixed_ips"][0]["ip_address"],
        }  # fmt: skip
        path = f"floatingips/{self.any('floatingip')}/port_forwardings"
        await self.send("POST", path, {"port_forwarding": values})

    async def group(self) -> None:
        await self.make(
            "security_group", "security-groups", name="g", stateful=self.chance.random() < 0.7
        )

    async def rule(self) -> None:
        values = self.chance.choice(
            (
                {"protocol": "tcp", "port_range_min": 22, "port_range_max": 22},
                {"remote_group_id": self.any("security_group")},
                {"remote_address_group_id": self.any("address_group")},
                {"ethertype": "IPv6", "protocol": "ipv6-icmp"},
            )
        )
        group = self.any("security_group")
        await self.make(
            "security_group_rule", "security-group-rules", direction="ingress", security_group_id=group, **values
        )  # fmt: skip

    async def address_group(self) -> None:
        await self.make("address_group", "address-groups", addresses=["192.0.2.0/24"])

    async def address_group_changes(self) -> None:
        act = self.chance.choice(("add_addresses", "remove_addresses"))
        path = f"address-groups/{self.any('address_group')}/{act}"
        await self.send(
            "PUT", path, {"address_group": {"addresses": [f"10.{self.chance.randrange(3)}.0.0/16"]}}
        )

    async def trunk(self) -> None:
        await self.make("trunk", "trunks", port_id=self.any("port"))

    async def subports(self) -> None:
        act = self.chance.choice(("add_subports", "add_subports", "remove_subports"))
        one: dict[str, Any] = {"port_id": self.any("port")}
        if act == "add_subports":
            one |= {"segmentation_type": "vlan", "segmentation_id": self.chance.randrange(1, 4)}
        await self.send("PUT", f"trunks/{self.any('trunk')}/{act}", {"sub_ports": [one]})

    async def removes(self) -> None:
        kind, path = self.chance.choice(
            (
                ("network", "networks"), ("subnet", "subnets"), ("port", "ports"), ("port", "ports"),
                ("router", "routers"), ("floatingip", "floatingips"), ("trunk", "trunks"),
                ("security_group", "security-groups"), ("security_group_rule", "security-group-rules"),
                ("address_group", "address-groups"),
            )
        )  # fmt: skip
        await self.drop(kind, path)

    async def work(self) -> None:
        does = (
            self.network, self.network_changes, *[self.subnet] * 2, *[self.subnet_changes] * 3, *[self.port] * 3,
            *[self.port_changes] * 4, self.router, *[self.router_changes] * 2, *[self.joins] * 3, self.leaves,
            self.floating_ip, *[self.floating_ip_moves] * 2, self.forwarding, self.group, *[self.rule] * 2,
            self.address_group, self.address_group_changes, self.trunk, *[self.subports] * 2, *[self.removes] * 4,
        )  # fmt: skip
        for _ in range(STEPS):
            await self.chance.choice(does)()

    async def begin(self) -> None:
        """Some of what most of the rest needs."""
        for step in (
            self.network, self.router, *[self.subnet] * 3, *[self.port] * 3, self.group, self.floating_ip,
        ):  # fmt: skip
            await step()


async def names(tx: Transaction) -> list[str]:
    """The scopes that the tables have something for, asked of the things themselves."""
    found = [topology.GROUND]
    for kind, (table, named) in SCOPES.items():
        statement = sa.select(table.c.id)
        if kind == "port":
            statement = statement.where(table.c.role == "guest")
        found += [named(one) for one in await tx.scalars(statement)]
    return sorted(found, key=lambda one: (ORDER[one.partition(":")[0]], one))


async def rebuilt(cloud: Cloud) -> SimulatedNorthbound:
    """An engine that begins empty and is written once, of what the tables say."""
    fresh = SimulatedNorthbound()
    await fresh.connect("")
    async with cloud.control.database.read() as tx:
        requested = await specs.rows_of(tx, cloud.network, await names(tx))
    for scope, rows in requested.items():
        assert not isinstance(rows, topology.CannotExpress), f"{scope}: {rows}"
        assert await fresh.apply(scope, rows or [], 1)
    return fresh


@pytest.mark.parametrize("seed", range(2))
async def test_the_engine_holds_what_a_rebuild_would_write(cloud: Cloud, seed: int) -> None:
    member = await cloud.project_with("p", "member")
    known: dict[str, list[str]] = defaultdict(list)
    (outside,) = (await member.get(f"{V2}/networks?name=public"))["networks"]
    known["outside"].append(outside["id"])
    admin = await cloud.sign_in()
    policy = (await admin.post(f"{V2}/qos/policies", {"policy": {"name": "q", "shared": True}}))[
        "policy"
    ]
    known["policy"].append(policy["id"])
    limit = {"bandwidth_limit_rule": {"max_kbps": 1000, "max_burst_kbps": 100}}
    await admin.post(f"{V2}/qos/policies/{policy['id']}/bandwidth_limit_rules", limit)
    users = [User(member, random.Random(f"{seed}.{number}"), known) for number in range(USERS)]
    await asyncio.gather(*(user.begin() for user in users))
    for _ in range(ROUNDS):
        await asyncio.gather(*(user.work() for user in users))
        assert await lasting_differences(cloud.network) == []
        fresh = await rebuilt(cloud)
        ours = engine(cloud)
        held = set(await ours.scopes())
        assert held == set(await fresh.scopes())
        for scope in held:
            assert await ours.dump(scope) == await fresh.dump(scope), scope
    statuses = [one for user in users for one in user.statuses]
    assert sum(200 <= one < 300 for one in statuses) > len(statuses) / 3, "most is refused"


CLIENTS = 50


async def test_fifty_clients_get_fifty_addresses_and_no_more_than_there_are(cloud: Cloud) -> None:
    member = await cloud.project_with("p", "member")
    admin = await cloud.sign_in()
    made = (await member.post(f"{V2}/networks", {"network": {}}))["network"]
    free = 40
    pool = {"start": "10.0.0.10", "end": f"10.0.0.{9 + free}"}
    subnet = {
        "network_id": made["id"], "ip_version": 4, "cidr": "10.0.0.0/24", "enable_dhcp": False,
        "allocation_pools": [pool],
    }  # fmt: skip
    await member.post(f"{V2}/subnets", {"subnet": subnet})

    async def one() -> tuple[int, Any]:
        answer = await member("POST", f"{V2}/ports", {"port": {"network_id": made["id"]}})
        return answer.status_code, answer.json()

    async def fifty(expected: int) -> list[str]:
        answers = await asyncio.gather(*(one() for _ in range(CLIENTS)))
        codes = [code for code, _ in answers]
        assert sorted(codes) == [201] * expected + [409] * (CLIENTS - expected)
        return [body["port"]["id"] for code, body in answers if code == 201]

    async def addresses() -> list[str]:
        found = (await member.get(f"{V2}/ports?network_id={made['id']}&fields=fixed_ips"))["ports"]
        return sorted(each["ip_address"] for port in found for each in port["fixed_ips"])

    everything = sorted(f"10.0.0.{number}" for number in range(10, 10 + free))
    first = await fifty(free)
    assert await addresses() == everything, "each address once"

    # Some go while others come: no address is lost, and none is given twice.
    gone, kept = first[:20], first[20:]
    going = asyncio.gather(*(member("DELETE", f"{V2}/ports/{port}", status=204) for port in gone))
    answers = await asyncio.gather(*(one() for _ in range(CLIENTS)))
    await going
    came = [body["port"]["id"] for code, body in answers if code == 201]
    held = await addresses()
    assert len(held) == len(set(held)) == len(kept) + len(came)
    rest = free - len(held)
    more = await fifty(rest)
    assert await addresses() == everything

    # A quota is exact, whoever is faster.
    await asyncio.gather(
        *(member("DELETE", f"{V2}/ports/{port}", status=204) for port in [*kept, *came, *more])
    )
    assert await addresses() == []
    limit = {"quota": {"port": 17}}
    await admin("PUT", f"{V2}/quotas/{member.project_id}", limit, status=200)
    await fifty(17)
    used = (await admin.get(f"{V2}/quotas/{member.project_id}/details"))["quota"]["port"]
    assert (used["limit"], used["used"]) == (17, 17)
