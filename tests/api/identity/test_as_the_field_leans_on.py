"""What real clients and public reports need of the identity API, a table for each kind."""

from __future__ import annotations

import hashlib
import hmac
import logging
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
import sqlalchemy as sa

from hanok.services.identity.logic.lookup import exact_first, named
from hanok.services.identity.tables import projects, users
from hanok.store import Database, migrate
from tests.api.identity.doors import (
    a_consumer,
    an_application_credential,
    an_ec2_key,
    an_owner,
    by_application_credential,
    oauth_headers,
    sign_in,
)
from tests.cloud import PASSWORD, Client, Cloud, running
from tests.plans import fill, plans

# ---- names ----


def by_name(user: str, domain: str) -> dict[str, Any]:
    person = {"name": user, "domain": {"name": domain}, "password": PASSWORD}
    return {"methods": ["password"], "password": {"user": person}}


def of_project(name: str, domain: str) -> dict[str, Any]:
    return {"project": {"name": name, "domain": {"name": domain}}}


@pytest.mark.parametrize(
    ("user", "project", "domain"),
    [
        ("admin", "admin", "default"),  # user_domain_name: default, as many guides have it
        ("Admin", "ADMIN", "DEFAULT"),
        ("ADMIN", "admin", "Default"),
    ],
)
async def test_names_sign_in_in_any_case(
    cloud: Cloud, user: str, project: str, domain: str
) -> None:
    client = await sign_in(cloud, by_name(user, domain), of_project(project, domain))
    assert client.body["user"]["name"] == "admin"  # as it was given
    assert client.body["project"]["domain"]["name"] == "Default"


NAMED = [
    ("users", "user", {}),
    ("projects", "project", {}),
    ("domains", "domain", {"enabled": False}),
    ("groups", "group", {}),
    ("roles", "role", {}),
]


@pytest.mark.parametrize(("plural", "kind", "more"), NAMED)
async def test_a_name_in_another_case_is_taken_and_found(
    cloud: Cloud, plural: str, kind: str, more: dict[str, Any]
) -> None:
    admin = await cloud.sign_in()
    base = f"/v3/{plural}"
    made = (await admin.post(base, {kind: {"name": "Ärger-Straße", **more}}))[kind]
    for other in ("ärger-straße", "ÄRGER-STRASSE", "Ärger-Straße"):
        await admin.post(base, {kind: {"name": other, **more}}, 409)
        found = (await admin.get(f"{base}?name={other}"))[plural]
        assert [one["name"] for one in found] == ["Ärger-Straße"]
    second = (await admin.post(base, {kind: {"name": "other", **more}}))[kind]
    path = f"{base}/{second['id']}"
    await admin("PATCH", path, {kind: {"name": "ÄRGER-straße"}}, status=409)
    changed = await admin("PATCH", path, {kind: {"name": "OTHER"}}, status=200)  # its own
    assert changed.json()[kind]["name"] == "OTHER"
    # What it was called is free again, and it is found by what it is called now.
    first = f"{base}/{made['id']}"
    await admin("PATCH", first, {kind: {"name": "Freude"}}, status=200)
    await admin("PATCH", path, {kind: {"name": "ärger-straße"}}, status=200)
    for name, requested in (("FREUDE", made), ("Ärger-STRASSE", second)):
        found = (await admin.get(f"{base}?name={name}"))[plural]
        assert [one["id"] for one in found] == [requested["id"]]


