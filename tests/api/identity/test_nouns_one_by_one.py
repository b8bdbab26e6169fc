"""Projects, regions, endpoints, limits, filters and providers: what of a request counts, and what is left as it was."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from hanok.base.errors import BadInput, Forbidden, NotSignedIn, Unavailable
from hanok.services.identity.facade import IdentitySettings
from hanok.services.identity.logic import (
    federation,
    projects,
    providers,
    rights,
    sealed,
    users,
)
from hanok.services.identity.logic import limits as limit_rules
from hanok.services.identity.tables import credentials, oauth_consumers
from hanok.services.identity.tables import projects as project_table
from hanok.services.identity.tables import users as user_table
from tests.api.identity.doors import an_owner, roles_of
from tests.cloud import PASSWORD, Client, Cloud, running

A = "/v3/OS-FEDERATION"
RS, LS = "/v3/registered_limits", "/v3/limits"


@pytest.fixture
async def cloud(tmp_path: Path) -> AsyncIterator[Cloud]:
    settings = IdentitySettings(
        password_rounds=4,
        limit_model="strict_two_level",
        password_regex=r"^.{6,}$",
        minimum_password_age_days=1,
    )
    async with running(tmp_path, identity=settings) as made:
        yield made


async def make(admin: Client, noun: str, body: dict[str, Any], plural: str = "") -> dict[str, Any]:
    path = f"/v3/{plural or noun + 's'}"
    return dict((await admin.post(path, {noun: body}))[noun])


async def patched(admin: Client, noun: str, path: str, body: dict[str, Any]) -> dict[str, Any]:
    return dict((await admin("PATCH", f"/v3/{path}", {noun: body}, status=200)).json()[noun])


async def test_a_change_of_nothing_leaves_all_as_it_was(cloud: Cloud) -> None:
    admin = await cloud.sign_in()
    service = await make(admin, "service", {"type": "weather", "name": "w", "description": "d"})
    region = await make(admin, "region", {"id": "r"})
    assert region["description"] == ""
    endpoint = await make(
        admin,
        "endpoint",
        {"service_id": service["id"], "interface": "public", "url": "http://w", "region_id": "r"},
    )
    group, user = (
        await make(admin, "group", {"name": "g"}),
        await make(admin, "user", {"name": "u"}),
    )
    assert group["description"] == ""
    project = await make(admin, "project", {"name": "p", "description": None})
    assert project["description"] == ""
    role = await make(admin, "role", {"name": "x"})
    policy = await make(admin, "policy", {"blob": "{}", "type": "t"}, "policies")
    for noun, plural, made in (
        ("service", "services", service),
        ("region", "regions", region),
        ("endpoint", "endpoints", endpoint),
        ("group", "groups", group),
        ("user", "users", user),
        ("project", "projects", project),
        ("role", "roles", role),
        ("policy", "policies", policy),
    ):
        path = f"{plural}/{made['id']}"
        answer = await admin("PATCH", f"/v3/{path}", {noun: {}})
        assert answer.status_code in (200, 400), (
            answer.text
        )  # some say that there is nothing to change
        assert (await admin.get(f"/v3/{path}"))[noun] == made
    assert (await patched(admin, "region", "regions/r", {"description": "d"}))["description"] == "d"
    assert (await patched(admin, "region", "regions/r", {"description": None}))["description"] == ""
    same = await patched(admin, "region", "regions/r", {"id": "r", "note": "n"})
    assert (same["id"], same["note"]) == ("r", "n")
    path = f"endpoints/{endpoint['id']}"
    assert (await patched(admin, "endpoint", path, {"region": None}))["region_id"] is None
    assert (await patched(admin, "endpoint", path, {"region": "new"}))["region_id"] == "new"
    await admin("GET", "/v3/regions/new", status=200)  # older clients have it made
    assert (await patched(admin, "endpoint", path, {"region_id": None}))["region"] is None
    path = f"users/{user['id']}"
    assert (await patched(admin, "user", path, {"email": "a@b", "note": "n"}))["email"] == "a@b"
    assert "email" not in await patched(admin, "user", path, {"email": None})
    assert (await admin.get(f"/v3/{path}"))["user"]["note"] == "n"
    moved = await patched(admin, "group", f"groups/{group['id']}", {"description": "d"})
    assert (moved["description"], moved["name"]) == ("d", "g")


async def test_names_and_other_texts_are_filtered(cloud: Cloud) -> None:
    admin = await cloud.sign_in()
    for name in ("Weather", "weathervane", "Sea"):
        body = {"type": f"of-{name}", "name": name, "description": f"About {name}"}
        await make(admin, "service", body)
    for name in ("Northern", "southern", "Norm"):
        await make(admin, "project", {"name": name, "description": f"The {name} one"})

    async def found(plural: str, query: str) -> set[str]:
        return {one["name"] for one in (await admin.get(f"/v3/{plural}?{query}"))[plural]}

    for plural, query, names in (
        ("services", "type__startswith=of-W", {"Weather"}),
        ("services", "type__istartswith=of-W", {"Weather", "weathervane"}),
        ("services", "type__endswith=ea", {"Sea"}),
        ("services", "type__endswith=" + "x" * 60, set()),
        ("services", "type__iendswith=VANE", {"weathervane"}),
        ("services", "name=weather", set()),
        ("services", "name=Weather", {"Weather"}),
        ("projects", "name=norm", {"Norm"}),
        ("projects", "name__contains=orm", {"Norm"}),
        ("projects", "name__icontains=NOR", {"Northern", "Norm"}),
        ("projects", "name__endswith=ern", {"Northern", "southern"}),
        ("projects", "name__startswith=N", {"Northern", "Norm"}),
        ("projects", "name__istartswith=SOUTH", {"southern"}),
        ("projects", "name__iendswith=ORM", {"Norm"}),
    ):
        got = await found(plural, query)
        assert got == names, query
    for query in ("name__like=x", "name__xcontains=x", "name__ilike=x", "name__i=x"):
        refused = await admin("GET", f"/v3/projects?{query}", status=400)
        assert "is not a valid filter" in refused.text


async def test_who_has_what_in_a_tree(cloud: Cloud) -> None:
    admin, known = await cloud.sign_in(), await roles_of(cloud)
    top = await make(admin, "project", {"name": "top"})
    middle = await make(admin, "project", {"name": "middle", "parent_id": top["id"]})
    leaf = await make(admin, "project", {"name": "leaf", "parent_id": middle["id"]})
    beside = await make(admin, "project", {"name": "beside"})
    user, group = (
        await make(admin, "user", {"name": "u"}),
        await make(admin, "group", {"name": "g"}),
    )
    other = await make(admin, "group", {"name": "h"})
    for project in (top, leaf, beside):
        path = f"/v3/projects/{project['id']}/users/{user['id']}/roles/{known['member']}"
        await admin("PUT", path, status=204)
    for one, role in ((group, "reader"), (other, "member")):
        path = f"/v3/projects/{leaf['id']}/groups/{one['id']}/roles/{known[role]}"
        await admin("PUT", path, status=204)
    inherit = f"/v3/OS-INHERIT/projects/{top['id']}/users/{user['id']}/roles/{known['reader']}"
    await admin("PUT", f"{inherit}/inherited_to_projects", status=204)

    async def listed(query: str) -> set[tuple[str, str, str]]:
        names = {value: name for name, value in known.items()}
        found = (await admin.get(f"/v3/role_assignments?{query}"))["role_assignments"]
        return {
            (
                str((one.get("user") or one.get("group"))["id"]),
                str(one["scope"].get("project", {}).get("id")),
                names[one["role"]["id"]],
            )
            for one in found
        }

    mine = {(user["id"], project["id"], "member") for project in (top, leaf)}
    inherited = {(user["id"], top["id"], "reader")}
    of_groups = {(group["id"], leaf["id"], "reader"), (other["id"], leaf["id"], "member")}
    tree = f"scope.project.id={top['id']}&include_subtree"
    assert await listed(tree) == mine | of_groups | inherited
    assert await listed(f"scope.project.id={middle['id']}&include_subtree") == {
        one for one in mine | of_groups if one[1] == leaf["id"]
    }
    assert await listed(f"scope.project.id={top['id']}") == {
        (user["id"], top["id"], "member"), *inherited,
    }  # fmt: skip
    assert await listed(f"group.id={group['id']}") == {(group["id"], leaf["id"], "reader")}
    to = "scope.OS-INHERIT:inherited_to=projects"
    assert await listed(f"user.id={user['id']}&{to}") == inherited
    effective = await listed(f"user.id={user['id']}&effective&scope.project.id={middle['id']}")
    assert effective == {(user["id"], middle["id"], "reader")}
    async with cloud.control.database.read() as tx:
        assert await rights.ancestors(tx, "nothing") == []
        assert await rights.ancestors(tx, leaf["id"]) == [middle["id"], top["id"], "default"]


async def test_tags_of_many_domains(cloud: Cloud) -> None:
    admin = await cloud.sign_in()
    project = await make(admin, "project", {"name": "p", "tags": ["of a project"]})
    async with cloud.control.database.write() as tx:
        rows: list[dict[str, Any]] = [
            {"id": f"d{n}", "name": f"d{n}", "name_scope": "*", "domain_id": None, "parent_id": None,
             "is_domain": True, "enabled": True, "description": "", "options": {}, "extra": {}}
            for n in range(101)
        ]  # fmt: skip
        await tx.insert(project_table, rows)
        await projects.set_tags(tx, "d7", ["b", "a"])
        ids = [str(row["id"]) for row in rows]
        many, few = await projects.tags_of(tx, ids), await projects.tags_of(tx, ids[:9])
    assert many["d7"] == few["d7"] == ["a", "b"] and many["d8"] == [] and project["id"] not in many
    assert len(many) == 101 and len(few) == 9
    listed = {one["id"]: one for one in (await admin.get("/v3/domains"))["domains"]}
    assert listed["d7"]["tags"] == ["a", "b"] and len(listed) >= 102


async def test_domains_that_stay(cloud: Cloud) -> None:
    admin = await cloud.sign_in()
    async with cloud.control.database.write() as tx:
        mine = project_table.c.id == "default"
        await tx.execute(project_table.update().where(mine).values(enabled=False))
        with pytest.raises(Forbidden, match="default domain cannot be deleted"):
            row = await projects.domain(tx, "default")
            await projects.delete_domain(tx, row, cloud.control.clock.now())
        await tx.execute(project_table.update().where(mine).values(enabled=True))
    config = "/v3/domains/default/config"
    bad: tuple[Any, ...] = ({}, {"ldap": []}, {"ldap": {}}, {"ldap": "x"}, {"x": {"y": 1}})
    for each in bad:
        refused = await admin("PUT", config, {"config": each}, status=403)
        assert "Invalid domain specific configuration" in refused.text
    for each in ([], "text", None):
        await admin("PUT", config, {"config": each}, status=400)
    made = {"config": {"ldap": {"url": "ldap://h", "user_tree_dn": "ou=u"}}}
    await admin("PUT", config, made, status=201)
    wrong = await admin(
        "PATCH", f"{config}/ldap/url", {"config": {"user_tree_dn": "x"}}, status=403
    )
    assert "Trying to update option url in group ldap" in wrong.text
    both = {"config": {"ldap": {"url": "ldap://i"}, "identity": {"driver": "ldap"}}}
    wrong = await admin("PATCH", f"{config}/ldap", both, status=403)
    assert "Trying to update group ldap, so" in wrong.text
    several = {"config": {"ldap": {"url": "ldap://i", "user_tree_dn": "ou=v"}}}
    await admin("PATCH", f"{config}/ldap", several, status=200)
    await admin("PATCH", f"{config}/ldap/url", {"config": {"url": "ldap://j"}}, status=200)
    shown = (await admin.get(config))["config"]["ldap"]
    assert (shown["url"], shown["user_tree_dn"]) == ("ldap://j", "ou=v")


async def test_what_a_catalog_has(cloud: Cloud) -> None:
    admin, member = await cloud.sign_in(), await cloud.project_with("p", "member")
    nameless = await make(admin, "service", {"type": "weather"})
    urls = {
        "public": "http://w/%(tenant_id)s/$(user_id)s",
        "internal": "http://w/$(tenant_id)s",
        "admin": "http://w/%(project_id)s",
    }
    ids = {}
    for interface, url in urls.items():
        body = {"service_id": nameless["id"], "interface": interface, "url": url}
        ids[interface] = (await make(admin, "endpoint", body))["id"]

    async def weather(body: dict[str, Any]) -> dict[str, str]:
        (entry,) = (one for one in body["catalog"] if one["type"] == "weather")
        assert entry["name"] == ""
        return {one["interface"]: one["url"] for one in entry["endpoints"]}

    own = await cloud.sign_in("p", project="p")
    project, user = member.project_id, member.user_id
    assert await weather(own.body) == {
        "public": f"http://w/{project}/{user}",
        "internal": f"http://w/{project}",
        "admin": f"http://w/{project}",
    }
    body = {"service_id": nameless["id"], "interface": "public", "url": "http://w"}
    plain = await make(admin, "endpoint", body)
    everywhere = await cloud.sign_in(scope={"system": {"all": True}})
    assert await weather(everywhere.body) == {"public": "http://w"}  # the others are of a project
    await admin("DELETE", f"/v3/endpoints/{plain['id']}", status=204)
    body = {"endpoint_group": {"name": "none", "filters": {"region_id": "nowhere"}}}
    group = (await admin.post("/v3/OS-EP-FILTER/endpoint_groups", body))["endpoint_group"]
    path = f"/v3/OS-EP-FILTER/endpoint_groups/{group['id']}"
    await admin("PATCH", path, {"endpoint_group": {}}, status=200)
    await admin("PUT", f"{path}/projects/{project}", status=204)
    again = (await cloud.sign_in("p", project="p")).body
    assert len(again["catalog"]) == len(own.body["catalog"])  # what gives nothing hides nothing
    await admin("PUT", f"/v3/OS-EP-FILTER/projects/{project}/endpoints/{ids['admin']}", status=204)
    again = (await cloud.sign_in("p", project="p")).body
    assert [one["type"] for one in again["catalog"]] == ["weather"]
    assert await weather(again) == {"admin": f"http://w/{project}"}


async def test_policies_of_services_and_regions(cloud: Cloud) -> None:
    admin = await cloud.sign_in()
    for name, above in (("land", None), ("town", "land"), ("sea", None)):
        await make(admin, "region", {"id": name, "parent_region_id": above})
    service = (await make(admin, "service", {"type": "weather"}))["id"]
    ids: dict[str | None, str] = {}
    for region in ("land", "town", "sea", None):
        body = {
            "service_id": service,
            "interface": "public",
            "url": "http://w",
            "region_id": region,
        }
        ids[region] = (await make(admin, "endpoint", body))["id"]
    policy = await make(admin, "policy", {"blob": "{}", "type": "t"}, "policies")
    whole = await make(admin, "policy", {"blob": "{}", "type": "t"}, "policies")
    base, other = (f"/v3/policies/{one['id']}/OS-ENDPOINT-POLICY" for one in (policy, whole))

    async def endpoints(path: str) -> set[str]:
        return {one["id"] for one in (await admin.get(f"{path}/endpoints"))["endpoints"]}

    await admin("PUT", f"{base}/services/{service}/regions/land", status=204)
    assert await endpoints(base) == {ids["land"], ids["town"]}
    await admin("PUT", f"{other}/services/{service}", status=204)
    assert await endpoints(other) == set(ids.values())
    for region, one in (("land", policy), ("town", policy), ("sea", whole), (None, whole)):
        path = f"/v3/endpoints/{ids[region]}/OS-ENDPOINT-POLICY/policy"
        assert (await admin.get(path))["policy"]["id"] == one["id"], region
    await admin("DELETE", f"{base}/services/{service}/regions/land", status=204)
    await admin("DELETE", f"{base}/services/{service}/regions/land", status=404)
    path = f"/v3/endpoints/{ids['town']}/OS-ENDPOINT-POLICY/policy"
    assert (await admin.get(path))["policy"]["id"] == whole["id"]
    await admin("DELETE", f"/v3/services/{service}", status=204)
    assert await endpoints(other) == set()


async def test_limits_of_domains_and_regions(cloud: Cloud) -> None:
    admin, mine = await cloud.sign_in(), await cloud.project_with("mine", "member")
    services = (await admin.get("/v3/services?type=image"))["services"]
    await make(admin, "region", {"id": "far"})
    body = {"service_id": services[0]["id"], "resource_name": "images", "default_limit": 10}
    (one,) = (await admin.post(RS, {"registered_limits": [body]}))["registered_limits"]
    far = {**body, "region_id": "far", "default_limit": 5}
    (there,) = (await admin.post(RS, {"registered_limits": [far]}))["registered_limits"]
    assert (one["region_id"], there["region_id"]) == (None, "far")
    await admin.post(RS, {"registered_limits": [far]}, 409)
    path = f"{RS}/{there['id']}"
    await admin("PATCH", path, {"registered_limit": {}}, status=200)
    await admin("PATCH", path, {"registered_limit": {"region_id": None}}, status=409)
    changed = {"registered_limit": {"default_limit": 6, "region_id": "far"}}
    shown = (await admin("PATCH", path, changed, status=200)).json()["registered_limit"]
    assert (shown["default_limit"], shown["region_id"]) == (6, "far")

    def a_limit(maximum: int, **more: Any) -> dict[str, Any]:
        named = {"service_id": body["service_id"], "resource_name": "images"}
        return {"limits": [{**named, "resource_limit": maximum, **more}]}

    await admin.post(LS, a_limit(3, domain_id=mine.project_id), 400)  # that is no domain
    await admin.post(LS, a_limit(3, domain_id="nobody"), 400)
    await admin.post(LS, a_limit(7, project_id=mine.project_id, region_id="far"), 403)
    made = (await admin.post(LS, a_limit(2, project_id=mine.project_id, region_id="far")))["limits"]
    assert made[0]["region_id"] == "far"
    # A domain where no project has a limit of its own may have any; then none below what one has.
    (home,) = (await admin.post(LS, a_limit(4, domain_id="default")))["limits"]
    refused = await admin.post(LS, a_limit(5, project_id=mine.project_id), 403)
    assert "its domain has 4" in refused["error"]["message"]
    (own,) = (await admin.post(LS, a_limit(4, project_id=mine.project_id)))["limits"]

    async def change(limit: dict[str, Any], maximum: int, status: int) -> str:
        change = {"limit": {"resource_limit": maximum}}
        return (await admin("PATCH", f"{LS}/{limit['id']}", change, status=status)).text

    await admin("PATCH", f"{LS}/{own['id']}", {"limit": {}}, status=200)
    refused_text = await change(home, 3, 403)
    assert "for domain default does not satisfy" in refused_text
    assert "a project of the domain has 4" in refused_text
    assert f"for project {mine.project_id} does not" in await change(own, 5, 403)
    await change(home, 4, 200)
    await change(home, -1, 200)
    await change(own, -1, 200)  # nothing bounds it now
    second = await make(admin, "project", {"name": "second"})
    await admin.post(LS, a_limit(4, project_id=second["id"]))  # the larger number lets less through
    assert "a project of the domain has -1" in await change(home, 100, 403)
    await change(own, 100, 200)
    await change(home, 100, 200)
    assert "its domain has 100" in await change(own, -1, 403)
    async with cloud.control.database.write() as tx:
        row = await limit_rules.get(tx, own["id"])
        await limit_rules.change(tx, row, {}, "strict_two_level")
        registered = await limit_rules.registered(tx, there["id"])
        await admin_free(tx, made[0]["id"])
        await limit_rules.change_registered(tx, registered, {})
        assert (await limit_rules.registered(tx, there["id"]))._mapping == registered._mapping


async def admin_free(tx: Any, limit_id: str) -> None:
    """Take a project's limit away, so that what it is of can be changed."""
    await limit_rules.delete(tx, await limit_rules.get(tx, limit_id))


