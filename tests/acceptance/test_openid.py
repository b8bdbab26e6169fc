"""Signing in by a real identity provider: in the browser, and with a token that it gave to a client."""

from __future__ import annotations

import asyncio
import base64
import html
import json
import os
import re
import shutil
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from hanok.services.identity.facade import IdentitySettings
from hanok.services.identity.logic.openid import OpenIDSettings
from tests.cloud import Client, Cloud, running
from tests.ports import free_port

BUILD_S = 600
DASHBOARD = "http://dashboard.example/auth/websso/"
IDPS = "/v3/OS-FEDERATION/identity_providers"
WEBSSO = "/v3/auth/OS-FEDERATION/websso/openid"
AUTH = f"{IDPS}/acme/protocols/openid/auth"
RULES: list[dict[str, Any]] = [
    {
        "remote": [
            {"type": "OIDC-sub"},
            {"type": "OIDC-preferred_username"},
            {"type": "OIDC-email"},
        ],
        "local": [
            {"user": {"id": "{0}", "name": "{1}", "email": "{2}"}},
            {"group": {"name": "guests", "domain": {"id": "default"}}},
        ],
    },
    {
        "remote": [{"type": "HTTP_OIDC_EMAIL", "any_one_of": ["^test-user@"], "regex": True}],
        "local": [{"projects": [{"name": "pilot", "roles": [{"name": "member"}]}]}],
    },
]


def _go() -> str | None:
    return shutil.which("go") or shutil.which("/usr/local/go/bin/go")


pytestmark = pytest.mark.skipif(_go() is None, reason="Go is not installed")


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The provider, built."""
    go, made = _go(), tmp_path_factory.mktemp("openid") / "provider"
    assert go is not None
    subprocess.run(
        [go, "build", "-o", str(made), "."],
        cwd=Path(__file__).parent / "openid",
        env={**os.environ, "GOFLAGS": "-mod=readonly"},
        check=True,
        timeout=BUILD_S,
    )
    return made


class House:
    """A cloud, and the provider that it trusts under the name acme."""

    def __init__(self, cloud: Cloud, issuer: str) -> None:
        self.cloud = cloud
        self.issuer = issuer

    async def prepare(self) -> Client:
        admin = await self.cloud.sign_in()
        await admin.post("/v3/groups", {"group": {"name": "guests"}})
        mapping = {"mapping": {"rules": RULES}}
        await admin("PUT", "/v3/OS-FEDERATION/mappings/m", mapping, status=201)
        provider = {"identity_provider": {"enabled": True, "remote_ids": [self.issuer]}}
        await admin("PUT", f"{IDPS}/acme", provider, status=201)
        protocol = {"protocol": {"mapping_id": "m", "remote_id_attribute": "HTTP_OIDC_ISS"}}
        await admin("PUT", f"{IDPS}/acme/protocols/openid", protocol, status=201)
        return admin

    async def browse(self, user: str, *, client_id: str = "") -> httpx.Response:
        """Sign in as a person does, from the dashboard's link to the page that hands the token over."""
        set_out = await self.cloud.http.get(WEBSSO, params={"origin": DASHBOARD})
        assert set_out.status_code == 302, set_out.text
        where = set_out.headers["location"]
        if client_id:
            where = where.replace("client_id=hanok", f"client_id={client_id}")
        async with httpx.AsyncClient(follow_redirects=False) as browser:
            page = await browser.get(where)
            while page.status_code in (302, 303):
                page = await browser.get(str(page.url.join(page.headers["location"])))
            found = re.search(r'name="id"[^>]*value="([^"]+)"', page.text)
            assert found is not None, page.text
            form = {"id": found[1], "username": user, "password": "verysecure"}
            page = await browser.post(f"{self.issuer}/login/username", data=form)
            while page.headers.get("location", "").startswith(("/", self.issuer)):
                page = await browser.get(str(page.url.join(page.headers["location"])))
        back = urlsplit(page.headers["location"])
        return await self.cloud.http.get(f"{back.path}?{back.query}")


@asynccontextmanager
async def house(program: Path, folder: Path) -> AsyncIterator[House]:
    port = free_port()
    issuer = f"http://localhost:{port}"
    ours = OpenIDSettings(issuer=issuer, client_id="hanok", client_secret="secret")
    settings = IdentitySettings(
        password_rounds=4, openid={"acme": ours}, trusted_dashboards=(DASHBOARD,)
    )
    async with running(folder, identity=settings) as cloud:
        back = f"{cloud.http.base_url}/v3/auth/OS-FEDERATION/websso".replace("//v3", "/v3")
        process = await asyncio.create_subprocess_exec(
            str(program), str(port), back, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL
        )
        try:
            async with asyncio.timeout(60), httpx.AsyncClient() as client:
                while True:
                    try:
                        await client.get(f"{issuer}/.well-known/openid-configuration")
                        break
                    except httpx.TransportError:
                        await asyncio.sleep(0.05)
            yield House(cloud, issuer)
        finally:
            process.terminate()
            await process.wait()


