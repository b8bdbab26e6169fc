"""Disks of other hypervisors become qcow2, once, when a host takes them into its cache.

What a stranger made is opened by qemu-img as a user of its own, which sees a folder with this file and the one that it
writes, and has bounds on time, memory and what it may write. What came out is looked at before it is believed.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import stat
from pathlib import Path

from hanok.base.durable import put_in_place
from hanok.base.failpoints import failpoint
from hanok.drivers.image_format import HEAD_BYTES, Found, Inspector
from hanok.drivers.qemu.errors import ImageFailed
from hanok.drivers.qemu.images import Tools
from hanok.node.errors import NotDone

NAMES = {"vmdk": "vmdk", "vdi": "vdi", "vhd": "vpc", "vhdx": "vhdx"}
"""What qemu-img calls them."""
RESERVE = 256 << 20  # disk space that stays for guests that run already


class Converter:
    """folder: the cache. uid, gid: whom the tool runs as; None: as ourselves."""

    def __init__(self, folder: Path, uid: int | None, gid: int | None) -> None:
        self._folder = folder
        self._uid, self._gid = uid, gid

    def clean(self) -> None:
        """What a node that died had begun is gone."""
        for left in self._folder.glob(".*.convert"):
            shutil.rmtree(left)

    async def convert(self, path: Path, kind: str) -> Found:
        """The file at path is a qcow2 of the same disk; says what that is. If it fails there is no file.

        Raises:
            NotDone
        """
        work = self._folder / f".{path.name}.convert"
        await asyncio.to_thread(self._prepare, work, path)
        try:
            await failpoint("node.convert_image.before")
            tools = Tools(self._uid, self._gid, maximum_bytes=self._free_bytes())
            await tools.convert(work / "source", NAMES[kind], work / "target")
            found = await asyncio.to_thread(self._take, work / "target", path)
            await failpoint("node.convert_image.after")
            return found
        except ImageFailed as error:
            raise NotDone(
                f"The image of the format {kind} could not be converted.", detail=error.detail
            ) from error
        finally:
            await asyncio.to_thread(shutil.rmtree, work, ignore_errors=True)

    def _prepare(self, work: Path, path: Path) -> None:
        """A folder of the tool's user with the file in it."""
        shutil.rmtree(work, ignore_errors=True)
        work.mkdir(mode=0o700)
        path.rename(work / "source")
        if self._uid is not None:
            for one in (work / "source", work):
                os.chown(one, self._uid, -1 if self._gid is None else self._gid)

    def _free_bytes(self) -> int:
        space = os.statvfs(self._folder)
        free = space.f_bavail * space.f_frsize - RESERVE
        if free <= 0:
            raise NotDone("The host has not enough disk space for the image.", transient=True)
        return free

    def _take(self, target: Path, path: Path) -> Found:
        """Take over what the tool wrote: out of its reach, and only if it is what was wanted."""
        fd = os.open(target, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        with open(fd, "rb") as file:
            status = os.fstat(fd)
            if not stat.S_ISREG(status.st_mode) or status.st_nlink != 1:
                raise NotDone("The image could not be converted.", detail="no file of its own")
            if self._uid is not None:
                os.fchown(fd, os.geteuid(), -1 if self._gid is None else self._gid)
            os.fchmod(fd, 0o440)
            inspector = Inspector()
            inspector.feed(file.read(HEAD_BYTES))
            inspector.size_bytes = status.st_size
            found = inspector.finish()
            if found.format != "qcow2" or found.problems:
                raise NotDone("The image could not be converted.", detail=repr(found))
            os.fsync(fd)
        put_in_place(target, path, settled=True)
        return found
