"""Servers get another flavor, keep it, or get the old one back."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from hanok.base import failpoints
from hanok.base.clock import Clock
from hanok.services.compute import timed
from hanok.services.compute.facade import ComputeSettings
from tests.api.compute.ground import PLACES, Ground, standing
from tests.cloud import NEWEST, a_flavor, an_image, settle

TO_OTHER_HOSTS = ComputeSettings(allow_resize_to_same_host=False)
STEPS = ("ClaimHost", "StopGuest", "StartResized")
NANO = {"VCPU": 1, "MEMORY_MB": 64, "DISK_GB": 1}
MICRO = {"VCPU": 2, "MEMORY_MB": 128, "DISK_GB": 2}
SLIM = {"VCPU": 1, "MEMORY_MB": 32, "DISK_GB": 1}


async def flavors(ground: Ground) -> None:
    await a_flavor(ground.admin, "micro", ram=128, disk=2, vcpus=2, swap=8)
    await a_flavor(ground.admin, "slim", ram=32, disk=1, vcpus=1)


@pytest.fixture
async def ground(tmp_path: Path) -> AsyncIterator[Ground]:
    async with standing(tmp_path) as one:
        await flavors(one)
        yield one


@pytest.fixture(params=["stays", "moves"])
async def either(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Ground]:
    """A resized server stays on its host, or goes to the other one."""
    settings = ComputeSettings() if request.param == "stays" else TO_OTHER_HOSTS
    async with standing(tmp_path, hosts=2, compute=settings) as one:
        await flavors(one)
        yield one


async def statuses(ground: Ground, server_id: str) -> list[str]:
    """Of the server's migrations, the oldest first."""
    path = f"/compute/v2.1/os-migrations?instance_uuid={server_id}"
    found = (await ground.admin.get(path, headers=NEWEST))["migrations"]
    return [one["status"] for one in sorted(found, key=lambda one: int(one["id"]))]


async def used(ground: Ground) -> tuple[int, int]:
    limits = (await ground.user.get("/compute/v2.1/limits"))["limits"]["absolute"]
    return limits["totalCoresUsed"], limits["totalRAMUsed"]


@pytest.mark.parametrize("before", [None, "os-stop"])
@pytest.mark.parametrize("end", ["confirmResize", "revertResize"])
async def test_a_server_is_resized_and_that_is_kept_or_taken_back(
    either: Ground, end: str, before: str | None
) -> None:
    ground = either
    server_id = await ground.server()
    first = await ground.show(server_id)
    if before:
        await ground.act(server_id, before)
    await ground.act(server_id, "resize", {"flavorRef": "micro"})
    shown = await ground.show(server_id)
    assert (shown["status"], shown["flavor"]["original_name"]) == ("VERIFY_RESIZE", "micro")
    assert shown["addresses"] == first["addresses"]
    host, there = "OS-EXT-SRV-ATTR:host", {**NANO, "DISK_GB": 1}
    moved = shown[host] != first[host]
    usages = await ground.usages()
    larger = {"VCPU": 2, "MEMORY_MB": 128, "DISK_GB": 3}  # with swap
    both = {name: larger[name] + there[name] for name in larger}
    assert usages == (both if moved else larger)
    assert await used(ground) == (2, 128)
    power = "stopped" if before else "running"
    assert (await ground.guests(shown[host]))[server_id] == power
    await ground.assert_clean()
    for action in ("resize", "os-stop", "pause"):
        value = {"flavorRef": "slim"} if action == "resize" else None
        said = await ground.ask(server_id, action, value, status=409)
        assert f"Cannot '{action.removeprefix('os-')}' instance" in said.text
    assert await statuses(ground, server_id) == ["finished"]
    await ground.act(server_id, end, status=204 if end == "confirmResize" else 202)
    shown = await ground.show(server_id)
    assert shown["status"] == ("SHUTOFF" if before else "ACTIVE")
    confirmed = end == "confirmResize"
    assert shown["flavor"]["original_name"] == ("micro" if confirmed else "nano")
    assert (shown[host] == first[host]) is not (moved and confirmed)
    assert await ground.usages() == (larger if confirmed else there)
    assert await used(ground) == ((2, 128) if confirmed else (1, 64))
    assert await statuses(ground, server_id) == ["confirmed" if confirmed else "reverted"]
    assert (await ground.actions(server_id))[:2] == [(end, None), ("resize", None)]
    [port] = (await ground.admin.get(f"/network/v2.0/ports?device_id={server_id}"))["ports"]
    assert port["binding:host_id"] == shown[host]
    for name in ("host-1", "host-2"):
        assert (await ground.guests(name)) == ({server_id: power} if name == shown[host] else {})
    await ground.ask(server_id, end, status=409)
    await ground.assert_clean()
    await ground.act(
        server_id,
        "resize",
        {"flavorRef": "nano" if confirmed else "micro"},
        status=400 if confirmed else 202,
    )  # disks do not shrink
    await ground.delete(server_id)
    await ground.assert_nothing_left()


