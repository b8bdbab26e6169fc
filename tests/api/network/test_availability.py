"""How many addresses there are, and where floating IPs come from."""

from __future__ import annotations

from tests.api.network.test_networks import V2, network, port, refused, subnet
from tests.cloud import Cloud


async def test_addresses_of_a_network_are_counted(cloud: Cloud) -> None:
    admin = await cloud.sign_in()
    member = await cloud.project_with("p", "member")
    made = await network(member, name="counted")
    path = f"{V2}/network-ip-availabilities"
    empty = (await admin.get(f"{path}/{made['id']}"))["network_ip_availability"]
    assert (empty["total_ips"], empty["used_ips"], empty["subnet_ip_availability"]) == (0, 0, [])
    four = await subnet(member, made["id"], "10.0.0.0/28", enable_dhcp=False)
    six = await subnet(member, made["id"], "fd00::/64", enable_dhcp=False)
    await port(member, made["id"])
    (found,) = (await admin.get(f"{path}?network_name=counted"))["network_ip_availabilities"]
    assert found["project_id"] == found["tenant_id"] == member.project_id
    assert found["used_ips"] == 2
    of_four, of_six = found["subnet_ip_availability"]
    assert (of_four["subnet_id"], of_four["total_ips"], of_four["used_ips"]) == (four["id"], 13, 1)
    assert (of_six["subnet_id"], of_six["total_ips"]) == (six["id"], 2**64 - 2)
    assert found["total_ips"] == 13 + 2**64 - 2
    query = f"{path}?network_id={made['id']}&ip_version=4"
    (only,) = (await admin.get(query))["network_ip_availabilities"]
    assert [one["subnet_id"] for one in only["subnet_ip_availability"]] == [four["id"]]
    assert "ip_version" not in only
    assert (await member.get(path))["network_ip_availabilities"] == []
    await refused(member, "GET", f"/network-ip-availabilities/{made['id']}", None, 403)
    await refused(admin, "GET", "/network-ip-availabilities?ip_version=5", None, 400)
    nobody = "00000000-0000-4000-8000-000000000000"
    error = await refused(admin, "GET", f"/network-ip-availabilities/{nobody}", None, 404)
    assert error["type"] == "NetworkNotFound"


async def test_floating_ips_come_from_the_subnets_of_external_networks(cloud: Cloud) -> None:
    member = await cloud.project_with("p", "member")
    inside = await network(member)
    await subnet(member, inside["id"])
    (pool,) = (await member.get(f"{V2}/floatingip_pools"))["floatingip_pools"]
    assert (pool["cidr"], pool["subnet_name"]) == ("172.24.4.0/24", "public-subnet")
    assert pool["project_id"] == member.project_id
    assert (await member.get(f"{V2}/floatingip_pools?cidr=10.0.0.0/24"))["floatingip_pools"] == []
