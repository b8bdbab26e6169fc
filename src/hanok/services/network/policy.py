"""The access rules of network with their upstream names and default checks.

Source: the service's policy reference.
"""

from __future__ import annotations

from hanok.web.policy import BY_OPERATORS, Rule, of_projects, with_former_names

_RULES: tuple[Rule, ...] = (
    Rule(
        "add_addresses",
        "(rule:admin_only) or (role:member and project_id:%(project_id)s)",
        "PUT /address-groups/{id}/add_addresses",
    ),
    Rule(
        "add_external_gateways",
        "(rule:admin_only) or (role:member and project_id:%(project_id)s)",
        "PUT /routers/{id}",
    ),
    Rule(
        "add_external_gateways:external_gateways",
        "(rule:admin_only) or (role:member and project_id:%(project_id)s)",
        "PUT /routers/{id}",
    ),
    Rule(
        "add_external_gateways:external_gateways:enable_snat",
        "rule:admin_only",
        "PUT /routers/{id}",
    ),
    Rule(
        "add_external_gateways:external_gateways:external_fixed_ips",
        "rule:admin_only",
        "PUT /routers/{id}",
    ),
    Rule(
        "add_external_gateways:external_gateways:network_id",
        "(rule:admin_only) or (role:member and project_id:%(project_id)s)",
        "PUT /routers/{id}",
    ),
    Rule(
        "add_extraroutes",
        "(rule:admin_only) or (role:member and project_id:%(project_id)s)",
        "PUT /routers/{id}/add_extraroutes",
    ),
    Rule(
        "add_prefixes",
        "(rule:admin_only) or (role:member and project_id:%(project_id)s)",
        "PUT /subnetpools/{id}/add_prefixes",
    ),
    Rule(
        "add_router_interface",
        "(rule:admin_only) or (role:member and project_id:%(project_id)s)",
        "PUT /routers/{id}/add_router_interface",
    ),
    Rule(
        "add_subports",
        "(rule:admin_only) or (role:member and project_id:%(project_id)s)",
        "PUT /trunks/{id}/add_subports",
    ),
    Rule(
        "create_address_group",
        "(rule:admin_only) or (role:member and project_id:%(project_id)s)",
        "POST /address-groups",
    ),
    Rule(
        "create_address_scope",
        "(rule:admin_only) or (role:member and project_id:%(project_id)s)",
        "POST /address-scopes",
    ),
    Rule("create_address_scope:shared", "rule:admin_only", "POST /address-scopes"),
    Rule(
        "create_default_security_group_rule",
        "rule:admin_only",
        "POST /default-security-group-rules",
    ),
    Rule("create_dhcp-network", "rule:admin_only", "POST /agents/{agent_id}/dhcp-networks"),
    Rule("create_flavor", "rule:admin_only", "POST /flavors"),
    Rule(
        "create_flavor_service_profile",
        "rule:admin_only",
        "POST /flavors/{flavor_id}/service_profiles",
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
        "create_floatingip_port_forwarding",
        "(rule:admin_only) or (role:member and rule:ext_parent_owner)",
        "POST /floatingips/{floatingip_id}/port_forwardings",
    ),
    Rule("create_l3-router", "rule:admin_only", "POST /agents/{agent_id}/l3-routers"),
    Rule(
        "create_local_ip",
        "(rule:admin_only) or (role:member and project_id:%(project_id)s)",
        "POST /local-ips",
    ),
    Rule(
        "create_local_ip_port_association",
        "(rule:admin_only) or (role:member and rule:ext_parent_owner)",
        "POST /local_ips/{local_ip_id}/port_associations",
    ),
    Rule(
        "create_log",
        "(rule:admin_only) or (role:manager and project_id:%(project_id)s)",
        "POST /log/logs",
    ),
    Rule(
        "create_metering_label",
        "(rule:admin_only) or (role:manager and project_id:%(project_id)s)",
        "POST /metering/metering-labels",
    ),
    Rule(
        "create_metering_label_rule",
        "(rule:admin_only) or (role:manager and project_id:%(project_id)s)",
        "POST /metering/metering-label-rules",
    ),
    Rule(
        "create_ndp_proxy",
        "(rule:admin_only) or (role:member and project_id:%(project_id)s)",
        "POST /ndp_proxies",
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
    Rule("create_network_segment_range", "rule:admin_only", "POST /network_segment_ranges"),
    Rule(
        "create_network_segment_range:tags",
        "rule:admin_only",
        "POST /network_segment_ranges/{id}/tags",
    ),
    Rule(
        "create_policy",
        "(rule:admin_only) or (role:manager and project_id:%(project_id)s)",
        "POST /qos/policies",
    ),
    Rule(
        "create_policy:tags",
        "(rule:admin_only) or (role:manager and project_id:%(project_id)s)",
        "POST /qos/policies/{id}/tags",
    ),
    Rule(
        "create_policy_bandwidth_limit_rule",
        "(rule:admin_only) or (role:manager and rule:ext_parent_owner)",
        "POST /qos/policies/{policy_id}/bandwidth_limit_rules",
    ),
    Rule(
        "create_policy_minimum_bandwidth_rule",
        "(rule:admin_only) or (role:manager and rule:ext_parent_owner)",
        "POST /qos/policies/{policy_id}/minimum_bandwidth_rules",
    ),
    Rule(
        "create_policy_minimum_packet_rate_rule",
        "(rule:admin_only) or (role:manager and rule:ext_parent_owner)",
        "POST /qos/policies/{policy_id}/minimum_packet_rate_rules",
    ),
    Rule(
        "create_policy_packet_rate_limit_rule",
        "(rule:admin_only) or (role:manager and rule:ext_parent_owner)",
        "POST /qos/policies/{policy_id}/packet_rate_limit_rules",
    ),
    Rule(
        "create_policy_dscp_marking_rule",
        "(rule:admin_only) or (role:manager and rule:ext_parent_owner)",
        "POST /qos/policies/{policy_id}/dscp_marking_rules",
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
        "create_rbac_policy",
        "(rule:admin_only) or (role:member and project_id:%(project_id)s)",
        "POST /rbac-policies",
    ),
    Rule(
        "create_rbac_policy:target_project",
        "rule:admin_only or not field:rbac_policy:target_project=*",
        "POST /rbac-policies",
    ),
    Rule(
        "create_rbac_policy:target_tenant",
        "rule:admin_only or (not field:rbac_policy:target_tenant=* and not field:rbac_policy:target_project=*)",
        "POST /rbac-policies",
    ),
    Rule(
        "create_router",
        "(rule:admin_only) or (role:member and project_id:%(project_id)s)",
        "POST /routers",
    ),
    Rule("create_router:enable_default_route_bfd", "rule:admin_only", "POST /routers"),
    Rule("create_router:enable_default_route_ecmp", "rule:admin_only", "POST /routers"),
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
        "create_router_conntrack_helper",
        "(rule:admin_only) or (role:member and rule:ext_parent_owner)",
        "POST /routers/{router_id}/conntrack_helpers",
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
        "create_security_groups_default_statefulness",
        "(rule:admin_only) or (role:manager and project_id:%(project_id)s)",
        "POST /security-groups-default-statefulness",
    ),
    Rule("create_segment", "rule:admin_only", "POST /segments"),
    Rule("create_segments_tags", "rule:admin_only", "POST /segments/{id}/tags"),
    Rule("create_service_profile", "rule:admin_only", "POST /service_profiles"),
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
    Rule(
        "create_subnetpool",
        "(rule:admin_only) or (role:member and project_id:%(project_id)s)",
        "POST /subnetpools",
    ),
    Rule("create_subnetpool:is_default", "rule:admin_only", "POST /subnetpools"),
    Rule("create_subnetpool:shared", "rule:admin_only", "POST /subnetpools"),
    Rule(
        "create_subnetpool:tags",
        "(rule:admin_only) or (role:member and project_id:%(project_id)s)",
        "POST /subnetpools/{id}/tags",
    ),
    Rule(
        "create_trunk",
        "(rule:admin_only) or (role:member and project_id:%(project_id)s)",
        "POST /trunks",
    ),
    Rule(
        "create_trunk:tags",
        "(rule:admin_only) or (role:member and project_id:%(project_id)s)",
        "POST /trunks/{id}/tags",
    ),
    Rule(
        "delete_address_group",
        "(rule:admin_only) or (role:member and project_id:%(project_id)s)",
        "DELETE /address-groups/{id}",
    ),
    Rule(
        "delete_address_scope",
        "(rule:admin_only) or (role:member and project_id:%(project_id)s)",
        "DELETE /address-scopes/{id}",
    ),
    Rule("delete_agent", "rule:admin_only", "DELETE /agents/{id}"),
    Rule(
        "delete_alias_bandwidth_limit_rule",
        "(rule:admin_only) or (role:manager and rule:ext_parent_owner)",
        "DELETE /qos/alias_bandwidth_limit_rules/{rule_id}/",
    ),
    Rule(
        "delete_alias_minimum_bandwidth_rule",
        "(rule:admin_only) or (role:manager and rule:ext_parent_owner)",
        "DELETE /qos/alias_minimum_bandwidth_rules/{rule_id}/",
    ),
    Rule(
        "delete_alias_minimum_packet_rate_rule",
        "rule:delete_policy_minimum_packet_rate_rule",
        "DELETE /qos/alias_minimum_packet_rate_rules/{rule_id}/",
    ),
    Rule(
        "delete_alias_dscp_marking_rule",
        "(rule:admin_only) or (role:manager and rule:ext_parent_owner)",
        "DELETE /qos/alias_dscp_marking_rules/{rule_id}/",
    ),
    Rule(
        "delete_auto_allocated_topology",
        "(rule:admin_only) or (role:member and project_id:%(project_id)s)",
        "DELETE /auto-allocated-topology/{project_id}",
    ),
    Rule(
        "delete_default_security_group_rule",
        "rule:admin_only",
        "DELETE /default-security-group-rules/{id}",
    ),
    Rule(
        "delete_dhcp-network",
        "rule:admin_only",
        "DELETE /agents/{agent_id}/dhcp-networks/{network_id}",
    ),
    Rule("delete_flavor", "rule:admin_only", "DELETE /flavors/{id}"),
    Rule(
        "delete_flavor_service_profile",
        "rule:admin_only",
        "DELETE /flavors/{flavor_id}/service_profiles/{profile_id}",
    ),
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
        "delete_floatingip_port_forwarding",
        "(rule:admin_only) or (role:member and rule:ext_parent_owner)",
        "DELETE /floatingips/{floatingip_id}/port_forwardings/{port_forwarding_id}",
    ),
    Rule("delete_l3-router", "rule:admin_only", "DELETE /agents/{agent_id}/l3-routers/{router_id}"),
    Rule(
        "delete_local_ip",
        "(rule:admin_only) or (role:member and project_id:%(project_id)s)",
        "DELETE /local-ips/{id}",
    ),
    Rule(
        "delete_local_ip_port_association",
        "(rule:admin_only) or (role:member and rule:ext_parent_owner)",
        "DELETE /local_ips/{local_ip_id}/port_associations/{fixed_port_id}",
    ),
    Rule(
        "delete_log",
        "(rule:admin_only) or (role:manager and project_id:%(project_id)s)",
        "DELETE /log/logs/{id}",
    ),
    Rule(
        "delete_metering_label",
        "(rule:admin_only) or (role:manager and project_id:%(project_id)s)",
        "DELETE /metering/metering-labels/{id}",
    ),
    Rule(
        "delete_metering_label_rule",
        "(rule:admin_only) or (role:manager and project_id:%(project_id)s)",
        "DELETE /metering/metering-label-rules/{id}",
    ),
    Rule(
        "delete_ndp_proxy",
        "(rule:admin_only) or (role:member and project_id:%(project_id)s)",
        "DELETE /ndp_proxies/{id}",
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
    Rule("delete_network_segment_range", "rule:admin_only", "DELETE /network_segment_ranges/{id}"),
    Rule(
        "delete_network_segment_range:tags",
        "rule:admin_only",
        "DELETE /network_segment_ranges/{id}/tags; DELETE /network_segment_ranges/{id}/tags/{tag_id}",
    ),
    Rule(
        "delete_policy",
        "(rule:admin_only) or (role:manager and project_id:%(project_id)s)",
        "DELETE /qos/policies/{id}",
    ),
    Rule(
        "delete_policy:tags",
        "(rule:admin_only) or (role:manager and project_id:%(project_id)s)",
        "DELETE /qos/policies/{id}/tags; DELETE /qos/policies/{id}/tags/{tag_id}",
    ),
    Rule(
        "delete_policy_bandwidth_limit_rule",
        "(rule:admin_only) or (role:manager and rule:ext_parent_owner)",
        "DELETE /qos/policies/{policy_id}/bandwidth_limit_rules/{rule_id}",
    ),
    Rule(
        "delete_policy_minimum_bandwidth_rule",
        "(rule:admin_only) or (role:manager and rule:ext_parent_owner)",
        "DELETE /qos/policies/{policy_id}/minimum_bandwidth_rules/{rule_id}",
    ),
    Rule(
        "delete_policy_minimum_packet_rate_rule",
        "(rule:admin_only) or (role:manager and rule:ext_parent_owner)",
        "DELETE /qos/policies/{policy_id}/minimum_packet_rate_rules/{rule_id}",
    ),
    Rule(
        "delete_policy_packet_rate_limit_rule",
        "(rule:admin_only) or (role:manager and rule:ext_parent_owner)",
        "DELETE /qos/policies/{policy_id}/packet_rate_limit_rules/{rule_id}",
    ),
    Rule(
        "delete_policy_dscp_marking_rule",
        "(rule:admin_only) or (role:manager and rule:ext_parent_owner)",
        "DELETE /qos/policies/{policy_id}/dscp_marking_rules/{rule_id}",
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
        "delete_rbac_policy",
        "(rule:admin_only) or (role:member and project_id:%(project_id)s)",
        "DELETE /rbac-policies/{id}",
    ),
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
        "delete_router_conntrack_helper",
        "(rule:admin_only) or (role:member and rule:ext_parent_owner)",
        "DELETE /routers/{router_id}/conntrack_helpers/{conntrack_helper_id}",
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
        "delete_security_groups_default_statefulness",
        "(rule:admin_only) or (role:manager and project_id:%(project_id)s)",
        "DELETE /security-groups-default-statefulness/{id}",
    ),
    Rule("delete_segment", "rule:admin_only", "DELETE /segments/{id}"),
    Rule(
        "delete_segments_tags",
        "rule:admin_only",
        "DELETE /segments/{id}/tags; DELETE /segments/{id}/tags/{tag_id}",
    ),
    Rule("delete_service_profile", "rule:admin_only", "DELETE /service_profiles/{id}"),
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
    Rule(
        "delete_subnetpool",
        "(rule:admin_only) or (role:member and project_id:%(project_id)s)",
        "DELETE /subnetpools/{id}",
    ),
    Rule(
        "delete_subnetpool:tags",
        "(rule:admin_only) or (role:member and project_id:%(project_id)s)",
        "DELETE /subnetpools/{id}/tags; DELETE /subnetpools/{id}/tags/{tag_id}",
    ),
    Rule(
        "delete_trunk",
        "(rule:admin_only) or (role:member and project_id:%(project_id)s)",
        "DELETE /trunks/{id}",
    ),
    Rule(
        "delete_trunk:tags",
        "(rule:admin_only) or (role:member and project_id:%(project_id)s)",
        "DELETE /trunks/{id}/tags; DELETE /trunks/{id}/tags/{tag_id}",
    ),
    Rule(
        "get_address_group",
        "(rule:admin_only) or (role:reader and project_id:%(project_id)s) or rule:shared_address_groups",
        "GET /address-groups; GET /address-groups/{id}",
    ),
    Rule(
        "get_address_scope",
        "rule:admin_only or role:reader and project_id:%(project_id)s or rule:shared_address_scopes",
        "GET /address-scopes; GET /address-scopes/{id}",
    ),
    Rule("get_agent", "rule:admin_only", "GET /agents; GET /agents/{id}"),
    Rule(
        "get_alias_bandwidth_limit_rule",
        "(rule:admin_only) or (role:reader and rule:ext_parent_owner)",
        "GET /qos/alias_bandwidth_limit_rules/{rule_id}/",
    ),
    Rule(
        "get_alias_minimum_bandwidth_rule",
        "(rule:admin_only) or (role:reader and rule:ext_parent_owner)",
        "GET /qos/alias_minimum_bandwidth_rules/{rule_id}/",
    ),
    Rule(
        "get_alias_minimum_packet_rate_rule",
        "rule:get_policy_minimum_packet_rate_rule",
        "GET /qos/alias_minimum_packet_rate_rules/{rule_id}/",
    ),
    Rule(
        "get_alias_dscp_marking_rule",
        "(rule:admin_only) or (role:reader and rule:ext_parent_owner)",
        "GET /qos/alias_dscp_marking_rules/{rule_id}/",
    ),
    Rule(
        "get_auto_allocated_topology",
        "(rule:admin_only) or (role:reader and project_id:%(project_id)s)",
        "GET /auto-allocated-topology/{project_id}",
    ),
    Rule("get_availability_zone", "role:reader", "GET /availability_zones"),
    Rule(
        "get_default_security_group_rule",
        "role:reader",
        "GET /default-security-group-rules; GET /default-security-group-rules/{id}",
    ),
    Rule("get_dhcp-agents", "rule:admin_only", "GET /networks/{network_id}/dhcp-agents"),
    Rule("get_dhcp-networks", "rule:admin_only", "GET /agents/{agent_id}/dhcp-networks"),
    Rule("get_flavor", "role:reader", "GET /flavors; GET /flavors/{id}"),
    Rule(
        "get_floatingip_pool",
        "(rule:admin_only) or (role:reader and project_id:%(project_id)s)",
        "GET /floatingip_pools",
    ),
    Rule(
        "get_floatingip_port_forwarding",
        "(rule:admin_only) or (role:reader and rule:ext_parent_owner)",
        "GET /floatingips/{floatingip_id}/port_forwardings; GET /floatingips/{floatingip_id}/port_forwardings/{port_forwarding_id}",
    ),
    Rule("get_l3-agents", "rule:admin_only", "GET /routers/{router_id}/l3-agents"),
    Rule("get_l3-routers", "rule:admin_only", "GET /agents/{agent_id}/l3-routers"),
    Rule(
        "get_local_ip",
        "(rule:admin_only) or (role:reader and project_id:%(project_id)s)",
        "GET /local-ips; GET /local-ips/{id}",
    ),
    Rule(
        "get_local_ip_port_association",
        "(rule:admin_only) or (role:reader and rule:ext_parent_owner)",
        "GET /local_ips/{local_ip_id}/port_associations; GET /local_ips/{local_ip_id}/port_associations/{fixed_port_id}",
    ),
    Rule(
        "get_log",
        "(rule:admin_only) or (role:manager and project_id:%(project_id)s)",
        "GET /log/logs; GET /log/logs/{id}",
    ),
    Rule(
        "get_loggable_resource",
        "(rule:admin_only) or (role:manager and project_id:%(project_id)s)",
        "GET /log/loggable-resources",
    ),
    Rule(
        "get_metering_label",
        "(rule:admin_only) or (role:reader and project_id:%(project_id)s)",
        "GET /metering/metering-labels; GET /metering/metering-labels/{id}",
    ),
    Rule(
        "get_metering_label_rule",
        "(rule:admin_only) or (role:reader and project_id:%(project_id)s)",
        "GET /metering/metering-label-rules; GET /metering/metering-label-rules/{id}",
    ),
    Rule(
        "get_ndp_proxy",
        "(rule:admin_only) or (role:reader and project_id:%(project_id)s)",
        "GET /ndp_proxies; GET /ndp_proxies/{id}",
    ),
    Rule(
        "get_network_ip_availability",
        "(rule:admin_only) or (rule:service_api)",
        "GET /network-ip-availabilities; GET /network-ip-availabilities/{network_id}",
    ),
    Rule(
        "get_network_segment_range",
        "rule:admin_only",
        "GET /network_segment_ranges; GET /network_segment_ranges/{id}",
    ),
    Rule(
        "get_network_segment_range:tags",
        "rule:admin_only",
        "GET /network_segment_ranges/{id}/tags; GET /network_segment_ranges/{id}/tags/{tag_id}",
    ),
    Rule(
        "get_policy",
        "(rule:admin_only) or (role:reader and project_id:%(project_id)s) or rule:shared_qos_policy",
        "GET /qos/policies; GET /qos/policies/{id}",
    ),
    Rule(
        "get_policy:tags",
        "(rule:admin_only) or (role:reader and project_id:%(project_id)s) or rule:shared_qos_policy",
        "GET /qos/policies/{id}/tags; GET /qos/policies/{id}/tags/{tag_id}",
    ),
    Rule(
        "get_policy_bandwidth_limit_rule",
        "(rule:admin_only) or (role:reader and rule:ext_parent_owner)",
        "GET /qos/policies/{policy_id}/bandwidth_limit_rules; GET /qos/policies/{policy_id}/bandwidth_limit_rules/{rule_id}",
    ),
    Rule(
        "get_policy_minimum_bandwidth_rule",
        "(rule:admin_only) or (role:reader and rule:ext_parent_owner)",
        "GET /qos/policies/{policy_id}/minimum_bandwidth_rules; GET /qos/policies/{policy_id}/minimum_bandwidth_rules/{rule_id}",
    ),
    Rule(
        "get_policy_minimum_packet_rate_rule",
        "(rule:admin_only) or (role:reader and rule:ext_parent_owner)",
        "GET /qos/policies/{policy_id}/minimum_packet_rate_rules; GET /qos/policies/{policy_id}/minimum_packet_rate_rules/{rule_id}",
    ),
    Rule(
        "get_policy_packet_rate_limit_rule",
        "(rule:admin_only) or (role:reader and rule:ext_parent_owner)",
        "GET /qos/policies/{policy_id}/packet_rate_limit_rules; GET /qos/policies/{policy_id}/packet_rate_limit_rules/{rule_id}",
    ),
    Rule(
        "get_policy_dscp_marking_rule",
        "(rule:admin_only) or (role:reader and rule:ext_parent_owner)",
        "GET /qos/policies/{policy_id}/dscp_marking_rules; GET /qos/policies/{policy_id}/dscp_marking_rules/{rule_id}",
    ),
    Rule(
        "get_rbac_policy",
        "(rule:admin_only) or (role:reader and project_id:%(project_id)s)",
        "GET /rbac-policies; GET /rbac-policies/{id}",
    ),
    Rule(
        "get_router_conntrack_helper",
        "(rule:admin_only) or (role:reader and rule:ext_parent_owner)",
        "GET /routers/{router_id}/conntrack_helpers; GET /routers/{router_id}/conntrack_helpers/{conntrack_helper_id}",
    ),
    Rule("get_rule_type", "role:reader", "GET /qos/rule-types; GET /qos/rule-types/{rule_type}"),
    Rule(
        "get_security_groups_default_statefulness",
        "(rule:admin_only) or (role:reader and project_id:%(project_id)s)",
        "GET /security-groups-default-statefulness; GET /security-groups-default-statefulness/{id}",
    ),
    Rule("get_segment", "rule:admin_only", "GET /segments; GET /segments/{id}"),
    Rule(
        "get_segments_tags",
        "rule:admin_only",
        "GET /segments/{id}/tags; GET /segments/{id}/tags/{tag_id}",
    ),
    Rule(
        "get_service_profile",
        "rule:admin_only",
        "GET /service_profiles; GET /service_profiles/{id}",
    ),
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
    Rule("get_port:resource_request", "rule:admin_only", "GET /ports; GET /ports/{id}"),
    Rule("get_port:trusted", "rule:admin_only", "GET /ports; GET /ports/{id}"),
    Rule(
        "get_port_binding",
        "(rule:admin_only) or (rule:service_api)",
        "GET /ports/{id}/bindings; GET /ports/{id}/bindings/{host}",
    ),
    Rule("create_port:trusted", "rule:admin_only", "POST /ports"),
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
        "get_subnetpool",
        "(rule:admin_only) or (role:reader and project_id:%(project_id)s) or rule:shared_subnetpools",
        "GET /subnetpools; GET /subnetpools/{id}",
    ),
    Rule(
        "get_subnetpool:tags",
        "(rule:admin_only) or (role:reader and project_id:%(project_id)s) or rule:shared_subnetpools",
        "GET /subnetpools/{id}/tags; GET /subnetpools/{id}/tags/{tag_id}",
    ),
    Rule(
        "get_subports",
        "(rule:admin_only) or (role:reader and project_id:%(project_id)s)",
        "GET /trunks/{id}/get_subports",
    ),
    Rule(
        "get_trunk",
        "(rule:admin_only) or (role:reader and project_id:%(project_id)s)",
        "GET /trunks; GET /trunks/{id}",
    ),
    Rule(
        "get_trunk:tags",
        "(rule:admin_only) or (role:reader and project_id:%(project_id)s)",
        "GET /trunks/{id}/tags; GET /trunks/{id}/tags/{tag_id}",
    ),
    Rule(
        "onboard_network_subnets",
        "(rule:admin_only) or (role:member and project_id:%(project_id)s)",
        "PUT /subnetpools/{id}/onboard_network_subnets",
    ),
    Rule(
        "remove_addresses",
        "(rule:admin_only) or (role:member and project_id:%(project_id)s)",
        "PUT /address-groups/{id}/remove_addresses",
    ),
    Rule(
        "remove_external_gateways",
        "(rule:admin_only) or (role:member and project_id:%(project_id)s)",
        "PUT /routers/{id}",
    ),
    Rule(
        "remove_external_gateways:external_gateways",
        "(rule:admin_only) or (role:member and project_id:%(project_id)s)",
        "PUT /routers/{id}",
    ),
    Rule(
        "remove_extraroutes",
        "(rule:admin_only) or (role:member and project_id:%(project_id)s)",
        "PUT /routers/{id}/remove_extraroutes",
    ),
    Rule(
        "remove_prefixes",
        "(rule:admin_only) or (role:member and project_id:%(project_id)s)",
        "PUT /subnetpools/{id}/remove_prefixes",
    ),
    Rule(
        "remove_router_interface",
        "(rule:admin_only) or (role:member and project_id:%(project_id)s)",
        "PUT /routers/{id}/remove_router_interface",
    ),
    Rule(
        "remove_subports",
        "(rule:admin_only) or (role:member and project_id:%(project_id)s)",
        "PUT /trunks/{id}/remove_subports",
    ),
    Rule(
        "update_address_group",
        "(rule:admin_only) or (role:member and project_id:%(project_id)s)",
        "PUT /address-groups/{id}",
    ),
    Rule(
        "update_address_scope",
        "(rule:admin_only) or (role:member and project_id:%(project_id)s)",
        "PUT /address-scopes/{id}",
    ),
    Rule("update_address_scope:shared", "rule:admin_only", "PUT /address-scopes/{id}"),
    Rule("update_agent", "rule:admin_only", "PUT /agents/{id}"),
    Rule(
        "update_alias_bandwidth_limit_rule",
        "(rule:admin_only) or (role:manager and rule:ext_parent_owner)",
        "PUT /qos/alias_bandwidth_limit_rules/{rule_id}/",
    ),
    Rule(
        "update_alias_minimum_bandwidth_rule",
        "(rule:admin_only) or (role:manager and rule:ext_parent_owner)",
        "PUT /qos/alias_minimum_bandwidth_rules/{rule_id}/",
    ),
    Rule(
        "update_alias_minimum_packet_rate_rule",
        "rule:update_policy_minimum_packet_rate_rule",
        "PUT /qos/alias_minimum_packet_rate_rules/{rule_id}/",
    ),
    Rule(
        "update_alias_dscp_marking_rule",
        "(rule:admin_only) or (role:manager and rule:ext_parent_owner)",
        "PUT /qos/alias_dscp_marking_rules/{rule_id}/",
    ),
    Rule(
        "update_external_gateways",
        "(rule:admin_only) or (role:member and project_id:%(project_id)s)",
        "PUT /routers/{id}",
    ),
    Rule(
        "update_external_gateways:external_gateways",
        "(rule:admin_only) or (role:member and project_id:%(project_id)s)",
        "PUT /routers/{id}",
    ),
    Rule(
        "update_external_gateways:external_gateways:enable_snat",
        "rule:admin_only",
        "PUT /routers/{id}",
    ),
    Rule(
        "update_external_gateways:external_gateways:external_fixed_ips",
        "rule:admin_only",
        "PUT /routers/{id}",
    ),
    Rule(
        "update_external_gateways:external_gateways:network_id",
        "(rule:admin_only) or (role:member and project_id:%(project_id)s)",
        "PUT /routers/{id}",
    ),
    Rule("update_flavor", "rule:admin_only", "PUT /flavors/{id}"),
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
        "update_floatingip_port_forwarding",
        "(rule:admin_only) or (role:member and rule:ext_parent_owner)",
        "PUT /floatingips/{floatingip_id}/port_forwardings/{port_forwarding_id}",
    ),
    Rule("update_l3-router", "rule:admin_only", "PUT /agents/{agent_id}/l3-routers/{router_id}"),
    Rule(
        "update_local_ip",
        "(rule:admin_only) or (role:member and project_id:%(project_id)s)",
        "PUT /local-ips/{id}",
    ),
    Rule(
        "update_log",
        "(rule:admin_only) or (role:manager and project_id:%(project_id)s)",
        "PUT /log/logs/{id}",
    ),
    Rule(
        "update_ndp_proxy",
        "(rule:admin_only) or (role:member and project_id:%(project_id)s)",
        "PUT /ndp_proxies/{id}",
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
    Rule("update_network_segment_range", "rule:admin_only", "PUT /network_segment_ranges/{id}"),
    Rule(
        "update_network_segment_range:tags",
        "rule:admin_only",
        "PUT /network_segment_ranges/{id}/tags; PUT /network_segment_ranges/{id}/tags/{tag_id}",
    ),
    Rule(
        "update_policy",
        "(rule:admin_only) or (role:manager and project_id:%(project_id)s)",
        "PUT /qos/policies/{id}",
    ),
    Rule(
        "update_policy:tags",
        "(rule:admin_only) or (role:manager and project_id:%(project_id)s)",
        "PUT /qos/policies/{id}/tags; PUT /qos/policies/{id}/tags/{tag_id}",
    ),
    Rule(
        "update_policy_bandwidth_limit_rule",
        "(rule:admin_only) or (role:manager and rule:ext_parent_owner)",
        "PUT /qos/policies/{policy_id}/bandwidth_limit_rules/{rule_id}",
    ),
    Rule(
        "update_policy_minimum_bandwidth_rule",
        "(rule:admin_only) or (role:manager and rule:ext_parent_owner)",
        "PUT /qos/policies/{policy_id}/minimum_bandwidth_rules/{rule_id}",
    ),
    Rule(
        "update_policy_minimum_packet_rate_rule",
        "(rule:admin_only) or (role:manager and rule:ext_parent_owner)",
        "PUT /qos/policies/{policy_id}/minimum_packet_rate_rules/{rule_id}",
    ),
    Rule(
        "update_policy_packet_rate_limit_rule",
        "(rule:admin_only) or (role:manager and rule:ext_parent_owner)",
        "PUT /qos/policies/{policy_id}/packet_rate_limit_rules/{rule_id}",
    ),
    Rule(
        "update_policy_dscp_marking_rule",
        "(rule:admin_only) or (role:manager and rule:ext_parent_owner)",
        "PUT /qos/policies/{policy_id}/dscp_marking_rules/{rule_id}",
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
        "update_port:data_plane_status",
        "rule:admin_only or role:data_plane_integrator",
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
    Rule("update_port:trusted", "rule:admin_only", "PUT /ports/{id}"),
    Rule("update_quota", "rule:admin_only", "PUT /quota/{id}"),
    Rule(
        "update_rbac_policy",
        "(rule:admin_only) or (role:member and project_id:%(project_id)s)",
        "PUT /rbac-policies/{id}",
    ),
    Rule(
        "update_rbac_policy:target_project",
        "rule:admin_only or not field:rbac_policy:target_project=*",
        "PUT /rbac-policies/{id}",
    ),
    Rule(
        "update_rbac_policy:target_tenant",
        "rule:admin_only or (not field:rbac_policy:target_tenant=* and not field:rbac_policy:target_project=*)",
        "PUT /rbac-policies/{id}",
    ),
    Rule(
        "update_router",
        "(rule:admin_only) or (role:member and project_id:%(project_id)s)",
        "PUT /routers/{id}",
    ),
    Rule("update_router:enable_default_route_bfd", "rule:admin_only", "PUT /routers/{id}"),
    Rule("update_router:enable_default_route_ecmp", "rule:admin_only", "PUT /routers/{id}"),
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
        "update_router_conntrack_helper",
        "(rule:admin_only) or (role:member and rule:ext_parent_owner)",
        "PUT /routers/{router_id}/conntrack_helpers/{conntrack_helper_id}",
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
        "update_security_groups_default_statefulness",
        "(rule:admin_only) or (role:manager and project_id:%(project_id)s)",
        "PUT /security-groups-default-statefulness/{id}",
    ),
    Rule("update_segment", "rule:admin_only", "PUT /segments/{id}"),
    Rule(
        "update_segments_tags",
        "rule:admin_only",
        "PUT /segments/{id}/tags; PUT /segments/{id}/tags/{tag_id}",
    ),
    Rule("update_service_profile", "rule:admin_only", "PUT /service_profiles/{id}"),
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
    Rule(
        "update_subnetpool",
        "(rule:admin_only) or (role:member and project_id:%(project_id)s)",
        "PUT /subnetpools/{id}",
    ),
    Rule("update_subnetpool:is_default", "rule:admin_only", "PUT /subnetpools/{id}"),
    Rule(
        "update_subnetpool:tags",
        "(rule:admin_only) or (role:member and project_id:%(project_id)s)",
        "PUT /subnetpools/{id}/tags; PUT /subnetpools/{id}/tags/{tag_id}",
    ),
    Rule(
        "update_trunk",
        "(rule:admin_only) or (role:member and project_id:%(project_id)s)",
        "PUT /trunks/{id}",
    ),
    Rule(
        "update_trunk:tags",
        "(rule:admin_only) or (role:member and project_id:%(project_id)s)",
        "PUT /trunks/{id}/tags; PUT /trunks/{id}/tags/{tag_id}",
    ),
    Rule("admin_only", "rule:context_is_admin", "Used by other rules."),
    Rule("context_is_admin", "role:admin", "Used by other rules."),
    Rule("context_is_advsvc", "role:advsvc", "Used by other rules."),
    Rule("external", "field:networks:router:external=True", "Used by other rules."),
    Rule("external_network", "field:subnets:router:external=True", "Used by other rules."),
    Rule("network_device", "field:port:device_owner=~^network:", "Used by other rules."),
    Rule("network_owner", "project_id:%(network:project_id)s", "Used by other rules."),
    Rule("service_api", "role:service", "Used by other rules."),
    Rule("shared_address_groups", "field:address_groups:shared=True", "Used by other rules."),
    Rule("shared_address_scopes", "field:address_scopes:shared=True", "Used by other rules."),
    Rule("shared_subnetpools", "field:subnetpools:shared=True", "Used by other rules."),
    Rule("ext_parent_owner", "project_id:%(ext_parent:project_id)s", "Used by other rules."),
    Rule("shared_qos_policy", "field:policies:shared=True", "Used by other rules."),
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
        "admin_or_ext_parent_owner",
        "rule:context_is_admin or project_id:%(ext_parent:project_id)s",
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
    Rule(
        "get_flavor_service_profile",
        "(rule:admin_only) or (role:reader and project_id:%(project_id)s)",
        BY_OPERATORS,
    ),
    Rule("regular_user", "@", BY_OPERATORS),
    Rule(
        "restrict_wildcard",
        "(not field:rbac_policy:target_tenant=* and not field:rbac_policy:target_project=*) or rule:admin_only",
        BY_OPERATORS,
    ),
    Rule("rule_default_sg", "field:security_group_rules:belongs_to_default_sg=True", BY_OPERATORS),
)

# What rules were called before they were renamed: an operator's file may still say so.
_FORMER_NAMES: dict[str, tuple[str, ...]] = {
    f"{verb}_{former}_tags": (f"{verb}_{kind}:tags",)
    for verb in ("create", "get", "update", "delete")
    for kind, former in (
        ("floatingip", "floatingips"),
        ("network", "networks"),
        ("network_segment_range", "network_segment_ranges"),
        ("policy", "policies"),
        ("port", "ports"),
        ("router", "routers"),
        ("security_group", "security_groups"),
        ("subnet", "subnets"),
        ("subnetpool", "subnetpools"),
        ("trunk", "trunks"),
    )
}
RULES = of_projects(with_former_names(_RULES, _FORMER_NAMES))
