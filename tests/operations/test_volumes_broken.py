"""Operations of block storage, broken at every failpoint that the engine and the messages to hosts have.

They end right, nothing is left over, and what back ends have given out equals a recount. Operations of backups, groups
and what else has tests of its own are not in the table.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from hanok.base import failpoints
from hanok.commands.volumes import (
    CloseVolume,
    EnsureVolume,
    EnsureVolumeCopy,
    EnsureVolumeSnapshot,
    ForgetVolumeCopy,
    MoveVolume,
    OpenVolume,
    RemoveVolume,
    RemoveVolumeSnapshot,
)
from hanok.services.block_storage.facade import OPERATIONS
from tests.api.block_storage.grounds import BASE, NEWEST, SNAPSHOTS, VOLUMES, Ground, standing
from tests.cloud import an_image, settle

pytestmark = pytest.mark.slow

RAISE = ("before_do", "after_do", "before_save")
COMMANDS = (
    CloseVolume, EnsureVolume, EnsureVolumeCopy, EnsureVolumeSnapshot, ForgetVolumeCopy, MoveVolume, OpenVolume,
    RemoveVolume, RemoveVolumeSnapshot,
)  # fmt: skip
KINDS = {str(kind.__struct_config__.tag): kind for kind in OPERATIONS}
HOST = "os-vol-host-attr:host"


class Site(Ground):
    """A project with an image and a type for each back end."""

    image: str = ""

    async def settled(self) -> None:
        await settle(self.cloud)
        assert await self.cloud.control.debts.pay() == 0

    async def end(self) -> None:
        """Remove everything, and look that nothing is left."""
        failpoints.disarm()
        for snapshot in (await self.admin.get(f"{SNAPSHOTS}?all_tenants=1"))["snapshots"]:
            path = f"{SNAPSHOTS}/{snapshot['id']}/action"
            await self.admin("POST", path, {"os-force_delete": None}, status=202)
        await self.settled()
        for volume in (await self.admin.get(f"{VOLUMES}?all_tenants=1"))["volumes"]:
            path = f"{VOLUMES}/{volume['id']}/action"
            await self.admin("POST", path, {"os-force_delete": None}, status=202)
        await self.settled()
        await self.assert_nothing_left()
        assert (await self.on_host()).copies == ()


Ask = Callable[[Site, str], Awaitable[None]]


def act(name: str, value: Any) -> Ask:
    async def ask(site: Site, volume_id: str) -> None:
        sent = value(site) if callable(value) else value
        path = f"{VOLUMES}/{volume_id}/action"
        await site.admin("POST", path, {name: sent}, headers=NEWEST, status=202)

    return ask


async def _create(site: Site, volume_id: str) -> None:
    await site.user.post(VOLUMES, {"volume": {"size": 1, "volume_type": "files"}}, 202)


async def _create_of_image(site: Site, volume_id: str) -> None:
    await site.user.post(VOLUMES, {"volume": {"size": 1, "imageRef": site.image}}, 202)


async def _delete(site: Site, volume_id: str) -> None:
    await site.user("DELETE", f"{VOLUMES}/{volume_id}?cascade=true", status=202)


async def _snapshot(site: Site, volume_id: str) -> None:
    await site.user.post(SNAPSHOTS, {"snapshot": {"volume_id": volume_id}}, 202)


async def _delete_snapshot(site: Site, volume_id: str) -> None:
    made = await site.snapshot(volume_id)
    await site.user("DELETE", f"{SNAPSHOTS}/{made}", status=202)


async def _revert(site: Site, volume_id: str) -> None:
    made = await site.snapshot(volume_id)
    await act("revert", {"snapshot_id": made})(site, volume_id)


@dataclass(frozen=True)
class Case:
    """An operation, and how it is asked for. makes: whether it makes a volume of its own."""

    kind: str
    ask: Ask
    makes: bool = False

    @property
    def steps(self) -> list[str]:
        return [step.name for step in KINDS[self.kind].steps]

    def point(self, step: str, place: str) -> str:
        classes = {one.name: one.__name__ for one in KINDS[self.kind].steps}
        return f"{self.kind}.{classes[step]}.{place}"


CASES = (
    Case("block_storage.create_volume", _create, makes=True),
    Case("block_storage.create_volume_of_image", _create_of_image, makes=True),
    Case("block_storage.delete_volume", _delete),
    Case("block_storage.extend_volume", act("os-extend", {"new_size": 2})),
    Case("block_storage.create_snapshot", _snapshot),
    Case("block_storage.delete_snapshot", _delete_snapshot),
    Case("block_storage.revert_volume", _revert),
    Case("block_storage.reimage_volume", act("os-reimage", lambda site: {"image_id": site.image})),
    Case("block_storage.upload_volume", act("os-volume_upload_image", {"image_name": "i"})),
    Case("block_storage.migrate_volume", act("os-migrate_volume", {"host": "host-1@files2"})),
    Case(
        "block_storage.retype_volume",
        act("os-retype", {"new_type": "files2", "migration_policy": "on-demand"}),
    ),
)
EACH = [pytest.param(case, id=case.kind.partition(".")[2]) for case in CASES]
STOPPED = [
    pytest.param(case, id=case.kind.partition(".")[2]) for case in CASES if case.ask is not _delete
]


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    async with standing(tmp_path) as ground:
        site = Site(ground.cloud, ground.admin, ground.user)
        site.image = await an_image(site.user)
        for name in ("files", "files2", "plain"):
            specs = {} if name == "plain" else {"volume_backend_name": name}
            body = {"volume_type": {"name": name, "extra_specs": specs}}
            await site.admin.post(f"{BASE}/types", body, 200)
        yield site


async def prepared(site: Site, case: Case) -> str:
    """A volume for the operation, where it does not make one: in the first back end, of a type that suits both."""
    if case.makes:
        return ""
    volume = await site.volume(volume_type="files")
    if "migrate" in case.kind:
        await site.act(volume, "os-retype", {"new_type": "plain"}, client=site.admin)
    return volume


async def statuses(site: Site) -> set[str]:
    listed = (await site.admin.get(f"{VOLUMES}/detail?all_tenants=1"))["volumes"]
    return {one["status"] for one in listed}


SETTLED = {"available", "error", "error_extending", "error_deleting"}


@pytest.mark.parametrize("case", EACH)
async def test_a_step_that_breaks_once_is_done_again(site: Site, case: Case) -> None:
    for step in case.steps:
        for place in RAISE:
            volume = await prepared(site, case)
            failpoints.arm(case.point(step, place), "raise", 1)
            await case.ask(site, volume)
            await site.settled()
            assert await statuses(site) <= SETTLED, (step, place)
            await site.assert_clean()
            await site.end()


@pytest.mark.parametrize("case", EACH)
async def test_a_step_that_is_done_twice_does_no_harm(site: Site, case: Case) -> None:
    volume = await prepared(site, case)
    for one in COMMANDS:
        failpoints.arm(f"command.{one.__name__}.send", "twice")
    await case.ask(site, volume)
    await site.settled()
    assert await statuses(site) <= {"available"}
    await site.end()


@pytest.mark.parametrize("case", EACH)
@pytest.mark.parametrize("how", ["before", "after"])
async def test_an_answer_that_is_lost_is_asked_for_again(site: Site, case: Case, how: str) -> None:
    volume = await prepared(site, case)
    for one in COMMANDS:
        failpoints.arm(f"node.{one.__struct_config__.tag}.{how}", "raise", 1)
    await case.ask(site, volume)
    await site.settled()
    assert await statuses(site) <= SETTLED
    await site.end()


@pytest.mark.parametrize("case", STOPPED)
async def test_a_forced_delete_wins_wherever_it_stands(site: Site, case: Case) -> None:
    for step in case.steps:
        for place in RAISE:
            volume = await prepared(site, case)
            point = case.point(step, place)
            failpoints.arm(point, "hang", 1)
            await case.ask(site, volume)
            async with asyncio.timeout(60):
                while not failpoints.waiting(point):
                    await asyncio.sleep(0.01)
            for one in (await site.admin.get(f"{VOLUMES}?all_tenants=1"))["volumes"]:
                path = f"{VOLUMES}/{one['id']}/action"
                await site.admin("POST", path, {"os-force_delete": None}, status=202)
            failpoints.release(point)
            await site.end()
