"""NFS-Ganesha's process: started in a jail, told of other exports while it serves, ended.

It runs in its server's network namespace, and sees of the host no process, and of its files only programs (which it
cannot write) and what it gives out: each export is a mount below its folder, which comes and goes there while it runs.
It is root, because it does each request as the user whose it is (setresuid), but has only the few rights that this
needs. What it reads is written here, of addresses, ids and numbers; no text of a user is in it.

    <folder>/cfg, log     what it reads, and says
    <folder>/x/<name>     its exports
    <recovery>/           which clients may take back their locks after it was started anew

Source: nfs-ganesha 4.3, ganesha-config(8), ganesha-core-config(8), ganesha-export-config(8); SIGHUP: nfs_init.c.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import os
import shutil
import signal
from collections.abc import Iterator, Sequence
from pathlib import Path

from hanok.drivers.nfs.errors import ServerFailed, Silent
from hanok.drivers.nfs.exports import Client, Export
from hanok.drivers.nfs.tools import is_mount, run
from hanok.drivers.qemu import process as processes
from hanok.drivers.qemu.process import Process

BINARY = "ganesha.nfsd"
PLUGIN = "libfsalvfs.so"
START_S, TELL_S, END_S = 20.0, 30.0, 10.0
POLL_S = 0.02
OPEN_FILES = 20_000
LOG_BYTES = 1 << 20  # then it begins anew
WORDS = 1000
# Who had something open takes it back within GRACE_S of a new start; nobody else opens anything meanwhile, if there
# are any such clients. A client that is silent for LEASE_S loses what it had.
LEASE_S, GRACE_S = 30, 45
MAX_CLIENTS, MAX_CONNECTIONS, MAX_CACHED = 4096, 1024, 20_000
CAPABILITIES = (
    *("chown", "dac_override", "dac_read_search", "fowner", "fsetid"),
    *("mknod", "setgid", "setuid"),
)
READY, REREAD = "NFS SERVER INITIALIZED", "Reread exports complete"
FATAL = ":FATAL :"
BROKEN = "Error while parsing", "Export block error", "Export defaults block error"
REFUSED = "Could not create export for (/{name})"

TOP = """\
NFS_CORE_PARAM {{
    Protocols = 4; NFS_Port = {port}; Bind_Addr = {address};
    Enable_NLM = false; Enable_RQUOTA = false; Enable_UDP = false;
    RPC_Max_Connections = {connections};
}}
NFS_KRB5 {{ Active_krb5 = false; }}
NFSv4 {{
    Minor_Versions = 1, 2; Only_Numeric_Owners = true; Delegations = false;
    Lease_Lifetime = {lease}; Grace_Period = {grace}; Max_Client_Ids = {clients};
    RecoveryBackend = fs; RecoveryRoot = "{recovery}";
    Server_Scope = "{name}"; Server_Owner = "{name}";
}}
MDCACHE {{ Entries_HWMark = {cached}; }}
LOG {{
    Default_Log_Level = CRIT;
    COMPONENTS {{ CONFIG = EVENT; INIT = EVENT; }}
}}
EXPORT_DEFAULTS {{ Access_Type = NONE; Squash = No_Root_Squash; SecType = sys; Transports = TCP; Protocols = 4; }}
"""
EXPORT = """\
EXPORT {{
    Export_Id = {number}; Path = "{folder}"; Pseudo = "/{name}";
    Access_Type = NONE; Squash = No_Root_Squash; SecType = sys; Transports = TCP; Protocols = 4;
{clients}    FSAL {{ Name = VFS; }}
}}
"""
CLIENT = """\
    CLIENT {{ Clients = {network}; Access_Type = {access}; Squash = No_Root_Squash; SecType = sys; Protocols = 4; }}
