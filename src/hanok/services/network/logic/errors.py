"""The errors of this API under their names there.

Source: Networking API v2.0 reference, and the names clients know.
"""

from __future__ import annotations

from hanok.base.errors import BadInput, Conflict, Forbidden, NotFound, OverQuota

_NOT_FOUND = {
    "network": ("NetworkNotFound", "Network {} could not be found."),
    "subnet": ("SubnetNotFound", "Subnet {} could not be found."),
    "port": ("PortNotFound", "Port {} could not be found."),
    "router": ("RouterNotFound", "Router {} could not be found"),
    "floatingip": ("FloatingIPNotFound", "Floating IP {} could not be found"),
    "security_group": ("SecurityGroupNotFound", "Security group {} does not exist"),
    "security_group_rule": (
        "SecurityGroupRuleNotFound",
        "Security group rule {} does not exist",
    ),
    "address_scope": ("AddressScopeNotFound", "Address scope {} could not be found"),
    "subnetpool": ("SubnetPoolNotFound", "Subnet pool {} could not be found."),
    "address_group": ("AddressGroupNotFound", "Address group {} could not be found."),
    "rbac_policy": ("RbacPolicyNotFound", "RBAC policy {} could not be found."),
    "port_forwarding": ("PortForwardingNotFound", "Port Forwarding {} could not be found."),
    "policy": ("QosPolicyNotFound", "QoS policy {} could not be found."),
    "bandwidth_limit_rule": ("QosRuleNotFound", "QoS rule {} could not be found."),
    "minimum_bandwidth_rule": ("QosRuleNotFound", "QoS rule {} could not be found."),
    "minimum_packet_rate_rule": ("QosRuleNotFound", "QoS rule {} could not be found."),
    "dscp_marking_rule": ("QosRuleNotFound", "QoS rule {} could not be found."),
    "alias_bandwidth_limit_rule": ("QosRuleNotFound", "QoS rule {} could not be found."),
    "alias_minimum_bandwidth_rule": ("QosRuleNotFound", "QoS rule {} could not be found."),
    "alias_minimum_packet_rate_rule": ("QosRuleNotFound", "QoS rule {} could not be found."),
    "alias_dscp_marking_rule": ("QosRuleNotFound", "QoS rule {} could not be found."),
    "trunk": ("TrunkNotFound", "Trunk {} could not be found."),
    "default_security_group_rule": (
        "DefaultSecurityGroupRuleNotFound",
        "Default Security Group rule {} does not exist",
    ),
    "security_groups_default_statefulness": (
        "SecurityGroupDefaultStatefulnessNotFound",
        "Security group default statefulness {} could not be found.",
    ),
    "binding": ("PortBindingNotFound", "Binding for port {} for host {} could not be found."),
    "ndp_proxy": ("NDPProxyNotFound", "Ndp proxy {} could not be found."),
    "network_segment_range": (
        "NetworkSegmentRangeNotFound",
        "Network Segment Range {} could not be found.",
    ),
    "segment": ("SegmentNotFound", "Segment {} could not be found."),
    "log": ("LogResourceNotFound", "Log resource {} could not be found."),
    "flavor": ("FlavorNotFound", "Flavor {} could not be found."),
    "service_profile": ("ServiceProfileNotFound", "Service Profile {} could not be found."),
    "agent": ("AgentNotFound", "Agent {} could not be found."),
    "extension": ("HTTPNotFound", "Extension with alias {} does not exist"),
}


def not_found(kind: str, *requested: str) -> NotFound:
    """The 404 of a kind of resource; the same for one that is somebody else's."""
    code, text = _NOT_FOUND[kind]
    return NotFound(text.format(*(one[:255] for one in requested)), code=code)


def invalid(name: str, reason: str) -> BadInput:
    """A value that does not fit its attribute."""
    return BadInput(f"Invalid input for {name}. Reason: {reason}.")


def invalid_operation(reason: str) -> BadInput:
    return BadInput(f"Invalid input for operation: {reason}.", code="InvalidInput")


def bad(resource: str, reason: str) -> BadInput:
    return BadInput(f"Bad {resource} request: {reason}.", code="BadRequest")


def conflict(code: str, message: str) -> Conflict:
    return Conflict(message, code=code)


def disallowed(rule: str) -> Forbidden:
    return Forbidden(f"(rule:{rule}) is disallowed by policy", code="PolicyNotAuthorized")


class QuotaReached(OverQuota):
    """Network says 409 where a quota is reached."""

    status = 409
