"""The local disks of a server, in the order in which its guest has them: what a request said of them and what its
flavor and its image say of the rest.

The host gives disks and network interfaces the places that `Placed` tells (`drivers/qemu/arguments.py`): each virtio
disk has a PCIe port for itself, SCSI and USB disks share one each, SATA disks are on the machine's own controller.

Source: Compute API guide, "Block Device Mapping"; the image guide's hw_disk_bus, hw_cdrom_bus and hw_scsi_model.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import msgspec
from msgspec import Struct

from hanok.commands import Bus, DirectKernel, GuestDisk

BUSES: tuple[Bus, ...] = ("virtio", "scsi", "sata", "ide", "usb")
CDROM_BUSES = ("virtio", "scsi", "sata", "ide")
USUAL_BUS: Bus = "virtio"
USUAL_CDROM_BUS: Bus = "sata"
SCSI_MODELS = ("virtio-scsi", "lsilogic", "lsisas1068", "lsisas1078", "vmpvscsi")
PLACES = {"sata": 3, "usb": 3, "lsilogic": 4, "lsisas1068": 5}
"""How many disks may be asked for on a controller that has few places: what is left is for a config drive, a CD-ROM to
install from, and a disk to rescue with."""
ROOT = "root"
CONSOLE = "console=tty0 console=ttyS0 no_timer_check"


class Mapped(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A local disk as a request describes it.

    name: root, ephemeral0 and so on, swap. bus: empty for what is usual. size_mib, file_system: of an empty one.
    """

    name: str
    size_mib: int = 0
    file_system: str = ""
    bus: Bus | Literal[""] = ""
    device: Literal["disk", "cdrom"] = "disk"
    boot_index: int | None = None
    tag: str = ""


class Placed(Struct, frozen=True, kw_only=True):
    """A disk where the guest finds it.

    path: as Linux calls it. bus, address: as tags are told ("pci", "0000:01:00.0"). serial: as the disk says.
    """

    name: str
    path: str
    bus: str
    address: str
    serial: str
    tag: str


def mapped(row: Any) -> list[Mapped]:
    """What the server's request said of disks."""
    if row.disks is None:
        return [Mapped(name=ROOT, boot_index=0, tag=row.disk_tag or "")]
    return msgspec.convert(row.disks, list[Mapped])


def _local(row: Any) -> list[Mapped]:
    """Root, ephemeral disks, swap space: where the request names none, the flavor's own."""
    found = mapped(row)
    roots = [one for one in found if one.name == ROOT]
    ephemeral = [one for one in found if one.name.startswith("ephemeral")]
    swap = [one for one in found if one.name == "swap"]
    gib, mib = int(row.flavor.get("ephemeral", 0)), int(row.flavor.get("swap", 0))
    if gib and not ephemeral:
        ephemeral = [Mapped(name="ephemeral0", size_mib=gib << 10)]
    if mib and not swap:
        swap = [Mapped(name="swap", size_mib=mib)]
    return [*roots, *ephemeral, *swap]


def has_local(row: Any) -> bool:
    """Whether a server writes to disks of its host."""
    return bool(_local(row))


def of(row: Any, ephemeral_format: str = "ext4") -> tuple[GuestDisk, ...]:
    """All disks of a server's guest.

    Args:
        ephemeral_format: the file system of ephemeral disks of which nobody said another.
    """
    properties = row.image_properties
    installs = row.image_format == "iso"
    found = [
        GuestDisk(
            name=one.name,
            of_image=one.name == ROOT and not installs,
            size_mib=one.size_mib,
            file_system=_file_system(one, properties, ephemeral_format),
            bus=one.bus or bus_of(properties, one.device),
            device=one.device,
            boot_index=one.boot_index,
        )
        for one in _local(row)
    ]
    if installs:
        last = max(one.boot_index or 0 for one in found)
        found.append(_cdrom("installer", properties, of_image=True, boot_index=last + 1))
    if row.config_drive:
        chosen = "hw_cdrom_bus" in properties
        found.append(_cdrom("config", properties) if chosen else GuestDisk(name="config"))
    return tuple(found)


def _cdrom(name: str, properties: Mapping[str, Any], **more: Any) -> GuestDisk:
    """A CD-ROM; on virtio, where there are none, a disk that is only read."""
    bus = bus_of(properties, "cdrom")
    return GuestDisk(name=name, bus=bus, device="disk" if bus == "virtio" else "cdrom", **more)


