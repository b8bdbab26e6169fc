"""What QoS rules promise: bandwidth of a physical network, and packets.

Rules of these types hold nothing back: placement keeps servers off hosts that have not that much left. So bandwidth is
promised where there is a physical network, and nothing is to what no server is placed by. Servers hold what their ports
are promised now, not when they were placed: a change takes what their hosts have left, or is refused.

Source: Networking guide, "Quality of Service: guaranteed minimum bandwidth" and "… packet rate".
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy import bindparam

from hanok.services.network.logic.errors import conflict
from hanok.services.network.room import Network
from hanok.services.network.tables import (
    floating_ips,
    networks,
    ports,
    qos_rules,
    router_gateways,
    routers,
)
from hanok.store import Transaction

BANDWIDTH, PACKETS = "minimum_bandwidth", "minimum_packet_rate"
MAXIMUM_SERVERS = 100  # whose shares one request changes
ANY = "any"  # packets of both directions together

_CLASSES = {
    (BANDWIDTH, "egress"): "NET_BW_EGR_KILOBIT_PER_SEC",
    (BANDWIDTH, "ingress"): "NET_BW_IGR_KILOBIT_PER_SEC",
    (PACKETS, "egress"): "NET_PACKET_RATE_EGR_KILOPACKET_PER_SEC",
    (PACKETS, "ingress"): "NET_PACKET_RATE_IGR_KILOPACKET_PER_SEC",
    (PACKETS, ANY): "NET_PACKET_RATE_KILOPACKET_PER_SEC",
}
_VNIC = "CUSTOM_VNIC_TYPE_NORMAL"
_PROVIDERS = ("flat", "vlan")

_policy: sa.BindParameter[str] = bindparam("policy")
_promised = (
    sa.select(qos_rules)
    .where(
        qos_rules.c.policy_id.in_(bindparam("ids", expanding=True)),
        qos_rules.c.type.in_([BANDWIDTH, PACKETS]),
    )
    .order_by(qos_rules.c.type, qos_rules.c.direction)
)
_tunnels = (
    sa.select(networks.c.id)
    .where(networks.c.network_type.not_in(_PROVIDERS), networks.c.qos_policy_id == _policy)
    .limit(1)
)
_in_tunnels = (
    sa.select(ports.c.id)
    .join(networks, networks.c.id == ports.c.network_id)
    .where(networks.c.network_type.not_in(_PROVIDERS), ports.c.qos_policy_id == _policy)
    .limit(1)
)
_floating = sa.select(floating_ips.c.id).where(floating_ips.c.qos_policy_id == _policy).limit(1)
_gateways = (
    sa.select(routers.c.id)
    .where(
        sa.or_(
            routers.c.gateway_qos_policy_id == _policy,
            routers.c.id.in_(
                sa.select(router_gateways.c.router_id).where(
                    router_gateways.c.qos_policy_id == _policy
                )
            ),
        )
    )
    .limit(1)
)
_servers_by = (
    sa.select(ports.c.server_id)
    .join(networks, networks.c.id == ports.c.network_id)
    .where(
        sa.or_(
            ports.c.qos_policy_id == _policy,
            sa.and_(ports.c.qos_policy_id.is_(None), networks.c.qos_policy_id == _policy),
        ),
        ports.c.role == "guest",
        ports.c.server_id.is_not(None),
    )
    .distinct()
    .limit(MAXIMUM_SERVERS + 1)
)


async def check(tx: Transaction, policy_id: str | None) -> None:
    """Hold what a policy promises against who goes by it.

    Raises:
        Conflict: a network without a physical network, a floating IP, or a router's gateway.
    """
    if policy_id is None:
        return
    types = sorted({row.type for row in await tx.all(_promised, {"ids": [policy_id]})})
    if not types:
        return
    unfit = [("floating IP", "", _floating), ("router", "", _gateways)]
    if BANDWIDTH in types:
        unfit = [("network", "ByNetwork", _tunnels), ("port", "", _in_tunnels), *unfit]
    for what, by, statement in unfit:
        found = await tx.scalar(statement, {"policy": policy_id})
        if found is not None:
            raise conflict(
                f"QosRuleNotSupported{by}", f"Rule {types[0]} is not supported by {what} {found}"
            )


async def made_in(tx: Transaction, *policies: str | None) -> bool:
    """Whether one of these policies promises something."""
    ids = [one for one in policies if one]
    return bool(ids and await tx.all(_promised, {"ids": ids}))


async def renew(tx: Transaction, room: Network, policy_id: str) -> None:
    """What a policy promises has changed: the servers that go by it hold that, or it does not change.

    Raises:
        Conflict
    """
    await renew_of(tx, room, await tx.scalars(_servers_by, {"policy": policy_id}))


async def renew_of(tx: Transaction, room: Network, server_ids: Sequence[str]) -> None:
    """These servers hold what their ports are promised now.

    Raises:
        Conflict: the host of one has not that much left, or they are too many to be asked in one request.
    """
    if room.promised_anew is None:
        return
    if len(server_ids) > MAXIMUM_SERVERS:
        raise _broken(f"more than {MAXIMUM_SERVERS} servers were placed with what it was")
    for server_id in sorted(server_ids):
        if not await room.promised_anew(tx, server_id):
            raise _broken(
                f"the requested resources of server {server_id} would exceed the capacity available, or it is busy"
            )


def _broken(why: str) -> Exception:
    return conflict(
        "QosPlacementAllocationUpdateConflict", f"Updating placement allocation failed: {why}."
    )


async def requests(
    tx: Transaction, wishes: Mapping[str, tuple[str | None, str | None]]
) -> dict[str, dict[str, Any]]:
    """What ports ask of placement, in the form that the API shows: groups, each from one provider.

    wishes: by port, the policy that it goes by and its physical network.
    """
    policies = sorted({policy for policy, _ in wishes.values() if policy})
    if not policies:
        return {}
    promised: dict[str, dict[str, dict[str, int]]] = {}
    for row in await tx.all(_promised, {"ids": policies}):
        amounts = promised.setdefault(row.policy_id, {}).setdefault(row.type, {})
        amounts[_CLASSES[row.type, row.direction]] = row.min_kbps or row.min_kpps
    found = {}
    for port, (policy, physical) in wishes.items():
        groups = [
            {
                "id": str(uuid.uuid5(uuid.UUID(port), type_)),
                "required": _traits(type_, physical),
                "resources": amounts,
            }
            for type_, amounts in promised.get(policy or "", {}).items()
            if type_ == PACKETS or physical
        ]
        if groups:
            found[port] = {
                "request_groups": groups,
                "same_subtree": [one["id"] for one in groups],
            }
    return found


def _traits(type_: str, physical: str | None) -> list[str]:
    if type_ == PACKETS or not physical:
        return [_VNIC]
    name = "".join(one if one.isascii() and one.isalnum() else "_" for one in physical.upper())
    return [f"CUSTOM_PHYSNET_{name}", _VNIC]
