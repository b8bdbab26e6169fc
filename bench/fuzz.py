"""Requests that nobody would send, made from the project's own OpenAPI document.

`python -m bench.fuzz --requests N --seed S [--service NAME] [--database URL]`: a cloud with simulated hosts in this
process, served by the HTTP server of control over loopback; N requests of `bench.generated` on it; in the end what was
answered how often, and each way in which one failed: an answer of 500 or more, a connection that ended without an
answer, an answer that did not come, an error in the log. The status is 1 when there is one.

A cloud lives for some thousand requests, as administrators' requests wear it out; the next one is new.
`--postgres` starts a PostgreSQL server and runs on that.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import random
import re
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, nullcontext, suppress
from pathlib import Path
from typing import Any

import httpx
import uvicorn
from msgspec import Struct, field
from tests import postgres
from tests.api.identity.doors import a_consumer, an_access_token
from tests.api.ways import own
from tests.cloud import PASSWORD, Client, Cloud, a_flavor, a_network, a_server, an_image, running
from tests.web import serving

from bench.generated import Caller, Generator, Known, Sent
from bench.valid import RECIPES, Provider, World
from hanok.cli.commands.routes import mount, openapi_document
from hanok.web.proxy import FrontSettings

# Who sends it is trusted to pass on clients' certificates.
FRONT = FrontSettings(proxies=("127.0.0.1",), client_certificate_header="X-Front-Certificate")
LIFE = 4_000  # requests of one cloud
NOT_IMPLEMENTED = 501  # the API's own answer for what no host of this kind has (a maintenance mode)
FRESH = 500  # requests until its things are made anew
TO_THE_LETTER = 0.08  # the share of requests that recipes make
WAIT_S = 60.0  # for an answer; a machine under load is no failure
SLOW_S = 5.0
IDLE_S = (
    2.0  # after which a connection is not used again: the server ends it after 5, perhaps just now
)


class Found(Struct):
    """What came of the requests. failures: an example by what failed."""

    statuses: Counter[int] = field(default_factory=Counter)
    failures: dict[str, str] = field(default_factory=dict)
    failed: Counter[str] = field(default_factory=Counter)
    slow: list[str] = field(default_factory=list)
    worn_out: list[str] = field(default_factory=list)
    operations: set[str] = field(default_factory=set)
    succeeded: set[str] = field(default_factory=set)

    def fail(self, kind: str, example: str) -> None:
        self.failed[kind] += 1
        if kind not in self.failures:
            print(f"{kind}\n{example}", file=sys.stderr, flush=True)
        self.failures.setdefault(kind, example)


class _Log(logging.Handler):
    """Keeps what is logged as an error."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.said: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        error = record.exc_info[1] if record.exc_info else None
        trace = "".join(traceback.format_exception(error)[-6:]) if error else ""
        self.said.append(f"{record.getMessage()[:300]}\n{trace}")


