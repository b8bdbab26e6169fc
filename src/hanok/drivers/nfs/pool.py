"""A folder of shares: each is a Btrfs of its own in a sparse file, which is as large as the share.

So a share's size is that of a file system, which clients see and nobody gets around; what a client makes up as a file
handle finds nothing beyond its own share; and a file system that breaks is one share's. Snapshots are subvolumes in it:
as long as there are any, the file system is larger by what they may keep, and a quota group holds the share itself.

    <folder>/<share_id>.img           share: the share; snapshots/<id>, kept/<name>, passing/<name>: read-only
    <folder>/kept/<name>.img          shares that nobody manages
    <folder>/<share_id>.new           being filled
    <run>/<short id>/                 where it is mounted while it is needed
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from weakref import WeakValueDictionary

from hanok.base.durable import put_in_place, settle
from hanok.base.ids import is_uuid
from hanok.drivers.nfs.errors import NotThere, ShareError, TooSmall
from hanok.drivers.nfs.exports import Found
from hanok.drivers.nfs.tools import run, succeeds

GIB = 1 << 30
MIXED_BELOW = (
    16 * GIB
)  # in one of them a small file system keeps files and their index together, and wastes nothing
SPARE = 64 << 20  # for what a snapshot's own index needs
COPY_S = None  # as long as it takes
OPTIONS = "loop,nosuid,nodev,noexec,noatime"


class Pool:
    """
    Args:
        folder: of the files. run: for mounts; need not survive.
    """

    def __init__(self, folder: Path, run: Path) -> None:
        self._folder, self._run = folder, run
        self._holds: Counter[str] = Counter()
        """How many copy from it at this moment."""
        self._passing: set[str] = set()
        """Names of snapshots that last as long as something is copied."""
        self._open: set[str] = set()
        """Shares of which something is given out."""
        self._snapshots: dict[str, str] = {}
        """Whose snapshot it is, of those that were worked on."""
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self._tidied: set[str] = set()
        """Shares that were looked into since they were mounted."""

    def _prepare(self, *more: Path) -> None:
        """Its folders are there, and these."""
        for one in (self._folder, self._folder / "kept", *more):
            if not one.is_dir():
                one.mkdir(parents=True)
                one.chmod(0o700)

    def _image(self, share_id: str) -> Path:
        return self._folder / f"{share_id}.img"

    def _kept(self, name: str) -> Path:
        return self._folder / "kept" / f"{name}.img"

    def _top(self, share_id: str) -> Path:
        return self._run / share_id.replace("-", "")

    async def adopt(self) -> None:
        """What was being filled when we were killed is gone."""
        self._prepare()
        for new in sorted(self._folder.glob("*.new")):
            await self._unmount(self._filling(new.stem))
            new.unlink(missing_ok=True)

    def _filling(self, share_id: str) -> Path:
        return self._run / f"new-{share_id.replace('-', '')}"

    # ---- making ----

    async def blank(self, share_id: str) -> None:
        """An empty share is there."""
        if not self._image(share_id).exists():
            await self._format(share_id)
            await asyncio.to_thread(self._finish, share_id)

    async def _format(self, share_id: str, size: int = GIB) -> Path:
        """A file system in a new file, which has not got its name yet."""
        self._prepare(self._run)
        new = self._new(share_id)
        new.unlink(missing_ok=True)
        fd = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
        try:
            os.ftruncate(fd, size)
        finally:
            os.close(fd)
        mixed = ("--mixed",) if size < MIXED_BELOW else ()
        await run("mkfs.btrfs", "-q", "-m", "single", "-d", "single", *mixed, str(new))
        return new

    def _new(self, share_id: str) -> Path:
        return self._folder / f"{share_id}.new"

    def _finish(self, share_id: str) -> None:
        new = self._new(share_id)
        put_in_place(new, self._image(share_id))

    async def clone(self, share_id: str, origin: Pool, source: str, snapshot_id: str) -> None:
        """A share with the content of another one of a pool, or of its snapshot."""
        if self._image(share_id).exists():
            return
        async with origin.lent(source, snapshot_id, f"of-{share_id}") as (folder, size):
            await self._filled(share_id, folder, size)
        await asyncio.to_thread(self._finish, share_id)

    @contextlib.asynccontextmanager
    async def lent(
        self, share_id: str, snapshot_id: str, name: str
    ) -> AsyncIterator[tuple[Path, int]]:
        """A folder that is a snapshot, or what a share holds at this moment, and how large a share holds that.

        name: nobody else's.
        """
        async with self._held(share_id) as top:
            size = self._image(share_id).stat().st_size
            if snapshot_id:
                yield self._snapshot(top, snapshot_id), size
                return
            passing = top / "passing" / name
            self._passing.add(name)
            try:
                await self._delete(passing)
                await self._frozen(top / "share", passing)
                yield passing, size
            finally:
                self._passing.discard(name)
                await self._delete(passing)

    async def _filled(self, share_id: str, origin: Path, size: int) -> None:
        new = await self._format(share_id, size)
        place = self._filling(share_id)
        await self._unmount(place)
        place.mkdir(exist_ok=True)
        try:
            await run("mount", "-o", OPTIONS, str(new), str(place))
            await _subvolume(place / "share")
            await run("cp", "-a", f"{origin}/.", str(place / "share"), timeout_s=COPY_S)
        finally:
            await self._unmount(place)

    async def take_over(self, share_id: str, name: str) -> None:
        """What was kept under a name is a share again."""
        if self._image(share_id).exists():
            return
        if not self._kept(name).is_file():
            raise NotThere("the back end has nothing of that name")
        self._kept(name).rename(self._image(share_id))
        settle(self._folder)

    async def take_over_snapshot(self, share_id: str, snapshot_id: str, name: str) -> None:
        """What was kept under a name is a snapshot again."""
        async with self._mounted(share_id) as top:
            if (top / "snapshots" / snapshot_id).exists():
                return
            if not (top / "kept" / name).is_dir():
                raise NotThere("the share has no snapshot of that name")
            (top / "kept" / name).rename(top / "snapshots" / snapshot_id)
            self._snapshots[snapshot_id] = share_id

    # ---- sizes ----

    async def resize(self, share_id: str, size_gib: int) -> None:
        """Raises TooSmall: it holds more than that."""
        async with self._mounted(share_id) as top:
            used = await self._used(top)
            if used > size_gib * GIB:
                raise TooSmall(used)
            await self._fit(share_id, top, size_gib * GIB, used)

    async def _fit(self, share_id: str, top: Path, size: int, used: int) -> None:
        whole = size + await self._keep_bytes(top)
        image = self._image(share_id)
        if image.stat().st_size <= whole:
            os.truncate(image, whole)
            await self._tell_loop(top)
            await run("btrfs", "filesystem", "resize", "max", str(top))
        else:
            await self._shrink(image, top, whole, used)
        if await self._limited(top):
            await run("btrfs", "qgroup", "limit", str(size), str(top / "share"))
        (top / "size").write_text(str(size))

    async def _shrink(self, image: Path, top: Path, whole: int, used: int) -> None:
        try:
            await run("btrfs", "filesystem", "resize", str(whole), str(top), timeout_s=600)
        except ShareError as error:
            raise TooSmall(used) from error
        await run("sync", "-f", str(top))
        os.truncate(image, whole)
        await self._tell_loop(top)

    async def _tell_loop(self, top: Path) -> None:
        device = (await run("findmnt", "-n", "-o", "SOURCE", "-M", str(top))).split("[")[0].strip()
        await run("losetup", "-c", device)

    async def _keep_bytes(self, top: Path) -> int:
        """What snapshots may keep, beside what the share itself holds."""
        sizes = await self._referenced(top)
        kept = [one for one in sizes if one != "share"]
        return sum(sizes[one] + SPARE for one in kept)

    async def _limited(self, top: Path) -> bool:
        """Whether quota groups are on."""
        return await succeeds("btrfs", "qgroup", "show", str(top))

    async def _referenced(self, top: Path) -> dict[str, int]:
        """What each subvolume holds, by path; empty where there have never been snapshots."""
        if not await self._limited(top):
            return {}
        sizes: dict[str, int] = {}
        for line in (
            await run("btrfs", "qgroup", "show", "--raw", "--sync", str(top))
        ).splitlines():
            words = line.split()
            if words and words[0].startswith("0/"):
                sizes[words[0][2:]] = int(words[1])
        found = {}
        for line in (await run("btrfs", "subvolume", "list", str(top))).splitlines():
            words = line.split(maxsplit=8)
            found[words[8]] = sizes.get(words[1], 0)
        return found

    async def used_bytes(self, name: str) -> int:
        """What a share or a snapshot holds."""
        share_id = self._share_of(name)
        async with self._mounted(share_id) as top:
            if name == share_id:
                return await self._used(top)
            self._snapshot(top, name)
            return (await self._referenced(top)).get(f"snapshots/{name}", 0)

    async def _used(self, top: Path) -> int:
        sizes = await self._referenced(top)
        if "share" in sizes:
            return sizes["share"]
        await run("sync", "-f", str(top))
        status = os.statvfs(top)
        return (status.f_blocks - status.f_bfree) * status.f_frsize

    # ---- snapshots ----

    async def snapshot(self, share_id: str, snapshot_id: str) -> None:
        """The share as it is now is kept."""
        async with self._mounted(share_id) as top:
            kept = top / "snapshots" / snapshot_id
            if not kept.exists():
                await self._counting(top)
                size = _size(top)
                used = await self._used(top)
                await self._frozen(top / "share", kept)
                await self._fit(share_id, top, size, used)
            self._snapshots[snapshot_id] = share_id

    async def _counting(self, top: Path) -> None:
        """Quota groups are on."""
        if not await self._limited(top):
            await run("btrfs", "quota", "enable", str(top))
            await run("btrfs", "quota", "rescan", "-w", str(top), timeout_s=600)

    async def _frozen(self, origin: Path, kept: Path) -> None:
        if not kept.exists():
            await run("sync", "-f", str(origin))
            await run("btrfs", "subvolume", "snapshot", "-r", str(origin), str(kept))

    def _snapshot(self, top: Path, snapshot_id: str) -> Path:
        found = top / "snapshots" / snapshot_id
        if not found.is_dir():
            raise NotThere("the share does not have that snapshot")
        return found

    async def revert(self, share_id: str, snapshot_id: str) -> None:
        """The share holds what its snapshot does. Nobody has it open."""
        async with self._mounted(share_id) as top:
            size = _size(top)
            new, old = top / "new", top / "old"
            await self._delete(new)
            await run(
                *("btrfs", "subvolume", "snapshot"),
                *(str(self._snapshot(top, snapshot_id)), str(new)),
            )
            await run("btrfs", "qgroup", "limit", str(size), str(new))
            (top / "share").rename(old)
            new.rename(top / "share")
            await self._delete(old)

    async def _delete(self, path: Path) -> None:
        if path.exists():
            await run("btrfs", "subvolume", "delete", "-c", str(path))

    # ---- folders ----

    async def open(self, name: str) -> Path:
        """A share or a snapshot is a folder; of a snapshot nothing is written."""
        share_id = self._share_of(name)
        async with self._alone(share_id):
            top = await self._mount(share_id)
            self._open.add(share_id)
        return top / "share" if name == share_id else self._snapshot(top, name)

    async def close(self, name: str) -> None:
        """A share is not mounted any more, whoever has it open."""
        share_id = self._share_of(name)
        if name == share_id:
            async with self._alone(share_id):
                self._open.discard(share_id)
                self._tidied.discard(share_id)
                await self._unmount(self._top(share_id))

    def belongs(self, snapshot_id: str, share_id: str) -> None:
        """Whose snapshot it is, from the records."""
        self._snapshots[snapshot_id] = share_id

    def _share_of(self, name: str) -> str:
        return self._snapshots.get(name, name)

    @contextlib.asynccontextmanager
    async def _alone(self, share_id: str) -> AsyncIterator[None]:
        async with self._locks.setdefault(share_id, asyncio.Lock()):
            yield

    @contextlib.asynccontextmanager
    async def _mounted(self, share_id: str) -> AsyncIterator[Path]:
        async with self._alone(share_id):
            top = await self._mount(share_id)
            try:
                yield top
            finally:
                await self._leave(share_id)

    @contextlib.asynccontextmanager
    async def _held(self, share_id: str) -> AsyncIterator[Path]:
        """It stays mounted, and others may work on it."""
        async with self._alone(share_id):
            top = await self._mount(share_id)
            self._holds[share_id] += 1
        try:
            yield top
        finally:
            async with self._alone(share_id):
                self._holds[share_id] -= 1
                await self._leave(share_id)

    async def _leave(self, share_id: str) -> None:
        if share_id not in self._open and not self._holds[share_id]:
            self._holds.pop(share_id, None)
            self._tidied.discard(share_id)
            await self._unmount(self._top(share_id))

    async def _mount(self, share_id: str) -> Path:
        top, image = self._top(share_id), self._image(share_id)
        if not image.exists():
            raise NotThere("the back end does not have that share")
        if not os.path.ismount(top):
            self._prepare(self._run)
            top.mkdir(exist_ok=True)
            await run("mount", "-o", OPTIONS, str(image), str(top))
            self._tidied.discard(share_id)
        if share_id not in self._tidied:
            await self._tidy(top)
            self._tidied.add(share_id)
        return top

    async def _tidy(self, top: Path) -> None:
        """What belongs there is there; a revert that was cut short is undone, or ended."""
        if not (top / "share").exists() and (top / "new").exists():
            (top / "new").rename(top / "share")
        if not (top / "share").exists():
            await _subvolume(top / "share")
        for part in ("snapshots", "kept", "passing"):
            (top / part).mkdir(exist_ok=True, mode=0o700)
        await self._delete(top / "old")
        for one in (top / "passing").iterdir():
            if one.name not in self._passing:
                await self._delete(one)

    async def _unmount(self, place: Path) -> None:
        while os.path.ismount(place):
            await run("umount", "-l", str(place))
        with contextlib.suppress(FileNotFoundError, OSError):
            place.rmdir()

    # ---- its end ----

    async def remove(self, name: str, keep: str) -> None:
        """Nothing of a share or a snapshot is there, or it is kept under a name."""
        share_id = self._share_of(name)
        if name != share_id:
            await self._remove_snapshot(share_id, name, keep)
            return
        self._prepare()
        await self.close(share_id)
        self._new(share_id).unlink(missing_ok=True)
        image = self._image(share_id)
        if keep and image.exists():
            image.rename(self._kept(keep))
        image.unlink(missing_ok=True)
        settle(self._folder)

    async def _remove_snapshot(self, share_id: str, snapshot_id: str, keep: str) -> None:
        try:
            async with self._mounted(share_id) as top:
                found = top / "snapshots" / snapshot_id
                size = _size(top)
                if keep and found.exists():
                    found.rename(top / "kept" / keep)
                await self._delete(found)
                with contextlib.suppress(TooSmall):  # it stays larger than it needs to be
                    await self._fit(share_id, top, size, 0)
        except NotThere:
            pass
        self._snapshots.pop(snapshot_id, None)

    async def found(self) -> list[Found]:
        """All shares, also those that nobody manages."""
        return await asyncio.to_thread(self._list)

    def _list(self) -> list[Found]:
        found = [
            _found(path, share_id=path.stem)
            for path in sorted(self._folder.glob("*.img"))
            if is_uuid(path.stem)
        ]
        kept = sorted((self._folder / "kept").glob("*.img"))
        return found + [_found(path, name=path.stem) for path in kept]


def _found(path: Path, *, share_id: str = "", name: str = "") -> Found:
    try:
        status = path.stat()
    except FileNotFoundError:  # it has gone meanwhile
        return Found(share_id, 0, 0, name)
    return Found(share_id, status.st_blocks * 512, status.st_size, name)


def _size(top: Path) -> int:
    """What the share itself may hold."""
    try:
        return int((top / "size").read_text())
    except (FileNotFoundError, ValueError):  # it was never told: an operator's
        status = os.statvfs(top)
        return status.f_blocks * status.f_frsize


async def _subvolume(path: Path) -> None:
    await run("btrfs", "subvolume", "create", str(path))
    path.chmod(0o777)


def missing() -> Iterator[str]:
    """What this host lacks for it."""
    if os.geteuid():
        yield "shares need root"
    for program in ("mkfs.btrfs", "btrfs", "losetup", "mount"):
        if shutil.which(program) is None:
            yield f"{program} is not installed"
    if not Path("/dev/loop-control").exists():
        yield "the kernel has no loop devices"
    if "btrfs" not in Path("/proc/filesystems").read_text() and not _has_module():
        yield "the kernel has no Btrfs"


def _has_module() -> bool:
    """Whether the kernel finds it when it is mounted first."""
    return any(Path("/lib/modules", os.uname().release).glob("kernel/fs/btrfs/btrfs.ko*"))
