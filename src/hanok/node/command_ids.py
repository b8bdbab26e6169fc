"""What commands name: ids and names become file names and arguments, so they are nothing else, even from control."""

from __future__ import annotations

import re
from collections.abc import Iterator

from hanok.base.ids import is_uuid
from hanok.commands import (
    Command,
    EnsureBalancer,
    EnsureInstance,
    EnsureShare,
    EnsureShareServer,
    EnsureVolume,
    EnsureVolumeSnapshots,
    ExpectInstance,
    SetInterfaces,
    SetVolumes,
)
from hanok.node.disk_names import check_names
from hanok.node.errors import NotDone

NAMED = (
    "balancer_id",
    "carrier_id",
    "server_id",
    "volume_id",
    "attachment_id",
    "copy_id",
    "share_id",
)
IF_NAMED = ("image_id", "snapshot_id", "since", "content")
"""What some commands leave empty; those that do not, find no file of that name."""
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,199}")


def check_ids(command: Command) -> None:
    """
    Raises:
        NotDone: something that should be a UUID is not, or a name could be more than a file's.
    """
    for value in _ids(command):
        if not is_uuid(value) or len(value) != 36 or value != value.lower():
            raise NotDone("The command names something that is not an id.", detail=repr(value))
    for name in _names(command):
        if not _NAME.fullmatch(name):
            raise NotDone(f"{name!r} is not a name that a volume or a snapshot can have.")
    if isinstance(command, EnsureInstance):
        check_names(command)
    if isinstance(command, ExpectInstance):
        check_names(command.instance)
        if command.instance.server_id != command.server_id:
            raise NotDone("The command names two servers.")


def _ids(command: Command) -> Iterator[str]:
    named = {name: getattr(command, name) for name in NAMED if hasattr(command, name)}
    if isinstance(command, EnsureShare) and not command.server_id:
        del named["server_id"]  # the host's own
    yield from named.values()
    yield from (value for name in IF_NAMED if (value := getattr(command, name, "")))
    if not isinstance(command, EnsureInstance) and getattr(command, "image_id", None) == "":
        yield ""
    match command:
        case EnsureInstance():
            yield from _of_instance(command)
        case ExpectInstance():
            yield from _of_instance(command.instance)
            yield from filter(None, [command.instance.image_id])
        case SetInterfaces():
            yield from _of_interfaces(command)
        case SetVolumes():
            yield from _of_volumes(command)
        case EnsureVolume():
            yield from _of_source(command)
        case EnsureBalancer():
            yield from _of_balancer(command)
        case EnsureShare():
            yield from _of_share(command)
        case EnsureShareServer():
            yield command.port.port_id
        case EnsureVolumeSnapshots():
            for one in command.snapshots:
                yield from (one.snapshot_id, one.volume_id)


def _of_instance(command: EnsureInstance) -> Iterator[str]:
    kernel = command.kernel
    if command.rescue is not None:
        yield command.rescue.image_id
    if kernel is not None:
        yield kernel.kernel_id
        yield from filter(None, [kernel.ramdisk_id])
    yield from _of_interfaces(command)
    yield from _of_volumes(command)


def _of_balancer(command: EnsureBalancer) -> Iterator[str]:
    yield command.port.port_id
    for listener in command.listeners:
        yield listener.id
        yield from filter(None, [listener.pool_id])
        for policy in listener.policies:
            yield policy.id
            yield from (rule.id for rule in policy.rules)
    for pool in command.pools:
        yield pool.id
        yield from (member.id for member in pool.members)


def _of_interfaces(command: EnsureInstance | SetInterfaces) -> Iterator[str]:
    for nic in command.nics:
        yield from (nic.port_id, nic.network_id)
        if nic.metadata is not None:
            yield nic.metadata.port_id


def _of_volumes(command: EnsureInstance | SetVolumes) -> Iterator[str]:
    for volume in command.volumes:
        yield from (volume.volume_id, volume.attachment_id)


def _of_source(command: EnsureVolume) -> Iterator[str]:
    source = command.source
    if source.kind in ("image", "snapshot", "volume"):
        yield source.id
    yield from filter(None, [source.volume_id])
    yield from (part.copy_id for part in source.copies)


def _of_share(command: EnsureShare) -> Iterator[str]:
    source = command.source
    if source.kind == "snapshot":
        yield source.id
    if source.kind in ("snapshot", "share"):
        yield source.share_id


def _names(command: Command) -> Iterator[str]:
    """Names of files and of back ends."""
    names = [getattr(command, name, "") for name in ("keep", "manage", "backend", "to")]
    if isinstance(command, EnsureVolume | EnsureShare) and command.source.kind == "manage":
        yield command.source.id
    if isinstance(command, EnsureVolumeSnapshots):
        for one in command.snapshots:
            names += [one.backend, one.manage]
    yield from filter(None, names)
