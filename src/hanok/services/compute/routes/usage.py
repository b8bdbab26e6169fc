"""Usage reports: what projects used in a time, and whether hosts have told of it.

Source: Compute API reference, "Usage reports (os-simple-tenant-usage)", "Server usage audit log
(os-instance-usage-audit-log)".
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from starlette.responses import Response

from hanok.base.errors import BadInput
from hanok.base.pieces import Pieces
from hanok.services.compute.logic import hosts, usage
from hanok.services.compute.room import Compute
from hanok.services.compute.routes.server_lists import moment
from hanok.store import Transaction
from hanok.web.listing import COMPUTE, Links
from hanok.web.request import Request, json_answer
from hanok.web.routes import Handler, Route
from hanok.web.versions import Parameter, Query

# A page is of so many servers, and shows the projects that had them: it is cut here, by a list's style.
STYLE = COMPUTE
AT_ONCE = 100

# ---- usage ----


def _window(request: Request, now: datetime) -> usage.Window:
    """The time that is asked for; what is not said is now.

    Raises:
        BadInput
    """
    times = [
        moment(request.query[name], name) if request.query.get(name) else now
        for name in ("start", "end")
    ]
    if times[0] >= times[1] and times[0] is not now:
        raise BadInput("Invalid start time. The start time cannot occur after the end time.")
    return usage.Window(*times)


async def _after(request: Request, tx: Transaction, project_id: str | None) -> int:
    marker = STYLE.marker(request)
    if marker is None:
        return 0
    found = await usage.sequence_of(tx, project_id, marker)
    if found is None:
        raise STYLE.missing(marker)
    return found


async def _sums(
    request: Request, room: Compute, project_id: str | None, *, detailed: bool, paged: bool
) -> tuple[list[dict[str, Any]], Links]:
    """What projects used, and the links to other pages. Without pages all servers are added up."""
    now = room.clock.now()
    window = _window(request, now)
    sums = usage.Sums(window, detailed=detailed)
    limit = STYLE.limit(request) if paged else STYLE.maximum
    assert limit is not None
    pieces = Pieces()
    async with request.reading() as tx:
        after = await _after(request, tx, project_id)
        while limit:
            rows = await usage.page(tx, window, project_id, after, limit)
            async for some in pieces.slices(rows, AT_ONCE):
                for row in some:
                    sums.add(row, now)
            if len(rows) < limit:
                break
            if paged:
                return sums.projects, STYLE.links(request, str(rows[-1].id))
            after = rows[-1].sequence
    return sums.projects, Links()


def _lister(*, paged: bool) -> Handler:
    async def list_usage(request: Request, room: Compute) -> Response:
        """GET /os-simple-tenant-usage: of all projects that had servers."""
        request.allow()
        detailed = request.query.get("detailed") == "1"
        found, links = await _sums(request, room, None, detailed=detailed, paged=paged)
        answer: dict[str, Any] = {"tenant_usages": found}
        STYLE.put(answer, "tenant_usages", links)
        return json_answer(answer)

    return list_usage


def _shower(*, paged: bool) -> Handler:
    async def show_usage(request: Request, room: Compute) -> Response:
        """GET /os-simple-tenant-usage/{tenant_id}: always with servers; nothing of a project that had none."""
        project_id = request.path["tenant_id"]
        request.allow(project_id=project_id)
        found, links = await _sums(request, room, project_id, detailed=True, paged=paged)
        answer = {"tenant_usage": found[0] if found else {}}
        STYLE.put(answer, "tenant_usage", links)
        return json_answer(answer)

    return show_usage


# ---- the audit log ----


def _months(before: datetime) -> tuple[datetime, datetime]:
    """The last whole month before a time."""
    end = before.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    year, month = (end.year - 1, 12) if end.month == 1 else (end.year, end.month - 1)
    return end.replace(year=year, month=month), end


async def _log(request: Request, before: datetime) -> dict[str, Any]:
    """How far hosts are with telling of the last whole month. None of them audits, as upstream unless it is set."""
    begin, end = _months(before)
    async with request.reading() as tx:
        names = [row.host for row in await hosts.nodes(tx)]
    return {
        "period_beginning": f"{begin:%Y-%m-%d %H:%M:%S}",
        "period_ending": f"{end:%Y-%m-%d %H:%M:%S}",
        "num_hosts": len(names),
        "num_hosts_done": 0,
        "num_hosts_running": 0,
        "num_hosts_not_run": len(names),
        "hosts_not_run": names,
        "total_instances": 0,
        "total_errors": 0,
        "overall_status": f"0 of {len(names)} hosts done. 0 errors.",
        "log": {},
    }


async def list_logs(request: Request, room: Compute) -> Response:
    """GET /os-instance_usage_audit_log."""
    request.allow()
    return json_answer({"instance_usage_audit_logs": await _log(request, room.clock.now())})


async def show_log(request: Request, room: Compute) -> Response:
    """GET /os-instance_usage_audit_log/{before_timestamp}."""
    request.allow()
    text = request.path["before_timestamp"]
    try:
        before = datetime.fromisoformat(text).replace(tzinfo=UTC)
        found = await _log(request, before)
    except (ValueError, OverflowError):
        raise BadInput(f"Invalid timestamp for date {text[:100]}") from None
    return json_answer({"instance_usage_audit_log": found})


_A = "os_compute_api:os-simple-tenant-usage"
_ALL = "/v2.1/os-simple-tenant-usage"
_LOG = "os_compute_api:os-instance-usage-audit-log"
_LOGS = "/v2.1/os-instance_usage_audit_log"
_PAGES = (Parameter(name="limit", since=(2, 40)), Parameter(name="marker", since=(2, 40)))
_LIST = Query("start", "end", "detailed", *_PAGES, closed=(2, 75))
_SHOW = Query("start", "end", *_PAGES, closed=(2, 75))
ROUTES = (
    Route("GET", _ALL, _lister(paged=False), (f"{_A}:list",), maximum=(2, 39), query=_LIST),
    Route("GET", _ALL, _lister(paged=True), (f"{_A}:list",), minimum=(2, 40), query=_LIST),
    Route(
        "GET",
        _ALL + "/{tenant_id}",
        _shower(paged=False),
        (f"{_A}:show",),
        maximum=(2, 39),
        query=_SHOW,
    ),
    Route(
        "GET",
        _ALL + "/{tenant_id}",
        _shower(paged=True),
        (f"{_A}:show",),
        minimum=(2, 40),
        query=_SHOW,
    ),
    Route("GET", _LOGS, list_logs, (f"{_LOG}:list",)),
    Route("GET", _LOGS + "/{before_timestamp}", show_log, (f"{_LOG}:show",)),
)