async def test_a_smaller_flavor_counts_as_the_larger_until_it_is_kept(ground: Ground) -> None:
    server_id = await ground.server()
    await ground.act(server_id, "resize", {"flavorRef": "slim"})
    assert await used(ground) == (1, 64) and await ground.usages() == NANO
    await ground.act(server_id, "confirmResize", status=204)
    assert await used(ground) == (1, 32) and await ground.usages() == SLIM


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"id": "nano"}, "must change flavor"),
        ({"id": "nosuch"}, "could not be found"),
        ({"disk": 0}, "zero disk"),
        ({"id": 1.5}, "flavor"),
        ({"id": None}, "flavor"),
        ({"id": True}, "not a valid flavor"),
        ({"id": ""}, "not a valid flavor"),
    ],
)
async def test_a_flavor_that_does_not_fit_is_refused(
    ground: Ground, values: dict[str, Any], words: str
) -> None:
    server_id = await ground.server()
    ref = values.pop("id", "other")
    if values:
        await a_flavor(ground.admin, "other", **values)
    said = await ground.ask(server_id, "resize", {"flavorRef": ref}, status=400)
    assert words in said.text and await ground.status(server_id) == "ACTIVE"


async def test_an_image_that_needs_more_and_a_quota_that_is_full_refuse(ground: Ground) -> None:
    ground.image = await an_image(ground.user, "large", min_ram=64)
    server_id = await ground.server()
    said = await ground.ask(server_id, "resize", {"flavorRef": "slim"}, status=400)
    assert "memory is too small" in said.text
    path = f"/compute/v2.1/os-quota-sets/{ground.user.project_id}"
    await ground.admin("PUT", path, {"quota_set": {"cores": 1}}, status=200)
    said = await ground.ask(server_id, "resize", {"flavorRef": "micro"}, status=403)
    assert "Quota exceeded for cores" in said.text
    await ground.ask(server_id, "resize", {"flavorRef": "micro", "surprise": 1}, status=400)
    await ground.ask(server_id, "confirmResize", status=409)
    await ground.ask(server_id, "revertResize", status=409)


async def test_a_flavor_that_no_host_can_give_leaves_the_server_as_it_was(ground: Ground) -> None:
    await a_flavor(ground.admin, "huge", ram=1 << 30)
    server_id = await ground.server()
    await ground.act(server_id, "resize", {"flavorRef": "huge"})
    shown = await ground.show(server_id)
    assert (shown["status"], shown["flavor"]["original_name"]) == ("ACTIVE", "nano")
    path = f"/compute/v2.1/servers/{server_id}/os-instance-actions"
    one = (await ground.admin.get(path, headers=NEWEST))["instanceActions"][0]
    told = await ground.admin.get(f"{path}/{one['request_id']}", headers=NEWEST)
    assert "No valid host was found" in told["instanceAction"]["events"][-1]["details"]
    assert await ground.usages() == NANO and await used(ground) == (1, 64)
    assert await statuses(ground, server_id) == ["error"]
    await ground.assert_clean()


async def test_a_host_that_is_nearly_full_gives_a_server_what_it_has_already(
    ground: Ground,
) -> None:
    """What the server holds itself is not taken for somebody else's."""
    await a_flavor(ground.admin, "half", ram=40 * 1024, vcpus=1)
    await a_flavor(ground.admin, "more", ram=60 * 1024, vcpus=1)
    ground.flavor = "half"
    server_id = await ground.server()
    await ground.act(server_id, "resize", {"flavorRef": "more"})
    assert await ground.status(server_id) == "VERIFY_RESIZE"


