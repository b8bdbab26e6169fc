"""Servers: from a request to a guest and back, and what stands in the way."""

from __future__ import annotations

from typing import Any

import pytest

from tests.cloud import NEWEST, Client, Cloud, a_flavor, a_network, a_server, an_image, settle

SERVERS = "/compute/v2.1/servers"


class Ground:
    """A project with what a server needs."""

    def __init__(
        self, cloud: Cloud, admin: Client, user: Client, image: str, flavor: str, network: str
    ) -> None:
        self.cloud, self.admin, self.user = cloud, admin, user
        self.image, self.flavor, self.network = image, flavor, network

    async def server(self, **values: Any) -> str:
        return await a_server(self.user, self.image, self.flavor, self.network, **values)

    async def show(self, server_id: str, client: Client | None = None) -> Any:
        return (await (client or self.user).get(f"{SERVERS}/{server_id}", headers=NEWEST))["server"]

    async def act(self, server_id: str, action: str, status: int = 202, value: Any = None) -> Any:
        path = f"{SERVERS}/{server_id}/action"
        return await self.user("POST", path, {action: value}, headers=NEWEST, status=status)

    async def clean(self) -> list[Any]:
        return list((await self.admin.get("/hanok/v1/inventory"))["differences"])


@pytest.fixture
async def ground(cloud: Cloud) -> Ground:
    admin = await cloud.sign_in()
    user = await cloud.project_with("p", "member")
    return Ground(
        cloud, admin, user, await an_image(user), await a_flavor(admin), await a_network(user)
    )


async def test_a_server_is_built_runs_and_is_deleted_without_a_trace(ground: Ground) -> None:
    server_id = await ground.server(metadata={"role": "web"})
    assert (await ground.show(server_id))["status"] in ("BUILD", "ACTIVE")
    await settle(ground.cloud)
    shown = await ground.show(server_id)
    assert shown["status"] == "ACTIVE", shown
    assert shown["addresses"]["net"][0]["addr"].startswith("10.1.0.")
    assert shown["OS-EXT-STS:power_state"] == 1 and shown["metadata"] == {"role": "web"}
    assert "OS-EXT-SRV-ATTR:host" not in shown
    assert (await ground.show(server_id, ground.admin))["OS-EXT-SRV-ATTR:host"] == "host-1"
    assert await ground.clean() == []
    await ground.user("DELETE", f"{SERVERS}/{server_id}", status=204)
    await settle(ground.cloud)
    await ground.user("GET", f"{SERVERS}/{server_id}", status=404)
    ports = (await ground.user.get("/network/v2.0/ports"))["ports"]
    assert [p for p in ports if p["device_id"] == server_id] == []
    assert await ground.clean() == []


async def test_the_steps_of_a_creation_are_on_record_with_their_times(ground: Ground) -> None:
    server_id = await ground.server()
    await settle(ground.cloud)
    path = f"{SERVERS}/{server_id}/os-instance-actions"
    actions = (await ground.admin.get(path, headers=NEWEST))["instanceActions"]
    assert [a["action"] for a in actions] == ["create"]
    one = await ground.admin.get(f"{path}/{actions[0]['request_id']}", headers=NEWEST)
    events = one["instanceAction"]["events"]
    assert [e["event"] for e in events] == [
        "request_accepted",
        "operation_taken",
        "compute__do_build_and_run_instance",
        "ask_placement",
        "weigh_hosts",
        "claim_host",
        "fetch_image",
        "bind_ports",
        "start_guest",
    ]
    assert all(e["result"] == "Success" and e["finish_time"] for e in events)


async def test_power_goes_from_state_to_state_and_refuses_what_makes_no_sense(
    ground: Ground,
) -> None:
    server_id = await ground.server()
    await settle(ground.cloud)
    for action, status in (
        ("os-stop", "SHUTOFF"),
        ("os-start", "ACTIVE"),
        ("pause", "PAUSED"),
        ("unpause", "ACTIVE"),
        ("suspend", "SUSPENDED"),
        ("resume", "ACTIVE"),
    ):
        await ground.act(server_id, action)
        await settle(ground.cloud)
        shown = await ground.show(server_id)
        assert shown["status"] == status and shown["OS-EXT-STS:task_state"] is None
    refused = await ground.act(server_id, "os-start", 409)
    assert "while it is in vm_state active" in refused.json()["conflictingRequest"]["message"]
    for kind in ("SOFT", "HARD"):
        await ground.act(server_id, "reboot", value={"type": kind})
        await settle(ground.cloud)
        assert (await ground.show(server_id))["status"] == "ACTIVE"
    await ground.act(server_id, "reboot", 400, {"type": "GENTLE"})


