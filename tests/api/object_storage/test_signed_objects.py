"""What opens objects to those without a token: temporary URLs, forms, websites, and pages of other origins."""

from __future__ import annotations

import base64
import hashlib
import hmac
import time
from urllib.parse import quote

import httpx
import pytest
from tests.api.object_storage.objects import PORT, Swift, member, nobody
from tests.cloud import Cloud

from hanok.base.clock import Clock

KEY = "account-key"
# Nothing here says anything to a database that the other tests do not.
pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


def _sig(method: str, path: str, until: str | int, key: str = KEY, digest: str = "sha256") -> str:
    text = f"{method}\n{until}\n{path}"
    return hmac.new(key.encode(), text.encode(), digest).hexdigest()


class Signed:
    """Somebody with a signature, and without a token."""

    def __init__(self, cloud: Cloud, account: str) -> None:
        self.anyone = nobody(cloud, account)
        self.root = f"/v1/AUTH_{account}"
        self.until = int(Clock().now().timestamp()) + 600

    async def __call__(
        self,
        method: str,
        path: str,
        status: int,
        *,
        signed: str = "",
        more: str = "",
        **rest: object,
    ) -> httpx.Response:
        """A request with the signature of another one, if that is said: "GET /c/o"."""
        what, _, where = (signed or f"{method} {path}").partition(" ")
        sig = _sig(what, self.root + where, self.until)
        query = f"?temp_url_sig={sig}&temp_url_expires={self.until}{more}"
        return await self.anyone(method, path + query, status, **rest)


async def _prepared(cloud: Cloud) -> tuple[Swift, Signed]:
    swift = await member(cloud)
    await swift.put("/c")
    await swift.put("/d")
    headers = {"X-Object-Meta-Secret": "1", "X-Object-Meta-Public-A": "2"}
    await swift.put("/c/o", b"data", headers=headers)
    await swift("POST", "", 204, headers={"X-Account-Meta-Temp-URL-Key": KEY})
    return swift, Signed(cloud, swift.account)


async def test_a_signature_opens_one_method_and_name(cloud: Cloud) -> None:
    swift, signed = await _prepared(cloud)
    await swift.put("/c/other", b"other")
    read = await signed("GET", "/c/o", 200)
    assert read.content == b"data"
    assert read.headers["content-disposition"].startswith('attachment; filename="o"')
    assert "x-object-meta-secret" not in read.headers
    assert read.headers["x-object-meta-public-a"] == "2"
    await signed("HEAD", "/c/o", 200, signed="GET /c/o")
    for method, path in (
        ("PUT", "/c/o"),
        ("DELETE", "/c/o"),
        ("POST", "/c/o"),
        ("GET", "/c/other"),
    ):
        await signed(method, path, 401, signed="GET /c/o", content=b"")
    for method, path in (("GET", "/c"), ("GET", ""), ("COPY", "/c/o"), ("PUT", "/e")):
        await signed(method, path, 401)
    assert (await swift("GET", "/c/o")).content == b"data"
    await signed("PUT", "/c/new", 201, content=b"put")
    assert (await swift("GET", "/c/new")).content == b"put"
    # A token beside a bad signature is no help.
    sig = "0" * 64
    query = f"?temp_url_sig={sig}&temp_url_expires={signed.until}"
    await swift("GET", "/c/o" + query, 401)
    await swift("GET", "/c/o?temp_url_expires=1", 401)


