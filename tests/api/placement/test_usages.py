"""What the consumers of a project and of a user use, by consumer type since 1.38."""

from __future__ import annotations

import uuid
from typing import Any

import pytest

from tests.api.placement.test_placement import LATEST, claim, provider
from tests.cloud import Client, Cloud

OLDER = {"OpenStack-API-Version": "placement 1.37"}


async def lab(cloud: Cloud) -> tuple[Client, str]:
    """Two consumers of one user, one of another user, one of another project; the other user's id."""
    admin = await cloud.sign_in()
    host, other = await provider(admin, "h", VCPU=100, MEMORY_MB=1000), uuid.uuid4().hex
    for amounts, changed in (
        ({"VCPU": 1, "MEMORY_MB": 10}, {}),
        ({"VCPU": 2}, {"consumer_type": "MIGRATION"}),
        ({"VCPU": 4}, {"user_id": other}),
        ({"VCPU": 8}, {"project_id": uuid.uuid4().hex}),
    ):
        body = {**claim(admin, host, **amounts), **changed}
        path = f"/placement/allocations/{uuid.uuid4()}"
        await admin("PUT", path, body, headers=LATEST, status=204)
    return admin, other


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", {"VCPU": 7, "MEMORY_MB": 10}),
        ("&user_id=own", {"VCPU": 3, "MEMORY_MB": 10}),
        ("&user_id=other", {"VCPU": 4}),
        ("&user_id=nobody", {}),
    ],
)
async def test_before_consumer_types(cloud: Cloud, query: str, expected: Any) -> None:
    admin, other = await lab(cloud)
    query = query.replace("own", admin.user_id).replace("other", other)
    path = f"/placement/usages?project_id={admin.project_id}{query}"
    assert (await admin.get(path, headers=OLDER))["usages"] == expected


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        (
            "",
            {
                "INSTANCE": {"VCPU": 5, "MEMORY_MB": 10, "consumer_count": 2},
                "MIGRATION": {"VCPU": 2, "consumer_count": 1},
            },
        ),
        ("&user_id=other", {"INSTANCE": {"VCPU": 4, "consumer_count": 1}}),
        ("&consumer_type=MIGRATION", {"MIGRATION": {"VCPU": 2, "consumer_count": 1}}),
        ("&consumer_type=all", {"all": {"VCPU": 7, "MEMORY_MB": 10, "consumer_count": 3}}),
        ("&consumer_type=all&user_id=other", {"all": {"VCPU": 4, "consumer_count": 1}}),
        ("&consumer_type=unknown", {}),
        ("&consumer_type=NOBODYS", {}),
    ],
)
async def test_by_consumer_type(cloud: Cloud, query: str, expected: Any) -> None:
    admin, other = await lab(cloud)
    path = f"/placement/usages?project_id={admin.project_id}{query.replace('other', other)}"
    assert (await admin.get(path, headers=LATEST))["usages"] == expected


async def test_a_project_is_named(cloud: Cloud) -> None:
    admin = await cloud.sign_in()
    await admin("GET", "/placement/usages", headers=LATEST, status=400)
    await admin("GET", "/placement/usages?project_id=", headers=LATEST, status=400)
    path = f"/placement/usages?project_id={admin.project_id}&consumer_type=all"
    await admin("GET", path, headers=OLDER, status=400)


async def test_the_only_consumer_of_a_cloud_counts(cloud: Cloud) -> None:
    admin = await cloud.sign_in()
    body = claim(admin, await provider(admin, "h", VCPU=100), VCPU=2)
    path = f"/placement/allocations/{uuid.uuid4()}"
    await admin("PUT", path, body, headers=LATEST, status=204)
    found = await admin.get(f"/placement/usages?project_id={admin.project_id}", headers=LATEST)
    assert found["usages"] == {"INSTANCE": {"VCPU": 2, "consumer_count": 1}}
