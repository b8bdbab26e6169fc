"""Simulated hosts: the node's commands, states and errors without QEMU, network or root.

For clients' tests and for a thousand hosts on a laptop. Many hosts live in one process and cost some kilobytes each. A
guest is a record and a clock: its console log grows for the second it takes to "boot". With a state directory
the records are files, so that guests outlive a restart; without, all of it is memory.

The rules are the real node's (`power`, `records.check_generation`, `images.checked`), and the same contract tests run
against both.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import io
import itertools
import shutil
import tempfile
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

import msgspec
from msgspec import Struct

from hanok.base.clock import Clock
from hanok.base.code import code
from hanok.base.ids import is_uuid
from hanok.bus import Bus, Handler, Listening
from hanok.commands import (
    AdmitInstance,
    Answer,
    AskAgent,
    ByteChannel,
    Command,
    ConsoleLog,
    DescribeHost,
    Diagnostics,
    DiskCounters,
    Done,
    EnsureImage,
    EnsureInstance,
    EnsureSnapshot,
    ExpectedInstance,
    ExpectInstance,
    ForgetImage,
    ForgetSnapshot,
    GuestVolume,
    HandOverSnapshot,
    HostInventory,
    HostState,
    ImageState,
    InjectNMI,
    InstanceChanged,
    InstanceState,
    KeepInstance,
    KeptInstance,
    ListInventory,
    NICCounters,
    OfferDisks,
    OfferedDisks,
    OpenConsole,
    Ping,
    Power,
    ReadConsole,
    ReadDiagnostics,
    RebootInstance,
    RefusedInstance,
    RefuseInstance,
    RemoveInstance,
    SendInstance,
    SentInstance,
    SetInterfaces,
    SetPower,
    SetVolumes,
    SnapshotState,
    TakeDisks,
    TakenDisks,
    wire,
)
from hanok.commands.limits import Limited
from hanok.commands.machines import DescribeMachine, MachineState, ReadLogs
from hanok.drivers import qcow2
from hanok.drivers.foreign_formats import FOREIGN
from hanok.drivers.image_format import Inspector
from hanok.node import simulated_hardware
from hanok.node.channel import HandOvers
from hanok.node.console import ConsoleDoor, last_lines
from hanok.node.errors import NotDone
from hanok.node.guest_disks import CONFIG, INSTALLER, listed
from hanok.node.handlers import handle
from hanok.node.hardware import SIMULATED_OFFERS, SIMULATED_TRAITS, check_machine
from hanok.node.images import (
    CHUNK,
    CachedImage,
    check_fits,
    check_requested,
    checked,
    fetched,
    find_in_store,
    not_in_store,
    open_in_store,
)
from hanok.node.power import check_lets_go, check_lets_go_of_volumes, check_power
from hanok.node.records import Record, Records, changed, check_generation, images_of
from hanok.node.simulated_balancers import SimulatedBalancers
from hanok.node.simulated_console import Consoles
from hanok.node.simulated_loads import LOADS, Loads, Work
from hanok.node.simulated_shares import (
    USUAL_SHARE_BACKENDS,
    SimulatedShareBackend,
    shares_of,
)
from hanok.node.simulated_volumes import (
    USUAL_BACKENDS,
    Shelf,
    SimulatedBackend,
    SimulatedVolumes,
)

GIB = 1 << 30
SECTOR = 512
QCOW2 = b"QFI\xfb"
KEEP_BOOTS = 4
COUNTED = ("octets", "packets", "errors", "drop")
FIRST_PID = 100_000
QEMU_VERSION = "7.2.0"  # what Debian 12 has: images and flavors may ask for one

BOOT_LINES = (
    (0.02, "SeaBIOS (version simulated)"),
    (0.05, "Booting from Hard Disk..."),
    (0.15, "[    0.000000] Linux version 6.1.0-simulated (hanok@simulated) #1 SMP"),
    (0.17, "[    0.000000] Command line: root=LABEL=hanok-root console=ttyS0,115200"),
    (0.20, "[    0.004120] DMI: OpenStack Foundation OpenStack Nova, BIOS simulated"),
    (0.25, "[    0.051377] smpboot: Allowing {vcpus} CPUs, 0 hotplug CPUs"),
    (0.30, "[    0.083914] Memory: {memory_kib}K available"),
    (0.45, "[    0.402551] virtio_blk virtio0: [vda] {sectors} 512-byte logical blocks"),
    (0.55, "[    0.571803] EXT4-fs (vda2): mounted filesystem with ordered data mode"),
    (0.65, "guest: {interfaces} network interface(s)"),
    (0.75, "guest: identity from the {source}"),
    (0.90, "guest: ready after 1 s"),
    (0.95, ""),
)


class Shape(Struct, frozen=True, kw_only=True):
    """What each simulated host has, and how quick it is.

    numa_cells: among which CPUs and memory are divided. threads: of each core. dedicated_cpus: the last of each cell,
    so many of all together, go to one guest each. huge_pages: how many there are in all, by size in KiB.
    pci: how many PCI devices there are in all, by "vendor:product" ("8086:1563"). ratios: as a host tells them.
    latency_s: how long a command takes. boot_s: from power-on to the login prompt.
    limits, traits, offers: as a host tells them.
    backends: of volumes, by name. copy_s: how long it takes to copy a volume, or to fill one of an image.
    move_s: how long a guest takes to another host while it runs. share_backends: of shares, by name.
    """

    vcpus: int = 16
    memory_mib: int = 64 * 1024
    disk_gib: int = 2000
    numa_cells: int = 1
    threads: int = 1
    dedicated_cpus: int = 0
    huge_pages: dict[str, int] = {}
    pci: dict[str, int] = {}
    ratios: dict[str, float] = {}
    latency_s: float = 0.0
    boot_s: float = 1.0
    limits: tuple[Limited, ...] = ("cpu", "disk", "inbound")
    traits: tuple[str, ...] = SIMULATED_TRAITS
    offers: tuple[str, ...] = SIMULATED_OFFERS
    backends: dict[str, SimulatedBackend] = msgspec.field(default_factory=lambda: USUAL_BACKENDS)
    copy_s: float = 0.0
    move_s: float = 0.0
    share_backends: dict[str, SimulatedShareBackend] = msgspec.field(
        default_factory=lambda: USUAL_SHARE_BACKENDS
    )


@dataclass
class SimulatedGuest:
    """A record, when it was switched on (seconds of the monotonic clock), and what its kernel said since.

    reason: as of a real guest. passwords: by user, as the agent has set them. quiesced: how often it was copied
    with its file systems standing still. holds_on: whether it does not let go of volumes. leaves_at: when all of it has
    gone to another host.
    """

    record: Record
    reason: str = ""
    notes: list[str] = field(default_factory=list)
    passwords: dict[str, str] = field(default_factory=dict)
    quiesced: int = 0
    holds_on: bool = False
    boots: list[float] = field(default_factory=list)
    pid: int = 0
    leaves_at: float | None = None
    worked: Work = field(default_factory=Work)


class SimulatedImages:
    """What is known of the images' data: each is read and checked once for all hosts.

    Without stores every image is taken as it is described; if described, those are whose bytes are not there, too.
    """

    def __init__(self, stores: Sequence[str] = (), *, described: bool = False) -> None:
        self._stores = [Path(store) for store in stores]
        self._described = described
        self._known: dict[EnsureImage, CachedImage] = {}
        self._lock = asyncio.Lock()

    async def check(self, requested: EnsureImage, host: str = "") -> CachedImage:
        check_requested(requested)
        key = msgspec.structs.replace(requested, request_id="", source=None)
        async with self._lock:
            if key not in self._known:
                self._known[key] = await asyncio.to_thread(self._read, requested, host)
            return self._known[key]

    def copy(self, image_id: str, image_format: str, disk_gib: int, path: Path) -> None:
        """Write a guest's disk as a qcow2: it is its image, as no guest ever writes. Call it in a thread.

        Args:
            image_id: empty for a disk that was empty at first.
        """
        temporary = path.with_name(f".{path.name}.new")
        with temporary.open("wb") as target:
            try:
                fd = open_in_store(self._stores, image_id) if image_id else None
                source: BinaryIO = io.BytesIO() if fd is None else open(fd, "rb")
            except NotDone:  # the image is deleted by now: what was on it is not kept a second time
                source, image_format = io.BytesIO(), "raw"
            with source:
                is_one = source.read(len(QCOW2)) == QCOW2  # else it was one of another hypervisor
                source.seek(0)
                if is_one and image_format == "qcow2":
                    shutil.copyfileobj(source, target, CHUNK)
                else:
                    source = source if image_format == "raw" else io.BytesIO()
                    size = source.seek(0, io.SEEK_END)
                    source.seek(0)
                    whole = max(disk_gib * GIB, -(-size // SECTOR) * SECTOR, SECTOR)
                    qcow2.write(source, target, whole)
        temporary.rename(path)

    def open_raw(self, image_id: str, image_format: str) -> BinaryIO:
        """The disk that an image is, as a raw one; an empty one where it is deleted by now."""
        try:
            source = open(open_in_store(self._stores, image_id), "rb")
        except NotDone:
            return io.BytesIO()
        if image_format != "qcow2":
            return source
        found = tempfile.TemporaryFile()
        with source, contextlib.suppress(ValueError):  # one of another hypervisor
            qcow2.show(source, found)
        return found

    def _read(self, requested: EnsureImage, host: str) -> CachedImage:
        found = find_in_store(self._stores, requested.image_id)
        if not self._stores or (found is None and self._described):
            return CachedImage(
                image_id=requested.image_id,
                disk_format=requested.disk_format,
                format="qcow2" if requested.disk_format in ("qcow2", *FOREIGN) else "raw",
                size_bytes=requested.size_bytes,
                virtual_size_bytes=requested.size_bytes,
            )
        if found is None and requested.source is not None:
            return _converted(checked(requested, *fetched(requested, host, None)))
        if found is None:
            raise not_in_store(requested.image_id)
        digest, inspector = hashlib.new(requested.hash_algorithm), Inspector()
        with open(found, "rb") as file:
            while chunk := file.read(CHUNK):
                digest.update(chunk)
                inspector.feed(chunk)
        return _converted(checked(requested, digest.hexdigest(), inspector))


def _converted(known: CachedImage) -> CachedImage:
    """Disks of other hypervisors are qcow2 afterwards, as at a real host."""
    return msgspec.structs.replace(known, format="qcow2") if known.format in FOREIGN else known


class SimulatedHost:
    """One host. `do` is its one door, as the bus calls it; `crash` and `switch_off` are a guest's own doings."""

    def __init__(
        self,
        name: str,
        shape: Shape,
        images: SimulatedImages,
        clock: Clock,
        tell: Callable[[InstanceChanged], Awaitable[None]],
        records: Records | None = None,
        door: ConsoleDoor | None = None,
        snapshots: Path | None = None,
        hand_overs: HandOvers | None = None,
        volumes: Path | None = None,
        loads: Loads | None = None,
        shares: Path | None = None,
    ) -> None:
        """
        Args:
            shares: where those are kept; None for memory only.
            loads: how busy guests are; None: as idle guests are.
            volumes: where those are kept; None for memory only.
            records: where guests are kept; None for memory only. door: to their consoles; None for none.
            snapshots: the folder of copies of disks; None: no copies are made. hand_overs: gives them to control.
        """
        self.name = name
        self.shape = shape
        self.loads = loads or Loads()
        self._images = images
        self._clock = clock
        self._tell = tell
        self._records = records
        self._door = door
        self._snapshots = snapshots
        self._hand_overs = hand_overs
        self._cached: dict[str, CachedImage] = {}
        self._guests: dict[str, SimulatedGuest] = {}
        self._removed: dict[str, int] = {}
        self._pids = itertools.count(FIRST_PID)
        self.listening: Listening | None = None
        self.balancers = SimulatedBalancers()
        self.shares = shares_of(name, shape.share_backends, shares)
        self.volumes = SimulatedVolumes(
            name,
            shape.backends,
            clock,
            Shelf(volumes),
            self._image,
            images.open_raw,
            shape.copy_s,
            snapshots,
            hand_overs,
        )
        if records is not None:
            for record in records.load():
                guest = self._guests[record.server_id] = SimulatedGuest(record)
                if record.actual in ("running", "paused"):
                    guest.pid = next(self._pids)
                    guest.boots.append(clock.monotonic_s() - shape.boot_s)

    async def do(self, command: Command) -> Answer:
        if self.shape.latency_s:
            await asyncio.sleep(self.shape.latency_s)
        match command:
            case Ping():
                return Done()
            case DescribeHost():
                return self.host_state()
            case ListInventory():
                return self._inventory()
            case DescribeMachine():
                return MachineState(host=self.name, code=code())
            case ReadLogs():
                raise NotDone("This host is simulated: it writes no logs of its own.")
            case EnsureImage():
                known = self._cached.get(command.image_id)
                copied = known is None
                if known is None:
                    known = self._cached[command.image_id] = await self._images.check(
                        command, self.name
                    )
                return ImageState(
                    image_id=command.image_id,
                    virtual_size_bytes=known.virtual_size_bytes,
                    copied=copied,
                )
            case ForgetImage():
                used = (images_of(guest.record) for guest in self._guests.values())
                if not any(command.image_id in some for some in used):
                    self._cached.pop(command.image_id, None)
                return Done()
            case ReadConsole():
                return ConsoleLog(text=self._log(self._get(command.server_id), command.lines))
            case OpenConsole():
                if not self._get(command.server_id).pid or self._door is None:
                    raise NotDone("The server is not running, so it has no console.")
                return self._door.open(command.server_id, command.kind)
            case ReadDiagnostics():
                return self._diagnostics(self._get(command.server_id))
            case (
                EnsureInstance()
                | SetPower()
                | SetInterfaces()
                | SetVolumes()
                | RebootInstance()
                | RemoveInstance()
            ):
                return self._change(command)
            case OfferDisks():
                return self._offer(self._get(command.server_id), live=command.live)
            case TakeDisks():
                return TakenDisks(done=True)
            case InjectNMI():
                return self._inject_nmi(self._get(command.server_id), command.token)
            case AskAgent():
                return self._agent(self._get(command.server_id), command)
            case EnsureSnapshot():
                return await self._snapshot(command)
            case HandOverSnapshot():
                if self._snapshots is None or self._hand_overs is None:
                    raise NotDone("This host keeps no snapshots.")
                return await self._hand_overs.ensure(
                    self.name, command, self._snapshots / command.snapshot_id
                )
            case ForgetSnapshot():
                if self._hand_overs is not None:
                    await self._hand_overs.end(command.snapshot_id)
                if self._snapshots is not None:
                    (self._snapshots / command.snapshot_id).unlink(missing_ok=True)
                return Done()
            case (
                ExpectInstance()
                | SendInstance()
                | AdmitInstance()
                | KeepInstance()
                | RefuseInstance()
            ):
                return await self._move(command)
        if (answer := await self.balancers.do(command)) is not None:
            return answer
        if (told := await self.shares.do(command)) is not None:
            return told
        return await self.volumes.do(command)

    async def leave(self) -> None:
        """It is gone as one whose power went: it hears nothing, and says nothing."""
        if self.listening is not None:
            await self.listening.end()
        self.listening = None

    async def listen(self, bus: Bus) -> None:
        """It is there."""
        await self.shares.adopt()
        self.listening = await bus.listen(wire.node_subject(self.name), _receiver(self))

    def host_state(self) -> HostState:
        shape = self.shape
        running = [g.record.spec for g in self._guests.values() if g.pid]
        disk_gib = sum(g.record.spec.disk_gib for g in self._guests.values())
        return HostState(
            host=self.name,
            address="127.0.0.1",
            vcpus=shape.vcpus,
            memory_mib=shape.memory_mib,
            memory_free_mib=shape.memory_mib - sum(spec.memory_mib for spec in running),
            disk_gib=shape.disk_gib,
            disk_free_gib=max(0, shape.disk_gib - disk_gib),
            accelerator="simulated",
            accelerator_reason="this host is simulated: its guests run no code",
            qemu_version=QEMU_VERSION,
            cpu_model="simulated",
            cpu_vendor="Hanok",
            running_guests=len(running),
            uptime_s=int(self._clock.monotonic_s()),
            simulated=True,
            cells=simulated_hardware.cells(
                vcpus=shape.vcpus,
                memory_mib=shape.memory_mib,
                count=shape.numa_cells,
                threads=shape.threads,
                dedicated=shape.dedicated_cpus,
                huge_pages=shape.huge_pages,
            ),
            devices=simulated_hardware.devices(shape.pci, shape.numa_cells),
            ratios=shape.ratios,
            limits=shape.limits,
            traits=shape.traits,
            offers=shape.offers,
            hypervisors=("qemu", "kvm"),
            cpu_flags=("aes", "avx", "avx2", "sse2"),
        )

    async def crash(self, server_id: str) -> None:
        """The guest's process ends by itself."""
        await self._ended(server_id, "crashed", "Its hypervisor process ended unexpectedly.")

    async def switch_off(self, server_id: str) -> None:
        """Somebody inside the guest switches it off."""
        await self._ended(server_id, "stopped", "It switched itself off.")

    async def _snapshot(self, requested: EnsureSnapshot) -> SnapshotState:
        if self._snapshots is None:
            raise NotDone("This host keeps no snapshots.")
        path, record = (
            self._snapshots / requested.snapshot_id,
            self._get(requested.server_id).record,
        )
        if not path.exists():
            if requested.quiesce != "no" and record.actual == "running":
                self._get(requested.server_id).quiesced += 1
            disk = (
                "" if record.blank_root else record.image_id,
                record.image_format,
                record.spec.disk_gib,
            )
            await asyncio.to_thread(self._images.copy, *disk, path)
        return SnapshotState(snapshot_id=requested.snapshot_id, done=True)

    # ---- commands on one guest

    def _change(
        self,
        command: EnsureInstance
        | SetPower
        | SetInterfaces
        | SetVolumes
        | RebootInstance
        | RemoveInstance,
    ) -> Answer:
        server_id = command.server_id
        guest = self._guests.get(server_id)
        newest = guest.record.generation if guest else -1
        check_generation(command.generation, newest, self._removed_at(server_id))
        match command:
            case EnsureInstance():
                guest = self._ensure(command, guest)
            case SetPower():
                guest = self._get(server_id)
                check_power(guest.record.actual, command.power)
                self._remember(guest, generation=command.generation, requested=command.power)
                self._set(guest, command.power)
            case SetInterfaces():
                guest = self._get(server_id)
                self._set_interfaces(guest, command)
            case SetVolumes():
                guest = self._get(server_id)
                self._set_volumes(guest, command)
            case RebootInstance():
                guest = self._get(server_id)
                if guest.record.rebooted_generation < command.generation:
                    self._remember(guest, generation=command.generation, requested="running")
                    self._set(guest, "stopped")
                    self._set(guest, "running")
                    self._remember(guest, rebooted_generation=command.generation)
            case RemoveInstance():
                self._remove(server_id, command.generation)
                return Done()
        return self._state(guest)

    def _ensure(self, requested: EnsureInstance, guest: SimulatedGuest | None) -> SimulatedGuest:
        if guest is None:
            guest = self._guests[requested.server_id] = SimulatedGuest(
                Record(
                    server_id=requested.server_id, generation=requested.generation, spec=requested
                )
            )
        self._remember(
            guest, generation=requested.generation, spec=requested, requested=requested.power
        )
        self._make_disks(guest, requested)
        self._set(guest, requested.power)
        return guest

    def _set_interfaces(self, guest: SimulatedGuest, requested: SetInterfaces) -> None:
        kept = {nic.port_id for nic in requested.nics}
        gone = any(nic.port_id not in kept for nic in guest.record.spec.nics)
        check_lets_go(guest.record.actual, required=requested.required and gone)
        spec = msgspec.structs.replace(
            guest.record.spec, nics=requested.nics, config_drive=requested.config_drive
        )
        self._remember(guest, generation=requested.generation, spec=spec)

    def _set_volumes(self, guest: SimulatedGuest, requested: SetVolumes) -> None:
        had = {one.attachment_id for one in guest.record.spec.volumes}
        gone = bool(had - {one.attachment_id for one in requested.volumes})
        new = any(one.attachment_id not in had for one in requested.volumes)
        required = requested.required and gone
        answers = not (gone or new) or check_lets_go_of_volumes(
            guest.record.actual, required=required
        )
        if answers and required and guest.holds_on:
            raise NotDone(
                f"The guest did not let go of the volume within {requested.timeout_s:g} seconds.",
                transient=True,
            )
        spec = msgspec.structs.replace(guest.record.spec, volumes=requested.volumes)
        self._remember(guest, generation=requested.generation, spec=spec)

    def volumes_of(self, server_id: str) -> tuple[GuestVolume, ...]:
        """The volumes that the guest has."""
        return self._get(server_id).record.spec.volumes

    def config_drive_of(self, server_id: str) -> dict[str, bytes]:
        """The files of the guest's config drive, by path."""
        return {one.path: one.content for one in self._get(server_id).record.spec.config_drive}

    def hold_on(self, server_id: str, holds_on: bool = True) -> None:
        """From now on the guest does not let go of volumes, or does again."""
        self._get(server_id).holds_on = holds_on

    # ---- guests that move while they run

    def _offer(self, guest: SimulatedGuest, *, live: bool) -> OfferedDisks:
        nowhere = ByteChannel(url="https://127.0.0.1/disks", ticket="simulated")
        if not live:
            return OfferedDisks(source=nowhere)
        self._check_moves(guest)
        spec = guest.record.spec
        written = [one for one in listed(spec) if one.name not in (CONFIG, INSTALLER)]
        sizes = {one.name: (one.size_mib << 20) or spec.disk_gib * GIB for one in written}
        return OfferedDisks(source=nowhere, sizes=sizes)

    @staticmethod
    def _check_moves(guest: SimulatedGuest) -> None:
        """The real node's `check_moves`."""
        spec = guest.record.spec
        if guest.record.actual not in ("running", "paused"):
            raise NotDone("The server is not running.")
        if spec.host_devices:
            raise NotDone("A server with devices of its host cannot be moved while it runs.")
        if spec.devices.tpm_version:
            raise NotDone("A server with a TPM cannot be moved while it runs.")

    async def _move(
        self,
        command: ExpectInstance | SendInstance | AdmitInstance | KeepInstance | RefuseInstance,
    ) -> Answer:
        server_id = command.server_id
        guest = self._guests.get(server_id)
        newest = guest.record.generation if guest else -1
        check_generation(command.generation, newest)
        match command:
            case ExpectInstance():
                check_generation(command.generation, self._removed_at(server_id))
                self._expect(command, guest)
                return ExpectedInstance(
                    target=ByteChannel(url="https://127.0.0.1/streams", ticket="simulated")
                )
            case SendInstance():
                return await self._send(self._get(server_id), command)
            case AdmitInstance():
                return self._admit(self._get(server_id))
            case KeepInstance():
                return self._keep(self._get(server_id), command)
            case RefuseInstance():
                if guest is not None and not guest.record.move:
                    return RefusedInstance(has_come=True)
                self._remove(server_id, command.generation)
                return RefusedInstance(has_come=False)

    def _expect(self, requested: ExpectInstance, guest: SimulatedGuest | None) -> None:
        if guest is not None and guest.record.generation == requested.generation:
            if guest.record.move:
                return
            raise NotDone("The server is here already.")
        made = SimulatedGuest(
            Record(
                server_id=requested.server_id,
                generation=requested.generation,
                spec=requested.instance,
                requested=requested.power,
                move="expected",
            )
        )
        check_machine(requested.instance.devices, self.shape.offers)
        if self.host_state().memory_free_mib < requested.instance.memory_mib:
            raise NotDone("The host has not enough free memory for the server.", transient=True)
        self._make_disks(made, requested.instance)
        self._guests[requested.server_id] = made
        self._remember(made)

    async def _send(self, guest: SimulatedGuest, requested: SendInstance) -> SentInstance:
        """As far as the time that it takes here has passed; at once where it may stand still."""
        if guest.record.move == "sent":
            return SentInstance(sent=True)
        self._check_moves(guest)
        now = self._clock.monotonic_s()
        if guest.record.move != "sending" or guest.leaves_at is None:
            guest.leaves_at = now + self.shape.move_s
            self._remember(guest, generation=requested.generation, move="sending")
        left_s = max(0.0, guest.leaves_at - now)
        if left_s and not requested.hurry:
            await asyncio.sleep(min(left_s, requested.wait_s))
            left_s = max(0.0, guest.leaves_at - self._clock.monotonic_s())
        if guest.record.move != "sending":
            raise NotDone("The server is to stay.")
        if left_s and not requested.hurry:
            return SentInstance(sent=False, progress=self._moved(guest, left_s))
        self._remember(guest, move="sent", actual="paused")
        return SentInstance(sent=True, progress=self._moved(guest, 0.0))

    def _moved(self, guest: SimulatedGuest, left_s: float) -> dict[str, int]:
        total = guest.record.spec.memory_mib << 20
        left = int(total * left_s / self.shape.move_s) if left_s else 0
        return {
            "memory_total_bytes": total,
            "memory_processed_bytes": total - left,
            "memory_remaining_bytes": left,
            "disk_total_bytes": 0,
            "disk_processed_bytes": 0,
            "disk_remaining_bytes": 0,
        }

    def _admit(self, guest: SimulatedGuest) -> InstanceState:
        if guest.record.move:
            now = self._clock.monotonic_s()
            guest.boots, guest.pid = [now - self.shape.boot_s], next(self._pids)
            power, at = guest.record.requested, self._clock.now()
            self._remember(guest, move="", actual=power, started_at=at, pid=guest.pid)
        return self._state(guest)

    def _keep(self, guest: SimulatedGuest, requested: KeepInstance) -> KeptInstance:
        if guest.record.move == "sent" and not requested.even_sent:
            return KeptInstance(sent=True)
        guest.leaves_at = None
        power = guest.record.requested if guest.record.move else guest.record.actual
        self._remember(guest, generation=requested.generation, move="", actual=power)
        return KeptInstance(sent=False)

    def _make_disks(self, guest: SimulatedGuest, requested: EnsureInstance) -> None:
        """What the record says of disks is as wanted."""
        if guest.record.disk_generation < requested.disk_generation:
            if guest.record.image_id:
                self._set(guest, "stopped")
            generation = requested.disk_generation
            self._remember(guest, image_id="", checkpoint="", disk_generation=generation)
        if requested.image_id and not guest.record.image_id:
            image, blank = self._image(requested.image_id), not listed(requested)[0].of_image
            check_fits(0 if blank else image.virtual_size_bytes, requested.disk_gib)
            values = {"image_format": image.format, "blank_root": blank}
            self._remember(guest, image_id=image.image_id, **values)
        if requested.restore and guest.record.checkpoint == requested.restore:
            self._set(guest, "stopped")
        if guest.record.checkpoint != requested.checkpoint and (
            not requested.checkpoint or not guest.pid
        ):
            self._remember(guest, checkpoint=requested.checkpoint)
        if not guest.pid:
            rescue = requested.rescue
            known = None if rescue is None else self._image(rescue.image_id)
            self._remember(guest, rescue_image_id="" if known is None else known.image_id)

    def _image(self, image_id: str) -> CachedImage:
        if (known := self._cached.get(image_id)) is None:
            raise NotDone(
                "The server's image is not on this host.", detail=image_id, transient=True
            )
        return known

    def _inject_nmi(self, guest: SimulatedGuest, token: str) -> Done:
        if guest.record.nmi_token != token:
            if not guest.pid:
                raise NotDone("The server is not running.")
            guest.notes.append("Uhhuh. NMI received for unknown reason 30 on CPU 0.")
            self._remember(guest, nmi_token=token)
        return Done()

    @staticmethod
    def _agent(guest: SimulatedGuest, requested: AskAgent) -> Done:
        if guest.record.actual != "running":
            raise NotDone("The server is not running.")
        if not guest.record.spec.devices.agent:
            raise NotDone("The server's guest agent does not answer.")
        if requested.password:
            guest.passwords[requested.user] = requested.password
        return Done()

    def _set(self, guest: SimulatedGuest, power: Power) -> None:
        record = guest.record
        check_power(record.actual, power)
        if power == record.actual:
            return
        if power == "running" and not guest.pid:
            check_machine(record.spec.devices, self.shape.offers)
            free = self.host_state().memory_free_mib
            if free < record.spec.memory_mib:
                raise NotDone("The host has not enough free memory for the server.", transient=True)
            guest.pid = next(self._pids)
            if record.actual != "suspended":
                guest.notes = []
                guest.boots = [*guest.boots[1 - KEEP_BOOTS :], self._clock.monotonic_s()]
            self._remember(guest, actual=power, started_at=self._clock.now(), pid=guest.pid)
        elif power in ("stopped", "suspended"):
            guest.pid = 0
            self._remember(guest, actual=power, started_at=None, pid=0)
        else:
            self._remember(guest, actual=power)

    def _remove(self, server_id: str, generation: int) -> None:
        self._guests.pop(server_id, None)
        if self._door is not None:
            self._door.withdraw(server_id)
        self._removed[server_id] = generation
        if self._records is not None:
            self._records.bury(server_id, generation)
            self._records.delete(server_id)

    async def _ended(self, server_id: str, power: Power, reason: str) -> None:
        guest = self._get(server_id)
        guest.pid, guest.reason = 0, reason
        self._remember(guest, actual=power, started_at=None, pid=0)
        await self._tell(
            InstanceChanged(
                host=self.name,
                server_id=server_id,
                generation=guest.record.generation,
                power=power,
                reason=reason,
            )
        )

    # ---- pieces

    def has(self, server_id: str) -> bool:
        return server_id in self._guests

    def console_log(self, server_id: str) -> str:
        return self._log(self._get(server_id), None)

    def short_name(self, server_id: str) -> str:
        """The name that a guest gives itself at its prompt."""
        return self._get(server_id).record.spec.hostname.partition(".")[0]

    def _get(self, server_id: str) -> SimulatedGuest:
        if (guest := self._guests.get(server_id)) is None:
            raise NotDone("This host has no such server.", detail=server_id)
        return guest

    def _removed_at(self, server_id: str) -> int:
        known = self._removed.get(server_id, -1)
        return max(known, self._records.removed_at(server_id)) if self._records else known

    def _remember(self, guest: SimulatedGuest, **what: object) -> None:
        guest.record = changed(guest.record, **what)
        if "requested" in what:
            guest.reason = ""
        if self._records is not None:
            self._records.save(guest.record)

    def _state(self, guest: SimulatedGuest) -> InstanceState:
        return InstanceState(
            server_id=guest.record.server_id,
            generation=guest.record.generation,
            power=guest.record.actual,
            started_at=guest.record.started_at,
            accelerator="simulated",
            reason=guest.reason,
        )

    def _diagnostics(self, guest: SimulatedGuest) -> Diagnostics:
        """Of a guest that runs no code: what one of its load would have done (`hanok load`)."""
        if not guest.pid:
            raise NotDone("The server is not running, so there is nothing to diagnose.")
        record, spec = guest.record, guest.record.spec
        load = self.loads.of(record.server_id)
        done = guest.worked.until(self._clock.monotonic_s(), guest.boots, load)
        used = int(spec.memory_mib * (0.2 + 0.6 * load))
        counted = {
            f"{way}_{what}": int(done.network(what)) for way in ("rx", "tx") for what in COUNTED
        }
        disk = DiskCounters(**done.disk())
        return Diagnostics(
            server_id=record.server_id,
            power=record.actual,
            accelerator="simulated",
            started_at=record.started_at,
            cpu_times_ns=(int(done.busy_s * 1e9),) * spec.vcpus,
            memory_mib=spec.memory_mib,
            memory_used_mib=spec.memory_mib,
            memory_figures={
                "available": spec.memory_mib << 10,
                "unused": (spec.memory_mib - used) << 10,
                "rss": spec.memory_mib << 10,
            },
            disks=(disk,) * (len(listed(spec)) + len(spec.volumes)),
            nics=tuple(
                NICCounters(port_id=nic.port_id, mac=nic.mac, **counted) for nic in spec.nics
            ),
        )

    def _inventory(self) -> HostInventory:
        guests = self._guests.values()
        nics = [nic for guest in guests for nic in guest.record.spec.nics]
        return HostInventory(
            host=self.name,
            instances=tuple(self._state(guest) for guest in guests),
            processes={g.record.server_id: g.pid for g in guests if g.pid},
            taps=tuple(sorted(nic.port_id for nic in nics)),
            directories=tuple(sorted(self._guests)),
            images=tuple(sorted(self._cached)),
            snapshots=self._copies(),
            metadata_networks=tuple(
                sorted({nic.network_id for nic in nics if nic.metadata is not None})
            ),
        )

    def _copies(self) -> tuple[str, ...]:
        if self._snapshots is None:
            return ()
        return tuple(sorted(path.name for path in self._snapshots.iterdir() if is_uuid(path.name)))

    def _log(self, guest: SimulatedGuest, lines: int | None) -> str:
        text = "\r\n".join(self._boot_text(guest, started) for started in guest.boots)
        text += "".join(f"\r\n{note}" for note in guest.notes)
        return last_lines(text, lines)

    def _boot_text(self, guest: SimulatedGuest, started: float) -> str:
        spec = guest.record.spec
        words = {
            "vcpus": spec.vcpus,
            "memory_kib": spec.memory_mib * 1024,
            "sectors": max(1, spec.disk_gib) * GIB // 512,
            "interfaces": len(spec.nics),
            "source": "config drive" if spec.config_drive else "metadata service",
        }
        done = (self._clock.monotonic_s() - started) / (self.shape.boot_s or 1e-9)
        text = "".join(f"{line.format(**words)}\r\n" for at, line in BOOT_LINES if at <= done)
        return text + (f"{self.short_name(spec.server_id)} login: " if done >= 1 else "")