async def test_application_credentials_are_named_in_any_case(cloud: Cloud) -> None:
    owner = await an_owner(cloud, "owner", "member")
    made = await an_application_credential(owner, name="Ci")
    path = f"/v3/users/{owner.user_id}/application_credentials"
    await owner.post(path, {"application_credential": {"name": "CI"}}, 409)
    assert len((await owner.get(f"{path}?name=cI"))["application_credentials"]) == 1
    part = {"name": "ci", "user": {"id": owner.user_id}, "secret": made["secret"]}
    named_so = {"methods": ["application_credential"], "application_credential": part}
    assert (await sign_in(cloud, named_so)).user_id == owner.user_id


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("name__contains=Eta", []),
        ("name__contains=eta", ["Beta", "zeta%"]),
        ("name__icontains=ETA", ["Beta", "zeta%"]),
        ("name__startswith=b", []),
        ("name__istartswith=b", ["Beta"]),
        ("name__endswith=TA%25", []),
        ("name__iendswith=TA%25", ["zeta%"]),
        ("name__contains=%25", ["zeta%"]),
        ("name__icontains=_", []),
        ("name__endswith=longer-than-any-of-the-names", []),
    ],
)
async def test_filters_on_parts_of_names_mean_case_when_they_say_so(
    cloud: Cloud, query: str, found: list[str]
) -> None:
    admin = await cloud.sign_in()
    for name in ("Beta", "zeta%", "alpha"):
        await admin.post("/v3/groups", {"group": {"name": name}})
    listed = (await admin.get(f"/v3/groups?{query}"))["groups"]
    assert sorted(one["name"] for one in listed) == found


async def test_what_the_cloud_began_with_may_be_spelled_otherwise(tmp_path: Path) -> None:
    async with running(tmp_path) as cloud:
        admin = await cloud.sign_in()
        for plural, kind, found in (
            ("projects", "project", "name=admin"),
            ("users", "user", "name=admin"),
            ("roles", "role", "name=service"),
        ):
            (one,) = (await admin.get(f"/v3/{plural}?{found}"))[plural]
            body = {kind: {"name": one["name"].upper()}}
            await admin("PATCH", f"/v3/{plural}/{one['id']}", body, status=200)
    async with running(tmp_path) as cloud:  # it starts again, and makes no second of any
        admin = await cloud.sign_in()
        assert (admin.body["user"]["name"], admin.body["project"]["name"]) == ("ADMIN", "ADMIN")
        assert len((await admin.get("/v3/users?name=admin"))["users"]) == 1


MANY = 1200


@pytest.mark.parametrize("kind", ["users", "projects"])
async def test_names_are_found_by_an_index(cloud: Cloud, kind: str) -> None:
    admin = await cloud.sign_in()
    if kind == "users":
        table, own = users, {"domain_id": "default", "past_hashes": [], "failed_sign_ins": 0}
    else:
        own = {"domain_id": "default", "name_scope": "default", "is_domain": False}
        table = projects
    rows = [
        {"id": f"{number:032}", "name": f"Name {number}", "enabled": True, "options": {},
         "extra": {}, **own}
        for number in range(MANY)
    ]  # fmt: skip
    await fill(cloud.control.database, table, rows)
    found = (await admin.get(f"/v3/{kind}?name=name 700"))[kind]
    assert [one["name"] for one in found] == ["Name 700"]
    used = await plans(cloud.control.database, lambda: admin.get(f"/v3/{kind}?name=name 700"))
    assert [plan for plan in used if f"ux_{kind}_name_key" in plan]


