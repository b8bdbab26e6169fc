"""Volumes and snapshots by way of compute, for clients from before 2.36, and what block storage of other makes asks of
compute for snapshots of files that a guest has open.

Block storage is asked in the caller's name, so its rules, limits and sight hold.

Source: Compute API reference, "Volume extension (os-volumes, os-snapshots) (DEPRECATED)", "Create Assisted Volume
Snapshots".
"""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import msgspec
from msgspec import UNSET
from starlette.responses import Response

from hanok.base.errors import BadInput
from hanok.base.ids import is_uuid
from hanok.services.compute.logic import server_volumes
from hanok.services.compute.room import Compute
from hanok.services.compute.routes.proxied import ask
from hanok.services.compute.schemas import bodies
from hanok.store import Transaction
from hanok.web.plain_lists import OffsetList
from hanok.web.request import Request, json_answer, no_content
from hanok.web.routes import Handler, Route
from hanok.web.versions import Query

_VOLUMES, _SNAPSHOTS = "/volume/v3/volumes", "/volume/v3/snapshots"
VOLUMES = OffsetList(name="volumes", maximum=1000)
SNAPSHOTS = OffsetList(name="snapshots", maximum=1000)


def _volume(found: dict[str, Any]) -> dict[str, Any]:
    """A volume in the words that compute had for it."""
    attached = found["attachments"][:1] if found["status"] != "attaching" else []
    return {
        "id": found["id"],
        "status": found["status"],
        "size": found["size"],
        "availabilityZone": found["availability_zone"],
        "createdAt": found["created_at"],
        "attachments": [_attachment(found["id"], one) for one in attached] or [{}],
        "displayName": found["name"],
        "displayDescription": found["description"],
        "volumeType": found["volume_type"],
        "snapshotId": found["snapshot_id"],
        "metadata": found["metadata"],
    }


def _attachment(volume_id: str, found: dict[str, Any]) -> dict[str, Any]:
    shown = {"id": volume_id, "volumeId": volume_id, "serverId": found["server_id"]}
    return {**shown, "device": found["device"]} if found["device"] else shown


def _snapshot(found: dict[str, Any]) -> dict[str, Any]:
    return {
        "id": found["id"],
        "volumeId": found["volume_id"],
        "status": found["status"],
        "size": found["size"],
        "createdAt": found["created_at"],
        "displayName": found["name"],
        "displayDescription": found["description"],
    }


def _lister(listed: OffsetList, base: str, old: Any) -> Handler:
    async def handler(request: Request, room: Compute) -> Response:
        request.allow(project_id=request.token.project_id)
        offset, limit = listed.place(request)
        answer = await ask(request, room, "GET", f"{base}/detail?limit={limit}&offset={offset}")
        return json_answer({listed.name: [old(one) for one in answer[listed.name]]})

    return handler


def _shower(noun: str, base: str, old: Any) -> Handler:
    async def handler(request: Request, room: Compute) -> Response:
        request.allow(project_id=request.token.project_id)
        answer = await ask(request, room, "GET", f"{base}/{_id(request, noun)}")
        return json_answer({noun: old(answer[noun])})

    return handler


def _deleter(noun: str, base: str) -> Handler:
    async def handler(request: Request, room: Compute) -> Response:
        request.allow(project_id=request.token.project_id)
        await ask(request, room, "DELETE", f"{base}/{_id(request, noun)}")
        return no_content(202)

    return handler


def _id(request: Request, noun: str) -> str:
    return quote(request.path[f"{noun}_id"], safe="")


async def create_volume(request: Request, room: Compute) -> Response:
    """POST /os-volumes."""
    request.allow(project_id=request.token.project_id)
    body = await request.body(bodies.OldVolume, key="volume")
    given = {
        "size": bodies.whole(body.size, "size", least=1),
        "name": body.display_name,
        "description": body.display_description,
        "volume_type": body.volume_type,
        "snapshot_id": body.snapshot_id,
        "availability_zone": body.availability_zone,
        "metadata": body.metadata,
    }
    sent = {name: value for name, value in given.items() if value is not UNSET}
    made = (await ask(request, room, "POST", _VOLUMES, {"volume": sent}))["volume"]
    location = f"{request.base_url}/v2.1/os-volumes/{made['id']}"
    return json_answer({"volume": _volume(made)}, 200, {"Location": location})


async def create_snapshot(request: Request, room: Compute) -> Response:
    """POST /os-snapshots."""
    request.allow(project_id=request.token.project_id)
    body = await request.body(bodies.OldSnapshot, key="snapshot")
    given = {
        "volume_id": body.volume_id,
        "name": body.display_name,
        "description": body.display_description,
        "force": body.force,
    }
    sent = {name: value for name, value in given.items() if value is not UNSET}
    made = (await ask(request, room, "POST", _SNAPSHOTS, {"snapshot": sent}))["snapshot"]
    return json_answer({"snapshot": _snapshot(made)})


