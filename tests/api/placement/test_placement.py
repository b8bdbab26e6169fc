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
    assert "2 wanted, 1 free" in refused.json()["errors"][0]["detail"]
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
