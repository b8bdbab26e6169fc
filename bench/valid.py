"""Requests that are right to the letter, for operations that no dice get right: signed ones, and those that need something
made for them first.

Each is a function that makes what it needs through the API and says what to send. `bench.fuzz` sends it as it is, or with
one thing in it bent.
"""

from __future__ import annotations

import base64
import hmac
import json
import re
from collections.abc import Awaitable, Callable
from email.utils import format_datetime
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa
from msgspec import Struct, field
from tests.api.identity.doors import (
    a_consumer,
    a_request_token,
    an_application_credential,
    an_ec2_key,
    oauth_headers,
    signed_ec2,
)
from tests.cloud import Client, Cloud
from tests.disks import qcow2
from tests.web import Page, Web

from hanok.base.clock import Clock
from hanok.base.ids import new_hex, new_uuid
from hanok.services.identity.facade import IdentitySettings
from hanok.services.identity.logic.openid import OpenIDSettings
from hanok.services.identity.logic.saml import SAMLSettings

PROVIDER, DASHBOARD = "acme", "https://dashboard.test/websso/"
NEWEST = {"placement": "placement 1.39", "compute": "compute 2.104"}


class Requested(Struct, kw_only=True):
    """A request. operation: its method and path in the document; path: where it goes; body: JSON, or bytes."""

    operation: str
    path: str
    token: str = ""
    body: Any = None
    kind: str = "application/json"
    headers: dict[str, str] = field(default_factory=dict)


class World(Struct):
    """A cloud, who is asking, and the provider of OpenID that it trusts. manager: an administrator of a project, and a service."""

    cloud: Cloud
    admin: Client
    owner: Client
    manager: Client
    provider: Provider


class Provider:
    """An OpenID provider that answers with what never changes: its keys, and where it is."""

    def __init__(self, web: Web) -> None:
        self.key = rsa.generate_private_key(65537, 2048)
        self.issuer = web.url("/idp")
        public = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(self.key.public_key()))
        about = {
            "issuer": self.issuer,
            "jwks_uri": f"{self.issuer}/keys",
            "authorization_endpoint": f"{self.issuer}/sign-in",
        }
        keys = {"keys": [{**public, "kid": "1", "use": "sig", "alg": "RS256"}]}
        for path, said in (("/.well-known/openid-configuration", about), ("/keys", keys)):
            web.pages[f"/idp{path}"] = Page(data=json.dumps(said).encode())

    def settings(self) -> IdentitySettings:
        """What is off until an operator wants it, on: its doors are to be tried, too."""
        one = OpenIDSettings(issuer=self.issuer, client_id="hanok")
        return IdentitySettings(
            password_rounds=4,
            openid={PROVIDER: one},
            trusted_dashboards=(DASHBOARD,),
            saml=SAMLSettings(entity_id="https://cloud.example.org/idp"),
        )

    def token(self) -> str:
        now = int(Clock().now().timestamp())
        said = {"iss": self.issuer, "aud": "hanok", "sub": "somebody", "iat": now, "exp": now + 600}
        return jwt.encode(said, self.key, algorithm="RS256", headers={"kid": "1"})


Recipe = Callable[[World], Awaitable[Requested]]


# ---- signed ----


def _signed(operation: str, path: str, **headers: str) -> Requested:
    return Requested(
        operation=f"POST /identity{operation}", path=f"/identity{path}", headers=headers
    )


async def oauth_request_token(world: World) -> Requested:
    path = "/v3/OS-OAUTH1/request_token"
    consumer = await a_consumer(world.cloud)
    project = {"Requested-Project-Id": world.manager.project_id}
    return _signed(path, path, **oauth_headers(path, consumer), **project)


async def oauth_authorize(world: World) -> Requested:
    consumer = await a_consumer(world.cloud)
    token, _ = await a_request_token(world.cloud, consumer, world.manager.project_id)
    return Requested(
        operation="PUT /identity/v3/OS-OAUTH1/authorize/{request_token_id}",
        path=f"/identity/v3/OS-OAUTH1/authorize/{token}",
        token=world.manager.token,
        body={"roles": [{"id": role["id"]} for role in world.manager.body["roles"]]},
    )


