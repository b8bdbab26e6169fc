"""A server whose host is dead, made anew on another.

Source: Compute API reference, "Evacuate Server (evacuate Action)".
"""

from __future__ import annotations

import secrets
from typing import Any

from msgspec import UNSET
from sqlalchemy import Row
from starlette.responses import Response

from hanok.base.errors import BadInput
from hanok.services.compute.logic import hosts, migrations, resizing, servers
from hanok.services.compute.operations import EvacuateServer
from hanok.services.compute.operations.changing import stands
from hanok.services.compute.room import Compute
from hanok.services.compute.routes.acting import PATH, start, unlocked
from hanok.services.compute.schemas import bodies
from hanok.store import Transaction
from hanok.web.request import Request, json_answer
from hanok.web.routes import Route
from hanok.web.versions import Attribute, Shape

_RULE = "os_compute_api:os-evacuate"
_PASSWORD = Shape(Attribute(name="adminPass", until=(2, 13)))
_STOPS = Shape(Attribute(name="stays_stopped", since=(2, 95)))


async def evacuate(request: Request, room: Compute) -> Response:
    """evacuate: the answer is 200, before it is done."""
    body = await request.body(bodies.Evacuate, key="evacuate")
    password = body.adminPass if isinstance(body.adminPass, str) else secrets.token_urlsafe(9)
    async with request.transaction() as tx:
        row = await unlocked(request, tx, "evacuate")
        await _check(tx, room, row, body)
        now = room.clock.now()
        generation = await servers.begin(tx, row, "evacuate", now)
        before = resizing.before(row)
        after = {name: before[name] for name in resizing.COLUMNS}
        uuid = await migrations.create(
            tx, row, before, after, request.token.user_id, now, migrations.EVACUATION
        )
        stopped = request.shown(_STOPS).shows("stays_stopped")
        operation = EvacuateServer(
            server_id=row.id,
            generation=generation,
            migration_id=uuid,
            to=body.host if isinstance(body.host, str) else None,
            power="stopped" if stopped else stands(row),
            admin_pass=room.secrets.seal(password.encode()) if row.config_drive else "",
        )
        await start(request, room, tx, row, operation)
    shown = request.shown(_PASSWORD)({"adminPass": password})
    return json_answer(shown) if shown else Response(status_code=200)


async def _check(tx: Transaction, room: Compute, row: Row[Any], body: bodies.Evacuate) -> None:
    """Raises BadInput when the server's host lives, or what is asked for cannot be."""
    if body.onSharedStorage is not UNSET and bodies.truth(body.onSharedStorage, "onSharedStorage"):
        raise BadInput("Instance files are not on shared storage: hosts of this cloud share none.")
    if body.force is not UNSET and bodies.truth(body.force, "force"):
        raise BadInput("Hosts of this cloud take no server without a look whether it fits.")
    known = {one.host: one for one in await hosts.nodes(tx)}
    here = known.get(row.host)
    if here is not None and hosts.is_up(here, room):
        raise BadInput(f"Compute service of {row.host} is still in use.")
    if isinstance(body.host, str):
        if body.host == row.host:
            raise BadInput("The target host can't be the same one.")
        if body.host not in known:
            raise BadInput(f"Compute host {body.host} not found.")


ROUTES = (
    Route(
        "POST",
        PATH,
        evacuate,
        (_RULE,),
        body_key="evacuate",
        strict=True,
        body=bodies.Evacuate,
    ),
)
