"""What placement's versions take and show."""

from __future__ import annotations

import uuid
from email.utils import parsedate_to_datetime

import pytest

from tests.api.placement.test_placement import LATEST, claim, provider
from tests.cloud import Cloud

ROOT = "/placement"
CANDIDATES = f"{ROOT}/allocation_candidates?resources=VCPU:1"


def at(minor: int) -> dict[str, str]:
    return {"OpenStack-API-Version": f"placement 1.{minor}"}


# The same in each process that collects these cases.
SOME, OTHER = uuid.UUID(int=1), uuid.UUID(int=2)


@pytest.mark.parametrize(
    ("query", "since"),
    [
        ("limit=1", 16),
        ("required=HW_CPU_X86_VMX", 17),
        (f"member_of={SOME}", 21),
        ("group_policy=none", 25),
        ("resources1=VCPU:1", 25),
        (f"in_tree={SOME}", 31),
        (f"in_tree1={SOME}&resources1=VCPU:1", 31),
        ("resources_A=VCPU:1", 33),
        ("root_required=HW_CPU_X86_VMX", 35),
        ("resources1=VCPU:1&same_subtree=1", 36),
        ("required=!HW_CPU_X86_VMX", 22),
        ("required=in:HW_CPU_X86_VMX,HW_CPU_X86_SSE", 39),
        (f"member_of=!{SOME}", 32),
        (f"member_of={SOME}&member_of={OTHER}", 24),
    ],
)
async def test_a_candidates_parameter_is_taken_from_its_version_on(
    cloud: Cloud, query: str, since: int
) -> None:
    admin = await cloud.sign_in()
    await admin("GET", f"{CANDIDATES}&{query}", headers=at(since - 1), status=400)
    await admin("GET", f"{CANDIDATES}&{query}", headers=at(since), status=200)


async def test_several_groups_need_a_policy_in_every_version(cloud: Cloud) -> None:
    admin = await cloud.sign_in()
    query = f"{ROOT}/allocation_candidates?resources1=VCPU:1&resources2=VCPU:1"
    for minor in (25, 39):
        await admin("GET", query, headers=at(minor), status=400)
        await admin("GET", f"{query}&group_policy=none", headers=at(minor), status=200)


async def test_candidates_in_older_and_newer_versions(cloud: Cloud) -> None:
    admin = await cloud.sign_in()
    host = await provider(admin, "h", VCPU=4, MEMORY_MB=1024)

    async def first(minor: int) -> tuple[object, dict[str, object]]:
        found = await admin.get(CANDIDATES, headers=at(minor))
        mine = [one for one in found["allocation_requests"] if host in str(one["allocations"])]
        return mine[0], found["provider_summaries"][host]

    request, summary = await first(10)
    assert request == {
        "allocations": [{"resource_provider": {"uuid": host}, "resources": {"VCPU": 1}}]
    }
    assert summary == {"resources": {"VCPU": {"capacity": 4, "used": 0}}}
    request, summary = await first(17)
    assert request == {"allocations": {host: {"resources": {"VCPU": 1}}}}
    assert set(summary) == {"resources", "traits"} and summary["traits"] == []
    _, summary = await first(27)
    assert summary["resources"].keys() == {"VCPU", "MEMORY_MB"}  # type: ignore[attr-defined]
    request, summary = await first(34)
    assert request["mappings"] == {"": [host]}  # type: ignore[index]
    assert summary["root_provider_uuid"] == host


async def test_answers_say_when_they_were_true_from_1_15(cloud: Cloud) -> None:
    admin = await cloud.sign_in()
    host = await provider(admin, "h", VCPU=4)
    consumer = uuid.uuid4()
    await admin(
        "PUT",
        f"{ROOT}/allocations/{consumer}",
        claim(admin, host, VCPU=1),
        headers=LATEST,
        status=204,
    )
    one = f"{ROOT}/resource_providers/{host}"
    for path in (
        f"{ROOT}/", f"{ROOT}/resource_providers", one, f"{one}/inventories", f"{one}/inventories/VCPU",
        f"{one}/usages", f"{one}/aggregates", f"{one}/traits", f"{one}/allocations", f"{ROOT}/traits",
        f"{ROOT}/resource_classes", f"{ROOT}/resource_classes/VCPU", f"{ROOT}/allocations/{consumer}",
        f"{ROOT}/usages?project_id={admin.project_id}", CANDIDATES,
    ):  # fmt: skip
        told = (await admin("GET", path, headers=at(15), status=200)).headers
        assert told["Cache-Control"] == "no-cache", path
        assert parsedate_to_datetime(told["Last-Modified"]).year > 2000, path
        silent = (await admin("GET", path, headers=at(14), status=200)).headers
        assert not {"cache-control", "last-modified"} & set(silent), path


