"""What each resource's body may hold.

Source: Load Balancer API v2 reference.
"""

from __future__ import annotations

from typing import Any

from hanok.services.load_balancer.schemas.values import (
    ACTIONS,
    ALGORITHMS,
    ALPN,
    COMPARISONS,
    LISTENER_PROTOCOLS,
    LONGEST_TIMEOUT_MS,
    METHODS,
    MONITORS,
    POOL_PROTOCOLS,
    REDIRECT_CODES,
    RULE_TYPES,
    TLS_VERSIONS,
    cidr,
    ciphers,
    expected_codes,
    host_name,
    insert_headers,
    member_address,
    number,
    persistence,
    rule_key,
    subset,
    url,
    url_path,
)
from hanok.web.attributes import (
    REQUIRED,
    Attribute,
    Validator,
    address,
    items,
    one_of,
    only,
    or_none,
    read_only,
    record,
    text,
    truth,
    uuid,
    whole,
)

Attributes = dict[str, Attribute]
MAXIMUM_TAGS, MAXIMUM_VIPS, MAXIMUM_CIDRS, MAXIMUM_SNI = 100, 8, 200, 50
REFERENCE = or_none(text())
"""Of a secret or a container of the key manager."""


def _set_once(check: Validator, default: Any = REQUIRED) -> Attribute:
    """Sent when it is made, and not after."""
    return Attribute(check=check, default=default, put=False)


def _blank(check: Validator) -> Validator:
    """null is an empty text."""
    return lambda value: "" if value is None else check(value)


def _common(*, described: bool = True) -> Attributes:
    found = {
        "id": read_only(),
        "name": Attribute(check=_blank(text()), default=""),
        "description": Attribute(check=_blank(text()), default=""),
        "provisioning_status": read_only(),
        "operating_status": read_only(),
        "admin_state_up": Attribute(check=truth, default=True),
        "project_id": _set_once(or_none(text(64)), None),
        "created_at": read_only(),
        "updated_at": read_only(),
        "tags": Attribute(check=items(text(empty=False), maximum=MAXIMUM_TAGS), default=[]),
    }
    if not described:
        del found["description"]
    return found


_VIP = record({"subnet_id": uuid}, {"ip_address": or_none(address)})

LOAD_BALANCER: Attributes = {
    **_common(),
    "vip_address": _set_once(or_none(address), None),
    "vip_port_id": _set_once(or_none(uuid), None),
    "vip_subnet_id": _set_once(or_none(uuid), None),
    "vip_network_id": _set_once(or_none(uuid), None),
    "vip_qos_policy_id": Attribute(check=or_none(uuid), default=None),
    "vip_vnic_type": read_only(),
    "vip_sg_ids": Attribute(check=items(uuid, maximum=50), default=[]),
    "additional_vips": Attribute(check=items(_VIP, maximum=MAXIMUM_VIPS), default=[]),
    "provider": _set_once(or_none(text(64)), None),
    "flavor_id": _set_once(or_none(uuid), None),
    "availability_zone": _set_once(or_none(text()), None),
    "listeners": read_only(),
    "pools": read_only(),
}

_TIMEOUT = whole(0, LONGEST_TIMEOUT_MS)


def _or_usual(check: Validator, usual: Any) -> Attribute:
    """null asks for what is usual."""
    return Attribute(check=lambda value: usual if value is None else check(value), default=usual)


_TLS: Attributes = {
    "tls_ciphers": Attribute(check=or_none(ciphers), default=None),
    "tls_versions": Attribute(check=or_none(subset(*TLS_VERSIONS)), default=None),
    "alpn_protocols": Attribute(check=or_none(subset(*ALPN)), default=None),
}
_LIMIT = whole(-1, 2**31 - 1)

LISTENER: Attributes = {
    **_common(),
    "protocol": _set_once(one_of(*LISTENER_PROTOCOLS)),
    "protocol_port": _set_once(whole(1, 65535)),
    "connection_limit": _or_usual(_LIMIT, -1),
    "default_tls_container_ref": Attribute(check=REFERENCE, default=None),
    "sni_container_refs": Attribute(check=items(text(), maximum=MAXIMUM_SNI), default=[]),
    "default_pool_id": Attribute(check=or_none(uuid), default=None),
    "insert_headers": Attribute(check=insert_headers, default={}),
    "l7policies": read_only(),
    "loadbalancers": read_only(),
    "loadbalancer_id": _set_once(uuid),
    "timeout_client_data": _or_usual(_TIMEOUT, 50_000),
    "timeout_member_connect": _or_usual(_TIMEOUT, 5_000),
    "timeout_member_data": _or_usual(_TIMEOUT, 50_000),
    "timeout_tcp_inspect": _or_usual(_TIMEOUT, 0),
    "client_ca_tls_container_ref": Attribute(check=REFERENCE, default=None),
    "client_authentication": _or_usual(one_of("NONE", "OPTIONAL", "MANDATORY"), "NONE"),
    "client_crl_container_ref": Attribute(check=REFERENCE, default=None),
    "allowed_cidrs": Attribute(check=or_none(items(cidr, maximum=MAXIMUM_CIDRS)), default=None),
    **_TLS,
    "hsts_max_age": Attribute(check=or_none(whole(0, 2**31 - 1)), default=None),
    "hsts_include_subdomains": _or_usual(truth, False),
    "hsts_preload": _or_usual(truth, False),
}

