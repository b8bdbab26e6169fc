"""Where on their hosts servers are: their rows, and what of a host these take together.

What is given out is never counted up or down: it is what the servers have that are on a host, or on their way to or
from it, at the moment of looking. So nothing leaks, whatever was killed between.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
import sqlalchemy as sa
from msgspec import Struct
from sqlalchemy import bindparam

from hanok.commands import Topology
from hanok.services.compute.tables import server_bindings, server_topologies, servers
from hanok.store import Transaction

_table = server_topologies
_there = sa.or_(
    servers.c.host == _table.c.host,
    sa.exists().where(
        server_bindings.c.server_id == _table.c.server_id,
        server_bindings.c.host == _table.c.host,
    ),
)
_at_hosts = (
    sa.select(_table)
    .join(servers, servers.c.id == _table.c.server_id)
    .where(
        _table.c.host.in_(bindparam("hosts", expanding=True)), servers.c.deleted.is_(False), _there
    )
)
_one = sa.select(_table).where(
    _table.c.server_id == bindparam("id"),
    _table.c.host == bindparam("at"),
    _table.c.flavor_id == bindparam("flavor"),
)
_gone = _table.delete().where(_table.c.server_id == bindparam("of"))


class Placed(Struct, frozen=True, kw_only=True):
    """Where a server is on its host. devices: addresses. resources: amounts by class by provider."""

    topology: Topology | None = None
    devices: tuple[str, ...] = ()
    resources: dict[str, dict[str, int]] = {}


async def at_hosts(
    tx: Transaction, hosts: Sequence[str], *, but: tuple[str, str] | None = None
) -> dict[str, list[Topology]]:
    """The topologies of the servers at each of these hosts.

    Args:
        but: a server and its flavor, which does not count.
    """
    found: dict[str, list[Topology]] = {}
    for row in await tx.all(_at_hosts, {"hosts": list(hosts)}) if hosts else ():
        if row.topology is not None and (row.server_id, row.flavor_id) != but:
            found.setdefault(row.host, []).append(_read(row.topology))
    return found


def _read(value: Any) -> Topology:
    return msgspec.convert(value, Topology, str_keys=True)


async def of_server(tx: Transaction, row: Any) -> Placed:
    """Where a server is on the host of its row, with the flavor of its row."""
    values = {"id": row.id, "at": row.host, "flavor": row.flavor_id}
    found = await tx.first(_one, values) if row.host else None
    if found is None:
        return Placed()
    return Placed(
        topology=None if found.topology is None else _read(found.topology),
        devices=tuple(found.devices),
        resources=found.resources,
    )


async def put(tx: Transaction, row: Any, host: str, placed: Placed) -> None:
    """A server has this of a host, with the flavor of its row, in place of what it had there with it."""
    await _drop(tx, row.id, host, row.flavor_id)
    if placed.topology is None and not placed.devices:
        return
    topology = placed.topology
    values = {
        "server_id": row.id,
        "host": host,
        "flavor_id": row.flavor_id,
        "topology": None if topology is None else msgspec.to_builtins(topology, str_keys=True),
        "devices": list(placed.devices),
        "resources": placed.resources,
    }
    await tx.insert(_table, values)


async def keep_only(tx: Transaction, server_id: str, host: str | None, flavor_id: str) -> None:
    """A server has nothing any more of other hosts, or with other flavors."""
    others = sa.or_(_table.c.host != (host or ""), _table.c.flavor_id != flavor_id)
    await tx.execute(_table.delete().where(_table.c.server_id == server_id, others))


async def forget(tx: Transaction, server_id: str) -> None:
    """A server has nothing of any host."""
    await tx.execute(_gone, {"of": server_id})


async def _drop(tx: Transaction, server_id: str, host: str, flavor_id: str) -> None:
    gone = (
        _table.c.server_id == server_id,
        _table.c.host == host,
        _table.c.flavor_id == flavor_id,
    )
    await tx.execute(_table.delete().where(*gone))


def shown(topology: Topology | None, *, host_too: bool) -> dict[str, Any]:
    """A topology as the API has it. host_too: whether the caller may know where on the host it is."""
    if topology is None:
        return {"nodes": [], "pagesize_kb": None}
    pages = {cell.page_kib for cell in topology.cells}
    nodes = []
    for cell in topology.cells:
        node: dict[str, Any] = {
            "memory_mb": cell.memory_mib,
            "vcpu_set": list(cell.cpus),
            "siblings": [],
        }
        if host_too:
            node["host_node"] = cell.host_cell
            node["cpu_pinning"] = {str(one): cpu for one, cpu in sorted(cell.pins.items())}
        nodes.append(node)
    return {"nodes": nodes, "pagesize_kb": min(pages) if topology.paged else None}