@pytest.mark.no_tables
async def test_names_from_before_that_differ_in_case_stay_and_are_told_of(
    tmp_path: Path, database_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    database = Database(database_url or f"sqlite:///{tmp_path}/db", durable=False)
    await database.open()

    def before(connection: sa.Connection) -> None:
        migrate.upgrade(connection, "d59e40e2eb9d")
        old = sa.MetaData()
        old.reflect(connection, only=["users"])
        common = {"enabled": True, "past_hashes": "[]", "failed_sign_ins": 0, "options": "{}",
                  "extra": "{}"}  # fmt: skip
        rows = [
            {"id": "young", "name": "ADMIN", "domain_id": "default", "created_at": 2},
            {"id": "old", "name": "Admin", "domain_id": "default", "created_at": 1},
            {"id": "apart", "name": "admin", "domain_id": "elsewhere", "created_at": 1},
        ]
        connection.execute(old.tables["users"].insert(), [{**common, **row} for row in rows])

    await database.run_sync(before)
    with caplog.at_level(logging.WARNING):
        await migrate.ensure(database)
    assert "Two users differ in the case of their names alone: Admin and ADMIN" in caplog.text
    assert "elsewhere" not in caplog.text
    async with database.read() as tx:
        found = {}
        for name in ("Admin", "ADMIN", "admin", "aDMIN"):
            statement = sa.select(users.c.id).where(
                named(users, name), users.c.domain_id == "default"
            )
            found[name] = await tx.scalar(statement.order_by(exact_first(users, name)))
    await database.close()
    assert found == {"Admin": "old", "ADMIN": "young", "admin": "old", "aDMIN": "old"}


# ---- signing in ----


@pytest.mark.parametrize("scope", ["own project", "unscoped", "system"])
async def test_an_application_credential_asks_for_no_scope(cloud: Cloud, scope: str) -> None:
    owner = await an_owner(cloud, "owner", "member")
    made = by_application_credential(await an_application_credential(owner))
    requested: Any = {
        "own project": {"project": {"id": owner.project_id}},
        "unscoped": "unscoped",
        "system": {"system": {"all": True}},
    }[scope]
    refused = await cloud.anonymous(
        "POST", "/v3/auth/tokens", {"auth": {"identity": made, "scope": requested}}, status=401
    )
    assert "cannot request a scope" in refused.json()["error"]["message"]
    assert (await sign_in(cloud, made)).project_id == owner.project_id


def _unsigned_headers(access: str, secret: str) -> dict[str, Any]:
    """A request to an EC2 API, signed by version 4 without any header, as goamz does."""
    stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
    scope = f"{stamp[:8]}/us-east-1/ec2/aws4_request"
    nothing = hashlib.sha256(b"").hexdigest()
    canonical = "\n".join(("GET", "/", "Action=X", "\n", "", nothing))
    digest = hashlib.sha256(canonical.encode()).hexdigest()
    key = b"AWS4" + secret.encode()
    for part in scope.split("/"):
        key = hmac.digest(key, part.encode(), "sha256")
    text = "\n".join(("AWS4-HMAC-SHA256", stamp, scope, digest))
    return {
        "access": access, "host": "ec2.example.org", "verb": "GET", "path": "/",
        "params": {"Action": "X"},
        "headers": {
            "X-Amz-Date": stamp,
            "Authorization": f"AWS4-HMAC-SHA256 Credential={access}/{scope},SignedHeaders=,Signature=",
        },
        "body_hash": nothing,
        "signature": hmac.digest(key, text.encode(), "sha256").hex(),
    }  # fmt: skip


async def test_ec2_requests_may_sign_no_header(cloud: Cloud) -> None:
    owner = await cloud.project_with("owner", "member")
    admin = await cloud.sign_in()
    key = await an_ec2_key(owner)
    signed = _unsigned_headers(key["access"], key["secret"])
    await admin("POST", "/v3/ec2tokens", {"credentials": signed}, status=200)
    forged = _unsigned_headers(key["access"], "guessed")
    await admin("POST", "/v3/ec2tokens", {"credentials": forged}, status=401)


@pytest.mark.parametrize("method", ["HMAC-SHA1", "HMAC-SHA256", "HMAC-SHA512", "PLAINTEXT"])
async def test_methods_of_oauth(cloud: Cloud, method: str) -> None:
    owner = await an_owner(cloud, "owner", "admin")
    consumer = await a_consumer(cloud)
    path = "/v3/OS-OAUTH1/request_token"
    project = {"Requested-Project-Id": owner.project_id}
    for secret, status in ((consumer["secret"], 201), ("guessed", 401), ("", 401)):
        signed = oauth_headers(path, {**consumer, "secret": secret}, signature_method=method)
        await cloud.anonymous("POST", path, headers={**project, **signed}, status=status)
        await cloud.anonymous("POST", path, headers={**project, **signed}, status=401)  # once


# ---- what hangs together ----


async def _registered(admin: Client, **where: Any) -> str:
    body = {"resource_name": "things", "default_limit": 5, **where}
    made = await admin.post("/v3/registered_limits", {"registered_limits": [body]})
    return str(made["registered_limits"][0]["id"])


async def test_services_and_regions_go_though_limits_are_registered_for_them(cloud: Cloud) -> None:
    admin = await cloud.sign_in()
    service = (await admin.post("/v3/services", {"service": {"type": "things"}}))["service"]
    region = (await admin.post("/v3/regions", {"region": {"id": "far"}}))["region"]
    limit = await _registered(admin, service_id=service["id"], region_id=region["id"])
    await admin("DELETE", f"/v3/regions/{region['id']}", status=204)
    await admin("DELETE", f"/v3/services/{service['id']}", status=204)
    left = (await admin.get(f"/v3/registered_limits/{limit}"))["registered_limit"]
    assert (left["service_id"], left["region_id"]) == (service["id"], "far")
    await admin("DELETE", f"/v3/registered_limits/{limit}", status=204)


async def test_groups_of_a_user_say_when_the_membership_ends(cloud: Cloud) -> None:
    admin = await cloud.sign_in()
    group = (await admin.post("/v3/groups", {"group": {"name": "g"}}))["group"]
    await admin("PUT", f"/v3/groups/{group['id']}/users/{admin.user_id}", status=204)
    (shown,) = (await admin.get(f"/v3/users/{admin.user_id}/groups"))["groups"]
    assert shown["membership_expires_at"] is None


@pytest.mark.parametrize("odd", [{"other": 1}, {"project_id": "p"}, {"user_id": "u"}])
async def test_an_application_credential_holds_what_is_known_and_no_more(
    cloud: Cloud, odd: dict[str, Any]
) -> None:
    """A restriction that is misspelt must not be passed over."""
    member = await cloud.project_with("p", "member")
    path = f"/v3/users/{member.user_id}/application_credentials"
    await member("POST", path, {"application_credential": {"name": "a", **odd}}, status=400)
    await member("POST", path, {"application_credential": {"name": "a"}}, status=201)


@pytest.mark.parametrize("url", ["a", "here/there", " ", "://x", "http:"])
async def test_an_endpoint_has_an_address(cloud: Cloud, url: str) -> None:
    admin = await cloud.sign_in()
    service = (await admin.post("/v3/services", {"service": {"type": "x"}}))["service"]["id"]
    body = {"endpoint": {"service_id": service, "interface": "public", "url": url}}
    await admin("POST", "/v3/endpoints", body, status=400)
    body["endpoint"]["url"] = "http://here:1/%(tenant_id)s"
    made = (await admin.post("/v3/endpoints", body))["endpoint"]["id"]
    await admin("PATCH", f"/v3/endpoints/{made}", {"endpoint": {"url": url}}, status=400)


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("/v3/users", {"user": {"name": "x", "federated": "a"}}, 400),
        ("/v3/users", {"user": {"name": "x", "federated": [{"idp_id": "a"}]}}, 400),
        ("/v3/users", {"user": {"name": "x", "federated": []}}, 201),
        ("/v3/domains", {"domain": {"name": "x", "tags": 3}}, 400),
        ("/v3/domains", {"domain": {"name": "x", "tags": ["a/b"]}}, 400),
        ("/v3/domains", {"domain": {"name": "x", "tags": ["a"]}}, 201),
    ],
)
async def test_fields_of_upstreams_act_or_are_refused(
    cloud: Cloud, path: str, body: dict[str, Any], status: int
) -> None:
    admin = await cloud.sign_in()
    made = (await admin("POST", path, body, status=status)).json()
    if status == 201 and "domain" in body:
        shown = await admin.get(f"{path}/{made['domain']['id']}")
        assert made["domain"]["tags"] == shown["domain"]["tags"] == ["a"]
    if status == 201 and "user" in body:
        assert "federated" not in made["user"]


