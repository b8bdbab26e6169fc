"""The ports of servers: what compute asks of this room.

Only `bind` makes a port a server's. A port that was made for a server goes with it; one that a user brought stays.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Collection, Sequence
from functools import partial
from typing import Any

import sqlalchemy as sa
from msgspec import Struct
from sqlalchemy import Row, bindparam

from hanok.base.errors import BadInput, Conflict, Forbidden, NotFound
from hanok.base.ids import new_uuid
from hanok.commands import NIC
from hanok.commands.messages import MetadataPort
from hanok.services.network.logic import bindings, logs, news, promises
from hanok.services.network.logic import ports as port_logic
from hanok.services.network.logic import security_groups as group_logic
from hanok.services.network.logic.addresses import name_servers, network_of
from hanok.services.network.logic.errors import conflict
from hanok.services.network.logic.reach import (
    SHARED,
    Reach,
    change,
    get,
    get_any,
    opened,
    own,
)
from hanok.services.network.logic.scopes import port_scope, touch
from hanok.services.network.room import Network
from hanok.services.network.tables import (
    floating_ips,
    ip_allocations,
    networks,
    port_rows,
    port_security_groups,
    ports,
    security_groups,
    subnets,
)
from hanok.store import Transaction
from hanok.web.attributes import UNSET


class FixedIP(Struct, frozen=True, kw_only=True):
    """An address of a port.

    Args:
        prefix: the length of the subnet's.
        dhcp: whether the subnet's DHCP hands it out.
        mode: how an IPv6 address is made (slaac, dhcpv6-stateless, dhcpv6-stateful), where the subnet says so.
        gateway, dns: of the subnet. routes: of the subnet, as (destination, next hop).
    """

    subnet_id: str
    address: str
    version: int
    netmask: str
    prefix: int = 0
    gateway: str | None = None
    dhcp: bool = True
    mode: str = ""
    dns: tuple[str, ...] = ()
    routes: tuple[tuple[str, str], ...] = ()


class ServerPort(Struct, frozen=True, kw_only=True):
    """A port of a server, with what a guest and a user want to know of it."""

    port_id: str
    network_id: str
    network_name: str
    mac: str
    mtu: int
    status: str = "DOWN"
    fixed_ips: tuple[FixedIP, ...] = ()
    floating_ip: str | None = None
    security_groups: tuple[str, ...] = ()


class ResourceGroup(Struct, frozen=True, kw_only=True):
    """What a port asks of one provider: amounts by class, and traits."""

    id: str
    resources: dict[str, int]
    traits: tuple[str, ...]


class NICWish(Struct, frozen=True, kw_only=True):
    """A network interface as a user asks for it: by port, or by network and perhaps address."""

    port_id: str | None = None
    network_id: str | None = None
    fixed_ip: str | None = None
    tag: str | None = None


class NICPlan(Struct, frozen=True, kw_only=True):
    """A network interface as it will be: the port has its id before it exists.

    ours: made and removed with the server.
    """

    port_id: str
    network_id: str
    ours: bool
    fixed_ip: str | None = None
    tag: str | None = None


_policies = sa.select(ports.c.id, ports.c.network_id, ports.c.qos_policy_id).where(
    ports.c.id.in_(bindparam("ids", expanding=True))
)
_segments = sa.select(networks.c.id, networks.c.physical_network, networks.c.qos_policy_id).where(
    networks.c.id.in_(bindparam("ids", expanding=True))
)
_LABEL = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")

_with_network = (
    sa.select(
        ports.c.id,
        ports.c.server_id,
        ports.c.network_id,
        ports.c.mac_address,
        ports.c.status,
        networks.c.name.label("network_name"),
        networks.c.mtu,
    )
    .join(networks, networks.c.id == ports.c.network_id)
    .order_by(ports.c.server_id, ports.c.server_position, ports.c.created_at, ports.c.id)
)
_of_servers = _with_network.where(ports.c.server_id.in_(bindparam("ids", expanding=True)))
_of_server = _with_network.where(ports.c.server_id == bindparam("id"))
_addresses = (
    sa.select(ip_allocations.c.port_id, ip_allocations.c.address, ip_allocations.c.subnet_id)
    .where(ip_allocations.c.port_id.in_(bindparam("ids", expanding=True)))
    .order_by(ip_allocations.c.port_id, ip_allocations.c.ordinal)
)
_around = sa.select(
    subnets.c.id,
    subnets.c.cidr,
    subnets.c.ip_version,
    subnets.c.gateway_ip,
    subnets.c.enable_dhcp,
    subnets.c.dns_nameservers,
    subnets.c.host_routes,
    subnets.c.ipv6_address_mode,
).where(subnets.c.id.in_(bindparam("ids", expanding=True)))
_floating = (
    sa.select(floating_ips.c.port_id, floating_ips.c.floating_ip_address)
    .where(floating_ips.c.port_id.in_(bindparam("ids", expanding=True)))
    .order_by(floating_ips.c.created_at)
)
_bare_addresses = (
    sa.select(ports.c.server_id, ip_allocations.c.address, subnets.c.ip_version.label("version"))
    .join(ip_allocations, ip_allocations.c.port_id == ports.c.id)
    .join(subnets, subnets.c.id == ip_allocations.c.subnet_id)
    .where(ports.c.server_id.in_(bindparam("ids", expanding=True)))
)
_bare_floating = (
    sa.select(
        ports.c.server_id,
        floating_ips.c.floating_ip_address.label("address"),
        sa.literal(4).label("version"),
    )
    .join(floating_ips, floating_ips.c.port_id == ports.c.id)
    .where(ports.c.server_id.in_(bindparam("ids", expanding=True)))
)
_group_names = (
    sa.select(port_security_groups.c.port_id, security_groups.c.name)
    .join(security_groups, security_groups.c.id == port_security_groups.c.security_group_id)
    .where(port_security_groups.c.port_id.in_(bindparam("ids", expanding=True)))
    .order_by(port_security_groups.c.port_id, security_groups.c.name)
)
_metadata = sa.select(ports.c.id, ports.c.network_id, ports.c.mac_address).where(
    ports.c.network_id.in_(bindparam("ids", expanding=True)), ports.c.role == "metadata"
)
_mine = sa.select(port_rows).where(port_rows.c.server_id == bindparam("server"))
_maybe = sa.select(port_rows).where(port_rows.c.id == bindparam("port"))
_at = sa.select(ports.c.server_id).where(
    ip_allocations.c.network_id == bindparam("network"),
    ip_allocations.c.address == bindparam("address"),
    ports.c.id == ip_allocations.c.port_id,
)
_by_mac = sa.select(ports.c.server_id).where(
    ports.c.network_id == bindparam("network"), ports.c.mac_address == bindparam("mac")
)
_has_address = (
    sa.select(ip_allocations.c.position)
    .where(ip_allocations.c.port_id == bindparam("port"))
    .limit(1)
)
_taken = sa.select(ip_allocations.c.port_id).where(
    ip_allocations.c.network_id == bindparam("network"),
    ip_allocations.c.address == bindparam("address"),
)
_subnets = sa.select(subnets).where(subnets.c.network_id == bindparam("network"))
_groups_of = sa.select(security_groups.c.id, security_groups.c.name).where(
    security_groups.c.project_id == bindparam("project"),
    sa.or_(
        security_groups.c.id == bindparam("requested"),
        security_groups.c.name == bindparam("requested"),
    ),
)


async def plan(
    tx: Transaction,
    reach: Reach,
    wishes: Sequence[NICWish] | str,
    *,
    count: int,
    external: bool,
    grouped: bool,
) -> list[NICPlan]:
    if isinstance(wishes, str):
        if wishes == "none":
            return []
        only = await only_network(tx, reach)
        if only is None:
            return []
        wishes = [NICWish(network_id=only)]
    found = []
    named: set[str] = set()
    for wish in wishes:
        if wish.port_id is not None:
            if count > 1:
                raise BadInput(
                    "Unable to launch multiple instances with a single configured port ID."
                )
            if wish.port_id in named:
                raise Conflict(f"Port {wish.port_id} is still in use.")
            named.add(wish.port_id)
            found.append(await _plan_port(tx, reach, wish))
        else:
            if count > 1 and wish.fixed_ip is not None:
                raise BadInput(
                    "Invalid fixed IP: one address cannot be given to several instances."
                )
            network = await _usable_network(tx, reach, wish, external=external)
            if grouped and not network.port_security_enabled:
                raise BadInput(
                    f"Network {network.id} requires port_security_enabled in order to apply security groups."
                )
            found.append(await _plan_network(tx, reach, wish, network))
    return found


async def plan_another(tx: Transaction, reach: Reach, wish: NICWish, *, external: bool) -> NICPlan:
    if wish.port_id is wish.network_id is None:
        try:
            only = await only_network(tx, reach)
        except Conflict as error:
            raise BadInput(error.message) from None
        if only is None:
            raise BadInput(
                "No specific network was requested and none are available for project "
                f"'{reach.project_id}'."
            )
        wish = NICWish(network_id=only, tag=wish.tag)
    if wish.port_id is not None:
        await _known(tx, reach, "port", wish.port_id)
        return await _plan_port(tx, reach, wish)
    await _known(tx, reach, "network", wish.network_id or "")
    return await _plan_network(
        tx, reach, wish, await _usable_network(tx, reach, wish, external=external)
    )


async def _known(tx: Transaction, reach: Reach, kind: str, resource_id: str) -> None:
    """Raises NotFound where the caller does not see it, and a port that is another project's."""
    missing = NotFound(f"{kind.title()} {resource_id[:64]} could not be found.")
    try:
        row = await get(tx, reach, kind, resource_id)
    except NotFound:
        raise missing from None
    if kind == "port" and row.project_id != reach.project_id and not reach.everything:
        raise missing


