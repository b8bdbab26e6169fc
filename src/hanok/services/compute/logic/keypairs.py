"""Key pairs: a user's, in every project; how keys are told from others, and made."""

from __future__ import annotations

import asyncio
import base64
import binascii
import hashlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from cryptography.exceptions import UnsupportedAlgorithm
from msgspec import Struct
from sqlalchemy import Row, bindparam

from hanok.base.errors import BadInput, Conflict, NotFound
from hanok.base.later import later
from hanok.services.compute.tables import keypairs
from hanok.store import Duplicate, Transaction
from hanok.store.kept import equal, held

if TYPE_CHECKING:
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import rsa
    from cryptography.x509 import oid
else:  # for who makes or brings a key
    x509 = later("cryptography.x509")
    oid = later("cryptography.x509.oid")
    hashes = later("cryptography.hazmat.primitives.hashes")
    serialization = later("cryptography.hazmat.primitives.serialization")
    rsa = later("cryptography.hazmat.primitives.asymmetric.rsa")

_one = sa.select(keypairs).where(
    keypairs.c.user_id == bindparam("user"), keypairs.c.name == bindparam("called")
)
_gone = keypairs.delete().where(
    keypairs.c.user_id == bindparam("user"), keypairs.c.name == bindparam("called")
)


_everybodys = sa.select(keypairs)


def of_user(user_id: str) -> sa.Select[Any]:
    """The rows of a user."""
    return held(_everybodys, equal(keypairs.c.user_id, user_id))


def _missing(user_id: str, name: str) -> NotFound:
    return NotFound(f"Keypair {name} not found for user {user_id}")


async def get(tx: Transaction, user_id: str, name: str) -> Row[Any]:
    """A key pair of a user.

    Raises:
        NotFound
    """
    row = await tx.first(_one, {"user": user_id, "called": name})
    if row is None:
        raise _missing(user_id, name)
    return row


async def create(
    tx: Transaction, user_id: str, name: str, kind: str, pair: Pair, now: datetime
) -> Row[Any]:
    """Keep a key pair. kind: "ssh" or "x509". Quotas were looked at.

    Raises:
        Conflict: the user has another one of this name.
    """
    values = {
        "user_id": user_id,
        "name": name,
        "type": kind,
        "public_key": pair.public_key,
        "fingerprint": pair.fingerprint,
        "created_at": now,
    }
    try:
        await tx.insert(keypairs, values)
    except Duplicate as error:
        raise Conflict(f"Key pair '{name}' already exists.") from error
    return await get(tx, user_id, name)


async def delete(tx: Transaction, user_id: str, name: str) -> None:
    """Servers keep the keys that they were made with.

    Raises:
        NotFound
    """
    if not await tx.count(_gone, {"user": user_id, "called": name}):
        raise _missing(user_id, name)


# ---- keys ----


def _fingerprint(public_key: str) -> str:
    """MD5 of the key's bytes, in pairs, as upstream shows it.

    Raises:
        BadInput: it is not a public key.
    """
    parts = public_key.split()
    try:
        serialization.load_ssh_public_key(public_key.encode())
        raw = base64.b64decode(parts[1], validate=True)
    except (ValueError, IndexError, binascii.Error, UnsupportedAlgorithm, UnicodeEncodeError):
        raise BadInput("Keypair data is invalid: failed to generate fingerprint") from None
    digest = hashlib.md5(raw, usedforsecurity=False).hexdigest()
    return ":".join(digest[at : at + 2] for at in range(0, 32, 2))


_makers = ThreadPoolExecutor(max_workers=2, thread_name_prefix="key-pairs")


async def _made(make: Callable[..., tuple[str, str]], *args: Any) -> tuple[str, str]:
    """A pair of keys, made in a thread: that takes a tenth of a second, and three at times."""
    return await asyncio.get_running_loop().run_in_executor(_makers, make, *args)


def _ssh_pair() -> tuple[str, str]:
    """A private key as PEM, and its public one as OpenSSH writes it."""
    made = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    private = made.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.TraditionalOpenSSL,
        serialization.NoEncryption(),
    )
    public = made.public_key().public_bytes(
        serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH
    )
    return private.decode(), public.decode()


def _certificate(name: str, now: datetime) -> tuple[str, str]:
    """A private key and a certificate of its own for signing in to Windows guests, both as PEM."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    subject = x509.Name([x509.NameAttribute(oid.NameOID.COMMON_NAME, name[:64])])
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now)
        .not_valid_after(now + timedelta(days=3650))
        .add_extension(x509.ExtendedKeyUsage([oid.ExtendedKeyUsageOID.CLIENT_AUTH]), critical=False)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()
    return private, made.public_bytes(serialization.Encoding.PEM).decode()


def _certificate_print(pem: str) -> str:
    """SHA-1 of a certificate, in pairs.

    Raises:
        BadInput: it is not a certificate.
    """
    try:
        found = x509.load_pem_x509_certificate(pem.encode())
    except ValueError:
        raise BadInput("Keypair data is invalid: failed to generate X509 fingerprint") from None
    digest = found.fingerprint(hashes.SHA1()).hex()
    return ":".join(digest[at : at + 2] for at in range(0, 40, 2))


class Pair(Struct, frozen=True):
    """A key pair to be kept; private_key: of one that was made here, shown once and kept nowhere."""

    public_key: str
    fingerprint: str
    private_key: str | None = None


def imported(kind: str, public_key: str) -> Pair:
    """A user's own key, as it was sent: clients compare what is shown with what they have.

    Raises:
        BadInput: it is not a public key, or a certificate ("x509").
    """
    mark = _fingerprint if kind == "ssh" else _certificate_print
    return Pair(public_key, mark(public_key))


async def generated(kind: str, user: str, now: datetime) -> Pair:
    """A new pair: a key for SSH, or a key and a certificate ("x509"), which is in the name of this user."""
    if kind == "x509":
        private_key, public_key = await _made(_certificate, user, now)
        return Pair(public_key, _certificate_print(public_key), private_key)
    private_key, public = await _made(_ssh_pair)
    public_key = f"{public} generated"
    return Pair(public_key, _fingerprint(public_key), private_key)
