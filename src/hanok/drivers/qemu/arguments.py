"""A guest as data, and the argument vector that makes it. Pure: nothing here touches the host.

Disks and network interfaces sit on PCIe root ports of their own (on the older machine, in slots), in a fixed order, so
that a guest resumed from a file finds the same tree. Guests of the Debian cloud kernel see no SATA, no e1000, no USB:
everything is virtio unless an image asks for something else, the config drive too. Formats are always named, base
images too: QEMU never guesses what bytes are.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

from hanok.drivers.qemu import hardware
from hanok.drivers.qemu.hardware import (
    INTERFACE_MODELS,
    PC,
    Q35,
    SCSI_MODELS,
    USUAL,
    Hardware,
    escaped,
)
from hanok.drivers.qemu.places import Node, device_arguments, node_arguments

SPARE_ROOT_PORTS = 8  # for devices that come later; each costs some start-up time in the firmware
PORTS_A_SLOT = 8
FIRST_SLOT = 0x10
RECONNECT_S = 3600  # a guest whose volumes nobody serves waits so long, and is stopped then
OPEN_S = 20
AHCI_SLOT = 0x0A
TRANSLATIONS_MIB = 128  # translated code; QEMU's own limit of 1 GiB a guest would fill a small host
PRODUCT_VERSION = "29.0.0"


@dataclass(frozen=True)
class BaseImage:
    """What an overlay stands on; opened read-only."""

    path: str
    format: str


@dataclass(frozen=True)
class NBD:
    """An export that a disk is. path: of the server's unix socket; without one host and port."""

    export: str
    path: str = ""
    host: str = ""
    port: int = 0


@dataclass(frozen=True)
class Disk:
    """A disk of a guest. name: unique in the guest, letters and digits; path: absolute.

    nbd: where its bytes are, instead of a file. root_port, unit: where it is, where that is known already.
    bus: virtio, scsi, usb, sata or ide (both are the machine's own AHCI). cdrom: whether it is a CD-ROM.
    What cannot be read or written stops the guest, which then neither loses nor invents anything.
    """

    name: str
    path: str
    format: str
    base: BaseImage | None = None
    read_only: bool = False
    serial: str = ""
    boot_index: int | None = None
    bus: str = "virtio"
    cdrom: bool = False
    nbd: NBD | None = None
    root_port: int | None = None
    unit: int | None = None


@dataclass(frozen=True)
class Interface:
    """A network interface.

    tap_fd: an open tap device without vnet header; None: an interface that leads nowhere. more_fds: of the same tap,
    one for each queue after the first.
    root_port: the number of the PCIe root port that it sits on; None: the next one.
    """

    mac: str
    tap_fd: int | None
    mtu: int = 0
    root_port: int | None = None
    more_fds: tuple[int, ...] = ()

    @property
    def fds(self) -> tuple[int, ...]:
        """One for each queue; none where it leads nowhere."""
        return () if self.tap_fd is None else (self.tap_fd, *self.more_fds)


