"""What control may ask of a node, and what a node tells control.

Commands say a state, not an act (`EnsureInstance`, `RemoveInstance`), so doing one twice does no harm. Each
carries `generation`, the counter of the row it comes from; a node remembers the highest generation it has seen of an
instance and refuses an older one (`Stale`), so that a late message cannot bring back a deleted server.
Everything is named by ids that are in the database before the thing exists; paths are the node's own.

Source: docs/architecture.md, "Long work".
"""

from __future__ import annotations

from hanok.commands.messages import (
    COMMAND_TYPES,
    NIC,
    Answer,
    ByteChannel,
    Command,
    ConsoleAddress,
    ConsoleLog,
    DescribeHost,
    DiskFile,
    Done,
    EnsureImage,
    EnsureInstance,
    EnsureSnapshot,
    Failed,
    ForgetImage,
    ForgetSnapshot,
    HandOverSnapshot,
    HostInventory,
    HostState,
    ImageState,
    InstanceChanged,
    InstanceState,
    ListInventory,
    MetadataDocument,
    MetadataPort,
    MetadataQuestion,
    OpenConsole,
    Power,
    ReadConsole,
    RebootInstance,
    RemoveInstance,
    SetPower,
    SnapshotState,
    Stale,
)

__all__ = [
    "COMMAND_TYPES",
    "NIC",
    "Answer",
    "ByteChannel",
    "Command",
    "ConsoleAddress",
    "ConsoleLog",
    "DescribeHost",
    "DiskFile",
    "Done",
    "EnsureImage",
    "EnsureInstance",
    "EnsureSnapshot",
    "Failed",
    "ForgetImage",
    "ForgetSnapshot",
    "HandOverSnapshot",
    "HostInventory",
    "HostState",
    "ImageState",
    "InstanceChanged",
    "InstanceState",
    "ListInventory",
    "MetadataDocument",
    "MetadataPort",
    "MetadataQuestion",
    "OpenConsole",
    "Power",
    "ReadConsole",
    "RebootInstance",
    "RemoveInstance",
    "SetPower",
    "SnapshotState",
    "Stale",
]
