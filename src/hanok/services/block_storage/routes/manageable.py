"""What back ends have under names that are nobody's: lists of it, and taking it over.

Source: Block Storage API reference, "Volume manage extension", "Snapshot manage extension".
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Row
from starlette.responses import Response

from hanok.base.errors import BadInput
from hanok.services.block_storage.logic import backends, managing, snapshots, types, volumes
from hanok.services.block_storage.logic.managing import Found
from hanok.services.block_storage.operations import begin
from hanok.services.block_storage.operations.manage_volume import ManageVolume
from hanok.services.block_storage.room import Volumes
from hanok.services.block_storage.routes import lists
from hanok.services.block_storage.routes.snapshots import readable as readable_snapshot
from hanok.services.block_storage.routes.volumes import view_of
from hanok.services.block_storage.schemas import answers, bodies
from hanok.services.block_storage.schemas.bodies import given, stripped
from hanok.web.plain_lists import PlainList
from hanok.web.request import Request, json_answer, no_content
from hanok.web.routes import Route
from hanok.web.versions import Parameter, Query

VOLUMES = PlainList[Found](
    name="manageable-volumes", style=lists.style("Volume"), key=lambda one: one.name
)
SNAPSHOTS = PlainList[Found](
    name="manageable-snapshots", style=lists.style("Snapshot"), key=lambda one: one.name
)
QUERY = Query("host", Parameter(name="cluster", since=(3, 17)), *VOLUMES.parameters)


async def _place(request: Request, room: Volumes) -> Row[Any]:
    """The back end that is asked about. Raises BadInput."""
    host, cluster = request.query.get("host"), request.query.get("cluster")
    if cluster:
        raise BadInput(f"Cluster {cluster[:255]} could not be found.")
    if not host:
        raise BadInput("Host must be specified in query parameters.")
    async with request.reading() as tx:
        return await managing.backend(tx, room, host)


def _volume(one: Found, detailed: bool) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "reference": {"source-name": one.name},
        "size": one.size_gib,
        "safe_to_manage": not one.owner,
    }
    if detailed:
        shown |= {
            "reason_not_safe": "already managed" if one.owner else None,
            "cinder_id": one.owner or None,
            "extra_info": None,
        }
    return shown


def _snapshot(one: Found, detailed: bool) -> dict[str, Any]:
    source = {"id": one.volume_id} if one.volume_id else {"source-name": one.volume_name}
    return {**_volume(one, detailed), "source_reference": source}


async def list_volumes(request: Request, room: Volumes) -> Response:
    return await _volumes(request, room, detailed=False)


async def list_volumes_detailed(request: Request, room: Volumes) -> Response:
    return await _volumes(request, room, detailed=True)


async def _volumes(request: Request, room: Volumes, *, detailed: bool) -> Response:
    request.allow()
    place = await _place(request, room)
    found = managing.volumes_in(await managing.look(room, place), place.backend)
    page, links = VOLUMES.page(request, found)
    shown = {VOLUMES.name: [_volume(one, detailed) for one in page]}
    return json_answer(VOLUMES.answer_of(shown, links))


async def list_snapshots(request: Request, room: Volumes) -> Response:
    return await _snapshots(request, room, detailed=False)


async def list_snapshots_detailed(request: Request, room: Volumes) -> Response:
    return await _snapshots(request, room, detailed=True)


async def _snapshots(request: Request, room: Volumes, *, detailed: bool) -> Response:
    request.allow()
    place = await _place(request, room)
    found = managing.snapshots_in(await managing.look(room, place), place.backend)
    page, links = SNAPSHOTS.page(request, found)
    shown = {SNAPSHOTS.name: [_snapshot(one, detailed) for one in page]}
    return json_answer(SNAPSHOTS.answer_of(shown, links))


def _name(reference: bodies.Reference) -> str:
    """Raises BadInput."""
    names: Sequence[str] = [
        one for one in (given(reference.source_name), given(reference.source_id)) if one
    ]
    if len(names) != 1:
        raise BadInput("Reference must contain 'source-name' or 'source-id'.")
    return names[0]


async def manage_volume(request: Request, room: Volumes) -> Response:
    """POST /manageable_volumes: looked for at once, taken over after the answer."""
    request.allow()
    body = await request.body(bodies.ManagedVolume, key="volume")
    name, host = _name(body.ref), given(body.host)
    if not host or given(body.cluster) is not None:
        raise BadInput("Must specify one and only one of host or cluster; there are no clusters.")
    bootable = given(body.bootable) is not None and bodies.truth(body.bootable, "bootable")
    async with request.reading() as tx:
        place = await managing.backend(tx, room, host)
    found = managing.pick(
        managing.volumes_in(await managing.look(room, place), place.backend), name
    )
    async with request.transaction() as tx:
        caller = request.reaching()
        zone = given(body.availability_zone)
        if zone and await backends.check_zone(tx, room.settings, zone) != place.zone:
            raise BadInput(f"Availability zone '{zone}' is not that of {place.host}.")
        sent = given(body.volume_type)
        kind = await (
            types.requested(tx, caller, sent)
            if sent
            else types.default(tx, room, caller.project_id)
        )
        kind = await types.kept(tx, kind)
        row = await managing.create_volume(
            tx,
            room,
            caller,
            place,
            found,
            kind=kind,
            name=stripped(body.name),
            description=stripped(body.description),
            metadata=given(body.metadata) or {},
            bootable=bootable,
        )
        operation = ManageVolume(volume_id=row.id, generation=row.generation, name=found.name)
        await begin.start(tx, room, caller, row, operation)
        shown = await view_of(request, tx, row)
    return json_answer({"volume": shown}, 202)


async def manage_snapshot(request: Request, room: Volumes) -> Response:
    """POST /manageable_snapshots."""
    request.allow()
    body = await request.body(bodies.ManagedSnapshot, key="snapshot")
    name = _name(body.ref)
    async with request.reading() as tx:
        volume = await volumes.get(tx, request.reaching(), body.volume_id)
        if volume.host is None:
            raise volumes.invalid(f"Volume {volume.id} is in no back end.")
        place = await managing.backend(tx, room, backends.name_of(volume.host, volume.backend))
    there = managing.snapshots_in(await managing.look(room, place), place.backend)
    found = managing.pick([one for one in there if one.volume_id == volume.id], name)
    async with request.transaction() as tx:
        volume = await volumes.to_change(tx, request.reaching(), body.volume_id)
        row = await snapshots.insert(
            tx,
            room,
            volume,
            user_id=request.token.user_id,
            name=stripped(body.name),
            description=stripped(body.description),
            metadata=given(body.metadata) or {},
            provider_name=found.name,
        )
        await begin.create_snapshot(tx, room, request.reaching(), row, manage=found.name)
    shown = request.shown(answers.SNAPSHOT)(answers.snapshot(row))
    return json_answer({"snapshot": shown}, 202)


async def unmanage_snapshot(request: Request, room: Volumes) -> Response:
    """os-unmanage: the snapshot's bytes stay with its volume, under a name that says which it was."""
    if (await request.json())["os-unmanage"] not in (None, {}, ""):
        raise BadInput("Invalid input for field/attribute os-unmanage. It takes no values.")
    async with request.transaction() as tx:
        row = await readable_snapshot(request, tx)
        keep = managing.snapshot_name(row.id)
        await begin.delete_snapshot(tx, room, request.reaching(), row, keep=keep)
    return no_content(202)


