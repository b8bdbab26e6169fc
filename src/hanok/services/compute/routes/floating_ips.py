"""Floating IPs by way of compute, for clients from before 2.36 (2.44 for the actions on servers).

Each request is one or two to the network service, as the caller and with the caller's token, so its rules hold
as well as compute's own. A pool is an external network.

Source: Compute API reference, "Floating IPs (DEPRECATED)", "Floating IP pools (DEPRECATED)".
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import urlencode

from msgspec import UNSET
from starlette.responses import Response

from hanok.base.errors import BadInput, Conflict, Forbidden, NotFound, OverQuota
from hanok.base.ids import is_uuid
from hanok.services.compute.room import Compute
from hanok.services.compute.routes.proxied import ask
from hanok.services.compute.routes.servers import readable
from hanok.services.compute.schemas import bodies
from hanok.services.network import facade as networks
from hanok.services.network.facade import ServerPort
from hanok.web.request import Request, convert, json_answer, no_content
from hanok.web.routes import Route

_FLOATING = "/network/v2.0/floatingips"
_NETWORKS = "/network/v2.0/networks"


def _old(floating: Mapping[str, Any], pools: Mapping[str, str]) -> dict[str, Any]:
    """A floating IP in compute's words. pools: the names of networks by their ids."""
    network_id = floating["floating_network_id"]
    port = floating["port_details"] or {}
    return {
        "id": floating["id"],
        "ip": floating["floating_ip_address"],
        "fixed_ip": floating["fixed_ip_address"],
        "instance_id": port.get("device_id") or None,
        "pool": pools.get(network_id) or network_id,
    }


async def _networks(request: Request, room: Compute, **requested: Any) -> list[dict[str, Any]]:
    query = urlencode({**requested, "fields": ("id", "name")}, doseq=True)
    answer = await ask(request, room, "GET", f"{_NETWORKS}?{query}")
    return list(answer["networks"])


async def _names(request: Request, room: Compute, ids: Iterable[str]) -> dict[str, str]:
    return {one["id"]: one["name"] for one in await _networks(request, room, id=sorted(set(ids)))}


# ---- floating IPs ----


def _path(request: Request) -> str:
    floating_ip_id = request.path["floating_ip_id"]
    if not is_uuid(floating_ip_id):
        raise _not_found(request)
    return f"{_FLOATING}/{floating_ip_id}"


def _not_found(request: Request) -> NotFound:
    return NotFound(f"Floating IP not found for ID {request.path['floating_ip_id'][:64]}")


async def list_floating_ips(request: Request, room: Compute) -> Response:
    """GET /os-floating-ips: the project's, for administrators, too."""
    project_id = request.token.project_id
    request.allow(project_id=project_id)
    query = urlencode({"project_id": project_id or ""})
    found = (await ask(request, room, "GET", f"{_FLOATING}?{query}"))["floatingips"]
    ids = [one["floating_network_id"] for one in found]
    pools = await _names(request, room, ids) if found else {}
    return json_answer({"floating_ips": [_old(one, pools) for one in found]})


async def show_floating_ip(request: Request, room: Compute) -> Response:
    """GET /os-floating-ips/{id}."""
    request.allow(project_id=request.token.project_id)
    try:
        found = (await ask(request, room, "GET", _path(request)))["floatingip"]
    except NotFound as error:
        raise _not_found(request) from error
    pools = await _names(request, room, [found["floating_network_id"]])
    return json_answer({"floating_ip": _old(found, pools)})


async def create_floating_ip(request: Request, room: Compute) -> Response:
    """POST /os-floating-ips: take an address of a pool, by name or id; the body may be left out."""
    request.allow(project_id=request.token.project_id)
    named = None
    if (await request.raw()).strip() not in (b"", b"null"):
        named = (await request.body(bodies.FloatingIPPool)).pool
    pool = await _pool(request, room, named or room.settings.default_floating_pool)
    requested = {"floatingip": {"floating_network_id": pool["id"]}}
    try:
        made = (await ask(request, room, "POST", _FLOATING, requested))["floatingip"]
    except OverQuota as error:
        where = f" in pool {named}" if named else ""
        raise Forbidden(f"IP allocation over quota{where}.") from error
    except Conflict as error:
        where = f"in pool {named}" if named else "available"
        raise NotFound(f"No more floating IPs {where}.") from error
    return json_answer({"floating_ip": _old(made, {pool["id"]: pool["name"]})})


async def _pool(request: Request, room: Compute, requested: str) -> dict[str, Any]:
    """An external network, by name or id.

    Raises:
        NotFound: there is none. BadInput: there are several of that name.
    """
    by = "id" if is_uuid(requested) else "name"
    found = await _networks(request, room, **{"router:external": True, by: requested})
    if not found:
        raise NotFound("Floating IP pool not found.")
    if len(found) > 1:
        raise BadInput(f"There are several floating IP pools '{requested}': name it by its id.")
    return found[0]


async def delete_floating_ip(request: Request, room: Compute) -> Response:
    """DELETE /os-floating-ips/{id}: give the address back, in use or not."""
    request.allow(project_id=request.token.project_id)
    try:
        await ask(request, room, "DELETE", _path(request))
    except NotFound as error:
        raise _not_found(request) from error
    return no_content(202)


