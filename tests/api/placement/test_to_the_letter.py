"""Where placement is exact about what is easily passed over: headers, repeated parameters, lengths, generations."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.api.placement.test_placement import claim, provider
from tests.api.placement.test_refusals import A, ask, at, give
from tests.cloud import Client, Cloud, running


@pytest.fixture
async def cloud(tmp_path: Path, database_url: str) -> AsyncIterator[Cloud]:
    async with running(tmp_path, database=database_url, hosts=0) as cloud:
        yield cloud


HEADERS: tuple[tuple[str, str, dict[str, str], bytes | None, int, str], ...] = (
    ("GET", "/resource_providers", {"Accept": "text/plain"}, None, 406, "Only application/json"),
    ("GET", "/resource_providers", {"Accept": "text/html, text/*;q=0.5"}, None, 406, ""),
    ("GET", "/resource_providers", {"Accept": "text/html, */*;q=0.1"}, None, 200, ""),
    ("GET", "/resource_providers", {"Accept": "application/json"}, None, 200, ""),
    ("GET", "/", {"Accept": "text/plain"}, None, 200, "v1.0"),
    ("POST", "/resource_providers", {}, None, 415, "media type None"),
    ("POST", "/resource_providers", {}, b'{"name": "x"}', 400, "content-type header required"),
    ("POST", "/resource_providers", {"Content-Type": "text/plain"}, b"{}", 415, "text/plain"),
)


@pytest.mark.parametrize(("method", "path", "headers", "content", "status", "why"), HEADERS)
async def test_headers(
    cloud: Cloud, method: str, path: str, headers: dict[str, str], content: bytes | None,
    status: int, why: str,
) -> None:  # fmt: skip
    admin = await cloud.sign_in()
    sent = {**at(39), **headers}
    answer = await admin(method, f"/placement{path}", headers=sent, content=content)
    assert answer.status_code == status and why in answer.text, answer.text


@pytest.mark.parametrize(
    ("version", "status"),
    [("0.9", 406), ("1.40", 406), ("2.0", 406), ("1.01", 200), ("1", 400), ("1.2.3", 400), ("a.b", 400)],
)  # fmt: skip
async def test_versions_that_are_none(cloud: Cloud, version: str, status: int) -> None:
    admin = await cloud.sign_in()
    headers = {"OpenStack-API-Version": f"placement {version}"}
    answer = await admin("GET", "/placement/resource_providers", headers=headers)
    assert answer.status_code == status, answer.text


async def test_all_inventories_go_at_once_from_1_5_on(cloud: Cloud) -> None:
    admin = await cloud.sign_in()
    path = f"/resource_providers/{await provider(admin, 'host', VCPU=4)}/inventories"
    await ask(admin, "DELETE", path, None, 405, minor=4)
    await ask(admin, "DELETE", path, None, 204, minor=5)


async def count(admin: Client, query: str, minor: int) -> int:
    found = await ask(admin, "GET", f"/allocation_candidates?{query}", None, 200, minor=minor)
    return len(found["allocation_requests"])


async def test_of_parameters_that_stand_twice(cloud: Cloud) -> None:
    """The first of limit and group_policy counts; of required the last, until all of them do."""
    admin = await cloud.sign_in()
    fast, slow = await provider(admin, "fast", VCPU=4), await provider(admin, "slow", VCPU=4)
    await give(admin, fast, "HW_CPU_X86_AVX")
    await give(admin, slow, "HW_CPU_X86_AVX2")
    both = "resources=VCPU:1&required=HW_CPU_X86_AVX&required=HW_CPU_X86_AVX2"
    groups = "resources1=VCPU:1&resources2=VCPU:1"
    for query, minor, expected in (
        ("resources=VCPU:1&limit=2&limit=1", 39, 2),
        (f"{groups}&group_policy=isolate&group_policy=none", 39, 0),
        (f"{groups}&group_policy=none&group_policy=isolate", 39, 2),
        (both, 38, 1),
        (both, 39, 0),
    ):
        assert await count(admin, query, minor) == expected, query


async def test_codes_of_a_search(cloud: Cloud) -> None:
    admin = await cloud.sign_in()
    one = "resources=VCPU:1"
    for query, code in (
        (f"{one}&root_required=HW_CPU_X86_AVX&root_required=HW_CPU_X86_AVX2", "duplicate_key"),
        (f"{one}&root_required=HW_CPU_X86_AVX,!HW_CPU_X86_AVX", "bad_value"),
        (f"{one}&same_subtree=_NO", "bad_value"),
        ("required_A=HW_CPU_X86_AVX&same_subtree=_A", "missing_value"),
    ):
        path = f"/allocation_candidates?{query}"
        await ask(admin, "GET", path, None, 400, f"placement.query.{code}")


@pytest.mark.parametrize(
    ("mappings", "status"),
    [
        ({"": [A]}, 204), ({"_a-b": [A], "": [A, A]}, 204),
        ({}, 400), ({"": []}, 400), ({"": ["x"]}, 400), ({"a b": [A]}, 400), ({"": A}, 400),
    ],
)  # fmt: skip
async def test_mappings(cloud: Cloud, mappings: Any, status: int) -> None:
    admin = await cloud.sign_in()
    host = await provider(admin, "host", VCPU=4)
    body = {**claim(admin, host, VCPU=1), "mappings": mappings}
    await ask(admin, "PUT", f"/allocations/{uuid.uuid4()}", body, status)


async def test_names_of_usages_have_an_end(cloud: Cloud) -> None:
    admin = await cloud.sign_in()
    for query, status in (
        (f"project_id={'x' * 255}&user_id={'x' * 255}", 200),
        (f"project_id={'x' * 256}", 400),
        (f"project_id=x&user_id={'x' * 256}", 400),
        ("project_id=x&user_id=", 400),
    ):
        for minor in (9, 38):
            await ask(admin, "GET", f"/usages?{query}", None, status, minor=minor)


async def test_what_ends_an_allocation_and_the_provider_s_generation(cloud: Cloud) -> None:
    """A provider's generation goes on when a consumer is emptied by PUT, and stays where it is with DELETE."""
    admin = await cloud.sign_in()
    host = await provider(admin, "host", VCPU=4)
    consumer = f"/allocations/{uuid.uuid4()}"
    await ask(admin, "PUT", consumer, claim(admin, host, VCPU=1), 204)
    path = f"/resource_providers/{host}"
    before = (await ask(admin, "GET", path, None, 200))["generation"]
    held = await ask(admin, "GET", consumer, None, 200)
    empty = {**claim(admin, host, VCPU=1), "allocations": {}}
    empty["consumer_generation"] = held["consumer_generation"]
    await ask(admin, "PUT", consumer, empty, 204)
    assert (await ask(admin, "GET", path, None, 200))["generation"] == before + 1
    await ask(admin, "PUT", consumer, claim(admin, host, VCPU=1), 204)
    await ask(admin, "DELETE", consumer, None, 204)
    assert (await ask(admin, "GET", path, None, 200))["generation"] == before + 2


async def test_a_class_that_is_there_says_where(cloud: Cloud) -> None:
    admin = await cloud.sign_in()
    for status in (201, 204):
        answer = await admin("PUT", "/placement/resource_classes/CUSTOM_A", headers=at(39))
        assert answer.status_code == status
        assert answer.headers["location"].endswith("/placement/resource_classes/CUSTOM_A")
    path = "/resource_classes/CUSTOM_NO"
    await ask(admin, "PUT", path, {"nam": "CUSTOM_B"}, 400, minor=6)
    await ask(admin, "PUT", path, {"name": "CUSTOM_B"}, 404, minor=6)
