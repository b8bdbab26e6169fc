"""Servers get another flavor or host, keep it, or get the old one back."""

from __future__ import annotations

from typing import Any

from msgspec import UNSET
from sqlalchemy import Row
from starlette.responses import Response

from hanok.base.errors import BadInput
from hanok.services.compute.logic import creating, hosts, migrations, resizing, servers
from hanok.services.compute.operations import (
    MigrateServer,
    ResizeServer,
    RevertResize,
    resize_server,
)
from hanok.services.compute.room import Compute
from hanok.services.compute.routes.acting import PATH, optional, start, unlocked
from hanok.services.compute.routes.servers import readable
from hanok.services.compute.schemas import bodies
from hanok.store import Transaction
from hanok.web.request import Request, no_content
from hanok.web.routes import Route


async def resize(request: Request, room: Compute) -> Response:
    """resize: the server gets the flavor and waits in VERIFY_RESIZE.

    Source: Compute API reference, "Resize Server (resize Action)".
    """
    body = await request.body(bodies.Resize, key="resize")
    async with request.transaction() as tx:
        row = await unlocked(request, tx, "resize")
        kept = row.disk_config
        config = kept if body.disk_config is UNSET else creating.disk_config(body.disk_config)
        after = await resizing.changes(tx, room, request.reaching(), row, body.flavorRef, config)
        now = room.clock.now()
        generation = await servers.begin(tx, row, "resize", now)
        user_id = request.token.user_id
        uuid = await migrations.create(tx, row, resizing.before(row), after, user_id, now)
        held = {"held_vcpus": after["vcpus"], "held_memory_mib": after["memory_mib"]}
        await servers.change(tx, row.id, held)
        operation = ResizeServer(server_id=row.id, generation=generation, migration_id=uuid)
        await start(request, room, tx, row, operation)
    return no_content(202)


async def migrate(request: Request, room: Compute) -> Response:
    """migrate: the server is on another host, with the flavor it has, and waits in VERIFY_RESIZE.

    Source: Compute API reference, "Migrate Server (migrate Action)".
    """
    body = await optional(request, bodies.Migrate, "migrate") or bodies.Migrate()
    async with request.transaction() as tx:
        row = await readable(request, tx)
        to = await _destination(request, tx, row, body)
        row = await unlocked(request, tx, "migrate")
        now = room.clock.now()
        generation = await servers.begin(tx, row, "migrate", now)
        before = resizing.before(row)
        after = {name: before[name] for name in resizing.COLUMNS}
        user_id = request.token.user_id
        uuid = await migrations.create(tx, row, before, after, user_id, now, migrations.COLD)
        operation = MigrateServer(server_id=row.id, generation=generation, migration_id=uuid, to=to)
        await start(request, room, tx, row, operation)
    return no_content(202)


async def _destination(
    request: Request, tx: Transaction, row: Row[Any], body: bodies.Migrate
) -> str | None:
    """The host that is asked for, if any.

    Raises:
        Forbidden: the caller may not name one. BadInput: there is no such host, or the server is on it.
    """
    if body.host is UNSET or body.host is None:
        return None
    request.allow(_TO_HOST, project_id=row.project_id, user_id=row.user_id)
    if body.host == row.host:
        raise BadInput("Cannot migrate to the host where the server exists.")
    if body.host not in {one.host for one in await hosts.nodes(tx)}:
        raise BadInput(f"Compute host {body.host} could not be found.")
    return body.host


async def confirm(request: Request, room: Compute) -> Response:
    """confirmResize: the server keeps its new flavor."""
    async with request.transaction() as tx:
        row = await unlocked(request, tx, "confirmResize")
        operation = await resize_server.begin_confirm(tx, row, room.clock.now())
        await start(request, room, tx, row, operation)
    return no_content(204)


async def revert(request: Request, room: Compute) -> Response:
    """revertResize: the server is what it was; what was written on its disk since is lost."""
    async with request.transaction() as tx:
        row = await unlocked(request, tx, "revertResize")
        now = room.clock.now()
        generation = await servers.begin(tx, row, "revertResize", now)
        migration = await migrations.finished(tx, row.id)
        await migrations.set_status(tx, migration.uuid, "reverting", now)
        operation = RevertResize(
            server_id=row.id, generation=generation, migration_id=migration.uuid
        )
        await start(request, room, tx, row, operation)
    return no_content(202)


_A = "os_compute_api:servers"
_MIGRATE = "os_compute_api:os-migrate-server:migrate"
_TO_HOST = f"{_MIGRATE}:host"
ROUTES = (
    Route(
        "POST",
        PATH,
        resize,
        (f"{_A}:resize",),
        body_key="resize",
        strict=True,
        body=bodies.Resize,
    ),
    Route(
        "POST",
        PATH,
        migrate,
        (_MIGRATE, _TO_HOST),
        body_key="migrate",
        strict=True,
        body=bodies.Migrate,
    ),
    Route("POST", PATH, confirm, (f"{_A}:confirm_resize",), body_key="confirmResize"),
    Route("POST", PATH, revert, (f"{_A}:revert_resize",), body_key="revertResize"),
)
