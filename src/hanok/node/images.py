"""The image cache of a host: each image once, checked when it is taken, shared by all guests that stand on it.

A file is copied (or cloned, where the file system can) and never linked: the store belongs to somebody else, who could
change what was checked. While the bytes pass they are hashed and inspected.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import fcntl
import hashlib
import os
import stat
from collections.abc import Sequence
from pathlib import Path
from weakref import WeakValueDictionary

import msgspec
from msgspec import Struct

from hanok.base.durable import put_in_place
from hanok.base.failpoints import failpoint
from hanok.base.ids import is_uuid
from hanok.commands import EnsureImage, ImageState
from hanok.drivers.foreign_formats import FOREIGN
from hanok.drivers.image_format import Inspector
from hanok.node import channel
from hanok.node.conversion import Converter
from hanok.node.errors import NotDone
from hanok.node.records import write_whole

CHUNK = 1 << 20
GIB = 1 << 30
FICLONE = 0x40049409  # linux/fs.h: share the blocks of another file, copy on write
HASHES = ("sha224", "sha256", "sha384", "sha512")  # that nobody can make other bytes for
RESERVE = 256 << 20  # disk space that a copy leaves for guests that run already
_AS_IT_IS = ("ami", "ari", "aki")  # a disk, a ramdisk and a kernel, without a format of their own


class CachedImage(Struct, frozen=True, kw_only=True):
    """What is known of an image in the cache. format: what QEMU is told; an ISO is a raw disk to it.

    size_bytes: of the file here; of a disk that was converted, what it became.
    """

    image_id: str
    disk_format: str
    format: str
    size_bytes: int
    virtual_size_bytes: int


class ImageCache:
    def __init__(
        self,
        folder: Path,
        stores: tuple[str, ...],
        *,
        gid: int | None,
        uid: int | None = None,
        host: str = "",
    ) -> None:
        """
        Args:
            gid: of guests. uid: whom disks of other hypervisors are converted as; None: as ourselves.
            host: our name, for images that come over the channel.
        """
        self._converter = Converter(folder, uid, gid)
        self.folder = folder
        self._host = host
        self._stores = [Path(store) for store in stores]
        self._gid = gid
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        folder.mkdir(parents=True, exist_ok=True)
        folder.chmod(0o711)
        for leftover in folder.glob(".*.new"):
            leftover.unlink()
        self._converter.clean()
        for path in folder.iterdir():  # what was not whole yet, or not quite gone
            if is_uuid(path.name) and not path.with_suffix(".json").exists():
                path.unlink()

    def path(self, image_id: str) -> Path:
        if not is_uuid(image_id):
            raise NotDone("That is not the id of an image.", detail=image_id)
        return self.folder / image_id

    def get(self, image_id: str) -> CachedImage | None:
        """The image if it is here, whole."""
        path = self.path(image_id)
        try:
            known = msgspec.json.decode(path.with_suffix(".json").read_bytes(), type=CachedImage)
            return known if path.stat().st_size == known.size_bytes else None
        except (FileNotFoundError, msgspec.MsgspecError):
            return None

    def list(self) -> list[str]:
        return sorted(path.stem for path in self.folder.glob("*.json") if is_uuid(path.stem))

    def by_age(self) -> Sequence[tuple[str, float]]:
        """The images with the time at which each was last asked for, the oldest first."""
        found = []
        for image_id in self.list():
            with contextlib.suppress(FileNotFoundError):
                found.append((image_id, self.path(image_id).with_suffix(".json").stat().st_mtime))
        return sorted(found, key=lambda one: one[1])

    async def ensure(self, requested: EnsureImage) -> ImageState:
        """Take the image from a store, once; several who want it wait for the same copy."""
        async with self._locks.setdefault(requested.image_id, asyncio.Lock()):
            known = self.get(requested.image_id)
            copied = known is None
            if known is not None:
                with contextlib.suppress(OSError):
                    os.utime(self.path(requested.image_id).with_suffix(".json"))
            if known is None:
                await failpoint("node.ensure_image.before_copy")
                known = await asyncio.to_thread(self._take, requested)
                if known.format in FOREIGN:
                    known = await self._converted(known)
                await failpoint("node.ensure_image.after_copy")
            return ImageState(
                image_id=requested.image_id,
                virtual_size_bytes=known.virtual_size_bytes,
                copied=copied,
            )

    async def _converted(self, taken: CachedImage) -> CachedImage:
        """The same disk as qcow2, in the place of what was taken."""
        path = self.path(taken.image_id)
        found = await self._converter.convert(path, taken.format)
        known = msgspec.structs.replace(
            taken,
            format="qcow2",
            size_bytes=path.stat().st_size,
            virtual_size_bytes=found.virtual_size_bytes,
        )
        await asyncio.to_thread(write_whole, path.with_suffix(".json"), msgspec.json.encode(known))
        return known

    async def forget(self, image_id: str) -> None:
        async with self._locks.setdefault(image_id, asyncio.Lock()):
            path = self.path(image_id)
            path.with_suffix(".json").unlink(missing_ok=True)
            await failpoint("node.forget_image.between")
            path.unlink(missing_ok=True)

    def _take(self, requested: EnsureImage) -> CachedImage:
        """Copy, hash and inspect in one pass (in a thread)."""
        check_requested(requested)
        path = self.path(requested.image_id)
        temporary = path.with_name(f".{path.name}.new")
        space = os.statvfs(self.folder)
        if space.f_bavail * space.f_frsize < requested.size_bytes + RESERVE:
            raise NotDone("The host has not enough disk space for the image.", transient=True)
        source = find_in_store(self._stores, requested.image_id)
        if source is None and requested.source is None:
            raise not_in_store(requested.image_id)
        try:
            target = os.open(temporary, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
            try:
                if source is None:
                    digest, inspector = fetched(requested, self._host, target)
                else:
                    digest, inspector = _copy(source, target, requested.hash_algorithm)
                known = checked(requested, digest, inspector)
                if self._gid is not None:
                    os.fchown(target, -1, self._gid)
                os.fchmod(target, 0o440)
                os.fsync(target)
            finally:
                os.close(target)
            put_in_place(temporary, path, settled=True)
            if known.format not in FOREIGN:
                write_whole(path.with_suffix(".json"), msgspec.json.encode(known))
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                raise NotDone(
                    "The host's disk is full.", detail=str(error), transient=True
                ) from error
            raise
        finally:
            if source is not None:
                os.close(source)
            temporary.unlink(missing_ok=True)
        return known


def check_fits(image_bytes: int, disk_gib: int) -> None:
    """Raises NotDone when an image is larger than the disk it should fill; 0 takes the image's size."""
    if disk_gib and disk_gib * GIB < image_bytes:
        needed = -(-image_bytes // GIB)
        raise NotDone(f"The image needs a disk of {needed} GiB; the server's has {disk_gib} GiB.")


def check_requested(requested: EnsureImage) -> None:
    """Raises NotDone for an image that cannot be taken, whatever its data is."""
    if requested.disk_format not in ("raw", "qcow2", "iso", *_AS_IT_IS, *FOREIGN):
        raise NotDone(f"Images of the format {requested.disk_format} cannot be booted here.")
    if not requested.hash_value:
        raise NotDone(
            "The image has no checksum, so it cannot be trusted.", detail=requested.image_id
        )
    if requested.hash_algorithm not in HASHES:
        raise NotDone(
            f"The image's checksum is of the kind {requested.hash_algorithm[:20]}, which does not prove what it is. "
            f"Hosts trust {', '.join(HASHES)}."
        )


def find_in_store(stores: Sequence[Path], image_id: str) -> int | None:
    """A descriptor of the image's data in the first store that has it."""
    for store in stores:
        with contextlib.suppress(FileNotFoundError):
            fd = os.open(store / image_id, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
            if stat.S_ISREG(os.fstat(fd).st_mode):
                return fd
            os.close(fd)
    return None


def open_in_store(stores: Sequence[Path], image_id: str) -> int:
    """The same, where one must have it.

    Raises:
        NotDone
    """
    if (found := find_in_store(stores, image_id)) is None:
        raise not_in_store(image_id)
    return found


def not_in_store(image_id: str) -> NotDone:
    return NotDone(
        "The image's data is not in any store that this host can read.",
        detail=image_id,
        transient=True,
    )


def fetched(requested: EnsureImage, host: str, target: int | None) -> tuple[str, Inspector]:
    """Read the image over the channel, hashed and inspected as it passes (in a thread).

    Args:
        target: where it is written to; None: nowhere.
    """
    assert requested.source is not None
    digest, inspector = hashlib.new(requested.hash_algorithm), Inspector()

    def take(piece: bytes) -> None:
        digest.update(piece)
        inspector.feed(piece)
        view = memoryview(piece)
        while target is not None and view:
            view = view[os.write(target, view) :]

    channel.fetch(requested.source, host, requested.size_bytes, take)
    return digest.hexdigest(), inspector


def _copy(source: int, target: int, algorithm: str) -> tuple[str, Inspector]:
    try:
        fcntl.ioctl(target, FICLONE, source)
        cloned = True
    except OSError:
        cloned = False
    digest, inspector = hashlib.new(algorithm), Inspector()
    read_from = target if cloned else source
    while chunk := os.read(read_from, CHUNK):
        digest.update(chunk)
        inspector.feed(chunk)
        if not cloned:
            view = memoryview(chunk)
            while view:
                view = view[os.write(target, view) :]
    return digest.hexdigest(), inspector


def checked(requested: EnsureImage, digest: str, inspector: Inspector) -> CachedImage:
    """What passed is what was uploaded, and is what it is said to be; else NotDone."""
    if inspector.size_bytes != requested.size_bytes or digest != requested.hash_value.lower():
        raise NotDone(
            "The image's data is not what was uploaded: its checksum differs.",
            detail=f"{inspector.size_bytes} bytes, {requested.hash_algorithm} {digest}",
        )
    if not inspector.size_bytes:
        raise NotDone("The image cannot be used: it has no data.")
    found = inspector.finish()
    if found.problems:
        raise NotDone(f"The image cannot be used: {'; '.join(found.problems)}.")
    said = "raw" if requested.disk_format in _AS_IT_IS else requested.disk_format
    # An ISO is a raw disk with a file system on it: either name is right for it.
    if found.format != said and (found.format, said) != ("iso", "raw"):
        raise NotDone(f"The image is said to be {requested.disk_format}, but it is {found.format}.")
    return CachedImage(
        image_id=requested.image_id,
        disk_format=requested.disk_format,
        format="raw" if found.format == "iso" else found.format,
        size_bytes=inspector.size_bytes,
        virtual_size_bytes=found.virtual_size_bytes,
    )
