"""From rows to OVSDB operations: an index of the northbound database, and what differs from it.

Each row of ours carries in `external_ids` its scope, its key and its parent's name, so that the
copy can be indexed by scope and no apply looks at the whole database. References that may come
later are kept there as *wishes* (a port's groups and DHCP options, a group's ports, a DNS record's
switches): the row that fulfils a wish ties it in the transaction that creates it.

The revision of a scope is a row of its own in `Copp`: a root table with a unique name, in which
ovn-northd looks only at rows that a switch or router refers to. Every transaction begins with a
`wait` on it, so that of two writers with one view of the database one has to look again.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple, Protocol, TypeAlias, TypeVar, cast
from uuid import UUID

from hanok.drivers.ovn.errors import ExecuteError, MissingParent
from hanok.drivers.ovn.rows import (
    BFD,
    NAT,
    AddressSet,
    DHCPOptions,
    DNSRecords,
    HealthCheck,
    LoadBalancer,
    LogicalSwitch,
    Meter,
    PortGroup,
    QoS,
    Router,
    RouterPort,
    Row,
    SwitchPort,
    bfd_name,
    name_of,
)

if TYPE_CHECKING:
    # The OVSDB library costs 15 MB and 0.1 s; a simulated network plans without it.
    from hanok.drivers.ovn.idl import Atom, Cells, Operation

SWITCH, PORT = "Logical_Switch", "Logical_Switch_Port"
ROUTER, ROUTER_PORT = "Logical_Router", "Logical_Router_Port"
GROUP, DHCP, DNS, BALANCER, MARKER = (
    "Port_Group", "DHCP_Options", "DNS", "Load_Balancer", "Copp",
)  # fmt: skip

CHECK = "Load_Balancer_Health_Check"
MAPS = {(CHECK, "options")}
"""Columns of parts that are maps; in a part they stand as "name=value"."""

TABLES: dict[str, tuple[str, ...]] = {
    SWITCH: (
        "name", "ports", "dns_records", "qos_rules", "load_balancer", "other_config", "external_ids",
    ),
    PORT: (
        "name", "type", "tag", "parent_name", "addresses", "port_security", "enabled", "up",
        "dhcpv4_options", "dhcpv6_options", "options", "external_ids",
    ),
    ROUTER: (
        "name", "ports", "static_routes", "policies", "nat", "load_balancer", "enabled", "options",
        "external_ids",
    ),
    ROUTER_PORT: (
        "name", "mac", "networks", "enabled", "gateway_chassis", "ipv6_ra_configs", "options",
        "external_ids",
    ),
    "Logical_Router_Static_Route": ("ip_prefix", "nexthop", "output_port", "bfd"),
    "Logical_Router_Policy": ("priority", "match", "action", "nexthops"),
    "BFD": ("logical_port", "dst_ip", "external_ids"),
    "Gateway_Chassis": ("name", "chassis_name", "priority"),
    "NAT": (
        "type", "external_ip", "logical_ip", "logical_port", "external_mac", "gateway_port",
        "options", "external_ids",
    ),
    DHCP: ("cidr", "options", "external_ids"),
    GROUP: ("name", "ports", "acls", "external_ids"),
    "ACL": ("direction", "priority", "match", "action", "log", "name", "severity", "meter"),
    "Meter": ("name", "unit", "fair", "bands", "external_ids"),
    "Meter_Band": ("action", "rate", "burst_size"),
    DNS: ("records", "external_ids"),
    "QoS": ("direction", "priority", "match", "action", "bandwidth", "external_ids"),
    BALANCER: (
        "name", "protocol", "vips", "selection_fields", "ip_port_mappings", "health_check",
        "external_ids",
    ),
    CHECK: ("vip", "options"),
    "Address_Set": ("name", "addresses", "external_ids"),
    MARKER: ("name", "external_ids"),
    "NB_Global": ("nb_cfg", "hv_cfg"),
}  # fmt: skip

OURS = "hanok:"
SCOPE, KEY, PARENT, GUARD = "hanok:scope", "hanok:key", "hanok:in", "hanok:guard"
REVISION, EMPTY = "hanok:revision", "hanok:empty"
PARENTS = {
    PORT: (SWITCH, "ports"),
    ROUTER_PORT: (ROUTER, "ports"),
    "NAT": (ROUTER, "nat"),
    "QoS": (SWITCH, "qos_rules"),
}
# Wishes: external id of the one who wishes, and the table of what is wished for.
WISHES = {
    "hanok:groups": GROUP,
    "hanok:guard": GROUP,
    "hanok:dhcpv4": DHCP,
    "hanok:dhcpv6": DHCP,
    "hanok:ports": PORT,
    "hanok:switches": SWITCH,
    "hanok:routers": ROUTER,
    "hanok:gateway": ROUTER_PORT,
}


class Named(NamedTuple):
    """A row that this very transaction inserts."""

    label: str


K = TypeVar("K")
Ref = UUID | Named
Child: TypeAlias = "tuple[tuple[str, frozenset[Atom]], ...]"
Children: TypeAlias = "tuple[str, str, frozenset[Child]]"  # column, table, rows


class Record(NamedTuple):
    """A row as OVSDB columns. Scalars and optional values are sets, as everywhere here."""

    table: str
    name: str
    columns: dict[str, frozenset[Atom] | dict[str, str] | dict[str, int]]
    parent: tuple[str, str, str] | None = None  # table, name, column
    children: tuple[Children, ...] = ()


class Known(NamedTuple):
    """What the index remembers of a row, so that it can be taken out again."""

    scope: str
    key: str
    wishes: frozenset[tuple[str, str]]


class Stale(Exception):
    """The scope has been written by somebody with a newer revision."""


def _cell(value: Atom | None) -> frozenset[Atom]:
    return frozenset() if value is None or value == "" else frozenset((value,))


def _text(value: str) -> frozenset[Atom]:
    return frozenset((value,))


def record(row: Row, scope: str) -> Record:
    """A row's columns, without references to other rows."""
    ids = {SCOPE: scope, KEY: name_of(row)}
    if not isinstance(
        row, DHCPOptions | DNSRecords | AddressSet | LoadBalancer | QoS | BFD | Meter
    ):
        if taken := [key for key in row.external_ids if key.startswith(OURS)]:
            raise ValueError(f"external id {taken[0]!r} is ours")
        ids |= row.external_ids
    match row:
        case LogicalSwitch():
            return Record(SWITCH, row.name, {
                "name": _text(row.name), "other_config": row.other_config, "external_ids": ids,
            })  # fmt: skip
        case SwitchPort():
            ids[PARENT] = row.switch
            ids |= _wish("hanok:groups", row.groups) | _wish(GUARD, {row.guard} - {""})
            ids |= _wish("hanok:dhcpv4", {row.dhcpv4} - {""})
            ids |= _wish("hanok:dhcpv6", {row.dhcpv6} - {""})
            return Record(PORT, row.name, {
                "name": _text(row.name), "type": _text(row.type), "tag": _cell(row.tag),
                "parent_name": _cell(row.parent),
                "addresses": frozenset(row.addresses),
                "port_security": frozenset(row.port_security),
                "enabled": frozenset((row.enabled,)),
                "options": row.options, "external_ids": ids,
            }, (SWITCH, row.switch, "ports"))  # fmt: skip
        case Router():
            routes: frozenset[Child] = frozenset(
                (
                    ("ip_prefix", _text(route.destination)),
                    ("nexthop", _text(route.next_hop)),
                    ("output_port", _cell(route.port)),
                    ("bfd", _cell(bfd_name(route.port, route.next_hop) if route.watched else None)),
                )
                for route in row.routes
            )
            policies: frozenset[Child] = frozenset(
                (
                    ("priority", frozenset((policy.priority,))),
                    ("match", _text(policy.match)),
                    ("action", _text("reroute" if policy.next_hop else "drop")),
                    ("nexthops", _cell(policy.next_hop)),
                )
                for policy in row.policies
            )
            return Record(ROUTER, row.name, {
                "name": _text(row.name), "enabled": frozenset((row.enabled,)),
                "options": row.options, "external_ids": ids,
            }, None, (
                ("static_routes", "Logical_Router_Static_Route", routes),
                ("policies", "Logical_Router_Policy", policies),
            ))  # fmt: skip
        case RouterPort():
            ids[PARENT] = row.router
            chassis: frozenset[Child] = frozenset(
                (
                    ("name", _text(f"{row.name}_{gateway.chassis}")),
                    ("chassis_name", _text(gateway.chassis)),
                    ("priority", frozenset((gateway.priority,))),
                )
                for gateway in row.gateway_chassis
            )
            return Record(ROUTER_PORT, row.name, {
                "name": _text(row.name), "mac": _text(row.mac),
                "networks": frozenset(row.networks), "enabled": frozenset((row.enabled,)),
                "ipv6_ra_configs": row.ipv6_ra_configs, "options": row.options,
                "external_ids": ids,
            }, (ROUTER, row.router, "ports"),
               (("gateway_chassis", "Gateway_Chassis", chassis),))  # fmt: skip
        case NAT():
            ids[PARENT] = row.router
            ids |= _wish("hanok:gateway", {row.gateway} - {""})
            return Record("NAT", name_of(row), {
                "type": _text(row.type), "external_ip": _text(row.external_ip),
                "logical_ip": _text(row.logical_ip), "logical_port": _cell(row.logical_port),
                "external_mac": _cell(row.external_mac), "options": row.options,
                "external_ids": ids,
            }, (ROUTER, row.router, "nat"))  # fmt: skip
        case DHCPOptions():
            return Record(DHCP, row.name, {
                "cidr": _text(row.cidr), "options": row.options, "external_ids": ids,
            })  # fmt: skip
        case PortGroup():
            if row.ports is not None:
                ids["hanok:ports"] = " ".join(sorted(row.ports))
            acls: frozenset[Child] = frozenset(
                (
                    ("direction", _text(acl.direction)),
                    ("priority", frozenset((acl.priority,))),
                    ("match", _text(acl.match)),
                    ("action", _text(acl.action)),
                    ("log", frozenset((bool(acl.log),))),
                    ("name", _cell(acl.log)),
                    ("severity", _cell("info" if acl.log else "")),
                    ("meter", _cell(acl.meter)),
                )
                for acl in row.acls
            )
            return Record(GROUP, row.name, {
                "name": _text(row.name), "external_ids": ids,
            }, None, (("acls", "ACL", acls),))  # fmt: skip
        case DNSRecords():
            ids |= _wish("hanok:switches", row.switches)
            return Record(DNS, row.name, {"records": row.records, "external_ids": ids})
        case LoadBalancer():
            ids |= _wish("hanok:routers", row.routers) | _wish("hanok:switches", row.switches)
            checks: frozenset[Child] = frozenset(
                (("vip", _text(one.vip)), ("options", _check(one))) for one in row.checks
            )
            return Record(BALANCER, row.name, {
                "name": _text(row.name), "protocol": _text(row.protocol), "vips": row.vips,
                "selection_fields": frozenset(row.selection), "ip_port_mappings": row.sources,
                "external_ids": ids,
            }, None, (("health_check", CHECK, checks),))  # fmt: skip
        case QoS():
            ids[PARENT] = row.switch
            bandwidth = {"rate": row.rate, "burst": row.burst} if row.rate else {}
            bandwidth = {name: value for name, value in bandwidth.items() if value}
            return Record("QoS", row.name, {
                "direction": _text(row.direction), "priority": frozenset((row.priority,)),
                "match": _text(row.match),
                "action": {} if row.dscp is None else {"dscp": row.dscp},
                "bandwidth": bandwidth,
                "external_ids": ids,
            }, (SWITCH, row.switch, "qos_rules"))  # fmt: skip
        case Meter():
            band: Child = (
                ("action", _text("drop")),
                ("rate", frozenset((row.rate,))),
                ("burst_size", frozenset((row.burst,))),
            )
            return Record("Meter", row.name, {
                "name": _text(row.name), "unit": _text("pktps"), "fair": frozenset((True,)),
                "external_ids": ids,
            }, None, (("bands", "Meter_Band", frozenset((band,))),))  # fmt: skip
        case BFD():
            return Record("BFD", name_of(row), {
                "logical_port": _text(row.port), "dst_ip": _text(row.next_hop), "external_ids": ids,
            })  # fmt: skip
        case AddressSet():
            return Record("Address_Set", row.name, {
                "name": _text(row.name), "addresses": frozenset(row.addresses),
                "external_ids": ids,
            })  # fmt: skip


