"""Tests nobody has to remember, made from the route tables."""

from __future__ import annotations

import pytest

from hanok.services.alarming.routes import ROUTES as ALARMING
from hanok.services.block_storage.routes import ROUTES as BLOCK_STORAGE
from hanok.services.compute.routes import ROUTES as COMPUTE
from hanok.services.identity.routes import ROUTES as IDENTITY
from hanok.services.image.routes import ROUTES as IMAGE
from hanok.services.key_manager.routes import ROUTES as KEY_MANAGER
from hanok.services.load_balancer.routes import ROUTES as LOAD_BALANCER
from hanok.services.metric.routes import ROUTES as METRIC
from hanok.services.network.routes import ROUTES as NETWORK
from hanok.services.orchestration.routes import ROUTES as ORCHESTRATION
from hanok.services.placement.routes import ROUTES as PLACEMENT
from hanok.services.shared_file_system.routes import ROUTES as SHARED_FILE_SYSTEM
from hanok.web.microversions import text
from hanok.web.routes import PUBLIC, Route
from tests.api.ways import own
from tests.cloud import (
    NEWEST,
    PASSWORD,
    Client,
    Cloud,
    a_flavor,
    a_network,
    a_server,
    an_image,
    settle,
)

MOUNTS = {
    "identity": ("", IDENTITY),
    "image": ("/image", IMAGE),
    "block-storage": ("/volume", BLOCK_STORAGE),
    "compute": ("/compute", COMPUTE),
    "placement": ("/placement", PLACEMENT),
    "network": ("/network", NETWORK),
    "load-balancer": ("/load-balancer", LOAD_BALANCER),
    "metric": ("/metric", METRIC),
    "alarming": ("/alarming", ALARMING),
    "orchestration": ("/heat-api", ORCHESTRATION),
    "shared-file-system": ("/share", SHARED_FILE_SYSTEM),
    "key-manager": ("/key-manager", KEY_MANAGER),
}
EXPERIMENTAL = "X-OpenStack-Manila-API-Experimental"
NOWHERE = "00000000-0000-4000-8000-000000000000"


def every() -> list[tuple[str, str, Route]]:
    return [(kind, mount, route) for kind, (mount, routes) in MOUNTS.items() for route in routes]


def address(mount: str, route: Route) -> str:
    """Of what is not there; a type of resources is, so that what is asked of it is read."""
    named = {"{resource_type}": "instance"}
    parts = [
        named.get(part, NOWHERE) if part.startswith("{") else part for part in route.path.split("/")
    ]
    return mount + "/".join(parts)


def headers(kind: str, route: Route) -> dict[str, str]:
    version = route.minimum or route.maximum
    name = "volume" if kind == "block-storage" else kind
    found = {"OpenStack-API-Version": f"{name} {text(version)}"} if version else {}
    return found | ({EXPERIMENTAL: "true"} if route.experimental else {})


async def test_no_route_answers_without_a_token(cloud: Cloud) -> None:
    for kind, mount, route in every():
        if route.rules[0] == PUBLIC:
            continue
        body = {route.body_key: None} if route.body_key else {}
        answer = await cloud.anonymous(
            route.method, address(mount, route), body, headers=headers(kind, route)
        )
        assert answer.status_code == 401, f"{kind} {route.method} {route.path}: {answer.text[:200]}"


BODIES: tuple[object, ...] = ([], "text", None, {"a": {"b": {}}})


@pytest.mark.parametrize(
    "body", [{"surprise": 1}, *(pytest.param(body, marks=pytest.mark.slow) for body in BODIES)]
)
async def test_no_body_gets_a_500(cloud: Cloud, body: object) -> None:
    admin = await cloud.sign_in()
    member = await cloud.project_with("p", "member")
    for client in (admin, member):
        for kind, mount, route in every():
            if route.rules[0] == PUBLIC or "tokens" in route.path:
                continue
            sent: object = {route.body_key: body} if route.body_key else body
            answer = await client(
                route.method, address(mount, route), sent, headers=headers(kind, route)
            )
            # What is in no version of ours is told so: queries in another language, say.
            assert answer.status_code < 500 or answer.status_code == 501, (
                f"{kind} {route.method} {route.path} {sent}: {answer.text[:300]}"
            )


async def test_strict_routes_refuse_an_unknown_key(cloud: Cloud) -> None:
    admin = await cloud.project_with("operators", "admin", "service")
    for kind, mount, route in every():
        if not route.strict:
            continue
        sent: dict[str, object] = {"nonsense_key": {"nonsense": 1}}
        if route.body_key:
            sent = {route.body_key: {"nonsense_key": 1}}
        answer = await admin(
            route.method, address(mount, route), sent, headers=headers(kind, route)
        )
        assert answer.status_code in (400, 404, 422), (
            f"{kind} {route.method} {route.path}: {answer.status_code} {answer.text[:300]}"
        )


