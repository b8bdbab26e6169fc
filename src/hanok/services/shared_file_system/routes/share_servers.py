"""Share servers, for operators.

Source: Shared File Systems API reference, "Share servers", "Share server migration".
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy import Row
from starlette.responses import Response

from hanok.base.errors import BadInput, NotFound
from hanok.services.shared_file_system.logic import server_moves, share_networks, share_servers
from hanok.services.shared_file_system.operations import share_servers as work
from hanok.services.shared_file_system.room import Shares
from hanok.services.shared_file_system.routes import lists
from hanok.services.shared_file_system.schemas import networks as shapes
from hanok.services.shared_file_system.schemas.values import given, truth
from hanok.services.shared_file_system.tables import share_servers as table
from hanok.store import Transaction
from hanok.web.listing import Filter, Where
from hanok.web.request import Request, json_answer, no_content
from hanok.web.routes import Route

MEMBER = "share_server"


def _at(values: list[str]) -> Where:
    node, _, backend = values[-1].partition("@")
    return sa.and_(table.c.node == node, table.c.backend == backend.partition("#")[0])


FILTERS: dict[str, Filter] = {
    "host": _at,
    "status": lists.equal(table.c.status),
    "project_id": lists.equal(table.c.project_id),
    "share_network": lambda values: share_servers.of_named(values[-1]),
    "share_network_id": lists.equal(table.c.share_network_id),
    "share_network_subnet_id": lambda values: share_servers.with_subnet(values[-1]),
    "source_share_server_id": lists.equal(table.c.source_share_server_id),
    "identifier": lists.equal(table.c.identifier),
}


async def _server(request: Request, tx: Transaction) -> Row[Any]:
    request.allow("", request.own)
    return await share_servers.get(tx, request.path["share_server_id"])


async def _view(request: Request, tx: Transaction, row: Row[Any]) -> dict[str, Any]:
    on = await share_servers.subnets_of(tx, [row.id])
    support = await share_servers.supports(tx, row)
    return request.shown(shapes.SHARE_SERVER)(shapes.share_server(row, on[row.id], support))


async def list_servers(request: Request, room: Shares) -> Response:
    """All of them: hosts have tens. By a name that is no attribute of theirs, none is found."""
    request.allow("", request.own)
    conditions = [
        FILTERS[name]([value]) if name in FILTERS else sa.false()
        for name, value in request.parameters
    ]
    async with request.reading() as tx:
        rows = await share_servers.found(tx, conditions)
        items = [await _view(request, tx, row) for row in rows]
    for one in items:
        del one["created_at"]
    return json_answer({"share_servers": items})


async def show_server(request: Request, room: Shares) -> Response:
    async with request.reading() as tx:
        row = await _server(request, tx)
        shown = await _view(request, tx, row)
    return json_answer({MEMBER: {**shown, "backend_details": shapes.details(row)}})


async def show_details(request: Request, room: Shares) -> Response:
    async with request.reading() as tx:
        row = await _server(request, tx)
    return json_answer({"details": shapes.details(row)})


async def delete_server(request: Request, room: Shares) -> Response:
    async with request.transaction() as tx:
        row = await _server(request, tx)
        await tx.take_turn(row.share_network_id)  # a share may be about to claim the server
        row = await _server(request, tx)
        await share_servers.check_deletable(tx, row)
        await work.begin_deleting(tx, room, request.token.user_id, row)
    return no_content(202)


async def reset_status(request: Request, room: Shares) -> Response:
    request.allow("", request.own)
    body = await request.body(shapes.ResetStatus, key="reset_status")
    if body.status not in share_servers.STATUSES:
        raise BadInput(f"Invalid status specified: {body.status}.")
    return await _set(request, room, {"status": body.status})


async def reset_task_state(request: Request, room: Shares) -> Response:
    request.allow("", request.own)
    body = await request.body(shapes.ResetTaskState, key="reset_task_state")
    if body.task_state not in (None, *share_servers.TASK_STATES):
        raise BadInput(f"Invalid task_state specified: {body.task_state}.")
    return await _set(request, room, {"task_state": body.task_state})


async def _set(request: Request, room: Shares, values: dict[str, Any]) -> Response:
    async with request.transaction() as tx:
        row = await _server(request, tx)
        await share_servers.change(tx, row.id, values, room.clock.now())
    return no_content(202)


# ---- taking one over, and letting go of it ----


async def manage_server(request: Request, room: Shares) -> Response:
    """Hosts have no share servers but those that we know: after all checks that is what is said."""
    request.allow("", request.own)
    body = await request.body(shapes.ManagedServer, key=MEMBER)
    async with request.transaction() as tx:
        network = await _named_network(request, tx, body.share_network_id)
        await server_moves.check_managed(
            tx,
            room,
            host=body.host,
            network=network,
            subnet_id=given(body.share_network_subnet_id),
            identifier=body.identifier,
        )
    raise BadInput(
        f"Back end {body.host} has no share server {body.identifier} that is not known already."
    )


async def _named_network(request: Request, tx: Transaction, network_id: str) -> Row[Any]:
    """A share network that a body names. Raises BadInput."""
    try:
        return await share_networks.get(tx, request.reaching(), network_id)
    except NotFound as error:
        raise BadInput(error.message) from None


async def unmanage_server(request: Request, room: Shares) -> Response:
    request.allow("", request.own)
    body = await request.json()
    requested = body.get("unmanage") if isinstance(body, dict) else None
    if requested is not None:
        found = await request.body(shapes.UnmanagedServer, key="unmanage")
        if given(found.force) is not None:
            truth(found.force, "force")
    async with request.transaction() as tx:
        row = await _server(request, tx)
        await server_moves.check_unmanaged(tx, row)
    raise BadInput(
        f"Back end {row.node}@{row.backend} does not keep share servers that are not known."
    )


# ---- moving it ----


def _flags(body: shapes.ServerMove) -> dict[str, bool]:
    return {
        name: truth(getattr(body, name), name)
        for name in ("writable", "nondisruptive", "preserve_snapshots")
    }


async def _move(
    request: Request, room: Shares, body: shapes.ServerMove
) -> tuple[Row[Any], dict[str, bool], str]:
    """A server's move, as far as it can be checked. Returns the share network that it would be in, too."""
    flags, network_id = _flags(body), given(body.new_share_network_id)
    async with request.reading() as tx:
        row = await _server(request, tx)
        network = None
        if network_id:
            network = await _named_network(request, tx, network_id)
            share_networks.check_active(network)
        target = await server_moves.check(tx, room, row, body.host, network)
    return row, flags, target


