"""Load balancers from the first to the last, as their users see them."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.api.load_balancer.balancing import BASE, NETWORK, Balancing, balancing
from tests.cloud import Cloud

HTTP = {"protocol": "HTTP", "lb_algorithm": "ROUND_ROBIN"}


@pytest.fixture
async def web(cloud: Cloud) -> Balancing:
    return await balancing(cloud)


async def test_a_balancer_is_made_changed_and_gone(web: Balancing) -> None:
    balancer = await web.balancer(name="front", tags=["a", "b"])
    listener = await web.make(
        balancer, "listeners", protocol="HTTP", protocol_port=80, loadbalancer_id=balancer
    )
    pool = await web.make(balancer, "pools", listener_id=listener["id"], **HTTP)
    member = await web.make(
        balancer, f"pools/{pool['id']}/members", address="10.4.0.9", protocol_port=8080
    )
    await web.make(
        balancer, "healthmonitors", pool_id=pool["id"], type="HTTP", delay=2, timeout=1, max_retries=2
    )  # fmt: skip
    seen = await web.there(f"loadbalancers/{balancer}")
    assert seen["vip_subnet_id"] == web.subnet and seen["tags"] == ["a", "b"]
    port = (await web.user.get(f"{NETWORK}/ports/{seen['vip_port_id']}"))["port"]
    assert port["device_owner"] == "Octavia"
    assert port["fixed_ips"][0]["ip_address"] == seen["vip_address"]
    # Nobody is at the member's address.
    there = await web.there(f"pools/{pool['id']}/members/{member['id']}")
    assert there["operating_status"] == "ERROR"
    assert (await web.there(f"pools/{pool['id']}"))["operating_status"] == "ERROR"
    assert (await web.there(f"loadbalancers/{balancer}"))["operating_status"] == "DEGRADED"
    path = f"{BASE}/loadbalancers/{balancer}"
    tree = (await web.user.get(f"{path}/status"))["statuses"]["loadbalancer"]
    assert tree["listeners"][0]["pools"][0]["members"][0]["id"] == member["id"]
    assert (await web.user.get(f"{path}/stats"))["stats"]["total_connections"] == 0
    refused = await web.user("DELETE", path, status=400)
    assert "has children" in refused.json()["faultstring"]
    await web.user("DELETE", f"{path}?cascade=true", status=204)
    await web.gone(balancer)
    await web.user("GET", f"{NETWORK}/ports/{seen['vip_port_id']}", status=404)
    assert (await web.user.get(f"{BASE}/pools"))["pools"] == []
    assert (await web.user.get(f"{BASE}/healthmonitors"))["healthmonitors"] == []


async def test_what_is_pending_is_not_changed(web: Balancing) -> None:
    balancer = await web.balancer()
    body = {"listener": {"protocol": "TCP", "protocol_port": 1, "loadbalancer_id": balancer}}
    await web.user.post(f"{BASE}/listeners", body)
    body["listener"]["protocol_port"] = 2
    refused = await web.user("POST", f"{BASE}/listeners", body)
    if refused.status_code != 201:  # the first was told already, otherwise
        assert refused.status_code == 409 and "immutable" in refused.json()["faultstring"]
    await web.active(balancer)


async def test_a_whole_balancer_in_one_request(web: Balancing) -> None:
    members = [
        {"address": "10.4.0.9", "protocol_port": 80},
        {"address": "10.4.0.8", "protocol_port": 80},
    ]
    monitor = {"type": "TCP", "delay": 3, "timeout": 2, "max_retries": 2}
    pool = {"name": "p", **HTTP, "members": members, "healthmonitor": monitor}
    policy = {
        "action": "REDIRECT_TO_POOL",
        "redirect_pool": {"name": "p"},
        "rules": [{"type": "PATH", "compare_type": "STARTS_WITH", "value": "/img"}],
    }
    listener = {
        "protocol": "HTTP",
        "protocol_port": 80,
        "default_pool": {"name": "p"},
        "l7policies": [policy],
    }
    body: dict[str, Any] = {
        "vip_subnet_id": web.subnet, "provider": "amphora", "pools": [pool], "listeners": [listener],
    }  # fmt: skip
    made = (await web.user.post(f"{BASE}/loadbalancers", {"loadbalancer": body}))["loadbalancer"]
    assert made["listeners"][0]["l7policies"][0]["rules"][0]["value"] == "/img"
    assert len(made["pools"][0]["members"]) == 2
    assert made["pools"][0]["healthmonitor"]["type"] == "TCP"
    await web.active(made["id"])
    seen = await web.there(f"listeners/{made['listeners'][0]['id']}")
    assert seen["default_pool_id"] == made["pools"][0]["id"]
    body["listeners"][0]["default_pool"] = {"name": "elsewhere"}
    await web.user("POST", f"{BASE}/loadbalancers", {"loadbalancer": body}, status=400)
    assert len((await web.user.get(f"{BASE}/loadbalancers"))["loadbalancers"]) == 1


async def test_all_members_at_once(web: Balancing) -> None:
    balancer = await web.balancer()
    pool = (await web.make(balancer, "pools", loadbalancer_id=balancer, **HTTP))["id"]
    one, two, three = ({"address": f"10.4.0.{n}", "protocol_port": 80} for n in (8, 9, 10))
    path = f"{BASE}/pools/{pool}/members"
    await web.user("PUT", path, {"members": [one, two]}, status=202)
    await web.active(balancer)
    await web.user("PUT", path, {"members": [{**two, "weight": 7}, three]}, status=202)
    await web.active(balancer)
    found = {m["address"]: m["weight"] for m in (await web.user.get(path))["members"]}
    assert found == {"10.4.0.9": 7, "10.4.0.10": 1}
    await web.user("PUT", f"{path}?additive_only=true", {"members": [one]}, status=202)
    await web.active(balancer)
    assert len((await web.user.get(path))["members"]) == 3
    there = {**one, "subnet_id": web.subnet}
    for member, port in (({**there, "monitor_port": 9}, 9), (there, 9), (one, None)):
        await web.user("PUT", path, {"members": [member]}, status=202)
        await web.active(balancer)
        (found,) = (await web.user.get(path))["members"]
        assert (found["subnet_id"], found["monitor_port"]) == (member.get("subnet_id"), port)
    odd = {**one, "subnet_id": "00000000-0000-4000-8000-000000000000"}
    await web.user("PUT", path, {"members": [odd]}, status=400)
    await web.user("PUT", path, {"members": [one, one]}, status=409)
    await web.user(
        "PUT", path, {"members": [{"address": "127.0.0.1", "protocol_port": 80}]}, status=400
    )


@pytest.mark.parametrize(
    "address", ["169.254.169.254", "127.0.0.1", "::1", "::ffff:127.0.0.1", "0.0.0.0", "fe80::1"]
)
async def test_what_is_no_members_address(web: Balancing, address: str) -> None:
    balancer = await web.balancer()
    pool = (await web.make(balancer, "pools", loadbalancer_id=balancer, **HTTP))["id"]
    path = f"pools/{pool}/members"
    assert "address" in await web.make(balancer, path, 400, address=address, protocol_port=80)


async def test_texts_that_would_be_configuration_are_refused(web: Balancing) -> None:
    balancer = await web.balancer()
    listener = await web.make(
        balancer, "listeners", protocol="HTTP", protocol_port=80, loadbalancer_id=balancer
    )
    policy = {"listener_id": listener["id"], "action": "REDIRECT_TO_URL"}
    for url in ("http://a/\nserver x", "http://a b/", "gopher://a/", "http:///x"):
        await web.make(balancer, "l7policies", 400, **policy, redirect_url=url)
    made = await web.make(balancer, "l7policies", **policy, redirect_url="http://a.example/x")
    assert made["redirect_http_code"] == 302
    rules = f"l7policies/{made['id']}/rules"
    header = {"type": "HEADER", "compare_type": "EQUAL_TO"}
    await web.make(balancer, rules, 400, **header, key="X\nY", value="1")
    await web.make(balancer, rules, 400, **header, key="X", value="1\nacl")
    await web.make(balancer, rules, 400, **header, value="1")
    path = {"type": "PATH", "compare_type": "REGEX"}
    await web.make(balancer, rules, 400, **path, value="(((")
    await web.make(balancer, rules, **path, value="^/a[0-9]+$")


async def test_a_policy_has_what_its_action_needs_and_nothing_else(web: Balancing) -> None:
    balancer, beside = await web.balancer(), await web.balancer()
    listener = await web.make(
        balancer, "listeners", protocol="HTTP", protocol_port=80, loadbalancer_id=balancer
    )
    tcp = {"protocol": "TCP", "lb_algorithm": "ROUND_ROBIN"}
    pool, theirs, plain = [
        (await web.make(of, "pools", loadbalancer_id=of, **kind))["id"]
        for of, kind in ((balancer, HTTP), (beside, HTTP), (balancer, tcp))
    ]
    url, base, to_pool = "http://a.example/x", "http://a.example", "REDIRECT_TO_POOL"
    for odd, why in (
        ({"action": to_pool}, "redirect_pool_id must not be None"),
        ({"action": "REDIRECT_TO_URL"}, "redirect_url must not be None"),
        ({"action": "REDIRECT_PREFIX", "redirect_url": url}, "redirect_prefix must not be None"),
        ({"action": to_pool, "redirect_pool_id": pool, "redirect_url": url}, "redirect_url"),
        ({"action": "REJECT", "redirect_pool_id": pool}, "redirect_pool_id"),
        ({"action": "REJECT", "redirect_prefix": base}, "redirect_prefix"),
        ({"action": "REJECT", "redirect_http_code": 301}, "redirect_http_code"),
        ({"action": to_pool, "redirect_pool_id": pool, "redirect_http_code": 301}, "redirect_http_code"),
        ({"action": to_pool, "redirect_pool_id": theirs}, "not on the same Load Balancer"),
        ({"action": to_pool, "redirect_pool_id": plain}, "protocol"),
    ):  # fmt: skip
        assert why in await web.make(balancer, "l7policies", 400, listener_id=listener["id"], **odd)
    assert (await web.user.get(f"{BASE}/l7policies"))["l7policies"] == []
    made = await web.make(
        balancer, "l7policies", listener_id=listener["id"], action="REDIRECT_PREFIX",
        redirect_prefix=base, redirect_http_code=307,
    )  # fmt: skip
    path = f"l7policies/{made['id']}"
    shown = ("action", "redirect_prefix", "redirect_url", "redirect_pool_id", "redirect_http_code")
    # What belonged to the action before goes with it.
    for change, found in (
        ({"name": "n"}, ("REDIRECT_PREFIX", base, None, None, 307)),
        ({"action": "REDIRECT_TO_URL", "redirect_url": url}, ("REDIRECT_TO_URL", None, url, None, 302)),
        ({"action": to_pool, "redirect_pool_id": pool}, (to_pool, None, None, pool, None)),
        ({"action": "REJECT"}, ("REJECT", None, None, None, None)),
    ):  # fmt: skip
        await web.user("PUT", f"{BASE}/{path}", {"l7policy": change}, status=200)
        await web.active(balancer)
        now = await web.there(path)
        assert tuple(now[name] for name in shown) == found
    await web.user("PUT", f"{BASE}/{path}", {"l7policy": {"action": to_pool}}, status=400)
    other = await web.make(
        balancer, "listeners", protocol="TCP", protocol_port=81, loadbalancer_id=balancer
    )
    refused = await web.make(balancer, "l7policies", 400, listener_id=other["id"], action="REJECT")
    assert "listener of protocol TCP" in refused


async def test_pools_of_one_request_are_told_apart_by_their_names(web: Balancing) -> None:
    path = f"{BASE}/loadbalancers"
    for pools, default, why in (
        ([{"name": "p", **HTTP}, {"name": "p", **HTTP}], {"name": "p"}, "more than once"),
        ([{**HTTP}, {"name": "", **HTTP}], {"name": "q"}, "Pool q not found"),
        ([], {"name": "p"}, "Pool p not found"),
    ):
        listener = {"protocol": "HTTP", "protocol_port": 80, "default_pool": default}
        body = {"vip_subnet_id": web.subnet, "pools": pools, "listeners": [listener]}
        refused = await web.user("POST", path, {"loadbalancer": body}, status=400)
        assert why in refused.json()["faultstring"]
    assert (await web.user.get(path))["loadbalancers"] == []


async def test_policies_stand_in_order(web: Balancing) -> None:
    balancer = await web.balancer()
    listener = await web.make(
        balancer, "listeners", protocol="HTTP", protocol_port=80, loadbalancer_id=balancer
    )
    policy = {"listener_id": listener["id"], "action": "REJECT"}
    ids = [
        (await web.make(balancer, "l7policies", **policy, position=at))["id"] for at in (1, 1, 9)
    ]
    rows = (await web.user.get(f"{BASE}/l7policies?sort=position:asc"))["l7policies"]
    assert [(row["id"], row["position"]) for row in rows] == [
        (ids[1], 1), (ids[0], 2), (ids[2], 3),
    ]  # fmt: skip
    await web.user("DELETE", f"{BASE}/l7policies/{ids[1]}", status=204)
    await web.active(balancer)
    rows = (await web.user.get(f"{BASE}/l7policies?sort=position"))["l7policies"]
    assert [row["position"] for row in rows] == [1, 2]


async def test_others_are_told_that_they_may_not(web: Balancing) -> None:
    balancer = await web.balancer()
    other = await web.cloud.project_with("other", "member", "reader")
    path = f"{BASE}/loadbalancers/{balancer}"
    await other("GET", path, status=403)
    await other("DELETE", path, status=403)
    await other("GET", f"{path}/status", status=403)
    assert (await other.get(f"{BASE}/loadbalancers"))["loadbalancers"] == []
    await other("GET", f"{BASE}/loadbalancers?project_id={web.user.project_id}", status=403)
    # What is named is looked up with the caller's eyes.
    body = {"loadbalancer": {"vip_subnet_id": web.subnet, "provider": "amphora"}}
    refused = await other("POST", f"{BASE}/loadbalancers", body, status=400)
    assert "not found" in refused.json()["faultstring"]
    admin = await web.cloud.sign_in()
    assert len((await admin.get(f"{BASE}/loadbalancers"))["loadbalancers"]) == 1
    shown = (await admin.get("/load-balancer/v2/octavia/amphorae"))["amphorae"]
    assert [one["loadbalancer_id"] for one in shown] == [balancer]
    await web.user("PUT", f"{path}/failover", status=403)
    await admin("PUT", f"{path}/failover", status=202)
    await web.active(balancer)
    after = (await admin.get("/load-balancer/v2/octavia/amphorae"))["amphorae"]
    assert after[0]["id"] != shown[0]["id"]


async def test_a_quota_holds(web: Balancing) -> None:
    admin = await web.cloud.sign_in()
    path = f"{BASE}/quotas/{web.user.project_id}"
    await admin("PUT", path, {"quota": {"load_balancer": 1}}, status=202)
    assert (await web.user.get(path))["quota"]["loadbalancer"] == 1
    await web.balancer()
    body = {"loadbalancer": {"vip_subnet_id": web.subnet, "provider": "amphora"}}
    refused = await web.user("POST", f"{BASE}/loadbalancers", body, status=403)
    assert "Quota" in refused.json()["faultstring"]
    await admin("DELETE", path, status=204)
    await web.balancer()


async def test_what_ovn_carries_is_in_the_network_and_leaves_it(web: Balancing) -> None:
    balancer = await web.balancer("ovn")
    listener = await web.make(
        balancer, "listeners", protocol="TCP", protocol_port=80, loadbalancer_id=balancer
    )
    pool = await web.make(
        balancer, "pools", listener_id=listener["id"], protocol="TCP", lb_algorithm="SOURCE_IP_PORT"
    )  # fmt: skip
    members = f"pools/{pool['id']}/members"
    await web.make(balancer, members, address="10.4.0.9", protocol_port=8080)
    vip = (await web.there(f"loadbalancers/{balancer}"))["vip_address"]
    held = await _rows(web, balancer)
    (row,) = (one for one in held if type(one).__name__ == "LoadBalancer")
    assert row.vips == {f"{vip}:80": "10.4.0.9:8080"}
    assert row.switches == {web.network} and row.routers == {f"lb-{balancer}"}
    # With a router on its network, that answers for the address.
    router = (await web.user.post(f"{NETWORK}/routers", {"router": {}}))["router"]["id"]
    await web.user(
        "PUT", f"{NETWORK}/routers/{router}/add_router_interface", {"subnet_id": web.subnet}, status=200
    )  # fmt: skip
    async with asyncio.timeout(60):
        while len(held := await _rows(web, balancer)) > 1:
            await asyncio.sleep(0.02)
    assert held[0].routers == {router}
    for refused in (
        {"protocol": "HTTP", "protocol_port": 81},
        {"protocol": "TCP", "protocol_port": 81, "connection_limit": 9},
    ):
        text = await web.make(balancer, "listeners", 501, loadbalancer_id=balancer, **refused)
        assert text.startswith("OVN provider does not support")
    await web.make(
        balancer, "pools", 501, loadbalancer_id=balancer, protocol="TCP", lb_algorithm="ROUND_ROBIN"
    )  # fmt: skip
    assert await web.active(balancer)  # what was refused has left nothing
    await web.user("DELETE", f"{BASE}/loadbalancers/{balancer}?cascade=true", status=204)
    await web.gone(balancer)
    assert await _rows(web, balancer) == []
    ports = (await web.user.get(f"{NETWORK}/ports?device_owner=Octavia"))["ports"]
    assert ports == []


async def test_checks_of_members_do_not_come_from_where_metadata_is(web: Balancing) -> None:
    """Whoever learnt the address's MAC from a check would not find the service any more."""
    made = {"port": {"network_id": web.network}}
    port = (await web.user.post(f"{NETWORK}/ports", made))["port"]
    (address,) = (one["ip_address"] for one in port["fixed_ips"])
    admin = await web.cloud.sign_in()
    path = f"{NETWORK}/ports?device_owner=network:distributed&network_id={web.network}"
    (requested,) = (one["fixed_ips"] for one in (await admin.get(path))["ports"])
    balancer = await web.balancer("ovn")
    listener = await web.make(
        balancer, "listeners", protocol="TCP", protocol_port=80, loadbalancer_id=balancer
    )
    pool = await web.make(
        balancer, "pools", listener_id=listener["id"], protocol="TCP", lb_algorithm="SOURCE_IP_PORT"
    )  # fmt: skip
    await web.make(balancer, f"pools/{pool['id']}/members", address=address, protocol_port=8080)
    check = {"type": "TCP", "delay": 5, "timeout": 3, "max_retries": 2}
    await web.make(balancer, "healthmonitors", pool_id=pool["id"], **check)
    (row,) = (one for one in await _rows(web, balancer) if type(one).__name__ == "LoadBalancer")
    (source,) = row.sources.values()
    assert source.rpartition(":")[2] not in {one["ip_address"] for one in requested}
    (again,) = (one["fixed_ips"] for one in (await admin.get(path))["ports"])
    assert source.rpartition(":")[2] in {one["ip_address"] for one in again}
    await web.user("DELETE", f"{BASE}/loadbalancers/{balancer}?cascade=true", status=204)
    await web.gone(balancer)
    await web.user("DELETE", f"{NETWORK}/ports/{port['id']}", status=204)
    await web.user("DELETE", f"{NETWORK}/networks/{web.network}", status=204)


