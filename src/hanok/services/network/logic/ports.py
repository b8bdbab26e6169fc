"""Ports: a MAC and addresses on a network, and what they are plugged into.

Who owns a device is decided by who wrote it: `device_id` and `device_owner` are labels that users may set on ports of
their own; `server_id` is compute's alone, and only that makes a port a server's.

Source: Networking API v2.0 reference, "Ports".
"""

from __future__ import annotations

import ipaddress
import secrets
from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Row, bindparam

from hanok.base.errors import BadInput
from hanok.services.network.logic import (
    addresses,
    bindings,
    dhcp_options,
    forwardings,
    logs,
    names,
    promises,
    proxied,
    qos,
    quotas,
    security_groups,
    subports,
)
from hanok.services.network.logic.addresses import network_of, position, self_made, serving
from hanok.services.network.logic.errors import conflict
from hanok.services.network.logic.reach import (
    Reach,
    change,
    get,
    get_any,
    project_of,
    set_tags,
    shown,
    standard,
    tags_of,
)
from hanok.services.network.logic.scopes import (
    floating_ip_scope,
    port_scope,
    router_scope,
    touch,
    touch_all,
    whole_network,
)
from hanok.services.network.room import Network
from hanok.services.network.tables import (
    floating_ips,
    ip_allocations,
    networks,
    port_security_groups,
    ports,
    subnets,
)
from hanok.store import Duplicate, Transaction
from hanok.web.attributes import UNSET

MAC_TRIES = 16
_MULTICAST: dict[int, ipaddress.IPv4Network | ipaddress.IPv6Network] = {
    4: ipaddress.IPv4Network("224.0.0.0/4"),
    6: ipaddress.IPv6Network("ff00::/8"),
}
FAMILY = b"\xfa\x16\x3e"  # the field's prefix; the first octet says "locally administered"

_subnets = (
    sa.select(subnets)
    .where(subnets.c.network_id == bindparam("network"))
    .order_by(subnets.c.created_at, subnets.c.id)
)
_with_metadata = _subnets.where(subnets.c.enable_dhcp.is_(True))
_by_role = sa.select(ports.c.id).where(
    ports.c.network_id == bindparam("network"), ports.c.role == bindparam("role")
)
_addresses = sa.select(
    ip_allocations.c.port_id, ip_allocations.c.address, ip_allocations.c.subnet_id
).where(ip_allocations.c.port_id.in_(bindparam("ids", expanding=True)))
_groups = sa.select(port_security_groups.c.port_id, port_security_groups.c.security_group_id).where(
    port_security_groups.c.port_id.in_(bindparam("ids", expanding=True))
)
_parents = sa.select(
    networks.c.id, networks.c.project_id, networks.c.physical_network, networks.c.qos_policy_id
).where(networks.c.id.in_(bindparam("ids", expanding=True)))
_held = sa.select(
    ip_allocations.c.subnet_id,
    ip_allocations.c.position,
    ip_allocations.c.address,
    ip_allocations.c.ordinal,
    subnets.c.ip_version,
    subnets.c.allocation_pools,
    subnets.c.ipv6_address_mode,
).where(ip_allocations.c.port_id == bindparam("port"), subnets.c.id == ip_allocations.c.subnet_id)
_floating_to = sa.select(floating_ips).where(floating_ips.c.port_id == bindparam("port"))
_loose = (
    floating_ips.update()
    .where(floating_ips.c.id == bindparam("floating"))
    .values(
        port_id=None,
        fixed_ip_address=None,
        router_id=None,
        status="DOWN",
        revision_number=floating_ips.c.revision_number + 1,
    )
)
_leave_groups = port_security_groups.delete().where(
    port_security_groups.c.port_id == bindparam("port")
)
_drop = ports.delete().where(ports.c.id == bindparam("port"))
_same_mac = sa.select(ports.c.id).where(
    ports.c.network_id == bindparam("network"), ports.c.mac_address == bindparam("mac")
)


