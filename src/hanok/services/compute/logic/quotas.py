"""Compute's quotas: limits of projects, what is used, and the check that a request passes in its transaction."""

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
_keys = sa.select(sa.func.count()).where(keypairs.c.user_id == bindparam("user_id"))


async def defaults(tx: Transaction) -> dict[str, int]:
    """The limits of a project that has none of its own."""
    found = dict(DEFAULTS)
    found.update({row.resource: row.most for row in await tx.all(_of, {"owner": CLASS})})
    return found


async def limits(tx: Transaction, project_id: str) -> dict[str, int]:
    """A project's limits; -1 is no limit."""
    found = await defaults(tx)
    found.update({row.resource: row.most for row in await tx.all(_of, {"owner": project_id})})
    return found


async def set_limits(tx: Transaction, owner: str, wanted: Mapping[str, int]) -> None:
    for resource, most in wanted.items():
        await tx.execute(
            quotas.delete().where(quotas.c.owner == owner, quotas.c.resource == resource)
        )
        await tx.insert(quotas, {"owner": owner, "resource": resource, "most": most})


async def reset(tx: Transaction, project_id: str) -> None:
    await tx.execute(quotas.delete().where(quotas.c.owner == project_id))


async def used(tx: Transaction, project_id: str) -> dict[str, int]:
    """What a project uses: instances, cores, ram (MiB)."""
    row = await tx.first(_used, {"project_id": project_id})
    assert row is not None
    return {"instances": int(row.instances), "cores": int(row.cores), "ram": int(row.ram)}


async def check_servers(
    tx: Transaction, project_id: str, *, count: int, vcpus: int, memory_mib: int
) -> None:
    """Hold a request for servers against the project's limits, in the transaction that makes them.

    Raises:
        OverQuota: a limit would be passed; the message names it.
    """
    await tx.serialize("compute.quota", project_id)
    allowed, taken = await limits(tx, project_id), await used(tx, project_id)
    wanted = {"instances": count, "cores": vcpus * count, "ram": memory_mib * count}
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
    most = (await limits(tx, project_id))["key_pairs"]
    if 0 <= most <= int(await tx.scalar(_keys, {"user_id": user_id})):
        raise OverQuota("Quota exceeded, too many key pairs.")


async def check_metadata(tx: Transaction, project_id: str, metadata: Mapping[str, str]) -> None:
    most = (await limits(tx, project_id))["metadata_items"]
    if 0 <= most < len(metadata):
        raise OverQuota(f"Maximum number of metadata items exceeds {most}")
