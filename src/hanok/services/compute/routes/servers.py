"""Servers: create, list, show, update, delete; their addresses."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from msgspec import UNSET
from sqlalchemy import Row
from starlette.responses import Response

from hanok.base.errors import Conflict, NotFound
from hanok.base.pieces import Pieces
from hanok.services.compute.logic import (
    block_devices,
    creating,
    hosts,
    notifications,
    server_groups,
    server_search,
    server_volumes,
    servers,
)
from hanok.services.compute.operations import (
    CreateServer,
    CreateServerWithVolumes,
    DeleteServer,
    SoftDelete,
)
from hanok.services.compute.room import Compute
from hanok.services.compute.routes import server_lists, trusted
from hanok.services.compute.routes.server_lists import FOR_ALL, LIST, QUERY
from hanok.services.compute.schemas import answers, bodies
from hanok.services.compute.schemas.server_pages import ServerPage
from hanok.services.network import facade as networks
from hanok.store import Transaction
from hanok.web.listing import Page
from hanok.web.request import Request, Written, json_answer, list_answer, no_content
from hanok.web.routes import Route
from hanok.web.versions import Attribute, Shape

_KNOWS = Shape(Attribute(name="multiattach", since=(2, 60)))

# ---- create ----


async def create_server(request: Request, room: Compute) -> Response:
    """POST /servers: answer 202 before the server runs.

    Source: Compute API reference, "Create Server".
    """
    request.allow("os_compute_api:servers:create", project_id=request.token.project_id)
    body = await request.body(bodies.CreateServer)
    server, token = body.server, request.token
    _check_wishes(request, server)
    callers = creating.Callers(
        compute=request.reaching(),
        image=request.reaching("image"),
        network=request.reaching("network"),
        no_disk=request.may("os_compute_api:servers:create:zero_disk_flavor", request.own),
        external=request.may("network:attach_external_network", request.own),
        volumes=request.reaching("block-storage") if room.find_volumes() else None,
        knows_multiattach=request.shown(_KNOWS).shows("multiattach"),
        bandwidth=request.shown(answers.PORT).shows("resource_request"),
    )
    signer = await trusted.check(
        request,
        room,
        block_devices.image_of(server) or "",
        creating.trusted(server.trusted_image_certificates),
    )
    password = server.adminPass if isinstance(server.adminPass, str) else secrets.token_urlsafe(9)
    async with request.transaction() as tx:
        made = await creating.create(tx, room, callers, body)
        row = await servers.get_any(tx, made[0])
        assert row is not None
        # Only a config drive tells a guest its password, as upstream does it.
        sealed = room.secrets.seal(password.encode()) if row.config_drive else ""
        volumes = await server_volumes.of_server(tx, row.id)
        kind = CreateServerWithVolumes if volumes else CreateServer
        for server_id in made:
            await room.operations.start(
                tx,
                kind(server_id=server_id, admin_pass=sealed, signer=signer),
                user_id=token.user_id,
                project_id=token.project_id,
            )
    wants = server.return_reservation_id
    if wants is not UNSET and bodies.truth(wants, "return_reservation_id"):
        return json_answer({"reservation_id": row.reservation_id}, 202)
    return _accepted(request, row, password)


def _check_wishes(request: Request, server: bodies.NewServer) -> None:
    """What of a new server has a rule of its own.

    Raises:
        Forbidden
    """
    mine = request.own
    if creating.forced_host(server.availability_zone)[1] is not None:
        request.allow("os_compute_api:servers:create:forced_host", mine)
    if server.host is not UNSET or server.hypervisor_hostname is not UNSET:
        request.allow("compute:servers:create:requested_destination", mine)
    if server.trusted_image_certificates is not UNSET and server.trusted_image_certificates:
        request.allow("os_compute_api:servers:create:trusted_certs", mine)
    if isinstance(server.networks, list):
        request.allow("os_compute_api:servers:create:attach_network", mine)
    if server.block_device_mapping_v2 is not UNSET or server.block_device_mapping is not UNSET:
        request.allow("os_compute_api:servers:create:attach_volume", mine)


def _accepted(request: Request, row: Row[Any], password: str) -> Response:
    """The answer to a request for a server: its id, where it is, and its password."""
    answer: dict[str, Any] = {
        "id": row.id,
        "links": answers.links(request, "servers", row.id),
        "OS-DCF:diskConfig": row.disk_config,
        "security_groups": [{"name": name} for name in row.security_groups],
        "adminPass": password,
    }
    return json_answer({"server": answer}, 202, {"Location": answer["links"][0]["href"]})


# ---- list ----

AT_ONCE = 100  # servers of a list between two looks at who else waits: some milliseconds


async def list_servers(request: Request, room: Compute) -> Response:
    """GET /servers."""
    request.allow("os_compute_api:servers:index", project_id=request.token.project_id)
    async with request.reading() as tx:
        rule = "os_compute_api:servers:index:get_all_tenants"
        page = await _page(request, room, tx, server_search.NAMES, rule)
    items = [answers.short_server(request, row) for row in page.rows]
    return await list_answer(LIST.answer(request, page, items), "servers")


async def list_details(request: Request, room: Compute) -> Response:
    """GET /servers/detail: a page costs a handful of statements, however many servers are on it."""
    request.allow("os_compute_api:servers:detail", project_id=request.token.project_id)
    newest = request.shown(answers.SERVER).is_newest
    statement = server_search.PAGE if newest else server_search.DETAILS
    async with request.reading() as tx:
        rule = "os_compute_api:servers:detail:get_all_tenants"
        page = await _page(request, room, tx, statement, rule)
        if newest:
            items = await _newest(request, room, tx, page.rows)
        else:
            items = Written()
            async for some in Pieces().slices(page.rows, AT_ONCE):
                items.add(await full(request, room, tx, _details(some), alone=False))
    return await list_answer(LIST.answer(request, page, items), "servers")


async def _newest(
    request: Request, room: Compute, tx: Transaction, rows: Sequence[Row[Any]]
) -> Written:
    """Rows of PAGE as the newest version lists them."""
    status = await _statuses(request, room, tx, rows) if rows else {}
    told, extended = _answers(request, answers.SERVER, alone=False)
    page = ServerPage(told, server_search.details, status, extended=extended)
    items = Written()
    async for some in Pieces().slices(rows, AT_ONCE):
        ids = [row.id for row in some]
        ports = await networks.port_views(tx, ids)
        tags, volumes = await server_search.beside(tx, ids)
        items.add_texts(page.written(some, ports, tags, volumes))
    return items


def _answers(request: Request, shape: Shape, *, alone: bool) -> tuple[answers.ServerAnswers, bool]:
    """How servers are shown to this caller, and whether they may see where one runs."""
    own = request.own
    extended = request.may("os_compute_api:os-extended-server-attributes", own)
    specs = request.may("os_compute_api:servers:show:flavor-extra-specs", own)
    return answers.ServerAnswers(
        request, shape, extended=extended, alone=alone, with_specs=specs
    ), extended


def _details(rows: Sequence[Row[Any]]) -> list[Any]:
    return [server_search.Details(*row) for row in rows]


async def full(
    request: Request,
    room: Compute,
    tx: Transaction,
    rows: Sequence[Any],
    *,
    alone: bool = True,
    shape: Shape = answers.SERVER,
) -> list[Any]:
    """Servers in full, with what other rooms know of them, in a fixed number of statements.

    rows: whole rows of servers, or the Details of a list. alone: as plain values, not as items of a list.
    """
    ids = [row.id for row in rows]
    shown = request.shown(shape)
    ports = await networks.port_views(tx, ids) if ids else {}
    tags = await servers.tags_of_many(tx, ids) if shown.shows("tags") else {}
    volumes = await server_volumes.of_servers(tx, ids)
    group = None
    if alone and shown.shows("server_groups"):
        group = await server_groups.group_of(tx, ids[0])
    status = await _statuses(request, room, tx, rows) if shown.shows("host_status") else {}
    told, _ = _answers(request, shape, alone=alone)
    if alone:
        return [told.one(row, ports, tags, status, group, volumes) for row in rows]
    return told.many(rows, ports, tags, status, volumes)


async def _statuses(
    request: Request, room: Compute, tx: Transaction, rows: Sequence[Any]
) -> dict[str, str]:
    """The statuses of hosts for who may see them, or at least may see that nobody knows one. "": of no host."""
    own = request.own
    whole = request.may("os_compute_api:servers:show:host_status", own)
    if not whole and not request.may("os_compute_api:servers:show:host_status:unknown-only", own):
        return {}
    names = {row.host for row in rows if row.host}
    found = await hosts.status_of(tx, names, room)
    status = {host: found.get(host, "") for host in ("", *names)}
    return {host: one for host, one in status.items() if whole or one == "UNKNOWN"}


async def _page(
    request: Request, room: Compute, tx: Transaction, statement: sa.Select[Any], everywhere: str
) -> Page:
    sees_all = request.may("os_compute_api:servers:allow_all_filters", request.own)
    if not sees_all:
        request.hold_query(FOR_ALL)
    query = request.query
    server_lists.check_changes(request)
    conditions = (
        server_lists.projects_where(request, lambda: request.allow(everywhere, request.own)),
        server_lists.deleted_where(request, sees_deleted=sees_all),
        server_lists.status_where(request, sees_deleted=sees_all),
        server_lists.soft_deleted_where(request),
    )
    sought = server_search.Sought(
        conditions=[one for one in conditions if one is not None],
        patterns={name: query[name] for name in server_search.PATTERNS if name in query},
        addresses={name: query[name] for name in ("ip", "ip6") if name in query},
    )
    statement = await server_search.narrowed(tx, statement, sought, networks.addresses_of)
    within = server_search.reached(request.reaching())
    return await LIST.page(request, tx, statement, within=within)


# ---- show, update, delete ----


async def readable(request: Request, tx: Transaction, rule: str = "") -> Row[Any]:
    """The server of the path, if the caller may do this to it; a stranger's is not there."""
    server_id = request.path["server_id"]
    try:
        row = await servers.get(tx, request.reaching(), server_id)
    except NotFound:
        request.allowed_by_hand()
        raise
    request.allow(rule, project_id=row.project_id, user_id=row.user_id)
    return row


