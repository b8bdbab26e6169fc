"""Metadata definitions: namespaces and what is in them.

Source: Image API reference, "Metadata definitions".
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Row, bindparam

from hanok.base.errors import Conflict, Forbidden, NotFound
from hanok.base.ids import new_uuid
from hanok.services.image.tables import (
    metadef_associations,
    metadef_namespaces,
    metadef_objects,
    metadef_properties,
    metadef_resource_types,
    metadef_tags,
)
from hanok.store import Duplicate, Transaction, still_there
from hanok.web.token import Caller

RESOURCE_TYPES = (
    "OS::Cinder::Volume", "OS::Glance::Image", "OS::Nova::Aggregate", "OS::Nova::Flavor", "OS::Nova::Server",
    "OS::Trove::Instance",
)  # fmt: skip
INSIDE = (metadef_associations, metadef_properties, metadef_objects, metadef_tags)
_NOUNS = {
    metadef_associations: "resource type association",
    metadef_properties: "property",
    metadef_objects: "object",
    metadef_tags: "tag",
}

_by_name = sa.select(metadef_namespaces).where(
    metadef_namespaces.c.namespace == bindparam("namespace")
)
_associations = (
    sa.select(metadef_associations)
    .where(metadef_associations.c.namespace_id.in_(bindparam("ids", expanding=True)))
    .order_by(metadef_associations.c.name)
)

_type_names = sa.select(metadef_resource_types.c.name)


async def ensure_resource_types(tx: Transaction, now: datetime) -> None:
    """The types of resources that are there from the start."""
    known = set(await tx.scalars(_type_names))
    for name in RESOURCE_TYPES:
        if name not in known:
            await tx.insert(
                metadef_resource_types, {"name": name, "created_at": now, "updated_at": now}
            )


async def resource_types(tx: Transaction) -> Sequence[Row[Any]]:
    return await tx.all(sa.select(metadef_resource_types).order_by(metadef_resource_types.c.name))


async def get(tx: Transaction, caller: Caller, name: str) -> Row[Any]:
    """A namespace with the caller's eyes.

    Raises:
        NotFound: there is none, or it is another project's and private.
    """
    row = await tx.first(_by_name, {"namespace": name})
    if row is None or not (
        caller.everywhere or row.visibility == "public" or row.owner == caller.project_id
    ):
        raise NotFound(f"Namespace {name} not found")
    return row


def listed(caller: Caller) -> sa.Select[Any]:
    """The namespaces that the caller may see: public ones, and the project's own."""
    statement, c = sa.select(metadef_namespaces), metadef_namespaces.c
    if caller.everywhere:
        return statement
    own = c.owner == (caller.project_id or "")
    return statement.where(sa.or_(c.visibility == "public", own))


def about(kinds: Sequence[str]) -> sa.ColumnElement[bool]:
    """Namespaces that are about one of these types of resources."""
    there = metadef_associations.c.name.in_(kinds)
    ids = sa.select(metadef_associations.c.namespace_id).where(there)
    return metadef_namespaces.c.id.in_(ids)


async def associations_of(tx: Transaction, ids: Sequence[str]) -> dict[str, list[Row[Any]]]:
    """The types of resources that namespaces are about, by namespace."""
    found: dict[str, list[Row[Any]]] = {one: [] for one in ids}
    for row in await tx.all(_associations, {"ids": list(ids)}):
        found[row.namespace_id].append(row)
    return found


async def create(tx: Transaction, requested: dict[str, Any], owner: str, now: datetime) -> Row[Any]:
    """A namespace with everything in it.

    Raises:
        Conflict: the name is taken, or two things in it have one name.
    """
    columns = ("namespace", "display_name", "description", "visibility", "protected")
    values = {name: requested[name] for name in columns}
    namespace_id = new_uuid()
    try:
        await tx.insert(
            metadef_namespaces,
            {
                **values,
                "id": namespace_id,
                "owner": requested["owner"] or owner,
                "created_at": now,
                "updated_at": now,
            },
        )
    except Duplicate as error:
        raise Conflict(
            f"The metadata definition namespace={requested['namespace']} already exists."
        ) from error
    row = await tx.first(_by_name, {"namespace": requested["namespace"]})
    assert row is not None
    for one in requested["associations"]:
        await associate(tx, row, one, now)
    for one in requested["objects"]:
        await add(tx, row, metadef_objects, one, now)
    for name, definition in requested["properties"].items():
        await add(tx, row, metadef_properties, {"name": name, "definition": definition}, now)
    for name in requested["tags"]:
        await add(tx, row, metadef_tags, {"name": name}, now)
    return row


