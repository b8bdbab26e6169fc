"""The disks of one guest, in `files/`, a directory that belongs to the user its QEMU runs as.

That user might be an attacker: files are made with O_EXCL and O_NOFOLLOW, and tools run as that user, so that a
link put in the way leads nowhere it could not go by itself. An existing disk is never replaced.
"""

from __future__ import annotations

import asyncio
import os
import stat
from collections.abc import Mapping
from pathlib import Path

from hanok.base.failpoints import failpoint
from hanok.drivers.image_format import HEAD_BYTES, inspect
from hanok.drivers.qemu import config_drive
from hanok.drivers.qemu.images import Tools
from hanok.node.errors import NotDone
from hanok.node.images import GIB, RESERVE, check_fits

COPY = "copy"
ROOM = 64 << 20  # an overlay needs little at first, but a guest on a full disk does not get far


class Disks:
    def __init__(self, folder: Path, tools: Tools, uid: int | None, gid: int | None) -> None:
        self._folder = folder / "files"
        self._tools = tools
        self._uid = uid
        self._gid = gid if uid is not None and gid is not None else -1

    def make_folder(self) -> None:
        self._folder.mkdir(mode=0o700, exist_ok=True)
        if self._uid is not None:
            os.chown(self._folder, self._uid, self._gid)
        space = os.statvfs(self._folder)
        if space.f_bavail * space.f_frsize < ROOM:
            raise NotDone("The host's disk is full.", transient=True)

    def has_root(self) -> bool:
        return (self._folder / "disk").exists()

    async def make_root(
        self, base: Path, base_format: str, image_bytes: int, disk_gib: int
    ) -> None:
        """An overlay on a cached image, at least as large as the image."""
        check_fits(image_bytes, disk_gib)
        temporary = self._fresh("disk")
        await failpoint("node.make_root.before")
        await self._tools.make_overlay(temporary, base, base_format, disk_gib * GIB or image_bytes)
        temporary.rename(self._folder / "disk")
        await failpoint("node.make_root.after")

    def root_bytes(self) -> int:
        """The size of the root disk as the guest sees it."""
        fd = os.open(self._folder / "disk", os.O_RDONLY | os.O_NOFOLLOW)
        with open(fd, "rb") as file:
            return inspect(file.read(HEAD_BYTES)).virtual_size_bytes

    def to_grow(self, disk_gib: int) -> int:
        """The size the root disk has to be grown to; 0 when it is large enough."""
        return disk_gib * GIB if self.root_bytes() < disk_gib * GIB else 0

    async def grow_root(self, size_bytes: int) -> None:
        await self._tools.grow(self._folder / "disk", size_bytes)

    def check_room_for_copy(self, base: Path) -> None:
        """Raises NotDone when a copy of the root disk could leave the guests no room to write."""
        used = sum(os.lstat(path).st_blocks * 512 for path in (self._folder / "disk", base))
        space = os.statvfs(self._folder)
        if space.f_bavail * space.f_frsize < used + RESERVE:
            raise NotDone(
                f"The host has not enough disk space for a snapshot: {used + RESERVE >> 20} MiB are needed.",
                detail=f"{space.f_bavail * space.f_frsize >> 20} MiB are free",
            )

    async def make_copy_target(self) -> Path:
        """An empty qcow2 as large as the root disk, for a copy of it."""
        target = self._fresh(COPY)
        await self._tools.make_empty(target, self.root_bytes())
        return target

    async def copy_root(self, base: Path, base_format: str) -> Path:
        """A copy of the root disk that stands on nothing; the guest has no process."""
        target = self._fresh(COPY)
        await self._tools.flatten(self._folder / "disk", base, base_format, target)
        return target

    def hand_over_copy(self, path: Path) -> None:
        """Move the finished copy out of the reach of the guest's user, to the owner of the folder it goes to."""
        source, owner = self._folder / f".{COPY}.new", os.stat(path.parent)
        fd = os.open(source, os.O_RDONLY | os.O_NOFOLLOW)
        try:
            found = os.fstat(fd)
            mine = self._uid is None or found.st_uid == self._uid
            if not (stat.S_ISREG(found.st_mode) and found.st_nlink == 1 and mine):
                raise NotDone("The snapshot's file is not what was made.", detail=str(source))
            if self._uid is not None:
                os.fchown(fd, owner.st_uid, owner.st_gid)
            os.fchmod(fd, 0o400)
            os.fsync(fd)
            os.rename(source, path)
            moved = os.lstat(path)
            if (moved.st_dev, moved.st_ino) != (found.st_dev, found.st_ino):
                path.unlink()
                raise NotDone("The snapshot's file is not what was made.", detail=str(source))
        finally:
            os.close(fd)

    def forget_copy(self) -> None:
        (self._folder / f".{COPY}.new").unlink(missing_ok=True)

    async def make_blank(self, name: str, size_bytes: int) -> None:
        """A plain disk that takes no room before it is written to: swap space, or an ext4 file system."""
        path = self._folder / name
        if not size_bytes or path.exists():
            return
        temporary = self._fresh(name)
        self._write(temporary, b"", size_bytes=size_bytes, mode=0o600)
        if name == "swap":
            await self._tools.make_swap(temporary)
        else:
            await self._tools.make_ext4(temporary, "ephemeral0")
        temporary.rename(path)

    async def make_config_drive(self, files: Mapping[str, bytes]) -> None:
        if not files:
            return
        try:
            content = await asyncio.to_thread(config_drive.build, files)
        except ValueError as error:
            raise NotDone("The server's config drive cannot be made.", detail=str(error)) from error
        temporary = self._fresh("config.iso")
        self._write(temporary, content, size_bytes=len(content), mode=0o400)
        temporary.rename(self._folder / "config.iso")

    def _fresh(self, name: str) -> Path:
        """Where a disk is made before it gets its name."""
        path = self._folder / f".{name}.new"
        path.unlink(missing_ok=True)
        return path

    def _write(self, path: Path, content: bytes, *, size_bytes: int, mode: int) -> None:
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, mode)
        with open(fd, "wb") as file:
            file.write(content)
            file.truncate(size_bytes)
            if self._uid is not None:
                os.fchown(file.fileno(), self._uid, self._gid)
