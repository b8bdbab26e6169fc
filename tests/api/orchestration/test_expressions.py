"""Expressions of yaql in templates: worked out with what resources tell, and never for ever."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

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
    conditions = {"c": yaql("true")}
    body = {
        "stack_name": "bad",
        "template": {"heat_template_version": "pike", "conditions": conditions},
    }
    said = await stackery.user("POST", "/heat-api/v1/stacks", body, status=400)
    assert "conditions" in said.json()["error"]["message"]


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
