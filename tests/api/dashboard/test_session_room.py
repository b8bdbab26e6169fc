"""The session room: what a browser gets, and what pages of others do not."""

from __future__ import annotations

import asyncio
import base64
import json
from pathlib import Path
from typing import Any
from urllib.parse import quote

from hanok.base.clock import MovableClock
from hanok.services.dashboard.room import DashboardSettings
from hanok.services.identity.facade import IdentitySettings
from tests.api.dashboard.browser import Browser
from tests.cloud import PASSWORD, Cloud, running

NETWORKS = "api/network/v2.0/networks"


async def test_a_session_shows_who_is_signed_in_and_never_a_token(cloud: Cloud) -> None:
    browser = Browser(cloud)
    assert (await browser("GET", "session")).json()["signed_in"] is False
    answer = await browser.sign_in()
    assert answer.status_code == 201, answer.text
    cookie = answer.headers["set-cookie"]
    assert "HttpOnly" in cookie and "SameSite=Strict" in cookie and "Path=/dashboard" in cookie
    assert "Secure" not in cookie and answer.json()["secure"] is False  # over plain HTTP
    shown = await browser("GET", "session")
    assert (shown.json()["user"]["name"], shown.json()["project"]["name"]) == ("admin", "admin")
    assert (await browser("GET", "api/compute/v2.1/servers/detail")).json() == {"servers": []}
    admin = await cloud.sign_in()
    for one in (answer, shown):
        assert admin.token[:6] not in one.text and "x-subject-token" not in one.headers


async def test_the_cookie_is_secure_where_the_page_is(cloud: Cloud) -> None:
    browser = Browser(cloud)
    browser.http.base_url = "https://cloud:5000"
    body = {"user": "admin", "password": PASSWORD}
    answer = await browser("POST", "session", body, Origin="https://cloud:5000")
    assert answer.headers["set-cookie"].endswith("; Secure")


async def test_no_way_leads_to_the_token(cloud: Cloud) -> None:
    browser = Browser(cloud)
    await browser.sign_in()
    made = {"auth": {"identity": {"methods": ["token"], "token": {"id": "x"}}}}
    for path in ("api/v3/auth/tokens", "api/identity/v3/auth/tokens", "api/v3/auth/tokens/"):
        assert (await browser("POST", path, made)).status_code == 404
    looked = await browser("GET", "api/v3/auth/tokens", X_Subject_Token="x")
    assert "x-subject-token" not in looked.headers
    # A token that a page sends of its own does not go before the session's.
    answer = await browser("GET", NETWORKS, X_Auth_Token="nothing")
    assert answer.status_code == 200


FOREIGN = (
    {"Origin": "http://evil.example"},
    {"Origin": "null"},
    {"Sec_Fetch_Site": "cross-site"},
    {"Sec_Fetch_Site": "same-site"},
    {"X_Hanok_Dashboard": ""},
)


async def test_pages_of_others_are_refused(cloud: Cloud) -> None:
    browser = Browser(cloud)
    await browser.sign_in()
    body, who = {"network": {"name": "forged"}}, {"user": "admin", "password": PASSWORD}
    for headers in FOREIGN:
        assert (await browser("POST", NETWORKS, body, **headers)).status_code == 403
        assert (await browser("POST", "session", who, **headers)).status_code == 403
        assert (await browser("DELETE", "session", **headers)).status_code == 403
    names = [one["name"] for one in (await browser("GET", NETWORKS)).json()["networks"]]
    assert "forged" not in names


async def test_a_page_of_one_project_does_nothing_in_another(cloud: Cloud) -> None:
    await cloud.project_with("other", "member")
    admin = await cloud.sign_in()
    roles = {one["name"]: one["id"] for one in (await admin.get("/v3/roles"))["roles"]}
    projects = {one["name"]: one["id"] for one in (await admin.get("/v3/projects"))["projects"]}
    path = f"/v3/projects/{projects['other']}/users/{admin.user_id}/roles/{roles['member']}"
    await admin("PUT", path, status=204)
    browser = Browser(cloud)
    await browser.sign_in(project=projects["admin"])
    old, kept = browser.scope, dict(browser.http.cookies)
    changed = await browser("PUT", "session", {"scope": f"project:{projects['other']}"})
    assert changed.json()["project"]["name"] == "other"
    body = {"network": {"name": "astray"}}
    refused = await browser("POST", NETWORKS, body)  # a tab that still thinks it is in the old one
    assert (refused.status_code, refused.json()["error"]["title"]) == (409, "scopeChanged")
    browser.scope = changed.json()["scope"]
    assert (await browser("POST", NETWORKS, body)).status_code == 201
    # The cookie of before is worth nothing.
    before = Browser(cloud)
    before.http.cookies.update(kept)
    before.scope = old
    assert (await before("GET", NETWORKS)).status_code == 401
    nowhere = await browser("PUT", "session", {"scope": f"project:{'0' * 32}"})
    assert nowhere.status_code == 401


