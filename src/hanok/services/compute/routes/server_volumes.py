"""The volumes of servers: list, show, attach, update, detach.

Source: Compute API reference, "Servers with volume attachments (servers, os-volume_attachments)".
"""

from __future__ import annotations

from typing import Any

from msgspec import UNSET
from sqlalchemy import Row
from starlette.responses import Response

from hanok.base.errors import BadInput, Conflict, Forbidden, NotFound
from hanok.services.block_storage.facade import VolumeInfo
from hanok.services.compute.logic import attaching, server_volumes, servers
from hanok.services.compute.operations import AttachVolume, DetachVolume
from hanok.services.compute.room import Compute
from hanok.services.compute.routes import acting
from hanok.services.compute.routes.servers import check_unlocked, readable
from hanok.services.compute.schemas import answers, bodies
from hanok.store import Transaction
from hanok.web.plain_lists import OffsetList
from hanok.web.request import Request, json_answer, no_content
from hanok.web.routes import Route
from hanok.web.versions import Attribute, Query, Shape

_KNOWS = Shape(
    Attribute(name="shelved", since=(2, 20)), Attribute(name="multiattach", since=(2, 60))
)
"""What of volumes older versions do not know, besides what is shown."""
LIST = OffsetList(name="volumeAttachments", maximum=1000)


def _shown(request: Request, rows: list[Row[Any]]) -> list[dict[str, Any]]:
    shown = request.shown(answers.VOLUME_ATTACHMENT)
    return [shown(answers.volume_attachment(row)) for row in rows]


async def list_attachments(request: Request, room: Compute) -> Response:
    """GET /servers/{id}/os-volume_attachments."""
    async with request.reading() as tx:
        row = await readable(request, tx)
        rows = [one for one in await server_volumes.of_server(tx, row.id) if one.volume_id]
    offset, limit = LIST.place(request)
    return json_answer({LIST.name: _shown(request, rows[offset : offset + limit])})


async def show_attachment(request: Request, room: Compute) -> Response:
    """GET /servers/{id}/os-volume_attachments/{volume}."""
    async with request.reading() as tx:
        row = await readable(request, tx)
        found = await _of(tx, row, request.path["volume_id"])
    return json_answer({"volumeAttachment": _shown(request, [found])[0]})


async def _of(tx: Transaction, server: Row[Any], volume_id: str) -> Row[Any]:
    """What the server has of a volume. Raises NotFound: nothing."""
    found = await server_volumes.get(tx, server.id, volume_id)
    if found is None:
        raise NotFound(f"Instance {server.id} is not attached to volume {volume_id[:64]}")
    return found


# ---- attach ----


async def attach(request: Request, room: Compute) -> Response:
    """POST /servers/{id}/os-volume_attachments: answer when the volume is kept, before the guest has it."""
    row = await _attach(request, room)
    answer = answers.new_volume_attachment(row)
    return json_answer({"volumeAttachment": request.shown(answers.NEW_VOLUME_ATTACHMENT)(answer)})


async def attach_later(request: Request, room: Compute) -> Response:
    """The same from 2.101: 202, and nothing else."""
    await _attach(request, room)
    return no_content(202)


async def _attach(request: Request, room: Compute) -> Row[Any]:
    body = await request.body(bodies.VolumeAttachment, key="volumeAttachment")
    attaching.check_device(None if body.device is UNSET else body.device)
    stays = body.delete_on_termination
    async with request.transaction() as tx:
        await tx.serialize("compute.volumes", request.path["server_id"])
        server = await _free(request, tx, "attach_volume", f"{_RULES}:create")
        knows_multiattach = request.shown(_KNOWS).shows("multiattach")
        volumes = room.volumes
        row = await attaching.keep(
            tx,
            room,
            request.reaching("block-storage"),
            server,
            body.volumeId,
            knows_multiattach=knows_multiattach,
            tag=None if body.tag is UNSET else body.tag,
            delete_on_termination=stays is not UNSET
            and bodies.truth(stays, "delete_on_termination"),
        )
        if server.host:
            await _begin(request, room, tx, server, row, AttachVolume)
        else:
            await volumes.complete(tx, row.attachment_id, None)
            await server_volumes.change(tx, row.id, state=server_volumes.ATTACHED)
    return row


async def _begin(
    request: Request,
    room: Compute,
    tx: Transaction,
    server: Row[Any],
    row: Row[Any],
    kind: type[AttachVolume] | type[DetachVolume],
) -> None:
    action = "attach_volume" if kind is AttachVolume else "detach_volume"
    generation = await servers.begin(tx, server, action, room.clock.now())
    operation = kind(
        server_id=server.id, generation=generation, volume_id=row.volume_id, row_id=row.id
    )
    await acting.start(request, room, tx, server, operation)


async def _free(request: Request, tx: Transaction, action: str, rule: str) -> Row[Any]:
    """The server, whose state lets volumes come and go.

    Raises:
        Conflict: it is locked, does not allow that, or is shelved, which the caller's version does not know.
    """
    row = await readable(request, tx, rule)
    shelved = row.vm_state in ("shelved", "shelved_offloaded")
    if shelved and not request.shown(_KNOWS).shows("shelved"):
        raise Conflict(
            f"Cannot '{action}' instance {row.id} while it is in vm_state {row.vm_state}"
        )
    check_unlocked(request, row)
    servers.check_action(row, action)
    return row


# ---- update ----


