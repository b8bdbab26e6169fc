"""Roles, those of domains among them, and which role implies which."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

import sqlalchemy as sa
from msgspec import Struct
from sqlalchemy import Row, bindparam

from hanok.base.errors import BadInput, Conflict, Forbidden, NotFound
from hanok.base.ids import new_hex
from hanok.services.identity.logic import delegations, lookup, projects, rights
from hanok.services.identity.logic.lookup import get, renamed
from hanok.services.identity.tables import assignments, implied_roles, roles
from hanok.store import Duplicate, Transaction

NOWHERE = "*"
"""The domain of a role that is of none."""

_implied_by = (
    sa.select(roles)
    .join(implied_roles, implied_roles.c.implied_id == roles.c.id)
    .where(implied_roles.c.prior_id == bindparam("prior"))
    .order_by(roles.c.name)
)
_pair = sa.select(implied_roles).where(
    implied_roles.c.prior_id == bindparam("prior"),
    implied_roles.c.implied_id == bindparam("implied"),
)
_of_ids = (
    sa.select(roles).where(roles.c.id.in_(bindparam("ids", expanding=True))).order_by(roles.c.name)
)


class Pair(Struct, frozen=True):
    """Two roles, and whether the first implies the second."""

    prior: Row[Any]
    implied: Row[Any]
    is_so: bool


def all_of(domain_id: str | None) -> sa.Select[Any]:
    """The roles of a domain; None: those of none."""
    return sa.select(roles).where(roles.c.domain_id == (domain_id or NOWHERE))


async def find(tx: Transaction, role_id: str | None) -> Row[Any] | None:
    """A role, if there is one with this id."""
    return await lookup.find(tx, roles, role_id)


async def of_ids(tx: Transaction, ids: Collection[str]) -> Sequence[Row[Any]]:
    """Roles, in the order of their names."""
    return await tx.all(_of_ids, {"ids": list(ids)})


async def create(
    tx: Transaction, values: dict[str, Any], options: dict[str, Any], extra: dict[str, Any]
) -> Row[Any]:
    """A new role.

    Raises:
        NotFound: no such domain. Conflict: the name is taken.
    """
    domain_id = values.get("domain_id")
    if domain_id:
        await tx.keep(domain_id)
        await projects.domain(tx, domain_id)
    role_id = new_hex()
    row = {
        "id": role_id,
        "name": values["name"],
        "domain_id": domain_id or NOWHERE,
        "description": values.get("description"),
        "options": options,
        "extra": extra,
    }
    try:
        await tx.insert(roles, row)
    except Duplicate as error:
        raise Conflict(
            "Conflict occurred attempting to store role - it is not permitted to have two roles "
            f"with the same name: {values['name']}."
        ) from error
    return await get(tx, roles, "role", role_id)


async def update(
    tx: Transaction, row: Row[Any], values: dict[str, Any], extra: dict[str, Any]
) -> Row[Any]:
    """Change a role; its domain stays.

    Raises:
        Forbidden: it is immutable. BadInput: another domain. Conflict: the name is taken.
    """
    projects.check_mutable(row, values, "role")
    changes = {name: value for name, value in values.items() if name != "domain_id"}
    if (values.get("domain_id", row.domain_id) or NOWHERE) != row.domain_id:
        raise BadInput("A role's domain cannot be changed.")
    if extra:
        changes["extra"] = {**row.extra, **extra}
    if changes:
        try:
            await tx.alter(roles.update().where(roles.c.id == row.id).values(**renamed(changes)))
        except Duplicate as error:
            raise Conflict(f"The name {values['name']} is taken by another role.") from error
    return await get(tx, roles, "role", row.id)


async def delete(tx: Transaction, row: Row[Any]) -> None:
    """Remove a role with every assignment of it and every trust that delegates it.

    Raises:
        Forbidden: it is immutable.
    """
    projects.check_mutable(row, {}, "role")
    await tx.execute(assignments.delete().where(assignments.c.role_id == row.id))
    await delegations.forget_role(tx, row.id)
    pairs = implied_roles.c
    await tx.execute(
        implied_roles.delete().where(sa.or_(pairs.prior_id == row.id, pairs.implied_id == row.id))
    )
    await tx.execute(roles.delete().where(roles.c.id == row.id))


# ---- which implies which ----


async def implied_by(tx: Transaction, prior_id: str) -> tuple[Row[Any], Sequence[Row[Any]]]:
    """A role and those that it implies by itself, in the order of their names.

    Raises:
        NotFound: there is no such role.
    """
    prior = await get(tx, roles, "role", prior_id)
    return prior, await tx.all(_implied_by, {"prior": prior_id})


async def pair(tx: Transaction, prior_id: str, implied_id: str) -> Pair:
    """
    Raises:
        NotFound: one of the roles is not there.
    """
    prior = await get(tx, roles, "role", prior_id)
    implied = await get(tx, roles, "role", implied_id)
    row = await tx.first(_pair, {"prior": prior_id, "implied": implied_id})
    return Pair(prior, implied, row is not None)


async def implication(tx: Transaction, prior_id: str, implied_id: str) -> Pair:
    """
    Raises:
        NotFound: one of the roles is not there, or the first does not imply the second.
    """
    found = await pair(tx, prior_id, implied_id)
    if not found.is_so:
        raise NotFound(f"Role {prior_id} does not imply role {implied_id}.")
    return found


async def imply(tx: Transaction, prior_id: str, implied_id: str) -> Pair:
    """Let a role imply another one.

    Raises:
        NotFound: one of them is not there. BadInput: it would imply itself.
        Forbidden: it is the role admin, or of a domain where the other is of none.
    """
    await tx.serialize("implied roles")  # two at once could make a circle
    found = await pair(tx, prior_id, implied_id)
    if found.implied.name.casefold() == "admin":
        raise Forbidden("The role admin cannot be implied by another role.")
    if found.prior.domain_id == NOWHERE and found.implied.domain_id != NOWHERE:
        raise Forbidden("A role of no domain cannot imply a role of a domain.")
    if prior_id in await rights.with_implied(tx, [implied_id]):
        raise BadInput("That would make the role imply itself.")
    await tx.insert_missing(implied_roles, {"prior_id": prior_id, "implied_id": implied_id})
    return found


async def imply_no_more(tx: Transaction, prior_id: str, implied_id: str) -> None:
    """
    Raises:
        NotFound: one of the roles is not there, or the first does not imply the second.
    """
    await implication(tx, prior_id, implied_id)
    pairs = implied_roles.c
    await tx.execute(
        implied_roles.delete().where(pairs.prior_id == prior_id, pairs.implied_id == implied_id)
    )


async def inferences(tx: Transaction) -> list[tuple[Row[Any], list[Row[Any]]]]:
    """Each role that implies others, with those."""
    names = {row.id: row for row in await tx.all(sa.select(roles))}
    found: dict[str, list[Row[Any]]] = {}
    for row in await tx.all(sa.select(implied_roles)):
        found.setdefault(row.prior_id, []).append(names[row.implied_id])
    return [(names[prior], implied) for prior, implied in found.items()]
