"""Snapshots of shares, who mounts them, their instances.

Source: Shared File Systems API reference, "Share snapshots", "Share snapshot instances".
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Row
from starlette.responses import Response

from hanok.base.errors import BadInput, Conflict, Forbidden, Unprocessable
from hanok.services.shared_file_system.logic import access, exports, instances, shares, snapshots
from hanok.services.shared_file_system.operations import begin
from hanok.services.shared_file_system.room import Shares
from hanok.services.shared_file_system.routes import lists, metadata
from hanok.services.shared_file_system.routes.share_actions import check_status, empty
from hanok.services.shared_file_system.routes.shares import words
from hanok.services.shared_file_system.schemas import answers, bodies
from hanok.services.shared_file_system.schemas.values import check_metadata, given, whole
from hanok.services.shared_file_system.tables import share_snapshot_instances
from hanok.services.shared_file_system.tables import share_snapshots as table
from hanok.store import Transaction
from hanok.web.listing import Filter
from hanok.web.request import Request, json_answer, list_answer, no_content
from hanok.web.routes import Handler, Route
from hanok.web.versions import Query

EVERYWHERE = "share_snapshot:list_all_projects"
DEFERRED = "share_snapshot:list_snapshots_in_deferred_deletion_states"
FILTERS: dict[str, Filter] = {
    **{name: lists.equal(table.c[name]) for name in ("name", "description", "status", "share_id", "metadata")},
    "size": lists.equal(table.c.size_gib),
    "name~": lists.looks_like(table.c.name),
    "description~": lists.looks_like(table.c.description),
}  # fmt: skip
SORT = {
    **{name: table.c[name] for name in (
        "id", "status", "share_id", "name", "project_id", "created_at", "updated_at", "user_id",
    )},
    "size": table.c.size_gib, "share_size": table.c.share_size_gib, "share_proto": table.c.protocol,
    "display_name": table.c.name,
}  # fmt: skip
_OLD = {"display_name": "name", "display_description": "description",
        "display_name~": "name~", "display_description~": "description~"}  # fmt: skip
LIST = lists.declared(table, "snapshots", "Snapshot", filters=FILTERS, sort=SORT, also=_OLD)
_SINCE = {
    "name~": (2, 36),
    "description~": (2, 36),
    "display_name~": (2, 36),
    "display_description~": (2, 36),
    "description": (2, 36),
    "metadata": (2, 73),
    "with_count": (2, 79),
}
QUERY = Query(*lists.parameters(LIST, _SINCE))
find = lists.finder(snapshots.get, "snapshot_id")


class Viewer:
    """How a request sees snapshots."""

    def __init__(self, request: Request) -> None:
        self.request = request
        self.whole = request.reaching().everywhere
        self.view = request.shown(answers.SNAPSHOT)

    async def __call__(self, tx: Transaction, row: Row[Any]) -> dict[str, Any]:
        shown = answers.snapshot(row, base=self.request.base_url)
        if self.whole and self.view.shows("provider_location"):
            there = await snapshots.copies(tx, row.id)
            shown["provider_location"] = there[0].provider_location if there else None
        return self.view(shown)


def _summary(request: Request, row: Any) -> dict[str, Any]:
    return {
        "id": row.id,
        "name": row.name,
        "links": answers.links(request.base_url, "snapshots", row.id),
    }


def _statement(request: Request, *, detailed: bool) -> sa.Select[Any]:
    if "deferred" in request.query.get("status", ""):
        request.allow(DEFERRED, request.own)
    statement = snapshots.WHOLE if detailed else snapshots.NAMES
    everywhere = lists.everywhere(request, EVERYWHERE)
    return snapshots.of(request.reaching(), statement, everywhere=everywhere)


def _lister(*, detailed: bool) -> Handler:
    async def handler(request: Request, room: Shares) -> Response:
        request.allow("share_snapshot:get_all_snapshots", request.own)
        statement = _statement(request, detailed=detailed)
        async with request.reading() as tx:
            page = await LIST.page(request, tx, statement)
            counted = await lists.counted(request, tx, LIST, statement)
            show = Viewer(request)
            if detailed:
                items = [await show(tx, row) for row in page.rows]
            else:
                items = [_summary(request, row) for row in page.rows]
        shown = LIST.answer(request, page, items)
        if counted is not None:
            shown["count"] = counted
        return await list_answer(shown, "snapshots")

    return handler


list_snapshots, list_detailed = _lister(detailed=False), _lister(detailed=True)


async def show_snapshot(request: Request, room: Shares) -> Response:
    async with request.reading() as tx:
        shown = await Viewer(request)(tx, await find(request, tx))
    return json_answer({"snapshot": shown})


async def create_snapshot(request: Request, room: Shares) -> Response:
    """POST /snapshots: answers before the snapshot is there."""
    request.allow("share:create_snapshot", request.own)
    body = await request.body(bodies.NewSnapshot, key="snapshot")
    said = check_metadata(given(body.metadata) or {})
    values = words(body)
    async with request.transaction() as tx:
        await tx.take_turn(body.share_id)
        share = await shares.get(tx, request.reaching(), body.share_id)
        if not share.abilities["snapshot_support"]:
            raise Unprocessable(
                f"Snapshots cannot be created for share '{share.id}' since it does not have that capability."
            )
        shares.check_not_binned(share, "Snapshots cannot be created for share")
        row = await begin.create_snapshot(
            tx, room, request.reaching(), share, name=values.get("name"),
            description=values.get("description"), metadata=said,
        )  # fmt: skip
        shown = await Viewer(request)(tx, row)
    return json_answer({"snapshot": shown}, 202)


async def update_snapshot(request: Request, room: Shares) -> Response:
    body = await request.body(bodies.ChangedSnapshot, key="snapshot")
    values = words(body)
    async with request.transaction() as tx:
        row = await find(request, tx)
        if values:
            await snapshots.change(tx, room, row.id, **values)
        else:
            request.unchanged()
        shown = await Viewer(request)(tx, await snapshots.get(tx, request.reaching(), row.id))
    return json_answer({"snapshot": shown})


async def delete_snapshot(request: Request, room: Shares) -> Response:
    async with request.transaction() as tx:
        row = await find(request, tx)
        await tx.take_turn(row.share_id)
        await begin.delete_snapshot(tx, room, request.reaching(), row)
    return no_content(202)


# ---- actions ----


def _resetter(key: str) -> Handler:
    async def reset_status(request: Request, room: Shares) -> Response:
        body = await request.body(bodies.Status, key=key)
        async with request.transaction() as tx:
            row = await find(request, tx)
            check_status(body.status, snapshots.STATUSES)
            await snapshots.turn(tx, room, row.id, body.status)
        return no_content(202)

    return reset_status


def _forcer(key: str) -> Handler:
    async def force_delete(request: Request, room: Shares) -> Response:
        await empty(request)
        async with request.transaction() as tx:
            row = await find(request, tx)
            await tx.take_turn(row.share_id)
            await begin.delete_snapshot(tx, room, request.reaching(), row, force=True)
        return no_content(202)

    return force_delete


async def _mountable(tx: Transaction, row: Row[Any]) -> Row[Any]:
    """The share of a snapshot whose clients are said. Raises BadInput."""
    share = await snapshots.share_of(tx, row)
    if not share.abilities["mount_snapshot_support"]:
        raise BadInput(
            f"Cannot control access to the snapshot {row.id} since the parent share {share.id} does not support "
            "mounting its snapshots."
        )
    return share


def _check_own(row: Row[Any], share: Row[Any]) -> None:
    if share.abilities["snapshot_inherit_share_access_support"]:
        raise BadInput(
            f"Cannot modify access rules for the snapshot {row.id} since the parent share {share.id} has "
            "snapshot_inherit_share_access_support enabled."
        )


def _allower(*, ipv6: bool) -> Handler:
    async def allow(request: Request, room: Shares) -> Response:
        body = await request.body(bodies.AllowedSnapshot, key="allow_access")
        access.check(body.access_type, body.access_to, ceph=False, ipv6=ipv6)
        async with request.transaction() as tx:
            row = await find(request, tx)
            _check_own(row, await _mountable(tx, row))
            rule = await access.allow_snapshot(tx, room, row, body.access_type, body.access_to)
            await begin.update_snapshot_access(tx, room, request.reaching(), row)
        return json_answer({"snapshot_access": answers.snapshot_access(rule)}, 202)

    return allow


async def deny(request: Request, room: Shares) -> Response:
    body = await request.body(bodies.DeniedSnapshot, key="deny_access")
    async with request.transaction() as tx:
        row = await find(request, tx)
        _check_own(row, await _mountable(tx, row))
        rule = await access.get_of_snapshot(tx, body.access_id)
        if rule.snapshot_id != row.id:
            raise BadInput("Access rule provided is not associated with given snapshot.")
        await access.change_of_snapshot(tx, room, rule.id, access.DENIED)
        await begin.update_snapshot_access(tx, room, request.reaching(), row)
    return no_content(202)


async def list_access(request: Request, room: Shares) -> Response:
    async with request.reading() as tx:
        row = await find(request, tx)
        await _mountable(tx, row)
        rules = await access.of_snapshot(tx, row.id)
    return json_answer({"snapshot_access_list": [answers.snapshot_access(one) for one in rules]})


# ---- export locations ----


def _export(request: Request, row: Row[Any], *, detailed: bool) -> dict[str, Any]:
    whole = request.reaching().everywhere
    return answers.snapshot_export(row, base=request.base_url, detailed=detailed, whole=whole)


def _exports(request: Request, rows: Sequence[Row[Any]]) -> Response:
    whole = request.reaching().everywhere
    found = [
        _export(request, row, detailed=False) for row in rows if whole or not row.is_admin_only
    ]
    return json_answer({"share_snapshot_export_locations": found})


def _one(request: Request, rows: Sequence[Row[Any]]) -> Response:
    sent = request.path["export_location_id"]
    found = next((row for row in rows if row.id == sent), None)
    if found is None or (found.is_admin_only and not request.reaching().everywhere):
        raise exports.not_found(sent)
    shown = _export(request, found, detailed=True)
    return json_answer({"share_snapshot_export_location": shown})


async def _exports_of(request: Request, tx: Transaction) -> Sequence[Row[Any]]:
    row = await find(request, tx)
    return await exports.of_snapshot(tx, row.id)


async def list_exports(request: Request, room: Shares) -> Response:
    async with request.reading() as tx:
        rows = await _exports_of(request, tx)
    return _exports(request, rows)


async def show_export(request: Request, room: Shares) -> Response:
    async with request.reading() as tx:
        rows = await _exports_of(request, tx)
    return _one(request, rows)


# ---- instances ----


async def _copy(request: Request, tx: Transaction) -> Row[Any]:
    request.allow("", request.own)
    return await snapshots.copy(tx, request.path["snapshot_instance_id"])


async def _copy_shown(tx: Transaction, row: Row[Any]) -> dict[str, Any]:
    one = await instances.get_any(tx, row.instance_id)
    return answers.snapshot_instance(row, "" if one is None else one.share_id)


COPIES = lists.declared(
    share_snapshot_instances,
    "snapshot_instances",
    "Snapshot instance",
    filters={"snapshot_id": lists.equal(share_snapshot_instances.c.snapshot_id)},
    sort={
        "id": share_snapshot_instances.c.id,
        "created_at": share_snapshot_instances.c.created_at,
    },
)


def _copy_lister(*, detailed: bool) -> Handler:
    async def handler(request: Request, room: Shares) -> Response:
        request.allow("", request.own)
        async with request.reading() as tx:
            page = await COPIES.page(request, tx, snapshots.COPIES)
            if detailed:
                items = [await _copy_shown(tx, row) for row in page.rows]
            else:
                names = ("id", "snapshot_id", "status")
                items = [{name: getattr(row, name) for name in names} for row in page.rows]
        return json_answer(COPIES.answer(request, page, items))

    return handler


list_copies, list_copies_detailed = _copy_lister(detailed=False), _copy_lister(detailed=True)


async def show_copy(request: Request, room: Shares) -> Response:
    async with request.reading() as tx:
        found = await _copy_shown(tx, await _copy(request, tx))
    return json_answer({"snapshot_instance": found})


async def reset_copy(request: Request, room: Shares) -> Response:
    body = await request.body(bodies.Status, key="reset_status")
    async with request.transaction() as tx:
        row = await _copy(request, tx)
        await tx.take_turn(row.snapshot_id)
        check_status(body.status, shares.RESETTABLE)
        await snapshots.turn_copy(tx, room, row, body.status)
    return no_content(202)


async def list_copy_exports(request: Request, room: Shares) -> Response:
    async with request.reading() as tx:
        rows = await exports.of_snapshot_instance(tx, (await _copy(request, tx)).id)
    return _exports(request, rows)


async def show_copy_export(request: Request, room: Shares) -> Response:
    async with request.reading() as tx:
        rows = await exports.of_snapshot_instance(tx, (await _copy(request, tx)).id)
    return _one(request, rows)


# ---- taking over, and letting go of ----


async def manage_snapshot(request: Request, room: Shares) -> Response:
    """POST /snapshots/manage: a snapshot that is on the share's back end already."""
    request.allow("", request.own)
    body = await request.body(bodies.ManagedSnapshot, key="snapshot")
    size_gib = _size(given(body.driver_options) or {})
    values = words(body)
    async with request.transaction() as tx:
        await tx.take_turn(body.share_id)
        share = await shares.get(tx, request.reaching(), body.share_id)
        shares.check_not_binned(share, "Can not manage snapshot for share")
        await _check_replicas(tx, share, "managed")
        row = await begin.manage_snapshot(
            tx, room, request.reaching(), share, location=body.provider_location,
            name=values.get("name"), description=values.get("description"),
            metadata=check_metadata(given(body.metadata) or {}), size_gib=size_gib,
        )  # fmt: skip
        shown = await Viewer(request)(tx, row)
    return json_answer({"snapshot": shown}, 202)


