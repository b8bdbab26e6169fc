"""Share networks.

Source: Shared File Systems API reference, "Share networks".
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime
from typing import Any

from sqlalchemy import Row
from starlette.responses import Response

from hanok.base.errors import BadInput, Conflict, Forbidden, NotFound
from hanok.services.shared_file_system.logic import (
    security_services,
    share_networks,
    share_servers,
)
from hanok.services.shared_file_system.operations import share_servers as work
from hanok.services.shared_file_system.room import Shares
from hanok.services.shared_file_system.routes import lists, project_lists
from hanok.services.shared_file_system.routes.security_services import sent
from hanok.services.shared_file_system.schemas import networks as shapes
from hanok.services.shared_file_system.schemas.values import given, truth
from hanok.services.shared_file_system.tables import share_network_subnets as subnets
from hanok.services.shared_file_system.tables import share_networks as table
from hanok.store import Transaction
from hanok.web.listing import Filter, Where
from hanok.web.request import Request, json_answer, no_content
from hanok.web.routes import Route

WIDE = "share_network:get_all_share_networks"
SECRET = "share_network:show_network_details"
IN_USE = (2, 63)  # from here on security services of a network in use may be changed
SEVERAL = (2, 70)  # from here on a zone may have several subnets

_OF_SUBNET = ("neutron_net_id", "neutron_subnet_id", "cidr", "ip_version", "gateway", "mtu")
_SECRET_OF_SUBNET = ("network_type", "segmentation_id")


def _day(text: str) -> datetime:
    try:
        return datetime.combine(date.fromisoformat(text), datetime.min.time(), tzinfo=UTC)
    except ValueError:
        raise BadInput(f"{text[:50]} is not in yyyy-mm-dd format.") from None


def _since(values: list[str]) -> Where:
    return table.c.created_at >= _day(values[-1])


def _before(values: list[str]) -> Where:
    return table.c.created_at <= _day(values[-1])


def of_subnets(name: str) -> Filter:
    """The filter by what one of a share network's subnets is like."""
    inner = lists.equal(subnets.c[name])

    def condition(values: list[str]) -> Where:
        found = inner(values)
        assert found is not None
        return share_networks.with_subnet(found)

    return condition


LIST = lists.declared(
    table,
    "share_networks",
    "Share network",
    filters={
        **project_lists.equal(table, "name", "description", "id", "status"),
        **project_lists.like(table, "name", "description"),
        **{name: of_subnets(name) for name in (*_OF_SUBNET, *_SECRET_OF_SUBNET)},
        "created_since": _since,
        "created_before": _before,
        "security_service_id": lambda values: share_networks.having(values[-1]),
    },
    sort={name: table.c[name] for name in ("id", "name", "created_at", "updated_at")},
)
QUERY = project_lists.query_of(
    LIST, "all_tenants", "all_projects", "project_id", since={"status": (2, 63)}
)
mine = lists.finder(share_networks.get, "share_network_id")


def secret(request: Request) -> bool:
    """Whether the caller sees what is the operator's of networks."""
    return request.may(SECRET, request.own)


async def _views(
    request: Request, tx: Transaction, rows: Sequence[Row[Any]]
) -> list[dict[str, Any]]:
    found = await share_networks.subnets_of(tx, [row.id for row in rows])
    whole, view = secret(request), request.shown(shapes.SHARE_NETWORK)
    support = await share_servers.supports_of_networks(tx, [row.id for row in rows])
    return [
        view(shapes.share_network(row, found[row.id], whole=whole, support=support[row.id]))
        for row in rows
    ]


async def _answer(request: Request, tx: Transaction, row: Row[Any], status: int = 200) -> Response:
    return json_answer({"share_network": (await _views(request, tx, [row]))[0]}, status)


