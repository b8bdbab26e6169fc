"""Identity's lists in pages: so many, from behind whom, and where the rest is."""

from __future__ import annotations

import pytest

from tests.cloud import Client, Cloud


@pytest.mark.parametrize(
    ("kind", "more"),
    [
        ("user", {}),
        ("project", {}),
        ("group", {}),
        ("role", {}),
        ("domain", {}),
        ("service", {"type": "t"}),
        ("region", {}),
        ("policy", {"blob": "b", "type": "t"}),
    ],
)
async def test_a_list_is_read_page_by_page(cloud: Cloud, kind: str, more: dict[str, str]) -> None:
    admin = await cloud.sign_in()
    plural = "policies" if kind == "policy" else f"{kind}s"
    for name in ("a", "b", "c"):
        named = {"id": name} if kind == "region" else {} if kind == "policy" else {"name": name}
        await admin.post(f"/v3/{plural}", {kind: {**named, **more}})
    everything = await admin.get(f"/v3/{plural}")
    assert "truncated" not in everything and everything["links"]["next"] is None
    ids = [one["id"] for one in everything[plural]]
    assert len(ids) >= 3
    found, path = [], f"/v3/{plural}?limit=2"
    while path:
        page = await admin.get(path)
        assert 1 <= len(page[plural]) <= 2
        found += [one["id"] for one in page[plural]]
        following = page["links"]["next"]
        assert page.get("truncated", False) is (following is not None)
        path = following.removeprefix("http://cloud:5000") if following else ""
    assert found == ids
    last = await admin.get(f"/v3/{plural}?marker={ids[-1]}")
    assert last[plural] == []
    said = await admin("GET", f"/v3/{plural}?marker=nobody", status=404)
    assert "nobody" in said.text
    await admin("GET", f"/v3/{plural}?limit=many", status=400)


async def test_filters_and_pages_go_together(cloud: Cloud) -> None:
    admin = await cloud.sign_in()
    for number in range(5):
        enabled = number % 2 == 0
        await admin.post("/v3/users", {"user": {"name": f"u{number}", "enabled": enabled}})
    page = await admin.get("/v3/users?enabled=true&name__startswith=u&limit=2")
    assert [one["name"] for one in page["users"]] == ["u0", "u2"]
    following = page["links"]["next"]
    assert "enabled=true" in following and "limit=2" in following
    rest = await admin.get(following.removeprefix("http://cloud:5000"))
    assert [one["name"] for one in rest["users"]] == ["u4"] and "truncated" not in rest


def _id(one: dict[str, str]) -> str:
    return one.get("id") or one["access"]  # keys of EC2 show no other


async def _read(client: Client, path: str, name: str) -> list[str]:
    """The ids of a list that is read two by two."""
    found, at = [], f"{path}?limit=2"
    while at:
        page = await client.get(at)
        assert 1 <= len(page[name]) <= 2
        found += [_id(one) for one in page[name]]
        following = page["links"]["next"]
        assert page.get("truncated", False) is (following is not None)
        at = following.removeprefix("http://cloud:5000") if following else ""
    return found


async def _check(client: Client, path: str, name: str) -> None:
    everything = [_id(one) for one in (await client.get(path))[name]]
    assert len(everything) >= 3, path
    assert await _read(client, path, name) == everything
    await client("GET", f"{path}?marker=nobody", status=404)
    await client("GET", f"{path}?limit=many", status=400)