# ---- assisted snapshots ----


async def create_assisted(request: Request, room: Compute) -> Response:
    """POST /os-assisted-volume-snapshots: the volume's host takes the snapshot, and names its files itself."""
    request.allow(target={})
    body = await request.body(bodies.AssistedSnapshot, key="snapshot")
    info = body.create_info
    snapshot_id = info.get("snapshot_id")
    if info.get("type") != "qcow2" or not is_uuid(snapshot_id) or not info.get("new_file"):
        raise BadInput(
            "Invalid input for field/attribute create_info. It names a snapshot_id, a new_file and the type qcow2."
        )
    async with request.transaction() as tx:
        await _check_used(tx, body.volume_id)
        caller = request.reaching("block-storage")
        await room.volumes.assist(tx, caller, body.volume_id, str(snapshot_id))
        request.unchanged()  # block storage tells of its snapshots
    shown = {"id": info.get("id", snapshot_id), "volumeId": body.volume_id}
    return json_answer({"snapshot": shown})


async def delete_assisted(request: Request, room: Compute) -> Response:
    """DELETE /os-assisted-volume-snapshots/{id}: what the snapshot alone needs is merged by the volume's host."""
    request.allow(target={})
    try:
        info = msgspec.json.decode(request.query.get("delete_info", ""), type=dict[str, Any])
        volume_id = str(info["volume_id"])
    except (msgspec.MsgspecError, KeyError) as error:
        raise BadInput(f"delete_info is not a JSON object with a volume_id: {error}") from error
    async with request.transaction() as tx:
        await _check_used(tx, volume_id)
        await room.volumes.end_assistance(tx, volume_id, request.path["snapshot_id"])
        request.unchanged()
    return no_content()


async def _check_used(tx: Transaction, volume_id: str) -> None:
    """Raises BadInput: no server has the volume."""
    if not await server_volumes.of_volume(tx, volume_id):
        raise BadInput(f"No volume Block Device Mapping with id {volume_id[:64]}.")


_RULE = "os_compute_api:os-volumes"
_ASSISTED = "os_compute_api:os-assisted-volume-snapshots"
_ONE_VOLUME, _ONE_SNAPSHOT = "/v2.1/os-volumes/{volume_id}", "/v2.1/os-snapshots/{snapshot_id}"


def _route(method: str, path: str, handler: Handler, rule: str, **more: Any) -> Route:
    return Route(method, path, handler, (f"{_RULE}:{rule}",), maximum=(2, 35), **more)


_list_volumes = _lister(VOLUMES, _VOLUMES, _volume)
_list_snapshots = _lister(SNAPSHOTS, _SNAPSHOTS, _snapshot)
ROUTES = (
    _route("GET", "/v2.1/os-volumes", _list_volumes, "list", query=Query(*VOLUMES.parameters)),
    _route(
        "GET", "/v2.1/os-volumes/detail", _list_volumes, "detail", query=Query(*VOLUMES.parameters)
    ),
    _route(
        "POST",
        "/v2.1/os-volumes",
        create_volume,
        "create",
        body=bodies.OldVolume,
        member="volume",
        strict=True,
    ),
    _route("GET", _ONE_VOLUME, _shower("volume", _VOLUMES, _volume), "show"),
    _route("DELETE", _ONE_VOLUME, _deleter("volume", _VOLUMES), "delete"),
    _route(
        "GET",
        "/v2.1/os-snapshots",
        _list_snapshots,
        "snapshots:list",
        query=Query(*SNAPSHOTS.parameters),
    ),
    _route(
        "GET",
        "/v2.1/os-snapshots/detail",
        _list_snapshots,
        "snapshots:detail",
        query=Query(*SNAPSHOTS.parameters),
    ),
    _route(
        "POST",
        "/v2.1/os-snapshots",
        create_snapshot,
        "snapshots:create",
        body=bodies.OldSnapshot,
        member="snapshot",
        strict=True,
    ),
    _route("GET", _ONE_SNAPSHOT, _shower("snapshot", _SNAPSHOTS, _snapshot), "snapshots:show"),
    _route("DELETE", _ONE_SNAPSHOT, _deleter("snapshot", _SNAPSHOTS), "snapshots:delete"),
    Route(
        "POST",
        "/v2.1/os-assisted-volume-snapshots",
        create_assisted,
        (f"{_ASSISTED}:create",),
        body=bodies.AssistedSnapshot,
        member="snapshot",
        strict=True,
    ),
    Route(
        "DELETE",
        "/v2.1/os-assisted-volume-snapshots/{snapshot_id}",
        delete_assisted,
        (f"{_ASSISTED}:delete",),
        query=Query("delete_info", closed=(2, 75)),
    ),
)
