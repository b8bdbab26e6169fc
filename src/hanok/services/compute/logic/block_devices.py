"""What a request for a server says of block devices: which local disks and which volumes it is to have.

Three forms are read: block_device_mapping_v2; the older block_device_mapping, which names ephemeral disks and swap
space by a "virtual_name"; and the list that an image of a server with volumes has of their snapshots.

Source: Compute API reference, "Create Server", block_device_mapping_v2; Compute API guide, "Block Device Mapping".
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from msgspec import UNSET
from msgspec.structs import replace

from hanok.base.errors import BadInput
from hanok.services.compute.logic import disks, volume_wishes
from hanok.services.compute.logic.disks import Mapped
from hanok.services.compute.logic.volume_wishes import VolumeWish, invalid
from hanok.services.compute.schemas import bodies

BOOT_SEQUENCE = (
    "Boot sequence for the instance and image/block device mapping combination is not valid."
)
MAPPING = "block_device_mapping"
"""The property of an image that says which volumes its servers have."""
_SYSTEMS = ("ext2", "ext3", "ext4", "xfs", "vfat")
_KNOWN_BUSES = ("fdc", "ide", "sata", "scsi", "usb", "virtio", "xen", "lxc", "uml")
_VIRTUAL = re.compile(r"ephemeral\d+|swap")


Device = Mapped | VolumeWish


def described(server: bodies.NewServer) -> list[Device]:
    """What a request describes, as it is sent; without a description nothing.

    Raises:
        BadInput: it cannot be read.
    """
    v2, v1 = server.block_device_mapping_v2, server.block_device_mapping
    if v1 is not UNSET and v1:
        if v2 is not UNSET and v2:
            raise BadInput(
                "Using different block_device_mapping syntaxes is not allowed in the same request."
            )
        return _of_legacy(v1, has_image=bool(image_of(server)))
    if v2 is UNSET or not v2:
        return []
    found = _of_v2(server, v2)
    if not found:
        raise invalid(BOOT_SEQUENCE)
    return found


def with_image(
    found: list[Device], server: bodies.NewServer, properties: Mapping[str, Any]
) -> list[Device]:
    """What is described, with what the image says that its servers have: a request that names a device has its own.

    Raises:
        BadInput: the image's list cannot be read.
    """
    if MAPPING not in properties:
        return found
    try:
        listed = msgspec.json.decode(str(properties[MAPPING]), type=list[dict[str, Any]])
        devices = [msgspec.convert(_named(one), bodies.BlockDevice) for one in listed]
    except (msgspec.DecodeError, msgspec.ValidationError, RecursionError) as error:
        raise invalid(f"the image's {MAPPING} cannot be read: {error}") from error
    for one in devices:
        _check_name(one.device_name)
    own = _device_names(server)
    of_image = [
        _volume(one)
        for one in devices
        if _is_volume(one) and not one.no_device and one.device_name not in own
    ]
    return [*of_image, *found]


def _device_names(server: bodies.NewServer) -> set[Any]:
    v1, v2 = server.block_device_mapping, server.block_device_mapping_v2
    names = {one.get("device_name") for one in (v1 or ())}
    return (names | {one.device_name for one in (v2 or ())}) - {None, UNSET}


def _named(device: Mapping[str, Any]) -> dict[str, Any]:
    """A device of an image's list, in the form of requests."""
    known = bodies.BlockDevice.__struct_fields__
    uuid = device.get(f"{device.get('source_type')}_id")
    given = {
        name: one
        for name, one in device.items()
        if name in known and not name.endswith("_id") and one is not None
    }
    return given if uuid is None else {**given, "uuid": uuid}


def root_volume(found: Sequence[Device]) -> VolumeWish | None:
    """The volume that is booted from; None: a disk of the host is."""
    for one in found:
        if isinstance(one, VolumeWish) and one.boot_index == 0:
            return one
    return None


def volumes_of(found: Sequence[Device]) -> list[VolumeWish]:
    """The volumes, the one that is booted from first: it is the first that its guest has."""
    wishes = [one for one in found if isinstance(one, VolumeWish)]
    return sorted(wishes, key=lambda one: one.boot_index != 0)


def local_disks(
    found: Sequence[Device], flavor: Any, properties: Mapping[str, Any], maximum: int
) -> list[Mapped]:
    """The local disks among what is described; without a description none.

    Args:
        properties: of the server's image. maximum: how many local disks it may describe; below 0, any number.

    Raises:
        BadInput: the devices do not fit each other, the flavor or the machine.
    """
    return _checked(found, flavor, properties, maximum) if found else []


def image_of(server: bodies.NewServer) -> str | None:
    """The image that the server boots from: imageRef, or where that is empty, the one that is mapped to a local disk.

    Raises:
        BadInput: they differ.
    """
    image = server.imageRef if isinstance(server.imageRef, str) else None
    named = (image or "").rsplit("/", 1)[-1] or None
    devices = server.block_device_mapping_v2
    for device in () if devices is UNSET else devices:
        local = device.source_type == "image" and not _is_volume(device)
        if local and isinstance(device.uuid, str) and not device.no_device:
            if named is not None and device.uuid != named:
                raise BadInput("The block device and imageRef name different images.")
            named = device.uuid
    return named


