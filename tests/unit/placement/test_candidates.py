"""Which providers are offered for what is asked."""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hanok.services.placement import facade as placement
from hanok.services.placement.logic import candidates
from hanok.services.placement.logic.candidates import SHARING, Candidate, Group, Request, search
from hanok.store import Database
from tests.unit.network.rows import row
from tests.unit.placement.worlds import Provider, database_of

T, U = "CUSTOM_T", "CUSTOM_U"
NUMA = (
    Provider(name="host", has={"DISK_GB": 100}, traits=frozenset([U])),
    Provider(name="numa0", parent="host", has={"VCPU": 4, "MEMORY_MB": 512}, traits=frozenset([T])),
    Provider(name="numa1", parent="host", has={"VCPU": 8, "MEMORY_MB": 512}),
)
FLAT = (
    Provider(name="a", has={"VCPU": 4}, traits=frozenset([T]), aggregates=frozenset(["x"])),
    Provider(name="b", has={"VCPU": 8}, traits=frozenset([T, U]), aggregates=frozenset(["y"])),
    Provider(name="c", has={"VCPU": 8}, used={"VCPU": 7}),
)
SHARED = (
    Provider(name="near", has={"VCPU": 4}, aggregates=frozenset(["x"])),
    Provider(name="far", has={"VCPU": 4}, aggregates=frozenset(["y"])),
    Provider(name="own", has={"VCPU": 4, "DISK_GB": 10}),
    Provider(
        name="store", has={"DISK_GB": 1000}, traits=frozenset([SHARING, T]),
        aggregates=frozenset(["x"]),
    ),
)  # fmt: skip


async def found(database: Database, request: Request, first: int | None = None) -> list[Candidate]:
    """What is offered, the same whether what is wanted counts as rare or not."""
    rare = await _found(database, request, first)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(candidates, "FEW", -1)
        common = await _found(database, request, first)
    assert rare == common
    return rare


async def _found(database: Database, request: Request, first: int | None) -> list[Candidate]:
    every: list[Candidate] = []
    async with database.read() as tx:
        async for _, some in search(tx, request, first=first):
            every += some
    return every


def used(those: list[Candidate]) -> list[list[str]]:
    return sorted(sorted(one.resources) for one in those)


def plain(resources: dict[str, int], **more: Any) -> Request:
    return Request(groups={"": Group(resources=resources, **more)})


def only(trait: str) -> tuple[frozenset[str], ...]:
    return (frozenset([trait]),)


@pytest.mark.parametrize(
    ("request_", "expected"),
    [
        (plain({"VCPU": 1}), [["a"], ["b"], ["c"]]),
        (plain({"VCPU": 2}), [["a"], ["b"]]),
        (plain({"VCPU": 5}), [["b"]]),
        (plain({"VCPU": 9}), []),
        (plain({"VCPU": 1, "DISK_GB": 1}), []),
        (plain({"VCPU": 1}, required=only(U)), [["b"]]),
        (plain({"VCPU": 1}, required=(frozenset([T]), frozenset([U]))), [["b"]]),
        (plain({"VCPU": 1}, required=(frozenset([T, U]),)), [["a"], ["b"]]),
        (plain({"VCPU": 1}, forbidden=frozenset([U])), [["a"], ["c"]]),
        (plain({"VCPU": 1}, required=only(T), forbidden=frozenset([U])), [["a"]]),
        (plain({"VCPU": 1}, member_of=(frozenset(["x", "y"]),)), [["a"], ["b"]]),
        (plain({"VCPU": 1}, member_of=(frozenset(["x"]), frozenset(["y"]))), []),
        (plain({"VCPU": 1}, not_member_of=frozenset(["x"])), [["b"], ["c"]]),
        (plain({"VCPU": 1}, in_tree="b"), [["b"]]),
        (plain({"VCPU": 1}, in_tree="nobody"), []),
    ],
)
async def test_single_providers(
    tmp_path: Path, request_: Request, expected: list[list[str]]
) -> None:
    async with database_of(tmp_path, *FLAT) as database:
        assert used(await found(database, request_)) == expected


