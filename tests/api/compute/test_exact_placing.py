"""Servers that have CPUs, memory pages or PCI devices of their host alone, and what is told of their placing."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from hanok.base import failpoints
from hanok.cli.commands import explain
from hanok.node.simulated import Shape
from hanok.services.compute.facade import ComputeSettings
from hanok.services.compute.logic import topologies
from hanok.services.compute.room import PCIAlias
from tests.api.compute.ground import PLACES, SERVERS, Ground, at
from tests.cloud import NEWEST, a_flavor, a_network, an_image, running, settle

PLACEMENT = {"OpenStack-API-Version": "placement 1.39"}
HARDWARE = Shape(
    vcpus=16, memory_mib=16384, numa_cells=2, threads=2, dedicated_cpus=8, ratios={"VCPU": 2.0},
    huge_pages={"2048": 512}, pci={"8086:1563": 2, "10de:1db4": 1},
)  # fmt: skip
ALIASES = (
    PCIAlias(name="nic", vendor_id="8086", product_id="1563"),
    PCIAlias(name="gpu", vendor_id="10de", product_id="1db4"),
)


@pytest.fixture
async def ground(tmp_path: Path, database_url: str) -> AsyncIterator[Ground]:
    """A project in a cloud of two hosts with two NUMA cells each, and a flavor of four vCPUs."""
    settings = ComputeSettings(pci_aliases=ALIASES)
    shapes = {"host-1": HARDWARE, "host-2": HARDWARE}
    async with running(
        tmp_path, database=database_url, hosts=2, compute=settings, shapes=shapes
    ) as cloud:
        admin = await cloud.sign_in()
        user = await cloud.project_with("p", "member")
        flavor = await a_flavor(admin, vcpus=4, ram=512)
        yield Ground(cloud, admin, user, await an_image(user), flavor, await a_network(user))


async def provider(ground: Ground, host: str) -> str:
    """The path of a host's resource provider."""
    found = await ground.admin.get(f"/placement/resource_providers?name={host}", headers=PLACEMENT)
    return f"/placement/resource_providers/{found['resource_providers'][0]['uuid']}"


async def specs(ground: Ground, **those: str) -> None:
    """The flavor has these extra specs, with colons for __."""
    named = {name.replace("__", ":"): value for name, value in those.items()}
    path = f"/compute/v2.1/flavors/{ground.flavor}/os-extra_specs"
    await ground.admin.post(path, {"extra_specs": named}, 200)


async def placed(ground: Ground, *, flavor: str = "", host: str = "", name: str = "vm") -> Any:
    """A new server, on a certain host if one is named, as its administrator sees it when all is done."""
    server = {
        "name": name, "imageRef": ground.image, "flavorRef": flavor or ground.flavor, "networks": "none",
    }  # fmt: skip
    if host:
        server["host"] = host
    client = ground.admin if host else ground.user
    made = (await client.post(SERVERS, {"server": server}, 202, headers=NEWEST))["server"]["id"]
    await settle(ground.cloud)
    shown = await ground.show(made)
    shown["host"] = shown["OS-EXT-SRV-ATTR:host"]
    return shown


def why(server: Any) -> str:
    """The fault of a server that could not be built."""
    assert server["status"] == "ERROR"
    return str(server["fault"]["message"])


async def topology(ground: Ground, server_id: str, client: Any = None) -> Any:
    path = f"{SERVERS}/{server_id}/topology"
    return await (client or ground.admin).get(path, headers=NEWEST)


async def records(ground: Ground, which: str) -> list[Any]:
    found = await ground.admin.get(f"/hanok/v1/servers/{which}/scheduling")
    return list(found["records"])


async def test_hosts_say_what_they_have(ground: Ground) -> None:
    path = await provider(ground, "host-1")
    found = await ground.admin.get(f"{path}/inventories", headers=PLACEMENT)
    totals = {name: one["total"] for name, one in found["inventories"].items()}
    assert totals == {"VCPU": 8, "PCPU": 8, "MEMORY_MB": 16384, "DISK_GB": 2000}
    ratios = {name: one["allocation_ratio"] for name, one in found["inventories"].items()}
    assert ratios == {"VCPU": 2.0, "PCPU": 1.0, "MEMORY_MB": 1.0, "DISK_GB": 1.0}
    tree = f"/placement/resource_providers?in_tree={path.rsplit('/', 1)[-1]}"
    below = (await ground.admin.get(tree, headers=PLACEMENT))["resource_providers"]
    assert sorted(one["name"] for one in below)[0] == "host-1"
    assert len(below) == 4