async def _refused(client: Client, method: str, path: str) -> bool:
    return (await client(method, path)).status_code in (401, 403, 404)


async def test_a_token_of_nowhere_is_refused_everywhere(cloud: Cloud) -> None:
    stranger = Client(cloud.http, "gAAAAABnonsense")
    for kind, mount, route in every():
        if route.rules[0] == PUBLIC or route.method != "GET":
            continue
        answer = await stranger("GET", address(mount, route), headers=headers(kind, route))
        assert answer.status_code == 401, f"{kind} {route.path}"


async def _authority(cloud: Cloud, owner: Client) -> tuple[str, str, str]:
    """A credential and a trust of the owner, and a consumer."""
    admin = await cloud.sign_in()
    secret = {"credential": {"user_id": owner.user_id, "type": "cert", "blob": "secret"}}
    credential = (await owner.post("/v3/credentials", secret))["credential"]
    trust = {
        "trustor_user_id": owner.user_id,
        "trustee_user_id": admin.user_id,
        "project_id": owner.project_id,
        "impersonation": True,
        "roles": [{"name": "member"}],
    }
    made = (await owner.post("/v3/OS-TRUST/trusts", {"trust": trust}))["trust"]
    consumer = (await admin.post("/v3/OS-OAUTH1/consumers", {"consumer": {}}))["consumer"]
    return credential["id"], made["id"], consumer["id"]


async def _policies_with_rules(owner: Client) -> dict[tuple[str, str], str]:
    """A policy whose rules are named by its path, and one whose rules are named by their ids alone."""
    base, found = "/network/v2.0/qos/policies", {}
    for alias in ("alias_", ""):
        policy = (await owner.post(base, {"policy": {"name": "slow"}}))["policy"]["id"]
        for rule, values in (
            ("bandwidth_limit_rule", {"max_kbps": 1000}),
            ("minimum_bandwidth_rule", {"min_kbps": 500}),
            ("minimum_packet_rate_rule", {"min_kpps": 5}),
            ("dscp_marking_rule", {"dscp_mark": 8}),
        ):
            made = (await owner.post(f"{base}/{policy}/{rule}s", {rule: values}))[rule]["id"]
            found["network", f"{alias}{rule}_id"] = str(made)
        found["network", "policy_id" if not alias else "other_policy"] = str(policy)
    return found