async def show(tx: Transaction, rows: Sequence[Row[Any]]) -> list[dict[str, Any]]:
    """Ports as the API shows them to an administrator; four statements however many they are."""
    ids = [row.id for row in rows]
    their_tags = await tags_of(tx, ids)
    fixed: dict[str, list[dict[str, str]]] = {one: [] for one in ids}
    # By address, in the order of text, as upstream: clients compare what they sent with what they read.
    for port_id, address, subnet_id in await _sorted(tx, _addresses, ids):
        fixed[port_id].append({"subnet_id": subnet_id, "ip_address": address})
    groups: dict[str, list[str]] = {one: [] for one in ids}
    for port_id, group_id in await _sorted(tx, _groups, ids):
        groups[port_id].append(group_id)
    parents = {
        row.id: row
        for row in await tx.all(_parents, {"ids": list({row.network_id for row in rows})})
    }
    trunked = await subports.details(tx, ids)
    options = await dhcp_options.of_ports(tx, ids)
    requested = await promises.requests(tx, _wishes(rows, parents))
    found = [
        {
            **shown(row, their_tags[row.id]),
            "network_id": row.network_id,
            "admin_state_up": row.admin_state_up,
            "status": row.status,
            "mac_address": row.mac_address,
            "fixed_ips": fixed[row.id],
            "device_id": row.device_id,
            "device_owner": row.device_owner,
            "security_groups": groups[row.id],
            "port_security_enabled": row.port_security_enabled,
            "allowed_address_pairs": _shown_pairs(row) if row.address_pairs else [],
            "dns_name": row.dns_name,
            "dns_domain": row.dns_domain,
            "extra_dhcp_opts": dhcp_options.shown(options[row.id]) if row.id in options else [],
            "qos_policy_id": row.qos_policy_id,
            "binding:host_id": row.host,
            "binding:vnic_type": row.vnic_type,
            "binding:profile": row.profile
            if row.trusted is None
            else {**row.profile, "trusted": row.trusted},
            "trusted": row.trusted,
            "mac_learning_enabled": row.mac_learning_enabled,
            "resource_request": requested.get(row.id),
            "data_plane_status": row.data_plane_status,
            "binding:vif_type": row.vif_type,
            "binding:vif_details": row.vif_details,
            "_target": {"network:project_id": parents[row.network_id].project_id},
        }
        for row in rows
    ]
    for view in found if trunked else ():
        if view["id"] in trunked:
            view["trunk_details"] = trunked[view["id"]]
    return found


def _wishes(
    rows: Sequence[Row[Any]], parents: Mapping[str, Row[Any]]
) -> dict[str, tuple[str | None, str | None]]:
    """The policies that ports go by, each with its physical network. parents: their networks."""
    found: dict[str, tuple[str | None, str | None]] = {}
    for row in rows:
        parent = parents[row.network_id]
        policy = row.qos_policy_id or parent.qos_policy_id
        if policy and row.role == "guest":
            found[row.id] = policy, parent.physical_network
    return found


def _shown_pairs(row: Row[Any]) -> list[dict[str, str]]:
    """Address pairs; one without a MAC means the port's own."""
    return [{"mac_address": row.mac_address, **pair} for pair in row.address_pairs]


async def _sorted(tx: Transaction, statement: sa.Select[Any], ids: Sequence[str]) -> list[Any]:
    """Rows in the order of their values; the database would need longer for it."""
    return sorted(await tx.all(statement, {"ids": list(ids)}))


async def write(
    tx: Transaction,
    room: Network,
    network: Row[Any],
    *,
    project_id: str,
    port_id: str | None = None,
    values: Mapping[str, Any] | None = None,
    **columns: Any,
) -> str:
    """The bare row of a new port with its MAC, without addresses; gives its id.

    Raises:
        Conflict: the MAC or the id is taken; with an id, that the port was made before.
    """
    requested = dict(values or {})
    row = {
        **standard(requested, project_id, room.clock.now()),
        "network_id": network.id,
        "admin_state_up": requested.get("admin_state_up", True),
        "status": "DOWN",
        "device_id": requested.get("device_id", ""),
        "device_owner": requested.get("device_owner", ""),
        "trusted": requested.get("trusted"),
        "mac_learning_enabled": requested.get("mac_learning_enabled"),
        "port_security_enabled": False,
        "address_pairs": [],
        "role": "guest",
        "made_for_server": False,
        "server_position": 0,
        **columns,
    }
    if port_id is not None:
        row["id"] = port_id
    given = requested.get("mac_address", UNSET)
    for _ in range(1 if isinstance(given, str) else MAC_TRIES):
        row["mac_address"] = given if isinstance(given, str) else new_mac()
        try:
            await tx.insert(ports, row)
        except Duplicate:
            continue
        await bindings.first(tx, row["id"], bindings.named(requested))
        if row["role"] == "guest":  # the others are written with what they belong to
            await touch(tx, room, port_scope(row["id"]))
        return str(row["id"])
    raise conflict(
        "MacAddressInUse",
        f"Unable to complete operation for network {network.id}. "
        f"The mac address {row['mac_address']} is in use.",
    )


