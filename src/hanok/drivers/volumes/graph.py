"""What of the layers is open in the daemon: for each volume that is in use its chain, under a throttle filter.

Exports point at the filter, never at a layer: snapshots, merges and moves happen below it while guests write. While a
volume is moved they point at the filter that QEMU's mirror puts above it. A layer that several chains stand on is open
once, and only read.

A node that is there already is taken for a layer only where it stands on what the chain says: one that was opened and
not put on yet stands on nothing, and would show zeros for all that is below (docs/decisions/0092).
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from hanok.base.failpoints import failpoint
from hanok.drivers.qemu.errors import CommandFailed, MonitorLost
from hanok.drivers.volumes.daemon import Daemon
from hanok.drivers.volumes.layer import NODE_NAME_LIMIT, Layer, node

Exports = Mapping[str, bool]
"""By their names, whether they only read."""
GONE_S = 30.0
LOOKED_S = 60.0
POLL_S = 0.005


@dataclass(frozen=True)
class Chain:
    """A volume to be opened.

    layers: the lowest first. secret: of encrypted ones, as text. limits: as QEMU names them.
    """

    volume_id: str
    layers: tuple[Layer, ...]
    size_bytes: int
    limits: dict[str, int] = field(default_factory=dict)
    secret: str = field(default="", repr=False)

    @property
    def top(self) -> Layer:
        return self.layers[-1]


def _name(kind: str, value: str) -> str:
    return f"{kind}{value.replace('-', '')}"[:NODE_NAME_LIMIT]


Edges = Mapping[tuple[str, str], str]
"""By a node and what it has another one for ("file", "backing"), that one."""


def _shows(chain: Chain, edges: Edges) -> bool:
    """Whether a volume's filter writes to the topmost layer, and each layer stands on the one below and no other."""
    names = [layer.id for layer in reversed(chain.layers)]
    below = [edges.get((name, "backing")) for name in names]
    return edges.get((_name("t", chain.volume_id), "file")) == names[0] and below == [
        *names[1:],
        None,
    ]


def _export_ids(name: str) -> tuple[str, str]:
    """What an export of this name may be called in the daemon: a new one is there before the old one is quite gone."""
    return _name("e", name), _name("f", name)


