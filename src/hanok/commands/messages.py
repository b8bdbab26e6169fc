"""The messages themselves: msgspec Structs, tagged by `command` and `answer`."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from msgspec import Struct, field

from hanok.commands.devices import Devices
from hanok.commands.guest_volumes import Bus, GuestVolume
from hanok.commands.limits import Limited, Limits

Power = Literal["running", "paused", "suspended", "stopped", "crashed"]
"""suspended: memory saved to a file, no process. stopped: no process. crashed: ended by itself."""


# ---- pieces -----------------------------------------------------------------------------------------------------


class MetadataPort(Struct, frozen=True, kw_only=True):
    """The port of a network through which guests reach 169.254.169.254.

    addresses: of the port itself, with prefix length ("10.0.0.2/24"), one a subnet.
    """

    port_id: str
    mac: str
    addresses: tuple[str, ...] = ()


class NIC(Struct, frozen=True, kw_only=True):
    """A network interface of a guest: a port of the network service."""

    port_id: str
    network_id: str
    mac: str
    mtu: int = 1442
    metadata: MetadataPort | None = None


class DiskFile(Struct, frozen=True, kw_only=True):
    """A file of a config drive: path inside the drive ("openstack/latest/meta_data.json") and content."""

    path: str
    content: bytes


class ByteChannel(Struct, frozen=True, kw_only=True):
    """Where control gives or takes bytes over HTTP, and the ticket that lets this host do that for a while."""

    url: str
    ticket: str


class HostCell(Struct, frozen=True, kw_only=True):
    """A NUMA cell of a host.

    shared, dedicated: its CPUs that guests float on, and those that are given to one guest each. cores: CPUs that are
    threads of one core. pages: how many huge pages there are by size (KiB); what they hold counts in memory_mib, too.
    """

    id: int
    memory_mib: int
    shared: tuple[int, ...] = ()
    dedicated: tuple[int, ...] = ()
    cores: tuple[tuple[int, ...], ...] = ()
    pages: dict[int, int] = {}


class HostDevice(Struct, frozen=True, kw_only=True):
    """A PCI device of a host that may be handed to a guest. address: 0000:3b:00.1. cell: the NUMA cell it is near."""

    address: str
    vendor_id: str
    product_id: str
    cell: int | None = None
    kind: Literal["type-PCI", "type-PF", "type-VF"] = "type-PCI"


class GuestCell(Struct, frozen=True, kw_only=True):
    """A NUMA node of a guest, and where it is.

    cpus: of the guest. pins: the host's CPU by the guest's, of those that have one alone; the others float on `shared`.
    page_kib: the size of its memory's pages. spare: CPUs that go to the emulator, before it is known where that is.
    """

    host_cell: int
    cpus: tuple[int, ...]
    memory_mib: int
    page_kib: int = 4
    pins: dict[int, int] = {}
    shared: tuple[int, ...] = ()
    spare: tuple[int, ...] = ()


class Topology(Struct, frozen=True, kw_only=True):
    """Where on its host a guest's CPUs and memory are.

    emulator: the host's CPUs on which the emulator runs; none: anywhere. own_emulator: that it has for itself.
    paged: whether a page size was asked for.
    """

    cells: tuple[GuestCell, ...]
    policy: str = "shared"
    threads: str = ""
    emulator: tuple[int, ...] = ()
    own_emulator: bool = False
    paged: bool = False


# ---- commands ---------------------------------------------------------------------------------------------------


class Command(Struct, frozen=True, kw_only=True, tag_field="command"):
    """A state wanted on a host. request_id goes into the node's log lines."""

    request_id: str = ""


class Ping(Command, frozen=True, kw_only=True, tag="ping"):
    """The host is there. Answer: Done."""


class DescribeHost(Command, frozen=True, kw_only=True, tag="describe_host"):
    """What the host has and how it runs guests. Answer: HostState."""


class ListInventory(Command, frozen=True, kw_only=True, tag="list_inventory"):
    """Everything of ours on the host, for comparison with the database. Answer: HostInventory."""


class EnsureImage(Command, frozen=True, kw_only=True, tag="ensure_image"):
    """The image is in the host's cache, its hash checked when it was first taken. Answer: ImageState.

    disk_format: raw, qcow2 or iso. hash_algorithm, hash_value: of the bytes (sha224, sha256, sha384 or sha512; in
    hexadecimal); an image with another one is refused. The bytes come from the node's configured image stores, by id;
    where those do not have them, from the source.
    """

    image_id: str
    disk_format: str
    size_bytes: int
    hash_algorithm: str = "sha512"
    hash_value: str
    source: ByteChannel | None = None