class _Connection:
    """A client that sends bytes and reads one answer."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
        self._used_s = 0.0

    async def ask(self, sent: Sent) -> tuple[int, bytes]:
        """Status and body.

        Raises:
            ConnectionError: it ended without an answer.
        """
        if time.monotonic() - self._used_s > IDLE_S:
            self.close()
        if self._streams is None:
            self._streams = await asyncio.open_connection("127.0.0.1", self._port, limit=1 << 22)
        reader, writer = self._streams
        keep = False
        try:
            writer.write(sent.data)
            with suppress(ConnectionError):  # an answer may have come before all was sent
                await writer.drain()
            try:
                head = await reader.readuntil(b"\r\n\r\n")
                while head.startswith(b"HTTP/1.1 100"):
                    head = await reader.readuntil(b"\r\n\r\n")
            except asyncio.IncompleteReadError as error:
                raise ConnectionError(f"ended after {error.partial[:100]!r}") from None
            status = int(head[9:12])
            lower = head.lower()
            length = re.search(rb"\r\ncontent-length: *(\d+)", lower)
            body = b""
            if sent.method == "HEAD" or status in (204, 304):
                pass
            elif b"transfer-encoding: chunked" in lower:
                body = await _chunks(reader)
            elif length:
                body = await reader.readexactly(int(length[1]))
            else:
                body = await reader.read()
            keep = sent.whole and b"connection: close" not in lower and length is not None
            return status, body
        finally:
            self._used_s = time.monotonic()
            if not keep:
                self.close()

    def close(self) -> None:
        if self._streams is not None:
            self._streams[1].close()
            self._streams = None


async def _chunks(reader: asyncio.StreamReader) -> bytes:
    parts = []
    while size := int(await reader.readline(), 16):
        parts.append(await reader.readexactly(size))
        await reader.readexactly(2)
    await reader.readexactly(2)
    return b"".join(parts)


@asynccontextmanager
async def _listening(cloud: Cloud) -> AsyncIterator[int]:
    config = uvicorn.Config(
        cloud.control.app, host="127.0.0.1", port=0, http="httptools", lifespan="off", log_config=None,
        access_log=False, server_header=False, proxy_headers=False,
    )  # fmt: skip
    server = uvicorn.Server(config)
    config.load()
    server.lifespan = config.lifespan_class(config)
    await server.startup()
    try:
        yield int(server.servers[0].sockets[0].getsockname()[1])
    finally:
        await server.shutdown()


# ---- a small world ----


async def _furnish(
    cloud: Cloud, known: Known, number: int, provider: Provider
) -> tuple[list[Caller], World]:
    """Things of every service in a new project, and who may send requests."""
    admin = await cloud.sign_in()
    name = f"project-{number}"
    owner = await cloud.project_with(name, "member")
    reader = await cloud.project_with(f"reader-{number}", "reader")
    manager = await cloud.project_with(f"manager-{number}", "admin", "service", "manager")
    system = await cloud.sign_in(scope={"system": {"all": True}})
    roles = {role["name"]: role["id"] for role in (await admin.get("/v3/roles"))["roles"]}
    path = f"/v3/domains/default/users/{admin.user_id}/roles/{roles['admin']}"
    await admin("PUT", path, status=204)
    domain = await cloud.sign_in(scope={"domain": {"id": "default"}})
    add = known.add
    for service in ("identity", "compute", "network", "image"):
        add(service, "project_id", owner.project_id)
        add(service, "tenant_id", owner.project_id)
    add("image", "member_id", reader.project_id)
    lent = await _identity(admin, owner, known, number)
    await _the_rest(cloud, admin, owner, known, number)
    await _related(cloud, admin, owner, manager, known, number)
    await _built_on_these(cloud, admin, owner, known)
    if not number:
        await _bodies(cloud, manager, known)
    tokens = [await _lent(cloud, each) for each in lent]
    callers = [
        Caller("admin", admin.token, 40),
        Caller("member", owner.token, 20),
        Caller("reader", reader.token),
        Caller("manager", manager.token),
        Caller("system", system.token),
        Caller("domain", domain.token),
        *(Caller(f"application credential {at}", token) for at, token in enumerate(tokens)),
        Caller("nobody", "gAAAAABnonsense", 1),
        Caller("anonymous", "", 3),
    ]
    return callers, World(cloud, admin, owner, manager, provider)


async def _lent(cloud: Cloud, credential: dict[str, Any]) -> str:
    secret = {"id": credential["id"], "secret": credential["secret"]}
    auth = {"identity": {"methods": ["application_credential"], "application_credential": secret}}
    answer = await cloud.anonymous("POST", "/v3/auth/tokens", {"auth": auth}, status=201)
    return str(answer.headers["X-Subject-Token"])


async def _identity(
    admin: Client, owner: Client, known: Known, number: int
) -> list[dict[str, Any]]:
    """Things of identity; the owner's application credentials."""

    async def made(
        path: str, key: str, body: dict[str, Any], *names: str, by: Client = admin
    ) -> Any:
        found = (await by.post(f"/v3/{path}", {key: body}))[key]
        for name in names:
            known.add("identity", name, str(found["id"]))
        return found

    name = f"thing-{number}"
    known.add("identity", "user_id", owner.user_id)
    user = await made("users", "user", {"name": name, "password": PASSWORD}, "user_id")
    await made("projects", "project", {"name": name, "tags": ["a"]}, "project_id")
    await made("domains", "domain", {"name": name, "enabled": False}, "domain_id")
    await made("groups", "group", {"name": name}, "group_id")
    await made("roles", "role", {"name": name}, "role_id", "prior_role_id", "implied_role_id")
    await made("regions", "region", {"id": name}, "region_id")
    service = await made("services", "service", {"type": name}, "service_id")
    endpoint = {"service_id": service["id"], "interface": "public", "url": "http://a/%(tenant_id)s"}
    await made("endpoints", "endpoint", endpoint, "endpoint_id")
    await made("policies", "policy", {"type": "text/plain", "blob": "{}"}, "policy_id")
    group = {"name": name, "filters": {"service_id": service["id"]}}
    await made("OS-EP-FILTER/endpoint_groups", "endpoint_group", group, "endpoint_group_id")
    await made("OS-OAUTH1/consumers", "consumer", {}, "consumer_id")
    secret = {"user_id": owner.user_id, "type": "cert", "blob": "secret"}
    await made("credentials", "credential", secret, "credential_id", by=owner)
    trust = {
        "trustor_user_id": owner.user_id,
        "trustee_user_id": user["id"],
        "project_id": owner.project_id,
        "impersonation": True,
        "roles": [{"name": "member"}],
    }
    await made("OS-TRUST/trusts", "trust", trust, "trust_id", by=owner)
    idp = {"enabled": True, "remote_ids": [name]}
    answer = await admin(
        "PUT", f"/v3/OS-FEDERATION/identity_providers/{name}", {"identity_provider": idp}
    )
    if answer.status_code == 201:
        known.add("identity", "idp_id", name)
    rules = [{"local": [{"user": {"name": "{0}"}}], "remote": [{"type": "REMOTE_USER"}]}]
    await admin("PUT", f"/v3/OS-FEDERATION/mappings/{name}", {"mapping": {"rules": rules}})
    known.add("identity", "mapping_id", name)
    await admin(
        "PUT",
        f"/v3/OS-FEDERATION/identity_providers/{name}/protocols/saml2",
        {"protocol": {"mapping_id": name}},
    )
    known.add("identity", "protocol_id", "saml2")
    limit = {"service_id": service["id"], "resource_name": "a", "default_limit": 5}
    registered = await admin.post("/v3/registered_limits", {"registered_limits": [limit]})
    known.add("identity", "registered_limit_id", registered["registered_limits"][0]["id"])
    own = {
        "service_id": service["id"],
        "resource_name": "a",
        "resource_limit": 3,
        "project_id": owner.project_id,
    }
    limited = await admin.post("/v3/limits", {"limits": [own]})
    known.add("identity", "limit_id", limited["limits"][0]["id"])
    config = {
        "config": {
            "identity": {"driver": "ldap"},
            "ldap": {"url": "ldap://127.0.0.1:1", "password": "a"},
        }
    }
    domain = known.things["identity", "domain_id"][-1]
    await admin("PUT", f"/v3/domains/{domain}/config", config)
    for slot, value in (("group", "identity"), ("option", "driver"), ("tags/tag", "a")):
        known.add("identity", slot, value)
    found = []
    for restricted in (True, False):
        requested = {"name": f"{name}-{restricted}", "unrestricted": not restricted}
        path = f"users/{owner.user_id}/application_credentials"
        found.append(
            await made(
                path, "application_credential", requested, "application_credential_id", by=owner
            )
        )
    return found


