"""Tokens as clients of OAuth 2.0 send them: Authorization: Bearer, at every service."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from oauthlib.oauth2 import BackendApplicationClient

from tests.api.identity.doors import an_application_credential, lives
from tests.cloud import PASSWORD, Client, Cloud, a_flavor, a_server, an_image, settle

OAUTH2 = "/v3/OS-OAUTH2/token"
EVERYWHERE = (
    "/v3/users",
    "/identity/v3/auth/projects",
    "/image/v2/images",
    "/compute/v2.1/servers",
    "/compute/v2.1/images",  # which asks the image service
    "/network/v2.0/networks",
    "/placement/resource_providers",
    "/hanok/v1/inventory",
)


class OAuth2Client:
    """oauthlib's client of the grant "client_credentials", over the cloud's own transport."""

    def __init__(self, http: httpx.AsyncClient, client_id: str) -> None:
        self.http = http
        self.oauth = BackendApplicationClient(client_id)

    async def fetch_token(self, secret: str) -> None:
        body = self.oauth.prepare_request_body(include_client_id=True, client_secret=secret)
        kind = {"Content-Type": "application/x-www-form-urlencoded"}
        answer = await self.http.post(OAUTH2, content=body.encode(), headers=kind)
        self.oauth.parse_request_body_response(answer.text)

    async def __call__(self, method: str, path: str, json: Any = None) -> httpx.Response:
        url, headers, _ = self.oauth.add_token(f"https://cloud{path}", method, headers={})
        assert headers["Authorization"].startswith("Bearer ") and len(headers) == 1
        return await self.http.request(method, url, json=json, headers=headers)


async def _client(cloud: Cloud, owner: Client) -> OAuth2Client:
    credential = await an_application_credential(owner)
    client = OAuth2Client(cloud.http, credential["id"])
    await client.fetch_token(credential["secret"])
    return client


async def test_an_oauth2_client_is_let_in_everywhere(cloud: Cloud) -> None:
    admin = await cloud.sign_in()
    client = await _client(cloud, admin)
    for path in EVERYWHERE:
        answer = await client("GET", path)
        assert answer.status_code == 200, (path, answer.text)
    await admin("DELETE", "/v3/auth/tokens", headers={"X-Subject-Token": client.oauth.access_token})
    for path in EVERYWHERE:
        assert (await client("GET", path)).status_code == 401, path


async def test_what_a_bearer_token_may_do_is_what_the_token_may_do(cloud: Cloud) -> None:
    member = await cloud.project_with("p", "member")
    client = await _client(cloud, member)
    assert (await client("GET", "/v3/users")).status_code == 403
    made = await client("POST", "/image/v2/images", {"name": "mine"})
    assert made.status_code == 201 and made.json()["owner"] == member.project_id
    path = f"/v3/users/{member.user_id}/application_credentials"
    again = await client("POST", path, {"application_credential": {"name": "wider"}})
    assert again.status_code == 403, again.text


async def test_a_console_that_was_asked_for_with_a_bearer_token(cloud: Cloud) -> None:
    admin = await cloud.sign_in()
    server_id = await a_server(admin, await an_image(admin), await a_flavor(admin))
    await settle(cloud)
    client = await _client(cloud, admin)
    action = {"os-getVNCConsole": {"type": "novnc"}}
    answer = await client("POST", f"/compute/v2.1/servers/{server_id}/action", action)
    assert answer.status_code == 200 and "token%3D" in answer.json()["console"]["url"]


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER"])
async def test_any_token_may_come_as_bearer(cloud: Cloud, scheme: str) -> None:
    admin = await cloud.sign_in()
    answer = await cloud.anonymous.get(
        "/v3/users", headers={"Authorization": f"{scheme}  {admin.token}"}
    )
    assert answer["users"]


async def test_x_auth_token_decides_where_both_are_sent(cloud: Cloud) -> None:
    admin, member = await cloud.sign_in(), await cloud.project_with("p", "member")
    bearer = {"Authorization": f"Bearer {admin.token}"}
    await cloud.anonymous("GET", "/v3/users", headers=bearer, status=200)
    await member("GET", "/v3/users", headers=bearer, status=403)
    for nobody in ("nonsense", f"{admin.token}x"):
        await Client(cloud.http, nobody)("GET", "/v3/users", headers=bearer, status=401)
    ours = {"Authorization": "Bearer nonsense"}
    await admin("GET", "/v3/users", headers=ours, status=200)
    await cloud.anonymous("GET", "/v3/users", headers={**bearer, "X-Auth-Token": ""}, status=200)


async def test_what_is_no_bearer_token_is_refused_as_ever(cloud: Cloud) -> None:
    admin = await cloud.sign_in()
    for path in EVERYWHERE:
        plain = await cloud.anonymous("GET", path, status=401)
        for odd in ("Bearer", "Bearer ", "Bearer nonsense", f"Basic {admin.token}", admin.token):
            answer = await cloud.anonymous("GET", path, headers={"Authorization": odd}, status=401)
            assert answer.content == plain.content, (path, odd)
            for name in ("WWW-Authenticate", "Content-Type"):
                assert answer.headers[name] == plain.headers[name], (path, odd)


async def test_bearer_signs_nobody_in(cloud: Cloud) -> None:
    """At doors that are public, what a client proves itself with is elsewhere."""
    admin = await cloud.sign_in()
    bearer = {"Authorization": f"Bearer {admin.token}"}
    await cloud.anonymous(
        "POST",
        OAUTH2,
        content=b"grant_type=client_credentials",
        headers={**bearer, "Content-Type": "application/x-www-form-urlencoded"},
        status=401,
    )
    wrong = {
        "auth": {
            "identity": {
                "methods": ["password"],
                "password": {"user": {"id": admin.user_id, "password": PASSWORD + "x"}},
            }
        }
    }
    await cloud.anonymous("POST", "/v3/auth/tokens", wrong, headers=bearer, status=401)
    assert await lives(cloud, admin)
