"""Addresses that users give: where they may lead, and where they do not."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from hanok.drivers.image_stores import web as driver
from hanok.drivers.image_stores.web import (
    NotAllowed,
    WebBroken,
    WebRules,
    check_url,
    post,
    read,
    resolve,
    size,
)
from tests.web import Page, Web, serving


@pytest.fixture
def web() -> Iterator[Web]:
    with serving() as made:
        yield made


def rules(web: Web, **more: Any) -> WebRules:
    return WebRules(ports=(80, 443, web.port), networks=("127.0.0.1/32",), **more)


async def fetched(rules: WebRules, url: str, maximum: int = 1 << 20) -> bytes:
    return b"".join([piece async for piece in read(rules, url, maximum=maximum)])


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1/x",
        "http://[::1]/x",
        "http://[::ffff:127.0.0.1]/x",
        "http://[64:ff9b::7f00:1]/x",
        "http://[2002:7f00:1::]/x",
        "http://169.254.169.254/latest/meta-data",
        "http://10.0.0.1/x",
        "http://192.168.1.1/x",
        "http://100.64.0.1/x",
        "http://0.0.0.0/x",
        "http://224.0.0.1/x",
        "http://[fe80::1]/x",
        "http://[fd00::1]/x",
        "http://[fec0::1]/x",  # sites, before fd00::/8
        "http://[::127.0.0.1]/x",  # IPv4 in its first form
        "http://[::ffff:0:127.0.0.1]/x",  # and translated
        "http://[64:ff9b:1::7f00:1]/x",
        "http://[4000::1]/x",
        "http://example.org:0/x",
        "http://example.org:22/x",
        "http://example.org:8080/x",
        "file:///etc/passwd",
        "ftp://example.org/x",
        "gopher://example.org/x",
        "http://user:password@example.org/x",
        "http:///x",
        "http://example.org\n/x",
        "",
    ],
)
def test_what_leads_inside_is_refused_unasked(url: str) -> None:
    with pytest.raises(NotAllowed):
        check_url(WebRules(), url)


@pytest.mark.parametrize(
    "url",
    [
        "http://example.org/x",
        "https://93.184.216.34/x.img",
        "http://[2600:1406::1]/x",
        "http://[64:ff9b::808:808]/",
    ],
)
def test_the_public_internet_is_allowed(url: str) -> None:
    check_url(WebRules(), url)


async def test_a_name_that_leads_to_this_machine_is_refused(web: Web) -> None:
    web.pages["/i"] = Page(data=b"secret")
    closed = WebRules(ports=(web.port,))
    check_url(closed, web.url("/i", "localhost"))  # only the name's address says where it leads
    with pytest.raises(NotAllowed):
        await fetched(closed, web.url("/i", "localhost"))
    with pytest.raises(NotAllowed):
        await resolve(closed, "localhost", web.port)
    assert web.requests == []


@pytest.mark.parametrize("odd", ["http://2130706433:{port}/i", "http://0x7f.1:{port}/i"])
async def test_odd_ways_to_write_an_address_lead_nowhere(web: Web, odd: str) -> None:
    web.pages["/i"] = Page(data=b"secret")
    with pytest.raises((NotAllowed, WebBroken)):
        await fetched(WebRules(ports=(web.port,)), odd.format(port=web.port))
    assert web.requests == []


async def test_a_redirect_is_checked_like_the_first_address(web: Web) -> None:
    with serving() as inner:
        inner.pages["/secret"] = Page(data=b"secret")
        web.pages["/a"] = Page(status=302, headers={"Location": inner.url("/secret")})
        web.pages["/b"] = Page(status=302, headers={"Location": "http://localhost:80/secret"})
        web.pages["/c"] = Page(status=302, headers={"Location": "file:///etc/passwd"})
        web.pages["/d"] = Page(status=302, headers={"Location": "http://169.254.169.254/x"})
        for path in ("/a", "/c", "/d"):
            with pytest.raises(NotAllowed):
                await fetched(rules(web), web.url(path))
        # The operator allows one address of loopback only.
        with pytest.raises((NotAllowed, WebBroken)):
            await fetched(rules(web), web.url("/b"))
        assert inner.requests == []
    web.pages["/good"] = Page(status=302, headers={"Location": "/end"})
    web.pages["/end"] = Page(data=b"image")
    assert await fetched(rules(web), web.url("/good")) == b"image"
    web.pages["/loop"] = Page(status=302, headers={"Location": "/loop"})
    with pytest.raises(WebBroken, match="more than"):
        await fetched(rules(web), web.url("/loop"))


async def test_too_much_too_little_and_nothing_are_said(web: Web) -> None:
    web.pages["/big"] = Page(data=bytes(5000))
    with pytest.raises(WebBroken, match="5000"):
        await fetched(rules(web), web.url("/big"), maximum=4999)
    web.pages["/short"] = Page(data=bytes(10), short=5)
    with pytest.raises(WebBroken):
        await fetched(rules(web), web.url("/short"))
    with pytest.raises(WebBroken, match="404"):
        await fetched(rules(web), web.url("/nothing"))
    assert await size(rules(web), web.url("/big")) == 5000


async def test_hosts_are_allowed_and_refused_by_name(web: Web) -> None:
    with pytest.raises(NotAllowed):
        check_url(WebRules(hosts=("images.example.org",)), "http://example.org/x")
    check_url(WebRules(hosts=("images.example.org",)), "http://images.example.org/x")
    with pytest.raises(NotAllowed):
        check_url(WebRules(not_hosts=("example.org",)), "http://example.org/x")


async def test_a_part_of_what_is_there(web: Web) -> None:
    web.pages["/i"] = Page(data=bytes(range(200)))
    got = [piece async for piece in read(rules(web), web.url("/i"), start=10, length=5, maximum=5)]
    assert b"".join(got) == bytes(range(10, 15))


async def test_a_server_that_drips_is_given_up(web: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    """However regularly a byte comes: there is an end to the whole, and a least rate."""
    web.pages["/drip"] = Page(data=bytes(10_000), drip_s=0.05)
    with pytest.raises(WebBroken, match="longer than"):
        await fetched(rules(web, maximum_s=0.5), web.url("/drip"))
    monkeypatch.setattr(driver, "SLOW_S", 0.5)
    with pytest.raises(WebBroken, match="too slowly"):
        await fetched(rules(web), web.url("/drip"))
    web.pages["/fine"] = Page(data=bytes(60), drip_s=0.02)
    assert len(await fetched(rules(web, least_rate=2), web.url("/fine"))) == 60


async def test_what_is_told_goes_where_it_may_and_no_further(web: Web) -> None:
    web.pages["/hook"] = Page(status=204)
    await post(rules(web), web.url("/hook"), b"{}", {"Content-Type": "application/json"})
    assert web.told == [b"{}"] and web.tokens == [""]
    with serving() as inner:
        inner.pages["/secret"] = Page()
        web.pages["/again"] = Page(status=307, headers={"Location": "/hook"})
        web.pages["/inside"] = Page(status=307, headers={"Location": inner.url("/secret")})
        await post(rules(web), web.url("/again"), b"1", {})
        with pytest.raises(NotAllowed):
            await post(rules(web), web.url("/inside"), b"2", {})
        with pytest.raises(NotAllowed):
            await post(WebRules(ports=(web.port,)), web.url("/hook", "localhost"), b"3", {})
        with pytest.raises(WebBroken, match="404"):
            await post(rules(web), web.url("/nowhere"), b"4", {})
        assert inner.requests == []
    assert b"1" in web.told and b"3" not in web.told


@pytest.mark.parametrize(
    "place", ["http://[", "//a\u2100/".encode().decode("latin-1"), "http://xn--a/", "http://a:b/"]
)
async def test_a_redirect_to_no_address_is_told_as_one(web: Web, place: str) -> None:
    web.pages["/odd"] = Page(status=307, headers={"Location": place})
    for within in (rules(web), None):
        with pytest.raises((NotAllowed, WebBroken)):
            await post(within, web.url("/odd"), b"1", {})
    with pytest.raises((NotAllowed, WebBroken)):
        await fetched(rules(web), web.url("/odd"))
    with pytest.raises((NotAllowed, WebBroken)):
        await fetched(rules(web), place)


async def test_an_operators_address_leads_to_no_other_host(web: Web) -> None:
    web.pages["/hook"] = Page(status=204)
    web.pages["/again"] = Page(status=307, headers={"Location": "/hook"})
    await post(None, web.url("/again"), b"1", {})
    with serving() as inner:
        inner.pages["/secret"] = Page()
        web.pages["/inside"] = Page(status=307, headers={"Location": inner.url("/secret")})
        with pytest.raises(WebBroken, match="another host"):
            await post(None, web.url("/inside"), b"2", {})
        assert inner.told == [] and b"1" in web.told