async def _the_rest(cloud: Cloud, admin: Client, owner: Client, known: Known, number: int) -> None:
    """Things of the other services."""
    add = known.add
    network = await a_network(owner, cidr=f"10.{number % 200}.0.0/24")
    image = await an_image(owner)
    flavor = await a_flavor(admin, f"flavor-{number}")
    add("image", "image_id", image)
    add("image", "image_id", await an_image(owner, "shared", visibility="shared"))
    queued = await owner.post(
        "/image/v2/images", {"name": "q", "disk_format": "raw", "container_format": "bare"}
    )
    add("image", "image_id", queued["id"])
    add("image", "store_id", "file")
    add("compute", "image_id", image)
    add("compute", "flavor_id", flavor)
    await admin.post(
        f"/compute/v2.1/flavors/{flavor}/os-extra_specs",
        {"extra_specs": {"hw:cpu_policy": "shared"}},
        200,
    )
    add("compute", "os-extra_specs/key", "hw:cpu_policy")
    for _ in range(2):
        add("compute", "server_id", await a_server(owner, image, flavor, network))
    async with asyncio.timeout(60):
        await cloud.control.worker.settled()
    base = "/network/v2.0"
    add("network", "network_id", network)
    add("compute", "network_id", network)
    for kind, found in (
        ("subnet", (await owner.get(f"{base}/subnets?network_id={network}"))["subnets"]),
        ("port", (await owner.get(f"{base}/ports?network_id={network}"))["ports"]),
    ):
        for one in found:
            add("network", f"{kind}_id", str(one["id"]))
    public = (await owner.get(f"{base}/networks?router:external=true"))["networks"]
    if public:
        add("network", "floating_network_id", public[0]["id"])
        requested = {"floating_network_id": public[0]["id"]}
        one = await owner("POST", f"{base}/floatingips", {"floatingip": requested})
        if one.status_code == 201:
            add("network", "floatingip_id", one.json()["floatingip"]["id"])
    router = await owner.post(f"{base}/routers", {"router": {"name": "r"}})
    subnet = known.things["network", "subnet_id"][-1]
    path = f"{base}/routers/{router['router']['id']}"
    await owner("PUT", f"{path}/add_router_interface", {"subnet_id": subnet})
    add("network", "router_id", router["router"]["id"])
    group = await owner.post(f"{base}/security-groups", {"security_group": {"name": "g"}})
    first_rule = group["security_group"]["security_group_rules"][0]["id"]
    for service in ("network", "compute"):
        add(service, "security_group_id", group["security_group"]["id"])
        add(service, "security_group_rule_id", first_rule)
    key = await owner("POST", "/compute/v2.1/os-keypairs", {"keypair": {"name": f"key-{number}"}})
    if key.status_code == 200:
        add("compute", "keypair_name", f"key-{number}")
    services = (
        await admin.get(
            "/compute/v2.1/os-services", headers={"OpenStack-API-Version": "compute 2.104"}
        )
    )["services"]
    add("compute", "service_id", str(services[0]["id"]))
    newest = {"OpenStack-API-Version": "placement 1.39"}
    provider = await admin.post(
        "/placement/resource_providers", {"name": f"provider-{number}"}, 200, headers=newest
    )
    providers = (await admin.get("/placement/resource_providers", headers=newest))[
        "resource_providers"
    ]
    for each in (providers[0]["uuid"], provider["uuid"]):
        add("placement", "resource_providers/uuid", each)
    servers = known.things[("compute", "server_id")]
    add("placement", "consumer_uuid", servers[-1])
    for word in ("VCPU", "MEMORY_MB", "DISK_GB"):
        add("placement", "resource_class", word)
    for kind in ("traits", "resource_classes"):
        add("placement", f"{kind}/name", "CUSTOM_A")
        await admin("PUT", f"/placement/{kind}/CUSTOM_A", headers=newest)
    here = f"/placement/resource_providers/{provider['uuid']}"
    stock = {"resource_provider_generation": 0, "inventories": {"VCPU": {"total": 64}}}
    await admin("PUT", f"{here}/inventories", stock, headers=newest)
    kept = {"resource_provider_generation": 1, "aggregates": [provider["uuid"]]}
    await admin("PUT", f"{here}/aggregates", kept, headers=newest)
    kept = {"resource_provider_generation": 2, "traits": ["CUSTOM_A"]}
    await admin("PUT", f"{here}/traits", kept, headers=newest)
    space = f"Space::{number}"
    await admin.post("/image/v2/metadefs/namespaces", {"namespace": space, "visibility": "public"})
    add("image", "namespace_name", space)
    for kind, key_name in (
        ("objects", "object_name"),
        ("properties", "property_name"),
        ("tags/t", "tag_name"),
    ):
        body = (
            {"name": "t", "title": "t", "type": "string"} if kind == "properties" else {"name": "t"}
        )
        await admin(
            "POST",
            f"/image/v2/metadefs/namespaces/{space}/{kind}",
            body if "/" not in kind else None,
        )
        add("image", key_name, "t")


