"""Providers, inventories, claims."""

from __future__ import annotations

import asyncio
import uuid
from typing import Any

from tests.cloud import Client, Cloud, a_flavor, a_server, an_image, settle

LATEST = {"OpenStack-API-Version": "placement 1.39"}


async def provider(admin: Client, name: str, **totals: int) -> str:
    made = await admin.post("/placement/resource_providers", {"name": name}, 200, headers=LATEST)
    uuid_text = str(made["uuid"])
    body = {
        "resource_provider_generation": 0,
        "inventories": {what: {"total": total} for what, total in totals.items()},
    }
    await admin(
        "PUT",
        f"/placement/resource_providers/{uuid_text}/inventories",
        body,
        headers=LATEST,
        status=200,
    )
    return uuid_text


def claim(admin: Client, provider_id: str, **amounts: int) -> dict[str, Any]:
    return {
        "allocations": {provider_id: {"resources": amounts}},
        "project_id": admin.project_id,
        "user_id": admin.user_id,
        "consumer_generation": None,
        "consumer_type": "INSTANCE",
    }


async def test_version_document_needs_no_token_and_the_rest_does(cloud: Cloud) -> None:
    versions = (await cloud.anonymous.get("/placement/"))["versions"]
    assert versions[0]["max_version"] == "1.39"
    await cloud.anonymous("GET", "/placement/resource_providers", status=401)


async def test_microversion_is_negotiated_and_named_in_the_answer(cloud: Cloud) -> None:
    admin = await cloud.sign_in()
    old = await admin("GET", "/placement/resource_providers", status=200)
    assert old.headers["OpenStack-API-Version"] == "placement 1.0"
    wrong = {"OpenStack-API-Version": "placement 1.99"}
    answer = await admin("GET", "/placement/resource_providers", headers=wrong, status=406)
    assert answer.json()["errors"][0]["status"] == 406
    await admin("GET", "/placement/traits", status=404)  # not before 1.6


async def test_a_capacity_beyond_all_numbers_is_shown_as_the_largest(cloud: Cloud) -> None:
    admin = await cloud.sign_in()
    made = await admin.post("/placement/resource_providers", {"name": "h"}, 200, headers=LATEST)
    stock = {"total": 2_147_483_647, "allocation_ratio": 3.4e38}
    await admin(
        "PUT",
        f"/placement/resource_providers/{made['uuid']}/inventories",
        {"resource_provider_generation": 0, "inventories": {"PCPU": stock}},
        headers=LATEST,
        status=200,
    )
    found = await admin.get("/placement/allocation_candidates?resources=PCPU:1", headers=LATEST)
    summary = found["provider_summaries"][made["uuid"]]["resources"]["PCPU"]
    assert summary == {"capacity": 2**63 - 1, "used": 0}


async def test_a_claim_takes_and_a_full_provider_refuses(cloud: Cloud) -> None:
    admin = await cloud.sign_in()
    host = await provider(admin, "h", VCPU=4, MEMORY_MB=1024)
    first = uuid.uuid4()
    await admin(
        "PUT",
        f"/placement/allocations/{first}",
        claim(admin, host, VCPU=3, MEMORY_MB=512),
        headers=LATEST,
        status=204,
    )
    usages = await admin.get(f"/placement/resource_providers/{host}/usages", headers=LATEST)
    assert usages["usages"] == {"MEMORY_MB": 512, "VCPU": 3}
    refused = await admin(
        "PUT",
        f"/placement/allocations/{uuid.uuid4()}",
        claim(admin, host, VCPU=2),
        headers=LATEST,
        status=409,
    )
    assert "2 requested, 1 free" in refused.json()["errors"][0]["detail"]
    await admin("DELETE", f"/placement/allocations/{first}", headers=LATEST, status=204)
    usages = await admin.get(f"/placement/resource_providers/{host}/usages", headers=LATEST)
    assert usages["usages"] == {"MEMORY_MB": 0, "VCPU": 0}


async def test_concurrent_claims_never_pass_the_capacity(cloud: Cloud) -> None:
    admin = await cloud.sign_in()
    host = await provider(admin, "h", VCPU=10)

    async def one() -> int:
        answer = await admin(
            "PUT",
            f"/placement/allocations/{uuid.uuid4()}",
            claim(admin, host, VCPU=3),
            headers=LATEST,
        )
        return answer.status_code

    codes = await asyncio.gather(*(one() for _ in range(12)))
    assert sorted(codes) == [204] * 3 + [409] * 9