class ForgetImage(Command, frozen=True, kw_only=True, tag="forget_image"):
    """The image is not in the cache, unless a guest's disk still stands on it. Answer: Done."""

    image_id: str


class RescueDisk(Struct, frozen=True, kw_only=True):
    """An image that a guest boots from while it is rescued; its own root disk is there as a second one.

    stable: its own disks keep their places, and the image comes after them. bus, device: how the guest sees it; a
    CD-ROM is on a bus that knows some, and is not written to.
    """

    image_id: str
    stable: bool = False
    bus: Bus = "virtio"
    device: Literal["disk", "cdrom"] = "disk"


class GuestDisk(Struct, frozen=True, kw_only=True):
    """A disk of a guest, as the guest sees it.

    name: root; ephemeral0 and so on; swap; installer, the server's image as a CD-ROM; config, the config drive.
    of_image: whether it shows the server's image; otherwise it is empty at first.
    size_mib: of an ephemeral disk, or of swap space. file_system: what an ephemeral disk has: ext2, ext3, ext4, xfs or
    vfat. boot_index: 0 is tried first; None: never.
    """

    name: str
    of_image: bool = False
    size_mib: int = 0
    file_system: str = ""
    bus: Bus = "virtio"
    device: Literal["disk", "cdrom"] = "disk"
    boot_index: int | None = None


class DirectKernel(Struct, frozen=True, kw_only=True):
    """A kernel that is started without the guest's own boot loader: ids of images, and what the kernel is told."""

    kernel_id: str
    ramdisk_id: str = ""
    command_line: str = ""


class EnsureInstance(Command, frozen=True, kw_only=True, tag="ensure_instance"):
    """The guest exists on this host with this shape, and is in the wanted power state. Answer: InstanceState.

    What it consists of takes effect when its process starts the next time.
    disk_gib: size of the root disk; 0 takes the image's own size.
    disk_generation: a root disk of an older one, which an existing guest may have, is thrown away and made anew of the
    image, and so are the further disks unless keep_ephemeral is set; the process is ended for that. Otherwise an
    existing disk is never replaced.
    disks: all of them, in the guest's order; without any it has a root disk of the image, and ephemeral_gib and
    swap_mib say what it has besides. image_id: empty where a volume is what it boots from: it has no root disk then,
    and `disks` names none. volumes: all of them, behind its disks. Further disks that are not named any more are
    thrown away while the guest has no process.
    scsi_model: the controller of its SCSI disks. kernel: what it starts instead of its boot loader.
    rescue: what it boots from meanwhile; None: its own root disk.
    checkpoint: the name under which its disks are kept as they were when this was first asked for; "" for none, and
    what was kept before is dropped. restore: the name under which the disks were kept: they are so again.
    topology: where its CPUs and memory are on the host; None: anywhere. host_devices: addresses of its PCI devices.
    project_id, user_id, name and hostname are for the node's records and SMBIOS.
    devices: what it is made of besides.
    """

    server_id: str
    generation: int
    name: str
    hostname: str
    project_id: str
    user_id: str
    vcpus: int
    memory_mib: int
    disk_gib: int
    ephemeral_gib: int = 0
    swap_mib: int = 0
    image_id: str
    image_format: str
    nics: tuple[NIC, ...] = ()
    config_drive: tuple[DiskFile, ...] = ()
    power: Literal["running", "stopped"] = "running"
    disks: tuple[GuestDisk, ...] = ()
    scsi_model: str = "virtio-scsi"
    kernel: DirectKernel | None = None
    disk_generation: int = 0
    keep_ephemeral: bool = False
    rescue: RescueDisk | None = None
    checkpoint: str = ""
    restore: str = ""
    topology: Topology | None = None
    host_devices: tuple[str, ...] = ()
    devices: Devices = Devices()
    limits: Limits = Limits()
    volumes: tuple[GuestVolume, ...] = ()


class SetPower(Command, frozen=True, kw_only=True, tag="set_power"):
    """An existing guest is in this power state. Answer: InstanceState.

    soft: ask the guest first (ACPI) and wait up to timeout_s before the power is cut.
    """

    server_id: str
    generation: int
    power: Literal["running", "paused", "suspended", "stopped"]
    soft: bool = True
    timeout_s: float = 60.0


