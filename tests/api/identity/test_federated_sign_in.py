"""Who is who here that another provider vouches for, by the token of a provider that the test plays."""

from __future__ import annotations

import html
import json
import re
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from hanok.base.clock import Clock
from hanok.services.identity.facade import IdentitySettings
from hanok.services.identity.logic.openid import OpenIDSettings
from hanok.services.identity.routes.federated_auth import WAY_S
from tests.api.identity.doors import an_application_credential, by_application_credential, sign_in
from tests.cloud import Client, Cloud, running
from tests.web import Page, Web, serving

A = "/v3/OS-FEDERATION"
DOOR = f"{A}/identity_providers/acme/protocols/openid/auth"
SSO = "/v3/auth/OS-FEDERATION"
WEBSSO = f"{SSO}/identity_providers/acme/protocols/openid/websso"
DASHBOARD = 'http://dashboard/auth?next="home"'


@cache
def key() -> rsa.RSAPrivateKey:
    """The provider's; not made by who only reads this file."""
    return rsa.generate_private_key(65537, 2048)


class Ahead(Clock):
    """The machine's clock, or one that is ahead of it."""

    ahead = timedelta()

    def now(self) -> datetime:
        return super().now() + self.ahead


class World:
    """A cloud that trusts a provider of OpenID, and the provider."""

    def __init__(self, cloud: Cloud, admin: Client, web: Web, clock: Ahead) -> None:
        self.cloud, self.admin, self.issuer = cloud, admin, web.url("/idp")
        self.home, self.web, self.clock = "", web, clock

    async def trust(self) -> None:
        await self._put("mappings/m", {"mapping": {"rules": _rules({"user": {"name": "{0}"}})}})
        known = {"identity_provider": {"enabled": True, "remote_ids": [self.issuer]}}
        self.home = (await self._put("identity_providers/acme", known))["domain_id"]
        protocol = {"mapping_id": "m", "remote_id_attribute": "OIDC-iss"}
        await self._put("identity_providers/acme/protocols/openid", {"protocol": protocol})

    async def _put(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        made = (await self.admin("PUT", f"{A}/{path}", body, status=201)).json()
        return dict(next(iter(made.values())))

    async def map(self, *local: dict[str, Any], version: str = "2.0") -> None:
        """What a mapping makes of the provider's words from now on."""
        change = {"mapping": {"rules": _rules(*local), "schema_version": version}}
        await self.admin("PATCH", f"{A}/mappings/m", change, status=200)

    async def sign_in(self, name: str = "ada", status: int = 201) -> Client:
        bearer = {"Authorization": f"Bearer {self.word(name)}"}
        answer = await self.cloud.anonymous("POST", DOOR, headers=bearer, status=status)
        token = answer.headers.get("X-Subject-Token", "")
        return Client(self.cloud.http, token, answer.json().get("token"))

    def word(self, name: str, **more: str) -> str:
        """What the provider says of somebody, signed."""
        now = int(Clock().now().timestamp())
        said = {"iss": self.issuer, "aud": "hanok", "sub": name, "iat": now, "exp": now + 600}
        return jwt.encode({**said, **more}, key(), algorithm="RS256", headers={"kid": "1"})

    async def set_out(self, path: str = WEBSSO) -> dict[str, str]:
        """A browser is led to the provider; gives what it takes along, and the provider has signed ada in."""
        self.cloud.http.cookies.clear()
        answer = await self.cloud.http.get(path, params={"origin": DASHBOARD})
        assert answer.status_code == 302, answer.text
        where = urlsplit(answer.headers["location"])
        assert f"{where.scheme}://{where.netloc}{where.path}" == f"{self.issuer}/sign-in"
        taken = {name: value for name, (value,) in parse_qs(where.query).items()}
        token = json.dumps({"id_token": self.word("ada", nonce=taken["nonce"])})
        self.web.pages["/idp/token"] = Page(data=token.encode())
        return taken

    async def comes_back(self, status: int, **query: str) -> httpx.Response:
        answer = await self.cloud.http.get(f"{SSO}/websso?{urlencode(query)}")
        assert answer.status_code == status, answer.text
        return answer

    async def role(self, name: str, domain_id: str | None = None) -> str:
        body = {"role": {"name": name, "domain_id": domain_id}}
        return str((await self.admin.post("/v3/roles", body))["role"]["id"])

    async def given(self, user_id: str) -> set[tuple[str, str]]:
        """Names of the projects and roles that a user holds by itself."""
        path = f"/v3/role_assignments?user.id={user_id}&include_names=true"
        found = (await self.admin.get(path))["role_assignments"]
        return {(one["scope"]["project"]["name"], one["role"]["name"]) for one in found}


def _rules(*local: dict[str, Any]) -> list[dict[str, Any]]:
    return [{"remote": [{"type": "OIDC-sub"}], "local": list(local)}]


def _project(name: str, *roles: str, **more: Any) -> dict[str, Any]:
    return {"name": name, "roles": [{"name": role} for role in roles], **more}


@pytest.fixture
async def world(tmp_path: Path, database_url: str) -> AsyncIterator[World]:
    with serving() as web:
        issuer = web.url("/idp")
        public = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(key().public_key()))
        keys = {"keys": [{**public, "kid": "1", "use": "sig", "alg": "RS256"}]}
        about = {
            "issuer": issuer,
            "jwks_uri": f"{issuer}/keys",
            "authorization_endpoint": f"{issuer}/sign-in",
            "token_endpoint": f"{issuer}/token",
        }
        for path, said in (("/.well-known/openid-configuration", about), ("/keys", keys)):
            web.pages[f"/idp{path}"] = Page(data=json.dumps(said).encode())
        openid = {"acme": OpenIDSettings(issuer=issuer, client_id="hanok")}
        settings = IdentitySettings(
            password_rounds=4, openid=openid, trusted_dashboards=(DASHBOARD,)
        )
        clock = Ahead()
        async with running(
            tmp_path, database=database_url, clock=clock, identity=settings
        ) as cloud:
            made = World(cloud, await cloud.sign_in(), web, clock)
            await made.trust()
            yield made