async def oauth_access_token(world: World) -> Requested:
    consumer, owner = await a_consumer(world.cloud), world.manager
    token = await a_request_token(world.cloud, consumer, owner.project_id)
    roles = {"roles": [{"id": role["id"]} for role in owner.body["roles"]]}
    said = await owner("PUT", f"/v3/OS-OAUTH1/authorize/{token[0]}", roles, status=200)
    path = "/v3/OS-OAUTH1/access_token"
    verifier = said.json()["token"]["oauth_verifier"]
    return _signed(path, path, **oauth_headers(path, consumer, token, verifier=verifier))


async def oauth2_token(world: World) -> Requested:
    credential = await an_application_credential(world.owner, name=new_hex())
    pair = f"{credential['id']}:{credential['secret']}".encode()
    path = "/v3/OS-OAUTH2/token"
    requested = _signed(path, path, Authorization=f"Basic {base64.b64encode(pair).decode()}")
    requested.body, requested.kind = (
        b"grant_type=client_credentials",
        "application/x-www-form-urlencoded",
    )
    return requested


async def ec2_token(world: World) -> Requested:
    key = await an_ec2_key(world.owner)
    path = "/identity/v3/ec2tokens"
    body = {"credentials": signed_ec2(key["access"], key["secret"])}
    return Requested(operation=f"POST {path}", path=path, token=world.admin.token, body=body)


async def s3_token(world: World) -> Requested:
    key = await an_ec2_key(world.owner)
    text = f"GET\n\n\n{format_datetime(Clock().now())}\n/bucket/object".encode()
    signature = base64.b64encode(hmac.digest(key["secret"].encode(), text, "sha1")).decode()
    token = base64.urlsafe_b64encode(text).decode()
    part = {"access": key["access"], "token": token, "signature": signature}
    path = "/identity/v3/s3tokens"
    return Requested(
        operation=f"POST {path}", path=path, token=world.admin.token, body={"credentials": part}
    )


# ---- another identity provider ----


async def _federated(world: World) -> str:
    """The provider and its protocol are there; returns the protocol's path."""
    admin, base = world.admin, "/v3/OS-FEDERATION"
    rules = [{"local": [{"user": {"name": "{0}"}}], "remote": [{"type": "OIDC-sub"}]}]
    idp = {"enabled": True, "remote_ids": [PROVIDER]}
    one = f"{base}/identity_providers/{PROVIDER}"
    await admin("PUT", f"{base}/mappings/{PROVIDER}", {"mapping": {"rules": rules}})
    await admin("PUT", one, {"identity_provider": idp})
    await admin("PUT", f"{one}/protocols/openid", {"protocol": {"mapping_id": PROVIDER}})
    return f"identity_providers/{PROVIDER}/protocols/openid"


def federated(method: str) -> Recipe:
    async def recipe(world: World) -> Requested:
        where = await _federated(world)
        place = (
            "/identity/v3/OS-FEDERATION/identity_providers/{idp_id}/protocols/{protocol_id}/auth"
        )
        return Requested(
            operation=f"{method} {place}",
            path=f"/identity/v3/OS-FEDERATION/{where}/auth",
            headers={"Authorization": f"Bearer {world.provider.token()}"},
        )

    return recipe


def websso(place: str) -> Recipe:
    async def recipe(world: World) -> Requested:
        await _federated(world)
        base = "/identity/v3/auth/OS-FEDERATION"
        path = place.replace("{idp_id}", PROVIDER).replace("{protocol_id}", "openid")
        return Requested(operation=f"GET {base}{place}", path=f"{base}{path}?origin={DASHBOARD}")

    return recipe


# ---- new names ----


def new(path: str, body: Any = None) -> Recipe:
    """PUT of something under a name that nobody has."""

    async def recipe(world: World) -> Requested:
        start = path.rpartition("/")[0]
        name = f"{'CUSTOM_' if path.startswith('/placement') else 'n'}{new_hex()[:12].upper()}"
        sent = json.loads(json.dumps(body).replace("{name}", name)) if body is not None else None
        return Requested(
            operation=f"PUT {path}",
            path=f"{start}/{name}",
            token=world.admin.token,
            body=sent,
            headers=_version(path),
        )

    return recipe