POOL: Attributes = {
    **_common(),
    "protocol": _set_once(one_of(*POOL_PROTOCOLS)),
    "lb_algorithm": Attribute(check=one_of(*ALGORITHMS)),
    "session_persistence": Attribute(check=persistence, default=None),
    "loadbalancer_id": _set_once(or_none(uuid), None),
    "listener_id": _set_once(or_none(uuid), None),
    "loadbalancers": read_only(),
    "listeners": read_only(),
    "members": read_only(),
    "healthmonitor_id": read_only(),
    "tls_container_ref": Attribute(check=REFERENCE, default=None),
    "ca_tls_container_ref": Attribute(check=REFERENCE, default=None),
    "crl_container_ref": Attribute(check=REFERENCE, default=None),
    "tls_enabled": _or_usual(truth, False),
    **_TLS,
}

MEMBER: Attributes = {
    **_common(described=False),
    "address": _set_once(member_address),
    "protocol_port": _set_once(whole(1, 65535)),
    "weight": _or_usual(whole(0, 256), 1),
    "backup": _or_usual(truth, False),
    "subnet_id": _set_once(or_none(uuid), None),
    "monitor_address": Attribute(check=or_none(member_address), default=None),
    "monitor_port": Attribute(check=or_none(whole(1, 65535)), default=None),
    "vnic_type": read_only(),
    # Asks for a device of hardware; there is none to ask for.
    "request_sriov": _set_once(only(False, "no provider has devices of this sort"), False),
}

_COUNT = whole(1, 10)
HEALTH_MONITOR: Attributes = {
    **_common(described=False),
    "type": _set_once(one_of(*MONITORS)),
    "delay": Attribute(check=whole(0, 2**31 - 1)),
    "timeout": Attribute(check=whole(0, 2**31 - 1)),
    "max_retries": Attribute(check=_COUNT),
    "max_retries_down": _or_usual(_COUNT, 3),
    "http_method": Attribute(check=or_none(one_of(*METHODS)), default=None),
    "url_path": Attribute(check=or_none(url_path), default=None),
    "expected_codes": Attribute(check=or_none(expected_codes), default=None),
    "http_version": Attribute(check=or_none(number(1.0, 1.1)), default=None),
    "domain_name": Attribute(check=or_none(host_name), default=None),
    "pool_id": _set_once(uuid),
    "pools": read_only(),
}

L7POLICY: Attributes = {
    **_common(),
    "listener_id": _set_once(uuid),
    "action": Attribute(check=one_of(*ACTIONS)),
    "position": _or_usual(whole(1, 2**31 - 1), 2**31 - 1),
    "redirect_pool_id": Attribute(check=or_none(uuid), default=None),
    "redirect_url": Attribute(check=or_none(url), default=None),
    "redirect_prefix": Attribute(check=or_none(url), default=None),
    "redirect_http_code": Attribute(check=or_none(one_of(*REDIRECT_CODES)), default=None),
    "rules": read_only(),
}

L7RULE: Attributes = {
    **{name: one for name, one in _common(described=False).items() if name != "name"},
    "type": Attribute(check=one_of(*RULE_TYPES)),
    "compare_type": Attribute(check=one_of(*COMPARISONS)),
    "key": Attribute(check=or_none(rule_key), default=None),
    "value": Attribute(check=text(empty=False)),
    "invert": _or_usual(truth, False),
}

AMPHORA: Attributes = {
    name: read_only()
    for name in (
        "id", "loadbalancer_id", "compute_id", "lb_network_ip", "vrrp_ip", "ha_ip", "vrrp_port_id",
        "ha_port_id", "cert_expiration", "cert_busy", "role", "status", "vrrp_interface", "vrrp_id",
        "vrrp_priority", "cached_zone", "image_id", "compute_flavor", "created_at", "updated_at",
    )
}  # fmt: skip

FLAVOR_PROFILE: Attributes = {
    "id": read_only(),
    "name": Attribute(check=text(empty=False)),
    "provider_name": Attribute(check=text(empty=False)),
    "flavor_data": Attribute(check=text(4096)),
}

FLAVOR: Attributes = {
    "id": read_only(),
    "name": Attribute(check=text(empty=False)),
    "description": Attribute(check=_blank(text()), default=""),
    "enabled": Attribute(check=truth, default=True),
    "flavor_profile_id": _set_once(uuid),
}

ZONE_PROFILE: Attributes = {
    "id": read_only(),
    "name": Attribute(check=text(empty=False)),
    "provider_name": Attribute(check=text(empty=False)),
    "availability_zone_data": Attribute(check=text(4096)),
}

ZONE: Attributes = {
    "name": _set_once(text(empty=False)),
    "description": Attribute(check=_blank(text()), default=""),
    "enabled": Attribute(check=truth, default=True),
    "availability_zone_profile_id": _set_once(uuid),
}
