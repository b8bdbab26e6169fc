"""Load balancers: an address, or several, that listeners are at.

Source: Load Balancer API v2 reference, "Load Balancers".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Row, bindparam

from hanok.base.errors import BadInput
from hanok.base.ids import new_uuid
from hanok.services.load_balancer.logic import catalog, graphs, trees
from hanok.services.load_balancer.logic.common import (
    change,
    columns,
    grouped,
    ids_of,
    set_tags,
    shown,
    tags_of,
)
from hanok.services.load_balancer.logic.errors import failed
from hanok.services.load_balancer.providers.model import Stats
from hanok.services.load_balancer.room import LoadBalancing, Reach
from hanok.services.load_balancer.tables import listeners, load_balancers, pools
from hanok.services.network import facade as networks
from hanok.store import Transaction

_SHOWN = (
    "name", "description", "provider", "flavor_id", "availability_zone", "vip_address",
    "vip_network_id", "vip_subnet_id", "vip_port_id", "vip_qos_policy_id", "vip_vnic_type",
    "vip_sg_ids",
)  # fmt: skip
OWNER = "Octavia"


def _below(table: sa.Table) -> sa.Select[Any]:
    of = table.c.load_balancer_id
    these = sa.select(table.c.id, of).where(of.in_(bindparam("ids", expanding=True)))
    return these.order_by(table.c.created_at, table.c.id)


_listeners, _pools = _below(listeners), _below(pools)


async def show(tx: Transaction, rows: Sequence[Row[Any]]) -> list[dict[str, Any]]:
    ids = [row.id for row in rows]
    tagged = await tags_of(tx, ids)
    theirs = grouped(await tx.all(_listeners, {"ids": ids}), "load_balancer_id", ids)
    with_pools = grouped(await tx.all(_pools, {"ids": ids}), "load_balancer_id", ids)
    return [
        {
            **shown(row, _SHOWN),
            "additional_vips": [
                {name: vip[name] for name in ("subnet_id", "ip_address", "port_id")}
                for vip in row.additional_vips
            ],
            "listeners": ids_of(theirs[row.id]),
            "pools": ids_of(with_pools[row.id]),
            "tags": tagged[row.id],
        }
        for row in rows
    ]


async def create(
    tx: Transaction,
    room: LoadBalancing,
    reach: Reach,
    values: dict[str, Any],
    graph: Mapping[str, Any] | None = None,
) -> str:
    """A load balancer on a port of its own, or on one that the caller names.

    Args:
        graph: the listeners and pools that it is to have from the first.

    Raises:
        BadInput, Conflict, NotFound, NotSupported, OverLimits
    """
    project_id = values.get("project_id") or reach.project_id
    if not project_id:
        raise failed("The token is not scoped to a project, and no project_id was given.")
    await trees.count(tx, room, project_id, loadbalancer=1)
    if not any(values.get(f"vip_{one}_id") for one in ("port", "subnet", "network")):
        raise failed("VIP must contain one of: vip_port_id, vip_network_id, vip_subnet_id.")
    terms = await catalog.terms(tx, room, values)
    balancer_id, provider = new_uuid(), room.providers[terms.provider]
    wish = _wish(balancer_id, project_id, values, silent=provider.answers)
    vip = await networks.claim_vip(tx, room.network, reach.network, wish)
    valid = terms.data.get("valid_vip_networks")
    if valid and vip.network_id not in valid:
        raise failed(
            "Supplied VIP network_id is not allowed by the configuration of this deployment."
        )
    row = {
        **columns(load_balancers, values),
        "id": balancer_id,
        "carrier_id": new_uuid() if provider.carries_each else None,
        "project_id": project_id,
        "provider": terms.provider,
        "terms": terms.data,
        "provisioning_status": "PENDING_CREATE",
        "operating_status": "OFFLINE",
        "created_at": room.clock.now(),
        "vip_vnic_type": "normal",
        **_held(vip, values),
    }
    await tx.insert(load_balancers, row)
    await set_tags(tx, balancer_id, values.get("tags", ()))
    balancer = await trees.again(tx, load_balancers, balancer_id)
    if graph:
        await graphs.put(tx, room, reach, balancer, graph)
    await trees.begin(tx, room, balancer, [], user_id=reach.user_id, status="PENDING_CREATE")
    return balancer_id


def _wish(
    balancer_id: str, project_id: str, values: Mapping[str, Any], *, silent: bool
) -> networks.VIPWish:
    more = tuple((one["subnet_id"], one.get("ip_address")) for one in values["additional_vips"])
    return networks.VIPWish(
        project_id=project_id,
        name=f"octavia-lb-{balancer_id}",
        owner=OWNER,
        device=f"lb-{balancer_id}",
        port_id=values.get("vip_port_id"),
        subnet_id=values.get("vip_subnet_id"),
        network_id=values.get("vip_network_id"),
        address=values.get("vip_address"),
        more=more,
        qos_policy_id=values.get("vip_qos_policy_id"),
        groups=tuple(values["vip_sg_ids"]),
        silent=silent,
    )


def _held(vip: networks.VIP, values: Mapping[str, Any]) -> dict[str, Any]:
    """The columns that say where a load balancer is."""
    first, *others = vip.addresses
    requested = {one["subnet_id"] for one in values["additional_vips"]}
    if not vip.made and requested:
        others = [one for one in others if one[1] in requested]
        if len(others) < len(requested):
            raise BadInput("The VIP port has no addresses for all additional VIPs.")
    elif not requested:
        others = []
    return {
        "vip_address": first[0],
        "vip_subnet_id": first[1],
        "vip_network_id": vip.network_id,
        "vip_port_id": vip.port_id,
        "vip_made": vip.made,
        "vip_qos_policy_id": vip.qos_policy_id,
        "additional_vips": [
            {"subnet_id": subnet, "ip_address": address, "port_id": vip.port_id}
            for address, subnet in others
        ],
    }


async def update(
    tx: Transaction, room: LoadBalancing, reach: Reach, row: Row[Any], values: dict[str, Any]
) -> None:
    """Raises BadInput, Conflict, NotSupported."""
    balancer = await trees.hold(tx, row.id)
    if "additional_vips" in values:
        raise failed("additional_vips are set when a load balancer is made, and not changed")
    port = {}
    if "vip_qos_policy_id" in values:
        port["qos_policy_id"] = values["vip_qos_policy_id"]
    if "vip_sg_ids" in values:
        port["security_groups"] = values["vip_sg_ids"]
    if port:
        await networks.change_vip(tx, room.network, reach.network, balancer.vip_port_id, port)
    await change(tx, room, load_balancers, balancer, values)
    await trees.begin(tx, room, balancer, [], user_id=reach.user_id)


async def delete(
    tx: Transaction, room: LoadBalancing, reach: Reach, row: Row[Any], *, cascade: bool
) -> None:
    """Raises BadInput: something is below it, and is not to go with it. Conflict."""
    balancer = await trees.hold(tx, row.id, trees.REMOVABLE)
    tree = await trees.load(tx, balancer.id)
    assert tree is not None
    if not cascade and (tree.listeners or tree.pools):
        raise failed(f"Cannot delete Load Balancer {row.id} - it has children")
    await trees.begin(tx, room, balancer, [], user_id=reach.user_id, status="PENDING_DELETE")


async def failover(tx: Transaction, room: LoadBalancing, reach: Reach, row: Row[Any]) -> None:
    """What carries it makes way for another, and that is told all of it. Raises Conflict."""
    balancer = await trees.hold(tx, row.id, trees.REMOVABLE)
    if balancer.carrier_id is not None:
        mine = load_balancers.c.id == row.id
        await tx.execute(load_balancers.update().where(mine).values(carrier_id=new_uuid()))
    await trees.begin(tx, room, balancer, [], user_id=reach.user_id)


async def tell_again(tx: Transaction, room: LoadBalancing, reach: Reach, balancer_id: str) -> None:
    """What carries it is told all of it once more. Raises Conflict."""
    balancer = await trees.hold(tx, balancer_id, trees.REMOVABLE)
    await trees.begin(tx, room, balancer, [], user_id=reach.user_id)


# ---- statuses and counters ----


async def status_tree(tx: Transaction, balancer_id: str) -> dict[str, Any]:
    """The statuses of all of a load balancer, in each other as they hang together."""
    tree = await trees.load(tx, balancer_id)
    assert tree is not None

    def of(row: Row[Any], *more: str, **below: Any) -> dict[str, Any]:
        names = ("id", *more, "provisioning_status", "operating_status")
        return {**{name: row._mapping[name] for name in names}, **below}

    def pool(row: Row[Any]) -> dict[str, Any]:
        found = of(
            row,
            "name",
            members=[
                of(one, "name", "address", "protocol_port") for one in tree.members_of(row.id)
            ],
        )
        monitor = tree.monitor_of(row.id)
        if monitor is not None:
            found["health_monitor"] = of(monitor, "name", "type")
        return found

    def policy(row: Row[Any]) -> dict[str, Any]:
        rules = [of(one, "type") for one in tree.rules if one.l7policy_id == row.id]
        return of(row, "name", "action", rules=rules)

    def listener(row: Row[Any]) -> dict[str, Any]:
        theirs = [
            one
            for one in tree.pools
            if one.id == row.default_pool_id
            or any(p.redirect_pool_id == one.id and p.listener_id == row.id for p in tree.policies)
        ]
        policies = [policy(one) for one in tree.policies if one.listener_id == row.id]
        return of(row, "name", pools=[pool(one) for one in theirs], l7policies=policies)

    top = of(tree.balancer, "name", listeners=[listener(one) for one in tree.listeners])
    return {"statuses": {"loadbalancer": top}}


def total(found: Mapping[str, Stats]) -> Stats:
    """What several listeners have carried together."""
    every = list(found.values())
    return Stats(
        active_connections=sum(one.active_connections for one in every),
        bytes_in=sum(one.bytes_in for one in every),
        bytes_out=sum(one.bytes_out for one in every),
        request_errors=sum(one.request_errors for one in every),
        total_connections=sum(one.total_connections for one in every),
    )