@pytest.mark.parametrize(
    ("request_", "expected"),
    [
        (plain({"VCPU": 1, "DISK_GB": 1}), [["host", "numa0"], ["host", "numa1"]]),
        (plain({"VCPU": 5, "DISK_GB": 1}), [["host", "numa1"]]),
        (plain({"VCPU": 1}, required=only(T)), [["numa0"]]),
        (plain({"VCPU": 1}, forbidden=frozenset([T])), [["numa1"]]),
        # The trait is in the tree, but not on a provider that would be used.
        (plain({"VCPU": 1}, required=only(U)), []),
        (plain({"VCPU": 1}, in_tree="numa1"), [["numa0"], ["numa1"]]),
        (
            Request(
                groups={"": Group(resources={"VCPU": 1})}, root_required=frozenset([U])
            ),
            [["numa0"], ["numa1"]],
        ),
        (
            Request(
                groups={"": Group(resources={"VCPU": 1})}, root_forbidden=frozenset([U])
            ),
            [],
        ),
    ],
)  # fmt: skip
async def test_nested_providers(
    tmp_path: Path, request_: Request, expected: list[list[str]]
) -> None:
    async with database_of(tmp_path, *NUMA) as database:
        assert used(await found(database, request_)) == expected


async def test_numbered_groups_are_each_served_by_one_provider(tmp_path: Path) -> None:
    groups = {
        "1": Group(resources={"VCPU": 3, "MEMORY_MB": 100}),
        "2": Group(resources={"VCPU": 3}),
    }
    async with database_of(tmp_path, *NUMA) as database:
        together = await found(database, Request(groups=groups))
        apart = await found(database, Request(groups=groups, isolate=True))
        split = {"1": Group(resources={"VCPU": 1, "DISK_GB": 1})}
        assert await found(database, Request(groups=split)) == []
    # Both on numa0 would be six vCPUs of its four.
    assert used(together) == [["numa0", "numa1"], ["numa0", "numa1"], ["numa1"]]
    assert used(apart) == [["numa0", "numa1"], ["numa0", "numa1"]]
    assert all(one.mappings["1"] != one.mappings["2"] for one in apart)


async def test_groups_of_one_subtree_need_a_top_among_themselves(tmp_path: Path) -> None:
    groups = {"_a": Group(resources={"DISK_GB": 1}), "_b": Group(resources={"VCPU": 1})}
    async with database_of(tmp_path, *NUMA) as database:
        with_root = Request(groups=groups, same_subtree=[["_a", "_b"]])
        assert used(await found(database, with_root)) == [["host", "numa0"], ["host", "numa1"]]
        two = {"_a": Group(resources={"VCPU": 1}), "_b": Group(resources={"MEMORY_MB": 1})}
        siblings = await found(database, Request(groups=two, same_subtree=[["_a", "_b"]]))
        assert used(siblings) == [["numa0"], ["numa1"]]


async def test_what_is_shared_serves_trees_of_the_same_aggregate(tmp_path: Path) -> None:
    async with database_of(tmp_path, *SHARED) as database:
        both = await found(database, plain({"VCPU": 1, "DISK_GB": 5}))
        assert used(both) == [["near", "store"], ["own"]]
        much = await found(database, plain({"VCPU": 1, "DISK_GB": 50}))
        assert used(much) == [["near", "store"]] and much[0].root_id == "near"
        # The trait of the one that shares counts too.
        with_trait = plain({"VCPU": 1, "DISK_GB": 5}, required=only(T))
        assert used(await found(database, with_trait)) == [["near", "store"]]


async def test_units_and_steps_hold(tmp_path: Path) -> None:
    host = Provider(name="h", has={"VCPU": 8}, steps={"VCPU": 4})
    async with database_of(tmp_path, host) as database:
        assert [
            bool(await found(database, plain({"VCPU": amount}))) for amount in (1, 4, 6, 8, 12)
        ] == [False, True, False, True, False]