def _file_system(disk: Mapped, properties: Mapping[str, Any], usual: str) -> str:
    if not disk.name.startswith("ephemeral"):
        return ""
    windows = str(properties.get("os_type", "")).lower() == "windows"
    return disk.file_system or ("vfat" if windows else usual)


def bus_of(properties: Mapping[str, Any], device: str) -> Bus:
    """The bus of disks, or of CD-ROMs, of servers of an image that says nothing else."""
    if device == "cdrom":
        return _bus(properties.get("hw_cdrom_bus"), USUAL_CDROM_BUS)
    return _bus(properties.get("hw_disk_bus"), USUAL_BUS)


def _bus(value: Any, usual: Bus) -> Bus:
    named = str(value or "").lower()
    return next((bus for bus in BUSES if bus == named), usual)


def scsi_model(row: Any) -> str:
    return str(row.image_properties.get("hw_scsi_model", SCSI_MODELS[0])).lower()


# ---- where they are ----


def placed(
    row: Any, first: Sequence[GuestDisk] = (), last: Sequence[GuestDisk] = ()
) -> list[Placed]:
    """Each disk as the guest finds it, while it is not being rescued.

    Args:
        first, last: what it has before and behind these: volumes. They are placed, too.
    """
    tags = {one.name: one.tag for one in mapped(row)}
    found = [*first, *of(row), *last]
    names, addresses = _paths(found), _addresses(found)
    return [
        Placed(
            name=one.name,
            path=names[one.name],
            bus=addresses[one.name][0],
            address=addresses[one.name][1],
            serial=(row.id if one.name == ROOT else one.name)[:20],  # as many as virtio disks have
            tag=tags.get(one.name, ""),
        )
        for one in found
    ]


def root_path(properties: Mapping[str, Any], bus: str = "") -> str:
    """The name of a root disk on this bus, or on the one that the image says."""
    return "/dev/vda" if (bus or bus_of(properties, "disk")) == "virtio" else "/dev/sda"


def _paths(disks: Sequence[GuestDisk]) -> dict[str, str]:
    """Linux's names: vda, vdb and so on for virtio, sda, sdb for all others; CD-ROMs are sr0, sr1."""
    counts: dict[str, int] = {}
    found = {}
    for one in disks:
        kind = "sr" if one.device == "cdrom" else "vd" if one.bus == "virtio" else "sd"
        number = counts[kind] = counts.get(kind, -1) + 1
        found[one.name] = f"/dev/{kind}{number if kind == 'sr' else chr(ord('a') + number)}"
    return found


def ports(disks: Sequence[GuestDisk]) -> int:
    """How many PCIe ports the disks take; network interfaces come after them."""
    return sum(one.bus == "virtio" for one in disks) + len(
        {one.bus for one in disks} & {"scsi", "usb"}
    )


def _addresses(disks: Sequence[GuestDisk]) -> dict[str, tuple[str, str]]:
    """Bus and address as tags are told: PCI addresses, or host, channel, target and LUN."""
    found: dict[str, tuple[str, str]] = {}
    for at, one in enumerate(disks):
        before = disks[:at]
        if one.bus == "virtio":
            new = ports([*before, one])
            found[one.name] = ("pci", f"0000:{new:02x}:00.0")
        elif one.bus == "scsi":
            unit = sum(other.bus == "scsi" for other in before)
            found[one.name] = ("scsi", f"0:0:{unit}:0")
        else:
            found[one.name] = (one.bus if one.bus in ("usb", "ide") else "none", "none")
    return found


# ---- what it boots from ----


def kernel(row: Any) -> DirectKernel | None:
    """What the guest starts instead of its own boot loader."""
    if not row.kernel_id:
        return None
    said = row.image_properties.get("os_command_line")
    return DirectKernel(
        kernel_id=row.kernel_id,
        ramdisk_id=row.ramdisk_id,
        command_line=str(said) if said else f"root={row.root_device} {CONSOLE}",
    )


def with_root(found: list[Mapped]) -> list[dict[str, Any]] | None:
    """What a row keeps of the disks that a request describes; None for what is so anyway."""
    if found in ([], [Mapped(name=ROOT, boot_index=0)]):
        return None
    built: list[dict[str, Any]] = msgspec.to_builtins(found)
    return built


def root_bus(found: Sequence[Mapped]) -> str:
    return next((one.bus for one in found if one.name == ROOT), "")
