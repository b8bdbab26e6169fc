"""How many there may be of what costs something for good: the last that fits is taken, one more is refused."""

from __future__ import annotations

import asyncio
from typing import Any

from tests.api.network.test_address_groups import group
from tests.api.network.test_gateways import Ways
from tests.api.network.test_networks import V2, refused
from tests.api.network.test_trunks import Lab, trunk
from tests.cloud import Cloud


async def test_addresses_of_a_group(cloud: Cloud) -> None:
    member = await cloud.project_with("p", "member")
    many = [f"10.{number // 200}.{number % 200}.0/24" for number in range(1000)]
    path = f"/address-groups/{(await group(member, *many[:200]))['id']}"
    for first in range(200, 1000, 200):
        part = {"addresses": many[first : first + 200]}
        await member("PUT", f"{V2}{path}/add_addresses", part, status=200)
    more = {"addresses": ["11.0.0.0/24"]}
    error = await refused(member, "PUT", f"{path}/add_addresses", more, 400)
    assert "at most 1000 addresses" in error["message"]
    await member("PUT", f"{V2}{path}/remove_addresses", {"addresses": many[:1]}, status=200)
    await member("PUT", f"{V2}{path}/add_addresses", more, status=200)


async def test_prefixes_of_a_pool(cloud: Cloud) -> None:
    member = await cloud.project_with("p", "member")
    apart = [f"10.{number}.0.0/16" for number in range(0, 256, 2)]
    apart += [f"11.{number}.0.0/16" for number in range(0, 146, 2)]

    def pool(count: int) -> dict[str, Any]:
        return {"subnetpool": {"name": "p", "prefixes": apart[:count], "default_prefixlen": 24}}

    error = await refused(member, "POST", "/subnetpools", pool(201), 400)
    assert "more than 200 items" in error["message"]
    made = (await member.post(f"{V2}/subnetpools", pool(200)))["subnetpool"]
    assert len(made["prefixes"]) == 200


async def test_subports_of_a_trunk(cloud: Cloud) -> None:
    lab = Lab(await cloud.project_with("p", "member"))
    await lab.build()
    made = await trunk(lab.client, lab.parent["id"])
    wide = [{"network_id": lab.second["id"]}] * 101
    ports = (await lab.client.post(f"{V2}/ports", {"ports": wide}))["ports"]
    many = [
        {"port_id": one["id"], "segmentation_type": "vlan", "segmentation_id": number}
        for number, one in enumerate(ports, 1)
    ]
    await lab.change(made, "add", *many[:99])
    path = f"/trunks/{made['id']}/add_subports"
    error = await refused(lab.client, "PUT", path, {"sub_ports": many[99:]}, 400)
    assert "at most 100 subports" in error["message"]
    await lab.change(made, "add", many[99])


async def test_logs_of_a_project(cloud: Cloud) -> None:
    client = await cloud.project_with("p", "member", "manager")
    made = await client.post(f"{V2}/security-groups", {"security_group": {"name": "g"}})
    body = {"log": {"resource_type": "security_group", "resource_id": made["security_group"]["id"]}}
    for _ in range(50):
        last = (await client.post(f"{V2}/log/logs", body))["log"]
    error = await refused(client, "POST", "/log/logs", body, 409)
    assert "at most 50 logs" in error["message"]
    await client("DELETE", f"{V2}/log/logs/{last['id']}", status=204)
    await client.post(f"{V2}/log/logs", body)


async def test_gateways_of_a_router(cloud: Cloud) -> None:
    ways = Ways(cloud)
    await ways.build()
    one = {"network_id": ways.public}
    error = await ways.change("add", [one] * 10, status=400)
    assert "at most 10 external gateways" in str(error)
    assert len((await ways.change("add", [one] * 9))["external_gateways"]) == 10
    await ways.change("add", [one], status=400)


async def test_many_that_are_made_at_once_let_others_in(cloud: Cloud) -> None:
    member = await cloud.project_with("p", "member")
    other = await cloud.project_with("q", "member")
    done: list[str] = []

    async def make() -> None:
        await member.post(f"{V2}/networks", {"networks": [{"name": "n"}] * 90})
        done.append("made")

    async def look() -> None:
        for _ in range(20):
            await other.get(f"{V2}/networks")
            done.append("looked")

    await asyncio.gather(make(), look())
    assert done.index("made") >= 5
