"""The attributes of each resource.

Source: Networking API v2.0 reference.
"""

from __future__ import annotations

from hanok.services.network.schemas.names import dns_domain, dns_domain_with_keywords, dns_name
from hanok.services.network.schemas.values import (
    address_or_prefix,
    dhcp_option,
    ip_version,
    mac,
    port_range,
    prefix,
    prefix_of_any,
    prefix_or_address,
    service_type,
    tag_list,
)
from hanok.web.attributes import (
    UNSET,
    Attribute,
    Validator,
    Wrong,
    address,
    items,
    one_of,
    or_none,
    read_only,
    record,
    say,
    small_object,
    text,
    truth,
    uuid,
    whole,
)


def _optional_text(value: object) -> str:
    return "" if value is None else str(text()(value))


def _standard(*, name: bool = True, tags: bool = True) -> dict[str, Attribute]:
    found = {
        "id": read_only(),
        "project_id": Attribute(check=text(), default=UNSET, put=False),
        "description": Attribute(check=_optional_text, default=""),
        "revision_number": read_only(),
        "created_at": read_only(),
        "updated_at": read_only(),
    }
    if name:
        found["name"] = Attribute(check=text(), default="")
    if tags:
        found["tags"] = Attribute(check=tag_list, default=[], put=False)
    return found


DSCP_MARKS = (0, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30, 32, 34, 36, 38, 40, 46, 48, 56)

OBJECT_TYPES = (
    "network",
    "security_group",
    "address_scope",
    "subnetpool",
    "address_group",
    "qos_policy",
)
"""What RBAC policies open to other projects."""

_qos_policy = Attribute(check=or_none(uuid), default=None)

_ZONES = Attribute(check=items(text(empty=False), maximum=10), default=[], put=False)

NETWORK: dict[str, Attribute] = {
    **_standard(),
    "admin_state_up": Attribute(check=truth, default=True),
    "status": read_only(),
    "subnets": read_only(),
    "shared": Attribute(check=truth, default=False),
    "router:external": Attribute(check=truth, default=False),
    "is_default": Attribute(check=truth, default=False),
    "mtu": Attribute(check=whole(0, 9000), default=0),
    "port_security_enabled": Attribute(check=truth, default=True),
    "provider:network_type": Attribute(
        check=or_none(one_of("geneve", "flat", "vlan")), default=None, put=False
    ),
    "provider:physical_network": Attribute(
        check=or_none(text(64, empty=False)), default=None, put=False
    ),
    "provider:segmentation_id": Attribute(
        check=or_none(whole(1, 16_777_215)), default=None, put=False
    ),
    "vlan_transparent": Attribute(check=or_none(truth), default=None, put=False),
    "qinq": Attribute(check=or_none(truth), default=None, put=False),
    "availability_zone_hints": _ZONES,
    "availability_zones": read_only(),
    "qos_policy_id": Attribute(check=or_none(uuid), default=UNSET),
    "dns_domain": Attribute(check=dns_domain_with_keywords, default=""),
    "ipv4_address_scope": read_only(),
    "ipv6_address_scope": read_only(),
}

_pool = record({"start": address, "end": address}, {})
_host_route = record({"destination": prefix, "nexthop": address}, {})
_mode = or_none(one_of("dhcpv6-stateful", "dhcpv6-stateless", "slaac"))

SUBNET: dict[str, Attribute] = {
    **_standard(),
    "network_id": Attribute(check=uuid, put=False),
    "ip_version": Attribute(check=ip_version, put=False),
    "cidr": Attribute(check=or_none(prefix), default=None, put=False),
    "gateway_ip": Attribute(check=or_none(address), default=UNSET),
    "allocation_pools": Attribute(check=or_none(items(_pool, maximum=64)), default=None),
    "dns_nameservers": Attribute(check=items(address, maximum=5), default=[]),
    "host_routes": Attribute(check=items(_host_route, maximum=20), default=[]),
    "enable_dhcp": Attribute(check=truth, default=True),
    "ipv6_ra_mode": Attribute(check=_mode, default=None, put=False),
    "ipv6_address_mode": Attribute(check=_mode, default=None, put=False),
    "subnetpool_id": Attribute(check=or_none(uuid), default=None, put=False),
    "prefixlen": Attribute(check=or_none(whole(1, 128)), default=None, put=False),
    "use_default_subnetpool": Attribute(check=truth, default=False, put=False),
    "service_types": Attribute(check=items(service_type, maximum=32), default=[]),
    "dns_publish_fixed_ip": Attribute(check=truth, default=False),
    "shared": read_only(),
    "router:external": read_only(),
}

