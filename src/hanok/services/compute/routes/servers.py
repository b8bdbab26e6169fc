"""Servers: create, list, show, update, delete; their addresses and network cards."""

from __future__ import annotations

import secrets
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from msgspec import UNSET
from sqlalchemy import Row
from starlette.responses import Response

from hanok.base.errors import BadInput, NotFound
from hanok.base.pieces import Pieces
from hanok.services.compute import states
from hanok.services.compute.logic import (
    address_filter,
    creating,
    flavors,
    hosts,
    name_filter,
    servers,
)
from hanok.services.compute.operations import CreateServer, DeleteServer
from hanok.services.compute.room import Compute
from hanok.services.compute.schemas import answers, bodies
from hanok.services.compute.tables import server_tags
from hanok.services.compute.tables import servers as table
from hanok.store import Transaction
from hanok.web.pages import Direction, limit_of, next_link, number_of, ordered
from hanok.web.request import Request, convert, json_answer, list_answer, no_content
from hanok.web.routes import Route

PAGE = 1000


# ---- create ----


async def create_server(request: Request, room: Compute) -> Response:
    """POST /servers: answer 202 before the server runs.

    Source: Compute API reference, "Create Server".
    """
    request.allow("os_compute_api:servers:create", project_id=request.token.project_id)
    raw = await request.json()
    if not isinstance(raw, dict) or not isinstance(raw.get("server"), dict):
        raise BadInput("Invalid input: the body needs the key 'server'.")
    inner = dict(raw["server"])
    for name in raw:
        if name not in ("server", "os:scheduler_hints", "OS-SCH-HNT:scheduler_hints"):
            raise BadInput(f"Additional properties are not allowed ('{name[:100]}' was unexpected)")
        if name != "server":
            inner["os:scheduler_hints"] = raw[name]
    body = convert(inner, bodies.CreateServer)
    bodies.check_since(body, request.microversion)
    token = request.token
    async with request.transaction() as tx:
        made = await creating.create(tx, room, token, body, request.microversion)
        for server_id in made:
            await room.operations.start(
                tx,
                CreateServer(server_id=server_id),
                user_id=token.user_id,
                project_id=token.project_id,
            )
        row = await servers.get_any(tx, made[0])
    assert row is not None
    wants = body.return_reservation_id
    if wants is not UNSET and bodies.truth(wants, "return_reservation_id"):
        return json_answer({"reservation_id": row.reservation_id}, 202)
    answer: dict[str, Any] = {
        "id": row.id,
        "links": answers.links(request, "servers", row.id),
        "OS-DCF:diskConfig": row.disk_config,
        "security_groups": [{"name": name} for name in row.security_groups],
        "adminPass": body.adminPass
        if isinstance(body.adminPass, str)
        else secrets.token_urlsafe(9),
    }
    return json_answer({"server": answer}, 202, {"Location": answer["links"][0]["href"]})


# ---- list ----

_SORT = {
    "created_at": table.c.created_at,
    "display_name": table.c.name,
    "name": table.c.name,
    "host": table.c.host,
    "image_ref": table.c.image_id,
    "instance_type_id": table.c.flavor_id,
    "key_name": table.c.key_name,
    "launched_at": table.c.launched_at,
    "power_state": table.c.power_state,
    "project_id": table.c.project_id,
    "task_state": table.c.task_state,
    "terminated_at": table.c.terminated_at,
    "updated_at": table.c.updated_at,
    "user_id": table.c.user_id,
    "uuid": table.c.id,
    "vm_state": table.c.vm_state,
    "availability_zone": table.c.availability_zone,
    "launch_index": table.c.launch_index,
    "locked": table.c.locked,
    "display_description": table.c.description,
}
_TAGS_OF = (
    sa.select(server_tags)
    .where(server_tags.c.server_id.in_(sa.bindparam("ids", expanding=True)))
    .order_by(server_tags.c.tag)
)
_EQUAL = {
    "uuid": table.c.id,
    "image": table.c.image_id,
    "image_ref": table.c.image_id,
    "flavor": table.c.flavor_id,
    "key_name": table.c.key_name,
    "reservation_id": table.c.reservation_id,
    "vm_state": table.c.vm_state,
    "availability_zone": table.c.availability_zone,
    "user_id": table.c.user_id,
    "task_state": table.c.task_state,
    "hostname": table.c.hostname,
}
_LIKE = {"name": table.c.name, "display_name": table.c.name, "description": table.c.description}
_FOR_ADMINS = {
    "host": table.c.host,
    "node": table.c.host,
    "tenant_id": table.c.project_id,
    "project_id": table.c.project_id,
}
_IGNORED = {
    "limit", "marker", "sort_key", "sort_dir", "all_tenants", "deleted", "status", "changes-since", "changes-before",
    "ip", "ip6", "tags", "tags-any", "not-tags", "not-tags-any", "power_state", "locked", "access_ip_v4",
    "access_ip_v6", "auto_disk_config", "block_device_mapping", "config_drive", "created_at", "instance_type_id",
    "kernel_id", "launch_index", "launched_at", "progress", "ramdisk_id", "root_device_name", "services",
    "terminated_at", "updated_at", "user_data", "security_groups", "soft_deleted", "system_metadata",
    "default_ephemeral_device", "default_swap_device", "metadata", "all_projects", "detail",
}  # fmt: skip
_KNOWN = _IGNORED | set(_SORT) | set(_EQUAL) | set(_LIKE) | set(_FOR_ADMINS)


