"""What others reported of clouds of this kind, tried here: a line a report (docs/field.md lists them)."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.api.compute.ground import SERVERS, Ground, at, standing
from tests.cloud import NEWEST, a_flavor, a_server, settle

GROUPS = "/compute/v2.1/os-server-groups"


@pytest.fixture
async def ground(tmp_path: Path) -> AsyncIterator[Ground]:
    async with standing(tmp_path) as one:
        await a_flavor(one.admin, "micro", ram=128, disk=2, vcpus=2)
        yield one


# What brings a server there; then an action, what it answers, and what the answer says.
REFUSED: tuple[tuple[Any, ...], ...] = (
    # hashicorp/terraform#5780
    ("tf-5780", (), "resize", {"flavorRef": "nano"}, 400, "must change flavor"),
    # tf#420: the window had confirmed it before the client did
    ("tf-420", (), "confirmResize", None, 409, "in vm_state active"),
    ("tf-420", ("resize", "confirmResize"), "revertResize", None, 409, "in vm_state active"),
    # tf#1371, ovh/terraform-provider-ovh#632: a server that somebody rescued
    ("tf-1371", ("rescue",), "os-start", None, 409, "in vm_state rescued"),
    ("tf-1371", ("rescue",), "resize", {"flavorRef": "micro"}, 409, "in vm_state rescued"),
    ("tf-1371", ("rescue",), "rescue", {}, 409, "in vm_state rescued"),
    # tf#941: shelved as its provider does it, and again
    ("tf-941", ("shelve",), "shelve", None, 409, "in vm_state shelved_offloaded"),
    ("tf-941", ("shelve",), "os-start", None, 409, "in vm_state shelved_offloaded"),
)


@pytest.mark.parametrize(("_report", "before", "action", "value", "status", "said"), REFUSED)
async def test_what_a_state_does_not_allow(
    ground: Ground,
    _report: str,
    before: tuple[str, ...],
    action: str,
    value: Any,
    status: int,
    said: str,
) -> None:
    server_id = await ground.server()
    values = {"resize": {"flavorRef": "micro"}, "rescue": {}}
    for one in before:
        path = f"{SERVERS}/{server_id}/action"
        await ground.user("POST", path, {one: values.get(one)}, headers=NEWEST)
        await settle(ground.cloud)
    answer = await ground.ask(server_id, action, value, status=status)
    assert said in answer.text


async def test_a_resize_that_is_confirmed_too_early(ground: Ground) -> None:
    """ContainX/openstack4j#84: while the status is RESIZE."""
    server_id = await ground.server()
    ground.cloud.control.worker.pause()
    await ground.ask(server_id, "resize", {"flavorRef": "micro"})
    assert await ground.status(server_id) == "RESIZE"
    said = await ground.ask(server_id, "confirmResize", status=409)
    assert "in vm_state active" in said.text
    ground.cloud.control.worker.go_on()
    await settle(ground.cloud)
    assert await ground.status(server_id) == "VERIFY_RESIZE"


async def test_a_stopped_server_is_resized_and_stays_stopped(ground: Ground) -> None:
    """tf#347: the provider waited for ACTIVE only."""
    server_id = await ground.server()
    await ground.act(server_id, "os-stop")
    await ground.act(server_id, "resize", {"flavorRef": "micro"})
    await ground.act(server_id, "confirmResize", status=204)
    assert await ground.status(server_id) == "SHUTOFF"


@pytest.mark.parametrize(
    ("minor", "group", "status"),
    [
        # tf#118, tf#1520
        (1, {"policies": ["soft-anti-affinity"]}, 400),
        (14, {"policies": ["soft-affinity"]}, 400),
        (15, {"policies": ["soft-anti-affinity"]}, 200),
        (63, {"policies": ["soft-anti-affinity"]}, 200),
        (64, {"policies": ["soft-anti-affinity"]}, 400),
        # tf#1143
        (63, {"policy": "anti-affinity", "rules": {"max_server_per_host": 3}}, 400),
        (64, {"policy": "anti-affinity", "rules": {"max_server_per_host": 3}}, 200),
        (64, {"policy": "anti-affinity", "rules": {"max_server_per_host": "3"}}, 200),
        (64, {"policy": "affinity", "rules": {"max_server_per_host": 3}}, 400),
        (64, {"policy": "anti-affinity", "rules": {"max_server_per_host": 0}}, 400),
        (64, {"policy": "anti-affinity", "rules": {"other": 1}}, 400),
    ],
)
async def test_policies_of_groups_by_version(
    ground: Ground, minor: int, group: dict[str, Any], status: int
) -> None:
    body = {"server_group": {"name": "g", **group}}
    answer = await ground.user("POST", GROUPS, body, headers=at(minor), status=status)
    if status == 200:
        shown = answer.json()["server_group"]
        expected = group.get("policies") or group["policy"]
        assert shown["policies" if minor < 64 else "policy"] == expected
        if "rules" in group:
            assert shown["rules"] == {"max_server_per_host": 3}


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "metadata", {"metadata": {"a": "b"}}),
        ("PUT", "metadata/a", {"meta": {"a": "b"}}),
        ("PUT", "tags", {"tags": ["a"]}),
        ("PUT", "tags/a", None),
    ],
)
async def test_what_is_written_on_a_server_that_is_shelved(
    ground: Ground, method: str, path: str, body: Any
) -> None:
    """tf#1749."""
    server_id = await ground.server()
    await ground.act(server_id, "shelve")
    assert await ground.status(server_id) == "SHELVED_OFFLOADED"
    url = f"{SERVERS}/{server_id}/{path}"
    said = await ground.user(method, url, body, headers=NEWEST, status=409)
    assert "while it is in vm_state shelved_offloaded" in said.text


