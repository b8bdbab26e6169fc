"""OS::Neutron types.

Source: the template guide, "OpenStack Resource Types", OS::Neutron; Networking API reference.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hanok.services.orchestration.logic.functions import Wrong
from hanok.services.orchestration.logic.types.model import (
    Driver,
    Property,
    ResourceType,
    one_of,
    within,
)
from hanok.services.orchestration.logic.types.rest import LIST, TEXT, TRUTH, Thing, same, telling
from hanok.services.orchestration.logic.work import Refusal, Work

BASE = "/network/v2.0"
NETWORK = Property(finds="neutron.network")
SUBNET = Property(finds="neutron.subnet")


class Neutron(Thing):
    """A thing of networking: tags are put on beside."""

    base = BASE

    async def created(self, work: Work) -> bool:
        await self._tag(work)
        return await super().created(work)

    async def _tag(self, work: Work) -> None:
        tags = work.properties.get("tags")
        if tags is not None and work.data.get("tags") != tags:
            await work.cloud("PUT", f"{self.address(work)}/tags", {"tags": tags})
            work.data["tags"] = tags


class Subnet(Neutron):
    def body(self, work: Work) -> dict[str, Any]:
        found = super().body(work)
        found["network_id"] = _either(work, "network", "network_id")
        if work.properties["gateway_ip"] == "":
            found["gateway_ip"] = None
        return found

    def changes(self, work: Work, changed: Mapping[str, Any]) -> dict[str, Any]:
        found = super().changes(work, changed)
        if found.get("gateway_ip") == "":
            found["gateway_ip"] = None
        lists = ("allocation_pools", "dns_nameservers", "host_routes")
        return {
            name: [] if value is None and name in lists else value for name, value in found.items()
        }


def _either(work: Work, *names: str) -> Any:
    """The first of several properties that say the same."""
    return next((work.properties[name] for name in names if work.properties.get(name)), None)


class Port(Neutron):
    def body(self, work: Work) -> dict[str, Any]:
        found = super().body(work)
        found["network_id"] = _either(work, "network", "network_id")
        found.update(_addresses(work.properties))
        return found

    def changes(self, work: Work, changed: Mapping[str, Any]) -> dict[str, Any]:
        found = super().changes(work, changed)
        if "fixed_ips" in changed:
            found["fixed_ips"] = _fixed(changed["fixed_ips"]) or []
            if not found["fixed_ips"]:
                del found["fixed_ips"]
        if "security_groups" in changed and changed["security_groups"] is None:
            del found["security_groups"]
        if found.get("allowed_address_pairs") is None and "allowed_address_pairs" in changed:
            found["allowed_address_pairs"] = []
        return {
            name: "" if value is None and name in ("name", "device_id") else value
            for name, value in found.items()
        }

    async def attribute(self, work: Work, name: str) -> Any:
        if name in ("subnets", "network"):
            return await self._around(work, name)
        return await super().attribute(work, name)

    async def _around(self, work: Work, name: str) -> Any:
        shown = await self.show(work)
        if name == "network":
            return (await work.cloud("GET", f"{BASE}/networks/{shown['network_id']}"))["network"]
        ids = dict.fromkeys(one["subnet_id"] for one in shown["fixed_ips"])
        return [(await work.cloud("GET", f"{BASE}/subnets/{one}"))["subnet"] for one in ids]


def _addresses(given: Mapping[str, Any]) -> dict[str, Any]:
    fixed = _fixed(given.get("fixed_ips"))
    return {} if fixed is None else {"fixed_ips": fixed}


def _fixed(raw: Any) -> list[dict[str, Any]] | None:
    if raw is None:
        return None
    found = []
    for one in raw:
        subnet = one.get("subnet") or one.get("subnet_id")
        entry = {"subnet_id": subnet, "ip_address": one.get("ip_address")}
        found.append({name: value for name, value in entry.items() if value})
    return [one for one in found if one]


class Router(Neutron):
    def body(self, work: Work) -> dict[str, Any]:
        found = super().body(work)
        if (gateway := _gateway(work.properties.get("external_gateway_info"))) is not None:
            found["external_gateway_info"] = gateway
        return found

    def changes(self, work: Work, changed: Mapping[str, Any]) -> dict[str, Any]:
        found = super().changes(work, changed)
        if "external_gateway_info" in changed:
            found["external_gateway_info"] = _gateway(changed["external_gateway_info"]) or {}
        return found


def _gateway(raw: Mapping[str, Any] | None) -> dict[str, Any] | None:
    if raw is None:
        return None
    found: dict[str, Any] = {"network_id": raw["network"]}
    if raw.get("enable_snat") is not None:
        found["enable_snat"] = raw["enable_snat"]
    if raw.get("external_fixed_ips"):
        found["external_fixed_ips"] = _fixed(raw["external_fixed_ips"])
    return found


class Link(Driver):
    """A thing that is a relation of two others: put and taken away by actions."""

    async def created(self, work: Work) -> bool:
        return True


class RouterInterface(Link):
    async def create(self, work: Work) -> str | None:
        router = str(_either(work, "router", "router_id"))
        body, mark = self._what(work)
        try:
            await work.cloud(
                "PUT",
                f"{BASE}/routers/{router}/add_router_interface",
                body,
                request_id=work.part.attempt,
            )
        except Refusal:
            if not await self._is_there(work, router, body):
                raise
        return f"{router}:{mark}"

    async def _is_there(self, work: Work, router: str, body: Mapping[str, Any]) -> bool:
        """Whether it was put there by a try before this one."""
        ports = (await work.cloud("GET", f"{BASE}/ports?device_id={router}"))["ports"]
        return any(
            one["id"] == body.get("port_id")
            or any(each["subnet_id"] == body.get("subnet_id") for each in one["fixed_ips"])
            for one in ports
        ) and bool(work.data.get("again"))

    def _what(self, work: Work) -> tuple[dict[str, Any], str]:
        if port := _either(work, "port", "port_id"):
            return {"port_id": port}, f"port_id={port}"
        subnet = _either(work, "subnet", "subnet_id")
        return {"subnet_id": subnet}, f"subnet_id={subnet}"

    async def delete(self, work: Work) -> None:
        if not work.part.physical_id:
            return
        router, _, mark = work.id.partition(":")
        name, _, value = mark.partition("=")
        await work.cloud.gone(
            "PUT", f"{BASE}/routers/{router}/remove_router_interface", {name: value}
        )

    def check_properties(self, name: str, properties: Mapping[str, Any]) -> None:
        given = [one for one in ("port", "port_id", "subnet", "subnet_id") if properties.get(one)]
        if not given:
            raise Wrong(
                f"Property error: {name}: One of the properties subnet, port must be specified."
            )
        if not (properties.get("router") or properties.get("router_id")):
            raise Wrong(f"Property error: {name}: Property router not assigned")

    async def check(self, work: Work) -> None:
        router = work.id.partition(":")[0]
        await work.cloud("GET", f"{BASE}/routers/{router}")


class RouterGateway(Link):
    async def create(self, work: Work) -> str | None:
        router = work.properties["router_id"]
        network = _either(work, "network", "network_id")
        await self._set(work, router, {"network_id": network})
        return f"{router}:{network}"

    async def _set(self, work: Work, router: str, info: dict[str, Any]) -> None:
        await work.cloud(
            "PUT", f"{BASE}/routers/{router}", {"router": {"external_gateway_info": info}}
        )

    async def delete(self, work: Work) -> None:
        if work.part.physical_id:
            router = work.id.partition(":")[0]
            await work.cloud.gone(
                "PUT", f"{BASE}/routers/{router}", {"router": {"external_gateway_info": {}}}
            )


class FloatingIP(Neutron):
    def body(self, work: Work) -> dict[str, Any]:
        found = super().body(work)
        found["floating_network_id"] = _either(work, "floating_network", "floating_network_id")
        return found


class FloatingIPAssociation(Link):
    async def create(self, work: Work) -> str | None:
        await self._put(work)
        return f"{work.properties['floatingip_id']}:{work.properties['port_id']}"

    async def _put(self, work: Work) -> None:
        body = {"port_id": work.properties["port_id"]}
        if work.properties["fixed_ip_address"]:
            body["fixed_ip_address"] = work.properties["fixed_ip_address"]
        await work.cloud(
            "PUT", f"{BASE}/floatingips/{work.properties['floatingip_id']}", {"floatingip": body}
        )

    async def update(self, work: Work, changed: Mapping[str, Any]) -> None:
        await self._put(work)

    async def delete(self, work: Work) -> None:
        if work.part.physical_id:
            floating = work.id.partition(":")[0]
            await work.cloud.gone(
                "PUT", f"{BASE}/floatingips/{floating}", {"floatingip": {"port_id": None}}
            )


class SecurityGroup(Neutron):
    """A group with its rules; the ones that a new group gets are replaced where others are given."""

    async def created(self, work: Work) -> bool:
        if work.properties["rules"] is not None and not work.data.get("rules"):
            await self._rules(work)
        await self._tag(work)
        return True

    async def _rules(self, work: Work) -> None:
        there = (await self.show(work))["security_group_rules"]
        desired = [self._rule(work, one) for one in work.properties["rules"] or ()]
        if any(one["direction"] == "egress" for one in desired):
            for one in there:
                await work.cloud.gone("DELETE", f"{BASE}/security-group-rules/{one['id']}")
        for one in desired:
            await work.cloud.added(f"{BASE}/security-group-rules", {"security_group_rule": one})
        work.data["rules"] = True

    def _rule(self, work: Work, raw: Mapping[str, Any]) -> dict[str, Any]:
        found = {
            name: value
            for name, value in raw.items()
            if value is not None and name != "remote_mode"
        }
        if raw["remote_mode"] == "remote_group_id":
            found.setdefault("remote_group_id", work.id)
        if found.get("remote_ip_prefix") == "0.0.0.0/0" and found.get("ethertype") == "IPv6":
            del found["remote_ip_prefix"]
        return {**found, "security_group_id": work.id}

    async def update(self, work: Work, changed: Mapping[str, Any]) -> None:
        await super().update(work, changed)
        if "rules" in changed:
            for one in (await self.show(work))["security_group_rules"]:
                if one["direction"] == "ingress" or any(
                    each["direction"] == "egress" for each in changed["rules"] or ()
                ):
                    await work.cloud.gone("DELETE", f"{BASE}/security-group-rules/{one['id']}")
            work.data["rules"] = False


class SecurityGroupRule(Neutron):
    def body(self, work: Work) -> dict[str, Any]:
        found = super().body(work)
        if str(found.get("protocol", "")).lower() == "any":
            del found["protocol"]
        return found


class ExtraRoutes(Link):
    """Routes that a router has beside its own."""

    async def create(self, work: Work) -> str | None:
        routes = work.properties["routes"] or []
        await self._do(work, "add_extraroutes", routes)
        return str(work.properties["router"])

    async def _do(self, work: Work, action: str, routes: list[Any]) -> None:
        if routes:
            router = work.properties["router"]
            await work.cloud(
                "PUT", f"{BASE}/routers/{router}/{action}", {"router": {"routes": routes}}
            )

    async def update(self, work: Work, changed: Mapping[str, Any]) -> None:
        before = (work.data.get("before") or {}).get("routes") or []
        after = work.properties["routes"] or []
        await self._do(work, "remove_extraroutes", [one for one in before if one not in after])
        await self._do(work, "add_extraroutes", [one for one in after if one not in before])

    async def delete(self, work: Work) -> None:
        if work.part.physical_id:
            try:
                await self._do(work, "remove_extraroutes", work.properties["routes"] or [])
            except Refusal as error:
                if error.status != 404:
                    raise


class Trunk(Neutron):
    def body(self, work: Work) -> dict[str, Any]:
        found = super().body(work)
        found["sub_ports"] = _subports(work.properties["sub_ports"])
        return found

    async def update(self, work: Work, changed: Mapping[str, Any]) -> None:
        await super().update(work, changed)
        if "sub_ports" not in changed:
            return
        before = _subports((work.data.get("before") or {}).get("sub_ports"))
        after = _subports(changed["sub_ports"])
        gone = [{"port_id": one["port_id"]} for one in before if one not in after]
        new = [one for one in after if one not in before]
        for action, some in (("remove_subports", gone), ("add_subports", new)):
            if some:
                await work.cloud("PUT", f"{self.address(work)}/{action}", {"sub_ports": some})


def _subports(raw: Any) -> list[dict[str, Any]]:
    return [
        {
            "port_id": one["port"],
            "segmentation_id": one["segmentation_id"],
            "segmentation_type": one["segmentation_type"],
        }
        for one in raw or ()
    ]


class QoSRule(Neutron):
    """A rule of a QoS policy, at an address below the policy's."""

    def place(self, work: Work) -> str:
        return self.path.replace("{policy}", str(work.properties["policy"]))


