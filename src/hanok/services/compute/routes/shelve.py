"""Servers that are kept as images, and brought back."""

from __future__ import annotations

from typing import Any

from msgspec import UNSET
from sqlalchemy import Row
from starlette.responses import Response

from hanok.base.errors import BadInput, Conflict
from hanok.services.compute.logic import hosts, servers, snapshots
from hanok.services.compute.operations import (
    OffloadServer,
    ShelveServer,
    ShelveVolumeBacked,
    UnshelveServer,
    WakeServer,
)
from hanok.services.compute.room import Compute
from hanok.services.compute.routes.acting import PATH, optional, start, unlocked
from hanok.services.compute.routes.servers import readable
from hanok.services.compute.schemas import bodies
from hanok.store import Transaction
from hanok.web.request import Request, no_content
from hanok.web.routes import Route

_SHELVE = "os_compute_api:os-shelve:shelve"
_OFFLOAD = "os_compute_api:os-shelve:shelve_offload"
_UNSHELVE = "os_compute_api:os-shelve:unshelve"
_TO_HOST = "os_compute_api:os-shelve:unshelve_to_host"


async def shelve(request: Request, room: Compute) -> Response:
    """shelve: an image named NAME-shelved keeps the disk; the host is left as the settings say.

    Source: Compute API reference, "Shelve Server (shelve Action)".
    """
    caller = request.reaching()
    async with request.transaction() as tx:
        row = await unlocked(request, tx, "shelve")
        generation = await servers.begin(tx, row, "shelve", room.clock.now())
        if not row.image_id:
            away = ShelveVolumeBacked(server_id=row.id, generation=generation)
            await start(request, room, tx, row, away)
            return no_content(202)
        image_id = await snapshots.new_image(tx, room, caller, row, f"{row.name}-shelved"[:255], {})
        operation = ShelveServer(
            server_id=row.id,
            generation=generation,
            image_id=image_id,
            owner=caller.project_id or "",
            offload=room.settings.shelved_offload_time_s == 0,
        )
        await start(request, room, tx, row, operation)
    return no_content(202)


async def offload(request: Request, room: Compute) -> Response:
    """shelveOffload: a shelved server leaves its host now."""
    async with request.transaction() as tx:
        row = await unlocked(request, tx, "shelveOffload")
        generation = await servers.begin(tx, row, "shelveOffload", room.clock.now())
        operation = OffloadServer(server_id=row.id, generation=generation)
        await start(request, room, tx, row, operation)
    return no_content(202)


async def unshelve(request: Request, room: Compute) -> Response:
    """unshelve: to a zone or host, if one is named.

    Source: Compute API reference, "Unshelve (Restore) Shelved Server (unshelve Action)".
    """
    body = await optional(request, bodies.Unshelve, "unshelve") or bodies.Unshelve()
    return await _unshelved(request, room, body)


async def unshelve_anywhere(request: Request, room: Compute) -> Response:
    """unshelve before 2.77: what stands behind the name is not looked at (Terraform's provider sends the zone)."""
    return await _unshelved(request, room, bodies.Unshelve())


async def _unshelved(request: Request, room: Compute, body: bodies.Unshelve) -> Response:
    async with request.transaction() as tx:
        row = await readable(request, tx)
        if body.host is not UNSET:
            request.allow(_TO_HOST, project_id=row.project_id, user_id=row.user_id)
        row = await unlocked(request, tx, "unshelve")
        away = row.vm_state == "shelved_offloaded"
        changes = await _place(tx, row, body)
        generation = await servers.begin(tx, row, "unshelve", room.clock.now())
        if away:
            await servers.change(tx, row.id, changes)
        kind = UnshelveServer if away else WakeServer
        operation = kind(
            server_id=row.id, generation=generation, image_id=row.shelved_image_id or ""
        )
        await start(request, room, tx, row, operation)
    return no_content(202)


async def _place(tx: Transaction, row: Row[Any], body: bodies.Unshelve) -> dict[str, Any]:
    """Zone and host where the server is to come back, by column.

    Raises:
        BadInput: there is no such zone or host. Conflict: the server has not left its host, or the host is elsewhere.
    """
    zone, host = row.requested_zone, None if body.host is UNSET else body.host
    if body.availability_zone is not UNSET:
        zone = body.availability_zone
    named = body.availability_zone is not UNSET or host is not None
    if named and row.vm_state != "shelved_offloaded":
        raise Conflict(
            f"Specifying an availability zone or a host when unshelving server '{row.id}' with status "
            f"'{row.vm_state.upper()}' is not supported. The server status must be SHELVED_OFFLOADED."
        )
    known = {one.host: one.zone for one in await hosts.nodes(tx)}
    if body.availability_zone not in (UNSET, None, *known.values()):
        raise BadInput("The requested availability zone is not available")
    if host is not None and host not in known:
        raise BadInput(f"Compute host {host} could not be found.")
    if host is not None and zone not in (None, known[host]):
        raise Conflict(f"Host '{host}' is not in the availability zone '{zone}'.")
    return {"requested_zone": zone, "requested_host": host}


ROUTES = (
    Route("POST", PATH, shelve, (_SHELVE,), body_key="shelve"),
    Route("POST", PATH, offload, (_OFFLOAD,), body_key="shelveOffload"),
    Route(
        "POST",
        PATH,
        unshelve,
        (_UNSHELVE, _TO_HOST),
        body_key="unshelve",
        strict=True,
        body=bodies.Unshelve,
        minimum=(2, 77),
    ),
    Route("POST", PATH, unshelve_anywhere, (_UNSHELVE,), body_key="unshelve", maximum=(2, 76)),
)