async def test_where_servers_may_not_stay_one_host_is_none(tmp_path: Path) -> None:
    async with standing(tmp_path, compute=TO_OTHER_HOSTS) as ground:
        await flavors(ground)
        server_id = await ground.server()
        await ground.act(server_id, "resize", {"flavorRef": "micro"})
        assert await ground.status(server_id) == "ACTIVE"
        assert (await ground.actions(server_id))[0] == ("resize", "Error")
        await ground.assert_clean()


class Moved(Clock):
    """A clock that can be put forward."""

    ahead = timedelta()

    def now(self) -> Any:
        return super().now() + self.ahead


async def test_a_resize_is_confirmed_by_itself_when_its_time_has_come(tmp_path: Path) -> None:
    settings, clock = ComputeSettings(resize_confirm_window_s=60, down_after_s=10**6), Moved()
    async with standing(tmp_path, compute=settings, clock=clock) as ground:
        await flavors(ground)
        server_id = await ground.server()
        await ground.act(server_id, "resize", {"flavorRef": "micro"})
        await timed.begin_due(ground.cloud.compute)
        await settle(ground.cloud)
        assert await ground.status(server_id) == "VERIFY_RESIZE"
        clock.ahead = timedelta(seconds=61)
        await timed.begin_due(ground.cloud.compute)
        await settle(ground.cloud)
        clock.ahead = timedelta()
        assert await ground.status(server_id) == "ACTIVE"


async def test_a_server_that_waits_for_its_confirmation_is_deleted_whole(either: Ground) -> None:
    server_id = await either.server()
    await either.act(server_id, "resize", {"flavorRef": "micro"})
    await either.delete(server_id)
    assert await statuses(either, server_id) == ["error"]
    await either.assert_nothing_left()


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("step", STEPS)
async def test_a_resize_that_breaks_leaves_the_server_as_it_was(
    either: Ground, step: str, place: str
) -> None:
    ground = either
    server_id = await ground.server()
    host = (await ground.show(server_id))["OS-EXT-SRV-ATTR:host"]
    with failpoints.armed(f"compute.resize_server.{step}.{place}", "raise"):
        await ground.act(server_id, "resize", {"flavorRef": "micro"})
    shown = await ground.show(server_id)
    assert (shown["status"], shown["flavor"]["original_name"]) == ("ACTIVE", "nano")
    assert shown["OS-EXT-SRV-ATTR:host"] == host
    assert await ground.guests(host) == {server_id: "running"}
    assert await ground.usages() == NANO and await used(ground) == (1, 64)
    [port] = (await ground.admin.get(f"/network/v2.0/ports?device_id={server_id}"))["ports"]
    assert port["binding:host_id"] == host
    await ground.assert_clean()
    await ground.act(server_id, "resize", {"flavorRef": "micro"})
    assert await ground.status(server_id) == "VERIFY_RESIZE"
    await ground.delete(server_id)
    await ground.assert_nothing_left()


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize(
    ("action", "kind", "step"),
    [
        ("confirmResize", "confirm_resize", "DropOld"),
        ("revertResize", "revert_resize", "StopGuest"),
        ("revertResize", "revert_resize", "StartOld"),
        ("revertResize", "revert_resize", "LeaveNew"),
    ],
)
async def test_an_end_of_a_resize_that_breaks_may_be_asked_for_again(
    either: Ground, action: str, kind: str, step: str, place: str
) -> None:
    ground = either
    server_id = await ground.server()
    await ground.act(server_id, "resize", {"flavorRef": "micro"})
    status = 204 if action == "confirmResize" else 202
    with failpoints.armed(f"compute.{kind}.{step}.{place}", "raise"):
        await ground.act(server_id, action, status=status)
    if step == "LeaveNew":  # it is back already
        assert await ground.status(server_id) == "ACTIVE"
    else:
        assert await ground.status(server_id) == "VERIFY_RESIZE"
        await ground.assert_clean()
        await ground.act(server_id, action, status=status)
        assert await ground.status(server_id) == "ACTIVE"
    await ground.assert_clean()
    await ground.delete(server_id)
    await ground.assert_nothing_left()


