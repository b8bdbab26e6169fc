"""Load balancers in stacks: made in order though each takes one change at a time, changed in place, and removed."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.api.orchestration.stackery import BASE, STACKS, Stackery, random, standing
from tests.cloud import a_flavor, a_network, an_image

LBAAS = "/load-balancer/v2.0/lbaas"


@pytest.fixture
async def stackery(tmp_path: Path, database_url: str) -> AsyncIterator[Stackery]:
    async with standing(tmp_path, database=database_url) as ground:
        yield ground


def of(name: str) -> dict[str, str]:
    return {"get_resource": name}


def octavia(kind: str, **properties: Any) -> dict[str, Any]:
    return {"type": f"OS::Octavia::{kind}", "properties": properties}


def net() -> dict[str, Any]:
    return {
        "net": {"type": "OS::Neutron::Net"},
        "subnet": {
            "type": "OS::Neutron::Subnet",
            "properties": {"network": of("net"), "cidr": "10.7.0.0/24"},
        },
    }


def web(**changed: Any) -> dict[str, Any]:
    """A load balancer with everything below it; changed: properties of some, by name."""
    resources = {
        **net(),
        "lb": octavia("LoadBalancer", vip_subnet=of("subnet"), provider="amphora"),
        "http": octavia("Listener", loadbalancer=of("lb"), protocol="HTTP", protocol_port=80),
        "alt": octavia("Listener", loadbalancer=of("lb"), protocol="HTTP", protocol_port=8080),
        "pool": octavia("Pool", listener=of("http"), protocol="HTTP", lb_algorithm="ROUND_ROBIN",
                        session_persistence={"type": "SOURCE_IP"}),
        "spare": octavia("Pool", loadbalancer=of("lb"), protocol="HTTP", lb_algorithm="SOURCE_IP"),
        "a": octavia("PoolMember", pool=of("pool"), address="10.7.0.11", protocol_port=80, subnet=of("subnet")),
        "b": octavia("PoolMember", pool=of("pool"), address="10.7.0.12", protocol_port=80, tags=["x"]),
        "health": octavia("HealthMonitor", pool=of("pool"), type="HTTP", delay=3, timeout=2, max_retries=2),
        "policy": octavia("L7Policy", listener=of("alt"), action="REDIRECT_TO_POOL", redirect_pool=of("spare")),
        "rule": octavia("L7Rule", l7policy=of("policy"), type="PATH", compare_type="STARTS_WITH", value="/api"),
    }  # fmt: skip
    for name, properties in changed.items():
        resources[name] = {
            **resources[name],
            "properties": {**resources[name]["properties"], **properties},
        }
    return resources


async def test_a_balancer_is_made_with_all_that_it_has_changed_and_removed(
    stackery: Stackery,
) -> None:
    user = stackery.user
    outputs = {"vip": {"value": {"get_attr": ["lb", "vip_address"]}}}
    path = await stackery.stack(web(), outputs=outputs)
    assert (await stackery.outputs(path))["vip"].startswith("10.7.0.")
    before = await stackery.resources(path)
    ids = {name: one["physical_resource_id"] for name, one in before.items()}
    pool = (await user.get(f"{LBAAS}/pools/{ids['pool']}"))["pool"]
    assert {one["id"] for one in pool["members"]} == {ids["a"], ids["b"]}
    assert pool["healthmonitor_id"] == ids["health"] and pool["name"].startswith("s-pool-")
    assert pool["session_persistence"]["type"] == "SOURCE_IP"

    changed = web(
        lb={"description": "busy"},
        http={"connection_limit": 100},
        pool={"session_persistence": None},
        a={"weight": 5},
        b={"address": "10.7.0.13"},
        health={"delay": 9},
        rule={"value": "/v2"},
    )
    await stackery.update(path, changed)
    after = await stackery.resources(path)
    moved = {name for name in ids if after[name]["physical_resource_id"] != ids[name]}
    assert moved == {"b"}
    pool = (await user.get(f"{LBAAS}/pools/{ids['pool']}"))["pool"]
    assert pool["session_persistence"] is None and len(pool["members"]) == 2
    member = await user.get(f"{LBAAS}/pools/{ids['pool']}/members/{ids['a']}")
    assert member["member"]["weight"] == 5
    monitor = await user.get(f"{LBAAS}/healthmonitors/{ids['health']}")
    assert monitor["healthmonitor"]["delay"] == 9

    assert await stackery.act(path, "check") == "CHECK_COMPLETE"
    await stackery.delete(path)
    await user("GET", f"{LBAAS}/loadbalancers/{ids['lb']}", status=404)
    assert (await user.get(f"{LBAAS}/pools"))["pools"] == []


async def test_what_a_balancer_refuses_for_good_fails_the_stack(stackery: Stackery) -> None:
    path = await stackery.stack(web(alt={"protocol_port": 80}), "CREATE_FAILED")
    why = (await stackery.user.get(path))["stack"]["stack_status_reason"]
    assert "resources.alt" in why or "resources.http" in why, why
    await stackery.delete(path)


@pytest.mark.parametrize(
    ("kind", "properties", "why"),
    [
        ("Pool", {"protocol": "TCP", "lb_algorithm": "ROUND_ROBIN"}, "listener, loadbalancer"),
        ("Pool", {"protocol": "TCP", "lb_algorithm": "ROUND_ROBIN", "loadbalancer": "x",
                  "session_persistence": {"type": "APP_COOKIE"}}, "cookie_name is required"),
        ("Listener", {"protocol": "TERMINATED_HTTPS", "protocol_port": 443, "loadbalancer": "x"},
         "default_tls_container_ref required"),
        ("Listener", {"protocol": "TCP", "protocol_port": 443, "loadbalancer": "x", "tenant_id": "y"},
         "its load balancer's project"),
        ("L7Policy", {"listener": "x", "action": "REJECT", "redirect_url": "http://a"}, "cannot be specified"),
        ("L7Rule", {"l7policy": "x", "type": "HEADER", "compare_type": "EQUAL_TO", "value": "y"}, "key is missing"),
    ],
)  # fmt: skip
async def test_what_does_not_fit_is_said_before_anything_is_made(
    stackery: Stackery, kind: str, properties: dict[str, Any], why: str
) -> None:
    assert why in await stackery.refused({"x": octavia(kind, **properties)})


async def test_an_operator_offers_flavors_and_limits_by_a_stack(stackery: Stackery) -> None:
    admin = await stackery.cloud.sign_in()
    mine = Stackery(stackery.cloud, admin)
    data = '{"loadbalancer_topology": "SINGLE"}'

    def offers(**values: Any) -> dict[str, Any]:
        return {
            "profile": octavia("FlavorProfile", provider_name="amphora", flavor_data=data),
            "flavor": octavia("Flavor", flavor_profile=of("profile"), name="small", **values),
            "limits": octavia("Quota", project=stackery.user.project_id, pool=3),
        }

    path = await mine.stack(offers())
    ids = {name: one["physical_resource_id"] for name, one in (await mine.resources(path)).items()}
    await mine.update(path, offers(description="one of them"))
    shown = (await admin.get(f"{LBAAS}/flavors/{ids['flavor']}"))["flavor"]
    assert (shown["description"], shown["flavor_profile_id"]) == ("one of them", ids["profile"])
    limits = f"{LBAAS}/quotas/{stackery.user.project_id}"
    assert (await admin.get(limits))["quota"]["pool"] == 3
    body = {"stack_name": "no", "template": {"heat_template_version": "2016-10-14", "resources": offers()}}  # fmt: skip
    await stackery.user("POST", STACKS, body, status=403)
    await mine.delete(path)
    assert (await admin.get(limits))["quota"]["pool"] != 3


async def test_a_group_of_servers_grows_into_its_pool(stackery: Stackery) -> None:
    admin = await stackery.cloud.sign_in()
    image, flavor = await an_image(admin, visibility="public"), await a_flavor(admin)
    network = await a_network(stackery.user)
    subnet = (await stackery.user.get(f"/network/v2.0/subnets?network_id={network}"))["subnets"][0]
    member = {
        "heat_template_version": "2016-10-14",
        "parameters": {name: {"type": "string"} for name in ("pool", "net", "subnet")},
        "resources": {
            "server": {"type": "OS::Nova::Server", "properties": {
                "image": image, "flavor": flavor, "networks": [{"network": {"get_param": "net"}}]}},
            "member": octavia("PoolMember", pool={"get_param": "pool"}, subnet={"get_param": "subnet"},
                              address={"get_attr": ["server", "first_address"]}, protocol_port=80),
        },
    }  # fmt: skip
    resources = {
        "lb": octavia("LoadBalancer", vip_subnet=subnet["id"], provider="amphora"),
        "http": octavia("Listener", loadbalancer=of("lb"), protocol="HTTP", protocol_port=80),
        "pool": octavia("Pool", listener=of("http"), protocol="HTTP", lb_algorithm="ROUND_ROBIN"),
        "group": {"type": "OS::Heat::AutoScalingGroup", "properties": {
            "min_size": 2, "max_size": 4, "resource": {"type": "member.yaml", "properties": {
                "pool": of("pool"), "net": network, "subnet": subnet["id"]}}}},
        "up": {"type": "OS::Heat::ScalingPolicy", "properties": {
            "auto_scaling_group_id": of("group"), "scaling_adjustment": 1,
            "adjustment_type": "change_in_capacity"}},
    }  # fmt: skip
    path = await stackery.stack(resources, files={"member.yaml": json.dumps(member)})
    pool = (await stackery.resources(path))["pool"]["physical_resource_id"]

    async def balanced(count: int) -> None:
        servers = (await stackery.user.get("/compute/v2.1/servers/detail"))["servers"]
        addresses = {one["addr"] for each in servers for one in each["addresses"]["net"]}
        members = (await stackery.user.get(f"{LBAAS}/pools/{pool}/members"))["members"]
        assert len(members) == count and {one["address"] for one in members} == addresses

    await balanced(2)
    await stackery.user("POST", f"{path}/resources/up/signal", {}, status=200)
    async with asyncio.timeout(60):
        while len((await stackery.user.get(f"{LBAAS}/pools/{pool}/members"))["members"]) < 3:
            await asyncio.sleep(0.05)
    await balanced(3)
    await stackery.delete(path)
    assert (await stackery.user.get(f"{LBAAS}/loadbalancers"))["loadbalancers"] == []


async def test_a_stack_is_updated_against_what_is_really_there(stackery: Stackery) -> None:
    named = {"type": "OS::Neutron::Net", "properties": {"name": "mine"}}
    resources = {"net": named, "gone": {"type": "OS::Neutron::Net"}, "r": random()}
    path = await stackery.stack(resources)
    before = await stackery.resources(path)
    networks = "/network/v2.0/networks"
    ids = {name: one["physical_resource_id"] for name, one in before.items()}
    body = {"network": {"name": "other"}}
    await stackery.user("PUT", f"{networks}/{ids['net']}", body, status=200)
    await stackery.user("DELETE", f"{networks}/{ids['gone']}", status=204)
    await stackery.update(path, resources)
    assert (await stackery.user.get(f"{networks}/{ids['net']}"))["network"]["name"] == "other"
    sent = {"template": {"heat_template_version": "2016-10-14", "resources": resources}, "converge": True}  # fmt: skip
    told = await stackery.user("PUT", f"{path}/preview", sent, status=200)
    found = {what: [one["resource_name"] for one in some]
             for what, some in told.json()["resource_changes"].items() if some}  # fmt: skip
    assert found == {"updated": ["net"], "replaced": ["gone"], "unchanged": ["r"]}
    await stackery.update(path, resources, converge=True)
    after = await stackery.resources(path)
    assert after["gone"]["physical_resource_id"] != ids["gone"]
    assert after["net"]["physical_resource_id"] == ids["net"]
    assert (await stackery.user.get(f"{networks}/{ids['net']}"))["network"]["name"] == "mine"


async def test_fields_that_do_nothing_are_refused(stackery: Stackery) -> None:
    made = {"stack_name": "x", "template": {"heat_template_version": "2016-10-14"}}
    for field in ("converge", "existing", "show_nested", "stack_id"):
        await stackery.user("POST", STACKS, {**made, field: True}, status=400)
    await stackery.refused(
        {"t": {"type": "OS::Heat::TestResource", "properties": {"constraint_prop_secs": 1}}}
    )
    await stackery.refused({"c": {"type": "OS::Heat::StructuredConfig", "properties": {"input_key": "x"}}})  # fmt: skip


async def test_parameters_that_are_named_encrypted_are_hidden(stackery: Stackery) -> None:
    source = {"heat_template_version": "2016-10-14", "parameters": {"word": {"type": "string"}},
              "resources": {"r": random()}}  # fmt: skip
    environment = {"parameters": {"word": "sesame"}, "encrypted_param_names": ["word"]}
    body = {"stack_name": "x", "template": source, "environment": environment}
    made = (await stackery.user.post(STACKS, body))["stack"]
    path = f"{STACKS}/x/{made['id']}"
    stack = await stackery.ended(path)
    assert stack["parameters"]["word"] == "******"
    told = await stackery.user.get(f"{path}/environment")
    assert told["encrypted_param_names"] == ["word"] and told["parameters"]["word"] == "******"
    await stackery.user("PUT", path, {"template": source, "existing": True}, status=202)
    assert (await stackery.ended(path))["stack_status"] == "UPDATE_COMPLETE"
    assert (await stackery.user.get(f"{path}/environment"))["encrypted_param_names"] == ["word"]
    bad = {**body, "stack_name": "y", "environment": {"encrypted_param_names": "word"}}
    await stackery.user("POST", STACKS, bad, status=400)


async def test_structured_deployments_put_inputs_into_their_config(stackery: Stackery) -> None:
    admin = await stackery.cloud.sign_in()
    image, flavor = await an_image(admin, visibility="public"), await a_flavor(admin)
    network = await a_network(stackery.user)
    config = {"a": {"ask": "who"}, "b": [{"get_input": "who"}, 1]}
    resources: dict[str, Any] = {
        "server": {"type": "OS::Nova::Server", "properties": {
            "image": image, "flavor": flavor, "networks": [{"network": network}]}},
        "config": {"type": "OS::Heat::StructuredConfig", "properties": {
            "config": config, "inputs": [{"name": "who"}]}},
        "d": {"type": "OS::Heat::StructuredDeployment", "properties": {
            "config": of("config"), "server": of("server"), "input_values": {"who": "me"},
            "input_key": "ask", "signal_transport": "NO_SIGNAL"}},
    }  # fmt: skip
    path = await stackery.stack(resources)
    found = await stackery.resources(path)
    deployed = f"{BASE}/software_deployments/{found['d']['physical_resource_id']}"
    config_id = (await stackery.user.get(deployed))["software_deployment"]["config_id"]
    shown = (await stackery.user.get(f"{BASE}/software_configs/{config_id}"))["software_config"]
    assert shown["config"] == {"a": "me", "b": [{"get_input": "who"}, 1]}
    resources["d"]["properties"] = {**resources["d"]["properties"], "input_values": {},
                                    "input_values_validate": "STRICT"}  # fmt: skip
    stack = await stackery.update(path, resources, "UPDATE_FAILED")
    assert "who" in stack["stack_status_reason"]
