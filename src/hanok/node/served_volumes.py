"""What all work on volumes of a host stands on: the daemon's life, records, locks, keys, and what takes long.

One lock a volume keeps its commands in order. A volume is open in the daemon only while somebody reaches it, or while
something is done to it. When the daemon dies it is started anew, and everything that was reached is reached again.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import logging
from collections import Counter
from collections.abc import (
    AsyncIterator,
    Awaitable,
    Callable,
    Coroutine,
    Iterator,
)
from dataclasses import dataclass, field
from pathlib import Path
from weakref import WeakValueDictionary

from msgspec.structs import asdict, replace

from hanok.base.errors import HanokError
from hanok.commands import (
    VolumeKey,
    VolumeLimits,
    VolumeSource,
    VolumeState,
)
from hanok.drivers.qemu.errors import MonitorLost, QEMUError
from hanok.drivers.qemu.images import Tools
from hanok.drivers.volumes.backend import Backend, BackendFailed
from hanok.drivers.volumes.daemon import Daemon
from hanok.drivers.volumes.graph import Chain, Graph
from hanok.drivers.volumes.layer import Layer
from hanok.node.errors import NotDone
from hanok.node.far_volumes import FarVolumes
from hanok.node.images import ImageCache
from hanok.node.volume_records import VolumeRecord, VolumeRecords

log = logging.getLogger(__name__)

GIB = 1 << 30
BUSY_S = 5.0
AGAIN_S = 1.0
START_TRIES = 3
OVER_SUBSCRIPTION = 20.0


@dataclass
class Work:
    """What takes long. task: returns why it broke. progress: percent."""

    task: asyncio.Task[Exception | None]
    progress: int = 0


@dataclass
class ServedVolumes:
    """
    tasks: owns what takes long. far: to and from other hosts. tools: run as the daemon's user. folder: for records, and
    files that are being made.
    of_copies: makes a layer of copies.
    """

    host: str
    folder: Path
    backends: dict[str, Backend]
    graph: Graph
    images: ImageCache
    tools: Tools
    tasks: asyncio.TaskGroup
    far: FarVolumes
    of_copies: Callable[[VolumeRecord, VolumeSource], Awaitable[Layer]] = field(init=False)
    daemon: Daemon = field(init=False)
    records: VolumeRecords = field(init=False)
    pins: Counter[str] = field(default_factory=Counter)
    keys: dict[str, str] = field(default_factory=dict, repr=False)
    _locks: WeakValueDictionary[str, asyncio.Lock] = field(default_factory=WeakValueDictionary)
    _work: dict[str, Work] = field(default_factory=dict)
    _merges: dict[str, asyncio.Task[None]] = field(default_factory=dict)
    _doors: WeakValueDictionary[str, asyncio.Lock] = field(default_factory=WeakValueDictionary)
    made_for: dict[str, list[str]] = field(default_factory=dict)
    _there: asyncio.Event = field(default_factory=asyncio.Event)
    _starting: asyncio.Lock = field(default_factory=asyncio.Lock)

    def __post_init__(self) -> None:
        self.daemon = self.graph.daemon
        self.records = VolumeRecords(self.folder)

    async def adopt(self) -> None:
        """Take up what an earlier node process left: its daemon, and what it had begun."""
        begun = [record for record in self.records.volumes.values() if record.busy]
        for record in begun:
            self.records.save(given_up(record))
        if await self.daemon.adopt():
            chains = [
                self._chain(record, opened=True)
                for record in self.records.volumes.values()
                if record.exports and record.ready
            ]
            left = {record.volume_id for record in begun}
            await self.graph.take_up([one for one in chains if one.volume_id not in left])
            self._there.set()
            self._watch()
            await self._serve_all()
        elif any(record.exports for record in self.records.volumes.values()):
            if not await self._revived():  # guests wait, and what else this host does goes on
                self.tasks.create_task(self._keep_trying(), name="storage daemon")
        await asyncio.to_thread(self._sweep)
        await self.tidy()

    def _sweep(self) -> None:
        """Files of layers that no record knows are gone."""
        if self.records.unread:
            return
        for backend in self.backends.values():
            if not backend.trouble():
                with contextlib.suppress(BackendFailed):
                    for layer in backend.layers():
                        if layer.id not in self.records.layers:
                            backend.remove(layer)

    def _watch(self) -> None:
        self.tasks.create_task(self._watched(), name="storage daemon")

    async def _watched(self) -> None:
        """When the daemon is gone it is started anew, and everything that was reached is reached again."""
        await self.daemon.ended()
        self._there.clear()
        self.graph.lost()
        words = await asyncio.to_thread(self.daemon.last_words)
        log.error("the process that serves volumes is gone; it is started again (%s)", words)
        await self.daemon.let_go()
        await self._keep_trying()

    async def _keep_trying(self) -> None:
        while not await self._revived():  # noqa: ASYNC110 - each look is a try
            await asyncio.sleep(AGAIN_S)

    async def _revived(self) -> bool:
        try:
            await self._revive()
        except Exception as error:  # an outermost loop: it is tried again
            log.error("the process that serves volumes cannot be started: %r", error)
            return False
        return True

    async def _revive(self) -> None:
        async with self._starting:
            if self._there.is_set():
                return
            for left in reversed(range(START_TRIES)):
                try:
                    await self.daemon.start()
                    break
                except MonitorLost:  # QEMU's greeting may come twice; another process is as good
                    if not left:
                        raise
            self._there.set()
            self._watch()
            await self._serve_all()

    async def _serve_all(self) -> None:
        """Every export that there is to be. One volume's trouble is not the others'."""
        for record in list(self.records.volumes.values()):
            if record.exports and record.ready:
                try:
                    await self.serve(record)
                except (HanokError, TimeoutError) as error:
                    log.error("volume %s cannot be served: %r", record.volume_id, error)

    def doors(self, volume_id: str) -> asyncio.Lock:
        """Who has it decides which exports of a volume there are; for moments only."""
        return self._doors.setdefault(volume_id, asyncio.Lock())

    async def serve(self, record: VolumeRecord) -> None:
        """Who is to reach the volume does."""
        async with self.doors(record.volume_id):
            await self._serve(record.volume_id)

    async def _serve(self, volume_id: str) -> None:
        record = self.get(volume_id)
        await self.graph.load(self._chain(record))
        for name, read_only in record.exports.items():
            await self.graph.open(volume_id, name, read_only=read_only)

    @contextlib.asynccontextmanager
    async def shut(self, volume_id: str, *, broken: bool = True) -> AsyncIterator[None]:
        """Nobody reaches a volume that is open for a moment; then all do again who are to. Clients wait.

        broken: also when what is done meanwhile breaks; otherwise its doer loads anew what is open.
        """
        async with self.doors(volume_id):
            try:
                for name in self.get(volume_id).exports:
                    await self.graph.close(name)
                yield
            except BaseException:
                if broken:
                    with contextlib.suppress(HanokError, TimeoutError):
                        await asyncio.shield(self._serve(volume_id))
                raise
            await self._serve(volume_id)

    async def ready_daemon(self) -> None:
        if not self._there.is_set():
            await self._revive()

    async def let_go(self) -> None:
        """Hang up; the daemon goes on."""
        await self.daemon.let_go()

    # ---- questions

    def get(self, volume_id: str) -> VolumeRecord:
        if (record := self.records.volumes.get(volume_id)) is None:
            raise NotDone("This host has no such volume.", detail=volume_id)
        return record

    def backend(self, name: str) -> Backend:
        """
        Raises:
            NotDone: there is none, or it does not work.
        """
        if (found := self.backends.get(name)) is None:
            raise NotDone(f"The host has no back end {name}.")
        if trouble := found.trouble():
            raise NotDone(f"The back end {name} does not work: {trouble}.", transient=True)
        return found

    def attached_remotely(self) -> dict[str, tuple[str, ...]]:
        """The attachments that other hosts have, and which hosts."""
        return {
            name: hosts
            for record in self.records.volumes.values()
            for name, hosts in record.hosts.items()
        }

    def uses_image(self, image_id: str) -> bool:
        return any(layer.image_id == image_id for layer in self.records.layers.values())

    def provisioned(self, backend: str) -> int:
        volumes = self.records.volumes.values()
        return sum(one.size_bytes for one in volumes if one.backend == backend)

    def check_provision(self, name: str, more: int) -> None:
        limit = self.backend(name).space().total * OVER_SUBSCRIPTION
        if self.provisioned(name) + more > limit:
            raise NotDone(f"The back end {name} has not enough space.")

    # ---- pieces

    @contextlib.asynccontextmanager
    async def claimed(self, volume_id: str) -> AsyncIterator[None]:
        """Nothing else is done to the volume. What can be done later makes room.

        Raises:
            NotDone: something is, and takes long.
        """
        merge = self._merges.get(volume_id)
        if merge not in (None, asyncio.current_task()) and not merge.cancelling():
            merge.cancel()
        lock = self._locks.setdefault(volume_id, asyncio.Lock())
        try:
            async with asyncio.timeout(BUSY_S):
                await lock.acquire()
        except TimeoutError:
            raise NotDone("The volume is busy with other work.", transient=True) from None
        try:
            yield
        finally:
            self.pins.subtract(self.made_for.pop(volume_id, ()))
            lock.release()

    @contextlib.asynccontextmanager
    async def loaded(self, record: VolumeRecord) -> AsyncIterator[None]:
        """The volume is open in the daemon, if only for now. The caller has claimed it."""
        await self.ready_daemon()
        if record.volume_id not in self.graph.loaded:
            await self.serve(record)
        try:
            yield
        finally:
            left = self.records.volumes.get(record.volume_id)
            if left is None or not left.exports:
                await asyncio.shield(self.unload(record.volume_id))

    async def unload(self, volume_id: str) -> None:
        with contextlib.suppress(MonitorLost):
            await self.graph.unload(volume_id)

    async def reload(self, volume_id: str, *, served: bool = True) -> None:
        """What is open of a volume is as its record says. served: and reached again."""
        with contextlib.suppress(QEMUError, TimeoutError):
            if volume_id in self.graph.loaded:
                await self.graph.unload(volume_id)
                record = self.get(volume_id)
                if record.exports and served:
                    await self.serve(record)

    def _chain(self, record: VolumeRecord, *, opened: bool = False) -> Chain:
        """opened: it is open already, so that its key is not needed for that."""
        layers = self.records.chain(record.top)
        secret = ""
        if any(layer.encrypted for layer in layers):
            secret = self.keys.get(record.volume_id, "")
            if not secret and not opened:
                raise NotDone("The host does not have the volume's key.", transient=True)
        return Chain(record.volume_id, layers, record.size_bytes, throttle(record.limits), secret)

    def secret(self, record: VolumeRecord) -> str:
        if not record.lock:
            return ""
        if not (found := self.keys.get(record.volume_id, "")):
            raise NotDone("The host does not have the volume's key.", transient=True)
        return found

    def hold(self, volume_id: str, key: VolumeKey | None) -> None:
        """Keep a key in memory, for as long as the volume is here."""
        if key is not None:
            self.keys[volume_id] = key.key.hex()

    def check_key(self, record: VolumeRecord, key: VolumeKey | None) -> None:
        if record.lock and record.lock != locked(key):
            raise NotDone("The key does not open the volume.")
        self.hold(record.volume_id, key if record.lock else None)

    def check_place(self, record: VolumeRecord, backend: str) -> None:
        self.backend(backend)
        if record.backend != backend:
            raise NotDone(f"The volume is not in the back end {backend}.", detail=record.backend)

    @staticmethod
    def check_same_place(base: Layer, record: VolumeRecord) -> None:
        if base.backend not in ("", record.backend):
            raise NotDone(f"The source is not in the back end {record.backend}.")

    def save(self, record: VolumeRecord, **values: object) -> VolumeRecord:
        """Change these values alone: others may have changed others meanwhile."""
        now = self.records.volumes.get(record.volume_id, record)
        return self.records.save(replace(now, **values))

    @contextlib.contextmanager
    def pinned(self, layer_id: str) -> Iterator[None]:
        """These layers stay as they are."""
        names = [layer.id for layer in self.records.chain(layer_id)]
        self.pins.update(names)
        try:
            yield
        finally:
            self.pins.subtract(names)

    # ---- what takes long

    def begun(self, name: str, make: Callable[[], Coroutine[None, None, None]]) -> Work:
        async def run() -> Exception | None:
            try:
                await make()
            except Exception as error:  # whoever asks next is told
                return error
            return None

        if name not in self._work:
            self._work[name] = Work(self.tasks.create_task(run(), name=name))
        return self._work[name]

    async def wait(self, work: Work, record: VolumeRecord, wait_s: float) -> VolumeState | None:
        """None when it is done; else how far it is. Raises what it raised; asked again, it begins anew."""
        await asyncio.wait([work.task], timeout=wait_s)
        if not work.task.done():
            return VolumeState(
                volume_id=record.volume_id,
                done=False,
                progress=work.progress,
                size_bytes=record.size_bytes,
            )
        for name in [name for name, one in self._work.items() if one is work]:
            del self._work[name]
        if work.task.cancelled():
            raise NotDone("It was given up.")
        if (error := work.task.result()) is not None:
            raise error
        return None

    async def end(self, name: str) -> None:
        if (work := self._work.pop(name, None)) is not None:
            work.task.cancel()
            await asyncio.gather(work.task, return_exceptions=True)

    # ---- housekeeping

    async def tidy(self) -> None:
        """Layers that nothing shows are gone."""
        if self.records.unread:
            return
        pinned = {name for name, count in self.pins.items() if count > 0}
        for layer in self.records.unneeded(pinned):
            if self._there.is_set():
                with contextlib.suppress(MonitorLost):
                    await self.graph.forget([layer.id])
            if layer.backend in self.backends and not layer.image_id:
                try:
                    await asyncio.to_thread(self.backends[layer.backend].remove, layer)
                except BackendFailed as error:  # when it can be, the next time
                    log.warning("layer %s is not removed: %s", layer.id, error.message)
                    continue
            self.records.delete_layer(layer.id)


def given_up(record: VolumeRecord) -> VolumeRecord:
    """What was begun and not told of is undone: a snapshot that may be of no moment at all."""
    what, _, name = record.busy.partition(":")
    if what == "freeze" and name:
        snapshots = {one: frozen for one, frozen in record.snapshots.items() if one != name}
        return replace(record, snapshots=snapshots, busy="")
    return replace(record, busy="")


def locked(key: VolumeKey | None) -> str:
    return "" if key is None else hashlib.sha256(b"volume " + key.key).hexdigest()


def throttle(limits: VolumeLimits) -> dict[str, int]:
    """As QEMU's throttle groups name them; all of them, since it merges what it is told with what it had.

    Raises:
        NotDone: they contradict each other.
    """
    values = asdict(limits)
    for kind in ("bytes", "operations"):
        total = values[f"total_{kind}"], values[f"total_{kind}_max"]
        apart = [values[f"{way}_{kind}{end}"] for way in ("read", "write") for end in ("", "_max")]
        if any(total) and any(apart):
            raise NotDone(
                f"A volume has limits of all {kind}, or of read and written ones, not both."
            )
    found = {"iops-size": limits.operation_size}
    for name, value in values.items():
        if name == "operation_size":
            continue
        way, kind, *end = name.split("_")
        short = {"bytes": "bps", "operations": "iops"}[kind]
        found[f"{short}-{way}{'-max' if end else ''}"] = value
        base = values[f"{way}_{kind}"]
        if (end and value and value < base) or (end and value and not base):
            raise NotDone(f"A volume's limit {name} is less than its {way}_{kind}.")
    return found
