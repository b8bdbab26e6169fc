"""Quotas: what is counted for projects, for users in them and for types, and the words when a limit is passed.

A limit of a user in a project, or of a type in it, is kept beside the project's, under an owner of its own.
Source: Shared File Systems API reference, "Quota sets".
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import sqlalchemy as sa
from sqlalchemy import bindparam

from hanok.base.errors import TooLarge
from hanok.limits import Limits, OverLimit, Resource
from hanok.services.shared_file_system.room import SharedFileSystemSettings, Shares
from hanok.services.shared_file_system.tables import (
    share_backups,
    share_group_snapshots,
    share_groups,
    share_instances,
    share_networks,
    share_snapshots,
    shares,
)
from hanok.store import Transaction

SERVICE = "shared-file-system"
PER_TYPE = (
    "shares", "gigabytes", "snapshots", "snapshot_gigabytes", "share_replicas", "replica_gigabytes",
)  # fmt: skip
NOT_PER_TYPE = ("share_networks", "share_groups", "share_group_snapshots")
_OF_TYPE, _OF_USER = "type:", "user:"
_SLASH = 36 + 1  # characters of a project's id with dashes, and the slash behind it
_owner = bindparam("owner", type_=sa.String)
Counts = dict[str, sa.Select[Any]]


def _count(table: sa.Table, *where: sa.ColumnElement[bool]) -> sa.Select[Any]:
    return sa.select(sa.func.count()).select_from(table).where(*where)


def _sum(column: sa.Column[Any], *where: sa.ColumnElement[bool]) -> sa.Select[Any]:
    return sa.select(sa.func.coalesce(sa.func.sum(column), 0)).where(*where)


def _mine(table: sa.Table, level: str) -> sa.ColumnElement[bool]:
    """Whether a row is of an owner of a level: a project, or a user or a type in one ("project/user")."""
    if not level:
        return table.c.project_id == _owner
    column = table.c.user_id if level == _OF_USER else table.c.type_id
    return table.c.project_id + "/" + column == _owner


def _counts(level: str) -> Counts:
    """What is counted for owners of a level. Replicas are instances of shares."""
    replicas = share_instances.join(shares, shares.c.id == share_instances.c.share_id)
    is_one = share_instances.c.replica_state.is_not(None)
    of = _mine(shares, level)
    gigabytes = sa.func.coalesce(sa.func.sum(share_instances.c.size_gib), 0)
    return {
        "shares": _count(shares, of),
        "gigabytes": _sum(shares.c.size_gib, of),
        "snapshots": _count(share_snapshots, _mine(share_snapshots, level)),
        "snapshot_gigabytes": _sum(share_snapshots.c.size_gib, _mine(share_snapshots, level)),
        "share_replicas": sa.select(sa.func.count()).select_from(replicas).where(of, is_one),
        "replica_gigabytes": sa.select(gigabytes).select_from(replicas).where(of, is_one),
    }


MORE: dict[str, sa.Table] = {
    "share_networks": share_networks,
    "share_groups": share_groups,
    "share_group_snapshots": share_group_snapshots,
    "backups": share_backups,
}
"""What else is counted, each a table with a project's and a user's id."""
SUMMED: dict[str, sa.Column[Any]] = {"backup_gigabytes": share_backups.c.size_gib}
"""What else is summed up, by a column of such a table."""


def _all_counts(level: str) -> Counts:
    found = _counts(level)
    if level != _OF_TYPE:
        found |= {name: _count(table, _mine(table, level)) for name, table in MORE.items()}
        for name, column in SUMMED.items():
            assert isinstance(column.table, sa.Table)
            found[name] = _sum(column, _mine(column.table, level))
        keys = sa.func.count(sa.distinct(shares.c.encryption_key_ref))
        found["encryption_keys"] = sa.select(keys).where(_mine(shares, level))
    return found


@lru_cache(maxsize=16)
def _resources(settings: SharedFileSystemSettings, level: str) -> tuple[Resource, ...]:
    counts = _all_counts(level)
    return tuple(
        Resource(
            name=name,
            default=getattr(settings, f"quota_{name}"),
            registered="" if level else name,
            count=counts.get(name),
        )
        for name in NAMES
    )


NAMES = (
    "shares", "gigabytes", "snapshots", "snapshot_gigabytes", "share_networks", "share_groups",
    "share_group_snapshots", "share_replicas", "replica_gigabytes", "per_share_gigabytes", "backups",
    "backup_gigabytes", "encryption_keys",
)  # fmt: skip


def _limits(room: Shares, level: str = "") -> Limits:
    return Limits(SERVICE, _resources(room.settings, level), None if level else room.registered)


def _key(level: str, project_id: str, name: str) -> str:
    """What the limits of a user or a type in a project are kept under."""
    return f"{project_id}/{level}{name}"


class Of:
    """The limits of a project, or of a user or a type in it: its own, and for the rest the project's."""

    def __init__(
        self, room: Shares, project_id: str, *, user_id: str = "", type_id: str = ""
    ) -> None:
        self._level = _OF_USER if user_id else _OF_TYPE if type_id else ""
        self._project_id, self._name = project_id, user_id or type_id
        self._project, self._own = _limits(room), _limits(room, self._level)
        self._whose = _key(self._level, project_id, self._name) if self._level else project_id

    async def maximums(self, tx: Transaction) -> dict[str, int]:
        found = await self._project.maximums(tx, self._project_id)
        if self._level:
            found |= await self._own.own(tx, self._whose)
        return found

    async def set(self, tx: Transaction, requested: Mapping[str, int]) -> None:
        await self._own.set(tx, self._whose, requested)

    async def reset(self, tx: Transaction) -> None:
        """Forget them; a project's with those of all its users and types."""
        within = "" if self._level else f"{self._project_id}/"
        await self._own.reset(tx, self._whose, within=within)

    @property
    def _counted(self) -> str:
        return f"{self._project_id}/{self._name}" if self._level else self._project_id

    async def used(self, tx: Transaction) -> dict[str, int]:
        names = [name for name in NAMES if name in _all_counts(self._level)]
        return await self._own.used(tx, self._counted, names)

    async def check(self, tx: Transaction, more: Mapping[str, int]) -> None:
        """Raises OverLimit."""
        if not self._level:
            await self._project.check(tx, self._project_id, more)
            return
        own = await self._own.own(tx, self._whose)
        for name, amount in more.items():
            if name in own:
                await self._own.check(
                    tx, self._whose, {name: amount}, of=self._counted, maximum=own[name]
                )


