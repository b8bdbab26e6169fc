"""A rule says what it looks at, and its answer depends on nothing else: lists ask once for all that is alike there."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from hanok.web.policy import Enforcer, Rule
from tests.unit.web.test_rights_by_rules import RULES

CALLERS: list[dict[str, Any]] = [
    {"user_id": "u", "project_id": "p", "domain_id": None, "system_scope": None, "roles": roles}
    for roles in (["admin"], ["member", "reader"], ["service"], [])
]
VALUES = ("p", "u", "other", True, False, None)


def targets(names: set[str]) -> list[dict[str, Any]]:
    """Each value under all of the names, and two of them in turns."""
    pairs = itertools.product(VALUES, VALUES)
    line = sorted(names)
    return [{name: pair[at % 2] for at, name in enumerate(line)} for pair in pairs]


@pytest.mark.parametrize("service", RULES)
def test_an_answer_depends_on_what_is_looked_at_alone(service: str) -> None:
    enforcer = Enforcer(service, RULES[service])
    for rule in RULES[service]:
        looked = enforcer.looks_at(rule.name)
        assert looked is not None, rule.name
        others = {"project_id", "user_id", "shared", "id", "target.project.id", *looked}
        for whole, caller in itertools.product(targets(others), CALLERS):
            part = {name: value for name, value in whole.items() if name in looked}
            said = enforcer.allows(rule.name, part, caller)
            assert enforcer.allows(rule.name, whole, caller) is said, (rule.name, whole)


def test_rules_that_lead_to_others_look_at_what_these_look_at() -> None:
    rules = {
        "owner": "project_id:%(project_id)s",
        "named": "rule:owner or (role:reader and not 'x':%(name)s)",
        "open": "field:networks:shared=True",
        "none": "None:%(parent:id)s or role:%(role)s",
        "same": "role:admin or @",
    }
    of_others = {"round": "rule:about", "about": "rule:round or rule:named"}
    enforcer = Enforcer("network", [Rule(name, check) for name, check in rules.items()])
    enforcer.override(of_others)
    looked = {name: enforcer.looks_at(name) for name in (*rules, *of_others)}
    assert looked == {
        "owner": {"project_id"},
        "named": {"project_id", "name"},
        "open": {"shared"},
        "none": {"parent:id", "role"},
        "same": set(),
        "round": None,
        "about": None,
    }
    enforcer.override({"owner": "user_id:%(user_id)s"})
    assert enforcer.looks_at("named") == {"user_id", "name"}


def test_what_a_caller_may_never_is_known_without_a_target() -> None:
    rules = [
        Rule("admins", "role:admin"),
        Rule("all", "@"),
        Rule("owners", "role:admin or project_id:%(project_id)s"),
        Rule("owners of projects", "project_id:%(project_id)s", scopes=("project",)),
    ]
    enforcer = Enforcer("network", rules)
    admin, member, *_ = CALLERS
    system = {**admin, "project_id": None, "system_scope": "all"}
    never = {
        who: [rule.name for rule in rules if enforcer.never_allows(rule.name, caller)]
        for who, caller in (("admin", admin), ("member", member), ("system", system))
    }
    assert never == {"admin": [], "member": ["admins"], "system": ["owners of projects"]}
