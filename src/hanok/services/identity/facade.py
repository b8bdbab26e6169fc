"""What other rooms, and the house itself, may ask of identity."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from functools import partial
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy import bindparam

from hanok.base.clock import Clock
from hanok.base.cloud_key import CloudKey
from hanok.rooms import CatalogEntry
from hanok.services.identity.logic import (
    deferred,
    ec2,
    first_rows,
    revocations,
    rights,
    sealed,
    stack_users,
)
from hanok.services.identity.logic.catalog import Catalogs
from hanok.services.identity.logic.directories import Directories, follow_all
from hanok.services.identity.logic.ec2 import Key
from hanok.services.identity.logic.keys import Keys, forget_files
from hanok.services.identity.logic.limits import in_force
from hanok.services.identity.logic.openid import OpenIDProvider
from hanok.services.identity.logic.passwords import Passwords
from hanok.services.identity.logic.saml import SAMLProvider
from hanok.services.identity.logic.stack_users import StackUser
from hanok.services.identity.logic.tokens import Tokens
from hanok.services.identity.room import Identity, IdentitySettings
from hanok.services.identity.tables import (
    endpoints,
    projects,
    sealing_keys,
    services,
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
_project = sa.select(projects.c.id, projects.c.name, projects.c.enabled).where(
    projects.c.id == bindparam("id")
)

_user = sa.select(users.c.id, users.c.name).where(users.c.id == bindparam("id"))

__all__ = [
    "Identity",
    "IdentitySettings",
    "Key",
    "StackUser",
    "bootstrap",
    "borrowed",
    "borrowed_by_trust",
    "build",
    "ec2_key",
    "end_trust",
    "endpoint",
    "ensure_stack_user",
    "entrust",
    "first_project",
    "follow_directories",
    "follow_keys",
    "forget_past",
    "forget_stack_project",
    "forget_stack_user",
    "lent",
    "limits",
    "part",
    "prepare_keys",
    "project_exists",
    "rotate_keys",
    "rotate_keys_in_time",
    "service_address",
    "show_in_catalog",
    "stack_user_key",
    "stack_user_token",
]


def build(
    database: Database,
    clock: Clock,
    settings: IdentitySettings,
    *,
    cloud_key: CloudKey,
    folder: Path,
    keys_changed: Callable[[], None],
) -> Identity:
    """The room; it serves when `prepare_keys` has run.

    Args:
        cloud_key: seals the keys of tokens and secrets. folder: where an older version kept those.
        keys_changed: tells other processes of new ones.
    """
    rights.watch(database)
    secrets = Keys("secret", cloud_key, clock, keys_changed)
    tokens = Keys("token", cloud_key, clock, keys_changed)
    saml = settings.saml
    return Identity(
        clock=clock,
        tokens=Tokens(database, tokens, clock, lifetime_s=settings.token_lifetime_s),
        passwords=Passwords(clock, rounds=settings.password_rounds),
        secrets=secrets,
        directories=Directories(secrets),
        catalogs=Catalogs(),
        settings=settings,
        openid={name: OpenIDProvider(one, clock) for name, one in settings.openid.items()},
        saml=None
        if saml is None
        else SAMLProvider(
            saml, partial(_own_saml_key, database, cloud_key, folder / SAML_KEYS, clock), clock
        ),
        key_folder=folder,
    )


TOKEN_KEYS, SECRET_KEYS, SAML_KEYS = (
    "token-keys",
    "secret-keys",
    "saml-keys",
)  # folders of older versions


async def _own_saml_key(
    database: Database, cloud_key: CloudKey, folder: Path, clock: Clock
) -> bytes:
    from hanok.services.identity.logic import saml_key  # what it needs is loaded when it is used

    return await saml_key.own(database, cloud_key, folder, clock)


async def prepare_keys(tx: Transaction, room: Identity) -> None:
    """Have keys; those that an older version left as files are taken over, and nobody is signed out.

    Raises:
        Unavailable: they were sealed with another cloud's key.
    """
    for keys, name in ((room.tokens.keys, TOKEN_KEYS), (room.secrets, SECRET_KEYS)):
        folder = room.key_folder / name
        if await keys.prepare(tx, folder):
            tx.after_commit(partial(forget_files, folder))


async def follow_keys(database: Database, room: Identity) -> None:
    """Know the keys that other processes have made or forgotten."""
    async with database.read() as tx:
        await room.tokens.keys.load(tx)
        await room.secrets.load(tx)


async def project_exists(tx: Transaction, project_id: str) -> bool:
    """Whether there is a project with this id."""
    return await tx.first(_project, {"id": project_id}) is not None


async def names_of(tx: Transaction, project_id: str, user_id: str) -> tuple[str, str]:
    """The names of a project and of a user; empty where there is none."""
    project = await tx.first(_project, {"id": project_id})
    user = await tx.first(_user, {"id": user_id})
    return (project.name if project else "", user.name if user else "")


async def ec2_key(database: Database, room: Identity, access: str) -> Key | None:
    """What the key of EC2 and S3 with this access key is worth now; None: nothing."""
    async with database.read() as tx:
        return await ec2.key(tx, room, access)


def lent(room: Identity, token: str) -> bytes | None:
    """What stands behind a token, for work that outlives it; kept sealed. None: it is no token."""
    return room.tokens.lent(token)


async def borrowed(room: Identity, raw: bytes) -> str:
    """A token of this hour with the rights and bounds of one that was lent; its worth is read when it is used."""
    return room.tokens.borrowed(raw)


async def entrust(tx: Transaction, room: Identity, raw: bytes, before: str) -> str:
    """A trust for work that goes on with what was lent; gives its id. See logic.deferred."""
    return await deferred.entrust(tx, room, raw, before)


async def end_trust(tx: Transaction, room: Identity, trust_id: str) -> None:
    """Such work is done."""
    await deferred.end(tx, room, trust_id)


async def borrowed_by_trust(database: Database, room: Identity, raw: bytes, trust_id: str) -> str:
    """See borrowed; while the trust stands, if there is one, and with its rights where those that were lent are gone.

    Raises:
        NotSignedIn: neither is worth anything now.
    """
    return await deferred.borrowed(database, room, raw, trust_id)


async def ensure_stack_user(
    database: Database, room: Identity, requested: StackUser, password: str
) -> str:
    """A user of a stack is there with this password; gives the id of the domain of such users."""
    hashed = await room.passwords.hash(password)
    async with database.write() as tx:
        return await stack_users.ensure(tx, requested, hashed, room.clock.now())


async def forget_stack_user(database: Database, room: Identity, user_id: str) -> None:
    async with database.write() as tx:
        await stack_users.forget(tx, user_id, room.clock.now())


async def forget_stack_project(tx: Transaction, room: Identity, project_id: str) -> None:
    """The project of a stack's users is gone, with all of them."""
    await stack_users.forget_project(tx, project_id, room.clock.now())


