"""What a provider is asked, and what it is given."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from msgspec import Struct
from sqlalchemy import Row

from hanok.store import Transaction

ONLINE, OFFLINE, ERROR, DEGRADED = "ONLINE", "OFFLINE", "ERROR", "DEGRADED"
DRAINING, NO_MONITOR = "DRAINING", "NO_MONITOR"


class Tree(Struct, frozen=True, kw_only=True):
    """A load balancer with all that is below it, in the order in which it was made; policies by position."""

    balancer: Row[Any]
    listeners: Sequence[Row[Any]] = ()
    pools: Sequence[Row[Any]] = ()
    members: Sequence[Row[Any]] = ()
    monitors: Sequence[Row[Any]] = ()
    policies: Sequence[Row[Any]] = ()
    rules: Sequence[Row[Any]] = ()

    @property
    def id(self) -> str:
        return str(self.balancer.id)

    def members_of(self, pool_id: str) -> list[Row[Any]]:
        return [one for one in self.members if one.pool_id == pool_id]

    def monitor_of(self, pool_id: str) -> Row[Any] | None:
        return next((one for one in self.monitors if one.pool_id == pool_id), None)

    def pool(self, pool_id: str | None) -> Row[Any] | None:
        return next((one for one in self.pools if one.id == pool_id), None)

    def alive(self) -> Tree:
        """The same without what is to go."""

        def stays(rows: Sequence[Row[Any]]) -> list[Row[Any]]:
            return [one for one in rows if one.provisioning_status != "PENDING_DELETE"]

        return Tree(
            balancer=self.balancer,
            listeners=stays(self.listeners),
            pools=stays(self.pools),
            members=stays(self.members),
            monitors=stays(self.monitors),
            policies=stays(self.policies),
            rules=stays(self.rules),
        )


class Stats(Struct, frozen=True, kw_only=True):
    """What a listener has carried. Connections and bytes since it was made."""

    active_connections: int = 0
    bytes_in: int = 0
    bytes_out: int = 0
    request_errors: int = 0
    total_connections: int = 0


class Capability(Struct, frozen=True):
    """A key that a flavor's or a zone's data may have. many: it is a list of texts."""

    name: str
    description: str
    values: tuple[str, ...] = ()
    many: bool = False


VIP_NETWORKS = Capability(
    "valid_vip_networks",
    "The networks that VIPs may be on, by id. Any, where there are none.",
    many=True,
)


COMPUTE_ZONE = Capability(
    "compute_zone",
    "The availability zone of the hosts that carry load balancers. Any, where none is said.",
)


class Provider(Protocol):
    """Carries load balancers. It is told of each as a whole, as it shall be, and may be told the same twice.

    name, description: as the API shows them. flavor_capabilities, zone_capabilities: what profiles of it may say.
    carries_each: whether it has something of its own for each load balancer, which operators know as an amphora.
    answers: whether it answers for the addresses itself, so that their port is nobody else's.
    """

    name: str
    description: str
    flavor_capabilities: Sequence[Capability]
    zone_capabilities: Sequence[Capability]
    carries_each: bool
    answers: bool

    def check(self, tree: Tree) -> None:
        """Raises NotSupported: this provider cannot carry it."""

    async def prepare(self, tx: Transaction, tree: Tree) -> None:
        """In the transaction that changes the load balancer: note that there is something to do."""

    async def apply(self, tree: Tree) -> None:
        """Make the data plane as the tree says; all of it is in force afterwards.

        Raises:
            Unavailable: not yet. StepFailed: it cannot be.
        """

    async def remove(self, balancer_id: str) -> None:
        """Leave nothing of it. Nothing there is fine, too."""

    async def health(self, tree: Tree) -> Mapping[str, str]:
        """The operating statuses (ONLINE, ERROR) of members that are checked, by id; one unknown is left out."""

    async def stats(self, tree: Tree) -> Mapping[str, Stats]:
        """What listeners have carried, by id."""

    async def look(self) -> Sequence[str]:
        """Mend what is otherwise than told; gives the ids of load balancers that have to be told again."""
