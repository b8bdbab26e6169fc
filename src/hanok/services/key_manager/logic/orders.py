"""Orders: keys that the cloud makes. One key is there with the answer, a pair a moment later.

Source: Key Manager API v1 reference, "Orders".
"""

from __future__ import annotations

import base64
import os
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import sqlalchemy as sa
from sqlalchemy import Row, bindparam

from hanok.base.errors import BadInput
from hanok.base.ids import new_uuid
from hanok.services.key_manager.logic import common, containers, secrets
from hanok.services.key_manager.logic.errors import no_order, unfit
from hanok.services.key_manager.logic.payloads import BYTES
from hanok.services.key_manager.room import KeyManager
from hanok.services.key_manager.schemas import NewContainer, NewOrder, NewSecret, SecretRef
from hanok.services.key_manager.tables import orders
from hanok.store import Transaction

SYMMETRIC: Mapping[str, Sequence[int]] = {
    "aes": (128, 192, 256), "des": (56, 64), "desede": (112, 128, 168, 192), "3des": (112, 128, 168, 192),
}  # fmt: skip
"""What a key of these has for bits. Those of HMAC may have any number."""
ASYMMETRIC: Mapping[str, Sequence[int]] = {"rsa": (1024, 2048, 4096), "dsa": (1024, 2048)}
MAXIMUM_BITS = 4096
_by_id = sa.select(orders).where(orders.c.id == bindparam("id"))

# It is told an algorithm, bits and a pass phrase, and answers with a pair in base64, as upstream encodes it.
PAIR = """
import base64, json, sys
from cryptography.hazmat.primitives.asymmetric import dsa, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption, Encoding, NoEncryption, PrivateFormat, PublicFormat,
)
asked = json.load(sys.stdin)
if asked["algorithm"] == "rsa":
    key, form = rsa.generate_private_key(65537, asked["bits"]), Encoding.PEM
else:
    key, form = dsa.generate_private_key(asked["bits"]), Encoding.DER
words = asked["passphrase"].encode()
sealing = BestAvailableEncryption(words) if words else NoEncryption()
text = lambda raw: base64.b64encode(raw).decode()
print(json.dumps({
    "private": text(key.private_bytes(form, PrivateFormat.PKCS8, sealing)),
    "public": text(key.public_key().public_bytes(form, PublicFormat.SubjectPublicKeyInfo)),
}))
"""


class Pair(msgspec.Struct):
    private: bytes
    public: bytes


async def find(tx: Transaction, order_id: str, project_id: str | None = None) -> Row[Any]:
    """One of this project; None: of whatever. Raises NotFound."""
    row = await tx.first(_by_id, {"id": order_id})
    if row is None or project_id not in (None, row.project_id):
        raise no_order(order_id)
    return row