async def run_simulated(
    names: Sequence[str],
    bus: Bus,
    *,
    shape: Shape | None = None,
    shapes: Mapping[str, Shape] | None = None,
    image_stores: Sequence[str] = (),
    state_dir: Path | None = None,
    snapshots: Path | None = None,
    clock: Clock | None = None,
    ready: asyncio.Event | None = None,
    hosts: dict[str, SimulatedHost] | None = None,
    described: bool = False,
) -> None:
    """Be these hosts until cancelled.

    shape: of every host; shapes: of some, by name.
    state_dir: where guests are kept; None for memory only. snapshots: where copies of disks are left for control; all
    hosts share it. ready: set when all listen. hosts: filled with the hosts,
    for whoever wants to make a guest crash. described: images whose bytes are in no store count as what they are said
    to be.
    """
    clock = clock or Clock()
    images = SimulatedImages(image_stores, described=described)
    hosts = {} if hosts is None else hosts
    loads = Loads(None if state_dir is None else state_dir / LOADS)
    if snapshots is not None:
        snapshots.mkdir(mode=0o700, parents=True, exist_ok=True)

    async def tell(event: InstanceChanged) -> None:
        await bus.publish(wire.from_host(wire.INSTANCE, event.host), wire.encode(event))

    def of(server_id: str) -> SimulatedHost:
        for host in hosts.values():
            if host.has(server_id):
                return host
        raise ConnectionRefusedError("the server is gone")

    async with AsyncExitStack() as stack:
        consoles = Consoles(
            await stack.enter_async_context(asyncio.TaskGroup()),
            log=lambda server_id: of(server_id).console_log(server_id),
            host_name=lambda server_id: of(server_id).short_name(server_id),
        )
        hand_overs = stack.enter_context(closing(HandOvers()))
        door = await stack.enter_async_context(ConsoleDoor("127.0.0.1", consoles.connect, clock))
        for name in names:
            subject = wire.node_subject(name)
            folder = None if state_dir is None else state_dir / subject
            records = None if folder is None else Records(folder, clock, durable=False)
            host = hosts[name] = SimulatedHost(
                name,
                (shapes or {}).get(name) or shape or Shape(),
                images,
                clock,
                tell,
                records,
                door,
                snapshots,
                hand_overs,
                None if folder is None else folder / "volumes",
                loads,
                None if folder is None else folder / "shares",
            )
            await host.listen(bus)
        if ready is not None:
            ready.set()
        while True:
            for host in [one for one in hosts.values() if one.listening is not None]:
                state = host.host_state()
                subject = wire.from_host(wire.HEARTBEAT, state.host)
                await bus.publish(subject, wire.encode(state))
            await asyncio.sleep(wire.HEARTBEAT_S)


def _receiver(host: SimulatedHost) -> Handler:
    async def receive(_subject: str, payload: bytes) -> bytes | None:
        return await handle(host.do, payload)

    return receive
