"""Whose rights a stack uses: of whoever asked for its change, and never those of somebody who did not."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.api.orchestration.stackery import STACKS, Stackery, random, standing, template
from tests.api.orchestration.test_deferred_work import scaled, scaling, trusts
from tests.cloud import PASSWORD, Client


@pytest.fixture
async def stackery(tmp_path: Path, database_url: str) -> AsyncIterator[Stackery]:
    async with standing(tmp_path, database=database_url) as ground:
        yield ground


async def joined(stackery: Stackery, name: str, *roles: str, user_id: str = "") -> Client:
    """A user with roles on the project of the stacks, a new one or one that is there; signed in to it."""
    admin = await stackery.cloud.sign_in()
    if not user_id:
        made = await admin.post("/v3/users", {"user": {"name": name, "password": PASSWORD}})
        user_id = made["user"]["id"]
    for one in (await admin.get("/v3/roles"))["roles"]:
        if one["name"] in roles:
            grant = f"/v3/projects/{stackery.user.project_id}/users/{user_id}/roles/{one['id']}"
            await admin("PUT", grant, status=204)
    return await stackery.cloud.sign_in(name, PASSWORD, project="p")


async def with_a_part_of_the_rights(stackery: Stackery, owner: Client) -> tuple[Client, str]:
    """A token of an application credential of somebody, who is a member by it; and where it is deleted."""
    door = f"/v3/users/{owner.user_id}/application_credentials"
    body = {"application_credential": {"name": "c", "roles": [{"name": "member"}]}}
    made = (await owner.post(door, body))["application_credential"]
    told = {"id": made["id"], "secret": made["secret"]}
    identity = {"methods": ["application_credential"], "application_credential": told}
    answer = await stackery.cloud.anonymous(
        "POST", "/v3/auth/tokens", {"auth": {"identity": identity}}, status=201
    )
    token = answer.headers["x-subject-token"]
    return Client(stackery.cloud.http, token, answer.json()["token"]), f"{door}/{made['id']}"


async def inner(stackery: Stackery, path: str) -> str:
    """The path of the stack that the group `g` of a stack is."""
    nested = (await stackery.resources(path))["g"]["physical_resource_id"]
    moved = await stackery.user("GET", f"{STACKS}/{nested}", status=302)
    return STACKS + moved.headers["location"].partition("/stacks")[2]


def later(**network: Any) -> dict[str, Any]:
    """A template that makes a network when its asker is gone."""
    wait = {"type": "OS::Heat::TestResource", "properties": {"wait_secs": 1}}
    net = {"type": "OS::Neutron::Net", "properties": network, "depends_on": "wait"}
    return template({"wait": wait, "n": net})


async def test_a_stack_within_is_not_changed_with_the_rights_of_the_outer_ones_owner(
    stackery: Stackery,
) -> None:
    owner = stackery.user = await joined(stackery, "p", "admin", user_id=stackery.user.user_id)
    group = {"resource_def": {"type": "OS::Heat::TestResource"}}
    path = await stackery.stack({"g": {"type": "OS::Heat::ResourceGroup", "properties": group}})
    within = await inner(stackery, path)
    other = await joined(stackery, "other", "member")
    await other("PUT", within, {"template": later(shared=True)}, status=202)
    await other(
        "POST",
        f"/v3/users/{other.user_id}/password",
        {"user": {"original_password": PASSWORD, "password": "another one"}},
        status=204,
    )
    assert (await stackery.ended(within))["stack_status"] == "UPDATE_FAILED"
    part, gone = await with_a_part_of_the_rights(stackery, owner)
    await part("PUT", within, {"template": later(shared=True)}, status=202)
    await owner("DELETE", gone, status=204)
    assert (await stackery.ended(within))["stack_status"] == "UPDATE_FAILED"
    assert (await owner.get("/network/v2.0/networks?shared=true"))["networks"] == []


async def test_a_look_at_a_stack_leaves_it_its_owners_rights(stackery: Stackery) -> None:
    path, owner = await stackery.stack(scaling()), stackery.user
    shown = (await stackery.user.get(f"{path}/resources/p"))["resource"]["attributes"]
    (first,) = await trusts(stackery)
    stackery.user = await joined(stackery, "looks", "reader")
    assert await stackery.act(path, "check") == "CHECK_COMPLETE"
    assert await trusts(stackery) == []
    stackery.user = owner
    assert [one["id"] for one in await trusts(stackery)] == [first["id"]]
    assert await scaled(stackery, path, shown["alarm_url"]) == "UPDATE_COMPLETE"


async def test_nobody_signs_in_with_the_trust_of_a_stack(stackery: Stackery) -> None:
    await stackery.stack({"r": random()})
    (trust,) = await trusts(stackery)
    admin = await stackery.cloud.sign_in()
    worker = {"user": {"password": "of a manager of its domain"}}
    await admin("PATCH", f"/v3/users/{trust['trustee_user_id']}", worker, status=200)
    user = {"id": trust["trustee_user_id"], **worker["user"]}
    identity = {"methods": ["password"], "password": {"user": user}}
    for scope, status in (({}, 201), ({"OS-TRUST:trust": {"id": trust["id"]}}, 401)):
        auth = {"identity": identity, "scope": scope} if scope else {"identity": identity}
        await stackery.cloud.anonymous("POST", "/v3/auth/tokens", {"auth": auth}, status=status)
