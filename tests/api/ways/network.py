"""The network service's, and a good value of each attribute that has a rule of its own."""

from __future__ import annotations

from typing import Any

from tests.api.ways import Things, Way, Ways
from tests.cloud import Client

_TAGGED = {
    "networks": "network_id",
    "subnets": "subnet_id",
    "ports": "port_id",
    "routers": "router_id",
    "floatingips": "floatingip_id",
    "security-groups": "security_group_id",
}


async def ways(admin: Client, owner: Client, things: Things) -> Ways:
    """With a tag on everything."""
    group = things["network", "security_group_id"]
    rules = (await owner.get("/network/v2.0/security-group-rules"))["security_group_rules"]
    other = [one["id"] for one in rules if one["security_group_id"] != group]
    things["network", "security_group_rule_id"] = other[0]
    await admin("PUT", f"/network/v2.0/quotas/{owner.project_id}", {"quota": {"port": 7}})
    found: Ways = {
        ("POST /v2.0/floatingips", ""): Way(
            body={"floatingip": {"floating_network_id": things["network", "public"]}}
        ),
        ("POST /v2.0/ports", ""): Way(
            body={"port": {"network_id": things["network", "network_id"]}}
        ),
        ("POST /v2.0/subnets", ""): Way(
            body={
                "subnet": {
                    "network_id": things["network", "network_id"],
                    "ip_version": 4,
                    "cidr": "10.7.0.0/24",
                }
            }
        ),
        ("POST /v2.0/ports/{port_id}/bindings", ""): Way(body={"binding": {"host": "host-7"}}),
        ("POST /v2.0/security-group-rules", ""): Way(
            body={"security_group_rule": {"security_group_id": group, "direction": "ingress"}}
        ),
    }
    for plural, name in _TAGGED.items():
        one = {"resource_id": things["network", name], "tag": "red"}
        tags = f"/v2.0/{plural}/{{resource_id}}/tags"
        await owner("PUT", f"/network/v2.0/{plural}/{one['resource_id']}/tags/red", status=201)
        for method in ("GET", "POST", "PUT", "DELETE"):
            found[f"{method} {tags}", ""] = Way(path=one, body={"tags": ["red"]})
            found[f"{method} {tags}/{{tag}}", ""] = Way(path=one)
    return found


def values(things: Things) -> dict[str, dict[str, Any]]:
    """By kind of resource and attribute: what to send so that the attribute's own rule is asked."""
    subnet, public = things["network", "subnet_id"], things["network", "public"]
    address = {"subnet_id": subnet, "ip_address": "10.1.0.77"}
    return {
        "network": {
            "shared": True,
            "router:external": True,
            "is_default": True,
            "port_security_enabled": False,
            "provider:network_type": "geneve",
            "provider:physical_network": "public",
            "provider:segmentation_id": 77,
        },
        "port": {
            "mac_address": "fa:16:3e:00:00:77",
            "fixed_ips": [address],
            "fixed_ips:subnet_id": [{"subnet_id": subnet}],
            "fixed_ips:ip_address": [address],
            "device_id": "other",
            "device_owner": "network:dhcp",
            "port_security_enabled": False,
            "allowed_address_pairs": [{"ip_address": "10.1.0.78"}],
            "allowed_address_pairs:ip_address": [{"ip_address": "10.1.0.78"}],
            "allowed_address_pairs:mac_address": [
                {"ip_address": "10.1.0.78", "mac_address": "fa:16:3e:00:00:78"}
            ],
            "binding:host_id": "host-1",
            "binding:profile": {"label": "blue"},
            "binding:vnic_type": "normal",
        },
        "router": {
            "external_gateway_info": {"network_id": public},
            "external_gateway_info:network_id": {"network_id": public},
            "external_gateway_info:enable_snat": {"network_id": public, "enable_snat": True},
            "external_gateway_info:external_fixed_ips": {
                "network_id": public,
                "external_fixed_ips": [{"ip_address": "172.24.4.77"}],
            },
        },
        "floatingip": {"floating_ip_address": "172.24.4.78"},
    }
