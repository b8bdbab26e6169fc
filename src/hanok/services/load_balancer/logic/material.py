"""TLS material as it comes: PKCS#12, or PEM by parts; read within bounds.

What a file says of itself costs: derivations count as often as it says, and large keys are checked for long. So numbers
that are in sight are held against bounds before anything else reads them.
"""

from __future__ import annotations

import binascii
from base64 import b64decode
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from hanok.base.errors import BadInput
from hanok.base.later import later
from hanok.services.load_balancer.logic.errors import failed

if TYPE_CHECKING:
    from cryptography import x509
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import rsa
else:
    x509 = later("cryptography.x509")
    serialization = later("cryptography.hazmat.primitives.serialization")
    rsa = later("cryptography.hazmat.primitives.asymmetric.rsa")

MAXIMUM_ROUNDS = 1_000_000  # of a derivation
MAXIMUM_SEALED_BYTES = 2600  # of a key in PKCS#12: one of RSA with 4096 bits
MAXIMUM_NUMBER_BYTES = 513  # in PKCS#12: of a key of RSA with 4096 bits
MAXIMUM_KEY_BITS = 8192
MAXIMUM_CHAIN = 10  # certificates between a server's and an authority's
DEEPEST = 32
_KEYS = ("PRIVATE KEY", "ENCRYPTED PRIVATE KEY", "RSA PRIVATE KEY", "EC PRIVATE KEY")
_INTEGER, _OCTETS = 0x02, 0x04


class Certificate(Struct, frozen=True):
    """A server's certificate with its key and what leads to its authority."""

    certificate: x509.Certificate
    key: Any
    intermediates: Sequence[x509.Certificate] = ()


def of_parts(parts: Mapping[str, bytes]) -> Certificate:
    """Of a container: PEM under "certificate", "private_key", "private_key_passphrase" and "intermediates".

    Raises:
        BadInput
    """
    if "certificate" not in parts or "private_key" not in parts:
        raise failed("A certificate container needs a certificate and a private_key.")
    certificate, *chain = certificates(parts["certificate"])
    if parts.get("intermediates"):
        chain += certificates(parts["intermediates"])
    key = _key(parts["private_key"], parts.get("private_key_passphrase"))
    return Certificate(certificate, key, chain)


