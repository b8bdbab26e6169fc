"""The volumes that a request for a server describes: what they are made of, and what the caller may reach of that.

Source: Compute API reference, "Create Server", block_device_mapping_v2; Compute API guide, "Block Device Mapping".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from msgspec import UNSET, Struct
from msgspec.structs import replace

from hanok.base.errors import BadInput, NotFound
from hanok.base.ids import is_uuid
from hanok.services.block_storage.facade import BlockStorage
from hanok.services.compute.schemas import bodies
from hanok.services.image import facade as images
from hanok.services.image.facade import ImageInfo
from hanok.store import Transaction
from hanok.web.token import Caller

Source = Literal["volume", "snapshot", "image", "blank"]
GIB = 1 << 30
OF_THE_IMAGE = (
    "image_id", "image_name", "checksum", "container_format", "disk_format", "min_disk", "min_ram", "size",
)  # fmt: skip
"""What a volume says of its image besides the image's properties."""


class VolumeWish(Struct, frozen=True, kw_only=True):
    """A volume that a server is to have. size_gib, type: of a new one; None: as its source has it.

    bus: empty for what is usual. boot_index: None: it is not booted from.
    """

    source: Source
    source_id: str | None = None
    size_gib: int | None = None
    type: str | None = None
    bus: str = ""
    device: Literal["disk", "cdrom"] = "disk"
    boot_index: int | None = None
    tag: str = ""
    delete_on_termination: bool = False


def invalid(why: str) -> BadInput:
    return BadInput(f"Block Device Mapping is Invalid: {why}")


def of_legacy(device: Mapping[str, Any], index: int | None) -> VolumeWish:
    """A device of the older form that names a volume or a snapshot."""
    source: Source = "volume" if device.get("volume_id") else "snapshot"
    named = device.get(f"{source}_id")
    size = device.get("volume_size")
    goes = device.get("delete_on_termination")
    return VolumeWish(
        source=source,
        source_id=_id(named, source),
        size_gib=None if size in (None, "") else bodies.whole(size, "volume_size", least=1),
        boot_index=index,
        delete_on_termination=goes not in (None, "")
        and bodies.truth(goes, "delete_on_termination"),
    )


def _id(value: Any, source: str) -> str:
    if not isinstance(value, str) or not is_uuid(value):
        raise invalid(f"failed to get {source} {str(value)[:100]}.")
    return value


def of_v2(
    device: bodies.BlockDevice, *, bus: str, boot_index: int | None, device_type: Any
) -> VolumeWish:
    """A device whose destination is a volume."""
    source, size, goes = device.source_type, device.volume_size, device.delete_on_termination
    assert source is not UNSET
    if device.guest_format not in (UNSET, None):
        raise invalid("guest_format is for blank local disks: a volume is formatted by its guest.")
    kind = device.volume_type
    if kind not in (UNSET, None) and source == "volume":
        raise invalid("volume_type is for new volumes: an existing one has its own.")
    if kind not in (UNSET, None) and not (isinstance(kind, str) and 1 <= len(kind) <= 255):
        raise BadInput("Invalid input for field/attribute volume_type.")
    return VolumeWish(
        source=source,
        source_id=None if source == "blank" else _id(device.uuid, source),
        size_gib=None if size in (UNSET, None) else bodies.whole(size, "volume_size", least=1),
        type=kind if isinstance(kind, str) else None,
        bus=bus,
        device=device_type,
        boot_index=boot_index,
        tag=device.tag if isinstance(device.tag, str) else "",
        delete_on_termination=goes not in (UNSET, None)
        and bodies.truth(goes, "delete_on_termination"),
    )


# ---- what the caller reaches of them ----


class Eyes(Struct, frozen=True, kw_only=True):
    """Who asks: as block storage's rules see them, and as the image service's do.

    boots: whether nothing is known of the system but what the root volume says, so that this must be bootable.
    """

    volumes: Caller
    images: Caller
    knows_multiattach: bool = True
    boots: bool = True


