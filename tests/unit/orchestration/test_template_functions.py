"""The functions of templates, and what keeps a stranger's template from costing much."""

from __future__ import annotations

from typing import Any

import pytest

from hanok.base.errors import BadInput
from hanok.services.orchestration.logic import texts
from hanok.services.orchestration.logic.functions import Wrong
from hanok.services.orchestration.logic.program import Names, Program, Source
from hanok.services.orchestration.logic.types import catalog
from hanok.services.orchestration.logic.versions import ABOUT, ALL

SIZE = 1 << 19


def program(template: dict[str, Any], **given: Any) -> Program:
    whole = {"heat_template_version": "wallaby", **template}
    source = Source(template=whole, environment={"parameters": given}, files={"f": "file"})
    return Program(source, Names(name="s"), maximum=SIZE).load()


def value(raw: Any) -> Any:
    return program({}).static.value(raw)


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ({"list_join": ["-", ["a", 1], ["b"]]}, "a-1-b"),
        ({"str_split": [",", "a,b", 1]}, "b"),
        ({"str_replace": {"template": "ab a", "params": {"ab": "a", "a": "x"}}}, "a x"),
        ({"digest": ["md5", "a"]}, "0cc175b9c0f1b6a831c399e269772661"),
        ({"map_merge": [{"a": 1}, {"a": 2, "b": 3}]}, {"a": 2, "b": 3}),
        ({"map_replace": [{"a": "x"}, {"keys": {"a": "b"}, "values": {"x": "y"}}]}, {"b": "y"}),
        ({"filter": [["a"], ["a", "b"]]}, ["b"]),
        ({"list_concat_unique": [["a"], ["a", "b"]]}, ["a", "b"]),
        ({"contains": ["a", ["a"]]}, True),
        ({"get_file": "f"}, "file"),
        ({"repeat": {"template": {"n%i%": "%i%"}, "for_each": {"%i%": [1, "b"]}}}, [{"n1": 1}, {"nb": "b"}]),
        ({"repeat": {"template": "%a%%b%", "for_each": {"%a%": ["1", "2"], "%b%": ["x", "y"]},
                     "permutations": False}}, ["1x", "2y"]),
        ({"make_url": {"scheme": "http", "host": "::1", "port": 80, "path": "a b", "query": {"q": "1 2"}}},
         "http://[::1]:80/a%20b?q=1+2"),
    ],
)  # fmt: skip
def test_functions(raw: Any, expected: Any) -> None:
    assert value(raw) == expected


@pytest.mark.parametrize(
    "raw",
    [
        {"str_replace_strict": {"template": "a", "params": {"b": "c"}}},
        {"str_replace_vstrict": {"template": "a", "params": {"a": ""}}},
        {"get_file": "/etc/passwd"},
        {"get_param": "missing"},
        {"yaql": {"expression": 1, "data": 1}},
        {"yaql": {"data": 1}},
        {"yaql": {"expression": "$" * 20_000}},
        {"digest": ["md4", "a"]},
    ],
)
def test_functions_that_cannot_be_worked_out(raw: Any) -> None:
    with pytest.raises(Wrong):
        value(raw)


