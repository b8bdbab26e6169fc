"""Shares of a host, real or simulated: what was told is a record before it acts, and is made so again after a crash.

A back end (`ShareBackend`) keeps the bytes and holds them to their sizes; a share server (`ShareServers`) gives them
out. A share nobody has access to is not given out at all. What each server gives out is worked out from the records
each time, so that commands that wait for a server are done by one change of it.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Iterator
from weakref import WeakValueDictionary

from msgspec import structs

from hanok.base.addresses import without_length
from hanok.base.errors import HanokError
from hanok.commands import (
    AccessRule,
    Command,
    DescribeShareBackends,
    Done,
    EnsureShare,
    EnsureShareAccess,
    EnsureShareServer,
    FoundShare,
    ListShares,
    ReadShare,
    RemoveShare,
    RemoveShareServer,
    RemoveShareSnapshot,
    ResizeShare,
    RevertShare,
    ShareBackendStates,
    ShareInventory,
    ShareRefused,
    ShareServerState,
    ShareState,
    SnapshotShare,
)
from hanok.commands.shares import ShareAnswer
from hanok.drivers.nfs.errors import ServerFailed, ShareError, TooSmall
from hanok.drivers.nfs.exports import Export
from hanok.node.errors import NotDone
from hanok.node.records import check_generation
from hanok.node.share_access import clients_of
from hanok.node.share_backends import ShareBackend, ShareServers
from hanok.node.share_records import KeptServer, KeptShare, KeptSnapshot, ShareRecords

log = logging.getLogger(__name__)

WATCH_S = 2.0  # between looks whether servers are there
AT_ONCE = 8  # that are worked on at the same time
GIB = 1 << 30
MAX_GIB = 1 << 20
MAX_WAIT_S = 60.0


class Shares:
    """What a host does with shares."""

    def __init__(
        self,
        host: str,
        records: ShareRecords,
        backends: dict[str, ShareBackend],
        servers: ShareServers,
    ) -> None:
        self._host, self._records, self._servers = host, records, servers
        self._backends = backends
        # Each as long as somebody has it or waits for it.
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self._slots = asyncio.Semaphore(AT_ONCE)
        self._jobs: dict[str, asyncio.Future[None]] = {}
        """What fills shares, as long as it takes."""
        for share in records.shares.values():
            for name in share.snapshots:
                if share.backend in backends:
                    backends[share.backend].belongs(name, share.share_id)
        self._full: set[str] = set()
        """Back ends in which there is no room."""
        self._hidden: set[str] = set()
        """Shares that are being set back: nobody has them open."""

    # ---- commands

    async def do(self, command: Command) -> ShareAnswer | Done | None:
        """Raises Late, NotDone. None: it is no command of shares."""
        try:
            return await self._do(command)
        except TooSmall as error:
            text = "The share holds more than the size that it is to have."
            return ShareRefused(
                reason="smaller_than_used", message=text, used_bytes=error.used_bytes
            )
        except ShareError as error:
            words = error.message[:1].upper() + error.message[1:].rstrip(".") + "."
            raise NotDone(words, detail=error.detail, transient=error.transient) from error

    async def _do(self, command: Command) -> ShareAnswer | Done | None:
        match command:
            case EnsureShare():
                return await self.ensure(command)
            case RemoveShare():
                return await self.remove(command)
            case ResizeShare():
                return await self.resize(command)
            case EnsureShareAccess():
                return await self.give_access(command)
            case SnapshotShare():
                return await self.snapshot(command)
            case RemoveShareSnapshot():
                return await self.remove_snapshot(command)
            case RevertShare():
                return await self.revert(command)
            case EnsureShareServer():
                return await self.ensure_server(command)
            case RemoveShareServer():
                return await self.remove_server(command)
            case ReadShare():
                return await self._state(self._get(command.share_id), command.snapshot_id)
            case DescribeShareBackends():
                return await self.states()
            case ListShares():
                return await self.inventory()
        return None

    async def ensure(self, command: EnsureShare) -> ShareState:
        """Raises Late, NotDone, ShareError."""
        self._check_size(command.size_gib)
        backend = self._backend(command.backend)
        if command.backend in self._full and command.share_id not in self._records.shares:
            raise NotDone("The back end is full.", transient=True)
        async with self._alone(command.share_id):
            known = self._records.shares.get(command.share_id)
            self._check(command.share_id, command.generation)
            if known is not None and known.goes:
                await self._take_away(known)
                known = None
            if known is None:
                known = self._begin(command)
            if (known.backend, known.server_id) != (command.backend, command.server_id):
                raise NotDone("The share is in another back end, or of another share server.")
            size = max(command.size_gib, known.size_gib)
            known = structs.replace(known, generation=command.generation, size_gib=size)
            self._records.save(known)
            self._records.unbury(command.share_id)
            if not known.ready and not await self._filled(backend, known, command.wait_s):
                return _underway(known)
            await self._sized(backend, known)
            known = structs.replace(known, ready=True)
            self._records.save(known)
            await self._serve(known.server_id)
            return await self._state(known)

    def _begin(self, command: EnsureShare) -> KeptShare:
        """Raises NotDone: its server is not here."""
        self._check_server(command.server_id)
        return KeptShare(
            share_id=command.share_id,
            backend=command.backend,
            generation=command.generation,
            size_gib=command.size_gib,
            server_id=command.server_id,
            number=self._records.number(),
            source=command.source,
        )

    async def _filled(self, backend: ShareBackend, share: KeptShare, wait_s: float) -> bool:
        """Whether it holds what it is to by now."""
        job = self._jobs.get(share.share_id)
        if job is None:
            job = self._jobs[share.share_id] = asyncio.ensure_future(self._fill(backend, share))
        await asyncio.wait([job], timeout=min(wait_s, MAX_WAIT_S))
        if not job.done():
            return False
        del self._jobs[share.share_id]
        job.result()
        return True

    async def _sized(self, backend: ShareBackend, share: KeptShare) -> None:
        """Raises TooSmall; what was taken over is then where it was."""
        try:
            await backend.resize(share.share_id, share.size_gib)
        except TooSmall:
            if share.source.kind == "manage" and not share.ready:
                await backend.remove(share.share_id, share.source.id)
                self._records.forget(share.share_id)
            raise

    async def _end_job(self, share_id: str) -> None:
        if (job := self._jobs.pop(share_id, None)) is not None:
            job.cancel()
            await asyncio.gather(job, return_exceptions=True)

    async def _fill(self, backend: ShareBackend, share: KeptShare) -> None:
        source = share.source
        origin = self._backend(source.backend or share.backend)
        match source.kind:
            case "blank":
                await backend.blank(share.share_id)
            case "snapshot":
                await backend.copy(share.share_id, origin, source.share_id, source.id)
            case "share":
                await backend.copy(share.share_id, origin, source.share_id, "")
            case "manage":
                await backend.take_over(share.share_id, source.id)

    async def remove(self, command: RemoveShare) -> Done:
        """Raises Late, NotDone, ShareError."""
        async with self._alone(command.share_id):
            known = self._records.shares.get(command.share_id)
            self._check(command.share_id, command.generation)
            if known is not None:
                if any(not one.goes for one in known.snapshots.values()):
                    raise NotDone("The share has snapshots.")
                known = structs.replace(known, goes=True, keep=command.keep)
                self._records.save(known)
            self._records.bury(command.share_id, command.generation)
            if known is not None:
                await self._take_away(known)
            elif command.backend in self._backends:
                await self._backend(command.backend).remove(command.share_id, command.keep)
        return Done()

    async def _take_away(self, share: KeptShare) -> None:
        backend = self._backend(share.backend)
        await self._end_job(share.share_id)
        await self._serve(share.server_id)
        for name in (*share.snapshots, share.share_id):
            await backend.close(name)
        for name in share.snapshots:
            await backend.remove(name, "")
        await backend.remove(share.share_id, share.keep)
        self._records.forget(share.share_id)

    async def resize(self, command: ResizeShare) -> ShareState:
        """Raises Late, NotDone, ShareError, of them TooSmall: it holds more."""
        self._check_size(command.size_gib)
        async with self._alone(command.share_id):
            self._check(command.share_id, command.generation)
            share = self._get(command.share_id)
            await self._backend(share.backend).resize(share.share_id, command.size_gib)
            share = structs.replace(share, generation=command.generation, size_gib=command.size_gib)
            self._records.save(share)
            return await self._state(share)

    async def give_access(self, command: EnsureShareAccess) -> ShareState:
        """Raises Late, NotDone, ShareError."""
        clients_of(command.rules)
        async with self._alone(command.share_id):
            share = self._get(command.share_id)
            if command.snapshot_id:
                share = self._with_snapshot_rules(share, command)
            else:
                check_generation(command.generation, share.access)
                share = structs.replace(share, access=command.generation, rules=command.rules)
            self._records.save(share)
            await self._serve(share.server_id, command.snapshot_id or command.share_id)
            if not share.rules and not any(one.rules for one in share.snapshots.values()):
                await self._backend(share.backend).close(share.share_id)
            return await self._state(share, command.snapshot_id)

    def _with_snapshot_rules(self, share: KeptShare, command: EnsureShareAccess) -> KeptShare:
        one = _snapshot_of(share, command.snapshot_id)
        check_generation(command.generation, one.access)
        one = structs.replace(one, access=command.generation, rules=command.rules)
        return _with(share, command.snapshot_id, one)

    # ---- snapshots

    async def snapshot(self, command: SnapshotShare) -> ShareState:
        """Raises Late, NotDone, ShareError."""
        async with self._alone(command.share_id):
            share = self._get(command.share_id)
            known = share.snapshots.get(command.snapshot_id)
            check_generation(
                command.generation,
                self._records.removed_at(command.snapshot_id),
                -1 if known is None else known.generation,
            )
            if known is None:
                known = KeptSnapshot(
                    generation=command.generation,
                    size_gib=share.size_gib,
                    number=self._records.number(),
                    manage=command.manage,
                )
            known = structs.replace(known, generation=command.generation, goes=False)
            self._records.save(share := _with(share, command.snapshot_id, known))
            self._records.unbury(command.snapshot_id)
            await self._keep(share, command.snapshot_id, known)
            known = structs.replace(known, ready=True)
            self._records.save(share := _with(share, command.snapshot_id, known))
            return await self._state(share, command.snapshot_id)

    async def _keep(self, share: KeptShare, snapshot_id: str, one: KeptSnapshot) -> None:
        backend = self._backend(share.backend)
        backend.belongs(snapshot_id, share.share_id)
        if one.ready:
            return
        if one.manage:
            await backend.take_over_snapshot(share.share_id, snapshot_id, one.manage)
        else:
            await backend.snapshot(share.share_id, snapshot_id)

    async def remove_snapshot(self, command: RemoveShareSnapshot) -> Done:
        """Raises Late, NotDone, ShareError."""
        async with self._alone(command.share_id):
            share = self._records.shares.get(command.share_id)
            one = None if share is None else share.snapshots.get(command.snapshot_id)
            check_generation(
                command.generation,
                self._records.removed_at(command.snapshot_id),
                -1 if one is None else one.generation,
            )
            if share is not None and one is not None:
                one = structs.replace(one, goes=True, keep=command.keep)
                self._records.save(share := _with(share, command.snapshot_id, one))
            self._records.bury(command.snapshot_id, command.generation)
            if share is not None and one is not None:
                await self._take_snapshot_away(share, command.snapshot_id, one)
            elif command.backend in self._backends:
                backend = self._backend(command.backend)
                backend.belongs(command.snapshot_id, command.share_id)
                await backend.remove(command.snapshot_id, command.keep)
        return Done()

    async def _take_snapshot_away(
        self, share: KeptShare, snapshot_id: str, one: KeptSnapshot
    ) -> KeptShare:
        backend = self._backend(share.backend)
        await self._serve(share.server_id)
        await backend.close(snapshot_id)
        await backend.remove(snapshot_id, one.keep)
        rest = {name: each for name, each in share.snapshots.items() if name != snapshot_id}
        share = structs.replace(share, snapshots=rest)
        self._records.save(share)
        return share

    async def revert(self, command: RevertShare) -> ShareState:
        """Raises Late, NotDone, ShareError."""
        self._check_size(command.size_gib)
        async with self._alone(command.share_id):
            self._check(command.share_id, command.generation)
            share = self._get(command.share_id)
            if not _snapshot_of(share, command.snapshot_id).ready:
                raise NotDone("The share does not have that snapshot.")
            if share.reverted < command.generation:
                await self._set_back(share, command)
            share = structs.replace(
                share,
                generation=command.generation,
                reverted=command.generation,
                size_gib=command.size_gib,
            )
            self._records.save(share)
            await self._serve(share.server_id)
            return await self._state(share)

    async def _set_back(self, share: KeptShare, command: RevertShare) -> None:
        backend = self._backend(share.backend)
        self._hidden.add(share.share_id)
        try:
            await self._serve(share.server_id)
            await backend.close(share.share_id)
            await backend.revert(share.share_id, command.snapshot_id)
            await backend.resize(share.share_id, command.size_gib)
        finally:
            self._hidden.discard(share.share_id)

    # ---- servers

    async def ensure_server(self, command: EnsureShareServer) -> ShareServerState:
        """Raises Late, NotDone, ShareError."""
        async with self._alone(command.server_id):
            known = self._records.servers.get(command.server_id)
            newest = -1 if known is None else known.spec.generation
            removed = self._records.removed_at(command.server_id)
            check_generation(command.generation, removed, newest)
            _addresses(command)
            self._records.save(KeptServer(spec=command))
            self._records.unbury(command.server_id)
            await self._servers.ensure(command)
        await self._serve(command.server_id)
        return self._server_state(command.server_id)

    async def remove_server(self, command: RemoveShareServer) -> Done:
        """Raises Late, NotDone, ShareError."""
        async with self._alone(command.server_id):
            known = self._records.servers.get(command.server_id)
            newest = -1 if known is None else known.spec.generation
            removed = self._records.removed_at(command.server_id)
            check_generation(command.generation, removed, newest)
            if any(one.server_id == command.server_id for one in self._records.shares.values()):
                raise NotDone("The share server has shares.")
            if known is not None:
                self._records.save(structs.replace(known, goes=True))
            self._records.bury(command.server_id, command.generation)
            await self._servers.remove(command.server_id)
            self._records.forget(command.server_id)
        return Done()

    def _server_state(self, server_id: str) -> ShareServerState:
        spec = self._records.servers[server_id].spec
        shares = [one for one in self._records.shares.values() if one.server_id == server_id]
        return ShareServerState(
            server_id=server_id,
            generation=spec.generation,
            addresses=_addresses(spec),
            shares=tuple(sorted(one.share_id for one in shares)),
        )

    def _check_server(self, server_id: str) -> None:
        if not server_id:
            if not self._servers.own_addresses():
                raise NotDone("This host exports shares by share servers only.")
            return
        known = self._records.servers.get(server_id)
        if known is None or known.goes:
            raise NotDone("This host does not have that share server.")

    async def _serve(self, server_id: str, name: str = "") -> None:
        """What the server gives out is what the records say.

        name: what has to be given out. Raises ServerFailed: it is not.
        """
        async with self._lock(f"serve {server_id}"):
            if server_id and server_id not in self._records.servers:
                return
            exports, broken = await self._exports(server_id)
            refused = broken | await self._servers.serve(server_id, exports)
        if refused:
            log.warning("share server %s does not export %s", server_id, ", ".join(sorted(refused)))
        if name in refused:
            raise ServerFailed("the share cannot be given out")

    async def _exports(self, server_id: str) -> tuple[list[Export], frozenset[str]]:
        """What a server is to give out, and the names of what it cannot, because that is broken."""
        found: list[Export] = []
        broken: set[str] = set()
        for share in list(self._records.shares.values()):
            if share.server_id != server_id or share.goes or not share.ready:
                continue
            for name, number, rules, read_only in self._given(share):
                try:
                    clients = clients_of(rules, read_only=read_only)
                    folder = await self._backend(share.backend).open(name)
                except (ShareError, NotDone, OSError) as error:
                    log.warning("share %s: %r", share.share_id, error)
                    broken.add(name)
                else:
                    found.append(Export(number, name, folder, clients))
        return found, frozenset(broken)

    def _given(self, share: KeptShare) -> Iterator[tuple[str, int, tuple[AccessRule, ...], bool]]:
        """What of a share somebody has access to, the share and its snapshots, and whether for reading only."""
        if share.rules and share.share_id not in self._hidden:
            full = share.backend in self._full
            yield share.share_id, share.number, share.rules, full
        for name, one in share.snapshots.items():
            if one.ready and one.rules and not one.goes:
                yield name, one.number, one.rules, True

    # ---- by itself

    async def adopt(self) -> None:
        """What the records say is made so again."""
        for backend in self._backends.values():
            with _told("back end of shares"):
                await backend.adopt()
        await self._look_for_space()
        for server in list(self._records.servers.values()):
            await self._again_server(server)
        for share in list(self._records.shares.values()):
            await self._again(share.share_id)
        for server_id in ("", *self._records.servers):
            with _told(f"share server {server_id}"):
                await self._serve(server_id)

    async def _again_server(self, server: KeptServer) -> None:
        with _told(f"share server {server.spec.server_id}"):
            if server.goes:
                await self._servers.remove(server.spec.server_id)
                self._records.forget(server.spec.server_id)
            else:
                await self._servers.ensure(server.spec)

    async def _again(self, share_id: str) -> None:
        """Removals that were cut short go on."""
        with _told(f"share {share_id}"):
            async with self._alone(share_id):
                share = self._records.shares[share_id]
                for name, one in list(share.snapshots.items()):
                    if one.goes:
                        share = await self._take_snapshot_away(share, name, one)
                if share.goes:
                    await self._take_away(share)

    async def watch(self) -> None:
        """Servers that have ended are started anew, and full back ends are for reading only, for ever."""
        while True:
            await asyncio.sleep(WATCH_S)
            await self._look_for_space()
            for server_id in ("", *self._records.servers):
                if not await asyncio.to_thread(self._servers.alive, server_id):
                    log.warning("share server %s has ended; it is started anew", server_id)
                    with _told(f"share server {server_id}"):
                        await self._serve(server_id)

    async def _look_for_space(self) -> None:
        found = {
            name for name, one in self._backends.items() if await asyncio.to_thread(one.is_full)
        }
        if found == self._full:
            return
        log.warning("shares of these back ends are for reading only: %s", sorted(found) or "none")
        self._full = found
        for server_id in ("", *self._records.servers):
            with _told(f"share server {server_id}"):
                await self._serve(server_id)

    def let_go(self) -> None:
        """Servers go on without us; what is being copied begins anew when it is asked for again."""
        for job in self._jobs.values():
            job.cancel()
        self._servers.let_go()

    # ---- what is asked

    async def states(self) -> ShareBackendStates:
        """All back ends."""
        found = []
        for name, one in self._backends.items():
            sizes = [
                each.size_gib for each in self._records.shares.values() if each.backend == name
            ]
            state = await asyncio.to_thread(one.state)
            found.append(
                structs.replace(
                    state,
                    provisioned_gib=float(sum(sizes)),
                    own_server=self._servers.own_addresses(),
                )
            )
        return ShareBackendStates(host=self._host, backends=tuple(found))

    async def inventory(self) -> ShareInventory:
        """Everything that is there, known or not."""
        shares: list[FoundShare] = []
        others: list[FoundShare] = []
        for name, backend in self._backends.items():
            for found in await backend.found():
                known = self._records.shares.get(found.share_id)
                (shares if known is not None else others).append(
                    FoundShare(
                        share_id=found.share_id,
                        backend=name,
                        size_gib=_gib(found.size_bytes) if known is None else known.size_gib,
                        used_bytes=found.used_bytes,
                        generation=0 if known is None else known.generation,
                        server_id="" if known is None else known.server_id,
                        snapshots=() if known is None else tuple(known.snapshots),
                        name=found.name,
                    )
                )
        return ShareInventory(
            host=self._host,
            shares=tuple(shares),
            servers={one: each.spec.generation for one, each in self._records.servers.items()},
            others=tuple(others),
        )

    async def _state(self, share: KeptShare, snapshot_id: str = "") -> ShareState:
        name, size = share.share_id, share.size_gib
        if snapshot_id:
            name, size = snapshot_id, _snapshot_of(share, snapshot_id).size_gib
        return ShareState(
            share_id=share.share_id,
            generation=share.generation,
            size_gib=size,
            used_bytes=await self._backend(share.backend).used_bytes(name),
            server_id=share.server_id,
            exports=tuple(f"{one}:/{name}" for one in self._bracketed(share.server_id)),
            snapshot_id=snapshot_id,
        )

    def _bracketed(self, server_id: str) -> Iterator[str]:
        addresses = self._servers.own_addresses()
        if server_id:
            addresses = _addresses(self._records.servers[server_id].spec)
        yield from (f"[{one}]" if ":" in one else one for one in addresses)

    # ---- how

    def _lock(self, name: str) -> asyncio.Lock:
        return self._locks.setdefault(name, asyncio.Lock())

    @contextlib.asynccontextmanager
    async def _alone(self, name: str) -> AsyncIterator[None]:
        lock = self._lock(name)
        async with lock, self._slots:
            yield

    def _check(self, share_id: str, generation: int) -> None:
        known = self._records.shares.get(share_id)
        newest = -1 if known is None else known.generation
        check_generation(generation, self._records.removed_at(share_id), newest)

    def _get(self, share_id: str) -> KeptShare:
        known = self._records.shares.get(share_id)
        if known is None or known.goes or not known.ready:
            raise NotDone("This host does not have that share.")
        return known

    def _backend(self, name: str) -> ShareBackend:
        if (found := self._backends.get(name)) is None:
            raise NotDone("This host does not have that back end.", detail=name)
        return found

    def _check_size(self, size_gib: int) -> None:
        if not 1 <= size_gib <= MAX_GIB:
            raise NotDone(f"A share has from 1 to {MAX_GIB} GiB.")


def _underway(share: KeptShare) -> ShareState:
    return ShareState(
        share_id=share.share_id,
        generation=share.generation,
        size_gib=share.size_gib,
        server_id=share.server_id,
        done=False,
        progress=0,
    )


def _gib(size_bytes: int) -> int:
    """As many as hold it; one at least."""
    return max(1, -(-size_bytes // GIB))


def _snapshot_of(share: KeptShare, snapshot_id: str) -> KeptSnapshot:
    one = share.snapshots.get(snapshot_id)
    if one is None or one.goes:
        raise NotDone("The share does not have that snapshot.")
    return one


def _with(share: KeptShare, snapshot_id: str, one: KeptSnapshot) -> KeptShare:
    return structs.replace(share, snapshots=share.snapshots | {snapshot_id: one})


def _addresses(spec: EnsureShareServer) -> tuple[str, ...]:
    """Those of a server, without prefix length. Raises NotDone: one is none."""
    try:
        return tuple(without_length(one) for one in spec.port.addresses)
    except ValueError as error:
        raise NotDone(
            "A share server's address is not a valid IP address.", detail=str(error)
        ) from error


@contextlib.contextmanager
def _told(what: str) -> Iterator[None]:
    """What fails is told, and stops nothing else."""
    try:
        yield
    except HanokError as error:
        log.warning("%s: %s (%s)", what, error.message, error.detail)
    except OSError as error:
        log.warning("%s: %r", what, error)
