"""Accounts in a directory: OpenLDAP's own server, started here with people and groups in it."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from hanok.services.identity import facade
from tests.cloud import Client, Cloud
from tests.ports import free_port

SLAPD = shutil.which("slapd", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
pytestmark = pytest.mark.skipif(SLAPD is None, reason="needs Debian's slapd")

SUFFIX = "dc=acme,dc=example"
CONFIG = """
include /etc/ldap/schema/core.schema
include /etc/ldap/schema/cosine.schema
include /etc/ldap/schema/inetorgperson.schema
modulepath /usr/lib/ldap
moduleload back_mdb
database mdb
suffix "{suffix}"
rootdn "cn=root,{suffix}"
rootpw rootword
directory {folder}/data
access to attrs=userPassword by anonymous auth by * none
access to * by dn.exact="cn=reader,{suffix}" read by * none
"""
PEOPLE = ("jane", "joe", "jim")


def entries(*gone: str) -> str:
    lines = [
        f"dn: {SUFFIX}\nobjectClass: dcObject\nobjectClass: organization\ndc: acme\no: Acme",
        f"dn: cn=reader,{SUFFIX}\nobjectClass: organizationalRole\nobjectClass: simpleSecurityObject\n"
        "cn: reader\nuserPassword: readerword",
        f"dn: ou=people,{SUFFIX}\nobjectClass: organizationalUnit\nou: people",
        f"dn: ou=groups,{SUFFIX}\nobjectClass: organizationalUnit\nou: groups",
    ]
    for name in PEOPLE:
        lines.append(
            f"dn: uid={name},ou=people,{SUFFIX}\nobjectClass: inetOrgPerson\nuid: {name}\ncn: {name} Doe\n"
            f"sn: Doe\nmail: {name}@acme.example\nuserPassword: {name}word\nemployeeType: TRUE"
        )
    lines.append(
        f"dn: cn=staff,ou=groups,{SUFFIX}\nobjectClass: groupOfNames\ncn: staff\ndescription: all of them\n"
        f"member: uid=jane,ou=people,{SUFFIX}\nmember: uid=joe,ou=people,{SUFFIX}"
    )
    return "\n\n".join(lines) + "\n"


class LDAP:
    """A directory in a folder of its own, on loopback."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.url = f"ldap://127.0.0.1:{free_port()}"
        self._process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        assert SLAPD is not None
        (self.folder / "data").mkdir(exist_ok=True)
        config = self.folder / "slapd.conf"
        config.write_text(CONFIG.format(suffix=SUFFIX, folder=self.folder))
        self._process = await asyncio.create_subprocess_exec(
            SLAPD, "-h", self.url, "-f", str(config), "-d", "0", stderr=subprocess.DEVNULL
        )
        host, port = self.url.removeprefix("ldap://").split(":")
        async with asyncio.timeout(20):
            while True:
                try:
                    _, writer = await asyncio.open_connection(host, int(port))
                    writer.close()
                    return
                except OSError:
                    await asyncio.sleep(0.05)

    async def stop(self) -> None:
        if self._process is not None:
            self._process.terminate()
            await self._process.wait()
            self._process = None

    def change(self, text: str, *, program: str = "ldapmodify") -> None:
        subprocess.run(
            [program, "-x", "-H", self.url, "-D", f"cn=root,{SUFFIX}", "-w", "rootword"],
            input=text,
            text=True,
            check=True,
            capture_output=True,
            timeout=30,
        )


@pytest_asyncio.fixture
async def ldap(tmp_path: Path) -> AsyncIterator[LDAP]:
    folder = tmp_path / "ldap"
    folder.mkdir()
    one = LDAP(folder)
    await one.start()
    try:
        one.change(entries(), program="ldapadd")
        yield one
    finally:
        await one.stop()


def config(ldap: LDAP, **more: Any) -> dict[str, Any]:
    return {
        "identity": {"driver": "ldap"},
        "ldap": {
            "url": ldap.url,
            "user": f"cn=reader,{SUFFIX}",
            "password": "readerword",
            "suffix": SUFFIX,
            "user_tree_dn": f"ou=people,{SUFFIX}",
            "user_id_attribute": "uid",
            "user_name_attribute": "uid",
            "group_tree_dn": f"ou=groups,{SUFFIX}",
            "group_name_attribute": "cn",
            **more,
        },
    }


