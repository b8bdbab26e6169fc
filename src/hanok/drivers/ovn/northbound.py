"""The northbound database: make exactly these rows exist, a scope at a time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Sequence
from typing import TYPE_CHECKING, Protocol, TypeVar
from uuid import UUID

from hanok.drivers.ovn import plan, reading
from hanok.drivers.ovn.errors import ConnectError
from hanok.drivers.ovn.rows import Row
from hanok.drivers.ovn.seal import Seal

if TYPE_CHECKING:
    from hanok.drivers.ovn.idl import Cells, Operation, Replica

T = TypeVar("T")

TIMEOUT_S = 20.0  # a cluster's election takes up to ten seconds


class NorthboundAPI(Protocol):
    """What Northbound and SimulatedNorthbound have in common."""

    async def apply(self, scope: str, rows: Sequence[Row], revision: int) -> bool: ...
    async def scopes(self) -> dict[str, int]: ...
    async def removed(self) -> dict[str, int]: ...
    async def forget(self, scopes: Collection[str]) -> None: ...
    async def dump(self, scope: str) -> list[Row]: ...
    async def members(self, group_name: str) -> frozenset[str]: ...
    async def wait_applied(self, timeout_s: float) -> bool: ...
    async def port_up(self, port_name: str) -> bool: ...
    async def wait_port_up(self, port_name: str, timeout_s: float) -> bool: ...
    async def close(self) -> None: ...


class Northbound:
    """A client of one northbound database, or of a cluster's.

    Args:
        on_port: told (name, up) of each guest port that comes up or goes down, in the event loop.
            It is told of all that are up at every (re)connection too.
        seal: what is shown to a database at "ssl:a:6641"; one a process.
    """

    def __init__(
        self,
        *,
        timeout_s: float = TIMEOUT_S,
        on_port: Callable[[str, bool], None] | None = None,
        seal: Seal | None = None,
    ) -> None:
        self._seal = seal
        self._timeout_s = timeout_s
        self._on_port = on_port
        self._following: Replica | None = None

    async def connect(self, remote: str) -> None:
        """Follow the database at remote ("unix:/…/nb.sock", "tcp:a:6641,tcp:b:6641").

        Afterwards the connection mends itself; what is asked meanwhile waits up to timeout_s.

        Raises:
            ConnectError, NegotiateError
        """
        self._index = _Watch(self._on_port) if self._on_port else plan.Index()
        # Only here: the library is large, and a simulated network does without.
        from hanok.drivers.ovn import idl
        from hanok.drivers.ovn.idl import Replica

        if self._seal is not None and remote.startswith("ssl:"):
            idl.show(self._seal)
        copy = Replica(remote, "OVN_Northbound", plan.TABLES, self._index, name="ovn-northbound")
        try:
            await copy.connect(self._timeout_s)
        except BaseException:
            await copy.close()
            raise
        self._following = copy

    async def close(self) -> None:
        """Stop following; connect may be called again."""
        if self._following is not None:
            await self._following.close()
            self._following = None

    @property
    def _copy(self) -> Replica:
        if self._following is None:
            raise ConnectError("not connected to OVN_Northbound")
        return self._following

    async def apply(self, scope: str, rows: Sequence[Row], revision: int) -> bool:
        """Make the scope hold exactly these rows, in one transaction.

        Returns False, and does nothing, when the scope holds a newer revision. The same revision
        again is fine and mends what somebody else has changed. Rows of other scopes are not
        touched, but a switch or router that goes takes with it whatever was part of it.

        Raises:
            MissingParent: apply the scope of the switch, router or guard first.
            ConnectError, Unanswered, ExecuteError
        """
        stale = False

        def operations() -> list[Operation]:
            nonlocal stale
            try:
                return plan.Plan(self._index, self._copy, scope, rows, revision).operations
            except plan.Stale:
                stale = True
                return []

        await self._copy.transact(operations, self._timeout_s)
        return not stale

    async def scopes(self) -> dict[str, int]:
        """The scopes that hold rows, with their revisions. -1 where the revision was lost."""

        def look() -> dict[str, int]:
            return {scope: self._revision(scope) for scope in self._index.scopes}

        return await self._look(look)

    async def removed(self) -> dict[str, int]:
        """Scopes of which only the last revision is kept, against late writers."""

        def look() -> dict[str, int]:
            index = self._index
            return {s: self._revision(s) for s in index.markers if s not in index.scopes}

        return await self._look(look)

    async def forget(self, scopes: Collection[str]) -> None:
        """Drop the revisions of removed scopes; scopes that hold rows are left alone."""
        await self._copy.transact(lambda: plan.forget(self._index, scopes), self._timeout_s)

    async def dump(self, scope: str) -> list[Row]:
        """The rows as they are: only references that are really tied are shown."""
        return await self._look(lambda: reading.read(self._index, self._copy, scope))

    async def members(self, group_name: str) -> frozenset[str]:
        """The names of the ports that are really in a port group."""
        return await self._look(lambda: reading.members(self._index, self._copy, group_name))

    async def wait_applied(self, timeout_s: float) -> bool:
        """Wait until every chassis has done what was applied; False if not within timeout_s."""
        target = 0

        def count() -> list[Operation]:
            if not (rows := list(self._index.globals)):
                return [{"op": "insert", "table": "NB_Global", "row": {"nb_cfg": 1}}]
            return [
                {
                    "op": "mutate",
                    "table": "NB_Global",
                    "where": [["_uuid", "==", ["uuid", str(rows[0])]]],
                    "mutations": [["nb_cfg", "+=", 1]],
                }
            ]

        def read(column: str) -> int:
            for row in self._index.globals:
                for value in self._copy.cells("NB_Global", row).atoms(column):
                    if isinstance(value, int):
                        return value
            return -1

        await self._copy.transact(count, self._timeout_s)
        target = await self._look(lambda: read("nb_cfg"))
        return await self._copy.wait(lambda: read("hv_cfg") >= target, timeout_s)

    async def port_up(self, port_name: str) -> bool:
        """Whether a chassis has bound the port and its flows are there."""
        return await self._look(lambda: self._up(port_name))

    async def wait_port_up(self, port_name: str, timeout_s: float) -> bool:
        """Wait until a port is up; False when it is not within timeout_s."""
        return await self._copy.wait(lambda: self._up(port_name), timeout_s)

    def _up(self, port_name: str) -> bool:
        row = self._index.names.get((plan.PORT, port_name))
        return row is not None and True in self._copy.cells(plan.PORT, row).atoms("up")

    def _revision(self, scope: str) -> int:
        marker = self._index.markers.get(scope)
        return -1 if marker is None else int(marker[1][plan.REVISION])

    async def _look(self, look: Callable[[], T]) -> T:
        """Run a function on the copy while nothing moves."""
        found: list[T] = []

        def nothing() -> list[Operation]:
            found[:] = [look()]
            return []

        await self._copy.transact(nothing, self._timeout_s)
        return found[0]


class _Watch(plan.Index):
    """An index that also tells which guest ports come up and go down."""

    def __init__(self, tell: Callable[[str, bool], None]) -> None:
        super().__init__()
        self._tell = tell
        self._loop = asyncio.get_running_loop()
        self._are_up: set[str] = set()

    def forgotten(self) -> None:
        super().forgotten()
        self._are_up.clear()

    def row_changed(self, table: str, row: UUID, columns: Cells | None) -> None:
        name = self.key_of(table, row)
        super().row_changed(table, row, columns)
        if table != plan.PORT:
            return
        name = name or self.key_of(table, row)
        up = columns is not None and True in columns.atoms("up") and "" in columns.atoms("type")
        if not name or up == (name in self._are_up):
            return
        (self._are_up.add if up else self._are_up.discard)(name)
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._tell, name, up)
