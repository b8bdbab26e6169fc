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
from hanok.services.compute.tables import keypairs, server_group_members, server_groups, servers
from hanok.store import Transaction
from hanok.web.token import Caller

_alive = sa.and_(servers.c.deleted.is_(False), servers.c.vm_state != "soft-delete")
_mine = sa.and_(servers.c.project_id == bindparam("owner"), _alive)

_owner = bindparam("owner", type_=sa.String)
_UUID = 36  # characters


def _larger(one: sa.Column[Any], other: sa.Column[Any]) -> sa.ColumnElement[Any]:
    return sa.case((other > one, other), else_=one)


# Until a resize is confirmed or reverted, the larger of both flavors counts.
_vcpus = _larger(servers.c.vcpus, servers.c.held_vcpus)
_memory_mib = _larger(servers.c.memory_mib, servers.c.held_memory_mib)


def _sum(amount: sa.ColumnElement[Any]) -> sa.Select[Any]:
    return sa.select(sa.func.coalesce(sa.func.sum(amount), 0)).where(_mine)


RESOURCES = (
    Resource(
        name="instances",
        default=10,
        registered="servers",
        count=sa.select(sa.func.count()).select_from(servers).where(_mine),
    ),
    Resource(name="cores", default=20, registered="class:VCPU", count=_sum(_vcpus)),
    # docs/decisions/0007
    Resource(name="ram", registered="class:MEMORY_MB", count=_sum(_memory_mib)),
    Resource(name="metadata_items", default=128, registered="server_metadata_items"),
    Resource(
        name="key_pairs",
        default=100,
        registered="server_key_pairs",
        count=sa.select(sa.func.count()).where(keypairs.c.user_id == bindparam("owner")),
    ),
    Resource(
        name="server_groups",
        default=10,
        registered="server_groups",
        count=sa.select(sa.func.count()).where(server_groups.c.project_id == bindparam("owner")),
    ),
    # Of one user in one group: the owner is both their ids, with a slash between.
    Resource(
        name="server_group_members",
        default=10,
        registered="server_group_members",
        count=sa.select(sa.func.count())
        .select_from(
            server_group_members.join(servers, servers.c.id == server_group_members.c.server_id)
        )
        .where(
            server_group_members.c.group_id == sa.func.substr(_owner, 1, _UUID),
            servers.c.user_id == sa.func.substr(_owner, _UUID + 2),
            _alive,
        ),
    ),
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
OF_PROJECTS = (*OF_SERVERS, "server_groups")

_used_by = sa.select(
    sa.func.count().label("instances"),
    sa.func.coalesce(sa.func.sum(_vcpus), 0).label("cores"),
    sa.func.coalesce(sa.func.sum(_memory_mib), 0).label("ram"),
).where(_mine, servers.c.user_id == bindparam("user_id"))


_groups_by = sa.select(sa.func.count()).where(
    server_groups.c.project_id == bindparam("owner"),
    server_groups.c.user_id == bindparam("user_id"),
)


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
    """What a project uses, or one user in it: instances, cores, ram (MiB), server_groups."""
    if user_id is None:
        return await room.limits.used(tx, project_id, OF_PROJECTS)
    values = {"owner": project_id, "user_id": user_id}
    row = await tx.first(_used_by, values)
    assert row is not None
    groups = int(await tx.scalar(_groups_by, values))
    return {**{name: int(row._mapping[name]) for name in OF_SERVERS}, "server_groups": groups}


async def count_within(
    tx: Transaction,
    room: Compute,
    project_id: str,
    user_id: str,
    *,
    least: int,
    maximum: int,
    vcpus: int,
    memory_mib: int,
) -> int:
    """How many servers the limits of the project and of its user leave room for, in the transaction that makes them.

    Raises:
        OverQuota: there is no room for the least; the message names a limit that so many servers would pass.

    Source: Compute API reference, "Create multiple servers", min_count and max_count.
    """

    async def check(count: int) -> None:
        requested = {"instances": count, "cores": vcpus * count, "ram": memory_mib * count}
        await check_more(tx, room, project_id, user_id, requested)

    try:
        await check(maximum)
    except OverQuota:
        fits, too_many = least - 1, maximum
    else:
        return maximum
    while too_many - fits > 1:
        middle = (fits + too_many) // 2
        try:
            await check(middle)
        except OverQuota:
            too_many = middle
        else:
            fits = middle
    if fits < least:
        await check(maximum)
    return fits


async def check_more(
    tx: Transaction, room: Compute, project_id: str, user_id: str, requested: Mapping[str, int]
) -> None:
    """Hold amounts besides those in use against the limits of a project and of one user in it.

    Raises:
        OverQuota
    """
    if not requested:
        return
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


async def check_server_groups(tx: Transaction, room: Compute, caller: Caller) -> None:
    """Hold one more server group against the limits of its project and of its user there.

    Raises:
        OverQuota
    """
    project_id, user_id = caller.project_id or "", caller.user_id
    try:
        await room.limits.check(tx, project_id, {"server_groups": 1})
    except OverLimit as error:
        raise OverQuota("Quota exceeded, too many server groups.") from error
    maximum = (await room.limits.own(tx, owner(project_id, user_id))).get("server_groups", -1)
    if maximum >= 0:
        taken = await used(tx, room, project_id, user_id)
        if taken["server_groups"] >= maximum:
            raise OverQuota("Quota exceeded, too many server groups.")


async def check_group_members(
    tx: Transaction, room: Compute, caller: Caller, group_id: str, count: int
) -> None:
    """Hold more servers of a user in a group against the limit.

    Raises:
        OverQuota
    """
    project_id = caller.project_id or ""
    own = await room.limits.own(tx, owner(project_id, caller.user_id))
    of = f"{group_id}/{caller.user_id}"
    maximum = own.get("server_group_members")
    requested = {"server_group_members": count}
    try:
        await room.limits.check(tx, project_id, requested, of=of, maximum=maximum)
    except OverLimit as error:
        raise OverQuota("Quota exceeded, too many servers in group") from error


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
