"""The house's own doors, beside the OpenStack APIs: for `hanok doctor` and whoever runs the cloud."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from msgspec import Struct, structs
from starlette.responses import Response

from hanok import operations
from hanok.base.clock import zulu
from hanok.base.errors import BadInput, Conflict, NotFound
from hanok.control import machine_doors, member_doors, switches
from hanok.control.inventory import differences
from hanok.rooms import Difference
from hanok.services.compute import facade as compute
from hanok.services.network import facade as network
from hanok.services.object_storage import facade as object_storage
from hanok.store import Transaction
from hanok.web import faults
from hanok.web.policy import Rule
from hanok.web.request import Request, json_answer, no_content
from hanok.web.routes import Route, Service

if TYPE_CHECKING:
    from hanok.control.app import Control

RULES = (
    Rule("hanok:inventory", "role:admin", "Compare the database with the hosts."),
    Rule("hanok:operations", "role:admin", "List, retry and end operations that are under way."),
    Rule("hanok:services", "role:admin", "See which services are on, and switch them."),
    Rule("hanok:explain", "role:admin", "See why servers are on their hosts, or on none."),
    Rule("hanok:why", "role:admin", "See the way of packets between two addresses."),
    Rule("hanok:objects", "role:admin", "See where the bytes of objects are, and move them."),
    Rule("hanok:rotate_keys", "role:admin", "Replace the keys of tokens and secrets."),
)


async def show(request: Request, control: Control) -> Response:
    """GET /hanok/v1/inventory: where the database and the world disagree."""
    request.allow()
    return json_answer({"differences": await _differences(control, mend=False)})


async def mend(request: Request, control: Control) -> Response:
    """POST /hanok/v1/inventory/mend: puts right what is safe, and says what it did."""
    request.allow()
    return json_answer({"differences": await _differences(control, mend=True)})


async def _differences(control: Control, *, mend: bool) -> list[Difference]:
    return [
        *await control.policies.differences(),
        *control.differences(),
        *await differences(control.house, mend=mend),
    ]


async def rotate_keys(request: Request, control: Control) -> Response:
    """POST /hanok/v1/keys/rotate: new keys for tokens and secrets; nobody is signed out."""
    request.allow()
    sealed = [await room.rotate_keys() for room in list(control.house.rooms.values())]
    return json_answer({"secrets": sum(sealed)})


async def explain(request: Request, control: Control) -> Response:
    """GET /hanok/v1/servers/{server}/scheduling: why a server, by id or name, is where it is."""
    request.allow()
    async with request.reading() as tx:
        return json_answer(await compute.explain(tx, request.path["server"]))


async def why(request: Request, control: Control) -> Response:
    """GET /hanok/v1/path?from=A&to=B&protocol=tcp&port=22: where a packet from A to B stops, and what would help.

    A and B are servers or ports, by id or name, addresses, or "outside". Without a protocol it is a ping.
    """
    request.allow()
    requested = request.query
    protocol = requested.get("protocol") or ("tcp" if requested.get("port") else "icmp")
    port = _port(requested.get("port"))
    async with request.reading() as tx:
        ends, stopped = [], []
        for name in ("from", "to"):
            end, state = await _end(tx, name, requested.get(name, ""))
            ends.append(end)
            stopped += state
    room = control.house.facade(network.Network)
    steps = await network.why(room, ends[0], ends[1], protocol, port)
    return json_answer({"protocol": protocol, "port": port, "steps": [*stopped, *steps]})


def _port(text: str | None) -> int | None:
    """Raises BadInput when it is not a port's number."""
    if not text:
        return None
    if not (text.isascii() and text.isdigit() and len(text) <= 5 and 0 < int(text) < 65536):
        raise BadInput(f"{text[:40]} is not a valid port: 1 to 65535.")
    return int(text)


async def _end(
    tx: Transaction, name: str, which: str
) -> tuple[tuple[str, str], list[network.Step]]:
    """One end, with the server that it names, and what stops there already.

    Raises:
        BadInput: nothing is named. Conflict: several servers have this name.
    """
    if not which:
        raise BadInput(f"{name} is missing: name a server, a port, an address or outside.")
    server = await compute.look(tx, which)
    if server is None:
        return (which, ""), []
    server_id, called, state = server
    runs = state in ("active", "rescued", "resized")
    helps = "" if runs else f"openstack server {_WAKES.get(state, 'start')} {server_id}"
    says = f"Server {called} is {state}."
    return (which, server_id), [network.Step("server", server_id, runs, says, helps)]


_WAKES = {
    "paused": "unpause",
    "suspended": "resume",
    "shelved": "unshelve",
    "shelved_offloaded": "unshelve",
    "soft-delete": "restore",
}


