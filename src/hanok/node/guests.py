"""The guests of a host: what must be so, and how it is made so.

One lock a server keeps its commands in order. Each effect comes after the record that announces it, so a node
that dies between two lines finds at its next start what it had begun. A guest's process lives on without
the node; `Guests.adopt` finds it again.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from weakref import WeakValueDictionary

from msgspec.structs import replace

from hanok.base.clock import Clock
from hanok.base.durable import put_in_place
from hanok.base.errors import HanokError
from hanok.base.failpoints import failpoint
from hanok.commands import (
    NIC,
    EnsureInstance,
    GuestVolume,
    InjectNMI,
    InstanceChanged,
    InstanceState,
    Power,
    RebootInstance,
    RemoveInstance,
    SetInterfaces,
    SetPower,
    SetVolumes,
)
from hanok.commands.limits import NICRate
from hanok.drivers.qemu import hotplug, hotplug_disks, moving, probe, tpm
from hanok.drivers.qemu import process as processes
from hanok.drivers.qemu.arguments import GuestSpec, Interface, arguments
from hanok.drivers.qemu.errors import QEMUError
from hanok.drivers.qemu.images import Tools
from hanok.drivers.qemu.monitor import Monitor, listening_socket
from hanok.drivers.qemu.probe import Accelerator
from hanok.drivers.qemu.process import Identity, Process
from hanok.node import balloon, endings, hardware, host, limits, pinning
from hanok.node.cgroups import Groups
from hanok.node.chassis import Chassis, open_taps
from hanok.node.disks import Disks
from hanok.node.errors import NotDone
from hanok.node.far_volumes import FarVolumes
from hanok.node.guest_disks import GuestDisks
from hanok.node.guest_volumes import GuestVolumes, names_of, with_volumes
from hanok.node.hardware import Board
from hanok.node.images import ImageCache
from hanok.node.power import check_lets_go, check_power
from hanok.node.records import Record, Records, changed, check_generation, images_of
from hanok.node.settings import NodeSettings

log = logging.getLogger(__name__)

CONSOLE_BUFFER = 64 * 1024  # bytes
START_S = 30.0  # 0.3 s when the host is quiet
MEMORY_MOVE_S = 600.0  # suspending a large guest to a slow disk
BOOT_S = 180.0  # an emulated guest on a busy host
ASK_AGAIN_S = 5.0  # a guest that is still starting does not hear that it is to end
QUIT_S = 5.0  # QEMU writes its caches out; then it is killed
ADOPT_AT_ONCE = 4  # after a reboot of the host every guest starts
MEMORY_HEADROOM_MIB = 64  # what the host keeps for itself

Tell = Callable[[InstanceChanged], Awaitable[None]]


@dataclass
class Guest:
    """A guest in this process: its record, and its process and monitor while it has them.

    reason: why it is as it is, where nobody asked for that.
    """

    record: Record
    reason: str = ""
    process: Process | None = None
    monitor: Monitor | None = None
    watcher: asyncio.Task[None] | None = field(default=None, repr=False)


@dataclass
class Guests:
    """Every guest of this host.

    tasks: owns the watchers. far: to volumes of other hosts. tell: publishes a change that no command asked for.
    also_uses: whether something else stands on an image. arrived: makes disks that came from another host a guest's
    own. own: which servers are this host's still; None: all.
    """

    settings: NodeSettings
    records: Records
    images: ImageCache
    chassis: Chassis
    accelerator: Accelerator
    clock: Clock
    tasks: asyncio.TaskGroup
    tell: Tell
    metadata: Callable[[str, bool], Awaitable[None]]
    groups: Groups
    board: Board
    far: FarVolumes
    also_uses: Callable[[str], bool] = lambda _: False
    arrived: Callable[[Guest], Awaitable[None]] | None = None
    own: Callable[[Collection[str]], Awaitable[Collection[str]]] | None = None
    _known: dict[str, Guest] = field(default_factory=dict)
    _locks: WeakValueDictionary[str, asyncio.Lock] = field(default_factory=WeakValueDictionary)
    _closed: bool = False
    _not_ours: frozenset[str] = frozenset()
    _network_lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    _disks: GuestDisks = field(init=False, repr=False)
    _volumes: GuestVolumes = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self._run = Path(self.settings.run_dir)
        self._run.mkdir(parents=True, exist_ok=True)
        self._run.chmod(0o711)
        self._boot_id = host.boot_id(self.settings)
        self._disks = GuestDisks(self.records, self.images, self.disks, self.remember, self._halt)
        self._volumes = GuestVolumes(self.remember, self.starts, self.far)

    # ---- commands

    async def ensure(self, requested: EnsureInstance) -> InstanceState:
        """The guest is there, with its disks and plugs, and stands or runs as wanted."""
        async with self._lock(requested.server_id):
            guest = self._known.get(requested.server_id)
            check_generation(
                requested.generation,
                self.records.removed_at(requested.server_id),
                guest.record.generation if guest else -1,
            )
            if guest is not None and guest.record.move:  # what is left of an earlier move
                await self.wipe(requested.server_id)
                guest = None
            if guest is None:
                uid = self.free_uid()
                guest = Guest(
                    Record(
                        server_id=requested.server_id,
                        generation=requested.generation,
                        spec=requested,
                        uid=uid,
                    )
                )
            gone = {nic.port_id for nic in guest.record.spec.nics} - {
                nic.port_id for nic in requested.nics
            }
            await failpoint("node.ensure_instance.before_record")
            # A port that is no longer wanted stays in the record until it is out of the switch.
            await self.remember(guest, generation=requested.generation, requested=requested.power)
            self._known[requested.server_id] = guest
            self.records.unbury(requested.server_id)
            for port_id in gone:
                await self.chassis.unplug(port_id)
            if guest.record.spec.limits.inbound != requested.limits.inbound == NICRate():
                kept = [nic for nic in guest.record.spec.nics if nic.port_id not in gone]
                await limits.slow_interfaces(self.chassis, kept, NICRate())
            await self.remember(guest, spec=requested)
            await failpoint("node.ensure_instance.after_record")
            await self.plug(requested)
            await failpoint("node.ensure_instance.after_plug")
            if self.arrived is not None and guest.process is None:
                await self.arrived(guest)
            await self._disks.make(guest)
            await failpoint("node.ensure_instance.after_disks")
            await self._set(guest, requested.power, soft=False, timeout_s=0)
            await failpoint("node.ensure_instance.after_start")
            return self.state(guest)

    async def set_power(self, requested: SetPower) -> InstanceState:
        async with self._lock(requested.server_id):
            guest = self._checked(requested.server_id, requested.generation)
            check_power(guest.record.actual, requested.power)
            await self.remember(guest, generation=requested.generation, requested=requested.power)
            await failpoint("node.set_power.before")
            if requested.power == "running" and guest.process is None:
                await self._make_ready(guest)
            await self._set(
                guest, requested.power, soft=requested.soft, timeout_s=requested.timeout_s
            )
            await failpoint("node.set_power.after")
            return self.state(guest)

    async def set_interfaces(self, requested: SetInterfaces) -> InstanceState:
        """It has these network interfaces and no others."""
        async with self._lock(requested.server_id):
            guest = self._checked(requested.server_id, requested.generation)
            spec = guest.record.spec
            kept = {nic.port_id for nic in requested.nics}
            gone = tuple(nic for nic in spec.nics if nic.port_id not in kept)
            answers = check_lets_go(guest.record.actual, required=requested.required and bool(gone))
            # What is to go stays in the record until it is out of the guest and the switch.
            both = replace(spec, nics=(*requested.nics, *gone))
            await self.remember(guest, generation=requested.generation, spec=both)
            await failpoint("node.set_interfaces.after_record")
            if guest.monitor is not None:
                timeout_s = requested.timeout_s if answers else 0
                await self._unplug_live(guest, gone, timeout_s, required=requested.required)
            await failpoint("node.set_interfaces.after_unplug")
            changed = replace(spec, nics=requested.nics, config_drive=requested.config_drive)
            await self.plug(changed)
            if guest.monitor is not None:
                await self._plug_live(guest, requested.nics)
            await failpoint("node.set_interfaces.after_plug")
            for nic in gone:
                await self.chassis.unplug(nic.port_id)
            await self.remember(guest, spec=changed)
            await self._leave_networks(gone)
            return self.state(guest)

    async def set_volumes(self, requested: SetVolumes) -> InstanceState:
        """It has these volumes and no others, in their sizes."""
        async with self._lock(requested.server_id):
            guest = self._checked(requested.server_id, requested.generation)
            await self._volumes.set(guest, requested)
            await self._leave_far()
            return self.state(guest)

    async def reboot(self, requested: RebootInstance) -> InstanceState:
        """Stop and start it, once a generation: a repeat of the command does nothing."""
        async with self._lock(requested.server_id):
            guest = self._checked(requested.server_id, requested.generation)
            if guest.record.rebooted_generation < requested.generation:
                await self.remember(guest, generation=requested.generation, requested="running")
                await failpoint("node.reboot_instance.before_stop")
                if guest.record.actual == "suspended":
                    self._forget_memory(guest)
                await self._stop(guest, soft=requested.soft, timeout_s=requested.timeout_s)
                await failpoint("node.reboot_instance.after_stop")
                await self._make_ready(guest)
                await self.start(guest)
                await failpoint("node.reboot_instance.after_start")
                await self.remember(guest, rebooted_generation=requested.generation)
            return self.state(guest)

    async def inject_nmi(self, requested: InjectNMI) -> None:
        """A non-maskable interrupt, once a token."""
        async with self._lock(requested.server_id):
            guest = self.get(requested.server_id)
            if guest.record.nmi_token == requested.token:
                return
            if guest.monitor is None:
                raise NotDone("The server is not running.")
            await self.remember(guest, nmi_token=requested.token)
            await guest.monitor.execute("inject-nmi")

    async def remove(self, requested: RemoveInstance) -> None:
        """Nothing of it is left. Works on a full disk, and where there never was anything."""
        server_id = requested.server_id
        async with self._lock(server_id):
            guest = self._known.get(server_id)
            newest = guest.record.generation if guest else -1
            check_generation(requested.generation, newest, self.records.removed_at(server_id))
            with contextlib.suppress(OSError):  # on a full disk: again when there is room
                await asyncio.to_thread(self.records.bury, server_id, requested.generation)
            await self.wipe(server_id)
            await asyncio.to_thread(self.records.bury, server_id, requested.generation)
            await self._leave_far()

    # ---- questions

    def volumes(self) -> list[GuestVolume]:
        """Those of all guests, also of what a guest is to lose."""
        return [one for guest in self._known.values() for one in guest.record.spec.volumes]

    def state(self, guest: Guest) -> InstanceState:
        record = guest.record
        return InstanceState(
            server_id=record.server_id,
            generation=record.generation,
            power=record.actual,
            started_at=record.started_at,
            accelerator=self.accelerator.kind,
            reason=guest.reason,
        )

    def starts(self, guest: Guest) -> bool:
        """Whether its process began to run so lately that its system may still be starting."""
        began = guest.record.started_at
        return began is not None and self.clock.now() - began < timedelta(seconds=BOOT_S)

    def all(self) -> tuple[Guest, ...]:
        return tuple(self._known.values())

    def states(self) -> tuple[InstanceState, ...]:
        return tuple(self.state(guest) for guest in self._known.values())

    def generation(self, server_id: str) -> int:
        """The newest one that was seen of a guest that is here; -1 for none."""
        guest = self._known.get(server_id)
        return -1 if guest is None else guest.record.generation

    def find(self, server_id: str) -> Guest | None:
        return self._known.get(server_id)

    def know(self, guest: Guest) -> None:
        """It is one of this host's. The caller holds the server's lock."""
        self._known[guest.record.server_id] = guest
        self.records.unbury(guest.record.server_id)

    def get(self, server_id: str) -> Guest:
        """Raises NotDone when there is no such guest."""
        if (guest := self._known.get(server_id)) is None:
            raise NotDone("This host has no such server.", detail=server_id)
        return guest

    @contextlib.asynccontextmanager
    async def holding(self, server_id: str) -> AsyncIterator[Guest]:
        """The guest, which no command changes meanwhile.

        Raises:
            NotDone: there is none.
        """
        async with self._lock(server_id):
            yield self.get(server_id)

    @contextlib.asynccontextmanager
    async def locked(self, server_id: str) -> AsyncIterator[Guest | None]:
        """The guest, if there is one; no command changes it meanwhile, or makes one."""
        async with self._lock(server_id):
            yield self.find(server_id)

    def disks(self, record: Record) -> Disks:
        gid = self.settings.qemu_gid
        return Disks(self.records.folder(record.server_id), Tools(record.uid, gid), record.uid, gid)

    def uses_image(self, image_id: str) -> bool:
        used = any(image_id in images_of(guest.record) for guest in self._known.values())
        return used or self.also_uses(image_id)

    def running(self) -> int:
        return sum(guest.process is not None for guest in self._known.values())

    def processes(self) -> dict[str, int]:
        found = processes.scan(str(self._run))
        return {server_id: identity.pid for server_id, identity in found.items()}

    def socket(self, server_id: str, name: str) -> Path:
        return self._run / server_id / name

    async def connect(
        self, server_id: str, kind: str
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """A line to a guest's console."""
        return await asyncio.open_unix_connection(
            self.socket(server_id, kind), limit=CONSOLE_BUFFER
        )

    # ---- life of this process

    async def adopt(self) -> None:
        """Take up what an earlier node process left. One guest's trouble is not the others'."""
        turns = asyncio.Semaphore(ADOPT_AT_ONCE)

        async def one(guest: Guest) -> None:
            server_id = guest.record.server_id
            try:
                async with turns, self._lock(server_id):
                    await self._adopt(guest)
            except (HanokError, OSError, TimeoutError) as error:
                log.error("server %s could not be taken up again: %r", server_id, error)

        for record in await asyncio.to_thread(lambda: list(self.records.load())):
            self._known[record.server_id] = Guest(record)
        self._not_ours = await self._moved_away()
        async with asyncio.TaskGroup() as all_of_them:
            for guest in list(self._known.values()):
                all_of_them.create_task(one(guest))
        await asyncio.to_thread(self.records.prune)
        await asyncio.to_thread(self.groups.tidy, set(self._known))

    async def let_go(self) -> None:
        """Hang up on the guests; they go on."""
        self._closed = True
        for guest in self._known.values():
            if guest.watcher is not None:
                guest.watcher.cancel()
            if guest.monitor is not None:
                await guest.monitor.close()
            if guest.process is not None:
                guest.process.close()

    async def _moved_away(self) -> frozenset[str]:
        """Those that would run again, as the host was rebooted, and are on another host meanwhile."""
        records = [guest.record for guest in self._known.values()]
        due = [
            one.server_id
            for one in records
            if one.actual in ("running", "paused")
            and one.requested == "running"
            and one.boot_id != self._boot_id
        ]
        if self.own is None or not due:
            return frozenset()
        return frozenset(due) - frozenset(await self.own(due))

    async def _adopt(self, guest: Guest) -> None:
        record = guest.record
        if self.records.removed_at(record.server_id) >= record.generation:
            await self.wipe(record.server_id)
            return
        identity = Identity(record.pid, record.started_ticks)
        if not record.pid or record.boot_id != self._boot_id:
            identity = processes.scan(str(self._run)).get(record.server_id, identity)
        found = None
        if identity.pid:
            found = processes.find(identity, server_id=record.server_id, folder=str(self._run))
        if found is not None and record.actual == "suspended" and self._memory(record).exists():
            # We died while it was saved, or before it ran again: the file is whole and is what counts.
            await found.kill()
            found.close()
        elif found is not None and record.move:
            await self._take_up_moving(guest, found)
            return
        elif found is not None:
            await self.take_up(guest, found)
            await self.plug(record.spec)
            return
        if record.move:  # it is another host's, or nobody's until control says so
            await self.remember(guest, actual="stopped", pid=0, started_at=None)
            return
        if record.actual in ("running", "paused"):
            if record.server_id in self._not_ours:
                await self.remember(guest, actual="stopped", requested="stopped", pid=0)
                log.warning("server %s is on another host now and stays off", record.server_id)
                return
            if record.boot_id != self._boot_id and record.requested == "running":
                await self.remember(guest, actual="stopped", pid=0)
                await self.plug(record.spec)
                await self.start(guest)
                log.info("server %s runs again after the host was rebooted", record.server_id)
                return
            await self.remember(guest, actual="stopped", pid=0)
            await self.tell_of(
                guest, endings.unwatched(guest, self.groups, self.settings.guest_slack_mib)
            )
            await asyncio.to_thread(self.groups.forget, record.server_id)
        await self.plug(record.spec)

    async def _take_up_moving(self, guest: Guest, found: Process) -> None:
        """One that was on its way when an earlier node died. The lines between the hosts have ended with that."""
        try:
            guest.monitor = await Monitor.connect(self.socket(guest.record.server_id, "qmp"))
        except QEMUError as error:
            log.error("server %s: %s (%s)", guest.record.server_id, error.message, error.detail)
            await found.kill()
            found.close()
            await self.remember(guest, actual="stopped", pid=0)
            return
        guest.process = found
        if guest.record.move == "sending":
            await self.settle_sent(guest)
        self._watch(guest)

    async def settle_sent(self, guest: Guest) -> None:
        """One that was being sent stays here, as it was; or it has been sent. The caller holds its lock."""
        if (monitor := guest.monitor) is None:  # it has ended meanwhile, which is told elsewhere
            await self.remember(guest, move="")
            return
        ended = await moving.call_off(monitor)
        if ended.status == "completed":
            await self.remember(guest, move="sent", actual="paused")
            return
        runs = guest.record.requested == "running"
        if runs and await monitor.status() != "running":
            await monitor.execute("cont")
        await self.remember(guest, move="", actual="running" if runs else "paused")

    async def take_up(self, guest: Guest, found: Process) -> None:
        record = guest.record
        try:
            monitor = await Monitor.connect(self.socket(record.server_id, "qmp"))
            status = await monitor.status()
        except QEMUError as error:
            # Without its monitor it cannot be steered; what is left is to end it and say so.
            log.error("server %s: %s (%s)", record.server_id, error.message, error.detail)
            await found.kill()
            found.close()
            await self.remember(guest, actual="crashed", pid=0)
            await self.tell_of(guest, "Its monitor was lost.")
            return
        guest.process, guest.monitor = found, monitor
        self._watch(guest)
        before = record.actual
        if status == "prelaunch":  # we died between start and `cont`
            await monitor.execute("cont")
            status = "running"
        elif (
            record.requested == "suspended" and status != "postmigrate"
        ):  # we died while it was saved
            await monitor.execute("migrate_cancel")
            if before == "running":
                await monitor.execute("cont")
                status = "running"
        actual: Power = "running" if status == "running" else "paused"
        await self.remember(
            guest,
            actual=actual,
            pid=found.identity.pid,
            started_ticks=found.identity.started_ticks,
            boot_id=self._boot_id,
            started_at=record.started_at or self.clock.now(),
        )
        if actual != before:
            await self.tell_of(guest, "")

    # ---- power

    async def _set(self, guest: Guest, power: Power, *, soft: bool, timeout_s: float) -> None:
        actual = guest.record.actual
        check_power(actual, power)
        match power, actual:
            case "running", "paused":
                await self._monitor(guest).execute("cont")
                await self.remember(guest, actual="running")
            case "running", "suspended":
                await self._resume(guest)
            case "running", "stopped" | "crashed":
                await self.start(guest)
            case "paused", "running":
                await self._monitor(guest).execute("stop")
                await self.remember(guest, actual="paused")
            case "suspended", "running" | "paused":
                await self._suspend(guest)
            case "stopped", "suspended":
                self._forget_memory(guest)
                await self.remember(guest, actual="stopped")
            case "stopped", _:
                await self._stop(guest, soft=soft, timeout_s=timeout_s)
            case _:
                pass  # it is so already

    async def start(self, guest: Guest, *, memory: int | None = None) -> None:
        """Start QEMU and let the guest run. memory: an open file to resume from."""
        record = guest.record
        await self.launch(guest, incoming=memory is not None)
        monitor = self._monitor(guest)
        try:
            await failpoint("node.start.before_cont")
            if memory is not None:
                await monitor.load_memory(memory, timeout_s=MEMORY_MOVE_S)
                # From here on its disks move on: the saved memory must not be used a second time.
                self._forget_memory(guest)
            await monitor.execute("cont")
        except BaseException:
            await self.kill(guest)
            raise
        await self.remember(guest, actual="running", started_at=self.clock.now())
        log.info("server %s runs (process %d)", record.server_id, guest.record.pid)

    async def launch(self, guest: Guest, *, incoming: bool) -> None:
        """The process is there and its monitor answers; the guest does not run yet."""
        record, settings = guest.record, self.settings
        for image_id in images_of(record):
            if not self.images.path(image_id).exists():
                raise NotDone(
                    "The server's image is not on this host.", detail=image_id, transient=True
                )
        if found := self.board.found_anew(record):
            await self.remember(guest, **found)
            record = guest.record
        overhead_mib = host.OVERHEAD_MIB[self.accelerator.kind] + MEMORY_HEADROOM_MIB
        if host.memory_available_mib() < record.spec.memory_mib + overhead_mib:
            raise NotDone("The host has not enough free memory for the server.", transient=True)
        await self.far.reach(record.spec.volumes)
        run = self._run / record.server_id
        await self._kill_stray(record.server_id)
        shutil.rmtree(run, ignore_errors=True)
        run.mkdir(mode=0o700)
        if record.uid is not None:
            os.chown(run, record.uid, settings.qemu_gid if settings.qemu_gid is not None else -1)
        words = self.records.folder(record.server_id) / "qemu.log"
        with contextlib.ExitStack() as opened:
            listener = opened.enter_context(listening_socket(run / "qmp"))
            interfaces = []
            for nic in record.spec.nics:
                taps = await open_taps(
                    self.chassis, nic.port_id, record.spec.devices.queues, opened
                )
                place = record.places.get(nic.mac.lower()) if incoming else None
                first = taps[0] if taps else None
                interfaces.append(
                    Interface(nic.mac, first, nic.mtu, root_port=place, more_fds=tuple(taps[1:]))
                )
            spec = self._spec(
                record, tuple(interfaces), str(run), listener.fileno(), incoming=incoming
            )
            files = self.records.files(record.server_id)
            await hardware.make_ready(spec.hardware, record, files, run, settings.qemu_gid)
            log_fd = os.open(words, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
            opened.callback(os.close, log_fd)
            fds = [listener.fileno(), *(fd for one in interfaces for fd in one.fds)]
            pinning.lend(record.spec.host_devices, record.uid)
            await failpoint("node.start.before_process")
            guest.process = await asyncio.to_thread(
                processes.start,
                arguments(spec, settings.qemu_binary),
                uid=record.uid,
                gid=settings.qemu_gid if record.uid is not None else None,
                fds=fds,
                log=log_fd,
                locked=record.spec.devices.locked_memory,
                groups=probe.groups() if self.accelerator.kind == "kvm" else (),
            )
        try:
            pid = guest.process.identity.pid
            await limits.admit(self.groups, record.spec, pid, settings.guest_slack_mib)
            await failpoint("node.start.after_process")
            await self.remember(
                guest,
                pid=guest.process.identity.pid,
                started_ticks=guest.process.identity.started_ticks,
                boot_id=self._boot_id,
                frozen=False,
                **({} if incoming else {"places": {}, "root_ports": 0}),
            )
            guest.monitor = await Monitor.connect(run / "qmp", timeout_s=START_S)
            await limits.slow_disks(guest.monitor, record.spec.limits.disk)
            await pinning.pin(guest.monitor, guest.process.identity.pid, record.spec.topology)
            await balloon.watch(guest.monitor)
        except BaseException as error:
            why = endings.not_started(guest, self.groups, settings.guest_slack_mib, words)
            await self.kill(guest)
            if isinstance(error, QEMUError):
                raise why from error
            raise
        self._watch(guest)

    def _spec(
        self,
        record: Record,
        interfaces: tuple[Interface, ...],
        run: str,
        qmp_fd: int,
        *,
        incoming: bool,
    ) -> GuestSpec:
        spec, files = record.spec, self.records.files(record.server_id)
        disks = with_volumes(record, self._disks.of(record), self.far.at, incoming=incoming)
        return GuestSpec(
            server_id=record.server_id,
            vcpus=spec.vcpus,
            memory_mib=spec.memory_mib,
            accelerator=self.accelerator.kind,
            folder=run,
            serial_log=str(files / "console.log"),
            qmp_fd=qmp_fd,
            disks=tuple(disks),
            interfaces=interfaces,
            incoming=incoming,
            root_ports=record.root_ports if incoming else 0,
            scsi_model=spec.scsi_model,
            nodes=pinning.nodes(spec.topology),
            host_devices=spec.host_devices,
            **self._kernel(spec),
            hardware=self.board.hardware(record, files, Path(run)),
        )

    def _kernel(self, spec: EnsureInstance) -> dict[str, str]:
        """What is started instead of the guest's boot loader, of a `GuestSpec`."""
        if (kernel := spec.kernel) is None:
            return {}
        ramdisk = str(self.images.path(kernel.ramdisk_id)) if kernel.ramdisk_id else ""
        path = str(self.images.path(kernel.kernel_id))
        return {"kernel": path, "ramdisk": ramdisk, "command_line": kernel.command_line}

    async def _stop(self, guest: Guest, *, soft: bool, timeout_s: float) -> None:
        """No process: by the guest itself when soft and it hears, else by force."""
        if guest.process is None:
            await self.remember(guest, actual="stopped", pid=0, started_at=None)
            return
        if soft and guest.record.actual == "running":
            with contextlib.suppress(QEMUError, TimeoutError):
                async with asyncio.timeout(timeout_s):
                    await self._ask_to_end(guest, guest.process)
        if guest.process.alive:
            with contextlib.suppress(QEMUError, TimeoutError):
                await self._monitor(guest).execute("quit", timeout_s=QUIT_S)
                async with asyncio.timeout(QUIT_S):
                    await guest.process.ended()
        await failpoint("node.stop.before_kill")
        await self.kill(guest)
        await self.remember(guest, actual="stopped", pid=0, started_at=None)

    async def _ask_to_end(self, guest: Guest, process: Process) -> None:
        """Until it has ended."""
        while process.alive:
            await self._monitor(guest).execute("system_powerdown")
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(ASK_AGAIN_S):
                    await process.ended()

    async def _halt(self, guest: Guest) -> None:
        """No process and no saved memory: its disks are about to be others."""
        await self._stop(guest, soft=False, timeout_s=0)
        self._forget_memory(guest)

    async def _suspend(self, guest: Guest) -> None:
        path = self._memory(guest.record)
        # QEMU saves once: a guest that stands still after saving has left its file before.
        if not (path.exists() and await self._monitor(guest).status() == "postmigrate"):
            await self.check_whole(guest)
            await self._save_memory(guest, path)
        await failpoint("node.suspend.after_save")
        await self.remember(guest, actual="suspended")
        await self._stop_saved(guest)

    async def check_whole(self, guest: Guest) -> None:
        """Raises NotDone when it has devices that it would not have when it is resumed."""
        record = guest.record
        known = {nic.mac.lower() for nic in record.spec.nics}
        if (await hotplug.interfaces(self._monitor(guest))).keys() - known:
            raise NotDone(
                "The server has not let go of a network interface that was detached; reboot it first."
            )
        if await hotplug_disks.volumes(self._monitor(guest)) - names_of(record.spec.volumes):
            raise NotDone(
                "The server has not let go of a volume that was detached; reboot it first."
            )

    async def _save_memory(self, guest: Guest, path: Path) -> None:
        record, monitor = guest.record, self._monitor(guest)
        needed = record.spec.memory_mib + MEMORY_HEADROOM_MIB
        if (shutil.disk_usage(path.parent).free >> 20) < needed:
            raise NotDone(
                "The host has not enough disk space to save the server's memory.", transient=True
            )
        temporary = path.with_name(".memory.new")
        fd = os.open(temporary, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
        try:
            await monitor.save_memory(fd, timeout_s=MEMORY_MOVE_S)
            await asyncio.to_thread(put_in_place, temporary, path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            with contextlib.suppress(QEMUError):
                await monitor.execute("migrate_cancel")
                if record.actual == "running":  # it stood still for this; let it go on
                    await monitor.execute("cont")
            raise
        finally:
            os.close(fd)

    async def _stop_saved(self, guest: Guest) -> None:
        with contextlib.suppress(QEMUError, TimeoutError):
            await self._monitor(guest).execute("quit", timeout_s=QUIT_S)
            if guest.process is not None:
                async with asyncio.timeout(QUIT_S):
                    await guest.process.ended()
        await self.kill(guest)
        await self.remember(guest, pid=0, started_at=None)

    async def _resume(self, guest: Guest) -> None:
        path = self._memory(guest.record)
        try:
            fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
        except FileNotFoundError:
            raise NotDone(
                "The server's saved memory is gone: it can only be started anew."
            ) from None
        try:
            await self.start(guest, memory=fd)
        finally:
            os.close(fd)

    def _memory(self, record: Record) -> Path:
        return self.records.folder(record.server_id) / "memory"

    def _forget_memory(self, guest: Guest) -> None:
        self._memory(guest.record).unlink(missing_ok=True)

    async def kill(self, guest: Guest) -> None:
        """Whatever it does, there is no process of this guest after this."""
        process, monitor = guest.process, guest.monitor
        guest.process = guest.monitor = None
        if guest.watcher is not None and guest.watcher is not asyncio.current_task():
            guest.watcher.cancel()
        guest.watcher = None
        if monitor is not None:
            await monitor.close()
        if process is not None:
            await process.kill()
            process.close()
            await asyncio.to_thread(self.groups.forget, guest.record.server_id)
        await asyncio.to_thread(tpm.end, self._run / guest.record.server_id)

    async def _kill_stray(self, server_id: str) -> None:
        """A process that has no place in a record any more: we died between starting and writing it down."""
        if (identity := processes.scan(str(self._run)).get(server_id)) is None:
            return
        found = processes.find(identity, server_id=server_id, folder=str(self._run))
        if found is not None:
            log.warning("server %s: ending a process that no record knows", server_id)
            await found.kill()
            found.close()

    def _watch(self, guest: Guest) -> None:
        guest.watcher = self.tasks.create_task(
            self._watched(guest), name=f"watch {guest.record.server_id}"
        )

    async def _watched(self, guest: Guest) -> None:
        """Wait for the process to end by itself, and tell."""
        process, monitor = guest.process, guest.monitor
        if process is None or monitor is None:
            return
        watching = [
            asyncio.ensure_future(self._watch_disks(guest, process, monitor)),
            asyncio.ensure_future(self._keep_interfaces(guest, process, monitor)),
            asyncio.ensure_future(self._watch_watchdog(guest, process, monitor)),
        ]
        try:
            await process.ended()
        finally:
            for one in watching:
                one.cancel()
            await asyncio.gather(*watching, return_exceptions=True)
        itself = await monitor.switched_itself_off()
        try:
            async with self._lock(guest.record.server_id):
                if guest.process is process:  # else a command expected it
                    await self._mourn(guest, itself=itself)
        except (HanokError, OSError, TimeoutError) as error:
            log.error("server %s: its end could not be told: %r", guest.record.server_id, error)

    async def _watch_disks(self, guest: Guest, process: Process, monitor: Monitor) -> None:
        """Tell when the guest was stopped over a disk; it goes on where it was when it is unpaused."""
        server_id = guest.record.server_id
        while True:
            full = await monitor.stopped_by_disk()
            why = "there is no room left on the host" if full else "the host's disk has an error"
            log.error("server %s stands still: %s", server_id, why)
            try:
                async with self._lock(server_id):
                    if guest.process is process and guest.record.actual == "running":
                        with contextlib.suppress(OSError):  # the record's disk may be full, too
                            await self.remember(guest, actual="paused")
                        await self.tell_of(
                            guest,
                            f"A disk could not be written or read: {why}. Once that is mended, "
                            + (
                                "it goes on by itself where it was."
                                if full
                                else "`openstack server unpause` lets it go on where it was."
                            ),
                        )
            except (HanokError, OSError, TimeoutError) as error:
                log.error("server %s: that it stands still could not be told: %r", server_id, error)

    async def _watch_watchdog(self, guest: Guest, process: Process, monitor: Monitor) -> None:
        """Tell when the guest stands still because nobody fed its watchdog."""
        while True:
            await monitor.stopped_by_watchdog()
            async with self._lock(guest.record.server_id):
                if guest.process is process and guest.record.actual == "running":
                    with contextlib.suppress(OSError):  # the record's disk may be full
                        await self.remember(guest, actual="paused")
                    await self.tell_of(
                        guest, "Its watchdog ran out, and stopped it as hw_watchdog_action says."
                    )

    async def go_on(self, guest: Guest) -> None:
        """A guest goes on that stood still because there was no room, and that nobody else stopped."""
        async with self._lock(guest.record.server_id):
            record, monitor = guest.record, guest.monitor
            stands = record.actual == "paused" and record.requested == "running"
            if monitor is None or not stands or await monitor.status() != "io-error":
                return
            if await monitor.disk_trouble() != "nospace":
                return
            await monitor.execute("cont")
            await self.remember(guest, actual="running")
            log.info("server %s goes on: there is room on the disk again", record.server_id)
            await self.tell_of(guest, "")

    async def _mourn(self, guest: Guest, *, itself: bool) -> None:
        actual: Power = "stopped" if itself else "crashed"
        reason = (
            "It switched itself off."
            if itself
            else endings.why_of(guest, self.groups, self.settings.guest_slack_mib)
        )
        await self.kill(guest)
        try:
            await self.remember(guest, actual=actual, pid=0, started_at=None)
        finally:
            log.warning("server %s is %s", guest.record.server_id, actual)
            await self.tell_of(guest, reason)

    # ---- pieces

    async def _leave_far(self) -> None:
        """Volumes of other hosts that no guest has any more are not reached from here."""
        await self.far.keep(one.attachment_id for one in self.volumes())

    async def _make_ready(self, guest: Guest) -> None:
        """What a guest finds at its start is as its record says."""
        await self.plug(guest.record.spec)
        if guest.record.actual != "suspended":
            await self._disks.make_config_drive(guest.record)

    async def _unplug_live(
        self, guest: Guest, gone: Sequence[NIC], timeout_s: float, *, required: bool
    ) -> None:
        """A guest that runs loses interfaces.

        Raises:
            NotDone: it does not let go of one, and has to.
        """
        monitor = self._monitor(guest)
        devices = await hotplug.interfaces(monitor) if gone else {}
        for nic in gone:
            device = devices.get(nic.mac.lower())
            if device is None or await hotplug.unplug(monitor, device, timeout_s=timeout_s):
                continue
            if required:
                raise NotDone(
                    f"The guest did not let go of the network interface within {timeout_s:g} seconds.",
                    transient=self.starts(guest),
                )

    async def _plug_live(self, guest: Guest, nics: Sequence[NIC]) -> None:
        """A guest that runs has these interfaces, and the record says where they are."""
        monitor = self._monitor(guest)
        devices = await hotplug.interfaces(monitor)
        for nic in nics:
            if nic.mac.lower() not in devices:
                made_of = guest.record.spec.devices
                with contextlib.ExitStack() as opened:
                    taps = await open_taps(self.chassis, nic.port_id, made_of.queues, opened)
                    await hotplug.plug(monitor, nic.mac, nic.mtu, taps, made_of.nic)
        await self._volumes.note_places(guest, monitor)

    async def _keep_interfaces(self, guest: Guest, process: Process, monitor: Monitor) -> None:
        """One that it lets go of too late, when it was told that it keeps it, comes back."""
        async for _ in hotplug.losses(monitor):
            with contextlib.suppress(HanokError, OSError, TimeoutError):  # its next start has it
                async with self._lock(guest.record.server_id):
                    if guest.process is process:
                        await self._plug_live(guest, guest.record.spec.nics)
                        await self._volumes.plug(guest, guest.record.spec.volumes)

    async def note_places(self, guest: Guest, monitor: Monitor) -> None:
        """The record says where the devices of a guest that runs are. The caller holds its lock."""
        await self._volumes.note_places(guest, monitor)

    async def plug(self, spec: EnsureInstance) -> None:
        for nic in spec.nics:
            await self.chassis.plug(nic.port_id, nic.mac, spec.devices.queues)
            if spec.limits.inbound != NICRate():
                await limits.slow_interfaces(self.chassis, [nic], spec.limits.inbound)
            if nic.metadata is not None:
                async with self._network_lock:
                    port = nic.metadata
                    made = await self.chassis.ensure_metadata(
                        nic.network_id, port.port_id, port.mac, port.addresses
                    )
                    if made:
                        await self.metadata(nic.network_id, False)
                    await self.metadata(nic.network_id, True)

    async def wipe(self, server_id: str) -> None:
        guest = self._known.get(server_id)
        await failpoint("node.remove_instance.before_kill")
        if guest is not None:
            await self.kill(guest)
        await self._kill_stray(server_id)
        await failpoint("node.remove_instance.after_kill")
        nics = guest.record.spec.nics if guest is not None else ()
        for nic in nics:
            await self.chassis.unplug(nic.port_id)
        await failpoint("node.remove_instance.after_unplug")
        shutil.rmtree(self._run / server_id, ignore_errors=True)
        await asyncio.to_thread(self.groups.forget, server_id)
        await asyncio.to_thread(self.records.delete, server_id)
        await failpoint("node.remove_instance.after_files")
        self._known.pop(server_id, None)
        await self._leave_networks(nics)

    async def _leave_networks(self, nics: Sequence[NIC]) -> None:
        """Where no guest is on the networks of these interfaces any more, their metadata address goes."""
        async with self._network_lock:
            used = {
                nic.network_id for other in self._known.values() for nic in other.record.spec.nics
            }
            for network_id in {nic.network_id for nic in nics if nic.metadata is not None} - used:
                await self.metadata(network_id, False)
                await self.chassis.remove_metadata(network_id)

    def _lock(self, server_id: str) -> asyncio.Lock:
        """A server's lock; it lives as long as somebody holds it or waits for it."""
        if self._closed:
            raise NotDone("The host's node is stopping.", transient=True)
        return self._locks.setdefault(server_id, asyncio.Lock())

    def _checked(self, server_id: str, generation: int) -> Guest:
        check_generation(generation, self.records.removed_at(server_id))
        guest = self.get(server_id)
        check_generation(generation, guest.record.generation)
        return guest

    async def remember(self, guest: Guest, **what: object) -> None:
        """Write down what is about to be, or is. The caller holds the server's lock."""
        guest.record = changed(guest.record, **what)
        if "requested" in what:
            guest.reason = ""
        await asyncio.to_thread(self.records.save, guest.record)

    def free_uid(self) -> int | None:
        if self.settings.qemu_uid is None:
            return None
        used = {guest.record.uid for guest in self._known.values()}
        for uid in self.settings.guest_uids:
            if uid not in used:
                return uid
        raise NotDone(
            "The host has no room for another server.", detail="no free user id", transient=True
        )

    @staticmethod
    def _monitor(guest: Guest) -> Monitor:
        if guest.monitor is None:
            raise NotDone("The server's process is not there.", transient=True)
        return guest.monitor

    async def tell_of(self, guest: Guest, reason: str) -> None:
        """Tell how a guest is, where no command asked for that."""
        record, guest.reason = guest.record, reason
        await self.tell(
            InstanceChanged(
                host=self.settings.host,
                server_id=record.server_id,
                generation=record.generation,
                power=record.actual,
                reason=reason,
            )
        )
