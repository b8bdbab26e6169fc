"""Conversations about networks, subnets and ports."""

from __future__ import annotations

import asyncio
from itertools import product
from typing import Any

import pytest

from hanok.services.network import facade as networks
from tests.cloud import Client, Cloud

V2 = "/network/v2.0"


async def network(client: Client, **values: Any) -> dict[str, Any]:
    body = {"network": {"name": "n", **values}}
    return dict((await client.post(f"{V2}/networks", body))["network"])


async def subnet(client: Client, network_id: str, cidr: str = "10.0.0.0/24", **values: Any) -> Any:
    version = 6 if ":" in cidr else 4
    body = {"subnet": {"network_id": network_id, "cidr": cidr, "ip_version": version, **values}}
    return (await client.post(f"{V2}/subnets", body))["subnet"]


async def port(client: Client, network_id: str, status: int = 201, **values: Any) -> Any:
    body = {"port": {"network_id": network_id, **values}}
    answer = await client.post(f"{V2}/ports", body, status=status)
    return answer["port"] if status == 201 else answer["NeutronError"]


async def refused(client: Client, method: str, path: str, body: Any, status: int) -> dict[str, Any]:
    answer = await client(method, f"{V2}{path}", body, status=status)
    return dict(answer.json()["NeutronError"])


async def test_versions_need_no_token(cloud: Cloud) -> None:
    versions = (await cloud.anonymous.get("/network/"))["versions"]
    assert versions[0]["id"] == "v2.0"
    assert versions[0]["links"][0]["href"] == "http://cloud:5000/network/v2.0/"
    resources = (await cloud.anonymous.get("/network/v2.0/"))["resources"]
    assert {"network", "port"} <= {one["name"] for one in resources}
    await cloud.anonymous("GET", f"{V2}/networks", status=401)


async def test_the_outside_network_is_there_and_read_by_all(cloud: Cloud) -> None:
    member = await cloud.project_with("p", "member")
    found = (await member.get(f"{V2}/networks"))["networks"]
    assert [one["name"] for one in found] == ["public"]
    assert found[0]["router:external"] is True
    assert "provider:network_type" not in found[0]
    admin = await cloud.sign_in()
    seen = (await admin.get(f"{V2}/networks?name=public"))["networks"][0]
    assert seen["provider:network_type"] == "flat"
    (sub,) = (await member.get(f"{V2}/subnets"))["subnets"]
    assert sub["cidr"] == "172.24.4.0/24"
    assert sub["allocation_pools"] == [{"start": "172.24.4.10", "end": "172.24.4.254"}]
    assert sub["enable_dhcp"] is False
    error = await refused(member, "POST", "/ports", {"port": {"network_id": found[0]["id"]}}, 403)
    assert error["type"] == "PolicyNotAuthorized"


async def test_a_network_from_birth_to_end(cloud: Cloud) -> None:
    member = await cloud.project_with("p", "member")
    made = await network(member, name="lab", description="d", tags=["a"])
    assert (made["status"], made["mtu"], made["tags"]) == ("ACTIVE", 1442, ["a"])
    assert made["revision_number"] == 1
    sub = await subnet(member, made["id"], "192.168.100.0/24", dns_nameservers=["8.8.8.8"])
    assert sub["gateway_ip"] == "192.168.100.1"
    assert sub["allocation_pools"] == [{"start": "192.168.100.2", "end": "192.168.100.254"}]
    one = await port(member, made["id"], name="x")
    assert one["fixed_ips"] == [{"subnet_id": sub["id"], "ip_address": "192.168.100.3"}]
    error = await refused(member, "DELETE", f"/networks/{made['id']}", None, 409)
    assert error["type"] == "NetworkInUse"
    error = await refused(member, "DELETE", f"/subnets/{sub['id']}", None, 409)
    assert error["type"] == "SubnetInUse"
    changed = await member("PUT", f"{V2}/networks/{made['id']}", {"network": {"name": "new"}})
    assert changed.json()["network"]["name"] == "new"
    assert changed.json()["network"]["revision_number"] == 3  # its subnet counted, too
    await member("DELETE", f"{V2}/ports/{one['id']}", status=204)
    await member("DELETE", f"{V2}/networks/{made['id']}", status=204)
    await member("GET", f"{V2}/networks/{made['id']}", status=404)
    await member("GET", f"{V2}/subnets/{sub['id']}", status=404)


