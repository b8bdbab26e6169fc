"""What listeners and pools show by TLS comes from the key manager, with the caller's eyes."""

from __future__ import annotations

import asyncio
import base64
import datetime
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import pkcs12
from cryptography.x509.oid import NameOID

from hanok.services.load_balancer.logic import bundles
from tests.api.load_balancer.balancing import Balancing, balancing
from tests.cloud import Cloud

KEYS = "/key-manager/v1"
NOW = datetime.datetime.now(datetime.UTC)
DAY = datetime.timedelta(days=1)
PEM = serialization.Encoding.PEM
NOWHERE = "http://a/key-manager/v1/secrets/00000000-0000-4000-8000-000000000000"


@pytest.fixture
async def web(cloud: Cloud) -> Balancing:
    return await balancing(cloud)


def certificate(key: Any, *, days: int = 1) -> x509.Certificate:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "www.example.com")])
    return (
        x509.CertificateBuilder().subject_name(name).issuer_name(name)
        .public_key(key.public_key()).serial_number(7)
        .not_valid_before(NOW - 9 * DAY).not_valid_after(NOW + days * DAY)
        .sign(key, hashes.SHA256())
    )  # fmt: skip


def bundle(key: Any, of: x509.Certificate, password: bytes = b"") -> bytes:
    sealing = serialization.NoEncryption()
    if password:
        return pkcs12.serialize_key_and_certificates(
            b"a", key, of, None, serialization.BestAvailableEncryption(password)
        )
    return pkcs12.serialize_key_and_certificates(b"a", key, of, None, sealing)


def revocations(key: Any) -> bytes:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "www.example.com")])
    builder = x509.CertificateRevocationListBuilder().issuer_name(name)
    builder = builder.last_update(NOW - DAY).next_update(NOW + DAY)
    return builder.sign(key, hashes.SHA256()).public_bytes(PEM)


async def stored(web: Balancing, raw: bytes) -> str:
    """A reference to a new secret."""
    body = {
        "payload": base64.b64encode(raw).decode(),
        "payload_content_type": "application/octet-stream",
        "payload_content_encoding": "base64",
    }
    return str((await web.user.post(f"{KEYS}/secrets", body))["secret_ref"])


async def listener(web: Balancing, balancer: str, *expected: int, **values: Any) -> Any:
    body = {"protocol": "TERMINATED_HTTPS", "protocol_port": 443, "loadbalancer_id": balancer}
    return await web.make(balancer, "listeners", *expected, **{**body, **values})


async def test_a_listener_shows_a_certificate_and_is_noted_with_it(web: Balancing) -> None:
    balancer = await web.balancer()
    key, other = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    own = certificate(key)
    ref = await stored(web, bundle(key, own))
    for raw, words in (
        (b"nonsense", "PKCS12 bundle is unreadable"),
        (bundle(key, own, b"secret"), "PKCS12 bundle is unreadable"),
        (bundle(key, certificate(key, days=-1)), "expired"),
    ):
        odd = await stored(web, raw)
        assert words in await listener(web, balancer, 400, default_tls_container_ref=odd)
    refused = await listener(web, balancer, 400, default_tls_container_ref=NOWHERE)
    assert "Could not retrieve certificate" in refused
    authority = await stored(web, own.public_bytes(PEM))
    named = {"default_tls_container_ref": ref, "client_ca_tls_container_ref": authority}
    wrong = await stored(web, revocations(other))
    said = await listener(web, balancer, 400, **named, client_crl_container_ref=wrong)
    assert "The CRL specified is not valid" in said
    crl = await stored(web, revocations(key))
    made = await listener(
        web, balancer, **named, client_crl_container_ref=crl, client_authentication="MANDATORY"
    )
    used = f"{ref[ref.index('/key-manager') :]}/consumers"
    newest = {"OpenStack-API-Version": "key-manager 1.1"}
    (consumer,) = (await web.user.get(used, headers=newest))["consumers"]
    assert consumer["service"] == "Octavia" and consumer["resource_id"] == made["id"]
    path = f"/load-balancer/v2.0/lbaas/listeners/{made['id']}"
    await web.user("DELETE", path, status=204)
    await web.active(balancer)
    assert (await web.user.get(used, headers=newest))["consumers"] == []


async def test_a_container_of_parts_must_fit_together(web: Balancing) -> None:
    balancer = await web.balancer()
    key, other = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())

    def text(one: Any) -> bytes:
        plain = serialization.NoEncryption()
        return bytes(one.private_bytes(PEM, serialization.PrivateFormat.PKCS8, plain))

    async def container(private: bytes) -> str:
        parts = {"certificate": certificate(key).public_bytes(PEM), "private_key": private}
        refs = [{"name": one, "secret_ref": await stored(web, raw)} for one, raw in parts.items()]
        body = {"type": "certificate", "secret_refs": refs}
        return str((await web.user.post(f"{KEYS}/containers", body))["container_ref"])

    refused = await listener(
        web, balancer, 400, default_tls_container_ref=await container(text(other))
    )
    assert "do not match" in refused
    await listener(web, balancer, sni_container_refs=[await container(text(key))])


async def test_what_the_caller_may_not_read_is_not_there(web: Balancing) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    ref = await stored(web, bundle(key, certificate(key)))
    stranger = await balancing_of(web.cloud)
    balancer = await stranger.balancer()
    refused = await listener(stranger, balancer, 400, default_tls_container_ref=ref)
    assert "Could not retrieve certificate" in refused
    acl = {"read": {"users": [stranger.user.user_id]}}
    await web.user("PUT", f"{ref[ref.index('/key-manager') :]}/acl", acl, status=200)
    await listener(stranger, balancer, default_tls_container_ref=ref)


async def balancing_of(cloud: Cloud) -> Balancing:
    """The same for another project."""
    user = await cloud.project_with("other", "member", "reader")
    network = {"network": {"name": "n"}}
    net = (await user.post("/network/v2.0/networks", network))["network"]["id"]
    subnet = {"subnet": {"network_id": net, "ip_version": 4, "cidr": "10.5.0.0/24"}}
    made = (await user.post("/network/v2.0/subnets", subnet))["subnet"]["id"]
    return Balancing(cloud, user, net, made)


async def test_numbers_in_a_bundle_are_bounded(web: Balancing) -> None:
    balancer = await web.balancer()
    # SEQUENCE { INTEGER 3, OCTET STRING { SEQUENCE { INTEGER 2147483647 } } }
    rounds = bytes.fromhex("300d 020103 0408 3006 02047fffffff".replace(" ", ""))
    refused = await listener(
        web, balancer, 400, default_tls_container_ref=await stored(web, rounds)
    )
    assert "larger than" in refused


async def test_what_a_bundle_seals_costs_no_more_than_so_much(
    web: Balancing, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The process that opens it is ended; others are served, and the bundle is not readable."""
    endless = bundles._READER.replace("def read(raw):", "def read(raw):\n    while True: pass")
    monkeypatch.setattr(bundles, "_READER", endless)
    balancer = await web.balancer()
    key = ec.generate_private_key(ec.SECP256R1())
    ref = await stored(web, bundle(key, certificate(key)))
    refused = asyncio.ensure_future(listener(web, balancer, 400, default_tls_container_ref=ref))
    await asyncio.sleep(0.1)
    other = await web.balancer()
    assert not refused.done() and other
    assert "unreadable" in await refused
