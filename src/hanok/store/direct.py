"""Statements to PostgreSQL without the way round that SQLAlchemy takes to reach an asynchronous driver.

The text of a statement's plan goes straight to the driver, which has it prepared. What has no plan goes the usual way,
on the same connection. Measured: docs/performance.md, "PostgreSQL".
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
from sqlalchemy import Executable, Row
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from hanok.base.errors import BadInput, DatabaseAway, HanokError, Raced
from hanok.base.pieces import Pieces
from hanok.store.inline import Parameters
from hanok.store.plans import Plans, Shape
from hanok.store.sizes import TOO_LARGE, is_too_large
from hanok.store.sqlstates import AWAY, ONLY_READS, RACED, UNFIT, why

log = logging.getLogger(__name__)

PART = 100  # rows between two looks at the time
COMMIT_S = 30.0  # longer than that, the server waits for another one that is gone


class Direct:
    """One connection of asyncpg. Whoever has it is alone with it."""

    __slots__ = ("_driver", "_lost", "_only_reads", "_plans", "_toolkit")

    def __init__(self, toolkit: AsyncConnection, driver: asyncpg.Connection, plans: Plans) -> None:
        """
        Args:
            toolkit: SQLAlchemy's view of the driver's connection, for what has no plan.
        """
        self._toolkit = toolkit
        self._driver = driver
        self._plans = plans
        self._only_reads = False  # the server does; another one has taken over
        self._lost = False  # nobody knows what it does

    async def _fetched(
        self, statement: Any, parameters: Mapping[str, Any]
    ) -> tuple[Shape, list[Any]]:
        """What the server answers, all of it.

        Raises:
            BadInput: a value that no column holds. DatabaseAway: the server does not answer, or broke off.
        """
        plan = self._plans.of(statement, parameters)
        text, values = plan.bound(parameters)
        assert plan.shape is not None
        with _translated(self):
            return plan.shape, await self._driver.fetch(text, *values)

    async def first(self, statement: Executable, parameters: Mapping[str, Any]) -> Row[Any] | None:
        """The first row of a statement that only looks. Raises as `_fetched`."""
        shape, found = await self._fetched(statement, parameters)
        return shape.row(tuple(found[0])) if found else None

    async def all(self, statement: Executable, parameters: Mapping[str, Any]) -> Sequence[Row[Any]]:
        """All rows of one that only looks; of many, others get their turn between. Raises as `_fetched`."""
        shape, found = await self._fetched(statement, parameters)
        if len(found) <= PART:
            return shape.rows(map(tuple, found))
        return [
            row
            async for part in Pieces().slices(found, PART)
            for row in shape.rows(map(tuple, part))
        ]

    async def run(
        self, statement: Executable, parameters: Parameters
    ) -> tuple[Sequence[Row[Any]], int]:
        """All rows, and how many were changed; -1: by one statement with many parameters, which is not told.

        Raises:
            IntegrityError: a constraint does not hold. Otherwise as `_fetched`, and Raced.
        """
        if not self._plans.takes(statement):
            result = await self._toolkit.execute(statement, parameters)
            return (result.all() if result.returns_rows else ()), result.rowcount
        many = parameters if parameters and not isinstance(parameters, Mapping) else None
        given = parameters if isinstance(parameters, Mapping) else {}
        plan = self._plans.of(statement, many[0] if many else given)
        with _translated(self):
            if many is not None:
                # Lists of several lengths make several texts.
                texts: dict[str, list[list[Any]]] = {}
                for one in many:
                    text, values = plan.bound(one)
                    texts.setdefault(text, []).append(values)
                for text, sets in texts.items():
                    await self._driver.executemany(text, sets)
                return (), -1
            text, values = plan.bound(given)
            if plan.shape is not None:
                rows = plan.shape.rows(map(tuple, await self._driver.fetch(text, *values)))
                return rows, len(rows)
            status = await self._driver.execute(text, *values)
            return (), int(status.rpartition(" ")[2])

    async def say(self, text: str) -> str:
        """Begin or end something. Gives what the server calls what it did.

        Raises:
            DatabaseAway: the server does not answer, or broke off. Raced: what was written does not go with what others
                wrote.
        """
        with _translated(self):
            return str(await self._driver.execute(text))

    @asynccontextmanager
    async def savepoint(self) -> AsyncIterator[None]:
        """A part that is undone as a whole when an exception leaves it."""
        await self.say("SAVEPOINT part")
        try:
            yield
        except BaseException:
            with contextlib.suppress(HanokError):  # of a lost connection, the server undoes all
                await self.say("ROLLBACK TO part; RELEASE part")
            raise
        await self.say("RELEASE part")

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[None]:
        """A transaction, by the driver's own words: the toolkit would begin it only with its first statement.

        Raises:
            DatabaseAway, Raced
        """
        await self.say("BEGIN")
        try:
            yield
        except Exception:
            # Of a connection that is lost, the server has ended the transaction; what led here is what is told.
            with contextlib.suppress(HanokError):
                await self.say("ROLLBACK")
            await self._forget()
            raise
        else:
            done = await self._commit()
            await self._forget()
            if done != "COMMIT":
                # A statement failed, and who sent it went on as if it had not: the server has thrown all of it
                # away, and says so here only.
                raise Raced(detail=f"the transaction was broken off before its end: {done}")

    async def _commit(self) -> str:
        """End with what was written. A server whose follower is gone waits for it; no limit on statements ends that.

        Raises:
            DatabaseAway: it does not answer, or not within COMMIT_S: whether it has been written is not known then.
            Raced
        """
        try:
            with _translated(self):
                return str(await self._driver.execute("COMMIT", timeout=COMMIT_S))
        except TimeoutError as error:
            self._lost = True
            raise DatabaseAway(
                "The database does not answer.", detail="it does not acknowledge what was written"
            ) from error

    async def _forget(self) -> None:
        """Nothing is left to roll back: the toolkit may have begun something of its own."""
        if self._toolkit.in_transaction():
            with contextlib.suppress(DBAPIError):
                await self._toolkit.rollback()

    @property
    def usable(self) -> bool:
        """Whether it is there, and in the middle of nothing."""
        return not (
            self._lost
            or self._only_reads
            or self._driver.is_closed()
            or self._driver.is_in_transaction()
        )

    async def end(self) -> None:
        """Close it, whatever state it is in."""
        try:
            await self._toolkit.invalidate()
            await self._toolkit.close()
        except DBAPIError as error:
            log.info("a connection to the database did not end well: %s", error)


@contextlib.contextmanager
def refusals() -> Iterator[None]:
    """What keeps a connection from being made is that the database is not there.

    Raises:
        DatabaseAway
    """
    try:
        yield
    except (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError) as error:
        raise DatabaseAway(why(str(error)), detail=str(error)) from error
    except OSError as error:  # no connection within its time, too
        raise DatabaseAway("The database does not answer.", detail=str(error)) from error


class _translated:
    """Turns what the driver says into the house's errors, as far as they are somebody's."""

    __slots__ = ("_direct",)

    def __init__(self, direct: Direct) -> None:
        self._direct = direct

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if error is None:
            return
        state = getattr(error, "sqlstate", None) or ""
        if state == ONLY_READS:
            self._direct._only_reads = True
        if isinstance(error, asyncpg.DataError | OverflowError) or state in UNFIT:
            raise BadInput(
                "Invalid input: a value is out of range or holds a character that no text may."
            ) from error
        if is_too_large(error):
            raise BadInput(TOO_LARGE) from error
        if isinstance(error, asyncpg.IntegrityConstraintViolationError):
            raise IntegrityError(None, None, error) from error
        # A prepared statement whose table was changed meanwhile, by an upgrade of another process: it is prepared anew.
        if state in RACED or isinstance(error, asyncpg.InvalidCachedStatementError):
            raise Raced(detail=str(error)) from error
        lost = asyncpg.InterfaceError | asyncpg.InternalClientError | OSError
        if isinstance(error, lost) or state.startswith(AWAY):
            if not isinstance(error, TimeoutError):
                raise DatabaseAway(why(str(error)), detail=str(error)) from error
