"""OAuth 1 from consumer to access token, and OAuth 2 client credentials."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from hanok.services.identity.tables import oauth_request_tokens
from tests.api.identity.doors import (
    a_consumer,
    a_request_token,
    an_access_token,
    an_application_credential,
    an_owner,
    by_oauth1,
    by_oauth2,
    lives,
    oauth_headers,
    roles_of,
)
from tests.cloud import Client, Cloud

REQUEST = "/v3/OS-OAUTH1/request_token"
ACCESS = "/v3/OS-OAUTH1/access_token"
OAUTH2 = "/v3/OS-OAUTH2/token"


async def test_a_consumer_from_making_to_removal(cloud: Cloud) -> None:
    admin = await cloud.sign_in()
    made = await a_consumer(cloud)
    assert len(made["secret"]) == 32
    path = f"/v3/OS-OAUTH1/consumers/{made['id']}"
    shown = (await admin.get(path))["consumer"]
    assert shown == {name: value for name, value in made.items() if name != "secret"}
    assert (await admin.get("/v3/OS-OAUTH1/consumers"))["consumers"] == [shown]
    changed = await admin("PATCH", path, {"consumer": {"description": "new"}}, status=200)
    assert changed.json()["consumer"] == {**shown, "description": "new"}
    await admin("PATCH", path, {"consumer": {"secret": "chosen"}}, status=400)
    await admin("PATCH", path, {"consumer": {}}, status=400)
    member = await cloud.project_with("p", "member")
    for method in ("GET", "PATCH", "DELETE"):
        await member(method, path, {"consumer": {"description": "x"}}, status=403)
    await admin("DELETE", path, status=204)
    await admin("GET", path, status=404)


async def test_an_access_token_carries_what_was_authorized(cloud: Cloud) -> None:
    owner = await an_owner(cloud, "owner", "admin")
    consumer = await a_consumer(cloud)
    member = (await roles_of(cloud))["member"]
    owner.body["roles"] = [{"id": member}]
    token = await an_access_token(cloud, consumer, owner)
    client = await by_oauth1(cloud, consumer, token)
    assert {role["name"] for role in client.body["roles"]} == {"member", "reader"}
    assert client.body["OS-OAUTH1"] == {"access_token_id": token[0], "consumer_id": consumer["id"]}
    assert client.body["methods"] == ["oauth1"]
    base = f"/v3/users/{owner.user_id}/OS-OAUTH1/access_tokens"
    listed = (await owner.get(base))["access_tokens"]
    assert [one["id"] for one in listed] == [token[0]] and "secret" not in str(listed)
    assert listed[0]["authorizing_user_id"] == owner.user_id
    one = f"{base}/{token[0]}"
    assert (await owner.get(one))["access_token"] == listed[0]
    assert [r["id"] for r in (await owner.get(f"{one}/roles"))["roles"]] == [member]
    assert (await owner.get(f"{one}/roles/{member}"))["role"]["name"] == "member"
    await owner("GET", f"{one}/roles/{'0' * 32}", status=404)
    await owner("GET", f"{base}/{'0' * 32}", status=404)
    admin = await cloud.sign_in()
    elsewhere = f"/v3/users/{admin.user_id}/OS-OAUTH1/access_tokens/{token[0]}"
    for method in ("GET", "DELETE"):
        await admin(method, elsewhere, status=404)
    await client("GET", base, status=403)
    await admin("DELETE", f"/v3/OS-OAUTH1/consumers/{consumer['id']}", status=204)
    assert not await lives(cloud, client)


async def test_signatures_that_do_not_hold(cloud: Cloud) -> None:
    owner = await an_owner(cloud, "owner", "admin")
    consumer = await a_consumer(cloud)
    project = {"Requested-Project-Id": owner.project_id}

    async def tried(status: int, headers: dict[str, str]) -> None:
        await cloud.anonymous("POST", REQUEST, headers={**project, **headers}, status=status)

    good = oauth_headers(REQUEST, consumer)
    await tried(201, good)
    await tried(401, good)  # once more, overheard
    await tried(201, oauth_headers(REQUEST, consumer, signature_method="HMAC-SHA256"))
    await tried(401, oauth_headers(REQUEST, {**consumer, "secret": "guessed"}))
    await tried(401, oauth_headers(REQUEST, {**consumer, "id": "nobody"}))
    await tried(201, oauth_headers(f"/identity{REQUEST}", consumer))  # the same service
    await tried(401, oauth_headers(f"/elsewhere{REQUEST}", consumer))
    await tried(401, oauth_headers(ACCESS, consumer))
    old = str(int(datetime.now(UTC).timestamp()) - 3600)
    await tried(401, oauth_headers(REQUEST, consumer, timestamp=old))
    for odd in ("tomorrow", "-1", "9" * 12, "٣"):
        await tried(401, oauth_headers(REQUEST, consumer, timestamp=odd))
    await tried(401, oauth_headers(REQUEST, consumer, nonce="n" * 65))
    await tried(400, {})
    await tried(400, {"Authorization": "Basic eDp5"})
    await tried(400, {"Authorization": "OAuth realm"})
    await cloud.anonymous("POST", REQUEST, headers=oauth_headers(REQUEST, consumer), status=400)
    nowhere = {"Requested-Project-Id": "0" * 32}
    headers = {**oauth_headers(REQUEST, consumer), **nowhere}
    await cloud.anonymous("POST", REQUEST, headers=headers, status=404)


async def test_a_request_token_is_used_once_and_by_its_verifier(cloud: Cloud) -> None:
    owner = await an_owner(cloud, "owner", "admin")
    consumer = await a_consumer(cloud)
    token = await a_request_token(cloud, consumer, owner.project_id)
    authorize = f"/v3/OS-OAUTH1/authorize/{token[0]}"
    roles = {"roles": [{"name": "member"}]}

    async def complete(verifier: str, status: int, who: dict[str, Any] = consumer) -> None:
        headers = oauth_headers(ACCESS, who, token, verifier=verifier)
        await cloud.anonymous("POST", ACCESS, headers=headers, status=status)

    await complete("anything", 401)
    plain = await an_owner(cloud, "plain", "member")
    await plain("PUT", authorize, roles, status=403)
    other = await an_owner(cloud, "other", "admin")
    await other("PUT", authorize, roles, status=401)  # has no role on that project
    await owner("PUT", authorize, {"roles": [{"name": "nonsense"}]}, status=404)
    await owner("PUT", f"/v3/OS-OAUTH1/authorize/{'0' * 32}", roles, status=404)
    answer = await owner("PUT", authorize, roles, status=200)
    verifier = answer.json()["token"]["oauth_verifier"]
    await complete("x" * 8, 401)
    await complete(verifier, 401, await a_consumer(cloud))
    await complete(verifier, 201)
    await complete(verifier, 404)


async def test_the_secret_of_an_access_token_is_needed(cloud: Cloud) -> None:
    owner = await an_owner(cloud, "owner", "admin")
    consumer = await a_consumer(cloud)
    token = await an_access_token(cloud, consumer, owner)
    await by_oauth1(cloud, consumer, (token[0], "guessed"), 401)
    await by_oauth1(cloud, consumer, ("0" * 32, token[1]), 401)
    await by_oauth1(cloud, await a_consumer(cloud), token, 401)
    await by_oauth1(cloud, consumer, token)


async def test_an_access_token_lends_no_more_than_is_still_held(cloud: Cloud) -> None:
    owner = await an_owner(cloud, "owner", "admin", "service")
    consumer = await a_consumer(cloud)
    token = await an_access_token(cloud, consumer, owner)
    client = await by_oauth1(cloud, consumer, token)
    assert "service" in {role["name"] for role in client.body["roles"]}
    admin = await cloud.sign_in()
    role = (await roles_of(cloud))["service"]
    grant = f"/v3/projects/{owner.project_id}/users/{owner.user_id}/roles/{role}"
    await admin("DELETE", grant, status=204)
    again = await by_oauth1(cloud, consumer, token)
    assert "service" not in {role["name"] for role in again.body["roles"]}


async def _form(cloud: Cloud, text: str, status: int, **headers: str) -> Any:
    kind = {"Content-Type": "application/x-www-form-urlencoded"}
    answer = await cloud.anonymous(
        "POST", OAUTH2, content=text.encode(), headers={**kind, **headers}, status=status
    )
    assert answer.headers["Cache-Control"] == "no-store"
    return answer.json()


async def test_client_credentials(cloud: Cloud) -> None:
    owner = await cloud.project_with("owner", "member")
    credential = await an_application_credential(owner)
    client = await by_oauth2(cloud, credential)
    assert client.body["token_type"] == "Bearer" and 3500 < client.body["expires_in"] <= 3600
    assert await lives(cloud, client)
    assert (await client("GET", "/network/v2.0/networks")).status_code == 200
    pair = f"client_id={credential['id']}&client_secret={credential['secret']}"
    got = await _form(cloud, f"grant_type=client_credentials&{pair}", 200)
    assert await lives(cloud, Client(cloud.http, got["access_token"]))


async def test_client_credentials_that_do_not_hold(cloud: Cloud) -> None:
    owner = await cloud.project_with("owner", "member")
    credential = await an_application_credential(owner)
    grant = "grant_type=client_credentials"
    for text, status, error in (
        ("", 400, "invalid_request"),
        ("grant_type=password", 400, "unsupported_grant_type"),
        (grant, 401, "invalid_client"),
        (f"{grant}&client_id={credential['id']}", 401, "invalid_client"),
        (f"{grant}&client_id={credential['id']}&client_secret=x", 401, "invalid_client"),
        (f"{grant}&client_id=nobody&client_secret=x", 401, "invalid_client"),
    ):
        answer = await _form(cloud, text, status)
        assert answer["error"] == error and answer["error_description"], text
    answer = await _form(cloud, grant, 401, Authorization="Basic nonsense")
    assert answer["error"] == "invalid_client"
    await cloud.anonymous("POST", OAUTH2, {"grant_type": "client_credentials"}, status=400)


async def test_a_request_token_that_has_ended_is_of_no_use(cloud: Cloud) -> None:
    owner = await an_owner(cloud, "owner", "admin")
    consumer = await a_consumer(cloud)
    roles = {"roles": [{"id": role["id"]} for role in owner.body["roles"]]}
    fresh, late = [await a_request_token(cloud, consumer, owner.project_id) for _ in range(2)]
    answer = await owner("PUT", f"/v3/OS-OAUTH1/authorize/{fresh[0]}", roles, status=200)
    verifier = answer.json()["token"]["oauth_verifier"]
    past = cloud.control.clock.now() - timedelta(seconds=1)
    async with cloud.control.database.write() as tx:
        await tx.execute(oauth_request_tokens.update().values(expires_at=past))
    await owner("PUT", f"/v3/OS-OAUTH1/authorize/{late[0]}", roles, status=401)
    headers = oauth_headers(ACCESS, consumer, fresh, verifier=verifier)
    await cloud.anonymous("POST", ACCESS, headers=headers, status=401)
