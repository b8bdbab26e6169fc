"""A guest as data, and the argument vector that makes it. Pure: nothing here touches the host.

The machine is q35. Disks and network interfaces sit on PCIe root ports of their own, in a fixed order, so that a guest
resumed from a file finds the same tree. Guests of the Debian cloud kernel see no SATA, no e1000, no USB: everything is
virtio, the config drive too. Formats are always named, base images too: QEMU never guesses what bytes are.
"""

from __future__ import annotations

import json
from dataclasses import dataclass

SPARE_ROOT_PORTS = 4  # for devices that come later; each costs start-up time in the firmware
PORTS_A_SLOT = 8
FIRST_SLOT = 0x10
TRANSLATIONS_MIB = 128  # translated code; QEMU's own limit of 1 GiB a guest would fill a small host
PRODUCT_VERSION = "29.0.0"


@dataclass(frozen=True)
class BaseImage:
    """What an overlay stands on; opened read-only."""

    path: str
    format: str


@dataclass(frozen=True)
class Disk:
    """A disk of a guest. name: unique in the guest, letters and digits; path: absolute."""

    name: str
    path: str
    format: str
    base: BaseImage | None = None
    read_only: bool = False
    serial: str = ""
    boot_index: int | None = None


@dataclass(frozen=True)
class Interface:
    """A network interface. tap_fd: an open tap device without vnet header; None: an interface that leads nowhere."""

    mac: str
    tap_fd: int | None
    mtu: int = 0


@dataclass(frozen=True)
class GuestSpec:
    """Everything that decides how QEMU is started.

    server_id: is in the process's arguments, so that it can be recognised.
    folder: for its sockets (serial, vnc, agent) and pid file; short, as a socket's path has 107 bytes at most.
    qmp_fd: a listening unix socket that QEMU inherits.
    incoming: wait for the memory of a suspended guest instead of starting.
    """

    server_id: str
    vcpus: int
    memory_mib: int
    accelerator: str
    folder: str
    serial_log: str
    qmp_fd: int
    disks: tuple[Disk, ...] = ()
    interfaces: tuple[Interface, ...] = ()
    incoming: bool = False


def arguments(guest: GuestSpec, binary: str = "qemu-system-x86_64") -> list[str]:
    """The argument vector. The guest does not run before QMP says `cont`."""
    argv = [binary, "-name", f"guest={guest.server_id},debug-threads=on"]
    argv += ["-S", "-nodefaults", "-no-user-config", "-display", "none"]
    argv += ["-pidfile", f"{guest.folder}/pid"]
    argv += ["-machine", "q35,vmport=off,dump-guest-core=off", *_accelerator(guest)]
    argv += [
        "-smp",
        str(guest.vcpus),
        "-m",
        f"{guest.memory_mib}M",
        "-rtc",
        "base=utc,driftfix=slew",
    ]
    argv += ["-uuid", guest.server_id, "-smbios", _smbios(guest.server_id)]
    argv += ["-boot", "menu=off,strict=on"]
    argv += ["-sandbox", "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny"]
    argv += _channels(guest)
    argv += _root_ports(len(guest.disks) + len(guest.interfaces) + SPARE_ROOT_PORTS)
    for port, disk in enumerate(guest.disks):
        argv += _disk(disk, port)
    for number, interface in enumerate(guest.interfaces):
        argv += _interface(interface, number, len(guest.disks) + number)
    argv += ["-object", "rng-random,id=rng0,filename=/dev/urandom"]
    argv += ["-device", "virtio-rng-pci,id=rng,rng=rng0,addr=0x3"]
    argv += ["-device", "virtio-balloon-pci,id=balloon,free-page-reporting=on,addr=0x4"]
    if guest.incoming:
        argv += ["-incoming", "defer"]
    return argv


def _accelerator(guest: GuestSpec) -> list[str]:
    if guest.accelerator == "kvm":
        return ["-accel", "kvm", "-cpu", "host"]
    return ["-accel", f"tcg,thread=multi,tb-size={TRANSLATIONS_MIB}", "-cpu", "max"]


def _smbios(server_id: str) -> str:
    """cloud-init looks for metadata only when the product says so."""
    return (
        f"type=1,manufacturer=OpenStack Foundation,product=OpenStack Nova,version={PRODUCT_VERSION},"
        f"serial={server_id},uuid={server_id},family=Virtual Machine"
    )


def _channels(guest: GuestSpec) -> list[str]:
    folder = _escaped(guest.folder)
    return [
        *("-chardev", f"socket,id=qmp,fd={guest.qmp_fd},server=on,wait=off"),
        *("-mon", "chardev=qmp,mode=control"),
        "-chardev",
        f"socket,id=serial0,path={folder}/serial,server=on,wait=off,"
        f"logfile={_escaped(guest.serial_log)},logappend=on",
        *("-serial", "chardev:serial0"),
        *("-device", "virtio-serial-pci,id=channels,addr=0x2"),
        *("-chardev", f"socket,id=agent,path={folder}/agent,server=on,wait=off"),
        *("-device", "virtserialport,bus=channels.0,chardev=agent,name=org.qemu.guest_agent.0"),
        *("-device", "VGA,id=screen,addr=0x1,vgamem_mb=8"),
        *("-vnc", f"unix:{folder}/vnc"),
    ]


def _root_ports(count: int) -> list[str]:
    argv: list[str] = []
    for number in range(count):
        slot, function = divmod(number, PORTS_A_SLOT)
        several = ",multifunction=on" if function == 0 else ""
        argv += [
            "-device",
            f"pcie-root-port,id=rp{number},bus=pcie.0,chassis={number + 1},"
            f"addr={FIRST_SLOT + slot:#x}.{function:#x}{several}",
        ]
    return argv


def _file(path: str, *, read_only: bool) -> dict[str, object]:
    return {"driver": "file", "filename": path, "read-only": read_only}


def _disk(disk: Disk, port: int) -> list[str]:
    node: dict[str, object] = {
        "driver": disk.format,
        "node-name": disk.name,
        "read-only": disk.read_only,
        "discard": "unmap",
        "file": _file(disk.path, read_only=disk.read_only),
    }
    if disk.format == "qcow2":
        node["backing"] = None if disk.base is None else _base(disk.base)
    device = f"virtio-blk-pci,id=disk-{disk.name},drive={disk.name},bus=rp{port}"
    if disk.serial:
        device += f",serial={disk.serial[:20]}"
    if disk.boot_index is not None:
        device += f",bootindex={disk.boot_index}"
    return ["-blockdev", json.dumps(node), "-device", device]


def _base(base: BaseImage) -> dict[str, object]:
    node: dict[str, object] = {
        "driver": base.format,
        "read-only": True,
        "file": _file(base.path, read_only=True),
    }
    if base.format == "qcow2":
        node["backing"] = None  # whatever its header says
    return node


def _interface(interface: Interface, number: int, port: int) -> list[str]:
    way = (
        f"user,id=net{number},restrict=on"
        if interface.tap_fd is None
        else f"tap,id=net{number},fd={interface.tap_fd}"
    )
    # No boot from the network: an empty romfile keeps the firmware from trying.
    device = f"virtio-net-pci,id=card{number},netdev=net{number},mac={interface.mac},bus=rp{port},romfile="
    if interface.mtu:
        device += f",host_mtu={interface.mtu}"
    return ["-netdev", way, "-device", device]


def _escaped(value: str) -> str:
    """A comma inside a value of an option list is written twice."""
    return value.replace(",", ",,")
