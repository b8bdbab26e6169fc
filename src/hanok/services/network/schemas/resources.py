"""The attributes of each resource.

Source: Networking API v2.0 reference.
"""

from __future__ import annotations

from hanok.services.network.schemas.values import (
    address_or_prefix,
    mac,
    prefix,
    prefix_or_address,
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
    only,
    or_none,
    read_only,
    record,
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


_ZONES = Attribute(check=items(text(empty=False), most=10), default=[], put=False)

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
    "availability_zone_hints": _ZONES,
    "availability_zones": read_only(),
    "ipv4_address_scope": read_only(),
    "ipv6_address_scope": read_only(),
}

_pool = record({"start": address, "end": address}, {})
_host_route = record({"destination": prefix, "nexthop": address}, {})
_no_pool = only(None, "there are no subnet pools")
_mode = or_none(one_of("dhcpv6-stateful", "dhcpv6-stateless", "slaac"))

SUBNET: dict[str, Attribute] = {
    **_standard(),
    "network_id": Attribute(check=uuid, put=False),
    "ip_version": Attribute(check=lambda value: one_of(4, 6)(whole()(value)), put=False),
    "cidr": Attribute(check=prefix, put=False),
    "gateway_ip": Attribute(check=or_none(address), default=UNSET),
    "allocation_pools": Attribute(check=or_none(items(_pool, most=64)), default=None),
    "dns_nameservers": Attribute(check=items(address, most=5), default=[]),
    "host_routes": Attribute(check=items(_host_route, most=20), default=[]),
    "enable_dhcp": Attribute(check=truth, default=True),
    "ipv6_ra_mode": Attribute(check=_mode, default=None, put=False),
    "ipv6_address_mode": Attribute(check=_mode, default=None, put=False),
    "subnetpool_id": Attribute(check=_no_pool, default=None, put=False),
    "shared": read_only(),
    "router:external": read_only(),
}

_fixed_ip = record({}, {"subnet_id": uuid, "ip_address": address})


def _addresses(most: int) -> Validator:
    """Addresses that are asked for: a subnet may be named twice, an address only once."""
    plain = items(_fixed_ip, most=most, unique=False)

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
    "mac_address": Attribute(check=mac, default=UNSET),
    "fixed_ips": Attribute(check=_addresses(50), default=UNSET),
    "device_id": Attribute(check=text(), default=""),
    "device_owner": Attribute(check=text(), default=""),
    "security_groups": Attribute(check=items(uuid, most=50, unique=False), default=UNSET),
    "port_security_enabled": Attribute(check=truth, default=UNSET),
    "allowed_address_pairs": Attribute(check=items(_pair, most=10), default=[]),
    "binding:host_id": Attribute(check=lambda v: "" if v is None else text()(v), default=""),
    "binding:vnic_type": Attribute(check=one_of("normal"), default="normal"),
    "binding:profile": Attribute(check=_profile, default={}),
    "binding:vif_type": read_only(),
    "binding:vif_details": read_only(),
}

BINDING: dict[str, Attribute] = {
    "host": Attribute(check=text(empty=False)),
    "vnic_type": PORT["binding:vnic_type"],
    "profile": PORT["binding:profile"],
    **{name: read_only() for name in ("vif_type", "vif_details", "status")},
}

_gateway = record({"network_id": uuid}, {"enable_snat": truth, "external_fixed_ips": _addresses(8)})
ROUTES = items(_host_route, most=30)


def gateway_info(value: object) -> dict[str, object] | None:
    return None if value is None or value == {} else dict(_gateway(value))


ROUTER: dict[str, Attribute] = {
    **_standard(),
    "admin_state_up": Attribute(check=truth, default=True),
    "status": read_only(),
    "external_gateway_info": Attribute(check=gateway_info, default=None),
    "routes": Attribute(check=ROUTES, default=[], post=False),
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
}

SECURITY_GROUP: dict[str, Attribute] = {
    **_standard(),
    "security_group_rules": read_only(),
    "shared": read_only(),
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
    "normalized_cidr": read_only(),
    "belongs_to_default_sg": read_only(),
}

AGENT: dict[str, Attribute] = {
    "description": Attribute(check=_optional_text, default="", post=False),
    **{
        name: read_only()
        for name in (
            "id", "agent_type", "binary", "host", "topic", "admin_state_up", "alive",
            "availability_zone", "configurations", "created_at", "started_at",
            "heartbeat_timestamp", "resources_synced",
        )
    },
}  # fmt: skip
