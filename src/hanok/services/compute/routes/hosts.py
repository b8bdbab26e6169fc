"""Services, hypervisors and availability zones."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from msgspec import UNSET
from sqlalchemy import Row
from starlette.responses import Response

from hanok.base.errors import BadInput, NotFound
from hanok.base.ids import is_uuid
from hanok.services.compute.logic import host_facts, hosts, notices, servers
from hanok.services.compute.room import Compute
from hanok.services.compute.schemas import answers, bodies
from hanok.services.placement import facade as placement
from hanok.store import Transaction
from hanok.web.listing import COMPUTE
from hanok.web.pages import number_of
from hanok.web.plain_lists import Condition, PlainList
from hanok.web.request import Request, json_answer, no_content
from hanok.web.routes import Route
from hanok.web.versions import Parameter, Query

# ---- services ----


def _has(name: str) -> Condition[Row[Any]]:
    return lambda values: lambda row: getattr(row, name) == values[-1]


# Of services the API has no pages.
SERVICES = PlainList[Row[Any]](
    name="services",
    style=COMPUTE,
    key=lambda row: str(row.id),
    conditions={name: _has(name) for name in ("binary", "host")},
)


async def list_services(request: Request, room: Compute) -> Response:
    """GET /os-services."""
    request.allow()
    async with request.reading() as tx:
        rows = SERVICES.kept(request, await hosts.everything(tx))
    items = [answers.service(request, row, up=hosts.is_up(row, room)) for row in rows]
    return json_answer({SERVICES.name: items})


async def _change(
    request: Request,
    room: Compute,
    tx: Transaction,
    row: Row[Any],
    body: Any,
    disabled: bool | None,
) -> Row[Any]:
    if body.forced_down is not UNSET:
        down = bodies.truth(body.forced_down, "forced_down")
        await hosts.force_down(tx, row.id, down)
    if disabled is not None:
        reason = body.disabled_reason if isinstance(body.disabled_reason, str) else None
        await hosts.set_disabled(tx, row, disabled, reason)
    row = await hosts.get(tx, row.id)
    request.made(row.id, notices.service(row))
    return row


def _uuid_of(request: Request, name: str) -> str:
    """An id of the path that is a UUID from 2.53 on. Raises BadInput for another text, as the number of before."""
    if not is_uuid(request.path[name]):
        raise BadInput(f"Invalid uuid {request.path[name][:50]}")
    return request.path[name]


async def update_service(request: Request, room: Compute) -> Response:
    """PUT /os-services/{id}, from 2.53."""
    request.allow()
    body = await request.body(bodies.UpdateService)
    if all(getattr(body, name) is UNSET for name in body.__struct_fields__):
        raise BadInput(
            "No updates were requested. Fields 'status' or 'forced_down' should be specified."
        )
    if body.status not in (UNSET, "enabled", "disabled"):
        raise BadInput("Invalid input for field/attribute status. It is enabled or disabled.")
    if body.disabled_reason is not UNSET and body.status != "disabled":
        raise BadInput("Specifying disabled_reason requires that status is disabled.")
    service_id = _uuid_of(request, "service_id")
    async with request.transaction() as tx:
        row = await hosts.get(tx, service_id)
        if row.binary != "nova-compute":
            raise BadInput(
                f"Updating a {row.binary} service is not supported. Only nova-compute services can be updated."
            )
        disabled = None if body.status is UNSET else body.status == "disabled"
        row = await _change(request, room, tx, row, body, disabled)
    up = hosts.is_up(row, room)
    return json_answer({"service": answers.service(request, row, up=up)})


def _by_host(verb: str) -> Any:
    async def handler(request: Request, room: Compute) -> Response:
        request.allow()
        body = await request.body(bodies.ServiceByHost)
        if verb == "disable-log-reason" and body.disabled_reason is UNSET:
            raise BadInput("Missing disabled reason field")
        if verb == "force-down" and body.forced_down is UNSET:
            raise BadInput("Missing forced_down field")
        disabled = {"enable": False, "force-down": None}.get(verb, True)
        async with request.transaction() as tx:
            row = await hosts.by_name(tx, body.host, body.binary)
            row = await _change(request, room, tx, row, body, disabled)
        answer: dict[str, Any] = {"host": row.host, "binary": row.binary}
        if verb == "force-down":
            answer["forced_down"] = row.forced_down
        else:
            answer["status"] = "disabled" if row.disabled else "enabled"
            if verb == "disable-log-reason":
                answer["disabled_reason"] = row.disabled_reason
        return json_answer({"service": answer})

    return handler


async def _service_of(request: Request, tx: Transaction) -> Row[Any]:
    """The service of the path, by its UUID, or by the number that older versions know it by."""
    if "service_id" in request.path:
        return await hosts.get(tx, _uuid_of(request, "service_id"))
    number = number_of(request.path["number"])
    if number is None:
        raise BadInput(f"Invalid service id {request.path['number'][:50]}")
    return await hosts.by_number(tx, number)


async def delete_service(request: Request, room: Compute) -> Response:
    """DELETE /os-services/{id}: a host that has no servers is forgotten; it comes back when it tells its state."""
    request.allow()
    async with request.transaction() as tx:
        row = await _service_of(request, tx)
        request.made(row.id, notices.service(row))
        await hosts.forget(tx, row)
    return no_content()


# ---- hypervisors ----


def _short(room: Compute, row: Row[Any]) -> dict[str, Any]:
    """A hypervisor as lists name it."""
    return {
        "id": row.provider_id,
        "_number": row.number,
        "hypervisor_hostname": row.host,
        "state": "up" if hosts.is_up(row, room) else "down",
        "status": "disabled" if row.disabled else "enabled",
    }


async def _hypervisor(
    request: Request, room: Compute, tx: Transaction, row: Row[Any]
) -> dict[str, Any]:
    """A hypervisor in full, in its newest form with what older versions show besides."""
    state = row.host_state or {}
    answer = {
        **_short(room, row),
        "host_ip": state.get("address", ""),
        "hypervisor_type": "QEMU",
        "hypervisor_version": host_facts.packed(state.get("qemu_version", "0")),
        "service": {
            "host": row.host,
            "id": row.id,
            "_number": row.number,
            "disabled_reason": row.disabled_reason,
        },
        "uptime": _uptime(room, state, row),
    }
    if request.shown(answers.HYPERVISOR).shows("vcpus"):
        answer |= await _capacity(tx, row, state)
        answer["cpu_info"] = _cpu(state)
    return answer


async def _capacity(tx: Transaction, row: Row[Any], state: dict[str, Any]) -> dict[str, int]:
    """What a host has and what of it is given out (MiB, GiB)."""
    used = await placement.used(tx, row.provider_id)
    memory, disk, cpus = (used.get(what, (0, 0, 0)) for what in ("MEMORY_MB", "DISK_GB", "VCPU"))
    return {
        "vcpus": cpus[0],
        "vcpus_used": cpus[2],
        "memory_mb": memory[0],
        "memory_mb_used": memory[1] + memory[2],
        "free_ram_mb": memory[0] - memory[1] - memory[2],
        "local_gb": disk[0],
        "local_gb_used": disk[2],
        "free_disk_gb": disk[0] - disk[2],
        "disk_available_least": state.get("disk_free_gib", 0),
        "current_workload": 0,
        "running_vms": await servers.count_on_host(tx, row.host),
    }


def _cpu(state: dict[str, Any]) -> dict[str, Any]:
    return {
        "arch": state.get("cpu_arch", "x86_64"),
        "model": state.get("cpu_model", ""),
        "vendor": state.get("cpu_vendor", ""),
        "features": list(state.get("cpu_flags", ())),
        "topology": {"sockets": 1, "cores": state.get("vcpus", 1), "threads": 1},
        "accelerator": state.get("accelerator", ""),
        "accelerator_reason": state.get("accelerator_reason", ""),
    }


def _uptime(room: Compute, state: dict[str, Any], row: Row[Any]) -> str | None:
    """As the host's `uptime` prints it."""
    if not state:
        return None
    now = room.clock.now()
    up = timedelta(seconds=int(state.get("uptime_s", 0)))
    hours, minutes = divmod(up.seconds // 60, 60)
    load = ", ".join(f"{one:.2f}" for one in state.get("load", (0.0, 0.0, 0.0)))
    return f" {now:%H:%M:%S} up {up.days} days, {hours:2}:{minutes:02},  0 users,  load average: {load}"


async def _servers_of(tx: Transaction, host: str) -> list[dict[str, str]]:
    return [
        {"uuid": row.id, "name": f"instance-{row.sequence:08x}"}
        for row in await servers.on_host(tx, host)
    ]


HYPERVISORS = PlainList[tuple[str, Row[Any]]](
    name="hypervisors", style=COMPUTE, key=lambda marked: marked[0]
)


async def _matching(request: Request, tx: Transaction) -> list[Row[Any]]:
    rows = [row for row in await hosts.nodes(tx) if row.provider_id is not None]
    pattern = request.query.get("hypervisor_hostname_pattern")
    if pattern == "":
        raise BadInput("hypervisor_hostname_pattern must not be empty")
    if pattern is not None:
        if HYPERVISORS.is_paged(request):
            raise BadInput(
                "Paging over hypervisors with the hypervisor_hostname_pattern query parameter is not supported."
            )
        rows = [row for row in rows if pattern in row.host]
        if not rows:
            raise NotFound(f"No hypervisor matching '{pattern[:100]}' could be found.")
    return rows


def _marked(request: Request, rows: Sequence[Row[Any]]) -> list[tuple[str, Row[Any]]]:
    """Hypervisors with what marks them: the ids that this version shows."""
    shown = request.shown(answers.HYPERVISOR)
    ids = (shown({"id": row.provider_id, "_number": row.number})["id"] for row in rows)
    return [(str(one), row) for one, row in zip(ids, rows, strict=True)]


def _wants_servers(request: Request) -> bool:
    return bodies.truth(request.query.get("with_servers", "false"), "with_servers")


def _lister(detail: bool) -> Any:
    async def handler(request: Request, room: Compute) -> Response:
        request.allow()
        with_servers, shown = _wants_servers(request), request.shown(answers.HYPERVISOR)
        items = []
        async with request.reading() as tx:
            found = _marked(request, await _matching(request, tx))
            page, links = HYPERVISORS.page(request, found)
            for _, row in page:
                item = await _hypervisor(request, room, tx, row) if detail else _short(room, row)
                if with_servers:
                    item["servers"] = await _servers_of(tx, row.host)
                items.append(shown(item))
        return json_answer(HYPERVISORS.answer_of({HYPERVISORS.name: items}, links))

    return handler


async def _one(request: Request, tx: Transaction) -> Row[Any]:
    """The hypervisor of the path, by its UUID, or by the number that older versions know it by."""
    numbered = "number" in request.path
    requested = request.path["number"] if numbered else _uuid_of(request, "hypervisor_id")
    for row in await hosts.nodes(tx):
        if requested == (str(row.number) if numbered else row.provider_id):
            return row
    raise NotFound(f"Compute host {requested} could not be found.")


async def show_hypervisor(request: Request, room: Compute) -> Response:
    request.allow("os_compute_api:os-hypervisors:show")
    async with request.reading() as tx:
        row = await _one(request, tx)
        answer = await _hypervisor(request, room, tx, row)
        if _wants_servers(request):
            answer["servers"] = await _servers_of(tx, row.host)
    return json_answer({"hypervisor": request.shown(answers.HYPERVISOR)(answer)})


async def show_uptime(request: Request, room: Compute) -> Response:
    request.allow()
    async with request.reading() as tx:
        row = await _one(request, tx)
    answer = request.shown(answers.HYPERVISOR)(_short(room, row))
    answer["uptime"] = _uptime(room, row.host_state or {}, row)
    return json_answer({"hypervisor": answer})


async def statistics(request: Request, room: Compute) -> Response:
    """GET /os-hypervisors/statistics, until 2.87: sums over all hosts."""
    request.allow()
    total = dict.fromkeys(answers.HYPERVISOR_SUMS, 0)
    async with request.reading() as tx:
        rows = [row for row in await hosts.nodes(tx) if row.provider_id is not None]
        for row in rows:
            one = await _capacity(tx, row, row.host_state or {})
            for name, value in one.items():
                total[name] += value
    return json_answer({"hypervisor_statistics": {"count": len(rows), **total}})


async def search(request: Request, room: Compute) -> Response:
    """GET /os-hypervisors/{pattern}/search, until 2.52."""
    request.allow("os_compute_api:os-hypervisors:search")
    return await _search(request, room, False)


async def search_servers(request: Request, room: Compute) -> Response:
    """GET /os-hypervisors/{pattern}/servers, until 2.52."""
    request.allow("os_compute_api:os-hypervisors:servers")
    return await _search(request, room, True)


async def _search(request: Request, room: Compute, with_servers: bool) -> Response:
    pattern, shown = request.path["pattern"], request.shown(answers.HYPERVISOR)
    items = []
    async with request.reading() as tx:
        rows = [row for row in await hosts.nodes(tx) if pattern in row.host]
        if not rows:
            raise NotFound(f"No hypervisor matching '{pattern[:100]}' could be found.")
        for row in rows:
            item = shown(_short(room, row))
            if with_servers and (found := await _servers_of(tx, row.host)):
                item["servers"] = found
            items.append(item)
    return json_answer({"hypervisors": items})


# ---- availability zones ----


def _zones(detail: bool) -> Any:
    async def handler(request: Request, room: Compute) -> Response:
        request.allow()
        async with request.reading() as tx:
            rows = await hosts.everything(tx)
        zones: dict[str, dict[str, Any]] = {}
        for row in rows:
            if row.zone == "internal" and not detail:
                continue
            zone = zones.setdefault(row.zone, {"available": False, "hosts": {}})
            up = hosts.is_up(row, room)
            zone["available"] = zone["available"] or (up and not row.disabled)
            zone["hosts"].setdefault(row.host, {})[row.binary] = {
                "available": up,
                "active": not row.disabled,
                "updated_at": row.seen_at.strftime("%Y-%m-%dT%H:%M:%S.%f"),
            }
        items = [
            {
                "zoneName": name,
                "zoneState": {"available": zone["available"]},
                "hosts": zone["hosts"] if detail else None,
            }
            for name, zone in sorted(zones.items())
        ]
        return json_answer({"availabilityZoneInfo": items})

    return handler


_A = "os_compute_api"
_HYPERVISOR = "/v2.1/os-hypervisors/{hypervisor_id}"
_UPDATE = (f"{_A}:os-services:update",)
_PATTERN = "/v2.1/os-hypervisors/{pattern}"
_NUMBERED = "/v2.1/os-hypervisors/{number}"
_WITH_SERVERS = Parameter(name="with_servers", since=(2, 53))
_FILTERS = Query(
    *(Parameter(name=name, since=(2, 33)) for name in HYPERVISORS.parameters),
    Parameter(name="hypervisor_hostname_pattern", since=(2, 53)),
    _WITH_SERVERS,
    closed=(2, 53),
)
_ONE_WITH_SERVERS = Query(_WITH_SERVERS, closed=(2, 53))
ROUTES = (
    Route(
        "GET",
        "/v2.1/os-services",
        list_services,
        (f"{_A}:os-services:list",),
        query=Query(*SERVICES.conditions, closed=(2, 75)),
    ),
    *(
        Route(
            "PUT",
            f"/v2.1/os-services/{verb}",
            _by_host(verb),
            _UPDATE,
            minimum=(2, 11) if verb == "force-down" else None,
            maximum=(2, 52),
            strict=True,
            body=bodies.ServiceByHost,
            event="compute.service.update",
        )
        for verb in ("enable", "disable", "disable-log-reason", "force-down")
    ),
    Route(
        "PUT",
        "/v2.1/os-services/{service_id}",
        update_service,
        _UPDATE,
        minimum=(2, 53),
        strict=True,
        body=bodies.UpdateService,
        event="compute.service.update",
    ),
    Route(
        "DELETE",
        "/v2.1/os-services/{service_id}",
        delete_service,
        (f"{_A}:os-services:delete",),
        minimum=(2, 53),
        event="compute.service.delete",
    ),
    Route(
        "DELETE",
        "/v2.1/os-services/{number}",
        delete_service,
        (f"{_A}:os-services:delete",),
        maximum=(2, 52),
        event="compute.service.delete",
    ),
    Route(
        "GET",
        "/v2.1/os-hypervisors",
        _lister(False),
        (f"{_A}:os-hypervisors:list",),
        query=_FILTERS,
    ),
    Route(
        "GET",
        "/v2.1/os-hypervisors/detail",
        _lister(True),
        (f"{_A}:os-hypervisors:list-detail",),
        query=_FILTERS,
    ),
    Route(
        "GET",
        "/v2.1/os-hypervisors/statistics",
        statistics,
        (f"{_A}:os-hypervisors:statistics",),
        maximum=(2, 87),
    ),
    Route(
        "GET",
        _HYPERVISOR,
        show_hypervisor,
        (f"{_A}:os-hypervisors:show",),
        minimum=(2, 53),
        query=_ONE_WITH_SERVERS,
    ),
    Route(
        "GET",
        _NUMBERED,
        show_hypervisor,
        (f"{_A}:os-hypervisors:show",),
        maximum=(2, 52),
        query=_ONE_WITH_SERVERS,
    ),
    Route(
        "GET",
        _HYPERVISOR + "/uptime",
        show_uptime,
        (f"{_A}:os-hypervisors:uptime",),
        minimum=(2, 53),
        maximum=(2, 87),
    ),
    Route(
        "GET",
        _NUMBERED + "/uptime",
        show_uptime,
        (f"{_A}:os-hypervisors:uptime",),
        maximum=(2, 52),
    ),
    Route("GET", _PATTERN + "/search", search, (f"{_A}:os-hypervisors:search",), maximum=(2, 52)),
    Route(
        "GET",
        _PATTERN + "/servers",
        search_servers,
        (f"{_A}:os-hypervisors:servers",),
        maximum=(2, 52),
    ),
    Route("GET", "/v2.1/os-availability-zone", _zones(False), (f"{_A}:os-availability-zone:list",)),
    Route(
        "GET",
        "/v2.1/os-availability-zone/detail",
        _zones(True),
        (f"{_A}:os-availability-zone:detail",),
    ),
)
