"""Access rules of shares and of snapshots: who may mount them.

What a user says becomes an address or a prefix before it is kept; a host never gets a user's text.
Source: Shared File Systems API reference, "Share access rules"; API guide, "Access rules".
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Row, bindparam

from hanok.base.addresses import prefix_of
from hanok.base.errors import BadInput, NotFound
from hanok.base.ids import new_uuid
from hanok.commands.shares import AccessRule
from hanok.services.shared_file_system.logic import instances, shares
from hanok.services.shared_file_system.room import Shares
from hanok.services.shared_file_system.tables import share_access_rules as table
from hanok.services.shared_file_system.tables import share_snapshot_access_rules
from hanok.store import Transaction, still_there

MAXIMUM = 500  # rules of a share or a snapshot
LEVELS = ("rw", "ro")
TYPES = ("ip", "user", "cert", "cephx")
APPLIED = ("ip",)  # the kinds that NFS knows without Kerberos
QUEUED, APPLYING, DENIED, DENYING = "queued_to_apply", "applying", "queued_to_deny", "denying"
UPDATED, UPDATING = "queued_to_update", "updating"
ACTIVE, ERROR = "active", "error"
_COMING = {QUEUED: APPLYING, UPDATED: UPDATING, DENIED: DENYING}
_NOT_IN_NAMES = frozenset('"/\\[]:;|=,+*?<>')
_PRINTABLE = frozenset(map(chr, range(32, 127)))

_by_id = sa.select(table).where(table.c.id == bindparam("id"))
_of = sa.select(table).where(table.c.share_id == bindparam("share")).order_by(table.c.sequence)
_snapshot_by_id = sa.select(share_snapshot_access_rules).where(
    share_snapshot_access_rules.c.id == bindparam("id")
)
_of_snapshot = (
    sa.select(share_snapshot_access_rules)
    .where(share_snapshot_access_rules.c.snapshot_id == bindparam("snapshot"))
    .order_by(share_snapshot_access_rules.c.sequence)
)


def not_found(requested: str) -> NotFound:
    return NotFound(f"Share access rule {requested[:255]} not found.")


# ---- what may be said ----


def check(access_type: str, access_to: str, *, ceph: bool, ipv6: bool) -> None:
    """Raises BadInput for what names nobody. ceph, ipv6: whether the version knows these."""
    if access_type == "ip":
        _check_address(access_to, ipv6=ipv6)
    elif access_type == "user":
        if not 4 <= len(access_to) <= 255 or _NOT_IN_NAMES & set(access_to):
            raise BadInput(
                "Invalid user or group name. Must be 4-255 characters and exclude special characters "
                '"/\\[]:;|=,+*?<>'
            )
        if not access_to.strip(" .\t"):
            raise BadInput("Invalid user or group name,cannot consist solely of periods or spaces.")
    elif access_type == "cert":
        if not 0 < len(access_to.strip()) < 65:
            raise BadInput("Invalid CN (common name). Must be 1-64 chars long.")
    elif access_type == "cephx" and ceph:
        if not access_to or not _PRINTABLE.issuperset(access_to) or "." in access_to:
            raise BadInput("Ceph IDs must be ASCII printable characters, without periods.")
    else:
        kinds = "'ip', 'user', 'cert' or 'cephx'" if ceph else "'ip', 'user' or 'cert'"
        raise BadInput(f"Only {kinds} access types are supported.")


def _check_address(access_to: str, *, ipv6: bool) -> None:
    try:
        if ipv6:
            prefix_of(access_to, strict=True)
        else:
            ipaddress.IPv4Network(access_to)
    except ValueError:
        raise BadInput(f"'{access_to[:64]}' is not a valid address or prefix.") from None


def prefix(access_to: str) -> str:
    """An address or a prefix in its one spelling: two rules that say the same are the same."""
    return str(prefix_of(access_to))


def _same(one: str, other: str, access_type: str) -> bool:
    if access_type != "ip":
        return one == other
    return prefix(one) == prefix(other)


# ---- rows ----


async def of(tx: Transaction, share_id: str) -> Sequence[Row[Any]]:
    return await tx.all(_of, {"share": share_id})


async def get(tx: Transaction, access_id: str) -> Row[Any]:
    """Raises NotFound."""
    row = await tx.first(_by_id, {"id": access_id})
    if row is None:
        raise not_found(access_id)
    return row


async def check_reachable(tx: Transaction, share: Row[Any], *, errors: bool, what: str) -> None:
    """Raises BadInput where an instance of a share is not there for rules to be changed. errors: one in error is."""
    bad = shares.TRANSITIONAL if errors else shares.TRANSITIONAL | {"error"}
    for row in await instances.of_share(tx, share.id):
        if row.node is None or row.status in bad:
            raise shares.invalid(
                f"{what} while the share or any of its replicas or migration copies lacks a valid host or is in an "
                "invalid state."
            )


async def allow(
    tx: Transaction,
    room: Shares,
    share: Row[Any],
    *,
    access_type: str,
    access_to: str,
    access_level: str,
    metadata: Mapping[str, str],
) -> Row[Any]:
    """Write a rule that is still to be applied.

    Raises:
        BadInput: there is one for the same clients, or there are too many.
    """
    there = await of(tx, share.id)
    if any(
        one.access_type == access_type and _same(one.access_to, access_to, access_type)
        for one in there
    ):
        raise BadInput(f"Share access {access_type}:{access_to[:255]} exists.")
    if len(there) >= MAXIMUM:
        raise BadInput(f"A share has at most {MAXIMUM} access rules.")
    row = {
        "id": new_uuid(),
        "share_id": share.id,
        "access_type": access_type,
        "access_to": access_to,
        "access_level": access_level,
        "state": QUEUED,
        "metadata": dict(metadata),
        "created_at": room.clock.now(),
    }
    await tx.insert(table, row)
    await syncing(tx, room, share.id)
    return still_there(await tx.first(_by_id, {"id": row["id"]}))


def check_stays(row: Row[Any]) -> None:
    """Raises BadInput for a rule that is being taken away: it would stay, by being changed."""
    if row.state in (DENIED, DENYING):
        raise BadInput(f"Share access rule {row.id} is being denied.")


async def change(tx: Transaction, room: Shares, access_id: str, **values: Any) -> None:
    mine = table.c.id == access_id
    await tx.execute(table.update().where(mine).values(**values, updated_at=room.clock.now()))


async def syncing(tx: Transaction, room: Shares, share_id: str) -> None:
    """What hosts let in is not yet what the rules say; their commands have a higher number from now on."""
    for row in await instances.of_share(tx, share_id):
        state = row.access_rules_status
        status = instances.SYNCING if state == instances.ACTIVE else state
        await instances.turn(tx, room, row, access_rules_status=status)


async def begin(tx: Transaction, room: Shares, share_id: str) -> None:
    """Hosts are about to be told: rules that wait are under way."""
    for row in await of(tx, share_id):
        if row.state in _COMING:
            await change(tx, room, row.id, state=_COMING[row.state])


def rules_of(rows: Sequence[Row[Any]], *, read_only: bool) -> tuple[AccessRule, ...]:
    """The rules as a host is told them: those that are not being taken away, and that it can apply."""
    return tuple(
        AccessRule(prefix=prefix(row.access_to), level="ro" if read_only else row.access_level)
        for row in rows
        if row.access_type in APPLIED and row.state not in (DENIED, DENYING)
    )


async def applied(tx: Transaction, room: Shares, share_id: str) -> list[Row[Any]]:
    """Hosts let in what the rules say. Gives those rules that no host can apply."""
    refused = []
    for row in await of(tx, share_id):
        if row.state == DENYING:
            await tx.execute(table.delete().where(table.c.id == row.id))
        elif row.state in (APPLYING, UPDATING):
            able = row.access_type in APPLIED
            await change(tx, room, row.id, state=ACTIVE if able else ERROR)
            refused += [] if able else [row]
    await _settle(tx, room, share_id)
    return refused


async def failed(tx: Transaction, room: Shares, share_id: str) -> None:
    """Hosts do not let in what the rules say: those that were under way are wrong."""
    for row in await of(tx, share_id):
        if row.state in (APPLYING, UPDATING, DENYING):
            await change(tx, room, row.id, state=ERROR)
    await _settle(tx, room, share_id)


async def _settle(tx: Transaction, room: Shares, share_id: str) -> None:
    states = {row.state for row in await of(tx, share_id)}
    status = instances.SYNCING if states & set(_COMING) else instances.ACTIVE
    if ERROR in states:
        status = instances.ERROR
    for row in await instances.of_share(tx, share_id):
        await instances.change(tx, room, row.id, access_rules_status=status)


# ---- of snapshots ----


async def of_snapshot(tx: Transaction, snapshot_id: str) -> Sequence[Row[Any]]:
    return await tx.all(_of_snapshot, {"snapshot": snapshot_id})


async def get_of_snapshot(tx: Transaction, access_id: str) -> Row[Any]:
    """Raises NotFound."""
    row = await tx.first(_snapshot_by_id, {"id": access_id})
    if row is None:
        raise not_found(access_id)
    return row


async def allow_snapshot(
    tx: Transaction, room: Shares, snapshot: Row[Any], access_type: str, access_to: str
) -> Row[Any]:
    """Write a rule of a snapshot that is still to be applied. Raises BadInput."""
    there = await of_snapshot(tx, snapshot.id)
    if any(
        one.access_type == access_type and _same(one.access_to, access_to, access_type)
        for one in there
    ):
        raise BadInput(f"Share snapshot access {access_type}:{access_to[:255]} exists.")
    if len(there) >= MAXIMUM:
        raise BadInput(f"A snapshot has at most {MAXIMUM} access rules.")
    row = {
        "id": new_uuid(),
        "snapshot_id": snapshot.id,
        "access_type": access_type,
        "access_to": access_to,
        "state": QUEUED,
        "created_at": room.clock.now(),
    }
    await tx.insert(share_snapshot_access_rules, row)
    return await get_of_snapshot(tx, row["id"])


async def change_of_snapshot(tx: Transaction, room: Shares, access_id: str, state: str) -> None:
    mine = share_snapshot_access_rules.c.id == access_id
    values = {"state": state, "updated_at": room.clock.now()}
    await tx.execute(share_snapshot_access_rules.update().where(mine).values(values))


async def begin_of_snapshot(tx: Transaction, room: Shares, snapshot_id: str) -> None:
    for row in await of_snapshot(tx, snapshot_id):
        if row.state in _COMING:
            await change_of_snapshot(tx, room, row.id, _COMING[row.state])


def rules_of_snapshot(rows: Sequence[Row[Any]]) -> tuple[AccessRule, ...]:
    return tuple(
        AccessRule(prefix=prefix(row.access_to), level="ro")
        for row in rows
        if row.access_type in APPLIED and row.state not in (DENIED, DENYING)
    )


async def applied_of_snapshot(
    tx: Transaction, room: Shares, snapshot_id: str, *, worked: bool
) -> None:
    """Hosts let in what the rules of a snapshot say, or do not."""
    for row in await of_snapshot(tx, snapshot_id):
        if row.state == DENYING and worked:
            gone = share_snapshot_access_rules.c.id == row.id
            await tx.execute(share_snapshot_access_rules.delete().where(gone))
        elif row.state in (APPLYING, DENYING):
            able = worked and row.access_type in APPLIED
            await change_of_snapshot(tx, room, row.id, ACTIVE if able else ERROR)
