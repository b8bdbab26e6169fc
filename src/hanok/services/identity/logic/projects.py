"""Projects and domains."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Row, bindparam

from hanok.base.errors import BadInput, Conflict, Forbidden, NotFound
from hanok.base.ids import new_hex
from hanok.services.identity import schemas
from hanok.services.identity.logic import (
    delegations,
    domain_options,
    endpoint_filters,
    limits,
    lookup,
    revocations,
    rights,
)
from hanok.services.identity.logic.lookup import get, renamed
from hanok.services.identity.tables import (
    assignments,
    directory_entries,
    federated_memberships,
    federated_users,
    federation_protocols,
    group_members,
    groups,
    identity_providers,
    idp_remote_ids,
    project_tags,
    projects,
    roles,
    users,
)
from hanok.store import Duplicate, Transaction
from hanok.web.listing import Filter, tagged

DEEPEST = 5  # projects below a domain, as upstream's default

MANY = 100  # from so many projects on, naming each costs more than reading the tags of all

# The tags of each in the same statement, with commas between: no tag has one. To ask for them by ids costs more than
# all the rest of a long page.
_words = (
    sa.select(sa.func.aggregate_strings(project_tags.c.name, ","))
    .where(project_tags.c.project_id == projects.c.id)
    .scalar_subquery()
    .label("tags")
)
_shown = sa.select(*(projects.c[name] for name in schemas.PROJECT), _words)
_all_tags = sa.select(project_tags.c.project_id, project_tags.c.name).order_by(project_tags.c.name)
_tags = _all_tags.where(project_tags.c.project_id.in_(bindparam("ids", expanding=True)))
_children = sa.select(projects).where(projects.c.parent_id == bindparam("id"))
_domain = sa.select(projects).where(
    projects.c.id == bindparam("id"), projects.c.is_domain.is_(True)
)


def all_of(domain_id: str | None = None, *, domains: bool | None = False) -> sa.Select[Any]:
    """Projects, of one domain if it is named: the columns that answers show, and `words`.

    Args:
        domains: None for domains, too.
    """
    found = _shown if domain_id is None else _shown.where(projects.c.domain_id == domain_id)
    return found if domains is None else found.where(projects.c.is_domain.is_(domains))


def among(
    ids: Collection[str] | sa.Select[Any],
    *,
    enabled: bool | None = None,
    domains: bool | None = False,
) -> sa.Select[Any]:
    """Those of these ids that are projects, not domains; the enabled ones, if that is asked for.

    Args:
        ids: or a statement that gives them. domains: None for domains, too.
    """
    requested = ids if isinstance(ids, sa.Select) else list(ids)
    found = all_of(domains=domains).where(projects.c.id.in_(requested))
    return found if enabled is None else found.where(projects.c.enabled.is_(enabled))


def domains(ids: Collection[str] | None = None, *, enabled: bool | None = None) -> sa.Select[Any]:
    """All domains, or those of these ids; the enabled ones, if that is asked for."""
    found = sa.select(projects).where(projects.c.is_domain.is_(True))
    if ids is not None:
        found = found.where(projects.c.id.in_(list(ids)))
    return found if enabled is None else found.where(projects.c.enabled.is_(enabled))


def tagged_by(*, negative: bool, together: bool) -> Filter:
    """The filter on tags, with commas between: `tags`, `tags-any`, `not-tags`, `not-tags-any`."""
    owner, tag = project_tags.c.project_id, project_tags.c.name
    return lambda values: tagged(
        projects.c.id, owner, tag, values[-1:], negative=negative, together=together
    )


async def find(tx: Transaction, project_id: str) -> Row[Any] | None:
    """A project or domain, if there is one with this id."""
    return await lookup.find(tx, projects, project_id)


async def children(tx: Transaction, project_id: str) -> Sequence[Row[Any]]:
    """The projects right below one."""
    return await tx.all(_children, {"id": project_id})


def words(row: Row[Any]) -> list[str]:
    """The tags of a project of `all_of`, in order of their names."""
    return sorted(row[-1].split(",")) if row[-1] else []


async def tags_of(tx: Transaction, ids: list[str]) -> dict[str, list[str]]:
    """Tags of projects, in order of their names."""
    found: dict[str, list[str]] = {one: [] for one in ids}
    if len(ids) > MANY:
        rows = await tx.all(_all_tags)
    else:
        rows = await tx.all(_tags, {"ids": ids}) if ids else []
    for row in rows:
        if row.project_id in found:
            found[row.project_id].append(row.name)
    return found


async def set_tags(tx: Transaction, project_id: str, tags: list[str]) -> None:
    if len(tags) != len(set(tags)):
        raise BadInput("Invalid input for field 'tags': the tags are not unique.")
    await tx.execute(project_tags.delete().where(project_tags.c.project_id == project_id))
    if tags:
        await tx.execute(
            project_tags.insert(), [{"project_id": project_id, "name": tag} for tag in tags]
        )


async def domain(tx: Transaction, domain_id: str) -> Row[Any]:
    """A domain.

    Raises:
        NotFound: there is none with this id.
    """
    row = await tx.first(_domain, {"id": domain_id})
    if row is None:
        raise NotFound(f"Could not find domain: {domain_id}.")
    return row


async def _are_disabled(tx: Transaction, ids: list[str]) -> bool:
    """Whether one of these projects and domains is disabled."""
    off = sa.select(projects.c.id).where(projects.c.id.in_(ids), projects.c.enabled.is_(False))
    return await tx.first(off) is not None


async def create(tx: Transaction, values: dict[str, Any], extra: dict[str, Any]) -> Row[Any]:
    """A new project or domain from checked attributes.

    Raises:
        Conflict: the name is taken in that domain. BadInput: parent and domain do not go together.
    """
    is_domain = bool(values.get("is_domain"))
    domain_id, parent_id = values.get("domain_id"), values.get("parent_id")
    if is_domain:
        if domain_id is not None or parent_id is not None:
            raise BadInput("A domain has no parent and no domain.")
    else:
        if parent_id is not None:
            await tx.keep(parent_id)
            parent = await tx.first(sa.select(projects).where(projects.c.id == parent_id))
            if parent is None:
                raise NotFound(f"Could not find project: {parent_id}.")
            of = parent.id if parent.is_domain else parent.domain_id
            if domain_id is not None and domain_id != of:
                raise BadInput("The parent project is in another domain than the project.")
            domain_id = of
            above = [parent.id, *await rights.ancestors(tx, parent.id)]
            if await _are_disabled(tx, above):
                raise BadInput("Cannot create a project below a disabled project.")
            if len(above) > DEEPEST:
                raise Forbidden(f"Projects are at most {DEEPEST} deep.")
        assert domain_id is not None
        await tx.keep(domain_id)
        await domain(tx, domain_id)
        parent_id = parent_id or domain_id
    project_id = values.get("id") or new_hex()
    try:
        await tx.insert(
            projects,
            {
                "id": project_id,
                "name": values["name"],
                "name_scope": "*" if is_domain else domain_id,
                "domain_id": domain_id,
                "parent_id": parent_id,
                "is_domain": is_domain,
                "description": values.get("description") or "",
                "enabled": values.get("enabled", True),
                "options": values.get("options", {}),
                "extra": extra,
            },
        )
    except Duplicate as error:
        what = "domain" if is_domain else "project"
        raise Conflict(
            f"Conflict occurred attempting to store {what} - it is not permitted to have two "
            f"{what}s with the same name: {values['name']}."
        ) from error
    if values.get("tags"):
        await set_tags(tx, project_id, values["tags"])
    return await get(tx, projects, "project", project_id)


async def update(
    tx: Transaction, row: Row[Any], values: dict[str, Any], extra: dict[str, Any], now: datetime
) -> Row[Any]:
    """Change a project or a domain; disabling one ends its tokens for good, those of a domain's users too."""
    what = "domain" if row.is_domain else "project"
    check_mutable(row, values, what)
    if "parent_id" in values and values["parent_id"] != row.parent_id:
        raise Forbidden("A project's parent cannot be changed.")
    if values.get("domain_id", row.domain_id) != row.domain_id:
        raise BadInput("A project's domain cannot be changed.")
    if "is_domain" in values and values["is_domain"] != row.is_domain:
        raise BadInput("A project does not become a domain, nor a domain a project.")
    if values.get("enabled") is False and not row.is_domain:
        for child in await tx.all(_children, {"id": row.id}):
            if child.enabled:
                raise Forbidden("The project has enabled projects below it; disable those first.")
    if values.get("enabled") is True and not row.enabled:
        await tx.keep(row.parent_id or row.id)
        if await _are_disabled(tx, await rights.ancestors(tx, row.id)):
            raise Forbidden("Cannot enable a project below a disabled project.")
    tags = values.pop("tags", None)
    if tags is not None:
        await set_tags(tx, row.id, tags)
    changes = {
        name: value
        for name, value in values.items()
        if name in ("name", "description", "enabled", "options")
    }
    if extra:
        changes["extra"] = {**row.extra, **extra}
    if values.get("enabled") is False:
        changes["tokens_valid_from"] = now
    if changes:
        try:
            await tx.alter(
                projects.update().where(projects.c.id == row.id).values(**renamed(changes))
            )
        except Duplicate as error:
            raise Conflict(f"The name {changes['name']} is taken by another {what}.") from error
    return await get(tx, projects, what, row.id)


