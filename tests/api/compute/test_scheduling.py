"""Where servers go: flavors, images and hints decide, and what is said when no host fits."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from hanok.services.placement import facade as placement
from tests.api.compute.test_servers import SERVERS, Ground
from tests.cloud import NEWEST, a_flavor, a_network, an_image, running, settle

PLACEMENT = {"OpenStack-API-Version": "placement 1.39"}
PROVIDERS = "/placement/resource_providers"


@pytest.fixture
async def ground(tmp_path: Path, database_url: str) -> AsyncIterator[Ground]:
    """A project in a cloud of three hosts."""
    async with running(tmp_path, database=database_url, hosts=3) as cloud:
        admin = await cloud.sign_in()
        user = await cloud.project_with("p", "member")
        yield Ground(
            cloud, admin, user, await an_image(user), await a_flavor(admin), await a_network(user)
        )


async def provider(ground: Ground, host: str) -> str:
    found = await ground.admin.get(f"{PROVIDERS}?name={host}", headers=PLACEMENT)
    return f"{PROVIDERS}/{found['resource_providers'][0]['uuid']}"


async def give_trait(ground: Ground, host: str, trait: str) -> None:
    await ground.admin("PUT", f"/placement/traits/{trait}", headers=PLACEMENT)
    path = f"{await provider(ground, host)}/traits"
    before = await ground.admin.get(path, headers=PLACEMENT)
    before["traits"].append(trait)
    await ground.admin("PUT", path, before, headers=PLACEMENT, status=200)


async def give(ground: Ground, host: str, resource_class: str, total: int) -> None:
    path = f"/placement/resource_classes/{resource_class}"
    await ground.admin("PUT", path, headers=PLACEMENT)
    path = f"{await provider(ground, host)}/inventories"
    before = await ground.admin.get(path, headers=PLACEMENT)
    before["inventories"][resource_class] = {"total": total}
    await ground.admin("PUT", path, before, headers=PLACEMENT, status=200)


async def specs(ground: Ground, **those: str) -> None:
    path = f"/compute/v2.1/flavors/{ground.flavor}/os-extra_specs"
    named = {name.replace("__", ":"): value for name, value in those.items()}
    await ground.admin.post(path, {"extra_specs": named}, 200)


async def placed(ground: Ground, hints: dict[str, Any] | None = None, **values: Any) -> Any:
    """A new server as its administrator sees it, when all is done."""
    server = {
        "name": "vm", "imageRef": ground.image, "flavorRef": ground.flavor, "networks": "none", **values,
    }  # fmt: skip
    body = {"server": server, **({} if hints is None else {"os:scheduler_hints": hints})}
    made = (await ground.user.post(SERVERS, body, 202, headers=NEWEST))["server"]["id"]
    await settle(ground.cloud)
    shown = await ground.show(made, ground.admin)
    shown["host"] = shown["OS-EXT-SRV-ATTR:host"]
    return shown


def why(server: Any) -> str:
    assert server["status"] == "ERROR"
    return str(server["fault"]["message"])


async def test_traits_of_the_flavor_choose_the_host(ground: Ground) -> None:
    await specs(ground, trait__CUSTOM_SSD="required")
    assert why(await placed(ground)) == (
        "No valid host was found. 3 hosts; 3 lack trait CUSTOM_SSD."
    )
    await give_trait(ground, "host-2", "CUSTOM_SSD")
    assert {(await placed(ground))["host"] for _ in "ab"} == {"host-2"}
    await specs(ground, trait__CUSTOM_SSD="forbidden")
    assert {(await placed(ground))["host"] for _ in "abc"} <= {"host-1", "host-3"}


async def test_traits_of_the_image_choose_the_host(ground: Ground) -> None:
    await give_trait(ground, "host-3", "CUSTOM_FAST")
    image = await an_image(ground.user, "fast", **{"trait:CUSTOM_FAST": "required"})
    assert (await placed(ground, imageRef=image))["host"] == "host-3"


async def test_resources_of_a_flavors_own_are_found_and_taken(ground: Ground) -> None:
    await specs(ground, resources__CUSTOM_GPU="1", resources__VCPU="0")
    assert "3 lack CUSTOM_GPU: 1 requested, 0 free" in why(await placed(ground))
    await give(ground, "host-2", "CUSTOM_GPU", 1)
    first = await placed(ground)
    assert first["host"] == "host-2"
    path = f"/placement/allocations/{first['id']}"
    (held,) = (await ground.admin.get(path, headers=PLACEMENT))["allocations"].values()
    assert held["resources"] == {"CUSTOM_GPU": 1, "MEMORY_MB": 64, "DISK_GB": 1}
    assert "CUSTOM_GPU: 1 requested, 0 free" in why(await placed(ground))
    await ground.user("DELETE", f"{SERVERS}/{first['id']}", status=204)
    await settle(ground.cloud)
    assert (await placed(ground))["host"] == "host-2"
    assert await ground.clean() == []


async def test_groups_of_resources_are_served_by_providers_of_the_hosts_tree(
    ground: Ground,
) -> None:
    root = await provider(ground, "host-1")
    await ground.admin("PUT", "/placement/resource_classes/CUSTOM_GPU", headers=PLACEMENT)
    for name in ("gpu-0", "gpu-1"):
        body = {"name": name, "parent_provider_uuid": root.rpartition("/")[2]}
        made = await ground.admin.post(PROVIDERS, body, 200, headers=PLACEMENT)
        stock = {
            "resource_provider_generation": 0, "inventories": {"CUSTOM_GPU": {"total": 1}},
        }  # fmt: skip
        path = f"{PROVIDERS}/{made['uuid']}/inventories"
        await ground.admin("PUT", path, stock, headers=PLACEMENT, status=200)
    await specs(
        ground, resources1__CUSTOM_GPU="1", resources2__CUSTOM_GPU="1", group_policy="isolate"
    )
    one = await placed(ground)
    assert one["host"] == "host-1"
    held = await ground.admin.get(f"/placement/allocations/{one['id']}", headers=PLACEMENT)
    assert len(held["allocations"]) == 3
    assert why(await placed(ground)).startswith("No valid host was found. 3 hosts; ")


async def test_servers_go_to_the_host_of_another_or_away_from_it(ground: Ground) -> None:
    first = await placed(ground)
    beside = [await placed(ground, {"same_host": first["id"]}) for _ in "ab"]
    assert {one["host"] for one in beside} == {first["host"]}
    second = await placed(ground, {"different_host": first["id"]})
    third = await placed(ground, {"different_host": [first["id"], second["id"]]})
    assert len({first["host"], second["host"], third["host"]}) == 3
    every = [first["id"], second["id"], third["id"]]
    assert why(await placed(ground, {"different_host": every})) == (
        "No valid host was found. 3 hosts; 3 have servers of different_host."
    )
    # A server that is gone keeps nobody away.
    await ground.user("DELETE", f"{SERVERS}/{third['id']}", status=204)
    await settle(ground.cloud)
    assert (await placed(ground, {"different_host": every}))["host"] == third["host"]
    assert "same_host" in why(await placed(ground, {"same_host": third["id"]}))


async def test_servers_of_other_projects_are_not_found_by_hints(ground: Ground) -> None:
    mine = await placed(ground)
    other = await ground.cloud.project_with("q", "member")
    body = {
        "server": {
            "name": "vm", "imageRef": await an_image(other), "flavorRef": ground.flavor,
            "networks": "none",
        },
        "os:scheduler_hints": {"same_host": mine["id"]},
    }  # fmt: skip
    said = await other("POST", SERVERS, body, headers=NEWEST, status=400)
    assert "could not be found" in said.text


async def test_servers_go_near_an_address(ground: Ground) -> None:
    near = {"build_near_host_ip": "127.0.0.9", "cidr": "/8"}
    assert (await placed(ground, near))["status"] == "ACTIVE"
    away = {"build_near_host_ip": "192.0.2.1"}
    assert "3 are not near build_near_host_ip" in why(await placed(ground, away))


async def test_disabled_hosts_are_passed_over_and_said(ground: Ground) -> None:
    services = (await ground.admin.get("/compute/v2.1/os-services", headers=NEWEST))["services"]
    nodes = {one["host"]: one["id"] for one in services if one["binary"] == "nova-compute"}
    for host in ("host-1", "host-2"):
        path = f"/compute/v2.1/os-services/{nodes[host]}"
        await ground.admin("PUT", path, {"status": "disabled"}, headers=NEWEST, status=200)
    assert {(await placed(ground))["host"] for _ in "ab"} == {"host-3"}
    path = f"/compute/v2.1/os-services/{nodes['host-3']}"
    await ground.admin("PUT", path, {"status": "disabled"}, headers=NEWEST, status=200)
    assert why(await placed(ground)) == "No valid host was found. 3 hosts; 3 are disabled."


async def test_what_an_operator_gave_a_host_outlives_its_growth(ground: Ground) -> None:
    await give(ground, "host-1", "CUSTOM_GPU", 4)
    path = await provider(ground, "host-1")
    host = path.rpartition("/")[2]
    control = ground.cloud.control
    async with control.database.write() as tx:
        await placement.ensure_provider(
            tx,
            provider_id=host,
            name="host-1",
            totals={"VCPU": (99, 0, 1.0), "MEMORY_MB": (9999, 0, 1.0), "DISK_GB": (99, 0, 1.0)},
            traits=(),
            now=datetime.now(UTC),
        )
    shown = await ground.admin.get(f"{path}/inventories", headers=PLACEMENT)
    assert {name: one["total"] for name, one in shown["inventories"].items()} == {
        "VCPU": 99, "MEMORY_MB": 9999, "DISK_GB": 99, "CUSTOM_GPU": 4,
    }  # fmt: skip


async def test_a_cloud_without_hosts_says_so(tmp_path: Path, database_url: str) -> None:
    async with running(tmp_path, database=database_url, hosts=0) as cloud:
        admin = await cloud.sign_in()
        image, flavor = await an_image(admin), await a_flavor(admin)
        ground = Ground(cloud, admin, admin, image, flavor, "")
        server = await placed(ground, networks="none")
        assert why(server) == "No valid host was found. There are no hosts."