"""

JAIL = """\
set -e
jail=$1 folder=$2 recovery=$3; shift 3
mount -t tmpfs -o mode=755,nosuid,nodev,size=256k hanok "$jail"
cd "$jail"
mkdir -p usr etc proc dev tmp old
mount -t tmpfs -o mode=1777,nosuid,nodev,noexec,size=1m hanok tmp
mkdir -p "./$folder" "./$recovery"
mount --bind /usr usr
mount -o remount,bind,ro,nosuid,nodev usr
for one in bin lib lib32 lib64 libx32 sbin; do
    if [ -L "/$one" ]; then ln -s "usr/$one" "$one"
    elif [ -d "/$one" ]; then mkdir "$one"; mount --bind "/$one" "$one"; mount -o remount,bind,ro "$one"; fi
done
for one in dev/null dev/urandom; do touch "$one"; mount --bind "/$one" "$one"; done
for one in etc/ld.so.cache etc/netconfig; do
    if [ -e "/$one" ]; then touch "$one"; mount --bind "/$one" "$one"; mount -o remount,bind,ro "$one"; fi
done
ln -s ../proc/self/mounts etc/mtab
mount -t proc -o ro,nosuid,nodev,noexec proc proc
mount --rbind "$folder" "./$folder"
mount --bind "$recovery" "./$recovery"
mount -o remount,ro,mode=755,size=256k "$jail"
pivot_root . old
cd /
umount -l /old
exec "$@"
"""


class Ganesha:
    """
    Args:
        folder: ours, need not survive; short. recovery: ours, survives. name: by which clients know the server again.
        namespace: the path of a network namespace; None for our own. address, port: where it listens.
    """

    def __init__(
        self,
        folder: Path,
        recovery: Path,
        name: str,
        *,
        namespace: str | None = None,
        address: str = "0.0.0.0",  # noqa: S104 - in a namespace of its own
        port: int = 2049,
    ) -> None:
        self.folder, self._recovery, self._name = folder, recovery, name
        self.namespace, self.address, self._port = namespace, address, port
        self._child: Process | None = None
        self._in_force = ""
        """The hash of the configuration that it was seen to have read."""

    @property
    def _file(self) -> Path:
        return self.folder / "cfg"

    @property
    def _log(self) -> Path:
        return self.folder / "log"

    @property
    def _exports(self) -> Path:
        return self.folder / "x"

    @property
    def _jail(self) -> Path:
        """An empty folder, over which its process sees something else."""
        return self.folder.with_name(f"{self.folder.name}.j")

    # ---- what it shall do ----

    async def serve(self, exports: Sequence[Export]) -> frozenset[str]:
        """These exports and no others are in force. Without any there is no process. Gives those that it refuses.

        Raises:
            ServerFailed: it did not get there.
        """
        if not exports:
            await self.end()
            await self._drop({})
            return frozenset()
        text = self.write(exports)
        digest = hashlib.sha256(text.encode()).hexdigest()
        alive = await asyncio.to_thread(self._serves)
        if alive and digest == self._in_force:
            return frozenset()
        await self._prepare()
        await self._lend(exports)
        await asyncio.to_thread(self._write, text)
        self._in_force = ""
        said = await (self._told() if alive else self._start())
        refused = frozenset(one.name for one in exports if REFUSED.format(name=one.name) in said)
        self._in_force = "" if refused else digest
        await self._drop({one.name: one for one in exports})
        return refused

    def write(self, exports: Sequence[Export]) -> str:
        """The configuration."""
        top = TOP.format(
            port=self._port,
            address=self.address,
            connections=MAX_CONNECTIONS,
            lease=LEASE_S,
            grace=GRACE_S,
            clients=MAX_CLIENTS,
            recovery=self._recovery,
            name=self._name,
            cached=MAX_CACHED,
        )
        return top + "".join(self._export(one) for one in exports)

    def _export(self, one: Export) -> str:
        clients = "".join(_client(each) for each in one.clients)
        return EXPORT.format(
            number=one.number, folder=self._exports / one.name, name=one.name, clients=clients
        )

    def _write(self, text: str) -> None:
        new = self.folder / "cfg.new"
        new.write_text(text)
        new.chmod(0o644)
        new.rename(self._file)

    async def _prepare(self) -> None:
        for one in (self.folder, self._exports, self._jail, self._recovery):
            one.mkdir(parents=True, exist_ok=True)
            one.chmod(0o755 if one != self._recovery else 0o700)
        if not is_mount(self.folder):
            own = ("mount", "--bind", "--make-private")
            await run(*own, str(self.folder), str(self.folder))
        # What is mounted here later is seen in the jail.
        await run("mount", "--make-shared", str(self.folder))

    async def _lend(self, exports: Sequence[Export]) -> None:
        """Each export is mounted, and is what it should be."""
        for one in exports:
            place = self._exports / one.name
            if os.path.ismount(place) and not _same(place, one.folder):
                await self._take_back(place)
            if not os.path.ismount(place):
                place.mkdir(exist_ok=True)
                await run("mount", "--bind", str(one.folder), str(place))

    async def _drop(self, kept: dict[str, Export]) -> None:
        """Nothing else is mounted."""
        if not self._exports.is_dir():
            return
        for place in sorted(self._exports.iterdir()):
            if place.name not in kept:
                await self._take_back(place)

    async def _take_back(self, place: Path) -> None:
        while os.path.ismount(place):
            await run("umount", "-l", str(place))
        place.rmdir()

    # ---- the process ----

    def _serves(self) -> bool:
        """Whether it has begun to serve: who is killed before that is started anew."""
        try:
            return self.alive() and self._ready.read_text() == _identity(self.pids())
        except OSError:
            return False

    @property
    def _ready(self) -> Path:
        """Says which process has begun to serve."""
        return self.folder / "ready"

    async def _start(self) -> str:
        await self.end()  # of one that a node began to start when it was killed
        if shutil.which(BINARY) is None:
            raise ServerFailed("the host cannot export shares", detail=f"no {BINARY}")
        self._reap()
        self._log.unlink(missing_ok=True)
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW
        log = os.open(self._log, flags, 0o600)
        try:
            self._child = await asyncio.to_thread(
                processes.start,
                self._argv(),
                uid=None,
                gid=None,
                fds=(),
                log=log,
                open_files=OPEN_FILES,
            )
        finally:
            os.close(log)
        said = await self._wait(READY, 0, START_S)
        self._ready.write_text(_identity(self.pids()))
        return said

    def _argv(self) -> list[str]:
        words = [] if self.namespace is None else ["nsenter", f"--net={self.namespace}", "--"]
        words += ["unshare", "--mount", "--propagation", "slave", "--pid", "--ipc", "--fork"]
        words += ["--kill-child", "--", "sh", "-c", JAIL, "sh"]
        words += [str(self._jail), str(self.folder), str(self._recovery)]
        held = ",".join(f"+{one}" for one in CAPABILITIES)
        words += [
            "setpriv",
            f"--bounding-set=-all,{held}",
            "--inh-caps=-all",
            "--no-new-privs",
            "--",
        ]
        return [
            *words,
            BINARY,
            "-F",
            "-f",
            str(self._file),
            "-p",
            "/proc/self/fd/1",
            "-L",
            "STDERR",
        ]

    async def _told(self) -> str:
        """It has read what is written now; one that does not is started anew."""
        try:
            return await self._tell()
        except Silent:
            return await self._start()

    async def _tell(self) -> str:
        """It reads what is written now. Gives what it says."""
        if self._log.stat().st_size > LOG_BYTES:
            os.truncate(self._log, 0)
        before = self._log.stat().st_size
        for pid in self.pids():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGHUP)
        return await self._wait(REREAD, before, TELL_S)

    async def _wait(self, word: str, since: int, timeout_s: float) -> str:
        try:
            async with asyncio.timeout(timeout_s):
                while word not in (said := self._said(since)):
                    if FATAL in said or not (self.pids() or self._starts()):
                        await self.end()
                        raise ServerFailed("the share server ended", detail=self.last_words())
                    if any(one in said for one in BROKEN):  # it may live on
                        raise ServerFailed("the share server refuses", detail=self.last_words())
                    await asyncio.sleep(POLL_S)
                return said
        except TimeoutError:
            raise Silent("the share server is silent", detail=self.last_words()) from None

    def _starts(self) -> bool:
        """Whether what we have started is there, and may only not have become Ganesha yet."""
        return self._child is not None and self._child.alive

    def _said(self, since: int) -> str:
        with open(self._log, "rb") as file:
            file.seek(since)
            return file.read(4 * LOG_BYTES).decode(errors="replace")

    def pids(self) -> list[int]:
        """Its process."""
        return [pid for pid in self._all() if processes.words(pid)[0].endswith(BINARY)]

    def _all(self) -> list[int]:
        """Its process, and those that start it."""
        found = []
        for entry in processes.PROC.iterdir():
            if entry.name.isdigit() and str(self._file) in processes.words(int(entry.name)):
                found.append(int(entry.name))
        return found

    def alive(self) -> bool:
        self._reap()
        return bool(self.pids())

    def last_words(self) -> str:
        with contextlib.suppress(OSError):
            text = self._log.read_bytes()[-WORDS:]
            return " ".join(text.decode(errors="replace").split())
        return ""

    # ---- its end ----

    async def end(self) -> None:
        """There is no process of it; the kernel closes what it had open.

        Raises:
            ServerFailed: it does not end.
        """
        try:
            async with asyncio.timeout(END_S):
                while found := self._all():
                    for pid in found:
                        with contextlib.suppress(ProcessLookupError):
                            os.kill(pid, signal.SIGKILL)
                    self._reap()
                    await asyncio.sleep(POLL_S)
        except TimeoutError:
            raise ServerFailed("the share server does not end") from None
        self._reap()

    def _reap(self) -> None:
        if self._child is not None and not self._child.alive:
            self._child.reap()
            self._child.close()
            self._child = None

    def let_go(self) -> None:
        """Watch it no longer; it goes on."""
        if self._child is not None:
            self._child.close()
            self._child = None

    async def remove(self) -> None:
        """Nothing is left. Raises ServerFailed."""
        await self.end()
        await self._drop({})
        while is_mount(self.folder):
            await run("umount", "-l", str(self.folder))
        for one in (self.folder, self._jail, self._recovery):
            if one.exists():
                await asyncio.to_thread(shutil.rmtree, one)


def _client(one: Client) -> str:
    address = one.network.network_address
    plain = type(address)(int(address))  # without a zone, which may be any text
    network = f"{plain}/{one.network.prefixlen}"
    return CLIENT.format(network=network, access="RW" if one.writes else "RO")


def _identity(pids: Sequence[int]) -> str:
    """What no other processes have."""
    return " ".join(f"{pid}:{_started(pid)}" for pid in pids)


def _started(pid: int) -> str:
    """When, in ticks of the kernel."""
    stat = (processes.PROC / str(pid) / "stat").read_text()
    return stat.rpartition(")")[2].split()[19]


def _same(one: Path, other: Path) -> bool:
    try:
        left, right = one.stat(), other.stat()
    except OSError:
        return False
    return (left.st_dev, left.st_ino) == (right.st_dev, right.st_ino)


def installed() -> bool:
    """Whether Ganesha is here, and can give out folders."""
    places = Path("/usr/lib").glob(f"*/ganesha/{PLUGIN}")
    return shutil.which(BINARY) is not None and any(places)


def missing() -> Iterator[str]:
    """What this host lacks for it."""
    if not installed():
        yield "nfs-ganesha and nfs-ganesha-vfs are not installed"
