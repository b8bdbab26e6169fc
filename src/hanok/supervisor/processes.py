"""Other processes: found by what they run, told apart from any other that had their id, ended only when recognised.

A process is looked at through a pidfd: while that is open, the id cannot pass to somebody else unseen.
"""

from __future__ import annotations

import asyncio
import os
import select
import signal
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

PROC = Path("/proc")


class Process:
    """A process that is, or was, alive. Close it when done."""

    def __init__(self, pid: int, pidfd: int) -> None:
        self.pid = pid
        self.pidfd = pidfd

    @classmethod
    def open(cls, pid: int) -> Process | None:
        """A process by id; None when there is none."""
        try:
            return cls(pid, os.pidfd_open(pid))
        except (OSError, OverflowError, ValueError):
            return None

    @property
    def alive(self) -> bool:
        watched = select.poll()
        watched.register(self.pidfd, select.POLLIN)
        return not watched.poll(0)

    async def ended(self) -> None:
        """Wait until it is gone, and take it off the process table if it is our child."""
        loop = asyncio.get_running_loop()
        gone: asyncio.Future[None] = loop.create_future()
        watched = os.dup(self.pidfd)  # the loop knows one callback a descriptor

        def wake() -> None:
            if not gone.done():
                gone.set_result(None)

        loop.add_reader(watched, wake)
        try:
            await gone
        finally:
            loop.remove_reader(watched)
            os.close(watched)

    def status(self) -> int | None:
        """How our child ended (negative: by that signal); None for somebody else's child."""
        with suppress(ChildProcessError):
            result = os.waitid(os.P_PIDFD, self.pidfd, os.WEXITED | os.WNOHANG)
            if result is not None:
                killed = result.si_code != os.CLD_EXITED
                return -result.si_status if killed else result.si_status
        return None

    def send(self, number: int) -> None:
        """Send a signal; none when it has ended."""
        with suppress(ProcessLookupError):
            signal.pidfd_send_signal(self.pidfd, number)

    async def stop(self, number: int = signal.SIGTERM, *, timeout_s: float = 10.0) -> None:
        """Ask it to end, and after timeout_s make it."""
        self.send(number)
        try:
            async with asyncio.timeout(timeout_s):
                await self.ended()
        except TimeoutError:
            self.send(signal.SIGKILL)
            async with asyncio.timeout(10):  # the kernel takes a busy process apart
                await self.ended()
        self.status()

    def close(self) -> None:
        if self.pidfd >= 0:
            os.close(self.pidfd)
            self.pidfd = -1


def start(
    argv: Sequence[str],
    *,
    env: Mapping[str, str],
    uid: int | None,
    gid: int | None,
    log: int,
    cwd: str = "/",
) -> Process:
    """Start a process in a session of its own: it outlives us when we are killed.

    Raises:
        OSError: it cannot be started.
    """
    child = subprocess.Popen(
        list(argv),
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=log,
        cwd=cwd,
        env=dict(env),
        start_new_session=True,
        user=uid,
        group=gid,
        extra_groups=None if uid is None else [],
        umask=0o022,
    )
    pidfd = os.pidfd_open(child.pid)
    child.returncode = 0  # it is waited for here, through its pidfd, and not by the library
    return Process(child.pid, pidfd)


def every() -> Iterator[int]:
    """The ids of all processes."""
    for entry in os.listdir(PROC):
        if entry.isdigit():
            yield int(entry)


def arguments(pid: int) -> list[str]:
    """What a process was started with; empty when it is gone or the kernel's."""
    try:
        raw = (PROC / str(pid) / "cmdline").read_bytes()
    except OSError:
        return []
    return raw.decode(errors="surrogateescape").split("\0")[:-1]


def variable(pid: int, name: str) -> str:
    """A variable of the environment that a process was started with; "" where it is not to be seen."""
    try:
        raw = (PROC / str(pid) / "environ").read_bytes()
    except OSError:
        return ""
    for one in raw.decode(errors="surrogateescape").split("\0"):
        if one.startswith(f"{name}="):
            return one.partition("=")[2]
    return ""


def owner(pid: int) -> int | None:
    try:
        return (PROC / str(pid)).stat().st_uid
    except OSError:
        return None


def started_ticks(pid: int) -> int | None:
    """When it was started, in the kernel's ticks: with the id, this names a process for ever."""
    try:
        stat = (PROC / str(pid) / "stat").read_text()
    except OSError:
        return None
    fields = stat.rpartition(")")[2].split()  # the name in brackets may hold anything
    return None if fields[0] == "Z" else int(fields[19])


def started_at(pid: int) -> float | None:
    """When it was started, in seconds since 1970; a tick more or less."""
    ticks = started_ticks(pid)
    if ticks is None:
        return None
    lines = (PROC / "stat").read_text().splitlines()
    booted = next(int(line.split()[1]) for line in lines if line.startswith("btime"))
    return booted + ticks / os.sysconf("SC_CLK_TCK")


def find(tail: Sequence[str], uid: int | None) -> list[Process]:
    """Processes of a user (None: ours) whose arguments end in `tail`. The caller closes them."""
    requested, who = list(tail), os.geteuid() if uid is None else uid
    found = []
    for pid in every():
        if arguments(pid)[-len(requested) :] != requested or owner(pid) != who:
            continue
        process = Process.open(pid)
        if process is None:
            continue
        # Again, now that the id cannot change hands.
        if arguments(pid)[-len(requested) :] == requested and process.alive:
            found.append(process)
        else:
            process.close()
    return found


def children(pid: int) -> list[int]:
    """The processes that one has started itself, as far as the kernel says."""
    try:
        return [int(one) for one in (PROC / f"{pid}/task/{pid}/children").read_text().split()]
    except (OSError, ValueError):
        return []


def pss_kib(pid: int) -> int | None:
    """The memory a process uses, its share of what it shares with others included."""
    try:
        with open(PROC / str(pid) / "smaps_rollup", encoding="ascii") as file:
            for line in file:
                if line.startswith("Pss:"):
                    return int(line.split()[1])
    except (OSError, ValueError):
        return None
    return None


def environment(**more: str) -> dict[str, str]:
    """What our children get of our environment: little, and no secret."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if name in ("PATH", "LANG", "TZ") or name.startswith("HANOK_")
    }
    package = Path(__file__).parents[2]
    return {
        "PATH": "/usr/bin:/bin:/usr/sbin:/sbin",
        "LANG": "C.UTF-8",
        "PYTHONPATH": str(package),
        "PYTHONUNBUFFERED": "1",
        **kept,
        **more,
    }
