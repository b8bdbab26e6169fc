"""What a hidden parameter was given is stars wherever a stack is looked at, and in what is within it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.api.orchestration.stackery import STACKS, Stackery, standing

SECRET = "correct horse"
REMOTE = """heat_template_version: 2016-10-14
parameters: {p: {type: string}}
resources: {v: {type: OS::Heat::Value, properties: {value: {get_param: p}}}}
outputs: {told: {value: {get_param: p}}}
"""


@pytest.fixture
async def stackery(tmp_path: Path, database_url: str) -> AsyncIterator[Stackery]:
    async with standing(tmp_path, database=database_url) as ground:
        yield ground


def template(hidden: bool = True) -> dict[str, Any]:
    said = {"get_param": "p"}
    value = {"type": "OS::Heat::Value", "properties": {"value": said}}
    group = {"count": 1, "resource_def": value}
    remote = {"template": REMOTE, "parameters": {"p": said}}
    return {
        "heat_template_version": "2016-10-14",
        "parameters": {"p": {"type": "string", "hidden": hidden}},
        "resources": {
            "v": value,
            "g": {"type": "OS::Heat::ResourceGroup", "properties": group},
            "s": {"type": "OS::Heat::Stack", "properties": remote},
            "f": {"type": "OS::Heat::TestResource", "metadata": {"of": said}},
        },
        "outputs": {
            "plain": {"value": {"list_join": ["-", ["a", said]]}},
            "group": {"value": {"get_attr": ["g", "value"]}},
            "remote": {"value": {"get_attr": ["s", "outputs"]}},
        },
    }


async def seen(stackery: Stackery, path: str) -> str:
    """All that the API says of a stack and of what is within it."""
    found = []
    resources = await stackery.resources(path, "?nested_depth=3")
    listed = (await stackery.user.get(f"{STACKS}?show_nested=true"))["stacks"]
    for stack in listed:
        place = f"{STACKS}/{stack['stack_name']}/{stack['id']}"
        for what in ("", "/template", "/environment", "/files", "/events", "/export", "/outputs"):
            found.append((await stackery.user("GET", f"{place}{what}", status=200)).text)
    for name in ("v", "g", "s", "f"):
        assert name in resources
        found.append((await stackery.user("GET", f"{path}/resources/{name}", status=200)).text)
    return "\n".join(found)


async def test_hidden_values_are_stars_in_every_view(stackery: Stackery) -> None:
    body = {"stack_name": "h", "template": template(), "parameters": {"p": SECRET}}
    made = (await stackery.user.post(STACKS, body))["stack"]["id"]
    path = f"{STACKS}/h/{made}"
    assert (await stackery.ended(path))["stack_status"] == "CREATE_COMPLETE"
    assert SECRET not in await seen(stackery, path)
    assert (await stackery.outputs(path))["plain"] == "a-******"
    await stackery.user("PATCH", path, {"template": template(hidden=False)}, status=202)
    assert (await stackery.ended(path))["stack_status"] == "UPDATE_COMPLETE"
    assert SECRET not in await seen(stackery, path)
    refused = template()
    refused["parameters"]["p"]["constraints"] = [{"allowed_pattern": "x"}]
    answer = await stackery.user("PATCH", path, {"template": refused}, status=400)
    assert SECRET not in answer.text
