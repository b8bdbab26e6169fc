"""What parameters and properties may be, what of them is refused, and as what they are shown."""

from __future__ import annotations

from typing import Any

import pytest

from hanok.services.orchestration.logic import parameters
from hanok.services.orchestration.logic.functions import UNKNOWN, Missing, Wrong
from hanok.services.orchestration.logic.parameters import Values, of_cfn, of_hot
from hanok.services.orchestration.logic.types import model
from hanok.services.orchestration.logic.types.model import Property


@pytest.mark.parametrize(
    ("kind", "given", "value"),
    [
        ("string", "a", "a"),
        ("string", None, ""),
        ("string", True, "True"),
        ("string", 7, "7"),
        ("string", ["a"], Wrong),
        ("number", "7", 7),
        ("number", " -7 ", -7),
        ("number", "+7", 7),
        ("number", "7.5", 7.5),
        ("number", 7.5, 7.5),
        ("number", "", Wrong),
        ("number", True, Wrong),
        ("number", ["7"], Wrong),
        ("number", "nan", Wrong),
        ("number", "-inf", Wrong),
        ("number", "9" * 101, Wrong),
        ("comma_delimited_list", "a, b", ["a", "b"]),
        ("comma_delimited_list", "", []),
        ("comma_delimited_list", None, []),
        ("comma_delimited_list", [1, "a"], ["1", "a"]),
        ("comma_delimited_list", 7, Wrong),
        ("json", {"a": 1}, {"a": 1}),
        ("json", '["a"]', ["a"]),
        ("json", "", {}),
        ("json", None, {}),
        ("json", "7", Wrong),
        ("json", "{", Wrong),
        ("boolean", True, True),
        ("boolean", " Yes", True),
        ("boolean", "0", False),
        ("boolean", "perhaps", Wrong),
    ],
)
def test_what_is_given_for_a_parameter(kind: str, given: Any, value: Any) -> None:
    parameter = of_hot("p", {"type": kind})
    if value is Wrong:
        with pytest.raises(Wrong, match="Parameter 'p' is invalid: "):
            parameter.read(given)
    else:
        found = parameter.read(given)
        assert (found, type(found)) == (value, type(value))


LENGTH, RANGE = {"length": {"min": 2, "max": "3"}}, {"range": {"min": 2, "max": 3.5}}
MODULO, VALUES = {"modulo": {"step": 3, "offset": 1}}, {"allowed_values": ["a", 1]}


@pytest.mark.parametrize(
    ("kind", "constraint", "fitting", "odd"),
    [
        ("string", LENGTH, ["ab", "abc"], ["a", "abcd"]),
        ("json", LENGTH, [[1, 2], {"a": 1, "b": 2, "c": 3}], [[1], {}]),
        ("number", LENGTH, [7], []),
        ("number", RANGE, [2, "3.5"], [1, "3.6"]),
        ("number", {"range": {"min": 2}}, [2, 10**9], [1]),
        ("number", {"range": {"max": 2}}, [2, -(10**9)], [3]),
        ("string", RANGE, ["a"], []),
        ("number", MODULO, [1, 4, -2], [0, 2, 3]),
        ("string", MODULO, ["2"], []),
        ("string", VALUES, ["a", "1"], ["b", ""]),
        ("number", VALUES, [1, "1"], [2]),
        ("comma_delimited_list", VALUES, ["a,1", ""], ["a,b", "b"]),
        ("string", {"allowed_pattern": "[a-c]+"}, ["ab"], ["abd", "", "xab"]),
        ("string", {"custom_constraint": "glance.image"}, ["anything"], []),
    ],
)
def test_constraints(kind: str, constraint: Any, fitting: list[Any], odd: list[Any]) -> None:
    parameter = of_hot("p", {"type": kind, "constraints": [constraint]})
    for one in fitting:
        parameter.read(one)
    for one in odd:
        with pytest.raises(Wrong):
            pytest.fail(f"{one} was taken: {parameter.read(one)}")


def test_a_constraint_says_its_own_words_and_a_hidden_value_is_quoted_nowhere() -> None:
    plain = {"type": "string", "constraints": [LENGTH]}
    worded = {"type": "string", "constraints": [{**LENGTH, "description": "two or three"}]}
    for raw, said in (
        (plain, "Parameter 'p' is invalid: length (6) is out of range (min: 2, max: 3)"),
        ({**plain, "hidden": "yes"}, "Parameter 'p' is invalid"),
        (worded, "Parameter 'p' is invalid: two or three"),
        ({**worded, "hidden": True}, "Parameter 'p' is invalid: two or three"),
    ):
        with pytest.raises(Wrong) as refused:
            of_hot("p", raw).read("secret")
        assert refused.value.message == said


