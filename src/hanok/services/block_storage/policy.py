"""The access rules of block storage with their upstream names and default checks.

Source: the service's policy reference.
"""

from __future__ import annotations

from hanok.web.policy import BY_OPERATORS, Rule, with_former_names

_RULES: tuple[Rule, ...] = (
    Rule("clusters:get", "rule:admin_api", "See a cluster (GET /clusters/{cluster_name})"),
    Rule(
        "clusters:get_all", "rule:admin_api", "List clusters (GET /clusters, GET /clusters/detail)"
    ),
    Rule(
        "clusters:update",
        "rule:admin_api",
        "Switch a cluster on and off (PUT /clusters/enable, PUT /clusters/disable)",
    ),
    Rule(
        "backup:backup-import",
        "rule:admin_api",
        "Take in the record of a backup (POST /backups/import_record)",
    ),
    Rule(
        "backup:backup_project_attribute",
        "rule:admin_api",
        "See a backup's project (GET /backups/{backup_id}, GET /backups/detail)",
    ),
    Rule(
        "backup:create",
        "rule:xena_system_admin_or_project_member",
        "Create a backup (POST /backups)",
    ),
    Rule(
        "backup:delete",
        "rule:xena_system_admin_or_project_member",
        "Delete a backup (DELETE /backups/{backup_id})",
    ),
    Rule(
        "backup:export-import",
        "rule:admin_api",
        "Export the record of a backup (GET /backups/{backup_id}/export_record)",
    ),
    Rule(
        "backup:get",
        "rule:xena_system_admin_or_project_reader",
        "See a backup (GET /backups/{backup_id})",
    ),
    Rule(
        "backup:get_all",
        "rule:xena_system_admin_or_project_reader",
        "List backups (GET /backups, GET /backups/detail)",
    ),
    Rule(
        "backup:restore",
        "rule:xena_system_admin_or_project_member",
        "Restore a backup (POST /backups/{backup_id}/restore)",
    ),
    Rule(
        "backup:update",
        "rule:xena_system_admin_or_project_member",
        "Change a backup's name, description or metadata (PUT /backups/{backup_id})",
    ),
    Rule("clusters:get", "rule:admin_api", "See a cluster (GET /clusters/{cluster_name})"),
    Rule(
        "clusters:get_all", "rule:admin_api", "List clusters (GET /clusters, GET /clusters/detail)"
    ),
    Rule(
        "clusters:update",
        "rule:admin_api",
        "Switch a cluster on or off (PUT /clusters/enable, PUT /clusters/disable)",
    ),
    Rule(
        "group:access_group_types_specs",
        "rule:admin_api",
        "See the specs of group types (GET /group_types, GET /group_types/{group_type_id})",
    ),
    Rule(
        "group:create",
        "rule:xena_system_admin_or_project_member",
        "Create a group (POST /groups, POST /groups/action, create-from-src)",
    ),
    Rule(
        "group:create_group_snapshot",
        "rule:xena_system_admin_or_project_member",
        "Create a group snapshot (POST /group_snapshots)",
    ),
    Rule(
        "group:delete",
        "rule:xena_system_admin_or_project_member",
        "Delete a group (POST /groups/{group_id}/action, delete)",
    ),
    Rule(
        "group:delete_group_snapshot",
        "rule:xena_system_admin_or_project_member",
        "Delete a group snapshot (DELETE /group_snapshots/{group_snapshot_id})",
    ),
    Rule(
        "group:disable_replication",
        "rule:xena_system_admin_or_project_member",
        "Switch a group's replication off (POST /groups/{group_id}/action, disable_replication)",
    ),
    Rule(
        "group:enable_replication",
        "rule:xena_system_admin_or_project_member",
        "Switch a group's replication on (POST /groups/{group_id}/action, enable_replication)",
    ),
    Rule(
        "group:failover_replication",
        "rule:xena_system_admin_or_project_member",
        "Have a group's replica take over (POST /groups/{group_id}/action, failover_replication)",
    ),
    Rule(
        "group:get",
        "rule:xena_system_admin_or_project_reader",
        "See a group (GET /groups/{group_id})",
    ),
    Rule(
        "group:get_all",
        "rule:xena_system_admin_or_project_reader",
        "List groups (GET /groups, GET /groups/detail)",
    ),
    Rule(
        "group:get_all_group_snapshots",
        "rule:xena_system_admin_or_project_reader",
        "List group snapshots (GET /group_snapshots, GET /group_snapshots/detail)",
    ),
    Rule(
        "group:get_group_snapshot",
        "rule:xena_system_admin_or_project_reader",
        "See a group snapshot (GET /group_snapshots/{group_snapshot_id})",
    ),
    Rule(
        "group:group_project_attribute",
        "rule:admin_api",
        "See a group's project (GET /groups/{group_id}, GET /groups/detail)",
    ),
    Rule(
        "group:group_snapshot_project_attribute",
        "rule:admin_api",
        "See a group snapshot's project (GET /group_snapshots/{group_snapshot_id}, GET /group_snapshots/detail)",
    ),
    Rule("group:group_types:create", "rule:admin_api", "Create a group type (POST /group_types)"),
    Rule(
        "group:group_types:delete",
        "rule:admin_api",
        "Delete a group type (DELETE /group_types/{group_type_id})",
    ),
    Rule(
        "group:group_types:update",
        "rule:admin_api",
        "Change a group type (PUT /group_types/{group_type_id})",
    ),
    Rule(
        "group:group_types_specs:create",
        "rule:admin_api",
        "Set specs of a group type (POST /group_types/{group_type_id}/group_specs)",
    ),
    Rule(
        "group:group_types_specs:delete",
        "rule:admin_api",
        "Take a spec from a group type (DELETE /group_types/{group_type_id}/group_specs/{key})",
    ),
    Rule(
        "group:group_types_specs:get",
        "rule:admin_api",
        "See a spec of a group type (GET /group_types/{group_type_id}/group_specs/{key})",
    ),
    Rule(
        "group:group_types_specs:get_all",
        "rule:admin_api",
        "List the specs of a group type (GET /group_types/{group_type_id}/group_specs)",
    ),
    Rule(
        "group:group_types_specs:update",
        "rule:admin_api",
        "Change a spec of a group type (PUT /group_types/{group_type_id}/group_specs/{key})",
    ),
    Rule(
        "group:list_replication_targets",
        "rule:xena_system_admin_or_project_member",
        "List where a group is replicated to (POST /groups/{group_id}/action, list_replication_targets)",
    ),
    Rule(
        "group:reset_group_snapshot_status",
        "rule:admin_api",
        "Set a group snapshot's state by hand (POST /group_snapshots/{group_snapshot_id}/action, reset_status)",
    ),
    Rule(
        "group:reset_status",
        "rule:admin_api",
        "Set a group's state by hand (POST /groups/{group_id}/action, reset_status)",
    ),
    Rule(
        "group:update",
        "rule:xena_system_admin_or_project_member",
        "Change a group or its volumes (PUT /groups/{group_id})",
    ),
    Rule("group:update_group_snapshot", "rule:xena_system_admin_or_project_member", BY_OPERATORS),
    Rule(
        "volume:accept_transfer",
        "rule:xena_system_admin_or_project_member",
        "Accept a transfer (POST /volume-transfers/{transfer_id}/accept)",
    ),
    Rule(
        "volume:create_transfer",
        "rule:xena_system_admin_or_project_member",
        "Create a transfer (POST /volume-transfers)",
    ),
    Rule(
        "volume:delete_transfer",
        "rule:xena_system_admin_or_project_member",
        "Delete a transfer (DELETE /volume-transfers/{transfer_id})",
    ),
    Rule(
        "volume:get_all_transfers",
        "rule:xena_system_admin_or_project_reader",
        "List transfers (GET /volume-transfers, GET /volume-transfers/detail)",
    ),
    Rule(
        "volume:get_transfer",
        "rule:xena_system_admin_or_project_reader",
        "See a transfer (GET /volume-transfers/{transfer_id})",
    ),
    Rule(
        "volume_extension:backup_admin_actions:force_delete",
        "rule:admin_api",
        "Delete a backup whatever its state (POST /backups/{backup_id}/action, os-force_delete)",
    ),
    Rule(
        "volume_extension:backup_admin_actions:reset_status",
        "rule:admin_api",
        "Set a backup's state by hand (POST /backups/{backup_id}/action, os-reset_status)",
    ),
    Rule(
        "volume_extension:default_get",
        "rule:admin_api",
        "See a project's default type (GET /default-types/{project_id})",
    ),
    Rule(
        "volume_extension:default_get_all",
        "rule:admin_api",
        "List default types (GET /default-types)",
    ),
    Rule(
        "volume_extension:default_set_or_update",
        "rule:admin_api",
        "Set a project's default type (PUT /default-types/{project_id})",
    ),
    Rule(
        "volume_extension:default_unset",
        "rule:admin_api",
        "Take back a project's default type (DELETE /default-types/{project_id})",
    ),
    Rule(
        "volume_extension:qos_specs_manage:create",
        "rule:admin_api",
        "Create QoS specs (POST /qos-specs)",
    ),
    Rule(
        "volume_extension:qos_specs_manage:delete",
        "rule:admin_api",
        "Delete QoS specs, or some of them (DELETE /qos-specs/{qos_id}, PUT /qos-specs/{qos_id}/delete_keys)",
    ),
    Rule(
        "volume_extension:qos_specs_manage:get",
        "rule:admin_api",
        "See QoS specs (GET /qos-specs/{qos_id})",
    ),
    Rule(
        "volume_extension:qos_specs_manage:get_all",
        "rule:admin_api",
        "List QoS specs and their types (GET /qos-specs, GET /qos-specs/{qos_id}/associations)",
    ),
    Rule(
        "volume_extension:qos_specs_manage:update",
        "rule:admin_api",
        "Change QoS specs, and which types have them (PUT /qos-specs/{qos_id}, GET /qos-specs/{qos_id}/associate)",
    ),
    Rule(
        "limits_extension:used_limits",
        "rule:xena_system_admin_or_project_reader",
        "See limits with what of them is used (GET /limits)",
    ),
    Rule(
        "message:delete",
        "rule:xena_system_admin_or_project_member",
        "Delete a message (DELETE /messages/{message_id})",
    ),
    Rule(
        "message:get",
        "rule:xena_system_admin_or_project_reader",
        "See a message (GET /messages/{message_id})",
    ),
    Rule(
        "message:get_all",
        "rule:xena_system_admin_or_project_reader",
        "List messages (GET /messages)",
    ),
    Rule(
        "scheduler_extension:scheduler_stats:get_pools",
        "rule:admin_api",
        "List the pools of back ends (GET /scheduler-stats/get_pools)",
    ),
    Rule(
        "snapshot_extension:list_manageable",
        "rule:admin_api",
        "List what can be taken over as snapshots (GET /manageable_snapshots)",
    ),
    Rule(
        "snapshot_extension:snapshot_actions:update_snapshot_status",
        "rule:xena_system_admin_or_project_member",
        "Say how far a snapshot is (POST /snapshots/{snapshot_id}/action, os-update_snapshot_status)",
    ),
    Rule(
        "snapshot_extension:snapshot_manage",
        "rule:admin_api",
        "Take over a snapshot (POST /manageable_snapshots)",
    ),
    Rule(
        "snapshot_extension:snapshot_unmanage",
        "rule:admin_api",
        "Let go of a snapshot (POST /snapshots/{snapshot_id}/action, os-unmanage)",
    ),
    Rule(
        "volume:attachment_complete",
        "rule:xena_system_admin_or_project_member",
        "Say that an attachment is made (POST /attachments/{attachment_id}/action, os-complete)",
    ),
    Rule(
        "volume:attachment_create",
        "rule:xena_system_admin_or_project_member",
        "Make an attachment (POST /attachments)",
    ),
    Rule(
        "volume:attachment_delete",
        "rule:xena_system_admin_or_project_member",
        "Delete an attachment (DELETE /attachments/{attachment_id})",
    ),
    Rule(
        "volume:attachment_update",
        "rule:xena_system_admin_or_project_member",
        "Connect an attachment (PUT /attachments/{attachment_id})",
    ),
    Rule(
        "volume:create",
        "rule:xena_system_admin_or_project_member",
        "Create a volume (POST /volumes)",
    ),
    Rule(
        "volume:create_from_image",
        "rule:xena_system_admin_or_project_member",
        "Create a volume of an image (POST /volumes)",
    ),
    Rule(
        "volume:create_snapshot",
        "rule:xena_system_admin_or_project_member",
        "Create a snapshot (POST /snapshots)",
    ),
    Rule(
        "volume:create_volume_metadata",
        "rule:xena_system_admin_or_project_member",
        "Add metadata to a volume (POST /volumes/{volume_id}/metadata)",
    ),
    Rule(
        "volume:delete",
        "rule:xena_system_admin_or_project_member",
        "Delete a volume (DELETE /volumes/{volume_id})",
    ),
    Rule(
        "volume:delete_snapshot",
        "rule:xena_system_admin_or_project_member",
        "Delete a snapshot (DELETE /snapshots/{snapshot_id})",
    ),
    Rule(
        "volume:delete_snapshot_metadata",
        "rule:xena_system_admin_or_project_member",
        "Take a key out of a snapshot's metadata (DELETE /snapshots/{snapshot_id}/metadata/{key})",
    ),
    Rule(
        "volume:delete_volume_metadata",
        "rule:xena_system_admin_or_project_member",
        "Take a key out of a volume's metadata (DELETE /volumes/{volume_id}/metadata/{key})",
    ),
    Rule(
        "volume:extend",
        "rule:xena_system_admin_or_project_member",
        "Make a volume larger (POST /volumes/{volume_id}/action, os-extend)",
    ),
    Rule(
        "volume:extend_attached_volume",
        "rule:xena_system_admin_or_project_member",
        "Make a volume larger while it is attached (POST /volumes/{volume_id}/action, os-extend)",
    ),
    Rule(
        "volume:failover_host",
        "rule:admin_api",
        "Have another back end take over (PUT /os-services/failover_host)",
    ),
    Rule(
        "volume:force_delete",
        "rule:admin_api",
        "Delete a volume whatever its state (DELETE /volumes/{volume_id}?force)",
    ),
    Rule(
        "volume:freeze_host",
        "rule:admin_api",
        "Let nothing be changed on a back end (PUT /os-services/freeze)",
    ),
    Rule(
        "volume:get",
        "rule:xena_system_admin_or_project_reader",
        "See a volume (GET /volumes/{volume_id})",
    ),
    Rule(
        "volume:get_all",
        "rule:xena_system_admin_or_project_reader",
        "List volumes (GET /volumes, GET /volumes/detail, GET /volumes/summary)",
    ),
    Rule(
        "volume:get_all_snapshots",
        "rule:xena_system_admin_or_project_reader",
        "List snapshots (GET /snapshots, GET /snapshots/detail)",
    ),
    Rule(
        "volume:get_snapshot",
        "rule:xena_system_admin_or_project_reader",
        "See a snapshot (GET /snapshots/{snapshot_id})",
    ),
    Rule(
        "volume:get_snapshot_metadata",
        "rule:xena_system_admin_or_project_reader",
        "See a snapshot's metadata (GET /snapshots/{snapshot_id}/metadata)",
    ),
    Rule(
        "volume:get_volume_metadata",
        "rule:xena_system_admin_or_project_reader",
        "See a volume's metadata (GET /volumes/{volume_id}/metadata)",
    ),
    Rule(
        "volume:multiattach",
        "rule:xena_system_admin_or_project_member",
        "Create a volume that several servers may use at once (POST /volumes)",
    ),
    Rule(
        "volume:multiattach_bootable_volume",
        "rule:xena_system_admin_or_project_member",
        "Attach a bootable volume to several servers (POST /attachments)",
    ),
    Rule(
        "volume:reimage",
        "rule:xena_system_admin_or_project_member",
        "Write an image onto a volume (POST /volumes/{volume_id}/action, os-reimage)",
    ),
    Rule(
        "volume:reimage_reserved",
        "rule:xena_system_admin_or_project_member",
        "Write an image onto a volume that is reserved (POST /volumes/{volume_id}/action, os-reimage)",
    ),
    Rule(
        "volume:retype",
        "rule:xena_system_admin_or_project_member",
        "Give a volume another type (POST /volumes/{volume_id}/action, os-retype)",
    ),
    Rule(
        "volume:revert_to_snapshot",
        "rule:xena_system_admin_or_project_member",
        "Set a volume back to its last snapshot (POST /volumes/{volume_id}/action, revert)",
    ),
    Rule(
        "volume:thaw_host",
        "rule:admin_api",
        "Let a back end be changed again (PUT /os-services/thaw)",
    ),
    Rule(
        "volume:update",
        "rule:xena_system_admin_or_project_member",
        "Change a volume's name, description or bootable flag (PUT /volumes/{volume_id}, POST /volumes/{volume_id}/action, os-set_bootable)",
    ),
    Rule(
        "volume:update_readonly_flag",
        "rule:xena_system_admin_or_project_member",
        "Say whether a volume may be written to (POST /volumes/{volume_id}/action, os-update_readonly_flag)",
    ),
    Rule(
        "volume:update_snapshot",
        "rule:xena_system_admin_or_project_member",
        "Change a snapshot's name or description (PUT /snapshots/{snapshot_id})",
    ),
    Rule(
        "volume:update_snapshot_metadata",
        "rule:xena_system_admin_or_project_member",
        "Change a snapshot's metadata (POST, PUT /snapshots/{snapshot_id}/metadata)",
    ),
    Rule(
        "volume:update_volume_admin_metadata",
        "rule:admin_api",
        "Change what only operators see of a volume (POST /volumes/{volume_id}/action, os-update_readonly_flag, os-attach)",
    ),
    Rule(
        "volume:update_volume_metadata",
        "rule:xena_system_admin_or_project_member",
        "Change a volume's metadata (PUT /volumes/{volume_id}/metadata)",
    ),
    Rule(
        "volume_extension:access_types_extra_specs",
        "rule:xena_system_admin_or_project_reader",
        "See the extra specs of types (GET /types, GET /types/{type_id})",
    ),
    Rule(
        "volume_extension:access_types_qos_specs_id",
        "rule:admin_api",
        "See the QoS specs of types (GET /types, GET /types/{type_id})",
    ),
    Rule(
        "volume_extension:capabilities",
        "rule:admin_api",
        "See what a back end can (GET /capabilities/{host_name})",
    ),
    Rule(
        "volume_extension:extended_snapshot_attributes",
        "rule:xena_system_admin_or_project_reader",
        "See a snapshot's project and progress (GET /snapshots/{snapshot_id}, GET /snapshots/detail)",
    ),
    Rule("volume_extension:hosts", "rule:admin_api", "See and change hosts (GET, PUT /os-hosts)"),
    Rule(
        "volume_extension:list_manageable",
        "rule:admin_api",
        "List what can be taken over as volumes (GET /manageable_volumes)",
    ),
    Rule(
        "volume_extension:quota_classes:get",
        "rule:admin_api",
        "See a quota class (GET /os-quota-class-sets/{quota_class_name})",
    ),
    Rule(
        "volume_extension:quota_classes:update",
        "rule:admin_api",
        "Change a quota class (PUT /os-quota-class-sets/{quota_class_name})",
    ),
    Rule(
        "volume_extension:quotas:delete",
        "rule:admin_api",
        "Take back a project's own quotas (DELETE /os-quota-sets/{project_id})",
    ),
    Rule(
        "volume_extension:quotas:show",
        "rule:xena_system_admin_or_project_reader",
        "See a project's quotas (GET /os-quota-sets/{project_id})",
    ),
    Rule(
        "volume_extension:quotas:update",
        "rule:admin_api",
        "Change a project's quotas (PUT /os-quota-sets/{project_id})",
    ),
    Rule("volume_extension:services:index", "rule:admin_api", "List services (GET /os-services)"),
    Rule(
        "volume_extension:services:update",
        "rule:admin_api",
        "Switch services on and off, and see and set how much they log (PUT /os-services/{action})",
    ),
    Rule(
        "volume_extension:snapshot_admin_actions:force_delete",
        "rule:admin_api",
        "Delete a snapshot whatever its state (POST /snapshots/{snapshot_id}/action, os-force_delete)",
    ),
    Rule(
        "volume_extension:snapshot_admin_actions:reset_status",
        "rule:admin_api",
        "Set a snapshot's state by hand (POST /snapshots/{snapshot_id}/action, os-reset_status)",
    ),
    Rule("volume_extension:type_create", "rule:admin_api", "Create a type (POST /types)"),
    Rule(
        "volume_extension:type_delete", "rule:admin_api", "Delete a type (DELETE /types/{type_id})"
    ),
    Rule(
        "volume_extension:type_get",
        "rule:xena_system_admin_or_project_reader",
        "See a type (GET /types/{type_id})",
    ),
    Rule(
        "volume_extension:type_get_all",
        "rule:xena_system_admin_or_project_reader",
        "List types (GET /types)",
    ),
    Rule("volume_extension:type_update", "rule:admin_api", "Change a type (PUT /types/{type_id})"),
    Rule(
        "volume_extension:types_extra_specs:create",
        "rule:admin_api",
        "Set extra specs of a type (POST /types/{type_id}/extra_specs)",
    ),
    Rule(
        "volume_extension:types_extra_specs:delete",
        "rule:admin_api",
        "Take an extra spec from a type (DELETE /types/{type_id}/extra_specs/{key})",
    ),
    Rule(
        "volume_extension:types_extra_specs:index",
        "rule:xena_system_admin_or_project_reader",
        "List a type's extra specs (GET /types/{type_id}/extra_specs)",
    ),
    Rule(
        "volume_extension:types_extra_specs:read_sensitive",
        "rule:admin_api",
        "See those extra specs of types that say something of back ends (GET /types, GET /types/{type_id}/extra_specs)",
    ),
    Rule(
        "volume_extension:types_extra_specs:show",
        "rule:xena_system_admin_or_project_reader",
        "See an extra spec of a type (GET /types/{type_id}/extra_specs/{key})",
    ),
    Rule(
        "volume_extension:types_extra_specs:update",
        "rule:admin_api",
        "Change an extra spec of a type (PUT /types/{type_id}/extra_specs/{key})",
    ),
    Rule(
        "volume_extension:volume_actions:attach",
        "rule:xena_system_admin_or_project_member",
        "Say that a volume is attached (POST /volumes/{volume_id}/action, os-attach)",
    ),
    Rule(
        "volume_extension:volume_actions:begin_detaching",
        "rule:xena_system_admin_or_project_member",
        "Say that a volume is about to be detached (POST /volumes/{volume_id}/action, os-begin_detaching)",
    ),
    Rule(
        "volume_extension:volume_actions:detach",
        "rule:xena_system_admin_or_project_member",
        "Say that a volume is detached (POST /volumes/{volume_id}/action, os-detach)",
    ),
    Rule(
        "volume_extension:volume_actions:initialize_connection",
        "rule:xena_system_admin_or_project_member",
        "Open a volume for a host (POST /volumes/{volume_id}/action, os-initialize_connection)",
    ),
    Rule(
        "volume_extension:volume_actions:reserve",
        "rule:xena_system_admin_or_project_member",
        "Keep a volume for an attachment (POST /volumes/{volume_id}/action, os-reserve)",
    ),
    Rule(
        "volume_extension:volume_actions:roll_detaching",
        "rule:xena_system_admin_or_project_member",
        "Say that a volume stays attached after all (POST /volumes/{volume_id}/action, os-roll_detaching)",
    ),
    Rule(
        "volume_extension:volume_actions:terminate_connection",
        "rule:xena_system_admin_or_project_member",
        "Close a volume for a host (POST /volumes/{volume_id}/action, os-terminate_connection)",
    ),
    Rule(
        "volume_extension:volume_actions:unreserve",
        "rule:xena_system_admin_or_project_member",
        "Keep a volume no longer (POST /volumes/{volume_id}/action, os-unreserve)",
    ),
    Rule(
        "volume_extension:volume_actions:upload_image",
        "rule:xena_system_admin_or_project_member",
        "Make an image of a volume (POST /volumes/{volume_id}/action, os-volume_upload_image)",
    ),
    Rule(
        "volume_extension:volume_actions:upload_public",
        "rule:admin_api",
        "Make a public image of a volume (POST /volumes/{volume_id}/action, os-volume_upload_image)",
    ),
    Rule(
        "volume_extension:volume_admin_actions:extend_volume_completion",
        "rule:admin_api",
        "Say that the extending of a volume is over (POST /volumes/{volume_id}/action, os-extend_volume_completion)",
    ),
    Rule(
        "volume_extension:volume_admin_actions:force_delete",
        "rule:admin_api",
        "Delete a volume whatever its state (POST /volumes/{volume_id}/action, os-force_delete)",
    ),
    Rule(
        "volume_extension:volume_admin_actions:force_detach",
        "rule:admin_api",
        "Detach a volume whatever its user says (POST /volumes/{volume_id}/action, os-force_detach)",
    ),
    Rule(
        "volume_extension:volume_admin_actions:migrate_volume",
        "rule:admin_api",
        "Move a volume to another back end (POST /volumes/{volume_id}/action, os-migrate_volume)",
    ),
    Rule(
        "volume_extension:volume_admin_actions:migrate_volume_completion",
        "rule:admin_api",
        "Say that a volume was moved (POST /volumes/{volume_id}/action, os-migrate_volume_completion)",
    ),
    Rule(
        "volume_extension:volume_admin_actions:reset_status",
        "rule:admin_api",
        "Set a volume's states by hand (POST /volumes/{volume_id}/action, os-reset_status)",
    ),
    Rule(
        "volume_extension:volume_encryption_metadata",
        "rule:xena_system_admin_or_project_reader",
        "See how a volume is encrypted (GET /volumes/{volume_id}/encryption)",
    ),
    Rule(
        "volume_extension:volume_host_attribute",
        "rule:admin_api",
        "See where a volume is (GET /volumes/{volume_id}, GET /volumes/detail)",
    ),
    Rule(
        "volume_extension:volume_image_metadata:remove",
        "rule:xena_system_admin_or_project_member",
        "Take away what a volume says of its image (POST /volumes/{volume_id}/action, os-unset_image_metadata)",
    ),
    Rule(
        "volume_extension:volume_image_metadata:set",
        "rule:xena_system_admin_or_project_member",
        "Set what a volume says of its image (POST /volumes/{volume_id}/action, os-set_image_metadata)",
    ),
    Rule(
        "volume_extension:volume_image_metadata:show",
        "rule:xena_system_admin_or_project_reader",
        "See what a volume says of its image (GET /volumes/{volume_id}, GET /volumes/detail, os-show_image_metadata)",
    ),
    Rule(
        "volume_extension:volume_manage",
        "rule:admin_api",
        "Take over a volume (POST /manageable_volumes)",
    ),
    Rule(
        "volume_extension:volume_mig_status_attribute",
        "rule:admin_api",
        "See how far a volume's move is (GET /volumes/{volume_id}, GET /volumes/detail)",
    ),
    Rule(
        "volume_extension:volume_tenant_attribute",
        "rule:xena_system_admin_or_project_reader",
        "See a volume's project (GET /volumes/{volume_id}, GET /volumes/detail)",
    ),
    Rule(
        "volume_extension:volume_type_access",
        "rule:xena_system_admin_or_project_member",
        "See whether a type is public, and list access to it (GET /types, GET /types/{type_id}, POST /types)",
    ),
    Rule(
        "volume_extension:volume_type_access:addProjectAccess",
        "rule:admin_api",
        "Give a project access to a type (POST /types/{type_id}/action, addProjectAccess)",
    ),
    Rule(
        "volume_extension:volume_type_access:get_all_for_type",
        "rule:admin_api",
        "List the projects that have access to a type (GET /types/{type_id}/os-volume-type-access)",
    ),
    Rule(
        "volume_extension:volume_type_access:removeProjectAccess",
        "rule:admin_api",
        "Take a project's access to a type (POST /types/{type_id}/action, removeProjectAccess)",
    ),
    Rule(
        "volume_extension:volume_type_encryption:create",
        "rule:admin_api",
        "Have the volumes of a type encrypted (POST /types/{type_id}/encryption)",
    ),
    Rule(
        "volume_extension:volume_type_encryption:delete",
        "rule:admin_api",
        "Have the volumes of a type encrypted no longer (DELETE /types/{type_id}/encryption/{encryption_id})",
    ),
    Rule(
        "volume_extension:volume_type_encryption:get",
        "rule:admin_api",
        "See how the volumes of a type are encrypted (GET /types/{type_id}/encryption)",
    ),
    Rule(
        "volume_extension:volume_type_encryption:update",
        "rule:admin_api",
        "Change how the volumes of a type are encrypted (PUT /types/{type_id}/encryption/{encryption_id})",
    ),
    Rule(
        "volume_extension:volume_unmanage",
        "rule:admin_api",
        "Let go of a volume (POST /volumes/{volume_id}/action, os-unmanage)",
    ),
    Rule(
        "workers:cleanup",
        "rule:admin_api",
        "Take up what services left behind (POST /workers/cleanup)",
    ),
    Rule(
        "admin_api",
        "is_admin:True or (role:admin and is_admin_project:True)",
        "For other rules: administrators",
    ),
    Rule(
        "admin_or_owner",
        "is_admin:True or (role:admin and is_admin_project:True) or project_id:%(project_id)s",
        BY_OPERATORS,
    ),
    Rule("context_is_admin", "role:admin", "Reach the volumes of all projects"),
    Rule(
        "system_or_domain_or_project_admin",
        "(role:admin and system_scope:all) or (role:admin and domain_id:%(domain_id)s) or (role:admin and project_id:%(project_id)s)",
        BY_OPERATORS,
    ),
    Rule("volume_extension:volume_type_encryption", "rule:admin_api", BY_OPERATORS),
    Rule(
        "xena_system_admin_or_project_member",
        "(role:admin) or (role:member and project_id:%(project_id)s)",
        "For other rules: who may change a project's volumes",
    ),
    Rule(
        "xena_system_admin_or_project_reader",
        "(role:admin) or (role:reader and project_id:%(project_id)s)",
        "For other rules: who may see a project's volumes",
    ),
)

# What rules were called before they were split: an operator's file may still say so.
_FORMER_NAMES: dict[str, tuple[str, ...]] = {
    "group:group_types_manage": (
        "group:group_types:create",
        "group:group_types:update",
        "group:group_types:delete",
    ),
    "group:group_types_specs": (
        "group:group_types_specs:get",
        "group:group_types_specs:get_all",
        "group:group_types_specs:create",
        "group:group_types_specs:update",
        "group:group_types_specs:delete",
    ),
    "volume_extension:quota_classes": (
        "volume_extension:quota_classes:get",
        "volume_extension:quota_classes:update",
    ),
    "volume_extension:types_manage": (
        "volume_extension:type_create",
        "volume_extension:type_update",
        "volume_extension:type_delete",
    ),
    "volume_extension:volume_image_metadata": (
        "volume_extension:volume_image_metadata:show",
        "volume_extension:volume_image_metadata:set",
        "volume_extension:volume_image_metadata:remove",
    ),
}
RULES = with_former_names(_RULES, _FORMER_NAMES)
