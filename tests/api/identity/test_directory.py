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

from hanok.base.errors import Unavailable
from hanok.services.identity import facade
from hanok.services.identity.logic import directory
from hanok.services.identity.logic.directory import LONGEST, LONGEST_TEAM, Directory
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
        async with asyncio.timeout(60):
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


# ---- what is read of a directory ----

LONG, TOO_LONG = "l" * LONGEST, "l" * (LONGEST + 1)
PERSON = "objectClass: inetOrgPerson\nuid: {0}\ncn: {0}\nsn: {0}\n"
MORE = f"""
dn: uid=joe,ou=people,{SUFFIX}
changetype: modify
replace: employeeType
employeeType: FALSE
-
replace: employeeNumber
employeeNumber: 514
-
replace: description
description: {LONG}

dn: uid=jane,ou=people,{SUFFIX}
changetype: modify
replace: employeeNumber
employeeNumber: 512
-
replace: description
description: {TOO_LONG}

dn: uid=jim,ou=people,{SUFFIX}
changetype: modify
delete: employeeType
-
delete: mail
-
replace: employeeNumber
employeeNumber: of no kind

dn: cn=far,ou=people,{SUFFIX}
changetype: add
objectClass: referral
objectClass: extensibleObject
cn: far
ref: ldap://127.0.0.1:1/{SUFFIX}

dn: cn=on,ou=groups,{SUFFIX}
changetype: add
objectClass: groupOfNames
cn: on
member: uid=Jane,ou=people,{SUFFIX}

dn: cn=enabled_users,ou=people,{SUFFIX}
changetype: add
objectClass: groupOfNames
cn: enabled_users
member: uid=jim,ou=people,{SUFFIX}

dn: cn={"g" * LONGEST_TEAM},ou=groups,{SUFFIX}
changetype: add
objectClass: groupOfNames
cn: {"g" * LONGEST_TEAM}
description: as long as it may be
member: uid=jim,ou=people,{SUFFIX}

dn: cn={"h" * (LONGEST_TEAM + 1)},ou=groups,{SUFFIX}
changetype: add
objectClass: groupOfNames
cn: {"h" * (LONGEST_TEAM + 1)}
member: uid=jim,ou=people,{SUFFIX}

dn: ou=Users,{SUFFIX}
changetype: add
objectClass: organizationalUnit
ou: Users

dn: uid=home,ou=Users,{SUFFIX}
changetype: add
{PERSON.format("home")}
dn: ou=UserGroups,{SUFFIX}
changetype: add
objectClass: organizationalUnit
ou: UserGroups

dn: cn=homes,ou=UserGroups,{SUFFIX}
changetype: add
objectClass: groupOfNames
cn: homes
member: uid=home,ou=Users,{SUFFIX}
"""
BY_TYPE = {"user_enabled_attribute": "employeeType"}
BY_NUMBER = {
    "user_enabled_attribute": "employeeNumber", "user_enabled_mask": 2, "user_enabled_default": "512",
}  # fmt: skip
EMULATED = {"user_enabled_emulation": True}
MEMBERS: tuple[tuple[dict[str, Any], set[str]], ...] = (
    ({}, {"jane", "joe", "jim"}),
    (BY_TYPE, {"jane", "jim"}),
    ({**BY_TYPE, "user_enabled_default": "False"}, {"jane"}),
    # What is so where nobody says anything is turned round, too.
    ({**BY_TYPE, "user_enabled_invert": "true"}, {"joe"}),
    ({**BY_TYPE, "user_enabled_invert": "true", "user_enabled_default": "no"}, {"joe", "jim"}),
    (BY_NUMBER, {"jane", "jim"}),
    ({**BY_NUMBER, "user_enabled_attribute": "pager"}, {"jane", "joe", "jim"}),
    ({**BY_NUMBER, "user_enabled_attribute": "pager", "user_enabled_default": "514"}, set()),
    ({**EMULATED, **BY_TYPE}, {"jim"}),
    ({**EMULATED, "user_enabled_emulation_dn": f"cn=on,ou=groups,{SUFFIX}"}, {"jane"}),
)
FOUND: tuple[tuple[dict[str, Any], set[str]], ...] = (
    ({"user_filter": "(uid=joe)"}, {"joe"}),
    ({"user_filter": "uid=joe"}, {"joe"}),
    ({"user_name_attribute": "mail"}, {"jane@acme.example", "joe@acme.example"}),
    ({"user_name_attribute": "description"}, {LONG}),
    ({"user_id_attribute": "description"}, {"joe"}),
    ({"user_tree_dn": None}, {"home"}),
    ({"user_tree_dn": SUFFIX}, set()),
    ({"user_tree_dn": SUFFIX, "query_scope": "sub"}, {"jane", "joe", "jim", "home"}),
    ({"page_size": None}, {"jane", "joe", "jim"}),
    ({"page_size": 2}, {"jane", "joe", "jim"}),
)


