"""The access rules of alarming with their upstream names and default checks.

Source: Aodh's policy reference.
"""

from __future__ import annotations

from hanok.web.policy import BY_OPERATORS, Rule, of_projects

_READER = "rule:project_reader_or_admin"
_MEMBER = "rule:project_member_or_admin"
_ADMIN = "rule:context_is_admin"

_RULES: tuple[Rule, ...] = (
    Rule("context_is_admin", "role:admin", "Reach what belongs to other projects."),
    Rule("segregation", _ADMIN, BY_OPERATORS),
    Rule("admin_or_owner", "rule:context_is_admin or project_id:%(project_id)s", BY_OPERATORS),
    Rule("default", "rule:context_is_admin or project_id:%(project_id)s", BY_OPERATORS),
    Rule("project_reader", "role:reader and project_id:%(project_id)s", "Leads to others."),
    Rule("project_member", "role:member and project_id:%(project_id)s", "Leads to others."),
    Rule("project_reader_or_admin", "rule:project_reader or rule:context_is_admin", "Leads to others."),
    Rule("project_member_or_admin", "rule:project_member or rule:context_is_admin", "Leads to others."),
    Rule("telemetry:get_alarm", _READER, "See an alarm."),
    Rule("telemetry:get_alarms", _READER, "List alarms."),
    Rule("telemetry:get_alarms:all_projects", _ADMIN, "List the alarms of all projects."),
    Rule("telemetry:query_alarm", _READER, "Search alarms."),
    Rule("telemetry:create_alarm", _MEMBER, "Make an alarm."),
    Rule("telemetry:change_alarm", _MEMBER, "Change an alarm."),
    Rule("telemetry:delete_alarm", _MEMBER, "Delete an alarm."),
    Rule("telemetry:get_alarm_state", _READER, "See the state of an alarm."),
    Rule("telemetry:change_alarm_state", _MEMBER, "Set the state of an alarm."),
    Rule("telemetry:alarm_history", _READER, "See what happened to an alarm."),
    Rule("telemetry:query_alarm_history", _READER, "Search what happened to alarms."),
    Rule("telemetry:get_metrics", _READER, "See how evaluations ended."),
    Rule("telemetry:get_metrics:all_projects", _ADMIN, "See how evaluations of all projects ended."),
    Rule("telemetry:get_quotas", _READER, "See how many alarms a project may have."),
    Rule("telemetry:update_quotas", _ADMIN, "Set how many alarms a project may have."),
    Rule("telemetry:delete_quotas", _ADMIN, "Go back to the quota that is everybody's."),
)  # fmt: skip
RULES = of_projects(_RULES)
