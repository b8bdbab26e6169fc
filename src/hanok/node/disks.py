"""The disks of one guest, in `files/`, a directory that belongs to the user its QEMU runs as.

That user might be an attacker: files are made with O_EXCL and O_NOFOLLOW, and tools run as that user, so that a
link put in the way leads nowhere it could not go by itself. An existing disk is never replaced; who wants another one
throws it away first.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import stat
from collections.abc import Mapping, Set
from pathlib import Path

from hanok.base.durable import put_in_place
from hanok.base.failpoints import failpoint
from hanok.drivers.image_format import HEAD_BYTES, inspect
from hanok.drivers.qemu import config_drive
from hanok.drivers.qemu.errors import ImageFailed, ToolMissing
from hanok.drivers.qemu.images import Tools
from hanok.node.errors import NotDone
from hanok.node.images import GIB, RESERVE, check_fits

COPY = "copy"
_FURTHER = re.compile(r"ephemeral\d*|swap")
SPARE = 64 << 20  # an overlay needs little at first, but a guest on a full disk does not get far


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
        if space.f_bavail * space.f_frsize < SPARE:
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
        await asyncio.to_thread(put_in_place, temporary, self._folder / "disk")
        await failpoint("node.make_root.after")

    async def make_blank_root(self, disk_gib: int) -> None:
        """An empty disk: something is to be installed on it."""
        temporary = self._fresh("disk")
        await self._tools.make_empty(temporary, disk_gib * GIB)
        await asyncio.to_thread(put_in_place, temporary, self._folder / "disk")

    async def make_target(
        self, name: str, size_bytes: int, base: tuple[Path, str] | None = None
    ) -> None:
        """A disk of this size that holds nothing yet: what is on it comes from another host.

        Args:
            base: the image that it stands on, and its format.
        """
        if name == "root":
            path, disk_format = self._folder / "disk", "qcow2"
        else:
            path, disk_format = self._folder / f"{name}.qcow2", "qcow2"
            if name == "swap":
                path, disk_format = self._folder / name, "raw"
        temporary = self._fresh(name)
        if disk_format == "raw":
            self._write(temporary, b"", size_bytes=size_bytes, mode=0o600)
        elif base is not None:
            await self._tools.make_overlay(temporary, *base, size_bytes)
        else:
            await self._tools.make_empty(temporary, size_bytes)
        await asyncio.to_thread(put_in_place, temporary, path)

    async def make_rescue(self, base: Path, base_format: str, image_bytes: int) -> None:
        """An overlay on a cached image, as large as the image, to boot from beside the root disk."""
        if (self._folder / "rescue").exists():
            return
        temporary = self._fresh("rescue")
        await self._tools.make_overlay(temporary, base, base_format, image_bytes)
        await asyncio.to_thread(put_in_place, temporary, self._folder / "rescue")

    def discard(self, name: str) -> None:
        """There is no such disk."""
        (self._folder / name).unlink(missing_ok=True)

    def further(self, name: str) -> tuple[Path, str]:
        """Where a disk beside the root disk is, and its format. Older ones are not of qcow2."""
        if name == "swap":
            return self._folder / name, "raw"
        older = self._folder / "ephemeral"
        if name == "ephemeral0" and older.exists():
            return older, "raw"
        return self._folder / f"{name}.qcow2", "qcow2"

    def has(self, name: str) -> bool:
        return self.further(name)[0].exists()

    def discard_further(self, kept: Set[str]) -> None:
        """There are no disks beside the root disk but these."""
        for path in self._folder.iterdir():
            name = "ephemeral0" if path.name == "ephemeral" else path.name.removesuffix(".qcow2")
            if _FURTHER.fullmatch(name) and name not in kept:
                path.unlink(missing_ok=True)

    def discard_blank(self, name: str, size_bytes: int) -> None:
        """There is no such plain disk of another size. What is on it is lost: for swap space."""
        path = self._folder / name
        with contextlib.suppress(FileNotFoundError):
            if os.lstat(path).st_size != size_bytes:
                path.unlink()

    def _layered(self) -> list[Path]:
        """The disks that can be kept as they are, inside of their files."""
        return [self._folder / "disk", *sorted(self._folder.glob("ephemeral*.qcow2"))]

    async def keep(self, name: str) -> None:
        """Keep the disks under a name as they are now: all of them, or none."""
        await self.drop(name)  # of a try that was cut short
        try:
            for path in self._layered():
                await self._tools.keep(path, name)
                await failpoint("node.keep_disks.between")
        except BaseException:
            await self.drop(name)
            raise

    async def restore(self, name: str) -> None:
        """The disks are as they were kept; one that was not there then stays as it is."""
        root, *others = self._layered()
        await self._tools.restore(root, name)
        for path in others:
            with contextlib.suppress(ImageFailed):
                await self._tools.restore(path, name)

    async def drop(self, name: str) -> None:
        """The disks are not kept under a name; also where they never were."""
        for path in self._layered():
            with contextlib.suppress(ImageFailed):
                await self._tools.drop(path, name)

    def root_bytes(self) -> int:
        """The size of the root disk as the guest sees it."""
        return _size(self._folder / "disk", "qcow2")

    def size_of(self, name: str) -> int:
        """The size of a further disk as the guest sees it."""
        return _size(*self.further(name))

    def to_grow(self, disk_gib: int) -> int:
        """The size the root disk has to be grown to; 0 when it is large enough."""
        return disk_gib * GIB if self.root_bytes() < disk_gib * GIB else 0

    async def grow(self, name: str, size_bytes: int) -> None:
        path, disk_format = (
            (self._folder / "disk", "qcow2") if name == "root" else self.further(name)
        )
        await self._tools.grow(path, disk_format, size_bytes)

    def check_space_for_copy(self, base: Path | None) -> None:
        """Raises NotDone when a copy of the root disk could leave the guests no room to write."""
        parts = [self._folder / "disk", *([] if base is None else [base])]
        used = sum(os.lstat(path).st_blocks * 512 for path in parts)
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

    async def copy_root(self, base: Path | None, base_format: str) -> Path:
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
            put_in_place(source, path, settled=True)
            moved = os.lstat(path)
            if (moved.st_dev, moved.st_ino) != (found.st_dev, found.st_ino):
                path.unlink()
                raise NotDone("The snapshot's file is not what was made.", detail=str(source))
        finally:
            os.close(fd)

    def forget_copy(self) -> None:
        (self._folder / f".{COPY}.new").unlink(missing_ok=True)

    async def make_swap(self, size_bytes: int) -> None:
        """A plain disk with the header of swap space. It takes no room before it is written to."""
        if (self._folder / "swap").exists():
            return
        temporary = self._fresh("swap")
        self._write(temporary, b"", size_bytes=size_bytes, mode=0o600)
        await self._tools.make_swap(temporary)
        await asyncio.to_thread(put_in_place, temporary, self._folder / "swap")

    async def make_ephemeral(self, name: str, size_bytes: int, file_system: str) -> None:
        """A disk with an empty file system, labelled as the disk is called. It takes no room before it is written to.

        Raises:
            NotDone: the host cannot make that file system.
        """
        plain, temporary = self._fresh(f"{name}.raw"), self._fresh(name)
        self._write(plain, b"", size_bytes=size_bytes, mode=0o600)
        try:
            await self._tools.make_file_system(plain, file_system, name)
            await failpoint("node.make_ephemeral.between")
            await self._tools.convert(plain, "raw", temporary)
        except ToolMissing as error:
            raise NotDone(
                f"The host cannot make {file_system} file systems.", detail=error.message
            ) from error
        finally:
            plain.unlink()
        await asyncio.to_thread(put_in_place, temporary, self.further(name)[0])

    async def make_config_drive(self, files: Mapping[str, bytes]) -> None:
        if not files:
            return
        try:
            content = await asyncio.to_thread(config_drive.build, files)
        except ValueError as error:
            raise NotDone("The server's config drive cannot be made.", detail=str(error)) from error
        temporary = self._fresh("config.iso")
        self._write(temporary, content, size_bytes=len(content), mode=0o400)
        await asyncio.to_thread(put_in_place, temporary, self._folder / "config.iso")

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


def _size(path: Path, disk_format: str) -> int:
    """The size of a disk as a guest sees it."""
    fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
    with open(fd, "rb") as file:
        if disk_format == "raw":
            return os.fstat(fd).st_size
        return inspect(file.read(HEAD_BYTES)).virtual_size_bytes
