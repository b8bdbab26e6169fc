"""A guest writes without a pause while everything is done to its volume, and what does it is killed at each place.

    python -m bench.integrity [ROUNDS]        # with QEMU; a few minutes

A real node without a cloud, a real guest: a boot sector that writes numbered sectors to its second disk by the BIOS, one after
the other, and says of each on its serial line when it is written. Meanwhile the volume is opened once more and closed,
extended, snapshotted, moved to the other back end, copied in full and incrementally, and its snapshots are removed; in each
of them the node is killed at a failpoint, or the node and the process that serves volumes. In the end

- the volume has every sector that the guest was told is written;
- each snapshot and each backup that is restored is the volume of one moment between its request and its answer;
- the host has no volume, layer, file or export that nobody asked for.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import re
import signal
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from msgspec.structs import replace
from tests.node.hosts import House, eventually, house, server
from tests.node.test_guest_volumes import a_disk
from tests.node.volume_hosts import (
    a_volume,
    beginning,
    clone_of,
    done,
    inventory,
    opened,
    removed,
    shown,
)

from hanok.base import failpoints
from hanok.base.ids import new_uuid
from hanok.bus import NobodyThere
from hanok.commands import (
    CloseVolume,
    Command,
    EnsureImage,
    EnsureVolumeCopy,
    EnsureVolumeSnapshot,
    Failed,
    GuestVolume,
    MoveVolume,
    OpenVolume,
    RemoveInstance,
    RemoveVolumeSnapshot,
    SetPower,
    SetVolumes,
    VolumeAddress,
    VolumeSource,
    VolumeState,
)
from hanok.commands.volumes import VolumeCopyPart
from hanok.drivers.qemu.process import find_daemon

BLOCK, COUNT = 512, 64  # sectors that are written to, again and again
# counter = 0
# again: counter += 1
# retry: wait for a tick of the clock; fill 512 bytes at 0x8000 with the counter; write them to sector (counter & 63) of
#        the second disk (int 13h, ah=43h); retry if that failed; say the counter on the serial line, a letter for each
#        four bits, and ";"; again
_CODE = bytes.fromhex(
    "31c08ed88ec06631ed6645fbf4bf0080b980006689e8fc66f3ab6689e866"
    "83e03f66a3667cbe5e7cb80043b281cd1372da6689ebb9080066c1c30488"
    "d8240f0461e80900e2f1b03be80200ebbc88c4bafd03eca82074fb88e0ba"
    "f803eec310000100008000000000000000000000"
)
WRITER = _CODE.ljust(510, b"\0") + b"\x55\xaa" + bytes((1 << 20) - 512)
WROTE = re.compile(r"([a-p]{8});")
PLACES = {
    "open": ("open_volume.before_record", "open_volume.after_record", "open_volume.after_effect"),
    "close": ("close_volume.after_effect",),
    "grow": ("ensure_volume.before_grow", "ensure_volume.after_grow"),
    "snapshot": (
        "snapshot_volume.before_record", "snapshot_volume.after_record",
        "snapshot_volume.after_effect",
    ),
    "move": ("move_volume.before_copy", "move_volume.after_copy", "move_volume.after_record"),
    "back_up": ("copy_volume.frozen", "copy_volume.after_copy"),
    "forget": ("remove_volume_snapshot.before", "merge_volume.before", "merge_volume.after"),
}  # fmt: skip
EVERY = tuple(
    (what, f"node.{place}", dies)
    for dies in ("node", "both")
    for what, places in PLACES.items()
    for place in places
)
FEW = (
    ("open", "node.open_volume.after_record", "both"),
    ("snapshot", "node.snapshot_volume.after_record", "both"),
    ("move", "node.move_volume.after_record", "node"),
    ("back_up", "node.copy_volume.frozen", "both"),
    ("grow", "node.ensure_volume.after_grow", "both"),
    ("forget", "node.remove_volume_snapshot.before", "node"),
)


def number_of(word: str) -> int:
    """What a word of the guest's is: a letter for each four bits."""
    return int("".join(f"{ord(letter) - ord('a'):x}" for letter in word), 16)


class Lost(AssertionError):
    """Something that was acknowledged is not there, or something is that nobody asked for."""


