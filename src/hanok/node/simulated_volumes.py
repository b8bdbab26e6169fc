"""Volumes of a simulated host: which there are, what they show, who has them open; no daemon and no bytes.

What is on a volume is a token: of which image or file, or that it is blank. Snapshots, clones and moves hand it on,
and a copy out of the volume is the image's bytes again. With a state directory each volume is a file, so that volumes
outlive a restart; without, all of it is memory.

    <state>/volumes/<volume_id>.json
    <state>/volumes/removed/<volume_id>     the generation it was removed at
    <state>/volumes/contents/<sha256>       what was restored from a backup
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import io
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from hanok.base.clock import Clock
from hanok.base.ids import is_uuid
from hanok.commands import (
    CHANGES_NOT_KNOWN,
    Answer,
    BackendState,
    BackendStates,
    CloseVolume,
    Command,
    DescribeBackends,
    Done,
    EnsureVolume,
    EnsureVolumeCopy,
    EnsureVolumeSnapshot,
    EnsureVolumeSnapshots,
    ForgetVolumeCopy,
    FoundVolume,
    HandOverSnapshot,
    HandOverVolumeCopy,
    ListVolumes,
    MoveVolume,
    OpenVolume,
    RemoveVolume,
    RemoveVolumeSnapshot,
    VolumeAddress,
    VolumeInventory,
    VolumeKey,
    VolumeLimits,
    VolumeSource,
    VolumeState,
    copy_name,
)
from hanok.commands.volumes import VolumeCopyPart
from hanok.drivers import block_difference, qcow2
from hanok.node.channel import HandOvers, fetch
from hanok.node.errors import NotDone
from hanok.node.images import CachedImage
from hanok.node.records import check_generation, write_whole
from hanok.node.volume_records import check_opening, is_of_older, noted

GIB = 1 << 30
SECTOR = 512
PIECE = 1 << 20
POLL_S = 0.02
NBD_PORT = 10809
CONVERT_S = 600.0
CAPABILITIES = {
    "thin_provisioning_support": "True",
    "thick_provisioning_support": "False",
    "multiattach": "True",
    "online_extend_support": "True",
    "QoS_support": "True",
    "consistencygroup_support": "True",
    "consistent_group_snapshot_enabled": "True",
    "sparse_copy_volume": "True",
}
"""What every back end here can do, in the words of volume types' extra specs."""
FOREIGN_NAMES = {"vmdk": "vmdk", "vhd": "vpc", "vpc": "vpc", "vhdx": "vhdx", "vdi": "vdi"}
INVERTED = bytes(range(255, -1, -1))
SEALED = b"LUKS\xba\xbe\x00\x01"  # what an encrypted copy begins with


