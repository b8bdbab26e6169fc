"""Every way to a token, for tests: whose rights it carries, and what ends it alone."""

from __future__ import annotations

import base64
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qs

import httpx
from cryptography.hazmat.primitives.hashes import SHA1
from cryptography.hazmat.primitives.twofactor.totp import TOTP
from keystoneclient.contrib.ec2.utils import Ec2Signer  # type: ignore[import-untyped]
from oauthlib.oauth1 import SIGNATURE_TYPE_AUTH_HEADER
from oauthlib.oauth1 import Client as OAuthClient

from tests.cloud import PASSWORD, Client, Cloud

TOTP_SECRET = base64.b32encode(b"twenty bytes of key!").decode()
HOST = "http://cloud:5000"


async def sign_in(
    cloud: Cloud,
    identity: dict[str, Any],
    scope: Any = None,
    *,
    status: int = 201,
    headers: dict[str, str] | None = None,
) -> Client:
    """A token by this identity part; without one when another status is wanted."""
    auth: dict[str, Any] = {"identity": identity}
    if scope is not None:
        auth["scope"] = scope
    answer = await cloud.anonymous(
        "POST", "/v3/auth/tokens", {"auth": auth}, status=status, headers=headers
    )
    body = answer.json()
    return Client(cloud.http, answer.headers.get("X-Subject-Token", ""), body.get("token"))


def by_password(user_id: str, password: str = PASSWORD) -> dict[str, Any]:
    return {
        "methods": ["password"],
        "password": {"user": {"id": user_id, "password": password}},
    }


async def lives(cloud: Cloud, client: Client) -> bool:
    """Whether a token is worth something, as a service would ask."""
    admin = await cloud.sign_in()
    answer = await admin("GET", "/v3/auth/tokens", headers={"X-Subject-Token": client.token})
    assert answer.status_code in (200, 404), answer.text
    return answer.status_code == 200


async def roles_of(cloud: Cloud) -> dict[str, str]:
    admin = await cloud.sign_in()
    return {role["name"]: role["id"] for role in (await admin.get("/v3/roles"))["roles"]}


async def an_owner(cloud: Cloud, name: str, *roles: str) -> Client:
    """A user with roles on a project, both in a domain of their own, all called so."""
    admin = await cloud.sign_in()
    domain = (await admin.post("/v3/domains", {"domain": {"name": name}}))["domain"]["id"]
    project = {"project": {"name": name, "domain_id": domain}}
    project_id = (await admin.post("/v3/projects", project))["project"]["id"]
    user = {"user": {"name": name, "domain_id": domain, "password": PASSWORD}}
    user_id = (await admin.post("/v3/users", user))["user"]["id"]
    known = await roles_of(cloud)
    for role in roles:
        path = f"/v3/projects/{project_id}/users/{user_id}/roles/{known[role]}"
        await admin("PUT", path, status=204)
    return await sign_in(cloud, by_password(user_id), {"project": {"id": project_id}})


async def a_trust(owner: Client, trustee: Client, **values: Any) -> dict[str, Any]:
    """A trust of all of the owner's roles on its project."""
    body = {
        "trustor_user_id": owner.user_id,
        "trustee_user_id": trustee.user_id,
        "project_id": owner.project_id,
        "impersonation": True,
        "roles": [{"id": role["id"]} for role in owner.body["roles"]],
        **values,
    }
    made = await owner.post("/v3/OS-TRUST/trusts", {"trust": body})
    trust: dict[str, Any] = made["trust"]
    return trust


async def by_trust(cloud: Cloud, trustee: Client, trust_id: str, status: int = 201) -> Client:
    scope = {"OS-TRUST:trust": {"id": trust_id}}
    return await sign_in(cloud, by_password(trustee.user_id), scope, status=status)


async def an_ec2_key(client: Client) -> dict[str, Any]:
    path = f"/v3/users/{client.user_id}/credentials/OS-EC2"
    made = await client.post(path, {"tenant_id": client.project_id})
    key: dict[str, Any] = made["credential"]
    return key