async def test_providers_and_who_they_vouch_for(cloud: Cloud) -> None:
    admin, local = await cloud.sign_in(), await an_owner(cloud, "here", "member")
    home = local.body["user"]["domain"]["id"]

    async def put(path: str, body: dict[str, Any], status: int = 201) -> dict[str, Any]:
        answer = await admin("PUT", f"{A}/{path}", body, status=status)
        return dict(next(iter(answer.json().values())))

    of_project = {"identity_provider": {"domain_id": local.project_id}}
    await put("identity_providers/acme", of_project, 404)
    known = {"enabled": True, "remote_ids": ["https://acme"], "domain_id": home}
    await put("identity_providers/acme", {"identity_provider": {**known, "authorization_ttl": 600}})
    rules = [{"remote": [{"type": "sub"}], "local": [{"user": {"name": "{0}"}}]}]
    await put("mappings/m", {"mapping": {"rules": rules}})
    path = "identity_providers/acme/protocols/p"
    await put(path, {"protocol": {"mapping_id": "m"}})
    for change, status in (
        ({"mapping_id": None}, 400),
        ({"mapping_id": "nothing"}, 400),
        ({"remote_id_attribute": "iss"}, 200),
        ({}, 200),
    ):
        answer = await admin("PATCH", f"{A}/{path}", {"protocol": change})
        assert answer.status_code == status, answer.text
    sp = {"service_provider": {"auth_url": "https://b/a", "sp_url": "https://b/s"}}
    made = await put("service_providers/b", sp)
    assert made["relay_state_prefix"] == "ss:mem:"
    sp["service_provider"]["relay_state_prefix"] = "own:"
    assert (await put("service_providers/c", sp))["relay_state_prefix"] == "own:"

    async def told(**values: Any) -> Any:
        body = {"service_provider": values}
        answer = await admin("PATCH", f"{A}/service_providers/c", body)
        return answer.json()["service_provider"]["relay_state_prefix"]

    assert await told(description="d") == "own:"
    assert await told(relay_state_prefix="new:") == "new:"
    assert await told(relay_state_prefix=None) == "ss:mem:"
    async with cloud.control.database.write() as tx:
        row = await providers.service_provider(tx, "c")
        assert (await providers.update_service_provider(tx, row, {}))._mapping == row._mapping
        protocol = await providers.protocol(tx, "acme", "p")
        assert (await providers.update_protocol(tx, protocol, {}))._mapping == protocol._mapping
    await _vouched(cloud, admin, local)


