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
    "subnetpools": "subnetpool_id",
    "qos/policies": "policy_id",
    "policies": "other_policy",
    "trunks": "trunk_id",
    "network_segment_ranges": "network_segment_range_id",
    "segments": "segment_id",
}


async def ways(admin: Client, owner: Client, things: Things) -> Ways:
    """With a tag on everything."""
    group = things["network", "security_group_id"]
    net = things["network", "network_id"]
    seen = (await admin.get(f"/network/v2.0/segments?network_id={net}"))["segments"]
    things["network", "segment_id"] = seen[0]["id"]
    kept: dict[str, Any] = {"network_type": "vlan", "physical_network": "public"}
    kept = {"network_segment_range": {**kept, "minimum": 900, "maximum": 910}}
    made = await admin.post("/network/v2.0/network_segment_ranges", kept)
    things["network", "network_segment_range_id"] = made["network_segment_range"]["id"]
    rules = (await owner.get("/network/v2.0/security-group-rules"))["security_group_rules"]
    other = [one["id"] for one in rules if one["security_group_id"] != group]
    things["network", "security_group_rule_id"] = other[0]
    await admin("PUT", f"/network/v2.0/quotas/{owner.project_id}", {"quota": {"port": 7}})
    begins = await admin.get("/network/v2.0/default-security-group-rules")
    things["network", "default_security_group_rule_id"] = begins["default_security_group_rules"][0][
        "id"
    ]
    topology = {"project_id": str(owner.project_id)}
    found: Ways = {
        ("GET /v2.0/auto-allocated-topology/{project_id}", ""): Way(
            path=topology, query="fields=dry-run"
        ),
        ("DELETE /v2.0/auto-allocated-topology/{project_id}", ""): Way(path=topology),
        ("POST /v2.0/default-security-group-rules", ""): Way(
            body={"default_security_group_rule": {"direction": "ingress", "protocol": "tcp"}}
        ),
        ("POST /v2.0/security-groups-default-statefulness", ""): Way(
            body={"security_groups_default_statefulness": {"project_id": "another"}}
        ),
        (
            "PUT /v2.0/security-groups-default-statefulness/{security_groups_default_statefulness_id}",
            "",
        ): Way(body={"security_groups_default_statefulness": {"stateful": True}}),
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
        ("POST /v2.0/address-scopes", ""): Way(
            body={"address_scope": {"name": "t", "ip_version": 4}}
        ),
        ("POST /v2.0/trunks", ""): Way(
            body={"trunk": {"name": "u", "port_id": things["network", "port_id"]}}
        ),
        **{
            (f"PUT /v2.0/trunks/{{trunk_id}}/{verb}_subports", ""): Way(body={"sub_ports": []})
            for verb in ("add", "remove")
        },
        ("POST /v2.0/qos/policies", ""): Way(body={"policy": {"name": "q"}}),
        ("POST /v2.0/qos/policies/{policy_id}/bandwidth_limit_rules", ""): Way(
            body={"bandwidth_limit_rule": {"max_kbps": 5, "direction": "ingress"}}
        ),
        ("POST /v2.0/qos/policies/{policy_id}/dscp_marking_rules", ""): Way(
            body={"dscp_marking_rule": {"dscp_mark": 8}}
        ),
        ("POST /v2.0/qos/policies/{policy_id}/minimum_bandwidth_rules", ""): Way(
            body={"minimum_bandwidth_rule": {"min_kbps": 5, "direction": "ingress"}}
        ),
        ("POST /v2.0/qos/policies/{policy_id}/minimum_packet_rate_rules", ""): Way(
            body={"minimum_packet_rate_rule": {"min_kpps": 5, "direction": "ingress"}}
        ),
        ("GET /v2.0/qos/rule-types/{rule_type}", ""): Way(path={"rule_type": "dscp_marking"}),
        ("POST /v2.0/subnetpools", ""): Way(
            body={"subnetpool": {"name": "q", "prefixes": ["10.42.0.0/16"]}}
        ),
        ("POST /v2.0/address-groups", ""): Way(body={"address_group": {"name": "b"}}),
        ("POST /v2.0/rbac-policies", ""): Way(
            body={
                "rbac_policy": {
                    "object_type": "network",
                    "object_id": things["network", "network_id"],
                    "action": "access_as_shared",
                    "target_tenant": "third",
                }
            }
        ),
        ("PUT /v2.0/subnetpools/{subnetpool_id}/add_prefixes", ""): Way(
            body={"prefixes": ["10.43.0.0/16"]}
        ),
        ("PUT /v2.0/subnetpools/{subnetpool_id}/remove_prefixes", ""): Way(
            body={"prefixes": ["10.43.0.0/16"]}
        ),
        ("PUT /v2.0/subnetpools/{subnetpool_id}/onboard_network_subnets", ""): Way(
            body={"network_id": things["network", "network_id"]}
        ),
        ("PUT /v2.0/address-groups/{address_group_id}/add_addresses", ""): Way(
            body={"addresses": ["10.8.0.0/24"]}
        ),
        ("PUT /v2.0/address-groups/{address_group_id}/remove_addresses", ""): Way(
            body={"addresses": ["10.8.0.0/24"]}
        ),
        ("POST /v2.0/security-group-rules", ""): Way(
            body={"security_group_rule": {"security_group_id": group, "direction": "ingress"}}
        ),
    }
    found |= await _hosted(admin, things)
    found |= _gateways(things)
    another = {"network_type": "geneve", "minimum": 7000, "maximum": 7010}
    further = {"network_id": net, "network_type": "vlan"}
    found["POST /v2.0/segments", ""] = Way(body={"segment": further})
    found["POST /v2.0/network_segment_ranges", ""] = Way(body={"network_segment_range": another})
    found |= await _proxied(admin, owner, things)
    found["POST /v2.0/log/logs", ""] = Way(body={"log": {"resource_type": "security_group"}})
    found |= await _flavors(admin)
    forwarding = "/v2.0/floatingips/{floatingip_id}/port_forwardings"
    taken = {"floatingip_id": things["network", "floatingip_of_forwarding"]}
    body = {
        "protocol": "tcp",
        "external_port": 81,
        "internal_port": 81,
        "internal_port_id": things["network", "port_id"],
    }
    found |= {
        (f"GET {forwarding}", ""): Way(path=taken),
        (f"POST {forwarding}", ""): Way(path=taken, body={"port_forwarding": body}),
        (f"GET {forwarding}/{{port_forwarding_id}}", ""): Way(path=taken),
        (f"PUT {forwarding}/{{port_forwarding_id}}", ""): Way(path=taken),
        (f"DELETE {forwarding}/{{port_forwarding_id}}", ""): Way(path=taken),
    }
    for plural, name in _TAGGED.items():
        one = {"resource_id": things["network", name], "tag": "red"}
        tags = f"/v2.0/{plural}/{{resource_id}}/tags"
        client = admin if "segment" in plural else owner
        await client("PUT", f"/network/v2.0/{plural}/{one['resource_id']}/tags/red", status=201)
        for method in ("GET", "POST", "PUT", "DELETE"):
            found[f"{method} {tags}", ""] = Way(path=one, body={"tags": ["red"]})
            found[f"{method} {tags}/{{tag}}", ""] = Way(path=one)
    return found


