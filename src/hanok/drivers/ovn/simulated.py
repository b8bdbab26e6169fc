"""The northbound contract in memory: for the simulated cloud, and for tests of what uses it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Sequence

import msgspec

from hanok.drivers.ovn import plan
from hanok.drivers.ovn.errors import ExecuteError, MissingParent
from hanok.drivers.ovn.rows import (
    NAT,
    DHCPOptions,
    DNSRecords,
    LogicalSwitch,
    PortGroup,
    Router,
    RouterPort,
    Row,
    SwitchPort,
    name_of,
)

Name = tuple[type[Row], str]


class SimulatedNorthbound:
    """Holds rows as the northbound database would, and binds ports at once.

    Args:
        plugged: whether a guest port is up as soon as it exists; otherwise `plug` says so.
        on_port: told (name, up) of each guest port that comes up or goes down.
    """

    def __init__(
        self, *, plugged: bool = True, on_port: Callable[[str, bool], None] | None = None
    ) -> None:
        self._plugged = plugged
        self._on_port = on_port or (lambda name, up: None)
        self._revisions: dict[str, int] = {}
        self._scopes: dict[str, dict[Name, Row]] = {}
        self._owners: dict[Name, str] = {}
        self._up: set[str] = set()
        self._plugs: set[str] = set()
        self._changed = asyncio.Condition()

    async def connect(self, remote: str = "") -> None:
        """Nothing to connect to."""

    async def close(self) -> None:
        """Nothing to close."""

    async def apply(self, scope: str, rows: Sequence[Row], revision: int) -> bool:
        if self._revisions.get(scope, revision) > revision:
            return False
        wanted: dict[Name, Row] = {}
        for row in rows:
            plan.record(row, scope)  # refuses what the real one refuses
            name = (type(row), name_of(row))
            if name in wanted:
                raise ExecuteError(f"{name[1]} stands twice in {scope}")
            if (owner := self._owners.get(name, scope)) != scope:
                raise ExecuteError(f"{name[1]} belongs to {owner}")
            wanted[name] = row
        before = self._scopes.get(scope, {})
        for row in wanted.values():
            self._check(row, before, wanted)
        for name in before:
            del self._owners[name]
        for name in wanted:
            self._owners[name] = scope
        self._put(scope, wanted)
        self._revisions[scope] = revision
        self._collect()
        await self._settle()
        return True

    def _check(self, row: Row, before: dict[Name, Row], wanted: dict[Name, Row]) -> None:
        parent = _parent(row)
        name: Name = (type(row), name_of(row))
        stays = name in before and parent == _parent(before[name])
        needs = [] if parent is None or stays else [parent]
        if isinstance(row, SwitchPort) and row.guard:
            needs.append((PortGroup, row.guard))
        for need in needs:
            if need not in wanted and (need in before or need not in self._owners):
                raise MissingParent(f"{name_of(row)} needs {need[1]}, which does not exist")

    def _put(self, scope: str, rows: dict[Name, Row]) -> None:
        if rows:
            self._scopes[scope] = rows
        else:
            self._scopes.pop(scope, None)

    def _collect(self) -> None:
        """Take away what was part of something that is gone."""
        for scope, rows in list(self._scopes.items()):
            orphans = [n for n, r in rows.items() if (p := _parent(r)) and p not in self._owners]
            for name in orphans:
                del self._owners[name]
            if orphans:
                self._put(scope, {n: r for n, r in rows.items() if n in self._owners})

    async def _settle(self) -> None:
        up = {
            name
            for (kind, name), scope in self._owners.items()
            if kind is SwitchPort
            and (self._plugged or name in self._plugs)
            and isinstance(row := self._scopes[scope][kind, name], SwitchPort)
            and row.type == ""
        }
        before, self._up = self._up, up
        async with self._changed:
            self._changed.notify_all()
        for name in sorted(before ^ up):
            self._on_port(name, name in up)

    async def plug(self, port_name: str) -> None:
        """A chassis has an interface for this port; the port is up once it exists."""
        self._plugs.add(port_name)
        await self._settle()

    async def unplug(self, port_name: str) -> None:
        self._plugs.discard(port_name)
        await self._settle()

    async def scopes(self) -> dict[str, int]:
        return {scope: self._revisions.get(scope, -1) for scope in self._scopes}

    async def removed(self) -> dict[str, int]:
        return {s: revision for s, revision in self._revisions.items() if s not in self._scopes}

    async def forget(self, scopes: Collection[str]) -> None:
        for scope in scopes:
            if scope not in self._scopes:
                self._revisions.pop(scope, None)

    async def dump(self, scope: str) -> list[Row]:
        rows = self._scopes.get(scope, {}).values()
        return sorted(
            (self._tied(row) for row in rows), key=lambda r: (type(r).__name__, name_of(r))
        )

    async def members(self, group_name: str) -> frozenset[str]:
        owner = self._owners.get((PortGroup, group_name))
        if owner is None:
            return frozenset()
        group = self._scopes[owner][PortGroup, group_name]
        assert isinstance(group, PortGroup)
        ports = (row for rows in self._scopes.values() for row in rows.values())
        return frozenset(
            row.name
            for row in ports
            if isinstance(row, SwitchPort)
            and (
                group_name in row.groups | {row.guard}
                if group.ports is None
                else row.name in group.ports
            )
        )

    def _tied(self, row: Row) -> Row:
        """A row without the references to what does not exist."""
        match row:
            case SwitchPort():
                return msgspec.structs.replace(
                    row,
                    groups=frozenset(g for g in row.groups if (PortGroup, g) in self._owners),
                    guard=row.guard if (PortGroup, row.guard) in self._owners else "",
                    dhcpv4=row.dhcpv4 if (DHCPOptions, row.dhcpv4) in self._owners else "",
                    dhcpv6=row.dhcpv6 if (DHCPOptions, row.dhcpv6) in self._owners else "",
                )
            case PortGroup(ports=frozenset() as ports):
                there = frozenset(port for port in ports if (SwitchPort, port) in self._owners)
                return msgspec.structs.replace(row, ports=there)
            case DNSRecords():
                there = frozenset(s for s in row.switches if (LogicalSwitch, s) in self._owners)
                return msgspec.structs.replace(row, switches=there)
        return row

    async def wait_applied(self, timeout_s: float) -> bool:
        return True

    async def port_up(self, port_name: str) -> bool:
        return port_name in self._up

    async def wait_port_up(self, port_name: str, timeout_s: float) -> bool:
        async with self._changed:
            try:
                async with asyncio.timeout(timeout_s):
                    await self._changed.wait_for(lambda: port_name in self._up)
            except TimeoutError:
                return False
        return True


def _parent(row: Row) -> Name | None:
    if isinstance(row, SwitchPort):
        return (LogicalSwitch, row.switch)
    if isinstance(row, RouterPort | NAT):
        return (Router, row.router)
    return None