async def _vouched(cloud: Cloud, admin: Client, local: Client) -> None:
    """What a provider says of somebody, and whom a mapping makes of it."""
    room, home = cloud.identity, local.body["user"]["domain"]

    async def admitted(
        user: dict[str, Any], said: dict[str, list[str]], version: str = "2.0", **more: Any
    ) -> tuple[str, bool]:
        rules = [{"remote": [{"type": "sub"}], "local": [{"user": user, **more}]}]
        change = {"mapping": {"rules": rules, "schema_version": version}}
        await admin("PATCH", f"{A}/mappings/m", change, status=200)
        async with cloud.control.database.write() as tx:
            idp, via = await federation.trusted(tx, "acme", "p")
            return await federation.admit(tx, room, idp, via, said)

    ada = {"sub": ["ada"], "iss": ["https://acme"]}
    first = await admitted({"name": "{0}"}, ada)
    assert await admitted({"name": "{0}"}, ada) == first and first[1]
    for issuer in (["https://other"], []):
        with pytest.raises(Forbidden, match="identifier not included"):
            await admitted({"name": "{0}"}, {**ada, "iss": issuer})
    # By an id alone, the id is the name; neither is nobody.
    by_id = await admitted({"id": "id-{0}"}, ada)
    shown = (await admin.get(f"/v3/users/{by_id[0]}"))["user"]
    assert shown["name"] == "id-ada" and by_id[0] != first[0]
    with pytest.raises(NotSignedIn):
        await admitted({"email": "{0}"}, ada)
    with pytest.raises(BadInput, match="longer than 255"):
        await admitted({"name": "{0}"}, {**ada, "sub": ["x" * 256]})
    assert (await admitted({"name": "{0}"}, {**ada, "sub": ["x" * 255]}))[1]
    # Those who are here already: by id, or by name and domain.
    local_user = {"type": "local", "name": "here"}
    for domain in ({"id": home["id"]}, {"name": home["name"]}):
        found = await admitted({**local_user, "domain": domain}, ada)
        assert found == (local.user_id, False)
    by_local_id = {"type": "local", "id": local.user_id}
    assert await admitted(by_local_id, ada) == (local.user_id, False)
    nobody: list[dict[str, Any]] = [
        {"type": "local"},
        {"type": "local", "name": "here"},
        {"type": "local", "domain": {"id": home["id"]}},
        {"type": "local", "name": "here", "domain": {"name": "nowhere"}},
        {"type": "local", "name": "nobody", "domain": {"id": home["id"]}},
        {"type": "local", "id": "nobody"},
    ]
    for user in nobody:
        with pytest.raises(NotSignedIn):
            await admitted(user, ada)
    # Projects: of version 3.0 on what is not named is taken away; before, it stays.
    named: dict[str, Any] = {"projects": [{"name": "theirs", "roles": [{"name": "member"}]}]}
    await admitted({"name": "{0}"}, ada, **named)
    path = f"/v3/role_assignments?user.id={first[0]}"
    assert len((await admin.get(path))["role_assignments"]) == 1
    await admitted({"name": "{0}"}, ada)
    assert len((await admin.get(path))["role_assignments"]) == 1
    await admitted({"name": "{0}"}, ada, version="3.0")
    assert (await admin.get(path))["role_assignments"] == []
    # Groups stay for as long as the provider says.
    group = await make(admin, "group", {"name": "g", "domain_id": home["id"]})
    await admitted({"name": "{0}"}, ada, group={"id": group["id"]})
    lasts = f"/v3/users/{first[0]}/groups"
    (member,) = (await admin.get(lasts))["groups"]
    end = member["membership_expires_at"]
    soon = cloud.control.clock.now() + timedelta(minutes=590)
    assert end > soon.isoformat()  # ten hours, where the setting says none
    # Without an attribute that names the provider, whoever came by its door is believed.
    change: dict[str, Any] = {"protocol": {"remote_id_attribute": None}}
    await admin("PATCH", f"{A}/identity_providers/acme/protocols/p", change, status=200)
    assert await admitted({"name": "{0}"}, {"sub": ["ada"]}) == first