_fixed_ip = record({}, {"subnet_id": uuid, "ip_address": address})


def _addresses(maximum: int) -> Validator:
    """Addresses that are asked for: a subnet may be named twice, an address only once."""
    plain = items(_fixed_ip, maximum=maximum, unique=False)

    def check(value: object) -> list[dict[str, str]]:
        found: list[dict[str, str]] = plain(value)
        named = [one["ip_address"] for one in found if "ip_address" in one]
        for one in named:
            if named.count(one) > 1:
                raise Wrong(f"Duplicate IP address '{one}'")
        return found

    return check


# What other clouds read out of a port's profile to plug it otherwise; here nobody would.
_PLUGGED_OTHERWISE = (
    "parent_name",
    "tag",
    "vtep-physical-switch",
    "vtep-logical-switch",
    "pci_slot",
    "physical_network",
    "capabilities",
)


def _profile(value: object) -> dict[str, object]:
    found: dict[str, object] = small_object(value)
    if odd := [name for name in _PLUGGED_OTHERWISE if found.get(name)]:
        raise Wrong(f"'{odd[0]}' is not supported in a port's profile")
    return found


_pair = record({"ip_address": address_or_prefix}, {"mac_address": mac})
PORT: dict[str, Attribute] = {
    **_standard(),
    "network_id": Attribute(check=uuid, put=False),
    "admin_state_up": Attribute(check=truth, default=True),
    "status": read_only(),
    "mac_address": Attribute(check=or_none(mac), default=UNSET),
    "fixed_ips": Attribute(check=_addresses(50), default=UNSET),
    "device_id": Attribute(check=text(), default=""),
    "device_owner": Attribute(check=text(), default=""),
    "security_groups": Attribute(check=items(uuid, maximum=50), default=UNSET),
    "port_security_enabled": Attribute(check=truth, default=UNSET),
    "allowed_address_pairs": Attribute(check=items(_pair, maximum=10), default=[]),
    "dns_name": Attribute(check=dns_name, default=""),
    "dns_domain": Attribute(check=dns_domain, default=""),
    "dns_assignment": read_only(),
    "extra_dhcp_opts": Attribute(check=items(dhcp_option, maximum=64, unique=False), default=[]),
    "qos_policy_id": _qos_policy,
    "binding:host_id": Attribute(check=lambda v: "" if v is None else text()(v), default=""),
    "binding:vnic_type": Attribute(check=one_of("normal"), default="normal"),
    "binding:profile": Attribute(check=_profile, default={}),
    "binding:vif_type": read_only(),
    "binding:vif_details": read_only(),
    "trunk_details": read_only(),
    "resource_request": read_only(),
    "data_plane_status": Attribute(
        check=or_none(one_of("ACTIVE", "DOWN")), default=None, post=False
    ),
    "trusted": Attribute(check=or_none(truth), default=None),
    "mac_learning_enabled": Attribute(check=or_none(truth), default=None),
}

BINDING: dict[str, Attribute] = {
    "host": Attribute(check=text(empty=False)),
    "vnic_type": PORT["binding:vnic_type"],
    "profile": PORT["binding:profile"],
    **{name: read_only() for name in ("vif_type", "vif_details", "status")},
}

_gateway = record(
    {"network_id": uuid},
    {
        "enable_snat": truth,
        "external_fixed_ips": _addresses(8),
        "qos_policy_id": or_none(uuid),
    },
)
ROUTES = items(_host_route, maximum=30)


def gateway_info(value: object) -> dict[str, object] | None:
    return None if value is None or value == {} else dict(_gateway(value))


_gateways = items(_gateway, maximum=10, unique=False)


def gateway_list(value: object) -> list[dict[str, object]]:
    """Gateways as a list; an empty object stands for none of them, as clients send it."""
    found: list[dict[str, object]] = _gateways([] if value == {} else value)
    return found


GATEWAYS: dict[str, Attribute] = {"external_gateways": Attribute(check=gateway_list)}

# As upstream, null says nothing of these.
_say_so = Attribute(check=or_none(truth), default=None)

