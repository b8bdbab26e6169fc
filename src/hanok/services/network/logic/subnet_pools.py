"""Subnet pools: prefixes of which subnets are given out, none twice.

Source: Networking API v2.0 reference, "Subnet pools extension", "Subnet pool prefix operations", "Subnet onboard
operations".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Row, bindparam

from hanok.base.errors import BadInput
from hanok.services.network.logic import prefixes as free
from hanok.services.network.logic import quotas, sharing
from hanok.services.network.logic.addresses import network_of
from hanok.services.network.logic.errors import (
    QuotaReached,
    bad,
    conflict,
    disallowed,
    invalid_operation,
)
from hanok.services.network.logic.prefixes import Prefix, merged, parsed
from hanok.services.network.logic.reach import (
    SHARED,
    Reach,
    change,
    get,
    get_any,
    own_or_open,
    project_of,
    set_tags,
    shown,
    standard,
    tags_of,
)
from hanok.services.network.logic.scopes import network_scope, router_scope, touch_all
from hanok.services.network.room import Network
from hanok.services.network.tables import ports, subnet_pools, subnets
from hanok.store import Transaction

LEAST = {4: 8, 6: 64}  # the shortest prefix of a subnet, where a pool does not say
WIDTH = {4: 32, 6: 128}
MAXIMUM_PREFIXES = 200
_QUOTA_UNIT = {4: 1, 6: 1 << 64}  # addresses

_cidrs = sa.select(subnets.c.cidr, subnets.c.project_id).where(
    subnets.c.subnetpool_id == bindparam("pool")
)
_used = _cidrs.limit(1)
_default = sa.select(subnet_pools).where(
    subnet_pools.c.is_default.is_(True), subnet_pools.c.ip_version == bindparam("version")
)
_beside = (
    sa.select(subnets.c.subnetpool_id, subnet_pools.c.address_scope_id)
    .outerjoin(subnet_pools, subnet_pools.c.id == subnets.c.subnetpool_id)
    .where(
        subnets.c.network_id == bindparam("network"), subnets.c.ip_version == bindparam("version")
    )
)
_in_scope = sa.select(subnet_pools.c.prefixes).where(
    subnet_pools.c.address_scope_id == bindparam("scope"), subnet_pools.c.id != bindparam("pool")
)
_scopes = (
    sa.select(subnets.c.network_id, subnets.c.ip_version, subnet_pools.c.address_scope_id)
    .join(subnet_pools, subnet_pools.c.id == subnets.c.subnetpool_id)
    .where(
        subnets.c.network_id.in_(bindparam("ids", expanding=True)),
        subnet_pools.c.address_scope_id.is_not(None),
    )
    .distinct()
)
_networks_of = sa.select(subnets.c.network_id).where(subnets.c.subnetpool_id == bindparam("pool"))
_routers_on = sa.select(ports.c.device_id).where(
    ports.c.network_id.in_(bindparam("ids", expanding=True)),
    ports.c.role.in_(("router", "gateway")),
)
_loose = sa.select(subnets).where(
    subnets.c.network_id == bindparam("network"), subnets.c.ip_version == bindparam("version")
)


async def scopes_of(tx: Transaction, network_ids: Sequence[str]) -> dict[tuple[str, int], str]:
    """The address scopes of networks, by network and version of IP."""
    rows = await tx.all(_scopes, {"ids": list(network_ids)})
    return {(row.network_id, row.ip_version): row.address_scope_id for row in rows}


async def show(tx: Transaction, rows: Sequence[Row[Any]]) -> list[dict[str, Any]]:
    their_tags = await tags_of(tx, [row.id for row in rows])
    return [
        {
            **shown(row, their_tags[row.id]),
            "ip_version": row.ip_version,
            "prefixes": row.prefixes,
            # As texts, which is how clients know them.
            "min_prefixlen": str(row.min_prefixlen),
            "max_prefixlen": str(row.max_prefixlen),
            "default_prefixlen": str(row.default_prefixlen),
            "default_quota": row.default_quota,
            "address_scope_id": row.address_scope_id,
            "is_default": row.is_default,
        }
        for row in rows
    ]


# ---- making and changing ----


async def create(tx: Transaction, room: Network, reach: Reach, values: Mapping[str, Any]) -> str:
    """Write a pool.

    Raises:
        BadInput; Conflict: another pool of its address scope has some of its addresses. QuotaReached.
    """
    project_id = project_of(values, reach)
    requested = _one_version(values["prefixes"])
    version = requested[0].version
    await quotas.check(tx, room, project_id, "subnetpool")
    row = {
        **standard(values, project_id, room.clock.now()),
        "ip_version": version,
        "prefixes": merged(requested),
        **_lengths(values, version),
        "default_quota": values["default_quota"],
        "address_scope_id": values["address_scope_id"],
        "is_default": values["is_default"],
    }
    await _default_is_one(tx, values["is_default"], version)
    await _fits_scope(tx, reach, row, shared=values["shared"])
    await tx.insert(subnet_pools, row)
    if values["shared"]:
        await sharing.open_to_all(tx, project_id, "subnetpool", row["id"])
    await set_tags(tx, row["id"], values.get("tags", ()))
    return str(row["id"])


def _one_version(requested: Sequence[str]) -> list[Prefix]:
    found = parsed(requested)
    if not found:
        raise BadInput("Empty subnet pool prefix list.", code="EmptySubnetPoolPrefixList")
    if len({one.version for one in found}) > 1:
        raise BadInput(
            "Cannot mix IPv4 and IPv6 prefixes in a subnet pool.", code="PrefixVersionMismatch"
        )
    return found


def _lengths(values: Mapping[str, Any], version: int) -> dict[str, int]:
    """The shortest, the longest and the usual prefix of a pool's subnets.

    Raises:
        BadInput
    """
    least = values["min_prefixlen"]
    least = LEAST[version] if least is None else least
    longest = values["max_prefixlen"]
    longest = WIDTH[version] if longest is None else longest
    usual = values["default_prefixlen"]
    usual = least if usual is None else usual
    for name, value in (("max", longest), ("min", least), ("default", usual)):
        if value > WIDTH[version]:
            raise _bounds(name, value, "max", WIDTH[version])
    if least > longest:
        raise _bounds("min", least, "max", longest)
    if usual < least:
        raise _bounds("default", usual, "min", least)
    if usual > longest:
        raise _bounds("default", usual, "max", longest)
    return {"min_prefixlen": least, "max_prefixlen": longest, "default_prefixlen": usual}


def _bounds(name: str, value: int, other: str, bound: int) -> BadInput:
    return BadInput(
        f"Illegal prefix bounds: {name}_prefixlen={value}, {other}_prefixlen={bound}.",
        code="IllegalSubnetPoolPrefixBounds",
    )


async def _default_is_one(tx: Transaction, default: bool, version: int, but: str = "") -> None:
    """The default pool of a version is one; nobody makes another at the same time."""
    if not default:
        return
    await tx.serialize("network.pools", str(version))
    there = await tx.first(_default, {"version": version})
    if there is not None and there.id != but:
        raise invalid_operation(
            "A default subnetpool for this IP family has already been set. "
            "Only one default may exist per IP family"
        )


async def _fits_scope(
    tx: Transaction, reach: Reach, pool: Mapping[str, Any], *, shared: bool
) -> None:
    """Whether a pool may be in the address scope that it names.

    Raises:
        NotFound, BadInput; Conflict: another pool there has some of its addresses.
    """
    scope_id = pool["address_scope_id"]
    if scope_id is None:
        return
    await tx.serialize("network.scope", scope_id)
    scope = await get(tx, reach, "address_scope", scope_id)
    if scope.ip_version != pool["ip_version"]:
        raise BadInput(
            f"Illegal subnetpool association: subnetpool {pool['id']} cannot associate with address "
            f"scope {scope_id} because subnetpool ip_version is not {scope.ip_version}.",
            code="IllegalSubnetPoolIpVersionAssociationToAddressScope",
        )
    open_scope = scope_id in await sharing.shared(tx, Reach(None), "address_scope", [scope_id])
    if shared and not open_scope:
        raise BadInput(
            f"Illegal subnetpool association: subnetpool {pool['id']} cannot be associated with "
            f"address scope {scope_id}.",
            code="IllegalSubnetPoolAssociationToAddressScope",
        )
    await _apart(tx, pool["id"], scope_id, parsed(pool["prefixes"]))


async def _apart(tx: Transaction, pool_id: str, scope_id: str, mine: Sequence[Prefix]) -> None:
    for theirs in await tx.scalars(_in_scope, {"scope": scope_id, "pool": pool_id}):
        if free.overlaps(mine, parsed(theirs)):
            raise conflict(
                "AddressScopePrefixConflict",
                "Failed to associate address scope: subnetpools within an address scope must have "
                "unique prefixes.",
            )


async def update(
    tx: Transaction, room: Network, reach: Reach, row: Row[Any], values: Mapping[str, Any]
) -> None:
    """Change a pool. Its prefixes only grow this way.

    Raises:
        BadInput, NotFound, Conflict
    """
    await _lock(tx, row.id)
    plain = ("name", "description", "default_quota", "is_default", "address_scope_id")
    requested = {name: values[name] for name in plain if name in values}
    requested |= _new_lengths(row, values)
    if "prefixes" in values:
        requested["prefixes"] = _grown(row, values["prefixes"])
    if not row.is_default:
        await _default_is_one(tx, requested.get("is_default", False), row.ip_version, row.id)
    after = {**row._mapping, **requested}
    if "prefixes" in values:
        await _scope_owned(tx, reach, row)
    moved = after["address_scope_id"] != row.address_scope_id
    if moved or after["prefixes"] != row.prefixes:
        shared = row.id in await sharing.shared(tx, Reach(None), "subnetpool", [row.id])
        await _fits_scope(tx, reach, after, shared=shared)
    await change(tx, subnet_pools, row.id, room.clock.now(), requested)
    if moved:
        await _scope_moved(tx, room, row.id)


async def _scope_owned(tx: Transaction, reach: Reach, row: Row[Any]) -> None:
    """Raises BadInput where a pool is in an address scope whose addresses are another project's to give."""
    if row.address_scope_id is None or reach.everything:
        return
    scope = await get_any(tx, "address_scope", row.address_scope_id)
    if scope.project_id != reach.project_id:
        raise BadInput(
            "Illegal subnetpool update : subnetpool is associated with an address scope of another "
            "project.",
            code="IllegalSubnetPoolUpdate",
        )