async def _related(
    cloud: Cloud, admin: Client, owner: Client, manager: Client, known: Known, number: int
) -> None:
    """What is only there for two or three things together, and is found again by its whole path."""
    things = known.things

    def last(name: str, service: str = "identity") -> str:
        return things[service, name][-1]

    role, group = last("role_id"), last("group_id")
    domain = (await admin.post("/v3/domains", {"domain": {"name": f"owns-{number}"}}))["domain"][
        "id"
    ]
    v3: list[str] = []
    for actor in (f"users/{owner.user_id}", f"groups/{group}"):
        for target in (f"projects/{owner.project_id}", f"domains/{domain}"):
            v3.append(f"{target}/{actor}/roles/{role}")
            v3.append(f"OS-INHERIT/{target}/{actor}/roles/{role}/inherited_to_projects")
        v3.append(f"system/{actor}/roles/{role}")
    other = (await admin.post("/v3/roles", {"role": {"name": f"implied-{number}"}}))["role"]["id"]
    policy, service, region = last("policy_id"), last("service_id"), last("region_id")
    about = f"policies/{policy}/OS-ENDPOINT-POLICY"
    v3 += [
        f"roles/{role}/implies/{other}",
        f"groups/{group}/users/{owner.user_id}",
        f"{about}/endpoints/{last('endpoint_id')}",
        f"{about}/services/{service}",
        f"{about}/services/{service}/regions/{region}",
        f"OS-EP-FILTER/endpoint_groups/{last('endpoint_group_id')}/projects/{owner.project_id}",
    ]
    for path in v3:
        await admin("PUT", f"/v3/{path}")
    trust = last("trust_id")
    for one in owner.body["roles"]:
        await owner("GET", f"/v3/OS-TRUST/trusts/{trust}/roles/{one['id']}")
    token, _ = await an_access_token(cloud, await a_consumer(cloud), manager)
    lent = f"/v3/users/{manager.user_id}/OS-OAUTH1/access_tokens/{token}"
    for path in (lent, f"{lent}/roles", f"{lent}/roles/{manager.body['roles'][0]['id']}"):
        await manager("GET", path)
    rules = [{"service": "image", "method": "GET", "path": "/v2/images"}]
    requested = {"application_credential": {"name": f"bounded-{number}", "access_rules": rules}}
    path = f"/v3/users/{owner.user_id}/application_credentials"
    made = await owner.post(path, requested)
    rule = made["application_credential"]["access_rules"][0]["id"]
    await admin("DELETE", f"{path}/{made['application_credential']['id']}")
    await owner("GET", f"/v3/users/{owner.user_id}/access_rules/{rule}")
    await admin("GET", "/v3/domains/default/config/security_compliance")
    await admin("GET", "/v3/domains/default/config/security_compliance/password_regex")
    await _related_of_others(admin, owner, known, number)


