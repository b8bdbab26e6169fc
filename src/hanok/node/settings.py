"""What a node process is told when it starts."""

from __future__ import annotations

import ipaddress
from pathlib import Path
from typing import Literal

from msgspec import Struct

RUN_DIR_LIMIT = 60  # a socket's path has at most 107 bytes: the folder, a server id of 36, a name
SERVERS = ("volumes", "converter")  # what runs beside guests as the last of the users
BALANCERS = 5  # one in so many of the users, before these, is a load balancer's


class BackendSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A back end of volumes.

    name: in the cloud. driver: "files": a folder of this host; "nfs": one that you have mounted; "rbd": a pool of Ceph,
    which this host uses alone. folder: empty, for "files": one of that name in state_dir.
    pool, ceph_conf, ceph_user: for "rbd": the pool, the cluster's settings, and the user whose key is in the keyring
    that they name (`ceph auth get-or-create client.NAME mon 'profile rbd' osd 'profile rbd pool=POOL'`).
    cache: of volumes that stand on an image or a snapshot, or are encrypted; others need neither. "writethrough": a
    write is on the disk when a guest is told that it is done. "writeback", several times as fast: what a guest has
    not flushed is lost, without its knowing, when the process that serves volumes is killed.
    """

    name: str
    driver: Literal["files", "nfs", "rbd"] = "files"
    folder: str = ""
    pool: str = ""
    ceph_conf: str = "/etc/ceph/ceph.conf"
    ceph_user: str = "hanok"
    cache: Literal["writethrough", "writeback"] = "writethrough"


class ShareBackendSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A back end of shared file systems: a folder of this host, in which each share is a file that holds a Btrfs.

    name: in the cloud. folder: empty: one of that name in state_dir.
    over_subscription: how much may be promised, as a multiple of what the folder's file system has.
    reserved_percentage: of it, that no share gets.
    spare_gib: while less than this is free there, its shares are for reading only: a write that finds no room below a
    share breaks it.
    """

    name: str
    folder: str = ""
    over_subscription: float = 20.0
    reserved_percentage: int = 0
    spare_gib: float = 1.0


class NodeSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Settings of one host.

    host: its name in the cloud; address: what control tells administrators.
    state_dir: survives a reboot of the host; run_dir: sockets, need not survive.
    image_stores: folders with images, one file an image, named by its id; what none of them has comes from control.
    snapshots: the folder of finished copies of disks, on the file system of state_dir; they belong to whom it belongs.
    On control's machine, where it looks for them; empty: "snapshots" in state_dir, and control asks for them.
    qemu_uid, qemu_gid: the first of `qemu_uids` user ids that guests run as, one a guest, and their group; the last
    two of them belong to SERVERS: what serves volumes, what converts images; a fifth, before these, to load balancers,
    one each. None: guests run as the node's own user (tests without root).
    console_address: the address on which control reaches consoles.
    netns: the network namespace of the data plane; None for the host's own.
    ovs_db_socket: path of the socket of the switch's database; empty: guests get no network.
    nats_url: where messages go; nats_user and nats_password_file: this node's own sign-in.
    tls: the folder of this host's certificates (hanok.base.authority); empty: it speaks to nobody elsewhere.
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
    volume_backends: where volumes are kept.
    volumes_port: of `address`, where hosts with certificates reach this one's volumes.
    share_backends: where shared file systems are kept. shares_address: of this host, at which it gives out shares
    itself, to projects that have no share server of their own; guests have to reach it. Empty: share servers only.
    shares_port: of NFS.
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
    tls: str = ""
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
    volume_backends: tuple[BackendSettings, ...] = (BackendSettings(name="files"),)
    volumes_port: int = 10809
    share_backends: tuple[ShareBackendSettings, ...] = (ShareBackendSettings(name="folder"),)
    shares_address: str = ""
    shares_port: int = 2049
    boot_id_file: str = "/proc/sys/kernel/random/boot_id"

    def __post_init__(self) -> None:
        if len(self.run_dir.encode()) > RUN_DIR_LIMIT:
            raise ValueError(
                f"run_dir has {len(self.run_dir.encode())} bytes; sockets in it need at most {RUN_DIR_LIMIT}"
            )
        if self.qemu_uid is not None and not self.guest_uids:
            raise ValueError(f"qemu_uids: at least {len(SERVERS) + 2}, guests need one")
        if any(ratio < 0 for ratio in self.ratios.values()):
            raise ValueError("an allocation ratio is a positive number")
        backends = self.volume_backends
        if len({one.name for one in backends}) < len(backends):
            raise ValueError("two back ends of volumes have the same name")
        if any(one.driver == "nfs" and not one.folder for one in backends):
            raise ValueError("a back end of the driver nfs needs its folder")
        if any(one.driver == "rbd" and not one.pool for one in backends):
            raise ValueError("a back end of the driver rbd needs its pool")
        shares = self.share_backends
        if len({one.name for one in shares}) < len(shares):
            raise ValueError("two back ends of shares have the same name")
        if any(not 0 <= one.reserved_percentage <= 100 for one in shares):
            raise ValueError("a reserved percentage is from 0 to 100")
        if self.shares_address:
            ipaddress.ip_address(self.shares_address)
        folders = [one.folder for one in backends] + [one.folder for one in shares]
        for name in (
            self.state_dir,
            self.run_dir,
            *self.image_stores,
            self.snapshots,
            self.tls,
            *folders,
        ):
            if name and not Path(name).is_absolute():
                raise ValueError(f"not an absolute path: {name}")

    @property
    def guest_uids(self) -> range:
        """Whom guests run as, one user a guest; empty where they run as the node's own user."""
        first = self.qemu_uid
        return range(0) if first is None else range(first, self.balancer_uids.start)

    @property
    def balancer_uids(self) -> range:
        """Whom load balancers' proxies run as, one user a balancer; empty where they run as the node's own user."""
        if self.qemu_uid is None:
            return range(0)
        end = self.qemu_uid + self.qemu_uids - len(SERVERS)
        return range(end - max(1, self.qemu_uids // BALANCERS), end)

    @property
    def converter_uid(self) -> int | None:
        """Whom disks of other hypervisors are converted as."""
        return self._uid_of("converter")

    @property
    def volumes_uid(self) -> int | None:
        """Whom the process that serves volumes runs as."""
        return self._uid_of("volumes")

    def _uid_of(self, server: str) -> int | None:
        if self.qemu_uid is None:
            return None
        return self.qemu_uid + self.qemu_uids - len(SERVERS) + SERVERS.index(server)

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
