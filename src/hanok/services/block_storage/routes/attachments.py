"""Attachments: kept, connected, completed, deleted.

Source: Block Storage API reference, "Attachments".
"""

from __future__ import annotations

import contextlib
from typing import Any

from sqlalchemy import Row
from starlette.responses import Response

from hanok.base.errors import Conflict, HanokError, NotFound, Unavailable
from hanok.base.failpoints import failpoint
from hanok.services.block_storage.logic import attachments, opening, volumes
from hanok.services.block_storage.room import Volumes
from hanok.services.block_storage.routes import lists
from hanok.services.block_storage.schemas import answers, bodies
from hanok.services.block_storage.schemas.bodies import given
from hanok.services.block_storage.tables import volume_attachments as table
from hanok.store import Transaction
from hanok.web.request import Request, json_answer, no_content
from hanok.web.routes import Route
from hanok.web.versions import Query

SINCE = (3, 27)
COMPLETED = (3, 44)
BOOTABLE = "volume:multiattach_bootable_volume"

LIST = lists.declared(
    table,
    "attachments",
    "Volume attachment",
    filters=(
        "id", "volume_id", "instance_id", "instance_uuid", "status", "attach_status", "project_id",
    ),
    sort=("id", "volume_id", "instance_id", "attach_status", "created_at", "updated_at"),
    columns={
        "instance_id": table.c.server_id,
        "instance_uuid": table.c.server_id,
        "attach_status": table.c.status,
    },
)  # fmt: skip
QUERY = Query("all_tenants", *LIST.parameters)


_mine = lists.finder(attachments.get, "attachment_id", user=False)


async def _to_change(request: Request, room: Volumes, tx: Transaction) -> Row[Any]:
    """The same, if it may be changed here. Raises Conflict: a server has it."""
    row = await _mine(request, tx)
    await attachments.check_not_servers(tx, room, row)
    return row


async def list_attachments(request: Request, room: Volumes) -> Response:
    return await _list(request, detailed=False)


async def list_detailed(request: Request, room: Volumes) -> Response:
    return await _list(request, detailed=True)


async def _list(request: Request, *, detailed: bool) -> Response:
    request.allow("volume:get_all", project_id=request.token.project_id)
    statement = attachments.of(
        request.reaching(), attachments.WHOLE, everywhere=lists.everywhere(request)
    )
    async with request.reading() as tx:
        page = await LIST.page(request, tx, statement)
    items = [answers.attachment(row, detailed=detailed) for row in page.rows]
    return json_answer(LIST.answer(request, page, items))


async def show_attachment(request: Request, room: Volumes) -> Response:
    async with request.reading() as tx:
        row = await _mine(request, tx)
    return json_answer({"attachment": answers.attachment(row)})


async def create_attachment(request: Request, room: Volumes) -> Response:
    """POST /attachments: the volume is kept for somebody, and opened for a connector, if there is one already."""
    body = await request.body(bodies.NewAttachment, key="attachment")
    mode, connector = given(body.mode), given(body.connector)
    async with request.transaction() as tx:
        request.allowed_by_hand()
        volume = await volumes.to_change(tx, request.reaching(), body.volume_uuid)
        target = {"project_id": volume.project_id, "user_id": volume.user_id}
        request.allow("volume:attachment_create", target)
        if volume.bootable and volume.multiattach and volume.status == "in-use":
            request.allow(BOOTABLE, target)
        mode = mode or (connector or {}).get("mode")
        row = await attachments.reserve(
            tx, room, volume, given(body.instance_uuid), mode=mode if mode in ("ro", "rw") else None
        )
        request.made(row.id)
    if connector:
        try:
            row = await _connect(request, room, row, connector, mode="")
        except HanokError:
            await _take_back(room, row)
            raise
    return json_answer({"attachment": answers.attachment(row)})