async def test_a_search_goes_on_until_there_are_enough_and_offers_nothing_twice(
    tmp_path: Path,
) -> None:
    many = [Provider(name=f"h{n:03}", has={"MEMORY_MB": 100 + n}) for n in range(60)]
    async with database_of(tmp_path, *many) as database:
        every = await found(database, plain({"MEMORY_MB": 1}), first=3)
        assert [one.root_id for one in every] == [one.name for one in many]
        emptiest = Request(groups={"": Group(resources={"MEMORY_MB": 1})}, emptiest="MEMORY_MB")
        sizes = [int(one.root_id[1:]) for one in await found(database, emptiest, first=3)]
        assert sizes == sorted(range(60), reverse=True)


async def test_offers_leave_out_what_is_disabled_and_say_what_is_free(tmp_path: Path) -> None:
    hosts = [
        Provider(name="small", has={"MEMORY_MB": 100, "VCPU": 4}, used={"MEMORY_MB": 10}),
        Provider(name="big", has={"MEMORY_MB": 500, "VCPU": 4}, used={"VCPU": 1}),
        Provider(
            name="off", has={"MEMORY_MB": 900, "VCPU": 4}, traits=frozenset(["COMPUTE_STATUS_DISABLED"]),
        ),
    ]  # fmt: skip
    groups = {"": Group(resources={"VCPU": 1, "MEMORY_MB": 1})}
    async with database_of(tmp_path, *hosts) as database, database.read() as tx:
        offers = [one async for some in placement.offers(tx, groups) for one in some]
        assert [(one.root_id, one.free) for one in offers] == [
            ("big", {"VCPU": 3, "MEMORY_MB": 500}),
            ("small", {"VCPU": 4, "MEMORY_MB": 90}),
        ]
        requested = {"": Group(resources={"MEMORY_MB": 300}, required=only(T))}
        why = await placement.shortage(tx, requested, among=["small", "big", "off"])
    assert why == (
        "3 hosts; 1 is disabled; 1 lacks memory: 300 MiB requested, 90 free; 2 lack trait CUSTOM_T"
    )


PROVIDERS = st.lists(
    st.tuples(
        st.integers(0, 6),  # vCPUs
        st.integers(0, 6),  # GiB
        st.frozensets(st.sampled_from([T, U])),
        st.frozensets(st.sampled_from(["x", "y"])),
    ),
    max_size=6,
)
REQUESTED = st.tuples(
    st.integers(1, 6),
    st.integers(1, 6),
    st.lists(st.frozensets(st.sampled_from([T, U]), min_size=1), max_size=2),
    st.frozensets(st.sampled_from([T, U]), max_size=1),
    st.lists(st.frozensets(st.sampled_from(["x", "y"]), min_size=1), max_size=2),
    st.frozensets(st.sampled_from(["x", "y"]), max_size=1),
    st.sampled_from(["", "1"]),
)


@given(PROVIDERS, REQUESTED)
def test_single_providers_are_those_of_a_plain_model(those: list[Any], requested: Any) -> None:
    vcpus, disk, required, forbidden, inside, outside, suffix = requested
    world = [
        Provider(
            name=f"p{number}",
            has={name: n for name, n in (("VCPU", cpus), ("DISK_GB", gib)) if n},
            traits=traits,
            aggregates=aggregates,
        )
        for number, (cpus, gib, traits, aggregates) in enumerate(those)
    ]
    fitting = [
        one.name
        for one in world
        if one.has.get("VCPU", 0) >= vcpus
        and one.has.get("DISK_GB", 0) >= disk
        and all(options & one.traits for options in required)
        and not forbidden & one.traits
        and all(options & one.aggregates for options in inside)
        and not outside & one.aggregates
    ]
    group = Group(
        resources={"VCPU": vcpus, "DISK_GB": disk},
        required=tuple(required),
        forbidden=forbidden,
        member_of=tuple(inside),
        not_member_of=outside,
    )

    async def play() -> list[str]:
        with tempfile.TemporaryDirectory() as folder:
            async with database_of(Path(folder), *world) as database:
                request = Request(groups={suffix: group})
                return [one.root_id for one in await found(database, request, first=2)]

    assert asyncio.run(play()) == fitting