async def create(
    tx: Transaction, room: KeyManager, body: NewOrder, project_id: str, user_id: str
) -> Row[Any]:
    """The new order; one that no generator takes is in ERROR and says why.

    Raises:
        BadInput, Forbidden
    """
    _fits(body)
    secrets.expiration(body.meta.expiration, room.clock.now())
    await common.count(tx, room, project_id, "orders")
    now = room.clock.now()
    row: dict[str, Any] = {
        "id": new_uuid(),
        "project_id": project_id,
        "creator_id": user_id,
        "created_at": now,
        "updated_at": now,
        "type": body.type,
        "meta": _meta(body),
        "status": "PENDING",
        "sealed": room.key.seal(body.meta.passphrase.encode()) if body.meta.passphrase else None,
    }
    await tx.insert(orders, row)
    if not _can(body):
        why = f"No generator makes keys of {body.meta.algorithm} with {body.meta.bit_length} bits."
        await fail(tx, room, row["id"], why, "400")
    elif body.type == "key":
        raw = os.urandom(int(body.meta.bit_length or 0) // 8)
        made = await _secret(tx, room, row, "symmetric", raw)
        await _change(tx, room, row["id"], status="ACTIVE", secret_id=made)
    return await find(tx, row["id"])


def _fits(body: NewOrder) -> None:
    """Raises BadInput."""
    kind = "key" if body.type == "key" else "asymmetric key"
    for name in ("algorithm", "bit_length"):
        if not getattr(body.meta, name):
            raise unfit("Order", f"'{name}' is required field for {kind} type order", "meta")
    if body.meta.bit_length and body.meta.bit_length % 8:
        raise BadInput(
            "No support for value set on field 'bit_length' on schema 'Order': Must be a positive integer that is a "
            "multiple of 8"
        )
    if body.type == "key" and body.meta.passphrase:
        raise unfit("Order", "'passphrase' is not for key type orders", "meta")
    if (body.meta.payload_content_type or BYTES).lower() != BYTES:
        why = f"payload_content_type is not one of {[BYTES]}"
        raise unfit("Order", why, "payload_content_type")


def _meta(body: NewOrder) -> dict[str, Any]:
    """What is shown of what was asked; a pass phrase is not."""
    sent = msgspec.to_builtins(body.meta)
    return {
        name: value for name, value in sent.items() if value is not None and name != "passphrase"
    }


def _can(body: NewOrder) -> bool:
    algorithm, bits = str(body.meta.algorithm).lower(), int(body.meta.bit_length or 0)
    if body.type == "key" and algorithm.startswith("hmacsha"):
        return bits <= MAXIMUM_BITS
    known = SYMMETRIC if body.type == "key" else ASYMMETRIC
    return bits in known.get(algorithm, ())


async def _secret(
    tx: Transaction, room: KeyManager, row: Mapping[str, Any], kind: Any, raw: bytes
) -> str:
    meta = row["meta"]
    values = {
        one: meta.get(one) for one in ("name", "algorithm", "bit_length", "mode", "expiration")
    }
    body = NewSecret(
        **values,
        secret_type=kind,
        payload=base64.b64encode(raw).decode(),
        payload_content_type=BYTES,
        payload_content_encoding="base64",
    )
    return await secrets.create(tx, room, body, row["project_id"], row["creator_id"])


async def put_pair(
    tx: Transaction, room: KeyManager, order_id: str, made: Mapping[str, str]
) -> None:
    """What was generated for an order is its container. made: the two keys, sealed, by name.

    Raises:
        Forbidden: the project may not have as many secrets or containers.
    """
    row = await tx.first(_by_id, {"id": order_id})
    if row is None or row.status != "PENDING":
        return
    raw = {name: room.key.open(sealed) or b"" for name, sealed in made.items()}
    if row.sealed is not None:
        raw["private_key_passphrase"] = room.key.open(row.sealed) or b""
    kinds = {"public_key": "public", "private_key": "private"}
    refs = []
    for name, payload in raw.items():
        one = await _secret(tx, room, dict(row._mapping), kinds.get(name, "passphrase"), payload)
        refs.append(SecretRef(secret_ref=f"/v1/secrets/{one}", name=name))
    kind: Any = "rsa" if str(row.meta["algorithm"]).lower() == "rsa" else "generic"
    body = NewContainer(type=kind, name=row.meta.get("name"), secret_refs=refs)
    made_id = await containers.create(tx, room, body, row.project_id, row.creator_id)
    await _change(tx, room, order_id, status="ACTIVE", container_id=made_id, sealed=None)


async def fail(
    tx: Transaction, room: KeyManager, order_id: str, why: str, code: str = "500"
) -> None:
    await _change(
        tx, room, order_id, status="ERROR", error_reason=why[:255], error_code=code, sealed=None
    )


async def _change(tx: Transaction, room: KeyManager, order_id: str, **values: Any) -> None:
    here = orders.c.id == order_id
    await tx.execute(orders.update().where(here).values(updated_at=room.clock.now(), **values))


async def delete(tx: Transaction, order_id: str) -> None:
    """What it made stays."""
    await tx.execute(orders.delete().where(orders.c.id == order_id))


def listed(project_id: str) -> sa.Select[Any]:
    where = orders.c.project_id == project_id
    return sa.select(orders).where(where).order_by(orders.c.sequence)


def shown(row: Row[Any], base: str) -> dict[str, Any]:
    """base: the service's address."""
    found = {
        "type": row.type,
        "meta": row.meta,
        "status": row.status,
        "sub_status": "Unknown",
        "sub_status_message": "Unknown",
        "creator_id": row.creator_id,
        "created": common.text(row.created_at),
        "updated": common.text(row.updated_at),
        "order_ref": f"{base}/v1/orders/{row.id}",
    }
    for name, kind in (("secret", "secrets"), ("container", "containers")):
        if made := row._mapping[f"{name}_id"]:
            found[f"{name}_ref"] = f"{base}/v1/{kind}/{made}"
    if row.error_reason is not None:
        found |= {"error_reason": row.error_reason, "error_status_code": row.error_code}
    return found
