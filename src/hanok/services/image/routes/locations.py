"""Locations: where an image's bytes are, as owners change it and as services ask for it."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

from sqlalchemy import Row
from starlette.responses import Response

from hanok.base.errors import BadInput, Conflict, Forbidden, TooLarge
from hanok.base.ids import new_uuid
from hanok.drivers.image_stores import web
from hanok.services.image import schemas
from hanok.services.image.logic import images, tasks
from hanok.services.image.operations import AddLocation
from hanok.services.image.room import Images
from hanok.services.image.routes.views import location, readable
from hanok.store import Transaction
from hanok.web.request import Request, json_answer, no_content
from hanok.web.routes import Route

MAXIMUM = 10
URL_LENGTH = 1024


def read(value: Any) -> tuple[str, dict[str, Any], dict[str, str]]:
    """A location as it was sent: url, metadata, what is said of the data.

    Raises:
        BadInput: it is none.
    """
    if not isinstance(value, dict) or not isinstance(value.get("url"), str):
        raise BadInput("A location is an object with url and metadata.")
    unknown = set(value) - {"url", "metadata", "validation_data"}
    if unknown:
        raise BadInput(f"A location has no {sorted(unknown)[0][:100]!r}.")
    metadata = value.get("metadata", {})
    said = value.get("validation_data", {})
    if not isinstance(metadata, dict) or len(value["url"]) > URL_LENGTH:
        raise BadInput("A location is an object with url and metadata.")
    if not isinstance(said, dict) or any(not isinstance(one, str) for one in said.values()):
        raise BadInput("validation_data is an object of texts.")
    if said and not {"os_hash_algo", "os_hash_value"} <= set(said):
        raise BadInput("validation_data needs os_hash_algo and os_hash_value.")
    if set(said) - {"os_hash_algo", "os_hash_value", "checksum"}:
        raise BadInput("validation_data has os_hash_algo, os_hash_value and checksum.")
    return value["url"], {k: v for k, v in metadata.items() if k != "store"}, said


def place_of(room: Images, url: str, *, inside: bool) -> tuple[str, str]:
    """Store and address of a location.

    Args:
        inside: whether the caller may name objects in the stores of this house.

    Raises:
        BadInput: it is neither on the web, where the rules allow it, nor in a store of ours.
    """
    for store, kept in room.stores.items():
        name = url.rsplit("/", 1)[-1]
        if inside and name and kept.url(name) == url:
            return store, name
    if not room.web_store or not url.startswith(("http://", "https://")):
        raise BadInput("Invalid location: only http and https are taken.")
    try:
        web.check_url(room.settings.web, url)
    except web.NotAllowed as error:
        raise BadInput(f"Invalid location: URI does not pass filtering: {error}.") from None
    return room.web_store, url


async def look_up(room: Images, changes: Sequence[schemas.Change]) -> dict[str, int | None]:
    """How many bytes there are at the addresses that a patch would add; asked before any transaction.

    Raises:
        BadInput: nobody answers there.
    """
    sizes: dict[str, int | None] = {}
    if not room.settings.show_multiple_locations:
        return sizes
    for change in changes:
        if change.name != "locations" or change.op == "remove":
            continue
        values = change.value if isinstance(change.value, list) else [change.value]
        for value in values[:MAXIMUM]:
            url, _, _ = read(value)
            if room.web_store and url.startswith(("http://", "https://")) and url not in sizes:
                try:
                    sizes[url] = await web.size(room.settings.web, url)
                except (web.NotAllowed, web.WebBroken) as error:
                    raise BadInput(f"Invalid location: {error}.") from None
    return sizes


async def change(
    request: Request,
    room: Images,
    tx: Transaction,
    row: Row[Any],
    change: schemas.Change,
    sizes: dict[str, int | None],
) -> dict[str, Any]:
    """One line of a patch of locations. Returns what becomes of the image's own columns."""
    rule = "delete_image_location" if change.op == "remove" else "set_image_location"
    if not request.may(rule, {"project_id": row.owner, "owner": row.owner}):
        raise Forbidden(f"You are not authorized to complete {rule} action.")
    if change.op == "replace" and not change.value:
        raise Forbidden("Cannot set locations to empty list.")
    if not room.settings.show_multiple_locations:
        raise Forbidden("It's not allowed to change locations if locations are invisible.")
    requested = ("active",) if change.op == "remove" else ("active", "queued")
    if row.status not in requested:
        raise Conflict(
            f"It's not allowed to {change.op} locations if image status is {row.status}."
        )
    there = (await images.locations(tx, [row.id]))[row.id]
    if change.op == "remove":
        return await _remove(tx, room, row, there, change)
    if change.op == "add":
        return await _add(tx, room, row, there, change.value, change.place, sizes)
    return await _replace(tx, room, row, there, change.value, sizes)


async def _remove(
    tx: Transaction,
    room: Images,
    row: Row[Any],
    there: list[Row[Any]],
    change: schemas.Change,
) -> dict[str, Any]:
    if len(there) == 1:
        raise Forbidden("Cannot remove last location in the image.")
    place = len(there) - 1 if change.place == "-" else int(change.place)
    if place >= len(there):
        raise BadInput("Invalid position for removing a location.")
    await images.remove_location(tx, there[place], room.clock.now())
    return {}