class PortForwarding(Neutron):
    def place(self, work: Work) -> str:
        return f"{BASE}/floatingips/{work.properties['floatingip']}/port_forwardings"


NAME = Property(update=True)
_NAMED = {"name": NAME, "value_specs": Property(type="map", default={}, update=True), "tags": LIST}
_POOL = Property(
    type="map", within={"start": Property(required=True), "end": Property(required=True)}
)
_ROUTE = Property(
    type="map", within={"destination": Property(required=True), "nexthop": Property(required=True)}
)
_FIXED_IP = Property(
    type="map",
    within={"subnet": SUBNET, "subnet_id": SUBNET, "ip_address": Property()},
)
_PAIR = Property(
    type="map", within={"mac_address": Property(), "ip_address": Property(required=True)}
)
_RULE = {
    "direction": Property(default="ingress", constraints=one_of("ingress", "egress")),
    "ethertype": Property(default="IPv4", constraints=one_of("IPv4", "IPv6")),
    "port_range_min": Property(type="integer", constraints=within(-1, 65535)),
    "port_range_max": Property(type="integer", constraints=within(-1, 65535)),
    "protocol": Property(),
    "remote_ip_prefix": Property(),
}
_SEGMENT = {
    "segmentation_id": Property(type="integer", constraints=within(1, 4094), required=True),
    "segmentation_type": Property(default="vlan", constraints=one_of("vlan", "inherit")),
    "port": Property(required=True, finds="neutron.port"),
}