async def test_a_locked_server_is_for_admins(ground: Ground) -> None:
    server_id = await ground.server()
    await settle(ground.cloud)
    await ground.act(server_id, "lock", value={"locked_reason": "demo"})
    shown = await ground.show(server_id)
    assert shown["locked"] and shown["locked_reason"] == "demo"
    await ground.act(server_id, "os-stop", 409)
    await ground.user("DELETE", f"{SERVERS}/{server_id}", status=409)
    await ground.act(server_id, "unlock")
    await ground.act(server_id, "os-stop")


async def test_a_flavor_too_large_ends_in_error_that_says_why_and_can_be_deleted(
    ground: Ground,
) -> None:
    await a_flavor(ground.admin, "huge", ram=9_999_999)
    quota = {"quota_set": {"ram": -1}}
    path = f"/compute/v2.1/os-quota-sets/{ground.user.project_id}"
    await ground.admin("PUT", path, quota, status=200)
    server_id = await a_server(ground.user, ground.image, "huge", ground.network)
    await settle(ground.cloud)
    shown = await ground.show(server_id)
    assert shown["status"] == "ERROR"
    message = shown["fault"]["message"]
    assert message.startswith(
        "No valid host was found. 1 host; 1 lacks memory: 9999999 MiB requested, "
    )
    assert await ground.clean() == []
    await ground.user("DELETE", f"{SERVERS}/{server_id}", status=204)
    await settle(ground.cloud)
    await ground.user("GET", f"{SERVERS}/{server_id}", status=404)


async def test_quota_is_counted_in_the_request_that_creates(ground: Ground) -> None:
    path = f"/compute/v2.1/os-quota-sets/{ground.user.project_id}"
    await ground.admin("PUT", path, {"quota_set": {"instances": 1}}, status=200)
    await ground.server()
    body = {
        "name": "b",
        "imageRef": ground.image,
        "flavorRef": ground.flavor,
        "networks": "none",
    }
    refused = await ground.user("POST", SERVERS, {"server": body}, headers=NEWEST, status=403)
    assert "Quota exceeded for instances" in refused.json()["forbidden"]["message"]
    await settle(ground.cloud)
    limits = (await ground.user.get("/compute/v2.1/limits"))["limits"]["absolute"]
    assert limits["totalInstancesUsed"] == 1 and limits["maxTotalInstances"] == 1


async def test_another_project_sees_nothing_of_it(ground: Ground) -> None:
    server_id = await ground.server()
    await settle(ground.cloud)
    other = await ground.cloud.project_with("other", "member")
    assert (await other.get(SERVERS))["servers"] == []
    for method, path, body in (
        ("GET", f"{SERVERS}/{server_id}", None),
        ("DELETE", f"{SERVERS}/{server_id}", None),
        ("PUT", f"{SERVERS}/{server_id}", {"server": {"name": "mine"}}),
        ("POST", f"{SERVERS}/{server_id}/action", {"os-stop": None}),
        ("GET", f"{SERVERS}/{server_id}/os-instance-actions", None),
        ("GET", f"{SERVERS}/{server_id}/metadata", None),
    ):
        await other(method, path, body, headers=NEWEST, status=404)


async def test_references_are_resolved_with_the_callers_eyes(ground: Ground) -> None:
    other = await ground.cloud.project_with("other", "member")
    hidden = await an_image(other, "hidden", visibility="private")
    theirs = await a_network(other, "theirs")
    for values in (
        {"imageRef": hidden},
        {"flavorRef": "nonsense"},
        {"networks": [{"uuid": theirs}]},
        {"key_name": "nobody's"},
        {"security_groups": [{"name": "nonsense"}]},
        {"availability_zone": "nowhere"},
        {"unknown": 1},
        {"user_data": "%%%"},
        {"networks": "some"},
    ):
        body = {
            "name": "x",
            "imageRef": ground.image,
            "flavorRef": ground.flavor,
            "networks": "none",
            **values,
        }
        await ground.user("POST", SERVERS, {"server": body}, headers=NEWEST, status=400)
    assert (await ground.user.get(SERVERS))["servers"] == []