async def _related_of_others(admin: Client, owner: Client, known: Known, number: int) -> None:
    things = known.things
    server = things["compute", "server_id"][-1]
    image = things["image", "image_id"][0]
    here = f"/compute/v2.1/servers/{server}"
    newest = {"OpenStack-API-Version": "compute 2.104"}
    await owner("PUT", f"{here}/metadata/a", {"meta": {"a": "b"}})
    await owner("PUT", f"{here}/tags/a", headers=newest)
    await owner("GET", f"{here}/ips/net")
    private = await a_flavor(admin, f"private-{number}", **{"os-flavor-access:is_public": False})
    access = {"addTenantAccess": {"tenant": owner.project_id}}
    await admin("POST", f"/compute/v2.1/flavors/{private}/action", access)
    await admin("GET", f"/compute/v2.1/flavors/{private}/os-flavor-access")
    flavor = things["compute", "flavor_id"][0]
    specs = f"/compute/v2.1/flavors/{flavor}/os-extra_specs/hw:cpu_policy"
    await admin("PUT", specs, {"hw:cpu_policy": "shared"})
    known.add("compute", "hypervisor_id", "host-1")
    await admin("GET", f"/compute/v2.1/os-quota-sets/{owner.project_id}/detail")
    await owner("PUT", f"/image/v2/images/{image}/tags/a")
    space = things["image", "namespace_name"][-1]
    await admin("POST", f"/image/v2/metadefs/namespaces/{space}/tags/t")
    kind = {"name": "OS::Nova::Server"}
    await admin("POST", f"/image/v2/metadefs/namespaces/{space}/resource_types", kind)
    known.went(
        "/image/v2/metadefs/namespaces/{namespace_name}/resource_types/{name}",
        f"/image/v2/metadefs/namespaces/{space}/resource_types/OS::Nova::Server",
    )
    for many, name in (
        ("networks", "network"), ("ports", "port"), ("subnets", "subnet"), ("routers", "router"),
        ("security-groups", "security_group"),
    ):  # fmt: skip
        thing = things["network", f"{name}_id"][-1]
        await owner("PUT", f"/network/v2.0/{many}/{thing}/tags/a")


