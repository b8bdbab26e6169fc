"""A server goes to another host while it runs.

Source: Compute API reference, "Live-Migrate Server (os-migrateLive Action)".
"""

from __future__ import annotations

from typing import Any

from msgspec import UNSET
from sqlalchemy import Row
from starlette.responses import Response

from hanok.base.errors import BadInput
from hanok.services.compute.logic import disks, hosts, migrations, resizing, servers
from hanok.services.compute.operations import LiveMigrateServer
from hanok.services.compute.room import Compute
from hanok.services.compute.routes.acting import PATH, start, unlocked
from hanok.services.compute.routes.servers import readable
from hanok.services.compute.schemas import bodies
from hanok.store import Transaction
from hanok.web.request import Request, no_content
from hanok.web.routes import Route
from hanok.web.versions import Attribute, Shape

_RULE = "os_compute_api:os-migrate-server:migrate_live"
_TO_HOST = f"{_RULE}:host"
_AUTO = Shape(Attribute(name="auto", since=(2, 25)))


async def live_migrate(request: Request, room: Compute) -> Response:
    """os-migrateLive: the answer is 202, before it is done."""
    body = await request.body(bodies.LiveMigrate, key="os-migrateLive")
    async with request.transaction() as tx:
        row = await readable(request, tx)
        await _check_host(request, tx, row, body)
        row = await unlocked(request, tx, "os-migrateLive")
        _check_disks(request, row, body)
        now = room.clock.now()
        generation = await servers.begin(tx, row, "os-migrateLive", now)
        before = resizing.before(row)
        after = {name: before[name] for name in resizing.COLUMNS}
        user_id = request.token.user_id
        uuid = await migrations.create(tx, row, before, after, user_id, now, migrations.LIVE)
        operation = LiveMigrateServer(
            server_id=row.id, generation=generation, migration_id=uuid, to=body.host
        )
        await start(request, room, tx, row, operation)
    return no_content(202)


async def _check_host(
    request: Request, tx: Transaction, row: Row[Any], body: bodies.LiveMigrate
) -> None:
    """
    Raises:
        Forbidden: the caller may not name a host. BadInput: there is no such host, or the server is on it; or the host
            is to be taken without a look.
    """
    if body.force is not UNSET and bodies.truth(body.force, "force"):
        raise BadInput("Hosts of this cloud take no server without a look whether it fits.")
    if body.host is None:
        return
    request.allow(_TO_HOST, project_id=row.project_id, user_id=row.user_id)
    if body.host == row.host:
        raise BadInput(f"Unable to migrate instance ({row.id}) to current host ({row.host}).")
    if body.host not in {one.host for one in await hosts.nodes(tx)}:
        raise BadInput(f"Compute host {body.host} could not be found.")


def _check_disks(request: Request, row: Row[Any], body: bodies.LiveMigrate) -> None:
    """Whether local disks go along is for the server to say: hosts share none.

    Raises:
        BadInput: something else is asked for.
    """
    if body.block_migration == "auto":
        if not request.shown(_AUTO).shows("auto"):
            raise BadInput("Invalid input for field/attribute block_migration. Value: auto.")
        return
    if body.disk_over_commit is not UNSET:
        bodies.truth(body.disk_over_commit, "disk_over_commit")
    local = disks.has_local(row)
    if bodies.truth(body.block_migration, "block_migration") == local:
        return
    if local:
        raise BadInput(
            f"Host {row.host} is not on shared storage: live migration of this server takes its local disks along, "
            "so block_migration has to be true."
        )
    raise BadInput("Block migration cannot be used: the server has no local disks.")


ROUTES = (
    Route(
        "POST",
        PATH,
        live_migrate,
        (_RULE, _TO_HOST),
        body_key="os-migrateLive",
        strict=True,
        body=bodies.LiveMigrate,
    ),
)