def check_unlocked(request: Request, row: Row[Any]) -> None:
    """Raises Conflict when the server is locked and the rules do not let the caller pass over that."""
    servers.check_unlocked(row, override=request.reaching().everywhere)


async def show_server(request: Request, room: Compute) -> Response:
    """GET /servers/{id}."""
    async with request.reading() as tx:
        row = await readable(request, tx, "os_compute_api:servers:show")
        items = await full(request, room, tx, [row])
    return json_answer({"server": items[0]})


def _pin(row: Row[Any], zone: str | None) -> str | None:
    """The zone that a server shall stay in: the one that it is in, or any.

    Raises:
        Conflict: it is not in that zone, or pinned to another one.
    """
    if zone is not None and zone != (row.requested_zone or row.availability_zone):
        raise Conflict(
            f"Server {row.id} cannot be pinned to the availability zone '{zone}': "
            f"it is in '{row.availability_zone}'."
        )
    return zone


def _changes(body: bodies.UpdateServer, row: Row[Any], now: datetime) -> dict[str, Any]:
    """The columns that a request changes, with their new values.

    Raises:
        BadInput, Conflict
    """
    changes: dict[str, Any] = {"updated_at": now}
    for name in ("name", "description", "hostname"):
        if (value := getattr(body, name)) is not UNSET:
            changes[name] = value
    if body.accessIPv4 is not UNSET:
        changes["access_ip_v4"] = creating.address(body.accessIPv4, "accessIPv4", 4)
    if body.accessIPv6 is not UNSET:
        changes["access_ip_v6"] = creating.address(body.accessIPv6, "accessIPv6", 6)
    if body.disk_config is not UNSET:
        changes["disk_config"] = creating.disk_config(body.disk_config)
    if body.pinned_availability_zone is not UNSET:
        changes["requested_zone"] = _pin(row, body.pinned_availability_zone)
    return changes


