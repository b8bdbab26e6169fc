"""The keys that tokens, and secrets at rest, are sealed with: Fernet keys in rows, sealed with the cloud's own key.

Tokens and secrets have keys of their own: a token's key may be forgotten after an hour, a secret's only once everything
was sealed anew. Every control process holds them in memory; that there is a new one it learns by a wake-up, by looking
every few seconds, and when it meets a token that no key opens, but then at most once a second, so that forged tokens
cost no statements. So a new key seals only when every process has had the time to learn of it: what is sealed in one
process is opened in all others at once. A key that was replaced goes on opening, and is only forgotten when every
process has had the time to learn of its successor.
"""

from __future__ import annotations

import itertools
import logging
import re
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Protocol

import sqlalchemy as sa
from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from msgspec import Struct
from sqlalchemy import bindparam

from hanok.base.clock import Clock
from hanok.base.errors import Unavailable
from hanok.services.identity.tables import sealing_keys as table
from hanok.store import Database, Transaction

log = logging.getLogger(__name__)

TOPIC = "identity.keys"  # of wake-ups
FOLLOW_S = 10.0  # between two looks for keys of other processes
SETTLE_S = 30.0  # until a new key seals: two looks may fail
SLACK_S = 90.0  # within which every process knows of a new key: some looks may fail
LOOK_S = 1.0  # between two looks for the sake of something that no key opens

_FILE = re.compile(r"(\d{6})\.key")
_all = (
    sa.select(table.c.number, table.c.sealed, table.c.made_at)
    .where(table.c.purpose == bindparam("what"))
    .order_by(table.c.number)
)
_forget = table.delete().where(
    table.c.purpose == bindparam("what"), table.c.number.in_(bindparam("numbers", expanding=True))
)


class Sealer(Protocol):
    """The cloud's own key."""

    def seal(self, payload: bytes) -> str: ...

    def open(self, text: str) -> bytes | None: ...


class Key(Struct, frozen=True):
    """One of the keys. number: they count up; the highest one that has settled seals."""

    number: int
    made_at: datetime
    value: bytes

    @property
    def name(self) -> str:
        return f"{self.number:06}"