async def test_no_header_widens_a_signature(cloud: Cloud) -> None:
    swift, signed = await _prepared(cloud)
    for headers in (
        {"X-Copy-From": "d/secret"},
        {"X-Object-Manifest": "d/secret"},
        {"X-Symlink-Target": "d/secret"},
    ):
        await signed("PUT", "/c/new", 400, headers=headers)
    await signed("PUT", "/c/new", 400, more="&multipart-manifest=put", json=[{"path": "/d/secret"}])
    await signed("DELETE", "/c/o", 400, more="&multipart-manifest=delete")
    await swift("GET", "/c/new", 404)
    # What a container's key opens ends at the container.
    await swift.put("/d/secret", b"secret")
    await swift("POST", "/c", 204, headers={"X-Container-Meta-Temp-URL-Key": "own"})
    await swift("PUT", "/c/dlo", 201, headers={"X-Object-Manifest": "d/secret"})
    path = f"/v1/AUTH_{swift.account}/c/dlo"
    for key, status in ((KEY, 200), ("own", 401)):
        sig = _sig("GET", path, signed.until, key)
        query = f"?temp_url_sig={sig}&temp_url_expires={signed.until}"
        await signed.anyone("GET", "/c/dlo" + query, status)


async def test_forms_of_signatures(cloud: Cloud) -> None:
    swift, signed = await _prepared(cloud)
    path = f"{signed.root}/c/o"
    for digest in ("sha1", "sha256", "sha512"):
        sig = _sig("GET", path, signed.until, digest=digest)
        query = f"?temp_url_sig={sig}&temp_url_expires={signed.until}"
        await signed.anyone("GET", "/c/o" + query, 200)
        raw = base64.urlsafe_b64encode(bytes.fromhex(sig)).decode()
        query = f"?temp_url_sig={digest}:{raw}&temp_url_expires={signed.until}"
        await signed.anyone("GET", "/c/o" + query, 200)
    iso = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(signed.until))
    sig = _sig("GET", path, signed.until)
    await signed.anyone("GET", f"/c/o?temp_url_sig={sig}&temp_url_expires={iso}", 200)
    for until in (1, "never"):
        sig = _sig("GET", path, until)
        await signed.anyone("GET", f"/c/o?temp_url_sig={sig}&temp_url_expires={until}", 401)
    sig = _sig("GET", f"prefix:{signed.root}/c/pre", signed.until)
    await swift.put("/c/pre/x", b"x")
    rest = f"?temp_url_sig={sig}&temp_url_expires={signed.until}&temp_url_prefix=pre"
    await signed.anyone("GET", "/c/pre/x" + rest, 200)
    await signed.anyone("GET", "/c/o" + rest, 401)
    for network, status in (("127.0.0.0/8", 200), ("10.0.0.0/8", 401), ("x", 401)):
        text = f"ip={network}\nGET\n{signed.until}\n{path}"
        sig = hmac.new(KEY.encode(), text.encode(), "sha256").hexdigest()
        query = f"?temp_url_sig={sig}&temp_url_expires={signed.until}"
        query += f"&temp_url_ip_range={quote(network)}"
        await signed.anyone("GET", "/c/o" + query, status)
    named = await signed("GET", "/c/o", 200, more="&filename=a%22%0d%0ab")
    said = named.headers["content-disposition"]
    assert said == "attachment; filename=\"a___b\"; filename*=UTF-8''a%22%0D%0Ab"
    inline = await signed("GET", "/c/o", 200, more="&inline")
    assert inline.headers["content-disposition"] == "inline"
    await swift("POST", "", 204, headers={"X-Remove-Account-Meta-Temp-URL-Key": "x"})
    await signed("GET", "/c/o", 401)


def _form(fields: dict[str, str], files: list[tuple[str, bytes]]) -> tuple[bytes, dict[str, str]]:
    lines = []
    for name, value in fields.items():
        lines += [
            b"--B",
            f'Content-Disposition: form-data; name="{name}"'.encode(),
            b"",
            value.encode(),
        ]
    for name, data in files:
        head = f'Content-Disposition: form-data; name="f"; filename="{name}"'
        lines += [b"--B", head.encode(), b"Content-Type: text/x-form", b"", data]
    body = b"\r\n".join([*lines, b"--B--", b""])
    return body, {"Content-Type": "multipart/form-data; boundary=B"}


