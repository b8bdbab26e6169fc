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
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from weakref import WeakValueDictionary

from hanok.base.clock import Clock
from hanok.base.errors import HanokError
from hanok.base.failpoints import failpoint
from hanok.commands import (
    EnsureInstance,
    InstanceChanged,
    InstanceState,
    Power,
    RebootInstance,
    RemoveInstance,
    SetPower,
)
from hanok.drivers.qemu import process as processes
from hanok.drivers.qemu.arguments import BaseImage, Disk, GuestSpec, Interface, arguments
from hanok.drivers.qemu.errors import QEMUError, StartFailed
from hanok.drivers.qemu.images import Tools
from hanok.drivers.qemu.monitor import Monitor, listening_socket
from hanok.drivers.qemu.probe import Accelerator
from hanok.drivers.qemu.process import Identity, Process
from hanok.node import host
from hanok.node.chassis import Chassis
from hanok.node.disks import Disks
from hanok.node.errors import NotDone
from hanok.node.images import ImageCache
from hanok.node.power import check_power
from hanok.node.records import Record, Records, changed, check_generation
from hanok.node.settings import NodeSettings

log = logging.getLogger(__name__)

CONSOLE_BUFFER = 64 * 1024  # bytes
START_S = 30.0  # 0.3 s when the host is quiet
MEMORY_MOVE_S = 600.0  # suspending a large guest to a slow disk
QUIT_S = 5.0  # QEMU writes its caches out; then it is killed
ADOPT_AT_ONCE = 4  # after a reboot of the host every guest starts
MEMORY_HEADROOM_MIB = 64  # what the host keeps for itself
OVERHEAD_MIB = {
    "kvm": 64,
    "tcg": 160,
}  # of QEMU itself: 246 MiB were seen for a guest of 128 under TCG

Tell = Callable[[InstanceChanged], Awaitable[None]]


@dataclass
class Guest:
    """A guest in this process: its record, and its process and monitor while it has them."""

    record: Record
    process: Process | None = None
    monitor: Monitor | None = None
    watcher: asyncio.Task[None] | None = field(default=None, repr=False)