def _size(options: dict[str, Any]) -> int:
    """How large a snapshot is that is taken over; 0: as its share. Raises BadInput."""
    if odd := [name for name in options if name != "size"]:
        raise BadInput(f"The back end does not support the driver option {odd[0][:100]}.")
    return whole(options["size"], "size", least=1) if "size" in options else 0


async def _check_replicas(tx: Transaction, share: Row[Any], what: str) -> None:
    if instances.has_replicas(await instances.of_share(tx, share.id)):
        raise Conflict(
            f"Share {share.id} has replicas. Snapshots of this share cannot currently be {what} until all replicas are "
            "removed."
        )


def _unmanager(*, servers: bool) -> Handler:
    """servers: whether those of shares on share servers are let go of, too."""

    async def unmanage(request: Request, room: Shares) -> Response:
        async with request.transaction() as tx:
            row = await find(request, tx)
            share = await snapshots.share_of(tx, row)
            one = await instances.main_of(tx, share.id)
            if not servers and one is not None and one.share_server_id:
                raise Forbidden(
                    "Operation 'unmanage_snapshot' is not supported for snapshots of shares that are created with "
                    "share servers (created with share-networks)."
                )
            await _check_replicas(tx, share, "unmanaged")
            if row.status in snapshots.TRANSITIONAL:
                raise Forbidden(
                    f"Snapshot with transitional state cannot be unmanaged. Snapshot '{row.id}' is in '{row.status}' "
                    "state."
                )
            await begin.unmanage_snapshot(tx, room, request.reaching(), row)
        return no_content(202)

    return unmanage


