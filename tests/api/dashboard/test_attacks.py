"""What was tried against the session room by somebody who did not write it."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any
from urllib.parse import quote

from hanok.base.clock import MovableClock
from hanok.services.dashboard.sessions import PATH
from tests.api.dashboard.browser import MARK, Browser
from tests.cloud import PASSWORD, Cloud, running


async def test_no_spelling_of_a_path_leads_to_what_is_no_api(cloud: Cloud) -> None:
    browser = Browser(cloud)
    await browser.sign_in()
    for path in (
        "api/%64ashboard/session",
        "api//dashboard/session",
        "api/%2fdashboard/session",
        "api//console/",
        "api/%63onsole/",
        "api//bytes/images/x",
        "%61pi/dashboard/session",
    ):
        assert (await browser("GET", path)).status_code == 404, path
    cookie = f"hanok_dashboard={browser.http.cookies['hanok_dashboard']}"
    headers = {MARK: browser.scope, "Cookie": cookie}
    hidden = await browser.http.get("/%64ashboard/api/v3/projects", headers=headers)
    assert hidden.status_code == 404


async def test_no_spelling_of_a_path_makes_a_token(cloud: Cloud) -> None:
    browser = Browser(cloud)
    await browser.sign_in()
    user = {"name": "admin", "domain": {"name": "Default"}, "password": PASSWORD}
    body = {"auth": {"identity": {"methods": ["password"], "password": {"user": user}}}}
    for path in ("v3/auth/token%73", "v3/%61uth/tokens", "v3/auth%2ftokens", "v3/auth/tokens%2f"):
        answer = await browser("POST", f"api/{path}", body)
        assert answer.status_code == 404, path
        assert not {"x-subject-token", "x-auth-token", "set-cookie"} & set(answer.headers)


async def test_headers_with_a_token_pass_neither_way(tmp_path: Path) -> None:
    """Object storage takes a token by another name, too, and gives some in an old way to sign in."""
    async with running(tmp_path, objects_port=8080) as cloud:
        member = await cloud.project_with("other", "member")
        browser = Browser(cloud)
        shown = (await browser.sign_in()).json()
        path = shown["services"]["object-store"].removeprefix("/dashboard/")
        theirs = {"X_Storage_Token": member.token, "X_Service_Token": member.token}
        assert (await browser("PUT", f"{path}/mine", **theirs)).status_code in (201, 202)
        assert "mine" in (await browser("GET", f"{path}?format=json")).text
        old = await browser(
            "GET",
            "api/object-store/auth/v1.0",
            X_Auth_User="admin:admin",
            X_Auth_Key=PASSWORD,
        )
        assert not {"x-auth-token", "x-storage-token"} & set(old.headers)


async def test_nothing_can_be_framed_and_no_refusal_is_a_page(cloud: Cloud) -> None:
    browser = Browser(cloud)
    await browser.sign_in()
    answers = [
        await browser("GET", "servers"),
        await browser("GET", "files/x/none.js"),
        await browser("GET", "files/x/js/main.js"),
        await browser("GET", "files/x/icon.svg"),
        await browser("PATCH", "session"),
        await browser("GET", "api/v3/projects"),
        await browser("GET", "api/v3/nothing"),
        await browser("GET", "api/console/x"),
        await browser("GET", "api/v3/projects", Origin="http://evil.example"),
        await Browser(cloud)("GET", "api/v3/projects"),
    ]
    for answer in answers:
        assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]
        assert answer.headers["x-frame-options"] == "DENY"
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["cross-origin-resource-policy"] == "same-origin"
        assert not any(name.startswith("access-control") for name in answer.headers)


async def test_a_page_that_came_in_the_clear_is_none_of_ours_under_tls(cloud: Cloud) -> None:
    browser = Browser(cloud)
    browser.http.base_url = "https://cloud:5000"
    body = {"user": "admin", "password": PASSWORD}
    for origin in ("http://cloud:5000", "https://cloud:5001", "https://cloud", "http://[", "null"):
        assert (await browser("POST", "session", body, Origin=origin)).status_code == 403, origin
    ours = await browser("POST", "session", body, Origin="https://cloud:5000")
    assert ours.status_code == 201


async def test_forms_and_overridden_methods_change_nothing(cloud: Cloud) -> None:
    browser = Browser(cloud)
    await browser.sign_in()
    cookie = "; ".join(f"{name}={value}" for name, value in browser.http.cookies.items())
    made = (await browser("POST", "api/network/v2.0/networks", {"network": {"name": "n"}})).json()
    for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data"):
        forged = await browser.http.post(
            f"{PATH}/api/network/v2.0/networks",
            content=b'{"network": {"name": "forged"}}',
            headers={"Cookie": cookie, "Content-Type": kind},
        )
        assert forged.status_code == 403
    where = f"api/network/v2.0/networks/{made['network']['id']}"
    for header in ("X_HTTP_Method_Override", "X_HTTP_Method", "X_Method_Override"):
        await browser("GET", f"{where}?_method=DELETE", **{header: "DELETE"})
    assert (await browser("GET", where)).status_code == 200


async def test_cookies_of_others_on_the_same_host_neither_hide_nor_forge_a_session(
    cloud: Cloud,
) -> None:
    browser = Browser(cloud)
    await browser.sign_in()
    good = browser.http.cookies["hanok_dashboard"]
    browser.http.cookies.clear()
    for header, signed_in in (
        (f'prefs={{"a": "b c"}}; theme=[1]; hanok_dashboard={good}; x', True),
        (f"hanok_dashboard=planted; hanok_dashboard={good}", True),  # the shorter path comes last
        (f"xhanok_dashboard={good}", False),
        (f"a={good}; hanok_dashboard", False),
        (f"hanok_dashboard={'a' * 60_000}", False),
        ('a="' + "\\" * 20_000 + '"', False),
    ):
        shown = await browser("GET", "session", Cookie=header)
        assert shown.json()["signed_in"] is signed_in, header[:60]


async def test_a_session_ends_at_its_time_whatever_the_browser_keeps(tmp_path: Path) -> None:
    clock = MovableClock()
    async with running(tmp_path, clock=clock) as cloud:
        browser = Browser(cloud)
        await browser.sign_in()
        kept = {"Cookie": f"hanok_dashboard={browser.http.cookies['hanok_dashboard']}"}
        clock.move(2 * 86_400)
        assert (await browser("GET", "session", **kept)).json()["signed_in"] is False
        assert (await browser("GET", "api/v3/projects", **kept)).status_code == 401


async def test_signing_in_gives_another_session_and_ends_the_one_before(cloud: Cloud) -> None:
    browser, before = Browser(cloud), Browser(cloud)
    await browser.sign_in()
    before.http.cookies.update(browser.http.cookies)
    before.scope = browser.scope
    await browser.sign_in()
    assert before.http.cookies["hanok_dashboard"] != browser.http.cookies["hanok_dashboard"]
    assert (await before("GET", "api/v3/projects")).status_code == 401
    assert (await browser("GET", "api/v3/projects")).status_code == 200


async def test_bytes_that_are_no_text_are_refused_in_words(cloud: Cloud) -> None:
    browser = Browser(cloud)
    headers = {MARK: "none", "Origin": "http://cloud:5000"}
    for body in (b'{"user": "\xff", "password": "x"}', b'{"user": "\\ud800", "password": "x"}'):
        for method, path in (("POST", "session"), ("POST", "password")):
            answer = await browser.http.request(
                method, f"{PATH}/{path}", content=body, headers=headers
            )
            assert answer.status_code == 400


async def test_a_body_without_an_end_is_not_read_to_it(cloud: Cloud) -> None:
    browser, sent = Browser(cloud), 0

    async def endless() -> Any:
        nonlocal sent
        while sent < 64 << 20:
            sent += 4096
            yield b"[" * 4096

    headers = {MARK: "none", "Origin": "http://cloud:5000"}
    answer = await browser.http.post(f"{PATH}/session", content=endless(), headers=headers)
    assert answer.status_code == 400 and sent < 1 << 20


async def test_a_page_that_is_gone_before_its_news_leaves_no_stream(cloud: Cloud) -> None:
    browser = Browser(cloud)
    await browser.sign_in()
    room = cloud.control.house.rooms["dashboard"]
    cookie = f"hanok_dashboard={browser.http.cookies['hanok_dashboard']}"
    scope = {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "scheme": "http",
        "method": "GET",
        "path": f"{PATH}/events",
        "raw_path": f"{PATH}/events".encode(),
        "query_string": f"scope={quote(browser.scope)}".encode(),
        "root_path": "",
        "headers": [(b"host", b"cloud:5000"), (b"cookie", cookie.encode())],
        "client": ("127.0.0.1", 1),
        "server": ("cloud", 5000),
    }

    async def gone() -> dict[str, Any]:
        return {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        await asyncio.sleep(0)

    for _ in range(20):  # more than a user may have open
        await cloud.control.app(scope, gone, send)
    assert not room.facade.streams._open and not room.facade.streams._of_users
    assert (await browser("HEAD", "events")).headers["content-type"].startswith("text/html")


async def test_live_news_of_all_projects_end_with_the_right_to_them(cloud: Cloud) -> None:
    """The token goes on, as a member's; what its stream may hear is decided anew."""
    boss = await cloud.project_with("boss", "admin")
    admin = await cloud.sign_in()
    roles = {one["name"]: one["id"] for one in (await admin.get("/v3/roles"))["roles"]}
    path = f"/v3/projects/{boss.project_id}/users/{boss.user_id}/roles"
    await admin("PUT", f"{path}/{roles['member']}", status=204)
    browser = Browser(cloud)
    await browser.sign_in("boss")
    room = cloud.control.house.rooms["dashboard"]
    session = room.facade.sessions.opened(
        f"hanok_dashboard={browser.http.cookies['hanok_dashboard']}"
    )
    pages: Any = room.pages["dashboard"]
    stream = room.facade.streams.open(boss.user_id, boss.project_id, everything=True)
    assert await pages._still_hears(stream, session) and stream.everything
    await admin("DELETE", f"{path}/{roles['admin']}", status=204)
    await pages._still_hears(stream, session)
    assert not stream.everything
    room.facade.streams.close(stream)


async def _no_answer(scope: Any, receive: Any, send: Any) -> None:
    """A front door behind which identity is away for a moment."""
    await send({"type": "http.response.start", "status": 503, "headers": []})
    await send({"type": "http.response.body", "body": b'{"error": {"message": "Try again."}}'})


async def test_a_session_lasts_while_identity_does_not_answer(cloud: Cloud) -> None:
    """Nobody is said to be signed out whose token goes on, and nobody is who is not."""
    browser = Browser(cloud)
    await browser.sign_in()
    room = cloud.control.house.rooms["dashboard"].facade
    door, room.door = room.door, _no_answer
    for method in ("GET", "DELETE"):
        answer = await browser(method, "session")
        assert answer.status_code == 503 and "set-cookie" not in answer.headers
    assert (await browser.sign_in()).status_code == 503
    room.door = door
    assert (await browser("GET", "session")).json()["signed_in"] is True
    assert (await browser("DELETE", "session")).status_code == 204
    assert (await browser("GET", "session")).json()["signed_in"] is False
