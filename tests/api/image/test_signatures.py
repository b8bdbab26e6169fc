"""Signed images: by upload and by every way of import."""

from __future__ import annotations

import asyncio
import base64
import datetime
import subprocess
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import dsa, ec, padding, rsa
from cryptography.x509.oid import NameOID

from hanok.base import failpoints
from hanok.drivers.image_stores.web import WebRules
from hanok.services.image.facade import ImageSettings, StoreSettings
from tests.api.image.helpers import (
    IMAGES,
    OCTETS,
    bring_in,
    data_of,
    files_in,
    image,
    patch,
    stage,
    upload,
)
from tests.cloud import Client, Cloud, running, settle
from tests.disks import qcow2
from tests.web import Page, Web, serving

SECRET = "b5d2d8ee-2f3b-4a0e-9d7e-0d5f1f0c7a11"


def certificate(key: Any, *, days: int = 1) -> bytes:
    """A certificate of the key that began yesterday."""
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "images")])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=3))
        .not_valid_after(now + datetime.timedelta(days=days))
        .sign(key, hashes.SHA256())
    )
    return made.public_bytes(serialization.Encoding.PEM)


def signed(key: Any, data: bytes) -> tuple[str, bytes]:
    """The kind of key as images name it, and the signature."""
    if isinstance(key, rsa.RSAPrivateKey):
        form = padding.PSS(padding.MGF1(hashes.SHA256()), padding.PSS.MAX_LENGTH)
        return "RSA-PSS", key.sign(data, form, hashes.SHA256())
    if isinstance(key, dsa.DSAPrivateKey):
        return "DSA", key.sign(data, hashes.SHA256())
    return f"ECC_{key.curve.name.upper()}", key.sign(data, ec.ECDSA(hashes.SHA256()))


@pytest.mark.parametrize("kind", ["rsa", "dsa", "ec"])
async def test_signed_data_is_verified(tmp_path: Path, database_url: str, kind: str) -> None:
    key: Any
    if kind == "rsa":
        key = rsa.generate_private_key(65537, 2048)
    elif kind == "dsa":
        key = dsa.generate_private_key(2048)
    else:
        key = ec.generate_private_key(ec.SECP384R1())
    key_type, signature = signed(key, qcow2())
    with serving() as manager:
        path = f"/v1/secrets/{SECRET}/payload"
        manager.pages[path] = Page(data=certificate(key))
        requested = ImageSettings(key_manager=manager.url(""))
        async with running(tmp_path, database=database_url, image=requested) as cloud:
            one = await cloud.project_with("p", "member")
            properties = {
                "img_signature": base64.b64encode(signature).decode(),
                "img_signature_hash_method": "SHA-256",
                "img_signature_key_type": key_type,
                "img_signature_certificate_uuid": SECRET,
            }
            good = await image(one, **properties)
            await upload(one, good, qcow2())
            assert (await one.get(f"{IMAGES}/{good}"))["status"] == "active"
            bearer = {**OCTETS, "Authorization": f"Bearer {one.token}"}
            path_of = f"{IMAGES}/{await image(one, **properties)}/file"
            await cloud.anonymous("PUT", path_of, content=qcow2(), headers=bearer, status=204)
            assert manager.tokens == [one.token] * 2
            forged = await image(one, **properties)
            assert "not of this data" in await upload(one, forged, qcow2(2 << 20), 400)
            assert (await one.get(f"{IMAGES}/{forged}"))["status"] == "queued"
            for change, word in (
                ({"img_signature": "!"}, "base64"),
                ({"img_signature_hash_method": "MD5"}, "one of"),
                ({"img_signature_key_type": "RSA"}, "one of"),
                ({"img_signature_certificate_uuid": "x"}, "UUID"),
                ({"img_signature_certificate_uuid": good}, "does not give"),
            ):
                bad = await image(one, **{**properties, **change})
                assert word in await upload(one, bad, qcow2(), 400)
            part = await image(one, img_signature=properties["img_signature"])
            assert "missing" in await upload(one, part, qcow2(), 400)
            manager.pages[path] = Page(data=certificate(key, days=-1))
            old = await image(one, **properties)
            assert "not valid today" in await upload(one, old, qcow2(), 400)
            manager.pages[path] = Page(data=b"no certificate")
            assert "is not a valid certificate" in await upload(one, old, qcow2(), 400)


async def kept(client: Client, payload: bytes, *, as_text: bool = False) -> str:
    """The id of a new secret of this cloud's key manager."""
    sent = {"secret_type": "certificate", "payload": payload.decode() if as_text else ""}
    if as_text:
        sent["payload_content_type"] = "text/plain"
    else:
        sent["payload"] = base64.b64encode(payload).decode()
        sent["payload_content_type"] = "application/octet-stream"
        sent["payload_content_encoding"] = "base64"
    made = await client.post("/key-manager/v1/secrets", sent)
    return str(made["secret_ref"]).rsplit("/", 1)[-1]