@pytest.mark.parametrize(
    "raw",
    [
        "string", {}, {"type": "text"}, {"type": ["string"]}, {"type": "string", "more": 1},
        {"type": "string", "hidden": "perhaps"}, {"type": "string", "immutable": 7}, {"type": "string", "tags": "a"},
        {"type": "string", "tags": [1]}, {"type": "number", "default": "a"}, {"type": "string", "constraints": {}},
        {"type": "string", "constraints": ["a"]}, {"type": "string", "default": "a", "constraints": [LENGTH]},
    ],
)  # fmt: skip
def test_declarations_that_are_none(raw: Any) -> None:
    with pytest.raises(Wrong):
        of_hot("p", raw)


@pytest.mark.parametrize(
    "constraint",
    [
        {}, {"description": "d"}, {"long": 1}, {**LENGTH, **RANGE}, {"length": {}}, {"length": 2},
        {"length": {"least": 2}}, {"range": {"min": "a"}}, {"range": {"min": None}}, {"modulo": {"step": 2}},
        {"modulo": 2}, {"modulo": {"step": 0, "offset": 0}}, {"modulo": {"step": "a", "offset": 0}},
        {"allowed_values": "a"}, {"allowed_pattern": 7}, {"allowed_pattern": "((("}, {"custom_constraint": []},
    ],
)  # fmt: skip
def test_constraints_that_are_none(constraint: dict[str, Any]) -> None:
    with pytest.raises(Wrong):
        of_hot("p", {"type": "string", "constraints": [constraint]})


@pytest.mark.parametrize(
    "raw",
    [7, {}, {"Type": ""}, {"Type": "string"}, {"Type": ["String"]}, {"Type": "String", "type": "String"},
     {"Type": "String", "NoEcho": "perhaps"}, {"Type": "String", "MinLength": "a"},
     {"Type": "String", "AllowedValues": 7},
     {"Type": "Number", "Default": "a"}, {"Type": "Number", "Default": 1, "MinValue": 2}],
)  # fmt: skip
def test_declarations_of_cloudformation_that_are_none(raw: Any) -> None:
    with pytest.raises(Wrong):
        of_cfn("p", raw)


def test_parameters_of_cloudformation_are_the_same_otherwise_spelled() -> None:
    raw = {
        "Type": "String", "Default": "ab", "NoEcho": "true", "MinLength": 2, "MaxLength": "3",
        "AllowedPattern": "[a-c]+",
        "AllowedValues": ["ab", "abc"], "ConstraintDescription": "letters", "Label": "L", "Description": "D",
    }  # fmt: skip
    made = of_cfn("p", raw)
    assert (made.type, made.hidden, made.label, made.description) == ("string", True, "L", "D")
    assert [one.kind for one in made.constraints] == ["length", "allowed_values", "allowed_pattern"]
    for one in ("a", "abca", "bca", "abd"):
        with pytest.raises(Wrong, match="letters"):
            made.read(one)
    shown = parameters.described(made, "abc")
    assert (shown["MinLength"], shown["MaxLength"], shown["Value"]) == (2, 3, "******")
    assert shown["NoEcho"] == "true" and shown["ConstraintDescription"] == "letters"


def values(given: dict[str, Any], defaults: dict[str, Any] | None = None) -> Values:
    declared = {
        "must": of_hot("must", {"type": "string"}),
        "may": of_hot("may", {"type": "number", "default": 7}),
        "list": of_hot("list", {"type": "comma_delimited_list", "default": "a,b"}),
        "json": of_hot("json", {"type": "json", "default": {"a": 1}}),
        "secret": of_hot("secret", {"type": "string", "hidden": True, "default": "s"}),
    }
    return Values(declared, given, defaults or {}, {"OS::stack_name": "n"})


def test_what_was_given_counts_before_the_environment_and_that_before_the_default() -> None:
    for given, defaults, found in (
        ({"may": 1}, {"may": 2}, 1),
        ({}, {"may": 2}, 2),
        ({"may": None}, {"may": None}, 7),
    ):
        assert values(given, defaults)("may") == found
    assert values({})("OS::stack_name") == "n"


