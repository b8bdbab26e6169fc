"""Users of other providers: who vouches for them, and what becomes of them here.

Each gets a user of ours in the provider's domain. Groups that a mapping puts them into are memberships that end by
themselves; the next sign-in replaces them. Rights are read when they are used, so what a provider takes away is gone
from then on, also from tokens that were given before.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Row, bindparam

from hanok.base.clock import Clock
from hanok.base.errors import BadInput, Conflict, Forbidden, NotSignedIn
from hanok.base.ids import new_hex
from hanok.services.identity.logic import mapping, projects, providers, revocations
from hanok.services.identity.logic.lookup import exact_first, named
from hanok.services.identity.logic.mapping import Assertion, Mapped, MappedProject
from hanok.services.identity.logic.proofs import REFUSED
from hanok.services.identity.room import Identity
from hanok.services.identity.tables import (
    assignments,
    federated_memberships,
    federated_users,
    federation_protocols,
    groups,
    idp_remote_ids,
    roles,
    users,
)
from hanok.services.identity.tables import projects as project_table
from hanok.store import Duplicate, Transaction

_by_protocol = (
    sa.select(federation_protocols.c.idp_id)
    .join(idp_remote_ids, idp_remote_ids.c.idp_id == federation_protocols.c.idp_id)
    .where(federation_protocols.c.id == bindparam("protocol"))
    .distinct()
)
_known = sa.select(federated_users).where(
    federated_users.c.idp_id == bindparam("idp"), federated_users.c.unique_id == bindparam("unique")
)
_user_by_name = (
    sa.select(users)
    .where(users.c.domain_id == bindparam("domain"), named(users, bindparam("name")))
    .order_by(exact_first(users, bindparam("name")))
)
_domain_by_name = (
    sa.select(project_table.c.id)
    .where(project_table.c.name_scope == "*", named(project_table, bindparam("name")))
    .order_by(exact_first(project_table, bindparam("name")))
)
_group_by_name = (
    sa.select(groups.c.id)
    .where(groups.c.domain_id == bindparam("domain"), named(groups, bindparam("name")))
    .order_by(exact_first(groups, bindparam("name")))
)
_groups_now = (
    sa.select(federated_memberships.c.group_id)
    .where(
        federated_memberships.c.user_id == bindparam("user"),
        federated_memberships.c.idp_id == bindparam("idp"),
        federated_memberships.c.expires_at > bindparam("now", callable_=Clock().now),
    )
    .order_by(federated_memberships.c.group_id)
)
_assigned = sa.select(assignments).where(
    assignments.c.actor_kind == "user",
    assignments.c.actor_id == bindparam("user"),
    assignments.c.target_kind == "project",
    assignments.c.inherited.is_(False),
)


async def groups_now(tx: Transaction, user_id: str, idp_id: str) -> list[str]:
    """Ids of the groups that a provider has put a user into."""
    return list(await tx.scalars(_groups_now, {"user": user_id, "idp": idp_id}))


# ---- signing in ----


async def providers_by(tx: Transaction, protocol_id: str) -> Sequence[str]:
    """The ids of the providers that sign in by a protocol and are known by an id of their own."""
    return await tx.scalars(_by_protocol, {"protocol": protocol_id})


async def trusted(tx: Transaction, idp_id: str, protocol_id: str) -> tuple[Row[Any], Row[Any]]:
    """A provider and its protocol.

    Raises:
        NotFound: there is no such thing. Forbidden: the provider is switched off.
    """
    idp = await providers.get(tx, idp_id)
    found = await providers.protocol(tx, idp_id, protocol_id)
    if not idp.enabled:
        raise Forbidden(f"Identity Provider {idp_id} is disabled")
    return idp, found


async def admit(
    tx: Transaction, room: Identity, idp: Row[Any], via: Row[Any], said: Assertion
) -> tuple[str, bool]:
    """Make of what a provider says a user of ours, with groups and projects.

    Gives the user's id, and whether it is the provider's user, not one that was here before.

    Raises:
        NotSignedIn: the provider is not one of those that are meant, or the user is not to be found here.
        BadInput: the mapping makes nothing of it.
    """
    known = (await providers.remote_ids(tx, [idp.id]))[idp.id]
    attribute = via.remote_id_attribute
    if attribute and known and not set(said.get(attribute, ())) & set(known):
        raise Forbidden(
            "Incoming identity provider identifier not included among the accepted identifiers."
        )
    row = await providers.mapping(tx, via.mapping_id)
    mapped = mapping.apply(mapping.rules_of(row.rules, row.schema_version), said)
    if mapped.user.type == "local":
        return await _local(tx, mapped), False
    unique = mapped.user.id or mapped.user.name
    if not unique:
        raise NotSignedIn(REFUSED, detail="the mapping names no user")
    await tx.serialize("federated user", idp.id, unique)
    user_id, was_here = await _shadow(tx, room, idp, via.id, unique, mapped)
    requested = await _groups(tx, room, mapped)
    minutes = idp.authorization_ttl
    if minutes is None:
        minutes = room.settings.authorization_ttl_minutes
    lasts = max(timedelta(minutes=minutes), room.tokens.lifetime + timedelta(minutes=1))
    now = room.clock.now()
    if was_here and set(await groups_now(tx, user_id, idp.id)) != set(requested):
        await revocations.note(tx, "user", [user_id], now, before=now - timedelta(seconds=1))
    await _join(tx, user_id, idp.id, requested, now=now, until=now + lasts)
    if mapped.projects or row.schema_version == "3.0":
        await _provision(tx, user_id, idp.domain_id, mapped.projects, row.schema_version)
    return user_id, True


async def _local(tx: Transaction, mapped: Mapped) -> str:
    """A user that is there already and is not the provider's."""
    user, found = mapped.user, None
    if user.id:
        found = await tx.first(sa.select(users).where(users.c.id == user.id))
    elif user.name and user.domain is not None:
        domain_id = await _domain(tx, user.domain)
        if domain_id is not None:
            found = await tx.first(_user_by_name, {"domain": domain_id, "name": user.name})
    if found is None:
        raise NotSignedIn(REFUSED, detail="the mapping names a local user that is not there")
    return str(found.id)


