"""The relay as its node has it: started, found again, told to look."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import os
import socket
import struct
import sys
from pathlib import Path

import msgspec

import hanok
from hanok.drivers.qemu import process as processes
from hanok.drivers.qemu.errors import StartFailed
from hanok.drivers.qemu.process import Identity, Process
from hanok.drivers.volumes.relay import Material, Settings

START_S = 30.0
LOOK_S = 10.0
POLL_S = 0.02
AUTHORITY, LISTED = "ca-cert.pem", "ca-crl.pem"
CERTIFICATE, KEY = "server-cert.pem", "server-key.pem"
_PEER = struct.Struct("3i")  # of SO_PEERCRED: process, user, group


MODULE = "hanok.drivers.volumes.relay"


def relays(folder: Path) -> list[int]:
    """The processes that relay volumes by this folder."""
    found = []
    for entry in processes.PROC.iterdir():
        words = processes.words(int(entry.name)) if entry.name.isdigit() else []
        if MODULE in words and str(folder) in words:
            found.append(int(entry.name))
    return sorted(found)


class RelayProcess:
    """folder: for its files and sockets; short."""

    def __init__(self, folder: Path, settings: Settings) -> None:
        self.folder, self._settings = folder, settings
        self.process: Process | None = None

    def prepare(self) -> None:
        """Its folder, in which only its user may list names: who knows one may connect."""
        for path in (self.folder, self.folder / "allow", self.folder / "reach"):
            path.mkdir(parents=True, exist_ok=True)
            path.chmod(0o711 if path == self.folder else 0o700)
            if self._settings.uid is not None:
                os.chown(path, self._settings.uid, -1)

    def _started(self) -> str:
        """What tells one that was started with other settings (before the point) or certificates."""
        digest = hashlib.sha256()
        for name in (AUTHORITY, LISTED, CERTIFICATE, KEY):
            digest.update(self._read(name).encode())
        settings = hashlib.sha256(msgspec.json.encode(self._settings)).hexdigest()
        return f"{settings}.{digest.hexdigest()}"

    def _read(self, name: str) -> str:
        with contextlib.suppress(FileNotFoundError):
            return (Path(self._settings.tls) / name).read_text()
        return ""

    def _material(self, started: str) -> Material:
        listed = self._read(LISTED)
        from cryptography import (
            x509,
        )  # only here: commands that look for relays read no certificates

        revoked = x509.load_pem_x509_crl(listed.encode()) if listed else ()
        return Material(
            started=started,
            authority=self._read(AUTHORITY),
            certificate=self._read(CERTIFICATE),
            key=self._read(KEY),
            listed=listed,
            revoked=tuple(one.serial_number for one in revoked),
        )

    async def look(self) -> bool:
        """It does what its files say, and shows what its certificates are now.

        Whether it is there, and is what it would be if it were started now.
        """
        started = await asyncio.to_thread(self._started)
        answer = await self._told(b"look\n")
        same = answer.partition(".")[0] == started.partition(".")[0]
        if answer != started and same and answer:
            material = await asyncio.to_thread(self._material, started)
            answer = await self._told(b"take\n" + msgspec.json.encode(material) + b"\n")
        return answer == started

    async def _told(self, words: bytes) -> str:
        """Its answer; "" where there is none."""
        try:
            async with asyncio.timeout(LOOK_S):
                reader, writer = await asyncio.open_unix_connection(str(self.folder / "ctl"))
                try:
                    self._take(writer.get_extra_info("socket"))
                    writer.write(words)
                    answer = (await reader.readline()).decode().strip()
                finally:
                    writer.transport.abort()
        except (OSError, TimeoutError):
            return ""
        return answer

    def _take(self, connected: socket.socket) -> None:
        """The process is the one that listens."""
        pid, _, _ = _PEER.unpack(connected.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _PEER.size))  # fmt: skip
        if self.process is None or self.process.identity.pid != pid:
            self.let_go()
            with contextlib.suppress(ProcessLookupError):
                self.process = Process(Identity(pid, 0), os.pidfd_open(pid))

    async def start(self) -> None:
        """A new process, in place of the one that may be there. It does what its files say when this returns.

        Raises:
            StartFailed
        """
        await self.kill()
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW
        log = os.open(self.folder / "log", flags, 0o600)
        try:
            # In no environment of a user's: the program is found where ours is.
            argv = ["env", f"PYTHONPATH={Path(hanok.__file__).parents[1]}", sys.executable, "-m"]
            argv += [MODULE, str(self.folder), self._started()]
            argv.append(json.dumps(msgspec.to_builtins(self._settings)))
            process = await asyncio.to_thread(
                processes.start, argv, uid=None, gid=None, fds=(), log=log
            )
            self.process = process
        finally:
            os.close(log)
        try:
            async with asyncio.timeout(START_S):
                while not await self.look():
                    if not process.alive:
                        break
                    await asyncio.sleep(POLL_S)
                else:
                    return
        except TimeoutError:
            pass
        words = (self.folder / "log").read_text(errors="replace")[-1000:]
        await self.kill()
        raise StartFailed("the relay of volumes does not start", detail=words)

    async def ended(self) -> None:
        if (process := self.process) is not None:
            with contextlib.suppress(OSError):  # somebody else has ended it, and let go of it
                await process.ended()

    def let_go(self) -> None:
        """It goes on."""
        if self.process is not None:
            self.process.close()
        self.process = None

    async def kill(self) -> None:
        """It is gone."""
        if self.process is not None:
            await self.process.kill()
        self.let_go()
