"""Auto-allocated topologies: a network behind a router to the outside, made for a project that asks for one.

It takes what an operator has made the defaults: an external network, and a subnet pool of one version of IP or of both.

Source: Networking API v2.0 reference, "Auto allocated topologies".
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy import Row, bindparam

from hanok.base.errors import NotFound
from hanok.services.network.logic import networks, routers, subnet_pools, subnets
from hanok.services.network.logic.errors import conflict
from hanok.services.network.logic.reach import Reach, get_any, visible_networks
from hanok.services.network.room import Network
from hanok.services.network.schemas import resources
from hanok.services.network.tables import auto_topologies, router_subnets
from hanok.services.network.tables import networks as network_table
from hanok.store import Transaction

_of = sa.select(auto_topologies).where(auto_topologies.c.project_id == bindparam("project"))
_forget = auto_topologies.delete().where(auto_topologies.c.project_id == bindparam("project"))
_joined = sa.select(router_subnets.c.subnet_id).where(
    router_subnets.c.router_id == bindparam("router")
)


class Defaults:
    """What a topology is made of."""

    def __init__(self, external: str, pools: list[Row[Any]]) -> None:
        self.external = external
        self.pools = pools


async def defaults(tx: Transaction, project_id: str) -> Defaults:
    """What an operator has made the defaults, as a project reaches it.

    Raises:
        Conflict: there is none.
    """
    reach = Reach(project_id)
    external = await tx.scalar(
        sa.select(network_table.c.id).where(
            network_table.c.is_default, network_table.c.external, visible_networks(reach)
        )
    )
    if external is None:
        raise _undeployed("No default router:external network")
    pools = [
        pool for version in (4, 6) if (pool := await subnet_pools.default_of(tx, reach, version))
    ]
    if not pools:
        raise _undeployed("No default subnetpools defined")
    return Defaults(str(external), pools)


def _undeployed(reason: str) -> Exception:
    return conflict("AutoAllocationFailure", f"Deployment error: {reason}.")


async def ensure(tx: Transaction, room: Network, project_id: str) -> str:
    """The network of a project's topology, which is made when it is not there.

    Raises:
        Conflict: nothing to make it of. BadInput, QuotaReached.
    """
    await tx.serialize("network.topology", project_id)
    found = await tx.first(_of, {"project": project_id})
    if found is not None and await _there(tx, "network", found.network_id):
        return str(found.network_id)
    await tx.execute(_forget, {"project": project_id})
    of = await defaults(tx, project_id)
    network_id, router_id = await _build(tx, room, project_id, of)
    row = {"project_id": project_id, "network_id": network_id, "router_id": router_id}
    await tx.insert(auto_topologies, row)
    return network_id


async def _build(tx: Transaction, room: Network, project_id: str, of: Defaults) -> tuple[str, str]:
    """A network with a subnet of each pool, behind a router: their ids."""
    reach = Reach(project_id)
    network = _values(resources.NETWORK, name="auto_allocated_network")
    network_id = await networks.create(tx, room, reach, network)
    router = _values(
        resources.ROUTER,
        name="auto_allocated_router",
        external_gateway_info={"network_id": of.external},
    )
    router_id = await routers.create(tx, room, reach, router)
    for pool in of.pools:
        subnet_id = await subnets.create(tx, room, reach, _subnet(network_id, pool))
        row = await get_any(tx, "router", router_id)
        await routers.add_interface(tx, room, reach, row, {"subnet_id": subnet_id})
    return network_id, router_id


def _subnet(network_id: str, pool: Row[Any]) -> dict[str, Any]:
    own = pool.ip_version == 6 and pool.default_prefixlen == 64
    return _values(
        resources.SUBNET,
        name=f"auto_allocated_subnet_v{pool.ip_version}",
        network_id=network_id,
        ip_version=pool.ip_version,
        subnetpool_id=pool.id,
        ipv6_ra_mode="slaac" if own else None,
        ipv6_address_mode="slaac" if own else None,
    )


def _values(attributes: Any, **values: Any) -> dict[str, Any]:
    """The values of a POST that says only these."""
    return {**{name: one.default for name, one in attributes.items() if one.post}, **values}


async def _there(tx: Transaction, kind: str, requested: str) -> Row[Any] | None:
    try:
        return await get_any(tx, kind, requested)
    except NotFound:
        return None


async def delete(tx: Transaction, room: Network, project_id: str) -> None:
    """A project's topology is gone, what of it is left.

    Raises:
        NotFound: it has none. Conflict: it is used.
    """
    await tx.serialize("network.topology", project_id)
    found = await tx.first(_of, {"project": project_id})
    if found is None:
        raise NotFound(
            f"Auto-allocated topology for project {project_id[:64]} could not be found.",
            code="AutoAllocatedTopologyNotFound",
        )
    reach = Reach(project_id, everything=True)
    router = await _there(tx, "router", found.router_id)
    if router is not None:
        for subnet_id in await tx.scalars(_joined, {"router": router.id}):
            await routers.remove_interface(tx, room, reach, router, {"subnet_id": subnet_id})
        await routers.delete(tx, room, await get_any(tx, "router", router.id))
    network = await _there(tx, "network", found.network_id)
    if network is not None:
        await networks.delete(tx, room, network)
    await tx.execute(_forget, {"project": project_id})
