"""The messages themselves: msgspec Structs, tagged by `command` and `answer`."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from msgspec import Struct, field

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


# ---- commands ---------------------------------------------------------------------------------------------------


class Command(Struct, frozen=True, kw_only=True, tag_field="command"):
    """A state wanted on a host. request_id goes into the node's log lines."""

    request_id: str = ""


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


class EnsureInstance(Command, frozen=True, kw_only=True, tag="ensure_instance"):
    """The guest exists on this host with this shape, and is in the wanted power state. Answer: InstanceState.

    disk_gib: size of the root disk; 0 takes the image's own size. An existing disk is never replaced.
    project_id, user_id, name and hostname are for the node's records and SMBIOS.
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


class RemoveInstance(Command, frozen=True, kw_only=True, tag="remove_instance"):
    """Nothing of the guest is on this host: process, taps, disks, files. Answer: Done.

    It succeeds when there never was anything. Later commands with an older generation are refused.
    """

    server_id: str
    generation: int


class EnsureSnapshot(Command, frozen=True, kw_only=True, tag="ensure_snapshot"):
    """The guest's root disk, as it was at one moment, is a file of its own in the host's snapshot folder.

    The guest goes on meanwhile. Answer: SnapshotState, after at most wait_s; ask again until it is done.
    """

    server_id: str
    snapshot_id: str
    wait_s: float = 5.0


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


COMMAND_TYPES = (
    DescribeHost
    | ListInventory
    | EnsureImage
    | ForgetImage
    | EnsureInstance
    | SetPower
    | RebootInstance
    | RemoveInstance
    | EnsureSnapshot
    | HandOverSnapshot
    | ForgetSnapshot
    | ReadConsole
    | OpenConsole
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

    seen_generation: int


class ImageState(Struct, frozen=True, kw_only=True, tag_field="answer", tag="image"):
    """An image in the cache. copied: whether this command brought it."""

    image_id: str
    virtual_size_bytes: int
    copied: bool


class InstanceState(Struct, frozen=True, kw_only=True, tag_field="answer", tag="instance"):
    """A guest as it is. started_at: when its process began to run it. uptime is from there."""

    server_id: str
    generation: int
    power: Power
    started_at: datetime | None = None
    accelerator: str = ""


class SnapshotState(Struct, frozen=True, kw_only=True, tag_field="answer", tag="snapshot"):
    """A snapshot. done: whether it is whole. copied, total: bytes of the disk; 0 if unknown."""

    snapshot_id: str
    done: bool
    disk_format: str = "qcow2"
    copied: int = 0
    total: int = 0


class ConsoleLog(Struct, frozen=True, kw_only=True, tag_field="answer", tag="console_log"):
    text: str


class ConsoleAddress(Struct, frozen=True, kw_only=True, tag_field="answer", tag="console_address"):
    """Where to connect (TCP), and the line to send first. It is good for one connection, for a short time."""

    host: str
    port: int
    ticket: str


class HostState(Struct, frozen=True, kw_only=True, tag_field="answer", tag="host"):
    """A host: what it has, what is free, how it runs guests.

    accelerator: "kvm" or "tcg"; accelerator_reason: how that was found out, in plain English.
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


Answer = (
    Done
    | Failed
    | Stale
    | ImageState
    | InstanceState
    | SnapshotState
    | ConsoleLog
    | ConsoleAddress
    | HostState
    | HostInventory
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
    """A guest asked for metadata: from which network's socket, with which source address."""

    network_id: str
    address: str


class MetadataDocument(Struct, frozen=True, kw_only=True):
    """Everything the guest may read, by path without leading slash ("openstack/latest/meta_data.json").

    found: whether a port of that network has the address and a server owns it. Directories are listed by the node.
    """

    found: bool
    files: dict[str, bytes] = field(default_factory=dict)
