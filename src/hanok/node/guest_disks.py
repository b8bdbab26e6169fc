"""All disks of a guest: which it has, how they are made, kept and given back, and what QEMU is told of them.

Each effect comes after the record that announces it, as everywhere in a node. The caller holds the server's lock.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hanok.base.failpoints import failpoint
from hanok.commands import GuestDisk
from hanok.drivers.qemu.arguments import BaseImage, Disk
from hanok.drivers.qemu.errors import CommandFailed
from hanok.node import hardware
from hanok.node.disk_names import CONFIG, INSTALLER, RESCUE, ROOT, SWAP, further, listed
from hanok.node.disks import Disks
from hanok.node.errors import NotDone
from hanok.node.images import CachedImage, ImageCache
from hanok.node.records import Record, Records

if TYPE_CHECKING:
    from hanok.node.guests import Guest


@dataclass(frozen=True)
class GuestDisks:
    """remember: writes values into a guest's record. halt: ends its process, and forgets memory that was saved."""

    records: Records
    images: ImageCache
    disks: Callable[[Record], Disks]
    remember: Callable[..., Awaitable[None]]
    halt: Callable[[Guest], Awaitable[None]]

    # ---- what QEMU is told

    def of(self, record: Record) -> list[Disk]:
        """The disks in the guest's order. A rescued one boots from what it is rescued with."""
        spec = record.spec
        plain = spec.rescue is None or spec.rescue.stable
        found = [
            self._disk(record, one) for one in listed(spec) if plain or one.name in (ROOT, CONFIG)
        ]
        if spec.rescue is not None:
            found.insert(len(found) if spec.rescue.stable else 0, self._rescue(record))
        return found

    def _disk(self, record: Record, disk: GuestDisk) -> Disk:
        path, disk_format = self._file(record, disk.name)
        index = disk.boot_index
        return Disk(
            disk.name,
            path,
            disk_format,
            self._base(record) if disk.name == ROOT else None,
            read_only=disk.name in (CONFIG, INSTALLER),
            serial={ROOT: record.server_id, CONFIG: "config-2"}.get(disk.name, disk.name),
            boot_index=None if index is None else index + 1 + (record.spec.rescue is not None),
            bus=disk.bus,
            cdrom=disk.device == "cdrom",
        )

    def _file(self, record: Record, name: str) -> tuple[str, str]:
        """Where the disk's bytes are, and in which format."""
        files = self.records.files(record.server_id)
        if name == INSTALLER:
            return str(self.images.path(record.image_id)), "raw"
        if name in (ROOT, CONFIG):
            return str(files / ("disk" if name == ROOT else "config.iso")), (
                "qcow2" if name == ROOT else "raw"
            )
        path, disk_format = self.disks(record).further(name)
        return str(path), disk_format

    def _base(self, record: Record) -> BaseImage | None:
        if record.blank_root:
            return None
        return BaseImage(str(self.images.path(record.image_id)), record.image_format)

    def _rescue(self, record: Record) -> Disk:
        rescue = record.spec.rescue
        assert rescue is not None
        cdrom = rescue.device == "cdrom"
        return Disk(
            RESCUE,
            str(self.records.files(record.server_id) / RESCUE),
            "qcow2",
            BaseImage(str(self.images.path(record.rescue_image_id)), record.rescue_format),
            read_only=cdrom,
            serial=RESCUE,
            boot_index=1,
            bus=rescue.bus,
            cdrom=cdrom,
        )

    # ---- what there is

    async def make(self, guest: Guest) -> None:
        """The disks are there as the guest's record wants them."""
        disks = self.disks(guest.record)
        disks.make_folder()
        await self._renew(guest, disks)
        if disks.has_root():
            await self._keep_or_restore(guest, disks)
        if guest.record.spec.image_id:  # else it boots from a volume
            await self._make_root(guest, disks)
        await failpoint("node.ensure_instance.after_root_disk")
        await self._make_rescue(guest, disks)
        await self._make_further(guest, disks)
        if guest.process is None:
            await self.make_config_drive(guest.record)

    async def make_config_drive(self, record: Record) -> None:
        drive = {file.path: file.content for file in record.spec.config_drive}
        await self.disks(record).make_config_drive(drive)

    async def _renew(self, guest: Guest, disks: Disks) -> None:
        """Disks of an older generation are thrown away."""
        spec = guest.record.spec
        if guest.record.disk_generation >= spec.disk_generation:
            return
        if disks.has_root():
            await self.halt(guest)
        await asyncio.to_thread(disks.discard, "disk")
        if not spec.keep_ephemeral:
            await asyncio.to_thread(disks.discard_further, frozenset())
        await asyncio.to_thread(hardware.forget, self.records.files(guest.record.server_id))
        await failpoint("node.ensure_instance.after_discard")
        await self.remember(guest, image_id="", checkpoint="", disk_generation=spec.disk_generation)

    async def _keep_or_restore(self, guest: Guest, disks: Disks) -> None:
        """The disks as they were kept, or kept as they are."""
        spec, kept = guest.record.spec, guest.record.checkpoint
        if spec.restore and kept == spec.restore:
            await self.halt(guest)
            await disks.restore(kept)
            await failpoint("node.ensure_instance.after_restore")
        elif spec.restore and guest.process is None:
            await disks.drop(spec.restore)  # it was being kept when the node died
        if kept and kept != spec.checkpoint:
            await self.remember(guest, checkpoint="")
            await self._drop_kept(guest, disks, kept)
        if spec.checkpoint and kept != spec.checkpoint and guest.process is None:
            await disks.keep(spec.checkpoint)
            await self.remember(guest, checkpoint=spec.checkpoint)

    @staticmethod
    async def _drop_kept(guest: Guest, disks: Disks, name: str) -> None:
        if guest.monitor is None:
            await disks.drop(name)
            return
        for disk in (ROOT, *(one.name for one in further(guest.record.spec))):
            with contextlib.suppress(CommandFailed):  # one that is new, or not of qcow2
                await guest.monitor.execute(
                    "blockdev-snapshot-delete-internal-sync", {"device": disk, "name": name}
                )

    async def _make_root(self, guest: Guest, disks: Disks) -> None:
        spec = guest.record.spec
        if not disks.has_root():
            known = self._image(spec.image_id)
            blank = not listed(spec)[0].of_image
            values = {"image_format": known.format, "blank_root": blank}
            await self.remember(guest, image_id=spec.image_id, **values)
            if blank:
                await disks.make_blank_root(spec.disk_gib)
            else:
                path, size = self.images.path(spec.image_id), known.virtual_size_bytes
                await disks.make_root(path, known.format, size, spec.disk_gib)
        elif grown := disks.to_grow(spec.disk_gib):
            await self._grow(guest, disks, ROOT, grown)

    @staticmethod
    async def _grow(guest: Guest, disks: Disks, name: str, size: int) -> None:
        if guest.monitor is not None:
            await guest.monitor.execute("block_resize", {"node-name": name, "size": size})
        else:
            await disks.grow(name, size)

    async def _make_rescue(self, guest: Guest, disks: Disks) -> None:
        """The disk that it is rescued with is there, or is not."""
        requested = guest.record.spec.rescue
        if guest.process is not None:
            return
        if requested is None or requested.image_id != guest.record.rescue_image_id:
            await asyncio.to_thread(disks.discard, RESCUE)
            await self.remember(guest, rescue_image_id="")
        if requested is None:
            return
        known = self._image(requested.image_id)
        await self.remember(guest, rescue_image_id=known.image_id, rescue_format=known.format)
        path = self.images.path(known.image_id)
        await disks.make_rescue(path, known.format, known.virtual_size_bytes)

    async def _make_further(self, guest: Guest, disks: Disks) -> None:
        """Ephemeral disks keep what is on them; swap space is made anew in another size."""
        requested = further(guest.record.spec)
        if guest.process is None:
            names = frozenset(one.name for one in requested)
            await asyncio.to_thread(disks.discard_further, names)
            for one in requested:
                if one.name == SWAP:
                    await asyncio.to_thread(disks.discard_blank, SWAP, one.size_mib << 20)
        for one in requested:
            size = one.size_mib << 20
            if one.name == SWAP:
                await disks.make_swap(size)
            elif not disks.has(one.name):
                await disks.make_ephemeral(one.name, size, one.file_system)
            elif disks.size_of(one.name) < size and guest.process is None:
                await disks.grow(one.name, size)

    def _image(self, image_id: str) -> CachedImage:
        """Raises NotDone when it is not in the cache."""
        if (known := self.images.get(image_id)) is None:
            raise NotDone(
                "The server's image is not on this host.", detail=image_id, transient=True
            )
        return known
