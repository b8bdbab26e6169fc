"""Images: who may see them, how they change."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Row, bindparam

from hanok.base.errors import Conflict, NotFound
from hanok.base.ids import new_uuid
from hanok.services.image.tables import (
    VALUE_START,
    image_cache,
    image_locations,
    image_members,
    image_properties,
    image_tags,
    image_trash,
    images,
    used_ids,
)
from hanok.store import Duplicate, Transaction
from hanok.web.token import Caller

_by_id = sa.select(images).where(images.c.id == bindparam("id"))
_member = sa.select(image_members).where(
    image_members.c.image_id == bindparam("image_id"),
    image_members.c.member_id == bindparam("member_id"),
)
_broken_uploads = sa.select(images).where(
    images.c.status.in_(("saving", "uploading")), images.c.upload_seen_at < bindparam("before")
)
_properties = sa.select(image_properties).where(
    image_properties.c.image_id.in_(bindparam("ids", expanding=True))
)
_tags = (
    sa.select(image_tags)
    .where(image_tags.c.image_id.in_(bindparam("ids", expanding=True)))
    .order_by(image_tags.c.tag)
)
_locations = (
    sa.select(image_locations)
    .where(image_locations.c.image_id.in_(bindparam("ids", expanding=True)))
    .order_by(image_locations.c.position)
)
_at_place = sa.select(image_locations.c.id).where(
    image_locations.c.store == bindparam("store"), image_locations.c.address == bindparam("address")
)
_WEB = ("http://", "https://")
ATTEMPT = "#"  # in the trash: stands between a key and the attempt that left something


def missing(image_id: str) -> NotFound:
    return NotFound(f"Failed to find image {image_id}")


async def get_any(tx: Transaction, image_id: str) -> Row[Any] | None:
    """An image, whoever asks."""
    return await tx.first(_by_id, {"id": image_id})


async def membership(tx: Transaction, image_id: str, project_id: str | None) -> Row[Any] | None:
    """What a project's membership in a shared image says."""
    if project_id is None:
        return None
    return await tx.first(_member, {"image_id": image_id, "member_id": project_id})


async def get(tx: Transaction, caller: Caller, image_id: str) -> Row[Any]:
    """An image with the caller's eyes: its own, public and community ones, and those shared with it.

    Raises:
        NotFound: there is none, or the caller may not see it.
    """
    row = await tx.first(_by_id, {"id": image_id})
    if row is None:
        raise missing(image_id)
    if (
        caller.everywhere
        or row.owner == caller.project_id
        or row.visibility in ("public", "community")
        or (
            row.visibility == "shared"
            and await membership(tx, image_id, caller.project_id) is not None
        )
    ):
        return row
    raise missing(image_id)


async def extras(
    tx: Transaction, ids: Sequence[str]
) -> tuple[dict[str, dict[str, str]], dict[str, list[str]]]:
    """Further properties and tags of images, by image: two statements for a page."""
    properties: dict[str, dict[str, str]] = {one: {} for one in ids}
    tags: dict[str, list[str]] = {one: [] for one in ids}
    if ids:
        for row in await tx.all(_properties, {"ids": list(ids)}):
            properties[row.image_id][row.name] = row.value
        for row in await tx.all(_tags, {"ids": list(ids)}):
            tags[row.image_id].append(row.tag)
    return properties, tags


async def locations(tx: Transaction, ids: Sequence[str]) -> dict[str, list[Row[Any]]]:
    """Where the bytes of images are, by image, in their order."""
    found: dict[str, list[Row[Any]]] = {one: [] for one in ids}
    if ids:
        for row in await tx.all(_locations, {"ids": list(ids)}):
            found[row.image_id].append(row)
    return found


async def add_location(
    tx: Transaction,
    image_id: str,
    store: str,
    address: str,
    *,
    metadata: dict[str, Any] | None = None,
    position: int | None = None,
) -> None:
    """The image's bytes are here, too.

    Args:
        position: its place among the locations; the last one when left out.

    Raises:
        Conflict: the image has this location already.
    """
    there = (await locations(tx, [image_id]))[image_id]
    place = len(there) if position is None else position
    for number, row in enumerate(there):
        requested = number + (number >= place)
        if row.position != requested:
            await tx.execute(
                image_locations.update()
                .where(image_locations.c.id == row.id)
                .values(position=requested)
            )
    values = {
        "id": new_uuid(),
        "image_id": image_id,
        "position": place,
        "store": store,
        "address": address,
        "metadata": metadata or {},
    }
    try:
        await tx.insert(image_locations, values)
    except Duplicate as error:
        raise Conflict(f"Image {image_id} is already there.") from error


