"""What is said of buckets: pages of other origins, and what goes by itself."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from pathlib import Path

import pytest
from tests.api.object_storage.s3 import HOST, S3, code, texts, user
from tests.cloud import Cloud, running

from hanok.base import failpoints
from hanok.base.clock import MovableClock
from hanok.base.failpoints import armed
from hanok.services.object_storage import facade
from hanok.services.object_storage.facade import ObjectStore
from hanok.services.object_storage.routes.s3 import xml

CORS = """<CORSConfiguration><CORSRule><AllowedOrigin>https://*.example.org</AllowedOrigin><AllowedMethod>PUT</AllowedMethod>
<AllowedMethod>GET</AllowedMethod><AllowedHeader>x-*</AllowedHeader><ExposeHeader>ETag</ExposeHeader>
<MaxAgeSeconds>60</MaxAgeSeconds></CORSRule></CORSConfiguration>"""


async def test_pages_of_other_origins(cloud: Cloud) -> None:
    s3, _ = await user(cloud)
    await s3.put("/bucket")
    assert code(await s3("GET", "/bucket", 404, query=[("cors", "")])) == "NoSuchCORSConfiguration"
    await s3.put("/bucket", CORS.encode(), query=[("cors", "")])
    assert texts(await s3.xml("/bucket", [("cors", "")]), "CORSRule/AllowedMethod") == [
        "PUT",
        "GET",
    ]
    now, origin = datetime.now(UTC), "https://a.example.org"
    query = s3.address("PUT", "/bucket/o", at=now)
    asks = {
        "host": HOST,
        "origin": origin,
        "access-control-request-method": "PUT",
        "access-control-request-headers": "X-A",
    }
    told = (await s3.send("OPTIONS", "/bucket/o", query, asks, b"", 200)).headers
    assert (told["access-control-allow-origin"], told["access-control-max-age"]) == (origin, "60")
    for wrong in (
        {"origin": "https://example.com"},
        {"access-control-request-method": "DELETE"},
        {"access-control-request-headers": "y"},
    ):
        await s3.send("OPTIONS", "/bucket/o", query, {**asks, **wrong}, b"", 403)
    put = await s3.send("PUT", "/bucket/o", query, {"host": HOST, "origin": origin}, b"x", 200)
    assert put.headers["access-control-expose-headers"] == "ETag"
    assert (
        "access-control-allow-origin"
        not in (await s3("GET", "/bucket/o", 200, unsigned={"origin": "https://b.org"})).headers
    )
    await s3("DELETE", "/bucket", 204, query=[("cors", "")])
    await s3.send("OPTIONS", "/bucket/o", query, asks, b"", 403)
    for bad in (
        "<CORSConfiguration/>",
        CORS.replace("PUT", "PATCH"),
        CORS.replace("*.example", "*.*"),
        CORS.replace("MaxAge", "Max"),
    ):
        await s3.put("/bucket", bad.encode(), 400, query=[("cors", "")])


def _lifecycle(*rules: str) -> bytes:
    inner = "".join(f"<Rule><Status>Enabled</Status>{rule}</Rule>" for rule in rules)
    return f"<LifecycleConfiguration>{inner}</LifecycleConfiguration>".encode()


async def _lived(s3: S3, *rules: str, status: int = 200) -> None:
    await s3.put("/bucket", _lifecycle(*rules), status, query=[("lifecycle", "")])


async def test_what_goes_by_itself(tmp_path: Path, database_url: str) -> None:
    clock = MovableClock()
    async with running(tmp_path, hosts=0, database=database_url, clock=clock) as cloud:
        s3, swift = await user(cloud)
        s3.now = clock.now
        room = cloud.control.house.facade(ObjectStore)
        await s3.put("/bucket")
        for name in ("logs/1", "logs/2", "other"):
            await swift.put(f"/bucket/{name}", b"x")
        await s3("POST", "/bucket/logs/part", 200, query=[("uploads", "")])
        await _lived(
            s3,
            "<Filter><Prefix>logs/</Prefix></Filter><Expiration><Days>1</Days></Expiration>",
            "<Filter/><AbortIncompleteMultipartUpload><DaysAfterInitiation>3</DaysAfterInitiation></AbortIncompleteMultipartUpload>",
        )
        await facade.sweep(room, everything=True)
        assert await swift.names("/bucket") == ["logs/1", "logs/2", "other"]
        clock.move(2 * 86_400)
        await facade.sweep(room, everything=True)
        swift = type(swift)(await cloud.sign_in("p", project="p"))
        assert await swift.names("/bucket") == ["other"]
        clock.move(2 * 86_400)
        await facade.sweep(room, everything=True)
        root = await s3.xml("/bucket", [("uploads", "")])
        assert texts(root, "Upload/Key") == []


async def test_old_versions_go_by_themselves(tmp_path: Path, database_url: str) -> None:
    clock = MovableClock()
    async with running(tmp_path, hosts=0, database=database_url, clock=clock) as cloud:
        s3, _ = await user(cloud)
        s3.now = clock.now
        room = cloud.control.house.facade(ObjectStore)
        await s3.put("/bucket")
        await s3.versioned("/bucket")
        for name in ("kept", "gone"):
            for _ in range(3):
                await s3.put(f"/bucket/{name}", b"x")
        await s3("DELETE", "/bucket/gone", 204)
        await _lived(
            s3,
            "<Filter/><NoncurrentVersionExpiration><NoncurrentDays>1</NoncurrentDays></NoncurrentVersionExpiration>"
            "<Expiration><ExpiredObjectDeleteMarker>true</ExpiredObjectDeleteMarker></Expiration>",
        )
        await facade.sweep(room, everything=True)
        listed = await s3.xml("/bucket", [("versions", "")])
        assert len(texts(listed, "Version/Key")) == 6
        clock.move(2 * 86_400)
        for _ in range(2):  # a mark is alone when the versions below it have gone
            await facade.sweep(room, everything=True)
        listed = await s3.xml("/bucket", [("versions", "")])
        assert (texts(listed, "Version/Key"), texts(listed, "DeleteMarker/Key")) == (["kept"], [])


async def test_what_came_meanwhile_stays(tmp_path: Path, database_url: str) -> None:
    clock = MovableClock()
    async with running(tmp_path, hosts=0, database=database_url, clock=clock) as cloud:
        s3, _ = await user(cloud)
        s3.now = clock.now
        room = cloud.control.house.facade(ObjectStore)
        await s3.put("/bucket")
        await s3.put("/bucket/o", b"old")
        await s3.versioned("/bucket")
        await s3.put("/bucket/o", b"newer")
        await s3.versioned("/bucket", "Suspended")
        days = "<NoncurrentDays>1</NoncurrentDays>"
        await _lived(
            s3, f"<Filter/><NoncurrentVersionExpiration>{days}</NoncurrentVersionExpiration>"
        )
        clock.move(3 * 86_400)
        place = "objects.lifecycle.before_remove"
        with armed(place, "hang", 1):
            sweeping = asyncio.ensure_future(facade.sweep(room, everything=True))
            while not failpoints.waiting(place):
                await asyncio.sleep(0.001)
            await s3.put("/bucket/o", b"newest")  # without an id, as what is to go
            failpoints.release(place)
            await sweeping
        assert (await s3("GET", "/bucket/o", 200)).content == b"newest"


async def test_rules_that_are_refused(cloud: Cloud) -> None:
    s3, _ = await user(cloud)
    await s3.put("/bucket")
    days = "<Expiration><Days>1</Days></Expiration>"
    for rule, status in (
        ("<Filter/>", 400), (days, 400), (f"<Filter><Tag><Key>a</Key></Tag></Filter>{days}", 501),
        ("<Filter/><Transition><Days>1</Days></Transition>", 501),
        ("<Filter/><Expiration><Days>0</Days></Expiration>", 400),
        ("<Filter/><Expiration><Date>2030-01-01T01:00:00Z</Date></Expiration>", 400), (f"<Filter/>{days}<X/>", 400),
        ("<Filter/><Expiration><Date>9999-12-31T01:00:00-23:00</Date></Expiration>", 400),
    ):  # fmt: skip
        await _lived(s3, rule, status=status)
    await _lived(s3, f"<ID>one</ID><Prefix>a</Prefix>{days}")
    root = await s3.xml("/bucket", [("lifecycle", "")])
    assert (
        texts(root, "Rule/ID"),
        texts(root, "Rule/Prefix"),
        texts(root, "Rule/Expiration/Days"),
    ) == (["one"], ["a"], ["1"])
    await s3("DELETE", "/bucket", 204, query=[("lifecycle", "")])
    assert (
        code(await s3("GET", "/bucket", 404, query=[("lifecycle", "")]))
        == "NoSuchLifecycleConfiguration"
    )


@pytest.mark.parametrize(
    "body",
    [
        b"", b"<a", b"<a></b>", b"<b/>", b"<!DOCTYPE a><a/>",
        b'<!DOCTYPE a [<!ENTITY x "y">]><a>&x;</a>', b"<a>&x;</a>",
        b"<a>" * 20 + b"</a>" * 20, b"<a>" + b"<b/>" * 60_000 + b"</a>", b"<a>" + b" " * (3 << 20) + b"</a>",
        b"<a>\x00</a>", b"\xff\xfe<\x00", b'<?xml version="1.0" encoding="nonsense"?><a/>', b"<a/><a/>",
    ],
)  # fmt: skip
def test_xml_that_is_not_read(body: bytes) -> None:
    with pytest.raises(xml.Malformed):
        xml.read(body, "a")


def test_xml_that_is_read() -> None:
    root = xml.read(b'<a xmlns="x"><b> &lt;\xc3\xbc </b></a>', "a")
    assert (root.exact("b"), root.value("b")) == (" <ü ", "<ü")
    assert xml.element("a", "<&\x01\r") == "<a>&lt;&amp;\ufffd&#13;</a>"
