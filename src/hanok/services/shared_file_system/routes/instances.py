"""Instances of shares, and where shares are mounted from.

Source: Shared File Systems API reference, "Share instances", "Share export locations".
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Row
from starlette.responses import Response

from hanok.base.errors import Forbidden, NotFound
from hanok.services.shared_file_system.logic import backends, exports, instances, shares
from hanok.services.shared_file_system.operations import begin
from hanok.services.shared_file_system.room import Shares
from hanok.services.shared_file_system.routes import lists, metadata
from hanok.services.shared_file_system.routes.share_actions import check_status, empty
from hanok.services.shared_file_system.routes.shares import find
from hanok.services.shared_file_system.schemas import answers, bodies
from hanok.services.shared_file_system.schemas.values import truth
from hanok.services.shared_file_system.tables import share_instances as table
from hanok.store import Transaction
from hanok.web.request import Request, json_answer, no_content
from hanok.web.routes import Handler, Route
from hanok.web.versions import Parameter, Query

LIST = lists.declared(
    table,
    "share_instances",
    "Share instance",
    filters={
        "export_location_id": lambda values: instances.exported_id(values[-1]),
        "export_location_path": lambda values: instances.exported_at(values[-1]),
        "is_soft_deleted": lambda values: instances.binned(truth(values[-1], "is_soft_deleted")),
    },
    sort={"id": table.c.id, "created_at": table.c.created_at},
)
QUERY = Query(
    *(
        Parameter(name=name, since=(2, 69) if name == "is_soft_deleted" else (2, 35))
        if name in LIST.filters
        else name
        for name in LIST.parameters
    )
)


async def _shown(
    request: Request, tx: Transaction, rows: Sequence[Row[Any]]
) -> list[dict[str, Any]]:
    view = request.shown(answers.INSTANCE)
    places = await exports.by_instance(tx, [row.id for row in rows])
    return [
        view(answers.instance(row, places.get(row.id, ()), backends.pool_of(row.node, row.backend)))
        for row in rows
    ]


async def list_instances(request: Request, room: Shares) -> Response:
    request.allow("", request.own)
    shown = "is_soft_deleted" in request.query
    statement = instances.WHOLE if shown else instances.NOT_BINNED
    async with request.reading() as tx:
        page = await LIST.page(request, tx, statement)
        found = await _shown(request, tx, page.rows)
    return json_answer(LIST.answer(request, page, found))


async def list_of_share(request: Request, room: Shares) -> Response:
    request.allow("", request.own)
    async with request.reading() as tx:
        share = await shares.visible(tx, request.reaching(), request.path["share_id"])
        found = await _shown(request, tx, await instances.of_share(tx, share.id))
    return json_answer({"share_instances": found})


async def _instance(request: Request, tx: Transaction) -> Row[Any]:
    request.allow("", request.own)
    return await instances.get(tx, request.path["share_instance_id"])


async def show_instance(request: Request, room: Shares) -> Response:
    async with request.reading() as tx:
        found = await _shown(request, tx, [await _instance(request, tx)])
    return json_answer({"share_instance": found[0]})


def _resetter(key: str) -> Handler:
    """key: as a version spells the action."""

    async def reset_status(request: Request, room: Shares) -> Response:
        body = await request.body(bodies.Status, key=key)
        async with request.transaction() as tx:
            row = await _instance(request, tx)
            await tx.take_turn(row.share_id)
            check_status(body.status, shares.RESETTABLE)
            await instances.settle(tx, room, row, body.status)
        return no_content(202)

    return reset_status


async def force_delete(request: Request, room: Shares) -> Response:
    await empty(request)
    async with request.transaction() as tx:
        row = await _instance(request, tx)
        await tx.take_turn(row.share_id)
        await begin.delete_instance(tx, room, request.reaching(), row)
    return no_content(202)


# ---- export locations ----


def _whole(request: Request) -> bool:
    """Whether what only operators see is shown."""
    return request.reaching().everywhere


def _listed(request: Request, rows: Sequence[Row[Any]]) -> Response:
    view, whole = request.shown(answers.EXPORT), _whole(request)
    shown = [
        view(answers.export(row, detailed=False, whole=whole))
        for row in rows
        if whole or not row.is_admin_only
    ]
    return json_answer({"export_locations": shown})


async def _share(request: Request, tx: Transaction, rule: str = "") -> Row[Any]:
    """The share of the path, of whose export locations others are told that they are not theirs.

    Raises:
        NotFound, Forbidden
    """
    try:
        return await find(request, tx, rule)
    except NotFound:
        if await shares.get_any(tx, request.path["share_id"]) is None:
            raise
    raise Forbidden("The export locations of another project's share are not shown.")


async def _of_share(request: Request, tx: Transaction, share: Row[Any]) -> Sequence[Row[Any]]:
    """The export locations that a share shows: those of the instance that it shows as itself."""
    one = await instances.main_of(tx, share.id)
    return await exports.of(tx, [one.id]) if one is not None else []


async def _of_all(tx: Transaction, share: Row[Any]) -> Sequence[Row[Any]]:
    """The same in versions that show those of its other replicas, too."""
    there = [
        one.id
        for one in await instances.of_share(tx, share.id)
        if one.status not in instances.APART
    ]
    return await exports.of(tx, there)


def _one(request: Request, rows: Sequence[Row[Any]]) -> Row[Any]:
    """Raises NotFound, Forbidden."""
    sent = request.path["export_location_id"]
    found = next((row for row in rows if row.id == sent), None)
    if found is None:
        raise exports.not_found(sent)
    if found.is_admin_only and not _whole(request):
        raise Forbidden("Only administrators see this export location.")
    return found


def _detailed(request: Request, row: Row[Any]) -> Response:
    shown = answers.export(row, detailed=True, whole=_whole(request))
    return json_answer({"export_location": request.shown(answers.EXPORT)(shown)})


async def list_exports(request: Request, room: Shares) -> Response:
    async with request.reading() as tx:
        share = await _share(request, tx)
        rows = await _of_share(request, tx, share)
    return _listed(request, rows)


async def list_all_exports(request: Request, room: Shares) -> Response:
    async with request.reading() as tx:
        rows = await _of_all(tx, await _share(request, tx))
    return _listed(request, rows)


async def show_export(request: Request, room: Shares) -> Response:
    async with request.reading() as tx:
        share = await _share(request, tx)
        rows = await _of_share(request, tx, share)
    return _detailed(request, _one(request, rows))


async def show_any_export(request: Request, room: Shares) -> Response:
    async with request.reading() as tx:
        rows = await _of_all(tx, await _share(request, tx))
    return _detailed(request, _one(request, rows))


async def list_instance_exports(request: Request, room: Shares) -> Response:
    async with request.reading() as tx:
        rows = await exports.of(tx, [(await _instance(request, tx)).id])
    return _listed(request, rows)


async def show_instance_export(request: Request, room: Shares) -> Response:
    async with request.reading() as tx:
        rows = await exports.of(tx, [(await _instance(request, tx)).id])
    return _detailed(request, _one(request, rows))


async def _found(request: Request, tx: Transaction, rule: str) -> Row[Any]:
    share = await _share(request, tx, rule)
    return _one(request, await _of_all(tx, share))


async def _keep(tx: Transaction, room: Shares, row: Row[Any], found: dict[str, str]) -> None:
    await exports.set_metadata(tx, row, found, room.clock.now())


METADATA = metadata.Kind(
    path="/v2/shares/{share_id}/export_locations/{export_location_id}",
    get="share_export_location:get_metadata",
    put="share_export_location:update_metadata",
    drop="share_export_location:delete_metadata",
    whole="share_export_location:update_admin_only_metadata",
    reserved=("preferred",),
    find=_found,
    change=_found,
    keep=_keep,
    event="shared_file_system.export_location",
    minimum=(2, 87),
)
_ALL, _ONE = "/v2/share_instances", "/v2/share_instances/{share_instance_id}"
_PLACES = "/v2/shares/{share_id}/export_locations"
_PLACE = f"{_PLACES}/{{export_location_id}}"
_P, _I = "share_export_location", "share_instance_export_location"
_E = "shared_file_system.share_instance"


def _actions(prefix: str, **span: Any) -> tuple[Route, ...]:
    path = f"{_ONE}/action"
    key = f"{prefix}reset_status"
    return (
        Route(
            "POST", path, _resetter(key), ("share_instance:reset_status",), body_key=key, member=key,
            body=bodies.Status, strict=True, event=f"{_E}.reset_status", **span,
        ),
        Route(
            "POST", path, force_delete, ("share_instance:force_delete",),
            body_key=f"{prefix}force_delete", **span,
        ),
    )  # fmt: skip


ROUTES = (
    Route("GET", _ALL, list_instances, ("share_instance:index",), minimum=(2, 3), query=QUERY),
    Route("GET", _ONE, show_instance, ("share_instance:show",), minimum=(2, 3)),
    Route(
        "GET", "/v2/shares/{share_id}/instances", list_of_share, ("share_instance:index",), minimum=(2, 3)
    ),
    *_actions("os-", minimum=(2, 3), maximum=(2, 6)),
    *_actions("", minimum=(2, 7)),
    Route(
        "GET", _PLACES, list_all_exports, (f"{_P}:index",), minimum=(2, 9), maximum=(2, 46)
    ),
    Route("GET", _PLACES, list_exports, (f"{_P}:index",), minimum=(2, 47)),
    Route("GET", _PLACE, show_any_export, (f"{_P}:show",), minimum=(2, 9), maximum=(2, 46)),
    Route("GET", _PLACE, show_export, (f"{_P}:show",), minimum=(2, 47)),
    Route(
        "GET", f"{_ONE}/export_locations", list_instance_exports, (f"{_I}:index",), minimum=(2, 9)
    ),
    Route(
        "GET", f"{_ONE}/export_locations/{{export_location_id}}", show_instance_export,
        (f"{_I}:show",), minimum=(2, 9),
    ),
    *metadata.routes(METADATA),
)  # fmt: skip