def _version(path: str) -> dict[str, str]:
    version = NEWEST.get(path.split("/")[1])
    return {"OpenStack-API-Version": version} if version else {}


async def trust(world: World) -> Requested:
    user = {"user": {"name": new_hex(), "password": "secret words"}}
    trustee = (await world.admin.post("/v3/users", user))["user"]["id"]
    path, owner = "/identity/v3/OS-TRUST/trusts", world.owner
    requested = {
        "trustor_user_id": owner.user_id,
        "trustee_user_id": trustee,
        "project_id": owner.project_id,
        "impersonation": False,
        "roles": [{"name": "member"}],
    }
    return Requested(
        operation=f"POST {path}", path=path, token=owner.token, body={"trust": requested}
    )


async def application_credential(world: World) -> Requested:
    owner = world.owner
    return Requested(
        operation="POST /identity/v3/users/{user_id}/application_credentials",
        path=f"/identity/v3/users/{owner.user_id}/application_credentials",
        token=owner.token,
        body={"application_credential": {"name": new_hex(), "unrestricted": False}},
    )


async def revoked(world: World) -> Requested:
    """The end of a token that nobody else uses."""
    user, project = world.owner.body["user"]["name"], world.owner.body["project"]["name"]
    token = (await world.cloud.sign_in(user, project=project)).token
    path = "/identity/v3/auth/tokens"
    return Requested(
        operation=f"DELETE {path}",
        path=path,
        token=world.admin.token,
        headers={"X-Subject-Token": token},
    )


def configured(part: str) -> Recipe:
    """A change of a domain's settings: of all, a group, or one option."""

    async def recipe(world: World) -> Requested:
        made = await world.admin.post("/v3/domains", {"domain": {"name": new_hex()}})
        domain = made["domain"]["id"]
        settings = {"ldap": {"url": "ldap://127.0.0.1:1", "suffix": "dc=a"}}
        await world.admin("PUT", f"/v3/domains/{domain}/config", {"config": settings}, status=201)
        changed: Any = {"url": "ldap://127.0.0.1:2"}
        place = part.replace("{group}", "ldap").replace("{option}", "url")
        return Requested(
            operation=f"PATCH /identity/v3/domains/{{domain_id}}/config{part}",
            path=f"/identity/v3/domains/{domain}/config{place}",
            token=world.admin.token,
            body={"config": changed if "{option}" in part else {"ldap": changed}},
        )

    return recipe


async def mapping(world: World) -> Requested:
    path = "/v3/OS-FEDERATION/mappings"
    name = new_hex()
    await world.admin("PUT", f"{path}/{name}", _RULES, status=201)
    return Requested(
        operation=f"PATCH /identity{path}/{{mapping_id}}",
        path=f"/identity{path}/{name}",
        token=world.admin.token,
        body=_RULES,
    )


# ---- placement: what counts generations ----


async def _provider(world: World, total: int = 8) -> tuple[str, dict[str, Any]]:
    """A new provider, and what its inventories are replaced with."""
    body, version = {"name": new_hex()}, _version("/placement")
    made = await world.admin.post("/placement/resource_providers", body, 200, headers=version)
    stock = {"resource_provider_generation": 0, "inventories": {"VCPU": {"total": total}}}
    return str(made["uuid"]), stock


def provided(kind: str) -> Recipe:
    async def recipe(world: World) -> Requested:
        provider, stock = await _provider(world)
        bodies: dict[str, Any] = {
            "inventories": stock,
            "aggregates": {"aggregates": [new_uuid()], "resource_provider_generation": 0},
            "traits": {"traits": ["HW_CPU_X86_AVX"], "resource_provider_generation": 0},
        }
        return Requested(
            operation=f"PUT /placement/resource_providers/{{uuid}}/{kind}",
            path=f"/placement/resource_providers/{provider}/{kind}",
            token=world.admin.token,
            body=bodies[kind],
            headers=_version("/placement"),
        )

    return recipe


def _allocated(world: World, provider: str) -> dict[str, Any]:
    return {
        "allocations": {provider: {"resources": {"VCPU": 1}}},
        "project_id": world.owner.project_id,
        "user_id": world.owner.user_id,
        "consumer_generation": None,
        "consumer_type": "INSTANCE",
    }


