"""Block storage's quotas: what is counted for projects, of all types and of each, and the words when a limit is passed.

Source: Block Storage API reference, "Quota sets extension".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Row, bindparam

from hanok.base.errors import TooLarge
from hanok.limits import Limits, OverLimit, Resource
from hanok.services.block_storage.room import Volumes
from hanok.services.block_storage.tables import (
    volume_backups,
    volume_groups,
    volume_snapshots,
    volumes,
)
from hanok.store import Transaction

SERVICE = "block-storage"
PER_TYPE = ("volumes", "gigabytes", "snapshots")
_owner: Any = bindparam("owner")


def _number(table: sa.Table, *where: sa.ColumnElement[bool]) -> sa.Select[Any]:
    return sa.select(sa.func.count()).select_from(table).where(table.c.project_id == _owner, *where)


def _gigabytes(table: sa.Table, *where: sa.ColumnElement[bool]) -> sa.ScalarSelect[Any]:
    total = sa.func.coalesce(sa.func.sum(table.c.size_gib), 0)
    return sa.select(total).where(table.c.project_id == _owner, *where).scalar_subquery()


def _both(with_snapshots: bool, type_id: str = "") -> sa.Select[Any]:
    of = [(t.c.type_id == type_id,) if type_id else () for t in (volumes, volume_snapshots)]
    total = _gigabytes(volumes, *of[0])
    return sa.select(total + _gigabytes(volume_snapshots, *of[1]) if with_snapshots else total)


@lru_cache(maxsize=8)
def _plain(settings: Any) -> tuple[Resource, ...]:
    """What is counted whatever its type."""
    return (
        Resource(
            name="volumes",
            default=settings.quota_volumes,
            registered="volumes",
            count=_number(volumes),
        ),
        Resource(name="per_volume_gigabytes", default=settings.quota_per_volume_gigabytes),
        Resource(
            name="snapshots",
            default=settings.quota_snapshots,
            registered="snapshots",
            count=_number(volume_snapshots),
        ),
        Resource(
            name="gigabytes",
            default=settings.quota_gigabytes,
            registered="gigabytes",
            count=_both(not settings.no_snapshot_gb_quota),
        ),
        Resource(
            name="backups",
            default=settings.quota_backups,
            registered="backups",
            count=_number(volume_backups),
        ),
        Resource(
            name="backup_gigabytes",
            default=settings.quota_backup_gigabytes,
            registered="backup_gigabytes",
            count=sa.select(_gigabytes(volume_backups)),
        ),
        Resource(
            name="groups",
            default=settings.quota_groups,
            registered="groups",
            count=_number(volume_groups),
        ),
    )


@lru_cache(maxsize=512)
def _of_type(type_id: str, name: str, with_snapshots: bool) -> tuple[Resource, ...]:
    return (
        Resource(name=f"volumes_{name}", count=_number(volumes, volumes.c.type_id == type_id)),
        Resource(name=f"gigabytes_{name}", count=_both(with_snapshots, type_id)),
        Resource(
            name=f"snapshots_{name}",
            count=_number(volume_snapshots, volume_snapshots.c.type_id == type_id),
        ),
    )


def limits(room: Volumes, types: Sequence[Row[Any]] = ()) -> Limits:
    """The limits of what is counted altogether, and of what has these types."""
    with_snapshots = not room.settings.no_snapshot_gb_quota
    of_types = [one for row in types for one in _of_type(row.id, row.name, with_snapshots)]
    return Limits(SERVICE, [*_plain(room.settings), *of_types], room.registered)


async def check(
    tx: Transaction,
    room: Volumes,
    project_id: str,
    kind: Row[Any],
    *,
    volumes: int = 0,
    snapshots: int = 0,
    gigabytes: int = 0,
) -> None:
    """Go on only if a project may have this much more of a type.

    Raises:
        TooLarge: in the service's words.
    """
    more = {"volumes": volumes, "snapshots": snapshots, "gigabytes": gigabytes}
    if snapshots and room.settings.no_snapshot_gb_quota:
        more["gigabytes"] = 0
    counted = {name: amount for name, amount in more.items() if amount}
    counted |= {f"{name}_{kind.name}": amount for name, amount in counted.items()}
    if not counted:
        return
    try:
        await limits(room, [kind]).check(tx, project_id, counted)
    except OverLimit as error:
        raise over(error) from None


async def check_type(
    tx: Transaction, room: Volumes, project_id: str, kind: Row[Any], more: Mapping[str, int]
) -> None:
    """Go on only if a project may have this much more of a type, of what it has already. Raises TooLarge."""
    try:
        counted = {f"{name}_{kind.name}": amount for name, amount in more.items()}
        await limits(room, [kind]).check(tx, project_id, counted)
    except OverLimit as error:
        raise over(error) from None


async def check_plain(tx: Transaction, room: Volumes, project_id: str, **more: int) -> None:
    """Go on only if a project may have this much more of what has no type: backups, backup_gigabytes, groups.

    Raises:
        TooLarge: in the service's words.
    """
    try:
        await limits(room).check(tx, project_id, more)
    except OverLimit as error:
        raise over(error) from None


async def check_size(tx: Transaction, room: Volumes, project_id: str, size_gib: int) -> None:
    """Raises TooLarge when one volume may not be so large."""
    try:
        await limits(room).check_one_request(tx, project_id, {"per_volume_gigabytes": size_gib})
    except OverLimit as error:
        maximum = error.over[0].maximum
        raise TooLarge(
            f"VolumeSizeExceedsLimit: Requested volume size {size_gib}G is larger than maximum allowed "
            f"limit {maximum}G."
        ) from None


_NOUNS = {
    "volumes": "VolumeLimitExceeded",
    "snapshots": "SnapshotLimitExceeded",
    "backups": "BackupLimitExceeded",
    "groups": "GroupLimitExceeded",
}
"""By what a project has as many of as it may: the word that tools look for in the text."""


def over(error: OverLimit) -> TooLarge:
    """What a user is told."""
    one = error.over[0]
    if one.resource.startswith(("gigabytes", "backup_gigabytes")):
        backup = one.resource.startswith("backup")
        word = (
            "VolumeBackupSizeExceedsAvailableQuota" if backup else "VolumeSizeExceedsAvailableQuota"
        )
        what = "backup" if backup else "volume or snapshot"
        resource = one.resource.replace("backup_gigabytes", "Backup gigabytes")
        text = (
            f"{word}: Requested {what} exceeds allowed {resource} quota. Requested {one.requested}G, "
            f"quota is {one.maximum}G and {one.used}G has been consumed."
        )
    else:
        noun = one.resource.partition("_")[0]
        text = f"{_NOUNS[noun]}: Maximum number of {noun} allowed ({one.maximum}) exceeded for quota '{one.resource}'."
    return TooLarge(text, headers={"Retry-After": "0"})