async def _rows(web: Balancing, balancer: str) -> list[Any]:
    return await web.cloud.network.northbound.dump(f"load_balancer:{balancer}")


async def test_the_port_of_an_address_in_ovn_is_nobody_elses(web: Balancing) -> None:
    balancer = await web.balancer("ovn")
    port = (await web.there(f"loadbalancers/{balancer}"))["vip_port_id"]
    await web.user("DELETE", f"{NETWORK}/ports/{port}", status=409)


async def test_a_port_that_a_user_made_stays(web: Balancing) -> None:
    made = {"network_id": web.network, "name": "mine"}
    port = (await web.user.post(f"{NETWORK}/ports", {"port": made}))["port"]
    for provider in ("amphora", "ovn"):
        body = {"vip_port_id": port["id"], "provider": provider}
        found = (await web.user.post(f"{BASE}/loadbalancers", {"loadbalancer": body}))[
            "loadbalancer"
        ]
        assert found["vip_address"] == port["fixed_ips"][0]["ip_address"]
        await web.active(found["id"])
        await web.user("POST", f"{BASE}/loadbalancers", {"loadbalancer": body}, status=409)
        await web.user("DELETE", f"{BASE}/loadbalancers/{found['id']}", status=204)
        await web.gone(found["id"])
        left = (await web.user.get(f"{NETWORK}/ports/{port['id']}"))["port"]
        assert (left["device_owner"], left["device_id"]) == ("", "")