async def test_passwords_and_what_is_requested_of_them(cloud: Cloud) -> None:
    admin = await cloud.sign_in()
    weak = {"user": {"name": "u", "password": "weak"}}
    refused = (await admin.post("/v3/users", weak, 400))["error"]["message"]
    assert "requirements: the pattern is the operator's" in refused
    long = {"user": {"name": "u", "password": "x" * 4097}}
    answer = await admin("POST", "/v3/users", long)
    assert answer.status_code == 400
    with pytest.raises(BadInput, match=r"longer than 4096 bytes"):
        await cloud.identity.passwords.hash("x" * 4097)
    assert await cloud.identity.passwords.matches(
        "x" * 4096, await cloud.identity.passwords.hash("x" * 4096)
    )
    user = await make(admin, "user", {"name": "u", "password": PASSWORD})
    path = f"/v3/users/{user['id']}/password"
    own = {"user": {"original_password": PASSWORD, "password": "another"}}
    await cloud.anonymous("POST", path, own, status=204)
    back = {"user": {"original_password": "another", "password": PASSWORD}}
    answer = await cloud.anonymous("POST", path, back, status=400)
    assert "must be used for 1 day(s)" in answer.text
    async with cloud.control.database.write() as tx:
        row = await users.get(tx, user["id"])
        now = cloud.control.clock.now()
        mine = user_table.c.id == user["id"]
        await tx.execute(user_table.update().where(mine).values(password_changed_at=None))
        unknown = await users.get(tx, user["id"])
        users.check_own_change(unknown, cloud.identity.settings, now)  # nobody knows how old it is
        columns = {"password_hash": "new", "tokens_valid_from": now}
        assert await users.change_own_password(tx, row, columns, now)
        assert not await users.change_own_password(tx, row, columns, now)  # another was first
    for text, found in (
        ("lt:2031-01-01T00:00:00", True),
        ("2030-01-01T00:00:00", True),
        ("2030-01-01T01:00:00%2B01:00", True),
        ("gt:2030-01-01T00:00:00Z", False),
    ):
        async with cloud.control.database.write() as tx:
            end = cloud.control.clock.now().replace(
                year=2030, month=1, day=1, hour=0, minute=0, second=0, microsecond=0
            )
            changed = user_table.update().where(user_table.c.id == user["id"])
            await tx.execute(changed.values(password_expires_at=end))
        listed = (await admin.get(f"/v3/users?password_expires_at={text}"))["users"]
        assert (user["id"] in {one["id"] for one in listed}) is found, text


