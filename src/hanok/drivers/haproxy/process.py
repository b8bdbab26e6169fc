"""HAProxy's process: started, told of another configuration without dropping a connection, asked, ended.

It is a master that never serves and a worker that does. A new configuration means a new worker, which inherits the
listening sockets; the old one serves what it has. Whether a configuration is in force is asked of the worker: each has
the hash of its own as its description. It lives on without us and is found again by its arguments.

Source: HAProxy management guide, "Starting HAProxy", "Stopping and restarting", "Unix Socket commands".
"""

from __future__ import annotations

import asyncio
import contextlib
import csv
import hashlib
import os
import shutil
import signal
from asyncio.subprocess import STDOUT
from collections.abc import Awaitable, Callable, Collection, Mapping
from pathlib import Path

from hanok.base import programs
from hanok.drivers.haproxy.errors import NotAccepted, ProxyEnded, ProxyFailed
from hanok.drivers.qemu import process as processes
from hanok.drivers.qemu.process import Process

BINARY = "haproxy"
OPEN_FILES = 20_000  # two for each connection, and some
CHECK_S, START_S, ASK_S, END_S = 20.0, 20.0, 5.0, 10.0
POLL_S = 0.02
ANSWER_BYTES = 16 << 20
COMMANDS = 64  # of one line, which it reads into 16 KiB
STOPPED = "0"  # the state of a server in operation, as it tells it
WORDS = 1000  # characters of what it says that are told

TOP = """\
global
    localpeer hanok
    nbthread 1
    maxconn {maximum}
    mworker-max-reloads 8
    hard-stop-after 15m
    description {digest}
    stats socket {socket} mode 600 level admin expose-fd listeners
"""