@dataclass
class Guests:
    """Every guest of this host.

    tasks: owns the watchers. tell: publishes a change that no command asked for.
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
    _known: dict[str, Guest] = field(default_factory=dict)
    _locks: WeakValueDictionary[str, asyncio.Lock] = field(default_factory=WeakValueDictionary)
    _closed: bool = False
    _network_lock: asyncio.Lock = field(default_factory=asyncio.Lock)

    def __post_init__(self) -> None:
        self._run = Path(self.settings.run_dir)
        self._run.mkdir(parents=True, exist_ok=True)
        self._run.chmod(0o711)
        self._boot_id = host.boot_id(self.settings)

    # ---- commands

    async def ensure(self, wanted: EnsureInstance) -> InstanceState:
        """The guest is there, with its disks and plugs, and stands or runs as wanted."""
        async with self._lock(wanted.server_id):
            guest = self._known.get(wanted.server_id)
            check_generation(
                wanted.generation,
                self.records.removed_at(wanted.server_id),
                guest.record.generation if guest else -1,
            )
            if guest is None:
                uid = self._free_uid()
                guest = Guest(
                    Record(
                        server_id=wanted.server_id,
                        generation=wanted.generation,
                        spec=wanted,
                        uid=uid,
                    )
                )
            gone = {nic.port_id for nic in guest.record.spec.nics} - {
                nic.port_id for nic in wanted.nics
            }
            await failpoint("node.ensure_instance.before_record")
            # A port that is no longer wanted stays in the record until it is out of the switch.
            await self._remember(guest, generation=wanted.generation, wanted=wanted.power)
            self._known[wanted.server_id] = guest
            self.records.unbury(wanted.server_id)
            for port_id in gone:
                await self.chassis.unplug(port_id)
            await self._remember(guest, spec=wanted)
            await failpoint("node.ensure_instance.after_record")
            await self._plug(wanted)
            await failpoint("node.ensure_instance.after_plug")
            await self._make_disks(guest)
            await failpoint("node.ensure_instance.after_disks")
            await self._set(guest, wanted.power, soft=False, timeout_s=0)
            await failpoint("node.ensure_instance.after_start")
            return self.state(guest)

    async def set_power(self, wanted: SetPower) -> InstanceState:
        async with self._lock(wanted.server_id):
            guest = self._checked(wanted.server_id, wanted.generation)
            check_power(guest.record.actual, wanted.power)
            await self._remember(guest, generation=wanted.generation, wanted=wanted.power)
            await failpoint("node.set_power.before")
            if wanted.power == "running" and guest.process is None:
                await self._plug(guest.record.spec)
            await self._set(guest, wanted.power, soft=wanted.soft, timeout_s=wanted.timeout_s)
            await failpoint("node.set_power.after")
            return self.state(guest)

    async def reboot(self, wanted: RebootInstance) -> InstanceState:
        """Stop and start it, once a generation: a repeat of the command does nothing."""
        async with self._lock(wanted.server_id):
            guest = self._checked(wanted.server_id, wanted.generation)
            if guest.record.rebooted_generation < wanted.generation:
                await self._remember(guest, generation=wanted.generation, wanted="running")
                await failpoint("node.reboot_instance.before_stop")
                if guest.record.actual == "suspended":
                    self._forget_memory(guest)
                await self._stop(guest, soft=wanted.soft, timeout_s=wanted.timeout_s)
                await failpoint("node.reboot_instance.after_stop")
                await self._plug(guest.record.spec)
                await self._start(guest)
                await failpoint("node.reboot_instance.after_start")
                await self._remember(guest, rebooted_generation=wanted.generation)
            return self.state(guest)

    async def remove(self, wanted: RemoveInstance) -> None:
        """Nothing of it is left. Works on a full disk, and where there never was anything."""
        server_id = wanted.server_id
        async with self._lock(server_id):
            guest = self._known.get(server_id)
            seen = guest.record.generation if guest else -1
            check_generation(wanted.generation, seen, self.records.removed_at(server_id))
            with contextlib.suppress(OSError):  # on a full disk: again when there is room
                await asyncio.to_thread(self.records.bury, server_id, wanted.generation)
            await self._remove(server_id)
            await asyncio.to_thread(self.records.bury, server_id, wanted.generation)

    # ---- questions

    def state(self, guest: Guest) -> InstanceState:
        record = guest.record
        return InstanceState(
            server_id=record.server_id,
            generation=record.generation,
            power=record.actual,
            started_at=record.started_at,
            accelerator=self.accelerator.kind,
        )

    def all(self) -> tuple[Guest, ...]:
        return tuple(self._known.values())

    def states(self) -> tuple[InstanceState, ...]:
        return tuple(self.state(guest) for guest in self._known.values())

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

    def disks(self, record: Record) -> Disks:
        gid = self.settings.qemu_gid
        return Disks(self.records.folder(record.server_id), Tools(record.uid, gid), record.uid, gid)

    def uses_image(self, image_id: str) -> bool:
        return any(guest.record.image_id == image_id for guest in self._known.values())

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
        async with asyncio.TaskGroup() as all_of_them:
            for guest in list(self._known.values()):
                all_of_them.create_task(one(guest))
        await asyncio.to_thread(self.records.prune)

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

    async def _adopt(self, guest: Guest) -> None:
        record = guest.record
        if self.records.removed_at(record.server_id) >= record.generation:
            await self._remove(record.server_id)
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
        elif found is not None:
            await self._take_up(guest, found)
            await self._plug(record.spec)
            return
        if record.actual in ("running", "paused"):
            if record.boot_id != self._boot_id and record.wanted == "running":
                await self._remember(guest, actual="stopped", pid=0)
                await self._plug(record.spec)
                await self._start(guest)
                log.info("server %s runs again after the host was rebooted", record.server_id)
                return
            await self._remember(guest, actual="stopped", pid=0)
            await self._tell(guest, "It ended while nobody watched it.")
        await self._plug(record.spec)

    async def _take_up(self, guest: Guest, found: Process) -> None:
        record = guest.record
        try:
            monitor = await Monitor.connect(self.socket(record.server_id, "qmp"))
            status = await monitor.status()
        except QEMUError as error:
            # Without its monitor it cannot be steered; what is left is to end it and say so.
            log.error("server %s: %s (%s)", record.server_id, error.message, error.detail)
            await found.kill()
            found.close()
            await self._remember(guest, actual="crashed", pid=0)
            await self._tell(guest, "Its monitor was lost.")
            return
        guest.process, guest.monitor = found, monitor
        self._watch(guest)
        before = record.actual
        if status == "prelaunch":  # we died between start and `cont`
            await monitor.execute("cont")
            status = "running"
        elif record.wanted == "suspended" and status != "postmigrate":  # we died while it was saved
            await monitor.execute("migrate_cancel")
            if before == "running":
                await monitor.execute("cont")
                status = "running"
        actual: Power = "running" if status == "running" else "paused"
        await self._remember(
            guest,
            actual=actual,
            pid=found.identity.pid,
            started_ticks=found.identity.started_ticks,
            boot_id=self._boot_id,
            started_at=record.started_at or self.clock.now(),
        )
        if actual != before:
            await self._tell(guest, "")

    # ---- power

    async def _set(self, guest: Guest, power: Power, *, soft: bool, timeout_s: float) -> None:
        actual = guest.record.actual
        check_power(actual, power)
        match power, actual:
            case "running", "paused":
                await self._monitor(guest).execute("cont")
                await self._remember(guest, actual="running")
            case "running", "suspended":
                await self._resume(guest)
            case "running", "stopped" | "crashed":
                await self._start(guest)
            case "paused", "running":
                await self._monitor(guest).execute("stop")
                await self._remember(guest, actual="paused")
            case "suspended", "running" | "paused":
                await self._suspend(guest)
            case "stopped", "suspended":
                self._forget_memory(guest)
                await self._remember(guest, actual="stopped")
            case "stopped", _:
                await self._stop(guest, soft=soft, timeout_s=timeout_s)
            case _:
                pass  # it is so already

    async def _start(self, guest: Guest, *, memory: int | None = None) -> None:
        """Start QEMU and let the guest run. memory: an open file to resume from."""
        record = guest.record
        await self._launch(guest, incoming=memory is not None)
        monitor = self._monitor(guest)
        try:
            await failpoint("node.start.before_cont")
            if memory is not None:
                await monitor.load_memory(memory, timeout_s=MEMORY_MOVE_S)
                # From here on its disks move on: the saved memory must not be used a second time.
                self._forget_memory(guest)
            await monitor.execute("cont")
        except BaseException:
            await self._kill(guest)
            raise
        await self._remember(guest, actual="running", started_at=self.clock.now())
        log.info("server %s runs (process %d)", record.server_id, guest.record.pid)

    async def _launch(self, guest: Guest, *, incoming: bool) -> None:
        """The process is there and its monitor answers; the guest does not run yet."""
        record, settings = guest.record, self.settings
        if not self.images.path(record.image_id).exists():
            raise NotDone(
                "The server's image is not on this host.", detail=record.image_id, transient=True
            )
        overhead_mib = OVERHEAD_MIB[self.accelerator.kind] + MEMORY_HEADROOM_MIB
        if host.memory_available_mib() < record.spec.memory_mib + overhead_mib:
            raise NotDone("The host has not enough free memory for the server.", transient=True)
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
                if (fd := await self.chassis.open_tap(nic.port_id)) is not None:
                    opened.callback(os.close, fd)
                interfaces.append(Interface(mac=nic.mac, tap_fd=fd, mtu=nic.mtu))
            spec = self._spec(
                record, tuple(interfaces), str(run), listener.fileno(), incoming=incoming
            )
            log_fd = os.open(words, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
            opened.callback(os.close, log_fd)
            fds = [
                listener.fileno(),
                *(interface.tap_fd for interface in interfaces if interface.tap_fd is not None),
            ]
            await failpoint("node.start.before_process")
            guest.process = await asyncio.to_thread(
                processes.start,
                arguments(spec, settings.qemu_binary),
                uid=record.uid,
                gid=settings.qemu_gid if record.uid is not None else None,
                fds=fds,
                log=log_fd,
            )
        try:
            await failpoint("node.start.after_process")
            await self._remember(
                guest,
                pid=guest.process.identity.pid,
                started_ticks=guest.process.identity.started_ticks,
                boot_id=self._boot_id,
            )
            guest.monitor = await Monitor.connect(run / "qmp", timeout_s=START_S)
        except BaseException as error:
            await self._kill(guest)
            if isinstance(error, QEMUError):
                raise _explained(words) from error
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
        base = BaseImage(str(self.images.path(record.image_id)), record.image_format)
        disks = [
            Disk("root", str(files / "disk"), "qcow2", base, serial=record.server_id, boot_index=1)
        ]
        if spec.ephemeral_gib:
            disks.append(Disk("ephemeral", str(files / "ephemeral"), "raw", serial="ephemeral0"))
        if spec.swap_mib:
            disks.append(Disk("swap", str(files / "swap"), "raw", serial="swap"))
        if spec.config_drive:
            config = str(files / "config.iso")
            disks.append(Disk("config", config, "raw", read_only=True, serial="config-2"))
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
        )

    async def _stop(self, guest: Guest, *, soft: bool, timeout_s: float) -> None:
        """No process: by the guest itself when soft and it hears, else by force."""
        if guest.process is None:
            await self._remember(guest, actual="stopped", pid=0, started_at=None)
            return
        if soft and guest.record.actual == "running":
            with contextlib.suppress(QEMUError, TimeoutError):
                await self._monitor(guest).execute("system_powerdown")
                async with asyncio.timeout(timeout_s):
                    await guest.process.ended()
        if guest.process.alive:
            with contextlib.suppress(QEMUError, TimeoutError):
                await self._monitor(guest).execute("quit", timeout_s=QUIT_S)
                async with asyncio.timeout(QUIT_S):
                    await guest.process.ended()
        await failpoint("node.stop.before_kill")
        await self._kill(guest)
        await self._remember(guest, actual="stopped", pid=0, started_at=None)

    async def _suspend(self, guest: Guest) -> None:
        path = self._memory(guest.record)
        # QEMU saves once: a guest that stands still after saving has left its file before.
        if not (path.exists() and await self._monitor(guest).status() == "postmigrate"):
            await self._save_memory(guest, path)
        await failpoint("node.suspend.after_save")
        await self._remember(guest, actual="suspended")
        await self._stop_saved(guest)

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
            await asyncio.to_thread(os.fsync, fd)
            temporary.rename(path)
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
        await self._kill(guest)
        await self._remember(guest, pid=0, started_at=None)

    async def _resume(self, guest: Guest) -> None:
        path = self._memory(guest.record)
        try:
            fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
        except FileNotFoundError:
            raise NotDone(
                "The server's saved memory is gone: it can only be started anew."
            ) from None
        try:
            await self._start(guest, memory=fd)
        finally:
            os.close(fd)

    def _memory(self, record: Record) -> Path:
        return self.records.folder(record.server_id) / "memory"

    def _forget_memory(self, guest: Guest) -> None:
        self._memory(guest.record).unlink(missing_ok=True)

    async def _kill(self, guest: Guest) -> None:
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
        disks = asyncio.ensure_future(self._watch_disks(guest, process, monitor))
        try:
            await process.ended()
        finally:
            disks.cancel()
            await asyncio.gather(disks, return_exceptions=True)
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
                            await self._remember(guest, actual="paused")
                        await self._tell(
                            guest,
                            f"A disk could not be written or read: {why}. Once that is mended, "
                            "`openstack server unpause` lets it go on where it was.",
                        )
            except (HanokError, OSError, TimeoutError) as error:
                log.error("server %s: that it stands still could not be told: %r", server_id, error)

    async def _mourn(self, guest: Guest, *, itself: bool) -> None:
        await self._kill(guest)
        actual: Power = "stopped" if itself else "crashed"
        reason = (
            "It switched itself off." if itself else "Its hypervisor process ended unexpectedly."
        )
        try:
            await self._remember(guest, actual=actual, pid=0, started_at=None)
        finally:
            log.warning("server %s is %s", guest.record.server_id, actual)
            await self._tell(guest, reason)

    # ---- pieces

    async def _make_disks(self, guest: Guest) -> None:
        spec, record = guest.record.spec, guest.record
        disks = self.disks(record)
        disks.make_folder()
        known = None
        if not disks.has_root():
            if (known := self.images.get(spec.image_id)) is None:
                raise NotDone(
                    "The server's image is not on this host.", detail=spec.image_id, transient=True
                )
            await self._remember(guest, image_id=spec.image_id, image_format=known.format)
            await disks.make_root(
                self.images.path(spec.image_id),
                known.format,
                known.virtual_size_bytes,
                spec.disk_gib,
            )
        elif grown := disks.to_grow(spec.disk_gib):
            if guest.monitor is not None:
                await guest.monitor.execute("block_resize", {"node-name": "root", "size": grown})
            else:
                await disks.grow_root(grown)
        await failpoint("node.ensure_instance.after_root_disk")
        await disks.make_blank("ephemeral", spec.ephemeral_gib << 30)
        await disks.make_blank("swap", spec.swap_mib << 20)
        if guest.process is None:
            await disks.make_config_drive({file.path: file.content for file in spec.config_drive})

    async def _plug(self, spec: EnsureInstance) -> None:
        for nic in spec.nics:
            await self.chassis.plug(nic.port_id, nic.mac)
            if nic.metadata is not None:
                async with self._network_lock:
                    port = nic.metadata
                    made = await self.chassis.ensure_metadata(
                        nic.network_id, port.port_id, port.mac, port.addresses
                    )
                    if made:
                        await self.metadata(nic.network_id, False)
                    await self.metadata(nic.network_id, True)

    async def _remove(self, server_id: str) -> None:
        guest = self._known.get(server_id)
        await failpoint("node.remove_instance.before_kill")
        if guest is not None:
            await self._kill(guest)
        await self._kill_stray(server_id)
        await failpoint("node.remove_instance.after_kill")
        nics = guest.record.spec.nics if guest is not None else ()
        for nic in nics:
            await self.chassis.unplug(nic.port_id)
        await failpoint("node.remove_instance.after_unplug")
        shutil.rmtree(self._run / server_id, ignore_errors=True)
        await asyncio.to_thread(self.records.delete, server_id)
        await failpoint("node.remove_instance.after_files")
        self._known.pop(server_id, None)
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

    async def _remember(self, guest: Guest, **what: object) -> None:
        """Write down what is about to be, or is. The caller holds the server's lock."""
        guest.record = changed(guest.record, **what)
        await asyncio.to_thread(self.records.save, guest.record)

    def _free_uid(self) -> int | None:
        if (first := self.settings.qemu_uid) is None:
            return None
        used = {guest.record.uid for guest in self._known.values()}
        for uid in range(first, first + self.settings.qemu_uids):
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

    async def _tell(self, guest: Guest, reason: str) -> None:
        record = guest.record
        await self.tell(
            InstanceChanged(
                host=self.settings.host,
                server_id=record.server_id,
                generation=record.generation,
                power=record.actual,
                reason=reason,
            )
        )


def _explained(words: Path) -> NotDone | StartFailed:
    """Why QEMU ended at its start, in the user's terms where we know them."""
    text = words.read_text(errors="replace")[-2000:].strip()
    if "annot allocate memory" in text or "annot set up guest memory" in text:
        return NotDone(
            "The host has not enough free memory for the server.", detail=text, transient=True
        )
    return StartFailed("The hypervisor could not start the server.", detail=text)