async def test_errors_in_the_words_clients_know(cloud: Cloud) -> None:
    member = await cloud.project_with("p", "member")
    made = await network(member)
    await subnet(member, made["id"], "192.168.100.0/24")

    async def bad(status: int = 400, **values: Any) -> dict[str, Any]:
        body = {"subnet": {"network_id": made["id"], "ip_version": 4, **values}}
        return await refused(member, "POST", "/subnets", body, status)

    error = await bad(cidr="300.0.0.0/24")
    assert (
        error["message"]
        == "Invalid input for cidr. Reason: '300.0.0.0/24' is not a valid IP subnet."
    )
    assert "overlaps with another subnet" in (await bad(cidr="192.168.100.0/25"))["message"]
    assert "'x'" in (await bad(cidr="10.9.0.0/24", x=1))["message"]
    error = await bad(cidr="10.9.0.0/24", gateway_ip="10.9.0.255")
    assert "Gateway 10.9.0.255 is not valid on subnet" in error["message"]
    pools = [{"start": "10.9.0.1", "end": "10.9.0.9"}]
    error = await bad(409, cidr="10.9.0.0/24", allocation_pools=pools)
    assert error["type"] == "GatewayConflictWithAllocationPools"
    pools = [{"start": "10.9.1.1", "end": "10.9.1.9"}]
    error = await bad(cidr="10.9.0.0/24", allocation_pools=pools)
    assert error["type"] == "OutOfBoundsAllocationPool"
    error = await refused(member, "POST", "/networks", {"network": {"router:external": True}}, 403)
    assert error["type"] == "PolicyNotAuthorized"
    assert "create_network:router:external" in error["message"]
    error = await refused(member, "GET", "/networks/nothing", None, 404)
    assert error == {
        "type": "NetworkNotFound", "message": "Network nothing could not be found.", "detail": "",
    }  # fmt: skip


ODD: list[tuple[str, str, Any]] = [
    ("POST", "/networks", []),
    ("POST", "/networks", {}),
    ("POST", "/networks", {"network": None}),
    ("POST", "/networks", {"networks": [None]}),
    ("POST", "/networks", {"network": {"name": 5}}),
    ("POST", "/networks", {"network": {"mtu": 10**30}}),
    ("POST", "/networks", {"network": {"admin_state_up": "perhaps"}}),
    ("POST", "/networks", {"network": {"tags": {"a": 1}}}),
    ("POST", "/subnets", {"subnet": {"network_id": 7}}),
    ("POST", "/ports", {"port": {"network_id": "x"}}),
    ("POST", "/ports", {"port": {}}),
    ("POST", "/routers", {"router": {"external_gateway_info": 5}}),
    ("POST", "/routers", {"router": {"external_gateway_info": {"network_id": "x"}}}),
    ("POST", "/floatingips", {"floatingip": {"floating_network_id": None}}),
    ("POST", "/security-group-rules", {"security_group_rule": {"direction": []}}),
    ("GET", "/ports?fixed_ips=what", None),
    ("GET", "/networks?nonsense=1", None),
    ("GET", "/networks?shared=perhaps", None),
    ("GET", "/networks?marker=none", None),
    ("GET", "/networks?limit=x", None),
    ("GET", "/networks?sort_key=nothing&sort_dir=asc", None),
]


async def test_odd_input_is_400(cloud: Cloud) -> None:
    admin = await cloud.sign_in()
    for method, path, body in ODD:
        answer = await admin(method, f"{V2}{path}", body)
        assert answer.status_code == 400, (path, body, answer.text)
        assert answer.json()["NeutronError"]["message"]


async def test_bulk_is_all_or_nothing(cloud: Cloud) -> None:
    member = await cloud.project_with("p", "member")
    made = await network(member)
    await subnet(member, made["id"])
    good = {"network_id": made["id"], "fixed_ips": [{"ip_address": "10.0.0.50"}]}
    both = {"ports": [good, good]}
    await member("POST", f"{V2}/ports", both, status=409)
    assert (await member.get(f"{V2}/ports?device_owner="))["ports"] == []
    other = {**good, "fixed_ips": [{"ip_address": "10.0.0.51"}]}
    found = (await member.post(f"{V2}/ports", {"ports": [good, other]}))["ports"]
    assert [one["fixed_ips"][0]["ip_address"] for one in found] == ["10.0.0.50", "10.0.0.51"]
    two = {"networks": [{"name": "a"}, {"name": "b", "shared": True}]}
    await member("POST", f"{V2}/networks", two, status=403)
    assert (await member.get(f"{V2}/networks?name=a"))["networks"] == []


