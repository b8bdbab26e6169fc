"""Back ends as hosts tell of them, and the other processes of a service; what of them is given out.

A back end is named "host-1@files", its only pool "host-1@files#files".
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Row, bindparam

from hanok.base.absence import Absence
from hanok.base.errors import HanokError
from hanok.base.ids import new_uuid
from hanok.store import Transaction

SIZED = {"allocated_gib": 0, "capacity_gib": -1}  # of a process that is no back end, too


def name_of(node: str, backend: str) -> str:
    """What the process of a back end is called."""
    return f"{node}@{backend}"


def pool_of(node: str | None, backend: str | None) -> str | None:
    """What the pool of a back end is called; None for what is nowhere."""
    return None if node is None else f"{node}@{backend}#{backend}"


def split(place: str) -> tuple[str, str]:
    """The host and the back end of "host@backend" or "host@backend#pool"; empty where it is not one."""
    node, _, rest = place.partition("@")
    return node, rest.partition("#")[0]


def is_silent(row: Row[Any]) -> bool:
    """Whether the host of a back end has been asked in vain since it was heard of."""
    at = getattr(row, "silent_at", None)  # of a service that is told so
    return at is not None and at >= row.seen_at


def has_spoken(row: Row[Any], down_after_s: int, now: datetime) -> bool:
    """Whether a process was heard of lately, so that a back end is there for what is to begin."""
    return bool(not is_silent(row) and row.seen_at + timedelta(seconds=down_after_s) > now)


def is_up(row: Row[Any], absence: Absence, down_after_s: int, now: datetime) -> bool:
    """The same for telling: where nobody listened, a back end is up until its host has been asked."""
    if row.node is None:
        return has_spoken(row, down_after_s, now)
    silence = absence.silence(row.node, row.seen_at, now)
    return not is_silent(row) and silence < timedelta(seconds=down_after_s)


class BackEnds:
    """The rows of a service's processes. of_backends: the binary of those that are back ends."""

    def __init__(
        self,
        table: sa.Table,
        of_backends: str,
        *,
        new: Mapping[str, Any],
        missing: Callable[[str, str], HanokError],
    ) -> None:
        """
        Args:
            new: what a row says at first. missing: the error for a binary on a host that is not there.
        """
        self._table, self._binary = table, of_backends
        self._new, self._missing = {**SIZED, **new}, missing
        c = table.c
        self._told_again = table.update().where(
            c.binary == bindparam("what"), c.host == bindparam("of")
        )
        self._all = sa.select(table).order_by(c.binary, c.host)
        self.whole = sa.select(table).where(c.binary == of_backends).order_by(c.host)
        self._by_name = sa.select(table).where(
            c.binary == bindparam("binary"), c.host == bindparam("host")
        )
        here = (c.binary == of_backends) & (c.host == bindparam("of"))
        more = c.allocated_gib + bindparam("more")
        self._add = table.update().where(here).values(allocated_gib=more)
        self._claim = self._add.where(more <= c.capacity_gib)

    async def register(
        self, tx: Transaction, binary: str, host: str, zone: str, now: datetime, **more: Any
    ) -> None:
        """A process says that it is there, for the first time or again."""
        if await tx.count(self._told_again, {"what": binary, "of": host, "seen_at": now, **more}):
            return
        row = {"id": new_uuid(), "binary": binary, "host": host, "zone": zone, "seen_at": now}
        await tx.insert_missing(self._table, {**row, **self._new, **more})

    async def heard(
        self, tx: Transaction, node: str, backend: str, zone: str, now: datetime, **more: Any
    ) -> None:
        """A host told of a back end."""
        more = {"node": node, "backend": backend, **more}
        await self.register(tx, self._binary, name_of(node, backend), zone, now, **more)

    async def everything(self, tx: Transaction) -> Sequence[Row[Any]]:
        """All processes."""
        return await tx.all(self._all)

    async def backends(self, tx: Transaction) -> Sequence[Row[Any]]:
        return await tx.all(self.whole)

    async def by_name(self, tx: Transaction, binary: str, host: str) -> Row[Any]:
        """Raises the error for one that is not there."""
        row = await tx.first(self._by_name, {"binary": binary, "host": host})
        if row is None:
            raise self._missing(binary, host)
        return row

    async def find(self, tx: Transaction, node: str, backend: str) -> Row[Any] | None:
        """A back end; None: no host has told of it."""
        named = {"binary": self._binary, "host": name_of(node, backend)}
        return await tx.first(self._by_name, named)

    async def claim(self, tx: Transaction, node: str, backend: str, gib: int) -> bool:
        """Take a part of a back end, if it has so much left."""
        return bool(await tx.count(self._claim, {"of": name_of(node, backend), "more": gib}))

    async def add(self, tx: Transaction, node: str | None, backend: str | None, gib: int) -> None:
        """Take a part of a back end whatever it has left; a negative one is given back."""
        if node is not None and backend is not None and gib:
            await tx.execute(self._add, {"of": name_of(node, backend), "more": gib})

    async def change(self, tx: Transaction, row: Row[Any], **values: Any) -> None:
        await tx.execute(self._table.update().where(self._table.c.id == row.id).values(**values))
