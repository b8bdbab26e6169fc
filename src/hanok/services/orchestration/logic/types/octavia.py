"""OS::Octavia types: load balancers and what they are made of.

A load balancer takes one change at a time and refuses others meanwhile (409); whatever is refused so is begun again.

Source: the template guide, "OpenStack Resource Types", OS::Octavia; Load Balancer API v2 reference.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hanok.services.orchestration.logic import texts
from hanok.services.orchestration.logic.functions import Wrong
from hanok.services.orchestration.logic.types.model import (
    Attribute,
    Busy,
    Failed,
    Property,
    ResourceType,
    one_of,
    within,
)
from hanok.services.orchestration.logic.types.quotas import Quota, quota_type
from hanok.services.orchestration.logic.types.rest import LIST, TEXT, Thing, same, telling
from hanok.services.orchestration.logic.work import Refusal, Work

BASE = "/load-balancer/v2.0/lbaas"
_LISTS = ("sni_container_refs", "tags")  # that are empty, not null, where there is nothing in them


class Offered(Thing):
    """What an operator offers: there when it is made, and nobody's."""

    base = BASE

    def changes(self, work: Work, changed: Mapping[str, Any]) -> dict[str, Any]:
        found = super().changes(work, changed)
        if self.names in changed and changed[self.names] is None:
            found[self.names] = work.name_of_resource
        return {
            name: [] if value is None and name in _LISTS else value for name, value in found.items()
        }

    def check_properties(self, name: str, properties: Mapping[str, Any]) -> None:
        for one in ("flavor_data", "availability_zone_data"):
            if properties.get(one) is not None:
                _check_json(f"{name}.{one}", properties[one])


def _check_json(where: str, value: str) -> None:
    try:
        texts.from_json(value)
    except ValueError as error:
        raise Wrong(f"Property error: {where}: Value is not a JSON string: {error}") from None


class Octavia(Offered):
    """What a load balancer is made of, or itself: ready when it is ACTIVE, gone when it is not found."""

    state = "provisioning_status"
    done = ("ACTIVE",)
    waits_gone = True

    async def create(self, work: Work) -> str | None:
        try:
            return await super().create(work)
        except Refusal as error:
            raise _busy(error) from None

    async def update(self, work: Work, changed: Mapping[str, Any]) -> None:
        try:
            await super().update(work, changed)
        except Refusal as error:
            raise _busy(error) from None

    async def delete(self, work: Work) -> None:
        try:
            await super().delete(work)
        except Refusal as error:
            raise _busy(error) from None

    def why(self, shown: Mapping[str, Any]) -> str:
        return f'Went to status {shown.get(self.state)} due to "Unknown"'


def _busy(error: Refusal) -> Failed:
    """A refusal as it is, or that it will be taken later."""
    immutable = error.status == 409 and "immutable" in error.message
    return Busy(error.message) if immutable else error


class Part(Octavia):
    """What has its address below another: members of pools, rules of policies. below: that one's property."""

    below: str = ""

    def place(self, work: Work) -> str:
        return self.path.replace("{}", str(work.properties[self.below]))


class Listener(Octavia):
    def check_properties(self, name: str, properties: Mapping[str, Any]) -> None:
        encrypted = properties["protocol"] == "TERMINATED_HTTPS"
        if encrypted and properties["default_tls_container_ref"] is None:
            raise Wrong(
                f"Property error: {name}: Property default_tls_container_ref required when protocol is "
                "TERMINATED_HTTPS."
            )