async def test_lists_filter_sort_and_page(ground: Ground) -> None:
    for name in ("web-1", "web-2", "db-1"):
        await a_server(ground.user, ground.image, ground.flavor, name=name)
    await settle(ground.cloud)

    async def names(query: str) -> list[str]:
        found = await ground.user.get(f"{SERVERS}?{query}", headers=NEWEST)
        return [s["name"] for s in found["servers"]]

    assert await names("sort_key=display_name&sort_dir=asc") == ["db-1", "web-1", "web-2"]
    assert set(await names("name=web")) == {"web-1", "web-2"}
    assert set(await names("name=%5E.*%5C-%5B12%5D%2B$")) == {"web-1", "web-2", "db-1"}
    assert await names("name=%5Eweb.%5B02-9%5D") == ["web-2"]
    assert set(await names("status=ACTIVE")) == {"web-1", "web-2", "db-1"}
    assert await names("status=ERROR") == []
    first = await ground.user.get(f"{SERVERS}?limit=2&sort_key=display_name&sort_dir=asc")
    assert [s["name"] for s in first["servers"]] == ["db-1", "web-1"]
    link = first["servers_links"][0]["href"].replace("http://cloud:5000", "")
    assert [s["name"] for s in (await ground.user.get(link))["servers"]] == ["web-2"]
    await ground.user("GET", f"{SERVERS}?all_tenants=1", headers=NEWEST, status=403)
    await ground.user("GET", f"{SERVERS}?limit=-1", headers=NEWEST, status=400)
    await ground.user("GET", f"{SERVERS}?nonsense=1", headers=NEWEST, status=400)


async def test_a_delete_overtakes_a_create(ground: Ground) -> None:
    for _ in range(5):
        server_id = await ground.server()
        await ground.user("DELETE", f"{SERVERS}/{server_id}", status=204)
    await settle(ground.cloud)
    assert (await ground.user.get(SERVERS))["servers"] == []
    assert await ground.clean() == []


async def test_console_log_ends_in_a_login_prompt_and_urls_fit_one_server(ground: Ground) -> None:
    import asyncio

    server_id = await ground.server()
    await settle(ground.cloud)
    text = ""
    async with asyncio.timeout(60):
        while "login:" not in text:
            answer = await ground.act(server_id, "os-getConsoleOutput", 200, {"length": 50})
            text = answer.json()["output"]
            await asyncio.sleep(0.05)
    assert text.rstrip().endswith("login:")
    requested = {"remote_console": {"protocol": "vnc", "type": "novnc"}}
    path = f"{SERVERS}/{server_id}/remote-consoles"
    console = (await ground.user.post(path, requested, 200, headers=NEWEST))["remote_console"]
    assert console["url"].startswith("http://cloud:5000/console/vnc.html?path=")


async def test_older_microversions_see_the_shape_they_know(ground: Ground) -> None:
    server_id = await ground.server()
    await settle(ground.cloud)
    old = (await ground.user.get(f"{SERVERS}/{server_id}"))["server"]
    assert old["flavor"]["id"] == ground.flavor and "locked" not in old and "tags" not in old
    new = await ground.show(server_id)
    assert new["flavor"]["original_name"] == ground.flavor and new["tags"] == []
    for header in ("compute 2.0", "compute 2.105"):
        await ground.user("GET", SERVERS, headers={"OpenStack-API-Version": header}, status=406)
    await ground.user("GET", SERVERS, headers={"OpenStack-API-Version": "compute x"}, status=400)


async def test_answers_differ_between_lists_and_one_server(ground: Ground) -> None:
    server_id = await ground.server()
    await settle(ground.cloud)
    one = await ground.show(server_id)
    (listed,) = (await ground.user.get(f"{SERVERS}/detail", headers=NEWEST))["servers"]
    assert one["server_groups"] == [] and "server_groups" not in listed
    assert one["scheduler_hints"] == listed["scheduler_hints"] == {}
    assert one["progress"] == 100
    await ground.act(server_id, "os-stop")
    await settle(ground.cloud)
    assert "progress" not in await ground.show(server_id)