def _new_lengths(row: Row[Any], values: Mapping[str, Any]) -> dict[str, int]:
    names = ("min_prefixlen", "max_prefixlen", "default_prefixlen")
    if not any(values.get(name) is not None for name in names):
        return {}
    now = {name: row._mapping[name] for name in names}
    sent = {name: values[name] for name in names if values.get(name) is not None}
    return _lengths({**now, **sent}, row.ip_version)


def _grown(row: Row[Any], requested: Sequence[str]) -> list[str]:
    found = _one_version(requested)
    if found[0].version != row.ip_version:
        raise BadInput(
            "Cannot mix IPv4 and IPv6 prefixes in a subnet pool.", code="PrefixVersionMismatch"
        )
    whole = merged(found)
    kept = parsed(whole)
    if not all(free.holds(kept, one) for one in parsed(row.prefixes)):
        raise BadInput(
            "Illegal update to prefixes: Existing prefixes must be a subset of the new prefixes.",
            code="IllegalSubnetPoolPrefixUpdate",
        )
    return whole


async def _scope_moved(tx: Transaction, room: Network, pool_id: str) -> None:
    """The routers of a pool's networks translate, and pass on, otherwise from now on."""
    ids = sorted(set(await tx.scalars(_networks_of, {"pool": pool_id})))
    await touch_all(tx, room, map(router_scope, await tx.scalars(_routers_on, {"ids": ids})))


