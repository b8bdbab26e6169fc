"""What this service serves beyond the core of its API: only aliases whose attributes and operations all work here.

Source: Networking API v2.0 reference, "Extensions".
"""

from __future__ import annotations

EXTENSIONS: dict[str, str] = {
    "address-group": "Address group",
    "address-scope": "Address scope",
    "agent": "agent",
    "allowed-address-pairs": "Allowed Address Pairs",
    "auto-allocated-topology": "Auto Allocated Topology Services",
    "availability_zone": "Availability Zone",
    "binding": "Port Binding",
    "binding-extended": "Port Bindings Extended",
    "default-subnetpools": "Default Subnetpools",
    "empty-string-filtering": "Empty String Filtering Extension",
    "expose-port-forwarding-in-fip": ("Expose Floating IP port forwardings"),
    "ext-gw-mode": "Neutron L3 Configurable external gateway mode",
    "enable-default-route-bfd": "Enable BFD on default routes",
    "enable-default-route-ecmp": "Enable ECMP default routes",
    "external-gateway-multihoming": "Neutron L3 External Gateway Multihoming",
    "external-net": "Neutron external network",
    "extraroute": "Neutron Extra Route",
    "extraroute-atomic": "Atomically add/remove extra routes",
    "filter-validation": "Filter parameters validation",
    "fip-port-details": "Floating IP Port Details Extension",
    "flavors": "Neutron Service Flavors",
    "floating-ip-port-forwarding": ("Floating IP Port Forwarding"),
    "floating-ip-port-forwarding-description": (
        "Floating IP Port Forwarding new attribute description"
    ),
    "floating-ip-port-forwarding-detail": ("Floating IP port forwarding detail"),
    "floating-ip-port-forwarding-port-ranges": ("Floating IP Port Forwarding support port ranges"),
    "floatingip-pools": "Floating IP Pools Extension",
    "ip-substring-filtering": "IP address substring filtering",
    "l3-agent-scheduler-ha-chassis-priority": "L3 Agent Scheduler HA Chassis Priority",
    "l3-flavors": "Router Flavor Extension",
    "l3_agent_scheduler": "L3 Agent Scheduler",
    "logging": "Logging API Extension",
    "net-mtu": "Network MTU",
    "net-mtu-writable": "Network MTU (writable)",
    "network-ip-availability": "Network IP Availability",
    "network_availability_zone": "Network Availability Zone",
    "pagination": "Pagination support",
    "port-security": "Port Security",
    "port-security-groups-filtering": "Port filtering on security groups",
    "project-id": "project_id field enabled",
    "provider": "Provider Network",
    "qos": "Quality of Service",
    "qos-bw-limit-direction": "Direction for QoS bandwidth limit rule",
    "qos-default": "QoS default policy",
    "qos-fip": "Floating IP QoS",
    "qos-gateway-ip": "Router gateway IP QoS",
    "qos-rule-type-details": "Details of QoS rule types",
    "qos-rule-type-filter": "Allow to filter the list of QoS rule types",
    "quota_details": "Quota details management support",
    "quotas": "Quota management support",
    "rbac-address-group": "Add address_group type to RBAC",
    "rbac-address-scope": "Add address_scope type to RBAC",
    "rbac-policies": "RBAC Policies",
    "rbac-security-groups": "Add security_group type to network RBAC",
    "rbac-subnetpool": "Add subnetpool type to RBAC",
    "revision-if-match": "If-Match constraints based on revision_number",
    "router": "Neutron L3 Router",
    "router_availability_zone": "Router Availability Zone",
    "security-group": "security-group",
    "security-groups-default-rules": "Default rules for security groups",
    "security-groups-default-statefulness": "Security Groups Default Statefulness",
    "security-groups-normalized-cidr": "Normalized CIDR field for security group rules",
    "security-groups-remote-address-group": "Remote address group id field for security group rules",
    "security-groups-rules-belongs-to-default-sg": (
        "Security group rule belongs to the project's default security group"
    ),
    "security-groups-shared-filtering": "Security group filtering on the shared field",
    "service-type": "Neutron Service Type Management",
    "sort-key-validation": "Sort keys validation",
    "sorting": "Sorting support",
    "standard-attr-description": "standard-attr-description",
    "standard-attr-revisions": "standard-attr-revisions",
    "standard-attr-tag": "Tag support for resources with standard attribute",
    "standard-attr-timestamp": "standard-attr-timestamp",
    "stateful-security-group": "Stateful security group",
    "subnet-external-network": "Subnet belongs to an external network",
    "subnet_allocation": "Subnet Allocation",
    "subnet_onboard": "Subnet Onboard",
    "subnetpool-prefix-ops": "Subnet Pool Prefix Operations",
    "tag-creation": "Tag creation extension",
    "trunk": "Trunk Extension",
    "trunk-details": "Trunk port details",
}
UPDATED = "2026-01-01T00:00:00-00:00"


def shown(alias: str) -> dict[str, object]:
    """An extension as the API describes it."""
    return {
        "alias": alias,
        "name": EXTENSIONS[alias],
        "description": EXTENSIONS[alias],
        "updated": UPDATED,
        "links": [],
    }
