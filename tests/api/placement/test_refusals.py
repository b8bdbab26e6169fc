"""What placement refuses, and why; what its searches find; and what is right beside it."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.api.placement.test_placement import claim, provider
from tests.cloud import Client, Cloud, running

NOWHERE = "00000000-0000-4000-8000-00000000dead"
A, B, C = (f"00000000-0000-4000-8000-0000000000a{n}" for n in range(3))
FAST, SLOW = "HW_CPU_X86_AVX", "HW_CPU_X86_AVX2"


@pytest.fixture
async def cloud(tmp_path: Path, database_url: str) -> AsyncIterator[Cloud]:
    """A cloud without hosts: nothing here needs one."""
    async with running(tmp_path, database=database_url, hosts=0) as cloud:
        yield cloud


def at(minor: int) -> dict[str, str]:
    return {"OpenStack-API-Version": f"placement 1.{minor}"}


async def ask(
    client: Client, method: str, path: str, body: Any, status: int, why: str = "", minor: int = 39
) -> Any:
    """It is answered with this status, and these words are in what is said. Gives the body, if there is one."""
    answer = await client(method, f"/placement{path}", body, headers=at(minor))
    got = f"{answer.status_code}: {answer.text[:300]}"
    assert answer.status_code == status and why in answer.text, f"{method} {path} {body}: {got}"
    return answer.json() if answer.content else None


async def child(admin: Client, name: str, parent: str, **totals: int) -> str:
    """A provider below another one."""
    made = await provider(admin, name, **totals)
    body = {"name": name, "parent_provider_uuid": parent}
    await ask(admin, "PUT", f"/resource_providers/{made}", body, 200)
    return made


async def give(admin: Client, of: str, *traits: str, aggregates: tuple[str, ...] = ()) -> None:
    """A provider has these traits and aggregates."""
    path = f"/resource_providers/{of}"
    generation = (await ask(admin, "GET", path, None, 200))["generation"]
    body: Any = {"resource_provider_generation": generation, "traits": list(traits)}
    await ask(admin, "PUT", f"{path}/traits", body, 200)
    body = {"resource_provider_generation": generation + 1, "aggregates": list(aggregates)}
    await ask(admin, "PUT", f"{path}/aggregates", body, 200)


# ---- providers ----


async def test_a_provider(cloud: Cloud) -> None:
    admin = await cloud.sign_in()
    host, other = await provider(admin, "host", VCPU=4), await provider(admin, "other")
    below = await child(admin, "below", host)
    for body, status, why in (
        ({"name": "host"}, 409, "placement.duplicate_name"),
        ({"name": "n", "uuid": host}, 409, "already exists"),
        ({"name": "n", "parent_provider_uuid": NOWHERE}, 400, "parent provider does not exist"),
        ({"name": "n", "uuid": A, "parent_provider_uuid": A}, 400, "its own parent"),
        ({"name": "n", "uuid": A, "parent_provider_uuid": host}, 200, A),
    ):
        await ask(admin, "POST", "/resource_providers", body, status, why)
    path = f"/resource_providers/{host}"
    changes: Any = (
        ({"name": "other"}, 409, "placement.duplicate_name"),
        ({"name": "h", "parent_provider_uuid": host}, 400, "creating loop"),
        ({"name": "h", "parent_provider_uuid": below}, 400, "creating loop"),
        ({"name": "h", "parent_provider_uuid": NOWHERE}, 400, "parent provider does not exist"),
        ({"name": "host", "parent_provider_uuid": None}, 200, "host"),
    )
    for body, status, why in changes:
        await ask(admin, "PUT", path, body, status, why)
    moved: Any = {"name": "below", "parent_provider_uuid": other}
    path = f"/resource_providers/{below}"
    await ask(admin, "PUT", path, moved, 400, "not allowed", minor=36)
    assert (await ask(admin, "PUT", path, moved, 200))["root_provider_uuid"] == other
    alone = {"name": "below", "parent_provider_uuid": None}
    await ask(admin, "PUT", path, alone, 400, "not allowed", minor=36)
    assert (await ask(admin, "PUT", path, alone, 200))["root_provider_uuid"] == below
    consumer = uuid.uuid4()
    await ask(admin, "PUT", f"/allocations/{consumer}", claim(admin, host, VCPU=1), 204)
    for one, status, why in (
        (host, 409, "placement.resource_provider.inuse"),
        (NOWHERE, 404, ""),
        (A, 204, ""),
        (below, 204, ""),
    ):
        await ask(admin, "DELETE", f"/resource_providers/{one}", None, status, why)
    await ask(admin, "DELETE", f"/allocations/{consumer}", None, 204)
    await ask(admin, "DELETE", f"/resource_providers/{host}", None, 204)


async def test_a_parent_stays_while_there_are_children(cloud: Cloud) -> None:
    admin = await cloud.sign_in()
    host = await provider(admin, "host")
    below = await child(admin, "below", host)
    why = "placement.resource_provider.cannot_delete_parent"
    await ask(admin, "DELETE", f"/resource_providers/{host}", None, 409, why)
    for one in (below, host):
        await ask(admin, "DELETE", f"/resource_providers/{one}", None, 204)


async def test_an_inventory(cloud: Cloud) -> None:
    admin = await cloud.sign_in()
    host = await provider(admin, "host", VCPU=4)
    path = f"/resource_providers/{host}/inventories"
    new: Any = {"resource_class": "DISK_GB", "total": 10, "resource_provider_generation": 1}
    for values, status, why in (
        ({"resource_provider_generation": 0}, 409, "generation conflict"),
        ({"resource_class": "VCPU"}, 409, "exists already"),
        ({"resource_class": "CUSTOM_NOTHING"}, 400, "CUSTOM_NOTHING"),
        ({"total": 0}, 400, ""),
        ({}, 201, '"total":10'),
    ):
        await ask(admin, "POST", path, {**new, **values}, status, why)
    for name, generation, status in (
        ("DISK_GB", 1, 409),
        ("MEMORY_MB", 2, 400),
        ("DISK_GB", 2, 200),
    ):
        body = {"total": 20, "resource_provider_generation": generation}
        await ask(admin, "PUT", f"{path}/{name}", body, status)
    assert (await ask(admin, "GET", f"{path}/DISK_GB", None, 200))["total"] == 20
    await ask(admin, "GET", f"{path}/MEMORY_MB", None, 404)
    consumer = uuid.uuid4()
    await ask(admin, "PUT", f"/allocations/{consumer}", claim(admin, host, VCPU=1), 204)
    await ask(admin, "DELETE", f"{path}/VCPU", None, 409, "placement.inventory.inuse")
    await ask(admin, "DELETE", path, None, 409, "placement.inventory.inuse")
    for status in (204, 404):
        await ask(admin, "DELETE", f"{path}/DISK_GB", None, status)
    await ask(admin, "DELETE", f"/allocations/{consumer}", None, 204)
    await ask(admin, "DELETE", path, None, 204)
    assert (await ask(admin, "GET", path, None, 200))["inventories"] == {}


async def test_a_providers_traits_and_aggregates(cloud: Cloud) -> None:
    admin = await cloud.sign_in()
    host = await provider(admin, "host")  # its generation is 1
    path = f"/resource_providers/{host}"
    for what, one, unknown in (("traits", FAST, "CUSTOM_NOTHING"), ("aggregates", A, "")):
        generation = (await ask(admin, "GET", path, None, 200))["generation"]
        body = {"resource_provider_generation": generation - 1, what: [one]}
        await ask(admin, "PUT", f"{path}/{what}", body, 409, "generation conflict")
        body = {"resource_provider_generation": generation, what: [unknown]}
        await ask(admin, "PUT", f"{path}/{what}", body, 400)
        body = {"resource_provider_generation": generation, what: [one, one]}
        await ask(admin, "PUT", f"{path}/{what}", body, 200 if what == "traits" else 400)
        generation = (await ask(admin, "GET", path, None, 200))["generation"]
        body = {"resource_provider_generation": generation, what: [one]}
        shown = await ask(admin, "PUT", f"{path}/{what}", body, 200)
        assert shown[what] == [one] and shown["resource_provider_generation"] == generation + 1
        body = {"resource_provider_generation": generation + 1, what: []}
        assert (await ask(admin, "PUT", f"{path}/{what}", body, 200))[what] == []
    generation = (await ask(admin, "GET", path, None, 200))["generation"]
    body = {"resource_provider_generation": generation, "traits": [FAST]}
    await ask(admin, "PUT", f"{path}/traits", body, 200)
    await ask(admin, "DELETE", f"{path}/traits", None, 204)
    shown = await ask(admin, "GET", f"{path}/traits", None, 200)
    assert shown == {"traits": [], "resource_provider_generation": generation + 2}


# ---- classes and traits ----


async def test_a_resource_class(cloud: Cloud) -> None:
    admin = await cloud.sign_in()
    for name, status in (("VCPU", 400), ("CUSTOM_A", 201), ("CUSTOM_A", 409), ("custom_b", 400)):
        await ask(admin, "POST", "/resource_classes", {"name": name}, status)
    for status in (201, 204):
        await ask(admin, "PUT", "/resource_classes/CUSTOM_B", None, status)
    await ask(admin, "PUT", "/resource_classes/VCPU", None, 400)
    for name, new, status in (
        ("VCPU", "CUSTOM_C", 400),
        ("CUSTOM_NOTHING", "CUSTOM_C", 404),
        ("CUSTOM_A", "CUSTOM_B", 409),
        ("CUSTOM_A", "CUSTOM_C", 200),
    ):
        await ask(admin, "PUT", f"/resource_classes/{name}", {"name": new}, status, minor=6)
    await ask(admin, "GET", "/resource_classes/CUSTOM_A", None, 404)
    await ask(admin, "GET", "/resource_classes/CUSTOM_C", None, 200, "CUSTOM_C")
    host = await provider(admin, "host", CUSTOM_B=1)
    await ask(admin, "PUT", "/resource_classes/CUSTOM_B", {"name": "CUSTOM_D"}, 200, minor=6)
    shown = await ask(admin, "GET", f"/resource_providers/{host}/inventories", None, 200)
    assert list(shown["inventories"]) == ["CUSTOM_D"]
    for name, status in (("CUSTOM_D", 409), ("VCPU", 400), ("CUSTOM_C", 204), ("CUSTOM_C", 404)):
        await ask(admin, "DELETE", f"/resource_classes/{name}", None, status)


async def test_a_trait(cloud: Cloud) -> None:
    admin = await cloud.sign_in()
    for name, status in (("CUSTOM_A", 201), ("CUSTOM_A", 204), (FAST, 400), ("CUSTOM_a", 400)):
        await ask(admin, "PUT", f"/traits/{name}", None, status)
    await ask(admin, "PUT", "/traits/CUSTOM_B", None, 201)
    host = await provider(admin, "host")
    await give(admin, host, "CUSTOM_A", FAST)
    for query, expected in (
        (f"name=in:{FAST},CUSTOM_B,CUSTOM_NOTHING", {FAST, "CUSTOM_B"}),
        ("name=startswith:CUSTOM_", {"CUSTOM_A", "CUSTOM_B"}),
        ("associated=true", {"CUSTOM_A", FAST}),
        ("associated=false&name=startswith:CUSTOM_", {"CUSTOM_B"}),
        ("associated=True&name=startswith:CUSTOM_", {"CUSTOM_A"}),
    ):
        found = (await ask(admin, "GET", f"/traits?{query}", None, 200))["traits"]
        assert set(found) == expected, query
    for query in ("name=CUSTOM_A", "associated=perhaps"):
        await ask(admin, "GET", f"/traits?{query}", None, 400)
    for name, status in (("CUSTOM_A", 409), (FAST, 400), ("CUSTOM_B", 204), ("CUSTOM_B", 404)):
        await ask(admin, "DELETE", f"/traits/{name}", None, status)


# ---- searches ----


async def lab(admin: Client) -> dict[str, str]:
    """Two trees and a provider alone; ids by name.

    north (A, FAST) has north-a (SLOW) and north-b (B) below it; south (B) has south-a (FAST, SLOW); lone has C.
    """
    known: dict[str, str] = {}
    for name, parent, cpus in (
        ("north", "", 4), ("north-a", "north", 8), ("north-b", "north", 2),
        ("south", "", 4), ("south-a", "south", 8), ("lone", "", 16),
    ):  # fmt: skip
        if parent:
            known[name] = await child(admin, name, known[parent], VCPU=cpus)
        else:
            known[name] = await provider(admin, name, VCPU=cpus)
    for name, traits, aggregates in (
        ("north", (FAST,), (A,)), ("north-a", (SLOW,), ()), ("north-b", (), (B,)),
        ("south", (), (B,)), ("south-a", (FAST, SLOW), ()), ("lone", (), (C,)),
    ):  # fmt: skip
        await give(admin, known[name], *traits, aggregates=aggregates)
    return known


ALL = {"north", "north-a", "north-b", "south", "south-a", "lone"}


async def test_providers_are_found(cloud: Cloud) -> None:
    admin = await cloud.sign_in()
    known = await lab(admin)
    for query, expected in (
        ("", ALL),
        ("name=north", {"north"}),
        ("name=nobody", set()),
        (f"uuid={known['lone']}", {"lone"}),
        (f"uuid={known['lone']}&name=north", set()),
        ("resources=VCPU:5", {"north-a", "south-a", "lone"}),
        ("resources=VCPU:4,DISK_GB:1", set()),
        (f"required={FAST}", {"north", "south-a"}),
        (f"required={FAST},{SLOW}", {"south-a"}),
        (f"required=in:{FAST},{SLOW}", {"north", "north-a", "south-a"}),
        (f"required=!{FAST}", ALL - {"north", "south-a"}),
        (f"required={SLOW},!{FAST}", {"north-a"}),
        (f"member_of={A}", {"north"}),  # itself, not its root
        (f"member_of=in:{A},{C}", {"north", "lone"}),
        (f"member_of={A}&member_of={B}", set()),
        (f"member_of=!{A}", ALL - {"north"}),
        (f"member_of=!in:{A},{B}", {"north-a", "south-a", "lone"}),
        (f"in_tree={known['north-a']}", {"north", "north-a", "north-b"}),
        (f"in_tree={NOWHERE}", set()),
        (f"in_tree={known['south']}&resources=VCPU:5", {"south-a"}),
    ):
        found = await ask(admin, "GET", f"/resource_providers?{query}", None, 200)
        assert {one["name"] for one in found["resource_providers"]} == expected, query


PATTERNS = (
    "resources=VCPU", "resources=VCPU:0", "resources=VCPU:1,VCPU:2", "resources=CUSTOM_NOTHING:1",
    "required=", "required=in:a,b", "required=CUSTOM_NOTHING", "required=!CUSTOM_NOTHING",
    f"required={FAST},!{FAST}", "required=lower", "member_of=x", "member_of=in:x", "in_tree=x",
)  # fmt: skip


async def test_a_search_is_refused(cloud: Cloud) -> None:
    admin = await cloud.sign_in()
    await provider(admin, "host", VCPU=1)
    for query in (*PATTERNS, "uuid=x", "nobody=1"):
        await ask(admin, "GET", f"/resource_providers?{query}", None, 400)
    base = "/allocation_candidates"
    for query in PATTERNS:
        more = "" if query.startswith("resources") else "&resources=VCPU:1"
        await ask(admin, "GET", f"{base}?{query}{more}", None, 400)
    two = "resources=VCPU:1&resources_A=VCPU:1&resources_B=VCPU:1"
    for query, why in (
        ("", "There must be at least one resources"),
        (f"required={FAST}", "There must be at least one resources"),
        (f"resources=VCPU:1&required_A={FAST}", "Resourceless suffixed group"),
        (two, "group_policy"),
        (f"{two}&group_policy=perhaps", "none or isolate"),
        ("resources=VCPU:1&limit=0", "limit"),
        ("resources=VCPU:1&limit=x", "limit"),
        (f"resources=VCPU:1&root_required={FAST}&root_required={SLOW}", "only once"),
        ("resources=VCPU:1&same_subtree=_A,_B", "Real suffixes"),
        ("resources_A=VCPU:1&same_subtree=_A,", "Empty string"),
        ("resources=VCPU:1&root_required=CUSTOM_NOTHING", ""),
    ):
        await ask(admin, "GET", f"{base}?{query}", None, 400, why)


async def candidates(admin: Client, known: dict[str, str], query: str) -> set[str]:
    """The candidates that are found: the names of the providers of each, in order and with a space between."""
    names = {one: name for name, one in known.items()}
    found = await ask(admin, "GET", f"/allocation_candidates?{query}", None, 200)
    sets = (sorted(names[of] for of in one["allocations"]) for one in found["allocation_requests"])
    return {" ".join(one) for one in sets}


async def test_candidates_are_found(cloud: Cloud) -> None:
    admin = await cloud.sign_in()
    known = await lab(admin)
    for query, expected in (
        ("resources=VCPU:1", ALL),
        ("resources=VCPU:5", {"north-a", "south-a", "lone"}),
        ("resources=VCPU:17", set()),
        (f"resources=VCPU:1&required={FAST}", {"north", "south-a"}),
        (f"resources=VCPU:1&required={FAST},{SLOW}", {"south-a"}),
        (f"resources=VCPU:1&required=in:{FAST},{SLOW}", {"north", "north-a", "south-a"}),
        (f"resources=VCPU:1&required=!{FAST}", ALL - {"north", "south-a"}),
        (f"resources=VCPU:1&required={SLOW},!{FAST}", {"north-a"}),
        (f"resources=VCPU:1&member_of={A}", {"north", "north-a", "north-b"}),  # the root's, too
        (f"resources=VCPU:1&member_of={A}&member_of={B}", {"north-b"}),
        (f"resources=VCPU:1&member_of=in:{A},{C}", {"north", "north-a", "north-b", "lone"}),
        (f"resources=VCPU:1&member_of=!{A}", {"south", "south-a", "lone"}),
        (f"resources=VCPU:1&member_of=!{B}", {"north", "north-a", "lone"}),
        (f"resources=VCPU:1&member_of=!in:{A},{B}", {"lone"}),
        (f"resources=VCPU:1&in_tree={known['north-b']}", {"north", "north-a", "north-b"}),
        (f"resources=VCPU:1&in_tree={NOWHERE}", set()),
        (f"resources=VCPU:1&root_required={FAST}", {"north", "north-a", "north-b"}),
        (f"resources=VCPU:1&root_required=!{FAST}", {"south", "south-a", "lone"}),
        (f"resources_A=VCPU:1&required_A={FAST}", {"north", "south-a"}),
        (f"resources_A=VCPU:1&required_A=!{FAST},!{SLOW}", {"north-b", "south", "lone"}),
        (f"resources_A=VCPU:1&member_of_A={B}", {"north-b", "south"}),  # itself
        (f"resources_A=VCPU:1&in_tree_A={known['lone']}", {"lone"}),
    ):
        assert await candidates(admin, known, query) == expected, query


async def test_groups_are_served_together(cloud: Cloud) -> None:
    admin = await cloud.sign_in()
    known = await lab(admin)
    two = "resources_A=VCPU:1&resources_B=VCPU:2"
    fast = f"{two}&required_A={FAST}"
    for query, expected in (
        (
            f"{fast}&group_policy=isolate",
            {"north north-a", "north north-b", "south south-a"},
        ),
        (
            f"{fast}&group_policy=none",
            {"north north-a", "north north-b", "south south-a", "north", "south-a"},
        ),
        # One of the two is the other one's own parent, or they are the same.
        (
            f"{two}&group_policy=isolate&same_subtree=_A,_B",
            {"north north-a", "north north-b", "south south-a"},
        ),
        (
            f"{two}&group_policy=isolate&in_tree_A={known['north']}",
            {"north north-a", "north north-b", "north-a north-b"},
        ),
        ("resources_A=VCPU:8&resources_B=VCPU:8&group_policy=none", {"lone"}),
        # A group without resources says where its subtree is.
        (
            f"resources_A=VCPU:1&required_B={SLOW}&same_subtree=_A,_B&group_policy=none",
            {"north", "north-a", "south", "south-a"},
        ),
    ):  # fmt: skip
        assert await candidates(admin, known, query) == expected, query


async def test_what_is_shared(cloud: Cloud) -> None:
    """A sharing provider serves the trees in its aggregates, and must itself be where the request says."""
    admin = await cloud.sign_in()
    known = {name: await provider(admin, name, VCPU=4) for name in ("near", "far")}
    known["disk"] = await provider(admin, "disk", DISK_GB=100)
    await give(admin, known["near"], aggregates=(A, B))
    await give(admin, known["far"], aggregates=(C,))
    await give(admin, known["disk"], "MISC_SHARES_VIA_AGGREGATE", aggregates=(A,))
    both = "resources=VCPU:1,DISK_GB:10"
    for query, expected in (
        (both, {"disk near"}),
        ("resources=VCPU:1", {"near", "far"}),
        ("resources=DISK_GB:10", {"disk"}),
        (f"{both}&member_of={A}", {"disk near"}),
        (f"{both}&member_of={B}", set()),
        (f"{both}&member_of=!{B}", set()),
        (f"{both}&member_of=!{C}", {"disk near"}),
        (f"{both}&in_tree={known['near']}", set()),
        (f"{both}&required=MISC_SHARES_VIA_AGGREGATE", {"disk near"}),
        (f"{both}&required=!MISC_SHARES_VIA_AGGREGATE", set()),
    ):
        assert await candidates(admin, known, query) == expected, query


# ---- allocations ----


async def test_an_allocation(cloud: Cloud) -> None:
    admin = await cloud.sign_in()
    host = await provider(admin, "host", VCPU=4)
    path = f"/allocations/{uuid.uuid4()}"
    body: Any
    for of, amounts, changed, status, why in (
        (NOWHERE, {"VCPU": 1}, {}, 400, "does not exist"),
        (host, {"CUSTOM_NOTHING": 1}, {}, 400, "No such resource class"),
        (host, {"DISK_GB": 1}, {}, 409, "DISK_GB"),
        (host, {"VCPU": 5}, {}, 409, "exceed the capacity"),
        (host, {"VCPU": 0}, {}, 400, ""),
        (host, {"VCPU": 1}, {"consumer_generation": 1}, 409, "placement.concurrent_update"),
        (host, {"VCPU": 1}, {}, 204, ""),
        (host, {"VCPU": 2}, {}, 409, "placement.concurrent_update"),
        (host, {"VCPU": 2}, {"consumer_generation": 1}, 204, ""),
        (host, {"VCPU": 2}, {"consumer_generation": 1}, 409, "consumer generation conflict"),
    ):
        body = {**claim(admin, of, **amounts), **changed}
        await ask(admin, "PUT", path, body, status, why)
    shown = await ask(admin, "GET", path, None, 200)
    assert shown["consumer_generation"] == 2
    assert shown["allocations"][host]["resources"] == {"VCPU": 2}
    nothing = {**claim(admin, host), "allocations": {}, "consumer_generation": 2}
    await ask(admin, "PUT", path, nothing, 204)
    assert (await ask(admin, "GET", path, None, 200))["allocations"] == {}
    await ask(admin, "DELETE", path, None, 404)
    sent = claim(admin, host, VCPU=1)
    for method, body in (("GET", None), ("DELETE", None), ("PUT", sent)):
        await ask(admin, method, "/allocations/x", body, 400, "Malformed")
    usages = await ask(admin, "GET", f"/resource_providers/{host}/usages", None, 200)
    assert usages["usages"] == {"VCPU": 0}


async def test_several_consumers_at_once(cloud: Cloud) -> None:
    """What one gives back another may have, in whatever order they are named; or nothing is changed."""
    admin = await cloud.sign_in()
    host = await provider(admin, "host", VCPU=4)
    await ask(admin, "POST", "/allocations", {}, 400)
    sizes: dict[str, int] = {A: 3, B: 1}
    first = {one: claim(admin, host, VCPU=size) for one, size in sizes.items()}
    await ask(admin, "POST", "/allocations", first, 204)
    for generation, (order, status) in enumerate(
        (({B: 3, A: 1}, 204), ({A: 3, B: 1}, 204), ({A: 3, B: 2}, 409)), 1
    ):
        body = {
            one: {**claim(admin, host, VCPU=size), "consumer_generation": generation}
            for one, size in order.items()
        }
        await ask(admin, "POST", "/allocations", body, status)
    shown = await ask(admin, "GET", f"/resource_providers/{host}/allocations", None, 200)
    held = {one: value["resources"]["VCPU"] for one, value in shown["allocations"].items()}
    assert held == {A: 3, B: 1}
    gone = {**claim(admin, host), "allocations": {}, "consumer_generation": 3}
    body = {B: {**claim(admin, host, VCPU=4), "consumer_generation": 3}, A: gone}
    await ask(admin, "POST", "/allocations", body, 204)
    shown = await ask(admin, "GET", f"/resource_providers/{host}/allocations", None, 200)
    assert list(shown["allocations"]) == [B]


async def test_a_tree_is_reshaped(cloud: Cloud) -> None:
    """Inventories and allocations move together from a host to what is below it; or nothing is changed."""
    admin, service = await cloud.sign_in(), await cloud.project_with("service", "service")
    host = await provider(admin, "host", VCPU=4, MEMORY_MB=100)
    below = await child(admin, "below", host)
    path = f"/allocations/{A}"
    await ask(admin, "PUT", path, claim(admin, host, VCPU=3, MEMORY_MB=10), 204)
    generations = {
        one: (await ask(admin, "GET", f"/resource_providers/{one}", None, 200))["generation"]
        for one in (host, below)
    }

    def stock(of: str, **totals: int) -> Any:
        return {
            "resource_provider_generation": generations.get(of, 0),
            "inventories": {what: {"total": total} for what, total in totals.items()},
        }

    moved = {host: stock(host, MEMORY_MB=100), below: stock(below, VCPU=4)}
    of = {**claim(admin, host), "consumer_generation": 1}
    of["allocations"] = {
        host: {"resources": {"MEMORY_MB": 10}}, below: {"resources": {"VCPU": 3}},
    }  # fmt: skip
    stale = {**moved[host], "resource_provider_generation": 0}
    whole = {"inventories": moved, "allocations": {A: of}}
    for values, status, why in (
        ({"inventories": {NOWHERE: stock(NOWHERE, VCPU=1)}}, 400, "provider.not_found"),
        ({"inventories": {**moved, host: stale}}, 409, "placement.concurrent_update"),
        ({"inventories": {**moved, below: stock(below, VCPU=2)}}, 409, "exceed the capacity"),
        ({"inventories": {below: stock(below, CUSTOM_NOTHING=1)}}, 400, "CUSTOM_NOTHING"),
        ({"allocations": {}}, 409, "placement.inventory.inuse"),
        ({"allocations": {A: {**of, "consumer_generation": 7}}}, 409, "generation conflict"),
    ):
        await ask(service, "POST", "/reshaper", {**whole, **values}, status, why)
    assert list((await ask(admin, "GET", path, None, 200))["allocations"]) == [host]
    await ask(service, "POST", "/reshaper", whole, 204)
    shown = (await ask(admin, "GET", path, None, 200))["allocations"]
    held = {one: value["resources"] for one, value in shown.items()}
    assert held == {host: {"MEMORY_MB": 10}, below: {"VCPU": 3}}
    for one, expected in ((host, {"MEMORY_MB": 10}), (below, {"VCPU": 3})):
        usages = await ask(admin, "GET", f"/resource_providers/{one}/usages", None, 200)
        assert usages["usages"] == expected


# ---- what older versions do not know ----


@pytest.mark.parametrize(
    ("query", "since", "why"),
    [
        (f"required=!{FAST}", 22, "Expected 'required' parameter"),
        (f"required={SLOW},!{FAST}", 22, "Expected 'required' parameter"),
        (f"required=in:{FAST},{SLOW}", 39, "only supported since microversion 1.39"),
        (f"required=in:{FAST},{SLOW}&required=!{FAST}", 39, "1.39"),
        (f"member_of={A}&member_of={B}", 24, "Multiple member_of parameters"),
        (f"member_of=!{A}", 32, "Forbidden member_of parameters"),
        (f"member_of={A}&member_of=!in:{B},{C}", 32, "Forbidden member_of parameters"),
    ],
)
async def test_forms_of_searches_came_with_their_versions(
    cloud: Cloud, query: str, since: int, why: str
) -> None:
    admin = await cloud.sign_in()
    for path in ("/resource_providers?", "/allocation_candidates?resources=VCPU:1&"):
        await ask(admin, "GET", path + query, None, 200, minor=since)
        await ask(admin, "GET", path + query, None, 400, why, since - 1)
        await ask(admin, "GET", path + query, None, 400, minor=21 if since > 22 else 18)
    several = f"/resource_providers?member_of={A},{B}"
    await ask(admin, "GET", several, None, 400, "must be prefixed with the 'in:'")


async def test_names_of_ones_own_are_only_so_long(cloud: Cloud) -> None:
    admin = await cloud.sign_in()
    for path in ("/traits", "/resource_classes"):
        for length, status in ((255, 201), (255, 204), (256, 400)):
            await ask(admin, "PUT", f"{path}/{'CUSTOM_'.ljust(length, 'A')}", None, status)


async def test_what_consumers_have_of_a_provider_and_what_kind_they_are(cloud: Cloud) -> None:
    """Consumers from before 1.38 have no kind: they are unknown, and their usages are so, too."""
    admin = await cloud.sign_in()
    host = await provider(admin, "host", VCPU=8, MEMORY_MB=512)
    old, new = str(uuid.uuid4()), str(uuid.uuid4())
    both = claim(admin, host, VCPU=1, MEMORY_MB=64)
    before = {name: value for name, value in both.items() if name != "consumer_type"}
    await ask(admin, "PUT", f"/allocations/{old}", before, 204, minor=37)
    await ask(admin, "PUT", f"/allocations/{new}", both, 204)
    path = f"/resource_providers/{host}/allocations"
    found = (await ask(admin, "GET", path, None, 200))["allocations"]
    resources = {"VCPU": 1, "MEMORY_MB": 64}
    assert {key: one["resources"] for key, one in found.items()} == {old: resources, new: resources}
    for consumer, kind in ((old, "unknown"), (new, "INSTANCE")):
        shown = await ask(admin, "GET", f"/allocations/{consumer}", None, 200)
        assert (shown["consumer_type"], shown["project_id"]) == (kind, admin.project_id)
    assert await ask(admin, "GET", f"/allocations/{NOWHERE}", None, 200) == {"allocations": {}}
    usages, one = f"/usages?project_id={admin.project_id}", {**resources, "consumer_count": 1}
    for query, expected in (
        ("", {"unknown": one, "INSTANCE": one}),
        ("&consumer_type=unknown", {"unknown": one}),
        ("&consumer_type=INSTANCE", {"INSTANCE": one}),
        ("&consumer_type=OTHER", {}),
    ):
        assert (await ask(admin, "GET", usages + query, None, 200))["usages"] == expected
    for odd in ("instance", "A" * 256, "A-B"):
        await ask(admin, "GET", f"{usages}&consumer_type={odd}", None, 400)