async def next_place(tx: Transaction, server_id: str) -> int:
    """Behind the interfaces that a server has."""
    taken = [port.server_position for port in await tx.all(_mine, {"server": server_id})]
    return max(taken, default=-1) + 1


async def only_network(tx: Transaction, reach: Reach) -> str | None:
    """The network that a project uses where it names none: its own, or else a shared one.

    Raises:
        Conflict: there are several.
    """
    inside = networks.c.external.is_(False)
    mine = Reach(reach.project_id)
    shared = networks.c.id.in_(opened(mine, "network", SHARED))
    for where in (own(mine, networks), shared):
        rows = await tx.scalars(
            sa.select(networks.c.id)
            .where(where, inside, networks.c.id.in_(sa.select(subnets.c.network_id)))
            .limit(2)
        )
        if len(rows) > 1:
            raise Conflict(
                "Multiple possible networks found, use a Network ID to be more specific."
            )
        if rows:
            return str(rows[0])
    return None


async def _plan_port(tx: Transaction, reach: Reach, wish: NICWish) -> NICPlan:
    assert wish.port_id is not None
    try:
        port = await get(tx, reach, "port", wish.port_id)
    except NotFound:
        port = None
    if port is None or (port.project_id != reach.project_id and not reach.everything):
        raise BadInput(f"Port id {wish.port_id[:64]} could not be found.")
    if port.role != "guest" or port.server_id is not None or port.device_id:
        raise Conflict(f"Port {port.id} is still in use.")
    if wish.network_id is not None and wish.network_id != port.network_id:
        raise BadInput(f"Port {port.id} is not on network {wish.network_id[:64]}.")
    if await tx.first(_has_address, {"port": port.id}) is None:
        raise BadInput(f"Port {port.id} requires a FixedIP in order to be used.")
    return NICPlan(port_id=port.id, network_id=port.network_id, ours=False, tag=wish.tag)