async def _proxied(admin: Client, owner: Client, things: Things) -> Ways:
    """A router with IPv6 on both sides, which answers for one of two ports."""
    base, ids = "/network/v2.0", []
    public = things["network", "public"]
    scope = {"address_scope": {"name": "six", "ip_version": 6, "shared": True}}
    scope_id = (await admin.post(f"{base}/address-scopes", scope))["address_scope"]["id"]
    pool = {"name": "six", "prefixes": ["2001:db8::/32"], "shared": True}
    body = {"subnetpool": {**pool, "address_scope_id": scope_id}}
    pool_id = (await admin.post(f"{base}/subnetpools", body))["subnetpool"]["id"]
    scoped = {"ip_version": 6, "subnetpool_id": pool_id}
    six = {"network_id": public, "cidr": "2001:db8:1::/64", **scoped}
    await admin.post(f"{base}/subnets", {"subnet": six})
    net = (await owner.post(f"{base}/networks", {"network": {}}))["network"]["id"]
    inside = {"network_id": net, "cidr": "2001:db8:2::/64", **scoped}
    subnet = (await owner.post(f"{base}/subnets", {"subnet": inside}))["subnet"]["id"]
    wish = {"external_gateway_info": {"network_id": public}, "enable_ndp_proxy": True}
    router = (await owner.post(f"{base}/routers", {"router": wish}))["router"]["id"]
    join = f"{base}/routers/{router}/add_router_interface"
    await owner("PUT", join, {"subnet_id": subnet}, status=200)
    for _ in "ab":
        ids.append((await owner.post(f"{base}/ports", {"port": {"network_id": net}}))["port"]["id"])
    one, other = ({"ndp_proxy": {"router_id": router, "port_id": port}} for port in ids)
    proxy = {"ndp_proxy_id": (await owner.post(f"{base}/ndp_proxies", one))["ndp_proxy"]["id"]}
    path = "/v2.0/ndp_proxies/{ndp_proxy_id}"
    return {
        ("POST /v2.0/ndp_proxies", ""): Way(body=other),
        **{(f"{how} {path}", ""): Way(path=proxy) for how in ("GET", "PUT", "DELETE")},
    }


