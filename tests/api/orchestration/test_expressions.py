"""Expressions of yaql in templates: worked out with what resources tell, and never for ever."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from hanok.services.orchestration.logic.expressions import Decided
from tests.api.orchestration.stackery import STACKS, Stackery, standing, template


@pytest.fixture
async def stackery(tmp_path: Path, database_url: str) -> AsyncIterator[Stackery]:
    async with standing(tmp_path, database=database_url) as ground:
        yield ground


def yaql(expression: str, **data: Any) -> dict[str, Any]:
    return {"yaql": {"expression": expression, "data": data}}


def kept(value: Any) -> dict[str, Any]:
    return {"type": "OS::Heat::Value", "properties": {"value": value}}


async def test_an_expression_works_with_what_resources_tell(stackery: Stackery) -> None:
    told = {"get_attr": ["one", "value"]}
    path = await stackery.stack(
        {
            "one": kept([1, 2, 3]),
            "two": kept(yaql("$.data.some.select($ * 10)", some=told)),
        },
        outputs={
            "sum": {"value": yaql("$.data.a.sum()", a={"get_attr": ["two", "value"]})},
            "within": {"value": yaql("$.data.n + 1", n=yaql("len($.data.a)", a=told))},
            "wrong": {"value": yaql("$.data.a.no_such()", a=told)},
            "half": {"value": yaql("'a\\ud800'")},
            "halves": {"value": yaql("int('\\ud800')")},
            "nothing": {"value": yaql("'a\\x00'")},
            "huge": {"value": yaql("18446744073709551615 * 18446744073709551615")},
            "deep": {"value": yaql("range(150).aggregate([$1], 1)")},
            "set": {"value": yaql("$.data.a.toSet().len()", a=[1, 1])},
        },
    )
    said = await stackery.outputs(path)
    assert said["sum"] == 60 and said["within"] == 4 and said["set"] == 1
    assert "no_such" in said["wrong"]
    assert "Bad expression" in said["half"] and "Bad expression" in said["halves"]
    assert "cannot be stored" in said["nothing"]
    assert "out of range" in said["huge"] and "nested" in said["deep"]


async def test_a_bad_expression_is_told_before_anything_is_made(stackery: Stackery) -> None:
    assert "Parse error" in await stackery.refused({"a": kept(yaql("$.data.("))})
    assert "expression" in await stackery.refused({"a": kept({"yaql": {"data": 1}})})


def conditional(conditions: dict[str, Any], **more: Any) -> dict[str, Any]:
    resources = {"a": {**kept("here"), "condition": "c"}, "b": kept({"if": ["c", 1, 2]})}
    return {
        "heat_template_version": "pike",
        "parameters": {"names": {"type": "comma_delimited_list", "default": "x,y"}},
        "conditions": conditions,
        "resources": resources,
        **more,
    }


NAMES = {"get_param": "names"}


async def test_a_condition_may_be_an_expression(stackery: Stackery) -> None:
    inline = {"if": [yaql("$.data.n.len() > 1", n=NAMES), "many", "few"]}
    made = conditional(
        {
            "c": {"and": [yaql("$.data.n.any($ = x)", n=NAMES), "even"]},
            "even": {"equals": [yaql("$.data.n.len() mod 2", n=NAMES), 0]},
        },
        outputs={
            "b": {"value": {"get_attr": ["b", "value"]}},
            "inline": {"value": inline},
            "only": {"value": "shown", "condition": {"not": "c"}},
        },
    )
    body = {"stack_name": "s", "template": made}
    said = await stackery.user("POST", "/heat-api/v1/validate", {"template": made}, status=200)
    assert "names" in said.json()["Parameters"]
    path = f"{STACKS}/s/{(await stackery.user.post(STACKS, body))['stack']['id']}"
    assert (await stackery.ended(path))["stack_status"] == "CREATE_COMPLETE"
    assert set(await stackery.resources(path)) == {"a", "b"}
    assert await stackery.outputs(path) == {"b": 1, "inline": "many"}
    stackery.cloud.control.house.rooms["orchestration"]._room.decided = Decided()  # type: ignore[attr-defined]
    assert [
        one["output_key"] for one in (await stackery.user.get(f"{path}/outputs"))["outputs"]
    ] == [
        "b",
        "inline",
    ]
    changed = {"template": made, "parameters": {"names": "x,y,z"}}
    await stackery.user("PUT", path, changed, status=202)
    assert (await stackery.ended(path))["stack_status"] == "UPDATE_COMPLETE"
    assert set(await stackery.resources(path)) == {"b"}
    assert await stackery.outputs(path) == {"b": 2, "inline": "many", "only": "shown"}
    await stackery.delete(path)


@pytest.mark.parametrize(
    ("condition", "words"),
    [
        (yaql("$.data.n.no_such()", n=NAMES), "no_such"),
        (yaql("$.data.("), "Parse error"),
        (yaql("$.data.n.len()", n=NAMES), "should be boolean"),
        (yaql("regex('(a+)+$').matches($.data.a)", a="a" * 40 + "b"), "time or memory"),
        (yaql("$.data.a", a={"get_attr": ["b", "value"]}), "before resources are there"),
    ],
)
async def test_a_condition_that_cannot_be_decided_is_refused(
    stackery: Stackery, condition: dict[str, Any], words: str
) -> None:
    body = {"stack_name": "bad", "template": conditional({"c": condition})}
    said = await stackery.user("POST", STACKS, body, status=400)
    assert words in said.json()["error"]["message"]


async def test_what_is_decided_late_is_decided_after_a_restart_too(stackery: Stackery) -> None:
    attribute = {"if": [yaql("$.data.n.len() > 1", n=NAMES), "value", "no_such"]}
    made = template({"a": kept("here")})
    made |= {
        "heat_template_version": "pike",
        "parameters": {"names": {"type": "comma_delimited_list", "default": "x,y"}},
        "outputs": {
            "shown": {"value": {"get_attr": ["a", attribute]}, "condition": yaql("$.data = {}")},
            "hidden": {"value": 1, "condition": yaql("$.data.n.len() > 2", n=NAMES)},
        },
    }
    made["resources"]["theirs"] = {
        "type": "OS::Heat::Value",
        "external_id": {"if": [yaql("$.data.n.len() > 3", n=NAMES), "one", "other"]},
    }
    body = {"stack_name": "s", "template": made}
    path = f"{STACKS}/s/{(await stackery.user.post(STACKS, body))['stack']['id']}"
    assert (await stackery.ended(path))["stack_status"] == "CREATE_COMPLETE"
    for door in (path, f"{path}/outputs", f"{path}/resources/a", f"{path}/outputs/shown"):
        stackery.cloud.control.house.rooms["orchestration"]._room.decided = Decided()  # type: ignore[attr-defined]
        await stackery.user("GET", door, status=200)
    assert await stackery.outputs(path) == {"shown": "here"}
    assert (await stackery.resources(path))["theirs"]["physical_resource_id"] == "other"
    await stackery.delete(path)


async def test_conditions_of_many_places_are_decided_together(stackery: Stackery) -> None:
    within = {
        "heat_template_version": "pike",
        "parameters": {"n": {"type": "string"}},
        "conditions": {"c": yaql("int($.data.n) mod 2 = 0", n={"get_param": "n"})},
        "resources": {"r": {**kept(1), "condition": "c"}},
    }
    member = {"type": "in.yaml", "properties": {"n": "%index%"}}
    group = {"count": 20, "resource_def": member}
    resources: dict[str, Any] = {
        f"r{at}": kept({"if": [yaql("$.data.n > 9", n=at), "high", "low"]}) for at in range(20)
    }
    resources["g"] = {"type": "OS::Heat::ResourceGroup", "properties": group}
    made = {**template(resources), "heat_template_version": "pike"}
    body = {"template": made, "stack_name": "s", "files": {"in.yaml": json.dumps(within)}}
    await stackery.user("POST", f"{STACKS}/preview", body, status=200)


async def test_a_stack_within_has_conditions_with_expressions(stackery: Stackery) -> None:
    within = json.dumps(
        {
            "heat_template_version": "pike",
            "parameters": {"n": {"type": "number"}},
            "conditions": {"c": yaql("$.data.n > 2", n={"get_param": "n"})},
            "resources": {"r": {**kept("there"), "condition": "c"}},
            "outputs": {"r": {"value": {"if": ["c", {"get_attr": ["r", "value"]}, "none"]}}},
        }
    )
    resources = {
        "known": {"type": "in.yaml", "properties": {"n": 3}},
        "one": kept(1),
        "told": {"type": "in.yaml", "properties": {"n": {"get_attr": ["one", "value"]}}},
    }
    outputs = {name: {"value": {"get_attr": [name, "r"]}} for name in ("known", "told")}
    path = await stackery.stack(resources, files={"in.yaml": within}, outputs=outputs)
    assert await stackery.outputs(path) == {"known": "there", "told": "none"}
    await stackery.delete(path)


async def test_what_costs_too_much_ends_and_says_so(stackery: Stackery) -> None:
    path = await stackery.stack(
        {"a": kept("a" * 40 + "b")},
        outputs={
            "long": {
                "value": yaql("regex('(a+)+$').matches($.data.a)", a={"get_attr": ["a", "value"]})
            },
            "many": {"value": yaql("range(0, 100000).sum()")},
            "large": {"value": yaql("'a' * 100000000")},
        },
    )
    said = await stackery.outputs(path)
    assert "more time or memory" in said["long"] or "takes too long" in said["long"]
    assert "exceeds 200" in said["many"] and "memory" in said["large"]


async def test_what_is_hidden_is_not_told_by_errors(stackery: Stackery) -> None:
    secret = "it's hidden,\nin two lines, and " + "long " * 100
    wrong = yaql("$.data.a.no_such()", a={"get_param": "p"})
    body = {
        "stack_name": "s",
        "template": template(
            {"a": kept(wrong)},
            parameters={"p": {"type": "string", "hidden": True}},
            outputs={"o": {"value": wrong}},
        ),
        "parameters": {"p": secret},
    }
    path = f"{STACKS}/s/{(await stackery.user.post(STACKS, body))['stack']['id']}"
    stack = await stackery.ended(path)
    assert stack["stack_status"] == "CREATE_FAILED"
    assert "yaql" in stack["stack_status_reason"] and "yaql" in stack["outputs"][0]["output_error"]
    events = await stackery.user.get(f"{path}/events")
    for shown in (stack, events, await stackery.resources(path)):
        assert "hidden," not in str(shown) and "two lines" not in str(shown)
