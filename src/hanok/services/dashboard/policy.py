"""The access rules of the dashboard: what is not decided by the APIs that it asks."""

from __future__ import annotations

from hanok.web.policy import Rule

HEARS_EVERYTHING = "dashboard:events:all"

RULES = (
    Rule("context_is_admin", "role:admin", "Who counts as an administrator."),
    Rule(
        HEARS_EVERYTHING,
        "rule:context_is_admin",
        "Live pages hear of changes in all projects; what changed is asked of the APIs.",
    ),
)