async def test_a_server_that_fails_says_why_and_holds_no_port(ground: Ground) -> None:
    """cluster-api-provider-openstack#976 and #3375: its owner sees the fault, and its groups can go."""
    group = (
        await ground.user.post("/network/v2.0/security-groups", {"security_group": {"name": "g"}})
    )["security_group"]
    port = (
        await ground.user.post(
            "/network/v2.0/ports",
            {"port": {"network_id": ground.network, "security_groups": [group["id"]]}},
        )
    )["port"]
    await a_flavor(ground.admin, "huge", ram=10**7)
    networks = [{"port": port["id"]}, {"uuid": ground.network}]
    server_id = await a_server(ground.user, ground.image, "huge", networks=networks)
    await settle(ground.cloud)
    shown = await ground.show(server_id, ground.user)
    assert shown["status"] == "ERROR"
    assert "No valid host was found" in shown["fault"]["message"]
    assert shown["addresses"] == {}
    left = (await ground.user.get(f"/network/v2.0/ports/{port['id']}"))["port"]
    assert (left["device_id"], left["device_owner"]) == ("", "")
    await ground.user("DELETE", f"/network/v2.0/ports/{port['id']}", status=204)
    await ground.user("DELETE", f"/network/v2.0/security-groups/{group['id']}", status=204)
    await ground.delete(server_id)
    await ground.assert_nothing_left()


@pytest.mark.parametrize(("minor", "status"), [(1, 400), (51, 400), (52, 202)])
async def test_tags_of_a_new_server_by_version(ground: Ground, minor: int, status: int) -> None:
    """cluster-api-provider-openstack#917."""
    server: dict[str, Any] = {"name": "vm", "imageRef": ground.image, "flavorRef": "nano"}
    server["tags"] = ["a"]
    server["networks"] = [{"uuid": ground.network}]
    said = await ground.user("POST", SERVERS, {"server": server}, headers=at(minor), status=status)
    assert status == 202 or "'tags' was unexpected" in said.text


async def test_a_port_is_attached_twice(ground: Ground) -> None:
    """tf#798: it was attached although the first request had failed at the client."""
    server_id = await ground.server()
    body = {"port": {"network_id": ground.network}}
    port_id = (await ground.user.post("/network/v2.0/ports", body))["port"]["id"]
    path, attach = (
        f"{SERVERS}/{server_id}/os-interface",
        {"interfaceAttachment": {"port_id": port_id}},
    )
    await ground.user("POST", path, attach, headers=NEWEST, status=200)
    await settle(ground.cloud)
    said = await ground.user("POST", path, attach, headers=NEWEST, status=409)
    assert f"Port {port_id} is still in use" in said.text
    await ground.user.get(f"{path}/{port_id}", headers=NEWEST)


async def test_a_port_is_attached_to_a_server_that_failed(ground: Ground) -> None:
    """kubernetes/kops#15299."""
    server_id = await ground.server()
    await ground.ask(server_id, "os-resetState", {"state": "error"}, client=ground.admin)
    body = {"interfaceAttachment": {"net_id": ground.network}}
    path = f"{SERVERS}/{server_id}/os-interface"
    said = await ground.user("POST", path, body, headers=NEWEST, status=409)
    assert "in vm_state error" in said.text


async def test_a_zone_of_an_aggregate_is_set_in_either_way(ground: Ground) -> None:
    """fog/fog-openstack#144, ansible/ansible#19374: by its attribute, or as metadata; removed with null."""
    path = "/compute/v2.1/os-aggregates"
    made = await ground.admin.post(
        path, {"aggregate": {"name": "a", "availability_zone": "east"}}, 200
    )
    one = f"{path}/{made['aggregate']['id']}"
    set_ = {"set_metadata": {"metadata": {"availability_zone": "west", "rack": "1"}}}
    shown = (await ground.admin.post(f"{one}/action", set_, 200))["aggregate"]
    assert shown["availability_zone"] == "west"
    assert shown["metadata"] == {"availability_zone": "west", "rack": "1"}
    body = {"aggregate": {"availability_zone": "north"}}
    answer = await ground.admin("PUT", one, body, status=200)
    assert answer.json()["aggregate"]["metadata"] == {"availability_zone": "north", "rack": "1"}
    shown = (await ground.admin.post(f"{one}/action", {"add_host": {"host": "host-1"}}, 200))[
        "aggregate"
    ]
    assert shown["hosts"] == ["host-1"]
    zones = (await ground.user.get("/compute/v2.1/os-availability-zone"))["availabilityZoneInfo"]
    assert {"zoneName": "north", "zoneState": {"available": True}, "hosts": None} in zones