async def _add(
    tx: Transaction,
    room: Images,
    row: Row[Any],
    there: list[Row[Any]],
    value: Any,
    place: str,
    sizes: dict[str, int | None],
) -> dict[str, Any]:
    url, metadata, said = read(value)
    own = _said(row, said)
    store, address = place_of(room, url, inside=False)
    if len(there) >= MAXIMUM:
        raise TooLarge(f"An image has at most {MAXIMUM} locations.")
    position = None if place == "-" else int(place)
    if position is not None and position > len(there):
        raise BadInput("Invalid position for adding a location.")
    try:
        await images.add_location(tx, row.id, store, address, metadata=metadata, position=position)
    except Conflict as error:
        raise BadInput(f"Location {url[:200]} already exists.") from error
    if row.status == "queued":
        own |= {"status": "active", "size": sizes.get(url)}
    return own


async def _replace(
    tx: Transaction,
    room: Images,
    row: Row[Any],
    there: list[Row[Any]],
    value: Any,
    sizes: dict[str, int | None],
) -> dict[str, Any]:
    if not isinstance(value, list):
        raise BadInput("Locations are a list.")
    if not there:
        own: dict[str, Any] = {}
        for one in value:
            now = (await images.locations(tx, [row.id]))[row.id]
            own |= await _add(tx, room, row, now, one, "-", sizes)
        return own
    known = {
        room.stores[one.store].url(one.address) if one.store in room.stores else one.address: one
        for one in there
    }
    sent = [read(one) for one in value]
    if sorted(url for url, _, _ in sent) != sorted(known):
        raise BadInput("Original locations is not empty: they can only be reordered.")
    for position, (url, metadata, _) in enumerate(sent):
        await images.place_location(tx, known[url].id, position, metadata)
    return {}


def _said(row: Row[Any], said: dict[str, str]) -> dict[str, Any]:
    """What a location says of the data, as columns of an image that does not know it yet.

    Raises:
        Conflict: the image knows better, or it is in no state to learn it. BadInput: it cannot be.
    """
    fresh = {}
    for name, value in said.items():
        known = getattr(row, name)
        if known and known != value:
            raise Conflict(f"{name} is already set with a different value")
        if not known:
            fresh[name] = value
    if not fresh:
        return {}
    if row.status != "queued":
        raise Conflict("Checksums may only be given while the image is queued.")
    if fresh.get("os_hash_algo") != "sha512":
        raise Conflict("os_hash_algo must be sha512.")
    if not _is_hex(fresh["os_hash_value"], 64):
        raise Conflict("os_hash_value is not a valid hash of this kind.")
    if "checksum" in fresh and not _is_hex(fresh["checksum"], 16):
        raise Conflict("checksum is not a valid MD5 hash.")
    return dict(fresh)


def _is_hex(text: str, length: int) -> bool:
    try:
        return len(bytes.fromhex(text)) == length and len(text) == 2 * length
    except ValueError:
        return False


_ALGORITHMS = ("sha1", "sha224", "sha256", "sha384", "sha512")


async def add_location(request: Request, room: Images) -> Response:
    """POST /v2/images/{id}/locations: data that is somewhere already becomes the image's.

    Source: Image API reference, "Add Location".
    """
    body = await request.json()
    if not isinstance(body, dict) or "url" not in body:
        raise BadInput("The body needs the url of a location.")
    said = body.get("validation_data") or {}
    url, _, said = read({**body, "validation_data": said})
    if said:
        algorithm, value = said["os_hash_algo"], said["os_hash_value"]
        if algorithm not in _ALGORITHMS:
            raise BadInput(f"os_hash_algo must be one of {', '.join(_ALGORITHMS)}.")
        if not _is_hex(value, hashlib.new(algorithm).digest_size):
            raise BadInput(f"os_hash_value is not a valid {algorithm} hash.")
    service = bool({"service", "admin"} & {role.lower() for role in request.token.roles})
    async with request.transaction() as tx:
        row = await readable(request, tx, "add_image_location")
        if row.status != "queued":
            raise Conflict(f"It's not allowed to add locations if image status is {row.status}.")
        if not room.web_store and not service:
            raise Forbidden("http store must be enabled to use location API by normal user.")
        store, address = place_of(room, url, inside=service)
        if not address.startswith("http") and await images.is_taken(tx, store, address):
            raise Conflict("The object at this location belongs to another image.")
        now, task_id = room.clock.now(), new_uuid()
        given = {"image_id": row.id, "loc_url": url, "validation_data": said}
        await tasks.create(
            tx, room, request.token, task_id=task_id, kind="location_import", image_id=row.id,
            given=given, now=now,
        )  # fmt: skip
        await images.begin_import(tx, row, task_id, (), now)
        await room.operations.start(
            tx,
            AddLocation(
                image_id=row.id,
                task_id=task_id,
                store=store,
                address=address,
                os_hash_algo=said.get("os_hash_algo", ""),
                os_hash_value=said.get("os_hash_value", ""),
            ),
            user_id=request.token.user_id,
            project_id=request.token.project_id,
        )
    return no_content(202)


async def show_locations(request: Request, room: Images) -> Response:
    """GET /v2/images/{id}/locations: for services."""
    async with request.reading() as tx:
        row = await readable(request, tx, "fetch_image_location")
        there = (await images.locations(tx, [row.id]))[row.id]
    return json_answer([location(room, one) for one in there])


_ALL = "/v2/images/{image_id}/locations"
ROUTES = (
    Route("POST", _ALL, add_location, ("add_image_location",), body=schemas.location_body),
    Route("GET", _ALL, show_locations, ("fetch_image_location",)),
)
