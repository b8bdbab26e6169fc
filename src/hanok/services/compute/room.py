"""What compute's handlers, operations and reconcilers work with."""

from __future__ import annotations

from collections.abc import Callable
from ssl import SSLContext
from typing import Literal, Protocol

from msgspec import Struct, field

from hanok.base.absence import Absence
from hanok.base.clock import Clock
from hanok.base.errors import Unavailable
from hanok.bus import Bus
from hanok.events import Outbox
from hanok.limits import Limits
from hanok.operations import Starter
from hanok.rooms import Ask
from hanok.services.block_storage.facade import BlockStorage
from hanok.services.image.facade import Images
from hanok.services.network.facade import Network
from hanok.store import Database
from hanok.web.tickets import Copies, Tickets


class PCIAlias(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a kind of PCI devices is called. Of several with one name any will do.

    name: as flavors have it.
    vendor_id, product_id: four hexadecimal digits each.
    resource_class: under which hosts offer the devices; empty: a name made of the two.
    traits: that a device must have.
    """

    name: str
    vendor_id: str = ""
    product_id: str = ""
    resource_class: str = ""
    traits: tuple[str, ...] = ()


class ComputeSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An operator's choices.

    cpu_ratio, memory_ratio, disk_ratio: how much of a host's resources may be given out.
    reserved_memory_mib: of each host, for the host itself.
    down_after_s: a host that has not been heard of for so long counts as down.
    console_s: how long a console address is good for.
    consoles: sockets of consoles that one process holds at once; when all are taken, a project that has more than its
        share of them gives one to a project that has fewer.
    consoles_each_user, consoles_each_server: of these at most; the oldest of a server's goes for a new one.
    zone: that hosts are in of which no aggregate says another.
    aggregate_image_properties_isolation: whether hosts in aggregates whose metadata names a property of images are kept
        for images that have one of the values there. …_namespace: the properties that this is for begin so, with the
        separator behind it; images without the property do not go there then.
    isolated_aggregates: whether hosts in aggregates with the metadata trait:X=required are kept for servers that
        require the trait X.
    shelved_offload_time_s: how long a shelved server stays on its host: 0 leaves it at once, -1 never.
    allow_resize_to_same_host: whether a server that gets another flavor may stay on its host.
    resize_confirm_window_s: after so long a resize is confirmed by itself; 0 never.
    reclaim_instance_interval_s: how long a deleted server can be restored; 0 not at all.
    ram_weight_multiplier, cpu_weight_multiplier, disk_weight_multiplier: how much it counts for a host that it has more
        memory, vCPUs or disk free than others (each weigher's figures are brought to between 0 and 1 before; the
        largest sum comes first). With a negative multiplier for memory the fullest hosts are looked at first.
    io_ops_weight_multiplier: how much it counts that something is done to many servers of a host.
    num_instances_weight_multiplier: how much it counts that a host has many servers.
    pci_weight_multiplier: how much it counts for servers that want PCI devices that many are free, and for others that
        none are.
    build_failure_weight_multiplier: how much it counts against a host that servers could not be built there.
    host_subset_size: among so many of the best hosts one is taken by chance.
    shuffle_best_same_weighed_hosts: whether chance decides between hosts that weigh as much as the best.
    max_io_ops_per_host: a host where something is done to so many servers takes no more; 0: no limit.
    max_instances_per_host: a host that has so many servers takes no more; 0: no limit.
    pci_aliases: what flavors may ask for by pci_passthrough:alias.
    max_local_block_devices: how many local disks a request for a server may describe; -1: any number.
    default_ephemeral_format: the file system of ephemeral disks of which nobody says another.
    max_disk_devices_to_attach: how many disks and volumes a server may have, together.
    dhcp_domain: what guests are told behind their host name; empty: nothing, for host names that have their own.
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
    aggregate_image_properties_isolation: bool = False
    aggregate_image_properties_isolation_namespace: str = ""
    aggregate_image_properties_isolation_separator: str = "."
    isolated_aggregates: bool = False
    shelved_offload_time_s: int = 0
    reclaim_instance_interval_s: int = 0
    allow_resize_to_same_host: bool = True
    resize_confirm_window_s: int = 0
    max_local_block_devices: int = 3
    max_disk_devices_to_attach: int = 26
    dhcp_domain: str = "novalocal"
    default_ephemeral_format: Literal["ext2", "ext3", "ext4", "xfs", "vfat"] = "ext4"
    default_floating_pool: str = "public"
    ram_weight_multiplier: float = 1.0
    cpu_weight_multiplier: float = 1.0
    disk_weight_multiplier: float = 1.0
    io_ops_weight_multiplier: float = -1.0
    num_instances_weight_multiplier: float = 0.0
    pci_weight_multiplier: float = 1.0
    build_failure_weight_multiplier: float = 1_000_000.0
    host_subset_size: int = 1
    shuffle_best_same_weighed_hosts: bool = False
    max_io_ops_per_host: int = 0
    max_instances_per_host: int = 0
    pci_aliases: tuple[PCIAlias, ...] = ()


class Sealer(Protocol):
    """Keeps a secret closed while it is in the database."""

    def seal(self, payload: bytes) -> str: ...

    def open(self, text: str) -> bytes | None: ...


class Compute(Struct, frozen=True, kw_only=True):
    """copies: of disks, that hosts have left. tickets: lets hosts move bytes from and to here.

    ask: another service, asked as a user asks it.
    find_volumes: block storage; None while it is switched off.
    secrets: seals passwords that wait for their guest's config drive.
    peers: what is shown to hosts on other machines, and whom of them is believed; None: they are on this one.
    absence: when nobody listened to hosts.
    """

    clock: Clock
    database: Database
    bus: Bus
    operations: Starter
    events: Outbox
    network: Network
    images: Images
    copies: Copies
    tickets: Tickets
    ask: Ask
    limits: Limits
    secrets: Sealer
    find_volumes: Callable[[], BlockStorage | None]
    peers: Callable[[], SSLContext] | None = None
    absence: Absence = field(default_factory=Absence)
    settings: ComputeSettings = ComputeSettings()

    @property
    def volumes(self) -> BlockStorage:
        """Block storage.

        Raises:
            Unavailable: it is switched off.
        """
        found = self.find_volumes()
        if found is None:
            raise Unavailable("Block storage is switched off in this cloud.")
        return found