async def a_domain(admin: Client, ldap: LDAP, **more: Any) -> str:
    made = (await admin.post("/v3/domains", {"domain": {"name": "acme"}}))["domain"]["id"]
    await admin("PUT", f"/v3/domains/{made}/config", {"config": config(ldap, **more)}, status=201)
    return str(made)


async def sign_in(
    cloud: Cloud, name: str, password: str, status: int = 201, **scope: Any
) -> Client:
    user = {"name": name, "domain": {"name": "acme"}, "password": password}
    return await by(cloud, user, status, **scope)


async def by(cloud: Cloud, user: dict[str, Any], status: int = 201, **scope: Any) -> Client:
    identity = {"methods": ["password"], "password": {"user": user}}
    body = {"auth": {"identity": identity, **scope}}
    answer = await cloud.anonymous("POST", "/v3/auth/tokens", body, status=status)
    if status != 201:
        return cloud.anonymous
    return Client(cloud.http, answer.headers["X-Subject-Token"], answer.json()["token"])


async def names(admin: Client, path: str, key: str) -> list[str]:
    return sorted(one["name"] for one in (await admin.get(path))[key])


async def follow(cloud: Cloud) -> None:
    await facade.follow_directories(cloud.control.database, cloud.identity)


async def test_people_of_a_directory_sign_in(cloud: Cloud, ldap: LDAP) -> None:
    admin = await cloud.sign_in()
    domain = await a_domain(admin, ldap)
    assert "readerword" not in str(await admin.get(f"/v3/domains/{domain}/config"))
    jane = await sign_in(cloud, "jane", "janeword")
    assert jane.body["user"]["domain"] == {"id": domain, "name": "acme"}
    for name, password in (
        ("jane", "joeword"), ("jane", ""), ("nobody", "x"), ("*", "janeword"), ("jane)(uid=*", "x"),
    ):  # fmt: skip
        await sign_in(cloud, name, password, 401)
    await by(cloud, {"id": jane.user_id, "password": "janeword"})
    await by(cloud, {"id": jane.user_id, "password": "x"}, 401)

    shown = (await admin.get(f"/v3/users/{jane.user_id}"))["user"]
    assert (shown["name"], shown["email"], shown["enabled"]) == ("jane", "jane@acme.example", True)
    assert await names(admin, f"/v3/users?domain_id={domain}", "users") == sorted(PEOPLE)
    (staff,) = (await admin.get(f"/v3/groups?domain_id={domain}"))["groups"]
    assert (staff["name"], staff["description"]) == ("staff", "all of them")
    assert await names(admin, f"/v3/groups/{staff['id']}/users", "users") == ["jane", "joe"]
    assert await names(admin, f"/v3/users/{jane.user_id}/groups", "groups") == ["staff"]

    # Roles by the group, as everywhere.
    project = (await admin.post("/v3/projects", {"project": {"name": "p"}}))["project"]["id"]
    (member,) = (await admin.get("/v3/roles?name=member"))["roles"]
    grant = f"/v3/projects/{project}/groups/{staff['id']}/roles/{member['id']}"
    await admin("PUT", grant, status=204)
    scope: Any = {"scope": {"project": {"id": project}}}
    in_project = await sign_in(cloud, "jane", "janeword", **scope)
    assert "member" in {role["name"] for role in in_project.body["roles"]}
    await sign_in(cloud, "jim", "jimword", 401, **scope)

    # What the directory takes away is gone, and comes back.
    ldap.change(
        f"dn: cn=staff,ou=groups,{SUFFIX}\nchangetype: modify\ndelete: member\n"
        f"member: uid=jane,ou=people,{SUFFIX}\n"
    )
    await follow(cloud)
    await in_project("GET", "/v3/auth/projects", status=401)
    ldap.change(f"dn: uid=joe,ou=people,{SUFFIX}\nchangetype: delete\n")
    await follow(cloud)
    await sign_in(cloud, "joe", "joeword", 401)
    joe = (await admin.get(f"/v3/users?domain_id={domain}&name=joe"))["users"][0]
    assert joe["enabled"] is False


