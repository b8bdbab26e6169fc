"""What a node remembers of shares: what was told last, written before its effects, and what was removed.

<state>/shares/<share_id>.json
<state>/servers/<server_id>.json
<state>/removed/<id>                the generation it was removed at, as text; of snapshots, too
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import msgspec
from msgspec import Struct

from hanok.base.ids import is_uuid
from hanok.commands import AccessRule, EnsureShareServer, ShareSource
from hanok.node.errors import NotDone
from hanok.node.records import write_whole

MAX_NUMBER = 65_535


class KeptSnapshot(Struct, kw_only=True):
    """A snapshot. size_gib: of the share at that moment. number: of its export. goes: it is being removed."""

    generation: int
    size_gib: int
    number: int
    manage: str = ""
    ready: bool = False
    goes: bool = False
    keep: str = ""
    access: int = -1
    rules: tuple[AccessRule, ...] = ()


class KeptShare(Struct, kw_only=True):
    """A share as it is to be.

    ready: whether it holds what it is to. access: the generation of its rules. reverted: the one in which it was set
    back last. goes, keep: it is being removed, and its files stay under that name.
    """

    share_id: str
    backend: str
    generation: int
    size_gib: int
    server_id: str
    number: int
    source: ShareSource
    ready: bool = False
    goes: bool = False
    keep: str = ""
    access: int = -1
    rules: tuple[AccessRule, ...] = ()
    reverted: int = -1
    snapshots: dict[str, KeptSnapshot] = {}


class KeptServer(Struct, kw_only=True):
    spec: EnsureShareServer
    goes: bool = False


_share = msgspec.json.Decoder(KeptShare).decode
_server = msgspec.json.Decoder(KeptServer).decode


class ShareRecords:
    """folder: None keeps them in memory only. durable: whether they survive a power cut."""

    def __init__(self, folder: Path | None, *, durable: bool = True) -> None:
        self._folder, self._durable = folder, durable
        self.shares: dict[str, KeptShare] = {}
        self.servers: dict[str, KeptServer] = {}
        self._removed: dict[str, int] = {}
        if folder is not None:
            for part in ("shares", "servers", "removed"):
                (folder / part).mkdir(parents=True, exist_ok=True)
            self._read(folder)

    def _read(self, folder: Path) -> None:
        for path in _of(folder / "shares"):
            with contextlib.suppress(OSError, msgspec.MsgspecError):
                self.shares[path.stem] = _share(path.read_bytes())
        for path in _of(folder / "servers"):
            with contextlib.suppress(OSError, msgspec.MsgspecError):
                self.servers[path.stem] = _server(path.read_bytes())
        for path in _of(folder / "removed"):
            with contextlib.suppress(OSError, ValueError):
                self._removed[path.name] = int(path.read_text())

    def _write(self, kind: str, name: str, content: bytes) -> None:
        if self._folder is not None:
            write_whole(self._folder / kind / name, content, durable=self._durable)

    def _unlink(self, kind: str, name: str) -> None:
        if self._folder is not None:
            (self._folder / kind / name).unlink(missing_ok=True)

    def save(self, one: KeptShare | KeptServer) -> None:
        """It is written before this ends."""
        if isinstance(one, KeptShare):
            self._write("shares", f"{one.share_id}.json", msgspec.json.encode(one))
            self.shares[one.share_id] = one
            return
        self._write("servers", f"{one.spec.server_id}.json", msgspec.json.encode(one))
        self.servers[one.spec.server_id] = one

    def forget(self, name: str) -> None:
        """A share or a server is gone."""
        for kind, known in (("shares", self.shares), ("servers", self.servers)):
            if known.pop(name, None) is not None:
                self._unlink(kind, f"{name}.json")

    def bury(self, name: str, generation: int) -> None:
        """Remember a removal."""
        if generation > self.removed_at(name):
            self._write("removed", name, b"%d" % generation)
            self._removed[name] = generation

    def unbury(self, name: str) -> None:
        """It is here again, by a command at least as new."""
        if self._removed.pop(name, None) is not None:
            self._unlink("removed", name)

    def removed_at(self, name: str) -> int:
        """The generation something was removed at; -1 when it never was."""
        return self._removed.get(name, -1)

    def number(self) -> int:
        """A number for an export that none has.

        Raises:
            NotDone: all are taken.
        """
        taken = {number for share in self.shares.values() for number in _numbers(share)}
        free = max(taken, default=0) + 1
        if free <= MAX_NUMBER:
            return free
        for one in range(1, MAX_NUMBER + 1):
            if one not in taken:
                return one
        raise NotDone("This host exports as many shares as it can.")


def _numbers(share: KeptShare) -> Iterator[int]:
    yield share.number
    yield from (one.number for one in share.snapshots.values())


def _of(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if is_uuid(path.stem))