def cfn(raw: Any, **sections: Any) -> Any:
    """What a function of CloudFormation's gives."""
    template = {"HeatTemplateFormatVersion": "2012-12-12", **sections}
    source = Source(template=template, environment={}, files={})
    return Program(source, Names(name="s"), maximum=SIZE).load().static.value(raw)


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ({"list_join": ["-", None, ["a", None, True, 1.5, {"b": 1}]]}, 'a--True-1.5-{"b":1}'),
        ({"str_split": [",", None]}, None),
        ({"str_split": [",", "a,b"]}, ["a", "b"]),
        ({"str_split": [",", "a,b", "-2"]}, "a"),
        ({"str_split": [",", "", 0]}, ""),
        ({"str_replace": {"template": None, "params": {"a": "b"}}}, None),
        ({"str_replace": {"template": "a", "params": {"": "b", "a": None}}}, ""),
        ({"str_replace": {"template": "ab", "params": {"a": "b", "b": ["c"]}}}, 'b["c"]'),
        ({"digest": ["SHA1", ""]}, "da39a3ee5e6b4b0d3255bfef95601890afd80709"),
        ({"make_url": {"host": "h", "username": "u@", "password": "p:"}}, "//u%40:p%3A@h"),
        ({"make_url": {"host": "h", "username": "u", "port": ""}}, "//u@h"),
        ({"make_url": {"host": "[::1]", "port": "65535", "path": "/a"}}, "//[::1]:65535/a"),
        ({"make_url": {"path": "a/b", "fragment": "f g"}}, "a/b#f%20g"),
        ({"make_url": {"scheme": "http", "host": "h", "query": None}}, "http://h"),
        ({"map_merge": [None, {"a": 1}]}, {"a": 1}),
        ({"map_replace": [None, {}]}, {}),
        ({"map_replace": [{"a": 1, "b": "x"}, {"values": {"x": "y"}}]}, {"a": 1, "b": "y"}),
        ({"filter": [None, ["a"]]}, ["a"]),
        ({"filter": [["a"], None]}, []),
        ({"list_concat": [["a"], None, ["a"]]}, ["a", "a"]),
        ({"contains": ["b", "abc"]}, True),
        ({"contains": [1, "1"]}, False),
        ({"contains": ["a", {"a": 1}]}, True),
        ({"contains": ["b", {"a": "b"}]}, False),
        ({"repeat": {"template": "%a%", "for_each": {"%a%": None}}}, []),
        ({"repeat": {"template": "%a%", "for_each": {"%a%": {"k": 1, "l": 2}}}}, ["k", "l"]),
        ({"repeat": {"template": "%a%-", "for_each": {"%a%": [{"k": 1}]}}}, ['{"k":1}-']),
        ({"repeat": {"template": ["%a%", 7], "for_each": {"%a%": [{"k": 1}]}}}, [[{"k": 1}, 7]]),
        ({"nosuch": 1, "get_file": "f"}, {"nosuch": 1, "get_file": "f"}),
    ],
)  # fmt: skip
def test_functions_at_their_edges(raw: Any, expected: Any) -> None:
    assert value(raw) == expected


@pytest.mark.parametrize(
    ("name", "wrongs"),
    [
        ("list_join", ["a", [], [","], [1, ["a"]], [",", "a"], [",", ["a"], 1]]),
        ("str_split", [",", [","], [1, "a"], [",", 7], [",", ["a"]], ["", "a"], [",", "a", 1],
                       [",", "a", -2], [",", "a", "x"], [",", "a", True], [",", "a", "1" * 10]]),
        ("str_replace", ["a", {"template": "a"}, {"template": 1, "params": {}},
                         {"template": "a", "params": []}, {"template": "a", "params": {}, "more": 1}]),
        ("digest", ["md5", ["md5"], ["md5", 1], ["md5", "a", "b"]]),
        ("make_url", ["h", {"where": "h"}, {"host": "h", "port": 0}, {"host": "h", "port": 65536},
                      {"host": "h", "port": "x"}, {"host": "h", "query": [1]}]),
        ("map_merge", [{"a": 1}, [["a"]], "a"]),
        ("map_replace", [{}, [{}], [{}, []], [[], {}], [{}, {"keys": ["a"]}], [{}, {"values": ["a"]}],
                         [{"a": 1, "b": 2}, {"keys": {"a": "b"}}]]),
        ("filter", ["a", [["a"]], ["a", ["a"]], [["a"], "a"], [["a"], ["a"], ["a"]]]),
        ("list_concat", [{"a": 1}, ["a"]]),
        ("contains", ["a", ["a"], ["a", 1], ["a", ["a"], "b"]]),
        ("repeat", ["a", {"template": "a"}, {"template": "a", "for_each": {}}, {"template": "a", "for_each": []},
                    {"template": "a", "for_each": {"": ["a"]}}, {"template": "a", "for_each": {"a": "b"}},
                    {"template": "a", "for_each": {"a": ["b"]}, "permutations": "perhaps"},
                    {"template": "a", "for_each": {"a": ["b"], "c": []}, "permutations": False},
                    {"template": "a", "for_each": {"a": ["b"]}, "more": 1}]),
        ("get_param", [[["a"]], [7], {"a": 1}]),
        ("get_resource", [["a"], 7]),
        ("get_file", [["f"], "g"]),
        ("resource_facade", ["nosuch", ["metadata"]]),
        ("if", ["a", [True], [True, 1, 2, 3], [1, 2, 3], ["nosuch", 1, 2]]),
    ],
)  # fmt: skip
def test_arguments_that_a_function_does_not_take(name: str, wrongs: list[Any]) -> None:
    for one in wrongs:
        with pytest.raises(Wrong):
            pytest.fail(f"{one}: {value({name: one})}")


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ({"Fn::Select": ["1", ["a", "b"]]}, "b"),
        ({"Fn::Select": [2, ["a", "b"]]}, ""),
        ({"Fn::Select": ["k", '{"k": "v"}']}, "v"),
        ({"Fn::Select": ["k", "no JSON"]}, ""),
        ({"Fn::Split": [",", "a,b"]}, ["a", "b"]),
        ({"Fn::Replace": [{"a": "b"}, "aa"]}, "bb"),
        ({"Fn::FindInMap": ["m", "k", "v"]}, "w"),
        ({"Fn::MemberListToMap": ["Name", "Value", [".m.0.Name=a", "m.0.Value=b=c", ".m.1.Name=d", ".m.2.Odd=e", "f"]]},
         {"a": "b=c", "d": None}),
    ],
)  # fmt: skip
def test_functions_of_cloudformation(raw: Any, expected: Any) -> None:
    assert cfn(raw, Mappings={"m": {"k": {"v": "w"}}}) == expected