ROUTER: dict[str, Attribute] = {
    **_standard(),
    "admin_state_up": Attribute(check=truth, default=True),
    "status": read_only(),
    "external_gateway_info": Attribute(check=gateway_info, default=None),
    "external_gateways": read_only(),
    "enable_default_route_ecmp": _say_so,
    "enable_default_route_bfd": _say_so,
    "enable_ndp_proxy": _say_so,
    "enable_snat": read_only(),
    "routes": Attribute(check=ROUTES, default=[], post=False),
    "flavor_id": Attribute(check=or_none(uuid), default=None, put=False),
    "distributed": read_only(),
    "ha": read_only(),
    "availability_zone_hints": _ZONES,
    "availability_zones": read_only(),
}

FLOATING_IP: dict[str, Attribute] = {
    **_standard(name=False),
    "floating_network_id": Attribute(check=uuid, put=False),
    "floating_ip_address": Attribute(check=or_none(address), default=None, put=False),
    "subnet_id": Attribute(check=or_none(uuid), default=None, put=False),
    "port_id": Attribute(check=or_none(uuid), default=None),
    "fixed_ip_address": Attribute(check=or_none(address), default=None),
    "router_id": read_only(),
    "status": read_only(),
    "port_details": read_only(),
    "port_forwardings": read_only(),
    "dns_name": Attribute(check=dns_name, default="", put=False),
    "dns_domain": Attribute(check=dns_domain, default="", put=False),
    "qos_policy_id": _qos_policy,
}

_port = Attribute(check=or_none(whole(1, 65535)), default=None)
_port_range = Attribute(check=or_none(port_range), default=None)

PORT_FORWARDING: dict[str, Attribute] = {
    **{
        name: one for name, one in _standard(name=False, tags=False).items() if name != "project_id"
    },
    "protocol": Attribute(
        check=lambda v: one_of("tcp", "udp")(v.lower() if isinstance(v, str) else v)
    ),
    "external_port": _port,
    "external_port_range": _port_range,
    "internal_port": _port,
    "internal_port_range": _port_range,
    "internal_port_id": Attribute(check=uuid),
    "internal_ip_address": Attribute(check=or_none(address), default=None),
}

SECURITY_GROUP: dict[str, Attribute] = {
    **_standard(),
    "security_group_rules": read_only(),
    "shared": read_only(),
    "stateful": Attribute(check=truth, default=None),
}


def _protocol(value: object) -> str | None:
    if value is None:
        return None
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    return str(text(40)(value)).lower() or None


def _or_empty(inner: Validator) -> Validator:
    """As upstream: an empty text is none, which is what forms send for a field that was left out."""
    return lambda value: None if value in (None, "") else inner(value)


RULE: dict[str, Attribute] = {
    **_standard(name=False, tags=False),
    "security_group_id": Attribute(check=uuid, put=False),
    "direction": Attribute(
        check=lambda v: one_of("ingress", "egress")(v.lower() if isinstance(v, str) else v),
        put=False,
    ),
    "ethertype": Attribute(
        check=lambda v: one_of("IPv4", "IPv6")(
            {"ipv4": "IPv4", "ipv6": "IPv6"}.get(v.lower(), v) if isinstance(v, str) else v
        ),
        default="IPv4",
        put=False,
    ),
    "protocol": Attribute(check=_protocol, default=None, put=False),
    "port_range_min": Attribute(check=or_none(whole()), default=None, put=False),
    "port_range_max": Attribute(check=or_none(whole()), default=None, put=False),
    "remote_ip_prefix": Attribute(check=_or_empty(prefix_or_address), default=None, put=False),
    "remote_group_id": Attribute(check=_or_empty(text(36)), default=None, put=False),
    "remote_address_group_id": Attribute(check=_or_empty(text(36)), default=None, put=False),
    "normalized_cidr": read_only(),
    "belongs_to_default_sg": read_only(),
}


def _parent(value: object) -> str | None:
    """The group that a rule of a new group lets in: that group itself, or none."""
    if value in (None, ""):
        return None
    if value != "PARENT":
        raise Wrong("default security group rules can refer to no other group than 'PARENT'")
    return "PARENT"


def _no_group(value: object) -> None:
    if value not in (None, ""):
        raise Wrong("default security group rules cannot refer to an address group")


_OF_RULE = ("id", "description", "revision_number", "created_at", "updated_at", "direction", "ethertype",
            "protocol", "port_range_min", "port_range_max", "remote_ip_prefix")  # fmt: skip

