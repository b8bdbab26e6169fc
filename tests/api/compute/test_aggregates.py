"""Host aggregates: the API, the zones that they make, and where servers go because of them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from hanok.commands import HostInventory, ListInventory
from hanok.commands.wire import ask
from hanok.services.compute import inventory
from hanok.services.compute.room import ComputeSettings
from tests.api.compute.test_scheduling import PLACEMENT, placed, provider, specs, why
from tests.api.compute.test_servers import SERVERS, Ground
from tests.cloud import NEWEST, Client, a_flavor, a_network, an_image, running, settle

ROOT = "/compute/v2.1"
ALL = f"{ROOT}/os-aggregates"
NOBODY = "6b6a0f3e-0000-4000-8000-000000000000"


def at(minor: int) -> dict[str, str]:
    return {"OpenStack-API-Version": f"compute 2.{minor}"}


@asynccontextmanager
async def three_hosts(folder: Path, database: str, **values: Any) -> AsyncIterator[Ground]:
    """A project in a cloud of three hosts, with these settings of compute."""
    settings = ComputeSettings(**values)
    async with running(folder, database=database, hosts=3, compute=settings) as cloud:
        admin = await cloud.sign_in()
        user = await cloud.project_with("p", "member")
        yield Ground(
            cloud, admin, user, await an_image(user), await a_flavor(admin), await a_network(user)
        )


@pytest.fixture
async def ground(tmp_path: Path, database_url: str) -> AsyncIterator[Ground]:
    async with three_hosts(tmp_path, database_url) as found:
        yield found


async def aggregate(admin: Client, name: str, *hosts: str, **metadata: str) -> str:
    """The address of a new aggregate with these hosts and this metadata."""
    made = await admin.post(ALL, {"aggregate": {"name": name}}, 200)
    one = f"{ALL}/{made['aggregate']['id']}"
    if metadata:
        named = {key.replace("__", ":"): value for key, value in metadata.items()}
        await act(admin, one, "set_metadata", {"metadata": named})
    for host in hosts:
        await act(admin, one, "add_host", {"host": host})
    return one


async def act(admin: Client, one: str, key: str, value: Any, status: int = 200) -> Any:
    answer = await admin("POST", f"{one}/action", {key: value}, status=status, headers=NEWEST)
    return answer.json()


async def zones(client: Client) -> dict[str, bool]:
    found = (await client.get(f"{ROOT}/os-availability-zone"))["availabilityZoneInfo"]
    return {one["zoneName"]: one["zoneState"]["available"] for one in found}


async def test_a_conversation(ground: Ground) -> None:
    admin = ground.admin
    body = {"aggregate": {"name": "fast", "availability_zone": "z1"}}
    made = (await admin.post(ALL, body, 200, headers=NEWEST))["aggregate"]
    assert made.keys() == {
        "id", "uuid", "name", "availability_zone", "created_at", "updated_at", "deleted", "deleted_at",
    }  # fmt: skip
    assert (made["name"], made["availability_zone"], made["updated_at"]) == ("fast", "z1", None)
    one = f"{ALL}/{made['id']}"
    shown = (await admin.get(one, headers=NEWEST))["aggregate"]
    assert shown == {**made, "hosts": [], "metadata": {"availability_zone": "z1"}}
    assert "uuid" not in (await admin.get(one, headers=at(40)))["aggregate"]
    shown = (await act(admin, one, "add_host", {"host": "host-1"}))["aggregate"]
    assert shown["hosts"] == ["host-1"] and shown["updated_at"] is not None
    wish = {"metadata": {"ssd": "true", "note": "a"}}
    shown = (await act(admin, one, "set_metadata", wish))["aggregate"]
    assert shown["metadata"] == {"availability_zone": "z1", "ssd": "true", "note": "a"}
    shown = (await act(admin, one, "set_metadata", {"metadata": {"note": None}}))["aggregate"]
    assert shown["metadata"] == {"availability_zone": "z1", "ssd": "true"}
    changed = {"aggregate": {"name": "faster", "availability_zone": "z2"}}
    answer = await admin("PUT", one, changed, status=200)
    assert answer.json()["aggregate"]["availability_zone"] == "z2"
    (listed,) = (await admin.get(ALL, headers=NEWEST))["aggregates"]
    assert listed["name"] == "faster" and listed["hosts"] == ["host-1"]
    await admin("DELETE", one, status=400)
    await act(admin, one, "remove_host", {"host": "host-1"})
    await admin("DELETE", one, status=200)
    await admin("GET", one, status=404)
    assert (await admin.get(ALL))["aggregates"] == []


REFUSED: tuple[tuple[str, str, Any, int, str], ...] = (
    ("POST", "", {"aggregate": {"name": "a"}}, 409, "Aggregate a already exists."),
    ("POST", "", {"aggregate": {"name": ""}}, 400, "name"),
    ("POST", "", {"aggregate": {"name": "x" * 256}}, 400, "name"),
    ("POST", "", {"aggregate": {"name": "b", "availability_zone": ""}}, 400, "availability_zone"),
    ("POST", "", {"aggregate": {"name": "b", "id": 3}}, 400, "id"),
    ("POST", "", {"aggregate": {}}, 400, "name"),
    ("POST", "", {"name": "b"}, 400, "aggregate"),
    ("GET", "/abc", None, 400, "must be an integer"),
    ("GET", "/-1", None, 404, "Aggregate -1 could not be found."),
    ("DELETE", "/-1", None, 404, "could not be found"),
    ("GET", "/--1", None, 400, "must be an integer"),
    ("GET", "/999", None, 404, "Aggregate 999 could not be found."),
    ("GET", "/" + "9" * 30, None, 400, "must be an integer"),
    ("PUT", "/999", {"aggregate": {"name": "b"}}, 404, "could not be found"),
    ("PUT", "/1", {"aggregate": {}}, 400, "aggregate"),
    ("PUT", "/1", {"aggregate": {"availability_zone": None}}, 400, "empty named"),
    ("PUT", "/2", {"aggregate": {"name": "a"}}, 409, "already exists"),
    ("DELETE", "/999", None, 404, "could not be found"),
    ("DELETE", "/1", None, 400, "Host aggregate is not empty."),
    ("POST", "/1/action", {"add_host": {"host": "nosuch"}}, 404, "Compute host nosuch could not be found."),
    ("POST", "/1/action", {"add_host": {"host": "host-1"}}, 409, "already has host host-1"),
    ("POST", "/999/action", {"add_host": {"host": "host-1"}}, 404, "Aggregate 999"),
    ("POST", "/1/action", {"add_host": {}}, 400, "host"),
    ("POST", "/1/action", {"add_host": {"host": "a b"}}, 400, "host"),
    ("POST", "/1/action", {"remove_host": {"host": "host-2"}}, 404, "has no host host-2"),
    ("POST", "/1/action", {"remove_host": {"host": "nosuch"}}, 404, "nosuch"),
    ("POST", "/1/action", {"set_metadata": {"metadata": {"a/b": "c"}}}, 400, ""),
    ("POST", "/1/action", {"set_metadata": {"metadata": {"a": "c" * 256}}}, 400, ""),
    ("POST", "/1/action", {"set_metadata": {"metadata": {"a": 1}}}, 400, ""),
    ("POST", "/1/action", {"set_metadata": {}}, 400, "metadata"),
    ("POST", "/1/action", {"set_metadata": {"metadata": {"cpu_allocation_ratio": "x"}}}, 400, "ratio"),
    ("POST", "/1/action", {"set_metadata": {"metadata": {"ram_allocation_ratio": "-1"}}}, 400, "ratio"),
    ("POST", "/1/action", {"set_metadata": {"metadata": {"disk_allocation_ratio": "nan"}}}, 400, "ratio"),
    ("POST", "/1/action", {"set_metadata": {"metadata": {"availability_zone": None}}}, 400, "empty named"),
    ("POST", "/1/action", {"nosuch": {}}, 400, ""),
    ("POST", "/2/action", {"add_host": {"host": "host-1"}}, 409, "already in availability zone(s) ['z1']"),
    ("POST", "/1/images", {"cache": []}, 400, "cache"),
    ("POST", "/1/images", {"cache": [{"id": "x"}]}, 400, ""),
    ("POST", "/1/images", {"cache": [{"id": NOBODY}]}, 400, f"Image {NOBODY} could not be found."),
    ("POST", "/1/images", {"cache": [{"id": NOBODY}, {"id": NOBODY}]}, 400, "Duplicate images in request"),
)  # fmt: skip


async def test_what_is_refused(ground: Ground) -> None:
    first = await aggregate(ground.admin, "a", "host-1", availability_zone="z1")
    second = await aggregate(ground.admin, "second", availability_zone="z2")
    for method, path, body, status, said in REFUSED:
        path = path.replace("/1", first.removeprefix(ALL)).replace("/2", second.removeprefix(ALL))
        answer = await ground.admin(method, ALL + path, body, headers=NEWEST)
        assert answer.status_code == status, (method, path, body, answer.text)
        assert said in answer.json()[next(iter(answer.json()))]["message"]


async def test_nobody_else_may(ground: Ground) -> None:
    one = await aggregate(ground.admin, "a")
    for method, path, body in (
        ("GET", ALL, None),
        ("GET", one, None),
        ("POST", ALL, {"aggregate": {"name": "b"}}),
        ("PUT", one, {"aggregate": {"name": "b"}}),
        ("DELETE", one, None),
        ("POST", f"{one}/action", {"add_host": {"host": "host-1"}}),
        ("POST", f"{one}/images", {"cache": [{"id": ground.image}]}),
    ):
        await ground.user(method, path, body, status=403, headers=NEWEST)
    await ground.admin(
        "POST", f"{one}/images", {"cache": [{"id": ground.image}]}, status=404, headers=at(80)
    )


async def test_hosts_are_in_the_zone_of_their_aggregate(ground: Ground) -> None:
    assert await zones(ground.user) == {"nova": True}
    one = await aggregate(ground.admin, "a", "host-1", availability_zone="z1")
    assert await zones(ground.user) == {"nova": True, "z1": True}
    listed = (await ground.admin.get(f"{ROOT}/os-services?binary=nova-compute"))["services"]
    assert {row["host"]: row["zone"] for row in listed} == {
        "host-1": "z1", "host-2": "nova", "host-3": "nova",
    }  # fmt: skip
    for zone, hosts in (("z1", {"host-1"}), ("nova", {"host-2", "host-3"})):
        server = await placed(ground, availability_zone=zone)
        assert server["host"] in hosts and server["OS-EXT-AZ:availability_zone"] == zone
    server = {
        "name": "vm",
        "imageRef": ground.image,
        "flavorRef": ground.flavor,
        "networks": "none",
    }
    body = {"server": {**server, "availability_zone": "nosuch"}}
    answer = await ground.user("POST", SERVERS, body, headers=NEWEST, status=400)
    assert "availability zone is not available" in answer.text
    # A host with servers stays in its zone.
    said = "One or more hosts contain instances in this zone."
    answer = await ground.admin("PUT", one, {"aggregate": {"availability_zone": "z2"}}, status=400)
    assert said in answer.text
    wish = {"metadata": {"availability_zone": "z2"}}
    assert said in str(await act(ground.admin, one, "set_metadata", wish, 400))
    assert said in str(await act(ground.admin, one, "remove_host", {"host": "host-1"}, 409))
    other = await aggregate(ground.admin, "b", availability_zone="z3")
    for host in ("host-2", "host-3"):
        answer = await ground.admin("POST", f"{other}/action", {"add_host": {"host": host}})
        assert answer.status_code == (200 if host not in await hosts_with_servers(ground) else 409)
    # Into an aggregate without a zone, or of the same one, it may come.
    await aggregate(ground.admin, "c", "host-1")
    await aggregate(ground.admin, "d", "host-1", availability_zone="z1")
    await act(ground.admin, one, "remove_host", {"host": "host-1"})
    assert await ground.clean() == []


async def hosts_with_servers(ground: Ground) -> set[str]:
    found = await ground.admin.get(f"{SERVERS}/detail?all_tenants=1", headers=NEWEST)
    return {row["OS-EXT-SRV-ATTR:host"] for row in found["servers"]}


async def test_a_full_zone_says_how_many_hosts_are_elsewhere(ground: Ground) -> None:
    await aggregate(ground.admin, "a", "host-1", availability_zone="z1")
    await a_flavor(ground.admin, "huge", ram=10_000_000)
    said = why(await placed(ground, availability_zone="z1", flavorRef="huge"))
    assert said.startswith("No valid host was found. 3 hosts; 2 are not in the requested zone; ")
    assert "1 lacks memory" in said


async def test_placement_follows(ground: Ground) -> None:
    one = await aggregate(ground.admin, "a", "host-1")
    uuid = (await ground.admin.get(one, headers=NEWEST))["aggregate"]["uuid"]
    path = f"{await provider(ground, 'host-1')}/aggregates"
    before = await ground.admin.get(path, headers=PLACEMENT)
    assert before["aggregates"] == [uuid]
    await ground.admin("PUT", path, {**before, "aggregates": []}, headers=PLACEMENT, status=200)
    assert [one for one in await ground.clean() if "placement says otherwise" in str(one)]
    found = await inventory.differences(ground.cloud.compute, mend=True)
    assert [one for one in found if one.what == "aggregate" and one.mended]
    assert (await ground.admin.get(path, headers=PLACEMENT))["aggregates"] == [uuid]
    await act(ground.admin, one, "remove_host", {"host": "host-1"})
    assert (await ground.admin.get(path, headers=PLACEMENT))["aggregates"] == []
    assert await ground.clean() == []


@pytest.mark.parametrize(
    ("metadata", "requested", "hosts"),
    [
        ({"ssd": "true"}, {"aggregate_instance_extra_specs__ssd": "true"}, {"host-1"}),
        ({"ssd": "true"}, {"ssd": "true"}, {"host-1"}),
        ({"ssd": "true"}, {"ssd": "false"}, set()),
        ({"ssd": "a, b"}, {"ssd": "b"}, {"host-1"}),
        ({"ssd": "3"}, {"ssd": ">= 2"}, {"host-1"}),
        ({"ssd": "3"}, {"ssd": ">= 4"}, set()),
        ({"ssd": "x"}, {"ssd": "<or> x <or> y"}, {"host-1"}),
        ({"other": "x"}, {"ssd": "x"}, {"host-1", "host-2", "host-3"}),
        ({"other": "x"}, {"aggregate_instance_extra_specs__ssd": "x"}, set()),
    ],
)
async def test_a_flavor_asks_for_metadata_of_aggregates(
    ground: Ground, metadata: dict[str, str], requested: dict[str, str], hosts: set[str]
) -> None:
    await aggregate(ground.admin, "a", "host-1", **metadata)
    await specs(ground, **requested)
    server = await placed(ground)
    if hosts:
        assert server["host"] in hosts
    else:
        said = "3 are in no aggregates with the flavor's extra specs"
        assert said in why(server)


async def test_hosts_are_kept_for_projects(ground: Ground) -> None:
    mine = ground.user.project_id
    await aggregate(ground.admin, "theirs", "host-1", "host-2", filter_tenant_id="somebody,else")
    assert {(await placed(ground))["host"] for _ in "ab"} == {"host-3"}
    one = await aggregate(ground.admin, "closed", "host-3", filter_tenant_id_2="nobody")
    assert "3 are kept for other projects" in why(await placed(ground))
    await aggregate(ground.admin, "mine", "host-2", filter_tenant_id=f"x,{mine}")
    assert {(await placed(ground))["host"] for _ in "ab"} == {"host-2"}
    await act(ground.admin, one, "remove_host", {"host": "host-3"})
    assert await ground.clean() == []


@pytest.mark.parametrize(
    ("values", "debian", "windows", "without"),
    [
        ({}, True, True, True),
        ({"aggregate_image_properties_isolation": True}, False, True, True),
        (
            {
                "aggregate_image_properties_isolation": True,
                "aggregate_image_properties_isolation_namespace": "os",
                "aggregate_image_properties_isolation_separator": "_",
            },
            False,
            True,
            False,
        ),
    ],
)
async def test_hosts_are_kept_for_images_where_that_is_switched_on(
    tmp_path: Path, values: dict[str, Any], debian: bool, windows: bool, without: bool
) -> None:
    async with three_hosts(tmp_path, "", **values) as ground:
        await aggregate(ground.admin, "w", "host-1", "host-2", "host-3", os_distro="windows")
        for distro, goes in (("debian", debian), ("windows", windows), ("", without)):
            properties = {"os_distro": distro} if distro else {}
            image = await an_image(ground.user, distro or "none", **properties)
            server = await placed(ground, imageRef=image)
            if goes:
                assert server["host"]
            else:
                assert "3 are kept for other images" in why(server)


async def test_hosts_are_kept_for_traits_where_that_is_switched_on(tmp_path: Path) -> None:
    for on, hosts in ((False, {"host-1", "host-2", "host-3"}), (True, {"host-3"})):
        async with three_hosts(tmp_path / str(on), "", isolated_aggregates=on) as ground:
            wish = {"trait__CUSTOM_LICENSED": "required"}
            await aggregate(ground.admin, "a", "host-1", "host-2", **wish)
            assert {(await placed(ground))["host"] for _ in "ab"} <= hosts


async def test_an_aggregate_says_how_much_of_its_hosts_is_given_out(ground: Ground) -> None:
    async def ratio(host: str) -> float:
        path = f"{await provider(ground, host)}/inventories"
        found = await ground.admin.get(path, headers=PLACEMENT)
        return float(found["inventories"]["VCPU"]["allocation_ratio"])

    one = await aggregate(ground.admin, "a", "host-1", cpu_allocation_ratio="2.5")
    two = await aggregate(ground.admin, "b", "host-1", cpu_allocation_ratio="2")
    assert (await ratio("host-1"), await ratio("host-2")) == (2.0, 16.0)
    await act(ground.admin, two, "remove_host", {"host": "host-1"})
    assert await ratio("host-1") == 2.5
    await act(ground.admin, one, "set_metadata", {"metadata": {"cpu_allocation_ratio": None}})
    assert await ratio("host-1") == 16.0


async def test_images_are_brought_to_the_hosts_ahead_of_time(ground: Ground) -> None:
    one = await aggregate(ground.admin, "a", "host-1", "host-2")
    body = {"cache": [{"id": ground.image}]}
    await ground.admin("POST", f"{one}/images", body, headers=NEWEST, status=202)
    await settle(ground.cloud)
    assert await cached(ground) == {"host-1", "host-2"}


async def cached(ground: Ground) -> set[str]:
    """The hosts that have the image."""
    found = set()
    for host in ("host-1", "host-2", "host-3"):
        told = await ask(ground.cloud.compute.bus, host, ListInventory(), timeout_s=60)
        assert isinstance(told, HostInventory)
        if ground.image in told.images:
            found.add(host)
    return found


async def test_a_forgotten_host_is_in_no_aggregate(ground: Ground) -> None:
    one = await aggregate(ground.admin, "a", "host-3")
    listed = (await ground.admin.get(f"{ROOT}/os-services", headers=NEWEST))["services"]
    (gone,) = [row["id"] for row in listed if row["host"] == "host-3"]
    await ground.admin("DELETE", f"{ROOT}/os-services/{gone}", headers=NEWEST, status=204)
    assert (await ground.admin.get(one))["aggregate"]["hosts"] == []


async def test_a_host_that_changes_zones_while_servers_come_ends_in_one(ground: Ground) -> None:
    """Each server is in the zone that its host is in, whoever was first."""
    one = await aggregate(ground.admin, "a", availability_zone="z1")
    server = {
        "name": "vm",
        "imageRef": ground.image,
        "flavorRef": ground.flavor,
        "networks": "none",
    }
    making = [ground.user("POST", SERVERS, {"server": server}, headers=NEWEST) for _ in range(6)]
    moving = [
        ground.admin("POST", f"{one}/action", {"add_host": {"host": f"host-{n}"}})
        for n in (1, 2, 3)
    ]
    await asyncio.gather(*making, *moving)
    await settle(ground.cloud)
    services = (await ground.admin.get(f"{ROOT}/os-services"))["services"]
    zone = {row["host"]: row["zone"] for row in services if row["binary"] == "nova-compute"}
    found = await ground.admin.get(f"{SERVERS}/detail?all_tenants=1", headers=NEWEST)
    for row in found["servers"]:
        assert row["OS-EXT-AZ:availability_zone"] == zone[row["OS-EXT-SRV-ATTR:host"]]
