"""What there may be one of, and what is there already: saying so again changes nothing."""

from __future__ import annotations

from typing import Any

import pytest

from hanok.base.errors import BadInput, Conflict, NotFound
from hanok.services.network.logic import networks as network_logic
from hanok.services.network.logic import promises, server_ports
from hanok.services.network.tables import ports
from tests.api.network.alone import cloud
from tests.api.network.test_networks import V2, network, port, refused, subnet
from tests.cloud import Client, Cloud

__all__ = ["cloud"]

SERVER = "5f2c0a52-0000-4000-8000-000000000000"
RULES = "default-security-group-rules"


async def put(client: Client, path: str, status: int = 200, **values: Any) -> Any:
    noun = {"networks": "network", "policies": "policy"}
    key = noun[path.split("/")[-2]]
    answer = (await client("PUT", f"{V2}{path}", {key: values}, status=status)).json()
    return answer[key] if status == 200 else answer["NeutronError"]


async def test_a_default_that_is_said_again(cloud: Cloud) -> None:
    admin = await cloud.sign_in()
    (first,) = (await admin.get(f"{V2}/networks?is_default=true"))["networks"]
    other = await network(admin, **{"router:external": True})
    assert (await put(admin, f"/networks/{first['id']}", is_default=True))["is_default"] is True
    error = await put(admin, f"/networks/{other['id']}", 409, is_default=True)
    assert error["type"] == "DefaultExternalNetworkExists"
    made = []
    for default in (True, False):
        body = {"policy": {"name": "q", "is_default": default}}
        made.append((await admin.post(f"{V2}/qos/policies", body))["policy"]["id"])
    assert (await put(admin, f"/qos/policies/{made[0]}", is_default=True))["is_default"] is True
    error = await put(admin, f"/qos/policies/{made[1]}", 409, is_default=True)
    assert error["type"] == "QoSPolicyDefaultAlreadyExists"


async def test_the_last_number_of_a_tunnel(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    admin = await cloud.sign_in()
    key = "provider:segmentation_id"
    held = [one[key] for one in (await admin.get(f"{V2}/networks"))["networks"] if one[key]]
    monkeypatch.setattr(network_logic, "MAXIMUM_SEGMENT", max([*held, 0]) + 2)
    made = [await network(admin) for _ in range(2)]
    assert made[1][key] == made[0][key] + 1 == network_logic.MAXIMUM_SEGMENT
    for one in range(1, made[0][key]):  # what was left out before is given out now
        if one not in held:
            assert (await network(admin))[key] == one
    error = await refused(admin, "POST", "/networks", {"network": {"name": "n"}}, 409)
    assert error["type"] == "NoNetworkAvailable"
    await admin("DELETE", f"{V2}/networks/{made[0]['id']}", status=204)
    assert (await network(admin))[key] == made[0][key]


async def test_all_gateways_are_named_anew(cloud: Cloud) -> None:
    admin = await cloud.sign_in()
    outside = []
    for number in (4, 5):
        made = await network(admin, **{"router:external": True})
        await subnet(admin, made["id"], f"172.24.{number}.0/24")
        outside.append(made["id"])
    router = (await admin.post(f"{V2}/routers", {"router": {"name": "r"}}))["router"]["id"]
    for wish in (outside[:1], outside, outside[::-1], outside[1:], outside):
        body = [{"network_id": one} for one in wish]
        path = f"{V2}/routers/{router}/update_external_gateways"
        answer = await admin("PUT", path, {"router": {"external_gateways": body}}, status=200)
        changed = answer.json()["router"]
        assert {one["network_id"] for one in changed["external_gateways"]} == set(wish)
        assert len(changed["external_gateways"]) == len(wish)


async def test_rules_that_different_groups_begin_with_are_alike(cloud: Cloud) -> None:
    admin = await cloud.sign_in()
    rule = {"direction": "ingress", "protocol": "tcp", "port_range_min": 9, "port_range_max": 9}

    async def said(default: bool, others: bool, status: int) -> None:
        uses = {"used_in_default_sg": default, "used_in_non_default_sg": others}
        body = {"default_security_group_rule": {**rule, **uses}}
        await admin("POST", f"{V2}/{RULES}", body, status=status)

    await said(True, False, 201)
    await said(True, True, 409)
    await said(False, True, 201)
    await said(False, True, 409)
    await said(False, False, 201)
    await said(False, False, 409)


async def test_a_server_is_in_a_group_once(cloud: Cloud) -> None:
    member = await cloud.project_with("p", "member")
    there = await network(member)
    await subnet(member, there["id"])
    one, open_ = [await port(member, there["id"]) for _ in range(2)]
    off = {"port": {"port_security_enabled": False, "security_groups": []}}
    await member("PUT", f"{V2}/ports/{open_['id']}", off, status=200)
    group = {"security_group": {"name": "g"}}
    made = (await member.post(f"{V2}/security-groups", group))["security_group"]["id"]
    (default,) = one["security_groups"]

    async def change(group: str, *, join: bool) -> None:
        async with cloud.control.database.write() as tx:
            await server_ports.change_group(
                tx, cloud.network, SERVER, str(member.project_id), group, join=join
            )

    async def groups(which: dict[str, Any]) -> set[str]:
        shown = (await member.get(f"{V2}/ports/{which['id']}"))["port"]
        return set(shown["security_groups"])

    with pytest.raises(BadInput, match="no port that takes security groups"):
        await change(made, join=True)
    async with cloud.control.database.write() as tx:
        await tx.execute(ports.update().where(ports.c.id == open_["id"]).values(server_id=SERVER))
    with pytest.raises(BadInput, match="no port that takes security groups"):
        await change(made, join=True)
    async with cloud.control.database.write() as tx:
        await tx.execute(ports.update().where(ports.c.id == one["id"]).values(server_id=SERVER))
    for _ in range(2):
        await change("g", join=True)
        assert await groups(one) == {default, made} and await groups(open_) == set()
    await change("default", join=False)
    assert await groups(one) == {made}
    with pytest.raises(NotFound, match="is not one of server"):
        await change("default", join=False)
    await change("default", join=True)
    assert await groups(one) == {default, made}
    with pytest.raises(NotFound):
        await change("nothing", join=True)


async def test_promises_are_renewed_for_so_many_servers_at_once(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    requested: list[str] = []

    async def anew(tx: Any, server_id: str) -> bool:
        requested.append(server_id)
        return server_id != "full"

    monkeypatch.setattr(promises, "MAXIMUM_SERVERS", 2)
    async with cloud.control.database.write() as tx:
        room = cloud.network
        monkeypatch.setattr(room, "promised_anew", None)
        await promises.renew_of(tx, room, ["a", "b", "c"])  # nobody holds anything
        monkeypatch.setattr(room, "promised_anew", anew)
        await promises.renew_of(tx, room, ["b", "a"])
        assert requested == ["a", "b"]
        with pytest.raises(Conflict, match="more than 2 servers"):
            await promises.renew_of(tx, room, ["a", "b", "c"])
        with pytest.raises(Conflict, match="server full would exceed"):
            await promises.renew_of(tx, room, ["full"])
