"""Role assignments: grants on projects, domains and the system, and what they come to.

An assignment is a mapping with the columns of its row. One that takes effect by another has `via`: the group that the
user is a member of (`membership`), the project or domain that it is inherited from (`inherited_from`, `kind`), and the
role that implies it (`prior_role`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from msgspec import Struct
from sqlalchemy import Row, bindparam

from hanok.base.errors import Forbidden, NotFound
from hanok.base.pieces import Pieces
from hanok.services.identity.logic import lookup, rights
from hanok.services.identity.logic.roles import NOWHERE
from hanok.services.identity.tables import (
    assignments,
    group_members,
    groups,
    projects,
    roles,
    users,
)
from hanok.store import Transaction

ACTORS = {"user": users, "group": groups}

_of_grant = sa.and_(
    assignments.c.actor_kind == bindparam("actor_kind"),
    assignments.c.actor_id == bindparam("actor_id"),
    assignments.c.target_kind == bindparam("target_kind"),
    assignments.c.target_id == bindparam("target_id"),
    assignments.c.inherited == bindparam("is_inherited"),
)
_roles_of_grant = (
    sa.select(roles)
    .join(assignments, assignments.c.role_id == roles.c.id)
    .where(_of_grant)
    .order_by(roles.c.name)
)
_one = sa.select(assignments).where(_of_grant, assignments.c.role_id == bindparam("role"))
_drop = assignments.delete().where(_of_grant, assignments.c.role_id == bindparam("role"))
_tree = sa.select(projects.c.id, projects.c.parent_id)
# Roles of a domain only lead to others: no token has them.
_global_roles = sa.select(roles.c.id).where(roles.c.domain_id == NOWHERE)


class Grant(Struct, frozen=True, kw_only=True):
    """What a path names: who has a role, on what, and which one, if it names one.

    actor_kind: "user" or "group". target_kind: "project", "domain" or "system", whose id is "all".
    """

    actor_kind: str
    actor_id: str
    target_kind: str
    target_id: str
    role_id: str | None
    inherited: bool

    @property
    def named(self) -> dict[str, Any]:
        return {
            "actor_kind": self.actor_kind,
            "actor_id": self.actor_id,
            "target_kind": self.target_kind,
            "target_id": self.target_id,
            "is_inherited": self.inherited,
        }


class Parts(Struct, frozen=True):
    """The rows of a grant's parts; None where there is none, or none is named."""

    actor: Row[Any] | None
    target: Row[Any] | None
    role: Row[Any] | None


async def parts(tx: Transaction, grant: Grant) -> Parts:
    """Look the parts of a grant up."""
    actor = await lookup.find(tx, ACTORS[grant.actor_kind], grant.actor_id)
    target = None
    if grant.target_kind != "system":
        target = await lookup.find(tx, projects, grant.target_id)
        if target is not None and grant.target_kind == "domain" and not target.is_domain:
            target = None
    role = None if grant.role_id is None else await lookup.find(tx, roles, grant.role_id)
    return Parts(actor, target, role)


def check_there(grant: Grant, found: Parts, *, without_actor: bool = False) -> None:
    """
    Args:
        without_actor: what somebody had who is gone can be looked at all the same.

    Raises:
        NotFound: a part that the grant names is not there.
    """
    if found.actor is None and not without_actor:
        raise NotFound(f"Could not find {grant.actor_kind}: {grant.actor_id}.")
    if found.target is None and grant.target_kind != "system":
        raise NotFound(f"Could not find {grant.target_kind}: {grant.target_id}.")
    if found.role is None and grant.role_id is not None:
        raise NotFound(f"Could not find role: {grant.role_id}.")


async def roles_of(tx: Transaction, grant: Grant) -> Sequence[Row[Any]]:
    """The roles that an actor was given on a target, in the order of their names."""
    return await tx.all(_roles_of_grant, grant.named)


async def give(tx: Transaction, grant: Grant, found: Parts) -> None:
    """Give the role, if it is not given already.

    Raises:
        Forbidden: the role is another domain's than the project.
    """
    role, target = found.role, found.target
    if grant.target_kind == "project" and role is not None and target is not None:
        if role.domain_id not in (NOWHERE, target.domain_id):
            raise Forbidden("A role of a domain is only given on projects of that domain.")
    row = {name: getattr(grant, name) for name in Grant.__struct_fields__}
    await tx.insert_missing(assignments, row)


async def check(tx: Transaction, grant: Grant) -> None:
    """
    Raises:
        NotFound: the role was not given.
    """
    if await tx.first(_one, {**grant.named, "role": grant.role_id}) is None:
        raise _not_given(grant)


async def take(tx: Transaction, grant: Grant) -> None:
    """
    Raises:
        NotFound: the role was not given.
    """
    if not await tx.count(_drop, {**grant.named, "role": grant.role_id}):
        raise _not_given(grant)


def _not_given(grant: Grant) -> NotFound:
    return NotFound(f"Could not find role assignment with role: {grant.role_id}.")


# ---- the list of all ----


class Requested(Struct, frozen=True, kw_only=True):
    """Which assignments are asked for. tree: those on the projects below one, too. effective: as they take effect.

    inherited: those that projects below inherit, or that take effect by it; False: the others; None: both.
    """

    project_id: str | None = None
    domain_id: str | None = None
    system: bool = False
    user_id: str | None = None
    group_id: str | None = None
    role_id: str | None = None
    inherited: bool | None = None
    tree: bool = False
    effective: bool = False


