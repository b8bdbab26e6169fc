"""Many requests that change the same at once, on two processes: each gets an answer of its own, and none a 500.

On PostgreSQL two transactions see the same rows and write the same; on SQLite one comes after the other.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.cloud import Client, Cloud, running

NETWORK = "/network/v2.0"
Ask = tuple[str, str, Any]


@pytest.fixture
async def clouds(tmp_path: Path, database_url: str) -> AsyncIterator[list[Cloud]]:
    """Control twice on the same database and files."""
    async with AsyncExitStack() as stack:
        yield [
            await stack.enter_async_context(
                running(tmp_path, database=database_url, node_name=f"control-{number}")
            )
            for number in range(2)
        ]


async def _at_once(clouds: list[Cloud], *asks: Ask, times: int = 5) -> dict[int, list[int]]:
    """The statuses, by place in asks, of requests that are sent at once, several times to each process."""
    admins: list[Client] = [await cloud.sign_in() for cloud in clouds]
    sent = [
        (at, admin, ask) for at, ask in enumerate(asks) for admin in admins for _ in range(times)
    ]
    answers = await asyncio.gather(*(admin(*ask) for _, admin, ask in sent))
    found: dict[int, list[int]] = {}
    for (at, _, ask), answer in zip(sent, answers, strict=True):
        assert answer.status_code < 500, (ask, answer.status_code, answer.text)
        found.setdefault(at, []).append(answer.status_code)
    return {at: sorted(statuses) for at, statuses in found.items()}


async def test_tags_that_are_set_at_once(clouds: list[Cloud]) -> None:
    admin = await clouds[0].sign_in()
    network = (await admin.post(f"{NETWORK}/networks", {"network": {}}))["network"]["id"]
    project = (await admin.post("/v3/projects", {"project": {"name": "p"}}))["project"]["id"]
    for path in (f"{NETWORK}/networks/{network}/tags", f"/v3/projects/{project}/tags"):
        both = {"tags": ["a", "b"]}
        found = await _at_once(
            clouds, ("PUT", path, both), ("PUT", f"{path}/c", None), ("DELETE", path, None)
        )
        assert (found[0], found[2]) == ([200] * 10, [204] * 10)
        added = (
            {201} if path.startswith(NETWORK) else {201, 400}
        )  # a project's tag is not added twice
        assert 201 in found[1] and added.issuperset(found[1])
        await admin("PUT", path, both, status=200)
        assert (await admin.get(path))["tags"] == ["a", "b"]


async def test_limits_that_are_set_at_once(clouds: list[Cloud]) -> None:
    admin = await clouds[0].sign_in()
    path = f"{NETWORK}/quotas/{admin.project_id}"
    body = {"quota": {"network": 7}}
    found = await _at_once(clouds, ("PUT", path, body), ("DELETE", path, None))
    assert found == {0: [200] * 10, 1: [204] * 10}
    await admin("PUT", path, body, status=200)
    assert (await admin.get(path))["quota"]["network"] == 7


async def test_access_rules_that_two_credentials_bring_at_once(clouds: list[Cloud]) -> None:
    admin = await clouds[0].sign_in()
    path = f"/v3/users/{admin.user_id}/application_credentials"
    rule = {"path": "/v2.1/servers", "method": "GET", "service": "compute"}
    bodies = [{"name": f"c{number}", "access_rules": [rule]} for number in range(6)]
    asks = [("POST", path, {"application_credential": body}) for body in bodies]
    found = await _at_once(clouds, *asks, times=1)
    assert all(statuses == [201, 409] for statuses in found.values())
    rules = (await admin.get(f"/v3/users/{admin.user_id}/access_rules"))["access_rules"]
    assert len(rules) == 1


async def test_a_group_that_goes_while_rules_come(clouds: list[Cloud]) -> None:
    admin = await clouds[0].sign_in()
    for _ in range(3):
        body = {"security_group": {"name": "g"}}
        group = (await admin.post(f"{NETWORK}/security-groups", body))["security_group"]["id"]
        rule = {
            "security_group_id": group,
            "direction": "ingress",
            "protocol": "udp",
            "remote_group_id": group,
        }
        found = await _at_once(
            clouds,
            ("POST", f"{NETWORK}/security-group-rules", {"security_group_rule": rule}),
            ("DELETE", f"{NETWORK}/security-groups/{group}", None),
            times=3,
        )
        assert set(found[0]) <= {201, 404, 409}
        assert 204 in found[1] and set(found[1]) <= {204, 404}
        await admin.get(f"{NETWORK}/security-groups/{group}", status=404)


async def test_things_that_go_while_they_are_changed(clouds: list[Cloud]) -> None:
    admin = await clouds[0].sign_in()
    for number in range(3):
        image = (await admin.post("/image/v2/images", {"name": "i"}))["id"]
        body = {"network": {"name": "n"}}
        network = (await admin.post(f"{NETWORK}/networks", body))["network"]["id"]
        space = f"/image/v2/metadefs/namespaces/n{number}"
        await admin.post("/image/v2/metadefs/namespaces", {"namespace": f"n{number}"})
        found = await _at_once(
            clouds,
            ("PUT", f"{NETWORK}/networks/{network}", {"network": {"name": "m"}}),
            ("DELETE", f"{NETWORK}/networks/{network}", None),
            ("PUT", f"/image/v2/images/{image}/tags/t", None),
            ("DELETE", f"/image/v2/images/{image}", None),
            ("PUT", space, {"namespace": f"n{number}", "description": "d"}),
            ("DELETE", space, None),
            times=3,
        )
        assert all(set(statuses) <= {200, 204, 404} for statuses in found.values()), found


async def test_changes_of_one_thing_at_once_lose_nothing(clouds: list[Cloud]) -> None:
    """What one request says of a thing is not undone by another that says something else of it."""
    admin = await clouds[0].sign_in()
    network = (await admin.post(f"{NETWORK}/networks", {"network": {}}))["network"]["id"]
    body = {"port": {"network_id": network}}
    port = f"{NETWORK}/ports/{(await admin.post(f'{NETWORK}/ports', body))['port']['id']}"
    group = (await admin.post(f"{NETWORK}/address-groups", {"address_group": {"name": "g"}}))[
        "address_group"
    ]["id"]
    addresses = [f"10.{number}.0.0/24" for number in range(6)]
    for number in range(5):
        pairs = [{"ip_address": f"192.0.2.{number + 1}"}]
        found = await _at_once(
            clouds,
            ("PUT", port, {"port": {"name": f"n{number}"}}),
            ("PUT", port, {"port": {"allowed_address_pairs": pairs}}),
            ("PUT", port, {"port": {"description": f"d{number}"}}),
            times=1,
        )
        assert all(statuses == [200, 200] for statuses in found.values())
        now = (await admin.get(port))["port"]
        assert (now["name"], now["description"]) == (f"n{number}", f"d{number}")
        assert [one["ip_address"] for one in now["allowed_address_pairs"]] == [
            one["ip_address"] for one in pairs
        ]
    path = f"{NETWORK}/address-groups/{group}/add_addresses"
    await _at_once(clouds, *(("PUT", path, {"addresses": [one]}) for one in addresses), times=1)
    shown = (await admin.get(f"{NETWORK}/address-groups/{group}"))["address_group"]
    assert sorted(shown["addresses"]) == addresses


async def test_one_revision_is_changed_once(clouds: list[Cloud]) -> None:
    admins = [await cloud.sign_in() for cloud in clouds]
    network = (await admins[0].post(f"{NETWORK}/networks", {"network": {}}))["network"]
    path = f"{NETWORK}/networks/{network['id']}"
    for _ in range(3):
        revision = (await admins[0].get(path))["network"]["revision_number"]
        answers = await asyncio.gather(
            *(
                admin(
                    "PUT",
                    path,
                    {"network": {"name": f"n{number}"}},
                    headers={"If-Match": f"revision_number={revision}"},
                )
                for number in range(4)
                for admin in admins
            )
        )
        assert sorted(one.status_code for one in answers) == [200, *[412] * 7]


async def test_a_router_that_gets_gateways_at_once_keeps_one(clouds: list[Cloud]) -> None:
    admin = await clouds[0].sign_in()
    outside = []
    for number in range(2):
        body: dict[str, Any] = {"network": {"router:external": True}}
        made = (await admin.post(f"{NETWORK}/networks", body))["network"]["id"]
        body = {"subnet": {"network_id": made, "ip_version": 4, "cidr": f"10.{number}.0.0/24"}}
        await admin.post(f"{NETWORK}/subnets", body)
        outside.append(made)
    for _ in range(3):
        router = (await admin.post(f"{NETWORK}/routers", {"router": {}}))["router"]["id"]
        path = f"{NETWORK}/routers/{router}"
        asks: list[Ask] = [
            ("PUT", path, {"router": {"external_gateway_info": {"network_id": one}}})
            for one in outside
        ]
        await _at_once(clouds, *asks, times=2)
        ports = (await admin.get(f"{NETWORK}/ports?device_id={router}"))["ports"]
        assert len(ports) == 1
        await admin("DELETE", path, status=204)
        assert (await admin.get(f"{NETWORK}/ports?device_id={router}"))["ports"] == []
