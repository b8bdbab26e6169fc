"""Who may what is said by rules: nothing decides by a role, and every upstream rule of what is served is there."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import hanok
from hanok.cli.commands.routes import tables
from hanok.services.compute.policy import RULES as COMPUTE
from hanok.services.identity.policy import RULES as IDENTITY
from hanok.services.image.policy import RULES as IMAGE
from hanok.services.network.policy import RULES as NETWORK
from hanok.services.placement.policy import RULES as PLACEMENT
from hanok.web.policy import BY_OPERATORS, Enforcer, Rule

RULES = {
    "compute": COMPUTE,
    "identity": IDENTITY,
    "image": IMAGE,
    "network": NETWORK,
    "placement": PLACEMENT,
}
SERVICES = Path(hanok.__path__[0], "services")
CREDENTIALS = {
    "user_id": "u", "project_id": "p", "domain_id": None, "system_scope": None, "roles": ["member"],
}  # fmt: skip


def test_no_service_looks_at_a_role() -> None:
    assert not [
        f"{file.relative_to(SERVICES)}:{node.lineno} {ast.unparse(node)}"
        for file in sorted(SERVICES.rglob("*.py"))
        for node in ast.walk(ast.parse(file.read_text("utf-8")))
        if isinstance(node, ast.expr) and _looks_at_a_role(node)
    ]


def _looks_at_a_role(node: ast.expr) -> bool:
    if isinstance(node, ast.Compare) and isinstance(node.left, ast.Constant):
        return ast.unparse(node.comparators[0]).endswith("token.roles")
    return isinstance(node, ast.Attribute) and node.attr == "is_admin"


@pytest.mark.parametrize("service", RULES)
def test_each_rule_of_a_service_is_asked_by_a_route_or_another_rule(service: str) -> None:
    used = {rule for route in tables()[service] for rule in route.rules}
    checks = " ".join(rule.check for rule in RULES[service])
    text = "\n".join(file.read_text("utf-8") for file in (SERVICES / service).rglob("*.py"))
    for rule in RULES[service]:
        by_attribute = (
            rule.name.count(":") >= 1 and service == "network"
        )  # of a part of a body or an answer
        named = text.count(f'"{rule.name}"') > 1  # beside its own line
        others = rule.description == BY_OPERATORS
        applied = rule.name in used or f"rule:{rule.name}" in checks or by_attribute or named
        assert applied or others, rule.name


def allows(enforcer: Enforcer, rule: str) -> bool:
    return enforcer.allows(rule, {"project_id": "p"}, CREDENTIALS)


def test_a_rules_former_name_still_takes_effect() -> None:
    rules = [Rule("new:list", "@", formerly="old"), Rule("new:show", "@", formerly="old")]
    enforcer = Enforcer("compute", rules)
    assert allows(enforcer, "new:list")
    enforcer.override({"old": "!"})
    assert not allows(enforcer, "new:list") and not allows(enforcer, "new:show")
    enforcer.override({"old": "!", "new:list": "role:member"})
    assert allows(enforcer, "new:list") and not allows(enforcer, "new:show")


def test_a_former_name_that_only_points_to_the_new_one_changes_nothing() -> None:
    enforcer = Enforcer("compute", [Rule("new", "@", formerly="old")])
    enforcer.override({"old": "rule:new"})
    assert allows(enforcer, "new")


def test_what_was_split_upstream_is_known_by_its_former_name() -> None:
    former = {rule.formerly for rule in COMPUTE}
    assert {
        "os_compute_api:os-floating-ips",
        "os_compute_api:os-services",
        "os_compute_api:os-hypervisors",
        "os_compute_api:os-security-groups",
    } <= former
    assert "get_networks_tags" in {rule.formerly for rule in NETWORK}