async def test_a_directory_is_changed_in_the_directory_only(cloud: Cloud, ldap: LDAP) -> None:
    admin = await cloud.sign_in()
    domain = await a_domain(admin, ldap)
    jane = await sign_in(cloud, "jane", "janeword")
    joe = await sign_in(cloud, "joe", "joeword")
    (staff,) = (await admin.get(f"/v3/groups?domain_id={domain}"))["groups"]
    user, group = f"/v3/users/{jane.user_id}", f"/v3/groups/{staff['id']}"
    for method, path, body in (
        ("POST", "/v3/users", {"user": {"name": "new", "domain_id": domain}}),
        ("PATCH", user, {"user": {"name": "new"}}),
        ("PATCH", user, {"user": {"password": "new"}}),
        ("DELETE", user, None),
        ("POST", "/v3/groups", {"group": {"name": "new", "domain_id": domain}}),
        ("PATCH", group, {"group": {"name": "new"}}),
        ("DELETE", group, None),
        ("DELETE", f"{group}/users/{jane.user_id}", None),
        ("PUT", f"{group}/users/{joe.user_id}", None),
    ):
        answer = (await admin(method, path, body, status=403)).json()
        assert "directory (LDAP)" in answer["error"]["message"], (method, path)
    body = {"user": {"original_password": "janeword", "password": "new"}}
    await jane("POST", f"{user}/password", body, status=401)
    await sign_in(cloud, "jane", "janeword")


async def test_a_directory_that_does_not_answer_loses_nothing(cloud: Cloud, ldap: LDAP) -> None:
    admin = await cloud.sign_in()
    domain = await a_domain(admin, ldap)
    jane = await sign_in(cloud, "jane", "janeword")
    await ldap.stop()
    await follow(cloud)
    await sign_in(cloud, "jane", "janeword", 503)
    await jane.get("/v3/auth/projects")
    assert await names(admin, f"/v3/users?domain_id={domain}&enabled=true", "users") == sorted(
        PEOPLE
    )
    await cloud.sign_in()  # other domains do not notice
    await ldap.start()
    await sign_in(cloud, "jane", "janeword")


async def test_a_name_that_another_user_has_is_not_that_users(cloud: Cloud, ldap: LDAP) -> None:
    admin = await cloud.sign_in()
    made = (await admin.post("/v3/domains", {"domain": {"name": "acme"}}))["domain"]["id"]
    ours = {"user": {"name": "jane", "domain_id": made, "password": "ours"}}
    before = (await admin.post("/v3/users", ours))["user"]["id"]
    await admin("PUT", f"/v3/domains/{made}/config", {"config": config(ldap)}, status=201)
    await sign_in(cloud, "jane", "janeword", 401)
    assert (await by(cloud, {"id": before, "password": "ours"})).user_id == before
    await sign_in(cloud, "joe", "joeword")


@pytest.mark.parametrize(
    ("more", "enabled"),
    [
        ({"user_enabled_attribute": "employeeType"}, True),
        ({"user_enabled_attribute": "employeeType", "user_enabled_invert": True}, False),
        ({"user_filter": "(uid=joe)"}, None),
        ({"user_objectclass": "organizationalRole"}, None),
        ({"query_scope": "sub", "user_tree_dn": SUFFIX}, True),
        ({"page_size": 1}, True),
    ],
)
async def test_options(
    cloud: Cloud, ldap: LDAP, more: dict[str, Any], enabled: bool | None
) -> None:
    admin = await cloud.sign_in()
    domain = await a_domain(admin, ldap, **more)
    await follow(cloud)
    found = (await admin.get(f"/v3/users?domain_id={domain}&name=jane"))["users"]
    assert [one["enabled"] for one in found] == ([] if enabled is None else [enabled])


@pytest.mark.parametrize(
    "odd",
    [
        {"user_enabled_mask": "many"},
        {"page_size": {"a": 1}},
        {"url": "nowhere at all"},
        {"tls_cacertfile": "/nowhere", "use_tls": True},
        {"user_filter": "(((", "query_scope": ["x"]},
    ],
)
async def test_a_directory_that_is_set_oddly_stops_only_itself(
    cloud: Cloud, ldap: LDAP, odd: dict[str, Any]
) -> None:
    admin = await cloud.sign_in()
    domain = await a_domain(admin, ldap, **odd)
    await follow(cloud)
    await sign_in(cloud, "jane", "janeword", 503)
    assert (await admin.get(f"/v3/users?domain_id={domain}"))["users"] == []
    await cloud.sign_in()
