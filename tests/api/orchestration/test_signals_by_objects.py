"""Signals that guests put into the object store, and what servers do at each action of a stack."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.api.object_storage.objects import Swift
from tests.api.orchestration.stackery import BASE, STACKS, Stackery, put, random, standing, template
from tests.cloud import a_flavor, an_image


@pytest.fixture
async def stackery(tmp_path: Path, database_url: str) -> AsyncIterator[Stackery]:
    async with standing(tmp_path, database=database_url) as ground:
        yield ground


async def containers(stackery: Stackery) -> list[str]:
    return await Swift(stackery.user).names()


HANDLE = {
    "type": "OS::Heat::WaitConditionHandle",
    "properties": {"signal_transport": "TEMP_URL_SIGNAL"},
}


def waiting(count: int = 1) -> dict[str, Any]:
    properties = {"handle": {"get_resource": "h"}, "timeout": 60, "count": count}
    return {"h": HANDLE, "w": {"type": "OS::Heat::WaitCondition", "properties": properties}}


async def begun(stackery: Stackery, resources: dict[str, Any]) -> str:
    made = await stackery.user.post(STACKS, {"stack_name": "s", "template": template(resources)})
    return f"{STACKS}/s/{made['stack']['id']}"


async def told(stackery: Stackery, path: str, name: str) -> dict[str, Any]:
    shown = (await stackery.user.get(f"{path}/resources/{name}"))["resource"]["attributes"]
    return dict(shown)


async def test_each_object_that_is_put_is_a_signal(stackery: Stackery) -> None:
    path = await begun(stackery, waiting(count=3))
    await stackery.until(path, "h", "CREATE_COMPLETE")
    handle = await told(stackery, path, "h")
    url = handle["endpoint"]
    assert handle["curl_cli"] == f"curl -i -X PUT '{url}'"
    assert json.loads(handle["signal"]) == {"alarm_url": url}
    for said in ({"id": "a", "data": "one"}, {"id": "b", "data": "two"}, {"data": "three"}):
        assert await put(stackery, url, json.dumps(said).encode()) == 201
    assert (await stackery.ended(path))["stack_status"] == "CREATE_COMPLETE"
    data = json.loads((await told(stackery, path, "w"))["data"])
    assert data["a"] == "one" and data["b"] == "two" and sorted(data.values())[1] == "three"
    assert len(await containers(stackery)) == 1
    assert await put(stackery, url, b"{}") == 201
    await stackery.delete(path)
    assert await containers(stackery) == []
    assert await put(stackery, url, b"{}") in (401, 404)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b'{"status": "FAILURE", "reason": "no disk"}', "no disk"),
        (b"no json", "not valid JSON"),
        (b'{"odd": 1}', "Metadata format invalid"),
        (b'"' + b"x" * (1 << 20) + b'"', "more than"),
    ],
)
async def test_a_bad_signal_fails_what_waits_for_it(
    stackery: Stackery, content: bytes, words: str
) -> None:
    path = await begun(stackery, waiting())
    await stackery.until(path, "h", "CREATE_COMPLETE")
    assert await put(stackery, (await told(stackery, path, "h"))["endpoint"], content) == 201
    stack = await stackery.ended(path)
    assert stack["stack_status"] == "CREATE_FAILED" and words in stack["stack_status_reason"]
    await stackery.delete(path)
    assert await containers(stackery) == []


# ---- deployments ----


async def a_server(stackery: Stackery) -> str:
    admin = await stackery.cloud.sign_in()
    image, flavor = await an_image(admin, visibility="public"), await a_flavor(admin)
    body = {"name": "s", "imageRef": image, "flavorRef": flavor, "networks": "none"}
    headers = {"X-OpenStack-Nova-API-Version": "2.37"}
    made = await stackery.user("POST", "/compute/v2.1/servers", {"server": body}, headers=headers)
    return str(made.json()["server"]["id"])


async def shown_to(
    stackery: Stackery, server: str, action: str, before: str = ""
) -> dict[str, Any]:
    """What a server is told to do at an action, once it is. before: where it signalled that the last time."""
    door = f"{BASE}/software_deployments/metadata/{server}"
    async with asyncio.timeout(30):
        while True:
            for one in (await stackery.user.get(door))["metadata"]:
                inputs = {each["name"]: each["value"] for each in one["inputs"]}
                if inputs["deploy_action"] == action and inputs["deploy_signal_id"] != before:
                    return {**inputs, "config": one["config"], "group": one["group"]}
            await asyncio.sleep(0.02)


async def answered(
    stackery: Stackery, server: str, action: str, code: int = 0, before: str = ""
) -> dict[str, Any]:
    """A server does what it is told to do at an action, and says so."""
    shown = await shown_to(stackery, server, action, before)
    said = json.dumps({"deploy_stdout": action, "deploy_status_code": code}).encode()
    assert shown["deploy_signal_verb"] == "PUT"
    assert await put(stackery, shown["deploy_signal_id"], said) == 201
    return shown


def deployed(server: str, config: dict[str, Any], **more: Any) -> dict[str, Any]:
    properties = {
        "config": {"get_resource": "c"},
        "server": server,
        "signal_transport": "TEMP_URL_SIGNAL",
        **more,
    }
    return {"c": config, "d": {"type": "OS::Heat::SoftwareDeployment", "properties": properties}}


SCRIPT = {"type": "OS::Heat::SoftwareConfig", "properties": {"config": "echo"}}
COMPONENT = {
    "type": "OS::Heat::SoftwareComponent",
    "properties": {
        "configs": [
            {"actions": ["CREATE"], "config": "install", "tool": "script"},
            {"actions": ["SUSPEND", "RESUME", "DELETE"], "config": "pause", "tool": "script"},
        ]
    },
}


async def test_a_server_says_with_an_object_how_it_went(stackery: Stackery) -> None:
    server = await a_server(stackery)
    path = await begun(stackery, deployed(server, SCRIPT, actions=["CREATE"]))
    await answered(stackery, server, "CREATE")
    assert (await stackery.ended(path))["stack_status"] == "CREATE_COMPLETE"
    assert (await told(stackery, path, "d"))["deploy_stdout"] == "CREATE"
    await stackery.delete(path)
    assert await containers(stackery) == []


async def test_what_comes_late_ends_no_later_change(stackery: Stackery) -> None:
    server = await a_server(stackery)
    path = await begun(stackery, deployed(server, SCRIPT))
    shown = await answered(stackery, server, "CREATE")
    assert (await stackery.ended(path))["stack_status"] == "CREATE_COMPLETE"
    late = json.dumps({"deploy_stdout": "late"}).encode()
    assert await put(stackery, shown["deploy_signal_id"], late) == 201
    changed = {"template": template(deployed(server, SCRIPT, input_values={"a": "b"}))}
    await stackery.user("PUT", path, changed, status=202)
    shown = await shown_to(stackery, server, "UPDATE")
    assert await put(stackery, shown["deploy_signal_id"], b"no json") == 201
    stack = await stackery.ended(path)
    assert stack["stack_status"] == "UPDATE_FAILED" and "JSON" in stack["stack_status_reason"]
    await stackery.user("PUT", path, changed, status=202)
    await answered(stackery, server, "CREATE")  # what failed is replaced
    assert (await stackery.ended(path))["stack_status"] == "UPDATE_COMPLETE"
    assert (await told(stackery, path, "d"))["deploy_stdout"] == "CREATE"
    assert len(await containers(stackery)) == 1


async def test_a_component_is_worked_on_at_each_action_that_it_names(stackery: Stackery) -> None:
    server = await a_server(stackery)
    path = await begun(stackery, deployed(server, COMPONENT))
    shown = await answered(stackery, server, "CREATE")
    assert shown["group"] == "component"
    assert [one["config"] for one in shown["config"]["configs"]] == ["install", "pause"]
    assert (await stackery.ended(path))["stack_status"] == "CREATE_COMPLETE"
    configs = (await told(stackery, path, "c"))["configs"]
    assert [one["tool"] for one in configs] == ["script", "script"]
    for action in ("suspend", "resume"):
        await stackery.user("POST", f"{path}/actions", {action: None}, status=200)
        await answered(stackery, server, action.upper())
        stack = await stackery.ended(path)
        assert stack["stack_status"] == f"{action.upper()}_COMPLETE", stack
    await stackery.user("DELETE", path, status=204)
    shown = await answered(stackery, server, "DELETE", code=1)
    stack = await stackery.ended(path)
    assert stack["stack_status"] == "DELETE_FAILED" and "status code: 1" in str(stack)
    await stackery.user("DELETE", path, status=204)
    await answered(stackery, server, "DELETE", before=shown["deploy_signal_id"])
    assert (await stackery.ended(path))["stack_status"] == "DELETE_COMPLETE"


async def test_a_component_has_one_config_for_each_action(stackery: Stackery) -> None:
    twice = {"config": "a", "tool": "script"}
    kind = {"type": "OS::Heat::SoftwareComponent", "properties": {"configs": [twice, twice]}}
    assert "more than one configuration" in await stackery.refused({"c": kind, "r": random()})


async def a_config(stackery: Stackery, **values: Any) -> str:
    """A config that no stack has made; gives its id."""
    body = {"name": "c", "group": "script", "config": "echo", **values}
    made = await stackery.user("POST", f"{BASE}/software_configs", body, status=200)
    return str(made.json()["software_config"]["id"])


def of(config_id: str, server: str, **more: Any) -> dict[str, Any]:
    made: dict[str, Any] = deployed(server, {}, **more)["d"]
    made["properties"]["config"] = config_id
    return {"d": made}


@pytest.mark.parametrize(
    "config",
    [
        {"configs": 5},
        {"configs": {"actions": ["CREATE"]}},
        {"configs": [5, {"actions": 5}, {"actions": [{}, None]}, {"actions": "CREATE"}]},
    ],
)
async def test_a_component_may_say_anything(stackery: Stackery, config: dict[str, Any]) -> None:
    server = await a_server(stackery)
    config_id = await a_config(stackery, group="component", config=config)
    path = await stackery.stack(of(config_id, server))
    await stackery.delete(path)


async def test_a_deployment_goes_though_its_config_went_before(stackery: Stackery) -> None:
    server = await a_server(stackery)
    config_id = await a_config(stackery)
    path = await stackery.stack(of(config_id, server, actions=["SUSPEND", "DELETE"]))
    await stackery.user("DELETE", f"{BASE}/software_configs/{config_id}", status=204)
    assert await stackery.act(path, "suspend") == "SUSPEND_COMPLETE"
    await stackery.delete(path)
    assert await containers(stackery) == []


async def test_nothing_stays_of_a_deployment_that_went_while_it_was_waited_for(
    stackery: Stackery,
) -> None:
    server = await a_server(stackery)
    path = await stackery.stack(of(await a_config(stackery), server, actions=["DELETE"]))
    await stackery.user("DELETE", path, status=204)
    await shown_to(stackery, server, "DELETE")
    row = (await stackery.user.get(f"{BASE}/software_deployments?server_id={server}"))[
        "software_deployments"
    ][0]
    await stackery.user("DELETE", f"{BASE}/software_deployments/{row['id']}", status=204)
    assert (await stackery.ended(path))["stack_status"] == "DELETE_COMPLETE"
    assert await containers(stackery) == []
    configs = (await stackery.user.get(f"{BASE}/software_configs"))["software_configs"]
    assert [one["group"] for one in configs] == ["script"] and len(configs) == 1


async def test_a_failed_deployment_does_not_fail_what_its_server_is_not_told_of(
    stackery: Stackery,
) -> None:
    server = await a_server(stackery)
    path = await begun(stackery, deployed(server, SCRIPT, actions=["CREATE"]))
    await answered(stackery, server, "CREATE", code=1)
    assert (await stackery.ended(path))["stack_status"] == "CREATE_FAILED"
    assert await stackery.act(path, "suspend") == "SUSPEND_COMPLETE"


async def test_an_object_that_stands_for_others_is_no_longer_than_a_signal_may_be(
    stackery: Stackery,
) -> None:
    path = await begun(stackery, waiting())
    await stackery.until(path, "h", "CREATE_COMPLETE")
    swift, name = Swift(stackery.user), (await containers(stackery))[0]
    for at in range(2):
        await swift.put(f"/{name}/part{at}", b" " * (1 << 20))
    headers = {"x-object-manifest": f"{name}/part"}
    await swift("PUT", f"/{name}/signal", 201, headers=headers)
    stack = await stackery.ended(path)
    assert stack["stack_status"] == "CREATE_FAILED" and "more than" in stack["stack_status_reason"]
    await stackery.delete(path)
    assert await containers(stackery) == []
