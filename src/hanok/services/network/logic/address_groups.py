"""Address groups: prefixes under one name, which rules of security groups let in or out.

Each is two address sets in OVN, one a version of IP; a change of a group rewrites these, and no rule.

Source: Networking API v2.0 reference, "Address groups".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Row, bindparam

from hanok.base.errors import BadInput, NotFound
from hanok.services.network.logic import quotas, sharing
from hanok.services.network.logic.errors import bad, conflict
from hanok.services.network.logic.reach import Reach, change, project_of, shown, standard
from hanok.services.network.logic.scopes import address_group_scope, touch
from hanok.services.network.room import Network
from hanok.services.network.tables import address_group_members as members
from hanok.services.network.tables import address_groups, security_group_rules
from hanok.store import Transaction

MAXIMUM = (
    1000  # addresses of a group: each is a line that every host with a port of its rules keeps
)

_members = (
    sa.select(members)
    .where(members.c.address_group_id.in_(bindparam("ids", expanding=True)))
    .order_by(members.c.address)
)
_rules = sa.select(security_group_rules.c.id).where(
    security_group_rules.c.remote_address_group_id == bindparam("group")
)


async def addresses_of(tx: Transaction, ids: Sequence[str]) -> dict[str, list[str]]:
    """The addresses of groups, in the order of text."""
    found: dict[str, list[str]] = {one: [] for one in ids}
    for row in await tx.all(_members, {"ids": list(ids)}):
        found[row.address_group_id].append(row.address)
    return found


async def show(tx: Transaction, rows: Sequence[Row[Any]]) -> list[dict[str, Any]]:
    held = await addresses_of(tx, [row.id for row in rows])
    return [{**shown(row), "addresses": held[row.id]} for row in rows]


async def create(tx: Transaction, room: Network, reach: Reach, values: Mapping[str, Any]) -> str:
    """Write a group.

    Raises:
        BadInput, QuotaReached
    """
    project_id = project_of(values, reach)
    await quotas.check(tx, room, project_id, "address_group")
    row = standard(values, project_id, room.clock.now())
    await tx.insert(address_groups, row)
    await _insert(tx, row["id"], values["addresses"])
    await touch(tx, room, address_group_scope(row["id"]))
    return str(row["id"])


async def _insert(tx: Transaction, group_id: str, addresses: Sequence[str]) -> None:
    rows = [{"address_group_id": group_id, "address": one} for one in dict.fromkeys(addresses)]
    if rows:
        await tx.insert(members, rows)


async def update(
    tx: Transaction, room: Network, reach: Reach, row: Row[Any], values: Mapping[str, Any]
) -> None:
    await change(tx, address_groups, row.id, room.clock.now(), values)


async def delete(tx: Transaction, room: Network, reach: Reach, row: Row[Any]) -> None:
    """Remove a group.

    Raises:
        Conflict: a rule names it.
    """
    await _lock(tx, row.id)
    if await tx.first(_rules, {"group": row.id}) is not None:
        raise conflict(
            "AddressGroupInUse",
            f"Address group {row.id} is in use on one or more security group rules.",
        )
    await sharing.forget(tx, row.id)
    await tx.execute(members.delete().where(members.c.address_group_id == row.id))
    await tx.execute(address_groups.delete().where(address_groups.c.id == row.id))
    await touch(tx, room, address_group_scope(row.id))


async def _lock(tx: Transaction, group_id: str) -> None:
    await tx.serialize("network.address_group", group_id)


async def add(tx: Transaction, room: Network, row: Row[Any], added: Sequence[str]) -> None:
    """A group with these addresses, too.

    Raises:
        BadInput: it has some of them.
    """
    await _lock(tx, row.id)
    held = (await addresses_of(tx, [row.id]))[row.id]
    there = sorted(set(added) & set(held))
    if there:
        raise BadInput(
            f"Addresses {', '.join(there)} already exist in the address group {row.id}.",
            code="AddressesAlreadyExist",
        )
    if len(held) + len(added) > MAXIMUM:
        raise bad("address_group", f"An address group has at most {MAXIMUM} addresses")
    await _insert(tx, row.id, added)
    await _changed(tx, room, row.id)


async def remove(tx: Transaction, room: Network, row: Row[Any], removed: Sequence[str]) -> None:
    """A group without these addresses.

    Raises:
        NotFound: it lacks some of them.
    """
    await _lock(tx, row.id)
    held = (await addresses_of(tx, [row.id]))[row.id]
    missing = sorted(set(removed) - set(held))
    if missing:
        raise NotFound(
            f"Addresses {', '.join(missing)} not found in the address group {row.id}.",
            code="AddressesNotFound",
        )
    gone = members.c.address_group_id == row.id, members.c.address.in_(list(removed))
    await tx.execute(members.delete().where(*gone))
    await _changed(tx, room, row.id)


async def _changed(tx: Transaction, room: Network, group_id: str) -> None:
    await change(tx, address_groups, group_id, room.clock.now(), {})
    await touch(tx, room, address_group_scope(group_id))
