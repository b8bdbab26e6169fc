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
    LoadBalancer,
    LogicalSwitch,
    PortGroup,
    QoS,
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
        self._parts: dict[Name, set[Name]] = {}
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
        requested: dict[Name, Row] = {}
        for row in rows:
            plan.record(row, scope)  # refuses what the real one refuses
            name = (type(row), name_of(row))
            if name in requested:
                raise ExecuteError(f"{name[1]} stands twice in {scope}")
            if (owner := self._owners.get(name, scope)) != scope:
                raise ExecuteError(f"{name[1]} belongs to {owner}")
            requested[name] = row
        before = self._scopes.get(scope, {})
        for row in requested.values():
            self._check(row, before, requested)
        touched = self._replace(scope, before, requested)
        self._revisions[scope] = revision
        await self._settle(touched)
        return True

    def _check(self, row: Row, before: dict[Name, Row], requested: dict[Name, Row]) -> None:
        parent = _parent(row)
        name: Name = (type(row), name_of(row))
        stays = name in before and parent == _parent(before[name])
        needs = [] if parent is None or stays else [parent]
        if isinstance(row, SwitchPort) and row.guard:
            needs.append((PortGroup, row.guard))
        for need in needs:
            if need not in requested and (need in before or need not in self._owners):
                raise MissingParent(f"{name_of(row)} needs {need[1]}, which does not exist")

    def _replace(
        self, scope: str, before: dict[Name, Row], requested: dict[Name, Row]
    ) -> set[Name]:
        """Hold a scope's rows in place of those before. Gives the names of all rows that came, changed or went.

        The cost is that of what changes: a cloud's other rows are not looked at.
        """
        gone = before.keys() - requested.keys()
        touched = {name for name, row in requested.items() if before.get(name) != row} | gone
        for name in touched:
            if (row := before.get(name)) is not None and (parent := _parent(row)) is not None:
                self._parts[parent].discard(name)
            if (row := requested.get(name)) is not None and (parent := _parent(row)) is not None:
                self._parts.setdefault(parent, set()).add(name)
        for name in gone:
            del self._owners[name]
        self._owners.update(dict.fromkeys(requested, scope))
        if requested:
            self._scopes[scope] = requested
        else:
            self._scopes.pop(scope, None)
        return touched | self._collect(gone)

    def _collect(self, gone: Collection[Name]) -> set[Name]:
        """Take away what was part of something that is gone, and what was part of that."""
        orphans: set[Name] = set()
        left = list(gone)
        while left:
            parts = self._parts.pop(left.pop(), set())
            for name in parts:
                scope = self._owners.pop(name)
                del self._scopes[scope][name]
                if not self._scopes[scope]:
                    del self._scopes[scope]
            orphans |= parts
            left += parts
        return orphans

    async def _settle(self, touched: Collection[Name]) -> None:
        """Tell which of these ports came up or went down."""
        moved = {}
        for kind, name in touched:
            if kind is SwitchPort and (up := self._is_up(name)) != (name in self._up):
                moved[name] = up
        self._up -= {name for name, up in moved.items() if not up}
        self._up |= {name for name, up in moved.items() if up}
        async with self._changed:
            self._changed.notify_all()
        for name, up in sorted(moved.items()):
            self._on_port(name, up)

    def _is_up(self, name: str) -> bool:
        scope = self._owners.get((SwitchPort, name))
        if scope is None or not (self._plugged or name in self._plugs):
            return False
        row = self._scopes[scope][SwitchPort, name]
        return isinstance(row, SwitchPort) and row.type == ""

    async def plug(self, port_name: str) -> None:
        """A chassis has an interface for this port; the port is up once it exists."""
        self._plugs.add(port_name)
        await self._settle([(SwitchPort, port_name)])

    async def unplug(self, port_name: str) -> None:
        self._plugs.discard(port_name)
        await self._settle([(SwitchPort, port_name)])

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
            case NAT() if (RouterPort, row.gateway) not in self._owners:
                return msgspec.structs.replace(row, gateway="")
            case DNSRecords():
                there = frozenset(s for s in row.switches if (LogicalSwitch, s) in self._owners)
                return msgspec.structs.replace(row, switches=there)
            case LoadBalancer():
                return msgspec.structs.replace(
                    row,
                    routers=frozenset(r for r in row.routers if (Router, r) in self._owners),
                    switches=frozenset(
                        s for s in row.switches if (LogicalSwitch, s) in self._owners
                    ),
                )
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
    if isinstance(row, SwitchPort | QoS):
        return (LogicalSwitch, row.switch)
    if isinstance(row, RouterPort | NAT):
        return (Router, row.router)
    return None