async def test_secrets_that_cannot_be_opened_and_many_that_can(cloud: Cloud) -> None:
    admin, room = await cloud.sign_in(), cloud.identity
    made = (await admin.post("/v3/OS-OAUTH1/consumers", {"consumer": {}}))["consumer"]
    blob = {"type": "cert", "user_id": admin.user_id, "blob": "b"}
    shown = (await admin.post("/v3/credentials", {"credential": blob}))["credential"]
    async with cloud.control.database.write() as tx:
        rows = [
            {"id": f"c{n}", "user_id": admin.user_id, "type": "cert", "extra": {},
             **sealed.seal(room.secrets, f"secret {n}")}
            for n in range(sealed.AT_ONCE + 1)
        ]  # fmt: skip
        await tx.insert(credentials, rows)
    assert await sealed.rotate(cloud.control.database, room.secrets) == len(rows) + 2
    async with cloud.control.database.read() as tx:
        newest = room.secrets.newest().name
        named = set(await tx.scalars(sa.select(credentials.c.sealed_with).distinct()))
        assert named == {newest}
        (row,) = await tx.all(sa.select(credentials).where(credentials.c.id == f"c{len(rows) - 1}"))
        assert sealed.unseal(room.secrets, row) == f"secret {len(rows) - 1}"
        consumer = await tx.first(sa.select(oauth_consumers))
        assert consumer is not None and consumer.id == made["id"]
    assert (await admin.get(f"/v3/credentials/{shown['id']}"))["credential"]["blob"] == "b"
    async with cloud.control.database.write() as tx:
        mine = credentials.c.id == shown["id"]
        await tx.execute(credentials.update().where(mine).values(sealed="nonsense"))
        row = (await tx.all(sa.select(credentials).where(mine)))[0]
        with pytest.raises(Unavailable, match="cannot be opened"):
            sealed.unseal(room.secrets, row)
    await admin("GET", f"/v3/credentials/{shown['id']}", status=503)
