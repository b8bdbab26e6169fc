"""Volumes: lists, show, create, change, delete.

Source: Block Storage API reference, "Volumes".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Row
from starlette.responses import Response

from hanok.base.errors import BadInput
from hanok.base.ids import is_uuid
from hanok.services.block_storage.logic import backends, creating, types, volumes
from hanok.services.block_storage.operations import begin
from hanok.services.block_storage.room import Volumes
from hanok.services.block_storage.routes import lists
from hanok.services.block_storage.schemas import answers, bodies
from hanok.services.block_storage.schemas.bodies import given, stripped
from hanok.services.block_storage.tables import volumes as table
from hanok.store import Transaction
from hanok.web.request import Request, json_answer, no_content
from hanok.web.routes import Handler, Route
from hanok.web.versions import Parameter, Query

HOST = "volume_extension:volume_host_attribute"
PROJECT = "volume_extension:volume_tenant_attribute"
MOVE = "volume_extension:volume_mig_status_attribute"
IMAGE = "volume_extension:volume_image_metadata:show"
REVEALING = (HOST, PROJECT, MOVE, IMAGE)

LIST = lists.declared(
    table,
    "volumes",
    "Volume",
    filters=(
        "id", "name", "status", "size", "bootable", "multiattach", "encrypted", "migration_status",
        "availability_zone", "metadata", "glance_metadata", "volume_type_id", "snapshot_id", "source_volid", "group_id",
        "user_id", "project_id", "created_at", "updated_at",
    ),
    like=("name", "status", "availability_zone"),
    sort=(
        "id", "name", "display_name", "size", "status", "availability_zone", "bootable", "created_at", "updated_at",
        "host", "project_id", "user_id", "volume_type_id", "migration_status",
    ),
    columns={
        "display_name": table.c.name,
        "size": table.c.size_gib,
        "availability_zone": table.c.zone,
        "glance_metadata": table.c.image_metadata,
        "volume_type_id": table.c.type_id,
        "source_volid": table.c.source_volume_id,
    },
)  # fmt: skip
_SINCE = {
    "glance_metadata": (3, 4),
    "group_id": (3, 10),
    "created_at": (3, 60),
    "updated_at": (3, 60),
}
QUERY = Query(*lists.parameters(LIST, _SINCE))


class Viewer:
    """What a request may see of volumes beside what everybody sees; asked once a request and project."""

    def __init__(self, request: Request) -> None:
        self.request = request
        self.host = request.may(HOST)
        self.move = request.may(MOVE)
        self.operator = request.reaching().everywhere
        self._view = request.shown(answers.VOLUME)
        self._of: dict[str, tuple[bool, bool]] = {}

    def _may(self, project_id: str) -> tuple[bool, bool]:
        """Whether the project and the image are shown."""
        found = self._of.get(project_id)
        if found is None:
            may = self.request.may
            found = (may(PROJECT, project_id=project_id), may(IMAGE, project_id=project_id))
            self._of[project_id] = found
        return found

    def __call__(
        self, row: Any, type_name: str | None, attached: Sequence[Row[Any]]
    ) -> dict[str, Any]:
        """A volume as it is shown and listed."""
        shown = answers.volume(
            row,
            base=self.request.base_url,
            type_name=type_name,
            attached=attached,
            hosts=self.host,
        )
        if self.host:
            shown |= answers.placed(backends.pool_of(row.host, row.backend))
        if self.move:
            shown |= answers.moved(row)
        if self.operator:
            shown |= answers.for_operators(row)
        project, image = self._may(row.project_id)
        if project:
            shown["os-vol-tenant-attr:tenant_id"] = row.project_id
        if image and row.image_metadata is not None:
            shown["volume_image_metadata"] = row.image_metadata
        return self._view(shown)


readable = lists.finder(volumes.get, "volume_id")


async def view_of(request: Request, tx: Transaction, row: Row[Any]) -> dict[str, Any]:
    """A volume as it is shown alone."""
    kind = await types.get_any(tx, row.type_id)
    attached = await volumes.attachments(tx, row.id)
    return Viewer(request)(row, None if kind is None else kind.name, attached)


async def made(request: Request, tx: Transaction, row: Row[Any]) -> dict[str, Any]:
    """A volume as what makes or changes it answers: without what only some see."""
    kind = await types.get_any(tx, row.type_id)
    attached = await volumes.attachments(tx, row.id)
    name = None if kind is None else kind.name
    shown = answers.volume(row, base=request.base_url, type_name=name, attached=attached)
    shown |= {"migration_status": row.migration_status, "provider_id": None, "cluster_name": None}
    return request.shown(answers.VOLUME)(shown)


def _summary(request: Request, row: Any) -> dict[str, Any]:
    links = answers.links(request.base_url, "volumes", row.id)
    return {"id": row.id, "name": row.name, "links": links}


async def _details(request: Request, tx: Transaction, rows: Sequence[Any]) -> lists.Show:
    names = await types.names(tx) if rows else {}
    used = [row.id for row in rows if row.attach_status != "detached"]
    attached = await volumes.attachments_of(tx, used)
    show = Viewer(request)
    return lambda row: show(row, names.get(row.type_id), attached.get(row.id, ()))


def _lister(prepare: lists.Prepare, statement: sa.Select[Any]) -> Handler:
    rule, whole = "volume:get_all", volumes.WHOLE
    return lists.lister(LIST, volumes.of, whole, rule, prepare, statement=statement)


list_volumes = _lister(lists.shows(_summary), volumes.NAMES)
list_detailed = _lister(_details, volumes.DETAILS)


async def summary(request: Request, room: Volumes) -> Response:
    """GET /volumes/summary: how many there are, and how large they are together."""
    request.allow("volume:get_all", project_id=request.token.project_id)
    async with request.reading() as tx:
        number, size, metadata = await volumes.summary(
            tx, request.reaching(), everywhere=lists.everywhere(request)
        )
    found = {"total_count": number, "total_size": size, "metadata": metadata}
    return json_answer({"volume-summary": request.shown(answers.SUMMARY)(found)})


async def show_volume(request: Request, room: Volumes) -> Response:
    async with request.reading() as tx:
        row = await readable(request, tx)
        shown = await view_of(request, tx, row)
    return json_answer({"volume": shown})


def _hints(body: bodies.CreateVolume) -> Mapping[str, Any]:
    return given(body.hints) or given(body.older_hints) or {}


def desired(body: bodies.CreateVolume) -> creating.Requested:
    """A new volume as decisions take it.

    Raises:
        BadInput
    """
    volume = body.volume
    if given(volume.multiattach) is not None and bodies.truth(volume.multiattach, "multiattach"):
        raise BadInput(
            "multiattach parameter has been removed. The default behavior is to use multiattach enabled volume types."
        )
    size = given(volume.size)
    name, description = given(volume.name), given(volume.description)
    return creating.Requested(
        size_gib=None if size is None else bodies.whole(size, "size", least=1),
        name=stripped(name if name is not None else volume.display_name),
        description=stripped(
            description if description is not None else volume.display_description
        ),
        type=given(volume.volume_type) or None,
        zone=given(volume.availability_zone) or None,
        snapshot_id=given(volume.snapshot_id) or None,
        source_volume_id=given(volume.source_volid) or None,
        image_id=_image(volume),
        backup_id=given(volume.backup_id),
        group_id=_group(volume),
        metadata=given(volume.metadata) or {},
        hints=_hints(body),
    )


def _group(volume: bodies.NewVolume) -> str | None:
    """The group's id, which older clients send as that of a consistency group."""
    group, older = given(volume.group_id), given(volume.consistencygroup_id)
    if group and older and group != older:
        raise BadInput("Invalid input received: A volume is in one group: group_id names it.")
    found: str | None = group or older
    return found or None


