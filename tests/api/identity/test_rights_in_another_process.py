"""What somebody may do changes in one process; another one, which has remembered it, goes by the change at once."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from tests.api.identity.doors import a_trust, by_password, by_trust, sign_in
from tests.cloud import PASSWORD, Client, Cloud, running


@pytest.fixture
async def other(cloud: Cloud, tmp_path: Path) -> AsyncIterator[Cloud]:
    """Another control process of the cloud, on a machine of its own."""
    state = tmp_path / "other"
    (state / "control").mkdir(parents=True)
    shutil.copy(cloud.control.settings.cloud_key, state / "control")
    url = cloud.control.settings.database_url
    async with running(state, database=url, hosts=0, node_name="other") as second:
        yield second


class Place:
    """A domain with a project below a project, a user, a group, and three roles: one, two, three."""

    def __init__(self, cloud: Cloud, other: Cloud, admin: Client, name: str) -> None:
        self.cloud, self.other, self.admin, self.name = cloud, other, admin, name
        self.role: dict[str, str] = {}

    async def made(self, noun: str, **values: Any) -> str:
        path = f"/v3/{'domains' if noun == 'domain' else noun + 's'}"
        return str((await self.admin.post(path, {noun: values}))[noun]["id"])

    async def build(self) -> Place:
        name = self.name
        self.domain = await self.made("domain", name=name)
        self.above = await self.made("project", name=f"{name}-above", domain_id=self.domain)
        self.project = await self.made(
            "project", name=name, domain_id=self.domain, parent_id=self.above
        )
        self.user = await self.made("user", name=name, domain_id=self.domain, password=PASSWORD)
        self.group = await self.made("group", name=name, domain_id=self.domain)
        for one in ("one", "two", "three"):
            self.role[one] = await self.made("role", name=f"{name}-{one}")
        return self

    async def do(self, method: str, path: str, body: Any = None) -> None:
        answer = await self.admin(method, f"/v3/{path.format(**self.__dict__)}", body)
        assert answer.status_code < 300, f"{path}: {answer.text}"

    async def enter(self, kind: str = "project", **scope: Any) -> Client:
        at = {"project": {"project": {"id": self.project}}, "domain": {"domain": {"id": self.domain}},
              "system": {"system": {"all": True}}}[kind]  # fmt: skip
        return await sign_in(self.cloud, by_password(self.user), scope or at)

    async def visible(self, client: Client) -> set[str] | None:
        """The roles of a token as the other process knows them; None: it is worth nothing there."""
        there = Client(self.other.http, client.token)
        subject = {"X-Subject-Token": client.token}
        answer = await there("GET", "/v3/auth/tokens", headers=subject)
        if answer.status_code != 200:
            assert answer.status_code in (401, 404), answer.text
            return None
        names = {str(one["name"]) for one in answer.json()["token"].get("roles", ())}
        return {one.removeprefix(f"{self.name}-") for one in names}


Case = tuple[tuple[str, ...], str, str, str, Any, set[str] | None]
"""What is given first, where the token is for, a change (method, path, body), and what the token is worth then."""

USER, GROUP = "users/{user}", "groups/{group}"
ON = "projects/{project}/"
MEMBER = "groups/{group}/users/{user}"
INHERITED = "OS-INHERIT/{where}/{actor}/roles/{role[%s]}/inherited_to_projects"


def inherited(where: str, actor: str, role: str) -> str:
    return INHERITED.replace("{where}", where).replace("{actor}", actor) % role


PROJECT, ABOVE, DOMAIN = "projects/{project}", "projects/{above}", "domains/{domain}"
ONE = f"{PROJECT}/{USER}/roles/{{role[one]}}"
BY_GROUP = f"{PROJECT}/{GROUP}/roles/{{role[one]}}"
IMPLIES = "roles/{role[one]}/implies/{role[two]}"
OFF = {"enabled": False}

CASES: dict[str, Case] = {
    "a role of a user": ((ONE,), "project", "PUT", ONE.replace("one", "two"), None, {"one", "two"}),
    "no role any more": ((ONE,), "project", "DELETE", ONE, None, None),
    "a role of a group": (
        (MEMBER, ONE), "project", "PUT", BY_GROUP.replace("one", "two"), None, {"one", "two"},
    ),
    "no role of a group": ((MEMBER, BY_GROUP), "project", "DELETE", BY_GROUP, None, None),
    "into a group": ((ONE, BY_GROUP.replace("one", "two")), "project", "PUT", MEMBER, None, {"one", "two"}),
    "out of a group": ((MEMBER, BY_GROUP), "project", "DELETE", MEMBER, None, None),
    "a group is deleted": ((MEMBER, BY_GROUP), "project", "DELETE", GROUP, None, None),
    "a role on a domain": (
        (f"{DOMAIN}/{USER}/roles/{{role[one]}}",), "domain",
        "PUT", f"{DOMAIN}/{USER}/roles/{{role[two]}}", None, {"one", "two"},
    ),
    "no role on a domain": (
        (MEMBER, f"{DOMAIN}/{GROUP}/roles/{{role[one]}}"), "domain",
        "DELETE", f"{DOMAIN}/{GROUP}/roles/{{role[one]}}", None, None,
    ),
    "a role on the system": (
        (f"system/{USER}/roles/{{role[one]}}",), "system",
        "PUT", f"system/{USER}/roles/{{role[two]}}", None, {"one", "two"},
    ),
    "no role on the system": (
        (MEMBER, f"system/{GROUP}/roles/{{role[one]}}"), "system",
        "DELETE", f"system/{GROUP}/roles/{{role[one]}}", None, None,
    ),
    "inherited of a domain": (
        (ONE,), "project", "PUT", inherited(DOMAIN, USER, "two"), None, {"one", "two"},
    ),
    "inherited of a project": (
        (ONE, MEMBER), "project", "PUT", inherited(ABOVE, GROUP, "two"), None, {"one", "two"},
    ),
    "not inherited any more": (
        (inherited(ABOVE, USER, "one"),), "project", "DELETE", inherited(ABOVE, USER, "one"), None, None,
    ),
    "implied": ((ONE,), "project", "PUT", IMPLIES, None, {"one", "two"}),
    "not implied any more": ((ONE, IMPLIES), "project", "DELETE", IMPLIES, None, {"one"}),
    "implied by what is implied": (
        (ONE, IMPLIES), "project", "PUT", "roles/{role[two]}/implies/{role[three]}", None, {"one", "two", "three"},
    ),
    "a role is deleted": ((ONE,), "project", "DELETE", "roles/{role[one]}", None, None),
    "an implied role is deleted": ((ONE, IMPLIES), "project", "DELETE", "roles/{role[two]}", None, {"one"}),
    "a role is called otherwise": (
        (ONE,), "project", "PATCH", "roles/{role[one]}", {"role": {"name": "{name}-other"}}, {"other"},
    ),
    "the project is off": ((ONE,), "project", "PATCH", PROJECT, {"project": OFF}, None),
    "the domain is off": ((ONE,), "project", "PATCH", DOMAIN, {"domain": OFF}, None),
    "the domain is off, and the system is meant": (
        (f"system/{USER}/roles/{{role[one]}}",), "system", "PATCH", DOMAIN, {"domain": OFF}, None,
    ),
    "the project is deleted": ((ONE,), "project", "DELETE", PROJECT, None, None),
    "the user is off": ((ONE,), "project", "PATCH", USER, {"user": OFF}, None),
    "the user is deleted": ((ONE,), "project", "DELETE", USER, None, None),
    "another password": ((ONE,), "project", "PATCH", USER, {"user": {"password": "new"}}, None),
}  # fmt: skip


async def test_a_change_in_one_process_is_seen_in_the_other_at_once(
    cloud: Cloud, other: Cloud
) -> None:
    admin = await cloud.sign_in()
    wrong = {}
    for number, (name, case) in enumerate(CASES.items()):
        given, where, method, path, body, after = case
        place = await Place(cloud, other, admin, f"p{number}").build()
        for one in given:
            await place.do("PUT", one)
        token = await place.enter(where)
        before = await place.visible(token)
        assert before and before == await place.visible(token), (
            name
        )  # the second time of what is remembered
        if body is not None and "role" in body:
            body = {"role": {"name": f"{place.name}-other"}}
        await place.do(method, path, body)
        if (found := await place.visible(token)) != after:
            wrong[name] = found
    assert wrong == {}


async def _lent(place: Place) -> tuple[Client, Client, dict[str, Any]]:
    """A trustor, the token of its trust, and the trust."""
    await place.do("PUT", ONE)
    trustor = await place.enter()
    trustee = await place.cloud.project_with(f"{place.name}-trustee", "member")
    trust = await a_trust(trustor, trustee)
    return trustor, await by_trust(place.cloud, trustee, trust["id"]), trust


async def _trust_deleted(place: Place) -> Client:
    trustor, token, trust = await _lent(place)
    assert await place.visible(token) == {"one"}
    await trustor("DELETE", f"/v3/OS-TRUST/trusts/{trust['id']}", status=204)
    return token


async def _trustor_without_role(place: Place) -> Client:
    _, token, _ = await _lent(place)
    assert await place.visible(token) == {"one"}
    await place.do("DELETE", ONE)
    return token


async def _trustor_off(place: Place) -> Client:
    _, token, _ = await _lent(place)
    assert await place.visible(token) == {"one"}
    await place.do("PATCH", USER, {"user": OFF})
    return token


async def _trustee_off(place: Place) -> Client:
    _, token, trust = await _lent(place)
    assert await place.visible(token) == {"one"}
    await place.do("PATCH", f"users/{trust['trustee_user_id']}", {"user": OFF})
    return token


async def _credential(place: Place) -> tuple[Client, Client, str]:
    await place.do("PUT", ONE)
    owner = await place.enter()
    path = f"/v3/users/{place.user}/application_credentials"
    made = (await owner.post(path, {"application_credential": {"name": "c"}}))[
        "application_credential"
    ]
    told = {"id": made["id"], "secret": made["secret"]}
    identity = {"methods": ["application_credential"], "application_credential": told}
    return owner, await sign_in(place.cloud, identity), f"{path}/{made['id']}"


async def _credential_deleted(place: Place) -> Client:
    owner, token, path = await _credential(place)
    assert await place.visible(token) == {"one"}
    await owner("DELETE", path, status=204)
    return token


async def _credential_of_a_role_that_went(place: Place) -> Client:
    _, token, _ = await _credential(place)
    await place.do("PUT", ONE.replace("one", "two"))
    assert await place.visible(token) == {"one"}  # it is no wider than it was made
    await place.do("DELETE", ONE)
    return token


async def _revoked(place: Place) -> Client:
    await place.do("PUT", ONE)
    token = await place.enter()
    assert await place.visible(token) == {"one"}
    subject = {"X-Subject-Token": token.token}
    await token("DELETE", "/v3/auth/tokens", headers=subject, status=204)
    return token


ENDS: dict[str, Callable[[Place], Awaitable[Client]]] = {
    "a trust is deleted": _trust_deleted,
    "its trustor has the role no more": _trustor_without_role,
    "its trustor is off": _trustor_off,
    "its trustee is off": _trustee_off,
    "an application credential is deleted": _credential_deleted,
    "the role of its user went": _credential_of_a_role_that_went,
    "a token is revoked": _revoked,
}


async def test_what_was_lent_ends_in_the_other_process_at_once(cloud: Cloud, other: Cloud) -> None:
    admin = await cloud.sign_in()
    alive = []
    for number, (name, change) in enumerate(ENDS.items()):
        token = await change(await Place(cloud, other, admin, f"p{number}").build())
        if await _lives(other, admin, token):
            alive.append(name)
    assert alive == []


async def _lives(other: Cloud, admin: Client, token: Client) -> bool:
    there = Client(other.http, admin.token)
    answer = await there("GET", "/v3/auth/tokens", headers={"X-Subject-Token": token.token})
    return answer.status_code == 200
