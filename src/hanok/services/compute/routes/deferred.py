"""Servers that wait to be deleted come back; guests that go on are interrupted, or get another password."""

from __future__ import annotations

from sqlalchemy import Row
from starlette.responses import Response

from hanok.base.errors import Conflict
from hanok.services.compute.logic import quotas, servers
from hanok.services.compute.operations import ChangePassword, RestoreServer, TriggerCrashDump
from hanok.services.compute.room import Compute
from hanok.services.compute.routes.acting import PATH, outcome, start, unlocked, why_no_agent
from hanok.services.compute.routes.servers import check_unlocked, readable
from hanok.services.compute.schemas import bodies
from hanok.web.request import Request, no_content
from hanok.web.routes import Route

OUTCOME_S = 8.0  # then the record of the action tells
_DUMPED = ("active", "paused", "rescued", "resized", "error")


async def restore(request: Request, room: Compute) -> Response:
    """restore: a server that waits to be deleted runs again."""
    async with request.transaction() as tx:
        row = await unlocked(request, tx, "restore")
        more = {"instances": 1, "cores": row.vcpus, "ram": row.memory_mib}
        await quotas.check_more(tx, room, row.project_id, row.user_id, more)
        generation = await servers.begin(tx, row, "restore", room.clock.now())
        operation = RestoreServer(server_id=row.id, generation=generation)
        await start(request, room, tx, row, operation)
    return no_content(202)


async def trigger_crash_dump(request: Request, room: Compute) -> Response:
    """trigger_crash_dump: an interrupt that cannot be masked, whatever task is under way.

    Source: Compute API reference, "Trigger Crash Dump In Server".
    """
    async with request.transaction() as tx:
        row = await readable(request, tx)
        check_unlocked(request, row)
        if row.vm_state not in _DUMPED:
            raise Conflict(
                f"Cannot 'trigger_crash_dump' instance {row.id} while it is in vm_state {row.vm_state}"
            )
        if not row.host:
            raise Conflict(f"Instance {row.id} is not ready")
        operation = TriggerCrashDump(server_id=row.id, generation=row.generation)
        await start(request, room, tx, row, operation)
    return no_content(202)


async def change_password(request: Request, room: Compute) -> Response:
    """changePassword: by the guest's agent, where the image says that there is one, and it answers.

    Source: Compute API reference, "Change Administrative Password (changePassword Action)".
    """
    body = await request.body(bodies.ChangePassword, key="changePassword")
    async with request.reading() as tx:
        row = await unlocked(request, tx, "changePassword")
    if why := await why_no_agent(request, room, row):
        raise _not_set(row, why)
    async with request.transaction() as tx:
        row = await unlocked(request, tx, "changePassword")
        generation = await servers.begin(tx, row, "changePassword", room.clock.now(), changes=False)
        operation = ChangePassword(
            server_id=row.id,
            generation=generation,
            user=_administrator(row),
            password=room.secrets.seal(body.adminPass.encode()),
        )
        await start(request, room, tx, row, operation)
    if why := await outcome(request, row, timeout_s=OUTCOME_S):
        raise _not_set(row, _lower(why))
    return no_content(202)


def _not_set(row: Row[object], why: str) -> Conflict:
    return Conflict(f"Failed to set admin password on {row.id} because {why}")


def _lower(text: str) -> str:
    return text[:1].lower() + text[1:]


def _administrator(row: Row[object]) -> str:
    """The user whose password is meant."""
    properties = row.image_properties
    usual = "Administrator" if properties.get("os_type") == "windows" else "root"
    return str(properties.get("os_admin_user") or usual)


_A = "os_compute_api"
ROUTES = (
    Route("POST", PATH, restore, (f"{_A}:os-deferred-delete:restore",), body_key="restore"),
    Route(
        "POST",
        PATH,
        trigger_crash_dump,
        (f"{_A}:servers:trigger_crash_dump",),
        body_key="trigger_crash_dump",
        minimum=(2, 17),
    ),
    Route(
        "POST",
        PATH,
        change_password,
        (f"{_A}:os-admin-password",),
        body_key="changePassword",
        strict=True,
        body=bodies.ChangePassword,
    ),
)