class HAProxy:
    """
    Args:
        folder: ours; its socket and pid file are in a folder below, which is the process's. uid, gid: whom it runs as;
            None: as ourselves. namespace: the path of a network namespace; None for our own.
        maximum: of connections at once.
    """

    def __init__(
        self,
        folder: Path,
        *,
        uid: int | None = None,
        gid: int | None = None,
        namespace: str | None = None,
        maximum: int = 8192,
        binary: str = BINARY,
    ) -> None:
        self.folder, self._own = folder, folder / "s"
        self._uid, self._gid, self.namespace = uid, gid, namespace
        self._maximum, self._binary = maximum, binary
        self._child: Process | None = None

    @property
    def _file(self) -> Path:
        return self.folder / "cfg"

    @property
    def _socket(self) -> Path:
        return self._own / "a"

    @property
    def peer(self) -> Path:
        """A socket at which a worker hands over to the next what it remembers of clients."""
        return self._own / "p"

    @property
    def files(self) -> Path:
        """The folder of the files that a configuration names."""
        return self.folder / "f"

    @property
    def installed(self) -> bool:
        return shutil.which(self._binary) is not None

    # ---- what it shall do ----

    async def run(
        self, body: str, files: Mapping[str, str], before: Callable[[], Awaitable[None]]
    ) -> None:
        """A process serves by this configuration, its `global` section aside; all of it is in force afterwards.

        files: those that it names in our folder of files; one with another text has another name.
        before: done in the moment before another worker begins. One that runs as another user is ended.

        Raises:
            NotAccepted: HAProxy does not take it; what was in force still is. ProxyFailed: it did not get there.
        """
        text, digest = self._whole(body)
        if not await asyncio.to_thread(self._is_ours_alone):
            await before()
            await self.end()
            await asyncio.to_thread(shutil.rmtree, self._own, ignore_errors=True)
        if await self._serves() == digest:
            return
        if not self.installed:
            raise ProxyFailed(f"{self._binary} is not installed on this host")
        await self._take(text, files)
        await before()
        await self._serve(digest)
        await asyncio.to_thread(self._keep_only, files)

    async def _serve(self, digest: str) -> None:
        """By the file that is there: the process that runs is told; one is started where none does, or it just ends."""
        if self.pids():
            self._signal(signal.SIGUSR2)
            try:
                return await self._wait(digest)
            except ProxyEnded:  # it was killed as it was told
                pass
        await self._start()
        await self._wait(digest)

    def _whole(self, body: str) -> tuple[str, str]:
        digest = hashlib.sha256(f"{self._maximum}\n{body}".encode()).hexdigest()
        top = TOP.format(maximum=self._maximum, digest=digest, socket=self._socket)
        return top + body, digest

    async def _take(self, text: str, files: Mapping[str, str]) -> None:
        """The configuration is the one to be read next, if HAProxy takes it."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self.folder.chmod(0o711)
        self._own.mkdir(exist_ok=True)
        self._own.chmod(0o700)
        if self._uid is not None:
            os.chown(self._own, self._uid, -1 if self._gid is None else self._gid)
        self.files.mkdir(exist_ok=True)
        self.files.chmod(0o711)
        for name, pem in files.items():
            await asyncio.to_thread(self._write, self.files / name, pem)
        new = self.folder / "new"
        await asyncio.to_thread(self._write, new, text)
        await self._check(new)
        new.rename(self._file)

    def _write(self, path: Path, text: str) -> None:
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW
        with open(os.open(path, flags, 0o600), "w") as file:
            file.write(text)
            if self._uid is not None:
                os.fchown(file.fileno(), self._uid, -1)

    def _keep_only(self, names: Collection[str]) -> None:
        for path in self.files.iterdir():
            if path.name not in names:
                path.unlink()

    async def _check(self, path: Path) -> None:
        argv = (*self._enter(), self._binary, "-c", "-f", str(path))
        try:
            said = await programs.run(*argv, within_s=CHECK_S, stderr=STDOUT)
        except TimeoutError:
            raise ProxyFailed("the proxy's configuration was not checked in time") from None
        if said.status:
            words = said.out.decode(errors="replace")
            alerts = [line for line in words.splitlines() if "ALERT" in line]
            raise NotAccepted(
                "the proxy does not accept the configuration",
                detail="; ".join(alerts or [words])[:WORDS],
            )

    def _enter(self) -> list[str]:
        """What makes the process one without rights, in its namespace."""
        words = [] if self.namespace is None else ["nsenter", f"--net={self.namespace}", "--"]
        if self._uid is not None:
            group = self._uid if self._gid is None else self._gid
            words += ["setpriv", f"--reuid={self._uid}", f"--regid={group}", "--clear-groups"]
            words += ["--bounding-set=-all", "--inh-caps=-all", "--no-new-privs", "--"]
        return words

    async def _start(self) -> None:
        self._reap()
        self._socket.unlink(missing_ok=True)
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW
        log = os.open(self.folder / "log", flags, 0o600)
        argv = [
            *self._enter(), self._binary, "-W", "-db", "-f", str(self._file),
            "-p", str(self._own / "pid"),
        ]  # fmt: skip
        try:
            self._child = await asyncio.to_thread(
                processes.start, argv, uid=None, gid=None, fds=(), log=log, open_files=OPEN_FILES
            )
        finally:
            os.close(log)

    async def _wait(self, digest: str) -> None:
        try:
            async with asyncio.timeout(START_S):
                while await self._serves() != digest:
                    if not self.pids() and not self._starts():
                        raise ProxyEnded("the proxy ended", detail=self.last_words())
                    await asyncio.sleep(POLL_S)
        except TimeoutError:
            raise ProxyFailed(
                "the proxy did not begin to serve", detail=self.last_words()
            ) from None

    def _starts(self) -> bool:
        """Whether what we have started is there, and may only not have become HAProxy yet."""
        return self._child is not None and self._child.alive

    # ---- how it is ----

    async def _serves(self) -> str:
        """The hash of the configuration that is in force; empty while none is."""
        with contextlib.suppress(ProxyFailed):
            for line in (await self.ask("show info")).splitlines():
                name, _, value = line.partition(":")
                if name == "description":
                    return value.strip()
        return ""

    async def ask(self, command: str) -> str:
        """Say a command of ours to the worker.

        Raises:
            ProxyFailed: it does not answer.
        """
        try:
            async with asyncio.timeout(ASK_S):
                reader, writer = await asyncio.open_unix_connection(self._socket)
                try:
                    writer.write(f"{command}\n".encode())
                    said = await reader.read(ANSWER_BYTES)
                    while more := await reader.read(ANSWER_BYTES):
                        said += more
                        if len(said) > ANSWER_BYTES:
                            raise ProxyFailed("the proxy's answer is too long")
                finally:
                    writer.close()
        except (OSError, TimeoutError) as error:
            raise ProxyFailed("the proxy does not answer", detail=repr(error)) from error
        return said.decode(errors="replace")

    async def counters(self) -> list[dict[str, str]]:
        """A row for each front, back and server, by HAProxy's own names (pxname, svname, scur, status, …)."""
        said = await self.ask("show stat")
        return list(csv.DictReader(said.removeprefix("# ").strip().splitlines()))

    async def serving(self, back: str) -> dict[str, bool]:
        """Whether each server of a back is one that gets connections. Raises ProxyFailed."""
        lines = [one.split() for one in (await self.ask(f"show servers state {back}")).splitlines()]
        return {one[3]: one[5] != STOPPED for one in lines if len(one) > 5 and one[1] == back}

    async def set_serving(self, back: str, servers: Mapping[str, bool]) -> None:
        """Servers that nothing else looks at get connections, or do not. Raises ProxyFailed."""
        words = [
            f"set server {back}/{one} health {'up' if serves else 'down'}"
            for one, serves in servers.items()
        ]
        for at in range(0, len(words), COMMANDS):
            await self.ask("; ".join(words[at : at + COMMANDS]))

    def pids(self) -> list[int]:
        """The processes, the master among them."""
        found = []
        for entry in processes.PROC.iterdir():
            if entry.name.isdigit() and self._is_ours(int(entry.name)):
                found.append(int(entry.name))
        return sorted(found)

    def _is_ours(self, pid: int) -> bool:
        words = processes.words(pid)
        return words[0].endswith(BINARY) and str(self._file) in words

    def _is_ours_alone(self) -> bool:
        """Whether all processes run as whom they shall."""
        if self._uid is None:
            return True
        owners = set()
        for pid in self.pids():
            with contextlib.suppress(OSError):  # it has just ended
                owners.add((processes.PROC / str(pid)).stat().st_uid)
        return owners <= {self._uid}

    def _master(self) -> int:
        """The one whose parent is none of them; 0 for none."""
        all_of_them = self.pids()
        masters = [one for one in all_of_them if _parent(one) not in all_of_them]
        return masters[0] if masters else 0

    def _signal(self, number: signal.Signals) -> None:
        if (pid := self._master()) and self._is_ours(pid):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)

    def last_words(self) -> str:
        with contextlib.suppress(OSError):
            text = (self.folder / "log").read_bytes()[-WORDS:]
            return " ".join(text.decode(errors="replace").split())
        return ""

    # ---- its end ----

    async def end(self) -> None:
        """No process of it is there. The files stay.

        Raises:
            ProxyFailed: one does not end.
        """
        try:
            async with asyncio.timeout(END_S):
                while found := self.pids():
                    for pid in found:
                        with contextlib.suppress(ProcessLookupError):
                            os.kill(pid, signal.SIGKILL)
                    self._reap()
                    await asyncio.sleep(POLL_S)
        except TimeoutError:
            raise ProxyFailed("the proxy does not end") from None
        self._reap()

    def _reap(self) -> None:
        if self._child is not None and not self._child.alive:
            self._child.reap()
            self._child.close()
            self._child = None

    def alive(self) -> bool:
        """Whether there is a master and a worker."""
        self._reap()
        return len(self.pids()) >= 2

    def let_go(self) -> None:
        """Watch it no longer; it goes on."""
        if self._child is not None:
            self._child.close()
            self._child = None

    async def remove(self) -> None:
        """Nothing is left. Raises ProxyFailed."""
        await self.end()
        if self.folder.exists():
            await asyncio.to_thread(shutil.rmtree, self.folder)


def _parent(pid: int) -> int:
    try:
        stat = (processes.PROC / str(pid) / "stat").read_text()
    except OSError:
        return 0
    return int(stat.rpartition(")")[2].split()[1])
