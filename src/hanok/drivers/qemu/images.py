"""Disk files: overlays on cached images and plain disks, made by tools that run under limits and without root.

Formats are always named and paths are absolute, so no tool ever guesses what bytes are or follows a name inside
them to another file. What may be an image at all is decided before, by `hanok.drivers.image_format`.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hanok.drivers.qemu.errors import ImageFailed, ToolMissing

TOOL_S = 60.0
TOOL_CPU_S = 30
COPY_S = 4 * 3600.0  # of a whole disk
COPY_CPU_S = 3600
TOOL_MEMORY = 2 << 30  # address space: qemu-img maps much and uses little
TOOL_FILES = 64


_MAKERS: dict[str, tuple[str, ...]] = {
    **{kind: ("mke2fs", "-q", "-F", "-t", kind, "-L") for kind in ("ext2", "ext3", "ext4")},
    "xfs": ("mkfs.xfs", "-q", "-f", "-L"),
    "vfat": ("mkfs.vfat", "-n"),
}
"""How a file system is made in a file, but for label and file."""


def _node(path: Path, disk_format: str) -> dict[str, Any]:
    """A disk as QEMU's tools are told of it: nothing is guessed, and no other file is opened."""
    node: dict[str, Any] = {
        "driver": disk_format,
        "file": {"driver": "file", "filename": str(path.absolute())},
    }
    return {**node, "backing": None} if disk_format == "qcow2" else node


@dataclass(frozen=True)
class Tools:
    """Runs disk tools as a user without rights (None: as we are). most_bytes: of a file that they write; 0: any."""

    uid: int | None = None
    gid: int | None = None
    qemu_img: str = "qemu-img"
    most_bytes: int = 0

    async def make_overlay(self, path: Path, base: Path, base_format: str, size_bytes: int) -> None:
        """A qcow2 that shows `base` and takes the writes; a fifth of a MiB on the disk."""
        await self._run(
            self.qemu_img, "create", "-q", "-f", "qcow2", "-F", base_format, "-b", str(base.absolute()),
            str(path.absolute()), str(size_bytes),
        )  # fmt: skip

    async def grow(self, path: Path, disk_format: str, size_bytes: int) -> None:
        """Make a disk show more; never less."""
        await self._run(
            self.qemu_img, "resize", "-q", "-f", disk_format, str(path.absolute()), str(size_bytes)
        )

    async def keep(self, path: Path, name: str) -> None:
        """Keep what a qcow2 shows now under a name, in the file itself. Costs what is written from then on."""
        await self._run(self.qemu_img, "snapshot", "-q", "-c", name, str(path.absolute()))

    async def restore(self, path: Path, name: str) -> None:
        """A qcow2 shows what was kept under a name, in the size that it had."""
        await self._run(self.qemu_img, "snapshot", "-q", "-a", name, str(path.absolute()))

    async def drop(self, path: Path, name: str) -> None:
        """Nothing is kept under a name any more."""
        await self._run(self.qemu_img, "snapshot", "-q", "-d", name, str(path.absolute()))

    async def make_empty(self, path: Path, size_bytes: int) -> None:
        """A qcow2 that stands on nothing."""
        await self._run(
            self.qemu_img, "create", "-q", "-f", "qcow2", str(path.absolute()), str(size_bytes)
        )

    async def flatten(self, path: Path, base: Path | None, base_format: str, target: Path) -> None:
        """Write what an overlay shows into a qcow2 that stands on nothing; nobody else may have the overlay open."""
        backing = None if base is None else _node(base, base_format)
        source = {**_node(path, "qcow2"), "backing": backing}
        await self._run(
            self.qemu_img, "convert", "-q", "-O", "qcow2", "--", f"json:{json.dumps(source)}",
            str(target.absolute()),
            cpu_s=COPY_CPU_S, run_s=COPY_S,
        )  # fmt: skip

    async def make_swap(self, path: Path) -> None:
        """Write swap space's header into a plain disk."""
        await self._run("mkswap", "-L", "swap", str(path.absolute()))

    async def make_file_system(self, path: Path, kind: str, label: str) -> None:
        """Make a file system in a plain disk: ext2, ext3, ext4, xfs or vfat.

        Raises:
            ToolMissing
        """
        await self._run(*_MAKERS[kind], label, str(path.absolute()))

    async def convert(self, path: Path, disk_format: str, target: Path) -> None:
        """Write what a disk shows into a qcow2. Its format is never guessed."""
        node = _node(path, disk_format)
        await self._run(
            self.qemu_img, "convert", "-q", "-O", "qcow2", "--", f"json:{json.dumps(node)}",
            str(target.absolute()),
            cpu_s=COPY_CPU_S, run_s=COPY_S,
        )  # fmt: skip

    async def _run(self, *argv: str, cpu_s: int = TOOL_CPU_S, run_s: float = TOOL_S) -> None:
        # prlimit sets the limits and becomes the tool: no code of ours runs between fork and exec.
        limits = (
            f"--cpu={cpu_s}",
            f"--as={TOOL_MEMORY}",
            f"--nofile={TOOL_FILES}",
            "--core=0",
            *([f"--fsize={self.most_bytes}"] if self.most_bytes else []),
        )
        path = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"
        if shutil.which(argv[0], path=path) is None:
            raise ToolMissing(f"{argv[0]} is not on this host")
        try:
            process = await asyncio.create_subprocess_exec(
                "prlimit", *limits, "--", *argv,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.DEVNULL,
                stderr=asyncio.subprocess.PIPE,
                cwd="/",
                env={"PATH": path, "LC_ALL": "C"},
                user=self.uid,
                group=self.gid,
                extra_groups=None if self.uid is None else [],
            )  # fmt: skip
        except OSError as error:
            raise ImageFailed(f"{argv[0]} could not be started", detail=str(error)) from error
        try:
            async with asyncio.timeout(run_s):
                _, words = await process.communicate()
        except TimeoutError:
            raise ImageFailed(f"{argv[0]} did not end within {run_s:g} s") from None
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        if process.returncode != 0:
            raise ImageFailed(f"{argv[0]} failed", detail=words.decode(errors="replace").strip())