async def _domain(tx: Transaction, named: mapping.Domain) -> str | None:
    if named.id is not None:
        return named.id
    found = await tx.scalar(_domain_by_name, {"name": named.name})
    return None if found is None else str(found)


async def _shadow(
    tx: Transaction, room: Identity, idp: Row[Any], protocol_id: str, unique: str, mapped: Mapped
) -> tuple[str, bool]:
    """The user of ours that stands for one of the provider's, and whether it was here before.

    Raises:
        BadInput: the name is too long. Conflict: another protocol of the provider's names somebody so, who need not be
            the same: what makes a name is in each protocol's own mapping.
    """
    if len(unique) > 255:
        raise BadInput("What the provider calls the user is longer than 255 characters.")
    name = (mapped.user.name or unique)[:255]
    row = await tx.first(_known, {"idp": idp.id, "unique": unique})
    if row is not None:
        if row.protocol_id != protocol_id:
            raise Conflict(
                f"The provider's protocol {row.protocol_id} has a user of the name {unique[:100]}, "
                f"who is not one of {protocol_id}."
            )
        try:
            changed = users.update().where(users.c.id == row.user_id, users.c.name != name)
            await tx.alter(changed.values(name=name, name_key=name))
        except Duplicate:
            pass  # the name is somebody else's here: the user keeps the one it has
        return str(row.user_id), True
    user_id = new_hex()
    values = {
        "id": user_id,
        "domain_id": idp.domain_id,
        "enabled": True,
        "password_hash": None,
        "past_hashes": [],
        "failed_sign_ins": 0,
        "options": {},
        "extra": {"email": mapped.user.email} if mapped.user.email else {},
        "created_at": room.clock.now(),
    }
    try:
        await tx.insert(users, {**values, "name": name})
    except Duplicate:
        try:
            await tx.insert(users, {**values, "name": unique})
        except Duplicate as error:
            raise Conflict(
                f"The provider's domain has another user of the name {unique[:100]}."
            ) from error
    await tx.insert(
        federated_users,
        {"idp_id": idp.id, "unique_id": unique, "user_id": user_id, "protocol_id": protocol_id},
    )
    return user_id, False