async def _keep(tx: Transaction, room: Shares, row: Row[Any], found: dict[str, str]) -> None:
    await snapshots.change(tx, room, row.id, metadata=found)


METADATA = metadata.Kind(
    path="/v2/snapshots/{snapshot_id}",
    get="share_snapshot:get_metadata",
    put="share_snapshot:update_metadata",
    drop="share_snapshot:delete_metadata",
    find=find,
    change=find,
    keep=_keep,
    event="shared_file_system.snapshot",
    minimum=(2, 73),
)
_ALL, _ONE = "/v2/snapshots", "/v2/snapshots/{snapshot_id}"
_COPIES, _COPY = "/v2/snapshot-instances", "/v2/snapshot-instances/{snapshot_instance_id}"
_PLACE = "export-locations/{export_location_id}"
_P, _C, _CP = (
    "share_snapshot_export_location",
    "share_snapshot_instance",
    "share_snapshot_instance_export_location",
)
_E = "shared_file_system.snapshot"
_LISTED = ("share_snapshot:get_all_snapshots", EVERYWHERE, DEFERRED)


def _action(
    key: str, handler: Handler, rule: str, body: Any = None, told: str = "", **more: Any
) -> Route:
    return Route(
        "POST", f"{_ONE}/action", handler, (rule,), body_key=key, body=body, member=key if body else "",
        strict=body is not None, event=f"{_E}.{told}" if told else "", **more,
    )  # fmt: skip