async def _usable_network(
    tx: Transaction, reach: Reach, wish: NICWish, *, external: bool
) -> Row[Any]:
    requested = wish.network_id or ""
    try:
        network = await get(tx, reach, "network", requested)
    except NotFound:
        raise BadInput(f"Network {requested[:64]} could not be found.") from None
    if network.external and not external:
        raise Forbidden(
            f"It is not allowed to create an interface on external network {network.id}"
        )
    return network


async def _plan_network(tx: Transaction, reach: Reach, wish: NICWish, network: Row[Any]) -> NICPlan:
    its_subnets = await tx.all(_subnets, {"network": network.id})
    if not its_subnets:
        raise BadInput(f"Network {network.id} requires a subnet in order to boot instances on.")
    fixed = None
    if wish.fixed_ip is not None:
        if network.project_id != reach.project_id and not reach.everything:
            raise Forbidden("Only the owner of a shared network can choose addresses on it.")
        try:
            address = ipaddress.ip_address(wish.fixed_ip)
        except ValueError:
            raise BadInput(f"Invalid fixed IP address {wish.fixed_ip[:64]}") from None
        fixed = str(address)
        near = [one for one in its_subnets if address in network_of(one.cidr)]
        if not near:
            raise BadInput(f"Fixed IP {fixed} is not a valid ip address for network {network.id}.")
        port_logic.check_address(near[0], address)
        if await tx.first(_taken, {"network": network.id, "address": fixed}) is not None:
            raise BadInput(f"Fixed IP address {fixed} is already in use.")
    return NICPlan(
        port_id=new_uuid(), network_id=network.id, ours=True, fixed_ip=fixed, tag=wish.tag
    )