async def _built_on_these(cloud: Cloud, admin: Client, owner: Client, known: Known) -> None:
    """Things of the services that stand on the others, under the names that their paths have for them."""
    for kind in sorted(own.KINDS):
        for (_, name), value in (await own.things(cloud, kind, owner, admin)).items():
            known.add(kind.replace("-", "_"), name, value)
    for name, value in (
        ("name", "low"), ("output_key", "o"), ("type_name", "OS::Heat::Value"),
        ("template_version", "heat_template_version.2016-10-14"),
    ):  # fmt: skip
        known.add("metric" if name == "name" else "orchestration", name, value)


async def _bodies(cloud: Cloud, manager: Client, known: Known) -> None:
    """What these services' own bodies are like: not all of them are in the document."""
    for kind in sorted(own.KINDS):
        name = kind.replace("-", "_")
        things = await own.things(cloud, kind, manager, manager)
        for (called, _), way in (await own.ways(cloud, kind, manager, things)).items():
            method, path, *_ = called.split(" ")  # an action's name, and until which version
            if way.body is not None:
                known.taken(f"{method} {mount(name)}{path}", json.dumps(way.body).encode())


class _Memory:
    """Remembers what answers name, under the parameter that takes it."""

    def __init__(self, document: dict[str, Any], known: Known) -> None:
        self._known = known
        self._items: dict[str, list[str]] = {}
        self._patterns = {
            path: re.compile(re.sub(r"\{[^}]*\}", "[^/]+", path)) for path in document["paths"]
        }
        for path in document["paths"]:
            collection, _, last = path.rpartition("/")
            if last.startswith("{"):
                self._items.setdefault(collection, []).append(path)

    async def watch(self, request: httpx.Request) -> None:
        """Keep what the helpers send that make things."""
        path = request.url.path
        if path.startswith("/v3"):
            path = f"/identity{path}"
        fitting = [each for each, pattern in self._patterns.items() if pattern.fullmatch(path)]
        if not fitting:
            return
        form = min(fitting, key=lambda each: each.count("{"))
        body = request.read()
        if "json" in request.headers.get("content-type", ""):
            self._known.taken(f"{request.method} {form}", body)
        if request.method != "DELETE":
            self._known.went(form, path)

    def look(self, sent: Sent, body: bytes) -> None:
        operation = sent.operation.partition(": ")[2]
        if "json" in sent.kind:
            with suppress(ValueError, RecursionError):
                json.loads(sent.body)
                self._known.taken(operation, sent.body)
        form = operation.partition(" ")[2]
        path = sent.target.partition(b"?")[0].decode("latin-1")
        if sent.method == "DELETE":
            self._known.gone(form, path)
        elif path.isascii() and self._patterns[form].fullmatch(path):
            self._known.went(form, path)
        if sent.method not in ("GET", "POST"):
            return
        path = operation.rpartition(" ")[2].removesuffix("/detail")
        for item in self._items.get(path, ()):
            with suppress(ValueError):
                self._keep(item, json.loads(body))

    def _keep(self, item: str, answer: Any) -> None:
        if not isinstance(answer, dict):
            return
        values = answer.values() if len(answer) < 6 else [answer]
        for value in values:
            things = value[:3] if isinstance(value, list) else [value]
            for thing in things:
                self._keep_one(item, thing)

    def _keep_one(self, item: str, thing: Any) -> None:
        pieces = item.split("/")
        name = pieces[-1][1:-1]
        found: Any = thing if isinstance(thing, str) else None
        if isinstance(thing, dict):
            names = (name, name.rpartition("_")[2], name.partition("_")[0], "id", "uuid", "name")
            found = next((thing[each] for each in names if each in thing), None)
        if isinstance(found, str | int) and found:
            self._known.add(pieces[1], self._known.slot(item, len(pieces) - 1), str(found))