class Pool(Octavia):
    def body(self, work: Work) -> dict[str, Any]:
        return _with_persistence(super().body(work))

    def changes(self, work: Work, changed: Mapping[str, Any]) -> dict[str, Any]:
        return _with_persistence(super().changes(work, changed))

    def check_properties(self, name: str, properties: Mapping[str, Any]) -> None:
        if properties["listener"] is None and properties["loadbalancer"] is None:
            raise Wrong(
                f"Property error: {name}: At least one of the following properties must be specified: "
                "listener, loadbalancer."
            )
        persistence = properties["session_persistence"] or {}
        kind, cookie = persistence.get("type"), persistence.get("cookie_name")
        if kind == "APP_COOKIE" and not cookie:
            raise Wrong(
                f"Property error: {name}: Property cookie_name is required when session_persistence type is "
                "set to APP_COOKIE."
            )
        if kind == "SOURCE_IP" and cookie:
            raise Wrong(
                f"Property error: {name}: Property cookie_name must NOT be specified when "
                "session_persistence type is set to SOURCE_IP."
            )


def _with_persistence(body: dict[str, Any]) -> dict[str, Any]:
    """What is not said of sessions is not sent."""
    if body.get("session_persistence"):
        said = body["session_persistence"].items()
        body["session_persistence"] = {name: value for name, value in said if value is not None}
    return body


_REDIRECTS = {"REDIRECT_TO_POOL": "redirect_pool", "REDIRECT_TO_URL": "redirect_url"}


class Policy(Octavia):
    def check_properties(self, name: str, properties: Mapping[str, Any]) -> None:
        action = properties["action"]
        needed = _REDIRECTS.get(action)
        if needed is not None and properties[needed] is None:
            raise Wrong(
                f"Property error: {name}: Property {needed} is required when action type is set to {action}."
            )
        for other in _REDIRECTS.values():
            if other != needed and properties[other] is not None:
                raise Wrong(
                    f"Property error: {name}: {other} cannot be specified when action is {action}."
                )


class Rule(Part):
    def check_properties(self, name: str, properties: Mapping[str, Any]) -> None:
        if properties["type"] in ("HEADER", "COOKIE") and properties["key"] is None:
            raise Wrong(
                f"Property error: {name}: Property key is missing. This property should be specified for "
                "rules of HEADER and COOKIE types."
            )


_UP = Property(type="boolean", default=True, update=True)
_NAMED = {"name": TEXT, "description": Property(default="", update=True), "admin_state_up": _UP}
_PORT = within(1, 65535)
_PROTOCOL = Property(
    required=True, constraints=one_of("TCP", "HTTP", "HTTPS", "TERMINATED_HTTPS", "PROXY", "UDP")
)
_WHOSE = Property(refused="it belongs to its load balancer's project.")
_SECONDS = Property(type="integer", required=True, update=True, constraints=within(0))
_IN_POOL = Property(required=True, finds="octavia.pool")
_JSON = Property(required=True, update=True)


def _type(
    name: str,
    driver: Thing,
    properties: Mapping[str, Property],
    attributes: Mapping[str, Attribute] | None = None,
    description: str = "",
) -> ResourceType:
    return ResourceType(
        name=f"OS::Octavia::{name}",
        service="load-balancer",
        properties=properties,
        attributes=attributes or {},
        driver=driver,
        description=description,
    )


def _profile(name: str, plural: str, key: str, data: str) -> ResourceType:
    """What a provider is to do; data: the property that says it, as JSON."""
    return _type(
        name,
        Offered(plural, key, same("name", data, "provider_name"), names="name"),
        {"name": TEXT, data: _JSON, "provider_name": TEXT},
    )