async def test_what_is_read_of_a_directory(ldap: LDAP, monkeypatch: pytest.MonkeyPatch) -> None:
    ldap.change(MORE)

    def set_so(**more: Any) -> Directory:
        return Directory(config(ldap, **more)["ldap"])

    for more, names_on in MEMBERS:
        people = await set_so(**more).people()
        assert {one.name for one in people if one.enabled} == names_on, more
        assert len(people) == 3
    for more, names_there in FOUND:
        assert {one.name for one in await set_so(**more).people()} == names_there, more
    jane, joe, _ = PEOPLE
    for name, mail in ((jane, "jane@acme.example"), ("jim", "")):
        person = await set_so().find(name)
        assert person is not None and (person.email, person.local_id) == (mail, name)
    person = await set_so(user_mail_attribute=None, user_id_attribute="dn").find(joe)
    assert person is not None
    assert (person.email, person.local_id, person.description) == ("", person.dn, LONG)
    # Names are told apart to the letter, and a name that several have is nobody's.
    for way, found in (
        (set_so().find("Jane"), False), (set_so().get("Jane"), False), (set_so().get(jane), True),
        (set_so(user_id_attribute="mail").get(jane), False),
        (set_so(user_name_attribute="sn").find("Doe"), False),
        (set_so(user_id_attribute="cn").get("jane Doe"), True),
    ):  # fmt: skip
        assert (await way is not None) == found
    dn = f"uid=jane,ou=people,{SUFFIX}"
    for password, right in (("janeword", True), ("joeword", False), ("", False)):
        assert await set_so().binds(dn, password) == right
    teams = {one.name: one for one in await set_so().teams()}
    assert set(teams) == {"staff", "on", "g" * LONGEST_TEAM}
    assert teams["on"].members == (f"uid=Jane,ou=people,{SUFFIX}",)
    assert (teams["staff"].description, teams["on"].description) == ("all of them", "")
    (team,) = await set_so(group_tree_dn=None, group_desc_attribute=None).teams()
    assert (team.name, team.description) == ("homes", "")
    assert await set_so(group_id_attribute="description").teams() != []
    assert {one.name for one in await set_so(group_id_attribute="description").teams()} == {
        "staff", "g" * LONGEST_TEAM,
    }  # fmt: skip
    # The first server that answers, of those that are named.
    nobody = "ldap://127.0.0.1:1"
    assert await set_so(url=f"{nobody}, {ldap.url}").get(jane)
    with pytest.raises(Unavailable, match="does not answer"):
        await set_so(url=f"{nobody},{nobody}").get(jane)
    with pytest.raises(Unavailable):  # this one speaks no TLS
        await set_so(use_tls=True).get(jane)
    with pytest.raises(Unavailable):
        await set_so(user="").get(jane)
    monkeypatch.setattr(directory, "MAXIMUM", 3)
    assert len(await set_so().people()) == 3
    monkeypatch.setattr(directory, "MAXIMUM", 2)
    with pytest.raises(Unavailable):
        await set_so().people()


# ---- what follows a directory ----