def _lister(*, detailed: bool) -> Callable[[Request, Shares], Any]:
    async def handler(request: Request, room: Shares) -> Response:
        request.allow("", request.own)
        by_segment = "network_type" in request.query or "segmentation_id" in request.query
        if by_segment and not secret(request):
            raise Forbidden("Only an operator filters share networks by their segments.")
        project_id, reach = request.query.get("project_id"), request.reaching()
        everywhere = lists.everywhere(request, WIDE)
        if project_id is not None and request.may(WIDE, request.own):
            everywhere = True
        else:
            project_id = None
        statement = share_networks.of(reach, share_networks.WHOLE, everywhere=everywhere)
        if project_id is not None:
            statement = share_networks.of_project(statement, project_id)
        async with request.reading() as tx:
            page = await LIST.page(request, tx, statement)
            if detailed:
                items = await _views(request, tx, page.rows)
            else:
                items = [{"id": row.id, "name": row.name} for row in page.rows]
        return json_answer(LIST.answer(request, page, items))

    return handler


list_networks, list_detailed = _lister(detailed=False), _lister(detailed=True)


async def show_network(request: Request, room: Shares) -> Response:
    async with request.reading() as tx:
        row = await mine(request, tx)
        return await _answer(request, tx, row)


def _parts(values: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """What of a body is the network's, and what its subnet's."""
    own = {name: value for name, value in values.items() if name in ("name", "description")}
    return own, {name: value for name, value in values.items() if name in subnets.c}


def _moment(text: str, name: str) -> datetime:
    try:
        at = datetime.fromisoformat(text)
        return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
    except (ValueError, OverflowError):
        raise BadInput(f"Invalid value '{text[:100]}' for {name}: it must be a time.") from None


async def create_network(request: Request, room: Shares) -> Response:
    request.allow("", request.own)
    body = await request.body(shapes.NewShareNetwork, key="share_network")
    values = sent(body)
    if values.pop("nova_net_id", None) is not None:
        raise BadInput("nova networking is not supported starting in Ocata.")
    times = {
        name: _moment(text, name)
        for name in ("created_at", "updated_at")
        if (text := values.pop(name, None)) is not None
    }
    requested = values.pop("availability_zone", None)
    own, subnet = _parts(values)
    async with request.transaction() as tx:
        zone = await share_networks.check_zone(tx, requested)
        row = await share_networks.create(
            tx, room, request.reaching(), {**own, **times}, zone=zone, subnet=subnet
        )
        request.made(row.id)
        return await _answer(request, tx, row)


async def update_network(request: Request, room: Shares) -> Response:
    body = await request.body(shapes.ChangedShareNetwork, key="share_network")
    own, subnet = _parts(sent(body))
    async with request.transaction() as tx:
        row = await mine(request, tx)
        row = await share_networks.update(tx, room, row, own, subnet)
        return await _answer(request, tx, row)


async def delete_network(request: Request, room: Shares) -> Response:
    async with request.transaction() as tx:
        row = await mine(request, tx)
        await share_networks.check_deletable(tx, row)
        await take_servers(tx, room, request, await share_servers.of_network(tx, row.id))
        await share_networks.forget(tx, row)
    return no_content(202)


async def take_servers(
    tx: Transaction, room: Shares, request: Request, servers: Sequence[Row[Any]]
) -> None:
    """Begin to delete servers of which nothing is used any more.

    Raises:
        Conflict: one was taken over, so that there may be more on it than is known.
    """
    for one in servers:
        if not one.auto_deletable:
            raise Conflict(
                "The service cannot determine if there are any non-managed shares on the share network subnet, so it "
                "cannot be deleted. Please contact the cloud administrator to rectify."
            )
        if one.status != share_servers.DELETING:
            await work.begin_deleting(tx, room, request.token.user_id, one)


async def reset_status(request: Request, room: Shares) -> Response:
    request.allow("", request.own)
    body = await request.body(shapes.ResetStatus, key="reset_status")
    if body.status not in share_networks.STATUSES:
        raise BadInput(f"Invalid status specified: {body.status}.")
    async with request.transaction() as tx:
        row = await mine(request, tx)
        await share_networks.change(tx, row.id, {"status": body.status}, room.clock.now())
    return no_content(202)


# ---- security services of a network ----


async def _service(request: Request, tx: Transaction, service_id: str) -> Row[Any]:
    """A security service that a body names, which stays while it is added. Raises NotFound."""
    await tx.keep(service_id)
    return await security_services.get(tx, request.reaching(), service_id)


async def _changeable(tx: Transaction, row: Row[Any]) -> bool:
    """Whether security services may be changed: nothing uses the network, or its back ends can do it in use."""
    support = await share_servers.supports_of_networks(tx, [row.id])
    return support[row.id]["security_service_update_support"]


async def _check_changeable(tx: Transaction, row: Row[Any]) -> None:
    share_networks.check_active(row)
    if not await _changeable(tx, row):
        raise BadInput(
            f"The share network {row.id} cannot be updated since at least one of its backend hosts do not support this "
            "operation."
        )


async def add_service(request: Request, room: Shares) -> Response:
    """From 2.63 on also to a network in use, where its back ends can."""
    return await _add(request)


async def add_older(request: Request, room: Shares) -> Response:
    return await _add(request, unused=True)


async def _add(request: Request, *, unused: bool = False) -> Response:
    body = await request.body(shapes.OneService, key="add_security_service")
    async with request.transaction() as tx:
        row = await mine(request, tx)
        service = await _service(request, tx, body.security_service_id)
        if unused and await share_servers.of_network(tx, row.id):
            raise Forbidden("Cannot add security services. Share network is used.")
        await share_networks.check_service(tx, row, service)
        await _check_changeable(tx, row)
        await share_networks.add_service(tx, row, service.id)
        return await _answer(request, tx, row)


async def remove_service(request: Request, room: Shares) -> Response:
    body = await request.body(shapes.OneService, key="remove_security_service")
    async with request.transaction() as tx:
        row = await mine(request, tx)
        used = await share_servers.of_network(tx, row.id)
        if used or await share_networks.has_shares(tx, row.id):
            raise Forbidden("Cannot remove security services. Share network is used.")
        service = await _service(request, tx, body.security_service_id)
        await share_networks.remove_service(tx, row, service.id)
        return await _answer(request, tx, row)


async def _exchanged(
    request: Request, tx: Transaction, row: Row[Any], current_id: str, new_id: str
) -> tuple[Row[Any], Row[Any]]:
    """The security services that an exchange names. Raises BadInput, Conflict."""
    try:
        current = await _service(request, tx, current_id)
        new = await _service(request, tx, new_id)
    except NotFound:
        raise BadInput(
            "The current security service or the new security service doesn't exist."
        ) from None
    if current.id not in await share_networks.services_of(tx, row.id):
        raise BadInput(f"Security service {current.id} is not associated with the share network.")
    if current.type != new.type:
        raise Conflict(
            "A security service can only be replaced by one of the same type. The current security service type is "
            f"'{current.type}' and the new security service type is '{new.type}'"
        )
    await share_networks.check_service(tx, row, new, instead_of=current)
    return current, new


async def update_service(request: Request, room: Shares) -> Response:
    body = await request.body(shapes.ServiceExchange, key="update_security_service")
    async with request.transaction() as tx:
        row = await mine(request, tx)
        ids = body.current_service_id, body.new_service_id
        current, new = await _exchanged(request, tx, row, *ids)
        await _check_changeable(tx, row)
        await share_networks.remove_service(tx, row, current.id)
        await share_networks.add_service(tx, row, new.id)
        return await _answer(request, tx, row, 202)


def _again(requested: Any) -> None:
    """reset_operation: look at the hosts anew, which is done each time."""
    if given(requested) is not None:
        truth(requested, "reset_operation")


async def _checked(
    request: Request, tx: Transaction, row: Row[Any], operation: dict[str, Any]
) -> Response:
    share_networks.check_active(row)
    hosts = await share_servers.hosts_that_support(tx, row.id, "security_service_update_support")
    shown: dict[str, Any] = {
        "compatible": all(hosts.values()),
        "requested_operation": operation,
    }
    if request.reaching().everywhere:
        shown["hosts_check_result"] = hosts
    return json_answer(shown, 202)


async def check_adding(request: Request, room: Shares) -> Response:
    body = await request.body(shapes.ServiceCheck, key="add_security_service_check")
    _again(body.reset_operation)
    async with request.reading() as tx:
        row = await mine(request, tx)
        try:
            service = await security_services.get(tx, request.reaching(), body.security_service_id)
        except NotFound:
            raise BadInput(f"Security service {body.security_service_id} doesn't exist.") from None
        await share_networks.check_service(tx, row, service)
        operation = {
            "operation": "add_security_service",
            "current_security_service": None,
            "new_security_service": service.id,
        }
        return await _checked(request, tx, row, operation)


async def check_updating(request: Request, room: Shares) -> Response:
    body = await request.body(shapes.ServiceExchangeCheck, key="update_security_service_check")
    _again(body.reset_operation)
    async with request.reading() as tx:
        row = await mine(request, tx)
        ids = body.current_service_id, body.new_service_id
        current, new = await _exchanged(request, tx, row, *ids)
        operation = {
            "operation": "update_security_service",
            "current_security_service": current.id,
            "new_security_service": new.id,
        }
        return await _checked(request, tx, row, operation)


async def check_subnet(request: Request, room: Shares) -> Response:
    """Whether a further subnet could be added, also where share servers would get an address in it."""
    body = await request.body(shapes.SubnetCheck, key="share_network_subnet_create_check")
    _again(body.reset_operation)
    _again(body.reset)
    share_networks.check_both(sent(body))
    async with request.reading() as tx:
        row = await mine(request, tx)
        zone = await share_networks.check_zone(tx, given(body.availability_zone))
        beside = await share_networks.siblings(tx, row, zone, several=True)
        hosts: dict[str, bool] = {}
        if await share_networks.servers_on(tx, beside):
            share_networks.check_active(row)
            name = "network_allocation_update_support"
            hosts = await share_servers.hosts_that_support(tx, row.id, name)
    shown: dict[str, Any] = {"compatible": all(hosts.values())}
    if request.reaching().everywhere:
        shown["hosts_check_result"] = hosts
    return json_answer(shown, 202)


_ALL, _ONE = "/v2/share-networks", "/v2/share-networks/{share_network_id}"
_R, _E = "share_network", "shared_file_system.share_network"
_DO = f"{_ONE}/action"


def _action(key: str, handler: Any, body: Any, rule: str, **more: Any) -> Route:
    return Route(
        "POST", _DO, handler, (f"{_R}:{rule}", *more.pop("further", ())), body_key=key, body=body,
        member=key, strict=True, **more,
    )  # fmt: skip


ROUTES = (
    Route("GET", _ALL, list_networks, (f"{_R}:index", WIDE, SECRET), query=QUERY),
    Route("GET", f"{_ALL}/detail", list_detailed, (f"{_R}:detail", WIDE, SECRET), query=QUERY),
    Route("GET", _ONE, show_network, (f"{_R}:show", SECRET)),
    Route(
        "POST", _ALL, create_network, (f"{_R}:create", SECRET), body=shapes.NewShareNetwork,
        member="share_network", strict=True, event=f"{_E}.create",
    ),
    Route(
        "PUT", _ONE, update_network, (f"{_R}:update", SECRET), body=shapes.ChangedShareNetwork,
        member="share_network", strict=True, event=f"{_E}.update",
    ),
    Route("DELETE", _ONE, delete_network, (f"{_R}:delete",), event=f"{_E}.delete"),
    _action(
        "add_security_service", add_older, shapes.OneService, "add_security_service",
        maximum=(2, 62), further=(SECRET,), event=f"{_E}.add_security_service",
    ),
    _action(
        "add_security_service", add_service, shapes.OneService, "add_security_service",
        minimum=IN_USE, further=(SECRET,), event=f"{_E}.add_security_service",
    ),
    _action(
        "remove_security_service", remove_service, shapes.OneService, "remove_security_service",
        further=(SECRET,), event=f"{_E}.remove_security_service",
    ),
    _action(
        "update_security_service", update_service, shapes.ServiceExchange,
        "update_security_service", minimum=IN_USE, further=(SECRET,),
        event=f"{_E}.update_security_service",
    ),
    _action(
        "add_security_service_check", check_adding, shapes.ServiceCheck,
        "add_security_service_check", minimum=IN_USE,
    ),
    _action(
        "update_security_service_check", check_updating, shapes.ServiceExchangeCheck,
        "update_security_service_check", minimum=IN_USE,
    ),
    _action(
        "share_network_subnet_create_check", check_subnet, shapes.SubnetCheck,
        "subnet_create_check", minimum=SEVERAL,
    ),
    _action(
        "reset_status", reset_status, shapes.ResetStatus, "reset_status", minimum=IN_USE,
        event=f"{_E}.reset_status",
    ),
)  # fmt: skip