@pytest.fixture
async def two_hosts(tmp_path: Path) -> AsyncIterator[Ground]:
    async with standing(tmp_path, hosts=2) as one:
        yield one


async def host_of(here: Ground, server_id: str) -> str:
    return str((await here.show(server_id))["OS-EXT-SRV-ATTR:host"])


async def service_of(here: Ground, host: str) -> str:
    path = "/compute/v2.1/os-services?binary=nova-compute"
    services = (await here.admin.get(path, headers=NEWEST))["services"]
    return next(f"/compute/v2.1/os-services/{one['id']}" for one in services if one["host"] == host)


async def providers(here: Ground) -> list[str]:
    path = "/placement/resource_providers"
    return sorted(one["name"] for one in (await here.admin.get(path))["resource_providers"])


async def test_a_host_is_not_forgotten_while_a_server_may_come_back(two_hosts: Ground) -> None:
    """nova#1852610, nova#1763183, nova#1811726: and its provider goes with it."""
    here = two_hosts
    server_id = await here.server()
    source = await host_of(here, server_id)
    await here.act(server_id, "migrate", client=here.admin)
    path = await service_of(here, source)
    said = await here.admin("DELETE", path, headers=NEWEST, status=409)
    assert "have not ended" in said.json()["conflictingRequest"]["message"]
    await here.act(server_id, "revertResize")
    assert await host_of(here, server_id) == source
    said = await here.admin("DELETE", path, headers=NEWEST, status=409)
    assert "hosting instances" in said.json()["conflictingRequest"]["message"]
    await here.delete(server_id)
    await here.admin("DELETE", path, headers=NEWEST, status=204)
    assert source not in await providers(here)


async def _evacuated(here: Ground, server_id: str) -> str:
    """The host that a server has after its own was dead for a moment."""
    path = await service_of(here, await host_of(here, server_id))
    await here.admin("PUT", path, {"forced_down": True}, headers=NEWEST, status=200)
    await here.act(server_id, "evacuate", {}, status=200, client=here.admin)
    await here.admin("PUT", path, {"forced_down": False}, headers=NEWEST, status=200)
    return await host_of(here, server_id)


async def test_a_server_moves_back_to_where_it_was(two_hosts: Ground) -> None:
    """nova#1669054: the host that the move before had to leave was passed over for ever."""
    here = two_hosts
    server_id = await here.server()
    first = await host_of(here, server_id)
    await here.act(server_id, "migrate", client=here.admin)
    await here.act(server_id, "confirmResize", status=204)
    assert await host_of(here, server_id) != first
    assert await _evacuated(here, server_id) == first


async def test_groups_hold_those_that_are_there(two_hosts: Ground) -> None:
    """nova#1869050, nova#1830747: neither a deleted server of the group nor a deleted group holds up a move."""
    here = two_hosts
    body = {"server_group": {"name": "g", "policy": "anti-affinity"}}
    group = (await here.user.post(GROUPS, body, 200, headers=NEWEST))["server_group"]["id"]
    hints = {"os:scheduler_hints": {"group": group}}
    first, second = await _of_group(here, hints), await _of_group(here, hints)
    freed = await host_of(here, second)
    await here.delete(second)
    await here.act(first, "migrate", client=here.admin)
    assert await host_of(here, first) == freed
    await here.act(first, "confirmResize", status=204)
    await here.user("DELETE", f"{GROUPS}/{group}", status=204)
    await here.act(first, "migrate", client=here.admin)
    await here.act(first, "confirmResize", status=204)
    assert await _evacuated(here, first) == freed


async def _of_group(here: Ground, hints: dict[str, Any]) -> str:
    server = {"name": "vm", "imageRef": here.image, "flavorRef": here.flavor, "networks": "none"}
    made = await here.user.post(SERVERS, {"server": server, **hints}, 202, headers=NEWEST)
    await settle(here.cloud)
    return str(made["server"]["id"])


async def test_a_server_whose_flavor_is_gone(two_hosts: Ground) -> None:
    """It is shown, moved, resized and set back as it was."""
    here = two_hosts
    await a_flavor(here.admin, "micro", ram=128, disk=2, vcpus=2)
    server_id = await here.server()
    await here.admin("DELETE", f"/compute/v2.1/flavors/{here.flavor}", status=202)
    (shown,) = (await here.user.get(f"{SERVERS}/detail", headers=at(46)))["servers"]
    assert shown["flavor"]["id"] == here.flavor
    await here.act(server_id, "migrate", client=here.admin)
    await here.act(server_id, "confirmResize", status=204)
    await here.act(server_id, "resize", {"flavorRef": "micro"})
    await here.act(server_id, "revertResize")
    await here.act(server_id, "shelve")
    await here.act(server_id, "unshelve", None)
    assert await here.status(server_id) == "ACTIVE"
    assert (await here.usages())["MEMORY_MB"] == 64
