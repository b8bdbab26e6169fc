"""The volumes of a guest: plugged and unplugged while it runs, and where they are among its disks.

The caller holds the server's lock. What a guest is to lose stays in its record until it is out of it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from msgspec import structs

from hanok.base.failpoints import failpoint
from hanok.commands import GuestVolume, SetVolumes, VolumeAddress
from hanok.drivers.qemu import hotplug, hotplug_disks
from hanok.drivers.qemu.arguments import NBD, Disk, Place
from hanok.drivers.qemu.errors import QEMUError
from hanok.drivers.qemu.hotplug_disks import volume_name
from hanok.drivers.qemu.monitor import Monitor
from hanok.node.errors import NotDone
from hanok.node.power import check_lets_go_of_volumes
from hanok.node.records import Record

if TYPE_CHECKING:
    from hanok.node.far_volumes import FarVolumes
    from hanok.node.guests import Guest

GIB = 1 << 30
FIRST_INDEX = 1  # boot indices of disks begin there


def names_of(volumes: Iterable[GuestVolume]) -> set[str]:
    return {volume_name(one.attachment_id) for one in volumes}


At = Callable[[VolumeAddress], NBD]
"""Where a guest reaches a volume."""


def disk_of(volume: GuestVolume, at: At, *, rescued: bool = False) -> Disk:
    """A volume as QEMU has it."""
    index = volume.boot_index
    return Disk(
        volume_name(volume.attachment_id),
        "",
        "raw",
        read_only=volume.read_only or volume.device == "cdrom",
        serial=volume.volume_id,
        boot_index=None if index is None else index + FIRST_INDEX + rescued,
        bus=volume.bus,
        cdrom=volume.device == "cdrom",
        nbd=at(volume.address),
    )


def with_volumes(record: Record, disks: Sequence[Disk], at: At, *, incoming: bool) -> list[Disk]:
    """All disks of a guest, in its order: what it boots from before the others, where that is a volume.

    incoming: whether it is resumed: each is where it was.
    """
    rescued = record.spec.rescue is not None
    volumes = [disk_of(one, at, rescued=rescued) for one in record.spec.volumes]
    first = [] if record.spec.image_id else [one for one in volumes if one.boot_index is not None]
    found = [*first, *disks, *(one for one in volumes if one not in first)]
    if rescued and disks:  # it boots from what it is rescued with
        found = [*disks, *volumes]
    if not incoming or not record.root_ports:
        return found
    places = record.places
    return [
        replace(one, root_port=places.get(one.name), unit=places.get(f"{one.name}.unit"))
        for one in found
    ]


@dataclass(frozen=True)
class GuestVolumes:
    """
    remember: writes values into a guest's record. starts: whether its system may still be starting. far: to volumes of
    other hosts.
    """

    remember: Callable[..., Awaitable[None]]
    starts: Callable[[Guest], bool]
    far: FarVolumes

    async def set(self, guest: Guest, requested: SetVolumes) -> None:
        """
        Raises:
            NotDone: it does not let go of one, and has to; or one cannot be plugged.
        """
        spec = guest.record.spec
        kept = {one.attachment_id for one in requested.volumes}
        gone = [one for one in spec.volumes if one.attachment_id not in kept]
        new = kept - {one.attachment_id for one in spec.volumes}
        answers = True
        if gone or new:
            required = requested.required and bool(gone)
            answers = check_lets_go_of_volumes(guest.record.actual, required=required)
        both = structs.replace(spec, volumes=(*requested.volumes, *gone))
        await self.remember(guest, generation=requested.generation, spec=both)
        await failpoint("node.set_volumes.after_record")
        if guest.monitor is not None:
            await self._unplug(
                guest, gone, requested.timeout_s if answers else 0, requested.required
            )
            if gone:
                await self.note_places(guest, guest.monitor)
        await failpoint("node.set_volumes.after_unplug")
        if gone:
            changed = structs.replace(spec, volumes=requested.volumes)
            await self.remember(guest, spec=changed)
        if guest.monitor is not None:
            await self.plug(guest, requested.volumes)
        await failpoint("node.set_volumes.after_plug")

    async def _unplug(
        self, guest: Guest, gone: Sequence[GuestVolume], timeout_s: float, required: bool
    ) -> None:
        monitor = guest.monitor
        if monitor is None:
            return
        has = await hotplug_disks.volumes(monitor) if gone else set()
        for one in gone:
            name = volume_name(one.attachment_id)
            if name not in has or await hotplug_disks.unplug(monitor, name, timeout_s=timeout_s):
                continue
            if required:
                raise NotDone(
                    f"The guest did not let go of the volume within {timeout_s:g} seconds.",
                    transient=self.starts(guest),
                )

    async def plug(self, guest: Guest, volumes: Sequence[GuestVolume]) -> None:
        """A guest that runs has these volumes in their sizes, and the record says where they are.

        Raises:
            NotDone: it cannot have one. It does not have it then, by its record either.
        """
        if (monitor := guest.monitor) is None:
            return
        has, spec = await hotplug_disks.volumes(monitor), guest.record.spec
        new: dict[str, Place] = {}
        try:
            await self.far.reach(volumes)
            disks = [(disk_of(one, self.far.at), one.size_gib * GIB) for one in volumes]
            sizes = {disk.name: size for disk, size in disks if disk.name in has}
            grown = await hotplug_disks.smaller(monitor, sizes)
            for disk, size in disks:
                if disk.name not in has:
                    new[disk.name] = await hotplug_disks.plug(monitor, disk)
                elif disk.name in grown:
                    await hotplug_disks.resize(monitor, disk, size)
        except QEMUError as error:
            there = await hotplug_disks.volumes(monitor)
            left = [one for one in spec.volumes if volume_name(one.attachment_id) in there]
            await self.remember(guest, spec=structs.replace(spec, volumes=tuple(left)))
            raise NotDone(
                f"The volume cannot be attached to the server: {error.message}.",
                detail=error.detail,
            ) from error
        if new and guest.record.root_ports and all(at.port is not None for at in new.values()):
            # Where the others are is known.
            ports = {name: at.port for name, at in new.items()}
            await self.remember(guest, places={**guest.record.places, **ports})
        elif new:
            await self.note_places(guest, monitor)

    async def note_places(self, guest: Guest, monitor: Monitor) -> None:
        """The record says where all that came and went is, for a process that resumes it."""
        interfaces = await hotplug.interfaces(monitor)
        at, count = await hotplug.places(monitor)
        places = {mac: at[device] for mac, device in interfaces.items() if device in at}
        places |= {
            name.removeprefix("disk-"): port
            for name, port in at.items()
            if name.startswith("disk-")
        }
        for name, unit in (await hotplug_disks.units(monitor)).items():
            places[f"{name.removeprefix('disk-')}.unit"] = unit
            if "scsi" in at:
                places[name.removeprefix("disk-")] = at["scsi"]
        await self.remember(guest, places=places, root_ports=count)