async def _take_back(room: Volumes, row: Row[Any]) -> None:
    """The volume is kept for nobody by an attachment that could not be made."""
    async with room.database.read() as tx:
        volume = await volumes.get_any(tx, row.volume_id)
        row = await attachments.get_any(tx, row.id) or row
    if volume is not None:
        with contextlib.suppress(Unavailable, Conflict):  # nobody was told of what may be open
            await opening.close_volume(room, volume, row.id, row.generation)
    async with room.database.write() as tx:
        if await attachments.get_any(tx, row.id) is not None:
            await attachments.release(tx, room, row)


async def _connect(
    request: Request, room: Volumes, row: Row[Any], connector: dict[str, Any], *, mode: str
) -> Row[Any]:
    """The volume is opened for a connector, and its attachment says so."""
    mode = mode or row.mode or "rw"
    async with room.database.write() as tx:
        volume = await volumes.get(tx, request.reaching(), row.volume_id)
        attachments.check_mode(volume, mode)
        generation = await attachments.connecting(tx, row.id, connector)
    host, read_only = opening.host_of(connector), mode == "ro"
    address = await opening.open_volume(
        room, volume, row.id, host=host, read_only=read_only, generation=generation
    )
    connection = attachments.connection(volume, row.id, address, mode)
    await failpoint("block_storage.connect_attachment.opened")
    try:
        async with request.transaction() as tx:
            return await attachments.opened(tx, room, row.id, connector, connection, mode=mode)
    except NotFound:  # it was deleted meanwhile
        await opening.close_volume(room, volume, row.id, generation)
        raise


async def update_attachment(request: Request, room: Volumes) -> Response:
    """PUT /attachments/{id}: the volume is opened for a connector."""
    body = await request.body(bodies.ChangedAttachment, key="attachment")
    async with request.reading() as tx:
        row = await _to_change(request, room, tx)
    row = await _connect(request, room, row, body.connector, mode=given(body.mode) or "")
    return json_answer({"attachment": answers.attachment(row)})


async def complete_attachment(request: Request, room: Volumes) -> Response:
    """POST /attachments/{id}/action, os-complete: who has it says so, however it was connected."""
    async with request.transaction() as tx:
        row = await _to_change(request, room, tx)
        await attachments.complete(tx, room, row)
    return no_content(204)


async def delete_attachment(request: Request, room: Volumes) -> Response:
    """DELETE /attachments/{id}: closed first, then gone. Answers what is left of the volume's."""
    async with request.reading() as tx:
        row = await _to_change(request, room, tx)
        volume = await volumes.get_any(tx, row.volume_id)
    if volume is not None and attachments.may_be_open(row):
        await opening.close_volume(room, volume, row.id, row.generation)
    async with request.transaction() as tx:
        row = await _mine(request, tx)
        left = await attachments.release(tx, room, row)
    return json_answer({"attachments": [answers.attachment(one, detailed=False) for one in left]})


_ONE = "/v3/attachments/{attachment_id}"
_E = "block_storage.attachment"
ROUTES = (
    Route(
        "GET", "/v3/attachments", list_attachments, ("volume:get_all",), query=QUERY, minimum=SINCE
    ),
    Route(
        "GET",
        "/v3/attachments/detail",
        list_detailed,
        ("volume:get_all",),
        query=QUERY,
        minimum=SINCE,
    ),
    Route(
        "POST",
        "/v3/attachments",
        create_attachment,
        ("volume:attachment_create", BOOTABLE),
        minimum=SINCE,
        body=bodies.NewAttachment,
        member="attachment",
        strict=True,
        event=f"{_E}.create.end",
    ),
    Route("GET", _ONE, show_attachment, ("volume:get",), minimum=SINCE),
    Route(
        "PUT",
        _ONE,
        update_attachment,
        ("volume:attachment_update",),
        minimum=SINCE,
        body=bodies.ChangedAttachment,
        member="attachment",
        strict=True,
        event=f"{_E}.update.end",
    ),
    Route(
        "POST",
        f"{_ONE}/action",
        complete_attachment,
        ("volume:attachment_complete",),
        body_key="os-complete",
        minimum=COMPLETED,
        event=f"{_E}.complete.end",
    ),
    Route(
        "DELETE",
        _ONE,
        delete_attachment,
        ("volume:attachment_delete",),
        minimum=SINCE,
        event=f"{_E}.delete.end",
    ),
)
