"""Trusts: lent roles, how often, for how long, and handed on."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

from tests.api.identity.doors import (
    a_trust,
    an_application_credential,
    an_owner,
    by_application_credential,
    by_password,
    by_trust,
    lives,
    roles_of,
    sign_in,
)
from tests.cloud import Client, Cloud


def soon(hours: float = 1) -> str:
    at = datetime.now(UTC) + timedelta(hours=hours)
    return at.strftime("%Y-%m-%dT%H:%M:%S.000000Z")


async def two(cloud: Cloud) -> tuple[Client, Client]:
    return await an_owner(cloud, "trustor", "member"), await an_owner(cloud, "trustee", "reader")


async def test_a_trust_is_shown_to_its_parties(cloud: Cloud) -> None:
    trustor, trustee = await two(cloud)
    stranger = await an_owner(cloud, "stranger", "member")
    role = (await roles_of(cloud))["member"]
    at = soon()
    trust = await a_trust(trustor, trustee, roles=[{"name": "member"}], expires_at=at)
    assert trust["expires_at"] == at and trust["deleted_at"] is None
    assert trust["remaining_uses"] is None and trust["redelegation_count"] == 0
    assert [one["id"] for one in trust["roles"]] == [role]
    path = f"/v3/OS-TRUST/trusts/{trust['id']}"
    assert trust["links"]["self"] == f"http://cloud:5000{path}"
    for party in (trustor, trustee):
        assert (await party.get(path))["trust"] == trust
        assert (await party.get(f"{path}/roles"))["roles"] == trust["roles"]
        assert (await party.get(f"{path}/roles/{role}"))["role"]["name"] == "member"
        await party("HEAD", f"{path}/roles/{role}", status=200)
        await party("HEAD", f"{path}/roles/{'0' * 32}", status=404)
    nowhere = f"/v3/OS-TRUST/trusts/{'0' * 32}"
    for tail in ("", "/roles", f"/roles/{role}"):
        there, never = await stranger("GET", path + tail), await stranger("GET", nowhere + tail)
        assert there.status_code == never.status_code == 403
    await trustee("DELETE", path, status=403)
    mine = f"/v3/OS-TRUST/trusts?trustor_user_id={trustor.user_id}"
    assert [one["id"] for one in (await trustor.get(mine))["trusts"]] == [trust["id"]]
    assert "roles" not in (await trustor.get(mine))["trusts"][0]
    theirs = f"/v3/OS-TRUST/trusts?trustee_user_id={trustee.user_id}"
    assert [one["id"] for one in (await trustee.get(theirs))["trusts"]] == [trust["id"]]
    for query in (mine, theirs, "/v3/OS-TRUST/trusts"):
        await stranger("GET", query, status=403)
    admin = await cloud.sign_in()
    assert [one["id"] for one in (await admin.get("/v3/OS-TRUST/trusts"))["trusts"]] == [
        trust["id"]
    ]
    await trustor("DELETE", path, status=204)
    for party in (trustor, trustee, admin):
        await party("GET", path, status=404)
    await stranger("GET", path, status=403)
    assert (await admin.get("/v3/OS-TRUST/trusts"))["trusts"] == []


async def test_a_token_of_a_trust_names_the_trust(cloud: Cloud) -> None:
    trustor, trustee = await two(cloud)
    for impersonation, user_id in ((True, trustor.user_id), (False, trustee.user_id)):
        trust = await a_trust(trustor, trustee, impersonation=impersonation)
        body = (await by_trust(cloud, trustee, trust["id"])).body
        assert body["OS-TRUST:trust"] == {
            "id": trust["id"],
            "trustor_user": {"id": trustor.user_id},
            "trustee_user": {"id": trustee.user_id},
            "impersonation": impersonation,
        }
        assert body["user"]["id"] == user_id and body["catalog"]
        assert body["project"]["id"] == trustor.project_id
    identity = {"methods": ["token"], "token": {"id": trustee.token}}
    again = await sign_in(cloud, identity, {"OS-TRUST:trust": {"id": trust["id"]}})
    assert again.body["expires_at"] <= trustee.body["expires_at"]


async def test_only_the_trustee_uses_a_trust(cloud: Cloud) -> None:
    trustor, trustee = await two(cloud)
    stranger = await an_owner(cloud, "stranger", "member")
    trust = await a_trust(trustor, trustee)
    await by_trust(cloud, stranger, trust["id"], 401)
    await by_trust(cloud, trustor, trust["id"], 401)
    await by_trust(cloud, trustee, "0" * 32, 401)


async def test_bad_trusts_are_refused(cloud: Cloud) -> None:
    trustor, trustee = await two(cloud)
    admin_role = (await roles_of(cloud))["admin"]
    good: dict[str, Any] = {
        "trustor_user_id": trustor.user_id,
        "trustee_user_id": trustee.user_id,
        "project_id": trustor.project_id,
        "impersonation": False,
        "roles": [{"name": "member"}],
    }
    for status, change in (
        (403, {"trustor_user_id": trustee.user_id}),
        (404, {"trustee_user_id": "0" * 32}),
        (404, {"roles": [{"id": admin_role}]}),
        (404, {"roles": [{"name": "nonsense"}]}),
        (400, {"roles": [{}]}),
        (403, {"roles": []}),
        (404, {"project_id": "0" * 32}),
        (400, {"expires_at": "bad.123Z"}),
        (400, {"expires_at": "2001-01-01T00:00:00Z"}),
        (400, {"remaining_uses": 0}),
        (400, {"remaining_uses": "two"}),
        (400, {"impersonation": "yes"}),
        (400, {"impersonation": None}),
        (400, {"remaining_uses": 1, "allow_redelegation": True}),
        (403, {"redelegation_count": 4, "allow_redelegation": True}),
    ):
        answer = await trustor("POST", "/v3/OS-TRUST/trusts", {"trust": {**good, **change}})
        assert answer.status_code == status, f"{change}: {answer.text}"
    credential = await an_application_credential(trustor, unrestricted=True)
    delegate = await sign_in(cloud, by_application_credential(credential))
    await delegate.post("/v3/OS-TRUST/trusts", {"trust": good}, 403)
    own = f"/v3/OS-TRUST/trusts?trustor_user_id={trustor.user_id}"
    await delegate("GET", own, status=403)
    unscoped = await sign_in(cloud, by_password(trustor.user_id), "unscoped")
    await unscoped.post("/v3/OS-TRUST/trusts", {"trust": good}, 403)


async def test_uses_are_counted_under_a_race(cloud: Cloud) -> None:
    trustor, trustee = await two(cloud)
    trust = await a_trust(trustor, trustee, remaining_uses=3)
    auth = {
        "auth": {
            "identity": by_password(trustee.user_id),
            "scope": {"OS-TRUST:trust": {"id": trust["id"]}},
        }
    }
    answers = await asyncio.gather(
        *(cloud.anonymous("POST", "/v3/auth/tokens", auth) for _ in range(8))
    )
    assert sorted(answer.status_code for answer in answers) == [201] * 3 + [401] * 5
    await trustor("GET", f"/v3/OS-TRUST/trusts/{trust['id']}", status=404)
    last = next(answer for answer in answers if answer.status_code == 201)
    assert await lives(cloud, Client(cloud.http, last.headers["X-Subject-Token"]))


async def test_a_trust_is_handed_on_and_never_reaches_further(cloud: Cloud) -> None:
    trustor, trustee = await two(cloud)
    third = await an_owner(cloud, "third", "reader")
    first = await a_trust(trustor, trustee, allow_redelegation=True, expires_at=soon(2))
    assert first["redelegation_count"] == 3
    lent = await by_trust(cloud, trustee, first["id"])
    requested = {
        "trustor_user_id": trustor.user_id,
        "trustee_user_id": third.user_id,
        "project_id": trustor.project_id,
        "impersonation": True,
        "roles": [{"name": "member"}],
        "allow_redelegation": True,
    }
    other = await an_owner(cloud, "other", "member")
    for change in (
        {"remaining_uses": 1, "allow_redelegation": False},
        {"expires_at": soon(3)},
        {"redelegation_count": 3},
        {"roles": [{"name": "admin"}]},
        {"project_id": other.project_id},
    ):
        answer = await lent("POST", "/v3/OS-TRUST/trusts", {"trust": {**requested, **change}})
        assert answer.status_code == 403, f"{change}: {answer.text}"
    second = (await lent.post("/v3/OS-TRUST/trusts", {"trust": requested}))["trust"]
    assert second["redelegation_count"] == 2
    assert second["redelegated_trust_id"] == first["id"]
    assert second["expires_at"] == first["expires_at"]
    there = await by_trust(cloud, third, second["id"])
    assert there.body["user"]["id"] == trustor.user_id
    assert await lives(cloud, there)
    await trustor("DELETE", f"/v3/OS-TRUST/trusts/{first['id']}", status=204)
    assert not await lives(cloud, there)
    await by_trust(cloud, third, second["id"], 401)


async def test_a_chain_ends_with_the_person_in_between(cloud: Cloud) -> None:
    trustor, trustee = await two(cloud)
    third = await an_owner(cloud, "third", "reader")
    first = await a_trust(trustor, trustee, allow_redelegation=True, redelegation_count=1)
    lent = await by_trust(cloud, trustee, first["id"])
    lent.body["user"]["id"] = trustor.user_id
    second = await a_trust(lent, third)
    assert second["redelegation_count"] == 0
    there = await by_trust(cloud, third, second["id"])
    refused = {
        "trustor_user_id": trustor.user_id,
        "trustee_user_id": trustee.user_id,
        "project_id": trustor.project_id,
        "impersonation": True,
        "roles": [{"name": "member"}],
    }
    await there.post("/v3/OS-TRUST/trusts", {"trust": refused}, 403)
    admin = await cloud.sign_in()
    off = {"user": {"enabled": False}}
    await admin("PATCH", f"/v3/users/{trustee.user_id}", off, status=200)
    assert not await lives(cloud, there)


async def test_without_impersonation_none_is_handed_on(cloud: Cloud) -> None:
    trustor, trustee = await two(cloud)
    third = await an_owner(cloud, "third", "reader")
    first = await a_trust(trustor, trustee, allow_redelegation=True, impersonation=False)
    lent = await by_trust(cloud, trustee, first["id"])
    requested = {
        "trustor_user_id": trustee.user_id,
        "trustee_user_id": third.user_id,
        "project_id": trustor.project_id,
        "impersonation": True,
        "roles": [{"name": "member"}],
    }
    await lent.post("/v3/OS-TRUST/trusts", {"trust": requested}, 403)
    plain = {"trust": {**requested, "impersonation": False}}
    second = (await lent.post("/v3/OS-TRUST/trusts", plain))["trust"]
    there = await by_trust(cloud, third, second["id"])
    assert there.body["user"]["id"] == third.user_id
    assert there.body["project"]["id"] == trustor.project_id


async def test_trusts_go_with_their_people_project_and_roles(cloud: Cloud) -> None:
    admin = await cloud.sign_in()
    role = (await admin.post("/v3/roles", {"role": {"name": "courier"}}))["role"]["id"]
    for number, kind in enumerate(("trustor", "trustee", "project", "role")):
        trustor = await an_owner(cloud, f"trustor{number}", "courier", "member")
        trustee = await an_owner(cloud, f"trustee{number}", "reader")
        trust = await a_trust(trustor, trustee)
        path = {
            "trustor": f"/v3/users/{trustor.user_id}",
            "trustee": f"/v3/users/{trustee.user_id}",
            "project": f"/v3/projects/{trustor.project_id}",
            "role": f"/v3/roles/{role}",
        }[kind]
        await admin("DELETE", path, status=204)
        await admin("GET", f"/v3/OS-TRUST/trusts/{trust['id']}", status=404)
        assert (await admin.get("/v3/OS-TRUST/trusts"))["trusts"] == [], kind


async def test_a_trust_rests_while_its_trustor_lacks_the_role(cloud: Cloud) -> None:
    trustor, trustee = await two(cloud)
    admin = await cloud.sign_in()
    trust = await a_trust(trustor, trustee, roles=[{"name": "member"}])
    lent = await by_trust(cloud, trustee, trust["id"])
    role = (await roles_of(cloud))["member"]
    grant = f"/v3/projects/{trustor.project_id}/users/{trustor.user_id}/roles/{role}"
    await admin("DELETE", grant, status=204)
    assert not await lives(cloud, lent)
    await by_trust(cloud, trustee, trust["id"], 403)
    await admin("PUT", grant, status=204)
    assert await lives(cloud, await by_trust(cloud, trustee, trust["id"]))


async def test_a_token_ends_with_its_trust(cloud: Cloud) -> None:
    trustor, trustee = await two(cloud)
    at = soon(0.1)
    trust = await a_trust(trustor, trustee, expires_at=at)
    lent = await by_trust(cloud, trustee, trust["id"])
    assert lent.body["expires_at"] == at
