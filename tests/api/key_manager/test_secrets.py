"""Secrets from the first to the last, as their users see them."""

from __future__ import annotations

import base64
from typing import Any

import pytest
import sqlalchemy as sa

from hanok.services.key_manager.facade import Keys
from hanok.services.key_manager.policy import RULES
from hanok.services.key_manager.routes import ROUTES
from hanok.services.key_manager.tables import secrets
from hanok.web.policy import BY_OPERATORS
from hanok.web.routes import PUBLIC
from tests.cloud import PASSWORD, Client, Cloud

BASE = "/key-manager/v1"
NEWEST = {"OpenStack-API-Version": "key-manager latest"}
TEXT = {"payload": "s3cret", "payload_content_type": "text/plain"}
NOWHERE = "00000000-0000-4000-8000-000000000000"


@pytest.fixture
async def user(cloud: Cloud) -> Client:
    return await cloud.project_with("web", "member", "reader")


async def another(cloud: Cloud, of: Client, name: str, *roles: str) -> Client:
    """Another user of the same project."""
    admin = await cloud.sign_in()
    made = (await admin.post("/v3/users", {"user": {"name": name, "password": PASSWORD}}))["user"]
    known = {role["name"]: role["id"] for role in (await admin.get("/v3/roles"))["roles"]}
    for role in roles:
        path = f"/v3/projects/{of.project_id}/users/{made['id']}/roles/{known[role]}"
        await admin("PUT", path, status=204)
    return await cloud.sign_in(name, PASSWORD, project="web")


def path_of(ref: str) -> str:
    return ref[ref.index("/key-manager") :]


async def make(user: Client, **values: Any) -> str:
    """A new secret; gives its path."""
    return path_of((await user.post(f"{BASE}/secrets", values))["secret_ref"])


async def test_a_payload_comes_back_and_is_nowhere_in_the_database(
    cloud: Cloud, user: Client
) -> None:
    path = await make(user, name="a", secret_type="passphrase", algorithm="x", bit_length=8, **TEXT)
    found = await user.get(path)
    assert found["content_types"] == {"default": "text/plain"} and found["name"] == "a"
    assert found["status"] == "ACTIVE" and "payload" not in found and "consumers" not in found
    assert (await user.get(path, headers=NEWEST))["consumers"] == []
    got = await user("GET", f"{path}/payload", status=200, headers={"Accept": "text/plain"})
    assert got.content == b"s3cret" and got.headers["content-type"].startswith("text/plain")
    async with cloud.control.house.database.read() as tx:
        (row,) = await tx.all(sa.select(secrets))
    assert "s3cret" not in str(row) and base64.b64encode(b"s3cret").decode() not in str(row)
    await user("DELETE", path, status=204)
    await user("GET", path, status=404)
    await user("GET", f"{path}/payload", status=404)


async def test_a_payload_comes_in_two_steps_and_once(user: Client) -> None:
    path = await make(user)
    await user("GET", f"{path}/payload", status=404)
    sent = base64.b64encode(b"\x00\xff")
    headers = {"Content-Type": "application/octet-stream", "Content-Encoding": "base64"}
    await user("PUT", path, content=b"$$", headers=headers, status=400)
    await user("PUT", path, content=b"{}", headers={"Content-Type": "application/json"}, status=415)
    await user("PUT", path, content=b"", headers=headers, status=400)
    await user(
        "PUT", path, content=b"x" * 20001, headers={"Content-Type": "text/plain"}, status=413
    )
    await user("PUT", path, content=sent, headers=headers, status=204)
    assert (await user("GET", f"{path}/payload", status=200)).content == b"\x00\xff"
    await user("GET", f"{path}/payload", headers={"Accept": "image/png"}, status=406)
    await user("PUT", path, content=sent, headers=headers, status=409)


@pytest.mark.parametrize(
    "values",
    [
        {"payload": "x"},
        {"payload": "", "payload_content_type": "text/plain"},
        {"payload": "x", "payload_content_type": "text/html"},
        {"payload": "x", "payload_content_type": "text/plain", "payload_content_encoding": "base64"},
        {"payload": "x", "payload_content_type": "application/octet-stream"},
        {"payload": "$", "payload_content_type": "application/octet-stream", "payload_content_encoding": "base64"},
        {"payload_content_type": "text/plain"},
        {"expiration": "2001-01-01T00:00:00"},
        {"expiration": "soon"},
        {"secret_type": "odd"},
        {"bit_length": 0},
        {"transport_key_id": "x"},
        {"name": "n" * 256},
    ],
)  # fmt: skip
async def test_what_is_unfit_is_refused(user: Client, values: dict[str, Any]) -> None:
    answer = await user("POST", f"{BASE}/secrets", values, status=400)
    assert answer.json()["code"] == 400 and answer.json()["description"]


