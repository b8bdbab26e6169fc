"""Shares of a simulated host: back ends without bytes, and servers that nobody reaches.

What a share holds is a number, `hold` says it. All else (records, generations, rules, refusals) is what real hosts do.
With a folder that outlives a restart each share and snapshot is a file there that says how much is in it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from msgspec import Struct

from hanok.base.ids import is_uuid
from hanok.commands import EnsureShareServer, ShareBackendState
from hanok.drivers.nfs.errors import NotThere, TooSmall
from hanok.drivers.nfs.exports import Export, Found
from hanok.node.records import write_whole
from hanok.node.share_backends import ShareBackend
from hanok.node.share_records import ShareRecords
from hanok.node.shares import Shares

GIB = 1 << 30
OWN_ADDRESSES = ("192.0.2.10", "2001:db8::10")  # those of documentation: nobody is there
CAPABILITIES = {
    "snapshot_support": "True",
    "create_share_from_snapshot_support": "True",
    "revert_to_snapshot_support": "True",
    "mount_snapshot_support": "True",
    "thin_provisioning": "True",
    "ipv4_support": "True",
    "ipv6_support": "True",
}
"""What back ends here can do, in the words of share types' extra specs."""


class SimulatedShareBackend(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A back end of a simulated host. reason: why it does not work, if it does not."""

    gib: float = 1000.0
    over_subscription: float = 20.0
    reserved_percentage: int = 0
    reason: str = ""


USUAL_SHARE_BACKENDS = {"folder": SimulatedShareBackend(), "folder2": SimulatedShareBackend()}


class SimulatedPool:
    """Names and how much each holds. folder: where that outlives us; None: in memory only."""

    def __init__(self, name: str, shape: SimulatedShareBackend, folder: Path | None) -> None:
        self.name, self._shape, self._folder = name, shape, folder
        self._held: dict[str, tuple[int, str]] = {}
        """By name: bytes, and whose snapshot it is."""
        if folder is not None:
            folder.mkdir(parents=True, exist_ok=True)
            for path in folder.iterdir():
                used, _, owner = path.read_text().partition(" ")
                self._held[path.name] = int(used), owner

    def hold(self, name: str, used_bytes: int) -> None:
        """A guest has written so much."""
        self._put(name, used_bytes, self._get(name)[1])

    def _put(self, name: str, used: int, owner: str = "") -> None:
        self._held[name] = used, owner
        if self._folder is not None:
            write_whole(self._folder / name, f"{used} {owner}".encode(), durable=False)

    def _get(self, name: str) -> tuple[int, str]:
        if name not in self._held:
            raise NotThere("the back end does not have that share")
        return self._held[name]

    def state(self) -> ShareBackendState:
        used = sum(one for one, _ in self._held.values()) / GIB
        return ShareBackendState(
            name=self.name,
            driver="simulated",
            total_gib=self._shape.gib,
            free_gib=max(0.0, self._shape.gib - used),
            over_subscription=self._shape.over_subscription,
            reserved_percentage=self._shape.reserved_percentage,
            capabilities=CAPABILITIES,
            reason=self._shape.reason,
        )

    def is_full(self) -> bool:
        return False

    async def adopt(self) -> None:
        return None

    async def blank(self, share_id: str) -> None:
        if share_id not in self._held:
            self._put(share_id, 0)

    async def copy(
        self, share_id: str, origin: ShareBackend, source: str, snapshot_id: str
    ) -> None:
        if share_id not in self._held:
            self._put(share_id, await origin.used_bytes(snapshot_id or source))

    async def take_over(self, share_id: str, name: str) -> None:
        if share_id not in self._held:
            self._put(share_id, self._get(name)[0])
            self._drop(name)

    async def take_over_snapshot(self, share_id: str, snapshot_id: str, name: str) -> None:
        if snapshot_id not in self._held:
            self._put(snapshot_id, self._get(name)[0], share_id)
            self._drop(name)

    async def resize(self, share_id: str, size_gib: int) -> None:
        used, _ = self._get(share_id)
        if used > size_gib * GIB:
            raise TooSmall(used)

    async def used_bytes(self, share_id: str) -> int:
        return self._get(share_id)[0]

    def belongs(self, snapshot_id: str, share_id: str) -> None:
        return None

    async def snapshot(self, share_id: str, snapshot_id: str) -> None:
        if snapshot_id not in self._held:
            self._put(snapshot_id, self._get(share_id)[0], share_id)

    async def revert(self, share_id: str, snapshot_id: str) -> None:
        self._put(share_id, self._get(snapshot_id)[0])

    async def open(self, name: str) -> Path:
        self._get(name)
        return Path("/nowhere") / name

    async def close(self, name: str) -> None:
        return None

    async def remove(self, name: str, keep: str) -> None:
        if keep and name in self._held:
            self._put(keep, *self._held[name])
        self._drop(name)

    def _drop(self, name: str) -> None:
        self._held.pop(name, None)
        if self._folder is not None:
            (self._folder / name).unlink(missing_ok=True)

    async def found(self) -> list[Found]:
        return [
            Found(
                share_id=name if is_uuid(name) else "",
                used_bytes=used,
                size_bytes=used,
                name="" if is_uuid(name) else name,
            )
            for name, (used, owner) in self._held.items()
            if not owner
        ]


class SimulatedShareServers:
    """They remember what they give out."""

    def __init__(self) -> None:
        self.served: dict[str, tuple[Export, ...]] = {}

    async def ensure(self, spec: EnsureShareServer) -> None:
        self.served.setdefault(spec.server_id, ())

    async def serve(self, server_id: str, exports: Sequence[Export]) -> frozenset[str]:
        self.served[server_id] = tuple(exports)
        return frozenset()

    async def remove(self, server_id: str) -> None:
        self.served.pop(server_id, None)

    def own_addresses(self) -> tuple[str, ...]:
        return OWN_ADDRESSES

    def alive(self, server_id: str) -> bool:
        return True

    def let_go(self) -> None:
        return None


def shares_of(
    host: str, shapes: Mapping[str, SimulatedShareBackend], folder: Path | None
) -> Shares:
    """The shares of a simulated host. folder: where they outlive us; None: in memory only."""
    backends: dict[str, ShareBackend] = {
        name: SimulatedPool(name, shape, None if folder is None else folder / "pools" / name)
        for name, shape in shapes.items()
    }
    records = ShareRecords(folder, durable=False)
    return Shares(host, records, backends, SimulatedShareServers())