AT_ONCE = 20  # servers of a list between two looks at who else waits: some milliseconds


async def list_servers(request: Request, room: Compute) -> Response:
    """GET /servers."""
    request.allow("os_compute_api:servers:index", project_id=request.token.project_id)
    async with request.reading() as tx:
        rule = "os_compute_api:servers:index:get_all_tenants"
        rows, more = await _page(request, room, tx, sa.select(table.c.id, table.c.name), rule)
    answer: dict[str, Any] = {"servers": [answers.short_server(request, row) for row in rows]}
    if more:
        answer["servers_links"] = more
    return await list_answer(answer, "servers")


async def list_details(request: Request, room: Compute) -> Response:
    """GET /servers/detail: a page costs a handful of statements, however many servers are on it."""
    request.allow("os_compute_api:servers:detail", project_id=request.token.project_id)
    async with request.reading() as tx:
        rule = "os_compute_api:servers:detail:get_all_tenants"
        rows, more = await _page(request, room, tx, sa.select(table), rule)
        items = [
            one
            async for some in Pieces().slices(rows, AT_ONCE)
            for one in await _full(request, room, tx, list(some), alone=False)
        ]
    answer: dict[str, Any] = {"servers": items}
    if more:
        answer["servers_links"] = more
    return await list_answer(answer, "servers")


async def _full(
    request: Request,
    room: Compute,
    tx: Transaction,
    rows: list[Row[Any]],
    *,
    alone: bool = True,
) -> list[dict[str, Any]]:
    """Servers in full, with what other rooms know of them, in a fixed number of statements."""
    ids = [row.id for row in rows]
    ports = await room.network.ports_of(tx, ids) if ids else {}
    tags: dict[str, list[str]] = {}
    if len(ids) == 1 and request.microversion >= (2, 26):
        tags[ids[0]] = await servers.tags_of(tx, ids[0])
    elif ids and request.microversion >= (2, 26):
        for row in await tx.all(_TAGS_OF, {"ids": ids}):
            tags.setdefault(row.server_id, []).append(row.tag)
    status: dict[str, str] = {}
    show_status = request.microversion >= (2, 16) and request.may(
        "os_compute_api:servers:show:host_status"
    )
    if show_status:
        names = {row.host for row in rows if row.host}
        status = await hosts.status_of(tx, names, room.settings, room.clock.now())
    extended = request.may("os_compute_api:os-extended-server-attributes")
    project_id = request.token.project_id
    specs = request.may("os_compute_api:servers:show:flavor-extra-specs", project_id=project_id)
    return [
        answers.server(
            request,
            row,
            ports.get(row.id, ()),
            tags.get(row.id, ()),
            extended=extended,
            alone=alone,
            host_status=(status.get(row.host or "", "") if show_status else None),
            with_specs=specs,
        )
        for row in rows
    ]


def _when(text: str, name: str) -> datetime:
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise BadInput(
            f"Invalid input for query parameters {name}. Value: {text[:100]}. It is no time."
        ) from None
    return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)


def _tags_filter(request: Request, statement: sa.Select[Any]) -> sa.Select[Any]:
    query = request.query
    if request.microversion < (2, 26):
        return statement
    has = sa.select(server_tags.c.server_id)
    for name, negative, together in (
        ("tags", False, True),
        ("tags-any", False, False),
        ("not-tags", True, True),
        ("not-tags-any", True, False),
    ):
        if name in query:
            each = [
                table.c.id.in_(has.where(server_tags.c.tag == tag))
                for tag in query[name].split(",")
            ]
            condition = sa.and_(*each) if together else sa.or_(*each)
            statement = statement.where(sa.not_(condition) if negative else condition)
    return statement