def handed_over(page: httpx.Response) -> str:
    assert page.status_code == 200, page.text
    action = re.search(r'action="([^"]+)"', page.text)
    assert action is not None and html.unescape(action[1]) == DASHBOARD
    token = re.search(r'name="token" value="([^"]+)"', page.text)
    assert token is not None
    return html.unescape(token[1])


async def scoped(cloud: Cloud, token: str, project: dict[str, Any], status: int = 201) -> Any:
    for method in ("token", "openid"):
        identity = {"methods": [method], method: {"id": token}}
        body = {"auth": {"identity": identity, "scope": {"project": project}}}
        made = await cloud.anonymous("POST", "/v3/auth/tokens", body, status=status)
    return made


async def test_a_person_signs_in_by_the_browser(program: Path, tmp_path: Path) -> None:
    async with house(program, tmp_path) as one:
        admin = await one.prepare()
        cloud = one.cloud
        token = handed_over(await one.browse("test-user@localhost"))
        headers = {"X-Auth-Token": token, "X-Subject-Token": token}
        shown = (await cloud.http.get("/v3/auth/tokens", headers=headers)).json()["token"]
        assert shown["methods"] == ["openid"]
        assert shown["user"]["name"] == "test-user@localhost"
        federated = shown["user"]["OS-FEDERATION"]
        assert federated["identity_provider"] == {"id": "acme"}
        assert federated["protocol"] == {"id": "openid"}
        (guests,) = (await admin.get("/v3/groups?name=guests"))["groups"]
        assert federated["groups"] == [{"id": guests["id"]}]
        user = (await admin.get(f"/v3/users/{shown['user']['id']}"))["user"]
        assert user["email"] == "test-user@zitadel.ch"
        idp = (await admin.get(f"{IDPS}/acme"))["identity_provider"]
        assert user["domain_id"] == idp["domain_id"]

        # The mapping made a project; the group gives rights as any does, and nothing after it is gone.
        projects = await cloud.http.get("/v3/OS-FEDERATION/projects", headers=headers)
        assert [project["name"] for project in projects.json()["projects"]] == ["pilot"]
        pilot = {"name": "pilot", "domain": {"id": idp["domain_id"]}}
        made = (await scoped(cloud, token, pilot)).json()["token"]
        assert {role["name"] for role in made["roles"]} == {"member", "reader"}
        assert made["user"]["OS-FEDERATION"]["protocol"] == {"id": "openid"}
        assert made["expires_at"] == shown["expires_at"]
        (project,) = (await admin.get("/v3/projects?name=admin"))["projects"]
        (reader,) = (await admin.get("/v3/roles?name=reader"))["roles"]
        await scoped(cloud, token, {"id": project["id"]}, 401)
        grant = f"/v3/projects/{project['id']}/groups/{guests['id']}/roles/{reader['id']}"
        await admin("PUT", grant, status=204)
        other = (await scoped(cloud, token, {"id": project["id"]})).headers["X-Subject-Token"]
        own = {"X-Auth-Token": other, "X-Subject-Token": other}
        assert (await cloud.http.get("/v3/auth/tokens", headers=own)).status_code == 200

        # Again, and it is the same user; another one is another.
        again = handed_over(await one.browse("test-user@localhost"))
        headers = {"X-Auth-Token": again, "X-Subject-Token": again}
        second = (await cloud.http.get("/v3/auth/tokens", headers=headers)).json()["token"]
        assert second["user"]["id"] == shown["user"]["id"]
        stranger = handed_over(await one.browse("test-user2"))
        headers = {"X-Auth-Token": stranger, "X-Subject-Token": stranger}
        third = (await cloud.http.get("/v3/auth/tokens", headers=headers)).json()["token"]
        assert third["user"]["id"] != shown["user"]["id"]

        # Services that keep tokens are told when a provider gives somebody other groups, not when it gives the same.
        async def told() -> list[dict[str, str]]:
            events = (await admin.get("/v3/OS-REVOKE/events"))["events"]
            return [one for one in events if one.get("user_id") == shown["user"]["id"]]

        assert await told() == []
        without = [{**rule, "local": [rule["local"][0]]} for rule in RULES[:1]]
        changed = {"mapping": {"rules": without}}
        await admin("PATCH", "/v3/OS-FEDERATION/mappings/m", changed, status=200)
        handed_over(await one.browse("test-user@localhost"))
        (event,) = await told()
        times = [datetime.fromisoformat(event[name]) for name in ("revoked_at", "issued_before")]
        assert times[0] - times[1] == timedelta(seconds=1)

        # A provider that is switched off vouches for nobody, and has not for those who are here.
        off = {"identity_provider": {"enabled": False}}
        await admin("PATCH", f"{IDPS}/acme", off, status=200)
        assert (await cloud.http.get("/v3/auth/tokens", headers=own)).status_code == 401
        assert (await one.cloud.http.get(WEBSSO, params={"origin": DASHBOARD})).status_code == 403


