"""Identity providers, protocols, mappings and service providers as resources."""

from __future__ import annotations

from typing import Any

from tests.cloud import Client, Cloud

A = "/v3/OS-FEDERATION"
RULES: list[dict[str, Any]] = [{"remote": [{"type": "name"}], "local": [{"user": {"name": "{0}"}}]}]


async def put(admin: Client, path: str, body: dict[str, Any], status: int = 201) -> dict[str, Any]:
    made = (await admin("PUT", f"{A}/{path}", body, status=status)).json()
    return made if status != 201 else dict(next(iter(made.values())))


async def test_providers(cloud: Cloud) -> None:
    admin = await cloud.sign_in()
    body: dict[str, Any] = {"identity_provider": {"remote_ids": ["http://a", "http://b"]}}
    made = await put(admin, "identity_providers/acme", body)
    assert (made["enabled"], made["remote_ids"]) == (False, ["http://a", "http://b"])
    assert made["links"]["protocols"].endswith("/identity_providers/acme/protocols")
    domain = (await admin.get(f"/v3/domains/{made['domain_id']}"))["domain"]
    assert domain["enabled"] and "acme" in domain["description"]
    await put(admin, "identity_providers/acme", body, 409)
    await put(admin, "identity_providers/other", body, 409)  # a remote id is one provider's
    await admin("GET", f"{A}/identity_providers/other", status=404)
    body = {"identity_provider": {"domain_id": "default", "enabled": True}}
    assert (await put(admin, "identity_providers/other", body))["domain_id"] == "default"
    await put(admin, "identity_providers/third", {"identity_provider": {"domain_id": "no"}}, 404)
    await put(admin, "identity_providers/third", {"identity_provider": {"colour": "no"}}, 400)
    found = (await admin.get(f"{A}/identity_providers?enabled=true"))["identity_providers"]
    assert [one["id"] for one in found] == ["other"]
    path = f"{A}/identity_providers/acme"
    body = {"identity_provider": {"remote_ids": ["http://b"], "authorization_ttl": 5}}
    shown = (await admin("PATCH", path, body, status=200)).json()["identity_provider"]
    assert (shown["remote_ids"], shown["authorization_ttl"]) == (["http://b"], 5)
    await admin("PATCH", path, {"identity_provider": {"domain_id": "default"}}, status=400)
    await admin("DELETE", path, status=204)
    await admin("GET", path, status=404)
    member = await cloud.project_with("p", "member")
    await member("GET", f"{A}/identity_providers", status=403)
    # Its domain takes a provider with it.
    body = {"identity_provider": {}}
    made = await put(admin, "identity_providers/fourth", body)
    path = f"/v3/domains/{made['domain_id']}"
    await admin("PATCH", path, {"domain": {"enabled": False}}, status=200)
    await admin("DELETE", path, status=204)
    await admin("GET", f"{A}/identity_providers/fourth", status=404)


async def test_protocols_and_mappings(cloud: Cloud) -> None:
    admin = await cloud.sign_in()
    await put(admin, "identity_providers/acme", {"identity_provider": {}})
    path = "identity_providers/acme/protocols/openid"
    await put(admin, path, {"protocol": {"mapping_id": "m"}}, 400)
    made = await put(admin, "mappings/m", {"mapping": {"rules": RULES}})
    assert (made["rules"], made["schema_version"]) == (RULES, "1.0")
    await put(admin, "mappings/m", {"mapping": {"rules": RULES}}, 409)
    await put(admin, "mappings/n", {"mapping": {"rules": [{}]}}, 400)
    await put(admin, "mappings/n", {"mapping": {"rules": RULES, "schema_version": "2.0"}})
    made = await put(admin, path, {"protocol": {"mapping_id": "m"}})
    assert made["links"]["identity_provider"].endswith("/identity_providers/acme")
    await put(admin, path, {"protocol": {"mapping_id": "m"}}, 409)
    await put(admin, "identity_providers/no/protocols/x", {"protocol": {"mapping_id": "m"}}, 404)
    change: dict[str, Any] = {"protocol": {"mapping_id": "n", "remote_id_attribute": "ISS"}}
    shown = (await admin("PATCH", f"{A}/{path}", change, status=200)).json()["protocol"]
    assert (shown["mapping_id"], shown["remote_id_attribute"]) == ("n", "ISS")
    found = (await admin.get(f"{A}/identity_providers/acme/protocols"))["protocols"]
    assert [one["id"] for one in found] == ["openid"]
    change = {"mapping": {"rules": RULES, "schema_version": "3.0"}}
    shown = (await admin("PATCH", f"{A}/mappings/n", change, status=200)).json()["mapping"]
    assert shown["schema_version"] == "3.0"
    assert len((await admin.get(f"{A}/mappings"))["mappings"]) == 2
    for gone in (path, "mappings/n"):
        await admin("DELETE", f"{A}/{gone}", status=204)
        await admin("GET", f"{A}/{gone}", status=404)
    # Without settings of the operator nobody signs in.
    await put(admin, path, {"protocol": {"mapping_id": "m"}})
    assert (await cloud.anonymous("POST", f"{A}/{path}/auth")).status_code == 403
    on = {"identity_provider": {"enabled": True}}
    await admin("PATCH", f"{A}/identity_providers/acme", on, status=200)
    answer = await cloud.anonymous("POST", f"{A}/{path}/auth")
    assert answer.status_code == 404 and "settings" in answer.text


async def test_service_providers_are_told_with_tokens(cloud: Cloud) -> None:
    admin = await cloud.sign_in()
    urls = {"auth_url": "https://b.example/auth", "sp_url": "https://b.example/sp"}
    made = await put(admin, "service_providers/b", {"service_provider": urls})
    assert (made["enabled"], made["relay_state_prefix"]) == (False, "ss:mem:")
    await put(admin, "service_providers/b", {"service_provider": urls}, 409)
    for wrong in ({}, {**urls, "auth_url": "here"}, {**urls, "colour": "blue"}):
        await put(admin, "service_providers/c", {"service_provider": wrong}, 400)
    assert "service_providers" not in (await cloud.sign_in()).body
    path = f"{A}/service_providers/b"
    change = {"service_provider": {"enabled": True, "relay_state_prefix": None}}
    await admin("PATCH", path, change, status=200)
    assert (await cloud.sign_in()).body["service_providers"] == [{"id": "b", **urls}]
    assert len((await admin.get(f"{A}/service_providers"))["service_providers"]) == 1
    await admin("DELETE", path, status=204)
    await admin("GET", path, status=404)
