"""QEMU's process: started without privileges, living on without us, found again, ended only when recognised.

A process is known by its id and the moment it was started (field 22 of /proc/<pid>/stat), so an id that was used
again is never taken for it; and by its arguments, which name the server and our folder. Signals go through a pidfd.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import resource
import select
import signal
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from hanok.drivers.qemu.errors import StartFailed

PROC = Path("/proc")
OPEN_FILES = 4096
_GUEST = re.compile(r"guest=([0-9a-f-]{36})(,|$)")


@dataclass(frozen=True)
class Identity:
    """A process, told apart from any other that had its id."""

    pid: int
    started_ticks: int


@dataclass
class Process:
    """A QEMU that is alive, or was: its pidfd is open until `close()`."""

    identity: Identity
    pidfd: int
    status: str = ""
    """How it ended ("was ended by the signal SIGKILL"), once that is known: of a child of this process."""

    @property
    def alive(self) -> bool:
        watched = select.poll()
        watched.register(self.pidfd, select.POLLIN)
        return not watched.poll(0)

    async def ended(self) -> None:
        """Wait until it is gone (and take it off the process table)."""
        loop = asyncio.get_running_loop()
        gone: asyncio.Future[None] = loop.create_future()
        # Each waiter watches a descriptor of its own: the loop knows one callback a descriptor.
        watched = os.dup(self.pidfd)

        def wake() -> None:
            if not gone.done():
                gone.set_result(None)

        loop.add_reader(watched, wake)
        try:
            await gone
        finally:
            loop.remove_reader(watched)
            os.close(watched)
        self.reap()

    def reap(self) -> None:
        """Take it off the process table, if it is our child: an earlier node process may have started it."""
        with contextlib.suppress(ChildProcessError):
            told = os.waitid(os.P_PIDFD, self.pidfd, os.WEXITED | os.WNOHANG)
            if told is not None:
                self.status = _status(told.si_code == os.CLD_EXITED, told.si_status)

    async def kill(self, *, timeout_s: float = 10.0) -> None:
        """End it at once. timeout_s: how long the kernel may take to take a busy process apart."""
        try:
            signal.pidfd_send_signal(self.pidfd, signal.SIGKILL)
        except ProcessLookupError:
            pass
        async with asyncio.timeout(timeout_s):
            await self.ended()

    def close(self) -> None:
        if self.pidfd >= 0:
            os.close(self.pidfd)
            self.pidfd = -1


def _status(exited: bool, number: int) -> str:
    if exited:
        return f"ended with the status {number}"
    known = {one.value: one.name for one in signal.Signals}
    return f"was ended by the signal {known.get(number, number)}"


def start(
    argv: Sequence[str],
    *,
    uid: int | None,
    gid: int | None,
    fds: Sequence[int],
    log: int,
    locked: bool = False,
    groups: Sequence[int] = (),
    open_files: int = OPEN_FILES,
) -> Process:
    """Start QEMU in a session of its own, so that it outlives us. Blocks until exec, some milliseconds.

    uid, gid: whom it runs as; None leaves it as we are. groups: which others that one is in.
    fds: what it inherits. log: where its words go.
    locked: whether it may keep all of its memory from being swapped out.
    """
    try:
        child = subprocess.Popen(
            list(argv),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            pass_fds=tuple(fds),
            cwd="/",
            env={"PATH": os.environ.get("PATH", "/usr/bin:/bin"), "LC_ALL": "C"},
            start_new_session=True,
            user=uid,
            group=gid,
            extra_groups=None if uid is None else list(groups),
            umask=0o077,
        )
    except OSError as error:
        raise StartFailed(f"{argv[0]} could not be started", detail=str(error)) from error
    pidfd = os.pidfd_open(child.pid)
    try:
        resource.prlimit(child.pid, resource.RLIMIT_CORE, (0, 0))
        resource.prlimit(child.pid, resource.RLIMIT_NOFILE, (open_files, open_files))
        if locked:  # QEMU looks at it some milliseconds later, when it has read its options
            endless = (resource.RLIM_INFINITY, resource.RLIM_INFINITY)
            resource.prlimit(child.pid, resource.RLIMIT_MEMLOCK, endless)
    except (ProcessLookupError, PermissionError):
        pass  # it ended at once: whoever connects to its monitor will see
    # A guest outlives this object: the library is not to wait for it, `Process.ended` does.
    child.returncode = 0
    return Process(Identity(child.pid, _started_ticks(child.pid) or 0), pidfd)


def find(identity: Identity, *, server_id: str, folder: str) -> Process | None:
    """The process again, if it is still the same one and still this server's."""
    try:
        pidfd = os.pidfd_open(identity.pid)
    except (ProcessLookupError, OverflowError, ValueError):
        return None
    # The pidfd is open: from here on the id cannot pass to somebody else unseen.
    if _started_ticks(identity.pid) != identity.started_ticks or server_id != _server_of(
        identity.pid, folder
    ):
        os.close(pidfd)
        return None
    process = Process(identity, pidfd)
    if not process.alive:
        process.close()
        return None
    return process


def scan(folder: str) -> dict[str, Identity]:
    """Every QEMU whose files are under `folder`, by server id, with records or without."""
    found: dict[str, Identity] = {}
    for entry in PROC.iterdir():
        if entry.name.isdigit() and (server_id := _server_of(int(entry.name), folder)):
            if (ticks := _started_ticks(int(entry.name))) is not None:
                found[server_id] = Identity(int(entry.name), ticks)
    return found


def find_daemon(pid_file: Path) -> Process | None:
    """The storage daemon that was started with this pid file, if it is alive."""
    for entry in PROC.iterdir():
        if entry.name.isdigit() and _is_daemon(int(entry.name), pid_file):
            with contextlib.suppress(ProcessLookupError):
                pid = int(entry.name)
                pidfd = os.pidfd_open(pid)
                ticks = _started_ticks(pid)
                found = Process(Identity(pid, ticks or 0), pidfd)
                if ticks is not None and _is_daemon(pid, pid_file) and found.alive:
                    return found
                found.close()
    return None


def _is_daemon(pid: int, pid_file: Path) -> bool:
    told = words(pid)
    return (
        told[0].endswith("qemu-storage-daemon")
        and "--pidfile" in told[:-1]
        and told[told.index("--pidfile") + 1] == str(pid_file)
    )


def users() -> set[int]:
    """The user ids as whom processes run now; what has ended and was not waited for does nothing any more."""
    found = set()
    for entry in PROC.iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):  # it has just ended
                if not _has_ended(entry):
                    found.add(entry.stat().st_uid)
    return found


def _has_ended(entry: Path) -> bool:
    state = (entry / "stat").read_bytes().rpartition(b") ")[2][:1]
    return state in (b"Z", b"X")


def words(pid: int) -> list[str]:
    """What a process was started with."""
    try:
        return (PROC / str(pid) / "cmdline").read_bytes().decode(errors="replace").split("\0")
    except OSError:
        return [""]


def _server_of(pid: int, folder: str) -> str | None:
    told = words(pid)
    if "qemu-system" not in told[0] or "-name" not in told or "-pidfile" not in told:
        return None
    named = _GUEST.match(told[told.index("-name") + 1])
    ours = told[told.index("-pidfile") + 1].startswith(f"{folder}/")
    return named[1] if named and ours else None


def _started_ticks(pid: int) -> int | None:
    try:
        stat = (PROC / str(pid) / "stat").read_text()
    except OSError:
        return None
    # The name in brackets may hold anything: fields are counted from behind it.
    return int(stat.rpartition(")")[2].split()[19])
