"""Hosts as clients from before 2.43 know them; later there are services and hypervisors instead.

Source: Compute API reference, "Hosts (os-hosts) (DEPRECATED)".
"""

from __future__ import annotations

from typing import Any

from msgspec import UNSET
from starlette.responses import Response

from hanok.base.errors import BadInput, NotSupported
from hanok.services.compute.logic import hosts, notices, servers
from hanok.services.compute.room import Compute
from hanok.services.compute.schemas import bodies
from hanok.services.placement import facade as placement
from hanok.web.listing import COMPUTE
from hanok.web.plain_lists import Condition, PlainList
from hanok.web.request import Request, json_answer
from hanok.web.routes import Handler, Route
from hanok.web.versions import Query


def _is(name: str) -> Condition[dict[str, Any]]:
    """An empty value is no filter."""
    return lambda values: lambda item: values[-1] in ("", item[name])


HOSTS = PlainList[dict[str, Any]](
    name="hosts",
    style=COMPUTE,
    key=lambda item: str(item["host_name"]),
    conditions={"zone": _is("zone"), "service": _is("service")},
)


async def list_hosts(request: Request, room: Compute) -> Response:
    """GET /os-hosts: processes by host, those of one zone or kind where that is asked.

    What has servers comes first: who asks this list for a host means one of these, and takes the first.
    """
    request.allow()
    async with request.reading() as tx:
        rows = sorted(await hosts.everything(tx), key=lambda row: row.binary != "nova-compute")
    items = [
        {"host_name": row.host, "service": row.binary.removeprefix("nova-"), "zone": row.zone}
        for row in rows
    ]
    return json_answer({HOSTS.name: HOSTS.kept(request, items)})


def _resource(host: str, project: str, cpu: int, memory_mib: int, disk_gib: int) -> dict[str, Any]:
    values = {"cpu": cpu, "memory_mb": memory_mib, "disk_gb": disk_gib}
    return {"resource": {"host": host, "project": project, **values}}


async def show_host(request: Request, room: Compute) -> Response:
    """GET /os-hosts/{host_name}: what it has, what is used, and by which projects."""
    request.allow()
    name = request.path["host_name"]
    async with request.reading() as tx:
        row = await hosts.by_name(tx, name, "nova-compute")
        used = await placement.used(tx, row.provider_id or "")
        there = await servers.on_host(tx, name)
    memory, disk, cpus = (used.get(what, (0, 0, 0)) for what in ("MEMORY_MB", "DISK_GB", "VCPU"))
    by_project: dict[str, list[int]] = {}
    for one in there:
        sums = by_project.setdefault(one.project_id, [0, 0, 0])
        disk_gib = one.disk_gib + int(one.flavor.get("ephemeral", 0))
        for place, amount in enumerate((one.vcpus, one.memory_mib, disk_gib)):
            sums[place] += amount
    whole = [sum(column) for column in zip(*by_project.values(), strict=True)] or [0, 0, 0]
    items = [
        _resource(name, "(total)", cpus[0], memory[0], disk[0]),
        _resource(name, "(used_now)", cpus[2], memory[1] + memory[2], disk[2]),
        _resource(name, "(used_max)", *whole),
        *(_resource(name, project, *sums) for project, sums in by_project.items()),
    ]
    return json_answer({"host": items})


async def update_host(request: Request, room: Compute) -> Response:
    """PUT /os-hosts/{host_name}: take servers, or no more. There is no maintenance mode: hosts run QEMU."""
    request.allow()
    body = await request.body(bodies.UpdateHost)
    if body.status is UNSET and body.maintenance_mode is UNSET:
        raise BadInput("Invalid input: 'status' or 'maintenance_mode' is a required property")
    name = request.path["host_name"]
    disabled = body.status is not UNSET and body.status.lower() == "disable"
    async with request.transaction() as tx:
        row = await hosts.by_name(tx, name, "nova-compute")
        if body.maintenance_mode is not UNSET:
            raise NotSupported("Hosts that run QEMU have no maintenance mode.")
        await hosts.set_disabled(tx, row, disabled, None)
        row = await hosts.get(tx, row.id)
        request.made(row.id, notices.host_enabled(row))
    return json_answer({"host": name, "status": "disabled" if disabled else "enabled"})


def _power(verb: str) -> Handler:
    async def handler(request: Request, room: Compute) -> Response:
        """GET /os-hosts/{host_name}/reboot, shutdown, startup."""
        request.allow(f"{_A}:{verb}")
        async with request.reading() as tx:
            await hosts.by_name(tx, request.path["host_name"], "nova-compute")
        raise NotSupported("Hosts that run QEMU are not switched on and off by this service.")

    return handler


_A = "os_compute_api:os-hosts"
_ALL = "/v2.1/os-hosts"
_ONE = _ALL + "/{host_name}"
LAST = (2, 42)
ROUTES = (
    Route("GET", _ALL, list_hosts, (f"{_A}:list",), maximum=LAST, query=Query(*HOSTS.conditions)),
    Route("GET", _ONE, show_host, (f"{_A}:show",), maximum=LAST),
    Route(
        "PUT",
        _ONE,
        update_host,
        (f"{_A}:update",),
        maximum=LAST,
        strict=True,
        body=bodies.UpdateHost,
        event="compute.service.update",
    ),
    *(
        Route("GET", f"{_ONE}/{path}", _power(verb), (f"{_A}:{verb}",), maximum=LAST)
        for path, verb in (("reboot", "reboot"), ("shutdown", "shutdown"), ("startup", "start"))
    ),
)