def new_mac() -> str:
    return (FAMILY + secrets.token_bytes(3)).hex(":")


async def create(tx: Transaction, room: Network, reach: Reach, values: Mapping[str, Any]) -> str:
    """Write a port with its addresses and groups. Rights to its attributes were looked at.

    Raises:
        BadInput, Conflict, QuotaReached, NotFound
    """
    project_id = project_of(values, reach)
    network = await get(tx, reach, "network", values["network_id"])
    made = await make(tx, room, reach, network, project_id, values)
    if network.project_id != reach.project_id:
        await get(tx, reach, "network", network.id)  # it may have been closed to them meanwhile
    return made


async def make(
    tx: Transaction,
    room: Network,
    reach: Reach,
    network: Row[Any],
    project_id: str,
    values: Mapping[str, Any],
    *,
    port_id: str | None = None,
    **columns: Any,
) -> str:
    """A whole port on a network that the caller may use."""
    await quotas.check(tx, room, project_id, "port")
    await tx.serialize("network", network.id)
    secured = values.get("port_security_enabled", UNSET)
    if secured is UNSET:
        secured = network.port_security_enabled
    if str(values.get("device_owner", "")).startswith("network:"):
        secured = secured if values.get("port_security_enabled") is True else False
    _learns_in_the_open(values.get("mac_learning_enabled"), secured)
    desired_groups = values.get("security_groups", UNSET)
    default = await security_groups.ensure_default(tx, room, project_id)
    if not secured:
        _without_security(desired_groups, values.get("allowed_address_pairs", []))
        groups: list[str] = []
    elif desired_groups is UNSET:
        groups = [default]
    else:
        groups = await _own_groups(tx, room, reach, project_id, desired_groups)
    names.check_port(room, reach, network, project_id, values)
    maker = columns.pop("user_id", reach.user_id)
    named = {"dns_name": values.get("dns_name", ""), "dns_domain": values.get("dns_domain", "")}
    made = await write(
        tx,
        room,
        network,
        project_id=project_id,
        port_id=port_id,
        values=values,
        user_id=maker,
        network_domain=await names.resolved(tx, network.dns_domain, project_id, maker),
        port_security_enabled=secured,
        qos_policy_id=await qos.requested(tx, reach, values.get("qos_policy_id")),
        **{**named, **columns},
    )
    await promises.check(tx, values.get("qos_policy_id"))
    port = await get_any(tx, "port", made)
    pairs = _pairs(values.get("allowed_address_pairs", []), port.mac_address)
    if pairs:
        await tx.execute(ports.update().where(ports.c.id == made).values(address_pairs=pairs))
    await _give_addresses(tx, reach, network, port, values.get("fixed_ips", UNSET))
    await ensure_metadata(tx, room, network)
    if groups:
        await tx.insert(
            port_security_groups,
            [{"port_id": made, "security_group_id": group} for group in groups],
        )
        await security_groups.check_alike(tx, groups)  # now that none of them turns any more
    await dhcp_options.change(tx, made, network.id, values.get("extra_dhcp_opts", ()))
    await dhcp_options.check(tx, made)
    await set_tags(tx, made, values.get("tags", ()))
    return made


async def ensure_metadata(tx: Transaction, room: Network, network: Row[Any]) -> None:
    """Let a network whose subnets have DHCP have its metadata port, with an address in each of those of IPv4.

    It may have been removed while there were no guests.
    """
    if network.external or await tx.first(_by_role, {"network": network.id, "role": "metadata"}):
        return
    its_subnets = await tx.all(_with_metadata, {"network": network.id})
    if not its_subnets:
        return
    port_id = await write(
        tx,
        room,
        network,
        project_id="",
        device_id=f"ovnmeta-{network.id}",
        device_owner="network:distributed",
        role="metadata",
    )
    for subnet in its_subnets:
        # A full subnet goes without metadata over DHCP's route; that is better than not at all. By IPv6, it answers
        # at an address of the link, on every subnet.
        if subnet.ip_version == 4:
            await addresses.take_next(tx, subnet, port_id)
    await touch_all(tx, room, await whole_network(tx, network.id))


