"""qemu-storage-daemon: one process a host, which opens all volumes that are in use and serves them over NBD.

It runs without rights, in a session of its own, and lives on without us: an `adopt` finds it by its pid file and its
arguments. Its sockets are made here and inherited, so that they have the owner that is right.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import socket
from collections.abc import Mapping
from pathlib import Path

from hanok.drivers.qemu import process as processes
from hanok.drivers.qemu.errors import CommandFailed, MonitorLost, StartFailed
from hanok.drivers.qemu.monitor import Monitor, listening_socket
from hanok.drivers.qemu.moving import has_looked
from hanok.drivers.qemu.process import Process

BINARY = "qemu-storage-daemon"
START_S = 30.0
JOB_POLL_S = 0.02
LONG_S = 24 * 3600.0
BACKLOG = 64
WORDS = 500  # bytes of its log that are told when it is gone


class Daemon:
    """
    Args:
        folder: for its sockets and pid file; short. uid, gid: whom it runs as; None: as ourselves. Members of gid may
            connect to its NBD server.
    """

    def __init__(
        self, folder: Path, uid: int | None = None, gid: int | None = None, binary: str = BINARY
    ) -> None:
        self.folder = folder
        self._uid, self._gid, self._binary = uid, gid, binary
        self.process: Process | None = None
        self._monitor: Monitor | None = None

    @property
    def address(self) -> Path:
        """Where its NBD server listens."""
        return self.folder / "nbd"

    @property
    def pid(self) -> int:
        return 0 if self.process is None else self.process.identity.pid

    async def adopt(self) -> bool:
        """Take up the process that an earlier node has started; whether there is one that answers."""
        found = processes.find_daemon(self.folder / "pid")
        if found is None:
            return False
        try:
            self._monitor = await Monitor.connect(self.folder / "qmp")
        except MonitorLost:
            await found.kill()
            found.close()
            return False
        self.process = found
        return True

    async def start(self) -> None:
        """A new process; nothing is open in it. It listens when this returns.

        Raises:
            StartFailed, MonitorLost
        """
        if shutil.which(self._binary) is None:
            raise StartFailed(f"{self._binary} is not on this host")
        self.folder.mkdir(parents=True, exist_ok=True)
        self.folder.chmod(0o711)
        with contextlib.ExitStack() as opened:
            qmp = opened.enter_context(listening_socket(self.folder / "qmp"))
            nbd = opened.enter_context(self._listening())
            flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW
            log = os.open(self.folder / "log", flags, 0o600)
            opened.callback(os.close, log)
            self._make_pid_file()
            starting = asyncio.ensure_future(
                asyncio.to_thread(
                    processes.start,
                    self._arguments(qmp.fileno(), nbd.fileno()),
                    uid=self._uid,
                    gid=self._gid if self._uid is not None else None,
                    fds=(qmp.fileno(), nbd.fileno()),
                    log=log,
                )
            )
            try:
                self.process = await asyncio.shield(starting)
            except asyncio.CancelledError:  # the thread goes on; what it starts is not to be left
                self.process = await starting
                await asyncio.shield(self.kill())
                raise
        try:
            self._monitor = await Monitor.connect(self.folder / "qmp", timeout_s=START_S)
        except BaseException:  # one that cannot be asked serves nobody
            await asyncio.shield(self.kill())
            raise

    def _arguments(self, qmp: int, nbd: int) -> list[str]:
        bare = shutil.which("setpriv") is not None
        return [
            *(("setpriv", "--no-new-privs", "--") if bare else ()),
            self._binary,
            *("--chardev", f"socket,id=qmp,fd={qmp},server=on,wait=off"),
            *("--monitor", "chardev=qmp"),
            *("--nbd-server", f"addr.type=fd,addr.str={nbd},max-connections=0"),
            *("--pidfile", str(self.folder / "pid")),
        ]

    def _make_pid_file(self) -> None:
        """The folder is ours: the process finds the file that it writes its id into."""
        path = self.folder / "pid"
        path.unlink(missing_ok=True)
        path.touch(mode=0o600)
        if self._uid is not None:
            os.chown(path, self._uid, -1)

    def _listening(self) -> socket.socket:
        self.address.unlink(missing_ok=True)
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        listener.bind(str(self.address))
        if self._uid is not None:
            os.chown(self.address, self._uid, -1 if self._gid is None else self._gid)
        self.address.chmod(0o660)
        listener.listen(BACKLOG)
        return listener

    async def execute(
        self, command: str, arguments: Mapping[str, object] | None = None, timeout_s: float = 30.0
    ) -> object:
        """
        Raises:
            CommandFailed: it refused. MonitorLost: it is gone, or about to come back.
        """
        if self._monitor is None:
            raise MonitorLost("the process that serves volumes is not there")
        return await self._monitor.execute(command, arguments, timeout_s=timeout_s)

    async def run_job(self, job: str, command: str, arguments: Mapping[str, object]) -> None:
        """Begin a job that ends by itself, and wait for it; if we are cancelled, it is.

        Raises:
            CommandFailed: it broke.
        """
        try:
            await self.execute(command, {**arguments, "job-id": job})
        except asyncio.CancelledError:  # it may have begun
            await asyncio.shield(self.cancel_job(job))
            raise
        await self.finish_job(job)

    async def finish_job(self, job: str, *, keep: bool = False) -> None:
        """Wait for a job that has begun, complete it when it is ready, and forget it.

        It is told to once: told again before it has ended, QEMU 7.2 ends the whole daemon with an assertion.
        keep: it goes on when we are cancelled, or do not hear of it any more.
        """
        told = False
        try:
            async with asyncio.timeout(LONG_S):
                while True:
                    found = await self.job(job)
                    status = "null" if found is None else str(found["status"])
                    if status == "ready" and not told:
                        told = True
                        await self.execute("job-complete", {"id": job})
                    elif status == "null":  # nobody but us forgets one
                        raise CommandFailed("a job of the storage daemon is gone")
                    elif status == "concluded":
                        break
                    await asyncio.sleep(JOB_POLL_S)
        except BaseException:
            if not keep:
                await asyncio.shield(self.cancel_job(job))
            raise
        error = None if found is None else found.get("error")
        if found is not None:
            await self.execute("job-dismiss", {"id": job})
        if error:
            raise CommandFailed("a job of the storage daemon broke", detail=str(error))

    async def has_looked(self, job: str) -> bool:
        """Whether a mirror knows what it has to copy.

        Raises:
            CommandFailed: it is not there.
        """
        if (found := await self.job(job)) is None:
            raise CommandFailed("the copy is gone")
        return has_looked(found)

    async def ready(self, job: str) -> bool:
        """Whether a mirror has copied everything and keeps up.

        Raises:
            CommandFailed: it broke, or is not there.
        """
        found = await self.job(job)
        if found is None:
            raise CommandFailed("the copy is gone")
        if found["status"] == "concluded":
            await self.execute("job-dismiss", {"id": job})
            raise CommandFailed("the copy broke", detail=str(found.get("error", "")))
        return found["status"] == "ready"

    async def ask_to_cancel(self, job: str) -> None:
        """A job ends soon, done or not; whoever waits for it is told which."""
        with contextlib.suppress(CommandFailed, MonitorLost):
            await self.execute("block-job-cancel", {"device": job, "force": True})

    async def cancel_job(self, job: str) -> None:
        """There is no such job."""
        with contextlib.suppress(CommandFailed, MonitorLost, TimeoutError):
            async with asyncio.timeout(60):
                while (found := await self.job(job)) is not None:
                    if found["status"] == "concluded":
                        await self.execute("job-dismiss", {"id": job})
                    elif found["status"] not in ("aborting", "pending", "waiting"):
                        with contextlib.suppress(CommandFailed):
                            await self.execute("block-job-cancel", {"device": job, "force": True})
                    await asyncio.sleep(JOB_POLL_S)

    async def job(self, job: str) -> dict[str, object] | None:
        jobs = await self.execute("query-jobs")
        found = jobs if isinstance(jobs, list) else []
        return next((one for one in found if one.get("id") == job), None)

    def listening(self, event: str) -> contextlib.AbstractContextManager[object]:
        if self._monitor is None:
            raise MonitorLost("the process that serves volumes is not there")
        return self._monitor.listening(event)

    def last_words(self) -> str:
        """What it said last, on one line; the next one begins a new log."""
        with contextlib.suppress(OSError), (self.folder / "log").open("rb") as file:
            file.seek(-min(WORDS, os.fstat(file.fileno()).st_size), os.SEEK_END)
            return " ".join(file.read(WORDS).decode(errors="replace").split())
        return ""

    async def ended(self) -> None:
        """Wait until the process is gone."""
        if self.process is not None:
            await self.process.ended()

    async def let_go(self) -> None:
        """Hang up; it goes on."""
        if self._monitor is not None:
            await self._monitor.close()
        self._monitor = None
        if self.process is not None:
            self.process.close()
        self.process = None

    async def kill(self) -> None:
        """It is gone."""
        if self.process is not None:
            await self.process.kill()
        await self.let_go()
        (self.folder / "pid").unlink(missing_ok=True)