def _check(one: HealthCheck) -> frozenset[Atom]:
    """The map of a check's options, as pairs: parts of rows are compared as sets."""
    options = {
        "interval": one.interval,
        "timeout": one.timeout,
        "success_count": one.success_count,
        "failure_count": one.failure_count,
    }
    return frozenset(f"{name}={value}" for name, value in options.items())


def _wish(key: str, names: Iterable[str]) -> dict[str, str]:
    joined = " ".join(sorted(names))
    return {key: joined} if joined else {}


def marker_name(scope: str) -> str:
    """The name of the row that keeps a scope's revision."""
    return f"hanok {scope}"


class Index:
    """Which rows there are, by scope, name and wish. Fed in the copy's thread."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, UUID], Known] = {}
        self.scopes: dict[str, set[tuple[str, UUID]]] = {}
        self.names: dict[tuple[str, str], UUID] = {}
        self.wishing: dict[tuple[str, str], set[tuple[str, UUID]]] = {}
        self.markers: dict[str, tuple[UUID, dict[str, str]]] = {}
        self.globals: set[UUID] = set()

    def forgotten(self) -> None:
        for index in (
            self._known, self.scopes, self.names, self.wishing, self.markers, self.globals,
        ):  # fmt: skip
            index.clear()

    def row_changed(self, table: str, row: UUID, columns: Cells | None) -> None:
        self._remove(table, row)
        if columns is not None:
            self._add(table, row, columns)

    def _add(self, table: str, row: UUID, columns: Cells) -> None:
        if table == "NB_Global":
            self.globals.add(row)
        if "external_ids" not in TABLES[table]:
            return
        ids = columns.pairs("external_ids")
        if (scope := ids.get(SCOPE)) is None:
            return
        if table == MARKER:
            self.markers[scope] = (row, ids)
            self._known[table, row] = Known(scope, "", frozenset())
            return
        key = ids.get(KEY, "")
        wishes = frozenset(
            (wished, name)
            for label, wished in WISHES.items()
            if label in ids
            for name in ids[label].split()
        )
        known = Known(scope, key, wishes)
        self._known[table, row] = known
        self.scopes.setdefault(scope, set()).add((table, row))
        self.names[table, key] = row
        for wish in wishes:
            self.wishing.setdefault(wish, set()).add((table, row))

    def _remove(self, table: str, row: UUID) -> None:
        self.globals.discard(row)
        known = self._known.pop((table, row), None)
        if known is None:
            return
        if table == MARKER:
            if self.markers.get(known.scope, (None,))[0] == row:
                del self.markers[known.scope]
            return
        _discard(self.scopes, known.scope, (table, row))
        if self.names.get((table, known.key)) == row:
            del self.names[table, known.key]
        for wish in known.wishes:
            _discard(self.wishing, wish, (table, row))

    def scope_of(self, table: str, row: UUID) -> str:
        return self._known[table, row].scope

    def key_of(self, table: str, row: UUID) -> str:
        """A row's name among its kind; "" when it is not ours."""
        known = self._known.get((table, row))
        return "" if known is None else known.key