async def _page(
    request: Request, room: Compute, tx: Transaction, statement: sa.Select[Any], everywhere: str
) -> tuple[list[Row[Any]], list[dict[str, str]]]:
    query, token, version = request.query, request.token, request.microversion
    admin = request.may("os_compute_api:servers:allow_all_filters")
    if version >= (2, 75):
        unknown = sorted(set(query) - _KNOWN)
        if unknown:
            raise BadInput(
                f"Invalid input for query parameters {unknown[0][:100]}. Additional properties are not allowed"
            )
    all_projects = query.get("all_tenants")
    if all_projects is not None and bodies.truth(all_projects or "1", "all_tenants"):
        request.allow(everywhere)
        if "project_id" in query or "tenant_id" in query:
            wanted = query.get("project_id") or query.get("tenant_id")
            statement = statement.where(table.c.project_id == wanted)
    else:
        statement = statement.where(table.c.project_id == token.project_id)
    deleted = admin and bodies.truth(query.get("deleted", "false"), "deleted")
    since = query.get("changes-since")
    if since is not None:
        statement = statement.where(table.c.updated_at >= _when(since, "changes-since"))
        if deleted:
            statement = statement.where(table.c.deleted.is_(True))
    else:
        statement = statement.where(table.c.deleted.is_(deleted))
    if "changes-before" in query and version >= (2, 66):
        statement = statement.where(
            table.c.updated_at <= _when(query["changes-before"], "changes-before")
        )
    wanted_states = request.query_all("status")
    if wanted_states:
        options: list[sa.ColumnElement[bool]] = []
        for one in wanted_states:
            known_states = states.states_of(one)
            if known_states is None:
                continue
            vm_states, task_states = known_states
            condition: sa.ColumnElement[bool] = table.c.vm_state.in_(vm_states)
            if task_states and one.upper() in ("REBOOT", "HARD_REBOOT"):
                condition = sa.and_(condition, table.c.task_state.in_(task_states))
            options.append(condition)
        if not options and not admin:
            return [], []
        statement = statement.where(sa.or_(*options) if options else sa.false())
    for name, column in _EQUAL.items():
        if name in query:
            value = query[name].rsplit("/", 1)[-1] if name in ("image", "flavor") else query[name]
            if name == "flavor":
                await _known_flavor(request, tx, value)
            statement = statement.where(column == value)
    for name, column in _LIKE.items():
        if name in query:
            statement = await name_filter.narrowed(
                tx, statement, table.c.id, column, name, query[name]
            )
    if admin:
        for name in ("host", "node"):
            if name in query:
                statement = statement.where(table.c.host == query[name])
    if (power_state := number_of(query.get("power_state", ""))) is not None:
        statement = statement.where(table.c.power_state == power_state)
    if "locked" in query and version >= (2, 73):
        statement = statement.where(table.c.locked.is_(bodies.truth(query["locked"], "locked")))
    statement = _tags_filter(request, statement)
    statement = await address_filter.narrowed(
        tx, statement, table.c.id, query, room.network.addresses_of
    )
    return await _sorted(request, tx, statement)


async def _known_flavor(request: Request, tx: Transaction, flavor_id: str) -> None:
    """A filter on a flavor that is not there finds nothing; looking it up keeps private ones private."""
    try:
        await flavors.get(tx, request.token, flavor_id)
    except NotFound:
        return


async def _sorted(
    request: Request, tx: Transaction, statement: sa.Select[Any]
) -> tuple[list[Row[Any]], list[dict[str, str]]]:
    query = request.query
    limit = limit_of(query.get("limit"), maximum=PAGE)
    names, directions = request.query_all("sort_key"), request.query_all("sort_dir")
    for direction in directions:
        if direction not in ("asc", "desc"):
            raise BadInput("Invalid input for query parameters sort_dir. It is asc or desc.")
    keys: list[tuple[Any, Direction]] = []
    for place, name in enumerate(names):
        if name not in _SORT:
            if request.microversion >= (2, 75):
                raise BadInput(f"Invalid input for query parameters sort_key. Value: {name[:100]}")
            continue
        way: Direction = "desc"
        if directions:
            way = "asc" if directions[min(place, len(directions) - 1)] == "asc" else "desc"
        keys.append((_SORT[name], way))
    way = "asc" if directions and directions[-1] == "asc" else "desc"
    if not keys:
        keys.append((table.c.created_at, way))
    keys.append((table.c.sequence, way))
    after = None
    if "marker" in query:
        marker = await servers.get_even_deleted(tx, query["marker"])
        if marker is None or (
            marker.project_id != request.token.project_id and not request.token.is_admin
        ):
            raise BadInput(f"marker [{query['marker'][:100]}] not found")
        after = marker._mapping
    rows = list(await tx.all(ordered(statement, keys, after=after, limit=limit)))
    more = []
    if limit and len(rows) == limit:
        link = next_link(request.full_url, request.pairs, rows[-1].id)
        more = [{"rel": "next", "href": link}]
    return rows, more