async def test_what_a_user_has_is_read_page_by_page(cloud: Cloud) -> None:
    admin = await cloud.sign_in()
    user = await cloud.project_with("p", "member")
    own = f"/v3/users/{user.user_id}"
    for _ in range(3):
        secret = {"type": "cert", "user_id": admin.user_id, "blob": "b"}
        await admin.post("/v3/credentials", {"credential": secret})
    trust = {
        "trustor_user_id": user.user_id, "trustee_user_id": admin.user_id, "impersonation": True,
        "project_id": user.project_id, "roles": [{"name": "member"}],
    }  # fmt: skip
    for number in range(3):
        blob = {"type": "cert", "user_id": user.user_id, "blob": "b"}
        await user.post("/v3/credentials", {"credential": blob})
        await user.post(f"{own}/credentials/OS-EC2", {"tenant_id": user.project_id})
        rule = {"path": f"/{number}", "method": "GET", "service": "compute"}
        requested = {"name": f"n{number}", "access_rules": [rule]}
        await user.post(f"{own}/application_credentials", {"application_credential": requested})
        await user.post("/v3/OS-TRUST/trusts", {"trust": trust})
    await _check(user, "/v3/credentials", "credentials")
    await _check(user, f"{own}/credentials/OS-EC2", "credentials")
    await _check(user, f"{own}/application_credentials", "application_credentials")
    await _check(user, f"{own}/access_rules", "access_rules")
    await _check(admin, "/v3/OS-TRUST/trusts", "trusts")


async def test_what_administrators_keep_is_read_page_by_page(cloud: Cloud) -> None:
    admin = await cloud.sign_in()
    federation = "/v3/OS-FEDERATION"
    rules = [{"local": [{"user": {"name": "{0}"}}], "remote": [{"type": "sub"}]}]
    service = (await admin.get("/v3/services"))["services"][0]["id"]
    for one in ("a", "b", "c"):
        await admin(
            "PUT", f"{federation}/mappings/{one}", {"mapping": {"rules": rules}}, status=201
        )
        idp = f"{federation}/identity_providers/{one}"
        await admin("PUT", idp, {"identity_provider": {}}, status=201)
        protocol = f"{federation}/identity_providers/a/protocols/{one}"
        addresses = {"auth_url": "https://x.example", "sp_url": "https://x.example"}
        path = f"{federation}/service_providers/{one}"
        await admin("PUT", path, {"service_provider": addresses}, status=201)
        await admin("PUT", protocol, {"protocol": {"mapping_id": one}}, status=201)
        group = {"name": one, "filters": {"interface": "public"}}
        await admin.post("/v3/OS-EP-FILTER/endpoint_groups", {"endpoint_group": group})
        await admin.post("/v3/OS-OAUTH1/consumers", {"consumer": {}})
        limit = {"service_id": service, "resource_name": one, "default_limit": 1}
        await admin.post("/v3/registered_limits", {"registered_limits": [limit]})
        of_project = {
            "service_id": service, "resource_name": one, "resource_limit": 1,
            "project_id": admin.project_id,
        }  # fmt: skip
        await admin.post("/v3/limits", {"limits": [of_project]})
    for path, name in (
        (f"{federation}/mappings", "mappings"),
        (f"{federation}/identity_providers", "identity_providers"),
        (f"{federation}/identity_providers/a/protocols", "protocols"),
        (f"{federation}/service_providers", "service_providers"),
        ("/v3/OS-EP-FILTER/endpoint_groups", "endpoint_groups"),
        ("/v3/OS-OAUTH1/consumers", "consumers"),
        ("/v3/registered_limits", "registered_limits"),
        ("/v3/limits", "limits"),
    ):
        await _check(admin, path, name)


async def test_nothing_of_others_can_be_told_by_a_marker(cloud: Cloud) -> None:
    one, other = await cloud.project_with("p", "member"), await cloud.project_with("q", "member")
    path = f"/v3/users/{one.user_id}/application_credentials"
    made = await one.post(path, {"application_credential": {"name": "n"}})
    theirs = made["application_credential"]["id"]
    mine = f"/v3/users/{other.user_id}/application_credentials"
    hidden = await other("GET", f"{mine}?marker={theirs}", status=404)
    nowhere = await other("GET", f"{mine}?marker={'0' * 32}", status=404)
    assert hidden.text.replace(theirs, "") == nowhere.text.replace("0" * 32, "")
