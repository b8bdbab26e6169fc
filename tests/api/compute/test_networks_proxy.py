"""Networks, floating IPs and addresses of servers by way of compute, as clients from before 2.36 ask for them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from hanok.services.compute.facade import ComputeSettings
from tests.api.network.test_networks import V2, network, subnet
from tests.api.network.test_routers import lab, public
from tests.cloud import PASSWORD, Client, Cloud, a_flavor, a_server, an_image, running, settle

C = "/compute/v2.1"
FIPS = f"{C}/os-floating-ips"
NOWHERE = "00000000-0000-4000-8000-000000000000"


@pytest.fixture
async def user(cloud: Cloud) -> Client:
    return await cloud.project_with("team", "member")


def version(text: str) -> dict[str, str]:
    return {"OpenStack-API-Version": f"compute {text}"}


async def floating(client: Client) -> dict[str, Any]:
    return dict((await client.post(FIPS, None, 200))["floating_ip"])


async def act(
    client: Client, server_id: str, action: str, body: Any, status: int = 202, at: str = "2.43"
) -> str:
    """Have something done to a server; gives the words of a refusal."""
    path = f"{C}/servers/{server_id}/action"
    answer = await client("POST", path, {action: body}, status=status, headers=version(at))
    if status == 202:
        assert answer.content == b""
        return ""
    return str(next(iter(answer.json().values()))["message"])


async def server_on(cloud: Cloud, client: Client, network_id: str) -> str:
    flavor = await a_flavor(await cloud.sign_in(), f"f{network_id[:8]}")
    server_id = await a_server(client, await an_image(client), flavor, network_id)
    await settle(cloud)
    return server_id


async def addresses(client: Client, server_id: str) -> list[str]:
    found = (await client.get(f"{C}/servers/{server_id}/ips"))["addresses"]
    return [one["addr"] for ips in found.values() for one in ips]


async def test_networks_in_older_words(cloud: Cloud, user: Client) -> None:
    admin = await cloud.sign_in()
    mine, hers = await network(user, name="mine"), await network(admin, name="hers")
    outside = await public(user)
    for plural, more in (("os-networks", {}), ("os-tenant-networks", {"cidr": "None"})):
        path = f"{C}/{plural}"
        listed = (await user.get(path))["networks"]
        assert {one["id"]: one["label"] for one in listed} == {
            mine["id"]: "mine",
            outside["id"]: "public",
        }
        shown = (await user.get(f"{path}/{mine['id']}"))["network"]
        assert shown in listed
        assert {name: value for name, value in shown.items() if value is not None} == {
            "id": mine["id"],
            "label": "mine",
            **more,
        }
        assert ("netmask_v6" in shown) == (plural == "os-networks") and "vlan" not in shown
        for wrong in (hers["id"], NOWHERE, "no-id"):
            refusal = await user("GET", f"{path}/{wrong}", status=404)
            assert refusal.json()["itemNotFound"]["message"] == "Network not found"
        await user("GET", path, headers=version("2.36"), status=404)
        await cloud.anonymous("GET", path, status=401)
    assert hers["id"] in {n["id"] for n in (await admin.get(f"{C}/os-networks"))["networks"]}
    assert "vlan" in (await admin.get(f"{C}/os-networks/{mine['id']}"))["network"]


async def test_a_floating_ip_from_birth_to_end(cloud: Cloud, user: Client) -> None:
    assert await user.get(f"{C}/os-floating-ip-pools") == {
        "floating_ip_pools": [{"name": "public"}]
    }
    assert await user.get(FIPS) == {"floating_ips": []}
    made = await floating(user)
    assert made == {
        "id": made["id"],
        "ip": made["ip"],
        "fixed_ip": None,
        "instance_id": None,
        "pool": "public",
    }
    new = (await user.get(f"{V2}/floatingips/{made['id']}"))["floatingip"]
    assert new["floating_ip_address"] == made["ip"]
    assert await user.get(f"{FIPS}/{made['id']}") == {"floating_ip": made}
    assert await user.get(FIPS) == {"floating_ips": [made]}
    admin = await cloud.sign_in()
    assert await admin.get(FIPS) == {"floating_ips": []}
    assert await admin.get(f"{FIPS}/{made['id']}") == {"floating_ip": made}
    await user("DELETE", f"{FIPS}/{made['id']}", status=202)
    for method in ("GET", "DELETE"):
        for wrong in (made["id"], "1"):
            answer = await user(method, f"{FIPS}/{wrong}", status=404)
            said = answer.json()["itemNotFound"]["message"]
            assert said == f"Floating IP not found for ID {wrong}"
    for path in (FIPS, f"{C}/os-floating-ip-pools"):
        await user("GET", path, headers=version("2.36"), status=404)


async def test_pools_by_name_and_by_id(cloud: Cloud, user: Client) -> None:
    admin = await cloud.sign_in()
    other = await network(admin, name="other", **{"router:external": True})
    await subnet(admin, other["id"], "198.51.100.0/30", enable_dhcp=False)
    pools = (await user.get(f"{C}/os-floating-ip-pools"))["floating_ip_pools"]
    assert sorted(one["name"] for one in pools) == ["other", "public"]
    made = (await user.post(FIPS, {"pool": other["id"]}, 200))["floating_ip"]
    assert (made["pool"], made["ip"]) == ("other", "198.51.100.2")
    assert (await user.post(FIPS, {"pool": None, "x": 1}, 200))["floating_ip"]["pool"] == "public"
    assert {one["pool"] for one in (await user.get(FIPS))["floating_ips"]} == {"public", "other"}
    gone = await user("POST", FIPS, {"pool": "other"}, status=404)
    assert gone.json()["itemNotFound"]["message"] == "No more floating IPs in pool other."
    inside = await network(user, name="inside")
    for unknown in ("none", inside["id"], NOWHERE):
        await user("POST", FIPS, {"pool": unknown}, status=404)
    odd: tuple[Any, ...] = ({"pool": 1}, {"pool": "x" * 256}, [], "other")
    for bad in odd:
        await user("POST", FIPS, bad, status=400)
    await network(admin, name="other", **{"router:external": True})
    several = await user("POST", FIPS, {"pool": "other"}, status=400)
    assert "several" in several.json()["badRequest"]["message"]


async def test_the_pool_of_those_who_name_none_is_the_operators(tmp_path: Path) -> None:
    settings = ComputeSettings(default_floating_pool="lab")
    async with running(tmp_path, compute=settings) as cloud:
        admin = await cloud.sign_in()
        await admin("POST", FIPS, status=404)
        outside = await network(admin, name="lab", **{"router:external": True})
        await subnet(admin, outside["id"], "198.51.100.0/24", enable_dhcp=False)
        assert (await floating(admin))["pool"] == "lab"


async def test_the_networks_quota_holds(cloud: Cloud, user: Client) -> None:
    admin = await cloud.sign_in()
    quota = {"quota": {"floatingip": 0}}
    await admin("PUT", f"{V2}/quotas/{user.project_id}", quota, status=200)
    refusal = await user("POST", FIPS, {"pool": "public"}, status=403)
    said = refusal.json()["forbidden"]["message"]
    assert said == "IP allocation over quota in pool public."


async def test_a_floating_ip_goes_from_server_to_server(cloud: Cloud, user: Client) -> None:
    made, _, _ = await lab(user)
    first = await server_on(cloud, user, made["id"])
    second = await a_server(user, await an_image(user), f"f{made['id'][:8]}", made["id"])
    await settle(cloud)
    one = await floating(user)
    address = {"address": one["ip"]}
    await act(user, first, "addFloatingIp", address)
    shown = (await user.get(f"{FIPS}/{one['id']}"))["floating_ip"]
    (fixed,) = [ip for ip in await addresses(user, first) if ip != one["ip"]]
    assert (shown["instance_id"], shown["fixed_ip"]) == (first, fixed)
    assert (await user.get(FIPS))["floating_ips"] == [shown]
    other = await floating(user)
    said = await act(user, first, "addFloatingIp", {"address": other["ip"]}, 400)
    assert "already has a floating IP" in said
    await act(user, second, "addFloatingIp", {**address, "fixed_address": fixed}, 400)
    await act(user, second, "addFloatingIp", address)
    assert (await user.get(f"{FIPS}/{one['id']}"))["floating_ip"]["instance_id"] == second
    assert await addresses(user, first) == [fixed]
    said = await act(user, first, "removeFloatingIp", address, 409)
    assert said == f"Floating IP {one['ip']} is not associated with instance {first}."
    await act(user, second, "removeFloatingIp", address)
    loose = (await user.get(f"{FIPS}/{one['id']}"))["floating_ip"]
    assert (loose["instance_id"], loose["fixed_ip"]) == (None, None)
    await act(user, second, "removeFloatingIp", address, 409)
    for action in ("addFloatingIp", "removeFloatingIp"):
        await act(user, first, action, {"address": "0.0.0.0"}, 404)
        for bad in ("", "1.2.3", "fe80::1%eth0", None, 7):
            await act(user, first, action, {"address": bad}, 400)
        await act(user, NOWHERE, action, address, 404)
        path = f"{C}/servers/{first}/action"
        await user("POST", path, {action: address}, headers=version("2.44"), status=404)
    await act(user, first, "addFloatingIp", {**address, "fixed_address": fixed})
    await user("DELETE", f"{FIPS}/{one['id']}", status=202)
    assert await addresses(user, first) == [fixed]


async def test_a_floating_ip_needs_a_way_to_the_server(cloud: Cloud, user: Client) -> None:
    one = await floating(user)
    bare = await a_server(user, await an_image(user), await a_flavor(await cloud.sign_in()))
    await settle(cloud)
    await act(user, bare, "addFloatingIp", {"address": one["ip"]}, 400)
    far = await network(user)
    await subnet(user, far["id"], "10.77.0.0/24")
    alone = await server_on(cloud, user, far["id"])
    said = await act(user, alone, "addFloatingIp", {"address": one["ip"]}, 400)
    assert "is not reachable from subnet" in said
    six = await network(user, name="six")
    await subnet(user, six["id"], "fd00:77::/64")
    only_six = await server_on(cloud, user, six["id"])
    said = await act(user, only_six, "addFloatingIp", {"address": one["ip"]}, 400)
    assert "no fixed IPv4 address" in said


async def test_fixed_ips_come_and_go(cloud: Cloud, user: Client) -> None:
    made = await network(user)
    await subnet(user, made["id"], "10.5.0.0/24", allocation_pools=[
        {"start": "10.5.0.10", "end": "10.5.0.11"}], enable_dhcp=False)  # fmt: skip
    await subnet(user, made["id"], "10.6.0.0/24", allocation_pools=[
        {"start": "10.6.0.10", "end": "10.6.0.10"}], enable_dhcp=False)  # fmt: skip
    server_id = await server_on(cloud, user, made["id"])
    before = await addresses(user, server_id)
    more = {"networkId": made["id"]}
    await act(user, server_id, "addFixedIp", more)
    await act(user, server_id, "addFixedIp", more)
    assert sorted(await addresses(user, server_id)) == ["10.5.0.10", "10.5.0.11", "10.6.0.10"]
    assert "No more IP addresses" in await act(user, server_id, "addFixedIp", more, 400)
    gone = next(ip for ip in ("10.5.0.10", "10.5.0.11") if ip not in before)
    await act(user, server_id, "removeFixedIp", {"address": gone})
    assert sorted(await addresses(user, server_id)) == sorted([*before, "10.6.0.10"])
    await act(user, server_id, "removeFixedIp", {"address": gone}, 400)
    await act(user, server_id, "removeFixedIp", {"address": "x"}, 400)
    for unknown in (NOWHERE, 7):
        await act(user, server_id, "addFixedIp", {"networkId": unknown}, 404)
    for bad in ("", "x" * 37, 10**30, None):
        await act(user, server_id, "addFixedIp", {"networkId": bad}, 400)
    await act(user, server_id, "addFixedIp", more, 404, at="2.44")
    await act(await cloud.sign_in(), server_id, "lock", None)
    await act(user, server_id, "addFixedIp", more, 409)


async def test_readers_and_strangers_change_nothing(cloud: Cloud, user: Client) -> None:
    made, _, _ = await lab(user)
    server_id = await server_on(cloud, user, made["id"])
    one = await floating(user)
    await act(user, server_id, "addFloatingIp", {"address": one["ip"]})
    stranger = await cloud.project_with("others", "member")
    theirs = await floating(stranger)
    assert [ip["id"] for ip in (await stranger.get(FIPS))["floating_ips"]] == [theirs["id"]]
    for method in ("GET", "DELETE"):
        await stranger(method, f"{FIPS}/{one['id']}", status=404)
    bodies: tuple[tuple[str, dict[str, str]], ...] = (
        ("addFloatingIp", {"address": theirs["ip"]}),
        ("removeFloatingIp", {"address": one["ip"]}),
        ("addFixedIp", {"networkId": made["id"]}),
        ("removeFixedIp", {"address": (await addresses(user, server_id))[0]}),
    )
    for action, body in bodies:
        await act(stranger, server_id, action, body, 404)
    await act(user, server_id, "addFloatingIp", {"address": theirs["ip"]}, 404)
    admin = await cloud.sign_in()
    roles = {role["name"]: role["id"] for role in (await admin.get("/v3/roles"))["roles"]}
    requested = {"user": {"name": "eyes", "password": PASSWORD}}
    eyes = (await admin.post("/v3/users", requested))["user"]["id"]
    path = f"/v3/projects/{user.project_id}/users/{eyes}/roles/{roles['reader']}"
    await admin("PUT", path, status=204)
    reader = await cloud.sign_in("eyes", project="team")
    assert [ip["id"] for ip in (await reader.get(FIPS))["floating_ips"]] == [one["id"]]
    assert (await reader.get(f"{C}/os-networks/{made['id']}"))["network"]["label"] == "n"
    for action, body in bodies:
        said = await act(reader, server_id, action, body, 403)
        assert said.startswith("Policy doesn't allow os_compute_api:")
    for method, path in (("POST", FIPS), ("DELETE", f"{FIPS}/{one['id']}")):
        answer = await reader(method, path, status=403)
        assert "os_compute_api:os-floating-ips:" in answer.json()["forbidden"]["message"]
    assert (await user.get(f"{FIPS}/{one['id']}"))["floating_ip"]["instance_id"] == server_id
    assert len(await addresses(user, server_id)) == 2
