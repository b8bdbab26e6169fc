"""A copy of one OVSDB database, in a thread of its own: the typed face of the `ovs` library.

The library's IDL follows a database (over reconnects, and to the leader of a cluster) and blocks in
poll(2). So it lives in one named thread that sleeps until the server, or a caller through a
socket pair, wakes it. Callers hand over functions: they run in that thread, one at a time, see the
copy in a steady state and return OVSDB operations (RFC 7047, section 5.2) as plain values. The
IDL's own way of writing (assigning to row attributes) is not used: it only logs bad values, and we
want them refused.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from select import POLLIN
from typing import Any, Protocol
from uuid import UUID

from ovs.db import data, types
from ovs.db import idl as ovs_idl
from ovs.poller import Poller
from ovs.stream import Stream
from ovsdbapp.backend.ovs_idl import idlutils

from hanok.drivers.ovn.errors import (
    ConnectError,
    ExecuteError,
    NegotiateError,
    OVNError,
    Unanswered,
)
from hanok.drivers.ovn.seal import Seal

log = logging.getLogger(__name__)

Atom = str | int | bool | float | UUID
Operation = dict[str, object]

CLOSE_TIMEOUT_S = 2.0  # asking for the schema has no time-out in the library
BACKOFF_MS = (100, 2000)  # first and longest pause between attempts to reconnect


def show(seal: Seal) -> None:
    """What all copies of this process show their databases, and whom they believe: the library keeps one of each."""
    Stream.ssl_set_private_key_file(seal.key)
    Stream.ssl_set_certificate_file(seal.certificate)
    Stream.ssl_set_ca_cert_file(seal.trusted)


class Observer(Protocol):
    """Who keeps an index of the copy. Called in the copy's thread."""

    def row_changed(self, table: str, row: UUID, columns: Cells | None) -> None:
        """A row is new or has changed; columns is None when it is gone."""

    def forgotten(self) -> None:
        """The copy was emptied; the rows that exist will be told again."""


class Cells:
    """The columns of one row."""

    __slots__ = ("_row",)

    def __init__(self, row: Any) -> None:
        self._row = row

    def atoms(self, column: str) -> frozenset[Atom]:
        """A column's values; a scalar is a set of one."""
        return frozenset(atom.value for atom in self._row._data[column].values)

    def holds(self, column: str, row: UUID) -> bool:
        """Whether a column refers to a row; does not look at all of them."""
        return data.Atom(types.UuidType, row) in self._row._data[column].values

    def pairs(self, column: str) -> dict[str, str]:
        """A map column's keys and values; texts, but for those of `numbers`."""
        return {key.value: value.value for key, value in self._row._data[column].values.items()}

    def numbers(self, column: str) -> dict[str, int]:
        """The keys and values of a map column whose values are whole numbers."""
        return {key: int(value) for key, value in self.pairs(column).items()}


class _Followed(ovs_idl.Idl):  # type: ignore[misc]
    """The library's IDL, telling an observer of each change, also of being emptied."""

    def __init__(self, remote: str, helper: Any, observer: Observer) -> None:
        super().__init__(remote, helper)
        self._observer = observer
        self._session.reconnect.set_backoff(*BACKOFF_MS)

    def notify(self, event: str, row: Any, updates: Any = None) -> None:
        cells = None if event == ovs_idl.ROW_DELETE else Cells(row)
        self._observer.row_changed(row._table.name, row.uuid, cells)

    def _Idl__clear(self) -> None:
        # The IDL empties its tables without a notification when it cannot resume where it was.
        self._observer.forgotten()
        super()._Idl__clear()


class _Job:
    """A plan to be committed, and the future of the caller that waits."""

    def __init__(self, plan: Callable[[], Sequence[Operation]], done: Callable[..., None]) -> None:
        self.plan = plan
        self.done = done
        self.cancelled = False
        self.sent = False


