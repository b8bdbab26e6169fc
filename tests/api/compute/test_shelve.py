"""Servers that are kept as images, away from their hosts, and brought back."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from hanok.base import failpoints
from hanok.base.clock import Clock
from hanok.services.compute import timed
from hanok.services.compute.facade import ComputeSettings
from tests.api.compute.ground import PLACES, Ground, at, standing
from tests.cloud import settle

SHELVE = ("StopGuest", "CopyDisk", "StoreImage", "TidyUp", "ReleaseHost", "RemoveGuest")
UNSHELVE = ("AskPlacement", "WeighHosts", "ClaimHost", "FetchImage", "BindPorts", "StartGuest")


@pytest.fixture
async def ground(tmp_path: Path) -> AsyncIterator[Ground]:
    async with standing(tmp_path) as one:
        yield one


@pytest.fixture
async def staying(tmp_path: Path) -> AsyncIterator[Ground]:
    """Shelved servers stay on their hosts."""
    async with standing(tmp_path, compute=ComputeSettings(shelved_offload_time_s=-1)) as one:
        yield one


async def images(ground: Ground) -> list[str]:
    return [one["name"] for one in (await ground.user.get("/image/v2/images"))["images"]]


async def port(ground: Ground, server_id: str) -> Any:
    [found] = (await ground.admin.get(f"/network/v2.0/ports?device_id={server_id}"))["ports"]
    return found


async def test_a_server_on_no_host_is_gone_when_its_deletion_is_answered(ground: Ground) -> None:
    """The Terraform provider looks at once, and takes SHELVED_OFFLOADED for a failure."""
    server_id = await ground.server()
    await ground.act(server_id, "shelve")
    await ground.user("DELETE", f"/compute/v2.1/servers/{server_id}", status=204)
    await ground.user("GET", f"/compute/v2.1/servers/{server_id}", status=404)


@pytest.mark.parametrize("before", [None, "os-stop", "pause", "suspend"])
async def test_a_shelved_server_is_on_no_host_and_comes_back(
    ground: Ground, before: str | None
) -> None:
    server_id = await ground.server()
    bound = await port(ground, server_id)
    assert (await ground.usages())["VCPU"] == 1
    if before:
        await ground.act(server_id, before)
    await ground.act(server_id, "shelve")
    shown = await ground.show(server_id)
    assert (shown["status"], shown["OS-EXT-SRV-ATTR:host"]) == ("SHELVED_OFFLOADED", None)
    assert shown["OS-EXT-STS:task_state"] is None and shown["addresses"]
    assert await images(ground) == ["vm-shelved", "cirros"]
    assert set((await ground.usages()).values()) == {0}
    free = await port(ground, server_id)
    assert (free["binding:host_id"], free["binding:vif_type"]) == ("", "unbound")
    assert free["fixed_ips"] == bound["fixed_ips"] and free["mac_address"] == bound["mac_address"]
    assert await ground.guests() == {}
    await ground.assert_clean()
    for action in ("shelve", "shelveOffload", "os-start"):
        await ground.ask(server_id, action, status=409, client=ground.admin)
    await ground.act(server_id, "unshelve")
    shown = await ground.show(server_id)
    assert (shown["status"], shown["OS-EXT-SRV-ATTR:host"]) == ("ACTIVE", "host-1")
    assert await images(ground) == ["cirros"]
    assert (await ground.usages())["VCPU"] == 1
    assert (await port(ground, server_id))["binding:host_id"] == "host-1"
    assert (await ground.actions(server_id))[:2] == [("unshelve", None), ("shelve", None)]
    await ground.ask(server_id, "unshelve", status=409)
    await ground.assert_clean()


async def test_what_comes_back_may_be_shelved_rebuilt_and_deleted(ground: Ground) -> None:
    server_id = await ground.server()
    for _ in range(2):
        await ground.act(server_id, "shelve")
        await ground.act(server_id, "unshelve")
    await ground.act(server_id, "os-stop")
    await ground.act(server_id, "os-start")
    await ground.act(server_id, "rebuild", {"imageRef": ground.image})
    assert await ground.status(server_id) == "ACTIVE"
    await ground.act(server_id, "shelve")
    await ground.delete(server_id)
    assert await images(ground) == ["cirros"]
    await ground.assert_nothing_left()


async def test_a_server_may_stay_shelved_on_its_host(staying: Ground) -> None:
    ground = staying
    server_id = await ground.server()
    await ground.act(server_id, "shelve")
    shown = await ground.show(server_id)
    assert (shown["status"], shown["OS-EXT-SRV-ATTR:host"]) == ("SHELVED", "host-1")
    assert (await ground.guests()) == {server_id: "stopped"}
    await ground.assert_clean()
    for value in ({"availability_zone": "nova"}, {"host": "host-1"}):
        said = await ground.ask(server_id, "unshelve", value, status=409, client=ground.admin)
        assert "must be SHELVED_OFFLOADED" in said.text
    await ground.act(server_id, "unshelve")
    assert await ground.status(server_id) == "ACTIVE" and await images(ground) == ["cirros"]
    await ground.act(server_id, "shelve")
    await ground.ask(server_id, "shelveOffload", status=403)
    await ground.act(server_id, "shelveOffload", client=ground.admin)
    assert await ground.status(server_id) == "SHELVED_OFFLOADED"
    assert (await ground.actions(server_id))[0] == ("shelveOffload", None)
    await ground.delete(server_id)
    await ground.assert_nothing_left()


class Moved(Clock):
    """A clock that can be put forward."""

    ahead = timedelta()

    def now(self) -> Any:
        return super().now() + self.ahead


async def test_a_shelved_server_leaves_its_host_when_its_time_has_come(tmp_path: Path) -> None:
    settings, clock = ComputeSettings(shelved_offload_time_s=3600, down_after_s=10**6), Moved()
    async with standing(tmp_path, compute=settings, clock=clock) as ground:
        server_id = await ground.server()
        await ground.act(server_id, "shelve")
        await timed.begin_due(ground.cloud.compute)
        await settle(ground.cloud)
        assert await ground.status(server_id) == "SHELVED"
        clock.ahead = timedelta(seconds=3601)
        await timed.begin_due(ground.cloud.compute)
        await settle(ground.cloud)
        clock.ahead = timedelta()
        assert await ground.status(server_id) == "SHELVED_OFFLOADED"


async def test_a_server_comes_back_where_it_is_requested(tmp_path: Path) -> None:
    async with standing(tmp_path, hosts=3) as ground:
        server_id = await ground.server()
        for host in ("host-2", "host-3"):
            await ground.act(server_id, "shelve")
            await ground.act(server_id, "unshelve", {"host": host}, client=ground.admin)
            shown = await ground.show(server_id)
            assert (shown["status"], shown["OS-EXT-SRV-ATTR:host"]) == ("ACTIVE", host)
            assert await ground.guests(host) == {server_id: "running"}
            await ground.assert_clean()
        await ground.act(server_id, "shelve")
        await ground.ask(server_id, "unshelve", {"host": "host-1"}, status=403)
        for value, status, words in (
            ({"availability_zone": "nosuch"}, 400, "availability zone is not available"),
            ({"host": "nosuch"}, 400, "could not be found"),
            ({"host": 1}, 400, "host"),
            ({"surprise": 1}, 400, "surprise"),
        ):
            said = await ground.ask(
                server_id, "unshelve", value, status=status, client=ground.admin
            )
            assert words in said.text
        await ground.act(server_id, "unshelve", {"availability_zone": "nova"})
        assert (await ground.show(server_id))["pinned_availability_zone"] == "nova"
        await ground.act(server_id, "shelve")
        await ground.act(server_id, "unshelve", {"availability_zone": None})
        assert (await ground.show(server_id))["pinned_availability_zone"] is None


async def test_before_277_nobody_looks_at_where_a_server_is_to_come_back(ground: Ground) -> None:
    """Terraform's provider sends the zone in every version; upstream passed over it."""
    for minor, value in (
        (1, {"availability_zone": "nova"}),
        (76, {"availability_zone": "nowhere"}),
    ):
        server_id = await ground.server()
        await ground.act(server_id, "shelve")
        await ground.act(server_id, "unshelve", value, minor=minor)
        path = f"/compute/v2.1/servers/{server_id}"
        shown = (await ground.user.get(path, headers=at(104)))["server"]
        assert (shown["status"], shown["pinned_availability_zone"]) == ("ACTIVE", None)