async def update_server(request: Request, room: Compute) -> Response:
    """PUT /servers/{id}: name, description, access addresses, host name, the zone it is pinned to."""
    body = await request.body(bodies.UpdateServer, key="server")
    async with request.transaction() as tx:
        row = await readable(request, tx, "os_compute_api:servers:update")
        changes = _changes(body, row, room.clock.now())
        if "hostname" in changes:
            await networks.rename(tx, room.network, row.id, changes["hostname"])
        await servers.change(tx, row.id, changes)
        row = await servers.get(tx, request.reaching(), row.id)
        items = await full(request, room, tx, [row], shape=answers.CHANGED_SERVER)
        await told(request, room, tx, row.id)
    return json_answer({"server": items[0]})


async def told(request: Request, room: Compute, tx: Transaction, server_id: str) -> None:
    """Let the event of this request tell of the server as it is now."""
    payload = await notifications.news(tx, room.network, server_id)
    request.made(server_id, payload, noun="server")


async def delete_server(request: Request, room: Compute) -> Response:
    """DELETE /servers/{id}: wins over whatever is under way."""
    async with request.transaction() as tx:
        row = await readable(request, tx, "os_compute_api:servers:delete")
        check_unlocked(request, row)
        if not await _set_aside(request, room, tx, row):
            await start_delete(request, room, tx, row)
    if not row.host and row.vm_state in NOWHERE:
        await _gone(request, row.id)
    return no_content()


