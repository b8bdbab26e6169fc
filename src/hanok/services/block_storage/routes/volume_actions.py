"""Actions on volumes that already are: size, state, attaching by the older way, image metadata, flags.

Source: Block Storage API reference, "Volume actions".
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import Row
from starlette.responses import Response

from hanok.base.errors import BadInput, NotFound
from hanok.services.block_storage.logic import (
    attachments,
    opening,
    quotas,
    types,
    volumes,
)
from hanok.services.block_storage.operations import begin
from hanok.services.block_storage.room import Volumes
from hanok.services.block_storage.routes.volumes import readable
from hanok.services.block_storage.schemas import bodies
from hanok.services.block_storage.schemas.bodies import given
from hanok.store import Transaction, still_there
from hanok.web.request import Request, json_answer, no_content
from hanok.web.routes import Route

PATH = "/v3/volumes/{volume_id}/action"
_A = "volume_extension:volume_actions"
_ADMIN = "volume_extension:volume_admin_actions"
IN_USE = (3, 42)  # from here on a volume in use may be extended


async def empty(request: Request, key: str) -> None:
    """Raises BadInput when an action that takes nothing is sent something."""
    if (await request.json())[key] not in (None, {}, ""):
        raise BadInput(f"Invalid input for field/attribute {key}. It takes no values.")


# ---- size ----


async def extend(request: Request, room: Volumes) -> Response:
    """os-extend, of a volume that is not attached."""
    return await _extend(request, room, ("available",))


async def extend_any(request: Request, room: Volumes) -> Response:
    """os-extend, also of a volume that servers use."""
    return await _extend(request, room, ("available", "in-use"))


async def _extend(request: Request, room: Volumes, statuses: tuple[str, ...]) -> Response:
    body = await request.body(bodies.Extend, key="os-extend")
    size_gib = bodies.whole(body.new_size, "new_size", least=1)
    async with request.transaction() as tx:
        row = await readable(request, tx, "volume:extend")
        if row.status == "in-use" and "in-use" in statuses:
            request.allow("volume:extend_attached_volume", project_id=row.project_id)
        await _check_extension(tx, room, row, size_gib, statuses)
        await begin.extend(tx, room, request.reaching(), row, size_gib)
    return no_content(202)


async def _check_extension(
    tx: Transaction, room: Volumes, row: Row[Any], size_gib: int, statuses: tuple[str, ...]
) -> None:
    volumes.check_status(row, statuses, "extend")
    if size_gib <= row.size_gib:
        raise BadInput(
            "Invalid input received: New size for extend must be greater than current size. "
            f"(current: {row.size_gib}, extended: {size_gib})."
        )
    await quotas.check_size(tx, room, row.project_id, size_gib)
    kind = still_there(await types.get_any(tx, row.type_id))
    await quotas.check(tx, room, row.project_id, kind, gigabytes=size_gib - row.size_gib)


async def complete_extension(request: Request, room: Volumes) -> Response:
    """os-extend_volume_completion: of volumes whose hosts wait for that; here the host knows by itself."""
    body = await request.body(bodies.ExtendCompletion, key="os-extend_volume_completion")
    if given(body.error) is not None:
        bodies.truth(body.error, "error")
    async with request.transaction() as tx:
        row = await readable(request, tx)
        raise volumes.invalid(
            f"Volume {row.id} is not waiting for its extension to be completed; its status is {row.status}."
        )


# ---- states by hand ----


async def reset_status(request: Request, room: Volumes) -> Response:
    """os-reset_status: states as an operator says they are, whatever is there."""
    body = await request.body(bodies.ResetVolume, key="os-reset_status")
    values = {
        name: given(getattr(body, name))
        for name in ("status", "attach_status", "migration_status")
        if isinstance(getattr(body, name), str)
    }
    if not values:
        raise BadInput(
            "Invalid input received: Must specify 'status', 'attach_status' or 'migration_status'."
        )
    if "status" in values:
        values["status"] = values["status"].lower()
        if values["status"] not in volumes.STATUSES:
            raise BadInput(f"Must specify a valid status: '{values['status'][:100]}' is not one.")
    if values.get("migration_status", "none") not in _MIGRATION:
        raise BadInput("Must specify a valid migration status.")
    if values.get("migration_status") == "none":
        values["migration_status"] = None
    async with request.transaction() as tx:
        row = await readable(request, tx)
        await volumes.change(tx, row.id, values, room.clock.now())
        if "status" in values:
            await volumes.tell_state(tx, room, row.id, values["status"])
    return no_content(202)


_MIGRATION = ("migrating", "error", "success", "completing", "none", "starting")


async def force_delete(request: Request, room: Volumes) -> Response:
    await empty(request, "os-force_delete")
    async with request.transaction() as tx:
        row = await readable(request, tx)
        await begin.delete(tx, room, request.reaching(), row, cascade=True, force=True)
    return no_content(202)


# ---- attaching, the older way ----


async def reserve(request: Request, room: Volumes) -> Response:
    await empty(request, "os-reserve")
    async with request.transaction() as tx:
        row = await readable(request, tx)
        attachments.check_free(row, await volumes.attachments(tx, row.id), None)
        if row.status != "in-use":
            await volumes.turn(tx, row, "attaching", room.clock.now())
    return no_content(202)


async def unreserve(request: Request, room: Volumes) -> Response:
    await empty(request, "os-unreserve")
    async with request.transaction() as tx:
        row = await readable(request, tx)
        if row.status == "attaching":
            attached = await volumes.attachments(tx, row.id)
            used = any(one.status == "attached" for one in attached)
            await volumes.settle(tx, room, row.id, "in-use" if used else "available")
    return no_content(202)


async def begin_detaching(request: Request, room: Volumes) -> Response:
    await empty(request, "os-begin_detaching")
    async with request.transaction() as tx:
        row = await readable(request, tx)
        if row.status != "in-use" or row.attach_status != "attached":
            raise volumes.invalid(
                "Unable to detach volume. Volume status must be 'in-use' and attach_status must be 'attached' to "
                "detach."
            )
        await volumes.turn(tx, row, "detaching", room.clock.now())
    return no_content(202)


async def roll_detaching(request: Request, room: Volumes) -> Response:
    await empty(request, "os-roll_detaching")
    async with request.transaction() as tx:
        row = await readable(request, tx)
        if row.status == "detaching":
            await volumes.settle(tx, room, row.id, "in-use")
    return no_content(202)


async def attach(request: Request, room: Volumes) -> Response:
    body = await request.body(bodies.Attach, key="os-attach")
    server_id, host_name = given(body.instance_uuid), given(body.host_name)
    attachments.check_target(server_id, host_name)
    async with request.transaction() as tx:
        row = await readable(request, tx)
        await attachments.attach(
            tx,
            room,
            row,
            server_id=server_id,
            host_name=host_name,
            mountpoint=body.mountpoint,
            mode=body.mode,
        )
    return no_content(202)


async def detach(request: Request, room: Volumes) -> Response:
    """os-detach: whoever had it reaches it no more; then it is free."""
    body = bodies.Detach()
    if (await request.json())["os-detach"] is not None:
        body = await request.body(bodies.Detach, key="os-detach")
    async with request.reading() as tx:
        row = await readable(request, tx)
        if row.status not in ("in-use", "detaching") and not await volumes.attachments(tx, row.id):
            request.unchanged()
            return no_content(202)
        found = await _to_detach(room, tx, row, given(body.attachment_id))
    opened = found is not None and attachments.may_be_open(found)
    await _let_go(request, room, row, found, opened=opened)
    return no_content(202)


async def _to_detach(
    room: Volumes, tx: Transaction, row: Row[Any], attachment_id: str | None
) -> Row[Any] | None:
    """As `attachments.to_detach`. Raises Conflict: a server has it."""
    found = await attachments.to_detach(tx, row, attachment_id)
    if found is not None:
        await attachments.check_not_servers(tx, room, found)
    return found


async def _let_go(
    request: Request, room: Volumes, row: Row[Any], found: Row[Any] | None, *, opened: bool
) -> None:
    """A volume is closed for one user, if it is open for it, and then free of it."""
    if found is not None and opened:
        await opening.close_volume(room, row, found.id, found.generation)
    async with request.transaction() as tx:
        now = await readable(request, tx)
        still = None if found is None else await attachments.get_any(tx, found.id)
        if found is None or still is not None:
            await attachments.detached(tx, room, now, still)


async def force_detach(request: Request, room: Volumes) -> Response:
    """os-force_detach: the volume is closed for its user, and then free."""
    body = await request.body(bodies.ForceDetach, key="os-force_detach")
    async with request.reading() as tx:
        row = await readable(request, tx)
        if row.status not in attachments.FOLLOWING:
            raise volumes.invalid(f"Volume {row.id} is not attached; its status is {row.status}.")
        found = await _to_detach(room, tx, row, given(body.attachment_id))
    await _let_go(request, room, row, found, opened=found is not None)
    return no_content(202)


async def initialize_connection(request: Request, room: Volumes) -> Response:
    """os-initialize_connection: the volume is opened for a host."""
    body = await request.body(bodies.Connector, key="os-initialize_connection")
    async with request.transaction() as tx:
        row = await readable(request, tx)
        volumes.check_status(
            row, ("available", "attaching", "reserved", "in-use", "detaching"), "be connected"
        )
        opened = await attachments.note_connection(tx, room, row.id, body.connector)
    read_only = bool(row.read_only)
    host = opening.host_of(body.connector)
    address = await opening.open_volume(room, row, opened, host=host, read_only=read_only)
    shown = attachments.connection(row, opened, address, "ro" if read_only else "rw")
    kind = shown.pop("driver_volume_type")
    return json_answer({"connection_info": {"driver_volume_type": kind, "data": shown}})


async def terminate_connection(request: Request, room: Volumes) -> Response:
    body = await request.body(bodies.Disconnected, key="os-terminate_connection")
    async with request.reading() as tx:
        row = await readable(request, tx)
        for held in await volumes.attachments(tx, row.id):
            await attachments.check_not_servers(tx, room, held)
    if not body.connector:
        raise BadInput("Invalid input for field/attribute connector. It does not name a host.")
    opened = attachments.connection_id(row.id, body.connector)
    await opening.close_volume(room, row, opened)
    async with request.transaction() as tx:
        await attachments.forget_connection(tx, opened)
    return no_content(202)


# ---- flags ----


async def update_readonly(request: Request, room: Volumes) -> Response:
    body = await request.body(bodies.ReadOnly, key="os-update_readonly_flag")
    flag = bodies.truth(body.readonly, "readonly")
    async with request.transaction() as tx:
        row = await readable(request, tx)
        volumes.check_status(row, ("available",), "update readonly flag")
        await volumes.change(tx, row.id, {"read_only": flag}, room.clock.now())
    return no_content(202)


async def set_bootable(request: Request, room: Volumes) -> Response:
    body = await request.body(bodies.Bootable, key="os-set_bootable")
    flag = bodies.truth(body.bootable, "bootable")
    async with request.transaction() as tx:
        row = await readable(request, tx)
        await volumes.change(tx, row.id, {"bootable": flag}, room.clock.now())
    return no_content(200)


# ---- what it says of its image ----

_IMAGE = "volume_extension:volume_image_metadata"


async def set_image_metadata(request: Request, room: Volumes) -> Response:
    body = await request.body(bodies.ImageMetadata, key="os-set_image_metadata")
    async with request.transaction() as tx:
        row = await readable(request, tx)
        merged = {**(row.image_metadata or {}), **body.metadata}
        bodies.check_items(merged)
        await volumes.change(tx, row.id, {"image_metadata": merged}, room.clock.now())
    return json_answer({"metadata": merged})


async def show_image_metadata(request: Request, room: Volumes) -> Response:
    await empty(request, "os-show_image_metadata")
    async with request.reading() as tx:
        row = await readable(request, tx)
    return json_answer({"metadata": row.image_metadata or {}})


async def unset_image_metadata(request: Request, room: Volumes) -> Response:
    body = await request.body(bodies.UnsetImageMetadata, key="os-unset_image_metadata")
    async with request.transaction() as tx:
        row = await readable(request, tx)
        said = dict(row.image_metadata or {})
        if body.key not in said:
            raise NotFound("Metadata does not exist.")
        del said[body.key]
        await volumes.change(tx, row.id, {"image_metadata": said}, room.clock.now())
    return no_content(200)


# ---- encryption ----


async def _key_facts(request: Request) -> dict[str, Any]:
    async with request.reading() as tx:
        row = await readable(request, tx)
        if not row.encrypted:
            return {"encryption_key_id": None}
        found = await types.encryption(tx, row.type_id)
    facts: dict[str, Any] = {"encryption_key_id": row.key_id}
    if found is not None:
        facts |= {
            "provider": found.provider,
            "cipher": found.cipher,
            "key_size": found.key_size,
            "control_location": found.control_location,
        }
    return facts


async def show_encryption(request: Request, room: Volumes) -> Response:
    """GET /volumes/{id}/encryption."""
    return json_answer(await _key_facts(request))


async def show_encryption_key(request: Request, room: Volumes) -> Response:
    """GET /volumes/{id}/encryption/{key}: the value alone."""
    facts, key = await _key_facts(request), request.path["key"]
    if key not in facts:
        raise NotFound(f"The volume's encryption has no {key[:100]}.")
    return json_answer(facts[key])


def action(
    key: str, handler: Any, *rules: str, body: Any = None, told: str = "", **more: Any
) -> Route:
    """An action on volumes."""
    event = f"block_storage.volume.{told}" if told else ""
    return Route(
        "POST", PATH, handler, rules, body_key=key, body=body, member=key if body else "",
        strict=body is not None, event=event, **more,
    )  # fmt: skip


ROUTES = (
    action("os-extend", extend, "volume:extend", body=bodies.Extend, maximum=(3, 41)),
    action(
        "os-extend",
        extend_any,
        "volume:extend",
        "volume:extend_attached_volume",
        body=bodies.Extend,
        minimum=IN_USE,
    ),
    action(
        "os-extend_volume_completion",
        complete_extension,
        f"{_ADMIN}:extend_volume_completion",
        body=bodies.ExtendCompletion,
        minimum=(3, 71),
    ),
    action(
        "os-reset_status",
        reset_status,
        f"{_ADMIN}:reset_status",
        body=bodies.ResetVolume,
        told="reset_status.end",
    ),
    action("os-force_delete", force_delete, f"{_ADMIN}:force_delete"),
    action("os-reserve", reserve, f"{_A}:reserve", told="reserve.end"),
    action("os-unreserve", unreserve, f"{_A}:unreserve", told="unreserve.end"),
    action("os-begin_detaching", begin_detaching, f"{_A}:begin_detaching", told="detach.start"),
    action("os-roll_detaching", roll_detaching, f"{_A}:roll_detaching", told="detach.rolled_back"),
    action("os-attach", attach, f"{_A}:attach", body=bodies.Attach, told="attach.end"),
    action("os-detach", detach, f"{_A}:detach", body=bodies.Detach, told="detach.end"),
    action(
        "os-force_detach",
        force_detach,
        f"{_ADMIN}:force_detach",
        body=bodies.ForceDetach,
        told="detach.end",
    ),
    action(
        "os-initialize_connection",
        initialize_connection,
        f"{_A}:initialize_connection",
        body=bodies.Connector,
        told="connect.end",
    ),
    action(
        "os-terminate_connection",
        terminate_connection,
        f"{_A}:terminate_connection",
        body=bodies.Disconnected,
        told="disconnect.end",
    ),
    action(
        "os-update_readonly_flag",
        update_readonly,
        "volume:update_readonly_flag",
        body=bodies.ReadOnly,
        told="update.end",
    ),
    action(
        "os-set_bootable", set_bootable, "volume:update", body=bodies.Bootable, told="update.end"
    ),
    action(
        "os-set_image_metadata",
        set_image_metadata,
        f"{_IMAGE}:set",
        body=bodies.ImageMetadata,
        told="update.end",
    ),
    action("os-show_image_metadata", show_image_metadata, f"{_IMAGE}:show"),
    action(
        "os-unset_image_metadata",
        unset_image_metadata,
        f"{_IMAGE}:remove",
        body=bodies.UnsetImageMetadata,
        told="update.end",
    ),
    Route(
        "GET",
        "/v3/volumes/{volume_id}/encryption",
        show_encryption,
        ("volume_extension:volume_encryption_metadata",),
    ),
    Route(
        "GET",
        "/v3/volumes/{volume_id}/encryption/{key}",
        show_encryption_key,
        ("volume_extension:volume_encryption_metadata",),
    ),
)
