"""Resource locks.

Source: Shared File Systems API reference, "Resource locks".
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Row
from starlette.responses import Response

from hanok.base.errors import BadInput
from hanok.services.shared_file_system.logic import locks
from hanok.services.shared_file_system.room import Shares
from hanok.services.shared_file_system.routes import lists, project_lists
from hanok.services.shared_file_system.routes.security_services import sent
from hanok.services.shared_file_system.schemas import guards as shapes
from hanok.services.shared_file_system.schemas.values import given, truth
from hanok.services.shared_file_system.tables import share_locks as table
from hanok.store import Transaction
from hanok.web.listing import Filter, Where
from hanok.web.request import Request, json_answer, no_content
from hanok.web.routes import Route

WIDE, HIGHER = "resource_lock:get_all_projects", "admin_or_service_api"


def _at(name: str, *, after: bool) -> Filter:
    def condition(values: list[str]) -> Where:
        try:
            at = datetime.fromisoformat(values[-1])
        except ValueError:
            raise BadInput(f"Invalid value specified for the query key: {name}") from None
        at = at.replace(tzinfo=UTC) if at.tzinfo is None else at
        return table.c.created_at >= at if after else table.c.created_at <= at

    return condition


LIST = lists.declared(
    table,
    "resource_locks",
    "Resource lock",
    filters={
        **project_lists.equal(
            table, "resource_id", "resource_type", "resource_action", "lock_context", "user_id",
            lock_reason=table.c.reason,
        ),
        "lock_reason~": lists.looks_like(table.c.reason),
        "created_since": _at("created_since", after=True),
        "created_before": _at("created_before", after=False),
    },
    sort={
        name: table.c[name]
        for name in (
            "id", "resource_id", "resource_type", "resource_action", "lock_context", "created_at",
            "updated_at",
        )
    },
)  # fmt: skip
QUERY = project_lists.query_of(LIST, "all_projects", "all_tenants", "project_id", "with_count")
_mine = lists.finder(locks.get, "resource_lock_id")


def context_of(request: Request) -> locks.Context:
    """What a lock of this caller is: an administrator's, a service's or a user's."""
    if request.reaching().everywhere:
        return "admin"
    return "service" if request.may(HIGHER, request.own) else "user"


async def list_locks(request: Request, room: Shares) -> Response:
    request.allow("", request.own)
    everywhere = lists.everywhere(request, WIDE)
    statement = locks.of(request.reaching(), locks.WHOLE, everywhere=everywhere)
    project_id = request.query.get("project_id")
    if project_id is not None and everywhere:
        statement = locks.of_project(statement, project_id)
    async with request.reading() as tx:
        page = await LIST.page(request, tx, statement)
        counted = None
        if truth(request.query.get("with_count") or "false", "with_count"):
            counted = await LIST.count(request, tx, statement)
    items = [shapes.lock(row, request.base_url) for row in page.rows]
    answer = LIST.answer(request, page, items)
    return json_answer(answer if counted is None else {**answer, "count": counted})


async def show_lock(request: Request, room: Shares) -> Response:
    async with request.reading() as tx:
        row = await _mine(request, tx)
    return json_answer({"resource_lock": shapes.lock(row, request.base_url)})


async def create_lock(request: Request, room: Shares) -> Response:
    request.allow("", request.own)
    body = await request.body(shapes.NewLock, key="resource_lock")
    async with request.transaction() as tx:
        row = await locks.create(
            tx,
            room,
            request.reaching(),
            context_of(request),
            resource_id=body.resource_id,
            resource_type=given(body.resource_type) or locks.SHARE,
            action=given(body.resource_action) or locks.DELETE,
            reason=given(body.lock_reason),
        )
        request.made(row.id)
    return json_answer({"resource_lock": shapes.lock(row, request.base_url)})


async def _mine_to_change(request: Request, tx: Transaction) -> Row[Any]:
    row = await _mine(request, tx)
    locks.check_reach(context_of(request), row)
    return row


async def update_lock(request: Request, room: Shares) -> Response:
    body = await request.body(shapes.ChangedLock, key="resource_lock")
    values = sent(body)
    if "lock_reason" in values:
        values["reason"] = values.pop("lock_reason")
    if values.get("resource_action", "") is None:
        del values["resource_action"]
    async with request.transaction() as tx:
        row = await _mine_to_change(request, tx)
        row = await locks.update(tx, room, request.reaching(), row, values)
    return json_answer({"resource_lock": shapes.lock(row, request.base_url)})


async def delete_lock(request: Request, room: Shares) -> Response:
    async with request.transaction() as tx:
        row = await _mine_to_change(request, tx)
        await locks.delete(tx, row)
    return no_content()


_ALL, _ONE = "/v2/resource-locks", "/v2/resource-locks/{resource_lock_id}"
_R, _E = "resource_lock", "shared_file_system.resource_lock"
_MIN: dict[str, Any] = {"minimum": (2, 81)}
ROUTES = (
    Route("GET", _ALL, list_locks, (f"{_R}:get_all", WIDE), query=QUERY, **_MIN),
    Route("GET", _ONE, show_lock, (f"{_R}:get",), **_MIN),
    Route(
        "POST", _ALL, create_lock, (f"{_R}:create", HIGHER), body=shapes.NewLock,
        member="resource_lock", strict=True, event=f"{_E}.create", **_MIN,
    ),
    Route(
        "PUT", _ONE, update_lock, (f"{_R}:update", HIGHER), body=shapes.ChangedLock,
        member="resource_lock", strict=True, event=f"{_E}.update", **_MIN,
    ),
    Route("DELETE", _ONE, delete_lock, (f"{_R}:delete", HIGHER), event=f"{_E}.delete", **_MIN),
)  # fmt: skip