async def test_lists_are_filtered_sorted_and_cut(user: Client) -> None:
    for name in ("b", "a", "c"):
        await make(user, name=name, algorithm="aes", bit_length=256)
    listed = f"{BASE}/secrets"
    page = await user.get(f"{listed}?sort=name:desc&limit=2&alg=aes")
    assert [one["name"] for one in page["secrets"]] == ["c", "b"] and page["total"] == 3
    rest = await user.get(path_of(page["next"]))
    assert [one["name"] for one in rest["secrets"]] == ["a"] and "next" not in rest
    assert (await user.get(f"{listed}?bits=128"))["total"] == 0
    assert (await user.get(f"{listed}?created=lt:2001-01-01T00:00:00"))["total"] == 0
    for odd in ("limit=x", "sort=nothing", "created=when", "acl_only=2", "bits=x", "offset=-1"):
        await user("GET", f"{listed}?{odd}", status=400)


async def test_times_that_are_shown_find_what_shows_them(user: Client) -> None:
    path = await make(user, expiration="2101-01-01T00:00:00.7")
    found = await user.get(path)
    for name in ("created", "updated", "expiration"):
        for how, times in (("", 1), ("lte:", 1), ("gte:", 1), ("lt:", 0), ("gt:", 0)):
            answer = await user.get(f"{BASE}/secrets?{name}={how}{found[name]}")
            assert answer["total"] == times, (name, how)
    halves = f"{BASE}/secrets?expiration="
    assert (await user.get(f"{halves}lt:2101-01-01T00:00:00.5"))["total"] == 1
    assert (await user.get(f"{halves}gte:2101-01-01T00:00:00.5"))["total"] == 0
    for how, times in (("lte", 1), ("lt", 1), ("gt", 0), ("gte", 0), ("eq", 0)):
        for last in ("23:59:59", "23:59:59.9"):
            answer = await user.get(f"{halves}{how}:9999-12-31T{last}")
            assert answer["total"] == times, (how, last)
    await user("GET", f"{halves}lte:9999-12-31T23:59:59-14:00", status=400)


async def test_an_encoding_without_a_payload_says_nothing(user: Client) -> None:
    path = await make(user, payload_content_encoding="base64")
    headers = {"Content-Type": "text/plain"}
    await user("PUT", path, content=b"later", headers=headers, status=204)
    assert (await user("GET", f"{path}/payload", status=200)).content == b"later"


@pytest.mark.parametrize("kind", ["secret", "container", "order"])
async def test_what_is_no_id_is_told_apart_from_what_is_not_there(user: Client, kind: str) -> None:
    path = f"{BASE}/{kind}s"
    said = (await user("GET", f"{path}/{NOWHERE}", status=404)).json()["description"]
    assert said == f"{kind.title()} not found."
    for odd in ("9999999f-ffff-ffff-9fff-f99f999ff9ff", "abcde"):
        said = (await user("GET", f"{path}/{odd}", status=404)).json()["description"]
        assert said == f"Provided {kind} id is invalid."


async def test_metadata_of_users(user: Client) -> None:
    path = f"{await make(user)}/metadata"
    await user("PUT", path, {"metadata": {"A": "1", "b": "2"}}, status=201)
    assert await user.get(path) == {"metadata": {"a": "1", "b": "2"}}
    await user("POST", path, {"key": "a", "value": "3"}, status=409)
    await user("POST", path, {"key": "c/d", "value": "3"}, status=400)
    made = await user("POST", path, {"key": "c", "value": "3"}, status=201)
    assert made.headers["location"].endswith("/metadata/c")
    await user("PUT", f"{path}/c", {"key": "a", "value": "4"}, status=409)
    assert (await user("PUT", f"{path}/c", {"key": "c", "value": "4"}, status=200)).json()["value"] == "4"  # fmt: skip
    await user("DELETE", f"{path}/c", status=204)
    await user("GET", f"{path}/c", status=404)


