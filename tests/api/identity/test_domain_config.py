"""Settings of domains."""

from __future__ import annotations

from typing import Any

from tests.cloud import Client, Cloud

CONFIG = {
    "ldap": {"url": "ldap://here", "user_tree_dn": "ou=people", "password": "secret word"},
    "identity": {"driver": "ldap"},
}


async def a_domain(admin: Client) -> str:
    made = await admin.post("/v3/domains", {"domain": {"name": "acme"}})
    return str(made["domain"]["id"])


async def test_a_domain_has_settings_and_keeps_its_secrets(cloud: Cloud) -> None:
    admin = await cloud.sign_in()
    path = f"/v3/domains/{await a_domain(admin)}/config"
    await admin("GET", path, status=404)
    made = (await admin("PUT", path, {"config": CONFIG}, status=201)).json()["config"]
    assert made["ldap"] == {"url": "ldap://here", "user_tree_dn": "ou=people"}
    assert (await admin.get(path))["config"] == made
    assert (await admin.get(f"{path}/ldap"))["config"] == {"ldap": made["ldap"]}
    assert (await admin.get(f"{path}/ldap/url"))["config"] == {"url": "ldap://here"}
    await admin("GET", f"{path}/ldap/password", status=404)
    await admin("GET", f"{path}/ldap/suffix", status=404)
    await admin("GET", f"{path}/ldap/colour", status=403)
    await admin("GET", f"{path}/weather", status=403)

    body: dict[str, Any] = {"config": {"ldap": {"user_filter": "(a=b)"}}}
    changed = (await admin("PATCH", path, body, status=200)).json()["config"]
    assert changed["ldap"]["user_filter"] == "(a=b)" and changed["ldap"]["url"] == "ldap://here"
    body = {"config": {"url": "ldap://there"}}
    changed = (await admin("PATCH", f"{path}/ldap/url", body, status=200)).json()["config"]
    assert changed["ldap"]["url"] == "ldap://there"
    for part, wrong, status in (
        ("", {}, 403),
        ("", {"weather": {"sun": 1}}, 403),
        ("", {"ldap": {"colour": 1}}, 403),
        ("", {"ldap": {}}, 403),
        ("/ldap", {"identity": {"driver": "sql"}}, 403),
        ("/ldap/url", {"suffix": "x"}, 403),
        ("/ldap/suffix", {"suffix": "x"}, 404),
    ):
        await admin("PATCH", path + part, {"config": wrong}, status=status)
    await admin("PATCH", path, {"config": []}, status=400)

    await admin("DELETE", f"{path}/ldap/url", status=204)
    await admin("DELETE", f"{path}/ldap/url", status=404)
    await admin("DELETE", f"{path}/identity", status=204)
    await admin("PUT", path, {"config": {"identity": {"driver": "sql"}}}, status=200)
    assert (await admin.get(path))["config"] == {"identity": {"driver": "sql"}}
    for _ in range(2):  # nothing to delete is no mistake
        await admin("DELETE", path, status=204)
    await admin("GET", path, status=404)


async def test_only_who_looks_after_the_cloud_sees_them(cloud: Cloud) -> None:
    admin = await cloud.sign_in()
    path = f"/v3/domains/{await a_domain(admin)}/config"
    await admin("PUT", path, {"config": CONFIG}, status=201)
    member = await cloud.project_with("p", "member")
    await member("GET", path, status=403)
    await member("PUT", path, {"config": CONFIG}, status=403)
    project = f"/v3/domains/{member.project_id}/config"
    await admin("PUT", project, {"config": CONFIG}, status=404)


async def test_what_is_so_where_nothing_is_set(cloud: Cloud) -> None:
    admin = await cloud.sign_in()
    everything = (await admin.get("/v3/domains/config/default"))["config"]
    assert everything["identity"]["driver"] == "sql"
    group = (await admin.get("/v3/domains/config/ldap/default"))["config"]
    assert group == {"ldap": everything["ldap"]} and "password" not in group["ldap"]
    one = (await admin.get("/v3/domains/config/ldap/url/default"))["config"]
    assert one == {"url": everything["ldap"]["url"]}
    await admin("GET", "/v3/domains/config/ldap/password/default", status=403)
    await admin("GET", "/v3/domains/config/weather/default", status=403)


async def test_everybody_may_read_the_rule_for_passwords(cloud: Cloud) -> None:
    member = await cloud.project_with("p", "member")
    path = "/v3/domains/default/config/security_compliance"
    rule = (await member.get(path))["config"]["security_compliance"]
    assert rule == {"password_regex": None, "password_regex_description": None}
    assert (await member.get(f"{path}/password_regex"))["config"] == {"password_regex": None}
    await member("GET", f"{path}/lockout_duration", status=403)
    admin = await cloud.sign_in()
    other = await a_domain(admin)
    await member("GET", f"/v3/domains/{other}/config/security_compliance", status=403)
