"""The access rules of placement with their upstream names and default checks.

Source: the service's policy reference.
"""

from __future__ import annotations

from hanok.web.policy import BY_OPERATORS, Rule, of_projects

_RULES: tuple[Rule, ...] = (
    Rule(
        "placement:allocation_candidates:list",
        "rule:admin_or_service_api",
        "GET /allocation_candidates",
    ),
    Rule(
        "placement:allocations:delete",
        "rule:admin_or_service_api",
        "DELETE /allocations/{consumer_uuid}",
    ),
    Rule(
        "placement:allocations:list",
        "rule:admin_or_service_api",
        "GET /allocations/{consumer_uuid}",
    ),
    Rule("placement:allocations:manage", "rule:admin_or_service_api", "POST /allocations"),
    Rule(
        "placement:allocations:update",
        "rule:admin_or_service_api",
        "PUT /allocations/{consumer_uuid}",
    ),
    Rule("placement:reshaper:reshape", "rule:service_api", "POST /reshaper"),
    Rule(
        "placement:resource_classes:create", "rule:admin_or_service_api", "POST /resource_classes"
    ),
    Rule(
        "placement:resource_classes:delete",
        "rule:admin_or_service_api",
        "DELETE /resource_classes/{name}",
    ),
    Rule("placement:resource_classes:list", "rule:admin_or_service_api", "GET /resource_classes"),
    Rule(
        "placement:resource_classes:show",
        "rule:admin_or_service_api",
        "GET /resource_classes/{name}",
    ),
    Rule(
        "placement:resource_classes:update",
        "rule:admin_or_service_api",
        "PUT /resource_classes/{name}",
    ),
    Rule(
        "placement:resource_providers:aggregates:list",
        "rule:admin_or_service_api",
        "GET /resource_providers/{uuid}/aggregates",
    ),
    Rule(
        "placement:resource_providers:aggregates:update",
        "rule:admin_or_service_api",
        "PUT /resource_providers/{uuid}/aggregates",
    ),
    Rule(
        "placement:resource_providers:allocations:list",
        "rule:admin_or_service_api",
        "GET /resource_providers/{uuid}/allocations",
    ),
    Rule(
        "placement:resource_providers:create",
        "rule:admin_or_service_api",
        "POST /resource_providers",
    ),
    Rule(
        "placement:resource_providers:delete",
        "rule:admin_or_service_api",
        "DELETE /resource_providers/{uuid}",
    ),
    Rule(
        "placement:resource_providers:inventories:create",
        "rule:admin_or_service_api",
        "POST /resource_providers/{uuid}/inventories",
    ),
    Rule(
        "placement:resource_providers:inventories:delete",
        "rule:admin_or_service_api",
        "DELETE /resource_providers/{uuid}/inventories; DELETE /resource_providers/{uuid}/inventori",
    ),
    Rule(
        "placement:resource_providers:inventories:list",
        "rule:admin_or_service_api",
        "GET /resource_providers/{uuid}/inventories",
    ),
    Rule(
        "placement:resource_providers:inventories:show",
        "rule:admin_or_service_api",
        "GET /resource_providers/{uuid}/inventories/{resource_class}",
    ),
    Rule(
        "placement:resource_providers:inventories:update",
        "rule:admin_or_service_api",
        "PUT /resource_providers/{uuid}/inventories; PUT /resource_providers/{uuid}/inventories/{re",
    ),
    Rule(
        "placement:resource_providers:list", "rule:admin_or_service_api", "GET /resource_providers"
    ),
    Rule(
        "placement:resource_providers:show",
        "rule:admin_or_service_api",
        "GET /resource_providers/{uuid}",
    ),
    Rule(
        "placement:resource_providers:traits:delete",
        "rule:admin_or_service_api",
        "DELETE /resource_providers/{uuid}/traits",
    ),
    Rule(
        "placement:resource_providers:traits:list",
        "rule:admin_or_service_api",
        "GET /resource_providers/{uuid}/traits",
    ),
    Rule(
        "placement:resource_providers:traits:update",
        "rule:admin_or_service_api",
        "PUT /resource_providers/{uuid}/traits",
    ),
    Rule(
        "placement:resource_providers:update",
        "rule:admin_or_service_api",
        "PUT /resource_providers/{uuid}",
    ),
    Rule(
        "placement:resource_providers:usages",
        "rule:admin_or_service_api",
        "GET /resource_providers/{uuid}/usages",
    ),
    Rule("placement:traits:delete", "rule:admin_or_service_api", "DELETE /traits/{name}"),
    Rule("placement:traits:list", "rule:admin_or_service_api", "GET /traits"),
    Rule("placement:traits:show", "rule:admin_or_service_api", "GET /traits/{name}"),
    Rule("placement:traits:update", "rule:admin_or_service_api", "PUT /traits/{name}"),
    Rule("placement:usages", "rule:admin_or_project_reader_or_service_api", "GET /usages"),
    Rule(
        "admin_or_project_reader_or_service_api",
        "role:admin or rule:project_reader_api or role:service",
        "Used by other rules.",
    ),
    Rule("admin_or_service_api", "role:admin or role:service", "Used by other rules."),
    Rule("project_reader_api", "role:reader and project_id:%(project_id)s", "Used by other rules."),
    Rule("service_api", "role:service", "Used by other rules."),
    # No rule of ours leads to these; an operator's file may, as upstream's own do.
    Rule("admin_api", "role:admin", BY_OPERATORS),
)
RULES = of_projects(_RULES)
