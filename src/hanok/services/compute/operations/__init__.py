"""Compute's operations. Each lists the steps that the course counts to twelve:

1-3 the request is accepted (dashboard or client, identity, API), 4 a worker takes the operation, 5-6 placement is asked
for candidates, 7-8 they are filtered and weighed, 9 a host is claimed, 10-11 the image is fetched to the host's cache,
12 ports are bound and the guest is started.
"""

from __future__ import annotations

from hanok.services.compute.operations.cache_images import CacheImage, CacheImages
from hanok.services.compute.operations.change_interfaces import AttachInterface, DetachInterface
from hanok.services.compute.operations.change_power import ChangePower
from hanok.services.compute.operations.change_volumes import (
    AttachVolume,
    DetachVolume,
    ExtendVolume,
)
from hanok.services.compute.operations.create_image import CreateImage
from hanok.services.compute.operations.create_server import CreateServer
from hanok.services.compute.operations.create_with_volumes import CreateServerWithVolumes
from hanok.services.compute.operations.delete_server import DeleteServer
from hanok.services.compute.operations.drop_image import DropImage
from hanok.services.compute.operations.evacuate_server import EvacuateServer
from hanok.services.compute.operations.image_of_volumes import CreateImageOfVolumes
from hanok.services.compute.operations.live_migrate_server import LiveMigrateServer
from hanok.services.compute.operations.note_guest import NoteGuest
from hanok.services.compute.operations.rebuild_server import RebuildServer
from hanok.services.compute.operations.rebuild_volume_backed import RebuildVolumeBacked
from hanok.services.compute.operations.rescue_server import RescueServer, UnrescueServer
from hanok.services.compute.operations.resize_server import (
    ConfirmResize,
    MigrateServer,
    ResizeServer,
    RevertResize,
)
from hanok.services.compute.operations.shelve_server import (
    OffloadServer,
    ShelveServer,
    ShelveVolumeBacked,
)
from hanok.services.compute.operations.signals import ChangePassword, TriggerCrashDump
from hanok.services.compute.operations.soft_delete import RestoreServer, SoftDelete
from hanok.services.compute.operations.unshelve_server import UnshelveServer, WakeServer

OPERATIONS = (
    CreateServer,
    CreateServerWithVolumes,
    DeleteServer,
    ChangePower,
    CreateImage,
    CreateImageOfVolumes,
    RebuildServer,
    RebuildVolumeBacked,
    RescueServer,
    UnrescueServer,
    ShelveServer,
    ShelveVolumeBacked,
    OffloadServer,
    UnshelveServer,
    WakeServer,
    DropImage,
    ResizeServer,
    MigrateServer,
    EvacuateServer,
    LiveMigrateServer,
    ConfirmResize,
    RevertResize,
    SoftDelete,
    RestoreServer,
    TriggerCrashDump,
    ChangePassword,
    CacheImages,
    CacheImage,
    AttachInterface,
    DetachInterface,
    AttachVolume,
    DetachVolume,
    ExtendVolume,
    NoteGuest,
)

__all__ = [
    "OPERATIONS",
    "AttachInterface",
    "AttachVolume",
    "CacheImages",
    "ChangePassword",
    "ChangePower",
    "ConfirmResize",
    "CreateImage",
    "CreateImageOfVolumes",
    "CreateServer",
    "CreateServerWithVolumes",
    "DeleteServer",
    "DetachInterface",
    "DetachVolume",
    "DropImage",
    "EvacuateServer",
    "ExtendVolume",
    "LiveMigrateServer",
    "MigrateServer",
    "NoteGuest",
    "OffloadServer",
    "RebuildServer",
    "RebuildVolumeBacked",
    "RescueServer",
    "ResizeServer",
    "RestoreServer",
    "RevertResize",
    "ShelveServer",
    "ShelveVolumeBacked",
    "SoftDelete",
    "TriggerCrashDump",
    "UnrescueServer",
    "UnshelveServer",
    "WakeServer",
]