async def test_another_project_sees_nothing(cloud: Cloud) -> None:
    mine = await cloud.project_with("mine", "member")
    other = await cloud.project_with("other", "member")
    made = await network(mine)
    sub = await subnet(mine, made["id"])
    one = await port(mine, made["id"])
    router = (await mine.post(f"{V2}/routers", {"router": {"name": "r"}}))["router"]
    group = await mine.post(f"{V2}/security-groups", {"security_group": {"name": "g"}})
    group_id = group["security_group"]["id"]
    rule_id = group["security_group"]["security_group_rules"][0]["id"]
    for path in (
        f"networks/{made['id']}",
        f"subnets/{sub['id']}",
        f"ports/{one['id']}",
        f"routers/{router['id']}",
        f"security-groups/{group_id}",
        f"security-group-rules/{rule_id}",
    ):
        await mine("GET", f"{V2}/{path}", status=200)
        await other("GET", f"{V2}/{path}", status=404)
        await other("DELETE", f"{V2}/{path}", status=404)
        if not path.startswith("security-group-rules"):
            kind = path.partition("/")[0].removesuffix("s").replace("-", "_")
            await other("PUT", f"{V2}/{path}", {kind: {"description": "x"}}, status=404)
            await other("PUT", f"{V2}/{path}/tags/x", status=404)
    await port(other, made["id"], status=404)
    found = await other(
        "POST",
        f"{V2}/subnets",
        {"subnet": {"network_id": made["id"], "cidr": "10.5.0.0/24", "ip_version": 4}},
        status=404,
    )
    assert found.json()["NeutronError"]["type"] == "NetworkNotFound"
    await other(
        "PUT",
        f"{V2}/routers/{router['id']}/add_router_interface",
        {"subnet_id": sub["id"]},
        status=404,
    )
    for kind in ("networks", "subnets", "ports", "routers"):
        own = (await other.get(f"{V2}/{kind}"))[kind]
        assert all(item["project_id"] != mine.project_id for item in own)


async def test_guests_on_a_shared_network_own_little(cloud: Cloud) -> None:
    admin = await cloud.sign_in()
    guest = await cloud.project_with("guest", "member")
    made = await network(admin, shared=True)
    sub = await subnet(admin, made["id"])
    plain = await port(guest, made["id"])
    assert plain["fixed_ips"]
    assert not any(name.startswith("binding:host") for name in plain)
    for odd in (
        {"mac_address": "fa:16:3e:00:00:01"},
        {"fixed_ips": [{"ip_address": "10.0.0.77"}]},
        {"device_owner": "network:dhcp"},
        {"port_security_enabled": False},
        {"allowed_address_pairs": [{"ip_address": "10.0.0.0/24"}]},
        {"binding:host_id": "h"},
        {"binding:profile": {"a": 1}},
    ):
        body = {"port": {"network_id": made["id"], **odd}}
        await guest("POST", f"{V2}/ports", body, status=403)
        await guest("POST", f"{V2}/ports", {"ports": [body["port"]]}, status=403)
        await guest("PUT", f"{V2}/ports/{plain['id']}", {"port": odd}, status=403)
    await guest("DELETE", f"{V2}/networks/{made['id']}", status=403)
    await guest("PUT", f"{V2}/subnets/{sub['id']}", {"subnet": {"name": "x"}}, status=403)
    router = (await guest.post(f"{V2}/routers", {"router": {}}))["router"]
    path = f"{V2}/routers/{router['id']}/add_router_interface"
    await guest("PUT", path, {"subnet_id": sub["id"]}, status=403)
    # The port of another project on the shared network is not seen by the guest.
    hidden = await port(admin, made["id"])
    await guest("GET", f"{V2}/ports/{hidden['id']}", status=404)


