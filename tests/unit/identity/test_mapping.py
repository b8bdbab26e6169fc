"""Mapping rules: what they accept, and what they make of what a provider says."""

from __future__ import annotations

from typing import Any, NamedTuple, cast

import pytest

from hanok.base.errors import BadInput
from hanok.services.identity.logic import certificates, limits
from hanok.services.identity.logic.mapping import (
    Domain,
    Mapped,
    MappedGroup,
    MappedProject,
    MappedRole,
    MappedUser,
    apply,
    rules_of,
)

SAID = {
    "name": ["jdoe"],
    "mail": ["jane@example.org"],
    "groups": ["staff", "admins"],
    "one": ["staff"],
    "odd": ["{0}", "{mail}", "a;b"],
}


def made(*rules: dict[str, Any], version: str = "1.0") -> Mapped:
    return apply(rules_of(list(rules), version), SAID)


def rule(remote: list[Any], *local: dict[str, Any]) -> dict[str, Any]:
    return {"remote": remote, "local": list(local)}


NAME = {"type": "name"}
USER = {"user": {"name": "{0}"}}


def test_values_fill_the_marks_in_order() -> None:
    found = made(
        rule([NAME, {"type": "one", "any_one_of": ["staff"]}, {"type": "mail"}],
             {"user": {"name": "{0}", "email": "{1}", "id": "u-{0}-{0}"}})
    )  # fmt: skip
    assert (found.user.name, found.user.email, found.user.id) == (
        "jdoe", "jane@example.org", "u-jdoe-jdoe",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("requirement", "holds"),
    [
        ({"type": "nothing"}, False),
        ({"type": "groups", "any_one_of": ["admins", "x"]}, True),
        ({"type": "groups", "any_one_of": ["x"]}, False),
        ({"type": "groups", "any_one_of": ["^adm"], "regex": True}, True),
        ({"type": "groups", "any_one_of": ["^min"], "regex": True}, False),
        ({"type": "groups", "not_any_of": ["x"]}, True),
        ({"type": "groups", "not_any_of": ["staff"]}, False),
        ({"type": "groups", "not_any_of": ["ff$"], "regex": True}, False),
        ({"type": "groups", "whitelist": ["x"]}, True),  # it filters; nothing is left
    ],
)
def test_a_rule_counts_when_all_that_it_asks_for_holds(
    requirement: dict[str, Any], holds: bool
) -> None:
    rules = [rule([NAME, requirement], USER)]
    if holds:
        assert made(*rules).user.name == "jdoe"
    else:
        with pytest.raises(BadInput, match="Could not map any federated user"):
            made(*rules)


@pytest.mark.parametrize(
    ("requirement", "names"),
    [
        ({"type": "groups"}, ["staff", "admins"]),
        ({"type": "one"}, ["staff"]),
        ({"type": "groups", "whitelist": ["admins", "x"]}, ["admins"]),
        ({"type": "groups", "blacklist": ["admins"]}, ["staff"]),
        ({"type": "groups", "blacklist": ["^s"], "regex": True}, ["admins"]),
        ({"type": "groups", "whitelist": ["^s"], "regex": True}, ["staff"]),
    ],
)
def test_groups_by_filter(requirement: dict[str, Any], names: list[str]) -> None:
    local = {"groups": "{1}", "domain": {"name": "d"}}
    found = made(rule([NAME, requirement], USER, local))
    assert found.groups == [MappedGroup(name=name, domain=Domain(name="d")) for name in names]
    found = made(rule([NAME, requirement], USER, {"group_ids": "{1}"}))
    assert found.group_ids == names


def test_what_a_provider_says_is_no_part_of_a_rule() -> None:
    local = {"groups": "{0}", "domain": {"id": "d"}}
    found = made(rule([{"type": "odd"}], local))
    assert [group.name for group in found.groups] == ["{0}", "{mail}", "a;b"]


def test_several_rules_add_up_and_the_first_user_counts() -> None:
    found = made(
        rule([NAME], {"user": {"name": "{0}"}, "group": {"id": "g1"}}),
        rule([{"type": "mail"}], {"user": {"name": "{0}"}}, {"group": {"id": "g1"}}),
        rule([NAME], {"groups": "['a', 'b']", "domain": {"id": "d"}}),
        rule([NAME], {"group": {"name": "c", "domain": {"name": "e"}}}),
        rule([{"type": "nothing"}], {"group": {"id": "g2"}}),
    )
    assert found.user.name == "jdoe"
    assert found.group_ids == ["g1"]
    assert [group.name for group in found.groups] == ["a", "b", "c"]


def test_projects() -> None:
    roles = [{"name": "member"}]
    found = made(rule([NAME], {"projects": [{"name": "of-{0}", "roles": roles}]}))
    assert found.projects == [MappedProject("of-jdoe", [MappedRole("member")])]
    with_domain = rule([NAME], {"projects": [{"name": "p", "roles": roles, "domain": {"id": "d"}}]})
    assert made(with_domain, version="2.0").projects[0].domain == Domain(id="d")
    text = '[{"name": "p", "roles": [{"name": "member"}], "domain": {"name": "d"}}]'
    as_json = rule([{"type": "projects"}], {"projects_json": "{0}"})
    found = apply(rules_of([as_json], "3.0"), {"projects": [text]})
    assert found.projects == [MappedProject("p", [MappedRole("member")], Domain(name="d"))]
    with pytest.raises(BadInput):
        apply(rules_of([as_json], "3.0"), {"projects": ["[{"]})
    for wrong, version in ((with_domain, "1.0"), (as_json, "2.0")):
        with pytest.raises(BadInput):
            rules_of([wrong], version)


