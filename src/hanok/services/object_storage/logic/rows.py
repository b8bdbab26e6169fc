"""Rows of objects: what is written of one, and what goes with it when it goes. Counts are the caller's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from msgspec import Struct, structs
from sqlalchemy import Row, bindparam

from hanok.services.object_storage.tables import object_garbage, object_parts, objects
from hanok.store import Transaction

_O, _P = objects.c, object_parts.c
_get = sa.select(objects).where(
    _O.container_id == bindparam("container_id"), _O.name == bindparam("name")
)
_remove = objects.delete().where(
    _O.container_id == bindparam("id_of_container"), _O.name == bindparam("its_name")
)
_parts = sa.select(object_parts).where(_P.upload == bindparam("upload")).order_by(_P.number)
_drop_parts = object_parts.delete().where(_P.upload == bindparam("its_upload"))


class Object(Struct, frozen=True, kw_only=True):
    """What is written of an object. See tables.objects."""

    blob: str = ""
    size: int = 0
    stored: int = 0
    etag: str
    content_type: str
    headers: Mapping[str, str]
    created_us: int
    delete_at: int | None = None
    kind: str = ""
    target: str = ""
    target_etag: str = ""
    version_us: int = 0


def is_there(row: Row[Any] | None, now_s: float) -> bool:
    """Whether an object is there for who asks: one whose end has passed is not, though its row is."""
    return row is not None and (row.delete_at is None or row.delete_at > now_s)


async def get(tx: Transaction, container_id: int, name: str) -> Row[Any] | None:
    return await tx.first(_get, {"container_id": container_id, "name": name})


async def parts(tx: Transaction, upload: str) -> Sequence[Row[Any]]:
    """The parts of an upload, or of the object that it became, in order."""
    return await tx.all(_parts, {"upload": upload})


async def drop_blob(tx: Transaction, blob: str) -> None:
    """Say that no row refers to a blob any more."""
    if blob:
        await tx.insert_missing(object_garbage, {"blob": blob})


async def drop_parts(tx: Transaction, upload: str) -> None:
    """Say of all parts of an upload that nobody refers to them."""
    given = sa.select(_P.blob).where(_P.upload == upload, _P.blob != "")
    await tx.execute(object_garbage.insert().from_select(["blob"], given))
    await tx.execute(_drop_parts, {"its_upload": upload})


async def drop(tx: Transaction, row: Row[Any]) -> None:
    """Say that no row refers to the bytes of an object any more."""
    await drop_blob(tx, row.blob)
    if row.kind == "parts":
        await drop_parts(tx, row.target)


async def remove(tx: Transaction, container_id: int, name: str) -> None:
    """Remove a row; its bytes are the caller's."""
    await tx.execute(_remove, {"id_of_container": container_id, "its_name": name})


async def write(
    tx: Transaction, container_id: int, name: str, new: Object, *, is_new: bool = False
) -> None:
    """Put a row in the place of one that is there, or of none. is_new: whether it is known that there is none."""
    if not is_new:
        await remove(tx, container_id, name)
    row = {"container_id": container_id, "name": name, **structs.asdict(new)}
    await tx.insert(objects, {**row, "headers": dict(new.headers)})


def as_object(row: Row[Any]) -> Object:
    return Object(**{name: getattr(row, name) for name in Object.__struct_fields__})
