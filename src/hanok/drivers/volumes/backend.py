"""Where layers are kept. One interface; what is a folder to `files` is a pool to others.

A new layer is a sparse file that was never anybody else's: what it has not been given reads as zeros.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from msgspec.structs import replace

from hanok.base.durable import settle
from hanok.base.errors import HanokError
from hanok.drivers import luks, qcow2
from hanok.drivers.image_format import HEAD_BYTES, TAIL_BYTES, Found, Inspector
from hanok.drivers.volumes.layer import Layer

_LAYER = re.compile(r"(l[0-9a-f]{24})\.(qcow2|raw)(\.new)?")
FICLONE = 0x40049409  # linux/fs.h
SEALED = ("it is encrypted", "its header describes encryption")  # as is told of images
RESERVE = 256 << 20  # disk space that stays for guests that run already
CAPABILITIES = {
    "thin_provisioning_support": "True",
    "thick_provisioning_support": "False",
    "multiattach": "True",
    "online_extend_support": "True",
    "QoS_support": "True",
    "consistencygroup_support": "True",
    "consistent_group_snapshot_enabled": "True",
    "sparse_copy_volume": "True",
}
"""In the words of volume types' extra specs."""


class BackendFailed(HanokError):
    """The back end cannot do this, or does not work. transient: worth trying again."""

    def __init__(self, message: str, *, transient: bool = False) -> None:
        super().__init__(message)
        self.transient = transient


@dataclass(frozen=True)
class Space:
    """In bytes."""

    total: int
    free: int


class Backend(Protocol):
    """A place for layers. name: in the cloud; driver: of which kind. bare: the format of what stands on nothing."""

    name: str
    driver: str
    bare: str

    def trouble(self) -> str:
        """Why it does not work, in the operator's terms; "" where it does."""

    def space(self) -> Space: ...

    def located(self, layer: Layer) -> Layer:
        """A layer that says where its bytes are."""

    def make(self, layer: Layer, secret: str) -> None:
        """An empty layer, encrypted (qcow2) if there is a secret. Raises BackendFailed: there is no room."""

    def remove(self, layer: Layer) -> None:
        """Its blocks are free. Also where it never was."""

    def layers(self) -> Iterator[Layer]:
        """Every layer that is there, with its id and path alone."""

    def others(self) -> Iterator[tuple[str, int]]:
        """Files that are no layers, by name, with the sizes of the disks that they are."""

    def leave(self, layer: Layer, name: str) -> None:
        """A layer is a file of this name from now on. Raises BackendFailed: there is one."""

    def plain(self, layer: Layer) -> bool:
        """Whether a raw layer would be taken for one by its bytes: a guest may write anything onto its disk."""

    def take(self, name: str, layer_id: str, *, encrypted: bool) -> Layer:
        """A file of this name is a layer from now on. Raises BackendFailed: it cannot be one."""

    def make_with(self, layer: Layer, content: str) -> None:
        """A layer with the bytes of a file."""

    def take_out(self, layer: Layer, target: Path) -> None:
        """A new file has a layer's bytes."""

    def used(self, layer: Layer) -> int:
        """How many bytes a layer takes."""

    def check_space(self, more: int) -> None:
        """Raises BackendFailed when so many bytes more would leave guests no room to write."""