@pytest.mark.parametrize(
    ("value", "minor"),
    [
        ({"availability_zone": "nova", "host": "host-1"}, 77),
        ({"host": "host-1"}, 90),
        ({"availability_zone": None}, 90),
    ],
)
async def test_what_a_version_does_not_know_is_refused(
    ground: Ground, value: Any, minor: int
) -> None:
    server_id = await ground.server()
    await ground.act(server_id, "shelve")
    await ground.ask(server_id, "unshelve", value, status=400, minor=minor, client=ground.admin)
    assert (await ground.user("GET", f"/compute/v2.1/servers/{server_id}", headers=at(1))).json()[
        "server"
    ]["status"] == "SHELVED_OFFLOADED"


async def test_no_host_and_no_image_leave_a_server_shelved(ground: Ground) -> None:
    server_id = await ground.server()
    await ground.act(server_id, "shelve")
    found = (await ground.user.get("/image/v2/images?name=vm-shelved"))["images"]
    await ground.user("DELETE", f"/image/v2/images/{found[0]['id']}", status=204)
    await ground.act(server_id, "unshelve")
    assert await ground.status(server_id) == "SHELVED_OFFLOADED"
    assert (await ground.actions(server_id))[0] == ("unshelve", "Error")
    assert set((await ground.usages()).values()) == {0}
    await ground.assert_clean()


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("step", SHELVE)
async def test_a_shelving_that_breaks_leaves_a_server_that_runs_or_is_shelved(
    ground: Ground, step: str, place: str
) -> None:
    server_id = await ground.server()
    with failpoints.armed(f"compute.shelve_server.{step}.{place}", "raise"):
        await ground.act(server_id, "shelve")
    status = await ground.status(server_id)
    after = {"TidyUp": "SHELVED", "ReleaseHost": "SHELVED", "RemoveGuest": "SHELVED_OFFLOADED"}
    assert status == after.get(step, "ACTIVE")
    if status == "ACTIVE":
        assert await ground.guests() == {server_id: "running"}
        assert await images(ground) == ["cirros"]
        await ground.act(server_id, "shelve")
    await ground.assert_clean()
    await ground.act(server_id, "unshelve")
    assert await ground.status(server_id) == "ACTIVE"
    await ground.assert_clean()
    await ground.delete(server_id)
    await ground.assert_nothing_left()


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("step", UNSHELVE)
async def test_a_way_back_that_breaks_leaves_a_server_shelved(
    ground: Ground, step: str, place: str
) -> None:
    server_id = await ground.server()
    await ground.act(server_id, "shelve")
    with failpoints.armed(f"compute.unshelve_server.{step}.{place}", "raise"):
        await ground.act(server_id, "unshelve")
    assert await ground.status(server_id) == "SHELVED_OFFLOADED"
    assert set((await ground.usages()).values()) == {0}
    assert await ground.guests() == {}
    await ground.assert_clean()
    await ground.act(server_id, "unshelve")
    assert await ground.status(server_id) == "ACTIVE"
    assert (await port(ground, server_id))["binding:host_id"] == "host-1"
    await ground.assert_clean()