async def test_what_two_protocols_call_alike_is_not_one_user(world: World) -> None:
    """Each has a mapping of its own: what the one calls "ada" may be somebody else's word of itself."""
    first = await world.sign_in()
    other = {"protocol": {"mapping_id": "m", "remote_id_attribute": "OIDC-iss"}}
    await world._put("identity_providers/acme/protocols/oidc", other)
    bearer = {"Authorization": f"Bearer {world.word('ada')}"}
    door = DOOR.replace("/protocols/openid/", "/protocols/oidc/")
    answer = await world.cloud.anonymous("POST", door, headers=bearer, status=409)
    assert "openid has a user of the name ada" in answer.json()["error"]["message"]
    assert (await world.sign_in()).user_id == first.user_id


async def test_a_user_is_the_same_each_time_and_in_the_providers_domain(world: World) -> None:
    first, again = await world.sign_in(), await world.sign_in()
    assert first.user_id == again.user_id != (await world.sign_in("bob")).user_id
    user = (await world.admin.get(f"/v3/users/{first.user_id}"))["user"]
    assert (user["name"], user["domain_id"], user["enabled"]) == ("ada", world.home, True)
    # What it is called follows the mapping, unless the name is somebody else's.
    await world.map({"user": {"id": "{0}", "name": "Ada L", "email": "a@example.org"}})
    assert (await world.sign_in()).user_id == first.user_id
    assert (await world.admin.get(f"/v3/users/{first.user_id}"))["user"]["name"] == "Ada L"
    third = await world.sign_in("carol")
    user = (await world.admin.get(f"/v3/users/{third.user_id}"))["user"]
    assert (user["name"], user["email"]) == ("carol", "a@example.org")


async def test_only_the_provider_that_is_meant_signs_in(world: World) -> None:
    path = f"{A}/identity_providers/acme"
    other = {"identity_provider": {"remote_ids": ["https://other.example.org"]}}
    await world.admin("PATCH", path, other, status=200)
    await world.sign_in(status=403)
    nobody: dict[str, Any] = {"identity_provider": {"remote_ids": []}}
    await world.admin("PATCH", path, nobody, status=200)
    await world.sign_in()
    await world.admin("PATCH", path, {"identity_provider": {"enabled": False}}, status=200)
    await world.sign_in(status=403)


async def test_projects_are_made_once_and_their_roles_follow(world: World) -> None:
    await world.role("pilot")
    own = await world.role("own", world.home)
    await world.role("strange", "default")
    both = [_project("p", "pilot", "own"), _project("q", "pilot", domain={"name": "Default"})]
    await world.map({"user": {"name": "{0}"}}, {"projects": both})
    one = await world.sign_in()
    assert await world.given(one.user_id) == {("p", "pilot"), ("p", "own"), ("q", "pilot")}
    await world.sign_in()
    for name, domain_id in (("p", world.home), ("q", "default")):
        found = (await world.admin.get(f"/v3/projects?name={name}"))["projects"]
        assert [project["domain_id"] for project in found] == [domain_id]
    found = (await world.admin.get(f"/v3/role_assignments?role.id={own}"))["role_assignments"]
    assert len(found) == 1
    # Before schema version 3.0 what is not named any more stays; from then on it goes.
    await world.map({"user": {"name": "{0}"}}, {"projects": [_project("p", "pilot")]})
    await world.sign_in()
    assert ("q", "pilot") in await world.given(one.user_id)
    only = [_project("p", "own", domain={"id": world.home})]
    await world.map({"user": {"name": "{0}"}}, {"projects": only}, version="3.0")
    await world.sign_in()
    assert await world.given(one.user_id) == {("p", "own")}


