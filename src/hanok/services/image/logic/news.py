"""What the image service notifies of: images, their members, tasks, and definitions of metadata.

An image's data arrives by uploads, imports, locations and snapshots; each says so here, in the transaction that keeps
it. Event types that do not begin with "image." do so in the outbox, where the first word is the service.

Source: Image service, "Notifications".
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Row

from hanok.base.clock import zulu
from hanok.events import Event, envelope, noun_of
from hanok.services.image import schemas
from hanok.services.image.logic import data, images
from hanok.services.image.room import Images
from hanok.services.image.tables import (
    metadef_associations,
    metadef_objects,
    metadef_properties,
    metadef_tags,
)
from hanok.store import Transaction

_ALIVE: dict[str, Any] = {"deleted": False, "deleted_at": None}
# Of a definition, what its events say beside its name.
_OF_PROPERTY = (
    "type title description default minimum maximum enum pattern minLength maxLength confidential items uniqueItems "
    "minItems maxItems additionalItems"
).split()
NOUNS = {
    metadef_associations: "metadef_resource_type",
    metadef_objects: "metadef_object",
    metadef_properties: "metadef_property",
    metadef_tags: "metadef_tag",
}


def gone(now: datetime) -> dict[str, Any]:
    """What the payload of something says that was deleted."""
    return {"deleted": True, "deleted_at": zulu(now)}


async def emit(
    tx: Transaction,
    room: Images,
    kind: str,
    subject: str,
    payload: dict[str, Any],
    project_id: str | None = None,
    user_id: str | None = None,
) -> None:
    await room.events.emit(
        tx,
        Event(
            kind=kind,
            resource=f"{noun_of(kind)}:{subject}"[:100],
            project_id=project_id,
            user_id=user_id,
            payload=payload,
        ),
    )


# ---- images ----


async def image(tx: Transaction, room: Images, row: Row[Any]) -> dict[str, Any]:
    """An image as its events tell of it: without its locations, which may hold secrets."""
    properties, tags = await images.extras(tx, [row.id])
    there = (await images.locations(tx, [row.id]))[row.id]
    stores = [one.store for one in data.by_weight(room, there)]
    view = schemas.View(
        properties=properties[row.id], tags=tags[row.id], stores=stores, locations=None
    )
    return schemas.image(row, view)


async def happened(
    tx: Transaction, room: Images, image_id: str, *kinds: str, user_id: str | None = None
) -> None:
    """Tell of an image that is changed by something else than a request about it ("image.activate")."""
    row = await images.get_any(tx, image_id)
    if row is not None:
        payload = await image(tx, room, row)
        for kind in kinds:
            await emit(tx, room, kind, image_id, payload, row.owner, user_id)


def deleted(row: Row[Any], now: datetime) -> dict[str, Any]:
    """An image that is gone."""
    names = ("id", "name", "owner", "size", "visibility", "disk_format", "container_format")
    return {**{name: getattr(row, name) for name in names}, "status": "deleted", **gone(now)}


async def forget(tx: Transaction, room: Images, row: Row[Any]) -> None:
    """Remove an image that is no request's, and tell of it."""
    now = room.clock.now()
    await images.forget(tx, row, now)
    await emit(tx, room, "image.delete", row.id, deleted(row, now), row.owner)


def member(row: Row[Any]) -> dict[str, Any]:
    shown = schemas.member(row)
    del shown["schema"]
    return shown | _ALIVE


# ---- definitions of metadata ----


def _times(row: Row[Any]) -> dict[str, Any]:
    return {"created_at": zulu(row.created_at), "updated_at": zulu(row.updated_at)}


def namespace(row: Row[Any]) -> dict[str, Any]:
    """A namespace. What it was called before is as it is called: who renames it says otherwise."""
    names = ("namespace", "display_name", "protected", "visibility", "owner", "description")
    told = {name: getattr(row, name) for name in names}
    return {**told, "namespace_old": row.namespace, **_times(row), **_ALIVE}


def inside(of: Row[Any], table: sa.Table, row: Row[Any]) -> dict[str, Any]:
    """Something in a namespace, called so before, too, like `namespace`."""
    told = {"namespace": of.namespace, "name": row.name, "name_old": row.name}
    if table is metadef_properties:
        return {**told, **_definition(row.definition), **_ALIVE}
    if table is metadef_objects:
        properties = [
            {"name": name, **_definition(one)} for name, one in (row.properties or {}).items()
        ]
        told |= {
            "properties": properties, "required": row.required, "description": row.description
        }  # fmt: skip
    if table is metadef_associations:
        told |= {"prefix": row.prefix, "properties_target": row.properties_target}
    return {**told, **_times(row), **_ALIVE}


def _definition(definition: dict[str, Any]) -> dict[str, Any]:
    return {name: definition.get(name) for name in _OF_PROPERTY}


def notifications(event: Event, publisher: str) -> list[dict[str, Any]]:
    """An event in the field's form."""
    own = event.kind.removeprefix("image.")
    event_type = own if own.startswith(("metadef_", "task.")) else event.kind
    return [envelope(event, event_type, publisher, event.payload)]
