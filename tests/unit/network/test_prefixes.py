"""What is free in the prefixes of a pool, against a plain count over every address."""

from __future__ import annotations

import random
from ipaddress import IPv4Network, ip_network

from hanok.services.network.logic.prefixes import cut, first_free, gaps, holds, merged, overlaps

SPACE = ip_network("10.0.0.0/24")


def some(dice: random.Random, maximum: int) -> list[IPv4Network]:
    """Prefixes in the space that do not touch each other."""
    found: list[IPv4Network] = []
    for _ in range(dice.randint(0, maximum)):
        length = dice.randint(25, 32)
        one = IPv4Network((int(SPACE.network_address) + dice.randrange(256), length), strict=False)
        if not any(one.overlaps(other) for other in found):
            found.append(one)
    return found


def numbers(prefixes: list[IPv4Network]) -> set[int]:
    return {n for one in prefixes for n in range(int(one[0]), int(one[-1]) + 1)}


def test_gaps_are_what_is_left() -> None:
    dice = random.Random(1)
    for _ in range(300):
        whole, taken = some(dice, 6), some(dice, 8)
        left = [n for first, last in gaps(whole, taken) for n in range(first, last + 1)]
        assert sorted(set(left)) == left
        assert set(left) == numbers(whole) - numbers(taken)
        assert overlaps(whole, taken) == bool(numbers(whole) & numbers(taken))
        for one in whole:
            assert numbers([IPv4Network(n) for n in merged(cut(one, taken))]) == (
                numbers([one]) - numbers(taken)
            )


def test_the_first_free_prefix_touches_nothing_and_is_the_lowest() -> None:
    dice = random.Random(2)
    for _ in range(300):
        whole = [IPv4Network(one) for one in merged(some(dice, 6))]
        taken, length = some(dice, 8), dice.randint(25, 32)
        found = first_free(whole, taken, length)
        fitting = [
            one
            for one in SPACE.subnets(new_prefix=length)
            if holds(whole, one) and not overlaps([one], taken)
        ]
        assert found == (str(fitting[0]) if fitting else None)
