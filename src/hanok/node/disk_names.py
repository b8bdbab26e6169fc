"""Which disks a command wants for a guest, by their names."""

from __future__ import annotations

import re

from hanok.commands import EnsureInstance, GuestDisk
from hanok.drivers.qemu.hardware import SCSI_MODELS
from hanok.node.errors import NotDone

ROOT, SWAP, CONFIG, INSTALLER, RESCUE = "root", "swap", "config", "installer", "rescue"
_NAMES = re.compile(r"root|ephemeral\d{1,3}|swap|config|installer")


def listed(spec: EnsureInstance) -> tuple[GuestDisk, ...]:
    """The disks that a command wants, in the guest's order; also of one that names none of them."""
    if spec.disks:
        return spec.disks
    found = [GuestDisk(name=ROOT, of_image=True, boot_index=0)] if spec.image_id else []
    if spec.ephemeral_gib:
        size_mib = spec.ephemeral_gib << 10
        found.append(GuestDisk(name="ephemeral0", size_mib=size_mib, file_system="ext4"))
    if spec.swap_mib:
        found.append(GuestDisk(name=SWAP, size_mib=spec.swap_mib))
    if spec.config_drive:
        found.append(GuestDisk(name=CONFIG))
    return tuple(found)


def check_names(spec: EnsureInstance) -> None:
    """Names become file names, and arguments.

    Raises:
        NotDone: one is none that a disk has.
    """
    names = [one.name for one in listed(spec)]
    right = all(map(_NAMES.fullmatch, names)) and len(set(names)) == len(names)
    if (
        not right
        or (names[:1] != [ROOT] and spec.image_id)
        or (ROOT in names and not spec.image_id)
    ):
        raise NotDone("The command names a disk that no server has.", detail=repr(names))
    if spec.scsi_model not in SCSI_MODELS:
        raise NotDone("The host has no such SCSI controller.", detail=repr(spec.scsi_model))


def further(spec: EnsureInstance) -> list[GuestDisk]:
    """Those that are empty at first: ephemeral disks and swap space."""
    return [one for one in listed(spec) if one.size_mib]
