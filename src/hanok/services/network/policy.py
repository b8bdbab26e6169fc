"""The access rules of network with their upstream names and default checks.

Source: the service's policy reference.
"""

from __future__ import annotations

from hanok.web.policy import BY_OPERATORS, Rule, with_former_names

_RULES: tuple[Rule, ...] = (
    Rule(
        "add_extraroutes",
        "(rule:admin_only) or (role:member and project_id:%(project_id)s)",
        "PUT /routers/{id}/add_extraroutes",
    ),
    Rule(
        "add_router_interface",
        "(rule:admin_only) or (role:member and project_id:%(project_id)s)",
        "PUT /routers/{id}/add_router_interface",
    ),
    Rule(
        "create_floatingip",
        "(rule:admin_only) or (role:member and project_id:%(project_id)s)",
        "POST /floatingips",
    ),
    Rule(
        "create_floatingip:floating_ip_address",
        "(rule:admin_only) or (role:manager and project_id:%(project_id)s)",
        "POST /floatingips",
    ),
    Rule(
        "create_floatingip:tags",
        "(rule:admin_only) or (role:member and project_id:%(project_id)s)",
        "POST /floatingips/{id}/tags",
    ),
    Rule(
        "create_network",
        "(rule:admin_only) or (role:member and project_id:%(project_id)s)",
        "POST /networks",
    ),
    Rule("create_network:is_default", "rule:admin_only", "POST /networks"),
    Rule(
        "create_network:port_security_enabled",
        "(rule:admin_only) or (role:member and project_id:%(project_id)s)",
        "POST /networks",
    ),
    Rule("create_network:provider:network_type", "rule:admin_only", "POST /networks"),
    Rule("create_network:provider:physical_network", "rule:admin_only", "POST /networks"),
    Rule("create_network:provider:segmentation_id", "rule:admin_only", "POST /networks"),
    Rule("create_network:router:external", "rule:admin_only", "POST /networks"),
    Rule("create_network:shared", "rule:admin_only", "POST /networks"),
    Rule(
        "create_network:tags",
        "(rule:admin_only) or (role:member and project_id:%(project_id)s)",
        "POST /networks/{id}/tags",
    ),
    Rule(
        "create_port",
        "(rule:admin_only) or (rule:service_api) or role:member and rule:network_owner or rule:shared",
        "POST /ports",
    ),
    Rule(
        "create_port:allowed_address_pairs",
        "(rule:admin_only) or (role:member and rule:network_owner) or rule:service_api",
        "POST /ports",
    ),
    Rule(
        "create_port:allowed_address_pairs:ip_address",
        "(rule:admin_only) or (role:member and rule:network_owner) or rule:service_api",
        "POST /ports",
    ),
    Rule(
        "create_port:allowed_address_pairs:mac_address",
        "(rule:admin_only) or (role:member and rule:network_owner) or rule:service_api",
        "POST /ports",
    ),
    Rule("create_port:binding:host_id", "(rule:admin_only) or (rule:service_api)", "POST /ports"),
    Rule("create_port:binding:profile", "rule:service_api", "POST /ports"),
    Rule(
        "create_port:binding:vnic_type",
        "(rule:admin_only) or (role:member and project_id:%(project_id)s) or rule:service_api",
        "POST /ports",
    ),
    Rule(
        "create_port:device_id",
        "(rule:admin_only) or (role:member and project_id:%(project_id)s) or rule:service_api",
        "POST /ports",
    ),
    Rule(
        "create_port:device_owner",
        "not rule:network_device or (rule:admin_only) or (rule:service_api) or role:member and rule:network_owner",
        "POST /ports",
    ),
    Rule(
        "create_port:fixed_ips",
        "(rule:admin_only) or (rule:service_api) or role:member and rule:network_owner or rule:shared",
        "POST /ports",
    ),
    Rule(
        "create_port:fixed_ips:ip_address",
        "(rule:admin_only) or (rule:service_api) or role:member and rule:network_owner",
        "POST /ports",
    ),
    Rule(
        "create_port:fixed_ips:subnet_id",
        "(rule:admin_only) or (rule:service_api) or role:member and rule:network_owner or rule:shared",
        "POST /ports",
    ),
    Rule(
        "create_port:mac_address",
        "(rule:admin_only) or (rule:service_api) or role:member and rule:network_owner",
        "POST /ports",
    ),
    Rule(
        "create_port:port_security_enabled",
        "(rule:admin_only) or (rule:service_api) or role:member and rule:network_owner",
        "POST /ports",
    ),
    Rule(
        "create_port:tags",
        "(rule:admin_only) or (role:member and project_id:%(project_id)s) or rule:context_is_advsvc",
        "POST /ports/{id}/tags",
    ),
    Rule(
        "create_router",
        "(rule:admin_only) or (role:member and project_id:%(project_id)s)",
        "POST /routers",
    ),
    Rule(
        "create_router:external_gateway_info",
        "(rule:admin_only) or (role:member and project_id:%(project_id)s)",
        "POST /routers",
    ),
    Rule("create_router:external_gateway_info:enable_snat", "rule:admin_only", "POST /routers"),
    Rule(
        "create_router:external_gateway_info:external_fixed_ips", "rule:admin_only", "POST /routers"
    ),
    Rule(
        "create_router:external_gateway_info:network_id",
        "(rule:admin_only) or (role:member and project_id:%(project_id)s)",
        "POST /routers",
    ),
    Rule(
        "create_router:tags",
        "(rule:admin_only) or (role:member and project_id:%(project_id)s)",
        "POST /routers/{id}/tags",
    ),
    Rule(
        "create_security_group",
        "(rule:admin_only) or (role:member and project_id:%(project_id)s)",
        "POST /security-groups",
    ),
    Rule(
        "create_security_group:tags",
        "(rule:admin_only) or (role:member and project_id:%(project_id)s)",
        "POST /security-groups/{id}/tags",
    ),
    Rule(
        "create_security_group_rule",
        "(rule:admin_only) or (role:member and rule:sg_owner)",
        "POST /security-group-rules",
    ),
    Rule(
        "create_subnet",
        "(rule:admin_only) or (role:member and rule:network_owner)",
        "POST /subnets",
    ),
    Rule(
        "create_subnet:tags",
        "role:member and project_id:%(project_id)s or (rule:admin_only) or (role:member and rule:network_owner)",
        "POST /subnets/{id}/tags",
    ),
    Rule("delete_agent", "rule:admin_only", "DELETE /agents/{id}"),
    Rule(
        "delete_floatingip",
        "(rule:admin_only) or (role:member and project_id:%(project_id)s)",
        "DELETE /floatingips/{id}",
    ),
    Rule(
        "delete_floatingip:tags",
        "(rule:admin_only) or (role:member and project_id:%(project_id)s)",
        "DELETE /floatingips/{id}/tags; DELETE /floatingips/{id}/tags/{tag_id}",
    ),
    Rule(
        "delete_network",
        "(rule:admin_only) or (role:member and project_id:%(project_id)s)",
        "DELETE /networks/{id}",
    ),
    Rule(
        "delete_network:tags",
        "(rule:admin_only) or (role:member and project_id:%(project_id)s)",
        "DELETE /networks/{id}/tags; DELETE /networks/{id}/tags/{tag_id}",
    ),
    Rule(
        "delete_port",
        "(rule:admin_only) or (rule:service_api) or role:member and rule:network_owner or role:member and project_id:%(project_id)s",
        "DELETE /ports/{id}",
    ),
    Rule(
        "delete_port:tags",
        "rule:context_is_advsvc or role:member and project_id:%(project_id)s or (rule:admin_only) or (role:member and rule:network_owner)",
        "DELETE /ports/{id}/tags; DELETE /ports/{id}/tags/{tag_id}",
    ),
    Rule("delete_quota", "rule:admin_only", "DELETE /quota/{id}"),
    Rule(
        "delete_router",
        "(rule:admin_only) or (role:member and project_id:%(project_id)s)",
        "DELETE /routers/{id}",
    ),
    Rule(
        "delete_router:tags",
        "(rule:admin_only) or (role:member and project_id:%(project_id)s)",
        "DELETE /routers/{id}/tags; DELETE /routers/{id}/tags/{tag_id}",
    ),
    Rule(
        "delete_security_group",
        "(rule:admin_only) or (role:member and project_id:%(project_id)s)",
        "DELETE /security-groups/{id}",
    ),
    Rule(
        "delete_security_group:tags",
        "(rule:admin_only) or (role:member and project_id:%(project_id)s)",
        "DELETE /security-groups/{id}/tags; DELETE /security-groups/{id}/tags/{tag_id}",
    ),
    Rule(
        "delete_security_group_rule",
        "(rule:admin_only) or (role:member and rule:sg_owner)",
        "DELETE /security-group-rules/{id}",
    ),
    Rule(
        "delete_subnet",
        "role:member and project_id:%(project_id)s or (rule:admin_only) or (role:member and rule:network_owner)",
        "DELETE /subnets/{id}",
    ),
    Rule(
        "delete_subnet:tags",
        "role:member and project_id:%(project_id)s or (rule:admin_only) or (role:member and rule:network_owner)",
        "DELETE /subnets/{id}/tags; DELETE /subnets/{id}/tags/{tag_id}",
    ),
    Rule("get_agent", "rule:admin_only", "GET /agents; GET /agents/{id}"),
    Rule("get_availability_zone", "role:reader", "GET /availability_zones"),
    Rule("get_service_provider", "role:reader", "GET /service-providers"),
    Rule(
        "get_floatingip",
        "(rule:admin_only) or (role:reader and project_id:%(project_id)s)",
        "GET /floatingips; GET /floatingips/{id}",
    ),
    Rule(
        "get_floatingip:tags",
        "(rule:admin_only) or (role:reader and project_id:%(project_id)s)",
        "GET /floatingips/{id}/tags; GET /floatingips/{id}/tags/{tag_id}",
    ),
    Rule(
        "get_network",
        "(rule:admin_only) or (role:reader and project_id:%(project_id)s) or rule:service_api or rule:shared or rule:external or rule:context_is_advsvc",
        "GET /networks; GET /networks/{id}",
    ),
    Rule(
        "get_network:provider:network_type", "rule:admin_only", "GET /networks; GET /networks/{id}"
    ),
    Rule(
        "get_network:provider:physical_network",
        "rule:admin_only",
        "GET /networks; GET /networks/{id}",
    ),
    Rule(
        "get_network:provider:segmentation_id",
        "rule:admin_only",
        "GET /networks; GET /networks/{id}",
    ),
    Rule(
        "get_network:tags",
        "(rule:admin_only) or (role:reader and project_id:%(project_id)s) or rule:shared or rule:external or rule:context_is_advsvc",
        "GET /networks/{id}/tags; GET /networks/{id}/tags/{tag_id}",
    ),
    Rule(
        "get_port",
        "(rule:admin_only) or (rule:service_api) or role:reader and rule:network_owner or role:reader and project_id:%(project_id)s",
        "GET /ports; GET /ports/{id}",
    ),
    Rule(
        "get_port:binding:host_id",
        "(rule:admin_only) or (rule:service_api)",
        "GET /ports; GET /ports/{id}",
    ),
    Rule(
        "get_port:binding:profile",
        "(rule:admin_only) or (rule:service_api)",
        "GET /ports; GET /ports/{id}",
    ),
    Rule(
        "get_port:binding:vif_details",
        "(rule:admin_only) or (rule:service_api)",
        "GET /ports; GET /ports/{id}",
    ),
    Rule(
        "get_port:binding:vif_type",
        "(rule:admin_only) or (rule:service_api)",
        "GET /ports; GET /ports/{id}",
    ),
    Rule(
        "get_port_binding",
        "(rule:admin_only) or (rule:service_api)",
        "GET /ports/{id}/bindings; GET /ports/{id}/bindings/{host}",
    ),
    Rule("create_port_binding", "rule:service_api", "POST /ports/{id}/bindings; PUT …/{host}"),
    Rule("delete_port_binding", "rule:service_api", "DELETE /ports/{id}/bindings/{host}"),
    Rule("activate", "rule:service_api", "PUT /ports/{id}/bindings/{host}/activate"),
    Rule(
        "get_port:tags",
        "rule:context_is_advsvc or (rule:admin_only) or (role:reader and rule:network_owner) or role:reader and project_id:%(project_id)s",
        "GET /ports/{id}/tags; GET /ports/{id}/tags/{tag_id}",
    ),
    Rule(
        "get_quota",
        "(rule:admin_only) or (role:manager and project_id:%(project_id)s)",
        "GET /quota; GET /quota/{id}",
    ),
    Rule(
        "get_router",
        "(rule:admin_only) or (role:reader and project_id:%(project_id)s)",
        "GET /routers; GET /routers/{id}",
    ),
    Rule("get_router:distributed", "rule:admin_only", "GET /routers; GET /routers/{id}"),
    Rule("get_router:ha", "rule:admin_only", "GET /routers; GET /routers/{id}"),
    Rule(
        "get_router:tags",
        "(rule:admin_only) or (role:reader and project_id:%(project_id)s)",
        "GET /routers/{id}/tags; GET /routers/{id}/tags/{tag_id}",
    ),
    Rule(
        "get_security_group",
        "(rule:admin_only) or (role:reader and project_id:%(project_id)s) or rule:shared_security_group",
        "GET /security-groups; GET /security-groups/{id}",
    ),
    Rule(
        "get_security_group:tags",
        "(rule:admin_only) or (role:reader and project_id:%(project_id)s) or rule:shared_security_group",
        "GET /security-groups/{id}/tags; GET /security-groups/{id}/tags/{tag_id}",
    ),
    Rule(
        "get_security_group_rule",
        "(rule:admin_only) or (role:reader and rule:sg_owner)",
        "GET /security-group-rules; GET /security-group-rules/{id}",
    ),
    Rule(
        "get_subnet",
        "role:reader and project_id:%(project_id)s or rule:shared or rule:external_network or (rule:admin_only) or (role:reader and rule:network_owner) or rule:service_api",
        "GET /subnets; GET /subnets/{id}",
    ),
    Rule(
        "get_subnet:tags",
        "role:reader and project_id:%(project_id)s or rule:shared or rule:external_network or (rule:admin_only) or (role:reader and rule:network_owner)",
        "GET /subnets/{id}/tags; GET /subnets/{id}/tags/{tag_id}",
    ),
    Rule(
        "remove_extraroutes",
        "(rule:admin_only) or (role:member and project_id:%(project_id)s)",
        "PUT /routers/{id}/remove_extraroutes",
    ),
    Rule(
        "remove_router_interface",
        "(rule:admin_only) or (role:member and project_id:%(project_id)s)",
        "PUT /routers/{id}/remove_router_interface",
    ),
    Rule("update_agent", "rule:admin_only", "PUT /agents/{id}"),
    Rule(
        "update_floatingip",
        "(rule:admin_only) or (role:member and project_id:%(project_id)s)",
        "PUT /floatingips/{id}",
    ),
    Rule(
        "update_floatingip:tags",
        "(rule:admin_only) or (role:member and project_id:%(project_id)s)",
        "PUT /floatingips/{id}/tags; PUT /floatingips/{id}/tags/{tag_id}",
    ),
    Rule(
        "update_network",
        "(rule:admin_only) or (role:member and project_id:%(project_id)s)",
        "PUT /networks/{id}",
    ),
    Rule("update_network:is_default", "rule:admin_only", "PUT /networks/{id}"),
    Rule(
        "update_network:port_security_enabled",
        "(rule:admin_only) or (role:member and project_id:%(project_id)s)",
        "PUT /networks/{id}",
    ),
    Rule("update_network:router:external", "rule:admin_only", "PUT /networks/{id}"),
    Rule("update_network:shared", "rule:admin_only", "PUT /networks/{id}"),
    Rule(
        "update_network:tags",
        "(rule:admin_only) or (role:member and project_id:%(project_id)s)",
        "PUT /networks/{id}/tags; PUT /networks/{id}/tags/{tag_id}",
    ),
    Rule(
        "update_port",
        "(rule:admin_only) or (rule:service_api) or role:member and project_id:%(project_id)s",
        "PUT /ports/{id}",
    ),
    Rule(
        "update_port:allowed_address_pairs",
        "(rule:admin_only) or (role:member and rule:network_owner) or rule:service_api",
        "PUT /ports/{id}",
    ),
    Rule(
        "update_port:allowed_address_pairs:ip_address",
        "(rule:admin_only) or (role:member and rule:network_owner) or rule:service_api",
        "PUT /ports/{id}",
    ),
    Rule(
        "update_port:allowed_address_pairs:mac_address",
        "(rule:admin_only) or (role:member and rule:network_owner) or rule:service_api",
        "PUT /ports/{id}",
    ),
    Rule(
        "update_port:binding:host_id", "(rule:admin_only) or (rule:service_api)", "PUT /ports/{id}"
    ),
    Rule("update_port:binding:profile", "rule:service_api", "PUT /ports/{id}"),
    Rule(
        "update_port:binding:vnic_type",
        "(rule:admin_only) or (rule:service_api) or role:member and project_id:%(project_id)s",
        "PUT /ports/{id}",
    ),
    Rule(
        "update_port:device_id",
        "(rule:admin_only) or (role:member and project_id:%(project_id)s) or rule:service_api",
        "PUT /ports/{id}",
    ),
    Rule(
        "update_port:device_owner",
        "not rule:network_device or (rule:admin_only) or (rule:service_api) or role:member and rule:network_owner",
        "PUT /ports/{id}",
    ),
    Rule(
        "update_port:fixed_ips",
        "(rule:admin_only) or (rule:service_api) or role:member and rule:network_owner",
        "PUT /ports/{id}",
    ),
    Rule(
        "update_port:fixed_ips:ip_address",
        "(rule:admin_only) or (rule:service_api) or role:member and rule:network_owner",
        "PUT /ports/{id}",
    ),
    Rule(
        "update_port:fixed_ips:subnet_id",
        "(rule:admin_only) or (rule:service_api) or role:member and rule:network_owner or rule:shared",
        "PUT /ports/{id}",
    ),
    Rule(
        "update_port:mac_address",
        "(rule:admin_only) or (rule:service_api) or role:manager and rule:network_owner",
        "PUT /ports/{id}",
    ),
    Rule(
        "update_port:port_security_enabled",
        "(rule:admin_only) or (rule:service_api) or role:member and rule:network_owner",
        "PUT /ports/{id}",
    ),
    Rule(
        "update_port:tags",
        "(rule:admin_only) or (role:member and project_id:%(project_id)s) or rule:context_is_advsvc",
        "PUT /ports/{id}/tags; PUT /ports/{id}/tags/{tag_id}",
    ),
    Rule("update_quota", "rule:admin_only", "PUT /quota/{id}"),
    Rule(
        "update_router",
        "(rule:admin_only) or (role:member and project_id:%(project_id)s)",
        "PUT /routers/{id}",
    ),
    Rule(
        "update_router:external_gateway_info",
        "(rule:admin_only) or (role:member and project_id:%(project_id)s)",
        "PUT /routers/{id}",
    ),
    Rule("update_router:external_gateway_info:enable_snat", "rule:admin_only", "PUT /routers/{id}"),
    Rule(
        "update_router:external_gateway_info:external_fixed_ips",
        "rule:admin_only",
        "PUT /routers/{id}",
    ),
    Rule(
        "update_router:external_gateway_info:network_id",
        "(rule:admin_only) or (role:member and project_id:%(project_id)s)",
        "PUT /routers/{id}",
    ),
    Rule(
        "update_router:tags",
        "(rule:admin_only) or (role:member and project_id:%(project_id)s)",
        "PUT /routers/{id}/tags; PUT /routers/{id}/tags/{tag_id}",
    ),
    Rule(
        "update_security_group",
        "(rule:admin_only) or (role:member and project_id:%(project_id)s)",
        "PUT /security-groups/{id}",
    ),
    Rule(
        "update_security_group:tags",
        "(rule:admin_only) or (role:member and project_id:%(project_id)s)",
        "PUT /security-groups/{id}/tags; PUT /security-groups/{id}/tags/{tag_id}",
    ),
    Rule(
        "update_subnet",
        "role:member and project_id:%(project_id)s or (rule:admin_only) or (role:member and rule:network_owner)",
        "PUT /subnets/{id}",
    ),
    Rule(
        "update_subnet:tags",
        "role:member and project_id:%(project_id)s or (rule:admin_only) or (role:member and rule:network_owner)",
        "PUT /subnets/{id}/tags; PUT /subnets/{id}/tags/{tag_id}",
    ),
    Rule("admin_only", "rule:context_is_admin", "Used by other rules."),
    Rule("context_is_admin", "role:admin", "Used by other rules."),
    Rule("context_is_advsvc", "role:advsvc", "Used by other rules."),
    Rule("external", "field:networks:router:external=True", "Used by other rules."),
    Rule("external_network", "field:subnets:router:external=True", "Used by other rules."),
    Rule("network_device", "field:port:device_owner=~^network:", "Used by other rules."),
    Rule("network_owner", "project_id:%(network:project_id)s", "Used by other rules."),
    Rule("service_api", "role:service", "Used by other rules."),
    Rule("sg_owner", "project_id:%(security_group:project_id)s", "Used by other rules."),
    Rule("shared", "field:networks:shared=True", "Used by other rules."),
    Rule("shared_security_group", "field:security_groups:shared=True", "Used by other rules."),
    # No rule of ours leads to these; an operator's file may, as upstream's own do.
    Rule(
        "admin_or_data_plane_int",
        "rule:context_is_admin or role:data_plane_integrator",
        BY_OPERATORS,
    ),
    Rule(
        "admin_or_network_owner",
        "rule:context_is_admin or project_id:%(network:project_id)s",
        BY_OPERATORS,
    ),
    Rule("admin_or_owner", "rule:context_is_admin or rule:owner", BY_OPERATORS),
    Rule(
        "admin_or_sg_owner",
        "rule:context_is_admin or project_id:%(security_group:project_id)s",
        BY_OPERATORS,
    ),
    Rule("admin_owner_or_network_owner", "rule:owner or rule:admin_or_network_owner", BY_OPERATORS),
    Rule("admin_owner_or_sg_owner", "rule:owner or rule:admin_or_sg_owner", BY_OPERATORS),
    Rule("default", "rule:admin_or_owner", BY_OPERATORS),
    Rule("owner", "project_id:%(project_id)s", BY_OPERATORS),
    Rule("regular_user", "@", BY_OPERATORS),
    Rule("rule_default_sg", "field:security_group_rules:belongs_to_default_sg=True", BY_OPERATORS),
)

# What rules were called before they were split, or renamed: an operator's file may still say so.
_FORMER_NAMES: dict[str, tuple[str, ...]] = {
    f"{verb}_{kind}s_tags": (f"{verb}_{kind}:tags",)
    for verb in ("create", "get", "update", "delete")
    for kind in ("floatingip", "network", "port", "router", "security_group", "subnet")
}
RULES = with_former_names(_RULES, _FORMER_NAMES)