def _discard(index: dict[K, set[tuple[str, UUID]]], key: K, value: tuple[str, UUID]) -> None:
    values = index.get(key)
    if values is not None:
        values.discard(value)
        if not values:
            del index[key]


class Copy(Protocol):
    """The rows themselves."""

    def cells(self, table: str, row: UUID) -> Cells: ...


class Plan:
    """The operations that make a scope hold exactly these rows, at this revision.

    Raises:
        Stale: a newer revision has been applied.
        MissingParent: a row's switch, router or guard does not exist.
        ExecuteError: a name is taken by another scope, or stands here twice.
        ValueError: an external id that is ours.
    """

    def __init__(
        self, index: Index, copy: Copy, scope: str, rows: Sequence[Row], revision: int
    ) -> None:
        self._index, self._copy, self._scope = index, copy, scope
        self._operations: list[Operation] = []
        # A `where` finds only rows that an earlier operation has inserted: these come last.
        self._ties: list[Operation] = []
        self._labels = 0
        self._waited: set[UUID] = set()
        self._mark(revision, empty=not rows)
        self._records: dict[tuple[str, str], Record] = {}
        self._rows: dict[tuple[str, str], Row] = {}
        for row in rows:
            requested = record(row, scope)
            if (requested.table, requested.name) in self._records:
                raise ExecuteError(f"{requested.table} {requested.name} stands twice in {scope}")
            self._records[requested.table, requested.name] = requested
            self._rows[requested.table, requested.name] = row
        self._refs = self._find()
        self._gone = {
            (table, old)
            for table, old in index.scopes.get(scope, ())
            if self._refs.get((table, index.key_of(table, old))) != old
        }
        for table, gone in sorted(self._gone):
            self._delete(table, gone)
        for requested in self._records.values():
            self._write(requested)
        for key, requested in self._records.items():
            self._tie(requested, self._rows[key])

    @property
    def operations(self) -> list[Operation]:
        return [*self._operations, *self._ties]

    def _mark(self, revision: int, *, empty: bool) -> None:
        """Fence: nobody may have written the scope since we looked; then write the revision."""
        ids = {SCOPE: self._scope, REVISION: str(revision)} | ({EMPTY: "yes"} if empty else {})
        where = [["name", "==", marker_name(self._scope)]]
        known = self._index.markers.get(self._scope)
        wait: Operation = {
            "op": "wait", "table": MARKER, "where": where, "columns": ["external_ids"],
            "until": "==", "timeout": 0,
        }  # fmt: skip
        if known is None:
            self._operations.append(wait | {"rows": []})
            row = {"name": marker_name(self._scope), "external_ids": _json(ids)}
            self._operations.append({"op": "insert", "table": MARKER, "row": row})
            return
        if int(known[1][REVISION]) > revision:
            raise Stale
        self._operations.append(wait | {"rows": [{"external_ids": _json(known[1])}]})
        if known[1] != ids:
            row = {"external_ids": _json(ids)}
            self._operations.append({"op": "update", "table": MARKER, "where": where, "row": row})

    def _find(self) -> dict[tuple[str, str], Ref]:
        """Where each wanted row is, or the label it is inserted with."""
        refs: dict[tuple[str, str], Ref] = {}
        for key, requested in self._records.items():
            row = self._index.names.get(key)
            if row is not None:
                owner = self._index.scope_of(requested.table, row)
                if owner != self._scope:
                    raise ExecuteError(f"{requested.table} {requested.name} belongs to {owner}")
                ids = self._copy.cells(requested.table, row).pairs("external_ids")
                if requested.parent is None or ids.get(PARENT) == requested.parent[1]:
                    refs[key] = row
                    continue
            refs[key] = self._label()
        return refs

    def _label(self) -> Named:
        self._labels += 1
        return Named(f"row{self._labels}")

    def _resolve(self, table: str, name: str) -> Ref | None:
        if (ref := self._refs.get((table, name))) is not None:
            return ref
        row = self._index.names.get((table, name))
        return None if row is None or (table, row) in self._gone else row

    def _must(self, table: str, name: str, whose: str) -> Ref:
        """A row that has to exist, also at the moment of the commit."""
        ref = self._resolve(table, name)
        if ref is None:
            raise MissingParent(f"{whose} needs {table} {name}, which does not exist")
        if isinstance(ref, UUID) and ref not in self._waited:
            self._waited.add(ref)
            self._operations.append({
                "op": "wait", "table": table, "where": _where(ref), "columns": ["name"],
                "until": "==", "rows": [{"name": name}], "timeout": 0,
            })  # fmt: skip
        return ref

    def _mutate(self, table: str, row: Ref, column: str, how: str, values: Iterable[Ref]) -> None:
        if values := frozenset(values):
            self._ties.append({
                "op": "mutate", "table": table, "where": _where(row),
                "mutations": [[column, how, _json(values)]],
            })  # fmt: skip

    def _delete(self, table: str, row: UUID) -> None:
        parent_table, column = PARENTS.get(table, ("", ""))
        if not parent_table:
            self._operations.append({"op": "delete", "table": table, "where": _where(row)})
            return
        # Not a root row: it vanishes with the last reference to it.
        name = self._copy.cells(table, row).pairs("external_ids")[PARENT]
        parent = self._index.names.get((parent_table, name))
        if parent is not None and (parent_table, parent) not in self._gone:
            self._mutate(parent_table, parent, column, "delete", [row])

    def _write(self, requested: Record) -> None:
        ref = self._refs[requested.table, requested.name]
        if isinstance(ref, Named):
            self._insert(requested, ref)
            return
        now = self._copy.cells(requested.table, ref)
        changed = {
            column: _json(value)
            for column, value in requested.columns.items()
            if value != (now.pairs(column) if isinstance(value, dict) else now.atoms(column))
        }
        if changed:
            self._update(requested.table, ref, changed)
        for column, table, children in requested.children:
            tied = frozenset(map(self._watched, children))
            self._children((requested.table, column), ref, now, table, tied)

    def _update(self, table: str, row: UUID, columns: Mapping[str, object]) -> None:
        self._operations.append(
            {"op": "update", "table": table, "where": _where(row), "row": dict(columns)}
        )

    def _insert(self, requested: Record, ref: Named) -> None:
        row = {column: _json(value) for column, value in requested.columns.items()}
        for column, table, children in requested.children:
            tied = map(self._watched, children)
            row[column] = _json(frozenset(self._child(table, child) for child in tied))
        self._operations.append(
            {"op": "insert", "table": requested.table, "row": row, "uuid-name": ref.label}
        )
        if requested.parent is not None:
            table, name, column = requested.parent
            self._mutate(table, self._must(table, name, requested.name), column, "insert", [ref])

    def _watched(self, child: Child) -> Child:
        """A route with the row that watches it in place of that one's name."""
        if not any(name == "bfd" and value for name, value in child):
            return child
        found = []
        for name, value in child:
            if name == "bfd":
                refs = {self._resolve("BFD", str(one)) for one in value} - {None}
                value = cast("frozenset[Atom]", frozenset(refs))
            found.append((name, value))
        return tuple(found)

    def _child(self, table: str, child: Child) -> Named:
        ref = self._label()
        row = {
            column: _json(_map(value) if (table, column) in MAPS else value)
            for column, value in child
        }
        self._operations.append(
            {"op": "insert", "table": table, "row": row, "uuid-name": ref.label}
        )
        return ref

    def _children(
        self,
        holder: tuple[str, str],
        ref: UUID,
        now: Cells,
        table: str,
        children: frozenset[Child],
    ) -> None:
        """holder: table and column that refer to the children."""
        column = holder[1]
        missing = set(children)
        surplus = []
        for row in now.atoms(column):
            assert isinstance(row, UUID)
            cells = self._copy.cells(table, row)
            child = tuple((name, _part(table, name, cells)) for name in TABLES[table])
            if child in missing:
                missing.remove(child)
            else:
                surplus.append(row)
        self._mutate(holder[0], ref, column, "delete", surplus)
        new = [self._child(table, child) for child in sorted(missing, key=repr)]
        self._mutate(holder[0], ref, column, "insert", new)

    def _tie(self, requested: Record, row: Row) -> None:
        """References that may come later: this row's wishes, and others' wishes for this row."""
        ref = self._refs[requested.table, requested.name]
        if isinstance(row, SwitchPort):
            self._tie_port(row, ref)
        elif isinstance(row, PortGroup):
            self._tie_group(row, ref)
        elif isinstance(row, DNSRecords):
            self._join(ref, DNS, SWITCH, "dns_records", row.switches, ("hanok:switches",))
        elif isinstance(row, LoadBalancer):
            for holder, names, label in (
                (ROUTER, row.routers, "hanok:routers"),
                (SWITCH, row.switches, "hanok:switches"),
            ):
                self._join(ref, BALANCER, holder, "load_balancer", names, (label,))
        elif isinstance(row, Router) and isinstance(ref, Named):
            found = [other for _, other in self._others((ROUTER, row.name))]
            self._mutate(ROUTER, ref, "load_balancer", "insert", found)
        elif isinstance(row, NAT):
            port = self._resolve(ROUTER_PORT, row.gateway) if row.gateway else None
            at: frozenset[Ref] = frozenset() if port is None else frozenset((port,))
            now = (
                frozenset()
                if isinstance(ref, Named)
                else self._copy.cells("NAT", ref).atoms("gateway_port")
            )
            if at != now:
                self._ties.append(_update("NAT", ref, {"gateway_port": _json(at)}))
        elif isinstance(row, RouterPort) and isinstance(ref, Named):
            for table, nat in self._others((ROUTER_PORT, row.name)):
                self._ties.append(_update(table, nat, {"gateway_port": _json(frozenset((ref,)))}))
        elif isinstance(row, DHCPOptions) and isinstance(ref, Named):
            for table, port in self._others((DHCP, row.name)):
                ids = self._copy.cells(table, port).pairs("external_ids")
                version = "v4" if ids.get("hanok:dhcpv4") == row.name else "v6"
                self._update(table, port, {f"dhcp{version}_options": _json(frozenset((ref,)))})
        elif isinstance(row, LogicalSwitch) and isinstance(ref, Named):
            dns = [other for table, other in self._others((SWITCH, row.name)) if table == DNS]
            self._mutate(SWITCH, ref, "dns_records", "insert", dns)
            found = [one for table, one in self._others((SWITCH, row.name)) if table == BALANCER]
            self._mutate(SWITCH, ref, "load_balancer", "insert", found)

    def _others(self, wish: tuple[str, str]) -> list[tuple[str, UUID]]:
        """Who wishes for this row, of those that this plan does not write or delete anyway."""
        return [
            (table, row)
            for table, row in sorted(self._index.wishing.get(wish, ()))
            if (table, row) not in self._gone
            and (table, self._index.key_of(table, row)) not in self._records
        ]

    def _join(
        self,
        ref: Ref,
        table: str,
        holder: str,
        column: str,
        names: frozenset[str],
        labels: Sequence[str],
    ) -> None:
        """Make a row a member of the holders it names, and of no others it has named before.

        labels: the external ids in which it has named them.
        """
        for name in sorted(names):
            target = self._resolve(holder, name)
            if target is None:
                continue
            if (
                isinstance(target, Named)
                or isinstance(ref, Named)
                or not self._copy.cells(holder, target).holds(column, ref)
            ):
                self._mutate(holder, target, column, "insert", [ref])
        if isinstance(ref, Named):
            return
        ids = self._copy.cells(table, ref).pairs("external_ids")
        before = {name for label in labels for name in ids.get(label, "").split()}
        for name in sorted(before - names):
            target = self._resolve(holder, name)
            if isinstance(target, UUID):
                self._mutate(holder, target, column, "delete", [ref])

    def _tie_port(self, row: SwitchPort, ref: Ref) -> None:
        if row.guard:
            self._must(GROUP, row.guard, row.name)
        groups = row.groups | ({row.guard} - {""})
        self._join(ref, PORT, GROUP, "ports", groups, ("hanok:groups", GUARD))
        changed = {}
        for column, name in (("dhcpv4_options", row.dhcpv4), ("dhcpv6_options", row.dhcpv6)):
            options = self._resolve(DHCP, name) if name else None
            value: frozenset[Ref] = frozenset() if options is None else frozenset((options,))
            now = (
                frozenset() if isinstance(ref, Named) else self._copy.cells(PORT, ref).atoms(column)
            )
            if value != now:
                changed[column] = _json(value)
        if changed:
            self._ties.append({"op": "update", "table": PORT, "where": _where(ref), "row": changed})
        if isinstance(ref, Named):
            for table, group in self._others((PORT, row.name)):
                self._mutate(table, group, "ports", "insert", [ref])

    def _tie_group(self, row: PortGroup, ref: Ref) -> None:
        requested: set[Ref] = set()
        if row.ports is None:
            requested.update(port for _, port in self._others((GROUP, row.name)))
            theirs = {
                port
                for (table, name), port in self._refs.items()
                if table == PORT and isinstance(port, UUID)
            }
        else:
            theirs = set()
            found = (self._resolve(PORT, name) for name in row.ports)
            requested.update(port for port in found if port is not None)
        now: set[Ref] = set()
        if isinstance(ref, UUID):
            now.update(
                port
                for port in self._copy.cells(GROUP, ref).atoms("ports")
                if isinstance(port, UUID)
            )
        self._mutate(GROUP, ref, "ports", "delete", now - requested - theirs)
        self._mutate(GROUP, ref, "ports", "insert", requested - now)