async def test_flavors_say_who_carries_and_how(web: Balancing) -> None:
    admin = await web.cloud.sign_in()
    profile = {"name": "p", "provider_name": "amphora"}
    for odd in ("[]", "{", '{"speed": 9}', '{"loadbalancer_topology": "CIRCLE"}'):
        body = {"flavorprofile": {**profile, "flavor_data": odd}}
        await admin("POST", f"{BASE}/flavorprofiles", body, status=400)
    body = {"flavorprofile": {**profile, "flavor_data": '{"loadbalancer_topology": "SINGLE"}'}}
    kept = (await admin.post(f"{BASE}/flavorprofiles", body))["flavorprofile"]["id"]
    flavor = {"name": "small", "flavor_profile_id": kept}
    made = (await admin.post(f"{BASE}/flavors", {"flavor": flavor}))["flavor"]["id"]
    await admin("POST", f"{BASE}/flavors", {"flavor": flavor}, status=409)
    await web.user("POST", f"{BASE}/flavors", {"flavor": flavor}, status=403)
    balancer = await web.balancer(flavor_id=made)
    assert (await web.there(f"loadbalancers/{balancer}"))["flavor_id"] == made
    await admin("DELETE", f"{BASE}/flavors/{made}", status=409)
    body = {"loadbalancer": {"vip_subnet_id": web.subnet, "flavor_id": made, "provider": "ovn"}}
    await web.user("POST", f"{BASE}/loadbalancers", body, status=400)


