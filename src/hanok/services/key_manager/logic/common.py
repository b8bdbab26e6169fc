"""What secrets and containers have in common: times, references, pages, and what rules see of them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Row, bindparam

from hanok.base.errors import BadInput
from hanok.limits import OverLimit
from hanok.services.key_manager.logic.errors import quota_reached
from hanok.services.key_manager.room import KeyManager
from hanok.services.key_manager.tables import consumers, readers
from hanok.store import Transaction

USUAL, MAXIMUM = 10, 100  # rows of a page
_users = sa.select(readers.c.user_id).where(readers.c.owner_id == bindparam("owner"))
_forget = [one.delete().where(one.c.owner_id == bindparam("owner")) for one in (readers, consumers)]


def text(at: datetime | None) -> str | None:
    """2026-01-31T12:00:00: this service's text of a time."""
    return None if at is None else at.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="seconds")  # fmt: skip


def when(sent: str) -> datetime:
    """Raises ValueError: not a time."""
    at = datetime.fromisoformat(sent.strip())
    return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)


def id_of(reference: str, kind: str = "secrets") -> str:
    """The id in "https://host/key-manager/v1/secrets/ID"; empty: it refers to no such thing.

    Which host is named does not matter: a cloud has several names, and only what is here is looked for.
    """
    parts = reference.rstrip("/").split("/")
    return parts[-1] if len(parts) >= 2 and parts[-2] == kind and len(parts[-1]) == 36 else ""


async def users_of(tx: Transaction, owner_id: str) -> list[str]:
    return sorted(await tx.scalars(_users, {"owner": owner_id}))


async def target(
    tx: Transaction, kind: str, row: Row[Any], user_id: str, *, acl: bool = False
) -> dict[str, Any]:
    """What rules see of a secret or a container.

    Args:
        user_id: who asks. acl: whether it is about who may read it, which its readers have no say in.
    """
    values = {
        f"target.{kind}.project_id": row.project_id,
        f"target.{kind}.creator_id": row.creator_id,
    }
    if not acl:
        values[f"target.{kind}.read_project_access"] = row.project_access
        if user_id in await users_of(tx, row.id):
            values[f"target.{kind}.read"] = "read"
    return values


async def forget(tx: Transaction, owner_id: str) -> None:
    """The readers and consumers of what goes."""
    for statement in _forget:
        await tx.execute(statement, {"owner": owner_id})


async def count(tx: Transaction, room: KeyManager, project_id: str, what: str) -> None:
    """Go on only if a project may have one more. Raises Forbidden."""
    try:
        await room.limits.check(tx, project_id, {what: 1})
    except OverLimit as error:
        raise quota_reached(project_id, error.over[0].maximum, what) from None


class Page:
    """The part of a list that is asked for."""

    def __init__(self, offset: str | None, limit: str | None) -> None:
        """Raises BadInput."""
        self.offset = _whole(offset, "offset", 0, 0, 2**31)
        self.limit = min(_whole(limit, "limit", USUAL, 1, 2**31), MAXIMUM)

    async def of(self, tx: Transaction, statement: sa.Select[Any]) -> tuple[list[Row[Any]], int]:
        """Its rows, and how many the list has."""
        whole = sa.select(sa.func.count()).select_from(statement.order_by(None).subquery())
        total = int(await tx.scalar(whole) or 0)
        rows = await tx.all(statement.limit(self.limit).offset(self.offset))
        return list(rows), total

    def answer(
        self, name: str, items: Sequence[Any], total: int, url: str, rest: str
    ) -> dict[str, Any]:
        """A list's body, with the addresses of the pages beside it. rest: of the query."""
        found: dict[str, Any] = {name: items, "total": total}
        if self.offset > 0:
            found["previous"] = self._link(url, max(0, self.offset - self.limit), rest)
        if total > self.offset + self.limit:
            found["next"] = self._link(url, self.offset + self.limit, rest)
        return found

    def _link(self, url: str, offset: int, rest: str) -> str:
        return f"{url}?limit={self.limit}&offset={offset}" + (f"&{rest}" if rest else "")


def _whole(sent: str | None, name: str, usual: int, minimum: int, maximum: int) -> int:
    if not sent:
        return usual
    if not (
        sent.isascii() and sent.isdigit() and len(sent) <= 10 and minimum <= int(sent) <= maximum
    ):
        raise BadInput(f"{sent[:100]} is not a valid {name}.")
    return int(sent)
