"""Subnets that are for ports of certain owners."""

from __future__ import annotations

from typing import Any

from tests.api.network.test_engine import settled
from tests.api.network.test_networks import V2, network, port, refused, subnet
from tests.cloud import Cloud


def addresses(one: dict[str, Any]) -> list[str]:
    return [entry["subnet_id"] for entry in one["fixed_ips"]]


async def test_ports_get_addresses_by_their_owner(cloud: Cloud) -> None:
    admin = await cloud.sign_in()
    made = await network(admin)
    path = f"/subnets/{(await subnet(admin, made['id'], '10.0.0.0/24'))['id']}"
    plain = path.rpartition("/")[2]
    ours = await subnet(admin, made["id"], "10.0.1.0/24", service_types=["compute:nova"])
    assert ours["service_types"] == ["compute:nova"]
    assert (await admin.get(f"{V2}{path}"))["subnet"]["service_types"] == []
    # Those that name the owner come before those that name none, and are for nobody else.
    assert addresses(await port(admin, made["id"], device_owner="compute:nova")) == [ours["id"]]
    assert addresses(await port(admin, made["id"], device_owner="compute:other")) == [plain]
    assert addresses(await port(admin, made["id"])) == [plain]
    wish = [{"subnet_id": ours["id"]}]
    body: dict[str, Any] = {"port": {"network_id": made["id"], "fixed_ips": wish}}
    error = await refused(admin, "POST", "/ports", body, 400)
    assert f"fixed_ips included invalid subnet {ours['id']}" in error["message"]
    body["port"]["fixed_ips"] = [{"ip_address": "10.0.1.9"}]
    error = await refused(admin, "POST", "/ports", body, 400)
    assert error["type"] == "InvalidIpForNetwork"
    both: dict[str, Any] = {
        "fixed_ips": [*wish, {"subnet_id": plain}],
        "device_owner": "compute:nova",
    }
    assert sorted(addresses(await port(admin, made["id"], **both))) == sorted([ours["id"], plain])
    # A full one of an owner's gives way to those of all.
    small = [{"start": "10.0.1.100", "end": "10.0.1.100"}]
    body = {"subnet": {"allocation_pools": small}}
    await admin("PUT", f"{V2}/subnets/{ours['id']}", body, status=200)
    assert addresses(await port(admin, made["id"], device_owner="compute:nova")) == [ours["id"]]
    assert addresses(await port(admin, made["id"], device_owner="compute:nova")) == [plain]
    await settled(cloud)


async def test_a_network_without_a_subnet_for_an_owner(cloud: Cloud) -> None:
    admin = await cloud.sign_in()
    made = await network(admin)
    only = await subnet(admin, made["id"], service_types=["network:router_gateway"])
    body = {"port": {"network_id": made["id"]}}
    error = await refused(admin, "POST", "/ports", body, 409)
    assert error["type"] == "IpAddressGenerationFailureNoMatchingSubnet"
    assert error["message"] == "No valid service subnet for the given device owner."
    change: dict[str, Any] = {"subnet": {"service_types": []}}
    await admin("PUT", f"{V2}/subnets/{only['id']}", change, status=200)
    assert addresses(await port(admin, made["id"])) == [only["id"]]


async def test_floating_ips_and_gateways_have_subnets_of_their_own(cloud: Cloud) -> None:
    admin = await cloud.sign_in()
    segment = {"provider:network_type": "vlan", "provider:physical_network": "public"}
    outside = await network(
        admin, **segment, **{"provider:segmentation_id": 7, "router:external": True}
    )
    for_floating = await subnet(
        admin, outside["id"], "10.50.0.0/24", service_types=["network:floatingip"]
    )
    for_gateways = await subnet(
        admin, outside["id"], "10.60.0.0/24", service_types=["network:router_gateway"]
    )
    body: dict[str, Any] = {"floatingip": {"floating_network_id": outside["id"]}}
    made = (await admin.post(f"{V2}/floatingips", body))["floatingip"]
    assert made["floating_ip_address"].startswith("10.50.0.")
    gateway = {"network_id": outside["id"]}
    body = {"router": {"external_gateway_info": gateway}}
    router = (await admin.post(f"{V2}/routers", body))["router"]
    (address,) = router["external_gateway_info"]["external_fixed_ips"]
    assert address["subnet_id"] == for_gateways["id"]
    body = {"floatingip": {"floating_network_id": outside["id"], "subnet_id": for_gateways["id"]}}
    await refused(admin, "POST", "/floatingips", body, 404)
    assert for_floating["service_types"] == ["network:floatingip"]


async def test_the_owner_says_what_a_subnet_is_for(cloud: Cloud) -> None:
    member = await cloud.project_with("p", "member")
    made = await network(member)
    sub = await subnet(member, made["id"], service_types=["compute:nova"])
    body = {"subnet": {"service_types": ["compute:other"]}}
    changed = (await member("PUT", f"{V2}/subnets/{sub['id']}", body, status=200)).json()["subnet"]
    assert changed["service_types"] == ["compute:other"]
    assert changed["revision_number"] > sub["revision_number"]


NO_OWNERS: list[tuple[Any, str]] = [
    (["nova"], "Subnet service type nova does not correspond to a valid device owner"),
    ([5], "is not a valid string"),
    (["compute:nova"] * 2, "Duplicate items"),
    ("compute:nova", "is not a list"),
    (["compute:" + "x" * 255], "exceeds maximum length"),
    ([f"compute:{n}" for n in range(33)], "more than 32 items"),
]


async def test_what_is_no_owner_is_refused(cloud: Cloud) -> None:
    admin = await cloud.sign_in()
    made = await network(admin)
    values = {"network_id": made["id"], "ip_version": 4, "cidr": "10.0.0.0/24"}
    for sent, why in NO_OWNERS:
        body = {"subnet": {**values, "service_types": sent}}
        error = await refused(admin, "POST", "/subnets", body, 400)
        assert why in error["message"]
