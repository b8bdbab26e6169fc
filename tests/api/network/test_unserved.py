"""What OVN cannot do is refused with the reason, and its extensions are not listed."""

from __future__ import annotations

import pytest

from tests.api.network.test_networks import V2, refused
from tests.cloud import Client, Cloud

WAYS = [
    ("routers/{}/conntrack_helpers", "l3-conntrack-helper", "has no helpers"),
    ("metering/metering-labels", "metering", "does not count"),
    ("metering/metering-label-rules", "metering", "does not count"),
    ("local_ips", "local_ip", "does not support local IPs"),
]


async def _router(client: Client) -> str:
    return str((await client.post(f"{V2}/routers", {"router": {}}))["router"]["id"])


@pytest.mark.parametrize(("path", "alias", "why"), WAYS)
async def test_none_can_be_made_and_the_reason_is_said(
    cloud: Cloud, path: str, alias: str, why: str
) -> None:
    client = await cloud.project_with("p", "member", "manager")
    path = f"/{path.format(await _router(client))}"
    (found,) = (await client.get(f"{V2}{path}?limit=1&fields=id")).values()
    assert found == []
    await refused(client, "GET", f"{path}?odd=1", None, 400)
    error = await refused(client, "POST", path, {"anything": {}}, 400)
    assert why in error["message"]
    await refused(client, "GET", f"{path}/nothing", None, 404)
    await client.get(f"{V2}/extensions/{alias}", 404)
    reader = await cloud.project_with("p2", "reader")
    if "routers" not in path:
        await refused(reader, "POST", path, {}, 403)


async def test_packets_are_held_to_no_rate(cloud: Cloud) -> None:
    client = await cloud.project_with("p", "member", "manager")
    made = (await client.post(f"{V2}/qos/policies", {"policy": {"name": "q"}}))["policy"]
    path = f"/qos/policies/{made['id']}/packet_rate_limit_rules"
    assert (await client.get(f"{V2}{path}"))["packet_rate_limit_rules"] == []
    body = {"packet_rate_limit_rule": {"max_kpps": 5}}
    error = await refused(client, "POST", path, body, 400)
    assert "OVN cannot limit packet rates" in error["message"]
    await refused(client, "GET", f"{path}/nothing", None, 404)
    await client.get(f"{V2}/extensions/qos-pps", 404)
    stranger = await cloud.project_with("s", "manager", "member")
    error = await refused(stranger, "POST", path, body, 404)
    assert error["type"] == "QosPolicyNotFound"


async def test_a_strangers_router_has_none(cloud: Cloud) -> None:
    owner = await cloud.project_with("p", "member")
    stranger = await cloud.project_with("s", "member")
    path = f"/routers/{await _router(owner)}/conntrack_helpers"
    for method in ("GET", "POST"):
        error = await refused(stranger, method, path, {}, 404)
        assert error["type"] == "RouterNotFound"
