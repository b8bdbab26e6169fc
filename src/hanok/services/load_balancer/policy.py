"""The access rules of load balancing with their upstream names and default checks.

Source: the service"s policy reference.
"""

from __future__ import annotations

from hanok.web.policy import BY_OPERATORS, Rule

RULES: tuple[Rule, ...] = (
    Rule(
        "os_load-balancer_api:amphora:delete",
        "rule:load-balancer:admin",
        "DELETE /v2/octavia/amphorae/{amphora_id}",
    ),
    Rule(
        "os_load-balancer_api:amphora:get_all",
        "rule:load-balancer:admin",
        "GET /v2/octavia/amphorae",
    ),
    Rule(
        "os_load-balancer_api:amphora:get_one",
        "rule:load-balancer:admin",
        "GET /v2/octavia/amphorae/{amphora_id}",
    ),
    Rule(
        "os_load-balancer_api:amphora:get_stats",
        "rule:load-balancer:admin",
        "GET /v2/octavia/amphorae/{amphora_id}/stats",
    ),
    Rule(
        "os_load-balancer_api:amphora:put_config",
        "rule:load-balancer:admin",
        "PUT /v2/octavia/amphorae/{amphora_id}/config",
    ),
    Rule(
        "os_load-balancer_api:amphora:put_failover",
        "rule:load-balancer:admin",
        "PUT /v2/octavia/amphorae/{amphora_id}/failover",
    ),
    Rule(
        "os_load-balancer_api:availability-zone-profile:delete",
        "rule:load-balancer:admin",
        "DELETE /v2.0/lbaas/availabilityzoneprofiles/{availability_zone_profile_id}",
    ),
    Rule(
        "os_load-balancer_api:availability-zone-profile:get_all",
        "rule:load-balancer:admin",
        "GET /v2.0/lbaas/availabilityzoneprofiles",
    ),
    Rule(
        "os_load-balancer_api:availability-zone-profile:get_one",
        "rule:load-balancer:admin",
        "GET /v2.0/lbaas/availabilityzoneprofiles/{availability_zone_profile_id}",
    ),
    Rule(
        "os_load-balancer_api:availability-zone-profile:post",
        "rule:load-balancer:admin",
        "POST /v2.0/lbaas/availabilityzoneprofiles",
    ),
    Rule(
        "os_load-balancer_api:availability-zone-profile:put",
        "rule:load-balancer:admin",
        "PUT /v2.0/lbaas/availabilityzoneprofiles/{availability_zone_profile_id}",
    ),
    Rule(
        "os_load-balancer_api:availability-zone:delete",
        "rule:load-balancer:admin",
        "DELETE /v2.0/lbaas/availabilityzones/{availability_zone_id}",
    ),
    Rule(
        "os_load-balancer_api:availability-zone:get_all",
        "rule:load-balancer:read",
        "GET /v2.0/lbaas/availabilityzones",
    ),
    Rule(
        "os_load-balancer_api:availability-zone:get_one",
        "rule:load-balancer:read",
        "GET /v2.0/lbaas/availabilityzones/{availability_zone_id}",
    ),
    Rule(
        "os_load-balancer_api:availability-zone:post",
        "rule:load-balancer:admin",
        "POST /v2.0/lbaas/availabilityzones",
    ),
    Rule(
        "os_load-balancer_api:availability-zone:put",
        "rule:load-balancer:admin",
        "PUT /v2.0/lbaas/availabilityzones/{availability_zone_id}",
    ),
    Rule(
        "os_load-balancer_api:flavor-profile:delete",
        "rule:load-balancer:admin",
        "DELETE /v2.0/lbaas/flavorprofiles/{flavor_profile_id}",
    ),
    Rule(
        "os_load-balancer_api:flavor-profile:get_all",
        "rule:load-balancer:admin",
        "GET /v2.0/lbaas/flavorprofiles",
    ),
    Rule(
        "os_load-balancer_api:flavor-profile:get_one",
        "rule:load-balancer:admin",
        "GET /v2.0/lbaas/flavorprofiles/{flavor_profile_id}",
    ),
    Rule(
        "os_load-balancer_api:flavor-profile:post",
        "rule:load-balancer:admin",
        "POST /v2.0/lbaas/flavorprofiles",
    ),
    Rule(
        "os_load-balancer_api:flavor-profile:put",
        "rule:load-balancer:admin",
        "PUT /v2.0/lbaas/flavorprofiles/{flavor_profile_id}",
    ),
    Rule(
        "os_load-balancer_api:flavor:delete",
        "rule:load-balancer:admin",
        "DELETE /v2.0/lbaas/flavors/{flavor_id}",
    ),
    Rule(
        "os_load-balancer_api:flavor:get_all", "rule:load-balancer:read", "GET /v2.0/lbaas/flavors"
    ),
    Rule(
        "os_load-balancer_api:flavor:get_one",
        "rule:load-balancer:read",
        "GET /v2.0/lbaas/flavors/{flavor_id}",
    ),
    Rule(
        "os_load-balancer_api:flavor:post", "rule:load-balancer:admin", "POST /v2.0/lbaas/flavors"
    ),
    Rule(
        "os_load-balancer_api:flavor:put",
        "rule:load-balancer:admin",
        "PUT /v2.0/lbaas/flavors/{flavor_id}",
    ),
    Rule(
        "os_load-balancer_api:healthmonitor:delete",
        "rule:load-balancer:write",
        "DELETE /v2/lbaas/healthmonitors/{healthmonitor_id}",
    ),
    Rule(
        "os_load-balancer_api:healthmonitor:get_all",
        "rule:load-balancer:read",
        "GET /v2/lbaas/healthmonitors",
    ),
    Rule(
        "os_load-balancer_api:healthmonitor:get_all-global",
        "rule:load-balancer:read-global",
        "GET /v2/lbaas/healthmonitors",
    ),
    Rule(
        "os_load-balancer_api:healthmonitor:get_one",
        "rule:load-balancer:read",
        "GET /v2/lbaas/healthmonitors/{healthmonitor_id}",
    ),
    Rule(
        "os_load-balancer_api:healthmonitor:post",
        "rule:load-balancer:write",
        "POST /v2/lbaas/healthmonitors",
    ),
    Rule(
        "os_load-balancer_api:healthmonitor:put",
        "rule:load-balancer:write",
        "PUT /v2/lbaas/healthmonitors/{healthmonitor_id}",
    ),
    Rule(
        "os_load-balancer_api:l7policy:delete",
        "rule:load-balancer:write",
        "DELETE /v2/lbaas/l7policies/{l7policy_id}",
    ),
    Rule(
        "os_load-balancer_api:l7policy:get_all",
        "rule:load-balancer:read",
        "GET /v2/lbaas/l7policies",
    ),
    Rule(
        "os_load-balancer_api:l7policy:get_all-global",
        "rule:load-balancer:read-global",
        "GET /v2/lbaas/l7policies",
    ),
    Rule(
        "os_load-balancer_api:l7policy:get_one",
        "rule:load-balancer:read",
        "GET /v2/lbaas/l7policies/{l7policy_id}",
    ),
    Rule(
        "os_load-balancer_api:l7policy:post",
        "rule:load-balancer:write",
        "POST /v2/lbaas/l7policies",
    ),
    Rule(
        "os_load-balancer_api:l7policy:put",
        "rule:load-balancer:write",
        "PUT /v2/lbaas/l7policies/{l7policy_id}",
    ),
    Rule(
        "os_load-balancer_api:l7rule:delete",
        "rule:load-balancer:write",
        "DELETE /v2/lbaas/l7policies/{l7policy_id}/rules/{l7rule_id}",
    ),
    Rule(
        "os_load-balancer_api:l7rule:get_all",
        "rule:load-balancer:read",
        "GET /v2/lbaas/l7policies/{l7policy_id}/rules",
    ),
    Rule(
        "os_load-balancer_api:l7rule:get_one",
        "rule:load-balancer:read",
        "GET /v2/lbaas/l7policies/{l7policy_id}/rules/{l7rule_id}",
    ),
    Rule(
        "os_load-balancer_api:l7rule:post",
        "rule:load-balancer:write",
        "POST /v2/lbaas/l7policies/{l7policy_id}/rules",
    ),
    Rule(
        "os_load-balancer_api:l7rule:put",
        "rule:load-balancer:write",
        "PUT /v2/lbaas/l7policies/{l7policy_id}/rules/{l7rule_id}",
    ),
    Rule(
        "os_load-balancer_api:listener:delete",
        "rule:load-balancer:write",
        "DELETE /v2/lbaas/listeners/{listener_id}",
    ),
    Rule(
        "os_load-balancer_api:listener:get_all",
        "rule:load-balancer:read",
        "GET /v2/lbaas/listeners",
    ),
    Rule(
        "os_load-balancer_api:listener:get_all-global",
        "rule:load-balancer:read-global",
        "GET /v2/lbaas/listeners",
    ),
    Rule(
        "os_load-balancer_api:listener:get_one",
        "rule:load-balancer:read",
        "GET /v2/lbaas/listeners/{listener_id}",
    ),
    Rule(
        "os_load-balancer_api:listener:get_stats",
        "rule:load-balancer:read",
        "GET /v2/lbaas/listeners/{listener_id}/stats",
    ),
    Rule(
        "os_load-balancer_api:listener:post", "rule:load-balancer:write", "POST /v2/lbaas/listeners"
    ),
    Rule(
        "os_load-balancer_api:listener:put",
        "rule:load-balancer:write",
        "PUT /v2/lbaas/listeners/{listener_id}",
    ),
    Rule(
        "os_load-balancer_api:loadbalancer:delete",
        "rule:load-balancer:write",
        "DELETE /v2/lbaas/loadbalancers/{loadbalancer_id}",
    ),
    Rule(
        "os_load-balancer_api:loadbalancer:get_all",
        "rule:load-balancer:read",
        "GET /v2/lbaas/loadbalancers",
    ),
    Rule(
        "os_load-balancer_api:loadbalancer:get_all-global",
        "rule:load-balancer:read-global",
        "GET /v2/lbaas/loadbalancers",
    ),
    Rule(
        "os_load-balancer_api:loadbalancer:get_one",
        "rule:load-balancer:read",
        "GET /v2/lbaas/loadbalancers/{loadbalancer_id}",
    ),
    Rule(
        "os_load-balancer_api:loadbalancer:get_stats",
        "rule:load-balancer:read",
        "GET /v2/lbaas/loadbalancers/{loadbalancer_id}/stats",
    ),
    Rule(
        "os_load-balancer_api:loadbalancer:get_status",
        "rule:load-balancer:read",
        "GET /v2/lbaas/loadbalancers/{loadbalancer_id}/status",
    ),
    Rule(
        "os_load-balancer_api:loadbalancer:post",
        "rule:load-balancer:write",
        "POST /v2/lbaas/loadbalancers",
    ),
    Rule(
        "os_load-balancer_api:loadbalancer:post:vip_sg_ids",
        "rule:load-balancer:write",
        "POST /v2/lbaas/loadbalancers",
    ),
    Rule(
        "os_load-balancer_api:loadbalancer:put",
        "rule:load-balancer:write",
        "PUT /v2/lbaas/loadbalancers/{loadbalancer_id}",
    ),
    Rule(
        "os_load-balancer_api:loadbalancer:put:vip_sg_ids",
        "rule:load-balancer:write",
        "PUT /v2/lbaas/loadbalancers/{loadbalancer_id}",
    ),
    Rule(
        "os_load-balancer_api:loadbalancer:put_failover",
        "rule:load-balancer:admin",
        "PUT /v2/lbaas/loadbalancers/{loadbalancer_id}/failover",
    ),
    Rule(
        "os_load-balancer_api:member:delete",
        "rule:load-balancer:write",
        "DELETE /v2/lbaas/pools/{pool_id}/members/{member_id}",
    ),
    Rule(
        "os_load-balancer_api:member:get_all",
        "rule:load-balancer:read or rule:service",
        "GET /v2/lbaas/pools/{pool_id}/members",
    ),
    Rule(
        "os_load-balancer_api:member:get_one",
        "rule:load-balancer:read",
        "GET /v2/lbaas/pools/{pool_id}/members/{member_id}",
    ),
    Rule(
        "os_load-balancer_api:member:post",
        "rule:load-balancer:write",
        "POST /v2/lbaas/pools/{pool_id}/members",
    ),
    Rule(
        "os_load-balancer_api:member:put",
        "rule:load-balancer:write",
        "PUT /v2/lbaas/pools/{pool_id}/members/{member_id}",
    ),
    Rule(
        "os_load-balancer_api:pool:delete",
        "rule:load-balancer:write",
        "DELETE /v2/lbaas/pools/{pool_id}",
    ),
    Rule("os_load-balancer_api:pool:get_all", "rule:load-balancer:read", "GET /v2/lbaas/pools"),
    Rule(
        "os_load-balancer_api:pool:get_all-global",
        "rule:load-balancer:read-global",
        "GET /v2/lbaas/pools",
    ),
    Rule(
        "os_load-balancer_api:pool:get_one",
        "rule:load-balancer:read",
        "GET /v2/lbaas/pools/{pool_id}",
    ),
    Rule("os_load-balancer_api:pool:post", "rule:load-balancer:write", "POST /v2/lbaas/pools"),
    Rule(
        "os_load-balancer_api:pool:put", "rule:load-balancer:write", "PUT /v2/lbaas/pools/{pool_id}"
    ),
    Rule(
        "os_load-balancer_api:provider-availability-zone:get_all",
        "rule:load-balancer:admin",
        "GET /v2/lbaas/providers/{provider}/availability_zone_capabilities",
    ),
    Rule(
        "os_load-balancer_api:provider-flavor:get_all",
        "rule:load-balancer:admin",
        "GET /v2/lbaas/providers/{provider}/flavor_capabilities",
    ),
    Rule(
        "os_load-balancer_api:provider:get_all",
        "rule:load-balancer:read",
        "GET /v2/lbaas/providers",
    ),
    Rule(
        "os_load-balancer_api:quota:delete",
        "rule:load-balancer:write-quota",
        "DELETE /v2/lbaas/quotas/{project_id}",
    ),
    Rule(
        "os_load-balancer_api:quota:get_all",
        "rule:load-balancer:read-quota",
        "GET /v2/lbaas/quotas",
    ),
    Rule(
        "os_load-balancer_api:quota:get_all-global",
        "rule:load-balancer:read-quota-global",
        "GET /v2/lbaas/quotas",
    ),
    Rule(
        "os_load-balancer_api:quota:get_defaults",
        "rule:load-balancer:read-quota",
        "GET /v2/lbaas/quotas/{project_id}/default",
    ),
    Rule(
        "os_load-balancer_api:quota:get_one",
        "rule:load-balancer:read-quota",
        "GET /v2/lbaas/quotas/{project_id}",
    ),
    Rule(
        "os_load-balancer_api:quota:put",
        "rule:load-balancer:write-quota",
        "PUT /v2/lbaas/quotas/{project_id}",
    ),
    Rule("context_is_admin", "role:admin", "Reach what is other projects'."),
    Rule("load-balancer:admin", "is_admin:True or role:admin"),
    Rule("load-balancer:global_observer", "role:admin"),
    Rule("load-balancer:member_and_owner", "rule:project-member"),
    Rule("load-balancer:observer_and_owner", "rule:project-reader"),
    Rule("load-balancer:owner", "project_id:%(project_id)s", BY_OPERATORS),
    Rule("load-balancer:quota-admin", "role:admin"),
    Rule(
        "load-balancer:read",
        "rule:load-balancer:observer_and_owner or rule:load-balancer:global_observer or rule:load-balancer:member_and_owner or rule:load-balancer:admin",
    ),
    Rule(
        "load-balancer:read-global",
        "rule:load-balancer:global_observer or rule:load-balancer:admin",
    ),
    Rule(
        "load-balancer:read-quota",
        "rule:load-balancer:observer_and_owner or rule:load-balancer:global_observer or rule:load-balancer:member_and_owner or rule:load-balancer:quota-admin or rule:load-balancer:admin",
    ),
    Rule(
        "load-balancer:read-quota-global",
        "rule:load-balancer:global_observer or rule:load-balancer:quota-admin or rule:load-balancer:admin",
    ),
    Rule("load-balancer:write", "rule:load-balancer:member_and_owner or rule:load-balancer:admin"),
    Rule("load-balancer:write-quota", "rule:load-balancer:quota-admin or rule:load-balancer:admin"),
    Rule("project-member", "role:member and project_id:%(project_id)s"),
    Rule("project-reader", "role:reader and project_id:%(project_id)s"),
    Rule("service", "role:service"),
)