@pytest.mark.parametrize("method", ["upload", "glance-direct"])
async def test_the_certificate_is_a_secret_of_this_cloud(cloud: Cloud, method: str) -> None:
    one = await cloud.project_with("p", "member", "creator")
    other = await cloud.project_with("q", "member", "creator")
    binary = x509.load_pem_x509_certificate(certificate(KEY)).public_bytes(
        serialization.Encoding.DER
    )
    mine = [await kept(one, binary), await kept(one, certificate(KEY), as_text=True)]
    theirs = await kept(other, certificate(KEY))

    async def bring(data: bytes, secret_id: str) -> tuple[str, str]:
        described = {**properties(qcow2()), "img_signature_certificate_uuid": secret_id}
        image_id = await image(one, **described)
        if method == "upload":
            good = data == qcow2() and secret_id in mine
            text = await upload(one, image_id, data, 204 if good else 400)
        else:
            await stage(one, image_id, data)
            status = 202 if secret_id in mine else 400
            text = (await bring_in(cloud, one, image_id, method, status)).get("text", "")
        return (await one.get(f"{IMAGES}/{image_id}"))["status"], text

    for secret_id in mine:
        assert (await bring(qcow2(), secret_id))[0] == "active"
        assert (await bring(OTHER, secret_id))[0] == "queued"
    for unread in (theirs, SECRET):
        status, text = await bring(qcow2(), unread)
        assert status != "active" and f"does not give the certificate {unread}" in text


async def test_signed_data_is_refused_where_there_is_no_key_manager(cloud: Cloud) -> None:
    one = await cloud.project_with("p", "member")
    admin = await cloud.sign_in()
    switch = "/hanok/v1/services/key_manager"
    await admin("PUT", switch, {"enabled": False}, status=204)
    async with asyncio.timeout(20):
        while (await one("GET", "/key-manager/v1/secrets")).status_code != 503:
            await asyncio.sleep(0.01)
    image_id = await image(
        one,
        img_signature="AA==",
        img_signature_hash_method="SHA-256",
        img_signature_key_type="RSA-PSS",
        img_signature_certificate_uuid=SECRET,
    )
    assert "no key manager" in await upload(one, image_id, qcow2(), 400)
    assert (await one.get(f"{IMAGES}/{image_id}"))["status"] == "queued"


# ---- import ----

KEY = ec.generate_private_key(ec.SECP384R1())
OTHER = qcow2(2 << 20)


def properties(data: bytes) -> dict[str, str]:
    """What an image says of itself whose data is signed with KEY."""
    key_type, signature = signed(KEY, data)
    return {
        "img_signature": base64.b64encode(signature).decode(),
        "img_signature_hash_method": "SHA-256",
        "img_signature_key_type": key_type,
        "img_signature_certificate_uuid": SECRET,
    }


@pytest.fixture
def web() -> Iterator[Web]:
    """A key manager, and two images."""
    with serving() as made:
        made.pages[f"/v1/secrets/{SECRET}/payload"] = Page(data=certificate(KEY))
        made.pages["/good"], made.pages["/forged"] = Page(data=qcow2()), Page(data=OTHER)
        yield made


def settings(web: Web, tmp_path: Path, conversion: Any = "") -> ImageSettings:
    stores = (StoreSettings(id="file"), StoreSettings(id="two", folder=str(tmp_path / "two")))
    rules = WebRules(ports=(web.port,), networks=("127.0.0.1/32",))
    return ImageSettings(key_manager=web.url(""), stores=stores, web=rules, conversion=conversion)


@pytest.fixture
async def open_cloud(tmp_path: Path, database_url: str, web: Web) -> AsyncIterator[Cloud]:
    requested = settings(web, tmp_path)
    async with running(tmp_path / "state", database=database_url, image=requested) as cloud:
        yield cloud


async def failure(client: Client, image_id: str) -> str:
    """Why the image's newest task failed."""
    task = (await client.get(f"{IMAGES}/{image_id}/tasks"))["tasks"][0]
    assert task["status"] == "failure"
    return str(task["message"])


@pytest.mark.parametrize("method", ["glance-direct", "web-download"])
async def test_imported_data_is_verified(open_cloud: Cloud, web: Web, method: str) -> None:
    one = await open_cloud.project_with("p", "member")
    for path, content in (("/good", qcow2()), ("/forged", OTHER)):
        image_id = await image(one, **properties(qcow2()))
        more: dict[str, Any] = {"uri": web.url(path)} if method == "web-download" else {}
        if not more:
            await stage(one, image_id, content)
        shown = await bring_in(open_cloud, one, image_id, method, stores=["file", "two"], **more)
        if content == qcow2():
            assert shown["status"] == "active" and shown["stores"] == "file,two"
            await one("DELETE", f"{IMAGES}/{image_id}", status=204)
        else:
            assert shown["status"] == "queued" and "stores" not in shown
            assert "signature is not of this data" in await failure(one, image_id)
    # The certificate was asked for with the token of who imports, and that token went nowhere else.
    paths = [
        at for (_, at), token in zip(web.requests, web.tokens, strict=True) if token == one.token
    ]
    assert set(paths) == {f"/v1/secrets/{SECRET}/payload"}
    assert files_in(open_cloud.images.staging) == []
    assert files_in(open_cloud.control.settings.images) == []


