"""Domains whose accounts are in a directory: what is there appears here, and can be changed there only.

People and groups of a directory have rows like all others, with ids made from where they come from, so that roles,
tokens and credentials work for them as for everybody. The rows follow the directory: at each sign-in, and all of them
once in a while. Whoever is gone from the directory is switched off, not deleted: a directory that was emptied by
mistake costs nobody their roles.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Row, bindparam

from hanok.base.errors import Forbidden, HanokError
from hanok.services.identity.logic import domain_options
from hanok.services.identity.logic.directory import Directory, Person, Team, Turns
from hanok.services.identity.logic.keys import Keys
from hanok.services.identity.logic.lookup import renamed
from hanok.services.identity.tables import (
    directory_entries,
    group_members,
    groups,
    users,
)
from hanok.services.identity.tables import (
    domain_options as options_table,
)
from hanok.store import Database, Duplicate, Transaction

log = logging.getLogger(__name__)

_driver = sa.select(options_table.c.domain_id).where(
    options_table.c.group == "identity",
    options_table.c.option == "driver",
    options_table.c.value == "ldap",
)
_entry = sa.select(directory_entries).where(directory_entries.c.public_id == bindparam("id"))
_entries = sa.select(directory_entries).where(
    directory_entries.c.domain_id == bindparam("domain"),
    directory_entries.c.kind == bindparam("kind"),
)
_users = sa.select(users).where(users.c.domain_id == bindparam("domain"))
_groups = sa.select(groups).where(groups.c.domain_id == bindparam("domain"))
_members = sa.select(group_members).where(
    group_members.c.group_id.in_(
        sa.select(directory_entries.c.public_id).where(
            directory_entries.c.domain_id == bindparam("domain"),
            directory_entries.c.kind == "group",
        )
    )
)


def public_id(domain_id: str, kind: str, local_id: str) -> str:
    """The id of somebody of a directory: always the same."""
    return hashlib.sha256(f"{domain_id}{kind}{local_id}".encode()).hexdigest()


class Directories:
    """The directories of all domains."""

    def __init__(self, secrets: Keys) -> None:
        self._secrets = secrets
        self._turns: dict[str, Turns] = {}

    def pending(self, domain_id: str) -> int:
        """How many requests ask the directory of a domain, or wait to."""
        return len(self._turns.get(domain_id, ()))

    async def there_are(self, tx: Transaction) -> bool:
        """Whether any domain has one."""
        return await tx.first(_driver) is not None

    async def all(self, database: Database) -> Mapping[str, Directory]:
        """By domain, as they are set at this moment."""
        async with database.read() as tx:
            domains = await tx.scalars(_driver)
            found = {one: await domain_options.read_all(tx, one, self._secrets) for one in domains}
        return {
            one: Directory(options.get("ldap", {}), self._turns.setdefault(one, Turns()))
            for one, options in found.items()
        }


async def check_ours(tx: Transaction, what: str, thing_id: str) -> None:
    """
    Raises:
        Forbidden: the user or group is a directory's.
    """
    if await tx.first(_entry, {"id": thing_id}) is not None:
        raise Forbidden(f"This {what} is kept in a directory (LDAP) and can be changed only there.")


async def check_domain(tx: Transaction, what: str, domain_id: str) -> None:
    """
    Raises:
        Forbidden: the accounts of the domain are in a directory.
    """
    if domain_id in await tx.scalars(_driver):
        raise Forbidden(
            f"The {what}s of this domain are kept in a directory (LDAP): add this one there."
        )


# ---- sign-in ----


async def seek(
    database: Database, directories: Directories, *, domain_id: str, name: str
) -> tuple[Directory, str, str] | None:
    """Somebody by name, as the directory has them now: the directory, the id here and the DN there.

    None when the domain has no directory, or the directory nobody of that name.
    """
    directory = (await directories.all(database)).get(domain_id)
    person = None if directory is None else await directory.find(name)
    return await _refreshed(database, domain_id, directory, person)


async def seek_by_id(
    database: Database, directories: Directories, user_id: str
) -> tuple[Directory, str, str] | None:
    """The same by the id that somebody has here."""
    known = await directories.all(database)
    if not known:
        return None
    async with database.read() as tx:
        entry = await tx.first(_entry, {"id": user_id})
    if entry is None or entry.domain_id not in known:
        return None
    directory = known[entry.domain_id]
    person = await directory.get(entry.local_id)
    return await _refreshed(database, entry.domain_id, directory, person)


async def _refreshed(
    database: Database, domain_id: str, directory: Directory | None, person: Person | None
) -> tuple[Directory, str, str] | None:
    if directory is None or person is None:
        return None
    user_id = public_id(domain_id, "user", person.local_id)
    async with database.read() as tx:
        row = await tx.first(sa.select(users).where(users.c.id == user_id))
    if row is None:
        # With all its groups; the next sign-ins look at the person alone.
        await follow(database, domain_id, directory)
    elif _differs(row, person):
        async with database.write() as tx:
            await _write_person(tx, domain_id, person, row)
    return directory, user_id, person.dn


# ---- following ----


async def follow_all(database: Database, directories: Directories) -> None:
    """Bring the rows of every directory up to date; one that does not answer stays as it was."""
    for domain_id, directory in (await directories.all(database)).items():
        try:
            await follow(database, domain_id, directory)
        except HanokError as error:
            log.warning("the directory of domain %s: %s %s", domain_id, error.message, error.detail)
        except Exception:  # an outermost loop: one domain's directory stops only itself
            log.exception("the directory of domain %s cannot be followed", domain_id)


async def follow(database: Database, domain_id: str, directory: Directory) -> None:
    """Bring the rows of a domain up to what its directory says.

    Raises:
        Unavailable: the directory does not answer.
    """
    people, teams = await directory.people(), await directory.teams()
    async with database.write() as tx:
        await tx.serialize("directory", domain_id)
        await _follow_people(tx, domain_id, people)
        await _follow_teams(tx, domain_id, people, teams, directory)


async def _follow_people(tx: Transaction, domain_id: str, people: Sequence[Person]) -> None:
    entries = await tx.all(_entries, {"domain": domain_id, "kind": "user"})
    if entries and not people:
        log.warning("the directory of domain %s is empty: nobody is switched off", domain_id)
        return
    rows = {row.id: row for row in await tx.all(_users, {"domain": domain_id})}
    known = {entry.public_id: entry for entry in entries}
    for person in people:
        user_id = public_id(domain_id, "user", person.local_id)
        row = rows.get(user_id)
        if row is None or _differs(row, person):
            await _write_person(tx, domain_id, person, row)
    there = {public_id(domain_id, "user", person.local_id) for person in people}
    for user_id in known.keys() - there:
        if user_id in rows and rows[user_id].enabled:
            await tx.execute(users.update().where(users.c.id == user_id).values(enabled=False))


def _extra(person: Person | Team) -> dict[str, str]:
    email = person.email if isinstance(person, Person) else ""
    found = {"email": email, "description": person.description}
    return {name: value for name, value in found.items() if value}


def _differs(row: Row[Any], person: Person) -> bool:
    return bool(
        row.name != person.name or row.enabled != person.enabled or row.extra != _extra(person)
    )


async def _write_person(
    tx: Transaction, domain_id: str, person: Person, row: Row[Any] | None
) -> None:
    user_id = public_id(domain_id, "user", person.local_id)
    values = {"name": person.name, "enabled": person.enabled, "extra": _extra(person)}
    try:
        if row is not None:
            await tx.alter(users.update().where(users.c.id == user_id).values(**renamed(values)))
            return
        await tx.insert(
            users,
            {
                "id": user_id,
                "domain_id": domain_id,
                "password_hash": None,
                "past_hashes": [],
                "failed_sign_ins": 0,
                "options": {},
                **values,
            },
        )
    except Duplicate:
        log.warning(
            "domain %s has another user %s: %s stays out", domain_id, person.name, person.dn
        )
        return
    await _remember(tx, domain_id, "user", person)


async def _remember(tx: Transaction, domain_id: str, kind: str, thing: Person | Team) -> None:
    await tx.insert(
        directory_entries,
        {
            "public_id": public_id(domain_id, kind, thing.local_id),
            "domain_id": domain_id,
            "kind": kind,
            "local_id": thing.local_id,
        },
    )


async def _follow_teams(
    tx: Transaction,
    domain_id: str,
    people: Sequence[Person],
    teams: Sequence[Team],
    directory: Directory,
) -> None:
    rows: dict[str, Row[Any] | None] = {
        row.id: row for row in await tx.all(_groups, {"domain": domain_id})
    }
    for team in teams:
        group_id = public_id(domain_id, "group", team.local_id)
        row = rows.get(group_id)
        values = {"name": team.name, "description": team.description}
        if row is not None and all(getattr(row, name) == value for name, value in values.items()):
            continue
        try:
            if row is not None:
                await tx.alter(
                    groups.update().where(groups.c.id == group_id).values(**renamed(values))
                )
            else:
                own = {"id": group_id, "domain_id": domain_id, "extra": {}}
                await tx.insert(groups, {**own, **values})
                await _remember(tx, domain_id, "group", team)
                rows[group_id] = row
        except Duplicate:
            log.warning(
                "domain %s has another group %s: %s stays out", domain_id, team.name, team.dn
            )
    by_id = str(directory.options["group_members_are_ids"]).lower() in ("1", "true", "yes", "on")
    named = {
        person.local_id if by_id else person.dn.lower(): public_id(
            domain_id, "user", person.local_id
        )
        for person in people
    }
    requested = {
        (public_id(domain_id, "group", team.local_id), named[key])
        for team in teams
        for member in team.members
        if (key := member if by_id else member.lower()) in named
    }
    held = {(row.group_id, row.user_id) for row in await tx.all(_members, {"domain": domain_id})}
    present = {group for group, _ in requested} & rows.keys()
    new = sorted(pair for pair in requested - held if pair[0] in present)
    if new:
        await tx.execute(
            group_members.insert(), [{"group_id": group, "user_id": user} for group, user in new]
        )
    for group, user in sorted(held - requested):
        await tx.execute(
            group_members.delete().where(
                group_members.c.group_id == group, group_members.c.user_id == user
            )
        )