class RebootInstance(Command, frozen=True, kw_only=True, tag="reboot_instance"):
    """The guest has been rebooted once for this generation. Answer: InstanceState.

    soft: ACPI first, up to timeout_s, then hard. Hard: the process is started anew.
    """

    server_id: str
    generation: int
    soft: bool = False
    timeout_s: float = 60.0


class SetInterfaces(Command, frozen=True, kw_only=True, tag="set_interfaces"):
    """An existing guest has these network interfaces and no others, also while it runs. Answer: InstanceState.

    config_drive: what its config drive says from its next start on.
    timeout_s: how long a guest may take to let go of an interface. required: whether one that does not is an error; if
    not, its interface leads nowhere until it is started anew.
    """

    server_id: str
    generation: int
    nics: tuple[NIC, ...] = ()
    config_drive: tuple[DiskFile, ...] = ()
    timeout_s: float = 20.0
    required: bool = True


class InjectNMI(Command, frozen=True, kw_only=True, tag="inject_nmi"):
    """The guest has had a non-maskable interrupt, once for each token. Answer: Done.

    token: the id of what asked for it.
    """

    server_id: str
    token: str


class AskAgent(Command, frozen=True, kw_only=True, tag="ask_agent"):
    """The guest's agent answers; with a password, that is the user's from now on. Answer: Done.

    timeout_s: how long the agent may take.
    """

    server_id: str
    user: str = ""
    password: str = ""
    timeout_s: float = 5.0


class RemoveInstance(Command, frozen=True, kw_only=True, tag="remove_instance"):
    """Nothing of the guest is on this host: process, taps, disks, files. Answer: Done.

    It succeeds when there never was anything. Later commands with an older generation are refused.
    """

    server_id: str
    generation: int


class MovedDisk(Struct, frozen=True, kw_only=True):
    """A file of a guest that goes to another host. name: among the guest's files."""

    name: str
    size_bytes: int


class DiskFacts(Struct, frozen=True, kw_only=True):
    """What a host has to know of a guest's disks, and of the machine that they were first used by, to use them.

    places, root_ports: of a guest that runs, where its devices are.
    """

    image_id: str = ""
    image_format: str = ""
    blank_root: bool = False
    disk_generation: int = 0
    machine: str = ""
    requested_machine: str = field(default="", name="machine_asked")
    places: dict[str, int] = {}
    root_ports: int = 0


class OfferDisks(Command, frozen=True, kw_only=True, tag="offer_disks"):
    """The disks of a guest that has no process are for another host to read, for a while. Answer: OfferedDisks.

    live: of one that runs, what of its files does not change while it does, and how large its disks are.
    """

    server_id: str
    generation: int
    to_host: str
    live: bool = False


class TakeDisks(Command, frozen=True, kw_only=True, tag="take_disks"):
    """A guest's disks, which another host offers, are on this one, for the EnsureInstance that comes next.

    Answer: TakenDisks, after at most wait_s; ask again until it is done. What broke goes on where it was.
    """

    server_id: str
    generation: int
    source: ByteChannel
    disks: tuple[MovedDisk, ...] = ()
    facts: DiskFacts = DiskFacts()
    wait_s: float = 5.0


class EnsureSnapshot(Command, frozen=True, kw_only=True, tag="ensure_snapshot"):
    """The guest's root disk, as it was at one moment, is a file of its own in the host's snapshot folder.

    The guest goes on meanwhile. Answer: SnapshotState, after at most wait_s; ask again until it is done.
    quiesce: whether the file systems of a guest that runs stand still at that moment, by its agent: not at all, if the
    agent does it, or else there is no copy.
    """

    server_id: str
    snapshot_id: str
    wait_s: float = 5.0
    quiesce: Literal["no", "try", "require"] = "no"


class HandOverSnapshot(Command, frozen=True, kw_only=True, tag="hand_over_snapshot"):
    """Control has the finished copy, which it does not find in the folder where hosts of its machine leave them.

    Answer: SnapshotState, after at most wait_s; ask again until it is done.
    """

    server_id: str
    snapshot_id: str
    target: ByteChannel
    wait_s: float = 5.0


class ForgetSnapshot(Command, frozen=True, kw_only=True, tag="forget_snapshot"):
    """Nothing of the snapshot is on the host, and nothing makes it any more. Answer: Done."""

    server_id: str
    snapshot_id: str


class ReadConsole(Command, frozen=True, kw_only=True, tag="read_console"):
    """The end of the guest's serial log. lines: how many; None for all that is kept. Answer: ConsoleLog."""

    server_id: str
    lines: int | None = None


