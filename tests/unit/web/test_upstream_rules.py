"""Every rule that upstream has for what is served here is a rule here.

`upstream_rules.tsv` has them all with their operations; what becomes served must have its rules.
Source: the policy references of the five services.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from hanok.cli.commands.routes import tables
from hanok.services.network.schemas import resources
from hanok.web.attributes import Attribute
from hanok.web.policy import Enforcer
from tests.unit.web.test_rights_by_rules import RULES

_KINDS: dict[str, dict[str, Attribute]] = {
    "network": resources.NETWORK,
    "subnet": resources.SUBNET,
    "port": resources.PORT,
    "router": resources.ROUTER,
    "floatingip": resources.FLOATING_IP,
    "security_group": resources.SECURITY_GROUP,
    "security_group_rule": resources.RULE,
    "address_scope": resources.ADDRESS_SCOPE,
    "subnetpool": resources.SUBNET_POOL,
    "address_group": resources.ADDRESS_GROUP,
    "rbac_policy": resources.RBAC_POLICY,
    "policy": resources.QOS_POLICY,
    "trunk": resources.TRUNK,
    "default_security_group_rule": resources.DEFAULT_RULE,
    "flavor": resources.FLAVOR,
    "service_profile": resources.SERVICE_PROFILE,
}

# Rules of served operations that are not asked, with the reason.
NOT_APPLIED = {
    ("compute", "os_compute_api:servers:create_image:allow_volume_backed"): "no server has volumes",
    ("compute", "compute:servers:resize:cross_cell"): "there are no cells",
    ("image", "download_from_store"): "no download names a store",
    (
        "network",
        "create_subnet:service_types",
    ): "upstream does not ask it, and its suite sets them as a member",
    ("network", "update_subnet:service_types"): "as with a new one",
}
# What upstream's own rules lead to, and nothing that is served here.
NOT_LED_TO = {
    ("image", "manage_image_cache"): "of an API from before /v2/cache",
    ("network", "context_with_global_access"): "of upstream's own processes",
}  # fmt: skip


def upstream() -> Iterator[tuple[str, str, list[str]]]:
    """Service, rule, and the operations that it is for."""
    with open(Path(__file__).with_name("upstream_rules.tsv"), newline="") as file:
        for row in csv.DictReader(file, delimiter="\t"):
            operations = [one.strip() for one in row["operations"].split(";") if one.strip()]
            yield row["service"], row["rule"], operations


def blank(operation: str) -> str:
    """An operation as it is compared: without the version, the names of parameters, and hyphens in places."""
    method, _, path = operation.partition(" ")
    path = re.sub(r"^/v2\.[01](?=/)", "", re.sub(r"\{[^}]*\}", "{}", path.partition("?")[0]))
    return f"{method} {path.rstrip('/')}".replace("_", "-")


def served(service: str) -> set[str]:
    found = set()
    for route in tables()[service]:
        key = f" ({route.body_key})" if route.body_key else ""
        found.add(blank(f"{route.method} {route.path}{key}"))
    return found


def on_what_is_not_taken(service: str, rule: str) -> bool:
    """Whether it is network's rule on an attribute that is not shown, or not taken by that method."""
    action, _, name = rule.partition(":")
    verb, _, kind = action.partition("_")
    if service != "network" or not name or kind not in _KINDS:
        return False
    attribute = _KINDS[kind].get(name) or _KINDS[kind].get(name.partition(":")[0])
    if attribute is None or verb == "get":
        return attribute is None
    return not (attribute.post if verb == "create" else attribute.put)


@pytest.mark.parametrize("service", RULES)
def test_each_upstream_rule_of_a_served_operation_is_a_rule_here(service: str) -> None:
    here, ours = served(service), {rule.name for rule in RULES[service]}
    missing = [
        rule
        for kind, rule, operations in upstream()
        if kind == service and rule not in ours and here & {blank(one) for one in operations}
        if not on_what_is_not_taken(service, rule)
    ]
    assert set(missing) == {rule for kind, rule in NOT_APPLIED if kind == service}


@pytest.mark.parametrize("service", RULES)
def test_each_upstream_rule_for_other_rules_can_be_named_by_an_operator(service: str) -> None:
    ours = {rule.name for rule in RULES[service]}
    missing = {
        rule
        for kind, rule, operations in upstream()
        if kind == service and not operations and rule not in ours
    }
    assert missing == {rule for kind, rule in NOT_LED_TO if kind == service}


@pytest.mark.parametrize("service", RULES)
def test_no_rule_here_is_of_our_own_making(service: str) -> None:
    known = {rule for kind, rule, _ in upstream() if kind == service}
    assert {rule.name for rule in RULES[service]} <= known


def test_an_operators_rule_may_lead_to_what_no_rule_here_does() -> None:
    enforcer = Enforcer("compute", RULES["compute"])
    enforcer.override({"os_compute_api:servers:start": "rule:admin_or_owner"})
    owner: dict[str, Any] = {
        "roles": [],
        "project_id": "p",
        "domain_id": None,
        "system_scope": None,
    }
    for project, may in (("p", True), ("other", False)):
        assert (
            enforcer.allows("os_compute_api:servers:start", {"project_id": project}, owner) is may
        )
