"""What shares need of a back end, and of what gives them out. Everything may be repeated."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from hanok.commands import EnsureShareServer, ShareBackendState
from hanok.drivers.nfs.exports import Export, Found


class ShareBackend(Protocol):
    """A place of shares. Sizes hold: what a share holds never passes its size.

    Methods raise ShareError: NotThere, TooSmall, or what failed.
    """

    def state(self) -> ShareBackendState:
        """What it has and can; `provisioned_gib` aside."""

    def is_full(self) -> bool:
        """Whether there is so little room that nobody is to write to its shares."""

    async def adopt(self) -> None:
        """Whatever was under way when the node was killed leaves nothing."""

    async def blank(self, share_id: str) -> None:
        """An empty share is there."""

    async def copy(
        self, share_id: str, origin: ShareBackend, source: str, snapshot_id: str
    ) -> None:
        """A share with the content of another, or of a snapshot of it, is there; it may take long.

        origin: whose that is. snapshot_id: "" for none.
        """

    async def take_over(self, share_id: str, name: str) -> None:
        """What was kept under a name is a share again."""

    async def take_over_snapshot(self, share_id: str, snapshot_id: str, name: str) -> None:
        """What was kept under a name is a snapshot again."""

    async def resize(self, share_id: str, size_gib: int) -> None:
        """Raises TooSmall: it holds more than that."""

    async def used_bytes(self, share_id: str) -> int: ...

    def belongs(self, snapshot_id: str, share_id: str) -> None:
        """Whose snapshot it is: told before anything is done with it."""

    async def snapshot(self, share_id: str, snapshot_id: str) -> None: ...

    async def revert(self, share_id: str, snapshot_id: str) -> None:
        """The share holds what its snapshot does. Nobody has it open."""

    async def open(self, name: str) -> Path:
        """A share or a snapshot is a folder; of a snapshot nothing is written."""

    async def close(self, name: str) -> None:
        """It is not, whoever has it open."""

    async def remove(self, name: str, keep: str) -> None:
        """Nothing of a share or a snapshot is there, or it is kept under a name."""

    async def found(self) -> list[Found]: ...


class ShareServers(Protocol):
    """What gives shares out. server_id "": the host's own."""

    async def ensure(self, spec: EnsureShareServer) -> None:
        """Its addresses are there."""

    async def serve(self, server_id: str, exports: Sequence[Export]) -> frozenset[str]:
        """These exports and no others are in force. A server without any need not run.

        Gives the names of those that it refuses.
        """

    async def remove(self, server_id: str) -> None:
        """Nothing of it is there."""

    def own_addresses(self) -> tuple[str, ...]:
        """Where the host itself gives out shares; none: it does not."""

    def alive(self, server_id: str) -> bool:
        """Whether it runs, if it has something to give out."""

    def let_go(self) -> None:
        """They go on without us."""
