"""What assertions are signed with: the operator's own key, or one that the first process makes that needs it.

Service providers know the certificate from our metadata, so the key is not replaced by itself. Every replica reads the
same folder.
"""

from __future__ import annotations

import os
import tempfile
from datetime import UTC, timedelta
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID
from msgspec import Struct

from hanok.base.clock import Clock
from hanok.services.identity.logic.saml import SAMLSettings

KEY_FILE = "signing.pem"
KEY_BITS = 3072  # good beyond 2030 (NIST SP 800-57, part 1)
YEARS = 10


class Signer(Struct, frozen=True):
    """What signs, and what others check it with."""

    key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey
    certificate: x509.Certificate


def signer(settings: SAMLSettings, folder: Path) -> Signer:
    """The key and its certificate; ours is made if it is not there.

    Raises:
        OSError: a file cannot be read or written. ValueError, TypeError: it holds no such thing, a key that needs a
            password, or a key and a certificate that do not go together.
    """
    if settings.key_file:
        key = Path(settings.key_file).read_bytes()
        return _read(key, Path(settings.certificate_file).read_bytes())
    path = folder / KEY_FILE
    if not path.exists():
        _make(path)
    both = path.read_bytes()
    return _read(both, both)


def _make(path: Path) -> None:
    """Write a new key with its certificate, unless another process was first."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    key = rsa.generate_private_key(65537, KEY_BITS)
    pem = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    pem += _certificate(key).public_bytes(serialization.Encoding.PEM)
    descriptor, temporary = tempfile.mkstemp(prefix=".", dir=path.parent)  # for nobody else to read
    with os.fdopen(descriptor, "wb") as file:
        file.write(pem)
        file.flush()
        os.fsync(file.fileno())
    try:
        os.link(temporary, path)
    except FileExistsError:
        pass
    finally:
        os.unlink(temporary)


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
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "SAML identity provider")])
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
