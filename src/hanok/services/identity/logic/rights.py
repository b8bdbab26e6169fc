"""What a user may do where: roles by assignment, group, inheritance and implication.

Everything is read when it is used; nothing here is kept.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import sqlalchemy as sa
from sqlalchemy import bindparam

from hanok.base.clock import Clock
from hanok.services.identity.tables import (
    access_rules,
    application_credentials,
    assignments,
    credentials,
    endpoint_groups,
    endpoints,
    federated_memberships,
    federated_users,
    federation_protocols,
    group_members,
    groups,
    identity_providers,
    implied_roles,
    oauth_access_tokens,
    oauth_consumers,
    project_endpoint_groups,
    project_endpoints,
    projects,
    revoked_tokens,
    roles,
    service_providers,
    services,
    state,
    trust_roles,
    trusts,
    users,
)
from hanok.store import Changes, Database, Transaction

_wall = Clock()
_groups_of = (
    sa.select(group_members.c.group_id)
    .where(group_members.c.user_id == bindparam("user_id"))
    .union_all(
        sa.select(federated_memberships.c.group_id).where(
            federated_memberships.c.user_id == bindparam("user_id"),
            federated_memberships.c.expires_at > bindparam("now", callable_=_wall.now),
        )
    )
)
_actor = sa.or_(
    sa.and_(assignments.c.actor_kind == "user", assignments.c.actor_id == bindparam("user_id")),
    sa.and_(assignments.c.actor_kind == "group", assignments.c.actor_id.in_(_groups_of)),
)
_of_user = sa.select(assignments).where(_actor)
_implied = sa.select(implied_roles)
_names = sa.select(roles.c.id, roles.c.name, roles.c.domain_id).where(
    roles.c.id.in_(bindparam("ids", expanding=True))
)
_parent = sa.select(projects.c.parent_id, projects.c.domain_id).where(
    projects.c.id == bindparam("project_id")
)
_raise = state.update().where(state.c.id == 1).values(revision=state.c.revision + 1)
_revision = sa.select(state.c.revision).where(state.c.id == 1)


_ANY = Changes(insert=True, update=True, delete=True)
_ENDS = Changes(update=True, delete=True)

# What a token was found to be worth is remembered until one of these changes. New users, projects, roles and
# credentials are no part of any token yet, and make nothing known untrue.
FACTS: dict[sa.FromClause, Changes] = {
    # Who may do what.
    assignments: _ANY,
    implied_roles: _ANY,
    group_members: _ANY,
    federated_memberships: _ANY,
    # Whose the token is and what it is for, by name and whether they may still be used.
    users: Changes(
        update=True,
        delete=True,
        but=frozenset(
            (
                "extra",
                "failed_at",
                "failed_sign_ins",
                "last_active_at",
                "past_hashes",
                "password_own",
            )
        ),
    ),
    groups: Changes(delete=True),
    projects: Changes(update=True, delete=True, but=frozenset(("description", "extra"))),
    roles: Changes(update=True, delete=True, but=frozenset(("description", "extra"))),
    # What it came from.
    application_credentials: _ENDS,
    credentials: _ENDS,
    access_rules: _ENDS,
    trusts: Changes(update=True, delete=True, but=frozenset(("remaining_uses",))),
    trust_roles: _ENDS,
    oauth_consumers: Changes(delete=True),
    oauth_access_tokens: _ENDS,
    identity_providers: _ENDS,
    federation_protocols: _ENDS,
    federated_users: Changes(delete=True),
    revoked_tokens: Changes(insert=True),
    # What it tells of the cloud.
    services: _ANY,
    endpoints: _ANY,
    endpoint_groups: _ANY,
    project_endpoints: _ANY,
    project_endpoint_groups: _ANY,
    service_providers: _ANY,
}


async def groups_of(tx: Transaction, user_id: str) -> list[str]:
    """Ids of the groups a user is in now, those that a provider gave included."""
    return list(await tx.scalars(_groups_of, {"user_id": user_id}))


async def members_with_roles(tx: Transaction, group_ids: sa.Select[tuple[str]]) -> list[str]:
    """Ids of the users in those of these groups that have a role somewhere."""
    given = sa.select(assignments.c.actor_id).where(assignments.c.actor_kind == "group")
    members = [
        sa.select(table.c.user_id).where(
            table.c.group_id.in_(group_ids), table.c.group_id.in_(given)
        )
        for table in (group_members, federated_memberships)
    ]
    return list(await tx.scalars(sa.union(*members)))


async def _changed(tx: Transaction) -> None:
    await tx.execute(_raise)


def watch(database: Database) -> None:
    """From now on each transaction that changes a fact on which the worth of a token hangs raises the counter.

    Nobody who writes has to think of it: which facts those are is said by `FACTS`.
    """
    database.watch(FACTS, _changed)


async def revision(tx: Transaction) -> int:
    """The number of the last such change."""
    return int(await tx.scalar(_revision))


async def ancestors(tx: Transaction, project_id: str) -> list[str]:
    """The projects above a project, nearest first, its domain last."""
    found: list[str] = []
    at: str | None = project_id
    while at is not None:
        row = await tx.first(_parent, {"project_id": at})
        at = None if row is None else row.parent_id
        if at is not None:
            found.append(at)
    return found


async def with_implied(tx: Transaction, role_ids: Iterable[str]) -> list[str]:
    """These roles and all that they imply, each once."""
    closed = list(dict.fromkeys(role_ids))
    if not closed:
        return []
    rules: dict[str, list[str]] = {}
    for row in await tx.all(_implied):
        rules.setdefault(row.prior_id, []).append(row.implied_id)
    for role_id in closed:  # grows while it is walked
        closed.extend(new for new in rules.get(role_id, ()) if new not in closed)
    return closed


async def on_project(tx: Transaction, user_id: str, project_id: str) -> list[str]:
    """Role ids of a user on a project, with what is inherited and implied."""
    above = set(await ancestors(tx, project_id))
    found = [
        row.role_id
        for row in await tx.all(_of_user, {"user_id": user_id})
        if (row.target_kind == "project" and row.target_id == project_id and not row.inherited)
        or (row.inherited and row.target_kind in ("project", "domain") and row.target_id in above)
    ]
    return await with_implied(tx, found)


async def on_domain(tx: Transaction, user_id: str, domain_id: str) -> list[str]:
    """Role ids of a user on a domain itself."""
    found = [
        row.role_id
        for row in await tx.all(_of_user, {"user_id": user_id})
        if row.target_kind == "domain" and row.target_id == domain_id and not row.inherited
    ]
    return await with_implied(tx, found)


async def on_system(tx: Transaction, user_id: str) -> list[str]:
    """Role ids of a user on the system."""
    found = [
        row.role_id
        for row in await tx.all(_of_user, {"user_id": user_id})
        if row.target_kind == "system" and not row.inherited
    ]
    return await with_implied(tx, found)


async def named(tx: Transaction, role_ids: Sequence[str]) -> list[tuple[str, str]]:
    """(id, name) of roles, in the given order. Roles of a domain only lead to others: they are left out."""
    if not role_ids:
        return []
    names = {
        row.id: row.name
        for row in await tx.all(_names, {"ids": list(role_ids)})
        if row.domain_id == "*"
    }
    return [(role_id, names[role_id]) for role_id in role_ids if role_id in names]


async def projects_of(tx: Transaction, user_id: str) -> set[str]:
    """Ids of the projects a user has a role on."""
    rows = await tx.all(_of_user, {"user_id": user_id})
    found = {row.target_id for row in rows if row.target_kind == "project" and not row.inherited}
    above = {row.target_id for row in rows if row.inherited}
    if above:
        below = set(above)
        parents = await tx.all(
            sa.select(projects.c.id, projects.c.parent_id).where(~projects.c.is_domain)
        )
        grew = True
        while grew:
            new = {row.id for row in parents if row.parent_id in below and row.id not in below}
            grew = bool(new)
            below |= new
        found |= below - above
        found |= {row.id for row in parents if row.id in above and row.parent_id in below}
    return found


async def domains_of(tx: Transaction, user_id: str) -> set[str]:
    """Ids of the domains a user has a role on."""
    return {
        row.target_id
        for row in await tx.all(_of_user, {"user_id": user_id})
        if row.target_kind == "domain" and not row.inherited
    }