async def test_dedicated_cpus_are_given_once(ground: Ground) -> None:
    await specs(ground, hw__cpu_policy="dedicated")
    servers = [await placed(ground) for _ in range(5)]
    assert [one["status"] for one in servers[:4]] == ["ACTIVE"] * 4
    assert why(servers[4]) == (
        "No valid host was found. 2 hosts; 2 lack dedicated CPUs: 4 requested, 0 free."
    )
    pins = set()
    for one in servers[:4]:
        (node,) = (await topology(ground, one["id"]))["nodes"]
        assert node["vcpu_set"] == [0, 1, 2, 3] and node["memory_mb"] == 512
        pins |= {(one["host"], cpu) for cpu in node["cpu_pinning"].values()}
    assert len(pins) == 16
    mine = (await topology(ground, servers[0]["id"], ground.user))["nodes"][0]
    assert "cpu_pinning" not in mine and "host_node" not in mine
    await ground.delete(servers[0]["id"])
    assert (await placed(ground))["status"] == "ACTIVE"
    await ground.assert_clean()


async def test_a_node_of_a_guest_is_on_one_cell(ground: Ground) -> None:
    """Two vCPUs are free in each cell of a host; a guest of one node with four of them does not fit there."""
    two = await a_flavor(ground.admin, "two", vcpus=2, ram=64)
    for flavor in (two, ground.flavor):
        path = f"/compute/v2.1/flavors/{flavor}/os-extra_specs"
        requested = {"hw:cpu_policy": "dedicated"}
        await ground.admin.post(path, {"extra_specs": requested}, 200)
    await ground.admin.post(
        f"/compute/v2.1/flavors/{two}/os-extra_specs", {"extra_specs": {"hw:numa_nodes": "2"}}, 200
    )
    for host in ("host-1", "host-2"):
        for _ in range(2):
            one = await placed(ground, host=host, flavor=two)
            assert (
                one["status"] == "ACTIVE" and len((await topology(ground, one["id"]))["nodes"]) == 2
            )
    assert (await placed(ground, host="host-1", flavor=two))["status"] == "ACTIVE"
    assert why(await placed(ground)) == (
        "No valid host was found. 2 hosts; 1 lacks dedicated CPUs: 4 requested, 2 free; 1 has no fitting NUMA cells: "
        "4 dedicated CPUs requested in one NUMA cell, 2 free."
    )


async def test_huge_pages(ground: Ground) -> None:
    await specs(ground, hw__mem_page_size="large")
    servers = [await placed(ground) for _ in range(5)]
    assert [one["status"] for one in servers] == ["ACTIVE"] * 4 + ["ERROR"]
    assert (await topology(ground, servers[0]["id"]))["pagesize_kb"] == 2048
    assert "512 MiB in pages of the size 'large' requested in one NUMA cell, 0 free" in why(
        servers[4]
    )


async def test_devices_are_given_once_and_come_back(ground: Ground) -> None:
    await specs(ground, pci_passthrough__alias="nic:2,gpu:1")
    first, second, third = [await placed(ground) for _ in range(3)]
    assert {first["host"], second["host"]} == {"host-1", "host-2"}
    assert why(third).startswith(
        "No valid host was found. 2 hosts; 2 lack CUSTOM_PCI_8086_1563: 1 requested, 0 free"
    )
    held = await ground.admin.get(f"/placement/allocations/{first['id']}", headers=PLACEMENT)
    assert len(held["allocations"]) == 4
    await ground.delete(first["id"])
    assert (await placed(ground))["host"] == first["host"]
    await ground.assert_clean()


async def test_servers_without_devices_leave_hosts_with_free_ones_alone(ground: Ground) -> None:
    gpu = await a_flavor(ground.admin, "gpu", vcpus=1, ram=64)
    path = f"/compute/v2.1/flavors/{gpu}/os-extra_specs"
    await ground.admin.post(path, {"extra_specs": {"pci_passthrough:alias": "gpu:1"}}, 200)
    one = await placed(ground, host="host-2", flavor=gpu)
    assert one["status"] == "ACTIVE"
    (record, *_) = await records(ground, (await placed(ground))["id"])
    weights = {host["host"]: host["weights"]["pci"] for host in record["hosts"]}
    assert weights == {"host-2": 1.0, "host-1": 0.0}