async def test_what_is_done_to_a_server_is_the_same_on_each_database(
    tmp_path: Path, database_url: str
) -> None:
    async with standing(tmp_path, hosts=2, database=database_url, compute=TO_OTHER_HOSTS) as ground:
        await flavors(ground)
        server_id = await ground.server()
        for action, value, status, shown in (
            ("resize", {"flavorRef": "micro"}, 202, "VERIFY_RESIZE"),
            ("revertResize", None, 202, "ACTIVE"),
            ("resize", {"flavorRef": "micro"}, 202, "VERIFY_RESIZE"),
            ("confirmResize", None, 204, "ACTIVE"),
            ("rebuild", {"imageRef": ground.image}, 202, "ACTIVE"),
            ("rescue", None, 200, "RESCUE"),
            ("unrescue", None, 202, "ACTIVE"),
            ("shelve", None, 202, "SHELVED_OFFLOADED"),
            ("unshelve", None, 202, "ACTIVE"),
        ):
            await ground.act(server_id, action, value, status=status)
            assert await ground.status(server_id) == shown, action
            await ground.assert_clean()
        assert await used(ground) == (2, 128)
        await timed.begin_due(ground.cloud.compute)
        await ground.delete(server_id)
        await ground.assert_nothing_left()


async def test_a_migration_names_flavors_by_numbers(ground: Ground) -> None:
    await a_flavor(ground.admin, "micro-2", ram=256, disk=3, vcpus=2)
    server_id = await ground.server()
    for flavor in ("micro", "micro-2"):
        await ground.act(server_id, "resize", value={"flavorRef": flavor})
        await settle(ground.cloud)
        await ground.ask(server_id, "confirmResize", None, status=204)
        await settle(ground.cloud)
    path = f"/compute/v2.1/os-migrations?instance_uuid={server_id}"
    found = (await ground.admin.get(path, headers=NEWEST))["migrations"]
    second, first = sorted(found, key=lambda one: -int(one["id"]))
    old, between, new = (
        first["old_instance_type_id"],
        first["new_instance_type_id"],
        second["new_instance_type_id"],
    )
    assert second["old_instance_type_id"] == between
    assert len({old, between, new}) == 3 and all(isinstance(n, int) for n in (old, between, new))


async def test_servers_of_a_group_stay_apart_on_their_way(tmp_path: Path) -> None:
    """Both have to leave their hosts, and there is one host that has neither."""
    async with standing(tmp_path, hosts=3, compute=TO_OTHER_HOSTS) as ground:
        await flavors(ground)
        body = {"server_group": {"name": "apart", "policy": "anti-affinity"}}
        group = await ground.user.post("/compute/v2.1/os-server-groups", body, 200, headers=NEWEST)
        image = await an_image(ground.user)
        made = []
        for name in ("one", "two"):
            server = {"name": name, "imageRef": image, "flavorRef": "nano", "networks": "none"}
            hints = {"group": group["server_group"]["id"]}
            whole = {"server": server, "os:scheduler_hints": hints}
            answer = await ground.user.post("/compute/v2.1/servers", whole, 202, headers=NEWEST)
            made.append(answer["server"]["id"])
        await settle(ground.cloud)
        point = "compute.resize_server.StartResized.before_do"
        failpoints.arm(point, "hang", 1)
        await ground.ask(made[0], "resize", {"flavorRef": "micro"})
        async with asyncio.timeout(60):
            while not failpoints.waiting(point):
                await asyncio.sleep(0.01)
        await ground.ask(made[1], "resize", {"flavorRef": "micro"})
        async with asyncio.timeout(60):
            while (await ground.show(made[1]))["OS-EXT-STS:task_state"] is not None:
                await asyncio.sleep(0.01)
        failpoints.release(point)
        await settle(ground.cloud)
        shown = [await ground.show(server_id) for server_id in made]
        assert [one["status"] for one in shown] == ["VERIFY_RESIZE", "ACTIVE"]
        assert len({one["OS-EXT-SRV-ATTR:host"] for one in shown}) == 2