def _both(key: str, make: Callable[[str], Handler], rule: str, **more: Any) -> tuple[Route, Route]:
    old = f"os-{key}"
    return (
        _action(old, make(old), rule, maximum=(2, 6), **more),
        _action(key, make(key), rule, minimum=(2, 7), **more),
    )


ROUTES = (
    Route("GET", _ALL, list_snapshots, _LISTED, query=QUERY),
    Route("GET", f"{_ALL}/detail", list_detailed, _LISTED, query=QUERY),
    Route(
        "POST", _ALL, create_snapshot, ("share:create_snapshot",), body=bodies.NewSnapshot,
        member="snapshot", strict=True,
    ),
    Route(
        "POST", f"{_ALL}/manage", manage_snapshot, ("share_snapshot:manage_snapshot",),
        body=bodies.ManagedSnapshot, member="snapshot", strict=True, minimum=(2, 12),
    ),
    Route("GET", _ONE, show_snapshot, ("share_snapshot:get_snapshot",)),
    Route(
        "PUT", _ONE, update_snapshot, ("share:snapshot_update",), body=bodies.ChangedSnapshot,
        member="snapshot", strict=True, event=f"{_E}.update.end",
    ),
    Route("DELETE", _ONE, delete_snapshot, ("share:delete_snapshot",)),
    *_both("reset_status", _resetter, "share_snapshot:reset_status", body=bodies.Status,
           told="reset_status.end"),
    *_both("force_delete", _forcer, "share_snapshot:force_delete"),
    _action(
        "unmanage", _unmanager(servers=False), "share_snapshot:unmanage_snapshot", minimum=(2, 12),
        maximum=(2, 48),
    ),
    _action("unmanage", _unmanager(servers=True), "share_snapshot:unmanage_snapshot", minimum=(2, 49)),
    _action(
        "allow_access", _allower(ipv6=False), "share_snapshot:allow_access",
        body=bodies.AllowedSnapshot, minimum=(2, 32), maximum=(2, 37), told="access.allow",
    ),
    _action(
        "allow_access", _allower(ipv6=True), "share_snapshot:allow_access",
        body=bodies.AllowedSnapshot, minimum=(2, 38), told="access.allow",
    ),
    _action(
        "deny_access", deny, "share_snapshot:deny_access", body=bodies.DeniedSnapshot,
        minimum=(2, 32), told="access.deny",
    ),
    Route("GET", f"{_ONE}/access-list", list_access, ("share_snapshot:access_list",), minimum=(2, 32)),
    Route("GET", f"{_ONE}/export-locations", list_exports, (f"{_P}:index",), minimum=(2, 32)),
    Route("GET", f"{_ONE}/{_PLACE}", show_export, (f"{_P}:show",), minimum=(2, 32)),
    Route("GET", _COPIES, list_copies, (f"{_C}:index",), minimum=(2, 19), query=COPIES.parameters),
    Route(
        "GET", f"{_COPIES}/detail", list_copies_detailed, (f"{_C}:detail",), minimum=(2, 19),
        query=COPIES.parameters,
    ),
    Route("GET", _COPY, show_copy, (f"{_C}:show",), minimum=(2, 19)),
    Route(
        "POST", f"{_COPY}/action", reset_copy, (f"{_C}:reset_status",), body_key="reset_status",
        member="reset_status", body=bodies.Status, strict=True, minimum=(2, 19),
        event="shared_file_system.snapshot_instance.reset_status",
    ),
    Route("GET", f"{_COPY}/export-locations", list_copy_exports, (f"{_CP}:index",), minimum=(2, 32)),
    Route("GET", f"{_COPY}/{_PLACE}", show_copy_export, (f"{_CP}:show",), minimum=(2, 32)),
    *metadata.routes(METADATA),
)  # fmt: skip
