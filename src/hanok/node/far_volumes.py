"""Volumes between hosts: which other hosts may have an export of this one, and which of theirs this one's guests have.

The relay (`drivers/volumes/relay.py`) does it; here is what it is told, in files that are written before it is told to
look. It is started when the first one needs it, and again when it dies, or when the host's certificate is another one.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from hanok.base.errors import HanokError
from hanok.commands import GuestVolume, VolumeAddress
from hanok.drivers.qemu.arguments import NBD
from hanok.drivers.qemu.errors import StartFailed
from hanok.drivers.volumes.relay import Settings, socket_of
from hanok.drivers.volumes.relay_process import RelayProcess
from hanok.node.errors import NotDone
from hanok.node.records import write_whole
from hanok.node.settings import NodeSettings

log = logging.getLogger(__name__)

AGAIN_S = 1.0
LOOK_S = 30.0  # until a certificate that was made anew is shown


@dataclass
class FarVolumes:
    """host: this one. address, port: where it listens to others. relay: None without certificates."""

    host: str
    address: str
    port: int
    tasks: asyncio.TaskGroup
    relay: RelayProcess | None
    _watching: bool = False
    _starting: asyncio.Lock = field(default_factory=asyncio.Lock)

    # ---- this host's volumes for others

    async def allow(self, export: str, hosts: Iterable[str]) -> VolumeAddress:
        """These other hosts may have an export.

        Raises:
            NotDone: other hosts have none of this one's.
        """
        relay = self.check_allows()
        await self._write(relay.folder / "allow" / export, "".join(f"{one}\n" for one in hosts))
        await self._look(relay)
        return VolumeAddress(export=export, host=self.address, port=self.port, name=self.host)

    def check_allows(self) -> RelayProcess:
        """Raises NotDone: other hosts have none of this one's volumes."""
        return self._there("Volumes of this host can only be reached by its own servers")

    async def forbid(self, export: str) -> None:
        """No other host has an export any more."""
        if self.relay is not None and (path := self.relay.folder / "allow" / export).exists():
            await asyncio.to_thread(path.unlink, missing_ok=True)
            await self._look(self.relay)

    # ---- others' volumes for this host's guests

    def at(self, address: VolumeAddress) -> NBD:
        """Where a guest of this host reaches a volume."""
        if address.host and self.relay is not None:
            return NBD(address.export, str(socket_of(self.relay.folder, address.export)))
        return NBD(address.export, address.path)

    async def reach(self, volumes: Iterable[GuestVolume]) -> None:
        """Those of other hosts can be reached.

        Raises:
            NotDone: they cannot from here.
        """
        changed = False
        for one in volumes:
            at = one.address
            if not at.host:
                continue
            relay = self._there("This host cannot reach volumes of other hosts")
            text = json.dumps({"host": at.host, "port": at.port, "name": at.name})
            changed |= await self._write(relay.folder / "reach" / at.export, text)
        if self.relay is not None and changed:
            await self._look(self.relay)

    async def keep(self, exports: Iterable[str]) -> None:
        """Of other hosts these are reached, and no others any more."""
        if self.relay is None or not (folder := self.relay.folder / "reach").exists():
            return
        kept = set(exports)
        gone = [path for path in folder.iterdir() if path.name not in kept]
        for path in gone:
            path.unlink(missing_ok=True)
        if gone:
            await self._look(self.relay)

    # ---- the process

    def _there(self, why: str) -> RelayProcess:
        if self.relay is None:
            raise NotDone(f"{why}: it has no certificate.")
        return self.relay

    @staticmethod
    async def _write(path: Path, text: str) -> bool:
        """Whether there was something else."""
        with contextlib.suppress(OSError):
            if path.read_text() == text:
                return False
        path.parent.mkdir(parents=True, exist_ok=True)
        await asyncio.to_thread(write_whole, path, text.encode(), durable=False)
        path.chmod(0o644)
        return True

    async def _look(self, relay: RelayProcess) -> None:
        """It has seen what the files say; where it cannot now, say because its port is taken, it is tried again."""
        if not self._watching:
            self._watching = True
            self.tasks.create_task(self._watch(relay), name="relay of volumes")
        async with self._starting:
            if not await relay.look():
                try:
                    await asyncio.to_thread(relay.prepare)
                    await relay.start()
                except StartFailed as error:
                    raise NotDone(
                        "Volumes cannot be reached between hosts.",
                        detail=error.detail,
                        transient=True,
                    ) from error

    async def _watch(self, relay: RelayProcess) -> None:
        trouble = ""
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LOOK_S):
                    await relay.ended()
            try:
                await self._look(relay)
                trouble = ""
            except (HanokError, OSError, TimeoutError) as error:
                why = getattr(error, "detail", None) or repr(error)
                if why != trouble:
                    log.error("the relay of volumes cannot be started: %s", why)
                trouble = why
            await asyncio.sleep(AGAIN_S)

    async def adopt(
        self, allowed: Mapping[str, Iterable[str]], reached: Iterable[GuestVolume]
    ) -> None:
        """Take up the relay that an earlier node has left; it does what is recorded, and nothing else."""
        if (relay := self.relay) is None:
            return
        await asyncio.to_thread(relay.prepare)
        for path in (relay.folder / "allow").iterdir():
            if path.name not in allowed:
                path.unlink(missing_ok=True)
        for export, hosts in allowed.items():
            await self._write(relay.folder / "allow" / export, "".join(f"{one}\n" for one in hosts))
        volumes = [one for one in reached if one.address.host]
        try:
            await self.keep(one.attachment_id for one in volumes)
            await self.reach(volumes)
            if allowed or volumes:
                await self._look(relay)
        except NotDone as error:  # guests wait
            log.error("%s (%s)", error.message, error.detail)

    def let_go(self) -> None:
        """It goes on."""
        if self.relay is not None:
            self.relay.let_go()


def far_volumes_of(settings: NodeSettings, daemon: Path, tasks: asyncio.TaskGroup) -> FarVolumes:
    """daemon: the socket of this host's exports."""
    relay = None
    if settings.tls:
        relay = RelayProcess(
            Path(settings.run_dir) / "far",
            Settings(
                daemon=str(daemon),
                tls=settings.tls,
                address=settings.address,
                port=settings.volumes_port,
                uid=settings.volumes_uid,
                gid=settings.qemu_gid,
            ),
        )
    return FarVolumes(settings.host, settings.address, settings.volumes_port, tasks, relay)