async def place_location(
    tx: Transaction, location_id: str, position: int, metadata: dict[str, Any]
) -> None:
    """A location stands there among the image's, and says this of itself."""
    changed = image_locations.update().where(image_locations.c.id == location_id)
    await tx.execute(changed.values(position=position, metadata=metadata))


async def is_taken(tx: Transaction, store: str, address: str) -> bool:
    """Whether some image's bytes are there."""
    return await tx.first(_at_place, {"store": store, "address": address}) is not None


async def remove_location(tx: Transaction, row: Row[Any], now: datetime) -> bool:
    """A location is no more; bytes that are ours go to the trash. False when it was gone already."""
    gone = await tx.count(image_locations.delete().where(image_locations.c.id == row.id))
    if gone:
        await throw_away(tx, row.store, row.address, now)
    return bool(gone)


async def throw_away(tx: Transaction, store: str, address: str, now: datetime) -> None:
    """Have an object freed after this transaction."""
    if address.startswith(_WEB):
        return
    still = sa.select(image_locations.c.id).where(
        image_locations.c.store == store, image_locations.c.address == address
    )
    if await tx.first(still) is None:
        with contextlib.suppress(Duplicate):
            await tx.insert(image_trash, {"store": store, "address": address, "created_at": now})


async def in_trash(tx: Transaction, store: str, address: str) -> bool:
    """Whether the object is still to be freed: until then nothing is put there."""
    return (
        await tx.first(
            sa.select(image_trash.c.store).where(
                image_trash.c.store == store, image_trash.c.address == address
            )
        )
        is not None
    )


async def create(
    tx: Transaction,
    values: dict[str, Any],
    properties: dict[str, str],
    tags: Sequence[str],
    now: datetime,
) -> Row[Any]:
    """A new image without data.

    Raises:
        Conflict: an image has or had this id.
    """
    try:
        await tx.insert(used_ids, {"id": values["id"]})
    except Duplicate as error:
        raise Conflict(f"Image ID {values['id']} already exists!") from error
    await tx.execute(
        images.insert(),
        {
            "name": None,
            "status": "queued",
            "protected": False,
            "os_hidden": False,
            "disk_format": None,
            "container_format": None,
            "min_disk": 0,
            "min_ram": 0,
            "created_at": now,
            "updated_at": now,
            "upload": 0,
            **values,
        },
    )
    await set_properties(tx, values["id"], properties)
    await set_tags(tx, values["id"], tags)
    row = await get_any(tx, values["id"])
    assert row is not None
    return row


async def set_properties(tx: Transaction, image_id: str, properties: dict[str, str]) -> None:
    await tx.execute(image_properties.delete().where(image_properties.c.image_id == image_id))
    if properties:
        await tx.execute(
            image_properties.insert(),
            [
                {"image_id": image_id, "name": k, "value": v, "value_start": v[:VALUE_START]}
                for k, v in properties.items()
            ],
        )


def has_property(name: str, value: str) -> sa.ColumnElement[bool]:
    """The row of a further property with this value."""
    return sa.and_(
        image_properties.c.name == name,
        image_properties.c.value_start == value[:VALUE_START],
        image_properties.c.value == value,
    )


async def set_tags(tx: Transaction, image_id: str, tags: Sequence[str]) -> None:
    await tx.execute(image_tags.delete().where(image_tags.c.image_id == image_id))
    if tags:
        await tx.execute(image_tags.insert(), [{"image_id": image_id, "tag": tag} for tag in tags])


async def change(tx: Transaction, image_id: str, values: Mapping[str, Any], now: datetime) -> None:
    """Set columns of an image."""
    changed = images.update().where(images.c.id == image_id)
    await tx.execute(changed.values(updated_at=now, **values))


async def note_signed(tx: Transaction, image_id: str, mark: str) -> None:
    """What is known of the data's signature. Nobody changed the image."""
    await tx.execute(images.update().where(images.c.id == image_id).values(signed_as=mark))


async def switch(tx: Transaction, image_id: str, before: str, after: str, now: datetime) -> None:
    """The image's status, if it is the one before, is the one after."""
    changed = images.update().where(images.c.id == image_id, images.c.status == before)
    await tx.execute(changed.values(status=after, updated_at=now))


async def forget(tx: Transaction, image: Row[Any], now: datetime) -> None:
    """Remove an image's rows; its bytes go to the trash, also those of an upload. Its id stays used."""
    image_id = image.id
    for row in (await locations(tx, [image_id]))[image_id]:
        await remove_location(tx, row, now)
    await throw_away_upload(tx, image, now)
    for table in (image_properties, image_tags, image_members, image_cache):
        await tx.execute(table.delete().where(table.c.image_id == image_id))
    await tx.execute(images.delete().where(images.c.id == image_id))