TYPES = (
    _type(
        "LoadBalancer",
        Octavia(
            "loadbalancers",
            "loadbalancer",
            {
                **same(*_NAMED, "vip_address", "provider", "availability_zone"),
                "vip_subnet": "vip_subnet_id",
                "tenant_id": "project_id",
                "flavor": "flavor_id",
            },
            names="name",
        ),
        {
            **_NAMED,
            "provider": Property(),
            "vip_address": Property(),
            "vip_subnet": Property(required=True, finds="neutron.subnet"),
            "tenant_id": Property(finds="keystone.project"),
            "flavor": Property(finds="octavia.flavor"),
            "availability_zone": Property(finds="octavia.availabilityzone"),
        },
        telling("vip_address", "vip_port_id", "vip_subnet_id", "flavor_id", pools="list"),
        "A resource for creating octavia Load Balancers.",
    ),
    _type(
        "Listener",
        Listener(
            "listeners",
            "listener",
            {
                **same(
                    *_NAMED,
                    "protocol",
                    "protocol_port",
                    "connection_limit",
                    "default_tls_container_ref",
                    "sni_container_refs",
                    "allowed_cidrs",
                ),
                "loadbalancer": "loadbalancer_id",
                "default_pool": "default_pool_id",
            },
            names="name",
        ),
        {
            **_NAMED,
            "protocol_port": Property(type="integer", required=True, constraints=_PORT),
            "protocol": _PROTOCOL,
            "loadbalancer": Property(required=True, finds="octavia.loadbalancer"),
            "default_pool": Property(update=True, finds="octavia.pool"),
            "default_tls_container_ref": TEXT,
            "sni_container_refs": LIST,
            "connection_limit": Property(
                type="integer", default=-1, update=True, constraints=within(-1)
            ),
            "tenant_id": _WHOSE,
            "allowed_cidrs": Property(type="list", update=True, item=Property()),
        },
        telling("default_pool_id", loadbalancers="list"),
        "A resource for managing octavia Listeners.",
    ),
    _type(
        "Pool",
        Pool(
            "pools",
            "pool",
            {
                **same(*_NAMED, "session_persistence", "lb_algorithm", "protocol", "tls_enabled"),
                "listener": "listener_id",
                "loadbalancer": "loadbalancer_id",
            },
            names="name",
        ),
        {
            **_NAMED,
            "session_persistence": Property(
                type="map",
                update=True,
                within={
                    "type": Property(
                        required=True, constraints=one_of("SOURCE_IP", "HTTP_COOKIE", "APP_COOKIE")
                    ),
                    "cookie_name": Property(),
                },
            ),
            "lb_algorithm": Property(
                required=True,
                update=True,
                constraints=one_of(
                    "ROUND_ROBIN", "LEAST_CONNECTIONS", "SOURCE_IP", "SOURCE_IP_PORT"
                ),
            ),
            "listener": Property(finds="octavia.listener"),
            "loadbalancer": Property(finds="octavia.loadbalancer"),
            "protocol": _PROTOCOL,
            "tls_enabled": Property(type="boolean", default=False, update=True),
        },
        telling("healthmonitor_id", listeners="list", members="list"),
        "A resource for managing Octavia Pools.",
    ),
    _type(
        "PoolMember",
        Part(
            "pools/{}/members",
            "member",
            {
                **same(
                    "address",
                    "protocol_port",
                    "monitor_address",
                    "monitor_port",
                    "weight",
                    "admin_state_up",
                    "tags",
                ),
                "subnet": "subnet_id",
            },
            below="pool",
        ),
        {
            "pool": _IN_POOL,
            "address": Property(required=True),
            "protocol_port": Property(type="integer", required=True, constraints=_PORT),
            "monitor_address": Property(),
            "monitor_port": Property(type="integer", constraints=_PORT),
            "weight": Property(type="integer", default=1, update=True, constraints=within(0, 256)),
            "admin_state_up": _UP,
            "subnet": Property(finds="neutron.subnet"),
            "tags": LIST,
        },
        telling("address"),
        "A resource for managing Octavia Pool members.",
    ),
    _type(
        "HealthMonitor",
        Octavia(
            "healthmonitors",
            "healthmonitor",
            {
                **same(
                    "admin_state_up",
                    "delay",
                    "expected_codes",
                    "http_method",
                    "max_retries",
                    "timeout",
                    "type",
                    "url_path",
                ),
                "pool": "pool_id",
            },
        ),
        {
            "admin_state_up": _UP,
            "delay": _SECONDS,
            "expected_codes": TEXT,
            "http_method": Property(
                update=True,
                constraints=one_of(
                    "GET", "HEAD", "POST", "PUT", "DELETE", "TRACE", "OPTIONS", "CONNECT", "PATCH"
                ),
            ),
            "max_retries": Property(
                type="integer", required=True, update=True, constraints=within(1, 10)
            ),
            "pool": _IN_POOL,
            "timeout": _SECONDS,
            "type": Property(
                required=True, constraints=one_of("PING", "TCP", "HTTP", "HTTPS", "UDP-CONNECT")
            ),
            "url_path": TEXT,
            "tenant_id": _WHOSE,
        },
        telling(pools="list"),
        "A resource to handle load balancer health monitors.",
    ),
    _type(
        "L7Policy",
        Policy(
            "l7policies",
            "l7policy",
            {
                **same(*_NAMED, "action", "redirect_url", "position"),
                "redirect_pool": "redirect_pool_id",
                "listener": "listener_id",
            },
            names="name",
        ),
        {
            **_NAMED,
            "description": TEXT,
            "action": Property(
                required=True,
                update=True,
                constraints=one_of("REJECT", "REDIRECT_TO_POOL", "REDIRECT_TO_URL"),
            ),
            "redirect_pool": Property(update=True, finds="octavia.pool"),
            "redirect_url": TEXT,
            "position": Property(type="number", update=True, constraints=within(1)),
            "listener": Property(required=True, finds="octavia.listener"),
        },
        telling(rules="list"),
        "A resource for managing octavia L7Policies.",
    ),
    _type(
        "L7Rule",
        Rule(
            "l7policies/{}/rules",
            "rule",
            same("admin_state_up", "type", "compare_type", "invert", "key", "value"),
            below="l7policy",
        ),
        {
            "admin_state_up": _UP,
            "l7policy": Property(required=True, finds="octavia.l7policy"),
            "type": Property(
                required=True,
                update=True,
                constraints=one_of("HOST_NAME", "PATH", "FILE_TYPE", "HEADER", "COOKIE"),
            ),
            "compare_type": Property(
                required=True,
                update=True,
                constraints=one_of("REGEX", "STARTS_WITH", "ENDS_WITH", "CONTAINS", "EQUAL_TO"),
            ),
            "invert": Property(type="boolean", default=False, update=True),
            "key": TEXT,
            "value": Property(required=True, update=True),
        },
        description="A resource for managing octavia L7Rules.",
    ),
    quota_type(
        "OS::Octavia::Quota",
        "load-balancer",
        Quota(f"{BASE}/quotas", "quota"),
        ("healthmonitor", "listener", "loadbalancer", "pool", "member"),
    ),
    _profile("FlavorProfile", "flavorprofiles", "flavorprofile", "flavor_data"),
    _type(
        "Flavor",
        Offered(
            "flavors",
            "flavor",
            {
                **same("name", "description", "enabled"),
                "flavor_profile": "flavor_profile_id",
            },
            names="name",
        ),
        {
            "name": TEXT,
            "description": Property(default="", update=True),
            "enabled": _UP,
            "flavor_profile": Property(required=True, finds="octavia.flavorprofile"),
        },
        telling("flavor_profile_id"),
        "A resource for creating octavia Flavors.",
    ),
    _profile(
        "AvailabilityZoneProfile",
        "availabilityzoneprofiles",
        "availability_zone_profile",
        "availability_zone_data",
    ),
    _type(
        "AvailabilityZone",
        Offered(
            "availabilityzones",
            "availability_zone",
            {
                **same("name", "description", "enabled"),
                "availability_zone_profile": "availability_zone_profile_id",
            },
            names="name",
            id="name",
        ),
        {
            "name": Property(),  # the API changes no zone's name: it is made anew
            "description": Property(default="", update=True),
            "enabled": _UP,
            "availability_zone_profile": Property(
                required=True, finds="octavia.availabilityzoneprofile"
            ),
        },
        telling("availability_zone_profile_id"),
        "A resource for creating octavia Availability Zones.",
    ),
)
