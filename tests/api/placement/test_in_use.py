"""What of a provider cannot be changed or taken away, and the tree that a provider stands in."""

from __future__ import annotations

import uuid

import pytest

from tests.api.placement.test_placement import LATEST, claim, provider
from tests.cloud import Cloud

PROVIDERS = "/placement/resource_providers"


@pytest.mark.parametrize(("reserved", "status"), [(7, 200), (8, 200), (9, 400)])
async def test_all_of_an_inventory_may_be_reserved_and_no_more(
    cloud: Cloud, reserved: int, status: int
) -> None:
    admin = await cloud.sign_in()
    made = await provider(admin, "p", VCPU=8)
    body = {"resource_provider_generation": 1, "total": 8, "reserved": reserved}
    await admin("PUT", f"{PROVIDERS}/{made}/inventories/VCPU", body, headers=LATEST, status=status)


async def test_before_1_26_some_of_an_inventory_is_left(cloud: Cloud) -> None:
    admin = await cloud.sign_in()
    made = await provider(admin, "p", VCPU=8)
    path = f"{PROVIDERS}/{made}/inventories"
    all_of_it = {"total": 8, "reserved": 8}
    older, newer = ({"OpenStack-API-Version": f"placement 1.{minor}"} for minor in (25, 26))
    new = {"resource_provider_generation": 1, "inventories": {"VCPU": all_of_it}}
    one = {"resource_provider_generation": 1, **all_of_it}
    await admin("PUT", path, new, headers=older, status=400)
    await admin("PUT", f"{path}/VCPU", one, headers=older, status=400)
    other = {"resource_class": "DISK_GB", **all_of_it}
    await admin("POST", path, other, headers=older, status=400)
    await admin("PUT", path, new, headers=newer, status=200)


async def test_amounts_of_a_class_that_is_not_there_are_refused(cloud: Cloud) -> None:
    admin = await cloud.sign_in()
    await provider(admin, "p", VCPU=8)
    requested = "resources=VCPU:1,CUSTOM_NOT_THERE:1"
    answer = await admin("GET", f"{PROVIDERS}?{requested}", headers=LATEST, status=400)
    assert "CUSTOM_NOT_THERE" in answer.text


@pytest.mark.parametrize(("name", "status"), [("CUSTOM_GOLD", 200), ("CUSTOM_LEAD", 400)])
async def test_an_inventory_is_of_a_class_that_is_there(
    cloud: Cloud, name: str, status: int
) -> None:
    admin = await cloud.sign_in()
    await admin("PUT", "/placement/resource_classes/CUSTOM_GOLD", headers=LATEST, status=201)
    made = await provider(admin, "p", VCPU=8)
    body = {"resource_provider_generation": 1, "inventories": {name: {"total": 3}}}
    path = f"{PROVIDERS}/{made}/inventories"
    answer = await admin("PUT", path, body, headers=LATEST, status=status)
    assert name in answer.text


async def test_an_inventory_that_is_used_stays(cloud: Cloud) -> None:
    admin = await cloud.sign_in()
    made = await provider(admin, "p", VCPU=8, MEMORY_MB=64)
    path = f"/placement/allocations/{uuid.uuid4()}"
    await admin("PUT", path, claim(admin, made, VCPU=1), headers=LATEST, status=204)
    body = {"resource_provider_generation": 2, "inventories": {"MEMORY_MB": {"total": 64}}}
    inventories = f"{PROVIDERS}/{made}/inventories"
    answer = await admin("PUT", inventories, body, headers=LATEST, status=409)
    assert "in use" in answer.text
    kept = (await admin.get(inventories, headers=LATEST))["inventories"]
    assert set(kept) == {"VCPU", "MEMORY_MB"}
    body["inventories"] = {"VCPU": {"total": 8}}
    await admin("PUT", inventories, body, headers=LATEST, status=200)


async def test_a_tree_of_providers(cloud: Cloud) -> None:
    admin = await cloud.sign_in()
    above = None
    tree: list[str] = []
    for name in ("root", "child", "grandchild"):
        body = {"name": name, "parent_provider_uuid": above}
        above = (await admin.post(PROVIDERS, body, 200, headers=LATEST))["uuid"]
        tree.append(str(above))
    shown = [await admin.get(f"{PROVIDERS}/{one}", headers=LATEST) for one in tree]
    assert [one["root_provider_uuid"] for one in shown] == [tree[0]] * 3
    assert [one["parent_provider_uuid"] for one in shown] == [None, *tree[:2]]
    for one in tree[:2]:
        answer = await admin("DELETE", f"{PROVIDERS}/{one}", headers=LATEST, status=409)
        assert "child resource providers" in answer.text
    for one in reversed(tree):
        await admin("DELETE", f"{PROVIDERS}/{one}", headers=LATEST, status=204)


@pytest.mark.parametrize(
    ("name", "shown", "deleted"),
    [("CUSTOM_GOLD", 204, 204), ("CUSTOM_LEAD", 404, 404), ("HW_CPU_X86_AVX2", 204, 400)],
)
async def test_a_trait_is_known_or_not_found(
    cloud: Cloud, name: str, shown: int, deleted: int
) -> None:
    admin = await cloud.sign_in()
    await admin("PUT", "/placement/traits/CUSTOM_GOLD", headers=LATEST, status=201)
    await admin("GET", f"/placement/traits/{name}", headers=LATEST, status=shown)
    await admin("DELETE", f"/placement/traits/{name}", headers=LATEST, status=deleted)
    assert "CUSTOM_LEAD" not in (await admin.get("/placement/traits", headers=LATEST))["traits"]


@pytest.mark.parametrize(("minor", "status"), [(25, 400), (26, 200)])
async def test_an_inventory_without_capacity(cloud: Cloud, minor: int, status: int) -> None:
    admin = await cloud.sign_in()
    made = await provider(admin, "p", VCPU=8)
    version = {"OpenStack-API-Version": f"placement 1.{minor}"}
    body = {"resource_provider_generation": 1, "total": 8, "allocation_ratio": 0}
    path = f"{PROVIDERS}/{made}/inventories/VCPU"
    await admin("PUT", path, body, headers=version, status=status)


async def test_a_class_of_ones_own_is_known_though_nobody_has_any(cloud: Cloud) -> None:
    admin = await cloud.sign_in()
    host = await provider(admin, "h", VCPU=4)
    headers = {"OpenStack-API-Version": "placement 1.39"}
    await admin("PUT", "/placement/resource_classes/CUSTOM_GOLD", headers=headers, status=201)
    for name, status, refusal, why in (
        ("CUSTOM_GOLD", 200, 409, "has no such inventory"),
        ("CUSTOM_TIN", 400, 400, "No such resource class CUSTOM_TIN"),
    ):
        query = f"/placement/allocation_candidates?resources={name}:1"
        found = await admin("GET", query, headers=headers, status=status)
        if status == 200:
            assert found.json()["allocation_requests"] == []
        body = {
            "allocations": {host: {"resources": {name: 1}}},
            "project_id": "p", "user_id": "u", "consumer_generation": None, "consumer_type": "INSTANCE",
        }  # fmt: skip
        path = "/placement/allocations/00000000-0000-4000-8000-00000000c0de"
        answer = await admin("PUT", path, body, headers=headers, status=refusal)
        assert why in answer.text
