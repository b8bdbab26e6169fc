"""Shares: lists, show, create, change, delete.

Source: Shared File Systems API reference, "Shares".
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Row
from starlette.responses import Response

from hanok.base.errors import BadInput, Forbidden
from hanok.services.shared_file_system.logic import (
    backends,
    creating,
    exports,
    instances,
    shares,
    types,
)
from hanok.services.shared_file_system.operations import begin
from hanok.services.shared_file_system.room import Shares
from hanok.services.shared_file_system.routes import lists, metadata
from hanok.services.shared_file_system.schemas import answers, bodies
from hanok.services.shared_file_system.schemas.values import given, truth
from hanok.services.shared_file_system.tables import share_export_locations, share_types
from hanok.services.shared_file_system.tables import shares as table
from hanok.store import Transaction
from hanok.web.listing import Filter
from hanok.web.request import Request, json_answer, list_answer, no_content
from hanok.web.routes import Handler, Route
from hanok.web.versions import Query

HOST = "context_is_host_admin"
EVERYWHERE = "share:list_all_projects"
BY_HOST, BY_SERVER = "share:list_by_host", "share:list_by_share_server_id"
DEFERRED = "share:list_shares_in_deferred_deletion_states"


def _one(condition: Any) -> Filter:
    return lambda values: condition(values[-1])


def _binned(values: list[str]) -> sa.ColumnElement[bool]:
    there = truth(values[-1], "is_soft_deleted")
    return table.c.deleted_from.is_not(None) if there else table.c.deleted_from.is_(None)


_specs = lists.of_map(share_types.c.extra_specs, "extra_specs")


def _by_specs(values: list[str]) -> sa.ColumnElement[bool]:
    found = _specs(values)
    return shares.of_types(sa.true() if found is None else found)


FILTERS: dict[str, Filter] = {
    **{name: lists.equal(table.c[name]) for name in (
        "name", "description", "status", "snapshot_id", "share_network_id", "project_id", "metadata", "share_group_id",
        "mount_point_name", "encryption_key_ref",
    )},
    "name~": lists.looks_like(table.c.name),
    "description~": lists.looks_like(table.c.description),
    "share_type_id": lists.equal(table.c.type_id),
    "host": _one(shares.on_host),
    "share_server_id": _one(shares.of_server),
    "availability_zone": _one(shares.in_zone),
    "export_location_id": _one(lambda value: shares.exported(share_export_locations.c.id, value)),
    "export_location_path": _one(
        lambda value: shares.exported(share_export_locations.c.path, value)
    ),
    "extra_specs": _by_specs,
    "is_soft_deleted": _binned,
}  # fmt: skip
_OLD = {"display_name": "name", "display_description": "description", "volume_type_id": "share_type_id",
        "display_name~": "name~", "display_description~": "description~"}  # fmt: skip
SORT = {
    **{name: table.c[name] for name in (
        "id", "status", "project_id", "share_network_id", "snapshot_id", "created_at", "updated_at", "name", "user_id",
    )},
    "size": table.c.size_gib, "share_proto": table.c.protocol, "display_name": table.c.name,
    "share_type_id": table.c.type_id, "share_type": table.c.type_id, "is_public": table.c.is_public,
}  # fmt: skip
LIST = lists.declared(table, "shares", "Share", filters=FILTERS, sort=SORT, also=_OLD)
_SINCE = {
    "export_location_id": (2, 35),
    "export_location_path": (2, 35),
    "name~": (2, 36),
    "description~": (2, 36),
    "display_name~": (2, 36),
    "display_description~": (2, 36),
    "description": (2, 36),
    "with_count": (2, 42),
    "is_soft_deleted": (2, 69),
    "encryption_key_ref": (2, 90),
    "availability_zone": (2, 97),
}
QUERY = Query(*lists.parameters(LIST, _SINCE, "is_public"))


class Viewer:
    """What a request may see of shares beside what everybody sees; asked once a request."""

    def __init__(self, request: Request) -> None:
        self.request = request
        self.host = request.may(HOST, request.own)
        self.view = request.shown(answers.SHARE)

    def __call__(
        self,
        row: Row[Any],
        type_name: str | None,
        there: Sequence[Row[Any]],
        places: Sequence[Row[Any]] = (),
    ) -> dict[str, Any]:
        """A share as it is shown and listed. there: its instances. places: the export locations of its main one."""
        main = instances.main(there)
        if not shares.is_mine(self.request.reaching(), row):
            places = ()  # a public one is seen by all, where it is mounted from is not
        shown = answers.share(
            row, there, base=self.request.base_url, type_name=type_name, exports=places, main=main,
            has_replicas=instances.has_replicas(there), rules_status=instances.rules_status(there),
        )  # fmt: skip
        if self.host:
            shown["share_server_id"] = None if main is None else main.share_server_id
            shown["host"] = None if main is None else backends.pool_of(main.node, main.backend)
        return self.view(shown)


find = lists.finder(shares.get, "share_id")
see = lists.finder(shares.visible, "share_id", public=True)


async def view_of(request: Request, tx: Transaction, row: Row[Any]) -> dict[str, Any]:
    """A share as it is shown alone."""
    kind = await types.get_any(tx, row.type_id)
    there = await instances.of_share(tx, row.id)
    main = instances.main(there)
    places = await exports.of(tx, [main.id]) if main is not None else []
    return Viewer(request)(row, None if kind is None else kind.name, there, places)


def _summary(request: Request, row: Any) -> dict[str, Any]:
    return {
        "id": row.id,
        "name": row.name,
        "links": answers.links(request.base_url, "shares", row.id),
    }


async def _details(
    request: Request, tx: Transaction, rows: Sequence[Row[Any]]
) -> list[dict[str, Any]]:
    names = {one.id: one.name for one in await types.everything(tx)} if rows else {}
    there = await instances.of_shares(tx, [row.id for row in rows])
    show = Viewer(request)
    places: dict[str, list[Row[Any]]] = {}
    if show.view.shows("export_locations"):
        mains = [instances.main(one) for one in there.values()]
        places = await exports.by_instance(tx, [one.id for one in mains if one is not None])
    found = []
    for row in rows:
        mine = there.get(row.id, [])
        main = instances.main(mine)
        of_it = places.get(main.id, []) if main is not None else []
        found.append(show(row, names.get(row.type_id), mine, of_it))
    return found


def _statement(request: Request, *, detailed: bool) -> sa.Select[Any]:
    """The rows that a list is of."""
    query = request.query
    if "host" in query:
        request.allow(BY_HOST, request.own)
    by_server = "share_server_id" in query
    if by_server:
        request.allow(BY_SERVER, request.own)
    if "deferred" in query.get("status", ""):
        request.allow(DEFERRED, request.own)
    if "extra_specs" in query:
        request.allow("share_types_extra_spec:index", request.own)
    public = truth(query["is_public"], "is_public") if query.get("is_public") else False
    everywhere = by_server or lists.everywhere(request, EVERYWHERE)
    statement = shares.WHOLE if detailed else shares.NAMES
    if "is_soft_deleted" not in query:
        statement = shares.not_binned(statement)
    return shares.of(request.reaching(), statement, everywhere=everywhere, public=public)


def _lister(*, detailed: bool) -> Handler:
    async def handler(request: Request, room: Shares) -> Response:
        request.allow("share:get_all", project_id=request.token.project_id)
        statement = _statement(request, detailed=detailed)
        async with request.reading() as tx:
            page = await LIST.page(request, tx, statement)
            counted = await lists.counted(request, tx, LIST, statement)
            if detailed:
                items = await _details(request, tx, page.rows)
            else:
                items = [_summary(request, row) for row in page.rows]
        shown = LIST.answer(request, page, items)
        if counted is not None:
            shown["count"] = counted
        return await list_answer(shown, "shares")

    return handler


list_shares = _lister(detailed=False)
list_detailed = _lister(detailed=True)


async def show_share(request: Request, room: Shares) -> Response:
    async with request.reading() as tx:
        row = await see(request, tx)
        shown = await view_of(request, tx, row)
    return json_answer({"share": shown})


def flag(request: Request, sent: Any, rule: str, own: bool) -> bool | None:
    """Whether a share is to be public. Raises BadInput, Forbidden."""
    if sent is None:
        return None
    found = truth(sent, "is_public")
    if found and not (own and request.may(rule, request.own)):
        raise Forbidden(f"Policy doesn't allow {rule} to be performed.")
    return found


def desired(request: Request, body: bodies.NewShare) -> creating.Requested:
    """A new share as decisions take it. Raises BadInput, Forbidden."""
    if given(body.share_type) and given(body.volume_type):
        raise BadInput("Cannot specify both share_type and volume_type")
    public = flag(request, given(body.is_public), "share:create_public_share", True)
    name, description = given(body.name), given(body.description)
    return creating.Requested(
        protocol=body.share_proto,
        size=given(body.size),
        name=name if name is not None else given(body.display_name),
        description=description if description is not None else given(body.display_description),
        type=given(body.share_type) or given(body.volume_type) or None,
        snapshot_id=given(body.snapshot_id) or None,
        zone=given(body.availability_zone) or None,
        is_public=bool(public),
        metadata=metadata.checked(
            request, given(body.metadata) or {}, "share:update_admin_only_metadata"
        ),
        share_network_id=given(body.share_network_id) or None,
        share_group_id=given(body.share_group_id) or None,
        mount_point_name=given(body.mount_point_name),
        encryption_key_ref=given(body.encryption_key_ref) or None,
        hints=given(body.scheduler_hints) or {},
    )


def _creator(*, zoned: bool) -> Handler:
    """zoned: whether a type says in which zones its shares may be."""

    async def create_share(request: Request, room: Shares) -> Response:
        """POST /shares: answers before the share is there."""
        request.allow("share:create", request.own)
        requested = desired(request, await request.body(bodies.NewShare, key="share"))
        requested.zoned = zoned
        async with request.transaction() as tx:
            await creating.keep(tx, requested)
            row = await begin.create(tx, room, request.reaching(), requested)
            shown = await view_of(request, tx, row)
        return json_answer({"share": shown})

    return create_share


def words(body: Any) -> dict[str, Any]:
    """The name and the description that were sent, under whichever name."""
    pairs = (
        ("name", body.name),
        ("name", body.display_name),
        ("description", body.description),
        ("description", body.display_description),
    )
    return {name: value for name, value in pairs if isinstance(value, str | None)}


async def update_share(request: Request, room: Shares) -> Response:
    """PUT /shares/{id}: name, description, whether it is public."""
    body = await request.body(bodies.ChangedShare, key="share")
    values = words(body)
    async with request.transaction() as tx:
        row = await find(request, tx)
        shares.check_not_binned(row, "Cannot update share")
        public = flag(request, given(body.is_public), "share:set_public_share", True)
        if public is not None:
            values["is_public"] = public
        if values:
            await shares.change(tx, room, row.id, **values)
        else:
            request.unchanged()
        shown = await view_of(request, tx, await shares.again(tx, row.id))
    return json_answer({"share": shown})


def _check_group(request: Request, row: Row[Any]) -> None:
    """Raises BadInput where a share is in a group, and the query does not say in which."""
    if row.share_group_id is None:
        return
    sent = request.query.get("share_group_id")
    if not sent:
        raise BadInput(
            "Must provide 'share_group_id' as a request parameter when deleting a share in a share group."
        )
    if sent != row.share_group_id:
        raise BadInput(
            "The specified 'share_group_id' does not match the share group id of the share."
        )


async def delete_share(request: Request, room: Shares) -> Response:
    async with request.transaction() as tx:
        row = await find(request, tx, "share:delete")
        _check_group(request, row)
        await begin.delete(tx, room, request.reaching(), row)
    return no_content(202)


_ALL, _ONE = "/v2/shares", "/v2/shares/{share_id}"
_LISTED = (
    "share:get_all",
    EVERYWHERE,
    BY_HOST,
    BY_SERVER,
    DEFERRED,
    "share_types_extra_spec:index",
)
_CREATES = ("share:create", "share:create_public_share", "share:update_admin_only_metadata", HOST)
ROUTES = (
    Route("GET", _ALL, list_shares, _LISTED, query=QUERY),
    Route("GET", f"{_ALL}/detail", list_detailed, (*_LISTED, HOST), query=QUERY),
    Route(
        "POST", _ALL, _creator(zoned=False), _CREATES, body=bodies.NewShare, member="share", strict=True,
        maximum=(2, 47),
    ),
    Route(
        "POST", _ALL, _creator(zoned=True), _CREATES, body=bodies.NewShare, member="share", strict=True,
        minimum=(2, 48),
    ),
    Route("GET", _ONE, show_share, ("share:get", HOST)),
    Route(
        "PUT", _ONE, update_share, ("share:update", "share:set_public_share", HOST),
        body=bodies.ChangedShare, member="share", strict=True,
        event="shared_file_system.share.update.end",
    ),
    Route("DELETE", _ONE, delete_share, ("share:delete",), query=("share_group_id",)),
)  # fmt: skip
