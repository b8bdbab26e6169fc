"""What a node process is told when it starts."""

from __future__ import annotations

from pathlib import Path

from msgspec import Struct

RUN_DIR_LIMIT = 60  # a socket's path has at most 107 bytes: the folder, a server id of 36, a name


class NodeSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Settings of one host.

    host: its name in the cloud; address: what control tells administrators.
    state_dir: survives a reboot of the host; run_dir: sockets, need not survive.
    image_stores: folders with images, one file an image, named by its id; what none of them has comes from control.
    snapshots: the folder of finished copies of disks, on the file system of state_dir; they belong to whom it belongs.
    On control's machine, where it looks for them; empty: "snapshots" in state_dir, and control asks for them.
    qemu_uid, qemu_gid: the first of `qemu_uids` user ids that guests run as, one a guest, and their group; the last one
    is nobody's but of the tool that converts images. None: guests
    run as the node's own user (tests without root).
    console_address: the address on which control reaches consoles.
    netns: the network namespace of the data plane; None for the host's own.
    ovs_db_socket: path of the socket of the switch's database; empty: guests get no network.
    nats_url: where messages go; nats_user and nats_password_file: this node's own sign-in.
    accelerator: "kvm" or "tcg" to go without the probe; empty probes.
    cpu_dedicated_set: CPUs of the host that are given to one guest each: "2-5,^3".
    cpu_shared_set: CPUs that all other guests run on; empty: all that are not dedicated.
    pci_devices: which of the host's PCI devices guests may have: addresses ("0000:3b:00.1") or kinds ("8086:1563").
    Their driver has to be vfio-pci.
    guest_slack_mib: how much memory a guest's process may have beside the guest's own, before the kernel ends it.
    image_cache_unused_s: after so long without a guest that needs it an image leaves the cache; earlier where the disk
    is nearly full.
    cpu_allocation_ratio, ram_allocation_ratio, disk_allocation_ratio: how much of this host may be given out, as a
    multiple of what it has; 0: as control says.
    boot_id_file: what holds another text after each start of the host.
    """

    host: str
    state_dir: str
    run_dir: str
    address: str = "127.0.0.1"
    image_stores: tuple[str, ...] = ()
    snapshots: str = ""
    qemu_uid: int | None = None
    qemu_gid: int | None = None
    qemu_uids: int = 1000
    console_address: str = "127.0.0.1"
    netns: str | None = None
    nats_url: str = ""
    nats_user: str = ""
    nats_password_file: str = ""
    ovs_db_socket: str = ""
    integration_bridge: str = "br-int"
    qemu_binary: str = "qemu-system-x86_64"
    accelerator: str = ""
    cpu_dedicated_set: str = ""
    cpu_shared_set: str = ""
    pci_devices: tuple[str, ...] = ()
    cpu_allocation_ratio: float = 0.0
    ram_allocation_ratio: float = 0.0
    disk_allocation_ratio: float = 0.0
    guest_slack_mib: int = 768
    image_cache_unused_s: int = 24 * 3600
    boot_id_file: str = "/proc/sys/kernel/random/boot_id"

    def __post_init__(self) -> None:
        if len(self.run_dir.encode()) > RUN_DIR_LIMIT:
            raise ValueError(
                f"run_dir has {len(self.run_dir.encode())} bytes; sockets in it need at most {RUN_DIR_LIMIT}"
            )
        if any(ratio < 0 for ratio in self.ratios.values()):
            raise ValueError("an allocation ratio is a positive number")
        for name in (self.state_dir, self.run_dir, *self.image_stores, self.snapshots):
            if name and not Path(name).is_absolute():
                raise ValueError(f"not an absolute path: {name}")

    @property
    def converter_uid(self) -> int | None:
        """Whom disks of other hypervisors are converted as."""
        return None if self.qemu_uid is None else self.qemu_uid + self.qemu_uids - 1

    @property
    def ratios(self) -> dict[str, float]:
        """How much may be given out, by resource class, where that is said."""
        given = {
            "VCPU": self.cpu_allocation_ratio,
            "MEMORY_MB": self.ram_allocation_ratio,
            "DISK_GB": self.disk_allocation_ratio,
        }
        return {name: ratio for name, ratio in given.items() if ratio}

    @property
    def snapshot_folder(self) -> Path:
        return Path(self.snapshots or f"{self.state_dir}/snapshots")