def allocated(operation: str) -> Recipe:
    async def recipe(world: World) -> Requested:
        provider, stock = await _provider(world)
        version, consumer = _version("/placement"), new_uuid()
        if "reshaper" not in operation:
            path = f"/placement/resource_providers/{provider}/inventories"
            await world.admin("PUT", path, stock, headers=version, status=200)
        one = _allocated(world, provider)
        body: dict[str, Any] = {consumer: one}
        if "reshaper" in operation:
            body = {"inventories": {provider: stock}, "allocations": {consumer: one}}
        elif operation.startswith("PUT"):
            body = one
        return Requested(
            operation=operation,
            path=operation.partition(" ")[2].replace("{consumer_uuid}", consumer),
            token=world.manager.token,
            body=body,
            headers=version,
        )

    return recipe


async def resource_class(world: World) -> Requested:
    path, name = "/placement/resource_classes", f"CUSTOM_{new_hex()[:12].upper()}"
    return Requested(
        operation=f"POST {path}",
        path=path,
        token=world.admin.token,
        body={"name": name},
        headers=_version(path),
    )


# ---- compute ----


async def service_enabled(world: World) -> Requested:
    path, version = "/compute/v2.1/os-services", _version("/compute")
    services = (await world.admin.get(path, headers=version))["services"]
    service = next(each for each in services if each["binary"] == "nova-compute")
    return Requested(
        operation=f"PUT {path}/{{service_id}}",
        path=f"{path}/{service['id']}",
        token=world.admin.token,
        body={"status": "enabled"},
        headers=version,
    )


async def rule_by_compute(world: World) -> Requested:
    base = "/compute/v2.1"
    group = {"security_group": {"name": "a", "description": ""}}
    made = (await world.owner.post(f"{base}/os-security-groups", group, 200))["security_group"]
    rule = {
        "parent_group_id": made["id"],
        "ip_protocol": "tcp",
        "from_port": 22,
        "to_port": 23,
        "cidr": "10.0.0.0/8",
    }
    path = f"{base}/os-security-group-rules"
    return Requested(
        operation=f"POST {path}",
        path=path,
        token=world.owner.token,
        body={"security_group_rule": rule},
    )


async def console_token(world: World) -> Requested:
    """What an address of a console leads to."""
    base, version = "/compute/v2.1", _version("/compute")
    servers = (await world.owner.get(f"{base}/servers?status=ACTIVE"))["servers"]
    body = {"remote_console": {"protocol": "serial", "type": "serial"}}
    path = f"{base}/servers/{servers[0]['id']}/remote-consoles"
    said = await world.owner.post(path, body, 200, headers=version)
    found = re.search(r"token(?:=|%3D)([\w-]+)", said["remote_console"]["url"])
    assert found is not None
    place = f"{base}/os-console-auth-tokens"
    return Requested(
        operation=f"GET {place}/{{console_token}}",
        path=f"{place}/{found[1]}",
        token=world.manager.token,
        headers=version,
    )


# ---- images ----


async def image_import(world: World) -> Requested:
    described = {"name": "i", "disk_format": "qcow2", "container_format": "bare"}
    image = (await world.owner.post("/image/v2/images", described))["id"]
    octets = {"Content-Type": "application/octet-stream"}
    path = f"/image/v2/images/{image}"
    await world.owner("PUT", f"{path}/stage", content=qcow2(), headers=octets, status=204)
    return Requested(
        operation="POST /image/v2/images/{image_id}/import",
        path=f"{path}/import",
        token=world.owner.token,
        body={"method": {"name": "glance-direct"}, "stores": ["file"]},
    )


async def tags_of_definitions(world: World) -> Requested:
    path, space = "/image/v2/metadefs/namespaces", f"Space::{new_hex()}"
    await world.admin.post(path, {"namespace": space})
    return Requested(
        operation=f"POST {path}/{{namespace_name}}/tags",
        path=f"{path}/{space}/tags",
        token=world.admin.token,
        body={"tags": [{"name": "one"}, {"name": "two"}]},
    )


