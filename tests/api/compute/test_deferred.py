"""Servers that wait to be deleted, guests that are interrupted or get another password."""

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
from tests.api.compute.ground import PLACES, SERVERS, Ground, at, standing
from tests.cloud import NEWEST, an_image, settle

WAITING = ComputeSettings(reclaim_instance_interval_s=3600, down_after_s=10**6)


class Moved(Clock):
    """A clock that can be put forward."""

    ahead = timedelta()

    def now(self) -> Any:
        return super().now() + self.ahead


@pytest.fixture
async def ground(tmp_path: Path) -> AsyncIterator[Ground]:
    async with standing(tmp_path) as one:
        yield one


@pytest.fixture
async def waiting(tmp_path: Path) -> AsyncIterator[Ground]:
    async with standing(tmp_path, compute=WAITING) as one:
        yield one


async def names(ground: Ground, query: str = "") -> list[str]:
    found = await ground.user.get(f"{SERVERS}?{query}", headers=NEWEST)
    return [one["id"] for one in found["servers"]]


async def used(ground: Ground) -> int:
    limits = (await ground.user.get("/compute/v2.1/limits"))["limits"]["absolute"]
    return int(limits["totalInstancesUsed"])


# ---- deleted, and not yet


async def test_lists_of_deleted_servers_show_those_that_wait_too(waiting: Ground) -> None:
    ground = waiting
    kept, gone, waits = [await ground.server(name=name) for name in ("kept", "gone", "waits")]
    await ground.delete(gone)
    await ground.act(gone, "forceDelete")
    await ground.delete(waits)
    for query, expected in (
        ("", {kept}),
        ("deleted=true", {gone, waits}),
        ("deleted=true&status=SOFT_DELETED", {waits}),
        ("deleted=true&soft_deleted=true", {gone, waits}),
        ("deleted=true&soft_deleted=false", {gone}),
        ("deleted=false", {kept}),
        ("deleted=perhaps", {kept}),
        ("soft_deleted=true", {waits}),
        ("status=DELETED", {gone}),
    ):
        path = f"{SERVERS}?all_tenants=1&{query}"
        found = (await ground.admin.get(path, headers=at(74)))["servers"]
        assert {one["id"] for one in found} == expected, query


@pytest.mark.parametrize("before", [None, "os-stop", "pause", "suspend", "rescue"])
async def test_a_deleted_server_may_come_back(waiting: Ground, before: str | None) -> None:
    ground = waiting
    server_id = await ground.server()
    if before:
        await ground.act(server_id, before, status=200 if before == "rescue" else 202)
    await ground.delete(server_id)
    assert await ground.status(server_id) == "SOFT_DELETED"
    assert await ground.guests() == {server_id: "stopped"}
    assert await used(ground) == 0 and await names(ground) == []
    assert await names(ground, "status=SOFT_DELETED") == [server_id]
    await ground.assert_clean()
    await ground.delete(server_id)  # once more changes nothing
    assert await ground.status(server_id) == "SOFT_DELETED"
    await ground.ask(server_id, "os-start", status=409)
    await ground.act(server_id, "restore")
    assert await ground.status(server_id) == "ACTIVE"
    assert await ground.guests() == {server_id: "running"}
    assert await used(ground) == 1 and await names(ground) == [server_id]
    assert [one for one, _ in await ground.actions(server_id)][:2] == ["restore", "delete"]
    await ground.ask(server_id, "restore", status=409)
    await ground.assert_clean()


async def test_a_server_that_waits_is_deleted_by_force_or_when_its_time_has_come(
    tmp_path: Path,
) -> None:
    clock = Moved()
    async with standing(tmp_path, compute=WAITING, clock=clock) as ground:
        forced, reclaimed = await ground.server(), await ground.server()
        for one in (forced, reclaimed):
            await ground.delete(one)
        await ground.act(forced, "forceDelete")
        assert await ground.status(forced) == "gone"
        await timed.begin_due(ground.cloud.compute)
        await settle(ground.cloud)
        assert await ground.status(reclaimed) == "SOFT_DELETED"
        clock.ahead = timedelta(seconds=3601)
        await timed.begin_due(ground.cloud.compute)
        await settle(ground.cloud)
        clock.ahead = timedelta()
        assert await ground.status(reclaimed) == "gone"
        await ground.assert_nothing_left()


async def test_a_quota_that_is_full_keeps_a_server_from_coming_back(waiting: Ground) -> None:
    ground = waiting
    server_id = await ground.server()
    await ground.delete(server_id)
    path = f"/compute/v2.1/os-quota-sets/{ground.user.project_id}"
    await ground.admin("PUT", path, {"quota_set": {"instances": 0}}, status=200)
    said = await ground.ask(server_id, "restore", status=403)
    assert "Quota exceeded for instances" in said.text