def _fields(path: str, **changed: str) -> dict[str, str]:
    fields = {"redirect": "", "max_file_size": "20", "max_file_count": "2"}
    fields |= {"expires": str(int(Clock().now().timestamp()) + 600), **changed}
    text = "\n".join([path, *fields.values()])
    sig = hmac.new(KEY.encode(), text.encode(), hashlib.sha1).hexdigest()
    return {**fields, "signature": sig}


async def test_a_form_uploads_what_was_signed(cloud: Cloud) -> None:
    swift, signed = await _prepared(cloud)
    post, path = signed.anyone, f"{signed.root}/c/in/"
    body, headers = _form(_fields(path), [("a", b"hello\r\n--B"[:9]), ("b", b"--B")])
    await post("POST", "/c/in/", 201, content=body, headers=headers)
    read = await swift("GET", "/c/in/a", 200)
    assert read.content == b"hello\r\n--" and read.headers["content-type"] == "text/x-form"
    assert (await swift("GET", "/c/in/b")).content == b"--B"
    for fields, files, status in (
        (_fields(path, expires="1"), [("a", b"x")], 401),
        (_fields(signed.root + "/d/"), [("a", b"x")], 401),
        ({**_fields(path), "max_file_size": "1000"}, [("a", b"x")], 401),
        (_fields(path), [("big", b"x" * 21)], 413),
        (_fields(path), [("1", b""), ("2", b""), ("3", b"")], 400),
        (_fields(path), [], 400),
        (_fields(path), [("n" * 1024, b"x")], 400),
        ({**_fields(path), "field": "v" * 9000}, [("a", b"x")], 400),
    ):
        body, headers = _form(fields, files)
        await post("POST", "/c/in/", status, content=body, headers=headers)
    await swift("GET", "/c/in/big", 404)
    await post("POST", "/c/in/", 400, content=body[:40], headers=headers)
    back = _fields(path, redirect="https://example.com/done")
    body, headers = _form(back, [("c", b"x")])
    moved = await post("POST", "/c/in/", 303, content=body, headers=headers)
    assert moved.headers["location"] == "https://example.com/done?status=201&message="


async def test_a_form_is_read_in_whatever_pieces_it_comes(cloud: Cloud) -> None:
    swift, signed = await _prepared(cloud)
    body, headers = _form(_fields(f"{signed.root}/c/in/"), [("a", b"\r\n-\r\n--"), ("b", b"12")])

    async def slowly() -> object:
        for at in range(len(body)):
            yield body[at : at + 1]

    await signed.anyone("POST", "/c/in/", 201, content=slowly(), headers=headers)
    assert (await swift("GET", "/c/in/a")).content == b"\r\n-\r\n--"
    assert (await swift("GET", "/c/in/b")).content == b"12"


async def test_a_form_says_what_is_signed_before_its_files(cloud: Cloud) -> None:
    swift, signed = await _prepared(cloud)
    first, headers = _form(_fields(f"{signed.root}/c/in/"), [("a", b"x")])
    more, _ = _form({"max_file_size": "1000", "max_file_count": "9"}, [("b", b"y" * 100)])
    body = first.removesuffix(b"--B--\r\n") + more
    await signed.anyone("POST", "/c/in/", 413, content=body, headers=headers)
    assert await swift.names("/c?prefix=in/") == ["in/a"]


@pytest.mark.parametrize("name", ["Content-Type", "Content-Encoding"])
async def test_what_a_form_says_of_a_file_is_one_line(cloud: Cloud, name: str) -> None:
    swift, signed = await _prepared(cloud)
    body, headers = _form(_fields(f"{signed.root}/c/in/"), [("a", b"x")])
    said = f"{name}: text/html\nSet-Cookie: a=b".encode()
    body = body.replace(b"Content-Type: text/x-form", said)
    await signed.anyone("POST", "/c/in/", 400, content=body, headers=headers)
    await swift("GET", "/c/in/a", 404)