class FilesBackend:
    """A folder. owner: whom the process that opens the files runs as, and its group; None: ourselves.

    mount: whether the folder has to be where a file system is mounted (nfs); it is the same one as long as we live.
    """

    bare = "raw"  # a sparse file: there is nothing besides its bytes that the daemon could lose (docs/decisions/0073)

    def __init__(
        self,
        name: str,
        folder: Path,
        owner: tuple[int, int] | None = None,
        *,
        mount: bool = False,
    ) -> None:
        self.name, self.driver = name, "nfs" if mount else "files"
        self.folder, self._owner, self._mount = folder, owner, mount
        self._file_system = 0
        if not mount:
            folder.mkdir(parents=True, exist_ok=True)
            folder.chmod(0o711)

    def trouble(self) -> str:
        try:
            if self._mount and not os.path.ismount(self.folder):
                return f"nothing is mounted at {self.folder}"
            found = os.statvfs(self.folder)
        except OSError as error:
            return f"{self.folder} cannot be used: {error.strerror}"
        if found.f_flag & os.ST_RDONLY or not os.access(self.folder, os.W_OK):
            return f"{self.folder} cannot be written to"
        if self._mount and self._file_system and self._file_system != found.f_fsid:
            return f"another file system is mounted at {self.folder}"
        self._file_system = found.f_fsid
        return ""

    def space(self) -> Space:
        found = os.statvfs(self.folder)
        return Space(found.f_blocks * found.f_frsize, found.f_bavail * found.f_frsize)

    def located(self, layer: Layer) -> Layer:
        return replace(layer, path=str(self.folder / f"{layer.id}.{layer.format}"))

    def make(self, layer: Layer, secret: str) -> None:
        self.check_space(0)
        header = luks.header(secret) if secret else b""
        with self.opened(layer.path) as fd, open(fd, "wb", closefd=False) as file:
            if layer.format == "raw":
                file.truncate(layer.size_bytes)
            else:
                qcow2.write_empty(file, layer.size_bytes, header)

    def check_space(self, more: int) -> None:
        """Raises BackendFailed when so much more would leave no room for guests to write."""
        if self.space().free < more + RESERVE:
            raise BackendFailed(f"The back end {self.name} has not enough space.", transient=True)

    @contextlib.contextmanager
    def opened(self, path: str) -> Iterator[int]:
        """A new file of the daemon's user, which is there when all of it is written."""
        temporary = f"{path}.new"
        with contextlib.suppress(FileNotFoundError):
            os.unlink(temporary)
        fd = os.open(temporary, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
        try:
            if self._owner is not None:
                os.fchown(fd, *self._owner)
            yield fd
            os.fsync(fd)
            os.rename(temporary, path)
            settle(self.folder)
        except BaseException:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(temporary)
            raise
        finally:
            os.close(fd)

    def make_with(self, layer: Layer, content: str) -> None:
        """By reflink where the file system has it."""
        self.check_space(os.stat(content).st_blocks * 512)
        self.copy(content, layer.path)

    def copy(self, source: str, path: str) -> None:
        taken = os.open(source, os.O_RDONLY | os.O_NOFOLLOW)
        with open(taken, "rb") as file, self.opened(path) as fd:
            copy_bytes(file.fileno(), fd)

    def take_out(self, layer: Layer, target: Path) -> None:
        with open(layer.path, "rb") as file, target.open("xb") as copy:
            copy_bytes(file.fileno(), copy.fileno())

    def used(self, layer: Layer) -> int:
        return bytes_of(layer)

    def remove(self, layer: Layer) -> None:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(layer.path)

    def layers(self) -> Iterator[Layer]:
        for entry in sorted(self.folder.iterdir()):
            if found := _LAYER.fullmatch(entry.name):
                yield Layer(id=found[1], path=str(entry), backend=self.name)

    def others(self) -> Iterator[tuple[str, int]]:
        for entry in sorted(self.folder.iterdir()):
            if not _LAYER.fullmatch(entry.name) and entry.is_file() and not entry.is_symlink():
                with contextlib.suppress(OSError):
                    found = look(str(entry))
                    yield entry.name, found.virtual_size_bytes

    def leave(self, layer: Layer, name: str) -> None:
        target = self.folder / name
        if target.exists():
            raise BackendFailed(f"The back end {self.name} has a file {name} already.")
        os.rename(layer.path, target)
        settle(self.folder)

    def plain(self, layer: Layer) -> bool:
        return is_plain(look(layer.path))

    def take(self, name: str, layer_id: str, *, encrypted: bool) -> Layer:
        source = self.folder / name
        if name != source.name or _LAYER.fullmatch(name) or not source.is_file():
            raise BackendFailed(f"The back end has no volume {name}.")
        found = look(str(source))
        problems = [one for one in found.problems if not (encrypted and one in SEALED)]
        if found.format not in ("qcow2", "raw", "iso") or problems:
            why = "; ".join(problems) or f"it is {found.format}"
            raise BackendFailed(f"The file {name} cannot be a volume: {why}.")
        disk_format = "qcow2" if found.format == "qcow2" else "raw"
        layer = self.located(
            Layer(
                id=layer_id,
                path="",
                format=disk_format,
                size_bytes=found.virtual_size_bytes,
                backend=self.name,
                encrypted=encrypted,
            )
        )
        os.rename(source, layer.path)
        if self._owner is not None:
            os.chown(layer.path, *self._owner)
        settle(self.folder)
        return layer


def bytes_of(layer: Layer) -> int:
    """How many bytes the file of a layer takes; of one that is no file nobody knows without asking."""
    with contextlib.suppress(OSError):
        return Path(layer.path).stat().st_blocks * 512 if layer.path else 0
    return 0


def copy_bytes(source: int, target: int) -> None:
    """Copy an open file into an empty one: by reflink, or where there is data."""
    with contextlib.suppress(OSError):
        fcntl.ioctl(target, FICLONE, source)
        return
    size = os.fstat(source).st_size
    os.ftruncate(target, size)
    at = 0
    while at < size:
        try:
            begin = os.lseek(source, at, os.SEEK_DATA)
        except OSError:
            return  # a hole up to the end
        at = os.lseek(source, begin, os.SEEK_HOLE)
        _copy_range(source, target, begin, at)


def _copy_range(source: int, target: int, begin: int, end: int) -> None:
    os.lseek(target, begin, os.SEEK_SET)
    while begin < end:
        copied = os.sendfile(target, source, begin, min(end - begin, 1 << 26))
        if not copied:
            return
        begin += copied


def is_plain(found: Found) -> bool:
    return found.format in ("raw", "iso") and not found.problems


def look(path: str) -> Found:
    """What a file is, without following a link to it."""
    fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    with open(fd, "rb") as file:
        inspector, size = Inspector(), os.fstat(fd).st_size
        inspector.feed(file.read(HEAD_BYTES))
        if size > HEAD_BYTES:
            file.seek(max(HEAD_BYTES, size - TAIL_BYTES))
            inspector.feed(file.read())
    inspector.size_bytes = size
    return inspector.finish()