async def list_pools(request: Request, room: Compute) -> Response:
    """GET /os-floating-ip-pools."""
    request.allow()
    found = await _networks(request, room, **{"router:external": True})
    pools = [{"name": one["name"] or one["id"]} for one in found]
    return json_answer({"floating_ip_pools": pools})


# ---- on servers ----


async def _at(request: Request, room: Compute, address: str) -> dict[str, Any]:
    """The floating IP with this address.

    Raises:
        NotFound: there is none that the caller sees. Conflict: there are several, of networks that overlap.
    """
    query = urlencode({"floating_ip_address": address})
    found = (await ask(request, room, "GET", f"{_FLOATING}?{query}"))["floatingips"]
    if not found:
        raise NotFound("floating IP not found")
    if len(found) > 1:
        raise Conflict(f"Multiple floating IPs are found for address {address}.")
    return dict(found[0])


def _target(server_id: str, ports: list[ServerPort], requested: str) -> tuple[str, str]:
    """The port and the fixed address that a floating IP is to lead to.

    Args:
        requested: the address; "" for the first one of IPv4.

    Raises:
        BadInput: the server has none.
    """
    if not ports:
        raise BadInput("Instance network is not ready yet")
    held = [(port.port_id, ip) for port in ports for ip in port.fixed_ips]
    if not held:
        raise BadInput("No fixed IPs associated to instance")
    for port_id, ip in held:
        if ip.address == requested or (not requested and ip.version == 4):
            return port_id, ip.address
    if requested:
        raise BadInput("Specified fixed address not assigned to instance")
    raise BadInput(
        f"Server {server_id} has no fixed IPv4 address that a floating IP could lead to."
    )


async def add_floating_ip(request: Request, room: Compute) -> Response:
    """addFloatingIp: let a floating IP lead to the server, wherever it led before."""
    body = convert((await request.json())["addFloatingIp"], bodies.AddFloatingIP)
    address = bodies.ip_address(body.address, "address")
    fixed = ""
    if body.fixed_address is not UNSET:
        fixed = bodies.ip_address(body.fixed_address, "fixed_address")
    async with request.reading() as tx:
        row = await readable(request, tx)
        ports = (await networks.ports_of(tx, [row.id])).get(row.id, [])
    port_id, fixed = _target(row.id, ports, fixed)
    floating = await _at(request, room, address)
    requested = {"floatingip": {"port_id": port_id, "fixed_ip_address": fixed}}
    try:
        await ask(request, room, "PUT", f"{_FLOATING}/{floating['id']}", requested)
    except (BadInput, Conflict, NotFound) as error:
        raise BadInput(
            f"Unable to associate floating IP {address} to fixed IP {fixed} for instance {row.id}. "
            f"Error: {error.message}"
        ) from error
    return no_content(202)


async def remove_floating_ip(request: Request, room: Compute) -> Response:
    """removeFloatingIp: let a floating IP of the server lead nowhere."""
    body = convert((await request.json())["removeFloatingIp"], bodies.AddressRef)
    address = bodies.ip_address(body.address, "address")
    async with request.reading() as tx:
        row = await readable(request, tx)
        ports = (await networks.ports_of(tx, [row.id])).get(row.id, [])
    floating = await _at(request, room, address)
    if floating["port_id"] not in {port.port_id for port in ports}:
        raise Conflict(f"Floating IP {address} is not associated with instance {row.id}.")
    requested = {"floatingip": {"port_id": None}}
    await ask(request, room, "PUT", f"{_FLOATING}/{floating['id']}", requested)
    return no_content(202)


_RULE = "os_compute_api:os-floating-ips"
_ALL = "/v2.1/os-floating-ips"
_ONE = _ALL + "/{floating_ip_id}"
_ACTION = "/v2.1/servers/{server_id}/action"
_LAST, _LAST_ACTION = (2, 35), (2, 43)
ROUTES = (
    Route("GET", _ALL, list_floating_ips, (f"{_RULE}:list",), maximum=_LAST),
    Route(
        "POST",
        _ALL,
        create_floating_ip,
        (f"{_RULE}:create",),
        maximum=_LAST,
        body=bodies.FloatingIPPool,
    ),
    Route("GET", _ONE, show_floating_ip, (f"{_RULE}:show",), maximum=_LAST),
    Route("DELETE", _ONE, delete_floating_ip, (f"{_RULE}:delete",), maximum=_LAST),
    Route(
        "GET",
        "/v2.1/os-floating-ip-pools",
        list_pools,
        ("os_compute_api:os-floating-ip-pools",),
        maximum=_LAST,
    ),
    Route(
        "POST",
        _ACTION,
        add_floating_ip,
        (f"{_RULE}:add",),
        body_key="addFloatingIp",
        maximum=_LAST_ACTION,
        strict=True,
        body=bodies.AddFloatingIP,
    ),
    Route(
        "POST",
        _ACTION,
        remove_floating_ip,
        (f"{_RULE}:remove",),
        body_key="removeFloatingIp",
        maximum=_LAST_ACTION,
        strict=True,
        body=bodies.AddressRef,
    ),
)
