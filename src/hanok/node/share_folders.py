"""Shares of a real host: back ends that are folders, and share servers that are Ganeshas in namespaces."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from hanok.commands import EnsureShareServer, ShareBackendState
from hanok.drivers.nfs import ganesha, pool
from hanok.drivers.nfs.exports import Export
from hanok.drivers.nfs.ganesha import Ganesha
from hanok.drivers.nfs.pool import Pool
from hanok.node.chassis import Chassis
from hanok.node.errors import NotDone
from hanok.node.settings import NodeSettings, ShareBackendSettings
from hanok.node.share_backends import ShareBackend
from hanok.node.share_records import ShareRecords
from hanok.node.shares import Shares

GIB = 1 << 30
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
OWN = "00000000-0000-0000-0000-000000000000"  # what the host's own server is called in folders


class FolderBackend(Pool):
    """A pool, and what is told of it."""

    def __init__(self, settings: ShareBackendSettings, folder: Path, run: Path) -> None:
        super().__init__(folder, run)
        self._settings, self._place, self._full = settings, folder, False

    def is_full(self) -> bool:
        """Whether there is so little room that nobody is to write to its shares, until there is a quarter more."""
        try:
            space = os.statvfs(self._place)
        except OSError:
            return False
        spare = self._settings.spare_gib * (1.25 if self._full else 1.0)
        self._full = space.f_bavail * space.f_frsize < spare * GIB
        return self._full

    async def copy(
        self, share_id: str, origin: ShareBackend, source: str, snapshot_id: str
    ) -> None:
        """A share with the content of another, or of a snapshot of it."""
        if not isinstance(origin, Pool):
            raise NotDone("A share is made of one of the same kind of back end only.")
        await self.clone(share_id, origin, source, snapshot_id)

    def state(self) -> ShareBackendState:
        lacks = list(_missing())
        try:
            space = os.statvfs(self._place)
            total, free = space.f_blocks * space.f_frsize, space.f_bavail * space.f_frsize
        except OSError as error:
            total = free = 0
            lacks.append(f"{self._place}: {error.strerror}")
        return ShareBackendState(
            name=self._settings.name,
            driver="folder",
            total_gib=total / GIB,
            free_gib=free / GIB,
            over_subscription=self._settings.over_subscription,
            reserved_percentage=self._settings.reserved_percentage,
            capabilities=CAPABILITIES,
            reason="; ".join(lacks),
        )


def _missing() -> Iterator[str]:
    """What this host lacks for shares."""
    yield from pool.missing()
    yield from ganesha.missing()


ANY_IPV4 = "0.0.0.0"  # noqa: S104 - in a namespace of its own


class GaneshaServers:
    """
    Args:
        make: a server of an id, in the namespace of a path (None: in ours).
        own: the addresses at which the host gives out shares itself.
    """

    def __init__(
        self,
        chassis: Chassis,
        make: Callable[[str, str | None], Ganesha],
        own: tuple[str, ...] = (),
    ) -> None:
        self._chassis, self._make, self._own = chassis, make, own
        self._processes: dict[str, Ganesha] = {}
        self._needed: set[str] = set()
        """Those that have something to give out."""

    def _server(self, server_id: str, namespace: str | None = None) -> Ganesha:
        found = self._processes.get(server_id)
        if found is None:
            found = self._processes[server_id] = self._make(server_id or OWN, namespace)
        return found

    async def ensure(self, spec: EnsureShareServer) -> None:
        """Its namespace and addresses are there."""
        port = spec.port
        ways = [("::/0" if ":" in one else "0.0.0.0/0", one) for one in port.gateways]
        ways += [(one.destination, one.next_hop) for one in port.routes]
        namespace = await self._chassis.ensure_balancer(
            spec.server_id, port.port_id, port.mac, port.mtu, port.addresses, tuple(ways)
        )
        server = self._server(spec.server_id, namespace)
        server.namespace = namespace
        # All of its namespace. Without an address of IPv6 there, Ganesha does not find "::" and does not start.
        server.address = "::" if any(":" in one for one in port.addresses) else ANY_IPV4

    async def serve(self, server_id: str, exports: Sequence[Export]) -> frozenset[str]:
        """These exports and no others are in force; gives those that are refused."""
        if exports:
            self._needed.add(server_id)
        else:
            self._needed.discard(server_id)
        return await self._server(server_id).serve(exports)

    async def remove(self, server_id: str) -> None:
        """Nothing of it is there."""
        self._needed.discard(server_id)
        await self._server(server_id).remove()
        await self._chassis.remove_balancer(server_id)
        self._processes.pop(server_id).let_go()

    def own_addresses(self) -> tuple[str, ...]:
        return self._own

    def alive(self, server_id: str) -> bool:
        return server_id not in self._needed or self._server(server_id).alive()

    def let_go(self) -> None:
        for one in self._processes.values():
            one.let_go()


def shares_of(settings: NodeSettings, chassis: Chassis) -> Shares:
    """The shares of this host."""
    state, run = Path(settings.state_dir) / "shares", Path(settings.run_dir) / "sh"
    own = (settings.shares_address,) if settings.shares_address else ()

    def make(server_id: str, namespace: str | None) -> Ganesha:
        address = ANY_IPV4  # of its namespace; see `ensure`
        if namespace is None:  # the host's own, or there is no network here
            address = settings.shares_address or "127.0.0.1"
        return Ganesha(
            run / server_id.replace("-", "")[:16],
            state / "recovery" / server_id,
            server_id,
            namespace=namespace,
            address=address,
            port=settings.shares_port,
        )

    backends: Mapping[str, ShareBackend] = {
        one.name: FolderBackend(
            one, Path(one.folder or state / "pools" / one.name), run / "b" / one.name
        )
        for one in settings.share_backends
    }
    servers = GaneshaServers(chassis, make, own)
    return Shares(settings.host, ShareRecords(state), dict(backends), servers)
