"""QMP: one connection to one guest.

The listener for SHUTDOWN is there before the connection is, so a guest that switches itself off is told apart from one
that crashed however quickly it happens. Every command has a time limit: a QEMU that is stuck in the kernel
must not hold a caller for ever.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from qemu.qmp import EventListener, ExecuteError, QMPClient, QMPError, Runstate

from hanok.drivers.qemu.errors import CommandFailed, MonitorLost

COMMAND_S = 15.0  # commands answer in milliseconds; a host that swaps takes longer
POLL_S = 0.05
BACKUP = "backup"  # the job that copies a disk, and the node it writes to: one a guest at a time


def listening_socket(path: Path) -> socket.socket:
    """A unix socket that QEMU inherits: it can be connected to before QEMU is up. Only we may connect."""
    path.unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        with _umask(0o177):
            listener.bind(str(path))
        listener.listen(4)
    except OSError:
        listener.close()
        raise
    return listener


class _umask:
    def __init__(self, mask: int) -> None:
        self._mask = mask

    def __enter__(self) -> None:
        self._old = os.umask(self._mask)

    def __exit__(self, *_: object) -> None:
        os.umask(self._old)


class Monitor:
    """A connected QMP session."""

    def __init__(
        self,
        client: QMPClient,
        shutdowns: EventListener,
        disk_errors: EventListener,
        watchdogs: EventListener,
    ) -> None:
        self._client = client
        self._shutdowns = shutdowns
        self._disk_errors = disk_errors
        self._watchdogs = watchdogs
        self._switched_off = False  # by its watchdog

    @classmethod
    async def connect(cls, path: Path, *, timeout_s: float = COMMAND_S) -> Monitor:
        """Connect and negotiate.

        Raises:
            MonitorLost: nobody there, or no greeting in time.
        """
        client = QMPClient(None)
        names = ("SHUTDOWN", "BLOCK_IO_ERROR", "WATCHDOG")
        shutdowns, disk_errors, watchdogs = (EventListener(name) for name in names)
        for listener in (shutdowns, disk_errors, watchdogs):
            client.register_listener(listener)
        try:
            async with asyncio.timeout(timeout_s):
                await client.connect(str(path))
        except (QMPError, OSError, TimeoutError) as error:
            raise MonitorLost(
                "the hypervisor's monitor does not answer", detail=repr(error)
            ) from error
        return cls(client, shutdowns, disk_errors, watchdogs)

    async def execute(
        self,
        command: str,
        arguments: Mapping[str, object] | None = None,
        *,
        timeout_s: float = COMMAND_S,
    ) -> object:
        """Do a command and return what QEMU returns.

        Raises:
            CommandFailed: QEMU refused it.
            MonitorLost: the connection is gone, or no answer in time.
        """
        try:
            async with asyncio.timeout(timeout_s):
                return await self._client.execute(command, dict(arguments) if arguments else None)
        except ExecuteError as error:
            raise CommandFailed(f"the hypervisor refused {command}", detail=str(error)) from error
        except (QMPError, OSError, TimeoutError) as error:
            raise MonitorLost(
                f"the hypervisor did not answer {command}", detail=repr(error)
            ) from error

    async def status(self) -> str:
        """QEMU's run state: prelaunch, running, paused, inmigrate, shutdown, io-error, …"""
        answer = await self.execute("query-status")
        return str(answer["status"]) if isinstance(answer, dict) else ""

    async def save_memory(self, fd: int, *, timeout_s: float) -> None:
        """Stop the guest and write its memory and devices to an open file."""
        await self.execute("stop")
        # Nothing else waits for this traffic; QEMU's default limit is meant for networks.
        await self.execute("migrate-set-parameters", {"max-bandwidth": 1 << 40})
        await self.give(fd, "memory")
        await self.execute("migrate", {"uri": "fd:memory"})
        await self._migrated(timeout_s)

    async def load_memory(self, fd: int, *, timeout_s: float) -> None:
        """Read what `save_memory` wrote into a QEMU that was started to wait for it. The guest stands still after."""
        await self.give(fd, "memory")
        await self.execute("migrate-incoming", {"uri": "fd:memory"})
        await self._migrated(timeout_s)

    async def begin_backup(self, device: str, target: str) -> None:
        """Begin to copy a disk, as it is at this moment, into an empty qcow2; the guest goes on meanwhile.

        Args:
            device: the node name of the disk. target: the file, as large as the disk.
        """
        file = {"driver": "file", "filename": target}
        node = {"driver": "qcow2", "node-name": BACKUP, "file": file, "backing": None}
        await self.execute("blockdev-add", node)
        job = {"job-id": BACKUP, "device": device, "target": BACKUP, "sync": "full"}
        try:
            await self.execute("blockdev-backup", {**job, "auto-dismiss": False})
        except CommandFailed:
            await self.execute("blockdev-del", {"node-name": BACKUP})
            raise

    async def backup_progress(self) -> tuple[int, int] | None:
        """How many of how many bytes are looked at; None when all of it is copied.

        Raises:
            CommandFailed: it broke, or there is none; detail says why.
        """
        job = await self._backup_job()
        if job is None:
            raise CommandFailed("the disk is not being copied")
        if error := job.get("error"):
            raise CommandFailed("the disk could not be copied", detail=str(error))
        if job.get("status") == "concluded":
            return None
        return int(job.get("current-progress", 0)), int(job.get("total-progress", 0))

    async def end_backup(self) -> None:
        """No copy is under way, and the target's file is closed. Also where there was none."""
        async with asyncio.timeout(COMMAND_S):
            while (job := await self._backup_job()) is not None:
                if job.get("status") == "concluded":
                    await self.execute("job-dismiss", {"id": BACKUP})
                    continue
                with contextlib.suppress(CommandFailed):  # it was just about to end by itself
                    await self.execute("job-cancel", {"id": BACKUP})
                await asyncio.sleep(POLL_S)
            while await self._backup_target():
                with contextlib.suppress(CommandFailed):  # requests to it are under way
                    await self.execute("blockdev-del", {"node-name": BACKUP})
                    return
                await asyncio.sleep(POLL_S)

    async def _backup_job(self) -> dict[str, Any] | None:
        jobs = await self.execute("query-jobs")
        found = jobs if isinstance(jobs, list) else []
        return next((job for job in found if job.get("id") == BACKUP), None)

    async def _backup_target(self) -> bool:
        """Whether QEMU knows the file that a disk is copied to."""
        nodes = await self.execute("query-named-block-nodes", {"flat": True})
        return isinstance(nodes, list) and any(node.get("node-name") == BACKUP for node in nodes)

    async def stopped_by_disk(self) -> bool:
        """Wait until QEMU has stopped the guest because a disk could not be read or written.

        Returns whether there was no room for what was to be written.
        """
        while True:
            data = (await self._disk_errors.get()).get("data")
            if isinstance(data, dict) and data.get("action") == "stop":
                return bool(data.get("nospace"))

    async def stopped_by_watchdog(self) -> None:
        """Wait until a watchdog that ran out has made the guest stand still."""
        while True:
            if self._ran_out(await self._watchdogs.get()) == "pause":
                return

    def _ran_out(self, event: Mapping[str, Any]) -> str:
        """What the watchdog did."""
        data = event.get("data")
        action = str(data.get("action", "")) if isinstance(data, dict) else ""
        self._switched_off |= action == "poweroff"
        return action

    async def disk_trouble(self) -> str:
        """Why a guest stands still in the state io-error: "nospace", "failed", or "" where no disk says."""
        answer = await self.execute("query-block")
        said = [one.get("io-status") for one in answer] if isinstance(answer, list) else []
        return "failed" if "failed" in said else "nospace" if "nospace" in said else ""

    @contextlib.contextmanager
    def listening(self, event: str) -> Iterator[EventListener]:
        """The events of this name from now on, as long as the context is open."""
        with self._client.listener(event) as events:
            yield events

    async def switched_itself_off(self) -> bool:
        """Call when the process has ended: whether the guest asked for that, or its watchdog did it."""
        try:
            async with asyncio.timeout(2.0):  # what it sent last may still be unread
                while self._client.runstate == Runstate.RUNNING:
                    await self._client.runstate_changed()
        except TimeoutError:
            pass
        for event in self._shutdowns.clear():
            data = event.get("data")
            if isinstance(data, dict) and data.get("guest") is True:
                return True
        for event in self._watchdogs.clear():
            self._ran_out(event)
        return self._switched_off

    async def close(self) -> None:
        """Hang up; the guest goes on."""
        try:
            async with asyncio.timeout(2.0):
                await self._client.disconnect()
        except (QMPError, OSError, EOFError, TimeoutError):
            pass  # it was gone already

    async def give(self, fd: int, name: str) -> None:
        """Hand QEMU a copy of an open file, under a name."""
        try:
            self._client.send_fd_scm(fd)
        except (QMPError, OSError) as error:
            raise MonitorLost(
                "a file could not be handed to the hypervisor", detail=repr(error)
            ) from error
        await self.execute("getfd", {"fdname": name})

    async def _migrated(self, timeout_s: float) -> None:
        try:
            async with asyncio.timeout(timeout_s):
                while True:
                    answer = await self.execute("query-migrate")
                    status = answer.get("status") if isinstance(answer, dict) else None
                    if status == "completed":
                        return
                    if status in ("failed", "cancelled"):
                        raise CommandFailed(
                            "the guest's memory could not be moved", detail=str(answer)
                        )
                    await asyncio.sleep(POLL_S)
        except TimeoutError:
            raise MonitorLost(
                f"moving the guest's memory took longer than {timeout_s:g} s"
            ) from None