async def delete(tx: Transaction, row: Row[Any], now: datetime) -> None:
    """Remove a project with what hangs on it.

    Raises:
        BadInput: it is an enabled domain. Forbidden: it has projects below it.
    """
    check_mutable(row, {}, "project")
    if row.is_domain and row.enabled:
        raise BadInput("Cannot delete an enabled project that is a domain; disable it first.")
    if await tx.first(_children, {"id": row.id}) is not None:
        raise Forbidden("The project has projects below it; delete those first.")
    if row.is_domain:
        await delete_domain(tx, row, now)
        return
    await _forget(tx, row.id, now)


async def _forget(tx: Transaction, project_id: str, now: datetime) -> None:
    await tx.execute(
        assignments.delete().where(
            assignments.c.target_kind.in_(("project", "domain")),
            assignments.c.target_id == project_id,
        )
    )
    await delegations.forget_project(tx, project_id)
    await tx.execute(project_tags.delete().where(project_tags.c.project_id == project_id))
    await endpoint_filters.forget(tx, project=project_id)
    await limits.forget(tx, project=project_id)
    await domain_options.delete_rows(tx, project_id)
    await tx.execute(directory_entries.delete().where(directory_entries.c.domain_id == project_id))
    await tx.execute(
        users.update()
        .where(users.c.default_project_id == project_id)
        .values(default_project_id=None)
    )
    await tx.execute(projects.delete().where(projects.c.id == project_id))
    await revocations.note(tx, "project", [project_id], now)