def _without_security(groups: object, pairs: Sequence[Any]) -> None:
    if groups is not UNSET and groups:
        raise BadInput(
            "Port Security must be enabled and an IP address assigned in order to use security groups.",
            code="PortSecurityAndIPRequiredForSecurityGroups",
        )
    if pairs:
        raise conflict(
            "AddressPairAndPortSecurityRequired",
            "Port Security must be enabled in order to have allowed address pairs on a port.",
        )


def _pairs(pairs: Sequence[Mapping[str, str]], own_mac: str) -> list[dict[str, str]]:
    """Address pairs in one spelling. 0.0.0.0/0 and ::/0 are taken; what else holds addresses of groups is refused.

    A pair with the port's own MAC is kept without one: it means the port's MAC, also after that was changed.

    Raises:
        BadInput
    """
    found: list[dict[str, str]] = []
    for pair in pairs:
        prefix = ipaddress.ip_network(pair["ip_address"], strict=False)
        if prefix.prefixlen and prefix.overlaps(_MULTICAST[prefix.version]):
            raise _multicast(prefix)
        single = prefix.prefixlen == prefix.max_prefixlen and "/" not in pair["ip_address"]
        one = {"ip_address": str(prefix.network_address) if single else str(prefix)}
        mac = pair.get("mac_address", own_mac)
        if mac != own_mac:
            # The last bit of the first octet says "a group" (IEEE 802, 8.2.2).
            if int(mac[1], 16) & 1:
                raise _multicast(mac)
            one["mac_address"] = mac
        if one in found:
            raise BadInput(
                f"Request contains duplicate address pair: mac_address {mac} ip_address "
                f"{one['ip_address']}.",
                code="DuplicateAddressPairInRequest",
            )
        found.append(one)
    return found


def _multicast(value: object) -> BadInput:
    return BadInput(f"Invalid input for allowed_address_pairs. Reason: '{value}' is multicast.")


def _learns_in_the_open(learning: bool | None, secured: bool) -> None:
    """Raises Conflict where MACs are to be learnt of a port whose MACs are held to those it was given."""
    if learning and secured:
        raise conflict(
            "MacLearningNotSupported",
            "MAC learning requires that port security be disabled on the port.",
        )


async def _own_groups(
    tx: Transaction, room: Network, reach: Reach, project_id: str, requested: Sequence[str]
) -> list[str]:
    """Security groups by id: the project's own, and those that are shared with it.

    Raises:
        NotFound
    """
    found = []
    default = security_groups.default_id(project_id)
    for group in dict.fromkeys(requested):
        if group == default:
            found.append(await security_groups.ensure_default(tx, room, project_id))
            continue
        near = reach if reach.everything else Reach(project_id)
        row = await get(tx, near, "security_group", group)
        if row.project_id != project_id:  # nobody closes it again meanwhile
            await tx.keep(row.id)
            row = await get(tx, near, "security_group", group)
        found.append(str(row.id))
    return found


async def _give_addresses(
    tx: Transaction, reach: Reach, network: Row[Any], port: Row[Any], requested: object
) -> None:
    """Give a new port its addresses: those wanted, or one a version.

    Raises:
        BadInput: an address is none of this network's. Conflict: taken, or none is left. NotFound: no such subnet.
    """
    its_subnets = serving(await tx.all(_subnets, {"network": network.id}), port.device_owner)
    if isinstance(requested, list):
        for ordinal, wish in enumerate(requested):
            await _give(tx, reach, network, port, its_subnets, wish, ordinal)
    else:
        await _give_any(tx, network, port, its_subnets)
        return
    await _self_made(tx, port, its_subnets, len(requested))