async def test_the_words_of_an_endpoint_are_texts(cloud: Cloud) -> None:
    admin = await cloud.sign_in()
    body = {"service": {"type": "backup", "name": "freezer"}}
    service = (await admin.post("/v3/services", body))["service"]["id"]
    body = {"endpoint": {"service_id": service, "interface": "public", "url": "http://backup"}}
    for name in ("name", "description"):
        wrong = {"endpoint": {**body["endpoint"], name: 5}}
        await admin("POST", "/v3/endpoints", wrong, status=400)
        right = {"endpoint": {**body["endpoint"], name: "words"}}
        assert (await admin.post("/v3/endpoints", right))["endpoint"][name] == "words"


@pytest.mark.parametrize(("coding", "status"), [("gzip", 415), ("br", 415), ("identity", 201)])
async def test_a_coded_body_is_refused(cloud: Cloud, coding: str, status: int) -> None:
    admin = await cloud.sign_in()
    body = {"project": {"name": "x"}}
    headers = {"Content-Encoding": coding}
    await admin("POST", "/v3/projects", body, headers=headers, status=status)


# ---- scopes ----


@pytest.mark.parametrize("scope", ["unscoped", {"unscoped": {}}])
async def test_no_scope_is_asked_for_in_two_forms(cloud: Cloud, scope: Any) -> None:
    client = await sign_in(cloud, by_name("admin", "Default"), scope)
    assert not client.body.keys() & {"project", "domain", "system", "roles", "catalog"}


