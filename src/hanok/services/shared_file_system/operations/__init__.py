"""Long work of shared file systems."""

from __future__ import annotations

from hanok.operations import Operation
from hanok.services.shared_file_system.operations import (
    backups,
    replicas,
    share_groups,
    share_servers,
)
from hanok.services.shared_file_system.operations.access import UpdateAccess, UpdateSnapshotAccess
from hanok.services.shared_file_system.operations.create_share import CreateShare
from hanok.services.shared_file_system.operations.delete_share import DeleteInstance, DeleteShare
from hanok.services.shared_file_system.operations.ensure_shares import EnsureShares
from hanok.services.shared_file_system.operations.manage_share import ManageShare, UnmanageShare
from hanok.services.shared_file_system.operations.move_share import (
    CancelMigration,
    CompleteMigration,
    MigrateShare,
)
from hanok.services.shared_file_system.operations.resize_share import (
    ExtendShare,
    RevertShareOperation,
    ShrinkShare,
)
from hanok.services.shared_file_system.operations.snapshots import CreateSnapshot, DeleteSnapshot

OPERATIONS: tuple[type[Operation], ...] = (
    CreateShare,
    DeleteShare,
    DeleteInstance,
    ExtendShare,
    ShrinkShare,
    RevertShareOperation,
    UpdateAccess,
    UpdateSnapshotAccess,
    CreateSnapshot,
    DeleteSnapshot,
    ManageShare,
    UnmanageShare,
    EnsureShares,
    MigrateShare,
    CompleteMigration,
    CancelMigration,
    *share_servers.OPERATIONS,
    *share_groups.OPERATIONS,
    *replicas.OPERATIONS,
    *backups.OPERATIONS,
)

__all__ = ["OPERATIONS"]