DEFAULT_RULE: dict[str, Attribute] = {
    **{name: RULE[name] for name in _OF_RULE},
    "remote_group_id": Attribute(check=_parent, default=None, put=False),
    "remote_address_group_id": Attribute(check=_no_group, default=None, put=False),
    "used_in_default_sg": Attribute(check=truth, default=False, put=False),
    "used_in_non_default_sg": Attribute(check=truth, default=True, put=False),
}

STATEFULNESS: dict[str, Attribute] = {
    "id": read_only(),
    "project_id": Attribute(check=or_none(text(empty=False)), default=UNSET, put=False),
    "stateful": Attribute(check=truth, default=True),
}

_owner = Attribute(check=text(), default=UNSET, put=False)

ADDRESS_SCOPE: dict[str, Attribute] = {
    "id": read_only(),
    "project_id": _owner,
    "name": Attribute(check=text()),
    "ip_version": Attribute(check=ip_version, put=False),
    "shared": Attribute(check=truth, default=False),
}

_prefixlen = Attribute(check=or_none(whole(0, 128)), default=None)
PREFIXES = items(prefix, maximum=200)

SUBNET_POOL: dict[str, Attribute] = {
    **_standard(),
    "prefixes": Attribute(check=PREFIXES),
    "ip_version": read_only(),
    "min_prefixlen": _prefixlen,
    "max_prefixlen": _prefixlen,
    "default_prefixlen": _prefixlen,
    "default_quota": Attribute(check=or_none(whole(0, 2**31 - 1)), default=None),
    "address_scope_id": Attribute(check=or_none(uuid), default=None),
    "is_default": Attribute(check=truth, default=False),
    "shared": Attribute(check=truth, default=False, put=False),
}

_subport = record(
    {"port_id": uuid, "segmentation_type": one_of("vlan"), "segmentation_id": whole(1, 4094)}, {}
)


def _subports(value: object) -> list[dict[str, object]]:
    """Subports, no two of which have one VLAN or are one port."""
    found: list[dict[str, object]] = items(_subport, maximum=100)(value)
    for name in ("segmentation_id", "port_id"):
        if len({one[name] for one in found}) < len(found):
            raise Wrong(f"Duplicate {name} in the list: '{say(value)}'")
    return found


SUBPORTS = _subports
# What else clients say of them is known from their ports.
_leaving = record({"port_id": uuid}, {"segmentation_type": text(), "segmentation_id": whole()})
LEAVING_SUBPORTS = items(_leaving, maximum=100)

TRUNK: dict[str, Attribute] = {
    **_standard(),
    "port_id": Attribute(check=uuid, put=False),
    "admin_state_up": Attribute(check=truth, default=True),
    "status": read_only(),
    "sub_ports": Attribute(check=SUBPORTS, default=[], put=False),
}

QOS_POLICY: dict[str, Attribute] = {
    **_standard(),
    "shared": Attribute(check=truth, default=False),
    "is_default": Attribute(check=truth, default=False),
    "rules": read_only(),
}

_RATE = whole(0, 2**31 - 1)
_of_rule = {"id": read_only(), "qos_policy_id": read_only()}

BANDWIDTH_LIMIT_RULE: dict[str, Attribute] = {
    **_of_rule,
    "max_kbps": Attribute(check=whole(1, 2**31 - 1)),
    "max_burst_kbps": Attribute(check=_RATE, default=0),
    "direction": Attribute(check=one_of("egress", "ingress"), default="egress"),
}

MINIMUM_BANDWIDTH_RULE: dict[str, Attribute] = {
    **_of_rule,
    "min_kbps": Attribute(check=whole(1, 2**31 - 1)),
    "direction": Attribute(check=one_of("egress", "ingress"), default="egress"),
}

MINIMUM_PACKET_RATE_RULE: dict[str, Attribute] = {
    **_of_rule,
    "min_kpps": Attribute(check=whole(1, 2**31 - 1)),
    "direction": Attribute(check=one_of("egress", "ingress", "any"), default="egress"),
}

DSCP_MARKING_RULE: dict[str, Attribute] = {
    **_of_rule,
    "dscp_mark": Attribute(check=lambda value: one_of(*DSCP_MARKS)(whole()(value))),
}

ADDRESSES = items(prefix, maximum=200)
LEAVING_ADDRESSES = items(prefix_of_any, maximum=200)

