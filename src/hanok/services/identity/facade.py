"""What other rooms, and the house itself, may ask of identity."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy import bindparam

from hanok.base.clock import Clock
from hanok.base.ids import new_hex
from hanok.rooms import CatalogEntry
from hanok.services.identity.logic import revocations, rights, sealed
from hanok.services.identity.logic.catalog import Catalogs
from hanok.services.identity.logic.directories import Directories, follow_all
from hanok.services.identity.logic.keys import Keys
from hanok.services.identity.logic.limits import in_force
from hanok.services.identity.logic.lookup import exact_first, named
from hanok.services.identity.logic.openid import OpenIDProvider
from hanok.services.identity.logic.passwords import Passwords
from hanok.services.identity.logic.saml import SAMLProvider
from hanok.services.identity.logic.tokens import Tokens
from hanok.services.identity.room import Identity, IdentitySettings
from hanok.services.identity.tables import (
    assignments,
    endpoints,
    implied_roles,
    projects,
    regions,
    roles,
    services,
    state,
    users,
)
from hanok.store import Database, Transaction

_endpoint = (
    sa.select(endpoints.c.url)
    .join(services, services.c.id == endpoints.c.service_id)
    .where(
        services.c.type == bindparam("kind"),
        services.c.enabled.is_(True),
        endpoints.c.enabled.is_(True),
        endpoints.c.region_id == bindparam("region"),
        endpoints.c.interface.in_(("public", "internal")),
        endpoints.c.url.like("http%"),
    )
    .order_by(endpoints.c.interface)
)
_in_region = (
    sa.select(endpoints.c.url)
    .join(services, services.c.id == endpoints.c.service_id)
    .where(
        services.c.type == bindparam("kind"),
        services.c.enabled.is_(True),
        endpoints.c.enabled.is_(True),
        sa.func.lower(endpoints.c.region_id) == sa.func.lower(bindparam("region")),
        endpoints.c.interface == bindparam("interface"),
    )
    .order_by(endpoints.c.id)
)
_first_project = (
    sa.select(projects.c.id)
    .where(projects.c.name_scope == "default", named(projects, "admin"))
    .order_by(exact_first(projects, "admin"))
)
_first_user = (
    sa.select(users.c.id)
    .where(users.c.domain_id == "default", named(users, "admin"))
    .order_by(exact_first(users, "admin"))
)
_project = sa.select(projects.c.id, projects.c.name, projects.c.enabled).where(
    projects.c.id == bindparam("id")
)

__all__ = [
    "Identity",
    "IdentitySettings",
    "bootstrap",
    "build",
    "endpoint",
    "first_project",
    "follow_directories",
    "forget_past",
    "limits",
    "project_exists",
    "rotate_keys",
    "rotate_keys_in_time",
    "service_address",
    "show_in_catalog",
]


def build(
    database: Database,
    clock: Clock,
    keys: Path,
    settings: IdentitySettings,
    *,
    secret_keys: Path,
    saml_keys: Path,
) -> Identity:
    """The room, ready to serve.

    Args:
        keys: the folder of token keys. secret_keys: of those for secrets at rest. saml_keys: of what assertions are
            signed with.
    """
    rights.watch(database)
    secrets = Keys(secret_keys)
    saml = settings.saml
    return Identity(
        clock=clock,
        tokens=Tokens(database, Keys(keys), clock, lifetime_s=settings.token_lifetime_s),
        passwords=Passwords(clock, rounds=settings.password_rounds),
        secrets=secrets,
        directories=Directories(secrets),
        catalogs=Catalogs(),
        settings=settings,
        openid={name: OpenIDProvider(one, clock) for name, one in settings.openid.items()},
        saml=None if saml is None else SAMLProvider(saml, saml_keys, clock),
    )


async def project_exists(tx: Transaction, project_id: str) -> bool:
    """Whether there is a project with this id."""
    return await tx.first(_project, {"id": project_id}) is not None


async def limits(
    tx: Transaction, service_type: str, project_id: str, region: str
) -> dict[str, int]:
    """What a project may use of a service's resources, by name; -1 is without limit, a missing name has none."""
    return await in_force(tx, service_type, project_id, region)


async def endpoint(tx: Transaction, kind: str, region: str) -> str | None:
    """The address of a service outside of this house, as the catalog has it; internal before public."""
    url = await tx.scalar(_endpoint, {"kind": kind, "region": region})
    return None if url is None else str(url)


async def service_address(tx: Transaction, kind: str, region: str, interface: str) -> str | None:
    """The address of a service in a region, as the catalog has it: "$(origin)s" begins those of this house."""
    wanted = {"kind": kind, "region": region, "interface": interface}
    url = await tx.scalar(_in_region, wanted)
    return None if url is None else str(url)


