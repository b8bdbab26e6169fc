"""What a stack does later is done in the name of whoever asked for it, by a trust, for as long as that stands."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.api.orchestration.stackery import STACKS, Stackery, random, standing
from tests.cloud import PASSWORD


@pytest.fixture
async def stackery(tmp_path: Path, database_url: str) -> AsyncIterator[Stackery]:
    async with standing(tmp_path, database=database_url) as ground:
        yield ground


def scaling() -> dict[str, Any]:
    group = {"min_size": 1, "max_size": 5, "resource": {"type": "OS::Neutron::Net"}}
    policy = {
        "auto_scaling_group_id": {"get_resource": "g"},
        "adjustment_type": "change_in_capacity",
        "scaling_adjustment": 1,
    }
    return {
        "g": {"type": "OS::Heat::AutoScalingGroup", "properties": group},
        "p": {"type": "OS::Heat::ScalingPolicy", "properties": policy},
    }


async def trusts(stackery: Stackery) -> list[dict[str, Any]]:
    user = stackery.user
    listed = await user.get(f"/v3/OS-TRUST/trusts?trustor_user_id={user.user_id}")
    return list(listed["trusts"])


async def scaled(stackery: Stackery, path: str, url: str) -> str:
    """Signal without a token; gives how the group's stack ended."""
    answer = await stackery.cloud.anonymous("POST", url, {})
    if answer.status_code != 200:
        return str(answer.status_code)
    nested = (await stackery.resources(path))["g"]["physical_resource_id"]
    moved = await stackery.user("GET", f"{STACKS}/{nested}", status=302)
    stack = await stackery.ended(STACKS + moved.headers["location"].partition("/stacks")[2])
    return str(stack["stack_status"])


async def test_a_trust_outlives_the_password_and_ends_the_work(stackery: Stackery) -> None:
    path = await stackery.stack(scaling())
    shown = (await stackery.user.get(f"{path}/resources/p"))["resource"]["attributes"]
    url = shown["alarm_url"]
    assert await scaled(stackery, path, url) == "UPDATE_COMPLETE"
    (first,) = await trusts(stackery)
    assert first["impersonation"] and first["project_id"] == stackery.user.project_id
    await stackery.update(path, scaling())
    assert [one["id"] for one in await trusts(stackery)] == [first["id"]]  # it says the same
    user = stackery.user
    await user(
        "POST",
        f"/v3/users/{user.user_id}/password",
        {"user": {"original_password": PASSWORD, "password": "another one"}},
        status=204,
    )
    stackery.user = await stackery.cloud.sign_in("p", "another one", project="p")
    assert await scaled(stackery, path, url) == "UPDATE_COMPLETE"
    await stackery.user("DELETE", f"/v3/OS-TRUST/trusts/{first['id']}", status=204)
    assert await scaled(stackery, path, url) == "401"
    await stackery.update(path, scaling())  # whoever asks again entrusts it again
    assert await scaled(stackery, path, url) == "UPDATE_COMPLETE"
    await stackery.delete(path)
    assert await trusts(stackery) == []


async def test_work_stops_when_the_owners_role_does(stackery: Stackery) -> None:
    path = await stackery.stack(scaling())
    shown = (await stackery.user.get(f"{path}/resources/p"))["resource"]["attributes"]
    admin, user = await stackery.cloud.sign_in(), stackery.user
    roles = (await admin.get("/v3/roles?name=member"))["roles"]
    grant = f"/v3/projects/{user.project_id}/users/{user.user_id}/roles/{roles[0]['id']}"
    reader = (await admin.get("/v3/roles?name=reader"))["roles"][0]["id"]
    await admin("PUT", grant.replace(roles[0]["id"], reader), status=204)
    await admin("DELETE", grant, status=204)
    stackery.user = await stackery.cloud.sign_in("p", PASSWORD, project="p")
    assert await scaled(stackery, path, shown["alarm_url"]) in ("401", "UPDATE_FAILED")


async def test_a_signal_is_not_taken_while_nobody_may_act_on_it(stackery: Stackery) -> None:
    path = await stackery.stack(scaling())
    shown = (await stackery.user.get(f"{path}/resources/p"))["resource"]["attributes"]
    admin, user = await stackery.cloud.sign_in(), stackery.user
    for kind, one in (("user", user.user_id), ("project", user.project_id)):
        for enabled in (False, True):
            door, body = f"/v3/{kind}s/{one}", {kind: {"enabled": enabled}}
            await admin("PATCH", door, body, status=200)
            if not enabled:
                assert await scaled(stackery, path, shown["alarm_url"]) == "401"
    stackery.user = await stackery.cloud.sign_in("p", PASSWORD, project="p")
    assert await scaled(stackery, path, shown["alarm_url"]) == "UPDATE_COMPLETE"
    networks = (await stackery.user.get("/network/v2.0/networks?router:external=false"))["networks"]
    assert len(networks) == 2  # what was not taken is not made up for


async def test_a_stack_that_goes_leaves_no_trust(stackery: Stackery) -> None:
    path = await stackery.stack({"r": random()})
    assert len(await trusts(stackery)) == 1
    await stackery.delete(path)
    assert await trusts(stackery) == []
