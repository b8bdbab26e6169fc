"""Prefixes of subnet pools: what is free in them. Pure functions over numbers; as many steps as there are subnets.

A span is the first and the last address of a range, as numbers.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from ipaddress import IPv4Network, IPv6Network, collapse_addresses, ip_network

Prefix = IPv4Network | IPv6Network
Span = tuple[int, int]


def parsed(prefixes: Iterable[str]) -> list[Prefix]:
    return [ip_network(one) for one in prefixes]


def merged(prefixes: Iterable[Prefix]) -> list[str]:
    """The fewest prefixes that hold the same addresses, in order. They are all of one version."""
    return [str(one) for one in collapse_addresses(prefixes)]  # type: ignore[type-var]


def span(prefix: Prefix) -> Span:
    return int(prefix.network_address), int(prefix.broadcast_address)


def overlaps(some: Sequence[Prefix], others: Sequence[Prefix]) -> bool:
    """Whether some address is in both."""
    line = sorted([(*span(one), 0) for one in some] + [(*span(one), 1) for one in others])
    reached = [-1, -1]
    for first, last, side in line:
        if first <= reached[1 - side]:
            return True
        reached[side] = max(reached[side], last)
    return False


def holds(prefixes: Sequence[Prefix], one: Prefix) -> bool:
    """Whether all of one prefix is in these, which do not overlap."""
    first, last = span(one)
    return any(start <= first and last <= end for start, end in map(span, prefixes))


def gaps(prefixes: Sequence[Prefix], taken: Sequence[Prefix]) -> Iterator[Span]:
    """What is left of prefixes, in order."""
    line = sorted(map(span, taken))
    at = 0
    for start, end in sorted(map(span, prefixes)):
        while at < len(line) and line[at][1] < start:
            at += 1
        free, look = start, at
        while look < len(line) and line[look][0] <= end:
            if line[look][0] > free:
                yield free, line[look][0] - 1
            free = max(free, line[look][1] + 1)
            look += 1
        if free <= end:
            yield free, end


def first_free(prefixes: Sequence[Prefix], taken: Sequence[Prefix], length: int) -> str | None:
    """The lowest prefix of a length that is in these and touches none that is taken; None: there is none."""
    for prefix in prefixes:
        size = 1 << (prefix.max_prefixlen - length)
        for start, end in gaps([prefix], taken):
            first = -(-start // size) * size
            if first + size - 1 <= end:
                return str(type(prefix)((first, length)))
    return None


def cut(prefix: Prefix, gone: Sequence[Prefix]) -> list[Prefix]:
    """A prefix without these."""
    found: list[Prefix] = []
    for start, end in gaps([prefix], gone):
        found += _between(prefix, start, end)
    return found


def _between(like: Prefix, start: int, end: int) -> list[Prefix]:
    """The fewest prefixes that hold a span."""
    width = like.max_prefixlen
    found: list[Prefix] = []
    while start <= end:
        bits = min(
            (start & -start).bit_length() - 1 if start else width,
            (end - start + 1).bit_length() - 1,
        )
        found.append(type(like)((start, width - bits)))
        start += 1 << bits
    return found