async def test_candidates_follow_room_traits_and_aggregates(cloud: Cloud) -> None:
    admin = await cloud.sign_in()
    small = await provider(admin, "small", VCPU=1)
    big = await provider(admin, "big", VCPU=8)
    traits = {"traits": ["HW_CPU_X86_VMX"], "resource_provider_generation": 1}
    path = f"/placement/resource_providers/{big}/traits"
    await admin("PUT", path, traits, headers=LATEST, status=200)

    async def found(query: str) -> set[str]:
        answer = await admin.get(f"/placement/allocation_candidates?{query}", headers=LATEST)
        return {p for one in answer["allocation_requests"] for p in one["allocations"]} & {
            small,
            big,
        }

    assert await found("resources=VCPU:1") == {small, big}
    assert await found("resources=VCPU:2") == {big}
    assert await found("resources=VCPU:1&required=HW_CPU_X86_VMX") == {big}
    assert await found("resources=VCPU:1&required=!HW_CPU_X86_VMX") == {small}
    bad = "/placement/allocation_candidates?resources=VCPU:1&required=NONSENSE"
    await admin("GET", bad, headers=LATEST, status=400)


async def test_a_member_sees_nothing_but_its_own_usages(cloud: Cloud) -> None:
    member = await cloud.project_with("p", "member")
    await member("GET", "/placement/resource_providers", headers=LATEST, status=403)
    own = f"/placement/usages?project_id={member.project_id}"
    await member("GET", own, headers=LATEST, status=200)
    await member("GET", "/placement/usages?project_id=other", headers=LATEST, status=403)


async def test_a_host_with_more_than_can_be_counted_takes_servers(cloud: Cloud) -> None:
    admin = await cloud.sign_in()
    (host,) = (await admin.get("/placement/resource_providers", headers=LATEST))[
        "resource_providers"
    ]
    path = f"/placement/resource_providers/{host['uuid']}/inventories"
    stock = await admin.get(path, headers=LATEST)
    for one in stock["inventories"].values():
        one |= {"total": 2**31 - 1, "allocation_ratio": 3.4e38}
    await admin("PUT", path, stock, headers=LATEST, status=200)
    server = await a_server(admin, await an_image(admin), await a_flavor(admin))
    await settle(cloud)
    shown = (await admin.get(f"/compute/v2.1/servers/{server}"))["server"]
    assert shown["status"] == "ACTIVE", shown


async def test_an_aggregate_is_kept_as_it_was_sent_and_found_in_either_spelling(
    cloud: Cloud,
) -> None:
    admin = await cloud.sign_in()
    first, second = await provider(admin, "a", VCPU=4), await provider(admin, "b", VCPU=4)
    bare, whole = uuid.uuid4().hex, str(uuid.uuid4())
    for one, sent in ((first, [bare, whole]), (second, [str(uuid.UUID(bare))])):
        path = f"/placement/resource_providers/{one}/aggregates"
        wish = {"aggregates": sent, "resource_provider_generation": 1}
        found = (await admin("PUT", path, wish, headers=LATEST, status=200)).json()
        assert sorted(found["aggregates"]) == sorted(sent)
        assert sorted((await admin.get(path, headers=LATEST))["aggregates"]) == sorted(sent)
    for requested in (bare, bare.upper(), str(uuid.UUID(bare)), f"in:{uuid.UUID(bare)},{bare}"):
        for path, key in (
            ("resource_providers?", "resource_providers"),
            ("allocation_candidates?resources=VCPU:1&", "allocation_requests"),
        ):
            found = await admin.get(f"/placement/{path}member_of={requested}", headers=LATEST)
            assert len(found[key]) == 2, (path, requested)
    found = await admin.get(f"/placement/resource_providers?member_of=!{bare}", headers=LATEST)
    assert not {first, second} & {one["uuid"] for one in found["resource_providers"]}
    path = f"/placement/resource_providers/{first}/aggregates"
    for twice in ([bare, bare], [bare, str(uuid.UUID(bare))]):
        wish = {"aggregates": twice, "resource_provider_generation": 2}
        await admin("PUT", path, wish, headers=LATEST, status=400)
        old = {"OpenStack-API-Version": "placement 1.18"}
        await admin("PUT", path, twice, headers=old, status=400)


async def _tree(admin: Client) -> tuple[str, str, str]:
    """A root in an aggregate, a child that is not, and that aggregate."""
    root = await provider(admin, "root", VCPU=4)
    child = await provider(admin, "child", VCPU=4)
    path = f"/placement/resource_providers/{child}"
    body = {"name": "child", "parent_provider_uuid": root}
    await admin("PUT", path, body, headers=LATEST, status=200)
    aggregate = str(uuid.uuid4())
    wish = {"aggregates": [aggregate], "resource_provider_generation": 1}
    path = f"/placement/resource_providers/{root}/aggregates"
    await admin("PUT", path, wish, headers=LATEST, status=200)
    return root, child, aggregate


async def test_an_aggregate_of_a_root_stands_for_the_tree_in_the_plain_group_alone(
    cloud: Cloud,
) -> None:
    admin = await cloud.sign_in()
    root, child, aggregate = await _tree(admin)

    async def listed(query: str) -> set[str]:
        path = f"/placement/resource_providers?in_tree={root}&{query}"
        found = (await admin.get(path, headers=LATEST))["resource_providers"]
        return {one["uuid"] for one in found}

    async def offered(query: str) -> set[str]:
        path = f"/placement/allocation_candidates?{query}"
        found = (await admin.get(path, headers=LATEST))["allocation_requests"]
        return {one for each in found for one in each["allocations"]} & {root, child}

    assert await listed(f"member_of={aggregate}") == {root}
    assert await listed(f"member_of=!{aggregate}") == {child}
    assert await offered(f"resources=VCPU:1&member_of={aggregate}") == {root, child}
    assert await offered(f"resources=VCPU:1&member_of=!{aggregate}&in_tree={root}") == set()
    assert await offered(f"resources1=VCPU:1&member_of1={aggregate}") == {root}
    assert await offered(f"resources1=VCPU:1&member_of1=!{aggregate}&in_tree1={root}") == {child}


