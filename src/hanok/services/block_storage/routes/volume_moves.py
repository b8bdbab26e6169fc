"""Actions that give a volume another type, place or content, make an image of it, or let go of it.

Source: Block Storage API reference, "Volume actions".
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import Row
from starlette.responses import Response

from hanok.base.clock import naive_micro
from hanok.base.errors import BadInput, NotFound
from hanok.services.block_storage.logic import (
    managing,
    moving,
    reverting,
    types,
    volumes,
)
from hanok.services.block_storage.operations import begin
from hanok.services.block_storage.operations.delete_volume import DeleteVolume
from hanok.services.block_storage.operations.move_volume import MigrateVolume, RetypeVolume
from hanok.services.block_storage.operations.set_back import ReimageVolume, RevertVolume
from hanok.services.block_storage.operations.upload_volume import UploadVolume
from hanok.services.block_storage.room import Volumes
from hanok.services.block_storage.routes.volume_actions import action, empty
from hanok.services.block_storage.routes.volumes import readable
from hanok.services.block_storage.schemas import bodies
from hanok.services.block_storage.schemas.bodies import given
from hanok.services.image import facade as images
from hanok.web.request import Request, json_answer, no_content

_A = "volume_extension:volume_actions"
_ADMIN = "volume_extension:volume_admin_actions"
PUBLIC = f"{_A}:upload_public"
RESERVED = "volume:reimage_reserved"
SHARED = "volume:multiattach"


async def retype(request: Request, room: Volumes) -> Response:
    """os-retype: with on-demand it may go to another back end for that."""
    body = await request.body(bodies.Retype, key="os-retype")
    policy = given(body.migration_policy) or "never"
    async with request.transaction() as tx:
        row = await readable(request, tx)
        try:
            kind = await types.requested(tx, request.reaching(), body.new_type)
            kind = await types.kept(tx, kind)
        except NotFound:
            raise BadInput(f"Invalid volume_type provided: {body.new_type}.") from None
        if types.multiattach(kind.extra_specs) and not row.multiattach:
            request.allow(SHARED, project_id=row.project_id)
        await moving.check_retype(tx, room, row, kind, policy)
        await volumes.turn(tx, row, "retyping", room.clock.now())
        operation = RetypeVolume(
            volume_id=row.id, generation=row.generation + 1, type_id=kind.id, policy=policy
        )
        await begin.start(tx, room, request.reaching(), row, operation)
    return no_content(202)


async def migrate(request: Request, room: Volumes) -> Response:
    """os-migrate_volume: to another back end of its host; how it is copied is the host's matter."""
    body = await request.body(bodies.Migrate, key="os-migrate_volume")
    host, cluster = given(body.host), given(body.cluster)
    if (host is None) == (cluster is None):
        raise BadInput("Must specify one and only one of host or cluster.")
    if cluster is not None:
        raise BadInput(f"Cluster {cluster[:255]} could not be found.")
    if given(body.force_host_copy) is not None:
        bodies.truth(body.force_host_copy, "force_host_copy")
    locked = given(body.lock_volume) is not None and bodies.truth(body.lock_volume, "lock_volume")
    async with request.transaction() as tx:
        row = await readable(request, tx)
        moving.check_idle(row, "migrate")
        await moving.check_movable(tx, row)
        place = await moving.check_target(tx, room, row, host or "")
        after = "maintenance" if locked and row.status == "available" else row.status
        await volumes.turn(tx, row, after, room.clock.now(), migration_status="starting")
        operation = MigrateVolume(
            volume_id=row.id, generation=row.generation + 1, target=place.backend
        )
        await begin.start(tx, room, request.reaching(), row, operation)
    return no_content(202)


async def complete_migration(request: Request, room: Volumes) -> Response:
    """os-migrate_volume_completion: a volume keeps its id here while it moves, so nobody completes that."""
    body = await request.body(bodies.MigrationCompletion, key="os-migrate_volume_completion")
    if given(body.error) is not None:
        bodies.truth(body.error, "error")
    async with request.transaction() as tx:
        row = await readable(request, tx)
        await volumes.get(tx, request.reaching(), body.new_volume)
        raise volumes.invalid(
            f"Volume {row.id} has no migration to volume {body.new_volume} that could be completed; its "
            f"migration_status is {row.migration_status}."
        )


async def revert(request: Request, room: Volumes) -> Response:
    """revert: to the last snapshot."""
    body = await request.body(bodies.Revert, key="revert")
    async with request.transaction() as tx:
        row = await readable(request, tx)
        await reverting.begin(tx, room, request.reaching(), row, body.snapshot_id)
        operation = RevertVolume(
            volume_id=row.id, generation=row.generation + 1, snapshot_id=body.snapshot_id
        )
        await begin.start(tx, room, request.reaching(), row, operation)
    return no_content(202)