class Graph:
    """
    Args:
        write_back: names of back ends whose clients' caches are to be trusted: what was not flushed may be lost when
            the daemon dies.

    An export writes back or through from when it is opened: where that is to change it is closed and opened again, and
    clients come again. Who closes exports for a moment keeps others from opening them meanwhile.
    """

    def __init__(self, daemon: Daemon, write_back: frozenset[str] = frozenset()) -> None:
        self.daemon, self._write_back = daemon, write_back
        self.loaded: dict[str, Chain] = {}
        self._moving: set[str] = set()
        self._lock = asyncio.Lock()  # chains share layers

    async def nodes(self) -> set[str]:
        answer = await self.daemon.execute("query-named-block-nodes", {"flat": True})
        names = [str(one["node-name"]) for one in answer] if isinstance(answer, list) else []
        return {name for name in names if not name.startswith("#")}

    async def load(self, chain: Chain) -> None:
        """The volume is open; nobody reaches it yet."""
        async with self._lock:
            if chain.volume_id not in self.loaded:
                await self._load(chain)

    async def _load(self, chain: Chain) -> None:
        filtered, group = _name("t", chain.volume_id), _name("g", chain.volume_id)
        secret = _name("k", chain.volume_id)
        own = {filtered, *(layer.id for layer in chain.layers)}
        if not own.isdisjoint(await self.nodes()):
            await self._drop(chain)  # what is left of it, and nobody else stands on
        there = await self.nodes()
        try:
            if chain.secret:
                await self._object("secret", secret, {"data": chain.secret})
            await self._object("throttle-group", group, {"limits": chain.limits})
            for layer in chain.layers:
                if layer.id not in there:
                    read_only = layer is not chain.top
                    await self._add(node(layer, read_only=read_only, secret=secret))
            throttle = {"driver": "throttle", "node-name": filtered, "throttle-group": group}
            await self._add({**throttle, "file": chain.top.id, "discard": "unmap"})
            if not there.isdisjoint(layer.id for layer in chain.layers[1:]):
                await self._check(chain)
            if chain.top.size_bytes != chain.size_bytes:
                await self._resize(chain.volume_id, chain.size_bytes)
        except BaseException:
            await asyncio.shield(self._drop(chain))
            raise
        self.loaded[chain.volume_id] = chain

    async def _check(self, chain: Chain) -> None:
        """
        Raises:
            CommandFailed: what is open shows something else than the chain.
        """
        if not _shows(chain, await self._edges()):
            raise CommandFailed(
                "a volume is not open as it is written down", detail=chain.volume_id
            )

    async def _edges(self) -> Edges:
        answer: Any = await self.daemon.execute("x-debug-query-block-graph")
        names = {one["id"]: one["name"] for one in answer["nodes"]}
        return {(names[one["parent"]], one["name"]): names[one["child"]] for one in answer["edges"]}

    async def unload(self, volume_id: str) -> None:
        """The volume is not open, and nobody reaches it."""
        async with self._lock:
            if (chain := self.loaded.pop(volume_id, None)) is not None:
                await self._drop(chain)

    async def _drop(self, chain: Chain) -> None:
        filtered, group = _name("t", chain.volume_id), _name("g", chain.volume_id)
        await self.close_all(chain.volume_id)
        await self._delete(filtered)
        for layer in reversed(chain.layers):
            await self._delete(layer.id)
        for name in (group, _name("k", chain.volume_id)):
            with contextlib.suppress(CommandFailed):
                await self.daemon.execute("object-del", {"id": name})

    async def _object(self, kind: str, name: str, what: dict[str, Any]) -> None:
        with contextlib.suppress(CommandFailed):
            await self.daemon.execute("object-del", {"id": name})
        await self.daemon.execute("object-add", {"qom-type": kind, "id": name, **what})

    async def _add(self, what: dict[str, Any]) -> None:
        await self.daemon.execute("blockdev-add", what)

    async def _delete(self, name: str) -> None:
        with contextlib.suppress(CommandFailed):  # others stand on it, or it is not there
            await self.daemon.execute("blockdev-del", {"node-name": name})

    async def forget(self, layers: Iterable[str]) -> None:
        """These layers are not open, unless something stands on them."""
        async with self._lock:
            for name in layers:
                await self._delete(name)

    # ---- who reaches it

    async def exports(self) -> dict[str, str]:
        """The nodes of exports, by id."""
        answer = await self.daemon.execute("query-block-exports")
        found = answer if isinstance(answer, list) else []
        return {str(one["id"]): str(one["node-name"]) for one in found}

    async def open(self, volume_id: str, name: str, *, read_only: bool) -> None:
        """An export of this name.

        What it has acknowledged is in the files, not in our daemon's memory alone: of a new cluster that includes where
        it is, which qcow2 otherwise writes down when a client flushes (docs/decisions/0064). A raw file has nothing of
        the kind (docs/decisions/0073).
        """
        async with self._lock:  # a daemon that is new is filled while others ask
            if not (await self.exports()).keys().isdisjoint(_export_ids(name)):
                return
            if (chain := self.loaded.get(volume_id)) is None:
                raise MonitorLost("the process that had the volume open is gone")
            what = self._export(chain, chain.top, name, read_only=read_only)
            await self.daemon.execute("block-export-add", {**what, "id": _export_ids(name)[0]})

    def _export(self, chain: Chain, top: Layer, name: str, *, read_only: bool) -> dict[str, Any]:
        """An export as the daemon is told of it, but for its id."""
        through = not read_only and not self.writes_back(top)
        what = {"type": "nbd", "node-name": self._front(chain.volume_id), "name": name}
        return {**what, "writable": not read_only, "writethrough": through}

    def _front(self, volume_id: str) -> str:
        """The node that exports point at: what is written below a mirror's own filter is not mirrored."""
        return _name("w" if volume_id in self._moving else "t", volume_id)

    def writes_back(self, top: Layer) -> bool:
        """Whether what is written to a topmost layer waits for no disk: the host's page cache outlives the daemon."""
        return top.backend in self._write_back or (top.format == "raw" and top.rbd is None)

    async def close(self, name: str) -> None:
        """Nobody reaches an export of this name any more; requests that were under way are done, or never will be."""
        there = await self.exports()
        for export in _export_ids(name):
            if export in there:
                await self._close(export)

    async def close_all(self, volume_id: str) -> None:
        fronts = {_name(kind, volume_id) for kind in "tw"}
        for export, of in (await self.exports()).items():
            if of in fronts:
                await self._close(export)

    async def _close(self, export: str) -> None:
        with contextlib.suppress(CommandFailed):  # it is not there
            await self.daemon.execute("block-export-del", {"id": export, "mode": "hard"})
        async with asyncio.timeout(GONE_S):
            while export in await self.exports():  # noqa: ASYNC110 - the daemon is asked
                await asyncio.sleep(POLL_S)

    # ---- what changes below

    async def limit(self, volume_id: str, limits: dict[str, int]) -> None:
        path = f"/objects/{_name('g', volume_id)}"
        what = {"path": path, "property": "limits", "value": limits}
        await self.daemon.execute("qom-set", what)

    async def _resize(self, volume_id: str, size_bytes: int) -> None:
        what = {"node-name": _name("t", volume_id), "size": size_bytes}
        await self.daemon.execute("block_resize", what)

    async def grow(self, volume_id: str, size_bytes: int) -> None:
        """A volume that is open, and that nobody reaches, has another size."""
        await self._resize(volume_id, size_bytes)
        self.loaded[volume_id] = replace(self.loaded[volume_id], size_bytes=size_bytes)

    async def put_on(self, put: Sequence[tuple[Chain, Layer, Exports]]) -> None:
        """Volumes that are open are written to new layers from one moment on, the same for all.

        put: the exports are those of the volume. Where they wrote back and are not to on the new layer, they are away
        for a moment.
        """
        actions = []
        for chain, top, _ in put:
            alone = {**node(top, read_only=False, secret=_name("k", chain.volume_id))}
            await self._add({**alone, "backing": None})
            data = {"node": chain.top.id, "overlay": top.id}
            actions.append({"type": "blockdev-snapshot", "data": data})
        await failpoint("node.snapshot_volume.added")
        away = [one for one in put if self.writes_back(one[0].top) and not self.writes_back(one[1])]
        error = await self._meanwhile(away, "transaction", {"actions": actions})
        if error is not None:
            raise error
        for chain, top, _ in put:
            self.loaded[chain.volume_id] = replace(chain, layers=(*chain.layers, top))

    async def _meanwhile(
        self, away: Sequence[tuple[Chain, Layer, Exports]], command: str, what: dict[str, Any]
    ) -> BaseException | None:
        """Do a command that waits for all requests to the volumes while their exports are away. Returns why it broke.

        The daemon gets all of it in one go: a client that comes while its export is away comes again a second later.
        """
        there = await self.exports()
        gone, new = [], []
        for chain, top, exports in away:
            for name, read_only in exports.items():
                ids = _export_ids(name)
                gone += [one for one in ids if one in there]
                free = next(one for one in ids if one not in there)
                new.append({**self._export(chain, top, name, read_only=read_only), "id": free})
        told = [("block-export-del", {"id": one, "mode": "hard"}) for one in gone]
        told += [(command, what), *(("block-export-add", one) for one in new)]
        answers = await asyncio.gather(
            *(self.daemon.execute(*one) for one in told), return_exceptions=True
        )
        for one in gone:
            await self._close(one)
        errors = (one for one in answers[len(gone) :] if isinstance(one, BaseException))
        return next(errors, None)

    async def merge(self, volume_id: str, upper: Layer, lower: Layer) -> None:
        """What a layer that nobody writes to has is in the one below; it is not open any more."""
        what = {"device": _name("t", volume_id), "top-node": upper.id, "base-node": lower.id}
        job = _name("c", volume_id)
        await self.daemon.run_job(job, "block-commit", {**what, "auto-dismiss": False})
        await self.forget([upper.id])
        chain = self.loaded[volume_id]
        left = tuple(layer for layer in chain.layers if layer.id != upper.id)
        self.loaded[volume_id] = replace(chain, layers=left)

    async def stop_merging(self, volume_id: str) -> None:
        """A merge ends soon; the one who waits for it is told how."""
        await self.daemon.ask_to_cancel(_name("c", volume_id))

    async def begin_move(self, volume_id: str, target: Layer, secret: str) -> None:
        """Begin to copy all that a volume shows into a layer; from when this returns, both are written to.

        Nobody reaches the volume meanwhile: QEMU looks once for what there is to copy, and knows nothing of a write
        that is under way then, or of one before it has looked (docs/decisions/0092).
        """
        chain = self.loaded[volume_id]
        await self._check(chain)  # what it stands on goes when the copy takes its place
        name = _name("n", volume_id)
        if secret:
            await self._object("secret", name, {"data": secret})
        await self._add(node(target, read_only=False, secret=name))
        if target.size_bytes != chain.size_bytes:
            what = {"node-name": target.id, "size": chain.size_bytes}
            await self.daemon.execute("block_resize", what)
        mirror = {"job-id": _name("m", volume_id), "device": _name("t", volume_id)}
        mirror |= {"filter-node-name": _name("w", volume_id)}
        mirror |= {"target": target.id, "replaces": chain.top.id, "sync": "full"}
        mirror |= {"copy-mode": "write-blocking", "auto-dismiss": False}  # type: ignore[dict-item]
        await self.daemon.execute("blockdev-mirror", mirror)
        self._moving.add(volume_id)
        async with asyncio.timeout(LOOKED_S):
            while not await self.daemon.has_looked(str(mirror["job-id"])):  # noqa: ASYNC110 - the daemon is asked
                await asyncio.sleep(POLL_S)

    async def moved(self, volume_id: str) -> tuple[bool, int]:
        """Whether it is ready, and how much of it is copied (percent)."""
        job = _name("m", volume_id)
        ready = await self.daemon.ready(job)
        found = await self.daemon.job(job) or {}
        total = int(str(found.get("total-progress", 0))) or 1
        return ready, min(99, 100 * int(str(found.get("current-progress", 0))) // total)

    async def end_move(self, volume_id: str, target: Layer, secret: str) -> None:
        """The copy is what is served from now on."""
        chain = self.loaded[volume_id]
        await self.daemon.finish_job(_name("m", volume_id), keep=True)
        self._moving.discard(volume_id)
        await self.forget([layer.id for layer in reversed(chain.layers)])
        self.loaded[volume_id] = Chain(volume_id, (target,), chain.size_bytes, chain.limits, secret)

    async def give_up_move(self, volume_id: str, target: Layer) -> None:
        await self.daemon.cancel_job(_name("m", volume_id))
        self._moving.discard(volume_id)  # what is open is open below again
        await self.forget([target.id])

    # ---- a daemon that another node process has filled

    async def take_up(self, chains: Sequence[Chain]) -> None:
        """What is open of these volumes is taken for loaded; everything else is closed, and no job is left.

        Nobody writes any more before a job ends: a move may have been recorded as done, and what is written after its
        job was given up would be in the old place alone.
        """
        known = {_name("t", chain.volume_id): chain for chain in chains}
        for export, of in (await self.exports()).items():
            if of not in known:
                await self._close(export)
        jobs = await self.daemon.execute("query-jobs")
        for job in jobs if isinstance(jobs, list) else []:
            await self.daemon.cancel_job(str(job["id"]))
        edges = await self._edges()
        known = {name: chain for name, chain in known.items() if _shows(chain, edges)}
        for export, of in (await self.exports()).items():
            if of not in known:
                await self._close(export)
        there = await self.nodes()
        self.loaded = {chain.volume_id: chain for chain in known.values()}
        needed = set(known)
        needed |= {layer.id for chain in self.loaded.values() for layer in chain.layers}
        for _ in range(len(there)):  # a layer goes when nothing stands on it any more
            extra = (await self.nodes()) - needed
            await self.forget(sorted(extra, reverse=True))
            if (await self.nodes()) - needed == extra:
                break

    def lost(self) -> None:
        """The daemon is gone, and with it everything that was open."""
        self.loaded.clear()
        self._moving.clear()
