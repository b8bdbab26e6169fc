"""Migrations: what is recorded of servers that move, and what can be done with one that goes on.

Source: Compute API reference, "Migrations (os-migrations)", "Server migrations (servers, migrations)".
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from starlette.responses import Response

from hanok.base.errors import BadInput, Conflict
from hanok.services.compute.logic import migrations
from hanok.services.compute.room import Compute
from hanok.services.compute.routes.server_lists import check_changes, moment, second_after
from hanok.services.compute.routes.servers import readable
from hanok.services.compute.schemas import answers, bodies
from hanok.services.compute.tables import migrations as table
from hanok.web.listing import COMPUTE, Filter, Listing, Where, equal
from hanok.web.request import Request, json_answer, no_content
from hanok.web.routes import Route
from hanok.web.versions import Attribute, Parameter, Query, Shape


def _since(values: list[str]) -> Where:
    return table.c.updated_at >= moment(values[-1], "changes-since")


def _before(values: list[str]) -> Where:
    return table.c.updated_at < second_after(moment(values[-1], "changes-before"))


def _hidden(values: list[str]) -> Where:
    return table.c.hidden.is_(bodies.truth(values[-1], "hidden"))


def _on_host(values: list[str]) -> Where:
    return sa.or_(table.c.source_compute.in_(values), table.c.dest_compute.in_(values))


_FILTERS: dict[str, Filter] = {
    "hidden": _hidden,
    "host": _on_host,
    "instance_uuid": equal(table.c.server_id),
    "source_compute": equal(table.c.source_compute),
    "status": equal(table.c.status),
    "migration_type": equal(table.c.migration_type),
    "changes-since": _since,
    "changes-before": _before,
    "user_id": equal(table.c.user_id),
    "project_id": equal(table.c.project_id),
}
LIST = Listing(
    table=table,
    name="migrations",
    style=COMPUTE,
    marker=table.c.uuid,
    unique=table.c.id,
    first=(table.c.created_at, "desc"),
    filters=_FILTERS,
)
_SINCE = {
    "limit": (2, 59),
    "marker": (2, 59),
    "changes-since": (2, 59),
    "changes-before": (2, 66),
    "user_id": (2, 80),
    "project_id": (2, 80),
}
QUERY = Query(
    *LIST.parameters_but(*_SINCE),
    *(Parameter(name=name, since=since) for name, since in _SINCE.items()),
    closed=(2, 59),
)


async def list_migrations(request: Request, room: Compute) -> Response:
    """GET /os-migrations: of the project's servers, or of everybody's for who may see them."""
    project_id = request.token.project_id or ""
    request.allow(f"{_M}:index", project_id=project_id)
    check_changes(request)
    everywhere = request.may(f"{_M}:index:all_projects")
    hosts = request.may(f"{_M}:index:host")
    async with request.reading() as tx:
        page = await LIST.page(request, tx, migrations.listed(None if everywhere else project_id))
    items = [answers.migration(request, row, hosts=hosts) for row in page.rows]
    return json_answer(LIST.answer(request, page, items))


async def list_of_server(request: Request, room: Compute) -> Response:
    """GET /servers/{id}/migrations: live ones that go on."""
    async with request.reading() as tx:
        row = await readable(request, tx, f"{_S}:index")
        found = await migrations.going_on(tx, row.id)
    hosts = request.may(f"{_S}:index:host")
    items = [answers.server_migration(request, one, hosts=hosts) for one in found]
    return json_answer({"migrations": items})


async def _one(request: Request, rule: str, action: str = "") -> Any:
    """A live migration that goes on. action: what the server has to be on its way for."""
    async with request.reading() as tx:
        row = await readable(request, tx, rule)
        found = await migrations.one_going_on(tx, row.id, request.path["migration_id"])
    if action and row.task_state != "migrating":
        raise Conflict(
            f"Cannot '{action}' instance {row.id} while it is in task_state {row.task_state}"
        )
    return found


async def show_of_server(request: Request, room: Compute) -> Response:
    """GET /servers/{id}/migrations/{migration_id}."""
    found = await _one(request, f"{_S}:show")
    return json_answer({"migration": answers.server_migration(request, found, hosts=True)})


async def abort(request: Request, room: Compute) -> Response:
    """DELETE /servers/{id}/migrations/{migration_id}, from 2.24: the server stays where it is.

    One that has not begun to move can be called off from 2.65 on.
    """
    early = request.shown(_EARLY).shows("early")
    found = await _one(request, f"{_S}:delete", "abort live migration")
    if found.status in _WAITS and not early:
        raise Conflict(
            "Aborting live migration in 'queued' or 'preparing' status is not yet supported."
        )
    if found.status not in (*_WAITS, "running"):
        raise _not_now(found)
    async with request.transaction() as tx:
        await room.operations.cancel(tx, f"server:{found.server_id}")
    return no_content(202)


async def force_complete(request: Request, room: Compute) -> Response:
    """force_complete, from 2.22: the guest may stand still until it is there."""
    found = await _one(request, f"{_S}:force_complete", "force_complete")
    if found.status != "running":
        raise _not_now(found)
    async with request.transaction() as tx:
        await migrations.keep(tx, found, {migrations.HURRY: True})
    return no_content(202)


def _not_now(row: Any) -> BadInput:
    return BadInput(
        f"Migration {row.id} state of instance {row.server_id} is {row.status}. Cannot do that while it is so."
    )


_WAITS = ("queued", "preparing")
_EARLY = Shape(Attribute(name="early", since=(2, 65)))
_M = "os_compute_api:os-migrations"
_S = "os_compute_api:servers:migrations"
_ALL = "/v2.1/servers/{server_id}/migrations"
_ONE = _ALL + "/{migration_id}"
ROUTES = (
    Route(
        "GET",
        "/v2.1/os-migrations",
        list_migrations,
        (f"{_M}:index", f"{_M}:index:all_projects", f"{_M}:index:host"),
        query=QUERY,
    ),
    Route("GET", _ALL, list_of_server, (f"{_S}:index", f"{_S}:index:host"), minimum=(2, 23)),
    Route("GET", _ONE, show_of_server, (f"{_S}:show",), minimum=(2, 23)),
    Route("DELETE", _ONE, abort, (f"{_S}:delete",), minimum=(2, 24)),
    Route(
        "POST",
        _ONE + "/action",
        force_complete,
        (f"{_S}:force_complete",),
        body_key="force_complete",
        minimum=(2, 22),
    ),
)