@pytest.mark.parametrize(
    ("plural", "kind"), [("users", "user"), ("groups", "group"), ("projects", "project")]
)
async def test_who_manages_a_domain_names_it(cloud: Cloud, plural: str, kind: str) -> None:
    """SCS, domain manager's standard: without a domain, it is not known to be the manager's."""
    admin = await cloud.sign_in()
    domain = (await admin.post("/v3/domains", {"domain": {"name": "d"}}))["domain"]["id"]
    user = {"name": "boss", "password": PASSWORD, "domain_id": domain}
    boss = (await admin.post("/v3/users", {"user": user}))["user"]["id"]
    (role,) = (await admin.get("/v3/roles?name=manager"))["roles"]
    await admin("PUT", f"/v3/domains/{domain}/users/{boss}/roles/{role['id']}", status=204)
    manager = await sign_in(cloud, by_name("boss", "d"), {"domain": {"id": domain}})
    await manager.post(f"/v3/{plural}", {kind: {"name": "x"}}, 403)
    await manager.post(f"/v3/{plural}", {kind: {"name": "x", "domain_id": "default"}}, 403)
    made = await manager.post(f"/v3/{plural}", {kind: {"name": "x", "domain_id": domain}})
    assert made[kind]["domain_id"] == domain
    # Who may everywhere need not.
    made = await admin.post(f"/v3/{plural}", {kind: {"name": "x"}})
    assert made[kind]["domain_id"] == "default"


# ---- ids that somebody chose ----


@pytest.mark.parametrize("chosen", ["a/b", ".", ".."])
async def test_a_region_that_no_address_names_is_refused(cloud: Cloud, chosen: str) -> None:
    admin = await cloud.sign_in()
    await admin.post("/v3/regions", {"region": {"id": chosen}}, 400)


@pytest.mark.parametrize("chosen", ["a?b", "a b", "ü#", "%2F", "region.one"])
async def test_a_link_leads_to_what_somebody_named(cloud: Cloud, chosen: str) -> None:
    admin = await cloud.sign_in()
    made = (await admin.post("/v3/regions", {"region": {"id": chosen}}))["region"]
    path = "/" + made["links"]["self"].split("/", 3)[3]
    assert (await admin.get(path))["region"]["id"] == chosen
    provider = f"/v3/OS-FEDERATION/identity_providers/{quote(chosen, safe='')}"
    found = await admin("PUT", provider, {"identity_provider": {}}, status=201)
    link = found.json()["identity_provider"]["links"]["self"]
    assert (await admin.get("/" + link.split("/", 3)[3]))["identity_provider"]["id"] == chosen
