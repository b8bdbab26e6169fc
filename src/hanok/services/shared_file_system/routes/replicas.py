"""Replicas of shares.

Source: Shared File Systems API reference, "Share replicas", "Share replica export locations".
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import Row
from starlette.responses import Response

from hanok.base.clock import naive_micro
from hanok.base.errors import BadInput
from hanok.services.shared_file_system.logic import exports, instances, replicas, shares
from hanok.services.shared_file_system.operations import begin
from hanok.services.shared_file_system.operations import replicas as work
from hanok.services.shared_file_system.room import Shares
from hanok.services.shared_file_system.routes import kept_metadata, lists
from hanok.services.shared_file_system.routes.graduation import graduated
from hanok.services.shared_file_system.schemas import networks
from hanok.services.shared_file_system.schemas import replicas as shapes
from hanok.services.shared_file_system.schemas.values import check_metadata, given, whole
from hanok.services.shared_file_system.tables import share_instances as table
from hanok.store import Transaction
from hanok.web.request import Request, json_answer, no_content
from hanok.web.routes import Route

QUIET_S = 86_400  # a share is waited for to be quiet no longer than a day
LIST = lists.declared(
    table,
    "share_replicas",
    "Share replica",
    filters={},
    sort={name: table.c[name] for name in ("id", "share_id", "status", "created_at")},
)
QUERY = ("share_id", *LIST.parameters)
_mine = lists.finder(replicas.get, "share_replica_id")


def _view(request: Request, row: Row[Any]) -> dict[str, Any]:
    shown = shapes.replica(row, whole=request.reaching().everywhere)
    return request.shown(shapes.REPLICA)(shown)


def _lister(*, detailed: bool) -> Any:
    async def handler(request: Request, room: Shares) -> Response:
        request.allow("", request.own)
        statement = replicas.of(request.reaching(), replicas.WHOLE)
        share_id = request.query.get("share_id")
        if share_id is not None:  # of a share that they do not see a caller sees none
            statement = replicas.of_one(statement, share_id)
        async with request.reading() as tx:
            page = await LIST.page(request, tx, statement)
        items = [_view(request, row) if detailed else shapes.summary(row) for row in page.rows]
        return json_answer(LIST.answer(request, page, items))

    return handler


list_replicas, list_detailed = _lister(detailed=False), _lister(detailed=True)


async def show_replica(request: Request, room: Shares) -> Response:
    async with request.reading() as tx:
        row = await _mine(request, tx)
    return json_answer({"share_replica": _view(request, row)})


async def create_replica(request: Request, room: Shares) -> Response:
    request.allow("", request.own)
    body = await request.body(shapes.NewReplica, key="share_replica")
    hints = given(body.scheduler_hints)
    async with request.transaction() as tx:
        await tx.take_turn(body.share_id)
        share = await shares.get(tx, request.reaching(), body.share_id)
        request.allow("", {"project_id": share.project_id, "user_id": share.user_id})
        row = await work.create(
            tx,
            room,
            request.reaching(),
            share,
            only="" if hints is None else hints.only_host.partition("#")[0],
            zone=given(body.availability_zone),
            network_id=given(body.share_network_id),
            metadata=check_metadata(given(body.metadata) or {}),
        )
        request.made(row.id)
    return json_answer({"share_replica": _view(request, row)}, 202)


async def delete_replica(request: Request, room: Shares) -> Response:
    async with request.transaction() as tx:
        row = await _mine(request, tx)
        await _delete(request, tx, room, row)
    return no_content(202)


async def force_delete(request: Request, room: Shares) -> Response:
    request.allow("", request.own)
    async with request.transaction() as tx:
        row = await replicas.get(tx, request.reaching(), request.path["share_replica_id"])
        await room.operations.cancel(tx, f"share_replica:{row.id}")
        await _delete(request, tx, room, row)
    return no_content(202)


async def _delete(request: Request, tx: Transaction, room: Shares, row: Row[Any]) -> None:
    await replicas.check_deletable(tx, row)
    await begin.delete_instance(tx, room, request.reaching(), row)


# ---- actions ----


async def _body_of(request: Request, key: str) -> Any:
    body = await request.json()
    return body.get(key) if isinstance(body, dict) else None


async def promote(request: Request, room: Shares) -> Response:
    """quiesce_wait_time: back ends here have nothing under way when they are asked, so they never wait so long."""
    if await _body_of(request, "promote"):
        body = await request.body(shapes.Promotion, key="promote")
        if (wait := given(body.quiesce_wait_time)) is not None:
            whole(wait, "quiesce_wait_time", least=1, maximum=QUIET_S)
    async with request.transaction() as tx:
        row = await _mine(request, tx)
        if row.replica_state == replicas.ACTIVE:
            request.unchanged()
            return no_content(200)
        await replicas.check_promotable(tx, request.reaching(), row)
        row = await work.promote(tx, room, request.reaching(), row)
    return json_answer({"share_replica": _view(request, row)}, 202)


async def _to_administer(request: Request, tx: Transaction) -> Row[Any]:
    request.allow("", request.own)
    return await replicas.get(tx, request.reaching(), request.path["share_replica_id"])


async def resync(request: Request, room: Shares) -> Response:
    async with request.transaction() as tx:
        row = await _to_administer(request, tx)
        if row.replica_state == replicas.ACTIVE:
            request.unchanged()
            return no_content(200)
        if row.node is None:
            raise BadInput("Share replica does not have a valid host.")
        await work.resync(tx, room, request.reaching(), row)
    return no_content(202)


async def reset_status(request: Request, room: Shares) -> Response:
    request.allow("", request.own)
    body = await request.body(networks.ResetStatus, key="reset_status")
    if body.status not in replicas.STATUSES:
        raise BadInput(f"Invalid status specified: {body.status}.")
    async with request.transaction() as tx:
        row = await _to_administer(request, tx)
        await instances.settle(tx, room, row, body.status)
    return no_content(202)


async def reset_state(request: Request, room: Shares) -> Response:
    request.allow("", request.own)
    body = await request.body(shapes.ResetState, key="reset_replica_state")
    if body.replica_state not in replicas.STATES:
        raise BadInput(f"Invalid replica_state specified: {body.replica_state}.")
    async with request.transaction() as tx:
        row = await _to_administer(request, tx)
        await instances.change(tx, room, row.id, replica_state=body.replica_state)
        await instances.follow(tx, room, row.share_id)
    return no_content(202)


# ---- export locations and metadata ----


def _location(
    row: Row[Any], replica: Row[Any], *, detailed: bool, operator: bool
) -> dict[str, Any]:
    shown = {
        "id": row.id,
        "path": row.path,
        "preferred": row.preferred,
        "replica_state": replica.replica_state,
        "availability_zone": replica.zone,
    }
    if operator:
        shown |= {"is_admin_only": row.is_admin_only, "share_instance_id": replica.id}
    if detailed:
        times = {name: naive_micro(getattr(row, name)) for name in ("created_at", "updated_at")}
        shown |= times
    return shown


async def list_locations(request: Request, room: Shares) -> Response:
    operator = request.reaching().everywhere
    async with request.reading() as tx:
        replica = await _mine(request, tx)
        found = await exports.of(tx, [replica.id])
    items = [
        _location(row, replica, detailed=False, operator=operator)
        for row in found
        if operator or not row.is_admin_only
    ]
    return json_answer({"export_locations": items})


async def show_location(request: Request, room: Shares) -> Response:
    operator = request.reaching().everywhere
    requested = request.path["export_location_id"]
    async with request.reading() as tx:
        replica = await _mine(request, tx)
        found = await exports.of(tx, [replica.id])
    for row in found:
        if row.id == requested and (operator or not row.is_admin_only):
            shown = _location(row, replica, detailed=True, operator=operator)
            return json_answer({"export_location": shown})
    raise exports.not_found(requested)


async def _keep(tx: Transaction, room: Shares, row: Row[Any], metadata: dict[str, str]) -> None:
    await instances.change(tx, room, row.id, metadata=metadata)


async def _with_metadata(request: Request, tx: Transaction) -> Row[Any]:
    return await _mine(request, tx)


_ALL, _ONE = "/v2/share-replicas", "/v2/share-replicas/{share_replica_id}"
_DO, _LOCATIONS = f"{_ONE}/action", f"{_ONE}/export-locations"
_R, _E = "share_replica", "shared_file_system.share_replica"
_EXPORTS = "share_replica_export_location"


def _action(key: str, handler: Any, **more: Any) -> Route:
    return Route("POST", _DO, handler, (f"{_R}:{key}",), body_key=key, event=f"{_E}.{key}", **more)


ROUTES = (
    *graduated(
        (2, 11),
        (2, 56),
        Route("GET", _ALL, list_replicas, (f"{_R}:get_all",), query=QUERY),
        Route("GET", f"{_ALL}/detail", list_detailed, (f"{_R}:get_all",), query=QUERY),
        Route("GET", _ONE, show_replica, (f"{_R}:show",)),
        Route(
            "POST", _ALL, create_replica, (f"{_R}:create",), body=shapes.NewReplica,
            member="share_replica", strict=True, event=f"{_E}.create",
        ),
        Route("DELETE", _ONE, delete_replica, (f"{_R}:delete",), event=f"{_E}.delete"),
        _action("force_delete", force_delete),
        _action("promote", promote, body=shapes.Promotion, member="promote", strict=True),
        _action("resync", resync),
        _action(
            "reset_status", reset_status, body=networks.ResetStatus, member="reset_status",
            strict=True,
        ),
        _action(
            "reset_replica_state", reset_state, body=shapes.ResetState,
            member="reset_replica_state", strict=True,
        ),
    ),
    *graduated(
        (2, 47),
        (2, 56),
        Route("GET", _LOCATIONS, list_locations, (f"{_EXPORTS}:index",)),
        Route("GET", f"{_LOCATIONS}/{{export_location_id}}", show_location, (f"{_EXPORTS}:show",)),
    ),
    *kept_metadata.routes(
        _ONE, _with_metadata, _keep, minimum=(2, 95), event=f"{_E}.metadata",
        read=f"{_R}:get_metadata", write=f"{_R}:update_metadata", drop=f"{_R}:delete_metadata",
    ),
)  # fmt: skip