async def test_a_server_is_pinned_to_its_zone_and_unpinned(ground: Ground) -> None:
    server_id = await ground.server()
    await settle(ground.cloud)
    zone = (await ground.show(server_id))["OS-EXT-AZ:availability_zone"]
    path = f"{SERVERS}/{server_id}"
    for requested in (zone, None):
        body = {"server": {"pinned_availability_zone": requested}}
        changed = await ground.user("PUT", path, body, headers=NEWEST, status=200)
        assert changed.json()["server"]["pinned_availability_zone"] == requested
    body = {"server": {"pinned_availability_zone": "elsewhere"}}
    await ground.user("PUT", path, body, headers=NEWEST, status=409)
    before = {"OpenStack-API-Version": "compute 2.103"}
    await ground.user("PUT", path, body, headers=before, status=400)
    await ground.user("PUT", path, {"server": {}}, status=200)


async def test_version_2_0_is_the_oldest_microversion(ground: Ground) -> None:
    for version in (await ground.user.get("/compute/"))["versions"]:
        path = version["links"][0]["href"].removeprefix("http://cloud:5000")
        found = (await ground.cloud.anonymous.get(path))["version"]
        assert found["id"] == version["id"]
    server_id = await ground.server()
    old = (await ground.user.get(f"/compute/v2/servers/{server_id}", headers=NEWEST))["server"]
    assert "locked" not in old


async def test_network_cards_of_a_server(ground: Ground) -> None:
    server_id = await ground.server()
    await settle(ground.cloud)
    path = f"{SERVERS}/{server_id}/os-interface"
    (card,) = (await ground.user.get(path, headers=NEWEST))["interfaceAttachments"]
    assert card["net_id"] == ground.network and card["tag"] is None
    (ips,) = (await ground.show(server_id))["addresses"].values()
    assert card["fixed_ips"][0]["ip_address"] == ips[0]["addr"]
    one = await ground.user.get(f"{path}/{card['port_id']}")
    assert one["interfaceAttachment"].items() <= card.items()
    await ground.user("GET", f"{path}/{server_id}", status=404)


async def test_security_groups_of_a_running_server(ground: Ground) -> None:
    server_id = await ground.server()
    await settle(ground.cloud)
    body = {"security_group": {"name": "web"}}
    await ground.user.post("/network/v2.0/security-groups", body)
    await ground.act(server_id, "addSecurityGroup", value={"name": "web"})
    names = [one["name"] for one in (await ground.show(server_id))["security_groups"]]
    assert sorted(names) == ["default", "web"]
    for name in names:
        await ground.act(server_id, "removeSecurityGroup", value={"name": name})
    assert "security_groups" not in await ground.show(server_id)
    await ground.act(server_id, "removeSecurityGroup", 404, {"name": "web"})
    await ground.act(server_id, "addSecurityGroup", 404, {"name": "none such"})


async def test_a_host_that_is_disabled_gets_no_servers(ground: Ground) -> None:
    found = (await ground.admin.get("/compute/v2.1/os-services", headers=NEWEST))["services"]
    node = next(s for s in found if s["binary"] == "nova-compute")
    path = f"/compute/v2.1/os-services/{node['id']}"
    await ground.admin("PUT", path, {"status": "disabled"}, headers=NEWEST, status=200)
    server_id = await ground.server()
    await settle(ground.cloud)
    shown = await ground.show(server_id)
    assert shown["status"] == "ERROR" and "1 host" in shown["fault"]["message"]


async def test_keypairs_belong_to_a_user(ground: Ground) -> None:
    made = await ground.user.post("/compute/v2.1/os-keypairs", {"keypair": {"name": "k"}}, 200)
    assert "PRIVATE KEY" in made["keypair"]["private_key"]
    public = made["keypair"]["public_key"]
    body = {"keypair": {"name": "k2", "public_key": public}}
    await ground.user.post("/compute/v2.1/os-keypairs", body, 201, headers=NEWEST)
    await ground.user.post("/compute/v2.1/os-keypairs", body, 409, headers=NEWEST)
    wrong = {"keypair": {"name": "k3", "public_key": "no key"}}
    await ground.user.post("/compute/v2.1/os-keypairs", wrong, 400, headers=NEWEST)
    other = await ground.cloud.project_with("other", "member")
    assert (await other.get("/compute/v2.1/os-keypairs"))["keypairs"] == []
    server_id = await ground.server(key_name="k2")
    await settle(ground.cloud)
    assert (await ground.show(server_id))["key_name"] == "k2"
