"""The access rules of compute with their upstream names and default checks.

Source: the service's policy reference.
"""

from __future__ import annotations

from hanok.web.policy import BY_OPERATORS, EVERY_SCOPE, Rule, of_projects, with_former_names

_RULES: tuple[Rule, ...] = (
    Rule(
        "compute:servers:create:requested_destination",
        "rule:context_is_admin",
        "Name the host of a new server, from 2.74 (POST /servers)",
    ),
    Rule(
        "network:attach_external_network",
        "rule:context_is_admin",
        "Put a server straight onto an external network (POST /servers, POST /servers/{server_id}/os-interface)",
    ),
    Rule(
        "os_compute_api:extensions",
        "@",
        "See the list of extensions (GET /extensions, GET /extensions/{alias})",
    ),
    Rule(
        "os_compute_api:os-server-groups:create",
        "rule:project_member_or_admin",
        "Make a server group (POST /os-server-groups)",
    ),
    Rule(
        "os_compute_api:os-server-groups:delete",
        "rule:project_member_or_admin",
        "Remove a server group (DELETE /os-server-groups/{server_group_id})",
    ),
    Rule(
        "os_compute_api:os-server-groups:index",
        "rule:project_reader_or_admin",
        "See the project's server groups (GET /os-server-groups)",
    ),
    Rule(
        "os_compute_api:os-server-groups:index:all_projects",
        "rule:context_is_admin",
        "See the server groups of all projects (GET /os-server-groups?all_projects)",
    ),
    Rule(
        "os_compute_api:os-server-groups:show",
        "rule:project_reader_or_admin",
        "See a server group (GET /os-server-groups/{server_group_id})",
    ),
    Rule(
        "os_compute_api:os-admin-password",
        "rule:project_member_or_admin",
        "Change a password inside of a server (POST /servers/{server_id}/action, changePassword)",
    ),
    Rule(
        "os_compute_api:os-deferred-delete:restore",
        "rule:project_member_or_admin",
        "Bring back a server that was soft deleted (POST /servers/{server_id}/action, restore)",
    ),
    Rule(
        "os_compute_api:os-rescue",
        "rule:project_member_or_admin",
        "Boot a server from another image for a while (POST /servers/{server_id}/action, rescue)",
    ),
    Rule(
        "os_compute_api:os-unrescue",
        "rule:project_member_or_admin",
        "Boot a rescued server from its own disk again (POST /servers/{server_id}/action, unrescue)",
    ),
    Rule(
        "os_compute_api:os-shelve:shelve",
        "rule:project_member_or_admin",
        "Keep a server as an image (POST /servers/{server_id}/action, shelve)",
    ),
    Rule(
        "os_compute_api:os-shelve:shelve_offload",
        "rule:context_is_admin",
        "Take a shelved server from its host (POST /servers/{server_id}/action, shelveOffload)",
    ),
    Rule(
        "os_compute_api:os-shelve:unshelve",
        "rule:project_member_or_admin",
        "Bring back a shelved server (POST /servers/{server_id}/action, unshelve)",
    ),
    Rule(
        "os_compute_api:os-shelve:unshelve_to_host",
        "rule:context_is_admin",
        "Name the host that a shelved server comes back to, from 2.91 (POST /servers/{server_id}/action, unshelve)",
    ),
    Rule(
        "os_compute_api:servers:rebuild",
        "rule:project_member_or_admin",
        "Make a server anew from an image (POST /servers/{server_id}/action, rebuild)",
    ),
    Rule(
        "os_compute_api:servers:rebuild:trusted_certs",
        "rule:project_member_or_admin",
        "Name the certificates that the image of a rebuild must be signed with (POST /servers/{server_id}/action, rebuild)",
    ),
    Rule(
        "os_compute_api:servers:resize",
        "rule:project_member_or_admin",
        "Give a server another flavor (POST /servers/{server_id}/action, resize)",
    ),
    Rule(
        "os_compute_api:servers:confirm_resize",
        "rule:project_member_or_admin",
        "Keep the new flavor (POST /servers/{server_id}/action, confirmResize)",
    ),
    Rule(
        "os_compute_api:servers:revert_resize",
        "rule:project_member_or_admin",
        "Take the old flavor back (POST /servers/{server_id}/action, revertResize)",
    ),
    Rule(
        "os_compute_api:os-migrate-server:migrate",
        "rule:project_manager_or_admin",
        "Take a server to another host (POST /servers/{server_id}/action, migrate)",
    ),
    Rule(
        "os_compute_api:os-migrate-server:migrate:host",
        "rule:context_is_admin",
        "Say to which host, from 2.56 (POST /servers/{server_id}/action, migrate)",
    ),
    Rule(
        "os_compute_api:os-migrate-server:migrate_live",
        "rule:project_manager_or_admin",
        "Take a server to another host while it runs (POST /servers/{server_id}/action, os-migrateLive)",
    ),
    Rule(
        "os_compute_api:os-migrate-server:migrate_live:host",
        "rule:context_is_admin",
        "Say to which host (POST /servers/{server_id}/action, os-migrateLive)",
    ),
    Rule(
        "os_compute_api:os-evacuate",
        "rule:context_is_admin",
        "Make a server whose host is dead anew on another host (POST /servers/{server_id}/action, evacuate)",
    ),
    Rule(
        "os_compute_api:servers:trigger_crash_dump",
        "rule:project_member_or_admin",
        "Interrupt a server so that it dumps its memory, from 2.17 (POST /servers/{server_id}/action, trigger_crash_dump)",
    ),
    Rule(
        "os_compute_api:servers:create:attach_network",
        "rule:project_member_or_admin",
        "Name the networks of a new server (POST /servers)",
    ),
    Rule(
        "os_compute_api:servers:create:attach_volume",
        "rule:project_member_or_admin",
        "Name the block devices of a new server (POST /servers)",
    ),
    Rule(
        "os_compute_api:servers:create:forced_host",
        "rule:context_is_admin",
        "Name the host of a new server with its availability zone (POST /servers)",
    ),
    Rule(
        "os_compute_api:servers:create:trusted_certs",
        "rule:project_member_or_admin",
        "Name the certificates that the image of a new server must be signed with (POST /servers)",
    ),
    Rule(
        "os_compute_api:servers:create:zero_disk_flavor",
        "rule:context_is_admin",
        "Start a server from an image with a flavor without a disk (POST /servers)",
    ),
    Rule(
        "os_compute_api:servers:show:host_status:unknown-only",
        "rule:context_is_admin",
        "See of a server's host only that nobody knows how it is (GET /servers/{server_id}, GET /servers/detail)",
    ),
    Rule(
        "os_compute_api:ips:index", "rule:project_reader_or_admin", "GET /servers/{server_id}/ips"
    ),
    Rule(
        "os_compute_api:ips:show",
        "rule:project_reader_or_admin",
        "GET /servers/{server_id}/ips/{network_label}",
    ),
    Rule("os_compute_api:limits", "@", "GET /limits"),
    Rule("os_compute_api:limits:other_project", "rule:context_is_admin", "GET /limits"),
    Rule(
        "os_compute_api:os-admin-actions:reset_state",
        "rule:context_is_admin",
        "POST /servers/{server_id}/action (os-resetState)",
    ),
    Rule(
        "os_compute_api:os-attach-interfaces:create",
        "rule:project_member_or_admin",
        "POST /servers/{server_id}/os-interface",
    ),
    Rule(
        "os_compute_api:os-attach-interfaces:delete",
        "rule:project_member_or_admin",
        "DELETE /servers/{server_id}/os-interface/{port_id}",
    ),
    Rule(
        "os_compute_api:os-attach-interfaces:list",
        "rule:project_reader_or_admin",
        "GET /servers/{server_id}/os-interface",
    ),
    Rule(
        "os_compute_api:os-attach-interfaces:show",
        "rule:project_reader_or_admin",
        "GET /servers/{server_id}/os-interface/{port_id}",
    ),
    Rule(
        "os_compute_api:os-baremetal-nodes:list",
        "rule:context_is_admin",
        "GET /os-baremetal-nodes",
    ),
    Rule(
        "os_compute_api:os-baremetal-nodes:show",
        "rule:context_is_admin",
        "GET /os-baremetal-nodes/{node_id}",
    ),
    Rule(
        "os_compute_api:os-volumes-attachments:create",
        "rule:project_member_or_admin",
        "POST /servers/{server_id}/os-volume_attachments",
    ),
    Rule(
        "os_compute_api:os-volumes-attachments:delete",
        "rule:project_member_or_admin",
        "DELETE /servers/{server_id}/os-volume_attachments/{volume_id}",
    ),
    Rule(
        "os_compute_api:os-volumes-attachments:index",
        "rule:project_reader_or_admin",
        "GET /servers/{server_id}/os-volume_attachments",
    ),
    Rule(
        "os_compute_api:os-volumes-attachments:show",
        "rule:project_reader_or_admin",
        "GET /servers/{server_id}/os-volume_attachments/{volume_id}",
    ),
    Rule(
        "os_compute_api:os-volumes-attachments:swap",
        "rule:service_or_admin",
        "Another volume in the place of one (PUT /servers/{server_id}/os-volume_attachments/{volume_id})",
    ),
    Rule(
        "os_compute_api:os-volumes-attachments:update",
        "rule:project_member_or_admin",
        "PUT /servers/{server_id}/os-volume_attachments/{volume_id}",
    ),
    Rule(
        "os_compute_api:os-assisted-volume-snapshots:create",
        "rule:service_or_admin",
        "POST /os-assisted-volume-snapshots",
    ),
    Rule(
        "os_compute_api:os-assisted-volume-snapshots:delete",
        "rule:service_or_admin",
        "DELETE /os-assisted-volume-snapshots/{snapshot_id}",
    ),
    Rule(
        "os_compute_api:os-volumes:create",
        "rule:project_member_or_admin",
        "POST /os-volumes",
    ),
    Rule(
        "os_compute_api:os-volumes:delete",
        "rule:project_member_or_admin",
        "DELETE /os-volumes/{volume_id}",
    ),
    Rule(
        "os_compute_api:os-volumes:detail",
        "rule:project_reader_or_admin",
        "GET /os-volumes/detail",
    ),
    Rule(
        "os_compute_api:os-volumes:list",
        "rule:project_reader_or_admin",
        "GET /os-volumes",
    ),
    Rule(
        "os_compute_api:os-volumes:show",
        "rule:project_reader_or_admin",
        "GET /os-volumes/{volume_id}",
    ),
    Rule(
        "os_compute_api:os-volumes:snapshots:create",
        "rule:project_member_or_admin",
        "POST /os-snapshots",
    ),
    Rule(
        "os_compute_api:os-volumes:snapshots:delete",
        "rule:project_member_or_admin",
        "DELETE /os-snapshots/{snapshot_id}",
    ),
    Rule(
        "os_compute_api:os-volumes:snapshots:detail",
        "rule:project_reader_or_admin",
        "GET /os-snapshots/detail",
    ),
    Rule(
        "os_compute_api:os-volumes:snapshots:list",
        "rule:project_reader_or_admin",
        "GET /os-snapshots",
    ),
    Rule(
        "os_compute_api:os-volumes:snapshots:show",
        "rule:project_reader_or_admin",
        "GET /os-snapshots/{snapshot_id}",
    ),
    Rule(
        "compute:aggregates:images",
        "rule:context_is_admin",
        "POST /os-aggregates/{aggregate_id}/images",
    ),
    Rule(
        "os_compute_api:os-aggregates:index",
        "rule:context_is_admin",
        "GET /os-aggregates",
    ),
    Rule(
        "os_compute_api:os-aggregates:create",
        "rule:context_is_admin",
        "POST /os-aggregates",
    ),
    Rule(
        "os_compute_api:os-aggregates:show",
        "rule:context_is_admin",
        "GET /os-aggregates/{aggregate_id}",
    ),
    Rule(
        "os_compute_api:os-aggregates:update",
        "rule:context_is_admin",
        "PUT /os-aggregates/{aggregate_id}",
    ),
    Rule(
        "os_compute_api:os-aggregates:delete",
        "rule:context_is_admin",
        "DELETE /os-aggregates/{aggregate_id}",
    ),
    Rule(
        "os_compute_api:os-aggregates:add_host",
        "rule:context_is_admin",
        "POST /os-aggregates/{aggregate_id}/action (add_host)",
    ),
    Rule(
        "os_compute_api:os-aggregates:remove_host",
        "rule:context_is_admin",
        "POST /os-aggregates/{aggregate_id}/action (remove_host)",
    ),
    Rule(
        "os_compute_api:os-aggregates:set_metadata",
        "rule:context_is_admin",
        "POST /os-aggregates/{aggregate_id}/action (set_metadata)",
    ),
    Rule(
        "compute:server:topology:index",
        "rule:project_reader_or_admin",
        "GET /servers/{server_id}/topology",
    ),
    Rule(
        "compute:server:topology:host:index",
        "rule:context_is_admin",
        "GET /servers/{server_id}/topology (where on the host its nodes are)",
    ),
    Rule(
        "os_compute_api:os-admin-actions:inject_network_info",
        "rule:context_is_admin",
        "POST /servers/{server_id}/action (injectNetworkInfo)",
    ),
    Rule("os_compute_api:os-hosts:list", "rule:context_is_admin", "GET /os-hosts"),
    Rule(
        "os_compute_api:os-hosts:reboot",
        "rule:context_is_admin",
        "GET /os-hosts/{host_name}/reboot",
    ),
    Rule("os_compute_api:os-hosts:show", "rule:context_is_admin", "GET /os-hosts/{host_name}"),
    Rule(
        "os_compute_api:os-hosts:shutdown",
        "rule:context_is_admin",
        "GET /os-hosts/{host_name}/shutdown",
    ),
    Rule(
        "os_compute_api:os-hosts:start",
        "rule:context_is_admin",
        "GET /os-hosts/{host_name}/startup",
    ),
    Rule("os_compute_api:os-hosts:update", "rule:context_is_admin", "PUT /os-hosts/{host_name}"),
    Rule(
        "os_compute_api:os-instance-usage-audit-log:list",
        "rule:context_is_admin",
        "GET /os-instance_usage_audit_log",
    ),
    Rule(
        "os_compute_api:os-instance-usage-audit-log:show",
        "rule:context_is_admin",
        "GET /os-instance_usage_audit_log/{before_timestamp}",
    ),
    Rule(
        "os_compute_api:os-migrations:index", "rule:project_manager_or_admin", "GET /os-migrations"
    ),
    Rule(
        "os_compute_api:os-migrations:index:all_projects",
        "rule:context_is_admin",
        "GET /os-migrations",
    ),
    Rule("os_compute_api:os-migrations:index:host", "rule:context_is_admin", "GET /os-migrations"),
    Rule(
        "os_compute_api:os-server-external-events:create",
        "rule:service_or_admin",
        "POST /os-server-external-events",
    ),
    Rule(
        "os_compute_api:os-server-password:clear",
        "rule:project_member_or_admin",
        "DELETE /servers/{server_id}/os-server-password",
    ),
    Rule(
        "os_compute_api:os-server-password:show",
        "rule:project_reader_or_admin",
        "GET /servers/{server_id}/os-server-password",
    ),
    Rule(
        "os_compute_api:os-simple-tenant-usage:list",
        "rule:context_is_admin",
        "GET /os-simple-tenant-usage",
    ),
    Rule(
        "os_compute_api:os-simple-tenant-usage:show",
        "rule:project_reader_or_admin",
        "GET /os-simple-tenant-usage/{tenant_id}",
    ),
    Rule(
        "os_compute_api:servers:migrations:delete",
        "rule:project_manager_or_admin",
        "DELETE /servers/{server_id}/migrations/{migration_id}",
    ),
    Rule(
        "os_compute_api:servers:migrations:force_complete",
        "rule:project_manager_or_admin",
        "POST /servers/{server_id}/migrations/{migration_id}/action (force_complete)",
    ),
    Rule(
        "os_compute_api:servers:migrations:index",
        "rule:project_manager_or_admin",
        "GET /servers/{server_id}/migrations",
    ),
    Rule(
        "os_compute_api:servers:migrations:index:host",
        "rule:context_is_admin",
        "GET /servers/{server_id}/migrations",
    ),
    Rule(
        "os_compute_api:servers:migrations:show",
        "rule:context_is_admin",
        "GET /servers/{server_id}/migrations/{migration_id}",
    ),
    Rule(
        "os_compute_api:os-server-diagnostics",
        "rule:context_is_admin",
        "GET /servers/{server_id}/diagnostics",
    ),
    Rule(
        "os_compute_api:os-availability-zone:detail",
        "rule:context_is_admin",
        "GET /os-availability-zone/detail",
    ),
    Rule("os_compute_api:os-availability-zone:list", "@", "GET /os-availability-zone"),
    Rule(
        "os_compute_api:os-console-auth-tokens",
        "rule:context_is_admin",
        "GET /os-console-auth-tokens/{console_token}",
    ),
    Rule(
        "os_compute_api:os-console-output",
        "rule:project_member_or_admin",
        "POST /servers/{server_id}/action (os-getConsoleOutput)",
    ),
    Rule(
        "os_compute_api:os-create-backup",
        "rule:project_member_or_admin",
        "POST /servers/{server_id}/action (createBackup)",
    ),
    Rule(
        "os_compute_api:os-deferred-delete:force",
        "rule:project_member_or_admin",
        "POST /servers/{server_id}/action (forceDelete)",
    ),
    Rule(
        "os_compute_api:os-extended-server-attributes",
        "rule:context_is_admin",
        "GET /servers/{id}; GET /servers/detail; PUT /servers/{server_id}; POST /servers/{server_id",
    ),
    Rule(
        "os_compute_api:os-flavor-access",
        "rule:context_is_admin",
        "GET /flavors/{flavor_id}/os-flavor-access",
    ),
    Rule(
        "os_compute_api:os-flavor-access:add_tenant_access",
        "rule:context_is_admin",
        "POST /flavors/{flavor_id}/action (addTenantAccess)",
    ),
    Rule(
        "os_compute_api:os-flavor-access:remove_tenant_access",
        "rule:context_is_admin",
        "POST /flavors/{flavor_id}/action (removeTenantAccess)",
    ),
    Rule(
        "os_compute_api:os-flavor-extra-specs:create",
        "rule:context_is_admin",
        "POST /flavors/{flavor_id}/os-extra_specs/",
    ),
    Rule(
        "os_compute_api:os-flavor-extra-specs:delete",
        "rule:context_is_admin",
        "DELETE /flavors/{flavor_id}/os-extra_specs/{flavor_extra_spec_key}",
    ),
    Rule(
        "os_compute_api:os-flavor-extra-specs:index",
        "rule:project_reader_or_admin",
        "GET /flavors/{flavor_id}/os-extra_specs/; POST /flavors; GET /flavors/detail; GET /flavors",
    ),
    Rule(
        "os_compute_api:os-flavor-extra-specs:show",
        "rule:project_reader_or_admin",
        "GET /flavors/{flavor_id}/os-extra_specs/{flavor_extra_spec_key}",
    ),
    Rule(
        "os_compute_api:os-flavor-extra-specs:update",
        "rule:context_is_admin",
        "PUT /flavors/{flavor_id}/os-extra_specs/{flavor_extra_spec_key}",
    ),
    Rule("os_compute_api:os-flavor-manage:create", "rule:context_is_admin", "POST /flavors"),
    Rule(
        "os_compute_api:os-flavor-manage:delete",
        "rule:context_is_admin",
        "DELETE /flavors/{flavor_id}",
    ),
    Rule(
        "os_compute_api:os-flavor-manage:update",
        "rule:context_is_admin",
        "PUT /flavors/{flavor_id}",
    ),
    Rule(
        "os_compute_api:os-floating-ip-pools",
        "@",
        "GET /os-floating-ip-pools",
    ),
    Rule(
        "os_compute_api:os-floating-ips:add",
        "rule:project_member_or_admin",
        "POST /servers/{server_id}/action (addFloatingIp)",
    ),
    Rule(
        "os_compute_api:os-floating-ips:create",
        "rule:project_member_or_admin",
        "POST /os-floating-ips",
    ),
    Rule(
        "os_compute_api:os-floating-ips:delete",
        "rule:project_member_or_admin",
        "DELETE /os-floating-ips/{floating_ip_id}",
    ),
    Rule(
        "os_compute_api:os-floating-ips:list",
        "rule:project_reader_or_admin",
        "GET /os-floating-ips",
    ),
    Rule(
        "os_compute_api:os-floating-ips:remove",
        "rule:project_member_or_admin",
        "POST /servers/{server_id}/action (removeFloatingIp)",
    ),
    Rule(
        "os_compute_api:os-floating-ips:show",
        "rule:project_reader_or_admin",
        "GET /os-floating-ips/{floating_ip_id}",
    ),
    Rule("os_compute_api:os-hypervisors:list", "rule:context_is_admin", "GET /os-hypervisors"),
    Rule(
        "os_compute_api:os-hypervisors:list-detail",
        "rule:context_is_admin",
        "GET /os-hypervisors/details",
    ),
    Rule(
        "os_compute_api:os-hypervisors:search",
        "rule:context_is_admin",
        "GET /os-hypervisors/{hypervisor_hostname_pattern}/search",
    ),
    Rule(
        "os_compute_api:os-hypervisors:servers",
        "rule:context_is_admin",
        "GET /os-hypervisors/{hypervisor_hostname_pattern}/servers",
    ),
    Rule(
        "os_compute_api:os-hypervisors:show",
        "rule:context_is_admin",
        "GET /os-hypervisors/{hypervisor_id}",
    ),
    Rule(
        "os_compute_api:os-hypervisors:statistics",
        "rule:context_is_admin",
        "GET /os-hypervisors/statistics",
    ),
    Rule(
        "os_compute_api:os-hypervisors:uptime",
        "rule:context_is_admin",
        "GET /os-hypervisors/{hypervisor_id}/uptime",
    ),
    Rule(
        "os_compute_api:os-instance-actions:events",
        "rule:context_is_admin",
        "GET /servers/{server_id}/os-instance-actions/{request_id}",
    ),
    Rule(
        "os_compute_api:os-instance-actions:events:details",
        "rule:context_is_admin",
        "GET /servers/{server_id}/os-instance-actions/{request_id}",
    ),
    Rule(
        "os_compute_api:os-instance-actions:list",
        "rule:project_reader_or_admin",
        "GET /servers/{server_id}/os-instance-actions",
    ),
    Rule(
        "os_compute_api:os-instance-actions:show",
        "rule:project_reader_or_admin",
        "GET /servers/{server_id}/os-instance-actions/{request_id}",
    ),
    Rule(
        "os_compute_api:os-keypairs:create",
        "(rule:context_is_admin) or user_id:%(user_id)s",
        "POST /os-keypairs",
    ),
    Rule(
        "os_compute_api:os-keypairs:delete",
        "(rule:context_is_admin) or user_id:%(user_id)s",
        "DELETE /os-keypairs/{keypair_name}",
    ),
    Rule(
        "os_compute_api:os-keypairs:index",
        "(rule:context_is_admin) or user_id:%(user_id)s",
        "GET /os-keypairs",
    ),
    Rule(
        "os_compute_api:os-keypairs:show",
        "(rule:context_is_admin) or user_id:%(user_id)s",
        "GET /os-keypairs/{keypair_name}",
    ),
    Rule(
        "os_compute_api:os-lock-server:lock",
        "rule:project_member_or_admin",
        "POST /servers/{server_id}/action (lock)",
    ),
    Rule(
        "os_compute_api:os-lock-server:unlock",
        "rule:project_member_or_admin",
        "POST /servers/{server_id}/action (unlock)",
    ),
    Rule(
        "os_compute_api:os-lock-server:unlock:unlock_override",
        "rule:context_is_admin",
        "POST /servers/{server_id}/action (unlock)",
    ),
    Rule(
        "os_compute_api:os-multinic:add",
        "rule:project_member_or_admin",
        "POST /servers/{server_id}/action (addFixedIp)",
    ),
    Rule(
        "os_compute_api:os-multinic:remove",
        "rule:project_member_or_admin",
        "POST /servers/{server_id}/action (removeFixedIp)",
    ),
    Rule(
        "os_compute_api:os-networks:list",
        "rule:project_reader_or_admin",
        "GET /os-networks",
    ),
    Rule(
        "os_compute_api:os-networks:show",
        "rule:project_reader_or_admin",
        "GET /os-networks/{network_id}",
    ),
    Rule(
        "os_compute_api:os-pause-server:pause",
        "rule:project_member_or_admin",
        "POST /servers/{server_id}/action (pause)",
    ),
    Rule(
        "os_compute_api:os-pause-server:unpause",
        "rule:project_member_or_admin",
        "POST /servers/{server_id}/action (unpause)",
    ),
    Rule(
        "os_compute_api:os-quota-class-sets:show",
        "rule:context_is_admin",
        "GET /os-quota-class-sets/{quota_class}",
    ),
    Rule(
        "os_compute_api:os-quota-class-sets:update",
        "rule:context_is_admin",
        "PUT /os-quota-class-sets/{quota_class}",
    ),
    Rule("os_compute_api:os-quota-sets:defaults", "@", "GET /os-quota-sets/{tenant_id}/defaults"),
    Rule(
        "os_compute_api:os-quota-sets:delete",
        "rule:context_is_admin",
        "DELETE /os-quota-sets/{tenant_id}",
    ),
    Rule(
        "os_compute_api:os-quota-sets:detail",
        "rule:project_reader_or_admin",
        "GET /os-quota-sets/{tenant_id}/detail",
    ),
    Rule(
        "os_compute_api:os-quota-sets:show",
        "rule:project_reader_or_admin",
        "GET /os-quota-sets/{tenant_id}",
    ),
    Rule(
        "os_compute_api:os-quota-sets:update",
        "rule:context_is_admin",
        "PUT /os-quota-sets/{tenant_id}",
    ),
    Rule(
        "os_compute_api:os-remote-consoles",
        "rule:project_member_or_admin",
        "POST /servers/{server_id}/action (os-getSerialConsole); POST /servers/{server_id}/action (",
    ),
    Rule(
        "os_compute_api:os-security-groups:add",
        "rule:project_member_or_admin",
        "POST /servers/{server_id}/action (addSecurityGroup)",
    ),
    Rule(
        "os_compute_api:os-security-groups:create",
        "rule:project_member_or_admin",
        "POST /os-security-groups",
    ),
    Rule(
        "os_compute_api:os-security-groups:delete",
        "rule:project_member_or_admin",
        "DELETE /os-security-groups/{security_group_id}",
    ),
    Rule(
        "os_compute_api:os-security-groups:get",
        "rule:project_reader_or_admin",
        "GET /os-security-groups",
    ),
    Rule(
        "os_compute_api:os-security-groups:list",
        "rule:project_reader_or_admin",
        "GET /servers/{server_id}/os-security-groups",
    ),
    Rule(
        "os_compute_api:os-security-groups:remove",
        "rule:project_member_or_admin",
        "POST /servers/{server_id}/action (removeSecurityGroup)",
    ),
    Rule(
        "os_compute_api:os-security-groups:rule:create",
        "rule:project_member_or_admin",
        "POST /os-security-group-rules",
    ),
    Rule(
        "os_compute_api:os-security-groups:rule:delete",
        "rule:project_member_or_admin",
        "DELETE /os-security-group-rules/{security_group_id}",
    ),
    Rule(
        "os_compute_api:os-security-groups:show",
        "rule:project_reader_or_admin",
        "GET /os-security-groups/{security_group_id}",
    ),
    Rule(
        "os_compute_api:os-security-groups:update",
        "rule:project_member_or_admin",
        "PUT /os-security-groups/{security_group_id}",
    ),
    Rule(
        "os_compute_api:os-server-tags:delete",
        "rule:project_member_or_admin",
        "DELETE /servers/{server_id}/tags/{tag}",
    ),
    Rule(
        "os_compute_api:os-server-tags:delete_all",
        "rule:project_member_or_admin",
        "DELETE /servers/{server_id}/tags",
    ),
    Rule(
        "os_compute_api:os-server-tags:index",
        "rule:project_reader_or_admin",
        "GET /servers/{server_id}/tags",
    ),
    Rule(
        "os_compute_api:os-server-tags:show",
        "rule:project_reader_or_admin",
        "GET /servers/{server_id}/tags/{tag}",
    ),
    Rule(
        "os_compute_api:os-server-tags:update",
        "rule:project_member_or_admin",
        "PUT /servers/{server_id}/tags/{tag}",
    ),
    Rule(
        "os_compute_api:os-server-tags:update_all",
        "rule:project_member_or_admin",
        "PUT /servers/{server_id}/tags",
    ),
    Rule(
        "os_compute_api:os-server-shares:create",
        "rule:project_member_or_admin",
        "POST /servers/{server_id}/shares",
    ),
    Rule(
        "os_compute_api:os-server-shares:delete",
        "rule:project_member_or_admin",
        "DELETE /servers/{server_id}/shares/{share_id}",
    ),
    Rule(
        "os_compute_api:os-server-shares:index",
        "rule:project_reader_or_admin",
        "GET /servers/{server_id}/shares",
    ),
    Rule(
        "os_compute_api:os-server-shares:show",
        "rule:project_reader_or_admin",
        "GET /servers/{server_id}/shares/{share_id}",
    ),
    Rule(
        "os_compute_api:os-services:delete",
        "rule:context_is_admin",
        "DELETE /os-services/{service_id}",
    ),
    Rule("os_compute_api:os-services:list", "rule:context_is_admin", "GET /os-services"),
    Rule(
        "os_compute_api:os-services:update",
        "rule:context_is_admin",
        "PUT /os-services/{service_id}",
    ),
    Rule(
        "os_compute_api:os-suspend-server:resume",
        "rule:project_member_or_admin",
        "POST /servers/{server_id}/action (resume)",
    ),
    Rule(
        "os_compute_api:os-suspend-server:suspend",
        "rule:project_member_or_admin",
        "POST /servers/{server_id}/action (suspend)",
    ),
    Rule(
        "os_compute_api:os-tenant-networks:list",
        "rule:project_reader_or_admin",
        "GET /os-tenant-networks",
    ),
    Rule(
        "os_compute_api:os-tenant-networks:show",
        "rule:project_reader_or_admin",
        "GET /os-tenant-networks/{network_id}",
    ),
    Rule(
        "os_compute_api:server-metadata:create",
        "rule:project_member_or_admin",
        "POST /servers/{server_id}/metadata",
    ),
    Rule(
        "os_compute_api:server-metadata:delete",
        "rule:project_member_or_admin",
        "DELETE /servers/{server_id}/metadata/{key}",
    ),
    Rule(
        "os_compute_api:server-metadata:index",
        "rule:project_reader_or_admin",
        "GET /servers/{server_id}/metadata",
    ),
    Rule(
        "os_compute_api:server-metadata:show",
        "rule:project_reader_or_admin",
        "GET /servers/{server_id}/metadata/{key}",
    ),
    Rule(
        "os_compute_api:server-metadata:update",
        "rule:project_member_or_admin",
        "PUT /servers/{server_id}/metadata/{key}",
    ),
    Rule(
        "os_compute_api:server-metadata:update_all",
        "rule:project_member_or_admin",
        "PUT /servers/{server_id}/metadata",
    ),
    Rule(
        "os_compute_api:servers:allow_all_filters",
        "rule:context_is_admin",
        "GET /servers; GET /servers/detail",
    ),
    Rule("os_compute_api:servers:create", "rule:project_member_or_admin", "POST /servers"),
    Rule(
        "os_compute_api:servers:create_image",
        "rule:project_member_or_admin",
        "POST /servers/{server_id}/action (createImage)",
    ),
    Rule(
        "os_compute_api:servers:create_image:allow_volume_backed",
        "rule:project_member_or_admin",
        "Of a server that boots from a volume (POST /servers/{server_id}/action, createImage)",
    ),
    Rule(
        "os_compute_api:servers:delete",
        "rule:project_member_or_admin",
        "DELETE /servers/{server_id}",
    ),
    Rule("os_compute_api:servers:detail", "rule:project_reader_or_admin", "GET /servers/detail"),
    Rule(
        "os_compute_api:servers:detail:get_all_tenants",
        "rule:context_is_admin",
        "GET /servers/detail",
    ),
    Rule("os_compute_api:servers:index", "rule:project_reader_or_admin", "GET /servers"),
    Rule("os_compute_api:servers:index:get_all_tenants", "rule:context_is_admin", "GET /servers"),
    Rule(
        "os_compute_api:servers:reboot",
        "rule:project_member_or_admin",
        "POST /servers/{server_id}/action (reboot)",
    ),
    Rule("os_compute_api:servers:show", "rule:project_reader_or_admin", "GET /servers/{server_id}"),
    Rule(
        "os_compute_api:servers:show:flavor-extra-specs",
        "rule:project_reader_or_admin",
        "GET /servers/detail; GET /servers/{server_id}; PUT /servers/{server_id}; POST /servers/{se",
    ),
    Rule(
        "os_compute_api:servers:show:host_status",
        "rule:context_is_admin",
        "GET /servers/{server_id}; GET /servers/detail; PUT /servers/{server_id}; POST /servers/{se",
    ),
    Rule(
        "os_compute_api:servers:start",
        "rule:project_member_or_admin",
        "POST /servers/{server_id}/action (os-start)",
    ),
    Rule(
        "os_compute_api:servers:stop",
        "rule:project_member_or_admin",
        "POST /servers/{server_id}/action (os-stop)",
    ),
    Rule(
        "os_compute_api:servers:update", "rule:project_member_or_admin", "PUT /servers/{server_id}"
    ),
    Rule(
        "context_is_admin",
        "role:admin",
        "Used by other rules.",
        EVERY_SCOPE,  # what it leads to says for which tokens it is: 403, where others' servers are a 404
    ),
    Rule("project_member_api", "role:member and project_id:%(project_id)s", "Used by other rules."),
    Rule(
        "project_member_or_admin",
        "rule:project_member_api or rule:context_is_admin",
        "Used by other rules.",
    ),
    Rule("project_reader_api", "role:reader and project_id:%(project_id)s", "Used by other rules."),
    Rule(
        "project_reader_or_admin",
        "rule:project_reader_api or rule:context_is_admin",
        "Used by other rules.",
    ),
    # No rule of ours leads to these; an operator's file may, as upstream's own do.
    Rule("admin_api", "rule:context_is_admin", BY_OPERATORS),
    Rule("admin_or_owner", "rule:context_is_admin or project_id:%(project_id)s", BY_OPERATORS),
    Rule("project_manager_api", "role:manager and project_id:%(project_id)s", BY_OPERATORS),
    Rule(
        "project_manager_or_admin",
        "rule:project_manager_api or rule:context_is_admin",
        BY_OPERATORS,
    ),
    Rule("service_api", "role:service", BY_OPERATORS),
    Rule("service_or_admin", "rule:service_api or rule:context_is_admin", BY_OPERATORS),
)