async def test_a_page_asks_in_another_project_of_its_user_and_of_nobody_else(cloud: Cloud) -> None:
    other = await cloud.project_with("other", "member")
    foreign = await cloud.project_with("foreign", "member")
    admin = await cloud.sign_in()
    roles = {one["name"]: one["id"] for one in (await admin.get("/v3/roles"))["roles"]}
    path = f"/v3/projects/{foreign.project_id}/users/{other.user_id}/roles"
    await admin("PUT", f"{path}/{roles['reader']}", status=204)
    browser = Browser(cloud)
    await browser.sign_in("other", project=other.project_id)
    body = {"network": {"name": "theirs"}}
    await foreign.post("/network/v2.0/networks", body)
    seen = await browser("GET", NETWORKS, X_Hanok_Project=foreign.project_id)
    assert "theirs" in [one["name"] for one in seen.json()["networks"]]
    refused = await browser("POST", NETWORKS, body, X_Hanok_Project=foreign.project_id)
    assert refused.status_code == 403  # a reader there
    here = await browser("GET", NETWORKS)
    assert "theirs" not in [one["name"] for one in here.json()["networks"]]
    nowhere = await browser("GET", NETWORKS, X_Hanok_Project=admin.project_id)
    assert (nowhere.status_code, nowhere.json()["error"]["title"]) == (403, "notThere")
    odd = await browser("GET", NETWORKS, X_Hanok_Project="../" + foreign.project_id)
    assert odd.status_code == 400
    elsewhere = await browser(
        "GET", NETWORKS, X_Hanok_Project=foreign.project_id, Origin="http://evil.example"
    )
    assert elsewhere.status_code == 403
    await admin("DELETE", f"{path}/{roles['reader']}", status=204)
    gone = await browser("GET", NETWORKS, X_Hanok_Project=foreign.project_id)
    assert gone.status_code == 403
    await browser("DELETE", "session")
    assert (await browser("GET", NETWORKS, X_Hanok_Project=foreign.project_id)).status_code == 401


async def test_signing_out_ends_every_copy_of_the_session(cloud: Cloud) -> None:
    browser = Browser(cloud)
    await browser.sign_in()
    copy = Browser(cloud)
    copy.http.cookies.update(browser.http.cookies)
    copy.scope = browser.scope
    assert (await copy("GET", NETWORKS)).status_code == 200
    gone = await browser("DELETE", "session")
    assert gone.status_code == 204 and "Max-Age=0" in gone.headers["set-cookie"]
    assert (await copy("GET", NETWORKS)).status_code == 401
    assert (await copy("GET", "session")).json()["signed_in"] is False