STORES = (
    Provider(name="near", has={"VCPU": 4}, aggregates=frozenset(["x"])),
    Provider(name="own", has={"VCPU": 4, "DISK_GB": 10}, aggregates=frozenset(["x"])),
    Provider(name="far", has={"VCPU": 4}),
    *(
        Provider(
            name=name, has={"DISK_GB": 100}, traits=frozenset([SHARING, trait]),
            aggregates=frozenset(["x"]),
        )
        for name, trait in (("store1", T), ("store2", U))
    ),
)  # fmt: skip
NEAR_1, NEAR_2, OWN_1, OWN_2 = (
    ["near", "store1"], ["near", "store2"], ["own", "store1"], ["own", "store2"]
)  # fmt: skip


def with_disk(numbered: Group, **plain_group: Any) -> Request:
    return Request(groups={"": Group(resources={"VCPU": 1}, **plain_group), "_D": numbered})


@pytest.mark.parametrize(
    ("request_", "expected"),
    [
        (with_disk(Group(resources={"DISK_GB": 5})), [NEAR_1, NEAR_2, ["own"], OWN_1, OWN_2]),
        (with_disk(Group(resources={"DISK_GB": 50})), [NEAR_1, NEAR_2, OWN_1, OWN_2]),
        (with_disk(Group(resources={"DISK_GB": 5}, required=only(T))), [NEAR_1, OWN_1]),
        (with_disk(Group(resources={"DISK_GB": 5}, forbidden=frozenset([T]))), [NEAR_2, ["own"], OWN_2]),
        (with_disk(Group(resources={"DISK_GB": 5}, in_tree="store1")), [NEAR_1, OWN_1]),
        (with_disk(Group(resources={"DISK_GB": 5}), in_tree="near"), [NEAR_1, NEAR_2]),
        (with_disk(Group(resources={"DISK_GB": 5}, in_tree="store1"), in_tree="near"), [NEAR_1]),
        (with_disk(Group(resources={"DISK_GB": 500})), []),
        (
            Request(
                groups={
                    "": Group(resources={"VCPU": 1}),
                    "_A": Group(resources={"DISK_GB": 60}),
                    "_B": Group(resources={"DISK_GB": 60}),
                }
            ),
            2 * [["near", "store1", "store2"]] + 2 * [["own", "store1", "store2"]],
        ),
    ],
)  # fmt: skip
async def test_what_is_shared_serves_numbered_groups(
    tmp_path: Path, request_: Request, expected: list[list[str]]
) -> None:
    async with database_of(tmp_path, *STORES) as database:
        assert used(await found(database, request_)) == expected


async def test_many_groups_find_their_devices_at_once(tmp_path: Path) -> None:
    """Twelve groups and twelve devices: trying all combinations one after another would not come to the end."""
    devices = [Provider(name=f"d{n:02}", parent="host", has={"PCI_DEVICE": 1}) for n in range(12)]
    groups = {f"_{n}": Group(resources={"PCI_DEVICE": 1}) for n in range(12)}
    one = Request(groups={"": Group(resources={"VCPU": 1}), **groups}, ways=1)
    async with database_of(tmp_path, Provider(name="host", has={"VCPU": 4}), *devices) as database:
        (way,) = await found(database, one)
        assert len(way.resources) == 13
        too_many = {**groups, "_12": Group(resources={"PCI_DEVICE": 1})}
        assert not await found(database, Request(groups={"": one.groups[""], **too_many}))