@pytest.mark.parametrize(
    ("name", "wrongs"),
    [
        ("Fn::Select", ["a", [1]]),
        ("Fn::Replace", ["a", [{}], [{}, 1], ["a", "b"]]),
        ("Fn::FindInMap", ["m", ["m", "k"], ["n", "k", "v"], ["m", "n", "v"], ["m", ["k"], "v"]]),
        ("Fn::MemberListToMap", ["a", ["Name", "Value"], ["Name", "Value", "a"]]),
        ("Fn::GetAtt", ["a", ["a"], 7]),
        ("Ref", [["a"], 7]),
    ],
)
def test_arguments_that_a_function_of_cloudformation_does_not_take(
    name: str, wrongs: list[Any]
) -> None:
    for one in wrongs:
        with pytest.raises(Wrong):
            pytest.fail(f"{one}: {cfn({name: one}, Mappings={'m': {'k': {'v': 'w'}}})}")


@pytest.mark.parametrize(
    ("raw", "holds"),
    [
        ({"equals": ["a", "a"]}, True),
        ({"equals": [{"not": "yes"}, False]}, True),
        ({"equals": [1, "1"]}, False),
        ({"not": ["yes"]}, False),
        ({"and": ["yes", True]}, True),
        ({"and": ["yes", False]}, False),
        ({"or": ["yes", False]}, True),
        ({"or": [{"not": "yes"}, False]}, False),
        ({"contains": ["a", ["a"]]}, True),
        ({"get_param": "flag"}, True),
    ],
)
def test_what_a_condition_comes_to(raw: Any, holds: bool) -> None:
    template = {
        "parameters": {"flag": {"type": "boolean", "default": True}},
        "conditions": {"yes": True, "it": raw},
    }
    assert program(template).static.value({"if": ["it", 1, 2]}) == (1 if holds else 2)
    assert program(template).static.value({"if": ["it", 1]}) == (1 if holds else None)


@pytest.mark.parametrize(
    "raw",
    [7, [], {}, {"equals": "a"}, {"equals": ["a"]}, {"equals": ["a", "b", "c"]}, {"not": [True, False]},
     {"not": "nosuch"}, {"and": [True]}, {"or": True}, {"and": [True, 7]}, {"nosuch": 1}, {"get_param": "text"},
     {"equals": ["a", "b"], "not": True}],
)  # fmt: skip
def test_what_is_not_a_condition(raw: Any) -> None:
    template = {
        "parameters": {"text": {"type": "string", "default": "perhaps"}},
        "conditions": {"it": raw},
    }
    with pytest.raises(Wrong):
        program(template).static.value({"if": ["it", 1, 2]})


