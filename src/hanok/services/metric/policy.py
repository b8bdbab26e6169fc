"""The access rules of metric with their upstream names and default checks.

Source: Gnocchi's policy reference.
"""

from __future__ import annotations

from hanok.web.policy import Rule

_OPERATORS = "rule:admin_or_service"
_CREATOR = "rule:admin_or_creator"
_RESOURCE = "rule:admin_or_creator or rule:resource_owner"
_METRIC = "rule:admin_or_creator or rule:metric_owner"
_WRITES = "rule:admin_or_service or rule:creator"
_LOOKS = "rule:admin_or_service or rule:creator or rule:metric_owner"


def _all_may(*names: str) -> tuple[Rule, ...]:
    return tuple(Rule(name, "@", f"{name.capitalize()}.") for name in names)


RULES: tuple[Rule, ...] = (
    Rule("context_is_admin", "role:admin", "Reach what belongs to other projects."),
    Rule("admin_or_creator", "role:admin or project_id:%(created_by_project_id)s", "Leads to others."),
    Rule("admin_or_service", "role:admin or role:service", "Leads to others."),
    Rule("creator", "project_id:%(created_by_project_id)s", "Leads to others."),
    Rule("resource_owner", "project_id:%(project_id)s", "Leads to others."),
    Rule("metric_owner", "project_id:%(resource.project_id)s", "Leads to others."),
    Rule("get status", "role:admin", "See what waits to be processed."),
    *_all_may(
        "create resource", "get resource type", "list resource type", "get archive policy",
        "list archive policy", "get archive policy rule", "list archive policy rule", "create metric",
    ),
    Rule("get resource", f"{_RESOURCE} or role:service", "See a resource and its history."),
    Rule("update resource", _WRITES, "Change a resource."),
    Rule("delete resource", _CREATOR, "Delete a resource."),
    Rule("delete resources", _CREATOR, "Delete all resources that a query finds."),
    Rule("list resource", _RESOURCE, "List resources."),
    Rule("search resource", "rule:admin_or_service or rule:creator or rule:resource_owner", "Search resources by a query."),
    Rule("create resource type", _OPERATORS, "Make a type of resources."),
    Rule("update resource type", _OPERATORS, "Change the attributes of a type."),
    Rule("delete resource type", "role:admin", "Delete a type of resources."),
    Rule("create archive policy", _OPERATORS, "Make an archive policy."),
    Rule("update archive policy", "role:admin", "Keep measures shorter or longer."),
    Rule("delete archive policy", "role:admin", "Delete an archive policy."),
    Rule("create archive policy rule", "role:admin", "Make a rule for new metrics."),
    Rule("update archive policy rule", "role:admin", "Rename a rule."),
    Rule("delete archive policy rule", "role:admin", "Delete a rule."),
    Rule("get metric", _LOOKS, "See a metric."),
    Rule("delete metric", _CREATOR, "Delete a metric."),
    Rule("list metric", _METRIC, "List metrics."),
    Rule("search metric", _METRIC, "Search values in metrics."),
    Rule("get measures", _LOOKS, "Read measures."),
    Rule("post measures", _WRITES, "Write measures."),
)  # fmt: skip
