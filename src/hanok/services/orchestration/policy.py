"""The access rules of orchestration with their upstream names and default checks.

Source: the service's policy reference.
"""

from __future__ import annotations

from hanok.web.policy import BY_OPERATORS, EVERY_SCOPE, Rule, of_projects

_RULES: tuple[Rule, ...] = (
    Rule(
        "actions:action",
        "role:member and project_id:%(project_id)s",
        "Action: actions (POST /v1/{tenant_id}/stacks/{stack_name}/{stack_id}/actions)",
    ),
    Rule(
        "actions:cancel_update",
        "role:member and project_id:%(project_id)s",
        "Cancel update: actions (POST /v1/{tenant_id}/stacks/{stack_name}/{stack_id}/actions)",
    ),
    Rule(
        "actions:cancel_without_rollback",
        "role:member and project_id:%(project_id)s",
        "Cancel without rollback: actions (POST /v1/{tenant_id}/stacks/{stack_name}/{stack_id}/actions)",
    ),
    Rule(
        "actions:check",
        "role:reader and project_id:%(project_id)s",
        "Check: actions (POST /v1/{tenant_id}/stacks/{stack_name}/{stack_id}/actions)",
    ),
    Rule(
        "actions:resume",
        "role:member and project_id:%(project_id)s",
        "Resume: actions (POST /v1/{tenant_id}/stacks/{stack_name}/{stack_id}/actions)",
    ),
    Rule(
        "actions:snapshot",
        "role:member and project_id:%(project_id)s",
        "Snapshot: actions (POST /v1/{tenant_id}/stacks/{stack_name}/{stack_id}/actions)",
    ),
    Rule(
        "actions:suspend",
        "role:member and project_id:%(project_id)s",
        "Suspend: actions (POST /v1/{tenant_id}/stacks/{stack_name}/{stack_id}/actions)",
    ),
    Rule(
        "build_info:build_info",
        "role:reader and project_id:%(project_id)s",
        "Build info: build info (GET /v1/{tenant_id}/build_info)",
    ),
    Rule(
        "events:index",
        "role:reader and project_id:%(project_id)s",
        "Index: events (GET /v1/{tenant_id}/stacks/{stack_name}/{stack_id}/events)",
    ),
    Rule(
        "events:show",
        "role:reader and project_id:%(project_id)s",
        "Show: events (GET /v1/{tenant_id}/stacks/{stack_name}/{stack_id}/resources/{resource_name}/events/{event_id})",
    ),
    Rule(
        "resource:index",
        "role:reader and project_id:%(project_id)s",
        "Index: resource (GET /v1/{tenant_id}/stacks/{stack_name}/{stack_id}/resources)",
    ),
    Rule(
        "resource:mark_unhealthy",
        "role:member and project_id:%(project_id)s",
        "Mark unhealthy: resource (PATCH /v1/{tenant_id}/stacks/{stack_name}/{stack_id}/resources/{resource_name_or_physical_id})",
    ),
    Rule(
        "resource:metadata",
        "(role:reader and project_id:%(project_id)s) or (role:heat_stack_user and project_id:%(project_id)s)",
        "Metadata: resource (GET /v1/{tenant_id}/stacks/{stack_name}/{stack_id}/resources/{resource_name}/metadata)",
    ),
    Rule(
        "resource:show",
        "role:reader and project_id:%(project_id)s",
        "Show: resource (GET /v1/{tenant_id}/stacks/{stack_name}/{stack_id}/resources/{resource_name})",
    ),
    Rule(
        "resource:signal",
        "(role:reader and project_id:%(project_id)s) or (role:heat_stack_user and project_id:%(project_id)s)",
        "Signal: resource (POST /v1/{tenant_id}/stacks/{stack_name}/{stack_id}/resources/{resource_name}/signal)",
    ),
    Rule(
        "software_configs:create",
        "role:member and project_id:%(project_id)s",
        "Create: software configs (POST /v1/{tenant_id}/software_configs)",
    ),
    Rule(
        "software_configs:delete",
        "role:member and project_id:%(project_id)s",
        "Delete: software configs (DELETE /v1/{tenant_id}/software_configs/{config_id})",
    ),
    Rule(
        "software_configs:global_index",
        "rule:deny_everybody",
        "Global index: software configs (GET /v1/{tenant_id}/software_configs)",
        EVERY_SCOPE,
    ),
    Rule(
        "software_configs:index",
        "role:reader and project_id:%(project_id)s",
        "Index: software configs (GET /v1/{tenant_id}/software_configs)",
    ),
    Rule(
        "software_configs:show",
        "role:reader and project_id:%(project_id)s",
        "Show: software configs (GET /v1/{tenant_id}/software_configs/{config_id})",
    ),
    Rule(
        "software_deployments:create",
        "role:member and project_id:%(project_id)s",
        "Create: software deployments (POST /v1/{tenant_id}/software_deployments)",
    ),
    Rule(
        "software_deployments:delete",
        "role:member and project_id:%(project_id)s",
        "Delete: software deployments (DELETE /v1/{tenant_id}/software_deployments/{deployment_id})",
    ),
    Rule(
        "software_deployments:index",
        "role:reader and project_id:%(project_id)s",
        "Index: software deployments (GET /v1/{tenant_id}/software_deployments)",
    ),
    Rule(
        "software_deployments:metadata",
        "(role:reader and project_id:%(project_id)s) or (role:heat_stack_user and project_id:%(project_id)s)",
        "Metadata: software deployments (GET /v1/{tenant_id}/software_deployments/metadata/{server_id})",
    ),
    Rule(
        "software_deployments:show",
        "role:reader and project_id:%(project_id)s",
        "Show: software deployments (GET /v1/{tenant_id}/software_deployments/{deployment_id})",
    ),
    Rule(
        "software_deployments:update",
        "role:member and project_id:%(project_id)s",
        "Update: software deployments (PUT /v1/{tenant_id}/software_deployments/{deployment_id})",
    ),
    Rule(
        "stacks:abandon",
        "role:member and project_id:%(project_id)s",
        "Abandon: stacks (DELETE /v1/{tenant_id}/stacks/{stack_name}/{stack_id}/abandon)",
    ),
    Rule(
        "stacks:create",
        "role:member and project_id:%(project_id)s",
        "Create: stacks (POST /v1/{tenant_id}/stacks)",
    ),
    Rule(
        "stacks:delete",
        "role:member and project_id:%(project_id)s",
        "Delete: stacks (DELETE /v1/{tenant_id}/stacks/{stack_name}/{stack_id})",
    ),
    Rule(
        "stacks:delete_snapshot",
        "role:member and project_id:%(project_id)s",
        "Delete snapshot: stacks (DELETE /v1/{tenant_id}/stacks/{stack_name}/{stack_id}/snapshots/{snapshot_id})",
    ),
    Rule(
        "stacks:detail",
        "role:reader and project_id:%(project_id)s",
        "Detail: stacks (GET /v1/{tenant_id}/stacks)",
    ),
    Rule(
        "stacks:environment",
        "role:reader and project_id:%(project_id)s",
        "Environment: stacks (GET /v1/{tenant_id}/stacks/{stack_name}/{stack_id}/environment)",
    ),
    Rule(
        "stacks:export",
        "role:member and project_id:%(project_id)s",
        "Export: stacks (GET /v1/{tenant_id}/stacks/{stack_name}/{stack_id}/export)",
    ),
    Rule(
        "stacks:files",
        "role:reader and project_id:%(project_id)s",
        "Files: stacks (GET /v1/{tenant_id}/stacks/{stack_name}/{stack_id}/files)",
    ),
    Rule(
        "stacks:generate_template",
        "role:member and project_id:%(project_id)s",
        "Generate template: stacks (GET /v1/{tenant_id}/stacks/{stack_name}/{stack_id}/template)",
    ),
    Rule(
        "stacks:global_index",
        "rule:deny_everybody",
        "Global index: stacks (GET /v1/{tenant_id}/stacks)",
        EVERY_SCOPE,
    ),
    Rule(
        "stacks:index",
        "role:reader and project_id:%(project_id)s",
        "Index: stacks (GET /v1/{tenant_id}/stacks)",
    ),
    Rule(
        "stacks:list_outputs",
        "role:reader and project_id:%(project_id)s",
        "List outputs: stacks (GET /v1/{tenant_id}/stacks/{stack_name}/{stack_id}/outputs)",
    ),
    Rule(
        "stacks:list_resource_types",
        "role:reader and project_id:%(project_id)s",
        "List resource types: stacks (GET /v1/{tenant_id}/resource_types)",
    ),
    Rule(
        "stacks:list_snapshots",
        "role:reader and project_id:%(project_id)s",
        "List snapshots: stacks (GET /v1/{tenant_id}/stacks/{stack_name}/{stack_id}/snapshots)",
    ),
    Rule(
        "stacks:list_template_functions",
        "role:reader and project_id:%(project_id)s",
        "List template functions: stacks (GET /v1/{tenant_id}/template_versions/{template_version}/functions)",
    ),
    Rule(
        "stacks:list_template_versions",
        "role:reader and project_id:%(project_id)s",
        "List template versions: stacks (GET /v1/{tenant_id}/template_versions)",
    ),
    Rule(
        "stacks:lookup",
        "(role:reader and project_id:%(project_id)s) or (role:heat_stack_user and project_id:%(project_id)s)",
        "Lookup: stacks (GET /v1/{tenant_id}/stacks/{stack_identity})",
    ),
    Rule(
        "stacks:preview",
        "role:reader and project_id:%(project_id)s",
        "Preview: stacks (POST /v1/{tenant_id}/stacks/preview)",
    ),
    Rule(
        "stacks:preview_update",
        "role:member and project_id:%(project_id)s",
        "Preview update: stacks (PUT /v1/{tenant_id}/stacks/{stack_name}/{stack_id}/preview)",
    ),
    Rule(
        "stacks:preview_update_patch",
        "role:member and project_id:%(project_id)s",
        "Preview update patch: stacks (PATCH /v1/{tenant_id}/stacks/{stack_name}/{stack_id}/preview)",
    ),
    Rule(
        "stacks:resource_schema",
        "role:reader and project_id:%(project_id)s",
        "Resource schema: stacks (GET /v1/{tenant_id}/resource_types/{type_name})",
    ),
    Rule(
        "stacks:restore_snapshot",
        "role:member and project_id:%(project_id)s",
        "Restore snapshot: stacks (POST /v1/{tenant_id}/stacks/{stack_name}/{stack_id}/snapshots/{snapshot_id}/restore)",
    ),
    Rule(
        "stacks:show",
        "role:reader and project_id:%(project_id)s",
        "Show: stacks (GET /v1/{tenant_id}/stacks/{stack_identity})",
    ),
    Rule(
        "stacks:show_output",
        "role:reader and project_id:%(project_id)s",
        "Show output: stacks (GET /v1/{tenant_id}/stacks/{stack_name}/{stack_id}/outputs/{output_key})",
    ),
    Rule(
        "stacks:show_snapshot",
        "role:reader and project_id:%(project_id)s",
        "Show snapshot: stacks (GET /v1/{tenant_id}/stacks/{stack_name}/{stack_id}/snapshots/{snapshot_id})",
    ),
    Rule(
        "stacks:snapshot",
        "role:member and project_id:%(project_id)s",
        "Snapshot: stacks (POST /v1/{tenant_id}/stacks/{stack_name}/{stack_id}/snapshots)",
    ),
    Rule(
        "stacks:template",
        "role:reader and project_id:%(project_id)s",
        "Template: stacks (GET /v1/{tenant_id}/stacks/{stack_name}/{stack_id}/template)",
    ),
    Rule(
        "stacks:update",
        "role:member and project_id:%(project_id)s",
        "Update: stacks (PUT /v1/{tenant_id}/stacks/{stack_name}/{stack_id})",
    ),
    Rule(
        "stacks:update_no_change",
        "rule:stacks:update_patch",
        "Update no change: stacks (PATCH /v1/{tenant_id}/stacks/{stack_name}/{stack_id})",
    ),
    Rule(
        "stacks:update_patch",
        "role:member and project_id:%(project_id)s",
        "Update patch: stacks (PATCH /v1/{tenant_id}/stacks/{stack_name}/{stack_id})",
    ),
    Rule(
        "stacks:validate_template",
        "role:member and project_id:%(project_id)s",
        "Validate template: stacks (POST /v1/{tenant_id}/validate)",
    ),
    Rule("allow_everybody", "@", BY_OPERATORS),
    Rule(
        "context_is_admin",
        "(role:admin and is_admin_project:True)",
        "Reach the stacks of all projects",
    ),
    Rule("deny_everybody", "!", BY_OPERATORS),
    Rule("deny_stack_user", "not role:heat_stack_user", BY_OPERATORS),
    Rule("project_admin", "role:admin", BY_OPERATORS),
    Rule(
        "resource_types:OS::Cinder::EncryptedVolumeType",
        "rule:project_admin",
        "Use OS::Cinder::EncryptedVolumeType in templates",
    ),
    Rule(
        "resource_types:OS::Cinder::QoSAssociation",
        "rule:project_admin",
        "Use OS::Cinder::QoSAssociation in templates",
    ),
    Rule(
        "resource_types:OS::Cinder::QoSSpecs",
        "rule:project_admin",
        "Use OS::Cinder::QoSSpecs in templates",
    ),
    Rule(
        "resource_types:OS::Cinder::Quota",
        "rule:project_admin",
        "Use OS::Cinder::Quota in templates",
    ),
    Rule(
        "resource_types:OS::Cinder::VolumeType",
        "rule:project_admin",
        "Use OS::Cinder::VolumeType in templates",
    ),
    Rule(
        "resource_types:OS::Keystone::*", "rule:project_admin", "Use OS::Keystone::* in templates"
    ),
    Rule(
        "resource_types:OS::Neutron::ProviderNet",
        "rule:project_admin",
        "Use OS::Neutron::ProviderNet in templates",
    ),
    Rule(
        "resource_types:OS::Neutron::QoSBandwidthLimitRule",
        "rule:project_admin",
        "Use OS::Neutron::QoSBandwidthLimitRule in templates",
    ),
    Rule(
        "resource_types:OS::Neutron::QoSDscpMarkingRule",
        "rule:project_admin",
        "Use OS::Neutron::QoSDscpMarkingRule in templates",
    ),
    Rule(
        "resource_types:OS::Neutron::QoSMinimumBandwidthRule",
        "rule:project_admin",
        "Use OS::Neutron::QoSMinimumBandwidthRule in templates",
    ),
    Rule(
        "resource_types:OS::Neutron::QoSPolicy",
        "rule:project_admin",
        "Use OS::Neutron::QoSPolicy in templates",
    ),
    Rule(
        "resource_types:OS::Nova::Flavor", "rule:project_admin", "Use OS::Nova::Flavor in templates"
    ),
    Rule(
        "resource_types:OS::Nova::HostAggregate",
        "rule:project_admin",
        "Use OS::Nova::HostAggregate in templates",
    ),
    Rule(
        "resource_types:OS::Nova::Quota", "rule:project_admin", "Use OS::Nova::Quota in templates"
    ),
    Rule("service:index", "role:admin and project_id:%(project_id)s", BY_OPERATORS),
    Rule(
        "resource_types:OS::Manila::ShareType",
        "rule:project_admin",
        "Use OS::Manila::ShareType in templates",
    ),
    Rule(
        "resource_types:OS::Octavia::AvailabilityZone",
        "rule:project_admin",
        "Use OS::Octavia::AvailabilityZone in templates",
    ),
    Rule(
        "resource_types:OS::Octavia::AvailabilityZoneProfile",
        "rule:project_admin",
        "Use OS::Octavia::AvailabilityZoneProfile in templates",
    ),
    Rule(
        "resource_types:OS::Octavia::Flavor",
        "rule:project_admin",
        "Use OS::Octavia::Flavor in templates",
    ),
    Rule(
        "resource_types:OS::Octavia::FlavorProfile",
        "rule:project_admin",
        "Use OS::Octavia::FlavorProfile in templates",
    ),
    Rule(
        "resource_types:OS::Octavia::Quota",
        "rule:project_admin",
        "Use OS::Octavia::Quota in templates",
    ),
)
RULES = of_projects(_RULES)
