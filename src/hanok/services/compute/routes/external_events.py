"""External events: other services tell compute what they have done for its servers.

What the network service does for servers is known without being told, so an event about ports changes nothing. Nor
does one of power, which hosts that run QEMU pass over, as upstream's do; of accelerators, which are not there; and of
volumes that have got another image, which the operation waits for by itself. A larger volume is told to the guest.

Source: Compute API reference, "Create external events (os-server-external-events)".
"""

from __future__ import annotations

from typing import Any

from msgspec import UNSET
from starlette.responses import Response

from hanok.base.errors import NotFound
from hanok.services.compute.logic import servers
from hanok.services.compute.operations import change_volumes
from hanok.services.compute.room import Compute
from hanok.services.compute.schemas import bodies
from hanok.store import Transaction
from hanok.web.request import Request, json_answer
from hanok.web.routes import Route

_NEEDS_TAG = ("volume-extended", "accelerator-request-bound", "volume-reimaged")
_POWER = ("POWER_ON", "POWER_OFF")


async def _code(tx: Transaction, event: bodies.ExternalEvent) -> int:
    """What becomes of an event: 200, 404 (no such server), 422 (it is on no host), 400 (its tag does not fit)."""
    row = await servers.get_any(tx, event.server_uuid)
    if row is None:
        return 404
    if event.name in _NEEDS_TAG and event.tag is UNSET:
        return 400
    if event.name == "power-update" and event.tag not in _POWER:
        return 400
    return 200 if row.host else 422


async def create_events(request: Request, room: Compute) -> Response:
    """POST /os-server-external-events: 200, or 207 where not all were taken; 404 where none was."""
    request.allow()
    body = await request.body(bodies.ExternalEvents)
    items: list[dict[str, Any]] = []
    async with request.transaction() as tx:
        for event in body.events:
            code = await _code(tx, event)
            if code == 200 and event.name == "volume-extended":
                who = request.token.user_id
                await change_volumes.extended(room, tx, str(event.tag), [event.server_uuid], who)
            item = {"name": event.name, "server_uuid": event.server_uuid, "code": code}
            item["status"] = event.status if code == 200 else "failed"
            items.append(item if event.tag is UNSET else {**item, "tag": event.tag})
    codes = {item["code"] for item in items}
    if 200 not in codes:
        raise NotFound("No instances found for any event")
    return json_answer({"events": items}, 200 if codes == {200} else 207)


ROUTES = (
    Route(
        "POST",
        "/v2.1/os-server-external-events",
        create_events,
        ("os_compute_api:os-server-external-events:create",),
        strict=True,
        body=bodies.ExternalEvents,
    ),
)
