"""What a request for a server says of block devices: which local disks it is to have.

Both forms are read: block_device_mapping_v2, and the older block_device_mapping, which names ephemeral disks and swap
space by a "virtual_name". A mapping that needs a volume is refused: this cloud has no block storage yet.

Source: Compute API reference, "Create Server", block_device_mapping_v2; Compute API guide, "Block Device Mapping".
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from msgspec import UNSET
from msgspec.structs import replace

from hanok.base.errors import BadInput
from hanok.services.compute.logic import disks
from hanok.services.compute.logic.disks import Mapped
from hanok.services.compute.schemas import bodies

_INVALID = "Block Device Mapping is Invalid: "
_NO_VOLUMES = "this cloud has no block storage yet."
_SYSTEMS = ("ext2", "ext3", "ext4", "xfs", "vfat")
_KNOWN_BUSES = ("fdc", "ide", "sata", "scsi", "usb", "virtio", "xen", "lxc", "uml")
_VIRTUAL = re.compile(r"ephemeral\d+|swap")


def invalid(why: str) -> BadInput:
    return BadInput(f"{_INVALID}{why}")


def local_disks(
    server: bodies.NewServer, flavor: Any, properties: Mapping[str, Any], most: int
) -> list[Mapped]:
    """The local disks that a request describes; without a description none.

    Args:
        properties: of the server's image. most: how many local disks it may describe; below 0, any number.

    Raises:
        BadInput
    """
    v2, v1 = server.block_device_mapping_v2, server.block_device_mapping
    if v1 is not UNSET and v1:
        if v2 is not UNSET and v2:
            raise BadInput(
                "Using different block_device_mapping syntaxes is not allowed in the same request."
            )
        return _checked(_of_legacy(v1), flavor, properties, most)
    if v2 is UNSET or not v2:
        return []
    return _checked(_of_v2(server, v2), flavor, properties, most)


def image_of(server: bodies.NewServer) -> str | None:
    """The image that the server boots from: imageRef, or where that is empty, the one that is mapped to a local disk.

    Raises:
        BadInput: they differ.
    """
    image = server.imageRef if isinstance(server.imageRef, str) else None
    named = (image or "").rsplit("/", 1)[-1] or None
    devices = server.block_device_mapping_v2
    for device in () if devices is UNSET else devices:
        if device.source_type == "image" and isinstance(device.uuid, str) and not device.no_device:
            if named is not None and device.uuid != named:
                raise BadInput("The block device and imageRef name different images.")
            named = device.uuid
    return named


# ---- version 2 ----


def _of_v2(server: bodies.NewServer, devices: Sequence[bodies.BlockDevice]) -> list[Mapped]:
    found = []
    ephemeral = 0
    for device in devices:
        if device.no_device is not UNSET and device.no_device:
            continue
        one = _local(device, server.imageRef is not UNSET, ephemeral)
        ephemeral += one.name.startswith("ephemeral")
        found.append(one)
    return found


def _local(device: bodies.BlockDevice, image_named: bool, ephemeral: int) -> Mapped:
    """A device as a local disk.

    Args:
        image_named: whether the request has an imageRef. ephemeral: how many ephemeral disks come before it.
    """
    _check_source(device)
    _check_name(device.device_name)
    index = _boot_index(device.boot_index)
    if device.source_type == "image" and not (image_named and index == 0):
        raise invalid("Mapping image to local is not supported.")
    system = device.guest_format if isinstance(device.guest_format, str) else ""
    blank = device.source_type == "blank"
    if not blank and system:
        raise invalid(f"guest_format {system[:50]} is for blank devices: an image has its own.")
    _check_stays(device.delete_on_termination)
    swap = blank and system == "swap"
    return Mapped(
        name="swap" if swap else f"ephemeral{ephemeral}" if blank else disks.ROOT,
        size_mib=_size(device.volume_size) * (1 if swap else 1024),
        file_system=_file_system(system) if blank and not swap else "",
        bus=_bus(device.disk_bus),
        device=_device_type(device.device_type, blank),
        boot_index=index if index >= 0 else None,
        tag=device.tag if isinstance(device.tag, str) else "",
    )


def _check_source(device: bodies.BlockDevice) -> None:
    """Raises BadInput unless it is blank or an image, on a local disk."""
    source, to = device.source_type, device.destination_type
    if source is UNSET:
        raise invalid("source_type is missing: image and blank are served.")
    if source == "blank" and device.uuid is not UNSET:
        raise invalid("Invalid device UUID.")
    if source != "blank" and device.uuid is UNSET:
        raise invalid("Missing device UUID.")
    if source in ("volume", "snapshot") or to == "volume":
        what = "volume" if source == "volume" else f"{source} on a volume"
        raise BadInput(f"A block device that is a {what} is not served: {_NO_VOLUMES}")
    if isinstance(device.volume_type, str):
        raise invalid("Specifying a volume_type with destination_type=local is not supported.")


def _check_name(value: Any) -> None:
    """A device's name is the guest's own to give; what is sent is only held against the form of one.

    Raises:
        BadInput
    """
    if value is UNSET or value is None:
        return
    if not isinstance(value, str) or not 1 <= len(value) <= 255:
        raise invalid("Device name empty or too long.")
    if not re.fullmatch("[a-zA-Z0-9._/-]+", value):
        raise invalid("Device name contains spaces.")


def _boot_index(value: Any) -> int:
    """-1 for what is not booted from."""
    if value is UNSET or value is None:
        return -1
    if isinstance(value, bool) or not re.fullmatch(r"-?[0-9]{1,9}", str(value)):
        raise invalid("Boot index is invalid.")
    return int(value)


def _size(value: Any) -> int:
    """As it was sent, GiB or for swap space MiB; 0 for what the flavor says."""
    if value is UNSET or value is None:
        return 0
    return bodies.whole(value, "volume_size", least=1)


def _check_stays(value: Any) -> None:
    """Raises BadInput for a local disk that is to be there without its server."""
    if value not in (UNSET, None) and not bodies.truth(value, "delete_on_termination"):
        raise invalid("A local disk goes with its server: delete_on_termination cannot be false.")


def _file_system(named: str) -> str:
    if named and named.lower() not in _SYSTEMS:
        raise invalid(
            f"guest_format {named[:50]} is not supported. Supported: swap, {', '.join(_SYSTEMS)}."
        )
    return named.lower()


def _bus(value: Any) -> Any:
    if value is UNSET or value is None:
        return ""
    if value not in _KNOWN_BUSES:
        raise BadInput(
            f"Block Device Mapping is invalid: The provided disk bus {str(value)[:50]} is not valid."
        )
    if value not in disks.BUSES:
        raise invalid(
            f"disk_bus {value} is not supported by the hosts. Supported: {', '.join(disks.BUSES)}."
        )
    return value


def _device_type(value: Any, blank: bool) -> Any:
    if value in (UNSET, None, "disk"):
        return "disk"
    if value == "cdrom" and not blank:
        raise invalid(
            "A root disk as CD-ROM needs an image of the format iso: it is one by itself."
        )
    raise invalid(f"device_type {str(value)[:50]} is not supported for a local disk.")


# ---- the older form ----


def _of_legacy(devices: Sequence[Mapping[str, Any]]) -> list[Mapped]:
    """Ephemeral disks and swap space by name; the root disk comes of itself."""
    found = [Mapped(name=disks.ROOT, boot_index=0)]
    for device in devices:
        _check_keys(device)
        virtual = device.get("virtual_name")
        if isinstance(virtual, str) and _VIRTUAL.fullmatch(virtual):
            found.append(_of_virtual(virtual, device, found))
        elif device.get("volume_id") or device.get("snapshot_id"):
            raise BadInput(f"A block device that is a volume is not served: {_NO_VOLUMES}")
        elif not device.get("no_device"):
            raise invalid("Unrecognized legacy format.")
    return found


_LEGACY = {
    "virtual_name", "volume_id", "snapshot_id", "volume_size", "device_name",
    "delete_on_termination", "no_device", "connection_info",
}  # fmt: skip


def _check_keys(device: Mapping[str, Any]) -> None:
    for name, value in device.items():
        if name not in _LEGACY:
            raise BadInput(
                f"Invalid input for field/attribute block_device_mapping. Additional properties are not allowed "
                f"('{name[:50]}' was unexpected)"
            )
        if name in ("virtual_name", "device_name") and not (
            isinstance(value, str) and len(value) <= 255
        ):
            raise BadInput(f"Invalid input for field/attribute {name}. Value: {str(value)[:50]}.")


def _of_virtual(virtual: str, device: Mapping[str, Any], before: Sequence[Mapped]) -> Mapped:
    swap = virtual == "swap"
    number = sum(one.name.startswith("ephemeral") for one in before)
    _check_stays(device.get("delete_on_termination", UNSET))
    size = _size(device.get("volume_size", UNSET))
    return Mapped(
        name="swap" if swap else f"ephemeral{number}", size_mib=size * (1 if swap else 1024)
    )


# ---- together ----


def _checked(
    found: list[Mapped], flavor: Any, properties: Mapping[str, Any], most: int
) -> list[Mapped]:
    """The disks, those without a size in the flavor's.

    Raises:
        BadInput: they do not fit each other, the flavor or the machine.
    """
    indexes = sorted(one.boot_index for one in found if one.boot_index is not None)
    if not indexes or indexes != list(range(len(indexes))) or _root(found) is None:
        raise invalid(
            "Boot sequence for the instance and image/block device mapping combination is not valid."
        )
    sized = [_sized(one, flavor) for one in found]
    _check_sizes(sized, flavor)
    if 0 <= most < len(found):
        raise invalid("You specified more local devices than the limit allows")
    _check_places(sized, properties)
    return sized


def _root(found: Sequence[Mapped]) -> Mapped | None:
    """The one root disk. None: there is none, or there are several."""
    roots = [one for one in found if one.name == disks.ROOT]
    return roots[0] if len(roots) == 1 and roots[0].boot_index == 0 else None


def _sized(one: Mapped, flavor: Any) -> Mapped:
    """The root disk's size is the flavor's: whoever asks for less of it gets that, as upstream."""
    if one.name == disks.ROOT:
        if flavor.disk_gib and one.size_mib > flavor.disk_gib << 10:
            raise invalid(
                f"The volume_size of a local disk of an image cannot be more than the flavor's disk: "
                f"{flavor.disk_gib} GiB."
            )
        return replace(one, size_mib=0)
    if one.size_mib:
        return one
    size = flavor.swap_mib if one.name == "swap" else flavor.ephemeral_gib << 10
    return replace(one, size_mib=size)


def _check_sizes(found: Sequence[Mapped], flavor: Any) -> None:
    ephemeral = [one.size_mib for one in found if one.name.startswith("ephemeral")]
    if sum(ephemeral) > flavor.ephemeral_gib << 10 or 0 in ephemeral:
        raise BadInput(
            "Ephemeral disks requested are larger than the instance type allows. If no size is given in one block "
            "device mapping, flavor ephemeral size will be used."
        )
    swap = [one.size_mib for one in found if one.name == "swap"]
    if len(swap) > 1:
        raise invalid("More than one swap drive requested.")
    if sum(swap) > flavor.swap_mib or 0 in swap:
        raise BadInput("Swap drive requested is larger than instance type allows.")


def _check_places(found: Sequence[Mapped], properties: Mapping[str, Any]) -> None:
    """Raises BadInput when a controller has not enough places, with those for what may come besides."""
    model = str(properties.get("hw_scsi_model", "")).lower()
    counts: dict[str, int] = {}
    for one in found:
        bus = one.bus or disks.bus_of(properties, one.device)
        kind = {"ide": "sata", "scsi": model}.get(bus, bus)
        counts[kind] = counts.get(kind, 0) + 1
    for kind, count in counts.items():
        most = disks.PLACES.get(kind)
        if most is not None and count > most:
            raise invalid(
                f"The {kind} controller has not enough places for {count} disks: use another disk_bus."
            )
