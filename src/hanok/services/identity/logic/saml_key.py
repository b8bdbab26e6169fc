"""What assertions are signed with: the operator's own key, or one that the first process makes that needs it.

Service providers know the certificate from our metadata, so the key is not replaced by itself. It is a row, sealed with
the cloud's own key.
"""

from __future__ import annotations

import asyncio
from datetime import UTC, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from msgspec import Struct

from hanok.base.clock import Clock
from hanok.base.errors import Unavailable
from hanok.base.later import later
from hanok.services.identity.logic.keys import Sealer
from hanok.services.identity.logic.saml import SAMLSettings
from hanok.services.identity.tables import sealing_keys
from hanok.store import Database

if TYPE_CHECKING:
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec, rsa
    from cryptography.x509 import oid
else:  # for clouds that vouch for their users elsewhere
    x509 = later("cryptography.x509")
    oid = later("cryptography.x509.oid")
    hashes = later("cryptography.hazmat.primitives.hashes")
    serialization = later("cryptography.hazmat.primitives.serialization")
    ec = later("cryptography.hazmat.primitives.asymmetric.ec")
    rsa = later("cryptography.hazmat.primitives.asymmetric.rsa")

KEY_FILE = "signing.pem"
KEY_BITS = 3072  # good beyond 2030 (NIST SP 800-57, part 1)
YEARS = 10


class Signer(Struct, frozen=True):
    """What signs, and what others check it with."""

    key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey
    certificate: x509.Certificate


def signer(settings: SAMLSettings, own: bytes) -> Signer:
    """The key and its certificate: the operator's, or the cloud's own, in PEM.

    Raises:
        OSError: a file cannot be read. ValueError, TypeError: it holds no such thing, a key that needs a
            password, or a key and a certificate that do not go together.
    """
    if settings.key_file:
        key = Path(settings.key_file).read_bytes()
        return _read(key, Path(settings.certificate_file).read_bytes())
    return _read(own, own)


_newest = (
    sa.select(sealing_keys.c.number, sealing_keys.c.sealed)
    .where(sealing_keys.c.purpose == "saml")
    .order_by(sealing_keys.c.number.desc())
    .limit(1)
)


async def own(database: Database, cloud: Sealer, folder: Path, clock: Clock) -> bytes:
    """The cloud's own key with its certificate, in PEM; made by the process that first needs it.

    A file in the folder is taken over and removed: an older version kept it there, or an operator brings a new one.

    Raises:
        Unavailable: it cannot be opened with this cloud's key. OSError: the file cannot be read.
    """
    file = folder / KEY_FILE
    async with database.read() as tx:
        row = await tx.first(_newest)
    if row is None or file.exists():
        pem = await asyncio.to_thread(file.read_bytes if file.exists() else _made)
        async with database.write() as tx:
            await tx.serialize("identity keys", "saml")
            row = await tx.first(_newest)
            if row is None or file.exists():
                new = {"number": 1 if row is None else row.number + 1, "sealed": cloud.seal(pem)}
                await tx.insert(sealing_keys, {"purpose": "saml", "made_at": clock.now(), **new})
                row = await tx.first(_newest)
        file.unlink(missing_ok=True)
    opened = None if row is None else cloud.open(row.sealed)
    if opened is None:
        raise Unavailable(
            "The key that this cloud signs assertions with cannot be used; its operator has to look.",
            detail="it was sealed with another key than control/cloud-key",
        )
    return opened


def _made() -> bytes:
    """A new key with its certificate."""
    key = rsa.generate_private_key(65537, KEY_BITS)
    pem = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    return pem + _certificate(key).public_bytes(serialization.Encoding.PEM)


def _read(key_pem: bytes, certificate_pem: bytes) -> Signer:
    key: Any = serialization.load_pem_private_key(key_pem, None)
    certificate = x509.load_pem_x509_certificate(certificate_pem)
    if not isinstance(key, rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey):
        raise ValueError("the key is neither RSA nor elliptic")
    if key.public_key() != certificate.public_key():
        raise ValueError("the certificate is of another key")
    return Signer(key, certificate)


def _certificate(key: rsa.RSAPrivateKey) -> x509.Certificate:
    """A certificate of nobody but itself: service providers take it from our metadata."""
    name = x509.Name([x509.NameAttribute(oid.NameOID.COMMON_NAME, "SAML identity provider")])
    begin = Clock().now().astimezone(UTC) - timedelta(days=1)
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(begin)
        .not_valid_after(begin + timedelta(days=365 * YEARS))
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
