"""Security groups by way of compute, as clients from before 2.36 ask for them: rules of compute and of network hold."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.cloud import Client, Cloud, a_network, running

GROUPS = "/compute/v2.1/os-security-groups"
RULES = "/compute/v2.1/os-security-group-rules"
V2 = "/network/v2.0"
NOBODY = "9c0d0000-0000-4000-8000-000000000001"


@pytest.fixture
async def cloud(tmp_path: Path) -> AsyncIterator[Cloud]:
    async with running(tmp_path) as made:
        yield made


@pytest.fixture
async def user(cloud: Cloud) -> Client:
    return await cloud.project_with("team", "member")


async def group(client: Client, name: str = "web", description: str = "") -> dict[str, Any]:
    body = {"security_group": {"name": name, "description": description}}
    made: dict[str, Any] = (await client.post(GROUPS, body, 200))["security_group"]
    return made


async def rule(client: Client, parent: dict[str, Any], **values: Any) -> dict[str, Any]:
    body = {"security_group_rule": {"parent_group_id": parent["id"], **values}}
    made: dict[str, Any] = (await client.post(RULES, body, 200))["security_group_rule"]
    return made


async def refused(client: Client, status: int, method: str, path: str, body: Any = None) -> str:
    answer = (await client(method, path, body, status=status)).json()
    (fault,) = answer.values()
    assert fault["code"] == status
    return str(fault["message"])


async def names(client: Client, query: str = "") -> list[str]:
    return [one["name"] for one in (await client.get(GROUPS + query))["security_groups"]]


async def test_a_group_from_its_making_to_its_end(user: Client) -> None:
    made = await group(user, " web ", "of the front")
    path = f"{GROUPS}/{made['id']}"
    assert made == {
        "id": made["id"],
        "name": " web ",
        "description": "of the front",
        "tenant_id": user.project_id,
        "rules": [],
    }
    assert await user.get(path) == {"security_group": made}
    body = {"security_group": {"name": "shop", "description": "new"}}
    changed = (await user("PUT", path, body, status=200)).json()
    assert changed == {"security_group": {**made, "name": "shop", "description": "new"}}
    other = (await user.get(f"{V2}/security-groups/{made['id']}"))["security_group"]
    assert (other["name"], other["description"]) == ("shop", "new")
    assert (await user("DELETE", path, status=202)).content == b""
    assert made["id"] in await refused(user, 404, "GET", path)


async def test_rules_in_both_services_words(user: Client) -> None:
    web, db = await group(user), await group(user, "db")
    ssh = await rule(user, web, ip_protocol="tcp", from_port=22, to_port="22")
    assert ssh == {
        "id": ssh["id"],
        "parent_group_id": web["id"],
        "ip_protocol": "tcp",
        "from_port": 22,
        "to_port": 22,
        "group": {},
        "ip_range": {"cidr": "0.0.0.0/0"},
    }
    requested = [ssh]
    for sent, ports, cidr, kept in (
        (("TCP", 80, 81, "10.2.3.124/24"), (80, 81), "10.2.3.124/24", ("IPv4", "tcp", 80, 81)),
        (("udp", 53, 53, "fd00%3A%3A/8"), (53, 53), "fd00::/8", ("IPv6", "udp", 53, 53)),
        (("icmp", -1, -1, None), (-1, -1), "0.0.0.0/0", ("IPv4", "icmp", None, None)),
        (("icmp", 8, 0, ""), (8, 0), "0.0.0.0/0", ("IPv4", "icmp", 8, 0)),
        (("icmp", 3, -1, "::/0"), (3, None), "::/0", ("IPv6", "icmp", 3, None)),
    ):
        made = await rule(
            user,
            web,
            **dict(zip(("ip_protocol", "from_port", "to_port", "cidr"), sent, strict=True)),
        )
        assert (made["from_port"], made["to_port"]) == ports
        assert made["ip_range"] == {"cidr": cidr} and made["group"] == {}
        stored = (await user.get(f"{V2}/security-group-rules/{made['id']}"))["security_group_rule"]
        fields = ("ethertype", "protocol", "port_range_min", "port_range_max")
        assert tuple(stored[name] for name in fields) == kept
        assert stored["direction"] == "ingress"
        requested.append(made)
    source = {"name": "db", "tenant_id": user.project_id}
    froms: Any = (
        ({}, (None, None)),
        ({"ip_protocol": "tcp"}, (1, 65535)),
        ({"ip_protocol": "icmp"}, (-1, -1)),
        ({"ip_protocol": "udp", "from_port": 1, "to_port": 2, "cidr": "10.0.0.0/8"}, (1, 2)),
    )
    for values, ports in froms:
        made = await rule(user, web, group_id=db["id"], **values)
        assert (made["from_port"], made["to_port"]) == ports
        assert (made["group"], made["ip_range"]) == (source, {})
        requested.append(made)
    shown = (await user.get(f"{GROUPS}/{web['id']}"))["security_group"]["rules"]
    assert sorted(shown, key=lambda one: one["id"]) == sorted(requested, key=lambda one: one["id"])
    (listed,) = (
        one for one in (await user.get(GROUPS))["security_groups"] if one["id"] == web["id"]
    )
    assert listed["rules"] == shown
    await user("DELETE", f"{RULES}/{ssh['id']}", status=202)
    assert ssh["id"] in await refused(user, 404, "DELETE", f"{RULES}/{ssh['id']}")
    shown = (await user.get(f"{GROUPS}/{web['id']}"))["security_group"]["rules"]
    assert ssh["id"] not in [one["id"] for one in shown] and len(shown) == len(requested) - 1


async def test_what_makes_no_rule(user: Client) -> None:
    web = await group(user)
    await rule(user, web, ip_protocol="tcp", from_port=22, to_port=22)
    await rule(user, web, group_id=web["id"], ip_protocol="tcp")
    whole = {"ip_protocol": "tcp", "from_port": 22, "to_port": 23}
    for values, said in (
        ({}, "Not enough parameters"),
        ({"ip_protocol": "tcp"}, "Not enough parameters"),
        ({"from_port": 22, "to_port": 23}, "Not enough parameters"),
        ({"ip_protocol": "tcp", "from_port": 22, "group_id": web["id"]}, "Not enough parameters"),
        ({"from_port": 22, "to_port": 22, "group_id": web["id"]}, "Not enough parameters"),
        ({**whole, "ip_protocol": "sctp"}, "Invalid IP protocol"),
        ({"ip_protocol": "sctp", "group_id": web["id"]}, "Invalid IP protocol"),
        ({**whole, "from_port": 24}, "Invalid port range 24:23"),
        ({**whole, "from_port": 0}, "from_port"),
        ({**whole, "to_port": 65536}, "to_port"),
        ({**whole, "to_port": "x"}, "to_port"),
        ({**whole, "to_port": 22.5}, "to_port"),
        ({**whole, "ip_protocol": "icmp", "to_port": 256}, "to_port"),
        ({**whole, "ip_protocol": "icmp", "from_port": -1}, "ICMP"),
        ({**whole, "cidr": "10.0.0.0"}, "10.0.0.0 is not a valid IP network"),
        ({**whole, "cidr": "10.0.0.0/33"}, "is not a valid IP network"),
        ({**whole, "cidr": "fe80::%eth0/64"}, "is not a valid IP network"),
        ({**whole, "cidr": "10.0.0.0/0"}, "Bad prefix"),
        ({**whole, "to_port": 22}, "already exists"),
        ({**whole, "to_port": 22, "cidr": "0.0.0.0/0"}, "already exists"),
        ({"ip_protocol": "TCP", "group_id": web["id"]}, "already exists"),
        ({**whole, "parent_group_id": "web"}, "parent_group_id"),
        ({**whole, "parent_group_id": web["id"] + "\n"}, "uuid"),
        ({**whole, "group_id": "web"}, "group_id"),
    ):
        body = {"security_group_rule": {"parent_group_id": web["id"], **values}}
        assert said in await refused(user, 400, "POST", RULES, body), values
    for values in ({**whole, "parent_group_id": NOBODY}, {**whole, "group_id": NOBODY}):
        body = {"security_group_rule": {"parent_group_id": web["id"], **values}}
        assert NOBODY in await refused(user, 404, "POST", RULES, body), values
    assert len((await user.get(f"{GROUPS}/{web['id']}"))["security_group"]["rules"]) == 2


async def test_groups_that_are_refused(user: Client) -> None:
    web = await group(user)
    long = "x" * 256
    for body in (
        {"name": "a"},
        {"description": "a"},
        {"name": long, "description": ""},
        {"name": "a", "description": long},
        {"name": 1, "description": ""},
    ):
        for method, path in (("POST", GROUPS), ("PUT", f"{GROUPS}/{web['id']}")):
            await user(method, path, {"security_group": body}, status=400)
    whole = {"security_group": {"name": "a", "description": ""}}
    for method, sent in (("GET", None), ("PUT", whole), ("DELETE", None)):
        assert "uuid" in await refused(user, 400, method, f"{GROUPS}/web", sent)
        assert NOBODY in await refused(user, 404, method, f"{GROUPS}/{NOBODY}", sent)
    assert "uuid" in await refused(user, 400, "DELETE", f"{RULES}/1")
    second = {"security_group": {"name": "default", "description": ""}}
    assert "Default" in await refused(user, 403, "POST", GROUPS, second)


async def test_the_default_group_may_be_used_before_anything_needs_it(user: Client) -> None:
    (default,) = (await user.get(GROUPS))["security_groups"]
    assert default["name"] == "default" and len(default["rules"]) == 2
    own = {"name": "default", "tenant_id": user.project_id}
    assert [one["group"] for one in default["rules"]] == [own, own]
    assert "default" in await refused(user, 400, "DELETE", f"{GROUPS}/{default['id']}")
    body = {"security_group": {"name": "mine", "description": ""}}
    await refused(user, 400, "PUT", f"{GROUPS}/{default['id']}", body)
    await user("DELETE", f"{RULES}/{default['rules'][0]['id']}", status=202)
    (after,) = (await user.get(GROUPS))["security_groups"]
    assert after == {**default, "rules": default["rules"][1:]}


async def test_groups_in_use_and_quotas(cloud: Cloud, user: Client) -> None:
    admin = await cloud.sign_in()
    web, db = await group(user), await group(user, "db")
    await rule(user, web, group_id=db["id"])
    network = await a_network(user)
    port = {"port": {"network_id": network, "security_groups": [db["id"]]}}
    port_id = (await user.post(f"{V2}/ports", port))["port"]["id"]
    assert "in use" in await refused(user, 400, "DELETE", f"{GROUPS}/{db['id']}")
    await user("DELETE", f"{V2}/ports/{port_id}", status=204)
    await user("DELETE", f"{GROUPS}/{db['id']}", status=202)
    assert (await user.get(f"{GROUPS}/{web['id']}"))["security_group"]["rules"] == []
    db = await group(user, "db")
    quota = {"quota": {"security_group": 3, "security_group_rule": 8}}
    await admin("PUT", f"{V2}/quotas/{user.project_id}", quota, status=200)
    body: Any = {"security_group": {"name": "more", "description": ""}}
    assert "security_group" in await refused(user, 403, "POST", GROUPS, body)
    body = {"parent_group_id": db["id"], "ip_protocol": "tcp", "from_port": 1, "to_port": 1}
    said = await refused(user, 403, "POST", RULES, {"security_group_rule": body})
    assert "security_group_rule" in said


async def test_lists_have_pages_and_administrators_see_all(cloud: Cloud, user: Client) -> None:
    admin = await cloud.sign_in()
    hers = await group(admin, "hers")
    for name in ("c", "a", "b"):
        await group(user, name)
    assert await names(user) == ["a", "b", "c", "default"]
    assert await names(user, "?all_tenants=1") == ["a", "b", "c", "default"]
    assert await names(user, "?limit=0&unknown=x") == ["a", "b", "c", "default"]
    pages = [await names(user, f"?limit=3&offset={offset}") for offset in (0, 3, 4)]
    assert [len(page) for page in pages] == [3, 1, 0]
    assert sorted(pages[0] + pages[1]) == ["a", "b", "c", "default"]
    for query in ("limit=x", "limit=-1", "offset=-1", "offset=", "limit=1&limit=y"):
        await user("GET", f"{GROUPS}?{query}", status=400)
    assert await names(admin) == ["default", "hers"]
    everybodys = (await admin.get(f"{GROUPS}?all_tenants=1"))["security_groups"]
    found = [(one["tenant_id"], one["name"]) for one in everybodys]
    assert found == sorted(found) and (admin.project_id, "hers") in found
    assert {name for owner, name in found if owner == user.project_id} == {
        "a", "b", "c", "default",
    }  # fmt: skip
    web = everybodys[[name for _, name in found].index("a")]
    await rule(admin, web, group_id=hers["id"])
    shown = (await admin.get(f"{GROUPS}/{web['id']}"))["security_group"]["rules"]
    assert [one["group"]["name"] for one in shown] == ["hers"]
    assert (await user.get(f"{GROUPS}/{web['id']}"))["security_group"]["rules"] == []
    await refused(user, 404, "GET", f"{GROUPS}/{hers['id']}")
    await refused(user, 404, "DELETE", f"{GROUPS}/{hers['id']}")


async def test_who_may_and_until_when(cloud: Cloud, user: Client) -> None:
    web = await group(user)
    made = await rule(user, web, ip_protocol="tcp", from_port=1, to_port=1)
    reader = await cloud.project_with("readers", "reader")
    (own,) = (await reader.get(GROUPS))["security_groups"]
    assert own["name"] == "default"
    assert (await reader.get(f"{GROUPS}/{own['id']}"))["security_group"] == own
    body = {"security_group": {"name": "a", "description": ""}}
    some: Any = {"parent_group_id": own["id"], "ip_protocol": "tcp", "from_port": 1, "to_port": 1}
    for method, path, sent, name in (
        ("POST", GROUPS, body, "create"),
        ("PUT", f"{GROUPS}/{own['id']}", body, "update"),
        ("DELETE", f"{GROUPS}/{own['id']}", None, "delete"),
        ("POST", RULES, {"security_group_rule": some}, "rule:create"),
        ("DELETE", f"{RULES}/{made['id']}", None, "rule:delete"),
    ):
        said = await refused(reader, 403, method, path, sent)
        assert f"os_compute_api:os-security-groups:{name}" in said
        await cloud.anonymous(method, path, sent, status=401)
    newer = {"OpenStack-API-Version": "compute 2.36"}
    last = {"OpenStack-API-Version": "compute 2.35"}
    assert (await user.get(f"{GROUPS}/{web['id']}", headers=last))["security_group"]["rules"] == [
        made
    ]
    for method, path in (
        ("GET", GROUPS),
        ("GET", f"{GROUPS}/{web['id']}"),
        ("DELETE", f"{RULES}/{made['id']}"),
    ):
        await user(method, path, status=404, headers=newer)