# What rules were called before they were split, or renamed: an operator's file may still say so.
_FORMER_NAMES: dict[str, tuple[str, ...]] = {
    "os_compute_api:os-attach-interfaces": (
        "os_compute_api:os-attach-interfaces:create",
        "os_compute_api:os-attach-interfaces:delete",
        "os_compute_api:os-attach-interfaces:list",
        "os_compute_api:os-attach-interfaces:show",
    ),
    "os_compute_api:os-volumes": tuple(
        f"os_compute_api:os-volumes:{one}"
        for one in (
            "create",
            "delete",
            "detail",
            "list",
            "show",
            "snapshots:create",
            "snapshots:delete",
            "snapshots:detail",
            "snapshots:list",
            "snapshots:show",
        )
    ),
    "os_compute_api:os-deferred-delete": (
        "os_compute_api:os-deferred-delete:force",
        "os_compute_api:os-deferred-delete:restore",
    ),
    "os_compute_api:os-floating-ips": (
        "os_compute_api:os-floating-ips:add",
        "os_compute_api:os-floating-ips:remove",
        "os_compute_api:os-floating-ips:list",
        "os_compute_api:os-floating-ips:create",
        "os_compute_api:os-floating-ips:show",
        "os_compute_api:os-floating-ips:delete",
    ),
    "os_compute_api:os-hypervisors": (
        "os_compute_api:os-hypervisors:list",
        "os_compute_api:os-hypervisors:list-detail",
        "os_compute_api:os-hypervisors:statistics",
        "os_compute_api:os-hypervisors:show",
        "os_compute_api:os-hypervisors:uptime",
        "os_compute_api:os-hypervisors:search",
        "os_compute_api:os-hypervisors:servers",
    ),
    "os_compute_api:os-instance-actions": (
        "os_compute_api:os-instance-actions:list",
        "os_compute_api:os-instance-actions:show",
    ),
    "os_compute_api:os-used-limits": ("os_compute_api:limits:other_project",),
    "os_compute_api:os-rescue": ("os_compute_api:os-unrescue",),
    "os_compute_api:os-multinic": (
        "os_compute_api:os-multinic:add",
        "os_compute_api:os-multinic:remove",
    ),
    "os_compute_api:os-networks:view": (
        "os_compute_api:os-networks:list",
        "os_compute_api:os-networks:show",
    ),
    "os_compute_api:os-security-groups": (
        "os_compute_api:os-security-groups:get",
        "os_compute_api:os-security-groups:show",
        "os_compute_api:os-security-groups:create",
        "os_compute_api:os-security-groups:update",
        "os_compute_api:os-security-groups:delete",
        "os_compute_api:os-security-groups:rule:create",
        "os_compute_api:os-security-groups:rule:delete",
        "os_compute_api:os-security-groups:list",
        "os_compute_api:os-security-groups:add",
        "os_compute_api:os-security-groups:remove",
    ),
    "os_compute_api:os-flavor-extra-specs:index": (
        "os_compute_api:servers:show:flavor-extra-specs",
    ),
    "os_compute_api:os-services": (
        "os_compute_api:os-services:list",
        "os_compute_api:os-services:update",
        "os_compute_api:os-services:delete",
    ),
    "os_compute_api:os-tenant-networks": (
        "os_compute_api:os-tenant-networks:list",
        "os_compute_api:os-tenant-networks:show",
    ),
    "os_compute_api:os-baremetal-nodes": (
        "os_compute_api:os-baremetal-nodes:list",
        "os_compute_api:os-baremetal-nodes:show",
    ),
    "os_compute_api:os-hosts": (
        "os_compute_api:os-hosts:list",
        "os_compute_api:os-hosts:show",
        "os_compute_api:os-hosts:update",
        "os_compute_api:os-hosts:reboot",
        "os_compute_api:os-hosts:shutdown",
        "os_compute_api:os-hosts:start",
    ),
    "os_compute_api:os-instance-usage-audit-log": (
        "os_compute_api:os-instance-usage-audit-log:list",
        "os_compute_api:os-instance-usage-audit-log:show",
    ),
    "os_compute_api:os-server-password": (
        "os_compute_api:os-server-password:show",
        "os_compute_api:os-server-password:clear",
    ),
    # Split off, where the name itself stayed: what an operator says of the one holds for the other, too.
    "os_compute_api:os-migrate-server:migrate_live": (
        "os_compute_api:os-migrate-server:migrate_live:host",
    ),
    "os_compute_api:os-migrations:index": (
        "os_compute_api:os-migrations:index:all_projects",
        "os_compute_api:os-migrations:index:host",
    ),
    "os_compute_api:servers:migrations:index": ("os_compute_api:servers:migrations:index:host",),
}
RULES = of_projects(with_former_names(_RULES, _FORMER_NAMES))