# ---- show, update, delete ----


async def readable(request: Request, tx: Transaction, rule: str = "") -> Row[Any]:
    """The server of the path, if the caller may do this to it; a stranger's is not there."""
    server_id = request.path["server_id"]
    try:
        row = await servers.get(tx, request.token, server_id)
    except NotFound:
        request.allowed_by_hand()
        raise
    request.allow(rule, project_id=row.project_id, user_id=row.user_id)
    return row


async def show_server(request: Request, room: Compute) -> Response:
    """GET /servers/{id}."""
    async with request.reading() as tx:
        row = await readable(request, tx, "os_compute_api:servers:show")
        items = await _full(request, room, tx, [row])
    return json_answer({"server": items[0]})


# Before 2.75 the answer to a change showed less than the server itself.
_NOT_IN_UPDATES = frozenset(
    (
        "config_drive",
        "key_name",
        "OS-SRV-USG:launched_at",
        "OS-SRV-USG:terminated_at",
        "os-extended-volumes:volumes_attached",
        "security_groups",
        "host_status",
    )
)


def _pin(row: Row[Any], zone: str | None) -> str | None:
    """The zone that a server shall stay in: the one that it is in, or any.

    Raises:
        BadInput: it is not in that zone.
    """
    if zone is not None and zone != row.availability_zone:
        raise BadInput(f"Server {row.id} is not in the availability zone '{zone}'.")
    return zone


async def update_server(request: Request, room: Compute) -> Response:
    """PUT /servers/{id}: name, description, access addresses, host name, the zone it is pinned to."""
    body = await request.body(bodies.UpdateServer, key="server")
    bodies.check_since(body, request.microversion)
    async with request.transaction() as tx:
        row = await readable(request, tx, "os_compute_api:servers:update")
        changes: dict[str, Any] = {"updated_at": room.clock.now()}
        if body.name is not UNSET:
            changes["name"] = body.name.strip()
        if body.description is not UNSET:
            changes["description"] = body.description
        if body.hostname is not UNSET:
            changes["hostname"] = creating.host_name(body.hostname, request.microversion)
            await room.network.rename(tx, row.id, changes["hostname"])
        for name, column, version in (
            ("accessIPv4", "access_ip_v4", 4),
            ("accessIPv6", "access_ip_v6", 6),
        ):
            value = getattr(body, name)
            if value is not UNSET:
                changes[column] = creating.address(value, name, version)
        if body.disk_config is not UNSET:
            if body.disk_config not in ("AUTO", "MANUAL"):
                raise BadInput(
                    "Invalid input for field/attribute OS-DCF:diskConfig. It is AUTO or MANUAL."
                )
            changes["disk_config"] = body.disk_config
        if body.pinned_availability_zone is not UNSET:
            changes["requested_zone"] = _pin(row, body.pinned_availability_zone)
        await tx.execute(table.update().where(table.c.id == row.id).values(**changes))
        row = await servers.get(tx, request.token, row.id)
        items = await _full(request, room, tx, [row])
    answer = items[0]
    if request.microversion < (2, 75):
        answer = {name: item for name, item in answer.items() if name not in _NOT_IN_UPDATES}
        answer = {name: item for name, item in answer.items() if not name.startswith("OS-EXT-")}
    return json_answer({"server": answer})


async def delete_server(request: Request, room: Compute) -> Response:
    """DELETE /servers/{id}: wins over whatever is under way."""
    async with request.transaction() as tx:
        row = await readable(request, tx, "os_compute_api:servers:delete")
        servers.check_unlocked(row, request.token)
        await start_delete(request, room, tx, row)
    return no_content()


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


# ---- addresses ----


