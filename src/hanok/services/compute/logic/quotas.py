"""Compute's quotas: what is counted for projects and for users in them, and the service's words when a limit is passed.

Source: Compute API reference, "Quota sets"; administration guide, "Manage quotas" (names of unified limits).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy import bindparam

from hanok.base.errors import OverQuota
from hanok.limits import DEFAULTS, Over, OverLimit, Resource
from hanok.services.compute.room import Compute
from hanok.services.compute.tables import keypairs, servers
from hanok.store import Transaction

_alive = servers.c.deleted.is_(False)
_mine = sa.and_(servers.c.project_id == bindparam("owner"), _alive)


def _sum(column: sa.Column[Any]) -> sa.Select[Any]:
    return sa.select(sa.func.coalesce(sa.func.sum(column), 0)).where(_mine)


RESOURCES = (
    Resource(
        name="instances",
        default=10,
        registered="servers",
        count=sa.select(sa.func.count()).select_from(servers).where(_mine),
    ),
    Resource(name="cores", default=20, registered="class:VCPU", count=_sum(servers.c.vcpus)),
    # docs/decisions/0007
    Resource(name="ram", registered="class:MEMORY_MB", count=_sum(servers.c.memory_mib)),
    Resource(name="metadata_items", default=128, registered="server_metadata_items"),
    Resource(
        name="key_pairs",
        default=100,
        registered="server_key_pairs",
        count=sa.select(sa.func.count()).where(keypairs.c.user_id == bindparam("owner")),
    ),
    Resource(name="server_groups", default=10, registered="server_groups"),
    Resource(name="server_group_members", default=10, registered="server_group_members"),
    Resource(name="injected_files", default=5, registered="server_injected_files"),
    Resource(
        name="injected_file_content_bytes",
        default=10240,
        registered="server_injected_file_content_bytes",
    ),
    Resource(
        name="injected_file_path_bytes",
        default=255,
        registered="server_injected_file_path_bytes",
    ),
    Resource(name="fixed_ips"),
    Resource(name="floating_ips"),
    Resource(name="security_groups"),
    Resource(name="security_group_rules"),
)
CLASS = DEFAULTS
OF_SERVERS = ("instances", "cores", "ram")

_used_by = sa.select(
    sa.func.count().label("instances"),
    sa.func.coalesce(sa.func.sum(servers.c.vcpus), 0).label("cores"),
    sa.func.coalesce(sa.func.sum(servers.c.memory_mib), 0).label("ram"),
).where(_mine, servers.c.user_id == bindparam("user_id"))


def owner(project_id: str, user_id: str | None = None) -> str:
    """Whose limits: a project's, or those that one user has in it."""
    return project_id if user_id is None else f"{project_id}/{user_id}"


async def limits(
    tx: Transaction, room: Compute, project_id: str, user_id: str | None = None
) -> dict[str, int]:
    """A project's limits, or those of one user in it: its own, and for the rest the project's. -1 is no limit."""
    found = await room.limits.maximums(tx, project_id)
    if user_id is not None:
        found |= await room.limits.own(tx, owner(project_id, user_id))
    return found


async def reset(
    tx: Transaction, room: Compute, project_id: str, user_id: str | None = None
) -> None:
    """Forget a user's limits in a project, or the project's with those of all its users."""
    within = f"{project_id}/" if user_id is None else ""
    await room.limits.reset(tx, owner(project_id, user_id), within=within)


async def used(
    tx: Transaction, room: Compute, project_id: str, user_id: str | None = None
) -> dict[str, int]:
    """What a project uses, or one user in it: instances, cores, ram (MiB)."""
    if user_id is None:
        return await room.limits.used(tx, project_id, OF_SERVERS)
    row = await tx.first(_used_by, {"owner": project_id, "user_id": user_id})
    assert row is not None
    return {name: int(row._mapping[name]) for name in OF_SERVERS}


async def check_servers(
    tx: Transaction,
    room: Compute,
    project_id: str,
    user_id: str,
    *,
    count: int,
    vcpus: int,
    memory_mib: int,
) -> None:
    """Hold a request for servers against the limits of the project and of its user, in the transaction that makes them.

    Raises:
        OverQuota: a limit would be passed; the message names it.
    """
    requested = {"instances": count, "cores": vcpus * count, "ram": memory_mib * count}
    try:
        await room.limits.check(tx, project_id, requested)
    except OverLimit as error:
        raise _over(error.over) from error
    own = await room.limits.own(tx, owner(project_id, user_id))
    if not own:
        return
    taken = await used(tx, room, project_id, user_id)
    over = [
        Over(resource=name, maximum=own[name], used=taken[name], requested=amount)
        for name, amount in requested.items()
        if 0 <= own.get(name, -1) < taken[name] + amount
    ]
    if over:
        raise _over(over)


def _over(over: Sequence[Over]) -> OverQuota:
    names = ", ".join(one.resource for one in over)
    return OverQuota(
        f"Quota exceeded for {names}: Requested {', '.join(str(one.requested) for one in over)}, "
        f"but already used {', '.join(str(one.used) for one in over)} of "
        f"{', '.join(str(one.maximum) for one in over)} {names}"
    )


async def check_keypairs(tx: Transaction, room: Compute, project_id: str, user_id: str) -> None:
    """Hold one more key pair of a user against the limit, which is the project's unless the user has one there.

    Raises:
        OverQuota
    """
    own = await room.limits.own(tx, owner(project_id, user_id))
    maximum = own.get("key_pairs")
    try:
        await room.limits.check(tx, project_id, {"key_pairs": 1}, of=user_id, maximum=maximum)
    except OverLimit as error:
        raise OverQuota("Quota exceeded, too many key pairs.") from error


async def check_metadata(
    tx: Transaction, room: Compute, project_id: str, metadata: Mapping[str, str]
) -> None:
    """Hold what one thing has of metadata against the limit.

    Raises:
        OverQuota
    """
    try:
        await room.limits.check_one_request(tx, project_id, {"metadata_items": len(metadata)})
    except OverLimit as error:
        [over] = error.over
        raise OverQuota(f"Maximum number of metadata items exceeds {over.maximum}") from error