class SimulatedBackend(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A back end of a simulated host. reason: why it does not work, if it does not."""

    gib: float = 1000.0
    over_subscription: float = 20.0
    reserved_percentage: int = 0
    reason: str = ""


USUAL_BACKENDS = {"files": SimulatedBackend(), "files2": SimulatedBackend()}


class Content(Struct, frozen=True, kw_only=True):
    """What a volume shows: an image's bytes, those of a file that was restored, or zeros (blank). size_bytes: of it."""

    kind: str = "blank"
    id: str = ""
    format: str = "raw"
    size_bytes: int = 0


class Kept(Struct, frozen=True, kw_only=True):
    """A snapshot: what the volume showed, and how large it was."""

    content: Content
    size_bytes: int


class SimulatedVolume(Struct, frozen=True, kw_only=True):
    """A volume.

    ready: whether it holds what it is to. lock: a hash of the key that opens it. set_back, replaced: the generations
    in which that was done last.
    snapshots: by id. kept: those that nobody manages, by name. exports: whether an attachment only reads. openings: the
    newest generation that was seen of each.
    remembered: what it showed when the copy of that id was made. moving: where to.
    """

    volume_id: str
    backend: str
    generation: int
    size_bytes: int
    content: Content = Content()
    ready: bool = False
    limits: VolumeLimits = VolumeLimits()
    lock: str = ""
    set_back: int = -1
    replaced: int = -1
    snapshots: dict[str, Kept] = {}
    kept: dict[str, Kept] = {}
    exports: dict[str, bool] = {}
    openings: dict[str, int] = {}
    remembered: dict[str, Kept] = {}
    name: str = ""


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(SimulatedVolume).decode


class Shelf:
    """Where volumes are kept: in memory, and in a folder if there is one."""

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder
        self.volumes: dict[str, SimulatedVolume] = {}
        self._removed: dict[str, int] = {}
        self._contents: dict[str, bytes] = {}
        if folder is not None:
            for part in ("removed", "contents"):
                (folder / part).mkdir(parents=True, exist_ok=True)
            for path in sorted(folder.glob("*.json")):
                with contextlib.suppress(OSError, msgspec.MsgspecError):
                    self.volumes[path.stem] = _decode(path.read_bytes())

    def save(self, volume: SimulatedVolume) -> SimulatedVolume:
        self.volumes[volume.volume_id] = volume
        if self._folder is not None:
            path = self._folder / f"{volume.volume_id}.json"
            write_whole(path, _encode(volume), durable=False)
        return volume

    def drop(self, volume_id: str) -> None:
        self.volumes.pop(volume_id, None)
        if self._folder is not None:
            (self._folder / f"{volume_id}.json").unlink(missing_ok=True)

    def removed_at(self, volume_id: str) -> int:
        if volume_id not in self._removed and self._folder is not None:
            with contextlib.suppress(FileNotFoundError, ValueError):
                path = self._folder / "removed" / volume_id
                self._removed[volume_id] = int(path.read_text())
        return self._removed.get(volume_id, -1)

    def bury(self, volume_id: str, generation: int) -> None:
        self._removed[volume_id] = max(generation, self.removed_at(volume_id))
        if self._folder is not None:
            text = b"%d" % self._removed[volume_id]
            write_whole(self._folder / "removed" / volume_id, text, durable=False)

    def keep(self, source: BinaryIO) -> Content:
        """Keep a file under its hash."""
        digest = hashlib.sha256()
        while piece := source.read(PIECE):
            digest.update(piece)
        name, size = digest.hexdigest(), source.tell()
        source.seek(0)
        if self._folder is None:
            self._contents[name] = source.read()
        elif not (path := self._folder / "contents" / name).exists():
            temporary = path.with_suffix(".new")
            with temporary.open("wb") as target:
                shutil.copyfileobj(source, target, PIECE)
            temporary.rename(path)
        return Content(kind="file", id=name, size_bytes=size)

    def open(self, name: str) -> BinaryIO:
        if self._folder is None:
            return io.BytesIO(self._contents[name])
        return (self._folder / "contents" / name).open("rb")


@dataclass
class SimulatedVolumes:
    """All volumes of one simulated host.

    image: of the host's cache; raises NotDone. open_image: the disk that it is, as a raw one, by id and format.
    long_s: how long what copies takes.
    """

    host: str
    backends: dict[str, SimulatedBackend]
    clock: Clock
    shelf: Shelf
    image: Callable[[str], CachedImage]
    open_image: Callable[[str, str], BinaryIO]
    long_s: float = 0.0
    copies: Path | None = None
    hand_overs: HandOvers | None = None
    _begun: dict[str, float] = field(default_factory=dict)

    async def do(self, command: Command) -> Answer:
        """A command that concerns volumes alone.

        Raises:
            NotDone, Late
        """
        match command:
            case EnsureVolume():
                return await self._ensure(command)
            case RemoveVolume():
                return self._remove(command)
            case EnsureVolumeSnapshot():
                self._take([command])
                return Done()
            case EnsureVolumeSnapshots():
                self._take(command.snapshots)
                return Done()
            case RemoveVolumeSnapshot():
                return self._remove_snapshot(command)
            case OpenVolume():
                return self._open(command)
            case CloseVolume():
                return self._close(command)
            case MoveVolume():
                return await self._move(command)
            case EnsureVolumeCopy():
                return await self._copy(command)
            case HandOverVolumeCopy():
                return await self._hand_over(command)
            case ForgetVolumeCopy():
                return await self._forget(command)
            case DescribeBackends():
                return self.states()
            case ListVolumes():
                return self._inventory()
        raise NotDone("This host does not know that command.", detail=type(command).__name__)

    # ---- volumes

    async def _ensure(self, requested: EnsureVolume) -> VolumeState:
        self._backend(requested.backend)
        volume = self.shelf.volumes.get(requested.volume_id)
        newest = -1 if volume is None else volume.generation
        check_generation(requested.generation, newest, self.shelf.removed_at(requested.volume_id))
        if volume is None:
            volume = self._begin(requested)
        else:
            self._check_place(volume, requested.backend)
            _check_key(volume, requested.key)
        volume = self._grown(volume, requested)
        if (state := await self._filled(volume, requested)) is not None:
            return state
        volume = self._set_back(self._get(requested.volume_id), requested)
        return _state(volume)

    def _begin(self, requested: EnsureVolume) -> SimulatedVolume:
        source = requested.source
        if source.kind == "manage":
            return self._managed(requested)
        content = self._check_source(source, requested.backend, lock_of(requested.key))
        size = requested.size_gib * GIB
        _check_fits(content, size)
        self._check_space(requested.backend, size)
        return self.shelf.save(
            SimulatedVolume(
                volume_id=requested.volume_id,
                backend=requested.backend,
                generation=requested.generation,
                size_bytes=size,
                lock=lock_of(requested.key),
            )
        )

    def _managed(self, requested: EnsureVolume) -> SimulatedVolume:
        """One that was left under a name is a volume again."""
        for found in self.shelf.volumes.values():
            if found.name == requested.source.id and found.backend == requested.backend:
                self.shelf.drop(found.volume_id)
                values = {"volume_id": requested.volume_id, "generation": requested.generation}
                return self.shelf.save(replace(found, name="", **values))
        raise NotDone(f"The back end has no volume {requested.source.id}.")

    def _grown(self, volume: SimulatedVolume, requested: EnsureVolume) -> SimulatedVolume:
        size = max(volume.size_bytes, requested.size_gib * GIB)
        self._check_space(volume.backend, size - volume.size_bytes)
        values = {"size_bytes": size, "limits": requested.limits}
        return self.shelf.save(replace(volume, generation=requested.generation, **values))

    async def _filled(self, volume: SimulatedVolume, requested: EnsureVolume) -> VolumeState | None:
        """It holds what it is to, or how far that is."""
        source = requested.source
        again = requested.replace and volume.replaced < requested.generation
        if volume.ready and not again:
            return None
        if again and volume.exports:
            raise NotDone("The volume is in use.")
        content = self._check_source(source, volume.backend, volume.lock)
        _check_fits(content, volume.size_bytes)
        if source.kind not in ("blank", "snapshot", "volume", "manage") and (
            state := await self._later(f"ensure {volume.volume_id}", volume, requested.wait_s)
        ):
            return state
        if source.kind == "backup":
            content = await asyncio.to_thread(self._restored, source, volume)
        values = {"replaced": requested.generation} if again else {}
        content = volume.content if source.kind == "manage" else content
        volume = self._get(volume.volume_id)
        self.shelf.save(replace(volume, content=content, ready=True, **values))
        return None

    def _check_source(self, source: VolumeSource, backend: str, lock: str) -> Content:
        match source.kind:
            case "image":
                known = self.image(source.id)
                size = known.virtual_size_bytes
                return Content(kind="image", id=source.id, format=known.format, size_bytes=size)
            case "snapshot":
                origin = self._get(source.volume_id)
                self._check_place(origin, backend)
                _check_key(origin, source.key)
                _check_lock(origin, lock)
                return self._kept(origin, source.id).content
            case "volume":
                origin = self._get(source.id)
                self._check_place(origin, backend)
                _check_key(origin, source.key)
                _check_lock(origin, lock)
                return origin.content
        return Content()

    def _restored(self, source: VolumeSource, volume: SimulatedVolume) -> Content:
        """What a chain of copies shows. Of the simulated ones an incremental copy holds all, or nothing that is new."""
        content = Content()
        if not source.copies:
            raise NotDone("The command names no copy.")
        for part in source.copies:
            with self._read(part, sealed=bool(volume.lock)) as file:
                found = self.shelf.keep(file)
            if part is source.copies[0] or found.size_bytes:
                content = found
        _check_fits(content, volume.size_bytes)
        return content

    def _read(self, part: VolumeCopyPart, *, sealed: bool) -> BinaryIO:
        """The disk that a copy is, as a raw one.

        sealed: whether it is of an encrypted volume, and may begin with its header.
        """
        path = None if self.copies is None else self.copies / copy_name(part.copy_id)
        here = path is not None and path.exists()
        if not here and part.channel is None:
            raise NotDone("The copy is not on this host.", detail=part.copy_id, transient=True)
        with contextlib.ExitStack() as unless_read:
            found = unless_read.enter_context(tempfile.TemporaryFile())
            self._fill(found, part, path if here else None)
            unless_read.pop_all()
        found.seek(0)
        plain = _raw(found) if part.disk_format == "qcow2" else found
        return _unsealed(plain) if sealed else plain

    def _fill(self, target: BinaryIO, part: VolumeCopyPart, path: Path | None) -> None:
        def take(piece: bytes) -> None:
            target.write(piece)

        if path is not None:
            with path.open("rb") as file:
                shutil.copyfileobj(file, target, PIECE)
        elif part.channel is not None:
            fetch(part.channel, self.host, part.size_bytes, take)

    def _set_back(self, volume: SimulatedVolume, requested: EnsureVolume) -> SimulatedVolume:
        if not requested.content or volume.set_back >= requested.generation:
            return volume
        if volume.exports:
            raise NotDone("The volume is in use.")
        kept = self._kept(volume, requested.content)
        return self.shelf.save(replace(volume, content=kept.content, set_back=requested.generation))

    def _remove(self, unwanted: RemoveVolume) -> Done:
        volume_id = unwanted.volume_id
        volume = self.shelf.volumes.get(volume_id)
        newest = -1 if volume is None else volume.generation
        check_generation(unwanted.generation, newest, self.shelf.removed_at(volume_id))
        if volume is not None and volume.exports:
            raise NotDone("The volume is in use.")
        if volume is not None and volume.snapshots:
            raise NotDone("The volume has snapshots.")
        self.shelf.bury(volume_id, unwanted.generation)
        self._begun.pop(f"ensure {volume_id}", None)
        self.shelf.drop(volume_id)
        if volume is not None and unwanted.keep:
            kept = replace(volume, volume_id=f"left-{volume_id}", name=unwanted.keep)
            self.shelf.save(kept)
        return Done()

    # ---- snapshots

    def _take(self, requested: Sequence[EnsureVolumeSnapshot]) -> None:
        """All of them, or none."""
        changed: dict[str, SimulatedVolume] = {}
        for one in requested:
            volume = changed.get(one.volume_id) or self._get(one.volume_id)
            self._check_place(volume, one.backend)
            _check_key(volume, one.key)
            if one.snapshot_id not in volume.snapshots:
                changed[one.volume_id] = self._with_snapshot(volume, one)
        for volume in changed.values():
            self.shelf.save(volume)

    def _with_snapshot(self, volume: SimulatedVolume, one: EnsureVolumeSnapshot) -> SimulatedVolume:
        now = Kept(content=volume.content, size_bytes=volume.size_bytes)
        kept = dict(volume.kept)
        if one.manage:
            if one.manage not in kept:
                raise NotDone(f"The volume has no snapshot {one.manage}.")
            now = kept.pop(one.manage)
        return replace(volume, kept=kept, snapshots={**volume.snapshots, one.snapshot_id: now})

    def _remove_snapshot(self, unwanted: RemoveVolumeSnapshot) -> VolumeState:
        volume = self.shelf.volumes.get(unwanted.volume_id)
        if volume is None:
            return VolumeState(volume_id=unwanted.volume_id)
        snapshots, kept = dict(volume.snapshots), dict(volume.kept)
        gone = snapshots.pop(unwanted.snapshot_id, None)
        if gone is not None and unwanted.keep:
            kept[unwanted.keep] = gone
        return _state(self.shelf.save(replace(volume, snapshots=snapshots, kept=kept)))

    @staticmethod
    def _kept(volume: SimulatedVolume, snapshot_id: str) -> Kept:
        if (kept := volume.snapshots.get(snapshot_id)) is None:
            raise NotDone("The volume has no such snapshot on this host.", detail=snapshot_id)
        return kept

    # ---- who has it open

    def _open(self, requested: OpenVolume) -> VolumeAddress:
        volume = self._get(requested.volume_id)
        self._check_place(volume, requested.backend)
        _check_key(volume, requested.key)
        if not volume.ready:
            raise NotDone("The volume is not ready.", transient=True)
        name = requested.attachment_id
        check_opening(volume, name, requested.generation)
        exports = {**volume.exports, name: requested.read_only}
        openings = noted(volume, name, requested.generation)
        self.shelf.save(replace(volume, exports=exports, openings=openings))
        if requested.host in ("", self.host):
            return VolumeAddress(export=requested.attachment_id, path="/run/simulated/nbd.sock")
        return VolumeAddress(
            export=requested.attachment_id, host="127.0.0.1", port=NBD_PORT, name=self.host
        )

    def _close(self, unwanted: CloseVolume) -> Done:
        volume, closed = self.shelf.volumes.get(unwanted.volume_id), unwanted.attachment_id
        if volume is not None and not is_of_older(volume, closed, unwanted.generation):
            exports = {name: ro for name, ro in volume.exports.items() if name != closed}
            openings = noted(volume, closed, unwanted.generation)
            self.shelf.save(replace(volume, exports=exports, openings=openings))
        return Done()

    # ---- moves and copies

    async def _move(self, requested: MoveVolume) -> VolumeState:
        volume = self._get(requested.volume_id)
        newest = self.shelf.removed_at(requested.volume_id)
        check_generation(requested.generation, volume.generation, newest)
        if requested.abort:
            self._begun.pop(f"move {volume.volume_id}", None)
            return _state(self.shelf.save(replace(volume, generation=requested.generation)))
        if volume.backend == requested.to:
            return _state(volume)
        self._check_move(volume, requested)
        volume = self.shelf.save(replace(volume, generation=requested.generation))
        if state := await self._later(f"move {volume.volume_id}", volume, requested.wait_s):
            return state
        volume = self._get(requested.volume_id)
        values = {"backend": requested.to, "limits": requested.limits}
        return _state(self.shelf.save(replace(volume, lock=lock_of(requested.new_key), **values)))

    def _check_move(self, volume: SimulatedVolume, requested: MoveVolume) -> None:
        self._check_place(volume, requested.backend)
        _check_key(volume, requested.key)
        if volume.snapshots:
            raise NotDone("A volume with snapshots cannot be moved to another back end.")
        self._check_space(requested.to, volume.size_bytes)

    async def _copy(self, requested: EnsureVolumeCopy) -> VolumeState:
        path = self._copy_path(requested.copy_id)
        volume = self._get(requested.volume_id)
        if not path.exists():
            self._check_place(volume, requested.backend)
            _check_key(volume, requested.key)
            shows = Kept(content=volume.content, size_bytes=volume.size_bytes)
            if requested.snapshot_id:
                shows = self._kept(volume, requested.snapshot_id)
            since = self._since(volume, requested)
            if state := await self._later(f"copy {requested.copy_id}", volume, requested.wait_s):
                return state
            await asyncio.to_thread(self._write, requested, shows, since, path)
            if requested.remember:
                volume = self._get(requested.volume_id)
                remembered = {**volume.remembered, requested.copy_id: shows}
                self.shelf.save(replace(volume, remembered=remembered))
        size = path.stat().st_size
        return VolumeState(volume_id=requested.volume_id, size_bytes=size)

    @staticmethod
    def _since(volume: SimulatedVolume, requested: EnsureVolumeCopy) -> Kept | None:
        if not requested.since:
            return None
        if (known := volume.remembered.get(requested.since)) is None:
            raise NotDone(CHANGES_NOT_KNOWN)
        return known

    def _write(
        self, requested: EnsureVolumeCopy, shows: Kept, since: Kept | None, path: Path
    ) -> None:
        """Make the copy's file."""
        temporary = path.with_name(f".{path.name}.new")
        same = since is not None and since.content == shows.content
        sealed = requested.key if requested.encrypted else None
        with (
            _sealed(self._bytes(Content() if same else shows.content), sealed) as source,
            temporary.open("wb") as target,
        ):
            if requested.disk_format == "raw":
                shutil.copyfileobj(source, target, PIECE)
                target.truncate(max(SECTOR, -(-target.tell() // SECTOR) * SECTOR))
            else:
                qcow2.write(source, target, shows.size_bytes)
        if requested.disk_format not in ("raw", "qcow2"):
            _convert(temporary, requested.disk_format)
        if requested.known is not None:
            temporary = self._changed(requested.known, temporary)
        temporary.rename(path)

    def _changed(self, known: VolumeCopyPart, copy: Path) -> Path:
        """What a copy has beside the blocks that control knows."""
        with self._read(known, sealed=False) as given, tempfile.NamedTemporaryFile() as blocks:
            shutil.copyfileobj(given, blocks, PIECE)
            blocks.flush()
            changed = copy.with_suffix(".changed")
            changed.unlink(missing_ok=True)
            try:
                block_difference.make(copy, block_difference.read_known(Path(blocks.name)), changed)
            except block_difference.Unfit as error:
                raise NotDone(
                    "What is known of the volume cannot be used.", detail=str(error)
                ) from error
        copy.unlink()
        return changed

    def _bytes(self, content: Content) -> BinaryIO:
        """What a volume shows, without the zeros behind it."""
        if content.kind == "file":
            return self.shelf.open(content.id)
        if content.kind == "image":
            return self.open_image(content.id, content.format)
        return io.BytesIO()

    async def _hand_over(self, requested: HandOverVolumeCopy) -> VolumeState:
        if self.hand_overs is None:
            raise NotDone("This host keeps no copies of volumes.")
        path = self._copy_path(requested.copy_id)
        sending = HandOverSnapshot(
            server_id="",
            snapshot_id=path.name,
            target=requested.target,
            wait_s=requested.wait_s,
        )
        state = await self.hand_overs.ensure(self.host, sending, path)
        size = path.stat().st_size
        progress = 100 if state.done else min(99, 100 * state.copied // max(1, size))
        return VolumeState(volume_id="", done=state.done, progress=progress, size_bytes=size)

    async def _forget(self, unwanted: ForgetVolumeCopy) -> Done:
        self._begun.pop(f"copy {unwanted.copy_id}", None)
        if self.copies is not None:
            path = self._copy_path(unwanted.copy_id)
            if self.hand_overs is not None:
                await self.hand_overs.end(path.name)
            path.unlink(missing_ok=True)
        return Done()

    def _copy_path(self, copy_id: str) -> Path:
        if self.copies is None:
            raise NotDone("This host keeps no copies of volumes.")
        return self.copies / copy_name(copy_id)

    async def _later(self, what: str, volume: SimulatedVolume, wait_s: float) -> VolumeState | None:
        """None when it has taken as long as it takes; else how far it is."""
        began = self._begun.setdefault(what, self.clock.monotonic_s())
        until = asyncio.get_running_loop().time() + wait_s
        while (past := self.clock.monotonic_s() - began) < self.long_s:
            if asyncio.get_running_loop().time() >= until:
                progress = min(99, int(100 * past / self.long_s))
                return VolumeState(
                    volume_id=volume.volume_id,
                    done=False,
                    progress=progress,
                    size_bytes=volume.size_bytes,
                )
            await asyncio.sleep(POLL_S)
            if what not in self._begun:
                raise NotDone("It was given up.")
        self._begun.pop(what, None)
        return None

    # ---- what there is

    def states(self) -> BackendStates:
        found = tuple(self._described(name, one) for name, one in self.backends.items())
        return BackendStates(host=self.host, backends=found)

    def _described(self, name: str, backend: SimulatedBackend) -> BackendState:
        return BackendState(
            name=name,
            driver="simulated",
            total_gib=backend.gib,
            free_gib=max(0.0, backend.gib - self._used(name) / GIB),
            provisioned_gib=self._provisioned(name) / GIB,
            over_subscription=backend.over_subscription,
            reserved_percentage=backend.reserved_percentage,
            capabilities=CAPABILITIES,
            reason=backend.reason,
        )

    def _provisioned(self, name: str) -> int:
        return sum(one.size_bytes for one in self.shelf.volumes.values() if one.backend == name)

    def _used(self, name: str) -> int:
        """Bytes that are really taken: each content once, as clones and snapshots copy nothing."""
        found = {one.content for one in self.shelf.volumes.values() if one.backend == name}
        return sum(content.size_bytes for content in found)

    def _inventory(self) -> VolumeInventory:
        volumes = self.shelf.volumes.values()
        return VolumeInventory(
            host=self.host,
            volumes=tuple(_found(one) for one in volumes if not one.name),
            copies=self._copies(),
            others=tuple(other for one in volumes for other in _others(one)),
        )

    def _copies(self) -> tuple[str, ...]:
        if self.copies is None:
            return ()
        prefix = copy_name("")
        names = (path.name.removeprefix(prefix) for path in self.copies.glob(f"{prefix}*"))
        return tuple(sorted(name for name in names if is_uuid(name)))

    # ---- pieces

    def _get(self, volume_id: str) -> SimulatedVolume:
        if (volume := self.shelf.volumes.get(volume_id)) is None:
            raise NotDone("This host has no such volume.", detail=volume_id)
        return volume

    def _backend(self, name: str) -> SimulatedBackend:
        if (backend := self.backends.get(name)) is None:
            raise NotDone(f"The host has no back end {name}.")
        if backend.reason:
            raise NotDone(f"The back end {name} does not work: {backend.reason}", transient=True)
        return backend

    def _check_place(self, volume: SimulatedVolume, backend: str) -> None:
        self._backend(backend)
        if volume.backend != backend:
            raise NotDone(f"The volume is not in the back end {backend}.", detail=volume.backend)

    def _check_space(self, name: str, more: int) -> None:
        backend = self._backend(name)
        limit = backend.gib * GIB * backend.over_subscription
        if more > 0 and self._provisioned(name) + more > limit:
            raise NotDone(f"The back end {name} has not enough space.")


def _state(volume: SimulatedVolume) -> VolumeState:
    return VolumeState(volume_id=volume.volume_id, size_bytes=volume.size_bytes)


def _found(volume: SimulatedVolume) -> FoundVolume:
    return FoundVolume(
        volume_id=volume.volume_id,
        backend=volume.backend,
        size_bytes=volume.size_bytes,
        generation=volume.generation,
        snapshots=tuple(volume.snapshots),
        exports=tuple(volume.exports),
    )


def _others(volume: SimulatedVolume) -> Iterator[FoundVolume]:
    """What `manage` may take over: the volume itself, and snapshots that nobody manages."""
    if volume.name:
        yield FoundVolume(
            volume_id="", backend=volume.backend, size_bytes=volume.size_bytes, name=volume.name
        )
    for name, kept in volume.kept.items():
        yield FoundVolume(
            volume_id=volume.volume_id,
            backend=volume.backend,
            size_bytes=kept.size_bytes,
            name=name,
        )


def _check_fits(content: Content, size_bytes: int) -> None:
    if content.size_bytes > size_bytes:
        needed = -(-content.size_bytes // GIB)
        raise NotDone(f"The volume is too small for its content: {needed} GiB are needed.")


def lock_of(key: VolumeKey | None) -> str:
    return "" if key is None else hashlib.sha256(b"volume " + key.key).hexdigest()


def _check_key(volume: SimulatedVolume, key: VolumeKey | None) -> None:
    if volume.lock and volume.lock != lock_of(key):
        raise NotDone("The key does not open the volume.")


def _check_lock(origin: SimulatedVolume, lock: str) -> None:
    if origin.lock and origin.lock != lock:
        raise NotDone("An encrypted volume can only be copied with its own key.")


def _sealed(file: BinaryIO, key: VolumeKey | None) -> BinaryIO:
    """With a key: bytes that show nothing of what they were."""
    if key is None:
        return file
    with file:
        head = (SEALED + lock_of(key).encode()).ljust(SECTOR, b"\0")
        return io.BytesIO(head + file.read().translate(INVERTED))


def _unsealed(file: BinaryIO) -> BinaryIO:
    """What was sealed, or the file as it is."""
    if not file.read(SECTOR).startswith(SEALED):
        file.seek(0)
        return file
    with file:
        return io.BytesIO(file.read().translate(INVERTED))


def _raw(file: BinaryIO) -> BinaryIO:
    found = tempfile.TemporaryFile()
    with file:
        qcow2.show(file, found)
    return found


def _convert(path: Path, disk_format: str) -> None:
    """Turn a qcow2 into a disk of another hypervisor, with QEMU's tool where the machine has it."""
    if (name := FOREIGN_NAMES.get(disk_format)) is None:
        raise NotDone(f"{disk_format} is not a format that volumes can be copied to.")
    if shutil.which("qemu-img") is None:
        raise NotDone(f"This simulated host has no qemu-img, and cannot write {disk_format}.")
    target = path.with_name(f"{path.name}.converted")
    convert = ["qemu-img", "convert", "-f", "qcow2", "-O", name, str(path), str(target)]
    subprocess.run(convert, check=True, timeout=CONVERT_S, capture_output=True)
    target.rename(path)