async def delete(tx: Transaction, room: Network, reach: Reach, row: Row[Any]) -> None:
    """Remove a pool.

    Raises:
        BadInput: it has subnets.
    """
    await _lock(tx, row.id)
    if await tx.first(_used, {"pool": row.id}) is not None:
        raise BadInput(
            "Unable to delete subnet pool: Subnet pool has existing allocations.",
            code="SubnetPoolDeleteError",
        )
    await sharing.forget(tx, row.id)
    await set_tags(tx, row.id, ())
    await tx.execute(subnet_pools.delete().where(subnet_pools.c.id == row.id))


async def _lock(tx: Transaction, pool_id: str) -> None:
    await tx.serialize("network.pool", pool_id)


# ---- prefixes ----


async def add_prefixes(
    tx: Transaction, room: Network, reach: Reach, row: Row[Any], added: Sequence[str]
) -> list[str]:
    """A pool with these prefixes, too; gives all that it has then."""
    await _lock(tx, row.id)
    row = await get_any(tx, "subnetpool", row.id)
    whole = _grown(row, [*row.prefixes, *added])
    return await _replace(tx, room, reach, row, whole)


async def remove_prefixes(
    tx: Transaction, room: Network, reach: Reach, row: Row[Any], removed: Sequence[str]
) -> list[str]:
    """A pool without these prefixes; gives what is left.

    Raises:
        BadInput: subnets are in them, or nothing would be left.
    """
    await _lock(tx, row.id)
    row = await get_any(tx, "subnetpool", row.id)
    gone = [one for one in parsed(removed) if one.version == row.ip_version]
    used = [network_of(one.cidr) for one in await tx.all(_cidrs, {"pool": row.id})]
    if free.overlaps(gone, used):
        raise BadInput(
            "Illegal update to prefixes: One or more of the prefixes to be removed is in use by a "
            "subnet.",
            code="IllegalSubnetPoolPrefixUpdate",
        )
    left = _without(parsed(row.prefixes), gone)
    if not left:
        raise BadInput("Empty subnet pool prefix list.", code="EmptySubnetPoolPrefixList")
    return await _replace(tx, room, reach, row, left)


