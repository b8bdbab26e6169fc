"""Block storage's operations: what is too long for a request and must survive the process."""

from __future__ import annotations

from hanok.services.block_storage.operations import backups, groups
from hanok.services.block_storage.operations.create_volume import CreateVolume, CreateVolumeOfImage
from hanok.services.block_storage.operations.delete_volume import DeleteVolume
from hanok.services.block_storage.operations.extend_volume import ExtendVolume
from hanok.services.block_storage.operations.manage_volume import ManageVolume
from hanok.services.block_storage.operations.move_volume import MigrateVolume, RetypeVolume
from hanok.services.block_storage.operations.set_back import ReimageVolume, RevertVolume
from hanok.services.block_storage.operations.set_limits import SetLimits
from hanok.services.block_storage.operations.snapshots import CreateSnapshot, DeleteSnapshot
from hanok.services.block_storage.operations.upload_volume import UploadVolume

OPERATIONS = (
    CreateVolume,
    CreateVolumeOfImage,
    DeleteVolume,
    ExtendVolume,
    RetypeVolume,
    MigrateVolume,
    RevertVolume,
    ReimageVolume,
    UploadVolume,
    ManageVolume,
    CreateSnapshot,
    DeleteSnapshot,
    *backups.OPERATIONS,
    SetLimits,
    *groups.OPERATIONS,
)

__all__ = [
    "OPERATIONS",
    "CreateSnapshot",
    "CreateVolume",
    "CreateVolumeOfImage",
    "DeleteSnapshot",
    "DeleteVolume",
    "ExtendVolume",
    "ManageVolume",
    "MigrateVolume",
    "ReimageVolume",
    "RetypeVolume",
    "RevertVolume",
    "UploadVolume",
]