async def test_pages_and_filters(cloud: Cloud) -> None:
    member = await cloud.project_with("p", "member")
    names = [f"n{number}" for number in range(7)]
    body = {"networks": [{"name": name} for name in names]}
    await member.post(f"{V2}/networks", body)
    url: str | None = (
        f"{V2}/networks?limit=3&sort_key=name&sort_dir=desc&project_id={member.project_id}"
    )
    seen: list[str] = []
    while url:
        page = await member.get(url)
        seen += [one["name"] for one in page["networks"]]
        links = {one["rel"]: one["href"] for one in page.get("networks_links", [])}
        url = links.get("next", "").removeprefix("http://cloud:5000") or None
        if len(seen) == 6:
            back = await member.get(links["previous"].removeprefix("http://cloud:5000"))
            assert [one["name"] for one in back["networks"]] == ["n6", "n5", "n4"]
    assert seen == sorted(names, reverse=True)
    some = await member.get(f"{V2}/networks?name=n1&name=n2&fields=name")
    assert some["networks"] == [{"name": "n1"}, {"name": "n2"}] or len(some["networks"]) == 2
    assert set(some["networks"][0]) == {"name"}


async def test_a_subnet_that_comes_changes_or_goes_is_counted_in_its_network(cloud: Cloud) -> None:
    member = await cloud.project_with("p", "member")
    made = await network(member)

    async def revision() -> int:
        shown = await member.get(f"{V2}/networks/{made['id']}")
        return int(shown["network"]["revision_number"])

    counted = [await revision()]
    path = f"{V2}/subnets/{(await subnet(member, made['id']))['id']}"
    counted.append(await revision())
    await member("PUT", path, {"subnet": {"name": "s"}}, status=200)
    counted.append(await revision())
    await member("DELETE", path, status=204)
    counted.append(await revision())
    assert counted == [1, 2, 3, 4]


@pytest.mark.parametrize(
    ("cidr", "minimum"), [("10.0.0.0/24", 68), ("2001:db8::/64", 1280)], ids=["IPv4", "IPv6"]
)
async def test_a_network_of_less_than_a_subnet_needs_is_refused_whichever_comes_last(
    cloud: Cloud, cidr: str, minimum: int
) -> None:
    member = await cloud.project_with("p", "member")
    made = await network(member, mtu=minimum - 1)
    body = {
        "subnet": {"network_id": made["id"], "cidr": cidr, "ip_version": 6 if ":" in cidr else 4}
    }
    error = await refused(member, "POST", "/subnets", body, 409)
    assert error["type"] == "NetworkMTUSubnetConflict" and str(minimum) in error["message"]
    path = f"/networks/{made['id']}"
    await member("PUT", f"{V2}{path}", {"network": {"mtu": minimum}}, status=200)
    await subnet(member, made["id"], cidr)
    error = await refused(member, "PUT", path, {"network": {"mtu": minimum - 1}}, 409)
    assert error["type"] == "NetworkMTUSubnetConflict"
    assert (await member.get(f"{V2}{path}"))["network"]["mtu"] == minimum


async def test_port_filters_and_address_change(cloud: Cloud) -> None:
    member = await cloud.project_with("p", "member")
    made = await network(member)
    sub = await subnet(member, made["id"])
    one = await port(member, made["id"], device_id="dev", device_owner="mine:thing")
    ip = one["fixed_ips"][0]["ip_address"]
    for query in (
        f"fixed_ips=ip_address={ip}",
        f"fixed_ips=subnet_id={sub['id']}&device_id=dev",
        "device_owner=mine:thing",
        f"mac_address={one['mac_address'].upper()}",
        f"security_groups={one['security_groups'][0]}",
        f"network_id={made['id']}&status=DOWN&device_id=dev",
    ):
        found = (await member.get(f"{V2}/ports?{query}"))["ports"]
        assert [each["id"] for each in found] == [one["id"]], query
    requested = {"port": {"fixed_ips": [{"ip_address": ip}, {"ip_address": "10.0.0.99"}]}}
    changed = await member("PUT", f"{V2}/ports/{one['id']}", requested, status=200)
    addresses = [each["ip_address"] for each in changed.json()["port"]["fixed_ips"]]
    assert addresses == [ip, "10.0.0.99"]
    error = await port(member, made["id"], status=409, fixed_ips=[{"ip_address": "10.0.0.99"}])
    assert error["type"].startswith("IpAddress")
    error = await port(member, made["id"], status=400, fixed_ips=[{"ip_address": "10.0.1.1"}])
    assert error["type"] == "InvalidIpForNetwork"
    again = await port(member, made["id"], status=409, mac_address=one["mac_address"])
    assert again["type"] == "MacAddressInUse"