async def update(request: Request, room: Compute) -> Response:
    """PUT /servers/{id}/os-volume_attachments/{volume}: whether the volume goes with the server."""
    body = await request.body(bodies.ChangedVolumeAttachment, key="volumeAttachment")
    volume_id = request.path["volume_id"]
    swap = body.volumeId != volume_id
    async with request.transaction() as tx:
        if swap:
            request.allow(f"{_RULES}:swap", {})
        server = await readable(request, tx, "" if swap else f"{_RULES}:update")
        row = await _of(tx, server, volume_id)
        _check_same(body, server, row)
        if swap:
            await _refuse_swap(request, room, tx, volume_id, body.volumeId)
        if body.delete_on_termination is not UNSET:
            goes = bodies.truth(body.delete_on_termination, "delete_on_termination")
            await server_volumes.change(tx, row.id, delete_on_termination=goes)
        else:
            request.unchanged()
    return no_content(202)


async def swap(request: Request, room: Compute) -> Response:
    """The same until 2.84: another volume in the place of this one."""
    body = await request.body(bodies.SwappedVolume, key="volumeAttachment")
    async with request.transaction() as tx:
        request.allow(f"{_RULES}:swap", {})
        await servers.get(tx, request.reaching(), request.path["server_id"])
        await _refuse_swap(request, room, tx, request.path["volume_id"], body.volumeId)
    return no_content(202)


async def _refuse_swap(
    request: Request, room: Compute, tx: Transaction, volume_id: str, new_id: str
) -> None:
    """Volumes move below their servers here, which keep the volume that they have: so nothing is to be swapped.

    Raises:
        NotFound: there is no such volume. Conflict.
    """
    volumes = room.volumes
    await volumes.visible(tx, request.reaching("block-storage"), volume_id)
    raise Conflict(
        f"volume {volume_id} cannot be swapped for {new_id}: this API should only be called by block storage, which "
        "moves volumes below their servers."
    )


def _check_same(body: bodies.ChangedVolumeAttachment, server: Row[Any], row: Row[Any]) -> None:
    """Raises BadInput for what cannot be changed."""
    fixed = {
        "id": row.volume_id,
        "serverId": server.id,
        "device": row.device,
        "tag": row.tag,
        "attachment_id": row.attachment_id,
        "bdm_uuid": row.id,
    }
    for name, value in fixed.items():
        if getattr(body, name) not in (UNSET, value):
            raise BadInput(f"The {name} property is not mutable")


# ---- detach ----


async def detach(request: Request, room: Compute) -> Response:
    """DELETE /servers/{id}/os-volume_attachments/{volume}: answer 202 before the guest has let go of it."""
    volume_id = request.path["volume_id"]
    async with request.transaction() as tx:
        await tx.serialize("compute.volumes", request.path["server_id"])
        server = await readable(request, tx, f"{_RULES}:delete")
        volumes = room.volumes
        volume = await volumes.visible(tx, request.reaching("block-storage"), volume_id)
        row = await _of(tx, server, volume_id)
        if row.boot_index == 0:
            raise Forbidden("Cannot detach a root device volume")
        server = await _free(request, tx, "detach_volume", f"{_RULES}:delete")
        _check_attached(volume, row)
        await volumes.detaching(tx, row.attachment_id)
        if server.host:
            await server_volumes.change(tx, row.id, state=server_volumes.DETACHING)
            await _begin(request, room, tx, server, row, DetachVolume)
        else:
            await volumes.release(tx, row.attachment_id)
            await server_volumes.forget(tx, row.id)
    return no_content(202)


def _check_attached(volume: VolumeInfo, row: Row[Any]) -> None:
    """Raises BadInput unless the server has the volume, and is not letting go of it."""
    if row.state != server_volumes.ATTACHED:
        status = "detaching" if row.state == server_volumes.DETACHING else volume.status
        raise BadInput(
            "Invalid volume: Unable to detach volume. Volume status must be 'in-use' and attach_status must be "
            f"'attached' to detach. Currently: status: '{status}'."
        )


_RULES = "os_compute_api:os-volumes-attachments"
_ALL = "/v2.1/servers/{server_id}/os-volume_attachments"
_ONE = _ALL + "/{volume_id}"
ROUTES = (
    Route(
        "GET",
        _ALL,
        list_attachments,
        (f"{_RULES}:index",),
        query=Query(*LIST.parameters, closed=(2, 75)),
    ),
    Route("GET", _ONE, show_attachment, (f"{_RULES}:show",)),
    Route(
        "POST",
        _ALL,
        attach,
        (f"{_RULES}:create",),
        strict=True,
        body=bodies.VolumeAttachment,
        member="volumeAttachment",
        maximum=(2, 100),
    ),
    Route(
        "POST",
        _ALL,
        attach_later,
        (f"{_RULES}:create",),
        strict=True,
        body=bodies.VolumeAttachment,
        member="volumeAttachment",
        minimum=(2, 101),
    ),
    Route(
        "PUT",
        _ONE,
        swap,
        (f"{_RULES}:swap",),
        strict=True,
        body=bodies.SwappedVolume,
        member="volumeAttachment",
        maximum=(2, 84),
        event="compute.instance.volume_update",
    ),
    Route(
        "PUT",
        _ONE,
        update,
        (f"{_RULES}:update", f"{_RULES}:swap"),
        strict=True,
        body=bodies.ChangedVolumeAttachment,
        member="volumeAttachment",
        minimum=(2, 85),
        event="compute.instance.volume_update",
    ),
    Route("DELETE", _ONE, detach, (f"{_RULES}:delete",)),
)