# ---- the run ----


async def fuzz(
    requests: int,
    seed: int,
    *,
    service: str | None = None,
    new_database: Callable[[], str] = str,
    say: Callable[[str], None] = lambda text: None,
) -> Found:
    """Send the requests; each cloud is a new one on a new database."""
    document = openapi_document(service)
    found = Found()
    log = _Log()
    logging.getLogger().addHandler(log)
    try:
        done = 0
        while done < requests:
            count = min(LIFE, requests - done)
            with tempfile.TemporaryDirectory(prefix="hanok-fuzz-") as folder:
                with serving() as web:
                    provider = Provider(web)
                    async with (
                        running(
                            Path(folder),
                            database=new_database(),
                            identity=provider.settings(),
                            front=FRONT,
                        ) as cloud,
                        _listening(cloud) as port,
                    ):
                        done += await _one_life(
                            cloud, port, document, count, f"{seed}.{done}", found, log, provider
                        )
            say(f"{done} requests, {sum(found.failed.values())} failures")
    finally:
        logging.getLogger().removeHandler(log)
    return found


async def _one_life(
    cloud: Cloud,
    port: int,
    document: dict[str, Any],
    count: int,
    seed: str,
    found: Found,
    log: _Log,
    provider: Provider,
) -> int:
    """Requests to one cloud until it is worn out; how many."""
    dice = random.Random(seed)
    connection = _Connection(port)
    generator = Generator(document, dice, Known())
    memory = _Memory(document, generator.known)
    await _spare(cloud, generator.known)
    cloud.http.event_hooks = {"request": [memory.watch]}
    log.said.clear()
    world: World | None = None
    for number in range(count):
        if number % FRESH == 0:
            try:
                generator.callers, world = await _furnish(
                    cloud, generator.known, number // FRESH, provider
                )
            except (AssertionError, LookupError) as error:
                if not number or log.said:
                    raise
                # An administrator has taken away what signing in needs, say.
                found.worn_out.append(f"after {number}: {str(error)[:200]}")
                count = number
                break
        sent = generator.next()
        if world is not None and dice.random() < TO_THE_LETTER:
            with suppress(AssertionError, LookupError):  # what it needs cannot be made any more
                requested = await dice.choice(RECIPES)(world)
                if requested.operation.partition(" ")[2] in document["paths"]:
                    sent = generator.bent(requested, 0.6)
            log.said.clear()
        await _one(connection, sent, memory, found, log)
    connection.close()
    return count