async def _groups(tx: Transaction, room: Identity, mapped: Mapped) -> list[str]:
    """Ids of the groups that a mapping names. A name that is not there is left out; an id is a mistake."""
    found = dict.fromkeys(mapped.group_ids)
    for group_id in found:
        if await tx.first(sa.select(groups.c.id).where(groups.c.id == group_id)) is None:
            raise BadInput(f"Group {group_id[:64]} returned by the mapping was not found.")
    for group in mapped.groups:
        domain_id = None if group.domain is None else await _domain(tx, group.domain)
        group_id = await tx.scalar(_group_by_name, {"domain": domain_id, "name": group.name})
        if group_id is not None:
            found[group_id] = None
    return list(found)


async def _join(
    tx: Transaction,
    user_id: str,
    idp_id: str,
    requested: Sequence[str],
    *,
    now: datetime,
    until: datetime,
) -> None:
    """Put a user into these groups of a provider and no others; forget whatever has ended, of whomever."""
    table = federated_memberships
    own = sa.and_(table.c.user_id == user_id, table.c.idp_id == idp_id)
    await tx.execute(table.delete().where(sa.or_(own, table.c.expires_at < now)))
    if requested:
        await tx.execute(
            table.insert(),
            [
                {"user_id": user_id, "group_id": one, "idp_id": idp_id, "expires_at": until}
                for one in requested
            ],
        )


async def _provision(
    tx: Transaction, user_id: str, domain_id: str, requested: Sequence[MappedProject], version: str
) -> None:
    """Make the projects that a mapping names, and give the user their roles.

    From schema version 3.0 on the user has no others: what the provider does not name is taken away.

    Raises:
        NotSignedIn: a role or domain that is not there.
    """
    given: dict[str, set[str]] = {}
    for project in requested:
        home = domain_id if project.domain is None else await _domain(tx, project.domain)
        if home is None:
            raise NotSignedIn(REFUSED, detail="the mapping names a domain that is not there")
        row = await tx.first(
            sa.select(project_table.c.id)
            .where(project_table.c.name_scope == home, named(project_table, project.name))
            .order_by(exact_first(project_table, project.name))
        )
        if row is None:
            row = await projects.create(tx, {"name": project.name, "domain_id": home}, {})
        given[row.id] = {await _role(tx, role.name, home) for role in project.roles}
    held = {(row.target_id, row.role_id) for row in await tx.all(_assigned, {"user": user_id})}
    pairs = {(project_id, role_id) for project_id, ids in given.items() for role_id in ids}
    for project_id, role_id in sorted(pairs - held):
        await tx.insert(
            assignments,
            {
                "actor_kind": "user",
                "actor_id": user_id,
                "target_kind": "project",
                "target_id": project_id,
                "role_id": role_id,
                "inherited": False,
            },
        )
    for project_id, role_id in sorted(held - pairs) if version == "3.0" else ():
        await tx.execute(
            assignments.delete().where(
                assignments.c.actor_kind == "user",
                assignments.c.actor_id == user_id,
                assignments.c.target_kind == "project",
                assignments.c.target_id == project_id,
                assignments.c.role_id == role_id,
            )
        )


async def _role(tx: Transaction, name: str, domain_id: str) -> str:
    rows = await tx.all(
        sa.select(roles.c.id, roles.c.domain_id).where(
            named(roles, name), roles.c.domain_id.in_(("*", domain_id))
        )
    )
    for row in sorted(rows, key=lambda one: str(one.domain_id)):
        return str(row.id)
    raise NotSignedIn(REFUSED, detail=f"the mapping names a role that is not there: {name[:64]}")