async def resource_requests(
    tx: Transaction, plans: Sequence[NICPlan]
) -> dict[str, list[ResourceGroup]]:
    """A port that is not made yet will go by its network's policy."""
    if not plans:
        return {}
    ids = [one.port_id for one in plans]
    of_ports = {row.id: row for row in await tx.all(_policies, {"ids": ids})}
    networks_meant = {one.port_id: one.network_id for one in plans} | {
        row.id: row.network_id for row in of_ports.values()
    }
    near = {
        row.id: row
        for row in await tx.all(_segments, {"ids": sorted(set(networks_meant.values()))})
    }
    wishes = {
        port: (
            (of_ports[port].qos_policy_id if port in of_ports else None)
            or near[network].qos_policy_id,
            near[network].physical_network,
        )
        for port, network in networks_meant.items()
        if network in near
    }
    return {
        port: [
            ResourceGroup(
                id=each["id"], resources=each["resources"], traits=tuple(each["required"])
            )
            for each in one["request_groups"]
        ]
        for port, one in (await promises.requests(tx, wishes)).items()
    }


async def check_groups(
    tx: Transaction, room: Network, project_id: str, names: Sequence[str]
) -> list[str]:
    found = []
    for name in dict.fromkeys(names):
        if name in (group_logic.DEFAULT_NAME, group_logic.default_id(project_id)):
            found.append(group_logic.default_id(project_id))
            continue
        rows = await tx.all(_groups_of, {"project": project_id, "requested": name})
        exact = [row for row in rows if row.id == name]
        if len(exact or rows) > 1:
            raise Conflict(
                f"Multiple security_group matches found for name '{name[:64]}', use an ID to be more "
                "specific."
            )
        if not rows:
            raise BadInput(f"Unable to find security_group with name or id '{name[:64]}'")
        found.append(str((exact or rows)[0].id))
    return found