async def _spare(cloud: Cloud, known: Known) -> None:
    """What is there from the beginning is not handed out."""
    admin = await cloud.sign_in()
    for name in ("users", "projects", "domains", "roles", "services", "endpoints", "regions"):
        known.untouched |= {str(each["id"]) for each in (await admin.get(f"/v3/{name}"))[name]}


async def _one(
    connection: _Connection, sent: Sent, memory: _Memory, found: Found, log: _Log
) -> None:
    begun = time.monotonic()
    status, body = 0, b""
    example = f"{sent.operation}\n{sent.data[:1500]!r}"
    found.operations.add(sent.operation.partition(": ")[2])
    try:
        async with asyncio.timeout(WAIT_S):
            status, body = await connection.ask(sent)
    except (OSError, asyncio.IncompleteReadError) as error:
        # Whoever announces less than they send may lose the answer: the server closes with bytes unread, which TCP
        # tells by a reset.
        if sent.whole or not isinstance(error, ConnectionResetError):
            found.fail(f"no answer: {type(error).__name__}: {error}", example)
    except TimeoutError:
        found.fail(f"no answer in time: {sent.operation}", example)
    found.statuses[status] += 1
    took = time.monotonic() - begun
    if took > SLOW_S:
        found.slow.append(f"{took:.1f} s: {example[:600]}")
    if status >= 500 and status != NOT_IMPLEMENTED and not log.said:
        found.fail(f"{status}: {sent.operation}", f"{example}\n{body[:500]!r}")
    for said in log.said:
        where = said.strip().splitlines()
        frames = [line.strip() for line in where if "/hanok/" in line]
        kind = f"{status} {frames[-1] if frames else where[0]} {where[-1][:160]}"
        found.fail(kind, f"{example}\n{said}")
    log.said.clear()
    if 200 <= status < 400:  # several versions, or the way to a sign-in, are answers too
        found.succeeded.add(sent.operation.partition(": ")[2])
        memory.look(sent, body)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.fuzz")
    parser.add_argument("--requests", type=int, default=2_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--service")
    parser.add_argument("--postgres", action="store_true")
    args = parser.parse_args()
    begun = time.monotonic()
    with postgres.server() if args.postgres else nullcontext() as server:
        found = asyncio.run(
            fuzz(
                args.requests,
                args.seed,
                service=args.service,
                new_database=server.new_database if server else str,
                say=lambda text: print(text, file=sys.stderr, flush=True),
            )
        )
    for kind, times in found.failed.most_common():
        print(f"---- {times} times: {kind}\n{found.failures[kind]}\n")
    for text in [*found.slow, *found.worn_out]:
        print(text)
    total = sum(found.statuses.values())
    seconds = time.monotonic() - begun
    print(f"{total} requests of {len(found.operations)} operations in {seconds:.0f} s")
    print(f"{len(found.succeeded)} operations succeeded at least once")
    if never := sorted(found.operations - found.succeeded):
        print(f"{len(never)} never did:", *never, sep="\n  ")
    print(", ".join(f"{status}: {times}" for status, times in sorted(found.statuses.items())))
    print(f"{sum(found.failed.values())} failures")
    return 1 if found.failed else 0


if __name__ == "__main__":
    sys.exit(main())
