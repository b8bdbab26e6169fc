"""Ports that ask for bandwidth, and the hosts that have it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from hanok.services.compute.logic import bandwidth, servers
from hanok.services.placement import facade as placement
from tests.api.compute.test_scheduling import (
    PLACEMENT,
    give,
    give_trait,
    placed,
    provider,
    specs,
    why,
)
from tests.api.compute.test_servers import SERVERS, Ground
from tests.api.network.test_networks import V2, network, port, refused, subnet
from tests.cloud import NEWEST, Client, Cloud, a_flavor, a_network, an_image, running, settle

CLASS, PACKETS = "NET_BW_EGR_KILOBIT_PER_SEC", "NET_PACKET_RATE_KILOPACKET_PER_SEC"


@pytest.fixture
async def ground(tmp_path: Path, database_url: str) -> AsyncIterator[Ground]:
    """A project in a cloud of three hosts, one of which has bandwidth on its physical network."""
    async with running(tmp_path, database=database_url, hosts=3) as cloud:
        yield await prepared(cloud)


async def prepared(cloud: Cloud) -> Ground:
    admin = await cloud.sign_in()
    user = await cloud.project_with("p", "member")
    made = Ground(
        cloud, admin, user, await an_image(user), await a_flavor(admin), await a_network(user)
    )
    await give(made, "host-2", CLASS, 1000)
    for trait in ("CUSTOM_PHYSNET_PUBLIC", "CUSTOM_VNIC_TYPE_NORMAL"):
        await give_trait(made, "host-2", trait)
    return made


async def policy(admin: Client, min_kbps: int, **values: Any) -> str:
    made = await admin.post(f"{V2}/qos/policies", {"policy": {"name": "q", "shared": True}})
    policy_id = str(made["policy"]["id"])
    path = f"{V2}/qos/policies/{policy_id}/minimum_bandwidth_rules"
    await admin.post(path, {"minimum_bandwidth_rule": {"min_kbps": min_kbps, **values}})
    return policy_id


async def provided(admin: Client, **values: Any) -> str:
    """A network on the physical one, for all."""
    segment = {"provider:network_type": "vlan", "provider:physical_network": "public"}
    made = await network(admin, shared=True, **segment, **{"provider:segmentation_id": 7}, **values)
    await subnet(admin, made["id"], "10.77.0.0/24")
    return str(made["id"])


async def used(ground: Ground, host: str, resource_class: str = CLASS) -> int:
    path = f"{await provider(ground, host)}/usages"
    return int((await ground.admin.get(path, headers=PLACEMENT))["usages"].get(resource_class, 0))


async def test_a_server_goes_where_its_port_has_its_bandwidth(ground: Ground) -> None:
    lan = await provided(ground.admin)
    slow = await policy(ground.admin, 600)
    one = await port(ground.user, lan, qos_policy_id=slow)
    assert "resource_request" not in one
    seen = (await ground.admin.get(f"{V2}/ports/{one['id']}"))["port"]
    (group,) = seen["resource_request"]["request_groups"]
    assert seen["resource_request"]["same_subtree"] == [group["id"]]
    assert group["required"] == ["CUSTOM_PHYSNET_PUBLIC", "CUSTOM_VNIC_TYPE_NORMAL"]
    assert group["resources"] == {CLASS: 600}
    sent = {"name": "vm", "imageRef": ground.image, "flavorRef": ground.flavor}
    body: dict[str, Any] = {"server": {**sent, "networks": [{"port": one["id"]}]}}
    old = {"OpenStack-API-Version": "compute 2.71"}
    answer = await ground.user("POST", SERVERS, body, headers=old, status=400)
    assert "not supported until microversion 2.72" in answer.text
    server = await placed(ground, networks=[{"port": one["id"]}])
    assert (server["status"], server["host"]) == ("ACTIVE", "host-2")
    assert await used(ground, "host-2") == 600
    other = await port(ground.user, lan, qos_policy_id=slow)
    assert f"lack {CLASS}" in why(await placed(ground, networks=[{"port": other["id"]}]))
    # What is promised may change as far as the host has it.
    path = f"/qos/policies/{slow}/minimum_bandwidth_rules"
    (rule,) = (await ground.admin.get(f"{V2}{path}"))["minimum_bandwidth_rules"]
    path = f"{path}/{rule['id']}"
    body = {"minimum_bandwidth_rule": {"min_kbps": 1001}}
    error = await refused(ground.admin, "PUT", path, body, 409)
    assert error["type"] == "QosPlacementAllocationUpdateConflict"
    assert await used(ground, "host-2") == 600
    for min_kbps in (900, 600):
        body = {"minimum_bandwidth_rule": {"min_kbps": min_kbps}}
        await ground.admin("PUT", f"{V2}{path}", body, status=200)
        assert await used(ground, "host-2") == min_kbps
    for policy_id, left in ((None, 0), (slow, 600)):
        body = {"port": {"qos_policy_id": policy_id}}
        await ground.user("PUT", f"{V2}/ports/{one['id']}", body, status=200)
        assert await used(ground, "host-2") == left
    # An interface that goes gives its share back, and so does a port.
    detach = f"{SERVERS}/{server['id']}/os-interface/{one['id']}"
    await ground.user("DELETE", detach, headers=NEWEST, status=202)
    await settle(ground.cloud)
    assert await used(ground, "host-2") == 0
    attach = {"interfaceAttachment": {"port_id": one["id"]}}
    path = f"{SERVERS}/{server['id']}/os-interface"
    await ground.user("POST", path, attach, headers=NEWEST, status=200)
    await settle(ground.cloud)
    assert await used(ground, "host-2") == 600
    attach = {"interfaceAttachment": {"port_id": other["id"]}}
    answer = await ground.user("POST", path, attach, headers=NEWEST, status=400)
    assert "Failed to allocate additional resources" in answer.text
    assert await used(ground, "host-2") == 600
    await ground.user("DELETE", detach, headers=NEWEST, status=202)
    await settle(ground.cloud)
    again = await placed(ground, networks=[{"port": other["id"]}])
    assert (again["status"], await used(ground, "host-2")) == ("ACTIVE", 600)
    await ground.user("DELETE", f"{V2}/ports/{other['id']}", status=204)
    await settle(ground.cloud)
    assert await used(ground, "host-2") == 0


async def test_ports_that_are_made_for_a_server_go_by_their_network(ground: Ground) -> None:
    lan = await provided(ground.admin, qos_policy_id=await policy(ground.admin, 700))
    server = await placed(ground, networks=[{"uuid": lan}])
    assert (server["host"], await used(ground, "host-2")) == ("host-2", 700)
    assert "lack" in why(await placed(ground, networks=[{"uuid": lan}]))
    await ground.user("DELETE", f"{SERVERS}/{server['id']}", headers=NEWEST, status=204)
    await settle(ground.cloud)
    assert await used(ground, "host-2") == 0
    server = await placed(ground, networks=[{"uuid": lan}])
    body: dict[str, Any] = {"network": {"qos_policy_id": None}}
    await ground.admin("PUT", f"{V2}/networks/{lan}", body, status=200)
    assert (server["status"], await used(ground, "host-2")) == ("ACTIVE", 0)


async def test_a_minimum_needs_a_physical_network(ground: Ground) -> None:
    slow = await policy(ground.admin, 100, direction="ingress")
    inside = (await network(ground.user))["id"]
    body: dict[str, Any] = {"port": {"network_id": inside, "qos_policy_id": slow}}
    error = await refused(ground.user, "POST", "/ports", body, 409)
    assert error["type"] == "QosRuleNotSupported"
    body = {"network": {"qos_policy_id": slow}}
    error = await refused(ground.user, "PUT", f"/networks/{inside}", body, 409)
    assert error["type"] == "QosRuleNotSupportedByNetwork"
    assert error["message"] == f"Rule minimum_bandwidth is not supported by network {inside}"
    await refused(ground.user, "POST", "/networks", {"network": {"qos_policy_id": slow}}, 409)
    public = (await ground.user.get(f"{V2}/networks?name=public"))["networks"][0]["id"]
    body = {"floatingip": {"floating_network_id": public, "qos_policy_id": slow}}
    error = await refused(ground.user, "POST", "/floatingips", body, 409)
    assert "is not supported by floating IP" in error["message"]
    plain = await ground.admin.post(f"{V2}/qos/policies", {"policy": {"shared": True}})
    used_by = plain["policy"]["id"]
    await port(ground.user, inside, qos_policy_id=used_by)
    body = {"minimum_bandwidth_rule": {"min_kbps": 5}}
    path = f"/qos/policies/{used_by}/minimum_bandwidth_rules"
    await refused(ground.admin, "POST", path, body, 409)


async def test_a_minimum_is_not_above_the_limit(ground: Ground) -> None:
    slow = await policy(ground.admin, 100)
    path = f"/qos/policies/{slow}/bandwidth_limit_rules"
    body = {"bandwidth_limit_rule": {"max_kbps": 99}}
    error = await refused(ground.admin, "POST", path, body, 409)
    assert error["type"] == "QoSRuleParameterConflict"
    assert "minimum_bandwidth restricts the bandwidth to 100" in error["message"]
    ingress = {"bandwidth_limit_rule": {"max_kbps": 99, "direction": "ingress"}}
    await ground.admin.post(f"{V2}{path}", ingress)
    limit = {"bandwidth_limit_rule": {"max_kbps": 100}}
    await ground.admin.post(f"{V2}{path}", limit)
    (rule,) = (await ground.admin.get(f"{V2}/qos/policies/{slow}/minimum_bandwidth_rules"))[
        "minimum_bandwidth_rules"
    ]
    alias = f"/qos/alias_minimum_bandwidth_rules/{rule['id']}"
    for values in ({"min_kbps": 101}, {"direction": "ingress"}):
        await refused(ground.admin, "PUT", alias, {"alias_minimum_bandwidth_rule": values}, 409)
    shown = (await ground.admin.get(f"{V2}{alias}"))["alias_minimum_bandwidth_rule"]
    assert (shown["min_kbps"], shown["direction"]) == (100, "egress")
    await ground.admin("DELETE", f"{V2}{alias}", status=204)
    error = await refused(ground.admin, "GET", alias, None, 404)
    assert error["type"] == "QosRuleNotFound"
    types = (await ground.admin.get(f"{V2}/qos/rule-types"))["rule_types"]
    assert {"type": "minimum_bandwidth"} in types


async def test_packets_are_promised_on_any_network(ground: Ground) -> None:
    await give(ground, "host-2", PACKETS, 100)
    made = await ground.admin.post(f"{V2}/qos/policies", {"policy": {"shared": True}})
    fast = made["policy"]["id"]
    path = f"/qos/policies/{fast}/minimum_packet_rate_rules"
    body: dict[str, Any] = {"minimum_packet_rate_rule": {"min_kpps": 60, "direction": "any"}}
    rule = (await ground.admin.post(f"{V2}{path}", body))["minimum_packet_rate_rule"]
    assert (rule["min_kpps"], rule["direction"]) == (60, "any")
    body = {"minimum_packet_rate_rule": {"min_kpps": 5, "direction": "ingress"}}
    error = await refused(ground.admin, "POST", path, body, 409)
    assert error["type"] == "QoSRulesConflict"
    await ground.admin.post(
        f"{V2}/qos/policies/{fast}/bandwidth_limit_rules", {"bandwidth_limit_rule": {"max_kbps": 9}}
    )
    inside = (await network(ground.user))["id"]
    await subnet(ground.user, inside)
    one = await port(ground.user, inside, qos_policy_id=fast)
    seen = (await ground.admin.get(f"{V2}/ports/{one['id']}"))["port"]["resource_request"]
    (group,) = seen["request_groups"]
    assert (group["required"], group["resources"]) == (["CUSTOM_VNIC_TYPE_NORMAL"], {PACKETS: 60})
    server = await placed(ground, networks=[{"port": one["id"]}])
    assert (server["host"], await used(ground, "host-2", PACKETS)) == ("host-2", 60)
    other = await port(ground.user, inside, qos_policy_id=fast)
    assert f"lack {PACKETS}" in why(await placed(ground, networks=[{"port": other["id"]}]))
    detach = f"{SERVERS}/{server['id']}/os-interface/{one['id']}"
    await ground.user("DELETE", detach, headers=NEWEST, status=202)
    await settle(ground.cloud)
    assert await used(ground, "host-2", PACKETS) == 0


async def test_both_come_from_one_part_of_a_host(ground: Ground) -> None:
    lan = await provided(ground.admin)
    both = await policy(ground.admin, 600)
    path = f"/qos/policies/{both}/minimum_packet_rate_rules"
    await ground.admin.post(f"{V2}{path}", {"minimum_packet_rate_rule": {"min_kpps": 5}})
    one = await port(ground.user, lan, qos_policy_id=both)
    assert "lack" in why(await placed(ground, networks=[{"port": one["id"]}]))
    await give(ground, "host-2", "NET_PACKET_RATE_EGR_KILOPACKET_PER_SEC", 100)
    server = await placed(ground, networks=[{"port": one["id"]}])
    assert (server["host"], await used(ground, "host-2")) == ("host-2", 600)


async def test_what_a_server_holds_follows_the_ports_that_it_has(tmp_path: Path) -> None:
    async with running(tmp_path, hosts=3) as cloud:
        ground = await prepared(cloud)
        lan = await provided(ground.admin)
        one = await port(ground.user, lan, qos_policy_id=await policy(ground.admin, 600))
        server = await placed(ground, networks=[{"port": one["id"]}])
        await specs(ground, trait__CUSTOM_NOWHERE="required")
        nowhere = await placed(ground)
        now = cloud.control.clock.now()
        async with cloud.control.database.write() as tx:
            row, lost = [await servers.get_any(tx, each["id"]) for each in (server, nowhere)]
            assert row is not None and lost is not None and lost.host is None

            async def held() -> int:
                found = await placement.held(tx, row.id)
                assert sum(amounts.get("VCPU", 0) for amounts in found.values()) == 1
                return sum(amounts.get(CLASS, 0) for amounts in found.values())

            await bandwidth.give_back(tx, row, row.nics, now)
            assert await held() == 600
            await bandwidth.give_back(tx, row, [], now)
            assert await held() == 0
            assert await bandwidth.follow(tx, row, row.nics, now) and await held() == 600
            assert await bandwidth.follow(tx, row, row.nics, now) and await held() == 600
            assert await bandwidth.follow(tx, row, [], now) and await held() == 0
            assert await bandwidth.follow(tx, row, [], now) and await held() == 0
            # Who is on no host holds nothing, and asks when there is one; who is on one has to have it there.
            assert await bandwidth.follow(tx, lost, row.nics, now)
            assert await placement.held(tx, lost.id) == {}
            await placement.release(tx, row.id, now)
            assert await bandwidth.follow(tx, row, [], now)
            assert not await bandwidth.follow(tx, row, row.nics, now)