async def test_without_a_setting_a_deleted_server_is_gone(ground: Ground) -> None:
    server_id = await ground.server()
    await ground.ask(server_id, "restore", status=409)
    await ground.delete(server_id)
    await ground.ask(server_id, "restore", status=404)


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize(
    ("kind", "step"),
    [
        ("soft_delete_server", "StopGuest"),
        ("soft_delete_server", "SetAside"),
        ("restore_server", "StartAgain"),
    ],
)
async def test_what_breaks_may_be_asked_for_again(
    waiting: Ground, kind: str, step: str, place: str
) -> None:
    ground = waiting
    server_id = await ground.server()
    with failpoints.armed(f"compute.{kind}.{step}.{place}", "raise"):
        await ground.delete(server_id)
        if kind == "restore_server":
            await ground.act(server_id, "restore")
    deleted = kind == "restore_server"
    assert await ground.status(server_id) == ("SOFT_DELETED" if deleted else "ACTIVE")
    if deleted:
        await ground.act(server_id, "restore")
    assert await ground.status(server_id) == "ACTIVE"
    assert await ground.guests() == {server_id: "running"}
    await ground.assert_clean()
    await ground.act(server_id, "forceDelete")
    await ground.assert_nothing_left()


# ---- an interrupt


async def test_a_guest_is_interrupted_and_goes_on(ground: Ground) -> None:
    server_id = await ground.server()
    for before in (None, "pause"):
        if before:
            await ground.act(server_id, before)
        await ground.act(server_id, "trigger_crash_dump")
    assert await ground.status(server_id) == "PAUSED"
    log = await ground.ask(server_id, "os-getConsoleOutput", {}, status=200)
    assert log.json()["output"].count("NMI received") == 2
    assert (await ground.actions(server_id))[0] == ("trigger_crash_dump", None)
    await ground.ask(server_id, "trigger_crash_dump", status=404, minor=16)
    await ground.act(server_id, "unpause")
    await ground.act(server_id, "os-stop")
    said = await ground.ask(server_id, "trigger_crash_dump", status=409)
    assert "while it is in vm_state stopped" in said.text


@pytest.mark.parametrize("place", PLACES)
async def test_an_interrupt_that_breaks_is_on_record_and_nothing_else(
    ground: Ground, place: str
) -> None:
    server_id = await ground.server()
    with failpoints.armed(f"compute.trigger_crash_dump.Interrupt.{place}", "raise"):
        await ground.act(server_id, "trigger_crash_dump")
    assert (await ground.actions(server_id))[0] == ("trigger_crash_dump", "Error")
    assert await ground.status(server_id) == "ACTIVE"


# ---- a password


async def test_an_agent_sets_a_password(ground: Ground) -> None:
    ground.image = await an_image(
        ground.user, "agent", hw_qemu_guest_agent="yes", os_admin_user="debian"
    )
    server_id = await ground.server()
    answer = await ground.ask(server_id, "changePassword", {"adminPass": "secret"})
    assert answer.content == b""
    assert await ground.status(server_id) == "ACTIVE"
    assert (await ground.actions(server_id))[0] == ("changePassword", None)
    async with ground.cloud.control.database.read() as tx:
        assert await _kept_in_clear(tx) == []
    await ground.act(server_id, "os-stop")
    said = await ground.ask(server_id, "changePassword", {"adminPass": "x"}, status=409)
    assert "while it is in vm_state stopped" in said.text
    await ground.assert_clean()


async def _kept_in_clear(tx: Any) -> list[Any]:
    """Operations whose arguments tell the password."""
    from hanok.operations.tables import operations

    rows = await tx.all(operations.select())
    return [row.kind for row in rows if "secret" in str(row.arguments)]


async def test_without_an_agent_a_password_stays(ground: Ground) -> None:
    server_id = await ground.server()
    said = await ground.ask(server_id, "changePassword", {"adminPass": "x"}, status=409)
    assert "guest agent is not enabled" in said.text
    for value in ({}, {"adminPass": 1}, {"adminPass": "x", "y": 1}, None):
        await ground.ask(server_id, "changePassword", value, status=400)
    ground.image = await an_image(ground.user, "agent", hw_qemu_guest_agent="yes")
    silent = await ground.server()
    failpoints.arm("node.ask_agent.before", "raise", 1)
    await ground.ask(silent, "changePassword", {"adminPass": "x"}, status=409)
    assert await ground.status(silent) == "ACTIVE"


@pytest.mark.parametrize("place", PLACES)
async def test_a_password_that_cannot_be_set_leaves_the_server_as_it_was(
    ground: Ground, place: str
) -> None:
    ground.image = await an_image(ground.user, "agent", hw_qemu_guest_agent="yes")
    server_id = await ground.server()
    with failpoints.armed(f"compute.change_password.TellAgent.{place}", "raise"):
        said = await ground.act(server_id, "changePassword", {"adminPass": "x"}, status=409)
    assert "Failed to set admin password" in said.text
    assert await ground.status(server_id) == "ACTIVE"
    assert (await ground.actions(server_id))[0] == ("changePassword", "Error")
    shown = await ground.user("GET", f"{SERVERS}/{server_id}", headers=at(104))
    assert shown.json()["server"]["OS-EXT-STS:task_state"] is None