async def update(tx: Transaction, row: Row[Any], values: dict[str, Any], now: datetime) -> Row[Any]:
    """Raises Conflict when the new name is taken."""
    try:
        await tx.alter(
            metadef_namespaces.update()
            .where(metadef_namespaces.c.id == row.id)
            .values(**values, updated_at=now)
        )
    except Duplicate as error:
        raise Conflict(
            f"The metadata definition namespace={values['namespace']} already exists."
        ) from error
    return still_there(await tx.first(_by_name, {"namespace": values["namespace"]}))


def check_open(row: Row[Any]) -> None:
    """Raises Forbidden when the namespace is protected: nothing in it is deleted."""
    if row.protected:
        raise Forbidden(f"Metadata definition namespace {row.namespace} is protected.")


async def delete(tx: Transaction, row: Row[Any]) -> None:
    """Raises Forbidden when it is protected."""
    check_open(row)
    for table in INSIDE:
        await tx.execute(table.delete().where(table.c.namespace_id == row.id))
    await tx.execute(metadef_namespaces.delete().where(metadef_namespaces.c.id == row.id))


# ---- what is in a namespace ----


def of_namespace(row: Row[Any], table: sa.Table) -> sa.Select[Any]:
    """What there is of a kind in a namespace."""
    return sa.select(table).where(table.c.namespace_id == row.id)


async def inside(tx: Transaction, row: Row[Any], table: sa.Table) -> Sequence[Row[Any]]:
    """Everything of a kind, by name."""
    return await tx.all(of_namespace(row, table).order_by(table.c.name))


async def one(tx: Transaction, row: Row[Any], table: sa.Table, name: str) -> Row[Any]:
    """Raises NotFound."""
    found = await tx.first(
        sa.select(table).where(table.c.namespace_id == row.id, table.c.name == name)
    )
    if found is None:
        raise NotFound(
            f"The metadata definition {_NOUNS[table]} with name={name} was not found in namespace={row.namespace}."
        )
    return found


def _taken(row: Row[Any], table: sa.Table, name: str) -> Conflict:
    return Conflict(
        f"A metadata definition {_NOUNS[table]} with name={name} already exists in namespace={row.namespace}."
    )


async def add(
    tx: Transaction, row: Row[Any], table: sa.Table, values: dict[str, Any], now: datetime
) -> Row[Any]:
    """Raises Conflict when the name is taken."""
    try:
        await tx.insert(
            table, {**values, "namespace_id": row.id, "created_at": now, "updated_at": now}
        )
    except Duplicate as error:
        raise _taken(row, table, values["name"]) from error
    return await one(tx, row, table, values["name"])


async def associate(
    tx: Transaction, row: Row[Any], values: dict[str, Any], now: datetime
) -> Row[Any]:
    """The namespace is about a type of resources; a new type becomes known by that."""
    with contextlib.suppress(Duplicate):
        await tx.insert(
            metadef_resource_types,
            {"name": values["name"], "created_at": now, "updated_at": now},
        )
    return await add(tx, row, metadef_associations, values, now)


async def change(
    tx: Transaction,
    row: Row[Any],
    table: sa.Table,
    name: str,
    values: dict[str, Any],
    now: datetime,
) -> Row[Any]:
    """Raises NotFound, or Conflict when the new name is taken."""
    await one(tx, row, table, name)
    try:
        await tx.alter(
            table.update()
            .where(table.c.namespace_id == row.id, table.c.name == name)
            .values(**values, updated_at=now)
        )
    except Duplicate as error:
        raise _taken(row, table, values["name"]) from error
    return await one(tx, row, table, values["name"])


async def remove(tx: Transaction, row: Row[Any], table: sa.Table, name: str) -> Row[Any]:
    """Gives what was removed. Raises NotFound, or Forbidden when the namespace is protected."""
    gone = await one(tx, row, table, name)
    check_open(row)
    await tx.execute(table.delete().where(table.c.namespace_id == row.id, table.c.name == name))
    return gone


async def replace_tags(
    tx: Transaction, row: Row[Any], names: Sequence[str], now: datetime, *, append: bool
) -> list[Row[Any]]:
    """The namespace has these tags, and no others. Gives their rows.

    Args:
        append: beside those that it has.

    Raises:
        Conflict: it has one of them.
    """
    if not append:
        await tx.execute(metadef_tags.delete().where(metadef_tags.c.namespace_id == row.id))
    return [await add(tx, row, metadef_tags, {"name": name}, now) for name in names]


async def remove_all(tx: Transaction, row: Row[Any], table: sa.Table) -> None:
    check_open(row)
    await tx.execute(table.delete().where(table.c.namespace_id == row.id))