async def _hosted(admin: Client, things: Things) -> Ways:
    """Agents, and the router with a gateway that is on their hosts."""
    agents = (await admin.get("/network/v2.0/agents?binary=ovn-controller"))["agents"]
    agent = {"agent_id": agents[0]["id"]}
    router, net = things["network", "outward_router"], things["network", "network_id"]
    on = "/v2.0/agents/{agent_id}/l3-routers"
    one, dhcp = {**agent, "router_id": router}, "/v2.0/agents/{agent_id}/dhcp-networks"
    return {
        ("GET /v2.0/routers/{router_id}/l3-agents", ""): Way(path=one),
        (f"GET {on}", ""): Way(path=agent),
        (f"POST {on}", ""): Way(path=agent, body={"router_id": router}),
        (f"PUT {on}/{{router_id}}", ""): Way(path=one, body={"ha_chassis_priority": 7}),
        (f"DELETE {on}/{{router_id}}", ""): Way(path=one),
        (f"GET {dhcp}", ""): Way(path=agent),
        (f"POST {dhcp}", ""): Way(path=agent, body={"network_id": net}),
        (f"DELETE {dhcp}/{{network_id}}", ""): Way(path={**agent, "network_id": net}),
    }


def _gateways(things: Things) -> Ways:
    """A gateway more, with each thing that a rule of its own is about."""
    one = {"network_id": things["network", "public"]}
    inner: dict[str, dict[str, Any]] = {
        "enable_snat": {"enable_snat": True},
        "external_fixed_ips": {"external_fixed_ips": [{"ip_address": "172.24.4.79"}]},
    }
    found: Ways = {}
    for how in ("add", "update", "remove"):
        route = f"PUT /v2.0/routers/{{router_id}}/{how}_external_gateways"
        body = {"router": {"external_gateways": [one]}}
        found[route, ""] = Way(body=body)
        for name, more in inner.items():
            rule = f"{how}_external_gateways:external_gateways:{name}"
            named = {"router": {"external_gateways": [{**one, **more}]}}
            found[route, rule] = Way(body=named)
    return found


async def _flavors(admin: Client) -> Ways:
    """A flavor with a profile, one without, and one profile that no flavor has."""
    base = "/network/v2.0"
    offered: dict[str, Any] = {"name": "f", "service_type": "L3_ROUTER_NAT"}
    ids = [(await admin.post(f"{base}/flavors", {"flavor": offered}))["flavor"]["id"] for _ in "ab"]
    said = {"service_profile": {"metainfo": "{}"}}
    profiles = [
        (await admin.post(f"{base}/service_profiles", said))["service_profile"]["id"] for _ in "abc"
    ]
    one, other = {"flavor_id": ids[0]}, {"flavor_id": ids[1]}
    bound = {"service_profile": {"id": profiles[0]}}
    await admin.post(f"{base}/flavors/{ids[0]}/service_profiles", bound)
    free = {"service_profile_id": profiles[2]}
    flavor, profile = "/v2.0/flavors", "/v2.0/service_profiles"
    return {
        (f"POST {flavor}", ""): Way(body={"flavor": offered}),
        (f"GET {flavor}/{{flavor_id}}", ""): Way(path=one),
        (f"PUT {flavor}/{{flavor_id}}", ""): Way(path=one, body={"flavor": {"name": "g"}}),
        (f"DELETE {flavor}/{{flavor_id}}", ""): Way(path=other),
        (f"POST {flavor}/{{flavor_id}}/service_profiles", ""): Way(
            path=one, body={"service_profile": {"id": profiles[1]}}
        ),
        (f"DELETE {flavor}/{{flavor_id}}/service_profiles/{{profile_id}}", ""): Way(
            path={**one, "profile_id": profiles[0]}
        ),
        (f"POST {profile}", ""): Way(body=said),
        (f"GET {profile}/{{service_profile_id}}", ""): Way(path=free),
        (f"PUT {profile}/{{service_profile_id}}", ""): Way(
            path=free, body={"service_profile": {"enabled": False}}
        ),
        (f"DELETE {profile}/{{service_profile_id}}", ""): Way(path=free),
    }


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
            "data_plane_status": "DOWN",
            "trusted": True,
        },
        "router": {
            "enable_default_route_bfd": True,
            "enable_default_route_ecmp": True,
            "external_gateway_info": {"network_id": public},
            "external_gateway_info:network_id": {"network_id": public},
            "external_gateway_info:enable_snat": {"network_id": public, "enable_snat": True},
            "external_gateway_info:external_fixed_ips": {
                "network_id": public,
                "external_fixed_ips": [{"ip_address": "172.24.4.77"}],
            },
        },
        "floatingip": {"floating_ip_address": "172.24.4.78"},
        "subnetpool": {"shared": True, "is_default": True},
        "address_scope": {"shared": True},
        "rbac_policy": {"target_tenant": "*"},
    }
