"""Which policy an endpoint has: its own, that of its service in its region or one above, or that of its service."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Row, bindparam

from hanok.base.errors import NotFound
from hanok.services.identity.logic.lookup import get
from hanok.services.identity.tables import endpoints, policies, policy_associations, regions
from hanok.store import Transaction

_target = (
    policy_associations.c.endpoint_id == bindparam("endpoint"),
    policy_associations.c.service_id == bindparam("service"),
    policy_associations.c.region_id == bindparam("region"),
)
_policy_of = sa.select(policy_associations.c.policy_id).where(*_target)
_drop = policy_associations.delete().where(*_target)
_drop_this = policy_associations.delete().where(
    *_target, policy_associations.c.policy_id == bindparam("policy")
)
_of_policy = sa.select(policy_associations).where(
    policy_associations.c.policy_id == bindparam("policy")
)
_parents = sa.select(regions.c.id, regions.c.parent_region_id)


async def associate(
    tx: Transaction, policy_id: str, *, endpoint: str = "", service: str = "", region: str = ""
) -> None:
    """Give something this policy in place of the one it had."""
    target = {"endpoint": endpoint, "service": service, "region": region}
    await tx.serialize("policy", endpoint or service)
    await tx.execute(_drop, target)
    await tx.insert(
        policy_associations,
        {
            "endpoint_id": endpoint,
            "service_id": service,
            "region_id": region,
            "policy_id": policy_id,
        },
    )


async def has(
    tx: Transaction, policy_id: str, *, endpoint: str = "", service: str = "", region: str = ""
) -> bool:
    target = {"endpoint": endpoint, "service": service, "region": region}
    return bool(await tx.scalar(_policy_of, target) == policy_id)


async def separate(
    tx: Transaction, policy_id: str, *, endpoint: str = "", service: str = "", region: str = ""
) -> None:
    """
    Raises:
        NotFound: it does not have this policy.
    """
    target = {"endpoint": endpoint, "service": service, "region": region, "policy": policy_id}
    if not await tx.count(_drop_this, target):
        raise NotFound("Could not find policy association.")


async def policy_of(tx: Transaction, endpoint: Row[Any]) -> Row[Any]:
    """The policy of an endpoint.

    Raises:
        NotFound: it has none.
    """

    async def at(endpoint_id: str, service_id: str, region_id: str) -> str | None:
        named = {"endpoint": endpoint_id, "service": service_id, "region": region_id}
        policy_id = await tx.scalar(_policy_of, named)
        return None if policy_id is None else str(policy_id)

    found = await at(endpoint.id, "", "")
    if found is None and endpoint.region_id is not None:
        above = {row.id: row.parent_region_id for row in await tx.all(_parents)}
        region, seen = endpoint.region_id, set[str]()
        while found is None and region is not None and region not in seen:
            seen.add(region)
            found = await at("", endpoint.service_id, region)
            region = above.get(region)
    if found is None:
        found = await at("", endpoint.service_id, "")
    if found is None:
        raise NotFound(f"No policy is associated with endpoint {endpoint.id}.")
    return await get(tx, policies, "policy", found)


async def endpoints_of(tx: Transaction, policy_id: str) -> Sequence[Row[Any]]:
    """The endpoints that were given a policy, one by one or by service and region."""
    parents = {row.id: row.parent_region_id for row in await tx.all(_parents)}

    def below(region: str | None, requested: str) -> bool:
        seen: set[str] = set()
        while region is not None and region not in seen:
            if region == requested:
                return True
            seen.add(region)
            region = parents.get(region)
        return False

    given = await tx.all(_of_policy, {"policy": policy_id})
    rows = await tx.all(sa.select(endpoints).order_by(endpoints.c.id))
    return [
        row
        for row in rows
        if any(
            one.endpoint_id == row.id
            if one.endpoint_id
            else one.service_id == row.service_id
            and (not one.region_id or below(row.region_id, one.region_id))
            for one in given
        )
    ]


async def forget(
    tx: Transaction, *, policy: str = "", endpoint: str = "", service: str = "", region: str = ""
) -> None:
    """Something is gone: so are its associations."""
    for column, value in (
        ("policy_id", policy),
        ("endpoint_id", endpoint),
        ("service_id", service),
        ("region_id", region),
    ):
        if value:
            await tx.execute(
                policy_associations.delete().where(policy_associations.c[column] == value)
            )