async def test_a_website(cloud: Cloud) -> None:
    swift = await member(cloud)
    anyone = nobody(cloud, swift.account)
    meta = {"Web-Index": "index.html", "Web-Error": "error.html"}
    headers = {f"X-Container-Meta-{name}": value for name, value in meta.items()}
    await swift.put("/c", headers={**headers, "X-Container-Read": ".r:*"})
    for name in ("index.html", "404error.html", "sub/index.html", "files/%3Cb%3E"):
        kind = {"Content-Type": "text/html"}
        await swift.put(f"/c/{name}", name.encode(), headers=kind)
    assert (await anyone("GET", "/c/", 200)).content == b"index.html"
    assert (await anyone("GET", "/c", 200)).content == b"index.html"
    assert (await anyone("GET", "/c/sub/", 200)).content == b"sub/index.html"
    moved = await anyone("GET", "/c/sub", 301)
    assert moved.headers["location"] == f"{PORT}/v1/AUTH_{swift.account}/c/sub/"
    missing = await anyone("GET", "/c/none", 404)
    assert missing.content == b"404error.html"
    assert (await anyone("GET", "/c/files/", 404)).content == b"404error.html"
    # Who has a token gets the plain answers.
    assert "index.html" in (await swift("GET", "/c", 200)).text.splitlines()
    mode = {"X-Web-Mode": "true"}
    assert (await swift("GET", "/c", 200, headers=mode)).content == b"index.html"
    more = {"X-Container-Meta-Web-Listings": "true", "X-Container-Meta-Web-Listings-CSS": "l.css"}
    await swift("POST", "/c", 204, headers=more)
    await anyone("GET", "/c/files/", 401)
    await swift("POST", "/c", 204, headers={"X-Container-Read": ".r:*,.rlistings"})
    page = (await anyone("GET", "/c/files/", 200)).text
    assert "&lt;b&gt;" in page and "<b>" not in page and 'href="../l.css"' in page
    assert (await anyone("GET", "/c/files/%3Cb%3E", 200)).headers[
        "x-content-type-options"
    ] == "nosniff"
    await swift("POST", "/c", 204, headers={"X-Container-Read": ""})
    await anyone("GET", "/c/", 401)


async def test_pages_of_other_origins(cloud: Cloud) -> None:
    swift = await member(cloud)
    anyone = nobody(cloud, swift.account)
    names = {"Allow-Origin": "https://a.example https://b.example", "Max-Age": "60"}
    headers = {f"X-Container-Meta-Access-Control-{name}": value for name, value in names.items()}
    await swift.put("/c", headers={**headers, "X-Container-Read": ".r:*"})
    await swift.put("/c/o", b"x")
    ask = {"Access-Control-Request-Method": "PUT", "Access-Control-Request-Headers": "x-auth-token"}
    told = await anyone("OPTIONS", "/c/o", 200, headers={**ask, "Origin": "https://b.example"})
    assert told.headers["access-control-allow-origin"] == "https://b.example"
    assert "PUT" in told.headers["access-control-allow-methods"]
    assert told.headers["access-control-allow-headers"] == "x-auth-token"
    assert told.headers["access-control-max-age"] == "60"
    await anyone("OPTIONS", "/c/o", 401, headers={**ask, "Origin": "https://x.example"})
    await anyone("OPTIONS", "/none/o", 401, headers={**ask, "Origin": "https://a.example"})
    assert "GET" in (await anyone("OPTIONS", "/c/o", 200)).headers["allow"]
    read = await anyone("GET", "/c/o", 200, headers={"Origin": "https://a.example"})
    assert read.headers["access-control-allow-origin"] == "https://a.example"
    assert "etag" in read.headers["access-control-expose-headers"]
    other = await anyone("GET", "/c/o", 200, headers={"Origin": "https://x.example"})
    assert "access-control-allow-origin" not in other.headers