async def test_a_copy_is_verified(open_cloud: Cloud, tmp_path: Path) -> None:
    admin = await open_cloud.sign_in()
    image_id = await image(admin, **properties(qcow2()))
    await upload(admin, image_id, qcow2())
    stored = open_cloud.control.settings.images / image_id
    forged = bytearray(qcow2())
    forged[-1] ^= 1
    stored.write_bytes(forged)
    # Whether one or all of the stores must take it: none gets what was not signed.
    for must in (True, False):
        shown = await bring_in(
            open_cloud, admin, image_id, "copy-image", stores=["two"], all_stores_must_succeed=must
        )
        assert (shown["status"], shown["stores"]) == ("active", "file")
        assert "signature is not of this data" in await failure(admin, image_id)
        assert files_in(tmp_path / "two") == []
    stored.write_bytes(qcow2())
    shown = await bring_in(open_cloud, admin, image_id, "copy-image", stores=["two"])
    assert (shown["status"], shown["stores"]) == ("active", "file,two")


async def test_the_older_way_of_import_is_verified(open_cloud: Cloud, web: Web) -> None:
    admin = await open_cloud.sign_in()
    for path, status in (("/good", "success"), ("/forged", "failure")):
        described = {"disk_format": "qcow2", "container_format": "bare", **properties(qcow2())}
        given = {"import_from": web.url(path), "image_properties": described}
        made = await admin.post("/image/v2/tasks", {"type": "import", "input": given})
        await settle(open_cloud)
        assert (await admin.get(f"/image/v2/tasks/{made['id']}"))["status"] == status


async def test_what_is_signed_is_what_the_image_will_hold(
    tmp_path: Path, database_url: str, web: Web
) -> None:
    source, made = tmp_path / "disk.qcow2", tmp_path / "disk.raw"
    source.write_bytes(qcow2())
    subprocess.run(["qemu-img", "convert", "-O", "raw", str(source), str(made)], check=True)
    requested = settings(web, tmp_path, "raw")
    async with running(tmp_path / "state", database=database_url, image=requested) as cloud:
        one = await cloud.project_with("p", "member")
        for data, status in ((made.read_bytes(), "active"), (qcow2(), "queued")):
            image_id = await image(one, **properties(data))
            await stage(one, image_id, qcow2())
            shown = await bring_in(cloud, one, image_id, "glance-direct")
            assert shown["status"] == status
            if status == "active":
                assert await data_of(one, image_id) == made.read_bytes()
        assert files_in(cloud.images.staging) == []


async def test_an_import_whose_certificate_cannot_be_had_does_not_begin(
    open_cloud: Cloud, web: Web
) -> None:
    one = await open_cloud.project_with("p", "member")
    image_id = await image(one, **properties(qcow2()))
    await stage(one, image_id, qcow2())
    del web.pages[f"/v1/secrets/{SECRET}/payload"]
    answer = await bring_in(open_cloud, one, image_id, "glance-direct", 400)
    assert "does not give" in answer["text"]
    # What was staged waits for a better try.
    web.pages[f"/v1/secrets/{SECRET}/payload"] = Page(data=certificate(KEY, days=-1))
    shown = await bring_in(open_cloud, one, image_id, "glance-direct")
    assert shown["status"] == "queued" and "not valid today" in await failure(one, image_id)


async def test_properties_that_change_while_data_is_imported(open_cloud: Cloud, web: Web) -> None:
    one = await open_cloud.project_with("p", "member")
    image_id = await image(one)
    place = "image.import_image.LookAtData.before_do"
    with failpoints.armed(place, "hang"):
        body = {"method": {"name": "web-download", "uri": web.url("/good")}}
        await one("POST", f"{IMAGES}/{image_id}/import", body, status=202)
        while not failpoints.waiting(place):
            await asyncio.sleep(0.01)
        changes = [
            {"op": "add", "path": f"/{name}", "value": value}
            for name, value in properties(qcow2()).items()
        ]
        await patch(one, image_id, *changes)
        failpoints.release(place)
    await settle(open_cloud)
    assert (await one.get(f"{IMAGES}/{image_id}"))["status"] == "queued"
    assert "changed meanwhile" in await failure(one, image_id)