async def listed(tx: Transaction, requested: Requested) -> list[dict[str, Any]]:
    """The assignments that are asked for."""
    found = [dict(row._mapping) for row in await tx.all(sa.select(assignments))]
    parents = {row.id: row.parent_id for row in await tx.all(_tree)}
    targets = _targets(requested, parents)
    if requested.effective:
        found = await _effective(tx, found, parents)
    kept = []
    async for one in Pieces().each(found):
        if _is_requested(one, requested, targets):
            kept.append(one)
    return kept


def mark_of(one: Mapping[str, Any]) -> str:
    """What tells an assignment from all others, be it as it was given or as it takes effect."""
    names = ("actor_kind", "actor_id", "target_kind", "target_id", "role_id", "inherited")
    via = (f"{name}={value}" for name, value in one.get("via", {}).items())
    return ":".join((*(str(one[name]) for name in names), *via))


def _targets(
    requested: Requested, parents: Mapping[str, str | None]
) -> set[tuple[str, str]] | None:
    """What the assignments are to be on; None: on anything."""
    if requested.project_id is not None:
        below = {requested.project_id}
        grew = requested.tree
        while grew:
            new = {one for one, parent in parents.items() if parent in below} - below
            grew = bool(new)
            below |= new
        return {("project", one) for one in below}
    if requested.domain_id is not None:
        return {("domain", requested.domain_id)}
    return {("system", "all")} if requested.system else None


def _is_requested(
    one: Mapping[str, Any], requested: Requested, targets: set[tuple[str, str]] | None
) -> bool:
    actor = one["actor_kind"], one["actor_id"]
    return (
        (targets is None or (one["target_kind"], one["target_id"]) in targets)
        and (requested.user_id is None or actor == ("user", requested.user_id))
        and (requested.group_id is None or actor == ("group", requested.group_id))
        and (requested.role_id is None or one["role_id"] == requested.role_id)
        and (requested.inherited is None or requested.inherited == _by_inheritance(one))
    )


def _by_inheritance(one: Mapping[str, Any]) -> bool:
    return bool(one["inherited"]) or "inherited_from" in one.get("via", {})


async def _effective(
    tx: Transaction, found: list[dict[str, Any]], parents: Mapping[str, str | None]
) -> list[dict[str, Any]]:
    """Assignments as they take effect: groups as their members, inheritance and implication carried out."""
    members: dict[str, list[str]] = {}
    for pair in await tx.all(sa.select(group_members)):
        members.setdefault(pair.group_id, []).append(pair.user_id)
    children: dict[str, list[str]] = {}
    for project_id, parent in parents.items():
        if parent is not None:
            children.setdefault(parent, []).append(project_id)
    global_roles = set(await tx.scalars(_global_roles))
    implied: dict[str, list[str]] = {}
    done: dict[tuple[str, ...], dict[str, Any]] = {}
    async for row in Pieces().each(found):
        role_id = row["role_id"]
        if role_id not in implied:
            closed = await rights.with_implied(tx, [role_id])
            implied[role_id] = [one for one in closed if one in global_roles]
        for one in _carried_out(row, members, children, implied[role_id]):
            done.setdefault(_key(one), one)
    return list(done.values())


def _key(one: Mapping[str, Any]) -> tuple[str, ...]:
    named = (one["actor_id"], one["target_kind"], one["target_id"], one["role_id"])
    return (*named, *one["via"].values())


def _carried_out(
    row: Mapping[str, Any],
    members: Mapping[str, list[str]],
    children: Mapping[str, list[str]],
    implied: Sequence[str],
) -> Iterator[dict[str, Any]]:
    """What one assignment comes to: each user, each place and each role."""
    for actor_id, by_group in _users(row, members):
        for kind, target_id, by_parent in _places(row, children):
            for role_id in implied:
                by_role = {} if role_id == row["role_id"] else {"prior_role": row["role_id"]}
                yield {
                    "actor_kind": "user",
                    "actor_id": actor_id,
                    "target_kind": kind,
                    "target_id": target_id,
                    "role_id": role_id,
                    "inherited": False,
                    "via": {**by_group, **by_parent, **by_role},
                }


def _users(
    row: Mapping[str, Any], members: Mapping[str, list[str]]
) -> list[tuple[str, dict[str, str]]]:
    if row["actor_kind"] == "user":
        return [(row["actor_id"], {})]
    return [(one, {"membership": row["actor_id"]}) for one in members.get(row["actor_id"], ())]


def _places(
    row: Mapping[str, Any], children: Mapping[str, list[str]]
) -> list[tuple[str, str, dict[str, str]]]:
    if not row["inherited"]:
        return [(row["target_kind"], row["target_id"], {})]
    below = list(children.get(row["target_id"], ()))
    for one in below:  # grows while it is walked
        below.extend(children.get(one, ()))
    via = {"inherited_from": row["target_id"], "kind": row["target_kind"]}
    return [("project", one, via) for one in below]


async def inside(
    tx: Transaction, found: list[dict[str, Any]], domain_id: str
) -> list[dict[str, Any]]:
    """Those of these assignments that are on a domain or its projects."""
    own = sa.select(projects.c.id).where(projects.c.domain_id == domain_id)
    kept = {domain_id, *await tx.scalars(own)}
    return [one for one in found if one["target_id"] in kept]


async def names(tx: Transaction) -> dict[str, dict[str, Row[Any]]]:
    """Id, name and domain of all that assignments are of: by "users", "groups", "projects" and "roles", and by id."""
    found = {}
    for table in (users, groups, projects, roles):
        rows = await tx.all(sa.select(table.c.id, table.c.name, table.c.domain_id))
        found[table.name] = {row.id: row for row in rows}
    return found
