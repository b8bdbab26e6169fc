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
from msgspec import Struct
from starlette.responses import Response

from hanok.base.errors import BadInput, Conflict, NotFound
from hanok.services.compute.logic import quotas
from hanok.services.compute.room import Compute
from hanok.services.compute.schemas import answers, bodies
from hanok.services.compute.tables import keypairs as table
from hanok.store import Duplicate
from hanok.web.listing import COMPUTE, Listing
from hanok.web.request import Request, json_answer, no_content
from hanok.web.routes import Route
from hanok.web.versions import Parameter, Query

LIST = Listing(
    table=table,
    name="keypairs",
    style=COMPUTE,
    marker=table.c.name,
    unique=table.c.name,
    first=(table.c.name, "asc"),
)
_USER = Parameter(name="user_id", since=(2, 10))
QUERY = Query(
    _USER,
    *(Parameter(name=name, since=(2, 35)) for name in LIST.parameters),
    closed=(2, 75),
)
_OWNER = Query(_USER, closed=(2, 75))


def _user(request: Request, rule: str) -> str:
    """Whose keys: the caller's, or another user's for who may."""
    user_id = request.query.get("user_id", request.token.user_id)
    request.allow(rule, user_id=user_id)
    return user_id


async def list_keypairs(request: Request, room: Compute) -> Response:
    user_id = _user(request, "os_compute_api:os-keypairs:index")
    mine = sa.select(table).where(table.c.user_id == user_id)
    async with request.reading() as tx:
        page = await LIST.page(request, tx, mine, within=mine)
    items = [{"keypair": answers.keypair(request, row)} for row in page.rows]
    return json_answer(LIST.answer(request, page, items))


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


class _Pair(Struct, frozen=True):
    """A key pair to be kept; private_key: of one that was made here, shown once and kept nowhere."""

    public_key: str
    fingerprint: str
    private_key: str | None = None


def _imported(kind: str, public_key: str) -> _Pair:
    """A user's own key, as it was sent: clients compare what is shown with what they have."""
    mark = _fingerprint if kind == "ssh" else _certificate_print
    return _Pair(public_key, mark(public_key))


async def _new(kind: str, user: str, now: datetime) -> _Pair:
    """A new pair; until 2.91."""
    if kind == "x509":
        private_key, public_key = await _made(_certificate, user, now)
        return _Pair(public_key, _certificate_print(public_key), private_key)
    private_key, public = await _made(_ssh_pair)
    public_key = f"{public} generated"
    return _Pair(public_key, _fingerprint(public_key), private_key)


async def create_keypair(request: Request, room: Compute) -> Response:
    """POST /os-keypairs: imports a public key; until 2.91 it can also make a pair and show the private key once."""
    body = await request.body(bodies.CreateKeypair, key="keypair")
    user_id = body.user_id if isinstance(body.user_id, str) else request.token.user_id
    request.allow("os_compute_api:os-keypairs:create", user_id=user_id)
    if body.type not in ("ssh", "x509"):
        raise BadInput("Invalid input for field/attribute type. 'ssh' or 'x509' is expected.")
    if isinstance(body.public_key, str):
        pair = _imported(body.type, body.public_key)
    else:
        user = request.token.user_name or user_id
        pair = await _new(body.type, user, room.clock.now())
    values = {
        "user_id": user_id,
        "name": body.name,
        "type": body.type,
        "public_key": pair.public_key,
        "fingerprint": pair.fingerprint,
        "created_at": room.clock.now(),
    }
    async with request.transaction() as tx:
        await quotas.check_keypairs(tx, room, request.token.project_id or "", user_id)
        try:
            await tx.insert(table, values)
        except Duplicate as error:
            raise Conflict(f"Key pair '{body.name}' already exists.") from error
        row = await tx.first(
            sa.select(table).where(table.c.user_id == user_id, table.c.name == body.name)
        )
    assert row is not None
    answer = {**answers.keypair(request, row), "user_id": user_id}
    if pair.private_key is not None:
        answer["private_key"] = pair.private_key
    return json_answer({"keypair": answer}, 201)


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
    return no_content()


_A = "os_compute_api:os-keypairs"
_ONE = "/v2.1/os-keypairs/{keypair_name}"
ROUTES = (
    Route("GET", "/v2.1/os-keypairs", list_keypairs, (f"{_A}:index",), query=QUERY),
    Route(
        "POST",
        "/v2.1/os-keypairs",
        create_keypair,
        (f"{_A}:create",),
        strict=True,
        body=bodies.CreateKeypair,
        member="keypair",
        status_before=((2, 2), 200),
    ),
    Route("GET", _ONE, show_keypair, (f"{_A}:show",), query=_OWNER),
    Route(
        "DELETE",
        _ONE,
        delete_keypair,
        (f"{_A}:delete",),
        query=_OWNER,
        status_before=((2, 2), 202),
    ),
)
