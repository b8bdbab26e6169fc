"""Copies of volumes as files, for images and backups, and volumes made of such files.

A copy is of a frozen layer: guests go on. A full one is what the chain shows. An incremental one is what the layers
hold that were written since the one that an earlier copy was made of: their files, put together. So nothing has to
watch what guests write, and the zeros that they wrote over something are in it, too.
What is not whole is in the work folder; what is, in the snapshot folder.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import stat
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from hanok.base.durable import put_in_place
from hanok.base.failpoints import failpoint
from hanok.base.ids import is_uuid
from hanok.commands import (
    CHANGES_NOT_KNOWN,
    Done,
    EnsureVolumeCopy,
    ForgetVolumeCopy,
    HandOverSnapshot,
    HandOverVolumeCopy,
    VolumeState,
    copy_name,
)
from hanok.commands.volumes import VolumeCopyPart, VolumeSource
from hanok.drivers import block_difference, luks, qcow2
from hanok.drivers.block_difference import read_known
from hanok.drivers.volumes.backend import SEALED, copy_bytes, look
from hanok.drivers.volumes.layer import Layer, new_layer_id
from hanok.node.channel import HandOvers, fetch
from hanok.node.errors import NotDone
from hanok.node.volume_records import Frozen, VolumeRecord
from hanok.node.volumes import Volumes, check_fits, snapshot_of

FORMATS = {
    "raw": "raw",
    "qcow2": "qcow2",
    "vmdk": "vmdk",
    "vhd": "vpc",
    "vpc": "vpc",
    "vhdx": "vhdx",
    "vdi": "vdi",
}
"""What QEMU calls them."""
REMEMBERED = 3  # copies a volume, each of which keeps a layer


@dataclass
class VolumeCopies:
    """folder: of finished copies, which belong to whom it belongs."""

    volumes: Volumes
    folder: Path
    hand_overs: HandOvers

    def __post_init__(self) -> None:
        self._work = self.volumes.folder / "work"
        shutil.rmtree(self._work, ignore_errors=True)
        self._work.mkdir(mode=0o711)
        self.volumes.of_copies = self.of_copies

    def list(self) -> tuple[str, ...]:
        prefix = copy_name("")
        names = (path.name.removeprefix(prefix) for path in self.folder.glob(f"{prefix}*"))
        return tuple(sorted(name for name in names if is_uuid(name)))

    def path(self, copy_id: str) -> Path:
        return self.folder / copy_name(copy_id)

    async def ensure(self, requested: EnsureVolumeCopy) -> VolumeState:
        """Begin the copy, or wait a while for the one under way."""
        volumes, path = self.volumes, self.path(requested.copy_id)
        record = volumes.get(requested.volume_id)
        if not path.exists():
            self._check(record, requested)
            work = volumes.begun(f"copy {requested.copy_id}", lambda: self._copy(requested))
            if state := await volumes.wait(work, record, requested.wait_s):
                return state
        return VolumeState(volume_id=record.volume_id, size_bytes=path.stat().st_size)

    def _check(self, record: VolumeRecord, requested: EnsureVolumeCopy) -> None:
        self.volumes.check_place(record, requested.backend)
        self.volumes.check_key(record, requested.key)
        if requested.disk_format not in FORMATS:
            raise NotDone(f"{requested.disk_format} is not a format that volumes can be copied to.")
        if requested.since and requested.disk_format != "qcow2":
            raise NotDone("An incremental copy has the format qcow2.")
        if requested.since and requested.since not in record.remembered:
            raise NotDone(CHANGES_NOT_KNOWN)
        if requested.since and record.lock and not requested.encrypted:
            raise NotDone("An incremental copy of an encrypted volume is encrypted, too.")
        if requested.known is not None and requested.disk_format != "raw":
            raise NotDone("Changes beside known blocks are only sent for a raw copy.")
        if requested.encrypted and requested.disk_format not in ("raw", "qcow2"):
            raise NotDone(f"The format {requested.disk_format} cannot be encrypted.")

    async def _copy(self, requested: EnsureVolumeCopy) -> None:
        volumes, volume_id = self.volumes, requested.volume_id
        async with volumes.claimed(volume_id):
            frozen = await self._frozen(requested)
        await failpoint("node.copy_volume.frozen")
        work = self._work / requested.copy_id
        try:
            with volumes.pinned(frozen.layer):
                await asyncio.to_thread(self.volumes.tools.make_folder, work)
                await self._write(requested, frozen, work / "copy")
                await failpoint("node.copy_volume.after_copy")
                copy = await asyncio.to_thread(self._changed, requested.known, work / "copy", work)
                await asyncio.to_thread(self._hand_over, copy, self.path(requested.copy_id))
        except BaseException:
            await asyncio.shield(self._remember(requested, None))
            raise
        finally:
            await asyncio.to_thread(shutil.rmtree, work, ignore_errors=True)
        await self._remember(requested, frozen if requested.remember else None)

    def _changed(self, known: VolumeCopyPart | None, copy: Path, work: Path) -> Path:
        """What is handed over: the copy, or what it has beside the blocks that control knows."""
        if known is None:
            return copy
        changed = work / "changed"
        try:
            blocks = read_known(self._fetched(known, work))
            block_difference.make(copy, blocks, changed)
        except block_difference.Unfit as error:
            raise NotDone(
                "What is known of the volume cannot be used.", detail=str(error)
            ) from error
        copy.unlink()
        with changed.open("rb") as file:
            self.volumes.tools.own(file.fileno())
        return changed

    async def _frozen(self, requested: EnsureVolumeCopy) -> Frozen:
        """The layer that is copied; the volume says so, so that it stays."""
        record = self.volumes.get(requested.volume_id)
        if requested.snapshot_id:
            frozen = snapshot_of(record, requested.snapshot_id)
        elif requested.copy_id in record.remembered:
            return record.remembered[requested.copy_id]
        else:
            frozen = Frozen(layer=record.top, size_bytes=record.size_bytes)

        def change(now: VolumeRecord, _: Frozen) -> dict[str, object]:
            remembered = {**now.remembered, requested.copy_id: frozen}
            return {"remembered": remembered, "busy": "freeze:"}

        if requested.snapshot_id:
            self.volumes.save(record, remembered=change(record, frozen)["remembered"])
        else:
            await self.volumes.freeze(record, change)
        return frozen

    async def _remember(self, requested: EnsureVolumeCopy, frozen: Frozen | None) -> None:
        """What the copy was made of stays known, or does not; of the older ones the last few do."""
        record = self.volumes.records.volumes.get(requested.volume_id)
        if record is None:
            await self.volumes.tidy()
            return
        remembered = dict(record.remembered)
        if frozen is None:
            remembered.pop(requested.copy_id, None)
        for old in list(remembered)[:-REMEMBERED]:
            del remembered[old]
        self.volumes.save(record, remembered=remembered)
        await self.volumes.tidy()
        self.volumes.merge_later(requested.volume_id)

    async def _write(self, requested: EnsureVolumeCopy, frozen: Frozen, target: Path) -> None:
        volumes = self.volumes
        record = volumes.get(requested.volume_id)
        chain = volumes.records.chain(frozen.layer)
        if requested.since:
            await self._write_changes(record, chain, requested, target)
            return
        await asyncio.to_thread(volumes.check_space, chain, self._work)
        await volumes.write(
            chain,
            target,
            FORMATS[requested.disk_format],
            secret=volumes.secret(record),
            encrypted=requested.encrypted and bool(record.lock),
        )

    async def _write_changes(
        self,
        record: VolumeRecord,
        chain: Sequence[Layer],
        requested: EnsureVolumeCopy,
        target: Path,
    ) -> None:
        """The layers above the one that an earlier copy shows, put together."""
        known = record.remembered.get(requested.since)
        names = [layer.id for layer in chain]
        if known is None or known.layer not in names:
            raise NotDone(CHANGES_NOT_KNOWN)
        above = chain[names.index(known.layer) + 1 :]
        if not above:  # nothing at all was written: an empty layer says so
            raise NotDone(CHANGES_NOT_KNOWN)
        await asyncio.to_thread(self.volumes.check_space, above, self._work)
        await asyncio.to_thread(self._own_copy, above[0], target)
        secret = self.volumes.secret(record)
        for layer in above[1:]:
            upper = target.with_name("upper")
            await asyncio.to_thread(self._own_copy, layer, upper)
            await self.volumes.tools.commit(upper, target, secret=secret)
            upper.unlink()
        await asyncio.to_thread(_stand_alone, target)

    def _own_copy(self, layer: Layer, target: Path) -> None:
        """A copy of a layer as a file that the tools' user may write to."""
        self.volumes.backend(layer.backend).take_out(layer, target)
        with target.open("rb") as copy:
            self.volumes.tools.own(copy.fileno())

    def _hand_over(self, source: Path, path: Path) -> None:
        """Move the finished copy out of the tools' reach, to the owner of the folder it goes to."""
        owner = os.stat(path.parent)
        fd = os.open(source, os.O_RDONLY | os.O_NOFOLLOW)
        try:
            found = os.fstat(fd)
            if not stat.S_ISREG(found.st_mode) or found.st_nlink != 1:
                raise NotDone("The copy's file is not what was made.", detail=str(source))
            if self.volumes.tools.uid is not None:
                os.fchown(fd, owner.st_uid, owner.st_gid)
            os.fchmod(fd, 0o400)
            os.fsync(fd)
            put_in_place(source, path, settled=True)
        finally:
            os.close(fd)

    async def hand_over(self, requested: HandOverVolumeCopy) -> VolumeState:
        path = self.path(requested.copy_id)
        sending = HandOverSnapshot(
            server_id="", snapshot_id=path.name, target=requested.target, wait_s=requested.wait_s
        )
        state = await self.hand_overs.ensure(self.volumes.host, sending, path)
        size = path.stat().st_size
        progress = 100 if state.done else min(99, 100 * state.copied // max(1, size))
        return VolumeState(volume_id="", done=state.done, progress=progress, size_bytes=size)

    async def forget(self, unwanted: ForgetVolumeCopy) -> Done:
        path = self.path(unwanted.copy_id)
        await self.volumes.end(f"copy {unwanted.copy_id}")
        await self.hand_overs.end(path.name)
        path.unlink(missing_ok=True)
        return Done()

    # ---- volumes of copies

    async def of_copies(self, record: VolumeRecord, source: VolumeSource) -> Layer:
        """A layer that shows what the last of a chain of copies does. They are strangers' files: looked at first."""
        if not source.copies:
            raise NotDone("The command names no copy.")
        work = self._work / record.volume_id
        try:
            await asyncio.to_thread(self.volumes.tools.make_folder, work)
            chain: list[Layer] = []
            for part in source.copies:
                path = await asyncio.to_thread(self._fetched, part, work)
                chain.append(self._layer(part, path, record, chain))
            check_fits(chain[-1].size_bytes, record.size_bytes)
            await failpoint("node.restore_volume.before_copy")
            return await self.volumes.copied(
                record, chain, self.volumes.secret(record), record.backend
            )
        finally:
            await asyncio.to_thread(shutil.rmtree, work, ignore_errors=True)

    def _fetched(self, part: VolumeCopyPart, work: Path) -> Path:
        target, left = work / part.copy_id, self.path(part.copy_id)
        with target.open("xb") as file:
            if left.exists():
                fd = os.open(left, os.O_RDONLY | os.O_NOFOLLOW)
                with open(fd, "rb") as given:
                    copy_bytes(given.fileno(), file.fileno())
            elif part.channel is not None:

                def take(piece: bytes) -> None:
                    file.write(piece)

                fetch(part.channel, self.volumes.host, part.size_bytes, take)
            else:
                raise NotDone("The copy is not on this host.", detail=part.copy_id, transient=True)
            self.volumes.tools.own(file.fileno())
        return target

    @staticmethod
    def _layer(
        part: VolumeCopyPart, path: Path, record: VolumeRecord, below: Sequence[Layer]
    ) -> Layer:
        """A copy as the bottom of what is restored, or on what is below.

        Bytes that are declared raw are a guest's own, whatever they begin with: they are taken as they are, and never
        opened as anything else. Those of an encrypted volume are looked at, since they may have its header before them.
        """
        if part.disk_format == "raw" and not record.lock:
            size = path.stat().st_size
            return Layer(id=new_layer_id(), path=str(path), format="raw", size_bytes=size)
        found = look(str(path))
        sealed = bool(record.lock) and found.format == "luks"
        encrypted = sealed or (bool(record.lock) and SEALED[0] in found.problems)
        problems = [one for one in found.problems if one not in SEALED or not encrypted]
        if sealed:  # what such a header says is the daemon's to refuse
            found = replace(found, virtual_size_bytes=path.stat().st_size - luks.HEADER_BYTES)
            problems = []
        disk_format = part.disk_format
        if found.format not in (disk_format, "iso", "luks" if sealed else "raw") or problems:
            why = "; ".join(problems) or f"it is {found.format}, not {disk_format}"
            raise NotDone(f"The copy cannot be used: {why}.")
        return Layer(
            id=new_layer_id(),
            path=str(path),
            format="luks" if sealed else disk_format,
            backing=below[-1].id if below else "",
            size_bytes=found.virtual_size_bytes,
            encrypted=encrypted,
        )


def _stand_alone(copy: Path) -> None:
    """A copy names no file of this host. A merge writes into the layer above what that stands on from then on."""
    fd = os.open(copy, os.O_RDWR | os.O_NOFOLLOW)
    with open(fd, "r+b") as file:
        qcow2.forget_backing(file)