async def _gone(request: Request, server_id: str) -> None:
    """Wait a moment until a server that is on no host is deleted.

    Upstream has done so when it answers, and clients that look at once take the state of before for a failure.
    """
    for wait_s in LOOKS_S:
        await asyncio.sleep(wait_s)
        async with request.reading() as tx:
            if await servers.get_any(tx, server_id) is None:
                return


async def _set_aside(request: Request, room: Compute, tx: Transaction, row: Row[Any]) -> bool:
    """Whether the server only begins to wait to be deleted, as the settings say, or does so already."""
    if room.settings.reclaim_instance_interval_s <= 0 or not row.host:
        return False
    if row.vm_state == "soft-delete" or row.task_state == "soft-deleting":
        return True
    if row.vm_state not in SET_ASIDE or row.task_state is not None:
        return False
    generation = await servers.begin(tx, row, "softDelete", room.clock.now())
    operation = SoftDelete(server_id=row.id, generation=generation)
    await room.operations.start(
        tx, operation, user_id=request.token.user_id, project_id=row.project_id
    )
    return True


async def start_delete(request: Request, room: Compute, tx: Transaction, row: Row[Any]) -> None:
    if row.task_state == "deleting":
        return
    await room.operations.cancel(tx, f"server:{row.id}")
    generation = await servers.begin_delete(tx, row.id, room.clock.now())
    if generation is None:
        return
    await room.operations.start(
        tx,
        DeleteServer(server_id=row.id, generation=generation),
        user_id=request.token.user_id,
        project_id=row.project_id,
    )


NOWHERE = ("error", "shelved_offloaded")
"""vm states of servers that may be on no host."""
LOOKS_S = (0.02, 0.03, 0.05, 0.1, 0.2, 0.3, 0.5)
"""Between looks at whether a server is gone."""
SET_ASIDE = ("active", "stopped", "paused", "suspended", "error", "rescued")
"""vm states whose servers may come back after they were deleted."""