_LV, _LS = "volume_extension:list_manageable", "snapshot_extension:list_manageable"


def _of_volumes(path: str) -> tuple[Route, ...]:
    """The lists of volumes to take over, and taking one over, under one of their two names."""
    return (
        Route("GET", path, list_volumes, (_LV,), query=QUERY),
        Route("GET", f"{path}/detail", list_volumes_detailed, (_LV,), query=QUERY),
        Route(
            "POST", path, manage_volume, ("volume_extension:volume_manage",),
            body=bodies.ManagedVolume, member="volume", strict=True,
        ),
    )  # fmt: skip


def _of_snapshots(path: str) -> tuple[Route, ...]:
    """The same for snapshots."""
    return (
        Route("GET", path, list_snapshots, (_LS,), query=QUERY),
        Route("GET", f"{path}/detail", list_snapshots_detailed, (_LS,), query=QUERY),
        Route(
            "POST", path, manage_snapshot, ("snapshot_extension:snapshot_manage",),
            body=bodies.ManagedSnapshot, member="snapshot", strict=True,
        ),
    )  # fmt: skip


ROUTES = (
    *_of_volumes("/v3/manageable_volumes"),
    *_of_volumes("/v3/os-volume-manage"),
    *_of_snapshots("/v3/manageable_snapshots"),
    *_of_snapshots("/v3/os-snapshot-manage"),
    Route(
        "POST",
        "/v3/snapshots/{snapshot_id}/action",
        unmanage_snapshot,
        ("snapshot_extension:snapshot_unmanage",),
        body_key="os-unmanage",
    ),
)
