"""Security services.

Source: Shared File Systems API reference, "Security services".
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from msgspec import UNSET, Struct, structs
from starlette.responses import Response

from hanok.services.shared_file_system.logic import security_services, share_networks
from hanok.services.shared_file_system.room import Shares
from hanok.services.shared_file_system.routes import lists, project_lists
from hanok.services.shared_file_system.schemas import networks as shapes
from hanok.services.shared_file_system.tables import security_services as table
from hanok.store import Transaction
from hanok.web.request import Request, json_answer, no_content
from hanok.web.routes import Route

WIDE = "security_service:get_all_security_services"
LIST = lists.declared(
    table,
    "security_services",
    "Security service",
    filters=project_lists.equal(
        table, "name", "id", "type", "server", "dns_ip", "domain", user=table.c.account
    ),
    sort={name: table.c[name] for name in ("id", "name", "type", "created_at", "updated_at")},
)
QUERY = project_lists.query_of(LIST, "all_tenants", "all_projects", "share_network_id")
_KNOWN = frozenset((*QUERY, "status"))
_mine = lists.finder(security_services.get, "security_service_id")


def sent(body: Struct) -> dict[str, Any]:
    """The fields of a body that were sent."""
    return {name: value for name, value in structs.asdict(body).items() if value is not UNSET}


def _view(request: Request, room: Shares, row: Any) -> dict[str, Any]:
    password = security_services.password(room, row)
    return request.shown(shapes.SECURITY_SERVICE)(shapes.security_service(row, password))


async def _of_network(
    request: Request, tx: Transaction, statement: sa.Select[Any]
) -> sa.Select[Any]:
    """Those of one share network, if the query names one that the caller sees."""
    if request.reaching().everywhere and any(name not in _KNOWN for name, _ in request.pairs):
        return security_services.none(statement)  # operators find none by what services have not
    network_id = request.query.get("share_network_id")
    if network_id is None:
        return statement
    network = await share_networks.get(tx, request.reaching(), network_id)
    return security_services.of_network(statement, network.id)


async def _details(
    request: Request, room: Shares, tx: Transaction, rows: Sequence[Any]
) -> project_lists.Show:
    using = await security_services.networks_of(tx, [row.id for row in rows])
    return lambda row: {**_view(request, room, row), "share_networks": using[row.id]}


def _summary(request: Request, row: Any) -> dict[str, Any]:
    return shapes.security_service_summary(row)


def _lister(prepare: project_lists.Prepare) -> Any:
    of, every = security_services.of, security_services.WHOLE
    return project_lists.lister(LIST, of, every, prepare, wide=WIDE, narrow=_of_network)


list_services, list_detailed = _lister(project_lists.plainly(_summary)), _lister(_details)


async def show_service(request: Request, room: Shares) -> Response:
    async with request.reading() as tx:
        row = await _mine(request, tx)
    return json_answer({"security_service": _view(request, room, row)})


async def create_service(request: Request, room: Shares) -> Response:
    request.allow("", request.own)
    body = await request.body(shapes.NewSecurityService, key="security_service")
    async with request.transaction() as tx:
        row = await security_services.create(tx, room, request.reaching(), sent(body))
        request.made(row.id)
    return json_answer({"security_service": _view(request, room, row)})


async def update_service(request: Request, room: Shares) -> Response:
    body = await request.body(shapes.ChangedSecurityService, key="security_service")
    async with request.transaction() as tx:
        row = await _mine(request, tx)
        row = await security_services.update(tx, room, row, sent(body))
    return json_answer({"security_service": _view(request, room, row)})


async def delete_service(request: Request, room: Shares) -> Response:
    async with request.transaction() as tx:
        row = await _mine(request, tx)
        await security_services.delete(tx, row)
    return no_content(202)


_ALL, _ONE = "/v2/security-services", "/v2/security-services/{security_service_id}"
_R, _E = "security_service", "shared_file_system.security_service"
ROUTES = (
    Route("GET", _ALL, list_services, (f"{_R}:index", WIDE), query=QUERY),
    Route("GET", f"{_ALL}/detail", list_detailed, (f"{_R}:detail", WIDE), query=QUERY),
    Route("GET", _ONE, show_service, (f"{_R}:show",)),
    Route(
        "POST", _ALL, create_service, (f"{_R}:create",), body=shapes.NewSecurityService,
        member="security_service", strict=True, event=f"{_E}.create",
    ),
    Route(
        "PUT", _ONE, update_service, (f"{_R}:update",), body=shapes.ChangedSecurityService,
        member="security_service", strict=True, event=f"{_E}.update",
    ),
    Route("DELETE", _ONE, delete_service, (f"{_R}:delete",), event=f"{_E}.delete"),
)  # fmt: skip