# ---- addresses ----


async def list_addresses(request: Request, room: Compute) -> Response:
    async with request.reading() as tx:
        row = await readable(request, tx)
        ports = await networks.port_views(tx, [row.id])
    found = answers.addresses(ports.get(row.id, ()))
    return json_answer({"addresses": {name: answers.plain(ips) for name, ips in found.items()}})


async def show_addresses(request: Request, room: Compute) -> Response:
    label = request.path["network_label"]
    async with request.reading() as tx:
        row = await readable(request, tx)
        ports = await networks.port_views(tx, [row.id])
    found = answers.addresses(ports.get(row.id, ()))
    if label not in found:
        raise NotFound(f"Network {label} is not one of the server's.")
    return json_answer({label: answers.plain(found[label])})


async def list_groups(request: Request, room: Compute) -> Response:
    """GET /servers/{id}/os-security-groups."""
    async with request.reading() as tx:
        row = await readable(request, tx)
        ports = (await networks.ports_of(tx, [row.id])).get(row.id, [])
        names = list(dict.fromkeys(name for port in ports for name in port.security_groups))
        ids = (
            await networks.check_security_groups(tx, room.network, row.project_id, names)
            if names
            else []
        )
    return json_answer(
        {
            "security_groups": [
                {
                    "id": one,
                    "name": name,
                    "description": "",
                    "tenant_id": row.project_id,
                    "rules": [],
                }
                for one, name in zip(ids, names, strict=True)
            ]
        }
    )


_A = "os_compute_api"
_ONE = "/v2.1/servers/{server_id}"
EXTENDED = (
    f"{_A}:os-extended-server-attributes",
    f"{_A}:servers:show:host_status",
    f"{_A}:servers:show:host_status:unknown-only",
    f"{_A}:servers:show:flavor-extra-specs",
)
_CREATE = (
    f"{_A}:servers:create:forced_host",
    "compute:servers:create:requested_destination",
    f"{_A}:servers:create:attach_network",
    f"{_A}:servers:create:attach_volume",
    f"{_A}:servers:create:trusted_certs",
    f"{_A}:servers:create:zero_disk_flavor",
    "network:attach_external_network",
)
ROUTES = (
    Route(
        "POST",
        "/v2.1/servers",
        create_server,
        (f"{_A}:servers:create", *_CREATE),
        strict=True,
        body=bodies.CreateServer,
    ),
    Route(
        "GET",
        "/v2.1/servers",
        list_servers,
        (
            f"{_A}:servers:index",
            f"{_A}:servers:index:get_all_tenants",
            f"{_A}:servers:allow_all_filters",
        ),
        query=QUERY,
    ),
    Route(
        "GET",
        "/v2.1/servers/detail",
        list_details,
        (
            f"{_A}:servers:detail",
            f"{_A}:servers:detail:get_all_tenants",
            f"{_A}:servers:allow_all_filters",
            *EXTENDED,
        ),
        query=QUERY,
    ),
    Route("GET", _ONE, show_server, (f"{_A}:servers:show", *EXTENDED)),
    Route(
        "PUT",
        _ONE,
        update_server,
        (f"{_A}:servers:update", *EXTENDED),
        strict=True,
        body=bodies.UpdateServer,
        member="server",
        event="compute.instance.update",
    ),
    Route("DELETE", _ONE, delete_server, (f"{_A}:servers:delete",)),
    Route("GET", _ONE + "/ips", list_addresses, (f"{_A}:ips:index",)),
    Route("GET", _ONE + "/ips/{network_label}", show_addresses, (f"{_A}:ips:show",)),
    Route("GET", _ONE + "/os-security-groups", list_groups, (f"{_A}:os-security-groups:list",)),
)
