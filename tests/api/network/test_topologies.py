"""Networks that are made for who asks for one."""

from __future__ import annotations

from tests.api.network.test_networks import V2, network, port, refused
from tests.api.network.test_subnet_pools import pool
from tests.cloud import NEWEST, Cloud, a_flavor, an_image, settle


async def test_a_topology_of_what_is_the_default(cloud: Cloud) -> None:
    admin = await cloud.sign_in()
    member = await cloud.project_with("p", "member")
    path = f"/auto-allocated-topology/{member.project_id}"
    error = await refused(member, "GET", f"{path}?fields=dry-run", None, 409)
    assert error["message"] == "Deployment error: No default subnetpools defined."
    await pool(admin, "10.60.0.0/16", is_default=True, shared=True, default_prefixlen=24)
    await pool(admin, "fd60::/48", is_default=True, shared=True, default_prefixlen=64)
    dry = (await member.get(f"{V2}{path}?fields=dry-run"))["auto_allocated_topology"]
    assert (dry["id"], dry["tenant_id"]) == ("dry-run=pass", member.project_id)
    before = (await member.get(f"{V2}/networks?router:external=false"))["networks"]
    assert before == []
    made = (await member.get(f"{V2}{path}"))["auto_allocated_topology"]
    assert (await member.get(f"{V2}{path}"))["auto_allocated_topology"] == made
    seen = (await member.get(f"{V2}/networks/{made['id']}"))["network"]
    assert (seen["name"], seen["project_id"]) == ("auto_allocated_network", member.project_id)
    subnets = (await member.get(f"{V2}/subnets?network_id={made['id']}"))["subnets"]
    assert {one["cidr"] for one in subnets} == {"10.60.0.0/24", "fd60::/64"}
    (router,) = (await member.get(f"{V2}/routers"))["routers"]
    assert router["external_gateway_info"]["enable_snat"] is True
    one = await port(member, made["id"])
    assert len(one["fixed_ips"]) == 2
    stranger = await cloud.project_with("stranger", "member")
    await refused(stranger, "GET", path, None, 403)
    await refused(stranger, "DELETE", path, None, 403)
    error = await refused(member, "DELETE", path, None, 409)
    assert error["type"] == "NetworkInUse"
    await member("DELETE", f"{V2}/ports/{one['id']}", status=204)
    await member("DELETE", f"{V2}{path}", status=204)
    assert (await member.get(f"{V2}/routers"))["routers"] == []
    await refused(member, "DELETE", path, None, 404)


async def test_a_topology_of_which_something_was_deleted_is_made_anew(cloud: Cloud) -> None:
    admin = await cloud.sign_in()
    member = await cloud.project_with("p", "member")
    await pool(admin, "10.60.0.0/16", is_default=True, shared=True, default_prefixlen=24)
    path = f"{V2}/auto-allocated-topology/{member.project_id}"
    first = (await admin.get(path))["auto_allocated_topology"]["id"]
    (router,) = (await member.get(f"{V2}/routers"))["routers"]
    (subnet,) = (await member.get(f"{V2}/subnets?network_id={first}"))["subnets"]
    gone = f"{V2}/routers/{router['id']}/remove_router_interface"
    await member("PUT", gone, {"subnet_id": subnet["id"]}, status=200)
    await member("DELETE", f"{V2}/networks/{first}", status=204)
    await network(member)
    second = (await member.get(path))["auto_allocated_topology"]["id"]
    assert second != first
    await admin("DELETE", path, status=204)
    await member.get(f"{V2}/networks/{second}", 404)


async def test_servers_that_leave_it_to_the_cloud_get_one_network(cloud: Cloud) -> None:
    """Three at once have the same one; without defaults it cannot be made."""
    admin, member = await cloud.sign_in(), await cloud.project_with("p", "member")
    server = {
        "name": "vm",
        "imageRef": await an_image(member),
        "flavorRef": await a_flavor(admin),
        "networks": "auto",
        "min_count": 3,
    }
    path = "/compute/v2.1/servers"
    refused = await member("POST", path, {"server": server}, headers=NEWEST, status=400)
    assert "Unable to automatically allocate a network for project" in refused.text
    assert "No default subnetpools defined" in refused.text
    old = {**server, "networks": []}
    await member(
        "POST", path, {"server": old}, status=202
    )  # before 2.37: none, where there is none
    await pool(admin, "10.60.0.0/16", is_default=True, shared=True, default_prefixlen=24)
    await member("POST", path, {"server": server}, headers=NEWEST, status=202)
    await settle(cloud)
    (made,) = (await member.get(f"{V2}/networks?router:external=false"))["networks"]
    ports = (await member.get(f"{V2}/ports?device_owner=compute:nova"))["ports"]
    assert [one["network_id"] for one in ports] == [made["id"]] * 3
