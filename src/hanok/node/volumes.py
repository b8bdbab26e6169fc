"""The volumes of a host: what must be so, and how it is made so."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import (
    Sequence,
)
from dataclasses import dataclass

from msgspec.structs import replace

from hanok.base.errors import HanokError
from hanok.base.failpoints import failpoint
from hanok.commands import (
    BackendState,
    BackendStates,
    CloseVolume,
    Done,
    EnsureVolume,
    EnsureVolumeSnapshot,
    FoundVolume,
    MoveVolume,
    OpenVolume,
    RemoveVolume,
    RemoveVolumeSnapshot,
    VolumeAddress,
    VolumeInventory,
    VolumeSource,
    VolumeState,
)
from hanok.drivers.qemu.errors import QEMUError
from hanok.drivers.volumes.backend import CAPABILITIES, Backend
from hanok.drivers.volumes.layer import Layer, image_layer_id, new_layer_id
from hanok.node.errors import NotDone
from hanok.node.records import check_generation
from hanok.node.served_volumes import GIB, OVER_SUBSCRIPTION, locked, throttle
from hanok.node.volume_layers import Change, LayeredVolumes
from hanok.node.volume_records import Frozen, VolumeRecord, check_opening, is_of_older, noted

POLL_S = 0.05


@dataclass
class Volumes(LayeredVolumes):
    """One function a command."""

    # ---- volumes

    async def ensure(self, requested: EnsureVolume) -> VolumeState:
        """The volume is there, in this size, with this content and these limits."""
        volume_id = requested.volume_id
        limits = throttle(requested.limits)
        self.backend(requested.backend)
        name = f"ensure {volume_id}"
        if (work := self._work.get(name)) is not None:
            if state := await self.wait(work, self.get(volume_id), requested.wait_s):
                return state
        async with self.claimed(volume_id):
            record = self.records.volumes.get(volume_id)
            newest = -1 if record is None else record.generation
            check_generation(requested.generation, newest, self.records.removed_at(volume_id))
            if record is None:
                record = await self._begin(requested)
            else:
                self.check_place(record, requested.backend)
                self.check_key(record, requested.key)
                record = self.save(record, generation=requested.generation)
            record = await self._change(record, requested, limits)
            again = requested.replace and record.replaced < requested.generation
            if record.ready and again and record.exports:
                raise NotDone("The volume is in use.")
        if not record.ready or again:
            work = self.begun(name, lambda: self._fill(requested))
            if state := await self.wait(work, record, requested.wait_s):
                return state
        async with self.claimed(volume_id):
            record = await self._set_back(self.get(volume_id), requested)
        self.merge_later(volume_id)
        return VolumeState(volume_id=volume_id, size_bytes=record.size_bytes)

    async def _begin(self, requested: EnsureVolume) -> VolumeRecord:
        """Write down a new volume that holds nothing yet."""
        size = requested.size_gib * GIB
        if requested.source.kind == "image":
            known = self.images.get(requested.source.id)
            if known is None:
                raise NotDone("The image is not on this host.", transient=True)
            check_fits(known.virtual_size_bytes, size)
        elif requested.source.kind in ("snapshot", "volume"):
            check_fits(self._source(requested.source)[1].size_bytes, size)
        self.check_provision(requested.backend, size)
        await failpoint("node.ensure_volume.before_record")
        self.hold(requested.volume_id, requested.key)
        return self.records.save(
            VolumeRecord(
                volume_id=requested.volume_id,
                generation=requested.generation,
                backend=requested.backend,
                size_bytes=size,
                lock=locked(requested.key),
            )
        )

    async def _change(
        self, record: VolumeRecord, requested: EnsureVolume, limits: dict[str, int]
    ) -> VolumeRecord:
        """Limits and size are as wanted."""
        self.hold(record.volume_id, requested.key)
        loaded = record.volume_id in self.graph.loaded
        if record.limits != requested.limits:
            record = self.save(record, limits=requested.limits)
            if loaded:
                await self.graph.limit(record.volume_id, limits)
        size = max(record.size_bytes, requested.size_gib * GIB)
        if size > record.size_bytes:
            self.check_provision(record.backend, size - record.size_bytes)
            record = self.save(record, size_bytes=size, busy="change")
            await failpoint("node.ensure_volume.before_grow")
            record = await self._grow(record)
            await failpoint("node.ensure_volume.after_grow")
        return record

    async def _grow(self, record: VolumeRecord) -> VolumeRecord:
        if record.ready:
            if record.volume_id in self.graph.loaded:
                async with self.shut(record.volume_id):
                    await self.graph.grow(record.volume_id, record.size_bytes)
            else:
                async with self.loaded(record):
                    pass  # a topmost layer of another size is made as large when it is opened
            self._note_size(record)
        return self.save(record, busy="")

    def _note_size(self, record: VolumeRecord) -> None:
        top = self.records.layers[record.top]
        if top.size_bytes != record.size_bytes:
            self.records.save_layer(replace(top, size_bytes=record.size_bytes))

    async def _fill(self, requested: EnsureVolume) -> None:
        """The volume holds what it is to."""
        async with self.claimed(requested.volume_id):
            record = self.get(requested.volume_id)
            again = requested.replace and record.replaced < requested.generation
            if record.ready and not again:
                return
            await failpoint("node.ensure_volume.before_fill")
            top = await self._content(record, requested)
            await failpoint("node.ensure_volume.after_fill")
            self.records.save_layer(top)
            values = {"replaced": requested.generation} if again else {}
            size = max(record.size_bytes, top.size_bytes)
            record = self.save(record, top=top.id, ready=True, size_bytes=size, **values)
            if top.size_bytes != record.size_bytes:
                async with self.loaded(record):
                    self._note_size(record)
        await self.tidy()

    async def _content(self, record: VolumeRecord, requested: EnsureVolume) -> Layer:
        """A new topmost layer; its file is there, its record is not."""
        source, size = requested.source, record.size_bytes
        match source.kind:
            case "image":
                return await self._of_image(record, source)
            case "snapshot" | "volume":
                return await self._of_volume(record, source)
            case "backup":
                return await self.of_copies(record, source)
            case "manage":
                return await self._taken(record, source)
        return await self.new_layer(record, size_bytes=size)

    async def _of_image(self, record: VolumeRecord, source: VolumeSource) -> Layer:
        known = self.images.get(source.id)
        if known is None:
            raise NotDone("The image is not on this host.", detail=source.id, transient=True)
        check_fits(known.virtual_size_bytes, record.size_bytes)
        base = Layer(
            id=image_layer_id(source.id),
            path=str(self.images.path(source.id)),
            format=known.format,
            size_bytes=known.virtual_size_bytes,
            image_id=source.id,
        )
        if self.backend(record.backend).driver != "files":  # a host's cache is for that host alone
            return await self.copied(record, (base,), "", record.backend)
        self.records.save_layer(base)
        return await self.new_layer(record, backing=base.id, size_bytes=record.size_bytes)

    def _source(self, source: VolumeSource) -> tuple[VolumeRecord, Frozen]:
        """The volume that another is made of, and its snapshot, or what it is now."""
        origin = self.get(source.volume_id if source.kind == "snapshot" else source.id)
        self.check_key(origin, source.key)
        if not origin.ready:
            raise NotDone("The volume is not ready.", transient=True)
        if source.kind == "snapshot":
            return origin, snapshot_of(origin, source.id)
        return origin, Frozen(layer=origin.top, size_bytes=origin.size_bytes)

    async def _of_volume(self, record: VolumeRecord, source: VolumeSource) -> Layer:
        origin, _ = self._source(source)
        async with self.claimed(origin.volume_id):
            origin, frozen = self._source(source)
            if source.kind == "volume":
                await self.freeze(origin)
            base = self.records.layers[frozen.layer]
            self.check_same_place(base, record)
            if not base.encrypted or origin.lock == record.lock:
                size = record.size_bytes
                return await self.new_layer(record, backing=base.id, size_bytes=size)
            with self.pinned(base.id):
                secret = self.keys.get(origin.volume_id, "")
                return await self.copied(
                    record, self.records.chain(base.id), secret, record.backend
                )

    async def _taken(self, record: VolumeRecord, source: VolumeSource) -> Layer:
        """A file that was found in the back end."""
        layer_id = new_layer_id()
        found = await asyncio.to_thread(
            self.backend(record.backend).take, source.id, layer_id, encrypted=bool(record.lock)
        )
        return found

    async def _set_back(self, record: VolumeRecord, requested: EnsureVolume) -> VolumeRecord:
        """It shows what its snapshot does, once a generation."""
        if not requested.content or record.set_back >= requested.generation:
            return record
        if record.exports:
            raise NotDone("The volume is in use.")
        frozen = snapshot_of(record, requested.content)
        top = await self.new_layer(record, backing=frozen.layer, size_bytes=record.size_bytes)
        self.records.save_layer(top)
        await failpoint("node.ensure_volume.before_set_back")
        record = self.save(record, top=top.id, set_back=requested.generation)
        await self.tidy()
        return record

    async def remove(self, unwanted: RemoveVolume) -> Done:
        """Nothing of it is left but what others stand on."""
        volume_id = unwanted.volume_id
        await self.end(f"ensure {volume_id}")
        async with self.claimed(volume_id):
            record = self.records.volumes.get(volume_id)
            newest = -1 if record is None else record.generation
            check_generation(unwanted.generation, newest, self.records.removed_at(volume_id))
            if record is not None:
                await self._check_removable(record)
            again = self.records.removed_at(volume_id) == unwanted.generation
            with contextlib.suppress(OSError):  # on a full disk: again when there is room
                self.records.bury(volume_id, unwanted.generation)
            await failpoint("node.remove_volume.after_bury")
            if record is not None:
                await self._leave(record, unwanted.keep, again=again)
                await self.unload(volume_id)
                self.records.delete(volume_id)
                self.keys.pop(volume_id, None)
            await failpoint("node.remove_volume.after_record")
            await self.tidy()
            self.records.bury(volume_id, unwanted.generation)
        return Done()

    async def _check_removable(self, record: VolumeRecord) -> None:
        if record.exports:
            raise NotDone("The volume is in use.")
        if record.snapshots:
            raise NotDone("The volume has snapshots.")

    async def _leave(self, record: VolumeRecord, name: str, *, again: bool) -> None:
        """Its bytes are a file of this name, that stands on nothing. again: we may have died when it was."""
        if not name or not record.ready:
            return
        place = self.backend(record.backend)
        if again and any(name == other for other, _ in place.others()):
            return
        top = self.records.layers[record.top]
        plain = top.format != "raw" or await asyncio.to_thread(place.plain, top)
        if top.backing or not plain:  # what takes it again looks at its bytes
            secret = self.keys.get(record.volume_id, "") if record.lock else ""
            chain = self.records.chain(top.id)
            top = await self.copied(record, chain, secret, record.backend, disk_format="qcow2")
        await asyncio.to_thread(place.leave, top, name)

    # ---- snapshots

    async def take(self, requested: Sequence[EnsureVolumeSnapshot]) -> Done:
        """Snapshots of volumes as they are at one and the same moment: all of them, or none."""
        async with contextlib.AsyncExitStack() as held:
            for volume_id in sorted({one.volume_id for one in requested}):
                await held.enter_async_context(self.claimed(volume_id))
            new = []
            for one in requested:
                record = self.get(one.volume_id)
                self.check_place(record, one.backend)
                self.check_key(record, one.key)
                if not record.ready:
                    raise NotDone("The volume is not ready.", transient=True)
                if one.snapshot_id not in record.snapshots:
                    new.append(one)
            for one in [one for one in new if one.manage]:
                self._take_over(one)
            await self._freeze_all([one for one in new if not one.manage])
        return Done()

    def _take_over(self, one: EnsureVolumeSnapshot) -> None:
        record = self.get(one.volume_id)
        kept = dict(record.kept)
        if one.manage not in kept:
            raise NotDone(f"The volume has no snapshot {one.manage}.")
        frozen = kept.pop(one.manage)
        self.save(record, kept=kept, snapshots={**record.snapshots, one.snapshot_id: frozen})

    async def _freeze_all(self, requested: Sequence[EnsureVolumeSnapshot]) -> None:
        if len({one.volume_id for one in requested}) < len(requested):
            raise NotDone("A volume has one snapshot of a moment.")
        await self._put_on({one.volume_id: _as_snapshot(one.snapshot_id) for one in requested})

    async def remove_snapshot(self, unwanted: RemoveVolumeSnapshot) -> VolumeState:
        volume_id = unwanted.volume_id
        if volume_id not in self.records.volumes:
            return VolumeState(volume_id=volume_id)
        async with self.claimed(volume_id):
            record = self.get(volume_id)
            self.hold(volume_id, unwanted.key)
            snapshots, kept = dict(record.snapshots), dict(record.kept)
            gone = snapshots.pop(unwanted.snapshot_id, None)
            if gone is not None and unwanted.keep:
                kept[unwanted.keep] = gone
            await failpoint("node.remove_volume_snapshot.before")
            record = self.save(record, snapshots=snapshots, kept=kept)
        await self.tidy()
        self.merge_later(volume_id)
        return VolumeState(volume_id=volume_id, size_bytes=record.size_bytes)

    # ---- who reaches it

    async def open(self, requested: OpenVolume) -> VolumeAddress:
        volume_id, name = requested.volume_id, requested.attachment_id
        async with self.claimed(volume_id):
            record = self.get(volume_id)
            self.check_place(record, requested.backend)
            self.check_key(record, requested.key)
            self.hold(volume_id, requested.key)
            if not record.ready:
                raise NotDone("The volume is not ready.", transient=True)
            hosts = self._hosts(record, requested)
            await failpoint("node.open_volume.before_record")
            async with self.doors(volume_id):
                record = self.get(volume_id)
                check_opening(record, name, requested.generation)
                if record.exports.get(name, requested.read_only) != requested.read_only:
                    await self.graph.close(name)
                exports = {**record.exports, name: requested.read_only}
                openings = noted(record, name, requested.generation)
                record = self.save(record, exports=exports, openings=openings, hosts=hosts)
            await failpoint("node.open_volume.after_record")
            await self.ready_daemon()
            await self.serve(record)
            address = await self._address(record, requested)
            await failpoint("node.open_volume.after_effect")
        return address

    def _hosts(self, record: VolumeRecord, requested: OpenVolume) -> dict[str, tuple[str, ...]]:
        """Which other hosts have which attachment, when this one is open for whom it is asked for."""
        name, host = requested.attachment_id, requested.host
        own = host in ("", self.host)
        if not own:
            self.far.check_allows()
        had = record.hosts.get(name, ()) if requested.beside else ()
        now = had if own or host in had else (*had, host)
        others = {one: hosts for one, hosts in record.hosts.items() if one != name}
        return {**others, name: now} if now else others

    async def _address(self, record: VolumeRecord, requested: OpenVolume) -> VolumeAddress:
        name = requested.attachment_id
        if hosts := record.hosts.get(name):
            address = await self.far.allow(name, hosts)
        else:
            await self.far.forbid(name)
        if requested.host in ("", self.host):
            return VolumeAddress(export=name, path=str(self.daemon.address))
        return address

    async def close(self, unwanted: CloseVolume) -> Done:
        """Done without the volume's lock, which long work has: nothing holds up that somebody is kept away."""
        volume_id, name = unwanted.volume_id, unwanted.attachment_id
        if volume_id not in self.records.volumes:
            return Done()
        async with self.doors(volume_id):
            record = self.get(volume_id)
            if is_of_older(record, name, unwanted.generation):
                return Done()
            if name not in record.exports:
                self.save(record, openings=noted(record, name, unwanted.generation))
                return Done()
            await self._shut_out(record, unwanted)
        if not self.get(volume_id).exports:
            with contextlib.suppress(NotDone):  # something is being done to it, and ends with that
                async with self.claimed(volume_id):
                    if not self.get(volume_id).exports:
                        await self.unload(volume_id)
            self.merge_later(volume_id)
        return Done()

    async def _shut_out(self, record: VolumeRecord, unwanted: CloseVolume) -> None:
        name = unwanted.attachment_id
        if self._there.is_set():
            await self.graph.close(name)
        await self.far.forbid(name)
        await failpoint("node.close_volume.after_effect")
        exports = {one: read_only for one, read_only in record.exports.items() if one != name}
        hosts = {one: which for one, which in record.hosts.items() if one != name}
        openings = noted(record, name, unwanted.generation)
        self.save(record, exports=exports, openings=openings, hosts=hosts)

    # ---- moves

    async def move(self, requested: MoveVolume) -> VolumeState:
        volume_id = requested.volume_id
        record = self.get(volume_id)
        check_generation(
            requested.generation, record.generation, self.records.removed_at(volume_id)
        )
        if requested.abort:
            await self.end(f"move {volume_id}")
            record = self.save(self.get(volume_id), generation=requested.generation)
            return VolumeState(volume_id=volume_id, size_bytes=record.size_bytes)
        if record.backend == requested.to:
            return VolumeState(volume_id=volume_id, size_bytes=record.size_bytes)
        self.check_place(record, requested.backend)
        self.check_key(record, requested.key)
        self.backend(requested.to)
        if record.snapshots:
            raise NotDone("A volume with snapshots cannot be moved to another back end.")
        self.check_provision(requested.to, record.size_bytes)
        work = self.begun(f"move {volume_id}", lambda: self._move(requested))
        if state := await self.wait(work, record, requested.wait_s):
            return state
        return VolumeState(volume_id=volume_id, size_bytes=record.size_bytes)

    async def _move(self, requested: MoveVolume) -> None:
        volume_id = requested.volume_id
        async with self.claimed(volume_id):
            self.hold(volume_id, requested.key)
            record = self.save(self.get(volume_id), generation=requested.generation)
            await self.ready_daemon()
            secret = "" if requested.new_key is None else requested.new_key.key.hex()
            target = await self.new_layer(
                record, size_bytes=record.size_bytes, backend=requested.to, secret=secret
            )
            try:
                async with self.loaded(record):
                    await self._mirror(record, requested, target, secret)
            finally:
                self.pins.subtract(self.made_for.pop(volume_id, ()))
                await asyncio.shield(self.tidy())

    async def _mirror(
        self, record: VolumeRecord, requested: MoveVolume, target: Layer, secret: str
    ) -> None:
        volume_id = record.volume_id
        record = self.save(record, busy=f"move:{target.id}")
        try:
            await failpoint("node.move_volume.before_copy")
            async with self.shut(volume_id):
                await failpoint("node.move_volume.begins")
                await self.graph.begin_move(volume_id, target, secret)
            while not (moved := await self.graph.moved(volume_id))[0]:
                if work := self._work.get(f"move {volume_id}"):
                    work.progress = moved[1]
                await asyncio.sleep(POLL_S)
            await failpoint("node.move_volume.after_copy")
        except BaseException:
            await asyncio.shield(self.graph.give_up_move(volume_id, target))
            self.save(self.get(volume_id), busy="")
            raise
        ending = self.tasks.create_task(self._take_place(record, requested, target, secret))
        try:
            await asyncio.shield(ending)
        finally:  # from here on it is not given up halfway
            await asyncio.wait([ending])
        if error := ending.result():
            raise error

    async def _take_place(
        self, record: VolumeRecord, requested: MoveVolume, target: Layer, secret: str
    ) -> Exception | None:
        """The copy is the volume. Returns why it is not.

        Nobody writes from before the copy ends until the record names it: nobody's flush reaches a copy, so that what
        it holds outlives the daemon from its end on, and not before.
        """
        volume_id = record.volume_id
        error: Exception | None = None
        try:
            async with self.shut(volume_id, broken=False):
                await self.graph.end_move(volume_id, target, secret)
                # At once: when the daemon dies, the one that is started loads what the record names.
                self._moved(volume_id, requested, target)
                await failpoint("node.move_volume.after_record")
                await self.graph.limit(volume_id, throttle(requested.limits))
        except Exception as broken:  # whoever waits is told; after the record, it is loaded anew
            if self.get(volume_id).top != target.id:
                error = broken
                with contextlib.suppress(QEMUError, TimeoutError):
                    await self.graph.give_up_move(volume_id, target)
        with contextlib.suppress(HanokError, TimeoutError):  # with another daemon it is served too
            await self.serve(self.get(volume_id))
        self.save(self.get(volume_id), busy="")
        return error

    def _moved(self, volume_id: str, requested: MoveVolume, target: Layer) -> None:
        what = {"top": target.id, "backend": requested.to, "limits": requested.limits}
        what |= {"lock": locked(requested.new_key), "remembered": {}}
        self.save(self.get(volume_id), **what)
        self.keys.pop(volume_id, None)
        self.hold(volume_id, requested.new_key)

    # ---- what there is

    def states(self) -> BackendStates:
        return BackendStates(
            host=self.host, backends=tuple(self._state(one) for one in self.backends.values())
        )

    def _state(self, backend: Backend) -> BackendState:
        trouble = backend.trouble()
        space = None if trouble else backend.space()
        return BackendState(
            name=backend.name,
            driver=backend.driver,
            total_gib=0.0 if space is None else space.total / GIB,
            free_gib=0.0 if space is None else space.free / GIB,
            provisioned_gib=self.provisioned(backend.name) / GIB,
            over_subscription=OVER_SUBSCRIPTION,
            capabilities=CAPABILITIES,
            reason=trouble,
        )

    def inventory(self, copies: tuple[str, ...]) -> VolumeInventory:
        volumes = tuple(_found(one) for one in self.records.volumes.values())
        return VolumeInventory(
            host=self.host, volumes=volumes, copies=copies, others=tuple(self._others())
        )

    def _others(self) -> list[FoundVolume]:
        found = []
        for backend in self.backends.values():
            if not backend.trouble():
                for name, size in backend.others():
                    one = FoundVolume(
                        volume_id="", backend=backend.name, size_bytes=size, name=name
                    )
                    found.append(one)
        for record in self.records.volumes.values():
            for name, kept in record.kept.items():
                what = {"volume_id": record.volume_id, "backend": record.backend}
                found.append(FoundVolume(**what, size_bytes=kept.size_bytes, name=name))  # type: ignore[arg-type]
        return found


def _as_snapshot(snapshot_id: str) -> Change:
    def change(record: VolumeRecord, frozen: Frozen) -> dict[str, object]:
        snapshots = {**record.snapshots, snapshot_id: frozen}
        return {"snapshots": snapshots, "busy": f"freeze:{snapshot_id}"}

    return change


def snapshot_of(record: VolumeRecord, snapshot_id: str) -> Frozen:
    if (found := record.snapshots.get(snapshot_id)) is None:
        raise NotDone("The volume has no such snapshot on this host.", detail=snapshot_id)
    return found


def _found(record: VolumeRecord) -> FoundVolume:
    return FoundVolume(
        volume_id=record.volume_id,
        backend=record.backend,
        size_bytes=record.size_bytes,
        generation=record.generation,
        snapshots=tuple(record.snapshots),
        exports=tuple(record.exports),
    )


def check_fits(content_bytes: int, size_bytes: int) -> None:
    if content_bytes > size_bytes:
        needed = -(-content_bytes // GIB)
        raise NotDone(f"The volume is too small for its content: {needed} GiB are needed.")