def _image(volume: bodies.NewVolume) -> str | None:
    """The image's id, which older clients send as an address that ends in it."""
    sent = given(volume.imageRef) or given(volume.image_id)
    if not sent:
        return None
    found = str(sent).rsplit("/", 1)[-1]
    if not is_uuid(found):
        raise BadInput("Invalid imageRef provided.")
    return found


async def create_volume(request: Request, room: Volumes) -> Response:
    """POST /volumes: answers before the volume is there."""
    request.allow(
        "volume:create", project_id=request.token.project_id, user_id=request.token.user_id
    )
    requested = desired(await request.body(bodies.CreateVolume))
    if requested.image_id is not None:
        request.allow("volume:create_from_image", request.own)
    async with request.transaction() as tx:
        await tx.take_turn(*_needed(requested))
        row = await begin.create(
            tx, room, request.reaching(), requested, image_caller=request.reaching("image")
        )
        if row.multiattach:
            request.allow("volume:multiattach", request.own)
        shown = await made(request, tx, row)
    location = f"{request.base_url}/v3/volumes/{row.id}"
    return json_answer({"volume": shown}, 202, {"Location": location})


def _needed(requested: creating.Requested) -> list[str]:
    """The ids of what has to be there for a volume to be made."""
    named = (
        requested.snapshot_id,
        requested.source_volume_id,
        requested.backup_id,
        requested.group_id,
    )
    return [one for one in named if one is not None]