async def delete_domain(tx: Transaction, row: Row[Any], now: datetime) -> None:
    """Remove a disabled domain with everything in it.

    Raises:
        Forbidden: it is enabled, or the default one.
    """
    check_mutable(row, {}, "domain")
    if row.enabled:
        raise Forbidden("Cannot delete a domain that is enabled, please disable it first.")
    if row.id == "default":
        raise Forbidden("The default domain cannot be deleted.")
    inside = await tx.scalars(sa.select(projects.c.id).where(projects.c.domain_id == row.id))
    for project_id in inside:
        await _forget(tx, project_id, now)
    own_users = sa.select(users.c.id).where(users.c.domain_id == row.id)
    own_groups = sa.select(groups.c.id).where(groups.c.domain_id == row.id)
    await revocations.note(tx, "user", await rights.members_with_roles(tx, own_groups), now)
    await revocations.note(tx, "user", list(await tx.scalars(own_users)), now)
    for table, kind in ((users, "user"), (groups, "group")):
        own = sa.select(table.c.id).where(table.c.domain_id == row.id)
        await tx.execute(
            assignments.delete().where(
                assignments.c.actor_kind == kind, assignments.c.actor_id.in_(own)
            )
        )
    await tx.execute(
        group_members.delete().where(
            sa.or_(group_members.c.user_id.in_(own_users), group_members.c.group_id.in_(own_groups))
        )
    )
    for column, own in (("user_id", own_users), ("group_id", own_groups)):
        await tx.execute(
            federated_memberships.delete().where(federated_memberships.c[column].in_(own))
        )
    await tx.execute(federated_users.delete().where(federated_users.c.user_id.in_(own_users)))
    own_providers = sa.select(identity_providers.c.id).where(
        identity_providers.c.domain_id == row.id
    )
    for table in (federation_protocols, idp_remote_ids):
        await tx.execute(table.delete().where(table.c.idp_id.in_(own_providers)))
    await tx.execute(identity_providers.delete().where(identity_providers.c.domain_id == row.id))
    await delegations.forget_users(tx, own_users)
    own_roles = sa.select(roles.c.id).where(roles.c.domain_id == row.id)
    await tx.execute(assignments.delete().where(assignments.c.role_id.in_(own_roles)))
    for role_id in await tx.scalars(own_roles):
        await delegations.forget_role(tx, role_id)
    await tx.execute(users.delete().where(users.c.domain_id == row.id))
    await tx.execute(groups.delete().where(groups.c.domain_id == row.id))
    await tx.execute(roles.delete().where(roles.c.domain_id == row.id))
    await _forget(tx, row.id, now)


def check_mutable(row: Row[Any], values: dict[str, Any], what: str) -> None:
    """Refuse to touch an immutable resource, unless this very change makes it mutable.

    Raises:
        Forbidden: it is immutable.
    """
    if row.options.get("immutable") and not (
        "options" in values and not values["options"].get("immutable")
    ):
        raise Forbidden(
            f"The {what} {row.id} is immutable: set its option immutable to false first."
        )
