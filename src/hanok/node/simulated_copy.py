"""Simulated hosts of a copied cloud: they have what that cloud's hosts have, as if they had had it all along.

What a host has is told as control would tell an empty one (`Room.on_hosts`). Nothing is checked, no time passes and
nothing is fetched: it was all done once, on the host that is imitated. The bytes of guests' disks and of volumes stay
where they are; a guest has its image again, and a volume the image that it was made of.
"""

from __future__ import annotations

from pathlib import Path

from msgspec.structs import replace

from hanok.base.clock import Clock
from hanok.commands import (
    Command,
    EnsureImage,
    EnsureInstance,
    EnsureVolume,
    EnsureVolumeSnapshot,
    HostState,
    OpenVolume,
    SetPower,
    wire,
)
from hanok.commands.volumes import BackendState
from hanok.drivers.foreign_formats import FOREIGN
from hanok.node.records import Record, Records, changed
from hanok.node.simulated import Shape
from hanok.node.simulated_volumes import (
    GIB,
    Content,
    Kept,
    Shelf,
    SimulatedBackend,
    SimulatedVolume,
    lock_of,
)


class CopiedHost:
    """One host's folder, being filled."""

    def __init__(self, name: str, folder: Path, clock: Clock) -> None:
        """folder: of all hosts."""
        place = folder / wire.node_subject(name)
        self._clock = clock
        self._records = Records(place, clock, durable=False)
        self._guests: dict[str, Record] = {}
        self._shelf = Shelf(place / "volumes")
        self._formats: dict[str, str] = {}

    def take(self, command: Command) -> None:
        """It has had that.

        Raises:
            ValueError: no host is told that to have something.
        """
        match command:
            case EnsureImage():
                shown = command.disk_format in ("qcow2", *FOREIGN)
                self._formats[command.image_id] = "qcow2" if shown else "raw"
            case EnsureInstance():
                self._save(self._record(command))
            case SetPower():
                guest = self._guests[command.server_id]
                at = self._clock.now() if command.power in ("running", "paused") else None
                power = {"requested": command.power, "actual": command.power}
                self._save(changed(guest, **power, started_at=at))
            case EnsureVolume():
                self._shelf.save(self._volume(command))
            case EnsureVolumeSnapshot():
                volume = self._shelf.volumes[command.volume_id]
                now = Kept(content=volume.content, size_bytes=volume.size_bytes)
                kept = {**volume.snapshots, command.snapshot_id: now}
                self._shelf.save(replace(volume, snapshots=kept))
            case OpenVolume():
                volume, name = self._shelf.volumes[command.volume_id], command.attachment_id
                exports = {**volume.exports, name: command.read_only}
                openings = {**volume.openings, name: command.generation}
                self._shelf.save(replace(volume, exports=exports, openings=openings))
            case _:
                raise ValueError(f"a host has nothing by {type(command).__name__}")

    def _save(self, record: Record) -> None:
        self._guests[record.server_id] = record
        self._records.save(record)

    def _record(self, command: EnsureInstance) -> Record:
        return Record(
            server_id=command.server_id,
            generation=command.generation,
            spec=command,
            image_id=command.image_id,
            image_format=self._formats.get(command.image_id, "raw"),
            blank_root=bool(command.disks) and not command.disks[0].of_image,
            disk_generation=command.disk_generation,
            rescue_image_id="" if command.rescue is None else command.rescue.image_id,
        )

    def _volume(self, command: EnsureVolume) -> SimulatedVolume:
        size, source, content = command.size_gib * GIB, command.source, Content()
        if source.kind == "image":
            known = self._formats.get(source.id, "raw")
            content = Content(kind="image", id=source.id, format=known, size_bytes=size)
        return SimulatedVolume(
            volume_id=command.volume_id,
            backend=command.backend,
            generation=command.generation,
            size_bytes=size,
            content=content,
            ready=True,
            limits=command.limits,
            lock=lock_of(command.key),
        )


def told_of_host(state: HostState) -> dict[str, object]:
    """What `simulated.toml` says of a host, so that it has what this one has."""
    usual = Shape()
    offered = {*usual.traits, *usual.offers}
    pages: dict[str, int] = {}
    for cell in state.cells:
        for size, count in cell.pages.items():
            pages[str(size)] = pages.get(str(size), 0) + count
    devices: dict[str, int] = {}
    for device in state.devices:
        kind = f"{device.vendor_id}:{device.product_id}"
        devices[kind] = devices.get(kind, 0) + 1
    return {
        "vcpus": state.vcpus,
        "memory_mib": state.memory_mib,
        "disk_gib": state.disk_gib,
        "numa_cells": max(1, len(state.cells)),
        "threads": max([len(core) for cell in state.cells for core in cell.cores] or [1]),
        "dedicated_cpus": sum(len(cell.dedicated) for cell in state.cells),
        "huge_pages": {size: count for size, count in pages.items() if count},
        "pci": devices,
        "ratios": state.ratios,
        "traits": sorted(set(state.traits) - offered),
        "offers": sorted(set(state.offers) - offered),
        "without": sorted(offered - {*state.traits, *state.offers}),
    }


def told_of_backend(state: BackendState) -> SimulatedBackend:
    """The same of a back end of its volumes."""
    return SimulatedBackend(
        gib=state.total_gib,
        over_subscription=state.over_subscription,
        reserved_percentage=state.reserved_percentage,
        reason=state.reason,
    )