async def bootstrap(
    tx: Transaction,
    clock: Clock,
    *,
    admin_password_hash: str,
    region: str,
    catalog: Sequence[CatalogEntry],
) -> str:
    """The least that an identity service needs: the default domain, the project and user admin, the roles, the catalog.

    Gives the id of the project admin.

    What is there already stays as it is, the administrator's password included; new catalog entries are added.
    """
    if await tx.first(sa.select(state).where(state.c.id == 1)) is None:
        await tx.insert(state, {"id": 1, "revision": 1})
    common = {"enabled": True, "options": {}, "extra": {}}
    if await tx.first(_project, {"id": "default"}) is None:
        await tx.insert(
            projects,
            {
                **common,
                "id": "default",
                "name": "Default",
                "name_scope": "*",
                "is_domain": True,
                "description": "The default domain",
            },
        )
    project_id = await tx.scalar(_first_project)
    if project_id is None:
        project_id = new_hex()
        await tx.insert(
            projects,
            {
                **common,
                "id": project_id,
                "name": "admin",
                "name_scope": "default",
                "domain_id": "default",
                "parent_id": "default",
                "is_domain": False,
                "description": "Bootstrap project for initializing the cloud.",
            },
        )
    user_id = await tx.scalar(_first_user)
    if user_id is None:
        user_id = new_hex()
        await tx.insert(
            users,
            {
                **common,
                "id": user_id,
                "name": "admin",
                "domain_id": "default",
                "password_hash": admin_password_hash,
                "password_changed_at": clock.now(),
                "past_hashes": [],
                "failed_sign_ins": 0,
                "created_at": clock.now(),
            },
        )
    role_ids: dict[str, str] = {}
    for name in ("admin", "manager", "member", "reader", "service"):
        role_id = await tx.scalar(
            sa.select(roles.c.id)
            .where(roles.c.domain_id == "*", named(roles, name))
            .order_by(exact_first(roles, name))
        )
        if role_id is None:
            role_id = new_hex()
            await tx.insert(
                roles,
                {
                    "id": role_id,
                    "name": name,
                    "domain_id": "*",
                    "options": {"immutable": True} if name != "service" else {},
                    "extra": {},
                },
            )
        role_ids[name] = role_id
    for prior, implied in (("admin", "manager"), ("manager", "member"), ("member", "reader")):
        pair = {"prior_id": role_ids[prior], "implied_id": role_ids[implied]}
        there = sa.select(implied_roles).where(
            implied_roles.c.prior_id == pair["prior_id"],
            implied_roles.c.implied_id == pair["implied_id"],
        )
        if await tx.first(there) is None:
            await tx.insert(implied_roles, pair)
    for kind, target in (("project", project_id), ("system", "all")):
        grant = {
            "actor_kind": "user",
            "actor_id": user_id,
            "target_kind": kind,
            "target_id": target,
            "role_id": role_ids["admin"],
            "inherited": False,
        }
        there = sa.select(assignments).where(
            *(assignments.c[name] == value for name, value in grant.items())
        )
        if await tx.first(there) is None:
            await tx.insert(assignments, grant)
    if await tx.first(sa.select(regions).where(regions.c.id == region)) is None:
        await tx.insert(
            regions, {"id": region, "parent_region_id": None, "description": "", "extra": {}}
        )
    for entry in catalog:
        there = sa.select(services).where(services.c.type == entry.type)
        if await tx.first(there) is not None:
            continue
        service_id = new_hex()
        await tx.insert(
            services,
            {
                "id": service_id,
                "type": entry.type,
                "name": entry.name,
                "description": entry.description,
                "enabled": True,
                "extra": {},
            },
        )
        for interface in ("public", "internal", "admin"):
            await tx.insert(
                endpoints,
                {
                    "id": new_hex(),
                    "service_id": service_id,
                    "interface": interface,
                    "region_id": region,
                    "url": f"$(origin)s{entry.path}",
                    "enabled": True,
                    "extra": {},
                },
            )
    return str(project_id)


async def first_project(tx: Transaction) -> str:
    """The id of the project admin."""
    found = await tx.scalar(_first_project)
    assert found is not None, "identity has no first rows"
    return str(found)


async def show_in_catalog(tx: Transaction, kind: str, *, shown: bool) -> None:
    """Show a service of this house in catalogs, or do not; its rows stay."""
    await tx.execute(services.update().where(services.c.type == kind).values(enabled=shown))


async def follow_directories(database: Database, room: Identity) -> None:
    """Bring the people and groups of domains with a directory up to date."""
    await follow_all(database, room.directories)


async def forget_past(database: Database, room: Identity) -> None:
    """Remove what was kept to be told to others for a while."""
    async with database.write() as tx:
        await revocations.forget(tx, room.clock.now(), room.tokens.lifetime)


async def rotate_keys(database: Database, room: Identity) -> int:
    """Seal tokens with a new key from now on, and every secret in the database anew; gives the number of those.

    Nobody is signed out: a key opens for as long as what it has sealed lives.
    """
    room.tokens.rotate_keys()
    return await sealed.rotate(database, room.secrets)


async def rotate_keys_in_time(database: Database, room: Identity) -> bool:
    """Rotate if the newest key is as old as the operator's settings allow; returns whether that was so."""
    days = room.settings.rotate_keys_days
    if not days or room.secrets.age_s() < days * 86_400:
        return False
    await rotate_keys(database, room)
    return True
