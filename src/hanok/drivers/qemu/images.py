"""Disk files: overlays on cached images and plain disks, made by tools that run under limits and without root.

Formats are always named and paths are absolute, so no tool ever guesses what bytes are or follows a name inside
them to another file. What may be an image at all is decided before, by `hanok.drivers.image_format`.
"""

from __future__ import annotations

import json
import os
import shutil
from asyncio.subprocess import DEVNULL
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from hanok.base import programs
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


def _luks(secret: str) -> dict[str, Any]:
    return {"encrypt": {"format": "luks", "key-secret": "key"}} if secret else {}


@dataclass(frozen=True)
class Tools:
    """Runs disk tools as a user without rights (None: as we are). maximum_bytes: of a file that they write; 0: any."""

    uid: int | None = None
    gid: int | None = None
    qemu_img: str = "qemu-img"
    maximum_bytes: int = 0

    async def make_overlay(self, path: Path, base: Path, base_format: str, size_bytes: int) -> None:
        """A qcow2 that shows `base` and takes the writes; a fifth of a MiB on the disk."""
        await self._run(
            self.qemu_img, "create", "-q", "-f", "qcow2", "-F", base_format, "-b", str(base.absolute()),
            str(path.absolute()), str(size_bytes),
        )  # fmt: skip

    async def stand_on(self, path: Path, base: Path, base_format: str) -> None:
        """An overlay that came from elsewhere stands on this copy of what it stood on; its contents stay."""
        await self._run(
            self.qemu_img, "rebase", "-q", "-u", "-f", "qcow2", "-F", base_format, "-b", str(base.absolute()),
            str(path.absolute()),
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

    async def copy(
        self,
        source: dict[str, Any],
        target: Path,
        disk_format: str,
        *,
        secret: str = "",
        encrypted: bool = False,
    ) -> None:
        """Write what a chain of disks shows as another disk.

        Args:
            source: as QEMU is told of it; of encrypted ones with the secret `key`. encrypted: whether the target is,
                by the same key (qcow2, or LUKS itself where that is raw); it is there already, with its header.
        """
        given = ["--object", "secret,id=key,file={secret}"] if secret else []
        into = ["-O", disk_format, "--", f"json:{json.dumps(source)}", str(target.absolute())]
        if encrypted:
            how = "luks,key-secret=key"
            if disk_format == "qcow2":
                how = "qcow2,encrypt.format=luks,encrypt.key-secret=key"
            name = str(target.absolute()).replace(",", ",,")
            node = f"driver={how},file.driver=file,file.filename={name}"
            zero = ["--target-is-zero"] if disk_format == "qcow2" else []
            into = ["-n", *zero, "--target-image-opts", "--", f"json:{json.dumps(source)}", node]
        await self._run(
            self.qemu_img, "convert", "-q", *given, *into,
            cpu_s=COPY_CPU_S, run_s=COPY_S, secret=secret,
        )  # fmt: skip

    async def commit(self, upper: Path, lower: Path, *, secret: str = "") -> None:
        """What a qcow2 holds, zeros too, is in another one, that it stands on. Neither is what it was if this fails."""
        lacking = {**_node(lower, "qcow2"), **_luks(secret)}
        node = {**_node(upper, "qcow2"), **_luks(secret), "backing": lacking}
        await self._run(
            self.qemu_img, "commit", "-q", "-d",
            *(["--object", "secret,id=key,file={secret}"] if secret else []),
            f"json:{json.dumps(node)}",
            cpu_s=COPY_CPU_S, run_s=COPY_S, secret=secret,
        )  # fmt: skip

    async def _run(
        self, *argv: str, cpu_s: int = TOOL_CPU_S, run_s: float = TOOL_S, secret: str = ""
    ) -> None:
        # prlimit sets the limits and becomes the tool: no code of ours runs between fork and exec.
        limits = (
            f"--cpu={cpu_s}",
            f"--as={TOOL_MEMORY}",
            f"--nofile={TOOL_FILES}",
            "--core=0",
            *([f"--fsize={self.maximum_bytes}"] if self.maximum_bytes else []),
        )
        path = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"
        if shutil.which(argv[0], path=path) is None:
            raise ToolMissing(f"{argv[0]} is not on this host")
        if secret:  # it is read from a pipe: no argument and no file ever holds it
            argv = tuple(word.replace("{secret}", "/dev/stdin") for word in argv)
        try:
            with self._piped(secret) as given:
                said = await programs.run(
                    "prlimit", *limits, "--", *argv,
                    within_s=run_s,
                    stdin=given,
                    stdout=DEVNULL,
                    cwd="/",
                    env={"PATH": path, "LC_ALL": "C"},
                    user=self.uid,
                    group=self.gid,
                    extra_groups=None if self.uid is None else [],
                )  # fmt: skip
        except TimeoutError:
            raise ImageFailed(f"{argv[0]} did not end within {run_s:g} s") from None
        except OSError as error:
            raise ImageFailed(f"{argv[0]} could not be started", detail=str(error)) from error
        if said.status:
            words = said.complaint.decode(errors="replace").strip()
            raise ImageFailed(f"{argv[0]} failed", detail=words)

    def make_folder(self, path: Path) -> None:
        """An empty folder that the tools may write to; what was there is gone."""
        shutil.rmtree(path, ignore_errors=True)
        path.mkdir(mode=0o700)
        if self.uid is not None:
            os.chown(path, self.uid, -1 if self.gid is None else self.gid)

    def own(self, fd: int) -> None:
        """An open file is the tools' user's."""
        if self.uid is not None:
            os.fchown(fd, self.uid, -1 if self.gid is None else self.gid)

    def _piped(self, secret: str) -> BinaryIO:
        """What the tool's user reads a secret from, once; without one, nothing."""
        if not secret:
            return open(os.devnull, "rb")
        reading, writing = os.pipe()
        with open(writing, "wb") as file:
            file.write(secret.encode())
        if self.uid is not None:
            os.fchown(reading, self.uid, -1)
        return open(reading, "rb")
