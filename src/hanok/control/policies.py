"""Operators' access rules, for all control processes of the cloud.

An operator edits files: `policy/policy.yaml` for all services, `policy/compute.yaml` and so on for one. A process that
sees a file change holds it against the rules of the services; what fits goes into the database, and every process takes
it from there. The newest edit is in force, wherever it was made: a file that is found at the start counts by its time,
one that changes later by when that was seen. A file that is taken away takes its rules with it.

What does not fit changes nothing, and is told by the log and by `hanok doctor` until it is mended. Of the file for all
services, that holds for the services whose rules lead to what does not fit: they go on by the text before, which is
kept in a row of their own ("policy/compute"); the others take up the edit.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Row, bindparam

from hanok.base.clock import Clock
from hanok.base.errors import Unavailable
from hanok.bus import Wakes
from hanok.control.tables import policy_texts as table
from hanok.rooms import Difference
from hanok.store import Database, Transaction
from hanok.web.policy import Enforcer, rules_in, text_of, unreadable

log = logging.getLogger(__name__)

TOPIC = "policies"  # of wake-ups
ALL = "policy"  # the file for all services
FILES_S = 0.4  # between two looks at files; what is taken up was the same at two of them
FOLLOW_S = 10.0  # between two looks at the database; an edit elsewhere also wakes

_all = sa.select(table)
_one = sa.select(table).where(table.c.name == bindparam("which"))
_change = table.update().where(table.c.name == bindparam("which"))
_remove = table.delete().where(table.c.name == bindparam("which"))

Stamp = tuple[int, ...]


class Policies:
    """The rules of one control process, and its look at its files."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        wakes: Wakes,
        *,
        folder: Path,
        node_name: str,
        enforcers: Callable[[], Mapping[str, Enforcer]],
        services: Sequence[str] = (),
    ) -> None:
        """
        Args:
            folder: of the operator's files on this machine. enforcers: those of the services that are on, by kind.
            services: the names of all services, those included that are off.
        """
        self._database = database
        self._clock = clock
        self._wakes = wakes
        self._folder = folder
        self._node_name = node_name
        self._enforcers = enforcers
        self._services = services
        self._stamps: dict[str, Stamp | None] = {}
        self._last_stamps: dict[str, Stamp | None] = {}
        """Files as they were at the last look: one that is still being written is another at the next."""
        self._revisions: dict[str, int] = {}
        self._rules: dict[str, dict[str, str]] = {}
        self._unfit: dict[str, str] = {}
        """Services that what is in force does not fit, and why."""
        self._unread: dict[str, str] = {}
        """Rows that this version cannot read, and why."""

    # ---- what is in force ----

    async def start(self) -> None:
        """Have the rules in force, before the first request."""
        await self._load()
        await self._look()

    def apply(self, kinds: Sequence[str]) -> None:
        """Put the operator's rules over the defaults of these services."""
        for kind in kinds:
            try:
                self._enforcers()[kind].override(self._of(kind, self._rules))
                self._unfit.pop(kind, None)
            except ValueError as error:
                self._unfit[kind] = str(error)
                log.error("rules of %s: not used, those before stay in force: %s", kind, error)

    @staticmethod
    def _of(kind: str, rules: Mapping[str, Mapping[str, str]]) -> dict[str, str]:
        """A service's part: its own file's rules over those for all, or over those that it goes on by."""
        for_all = rules.get(_kept(kind), rules.get(ALL, {}))
        return {**for_all, **rules.get(kind, {})}

    def _meant(self, name: str) -> list[str]:
        """The services that a file is for."""
        known = self._enforcers()
        if name == ALL:
            return list(known)
        return [kind for kind in known if name in (kind, _kept(kind))]

    async def _load(self) -> None:
        async with self._database.read() as tx:
            rows = {row.name: row for row in await tx.all(_all)}
        kinds: dict[str, None] = {}
        for name in self._revisions.keys() - rows.keys():
            del self._revisions[name]
            self._rules.pop(name, None)
            self._unread.pop(name, None)
            kinds.update(dict.fromkeys(self._meant(name)))
        for row in rows.values():
            if self._revisions.get(row.name) != row.revision:
                self._revisions[row.name] = row.revision
                if self._read(row):
                    kinds.update(dict.fromkeys(self._meant(row.name)))
        self.apply(list(kinds))

    def _read(self, row: Row[Any]) -> bool:
        """Have the rules of a row. Returns whether they could be read."""
        try:
            self._rules[row.name] = rules_in(row.text)
        except ValueError as error:  # written by another version
            self._unread[row.name] = f"rules of {row.name}, edited on {row.source}: {error}"
            log.error("not used: %s", self._unread[row.name])
            return False
        self._unread.pop(row.name, None)
        return True

    # ---- files ----

    async def _look(self) -> None:
        """Take up what changed in the operator's files."""
        for name in (ALL, *self._enforcers()):
            file = self._folder / f"{name}.yaml"
            stamp = _stamp(file)
            first = name not in self._stamps
            still = stamp == self._last_stamps.get(name)
            self._last_stamps[name] = stamp
            if not first and (stamp == self._stamps[name] or not still):
                continue
            await self._changed(name, file, stamp, first=first)
            self._stamps[name] = stamp

    async def _changed(self, name: str, file: Path, stamp: Stamp | None, *, first: bool) -> None:
        async with self._database.read() as tx:
            row = await tx.first(_one, {"which": name})
        if stamp is None:
            ours = row is not None and row.source == self._node_name
            if row is None or (first and not ours):
                return  # it never was here
            text, at = "", self._clock.now()
        else:
            at = datetime.fromtimestamp(stamp[0] / 1e9, UTC) if first else self._clock.now()
            if first and row is not None and row.edited_at > at:
                return  # another edit is newer
            try:
                text = text_of(file)
            except (OSError, ValueError) as error:
                await self._refused(name, file, error)
                return
        try:
            unfit = self._unfit_for(name, text)
        except ValueError as error:
            await self._refused(name, file, error)
            return
        await self._publish(name, text, at, unfit)
        if problems := self._problems(name, text, unfit):
            await self._refused(name, file, ValueError("; ".join(problems)))

    def _unfit_for(self, name: str, text: str) -> dict[str, str]:
        """The services that cannot go by a file, and why; empty but for the file for all services.

        Raises:
            ValueError: nobody can go by it.
        """
        read = rules_in(text)
        if name != ALL and (why := unreadable(read)):
            raise ValueError("; ".join(why))
        rules = {**self._rules, name: read}
        unfit = {}
        for kind in self._meant(name):
            if name == ALL:
                rules.pop(_kept(kind), None)
            try:
                self._enforcers()[kind].check(self._of(kind, rules))
            except ValueError as error:
                unfit[kind] = str(error)
        if unfit and name != ALL:
            raise ValueError(unfit[name])
        return unfit

    @staticmethod
    def _problems(name: str, text: str, unfit: Mapping[str, str]) -> list[str]:
        """What is to be said of a file that some of the services go by."""
        whose: dict[str, list[str]] = {}
        for kind, why in unfit.items():
            whose.setdefault(why, []).append(kind)
        found = [f"service {', '.join(kinds)}: {why}" for why, kinds in whose.items()]
        others = unreadable(rules_in(text)) if name == ALL else []
        return found + [one for one in others if one not in whose]

    async def _publish(self, name: str, text: str, at: datetime, unfit: Mapping[str, str]) -> None:
        """Put a file's text in force for all services that it is for, but for those that it does not fit."""
        async with self._database.write() as tx:
            row = await self._locked(tx, name)
            if name == ALL:
                await self._keep(tx, row, unfit)
            if row.text != text:
                values = {
                    "text": text,
                    "revision": row.revision + 1,
                    "edited_at": at,
                    "source": self._node_name,
                }
                await tx.execute(_change.values(**values, problem=None), {"which": name})
            elif row.problem is not None:
                await tx.execute(_change.values(problem=None), {"which": name})
            tx.after_commit(lambda: self._wakes.wake(TOPIC))
        await self._load()

    async def _keep(self, tx: Transaction, row: Row[Any], unfit: Mapping[str, str]) -> None:
        """Services that an edit of the file for all does not fit go on by the text before; others need none of it."""
        for kind in self._enforcers():
            kept = await tx.first(_one, {"which": _kept(kind)})
            if kind not in unfit and kept is not None:
                await tx.execute(_remove, {"which": _kept(kind)})
            elif kind in unfit and kept is None:
                values = {"text": row.text, "revision": row.revision, "source": row.source}
                values["edited_at"] = row.edited_at
                await tx.insert(table, {"name": _kept(kind), **values})

    async def _refused(self, name: str, file: Path, error: Exception) -> None:
        log.error("%s: not used, the rules before stay in force: %s", file, error)
        problem = f"{file} on {self._node_name} is not used: {error}"[:1000]
        async with self._database.write() as tx:
            await self._locked(tx, name)
            await tx.execute(_change.values(problem=problem), {"which": name})

    async def _locked(self, tx: Transaction, name: str) -> Row[Any]:
        """The row of a file, for this transaction alone; made if there is none."""
        await tx.serialize("policies", name)
        row = await tx.first(_one, {"which": name})
        if row is None:
            empty = {
                "text": "",
                "revision": 0,
                "source": "",
                "edited_at": datetime.fromtimestamp(0, UTC),
            }
            await tx.insert(table, {"name": name, **empty})
            row = await tx.first(_one, {"which": name})
        assert row is not None
        return row

    # ---- in time ----

    async def run(self) -> None:
        """Follow files and the database until cancelled."""
        woken = asyncio.Event()

        def wake(_words: list[str]) -> None:
            woken.set()

        self._wakes.on(TOPIC, wake)
        next_load_s = 0.0
        try:
            while True:
                try:
                    await self._look()
                    if woken.is_set() or self._clock.monotonic_s() >= next_load_s:
                        woken.clear()
                        await self._load()
                        next_load_s = self._clock.monotonic_s() + FOLLOW_S
                except Unavailable as error:
                    log.warning("access rules are not followed: %s", error.message)
                except Exception:  # an outermost loop: the next look tries again
                    log.exception("access rules are not followed")
                try:
                    async with asyncio.timeout(FILES_S):
                        await woken.wait()
                except TimeoutError:
                    pass
        finally:
            self._wakes.off(TOPIC, wake)

    def _nobodys(self) -> list[str]:
        """Files in the operator's folder that no service reads."""
        known = {ALL, *self._enforcers(), *self._services}
        try:
            files = sorted(self._folder.iterdir())
        except OSError:
            return []
        names = ", ".join(sorted(f"{one}.yaml" for one in known))
        return [
            f"{file} on {self._node_name} is not used: no service reads it; the files are {names}"
            for file in files
            if file.suffix != ".yaml" or file.stem not in known
        ]

    async def differences(self) -> list[Difference]:
        """Files that are not in force, and services that cannot go by what is."""
        async with self._database.read() as tx:
            rows = await tx.all(_all)
        found = [row.problem for row in rows if row.problem is not None]
        found += [f"service {kind}: {why}" for kind, why in self._unfit.items()]
        found += self._unread.values()
        found += self._nobodys()
        return [Difference(what="policy", detail=one) for one in found]


def _kept(kind: str) -> str:
    """The name of the row with what a service goes on by while the file for all services does not fit it."""
    return f"{ALL}/{kind}"


def _stamp(file: Path) -> Stamp | None:
    """What tells one content of a file from another, its time first; None without the file.

    One that cannot even be looked at is there, and cannot be read either: reading it says why. One whose permissions
    changed, or that another one with its time and size took the place of, is another.
    """
    try:
        status = file.stat()
    except FileNotFoundError:
        return None
    except OSError:
        return 0, -1
    return status.st_mtime_ns, status.st_size, status.st_ino, status.st_ctime_ns