@dataclass(frozen=True)
class GuestSpec:
    """Everything that decides how QEMU is started.

    server_id: is in the process's arguments, so that it can be recognised.
    folder: for its sockets (serial, vnc, agent) and pid file; short, as a socket's path has 107 bytes at most.
    qmp_fd: a listening unix socket that QEMU inherits.
    incoming: wait for the memory of a suspended guest instead of starting.
    root_ports: how many PCIe root ports it has; 0: one for each device, and some for later.
    scsi_model: the controller of the SCSI disks, as images name it (`SCSI_MODELS`).
    nodes: its NUMA nodes, where it has some; host_devices: addresses of PCI devices of the host.
    kernel, ramdisk: files that are started instead of the guest's boot loader; command_line: what the kernel is told.
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
    root_ports: int = 0
    hardware: Hardware = USUAL
    scsi_model: str = "virtio-scsi"
    kernel: str = ""
    ramdisk: str = ""
    command_line: str = ""
    nodes: tuple[Node, ...] = ()
    host_devices: tuple[str, ...] = ()


@dataclass(frozen=True)
class Place:
    """Where a disk is. port: the PCIe root port of it or its controller; None: the machine's own controller.

    first: whether its controller comes with it. unit: its number on that controller.
    """

    port: int | None
    first: bool
    unit: int


def places(disks: Sequence[Disk], family: str = Q35) -> tuple[list[Place], int]:
    """The places of the disks, and how many root ports they take.

    A virtio disk has a port for itself; SCSI and USB disks share one each.
    """
    found: list[Place] = []
    ports: dict[str, int] = {}
    units: dict[str, int] = {}
    taken = 0
    for disk in disks:
        if disk.root_port is not None or disk.unit is not None:
            first = disk.bus not in units or disk.bus == "virtio"
            units[disk.bus] = max(units.get(disk.bus, -1), disk.unit or 0)
            found.append(Place(disk.root_port, first, disk.unit or 0))
            continue
        bus = "sata" if disk.bus == "ide" and family != PC else disk.bus
        first = bus not in units or bus == "virtio"
        if first and bus not in ("sata", "ide"):
            ports[bus] = taken
            taken += 1
        unit = units[bus] = units.get(bus, -1) + 1
        found.append(Place(ports.get(bus), first, unit))
    return found, taken


def arguments(guest: GuestSpec, binary: str = "qemu-system-x86_64") -> list[str]:
    """The argument vector. The guest does not run before QMP says `cont`."""
    argv = [binary, "-name", f"guest={guest.server_id},debug-threads=on"]
    argv += ["-S", "-nodefaults", "-no-user-config", "-display", "none"]
    argv += ["-pidfile", f"{guest.folder}/pid"]
    argv += hardware.machine(guest.hardware, guest.accelerator)
    argv += [
        *_accelerator(guest),
        *hardware.processors(guest.hardware, guest.vcpus, guest.accelerator),
    ]
    argv += ["-m", f"{guest.memory_mib}M", *hardware.clock(guest.hardware)]
    argv += node_arguments(guest.nodes)
    argv += ["-uuid", guest.server_id, "-smbios", _smbios(guest.server_id)]
    argv += hardware.boot(guest.hardware)
    argv += ["-sandbox", "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny"]
    argv += hardware.first(guest.hardware)
    argv += _channels(guest)
    argv += _kernel(guest)
    at, taken = places(guest.disks, guest.hardware.family)
    count = guest.root_ports or taken + len(guest.interfaces) + SPARE_ROOT_PORTS
    argv += [] if guest.hardware.family == PC else _root_ports(count)
    for disk, one in zip(guest.disks, at, strict=True):
        argv += _disk(disk, one, guest.scsi_model, guest.hardware.family)
    for number, interface in enumerate(guest.interfaces):
        place = interface.root_port
        port = taken + number if place is None else place
        argv += _interface(interface, number, _at(guest.hardware.family, port), guest.hardware.nic)
    argv += hardware.last(guest.hardware)
    # After what has its fixed slot on this bus: these take what is left.
    bus = "pci.0" if guest.hardware.family == PC else "pcie.0"
    argv += device_arguments(guest.host_devices, bus)
    if guest.incoming:
        argv += ["-incoming", "defer"]
    return argv


def _accelerator(guest: GuestSpec) -> list[str]:
    if guest.accelerator == "kvm":
        return ["-accel", "kvm"]
    return ["-accel", f"tcg,thread=multi,tb-size={TRANSLATIONS_MIB}"]


def _smbios(server_id: str) -> str:
    """cloud-init looks for metadata only when the product says so."""
    return (
        f"type=1,manufacturer=OpenStack Foundation,product=OpenStack Nova,version={PRODUCT_VERSION},"
        f"serial={server_id},uuid={server_id},family=Virtual Machine"
    )


def _channels(guest: GuestSpec) -> list[str]:
    folder = escaped(guest.folder)
    return [
        *("-chardev", f"socket,id=qmp,fd={guest.qmp_fd},server=on,wait=off"),
        *("-mon", "chardev=qmp,mode=control"),
        "-chardev",
        f"socket,id=serial0,path={folder}/serial,server=on,wait=off,"
        f"logfile={escaped(guest.serial_log)},logappend=on",
        *("-serial", "chardev:serial0"),
        *hardware.channels(guest.hardware, folder),
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


def _at(family: str, number: int | None) -> str:
    """A place, as it stands in an option."""
    found = hardware.place(family, number or 0)
    return ",".join(f"{name}={value}" for name, value in found.items())


def _file(path: str, *, read_only: bool) -> dict[str, object]:
    return {"driver": "file", "filename": path, "read-only": read_only}


def _kernel(guest: GuestSpec) -> list[str]:
    if not guest.kernel:
        return []
    ramdisk = ["-initrd", guest.ramdisk] if guest.ramdisk else []
    return ["-kernel", guest.kernel, *ramdisk, "-append", guest.command_line]


def _disk(disk: Disk, place: Place, scsi_model: str, family: str) -> list[str]:
    kind, where = disk_device(disk, place, family)
    device = f"{kind},id=disk-{disk.name},drive={disk.name},{where},werror=stop,rerror=stop"
    if disk.serial:
        device += f",serial={disk.serial[:20]}"
    if disk.boot_index is not None:
        device += f",bootindex={disk.boot_index}"
    controller = _controller(disk.bus, place, scsi_model, family)
    return [*controller, "-blockdev", json.dumps(disk_node(disk)), "-device", device]


def disk_node(disk: Disk) -> dict[str, object]:
    """What QEMU is told of a disk's bytes. A server of volumes that is gone is waited for."""
    node: dict[str, object] = {
        "node-name": disk.name,
        "read-only": disk.read_only,
        "discard": "unmap",
    }
    if disk.nbd is not None:
        nbd = disk.nbd
        server: dict[str, object] = {"type": "unix", "path": nbd.path}
        if not nbd.path:
            server = {"type": "inet", "host": nbd.host, "port": str(nbd.port)}
        waits = {"reconnect-delay": RECONNECT_S, "open-timeout": OPEN_S}
        return {**node, "driver": "nbd", "server": server, "export": nbd.export, **waits}
    node |= {"driver": disk.format, "file": _file(disk.path, read_only=disk.read_only)}
    if disk.format == "qcow2":
        node["backing"] = None if disk.base is None else _base(disk.base)
    return node