def signed_ec2(access: str, secret: str, at: datetime | None = None) -> dict[str, Any]:
    """A request to some EC2 API, signed by version 4."""
    at = at or datetime.now(UTC)
    stamp, date = at.strftime("%Y%m%dT%H%M%SZ"), at.strftime("%Y%m%d")
    scope = f"{access}/{date}/us-east-1/ec2/aws4_request"
    authorization = f"AWS4-HMAC-SHA256 Credential={scope},SignedHeaders=host;x-amz-date,Signature="
    request: dict[str, Any] = {
        "access": access,
        "host": "ec2.example.org:8788",
        "verb": "GET",
        "path": "/",
        "params": {"Action": "DescribeInstances", "Filter": "a b/c~d"},
        "headers": {
            "Host": "ec2.example.org:8788",
            "X-Amz-Date": stamp,
            "Authorization": authorization,
        },
        "body_hash": "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    }
    request["signature"] = Ec2Signer(secret).generate(json.loads(json.dumps(request)))
    return request


async def by_ec2(cloud: Cloud, key: dict[str, Any], status: int = 200) -> Client:
    """What a service gets that exchanges a request signed with a key."""
    admin = await cloud.sign_in()
    body = {"credentials": signed_ec2(key["access"], key["secret"])}
    answer = await admin("POST", "/v3/ec2tokens", body, status=status)
    return Client(cloud.http, answer.headers.get("X-Subject-Token", ""), answer.json().get("token"))


def oauth_headers(
    path: str, consumer: dict[str, Any], token: tuple[str, str] = ("", ""), **more: Any
) -> dict[str, str]:
    """The Authorization header of a request that a consumer signs."""
    signer = OAuthClient(
        consumer["id"],
        client_secret=consumer["secret"],
        resource_owner_key=token[0] or None,
        resource_owner_secret=token[1] or None,
        signature_type=SIGNATURE_TYPE_AUTH_HEADER,
        **more,
    )
    _, headers, _ = signer.sign(f"{HOST}{path}", http_method="POST")
    return {name: str(value) for name, value in headers.items()}


def _pair(answer: httpx.Response) -> tuple[str, str]:
    form = parse_qs(answer.text)
    return form["oauth_token"][0], form["oauth_token_secret"][0]


async def a_consumer(cloud: Cloud) -> dict[str, Any]:
    admin = await cloud.sign_in()
    made = await admin.post("/v3/OS-OAUTH1/consumers", {"consumer": {"description": "c"}})
    consumer: dict[str, Any] = made["consumer"]
    return consumer


async def a_request_token(
    cloud: Cloud, consumer: dict[str, Any], project_id: str
) -> tuple[str, str]:
    path = "/v3/OS-OAUTH1/request_token"
    headers = {**oauth_headers(path, consumer), "Requested-Project-Id": project_id}
    return _pair(await cloud.anonymous("POST", path, headers=headers, status=201))


async def an_access_token(cloud: Cloud, consumer: dict[str, Any], owner: Client) -> tuple[str, str]:
    """The owner's roles for a consumer, by all the steps."""
    request_token = await a_request_token(cloud, consumer, owner.project_id)
    roles = {"roles": [{"id": role["id"]} for role in owner.body["roles"]]}
    answer = await owner("PUT", f"/v3/OS-OAUTH1/authorize/{request_token[0]}", roles, status=200)
    verifier = answer.json()["token"]["oauth_verifier"]
    path = "/v3/OS-OAUTH1/access_token"
    headers = oauth_headers(path, consumer, request_token, verifier=verifier)
    return _pair(await cloud.anonymous("POST", path, headers=headers, status=201))


async def by_oauth1(
    cloud: Cloud, consumer: dict[str, Any], token: tuple[str, str], status: int = 201
) -> Client:
    headers = oauth_headers("/v3/auth/tokens", consumer, token)
    identity = {"methods": ["oauth1"], "oauth1": {}}
    return await sign_in(cloud, identity, status=status, headers=headers)


async def by_oauth2(cloud: Cloud, credential: dict[str, Any], status: int = 200) -> Client:
    basic = base64.b64encode(f"{credential['id']}:{credential['secret']}".encode()).decode()
    answer = await cloud.anonymous(
        "POST",
        "/v3/OS-OAUTH2/token",
        content=b"grant_type=client_credentials",
        headers={
            "Authorization": f"Basic {basic}",
            "Content-Type": "application/x-www-form-urlencoded",
        },
        status=status,
    )
    return Client(cloud.http, answer.json().get("access_token", ""), answer.json())


def passcode(at: datetime | None = None) -> str:
    at_s = (at or datetime.now(UTC)).timestamp()
    return TOTP(base64.b32decode(TOTP_SECRET), 6, SHA1(), 30).generate(int(at_s)).decode()


async def a_totp_secret(client: Client) -> str:
    body = {"user_id": client.user_id, "type": "totp", "blob": TOTP_SECRET}
    made = await client.post("/v3/credentials", {"credential": body})
    return str(made["credential"]["id"])


def by_totp(user_id: str, code: str) -> dict[str, Any]:
    return {"methods": ["totp"], "totp": {"user": {"id": user_id, "passcode": code}}}


# ---- the doors ----


@dataclass
class Entered:
    """A token that carries an owner's rights. end: removes what it was got with, and nothing else."""

    client: Client
    end: Callable[[], Awaitable[Any]]


async def _password(cloud: Cloud, owner: Client) -> Entered:
    project = {"project": {"id": owner.project_id}}
    client = await sign_in(cloud, by_password(owner.user_id), project)

    async def end() -> None:
        subject = {"X-Subject-Token": client.token}
        await owner("DELETE", "/v3/auth/tokens", headers=subject, status=204)

    return Entered(client, end)


async def _token(cloud: Cloud, owner: Client) -> Entered:
    first = await _password(cloud, owner)
    identity = {"methods": ["token"], "token": {"id": first.client.token}}
    return Entered(await sign_in(cloud, identity), first.end)


async def an_application_credential(owner: Client, **values: Any) -> dict[str, Any]:
    path = f"/v3/users/{owner.user_id}/application_credentials"
    made = await owner.post(path, {"application_credential": {"name": "ci", **values}})
    credential: dict[str, Any] = made["application_credential"]
    return credential


def by_application_credential(credential: dict[str, Any]) -> dict[str, Any]:
    part = {"id": credential["id"], "secret": credential["secret"]}
    return {"methods": ["application_credential"], "application_credential": part}


async def _application_credential(cloud: Cloud, owner: Client) -> Entered:
    credential = await an_application_credential(owner)
    client = await sign_in(cloud, by_application_credential(credential))
    path = f"/v3/users/{owner.user_id}/application_credentials/{credential['id']}"
    return Entered(client, lambda: owner("DELETE", path, status=204))


async def _oauth2(cloud: Cloud, owner: Client) -> Entered:
    credential = await an_application_credential(owner)
    path = f"/v3/users/{owner.user_id}/application_credentials/{credential['id']}"
    client = await by_oauth2(cloud, credential)
    return Entered(client, lambda: owner("DELETE", path, status=204))


async def _trust(cloud: Cloud, owner: Client, impersonation: bool = True) -> Entered:
    trustee = await an_owner(cloud, f"trustee-{owner.user_id}", "reader")
    trust = await a_trust(owner, trustee, impersonation=impersonation)
    path = f"/v3/OS-TRUST/trusts/{trust['id']}"
    client = await by_trust(cloud, trustee, trust["id"])
    return Entered(client, lambda: owner("DELETE", path, status=204))


async def _plain_trust(cloud: Cloud, owner: Client) -> Entered:
    return await _trust(cloud, owner, impersonation=False)


async def _ec2(cloud: Cloud, owner: Client) -> Entered:
    key = await an_ec2_key(owner)
    path = f"/v3/users/{owner.user_id}/credentials/OS-EC2/{key['access']}"
    return Entered(await by_ec2(cloud, key), lambda: owner("DELETE", path, status=204))


async def _ec2_of_trust(cloud: Cloud, owner: Client) -> Entered:
    lent = await _trust(cloud, owner)
    return Entered(await by_ec2(cloud, await an_ec2_key(lent.client)), lent.end)


async def _ec2_of_credential(cloud: Cloud, owner: Client) -> Entered:
    credential = await an_application_credential(owner, unrestricted=True)
    lent = await sign_in(cloud, by_application_credential(credential))
    path = f"/v3/users/{owner.user_id}/application_credentials/{credential['id']}"
    client = await by_ec2(cloud, await an_ec2_key(lent))
    return Entered(client, lambda: owner("DELETE", path, status=204))


async def _oauth1(cloud: Cloud, owner: Client) -> Entered:
    consumer = await a_consumer(cloud)
    token = await an_access_token(cloud, consumer, owner)
    path = f"/v3/users/{owner.user_id}/OS-OAUTH1/access_tokens/{token[0]}"
    client = await by_oauth1(cloud, consumer, token)
    return Entered(client, lambda: owner("DELETE", path, status=204))


async def _totp(cloud: Cloud, owner: Client) -> Entered:
    credential_id = await a_totp_secret(owner)
    project = {"project": {"id": owner.project_id}}
    client = await sign_in(cloud, by_totp(owner.user_id, passcode()), project)
    path = f"/v3/credentials/{credential_id}"
    return Entered(client, lambda: owner("DELETE", path, status=204))


DOORS: dict[str, Callable[[Cloud, Client], Awaitable[Entered]]] = {
    "password": _password,
    "token": _token,
    "application credential": _application_credential,
    "trust with impersonation": _trust,
    "trust": _plain_trust,
    "EC2 key": _ec2,
    "EC2 key of a trust": _ec2_of_trust,
    "EC2 key of an application credential": _ec2_of_credential,
    "OAuth 1": _oauth1,
    "OAuth 2": _oauth2,
    "TOTP": _totp,
}