class OpenConsole(Command, frozen=True, kw_only=True, tag="open_console"):
    """A way to the guest's console for one connection. Answer: ConsoleAddress."""

    server_id: str
    kind: Literal["vnc", "serial"] = "vnc"


class ReadDiagnostics(Command, frozen=True, kw_only=True, tag="read_diagnostics"):
    """What a running guest has done. Answer: Diagnostics."""

    server_id: str


HOST_COMMANDS = (
    Ping
    | DescribeHost
    | ListInventory
    | EnsureImage
    | ForgetImage
    | EnsureInstance
    | SetPower
    | RebootInstance
    | SetInterfaces
    | InjectNMI
    | AskAgent
    | RemoveInstance
    | OfferDisks
    | TakeDisks
    | EnsureSnapshot
    | HandOverSnapshot
    | ForgetSnapshot
    | ReadConsole
    | OpenConsole
    | ReadDiagnostics
)


# ---- answers ----------------------------------------------------------------------------------------------------


class Done(Struct, frozen=True, kw_only=True, tag_field="answer", tag="done"):
    """It is so."""


class Failed(Struct, frozen=True, kw_only=True, tag_field="answer", tag="failed"):
    """It could not be done. message is for the user; detail for the log. transient: worth trying again."""

    message: str
    detail: str = ""
    transient: bool = False


class Stale(Struct, frozen=True, kw_only=True, tag_field="answer", tag="stale"):
    """The command's generation is older than one that the node has already seen."""

    known_generation: int = field(name="seen_generation")


class ImageState(Struct, frozen=True, kw_only=True, tag_field="answer", tag="image"):
    """An image in the cache. copied: whether this command brought it."""

    image_id: str
    virtual_size_bytes: int
    copied: bool


class InstanceState(Struct, frozen=True, kw_only=True, tag_field="answer", tag="instance"):
    """A guest as it is. started_at: when its process began to run it. uptime is from there.

    reason: why it is so where nobody asked for that, in the user's terms; the event that told of it may be lost.
    """

    server_id: str
    generation: int
    power: Power
    started_at: datetime | None = None
    accelerator: str = ""
    reason: str = ""


class SnapshotState(Struct, frozen=True, kw_only=True, tag_field="answer", tag="snapshot"):
    """A snapshot. done: whether it is whole. copied, total: bytes of the disk; 0 if unknown."""

    snapshot_id: str
    done: bool
    disk_format: str = "qcow2"
    copied: int = 0
    total: int = 0


class ConsoleLog(Struct, frozen=True, kw_only=True, tag_field="answer", tag="console_log"):
    text: str


class OfferedDisks(Struct, frozen=True, kw_only=True, tag_field="answer", tag="offered_disks"):
    """Where another host reads a guest's disks: the address of a file is the channel's, and its name.

    sizes: in bytes by name, as a guest that runs sees its disks.
    """

    source: ByteChannel
    disks: tuple[MovedDisk, ...] = ()
    facts: DiskFacts = DiskFacts()
    sizes: dict[str, int] = {}


class TakenDisks(Struct, frozen=True, kw_only=True, tag_field="answer", tag="taken_disks"):
    """How far it is: bytes that are here, and all of them."""

    done: bool
    copied: int = 0
    total: int = 0


class ConsoleAddress(Struct, frozen=True, kw_only=True, tag_field="answer", tag="console_address"):
    """Where to connect (TCP), and the line to send first. It is good for one connection, for a short time.

    sealed: whether that is TLS, with a certificate of the cloud's at either end.
    """

    host: str
    port: int
    ticket: str
    sealed: bool = False


class DiskCounters(Struct, frozen=True, kw_only=True):
    """What went through a disk since the guest was started. errors: requests that failed."""

    read_bytes: int = 0
    read_requests: int = 0
    write_bytes: int = 0
    write_requests: int = 0
    errors: int = 0


class NICCounters(Struct, frozen=True, kw_only=True):
    """What the guest has received (rx) and sent (tx) by an interface. None: this host does not count it."""

    port_id: str
    mac: str = ""
    rx_octets: int | None = None
    rx_packets: int | None = None
    rx_errors: int | None = None
    rx_drop: int | None = None
    tx_octets: int | None = None
    tx_packets: int | None = None
    tx_errors: int | None = None
    tx_drop: int | None = None