@pytest.mark.parametrize(
    ("spec", "value", "words"),
    [
        ("pci_passthrough:alias", "nothing:1", "PCI alias nothing is not defined"),
        ("pci_passthrough:alias", "nic", "is not a name and a number"),
        ("pci_passthrough:alias", "nic:99", "more than 32 PCI devices"),
        ("hw:cpu_policy", "mixed", "Must specify 'hw:cpu_dedicated_mask'"),
        ("hw:cpu_realtime", "yes", "not supported"),
        ("same_subtree", "_A", "not one of its groups"),
    ],
)
async def test_what_cannot_be_asked_for(ground: Ground, spec: str, value: str, words: str) -> None:
    await specs(ground, **{spec.replace(":", "__"): value})
    server = {
        "name": "vm", "imageRef": ground.image, "flavorRef": ground.flavor, "networks": "none",
    }  # fmt: skip
    answer = await ground.user("POST", SERVERS, {"server": server}, headers=NEWEST)
    assert answer.status_code == 400 and words in answer.text


async def test_a_resize_holds_both_until_it_is_decided(ground: Ground) -> None:
    """On one host, old and new CPUs are the server's until it is confirmed or reverted."""
    big = await a_flavor(ground.admin, "big", vcpus=2, ram=512)
    for flavor in (big, ground.flavor):
        path = f"/compute/v2.1/flavors/{flavor}/os-extra_specs"
        await ground.admin.post(path, {"extra_specs": {"hw:cpu_policy": "dedicated"}}, 200)
    server = await placed(ground, host="host-1", flavor=ground.flavor)
    before = await topology(ground, server["id"])
    for end, flavor in (("revertResize", ground.flavor), ("confirmResize", big)):
        await ground.act(server["id"], "resize", {"flavorRef": big}, client=ground.admin)
        now = await topology(ground, server["id"])
        assert now["nodes"][0]["vcpu_set"] == [0, 1]
        old, new = (set(one["nodes"][0]["cpu_pinning"].values()) for one in (before, now))
        assert (
            not old & new or (await ground.show(server["id"]))["OS-EXT-SRV-ATTR:host"] != "host-1"
        )
        status = 202 if end == "revertResize" else 204
        await ground.act(server["id"], end, client=ground.admin, status=status)
        after = await topology(ground, server["id"])
        assert after == (before if flavor == ground.flavor else now)
    held = await ground.admin.get(f"/placement/allocations/{server['id']}", headers=PLACEMENT)
    (amounts,) = held["allocations"].values()
    assert amounts["resources"] == {"PCPU": 2, "MEMORY_MB": 512, "DISK_GB": 1}
    await ground.assert_clean()


async def test_shelved_servers_have_nothing_of_a_host(ground: Ground) -> None:
    await specs(ground, hw__cpu_policy="dedicated")
    server = await placed(ground)
    await ground.act(server["id"], "shelve")
    assert (await topology(ground, server["id"])) == {"nodes": [], "pagesize_kb": None}
    others = [await placed(ground) for _ in range(4)]
    assert {one["status"] for one in others} == {"ACTIVE"}
    await ground.delete(others[0]["id"])
    await ground.act(server["id"], "unshelve", minor=1)
    assert len((await topology(ground, server["id"]))["nodes"]) == 1


@pytest.mark.parametrize("step", ["ClaimHost", "StartGuest"])
async def test_a_build_that_breaks_leaves_nothing_given_out(ground: Ground, step: str) -> None:
    """All CPUs of both hosts can be had after builds that broke at any point."""
    await specs(ground, hw__cpu_policy="dedicated")
    for place in PLACES:
        with failpoints.armed(f"compute.create_server.{step}.{place}", "raise"):
            await placed(ground)
    for one in (await ground.user.get(SERVERS, headers=NEWEST))["servers"]:
        await ground.user("DELETE", f"{SERVERS}/{one['id']}", status=204)
    await settle(ground.cloud)
    await ground.assert_nothing_left()
    async with ground.cloud.control.database.read() as tx:
        assert await topologies.at_hosts(tx, ["host-1", "host-2"]) == {}
    servers = [await placed(ground) for _ in range(4)]
    assert {one["status"] for one in servers} == {"ACTIVE"}