async def subnet_of(
    tx: Transaction,
    reach: Reach,
    network: Row[Any],
    its_subnets: Sequence[Row[Any]],
    wish: Mapping[str, str],
) -> Row[Any]:
    """The subnet of a network that a wish for an address means; an address that it names is good there.

    Raises:
        BadInput: the subnet is another network's, or the address is in none. NotFound: there is no such subnet.
    """
    if "subnet_id" in wish:
        subnet = next((one for one in its_subnets if one.id == wish["subnet_id"]), None)
        if subnet is None:
            await get(tx, reach, "subnet", wish["subnet_id"])
            raise BadInput(
                f"Invalid input for operation: Failed to create port on network {network.id}, because "
                "fixed_ips included invalid subnet {}.".format(wish["subnet_id"]),
                code="InvalidInput",
            )
        if "ip_address" in wish:
            check_address(subnet, ipaddress.ip_address(wish["ip_address"]))
        return subnet
    if "ip_address" not in wish:
        raise BadInput(
            "Invalid input for operation: IP allocation requires subnet_id or ip_address.",
            code="InvalidInput",
        )
    address = ipaddress.ip_address(wish["ip_address"])
    subnet = next((one for one in its_subnets if address in network_of(one.cidr)), None)
    if subnet is None:
        raise BadInput(
            f"IP address {address} is not a valid IP for any of the subnets on the specified network.",
            code="InvalidIpForNetwork",
        )
    check_address(subnet, address)
    return subnet


async def _give(
    tx: Transaction,
    reach: Reach,
    network: Row[Any],
    port: Row[Any],
    its_subnets: Sequence[Row[Any]],
    wish: Mapping[str, str],
    ordinal: int,
) -> None:
    subnet = await subnet_of(tx, reach, network, its_subnets, wish)
    if "ip_address" not in wish:
        if self_made(subnet):
            await _own_making(tx, subnet, port, ordinal)
        elif await addresses.take_next(tx, subnet, port.id, ordinal=ordinal) is None:
            raise exhausted(network.id)
        return
    address = ipaddress.ip_address(wish["ip_address"])
    if self_made(subnet) and int(address) != addresses.eui64(subnet.cidr, port.mac_address):
        raise BadInput(
            f"Invalid input for operation: IPv6 address {address} can not be directly assigned to a "
            f"port on subnet {subnet.id} as the subnet is configured for automatic addresses.",
            code="InvalidInput",
        )
    await addresses.take(tx, subnet, int(address), port.id, ordinal=ordinal)