# ---- version 2 ----


def _of_v2(server: bodies.NewServer, devices: Sequence[bodies.BlockDevice]) -> list[Device]:
    found: list[Device] = []
    ephemeral = 0
    for device in devices:
        _check_name(device.device_name)
        if device.no_device is not UNSET and device.no_device:
            continue
        if _is_volume(device):
            found.append(_volume(device))
            continue
        one = _local(device, server.imageRef is not UNSET, ephemeral)
        ephemeral += one.name.startswith("ephemeral")
        found.append(one)
    return found


def _is_volume(device: bodies.BlockDevice) -> bool:
    source, to = device.source_type, device.destination_type
    return to == "volume" or (to is UNSET and source in ("volume", "snapshot"))


def _volume(device: bodies.BlockDevice) -> VolumeWish:
    _check_source(device)
    index = _boot_index(device.boot_index)
    if device.device_type not in (UNSET, None, "disk", "cdrom"):
        raise invalid(f"device_type {str(device.device_type)[:50]} is not supported for a volume.")
    kind = "cdrom" if device.device_type == "cdrom" else "disk"
    bus = _bus(device.disk_bus) or ("sata" if kind == "cdrom" else "")
    index_or_none = index if index >= 0 else None
    return volume_wishes.of_v2(device, bus=bus, boot_index=index_or_none, device_type=kind)


def _local(device: bodies.BlockDevice, image_named: bool, ephemeral: int) -> Mapped:
    """A device as a local disk.

    Args:
        image_named: whether the request has an imageRef. ephemeral: how many ephemeral disks come before it.
    """
    _check_source(device)
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
    """Raises BadInput unless what it is made of fits to where it is to be."""
    source = device.source_type
    if source is UNSET:
        raise invalid("source_type is missing: volume, image, snapshot and blank are served.")
    if source == "blank" and device.uuid is not UNSET:
        raise invalid("Invalid device UUID.")
    if source != "blank" and device.uuid is UNSET:
        raise invalid("Missing device UUID.")
    if _is_volume(device):
        return
    if source in ("volume", "snapshot"):
        raise invalid(f"Mapping {source} to local is not supported.")
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
    if not re.fullmatch(r"-?[0-9]{1,9}", str(value)):
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


def _of_legacy(devices: Sequence[Mapping[str, Any]], *, has_image: bool) -> list[Device]:
    """Ephemeral disks and swap space by name, and volumes. Of an image the root disk comes of itself; without one the
    first volume, by its device's name, is booted from."""
    local: list[Mapped] = [Mapped(name=disks.ROOT, boot_index=0)] if has_image else []
    volumes = []
    for device in devices:
        _check_keys(device)
        virtual = device.get("virtual_name")
        if device.get("no_device"):
            continue
        if isinstance(virtual, str) and _VIRTUAL.fullmatch(virtual):
            local.append(_of_virtual(virtual, device, local))
        elif device.get("volume_id") or device.get("snapshot_id"):
            volumes.append(device)
        else:
            raise invalid("Unrecognized legacy format.")
    volumes.sort(key=lambda one: str(one.get("device_name") or "~"))
    boots = 0 if volumes and not has_image else None
    wishes = [
        volume_wishes.of_legacy(one, boots if number == 0 else None)
        for number, one in enumerate(volumes)
    ]
    return [*local, *wishes]


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
    found: Sequence[Device], flavor: Any, properties: Mapping[str, Any], maximum: int
) -> list[Mapped]:
    """The local disks, those without a size in the flavor's.

    Raises:
        BadInput: they do not fit each other, the flavor or the machine.
    """
    indexes = sorted(one.boot_index for one in found if one.boot_index is not None)
    if not indexes or indexes != list(range(len(indexes))) or not _boots(found):
        raise invalid(BOOT_SEQUENCE)
    local = [one for one in found if isinstance(one, Mapped)]
    sized = [_sized(one, flavor) for one in local]
    _check_sizes(sized, flavor)
    if 0 <= maximum < len(local):
        raise invalid("You specified more local devices than the limit allows")
    _check_places([*sized, *volumes_of(found)], properties)
    return sized


def _boots(found: Sequence[Device]) -> bool:
    """Whether what is booted from first is a disk of the image, or a volume: there is nothing on an empty disk."""
    return any(
        one.boot_index == 0 and (isinstance(one, VolumeWish) or one.name == disks.ROOT)
        for one in found
    )


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


def _check_places(found: Sequence[Device], properties: Mapping[str, Any]) -> None:
    """Raises BadInput when a controller has not enough places, with those for what may come besides."""
    model = str(properties.get("hw_scsi_model", "")).lower()
    counts: dict[str, int] = {}
    for one in found:
        bus = one.bus or disks.bus_of(properties, one.device)
        kind = {"ide": "sata", "scsi": model}.get(bus, bus)
        counts[kind] = counts.get(kind, 0) + 1
    for kind, count in counts.items():
        maximum = disks.PLACES.get(kind)
        if maximum is not None and count > maximum:
            raise invalid(
                f"The {kind} controller has not enough places for {count} disks: use another disk_bus."
            )