class Diagnostics(Struct, frozen=True, kw_only=True, tag_field="answer", tag="diagnostics"):
    """What a guest has done. cpu_times_ns: by processor. memory_used_mib: of its host. disks, nics: in order.

    memory_figures: what it says of its memory itself, in KiB, by the field's names ("unused"); faults are counts.
    """

    server_id: str
    power: Power
    accelerator: str
    memory_mib: int
    memory_used_mib: int
    memory_figures: dict[str, int] = field(default_factory=dict)
    started_at: datetime | None = None
    cpu_times_ns: tuple[int, ...] = ()
    disks: tuple[DiskCounters, ...] = ()
    nics: tuple[NICCounters, ...] = ()


class HostState(Struct, frozen=True, kw_only=True, tag_field="answer", tag="host"):
    """A host: what it has, what is free, how it runs guests.

    ratios: how much of a resource class ("VCPU") may be given out, where its operator says it of this host.
    accelerator: "kvm" or "tcg"; accelerator_reason: how that was found out, in plain English. warnings: what an
    operator should know, likewise.
    limits: what it can hold guests to. overhead_mib: of memory that a guest's process needs beside the guest's own.
    traits: of its resource provider. offers: what no trait stands for ("machine:q35", "watchdog").
    hypervisors: "qemu", and "kvm" where guests run on it. cpu_flags: what a guest's processors can do.
    """

    host: str
    address: str
    vcpus: int
    memory_mib: int
    memory_free_mib: int
    disk_gib: int
    disk_free_gib: int
    accelerator: str
    accelerator_reason: str
    qemu_version: str
    cpu_model: str
    cpu_arch: str = "x86_64"
    cpu_vendor: str = ""
    running_guests: int = 0
    uptime_s: int = 0
    load: tuple[float, float, float] = (0.0, 0.0, 0.0)
    simulated: bool = False
    cells: tuple[HostCell, ...] = ()
    devices: tuple[HostDevice, ...] = ()
    ratios: dict[str, float] = {}
    limits: tuple[Limited, ...] = ()
    overhead_mib: int = 0
    warnings: tuple[str, ...] = ()
    traits: tuple[str, ...] = ()
    offers: tuple[str, ...] = ()
    hypervisors: tuple[str, ...] = ("qemu",)
    cpu_flags: tuple[str, ...] = ()


class HostInventory(Struct, frozen=True, kw_only=True, tag_field="answer", tag="inventory"):
    """Everything of ours on a host.

    instances: with records or processes; processes: server id → process id; taps: port ids; directories:
    server ids that have files; images: ids in the cache; snapshots: ids of finished copies of disks;
    metadata_networks: network ids served.
    """

    host: str
    instances: tuple[InstanceState, ...] = ()
    processes: dict[str, int] = field(default_factory=dict)
    taps: tuple[str, ...] = ()
    directories: tuple[str, ...] = ()
    images: tuple[str, ...] = ()
    snapshots: tuple[str, ...] = ()
    metadata_networks: tuple[str, ...] = ()


HostAnswer = (
    Done
    | Failed
    | Stale
    | ImageState
    | InstanceState
    | SnapshotState
    | ConsoleLog
    | ConsoleAddress
    | Diagnostics
    | HostState
    | HostInventory
    | OfferedDisks
    | TakenDisks
)


# ---- what a node tells or asks control ------------------------------------------------------------------------------


class InstanceChanged(Struct, frozen=True, kw_only=True, tag_field="event", tag="instance_changed"):
    """A guest's power state changed by itself (a power-off from inside, a crash). reason: in the user's terms."""

    host: str
    server_id: str
    generation: int
    power: Power
    reason: str = ""


class MetadataQuestion(Struct, frozen=True, kw_only=True):
    """A guest asked for metadata: from which network's socket, with which source address.

    password: what it leaves for its owner instead; None where it only asks.
    """

    network_id: str
    address: str
    password: str | None = None


class GuestsQuestion(Struct, frozen=True, kw_only=True):
    """A host that was started anew asks which of these servers are still its own."""

    host: str
    server_ids: tuple[str, ...]


class OwnGuests(Struct, frozen=True, kw_only=True):
    """Those that are."""

    server_ids: frozenset[str]


class MetadataDocument(Struct, frozen=True, kw_only=True):
    """Everything the guest may read, by path without leading slash ("openstack/latest/meta_data.json").

    found: whether a port of that network has the address and a server owns it. Directories are listed by the node.
    left: whether the password that came with the question is kept; one that was left before stays.
    """

    found: bool
    left: bool = False
    files: dict[str, bytes] = field(default_factory=dict)
