"""Volumes as guests have them."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

Bus = Literal["virtio", "scsi", "usb", "sata", "ide"]
"""How a disk is attached. sata and ide: the controller that the machine has of itself."""


class VolumeAddress(Struct, frozen=True, kw_only=True, tag_field="answer", tag="volume_address"):
    """Where an attachment reaches its volume: the export's name at an NBD server.

    path: of a unix socket, on the volume's own host. host, port: to other hosts, with TLS; name: of that host, as its
    certificate says.
    """

    export: str
    path: str = ""
    host: str = ""
    port: int = 0
    name: str = ""


class GuestVolume(Struct, frozen=True, kw_only=True):
    """A volume as a guest has it.

    address: where it is reached. bus, device: as of GuestDisk. boot_index: 0 is tried first; None: never.
    serial: the volume's id, by which a guest knows it.
    """

    volume_id: str
    attachment_id: str
    address: VolumeAddress
    size_gib: int
    read_only: bool = False
    bus: Bus = "virtio"
    device: Literal["disk", "cdrom"] = "disk"
    boot_index: int | None = None