def _without(prefixes: Sequence[Prefix], gone: Sequence[Prefix]) -> list[str]:
    kept: list[Prefix] = []
    for prefix in prefixes:
        kept += free.cut(prefix, gone)
    return merged(kept)


async def _replace(
    tx: Transaction, room: Network, reach: Reach, row: Row[Any], whole: list[str]
) -> list[str]:
    if len(whole) > MAXIMUM_PREFIXES:
        raise bad("subnetpool", f"A pool has at most {MAXIMUM_PREFIXES} prefixes")
    await _scope_owned(tx, reach, row)
    if row.address_scope_id is not None:
        await tx.serialize("network.scope", row.address_scope_id)
        await _apart(tx, row.id, row.address_scope_id, parsed(whole))
    await change(tx, subnet_pools, row.id, room.clock.now(), {"prefixes": whole})
    return whole


async def onboard(
    tx: Transaction, room: Network, reach: Reach, row: Row[Any], network: str
) -> None:
    """The subnets of a network are this pool's from now on; their prefixes become its.

    Raises:
        NotFound, BadInput; Forbidden: another project's network, whose routers this would make part and translate
            otherwise. Conflict: its address scope has some of their addresses elsewhere.
    """
    parent = await get(tx, reach, "network", network)
    if parent.project_id != reach.project_id and not reach.everything:
        raise disallowed("onboard_network_subnets")
    await tx.serialize("network", parent.id)
    await _lock(tx, row.id)
    found = await tx.all(_loose, {"network": parent.id, "version": row.ip_version})
    found = [one for one in found if one.subnetpool_id != row.id]
    for one in found:
        if one.project_id != reach.project_id and not reach.everything:
            raise bad("subnetpool", f"Subnet {one.id} is owned by a different tenant")
        if one.subnetpool_id is not None:
            raise bad("subnetpool", f"Subnet {one.id} is from another subnet pool")
    used = [network_of(one.cidr) for one in await tx.all(_cidrs, {"pool": row.id})]
    mine = [network_of(one.cidr) for one in found]
    if free.overlaps(mine, used):
        raise bad("subnetpool", "A subnet of the pool has some of these addresses")
    await add_prefixes(tx, room, reach, row, [str(one) for one in mine])
    for one in found:
        await change(tx, subnets, one.id, room.clock.now(), {"subnetpool_id": row.id})
    await touch_all(tx, room, [network_scope(parent.id)])
    await _scope_moved(tx, room, row.id)


# ---- subnets ----


async def requested(tx: Transaction, reach: Reach, values: Mapping[str, Any]) -> Row[Any] | None:
    """The pool that a new subnet asks for; None: it brings its own prefix.

    Raises:
        NotFound; BadInput: there is no default, or it asks for two things at once.
    """
    if values.get("use_default_subnetpool"):
        if values.get("subnetpool_id"):
            raise bad(
                "subnets", "subnetpool_id and use_default_subnetpool cannot both be specified"
            )
        pool = await default_of(tx, reach, values["ip_version"])
        if pool is None:
            raise bad("subnets", f"No default subnetpool found for IPv{values['ip_version']}")
    elif values.get("subnetpool_id") is None:
        if values.get("prefixlen") is not None:
            raise bad("subnets", "prefixlen can only be specified with a subnetpool")
        if values.get("cidr") is None:
            raise bad("subnets", "a subnetpool must be specified in the absence of a cidr")
        return None
    else:
        pool = await get(tx, reach, "subnetpool", values["subnetpool_id"])
    if pool.ip_version != values["ip_version"]:
        raise bad(
            "subnets",
            f"Cannot allocate IPv{values['ip_version']} subnet from IPv{pool.ip_version} subnet pool",
        )
    return pool