async def image_task(world: World) -> Requested:
    described = {"name": "i", "disk_format": "qcow2", "container_format": "bare"}
    given = {"import_from": "http://images.invalid/i", "image_properties": described}
    path = "/image/v2/tasks"
    body = {"type": "import", "input": given}
    return Requested(operation=f"POST {path}", path=path, token=world.admin.token, body=body)


async def image_member(world: World) -> Requested:
    described = {"name": "i", "visibility": "shared"}
    image = (await world.owner.post("/image/v2/images", described))["id"]
    path = f"/image/v2/images/{image}/members"
    member = world.admin.project_id
    await world.owner("POST", path, {"member": member}, status=200)
    return Requested(
        operation="PUT /image/v2/images/{image_id}/members/{member_id}",
        path=f"{path}/{member}",
        token=world.admin.token,
        body={"status": "accepted"},
    )


# ---- network ----


def joined(verb: str) -> Recipe:
    async def recipe(world: World) -> Requested:
        owner, base = world.owner, "/network/v2.0"
        network = (await owner.post(f"{base}/networks", {"network": {}}))["network"]["id"]
        body = {"network_id": network, "cidr": "10.77.0.0/24", "ip_version": 4}
        subnet = (await owner.post(f"{base}/subnets", {"subnet": body}))["subnet"]["id"]
        router = (await owner.post(f"{base}/routers", {"router": {}}))["router"]["id"]
        path, requested = f"{base}/routers/{router}", {"subnet_id": subnet}
        if verb == "remove":
            await owner("PUT", f"{path}/add_router_interface", requested, status=200)
        return Requested(
            operation=f"PUT {base}/routers/{{router_id}}/{verb}_router_interface",
            path=f"{path}/{verb}_router_interface",
            token=owner.token,
            body=requested,
        )

    return recipe


async def subnet(world: World) -> Requested:
    owner, base = world.owner, "/network/v2.0"
    network = (await owner.post(f"{base}/networks", {"network": {}}))["network"]["id"]
    body = {"network_id": network, "cidr": "10.78.0.0/24", "ip_version": 4}
    made = (await owner.post(f"{base}/subnets", {"subnet": body}))["subnet"]["id"]
    path = f"{base}/subnets"
    return Requested(
        operation=f"DELETE {path}/{{subnet_id}}", path=f"{path}/{made}", token=owner.token
    )


_F = "/identity/v3/OS-FEDERATION"
_RULES = {
    "mapping": {
        "rules": [{"local": [{"user": {"name": "{0}"}}], "remote": [{"type": "REMOTE_USER"}]}]
    }
}
_SP = {"auth_url": "http://sp.test/v3", "sp_url": "http://sp.test/sp", "enabled": True}
RECIPES: tuple[Recipe, ...] = (
    oauth_request_token,
    oauth_authorize,
    oauth_access_token,
    oauth2_token,
    ec2_token,
    s3_token,
    federated("GET"),
    federated("POST"),
    websso("/websso/{protocol_id}"),
    websso("/identity_providers/{idp_id}/protocols/{protocol_id}/websso"),
    websso("/identity_providers/{idp_id}/protocol/{protocol_id}/websso"),
    new(f"{_F}/identity_providers/{{idp_id}}", {"identity_provider": {"remote_ids": ["{name}"]}}),
    new(f"{_F}/mappings/{{mapping_id}}", _RULES),
    new(f"{_F}/service_providers/{{sp_id}}", {"service_provider": _SP}),
    new("/identity/v3/regions/{region_id}", {"region": {"description": "a"}}),
    new("/placement/traits/{name}"),
    new("/placement/resource_classes/{name}"),
    trust,
    application_credential,
    revoked,
    service_enabled,
    rule_by_compute,
    console_token,
    mapping,
    tags_of_definitions,
    configured(""),
    configured("/{group}"),
    configured("/{group}/{option}"),
    provided("inventories"),
    provided("aggregates"),
    provided("traits"),
    allocated("PUT /placement/allocations/{consumer_uuid}"),
    allocated("POST /placement/allocations"),
    allocated("POST /placement/reshaper"),
    resource_class,
    image_import,
    image_task,
    image_member,
    joined("add"),
    joined("remove"),
    subnet,
)
