"""Every operation of compute, broken at every failpoint that the engine and the messages to hosts have.

It ends right, nothing is left over, and quota and allocations equal a recount. The table has a line for each operation;
a test holds it to what the room registers. The places, steps and commands come from the code.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

import pytest
import sqlalchemy as sa

from hanok.base import failpoints
from hanok.commands import HOST_COMMANDS, DescribeBackends, DescribeHost, ListInventory, ListVolumes
from hanok.commands.volumes import VOLUME_COMMANDS
from hanok.operations import Operation
from hanok.operations.tables import operations as table
from hanok.services.compute.facade import OPERATIONS, ComputeSettings
from hanok.services.compute.operations.note_guest import NoteGuest
from tests.api.compute.ground import SERVERS
from tests.api.compute.volume_ground import NEWEST as VOLUME_NEWEST
from tests.api.compute.volume_ground import SNAPSHOTS, VOLUMES, VolumeGround, with_volumes
from tests.cloud import a_flavor, a_server, an_image, settle

pytestmark = pytest.mark.slow

KINDS = {str(kind.__struct_config__.tag): kind for kind in OPERATIONS}
RAISE = ("before_do", "after_do", "before_save")
EVERYWHERE = (*RAISE, "after_save")
LOOKS = (DescribeHost, ListInventory, DescribeBackends, ListVolumes)
COMMANDS = [one for one in get_args(HOST_COMMANDS | VOLUME_COMMANDS) if one not in LOOKS]
LARGE = {"ram": 128, "disk": 2, "vcpus": 2}
SIZES = {"nano": (1, 64, 1), "large": (2, 128, 2)}  # VCPU, MEMORY_MB, DISK_GB

USUAL = ComputeSettings()

Ask = Callable[["Site", str], Awaitable[None]]


class Site(VolumeGround):
    """A project on two hosts whose flavors, image and second network are enough for every operation."""

    second: str = ""
    spare: str = ""
    aggregate: int = 0

    async def begin(self, server_id: str, action: str, value: Any = None) -> None:
        path = f"{SERVERS}/{server_id}/action"
        said = await self.admin("POST", path, {action: value}, headers=NEWEST)
        # 409: the answer to some requests waits for the operation, and says that it failed.
        assert said.status_code in (200, 202, 204, 409), said.text

    async def settled(self) -> None:
        """No operation is active, and hosts owe nothing."""
        async with asyncio.timeout(30):
            while await self._active():
                await settle(self.cloud)
                await asyncio.sleep(0.01)
        # A failpoint may lose the very message by which a debt is paid; then the next round pays it.
        assert (
            await self.cloud.control.debts.pay() == 0 or await self.cloud.control.debts.pay() == 0
        )

    async def _active(self) -> int:
        async with self.cloud.control.database.read() as tx:
            active = sa.select(sa.func.count()).select_from(table).where(table.c.active.is_(True))
            return int(await tx.scalar(active) or 0)

    async def reached(self, point: str) -> None:
        async with asyncio.timeout(30):
            while not failpoints.waiting(point):
                await asyncio.sleep(0.001)

    async def crash(self, point: str, kind: type[Operation]) -> None:
        """What runs the operation is gone in the middle, without a word; another takes it up."""
        worker, tools = self.cloud.control.worker, self.cloud.compute
        await self.reached(point)
        worker.remove([(kind, tools)])
        async with asyncio.timeout(30):
            while worker.at_work():
                await asyncio.sleep(0.001)
        worker.add([(kind, tools)])
        worker.wake()

    async def assert_clean(self) -> None:
        """Once the network has followed."""
        async with asyncio.timeout(30):
            while found := (await self.admin.get("/hanok/v1/inventory"))["differences"]:
                assert {one["what"] for one in found} == {"network"}, found
                await asyncio.sleep(0.01)

    async def found(self) -> list[dict[str, Any]]:
        """All servers, those too that wait to be deleted, which lists leave out."""
        path = f"{SERVERS}/detail?all_tenants=1"
        return [
            one
            for filters in ("", "&status=SOFT_DELETED")
            for one in (await self.admin.get(f"{path}{filters}", headers=NEWEST))["servers"]
        ]

    async def recount(self) -> None:
        """What placement holds, and what quota counts, is what the servers that there are come to."""
        servers = await self.found()
        for one in servers:
            path = f"/placement/allocations/{one['id']}"
            held = (await self.admin.get(path))["allocations"].values()
            got = [tuple(some["resources"].get(name, 0) for name in CLASSES) for some in held]
            assert got == _expected(one), (one["status"], got)
        limits = (await self.user.get("/compute/v2.1/limits"))["limits"]["absolute"]
        sizes = [  # quota does not count what waits to be deleted, as upstream
            SIZES[one["flavor"]["original_name"]]
            for one in servers
            if one["status"] != "SOFT_DELETED"
        ]
        used = (limits["totalInstancesUsed"], limits["totalCoresUsed"], limits["totalRAMUsed"])
        assert used == (len(sizes), sum(one[0] for one in sizes), sum(one[1] for one in sizes))

    async def assert_right(self) -> None:
        await self.assert_clean()
        await self.recount()
        await self.volumes_right()

    async def volumes_right(self) -> None:
        """Guests have the volumes that their servers show, these are in use, and nothing else is open."""
        used: dict[str, str] = {}
        open_, perhaps = set[str](), set[str]()
        for one in await self.found():
            path = f"{SERVERS}/{one['id']}/os-volume_attachments"
            listed = (await self.admin.get(path, headers=NEWEST))["volumeAttachments"]
            used |= {volume["volumeId"]: one["id"] for volume in listed}
            perhaps |= {volume["attachment_id"] for volume in listed if one["status"] == "ERROR"}
            if one["OS-EXT-SRV-ATTR:host"] is not None and one["status"] != "ERROR":
                open_ |= {volume["attachment_id"] for volume in listed}
                guest = self.guest_volumes(one["id"], one["OS-EXT-SRV-ATTR:host"])
                assert set(guest) == {volume["volumeId"] for volume in listed}
        for volume in await self.volumes():
            status = "in-use" if volume["id"] in used else "available"
            assert volume["status"] == status, volume
        exports = await self.exports("host-1") | await self.exports("host-2")
        assert open_ <= exports <= open_ | perhaps

    async def volumes(self) -> list[dict[str, Any]]:
        path = f"{VOLUMES}/detail?all_tenants=1"
        found: list[dict[str, Any]] = (await self.admin.get(path, headers=VOLUME_NEWEST))["volumes"]
        return found

    async def no_volumes(self) -> None:
        """What servers have left goes, too."""
        for one in (await self.admin.get(f"{SNAPSHOTS}?all_tenants=1"))["snapshots"]:
            await self.admin("DELETE", f"{SNAPSHOTS}/{one['id']}", status=202)
        await self.settled()
        for one in await self.volumes():
            await self.admin("DELETE", f"{VOLUMES}/{one['id']}", status=202)
        await self.settled()
        assert await self.volumes() == []

    async def end(self) -> None:
        """All servers go, and nothing of them is left."""
        for one in await self.found():
            await self.admin("POST", f"{SERVERS}/{one['id']}/action", {"forceDelete": None})
        await self.settled()
        await self.no_volumes()
        await self.assert_nothing_left()
        assert await self.found() == []


CLASSES = ("VCPU", "MEMORY_MB", "DISK_GB")
NEWEST = {"OpenStack-API-Version": "compute 2.104"}


def _expected(server: dict[str, Any]) -> list[tuple[int, int, int]]:
    """What placement should hold for a server: nothing where it is on no host."""
    if server["OS-EXT-SRV-ATTR:host"] is None:
        return []
    vcpus, memory_mib, disk_gib = SIZES[server["flavor"]["original_name"]]
    return [(vcpus, memory_mib, disk_gib if server["image"] else 0)]


@dataclass(frozen=True)
class Case:
    """How an operation comes to be.

    kind: its tag. before: what brings a new server to where it is asked for; it must end in `start`. ends: the status
    when it is done. broken: the statuses that a server may be in when it has failed, besides `start`: it went
    too far to go back, or it is in ERROR.
    first: whether the server comes into being by it. on_volume: whether it boots from one.
    settings: of the cloud's compute. places: that it comes to.
    """

    kind: str
    ask: Ask
    before: tuple[tuple[str, Any], ...] = ()
    start: str = "ACTIVE"
    ends: str = "ACTIVE"
    broken: tuple[str, ...] = ()
    first: bool = False
    on_volume: bool = False
    name: str = ""
    settings: ComputeSettings = USUAL
    places: tuple[str, ...] = EVERYWHERE

    @property
    def steps(self) -> list[str]:
        return [one.__name__ for one in KINDS[self.kind].steps]

    @property
    def on_server(self) -> bool:
        return "server_id" in KINDS[self.kind].__struct_fields__

    def point(self, step: str, place: str) -> str:
        return f"{self.kind}.{step}.{place}"


def act(action: str, value: Any = None) -> Ask:
    async def ask(site: Site, server_id: str) -> None:
        filled = {"image": site.image, "network": site.second}
        if isinstance(value, dict):
            given = {name: filled.get(one, one) for name, one in value.items()}
        else:
            given = value
        await site.begin(server_id, action, given)

    return ask


async def _delete(site: Site, server_id: str) -> None:
    await site.admin("DELETE", f"{SERVERS}/{server_id}", status=204)


async def _attach(site: Site, server_id: str) -> None:
    body = {"interfaceAttachment": {"net_id": site.network}}
    await site.admin("POST", f"{SERVERS}/{server_id}/os-interface", body, headers=NEWEST)


async def _detach(site: Site, server_id: str) -> None:
    path = f"{SERVERS}/{server_id}/os-interface"
    (one, *_) = (await site.admin.get(path, headers=NEWEST))["interfaceAttachments"]
    await site.admin("DELETE", f"{path}/{one['port_id']}", status=202)


async def _cache(site: Site, server_id: str) -> None:
    path = f"/compute/v2.1/os-aggregates/{site.aggregate}/images"
    await site.admin("POST", path, {"cache": [{"id": site.image}]}, headers=NEWEST, status=202)


async def _note(site: Site, server_id: str) -> None:
    room = site.cloud.compute
    async with room.database.write() as tx:
        note = NoteGuest(server_id=server_id, action="stop", why="Its host lost power.")
        await room.operations.start(tx, note)


async def _evacuate(site: Site, server_id: str) -> None:
    """Its host is dead for as long as that is asked for."""
    host = (await site.show(server_id))["OS-EXT-SRV-ATTR:host"]
    path = "/compute/v2.1/os-services"
    found = (await site.admin.get(f"{path}?binary=nova-compute", headers=NEWEST))["services"]
    one = next(one["id"] for one in found if one["host"] == host)
    for down in (True, False):
        await site.admin("PUT", f"{path}/{one}", {"forced_down": down}, headers=NEWEST, status=200)
        if down:
            body: dict[str, Any] = {"evacuate": {}}
            path_of_it = f"{SERVERS}/{server_id}/action"
            await site.admin("POST", path_of_it, body, headers=NEWEST, status=200)


async def _nothing(site: Site, server_id: str) -> None:
    """It began with the server."""


async def _attach_volume(site: Site, server_id: str) -> None:
    body = {"volumeAttachment": {"volumeId": site.spare}}
    path = f"{SERVERS}/{server_id}/os-volume_attachments"
    await site.user("POST", path, body, headers=NEWEST, status=202)


async def _detach_volume(site: Site, server_id: str) -> None:
    path = f"{SERVERS}/{server_id}/os-volume_attachments"
    (one,) = (await site.admin.get(path, headers=NEWEST))["volumeAttachments"]
    await site.user("DELETE", f"{path}/{one['volumeId']}", headers=NEWEST, status=202)


async def _extend_volume(site: Site, server_id: str) -> None:
    path = f"{SERVERS}/{server_id}/os-volume_attachments"
    (one,) = (await site.admin.get(path, headers=NEWEST))["volumeAttachments"]
    event = {"name": "volume-extended", "server_uuid": server_id, "tag": one["volumeId"]}
    path = "/compute/v2.1/os-server-external-events"
    await site.admin("POST", path, {"events": [event]}, headers=NEWEST, status=200)


async def _have_a_volume(site: Site, server_id: str) -> None:
    site.spare = await site.volume()


async def _have_one_attached(site: Site, server_id: str) -> None:
    await _have_a_volume(site, server_id)
    await _attach_volume(site, server_id)


OTHERS: dict[str, Ask] = {"DELETE": _delete, "volume": _have_a_volume, "attach": _have_one_attached}
STAYS = ComputeSettings(shelved_offload_time_s=-1)
LATER = ComputeSettings(reclaim_instance_interval_s=3600)
MOVES = ComputeSettings(allow_resize_to_same_host=False)
ANYWHERE = {"host": None, "block_migration": "auto"}
RESIZE = ("resize", {"flavorRef": "large"})
BACKUP = {"name": "b", "backup_type": "daily", "rotation": 1}


def _power(action: str, value: Any, before: str, start: str, ends: str) -> Case:
    earlier = ((before, None),) if before else ()
    return Case(
        "compute.change_power", act(action, value), earlier, start, ends, ("ERROR",), name=action
    )


CASES = (
    Case("compute.create_server", _nothing, start="BUILD", broken=("ERROR",), first=True),
    Case("compute.delete_server", _delete, ends="gone", broken=("ERROR",)),
    _power("os-stop", None, "", "ACTIVE", "SHUTOFF"),
    _power("os-start", None, "os-stop", "SHUTOFF", "ACTIVE"),
    _power("pause", None, "", "ACTIVE", "PAUSED"),
    _power("unpause", None, "pause", "PAUSED", "ACTIVE"),
    _power("suspend", None, "", "ACTIVE", "SUSPENDED"),
    _power("resume", None, "suspend", "SUSPENDED", "ACTIVE"),
    _power("reboot", {"type": "SOFT"}, "", "ACTIVE", "ACTIVE"),
    _power("reboot", {"type": "HARD"}, "os-stop", "SHUTOFF", "ACTIVE"),
    Case("compute.create_image", act("createImage", {"name": "s"})),
    Case("compute.create_image", act("createBackup", BACKUP), name="backup"),
    Case("compute.rebuild_server", act("rebuild", {"imageRef": "image"}), broken=("ERROR",)),
    Case("compute.rescue_server", act("rescue", {}), ends="RESCUE"),
    Case("compute.unrescue_server", act("unrescue"), (("rescue", {}),), "RESCUE"),
    Case(
        "compute.shelve_server", act("shelve"), ends="SHELVED_OFFLOADED", broken=("SHELVED", "SHELVED_OFFLOADED"),
    ),
    Case(
        "compute.shelve_server", act("shelve"), ends="SHELVED", broken=("SHELVED",), name="stays",
        settings=STAYS,
    ),
    Case(
        "compute.offload_server", act("shelveOffload"), (("shelve", None),), "SHELVED",
        "SHELVED_OFFLOADED", ("SHELVED_OFFLOADED",), settings=STAYS,
    ),
    Case(
        "compute.unshelve_server", act("unshelve"), (("shelve", None),), "SHELVED_OFFLOADED",
    ),
    Case(
        "compute.wake_server", act("unshelve"), (("shelve", None),), "SHELVED", settings=STAYS,
    ),
    Case(
        "compute.drop_image", act("unshelve"), (("shelve", None),), "SHELVED_OFFLOADED",
        broken=("ACTIVE",),
    ),
    Case("compute.resize_server", act(*RESIZE), ends="VERIFY_RESIZE"),
    Case(
        "compute.resize_server", act(*RESIZE), ends="VERIFY_RESIZE", name="moves", settings=MOVES,
    ),
    Case("compute.migrate_server", act("migrate"), ends="VERIFY_RESIZE"),
    Case("compute.evacuate_server", _evacuate, ends="SHUTOFF"),
    Case("compute.live_migrate_server", act("os-migrateLive", ANYWHERE), broken=("ACTIVE",)),
    Case(
        "compute.live_migrate_server", act("os-migrateLive", ANYWHERE), broken=("ACTIVE",), on_volume=True,
        name="volume",
    ),
    Case("compute.confirm_resize", act("confirmResize"), (RESIZE,), "VERIFY_RESIZE"),
    Case(
        "compute.confirm_resize", act("confirmResize"), (RESIZE,), "VERIFY_RESIZE", name="moves",
        settings=MOVES,
    ),
    Case("compute.revert_resize", act("revertResize"), (RESIZE,), "VERIFY_RESIZE", broken=("ACTIVE",)),
    Case(
        "compute.revert_resize", act("revertResize"), (RESIZE,), "VERIFY_RESIZE", name="moves",
        settings=MOVES, broken=("ACTIVE",),
    ),
    Case("compute.soft_delete_server", _delete, ends="SOFT_DELETED", settings=LATER),
    Case(
        "compute.restore_server", act("restore"), (("DELETE", None),), "SOFT_DELETED", settings=LATER,
    ),
    Case("compute.trigger_crash_dump", act("trigger_crash_dump")),
    Case("compute.change_password", act("changePassword", {"adminPass": "geheim"})),
    Case("compute.cache_images", _cache),
    Case("compute.cache_image", _cache),
    Case("compute.attach_interface", _attach),
    Case("compute.detach_interface", _detach),
    Case(
        "compute.create_server_with_volumes", _nothing, start="BUILD", broken=("ERROR",), first=True,
        on_volume=True,
    ),
    Case("compute.delete_server", _delete, ends="gone", broken=("ERROR",), on_volume=True, name="volume"),
    Case("compute.attach_volume", _attach_volume, (("volume", None),)),
    Case("compute.detach_volume", _detach_volume, (("attach", None),)),
    Case("compute.extend_volume", _extend_volume, (("attach", None),)),
    Case("compute.create_image_of_volumes", act("createImage", {"name": "s"}), on_volume=True),
    Case(
        "compute.rebuild_volume_backed", act("rebuild", {"imageRef": "image"}), broken=("ERROR",),
        on_volume=True,
    ),
    Case(
        "compute.shelve_volume_backed", act("shelve"), ends="SHELVED_OFFLOADED",
        broken=("SHELVED_OFFLOADED",), on_volume=True,
    ),
    Case(
        "compute.unshelve_server", act("unshelve"), (("shelve", None),), "SHELVED_OFFLOADED",
        on_volume=True, name="volume",
    ),
    Case(
        "compute.migrate_server", act("migrate"), ends="VERIFY_RESIZE", on_volume=True, name="volume",
    ),
    Case(
        "compute.revert_resize", act("revertResize"), (("migrate", None),), "VERIFY_RESIZE",
        broken=("ACTIVE",), on_volume=True, name="volume",
    ),
    Case("compute.note_guest", _note, places=("before_do",)),  # its only step fails with what it says
)  # fmt: skip
EACH = [pytest.param(one, id=f"{one.kind.partition('.')[2]}-{one.name}") for one in CASES]


def test_no_operation_is_forgotten() -> None:
    assert {one.kind for one in CASES} == set(KINDS)


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """What is tried again is tried at once, and no answer waits for what hangs."""
    monkeypatch.setattr("hanok.operations.execution.RETRY_S", (0.0,) * 5)
    monkeypatch.setattr("hanok.operations.execution.UNDO_RETRY_S", (0.0,) * 5)
    monkeypatch.setattr("hanok.operations.execution.CHILDREN_S", 0.0)
    monkeypatch.setattr("hanok.services.compute.routes.interfaces.ANSWER_S", 0.1)
    monkeypatch.setattr("hanok.services.compute.routes.deferred.OUTCOME_S", 0.1)
    yield
    failpoints.disarm()


@pytest.fixture
async def site(case: Case, tmp_path: Path) -> AsyncIterator[Site]:
    async with with_volumes(tmp_path, hosts=2, compute=case.settings) as ground:
        made = Site(
            ground.cloud, ground.admin, ground.user, ground.image, ground.flavor, ground.network
        )
        made.image = await an_image(ground.user, "agent", hw_qemu_guest_agent="yes")
        await a_flavor(ground.admin, "large", **LARGE)
        body = {"aggregate": {"name": "a"}}
        answer = await ground.admin("POST", "/compute/v2.1/os-aggregates", body, status=200)
        made.aggregate = answer.json()["aggregate"]["id"]
        path = f"/compute/v2.1/os-aggregates/{made.aggregate}/action"
        await ground.admin("POST", path, {"add_host": {"host": "host-1"}}, status=200)
        yield made


async def a_server_of(site: Site, case: Case) -> str:
    """Ask for a server, with a disk of its host or with a volume."""
    image, values = site.image, dict[str, Any]()
    if case.on_volume:
        root: dict[str, Any] = {"source_type": "image", "destination_type": "volume", "uuid": image}
        root |= {"volume_size": 1, "boot_index": 0, "delete_on_termination": True}
        image, values = "", {"block_device_mapping_v2": [root]}
    return await a_server(site.user, image, site.flavor, site.network, **values)


async def prepared(site: Site, case: Case) -> str:
    """A server that stands where the operation is asked for."""
    if case.first:
        return ""
    server_id = await a_server_of(site, case)
    await site.settled()
    for action, value in case.before:
        if action in OTHERS:
            await OTHERS[action](site, server_id)
        else:
            await site.begin(server_id, action, value)
        await site.settled()
    assert await site.status(server_id) == case.start
    return server_id


async def begun(site: Site, case: Case, server_id: str) -> str:
    """Ask for the operation; returns the server."""
    if case.first:
        return await a_server_of(site, case)
    await case.ask(site, server_id)
    return server_id


async def assert_done(site: Site, case: Case, server_id: str, why: object = "") -> None:
    await site.settled()
    assert await site.status(server_id) == case.ends, why
    if case.ends not in ("gone",):
        shown = await site.show(server_id)
        assert shown["OS-EXT-STS:task_state"] is None
    if case.ends != "VERIFY_RESIZE":
        await site.assert_right()
    else:
        await site.assert_clean()


async def assert_broken(site: Site, case: Case, server_id: str, why: object) -> None:
    """It failed: the server is as it was, or says what is wrong, and is not busy."""
    await site.settled()
    status = await site.status(server_id)
    assert status in (case.start, *case.broken), (why, status)
    shown = await site.show(server_id)
    assert shown["OS-EXT-STS:task_state"] is None, why
    if status == "ERROR":
        assert shown["fault"]["message"], why
    if case.on_server:
        assert (await site.actions(server_id))[0][1] == "Error", why
    if status != "VERIFY_RESIZE":
        await site.assert_right()
    else:
        await site.assert_clean()


@pytest.mark.parametrize("case", EACH)
async def test_an_error_at_each_place_of_each_step(site: Site, case: Case) -> None:
    """And what may be asked for again can be done."""
    for step in case.steps:
        for place in [one for one in RAISE if one in case.places]:
            server_id = await prepared(site, case)
            with failpoints.armed(case.point(step, place), "raise"):
                server_id = await begun(site, case, server_id)
                await site.settled()
            await assert_broken(site, case, server_id, (step, place))
            if await site.status(server_id) == case.start and not case.first:
                await begun(site, case, server_id)
                await assert_done(site, case, server_id, (step, place))
            await site.end()


@pytest.mark.parametrize("case", EACH)
async def test_each_step_done_twice_and_undone_twice(site: Site, case: Case) -> None:
    for step in case.steps:
        server_id = await prepared(site, case)
        with failpoints.armed(case.point(step, "before_do"), "twice"):
            server_id = await begun(site, case, server_id)
            await assert_done(site, case, server_id, step)
        await site.end()
    last = case.steps[-1]
    for how, place, times in (
        ("twice", "before_undo", -1),
        ("raise", "before_undo", 1),
        ("raise", "after_undo", 1),
    ):
        server_id = await prepared(site, case)
        for step in case.steps:
            failpoints.arm(case.point(step, place), how, times)
        with failpoints.armed(case.point(last, "before_save"), "raise"):
            server_id = await begun(site, case, server_id)
            await site.settled()
        failpoints.disarm()
        await assert_broken(site, case, server_id, (how, place))
        await site.end()


@pytest.mark.parametrize("case", EACH)
async def test_another_takes_it_up_wherever_what_ran_it_died(site: Site, case: Case) -> None:
    for step in case.steps:
        for place in case.places:
            server_id = await prepared(site, case)
            point = case.point(step, place)
            failpoints.arm(point, "hang", 1)
            server_id = await begun(site, case, server_id)
            await site.crash(point, KINDS[case.kind])
            await assert_done(site, case, server_id, (step, place))
            await site.end()


@pytest.mark.parametrize("case", EACH)
async def test_a_delete_wins_wherever_it_stands(site: Site, case: Case) -> None:
    for step in case.steps:
        for place in case.places:
            server_id = await prepared(site, case)
            point = case.point(step, place)
            failpoints.arm(point, "hang", 1)
            server_id = await begun(site, case, server_id)
            await site.reached(point)
            said = await site.admin("POST", f"{SERVERS}/{server_id}/action", {"forceDelete": None})
            assert said.status_code in (202, 404), (step, place, said.text)
            failpoints.release(point)
            await site.settled()
            assert await site.status(server_id) == "gone", (step, place)
            kept = (await site.admin.get("/image/v2/images"))["images"]
            assert not [one for one in kept if one["name"].endswith("-shelved")], (step, place)
            await site.end()


MESSAGES = (
    ("command.{name}.send", "lose", 1),
    ("command.{name}.send", "twice", -1),
    ("node.{tag}.before", "raise", 1),
    ("node.{tag}.before", "twice", -1),
    ("node.{tag}.after", "raise", 1),
    ("node.{tag}.after", "lose", 1),
)


def _arm(place: str, how: str, times: int) -> None:
    for one in COMMANDS:
        tag = one.__struct_config__.tag
        failpoints.arm(place.format(name=one.__name__, tag=tag), how, times)


@pytest.mark.parametrize("case", EACH)
async def test_messages_that_are_lost_or_doubled_and_hosts_that_die_with_one(
    site: Site, case: Case
) -> None:
    for place, how, times in MESSAGES:
        server_id = await prepared(site, case)
        _arm(place, how, times)
        server_id = await begun(site, case, server_id)
        await site.settled()
        failpoints.disarm()
        await assert_done(site, case, server_id, (place, how))
        await site.end()


@pytest.mark.parametrize("case", EACH)
@pytest.mark.parametrize("place", ["node.{tag}.before", "node.{tag}.after"])
async def test_a_host_that_is_silent_all_the_time(site: Site, case: Case, place: str) -> None:
    """It did what it was asked, or not; what it owes is done when it is back."""
    server_id = await prepared(site, case)
    _arm(place, "raise", -1)
    server_id = await begun(site, case, server_id)
    async with asyncio.timeout(30):
        while await site._active():
            await settle(site.cloud)
            await asyncio.sleep(0.01)
    failpoints.disarm()
    await site.settled()
    status = await site.status(server_id)
    assert status in (case.start, case.ends, *case.broken, "ERROR"), status
    if status != "gone":
        assert (await site.show(server_id))["OS-EXT-STS:task_state"] is None
    if status != "VERIFY_RESIZE":
        await site.assert_right()
    await site.end()