def _controller(bus: str, place: Place, scsi_model: str, family: str) -> list[str]:
    """What comes before the first disk on a bus. The older machine has IDE of its own, and no SATA."""
    if place.first and bus == "sata" and family == PC:
        return ["-device", f"ich9-ahci,id=sata,addr={AHCI_SLOT:#x}"]
    if not place.first or bus not in ("scsi", "usb"):
        return []
    if bus == "scsi":
        return ["-device", f"{SCSI_MODELS[scsi_model]},id=scsi,{_at(family, place.port)}"]
    return ["-device", f"qemu-xhci,id=usb,{_at(family, place.port)}"]


def disk_device(disk: Disk, place: Place, family: str) -> tuple[str, str]:
    """What a disk is to QEMU, and where on its bus."""
    if disk.bus == "scsi":
        return "scsi-cd" if disk.cdrom else "scsi-hd", f"bus=scsi.0,scsi-id={place.unit}"
    if disk.bus == "usb":
        return "usb-storage", "bus=usb.0"
    if disk.bus in ("sata", "ide"):
        return "ide-cd" if disk.cdrom else "ide-hd", _ata(disk.bus, place.unit, family)
    return "virtio-blk-pci", _at(family, place.port)


def _ata(bus: str, unit: int, family: str) -> str:
    """Where a disk is on SATA, or on IDE: two buses of two on the older machine, and the same as SATA on the newer."""
    if family != PC:
        return f"bus=ide.{unit}"
    return f"bus=sata.{unit}" if bus == "sata" else f"bus=ide.{unit // 2},unit={unit % 2}"


def _base(base: BaseImage) -> dict[str, object]:
    node: dict[str, object] = {
        "driver": base.format,
        "read-only": True,
        "file": _file(base.path, read_only=True),
    }
    if base.format == "qcow2":
        node["backing"] = None  # whatever its header says
    return node


def _interface(interface: Interface, number: int, place: str, model: str) -> list[str]:
    fds = [str(fd) for fd in interface.fds]
    several = f"fds={':'.join(fds)}" if len(fds) > 1 else f"fd={interface.tap_fd}"
    way = f"user,id=net{number},restrict=on" if not fds else f"tap,id=net{number},{several}"
    # No boot from the network: an empty romfile keeps the firmware from trying.
    device = f"{INTERFACE_MODELS[model]},id=card{number},netdev=net{number},mac={interface.mac},{place},romfile="
    if interface.mtu and model == "virtio":
        device += f",host_mtu={interface.mtu}"
    if len(fds) > 1:
        device += f",mq=on,vectors={hardware.vectors(len(fds))}"
    return ["-netdev", way, "-device", device]
