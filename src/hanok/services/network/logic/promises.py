"""What QoS rules promise: bandwidth of a physical network, and packets.

Rules of these types hold nothing back: placement keeps servers off hosts that have not that much left. So bandwidth is
promised where there is a physical network, nothing is to what no server is placed by, and a promise stays as it is
under servers that were placed with it.

Source: Networking guide, "Quality of Service: guaranteed minimum bandwidth" and "… packet rate".
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa
from sqlalchemy import bindparam

from hanok.services.network.logic.errors import conflict
from hanok.services.network.tables import floating_ips, networks, ports, qos_rules, routers
from hanok.store import Transaction

BANDWIDTH, PACKETS = "minimum_bandwidth", "minimum_packet_rate"
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
_gateways = sa.select(routers.c.id).where(routers.c.gateway_qos_policy_id == _policy).limit(1)
_of_servers = (
    sa.select(ports.c.id)
    .join(networks, networks.c.id == ports.c.network_id)
    .where(
        sa.or_(
            ports.c.qos_policy_id == _policy,
            sa.and_(ports.c.qos_policy_id.is_(None), networks.c.qos_policy_id == _policy),
        ),
        ports.c.role == "guest",
        ports.c.server_id.is_not(None),
    )
    .limit(1)
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


async def keep(tx: Transaction, policy_id: str) -> None:
    """Servers keep what they were placed with: what a policy promises is about to change, or has been.

    Raises:
        Conflict: the port of one goes by it.
    """
    port = await tx.scalar(_of_servers, {"policy": policy_id})
    if port is not None:
        raise broken(f"What QoS Policy {policy_id} promises cannot change for bound port {port}.")


def broken(message: str) -> Exception:
    return conflict("QosPlacementAllocationUpdateConflict", message)


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