async def reimage(request: Request, room: Volumes) -> Response:
    """os-reimage: an image is written onto a volume that nobody has open."""
    body = await request.body(bodies.Reimage, key="os-reimage")
    reserved = given(body.reimage_reserved) is not None and bodies.truth(
        body.reimage_reserved, "reimage_reserved"
    )
    async with request.transaction() as tx:
        row = await readable(request, tx)
        if reserved:
            request.allow(RESERVED, project_id=row.project_id)
        await reverting.check_reimage(
            tx, row, request.reaching("image"), body.image_id, reserved=reserved
        )
        after = "reserved" if row.status == "reserved" else "available"
        await volumes.turn(tx, row, "downloading", room.clock.now())
        operation = ReimageVolume(
            volume_id=row.id, generation=row.generation + 1, image_id=body.image_id, after=after
        )
        await begin.start(tx, room, request.reaching(), row, operation)
    return no_content(202)


async def upload(request: Request, room: Volumes) -> Response:
    """os-volume_upload_image: answers before the image has its data."""
    body = await request.body(bodies.Upload, key="os-volume_upload_image")
    force = given(body.force) is not None and bodies.truth(body.force, "force")
    protected = given(body.protected) is not None and bodies.truth(body.protected, "protected")
    visibility = given(body.visibility) or "private"
    disk_format = given(body.disk_format) or "raw"
    async with request.transaction() as tx:
        row = await readable(request, tx)
        if visibility == "public":
            request.allow(PUBLIC, project_id=row.project_id)
        volumes.check_status(
            row, ("available", "in-use") if force else ("available",), "be uploaded"
        )
        image_id = await images.snapshots.begin(
            tx,
            room.images,
            owner=row.project_id,
            name=body.image_name,
            min_disk_gib=row.size_gib,
            min_ram_mib=_min_ram(row),
            properties=_properties(row),
            visibility=visibility,
            protected=protected,
        )
        await volumes.turn(tx, row, "uploading", room.clock.now())
        operation = UploadVolume(
            volume_id=row.id,
            generation=row.generation + 1,
            image_id=image_id,
            disk_format=disk_format,
        )
        await begin.start(tx, room, request.reaching(), row, operation)
        kind = await types.get_any(tx, row.type_id)
    shown = {
        **_uploading(row, kind),
        "image_id": image_id,
        "image_name": body.image_name,
        "disk_format": disk_format,
        "container_format": "bare",
        "visibility": visibility,
        "protected": protected,
    }
    return json_answer({"os-volume_upload_image": shown}, 202)


def _min_ram(row: Row[Any]) -> int:
    said = (row.image_metadata or {}).get("min_ram", "0")
    return int(said) if said.isascii() and said.isdigit() and len(said) < 9 else 0


OF_IMAGES = (
    "image_id", "image_name", "checksum", "container_format", "disk_format", "min_disk", "min_ram", "size",
    "signature_verified",
)  # fmt: skip


def _properties(row: Row[Any]) -> dict[str, str]:
    """What of a volume's image its own image says, too: not what each image has of its own."""
    said = row.image_metadata or {}
    return {
        name: value
        for name, value in said.items()
        if name not in OF_IMAGES and images.snapshots.can_be_property(name)
    }


def _uploading(row: Row[Any], kind: Row[Any] | None) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "id": row.id,
        "status": "uploading",
        "size": row.size_gib,
        "display_description": row.description,
        "updated_at": naive_micro(row.updated_at),
        "volume_type": None,
    }
    if kind is not None:
        shown["volume_type"] = {
            "id": kind.id,
            "name": kind.name,
            "description": kind.description,
            "is_public": kind.is_public,
            "extra_specs": kind.extra_specs,
            "qos_specs_id": kind.qos_specs_id,
            "created_at": naive_micro(kind.created_at),
            "updated_at": naive_micro(kind.updated_at),
            "deleted": False,
            "deleted_at": None,
        }
    return shown


async def unmanage(request: Request, room: Volumes) -> Response:
    """os-unmanage: the volume's bytes stay in the back end, under a name that says which it was."""
    await empty(request, "os-unmanage")
    async with request.transaction() as tx:
        row = await readable(request, tx)
        await managing.check_unmanageable(tx, row)
        await volumes.turn(tx, row, "unmanaging", room.clock.now())
        operation = DeleteVolume(
            volume_id=row.id, generation=row.generation + 1, keep=managing.volume_name(row.id)
        )
        await begin.start(tx, room, request.reaching(), row, operation)
    return no_content(202)


ROUTES = (
    action("os-retype", retype, "volume:retype", SHARED, body=bodies.Retype),
    action("os-migrate_volume", migrate, f"{_ADMIN}:migrate_volume", body=bodies.Migrate),
    action(
        "os-migrate_volume_completion",
        complete_migration,
        f"{_ADMIN}:migrate_volume_completion",
        body=bodies.MigrationCompletion,
    ),
    action("revert", revert, "volume:revert_to_snapshot", body=bodies.Revert, minimum=(3, 40)),
    action("os-reimage", reimage, "volume:reimage", RESERVED, body=bodies.Reimage, minimum=(3, 68)),
    action("os-volume_upload_image", upload, f"{_A}:upload_image", PUBLIC, body=bodies.Upload),
    action("os-unmanage", unmanage, "volume_extension:volume_unmanage"),
)