def check_address(subnet: Row[Any], address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> None:
    """Whether a host may have this address of a subnet.

    Raises:
        BadInput: it may not.
    """
    cidr = network_of(subnet.cidr)
    first, last = int(cidr.network_address), int(cidr.broadcast_address)
    inside = address.version == cidr.version and first <= int(address) <= last
    if cidr.num_addresses > 2:
        inside = inside and int(address) != first and (cidr.version == 6 or int(address) != last)
    if not inside:
        raise BadInput(
            f"IP address {address} is not a valid IP for the specified subnet.",
            code="InvalidIpForSubnet",
        )


def exhausted(network_id: str) -> Exception:
    return conflict(
        "IpAddressGenerationFailure", f"No more IP addresses available on network {network_id}."
    )


def in_use(network_id: str, address: str) -> Exception:
    return conflict(
        "IpAddressInUse",
        f"Unable to complete operation for network {network_id}. "
        f"The IP address {address} is in use.",
    )


async def _own_making(tx: Transaction, subnet: Row[Any], port: Row[Any], ordinal: int) -> None:
    await addresses.take(
        tx, subnet, addresses.eui64(subnet.cidr, port.mac_address), port.id, ordinal=ordinal
    )


async def _self_made(
    tx: Transaction, port: Row[Any], its_subnets: Sequence[Row[Any]], ordinal: int
) -> None:
    """A guest makes itself an address in every subnet that tells it to, asked or not."""
    for subnet in its_subnets:
        if self_made(subnet):
            number = addresses.eui64(subnet.cidr, port.mac_address)
            held = await tx.all(_held, {"port": port.id})
            at = position(number, 6)
            if any(row.subnet_id == subnet.id and row.position == at for row in held):
                continue
            await addresses.take(tx, subnet, number, port.id, ordinal=ordinal)
            ordinal += 1


async def _give_any(
    tx: Transaction, network: Row[Any], port: Row[Any], its_subnets: Sequence[Row[Any]]
) -> None:
    ordinal = 0
    for version in (4, 6):
        candidates = [
            one for one in its_subnets if one.ip_version == version and not self_made(one)
        ]
        for subnet in candidates:
            if await addresses.take_next(tx, subnet, port.id, ordinal=ordinal) is not None:
                ordinal += 1
                break
        else:
            if candidates:
                raise exhausted(network.id)
    await _self_made(tx, port, its_subnets, ordinal)


async def update(
    tx: Transaction, room: Network, reach: Reach, row: Row[Any], values: Mapping[str, Any]
) -> None:
    """Change a port. Rights to its attributes were looked at.

    Raises:
        BadInput, Conflict, NotFound
    """
    requested: dict[str, Any] = {
        name: values[name]
        for name in (
            "name",
            "description",
            "admin_state_up",
            "device_id",
            "device_owner",
            "dns_name",
            "dns_domain",
            "data_plane_status",
            "trusted",
            "mac_learning_enabled",
        )
        if name in values
    }
    # Who calls their port a trunk's, which it is not, may call it something else again.
    trunked = row.device_owner == subports.OWNER and await subports.by_port(tx, [row.id])
    _keeps_its_device(reach, row, requested, trunked=bool(trunked))
    network = await get_any(tx, "network", row.network_id)
    names.check_port(room, reach, network, row.project_id, values)
    secured = values.get("port_security_enabled", row.port_security_enabled)
    _learns_in_the_open(values.get("mac_learning_enabled", row.mac_learning_enabled), secured)
    pairs = row.address_pairs
    if "allowed_address_pairs" in values:
        pairs = _pairs(
            values["allowed_address_pairs"], values.get("mac_address") or row.mac_address
        )
    groups = UNSET if "security_groups" not in values else values["security_groups"]
    if not secured:
        has = bool(await tx.first(_groups, {"ids": [row.id]})) if groups is UNSET else bool(groups)
        if has:
            raise conflict(
                "PortSecurityPortHasSecurityGroup",
                "Port has security group associated. Cannot disable port security or IP address until "
                "security group is removed.",
            )
        _without_security(UNSET, pairs)
    requested |= {"port_security_enabled": secured, "address_pairs": pairs}
    if "qos_policy_id" in values:
        requested["qos_policy_id"] = await qos.requested(
            tx, reach, values["qos_policy_id"], row.qos_policy_id
        )
    bound = bindings.named(values)
    if bound.get("host", row.host) != row.host:
        requested["status"] = "DOWN"
    if "mac_address" in values and values["mac_address"] != row.mac_address:
        requested["mac_address"] = await _another_mac(tx, row, values["mac_address"])
    await change(tx, ports, row.id, room.clock.now(), requested)
    await bindings.bind(tx, row.id, bound)
    if requested.get("qos_policy_id", row.qos_policy_id) != row.qos_policy_id:
        await promises.check(tx, requested["qos_policy_id"])
        if row.server_id and await promises.made_in(
            tx,
            *(
                one or network.qos_policy_id
                for one in (row.qos_policy_id, requested["qos_policy_id"])
            ),
        ):
            await promises.renew_of(tx, room, [row.server_id])
    port = await get_any(tx, "port", row.id)
    if port.mac_address != row.mac_address and port.role == "guest":
        values = await _another_self(tx, room, port, values)
    if "fixed_ips" in values:
        await _change_addresses(tx, room, reach, network, port, values["fixed_ips"])
    if "extra_dhcp_opts" in values or "fixed_ips" in values:
        await dhcp_options.change(tx, row.id, row.network_id, values.get("extra_dhcp_opts", ()))
        await dhcp_options.check(tx, row.id)
    if groups is not UNSET:
        ids = await _own_groups(tx, room, reach, row.project_id, values["security_groups"])
        await logs.port_moves(tx, room, row.id)
        await tx.execute(_leave_groups, {"port": row.id})
        if ids:
            await tx.insert(
                port_security_groups,
                [{"port_id": row.id, "security_group_id": group} for group in ids],
            )
            await security_groups.check_alike(tx, ids)
        await logs.port_moves(tx, room, row.id)
    touched = [port_scope(row.id)]
    if row.role in ("router", "gateway"):
        touched.append(router_scope(row.device_id))
    await touch_all(tx, room, touched)


async def _another_mac(tx: Transaction, row: Row[Any], mac: str | None) -> str:
    """The MAC that a port is to have; one of ours where none is named.

    Raises:
        Conflict: the port is bound, or the MAC taken.
    """
    if row.host:
        raise conflict(
            "PortBound",
            f"Unable to complete operation on port {row.id}, port is already bound, port type: "
            f"ovs, old_mac {row.mac_address}, new_mac {mac}.",
        )
    await tx.serialize("network", row.network_id)
    for _ in range(1 if mac else MAC_TRIES):
        found = mac or new_mac()
        if await tx.first(_same_mac, {"network": row.network_id, "mac": found}) is None:
            return found
    raise conflict(
        "MacAddressInUse",
        f"Unable to complete operation for network {row.network_id}. "
        f"The mac address {mac} is in use.",
    )


def _keeps_its_device(
    reach: Reach, row: Row[Any], requested: Mapping[str, Any], *, trunked: bool
) -> None:
    moved = any(
        name in requested and requested[name] != getattr(row, name)
        for name in ("device_id", "device_owner")
    )
    if not moved:
        return
    if row.role != "guest" or trunked or (row.server_id is not None and not reach.everything):
        raise conflict(
            "PortInUse",
            f"Unable to complete operation on port {row.id} for network {row.network_id}. "
            f"Port already has an attached device {row.device_id}.",
        )


async def _change_addresses(
    tx: Transaction,
    room: Network,
    reach: Reach,
    network: Row[Any],
    port: Row[Any],
    requested: Sequence[Mapping[str, str]],
) -> None:
    """Make a port hold these addresses; one it has already stays with it.

    A router's port may move within the subnets that it joins.
    """
    everyone = await tx.all(_subnets, {"network": network.id})
    its_subnets = serving(everyone, port.device_owner) if port.role == "guest" else everyone
    for wish in requested:
        if "subnet_id" in wish:
            await subnet_of(tx, reach, network, its_subnets, wish)
    joins = port.role == "router" and await _same_subnets(tx, port, its_subnets, requested)
    if port.role != "guest" and not joins:
        raise BadInput(
            f"Invalid input for operation: the addresses of port {port.id} are given by its "
            f"{port.device_owner}.",
            code="InvalidInput",
        )
    await tx.serialize("network", network.id)
    held = await tx.all(_held, {"port": port.id})
    kept: list[tuple[int, Row[Any]]] = []
    open_wishes: list[tuple[int, Mapping[str, str]]] = []
    free = list(held)
    for ordinal, wish in enumerate(requested):
        # Named addresses first, so that a wish for "any of this subnet" does not take their place.
        match = next((row for row in free if row.address == wish.get("ip_address")), None)
        if match is not None and wish.get("subnet_id", match.subnet_id) == match.subnet_id:
            free.remove(match)
            kept.append((ordinal, match))
        else:
            open_wishes.append((ordinal, wish))
    still: list[tuple[int, Mapping[str, str]]] = []
    for ordinal, wish in open_wishes:
        match = None
        if "ip_address" not in wish:
            match = next((row for row in free if row.subnet_id == wish.get("subnet_id")), None)
        if match is not None:
            free.remove(match)
            kept.append((ordinal, match))
        else:
            still.append((ordinal, wish))
    for row in free:
        await _let_go(tx, room, port.id, row)
    for ordinal, row in kept:
        await tx.execute(
            ip_allocations.update()
            .where(
                ip_allocations.c.subnet_id == row.subnet_id,
                ip_allocations.c.position == row.position,
            )
            .values(ordinal=ordinal)
        )
    for ordinal, wish in still:
        await _give(tx, reach, network, port, its_subnets, wish, ordinal)
    if port.role == "guest":
        await _self_made(tx, port, its_subnets, len(requested))


async def _another_self(
    tx: Transaction, room: Network, port: Row[Any], values: Mapping[str, Any]
) -> dict[str, Any]:
    """With another MAC a guest makes itself other addresses; gives what is asked for, with those instead of the old."""
    held = await tx.all(_held, {"port": port.id})
    old = {row.address: row.subnet_id for row in held if self_made(row)}
    for row in held:
        if row.address in old:
            await _let_go(tx, room, port.id, row)
    now = [{"ip_address": row.address} for row in held]
    wishes = values.get("fixed_ips", now) if old else values.get("fixed_ips")
    if wishes is None:
        return dict(values)
    again = [
        {"subnet_id": old[one["ip_address"]]} if one.get("ip_address") in old else one
        for one in wishes
    ]
    return {**values, "fixed_ips": again}


async def _same_subnets(
    tx: Transaction,
    port: Row[Any],
    its_subnets: Sequence[Row[Any]],
    requested: Sequence[Mapping[str, str]],
) -> bool:
    """Whether these wishes are for one address in each subnet that the port has one in."""

    def subnet_of(wish: Mapping[str, str]) -> str:
        if "subnet_id" in wish or "ip_address" not in wish:
            return wish.get("subnet_id", "")
        address = ipaddress.ip_address(wish["ip_address"])
        return next((str(s.id) for s in its_subnets if address in network_of(s.cidr)), "")

    held = await tx.all(_held, {"port": port.id})
    return sorted(map(subnet_of, requested)) == sorted(str(row.subnet_id) for row in held)


async def leave_subnet(tx: Transaction, room: Network, port_id: str, subnet_id: str) -> None:
    """A port loses its addresses of a subnet."""
    for held in await tx.all(_held, {"port": port_id}):
        if held.subnet_id == subnet_id:
            await _let_go(tx, room, port_id, held)
    await change(tx, ports, port_id, room.clock.now(), {})
    await touch(tx, room, port_scope(port_id))


async def _let_go(tx: Transaction, room: Network, port_id: str, held: Row[Any]) -> None:
    """A port loses an address, and a floating IP that led to it leads nowhere."""
    await addresses.give_back(
        tx, held.subnet_id, held.ip_version, held.position, held.allocation_pools
    )
    for row in await tx.all(_floating_to, {"port": port_id}):
        if row.fixed_ip_address == held.address:
            await loose(tx, room, row)
    await forwardings.release(tx, room, port_id, held.address)
    await proxied.release(tx, room, port_id, held.address)


async def loose(tx: Transaction, room: Network, floating: Row[Any]) -> None:
    """A floating IP leads nowhere any more."""
    await tx.execute(_loose, {"floating": floating.id})
    await touch(tx, room, floating_ip_scope(floating.id), port_scope(floating.port_id))


async def delete(tx: Transaction, room: Network, row: Row[Any]) -> None:
    """Remove a port on a user's wish.

    Raises:
        Conflict: it is a router's, or ours and of use to guests.
    """
    if row.role == "metadata":
        await tx.serialize("network", row.network_id)
    used = {"network": row.network_id, "role": "guest"}
    if row.role != "guest" and (row.role != "metadata" or await tx.first(_by_role, used)):
        raise conflict(
            "ServicePortInUse",
            f"Port {row.id} cannot be deleted directly via the port API: has device owner "
            f"{row.device_owner}.",
        )
    await subports.check_unused(tx, row.id)
    await remove(tx, room, row)
    if row.server_id is not None and room.port_gone is not None:
        await room.port_gone(tx, row.server_id, row.id)


async def remove(tx: Transaction, room: Network, row: Row[Any]) -> None:
    """A port with all that hangs on it is gone; its addresses are free."""
    for floating in await tx.all(_floating_to, {"port": row.id}):
        await loose(tx, room, floating)
    await forwardings.release(tx, room, row.id)
    await proxied.release(tx, room, row.id)
    await subports.release(tx, room, row.id)
    for held in await tx.all(_held, {"port": row.id}):
        await addresses.give_back(
            tx, held.subnet_id, held.ip_version, held.position, held.allocation_pools
        )
    await logs.port_gone(tx, room, row.id)
    await tx.execute(_leave_groups, {"port": row.id})
    await dhcp_options.forget(tx, row.id)
    await set_tags(tx, row.id, ())
    await bindings.forget(tx, row.id)
    await tx.execute(_drop, {"port": row.id})
    if row.role in ("guest", "router", "vip"):
        await touch(tx, room, port_scope(row.id))
    elif row.role == "metadata":
        await touch_all(tx, room, await whole_network(tx, row.network_id))