def pem(found: Certificate) -> str:
    """The certificate, those above it, and the key in the clear, behind each other."""
    parts = [
        one.public_bytes(serialization.Encoding.PEM)
        for one in (found.certificate, *found.intermediates)
    ]
    parts.append(
        found.key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return b"".join(parts).decode()


def certificates(raw: bytes) -> list[x509.Certificate]:
    """At least one. Raises BadInput."""
    try:
        return x509.load_pem_x509_certificates(raw)
    except ValueError:
        raise BadInput("Could not read X509 from PEM") from None


def _key(raw: bytes, passphrase: bytes | None) -> Any:
    """Raises BadInput."""
    kind, body = _pem(raw)
    if kind not in _KEYS:
        raise BadInput("Could not read private key from PEM")
    if kind == "ENCRYPTED PRIVATE KEY":
        check_bounds(body)
    try:
        return serialization.load_pem_private_key(
            raw, passphrase, unsafe_skip_rsa_key_validation=True
        )
    except TypeError:  # it says that there is a passphrase, or that there is none
        if passphrase is None:
            raise BadInput("Passphrase needed to decrypt key but client did not provide one.") from None  # fmt: skip
        return _key(raw, None)
    except Exception:  # what the library raises for keys of unknown kinds is no one type
        raise BadInput("Could not read private key from PEM") from None


def _pem(raw: bytes) -> tuple[str, bytes]:
    """The kind and the bytes of the first block; empty: there is none."""
    head, _, rest = raw.partition(b"-----BEGIN ")[2].partition(b"-----")
    body = rest.partition(b"-----END ")[0]
    try:
        return head.decode("ascii"), b64decode(b"".join(body.split()))
    except (UnicodeDecodeError, binascii.Error):
        return "", b""


def check(found: Certificate, now: datetime) -> None:
    """Whether it can be shown to clients now. Raises BadInput."""
    try:
        same, ends = _public(found.certificate) == _public(found.key), _end(found.certificate)
    except (
        Exception
    ):  # it is read only now; kinds of keys that the library does not know are no one type
        raise BadInput("Could not read X509 from PEM") from None
    if not same:
        raise failed("Key and x509 certificate do not match")
    if isinstance(found.key, rsa.RSAPrivateKey) and found.key.key_size > MAXIMUM_KEY_BITS:
        raise failed(f"A key has at most {MAXIMUM_KEY_BITS} bits")
    if len(found.intermediates) > MAXIMUM_CHAIN:
        raise failed(f"A certificate has at most {MAXIMUM_CHAIN} intermediates")
    if ends <= now.astimezone(UTC):
        raise failed(f"The certificate has expired on {ends.isoformat()}")


def _end(one: x509.Certificate) -> datetime:
    return one.not_valid_after_utc


def _public(one: Any) -> bytes:
    """The public key of a certificate, or of a private key."""
    key = one.public_key()
    return bytes(
        key.public_bytes(
            serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
        )
    )


def authority(raw: bytes) -> x509.Certificate:
    """Of clients' certificates. Raises BadInput."""
    try:
        return x509.load_pem_x509_certificate(raw)
    except ValueError:
        raise failed(
            "The client authentication CA certificate is invalid. It must be a valid x509 PEM format certificate."
        ) from None


def check_revocations(raw: bytes, issuer: x509.Certificate) -> None:
    """Whether it is a list of certificates that this authority takes back. Raises BadInput."""
    try:
        crl = x509.load_pem_x509_crl(raw)
    except ValueError:
        raise failed(
            "The client authentication certificate revocation list is invalid. It must be a valid x509 PEM format "
            "certificate revocation list."
        ) from None
    try:
        key: Any = issuer.public_key()
        valid = crl.is_signature_valid(key)
    except Exception:  # an authority whose key is of a kind that the library does not know
        valid = False
    if not valid:
        raise failed(
            "The CRL specified is not valid for client certificate authority reference supplied."
        )


# ---- what a file says of itself ----


def check_bounds(raw: bytes) -> None:
    """Raises BadInput: it is no DER, or says more in plain sight than is taken."""
    try:
        _walk(raw, 0)
    except ValueError as error:
        raise BadInput(f"The PKCS12 bundle is unreadable. Error: {error}") from None


def _walk(raw: bytes, depth: int) -> None:
    """Raises ValueError."""
    if depth > DEEPEST:
        raise ValueError("it is nested too deeply")
    for tag, value in _values(raw):
        if tag & 0x20:
            _walk(value, depth + 1)
        elif tag == _INTEGER and len(value) <= 9 and int.from_bytes(value, signed=True) > MAXIMUM_ROUNDS:  # fmt: skip
            raise ValueError(f"a number in it is larger than {MAXIMUM_ROUNDS}")
        elif tag == _INTEGER and len(value) > MAXIMUM_NUMBER_BYTES:
            raise ValueError("a key in it is too large")
        elif tag == _OCTETS:
            _inside(value, depth)


def _inside(value: bytes, depth: int) -> None:
    """What stands in a string of octets: more of the file, or what is sealed."""
    if value[:1] == b"\x30":
        if value[1:2] == b"\x80":
            raise ValueError("a length in it is indefinite")
        try:
            list(_values(value))
        except ValueError:
            pass
        else:
            _walk(value, depth + 1)
            return
    if len(value) > MAXIMUM_SEALED_BYTES:
        raise ValueError("a key in it is too large")


def _values(raw: bytes) -> Iterator[tuple[int, bytes]]:
    """Tag and value of what stands behind each other in DER. Raises ValueError."""
    at = 0
    while at < len(raw):
        if at + 2 > len(raw) or raw[at] & 0x1F == 0x1F:
            raise ValueError("it is not DER")
        tag, length, at = raw[at], raw[at + 1], at + 2
        if length & 0x80:
            size = length & 0x7F
            if not 1 <= size <= 4:
                raise ValueError("a length in it is indefinite or too large")
            length = int.from_bytes(raw[at : at + size])
            at += size
        if at + length > len(raw):
            raise ValueError("it is cut off")
        yield tag, raw[at : at + length]
        at += length