async def _people(admin: Client, domain: str) -> dict[str, tuple[str, bool]]:
    """Who is there: (mail, switched on) by name."""
    found = (await admin.get(f"/v3/users?domain_id={domain}"))["users"]
    return {one["name"]: (one.get("email", ""), one["enabled"]) for one in found}


async def test_what_changes_in_a_directory_changes_here(cloud: Cloud, ldap: LDAP) -> None:
    admin = await cloud.sign_in()
    domain = await a_domain(admin, ldap, user_name_attribute="cn")
    other = (await admin.post("/v3/domains", {"domain": {"name": "other"}}))["domain"]["id"]
    twin = config(ldap, user_name_attribute="cn", user_filter="(uid=jane)")
    await admin("PUT", f"/v3/domains/{other}/config", {"config": twin}, status=201)
    taken = {"group": {"name": "taken", "domain_id": domain}}
    await admin("POST", "/v3/groups", taken, status=403)
    await follow(cloud)
    jane, _, jim = (f"{name} Doe" for name in PEOPLE)
    before = await _people(admin, domain)
    assert before == {f"{name} Doe": (f"{name}@acme.example", True) for name in PEOPLE}
    assert set(await _people(admin, other)) == {jane}
    ldap.change(
        f"dn: uid=jane,ou=people,{SUFFIX}\nchangetype: modify\nreplace: mail\nmail: j@acme.example\n\n"
        f"dn: uid=joe,ou=people,{SUFFIX}\nchangetype: modify\nreplace: cn\ncn: Joseph\n\n"
        f"dn: cn=staff,ou=groups,{SUFFIX}\nchangetype: modify\nreplace: description\ndescription: most\n"
        f"-\nreplace: member\nmember: UID=jim,ou=people,{SUFFIX}\nmember: uid=gone,ou=people,{SUFFIX}\n\n"
        f"dn: cn=taken,ou=groups,{SUFFIX}\nchangetype: add\nobjectClass: groupOfNames\ncn: taken\n"
        f"member: uid=jane,ou=people,{SUFFIX}\n"
    )
    await follow(cloud)
    assert await _people(admin, domain) == {
        jane: ("j@acme.example", True), "Joseph": ("joe@acme.example", True), jim: before[jim],
    }  # fmt: skip
    assert await _people(admin, other) == {jane: ("j@acme.example", True)}
    groups = {
        one["name"]: one for one in (await admin.get(f"/v3/groups?domain_id={domain}"))["groups"]
    }
    assert set(groups) == {"staff", "taken"} and groups["staff"]["description"] == "most"
    for name, members in (("staff", [jim]), ("taken", [jane])):
        assert await names(admin, f"/v3/groups/{groups[name]['id']}/users", "users") == members
    # Who is gone is switched off, and on again with the next sign-in; here only.
    ldap.change(f"dn: uid=jim,ou=people,{SUFFIX}\nchangetype: delete\n")
    await follow(cloud)
    assert (await _people(admin, domain))[jim] == ("jim@acme.example", False)
    assert (await _people(admin, domain))[jane][1]
    ldap.change(entries().split("\n\n")[6] + "\n", program="ldapadd")
    await sign_in(cloud, jim, "jimword")
    assert (await _people(admin, domain))[jim] == ("jim@acme.example", True)
    # A directory that says nothing at all has been emptied by mistake.
    change = {"config": {"ldap": {"user_filter": "(uid=nobody)"}}}
    await admin("PATCH", f"/v3/domains/{domain}/config", change, status=200)
    await follow(cloud)
    assert {on for _, on in (await _people(admin, domain)).values()} == {True}
    await sign_in(cloud, jane, "janeword", 401)