ADDRESS_GROUP: dict[str, Attribute] = {
    **_standard(tags=False),
    "addresses": Attribute(check=ADDRESSES, default=[], put=False),
    "shared": read_only(),
}

RBAC_POLICY: dict[str, Attribute] = {
    "id": read_only(),
    "project_id": _owner,
    "object_type": Attribute(check=one_of(*OBJECT_TYPES), put=False),
    "object_id": Attribute(check=uuid, put=False),
    "action": Attribute(check=text(40), put=False),
    "target_tenant": Attribute(check=text(empty=False)),
}


def _logged_type(value: object) -> str:
    if value != "security_group":
        raise Wrong(f"Invalid log resource_type: {say(value)}")
    return "security_group"


LOG: dict[str, Attribute] = {
    **_standard(tags=False),
    "resource_type": Attribute(check=_logged_type, put=False),
    "resource_id": Attribute(check=or_none(uuid), default=None, put=False),
    "target_id": Attribute(check=or_none(uuid), default=None, put=False),
    "event": Attribute(
        check=lambda v: one_of("ALL", "ACCEPT", "DROP")(v.upper() if isinstance(v, str) else v),
        default="ALL",
        put=False,
    ),
    "enabled": Attribute(check=truth, default=True),
}

SEGMENT: dict[str, Attribute] = {
    **{name: one for name, one in _standard().items() if name != "project_id"},
    "network_id": Attribute(check=uuid, put=False),
    "network_type": Attribute(check=one_of("geneve", "flat", "vlan"), put=False),
    "physical_network": Attribute(check=or_none(text(64, empty=False)), default=None, put=False),
    "segmentation_id": Attribute(check=or_none(whole(1, 16_777_215)), default=None, put=False),
}

_segment = Attribute(check=whole(1, 16_777_215))

SEGMENT_RANGE: dict[str, Attribute] = {
    **_standard(),
    "default": read_only(),
    "shared": Attribute(check=truth, default=True, put=False),
    "network_type": Attribute(check=one_of("geneve", "vlan"), put=False),
    "physical_network": Attribute(check=or_none(text(64, empty=False)), default=None, put=False),
    "minimum": _segment,
    "maximum": _segment,
    "used": read_only(),
    "available": read_only(),
}

NDP_PROXY: dict[str, Attribute] = {
    **_standard(tags=False),
    "router_id": Attribute(check=uuid, put=False),
    "port_id": Attribute(check=uuid, put=False),
    "ip_address": Attribute(check=or_none(address), default=None, put=False),
}

FLAVOR: dict[str, Attribute] = {
    "id": read_only(),
    "name": Attribute(check=text(), default=""),
    "description": Attribute(check=lambda v: "" if v is None else text(1024)(v), default=""),
    "service_type": Attribute(check=text(36, empty=False), put=False),
    "enabled": Attribute(check=truth, default=True),
    "service_profiles": read_only(),
}

_said = lambda v: "" if v is None else text(1024)(v)  # noqa: E731
SERVICE_PROFILE: dict[str, Attribute] = {
    "id": read_only(),
    "description": Attribute(check=_said, default=""),
    "driver": Attribute(check=_said, default=""),
    "metainfo": Attribute(check=lambda v: "" if v is None else text(4096)(v), default=""),
    "enabled": Attribute(check=truth, default=True),
}

FLAVOR_PROFILE: dict[str, Attribute] = {"id": Attribute(check=uuid)}

# OVN's numbers of hosts: the highest that is alive carries a router's gateways.
_host_priority = or_none(whole(1, 32767))
HOSTING: dict[str, Attribute] = {
    "ha_chassis_priority": Attribute(check=_host_priority, default=None)
}
HOSTED_ROUTER: dict[str, Attribute] = {"router_id": Attribute(check=uuid), **HOSTING}
HOSTED_NETWORK: dict[str, Attribute] = {"network_id": Attribute(check=uuid)}

AGENT: dict[str, Attribute] = {
    "description": Attribute(check=_optional_text, default="", post=False),
    "admin_state_up": Attribute(check=truth, default=True, post=False),
    **{
        name: read_only()
        for name in (
            "id", "agent_type", "binary", "host", "topic", "alive", "availability_zone", "configurations",
            "created_at", "started_at",
            "heartbeat_timestamp", "resources_synced",
        )
    },
}  # fmt: skip