async def bind(
    tx: Transaction,
    room: Network,
    plans: Sequence[NICPlan],
    *,
    server_id: str,
    project_id: str,
    host: str,
    hostname: str,
    zone: str,
    security_groups: Sequence[str],
    first: int = 0,
    user_id: str = "",
) -> None:
    """Make the ports that are ours, with addresses; set owner and host on all. Doing it twice changes nothing.

    Args:
        hostname: the name under which other guests of the networks find the server.
        security_groups: names or ids, for the ports that are ours; empty for the project's default group.
        first: the place of the first of them among the server's interfaces.
        user_id: who the server is for, as domains of networks may say.

    Raises:
        Conflict: no address is left, or a port was taken by another server.
        BadInput: a port has another name than the server.
        OverQuota: the project's ports.
    """
    label = dns_label(hostname)
    groups: list[str] | None = None
    owner = f"compute:{zone or room.settings.zone}"
    made, bound = [], []
    for place, each in enumerate(plans, first):
        if not each.ours:  # two servers may want the same one at the same moment
            await tx.take_turn(each.port_id)
        port = await tx.first(_maybe, {"port": each.port_id})
        if port is not None and port.server_id not in (None, server_id):
            raise conflict("PortInUse", f"Port {each.port_id} is still in use.")
        if port is None:
            if not each.ours:
                raise NotFound(f"Port {each.port_id} could not be found.", code="PortNotFound")
            network = await get_any(tx, "network", each.network_id)
            if groups is None:
                groups = await check_groups(tx, room, project_id, security_groups)
            values: dict[str, Any] = {
                "device_id": server_id,
                "device_owner": owner,
                "binding:host_id": host,
                "security_groups": groups or UNSET,
                "fixed_ips": [{"ip_address": each.fixed_ip}] if each.fixed_ip else UNSET,
            }
            if not network.port_security_enabled:
                values["security_groups"] = UNSET
            await port_logic.make(
                tx,
                room,
                Reach(project_id),
                network,
                project_id,
                values,
                port_id=each.port_id,
                server_id=server_id,
                server_position=place,
                made_for_server=True,
                dns_name=label,
                user_id=user_id,
            )
            made.append(each.port_id)
            continue
        if port.server_id is None and (
            port.device_id not in ("", server_id) or port.role != "guest"
        ):
            raise conflict("PortInUse", f"Port {each.port_id} is still in use.")
        if port.dns_name and label and port.dns_name != label:
            raise BadInput(
                f"Port {port.id} not usable for instance {server_id}. Value {port.dns_name} assigned to "
                f"dns_name attribute does not match instance's hostname {label}"
            )
        requested = {
            "server_id": server_id,
            "server_position": place,
            "device_id": server_id,
            "device_owner": owner,
            "dns_name": label or port.dns_name,
        }
        same = all(getattr(port, name) == value for name, value in requested.items())
        if same and port.host == host:
            continue
        if port.host != host:
            requested["status"] = "DOWN"
        await change(tx, ports, port.id, room.clock.now(), requested)
        await bindings.bind(tx, port.id, {"host": host})
        await touch(tx, room, port_scope(port.id))
        bound.append(port.id)
    await news.of_ports(tx, room, "create", made)
    await news.of_ports(tx, room, "update", bound)


async def place(tx: Transaction, room: Network, server_id: str, host: str) -> None:
    """A server's ports are bound to another host; "" for none. Addresses stay."""
    moved = [port.id for port in await tx.all(_mine, {"server": server_id}) if port.host != host]
    for port_id in moved:
        await change(tx, ports, port_id, room.clock.now(), {"status": "DOWN"})
        await bindings.bind(tx, port_id, {"host": host})
        await touch(tx, room, port_scope(port_id))
    await news.of_ports(tx, room, "update", moved)


async def expect(tx: Transaction, room: Network, server_id: str, host: str) -> None:
    """A server may come to a host: its ports are known there, and silent."""
    for port in await tx.all(_mine, {"server": server_id}):
        if all(one.host != host for one in await bindings.of_port(tx, port.id)):
            await bindings.add(tx, room, port, {"host": host})


async def unexpect(tx: Transaction, room: Network, server_id: str, host: str) -> None:
    """A server does not come to a host after all."""
    for port in await tx.all(_mine, {"server": server_id}):
        for one in await bindings.of_port(tx, port.id):
            if one.host == host != port.host:
                await bindings.remove(tx, room, port, host)


async def arrive(tx: Transaction, room: Network, server_id: str, host: str) -> None:
    """A server has come to a host without having been away: its ports are there, and as they were."""
    moved = [port.id for port in await tx.all(_mine, {"server": server_id}) if port.host != host]
    for port_id in moved:
        await change(tx, ports, port_id, room.clock.now(), {})
        await bindings.bind(tx, port_id, {"host": host})
        await touch(tx, room, port_scope(port_id))
    await news.of_ports(tx, room, "update", moved)


async def rename(tx: Transaction, room: Network, server_id: str, hostname: str) -> None:
    """Other guests of its networks find the server under another name."""
    label = dns_label(hostname)
    for port in await tx.all(_mine, {"server": server_id}):
        if port.dns_name != label:
            await change(tx, ports, port.id, room.clock.now(), {"dns_name": label})
            await touch(tx, room, port_scope(port.id))


