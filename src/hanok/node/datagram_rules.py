"""From a balancer's description to rules of the packet filter: what carries listeners of UDP, in the kernel.

The first datagram of a flow chooses a member; the kernel remembers it, changes addresses both ways, and so needs no
process. Members see the balancer's address. A flow's mark is its listener's number, then its member's (16 bits each).

Nothing of a description is a rule by itself: addresses and prefixes are parsed and written in their one spelling, all
else is numbers.

Source: nft(8), "NAT statements", "numgen expression", "hash expressions", "Set statement"; the kernel's
documentation, nf_conntrack.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from ipaddress import IPv4Address, IPv6Address

from msgspec import Struct

from hanok.base.addresses import address_of, prefix_of, without_length
from hanok.commands import BalancerListener, BalancerMember, BalancerPool, EnsureBalancer
from hanok.drivers.netfilter.table import Content

FLOWS = (
    8192  # of one listener at once, where nothing else is said: as many as a proxy's connections
)
ALL = 2 * FLOWS  # of one balancer at once, whatever its listeners say
CLIENTS = 65_535  # that a listener remembers the members of
REMEMBERED_S = 360  # for so long, where nothing is said: as upstream
LONGEST_S = 30 * 24 * 3600
SLOTS = 64  # of new flows that are given out by one look at how many there are
_IP = {4: "ip", 6: "ip6"}
_FULL = {4: IPv4Address(2**32 - 1), 6: IPv6Address(2**128 - 1)}
_BASE = {
    "untracked": "type filter hook prerouting priority raw; policy accept;",
    "own": "type filter hook output priority raw; policy accept;",
    "first": "type filter hook prerouting priority -50; policy accept;",
    "before": "type nat hook prerouting priority dstnat; policy accept;",
    "through": "type filter hook forward priority filter; policy drop;",
    "out": "type filter hook output priority filter; policy accept;",
    "after": "type nat hook postrouting priority srcnat; policy accept;",
}


class Around(Struct, frozen=True, kw_only=True):
    """What rules depend on beside the description.

    numbers: of listeners and members, from 1. down: members that do not work. flows: how many each member has, of
    pools that go by it.
    """

    numbers: Mapping[str, int]
    down: Collection[str] = frozenset()
    flows: Mapping[str, int] = {}


def listeners_of(balancer: EnsureBalancer) -> list[BalancerListener]:
    """Those that are carried so."""
    return [one for one in balancer.listeners if one.mode == "udp"]


def pools_of(balancer: EnsureBalancer) -> list[BalancerPool]:
    """The pools of these, each once."""
    named = {one.pool_id for one in listeners_of(balancer)}
    return [one for one in balancer.pools if one.id in named]


def named(balancer: EnsureBalancer) -> list[str]:
    """The ids of listeners and members that have numbers."""
    ids = [one.id for one in listeners_of(balancer)]
    ids += [member.id for pool in pools_of(balancer) for member in pool.members]
    return list(dict.fromkeys(ids))


def numbered(balancer: EnsureBalancer, known: Mapping[str, int]) -> dict[str, int]:
    """What is known, and a number for each listener and member that has none."""
    new = [one for one in named(balancer) if one not in known]
    free = sorted(set(range(1, len(known) + len(new) + 1)) - set(known.values()))
    return {**known, **dict(zip(new, free, strict=False))}


def mark(around: Around, listener: BalancerListener, member: BalancerMember) -> int:
    return around.numbers[listener.id] << 16 | around.numbers[member.id]


def write(balancer: EnsureBalancer, around: Around) -> Content:
    """Raises ValueError: it says something that cannot be written."""
    pools = {one.id: one for one in balancer.pools}
    vips = [address_of(without_length(one)) for one in balancer.port.addresses]
    objects: dict[tuple[str, str], str] = {}
    rules: dict[str, list[str]] = {one: [] for one in _BASE}
    for listener in listeners_of(balancer):
        for version in sorted({one.version for one in vips}):
            side = _Side(listener, pools.get(listener.pool_id), around, version)
            side.write([str(one) for one in vips if one.version == version], objects, rules)
    if rules["before"]:
        rules["untracked"] += _untracked(balancer, sorted({one.version for one in vips}))
        rules["own"].append("meta l4proto { tcp, udp } notrack")
        rules["after"].append("ct status dnat masquerade")
        rules["out"].append("icmpv6 type nd-redirect drop")
    return Content(objects=objects, base=_BASE, rules=rules)


def _untracked(balancer: EnsureBalancer, versions: Sequence[int]) -> Iterator[str]:
    """What is carried here costs the kernel a memory of its flow: not the proxy's connections, nor strangers' tries."""
    yield "meta l4proto tcp notrack"
    yield "icmp type { echo-request, echo-reply } notrack"
    yield "icmpv6 type { echo-request, echo-reply } notrack"
    ports = ", ".join(str(int(one.port)) for one in listeners_of(balancer))
    members = [one for pool in pools_of(balancer) for one in pool.members]
    for version in versions:
        mine = [one for one in members if address_of(one.address).version == version]
        ends = dict.fromkeys(f"{address_of(one.address)} . {int(one.port)}" for one in mine)
        answers = f"{_IP[version]} saddr . udp sport != {{ {', '.join(ends)} }} " if ends else ""
        yield f"meta nfproto ipv{version} udp dport != {{ {ports} }} {answers}notrack"


class _Side:
    """A listener for clients of one version of IP, whom only members of the same can serve."""

    def __init__(
        self, listener: BalancerListener, pool: BalancerPool | None, around: Around, version: int
    ) -> None:
        self._listener, self._pool, self._around, self._version = listener, pool, around, version
        self._number, self._ip = around.numbers[listener.id], _IP[version]
        members = () if pool is None else pool.members
        mine = [one for one in members if address_of(one.address).version == version]
        self._members = [one for one in mine if one.id not in around.down]

    def write(
        self,
        vips: Sequence[str],
        objects: dict[tuple[str, str], str],
        rules: dict[str, list[str]],
    ) -> None:
        number, to = self._number, f"l{self._number}_{self._version}"
        come = f"{self._ip} daddr {{ {', '.join(vips)} }} udp dport {int(self._listener.port)}"
        kept, policy = self._patience()
        objects["ct timeout", kept] = policy
        objects |= {("counter", f"{one}{number}"): "" for one in ("new", "in", "out")}
        rules["first"].append(f'{come} ct state new ct timeout set "{kept}"')
        rules["before"].append(f"{come} goto {to}")
        for way, name in (("original", "in"), ("reply", "out")):
            passes = (
                f"ct status dnat ct direction {way} ct mark and 0xffff0000 == {number << 16:#x}"
            )
            rule = f"{passes} counter name {name}{number} accept"
            if rule not in rules["through"]:
                rules["through"].append(rule)
        rules[to] = [*self._let_in(objects), *self._chosen(objects)]
        if self._members:
            rules[f"g{to}"] = list(self._given())

    def _patience(self) -> tuple[str, str]:
        """How long a flow is kept without a datagram: one that a member has answered, and one that none has."""
        spoken, silent = (
            min(max(1, math.ceil(one / 1000)), LONGEST_S) if one else LONGEST_S
            for one in (self._listener.client_ms, self._listener.member_ms)
        )
        policy = f"protocol udp; l3proto {self._ip}; policy = {{ unreplied : {silent}, replied : {spoken} }};"
        return f"t{self._version}_{silent}_{spoken}", policy

    def _let_in(self, objects: dict[tuple[str, str], str]) -> Iterator[str]:
        """Counts are in sets, which outlive the rules: a change beside them begins none anew."""
        if self._listener.sources:
            found = [prefix_of(one, strict=True) for one in self._listener.sources]
            mine = [str(one) for one in found if one.version == self._version]
            yield f"{self._ip} saddr != {{ {', '.join(mine)} }} drop" if mine else "drop"
        maximum = min(int(self._listener.maximum) or FLOWS, FLOWS)
        counted = f"f{self._number}_{maximum}"
        objects["set", counted] = "type inet_service; flags dynamic; size 2;"
        objects["set", "fall"] = "type inet_proto; flags dynamic; size 2;"
        yield f"add @{counted} {{ udp dport ct count over {maximum} }} drop"
        yield f"add @fall {{ meta l4proto ct count over {ALL} }} drop"

    # ---- which member ----

    def _chosen(self, objects: dict[tuple[str, str], str]) -> Iterator[str]:
        """Refused where there is none: what is let through untouched would stay so."""
        given = self._serve()
        given_to = f"gl{self._number}_{self._version}"
        sticky = "" if self._pool is None else self._remembered(self._pool, objects)
        if sticky:
            allowed = [one for one in self._members if one in given or not one.weight]
            if known := ", ".join(f"{self._mark(one):#x}" for one in allowed):
                yield f"meta mark set {self._client()} map @{sticky}"
                yield f"meta mark {{ {known} }} goto {given_to}"
        if given and self._pool is not None:
            yield f"meta mark set {self._choice(self._pool, given)}"
            if sticky:
                yield f"update @{sticky} {{ {self._client()} : meta mark }}"
            yield f"goto {given_to}"
        else:
            yield "reject with icmpx port-unreachable"

    def _serve(self) -> list[BalancerMember]:
        """The members that get new flows: backups where there are no others."""
        able = [one for one in self._members if one.weight > 0]
        return [one for one in able if not one.backup] or able

    def _remembered(self, pool: BalancerPool, objects: dict[tuple[str, str], str]) -> str:
        """The map of clients' members; "" where none is kept."""
        if pool.persistence is None:
            return ""
        seconds = min(pool.persistence.timeout_s or REMEMBERED_S, LONGEST_S)
        kind = {4: "ipv4_addr", 6: "ipv6_addr"}[self._version]
        what = f"type {kind} : mark; flags dynamic,timeout; size {CLIENTS}; timeout {seconds}s;"
        digest = hashlib.sha256(f"{what} {self._client()}".encode()).hexdigest()[:8]
        name = f"s{self._number}_{self._version}_{digest}"
        objects["map", name] = what
        return name

    def _client(self) -> str:
        """A client's address, as far as it says who that is."""
        said = self._pool.persistence.mask if self._pool and self._pool.persistence else ""
        mask = address_of(said) if said else _FULL[self._version]
        whole = mask.version != self._version or mask == _FULL[self._version]
        return f"{self._ip} saddr" + ("" if whole else f" and {mask}")

    def _choice(self, pool: BalancerPool, given: Sequence[BalancerMember]) -> str:
        slots = self._slots(pool, given)
        total = sum(many for _, many in slots)
        by = {
            "SOURCE_IP": f"jhash {self._ip} saddr mod {total} seed 0x1",
            "SOURCE_IP_PORT": f"jhash {self._ip} saddr . udp sport mod {total} seed 0x1",
        }.get(pool.algorithm, f"numgen inc mod {total}")
        entries, at = [], 0
        for one, many in slots:
            slots_of = f"{at}-{at + many - 1}" if many > 1 else f"{at}"
            entries.append(f"{slots_of} : {self._mark(one):#x}")
            at += many
        return f"{by} map {{ {', '.join(entries)} }}"

    def _slots(
        self, pool: BalancerPool, given: Sequence[BalancerMember]
    ) -> list[tuple[BalancerMember, int]]:
        """Members in the order in which they get flows, each with how many in a row."""
        if pool.algorithm == "LEAST_CONNECTIONS":
            return [(one, 1) for one in by_fewest(given, self._around.flows)]
        common = math.gcd(*(one.weight for one in given))
        return [(one, one.weight // common) for one in given]

    def _given(self) -> Iterator[str]:
        yield f"counter name new{self._number}"
        yield "ct mark set meta mark"
        entries = ", ".join(
            f"{self._mark(one):#x} : {address_of(one.address)} . {int(one.port)}"
            for one in self._members
        )
        yield f"meta l4proto udp dnat {self._ip} to meta mark map {{ {entries} }}"

    def _mark(self, member: BalancerMember) -> int:
        return mark(self._around, self._listener, member)


def by_fewest(members: Sequence[BalancerMember], flows: Mapping[str, int]) -> list[BalancerMember]:
    """Whom the next flows go to, each to the one that has the fewest for its weight when it comes."""
    now = {one.id: flows.get(one.id, 0) for one in members}
    found = []
    for _ in range(max(SLOTS, 2 * len(members))):
        least = min(members, key=lambda one: ((now[one.id] + 1) / one.weight, -one.weight))
        now[least.id] += 1
        found.append(least)
    return found
