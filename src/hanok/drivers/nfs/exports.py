"""What a share server gives out, and to whom."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path

Network = IPv4Network | IPv6Network


@dataclass(frozen=True)
class Client:
    """Those of a network have access."""

    network: Network
    writes: bool


@dataclass(frozen=True)
class Export:
    """A folder, mounted by clients as `/<name>`.

    number: of the export, 1 to 65535, its own on the server as long as it is given out. name: a UUID.
    """

    number: int
    name: str
    folder: Path
    clients: tuple[Client, ...]


@dataclass(frozen=True)
class Found:
    """A share in a back end. name: under which it was kept; "" for one that is known by its id.

    used_bytes: of the disk. size_bytes: the least that it can be taken over with.
    """

    share_id: str
    used_bytes: int
    size_bytes: int
    name: str = ""
