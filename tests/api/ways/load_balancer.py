"""The load balancer service's."""

from __future__ import annotations

from typing import Any

from tests.api.ways import Things, Way, Ways
from tests.cloud import Client, Cloud, settle

BASE = "/load-balancer/v2.0/lbaas"
_API = "os_load-balancer_api"
_LBAAS = "/v2.0/lbaas"
_POOL: dict[str, Any] = {"protocol": "HTTP", "lb_algorithm": "ROUND_ROBIN"}
_MONITOR: dict[str, Any] = {"type": "HTTP", "delay": 5, "timeout": 3, "max_retries": 3}
_RULE = {"type": "PATH", "compare_type": "STARTS_WITH", "value": "/a"}


def graph(subnet: str, name: str = "") -> dict[str, Any]:
    """A load balancer that has one of everything."""
    member = {"address": "10.4.0.9", "protocol_port": 80, "name": name}
    monitor: dict[str, Any] = {**_MONITOR, "name": name}
    pool = {**_POOL, "name": name, "members": [member], "healthmonitor": monitor}
    policy = {"action": "REJECT", "name": name, "rules": [_RULE]}
    listener = {"protocol": "HTTP", "protocol_port": 80, "name": name}
    below = {**listener, "default_pool": pool, "l7policies": [policy]}
    return {"vip_subnet_id": subnet, "provider": "amphora", "name": name, "listeners": [below]}


async def a_subnet(client: Client) -> str:
    net = (await client.post("/network/v2.0/networks", {"network": {}}))["network"]["id"]
    body = {"subnet": {"network_id": net, "ip_version": 4, "cidr": "10.4.0.0/24"}}
    return str((await client.post("/network/v2.0/subnets", body))["subnet"]["id"])


async def a_balancer(client: Client, subnet: str, name: str = "") -> dict[str, Any]:
    body = {"loadbalancer": graph(subnet, name)}
    made: dict[str, Any] = (await client.post(f"{BASE}/loadbalancers", body))["loadbalancer"]
    return made


async def offers(admin: Client, name: str) -> dict[str, str]:
    """A flavor and an availability zone that nobody uses, with their profiles; ids by parameter of the path."""

    async def made(path: str, key: str, **values: Any) -> str:
        found = (await admin.post(f"{BASE}/{path}", {key: {"name": name, **values}}))[key]
        return str(found.get("id") or found["name"])

    by = {"provider_name": "amphora"}
    profile = await made("flavorprofiles", "flavorprofile", flavor_data="{}", **by)
    zones = "availability_zone_profile"
    zone = await made("availabilityzoneprofiles", zones, availability_zone_data="{}", **by)
    return {
        "flavorprofile_id": profile,
        "flavor_id": await made("flavors", "flavor", flavor_profile_id=profile),
        f"{zones}_id": zone,
        "availability_zone_id": await made(
            "availabilityzones", "availability_zone", **{f"{zones}_id": zone}
        ),
    }


async def things(cloud: Cloud, owner: Client, admin: Client) -> Things:
    """A load balancer of the owner's with one of everything, its amphora, and what operators offer."""
    subnet = await a_subnet(owner)
    made = await a_balancer(owner, subnet)
    await settle(cloud)
    (listener,), (pool,) = made["listeners"], made["pools"]
    (policy,) = listener["l7policies"]
    amphorae = (await admin.get("/load-balancer/v2.0/octavia/amphorae"))["amphorae"]
    found = {
        "loadbalancer_id": made["id"],
        "listener_id": listener["id"],
        "pool_id": pool["id"],
        "member_id": pool["members"][0]["id"],
        "healthmonitor_id": pool["healthmonitor"]["id"],
        "l7policy_id": policy["id"],
        "rule_id": policy["rules"][0]["id"],
        "amphora_id": amphorae[0]["id"],
        "subnet": subnet,
        "provider": "amphora",
        "project_id": owner.project_id,
        **await offers(admin, f"used-{made['id']}"),
    }
    return {("load-balancer", name): str(one) for name, one in found.items()}