async def test_before_trees_a_candidate_has_one_provider_of_each(cloud: Cloud) -> None:
    admin = await cloud.sign_in()
    root, child, _ = await _tree(admin)
    query = "resources1=VCPU:4&resources2=VCPU:4&group_policy=isolate"
    for minor, expected in ((28, []), (29, [{root, child}])):
        version = {"OpenStack-API-Version": f"placement 1.{minor}"}
        found = await admin.get(f"/placement/allocation_candidates?{query}", headers=version)
        trees = [set(one["allocations"]) for one in found["allocation_requests"]]
        assert [one for one in trees if root in one][:1] == expected


async def test_a_group_without_resources_takes_nothing(cloud: Cloud) -> None:
    admin = await cloud.sign_in()
    root, child, _ = await _tree(admin)
    await admin("PUT", "/placement/traits/CUSTOM_T", headers=LATEST)
    wish = {"traits": ["CUSTOM_T"], "resource_provider_generation": 2}
    path = f"/placement/resource_providers/{root}/traits"
    await admin("PUT", path, wish, headers=LATEST, status=200)
    query = "required_A=CUSTOM_T&resources_B=VCPU:4&same_subtree=_A,_B&group_policy=none"
    found = await admin.get(f"/placement/allocation_candidates?{query}", headers=LATEST)
    requests = found["allocation_requests"]
    assert {frozenset(one["allocations"]) for one in requests} == {
        frozenset([root]),
        frozenset([child]),
    }
    assert all(one["mappings"]["_A"] == [root] for one in requests)
    assert all(each["resources"] for one in requests for each in one["allocations"].values())
    for wrong in ("same_subtree=_A", "same_subtree=", "root_required=CUSTOM_T,!CUSTOM_T"):
        path = f"/placement/allocation_candidates?resources_B=VCPU:1&{wrong}"
        await admin("GET", path, headers=LATEST, status=400)


async def test_consumers_are_counted_once_whatever_they_use(cloud: Cloud) -> None:
    admin = await cloud.sign_in()
    one = await provider(admin, "h", VCPU=9, MEMORY_MB=9)
    for kind, amounts in (("A", {"VCPU": 1}), ("A", {"MEMORY_MB": 2}), ("B", {"VCPU": 3})):
        body = {**claim(admin, one, **amounts), "consumer_type": kind}
        path = f"/placement/allocations/{uuid.uuid4()}"
        await admin("PUT", path, body, headers=LATEST, status=204)
    path = f"/placement/usages?project_id={admin.project_id}"
    assert (await admin.get(path, headers=LATEST))["usages"] == {
        "A": {"consumer_count": 2, "VCPU": 1, "MEMORY_MB": 2},
        "B": {"consumer_count": 1, "VCPU": 3},
    }
    whole = (await admin.get(f"{path}&consumer_type=all", headers=LATEST))["usages"]
    assert whole == {"all": {"consumer_count": 3, "VCPU": 4, "MEMORY_MB": 2}}
    for wrong in ("consumer_type=x", "consumer_type=", "user_id="):
        await admin("GET", f"{path}&{wrong}", headers=LATEST, status=400)


async def test_an_inventory_is_changed_with_its_generation(cloud: Cloud) -> None:
    admin = await cloud.sign_in()
    path = f"/placement/resource_providers/{await provider(admin, 'h', VCPU=9)}/inventories/VCPU"
    for body in ({"total": 8}, {"total": 8, "resource_provider_generation": None}):
        await admin("PUT", path, body, headers=LATEST, status=400)
    body = {"total": 8, "resource_provider_generation": 1}
    await admin("PUT", path, body, headers=LATEST, status=200)


async def test_standard_traits_are_words_for_every_provider(cloud: Cloud) -> None:
    admin = await cloud.sign_in()
    path = f"/placement/resource_providers/{await provider(admin, 'h', VCPU=9)}/traits"
    names = ["HW_CPU_X86_AVX512F", "HW_NIC_SRIOV", "HW_NUMA_ROOT", "COMPUTE_SECURITY_TPM_2_0"]
    wish = {"traits": names, "resource_provider_generation": 1}
    found = (await admin("PUT", path, wish, headers=LATEST, status=200)).json()
    assert sorted(found["traits"]) == sorted(names)
    wish = {"traits": ["COMPUTE_NO_SUCH"], "resource_provider_generation": 2}
    await admin("PUT", path, wish, headers=LATEST, status=400)
