"""Key pairs: a user's, in every project."""

from __future__ import annotations

import asyncio
import base64
import binascii
import hashlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_ssh_public_key,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from msgspec import UNSET
from starlette.responses import Response

from hanok.base.errors import BadInput, Conflict, NotFound
from hanok.services.compute.logic import quotas
from hanok.services.compute.room import Compute
from hanok.services.compute.schemas import answers, bodies
from hanok.services.compute.tables import keypairs as table
from hanok.store import Duplicate
from hanok.web.pages import Direction, limit_of, next_link, ordered
from hanok.web.request import Request, json_answer, no_content
from hanok.web.routes import Route

PAGE = 1000


def _user(request: Request, rule: str) -> str:
    """Whose keys: the caller's, or from 2.10 for admins another user's."""
    user_id = request.token.user_id
    if request.microversion >= (2, 10):
        user_id = request.query.get("user_id", user_id)
    request.allow(rule, user_id=user_id)
    return user_id


async def list_keypairs(request: Request, room: Compute) -> Response:
    user_id = _user(request, "os_compute_api:os-keypairs:index")
    statement = sa.select(table).where(table.c.user_id == user_id)
    limit = None
    async with request.reading() as tx:
        after: Any = None
        if request.microversion >= (2, 35):
            limit = limit_of(request.query.get("limit"), maximum=PAGE)
            marker = request.query.get("marker")
            if marker is not None:
                row = await tx.first(statement.where(table.c.name == marker))
                if row is None:
                    raise BadInput(f"marker [{marker[:100]}] not found")
                after = row._mapping
        keys: list[tuple[Any, Direction]] = [(table.c.name, "asc")]
        rows = await tx.all(ordered(statement, keys, after=after, limit=limit))
    answer: dict[str, Any] = {
        "keypairs": [{"keypair": answers.keypair(request, row)} for row in rows]
    }
    if limit and len(rows) == limit:
        link = next_link(request.full_url, request.pairs, rows[-1].name)
        answer["keypairs_links"] = [{"rel": "next", "href": link}]
    return json_answer(answer)


def _fingerprint(public_key: str) -> str:
    """MD5 of the key's bytes, in pairs, as upstream shows it.

    Raises:
        BadInput: it is no public key.
    """
    parts = public_key.split()
    try:
        load_ssh_public_key(public_key.encode())
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
    private = made.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption())
    public = made.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH)
    return private.decode(), public.decode()


def _certificate(name: str, now: datetime) -> tuple[str, str]:
    """A private key and a certificate of its own for signing in to Windows guests, both as PEM."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name[:64])])
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now)
        .not_valid_after(now + timedelta(days=3650))
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]), critical=False)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    return private, made.public_bytes(Encoding.PEM).decode()


def _certificate_print(pem: str) -> str:
    """SHA-1 of a certificate, in pairs.

    Raises:
        BadInput: it is no certificate.
    """
    try:
        found = x509.load_pem_x509_certificate(pem.encode())
    except ValueError:
        raise BadInput("Keypair data is invalid: failed to generate X509 fingerprint") from None
    digest = found.fingerprint(hashes.SHA1()).hex()  # noqa: S303
    return ":".join(digest[at : at + 2] for at in range(0, 40, 2))


async def create_keypair(request: Request, room: Compute) -> Response:
    """POST /os-keypairs: imports a public key; until 2.91 it can also make a pair and show the private key once."""
    body = await request.body(bodies.CreateKeypair, key="keypair")
    version = request.microversion
    if body.type is not UNSET and version < (2, 2):
        raise BadInput("Additional properties are not allowed ('type' was unexpected)")
    if body.user_id is not UNSET and version < (2, 10):
        raise BadInput("Additional properties are not allowed ('user_id' was unexpected)")
    user_id = body.user_id if isinstance(body.user_id, str) else request.token.user_id
    request.allow("os_compute_api:os-keypairs:create", user_id=user_id)
    kind = "ssh" if body.type is UNSET else body.type
    if kind not in ("ssh", "x509"):
        raise BadInput("Invalid input for field/attribute type. It is ssh or x509.")
    name = body.name.strip()
    if not name or (version < (2, 92) and any(c in body.name for c in "@.")):
        raise BadInput("Keypair data is invalid: Keypair name contains unsafe characters")
    private_key = None
    if isinstance(body.public_key, str):
        public_key = body.public_key.strip()
        fingerprint = _fingerprint(public_key) if kind == "ssh" else _certificate_print(public_key)
    elif version >= (2, 92):
        raise BadInput(
            "Invalid input for field/attribute keypair. 'public_key' is a required property"
        )
    elif kind == "x509":
        who = request.token.user_name or user_id
        private_key, public_key = await _made(_certificate, who, room.clock.now())
        fingerprint = _certificate_print(public_key)
    else:
        private_key, public = await _made(_ssh_pair)
        public_key = f"{public} generated"
        fingerprint = _fingerprint(public_key)
    async with request.transaction() as tx:
        await quotas.check_keypairs(tx, request.token.project_id or "", user_id)
        try:
            await tx.insert(
                table,
                {
                    "user_id": user_id,
                    "name": name,
                    "type": kind,
                    "public_key": public_key,
                    "fingerprint": fingerprint,
                    "created_at": room.clock.now(),
                },
            )
        except Duplicate as error:
            raise Conflict(f"Key pair '{name}' already exists.") from error
        row = await tx.first(
            sa.select(table).where(table.c.user_id == user_id, table.c.name == name)
        )
    assert row is not None
    answer = {**answers.keypair(request, row), "user_id": user_id}
    if private_key is not None:
        answer["private_key"] = private_key
    return json_answer({"keypair": answer}, 201 if version >= (2, 2) else 200)


async def show_keypair(request: Request, room: Compute) -> Response:
    user_id = _user(request, "os_compute_api:os-keypairs:show")
    name = request.path["keypair_name"]
    async with request.reading() as tx:
        row = await tx.first(
            sa.select(table).where(table.c.user_id == user_id, table.c.name == name)
        )
    if row is None:
        raise NotFound(f"Keypair {name} not found for user {user_id}")
    return json_answer({"keypair": answers.keypair(request, row, detailed=True)})


async def delete_keypair(request: Request, room: Compute) -> Response:
    user_id = _user(request, "os_compute_api:os-keypairs:delete")
    name = request.path["keypair_name"]
    async with request.transaction() as tx:
        gone = table.delete().where(table.c.user_id == user_id, table.c.name == name)
        if not await tx.count(gone):
            raise NotFound(f"Keypair {name} not found for user {user_id}")
    return no_content(204 if request.microversion >= (2, 2) else 202)


_A = "os_compute_api:os-keypairs"
_ONE = "/v2.1/os-keypairs/{keypair_name}"
ROUTES = (
    Route(
        "GET",
        "/v2.1/os-keypairs",
        list_keypairs,
        (f"{_A}:index",),
        query=("limit", "marker", "user_id"),
    ),
    Route(
        "POST",
        "/v2.1/os-keypairs",
        create_keypair,
        (f"{_A}:create",),
        strict=True,
        body=bodies.CreateKeypair,
        member="keypair",
    ),
    Route("GET", _ONE, show_keypair, (f"{_A}:show",), query=("user_id",)),
    Route("DELETE", _ONE, delete_keypair, (f"{_A}:delete",), query=("user_id",)),
)