async def ways(cloud: Cloud, admin: Client, other: Client, things: Things) -> Ways:
    """With a load balancer and a quota of another project."""
    own = {name: one for (kind, name), one in things.items() if kind == "load-balancer"}
    subnet = await a_subnet(other)
    bare = {"loadbalancer": {"vip_subnet_id": subnet, "provider": "amphora"}}
    await other.post(f"{BASE}/loadbalancers", bare)
    await a_balancer(other, subnet)
    pooled = {"pool": {"loadbalancer_id": own["loadbalancer_id"], **_POOL}}
    pool = (await admin.post(f"{BASE}/pools", pooled))["pool"]["id"]
    await settle(cloud)
    front = {"loadbalancer_id": own["loadbalancer_id"], "protocol": "HTTP"}
    lone = {"listener": {**front, "protocol_port": 82}}
    listener = (await admin.post(f"{BASE}/listeners", lone))["listener"]["id"]
    await settle(cloud)
    amphorae = (await admin.get("/load-balancer/v2.0/octavia/amphorae"))["amphorae"]
    theirs = [one["id"] for one in amphorae if one["id"] != own["amphora_id"]]
    for one in (other.project_id, own["project_id"]):
        await admin("PUT", f"{BASE}/quotas/{one}", {"quota": {"pool": 7}}, status=202)
    group = (await admin.get("/network/v2.0/security-groups"))["security_groups"][0]["id"]
    spare = await offers(admin, "spare")
    named: dict[str, Any] = {"name": "new"}
    by = {"provider_name": "amphora"}
    bodies: dict[str, dict[str, Any]] = {
        "loadbalancers": {"vip_subnet_id": own["subnet"]},
        "listeners": {**front, "protocol_port": 81},
        "pools": pooled["pool"],
        "healthmonitors": {"pool_id": pool, **_MONITOR},
        "l7policies": {"listener_id": own["listener_id"], "action": "REJECT"},
        "pools/{pool_id}/members": {"address": "10.4.0.10", "protocol_port": 80},
        "l7policies/{l7policy_id}/rules": {**_RULE, "value": "/b"},
        "flavorprofiles": {**named, **by, "flavor_data": "{}"},
        "flavors": {**named, "flavor_profile_id": own["flavorprofile_id"]},
        "availabilityzoneprofiles": {**named, **by, "availability_zone_data": "{}"},
        "availabilityzones": {
            **named,
            "availability_zone_profile_id": own["availability_zone_profile_id"],
        },
    }
    found: Ways = {}
    for path, body in bodies.items():
        key, one = _names(path)
        change = {"description": "d"} if path == "availabilityzones" else named
        change = {"invert": True} if key == "rule" else change
        found[f"POST {_LBAAS}/{path}", ""] = Way(body={key: body})
        found[f"PUT {_LBAAS}/{path}/{{{one}}}", ""] = Way(body={key: change})
        if one in spare:
            found[f"DELETE {_LBAAS}/{path}/{{{one}}}", ""] = Way(path=spare)
    lists = ("loadbalancer", "listener", "pool", "healthmonitor", "l7policy", "quota")
    for name in lists:
        rule = f"{_API}:{name}:get_all"
        path = "l7policies" if name == "l7policy" else f"{name}s"
        found[f"GET {_LBAAS}/{path}", rule] = Way(beside={f"{rule}-global": "!"})
    grouped = {"loadbalancer": {**bodies["loadbalancers"], "vip_sg_ids": [group]}}
    member = {"address": "10.4.0.9", "protocol_port": 80, "weight": 3}
    found |= {
        (f"POST {_LBAAS}/loadbalancers", f"{_API}:loadbalancer:post:vip_sg_ids"): Way(body=grouped),
        (f"PUT {_LBAAS}/pools/{{pool_id}}/members", ""): Way(body={"members": [member]}),
        (f"PUT {_LBAAS}/quotas/{{project_id}}", ""): Way(body={"quota": {"listener": 7}}),
    }
    # What fails over has another amphora then.
    amphora = "/v2.0/octavia/amphorae/{amphora_id}"
    for at, one in (
        (f"PUT {amphora}/config", theirs[0]),
        (f"PUT {amphora}/failover", theirs[0]),
        (f"DELETE {amphora}", theirs[1]),
    ):
        found[at, ""] = Way(path={"amphora_id": one})
    # What is below them has doors of its own, and goes later.
    for path, one in (("listeners", listener), ("pools", pool)):
        way = Way(path={f"{path[:-1]}_id": str(one)})
        found[f"DELETE {_LBAAS}/{path}/{{{path[:-1]}_id}}", ""] = way
    found[f"DELETE {_LBAAS}/loadbalancers/{{loadbalancer_id}}", ""] = Way(query="cascade=true")
    return found


_ODD = {
    "l7policies": ("l7policy", "l7policy_id"),
    "availabilityzones": ("availability_zone", "availability_zone_id"),
    "availabilityzoneprofiles": ("availability_zone_profile", "availability_zone_profile_id"),
}


def _names(path: str) -> tuple[str, str]:
    """The key of a body, and the parameter of a path, of a collection."""
    last = path.rpartition("/")[2]
    return _ODD.get(last) or (last[:-1], f"{last[:-1]}_id")
