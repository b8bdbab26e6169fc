"""The access rules of shared file systems with their upstream names and default checks.

Source: the service's policy reference.
"""

from __future__ import annotations

from hanok.web.policy import BY_OPERATORS, EVERY_SCOPE, Rule, of_projects

_RULES: tuple[Rule, ...] = (
    Rule(
        "availability_zone:index",
        "(rule:context_is_admin) or (rule:project-reader)",
        "GET /os-availability-zone; GET /availability-zone",
    ),
    Rule(
        "message:delete",
        "(rule:context_is_admin) or (rule:project-member)",
        "DELETE /messages/{message_id}",
    ),
    Rule(
        "message:get",
        "(rule:context_is_admin) or (rule:project-reader)",
        "GET /messages/{message_id}",
    ),
    Rule(
        "message:get_all",
        "(rule:context_is_admin) or (rule:project-reader)",
        "GET /messages; GET /messages?{query}",
    ),
    Rule("qos_type:create", "rule:context_is_admin", "POST /qos-types"),
    Rule("qos_type:delete", "rule:context_is_admin", "DELETE /qos-types/{qos_type_id}"),
    Rule(
        "qos_type:index",
        "(rule:context_is_admin) or (rule:project-reader)",
        "GET /qos-types; GET /qos-types?{query}",
    ),
    Rule(
        "qos_type:show",
        "(rule:context_is_admin) or (rule:project-reader)",
        "GET /qos-types/{qos_type_id}",
    ),
    Rule("qos_type:update", "rule:context_is_admin", "PUT /qos-types/{qos_type_id}"),
    Rule("qos_type_specs:create", "rule:context_is_admin", "POST /qos-types/{qos_type_id}/specs"),
    Rule(
        "qos_type_specs:delete",
        "rule:context_is_admin",
        "DELETE /qos-types/{qos_type_id}/specs/{key}",
    ),
    Rule("qos_type_specs:index", "rule:context_is_admin", "GET /qos-types/{qos_type_id}/specs"),
    Rule(
        "qos_type_specs:show", "rule:context_is_admin", "GET /qos-types/{qos_type_id}/specs/{key}"
    ),
    Rule(
        "qos_type_specs:update", "rule:context_is_admin", "PUT /qos-types/{qos_type_id}/specs/{key}"
    ),
    Rule(
        "quota_class_set:show",
        "(rule:context_is_admin) or (rule:project-reader)",
        "GET /quota-class-sets/{class_name}; GET /os-quota-class-sets/{class_name}",
    ),
    Rule(
        "quota_class_set:update",
        "rule:context_is_admin",
        "PUT /quota-class-sets/{class_name}; PUT /os-quota-class-sets/{class_name}",
    ),
    Rule(
        "quota_set:delete",
        "rule:context_is_admin",
        "DELETE /quota-sets/{project_id}; DELETE /quota-sets/{project_id}?user_id={user_id}",
    ),
    Rule(
        "quota_set:show",
        "(rule:context_is_admin) or (rule:project-reader)",
        "GET /quota-sets/{project_id}/defaults; GET /os-quota-sets/{project_id}/defaults",
    ),
    Rule(
        "quota_set:update",
        "rule:context_is_admin",
        "PUT /quota-sets/{project_id}; PUT /quota-sets/{project_id}?user_id={user_id}",
    ),
    Rule(
        "resource_lock:bypass_locked_show_action",
        "(rule:owner-user or rule:admin_or_service_api)",
        "GET /share-access-rules/{share_access_id}; GET /share-access-rules?share_id={share_id}&key1=value1&key2=value2",
    ),
    Rule(
        "resource_lock:create",
        "(rule:admin_or_service_api) or (rule:project-member)",
        "POST /resource-locks",
    ),
    Rule(
        "resource_lock:delete",
        "(rule:owner-user or rule:admin_or_service_api)",
        "DELETE /resource-locks/{lock_id}",
    ),
    Rule(
        "resource_lock:get",
        "(rule:admin_or_service_api) or (rule:project-reader)",
        "GET /resource-locks/{lock_id}",
    ),
    Rule(
        "resource_lock:get_all",
        "(rule:admin_or_service_api) or (rule:project-reader)",
        "GET /resource-locks; GET /resource-locks?{query}",
    ),
    Rule(
        "resource_lock:get_all_projects",
        "rule:admin_or_service_api",
        "GET /resource-locks?all_projects=1; GET /resource-locks?all_projects=1&project_id={project_id}",
    ),
    Rule(
        "resource_lock:update",
        "(rule:owner-user or rule:admin_or_service_api)",
        "PUT /resource-locks/{lock_id}",
    ),
    Rule(
        "scheduler_stats:pools:detail",
        "rule:context_is_admin",
        "GET /scheduler-stats/pools/detail?{query}",
    ),
    Rule(
        "scheduler_stats:pools:index", "rule:context_is_admin", "GET /scheduler-stats/pools?{query}"
    ),
    Rule(
        "security_service:create",
        "(rule:context_is_admin) or (rule:project-member)",
        "POST /security-services",
    ),
    Rule(
        "security_service:delete",
        "(rule:context_is_admin) or (rule:project-member)",
        "DELETE /security-services/{security_service_id}",
    ),
    Rule(
        "security_service:detail",
        "(rule:context_is_admin) or (rule:project-reader)",
        "GET /security-services/detail?{query}",
    ),
    Rule(
        "security_service:get_all_security_services",
        "rule:context_is_admin",
        "GET /security-services?all_tenants=1; GET /security-services/detail?all_tenants=1",
    ),
    Rule(
        "security_service:index",
        "(rule:context_is_admin) or (rule:project-reader)",
        "GET /security-services?{query}",
    ),
    Rule(
        "security_service:show",
        "(rule:context_is_admin) or (rule:project-reader)",
        "GET /security-services/{security_service_id}",
    ),
    Rule(
        "security_service:update",
        "(rule:context_is_admin) or (rule:project-member)",
        "PUT /security-services/{security_service_id}",
    ),
    Rule("service:ensure_shares", "rule:context_is_admin", "POST /services/ensure"),
    Rule(
        "service:index", "rule:context_is_admin", "GET /os-services?{query}; GET /services?{query}"
    ),
    Rule(
        "service:update",
        "rule:context_is_admin",
        "PUT /os-services/disable; PUT /os-services/enable",
    ),
    Rule(
        "share:access_get",
        "(rule:context_is_admin) or (rule:project-reader)",
        "POST /shares/{share_id}/action",
    ),
    Rule(
        "share:access_get_all",
        "(rule:context_is_admin) or (rule:project-reader)",
        "GET /shares/{share_id}/action",
    ),
    Rule(
        "share:allow_access",
        "(rule:context_is_admin) or (rule:project-member)",
        "POST /shares/{share_id}/action",
    ),
    Rule("share:create", "(rule:context_is_admin) or (rule:project-member)", "POST /shares"),
    Rule("share:create_public_share", "rule:context_is_admin", "POST /shares"),
    Rule(
        "share:create_snapshot",
        "(rule:context_is_admin) or (rule:project-member)",
        "POST /snapshots",
    ),
    Rule(
        "share:delete",
        "(rule:context_is_admin) or (rule:project-member)",
        "DELETE /shares/{share_id}",
    ),
    Rule(
        "share:delete_share_metadata",
        "(rule:context_is_admin) or (rule:project-member)",
        "DELETE /shares/{share_id}/metadata/{key}",
    ),
    Rule(
        "share:delete_snapshot",
        "(rule:context_is_admin) or (rule:project-member)",
        "DELETE /snapshots/{snapshot_id}",
    ),
    Rule(
        "share:deny_access",
        "(rule:context_is_admin) or (rule:project-member)",
        "POST /shares/{share_id}/action",
    ),
    Rule(
        "share:extend",
        "(rule:context_is_admin) or (rule:project-member)",
        "POST /shares/{share_id}/action",
    ),
    Rule(
        "share:extend_beyond_max_share_size_spec",
        "rule:context_is_admin",
        "POST /shares/{share_id}/action",
    ),
    Rule("share:force_delete", "rule:context_is_admin", "DELETE /shares/{share_id}"),
    Rule("share:force_extend", "rule:context_is_admin", "POST /shares/{share_id}/action"),
    Rule("share:get", "(rule:context_is_admin) or (rule:project-reader)", "GET /shares/{share_id}"),
    Rule(
        "share:get_all",
        "(rule:context_is_admin) or (rule:project-reader)",
        "GET /shares?{query}; GET /shares/detail?{query}",
    ),
    Rule(
        "share:get_share_metadata",
        "(rule:context_is_admin) or (rule:project-reader)",
        "GET /shares/{share_id}/metadata; GET /shares/{share_id}/metadata/{key}",
    ),
    Rule(
        "share:list_all_projects",
        "rule:context_is_admin",
        "GET /shares?all_tenants=1; GET /shares/detail?all_tenants=1",
    ),
    Rule(
        "share:list_by_host",
        "rule:context_is_admin",
        "GET /shares?host={host}; GET /shares/detail?host={host}",
    ),
    Rule(
        "share:list_by_share_server_id",
        "rule:context_is_admin",
        "GET /shares?share_server_id={share_server_id}; GET /shares/detail?share_server_id={share_server_id}",
    ),
    Rule(
        "share:list_shares_in_deferred_deletion_states",
        "rule:context_is_admin",
        "GET /v2/shares; GET /shares/{share_id}",
    ),
    Rule("share:manage", "rule:context_is_admin", "POST /shares/manage"),
    Rule("share:migration_cancel", "rule:context_is_admin", "POST /shares/{share_id}/action"),
    Rule("share:migration_complete", "rule:context_is_admin", "POST /shares/{share_id}/action"),
    Rule(
        "share:migration_get_progress",
        "rule:context_is_admin",
        "POST /shares/{share_id}/action; GET /shares/{share_id}/migration-progress",
    ),
    Rule("share:migration_start", "rule:context_is_admin", "POST /shares/{share_id}/action"),
    Rule("share:reset_status", "rule:context_is_admin", "POST /shares/{share_id}/action"),
    Rule("share:reset_task_state", "rule:context_is_admin", "POST /shares/{share_id}/action"),
    Rule(
        "share:restore",
        "(rule:context_is_admin) or (rule:project-member)",
        "POST /shares/{share_id}/action",
    ),
    Rule(
        "share:revert_to_snapshot",
        "(rule:context_is_admin) or (rule:project-member)",
        "POST /shares/{share_id}/action",
    ),
    Rule("share:set_public_share", "rule:context_is_admin", "PUT /shares/{share_id}"),
    Rule(
        "share:shrink",
        "(rule:context_is_admin) or (rule:project-member)",
        "POST /shares/{share_id}/action",
    ),
    Rule(
        "share:snapshot_update",
        "(rule:context_is_admin) or (rule:project-member)",
        "PUT /snapshots/{snapshot_id}/action",
    ),
    Rule(
        "share:soft_delete",
        "(rule:context_is_admin) or (rule:project-member)",
        "POST /shares/{share_id}/action",
    ),
    Rule("share:unmanage", "rule:context_is_admin", "POST /shares/unmanage"),
    Rule(
        "share:update", "(rule:context_is_admin) or (rule:project-member)", "PUT /shares/{share_id}"
    ),
    Rule(
        "share:update_admin_only_metadata",
        "rule:context_is_admin",
        "PUT /shares/{share_id}/metadata",
    ),
    Rule(
        "share:update_share_metadata",
        "(rule:context_is_admin) or (rule:project-member)",
        "PUT /shares/{share_id}/metadata; POST /shares/{share_id}/metadata/{key}",
    ),
    Rule(
        "share_access_metadata:delete",
        "(rule:context_is_admin) or (rule:project-member)",
        "DELETE /share-access-rules/{share_access_id}/metadata/{key}",
    ),
    Rule(
        "share_access_metadata:update",
        "(rule:context_is_admin) or (rule:project-member)",
        "PUT /share-access-rules/{share_access_id}/metadata",
    ),
    Rule(
        "share_access_rule:get",
        "(rule:context_is_admin) or (rule:project-reader)",
        "GET /share-access-rules/{share_access_id}",
    ),
    Rule(
        "share_access_rule:index",
        "(rule:context_is_admin) or (rule:project-reader)",
        "GET /share-access-rules?share_id={share_id}&key1=value1&key2=value2",
    ),
    Rule(
        "share_access_rule:update",
        "(rule:context_is_admin) or (rule:project-member)",
        "PUT /share-access-rules/{share_access_id}",
    ),
    Rule(
        "share_backup:create",
        "(rule:context_is_admin) or (rule:project-member)",
        "POST /share-backups",
    ),
    Rule(
        "share_backup:delete",
        "(rule:context_is_admin) or (rule:project-member)",
        "DELETE /share-backups/{backup_id}",
    ),
    Rule(
        "share_backup:get",
        "(rule:context_is_admin) or (rule:project-reader)",
        "GET /share-backups/{backup_id}",
    ),
    Rule(
        "share_backup:get_all",
        "(rule:context_is_admin) or (rule:project-reader)",
        "GET /share-backups; GET /share-backups/detail",
    ),
    Rule(
        "share_backup:get_all_project",
        "rule:context_is_admin",
        "GET /share-backups?all_tenants=1; GET /share-backups/detail?all_tenants=1",
    ),
    Rule(
        "share_backup:reset_status",
        "rule:context_is_admin",
        "POST /share-backups/{backup_id}/action",
    ),
    Rule(
        "share_backup:restore",
        "(rule:context_is_admin) or (rule:project-member)",
        "POST /share-backups/{backup_id}/action",
    ),
    Rule(
        "share_backup:update",
        "(rule:context_is_admin) or (rule:project-member)",
        "PUT /share-backups/{backup_id}",
    ),
    Rule(
        "share_export_location:delete_metadata",
        "(rule:context_is_admin) or (rule:project-member)",
        "DELETE /shares/{share_id}/export_locations/{export_location_id}/metadata/{key}",
    ),
    Rule(
        "share_export_location:get_metadata",
        "(rule:context_is_admin) or (rule:project-reader)",
        "GET /shares/{share_id}/export_locations/{export_location_id}/metadata; GET /shares/{share_id}/export_locations/{export_location_id}/metadata/{key}",
    ),
    Rule(
        "share_export_location:index",
        "(rule:context_is_admin) or (rule:project-reader)",
        "GET /shares/{share_id}/export_locations",
    ),
    Rule(
        "share_export_location:show",
        "(rule:context_is_admin) or (rule:project-reader)",
        "GET /shares/{share_id}/export_locations/{export_location_id}",
    ),
    Rule(
        "share_export_location:update_admin_only_metadata",
        "rule:context_is_admin",
        "PUT /shares/{share_id}/export_locations/{export_location_id}/metadata",
    ),
    Rule(
        "share_export_location:update_metadata",
        "(rule:context_is_admin) or (rule:project-member)",
        "PUT /shares/{share_id}/export_locations/{export_location_id}/metadata; POST /shares/{share_id}/export_locations/{export_location_id}/metadata/{key}",
    ),
    Rule(
        "share_group:create",
        "(rule:context_is_admin) or (rule:project-member)",
        "POST /share-groups",
    ),
    Rule(
        "share_group:delete",
        "(rule:context_is_admin) or (rule:project-member)",
        "DELETE /share-groups/{share_group_id}",
    ),
    Rule(
        "share_group:force_delete",
        "rule:context_is_admin",
        "POST /share-groups/{share_group_id}/action",
    ),
    Rule(
        "share_group:get",
        "(rule:context_is_admin) or (rule:project-reader)",
        "GET /share-groups/{share_group_id}",
    ),
    Rule(
        "share_group:get_all",
        "(rule:context_is_admin) or (rule:project-reader)",
        "GET /share-groups?{query}; GET /share-groups/detail?{query}",
    ),
    Rule(
        "share_group:reset_status",
        "rule:context_is_admin",
        "POST /share-groups/{share_group_id}/action",
    ),
    Rule(
        "share_group:update",
        "(rule:context_is_admin) or (rule:project-member)",
        "PUT /share-groups/{share_group_id}",
    ),
    Rule(
        "share_group_snapshot:create",
        "(rule:context_is_admin) or (rule:project-member)",
        "POST /share-group-snapshots",
    ),
    Rule(
        "share_group_snapshot:delete",
        "(rule:context_is_admin) or (rule:project-member)",
        "DELETE /share-group-snapshots/{share_group_snapshot_id}",
    ),
    Rule(
        "share_group_snapshot:force_delete",
        "rule:context_is_admin",
        "POST /share-group-snapshots/{share_group_snapshot_id}/action",
    ),
    Rule(
        "share_group_snapshot:get",
        "(rule:context_is_admin) or (rule:project-reader)",
        "GET /share-group-snapshots/{share_group_snapshot_id}",
    ),
    Rule(
        "share_group_snapshot:get_all",
        "(rule:context_is_admin) or (rule:project-reader)",
        "GET /share-group-snapshots?{query}; GET /share-group-snapshots/detail?{query}",
    ),
    Rule(
        "share_group_snapshot:reset_status",
        "rule:context_is_admin",
        "POST /share-group-snapshots/{share_group_snapshot_id}/action",
    ),
    Rule(
        "share_group_snapshot:update",
        "(rule:context_is_admin) or (rule:project-member)",
        "PUT /share-group-snapshots/{share_group_snapshot_id}",
    ),
    Rule(
        "share_group_type:add_project_access",
        "rule:context_is_admin",
        "POST /share-group-types/{share_group_type_id}/action",
    ),
    Rule("share_group_type:create", "rule:context_is_admin", "POST /share-group-types"),
    Rule(
        "share_group_type:default",
        "(rule:context_is_admin) or (rule:project-reader)",
        "GET /share-group-types/default",
    ),
    Rule(
        "share_group_type:delete",
        "rule:context_is_admin",
        "DELETE /share-group-types/{share_group_type_id}",
    ),
    Rule(
        "share_group_type:index",
        "(rule:context_is_admin) or (rule:project-reader)",
        "GET /share-group-types?is_public=all",
    ),
    Rule(
        "share_group_type:list_project_access",
        "rule:context_is_admin",
        "GET /share-group-types/{share_group_type_id}/access",
    ),
    Rule(
        "share_group_type:remove_project_access",
        "rule:context_is_admin",
        "POST /share-group-types/{share_group_type_id}/action",
    ),
    Rule(
        "share_group_type:show",
        "(rule:context_is_admin) or (rule:project-reader)",
        "GET /share-group-types/{share_group_type_id}",
    ),
    Rule(
        "share_group_types_spec:create",
        "rule:context_is_admin",
        "POST /share-group-types/{share_group_type_id}/group-specs",
    ),
    Rule(
        "share_group_types_spec:delete",
        "rule:context_is_admin",
        "DELETE /share-group-types/{share_group_type_id}/group-specs/{key}",
    ),
    Rule(
        "share_group_types_spec:index",
        "rule:context_is_admin",
        "GET /share-group-types/{share_group_type_id}/group-specs",
    ),
    Rule(
        "share_group_types_spec:show",
        "rule:context_is_admin",
        "GET /share-group-types/{share_group_type_id}/group-specs/{key}",
    ),
    Rule(
        "share_group_types_spec:update",
        "rule:context_is_admin",
        "PUT /share-group-types/{share_group_type_id}/group-specs/{key}",
    ),
    Rule(
        "share_instance:force_delete",
        "rule:context_is_admin",
        "POST /share_instances/{share_instance_id}/action",
    ),
    Rule(
        "share_instance:index",
        "rule:context_is_admin",
        "GET /share_instances; GET /share_instances?{query}",
    ),
    Rule(
        "share_instance:reset_status",
        "rule:context_is_admin",
        "POST /share_instances/{share_instance_id}/action",
    ),
    Rule(
        "share_instance:show", "rule:context_is_admin", "GET /share_instances/{share_instance_id}"
    ),
    Rule(
        "share_instance_export_location:index",
        "rule:context_is_admin",
        "POST /share_instances/{share_instance_id}/export_locations",
    ),
    Rule(
        "share_instance_export_location:show",
        "rule:context_is_admin",
        "GET /share_instances/{share_instance_id}/export_locations/{export_location_id}",
    ),
    Rule(
        "share_network:add_security_service",
        "(rule:context_is_admin) or (rule:project-member)",
        "POST /share-networks/{share_network_id}/action",
    ),
    Rule(
        "share_network:add_security_service_check",
        "(rule:context_is_admin) or (rule:project-member)",
        "POST /share-networks/{share_network_id}/action",
    ),
    Rule(
        "share_network:create",
        "(rule:context_is_admin) or (rule:project-member)",
        "POST /share-networks",
    ),
    Rule(
        "share_network:delete",
        "(rule:context_is_admin) or (rule:project-member)",
        "DELETE /share-networks/{share_network_id}",
    ),
    Rule(
        "share_network:detail",
        "(rule:context_is_admin) or (rule:project-reader)",
        "GET /share-networks/detail?{query}",
    ),
    Rule(
        "share_network:get_all_share_networks",
        "rule:context_is_admin",
        "GET /share-networks?all_tenants=1; GET /share-networks/detail?all_tenants=1",
    ),
    Rule(
        "share_network:index",
        "(rule:context_is_admin) or (rule:project-reader)",
        "GET /share-networks?{query}",
    ),
    Rule(
        "share_network:remove_security_service",
        "(rule:context_is_admin) or (rule:project-member)",
        "POST /share-networks/{share_network_id}/action",
    ),
    Rule(
        "share_network:reset_status",
        "rule:context_is_admin",
        "POST /share-networks/{share_network_id}/action",
    ),
    Rule(
        "share_network:show",
        "(rule:context_is_admin) or (rule:project-reader)",
        "GET /share-networks/{share_network_id}",
    ),
    Rule(
        "share_network:show_network_details",
        "rule:context_is_admin",
        "GET /share-networks/{share_network_id}; GET /share-networks/detail",
    ),
    Rule(
        "share_network:subnet_create_check",
        "(rule:context_is_admin) or (rule:project-member)",
        "POST /share-networks/{share_network_id}/action",
    ),
    Rule(
        "share_network:update",
        "(rule:context_is_admin) or (rule:project-member)",
        "PUT /share-networks/{share_network_id}",
    ),
    Rule(
        "share_network:update_security_service",
        "(rule:context_is_admin) or (rule:project-member)",
        "POST /share-networks/{share_network_id}/action",
    ),
    Rule(
        "share_network:update_security_service_check",
        "(rule:context_is_admin) or (rule:project-member)",
        "POST /share-networks/{share_network_id}/action",
    ),
    Rule(
        "share_network_subnet:create",
        "(rule:context_is_admin) or (rule:project-member)",
        "POST /share-networks/{share_network_id}/subnets",
    ),
    Rule(
        "share_network_subnet:delete",
        "(rule:context_is_admin) or (rule:project-member)",
        "DELETE /share-networks/{share_network_id}/subnets/{share_network_subnet_id}",
    ),
    Rule(
        "share_network_subnet:delete_metadata",
        "(rule:context_is_admin) or (rule:project-member)",
        "DELETE /share-networks/{share_network_id}/subnets/{share_network_subnet_id}/metadata/{key}",
        ("system", "project"),
    ),
    Rule(
        "share_network_subnet:get_metadata",
        "(rule:context_is_admin) or (rule:project-reader)",
        "GET /share-networks/{share_network_id}/subnets/{share_network_subnet_id}/metadata; GET /share-networks/{share_network_id}/subnets/{share_network_subnet_id}/metadata/{key}",
        ("system", "project"),
    ),
    Rule(
        "share_network_subnet:index",
        "(rule:context_is_admin) or (rule:project-reader)",
        "GET /share-networks/{share_network_id}/subnets",
    ),
    Rule(
        "share_network_subnet:show",
        "(rule:context_is_admin) or (rule:project-reader)",
        "GET /share-networks/{share_network_id}/subnets/{share_network_subnet_id}",
    ),
    Rule(
        "share_network_subnet:update_metadata",
        "(rule:context_is_admin) or (rule:project-member)",
        "PUT /share-networks/{share_network_id}/subnets/{share_network_subnet_id}/metadata; POST /share-networks/{share_network_id}/subnets/{share_network_subnet_id}/metadata/{key}",
        ("system", "project"),
    ),
    Rule(
        "share_replica:create",
        "(rule:context_is_admin) or (rule:project-member)",
        "POST /share-replicas",
    ),
    Rule(
        "share_replica:delete",
        "(rule:context_is_admin) or (rule:project-member)",
        "DELETE /share-replicas/{share_replica_id}",
    ),
    Rule(
        "share_replica:delete_metadata",
        "(rule:context_is_admin) or (rule:project-member)",
        "DELETE /share-replicas/{share_replica_id}/metadata/{key}",
        ("system", "project"),
    ),
    Rule(
        "share_replica:force_delete",
        "rule:context_is_admin",
        "POST /share-replicas/{share_replica_id}/action",
    ),
    Rule(
        "share_replica:get_all",
        "(rule:context_is_admin) or (rule:project-reader)",
        "GET /share-replicas; GET /share-replicas/detail",
    ),
    Rule(
        "share_replica:get_metadata",
        "(rule:context_is_admin) or (rule:project-member)",
        "GET /share-replicas/{share_replica_id}/metadata; GET /share-replicas/{share_replica_id}/metadata/{key}",
        ("system", "project"),
    ),
    Rule(
        "share_replica:promote",
        "(rule:context_is_admin) or (rule:project-member)",
        "POST /share-replicas/{share_replica_id}/action",
    ),
    Rule(
        "share_replica:reset_replica_state",
        "rule:context_is_admin",
        "POST /share-replicas/{share_replica_id}/action",
    ),
    Rule(
        "share_replica:reset_status",
        "rule:context_is_admin",
        "POST /share-replicas/{share_replica_id}/action",
    ),
    Rule(
        "share_replica:resync",
        "rule:context_is_admin",
        "POST /share-replicas/{share_replica_id}/action",
    ),
    Rule(
        "share_replica:show",
        "(rule:context_is_admin) or (rule:project-reader)",
        "GET /share-replicas/{share_replica_id}",
    ),
    Rule(
        "share_replica:update_metadata",
        "(rule:context_is_admin) or (rule:project-member)",
        "PUT /share-replicas/{share_replica_id}/metadata; POST /share-replicas/{share_replica_id}/metadata/{key}",
        ("system", "project"),
    ),
    Rule(
        "share_replica_export_location:index",
        "(rule:context_is_admin) or (rule:project-reader)",
        "GET /share-replicas/{share_replica_id}/export-locations",
    ),
    Rule(
        "share_replica_export_location:show",
        "(rule:context_is_admin) or (rule:project-reader)",
        "GET /share-replicas/{share_replica_id}/export-locations/{export_location_id}",
    ),
    Rule("share_server:delete", "rule:context_is_admin", "DELETE /share-servers/{server_id}"),
    Rule("share_server:details", "rule:context_is_admin", "GET /share-servers/{server_id}/details"),
    Rule("share_server:index", "rule:context_is_admin", "GET /share-servers?{query}"),
    Rule("share_server:manage_share_server", "rule:context_is_admin", "POST /share-servers/manage"),
    Rule(
        "share_server:reset_status",
        "rule:context_is_admin",
        "POST /share-servers/{share_server_id}/action",
    ),
    Rule(
        "share_server:share_server_migration_cancel",
        "rule:context_is_admin",
        "POST /share-servers/{share_server_id}/action",
    ),
    Rule(
        "share_server:share_server_migration_check",
        "rule:context_is_admin",
        "POST /share-servers/{share_server_id}/action",
    ),
    Rule(
        "share_server:share_server_migration_complete",
        "rule:context_is_admin",
        "POST /share-servers/{share_server_id}/action",
    ),
    Rule(
        "share_server:share_server_migration_get_progress",
        "rule:context_is_admin",
        "POST /share-servers/{share_server_id}/action",
    ),
    Rule(
        "share_server:share_server_migration_start",
        "rule:context_is_admin",
        "POST /share-servers/{share_server_id}/action",
    ),
    Rule(
        "share_server:share_server_reset_task_state",
        "rule:context_is_admin",
        "POST /share-servers/{share_server_id}/action",
    ),
    Rule("share_server:show", "rule:context_is_admin", "GET /share-servers/{server_id}"),
    Rule(
        "share_server:unmanage_share_server",
        "rule:context_is_admin",
        "POST /share-servers/{share_server_id}/action",
    ),
    Rule(
        "share_snapshot:access_list",
        "(rule:context_is_admin) or (rule:project-reader)",
        "GET /snapshots/{snapshot_id}/access-list",
    ),
    Rule(
        "share_snapshot:allow_access",
        "(rule:context_is_admin) or (rule:project-member)",
        "POST /snapshots/{snapshot_id}/action",
    ),
    Rule(
        "share_snapshot:delete_metadata",
        "(rule:context_is_admin) or (rule:project-member)",
        "DELETE /snapshots/{snapshot_id}/metadata/{key}",
    ),
    Rule(
        "share_snapshot:deny_access",
        "(rule:context_is_admin) or (rule:project-member)",
        "POST /snapshots/{snapshot_id}/action",
    ),
    Rule("share_snapshot:force_delete", "rule:context_is_admin", "DELETE /snapshots/{snapshot_id}"),
    Rule(
        "share_snapshot:get_all_snapshots",
        "(rule:context_is_admin) or (rule:project-reader)",
        "GET /snapshots?{query}; GET /snapshots/detail?{query}",
    ),
    Rule(
        "share_snapshot:get_metadata",
        "(rule:context_is_admin) or (rule:project-reader)",
        "GET /snapshots/{snapshot_id}/metadata; GET /snapshots/{snapshot_id}/metadata/{key}",
    ),
    Rule(
        "share_snapshot:get_snapshot",
        "(rule:context_is_admin) or (rule:project-reader)",
        "GET /snapshots/{snapshot_id}",
    ),
    Rule(
        "share_snapshot:list_all_projects",
        "rule:context_is_admin",
        "GET /snapshots?all_tenants=1; GET /snapshots/detail?all_tenants=1",
    ),
    Rule(
        "share_snapshot:list_snapshots_in_deferred_deletion_states",
        "rule:context_is_admin",
        "GET /v2/snapshots; GET /snapshots/{snapshot_id}",
    ),
    Rule("share_snapshot:manage_snapshot", "rule:context_is_admin", "POST /snapshots/manage"),
    Rule(
        "share_snapshot:reset_status",
        "rule:context_is_admin",
        "POST /snapshots/{snapshot_id}/action",
    ),
    Rule(
        "share_snapshot:unmanage_snapshot",
        "rule:context_is_admin",
        "POST /snapshots/{snapshot_id}/action",
    ),
    Rule(
        "share_snapshot:update_metadata",
        "(rule:context_is_admin) or (rule:project-member)",
        "PUT /snapshots/{snapshot_id}/metadata; POST /snapshots/{snapshot_id}/metadata/{key}",
    ),
    Rule(
        "share_snapshot_export_location:index",
        "(rule:context_is_admin) or (rule:project-reader)",
        "GET /snapshots/{snapshot_id}/export-locations/",
    ),
    Rule(
        "share_snapshot_export_location:show",
        "(rule:context_is_admin) or (rule:project-reader)",
        "GET /snapshots/{snapshot_id}/export-locations/{export_location_id}",
    ),
    Rule(
        "share_snapshot_instance:detail",
        "rule:context_is_admin",
        "GET /snapshot-instances/detail?{query}",
    ),
    Rule(
        "share_snapshot_instance:index", "rule:context_is_admin", "GET /snapshot-instances?{query}"
    ),
    Rule(
        "share_snapshot_instance:reset_status",
        "rule:context_is_admin",
        "POST /snapshot-instances/{snapshot_instance_id}/action",
    ),
    Rule(
        "share_snapshot_instance:show",
        "rule:context_is_admin",
        "GET /snapshot-instances/{snapshot_instance_id}",
    ),
    Rule(
        "share_snapshot_instance_export_location:index",
        "rule:context_is_admin",
        "GET /snapshot-instances/{snapshot_instance_id}/export-locations",
    ),
    Rule(
        "share_snapshot_instance_export_location:show",
        "rule:context_is_admin",
        "GET /snapshot-instances/{snapshot_instance_id}/export-locations/{export_location_id}",
    ),
    Rule(
        "share_transfer:accept",
        "(rule:context_is_admin) or (rule:project-member)",
        "POST /share-transfers/{transfer_id}/accept",
        EVERY_SCOPE,
    ),
    Rule(
        "share_transfer:create",
        "(rule:context_is_admin) or (rule:project-member)",
        "POST /share-transfers",
        EVERY_SCOPE,
    ),
    Rule(
        "share_transfer:delete",
        "(rule:context_is_admin) or (rule:project-member)",
        "DELETE /share-transfers/{transfer_id}",
        EVERY_SCOPE,
    ),
    Rule(
        "share_transfer:get",
        "(rule:context_is_admin) or (rule:project-reader)",
        "GET /share-transfers/{transfer_id}",
        EVERY_SCOPE,
    ),
    Rule(
        "share_transfer:get_all",
        "(rule:context_is_admin) or (rule:project-reader)",
        "GET /share-transfers; GET /share-transfers/detail",
        EVERY_SCOPE,
    ),
    Rule(
        "share_transfer:get_all_tenant",
        "rule:context_is_admin",
        "GET /share-transfers; GET /share-transfers/detail",
    ),
    Rule(
        "share_type:add_project_access",
        "rule:context_is_admin",
        "POST /types/{share_type_id}/action",
    ),
    Rule("share_type:create", "rule:context_is_admin", "POST /types"),
    Rule(
        "share_type:default",
        "(rule:context_is_admin) or (rule:project-reader)",
        "GET /types/default",
    ),
    Rule("share_type:delete", "rule:context_is_admin", "DELETE /types/{share_type_id}"),
    Rule(
        "share_type:index",
        "(rule:context_is_admin) or (rule:project-reader)",
        "GET /types?is_public=all",
    ),
    Rule("share_type:list_project_access", "rule:context_is_admin", "GET /types/{share_type_id}"),
    Rule(
        "share_type:remove_project_access",
        "rule:context_is_admin",
        "POST /types/{share_type_id}/action",
    ),
    Rule(
        "share_type:show",
        "(rule:context_is_admin) or (rule:project-reader)",
        "GET /types/{share_type_id}",
    ),
    Rule("share_type:update", "rule:context_is_admin", "PUT /types/{share_type_id}"),
    Rule(
        "share_types_extra_spec:create",
        "rule:context_is_admin",
        "POST /types/{share_type_id}/extra_specs",
    ),
    Rule(
        "share_types_extra_spec:delete",
        "rule:context_is_admin",
        "DELETE /types/{share_type_id}/extra_specs/{key}",
    ),
    Rule(
        "share_types_extra_spec:index",
        "rule:context_is_admin",
        "GET /types/{share_type_id}/extra_specs/{extra_spec_id}",
    ),
    Rule(
        "share_types_extra_spec:show",
        "rule:context_is_admin",
        "GET /types/{share_type_id}/extra_specs",
    ),
    Rule(
        "share_types_extra_spec:update",
        "rule:context_is_admin",
        "PUT /types/{share_type_id}/extra_specs",
    ),
    Rule("admin_api", "is_admin:True", BY_OPERATORS),
    Rule("admin_or_owner", "is_admin:True or project_id:%(project_id)s", BY_OPERATORS),
    Rule(
        "admin_or_owner_user",
        "is_admin:True or project_id:%(project_id)s and user_id:%(user_id)s",
        BY_OPERATORS,
    ),
    Rule(
        "admin_or_service_api",
        "role:admin or role:service",
        "For other rules: administrators and services",
    ),
    Rule(
        "context_is_admin",
        "role:admin",
        "Reach the shares of all projects",
        EVERY_SCOPE,  # what it leads to says for which tokens it is
    ),
    Rule(
        "context_is_host_admin", "role:admin and project_id:%(project_id)s", "See where a share is"
    ),
    Rule("default", "rule:admin_or_owner", BY_OPERATORS),
    Rule(
        "owner-user",
        "user_id:%(user_id)s and project_id:%(project_id)s",
        "For other rules: the user who made something",
    ),
    Rule("project-admin", "role:admin and project_id:%(project_id)s", BY_OPERATORS),
    Rule(
        "project-member",
        "role:member and project_id:%(project_id)s",
        "For other rules: who may change a project's shares",
    ),
    Rule(
        "project-reader",
        "role:reader and project_id:%(project_id)s",
        "For other rules: who may see a project's shares",
    ),
)
RULES = of_projects(_RULES)
