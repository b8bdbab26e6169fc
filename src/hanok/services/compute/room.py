"""What compute's handlers, operations and reconcilers work with."""

from __future__ import annotations

from typing import Protocol

from msgspec import Struct

from hanok.base.clock import Clock
from hanok.bus import Bus
from hanok.limits import Limits
from hanok.operations import Starter
from hanok.rooms import Ask
from hanok.services.image.facade import Images
from hanok.services.network.facade import Network
from hanok.store import Database
from hanok.web.tickets import Copies, Tickets


class ComputeSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An operator's choices.

    cpu_ratio, memory_ratio, disk_ratio: how much of a host's resources may be given out.
    reserved_memory_mib: of each host, for the host itself.
    down_after_s: a host that has not been heard of for so long counts as down.
    console_s: how long a console address is good for.
    consoles: sockets of consoles that one process holds at once; when all are taken, a project that has more than its
        share of them gives one to a project that has fewer.
    consoles_each_user, consoles_each_server: of these at most; the oldest of a server's goes for a new one.
    default_floating_pool: the external network, by name or id, of floating IPs that old clients want of no certain one.
    """

    cpu_ratio: float = 16.0
    memory_ratio: float = 1.0
    disk_ratio: float = 1.0
    reserved_memory_mib: int = 512
    down_after_s: int = 60
    console_s: int = 600
    consoles: int = 200
    consoles_each_user: int = 10
    consoles_each_server: int = 4
    zone: str = "nova"
    default_floating_pool: str = "public"


class Sealer(Protocol):
    """Keeps a secret closed while it is in the database."""

    def seal(self, payload: bytes) -> str: ...

    def open(self, text: str) -> bytes | None: ...


class Compute(Struct, frozen=True, kw_only=True):
    """copies: of disks, that hosts have left. tickets: lets hosts move bytes from and to here.

    ask: another service, asked as a user asks it.
    secrets: seals passwords that wait for their guest's config drive.
    """

    clock: Clock
    database: Database
    bus: Bus
    operations: Starter
    network: Network
    images: Images
    copies: Copies
    tickets: Tickets
    ask: Ask
    limits: Limits
    secrets: Sealer
    settings: ComputeSettings = ComputeSettings()