async def _things(cloud: Cloud) -> tuple[Client, dict[tuple[str, str], str]]:
    """A project's things by service and name of the path's parameter."""
    admin = await cloud.sign_in()
    owner = await cloud.project_with("owner", "member", "manager")
    network = await a_network(owner)
    server = await a_server(owner, await an_image(owner), await a_flavor(admin), network)
    await settle(cloud)
    base = "/network/v2.0"
    router = await owner.post(f"{base}/routers", {"router": {"name": "r"}})
    group = await owner.post(f"{base}/security-groups", {"security_group": {"name": "g"}})
    public = (await owner.get(f"{base}/networks?router:external=true"))["networks"][0]["id"]
    requested = {"floatingip": {"floating_network_id": public}}
    floating = await owner.post(f"{base}/floatingips", requested)
    scope = {"address_scope": {"name": "s", "ip_version": 4}}
    scope = (await owner.post(f"{base}/address-scopes", scope))["address_scope"]
    pool = {"subnetpool": {"name": "p", "prefixes": ["10.40.0.0/16"]}}
    pool = (await owner.post(f"{base}/subnetpools", pool))["subnetpool"]
    addresses = {"address_group": {"name": "a", "addresses": ["10.9.0.0/24"]}}
    addresses = (await owner.post(f"{base}/address-groups", addresses))["address_group"]
    opened = {
        "object_type": "network",
        "object_id": network,
        "action": "access_as_shared",
        "target_tenant": "another",
    }
    opened = (await owner.post(f"{base}/rbac-policies", {"rbac_policy": opened}))["rbac_policy"]
    ports = (await owner.get(f"{base}/ports?device_id={server}"))["ports"]
    subnets = (await owner.get(f"{base}/subnets?network_id={network}"))["subnets"]
    ways = {"router": {"external_gateway_info": {"network_id": public}}}
    outward = (await owner.post(f"{base}/routers", ways))["router"]["id"]
    joined = {"subnet_id": subnets[0]["id"]}
    await owner("PUT", f"{base}/routers/{outward}/add_router_interface", joined, status=200)
    taken = (await owner.post(f"{base}/floatingips", requested))["floatingip"]["id"]
    forwarded = {
        "protocol": "tcp",
        "external_port": 80,
        "internal_port": 80,
        "internal_port_id": ports[0]["id"],
    }
    path = f"{base}/floatingips/{taken}/port_forwardings"
    forwarded = (await owner.post(path, {"port_forwarding": forwarded}))["port_forwarding"]
    rules = await _policies_with_rules(owner)
    logged = {"log": {"resource_type": "security_group"}}
    logged = (await owner.post(f"{base}/log/logs", logged))["log"]["id"]
    plain = {"security_groups_default_statefulness": {"stateful": True}}
    path = f"{base}/security-groups-default-statefulness"
    plain = (await owner.post(path, plain))["security_groups_default_statefulness"]["id"]
    lone = {"port": {"network_id": network}}
    lone = (await owner.post(f"{base}/ports", lone))["port"]["id"]
    trunk = {"trunk": {"name": "t", "port_id": lone}}
    trunk = (await owner.post(f"{base}/trunks", trunk))["trunk"]["id"]
    private = await an_image(owner, "private", visibility="private")
    credential, trust, consumer = await _authority(cloud, owner)
    wish = {"server_group": {"name": "g", "policy": "affinity"}}
    servers = await owner.post("/compute/v2.1/os-server-groups", wish, 200, headers=NEWEST)
    return owner, {
        ("compute", "server_group_id"): str(servers["server_group"]["id"]),
        ("identity", "credential_id"): credential,
        ("identity", "trust_id"): trust,
        ("identity", "consumer_id"): consumer,
        ("compute", "server_id"): server,
        ("image", "image_id"): private,
        ("network", "network_id"): network,
        ("network", "subnet_id"): str(subnets[0]["id"]),
        ("network", "port_id"): str(ports[0]["id"]),
        ("network", "router_id"): str(router["router"]["id"]),
        ("network", "security_group_id"): str(group["security_group"]["id"]),
        ("network", "floatingip_id"): str(floating["floatingip"]["id"]),
        ("network", "address_scope_id"): str(scope["id"]),
        ("network", "subnetpool_id"): str(pool["id"]),
        ("network", "address_group_id"): str(addresses["id"]),
        ("network", "rbac_policy_id"): str(opened["id"]),
        ("network", "port_forwarding_id"): str(forwarded["id"]),
        ("network", "floatingip_of_forwarding"): str(taken),
        ("network", "outward_router"): str(outward),
        ("network", "log_id"): str(logged),
        **rules,
        ("network", "trunk_id"): str(trunk),
        ("network", "security_groups_default_statefulness_id"): str(plain),
    }


# A load balancer or a secret of another project answers 403, as upstream has it; ids are random.
HIDING = own.KINDS - {"load-balancer", "key-manager"}
# What is a project's own, in services where what else stands in a path is everybody's.
OWNED = {
    "resource_id", "metric_id", "alarm_id", "stack_id", "stack_identity", "config_id",
    "deployment_id",
}  # fmt: skip


async def test_a_strangers_thing_answers_as_one_that_never_existed(cloud: Cloud) -> None:
    owner, things = await _things(cloud)
    for kind in sorted(HIDING):
        things |= await own.things(cloud, kind, owner, owner)
    stranger = await cloud.project_with("stranger", "member")
    tried = 0
    for kind, mount, route in every():
        names = [part[1:-1] for part in route.path.split("/") if part.startswith("{")]
        known = [name for name in names if (kind, name) in things]
        if len(known) != 1 if kind not in own.KINDS else not OWNED & set(known):
            continue
        empty = address(mount, route)
        path = "/".join(
            things.get((kind, part[1:-1]), NOWHERE) if part.startswith("{") else part
            for part in (mount + route.path).split("/")
        )
        body: object = {route.body_key: None} if route.body_key else {}
        if kind == "network":
            body = {known[0].removesuffix("_id"): {}}
        version = headers(kind, route)
        there = await stranger(route.method, path, body, headers=version)
        nowhere = await stranger(route.method, empty, body, headers=version)
        tried += 1
        assert there.status_code == nowhere.status_code >= 400, (
            f"{kind} {route.method} {route.path}: {there.status_code} for a stranger's, "
            f"{nowhere.status_code} for none: {there.text[:200]} / {nowhere.text[:200]}"
        )
    assert tried > 130


# What upstream tells everybody apart, and clients are written for: 404 when it is not there, 403 when it is not theirs.
# Of domains and groups that is told by one method alone; ids are random. docs/conformance.md has the reasons.
TOLD_APART = {
    ("GET", "/v3/roles/{role_id}"),
    ("PATCH", "/v3/roles/{role_id}"),
    ("DELETE", "/v3/roles/{role_id}"),
    ("PATCH", "/v3/domains/{domain_id}"),
    ("DELETE", "/v3/groups/{group_id}"),
}


