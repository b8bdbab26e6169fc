"""Network's work in time: OVN follows SQL, and SQL learns which ports are up.

A change raises its scopes in the transaction that makes it; once that is durable, `run` is woken and writes what they
should hold. It looks for itself: which scopes are behind is asked of the database, so nothing depends on who woke it.
At the start, and on a timer, everything is compared with everything, so a lost northbound database, one put back from
a copy, and rows that nobody owns are mended without anybody's doing.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy import bindparam

from hanok.base.errors import HanokError, Unavailable
from hanok.base.ids import new_request_id
from hanok.base.log import request_id as current_request_id
from hanok.drivers.ovn.errors import ConnectError, MissingParent, OVNError, Unanswered
from hanok.drivers.ovn.topology import GROUND, CannotExpress
from hanok.events import Event
from hanok.services.network.logic import specs, subports
from hanok.services.network.logic.scopes import touch
from hanok.services.network.room import Network, PortChanged
from hanok.services.network.tables import port_rows, ports, scopes
from hanok.store import Transaction

log = logging.getLogger(__name__)

BATCH = 200
LOOK_S = 5.0  # catches a change whose wake-up was lost with the process that made it
RETRY_S, MAXIMUM_RETRY_S = 0.5, 10.0
# Parents first; groups before the ports that are in them.
_KINDS = (
    "address_group",
    "security_group",
    "network",
    "port",
    "router",
    "floating_ip",
    "load_balancer",
)
ORDER = {GROUND: 0} | {kind: place for place, kind in enumerate(_KINDS, 1)}

_behind = sa.select(scopes.c.scope, scopes.c.wanted).where(scopes.c.applied < scopes.c.wanted)
_all = sa.select(scopes.c.scope, scopes.c.wanted, scopes.c.applied)
_applied = (
    scopes.update()
    .where(scopes.c.scope == bindparam("name"), scopes.c.applied < bindparam("revision"))
    .values(applied=bindparam("revision"), problem=None)
)
_gone = scopes.delete().where(
    scopes.c.scope == bindparam("name"), scopes.c.wanted == bindparam("revision")
)
_odd = scopes.update().where(scopes.c.scope == bindparam("name")).values(problem=bindparam("why"))
_again = scopes.update().where(scopes.c.scope == bindparam("name")).values(applied=0)
_raise = (
    scopes.update()
    .where(scopes.c.scope == bindparam("name"), scopes.c.wanted <= bindparam("seen"))
    .values(wanted=bindparam("seen") + 1)
)
_all_again = scopes.update().values(applied=0)
_port = sa.select(
    port_rows.c.id,
    port_rows.c.status,
    port_rows.c.host,
    port_rows.c.server_id,
    port_rows.c.project_id,
).where(port_rows.c.id.in_(bindparam("ids", expanding=True)), port_rows.c.role == "guest")
_bound = sa.select(port_rows.c.id).where(port_rows.c.host != "", port_rows.c.role == "guest")
_set_status = ports.update().where(ports.c.id == bindparam("port")).values(status=bindparam("now"))


class NetworkReconciler:
    """The loop of one control process."""

    def __init__(self, room: Network) -> None:
        self._room = room
        self._put_off: dict[str, int] = {}
        """Scopes that could not be written, by the revision at which they could not."""
        self._removed_before: set[str] = set()

    async def run(self) -> None:
        """Keep OVN as SQL says, until cancelled."""
        await self._room.connected.wait()
        self._room.writes = True
        try:
            await self._follow()
        finally:
            self._room.writes = False

    async def _follow(self) -> None:
        room = self._room
        retry_s, started, next_compare = RETRY_S, False, 0.0
        while True:
            current_request_id.set(new_request_id())
            room.dirty.clear()
            try:
                if not started:
                    await self.start()
                    started = True
                    next_compare = room.clock.monotonic_s() + room.settings.compare_s
                elif room.clock.monotonic_s() >= next_compare:
                    await self.compare()
                    next_compare = room.clock.monotonic_s() + room.settings.compare_s
                await self.mend()
                retry_s = RETRY_S
                wait_s = min(LOOK_S, max(0.1, next_compare - room.clock.monotonic_s()))
            except (OVNError, Unavailable) as error:
                log.warning("the network engine is behind: %s %s", error.message, error.detail)
                wait_s, retry_s = retry_s, min(retry_s * 2, MAXIMUM_RETRY_S)
                self._room.written()  # who waits looks why
            except Exception:  # an outermost loop: the next round tries again
                log.exception("a round of network's reconciler failed")
                wait_s, retry_s = retry_s, min(retry_s * 2, MAXIMUM_RETRY_S)
            try:
                async with asyncio.timeout(wait_s):
                    await room.dirty.wait()
            except TimeoutError:
                pass

    async def stay_connected(self) -> None:
        """Keep this process's connection to the engine, for who writes and for who looks, until cancelled."""
        room, retry_s = self._room, RETRY_S
        try:
            while not room.connected.is_set():
                try:
                    await room.northbound.connect(room.settings.northbound)
                    room.connected.set()
                except OVNError as error:
                    log.warning(
                        "the network engine is not there: %s %s", error.message, error.detail
                    )
                    await asyncio.sleep(retry_s)
                    retry_s = min(retry_s * 2, MAXIMUM_RETRY_S)
            await asyncio.Event().wait()  # from here on it comes back by itself
        finally:
            room.connected.clear()
            await room.northbound.close()

    async def start(self) -> None:
        """Nothing is known of what OVN holds: write all of it again, and ask which ports are up."""
        room = self._room
        async with room.database.write() as tx:
            await tx.execute(_all_again)
            await touch(tx, room, GROUND)
        await self.compare()
        async with room.database.read() as tx:
            bound = await tx.scalars(_bound)
        for port_id in bound:
            room.moved[port_id] = await room.northbound.port_up(port_id)

    async def compare(self) -> None:
        """Look at every scope on both sides; what differs is written by the next `mend`.

        Afterwards no scope in OVN is without a row here.
        """
        room = self._room
        held = await room.northbound.scopes()
        removed = await room.northbound.removed()
        async with room.database.read() as tx:
            known = {row.scope: row for row in await tx.all(_all)}
        again, newer = [], []
        for scope, row in known.items():
            there = held.get(scope)
            if there is None and scope.startswith("floating_ip:"):
                there = removed.get(scope)  # one that leads nowhere has no rows
            if there is None or there < row.applied:
                again.append(scope)
            maximum = max(held.get(scope, 0), removed.get(scope, 0))
            if maximum > row.wanted:
                newer.append((scope, maximum))
        await self._mark(again, newer)
        self._put_off.clear()
        for scope, revision in held.items():
            if scope not in known:
                log.info("%s is in OVN but not in the database, and is removed", scope)
                await room.northbound.apply(scope, [], revision + 1)
        ended = {scope for scope in removed if scope not in known}
        # Kept for one more round, against a writer that is late.
        if old := ended & self._removed_before:
            await room.northbound.forget(old)
        self._removed_before = ended

    async def _mark(self, again: Sequence[str], newer: Sequence[tuple[str, int]]) -> None:
        if not again and not newer:
            return
        async with self._room.database.write() as tx:
            if again:
                await tx.execute(_again, [{"name": one} for one in sorted(again)])
            if newer:
                await tx.execute(_raise, [{"name": s, "seen": r} for s, r in sorted(newer)])

    async def mend(self) -> None:
        """Write every scope that is behind, and the ports' status.

        Raises:
            OVNError: the engine does not answer; what was done stays done.
        """
        room = self._room
        await self._ports_moved()
        rounds = 0
        while True:
            async with room.database.read() as tx:
                behind = [
                    (row.scope, row.wanted)
                    for row in await tx.all(_behind)
                    if self._put_off.get(row.scope) != row.wanted
                ]
                behind.sort(key=lambda one: (ORDER.get(one[0].partition(":")[0], 9), one[0]))
                batch = behind[:BATCH]
                rows_of = await specs.rows_of(tx, room, [scope for scope, _ in batch])
            if not batch:
                return
            missing = await self._write(batch, rows_of)
            if missing:
                rounds += 1
                if rounds > 2:
                    # Its parent is there in SQL and cannot be written: the next comparison tries again.
                    self._put_off.update(missing)
                else:
                    await self.compare()
            await self._ports_moved()
            room.written()

    async def _write(
        self, batch: Sequence[tuple[str, int]], rows_of: dict[str, specs.Requested]
    ) -> dict[str, int]:
        """Apply scopes; gives those whose parent is not there."""
        room = self._room
        done: list[dict[str, Any]] = []
        ended: list[dict[str, Any]] = []
        odd: list[dict[str, Any]] = []
        stale: list[str] = []
        missing: dict[str, int] = {}
        try:
            for scope, revision in batch:
                rows = rows_of.get(scope)
                try:
                    if isinstance(rows, CannotExpress):
                        raise rows
                    if not await room.northbound.apply(scope, rows or [], revision):
                        stale.append(scope)
                        continue
                except (ConnectError, Unanswered):
                    raise
                except MissingParent as error:
                    log.info("%s waits for its parent: %s", scope, error.message)
                    missing[scope] = revision
                    continue
                except HanokError as error:
                    log.error("%s cannot be written: %s %s", scope, error.message, error.detail)
                    odd.append({"name": scope, "why": error.message[:255]})
                    self._put_off[scope] = revision
                    continue
                gone = rows is None and scope != GROUND
                (ended if gone else done).append({"name": scope, "revision": revision})
                kind, _, name = scope.partition(":")
                if kind == "port" and rows:
                    room.moved[name] = await room.northbound.port_up(name)
                await asyncio.sleep(0)  # requests go on between
        finally:
            async with room.database.write() as tx:
                for statement, values in ((_applied, done), (_gone, ended), (_odd, odd)):
                    if values:
                        await tx.execute(statement, values)
        if stale:
            await self._overtaken(stale)
        return missing

    async def _overtaken(self, names: Sequence[str]) -> None:
        """OVN holds newer revisions: another process was faster, or the database is an older copy."""
        held = await self._room.northbound.scopes()
        removed = await self._room.northbound.removed()
        revisions = {one: max(held.get(one, 0), removed.get(one, 0)) for one in names}
        async with self._room.database.write() as tx:
            known = {row.scope: row.wanted for row in await tx.all(_all) if row.scope in revisions}
            for scope, revision in known.items():
                if revisions[scope] > revision:
                    await tx.execute(_raise, {"name": scope, "seen": revisions[scope]})
                else:
                    await tx.execute(_applied, {"name": scope, "revision": revisions[scope]})

    async def _ports_moved(self) -> None:
        """Write which ports came up or went down, with the news of it."""
        room = self._room
        if not room.moved:
            return
        moved, room.moved = room.moved, {}
        try:
            async with room.database.read() as tx:
                through = await subports.through(tx, list(moved))
                moved |= {port: moved[parent] for port, parent in through.items()}
                if not await self._differing(tx, moved):
                    return
            async with room.database.write() as tx:
                changed = await self._differing(tx, moved)
                for one in changed:
                    await tx.execute(_set_status, {"port": one.port_id, "now": one.status})
                    await self._emit(tx, one)
        except Unavailable:
            room.moved = {**moved, **room.moved}
            raise

    async def _emit(self, tx: Transaction, change: PortChanged) -> None:
        port = {"id": change.port_id, "status": change.status, "device_id": change.server_id or ""}
        await self._room.events.emit(
            tx,
            Event(
                kind="network.port.update.end",
                resource=f"port:{change.port_id}",
                project_id=change.project_id,
                payload={"port": port},
            ),
        )

    @staticmethod
    async def _differing(tx: Transaction, moved: dict[str, bool]) -> list[PortChanged]:
        found = []
        for row in await tx.all(_port, {"ids": list(moved)}):
            status = "ACTIVE" if moved[row.id] and row.host else "DOWN"
            if status != row.status:
                found.append(PortChanged(row.id, status, row.server_id, row.project_id))
        return found
