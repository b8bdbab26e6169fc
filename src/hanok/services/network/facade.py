"""What other rooms may ask of the network."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct

from hanok.commands import NIC
from hanok.store import Transaction
from hanok.web.token import Token


class FixedIP(Struct, frozen=True, kw_only=True):
    """An address of a port. dhcp: whether the subnet's DHCP hands it out; dns: name servers of the subnet."""

    subnet_id: str
    address: str
    version: int
    netmask: str
    gateway: str | None = None
    dhcp: bool = True
    dns: tuple[str, ...] = ()


class ServerPort(Struct, frozen=True, kw_only=True):
    """A port of a server, with what a guest and a user want to know of it."""

    port_id: str
    network_id: str
    network_name: str
    mac: str
    mtu: int
    fixed_ips: tuple[FixedIP, ...] = ()
    floating_ip: str | None = None
    security_groups: tuple[str, ...] = ()


class NICWish(Struct, frozen=True, kw_only=True):
    """A network card as a user asks for it: by port, or by network and perhaps address."""

    port_id: str | None = None
    network_id: str | None = None
    fixed_ip: str | None = None
    tag: str | None = None


class NICPlan(Struct, frozen=True, kw_only=True):
    """A network card as it will be: the port has its id before it exists. ours: made and removed with the server."""

    port_id: str
    network_id: str
    ours: bool
    fixed_ip: str | None = None
    tag: str | None = None


class Network:
    """The room. Functions that take tx join the caller's transaction; the others reach outside and take none."""

    async def plan(
        self, tx: Transaction, token: Token, wishes: Sequence[NICWish] | str, *, count: int = 1
    ) -> list[NICPlan]:
        """Check a server's wishes with the caller's eyes and give each card a port id.

        Args:
            wishes: cards in order, or "auto" (the only network the caller may use, none if there is none), or "none".
            count: how many servers are to be made so; with more than one, ports and addresses cannot be named.

        Raises:
            BadInput: an unknown network, an address that is not the network's, a network without a subnet.
            Conflict: the port is in use; "auto" and several networks to choose from; an address that is taken.
            Forbidden: an external network, for others than admins.
        """
        raise NotImplementedError

    async def check_security_groups(
        self, tx: Transaction, project_id: str, names: Sequence[str]
    ) -> list[str]:
        """Ids of a project's security groups by name or id.

        Raises:
            BadInput: there is none of that name, or several.
        """
        raise NotImplementedError

    async def bind(
        self,
        tx: Transaction,
        plans: Sequence[NICPlan],
        *,
        server_id: str,
        project_id: str,
        host: str,
        hostname: str,
        zone: str,
        security_groups: Sequence[str],
    ) -> None:
        """Make the ports that are ours, with addresses; set owner and host on all. Doing it twice changes nothing.

        Args:
            security_groups: names or ids, for the ports that are ours; empty for the project's default group.

        Raises:
            Conflict: no address is left, or a port was taken by another server.
            OverQuota: the project's ports.
        """
        raise NotImplementedError

    async def release(self, tx: Transaction, server_id: str) -> None:
        """Remove the ports that were made for a server and let go of the others; nothing is fine too."""
        raise NotImplementedError

    async def release_plans(
        self, tx: Transaction, server_id: str, plans: Sequence[NICPlan]
    ) -> None:
        """Undo `bind`."""
        raise NotImplementedError

    async def nics(self, tx: Transaction, server_id: str) -> tuple[NIC, ...]:
        """The cards of a server in their order, as a node wants them."""
        raise NotImplementedError

    async def applied(self, server_id: str, *, timeout_s: float) -> None:
        """Wait until the network engine knows the server's ports.

        Raises:
            Unavailable: it does not within timeout_s seconds.
        """
        raise NotImplementedError

    async def ports_of(
        self, tx: Transaction, server_ids: Sequence[str]
    ) -> dict[str, list[ServerPort]]:
        """The ports of servers, each in order of its cards."""
        raise NotImplementedError

    async def server_at(self, tx: Transaction, network_id: str, address: str) -> str | None:
        """The server whose port of this network has this address."""
        raise NotImplementedError

    async def differences(self) -> list[str]:
        """Where the engine's copy is not what the rows say, a line each."""
        raise NotImplementedError