async def test_errors_have_codes_from_1_23_and_a_wrong_version_is_told_the_range(
    cloud: Cloud,
) -> None:
    admin = await cloud.sign_in()
    path = f"{ROOT}/resource_providers/{uuid.uuid4()}"
    assert "code" not in (await admin("GET", path, headers=at(22), status=404)).json()["errors"][0]
    error = (await admin("GET", path, headers=at(23), status=404)).json()["errors"][0]
    assert error["code"] == "placement.undefined_code"
    host = await provider(admin, "h", VCPU=4)
    stale = {"resource_provider_generation": 99, "inventories": {}}
    inventories = f"{ROOT}/resource_providers/{host}/inventories"
    for minor, code in ((22, None), (23, "placement.concurrent_update")):
        said = await admin("PUT", inventories, stale, headers=at(minor), status=409)
        assert said.json()["errors"][0].get("code") == code
    wrong = (await admin("GET", path, headers=at(99), status=406)).json()["errors"][0]
    assert (wrong["min_version"], wrong["max_version"]) == ("1.0", "1.39") and "code" not in wrong


async def test_allocations_in_older_and_newer_versions(cloud: Cloud) -> None:
    admin = await cloud.sign_in()
    host = await provider(admin, "h", VCPU=4)
    consumer = f"{ROOT}/allocations/{uuid.uuid4()}"
    listed = {"allocations": [{"resource_provider": {"uuid": host}, "resources": {"VCPU": 1}}]}
    owner = {"project_id": admin.project_id, "user_id": admin.user_id}
    await admin("PUT", consumer, {**listed, **owner}, headers=at(7), status=400)
    await admin("PUT", consumer, listed, headers=at(7), status=204)
    await admin("PUT", consumer, listed, headers=at(8), status=400)
    await admin("PUT", consumer, {**listed, **owner}, headers=at(8), status=204)
    whole = claim(admin, host, VCPU=2)
    older = {name: whole[name] for name in ("allocations", "project_id", "user_id")}
    await admin("PUT", consumer, older, headers=at(12), status=204)
    await admin("PUT", consumer, {**older, "allocations": {}}, headers=at(27), status=400)
    await admin("PUT", consumer, older, headers=at(28), status=400)
    await admin("PUT", consumer, {**older, "consumer_generation": 3}, headers=at(28), status=204)
    await admin("PUT", consumer, {**whole, "consumer_generation": 4}, headers=at(37), status=400)
    for minor, names in (
        (11, {"allocations"}),
        (12, {"allocations", "project_id", "user_id"}),
        (28, {"allocations", "project_id", "user_id", "consumer_generation"}),
        (38, {"allocations", "project_id", "user_id", "consumer_generation", "consumer_type"}),
    ):
        assert set(await admin.get(consumer, headers=at(minor))) == names
    of_host = f"{ROOT}/resource_providers/{host}/allocations"
    (entry,) = (await admin.get(of_host, headers=at(28)))["allocations"].values()
    assert entry == {"resources": {"VCPU": 2}, "consumer_generation": 4}
    (entry,) = (await admin.get(of_host, headers=at(27)))["allocations"].values()
    assert entry == {"resources": {"VCPU": 2}}


async def test_providers_in_older_and_newer_versions(cloud: Cloud) -> None:
    admin = await cloud.sign_in()
    path = f"{ROOT}/resource_providers"
    silent = await admin("POST", path, {"name": "a"}, headers=at(19), status=201)
    assert silent.content == b""
    shown = await admin.post(path, {"name": "b"}, 200, headers=at(20))
    other = await admin.post(path, {"name": "c"}, 200, headers=at(20))
    one = f"{path}/{shown['uuid']}"
    for minor, names in (
        (0, {"self", "inventories", "usages"}),
        (1, {"self", "inventories", "usages", "aggregates"}),
        (6, {"self", "inventories", "usages", "aggregates", "traits"}),
        (11, {"self", "inventories", "usages", "aggregates", "traits", "allocations"}),
    ):
        answer = await admin.get(one, headers=at(minor))
        assert {link["rel"] for link in answer["links"]} == names
        assert "parent_provider_uuid" not in answer
    assert (await admin.get(one, headers=at(14)))["root_provider_uuid"] == shown["uuid"]
    child = {"name": "d", "parent_provider_uuid": shown["uuid"]}
    await admin("POST", path, child, headers=at(13), status=400)
    made = await admin.post(path, child, 200, headers=at(20))
    moved = {"name": "d", "parent_provider_uuid": other["uuid"]}
    await admin("PUT", f"{path}/{made['uuid']}", moved, headers=at(36), status=400)
    await admin("PUT", f"{path}/{made['uuid']}", moved, headers=at(37), status=200)
    wish = [str(uuid.uuid4())]
    await admin("PUT", f"{one}/aggregates", wish, headers=at(18), status=200)
    await admin("PUT", f"{one}/aggregates", wish, headers=at(19), status=400)
    assert set(await admin.get(f"{one}/aggregates", headers=at(18))) == {"aggregates"}