def test_what_is_missing_or_not_known() -> None:
    for name in ("must", "nothing"):
        with pytest.raises(Missing):
            values({})(name)
    values({}).check(complete=False)
    values({"must": ""}).check()
    for one, complete in (
        (values({}), True),
        (values({"nothing": 1}), False),
        (values({"may": "x"}), False),
    ):
        with pytest.raises(Wrong):
            one.check(complete=complete)


def test_a_stack_shows_texts_and_stars() -> None:
    assert values({"must": "m", "json": '{"b": 2}'}).shown() == {
        "OS::stack_name": "n", "must": "m", "may": "7", "list": "a,b", "json": '{"b": 2}', "secret": "******",
    }  # fmt: skip
    assert values({}).shown()["json"] == '{"a":1}' and "must" not in values({}).shown()


@pytest.mark.parametrize(
    ("kind", "given", "value"),
    [
        ("string", 7, "7"),
        ("string", True, "True"),
        ("string", ["a"], Wrong),
        ("integer", "7", 7),
        ("integer", " -7", -7),
        ("integer", 7.0, 7),
        ("integer", 7.5, Wrong),
        ("integer", True, Wrong),
        ("integer", "7.0", Wrong),
        ("integer", "--7", Wrong),
        ("integer", "1" * 25, Wrong),
        ("integer", None, Wrong),
        ("number", "7", 7),
        ("number", "7.5", 7.5),
        ("number", True, Wrong),
        ("number", "a", Wrong),
        ("number", "1." + "0" * 50, Wrong),
        ("boolean", "off", False),
        ("boolean", "x", Wrong),
        ("list", ["a"], ["a"]),
        ("list", "a,b", ["a", "b"]),
        ("list", '["a,b"]', ["a,b"]),
        ("list", "", []),
        ("list", {"a": 1}, Wrong),
        ("list", "[", Wrong),
        ("map", {"a": 1}, {"a": 1}),
        ("map", '{"a": 1}', {"a": 1}),
        ("map", "", {}),
        ("map", " ", Wrong),
        ("map", "[]", Wrong),
        ("map", 7, Wrong),
        ("any", [7], [7]),
    ],
)
def test_what_is_given_for_a_property(kind: Any, given: Any, value: Any) -> None:
    if value is Wrong:
        with pytest.raises(Wrong, match="Property error: "):
            Property(type=kind).read(given, "r.p")
    else:
        found = Property(type=kind).read(given, "r.p")
        assert (found, type(found)) == (value, type(value))


DECLARED = {
    "must": Property(required=True, constraints=model.one_of("a", "b")),
    "may": Property(type="integer", default=7, constraints=model.within(1, 9)),
    "not": Property(refused="it is not served."),
    "in": Property(type="map", within={"must": Property(required=True), "list": Property()}),
    "each": Property(type="list", item=Property(type="integer"), constraints=model.long(0, 2)),
}


@pytest.mark.parametrize(
    ("given", "found"),
    [
        ({"must": "a"}, {"must": "a", "may": 7}),
        ({"must": "b", "may": None, "not": None}, {"must": "b", "may": 7}),
        ({"must": "a", "in": {"must": 1}}, {"must": "a", "may": 7, "in": {"must": "1", "list": None}}),
        ({"must": "a", "each": ["1", 2]}, {"must": "a", "may": 7, "each": [1, 2]}),
        ({"must": UNKNOWN, "each": [UNKNOWN] * 3}, {"must": UNKNOWN, "may": 7, "each": [UNKNOWN] * 3}),
    ],
)  # fmt: skip
def test_properties_are_all_there_as_they_are_declared(given: Any, found: dict[str, Any]) -> None:
    nothing = dict.fromkeys(DECLARED)
    assert model.read(DECLARED, given, "r") == {**nothing, **found}


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ({}, "r: Property must not assigned"),
        ({"must": None}, "Property must not assigned"),
        ({"must": "c"}, "r.must: "),
        ({"must": "a", "may": 10}, "r.may: 10 is out of range"),
        ({"must": "a", "more": 1}, "Unknown Property more"),
        ({"must": "a", "not": "x"}, "r.not: it is not served"),
        ({"must": "a", "in": {}}, "r.in: Property must not assigned"),
        ({"must": "a", "in": {"must": "a", "more": 1}}, "r.in: Unknown Property more"),
        ({"must": "a", "each": ["1", "x"]}, r"r.each\[1\]: "),
        ({"must": "a", "each": [1, 2, 3]}, "r.each: length"),
    ],
)
def test_properties_that_are_refused(given: dict[str, Any], why: str) -> None:
    with pytest.raises(Wrong, match=why):
        model.read(DECLARED, given, "r")
