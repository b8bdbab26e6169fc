"""The external network that the house comes with."""

from __future__ import annotations

import ipaddress

import sqlalchemy as sa
from sqlalchemy import bindparam

from hanok.services.network.logic import networks, subnets
from hanok.services.network.logic.addresses import text_of
from hanok.services.network.logic.reach import Reach
from hanok.services.network.room import Network
from hanok.services.network.tables import networks as network_table
from hanok.services.network.tables import subnets as subnet_table
from hanok.store import Transaction

NAME = "public"
FIRST = 10  # the addresses below are the operator's: the gateway, the host, what else stands there

_there = sa.select(network_table.c.id).where(
    network_table.c.segment_key == bindparam("key"),
)
_subnet = sa.select(subnet_table.c.id).where(subnet_table.c.network_id == bindparam("network"))


async def ensure_public(
    tx: Transaction, room: Network, *, cidr: str, gateway: str, project_id: str
) -> str:
    """The network on the bridge mapping that leads outside, with a subnet; what is there stays as it is."""
    physical = room.settings.physical_network
    reach = Reach(project_id, everything=True)
    network_id = await tx.scalar(_there, {"key": f"{physical}:untagged"})
    if network_id is None:
        network_id = await networks.create(
            tx,
            room,
            reach,
            {
                "name": NAME,
                "description": "",
                "admin_state_up": True,
                "shared": False,
                "router:external": True,
                "is_default": True,
                "port_security_enabled": True,
                "availability_zone_hints": [],
                "mtu": 0,
                "provider:network_type": "flat",
                "provider:physical_network": physical,
                "provider:segmentation_id": None,
            },
        )
    if await tx.first(_subnet, {"network": network_id}) is None:
        whole = ipaddress.ip_network(cidr)
        first = int(whole.network_address) + (FIRST if whole.num_addresses > 4 * FIRST else 2)
        last = int(whole.broadcast_address) - 1
        pools = [{"start": text_of(first, whole.version), "end": text_of(last, whole.version)}]
        if first <= int(ipaddress.ip_address(gateway)) <= last:
            pools = None  # type: ignore[assignment]
        await subnets.create(
            tx,
            room,
            reach,
            {
                "name": f"{NAME}-subnet",
                "description": "",
                "network_id": network_id,
                "project_id": project_id,
                "ip_version": whole.version,
                "cidr": str(whole),
                "gateway_ip": gateway,
                "allocation_pools": pools,
                "dns_nameservers": [],
                "host_routes": [],
                "enable_dhcp": False,
                "ipv6_ra_mode": None,
                "ipv6_address_mode": None,
            },
        )
    return str(network_id)
