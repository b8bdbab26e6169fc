"""What an image's certificate has to be, and where images of other clouds are."""

from __future__ import annotations

import base64
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID

from hanok.services.image.logic import remote, signatures
from hanok.services.image.logic.signatures import Certificate, SignatureProblem
from tests.web import Page, serving

SECRET = "b5d2d8ee-2f3b-4a0e-9d7e-0d5f1f0c7a11"
NOW = datetime(2026, 5, 4, tzinfo=UTC)


def a_certificate(key: Any) -> bytes:
    """Of a day before and a day after NOW."""
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "images")])
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(NOW - timedelta(days=1))
        .not_valid_after(NOW + timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    return made.public_bytes(serialization.Encoding.DER)


def properties(kind: str, **changes: str) -> dict[str, str]:
    return {
        "img_signature": base64.b64encode(b"signature").decode(),
        "img_signature_hash_method": "SHA-256",
        "img_signature_key_type": kind,
        "img_signature_certificate_uuid": SECRET,
        **changes,
    }


@pytest.fixture(scope="module")
def certificates() -> dict[str, bytes]:
    return {
        "RSA-PSS": a_certificate(rsa.generate_private_key(65537, 2048)),
        "ECC_SECP384R1": a_certificate(ec.generate_private_key(ec.SECP384R1())),
    }


@pytest.mark.parametrize("kind", ["RSA-PSS", "DSA", "ECC_SECP384R1", "ECC_SECP521R1"])
@pytest.mark.parametrize("has", ["RSA-PSS", "ECC_SECP384R1"])
def test_a_key_is_of_the_kind_that_the_image_says(
    certificates: dict[str, bytes], has: str, kind: str
) -> None:
    fetched = Certificate(SECRET, certificates[has])
    if has == kind:
        assert signatures.verifier(properties(kind), fetched, NOW) is not None
        return
    with pytest.raises(SignatureProblem, match=f"key is not a {kind} key"):
        signatures.verifier(properties(kind), fetched, NOW)


def test_a_certificate_is_the_images_own_and_of_today(certificates: dict[str, bytes]) -> None:
    kind = "ECC_SECP384R1"
    fetched = Certificate(SECRET, certificates[kind])
    for late in (timedelta(days=2), timedelta(days=-2)):
        with pytest.raises(SignatureProblem, match="not valid today"):
            signatures.verifier(properties(kind), fetched, NOW + late)
    other = properties(kind, img_signature_certificate_uuid=SECRET.replace("b5", "b6"))
    for said, had in ((other, fetched), (properties(kind), None)):
        with pytest.raises(SignatureProblem, match="changed meanwhile"):
            signatures.verifier(said, had, NOW)
    with pytest.raises(SignatureProblem, match="not base64"):
        signatures.verifier(properties(kind, img_signature="!"), fetched, NOW)
    with pytest.raises(SignatureProblem, match="not a valid certificate"):
        signatures.verifier(properties(kind), Certificate(SECRET, b"-----BEGIN"), NOW)
    assert signatures.verifier({"os_distro": "debian"}, None, NOW) is None


async def test_what_the_key_manager_has_may_be_too_large() -> None:
    with serving() as manager:
        path = f"/v1/secrets/{SECRET}/payload"
        for size, taken in ((64 << 10, True), ((64 << 10) + 1, False)):
            manager.pages[path] = Page(data=b"x" * size)
            if taken:
                got = await signatures.fetch_certificate(manager.url("/v1"), SECRET, "token")
                assert len(got.payload) == size
                continue
            with pytest.raises(SignatureProblem, match="not a valid certificate"):
                await signatures.fetch_certificate(manager.url(""), SECRET, "token")


@pytest.mark.parametrize(
    ("address", "url", "trusted"),
    [
        ("https://far/image/v2/", "https://far/image/v2/images/i", True),
        ("https://far", "https://far/v2/images/i", True),
        ("$(origin)s/image", "http://here:5000/image/v2/images/i", False),
        (None, "", True),
        ("", "", True),
    ],
)
def test_where_an_image_of_another_cloud_is(address: str | None, url: str, trusted: bool) -> None:
    found = remote.source(address, "http://here:5000", "i", "sealed")
    assert (found.url, found.trusted, found.token) == (url, trusted, "sealed")