async def test_who_may_read(cloud: Cloud, user: Client) -> None:
    stranger = await cloud.project_with("other", "member")
    mate = await another(cloud, user, "mate", "member")
    old = await another(cloud, user, "old", "creator")
    auditor = await another(cloud, user, "auditor", "audit")
    path = await make(user, **TEXT)
    for client, seen, read in (
        (mate, 200, 200),
        (old, 200, 200),
        (auditor, 200, 403),
        (stranger, 403, 403),
    ):
        await client("GET", path, status=seen)
        await client("GET", f"{path}/payload", status=read)
    acl = {"read": {"users": [stranger.user_id], "project-access": False}}
    await mate("PUT", f"{path}/acl", acl, status=403)
    assert await user.get(f"{path}/acl") == {"read": {"project-access": True}}
    await user("PUT", f"{path}/acl", acl, status=200)
    for client, read in ((user, 200), (mate, 403), (old, 403), (stranger, 200)):
        await client("GET", f"{path}/payload", status=read)
    assert (await stranger.get(f"{BASE}/secrets?acl_only=true"))["total"] == 1
    assert (await stranger.get(f"{BASE}/secrets"))["total"] == 0
    await stranger("PUT", f"{path}/acl", acl, status=403)
    await stranger("DELETE", path, status=403)
    await user("PATCH", f"{path}/acl", {"read": {"users": []}}, status=200)
    await stranger("GET", f"{path}/payload", status=403)
    assert (await user("DELETE", f"{path}/acl", status=200)).json() is None
    await mate("GET", f"{path}/payload", status=200)
    await (await cloud.sign_in())("GET", f"{path}/payload", status=403)


async def test_what_a_change_of_an_access_list_does_not_say_stays(
    cloud: Cloud, user: Client
) -> None:
    """Whoever takes readers away does not open a secret to the project, and the other way round."""
    stranger = await cloud.project_with("other", "member")
    mate = await another(cloud, user, "mate", "member")
    container = path_of((await user.post(f"{BASE}/containers", {"type": "generic"}))["container_ref"])  # fmt: skip
    named = [stranger.user_id]
    for path, door in ((await make(user, **TEXT), "/payload"), (container, "")):
        for method, read, project, users in (
            ("PUT", {"users": named, "project-access": False}, False, True),
            ("PATCH", {"users": []}, False, False),
            ("PATCH", {"users": named}, False, True),
            ("PATCH", {"project-access": True}, True, True),
            ("PATCH", {"project-access": False}, False, True),
            ("PATCH", {}, False, True),
            ("PUT", {"users": named * 2}, True, True),
            ("PUT", {"project-access": False}, False, False),
            ("PUT", None, True, False),
        ):
            body: dict[str, Any] = {} if read is None else {"read": read}
            await user(method, f"{path}/acl", body, status=200)
            found = (await user.get(f"{path}/acl"))["read"]
            assert found["project-access"] is project, (method, read)
            assert found.get("users", []) == (named if users else []), (method, read)
            for client, let in ((user, True), (mate, project), (stranger, users)):
                await client("GET", path + door, status=200 if let else 403)
        await user("PUT", f"{path}/acl", {"read": {"project-access": False}}, status=200)
        await user("PATCH", f"{path}/acl", {}, status=200)
        assert (await user.get(f"{path}/acl"))["read"]["project-access"] is False


async def test_containers_hold_what_their_type_says(cloud: Cloud, user: Client) -> None:
    host = "http://anywhere"
    key, certificate = await make(user, **TEXT), await make(user, **TEXT)
    refs = [
        {"name": "certificate", "secret_ref": host + certificate},
        {"name": "private_key", "secret_ref": host + key},
    ]
    body = {"type": "certificate", "name": "tls", "secret_refs": refs}
    made = path_of((await user.post(f"{BASE}/containers", body))["container_ref"])
    found = await user.get(made)
    assert [one["name"] for one in found["secret_refs"]] == ["certificate", "private_key"]
    for odd in (
        {"type": "certificate", "secret_refs": refs[1:]},
        {"type": "rsa", "secret_refs": refs},
        {"type": "generic", "secret_refs": [refs[0], refs[0]]},
        {"type": "generic", "secret_refs": [{**refs[0], "name": "a"}, {**refs[0], "name": "b"}]},
    ):
        await user("POST", f"{BASE}/containers", odd, status=400)
    gone = [{"name": "a", "secret_ref": f"{host}{BASE}/secrets/{NOWHERE}"}]
    await user("POST", f"{BASE}/containers", {"type": "generic", "secret_refs": gone}, status=404)
    stranger = await cloud.project_with("other", "member")
    await stranger("POST", f"{BASE}/containers", body, status=404)
    await stranger("GET", made, status=403)
    await user("POST", f"{made}/secrets", {"name": "x", "secret_ref": key}, status=400)
    generic = path_of((await user.post(f"{BASE}/containers", {"type": "generic"}))["container_ref"])
    await user("POST", f"{generic}/secrets", {"name": "x", "secret_ref": key}, status=201)
    await user("POST", f"{generic}/secrets", {"name": "x", "secret_ref": key}, status=409)
    assert (await user.get(f"{BASE}/containers?type=generic"))["total"] == 1
    await user("DELETE", key, status=204)
    assert (await user.get(generic))["secret_refs"] == []
    await user("DELETE", made, status=204)
    await user("GET", made, status=404)
    await user("GET", certificate, status=200)