async def forget_type(tx: Transaction, room: Shares, type_id: str) -> None:
    """No project has limits of this type any more."""
    await _limits(room, _OF_TYPE).forget(tx, f"/{_OF_TYPE}{type_id}")


async def defaults(tx: Transaction, room: Shares) -> dict[str, int]:
    """The limits of a project that has none of its own."""
    return await _limits(room).defaults(tx)


async def set_defaults(tx: Transaction, room: Shares, owner: str, sent: Mapping[str, int]) -> None:
    await _limits(room).set(tx, owner, sent)


async def check(
    tx: Transaction, room: Shares, project_id: str, user_id: str, type_id: str, **more: int
) -> None:
    """Go on only if a project, this user in it, and a type in it may have this much more.

    Raises:
        TooLarge: in the service's words.
    """
    counted = {name: amount for name, amount in more.items() if amount > 0}
    if not counted:
        return
    per_type = {name: amount for name, amount in counted.items() if name in PER_TYPE}
    try:
        await Of(room, project_id).check(tx, counted)
        await Of(room, project_id, user_id=user_id).check(tx, counted)
        if type_id:
            await Of(room, project_id, type_id=type_id).check(tx, per_type)
    except OverLimit as error:
        raise over(error) from None


async def check_of(tx: Transaction, of: Of, more: Mapping[str, int]) -> None:
    """The same of just one of them. Raises TooLarge."""
    try:
        await of.check(tx, more)
    except OverLimit as error:
        raise over(error) from None


async def check_size(tx: Transaction, room: Shares, project_id: str, size_gib: int) -> None:
    """Raises TooLarge when one share may not be so large."""
    try:
        await _limits(room).check_one_request(tx, project_id, {"per_share_gigabytes": size_gib})
    except OverLimit as error:
        raise TooLarge(
            f"Requested share size {size_gib}G is larger than maximum allowed limit "
            f"{error.over[0].maximum}G."
        ) from None


_WORDS = {
    "gigabytes": "Requested share exceeds allowed project/user or share type gigabytes quota.",
    "snapshot_gigabytes": "Requested snapshot exceeds allowed project/user or share type gigabytes quota.",
    "replica_gigabytes": "Requested share replica exceeds allowed project/user or share type gigabytes quota.",
    "backup_gigabytes": "Requested backup exceeds allowed Backup gigabytes quota.",
}


def over(error: OverLimit) -> TooLarge:
    """What a user is told."""
    one = error.over[0]
    name = one.resource.replace("_", " ")
    text = _WORDS.get(
        one.resource,
        f"Maximum number of {name} allowed ({one.maximum}) exceeded for quota '{one.resource}'.",
    )
    return TooLarge(text, headers={"Retry-After": "0"})
