"""The access rules of object storage.

Upstream has no policy file for it: who may what is said by settings that name roles. Here these are rules of the same names.

Source: Swift's administrators' guide, "Keystone Auth" (operator_roles, reseller_admin_role, project_reader_roles).
"""

from __future__ import annotations

from hanok.web.policy import Rule

RULES: tuple[Rule, ...] = (
    Rule(
        "operator_roles",
        "role:admin or role:swiftoperator or role:member",
        "Do everything in the account of the own project",
    ),
    Rule(
        "reseller_admin_role",
        "role:ResellerAdmin",
        "Do everything in every account; set accounts' quotas, delete accounts",
    ),
    Rule("project_reader_roles", "!", "Read everything in the account of the own project"),
    Rule("context_is_admin", "rule:reseller_admin_role", "Used by other rules."),
)