async def test_addresses_run_out_and_come_back(cloud: Cloud) -> None:
    member = await cloud.project_with("p", "member")
    made = await network(member)
    await subnet(member, made["id"], "10.0.0.0/29")  # .1 gateway, .2 metadata, .3 to .6 left

    async def one() -> int:
        answer = await member("POST", f"{V2}/ports", {"port": {"network_id": made["id"]}})
        return answer.status_code

    codes = await asyncio.gather(*(one() for _ in range(9)))
    assert sorted(codes) == [201] * 4 + [409] * 5
    ports = (await member.get(f"{V2}/ports?device_owner="))["ports"]
    held = {each["fixed_ips"][0]["ip_address"] for each in ports}
    assert held == {f"10.0.0.{n}" for n in (3, 4, 5, 6)}
    await member("DELETE", f"{V2}/ports/{ports[0]['id']}", status=204)
    assert await one() == 201


async def test_metadata_port_is_the_networks(cloud: Cloud) -> None:
    member = await cloud.project_with("p", "member")
    admin = await cloud.sign_in()
    made = await network(member)
    sub = await subnet(member, made["id"])
    path = f"{V2}/ports?network_id={made['id']}&device_owner=network:distributed"
    (found,) = (await admin.get(path))["ports"]
    assert found["fixed_ips"] == [{"subnet_id": sub["id"], "ip_address": "10.0.0.2"}]
    one = await port(member, made["id"])
    error = await refused(member, "DELETE", f"/ports/{found['id']}", None, 409)
    assert error["type"] == "ServicePortInUse"
    await member("DELETE", f"{V2}/ports/{one['id']}", status=204)
    off = {"subnet": {"enable_dhcp": False}}
    await member("PUT", f"{V2}/subnets/{sub['id']}", off, status=200)
    assert (await admin.get(path))["ports"] == []


async def test_a_network_without_ipv4_has_a_metadata_port_without_an_address(cloud: Cloud) -> None:
    member = await cloud.project_with("p", "member")
    made = await network(member)
    path = f"{V2}/ports?network_id={made['id']}&device_owner=network:distributed"
    six = [
        await subnet(member, made["id"], f"2001:db8:{number}::/64", **mode)
        for number, mode in enumerate(({"ipv6_address_mode": "slaac"}, {}), 1)
    ]
    (found,) = (await member.get(path))["ports"]
    assert found["fixed_ips"] == []
    four = await subnet(member, made["id"])
    (found,) = (await member.get(path))["ports"]
    assert found["fixed_ips"] == [{"subnet_id": four["id"], "ip_address": "10.0.0.2"}]
    for one in (four, six[0]):
        await member("DELETE", f"{V2}/subnets/{one['id']}", status=204)
        (found,) = (await member.get(path))["ports"]
        assert found["fixed_ips"] == []
    off = {"subnet": {"enable_dhcp": False}}
    await member("PUT", f"{V2}/subnets/{six[1]['id']}", off, status=200)
    assert (await member.get(path))["ports"] == []


async def test_ipv6_guests_make_their_own_addresses(cloud: Cloud) -> None:
    member = await cloud.project_with("p", "member")
    made = await network(member)
    mode = {"ipv6_ra_mode": "slaac", "ipv6_address_mode": "slaac"}
    await subnet(member, made["id"], "2001:db8::/64", **mode)
    one = await port(member, made["id"], mac_address="fa:16:3e:00:00:01")
    assert one["fixed_ips"][0]["ip_address"] == "2001:db8::f816:3eff:fe00:1"
    body = {"network_id": made["id"], "cidr": "10.0.0.0/24", "ip_version": 4, **mode}
    await refused(member, "POST", "/subnets", {"subnet": body}, 400)
    await subnet(member, made["id"], "2001:db8:1::/64")
    both = await port(member, made["id"])
    assert len(both["fixed_ips"]) == 2


async def test_self_made_addresses_do_not_hold_their_subnet(cloud: Cloud) -> None:
    member = await cloud.project_with("p", "member")
    made = await network(member)
    mode = {"ipv6_ra_mode": "slaac", "ipv6_address_mode": "slaac"}
    automatic = await subnet(member, made["id"], "2001:db8::/64", **mode)
    given = await subnet(member, made["id"], "2001:db8:1::/64")
    one = await port(member, made["id"])
    await refused(member, "DELETE", f"/subnets/{given['id']}", None, 409)
    await member("DELETE", f"{V2}/subnets/{automatic['id']}", status=204)
    left = (await member.get(f"{V2}/ports/{one['id']}"))["port"]
    assert [ip["subnet_id"] for ip in left["fixed_ips"]] == [given["id"]]
    await refused(member, "DELETE", f"/networks/{made['id']}", None, 409)