async def test_a_zone_says_on_which_networks_addresses_may_be(web: Balancing) -> None:
    admin = await web.cloud.sign_in()
    profile = {"name": "p", "provider_name": "amphora"}
    ids = []
    for data, status in (
        ('{"valid_vip_networks": "all"}', 400),
        ('{"compute_zone": 1}', 400),
        ('{"management_network": "a"}', 400),
        (f'{{"valid_vip_networks": ["{web.network}"]}}', 201),
        ('{"valid_vip_networks": ["another"]}', 201),
    ):
        body = {"availability_zone_profile": {**profile, "availability_zone_data": data}}
        answer = await admin("POST", f"{BASE}/availabilityzoneprofiles", body, status=status)
        if status == 201:
            ids.append(answer.json()["availability_zone_profile"]["id"])
    for name, one in zip(("open", "closed"), ids, strict=True):
        zone = {"name": name, "availability_zone_profile_id": one}
        await admin.post(f"{BASE}/availabilityzones", {"availability_zone": zone})
    await web.balancer(availability_zone="open")
    body = {"loadbalancer": {"vip_subnet_id": web.subnet, "availability_zone": "closed"}}
    refused = await web.user("POST", f"{BASE}/loadbalancers", body, status=400)
    assert "not allowed by the configuration" in refused.json()["faultstring"]


