"""Signed images: whether bytes that come in were signed with the key of the certificate that the image names.

The certificate is a secret of the key manager, fetched with the uploader's own token; what they may not read does not
verify anything.

Source: Image service guide, "Image signature verification"; Key Manager API, "GET /v1/secrets/{uuid}/payload".
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from hanok.base.errors import BadInput
from hanok.base.ids import is_uuid

if TYPE_CHECKING:  # imported where it is used: few images are signed, and it takes a start's time
    from cryptography.hazmat.primitives.hashes import HashAlgorithm
    from cryptography.x509 import Certificate as X509

SIGNATURE, HASH, KEY_TYPE, CERTIFICATE = (
    "img_signature",
    "img_signature_hash_method",
    "img_signature_key_type",
    "img_signature_certificate_uuid",
)
HASHES = {"SHA-224": "SHA224", "SHA-256": "SHA256", "SHA-384": "SHA384", "SHA-512": "SHA512"}
CURVES = (
    "ECC_SECT571K1", "ECC_SECT409K1", "ECC_SECT571R1", "ECC_SECT409R1", "ECC_SECP521R1", "ECC_SECP384R1",
)  # fmt: skip
KEY_TYPES = ("RSA-PSS", "DSA", *CURVES)
CERTIFICATE_BYTES = 64 << 10
FETCH_S = 20.0
_NOT_VALID = "what the key manager has is not a valid certificate."


class SignatureProblem(BadInput):
    """The signature does not hold, or cannot be looked at."""

    def __init__(self, why: str) -> None:
        super().__init__(f"Signature verification failed: {why}")


class Verifier:
    """One signature over bytes that pass."""

    def __init__(
        self, key: Any, algorithm: HashAlgorithm, signature: bytes, key_type: str, mark: str
    ) -> None:
        """mark: what is remembered of the data when it holds; see `mark`."""
        from cryptography.hazmat.primitives import hashes

        self.mark = mark
        self._key, self._algorithm, self._signature = key, algorithm, signature
        self._key_type = key_type
        self._hash = hashes.Hash(algorithm)

    def update(self, piece: bytes) -> None:
        self._hash.update(piece)

    def check(self) -> None:
        """Raises SignatureProblem when the signature is not of these bytes."""
        from cryptography.exceptions import InvalidSignature
        from cryptography.hazmat.primitives.asymmetric import ec, padding, utils

        digest = self._hash.finalize()
        known = utils.Prehashed(self._algorithm)
        try:
            if self._key_type == "RSA-PSS":
                form = padding.PSS(padding.MGF1(self._algorithm), padding.PSS.MAX_LENGTH)
                self._key.verify(self._signature, digest, form, known)
            elif self._key_type == "DSA":
                self._key.verify(self._signature, digest, known)
            else:
                self._key.verify(self._signature, digest, ec.ECDSA(known))
        except (InvalidSignature, ValueError) as error:
            raise SignatureProblem("the signature is not of this data.") from error


def mark(properties: Mapping[str, str], certificate: Certificate) -> str:
    """What a signature and its certificate are known by again: another one of either is another mark."""
    said = [properties[name] for name in (SIGNATURE, HASH, KEY_TYPE, CERTIFICATE)]
    parts = [*(text.encode() for text in said), certificate.payload]
    return hashlib.sha256(b"".join(hashlib.sha256(one).digest() for one in parts)).hexdigest()


def refused(mark: str) -> str:
    """What stands in place of a mark where the data was read and is not what was signed."""
    return f"not {mark}"[: len(mark)]


def requested(properties: Mapping[str, str]) -> bool:
    """Whether the image says that it is signed."""
    return any(name in properties for name in (SIGNATURE, HASH, KEY_TYPE, CERTIFICATE))


def certificate_id(properties: Mapping[str, str]) -> str:
    """The secret that holds the certificate.

    Raises:
        SignatureProblem: a property that says how the image is signed is missing or not understood.
    """
    for name in (SIGNATURE, HASH, KEY_TYPE, CERTIFICATE):
        if not properties.get(name):
            raise SignatureProblem(f"the property {name} is missing.")
    if properties[HASH] not in HASHES:
        raise SignatureProblem(f"{HASH} must be one of {', '.join(HASHES)}.")
    if properties[KEY_TYPE] not in KEY_TYPES:
        raise SignatureProblem(f"{KEY_TYPE} must be one of {', '.join(KEY_TYPES)}.")
    if not is_uuid(properties[CERTIFICATE]):
        raise SignatureProblem(f"{CERTIFICATE} is not a valid UUID.")
    return properties[CERTIFICATE]


class Certificate(Struct, frozen=True):
    """What the key manager gave for a secret."""

    secret_id: str
    payload: bytes


def verifier(
    properties: Mapping[str, str], fetched: Certificate | None, now: datetime
) -> Verifier | None:
    """What looks at the bytes; None for an image that is not signed.

    Args:
        fetched: the certificate, as it was when somebody asked for this with a token.

    Raises:
        SignatureProblem: the certificate cannot be used for this, or not today.
    """
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import dsa, ec, rsa

    if not requested(properties):
        return None
    if fetched is None or fetched.secret_id != certificate_id(properties):
        raise SignatureProblem("the image's properties were changed meanwhile.")
    try:
        signature = base64.b64decode(properties[SIGNATURE], validate=True)
    except (binascii.Error, ValueError) as error:
        raise SignatureProblem(f"{SIGNATURE} is not base64.") from error
    try:
        read = loaded(fetched)
        key = read.public_key()
    except (ValueError, TypeError) as error:
        raise SignatureProblem(_NOT_VALID) from error
    if not read.not_valid_before_utc <= now <= read.not_valid_after_utc:
        raise SignatureProblem("the certificate is not valid today.")
    key_type = properties[KEY_TYPE]
    fits = (
        isinstance(key, rsa.RSAPublicKey)
        if key_type == "RSA-PSS"
        else isinstance(key, dsa.DSAPublicKey)
        if key_type == "DSA"
        else isinstance(key, ec.EllipticCurvePublicKey)
        and f"ECC_{key.curve.name.upper()}" == key_type
    )
    if not fits:
        raise SignatureProblem(f"the certificate's key is not a {key_type} key.")
    algorithm = getattr(hashes, HASHES[properties[HASH]])()
    return Verifier(key, algorithm, signature, key_type, mark(properties, fetched))


def loaded(fetched: Certificate) -> X509:
    """Raises ValueError, TypeError: it is not a certificate."""
    from cryptography import x509

    if fetched.payload.lstrip().startswith(b"-----BEGIN"):
        return x509.load_pem_x509_certificate(fetched.payload)
    return x509.load_der_x509_certificate(fetched.payload)


async def fetch_certificate(endpoint: str, secret_id: str, token: str) -> Certificate:
    """The payload of a secret, read with the caller's token.

    Raises:
        SignatureProblem: the key manager does not give it.
    """
    import httpx

    base = endpoint.rstrip("/")
    base = base if base.endswith("/v1") else f"{base}/v1"
    headers = {"X-Auth-Token": token, "Accept": "application/octet-stream, text/plain"}
    try:
        async with httpx.AsyncClient(timeout=FETCH_S, trust_env=False) as client:
            answer = await client.get(f"{base}/secrets/{secret_id}/payload", headers=headers)
    except httpx.HTTPError as error:
        raise SignatureProblem("the key manager does not answer.") from error
    if answer.status_code != 200:
        raise SignatureProblem(
            f"the key manager does not give the certificate {secret_id} ({answer.status_code})."
        )
    if len(answer.content) > CERTIFICATE_BYTES:
        raise SignatureProblem(_NOT_VALID)
    return Certificate(secret_id, answer.content)