async def test_members_that_are_named_by_their_ids(cloud: Cloud, ldap: LDAP) -> None:
    """And who keeps what another user, or group, of the domain is called."""
    admin = await cloud.sign_in()
    made = (await admin.post("/v3/domains", {"domain": {"name": "acme"}}))["domain"]["id"]
    ours = {"group": {"name": "crew", "domain_id": made}}
    await admin("POST", "/v3/groups", ours, status=201)
    ldap.change(
        "".join(
            f"dn: cn={name},ou=groups,{SUFFIX}\nchangetype: add\nobjectClass: groupOfUniqueNames\n"
            f"cn: {name}\nowner: cn={name}\ndescription: {name}\nuniqueMember: cn=x\n"
            f"businessCategory: jane\nbusinessCategory: JOE\nbusinessCategory: jim\n\n"
            for name in ("crew", "hands")
        )
    )
    more = {
        "group_objectclass": "groupOfUniqueNames", "group_members_are_ids": True,
        "group_member_attribute": "businessCategory",
    }  # fmt: skip
    await admin("PUT", f"/v3/domains/{made}/config", {"config": config(ldap, **more)}, status=201)
    for _ in range(2):
        await follow(cloud)
        found = (await admin.get(f"/v3/groups?domain_id={made}"))["groups"]
        by_name = {one["name"]: one for one in found}
        assert set(by_name) == {"crew", "hands"}
        members = {
            name: await names(admin, f"/v3/groups/{one['id']}/users", "users")
            for name, one in by_name.items()
        }
        assert members == {"crew": [], "hands": ["jane", "jim"]}


# ---- a directory that does not answer ----


class Dead:
    """Something at an address of a directory that takes connections and says nothing."""

    def __init__(self) -> None:
        self.requests = 0
        self.enough = asyncio.Event()
        self._free = asyncio.Event()
        self._server: asyncio.Server | None = None

    async def start(self, enough: int) -> str:
        async def silent(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            self.requests += 1
            if self.requests >= enough:
                self.enough.set()
            await self._free.wait()
            writer.close()

        self._server = await asyncio.start_server(silent, "127.0.0.1", 0)
        return f"ldap://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    def stop(self) -> None:
        assert self._server is not None
        self._free.set()
        self._server.close()


async def test_who_asks_a_dead_directory_holds_up_nobody_else(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(directory, "WAITING", 4)
    admin, many = await cloud.sign_in(), directory.AT_ONCE + 4
    dead, other = Dead(), Dead()
    found = {}
    for name, one, enough in (("dead", dead, directory.AT_ONCE), ("other", other, 1)):
        made = (await admin.post("/v3/domains", {"domain": {"name": name}}))["domain"]["id"]
        settings = {"identity": {"driver": "ldap"}, "ldap": {"url": await one.start(enough)}}
        await admin("PUT", f"/v3/domains/{made}/config", {"config": settings}, status=201)
        found[name] = made

    def as_of(domain: str) -> dict[str, Any]:
        return {"name": "admin", "domain": {"name": domain}, "password": "no"}

    async with asyncio.TaskGroup() as group:
        waiting = [group.create_task(by(cloud, as_of("dead"), 503)) for _ in range(many)]
        try:
            await dead.enough.wait()
            while cloud.identity.directories.pending(found["dead"]) < many:
                await asyncio.sleep(0.01)
            # One more is refused at once; others are asked, and who is in none signs in or is refused.
            await by(cloud, as_of("dead"), 503)
            waiting.append(group.create_task(by(cloud, as_of("other"), 503)))
            await other.enough.wait()
            await by(cloud, as_of("Default"), 401)
            assert dead.requests == directory.AT_ONCE
            assert not any(one.done() for one in waiting)
        finally:
            dead.stop()
            other.stop()
    assert cloud.identity.directories.pending(found["dead"]) == 0


async def test_of_many_addresses_no_more_are_tried_than_there_is_time_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(directory, "CONNECT_ALL_S", 0.0)
    taken: list[str] = []
    server = await asyncio.start_server(lambda *_: taken.append("x"), "127.0.0.1", 0)
    last = f"ldap://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    closed = f"ldap://127.0.0.1:{free_port()}"
    with pytest.raises(Unavailable):
        await Directory({"url": f"{closed},{closed},{last}"}).people()
    server.close()
    assert taken == []
