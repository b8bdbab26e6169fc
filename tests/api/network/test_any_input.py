"""No input reaches a 500, and no door is open without a token."""

from __future__ import annotations

import random
from typing import Any

import pytest

from hanok.services.network.routes import ROUTES
from hanok.services.network.routes.kinds import KINDS
from hanok.web.attributes import Attribute, Wrong
from hanok.web.routes import PUBLIC
from tests.api.network.test_engine import settled
from tests.api.network.test_networks import V2, port
from tests.api.network.test_routers import lab, public
from tests.cloud import Client, Cloud

JUNK: list[Any] = [
    None, True, False, 0, -1, 1, 22, 4, 6, 4094, 65536, 2**31, 2**63, 2**70, 1.5, "", " ", "x", "é" * 90, "x" * 300,
    "0", "-1", "tcp", "icmp", "any", "ingress", "IPv4", "ipv6", "geneve", "flat", "vlan", "public", "slaac", "nova",
    "10.0.0.0/24", "10.7.0.0/16", "10.0.0.1/0", "0.0.0.0/0", "::/0", "2001:db8::/64", "fe80::1%eth0", "10.0.0.5",
    "10.0.0.255", "2001:db8::1", "172.24.4.77", "224.0.0.1", "fa:16:3e:11:22:33", "ff:ff:ff:ff:ff:ff", "compute:nova",
    "network:dhcp", [], [[]], [None], ["x"], [{}], {}, {"x": 1}, {"network_id": "x"}, {"network_id": None},
    [{"ip_address": "10.0.0.9"}], [{"subnet_id": "x"}], [{"start": "10.0.0.9", "end": "10.0.0.2"}],
    [{"destination": "10.0.0.0/8", "nexthop": "::1"}], [{"destination": "10.8.0.0/16", "nexthop": "10.0.0.7"}],
    [{"ip_address": "0.0.0.0/0", "mac_address": "x"}], {"a": {"b": ["c"] * 50}}, ["a/b"], ["a", "a"],
]  # fmt: skip


def fits(attribute: Attribute, value: Any) -> bool:
    try:
        attribute.check(value)
    except Wrong:
        return False
    return True


@pytest.mark.slow
async def test_odd_values_anywhere(cloud: Cloud) -> None:
    admin = await cloud.sign_in()
    quota = dict.fromkeys(
        ("network", "port", "router", "security_group", "security_group_rule"), -1
    )
    await admin("PUT", f"{V2}/quotas/{admin.project_id}", {"quota": quota}, status=200)
    made, sub, router = await lab(admin)
    one = await port(admin, made["id"])
    group = one["security_groups"][0]
    ids = [made["id"], sub["id"], router["id"], one["id"], group, (await public(admin))["id"]]
    own = {
        "network": made["id"],
        "subnet": sub["id"],
        "port": one["id"],
        "router": router["id"],
        "security_group": group,
    }
    values = [
        *JUNK,
        *ids,
        [group],
        [{"subnet_id": sub["id"]}],
        {"network_id": ids[-1], "enable_snat": False},
        {"network_id": ids[-1], "external_fixed_ips": [{"ip_address": "172.24.4.99"}]},
    ]
    dice = random.Random(7)
    taken = 0
    for turn in range(1800):
        kind = dice.choice(KINDS)
        change = turn % 3 == 0 and kind.name in own and kind.update is not None
        attributes = {
            name: one for name, one in kind.attributes.items() if (one.put if change else one.post)
        }
        names = dice.sample(list(attributes), dice.randint(1, min(4, len(attributes))))
        good = {
            "network_id": made["id"], "cidr": f"10.{turn % 250}.0.0/24", "ip_version": 4,
            "security_group_id": group, "direction": "ingress", "floating_network_id": ids[-1],
            "service_type": "L3_ROUTER_NAT", "metainfo": "m", "resource_type": "security_group",
            "network_type": "geneve", "minimum": turn + 20_000, "maximum": turn + 20_000,
        }  # fmt: skip
        body = {} if change else {name: one for name, one in good.items() if name in attributes}
        for name in names:
            fitting = [one for one in values if fits(attributes[name], one)]
            body[name] = dice.choice(fitting if fitting and dice.random() < 0.9 else values)
        base = f"{V2}/{kind.path}"
        if change:
            answer = await admin("PUT", f"{base}/{own[kind.name]}", {kind.name: body})
        else:
            answer = await admin("POST", base, {kind.name: body})
        assert answer.status_code < 500, (kind.name, body, answer.text)
        taken += answer.status_code < 300
    assert taken > 400
    for kind in KINDS:
        for name in [*kind.attributes, "limit", "marker", "sort_key", "sort_dir", "fields", "tags"]:
            for value in ("x", "", "-1", "99999999999999999999", "%FF", "ip_address="):
                answer = await admin("GET", f"{V2}/{kind.path}?{name}={value}")
                assert answer.status_code < 500, (kind.path, name, value, answer.text)
    for path in ("add_router_interface", "remove_router_interface", "add_extraroutes"):
        for value in (*JUNK, {"subnet_id": 5}, {"port_id": one["id"], "subnet_id": sub["id"]}):
            answer = await admin("PUT", f"{V2}/routers/{router['id']}/{path}", value)
            assert answer.status_code < 500, (path, value, answer.text)
    for how in ("add", "update", "remove"):
        path = f"{V2}/routers/{router['id']}/{how}_external_gateways"
        for value in (*values, *([one] for one in values)):
            answer = await admin("PUT", path, {"router": {"external_gateways": value}})
            assert answer.status_code < 500, (how, value, answer.text)
    for agent in (await admin.get(f"{V2}/agents"))["agents"]:
        for value in values:
            body = {"router_id": router["id"], "ha_chassis_priority": value}
            answer = await admin("POST", f"{V2}/agents/{agent['id']}/l3-routers", body)
            assert answer.status_code < 500, (value, answer.text)
    await settled(cloud)  # and OVN can hold whatever was accepted


def _filled(path: str) -> str:
    parts = ["x" if part.startswith("{") else part for part in path.split("/")]
    return "/network" + "/".join(parts)


async def test_every_door_wants_a_token(cloud: Cloud) -> None:
    for route in ROUTES:
        if route.rules[0] != PUBLIC:
            await cloud.anonymous(route.method, _filled(route.path), status=401)


async def test_every_door_answers_an_unknown_id(cloud: Cloud) -> None:
    member = await cloud.project_with("p", "member")
    reader = await cloud.project_with("r", "reader")
    for route in ROUTES:
        if "{" not in route.path:
            continue
        clients: list[Client] = [member, reader]
        for client in clients:
            body: dict[str, object] | None = {} if route.method in ("PUT", "POST") else None
            answer = await client(route.method, _filled(route.path), body)
            assert answer.status_code in (400, 403, 404), (route.method, route.path, answer.text)


async def test_a_reader_changes_nothing(cloud: Cloud) -> None:
    reader = await cloud.project_with("r", "reader")
    for kind in KINDS:
        await reader("GET", f"{V2}/{kind.path}", status=200)
    await reader("POST", f"{V2}/networks", {"network": {}}, status=403)
    await reader("POST", f"{V2}/routers", {"router": {}}, status=403)
    await reader("POST", f"{V2}/security-groups", {"security_group": {"name": "x"}}, status=403)
    outside = (await reader.get(f"{V2}/networks"))["networks"][0]
    body = {"floatingip": {"floating_network_id": outside["id"]}}
    await reader("POST", f"{V2}/floatingips", body, status=403)