async def test_ipv6_subnets_have_host_routes(cloud: Cloud) -> None:
    member = await cloud.project_with("p", "member")
    made = await network(member)
    routes = [{"destination": "2001:db8:9::/64", "nexthop": "2001:db8::9"}]
    sub = await subnet(member, made["id"], "2001:db8::/64", host_routes=routes)
    assert sub["host_routes"] == routes
    wrong = {"host_routes": [{"destination": "10.9.0.0/16", "nexthop": "10.0.0.9"}]}
    await refused(member, "PUT", f"/subnets/{sub['id']}", {"subnet": wrong}, 400)


async def test_address_pairs_are_answered_as_they_were_sent(cloud: Cloud) -> None:
    member = await cloud.project_with("p", "member")
    made = await network(member)
    await subnet(member, made["id"])
    pairs = [{"ip_address": one} for one in ("10.0.0.9", "10.0.0.16/28", "2001:db8::2")]
    one = await port(member, made["id"], allowed_address_pairs=pairs)
    assert [pair["ip_address"] for pair in one["allowed_address_pairs"]] == [
        "10.0.0.9",
        "10.0.0.16/28",
        "2001:db8::2",
    ]


async def test_quotas(cloud: Cloud) -> None:
    member = await cloud.project_with("p", "member")
    admin = await cloud.sign_in()
    path = f"{V2}/quotas/{member.project_id}"
    assert (await member.get(path))["quota"]["network"] == 100
    await member("PUT", path, {"quota": {"network": 1}}, status=403)
    await admin("PUT", path, {"quota": {"network": 1}}, status=200)
    await network(member)
    error = await refused(member, "POST", "/networks", {"network": {"name": "x"}}, 409)
    assert error["type"] == "OverQuota"
    assert error["message"] == "Quota exceeded for resources: ['network']."
    details = (await member.get(f"{path}/details.json"))["quota"]["network"]
    assert details == {"limit": 1, "used": 1, "reserved": 0}
    await admin("PUT", path, {"quota": {"nothing": 1}}, status=400)
    await admin("DELETE", path, status=204)
    await network(member)


async def test_tags(cloud: Cloud) -> None:
    member = await cloud.project_with("p", "member")
    made = await network(member)
    path = f"{V2}/networks/{made['id']}/tags"
    await member("PUT", f"{path}/red", status=201)
    await member("PUT", path, {"tags": ["red", "blue"]}, status=200)
    await member("GET", f"{path}/blue", status=204)
    await member("GET", f"{path}/green", status=404)
    assert len((await member.get(f"{V2}/networks?tags=red,blue"))["networks"]) == 1
    assert (await member.get(f"{V2}/networks?tags=red,green"))["networks"] == []
    assert len((await member.get(f"{V2}/networks?tags-any=red,green"))["networks"]) == 1
    await member("DELETE", f"{path}/red", status=204)
    assert (await member.get(path))["tags"] == ["blue"]


async def test_extensions_agents_zones(cloud: Cloud) -> None:
    admin = await cloud.sign_in()
    member = await cloud.project_with("p", "member")
    aliases = {one["alias"] for one in (await member.get(f"{V2}/extensions"))["extensions"]}
    assert {"router", "security-group", "standard-attr-tag"} <= aliases
    await member("GET", f"{V2}/extensions/router", status=200)
    await member("GET", f"{V2}/extensions/metering", status=404)
    async with cloud.control.database.write() as tx:
        await networks.heard(tx, cloud.network, ["h1"])
    agents = (await admin.get(f"{V2}/agents"))["agents"]
    assert {one["agent_type"] for one in agents if one["host"] == "h1"} == {
        "OVN Controller agent",
        "OVN Metadata agent",
    }
    assert all(one["alive"] for one in agents)
    assert (await member.get(f"{V2}/agents")) == {"agents": []}
    zones = (await member.get(f"{V2}/availability_zones"))["availability_zones"]
    assert {one["resource"] for one in zones} == {"network", "router"}


