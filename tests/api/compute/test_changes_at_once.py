"""Changes of one thing at once: none takes another's back, and of those that exclude each other one goes on."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import pytest

from tests.cloud import NEWEST, Client, Cloud, a_flavor, a_network, a_server, an_image, settle

V2 = "/compute/v2.1"
NETWORK = "/network/v2.0"
TIMES = 3


async def _at_once(client: Client, *asks: tuple[str, str, Any]) -> list[httpx.Response]:
    answers = await asyncio.gather(
        *(client(method, V2 + path, body, headers=NEWEST) for method, path, body in asks)
    )
    assert all(one.status_code < 500 for one in answers), [one.text for one in answers]
    return answers


class Lab:
    def __init__(self, cloud: Cloud, admin: Client) -> None:
        self.cloud, self.admin = cloud, admin

    async def build(self) -> None:
        self.image, self.flavor = await an_image(self.admin), await a_flavor(self.admin)

    async def server(self, network: str = "") -> str:
        made = await a_server(self.admin, self.image, self.flavor, network)
        await settle(self.cloud)
        return f"/servers/{made}"

    async def show(self, path: str) -> Any:
        return (await self.admin.get(V2 + path, headers=NEWEST))["server"]


@pytest.fixture
async def lab(cloud: Cloud) -> Lab:
    found = Lab(cloud, await cloud.sign_in())
    await found.build()
    return found


async def test_what_is_written_onto_a_server_at_once_all_stays(lab: Lab) -> None:
    path = await lab.server()
    names = [f"n{number}" for number in range(6)]
    await _at_once(
        lab.admin,
        *(("PUT", f"{path}/metadata/{name}", {"meta": {name: "v"}}) for name in names),
        *(("PUT", f"{path}/tags/{name}", None) for name in names),
        ("PUT", path, {"server": {"name": "new"}}),
        ("PUT", path, {"server": {"description": "said"}}),
    )
    shown = await lab.show(path)
    assert shown["metadata"] == dict.fromkeys(names, "v")
    assert shown["tags"] == names
    assert (shown["name"], shown["description"]) == ("new", "said")


async def test_tags_keep_to_their_number(lab: Lab) -> None:
    path = await lab.server()
    first = [f"t{number}" for number in range(48)]
    await lab.admin("PUT", f"{V2}{path}/tags", {"tags": first}, headers=NEWEST, status=200)
    answers = await _at_once(
        lab.admin, *(("PUT", f"{path}/tags/more{number}", None) for number in range(6))
    )
    assert sorted(one.status_code for one in answers) == [201, 201, 400, 400, 400, 400]
    assert len((await lab.show(path))["tags"]) == 50


async def test_one_of_several_actions_goes_on(lab: Lab) -> None:
    larger = await a_flavor(lab.admin, "larger", ram=128)
    path = await lab.server()
    resize = {"resize": {"flavorRef": larger}}
    for body in (resize, {"confirmResize": None}):
        action = ("POST", f"{path}/action", body)
        answers = await _at_once(lab.admin, *[action] * 4)
        went_on = [one for one in answers if one.status_code in (202, 204)]
        assert len(went_on) == 1, [one.text for one in answers]
        assert {one.status_code for one in answers if one not in went_on} <= {400, 409}
        await settle(lab.cloud)
    shown = await lab.show(path)
    assert (shown["status"], shown["flavor"]["original_name"]) == ("ACTIVE", "larger")
    rebuild = {"rebuild": {"imageRef": lab.image}}
    action = ("POST", f"{path}/action", rebuild)
    await _at_once(lab.admin, action, ("DELETE", path, None), action)
    await settle(lab.cloud)
    await lab.admin.get(V2 + path, headers=NEWEST, status=404)


async def test_groups_that_a_server_gets_at_once_all_stay(lab: Lab) -> None:
    path = await lab.server(await a_network(lab.admin))
    names = [f"g{number}" for number in range(4)]
    for name in names:
        await lab.admin.post(f"{NETWORK}/security-groups", {"security_group": {"name": name}})
    await _at_once(
        lab.admin,
        *(("POST", f"{path}/action", {"addSecurityGroup": {"name": name}}) for name in names),
    )
    shown = await lab.show(path)
    assert {one["name"] for one in shown["security_groups"]} == {"default", *names}


async def test_a_port_goes_to_one_of_two_servers(lab: Lab) -> None:
    network = await a_network(lab.admin)
    servers = [await lab.server(network) for _ in "ab"]
    for _ in range(TIMES):
        body = {"port": {"network_id": network}}
        port = (await lab.admin.post(f"{NETWORK}/ports", body))["port"]["id"]
        requested = {"interfaceAttachment": {"port_id": port}}
        answers = await _at_once(
            lab.admin, *(("POST", f"{path}/os-interface", requested) for path in servers)
        )
        await settle(lab.cloud)
        assert [one.status_code for one in answers].count(200) == 1
        await lab.admin("DELETE", f"{NETWORK}/ports/{port}")
        await settle(lab.cloud)


async def test_specs_and_projects_that_a_flavor_gets_at_once(lab: Lab) -> None:
    names = [f"n{number}" for number in range(6)]
    path = f"/flavors/{lab.flavor}/os-extra_specs"
    await _at_once(lab.admin, *(("POST", path, {"extra_specs": {name: "v"}}) for name in names))
    specs = (await lab.admin.get(V2 + path, headers=NEWEST))["extra_specs"]
    assert specs == dict.fromkeys(names, "v")
    for number in range(TIMES):
        made = await a_flavor(lab.admin, f"f{number}")
        await _at_once(
            lab.admin,
            ("DELETE", f"/flavors/{made}", None),
            ("POST", f"/flavors/{made}/os-extra_specs", {"extra_specs": {"a": "b"}}),
        )
        made = await a_flavor(lab.admin, f"f{number}")
        again = await lab.admin.get(f"{V2}/flavors/{made}/os-extra_specs", headers=NEWEST)
        assert again["extra_specs"] == {}


async def test_an_aggregate_that_is_told_several_things_at_once(lab: Lab) -> None:
    body = {"aggregate": {"name": "a"}}
    made = (await lab.admin.post(f"{V2}/os-aggregates", body, 200))["aggregate"]["id"]
    names = [f"n{number}" for number in range(6)]
    path = f"/os-aggregates/{made}/action"
    await _at_once(
        lab.admin,
        *(("POST", path, {"set_metadata": {"metadata": {name: "v"}}}) for name in names),
        *[("POST", path, {"add_host": {"host": "host-1"}})] * 2,
    )
    shown = (await lab.admin.get(f"{V2}/os-aggregates/{made}"))["aggregate"]
    assert shown["metadata"] == dict.fromkeys(names, "v")
    assert shown["hosts"] == ["host-1"]