async def test_nobody_finishes_what_another_browser_began(program: Path, tmp_path: Path) -> None:
    async with house(program, tmp_path) as one:
        await one.prepare()
        http = one.cloud.http
        assert (await http.get(WEBSSO)).status_code == 400
        elsewhere = await http.get(WEBSSO, params={"origin": "http://elsewhere.example/"})
        assert elsewhere.status_code == 401
        set_out = await http.get(WEBSSO, params={"origin": DASHBOARD})
        state = parse_qs(urlsplit(set_out.headers["location"]).query)["state"][0]
        back = "/v3/auth/OS-FEDERATION/websso"
        for query in ({"state": "x", "code": "y"}, {"code": "y"}, {"state": state}):
            assert (await http.get(back, params=query)).status_code == 401
        assert (await http.get(back, params={"state": state, "code": "guess"})).status_code == 401
        http.cookies.clear()
        answer = await http.get(back, params={"state": state, "code": "guess"})
        assert answer.status_code == 401 and "not started in this browser" in answer.text


async def test_a_client_signs_in_with_a_token_of_the_provider(
    program: Path, tmp_path: Path
) -> None:
    async with house(program, tmp_path) as one:
        admin = await one.prepare()
        ours, theirs = [await provider_tokens(one, who) for who in ("hanok", "other")]

        async def tried(text: str, status: int) -> httpx.Response:
            headers = {"Authorization": f"Bearer {text}"} if text else {}
            answer = await one.cloud.http.post(AUTH, headers=headers)
            assert answer.status_code == status, answer.text
            return answer

        # By what it signed there is no preferred_username: the mapping needs what only the provider can tell.
        assert "Could not map" in (await tried(ours["id_token"], 400)).text
        made = await tried(ours["access_token"], 201)
        assert made.json()["token"]["user"]["name"] == "test-user@localhost"
        assert "catalog" not in made.json()["token"]
        short = {
            "rules": [{"remote": [{"type": "OIDC-sub"}], "local": [{"user": {"name": "{0}"}}]}]
        }
        await admin("PATCH", "/v3/OS-FEDERATION/mappings/m", {"mapping": short}, status=200)
        assert (await tried(ours["id_token"], 201)).json()["token"]["user"]["name"] == "id1"

        head, body, signature = ours["id_token"].split(".")
        claims = json.loads(base64.urlsafe_b64decode(body + "=="))
        forged = [
            {**claims, "sub": "id2"},
            {**claims, "exp": claims["exp"] + 1},
        ]
        unsigned = base64.urlsafe_b64encode(b'{"alg":"none"}').decode().rstrip("=")
        for wrong in forged:
            text = base64.urlsafe_b64encode(json.dumps(wrong).encode()).decode().rstrip("=")
            await tried(f"{head}.{text}.{signature}", 401)
            await tried(f"{unsigned}.{text}.", 401)
        # Good tokens, but given to another client of the same provider.
        await tried(theirs["id_token"], 401)
        for text in ("", "x", "a.b.c", "a.b", theirs["access_token"], ours["access_token"] + "x"):
            await tried(text, 401)
        await admin("DELETE", f"{IDPS}/acme/protocols/openid", status=204)
        await tried(ours["id_token"], 404)


async def provider_tokens(one: House, client_id: str) -> dict[str, str]:
    """What the provider gives a client of it for its user."""
    back = f"{one.cloud.http.base_url}/v3/auth/OS-FEDERATION/websso".replace("//v3", "/v3")
    async with httpx.AsyncClient(follow_redirects=False) as browser:
        page = await browser.get(
            f"{one.issuer}/auth",
            params={
                "response_type": "code",
                "client_id": client_id,
                "redirect_uri": back,
                "scope": "openid email profile",
                "state": "s",
            },
        )
        page = await browser.get(str(page.url.join(page.headers["location"])))
        found = re.search(r'name="id"[^>]*value="([^"]+)"', page.text)
        assert found is not None, page.text
        form = {"id": found[1], "username": "test-user@localhost", "password": "verysecure"}
        page = await browser.post(f"{one.issuer}/login/username", data=form)
        while page.headers["location"].startswith(("/", one.issuer)):
            page = await browser.get(str(page.url.join(page.headers["location"])))
        code = parse_qs(urlsplit(page.headers["location"]).query)["code"][0]
        answer = await browser.post(
            f"{one.issuer}/oauth/token",
            data={"grant_type": "authorization_code", "code": code, "redirect_uri": back},
            auth=(client_id, "secret"),
        )
    found_tokens: dict[str, str] = answer.json()
    return found_tokens