@pytest.mark.parametrize(
    "project",
    [
        _project("p", "nobody's"),
        _project("p", "strange"),  # a role of another domain
        _project("p", "pilot", domain={"name": "nowhere"}),
    ],
)
async def test_what_is_not_there_keeps_everybody_out(world: World, project: dict[str, Any]) -> None:
    await world.role("pilot")
    await world.role("strange", "default")
    await world.map({"user": {"name": "{0}"}}, {"projects": [project]})
    await world.sign_in(status=401)
    assert (await world.admin.get("/v3/projects?name=p"))["projects"] == []
    assert (await world.admin.get(f"/v3/users?domain_id={world.home}"))["users"] == []


async def _group(world: World, name: str, domain_id: str) -> str:
    body = {"group": {"name": name, "domain_id": domain_id}}
    return str((await world.admin.post("/v3/groups", body))["group"]["id"])


async def _revoked(world: World) -> set[str]:
    """Whose tokens ended before their time."""
    events = (await world.admin.get("/v3/OS-REVOKE/events"))["events"]
    return {event["user_id"] for event in events if "user_id" in event}


async def test_groups_are_those_of_the_last_sign_in(world: World) -> None:
    here, there = await _group(world, "g", world.home), await _group(world, "g", "default")
    named = {"group": {"name": "G", "domain": {"name": "default"}}}
    await world.map({"user": {"name": "{0}"}}, {"group": {"id": here}}, named)
    one = await world.sign_in()
    told = one.body["user"]["OS-FEDERATION"]["groups"]
    assert {group["id"] for group in told} == {here, there}
    await world.sign_in()
    assert await _revoked(world) == set()
    missing = {"group": {"name": "none", "domain": {"id": "default"}}}
    await world.map({"user": {"name": "{0}"}}, {"group": {"id": here}}, missing)
    again = await world.sign_in()
    assert [group["id"] for group in again.body["user"]["OS-FEDERATION"]["groups"]] == [here]
    assert await _revoked(world) == {one.user_id}  # tokens from before tell of a group too many
    await world.map({"user": {"name": "{0}"}}, {"group": {"id": "0" * 32}})
    await world.sign_in(status=400)


async def test_a_mapping_may_mean_somebody_who_is_here_already(world: World) -> None:
    body = {"user": {"name": "ada", "password": "secret"}}
    user_id = (await world.admin.post("/v3/users", body))["user"]["id"]
    at_home = {"name": "{0}", "type": "local", "domain": {"name": "Default"}}
    await world.map({"user": at_home})
    assert (await world.sign_in("Ada")).user_id == user_id
    await world.sign_in("bob", status=401)
    await world.map({"user": {**at_home, "domain": {"name": "nowhere"}}})
    await world.sign_in(status=401)
    await world.map({"user": {"id": user_id, "type": "local"}})
    assert (await world.sign_in("anybody")).user_id == user_id
    await world.map({"user": {"id": "0" * 32, "type": "local"}})
    await world.sign_in(status=401)
    assert (await world.admin.get(f"/v3/users?domain_id={world.home}"))["users"] == []


# ---- in the browser ----


@pytest.mark.parametrize("path", [WEBSSO, f"{SSO}/websso/openid"])
async def test_a_browser_comes_back_with_a_token_for_the_page_it_set_out_from(
    world: World, path: str
) -> None:
    taken = await world.set_out(path)
    page = await world.comes_back(200, code="c", state=taken["state"])
    found = re.search(r'action="([^"]+)".*name="token" value="([^"]+)"', page.text, re.DOTALL)
    assert found is not None and html.unescape(found[1]) == DASHBOARD
    assert page.headers["cache-control"] == "no-store"
    token = Client(world.cloud.http, html.unescape(found[2]))
    shown = await token.get("/v3/auth/tokens", headers={"X-Subject-Token": token.token})
    assert shown["token"]["user"]["name"] == "ada"
    assert shown["token"]["methods"] == ["openid"] and "project" not in shown["token"]
    # The browser has nothing left with which the way could be gone again.
    assert not world.cloud.http.cookies
    await world.comes_back(401, code="c", state=taken["state"])