async def default_of(tx: Transaction, reach: Reach, version: int) -> Row[Any] | None:
    """The default pool of a version, where there is one that the caller reaches."""
    mine = _default.where(own_or_open(reach, "subnetpool", SHARED))
    return await tx.first(mine, {"version": version})


async def check_beside(
    tx: Transaction, network_id: str, version: int, pool: Row[Any] | None
) -> None:
    """What one network has is of one pool, or of pools of one address scope.

    Raises:
        BadInput
    """
    for other in await tx.all(_beside, {"network": network_id, "version": version}):
        scope = None if pool is None else pool.address_scope_id
        if scope != other.address_scope_id:
            raise BadInput(
                "Subnets of the same address family hosted on the same network must all be allocated "
                "from the same address scope.",
                code="NetworkAddressScopeAffinityError",
            )
        if pool is not None and scope is None and other.subnetpool_id not in (None, pool.id):
            raise BadInput(
                "Subnets hosted on the same network must be allocated from the same subnet pool.",
                code="NetworkSubnetPoolAffinityError",
            )


async def allocate(
    tx: Transaction, reach: Reach, pool: Row[Any], project_id: str, values: Mapping[str, Any]
) -> str:
    """The prefix of a new subnet: the one that it asks for, or the lowest that is free.

    Raises:
        BadInput: it is not free, or none is. QuotaReached: of the pool.
    """
    await _lock(tx, pool.id)
    pool = await get(tx, reach, "subnetpool", pool.id)
    taken = await tx.all(_cidrs, {"pool": pool.id})
    length = _length(pool, values)
    _within_quota(pool, length, [one.cidr for one in taken if one.project_id == project_id])
    used, whole = [network_of(one.cidr) for one in taken], parsed(pool.prefixes)
    if values.get("cidr") is not None:
        mine = network_of(values["cidr"])
        if (
            mine.version != pool.ip_version
            or not free.holds(whole, mine)
            or free.overlaps([mine], used)
        ):
            raise _pool_exhausted(
                "Cannot allocate requested subnet from the available set of prefixes"
            )
        return str(mine)
    found = free.first_free(whole, used, length)
    if found is None:
        raise _pool_exhausted(f"Insufficient prefix space to allocate subnet size /{length}")
    return found


def _length(pool: Row[Any], values: Mapping[str, Any]) -> int:
    length = values.get("prefixlen")
    if values.get("cidr") is not None:
        if length is not None:
            raise bad("subnets", "cidr and prefixlen must not be supplied together")
        length = network_of(values["cidr"]).prefixlen
    elif values["allocation_pools"] is not None:
        raise bad("subnets", "allocation_pools allowed only for specific subnet requests")
    length = pool.default_prefixlen if length is None else length
    if length < pool.min_prefixlen:
        raise BadInput(
            f"Unable to allocate subnet with prefix length {length}, minimum allowed prefix is "
            f"{pool.min_prefixlen}.",
            code="MinPrefixSubnetAllocationError",
        )
    if length > pool.max_prefixlen:
        raise BadInput(
            f"Unable to allocate subnet with prefix length {length}, maximum allowed prefix is "
            f"{pool.max_prefixlen}.",
            code="MaxPrefixSubnetAllocationError",
        )
    return int(length)


def _within_quota(pool: Row[Any], length: int, held: Sequence[str]) -> None:
    """Raises QuotaReached when a project would have more of a pool than each may."""
    if pool.default_quota is None:
        return
    used = sum(network_of(one).num_addresses for one in held)
    more = 1 << (WIDTH[pool.ip_version] - length)
    if used + more > pool.default_quota * _QUOTA_UNIT[pool.ip_version]:
        raise QuotaReached(
            "Per-tenant subnet pool prefix quota exceeded.", code="SubnetPoolQuotaExceeded"
        )


def _pool_exhausted(reason: str) -> BadInput:
    return BadInput(f"Failed to allocate subnet: {reason}.", code="SubnetAllocationError")