@dataclass(frozen=True)
class Moment:
    """Of what moments something may be: between so many blocks written and so many."""

    first: int
    last: int

    def check(self, data: bytes, what: str) -> int:
        """The number of blocks that were written when it was so."""
        found = {}
        for place in range(COUNT):
            sector = data[place * BLOCK : (place + 1) * BLOCK]
            number = int.from_bytes(sector[:4], "little")
            if sector != sector[:4] * (BLOCK // 4) or (number and number % COUNT != place):
                raise Lost(f"{what}: sector {place} is {sector[:40]!r}…")
            found[place] = number
        newest = max(found.values())
        for place, number in found.items():
            expected = newest - (newest - place) % COUNT
            if number != max(expected, 0):
                raise Lost(f"{what}: sector {place} is {number}, not {expected}, beside {newest}")
        if not self.first <= newest <= self.last:
            raise Lost(f"{what} is of {newest}, not of {self.first} to {self.last}")
        return newest


@dataclass
class Fire:
    """A volume of a guest that writes, and what was made of it. died: how often something was killed."""

    host: House
    server_id: str
    volume_id: str
    address: VolumeAddress
    backend: str = "files"
    generation: int = 1
    size_gib: int = 1
    guest_generation: int = 2
    place: str = ""
    dies: str = "node"
    died: int = 0
    snapshots: dict[str, Moment] = field(default_factory=dict)
    backups: list[tuple[str, Moment]] = field(default_factory=list)

    async def written(self) -> int:
        """The last sector that the guest was told is on its volume."""
        text = await self.host.console(self.server_id)
        return max((number_of(word) for word in WROTE.findall(text)), default=0)

    async def more(self) -> None:
        """The guest goes on writing."""
        before = await self.written()

        async def further() -> bool:
            return await self.written() > before + 2

        await eventually(further)

    # ---- what is killed

    async def _die(self) -> None:
        self.place, self.died = "", self.died + 1
        failpoints.disarm()
        daemon = find_daemon(Path(self.host.settings.run_dir) / "volumes" / "pid")
        await self.host.stop()
        if daemon is not None:
            if self.dies == "both":
                os.kill(daemon.identity.pid, signal.SIGKILL)
            daemon.close()
        await self.host.start()

    async def sure(self, command: Command) -> Any:
        """Ask until it is done; where the place is reached, what is to die does."""
        if self.place:
            failpoints.arm(self.place, "hang", 1)
        for _ in range(400):
            asking = asyncio.ensure_future(self.host.ask(command))
            while not asking.done():
                if self.place and failpoints.waiting(self.place):
                    await self._die()
                await asyncio.wait([asking], timeout=0.01)
            try:
                answer: object = asking.result()
            except (NobodyThere, asyncio.CancelledError):
                continue
            if isinstance(answer, Failed):
                if not answer.transient and "given up" not in answer.message:
                    raise Lost(f"{command}: {answer.message} ({answer.detail})")
                await asyncio.sleep(0.05)
            elif not isinstance(answer, VolumeState) or answer.done:
                return answer
        raise Lost(f"it never was done: {command}")

    # ---- what is done

    async def open(self) -> None:
        await self.close()

    async def close(self) -> None:
        """Somebody else reaches it for a while."""
        name = new_uuid()
        values = {"volume_id": self.volume_id, "attachment_id": name, "backend": self.backend}
        await self.sure(OpenVolume(**values))
        await self.sure(CloseVolume(**values))

    async def grow(self) -> None:
        self.generation, self.size_gib = self.generation + 1, self.size_gib + 1
        values = {"backend": self.backend, "size_gib": self.size_gib}
        await self.sure(a_volume(self.volume_id, self.generation, **values))
        self.guest_generation += 1
        has = SetVolumes(
            server_id=self.server_id, generation=self.guest_generation, volumes=(self.disk(),)
        )
        await self.sure(has)

    def disk(self) -> GuestVolume:
        """As the guest has it. The BIOS leaves out disks that are never booted from."""
        return replace(a_disk(self.volume_id, self.address, self.size_gib), boot_index=1)

    async def snapshot(self) -> None:
        name, first = new_uuid(), await self.written()
        values = {"volume_id": self.volume_id, "backend": self.backend}
        await self.sure(EnsureVolumeSnapshot(snapshot_id=name, **values))
        self.snapshots[name] = Moment(first, await self.written() + 1)

    async def forget(self) -> None:
        """One snapshot after the other goes; those that are left, and the volume, stay what they are."""
        await self.snapshot()
        await self.snapshot()
        for name in list(self.snapshots)[:-1]:
            del self.snapshots[name]
            values = {"volume_id": self.volume_id, "backend": self.backend}
            await self.sure(RemoveVolumeSnapshot(snapshot_id=name, **values))
            await self.more()
        for _ in range(100):  # merging is work in the background
            if not self.place or failpoints.waiting(self.place):
                break
            await asyncio.sleep(0.05)
        if self.place and failpoints.waiting(self.place):
            await self._die()

    async def move(self) -> None:
        """A volume with snapshots stays where it is: they are looked at first, and then go."""
        await self.look_at_snapshots()
        for name in list(self.snapshots):
            del self.snapshots[name]
            values = {"volume_id": self.volume_id, "backend": self.backend}
            await self.host.ask(RemoveVolumeSnapshot(snapshot_id=name, **values))
        self.generation += 1
        to = {"files": "files2", "files2": "files"}[self.backend]
        values = {"volume_id": self.volume_id, "generation": self.generation}
        await self.sure(MoveVolume(backend=self.backend, to=to, **values))
        self.backend, self.backups = to, []

    async def back_up(self) -> None:
        """A full copy, and an incremental one; restored, the second is a later moment."""
        first = await self.written()
        values = {"volume_id": self.volume_id, "backend": self.backend, "disk_format": "qcow2"}
        full, more = new_uuid(), new_uuid()
        await self.sure(EnsureVolumeCopy(copy_id=full, remember=True, **values))
        between = await self.written() + 1
        await self.more()
        since = await self.written()
        await self.sure(EnsureVolumeCopy(copy_id=more, since=full, remember=True, **values))
        last = await self.written() + 1
        await self._restored((full,), Moment(first, between))
        await self._restored((full, more), Moment(since, last))

    async def _restored(self, copies: tuple[str, ...], moment: Moment) -> None:
        parts = tuple(VolumeCopyPart(copy_id=one, disk_format="qcow2") for one in copies)
        source = VolumeSource(kind="backup", copies=parts)
        volume = a_volume(size_gib=self.size_gib, source=source)
        await done(self.host, volume)
        moment.check(await shown(self.host, volume.volume_id), f"a backup of {len(copies)}")
        await removed(self.host, volume.volume_id)

    # ---- what is looked at

    async def look_at_snapshots(self) -> None:
        for name, moment in self.snapshots.items():
            values = {"size_gib": self.size_gib, "backend": self.backend}
            clone = clone_of(self.volume_id, name, **values)
            await done(self.host, clone)
            data = await shown(self.host, clone.volume_id, backend=self.backend)
            moment.check(data, "a snapshot")
            await removed(self.host, clone.volume_id, backend=self.backend)

    async def look_at_all(self) -> int:
        """After the last block: everything is there, and nothing else. Returns how many were written."""
        await self.look_at_snapshots()
        last = await self.written()
        copy = EnsureVolumeCopy(copy_id=new_uuid(), volume_id=self.volume_id, backend=self.backend)
        await done(self.host, copy)
        Moment(last, last + 1).check(beginning(self.host, copy), "the volume")
        (found,) = (await inventory(self.host)).volumes
        expected = ((self.address.export,), set(self.snapshots), self.size_gib << 30)
        if (found.exports, set(found.snapshots), found.size_bytes) != expected:
            raise Lost(f"the host says: {found}")
        self._look_at_files()
        return last

    def _look_at_files(self) -> None:
        """Every file of a back end is a layer that a record names, and each of those is there."""
        folder = Path(self.host.settings.state_dir) / "volumes"
        files = {path.name.partition(".")[0] for path in (folder / "backends").glob("*/*")}
        known = {path.stem for path in (folder / "layers").glob("l*.json")}
        if files != known:
            raise Lost(f"files without records, or the other way round: {files ^ known}")


async def begin(host: House) -> Fire:
    """A guest that writes."""
    image_id, value = new_uuid(), hashlib.sha512(WRITER).hexdigest()
    (host.folder / "store" / image_id).write_bytes(WRITER)
    image = EnsureImage(
        image_id=image_id, disk_format="raw", size_bytes=len(WRITER), hash_value=value
    )
    await host.ask(image)
    volume = a_volume()
    await done(host, volume)
    address = await opened(host, volume.volume_id)
    fire = Fire(host, new_uuid(), volume.volume_id, address)
    await host.instance(server(server_id=fire.server_id, image_id=image_id, volumes=(fire.disk(),)))
    return fire


async def end(fire: Fire) -> int:
    fire.guest_generation += 1
    stop = SetPower(
        server_id=fire.server_id, generation=fire.guest_generation, power="stopped", soft=False
    )
    await fire.host.instance(stop)
    return await fire.look_at_all()


async def burn(host: House, rounds: tuple[tuple[str, str, str], ...]) -> Fire:
    """Do all of it; returns what was done. Raises Lost."""
    fire = await begin(host)
    for what, place, dies in rounds:
        fire.place, fire.dies = place, dies
        await fire.more()
        await getattr(fire, what)()
        print(f"| {what:<9} | {place:<40} | {dies:<5} | {await fire.written():>8} |", flush=True)
        fire.place = ""
        failpoints.disarm()
    print(f"all {await end(fire)} sectors are there; killed {fire.died} times", flush=True)
    await host.ask(RemoveInstance(server_id=fire.server_id, generation=1000))
    return fire


async def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else len(EVERY)
    async with house("real") as host:
        await burn(host, EVERY[:count])


if __name__ == "__main__":
    asyncio.run(main())
