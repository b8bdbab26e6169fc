"""Disk files: overlays on cached images and plain disks, made by tools that run under limits and without root.

Formats are always named and paths are absolute, so no tool ever guesses what bytes are or follows a name inside
them to another file. What may be an image at all is decided before, by `hanok.drivers.image_format`.
"""

from __future__ import annotations

import asyncio
import os
from dataclasses import dataclass
from pathlib import Path

from hanok.drivers.qemu.errors import ImageFailed

TOOL_S = 60.0
TOOL_CPU_S = 30
TOOL_MEMORY = 2 << 30  # address space: qemu-img maps much and uses little
TOOL_FILES = 64


@dataclass(frozen=True)
class Tools:
    """Runs disk tools as a user without rights (None: as we are)."""

    uid: int | None = None
    gid: int | None = None
    qemu_img: str = "qemu-img"

    async def make_overlay(self, path: Path, base: Path, base_format: str, size_bytes: int) -> None:
        """A qcow2 that shows `base` and takes the writes; a fifth of a MiB on the disk."""
        await self._run(
            self.qemu_img, "create", "-q", "-f", "qcow2", "-F", base_format, "-b", str(base.absolute()),
            str(path.absolute()), str(size_bytes),
        )  # fmt: skip

    async def grow(self, path: Path, size_bytes: int) -> None:
        """Make a qcow2 show more; never less."""
        await self._run(
            self.qemu_img, "resize", "-q", "-f", "qcow2", str(path.absolute()), str(size_bytes)
        )

    async def make_swap(self, path: Path) -> None:
        """Write swap space's header into a plain disk."""
        await self._run("mkswap", "-L", "swap", str(path.absolute()))

    async def make_ext4(self, path: Path, label: str) -> None:
        """Make a file system in a plain disk."""
        await self._run("mke2fs", "-q", "-F", "-t", "ext4", "-L", label, str(path.absolute()))

    async def _run(self, *argv: str) -> None:
        # prlimit sets the limits and becomes the tool: no code of ours runs between fork and exec.
        limits = (
            f"--cpu={TOOL_CPU_S}",
            f"--as={TOOL_MEMORY}",
            f"--nofile={TOOL_FILES}",
            "--core=0",
        )
        try:
            process = await asyncio.create_subprocess_exec(
                "prlimit", *limits, "--", *argv,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.DEVNULL,
                stderr=asyncio.subprocess.PIPE,
                cwd="/",
                env={"PATH": f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin", "LC_ALL": "C"},
                user=self.uid,
                group=self.gid,
                extra_groups=None if self.uid is None else [],
            )  # fmt: skip
        except OSError as error:
            raise ImageFailed(f"{argv[0]} could not be started", detail=str(error)) from error
        try:
            async with asyncio.timeout(TOOL_S):
                _, words = await process.communicate()
        except TimeoutError:
            raise ImageFailed(f"{argv[0]} did not end within {TOOL_S:g} s") from None
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        if process.returncode != 0:
            raise ImageFailed(f"{argv[0]} failed", detail=words.decode(errors="replace").strip())
