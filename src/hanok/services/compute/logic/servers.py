"""Servers: their rows, who may see them, and how they go from state to state."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Row, bindparam

from hanok.base.errors import Conflict, NotFound
from hanok.services.compute import states
from hanok.services.compute.logic import bindings, passwords, server_groups
from hanok.services.compute.tables import console_tokens, server_tags, servers
from hanok.store import Transaction
from hanok.web.token import Caller

_own = sa.select(servers).where(
    servers.c.id == bindparam("id"),
    servers.c.project_id == bindparam("project_id"),
    servers.c.deleted.is_(False),
)
_any = sa.select(servers).where(servers.c.id == bindparam("id"), servers.c.deleted.is_(False))
_on_host = sa.select(servers).where(
    servers.c.host == bindparam("host"), servers.c.deleted.is_(False)
)
_even_deleted = sa.select(servers).where(servers.c.id == bindparam("id"))
_change = servers.update().where(servers.c.id == bindparam("of"), servers.c.deleted.is_(False))
_claimed = _change.values(
    host=bindparam("at_host"),
    availability_zone=bindparam("zone"),
    task_state=bindparam("task"),
    updated_at=bindparam("at"),
)
# What changes unless a delete is under way.
_unless_deleting = _change.where(
    sa.or_(servers.c.task_state.is_(None), servers.c.task_state != "deleting")
)
_begin_delete = _unless_deleting.values(
    task_state="deleting", generation=servers.c.generation + 1, updated_at=bindparam("at")
)
_task = _unless_deleting.values(task_state=bindparam("task"), updated_at=bindparam("at"))
_launched = _unless_deleting.values(
    vm_state="active",
    task_state=None,
    power_state=states.RUNNING,
    launched_at=bindparam("at"),
    updated_at=bindparam("at"),
)
_settled = _unless_deleting.values(
    vm_state=bindparam("to"),
    task_state=None,
    power_state=bindparam("power"),
    fault=None,
    updated_at=bindparam("at"),
)
_gone = _change.values(
    deleted=True,
    vm_state="deleted",
    task_state=None,
    power_state=states.NO_STATE,
    terminated_at=bindparam("at"),
    updated_at=bindparam("at"),
)
_untag = server_tags.delete().where(server_tags.c.server_id == bindparam("of"))
_tags = (
    sa.select(server_tags.c.tag)
    .where(server_tags.c.server_id == bindparam("id"))
    .order_by(server_tags.c.tag)
)
_tags_of_many = (
    sa.select(server_tags)
    .where(server_tags.c.server_id.in_(bindparam("ids", expanding=True)))
    .order_by(server_tags.c.tag)
)
SETTLED = (
    "active",
    "paused",
    "suspended",
    "stopped",
)  # vm states in which users may write on a server


def missing(server_id: str) -> NotFound:
    return NotFound(f"Instance {server_id} could not be found.")


async def get(tx: Transaction, caller: Caller, server_id: str) -> Row[Any]:
    """A server of the caller's project, or any for those who reach everywhere.

    Raises:
        NotFound: there is none, it is deleted, or it is another project's.
    """
    if caller.everywhere:
        row = await tx.first(_any, {"id": server_id})
    else:
        row = await tx.first(_own, {"id": server_id, "project_id": caller.project_id})
    if row is None:
        raise missing(server_id)
    return row


async def get_any(tx: Transaction, server_id: str) -> Row[Any] | None:
    """A server that is not deleted; for operations and reconcilers."""
    return await tx.first(_any, {"id": server_id})


async def get_even_deleted(tx: Transaction, server_id: str) -> Row[Any] | None:
    return await tx.first(_even_deleted, {"id": server_id})


def check_unlocked(row: Row[Any], *, override: bool) -> None:
    """Raises Conflict when the server is locked, unless the caller may pass over that."""
    if row.locked and not override:
        raise Conflict(f"Instance {row.id} is locked")


_end_consoles = console_tokens.delete().where(console_tokens.c.server_id == sa.bindparam("of"))
_SAME_SCREEN = (
    "pause",
    "unpause",
    "attach_interface",
    "detach_interface",
    "attach_volume",
    "detach_volume",
)  # what is seen before and after is one run of the guest


async def begin(
    tx: Transaction, row: Row[Any], action: str, now: datetime, *, changes: bool = True
) -> int:
    """Let an action begin: the task state is set and the generation raised, if the states allow it.

    Args:
        changes: whether it changes the guest; if not, the generation stays.

    Returns:
        The generation for the commands of this action.

    Raises:
        Conflict: in this state the action is not possible, another one is under way, or it is on no host.
    """
    requested, task_state = states.ACTIONS[action]
    generation = int(row.generation) + changes
    changed = (
        servers.update()
        .where(
            servers.c.id == row.id,
            servers.c.deleted.is_(False),
            servers.c.generation == row.generation,
            servers.c.vm_state.in_(requested),
            servers.c.task_state.is_(None),
        )
        .values(task_state=task_state, generation=generation, updated_at=now)
    )
    if not row.host:
        check_action(row, action)
    if not await tx.count(changed):
        fresh = await get_any(tx, row.id)
        if fresh is None:
            raise missing(row.id)
        raise _impossible(fresh, action)
    if changes and action not in _SAME_SCREEN:
        await tx.execute(_end_consoles, {"of": row.id})
    return generation


def _impossible(row: Row[Any], action: str) -> Conflict:
    name = action.removesuffix("_hard")
    state = f"task_state {row.task_state}"
    if row.vm_state not in states.ACTIONS[action][0]:
        state = f"vm_state {row.vm_state}"
    return Conflict(f"Cannot '{name}' instance {row.id} while it is in {state}")


def check_action(row: Row[Any], action: str) -> None:
    """For actions that look at more before they begin: their state comes first.

    Raises:
        Conflict: in this state the action is not possible, another one is under way, or the server is on no host.
    """
    if row.vm_state not in states.ACTIONS[action][0] or row.task_state is not None:
        raise _impossible(row, action)
    if not row.host and row.vm_state != "shelved_offloaded":
        raise Conflict(f"Instance {row.id} is not ready")


async def raise_generation(tx: Transaction, server_id: str, least: int) -> None:
    """Make the generation at least this, so that the next command is not taken for an old one."""
    await tx.execute(
        servers.update()
        .where(servers.c.id == server_id, servers.c.generation < least)
        .values(generation=least)
    )


async def begin_delete(tx: Transaction, server_id: str, now: datetime) -> int | None:
    """Deleting wins over everything that is under way.

    Returns:
        The generation for its commands; None when a delete is under way or done already.
    """
    begun = await tx.count(_begin_delete, {"of": server_id, "at": now})
    row = await get_any(tx, server_id) if begun else None
    if row is not None:
        await tx.execute(_end_consoles, {"of": server_id})
        await passwords.clear(tx, server_id)
    return None if row is None else int(row.generation)


async def claimed(tx: Transaction, server_id: str, host: str, zone: str, now: datetime) -> None:
    await tx.execute(
        _claimed, {"of": server_id, "at_host": host, "zone": zone, "task": "scheduling", "at": now}
    )


async def unclaimed(tx: Transaction, server_id: str, now: datetime) -> None:
    await tx.execute(
        servers.update()
        .where(servers.c.id == server_id, servers.c.deleted.is_(False))
        .values(host=None, updated_at=now)
    )


async def set_task(tx: Transaction, server_id: str, task_state: str | None, now: datetime) -> None:
    """Show what is being done, unless a delete is under way."""
    await tx.execute(_task, {"of": server_id, "task": task_state, "at": now})


async def launched(tx: Transaction, server_id: str, now: datetime) -> None:
    await tx.execute(_launched, {"of": server_id, "at": now})


async def settled(
    tx: Transaction, server_id: str, vm_state: str, power_state: int, now: datetime
) -> None:
    """An action came to its end."""
    await tx.execute(_settled, {"of": server_id, "to": vm_state, "power": power_state, "at": now})


async def failed(
    tx: Transaction,
    server_id: str,
    message: str,
    details: str,
    now: datetime,
    *,
    to_error: bool = True,
) -> None:
    """Say on the server why something did not work.

    Args:
        to_error: whether the server is in ERROR now, or goes on as it was.
    """
    values: dict[str, Any] = {
        "task_state": None,
        "updated_at": now,
        "fault": {
            "code": 500,
            "message": message,
            "details": details,
            "created": now.strftime("%Y-%m-%dT%H:%M:%SZ"),
        },
    }
    if to_error:
        values["vm_state"] = "error"
        values["power_state"] = states.NO_STATE
    await tx.execute(_unless_deleting.values(**values), {"of": server_id})


async def stuck(tx: Transaction, server_id: str, why: str, now: datetime) -> None:
    """Say that what is under way for the server neither ends nor can be undone. It is tried on; the task shows."""
    fault = {
        "code": 500,
        "message": why,
        "details": "",
        "created": now.strftime("%Y-%m-%dT%H:%M:%SZ"),
    }
    values = {"vm_state": "error", "fault": fault, "updated_at": now}
    await tx.execute(_change.values(**values), {"of": server_id})


async def gone(tx: Transaction, server_id: str, now: datetime) -> None:
    """The server is deleted; its row stays for those who look back."""
    await tx.execute(_gone, {"of": server_id, "at": now})
    await tx.execute(_untag, {"of": server_id})
    await server_groups.leave(tx, server_id)
    await bindings.forget(tx, server_id)


async def tags_of(tx: Transaction, server_id: str) -> list[str]:
    return list(await tx.scalars(_tags, {"id": server_id}))


async def tags_of_many(tx: Transaction, ids: Sequence[str]) -> dict[str, list[str]]:
    """The tags of those servers that have some, by server."""
    if len(ids) == 1:
        return {ids[0]: await tags_of(tx, ids[0])}
    found: dict[str, list[str]] = {}
    for row in await tx.all(_tags_of_many, {"ids": ids}) if ids else ():
        found.setdefault(row.server_id, []).append(row.tag)
    return found


def check_settled(row: Row[Any], action: str) -> None:
    """Raises Conflict when the server is in no state to be written on. action: what the text calls it."""
    if row.vm_state not in SETTLED:
        raise Conflict(
            f"Cannot '{action}' instance {row.id} while it is in vm_state {row.vm_state}"
        )


async def set_tags(tx: Transaction, row: Row[Any], tags: Sequence[str]) -> None:
    """The server has exactly these tags.

    Raises:
        Conflict: it is in no state for that.
    """
    check_settled(row, "update_tags")
    await tx.execute(_untag, {"of": row.id})
    if tags:
        await tx.execute(server_tags.insert(), [{"server_id": row.id, "tag": tag} for tag in tags])


async def change(tx: Transaction, server_id: str, values: Mapping[str, Any]) -> None:
    """Set columns of a server, whatever is under way for it."""
    await tx.execute(servers.update().where(servers.c.id == server_id).values(**values))


async def lock(tx: Transaction, server_id: str, *, by: str, reason: str | None) -> None:
    """by: "owner", or "admin": then only who may pass over that unlocks it."""
    await change(tx, server_id, {"locked": True, "locked_by": by, "locked_reason": reason})


async def unlock(tx: Transaction, server_id: str) -> None:
    await change(tx, server_id, {"locked": False, "locked_by": None, "locked_reason": None})


async def reset_state(tx: Transaction, server_id: str, state: str, now: datetime) -> None:
    """Say that a server is in this vm state ("active" or "error"), and that nothing is under way for it."""
    values: dict[str, Any] = {"vm_state": state, "task_state": None, "updated_at": now}
    if state == "active":
        values |= {"fault": None, "power_state": states.RUNNING}
    await change(tx, server_id, values)


def hostname_of(name: str, server_id: str) -> str:
    """A host name from any server name: letters of Latin-1, digits and hyphens; others are left out."""
    latin = name.encode("latin-1", "ignore").decode("latin-1").lower()
    made = re.sub(r"[^\w-]", "", re.sub(r"[\s_.]", "-", latin))[:63].strip("-")
    return made or f"server-{server_id}"


async def count_on_host(tx: Transaction, host: str) -> int:
    mine = sa.select(sa.func.count()).where(servers.c.host == host, servers.c.deleted.is_(False))
    return int(await tx.scalar(mine) or 0)


async def ids_on_host(tx: Transaction, host: str) -> frozenset[str]:
    """The servers whose guests are a host's own."""
    mine = sa.select(servers.c.id).where(servers.c.host == host, servers.c.deleted.is_(False))
    return frozenset(str(one) for one in await tx.scalars(mine))


async def on_host(tx: Transaction, host: str) -> list[Row[Any]]:
    return list(await tx.all(_on_host, {"host": host}))
