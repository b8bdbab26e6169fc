"""What operators say of ports, MACs made anew, and quotas below what is used."""

from __future__ import annotations

from typing import Any

import pytest

from hanok.services.network.facade import NICWish
from tests.api.network.test_engine import bind, plan, settled
from tests.api.network.test_networks import V2, network, port, refused, subnet
from tests.cloud import Client, Cloud


async def change(client: Client, port_id: str, **values: Any) -> Any:
    answer = await client("PUT", f"{V2}/ports/{port_id}", {"port": values}, status=200)
    return answer.json()["port"]


async def test_the_state_of_the_data_plane_is_said_by_who_sees_it(cloud: Cloud) -> None:
    admin = await cloud.sign_in()
    member = await cloud.project_with("p", "member")
    one = await port(member, (await network(member))["id"])
    assert one["data_plane_status"] is None
    body = {"port": {"data_plane_status": "DOWN"}}
    await refused(member, "PUT", f"/ports/{one['id']}", body, 403)
    assert (await change(admin, one["id"], data_plane_status="DOWN"))["status"] == one["status"]
    seen = (await member.get(f"{V2}/ports/{one['id']}"))["port"]
    assert seen["data_plane_status"] == "DOWN"
    body = {"port": {"data_plane_status": "BROKEN"}}
    error = await refused(admin, "PUT", f"/ports/{one['id']}", body, 400)
    assert "Invalid input for data_plane_status" in error["message"]
    body = {"port": {"network_id": one["network_id"], "data_plane_status": "DOWN"}}
    await refused(admin, "POST", "/ports", body, 400)
    assert (await change(admin, one["id"], data_plane_status=None))["data_plane_status"] is None


async def test_trust_is_told_to_who_plugs_the_port(cloud: Cloud) -> None:
    admin = await cloud.sign_in()
    member = await cloud.project_with("p", "member")
    made = await network(member)
    body = {"port": {"network_id": made["id"], "trusted": True}}
    await refused(member, "POST", "/ports", body, 403)
    one = await port(admin, made["id"], trusted=True)
    assert (one["trusted"], one["binding:profile"]) == (True, {"trusted": True})
    changed = await change(admin, one["id"], trusted=False)
    assert changed["binding:profile"] == {"trusted": False}
    plain = await port(member, made["id"])
    assert "trusted" not in plain
    seen = (await admin.get(f"{V2}/ports/{plain['id']}"))["port"]
    assert (seen["trusted"], seen["binding:profile"]) == (None, {})


async def test_macs_are_learnt_of_ports_without_security(cloud: Cloud) -> None:
    member = await cloud.project_with("p", "member")
    made = await network(member)
    body = {"port": {"network_id": made["id"], "mac_learning_enabled": True}}
    error = await refused(member, "POST", "/ports", body, 409)
    assert "requires that port security be disabled" in error["message"]
    one = await port(member, made["id"], port_security_enabled=False, mac_learning_enabled=True)
    assert one["mac_learning_enabled"] is True
    body = {"port": {"port_security_enabled": True}}
    await refused(member, "PUT", f"/ports/{one['id']}", body, 409)
    assert (await change(member, one["id"], mac_learning_enabled=False))[
        "mac_learning_enabled"
    ] is False
    secured = await change(member, one["id"], port_security_enabled=True)
    assert secured["port_security_enabled"] is True


async def test_a_mac_is_made_anew(cloud: Cloud) -> None:
    manager = await cloud.project_with("p", "manager", "member")
    made = await network(manager)
    await subnet(manager, made["id"])
    one = await port(manager, made["id"], mac_address="fa:16:3e:00:00:07")
    another = (await change(manager, one["id"], mac_address=None))["mac_address"]
    assert another != one["mac_address"]
    assert another.startswith("fa:16:3e:")
    assert (await port(manager, made["id"], mac_address=None))["mac_address"]
    await bind(cloud, manager, "s-1", await plan(cloud, manager, [NICWish(port_id=one["id"])]))
    body = {"port": {"mac_address": None}}
    error = await refused(manager, "PUT", f"/ports/{one['id']}", body, 409)
    assert error["type"] == "PortBound"
    await settled(cloud)


@pytest.mark.parametrize(
    ("how", "status"),
    [
        ({}, 400),
        ({"check_limit": True}, 400),
        ({"force": False}, 400),
        ({"force": True}, 200),
        ({"force": "True", "check_limit": True}, 200),
        ({"check_limit": False}, 200),
        ({"force": "perhaps"}, 400),
    ],
)
async def test_a_limit_below_what_is_used_takes_force(
    cloud: Cloud, how: dict[str, Any], status: int
) -> None:
    admin = await cloud.sign_in()
    member = await cloud.project_with("p", "member")
    for _ in range(2):
        await network(member)
    path = f"{V2}/quotas/{member.project_id}"
    body = {"quota": {"network": 1, "subnet": 5, **how}}
    answer = (await admin("PUT", path, body, status=status)).json()
    if status == 200:
        assert answer["quota"]["network"] == 1
        return
    now = (await admin.get(path))["quota"]
    assert (now["network"], now["subnet"]) == (100, 100)
    if how.get("force") != "perhaps":
        assert "network: 1 is less than the 2 in use" in answer["NeutronError"]["message"]
        for fine in (2, -1):
            body = {"quota": {"network": fine, **how}}
            await admin("PUT", path, body, status=200)