async def test_trees_that_lie_close_together_are_read_along_and_not_offered(tmp_path: Path) -> None:
    """Of seven hosts four are asked for: what is between them is read, too."""
    many = [
        Provider(
            name=f"h{n}", has={"VCPU": n + 1}, traits=frozenset([T] if n in (1, 2, 4, 5) else [])
        )
        for n in range(7)
    ]
    requests = (
        plain({"VCPU": 1}, required=only(T)),
        plain({"VCPU": 1}, forbidden=frozenset([T])),
        plain({"VCPU": 4}),
        Request(groups={"1": Group(resources={"VCPU": 1}, required=only(T))}),
        Request(groups={"": Group(resources={"VCPU": 1})}, emptiest="VCPU"),
    )
    async with database_of(tmp_path, *many) as database:
        for request in requests:
            named = await found(database, request)
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(candidates, "DENSE", 0)
                assert await found(database, request) == named
                patch.setattr(candidates, "AT_ONCE", 2)
                assert await found(database, request) == named
        assert used(await found(database, requests[0])) == [["h1"], ["h2"], ["h4"], ["h5"]]


@pytest.mark.parametrize(
    ("amount", "fits"), [(0, False), (1, False), (2, True), (3, False), (4, True), (6, True), (8, False)]
)  # fmt: skip
def test_an_amount_fits_between_the_units_and_in_steps(amount: int, fits: bool) -> None:
    held = row(
        used=0, total=10, reserved=0, allocation_ratio=1.0, min_unit=2, max_unit=6, step_size=2
    )
    assert candidates.fits(held, amount) is fits


@pytest.mark.parametrize(
    ("used_", "reserved", "ratio", "fits"),
    [(8, 0, 1.0, True), (9, 0, 1.0, False), (8, 1, 1.0, False), (9, 5, 2.2, True), (9, 5, 2.0, False)],
)  # fmt: skip
def test_an_amount_fits_into_what_is_left(
    used_: int, reserved: int, ratio: float, fits: bool
) -> None:
    held = row(
        used=used_, total=10, reserved=reserved, allocation_ratio=ratio, min_unit=1, max_unit=10,
        step_size=1,
    )  # fmt: skip
    assert candidates.fits(held, 2) is fits


@pytest.mark.parametrize(
    ("group", "lends"),
    [
        ({}, True),
        ({"in_tree": "near"}, False),
        ({"member_of": (frozenset(["x"]),)}, True),
        ({"member_of": (frozenset(["z"]),)}, False),
        ({"not_member_of": frozenset(["x"])}, False),  # its own
        ({"not_member_of": frozenset(["y"])}, False),  # the tree's
        ({"not_member_of": frozenset(["z"])}, True),
    ],
)
def test_what_is_shared_is_lent_as_aggregates_say(group: dict[str, Any], lends: bool) -> None:
    world = candidates.World(aggregates={"store": {"x"}, "near": {"x", "y"}})
    group_of_request = Group(resources={"DISK_GB": 1}, **group)
    assert candidates._lends(world, "store", "near", group_of_request) is lends


def test_a_top_is_one_of_those_that_share_it() -> None:
    parents = {"root": None, "a": "root", "b": "root", "a1": "a", "lent": "unread"}
    world = candidates.World(providers={one: row(parent_id=up) for one, up in parents.items()})
    for ids, share in (
        ([], True),
        (["a"], True),
        (["a", "a1"], True),
        (["root", "a1", "b"], True),
        (["a", "b"], False),
        (["a1", "b"], False),
        (["lent"], True),
        (["lent", "a"], False),
    ):
        assert candidates._share_a_top(world, ids) is share, ids


async def test_no_more_ways_are_offered_than_are_asked_for(tmp_path: Path) -> None:
    groups = {"1": Group(resources={"VCPU": 1}), "2": Group(resources={"VCPU": 1})}
    async with database_of(tmp_path, *NUMA) as database:
        assert len(await found(database, Request(groups=groups))) == 4
        assert len(await found(database, Request(groups=groups, ways=3))) == 3
