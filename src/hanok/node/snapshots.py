"""Copies of guests' root disks, each as the disk was at one moment, for the image service to take.

Of a guest with a process QEMU itself makes the copy, while the guest goes on; its own disk is never moved or
rearranged, so a node or a QEMU that dies half-way costs the copy and nothing else. A disk that nobody has open is
copied by qemu-img.
What is not whole is among the guest's files; what is whole is in the snapshot folder, named by the snapshot's id.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from hanok.base.errors import HanokError
from hanok.base.failpoints import failpoint
from hanok.base.ids import is_uuid
from hanok.commands import EnsureSnapshot, ForgetSnapshot, SnapshotState
from hanok.drivers.qemu.errors import CommandFailed, QEMUError
from hanok.drivers.qemu.monitor import Monitor
from hanok.node import asking
from hanok.node.errors import NotDone
from hanok.node.guests import Guest, Guests

log = logging.getLogger(__name__)

Quiesce = Literal["no", "try", "require"]
AT_ONCE = 2  # each reads and writes a whole disk
POLL_S = 0.2


@dataclass
class Copying:
    """A copy under way. task: returns why it broke. progress: bytes of the disk that are looked at, and all of them."""

    snapshot_id: str
    task: asyncio.Task[Exception | None]
    progress: tuple[int, int] = (0, 0)


@dataclass
class Snapshots:
    """The copies of this host. tasks: owns those under way."""

    guests: Guests
    folder: Path
    tasks: asyncio.TaskGroup
    _under_way: dict[str, Copying] = field(default_factory=dict)
    _turns: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(AT_ONCE))

    def __post_init__(self) -> None:
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)

    async def ensure(self, requested: EnsureSnapshot) -> SnapshotState:
        """Begin the copy, or wait a while for the one under way.

        Raises:
            NotDone: it cannot be made, or broke; asked again, it begins anew.
        """
        path, server_id = self._path(requested.snapshot_id), requested.server_id
        copying = self._under_way.get(server_id)
        if copying is not None and copying.snapshot_id != requested.snapshot_id:
            raise NotDone("Another snapshot of the server is being made.", transient=True)
        if copying is None:
            if path.exists():
                return SnapshotState(snapshot_id=requested.snapshot_id, done=True)
            self.guests.get(server_id)
            task = self.tasks.create_task(self._copy(server_id, path, requested.quiesce))
            copying = self._under_way[server_id] = Copying(requested.snapshot_id, task)
        await asyncio.wait([copying.task], timeout=requested.wait_s)
        copied, total = copying.progress
        done = copying.task.done()
        if done:
            if self._under_way.get(server_id) is copying:
                del self._under_way[server_id]
            if copying.task.cancelled():
                raise NotDone("The snapshot was given up.")
            if (error := copying.task.result()) is not None:
                raise error
        return SnapshotState(
            snapshot_id=requested.snapshot_id, done=done, copied=copied, total=total
        )

    async def forget(self, unwanted: ForgetSnapshot) -> None:
        copying = self._under_way.get(unwanted.server_id)
        if copying is not None and copying.snapshot_id == unwanted.snapshot_id:
            await self.end(unwanted.server_id)
        self._path(unwanted.snapshot_id).unlink(missing_ok=True)

    async def end(self, server_id: str) -> None:
        """Give up the copy of this server that is under way, if one is."""
        if (copying := self._under_way.pop(server_id, None)) is not None:
            copying.task.cancel()
            await asyncio.gather(copying.task, return_exceptions=True)

    def list(self) -> list[str]:
        return sorted(path.name for path in self.folder.iterdir() if is_uuid(path.name))

    def _path(self, snapshot_id: str) -> Path:
        if not is_uuid(snapshot_id):
            raise NotDone("That is not the id of a snapshot.", detail=snapshot_id)
        return self.folder / snapshot_id

    async def clean(self) -> None:
        """End what a node that died had begun. Call when the guests are taken up."""
        for guest in self.guests.all():
            with contextlib.suppress(HanokError, OSError, TimeoutError):
                if guest.record.frozen and guest.monitor is not None:
                    await asking.thaw(self.guests, guest)
                if guest.monitor is not None:
                    await guest.monitor.end_backup()
                await asyncio.to_thread(self.guests.disks(guest.record).forget_copy)

    async def _copy(self, server_id: str, path: Path, quiesce: Quiesce) -> Exception | None:
        try:
            await self._copied(server_id, path, quiesce)
        except Exception as error:  # whoever asks next is told
            return error
        return None

    async def _copied(self, server_id: str, path: Path, quiesce: Quiesce) -> None:
        async with self._turns, contextlib.AsyncExitStack() as begun:
            async with self.guests.holding(server_id) as guest:
                disks, record = self.guests.disks(guest.record), guest.record
                base = None if record.blank_root else self.guests.images.path(record.image_id)
                if not disks.has_root() or not (base is None or base.exists()):
                    raise NotDone("The server has no disk on this host.", detail=server_id)
                monitor = guest.monitor
                await asyncio.to_thread(disks.check_space_for_copy, base)
                begun.push_async_callback(asyncio.to_thread, disks.forget_copy)
                if monitor is not None:
                    begun.push_async_callback(self._end_backup, guest, monitor)
                    await monitor.end_backup()  # one that could not be ended before
                    target = await disks.make_copy_target()
                    async with self._quiet(guest, quiesce):
                        await failpoint("node.snapshot.frozen")
                        await monitor.begin_backup("root", str(target))
            # The lock is free from here on: a delete need not wait, and a guest may end by itself.
            await failpoint("node.snapshot.begun")
            if monitor is not None:
                await self._follow(server_id, monitor)
                await self._end_backup(guest, monitor)  # QEMU lets go of the file
            else:
                await disks.copy_root(base, record.image_format)
            await failpoint("node.snapshot.after_copy")
            await asyncio.to_thread(disks.hand_over_copy, path)
        log.info("server %s: its disk was copied to %s", server_id, path.name)

    @contextlib.asynccontextmanager
    async def _quiet(self, guest: Guest, quiesce: Quiesce) -> AsyncIterator[None]:
        """The guest's file systems stand still, where that is asked for and it runs.

        Raises:
            NotDone: it is required, and the agent does not do it.
        """
        frozen = quiesce != "no" and guest.record.actual == "running"
        if frozen:
            frozen = await self._frozen(guest, required=quiesce == "require")
        try:
            yield
        finally:
            if frozen:
                await asyncio.shield(asking.thaw(self.guests, guest))

    async def _frozen(self, guest: Guest, *, required: bool) -> bool:
        try:
            await asking.freeze(self.guests, guest)
        except NotDone as error:
            if required:
                raise NotDone(
                    f"The server could not be quiesced: {error.message}", detail=error.detail
                ) from error
            log.info("server %s is copied without being quiesced", guest.record.server_id)
            return False
        return True

    async def _follow(self, server_id: str, monitor: Monitor) -> None:
        """Wait until QEMU has copied the disk, and say how far it is."""
        try:
            while (progress := await monitor.backup_progress()) is not None:
                if (copying := self._under_way.get(server_id)) is not None:
                    copying.progress = progress
                await asyncio.sleep(POLL_S)
        except CommandFailed as error:
            if "No space left" in error.detail:
                raise NotDone("The host's disk is full.", detail=error.detail) from error
            raise

    @staticmethod
    async def _end_backup(guest: Guest, monitor: Monitor) -> None:
        if guest.monitor is monitor:  # else the process is gone
            with contextlib.suppress(QEMUError, TimeoutError):
                await asyncio.shield(monitor.end_backup())