async def test_an_altered_cookie_is_none(cloud: Cloud) -> None:
    browser = Browser(cloud)
    await browser.sign_in()
    sealed = cloud.control.house.cloud_key.seal(b"ticket:another thing of the same key")
    good = browser.http.cookies["hanok_dashboard"]
    for value in (good[:-6] + "AAAAA=", good[: len(good) // 2], sealed, "ä", '"', "x" * 4000):
        headers = {b"x-hanok-dashboard": b"x", b"cookie": f"hanok_dashboard={value}".encode()}
        answer = await browser.http.get("/dashboard/session", headers=headers)
        assert answer.json()["signed_in"] is False


async def test_wrong_passwords_and_bodies_are_refused_in_words(cloud: Cloud) -> None:
    browser = Browser(cloud)
    assert (await browser.sign_in(password="wrong")).status_code == 401
    assert (await browser.sign_in(user="nobody")).status_code == 401
    assert "set-cookie" not in (await browser.sign_in(password="wrong")).headers
    unfit: list[Any] = [
        {},
        [],
        {"user": 1, "password": "x"},
        {"user": "a", "password": "b", "more": 3},
    ]
    for body in unfit:
        assert (await browser("POST", "session", body)).status_code == 400
    long = await browser("POST", "session", {"user": "a" * 20_000, "password": "b"})
    assert long.status_code == 400
    await browser.sign_in()
    for scope in ("", "project", "token:x", "project:" + "ä" * 90):
        assert (await browser("PUT", "session", {"scope": scope})).status_code in (400, 401)
    assert (await browser("PATCH", "session")).status_code == 405


async def test_an_expired_password_is_changed_at_the_door(tmp_path: Path) -> None:
    settings = IdentitySettings(password_rounds=4, password_expires_days=1)
    clock = MovableClock()
    async with running(tmp_path, identity=settings, clock=clock) as cloud:
        await cloud.project_with("late", "member")
        clock.move(2 * 86_400)
        browser = Browser(cloud)
        refused = await browser.sign_in("late")
        error = refused.json()["error"]
        assert (refused.status_code, error["title"]) == (401, "passwordExpired")
        new = {"user_id": error["user_id"], "original_password": PASSWORD, "password": "another-1"}
        wrong = {**new, "original_password": "x"}
        assert (await browser("POST", "password", wrong)).status_code == 401
        assert (await browser("POST", "password", {**new, "user_id": "../x"})).status_code == 400
        assert (await browser("POST", "password", new)).status_code == 204
        assert (await browser.sign_in("late", "another-1")).status_code == 201


async def test_somebody_without_a_project_is_told_so(cloud: Cloud) -> None:
    admin = await cloud.sign_in()
    await admin.post("/v3/users", {"user": {"name": "alone", "password": PASSWORD}})
    browser = Browser(cloud)
    shown = (await browser.sign_in("alone")).json()
    assert (shown["scope"], shown["project"], shown["roles"]) == ("none", None, [])


async def test_what_users_wrote_is_never_a_page_of_ours(cloud: Cloud) -> None:
    browser = Browser(cloud)
    await browser.sign_in()
    script = "<script>alert(1)</script>"
    made = await browser("POST", NETWORKS, {"network": {"name": script}})
    assert made.status_code == 201
    for answer in (made, await browser("GET", f"{NETWORKS}?name={quote(script)}")):
        assert "default-src 'none'; sandbox" in answer.headers["content-security-policy"]
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["cache-control"] == "no-store"


async def test_pages_lead_nowhere_else_and_have_no_inline_script(cloud: Cloud) -> None:
    for path in ("", "servers/x", "/evil.example", "//evil.example", "?next=//evil.example"):
        answer = await cloud.http.get(f"/dashboard/{path}")
        assert answer.status_code == 200 and "location" not in answer.headers
        policy = answer.headers["content-security-policy"]
        assert "script-src 'self'" in policy and "frame-ancestors 'none'" in policy
        assert "unsafe" not in policy
        assert answer.headers["referrer-policy"] == "no-referrer"
        for word in ("<script>", "style=", "onload", "evil"):
            assert word not in answer.text


async def test_files_are_kept_and_packed(cloud: Cloud) -> None:
    page = (await cloud.http.get("/dashboard/")).text
    main = page.split('type="module" src="')[1].split('"')[0]
    answer = await cloud.http.get(main)
    assert answer.headers["cache-control"].endswith("immutable")
    assert answer.headers["content-encoding"] == "gzip"
    assert answer.headers["content-type"].startswith("text/javascript")
    for path in ("files/x/../../../etc/passwd", "files/x/%2e%2e/service.py", "files/x/none.js"):
        assert (await cloud.http.get(f"/dashboard/{path}")).status_code == 404


async def test_the_way_to_the_apis_leads_to_apis_only(cloud: Cloud) -> None:
    browser = Browser(cloud)
    await browser.sign_in()
    elsewhere = (
        "dashboard/session",
        "console/socket",
        "bytes/images/x",
        "%2e%2e/dashboard/session",
    )
    for path in elsewhere:
        assert (await browser("GET", f"api/{path}")).status_code == 404


async def test_object_storage_is_reached_at_its_own_door(tmp_path: Path) -> None:
    async with running(tmp_path, objects_port=8080) as cloud:
        browser = Browser(cloud)
        shown = (await browser.sign_in()).json()
        path = shown["services"]["object-store"].removeprefix("/dashboard/")
        assert (await browser("PUT", f"{path}/box")).status_code in (201, 202)
        assert "box" in (await browser("GET", f"{path}?format=json")).text


async def test_the_rules_say_what_is_offered(cloud: Cloud) -> None:
    await cloud.project_with("reads", "reader")
    rules = {
        "compute": ["os_compute_api:servers:create", "os_compute_api:servers:detail", "no_rule"],
        "nothing": ["x"],
    }
    reader, admin = Browser(cloud), Browser(cloud)
    await reader.sign_in("reads")
    await admin.sign_in()
    told = [
        (await one("POST", "rights", {"rules": rules})).json()["allowed"] for one in (reader, admin)
    ]
    detail, create = (
        "compute|os_compute_api:servers:detail",
        "compute|os_compute_api:servers:create",
    )
    assert told == [[detail], [create, detail]]
    many = {"rules": {"compute": [f"r{number}" for number in range(601)]}}
    assert (await reader("POST", "rights", many)).status_code == 400


async def test_live_pages_hear_of_their_own_project_only(cloud: Cloud) -> None:
    mine, other = (
        await cloud.project_with("mine", "member"),
        await cloud.project_with("other", "member"),
    )
    room = cloud.control.house.rooms["dashboard"].facade
    streams = [
        room.streams.open(one.user_id, one.project_id, everything=False) for one in (mine, other)
    ]
    operator = room.streams.open("x", None, everything=True)
    made = await mine.post("/network/v2.0/networks", {"network": {"name": "a"}})
    said = await streams[0].next(timeout_s=60)
    news = json.loads(said.split(b"data: ")[1])
    assert (news["noun"], news["id"]) == ("network", made["network"]["id"])
    assert b"name" not in said  # that something changed, not how
    assert made["network"]["id"].encode() in await operator.next(timeout_s=60)
    assert await streams[1].next(timeout_s=0.05) == b""


async def test_a_page_that_does_not_listen_is_told_to_look_at_everything(cloud: Cloud) -> None:
    room = cloud.control.house.rooms["dashboard"].facade
    stream = room.streams.open("x", None, everything=True)
    for _ in range(250):
        stream.tell(b"data: {}\n\n")
    said = await stream.next(timeout_s=1)
    assert said.startswith(b"event: again") and len(said) < 250 * 11


async def test_a_live_page_does_not_keep_the_process_from_ending(cloud: Cloud) -> None:
    browser = Browser(cloud)
    await browser.sign_in()
    path = f"events?scope={quote(browser.scope)}"
    stream = asyncio.ensure_future(browser("GET", path))
    room = cloud.control.house.rooms["dashboard"]
    async with asyncio.timeout(60):
        while not room.facade.streams._open:
            await asyncio.sleep(0.01)
    room.ending()
    assert (await stream).text.startswith("retry:")
    assert not room.facade.streams._open


async def test_live_pages_have_a_bound_for_each_user(tmp_path: Path) -> None:
    settings = DashboardSettings(streams=3, streams_each_user=2)
    async with running(tmp_path, dashboard=settings) as cloud:
        browser = Browser(cloud)
        await browser.sign_in()
        streams = cloud.control.house.rooms["dashboard"].facade.streams
        admin = await cloud.sign_in()
        held = [streams.open(admin.user_id, None, everything=False) for _ in range(2)]
        path = f"events?scope={quote(browser.scope)}"
        assert (await browser("GET", path)).status_code == 429
        streams.close(held[0])
        streams.open("another", None, everything=False)
        streams.open("a third", None, everything=False)
        assert (await browser("GET", path)).status_code == 429  # of all together
        assert (await browser("GET", "events?scope=project:x")).status_code == 409
        assert (await Browser(cloud)("GET", path)).status_code == 401


async def test_it_can_be_switched_off(cloud: Cloud) -> None:
    async with cloud.control.database.write() as tx:
        await cloud.control.switch(tx, "dashboard", on=False)
    async with asyncio.timeout(60):
        while (answer := await cloud.http.get("/dashboard/")).status_code == 200:
            await asyncio.sleep(0.02)
    assert answer.status_code == 503


async def test_another_proof_that_is_asked_for_is_given_in_a_second_try(cloud: Cloud) -> None:
    admin = await cloud.sign_in()
    member = await cloud.project_with("careful", "member")
    secret = base64.b32encode(b"12345678901234567890").decode()
    blob = {"credential": {"blob": secret, "type": "totp", "user_id": member.user_id}}
    await admin.post("/v3/credentials", blob)
    rules = {"multi_factor_auth_rules": [["password", "totp"]], "multi_factor_auth_enabled": True}
    await admin("PATCH", f"/v3/users/{member.user_id}", {"user": {"options": rules}}, status=200)
    browser = Browser(cloud)
    first = await browser.sign_in("careful")
    error = first.json()["error"]
    assert (first.status_code, error["title"]) == (401, "moreNeeded")
    wrong = await browser.sign_in("careful", "", passcode="000000", more=error["more"])
    assert wrong.status_code == 401
    now = _passcode(b"12345678901234567890", cloud.control.clock.now().timestamp())
    second = await browser.sign_in("careful", "", passcode=now, more=error["more"])
    assert second.status_code == 201, second.text


def _passcode(secret: bytes, now: float) -> str:
    """Source: RFC 6238."""
    import hashlib
    import hmac
    import struct

    mark = hmac.new(secret, struct.pack(">Q", int(now) // 30), hashlib.sha1).digest()
    at = mark[-1] & 15
    return f"{(struct.unpack('>I', mark[at : at + 4])[0] & 0x7FFFFFFF) % 1_000_000:06}"