async def throw_away_upload(tx: Transaction, image: Row[Any], now: datetime) -> None:
    """Have freed what an upload left that died, be it before its bytes were whole or before the row said so."""
    if image.upload_seen_at is not None and image.upload_store:
        for address in (image.id, f"{image.id}{ATTEMPT}{image.upload}"):
            await throw_away(tx, image.upload_store, address, now)


async def begin_upload(
    tx: Transaction, row: Row[Any], store: str, now: datetime, *, status: str = "saving"
) -> int:
    """Claim the image for one upload: of two at once, one goes on.

    Args:
        store: where the bytes go; "" for staging.
        status: saving, or uploading for data that is only staged.

    Returns:
        The upload's number, for `finish_upload` and `give_up_upload`.

    Raises:
        Conflict: it has data, or another upload is under way.
    """
    claimed = (
        images.update()
        .where(
            images.c.id == row.id,
            images.c.status == "queued",
            images.c.upload == row.upload,
            images.c.import_task.is_(None),
        )
        .values(
            status=status,
            upload=row.upload + 1,
            upload_seen_at=now,
            upload_store=store,
            updated_at=now,
        )
    )
    if await tx.count(claimed):
        await _forget_failed(tx, row.id, now)
    else:
        fresh = await get_any(tx, row.id)
        if fresh is None:
            raise missing(row.id)
        raise Conflict(f"Image status transition from {fresh.status} to {status} is not allowed")
    return int(row.upload) + 1


async def _forget_failed(tx: Transaction, image_id: str, now: datetime) -> None:
    """A queued image may still show a location on the web that was not good; new data takes its place."""
    for location in (await locations(tx, [image_id]))[image_id]:
        await remove_location(tx, location, now)


def _of_upload(image_id: str, number: int) -> sa.ColumnElement[bool]:
    return sa.and_(
        images.c.id == image_id,
        images.c.upload == number,
        images.c.status.in_(("saving", "uploading")),
        images.c.upload_seen_at.is_not(None),
    )


async def finish_upload(
    tx: Transaction, image_id: str, number: int, values: dict[str, Any], now: datetime
) -> bool:
    """Data is complete. Returns False when the image was deleted or given to another upload meanwhile."""
    return bool(
        await tx.count(
            images.update()
            .where(_of_upload(image_id, number))
            .values(updated_at=now, upload_seen_at=None, **values)
        )
    )


async def give_up_upload(tx: Transaction, image_id: str, number: int, now: datetime) -> bool:
    """The upload broke: the image waits for data as before. False when it was not the image's upload any more."""
    return bool(
        await tx.count(
            images.update()
            .where(_of_upload(image_id, number))
            .values(status="queued", updated_at=now, upload_seen_at=None, size=None)
        )
    )


async def touch_upload(tx: Transaction, image_id: str, number: int, now: datetime) -> bool:
    """The upload is alive. False when it is not the image's upload any more."""
    return bool(
        await tx.count(
            images.update().where(_of_upload(image_id, number)).values(upload_seen_at=now)
        )
    )


async def broken_uploads(tx: Transaction, before: datetime) -> list[Row[Any]]:
    """Uploads that nobody has been heard of since."""
    return list(await tx.all(_broken_uploads, {"before": before}))


async def begin_import(
    tx: Transaction,
    row: Row[Any],
    task_id: str,
    stores: Sequence[str],
    now: datetime,
    *,
    status: str | None = "importing",
) -> None:
    """Claim the image for one import.

    Args:
        status: what it shows meanwhile; None leaves it (a copy of an active image).

    Raises:
        Conflict: it is in another state by now, or another import is under way.
    """
    values: dict[str, Any] = {
        "import_task": task_id,
        "importing_to": ",".join(stores),
        "failed_import": "",
        "updated_at": now,
    }
    if status is not None:
        values["status"] = status
    claimed = (
        images.update()
        .where(images.c.id == row.id, images.c.status == row.status, images.c.import_task.is_(None))
        .values(**values)
    )
    if not await tx.count(claimed):
        raise Conflict(
            f"New operation on image '{row.id}' is not permitted as prior operation is still in progress"
        )
    if row.status == "queued":
        await _forget_failed(tx, row.id, now)


async def change_import(
    tx: Transaction, image_id: str, task_id: str, values: dict[str, Any], now: datetime
) -> bool:
    """Change an image that this task imports into. False when it is not, or gone."""
    return bool(
        await tx.count(
            images.update()
            .where(images.c.id == image_id, images.c.import_task == task_id)
            .values(updated_at=now, **values)
        )
    )


async def nothing_to_import(tx: Transaction, row: Row[Any], now: datetime) -> None:
    """An import that ended before it began."""
    await tx.execute(
        images.update()
        .where(images.c.id == row.id, images.c.import_task.is_(None))
        .values(importing_to="", failed_import="", updated_at=now)
    )