def _qos(name: str, part: str, key: str, **properties: Property) -> ResourceType:
    driver = QoSRule(f"qos/policies/{{policy}}/{part}", key, same(*properties))
    policy = Property(required=True, finds="neutron.qos_policy")
    tenant = Property(refused="a rule belongs to its policy's project.")
    return ResourceType(
        name=f"OS::Neutron::{name}",
        service="network",
        properties={"policy": policy, "tenant_id": tenant, **properties},
        attributes={},
        driver=driver,
    )


TYPES = (
    ResourceType(
        name="OS::Neutron::Net",
        service="network",
        description="A resource for managing Neutron net.",
        properties={
            **_NAMED,
            "admin_state_up": Property(type="boolean", default=True, update=True),
            "tenant_id": Property(finds="keystone.project"),
            "shared": Property(type="boolean", default=False, update=True),
            "dhcp_agent_ids": Property(
                type="list", update=True, refused="networks here need no DHCP agents."
            ),
            "port_security_enabled": TRUTH,
            "qos_policy": Property(update=True, finds="neutron.qos_policy"),
            "dns_domain": TEXT,
            "availability_zone_hints": LIST,
        },
        attributes=telling(
            "status",
            "name",
            "tenant_id",
            "admin_state_up",
            "mtu",
            "qos_policy_id",
            "l2_adjacency",
            "segments",
            subnets="list",
        ),
        driver=Neutron(
            "networks",
            "network",
            {
                **same(
                    "name",
                    "admin_state_up",
                    "tenant_id",
                    "shared",
                    "port_security_enabled",
                    "dns_domain",
                    "availability_zone_hints",
                ),
                "qos_policy": "qos_policy_id",
            },
            names="name",
            done=("ACTIVE",),
        ),
    ),
    ResourceType(
        name="OS::Neutron::ProviderNet",
        service="network",
        properties={
            **_NAMED,
            "network_type": Property(
                required=True,
                update=True,
                constraints=one_of("local", "vlan", "vxlan", "gre", "geneve", "flat"),
            ),
            "physical_network": TEXT,
            "segmentation_id": TEXT,
            "admin_state_up": Property(type="boolean", default=True, update=True),
            "shared": Property(type="boolean", default=True, update=True),
            "router_external": Property(type="boolean", default=False, update=True),
            "port_security_enabled": TRUTH,
            "dns_domain": TEXT,
        },
        attributes=telling("status", subnets="list"),
        driver=Neutron(
            "networks",
            "network",
            {
                **same("name", "admin_state_up", "shared", "port_security_enabled", "dns_domain"),
                "network_type": "provider:network_type",
                "physical_network": "provider:physical_network",
                "segmentation_id": "provider:segmentation_id",
                "router_external": "router:external",
            },
            names="name",
        ),
    ),
    ResourceType(
        name="OS::Neutron::Subnet",
        service="network",
        description="A resource for managing Neutron subnets.",
        properties={
            **_NAMED,
            "network": NETWORK,
            "network_id": NETWORK,
            "subnetpool": Property(finds="neutron.subnetpool"),
            "prefixlen": Property(type="integer", constraints=within(0)),
            "cidr": Property(),
            "dns_nameservers": Property(type="list", default=[], update=True),
            "gateway_ip": TEXT,
            "enable_dhcp": Property(type="boolean", default=True, update=True),
            "allocation_pools": Property(type="list", update=True, item=_POOL),
            "tenant_id": Property(finds="keystone.project"),
            "ip_version": Property(type="integer", default=4, constraints=one_of(4, 6)),
            "host_routes": Property(type="list", update=True, item=_ROUTE),
            "ipv6_ra_mode": Property(
                constraints=one_of("dhcpv6-stateful", "dhcpv6-stateless", "slaac")
            ),
            "ipv6_address_mode": Property(
                constraints=one_of("dhcpv6-stateful", "dhcpv6-stateless", "slaac")
            ),
            "segment": Property(finds="neutron.segment", update=True),
        },
        attributes=telling(
            "name",
            "network_id",
            "tenant_id",
            "cidr",
            "gateway_ip",
            "enable_dhcp",
            "ip_version",
            dns_nameservers="list",
            allocation_pools="list",
            host_routes="list",
        ),
        driver=Subnet(
            "subnets",
            "subnet",
            {
                **same(
                    "name",
                    "prefixlen",
                    "cidr",
                    "dns_nameservers",
                    "gateway_ip",
                    "enable_dhcp",
                    "allocation_pools",
                    "tenant_id",
                    "ip_version",
                    "host_routes",
                    "ipv6_ra_mode",
                    "ipv6_address_mode",
                ),
                "subnetpool": "subnetpool_id",
                "segment": "segment_id",
            },
            names="name",
        ),
    ),
    ResourceType(
        name="OS::Neutron::Port",
        service="network",
        description="A resource for managing Neutron ports.",
        after=("OS::Neutron::Subnet", "OS::Neutron::SecurityGroupRule"),
        properties={
            **_NAMED,
            "network": NETWORK,
            "network_id": NETWORK,
            "device_id": TEXT,
            "device_owner": TEXT,
            "fixed_ips": Property(type="list", update=True, item=_FIXED_IP),
            "security_groups": Property(
                type="list", update=True, item=Property(finds="neutron.security_group")
            ),
            "admin_state_up": Property(type="boolean", default=True, update=True),
            "mac_address": TEXT,
            "allowed_address_pairs": Property(type="list", update=True, item=_PAIR),
            "binding:vnic_type": Property(default="normal", update=True),
            "port_security_enabled": TRUTH,
            "qos_policy": Property(update=True, finds="neutron.qos_policy"),
            "dns_name": TEXT,
            "replacement_policy": Property(default="AUTO", update=True, constraints=one_of("AUTO")),
            "propagate_uplink_status": TRUTH,
            "no_fixed_ips": Property(
                type="boolean",
                default=False,
                update=True,
                refused="ports without addresses: use fixed_ips.",
            ),
        },
        attributes=telling(
            "admin_state_up",
            "device_id",
            "device_owner",
            "mac_address",
            "name",
            "network_id",
            "status",
            "tenant_id",
            "port_security_enabled",
            "qos_policy_id",
            "propagate_uplink_status",
            fixed_ips="list",
            security_groups="list",
            subnets="list",
            network="map",
            allowed_address_pairs="list",
            dns_assignment="map",
        ),
        driver=Port(
            "ports",
            "port",
            {
                **same(
                    "name",
                    "device_id",
                    "device_owner",
                    "security_groups",
                    "admin_state_up",
                    "mac_address",
                    "allowed_address_pairs",
                    "binding:vnic_type",
                    "port_security_enabled",
                    "dns_name",
                    "propagate_uplink_status",
                ),
                "qos_policy": "qos_policy_id",
            },
            names="name",
        ),
    ),
    ResourceType(
        name="OS::Neutron::Router",
        service="network",
        description="A resource that implements Neutron router.",
        after=("OS::Neutron::Subnet",),
        properties={
            **_NAMED,
            "external_gateway_info": Property(
                type="map",
                update=True,
                within={
                    "network": Property(required=True, finds="neutron.network"),
                    "enable_snat": TRUTH,
                    "external_fixed_ips": Property(
                        type="list",
                        item=Property(
                            type="map", within={"ip_address": Property(), "subnet": SUBNET}
                        ),
                    ),
                },
            ),
            "admin_state_up": Property(type="boolean", default=True, update=True),
            "distributed": Property(type="boolean"),
            "ha": Property(type="boolean"),
            "l3_agent_id": Property(update=True, refused="routers here need no agents."),
            "l3_agent_ids": Property(
                type="list", update=True, refused="routers here need no agents."
            ),
            "availability_zone_hints": LIST,
        },
        attributes=telling(
            "status",
            "name",
            "admin_state_up",
            "tenant_id",
            external_gateway_info="map",
            external_fixed_ips="list",
        ),
        driver=Router(
            "routers",
            "router",
            same("name", "admin_state_up", "distributed", "ha", "availability_zone_hints"),
            names="name",
            done=("ACTIVE",),
        ),
    ),
    ResourceType(
        name="OS::Neutron::RouterInterface",
        service="network",
        properties={
            "router": Property(finds="neutron.router"),
            "router_id": Property(finds="neutron.router"),
            "subnet": SUBNET,
            "subnet_id": SUBNET,
            "port": Property(finds="neutron.port"),
            "port_id": Property(finds="neutron.port"),
        },
        attributes={},
        driver=RouterInterface(),
    ),
    ResourceType(
        name="OS::Neutron::RouterGateway",
        service="network",
        after=("OS::Neutron::RouterInterface", "OS::Neutron::Subnet"),
        properties={
            "router_id": Property(required=True, finds="neutron.router"),
            "network": NETWORK,
            "network_id": NETWORK,
        },
        attributes={},
        driver=RouterGateway(),
    ),
    ResourceType(
        name="OS::Neutron::FloatingIP",
        service="network",
        after=("OS::Neutron::RouterInterface", "OS::Neutron::RouterGateway"),
        properties={
            "floating_network": NETWORK,
            "floating_network_id": NETWORK,
            "floating_subnet": SUBNET,
            "port_id": Property(update=True, finds="neutron.port"),
            "fixed_ip_address": TEXT,
            "floating_ip_address": Property(),
            "dns_name": TEXT,
            "dns_domain": TEXT,
            "value_specs": Property(type="map", default={}),
            "tags": LIST,
        },
        attributes=telling(
            "router_id",
            "tenant_id",
            "floating_network_id",
            "fixed_ip_address",
            "floating_ip_address",
            "port_id",
        ),
        driver=FloatingIP(
            "floatingips",
            "floatingip",
            {
                **same(
                    "port_id", "fixed_ip_address", "floating_ip_address", "dns_name", "dns_domain"
                ),
                "floating_subnet": "subnet_id",
            },
        ),
    ),
    ResourceType(
        name="OS::Neutron::FloatingIPAssociation",
        service="network",
        after=("OS::Neutron::RouterInterface",),
        properties={
            "floatingip_id": Property(required=True, update=True),
            "port_id": Property(required=True, update=True, finds="neutron.port"),
            "fixed_ip_address": TEXT,
        },
        attributes={},
        driver=FloatingIPAssociation(),
    ),
    ResourceType(
        name="OS::Neutron::FloatingIPPortForward",
        service="network",
        properties={
            "internal_ip_address": TEXT,
            "internal_port_number": Property(
                type="integer", required=True, update=True, constraints=within(1, 65535)
            ),
            "external_port": Property(
                type="integer", required=True, update=True, constraints=within(1, 65535)
            ),
            "internal_port": Property(required=True, update=True, finds="neutron.port"),
            "protocol": Property(
                required=True,
                update=True,
                constraints=one_of("tcp", "udp", "icmp", "icmp6", "sctp", "dccp"),
            ),
            "floatingip": Property(required=True, finds="neutron.floating_ip"),
        },
        attributes={},
        driver=PortForwarding(
            "",
            "port_forwarding",
            {
                **same("internal_ip_address", "external_port", "protocol"),
                "internal_port_number": "internal_port",
                "internal_port": "internal_port_id",
            },
        ),
    ),
    ResourceType(
        name="OS::Neutron::SecurityGroup",
        service="network",
        properties={
            "name": NAME,
            "description": TEXT,
            "tags": LIST,
            "rules": Property(
                type="list",
                update=True,
                item=Property(
                    type="map",
                    within={
                        **_RULE,
                        "remote_group_id": Property(finds="neutron.security_group"),
                        "remote_mode": Property(
                            default="remote_ip_prefix",
                            constraints=one_of("remote_ip_prefix", "remote_group_id"),
                        ),
                    },
                ),
            ),
        },
        attributes=telling("name", "description"),
        driver=SecurityGroup(
            "security-groups", "security_group", same("name", "description"), names="name"
        ),
    ),
    ResourceType(
        name="OS::Neutron::SecurityGroupRule",
        service="network",
        properties={
            **_RULE,
            "protocol": Property(default="tcp"),
            "description": Property(),
            "security_group": Property(required=True, finds="neutron.security_group"),
            "remote_group": Property(finds="neutron.security_group"),
            "remote_address_group": Property(finds="neutron.address_group"),
        },
        attributes=telling(*_RULE),
        driver=SecurityGroupRule(
            "security-group-rules",
            "security_group_rule",
            {
                **same(*_RULE, "description"),
                "security_group": "security_group_id",
                "remote_group": "remote_group_id",
                "remote_address_group": "remote_address_group_id",
            },
            put="",
        ),
    ),
    ResourceType(
        name="OS::Neutron::SubnetPool",
        service="network",
        properties={
            **_NAMED,
            "prefixes": Property(type="list", required=True, update=True),
            "address_scope": Property(update=True, finds="neutron.address_scope"),
            "default_quota": Property(type="integer", update=True, constraints=within(0)),
            "default_prefixlen": Property(type="integer", update=True, constraints=within(0)),
            "min_prefixlen": Property(type="integer", update=True, constraints=within(0)),
            "max_prefixlen": Property(type="integer", update=True, constraints=within(0)),
            "is_default": Property(type="boolean", default=False, update=True),
            "shared": Property(type="boolean", default=False),
            "tenant_id": Property(finds="keystone.project"),
        },
        attributes=telling("default_quota", "is_default"),
        driver=Neutron(
            "subnetpools",
            "subnetpool",
            {
                **same(
                    "name",
                    "prefixes",
                    "default_quota",
                    "default_prefixlen",
                    "min_prefixlen",
                    "max_prefixlen",
                    "is_default",
                    "shared",
                    "tenant_id",
                ),
                "address_scope": "address_scope_id",
            },
            names="name",
        ),
    ),
    ResourceType(
        name="OS::Neutron::AddressScope",
        service="network",
        properties={
            "name": NAME,
            "shared": Property(type="boolean", default=False, update=True),
            "tenant_id": Property(finds="keystone.project"),
            "ip_version": Property(type="integer", default=4, constraints=one_of(4, 6)),
        },
        attributes={},
        driver=Neutron(
            "address-scopes",
            "address_scope",
            same("name", "shared", "tenant_id", "ip_version"),
            names="name",
        ),
    ),
    ResourceType(
        name="OS::Neutron::RBACPolicy",
        service="network",
        properties={
            "object_type": Property(
                required=True,
                constraints=one_of(
                    "network", "qos_policy", "security_group", "address_scope", "subnetpool"
                ),
            ),
            "target_tenant": Property(required=True, update=True),
            "action": Property(
                required=True, constraints=one_of("access_as_shared", "access_as_external")
            ),
            "object_id": Property(required=True),
            "tenant_id": Property(finds="keystone.project"),
        },
        attributes={},
        driver=Neutron(
            "rbac-policies",
            "rbac_policy",
            same("object_type", "target_tenant", "action", "object_id", "tenant_id"),
        ),
    ),
    ResourceType(
        name="OS::Neutron::ExtraRouteSet",
        service="network",
        after=("OS::Neutron::RouterInterface",),
        properties={
            "router": Property(required=True, finds="neutron.router"),
            "routes": Property(type="list", update=True, default=[], item=_ROUTE),
        },
        attributes={},
        driver=ExtraRoutes(),
    ),
    ResourceType(
        name="OS::Neutron::Trunk",
        service="network",
        after=("OS::Neutron::Subnet",),
        properties={
            "name": NAME,
            "description": TEXT,
            "tags": LIST,
            "port": Property(required=True, finds="neutron.port"),
            "admin_state_up": TRUTH,
            "sub_ports": Property(
                type="list", update=True, default=[], item=Property(type="map", within=_SEGMENT)
            ),
        },
        attributes=telling("admin_state_up", "name", "port_id", "status", sub_ports="list"),
        driver=Trunk(
            "trunks",
            "trunk",
            {**same("name", "description", "admin_state_up"), "port": "port_id"},
            names="name",
        ),
    ),
    ResourceType(
        name="OS::Neutron::QoSPolicy",
        service="network",
        properties={
            "name": Property(required=True, update=True),
            "description": Property(default="", update=True),
            "shared": Property(type="boolean", default=False, update=True),
            "tenant_id": Property(finds="keystone.project"),
        },
        attributes=telling("rules"),
        driver=Neutron(
            "qos/policies", "policy", same("name", "description", "shared", "tenant_id")
        ),
    ),
    _qos(
        "QoSBandwidthLimitRule",
        "bandwidth_limit_rules",
        "bandwidth_limit_rule",
        max_kbps=Property(type="integer", required=True, update=True, constraints=within(0)),
        max_burst_kbps=Property(type="integer", default=0, update=True, constraints=within(0)),
        direction=Property(default="egress", update=True, constraints=one_of("egress", "ingress")),
    ),
    _qos(
        "QoSDscpMarkingRule",
        "dscp_marking_rules",
        "dscp_marking_rule",
        dscp_mark=Property(type="integer", required=True, update=True),
    ),
    _qos(
        "QoSMinimumBandwidthRule",
        "minimum_bandwidth_rules",
        "minimum_bandwidth_rule",
        min_kbps=Property(type="integer", required=True, update=True, constraints=within(0)),
        direction=Property(default="egress", update=True, constraints=one_of("egress", "ingress")),
    ),
)