class Keys:
    """Seals and opens, once `prepare` has run."""

    def __init__(
        self, purpose: str, cloud: Sealer, clock: Clock, changed: Callable[[], None]
    ) -> None:
        """
        Args:
            purpose: "token" or "secret". changed: called when there is a new key, for other processes.
        """
        self._purpose = purpose
        self._cloud = cloud
        self._clock = clock
        self._changed = changed
        self._keys: tuple[Key, ...] = ()
        self._fernet: MultiFernet | None = None
        self._looked_s = -LOOK_S
        self.missed: Callable[[], None] = lambda: None
        """Called when a row names a key that is not known here: there is a new one."""

    # ---- rows ----

    async def prepare(self, tx: Transaction, folder: Path) -> bool:
        """Know the keys; a new cloud gets its first. Keys that an older version left as files become rows.

        Returns:
            Whether there were such files: once this is committed, they can go.

        Raises:
            Unavailable: the keys were sealed with another key than the cloud's, which then is not the one it had.
        """
        await tx.serialize("identity keys", self._purpose)
        await self.load(tx)
        if self._keys:
            return False
        found = _files(folder)
        for key in found or [self._new(1)]:
            await self._insert(tx, key)
        await self.load(tx)
        return bool(found)

    async def load(self, tx: Transaction) -> None:
        """Know the keys as they are now.

        Raises:
            Unavailable: one cannot be opened.
        """
        rows = await tx.all(_all, {"what": self._purpose})
        known = {key.number: key for key in self._keys}
        keys = []
        for row in rows:
            key = known.get(row.number)
            if key is None:
                value = self._cloud.open(row.sealed)
                if value is None:
                    raise Unavailable(
                        "The keys of tokens and secrets cannot be opened: the cloud's key (control/cloud-key) is not "
                        "the one that they were sealed with. Put that one back, from the backup of this database."
                    )
                key = Key(row.number, row.made_at, value)
            keys.append(key)
        self._hold(keys)

    def _hold(self, keys: Sequence[Key]) -> None:
        if [key.number for key in keys] != [key.number for key in self._keys]:
            self._keys = tuple(keys)
            self._fernet = MultiFernet([Fernet(key.value) for key in reversed(keys)])

    def _new(self, number: int) -> Key:
        return Key(number, self._clock.now(), Fernet.generate_key())

    async def _insert(self, tx: Transaction, key: Key) -> None:
        row = {"purpose": self._purpose, "number": key.number, "made_at": key.made_at}
        await tx.insert(table, {**row, "sealed": self._cloud.seal(key.value)})

    async def look(self, database: Database) -> bool:
        """Something was met that no key opens: look if another process has made one, unless that was just done.

        Returns:
            Whether there is one.
        """
        now = self._clock.monotonic_s()
        if now - self._looked_s < LOOK_S:
            return False
        self._looked_s = now
        before = self._keys
        async with database.read() as tx:
            await self.load(tx)
        return self._keys != before

    async def rotate(self, database: Database, lifetime_s: float) -> None:
        """Seal with a new key once it has settled, and forget keys that nothing alive was sealed with.

        Args:
            lifetime_s: how long what is sealed lives; a key opens for so long after the next one was made.
        """
        until = self._clock.now() - timedelta(seconds=lifetime_s + SLACK_S)
        await self._change(
            database,
            lambda keys: [
                old.number for old, after in itertools.pairwise(keys) if after.made_at < until
            ],
            add=True,
        )

    async def add(self, database: Database) -> None:
        """Have a new key, which seals once it has settled; all others still open."""
        await self._change(database, lambda keys: [], add=True)

    async def prune(self, database: Database) -> None:
        """Forget all but the two newest keys, and those that another process may still be sealing with."""
        until = self._clock.now() - timedelta(seconds=SLACK_S)
        await self._change(
            database,
            lambda keys: [
                old.number for old, after in itertools.pairwise(keys[:-1]) if after.made_at < until
            ],
        )

    async def _change(
        self,
        database: Database,
        unneeded: Callable[[Sequence[Key]], Sequence[int]],
        *,
        add: bool = False,
    ) -> None:
        async with database.write() as tx:
            await tx.serialize("identity keys", self._purpose)
            await self.load(tx)
            keys = list(self._keys)
            if gone := unneeded(keys):
                await tx.execute(_forget, {"what": self._purpose, "numbers": list(gone)})
            keys = [key for key in keys if key.number not in gone]
            if add:
                keys.append(self._new(keys[-1].number + 1 if keys else 1))
                await self._insert(tx, keys[-1])
        # Not before it is durable: what is sealed now must be opened after a fall of the power.
        self._hold(keys)
        self._changed()

    # ---- sealing ----

    def age_s(self) -> float:
        """Seconds since the newest key was made."""
        return (self._clock.now() - self._keys[-1].made_at).total_seconds()

    def newest(self) -> Key:
        return self._keys[-1]

    def sealing(self) -> Key:
        """The newest key that every process knows; a new cloud's first at once."""
        settled = self._clock.now() - timedelta(seconds=SETTLE_S)
        known = [key for key in self._keys if key.made_at <= settled]
        return known[-1] if known else self._keys[0]

    def seal(self, payload: bytes, key: Key | None = None) -> str:
        """key: what to seal with, when not the one that seals now."""
        assert self._keys, "prepare() comes first"
        fernet = Fernet((key or self.sealing()).value)
        return fernet.encrypt(payload).decode().rstrip("=")

    def open(self, text: str) -> bytes | None:
        """What was sealed, or None: not ours, altered, or the key is gone or not known here yet."""
        assert self._fernet is not None, "prepare() comes first"
        padded = text + "=" * (-len(text) % 4)
        try:
            return self._fernet.decrypt(padded.encode())
        except (InvalidToken, ValueError):
            return None


def _files(folder: Path) -> list[Key]:
    """The keys that an older version kept in a folder, the newest last."""
    if not folder.is_dir():
        return []
    found = []
    for path in sorted(folder.iterdir()):
        if name := _FILE.fullmatch(path.name):
            made_at = datetime.fromtimestamp(path.stat().st_mtime, UTC)
            found.append(Key(int(name[1]), made_at, path.read_bytes().strip()))
    return found


def forget_files(folder: Path) -> None:
    """Remove keys that have become rows."""
    try:
        for path in folder.iterdir():
            path.unlink()
        folder.rmdir()
    except OSError as error:  # they open nothing that the rows do not, and can go by hand
        log.warning("%s is not needed any more and could not be removed: %s", folder, error)