def test_groups_may_bring_their_domains() -> None:
    said = {"groups": ['JSON:{"name": "a", "domain": {"name": "d"}}']}
    rules = rules_of([rule([{"type": "groups"}], {"groups": "{0}"})], "1.0")
    assert apply(rules, said).groups == [MappedGroup(name="a", domain=Domain(name="d"))]
    for wrong in ("a", "JSON:{", 'JSON:{"name": "a"}'):
        with pytest.raises(BadInput, match="'groups' and 'domain'"):
            apply(rules, {"groups": [wrong]})


def test_a_mark_without_a_value_is_said_to_be_one() -> None:
    with pytest.raises(BadInput, match=r"uses \{1\}"):
        made(rule([NAME], {"user": {"name": "{1}"}}))


@pytest.mark.parametrize(
    "wrong",
    [
        [],
        "x",
        [{}],
        [{"local": []}],
        [rule([])],
        [rule([{}], USER)],
        [rule([{"type": 1}], USER)],
        [rule([{"type": "a", "any_one_of": ["b"], "whitelist": ["c"]}], USER)],
        [rule([{"type": "a", "regex": True}], USER)],
        [rule([{"type": "a", "whitelist": ["("], "regex": True}], USER)],
        [rule([{"type": "a", "colour": "b"}], USER)],
        [rule([NAME], {"user": {"type": "other"}})],
        [rule([NAME], {"user": {"colour": "b"}})],
        [rule([NAME], {"group": {"name": "g"}})],
        [rule([NAME], {"group": {"name": "g", "id": "i", "domain": {"id": "d"}}})],
        [{**rule([NAME], USER), "colour": 1}],
    ],
)
def test_what_is_no_rule_is_refused(wrong: Any) -> None:
    with pytest.raises(BadInput):
        rules_of(wrong, "1.0")
    with pytest.raises(BadInput):
        rules_of([rule([NAME], USER)], "9")


def test_a_text_that_stands_for_a_list() -> None:
    domain = {"domain": {"id": "d"}}

    def names(text: str) -> list[str | None]:
        return [group.name for group in made(rule([NAME], {"groups": text, **domain})).groups]

    assert names("['a', 'b', 5]") == ["a", "b", "5"]
    assert names("""["O'Brien's", 'the "a" team']""") == ["O'Brien's", 'the "a" team']
    assert names("'a'") == ["'a'"] and names("5") == ["5"]  # no lists
    assert names("[a") == ["[a"]
    for endless in ("-" * 100_000 + "1", "[" * 100_000):  # more than a parser goes into
        assert names(endless) == [endless]
    assert names("['{0}']") == ["['jdoe']"]  # with marks it is one text, whatever comes of it
    assert names("team-{0}") == ["team-jdoe"] and names("{0}") == ["jdoe"]
    ids = made(rule([{"type": "groups"}], {"group_ids": "{0}"}, {"group_ids": "['x']"}))
    assert ids.group_ids == ["staff", "admins", "x"]


@pytest.mark.parametrize(
    "text",
    [
        "-" * 100_000 + "1",
        "[" + "(" * 10_000 + "]",
        "1+" * 30_000 + "1",
        "not " * 5_000 + "1",
        "['a'",
    ],
)
def test_a_text_that_is_no_list_is_the_name_of_one_group(text: str) -> None:
    """It is never read as a language, whose depth and cost its writer chooses."""
    found = made(rule([NAME], {"groups": text, "domain": {"id": "d"}}))
    assert [group.name for group in found.groups] == [text]


def test_a_long_list_is_read_in_one_go() -> None:
    text = str([f"g{number}" for number in range(100_000)])
    assert len(made(rule([NAME], {"group_ids": text})).group_ids) == 100_000


def test_patterns_that_would_take_long_are_refused() -> None:
    patterns = ["(a|b|c){1,60}x" for _ in range(200)]
    rules = rules_of(
        [rule([{"type": "v", "any_one_of": patterns, "regex": True}], {"user": {"name": "n"}})],
        "1.0",
    )
    with pytest.raises(BadInput, match="too many values for so many patterns"):
        apply(rules, {"v": ["a" * 1000 for _ in range(100)]})
    assert apply(rules, {"v": ["aax"]}).user.name == "n"


@pytest.mark.parametrize(
    ("mapped", "right"),
    [
        (MappedUser(id="u"), True),
        (MappedUser(name="ada", domain=Domain(id="d")), True),
        (MappedUser(name="ada", domain=Domain(name="home")), True),
        (MappedUser(id="u", name="ada", email="a@b", domain=Domain(id="d", name="home")), True),
        (MappedUser(name="ada"), False),  # of which domain?
        (MappedUser(name="ada", domain=Domain()), False),
        (MappedUser(domain=Domain(id="d")), False),
        (MappedUser(email="a@b", domain=Domain(id="d")), False),
        (MappedUser(), False),
        (MappedUser(id="v"), False),
        (MappedUser(id="u", name="bob"), False),
        (MappedUser(id="u", email="b@a"), False),
        (MappedUser(id="u", domain=Domain(id="e")), False),
        (MappedUser(name="ada", domain=Domain(name="away")), False),
    ],
)
def test_a_certificate_says_enough_and_nothing_else(mapped: MappedUser, right: bool) -> None:
    class Own(NamedTuple):
        id: str
        name: str
        extra: dict[str, str]

    user, home = Own("u", "ada", {"email": "a@b"}), Own("d", "home", {})
    assert certificates._is(mapped, cast("Any", user), cast("Any", home)) is right


@pytest.mark.parametrize(
    ("one", "other", "more"),
    [(5, 4, True), (4, 4, False), (3, 4, False), (-1, 4, True), (4, -1, False), (-1, -1, False)],
)
def test_which_limit_lets_more_through(one: int, other: int, more: bool) -> None:
    assert limits._more(one, other) is more