async def test_lists_know_older_names_and_other_spellings(cloud: Cloud) -> None:
    member = await cloud.project_with("p", "member")
    made = [await network(member, name=name, tags=[name, "both"]) for name in ("b", "a")]
    ids, mine = [one["id"] for one in made], f"{V2}/networks?tenant_id={member.project_id}"
    one = await port(member, ids[0])
    mac = one["mac_address"].upper()
    assert [p["id"] for p in (await member.get(f"{V2}/ports?mac_address={mac}"))["ports"]] == [
        one["id"]
    ]

    async def listed(query: str) -> list[str]:
        return [found["name"] for found in (await member.get(f"{mine}&{query}"))["networks"]]

    assert await listed("sort_key=tenant_id&sort_key=name") == ["a", "b"]
    assert await listed("tags=b,both") == ["b"]
    assert await listed("not-tags=b") == ["a"]
    assert sorted(await listed("limit=0&marker=")) == ["a", "b"]
    assert sorted(await listed("shared=0&admin_state_up=True&verbose=x")) == ["a", "b"]
    last = await member.get(f"{mine}&limit=1&sort_key=name&page_reverse=True")
    assert [found["name"] for found in last["networks"]] == ["b"]
    assert {link["rel"] for link in last["networks_links"]} == {"next", "previous"}


async def test_a_full_page_leads_on_and_the_empty_one_behind_the_last_leads_back(
    cloud: Cloud,
) -> None:
    member = await cloud.project_with("p", "member")
    await member.post(f"{V2}/networks", {"networks": [{"name": name} for name in "abcd"]})

    async def followed(url: str, rel: str, pages: int) -> tuple[list[str], dict[str, str]]:
        names: list[str] = []
        for _ in range(pages):
            page = await member.get(url.removeprefix("http://cloud:5000"))
            names += [one["name"] for one in page["networks"]]
            links = {one["rel"]: one["href"] for one in page["networks_links"]}
            url = links.get(rel, "")
        return names, links

    mine = f"{V2}/networks?project_id={member.project_id}&sort_key=name&limit=2"
    names, links = await followed(mine, "next", 3)
    assert names == ["a", "b", "c", "d"]
    assert list(links) == ["previous"]
    names, _ = await followed(links["previous"], "previous", 2)
    assert names == ["c", "d", "a", "b"]


WRONG_LISTS = [
    (
        "sort_key=name&sort_dir=asc&sort_dir=asc",
        "The number of sort_keys and sort_dirs must be same",
    ),
    ("sort_key=name&sort_dir=up", "The sort direction must be 'asc' or 'desc'"),
    ("sort_key=colour", "['colour'] is invalid attribute for sort_keys"),
    ("name=a&taste=x&colour=red", "['colour', 'taste'] is invalid attribute for filtering"),
    ("marker=nothing", "Invalid marker: nothing"),
    (
        "shared=perhaps",
        "Invalid input for shared. Reason: 'perhaps' cannot be converted to boolean.",
    ),
    ("limit=-1", "limit must not be negative"),
]


async def test_a_list_says_what_does_not_fit(cloud: Cloud) -> None:
    member = await cloud.project_with("p", "member")
    for query, says in WRONG_LISTS:
        answer = await member("GET", f"{V2}/networks?{query}", status=400)
        assert answer.json()["NeutronError"]["message"] == says


WRONG_BODIES = [
    ("POST", [], "Resource body required"),
    ("POST", {"net": {}}, "Unable to find 'network' in request body"),
    ("POST", {"network": {}, "x": 1}, "Unrecognized attribute(s) 'x'"),
    ("POST", {"network": {"colour": 1}}, "Unrecognized attribute(s) 'colour'"),
    ("POST", {"network": {"id": "x"}}, "Attribute 'id' not allowed in POST"),
    ("POST", {"networks": []}, "Resources required"),
    ("POST", {"networks": ["x"]}, "Invalid format of a resource in the list"),
    ("POST", {"network": {"tenant_id": "a", "project_id": "b"}}, "'project_id' and 'tenant_id' do not match"),
    ("PUT", {"network": {"status": "DOWN"}}, "Cannot update read-only attribute status"),
    ("PUT", {"network": {"name": 1}}, "Invalid input for name. Reason: '1' is not a valid string."),
]  # fmt: skip


async def test_a_body_says_what_does_not_fit(cloud: Cloud) -> None:
    member = await cloud.project_with("p", "member")
    made = (await network(member))["id"]
    for method, body, says in WRONG_BODIES:
        path = f"{V2}/networks" if method == "POST" else f"{V2}/networks/{made}"
        answer = await member(method, path, body, status=400)
        assert answer.json()["NeutronError"]["message"] == says