async def list_addresses(request: Request, room: Compute) -> Response:
    async with request.reading() as tx:
        row = await readable(request, tx)
        ports = await room.network.ports_of(tx, [row.id])
    found = answers.addresses(ports.get(row.id, ()))
    return json_answer({"addresses": {name: _plain(ips) for name, ips in found.items()}})


def _plain(ips: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{"version": ip["version"], "addr": ip["addr"]} for ip in ips]


async def show_addresses(request: Request, room: Compute) -> Response:
    label = request.path["network_label"]
    async with request.reading() as tx:
        row = await readable(request, tx)
        ports = await room.network.ports_of(tx, [row.id])
    found = answers.addresses(ports.get(row.id, ()))
    if label not in found:
        raise NotFound(f"Network {label} is not one of the server's.")
    return json_answer({label: _plain(found[label])})


async def list_groups(request: Request, room: Compute) -> Response:
    """GET /servers/{id}/os-security-groups."""
    async with request.reading() as tx:
        row = await readable(request, tx)
        ports = (await room.network.ports_of(tx, [row.id])).get(row.id, [])
        names = list(dict.fromkeys(name for port in ports for name in port.security_groups))
        ids = await room.network.check_security_groups(tx, row.project_id, names) if names else []
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


# ---- network cards ----


async def _cards(
    request: Request, room: Compute, tx: Transaction, row: Row[Any]
) -> list[dict[str, Any]]:
    ports = (await room.network.ports_of(tx, [row.id])).get(row.id, [])
    tags = {plan["port_id"]: plan["tag"] for plan in row.nics}
    found: list[dict[str, Any]] = [
        {
            "port_id": port.port_id,
            "net_id": port.network_id,
            "mac_addr": port.mac,
            "port_state": port.status,
            "fixed_ips": [
                {"subnet_id": ip.subnet_id, "ip_address": ip.address} for ip in port.fixed_ips
            ],
        }
        for port in ports
    ]
    if request.microversion >= (2, 70):
        found = [{**one, "tag": tags.get(one["port_id"])} for one in found]
    return found


async def list_cards(request: Request, room: Compute) -> Response:
    """GET /servers/{id}/os-interface."""
    async with request.reading() as tx:
        row = await readable(request, tx)
        return json_answer({"interfaceAttachments": await _cards(request, room, tx, row)})


async def show_card(request: Request, room: Compute) -> Response:
    """GET /servers/{id}/os-interface/{port}."""
    port_id = request.path["port_id"]
    async with request.reading() as tx:
        row = await readable(request, tx)
        found = [c for c in await _cards(request, room, tx, row) if c["port_id"] == port_id]
    if not found:
        raise NotFound(f"Server {row.id} has no network card on port {port_id}.")
    return json_answer({"interfaceAttachment": found[0]})


_A = "os_compute_api"
_ONE = "/v2.1/servers/{server_id}"
_EXTENDED = (
    f"{_A}:os-extended-server-attributes",
    f"{_A}:servers:show:host_status",
    f"{_A}:servers:show:flavor-extra-specs",
)
ROUTES = (
    Route(
        "POST",
        "/v2.1/servers",
        create_server,
        (f"{_A}:servers:create",),
        strict=True,
        body=bodies.CreateServer,
        member="server",
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
        query=tuple(sorted(_KNOWN)),
    ),
    Route(
        "GET",
        "/v2.1/servers/detail",
        list_details,
        (f"{_A}:servers:detail", f"{_A}:servers:detail:get_all_tenants", *_EXTENDED),
        query=tuple(sorted(_KNOWN)),
    ),
    Route("GET", _ONE, show_server, (f"{_A}:servers:show", *_EXTENDED)),
    Route(
        "PUT",
        _ONE,
        update_server,
        (f"{_A}:servers:update",),
        strict=True,
        body=bodies.UpdateServer,
        member="server",
    ),
    Route("DELETE", _ONE, delete_server, (f"{_A}:servers:delete",)),
    Route("GET", _ONE + "/ips", list_addresses, (f"{_A}:ips:index",)),
    Route("GET", _ONE + "/ips/{network_label}", show_addresses, (f"{_A}:ips:show",)),
    Route("GET", _ONE + "/os-security-groups", list_groups, (f"{_A}:os-security-groups:list",)),
    Route("GET", _ONE + "/os-interface", list_cards, (f"{_A}:os-attach-interfaces:list",)),
    Route("GET", _ONE + "/os-interface/{port_id}", show_card, (f"{_A}:os-attach-interfaces:show",)),
)