async def test_a_rebuild_keeps_the_topology(ground: Ground) -> None:
    server = await placed(ground)
    other = await an_image(ground.user, "other", hw_cpu_policy="dedicated")
    path = f"{SERVERS}/{server['id']}/action"
    body = {"rebuild": {"imageRef": other}}
    answer = await ground.user("POST", path, body, headers=at(104))
    assert answer.status_code == 400 and "cannot be changed as part of a rebuild" in answer.text


async def test_why_a_server_is_where_it_is(ground: Ground) -> None:
    server = await placed(ground, name="mine")
    for which in (server["id"], "mine"):
        (record,) = await records(ground, which)
        assert record["host"] == server["host"] and record["left"] == 2
        assert {one["host"] for one in record["hosts"]} == {"host-1", "host-2"}
        assert set(record["hosts"][0]["weights"]) == {
            "ram",
            "cpu",
            "disk",
            "io_ops",
            "pci",
            "build_failure",
        }
    text = "\n".join(explain.lines(record))
    assert f"host {server['host']} took it; 2 could." in text and "build_failure" in text
    await ground.delete(server["id"])
    assert len(await records(ground, server["id"])) == 1  # also after its end


async def test_why_a_server_is_nowhere(ground: Ground) -> None:
    """Numbers for the user, in the fault; the names of hosts for the operator."""
    await ground.admin(
        "PUT", "/compute/v2.1/os-services/disable", {"host": "host-2", "binary": "nova-compute"}
    )
    await specs(ground, trait__CUSTOM_NO="required")
    server = await placed(ground)
    assert (
        why(server) == "No valid host was found. 2 hosts; 1 is disabled; 1 lacks trait CUSTOM_NO."
    )
    (record,) = await records(ground, server["id"])
    assert record["host"] is None
    assert [(one["what"], one["hosts"]) for one in record["reasons"]] == [
        ("1 is disabled", ["host-2"]), ("1 lacks trait CUSTOM_NO", ["host-1"]),
    ]  # fmt: skip
    assert "  1 is disabled (host-2)" in explain.lines(record)


async def test_hosts_are_asked_what_they_tell_of_themselves(ground: Ground) -> None:
    """By the hint and by the flavor."""
    for query, status in (
        ('["=", "$host", "host-2"]', "ACTIVE"),
        ('["<", "$vcpus_total", 1]', "ERROR"),
    ):
        server = {
            "name": "vm", "imageRef": ground.image, "flavorRef": ground.flavor, "networks": "none",
        }  # fmt: skip
        body = {"server": server, "os:scheduler_hints": {"query": query}}
        made = (await ground.user.post(SERVERS, body, 202, headers=NEWEST))["server"]["id"]
        await settle(ground.cloud)
        shown = await ground.show(made)
        assert shown["status"] == status
        if status == "ACTIVE":
            assert shown["OS-EXT-SRV-ATTR:host"] == "host-2"
        else:
            assert "2 do not fulfil the hint 'query'" in why(shown)
    await specs(ground, capabilities__hypervisor_type="s== xen")
    assert "2 do not have the capabilities that the flavor asks for" in why(await placed(ground))


async def test_limits_of_hosts(tmp_path: Path, database_url: str) -> None:
    settings = ComputeSettings(max_instances_per_host=1)
    async with running(tmp_path, database=database_url, hosts=2, compute=settings) as cloud:
        admin = await cloud.sign_in()
        ground = Ground(cloud, admin, admin, await an_image(admin), await a_flavor(admin), "")
        servers = [await placed(ground) for _ in range(3)]
        assert {one["host"] for one in servers[:2]} == {"host-1", "host-2"}
        assert "2 have as many servers as max_instances_per_host allows" in why(servers[2])


async def test_who_may_ask_why(ground: Ground) -> None:
    server = await placed(ground)
    path = f"/hanok/v1/servers/{server['id']}/scheduling"
    await ground.user("GET", path, status=403)
    await ground.admin("GET", "/hanok/v1/servers/nobody/scheduling", status=404)