@pytest.mark.parametrize(
    ("origin", "status", "why"),
    [
        ({}, 400, "must have an origin"),
        ({"origin": ""}, 400, "must have an origin"),
        ({"origin": "http://elsewhere/"}, 401, "not a trusted dashboard"),
        ({"origin": DASHBOARD[:-1]}, 401, "not a trusted dashboard"),
    ],
)
async def test_tokens_are_handed_to_pages_that_are_trusted_alone(
    world: World, origin: dict[str, str], status: int, why: str
) -> None:
    for path in (WEBSSO, f"{SSO}/websso/openid"):
        answer = await world.cloud.http.get(path, params=origin)
        assert answer.status_code == status and why in answer.json()["error"]["message"]


async def test_which_provider_is_meant_where_none_is_named(world: World) -> None:
    origin = {"origin": DASHBOARD}
    answer = await world.cloud.http.get(f"{SSO}/websso/saml2", params=origin)
    assert answer.status_code == 404 and "0 identity providers" in answer.json()["error"]["message"]
    # One that is registered has no sign-in before the operator's settings name its issuer.
    other = {"identity_provider": {"enabled": True}}
    await world.admin("PUT", f"{A}/identity_providers/other", other, status=201)
    body = {"protocol": {"mapping_id": "m"}}
    await world.admin("PUT", f"{A}/identity_providers/other/protocols/openid", body, status=201)
    answer = await world.cloud.http.get(WEBSSO.replace("acme", "other"), params=origin)
    assert answer.status_code == 404 and "no sign-in here" in answer.json()["error"]["message"]
    await world.set_out(f"{SSO}/websso/openid")


async def test_a_sign_in_in_the_browser_that_the_provider_refuses(world: World) -> None:
    for said, words in (
        ({"error": "access_denied", "error_description": "You may not."}, "refused: You may not."),
        ({"error": "access_denied"}, "refused: access_denied"),
        ({}, "refused: no code"),
        ({"error": "x" * 5000}, "refused: " + "x" * 200),
    ):
        state = (await world.set_out())["state"]
        message = (await world.comes_back(401, state=state, **said)).json()["error"]["message"]
        assert message.endswith(words), message
    state = (await world.set_out())["state"]
    word = {"id_token": world.word("ada", nonce="of another way")}
    for page in (Page(status=400), Page(data=json.dumps(word).encode())):
        world.web.pages["/idp/token"] = page
        await world.comes_back(401, code="c", state=state)
    assert (await world.admin.get(f"/v3/users?domain_id={world.home}"))["users"] == []


async def test_a_way_is_finished_by_the_browser_that_began_it_and_soon(world: World) -> None:
    """Nobody is signed in as somebody else by a link."""
    theirs = (await world.set_out())["state"]
    world.cloud.http.cookies.clear()
    await world.comes_back(401, code="c", state=theirs)
    mine = (await world.set_out())["state"]
    for state in (theirs, "", "x", mine[:-4]):
        await world.comes_back(401, code="c", state=state)
    for ahead_s, status in ((WAY_S + 1, 401), (WAY_S - 60, 200)):
        world.clock.ahead = timedelta(seconds=ahead_s)
        await world.comes_back(status, code="c", state=mine)


@pytest.mark.parametrize("header", [{}, {"Authorization": "Bearer "}, {"Authorization": "Basic x"}])
async def test_nothing_of_the_provider_signs_nobody_in(
    world: World, header: dict[str, str]
) -> None:
    for method in ("GET", "POST"):
        await world.cloud.anonymous(method, DOOR, headers=header, status=401)


async def test_a_role_by_a_group_of_the_provider_is_lent_as_long_as_it_lasts(world: World) -> None:
    """rackerlabs/understack#538: an application credential of somebody who has a role by such a group alone."""
    group = await _group(world, "g", world.home)
    project = (await world.admin.post("/v3/projects", {"project": {"name": "p"}}))["project"]["id"]
    role = await world.role("worker")
    grant = f"/v3/projects/{project}/groups/{group}/roles/{role}"
    await world.admin("PUT", grant, status=204)
    await world.map({"user": {"name": "{0}"}}, {"group": {"id": group}})
    one = await world.sign_in()
    by_token = {"methods": ["token"], "token": {"id": one.token}}
    scoped = await sign_in(world.cloud, by_token, {"project": {"id": project}})
    credential = await an_application_credential(scoped)
    await sign_in(world.cloud, by_application_credential(credential))
    await world.map({"user": {"name": "{0}"}})
    await world.sign_in()
    await sign_in(world.cloud, by_application_credential(credential), status=401)
