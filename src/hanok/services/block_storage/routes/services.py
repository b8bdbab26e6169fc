"""The service itself: its processes, back ends as hosts, pools, capabilities, zones.

Source: Block Storage API reference, "Services", "Hosts extension", "Back-end storage pools", "Capabilities for storage
back ends", "Availability zones".
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import Row
from starlette.responses import Response

from hanok.base.clock import naive_micro
from hanok.base.errors import BadInput, NotFound
from hanok.services.block_storage.logic import backends, hosts
from hanok.services.block_storage.room import Volumes
from hanok.services.block_storage.schemas import answers, bodies
from hanok.services.block_storage.schemas.bodies import given
from hanok.store import Transaction
from hanok.web.request import Request, json_answer, no_content
from hanok.web.routes import SIGNED_IN, Route
from hanok.web.versions import Parameter, Query

# ---- services ----


def _service(room: Volumes, row: Row[Any], view: Any) -> dict[str, Any]:
    up = backends.is_up(row, room)
    shown = {
        "binary": row.binary,
        "host": row.host,
        "zone": row.zone,
        "status": "disabled" if row.disabled else "enabled",
        "state": "up" if up else "down",
        "updated_at": naive_micro(row.seen_at),
        "disabled_reason": row.disabled_reason,
        "cluster": None,
    }
    if row.binary == backends.VOLUME:
        ready = backends.is_ready(row, room)
        shown |= {
            "frozen": row.frozen,
            "replication_status": "disabled",
            "active_backend_id": None,
            "backend_state": "up" if ready else "down",
        }
    found: dict[str, Any] = view(shown)
    return found


async def list_services(request: Request, room: Volumes) -> Response:
    """GET /os-services."""
    request.allow()
    binary = request.query.get("binary") or request.query.get("service")
    host = request.query.get("host")
    async with request.reading() as tx:
        rows = await backends.everything(tx)
    view = request.shown(answers.SERVICE)
    found = [
        _service(room, row, view)
        for row in rows
        if (not binary or row.binary == binary)
        and (not host or row.host == host or row.host.startswith(f"{host}@"))
    ]
    return json_answer({"services": found})


async def _named(tx: Transaction, body: bodies.ServiceName) -> Row[Any]:
    """Raises BadInput, NotFound."""
    binary = given(body.binary) or given(body.service)
    if not binary:
        raise BadInput("Missing required element 'binary' in request body.")
    return await backends.by_name(tx, binary, body.host)


async def enable(request: Request, room: Volumes) -> Response:
    return await _switch(request, disabled=False, reasoned=False)


async def disable(request: Request, room: Volumes) -> Response:
    return await _switch(request, disabled=True, reasoned=False)


async def disable_with_reason(request: Request, room: Volumes) -> Response:
    return await _switch(request, disabled=True, reasoned=True)


async def _switch(request: Request, *, disabled: bool, reasoned: bool) -> Response:
    request.allow()
    body = await request.body(bodies.ServiceName)
    reason = given(body.disabled_reason)
    if reasoned and not (isinstance(reason, str) and reason.strip()):
        raise BadInput("Disabled reason contains invalid characters or is too long")
    if not reasoned and reason is not None:
        raise BadInput("A reason is given with disable-log-reason.")
    async with request.transaction() as tx:
        row = await _named(tx, body)
        kept = reason if reasoned else None
        await backends.change(tx, row, disabled=disabled, disabled_reason=kept)
        request.made(row.id)
    shown = {
        "host": row.host,
        "service": row.binary,
        "binary": row.binary,
        "disabled": disabled,
        "status": "disabled" if disabled else "enabled",
    }
    if reasoned or not disabled:
        shown["disabled_reason"] = kept
    return json_answer(shown)


async def freeze(request: Request, room: Volumes) -> Response:
    return await _frozen(request, "volume:freeze_host", frozen=True)


async def thaw(request: Request, room: Volumes) -> Response:
    return await _frozen(request, "volume:thaw_host", frozen=False)


async def _frozen(request: Request, rule: str, *, frozen: bool) -> Response:
    """Nothing new comes to a back end that is frozen."""
    request.allow(rule)
    body = await request.body(bodies.HostName)
    async with request.transaction() as tx:
        row = await _backend(tx, body.host)
        await backends.change(tx, row, frozen=frozen)
        request.made(row.id)
    return no_content(200)


async def _backend(tx: Transaction, host: str) -> Row[Any]:
    """Raises BadInput when there is no such back end."""
    try:
        return await backends.get(tx, host)
    except NotFound:
        raise BadInput(f"Host {host[:255]} could not be found.") from None


async def fail_over(request: Request, room: Volumes) -> Response:
    """PUT /os-services/failover_host: no back end here is replicated."""
    request.allow()
    body = await request.body(bodies.FailOver)
    async with request.reading() as tx:
        row = await _backend(tx, body.host)
    raise BadInput(
        f"Invalid input received: back end {row.host} is not replicated, so there is no other "
        f"({given(body.backend_id) or 'any'}) that could take over."
    )


# ---- how much is logged ----


async def get_log(request: Request, room: Volumes) -> Response:
    """PUT /os-services/get-log: of this process; others have no levels of their own."""
    request.allow()
    body = await request.body(bodies.LogLevel)
    prefix = given(body.prefix) or ""
    found = [
        {"binary": binary, "host": room.node_name, "levels": hosts.log_levels(prefix)}
        for binary in _binaries(body)
        if not given(body.server) or body.server == room.node_name
    ]
    return json_answer({"log_levels": found})


def _binaries(body: bodies.LogLevel) -> list[str]:
    named = given(body.binary)
    return (
        ["cinder-api", backends.SCHEDULER, backends.BACKUP] if named in (None, "", "*") else [named]
    )


async def set_log(request: Request, room: Volumes) -> Response:
    """PUT /os-services/set-log."""
    request.allow()
    body = await request.body(bodies.LogLevel)
    level = given(body.level)
    if not isinstance(level, str) or level.upper() not in hosts.LEVELS:
        raise BadInput(f"Parameter 'level' is invalid: {str(level)[:100]} is not a log level.")
    if not given(body.server) or body.server == room.node_name:
        hosts.set_log_level(given(body.prefix) or "", level.upper())
    return no_content(202)


# ---- hosts ----


async def list_hosts(request: Request, room: Volumes) -> Response:
    """GET /os-hosts."""
    request.allow()
    zone = request.query.get("zone")
    async with request.reading() as tx:
        rows = await backends.everything(tx)
    found = [
        {
            "host_name": row.host,
            "service": row.binary,
            "zone": row.zone,
            "service-status": "available" if backends.is_up(row, room) else "unavailable",
            "service-state": "disabled" if row.disabled else "enabled",
            "last-update": naive_micro(row.seen_at),
        }
        for row in rows
        if not zone or row.zone == zone
    ]
    return json_answer({"hosts": found})


async def show_host(request: Request, room: Volumes) -> Response:
    """GET /os-hosts/{host}: what is on a back end, altogether and by project."""
    request.allow()
    async with request.reading() as tx:
        row = await hosts.backend(tx, request.path["host_name"])
        counted = await hosts.counted(tx, row)
    found = [{"resource": {"host": row.host, **one}} for one in counted]
    return json_answer({"host": found})


async def update_host(request: Request, room: Volumes) -> Response:
    """PUT /os-hosts/{host}."""
    request.allow()
    body = await request.body(bodies.HostStatus)
    async with request.transaction() as tx:
        row = await hosts.backend(tx, request.path["host_name"])
        await backends.change(tx, row, disabled=body.status == "disable", disabled_reason=None)
    state = "disabled" if body.status == "disable" else "enabled"
    return json_answer({"host": row.host, "status": state})


# ---- pools and capabilities ----


async def list_pools(request: Request, room: Volumes) -> Response:
    """GET /scheduler-stats/get_pools."""
    request.allow()
    detailed = bodies.truth(request.query.get("detail") or "false", "detail")
    name, kind = request.query.get("name"), request.query.get("volume_type")
    async with request.reading() as tx:
        rows = await hosts.pools(tx, room, kind)
    found: list[dict[str, Any]] = []
    for row in rows:
        pool = backends.pool_of(row.node, row.backend)
        if not name or name == pool:
            shown: dict[str, Any] = {"name": pool}
            found.append({**shown, "capabilities": hosts.pool(row)} if detailed else shown)
    return json_answer({"pools": found})


async def show_capabilities(request: Request, room: Volumes) -> Response:
    """GET /capabilities/{host}."""
    request.allow()
    async with request.reading() as tx:
        row = await hosts.backend(tx, request.path["host_name"])
    if row.state is None:
        raise NotFound(f"Service {row.host} could not be found.")
    return json_answer(hosts.capabilities(row))


async def list_zones(request: Request, room: Volumes) -> Response:
    """GET /os-availability-zone."""
    async with request.reading() as tx:
        found = await backends.zones(tx)
    names = found or {room.settings.zone: True}
    return json_answer(
        {
            "availabilityZoneInfo": [
                {"zoneName": name, "zoneState": {"available": usable}}
                for name, usable in names.items()
            ]
        }
    )


_S = "/v3/os-services"
_I, _U = "volume_extension:services:index", "volume_extension:services:update"
_H = "volume_extension:hosts"
_E = "block_storage.service"
ROUTES = (
    Route("GET", _S, list_services, (_I,), query=("binary", "service", "host")),
    *(
        Route(
            "PUT", f"{_S}/{name}", handler, (_U,), body=bodies.ServiceName, strict=True,
            event=f"{_E}.{told}",
        )
        for name, handler, told in (
            ("enable", enable, "enabled"),
            ("disable", disable, "disabled"),
            ("disable-log-reason", disable_with_reason, "disabled"),
        )
    ),
    Route(
        "PUT", f"{_S}/freeze", freeze, ("volume:freeze_host",), body=bodies.HostName, strict=True,
        event=f"{_E}.frozen",
    ),
    Route(
        "PUT", f"{_S}/thaw", thaw, ("volume:thaw_host",), body=bodies.HostName, strict=True,
        event=f"{_E}.thawed",
    ),
    Route(
        "PUT", f"{_S}/failover_host", fail_over, ("volume:failover_host",), body=bodies.FailOver,
        strict=True,
    ),
    Route(
        "PUT", f"{_S}/failover", fail_over, ("volume:failover_host",), body=bodies.FailOver,
        strict=True, minimum=(3, 26),
    ),
    Route("PUT", f"{_S}/get-log", get_log, (_U,), body=bodies.LogLevel, strict=True, minimum=(3, 32)),
    Route("PUT", f"{_S}/set-log", set_log, (_U,), body=bodies.LogLevel, strict=True, minimum=(3, 32)),
    Route("GET", "/v3/os-hosts", list_hosts, (_H,), query=("zone",)),
    Route("GET", "/v3/os-hosts/{host_name}", show_host, (_H,)),
    Route(
        "PUT", "/v3/os-hosts/{host_name}", update_host, (_H,), body=bodies.HostStatus, strict=True,
        event=f"{_E}.changed",
    ),
    Route(
        "GET",
        "/v3/scheduler-stats/get_pools",
        list_pools,
        ("scheduler_extension:scheduler_stats:get_pools",),
        query=Query(
            "detail", Parameter(name="name", since=(3, 28)), Parameter(name="volume_type", since=(3, 35))
        ),
    ),
    Route(
        "GET", "/v3/capabilities/{host_name}", show_capabilities, ("volume_extension:capabilities",)
    ),
    Route("GET", "/v3/os-availability-zone", list_zones, (SIGNED_IN,)),
)  # fmt: skip