async def test_who_uses_a_secret_keeps_it_from_being_deleted(user: Client) -> None:
    path = await make(user)
    used = {"service": "s", "resource_type": "t", "resource_id": "i"}
    await user("POST", f"{path}/consumers", used, status=200)  # as upstream, in every version
    for _ in range(2):
        answer = await user("POST", f"{path}/consumers", used, status=200, headers=NEWEST)
        assert answer.json()["consumers"] == [used]
    assert (await user.get(f"{path}/consumers", headers=NEWEST))["total"] == 1
    await user("DELETE", path, status=400, headers=NEWEST)
    await user("DELETE", f"{path}?force=odd", status=400, headers=NEWEST)
    await user("DELETE", f"{path}?force=true", status=204, headers=NEWEST)
    container = path_of((await user.post(f"{BASE}/containers", {"type": "generic"}))["container_ref"])  # fmt: skip
    one = {"name": "n", "URL": "https://a"}
    await user("POST", f"{container}/consumers", one, status=200)
    assert (await user.get(container))["consumers"] == [one]
    await user("DELETE", f"{container}/consumers", one, status=200)
    await user("DELETE", f"{container}/consumers", one, status=404)


async def test_quotas_hold_and_what_expires_goes(cloud: Cloud, user: Client) -> None:
    admin = await cloud.sign_in()
    quotas = f"{BASE}/project-quotas/{user.project_id}"
    await admin("PUT", quotas, {"project_quotas": {"secrets": 1}}, status=204)
    assert (await user.get(f"{BASE}/quotas"))["quotas"]["secrets"] == 1
    await user("PUT", quotas, {"project_quotas": {"secrets": 9}}, status=403)
    nowhere = f"{BASE}/project-quotas/{NOWHERE}"
    await admin("PUT", nowhere, {"project_quotas": {"secrets": 1}}, status=400)
    path = await make(user, expiration="2999-01-01T00:00:00Z", **TEXT)
    assert (await user.get(path))["expiration"] == "2999-01-01T00:00:00"
    answer = await user("POST", f"{BASE}/secrets", {}, status=403)
    assert "Only 1 secrets are allowed" in answer.json()["description"]
    async with cloud.control.house.database.write() as tx:
        past = cloud.control.house.clock.now()
        await tx.execute(secrets.update().values(expiration=past))
    await user("GET", path, status=404)
    assert (await user.get(f"{BASE}/secrets"))["total"] == 0
    await cloud.control.house.facade(Keys).forget_expired()
    await make(user)
    await admin("DELETE", quotas, status=204)
    await admin("GET", quotas, status=404)


def test_each_rule_is_asked_or_leads_to_one_that_is() -> None:
    applied = {rule for route in ROUTES for rule in route.rules}
    led = " ".join(rule.check for rule in RULES) + " "
    for rule in RULES:
        named = rule.name in applied or any(f"rule:{rule.name}{end}" in led for end in (" ", ")"))
        assert named or rule.description == BY_OPERATORS or rule.name == "context_is_admin", rule


async def test_no_door_opens_without_a_token_and_no_body_gets_a_500(
    cloud: Cloud, user: Client
) -> None:
    for route in ROUTES:
        if route.rules[0] == PUBLIC:
            continue
        parts = [NOWHERE if part.startswith("{") else part for part in route.path.split("/")]
        path = "/key-manager" + "/".join(parts)
        await cloud.anonymous(route.method, path, {}, headers=NEWEST, status=401)
        odd: tuple[Any, ...] = (
            {"surprise": 1}, [], None, {"secret_refs": [7]}, {"read": {"users": 7}},
        )  # fmt: skip
        for body in odd:
            answer = await user(route.method, path, body, headers=NEWEST)
            assert answer.status_code < 500, f"{route.method} {path}: {answer.text}"


async def test_versions_are_told(cloud: Cloud) -> None:
    old = await cloud.anonymous("GET", "/key-manager/", status=300)
    assert old.json()["versions"]["values"][0]["status"] == "stable"
    new = await cloud.anonymous("GET", "/key-manager/", status=300, headers=NEWEST)
    assert new.json()["versions"][0]["max_version"] == "1.2"
    one = await cloud.anonymous("GET", "/key-manager/v1", status=200, headers=NEWEST)
    assert one.json()["version"]["min_version"] == "1.0"