async def check_migration(request: Request, room: Shares) -> Response:
    request.allow("", request.own)
    body = await request.body(shapes.ServerMove, key="migration_check")
    _, flags, target = await _move(request, room, body)
    none = dict.fromkeys((*flags, "migration_cancel", "migration_get_progress"), False)
    answer = {
        "compatible": False,
        "requested_capabilities": {
            **flags,
            "share_network_id": given(body.new_share_network_id),
            "host": body.host,
        },
        "supported_capabilities": {**none, "share_network_id": target},
    }
    return json_answer(answer)


async def start_migration(request: Request, room: Shares) -> Response:
    request.allow("", request.own)
    body = await request.body(shapes.ServerMove, key="migration_start")
    row, _, _ = await _move(request, room, body)
    raise BadInput(
        f"Share server {row.id} cannot be migrated to {body.host}: its back end does not move share servers."
    )


async def _not_moving(request: Request) -> Response:
    async with request.reading() as tx:
        row = await _server(request, tx)
    raise BadInput(f"Share server {row.id} is not migrating.")


async def complete_migration(request: Request, room: Shares) -> Response:
    return await _not_moving(request)


async def cancel_migration(request: Request, room: Shares) -> Response:
    return await _not_moving(request)


async def show_progress(request: Request, room: Shares) -> Response:
    return await _not_moving(request)


_ALL, _ONE = "/v2/share-servers", "/v2/share-servers/{share_server_id}"
_DO, _R, _E = f"{_ONE}/action", "share_server", "shared_file_system.share_server"


def _action(key: str, handler: Any, rule: str, minimum: Any, **more: Any) -> Route:
    return Route("POST", _DO, handler, (f"{_R}:{rule}",), body_key=key, minimum=minimum, **more)


def _moving(key: str, handler: Any, rule: str, **more: Any) -> Route:
    return _action(key, handler, f"share_server_{rule}", (2, 57), experimental=True, **more)


ROUTES = (
    Route("GET", _ALL, list_servers, (f"{_R}:index",), query=tuple(FILTERS)),
    Route("GET", _ONE, show_server, (f"{_R}:show",)),
    Route("GET", f"{_ONE}/details", show_details, (f"{_R}:details",)),
    Route("DELETE", _ONE, delete_server, (f"{_R}:delete",), event=f"{_E}.delete"),
    Route(
        "POST", f"{_ALL}/manage", manage_server, (f"{_R}:manage_share_server",),
        minimum=(2, 49), body=shapes.ManagedServer, member=MEMBER, strict=True,
    ),
    _action(
        "reset_status", reset_status, "reset_status", (2, 49), body=shapes.ResetStatus,
        member="reset_status", strict=True, event=f"{_E}.reset_status",
    ),
    _action(
        "unmanage", unmanage_server, "unmanage_share_server", (2, 49),
        body=shapes.UnmanagedServer, member="unmanage", strict=True,
    ),
    _moving(
        "reset_task_state", reset_task_state, "reset_task_state", body=shapes.ResetTaskState,
        member="reset_task_state", strict=True, event=f"{_E}.reset_task_state",
    ),
    _moving(
        "migration_check", check_migration, "migration_check", body=shapes.ServerMove,
        member="migration_check", strict=True,
    ),
    _moving(
        "migration_start", start_migration, "migration_start", body=shapes.ServerMove,
        member="migration_start", strict=True,
    ),
    _moving("migration_complete", complete_migration, "migration_complete"),
    _moving("migration_cancel", cancel_migration, "migration_cancel"),
    _moving("migration_get_progress", show_progress, "migration_get_progress"),
)  # fmt: skip
