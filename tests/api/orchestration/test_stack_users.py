"""Users that a stack makes for its guests: they signal one resource, reach nothing else, and go with the stack."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from hanok.base import failpoints
from tests.api.orchestration.stackery import BASE, STACKS, Stackery, put, random, standing, template
from tests.cloud import Client, a_flavor, an_image, running


@pytest.fixture
async def stackery(tmp_path: Path, database_url: str) -> AsyncIterator[Stackery]:
    async with standing(tmp_path, database=database_url) as ground:
        yield ground
    failpoints.disarm()


def handle(transport: str) -> dict[str, Any]:
    kind, properties = "OS::Heat::WaitConditionHandle", {"signal_transport": transport}
    return {"type": kind, "properties": properties}


async def told(stackery: Stackery, path: str, name: str) -> dict[str, Any]:
    shown = (await stackery.user.get(f"{path}/resources/{name}"))["resource"]["attributes"]
    return dict(shown)


async def signed_in(stackery: Stackery, who: dict[str, str], status: int = 201) -> Client:
    user = {"id": who["user_id"], "password": who["password"]}
    identity = {"methods": ["password"], "password": {"user": user}}
    body = {"auth": {"identity": identity, "scope": {"project": {"id": who["project_id"]}}}}
    answer = await stackery.cloud.anonymous("POST", "/v3/auth/tokens", body, status=status)
    if status != 201:
        return stackery.cloud.anonymous
    return Client(stackery.cloud.http, answer.headers["x-subject-token"], answer.json()["token"])


async def test_a_user_of_a_stack_signals_its_resource_and_nothing_else(stackery: Stackery) -> None:
    resources = {
        "h": handle("HEAT_SIGNAL"),
        "other": handle("HEAT_SIGNAL"),
        "w": {
            "type": "OS::Heat::WaitCondition",
            "properties": {"handle": {"get_resource": "h"}, "timeout": 60},
        },
    }
    body = {
        "stack_name": "s",
        "template": {"heat_template_version": "queens", "resources": resources},
    }
    made = (await stackery.user.post(STACKS, body))["stack"]
    path = f"{STACKS}/s/{made['id']}"
    await stackery.until(path, "h", "CREATE_COMPLETE")
    await stackery.until(path, "other", "CREATE_COMPLETE")
    who = json.loads((await told(stackery, path, "h"))["signal"])
    guest = await signed_in(stackery, who)
    assert [one["name"] for one in guest.body["roles"]] == ["heat_stack_user"]
    assert guest.body["user"]["domain"]["name"] == "heat"
    inside = f"{BASE}/{who['project_id']}/stacks/{who['stack_id']}/resources"
    await guest("POST", f"{inside}/other/signal", {}, status=404)
    await guest("POST", f"{inside}/h/signal", {"unset_hook": "pre-update"}, status=400)
    for method, door in (("GET", path), ("DELETE", path), ("GET", STACKS)):
        assert (await guest(method, door)).status_code in (403, 404)
    await guest("POST", "/network/v2.0/networks", {"network": {"name": "n"}}, status=403)
    await guest("POST", "/volume/v3/volumes", {"volume": {"size": 1}}, status=403)
    assert "metadata" in await guest.get(f"{inside}/h/metadata")
    await guest("POST", f"{inside}/h/signal", {"data": "up", "id": "1"}, status=200)
    assert (await stackery.ended(path))["stack_status"] == "CREATE_COMPLETE"
    assert json.loads((await told(stackery, path, "w"))["data"]) == {"1": "up"}
    await stackery.delete(path)
    await signed_in(stackery, who, 401)
    admin = await stackery.cloud.sign_in()
    await admin("GET", f"/v3/projects/{who['project_id']}", status=404)


async def test_a_token_of_a_stack_is_in_the_command_for_guests(stackery: Stackery) -> None:
    path = await stackery.stack({"h": handle("TOKEN_SIGNAL"), "r": random()})
    said = await told(stackery, path, "h")
    assert f"-H 'X-Auth-Token: {said['token']}'" in said["curl_cli"]
    guest = Client(stackery.cloud.http, said["token"])
    await guest("POST", said["endpoint"], {"data": 1}, status=200)
    await stackery.update(path, {"r": random()})
    await guest("POST", said["endpoint"], {"data": 1}, status=401)


async def test_a_deployment_is_ended_by_its_own_user(stackery: Stackery) -> None:
    admin = await stackery.cloud.sign_in()
    image, flavor = await an_image(admin, visibility="public"), await a_flavor(admin)
    properties = {"flavor": flavor, "image": image, "networks": [{"allocate_network": "none"}]}
    resources = {
        "s": {"type": "OS::Nova::Server", "properties": properties},
        "c": {"type": "OS::Heat::SoftwareConfig", "properties": {"config": "echo"}},
        "d": {
            "type": "OS::Heat::SoftwareDeployment",
            "properties": {
                "config": {"get_resource": "c"},
                "server": {"get_resource": "s"},
                "signal_transport": "HEAT_SIGNAL",
            },
        },
    }
    made = await stackery.user.post(STACKS, {"stack_name": "s", "template": template(resources)})
    path = f"{STACKS}/s/{made['stack']['id']}"
    await stackery.until(path, "d", "CREATE_IN_PROGRESS")
    server = (await stackery.resources(path))["s"]["physical_resource_id"]
    listed: list[Any] = []
    async with asyncio.timeout(30):
        while not listed:
            await asyncio.sleep(0.02)
            door = f"{BASE}/software_deployments/metadata/{server}"
            listed = (await stackery.user.get(door))["metadata"]
    told_ = {one["name"]: one["value"] for one in listed[0]["inputs"]}
    who = {name: told_[f"deploy_{name}"] for name in ("user_id", "password", "project_id")}
    guest = await signed_in(stackery, who)
    said = {"deploy_stdout": "hello", "deploy_status_code": 0}
    signal = f"/{told_['deploy_signal_id'].split('/', 3)[3]}"
    await guest("POST", signal, said, status=200)
    assert (await stackery.ended(path))["stack_status"] == "CREATE_COMPLETE"
    assert (await told(stackery, path, "d"))["deploy_stdout"] == "hello"
    await stackery.delete(path)
    await signed_in(stackery, who, 401)


async def _server(stackery: Stackery) -> str:
    admin = await stackery.cloud.sign_in()
    image, flavor = await an_image(admin, visibility="public"), await a_flavor(admin)
    body = {"name": "s", "imageRef": image, "flavorRef": flavor, "networks": "none"}
    headers = {"X-OpenStack-Nova-API-Version": "2.37"}
    made = await stackery.user("POST", "/compute/v2.1/servers", {"server": body}, headers=headers)
    return str(made.json()["server"]["id"])


def _deployment(server: str, transport: str) -> dict[str, Any]:
    properties = {"config": {"get_resource": "c"}, "server": server, "signal_transport": transport}
    return {
        "c": {"type": "OS::Heat::SoftwareConfig", "properties": {"config": "echo"}},
        "d": {"type": "OS::Heat::SoftwareDeployment", "properties": properties},
    }


async def _signal(stackery: Stackery, server: str) -> None:
    """What a server does with the deployment that it is shown."""
    door = f"{BASE}/software_deployments/metadata/{server}"
    shown = (await stackery.user.get(door))["metadata"]
    inputs = {one["name"]: one["value"] for one in shown[0]["inputs"]}
    who = {name: inputs.get(f"deploy_{name}", "") for name in ("user_id", "password", "project_id")}
    guest = stackery.cloud.anonymous
    if who["user_id"]:
        guest = await signed_in(stackery, who)
    said, place = {"deploy_stdout": "hello"}, inputs["deploy_signal_id"]
    if inputs["deploy_signal_verb"] == "PUT":
        assert await put(stackery, place, json.dumps(said).encode()) == 201
    else:
        await guest("POST", f"/{place.split('/', 3)[3]}", said, status=200)


async def _hangs(stackery: Stackery, server: str, transport: str) -> str:
    """A stack whose deployment is there, and nobody has written yet that it was made."""
    path = await stackery.stack({"c": _deployment(server, transport)["c"]})
    failpoints.arm("orchestration.begun", "hang", 1)
    await stackery.user(
        "PUT", path, {"template": template(_deployment(server, transport))}, status=202
    )
    async with asyncio.timeout(30):
        while not failpoints.waiting("orchestration.begun"):
            await asyncio.sleep(0.02)
    failpoints.arm("orchestration.begun", "hang", 0)
    return path


@pytest.mark.parametrize("transport", ["HEAT_SIGNAL", "CFN_SIGNAL", "TEMP_URL_SIGNAL"])
async def test_a_deployment_is_signalled_the_moment_it_is_seen(
    stackery: Stackery, transport: str
) -> None:
    server = await _server(stackery)
    path = await _hangs(stackery, server, transport)
    await _signal(stackery, server)
    failpoints.release("orchestration.begun")
    assert (await stackery.ended(path))["stack_status"] == "UPDATE_COMPLETE"
    assert (await told(stackery, path, "d"))["deploy_stdout"] == "hello"


@pytest.mark.parametrize("transport", ["HEAT_SIGNAL", "CFN_SIGNAL", "TEMP_URL_SIGNAL"])
async def test_a_deployment_is_signalled_after_the_process_that_made_it_died(
    tmp_path: Path, transport: str
) -> None:
    async with standing(tmp_path) as ground:
        server = await _server(ground)
        path = await _hangs(ground, server, transport)
    failpoints.disarm()
    async with running(tmp_path) as cloud:
        ground = Stackery(cloud, await cloud.sign_in("p", project="p"))
        await ground.until(path, "d", "CREATE_IN_PROGRESS")
        await _signal(ground, server)
        assert (await ground.ended(path))["stack_status"] == "UPDATE_COMPLETE"


async def test_a_key_goes_with_its_resource_and_all_that_a_user_made_with_the_stack(
    stackery: Stackery,
) -> None:
    key = {"type": "AWS::IAM::AccessKey", "properties": {"UserName": {"get_resource": "u"}}}
    left = {"h": handle("HEAT_SIGNAL"), "u": {"type": "AWS::IAM::User"}}
    with failpoints.armed("orchestration.begun", "raise", 1):  # a user is there, and not written
        path = await stackery.stack(left, "CREATE_FAILED")
    await stackery.update(path, {"r": random()})
    admin = await stackery.cloud.sign_in()
    users = [one["name"] for one in (await admin.get("/v3/users"))["users"]]
    assert sorted(users) == ["admin", "heat", "p"]
    await stackery.update(path, {**left, "k": key})
    assert len((await admin.get("/v3/credentials"))["credentials"]) == 1
    await stackery.update(path, left)
    assert (await admin.get("/v3/credentials"))["credentials"] == []
    who = json.loads((await told(stackery, path, "h"))["signal"])
    guest = await signed_in(stackery, who)
    own = f"/v3/users/{guest.user_id}/application_credentials"
    made = await guest.post(own, {"application_credential": {"name": "x"}})
    secret = made["application_credential"]
    told_ = {"id": secret["id"], "secret": secret["secret"]}
    await stackery.delete(path)
    await signed_in(stackery, who, 401)
    identity = {"methods": ["application_credential"], "application_credential": told_}
    await stackery.cloud.anonymous(
        "POST", "/v3/auth/tokens", {"auth": {"identity": identity}}, status=401
    )
    users = [one["name"] for one in (await admin.get("/v3/users"))["users"]]
    assert sorted(users) == ["admin", "heat", "p"]
