"""Templates, environments and functions that somebody wrote to break things: refused, and soon."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hanok.base.errors import BadInput
from hanok.services.orchestration.logic import environments, texts, validation, wishes
from hanok.services.orchestration.logic.functions import _FUNCTIONS, Budget, Wrong
from hanok.services.orchestration.logic.program import Names, Program, Source
from hanok.services.orchestration.room import OrchestrationSettings
from hanok.services.orchestration.schemas import StackBody

SIZE = 1 << 19
SETTINGS = OrchestrationSettings()
ROUNDS = 20_000_000  # of what a function costs: more than any may cost, and soon counted


def program(
    template: dict[str, Any], files: dict[str, str] | None = None, **given_: Any
) -> Program:
    whole = {"heat_template_version": "wallaby", **template}
    source = Source(template=whole, environment={"parameters": given_}, files=files or {})
    return Program(source, Names(name="s"), maximum=SIZE)


def check(template: dict[str, Any], files: dict[str, str] | None = None, **given_: Any) -> None:
    validation.check(program(template, files, **given_), SETTINGS, lambda kind: True)


def cost(raw: Any, **given_: Any) -> int:
    """What a value costs of its budget, or all of it."""
    declared = {
        name: {"type": "json" if isinstance(one, dict | list) else "string"}
        for name, one in given_.items()
    }
    found = program({"parameters": declared}, **given_)
    budget = Budget()
    before = budget.left
    try:
        found.scope(budget=budget).value(raw)
    except Wrong:
        return ROUNDS
    return before - budget.left


LARGE = "a" * 200_000
LISTED = list(range(50_000))


@pytest.mark.parametrize(
    ("raw", "given_"),
    [
        ([{"digest": ["sha512", {"get_param": "p"}]}] * 500, {"p": LARGE}),
        ([{"list_join": ["", [{"get_param": "p"}]]}] * 500, {"p": {"k": LARGE}}),
        ([{"map_merge": [{"get_param": "p"}]}] * 500, {"p": {str(one): 1 for one in LISTED}}),
        ([{"list_concat": [{"get_param": "p"}]}] * 500, {"p": LISTED}),
        ([{"filter": [[], {"get_param": "p"}]}] * 500, {"p": LISTED}),
        ([{"contains": ["b", {"get_param": "p"}]}] * 500, {"p": LARGE}),
        ({"str_replace": {"template": LARGE, "params": {f"{one}b": "" for one in range(20_000)}}}, {}),
        ({"repeat": {"template": LARGE, "for_each": {f"{one}b": ["y"] for one in range(9000)}}}, {}),
        ([{"make_url": {"path": {"get_param": "p"}}}] * 500, {"p": LARGE}),
    ],
)  # fmt: skip
def test_what_is_searched_hashed_or_copied_is_paid_for(raw: Any, given_: dict[str, Any]) -> None:
    assert cost(raw, **given_) == ROUNDS


def test_properties_share_what_they_may_make() -> None:
    resources = {
        f"r{at}": {"type": "OS::Heat::Value", "properties": {"value": {"get_param": "p"}}}
        for at in range(100)
    }
    with pytest.raises(Wrong, match="would make more"):
        check({"parameters": {"p": {"type": "string"}}, "resources": resources}, p=LARGE)


def test_templates_within_each_other_are_counted_before_they_are_read() -> None:
    files = {
        f"{at}.yaml": "heat_template_version: wallaby\nresources:\n"
        + "".join(f"  r{n}: {{type: {at + 1}.yaml}}\n" for n in range(90))
        for at in range(3)
    }
    files["3.yaml"] = "heat_template_version: wallaby\n"
    with pytest.raises(BadInput, match="Maximum resources"):
        check({"resources": {f"r{n}": {"type": "0.yaml"} for n in range(90)}}, files)


def test_a_template_of_the_files_is_read_once() -> None:
    many = "".join(f"  p{n}: {{type: string, default: x}}\n" for n in range(300))
    files = {"f.yaml": f"heat_template_version: wallaby\nparameters:\n{many}"}
    resources = {f"r{n}": {"type": "f.yaml"} for n in range(400)}
    one = program({"resources": resources}, files)
    validation.check(one, SETTINGS, lambda kind: True)
    assert len({id(one.nested_template("f.yaml")) for _ in range(3)}) == 1


def test_programs_within_share_what_they_may_make() -> None:
    value = {"list_join": ["", ["x" * 100_000]]}
    files = {
        "f.yaml": "heat_template_version: wallaby\nresources: {r: {type: OS::Heat::Value, properties: "
        f"{{value: {{list_join: ['', ['{'x' * 100_000}']]}}}}}}}}\n"
    }
    assert cost(value) > 100_000
    with pytest.raises(Wrong, match="would make more"):
        check({"resources": {f"r{n}": {"type": "f.yaml"} for n in range(200)}}, files)


def test_members_of_a_group_are_measured_before_they_are_made() -> None:
    definition = {"type": "OS::Heat::Value", "properties": {"value": LARGE}}
    group = {"count": 1000, "index_var": "a", "resource_def": definition}
    with pytest.raises(Wrong, match="would make more"):
        check({"resources": {"g": {"type": "OS::Heat::ResourceGroup", "properties": group}}})


def test_a_template_with_too_many_resources_is_refused_first() -> None:
    resources = {f"r{at}": {"type": "OS::Neutron::Router"} for at in range(20_000)}
    with pytest.raises(BadInput, match="Maximum resources"):
        check({"resources": resources})


# ---- odd forms ----


@pytest.mark.parametrize(
    "template",
    [
        {"parameters": {"p": {"type": []}}},
        {"parameters": {"p": {"type": {}}}},
        {"parameters": {"p": {"type": "string", "tags": 5}}},
        {"parameters": {"p": {"type": "number", "default": "9" * 30}}},
        {"parameters": {"p": {"type": "number", "default": "nan"}}},
        {"parameters": {"p": {"type": "json", "default": "[" * 200 + "]" * 200}}},
        {"parameters": {"p": {"type": "json", "default": '["\\u0000"]'}}},
        {"parameters": {"p": {"type": "string"}}, "parameter_groups": [{"parameters": [[]]}]},
        {"resources": {"r": {"type": "x" * 256 + ".yaml"}}},
        {"resources": {"r": {"type": "OS::Heat::RandomString", "properties": {"length": "1.0e999"}}}},
        {"resources": {"r": {"type": "OS::Heat::TestResource", "properties": {"wait_secs": "1.0e999"}}}},
        {"resources": {"r": {"type": "OS::Heat::RandomString", "condition": []}}},
    ],
)  # fmt: skip
def test_odd_templates_are_refused(template: dict[str, Any]) -> None:
    with pytest.raises(BadInput):
        check(template)


@pytest.mark.parametrize(
    "raw",
    [
        {"repeat": {"template": "x", "for_each": {"": ["a"]}}},
        {"resource_facade": []},
        {"get_file": []},
    ],
)
def test_odd_arguments_are_refused(raw: Any) -> None:
    with pytest.raises(Wrong):
        program({}).static.value(raw)


def test_an_index_of_two_signs_is_none() -> None:
    one = program({"parameters": {"p": {"type": "json"}}}, p=[1])
    assert one.static.value({"get_param": ["p", "--1"]}) is None


@pytest.mark.parametrize(
    "text", ['a: "\\0"', 'a: "\\ud800"', '"\\0": a', "a: 99999999999999999999", "a: .inf"]
)
def test_what_cannot_be_kept_is_refused(text: str) -> None:
    with pytest.raises(BadInput):
        texts.parse(text, "template", maximum=SIZE)


@pytest.mark.parametrize(
    "raw",
    [
        {"resource_registry": {"resources": [1]}},
        {"resource_registry": {"resources": {"a": {"hooks": 5}}}},
        {"resource_registry": {"resources": {"a": {"hooks": {"pre-create": 1}}}}},
        {"resource_registry": {"resources": {"a": {"T": 5}}}},
        {"resource_registry": {"base_url": "http://x"}},
        {"parameter_merge_strategies": {"p": "sideways"}},
        {"parameter_merge_strategies": {"p": []}},
        {"event_sinks": [{}]},
    ],
)
def test_odd_environments_are_refused(raw: Any) -> None:
    with pytest.raises(BadInput):
        environments.read(raw, maximum=SIZE)


def test_patches_do_not_grow_a_stack_without_end() -> None:
    before = Source(template={"heat_template_version": "wallaby"}, files={"x" * 900_000: ""})
    with pytest.raises(BadInput, match="files"):
        wishes.read(StackBody(files={"y" * 900_000: ""}), SETTINGS, before, patch=True)
    before = Source(
        template=before.template, environment={"parameter_defaults": {"a": "x" * 900_000}}
    )
    body = StackBody(environment={"parameter_defaults": {"b": "x" * 400_000}})
    with pytest.raises(BadInput, match="environment"):
        wishes.read(body, SETTINGS, before, patch=True)


_NUMBERS = st.integers(-(1 << 65), 1 << 65) | st.floats(allow_nan=False, allow_infinity=False)
_LEAVES = st.none() | st.booleans() | _NUMBERS | st.sampled_from(
    ["", "a", "p", "j", "r", "-1", "--1", "0", "md5", "é", "1e999"]
)  # fmt: skip
_CALLS = st.sampled_from(sorted(_FUNCTIONS))
_NAMES = ["a", "template", "params", "for_each", "keys", "values", "host", "port", "path", "query", "permutations",
          ""]  # fmt: skip


def nested(leaves: Any, names: list[str]) -> Any:
    """Values in each other, three deep, some of them calls of functions."""
    found = leaves
    for _ in range(3):
        calls = st.tuples(_CALLS, found).map(lambda call: {call[0]: call[1]})
        maps = st.dictionaries(st.sampled_from(names), found, max_size=3)
        found = leaves | calls | maps | st.lists(found, max_size=3)
    return found


_VALUES = nested(_LEAVES, _NAMES)


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(_VALUES, st.sampled_from(["wallaby", "2013-05-23"]))
def test_no_value_breaks_a_function(raw: Any, version: str) -> None:
    template = {
        "heat_template_version": version,
        "parameters": {"p": {"type": "string"}, "j": {"type": "json"}},
    }
    source = Source(template=template, environment={"parameters": {"p": "a,b", "j": {"a": [1]}}})
    one = Program(source, Names(name="s"), maximum=SIZE)
    try:
        one.static.value(raw)
    except BadInput:
        return


_SECTIONS = ["type", "default", "constraints", "hidden", "tags", "label", "properties", "metadata", "depends_on",
             "value", "condition", "external_id", "deletion_policy", "update_policy", "parameters", "range",
             "length", "modulo",
             "allowed_values", "allowed_pattern", "min", "max", "step", "offset"]  # fmt: skip
_BODY = nested(
    _LEAVES
    | st.sampled_from(
        ["string", "number", "json", "boolean", "OS::Heat::Value", "OS::Heat::ResourceGroup"]
    ),
    _SECTIONS,
)


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.dictionaries(
        st.sampled_from(["parameters", "resources", "outputs", "conditions", "parameter_groups", "description"]),
        _BODY | st.dictionaries(st.sampled_from(["a", "r"]), _BODY, max_size=2),
        max_size=4,
    )
)  # fmt: skip
def test_no_template_breaks_the_reader(template: dict[str, Any]) -> None:
    try:
        check(template)
    except BadInput:
        return