def _part(table: str, column: str, cells: Cells) -> frozenset[Atom]:
    """What a part of a row has in a column."""
    if (table, column) in MAPS:
        return frozenset(f"{name}={value}" for name, value in cells.pairs(column).items())
    return cells.atoms(column)


def _map(pairs: frozenset[Atom]) -> dict[str, str]:
    return dict(sorted(str(one).split("=", 1) for one in pairs))


def forget(index: Index, scopes: Iterable[str]) -> list[Operation]:
    """The operations that drop the revisions of scopes that hold no rows."""
    return [
        {"op": "delete", "table": MARKER, "where": [["name", "==", marker_name(scope)]]}
        for scope in scopes
        if scope in index.markers and scope not in index.scopes
    ]


def _update(table: str, row: Ref, columns: dict[str, object]) -> Operation:
    return {"op": "update", "table": table, "where": _where(row), "row": columns}


def _where(row: Ref) -> list[list[object]]:
    return [["_uuid", "==", _atom(row)]]


def _atom(atom: Atom | Ref) -> object:
    if isinstance(atom, UUID):
        return ["uuid", str(atom)]
    if isinstance(atom, Named):
        return ["named-uuid", atom.label]
    return atom


def _json(
    value: frozenset[Atom] | frozenset[Ref] | frozenset[Named] | dict[str, str] | dict[str, int],
) -> object:
    """A column's value in OVSDB's JSON."""
    if isinstance(value, dict):
        return ["map", [[key, each] for key, each in sorted(value.items())]]
    return ["set", [_atom(atom) for atom in sorted(value, key=str)]]
