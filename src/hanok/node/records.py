"""What a node remembers: a record for each guest, a tombstone for each that it removed.

A record is a JSON file in the guest's directory, written whole or not at all (temporary file, fsync, rename), before
the effects it announces. The directory is the node's own; QEMU's user owns only `files/` below it, so a guest that
broke out of QEMU cannot rewrite what the node believes.

    <state>/instances/<server_id>/record.json
    <state>/instances/<server_id>/memory          of a suspended guest
    <state>/instances/<server_id>/files/          disk, ephemeral0.qcow2, swap, config.iso, console.log
    <state>/removed/<server_id>                   the generation it was removed at, as text
"""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Literal

import msgspec
from msgspec import Struct, structs

from hanok.base.clock import Clock
from hanok.base.durable import settle
from hanok.base.ids import is_uuid
from hanok.commands import EnsureInstance, Power
from hanok.node.errors import Late

KEEP_TOMBSTONES_S = 30 * 24 * 3600  # no message is that late: operations end within days
MAX_TOMBSTONES = 100_000


class Record(Struct, kw_only=True, rename={"requested": "wanted"}):
    """A guest as the node knows it.

    spec: the last EnsureInstance. requested: the power state last asked for ("wanted" in the file).
    actual: the one last seen.
    boot_id: of the host when the process was started; pid and started_ticks: the process, 0 for none.
    rebooted_generation: the generation of the last reboot that was finished.
    image_id: what the root disk stands on; empty while there is no disk. blank_root: it stands on nothing, and the
    image is a CD-ROM beside it. disk_generation: of the root disk.
    rescue_image_id: what the disk stands on that it is rescued with; empty while there is none.
    checkpoint: the name under which the root disk is kept as it was before; empty for none.
    places: the PCIe root ports of network interfaces by MAC, and root_ports how many it has, where interfaces have come
    or gone since the process was started; a process that resumes it has the same.
    frozen: whether its file systems may have been told to stand still, and not to go on since.
    nmi_token: of the last non-maskable interrupt.
    machine: the type of its machine with its version, as it was found for machine_asked when it was started first.
    Newer versions of the hypervisor do not change it.
    move: "expected": it is to come from another host, and is not this one's yet; "sending": it is being sent to one;
    "sent": it was, and runs here no more; "" otherwise.
    """

    server_id: str
    generation: int
    spec: EnsureInstance
    requested: Power = "stopped"
    actual: Power = "stopped"
    uid: int | None = None
    image_id: str = ""
    image_format: str = ""
    blank_root: bool = False
    started_at: datetime | None = None
    boot_id: str = ""
    pid: int = 0
    started_ticks: int = 0
    rebooted_generation: int = -1
    disk_generation: int = 0
    rescue_image_id: str = ""
    rescue_format: str = ""
    checkpoint: str = ""
    places: dict[str, int] = {}
    root_ports: int = 0
    frozen: bool = False
    nmi_token: str = ""
    machine: str = ""
    requested_machine: str = msgspec.field(default="", name="machine_asked")
    move: Literal["", "expected", "sending", "sent"] = ""


def images_of(record: Record) -> tuple[str, ...]:
    """The ids of the images that a guest cannot be started without."""
    kernel = record.spec.kernel
    boots = () if kernel is None else (kernel.kernel_id, kernel.ramdisk_id)
    return tuple(one for one in (record.image_id, record.rescue_image_id, *boots) if one)


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Record).decode


class Records:
    """The records and tombstones under a state directory.

    durable: whether they survive a power cut; the simulated hosts do without.
    """

    def __init__(self, state: Path, clock: Clock, *, durable: bool = True) -> None:
        self._durable = durable
        self.instances = state / "instances"
        self.removed = state / "removed"
        self._clock = clock
        for folder in (state, self.instances, self.removed):
            folder.mkdir(parents=True, exist_ok=True)
            # QEMU's users pass through to their own files; they list nothing.
            folder.chmod(0o711)

    def folder(self, server_id: str) -> Path:
        if not is_uuid(server_id):
            raise ValueError(f"not a server id: {server_id!r}")
        return self.instances / server_id

    def files(self, server_id: str) -> Path:
        return self.folder(server_id) / "files"

    def load(self) -> Iterator[Record]:
        """Every record that can be read. A directory without one holds nothing that ran."""
        for server_id in self.directories():
            with contextlib.suppress(OSError, msgspec.MsgspecError):
                yield _decode((self.folder(server_id) / "record.json").read_bytes())

    def directories(self) -> list[str]:
        return sorted(entry.name for entry in self.instances.iterdir() if is_uuid(entry.name))

    def save(self, record: Record) -> None:
        folder = self.folder(record.server_id)
        folder.mkdir(exist_ok=True, mode=0o711)
        write_whole(folder / "record.json", _encode(record), durable=self._durable)

    def delete(self, server_id: str) -> None:
        """Remove the directory; the record goes last, so that a removal that was cut short is seen."""
        folder = self.folder(server_id)
        with contextlib.suppress(FileNotFoundError):
            shutil.rmtree(folder / "files")
        with contextlib.suppress(FileNotFoundError):
            (folder / "memory").unlink()
        with contextlib.suppress(FileNotFoundError):
            shutil.rmtree(folder)

    # ---- tombstones

    def removed_at(self, server_id: str) -> int:
        """The generation a server was removed at; -1 when it never was."""
        try:
            return int((self.removed / server_id).read_text())
        except (FileNotFoundError, ValueError):
            return -1

    def bury(self, server_id: str, generation: int) -> None:
        """Remember a removal. The file's size is a few bytes."""
        self.folder(server_id)
        if generation > self.removed_at(server_id):
            write_whole(self.removed / server_id, b"%d" % generation, durable=self._durable)

    def unbury(self, server_id: str) -> None:
        """It is here again, by a command at least as new: from now on its record counts."""
        (self.removed / server_id).unlink(missing_ok=True)

    def prune(self) -> None:
        """Forget removals that no message can be late for any more."""
        now = self._clock.now().timestamp()
        known = sorted((entry.stat().st_mtime, entry) for entry in self.removed.iterdir())
        surplus = len(known) - MAX_TOMBSTONES
        for number, (at, path) in enumerate(known):
            if now - at > KEEP_TOMBSTONES_S or number < surplus:
                path.unlink(missing_ok=True)


def check_generation(generation: int, *known: int) -> None:
    """Raises Late when something newer has been seen."""
    if generation < (newest := max(known)):
        raise Late(newest)


def changed(record: Record, **what: object) -> Record:
    """A copy with other values."""
    return structs.replace(record, **what)


def write_whole(path: Path, content: bytes, *, mode: int = 0o600, durable: bool = True) -> None:
    """Write a file so that a reader, or a crash, sees the old or the new content."""
    temporary = path.with_name(f".{path.name}.new")
    fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, mode)
    try:
        with open(fd, "wb") as file:
            file.write(content)
            file.flush()
            if durable:
                os.fsync(file.fileno())
        temporary.rename(path)
        if durable:
            settle(path.parent)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