async def list_operations(request: Request, control: Control) -> Response:
    """GET /hanok/v1/operations: what waits, runs or is being undone, oldest first."""
    request.allow()
    async with request.reading() as tx:
        found = await operations.active(tx)
    return json_answer({"operations": [_shown(one) for one in found]})


def _shown(one: operations.Record) -> dict[str, Any]:
    return {
        "id": one.id,
        "kind": one.kind,
        "resource": one.resource,
        "project_id": one.project_id,
        "request_id": one.request_id,
        "state": one.state,
        "step": one.step,
        "progress": one.progress,
        "waits_for": one.waits_for,
        "queue": one.queue,
        "parent_id": one.parent,
        "started_at": zulu(one.started_at),
        "stuck_since": zulu(one.stuck_since),
        "stuck_why": one.stuck_why,
        "error": one.error,
    }


async def retry_operation(request: Request, control: Control) -> Response:
    """POST /hanok/v1/operations/{id}/retry: what waits for its next try is tried now."""
    request.allow()
    operation_id = request.path["operation_id"]
    if not await control.worker.retry(operation_id):
        raise NotFound(f"No operation {operation_id} is under way.")
    return no_content()


async def abandon_operation(request: Request, control: Control) -> Response:
    """POST /hanok/v1/operations/{id}/abandon: one that is stuck is ended as it is."""
    request.allow()
    operation_id = request.path["operation_id"]
    if not await control.worker.abandon(operation_id):
        raise Conflict(f"Operation {operation_id} is not stuck.")
    return no_content()


class Switching(Struct, frozen=True, forbid_unknown_fields=True):
    """Whether a service is to be on."""

    enabled: bool


async def list_services(request: Request, control: Control) -> Response:
    """GET /hanok/v1/services: the services of this house, and which of them are on."""
    request.allow()
    async with request.reading() as tx:
        found = await switches.look(tx, control.settings)
    shown = [{"name": one.name, "enabled": one.on, "disabled_by": one.why} for one in found]
    return json_answer({"services": shown})


async def switch_service(request: Request, control: Control) -> Response:
    """PUT /hanok/v1/services/{name}: switch one on or off in all control processes."""
    request.allow()
    body = await request.body(Switching)
    async with request.transaction() as tx:
        await control.switch(tx, request.path["name"], on=body.enabled)
    return no_content()


class Moving(Struct, frozen=True, forbid_unknown_fields=True):
    """Where the bytes of objects are to be."""

    place: str


def _objects(control: Control) -> object_storage.ObjectStore:
    """Raises NotFound: object storage is switched off."""
    for room in control.house.rooms.values():
        if isinstance(room.facade, object_storage.ObjectStore):
            return room.facade
    raise NotFound("Object storage is switched off.")


async def show_place(request: Request, control: Control) -> Response:
    """GET /hanok/v1/objects: where the bytes of objects are."""
    request.allow()
    room = _objects(control)
    async with request.reading() as tx:
        found = await object_storage.place(tx)
    return json_answer({**structs.asdict(found), "places": list(room.store.places)})


async def move_objects(request: Request, control: Control) -> Response:
    """PUT /hanok/v1/objects: keeps what comes in a place, and moves there what is elsewhere."""
    request.allow()
    body = await request.body(Moving)
    await object_storage.move_to(_objects(control), body.place)
    return no_content()


_OPERATIONS = "hanok:operations"
ROUTES = (
    Route("GET", "/v1/services", list_services, ("hanok:services",)),
    Route(
        "PUT",
        "/v1/services/{name}",
        switch_service,
        ("hanok:services",),
        body=Switching,
        strict=True,
    ),
    Route("GET", "/v1/objects", show_place, ("hanok:objects",)),
    Route("PUT", "/v1/objects", move_objects, ("hanok:objects",), body=Moving, strict=True),
    Route("GET", "/v1/operations", list_operations, (_OPERATIONS,)),
    Route("POST", "/v1/operations/{operation_id}/retry", retry_operation, (_OPERATIONS,)),
    Route("POST", "/v1/operations/{operation_id}/abandon", abandon_operation, (_OPERATIONS,)),
    Route("GET", "/v1/inventory", show, ("hanok:inventory",)),
    Route("POST", "/v1/inventory/mend", mend, ("hanok:inventory",)),
    Route("GET", "/v1/servers/{server}/scheduling", explain, ("hanok:explain",)),
    Route("GET", "/v1/path", why, ("hanok:why",), query=("from", "to", "protocol", "port")),
    Route("POST", "/v1/keys/rotate", rotate_keys, ("hanok:rotate_keys",)),
)


def service(control: Control) -> Service:
    return Service(
        kind="hanok",
        room=control,
        rules=(*RULES, *member_doors.RULES, *machine_doors.RULES),
        mounts=("hanok",),
        routes=(*ROUTES, *member_doors.ROUTES, *machine_doors.ROUTES),
        fault=faults.identity,
    )
