"""The layers of volumes: made, frozen, copied, merged.

What a snapshot, a clone, a copy or a backup needs is made by freezing: the topmost layer is not written to any more,
and a new one takes the writes. Nothing is copied for that. Layers that nothing needs any more are removed, and those
that only lengthen a chain are merged, when there is time.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import logging
import os
import shutil
from collections.abc import (
    Callable,
    Mapping,
    Sequence,
)
from dataclasses import dataclass
from pathlib import Path

from msgspec.structs import replace

from hanok.base.failpoints import failpoint
from hanok.drivers import luks, qcow2
from hanok.drivers.qemu.errors import CommandFailed, ImageFailed
from hanok.drivers.volumes.backend import RESERVE, bytes_of
from hanok.drivers.volumes.layer import Layer, new_layer_id, whole
from hanok.node.errors import NotDone
from hanok.node.served_volumes import ServedVolumes, given_up
from hanok.node.volume_records import Frozen, VolumeRecord

log = logging.getLogger(__name__)

MERGED_BYTES = 16 << 20  # of a topmost layer: less is not worth it while guests write
AWAY_BYTES = 4 << 20  # of a topmost layer: so much is merged while guests wait
AWAY_TRIES = 4  # while guests write more than that meanwhile

Change = Callable[[VolumeRecord, Frozen], dict[str, object]]


@dataclass
class LayeredVolumes(ServedVolumes):
    """What makes layers and keeps chains short. A layer that is new stays until the claim on its volume ends."""

    async def new_layer(
        self,
        record: VolumeRecord,
        *,
        size_bytes: int,
        backing: str = "",
        backend: str = "",
        secret: str | None = None,
        disk_format: str = "",
        made: bool = True,
    ) -> Layer:
        """An empty layer of a volume that the caller has claimed, encrypted as it is. made: whether its file is.

        disk_format: qcow2, or what the back end keeps where nothing is below. It stays until the claim ends; by then
        something is to name it. One that is encrypted is a qcow2: in raw LUKS a hole does not read as zeros.
        """
        place = self.backend(backend or record.backend)
        key = self.secret(record) if secret is None else secret
        layer_id = new_layer_id()
        layer = place.located(
            Layer(
                id=layer_id,
                path="",
                format="qcow2" if backing or key else disk_format or place.bare,
                backing=backing,
                size_bytes=size_bytes,
                encrypted=bool(key),
                backend=place.name,
            )
        )
        self.pins[layer_id] += 1
        self.made_for.setdefault(record.volume_id, []).append(layer_id)
        self.records.save_layer(layer)
        if not made:
            return layer
        await asyncio.to_thread(place.make, layer, key)
        return layer

    async def copied(
        self,
        record: VolumeRecord,
        chain: Sequence[Layer],
        secret: str,
        backend: str,
        disk_format: str = "",
    ) -> Layer:
        """A new layer of its own that shows what a chain does."""
        size = chain[-1].size_bytes
        layer = await self.new_layer(
            record, size_bytes=size, backend=backend, disk_format=disk_format, made=False
        )
        own, work = self.secret(record), self.folder / "work" / layer.id
        if own and secret and own != secret:
            raise NotDone("An encrypted volume can only be copied with its own key.")
        await asyncio.to_thread(self.check_space, chain, work.parent)
        target = work / "target"
        try:
            await asyncio.to_thread(self.tools.make_folder, work)
            how = {"secret": own or secret, "encrypted": bool(own)}
            await self.write(chain, target, layer.format, **how)  # type: ignore[arg-type]
            await asyncio.to_thread(self.backend(layer.backend).make_with, layer, str(target))
        finally:
            await asyncio.to_thread(shutil.rmtree, work, ignore_errors=True)
        return layer

    async def write(
        self,
        chain: Sequence[Layer],
        target: Path,
        disk_format: str,
        *,
        secret: str,
        encrypted: bool,
    ) -> None:
        """What a chain shows, as a file."""
        source = whole(list(chain), "key")
        if encrypted:
            await asyncio.to_thread(self._seal, target, disk_format, chain[-1].size_bytes, secret)
        try:
            await self.tools.copy(source, target, disk_format, secret=secret, encrypted=encrypted)
        except ImageFailed as error:
            raise NotDone("The volume could not be copied.", detail=error.detail) from error

    def _seal(self, target: Path, disk_format: str, size_bytes: int, secret: str) -> None:
        """An empty encrypted disk."""
        header = luks.header(secret)
        with target.open("xb") as file:
            if disk_format == "qcow2":
                qcow2.write_empty(file, size_bytes, header)
            else:
                file.write(header)
                file.truncate(luks.HEADER_BYTES + size_bytes)
            self.tools.own(file.fileno())

    def check_space(self, chain: Sequence[Layer], folder: Path) -> None:
        """Raises NotDone when a copy of a chain could leave guests no room to write."""
        space, used = os.statvfs(folder), sum(self._used(one) for one in chain)
        if space.f_bavail * space.f_frsize < used + RESERVE:
            raise NotDone("The host has not enough disk space for a copy of the volume.")

    def _used(self, layer: Layer) -> int:
        place = self.backends.get(layer.backend)
        return bytes_of(layer) if place is None else place.used(layer)

    # ---- freezing

    async def freeze(
        self, record: VolumeRecord, change: Change = lambda _record, _frozen: {"busy": "freeze:"}
    ) -> VolumeRecord:
        """From now on the volume is written to a new layer; the one below is what it was at this moment."""
        await self._put_on({record.volume_id: change})
        return self.get(record.volume_id)

    async def _put_on(self, changes: Mapping[str, Change]) -> None:
        """Freeze volumes at one moment. changes: what their records say of that, "busy" among it."""
        tops = {}
        for volume_id in changes:
            record = self.get(volume_id)
            size = record.size_bytes
            tops[volume_id] = await self.new_layer(record, backing=record.top, size_bytes=size)
        await failpoint("node.snapshot_volume.before_record")
        for volume_id, change in changes.items():
            record = self.get(volume_id)
            frozen = Frozen(layer=record.top, size_bytes=record.size_bytes)
            self.save(record, top=tops[volume_id].id, **change(record, frozen))
        await failpoint("node.snapshot_volume.after_record")
        try:
            async with contextlib.AsyncExitStack() as held:
                loaded = sorted(one for one in changes if one in self.graph.loaded)
                for volume_id in loaded:
                    await held.enter_async_context(self.doors(volume_id))
                put = [(self.graph.loaded[one], tops[one], self.get(one).exports) for one in loaded]
                if put:
                    await self.graph.put_on(put)
        except BaseException:
            for volume_id in changes:
                self.records.save(given_up(self.get(volume_id)))
                await asyncio.shield(self.reload(volume_id))
            raise
        await failpoint("node.snapshot_volume.after_effect")
        for volume_id in changes:
            self.save(self.get(volume_id), busy="")

    # ---- merging

    async def adopt(self) -> None:
        await super().adopt()
        self.tasks.create_task(self._merge_all(), name="merge what was left")

    async def _merge_all(self) -> None:
        """What an earlier node did not get to, one volume after the other."""
        for volume_id in list(self.records.volumes):
            self.merge_later(volume_id)
            if (merging := self._merges.get(volume_id)) is not None:
                await asyncio.wait([merging])

    def merge_later(self, volume_id: str) -> None:
        if volume_id not in self._merges and self._mergeable(volume_id) is not None:
            merging = self._merge(volume_id)
            try:
                task = self.tasks.create_task(merging, name=f"merge {volume_id}")
            except RuntimeError:  # the node ends; the next one merges
                merging.close()
            else:
                self._merges[volume_id] = task

    async def _merge(self, volume_id: str) -> None:
        """The chain is as short as it can be. It is given up when somebody needs the volume, and done later."""
        try:
            async with self.claimed(volume_id):
                tries = AWAY_TRIES
                while (pair := self._mergeable(volume_id)) is not None and tries:
                    tries -= await self._merge_pair(self.get(volume_id), *pair)
        except Exception as error:  # an outermost loop: the chain is longer, that is all
            detail = getattr(error, "detail", "")
            log.warning("volume %s: its layers were not merged: %r (%s)", volume_id, error, detail)
        finally:
            self._merges.pop(volume_id, None)

    def _mergeable(self, volume_id: str) -> tuple[Layer, Layer] | None:
        """A layer, and the one above it that it can take over: nothing else needs the lower one."""
        record = self.records.volumes.get(volume_id)
        if record is None or not record.ready:
            return None
        referred, others = self.records.referred(), self.records.referred(but=volume_id)
        chain = self.records.chain(record.top)
        for lower, upper in itertools.pairwise(chain):
            if (
                lower.image_id
                or lower.id in referred
                or self.pins[lower.id] + self.pins[upper.id] > 0
            ):
                continue
            if (
                upper.id in others
                or lower.encrypted != upper.encrypted
                or lower.backend != upper.backend
            ):
                continue
            if len(self.records.children(lower.id)) > 1 or len(self.records.children(upper.id)) > 1:
                continue
            in_use = upper.id == record.top and bool(record.exports)
            if in_use and bytes_of(upper) < MERGED_BYTES and not self._faster_on(lower, upper):
                continue
            return lower, upper
        return None

    def _faster_on(self, lower: Layer, upper: Layer) -> bool:
        return self.graph.writes_back(lower) and not self.graph.writes_back(upper)

    async def _merge_pair(self, record: VolumeRecord, lower: Layer, upper: Layer) -> bool:
        """Whether it was done or given up is known in the end, so that records and what is open agree.

        A topmost layer that is written to is frozen first. One that holds little, and without which the volume is
        written back again, is merged while nobody writes. Returns whether guests have a new topmost layer.
        """
        in_use = upper.id == record.top and bool(record.exports)
        if in_use and self._faster_on(lower, upper) and bytes_of(upper) <= AWAY_BYTES:
            await self.ready_daemon()
            async with self.shut(record.volume_id):
                await self._merge_layers(record, lower, upper, served=False)
            return False
        if in_use:
            record = await self.freeze(record)
        await self._merge_layers(record, lower, upper)
        return in_use

    async def _merge_layers(
        self, record: VolumeRecord, lower: Layer, upper: Layer, *, served: bool = True
    ) -> None:
        """served: whether the volume is to be reached again here where nobody knows how far it came.

        Otherwise the caller has its doors, which a daemon that is started anew waits for: so it is not waited for.
        """
        async with self.loaded(record) if served else contextlib.nullcontext():
            await failpoint("node.merge_volume.before")
            self.save(record, busy="change")
            merging = self.tasks.create_task(self._merged(record.volume_id, lower, upper))
            try:
                await asyncio.shield(merging)
            except asyncio.CancelledError:
                await asyncio.shield(self.graph.stop_merging(record.volume_id))
                raise
            finally:
                await asyncio.wait([merging])
                if merging.result() is None or isinstance(merging.result(), CommandFailed):
                    self.save(record, busy="")
                else:  # nobody knows how far it came
                    await asyncio.shield(self.reload(record.volume_id, served=served))
            if error := merging.result():
                raise error
        await self.tidy()

    async def _merged(self, volume_id: str, lower: Layer, upper: Layer) -> Exception | None:
        """What the upper layer holds is in the lower one, and nothing stands on the upper one. Returns why not."""
        try:
            await self.graph.merge(volume_id, upper, lower)
            await failpoint("node.merge_volume.after")
        except Exception as error:  # the task's owner is told
            return error
        # Both show the same until here: what stands on the upper one may stand on either.
        size = max(lower.size_bytes, upper.size_bytes)
        self.records.save_layer(replace(lower, size_bytes=size))
        for child in self.records.children(upper.id):
            self.records.save_layer(replace(child, backing=lower.id))
        self.records.save(_referring(self.get(volume_id), upper.id, lower.id))
        return None


def _referring(record: VolumeRecord, old: str, new: str) -> VolumeRecord:
    """A record that names another layer where it named the old one."""

    def changed(many: dict[str, Frozen]) -> dict[str, Frozen]:
        return {
            name: replace(one, layer=new) if one.layer == old else one for name, one in many.items()
        }

    return replace(
        record,
        top=new if record.top == old else record.top,
        snapshots=changed(record.snapshots),
        kept=changed(record.kept),
        remembered=changed(record.remembered),
    )
