"""Resource locks: what keeps a share or an access rule from being deleted, or a rule from being seen.

A lock is its maker's: what a user made, administrators and services may take away; what a service made, no user; what
an administrator made, nobody else.

Source: Shared File Systems API reference, "Resource locks"; API guide, "Resource locks".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import sqlalchemy as sa
from sqlalchemy import Row, bindparam

from hanok.base.errors import BadInput, Conflict, Forbidden, NotFound
from hanok.base.ids import new_uuid
from hanok.services.shared_file_system.logic import access, shares
from hanok.services.shared_file_system.room import Shares
from hanok.services.shared_file_system.tables import share_locks as table
from hanok.store import Transaction, still_there
from hanok.web.owned import Owned, missing
from hanok.web.token import Caller

BECAUSE = "Locked by access lock: {}"  # why a share is locked of which an access rule is
Context = Literal["user", "service", "admin"]
SHARE, ACCESS = "share", "access_rule"
DELETE, SHOW = "delete", "show"
ACTIONS = {SHARE: (DELETE,), ACCESS: (DELETE, SHOW)}
MAXIMUM = 100  # of one resource
_RANK = {"user": 0, "service": 1, "admin": 2}
_NOT_OF_SHARES = (
    "deleting", "error_deleting", "unmanage_starting", "manage_error_unmanage_starting",
    "unmanage_error", "unmanaged", "deleted",
)  # fmt: skip
_NOT_OF_RULES = ("queued_to_deny", "denying", "error", "deleted")

_owned = Owned(table, missing("Resource lock"))
WHOLE, of, get, get_any = _owned.whole, _owned.of, _owned.get, _owned.get_any
_on = WHOLE.where(table.c.resource_id == bindparam("id")).order_by(table.c.sequence)
_doing = _on.where(table.c.resource_action == bindparam("action"))
_shown = WHOLE.where(
    table.c.resource_id.in_(bindparam("ids", expanding=True)), table.c.resource_action == SHOW
)


def of_project(statement: sa.Select[Any], project_id: str) -> sa.Select[Any]:
    """Those of a statement's locks that are a project's."""
    return statement.where(table.c.project_id == project_id)


async def on(tx: Transaction, resource_id: str, action: str) -> Sequence[Row[Any]]:
    """The locks that keep something from being done to a resource."""
    return await tx.all(_doing, {"id": resource_id, "action": action})


async def check_free(tx: Transaction, resource_id: str, action: str = DELETE) -> None:
    """Raises Forbidden where a lock keeps this from being done."""
    if found := await on(tx, resource_id, action):
        ids = ", ".join(row.id for row in found)
        raise Forbidden(f"Resource lock/s [{ids}] prevent {action} action.")


def is_below(context: Context, row: Row[Any]) -> bool:
    """Whether a lock is too high for somebody of this context to touch."""
    return _RANK[context] < _RANK[row.lock_context]


def check_reach(context: Context, row: Row[Any]) -> None:
    """Raises Forbidden for a lock that is not for somebody of this context to touch."""
    if is_below(context, row):
        raise Forbidden(
            "Resource lock cannot be manipulated by user. Please contact the administrator."
        )


# ---- making one ----


async def create(
    tx: Transaction,
    room: Shares,
    caller: Caller,
    context: Context,
    *,
    resource_id: str,
    resource_type: str,
    action: str,
    reason: str | None,
) -> Row[Any]:
    """Lock something that the caller sees.

    Raises:
        BadInput: there is no such thing, it has no such action, or too many locks. Conflict: its state does not allow
            it, or it is hidden already.
    """
    check_action(resource_type, action)
    await tx.take_turn(resource_id)
    await _check_resource(tx, caller, resource_id, resource_type, action)
    return await write(
        tx, room, caller, context, resource_id=resource_id, resource_type=resource_type,
        action=action, reason=reason,
    )  # fmt: skip


async def write(
    tx: Transaction,
    room: Shares,
    caller: Caller,
    context: Context,
    *,
    resource_id: str,
    resource_type: str,
    action: str,
    reason: str | None,
) -> Row[Any]:
    """Write a lock on something that is known to be there. Raises BadInput, Conflict."""
    there = await tx.all(_on, {"id": resource_id})
    if len(there) >= MAXIMUM:
        raise BadInput(f"A resource has at most {MAXIMUM} locks.")
    if action == SHOW and any(one.resource_action == SHOW for one in there):
        raise Conflict("Resource's visibility is already locked by other user.")
    row = {
        "id": new_uuid(),
        "project_id": caller.own_project,
        "user_id": caller.user_id,
        "lock_context": context,
        "resource_type": resource_type,
        "resource_id": resource_id,
        "resource_action": action,
        "reason": reason,
        "created_at": room.clock.now(),
    }
    await tx.insert(table, row)
    return still_there(await get_any(tx, str(row["id"])))


def check_action(resource_type: str, action: str) -> None:
    """Raises BadInput."""
    if action not in ACTIONS[resource_type]:
        raise BadInput(f"'resource_action' can only be one of {list(ACTIONS[resource_type])}")


async def _check_resource(
    tx: Transaction, caller: Caller, resource_id: str, resource_type: str, action: str
) -> None:
    try:
        if resource_type == SHARE:
            row = await shares.get(tx, caller, resource_id)
            is_odd = row.status in _NOT_OF_SHARES
        else:
            rule = await access.get(tx, resource_id)
            await tx.keep(rule.share_id)
            row = await shares.get(tx, caller, rule.share_id)
            is_odd = rule.state in _NOT_OF_RULES
    except NotFound:
        raise BadInput("No such resource found.") from None
    if action == DELETE and is_odd:
        raise Conflict("Resource status not suitable for locking")
    if resource_type == SHARE and shares.is_binned(row):
        raise Conflict("Resource cannot be locked since it has been soft deleted.")


async def update(
    tx: Transaction, room: Shares, caller: Caller, row: Row[Any], values: Mapping[str, Any]
) -> Row[Any]:
    """Give a lock another action or reason. Raises BadInput."""
    action = values.get("resource_action")
    if action is not None and action != row.resource_action:
        check_action(row.resource_type, action)
        try:
            await _check_resource(tx, caller, row.resource_id, row.resource_type, action)
        except Conflict as error:
            raise BadInput(error.message) from None
        if action == SHOW and await on(tx, row.resource_id, SHOW):
            raise BadInput("The resource already has a visibility lock.")
    await _owned.change(tx, row.id, values, room.clock.now())
    return still_there(await get_any(tx, row.id))


async def delete(tx: Transaction, row: Row[Any]) -> None:
    await _owned.gone(tx, row.id)


async def forget(tx: Transaction, resource_ids: Sequence[str]) -> None:
    """These are gone, and so are their locks."""
    mine = table.c.resource_id.in_(list(resource_ids))
    await tx.execute(table.delete().where(mine))


async def left(tx: Transaction, resource_ids: Sequence[str], project_id: str) -> None:
    """These are a project's no more: its users' locks go. Those of administrators and services stay."""
    mine = table.c.resource_id.in_(list(resource_ids))
    theirs = sa.and_(table.c.project_id == project_id, table.c.lock_context == "user")
    await tx.execute(table.delete().where(mine, theirs))


# ---- what shares ask of locks ----


class Locking:
    """See `room.Locks`."""

    def __init__(self, room: Shares) -> None:
        self._room = room

    async def check(self, tx: Transaction, caller: Caller, share_id: str) -> None:
        await check_free(tx, share_id)

    async def hiding(
        self, tx: Transaction, caller: Caller, access_ids: Sequence[str]
    ) -> list[tuple[Row[Any], bool]]:
        context = _context(caller)
        found = await tx.all(_shown, {"ids": list(access_ids)}) if access_ids else []
        return [(row, is_below(context, row)) for row in found]

    async def lock(
        self,
        tx: Transaction,
        caller: Caller,
        rule: Row[Any],
        *,
        deletion: bool,
        visibility: bool,
        reason: str | None,
    ) -> None:
        """Where a rule is not to be deleted, neither is its share. Raises BadInput, Conflict."""
        of_rule: dict[str, Any] = {"resource_id": rule.id, "resource_type": ACCESS}
        context = _context(caller)
        if deletion:
            lock = await write(
                tx, self._room, caller, context, action=DELETE, reason=reason, **of_rule
            )
            await write(
                tx, self._room, caller, context, resource_id=rule.share_id, resource_type=SHARE,
                action=DELETE, reason=BECAUSE.format(lock.id),
            )  # fmt: skip
        if visibility:
            await write(tx, self._room, caller, context, action=SHOW, reason=reason, **of_rule)

    async def release(
        self, tx: Transaction, caller: Caller, rule: Row[Any], *, unrestrict: bool
    ) -> None:
        """Its locks go, where that is asked for and the caller's to say."""
        found = await on(tx, rule.id, DELETE)
        if found and not unrestrict:
            raise Forbidden(
                f"Cannot deny access for share '{rule.share_id}' since it has been locked. Please remove the locks "
                "and retry the operation"
            )
        context = _context(caller)
        for row in found:
            if is_below(context, row) or not (caller.everywhere or _is_own(caller, row)):
                raise Forbidden(
                    "Unable to drop access rule restrictions that are not placed by you."
                )
        reasons = [BECAUSE.format(row.id) for row in found]
        of_share = sa.and_(table.c.resource_id == rule.share_id, table.c.reason.in_(reasons))
        await tx.execute(table.delete().where(of_share))
        await forget(tx, [rule.id])


def _context(caller: Caller) -> Context:
    return "admin" if caller.everywhere else "user"


def _is_own(caller: Caller, row: Row[Any]) -> bool:
    return bool(row.user_id == caller.user_id and row.project_id == caller.project_id)
