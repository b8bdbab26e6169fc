"""The access rules of identity with their upstream names and default checks.

Source: the service's policy reference.
"""

from __future__ import annotations

from hanok.web.policy import Rule

RULES: tuple[Rule, ...] = (
    Rule(
        "identity:add_endpoint_group_to_project",
        "rule:admin_required",
        "PUT /v3/OS-EP-FILTER/endpoint_groups/{endpoint_group_id}/projects/{project_id}",
    ),
    Rule(
        "identity:add_endpoint_to_project",
        "rule:admin_required",
        "PUT /v3/OS-EP-FILTER/projects/{project_id}/endpoints/{endpoint_id}",
    ),
    Rule(
        "identity:add_user_to_group",
        "(rule:admin_required) or (role:manager and domain_id:%(target.group.domain_id)s and domain_id:%(target.user.domain_id)s)",
        "PUT /v3/groups/{group_id}/users/{user_id}",
    ),
    Rule(
        "identity:authorize_request_token",
        "rule:admin_required",
        "PUT /v3/OS-OAUTH1/authorize/{request_token_id}",
    ),
    Rule(
        "identity:check_endpoint_in_project",
        "rule:admin_required or (role:reader and system_scope:all)",
        "GET /v3/OS-EP-FILTER/projects/{project_id}/endpoints/{endpoint_id}; HEAD /v3/OS-EP-FILTER/",
    ),
    Rule(
        "identity:check_grant",
        "(rule:admin_required) or ((role:reader and system_scope:all) or ((role:reader and domain_id:%(target.user.domain_id)s and domain_id:%(target.project.domain_id)s) or (role:reader and domain_id:%(target.user.domain_id)s and domain_id:%(target.domain.id)s) or (role:reader and domain_id:%(target.group.domain_id)s and domain_id:%(target.project.domain_id)s) or (role:reader and domain_id:%(target.group.domain_id)s and domain_id:%(target.domain.id)s)) and (domain_id:%(target.role.domain_id)s or None:%(target.role.domain_id)s))",
        "HEAD /v3/projects/{project_id}/users/{user_id}/roles/{role_id}; GET /v3/projects/{project_",
    ),
    Rule(
        "identity:check_implied_role",
        "rule:admin_required or (role:reader and system_scope:all)",
        "HEAD /v3/roles/{prior_role_id}/implies/{implied_role_id}",
    ),
    Rule(
        "identity:check_policy_association_for_endpoint",
        "rule:admin_required or (role:reader and system_scope:all)",
        "GET /v3/policies/{policy_id}/OS-ENDPOINT-POLICY/endpoints/{endpoint_id}; HEAD /v3/policies",
    ),
    Rule(
        "identity:check_policy_association_for_region_and_service",
        "rule:admin_required or (role:reader and system_scope:all)",
        "GET /v3/policies/{policy_id}/OS-ENDPOINT-POLICY/services/{service_id}/regions/{region_id};",
    ),
    Rule(
        "identity:check_policy_association_for_service",
        "rule:admin_required or (role:reader and system_scope:all)",
        "GET /v3/policies/{policy_id}/OS-ENDPOINT-POLICY/services/{service_id}; HEAD /v3/policies/{",
    ),
    Rule(
        "identity:check_system_grant_for_group",
        "rule:admin_required or (role:reader and system_scope:all)",
        "HEAD /v3/system/groups/{group_id}/roles/{role_id}; GET /v3/system/groups/{group_id}/roles/",
    ),
    Rule(
        "identity:check_system_grant_for_user",
        "rule:admin_required or (role:reader and system_scope:all)",
        "HEAD /v3/system/users/{user_id}/roles/{role_id}; GET /v3/system/users/{user_id}/roles/{rol",
    ),
    Rule(
        "identity:check_token",
        "rule:admin_required or (role:reader and system_scope:all) or rule:token_subject",
        "HEAD /v3/auth/tokens",
    ),
    Rule(
        "identity:check_user_in_group",
        "(rule:admin_required) or (role:reader and system_scope:all) or (role:reader and domain_id:%(target.group.domain_id)s and domain_id:%(target.user.domain_id)s)",
        "HEAD /v3/groups/{group_id}/users/{user_id}; GET /v3/groups/{group_id}/users/{user_id}",
    ),
    Rule(
        "identity:create_application_credential",
        "user_id:%(user_id)s",
        "POST /v3/users/{user_id}/application_credentials",
    ),
    Rule("identity:create_consumer", "rule:admin_required", "POST /v3/OS-OAUTH1/consumers"),
    Rule(
        "identity:create_credential",
        "(rule:admin_required) or user_id:%(target.credential.user_id)s",
        "POST /v3/credentials",
    ),
    Rule("identity:create_domain", "rule:admin_required", "POST /v3/domains"),
    Rule(
        "identity:create_domain_config", "rule:admin_required", "PUT /v3/domains/{domain_id}/config"
    ),
    Rule("identity:create_domain_role", "rule:admin_required", "POST /v3/roles"),
    Rule("identity:create_endpoint", "rule:admin_required", "POST /v3/endpoints"),
    Rule(
        "identity:create_endpoint_group",
        "rule:admin_required",
        "POST /v3/OS-EP-FILTER/endpoint_groups",
    ),
    Rule(
        "identity:create_grant",
        "(rule:admin_required) or ((role:admin and domain_id:%(target.user.domain_id)s and domain_id:%(target.project.domain_id)s) or (role:admin and domain_id:%(target.user.domain_id)s and domain_id:%(target.domain.id)s) or (role:admin and domain_id:%(target.group.domain_id)s and domain_id:%(target.project.domain_id)s) or (role:admin and domain_id:%(target.group.domain_id)s and domain_id:%(target.domain.id)s)) and (domain_id:%(target.role.domain_id)s or None:%(target.role.domain_id)s) or ((role:manager and domain_id:%(target.user.domain_id)s and domain_id:%(target.project.domain_id)s) or (role:manager and domain_id:%(target.user.domain_id)s and domain_id:%(target.domain.id)s) or (role:manager and domain_id:%(target.group.domain_id)s and domain_id:%(target.project.domain_id)s) or (role:manager and domain_id:%(target.group.domain_id)s and domain_id:%(target.domain.id)s)) and rule:domain_managed_target_role",
        "PUT /v3/projects/{project_id}/users/{user_id}/roles/{role_id}; PUT /v3/projects/{project_i",
    ),
    Rule(
        "identity:create_group",
        "(rule:admin_required) or (role:manager and domain_id:%(target.group.domain_id)s)",
        "POST /v3/groups",
    ),
    Rule(
        "identity:create_identity_provider",
        "rule:admin_required",
        "PUT /v3/OS-FEDERATION/identity_providers/{idp_id}",
    ),
    Rule(
        "identity:create_implied_role",
        "rule:admin_required",
        "PUT /v3/roles/{prior_role_id}/implies/{implied_role_id}",
    ),
    Rule("identity:create_limits", "rule:admin_required", "POST /v3/limits"),
    Rule(
        "identity:create_mapping",
        "rule:admin_required",
        "PUT /v3/OS-FEDERATION/mappings/{mapping_id}",
    ),
    Rule("identity:create_policy", "rule:admin_required", "POST /v3/policies"),
    Rule(
        "identity:create_policy_association_for_endpoint",
        "rule:admin_required",
        "PUT /v3/policies/{policy_id}/OS-ENDPOINT-POLICY/endpoints/{endpoint_id}",
    ),
    Rule(
        "identity:create_policy_association_for_region_and_service",
        "rule:admin_required",
        "PUT /v3/policies/{policy_id}/OS-ENDPOINT-POLICY/services/{service_id}/regions/{region_id}",
    ),
    Rule(
        "identity:create_policy_association_for_service",
        "rule:admin_required",
        "PUT /v3/policies/{policy_id}/OS-ENDPOINT-POLICY/services/{service_id}",
    ),
    Rule(
        "identity:create_project",
        "(rule:admin_required) or (role:manager and domain_id:%(target.project.domain_id)s and not None:%(target.project.domain_id)s)",
        "POST /v3/projects",
    ),
    Rule(
        "identity:create_project_tag",
        "(rule:admin_required) or (role:manager and domain_id:%(target.project.domain_id)s and not None:%(target.project.domain_id)s)",
        "PUT /v3/projects/{project_id}/tags/{value}",
    ),
    Rule(
        "identity:create_protocol",
        "rule:admin_required",
        "PUT /v3/OS-FEDERATION/identity_providers/{idp_id}/protocols/{protocol_id}",
    ),
    Rule(
        "identity:create_region",
        "rule:admin_required",
        "POST /v3/regions; PUT /v3/regions/{region_id}",
    ),
    Rule("identity:create_registered_limits", "rule:admin_required", "POST /v3/registered_limits"),
    Rule("identity:create_role", "rule:admin_required", "POST /v3/roles"),
    Rule("identity:create_service", "rule:admin_required", "POST /v3/services"),
    Rule(
        "identity:create_service_provider",
        "rule:admin_required",
        "PUT /v3/OS-FEDERATION/service_providers/{service_provider_id}",
    ),
    Rule(
        "identity:create_system_grant_for_group",
        "rule:admin_required",
        "PUT /v3/system/groups/{group_id}/roles/{role_id}",
    ),
    Rule(
        "identity:create_system_grant_for_user",
        "rule:admin_required",
        "PUT /v3/system/users/{user_id}/roles/{role_id}",
    ),
    Rule(
        "identity:create_trust",
        "user_id:%(target.trust.trustor_user_id)s",
        "POST /v3/OS-TRUST/trusts",
    ),
    Rule(
        "identity:create_user",
        "(rule:admin_required) or (role:manager and token.domain.id:%(target.user.domain_id)s)",
        "POST /v3/users",
    ),
    Rule(
        "identity:delete_access_rule",
        "(role:admin and system_scope:all) or user_id:%(target.user.id)s",
        "DELETE /v3/users/{user_id}/access_rules/{access_rule_id}",
    ),
    Rule(
        "identity:delete_access_token",
        "rule:admin_required",
        "DELETE /v3/users/{user_id}/OS-OAUTH1/access_tokens/{access_token_id}",
    ),
    Rule(
        "identity:delete_application_credential",
        "rule:admin_or_owner",
        "DELETE /v3/users/{user_id}/application_credentials/{application_credential_id}",
    ),
    Rule(
        "identity:delete_consumer",
        "rule:admin_required",
        "DELETE /v3/OS-OAUTH1/consumers/{consumer_id}",
    ),
    Rule(
        "identity:delete_credential",
        "(rule:admin_required) or user_id:%(target.credential.user_id)s",
        "DELETE /v3/credentials/{credential_id}",
    ),
    Rule("identity:delete_domain", "rule:admin_required", "DELETE /v3/domains/{domain_id}"),
    Rule(
        "identity:delete_domain_config",
        "rule:admin_required",
        "DELETE /v3/domains/{domain_id}/config; DELETE /v3/domains/{domain_id}/config/{group}; DELE",
    ),
    Rule("identity:delete_domain_role", "rule:admin_required", "DELETE /v3/roles/{role_id}"),
    Rule("identity:delete_endpoint", "rule:admin_required", "DELETE /v3/endpoints/{endpoint_id}"),
    Rule(
        "identity:delete_endpoint_group",
        "rule:admin_required",
        "DELETE /v3/OS-EP-FILTER/endpoint_groups/{endpoint_group_id}",
    ),
    Rule(
        "identity:delete_group",
        "(rule:admin_required) or (role:manager and domain_id:%(target.group.domain_id)s)",
        "DELETE /v3/groups/{group_id}",
    ),
    Rule(
        "identity:delete_identity_provider",
        "rule:admin_required",
        "DELETE /v3/OS-FEDERATION/identity_providers/{idp_id}",
    ),
    Rule(
        "identity:delete_implied_role",
        "rule:admin_required",
        "DELETE /v3/roles/{prior_role_id}/implies/{implied_role_id}",
    ),
    Rule("identity:delete_limit", "rule:admin_required", "DELETE /v3/limits/{limit_id}"),
    Rule(
        "identity:delete_mapping",
        "rule:admin_required",
        "DELETE /v3/OS-FEDERATION/mappings/{mapping_id}",
    ),
    Rule("identity:delete_policy", "rule:admin_required", "DELETE /v3/policies/{policy_id}"),
    Rule(
        "identity:delete_policy_association_for_endpoint",
        "rule:admin_required",
        "DELETE /v3/policies/{policy_id}/OS-ENDPOINT-POLICY/endpoints/{endpoint_id}",
    ),
    Rule(
        "identity:delete_policy_association_for_region_and_service",
        "rule:admin_required",
        "DELETE /v3/policies/{policy_id}/OS-ENDPOINT-POLICY/services/{service_id}/regions/{region_i",
    ),
    Rule(
        "identity:delete_policy_association_for_service",
        "rule:admin_required",
        "DELETE /v3/policies/{policy_id}/OS-ENDPOINT-POLICY/services/{service_id}",
    ),
    Rule(
        "identity:delete_project",
        "(rule:admin_required) or (role:manager and domain_id:%(target.project.domain_id)s and not None:%(target.project.domain_id)s)",
        "DELETE /v3/projects/{project_id}",
    ),
    Rule(
        "identity:delete_project_tag",
        "(rule:admin_required) or (role:manager and domain_id:%(target.project.domain_id)s and not None:%(target.project.domain_id)s)",
        "DELETE /v3/projects/{project_id}/tags/{value}",
    ),
    Rule(
        "identity:delete_project_tags",
        "(rule:admin_required) or (role:manager and domain_id:%(target.project.domain_id)s and not None:%(target.project.domain_id)s)",
        "DELETE /v3/projects/{project_id}/tags",
    ),
    Rule(
        "identity:delete_protocol",
        "rule:admin_required",
        "DELETE /v3/OS-FEDERATION/identity_providers/{idp_id}/protocols/{protocol_id}",
    ),
    Rule("identity:delete_region", "rule:admin_required", "DELETE /v3/regions/{region_id}"),
    Rule(
        "identity:delete_registered_limit",
        "rule:admin_required",
        "DELETE /v3/registered_limits/{registered_limit_id}",
    ),
    Rule("identity:delete_role", "rule:admin_required", "DELETE /v3/roles/{role_id}"),
    Rule("identity:delete_service", "rule:admin_required", "DELETE /v3/services/{service_id}"),
    Rule(
        "identity:delete_service_provider",
        "rule:admin_required",
        "DELETE /v3/OS-FEDERATION/service_providers/{service_provider_id}",
    ),
    Rule(
        "identity:delete_trust",
        "rule:admin_required or user_id:%(target.trust.trustor_user_id)s",
        "DELETE /v3/OS-TRUST/trusts/{trust_id}",
    ),
    Rule(
        "identity:delete_user",
        "(rule:admin_required) or (role:manager and token.domain.id:%(target.user.domain_id)s)",
        "DELETE /v3/users/{user_id}",
    ),
    Rule(
        "identity:ec2_create_credential",
        "(rule:admin_required) or (role:member and user_id:%(target.credential.user_id)s)",
        "POST /v3/users/{user_id}/credentials/OS-EC2",
    ),
    Rule(
        "identity:ec2_delete_credential",
        "(rule:admin_required) or (role:member and user_id:%(target.credential.user_id)s)",
        "DELETE /v3/users/{user_id}/credentials/OS-EC2/{credential_id}",
    ),
    Rule(
        "identity:ec2_get_credential",
        "(rule:admin_required) or (role:reader and system_scope:all) or user_id:%(target.credential.user_id)s",
        "GET /v3/users/{user_id}/credentials/OS-EC2/{credential_id}",
    ),
    Rule(
        "identity:ec2_list_credentials",
        "(rule:admin_required) or (role:reader and system_scope:all) or rule:owner",
        "GET /v3/users/{user_id}/credentials/OS-EC2",
    ),
    Rule("identity:ec2tokens_validate", "rule:service_or_admin", "POST /v3/ec2tokens"),
    Rule(
        "identity:get_access_rule",
        "(role:reader and system_scope:all) or user_id:%(target.user.id)s",
        "GET /v3/users/{user_id}/access_rules/{access_rule_id}; HEAD /v3/users/{user_id}/access_rul",
    ),
    Rule(
        "identity:get_access_token",
        "rule:admin_required",
        "GET /v3/users/{user_id}/OS-OAUTH1/access_tokens/{access_token_id}",
    ),
    Rule(
        "identity:get_access_token_role",
        "rule:admin_required",
        "GET /v3/users/{user_id}/OS-OAUTH1/access_tokens/{access_token_id}/roles/{role_id}",
    ),
    Rule(
        "identity:get_application_credential",
        "(rule:admin_required) or (role:reader and system_scope:all) or rule:owner",
        "GET /v3/users/{user_id}/application_credentials/{application_credential_id}; HEAD /v3/user",
    ),
    Rule(
        "identity:get_consumer",
        "rule:admin_required or (role:reader and system_scope:all)",
        "GET /v3/OS-OAUTH1/consumers/{consumer_id}",
    ),
    Rule(
        "identity:get_credential",
        "(rule:admin_required) or (role:reader and system_scope:all) or user_id:%(target.credential.user_id)s",
        "GET /v3/credentials/{credential_id}",
    ),
    Rule(
        "identity:get_domain",
        "rule:admin_required or (role:reader and system_scope:all) or token.domain.id:%(target.domain.id)s or token.project.domain.id:%(target.domain.id)s",
        "GET /v3/domains/{domain_id}",
    ),
    Rule(
        "identity:get_domain_config",
        "rule:admin_required or (role:reader and system_scope:all)",
        "GET /v3/domains/{domain_id}/config; HEAD /v3/domains/{domain_id}/config; GET /v3/domains/{",
    ),
    Rule(
        "identity:get_domain_config_default",
        "rule:admin_required or (role:reader and system_scope:all)",
        "GET /v3/domains/config/default; HEAD /v3/domains/config/default; GET /v3/domains/config/{g",
    ),
    Rule(
        "identity:get_domain_role",
        "rule:admin_required or (role:reader and system_scope:all)",
        "GET /v3/roles/{role_id}; HEAD /v3/roles/{role_id}",
    ),
    Rule(
        "identity:get_endpoint",
        "rule:admin_required or (role:reader and system_scope:all)",
        "GET /v3/endpoints/{endpoint_id}",
    ),
    Rule(
        "identity:get_endpoint_group",
        "rule:admin_required or (role:reader and system_scope:all)",
        "GET /v3/OS-EP-FILTER/endpoint_groups/{endpoint_group_id}; HEAD /v3/OS-EP-FILTER/endpoint_g",
    ),
    Rule(
        "identity:get_endpoint_group_in_project",
        "rule:admin_required or (role:reader and system_scope:all)",
        "GET /v3/OS-EP-FILTER/endpoint_groups/{endpoint_group_id}/projects/{project_id}; HEAD /v3/O",
    ),
    Rule(
        "identity:get_group",
        "(rule:admin_required) or (role:reader and system_scope:all) or (role:reader and domain_id:%(target.group.domain_id)s)",
        "GET /v3/groups/{group_id}; HEAD /v3/groups/{group_id}",
    ),
    Rule(
        "identity:get_identity_provider",
        "rule:admin_required or (role:reader and system_scope:all)",
        "GET /v3/OS-FEDERATION/identity_providers/{idp_id}; HEAD /v3/OS-FEDERATION/identity_provide",
    ),
    Rule(
        "identity:get_implied_role",
        "rule:admin_required or (role:reader and system_scope:all)",
        "GET /v3/roles/{prior_role_id}/implies/{implied_role_id}",
    ),
    Rule(
        "identity:get_limit",
        "rule:admin_required or (role:reader and system_scope:all) or (domain_id:%(target.limit.domain.id)s or domain_id:%(target.limit.project.domain_id)s) or (project_id:%(target.limit.project_id)s and not None:%(target.limit.project_id)s)",
        "GET /v3/limits/{limit_id}; HEAD /v3/limits/{limit_id}",
    ),
    Rule("identity:get_limit_model", "@", "GET /v3/limits/model; HEAD /v3/limits/model"),
    Rule(
        "identity:get_mapping",
        "rule:admin_required or (role:reader and system_scope:all)",
        "GET /v3/OS-FEDERATION/mappings/{mapping_id}; HEAD /v3/OS-FEDERATION/mappings/{mapping_id}",
    ),
    Rule(
        "identity:get_policy",
        "rule:admin_required or (role:reader and system_scope:all)",
        "GET /v3/policies/{policy_id}",
    ),
    Rule(
        "identity:get_policy_for_endpoint",
        "rule:admin_required or (role:reader and system_scope:all)",
        "GET /v3/endpoints/{endpoint_id}/OS-ENDPOINT-POLICY/policy; HEAD /v3/endpoints/{endpoint_id",
    ),
    Rule(
        "identity:get_project",
        "(rule:admin_required) or (role:reader and system_scope:all) or (role:reader and domain_id:%(target.project.domain_id)s and not None:%(target.project.domain_id)s) or project_id:%(target.project.id)s",
        "GET /v3/projects/{project_id}",
    ),
    Rule(
        "identity:get_project_tag",
        "(rule:admin_required) or (role:reader and system_scope:all) or (role:reader and domain_id:%(target.project.domain_id)s and not None:%(target.project.domain_id)s) or project_id:%(target.project.id)s",
        "GET /v3/projects/{project_id}/tags/{value}; HEAD /v3/projects/{project_id}/tags/{value}",
    ),
    Rule(
        "identity:get_protocol",
        "rule:admin_required or (role:reader and system_scope:all)",
        "GET /v3/OS-FEDERATION/identity_providers/{idp_id}/protocols/{protocol_id}",
    ),
    Rule(
        "identity:get_registered_limit",
        "@",
        "GET /v3/registered_limits/{registered_limit_id}; HEAD /v3/registered_limits/{registered_li",
    ),
    Rule(
        "identity:get_role",
        "(rule:admin_required or (role:reader and system_scope:all)) or (role:manager and rule:domain_managed_target_role)",
        "GET /v3/roles/{role_id}; HEAD /v3/roles/{role_id}",
    ),
    Rule(
        "identity:get_role_for_trust",
        "(rule:admin_required) or (role:reader and system_scope:all or user_id:%(target.trust.trustor_user_id)s or user_id:%(target.trust.trustee_user_id)s)",
        "GET /v3/OS-TRUST/trusts/{trust_id}/roles/{role_id}; HEAD /v3/OS-TRUST/trusts/{trust_id}/ro",
    ),
    Rule(
        "identity:get_security_compliance_domain_config",
        "@",
        "GET /v3/domains/{domain_id}/config/security_compliance; HEAD /v3/domains/{domain_id}/confi",
    ),
    Rule(
        "identity:get_service",
        "rule:admin_required or (role:reader and system_scope:all)",
        "GET /v3/services/{service_id}",
    ),
    Rule(
        "identity:get_service_provider",
        "rule:admin_required or (role:reader and system_scope:all)",
        "GET /v3/OS-FEDERATION/service_providers/{service_provider_id}; HEAD /v3/OS-FEDERATION/serv",
    ),
    Rule(
        "identity:get_trust",
        "(rule:admin_required) or (role:reader and system_scope:all or user_id:%(target.trust.trustor_user_id)s or user_id:%(target.trust.trustee_user_id)s)",
        "GET /v3/OS-TRUST/trusts/{trust_id}; HEAD /v3/OS-TRUST/trusts/{trust_id}",
    ),
    Rule(
        "identity:get_user",
        "(rule:admin_required) or (role:reader and system_scope:all) or (role:reader and token.domain.id:%(target.user.domain_id)s) or user_id:%(target.user.id)s",
        "GET /v3/users/{user_id}; HEAD /v3/users/{user_id}",
    ),
    Rule(
        "identity:list_access_rules",
        "(role:reader and system_scope:all) or user_id:%(target.user.id)s",
        "GET /v3/users/{user_id}/access_rules; HEAD /v3/users/{user_id}/access_rules",
    ),
    Rule(
        "identity:list_access_token_roles",
        "rule:admin_required",
        "GET /v3/users/{user_id}/OS-OAUTH1/access_tokens/{access_token_id}/roles",
    ),
    Rule(
        "identity:list_access_tokens",
        "rule:admin_required",
        "GET /v3/users/{user_id}/OS-OAUTH1/access_tokens",
    ),
    Rule(
        "identity:list_application_credentials",
        "(rule:admin_required) or (role:reader and system_scope:all) or rule:owner",
        "GET /v3/users/{user_id}/application_credentials; HEAD /v3/users/{user_id}/application_cred",
    ),
    Rule(
        "identity:list_consumers",
        "rule:admin_required or (role:reader and system_scope:all)",
        "GET /v3/OS-OAUTH1/consumers",
    ),
    Rule(
        "identity:list_credentials",
        "(rule:admin_required) or (role:reader and system_scope:all) or user_id:%(target.credential.user_id)s",
        "GET /v3/credentials",
    ),
    Rule(
        "identity:list_domain_roles",
        "rule:admin_required or (role:reader and system_scope:all)",
        "GET /v3/roles?domain_id={domain_id}; HEAD /v3/roles?domain_id={domain_id}",
    ),
    Rule(
        "identity:list_domains",
        "rule:admin_required or (role:reader and system_scope:all) or (role:reader and domain_id:%(target.domain.id)s)",
        "GET /v3/domains",
    ),
    Rule(
        "identity:list_endpoint_groups",
        "rule:admin_required or (role:reader and system_scope:all)",
        "GET /v3/OS-EP-FILTER/endpoint_groups",
    ),
    Rule(
        "identity:list_endpoint_groups_for_project",
        "rule:admin_required or (role:reader and system_scope:all)",
        "GET /v3/OS-EP-FILTER/projects/{project_id}/endpoint_groups",
    ),
    Rule(
        "identity:list_endpoints",
        "rule:admin_required or (role:reader and system_scope:all)",
        "GET /v3/endpoints",
    ),
    Rule(
        "identity:list_endpoints_associated_with_endpoint_group",
        "rule:admin_required or (role:reader and system_scope:all)",
        "GET /v3/OS-EP-FILTER/endpoint_groups/{endpoint_group_id}/endpoints",
    ),
    Rule(
        "identity:list_endpoints_for_policy",
        "rule:admin_required or (role:reader and system_scope:all)",
        "GET /v3/policies/{policy_id}/OS-ENDPOINT-POLICY/endpoints",
    ),
    Rule(
        "identity:list_endpoints_for_project",
        "rule:admin_required or (role:reader and system_scope:all)",
        "GET /v3/OS-EP-FILTER/projects/{project_id}/endpoints",
    ),
    Rule(
        "identity:list_grants",
        "(rule:admin_required) or ((role:reader and system_scope:all) or (role:reader and domain_id:%(target.user.domain_id)s and domain_id:%(target.project.domain_id)s) or (role:reader and domain_id:%(target.user.domain_id)s and domain_id:%(target.domain.id)s) or (role:reader and domain_id:%(target.group.domain_id)s and domain_id:%(target.project.domain_id)s) or (role:reader and domain_id:%(target.group.domain_id)s and domain_id:%(target.domain.id)s))",
        "GET /v3/projects/{project_id}/users/{user_id}/roles; HEAD /v3/projects/{project_id}/users/",
    ),
    Rule(
        "identity:list_groups",
        "(rule:admin_required) or (role:reader and system_scope:all) or (role:reader and domain_id:%(target.group.domain_id)s)",
        "GET /v3/groups; HEAD /v3/groups",
    ),
    Rule(
        "identity:list_groups_for_user",
        "(rule:admin_required) or (role:reader and system_scope:all) or (role:reader and domain_id:%(target.user.domain_id)s) or user_id:%(user_id)s",
        "GET /v3/users/{user_id}/groups; HEAD /v3/users/{user_id}/groups",
    ),
    Rule(
        "identity:list_identity_providers",
        "rule:admin_required or (role:reader and system_scope:all)",
        "GET /v3/OS-FEDERATION/identity_providers; HEAD /v3/OS-FEDERATION/identity_providers",
    ),
    Rule(
        "identity:list_implied_roles",
        "rule:admin_required or (role:reader and system_scope:all)",
        "GET /v3/roles/{prior_role_id}/implies; HEAD /v3/roles/{prior_role_id}/implies",
    ),
    Rule("identity:list_limits", "@", "GET /v3/limits; HEAD /v3/limits"),
    Rule(
        "identity:list_mappings",
        "rule:admin_required or (role:reader and system_scope:all)",
        "GET /v3/OS-FEDERATION/mappings; HEAD /v3/OS-FEDERATION/mappings",
    ),
    Rule(
        "identity:list_policies",
        "rule:admin_required or (role:reader and system_scope:all)",
        "GET /v3/policies",
    ),
    Rule(
        "identity:list_project_tags",
        "(rule:admin_required) or (role:reader and system_scope:all) or (role:reader and domain_id:%(target.project.domain_id)s and not None:%(target.project.domain_id)s) or project_id:%(target.project.id)s",
        "GET /v3/projects/{project_id}/tags; HEAD /v3/projects/{project_id}/tags",
    ),
    Rule(
        "identity:list_projects",
        "(rule:admin_required) or (role:reader and system_scope:all) or (role:reader and domain_id:%(target.domain_id)s)",
        "GET /v3/projects",
    ),
    Rule(
        "identity:list_projects_associated_with_endpoint_group",
        "rule:admin_required or (role:reader and system_scope:all)",
        "GET /v3/OS-EP-FILTER/endpoint_groups/{endpoint_group_id}/projects",
    ),
    Rule(
        "identity:list_projects_for_endpoint",
        "rule:admin_required or (role:reader and system_scope:all)",
        "GET /v3/OS-EP-FILTER/endpoints/{endpoint_id}/projects",
    ),
    Rule(
        "identity:list_protocols",
        "rule:admin_required or (role:reader and system_scope:all)",
        "GET /v3/OS-FEDERATION/identity_providers/{idp_id}/protocols",
    ),
    Rule(
        "identity:list_registered_limits",
        "@",
        "GET /v3/registered_limits; HEAD /v3/registered_limits",
    ),
    Rule("identity:list_revoke_events", "rule:service_or_admin", "GET /v3/OS-REVOKE/events"),
    Rule(
        "identity:list_role_assignments",
        "(rule:admin_required) or (role:reader and system_scope:all) or (role:reader and domain_id:%(target.domain_id)s)",
        "GET /v3/role_assignments; HEAD /v3/role_assignments",
    ),
    Rule(
        "identity:list_role_assignments_for_tree",
        "(rule:admin_required) or (role:reader and system_scope:all) or (role:reader and domain_id:%(target.domain_id)s)",
        "GET /v3/role_assignments?include_subtree; HEAD /v3/role_assignments?include_subtree",
    ),
    Rule(
        "identity:list_role_inference_rules",
        "rule:admin_required or (role:reader and system_scope:all)",
        "GET /v3/role_inferences; HEAD /v3/role_inferences",
    ),
    Rule(
        "identity:list_roles",
        "(rule:admin_required or (role:reader and system_scope:all)) or (role:manager and not domain_id:None)",
        "GET /v3/roles; HEAD /v3/roles",
    ),
    Rule(
        "identity:list_roles_for_trust",
        "(rule:admin_required) or (role:reader and system_scope:all or user_id:%(target.trust.trustor_user_id)s or user_id:%(target.trust.trustee_user_id)s)",
        "GET /v3/OS-TRUST/trusts/{trust_id}/roles; HEAD /v3/OS-TRUST/trusts/{trust_id}/roles",
    ),
    Rule(
        "identity:list_service_providers",
        "rule:admin_required or (role:reader and system_scope:all)",
        "GET /v3/OS-FEDERATION/service_providers; HEAD /v3/OS-FEDERATION/service_providers",
    ),
    Rule(
        "identity:list_services",
        "rule:admin_required or (role:reader and system_scope:all)",
        "GET /v3/services",
    ),
    Rule(
        "identity:list_system_grants_for_group",
        "rule:admin_required or (role:reader and system_scope:all)",
        "HEAD /v3/system/groups/{group_id}/roles; GET /v3/system/groups/{group_id}/roles",
    ),
    Rule(
        "identity:list_system_grants_for_user",
        "rule:admin_required or (role:reader and system_scope:all)",
        "HEAD /v3/system/users/{user_id}/roles; GET /v3/system/users/{user_id}/roles",
    ),
    Rule(
        "identity:list_trusts",
        "rule:admin_required or (role:reader and system_scope:all)",
        "GET /v3/OS-TRUST/trusts; HEAD /v3/OS-TRUST/trusts",
    ),
    Rule(
        "identity:list_trusts_for_trustee",
        "(rule:admin_required) or (role:reader and system_scope:all or user_id:%(target.trust.trustee_user_id)s)",
        "GET /v3/OS-TRUST/trusts?trustee_user_id={trustee_user_id}; HEAD /v3/OS-TRUST/trusts?truste",
    ),
    Rule(
        "identity:list_trusts_for_trustor",
        "(rule:admin_required) or (role:reader and system_scope:all or user_id:%(target.trust.trustor_user_id)s)",
        "GET /v3/OS-TRUST/trusts?trustor_user_id={trustor_user_id}; HEAD /v3/OS-TRUST/trusts?trusto",
    ),
    Rule(
        "identity:list_user_projects",
        "(rule:admin_required) or (role:reader and system_scope:all) or (role:reader and domain_id:%(target.user.domain_id)s) or user_id:%(target.user.id)s",
        "GET /v3/users/{user_id}/projects",
    ),
    Rule(
        "identity:list_users",
        "(rule:admin_required) or (role:reader and system_scope:all) or (role:reader and domain_id:%(target.domain_id)s)",
        "GET /v3/users; HEAD /v3/users",
    ),
    Rule(
        "identity:list_users_in_group",
        "(rule:admin_required) or (role:reader and system_scope:all) or (role:reader and domain_id:%(target.group.domain_id)s)",
        "GET /v3/groups/{group_id}/users; HEAD /v3/groups/{group_id}/users",
    ),
    Rule(
        "identity:remove_endpoint_from_project",
        "rule:admin_required",
        "DELETE /v3/OS-EP-FILTER/projects/{project_id}/endpoints/{endpoint_id}",
    ),
    Rule(
        "identity:remove_endpoint_group_from_project",
        "rule:admin_required",
        "DELETE /v3/OS-EP-FILTER/endpoint_groups/{endpoint_group_id}/projects/{project_id}",
    ),
    Rule(
        "identity:remove_user_from_group",
        "(rule:admin_required) or (role:manager and domain_id:%(target.group.domain_id)s and domain_id:%(target.user.domain_id)s)",
        "DELETE /v3/groups/{group_id}/users/{user_id}",
    ),
    Rule("identity:revocation_list", "rule:service_or_admin", "GET /v3/auth/tokens/OS-PKI/revoked"),
    Rule(
        "identity:revoke_grant",
        "(rule:admin_required) or ((role:admin and domain_id:%(target.user.domain_id)s and domain_id:%(target.project.domain_id)s) or (role:admin and domain_id:%(target.user.domain_id)s and domain_id:%(target.domain.id)s) or (role:admin and domain_id:%(target.group.domain_id)s and domain_id:%(target.project.domain_id)s) or (role:admin and domain_id:%(target.group.domain_id)s and domain_id:%(target.domain.id)s)) and (domain_id:%(target.role.domain_id)s or None:%(target.role.domain_id)s) or ((role:manager and domain_id:%(target.user.domain_id)s and domain_id:%(target.project.domain_id)s) or (role:manager and domain_id:%(target.user.domain_id)s and domain_id:%(target.domain.id)s) or (role:manager and domain_id:%(target.group.domain_id)s and domain_id:%(target.project.domain_id)s) or (role:manager and domain_id:%(target.group.domain_id)s and domain_id:%(target.domain.id)s)) and rule:domain_managed_target_role",
        "DELETE /v3/projects/{project_id}/users/{user_id}/roles/{role_id}; DELETE /v3/projects/{pro",
    ),
    Rule(
        "identity:revoke_system_grant_for_group",
        "rule:admin_required",
        "DELETE /v3/system/groups/{group_id}/roles/{role_id}",
    ),
    Rule(
        "identity:revoke_system_grant_for_user",
        "rule:admin_required",
        "DELETE /v3/system/users/{user_id}/roles/{role_id}",
    ),
    Rule(
        "identity:revoke_token",
        "rule:admin_required or rule:token_subject",
        "DELETE /v3/auth/tokens",
    ),
    Rule("identity:s3tokens_validate", "rule:service_or_admin", "POST /v3/s3tokens"),
    Rule(
        "identity:update_consumer",
        "rule:admin_required",
        "PATCH /v3/OS-OAUTH1/consumers/{consumer_id}",
    ),
    Rule(
        "identity:update_credential",
        "(rule:admin_required) or user_id:%(target.credential.user_id)s",
        "PATCH /v3/credentials/{credential_id}",
    ),
    Rule("identity:update_domain", "rule:admin_required", "PATCH /v3/domains/{domain_id}"),
    Rule(
        "identity:update_domain_config",
        "rule:admin_required",
        "PATCH /v3/domains/{domain_id}/config; PATCH /v3/domains/{domain_id}/config/{group}; PATCH ",
    ),
    Rule("identity:update_domain_role", "rule:admin_required", "PATCH /v3/roles/{role_id}"),
    Rule("identity:update_endpoint", "rule:admin_required", "PATCH /v3/endpoints/{endpoint_id}"),
    Rule(
        "identity:update_endpoint_group",
        "rule:admin_required",
        "PATCH /v3/OS-EP-FILTER/endpoint_groups/{endpoint_group_id}",
    ),
    Rule(
        "identity:update_group",
        "(rule:admin_required) or (role:manager and domain_id:%(target.group.domain_id)s)",
        "PATCH /v3/groups/{group_id}",
    ),
    Rule(
        "identity:update_identity_provider",
        "rule:admin_required",
        "PATCH /v3/OS-FEDERATION/identity_providers/{idp_id}",
    ),
    Rule("identity:update_limit", "rule:admin_required", "PATCH /v3/limits/{limit_id}"),
    Rule(
        "identity:update_mapping",
        "rule:admin_required",
        "PATCH /v3/OS-FEDERATION/mappings/{mapping_id}",
    ),
    Rule("identity:update_policy", "rule:admin_required", "PATCH /v3/policies/{policy_id}"),
    Rule(
        "identity:update_project",
        "(rule:admin_required) or (role:manager and domain_id:%(target.project.domain_id)s and not None:%(target.project.domain_id)s)",
        "PATCH /v3/projects/{project_id}",
    ),
    Rule(
        "identity:update_project_tags",
        "(rule:admin_required) or (role:manager and domain_id:%(target.project.domain_id)s and not None:%(target.project.domain_id)s)",
        "PUT /v3/projects/{project_id}/tags",
    ),
    Rule(
        "identity:update_protocol",
        "rule:admin_required",
        "PATCH /v3/OS-FEDERATION/identity_providers/{idp_id}/protocols/{protocol_id}",
    ),
    Rule("identity:update_region", "rule:admin_required", "PATCH /v3/regions/{region_id}"),
    Rule(
        "identity:update_registered_limit",
        "rule:admin_required",
        "PATCH /v3/registered_limits/{registered_limit_id}",
    ),
    Rule("identity:update_role", "rule:admin_required", "PATCH /v3/roles/{role_id}"),
    Rule("identity:update_service", "rule:admin_required", "PATCH /v3/services/{service_id}"),
    Rule(
        "identity:update_service_provider",
        "rule:admin_required",
        "PATCH /v3/OS-FEDERATION/service_providers/{service_provider_id}",
    ),
    Rule(
        "identity:update_user",
        "(rule:admin_required) or (role:manager and token.domain.id:%(target.user.domain_id)s)",
        "PATCH /v3/users/{user_id}",
    ),
    Rule(
        "identity:validate_token",
        "rule:admin_required or (role:reader and system_scope:all) or rule:service_role or rule:token_subject",
        "GET /v3/auth/tokens",
    ),
    Rule("admin_or_owner", "rule:admin_required or rule:owner", "Used by other rules."),
    Rule("admin_required", "role:admin or is_admin:1", "Used by other rules."),
    Rule(
        "domain_managed_target_role",
        "'manager':%(target.role.name)s or 'member':%(target.role.name)s or 'reader':%(target.role.name)s",
        "Used by other rules.",
    ),
    Rule("owner", "user_id:%(user_id)s", "Used by other rules."),
    Rule("service_or_admin", "rule:admin_required or rule:service_role", "Used by other rules."),
    Rule("service_role", "role:service", "Used by other rules."),
    Rule("token_subject", "user_id:%(target.token.user_id)s", "Used by other rules."),
)
