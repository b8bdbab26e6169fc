"""Share groups and snapshots of them.

Source: Shared File Systems API reference, "Share groups", "Share group snapshots".
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from starlette.responses import Response

from hanok.base.errors import BadInput, NotFound
from hanok.services.shared_file_system.logic import share_groups
from hanok.services.shared_file_system.operations import share_groups as work
from hanok.services.shared_file_system.room import Shares
from hanok.services.shared_file_system.routes import lists, project_lists
from hanok.services.shared_file_system.routes.graduation import graduated
from hanok.services.shared_file_system.routes.security_services import sent
from hanok.services.shared_file_system.schemas import groups as shapes
from hanok.services.shared_file_system.schemas import networks
from hanok.services.shared_file_system.schemas.values import given
from hanok.services.shared_file_system.tables import share_group_snapshots as snapshots_table
from hanok.services.shared_file_system.tables import share_groups as table
from hanok.store import Transaction
from hanok.web.listing import Where
from hanok.web.request import Request, json_answer, no_content
from hanok.web.routes import Route

WIDE = "context_is_admin"


def _at(values: list[str]) -> Where:
    node, _, rest = values[-1].partition("@")
    return (table.c.node == node) & (table.c.backend == rest.partition("#")[0])


LIST = lists.declared(
    table,
    "share_groups",
    "Share group",
    filters={
        **project_lists.equal(
            table, "id", "name", "description", "status", "share_network_id", "share_server_id",
            "project_id", share_group_type_id=table.c.group_type_id,
            group_type_id=table.c.group_type_id,
            source_share_group_snapshot_id=table.c.source_snapshot_id,
        ),
        **project_lists.like(table, "name", "description"),
        "host": _at,
    },
    sort={
        **{name: table.c[name] for name in ("id", "name", "status", "created_at", "updated_at")},
        "share_group_type_id": table.c.group_type_id,
        "share_network_id": table.c.share_network_id,
    },
)  # fmt: skip
SNAPSHOT_LIST = lists.declared(
    snapshots_table,
    "share_group_snapshots",
    "Share group snapshot",
    filters={
        **project_lists.equal(
            snapshots_table, "id", "name", "description", "status", "share_group_id", "project_id"
        ),
        **project_lists.like(snapshots_table, "name", "description"),
    },
    sort={
        name: snapshots_table.c[name]
        for name in ("id", "name", "status", "share_group_id", "created_at", "updated_at")
    },
)
QUERY = project_lists.query_of(LIST, "all_tenants", "all_projects")
SNAPSHOT_QUERY = project_lists.query_of(SNAPSHOT_LIST, "all_tenants", "all_projects")
_mine = lists.finder(share_groups.get, "share_group_id")
_snapshot = lists.finder(share_groups.get_snapshot, "group_snapshot_id")


def _summary(request: Request, row: Any) -> dict[str, Any]:
    return shapes.group_summary(row, request.base_url)


def _detail(request: Request, row: Any) -> dict[str, Any]:
    shown = shapes.group(row, request.base_url, whole=request.reaching().everywhere)
    return request.shown(shapes.GROUP)(shown)


def _lister(show: Any) -> Any:
    prepare = project_lists.plainly(show)
    return project_lists.lister(LIST, share_groups.of, share_groups.WHOLE, prepare, wide=WIDE)


list_groups, list_detailed = _lister(_summary), _lister(_detail)


async def show_group(request: Request, room: Shares) -> Response:
    async with request.reading() as tx:
        row = await _mine(request, tx)
    return json_answer({"share_group": _detail(request, row)})


def _check_alone(body: shapes.NewGroup) -> None:
    """Raises BadInput where what a snapshot says is said once more."""
    if given(body.source_share_group_snapshot_id) is None:
        return
    for name in ("share_types", "share_network_id", "availability_zone"):
        if given(getattr(body, name)):
            raise BadInput(
                f"Cannot supply both '{name}' and 'source_share_group_snapshot_id' attributes."
            )


async def create_group(request: Request, room: Shares) -> Response:
    request.allow("", request.own)
    body = await request.body(shapes.NewGroup, key="share_group")
    _check_alone(body)
    requested = share_groups.Requested(
        name=given(body.name),
        description=given(body.description),
        share_types=given(body.share_types) or (),
        group_type_id=given(body.share_group_type_id),
        share_network_id=given(body.share_network_id),
        zone=given(body.availability_zone) or None,
        snapshot_id=given(body.source_share_group_snapshot_id),
    )
    async with request.transaction() as tx:
        row = await work.create(tx, room, request.reaching(), requested)
        request.made(row.id)
    return json_answer({"share_group": _detail(request, row)}, 202)


async def update_group(request: Request, room: Shares) -> Response:
    body = await request.body(shapes.Renamed, key="share_group")
    async with request.transaction() as tx:
        row = await _mine(request, tx)
        await share_groups.change(tx, room, row.id, **sent(body))
        row = await share_groups.get(tx, request.reaching(), row.id)
    return json_answer({"share_group": _detail(request, row)})


async def delete_group(request: Request, room: Shares) -> Response:
    async with request.transaction() as tx:
        row = await _mine(request, tx)
        await share_groups.check_deletable(tx, row)
        await share_groups.gone(tx, row.id)
    return no_content(202)


async def force_delete(request: Request, room: Shares) -> Response:
    async with request.transaction() as tx:
        request.allow("", request.own)
        row = await share_groups.get(tx, request.reaching(), request.path["share_group_id"])
        await work.delete_by_force(tx, room, request.reaching(), row)
    return no_content(202)


async def _status(request: Request) -> str:
    request.allow("", request.own)
    body = await request.body(networks.ResetStatus, key="reset_status")
    if body.status not in share_groups.STATUSES:
        raise BadInput(f"Invalid status specified: {body.status}.")
    return body.status


async def reset_status(request: Request, room: Shares) -> Response:
    status = await _status(request)
    async with request.transaction() as tx:
        row = await share_groups.get(tx, request.reaching(), request.path["share_group_id"])
        await share_groups.change(tx, room, row.id, status=status)
    return no_content(202)


# ---- snapshots ----


def _snapshot_summary(request: Request, row: Any) -> dict[str, Any]:
    return shapes.snapshot_summary(row, request.base_url)


async def _details(
    request: Request, room: Shares, tx: Transaction, rows: Sequence[Any]
) -> project_lists.Show:
    found = await share_groups.members_of(tx, [row.id for row in rows])
    return lambda row: shapes.snapshot(row, request.base_url, found[row.id])


def _snapshot_lister(prepare: project_lists.Prepare) -> Any:
    of, every = share_groups.snapshots_of_caller, share_groups.SNAPSHOTS
    return project_lists.lister(SNAPSHOT_LIST, of, every, prepare, wide=WIDE)


list_snapshots = _snapshot_lister(project_lists.plainly(_snapshot_summary))
list_snapshots_detailed = _snapshot_lister(_details)


async def _view(request: Request, tx: Transaction, row: Any, status: int = 200) -> Response:
    found = await share_groups.members_of(tx, [row.id])
    shown = shapes.snapshot(row, request.base_url, found[row.id])
    return json_answer({"share_group_snapshot": shown}, status)


async def show_snapshot(request: Request, room: Shares) -> Response:
    async with request.reading() as tx:
        row = await _snapshot(request, tx)
        return await _view(request, tx, row)


async def list_members(request: Request, room: Shares) -> Response:
    async with request.reading() as tx:
        row = await _snapshot(request, tx)
        found = (await share_groups.members_of(tx, [row.id]))[row.id]
    return json_answer({"share_group_snapshot_members": [shapes.member(one) for one in found]})


async def create_snapshot(request: Request, room: Shares) -> Response:
    request.allow("", request.own)
    body = await request.body(shapes.NewGroupSnapshot, key="share_group_snapshot")
    async with request.transaction() as tx:
        caller = request.reaching()
        await tx.take_turn(body.share_group_id)
        try:
            group = await share_groups.get(tx, caller, body.share_group_id)
        except NotFound as error:
            raise BadInput(error.message) from None
        request.allow("", {"project_id": group.project_id})
        words = {"name": given(body.name), "description": given(body.description)}
        row = await share_groups.create_snapshot(tx, room, caller, group, **words)
        await work.begin_snapshot(tx, room, caller, row)
        request.made(row.id)
        return await _view(request, tx, row, 202)


async def update_snapshot(request: Request, room: Shares) -> Response:
    body = await request.body(shapes.Renamed, key="share_group_snapshot")
    async with request.transaction() as tx:
        row = await _snapshot(request, tx)
        await share_groups.change_snapshot(tx, room, row.id, **sent(body))
        row = await share_groups.get_snapshot(tx, request.reaching(), row.id)
        return await _view(request, tx, row)


async def delete_snapshot(request: Request, room: Shares) -> Response:
    async with request.transaction() as tx:
        row = await _snapshot(request, tx)
        await work.begin_deleting_snapshot(tx, room, request.reaching(), row)
    return no_content(202)


async def force_delete_snapshot(request: Request, room: Shares) -> Response:
    request.allow("", request.own)
    async with request.transaction() as tx:
        caller = request.reaching()
        row = await share_groups.get_snapshot(tx, caller, request.path["group_snapshot_id"])
        await work.begin_deleting_snapshot(tx, room, caller, row, force=True)
    return no_content(202)


async def reset_snapshot_status(request: Request, room: Shares) -> Response:
    status = await _status(request)
    async with request.transaction() as tx:
        caller = request.reaching()
        row = await share_groups.get_snapshot(tx, caller, request.path["group_snapshot_id"])
        await share_groups.turn_snapshot(tx, room, row.id, status)
    return no_content(202)


def _kind(path: str, parameter: str, rule: str, **how: Any) -> tuple[Route, ...]:
    one, event = f"{path}/{{{parameter}}}", f"shared_file_system.{rule}"
    do, member = f"{one}/action", rule
    return (
        Route("GET", path, how["list"], (f"{rule}:get_all", WIDE), query=how["query"]),
        Route("GET", f"{path}/detail", how["detail"], (f"{rule}:get_all", WIDE), query=how["query"]),
        Route("GET", one, how["show"], (f"{rule}:get",)),
        Route(
            "POST", path, how["create"], (f"{rule}:create",), body=how["body"], member=member,
            strict=True, event=f"{event}.create",
        ),
        Route(
            "PUT", one, how["update"], (f"{rule}:update",), body=shapes.Renamed, member=member,
            strict=True, event=f"{event}.update",
        ),
        Route("DELETE", one, how["delete"], (f"{rule}:delete",), event=f"{event}.delete"),
        Route(
            "POST", do, how["force"], (f"{rule}:force_delete",), body_key="force_delete",
            event=f"{event}.delete",
        ),
        Route(
            "POST", do, how["reset"], (f"{rule}:reset_status",), body_key="reset_status",
            body=networks.ResetStatus, member="reset_status", strict=True,
            event=f"{event}.reset_status",
        ),
    )  # fmt: skip


ROUTES = graduated(
    (2, 31),
    (2, 55),
    *_kind(
        "/v2/share-groups", "share_group_id", "share_group", list=list_groups,
        detail=list_detailed, query=QUERY, show=show_group, create=create_group,
        body=shapes.NewGroup, update=update_group, delete=delete_group, force=force_delete,
        reset=reset_status,
    ),
    *_kind(
        "/v2/share-group-snapshots", "group_snapshot_id", "share_group_snapshot",
        list=list_snapshots, detail=list_snapshots_detailed, query=SNAPSHOT_QUERY,
        show=show_snapshot, create=create_snapshot, body=shapes.NewGroupSnapshot,
        update=update_snapshot, delete=delete_snapshot, force=force_delete_snapshot,
        reset=reset_snapshot_status,
    ),
    Route(
        "GET", "/v2/share-group-snapshots/{group_snapshot_id}/members", list_members,
        ("share_group_snapshot:get",),
    ),
)  # fmt: skip