async def update_volume(request: Request, room: Volumes) -> Response:
    """PUT /volumes/{id}: name, description, metadata."""
    body = await request.body(bodies.ChangedVolume, key="volume")
    values = named(body)
    if isinstance(body.metadata, dict):
        values["metadata"] = body.metadata
    if not values:
        raise BadInput(
            "Invalid input received: Must specify one or more of name, description, metadata."
        )
    async with request.transaction() as tx:
        row = await readable(request, tx)
        await volumes.change(tx, row.id, values, room.clock.now())
        changed = await volumes.get(tx, request.reaching(), row.id)
        shown = await made(request, tx, changed)
    return json_answer({"volume": shown})


def named(body: bodies.ChangedVolume | bodies.ChangedSnapshot) -> dict[str, Any]:
    """The name and the description that were sent, under whichever name."""
    pairs = (
        ("name", body.display_name),
        ("name", body.name),
        ("description", body.display_description),
        ("description", body.description),
    )
    return {name: stripped(value) for name, value in pairs if isinstance(value, str | None)}


async def delete_volume(request: Request, room: Volumes) -> Response:
    """DELETE /volumes/{id}: cascade takes its snapshots along; force asks for no state (3.23)."""
    cascade = bodies.truth(request.query.get("cascade") or "false", "cascade")
    force = bodies.truth(request.query.get("force") or "false", "force")
    async with request.transaction() as tx:
        row = await readable(request, tx, "volume:force_delete" if force else "volume:delete")
        await begin.delete(tx, room, request.reaching(), row, cascade=cascade, force=force)
    return no_content(202)


_ONE = "/v3/volumes/{volume_id}"
ROUTES = (
    Route("GET", "/v3/volumes", list_volumes, ("volume:get_all",), query=QUERY),
    Route("GET", "/v3/volumes/detail", list_detailed, ("volume:get_all", *REVEALING), query=QUERY),
    Route(
        "GET",
        "/v3/volumes/summary",
        summary,
        ("volume:get_all",),
        query=("all_tenants",),
        minimum=(3, 12),
    ),
    Route(
        "POST",
        "/v3/volumes",
        create_volume,
        ("volume:create", "volume:create_from_image", "volume:multiattach"),
        body=bodies.CreateVolume,
        strict=True,
    ),
    Route("GET", _ONE, show_volume, ("volume:get", *REVEALING)),
    Route(
        "PUT",
        _ONE,
        update_volume,
        ("volume:update",),
        body=bodies.ChangedVolume,
        member="volume",
        strict=True,
        event="block_storage.volume.update.end",
    ),
    Route(
        "DELETE",
        _ONE,
        delete_volume,
        ("volume:delete", "volume:force_delete"),
        query=Query("cascade", Parameter(name="force", since=(3, 23))),
    ),
)