async def test_values_are_taken_as_clients_send_them(web: Balancing) -> None:
    """gophercloud sends versions of HTTP as texts, with any monitor, and those of TLS with any listener."""
    one = await web.balancer()
    base = BASE.removesuffix("/lbaas")  # and to addresses without "lbaas"
    assert (await web.user.get(f"{base}/loadbalancers/{one}"))["loadbalancer"]["id"] == one
    await web.user("GET", f"{base}/quotas/{web.user.project_id}", status=200)
    versions = ["TLSv1.2"]
    listener = await web.make(
        one, "listeners", protocol="HTTP", protocol_port=80, loadbalancer_id=one, tls_versions=versions
    )  # fmt: skip
    assert listener["tls_versions"] == versions
    pool = await web.make(
        one, "pools", listener_id=listener["id"], protocol="HTTP", lb_algorithm="ROUND_ROBIN"
    )
    ciphers = {"tls_ciphers": "ECDHE-RSA-AES256-GCM-SHA384"}
    body = {"pool": {**ciphers, "tls_versions": versions}}
    changed = (await web.user("PUT", f"{BASE}/pools/{pool['id']}", body, status=200)).json()["pool"]
    assert changed["tls_ciphers"] == ciphers["tls_ciphers"] and changed["tls_enabled"] is False
    await web.active(one)
    values = {"pool_id": pool["id"], "delay": 2, "timeout": 1, "max_retries": 2, "type": "PING"}
    for odd in ("1.2", "x", "nan", True):
        await web.make(one, "healthmonitors", 400, **values, http_version=odd)
    monitor = await web.make(one, "healthmonitors", **values, http_version="1.1")
    assert monitor["http_version"] == 1.1
