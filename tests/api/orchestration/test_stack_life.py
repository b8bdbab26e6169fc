"""A stack's whole life: made, changed, put to rest, kept, taken over, removed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.api.orchestration.stackery import (
    BASE,
    STACKS,
    Stackery,
    random,
    standing,
    template,
    test_resource,
)
from tests.cloud import a_flavor, a_network, an_image

test_resource.__test__ = False  # type: ignore[attr-defined]


@pytest.fixture
async def stackery(tmp_path: Path, database_url: str) -> AsyncIterator[Stackery]:
    async with standing(tmp_path, database=database_url) as ground:
        yield ground


async def test_a_stack_is_made_in_order_and_tells_its_outputs(stackery: Stackery) -> None:
    resources = {
        "b": test_resource(
            value={"get_attr": ["a", "value"]}, client_name="nova", entity_name="servers"
        ),
        "a": random(length=12),
        "n": {"type": "OS::Neutron::Net"},
        "s": {"type": "OS::Neutron::Subnet", "properties": {"network": {"get_resource": "n"}, "cidr": "10.0.0.0/24"}},
    }  # fmt: skip
    outputs = {
        "text": {"value": {"get_attr": ["b", "output"]}},
        "cidr": {"value": {"get_attr": ["s", "cidr"]}},
    }
    path = await stackery.stack(resources, outputs=outputs)
    told = await stackery.outputs(path)
    assert len(told["text"]) == 12 and told["cidr"] == "10.0.0.0/24"
    assert (await stackery.resources(path))["a"]["required_by"] == ["b"]
    shown = (await stackery.user.get(f"{path}/resources/n"))["resource"]
    net = f"/network/v2.0/networks/{shown['physical_resource_id']}"
    assert (await stackery.user.get(net))["network"]["status"] == "ACTIVE"
    for method, more in (("GET", ""), ("PUT", ""), ("PATCH", ""), ("POST", "/actions")):
        moved = await stackery.user(method, f"{STACKS}/s{more}", status=302)
        assert moved.headers["location"].endswith(f"{path.removeprefix(BASE)}{more}")
    events = (await stackery.user.get(f"{path}/events"))["events"]
    first = [one["resource_name"] for one in events if one["resource_status"] == "CREATE_COMPLETE"]
    assert first.index("a") < first.index("b") and first.index("n") < first.index("s")
    await stackery.delete(path)
    await stackery.user("GET", net, status=404)
    await stackery.user("GET", f"{STACKS}/s", status=404)


async def test_an_update_changes_in_place_replaces_and_removes(stackery: Stackery) -> None:
    path = await stackery.stack({"a": random(), "t": test_resource(value="1"), "old": random()})
    before = await stackery.resources(path)
    value = (await stackery.user.get(f"{path}/resources/a"))["resource"]["attributes"]["value"]
    await stackery.update(
        path, {"a": random(length=9), "t": test_resource(value="2"), "new": random()}
    )
    after = await stackery.resources(path)
    assert set(after) == {"a", "t", "new"}
    assert after["t"]["physical_resource_id"] == before["t"]["physical_resource_id"]
    assert after["a"]["physical_resource_id"] != before["a"]["physical_resource_id"]
    shown = (await stackery.user.get(f"{path}/resources/a"))["resource"]
    assert len(shown["attributes"]["value"]) == 9 and shown["attributes"]["value"] != value
    told = (await stackery.user.get(f"{path}/resources/t"))["resource"]
    assert told["attributes"]["output"] == "2"


async def test_what_is_replaced_goes_after_what_was_made_of_it_has_moved(
    stackery: Stackery,
) -> None:
    def resources(cidr: str) -> dict[str, object]:
        net = {"get_resource": "n"}
        return {
            "n": {"type": "OS::Neutron::Net"},
            "s": {"type": "OS::Neutron::Subnet", "properties": {"network": net, "cidr": cidr}},
            "p": {"type": "OS::Neutron::Port",
                  "properties": {"network": net, "fixed_ips": [{"subnet": {"get_resource": "s"}}]}},
        }  # fmt: skip

    path = await stackery.stack(resources("10.0.0.0/24"))
    subnet = (await stackery.resources(path))["s"]["physical_resource_id"]
    await stackery.update(path, resources("10.5.0.0/24"))
    port = (await stackery.user.get(f"{path}/resources/p"))["resource"]
    assert port["attributes"]["fixed_ips"][0]["ip_address"].startswith("10.5.0.")
    await stackery.user("GET", f"/network/v2.0/subnets/{subnet}", status=404)


async def test_new_user_data_makes_a_server_anew_unless_it_is_not_to(stackery: Stackery) -> None:
    admin = await stackery.cloud.sign_in()
    image, flavor = await an_image(admin, visibility="public"), await a_flavor(admin)
    network = await a_network(stackery.user)

    def server(data: str, policy: str) -> dict[str, Any]:
        wishes = {"flavor": flavor, "image": image, "networks": [{"network": network}]}
        more = {"user_data": data, "user_data_update_policy": policy}
        return {"s": {"type": "OS::Nova::Server", "properties": {**wishes, **more}}}

    path = await stackery.stack(server("#!/bin/true", "IGNORE"))
    made = (await stackery.resources(path))["s"]["physical_resource_id"]
    await stackery.update(path, server("#!/bin/false", "IGNORE"))
    assert (await stackery.resources(path))["s"]["physical_resource_id"] == made
    await stackery.update(path, server("#!/bin/sh", "REPLACE"))
    assert (await stackery.resources(path))["s"]["physical_resource_id"] != made
    await stackery.delete(path)


async def test_a_failure_says_which_and_can_be_mended(stackery: Stackery) -> None:
    path = await stackery.stack({"a": random(), "t": test_resource(fail=True)}, "CREATE_FAILED")
    stack = (await stackery.user.get(path))["stack"]
    assert "resources.t" in stack["stack_status_reason"]
    await stackery.update(path, {"a": random(), "t": test_resource(fail=False)})


async def test_a_failure_rolls_back_where_that_is_asked_for(stackery: Stackery) -> None:
    path = await stackery.stack({"a": random()}, disable_rollback=False)
    assert (await stackery.user.get(path))["stack"]["tags"] == []  # to Terraform null is a change
    assert [one["tags"] for one in (await stackery.user.get(STACKS))["stacks"]] == [None]
    await stackery.user("PATCH", path, {"existing": True, "tags": ""}, status=202)
    assert (await stackery.ended(path))["tags"] == [""]
    before = await stackery.resources(path)
    bad = {"a": random(length=5), "t": test_resource(fail=True)}
    await stackery.update(path, bad, "ROLLBACK_COMPLETE", disable_rollback=False)
    assert set(await stackery.resources(path)) == set(before)
    made = {"stack_name": "gone", "template": template(bad), "disable_rollback": False}
    other = (await stackery.user.post(STACKS, made))["stack"]["id"]
    stack = await stackery.ended(f"{STACKS}/gone/{other}")
    assert stack["stack_status"] == "ROLLBACK_COMPLETE"
    assert await stackery.resources(f"{STACKS}/gone/{other}") == {}


async def test_an_update_overtakes_an_update_and_a_cancel_goes_back(stackery: Stackery) -> None:
    path = await stackery.stack({"t": test_resource(value="1")})
    # What was begun ends first, as upstream's does: the answer is the same whether it was.
    slow = {"t": test_resource(value="2", action_wait_secs={"update": 1})}
    await stackery.user("PUT", path, {"template": template(slow)}, status=202)
    while (await stackery.resources(path))["t"]["resource_status"] != "UPDATE_IN_PROGRESS":
        await asyncio.sleep(0.02)
    await stackery.user("POST", f"{path}/actions", {"cancel_update": None}, status=200)
    assert (await stackery.ended(path))["stack_status"] == "ROLLBACK_COMPLETE"
    assert (await stackery.user.get(f"{path}/resources/t"))["resource"]["attributes"][
        "output"
    ] == "1"
    await stackery.user("PUT", path, {"template": template(slow)}, status=202)
    await stackery.update(path, {"t": test_resource(value="3")})
    assert (await stackery.user.get(f"{path}/resources/t"))["resource"]["attributes"][
        "output"
    ] == "3"


async def test_a_stack_is_deleted_while_it_is_made(stackery: Stackery) -> None:
    resources = {
        "a": random(),
        "t": test_resource(action_wait_secs={"create": 3000}),
        "n": {"type": "OS::Neutron::Net"},
    }
    made = {"stack_name": "s", "template": template(resources)}
    stack_id = (await stackery.user.post(STACKS, made))["stack"]["id"]
    await stackery.user(
        "PATCH", f"{STACKS}/s/{stack_id}", {"template": template({"a": random()})}, status=202
    )
    await stackery.ended(f"{STACKS}/s/{stack_id}")
    await stackery.delete(f"{STACKS}/s/{stack_id}")
    assert (await stackery.user.get("/network/v2.0/networks"))["networks"] == [
        one
        for one in (await stackery.user.get("/network/v2.0/networks"))["networks"]
        if one["router:external"]
    ]


async def test_rest_check_and_snapshots(stackery: Stackery) -> None:
    path = await stackery.stack({"a": random(), "n": {"type": "OS::Neutron::Net"}})
    assert await stackery.act(path, "suspend") == "SUSPEND_COMPLETE"
    await stackery.user("PUT", path, {"template": template({})}, status=400)
    assert await stackery.act(path, "resume") == "RESUME_COMPLETE"
    assert await stackery.act(path, "check") == "CHECK_COMPLETE"
    snapshot = await stackery.user.post(f"{path}/snapshots", {"name": "one"}, 200)
    assert (await stackery.ended(path))["stack_status"] == "SNAPSHOT_COMPLETE"
    await stackery.update(path, {"b": random()})
    await stackery.user("POST", f"{path}/snapshots/{snapshot['id']}/restore", status=202)
    assert (await stackery.ended(path))["stack_status"] == "RESTORE_COMPLETE"
    assert set(await stackery.resources(path)) == {"a", "n"}
    network = (await stackery.resources(path))["n"]["physical_resource_id"]
    await stackery.user("DELETE", f"/network/v2.0/networks/{network}", status=204)
    assert await stackery.act(path, "check") == "CHECK_FAILED"
    assert [one["name"] for one in (await stackery.user.get(f"{path}/snapshots"))["snapshots"]] == [
        "one"
    ]
    await stackery.user("DELETE", f"{path}/snapshots/{snapshot['id']}", status=204)


async def test_a_stack_is_abandoned_and_taken_over(stackery: Stackery) -> None:
    path = await stackery.stack({"n": {"type": "OS::Neutron::Net", "properties": {"name": "kept"}}})
    data = (await stackery.user("DELETE", f"{path}/abandon", status=200)).json()
    network = data["resources"]["n"]["resource_id"]
    await stackery.user.get(f"/network/v2.0/networks/{network}")
    made = {"stack_name": "again", "adopt_stack_data": data, "template": data["template"]}
    other = (await stackery.user.post(STACKS, made))["stack"]["id"]
    assert (await stackery.ended(f"{STACKS}/again/{other}"))["stack_status"] == "ADOPT_COMPLETE"
    assert (await stackery.resources(f"{STACKS}/again/{other}"))["n"][
        "physical_resource_id"
    ] == network
    await stackery.delete(f"{STACKS}/again/{other}")
    await stackery.user("GET", f"/network/v2.0/networks/{network}", status=404)


async def test_groups_and_templates_within(stackery: Stackery) -> None:
    inner = "heat_template_version: 2016-10-14\nparameters: {n: {type: number}}\nresources:\n  r: {type: OS::Heat::RandomString, properties: {length: {get_param: n}}}\noutputs: {told: {value: {get_attr: [r, value]}}}\n"  # noqa: E501
    group = {"type": "OS::Heat::ResourceGroup",
             "properties": {"count": 2, "resource_def": {"type": "in.yaml", "properties": {"n": 7}}}}  # fmt: skip
    outputs = {"all": {"value": {"get_attr": ["g", "told"]}}}
    path = await stackery.stack({"g": group}, outputs=outputs, files={"in.yaml": inner})
    told = (await stackery.outputs(path))["all"]
    assert [len(one) for one in told] == [7, 7]
    assert set(await stackery.resources(path, "?nested_depth=3")) == {"g", "0", "1", "r"}
    group["properties"]["count"] = 3  # type: ignore[index]
    await stackery.update(path, {"g": group}, files={"in.yaml": inner})
    listed = (await stackery.user.get(f"{STACKS}?show_nested=true"))["stacks"]
    assert len(listed) == 1 + 1 + 3
    await stackery.delete(path)
    assert (await stackery.user.get(f"{STACKS}?show_nested=true"))["stacks"] == []


async def test_a_wait_condition_ends_when_its_handle_was_signalled(stackery: Stackery) -> None:
    resources = {
        "h": {"type": "OS::Heat::WaitConditionHandle"},
        "w": {"type": "OS::Heat::WaitCondition",
              "properties": {"handle": {"get_resource": "h"}, "timeout": 3000, "count": 2}},
    }  # fmt: skip
    body = {
        "stack_name": "s",
        "template": template(resources, outputs={"d": {"value": {"get_attr": ["w", "data"]}}}),
    }
    path = f"{STACKS}/s/{(await stackery.user.post(STACKS, body))['stack']['id']}"
    await stackery.until(path, "h", "CREATE_COMPLETE")
    told = (await stackery.user.get(f"{path}/resources/h"))["resource"]["attributes"]
    url = told["endpoint"].partition("5000")[2] or told["endpoint"].partition("//cloud")[2]
    await stackery.cloud.anonymous(
        "POST", url, {"status": "SUCCESS", "data": "x", "id": "1"}, status=200
    )
    await stackery.cloud.anonymous(
        "POST", url[:-1] + ("A" if url[-1] != "A" else "B"), {}, status=401
    )
    await stackery.user(
        "POST", f"{path}/resources/h/signal", {"status": "SUCCESS", "id": "2"}, status=200
    )
    assert (await stackery.ended(path))["stack_status"] == "CREATE_COMPLETE"
    assert '"x"' in (await stackery.outputs(path))["d"]


async def test_hooks_hold_until_they_are_cleared(stackery: Stackery) -> None:
    environment = {"resource_registry": {"resources": {"a": {"hooks": "pre-create"}}}}
    body = {"stack_name": "s", "template": template({"a": random()}), "environment": environment}
    path = f"{STACKS}/s/{(await stackery.user.post(STACKS, body))['stack']['id']}"
    await stackery.until(path, "a", "INIT_COMPLETE")
    await stackery.user(
        "POST", f"{path}/resources/a/signal", {"unset_hook": "pre-update"}, status=400
    )
    await stackery.user(
        "POST", f"{path}/resources/a/signal", {"unset_hook": "pre-create"}, status=200
    )
    assert (await stackery.ended(path))["stack_status"] == "CREATE_COMPLETE"


async def test_an_autoscaling_group_scales_by_its_policies_signal(stackery: Stackery) -> None:
    resources = {
        "g": {"type": "OS::Heat::AutoScalingGroup",
              "properties": {"min_size": 1, "max_size": 3, "resource": {"type": "OS::Heat::RandomString"}}},
        "up": {"type": "OS::Heat::ScalingPolicy",
               "properties": {"auto_scaling_group_id": {"get_resource": "g"}, "scaling_adjustment": 1,
                              "adjustment_type": "change_in_capacity"}},
    }  # fmt: skip
    path = await stackery.stack(
        resources, outputs={"n": {"value": {"get_attr": ["g", "current_size"]}}}
    )
    assert (await stackery.outputs(path))["n"] == 1
    await stackery.user("POST", f"{path}/resources/up/signal", {}, status=200)
    nested = (await stackery.resources(path))["g"]["physical_resource_id"]
    found = (await stackery.user("GET", f"{STACKS}/{nested}", status=302)).headers["location"]
    await stackery.ended(found.partition("5000")[2] or found.partition("//cloud")[2])
    assert (await stackery.outputs(path))["n"] == 2


async def test_other_projects_see_nothing(stackery: Stackery) -> None:
    path = await stackery.stack({"a": random()})
    other = await stackery.cloud.project_with("q", "member")
    await other("GET", path, status=404)
    await other("DELETE", path, status=404)
    assert (await other.get(STACKS))["stacks"] == []
    reader = await stackery.cloud.project_with("r", "reader")
    await reader("POST", STACKS, {"stack_name": "s", "template": template({})}, status=403)
    assert (await stackery.user.get(f"{BASE}/resource_types"))["resource_types"]