async def stack_user_token(
    database: Database, room: Identity, user_id: str, project_id: str
) -> str:
    """A token of a stack's user, as if it had signed in now."""
    async with database.read() as tx:
        return await stack_users.token(tx, room, user_id, project_id)


async def stack_user_key(
    database: Database, room: Identity, user_id: str, project_id: str, access: str
) -> str:
    """A key of EC2 of a stack's user; gives its secret."""
    async with database.write() as tx:
        return await stack_users.key(tx, room, user_id, project_id, access)


async def forget_stack_user_key(database: Database, access: str) -> None:
    async with database.write() as tx:
        await stack_users.forget_key(tx, access)


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
    requested = {"kind": kind, "region": region, "interface": interface}
    url = await tx.scalar(_in_region, requested)
    return None if url is None else str(url)


async def bootstrap(
    tx: Transaction,
    clock: Clock,
    *,
    admin_password_hash: Callable[[], Awaitable[str]],
    region: str,
    catalog: Sequence[CatalogEntry],
) -> str:
    """The least that an identity service needs: the default domain, the project and user admin, the roles, the catalog.

    Gives the id of the project admin.

    What is there already stays as it is, the administrator's password included; new catalog entries are added.
    """
    await first_rows.ensure_domain(tx)
    project_id = await first_rows.ensure_project(tx)
    user_id = await first_rows.ensure_administrator(tx, admin_password_hash, clock.now())
    role_ids = await first_rows.ensure_first_roles(tx)
    for kind, target in (("project", project_id), ("system", "all")):
        await first_rows.ensure_grant(tx, user_id, kind, target, role_ids["admin"])
    await first_rows.ensure_region(tx, region)
    await first_rows.ensure_services(tx, catalog, region)
    return project_id


async def ensure_roles(tx: Transaction, *names: str) -> None:
    """Roles that another service's rules name are there."""
    await first_rows.ensure_roles(tx, names)


async def first_project(tx: Transaction) -> str:
    """The id of the project admin."""
    found = await first_rows.project(tx)
    assert found is not None, "identity has no first rows"
    return found


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
    await room.tokens.rotate_keys()
    return await sealed.rotate(database, room.secrets)


async def rotate_keys_in_time(database: Database, room: Identity) -> bool:
    """Rotate if the newest key is as old as the operator's settings allow; returns whether that was so."""
    days = room.settings.rotate_keys_days
    if not days or room.secrets.age_s() < days * 86_400:
        return False
    await rotate_keys(database, room)
    return True


async def part(tx: Transaction, admin_password_hash: str, now: datetime) -> None:
    """The keys of tokens and assertions are forgotten, and the administrator has this password. See Room.part."""
    await tx.execute(sealing_keys.delete().where(sealing_keys.c.purpose != "secret"))
    await first_rows.set_password(tx, admin_password_hash, now)