class Replica:
    """One database, followed.

    Args:
        remote: addresses as OVSDB writes them ("unix:/run/nb.sock", "tcp:10.0.0.1:6641,tcp:…").
        tables: the columns to follow, by table.
    """

    def __init__(
        self,
        remote: str,
        database: str,
        tables: Mapping[str, Sequence[str]],
        observer: Observer,
        *,
        name: str,
    ) -> None:
        self._remote, self._database, self._tables = remote, database, tables
        self._observer = observer
        self._name = name
        self._idl: Any = None
        self._jobs: deque[_Job] = deque()
        self._waiting: list[tuple[Callable[[], bool], Callable[..., None]]] = []
        self._commit: tuple[Any, _Job] | None = None
        self._retry_from: object = None
        self._last_state: object = None
        self._stopping = False
        self._thread: threading.Thread | None = None
        self._wake_read, self._wake_write = socket.socketpair()
        self._wake_read.setblocking(False)
        self._wake_write.setblocking(False)

    async def connect(self, timeout_s: float) -> None:
        """Fetch the schema, start following, and return when the copy is complete.

        Raises:
            ConnectError, NegotiateError
        """
        self._loop = asyncio.get_running_loop()
        future, done = self._future()
        self._waiting.append((self._ready, done))
        self._thread = threading.Thread(
            target=self._main, args=(done,), name=self._name, daemon=True
        )
        self._thread.start()
        try:
            # Not wait_for: until Python 3.12 it loses a cancellation that comes with the answer.
            async with asyncio.timeout(timeout_s):
                await future
        except TimeoutError:
            raise ConnectError(f"no answer from {self._database} within {timeout_s} s") from None

    async def close(self) -> None:
        """Stop following. The thread has ended then, unless it hangs in its first question."""
        self._stopping = True
        self._wake()
        if self._thread is not None:
            await asyncio.to_thread(self._thread.join, CLOSE_TIMEOUT_S)
        self._wake_read.close()
        self._wake_write.close()

    async def transact(self, plan: Callable[[], Sequence[Operation]], timeout_s: float) -> None:
        """Commit the operations that plan returns, as one transaction; none at all is fine.

        plan runs in the copy's thread, and again when somebody else was faster (a `wait` operation
        in it failed) or the connection broke. What it raises is raised here.

        Raises:
            ConnectError: not connected within timeout_s; nothing was sent.
            Unanswered: sent, but no answer within timeout_s.
            ExecuteError: the server refused.
        """
        future, done = self._future()
        job = _Job(plan, done)
        self._jobs.append(job)
        self._wake()
        try:
            async with asyncio.timeout(timeout_s):
                await future
        except TimeoutError:
            if job.sent:
                raise Unanswered(f"{self._database} did not answer in {timeout_s} s") from None
            raise ConnectError(f"not connected to {self._database}") from None
        finally:
            job.cancelled = True

    async def wait(self, condition: Callable[[], bool], timeout_s: float) -> bool:
        """Wait until a condition on the copy holds; False when it does not within timeout_s."""
        future, done = self._future()
        entry = (condition, done)
        self._waiting.append(entry)
        self._last_state = None
        self._wake()
        try:
            async with asyncio.timeout(timeout_s):
                await future
        except TimeoutError:
            return False
        finally:
            self._no_longer(entry)
        return True

    # For functions that run in the thread.

    def cells(self, table: str, row: UUID) -> Cells:
        """A row that the observer was told of."""
        return Cells(self._idl.tables[table].rows[row])

    # Below: the thread.

    def _future(self) -> tuple[asyncio.Future[None], Callable[..., None]]:
        future: asyncio.Future[None] = self._loop.create_future()

        def settle(error: BaseException | None) -> None:
            if future.done():
                return
            if error is None:
                future.set_result(None)
            else:
                future.set_exception(error)

        def done(error: BaseException | None = None) -> None:
            if not self._loop.is_closed():
                self._loop.call_soon_threadsafe(settle, error)

        return future, done

    def _wake(self) -> None:
        try:
            self._wake_write.send(b"!")
        except BlockingIOError:
            pass  # the thread has wake-ups enough to read

    def _no_longer(self, entry: tuple[Callable[[], bool], Callable[..., None]]) -> None:
        with suppress(ValueError):  # the thread and the caller may both be here
            self._waiting.remove(entry)

    def _ready(self) -> bool:
        return bool(self._idl.has_ever_connected())

    def _main(self, connected: Callable[..., None]) -> None:
        try:
            self._idl = self._follow()
        except OVNError as error:
            connected(error)
            return
        try:
            while not self._stopping:
                try:
                    self._idl.run()
                    self._work()
                except Exception:
                    # A bug, here or in the library: begin again with a fresh copy.
                    log.exception("following %s failed; reconnecting", self._database)
                    self._idl.force_reconnect()
                poller = Poller()
                self._idl.wait(poller)
                poller.fd_wait(self._wake_read.fileno(), POLLIN)
                poller.block()
                self._drain()
        finally:
            self._idl.close()

    def _drain(self) -> None:
        try:
            while self._wake_read.recv(4096):
                pass
        except BlockingIOError:
            pass

    def _follow(self) -> _Followed:
        try:
            schema = idlutils.fetch_schema_json(self._remote, self._database)
        except Exception as error:  # the library raises nothing narrower
            raise ConnectError(
                f"no {self._database} at {self._remote}", detail=str(error)
            ) from None
        have = schema.get("tables", {})
        for table, columns in self._tables.items():
            missing = set(columns) - set(have.get(table, {}).get("columns", {}))
            if missing:
                raise NegotiateError(
                    f"{self._database} {schema.get('version')} has no {table}.{min(missing)}"
                )
        helper = ovs_idl.SchemaHelper(schema_json=schema)
        for table, columns in self._tables.items():
            helper.register_columns(table, list(columns))
        return _Followed(self._remote, helper, self._observer)

    def _state(self) -> tuple[object, ...]:
        """Differs after anything that can change the outcome of a plan."""
        return (self._idl.change_seqno, self._idl._session.get_seqno(), self._idl.state)

    def _work(self) -> None:
        state = self._state()
        if state != self._last_state:
            self._last_state = state
            for entry in list(self._waiting):
                condition, done = entry
                if condition():
                    self._no_longer(entry)
                    done()
        if self._commit is not None and not self._finish(*self._commit):
            return
        while self._jobs and self._idl.state == ovs_idl.Idl.IDL_S_MONITORING:
            if self._retry_from == self._state():
                return
            self._retry_from = None
            if not self._begin(self._jobs.popleft()):
                return

    def _begin(self, job: _Job) -> bool:
        """Plan and send. True when the next job may begin."""
        if job.cancelled:
            return True
        try:
            operations = job.plan()
        except Exception as error:  # the caller's: it is raised where the caller waits
            job.done(error)
            return True
        if not operations:
            job.done()
            return True
        self._sent_in = self._state()
        transaction = ovs_idl.Transaction(self._idl)
        for operation in operations:
            transaction.add_op(operation)
        transaction.commit()
        job.sent = True
        self._commit = (transaction, job)
        return self._finish(transaction, job)

    def _finish(self, transaction: Any, job: _Job) -> bool:
        """Settle what was sent, if there is an answer. True when the next job may begin."""
        status = transaction.commit()
        if status == transaction.INCOMPLETE:
            return False
        self._commit = None
        if status in (transaction.SUCCESS, transaction.UNCHANGED):
            job.done()
        elif status == transaction.TRY_AGAIN:
            self._jobs.appendleft(job)
            self._retry_from = self._sent_in
        else:
            job.done(ExecuteError(f"{self._database} refused", detail=transaction.get_error()))
        return True
