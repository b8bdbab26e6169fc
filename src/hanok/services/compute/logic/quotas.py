"""Compute's quotas: limits of projects and of users in them, what is used, and the check that a request passes."""

from __future__ import annotations

from collections.abc import Mapping

import sqlalchemy as sa
from sqlalchemy import bindparam

from hanok.base.errors import OverQuota
from hanok.services.compute.tables import keypairs, quotas, servers
from hanok.store import Transaction

DEFAULTS: dict[str, int] = {
    "instances": 10,
    "cores": 20,
    "ram": -1,  # docs/decisions/0007
    "metadata_items": 128,
    "key_pairs": 100,
    "server_groups": 10,
    "server_group_members": 10,
    "injected_files": 5,
    "injected_file_content_bytes": 10240,
    "injected_file_path_bytes": 255,
    "fixed_ips": -1,
    "floating_ips": -1,
    "security_groups": -1,
    "security_group_rules": -1,
}
CLASS = "class:default"

_of = sa.select(quotas.c.resource, quotas.c.most).where(quotas.c.owner == bindparam("owner"))
_used = sa.select(
    sa.func.count().label("instances"),
    sa.func.coalesce(sa.func.sum(servers.c.vcpus), 0).label("cores"),
    sa.func.coalesce(sa.func.sum(servers.c.memory_mib), 0).label("ram"),
).where(servers.c.project_id == bindparam("project_id"), servers.c.deleted.is_(False))
_used_by = _used.where(servers.c.user_id == bindparam("user_id"))
_keys = sa.select(sa.func.count()).where(keypairs.c.user_id == bindparam("user_id"))


async def defaults(tx: Transaction) -> dict[str, int]:
    """The limits of a project that has none of its own."""
    found = dict(DEFAULTS)
    found.update({row.resource: row.most for row in await tx.all(_of, {"owner": CLASS})})
    return found


def owner(project_id: str, user_id: str | None = None) -> str:
    """Whose limits: a project's, or those that one user has in it."""
    return project_id if user_id is None else f"{project_id}/{user_id}"


async def limits(tx: Transaction, project_id: str, user_id: str | None = None) -> dict[str, int]:
    """A project's limits, or those of one user in it: its own, and for the rest the project's. -1 is no limit."""
    found = await defaults(tx)
    for one in dict.fromkeys((owner(project_id), owner(project_id, user_id))):
        found.update({row.resource: row.most for row in await tx.all(_of, {"owner": one})})
    return found


async def set_limits(tx: Transaction, of: str, wanted: Mapping[str, int]) -> None:
    for resource, most in wanted.items():
        await tx.execute(quotas.delete().where(quotas.c.owner == of, quotas.c.resource == resource))
        await tx.insert(quotas, {"owner": of, "resource": resource, "most": most})


async def reset(tx: Transaction, project_id: str, user_id: str | None = None) -> None:
    """Forget a user's limits in a project, or the project's with those of all its users."""
    its = quotas.c.owner == owner(project_id, user_id)
    if user_id is None:
        its = sa.or_(its, quotas.c.owner.startswith(f"{project_id}/", autoescape=True))
    await tx.execute(quotas.delete().where(its))


async def used(tx: Transaction, project_id: str, user_id: str | None = None) -> dict[str, int]:
    """What a project uses, or one user in it: instances, cores, ram (MiB)."""
    statement = _used if user_id is None else _used_by
    row = await tx.first(statement, {"project_id": project_id, "user_id": user_id})
    assert row is not None
    return {"instances": int(row.instances), "cores": int(row.cores), "ram": int(row.ram)}


async def check_servers(
    tx: Transaction, project_id: str, user_id: str, *, count: int, vcpus: int, memory_mib: int
) -> None:
    """Hold a request for servers against the limits of the project and of its user, in the transaction that makes them.

    Raises:
        OverQuota: a limit would be passed; the message names it.
    """
    await tx.serialize("compute.quota", project_id)
    wanted = {"instances": count, "cores": vcpus * count, "ram": memory_mib * count}
    _check(wanted, await limits(tx, project_id), await used(tx, project_id))
    its = owner(project_id, user_id)
    own = {row.resource: row.most for row in await tx.all(_of, {"owner": its})}
    if own:
        _check(wanted, dict.fromkeys(wanted, -1) | own, await used(tx, project_id, user_id))


def _check(wanted: Mapping[str, int], allowed: Mapping[str, int], taken: Mapping[str, int]) -> None:
    over = [
        name
        for name, amount in wanted.items()
        if allowed[name] >= 0 and taken[name] + amount > allowed[name]
    ]
    if over:
        raise OverQuota(
            f"Quota exceeded for {', '.join(over)}: Requested "
            f"{', '.join(str(wanted[name]) for name in over)}, but already used "
            f"{', '.join(str(taken[name]) for name in over)} of "
            f"{', '.join(str(allowed[name]) for name in over)} {', '.join(over)}"
        )


async def check_keypairs(tx: Transaction, project_id: str, user_id: str) -> None:
    await tx.serialize("compute.keypairs", user_id)
    most = (await limits(tx, project_id, user_id))["key_pairs"]
    if 0 <= most <= int(await tx.scalar(_keys, {"user_id": user_id})):
        raise OverQuota("Quota exceeded, too many key pairs.")


async def check_metadata(tx: Transaction, project_id: str, metadata: Mapping[str, str]) -> None:
    most = (await limits(tx, project_id))["metadata_items"]
    if 0 <= most < len(metadata):
        raise OverQuota(f"Maximum number of metadata items exceeds {most}")