def dns_label(hostname: str) -> str:
    """The first label of a host name; "" if it is none that DNS has."""
    label = hostname.partition(".")[0].lower()
    return label if _LABEL.fullmatch(label) else ""


async def release(
    tx: Transaction, room: Network, server_id: str, *, only: Collection[str] | None = None
) -> None:
    """only: ids of the ports that are meant; all of the server's when left out."""
    mine = [
        port
        for port in await tx.all(_mine, {"server": server_id})
        if only is None or port.id in only
    ]
    await news.tell(tx, room, "delete", [port for port in mine if port.made_for_server])
    for port in mine:
        if port.made_for_server:
            await port_logic.remove(tx, room, port)
            continue
        freed = {
            "server_id": None,
            "server_position": 0,
            "device_id": "",
            "device_owner": "",
            "status": "DOWN",
            "dns_name": "",
        }
        await change(tx, ports, port.id, room.clock.now(), freed)
        await bindings.forget_others(tx, port.id)
        await bindings.bind(tx, port.id, {"host": ""})
        await touch(tx, room, port_scope(port.id))
    freed_ids = [port.id for port in mine if not port.made_for_server]
    await news.of_ports(tx, room, "update", freed_ids)


async def nics(tx: Transaction, server_id: str) -> tuple[NIC, ...]:
    """The interfaces of a server in their order, as a node wants them."""
    rows = await tx.all(_of_servers, {"ids": [server_id]})
    metadata = {
        row.network_id: row
        for row in await tx.all(_metadata, {"ids": list({row.network_id for row in rows})})
    }
    held = {
        port_id: [f"{one.address}/{one.prefix}" for one in found]
        for port_id, found in (await _fixed_of(tx, [row.id for row in metadata.values()])).items()
    }

    def of_network(network_id: str) -> MetadataPort | None:
        port = metadata.get(network_id)
        if port is None:
            return None
        return MetadataPort(
            port_id=port.id, mac=port.mac_address, addresses=tuple(held.get(port.id, ()))
        )

    return tuple(
        NIC(
            port_id=row.id,
            network_id=row.network_id,
            mac=row.mac_address,
            mtu=row.mtu,
            metadata=of_network(row.network_id),
        )
        for row in rows
    )


async def addresses_of(
    tx: Transaction, server_ids: Sequence[str]
) -> dict[str, list[tuple[int, str]]]:
    """The addresses of servers, floating ones too, each with its version; two statements in all."""
    found: dict[str, list[tuple[int, str]]] = {}
    for statement in (_bare_addresses, _bare_floating):
        for row in await tx.all(statement, {"ids": list(server_ids)}):
            found.setdefault(row.server_id, []).append((row.version, row.address))
    return found


async def ports_of(tx: Transaction, server_ids: Sequence[str]) -> dict[str, list[ServerPort]]:
    """The ports of servers, each in order of its interfaces; five statements however many servers there are."""
    found: dict[str, list[ServerPort]] = {}
    if len(server_ids) == 1:
        rows = await tx.all(_of_server, {"id": server_ids[0]})
    else:
        rows = await tx.all(_of_servers, {"ids": list(server_ids)})
    if not rows:
        return found
    ids = [row.id for row in rows]
    fixed = await _fixed_of(tx, ids)
    floating = {
        row.port_id: row.floating_ip_address for row in await tx.all(_floating, {"ids": ids})
    }
    groups: dict[str, list[str]] = {}
    for one in await tx.all(_group_names, {"ids": ids}):
        groups.setdefault(one.port_id, []).append(one.name)
    for row in rows:
        found.setdefault(row.server_id, []).append(
            ServerPort(
                port_id=row.id,
                network_id=row.network_id,
                network_name=row.network_name,
                mac=row.mac_address,
                mtu=row.mtu,
                status=row.status,
                fixed_ips=tuple(fixed.get(row.id, ())),
                floating_ip=floating.get(row.id),
                security_groups=tuple(groups.get(row.id, ())),
            )
        )
    return found