async def test_identity_tells_a_stranger_what_exists_only_where_upstream_does(cloud: Cloud) -> None:
    admin = await cloud.sign_in()
    stranger = await cloud.project_with("stranger", "member")
    domain = (await admin.post("/v3/domains", {"domain": {"name": "d"}}))["domain"]["id"]
    things = {"domain_id": domain}
    for kind in ("role", "group", "user", "project"):
        requested = {
            kind: {"name": kind} if kind == "role" else {"name": kind, "domain_id": domain}
        }
        things[f"{kind}_id"] = (await admin.post(f"/v3/{kind}s", requested))[kind]["id"]
    told = set()
    for route in IDENTITY:
        named = [part[1:-1] for part in route.path.split("/") if part[1:-1] in things]
        for name in named if route.rules[0] != PUBLIC else ():
            path = "/".join(
                things[name] if part == f"{{{name}}}" else NOWHERE if part[:1] == "{" else part
                for part in route.path.split("/")
            )
            body = {name.removesuffix("_id"): {"description": "changed"}}
            there = await stranger(route.method, path, body)
            nowhere = await stranger(route.method, address("", route), body)
            assert min(there.status_code, nowhere.status_code) >= 400, f"{route.method} {path}"
            if there.status_code != nowhere.status_code:
                assert (there.status_code, nowhere.status_code) == (403, 404)
                told.add((route.method, route.path))
    assert told == TOLD_APART


async def test_anothers_application_credential_is_refused_under_ones_own_name(cloud: Cloud) -> None:
    owner = await cloud.project_with("owner", "member")
    stranger = await cloud.project_with("stranger", "member")
    path = f"/v3/users/{owner.user_id}/application_credentials"
    requested = {"application_credential": {"name": "n"}}
    theirs = (await owner.post(path, requested))["application_credential"]["id"]
    for user, one, status in (
        (stranger, theirs, 403),
        (stranger, NOWHERE, 404),
        (owner, theirs, 403),
        (owner, NOWHERE, 403),
    ):
        for method in ("GET", "DELETE"):
            path = f"/v3/users/{user.user_id}/application_credentials/{one}"
            await stranger(method, path, status=status)


async def _lent(cloud: Cloud) -> dict[str, Client]:
    """Tokens with all of an administrator's rights on a project, delegated in each way."""
    admin = await cloud.sign_in()
    owner = await cloud.project_with("lender", "admin")
    found = {}

    async def enter(identity: object, scope: object = None) -> Client:
        auth = {"auth": {"identity": identity, "scope": scope}}
        answer = await cloud.anonymous("POST", "/v3/auth/tokens", auth, status=201)
        return Client(cloud.http, answer.headers["X-Subject-Token"], answer.json()["token"])

    for name, unrestricted in (("restricted", False), ("unrestricted", True)):
        path = f"/v3/users/{owner.user_id}/application_credentials"
        requested = {"application_credential": {"name": name, "unrestricted": unrestricted}}
        made = (await owner.post(path, requested))["application_credential"]
        method = "application_credential"
        part = {"id": made["id"], "secret": made["secret"]}
        found[name] = await enter({"methods": [method], method: part})
    trust = {
        "trustor_user_id": owner.user_id,
        "trustee_user_id": admin.user_id,
        "project_id": owner.project_id,
        "impersonation": True,
        "roles": [{"name": "admin"}],
    }
    made = (await owner.post("/v3/OS-TRUST/trusts", {"trust": trust}))["trust"]
    password = {"user": {"id": admin.user_id, "password": PASSWORD}}
    identity = {"methods": ["password"], "password": password}
    found["trust"] = await enter(identity, {"OS-TRUST:trust": {"id": made["id"]}})
    return found


async def test_delegated_tokens_change_nothing_where_authority_is_made(cloud: Cloud) -> None:
    opened = {
        "restricted": ("always",),
        "unrestricted": ("always", "unrestricted", "bounded"),
        "trust": ("always", "bounded", "trust"),
    }
    for name, client in (await _lent(cloud)).items():
        assert "admin" in {role["name"] for role in client.body["roles"]}
        for kind, mount, route in every():
            if kind != "identity" or route.rules[0] == PUBLIC or route.method in ("GET", "HEAD"):
                continue
            if route.delegated in opened[name]:
                continue
            answer = await client(route.method, address(mount, route), {})
            assert answer.status_code == 403, (
                f"{name}: {route.method} {route.path}: {answer.status_code} {answer.text[:200]}"
            )
