"""Volumes for tests: the commands with what they usually say, and what a copy of a volume shows."""

from __future__ import annotations

import subprocess
from typing import Any

from tests.node.hosts import House

from hanok.base.ids import new_uuid
from hanok.commands import (
    Command,
    EnsureVolume,
    EnsureVolumeCopy,
    ListVolumes,
    MoveVolume,
    OpenVolume,
    RemoveVolume,
    VolumeAddress,
    VolumeInventory,
    VolumeSource,
    VolumeState,
    copy_name,
)

GIB = 1 << 30
WAIT_S = 30.0


def a_volume(volume_id: str = "", generation: int = 1, **changes: Any) -> EnsureVolume:
    values: dict[str, Any] = {
        "volume_id": volume_id or new_uuid(),
        "generation": generation,
        "backend": "files",
        "size_gib": 1,
        "wait_s": 0.2,
    }
    return EnsureVolume(**(values | changes))


def clone_of(volume_id: str, snapshot_id: str = "", **changes: Any) -> EnsureVolume:
    if snapshot_id:
        source = VolumeSource(kind="snapshot", id=snapshot_id, volume_id=volume_id)
    else:
        source = VolumeSource(kind="volume", id=volume_id)
    return a_volume(source=source, **changes)


async def done(host: House, command: EnsureVolume | MoveVolume | EnsureVolumeCopy) -> VolumeState:
    """Ask until it is done."""
    for _ in range(300):
        answer = await host.ask(command)
        assert isinstance(answer, VolumeState), answer
        if answer.done:
            return answer
    raise AssertionError("it never was done")


async def opened(host: House, volume_id: str, /, **changes: Any) -> VolumeAddress:
    values = {"volume_id": volume_id, "attachment_id": new_uuid(), "backend": "files"}
    answer = await host.ask(OpenVolume(**(values | changes)))
    assert isinstance(answer, VolumeAddress), answer
    return answer


async def shown(host: House, volume_id: str, **changes: Any) -> bytes:
    """What a volume begins with."""
    values: dict[str, Any] = {"copy_id": new_uuid(), "volume_id": volume_id, "backend": "files"}
    command = EnsureVolumeCopy(**(values | changes))
    await done(host, command)
    return beginning(host, command)


def beginning(host: House, command: EnsureVolumeCopy, count: int = 1 << 20) -> bytes:
    """A copy's first bytes; simulated hosts leave out the zeros at the end."""
    path = host.settings.snapshot_folder / copy_name(command.copy_id)
    if command.disk_format == "raw":
        with path.open("rb") as file:
            return file.read(count).ljust(count, b"\0")
    name = {"vhd": "vpc"}.get(command.disk_format, command.disk_format)
    plain = path.with_suffix(".plain")
    convert = ["qemu-img", "convert", "-f", name, "-O", "raw", str(path), str(plain)]
    subprocess.run(convert, check=True, timeout=60)
    with plain.open("rb") as file:
        found = file.read(count).ljust(count, b"\0")
    plain.unlink()
    return found


async def inventory(host: House) -> VolumeInventory:
    answer = await host.ask(ListVolumes())
    assert isinstance(answer, VolumeInventory), answer
    return answer


async def removed(host: House, volume_id: str, generation: int = 9, **changes: Any) -> object:
    values: dict[str, Any] = {
        "volume_id": volume_id,
        "generation": generation,
        "backend": "files",
    }
    command: Command = RemoveVolume(**(values | changes))
    return await host.ask(command)