async def _fixed_of(tx: Transaction, port_ids: list[str]) -> dict[str, list[FixedIP]]:
    """The fixed addresses of ports; two statements. Many ports share a few subnets: these are read once."""
    rows = await tx.all(_addresses, {"ids": port_ids})
    known = {}
    if rows:
        ids = list({row.subnet_id for row in rows})
        known = {one.id: _in_subnet(one) for one in await tx.all(_around, {"ids": ids})}
    found: dict[str, list[FixedIP]] = {}
    for row in rows:
        found.setdefault(row.port_id, []).append(known[row.subnet_id](address=row.address))
    return found


def _in_subnet(one: Row[Any]) -> Callable[..., FixedIP]:
    """Makes addresses of a subnet."""
    network = network_of(one.cidr)
    return partial(
        FixedIP,
        subnet_id=one.id,
        version=one.ip_version,
        netmask=str(network.netmask),
        prefix=network.prefixlen,
        gateway=one.gateway_ip,
        dhcp=one.enable_dhcp,
        mode=one.ipv6_address_mode or "",
        dns=name_servers(one.dns_nameservers),
        routes=tuple((route["destination"], route["nexthop"]) for route in one.host_routes),
    )


_open_ports = (
    sa.select(ports.c.id, ports.c.port_security_enabled)
    .where(ports.c.server_id == bindparam("server"))
    .where(ports.c.id.in_(sa.select(ip_allocations.c.port_id)))
)
_memberships = sa.select(port_security_groups.c.port_id).where(
    port_security_groups.c.port_id.in_(bindparam("ids", expanding=True)),
    port_security_groups.c.security_group_id == bindparam("group"),
)


async def change_group(
    tx: Transaction, room: Network, server_id: str, project_id: str, name: str, *, join: bool
) -> None:
    """Let the ports of a server join or leave a security group, by name or id.

    Raises:
        NotFound: there is no such group, several, or the server is not in it.
        BadInput: the server has no port that takes groups.
    """
    try:
        (group,) = await check_groups(tx, room, project_id, [name])
    except BadInput as error:
        raise NotFound(error.message) from None
    found = [
        row.id
        for row in await tx.all(_open_ports, {"server": server_id})
        if row.port_security_enabled
    ]
    if join and not found:
        raise BadInput(f"Server {server_id} has no port that takes security groups.")
    if join and group == group_logic.default_id(project_id):
        await group_logic.ensure_default(tx, room, project_id)
    members = set(await tx.scalars(_memberships, {"ids": found, "group": group}))
    if not join and not members:
        raise NotFound(f"Security group {name[:64]} is not one of server {server_id}'s.")
    changed = [one for one in found if one not in members] if join else sorted(members)
    if not changed:
        return
    for one in changed:
        await logs.port_moves(tx, room, one)
    if join:
        rows = [{"port_id": one, "security_group_id": group} for one in changed]
        await tx.insert(port_security_groups, rows)
    else:
        await tx.execute(
            port_security_groups.delete().where(
                port_security_groups.c.port_id.in_(changed),
                port_security_groups.c.security_group_id == group,
            )
        )
    for one in changed:
        await logs.port_moves(tx, room, one)
        await change(tx, ports, one, room.clock.now(), {})
    await touch(tx, room, *(port_scope(one) for one in changed))
    await news.of_ports(tx, room, "update", changed)


async def server_at(tx: Transaction, network_id: str, address: str) -> str | None:
    """The server whose port of this network has this address; one of the link is made of the port's MAC."""
    mac = mac_of(address)
    if mac is not None:
        found = await tx.scalar(_by_mac, {"network": network_id, "mac": mac})
    else:
        found = await tx.scalar(_at, {"network": network_id, "address": address})
    return None if found is None else str(found)


def mac_of(address: str) -> str | None:
    """The MAC that a link-local address of IPv6 was made of; None where it is no such address.

    Source: RFC 4291, appendix A. The switch lets a guest use no other one.
    """
    try:
        given = ipaddress.IPv6Address(address)
    except ValueError:
        return None
    interface = given.packed[8:]
    if not given.is_link_local or interface[3:5] != b"\xff\xfe":
        return None
    return (bytes([interface[0] ^ 2]) + interface[1:3] + interface[5:]).hex(":")