async def test_members_make_things_for_their_own_project_only(cloud: Cloud) -> None:
    admin = await cloud.sign_in()
    member = await cloud.project_with("p", "member")
    other = await cloud.project_with("q", "member")
    near = {"port": {"network_id": (await network(member))["id"]}}
    for kind, name in product(
        ("network", "router", "security_group", "port"), ("project_id", "tenant_id")
    ):
        values = {"name": "x", **near.get(kind, {})}
        path = f"{V2}/{kind.replace('_', '-')}s"
        made = (await member.post(path, {kind: {**values, name: member.project_id}}))[kind]
        assert made["project_id"] == made["tenant_id"] == member.project_id
        refused = await member("POST", path, {kind: {**values, name: other.project_id}})
        assert refused.status_code in (400, 403), refused.text
        if kind != "port":
            made = (await admin.post(path, {kind: {**values, name: other.project_id}}))[kind]
            assert made["project_id"] == other.project_id


async def test_if_match_holds_a_late_writer(cloud: Cloud) -> None:
    member = await cloud.project_with("p", "member")
    made = await network(member)
    path = f"{V2}/networks/{made['id']}"
    match = {"If-Match": "revision_number=1"}
    await member("PUT", path, {"network": {"name": "a"}}, headers=match, status=200)
    await member("PUT", path, {"network": {"name": "b"}}, headers=match, status=412)


async def test_other_addresses_of_a_guest_leave_it_the_one_that_it_makes_itself(
    cloud: Cloud,
) -> None:
    member = await cloud.project_with("p", "member")
    network = (await member.post(f"{V2}/networks", {"network": {}}))["network"]["id"]
    four = {"network_id": network, "ip_version": 4, "cidr": "10.9.0.0/24"}
    six = {
        "network_id": network,
        "ip_version": 6,
        "cidr": "fd00:1::/64",
        "ipv6_address_mode": "slaac",
    }
    for subnet in (four, six):
        await member.post(f"{V2}/subnets", {"subnet": subnet})
    port = (await member.post(f"{V2}/ports", {"port": {"network_id": network}}))["port"]
    own = [one for one in port["fixed_ips"] if one["ip_address"].startswith("fd00:1:")]
    assert len(own) == 1
    body = {"port": {"fixed_ips": [{"ip_address": "10.9.0.50"}]}}
    answer = await member("PUT", f"{V2}/ports/{port['id']}", body, status=200)
    moved = answer.json()["port"]["fixed_ips"]
    assert [one["ip_address"] for one in moved] == ["10.9.0.50", own[0]["ip_address"]]


SLAAC, STATELESS, STATEFUL = "slaac", "dhcpv6-stateless", "dhcpv6-stateful"
SMALL = "fd00:1::/80"
MODES: list[tuple[dict[str, Any], int]] = [
    ({"ipv6_ra_mode": SLAAC}, 201),
    ({"ipv6_address_mode": SLAAC}, 201),
    ({"ipv6_ra_mode": STATELESS, "ipv6_address_mode": STATELESS}, 201),
    ({"ipv6_ra_mode": SLAAC, "ipv6_address_mode": STATELESS}, 400),
    ({"ipv6_ra_mode": SLAAC, "enable_dhcp": False}, 400),
    # Guests make addresses of 64 bits only; where DHCP hands them out, any prefix will do.
    ({"ipv6_ra_mode": SLAAC, "cidr": SMALL}, 400),
    ({"ipv6_address_mode": SLAAC, "cidr": SMALL}, 400),
    ({"ipv6_ra_mode": STATELESS, "cidr": SMALL}, 400),
    ({"ipv6_address_mode": STATELESS, "cidr": SMALL}, 400),
    ({"ipv6_ra_mode": STATEFUL, "ipv6_address_mode": STATEFUL, "cidr": SMALL}, 201),
    ({"ipv6_ra_mode": SLAAC, "ip_version": 4, "cidr": "10.9.0.0/24"}, 400),
]


async def test_modes_of_ipv6_subnets(cloud: Cloud) -> None:
    member = await cloud.project_with("p", "member")
    for values, status in MODES:
        made = (await member.post(f"{V2}/networks", {"network": {}}))["network"]["id"]
        body = {"network_id": made, "ip_version": 6, "cidr": "fd00:1::/64", **values}
        await member("POST", f"{V2}/subnets", {"subnet": body}, status=status)