def test_conditions_decide_what_there_is() -> None:
    chosen = {"if": ["prod", {"get_attr": ["a", "value"]}, {"get_attr": ["b", "value"]}]}
    template = {
        "parameters": {"env": {"type": "string"}},
        "conditions": {"prod": {"equals": [{"get_param": "env"}, "prod"]}, "not_prod": {"not": "prod"}},
        "resources": {
            "a": {"type": "OS::Heat::RandomString", "condition": "prod"},
            "b": {"type": "OS::Heat::RandomString", "condition": {"and": ["not_prod", {"or": ["prod", "not_prod"]}]}},
            "c": {"type": "OS::Heat::Value", "properties": {"value": chosen}},
        },
    }  # fmt: skip
    assert program(template, env="prod").needs == {"a": set(), "c": {"a"}}
    assert program(template, env="test").needs == {"b": set(), "c": {"b"}}


@pytest.mark.parametrize(
    "raw",
    [
        {"repeat": {"template": "%a%", "for_each": {f"%{n}%": list(range(1000)) for n in "abcd"}}},
        {"str_replace": {"template": "a" * 100_000, "params": {"a": "b" * 100_000}}},
        {"list_join": ["x" * 100_000, [""] * 1000]},
    ],
)
def test_what_would_be_too_much_is_not_made(raw: Any) -> None:
    with pytest.raises(Wrong, match="would make more"):
        value(raw)


def test_a_small_text_that_would_become_large_is_refused() -> None:
    lines = ["a: &a [x, x, x, x, x, x, x, x, x]"]
    lines += [
        f"{b}: &{b} [{', '.join(['*' + a] * 9)}]"
        for a, b in zip("abcdefgh", "bcdefghi", strict=True)
    ]
    for text in (
        "\n".join(lines),
        "&a [*a]",
        "[" * 5000,
        "a: " + "b" * SIZE,
        "!!python/object:os.system {}",
    ):
        with pytest.raises(BadInput):
            texts.parse(text, "template", maximum=SIZE)


def test_dates_and_other_keys_are_texts() -> None:
    assert texts.parse("heat_template_version: 2013-05-23\n1: true", "template", maximum=SIZE) == {
        "heat_template_version": "2013-05-23",
        "1": True,
    }


@pytest.mark.parametrize(
    ("template", "why"),
    [
        ({"resources": {"a": {"type": "OS::No"}}}, "could not be found"),
        ({"resources": {"a": {"type": "OS::Heat::Value", "properties": {"value": {"get_attr": ["b", "x"]}}}}},
         "is incorrect"),
        ({"resources": {n: {"type": "OS::Heat::RandomString", "depends_on": m} for n, m in ("ab", "ba")}}, "Circular"),
        ({"resource": {}}, "The template section is invalid: resource"),
        ({"parameters": {"p": {"type": "string", "default": "ab", "constraints": [{"length": {"max": 1}}]}}}, "length"),
        ({"heat_template_version": "2013-05-24"}, "The template version is invalid"),
    ],
)  # fmt: skip
def test_templates_that_are_none(template: dict[str, Any], why: str) -> None:
    with pytest.raises(Wrong, match=why):
        program(template)


def test_hidden_values_are_stars_through_templates_within() -> None:
    found = program({"parameters": {"p": {"type": "string", "hidden": True}}}, p="secret")
    assert found.shown_parameters()["p"] == "******"
    assert found.hidden_in({"list_join": ["", [{"get_param": "p"}]]})


def test_each_function_of_each_version_is_explained() -> None:
    assert {name for one in ALL for name in one.functions | one.conditions} == set(ABOUT)


def test_each_type_has_a_schema_that_reads_its_defaults() -> None:
    for kind in catalog.all_types().values():
        for name, one in kind.properties.items():
            if one.default is not None and not one.refused:
                assert one.read(one.default, name) == one.default, (kind.name, name)


def test_json_is_read_with_tabs_and_held_to_the_same() -> None:
    """What is JSON is read as such: YAML knows no tab in front of a value."""
    text = '\n\t{\n\t\t"heat_template_version": "2013-05-23",\n\t\t"a": [1, "b"]\n\t}\n'
    found = {"heat_template_version": "2013-05-23", "a": [1, "b"]}
    assert texts.parse(text, "template", maximum=SIZE) == found
    for odd in ("\t" + "[" * 62 + "]" * 62, '{"a": "\\u0000"}', "[" + "1," * 100_001 + "1]"):
        with pytest.raises(BadInput):
            texts.parse(odd, "template", maximum=SIZE)