async def checked(
    tx: Transaction,
    volumes: BlockStorage,
    eyes: Eyes,
    wishes: Sequence[VolumeWish],
    count: int,
) -> tuple[list[VolumeWish], dict[str, str] | None]:
    """The wishes, each with its size, and the properties of the image that the root volume has or will have.

    Args:
        count: of servers that are to be made.

    Raises:
        BadInput: one leads nowhere, or does not fit.
    """
    if count > 1 and any(one.source == "volume" for one in wishes):
        raise BadInput("Cannot attach one or more volumes to multiple instances")
    found, properties = [], None
    for one in wishes:
        sized, said = await _CHECKS[one.source](tx, volumes, eyes, one)
        found.append(sized)
        if one.type is not None:
            await _check_type(tx, volumes, eyes, one.type)
        if one.boot_index == 0:
            properties = said
    return found, properties


async def _check_type(tx: Transaction, volumes: BlockStorage, eyes: Eyes, named: str) -> None:
    try:
        await volumes.check_type(tx, eyes.volumes, named)
    except NotFound as error:
        raise BadInput(error.message) from error


Checked = tuple[VolumeWish, dict[str, str]]


async def _volume(tx: Transaction, volumes: BlockStorage, eyes: Eyes, one: VolumeWish) -> Checked:
    try:
        info = await volumes.visible(tx, eyes.volumes, one.source_id or "")
    except NotFound as error:
        raise invalid(f"failed to get volume {one.source_id}.") from error
    if info.multiattach and not eyes.knows_multiattach:
        raise BadInput(
            "Multiattach volumes are only supported starting with compute API version 2.60."
        )
    if eyes.boots and one.boot_index == 0 and not info.bootable:
        raise BadInput(f"Block Device {info.id} is not bootable.")
    return replace(one, size_gib=info.size_gib), properties_of(info.image_metadata)


async def _snapshot(tx: Transaction, volumes: BlockStorage, eyes: Eyes, one: VolumeWish) -> Checked:
    try:
        info = await volumes.snapshot_visible(tx, eyes.volumes, one.source_id or "")
    except NotFound as error:
        raise invalid(f"failed to get snapshot {one.source_id}.") from error
    if info.status != "available":
        raise invalid(f"snapshot {info.id} is not available; its status is {info.status}.")
    if eyes.boots and one.boot_index == 0 and not info.bootable:
        raise BadInput(f"Block Device {info.volume_id} is not bootable.")
    size = one.size_gib or info.size_gib
    if size < info.size_gib:
        raise invalid(
            f"the volume_size of {size} GiB is less than that of snapshot {info.id}: {info.size_gib} GiB."
        )
    return replace(one, size_gib=size), properties_of(info.image_metadata)


async def _image(tx: Transaction, volumes: BlockStorage, eyes: Eyes, one: VolumeWish) -> Checked:
    try:
        info = await images.visible(tx, eyes.images, one.source_id or "")
    except NotFound as error:
        raise invalid(f"failed to get image {one.source_id}.") from error
    if info.status != "active":
        raise BadInput(f"Image {info.id} is not active.")
    if one.size_gib is None:
        raise invalid(
            "Images with destination_type 'volume' need to have a non-zero size specified"
        )
    check_fits(info, one.size_gib)
    properties = {name: one for name, one in info.properties.items() if isinstance(one, str)}
    return one, {**properties, "min_ram": str(info.min_ram_mib)}


def check_fits(image: ImageInfo, size_gib: int) -> None:
    """Raises BadInput when a volume is too small for an image."""
    needed = max(image.min_disk_gib * GIB, image.virtual_size_bytes or image.size_bytes or 0)
    if needed > size_gib * GIB:
        raise BadInput(
            f"Volume is too small for requested image. Volume size is {size_gib * GIB} bytes, minimum is "
            f"{needed} bytes."
        )


async def _blank(tx: Transaction, volumes: BlockStorage, eyes: Eyes, one: VolumeWish) -> Checked:
    if one.size_gib is None:
        raise invalid("Blank volumes (source: 'blank', dest: 'volume') need to have non-zero size")
    return one, {}


_CHECKS = {"volume": _volume, "snapshot": _snapshot, "image": _image, "blank": _blank}


def properties_of(said: Mapping[str, str]) -> dict[str, str]:
    """Of what a volume says of its image, what the image said of itself, and the memory that it asks for."""
    own = {name: value for name, value in said.items() if name not in OF_THE_IMAGE}
    return {**own, "min_ram": said.get("min_ram", "0")}
